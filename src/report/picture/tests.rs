use super::columns::Columns;
use super::label::{columns, cut};
use super::order::crossings;
use super::*;
use proptest::prelude::*;

/// Graphs without cycles: a job waits for some of those before it.
fn graphs() -> impl Strategy<Value = (Vec<Size>, Graph)> {
    proptest::collection::vec((any::<[u16; 3]>(), 0..4_usize, 1..300_u16, 1..80_u16), 0..40).prop_map(
        |jobs| {
            let upstreams = jobs.iter().enumerate().map(|(job, (picks, count, ..))| {
                let mut upstreams: Vec<usize> = picks
                    .iter()
                    .take(if job == 0 { 0 } else { *count })
                    .map(|pick| usize::from(*pick) % job)
                    .collect();
                upstreams.sort_unstable();
                upstreams.dedup();
                upstreams
            });
            let size = |width, height| Size { width: f64::from(width), height: f64::from(height) };
            let graph = Graph::new(upstreams.collect());
            (jobs.iter().map(|(_, _, width, height)| size(*width, *height)).collect(), graph)
        },
    )
}

proptest! {
    #[test]
    fn no_box_covers_another_and_no_route_passes_through_one((sizes, graph) in graphs()) {
        let layout = layout(&sizes, &graph);
        for (at, one) in layout.places.iter().enumerate() {
            prop_assert!(is_within(one, layout.size), "{one:?} of {:?}", layout.size);
            for other in &layout.places[at + 1..] {
                prop_assert!(are_apart(one, other), "{one:?} {other:?}");
            }
        }
        for route in &layout.routes {
            check_route(route, &layout)?;
        }
    }

    #[test]
    fn every_dependency_is_drawn_from_left_to_right((sizes, graph) in graphs()) {
        let layout = layout(&sizes, &graph);
        let mut drawn: Vec<(usize, usize)> = layout.routes.iter().map(|route| (route.from, route.to)).collect();
        let mut wanted: Vec<(usize, usize)> =
            graph.upstreams.iter().enumerate().flat_map(|(to, ups)| ups.iter().map(move |from| (*from, to))).collect();
        drawn.sort_unstable();
        wanted.sort_unstable();
        prop_assert_eq!(drawn, wanted);
    }

    #[test]
    fn the_same_graph_has_the_same_layout((sizes, graph) in graphs()) {
        prop_assert_eq!(layout(&sizes, &graph), layout(&sizes, &graph));
    }

    #[test]
    fn ordering_never_makes_more_links_cross((_, graph) in graphs()) {
        let mut columns = Columns::new(&graph);
        let before = crossings(&columns, &positions(&columns));
        order::uncross(&mut columns);
        let after = positions(&columns);
        prop_assert!(crossings(&columns, &after) <= before);
        prop_assert_eq!(crossings(&columns, &after), counted(&columns, &after));
    }
}

fn is_within(place: &Place, size: Size) -> bool {
    place.x >= 0.0
        && place.y >= 0.0
        && place.x + place.size.width <= size.width
        && place.y + place.size.height <= size.height + 0.001
}

fn are_apart(one: &Place, other: &Place) -> bool {
    let beside = |a: &Place, b: &Place| a.x + a.size.width <= b.x;
    let above = |a: &Place, b: &Place| a.y + a.size.height <= b.y;
    beside(one, other) || beside(other, one) || above(one, other) || above(other, one)
}

/// Level pieces pass above or below boxes; curves are where no box is at all.
fn check_route(route: &Route, layout: &Layout) -> Result<(), TestCaseError> {
    let (from, to) = (&layout.places[route.from], &layout.places[route.to]);
    let (first, last) = (route.stretches[0], route.stretches[route.stretches.len() - 1]);
    prop_assert!((first.from - from.x - from.size.width).abs() < 0.01 && (last.to - to.x).abs() < 0.01);
    for (job, place) in layout.places.iter().enumerate() {
        let (left, right) = (place.x, place.x + place.size.width);
        for stretch in &route.stretches {
            let is_beside = stretch.to <= left + 0.01 || stretch.from >= right - 0.01;
            let is_past = stretch.y < place.y || stretch.y > place.y + place.size.height;
            prop_assert!(is_beside || is_past, "job {job} is in the way of {route:?}");
        }
        for pair in route.stretches.windows(2) {
            prop_assert!(pair[0].to < pair[1].from, "{route:?}");
            let is_beside = pair[1].from <= left + 0.01 || pair[0].to >= right - 0.01;
            prop_assert!(is_beside, "job {job} is where a curve of {route:?} goes");
        }
    }
    Ok(())
}

fn positions(columns: &Columns) -> Vec<usize> {
    let mut position = vec![0; columns.items.len()];
    for column in &columns.columns {
        for (at, item) in column.iter().enumerate() {
            position[*item] = at;
        }
    }
    position
}

/// Crossings, counted pair by pair.
fn counted(columns: &Columns, position: &[usize]) -> usize {
    let mut count = 0;
    for column in &columns.columns {
        let links: Vec<(usize, usize)> = column
            .iter()
            .flat_map(|item| columns.after[*item].iter().map(|to| (position[*item], position[*to])))
            .collect();
        for (at, one) in links.iter().enumerate() {
            let crosses = |other: &&(usize, usize)| {
                (one.0 < other.0 && one.1 > other.1) || (one.0 > other.0 && one.1 < other.1)
            };
            count += links[at + 1..].iter().filter(crosses).count();
        }
    }
    count
}

#[test]
fn a_chain_is_a_line() {
    let graph = Graph::new((0..6_usize).map(|job| job.checked_sub(1).into_iter().collect()).collect());
    let layout = layout(&[Size { width: 50.0, height: 30.0 }; 6], &graph);
    let ys: Vec<f64> = layout.places.iter().map(|place| place.y).collect();
    assert_eq!(ys, [10.0; 6]);
}

#[test]
fn more_bends_than_are_drawn_cost_no_dependency() {
    // A chain, each job of which also waits for a source of its own at its far end's beginning.
    let upstreams: Vec<Vec<usize>> = (0..2000_usize)
        .map(|job| (0..job.min(3)).chain(job.checked_sub(1).filter(|up| *up > 2)).collect())
        .collect();
    let edges: usize = upstreams.iter().map(Vec::len).sum();
    let graph = Graph::new(upstreams);
    assert_eq!(layout(&vec![Size { width: 50.0, height: 30.0 }; 2000], &graph).routes.len(), edges);
}

#[test]
fn texts_are_cut_by_the_room_that_they_take() {
    assert_eq!(cut("雨量の集計", 6), "雨量…");
    assert_eq!(cut("abc", 3), "abc");
    assert_eq!(cut_middle("load_orders_of_tokyo", 11), "load_…tokyo");
    assert_eq!(cut_middle("abc", 3), "abc");
    assert_eq!(columns(&cut_middle("雨量の集計と雨量の報告", 10)), 9);
    assert_eq!(shown("a\u{1b}[1m\u{202e}b\r\n\u{fffe}", 100), "a\\u{1b}[1m\\u{202e}b\n\u{fffd}");
    assert_eq!(shown(&"x".repeat(1 << 20), 4), "xxxx… (1048572 bytes more)");
    assert_eq!(shown_line("one\ntwo", 10), "one …");
}
