//! `vaex run --launcher slurm|command`: hands the trials to a scheduler, and follows them where asked to.

use super::progress::Progress;
use super::run::{STOP, options, watch_for_signals};
use super::{DONE, FAILED, INTERRUPTED, Launcher, RunArgs, SubmitArgs, report, say};
use crate::data::counted;
use crate::files::FileError;
use crate::launch::cluster::{self, Scheduler, Tasks, shell_word};
use crate::launch::{self, Frozen, Phase, State};
use crate::log::record::Status;
use crate::plan::Plan;
use anyhow::bail;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// The scheduler that was asked for; none for processes of this one.
pub(super) fn scheduler(args: &SubmitArgs) -> anyhow::Result<Option<Scheduler>> {
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
        Launcher::Slurm => Ok(Some(Scheduler::Slurm {
            partition: partition.clone(),
            time: time.clone(),
            gpus: *gpus,
            max_parallel: *max_parallel,
            arguments: sbatch_arg.clone(),
        })),
        Launcher::Command => {
            let Some(path) = template else { bail!("--launcher command needs --template FILE") };
            let text = std::fs::read_to_string(path).map_err(FileError::at("read the template", path))?;
            if !text.contains("{task}") {
                bail!("{} has no {{task}}, the command that trains a trial", path.display());
            }
            Ok(Some(Scheduler::Template(text)))
        }
    }
}

pub(super) fn run(plans: &[Plan], args: &RunArgs, scheduler: &Scheduler) -> anyhow::Result<u8> {
    if args.jobs.is_some() || args.fail_fast {
        bail!("--jobs and --fail-fast are for trials on this machine; with Slurm see --max-parallel");
    }
    let options = options(args);
    let tasks = Tasks { threads: args.threads.unwrap_or(1), stall_timeout: args.stall_timeout };
    watch_for_signals()?;
    let mut experiments = Vec::new();
    for plan in plans {
        let experiment = launch::folder(plan, &options.runs);
        if args.submit.print {
            let count = launch::unfinished(plan, &options);
            say(cluster::preview(&experiment, plan.name(), count, scheduler, &tasks)?.trim_end());
            continue;
        }
        let submitted = cluster::active(&experiment)?;
        let mut launch = launch::prepare(plan, &options, &submitted)?;
        let mut progress = Progress::lines(plan, args.json);
        launch.tell(&mut |notice| progress.show(&notice));
        let name = plan.name();
        if launch.waiting() == 0 {
            say(&format!("{name}: nothing to submit"));
        } else {
            let job = launch.submit(&experiment, scheduler, &tasks)?;
            say(&format!("{name}: {} submitted as {}", counted(job.trials, "trial"), job.job));
        }
        let folder = shell_word(&experiment.to_string_lossy());
        say(&format!("see how they stand with: vaex status {folder}; stop them with: vaex cancel {folder}"));
        experiments.push((experiment, progress));
    }
    if !args.submit.wait {
        return Ok(DONE);
    }
    let mut worst = DONE;
    for (experiment, _) in &experiments {
        let states = follow(experiment)?;
        if STOP.load(Ordering::Relaxed) {
            say("no longer followed; what was submitted goes on");
            return Ok(INTERRUPTED);
        }
        report::print(experiment)?;
        let all_done = states.iter().all(|state| state.phase == Phase::Recorded(Status::Done));
        worst = worst.max(if all_done { DONE } else { FAILED });
    }
    Ok(worst)
}

/// Tells what changes until nothing more is to come, or a signal came.
fn follow(experiment: &Path) -> anyhow::Result<Vec<State>> {
    let plan = Frozen::read(experiment)?;
    let mut known: BTreeMap<String, (&'static str, Option<u64>)> = BTreeMap::new();
    let mut quiet = 0;
    loop {
        let states = launch::states(experiment, &plan)?;
        for State { id, phase, epoch, error, .. } in &states {
            let now = (phase.name(), epoch.map(|(epoch, _)| epoch));
            if known.insert(id.clone(), now) != Some(now) {
                let epoch =
                    epoch.map(|(epoch, loss)| format!(", epoch {epoch}, validation {loss:.4}")).unwrap_or_default();
                let error = error.as_ref().map(|error| format!(": {error}")).unwrap_or_default();
                say(&format!("{id}: {}{epoch}{error}", phase.name()));
            }
        }
        // Between two states of a scheduler a trial may be in neither.
        quiet = if states.iter().any(|state| state.phase.is_pending()) { 0 } else { quiet + 1 };
        if quiet > 3 || STOP.load(Ordering::Relaxed) {
            return Ok(states);
        }
        std::thread::sleep(Duration::from_secs(1));
    }
}
