//! `vaex run` on this machine: trains the unfinished trials and prints the report.

use super::arguments::RunArgs;
use crate::commands::shared::evaluation::{evaluate_settings, settings_of_plan};
use crate::commands::shared::exit::{FAILED, exit_status};
use crate::commands::shared::format::bytes;
use crate::commands::shared::print::{complain, explain, say};
use crate::commands::shared::progress::Progress;
use crate::commands::shared::report;
use crate::commands::shared::signals::{self, STOP};
use crate::folder::ExperimentFolder;
use crate::launch::{self, Options, Summary};
use crate::metrics::Split;
use crate::plan::{Plan, Trial};
use crate::report::{Report, ReportedTrial};
use crate::tensor::backend::{VISIBLE_DEVICES, cards, visible};
use crate::text::{counted, shell_word};
use crate::train::measure::{ELBO_NATS, LOSS};
use crate::trial::estimate;
use anyhow::{anyhow, bail};
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

/// What to do without a GPU.
const ON_CPU: &str = "--device cpu trains on the CPU; `vaex devices` lists what there is";

pub(super) fn run(plans: &[Plan], args: &RunArgs) -> anyhow::Result<u8> {
    let gpus = gpus(plans, args)?;
    let options =
        |plan: &Plan| Options { gpus: if plan.needs_gpu() { gpus.clone() } else { Vec::new() }, ..args.options() };
    let plans: Vec<(&Plan, Options)> = plans.iter().map(|plan| (plan, options(plan))).collect();
    plans.iter().try_for_each(|(plan, options)| enough_memory(plan, options))?;
    signals::stop_then_exit()?;
    let mut worst = 0;
    // All launches are prepared before the first one starts, so that an error means that nothing was started.
    let launches = plans.iter().map(|(plan, options)| launch::prepare(plan, options, &BTreeMap::new()));
    let launches = launches.collect::<Result<Vec<_>, _>>()?;
    for ((plan, options), launch) in plans.iter().zip(launches) {
        let mut progress = Progress::new(plan, args.json);
        let summary = launch.run(&STOP, &mut |event| progress.show(&event));
        if summary.interrupted == 0
            && !evaluate_settings(settings_of_plan(plan, &launch::folder(plan, &options.runs)), false)
        {
            worst = worst.max(FAILED);
        }
        if progress.summarize(launch::folder(plan, &options.runs).path(), summary.disk_is_full) {
            worst = worst.max(FAILED);
        }
        progress.finish();
        if !args.json {
            let report = report::print(launch::folder(plan, &options.runs).path());
            let report = report.inspect_err(|error| {
                explain(error);
                worst = worst.max(FAILED);
            });
            let report = report.ok();
            if report.as_ref().is_some_and(Report::has_unmet) {
                worst = worst.max(FAILED);
            }
            print_next_steps(plan, args, summary, report.as_ref());
        }
        worst = exit_status(summary, STOP.load(Ordering::Relaxed), args.allow_failed).max(worst);
        if summary.interrupted > 0 || summary.disk_is_full || args.fail_fast && summary.failed > summary.failed_before {
            break;
        }
    }
    Ok(worst)
}

/// The places for trials on GPUs; empty if no trial needs one.
///
/// # Errors
/// There is no GPU.
fn gpus(plans: &[Plan], args: &RunArgs) -> anyhow::Result<Vec<String>> {
    let Some(plan) = plans.iter().find(|plan| plan.needs_gpu()) else {
        return match args.jobs_per_gpu {
            Some(_) => {
                bail!("--jobs-per-gpu needs trials with `train.device = \"cuda\"`, for example by --device cuda")
            }
            None => Ok(Vec::new()),
        };
    };
    let (cards, _) =
        cards().map_err(|reason| anyhow!("`train.device` of `{}` is \"cuda\", but {reason}\n{ON_CPU}", plan.name()))?;
    let jobs = args.jobs_per_gpu.unwrap_or(1);
    let smallest = cards.iter().map(|card| card.memory as f64).fold(f64::INFINITY, f64::min);
    for plan in plans {
        let mut needs: Vec<f64> =
            plan.selected().filter_map(|trial| Some(estimate::gpu_memory(trial)?.least)).collect();
        needs.sort_by(|one, other| other.total_cmp(one));
        let need: f64 = needs.iter().take(jobs).sum();
        if need > smallest {
            let (need, has) = (bytes(need), bytes(smallest));
            let (what, advice) = match jobs {
                1 => (format!("a trial of `{}` needs", plan.name()), "it may fail; use a smaller batch"),
                _ => (format!("{jobs} trials of `{}` need", plan.name()), "some may fail; lower --jobs-per-gpu"),
            };
            complain(&format!("warning: {what} about {need} of GPU memory, but a GPU has {has}: {advice}"));
        }
    }
    let named = std::env::var_os(VISIBLE_DEVICES).map(|named| named.to_string_lossy().into_owned());
    let one_each = visible(named.as_deref(), cards.len());
    let all = one_each.iter().cycle().take(one_each.len() * jobs);
    Ok(all.cloned().collect())
}

/// Refuses a trial that does not fit in the memory of this machine, and warns if the parallel trials together do not fit.
fn enough_memory(plan: &Plan, options: &Options) -> anyhow::Result<()> {
    let Some(free) = crate::machine::free_memory() else { return Ok(()) };
    let (jobs, threads) = launch::share(options, plan.trial_count().unwrap_or(usize::MAX));
    let mut needs: Vec<(f64, &Trial)> =
        plan.selected().map(|trial| (estimate::memory(trial, threads), trial)).collect();
    needs.sort_by(|one, other| other.0.total_cmp(&one.0));
    let together: f64 = needs.iter().take(jobs).map(|(need, _)| need).sum();
    match needs.first() {
        Some((need, trial)) if *need > free => {
            let (id, name, need, free) = (trial.id(), plan.name(), bytes(*need), bytes(free));
            bail!("trial {id} of `{name}` needs about {need} of memory, but only {free} is free; use a smaller model")
        }
        _ if together > free => {
            let (together, free) = (bytes(together), bytes(free));
            complain(&format!(
                "warning: {jobs} parallel trials need about {together} of memory, but only {free} is free; lower --jobs"
            ));
        }
        _ => {}
    }
    Ok(())
}

/// The command that resumes the unfinished trials: the current one without `--fresh`, which would restart them.
fn same_command() -> String {
    let arguments = std::env::args_os().filter(|argument| argument != "--fresh");
    arguments.map(|argument| shell_word(&argument.to_string_lossy())).collect::<Vec<_>>().join(" ")
}

/// The best trial, on one line.
fn best_line(trial: &ReportedTrial) -> String {
    let name = trial.folder.file_name().unwrap_or_default().to_string_lossy();
    let row = trial.kept(Split::Validation).or(trial.kept(Split::Train));
    let loss = row.and_then(|row| row.get(LOSS)).map(|loss| format!(": {LOSS} {loss:.5}"));
    // Of a plain autoencoder, that number is not a bound.
    let elbo = row.and_then(|row| row.get(ELBO_NATS)).filter(|_| !trial.is_plain());
    let elbo = elbo.map(|elbo| format!(", {ELBO_NATS} {elbo:.2}"));
    format!("best: {name}{}", loss.map(|loss| loss + &elbo.unwrap_or_default()).unwrap_or_default())
}

/// Prints the last lines of a run: how to resume it, or how to look at the results.
fn print_next_steps(plan: &Plan, args: &RunArgs, summary: Summary, report: Option<&Report>) {
    let folder = launch::folder(plan, &args.runs).path().to_path_buf();
    if summary.disk_is_full {
        let count = counted(summary.interrupted + summary.from_outside, "trial");
        let disk = format!("the disk of {} is full or read-only", folder.display());
        let stopped = format!("{disk}, so the run was stopped with {count} unfinished");
        say(&format!("{stopped}; free some space, then resume with: {}", same_command()));
    } else if summary.interrupted > 0 {
        let count = counted(summary.interrupted, "unfinished trial");
        say(&format!("{count}; to resume: {}", same_command()));
        if args.fresh {
            say("trials that were already done and have not restarted yet keep their results");
        }
    } else {
        if summary.from_outside > 0 {
            say(&format!("something failed for a cause outside the trials; to go on: {}", same_command()));
        }
        if summary.failed_before > 0 {
            let count = counted(summary.failed_before, "trial");
            say(&format!("{count} failed or diverged in an earlier run; to retry: --retry-failed"));
        }
        // No trial is the best one if metrics of different trials are not comparable.
        let best = report.filter(|report| report.is_comparable()).and_then(Report::best);
        if let Some(best) = best {
            say(&best_line(best));
        }
        let folder = shell_word(&folder.to_string_lossy());
        say("to explore the results:");
        say(&format!("  vaex report {folder}          # writes {folder}/{}", ExperimentFolder::PAGE));
        say(&format!("  vaex tensorboard {folder}"));
        if best.is_some() {
            say(&format!("  vaex traverse {folder} --best"));
        }
    }
}
