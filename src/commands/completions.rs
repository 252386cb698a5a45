//! `vaex completions`: prints shell completions.

use super::command::Command;
use super::shared::exit::DONE;
use super::shared::print::say;
use clap::Args;

/// Print shell completions.
#[derive(Debug, Args)]
pub(super) struct CompletionsArgs {
    /// The shell.
    shell: clap_complete::Shell,
}

impl Command for CompletionsArgs {
    fn run(&self) -> anyhow::Result<u8> {
        let mut text = Vec::new();
        clap_complete::generate(self.shell, &mut super::parser(), "vaex", &mut text);
        say(String::from_utf8_lossy(&text).trim_end());
        Ok(DONE)
    }
}
