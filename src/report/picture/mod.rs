//! A graph of jobs as a picture: boxes in columns from left to right, joined by curves.
//!
//! Takes: the size of each box, and who waits for whom. Gives: where each box and each curve is, and SVG of it.
//! Deliberately does not: know pipelines or sessions; what a box says and how it is coloured is passed in.

mod columns;
mod label;
mod order;
mod place;
mod svg;

pub(super) use label::{cut_middle, shown, shown_line};
pub(super) use svg::{Drawing, Edge, Line, Node, STYLE, name, note, number};

use crate::pipeline::Graph;

/// Width and height of a box, in pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Size {
    /// From left to right.
    pub width: f64,
    /// From top to bottom.
    pub height: f64,
}

/// Where a box is: its upper left corner and its size.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Place {
    /// Left.
    pub x: f64,
    /// Top.
    pub y: f64,
    /// Its size.
    pub size: Size,
}

/// A level piece of a route, from left to right. Between two of them a curve goes, where no box is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stretch {
    /// Where it begins.
    pub from: f64,
    /// Where it ends.
    pub to: f64,
    /// How far down it is.
    pub y: f64,
}

/// The way of one dependency.
#[derive(Debug, Clone, PartialEq)]
pub struct Route {
    /// The job that is waited for.
    pub from: usize,
    /// The job that waits.
    pub to: usize,
    /// At least two, from the right side of the one to the left side of the other.
    pub stretches: Vec<Stretch>,
}

/// A picture's places, without what is written in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Layout {
    /// Of the whole.
    pub size: Size,
    /// Of each job, by index.
    pub places: Vec<Place>,
    /// Of each dependency: by the job that waits, in the order of its upstreams.
    pub routes: Vec<Route>,
}

/// Lays a graph out: each job in the column after its last upstream, curves around the boxes between. The same graph gives
/// the same layout.
pub fn layout(sizes: &[Size], graph: &Graph) -> Layout {
    let mut columns = columns::Columns::new(graph);
    order::uncross(&mut columns);
    place::place(&columns, sizes, graph)
}

#[cfg(test)]
mod tests;
