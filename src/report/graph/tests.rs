//! Small graphs, looked at as a whole.

use super::*;
use crate::diagnostic::{Source, Span};
use crate::expression::Template;
use crate::pipeline::{Graph, OnFailure, Operation};
use indexmap::IndexMap;

/// `"a; b < a; c < a b"`: jobs in order, each with its upstreams. `!` after a name: it always runs, may be skipped
/// by `when`, and may fail.
pub(in crate::report) fn pipeline(text: &str) -> Pipeline {
    let id = |name: &str| Id::new(name).expect("an id");
    let mut jobs = IndexMap::new();
    for part in text.split(';') {
        let (name, upstreams) = part.split_once('<').unwrap_or((part, ""));
        let (name, is_special) = (name.trim().trim_end_matches('!'), name.trim().ends_with('!'));
        let job = Job {
            id: id(name),
            span: Span::default(),
            description: is_special.then(|| "says \"all\" is \\ well\nor not".to_owned()),
            depends_on: upstreams.split_whitespace().map(id).collect(),
            run_if: if is_special { RunIf::Always } else { RunIf::AllSucceeded },
            when: is_special.then_some(Template::Literal(true.into())),
            allow_failure: is_special,
            timeout: None,
            operations: vec![operation("ecs"), operation("ecs"), operation("lambda")],
            output: None,
        };
        jobs.insert(id(name), job);
    }
    let graph = graph(&jobs);
    Pipeline {
        source: Source::new("test.toml", ""),
        name: id("test"),
        description: None,
        timeout: None,
        max_concurrency: None,
        on_failure: OnFailure::Finish,
        exclusive: None,
        params: IndexMap::new(),
        jobs,
        graph,
    }
}

fn operation(kind: &str) -> Operation {
    Operation {
        name: Id::new("one").expect("an id"),
        span: Span::default(),
        kind: kind.to_owned(),
        description: None,
        keys: IndexMap::new(),
        key_spans: IndexMap::new(),
        timeout: None,
        retry: None,
    }
}

/// The tests list jobs after their upstreams, so the order of the file is a right one.
fn graph(jobs: &IndexMap<Id, Job>) -> Graph {
    let mut graph = Graph { order: (0..jobs.len()).collect(), ..Graph::default() };
    graph.downstreams = vec![Vec::new(); jobs.len()];
    for (index, job) in jobs.values().enumerate() {
        let upstreams: Vec<usize> =
            job.depends_on.iter().map(|id| jobs.get_index_of(id).expect("is above")).collect();
        upstreams.iter().for_each(|&up| graph.downstreams[up].push(index));
        graph.upstreams.push(upstreams);
    }
    graph
}

#[track_caller]
fn check_lanes(graph: &str, expected: &[&str]) {
    let rows: Vec<String> =
        lanes::draw(&pipeline(graph).graph).iter().map(|row| row.text().trim_end().to_owned()).collect();
    assert_eq!(rows, expected, "\n{}", rows.join("\n"));
}

#[test]
fn a_chain_is_one_lane() {
    check_lanes("a; b < a; c < b", &["○", "○", "○"]);
}

#[test]
fn independent_jobs_are_side_by_side_only_when_somebody_waits() {
    check_lanes("a; b; c < a", &["○", "│ ○", "○"]);
}

#[test]
fn jobs_that_are_not_joined_do_not_touch() {
    check_lanes("a; b", &["○", "", "○"]);
    check_lanes("a; b < a; c; d", &["○", "○", "", "○", "", "○"]);
    check_lanes("a; b < a; c; d < a", &["○", "├─╮", "○ │", "  │", "○ │", "  ○"]);
}

#[test]
fn fan_out_and_fan_in() {
    check_lanes(
        "a; b < a; c < a; d < a; e < b c d",
        &["○", "├─┬─╮", "○ │ │", "│ ○ │", "├─╯ │", "│   ○", "├───╯", "○"],
    );
}

#[test]
fn a_lane_that_is_passed_is_not_joined() {
    // `a` waits for nobody's lane but that of `d`; the one of `y` between them is only crossed.
    check_lanes("a; x; y < x; d < a; e < y d", &["○", "│ ○", "│ ○", "○ │", "╰─┤", "  ○"]);
    check_lanes(
        "a; x; y < a; z < x; w < x; v < z a; u < y w v",
        &[
            "○",
            "├─╮",
            "│ │ ○",
            "│ │ ├─╮",
            "○ │ │ │",
            "│ │ ○ │",
            "│ ├─╯ │",
            "│ │   ○",
            "├─│───╯",
            "│ ○",
            "├─╯",
            "○",
        ],
    );
}

/// Reads a drawing as an eye does: lines are followed from each job, and what touches is joined.
fn read(rows: &[Vec<char>], order: &[usize]) -> Vec<(usize, usize)> {
    let cell = |row: usize, at: usize| rows.get(row).and_then(|cells| cells.get(at)).copied().unwrap_or(' ');
    let (down, right, left) = ("│○├┤┬┼╮╭", "─├┴┬┼╰╭", "─┤┴┬┼╯╮");
    let mut into: Vec<Vec<usize>> = vec![Vec::new(); 200];
    let (mut edges, mut jobs) = (Vec::new(), order.iter());
    for (row, cells) in rows.iter().enumerate() {
        let Some(at) = cells.iter().position(|c| *c == '○') else { continue };
        let job = *jobs.next().expect("a job a circle");
        edges.extend(into[at].drain(..).map(|upstream| (upstream, job)));
        let below = cell(row + 1, at);
        if down.contains(below) {
            into[at].push(job);
        }
        let mut walk = |step: isize, onward: &str, joint: &str| {
            let mut here = at;
            while onward.contains(cell(row + 1, here)) || (here != at && cell(row + 1, here) == '│') {
                here = here.strict_add_signed(step);
                if joint.contains(cell(row + 1, here)) {
                    into[here].push(job);
                }
            }
        };
        if below != '○' {
            walk(1, right, "┤┬┼╮");
            walk(-1, left, "├┬┼╭");
        }
    }
    edges.sort_unstable();
    edges
}

proptest::proptest! {
    #[test]
    fn every_dependency_can_be_read_off_the_drawing_and_nothing_else(
        wishes in proptest::collection::vec(proptest::collection::vec(0..14usize, 0..4), 1..14)
    ) {
        let name = |index: usize| format!("j{index}");
        let jobs = wishes.iter().enumerate().map(|(index, wishes)| {
            let upstreams: std::collections::BTreeSet<_> = wishes.iter().filter(|up| **up < index).collect();
            let upstreams: Vec<_> = upstreams.into_iter().map(|up| name(*up)).collect();
            format!("{} < {}", name(index), upstreams.join(" "))
        });
        let graph = pipeline(&jobs.collect::<Vec<_>>().join(";")).graph;
        let mut expected: Vec<_> = graph.upstreams.iter().enumerate()
            .flat_map(|(to, ups)| ups.iter().map(move |from| (*from, to))).collect();
        expected.sort_unstable();
        let rows: Vec<Vec<char>> = lanes::draw(&graph).iter().map(|row| row.text().chars().collect()).collect();
        let drawing: Vec<String> = rows.iter().map(|row| row.iter().collect()).collect();
        proptest::prop_assert_eq!(read(&rows, &graph.order), expected, "\n{}", drawing.join("\n"));
    }
}

#[test]
fn the_text_names_every_dependency() {
    assert_eq!(
        text(&pipeline("a; long-name < a; c! < a long-name")),
        "test: 3 jobs, 3 dependencies\n\n\
         ○    a          ecs ×2, lambda\n\
         ├─╮\n\
         ○ │  long-name  ecs ×2, lambda  ← a\n\
         ╰─┤\n\
         \u{20} ○  c          ecs ×2, lambda  ← a, long-name  [always]  [when]  [may fail]\n"
    );
}

#[test]
fn what_is_too_wide_to_draw_becomes_a_list_by_levels() {
    let middle: Vec<String> = (0..20).map(|n| format!("m{n} < a")).collect();
    let ends: Vec<String> = (0..20).map(|n| format!("m{n}")).collect();
    let text = text(&pipeline(&format!("a; {}; z < {}", middle.join("; "), ends.join(" "))));
    let lines: Vec<&str> = text.lines().skip(2).collect();
    assert_eq!(lines.len(), 22);
    assert_eq!(lines[0], "1  a    ecs ×2, lambda");
    assert_eq!(lines[1], "2  m0   ecs ×2, lambda  ← a");
    assert_eq!(lines[2], "   m1   ecs ×2, lambda  ← a");
    assert!(lines[21].starts_with("3  z    ecs ×2, lambda  ← m0, m1, "), "{}", lines[21]);
}

#[test]
fn mermaid_has_every_job_and_edge() {
    assert_eq!(
        mermaid(&pipeline("end; b! < end")),
        "---\ntitle: \"test\"\n---\nflowchart LR\n\
         \u{20}   j0[\"end<br/><small>ecs ×2, lambda</small>\"]\n\
         \u{20}   j1[\"b<br/><small>ecs ×2, lambda</small>\"]\n\
         \u{20}   j0 -.->|always| j1\n"
    );
    assert_eq!(escape_mermaid("a \"b\" #1 <x>\n"), "a #quot;b#quot; #35;1 #lt;x#gt; ");
}

#[test]
fn control_characters_are_shown_in_dot() {
    assert_eq!(quote_dot("a\u{1b}[31m\u{7f}\u{9b}\tb\r\n"), "\"a\\\\u{1b}[31m\\\\u{7f}\\\\u{9b}\tb\\n\"");
}

#[test]
fn dot_quotes_what_it_must() {
    assert_eq!(
        dot(&pipeline("a-b; node! < a-b")),
        "digraph \"test\" {\n    rankdir=LR;\n    node [shape=box, style=rounded];\n\
         \u{20}   \"a-b\" [label=\"a-b\\necs ×2, lambda\", tooltip=\"a-b\"];\n\
         \u{20}   \"node\" [label=\"node\\necs ×2, lambda\", tooltip=\"says \\\"all\\\" is \\\\ well\\nor not\"];\n\
         \u{20}   \"a-b\" -> \"node\" [style=dashed, label=\"always\"];\n}\n"
    );
}

#[test]
fn a_picture_has_every_job_and_every_dependency() {
    let picture = svg(&pipeline("a; b < a; c! < a b"));
    for part in [
        ">a</text>",
        ">b</text>",
        ">c</text>",
        "c: ecs ×2, lambda · always · when · may fail; says",
        "after a, b",
    ] {
        assert!(picture.contains(part), "no {part} in {picture}");
    }
    assert_eq!(picture.matches("<path class=\"edge\"").count(), 1, "{picture}");
    assert_eq!(picture.matches("<path class=\"edge conditional\"").count(), 2, "{picture}");
}

#[test]
fn texts_in_a_picture_are_only_texts() {
    let mut hostile = pipeline("a");
    hostile.description = Some("</title><script>alert(1)</script>\u{1b}[1m\u{202e}".into());
    hostile.jobs[0].description = Some("]]><img src=x onerror=alert(1)>\u{0}".into());
    let picture = svg(&hostile);
    assert!(!picture.contains("<script") && !picture.contains("<img"), "{picture}");
    assert!(
        picture.chars().all(|c| !c.is_control() || c == '\n') && !picture.contains('\u{202e}'),
        "{picture:?}"
    );
}
