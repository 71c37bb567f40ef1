//! For people, or for programs.

/// How a command prints what it has to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Output {
    Human,
    Json,
}

/// The same where rows for spreadsheets make sense too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum TableOutput {
    Human,
    Json,
    Csv,
}
