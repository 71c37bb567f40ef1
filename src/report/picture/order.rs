//! The order of items in their columns, by which few links cross.

use super::columns::Columns;

/// Rounds of sorting each column by its neighbours, and those without a better order after which it ends.
const ROUNDS: usize = 16;
const PATIENCE: usize = 4;
/// Swapping neighbours is for pictures that somebody looks at as a whole.
const MOST_SWAPPED: usize = 3000;

/// Orders the items of each column.
pub(super) fn uncross(all: &mut Columns) {
    let mut position = vec![0; all.items.len()];
    for column in &all.columns {
        number(column, &mut position);
    }
    let mut best = all.columns.clone();
    let mut fewest = crossings(all, &position);
    let mut since = 0;
    for round in 0..ROUNDS {
        if fewest == 0 || since == PATIENCE {
            break;
        }
        sweep(all, &mut position, round % 2 == 0);
        if all.items.len() <= MOST_SWAPPED {
            swap_neighbours(all, &mut position);
        }
        let count = crossings(all, &position);
        since += 1;
        if count < fewest {
            (fewest, since) = (count, 0);
            best.clone_from(&all.columns);
        }
    }
    all.columns = best;
}

fn number(column: &[usize], position: &mut [usize]) {
    for (at, item) in column.iter().enumerate() {
        position[*item] = at;
    }
}

/// Sorts each column by where its items' neighbours of the column before (or after) are on average.
fn sweep(all: &mut Columns, position: &mut [usize], is_forward: bool) {
    let count = all.columns.len();
    for step in 1..count {
        let (at, links) = if is_forward { (step, &all.before) } else { (count - 1 - step, &all.after) };
        let mut keyed: Vec<(f64, usize)> =
            all.columns[at].iter().map(|item| (mean(&links[*item], position, *item), *item)).collect();
        keyed.sort_by(|a, b| a.0.total_cmp(&b.0));
        all.columns[at] = keyed.into_iter().map(|(_, item)| item).collect();
        number(&all.columns[at], position);
    }
}

/// Where the linked items are on average; where there are none, where the item is.
fn mean(linked: &[usize], position: &[usize], item: usize) -> f64 {
    match linked.len() {
        0 => position[item] as f64,
        count => linked.iter().map(|other| position[*other]).sum::<usize>() as f64 / count as f64,
    }
}

/// Swaps items that stand next to each other wherever that takes crossings away.
fn swap_neighbours(all: &mut Columns, position: &mut [usize]) {
    for column in &mut all.columns {
        for at in 1..column.len() {
            let (upper, lower) = (column[at - 1], column[at]);
            let between = |one: usize, other: usize| {
                inversions(&all.before[one], &all.before[other], position)
                    + inversions(&all.after[one], &all.after[other], position)
            };
            if between(lower, upper) < between(upper, lower) {
                column.swap(at - 1, at);
                (position[upper], position[lower]) = (at, at - 1);
            }
        }
    }
}

/// How many links cross if the one stands above the other.
fn inversions(upper: &[usize], lower: &[usize], position: &[usize]) -> usize {
    let crossed = |up: &usize| lower.iter().filter(|low| position[**low] < position[*up]).count();
    upper.iter().map(crossed).sum()
}

/// Pairs of links that cross, in the whole picture.
pub(super) fn crossings(all: &Columns, position: &[usize]) -> usize {
    let mut count = 0;
    for (at, column) in all.columns.iter().enumerate() {
        let Some(next) = all.columns.get(at + 1) else { break };
        // How many links have ended at each place so far, as sums that are quick to read and to change (Fenwick).
        let mut sums = vec![0_usize; next.len() + 1];
        let mut seen = 0;
        for item in column {
            let mut ends: Vec<usize> = all.after[*item].iter().map(|to| position[*to]).collect();
            ends.sort_unstable();
            count += ends.iter().map(|end| seen - up_to(&sums, end + 1)).sum::<usize>();
            for end in &ends {
                add(&mut sums, end + 1);
            }
            seen += ends.len();
        }
    }
    count
}

fn up_to(sums: &[usize], mut at: usize) -> usize {
    let mut sum = 0;
    while at > 0 {
        sum += sums[at];
        at &= at - 1;
    }
    sum
}

fn add(sums: &mut [usize], mut at: usize) {
    while at < sums.len() {
        sums[at] += 1;
        at += at & at.wrapping_neg();
    }
}
