//! Which column each job is in, and where dependencies that pass columns bend.

use crate::pipeline::Graph;

/// Bends altogether. A pipeline in which thousands of dependencies pass thousands of columns has those beyond drawn
/// straight, behind what is between.
const MOST_BENDS: usize = 60_000;

/// What stands in a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Item {
    /// A job, by index.
    Job(usize),
    /// Where the dependencies of those that wait for a job pass the column.
    Bend,
}

/// Items in columns, and links between items of neighbouring columns.
#[derive(Debug)]
pub(super) struct Columns {
    /// Jobs first, by index, then bends.
    pub(super) items: Vec<Item>,
    /// The items of each column, from top to bottom.
    pub(super) columns: Vec<Vec<usize>>,
    /// The linked items of the column before, of each item.
    pub(super) before: Vec<Vec<usize>>,
    /// The linked items of the column after, of each item.
    pub(super) after: Vec<Vec<usize>>,
    /// The column of each job.
    pub(super) levels: Vec<usize>,
    /// The bends of each job's dependencies, in the columns after its own.
    pub(super) bends: Vec<Vec<usize>>,
}

impl Columns {
    /// Jobs in the columns that they belong to, from top to bottom as the graph's order has them.
    pub(super) fn new(graph: &Graph) -> Self {
        let jobs = graph.upstreams.len();
        let levels = levels(graph);
        let mut all = Self {
            items: (0..jobs).map(Item::Job).collect(),
            columns: vec![Vec::new(); levels.iter().max().map_or(0, |deepest| deepest + 1)],
            before: vec![Vec::new(); jobs],
            after: vec![Vec::new(); jobs],
            levels,
            bends: vec![Vec::new(); jobs],
        };
        for &job in &graph.order {
            all.columns[all.levels[job]].push(job);
        }
        for &job in &graph.order {
            all.join(job, &graph.downstreams[job]);
        }
        all
    }

    /// Links a job with those that wait for it: all of them share its bends.
    fn join(&mut self, job: usize, downstreams: &[usize]) {
        let level = self.levels[job];
        let farthest = downstreams.iter().map(|down| self.levels[*down]).max().unwrap_or(level + 1);
        let passed = farthest - level - 1;
        if self.items.len() - self.levels.len() + passed <= MOST_BENDS {
            for column in level + 1..farthest {
                let bend = self.items.len();
                self.items.push(Item::Bend);
                self.before.push(Vec::new());
                self.after.push(Vec::new());
                self.columns[column].push(bend);
                self.link(self.bends[job].last().copied().unwrap_or(job), bend);
                self.bends[job].push(bend);
            }
        }
        for &down in downstreams {
            match (self.levels[down] - level - 1).checked_sub(1) {
                None => self.link(job, down),
                Some(last) => {
                    if let Some(&bend) = self.bends[job].get(last) {
                        self.link(bend, down);
                    }
                }
            }
        }
    }

    fn link(&mut self, left: usize, right: usize) {
        self.after[left].push(right);
        self.before[right].push(left);
    }
}

/// A job comes after its last upstream; one that more jobs wait for than it waits for itself moves towards those.
fn levels(graph: &Graph) -> Vec<usize> {
    let mut levels = vec![0; graph.upstreams.len()];
    for &job in &graph.order {
        levels[job] = graph.upstreams[job].iter().map(|up| levels[*up] + 1).max().unwrap_or(0);
    }
    for &job in graph.order.iter().rev() {
        if graph.downstreams[job].len() > graph.upstreams[job].len()
            && let Some(first) = graph.downstreams[job].iter().map(|down| levels[*down]).min()
        {
            levels[job] = first - 1;
        }
    }
    levels
}
