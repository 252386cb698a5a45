//! The arguments of `vaex run`.

use crate::commands::shared::numbers::{positive, up_to_a_million};
use crate::commands::shared::schedulers::SubmitArgs;
use crate::commands::shared::spec::SpecArgs;
use crate::launch::Options;
use clap::Args;
use std::path::PathBuf;
use std::time::Duration;

/// Train all unfinished trials of the given specs.
#[derive(Debug, Args)]
pub(in crate::commands) struct RunArgs {
    /// Spec files.
    #[arg(required_unless_present = "verify_repro", value_name = "SPEC")]
    pub(super) specs: Vec<PathBuf>,
    /// Folder that holds the experiment folders.
    #[arg(long, default_value = "runs", value_name = "DIR")]
    pub(super) runs: PathBuf,
    #[command(flatten)]
    pub(super) spec: SpecArgs,
    /// Number of trials to run in parallel; default: one per core, or with `train.device = "cuda"` one per GPU.
    #[arg(long, value_name = "N", value_parser = positive)]
    pub(super) jobs: Option<usize>,
    /// Number of trials to run in parallel on each GPU that CUDA_VISIBLE_DEVICES allows; default: 1.
    #[arg(long, value_name = "N", value_parser = positive)]
    pub(super) jobs_per_gpu: Option<usize>,
    /// Worker threads per trial; default: the cores are divided among the trials. Does not change the results.
    #[arg(long, value_name = "N", value_parser = positive)]
    pub(super) threads: Option<usize>,
    /// Train all trials again, including finished ones.
    #[arg(long)]
    pub(super) fresh: bool,
    /// Stop all trials as soon as one fails; by default, the others continue.
    #[arg(long)]
    pub(super) fail_fast: bool,
    /// Exit with status 0 even if trials failed or diverged, which is normal in a random search. The status is still 1 if a
    /// trial was stopped from outside (killed, disk full).
    #[arg(long, conflicts_with = "fail_fast")]
    pub(super) allow_failed: bool,
    /// Also run trials that failed or diverged in an earlier run. Trials that were stopped from outside (killed, disk full)
    /// always resume.
    #[arg(long)]
    pub(super) retry_failed: bool,
    /// Kill a trial that makes no progress for this many seconds, and record it as failed. Training steps, validation and
    /// pictures count as progress.
    #[arg(long, value_name = "SECONDS", value_parser = up_to_a_million)]
    pub(super) stall_timeout: Option<usize>,
    /// Print events as JSON, one per line.
    #[arg(long)]
    pub(super) json: bool,
    /// Train a finished trial again in a temporary folder, and check that the results are bit-identical.
    #[arg(long, value_name = "TRIAL", conflicts_with_all = ["specs", "fresh", "allow_failed", "retry_failed", "runs", "jobs", "jobs_per_gpu", "overrides", "device", "only", "limit", "fail_fast"])]
    pub(super) verify_repro: Option<PathBuf>,
    #[command(flatten, next_help_heading = "Schedulers")]
    pub(super) submit: SubmitArgs,
}

impl RunArgs {
    /// The options of a run on this machine.
    pub(super) fn options(&self) -> Options {
        Options {
            runs: self.runs.clone(),
            jobs: self.jobs,
            gpus: Vec::new(),
            threads: self.threads,
            fresh: self.fresh,
            fail_fast: self.fail_fast,
            retry_failed: self.retry_failed,
            stall_timeout: self.stall_timeout.map(|seconds| Duration::from_secs(seconds as u64)),
            lock_patience: Duration::ZERO,
        }
    }
}
