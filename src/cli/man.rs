//! `bunsui man`: the manual page, for who packages bunsui.

use super::completions::visible;
use super::{Console, Exit, Outcome};

pub(super) fn run(console: &Console) -> Outcome {
    console.raw(&page());
    Ok(Exit::Done)
}

/// bunsui(1) in roff: the command as a whole, then each command with its arguments.
fn page() -> String {
    let mut whole = visible().about(env!("CARGO_PKG_DESCRIPTION")).disable_help_subcommand(true);
    whole.build();
    let mut bytes = Vec::new();
    let page = clap_mangen::Man::new(whole.clone()).section("1").source("bunsui");
    // A Vec takes whatever is written to it.
    let _ = page.render(&mut bytes);
    for command in whole.get_subcommands() {
        sections(command, "bunsui", &mut bytes);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A section for a command, and for each command of it.
fn sections(command: &clap::Command, before: &str, bytes: &mut Vec<u8>) {
    let name = format!("{before} {}", command.get_name());
    let page = clap_mangen::Man::new(command.clone());
    bytes.extend_from_slice(format!(".SH {}\n", name.to_uppercase().replace('-', "\\-")).as_bytes());
    let _ = page.render_description_section(bytes);
    let _ = page.render_synopsis_section(bytes);
    let _ = page.render_options_section(bytes);
    for inner in command.get_subcommands().filter(|inner| inner.get_name() != "help") {
        sections(inner, &name, bytes);
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_page_has_every_command_and_none_that_is_hidden() {
        let page = super::page();
        assert!(page.lines().any(|line| line.starts_with(".TH ")), "{page}");
        for command in ["BUNSUI RUN", "BUNSUI SESSION RESUME", "BUNSUI PLUGIN LOCK"] {
            assert!(page.contains(&format!(".SH {command}")), "no section of {command}");
        }
        assert!(!page.contains("plugin-host") && !page.contains("plugin\\-host"));
    }
}
