//! The commands, each a short script over the stages. Only they print.

mod plan;
mod progress;
mod report;
mod run;
mod trial;

use crate::launch;
use crate::plan::PlanError;
use crate::spec::{self, Device, Override};
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

/// All went well.
const DONE: u8 = 0;
/// A trial failed.
const FAILED: u8 = 1;
/// The command line, the spec or the data is wrong, and nothing was started.
const WRONG: u8 = 2;
/// Stopped by a signal.
const INTERRUPTED: u8 = 130;

/// Declarative experiments with variational autoencoders.
#[derive(Debug, Parser)]
#[command(name = "vaex", version = env!("VAEX_VERSION"), max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Train every trial of the experiments that is not finished yet.
    Run(RunArgs),
    /// Show the trials of an experiment without training.
    Plan(PlanArgs),
    /// Sum up what was trained: a table here, trials.parquet and curves.parquet in the folder.
    Report(ReportArgs),
    /// Write the JSON schema of a spec to schemas/experiment.schema.json.
    Schema,
    /// Train one trial in its folder; how `run` starts its processes.
    #[command(hide = true)]
    Trial(TrialArgs),
}

#[derive(Debug, Args)]
struct SpecArgs {
    /// Set a key of the spec: --set objective.kl_weight=0.1. A key that is swept is not swept any more.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
    /// What computes, whatever the spec says.
    #[arg(long)]
    device: Option<DeviceArg>,
}

#[derive(Debug, Args)]
struct RunArgs {
    /// Experiment files.
    #[arg(required = true, value_name = "SPEC")]
    specs: Vec<PathBuf>,
    /// The folder that the experiments' folders are in.
    #[arg(long, default_value = "runs", value_name = "DIR")]
    runs: PathBuf,
    #[command(flatten)]
    spec: SpecArgs,
    /// Trials at a time; by default one for each core.
    #[arg(long, value_name = "N", value_parser = positive)]
    jobs: Option<usize>,
    /// Worker threads of a trial; by default the cores are shared out among the trials. Changes nothing but the time.
    #[arg(long, value_name = "N", value_parser = positive)]
    threads: Option<usize>,
    /// Train everything again, finished trials as well.
    #[arg(long)]
    fresh: bool,
    /// Stop all trials as soon as one fails; without it the others go on.
    #[arg(long)]
    fail_fast: bool,
    /// Run the trials again that failed or diverged before. What was stopped from outside (killed, a full disk) goes on
    /// without it.
    #[arg(long)]
    retry_failed: bool,
    /// End a trial that takes no step for so many seconds; it has failed then. Validation and pictures count as well.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    stall_timeout: Option<u64>,
    /// Print what happens as JSON, an event a line.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct PlanArgs {
    /// Experiment file.
    spec_file: PathBuf,
    #[command(flatten)]
    spec: SpecArgs,
    /// Print the plan as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct ReportArgs {
    /// A trial's folder, an experiment's, or the one that holds experiments.
    #[arg(default_value = "runs")]
    folder: PathBuf,
    /// Print the table as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct TrialArgs {
    folder: PathBuf,
    #[arg(long)]
    threads: usize,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum DeviceArg {
    Cpu,
    Cuda,
}

fn positive(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| (1..=1024).contains(number));
    number.ok_or_else(|| "it must be a whole number from 1 to 1024".to_owned())
}

impl SpecArgs {
    fn overrides(&self) -> Vec<Override> {
        let device = self.device.map(|device| match device {
            DeviceArg::Cpu => Override::Device(Device::Cpu),
            DeviceArg::Cuda => Override::Device(Device::Cuda),
        });
        self.overrides.iter().cloned().map(Override::Set).chain(device).collect()
    }
}

impl Cli {
    /// Runs the command; errors are printed.
    pub fn run(self) -> ExitCode {
        let result = match self.command {
            Command::Run(args) => run::run(&args),
            Command::Plan(args) => plan::run(&args),
            Command::Report(args) => report::run(&args),
            Command::Schema => schema(),
            Command::Trial(args) => trial::run(&args),
        };
        ExitCode::from(result.unwrap_or_else(|error| {
            explain(&error);
            WRONG
        }))
    }
}

/// The file of the schema, below the working directory.
pub const SCHEMA_FILE: &str = "schemas/experiment.schema.json";

/// The schema as the text of its file.
pub fn schema_text() -> String {
    format!("{:#}\n", spec::json_schema())
}

fn schema() -> anyhow::Result<u8> {
    let path = PathBuf::from(SCHEMA_FILE);
    crate::files::create_folder(path.parent().unwrap_or(&path))?;
    crate::files::write_whole(&path, schema_text().as_bytes())?;
    say(&format!("wrote {SCHEMA_FILE}"));
    Ok(DONE)
}

/// Prints an error; a spec's as the snippets that it is made of.
fn explain(error: &anyhow::Error) {
    let text = match error.downcast_ref::<PlanError>() {
        Some(PlanError::Spec(diagnostics)) => diagnostics.render(std::io::stderr().is_terminal()),
        _ => format!("error: {}", with_causes(error)),
    };
    complain(&text);
}

/// An error and what caused it; some errors name their cause themselves.
fn with_causes(error: &anyhow::Error) -> String {
    error.chain().skip(1).map(ToString::to_string).fold(error.to_string(), |text, cause| match text.ends_with(&cause) {
        true => text,
        false => format!("{text}: {cause}"),
    })
}

/// Prints a line. A reader that has gone away is no reason to stop training.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

fn complain(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// How a run ended, as an exit status.
fn exit_status(summary: launch::Summary, stopped: bool) -> u8 {
    match summary {
        launch::Summary { interrupted: 1.., .. } if stopped => INTERRUPTED,
        launch::Summary { failed: 1.., .. } => FAILED,
        launch::Summary { interrupted: 1.., .. } => INTERRUPTED,
        launch::Summary { .. } => DONE,
    }
}
