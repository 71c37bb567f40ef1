//! Names behind `$`: which of them are known.
//!
//! Takes: an expression, and its tree where it parses. Gives: a finding for each name that nothing gives a value.
//! JSONata takes such a name for a value that is missing, so a misspelt one ends in wrong data and not in an error.
//! Deliberately does not: follow scopes. A name that is bound anywhere in an expression is known in all of it.

use super::super::scan::{Token, TokenKind};
use super::super::walk::nodes;
use super::{Expression, Root};
use crate::diagnostic::{Diagnostic, Sink, nearest};
use jsonata_core::ast::{AstNode, BinaryOp, Stage};
use std::collections::BTreeSet;
use std::ops::Range;

/// What JSONata 2.0.6 and Step Functions give. `$eval` is not among them: it is refused with words of its own.
pub(super) const FUNCTIONS: [&str; 69] = [
    "abs",
    "append",
    "assert",
    "average",
    "base64decode",
    "base64encode",
    "boolean",
    "ceil",
    "clone",
    "contains",
    "count",
    "decodeUrl",
    "decodeUrlComponent",
    "distinct",
    "each",
    "encodeUrl",
    "encodeUrlComponent",
    "error",
    "exists",
    "filter",
    "floor",
    "formatBase",
    "formatInteger",
    "formatNumber",
    "fromMillis",
    "hash",
    "join",
    "keys",
    "length",
    "lookup",
    "lowercase",
    "map",
    "match",
    "max",
    "merge",
    "millis",
    "min",
    "not",
    "now",
    "number",
    "pad",
    "parse",
    "parseInteger",
    "partition",
    "power",
    "random",
    "range",
    "reduce",
    "replace",
    "reverse",
    "round",
    "shuffle",
    "sift",
    "single",
    "sort",
    "split",
    "spread",
    "sqrt",
    "string",
    "substring",
    "substringAfter",
    "substringBefore",
    "sum",
    "toMillis",
    "trim",
    "type",
    "uppercase",
    "uuid",
    "zip",
];

/// Reports every name that is neither given nor bound. `ast` is none where the text does not parse.
pub(super) fn refuse_unknown(expression: &Expression<'_>, ast: Option<&AstNode>, sink: &mut Sink) {
    let mut bound = bound_in_tokens(expression);
    let mut used = None;
    if let Some(ast) = ast {
        bound.extend(bound_in_tree(ast));
        used = Some(used_in_tree(ast));
    }
    let mut placed = BTreeSet::new();
    for (at, token) in expression.tokens().iter().enumerate() {
        let TokenKind::Variable(name) = token.kind else { continue };
        if sink.is_full() {
            return;
        }
        placed.insert(name);
        let is_used = used.as_ref().is_none_or(|used| used.contains(name));
        if is_used && !is_given(name) && !bound.contains(name) {
            let kind = if is_function(expression.tokens(), at) { Kind::Function } else { Kind::Variable };
            sink.report(unknown(name, kind, &bound, expression, token.range.clone()));
        }
    }
    // What the parser saw and the scan did not stands somewhere in the whole.
    for name in used.into_iter().flatten() {
        if !placed.contains(name) && !is_given(name) && !bound.contains(name) {
            sink.report(unknown(name, Kind::Variable, &bound, expression, 0..expression.source.len()));
        }
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Variable,
    Function,
}

fn unknown(
    name: &str,
    kind: Kind,
    bound: &BTreeSet<&str>,
    expression: &Expression<'_>,
    place: Range<usize>,
) -> Diagnostic {
    let functions = FUNCTIONS.into_iter();
    let own = bound.iter().copied().filter(|name| !name.is_empty());
    let given = Root::ALL.map(Root::name).into_iter().chain(["states"]);
    let (code, message, label, near, otherwise) = match kind {
        Kind::Variable => (
            "bunsui::reference::unknown_variable",
            format!("there is no variable `${name}`"),
            "unknown variable",
            nearest(name, own.chain(given).chain(functions)),
            "a param is `$params.<name>`, a job's output `$jobs.<id>`; a variable of your own is set by `:=`",
        ),
        Kind::Function => (
            "bunsui::reference::unknown_function",
            format!("there is no function `${name}`"),
            "unknown function",
            nearest(name, functions.chain(own)),
            "there are the functions of JSONata 2.0.6, and `$partition`, `$range`, `$hash`, `$random`, `$uuid` and `$parse`",
        ),
    };
    let help = match near {
        Some(near) => format!("did you mean `${near}`?"),
        None => otherwise.to_owned(),
    };
    Diagnostic::error(code, message).label(expression.span(place), label).help(help)
}

/// `$` and `$$` are the context, and not refused here.
fn is_given(name: &str) -> bool {
    name.is_empty()
        || name == "$"
        || name == "states"
        || Root::by_name(name).is_some()
        || name == "eval"
        || FUNCTIONS.contains(&name)
}

/// Whether it is called, or something is handed to it by `~>`.
fn is_function(tokens: &[Token<'_>], at: usize) -> bool {
    let before = at.checked_sub(1).and_then(|before| tokens.get(before));
    tokens.get(at + 1).is_some_and(|next| next.is_symbol("("))
        || before.is_some_and(|token| token.is_symbol("~>"))
}

fn bound_in_tokens<'a>(expression: &Expression<'a>) -> BTreeSet<&'a str> {
    let parameters = expression.parameter_lists();
    let tokens = expression.tokens().iter().enumerate();
    tokens
        .filter_map(|(at, token)| match token.kind {
            TokenKind::Variable(name) if expression.is_bound(at, &parameters) => Some(name),
            _ => None,
        })
        .collect()
}

fn bound_in_tree(ast: &AstNode) -> BTreeSet<&str> {
    let mut bound = BTreeSet::new();
    for node in nodes(ast) {
        match node {
            AstNode::Binary { op: BinaryOp::ColonEqual, lhs, .. } => {
                if let AstNode::Variable(name) = &**lhs {
                    bound.insert(name.as_str());
                }
            }
            AstNode::Lambda { params, .. } => {
                bound.extend(params.iter().map(|name| name.trim_start_matches('$')));
            }
            AstNode::Path { steps } => {
                for step in steps {
                    bound.extend(step.focus.as_deref());
                    bound.extend(step.index_var.as_deref());
                    bound.extend(step.stages.iter().filter_map(|stage| match stage {
                        Stage::Index(name) => Some(name.as_str()),
                        Stage::Filter(_) | Stage::KeepArray => None,
                    }));
                }
            }
            _ => {}
        }
    }
    bound
}

fn used_in_tree(ast: &AstNode) -> BTreeSet<&str> {
    nodes(ast)
        .filter_map(|node| match node {
            AstNode::Variable(name) | AstNode::Function { name, is_builtin: true, .. } => Some(name.as_str()),
            _ => None,
        })
        .collect()
}
