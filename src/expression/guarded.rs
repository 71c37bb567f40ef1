//! The JSONata engine panics on some expressions that nobody would write but anybody may: that is the expression's error, not the
//! end of a runner. Its parser is called nowhere else.

use super::walk::nodes;
use jsonata_core::ast::{AstNode, BinaryOp};
use jsonata_core::parser::{self, ParserError};
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

thread_local! {
    static IS_GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Why the engine's parser gives no tree.
#[derive(Debug)]
pub(super) enum ParseFailure {
    /// It is no JSONata.
    Syntax(ParserError),
    /// What the parser panicked with.
    Panic(String),
}

/// How JSONata says that something else than a variable stands before `:=`.
pub(super) const NO_VARIABLE: &str = "S0212: The left side of := must be a variable name (start with $)";

/// Parses a whole expression. What the engine refuses only when it comes to it is refused too, where JSONata does so.
pub(super) fn parse(source: &str) -> Result<AstNode, ParseFailure> {
    let ast =
        guarded(|| parser::parse(source)).map_err(ParseFailure::Panic)?.map_err(ParseFailure::Syntax)?;
    if assigns_to_no_variable(&ast) {
        return Err(ParseFailure::Syntax(ParserError::InvalidSyntax(NO_VARIABLE.to_owned())));
    }
    Ok(ast)
}

fn assigns_to_no_variable(ast: &AstNode) -> bool {
    nodes(ast).any(|node| match node {
        AstNode::Binary { op: BinaryOp::ColonEqual, lhs, .. } => !matches!(**lhs, AstNode::Variable(_)),
        _ => false,
    })
}

/// What the work gives, or what it panicked with. Nothing is printed of such a panic.
pub(super) fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    // The hook is the process's: this one leaves every panic elsewhere to the one before it.
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !IS_GUARDED.get() {
                before(info);
            }
        }));
    });
    let was_guarded = IS_GUARDED.replace(true);
    let done = catch_unwind(AssertUnwindSafe(work));
    IS_GUARDED.set(was_guarded);
    done.map_err(|payload| {
        let text = payload.downcast_ref::<String>().cloned();
        let text = text.or_else(|| payload.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        text.unwrap_or_else(|| "the engine gave up".to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error_and_the_next_one_too() {
        assert_eq!(guarded(|| 1), Ok(1));
        assert_eq!(guarded(|| -> i32 { panic!("it {}", "broke") }), Err("it broke".to_owned()));
        assert_eq!(guarded(|| -> i32 { panic!("again") }), Err("again".to_owned()));
    }
}
