//! What a command is: arguments that can run.

use super::shared::exit::WRONG;
use super::shared::print::explain_as;
use clap::{ArgMatches, Args};

/// The arguments of a command; what their documentation says of them is the command's help.
pub(super) trait Command: Args {
    /// Runs the command and returns its exit status.
    ///
    /// # Errors
    /// The command line, the spec or the data is wrong, and nothing was started: the exit status is `WRONG`.
    fn run(&self) -> anyhow::Result<u8>;

    /// Whether an error is printed as JSON.
    fn is_json(&self) -> bool {
        false
    }
}

/// A line of the list of commands: a name, and what its arguments do.
pub(super) struct Listed {
    pub(super) name: &'static str,
    augment: fn(clap::Command) -> clap::Command,
    run: fn(&ArgMatches) -> anyhow::Result<u8>,
}

/// Lists the command of these arguments.
pub(super) const fn command<C: Command>(name: &'static str) -> Listed {
    Listed { name, augment: C::augment_args, run: run::<C> }
}

/// Runs a command; its errors are printed, as JSON where that was asked for.
fn run<C: Command>(matches: &ArgMatches) -> anyhow::Result<u8> {
    let command = C::from_arg_matches(matches)?;
    Ok(command.run().unwrap_or_else(|error| {
        explain_as(&error, command.is_json());
        WRONG
    }))
}

impl Listed {
    /// The command as clap parses it.
    pub(super) fn parser(&self) -> clap::Command {
        (self.augment)(clap::Command::new(self.name))
    }

    /// Runs the command with what clap found for it.
    ///
    /// # Errors
    /// clap did not find what the arguments need.
    pub(super) fn run(&self, matches: &ArgMatches) -> anyhow::Result<u8> {
        (self.run)(matches)
    }
}
