//! `bunsui completions SHELL`: prints what the shell needs to complete bunsui's arguments.

use super::{Cli, Console, Exit, Outcome};
use clap::{Command, CommandFactory};
use clap_complete::Shell;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The shell, as in `bunsui completions bash > ~/.local/share/bash-completion/completions/bunsui`
    #[arg(value_enum, value_name = "SHELL")]
    shell: Shell,
}

pub(super) fn run(args: &Args, console: &Console) -> Outcome {
    console.data(script(args.shell).trim_end());
    Ok(Exit::Done)
}

fn script(shell: Shell) -> String {
    let mut bytes = Vec::new();
    clap_complete::generate(shell, &mut visible(), "bunsui", &mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

/// clap_complete offers hidden commands too; what bunsui starts itself is not for people.
pub(super) fn visible() -> Command {
    let whole = Cli::command();
    Command::new("bunsui")
        .version(env!("CARGO_PKG_VERSION"))
        .propagate_version(true)
        .args(whole.get_arguments().cloned())
        .subcommands(whole.get_subcommands().filter(|command| !command.is_hide_set()).cloned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ValueEnum;

    #[test]
    fn every_shell_gets_the_commands_but_not_the_hidden_one() {
        for shell in Shell::value_variants() {
            let script = script(*shell);
            assert!(script.contains("validate"), "{shell}: no command");
            assert!(script.contains("backend"), "{shell}: no option");
            assert!(!script.contains("plugin-host"), "{shell}: the hidden command");
        }
    }
}
