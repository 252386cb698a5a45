//! `vaex man`: prints the manual page of vaex, with a section for each command.

use super::command::Command;
use super::shared::exit::DONE;
use super::shared::print::say;
use clap::Args;
use clap_mangen::Man;

/// Print the manual page.
#[derive(Debug, Args)]
pub(super) struct ManArgs {}

impl Command for ManArgs {
    fn run(&self) -> anyhow::Result<u8> {
        let mut page = Vec::new();
        let main = super::parser();
        Man::new(main.clone()).render(&mut page)?;
        for command in main.get_subcommands().filter(|command| !command.is_hide_set()) {
            let man = Man::new(command.clone());
            page.extend(format!(".SH VAEX {}\n", command.get_name().to_uppercase()).bytes());
            man.render_description_section(&mut page)?;
            man.render_synopsis_section(&mut page)?;
            man.render_options_section(&mut page)?;
        }
        say(String::from_utf8_lossy(&page).trim_end());
        Ok(DONE)
    }
}
