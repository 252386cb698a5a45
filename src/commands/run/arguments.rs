//! The arguments of `vaex run`.

use crate::commands::shared::numbers::positive;
use crate::commands::shared::spec::SpecArgs;
use crate::launch::Options;
use clap::{Args, ValueEnum};
use std::path::PathBuf;
use std::time::Duration;

/// Train every trial of the experiments that is not finished yet.
#[derive(Debug, Args)]
pub(in crate::commands) struct RunArgs {
    /// Experiment files.
    #[arg(required_unless_present = "verify_repro", value_name = "SPEC")]
    pub(super) specs: Vec<PathBuf>,
    /// The folder that the experiments' folders are in.
    #[arg(long, default_value = "runs", value_name = "DIR")]
    pub(super) runs: PathBuf,
    #[command(flatten)]
    pub(super) spec: SpecArgs,
    /// Trials at a time; by default one for each core.
    #[arg(long, value_name = "N", value_parser = positive)]
    pub(super) jobs: Option<usize>,
    /// Worker threads of a trial; by default the cores are shared out among the trials. Changes nothing but the time.
    #[arg(long, value_name = "N", value_parser = positive)]
    pub(super) threads: Option<usize>,
    /// Train everything again, finished trials as well.
    #[arg(long)]
    pub(super) fresh: bool,
    /// Stop all trials as soon as one fails; without it the others go on.
    #[arg(long)]
    pub(super) fail_fast: bool,
    /// End with status 0 although trials failed or diverged, as is to be expected of a random search. What was stopped
    /// from outside (killed, a full disk) is still status 1.
    #[arg(long, conflicts_with = "fail_fast")]
    pub(super) allow_failed: bool,
    /// Run the trials again that failed or diverged before. What was stopped from outside (killed, a full disk) goes on
    /// without it.
    #[arg(long)]
    pub(super) retry_failed: bool,
    /// End a trial that takes no step for so many seconds; it has failed then. Validation and pictures count as well.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) stall_timeout: Option<u64>,
    /// Print what happens as JSON, an event a line.
    #[arg(long)]
    pub(super) json: bool,
    /// Train a trial that is done again, in another folder, and say whether the bits agree.
    #[arg(long, value_name = "TRIAL", conflicts_with_all = ["specs", "fresh", "allow_failed", "retry_failed", "runs", "jobs", "overrides", "only", "limit", "fail_fast"])]
    pub(super) verify_repro: Option<PathBuf>,
    #[command(flatten, next_help_heading = "Schedulers")]
    pub(super) submit: SubmitArgs,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Schedulers")]
pub(super) struct SubmitArgs {
    /// What runs the trials.
    #[arg(long, value_enum, default_value = "local")]
    pub(super) launcher: Launcher,
    /// Slurm's partition.
    #[arg(long, value_name = "NAME")]
    pub(super) partition: Option<String>,
    /// Slurm's time limit of a trial, such as 2:00:00. Shortly before it the trial is saved and queued again.
    #[arg(long, value_name = "TIME")]
    pub(super) time: Option<String>,
    /// GPUs of a trial.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) gpus: Option<u64>,
    /// Trials at a time.
    #[arg(long, value_name = "N", value_parser = positive)]
    pub(super) max_parallel: Option<usize>,
    /// A further argument of sbatch, such as --sbatch-arg=--mem=2G; may be given several times.
    #[arg(long, value_name = "ARGUMENT", allow_hyphen_values = true)]
    pub(super) sbatch_arg: Vec<String>,
    /// Of `--launcher command`: the template of the script that submits.
    #[arg(long, value_name = "FILE")]
    pub(super) template: Option<PathBuf>,
    /// Print the script, and submit nothing.
    #[arg(long)]
    pub(super) print: bool,
    /// Follow what was submitted until it ended.
    #[arg(long)]
    pub(super) wait: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Launcher {
    /// Processes of this one.
    Local,
    /// A Slurm job array.
    Slurm,
    /// Whatever the script of `--template` does.
    Command,
}

impl RunArgs {
    /// The options of a run on this machine.
    pub(super) fn options(&self) -> Options {
        Options {
            runs: self.runs.clone(),
            jobs: self.jobs,
            threads: self.threads,
            fresh: self.fresh,
            fail_fast: self.fail_fast,
            retry_failed: self.retry_failed,
            stall_timeout: self.stall_timeout.map(Duration::from_secs),
        }
    }
}
