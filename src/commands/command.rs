//! The trait of all commands: parsed arguments that can run.

use super::shared::exit::WRONG;
use super::shared::print::explain_as;
use clap::{ArgMatches, Args};

/// The arguments of a command. Their doc comments are the command's help.
pub(super) trait Command: Args {
    /// Runs the command and returns its exit status.
    ///
    /// # Errors
    /// The command line, the spec or the data is wrong, and nothing was started; the exit status is then `WRONG`.
    fn run(&self) -> anyhow::Result<u8>;

    /// Whether errors are printed as JSON.
    fn is_json(&self) -> bool {
        false
    }
}

/// An entry of the list of commands: its name, its arguments and its function.
pub(super) struct Listed {
    pub(super) name: &'static str,
    augment: fn(clap::Command) -> clap::Command,
    run: fn(&ArgMatches) -> anyhow::Result<u8>,
}

/// The entry of the command with the arguments `C`.
pub(super) const fn command<C: Command>(name: &'static str) -> Listed {
    Listed { name, augment: C::augment_args, run: run::<C> }
}

/// Runs a command and prints its error, as JSON if the command's output is JSON.
fn run<C: Command>(matches: &ArgMatches) -> anyhow::Result<u8> {
    let command = C::from_arg_matches(matches)?;
    Ok(command.run().unwrap_or_else(|error| {
        explain_as(&error, command.is_json());
        WRONG
    }))
}

impl Listed {
    /// The clap parser of the command.
    pub(super) fn parser(&self) -> clap::Command {
        (self.augment)(clap::Command::new(self.name))
    }

    /// Runs the command with its parsed arguments.
    ///
    /// # Errors
    /// A required argument is missing.
    pub(super) fn run(&self, matches: &ArgMatches) -> anyhow::Result<u8> {
        (self.run)(matches)
    }
}
