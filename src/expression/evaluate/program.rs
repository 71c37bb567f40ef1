//! A parsed expression: the tree, and which names it uses.

use crate::expression::guarded::{self, ParseFailure};
use crate::expression::walk::nodes;
use jsonata_core::ast::{AstNode, BinaryOp};
use jsonata_core::value::with_stack;
use serde_json::Value as Json;
use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

/// As many are kept per thread.
const CACHE_SIZE: usize = 1_024;

thread_local! {
    // The same expressions run again and again; a tree belongs to one thread.
    static CACHE: RefCell<HashMap<String, Rc<Program>>> = RefCell::new(HashMap::new());
}

/// Why a text is no expression of Step Functions'.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SyntaxFailure {
    /// JSONata's code.
    pub(crate) code: Option<String>,
    /// With the code in front where there is one.
    pub(crate) message: String,
}

/// A parsed expression.
#[derive(Debug)]
pub(crate) struct Program {
    ast: AstNode,
    names: Vec<String>,
    states: StatesUse,
    can_grow: bool,
    width: Option<f64>,
}

/// Which parts of `$states` a value's expressions use.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct StatesUse {
    /// `$states.context`, or `$states` as a whole.
    pub(crate) context: bool,
    /// `$states.errorOutput`
    pub(crate) error_output: bool,
}

impl StatesUse {
    /// What the expressions in a value use; those that do not parse use nothing.
    pub(crate) fn of(value: &Json) -> Self {
        match value {
            Json::String(text) => super::expression_of(text)
                .and_then(|source| Program::parse(source).ok())
                .map(|program| program.states)
                .unwrap_or_default(),
            Json::Array(items) => items.iter().map(Self::of).fold(Self::default(), Self::or),
            Json::Object(fields) => fields.values().map(Self::of).fold(Self::default(), Self::or),
            Json::Null | Json::Bool(_) | Json::Number(_) => Self::default(),
        }
    }

    fn or(self, other: Self) -> Self {
        Self { context: self.context || other.context, error_output: self.error_output || other.error_output }
    }

    fn in_tree(ast: &AstNode) -> Self {
        let (mut named, mut all, mut used) = (0_usize, 0_usize, Self::default());
        for node in nodes(ast) {
            match node {
                AstNode::Variable(name) if name == "states" => all += 1,
                AstNode::Path { steps } => {
                    let step = |index: usize| steps.get(index).map(|step| &step.node);
                    if let (Some(AstNode::Variable(root)), Some(AstNode::Name(member))) = (step(0), step(1))
                        && root == "states"
                    {
                        named += 1;
                        used.context |= member == "context";
                        used.error_output |= member == "errorOutput";
                    }
                }
                _ => {}
            }
        }
        used.context |= all > named;
        used
    }
}

impl Program {
    /// Parses, or finds what was parsed before on this thread. Syntax newer than 2.0.6 is refused.
    pub(crate) fn parse(source: &str) -> Result<Rc<Self>, SyntaxFailure> {
        if let Some(program) = CACHE.with_borrow(|cache| cache.get(source).cloned()) {
            return Ok(program);
        }
        let ast = guarded::parse(source).map_err(SyntaxFailure::from_engine)?;
        let mut names = BTreeSet::new();
        let (mut newer, mut can_grow, mut width) = (None, false, None::<f64>);
        for node in nodes(&ast) {
            can_grow |= is_growing(node);
            width = width.into_iter().chain(padded_width(node)).reduce(f64::max);
            match node {
                // A call without `$` is of no function; the engine would find the registered ones by it.
                AstNode::Variable(name) | AstNode::Function { name, is_builtin: true, .. } => {
                    names.insert(name.clone());
                }
                AstNode::Binary { op: BinaryOp::Coalesce, .. } => newer = newer.or(Some("??")),
                AstNode::Binary { op: BinaryOp::Default, .. } => newer = newer.or(Some("?:")),
                _ => {}
            }
        }
        if let Some(operator) = newer {
            // The code that 2.0.6 has for it: there, the second character stands where a value should.
            return Err(SyntaxFailure {
                code: Some("S0211".to_owned()),
                message: format!("S0211: Syntax error: \"{operator}\" (JSONata 2.0.6 does not have it)"),
            });
        }
        let states = StatesUse::in_tree(&ast);
        let program = Rc::new(Self { ast, names: names.into_iter().collect(), states, can_grow, width });
        CACHE.with_borrow_mut(|cache| {
            if cache.len() >= CACHE_SIZE {
                cache.clear();
            }
            cache.insert(source.to_owned(), Rc::clone(&program));
        });
        Ok(program)
    }

    pub(super) fn ast(&self) -> &AstNode {
        &self.ast
    }

    /// Variables and functions it names, without `$`.
    pub(super) fn names(&self) -> &[String] {
        &self.names
    }

    /// Whether more may come of it than of its parts, each once.
    pub(super) fn can_grow(&self) -> bool {
        self.can_grow
    }

    /// The largest width that a `$pad` in it is given as a number.
    pub(super) fn width(&self) -> Option<f64> {
        self.width
    }
}

/// What does something several times, or makes a long text of a number.
fn is_growing(node: &AstNode) -> bool {
    match node {
        AstNode::Lambda { .. } => true,
        AstNode::Binary { op: BinaryOp::Range | BinaryOp::ColonEqual, .. } => true,
        AstNode::Function { name, .. } => name == "pad",
        AstNode::Path { steps } => steps.iter().skip(1).any(|step| !matches!(step.node, AstNode::Name(_))),
        _ => false,
    }
}

fn padded_width(node: &AstNode) -> Option<f64> {
    let AstNode::Function { name, args, .. } = node else { return None };
    let number = |argument: &AstNode| match argument {
        AstNode::Number(value) => Some(value.abs()),
        AstNode::Unary { operand, .. } => match **operand {
            AstNode::Number(value) => Some(value.abs()),
            _ => None,
        },
        _ => None,
    };
    // The text may be left out where there is a context.
    if name == "pad" { args.iter().take(2).filter_map(number).reduce(f64::max) } else { None }
}

impl SyntaxFailure {
    fn from_engine(failure: ParseFailure) -> Self {
        let error = match failure {
            ParseFailure::Syntax(error) => error,
            ParseFailure::Panic(panic) => return Self { code: None, message: panicked(&panic) },
        };
        let message = error.to_string();
        let code = jsonata_core::evaluator::error_code_prefix(&message).map(str::to_owned);
        Self { code, message }
    }
}

/// What is said of an expression that the engine panicked on.
pub(super) fn panicked(panic: &str) -> String {
    format!("the JSONata engine failed at it: {panic}")
}

/// What creation of a state machine would say of an expression: it must parse, and must not refer to a context, for
/// there is none (`phone` instead of `$states.input.phone`).
pub(crate) fn check(source: &str) -> Result<(), String> {
    let program = Program::parse(source).map_err(|failure| failure.message)?;
    if nodes(&program.ast).any(|node| matches!(node, AstNode::ParentVariable(_))) {
        return Err("`$$` cannot be used here: there is no context outside `$states`".to_owned());
    }
    match context_reference(&program.ast) {
        Some(name) => Err(format!(
            "`{name}` refers to a context, and there is none: write `$states.input.…` for the input, `$name` for a variable"
        )),
        None => Ok(()),
    }
}

/// The first thing that needs a context item at the top level.
fn context_reference(node: &AstNode) -> Option<String> {
    with_stack(|| match node {
        AstNode::Name(name) => Some(name.clone()),
        AstNode::Wildcard => Some("*".to_owned()),
        AstNode::Descendant => Some("**".to_owned()),
        AstNode::Variable(name) if name.is_empty() => Some("$".to_owned()),
        AstNode::Path { steps } => steps.first().and_then(|step| context_reference(&step.node)),
        AstNode::Binary { lhs, rhs, .. } => context_reference(lhs).or_else(|| context_reference(rhs)),
        AstNode::Unary { operand, .. } => context_reference(operand),
        AstNode::Function { name, is_builtin: false, .. } => Some(format!("{name}()")),
        AstNode::Function { args, .. }
        | AstNode::Array(args)
        | AstNode::ArrayGroup(args)
        | AstNode::Block(args) => args.iter().find_map(context_reference),
        AstNode::Call { procedure, args } => {
            context_reference(procedure).or_else(|| args.iter().find_map(context_reference))
        }
        AstNode::Lambda { body, .. } => context_reference(body),
        AstNode::Object(pairs) => {
            pairs.iter().find_map(|(key, value)| context_reference(key).or_else(|| context_reference(value)))
        }
        AstNode::ObjectTransform { input, .. } | AstNode::Sort { input, .. } => context_reference(input),
        AstNode::Conditional { condition, then_branch, else_branch } => context_reference(condition)
            .or_else(|| context_reference(then_branch))
            .or_else(|| else_branch.as_deref().and_then(context_reference)),
        AstNode::FunctionApplication(inner) => context_reference(inner),
        AstNode::String(_)
        | AstNode::Number(_)
        | AstNode::Boolean(_)
        | AstNode::Null
        | AstNode::Undefined
        | AstNode::Placeholder
        | AstNode::Regex { .. }
        | AstNode::Variable(_)
        | AstNode::ParentVariable(_)
        | AstNode::Parent(_)
        | AstNode::Transform { .. } => None,
    })
}
