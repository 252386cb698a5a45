//! The commands: short scripts that call the stages. Only this module prints.
//!
//! Each command has one file, with its arguments and its code. To add a command, write its file and list it in `COMMANDS`.
//! Commands use the helpers in `shared`, never another command.

mod cancel;
mod clean;
mod command;
mod completions;
mod data;
mod devices;
mod diff;
mod embed;
mod evaluate;
mod export;
mod interpolate;
mod man;
mod manifold;
mod mistyped;
mod new;
mod plan;
mod reconstruct;
mod report;
mod run;
mod sample;
mod schema;
mod shared;
mod status;
mod task;
mod tensorboard;
mod traverse;
mod trial;

pub use schema::schemas;

use anyhow::Context;
use command::{Listed, command};
use shared::exit::{FAILED, WRONG};
use shared::print::{complain, explain};
use shared::terminal;
use std::process::ExitCode;

/// All commands, in the order of `--help`.
const COMMANDS: &[Listed] = &[
    command::<run::RunArgs>("run"),
    command::<plan::PlanArgs>("plan"),
    command::<evaluate::EvaluateArgs>("evaluate"),
    command::<report::ReportArgs>("report"),
    command::<status::StatusArgs>("status"),
    command::<cancel::CancelArgs>("cancel"),
    command::<sample::SampleArgs>("sample"),
    command::<reconstruct::ReconstructArgs>("reconstruct"),
    command::<traverse::TraverseArgs>("traverse"),
    command::<interpolate::InterpolateArgs>("interpolate"),
    command::<manifold::ManifoldArgs>("manifold"),
    command::<embed::EmbedArgs>("embed"),
    command::<export::ExportArgs>("export"),
    command::<diff::DiffArgs>("diff"),
    command::<data::DataArgs>("data"),
    command::<devices::DevicesArgs>("devices"),
    command::<clean::CleanArgs>("clean"),
    command::<tensorboard::TensorboardArgs>("tensorboard"),
    command::<completions::CompletionsArgs>("completions"),
    command::<man::ManArgs>("man"),
    command::<new::NewArgs>("new"),
    command::<schema::SchemaArgs>("schema"),
    command::<trial::TrialArgs>("trial"),
    command::<task::TaskArgs>("task"),
];

/// The clap parser of the whole command line.
fn parser() -> clap::Command {
    clap::Command::new("vaex")
        .about("Trains variational autoencoders that are described in TOML files")
        .version(env!("VAEX_VERSION"))
        .max_term_width(100)
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands(COMMANDS.iter().map(Listed::parser))
}

/// Reads the command line and runs its command. Errors are printed.
pub fn start() -> ExitCode {
    shared::signals::fail_at_file_size_limit();
    let status = match parser().try_get_matches() {
        Ok(matches) => run(&matches).unwrap_or_else(|error| {
            explain(&error);
            WRONG
        }),
        Err(message) => {
            let message = mistyped::with_tip(message, &parser());
            // clap returns --help and --version as errors too.
            let text = |colour| if colour { message.render().ansi().to_string() } else { message.render().to_string() };
            match message.use_stderr() {
                true => complain(text(terminal::has_colour(&std::io::stderr())).trim_end_matches('\n')),
                false => terminal::write(&text(terminal::has_colour(&std::io::stdout()))),
            }
            u8::try_from(message.exit_code()).unwrap_or(WRONG)
        }
    };
    ExitCode::from(if terminal::is_lost() { status.max(FAILED) } else { status })
}

/// Runs the command of the command line.
fn run(matches: &clap::ArgMatches) -> anyhow::Result<u8> {
    let (name, matches) = matches.subcommand().context("no command is given")?;
    let listed = COMMANDS.iter().find(|listed| listed.name == name);
    listed.with_context(|| format!("unknown command {name}"))?.run(matches)
}
