//! The commands, each a short script over the stages. Only they print.

mod cancel;
mod choice;
mod diff;
mod model;
mod new;
mod plan;
mod progress;
mod report;
mod repro;
mod run;
mod signals;
mod status;
mod submit;
mod task;
mod tensorboard;
mod terminal;
mod trial;

use crate::folder::TrialFolder;
use crate::language::{self as spec, Device, Override};
use crate::launch;
use crate::plan::{Plan, PlanError, Trial};
use crate::record::trial::TrialRecord;
use crate::text::grouped;
use anyhow::bail;
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use std::io::Write;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// All went well.
const DONE: u8 = 0;
/// A trial failed, or what was to be printed could not be.
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
    Run(Box<RunArgs>),
    /// Show the trials of an experiment without training.
    Plan(PlanArgs),
    /// Sum up what was trained: a table here; a page with charts and pictures and parquet tables in the folder.
    Report(ReportArgs),
    /// Show how the trials of an experiment stand, here and in the scheduler.
    Status(StatusArgs),
    /// Stop what is at work on an experiment: a run on this machine, and its jobs in Slurm.
    Cancel(CancelArgs),
    /// Draw images from a trained model's prior.
    Sample(model::SampleArgs),
    /// Draw images, each above its reconstruction by a trained model.
    Reconstruct(model::ReconstructArgs),
    /// Draw what each latent axis of a trained model does.
    Traverse(model::TraverseArgs),
    /// Draw the way from one image to another through the codes of a trained model.
    Interpolate(model::InterpolateArgs),
    /// Draw what a trained model with two latent axes makes of all its codes.
    Manifold(model::ManifoldArgs),
    /// Write the posteriors of images as a table: means, deviations, labels, nats.
    Embed(model::EmbedArgs),
    /// Write a trained model's encoder and decoder in another format.
    Export(model::ExportArgs),
    /// Show in what two trials differ: keys of their specs, and their figures.
    Diff(diff::DiffArgs),
    /// Start TensorBoard, where it is installed.
    Tensorboard(TensorboardArgs),
    /// Print the completions of a shell.
    Completions(CompletionsArgs),
    /// Print the manual page.
    Man,
    /// Write an experiment file to begin with, every key explained.
    New(NewArgs),
    /// Write the JSON schemas of a spec, of plan.json and of trial.json, and the columns of the tables, to schemas/.
    Schema(SchemaArgs),
    /// Train one trial in its folder; how `run` starts its processes.
    #[command(hide = true)]
    Trial(TrialArgs),
    /// Run one trial of a submission; what a scheduler's task starts.
    #[command(hide = true)]
    Task(TaskArgs),
}

#[derive(Debug, Args)]
struct SpecArgs {
    /// Set a key of the spec: --set objective.kl_weight=0.1. A key that is swept is not swept any more; paths are relative
    /// to the working directory.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
    /// What computes, whatever the spec says.
    #[arg(long)]
    device: Option<DeviceArg>,
    /// Only trials with this value of a key, or `trial=ID`; may be given several times.
    #[arg(long, value_name = "KEY=VALUE")]
    only: Vec<String>,
    /// Only so many trials, the first ones.
    #[arg(long, value_name = "N", value_parser = up_to_a_million)]
    limit: Option<usize>,
}

#[derive(Debug, Args)]
struct RunArgs {
    /// Experiment files.
    #[arg(required_unless_present = "verify_repro", value_name = "SPEC")]
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
    /// End with status 0 although trials failed or diverged, as is to be expected of a random search. What was stopped
    /// from outside (killed, a full disk) is still status 1.
    #[arg(long, conflicts_with = "fail_fast")]
    allow_failed: bool,
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
    /// Train a trial that is done again, in another folder, and say whether the bits agree.
    #[arg(long, value_name = "TRIAL", conflicts_with_all = ["specs", "fresh", "allow_failed", "retry_failed", "runs", "jobs", "overrides", "only", "limit", "fail_fast"])]
    verify_repro: Option<PathBuf>,
    #[command(flatten, next_help_heading = "Schedulers")]
    submit: SubmitArgs,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Schedulers")]
struct SubmitArgs {
    /// What runs the trials.
    #[arg(long, value_enum, default_value = "local")]
    launcher: Launcher,
    /// Slurm's partition.
    #[arg(long, value_name = "NAME")]
    partition: Option<String>,
    /// Slurm's time limit of a trial, such as 2:00:00. Shortly before it the trial is saved and queued again.
    #[arg(long, value_name = "TIME")]
    time: Option<String>,
    /// GPUs of a trial.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    gpus: Option<u64>,
    /// Trials at a time.
    #[arg(long, value_name = "N", value_parser = positive)]
    max_parallel: Option<usize>,
    /// A further argument of sbatch, such as --sbatch-arg=--mem=2G; may be given several times.
    #[arg(long, value_name = "ARGUMENT", allow_hyphen_values = true)]
    sbatch_arg: Vec<String>,
    /// Of `--launcher command`: the template of the script that submits.
    #[arg(long, value_name = "FILE")]
    template: Option<PathBuf>,
    /// Print the script, and submit nothing.
    #[arg(long)]
    print: bool,
    /// Follow what was submitted until it ended.
    #[arg(long)]
    wait: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Launcher {
    /// Processes of this one.
    Local,
    /// A Slurm job array.
    Slurm,
    /// Whatever the script of `--template` does.
    Command,
}

#[derive(Debug, Args)]
struct SchemaArgs {
    /// Print the reference of all keys as Markdown instead.
    #[arg(long)]
    reference: bool,
}

#[derive(Debug, Args)]
struct NewArgs {
    /// The experiment's name; the file is NAME.toml.
    name: String,
    /// The kind of network.
    #[arg(long, value_enum, default_value = "conv")]
    family: FamilyArg,
    /// An IDX file of training images; without it, images that come with vaex.
    #[arg(long, value_name = "PATH")]
    data: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FamilyArg {
    Conv,
    Mlp,
}

#[derive(Debug, Args)]
struct TensorboardArgs {
    /// What to show: a trial's folder, an experiment's, or the one that holds experiments.
    #[arg(default_value = "runs")]
    folder: PathBuf,
    /// Passed on to TensorBoard, after `--`: --port 7000.
    #[arg(last = true)]
    arguments: Vec<String>,
}

#[derive(Debug, Args)]
struct CompletionsArgs {
    /// The shell.
    shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
struct StatusArgs {
    /// An experiment's folder, or the one that holds experiments.
    #[arg(default_value = "runs")]
    folder: PathBuf,
    /// Print it as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct CancelArgs {
    /// The experiment's folder.
    folder: PathBuf,
}

#[derive(Debug, Args)]
struct TaskArgs {
    /// The submission's folder.
    folder: PathBuf,
    /// The line of the trial in its list, from 0.
    number: usize,
    #[arg(long)]
    threads: usize,
    #[arg(long)]
    stall_timeout: Option<u64>,
    /// Stop when the process that started this one is gone.
    #[arg(long)]
    stop_with_parent: bool,
}

#[derive(Debug, Args)]
struct PlanArgs {
    /// Experiment file.
    spec_file: PathBuf,
    #[command(flatten)]
    spec: SpecArgs,
    /// The folder that the experiments' folders are in, to tell what is done.
    #[arg(long, default_value = "runs", value_name = "DIR")]
    runs: PathBuf,
    /// Train with each kind of trial for a moment, and say how long it will take.
    #[arg(long)]
    measure: bool,
    /// Print the whole spec of a trial, and where each value came from; of the first one that --only leaves.
    #[arg(long, conflicts_with_all = ["json", "measure"])]
    resolved: bool,
    /// Print the plan as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct ReportArgs {
    /// A trial's folder, an experiment's, or the one that holds experiments.
    #[arg(default_value = "runs")]
    folder: PathBuf,
    /// What to write into the folder of an experiment or of several: report.html (charts and pictures in one page), trials
    /// and curves as parquet or CSV, report.md [default: html,parquet].
    #[arg(long, value_enum, value_delimiter = ',', value_name = "FORMAT,...")]
    format: Vec<ReportFormat>,
    /// Print the table as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ReportFormat {
    Html,
    Parquet,
    Csv,
    Markdown,
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
    whole_number(text, 1..=1024)
}

fn up_to_a_million(text: &str) -> Result<usize, String> {
    whole_number(text, 1..=1_000_000)
}

fn whole_number(text: &str, range: RangeInclusive<usize>) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| range.contains(number));
    number
        .ok_or_else(|| format!("it must be a whole number from {} to {}", grouped(range.start()), grouped(range.end())))
}

impl SpecArgs {
    /// The plan of a spec file, with what is selected of it.
    fn plan(&self, path: &Path) -> anyhow::Result<Plan> {
        let mut plan = Plan::read(path, &self.overrides())?;
        plan.select(&self.only, self.limit).map_err(anyhow::Error::msg)?;
        Ok(plan)
    }

    /// What the command line sets on top of the file.
    fn overrides(&self) -> Vec<Override> {
        let device = self.device.map(|device| match device {
            DeviceArg::Cpu => Override::Device(Device::Cpu),
            DeviceArg::Cuda => Override::Device(Device::Cuda),
        });
        self.overrides.iter().cloned().map(Override::Set).chain(device).collect()
    }
}

impl Cli {
    /// Reads the command line and runs its command; what is wrong is printed.
    pub fn start() -> ExitCode {
        let status = match Cli::try_parse() {
            Ok(cli) => cli.run(),
            Err(said) => {
                // Help and the version too.
                let text = |colour| if colour { said.render().ansi().to_string() } else { said.render().to_string() };
                match said.use_stderr() {
                    true => complain(text(terminal::has_colour(&std::io::stderr())).trim_end_matches('\n')),
                    false => terminal::write(&text(terminal::has_colour(&std::io::stdout()))),
                }
                u8::try_from(said.exit_code()).unwrap_or(WRONG)
            }
        };
        ExitCode::from(if terminal::is_lost() { status.max(FAILED) } else { status })
    }

    /// Runs the command; errors are printed.
    fn run(self) -> u8 {
        let json = match &self.command {
            Command::Run(args) => args.json,
            Command::Plan(args) => args.json,
            _ => false,
        };
        let result = match self.command {
            Command::Run(args) => run::run(&args),
            Command::Plan(args) => plan::run(&args),
            Command::Report(args) => report::run(&args),
            Command::Sample(args) => model::sample(&args),
            Command::Reconstruct(args) => model::reconstruct(&args),
            Command::Traverse(args) => model::traverse(&args),
            Command::Interpolate(args) => model::interpolate(&args),
            Command::Manifold(args) => model::manifold(&args),
            Command::Embed(args) => model::embed(&args),
            Command::Export(args) => model::export(&args),
            Command::Diff(args) => diff::run(&args),
            Command::Tensorboard(args) => tensorboard::run(&args),
            Command::Completions(args) => {
                let mut text = Vec::new();
                clap_complete::generate(args.shell, &mut Cli::command(), "vaex", &mut text);
                say(String::from_utf8_lossy(&text).trim_end());
                Ok(DONE)
            }
            Command::Man => man(),
            Command::New(args) => new::run(&args),
            Command::Schema(args) if args.reference => {
                say(spec::reference().trim_end());
                Ok(DONE)
            }
            Command::Schema(_) => schema(),
            Command::Status(args) => status::run(&args),
            Command::Cancel(args) => cancel::run(&args),
            Command::Trial(args) => trial::run(&args),
            Command::Task(args) => task::run(&args),
        };
        result.unwrap_or_else(|error| {
            explain_as(&error, json);
            WRONG
        })
    }
}

/// The manual page: of vaex, and below it of each command.
fn man() -> anyhow::Result<u8> {
    let mut page = Vec::new();
    let main = Cli::command();
    clap_mangen::Man::new(main.clone()).render(&mut page)?;
    for command in main.get_subcommands().filter(|command| !command.is_hide_set()) {
        let man = clap_mangen::Man::new(command.clone());
        roff_heading(&mut page, command.get_name());
        man.render_description_section(&mut page)?;
        man.render_synopsis_section(&mut page)?;
        man.render_options_section(&mut page)?;
    }
    say(String::from_utf8_lossy(&page).trim_end());
    Ok(DONE)
}

fn roff_heading(page: &mut Vec<u8>, command: &str) {
    page.extend(format!(".SH VAEX {}\n", command.to_uppercase()).bytes());
}

/// The schemas of all that vaex reads and leaves: their files below the working directory, and their texts.
pub fn schemas() -> Vec<(&'static str, String)> {
    let text = |schema: serde_json::Value| format!("{schema:#}\n");
    vec![
        ("schemas/experiment.schema.json", text(spec::json_schema())),
        ("schemas/plan.schema.json", text(schemars::schema_for!(launch::Frozen).to_value())),
        ("schemas/trial.schema.json", text(schemars::schema_for!(TrialRecord).to_value())),
        ("schemas/tables.json", text(crate::report::tables())),
    ]
}

fn schema() -> anyhow::Result<u8> {
    for (file, text) in schemas() {
        let path = PathBuf::from(file);
        crate::folder::create_folder(path.parent().unwrap_or(&path))?;
        crate::folder::write_whole(&path, text.as_bytes())?;
        say(&format!("wrote {file}"));
    }
    Ok(DONE)
}

/// Prints an error as JSON where that is asked for, else as text.
fn explain_as(error: &anyhow::Error, json: bool) {
    match error.downcast_ref::<PlanError>() {
        Some(PlanError::Spec(diagnostics)) if json => {
            say(&serde_json::json!({ "errors": diagnostics.json() }).to_string());
        }
        _ if json => say(&serde_json::json!({ "errors": [{ "message": with_causes(error) }] }).to_string()),
        _ => explain(error),
    }
}

/// A number of bytes as people say it.
fn bytes(count: f64) -> String {
    if count < 1e9 { format!("{:.0} MB", count / 1e6) } else { format!("{:.1} GB", count / 1e9) }
}

/// Prints what deserves a look.
fn warn(plan: &Plan) {
    if !plan.warnings().is_empty() {
        complain(&plan.warnings().render(terminal::has_colour(&std::io::stderr())));
    }
}

/// Prints an error; a spec's as the snippets that it is made of.
fn explain(error: &anyhow::Error) {
    let text = match error.downcast_ref::<PlanError>() {
        Some(PlanError::Spec(diagnostics)) => diagnostics.render(terminal::has_colour(&std::io::stderr())),
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

/// Prints a line.
fn say(line: &str) {
    terminal::write(&format!("{line}\n"));
}

fn complain(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// The plan of the spec in a trial's folder, and its only trial, whose id is known.
fn prepared_trial(folder: &TrialFolder, id: &str) -> anyhow::Result<(Plan, Trial)> {
    let path = folder.spec();
    let plan = Plan::read(&path, &[])?;
    match plan.trials() {
        [trial] if trial.id() == id => Ok((plan.clone(), trial.clone())),
        _ => bail!(
            "{} is not the spec of trial {id}, or its data has changed, or another version of vaex trained it",
            path.display()
        ),
    }
}

/// How a run ended, as an exit status; trials that failed by themselves may be allowed.
fn exit_status(summary: launch::Summary, stopped: bool, allow_failed: bool) -> u8 {
    match summary {
        launch::Summary { interrupted: 1.., .. } if stopped => INTERRUPTED,
        launch::Summary { from_outside: 1.., .. } => FAILED,
        launch::Summary { failed: 1.., .. } if !allow_failed => FAILED,
        launch::Summary { interrupted: 1.., .. } => INTERRUPTED,
        launch::Summary { .. } => DONE,
    }
}
