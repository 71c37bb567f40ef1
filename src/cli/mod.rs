//! The commands: arguments, one `run` each, and output. The only printer.
//!
//! Takes: arguments. Gives: an exit code.
//! Deliberately does not: do work; that lives in the library.

mod attach;
mod aws;
mod compile;
mod completions;
mod config;
mod console;
mod control;
mod deploy;
mod detach;
mod doctor;
mod drive;
mod execute;
mod explain;
mod failure;
mod graph;
#[cfg(feature = "aws")]
mod infra;
mod init;
mod load;
mod logs;
mod man;
mod moments;
mod output;
mod parameters;
mod paths;
mod pipeline;
mod plan;
mod plugin;
mod preflight;
mod provenance;
mod report;
mod retention;
mod run;
mod schema;
mod session;
mod slice;
mod store;
mod trace;
mod tui;
mod validate;

pub use console::Console;
pub use failure::{Exit, Failure, Outcome};

use crate::settings::{self, BackendKind, Overrides, Settings, SettingsError, Surroundings};
use clap::{Parser, Subcommand, ValueEnum};
use std::ffi::OsString;
use std::path::PathBuf;

/// Data pipelines on AWS Step Functions, from one TOML file; the same file runs on a laptop.
#[derive(Debug, Parser)]
#[command(name = "bunsui", version, about, max_term_width = 100, propagate_version = true)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// Options of every command.
#[derive(Debug, clap::Args)]
pub struct Global {
    /// Where sessions run
    #[arg(long, global = true, value_enum, value_name = "BACKEND")]
    backend: Option<BackendChoice>,
    /// Section `[env.NAME]` of bunsui.toml
    #[arg(long, global = true, value_name = "NAME")]
    env: Option<String>,
    /// A profile of your AWS files
    #[arg(long, global = true, value_name = "NAME")]
    profile: Option<String>,
    /// The AWS region; over `[aws] region`
    #[arg(long, global = true, value_name = "REGION")]
    region: Option<String>,
}

impl Global {
    /// As they are given to another command.
    fn arguments(&self) -> Vec<String> {
        let backend = self.backend.map(|backend| match backend {
            BackendChoice::Local => "local".to_owned(),
            BackendChoice::Aws => "aws".to_owned(),
        });
        let (env, profile, region) = (self.env.clone(), self.profile.clone(), self.region.clone());
        [("backend", backend), ("env", env), ("profile", profile), ("region", region)]
            .into_iter()
            .filter_map(|(name, value)| Some(format!("--{name}={}", value?)))
            .collect()
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum BackendChoice {
    Local,
    Aws,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a pipeline
    Run(run::Args),
    /// Check pipeline files
    Validate(validate::Args),
    /// Show what a run would do
    Plan(plan::Args),
    /// Print the definitions, as Step Functions takes them
    Compile(compile::Args),
    /// Interpret any JSONata definition here
    Execute(execute::Args),
    /// Make or update the state machines of a pipeline on AWS
    Deploy(deploy::Args),
    /// Pipelines that have been run or deployed
    #[command(subcommand)]
    Pipeline(pipeline::Command),
    /// Whether everything is there that runs need
    Doctor(doctor::Args),
    /// What bunsui needs on AWS: tables, bucket, policies
    #[cfg(feature = "aws")]
    #[command(subcommand)]
    Infra(infra::Command),
    /// Draw the graph of jobs
    Graph(graph::Args),
    /// What has run
    #[command(subcommand)]
    Session(session::Command),
    /// Read the log lines of a session
    Logs(logs::Args),
    /// Make a session's report: an HTML page that needs nothing besides itself
    Report(report::Args),
    /// Watch and control sessions on a terminal, all day
    Tui(tui::Args),
    /// Operation plugins
    #[command(subcommand)]
    Plugin(plugin::Command),
    /// Print JSON Schemas of pipeline files and settings, for editors
    Schema(schema::Args),
    /// Say what a code means
    Explain(explain::Args),
    /// Settings
    #[command(subcommand)]
    Config(config::Command),
    /// Begin: bunsui.toml and a pipeline that runs
    Init(init::Args),
    /// Print completions for a shell
    Completions(completions::Args),
    /// Print the manual page
    #[command(hide = true)]
    Man,
    /// One plugin library in a process of its own (started by bunsui)
    #[command(name = "__plugin-host", hide = true)]
    PluginHost { library: PathBuf },
    /// The table of functions of one plugin library, tried in a process of its own (started by bunsui)
    #[command(name = "__plugin-conformance", hide = true)]
    PluginConformance { library: PathBuf },
}

/// What every command may use.
#[derive(Debug)]
pub struct Context {
    /// Settings, all layers applied.
    pub settings: Settings,
    /// Each setting's layer.
    pub origins: Vec<settings::Origin>,
    /// Current folder and environment.
    pub surroundings: Surroundings,
    /// Where to print.
    pub console: Console,
    /// Options of every command, as this one was given them.
    pub globals: Vec<String>,
    /// `--profile`: a profile of the user's AWS files.
    pub profile: Option<String>,
    /// To AWS, once something has asked for it.
    #[cfg(feature = "aws")]
    connection: tokio::sync::OnceCell<crate::backend::aws::Connection>,
}

/// Parses the arguments and runs the command.
pub fn main(arguments: impl Iterator<Item = OsString>) -> std::process::ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { Exit::BadInput } else { Exit::Done }.into();
        }
    };
    if let Command::PluginHost { library } = &cli.command {
        return crate::plugin::host_main(library);
    }
    if let Command::PluginConformance { library } = &cli.command {
        return crate::plugin::conformance_main(library);
    }
    let surroundings = Surroundings {
        directory: std::env::current_dir().unwrap_or_default(),
        variables: std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect(),
    };
    trace::start(&surroundings);
    let console = Console::detect(&surroundings);
    if let Some(outcome) = without_settings(&cli.command, &surroundings, &console) {
        return leave(outcome, &console);
    }
    let overrides = Overrides {
        environment: cli.global.env.clone(),
        backend: cli.global.backend.map(|choice| match choice {
            BackendChoice::Local => BackendKind::Local,
            BackendChoice::Aws => BackendKind::Aws,
        }),
        region: cli.global.region.clone(),
    };
    let (settings, origins) = match settings::load(&surroundings, &overrides) {
        Ok(loaded) => loaded,
        Err(error) => return refuse(error, &console),
    };
    let globals = cli.global.arguments();
    let context = Context {
        settings,
        globals,
        origins,
        surroundings,
        console,
        profile: cli.global.profile,
        #[cfg(feature = "aws")]
        connection: tokio::sync::OnceCell::new(),
    };
    leave(dispatch(cli.command, &context), &context.console)
}

/// Whether these arguments (without the program's name) are understood. Nothing is done.
pub fn check_arguments(arguments: &[String]) -> Result<(), clap::Error> {
    let program = std::iter::once("bunsui").map(str::to_owned);
    match Cli::try_parse_from(program.chain(arguments.iter().cloned())) {
        Err(error) if error.use_stderr() => Err(error),
        _ => Ok(()),
    }
}

/// Commands that must work where settings are wrong, or not there yet.
fn without_settings(command: &Command, surroundings: &Surroundings, console: &Console) -> Option<Outcome> {
    match command {
        Command::Explain(args) => Some(explain::run(args, console)),
        Command::Init(args) => Some(init::run(args, surroundings, console)),
        Command::Completions(args) => Some(completions::run(args, console)),
        Command::Man => Some(man::run(console)),
        Command::Plugin(command) => plugin::without_settings(command, surroundings, console),
        _ => None,
    }
}

fn refuse(error: SettingsError, console: &Console) -> std::process::ExitCode {
    let Some(files) = error.findings() else {
        return leave(Err(Failure::bad_input(error)), console);
    };
    for (source, diagnostics) in files {
        console.diagnostics(source, diagnostics);
    }
    Exit::BadInput.into()
}

fn leave(outcome: Outcome, console: &Console) -> std::process::ExitCode {
    match outcome {
        Ok(exit) => exit.into(),
        Err(failure) => {
            console.failure(&failure);
            failure.exit.into()
        }
    }
}

fn dispatch(command: Command, context: &Context) -> Outcome {
    match command {
        Command::Run(args) => run::run(&args, context),
        Command::Validate(args) => validate::run(&args, context),
        Command::Plan(args) => plan::run(&args, context),
        Command::Compile(args) => compile::run(&args, context),
        Command::Execute(args) => execute::run(&args, context),
        Command::Deploy(args) => deploy::run(&args, context),
        Command::Pipeline(command) => pipeline::run(&command, context),
        Command::Doctor(args) => doctor::run(&args, context),
        #[cfg(feature = "aws")]
        Command::Infra(command) => infra::run(&command, context),
        Command::Graph(args) => graph::run(&args, context),
        Command::Schema(args) => schema::run(&args, context),
        Command::Session(command) => session::run(&command, context),
        Command::Logs(args) => logs::run(&args, context),
        Command::Report(args) => report::run(&args, context),
        Command::Tui(args) => tui::run(&args, context.globals.clone(), context),
        Command::Plugin(command) => plugin::run(&command, context),
        Command::Config(command) => config::run(&command, context),
        Command::Explain(_)
        | Command::Init(_)
        | Command::Completions(_)
        | Command::Man
        | Command::PluginHost { .. }
        | Command::PluginConformance { .. } => {
            Ok(Exit::Done) // answered before settings were read
        }
    }
}
