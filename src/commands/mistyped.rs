//! Tips for wrong command lines that clap cannot give: how to change a setting of a spec, and the names of commands in other programs.

use crate::language::key_of_name;
use crate::settings::nearest;
use clap::error::{ContextKind, ContextValue, ErrorKind};

/// Commands of other programs, and those of vaex that do the same.
const ELSEWHERE: &[(&str, &str)] = &[("train", "run"), ("fit", "run"), ("generate", "sample"), ("list", "status")];

/// The error of a command line, with a tip that fits vaex in place of one that does not.
pub(super) fn with_tip(mut error: clap::Error, parser: &clap::Command) -> clap::Error {
    let Some(given) = given(&error) else { return error };
    match error.kind() {
        ErrorKind::InvalidSubcommand => {
            // The hidden commands are not for users.
            error.remove(ContextKind::SuggestedSubcommand);
            error.remove(ContextKind::Suggested);
            let shown = parser.get_subcommands().filter(|command| !command.is_hide_set()).map(clap::Command::get_name);
            let elsewhere = ELSEWHERE.iter().find(|(name, _)| *name == given).map(|(_, own)| (*own).to_owned());
            if let Some(name) = elsewhere.or_else(|| nearest(&given, shown)) {
                error.insert(ContextKind::SuggestedSubcommand, ContextValue::String(name));
            }
        }
        ErrorKind::UnknownArgument if takes_settings(parser) => {
            let name = given.trim_start_matches('-').split('=').next().unwrap_or_default().replace('-', "_");
            if let Some(key) = key_of_name(&name) {
                error.remove(ContextKind::SuggestedArg);
                let tip = format!("to change a setting of the spec, use '--set {key}=VALUE'");
                error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip.into()]));
            }
        }
        _ => {}
    }
    error
}

/// The argument or command that clap did not know.
fn given(error: &clap::Error) -> Option<String> {
    match error.get(ContextKind::InvalidArg).or_else(|| error.get(ContextKind::InvalidSubcommand)) {
        Some(ContextValue::String(given)) => Some(given.clone()),
        _ => None,
    }
}

/// Whether the command of this process has `--set`.
fn takes_settings(parser: &clap::Command) -> bool {
    let name = std::env::args().nth(1).unwrap_or_default();
    let command = parser.find_subcommand(name);
    command.is_some_and(|command| command.get_arguments().any(|argument| argument.get_long() == Some("set")))
}
