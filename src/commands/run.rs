//! `vaex run`: plans everything, trains what is not finished, and ends with the report.

use super::progress::{Progress, say_event};
use super::{
    FAILED, INTERRUPTED, RunArgs, WRONG, bytes, complain, exit_status, explain, explain_as, report, repro, say,
    signals, submit, warn,
};
use crate::data::counted;
use crate::launch::cluster::shell_word;
use crate::launch::{self, Options, Summary};
use crate::metrics::Split;
use crate::plan::{Plan, Trial};
use crate::report::Trial as Trained;
use crate::train::measure::{ELBO_NATS, LOSS};
use crate::trial::estimate;
use anyhow::bail;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

pub(super) static STOP: AtomicBool = AtomicBool::new(false);

pub(super) fn run(args: &RunArgs) -> anyhow::Result<u8> {
    if let Some(trial) = &args.verify_repro {
        return repro::run(trial, args);
    }
    let Some(plans) = plans(args) else { return Ok(WRONG) };
    if let Some(scheduler) = submit::scheduler(&args.submit)? {
        return submit::run(&plans, args, &scheduler);
    }
    let options = options(args);
    plans.iter().try_for_each(|plan| enough_memory(plan, &options))?;
    watch_for_signals()?;
    let mut worst = 0;
    // All are ready before the first begins: an error means that nothing was started.
    let launch = |plan| launch::prepare(plan, &options, &BTreeMap::new());
    let launches = plans.iter().map(launch).collect::<Result<Vec<_>, _>>()?;
    for (plan, launch) in plans.iter().zip(launches) {
        let mut progress = Progress::new(plan, args.json);
        let summary = launch.run(&STOP, &mut |notice| progress.show(&notice));
        progress.summarize(&launch::folder(plan, &options.runs), summary.disk_is_full);
        progress.finish();
        if !args.json {
            let best = report::print(&launch::folder(plan, &options.runs)).map(|report| report.best().map(best_line));
            let best = best.unwrap_or_else(|error| {
                explain(&error);
                worst = worst.max(FAILED);
                None
            });
            remark(plan, args, summary, best);
        }
        worst = exit_status(summary, STOP.load(Ordering::Relaxed), args.allow_failed).max(worst);
        if summary.interrupted > 0 || summary.disk_is_full || args.fail_fast && summary.failed > summary.failed_before {
            break;
        }
    }
    Ok(worst)
}

/// Refuses a trial that is too large for the memory of this machine, and warns of too many at a time.
fn enough_memory(plan: &Plan, options: &Options) -> anyhow::Result<()> {
    let Some(free) = estimate::free_memory() else { return Ok(()) };
    let (jobs, threads) = launch::share(options, plan.selected().count());
    let mut needs: Vec<(f64, &Trial)> =
        plan.selected().map(|trial| (estimate::memory(trial, threads), trial)).collect();
    needs.sort_by(|one, other| other.0.total_cmp(&one.0));
    let together: f64 = needs.iter().take(jobs).map(|(need, _)| need).sum();
    match needs.first() {
        Some((need, trial)) if *need > free => {
            let (id, name, need, free) = (trial.id(), plan.name(), bytes(*need), bytes(free));
            bail!("trial {id} of `{name}` needs about {need} of memory, and {free} are free; make its model smaller")
        }
        _ if together > free => {
            let (together, free) = (bytes(together), bytes(free));
            complain(&format!(
                "warning: {jobs} trials at a time need about {together} of memory, and {free} are free; lower --jobs"
            ));
        }
        _ => {}
    }
    Ok(())
}

/// The options of a run on this machine.
pub(super) fn options(args: &RunArgs) -> Options {
    Options {
        runs: args.runs.clone(),
        jobs: args.jobs,
        threads: args.threads,
        fresh: args.fresh,
        fail_fast: args.fail_fast,
        retry_failed: args.retry_failed,
        stall_timeout: args.stall_timeout.map(Duration::from_secs),
    }
}

/// From now on a signal sets `STOP`.
pub(super) fn watch_for_signals() -> anyhow::Result<()> {
    signals::watch(interrupt)
}

/// The plans of all specs; nothing where any is wrong, which is said of each.
fn plans(args: &RunArgs) -> Option<Vec<Plan>> {
    let mut plans: Vec<Plan> = Vec::new();
    let mut wrong = false;
    for spec in &args.specs {
        match args.spec.plan(spec) {
            Ok(plan) if plans.iter().any(|other| other.name() == plan.name()) => {
                wrong = true;
                let (path, name) = (spec.display(), plan.name());
                complain(&format!("error: {path} is of the name `{name}` too; give each experiment a name of its own"));
            }
            Ok(plan) => {
                if !args.json {
                    warn(&plan);
                } else if !plan.warnings().is_empty() {
                    let (name, warnings) = (plan.name(), plan.warnings().json());
                    say_event(serde_json::json!({ "event": "warnings", "name": name, "warnings": warnings }));
                }
                plans.push(plan);
            }
            Err(error) => {
                wrong = true;
                explain_as(&error, args.json);
            }
        }
    }
    (!wrong).then_some(plans)
}

/// The command that goes on with what is not finished: this one, without `--fresh`, which would begin anew.
pub(super) fn same_command() -> String {
    let arguments = std::env::args_os().filter(|argument| argument != "--fresh");
    arguments.map(|argument| shell_word(&argument.to_string_lossy())).collect::<Vec<_>>().join(" ")
}

/// The first signal stops the trials after their present step, the second stops at once.
fn interrupt() {
    if STOP.swap(true, Ordering::Relaxed) {
        std::process::exit(i32::from(INTERRUPTED));
    }
    complain("stopping after the present step; once more stops at once");
}

/// The best trial in a line.
fn best_line(trial: &Trained) -> String {
    let name = trial.folder.file_name().unwrap_or_default().to_string_lossy();
    let row = trial.last(Split::Validation).or(trial.last(Split::Train));
    let metrics = row.and_then(|row| Some((row.get(LOSS)?, row.get(ELBO_NATS)?)));
    let metrics = metrics.map(|(loss, elbo)| format!(": {LOSS} {loss:.5}, {ELBO_NATS} {elbo:.2}")).unwrap_or_default();
    format!("best: {name}{metrics}")
}

fn remark(plan: &Plan, args: &RunArgs, summary: Summary, best: Option<String>) {
    let folder = launch::folder(plan, &args.runs);
    if summary.disk_is_full {
        let count = counted(summary.interrupted + summary.from_outside, "trial");
        let disk = format!("the disk of {} is full or read-only", folder.display());
        let room = format!("{disk}, so the run was stopped with {count} unfinished");
        say(&format!("{room}; make room, then resume with: {}", same_command()));
    } else if summary.interrupted > 0 {
        let count = counted(summary.interrupted, "unfinished trial");
        say(&format!("{count}; go on with: {}", same_command()));
        if args.fresh {
            say("trials that were finished before, and not begun anew yet, keep what they had");
        }
    } else {
        if summary.failed_before > 0 {
            let count = counted(summary.failed_before, "trial");
            say(&format!("{count} failed before and not tried again; --retry-failed runs what failed"));
        }
        let has_model = best.is_some();
        best.iter().for_each(|best| say(best));
        let folder = shell_word(&folder.to_string_lossy());
        say("look further with:");
        say(&format!("  vaex report {folder}          # writes {folder}/report.html"));
        say(&format!("  vaex tensorboard {folder}"));
        if has_model {
            say(&format!("  vaex traverse {folder} --best"));
        }
    }
}
