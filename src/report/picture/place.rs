//! From columns and their order to pixels.

use super::columns::{Columns, Item};
use super::{Layout, Place, Route, Size, Stretch};
use crate::pipeline::Graph;

/// Around the whole.
const MARGIN: f64 = 10.0;
/// Between two boxes of a column, between a box and a bend, between two bends.
const GAPS: [f64; 3] = [14.0, 12.0, 8.0];
/// Between two columns: at least, at most, and how much of a curve's height is added.
const BETWEEN: (f64, f64, f64) = (44.0, 180.0, 0.12);
/// Rounds in which items are drawn towards their neighbours.
const ROUNDS: usize = 12;
/// A bend pulls this much harder than a box: a long way shall be straight.
const STRAIGHT: f64 = 4.0;

/// Gives each box its place, and each dependency its way. The boxes of a column are as wide as the widest of them.
pub(super) fn place(all: &Columns, sizes: &[Size], graph: &Graph) -> Layout {
    let height = |item: usize| match all.items[item] {
        Item::Job(job) => sizes[job].height,
        Item::Bend => 0.0,
    };
    let mut y = stacked(all, &height);
    for round in 0..ROUNDS {
        align(all, &height, &mut y, if round % 2 == 0 { Towards::Before } else { Towards::After });
    }
    align(all, &height, &mut y, Towards::Both);
    let top = (0..y.len()).map(|item| y[item] - height(item) / 2.0).fold(f64::INFINITY, f64::min);
    y.iter_mut().for_each(|y| *y += MARGIN - top);
    let bottom = (0..y.len()).map(|item| y[item] + height(item) / 2.0).fold(0.0, f64::max);
    let spans = spans(all, sizes, &y);
    let places: Vec<Place> = (0..sizes.len())
        .map(|job| {
            let (left, right) = spans[all.levels[job]];
            let size = Size { width: right - left, height: sizes[job].height };
            Place { x: left, y: y[job] - size.height / 2.0, size }
        })
        .collect();
    let width = spans.last().map_or(0.0, |(_, right)| *right) + MARGIN;
    let routes = routes(all, graph, &spans, &places, &y);
    Layout { size: Size { width, height: bottom + MARGIN }, places, routes }
}

/// Which neighbours an item is drawn to.
#[derive(Clone, Copy, PartialEq)]
enum Towards {
    Before,
    After,
    Both,
}

/// Each column by itself, around the same middle line.
fn stacked(all: &Columns, height: &dyn Fn(usize) -> f64) -> Vec<f64> {
    let mut y = vec![0.0; all.items.len()];
    for column in &all.columns {
        let offsets = offsets(all, column, height);
        let middle = offsets.last().copied().unwrap_or(0.0) / 2.0;
        for (item, offset) in column.iter().zip(&offsets) {
            y[*item] = offset - middle;
        }
    }
    y
}

/// The middle of each item if all stood as near to each other as they may, from that of the first.
fn offsets(all: &Columns, column: &[usize], height: &dyn Fn(usize) -> f64) -> Vec<f64> {
    let mut offset = 0.0;
    let mut offsets = Vec::with_capacity(column.len());
    for (at, item) in column.iter().enumerate() {
        if let Some(above) = at.checked_sub(1).map(|at| column[at]) {
            let bends = [above, *item].iter().filter(|item| all.items[**item] == Item::Bend).count();
            offset += (height(above) + height(*item)) / 2.0 + GAPS[bends];
        }
        offsets.push(offset);
    }
    offsets
}

fn align(all: &Columns, height: &dyn Fn(usize) -> f64, y: &mut [f64], towards: Towards) {
    let count = all.columns.len();
    for step in 0..count {
        let at = if towards == Towards::After { count - 1 - step } else { step };
        let column = &all.columns[at];
        let offsets = offsets(all, column, height);
        let wanted: Vec<(f64, f64)> = column
            .iter()
            .zip(&offsets)
            .map(|(&item, offset)| {
                let (middle, weight) = wanted(all, item, y, towards);
                (middle - offset, weight)
            })
            .collect();
        for ((item, offset), settled) in column.iter().zip(&offsets).zip(ascending(&wanted)) {
            y[*item] = settled + offset;
        }
    }
}

/// Where an item would like to be, and how much.
fn wanted(all: &Columns, item: usize, y: &[f64], towards: Towards) -> (f64, f64) {
    let before = all.before[item].iter().filter(|_| towards != Towards::After);
    let after = all.after[item].iter().filter(|_| towards != Towards::Before);
    let (mut sum, mut count) = (0.0, 0.0);
    for other in before.chain(after) {
        sum += y[*other];
        count += 1.0;
    }
    if count == 0.0 {
        return (y[item], 0.05);
    }
    (sum / count, if all.items[item] == Item::Bend { STRAIGHT } else { 1.0 })
}

/// The values that never descend and are nearest to the wanted ones (by least squares, each with its weight): neighbours that
/// are out of order are pooled.
fn ascending(wanted: &[(f64, f64)]) -> Vec<f64> {
    let mut pools: Vec<(f64, f64, usize)> = Vec::new();
    for &(value, weight) in wanted {
        let mut pool = (value, weight, 1);
        while let Some(&(above, its_weight, count)) = pools.last().filter(|above| above.0 > pool.0) {
            pools.pop();
            let both = its_weight + pool.1;
            pool = ((above * its_weight + pool.0 * pool.1) / both, both, count + pool.2);
        }
        pools.push(pool);
    }
    pools.into_iter().flat_map(|(value, _, count)| std::iter::repeat_n(value, count)).collect()
}

/// The left and the right side of each column. The higher the curves between two, the more room there is for them.
fn spans(all: &Columns, sizes: &[Size], y: &[f64]) -> Vec<(f64, f64)> {
    let mut spans = Vec::with_capacity(all.columns.len());
    let mut left = MARGIN;
    for column in &all.columns {
        let widest = column.iter().filter_map(|item| sizes.get(*item)).map(|size| size.width);
        let right = left + widest.fold(0.0, f64::max);
        spans.push((left, right));
        let rise =
            |item: &usize| all.after[*item].iter().map(|to| (y[*to] - y[*item]).abs()).fold(0.0, f64::max);
        let highest = column.iter().map(rise).fold(0.0, f64::max);
        left = right + (BETWEEN.0 + highest * BETWEEN.2).min(BETWEEN.1);
    }
    spans
}

fn routes(all: &Columns, graph: &Graph, spans: &[(f64, f64)], places: &[Place], y: &[f64]) -> Vec<Route> {
    let route = |from: usize, to: usize| {
        let (first, last) = (all.levels[from], all.levels[to]);
        let right = places[from].x + places[from].size.width;
        let mut stretches = vec![Stretch { from: right, to: spans[first].1, y: y[from] }];
        for (&bend, (left, right)) in all.bends[from].iter().zip(&spans[first + 1..last]) {
            stretches.push(Stretch { from: *left, to: *right, y: y[bend] });
        }
        stretches.push(Stretch { from: spans[last].0, to: places[to].x, y: y[to] });
        Route { from, to, stretches }
    };
    graph.order.iter().flat_map(|&to| graph.upstreams[to].iter().map(move |&from| route(from, to))).collect()
}
