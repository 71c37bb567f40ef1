//! The nodes of a JSONata expression, one after another.
//!
//! Takes: a tree of the parser's. Gives: each node of it once, a parent before its children, these from left to right.
//! Deliberately does not: recurse, since a chain of operators is as deep as it is long.

use jsonata_core::ast::{AstNode, Stage};

/// Every node of a tree.
pub(super) fn nodes(ast: &AstNode) -> impl Iterator<Item = &AstNode> {
    let mut waiting = vec![ast];
    std::iter::from_fn(move || {
        let node = waiting.pop()?;
        let before = waiting.len();
        push_children(node, &mut waiting);
        // The last one is taken first.
        waiting[before..].reverse();
        Some(node)
    })
}

fn push_children<'a>(node: &'a AstNode, waiting: &mut Vec<&'a AstNode>) {
    match node {
        AstNode::String(_)
        | AstNode::Name(_)
        | AstNode::Number(_)
        | AstNode::Boolean(_)
        | AstNode::Null
        | AstNode::Undefined
        | AstNode::Placeholder
        | AstNode::Regex { .. }
        | AstNode::Variable(_)
        | AstNode::ParentVariable(_)
        | AstNode::Wildcard
        | AstNode::Descendant
        | AstNode::Parent(_) => {}
        AstNode::Path { steps } => {
            for step in steps {
                waiting.push(&step.node);
                waiting.extend(step.stages.iter().filter_map(|stage| match stage {
                    Stage::Filter(filter) => Some(&**filter),
                    Stage::KeepArray | Stage::Index(_) => None,
                }));
            }
        }
        AstNode::Binary { lhs, rhs, .. } => waiting.extend([&**lhs, &**rhs]),
        AstNode::Unary { operand, .. } => waiting.push(operand),
        AstNode::Function { args, .. } => waiting.extend(args),
        AstNode::Call { procedure, args } => {
            waiting.push(procedure);
            waiting.extend(args);
        }
        AstNode::Lambda { body, .. } => waiting.push(body),
        AstNode::Array(items) | AstNode::ArrayGroup(items) | AstNode::Block(items) => waiting.extend(items),
        AstNode::Object(pairs) => waiting.extend(pairs.iter().flat_map(|(key, value)| [key, value])),
        AstNode::ObjectTransform { input, pattern } => {
            waiting.push(input);
            waiting.extend(pattern.iter().flat_map(|(key, value)| [key, value]));
        }
        AstNode::Conditional { condition, then_branch, else_branch } => {
            waiting.extend([&**condition, &**then_branch]);
            waiting.extend(else_branch.as_deref());
        }
        AstNode::FunctionApplication(inner) => waiting.push(inner),
        AstNode::Sort { input, terms } => {
            waiting.push(input);
            waiting.extend(terms.iter().map(|(term, _)| term));
        }
        AstNode::Transform { location, update, delete } => {
            waiting.extend([&**location, &**update]);
            waiting.extend(delete.as_deref());
        }
    }
}
