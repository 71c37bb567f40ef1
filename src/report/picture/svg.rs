//! A laid out graph as SVG: for a page, or as a file of its own.

use super::label::columns;
use super::{Layout, Route, Size, cut_middle, layout, shown_line};
use crate::pipeline::Graph;
use maud::{Markup, PreEscaped, html};
use std::fmt::Write;

/// How pictures look: light, and dark where the reader's system is.
pub(in crate::report) const STYLE: &str = include_str!("picture.css");

/// Columns of a name.
const MOST_OF_NAME: usize = 36;

/// One line in a box.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::report) enum Line {
    /// What the job is called.
    Name(String),
    /// What else there is to say of it, smaller.
    Note(String),
}

impl Line {
    fn size(&self) -> Size {
        match self {
            Self::Name(text) => Size { width: columns(text) as f64 * 7.4, height: 17.0 },
            Self::Note(text) => Size { width: columns(text) as f64 * 6.0, height: 15.0 },
        }
    }

    fn text(&self) -> (&str, &'static str) {
        match self {
            Self::Name(text) => (text, "name"),
            Self::Note(text) => (text, "note"),
        }
    }
}

/// A job's box.
#[derive(Debug, Clone)]
pub(in crate::report) struct Node {
    /// What is written in it.
    pub(in crate::report) lines: Vec<Line>,
    /// What is said of it in full, to who points at it or has it read out.
    pub(in crate::report) words: String,
    /// Classes of its status.
    pub(in crate::report) class: String,
    /// The id of the element that a click leads to.
    pub(in crate::report) link: Option<String>,
}

impl Node {
    fn size(&self) -> Size {
        let sizes = self.lines.iter().map(Line::size);
        let width = sizes.clone().map(|size| size.width).fold(0.0, f64::max);
        Size { width: width + 24.0, height: sizes.map(|size| size.height).sum::<f64>() + 14.0 }
    }
}

/// How a dependency is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::report) enum Edge {
    /// The job waits for the other's success.
    Plain,
    /// It runs under another condition.
    Conditional,
    /// It is on the way that took longest, whatever the condition.
    Critical,
    CriticalConditional,
}

/// A graph with all that is written in it.
pub(in crate::report) struct Drawing {
    nodes: Vec<Node>,
    layout: Layout,
    edges: Vec<Edge>,
    title: String,
    description: String,
}

impl Drawing {
    /// Lays it out. `edge` is asked with the job that is waited for, and the one that waits.
    pub(in crate::report) fn new(
        (title, description): (String, String),
        nodes: Vec<Node>,
        graph: &Graph,
        edge: impl Fn(usize, usize) -> Edge,
    ) -> Self {
        let sizes: Vec<Size> = nodes.iter().map(Node::size).collect();
        let layout = layout(&sizes, graph);
        let edges = layout.routes.iter().map(|route| edge(route.from, route.to)).collect();
        Self { nodes, layout, edges, title, description }
    }

    /// In pixels.
    pub(in crate::report) fn width(&self) -> f64 {
        self.layout.size.width
    }

    /// For a page that has [`STYLE`] already. Its boxes are links, so it is a group and not one image.
    pub(in crate::report) fn inline(&self) -> Markup {
        let Size { width, height } = self.layout.size;
        html! {
            svg class="picture" width=(number(width)) height=(number(height))
                viewBox={ "0 0 " (number(width)) " " (number(height)) }
                role="group" aria-label=(format!("{}. {}", self.title, self.description)) { (self.body()) }
        }
    }

    /// A file of its own.
    pub(in crate::report) fn alone(&self) -> String {
        let Size { width, height } = self.layout.size;
        let file = html! {
            svg xmlns="http://www.w3.org/2000/svg" class="picture" width=(number(width)) height=(number(height))
                viewBox={ "0 0 " (number(width)) " " (number(height)) }
                role="img" aria-labelledby="title description" {
                title id="title" { (self.title) }
                desc id="description" { (self.description) }
                style { (PreEscaped(STYLE)) }
                rect class="paper" width="100%" height="100%" {}
                (self.body())
            }
        };
        file.into_string()
    }

    fn body(&self) -> Markup {
        html! {
            g aria-hidden="true" {
                @for (route, edge) in self.layout.routes.iter().zip(&self.edges) {
                    path class=(class_of(*edge)) d=(way(route)) {}
                }
            }
            @for job in 0..self.nodes.len() { (self.node(job)) }
        }
    }

    fn node(&self, job: usize) -> Markup {
        let node = &self.nodes[job];
        let inside = html! {
            title { (node.words) }
            (self.boxed(job))
        };
        match &node.link {
            Some(id) => {
                html! { a href={ "#" (id) } class={ "node " (node.class) } aria-label=(node.words) { (inside) } }
            }
            None => html! { g class={ "node " (node.class) } { (inside) } },
        }
    }

    fn boxed(&self, job: usize) -> Markup {
        let place = &self.layout.places[job];
        let mut y = place.y + 7.0;
        let mut lines = Vec::new();
        for line in &self.nodes[job].lines {
            let height = line.size().height;
            lines.push((line.text(), y + height * 0.74));
            y += height;
        }
        html! {
            rect x=(number(place.x)) y=(number(place.y)) rx="7"
                width=(number(place.size.width)) height=(number(place.size.height)) {}
            @for ((text, class), y) in lines {
                text class=(class) x=(number(place.x + 12.0)) y=(number(y)) { (text) }
            }
        }
    }
}

fn class_of(edge: Edge) -> &'static str {
    match edge {
        Edge::Plain => "edge",
        Edge::Conditional => "edge conditional",
        Edge::Critical => "edge critical",
        Edge::CriticalConditional => "edge critical conditional",
    }
}

/// The path of a route, and its head.
fn way(route: &Route) -> String {
    let mut path = String::new();
    let mut last: Option<(f64, f64)> = None;
    for stretch in &route.stretches {
        let y = number(stretch.y);
        let _ = match last {
            None => write!(path, "M{} {y}", number(stretch.from)),
            Some((_, before)) if (before - stretch.y).abs() < 0.05 => Ok(()),
            Some((from, before)) => {
                let middle = number((from + stretch.from) / 2.0);
                write!(path, "C{middle} {} {middle} {y} {} {y}", number(before), number(stretch.from))
            }
        };
        let _ = write!(path, "H{}", number(stretch.to));
        last = Some((stretch.to, stretch.y));
    }
    path.push_str("m-6 -3.5l6 3.5l-6 3.5");
    path
}

/// A length, to a tenth of a pixel.
pub(in crate::report) fn number(length: f64) -> String {
    let text = format!("{length:.1}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

/// A job's name, with room for what stands before it.
pub(in crate::report) fn name(before: &str, id: &str) -> Line {
    Line::Name(format!("{before}{}", cut_middle(id, MOST_OF_NAME)))
}

/// A note, if there is something to say.
pub(in crate::report) fn note(text: &str) -> Option<Line> {
    let text = shown_line(text, 34);
    (!text.is_empty()).then_some(Line::Note(text))
}
