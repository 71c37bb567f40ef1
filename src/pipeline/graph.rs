//! The graph of jobs, by index.

use petgraph::algo::kosaraju_scc;
use petgraph::graph::{DiGraph, NodeIndex};
use std::cmp::Reverse;
use std::collections::hash_map::Entry;
use std::collections::{BinaryHeap, HashMap, HashSet, VecDeque};

/// Who depends on whom; indices are those of `Pipeline::jobs`. Acyclic.
#[derive(Debug, Clone, Default)]
pub struct Graph {
    /// Direct upstreams of each job.
    pub upstreams: Vec<Vec<usize>>,
    /// Direct downstreams of each job.
    pub downstreams: Vec<Vec<usize>>,
    /// All jobs, each after its upstreams; ties in the order of the file.
    pub order: Vec<usize>,
}

impl Graph {
    /// The graph of these edges. Jobs on a cycle, and those that need them, are left out of `order`.
    pub(crate) fn new(upstreams: Vec<Vec<usize>>) -> Self {
        let mut downstreams = vec![Vec::new(); upstreams.len()];
        for (job, needed) in upstreams.iter().enumerate() {
            for upstream in needed {
                downstreams[*upstream].push(job);
            }
        }
        let order = order(&upstreams, &downstreams);
        Self { upstreams, downstreams, order }
    }

    /// For each pair of a job and another: is the other upstream of it, directly or through others?
    ///
    /// Pairs of a job that is not in `order` are answered by yes: the cycle is the finding.
    pub(crate) fn are_upstream(&self, pairs: &[(usize, usize)]) -> Vec<bool> {
        let mut targets: Vec<usize> = pairs.iter().map(|(_, target)| *target).collect();
        targets.sort_unstable();
        targets.dedup();
        let mut reached: HashMap<(usize, usize), bool> = HashMap::with_capacity(pairs.len());
        let mut by_target: HashMap<usize, Vec<usize>> = HashMap::new();
        for (job, target) in pairs {
            by_target.entry(*target).or_default().push(*job);
        }
        // A word of bits a job: 64 targets are followed through the whole graph at once.
        for block in targets.chunks(64) {
            let bits = self.reach(block);
            for (bit, target) in block.iter().enumerate() {
                for job in &by_target[target] {
                    reached.insert((*job, *target), bits[*job] >> bit & 1 == 1);
                }
            }
        }
        pairs.iter().map(|pair| reached[pair]).collect()
    }

    fn reach(&self, targets: &[usize]) -> Vec<u64> {
        let mut own = vec![0_u64; self.upstreams.len()];
        for (bit, target) in targets.iter().enumerate() {
            own[*target] |= 1 << bit;
        }
        let mut bits = vec![u64::MAX; self.upstreams.len()];
        for job in &self.order {
            bits[*job] = self.upstreams[*job].iter().fold(0, |all, up| all | bits[*up] | own[*up]);
        }
        bits
    }
}

fn order(upstreams: &[Vec<usize>], downstreams: &[Vec<usize>]) -> Vec<usize> {
    let mut missing: Vec<usize> = upstreams.iter().map(Vec::len).collect();
    let ready = missing.iter().enumerate().filter(|(_, missing)| **missing == 0);
    let mut ready: BinaryHeap<Reverse<usize>> = ready.map(|(job, _)| Reverse(job)).collect();
    let mut order = Vec::with_capacity(upstreams.len());
    while let Some(Reverse(job)) = ready.pop() {
        order.push(job);
        for downstream in &downstreams[job] {
            missing[*downstream] -= 1;
            if missing[*downstream] == 0 {
                ready.push(Reverse(*downstream));
            }
        }
    }
    order
}

/// Rounds of looking for cycles: after each, the edges of those found are taken out.
const ROUNDS: usize = 10;

/// Cycles that share no edge, the shortest through each component's first job; each job needs the next one, the last
/// needs the first.
pub(crate) fn cycles(upstreams: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let mut found = Vec::new();
    let mut removed = HashSet::new();
    for _ in 0..ROUNDS {
        let new = cycles_without(upstreams, &removed);
        if new.is_empty() {
            break;
        }
        for cycle in &new {
            removed.extend(edges(cycle));
        }
        found.extend(new);
    }
    found
}

/// The edges of a cycle, as (job, what it needs).
pub(crate) fn edges(cycle: &[usize]) -> impl Iterator<Item = (usize, usize)> {
    let next = cycle.iter().skip(1).chain(cycle.first());
    cycle.iter().copied().zip(next.copied())
}

fn cycles_without(upstreams: &[Vec<usize>], removed: &HashSet<(usize, usize)>) -> Vec<Vec<usize>> {
    let mut graph = DiGraph::<(), ()>::with_capacity(upstreams.len(), 0);
    for _ in upstreams {
        graph.add_node(());
    }
    for (job, needed) in upstreams.iter().enumerate() {
        for upstream in needed.iter().filter(|upstream| !removed.contains(&(job, **upstream))) {
            graph.add_edge(NodeIndex::new(job), NodeIndex::new(*upstream), ());
        }
    }
    // Not Tarjan's: petgraph's recurses, and a chain of ten thousand jobs would overflow the stack.
    let components = kosaraju_scc(&graph).into_iter().filter(|component| component.len() > 1);
    let mut cycles: Vec<Vec<usize>> =
        components.map(|component| shortest_cycle(&graph, &component)).collect();
    cycles.sort_unstable();
    cycles
}

/// Breadth first from the component's first job until an edge comes back to it.
fn shortest_cycle(graph: &DiGraph<(), ()>, component: &[NodeIndex]) -> Vec<usize> {
    let inside: HashSet<NodeIndex> = component.iter().copied().collect();
    let start = component.iter().copied().min().unwrap_or_default();
    let mut came_from: HashMap<NodeIndex, NodeIndex> = HashMap::new();
    let mut queue = VecDeque::from([start]);
    while let Some(job) = queue.pop_front() {
        for upstream in graph.neighbors(job).filter(|upstream| inside.contains(upstream)) {
            if upstream == start {
                let path = std::iter::successors(Some(job), |job| came_from.get(job).copied());
                let mut cycle: Vec<usize> = path.map(NodeIndex::index).collect();
                cycle.reverse();
                return cycle;
            }
            if let Entry::Vacant(vacant) = came_from.entry(upstream) {
                vacant.insert(job);
                queue.push_back(upstream);
            }
        }
    }
    vec![start.index()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_order(upstreams: &[&[usize]], expected: &[usize]) {
        let graph = Graph::new(upstreams.iter().map(|needed| needed.to_vec()).collect());
        assert_eq!(graph.order, expected);
    }

    #[track_caller]
    fn check_cycles(upstreams: &[&[usize]], expected: &[&[usize]]) {
        let upstreams: Vec<Vec<usize>> = upstreams.iter().map(|needed| needed.to_vec()).collect();
        assert_eq!(cycles(&upstreams), expected);
    }

    #[test]
    fn jobs_come_after_their_upstreams_and_ties_in_the_order_of_the_file() {
        check_order(&[&[2], &[], &[], &[0, 1]], &[1, 2, 0, 3]);
        check_order(&[], &[]);
    }

    #[test]
    fn each_cycle_is_found_once() {
        check_cycles(&[&[], &[0]], &[]);
        check_cycles(&[&[1], &[2], &[0], &[0]], &[&[0, 1, 2]]);
        check_cycles(&[&[1], &[0], &[3], &[2]], &[&[0, 1], &[2, 3]]);
    }

    #[test]
    fn cycles_that_share_a_job_are_both_found() {
        check_cycles(&[&[1, 2], &[0], &[0]], &[&[0, 2], &[0, 1]]);
    }

    #[test]
    fn a_long_chain_and_a_long_cycle_are_followed_without_recursion() {
        let chain: Vec<Vec<usize>> =
            (0..20_000_usize).map(|job| job.checked_sub(1).into_iter().collect()).collect();
        assert!(cycles(&chain).is_empty());
        let graph = Graph::new(chain.clone());
        assert_eq!(graph.are_upstream(&[(19_999, 0), (0, 19_999), (5, 5)]), [true, false, false]);
        let mut ring = chain;
        ring[0].push(19_999);
        assert_eq!(cycles(&ring)[0].len(), 20_000);
    }

    #[test]
    fn more_targets_than_a_word_has_bits() {
        let graph = Graph::new((0..200_usize).map(|job| job.checked_sub(2).into_iter().collect()).collect());
        let pairs: Vec<(usize, usize)> = (0..199).map(|target| (199, target)).collect();
        let expected: Vec<bool> = (0..199).map(|target| target % 2 == 1).collect();
        assert_eq!(graph.are_upstream(&pairs), expected);
    }
}
