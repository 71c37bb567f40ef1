//! Jobs from top to bottom, with a lane for each job that is waited for.
//!
//! Takes: the graph. Gives: rows of characters.
//! Deliberately does not: know names.

use crate::pipeline::Graph;

/// One line of the drawing; a cell is a lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Row {
    /// The job and the lanes that pass it.
    Job(Vec<char>),
    /// The lines from the job above to the lanes of those that wait for it.
    Joints(Vec<char>),
}

impl Row {
    fn cells(&self) -> &[char] {
        match self {
            Self::Job(cells) | Self::Joints(cells) => cells,
        }
    }

    /// How many lanes wide it is.
    pub(super) fn lanes(&self) -> usize {
        self.cells().len().div_ceil(2)
    }

    /// As printed.
    pub(super) fn text(&self) -> String {
        self.cells().iter().collect()
    }
}

/// Draws the jobs in the graph's order.
///
/// A lane leads to exactly one job, and each waiting job has exactly one lane; a job is joined to the lanes of its
/// downstreams. So a joint with a lane is a dependency on the job at the lane's lower end, and nothing else is.
pub(super) fn draw(graph: &Graph) -> Vec<Row> {
    let mut lanes: Vec<Option<usize>> = Vec::new();
    let mut rows = Vec::new();
    let mut ended = None;
    for &job in &graph.order {
        let waiting = lanes.iter().position(|lane| *lane == Some(job));
        let at = waiting.unwrap_or_else(|| free(&mut lanes, 0));
        if waiting.is_none() && ended == Some(at) {
            rows.push(Row::Joints(passing(&lanes, None))); // one right below another would look joined to it
        }
        rows.push(Row::Job(passing(&lanes, Some(at))));
        lanes[at] = None;
        let joined = join(&mut lanes, at, &graph.downstreams[job]);
        ended = joined.is_empty().then_some(at);
        if joined.iter().any(|joint| joint.lane != at) {
            rows.push(Row::Joints(joints(&lanes, at, &joined)));
        }
        while lanes.last() == Some(&None) {
            lanes.pop();
        }
    }
    rows
}

/// Where a job's line meets a lane.
struct Joint {
    lane: usize,
    /// The lane begins here: there is nothing above it.
    is_new: bool,
}

/// Finds or opens a lane for each downstream; the first new one goes straight on below the job.
fn join(lanes: &mut Vec<Option<usize>>, at: usize, downstreams: &[usize]) -> Vec<Joint> {
    let mut joined = Vec::new();
    for &job in downstreams {
        match lanes.iter().position(|lane| *lane == Some(job)) {
            Some(lane) => joined.push(Joint { lane, is_new: false }),
            None => {
                let lane = free(lanes, at);
                lanes[lane] = Some(job);
                joined.push(Joint { lane, is_new: true });
            }
        }
    }
    joined
}

/// The first free lane from `at` on.
fn free(lanes: &mut Vec<Option<usize>>, at: usize) -> usize {
    let found = (at..lanes.len()).find(|&lane| lanes[lane].is_none());
    found.unwrap_or_else(|| {
        lanes.push(None);
        lanes.len() - 1
    })
}

fn passing(lanes: &[Option<usize>], at: Option<usize>) -> Vec<char> {
    let cell = |(index, lane): (usize, &Option<usize>)| match lane {
        _ if Some(index) == at => ['○', ' '],
        Some(_) => ['│', ' '],
        None => [' ', ' '],
    };
    lanes.iter().enumerate().flat_map(cell).collect()
}

fn joints(lanes: &[Option<usize>], at: usize, joined: &[Joint]) -> Vec<char> {
    let first = joined.iter().map(|joint| joint.lane).chain([at]).min().unwrap_or(at);
    let last = joined.iter().map(|joint| joint.lane).chain([at]).max().unwrap_or(at);
    let mut cells = Vec::with_capacity(lanes.len() * 2);
    for (index, lane) in lanes.iter().enumerate() {
        let joint = joined.iter().find(|joint| joint.lane == index);
        let (left, right) = (index > first && index <= last, index >= first && index < last);
        cells.push(if index == at {
            corner(true, joint.is_some(), left, right)
        } else if let Some(joint) = joint {
            corner(!joint.is_new, true, left, right)
        } else if lane.is_some() {
            '│' // passed over, not joined
        } else if left && right {
            '─'
        } else {
            ' '
        });
        cells.push(if right { '─' } else { ' ' });
    }
    cells
}

/// The box-drawing character with these arms.
fn corner(up: bool, down: bool, left: bool, right: bool) -> char {
    match (up, down, left, right) {
        (true, true, true, true) => '┼',
        (true, true, true, false) => '┤',
        (true, true, false, true) => '├',
        (true, true, false, false) => '│',
        (true, false, true, true) => '┴',
        (true, false, true, false) => '╯',
        (true, false, false, true) => '╰',
        (false, true, true, true) => '┬',
        (false, true, true, false) => '╮',
        (false, true, false, true) => '╭',
        (_, _, true, true) => '─',
        _ => ' ',
    }
}
