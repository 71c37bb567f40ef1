//! How a command ends.

use std::process::ExitCode;

/// A command's outcome: an exit code, or a failure that is printed before leaving with its own.
pub type Outcome = Result<Exit, Failure>;

/// Exit codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// 0
    Done,
    /// 1: the session ended unsuccessfully.
    Unsuccessful,
    /// 2: the input is wrong.
    BadInput,
    /// 3: the surroundings failed.
    Surroundings,
    /// 4: paused or detached.
    Paused,
    /// 130: left at the third interrupt.
    Interrupted,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Unsuccessful => 1,
            Exit::BadInput => 2,
            Exit::Surroundings => 3,
            Exit::Paused => 4,
            Exit::Interrupted => 130,
        })
    }
}

/// Why a command ends early, and the exit code to leave with.
#[derive(Debug)]
pub struct Failure {
    /// What is printed, with code and help; none where findings were printed already.
    pub report: Option<miette::Report>,
    /// How to leave.
    pub exit: Exit,
}

impl Failure {
    /// The user's input is wrong: exit code 2.
    pub fn bad_input(error: impl miette::Diagnostic + Send + Sync + 'static) -> Self {
        Self { report: Some(miette::Report::new(error)), exit: Exit::BadInput }
    }

    /// The surroundings failed: exit code 3.
    pub fn surroundings(error: impl miette::Diagnostic + Send + Sync + 'static) -> Self {
        Self { report: Some(miette::Report::new(error)), exit: Exit::Surroundings }
    }

    /// Findings about the user's input were printed: exit code 2.
    pub fn reported() -> Self {
        Self { report: None, exit: Exit::BadInput }
    }
}
