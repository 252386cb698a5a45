//! `vaex run --launcher slurm|command`: submits the trials to a scheduler, and with `--wait` follows them.

use super::arguments::RunArgs;
use crate::commands::shared::evaluation::{evaluate_settings, settings_of_plan};
use crate::commands::shared::exit::{DONE, FAILED, INTERRUPTED};
use crate::commands::shared::format::brief;
use crate::commands::shared::print::{complain, explain, say};
use crate::commands::shared::progress::{Progress, keys, say_event, say_line, summary};
use crate::commands::shared::report::print;
use crate::commands::shared::signals::{self, STOP};
use crate::folder::ExperimentFolder;
use crate::launch::cluster::{self, Scheduler, SlurmOptions, Tasks};
use crate::launch::{self, EvaluationWatch, Frozen, Options, Phase, State};
use crate::metrics::{Split, named};
use crate::plan::{Plan, Trial, assignment_text};
use crate::record::trial::Status;
use crate::report::significant;
use crate::text::shell_word;
use crate::train::measure::LOSS;
use crate::trained::is_evaluated;
use anyhow::bail;
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

pub(super) fn run(plans: &[Plan], args: &RunArgs, scheduler: &Scheduler) -> anyhow::Result<u8> {
    if args.jobs.is_some() || args.jobs_per_gpu.is_some() || args.fail_fast {
        bail!(
            "--jobs, --jobs-per-gpu and --fail-fast apply to trials on this machine only; for Slurm, use --max-parallel and --gpus"
        );
    }
    for (plan, search) in plans.iter().filter_map(|plan| Some((plan, plan.search()?))) {
        if args.fresh {
            bail!(
                "--fresh applies to a search on this machine only; remove the folder of `{}`, or its trials",
                plan.name()
            );
        }
        if search.search().hours.is_some() {
            bail!(
                "the search of `{}` has `hours`, which are those of this machine; set `trials` for a scheduler",
                plan.name()
            );
        }
    }
    if let Scheduler::Slurm(SlurmOptions { gpus: None, arguments, .. }) = scheduler
        && arguments.is_empty()
        && let Some(plan) = plans.iter().find(|plan| plan.needs_gpu())
    {
        complain(&format!("warning: the trials of `{}` need a GPU; ask Slurm for one with --gpus 1", plan.name()));
    }
    let options = args.options();
    let tasks = Tasks {
        threads: args.threads.unwrap_or(1),
        stall_timeout: args.stall_timeout.map(|seconds| seconds as u64),
        evaluation: None,
    };
    signals::stop_then_exit()?;
    let mut submitted_before = false;
    let since = SystemTime::now();
    for plan in plans {
        let experiment = launch::folder(plan, &options.runs);
        let result = submit(plan, &experiment, args, &options, scheduler, &tasks);
        // Exit status 2 means that nothing was started.
        match result {
            Err(error) if submitted_before => {
                explain(&error);
                return Ok(FAILED);
            }
            result => result?,
        }
        submitted_before = true;
    }
    let mut worst = DONE;
    for plan in plans.iter().filter(|_| args.submit.wait && !args.submit.print) {
        let experiment = launch::folder(plan, &options.runs);
        let states = follow(&experiment, plan, (scheduler, since), args.json)?;
        if STOP.load(Ordering::Relaxed) {
            complain("stopped waiting; the submitted trials continue");
            return Ok(INTERRUPTED);
        }
        let is_complete = evaluate_settings(settings_of_plan(plan, &experiment), false);
        let is_unmet = match args.json {
            true => {
                let (summary, is_unmet) =
                    summary(plan, states.iter().map(|state| state.phase.name()), experiment.path());
                say_event(summary);
                is_unmet
            }
            false => print(experiment.path())?.has_unmet(),
        };
        let has_failed = |state: &&State| matches!(state.phase, Phase::Recorded(Status::Failed | Status::Diverged));
        let counts =
            |state: &State| !args.allow_failed || state.record.as_ref().is_none_or(|record| record.from_outside);
        let has_ended =
            |state: &State| matches!(state.phase, Phase::Recorded(Status::Done | Status::Pruned)) || has_failed(&state);
        let status = if is_unmet || !is_complete || states.iter().filter(has_failed).any(counts) {
            FAILED
        } else if states.iter().all(has_ended) {
            DONE
        } else {
            INTERRUPTED
        };
        worst = worst.max(status);
    }
    Ok(worst)
}

/// Submits one plan, or with `--print` prints its script.
fn submit(
    plan: &Plan,
    experiment: &ExperimentFolder,
    args: &RunArgs,
    options: &Options,
    scheduler: &Scheduler,
    tasks: &Tasks,
) -> anyhow::Result<()> {
    let submitted = cluster::active(experiment, plan.name())?;
    let name = plan.name();
    if args.submit.print {
        match launch::unfinished(plan, options, &submitted)? {
            0 => complain(&format!("{name}: nothing to submit")),
            count => say(cluster::preview(experiment, name, count, scheduler, tasks)?.trim_end()),
        }
        return Ok(());
    }
    let mut launch = launch::prepare(plan, options, &submitted)?;
    let mut progress = Progress::lines(plan, args.json);
    launch.report_earlier_results(&mut |event| progress.show(&event));
    let job = launch.submit(experiment, scheduler, tasks, None)?;
    if args.json {
        let (job, trials) = job.map_or((None, 0), |job| (Some(job.job), job.trials));
        say_event(serde_json::json!({ "event": "job", "name": name, "job": job, "trials": trials }));
        return Ok(());
    }
    match job {
        Some(job) => say(&format!("{name}: {}", job.line())),
        None => say(&format!("{name}: nothing to submit")),
    }
    let folder = shell_word(&experiment.path().to_string_lossy());
    say(&format!("to see their status: vaex status {folder}; to stop them: vaex cancel {folder}"));
    Ok(())
}

/// Prints every change of a trial's state until all have ended or a signal arrives. Returns the final states.
fn follow(
    experiment: &ExperimentFolder,
    plan: &Plan,
    (scheduler, since): (&Scheduler, SystemTime),
    json: bool,
) -> anyhow::Result<Vec<State>> {
    let mut frozen = Frozen::read(experiment)?;
    let mut known: BTreeMap<String, (&'static str, u64)> = BTreeMap::new();
    let mut quiet = 0;
    let watch = EvaluationWatch::of(scheduler, since);
    loop {
        // A search adds trials.
        if plan.search().is_some() {
            frozen = Frozen::read(experiment)?;
        }
        let all = launch::states(experiment, &frozen)?;
        let (eta, mut states) = (all.eta_seconds, all.trials);
        let trials: BTreeMap<&str, &Trial> = plan.selected().map(|trial| (trial.id(), trial)).collect();
        states.retain(|state| plan.search().is_some() || trials.contains_key(&*state.id));
        for state in &states {
            let now = (state.phase.name(), state.epoch());
            if known.insert(state.id.clone(), now) != Some(now) {
                match json {
                    true => say_event(event(state, eta)),
                    false => say_line(&line(state, &name(state), eta)),
                }
            }
        }
        // Slurm reports its queue. For another scheduler, only the trial folders show what is still planned.
        let is_coming = |state: &State| match scheduler {
            Scheduler::Slurm(_) => state.phase.is_pending(),
            Scheduler::Template(_) => state.phase.is_pending() || state.phase == Phase::Recorded(Status::Planned),
        };
        let mut is_evaluating = false;
        for state in states.iter().filter(|state| state.phase == Phase::Recorded(Status::Done)) {
            let Some((folder, record)) = state.folder.as_ref().zip(state.record.as_ref()) else { continue };
            // A trial of a search is evaluated by the task that trains it.
            let Some(trial) = trials.get(&*state.id) else { continue };
            let Some(settings) = &trial.spec().evaluate else { continue };
            let data = trial.dataset().hash_with_labels();
            let is_measured = || is_evaluated(folder, record, settings, Some(data), 0.0);
            is_evaluating |= !is_measured() && watch.is_coming(folder, state.task.as_ref(), is_measured)?;
        }
        // While the scheduler moves a trial from one state to the next, the trial may briefly be in neither.
        let is_searching = match (plan.search(), scheduler) {
            (None, _) => false,
            (Some(_), Scheduler::Slurm(_)) => cluster::is_watched(experiment, plan.name())?,
            (Some(_), Scheduler::Template(_)) => {
                states.iter().any(|state| state.phase == Phase::Recorded(Status::Paused))
            }
        };
        quiet = if is_evaluating || is_searching || states.iter().any(is_coming) { 0 } else { quiet + 1 };
        if quiet > 3 || STOP.load(Ordering::Relaxed) {
            return Ok(states);
        }
        std::thread::sleep(Duration::from_secs(1));
    }
}

/// The trial's id and its values of the varied keys.
fn name(state: &State) -> String {
    let values = state.keys.iter().map(|(key, value)| format!(" {}", assignment_text(key, value.as_ref())));
    format!("{}{}", state.id, values.collect::<String>())
}

fn event(state: &State, eta: Option<f64>) -> serde_json::Value {
    let [train, validation] = Split::OF_EPOCHS.map(|split| state.last(split));
    serde_json::json!({
        "event": "state",
        "trial": state.id,
        "keys": keys(state),
        "state": state.phase.name(),
        "epoch": validation.as_ref().map(|row| row.epoch),
        "epochs": state.epochs,
        "validation_loss": validation.as_ref().and_then(|row| row.get(LOSS)),
        "metrics": named(train.iter().chain(&validation)),
        "eta_seconds": state.eta_seconds,
        "eta_seconds_all": eta,
        "error": state.error,
    })
}

fn line(state: &State, label: &str, eta: Option<f64>) -> String {
    let [train, validation] =
        Split::OF_EPOCHS.map(|split| state.last(split)?.get(LOSS).map(|loss| significant(loss, 5)));
    let validation = validation.map(|loss| format!(", validation {loss}")).unwrap_or_default();
    let losses = train.map(|loss| format!(", epoch {}/{}, loss {loss}{validation}", state.epoch(), state.epochs));
    let left =
        state.phase.is_pending().then(|| format!(", ETA {} (all trials: {})", brief(state.eta_seconds), brief(eta)));
    let error = state.error.as_ref().map(|error| format!(": {error}")).unwrap_or_default();
    format!("{label}: {}{}{}{error}", state.phase.name(), losses.unwrap_or_default(), left.unwrap_or_default())
}
