//! The scheduler that trials are submitted to, and its options.

use super::numbers::positive;
use crate::folder::FileError;
use crate::launch::cluster::{Scheduler, SlurmOptions};
use anyhow::bail;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

#[derive(Debug, Args)]
#[command(next_help_heading = "Schedulers")]
pub(crate) struct SubmitArgs {
    /// Where the trials run.
    #[arg(long, value_enum, default_value = "local")]
    pub(crate) launcher: Launcher,
    /// Slurm partition.
    #[arg(long, value_name = "NAME")]
    pub(crate) partition: Option<String>,
    /// Slurm time limit per trial, such as 2:00:00. Shortly before the limit, the trial is saved and queued again.
    #[arg(long, value_name = "TIME")]
    pub(crate) time: Option<String>,
    /// GPUs per trial; a trial uses one.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) gpus: Option<u64>,
    /// Number of trials that Slurm runs in parallel.
    #[arg(long, value_name = "N", value_parser = positive)]
    pub(crate) max_parallel: Option<usize>,
    /// Additional argument for sbatch, such as --sbatch-arg=--mem=2G; can be repeated.
    #[arg(long, value_name = "ARGUMENT", allow_hyphen_values = true)]
    pub(crate) sbatch_arg: Vec<String>,
    /// For `--launcher command`: template of the script that submits the trials.
    #[arg(long, value_name = "FILE")]
    pub(crate) template: Option<PathBuf>,
    /// Print the script without submitting it.
    #[arg(long)]
    pub(crate) print: bool,
    /// Print the progress of the submitted trials until all have ended.
    #[arg(long)]
    pub(crate) wait: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Launcher {
    /// Processes on this machine.
    Local,
    /// A Slurm job array.
    Slurm,
    /// Another scheduler, through the script of `--template`.
    Command,
}

/// The requested scheduler; `None` for processes on this machine.
pub(crate) fn scheduler(args: &SubmitArgs) -> anyhow::Result<Option<Scheduler>> {
    let SubmitArgs { launcher, partition, time, gpus, max_parallel, sbatch_arg, template, print, wait } = args;
    let slurm_only = [
        ("--partition", partition.is_some()),
        ("--time", time.is_some()),
        ("--gpus", gpus.is_some()),
        ("--max-parallel", max_parallel.is_some()),
        ("--sbatch-arg", !sbatch_arg.is_empty()),
    ];
    let used = |options: &[(&'static str, bool)]| options.iter().find(|(_, used)| *used).map(|(name, _)| *name);
    if *launcher != Launcher::Slurm
        && let Some(name) = used(&slurm_only)
    {
        bail!("{name} needs --launcher slurm");
    }
    match launcher {
        Launcher::Local => match used(&[("--template", template.is_some()), ("--print", *print), ("--wait", *wait)]) {
            Some(name) => bail!("{name} needs --launcher slurm or --launcher command"),
            None => Ok(None),
        },
        Launcher::Slurm if template.is_some() => bail!("--template needs --launcher command"),
        Launcher::Slurm => Ok(Some(Scheduler::Slurm(SlurmOptions {
            partition: partition.clone(),
            time: time.clone(),
            gpus: *gpus,
            max_parallel: *max_parallel,
            arguments: sbatch_arg.clone(),
        }))),
        Launcher::Command => {
            let Some(path) = template else { bail!("--launcher command needs --template FILE") };
            let text = std::fs::read_to_string(path).map_err(FileError::at("read the template", path))?;
            if !text.contains("{task}") {
                bail!(
                    "{} does not contain {{task}}, the placeholder for the command that trains a trial",
                    path.display()
                );
            }
            Ok(Some(Scheduler::Template(text)))
        }
    }
}
