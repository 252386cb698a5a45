//! `vaex evaluate`: measures the likelihood and other metrics of trials that are done.

use super::command::Command;
use super::shared::evaluation::{self, Question};
use super::shared::exit::{DONE, FAILED, INTERRUPTED};
use super::shared::numbers::positive;
use super::shared::print::{complain, say};
use super::shared::progress::{evaluated, say_event, say_line};
use super::shared::schedulers::{SubmitArgs, scheduler};
use super::shared::signals::{self, STOP};
use super::shared::trial::TrialChoice;
use super::shared::{report, terminal};
use crate::evaluation::{EvaluateSettings, Scope, columns_of};
use crate::folder::{ExperimentFolder, TrialFolder};
use crate::launch::cluster::{self, Scheduler, Tasks};
use crate::launch::{
    self, EvaluationWatch, Evaluations, EvaluationsSummary, Options, TrialEvent, lock, stop_with_parent,
};
use crate::plan::value_text;
use crate::record::evaluation::{Evaluated, Evaluation};
use crate::record::trial::TrialRecord;
use crate::report::{Column, ReportedTrial, Table, collect, significant};
use crate::text::counted;
use crate::trained::{EvaluationEnd, Trained, Weights, is_evaluated, split_of};
use crate::trial::Event;
use anyhow::{Context, bail};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

/// Measure the likelihood, the use of the latent axes and other metrics of trials that are done.
#[derive(Debug, Args)]
pub(super) struct EvaluateArgs {
    #[command(flatten)]
    trial: TrialChoice,
    #[command(flatten)]
    question: Question,
    /// Measure again what was measured before.
    #[arg(long)]
    again: bool,
    /// Number of trials to evaluate in parallel; default: one per core.
    #[arg(long, value_name = "N", value_parser = positive)]
    jobs: Option<usize>,
    /// Worker threads per trial; default: the cores are divided among the trials. Does not change the results.
    #[arg(long, value_name = "N", value_parser = positive)]
    threads: Option<usize>,
    #[command(flatten, next_help_heading = "Schedulers")]
    submit: SubmitArgs,
    /// Print events and results as JSON, one per line.
    #[arg(long)]
    json: bool,
    /// Stop when the parent process closes standard input.
    #[arg(long, hide = true)]
    stop_with_parent: bool,
}

impl Command for EvaluateArgs {
    fn run(&self) -> anyhow::Result<u8> {
        let folders = self.trial.folders()?;
        if let Some(scheduler) = scheduler(&self.submit)? {
            return self.submit(&folders, &scheduler);
        }
        signals::stop()?;
        if self.stop_with_parent {
            stop_with_parent(&STOP);
        }
        match &*folders {
            [folder] => self.one(folder),
            _ => self.many(&folders),
        }
    }

    fn is_json(&self) -> bool {
        self.json
    }
}

impl EvaluateArgs {
    /// Evaluates a trial in this process, and prints its metrics.
    fn one(&self, folder: &Path) -> anyhow::Result<u8> {
        let mut progress = MetricBar::new(!self.json);
        let mut emit = |event: Event| match (&event, self.json) {
            (_, true) => say_event(serde_json::to_value(&event).unwrap_or_default()),
            (Event::Warning { text }, false) => complain(&format!("warning: {text}")),
            (event, false) => progress.show(event),
        };
        let (end, settings, results) =
            evaluation::evaluate(folder, &self.question, (self.threads, self.again), &mut emit)?;
        progress.clear();
        if end == EvaluationEnd::Stopped {
            if !self.json {
                complain("stopped; the same command goes on where it stopped");
            }
            return Ok(INTERRUPTED);
        }
        for measure in settings.chosen().filter(|measure| measure.scope() == Scope::Setting) {
            if self.question.names_metrics() && !self.stop_with_parent {
                complain(&format!(
                    "{} compares the trials of a setting: `vaex evaluate` measures it for the folder of the experiment",
                    measure.word().name
                ));
            }
        }
        let mut trial = read(folder)?;
        // Those of the weights that were used.
        trial.evaluation = Evaluation::read(&results)?;
        let shown = shown(&trial, &settings);
        let refused = by_reason(shown.iter().filter_map(|one| Some((&*one.recipe.metric, one.refused.as_deref()?))));
        if self.stop_with_parent {
            // Its parent reads the results from the folder.
            refused.iter().for_each(|line| complain(line));
        } else if self.json {
            say_event(json!({ "event": "summary", "trial": trial.record.trial, "results": shown }));
        } else {
            say(&table(&shown).fit(terminal::width()).to_string());
            refused.iter().for_each(|line| say(line));
        }
        // What was named must have a value.
        let is_lacking = shown.iter().any(|one| one.refused.is_some()) && self.question.names_metrics();
        Ok(if is_lacking { FAILED } else { DONE })
    }

    /// The settings of the experiments, for scores that compare their seeds.
    fn settings(&self) -> anyhow::Result<Vec<evaluation::OfSetting>> {
        evaluation::settings_of(self.trial.given(), &self.question)
    }

    /// Submits the evaluation of trials to a scheduler, and with `--wait` follows it.
    fn submit(&self, folders: &[PathBuf], scheduler: &Scheduler) -> anyhow::Result<u8> {
        if self.jobs.is_some() {
            bail!("--jobs applies to trials on this machine only; for Slurm, use --max-parallel");
        }
        if self.submit.gpus.is_some() {
            bail!("--gpus applies to training only: evaluation uses no GPU");
        }
        if self.submit.wait && self.question.weights.weights() != Weights::Kept {
            bail!("--wait follows the evaluation of the weights that trials keep; remove --wait or --weights");
        }
        let parents: BTreeSet<&Path> = folders.iter().filter_map(|folder| folder.parent()).collect();
        let [experiment] = *parents.into_iter().collect::<Vec<_>>() else {
            bail!("{} has several experiments; give the folder of one of them", self.trial.given().display())
        };
        let experiment = ExperimentFolder::new(experiment);
        let record = TrialRecord::read(&TrialFolder::new(&folders[0]))?;
        let mut options = self.question.options();
        if self.again {
            options.push("--again".into());
        }
        let threads = self.threads.unwrap_or(1);
        let tasks = Tasks { threads, stall_timeout: None, evaluation: Some(options) };
        if self.submit.print {
            say(cluster::preview(&experiment, &record.experiment, folders.len(), scheduler, &tasks)?.trim_end());
            return Ok(DONE);
        }
        signals::stop_then_exit()?;
        let start = SystemTime::now();
        let job = {
            // Another command must not submit the same trials in the meantime.
            let _lock = lock::take(experiment.path(), lock::PATIENCE)?;
            let submitted = cluster::active(&experiment, &record.experiment)?;
            let ids = folders.iter().filter_map(|folder| TrialFolder::new(folder).id().map(str::to_owned));
            let ids: Vec<String> = ids.filter(|id| !submitted.contains_key(id)).collect();
            let count = folders.len() - ids.len();
            if count > 0 {
                complain(&format!("{} of this experiment left out: queued or running", counted(count, "trial")));
            }
            match ids.is_empty() {
                true => None,
                false => Some(cluster::submit_evaluations(&experiment, &record.experiment, ids, scheduler, &tasks)?),
            }
        };
        match (&job, self.json) {
            (None, false) => say("nothing to submit"),
            (None, true) => say_event(json!({ "event": "job", "job": null, "trials": 0 })),
            (Some(job), true) => say_event(json!({ "event": "job", "job": job.job, "trials": job.trials })),
            (Some(job), false) => {
                say(&format!("evaluation of {} submitted as {}", counted(job.trials, "trial"), job.job));
            }
        }
        if !self.submit.wait {
            return Ok(DONE);
        }
        self.wait(folders, &experiment, (scheduler, start), job.map_or(0.0, |job| job.submitted))
    }

    /// Waits until the trials are evaluated or their tasks have ended, and prints the report.
    fn wait(
        &self,
        folders: &[PathBuf],
        experiment: &ExperimentFolder,
        (scheduler, start): (&Scheduler, SystemTime),
        submitted: f64,
    ) -> anyhow::Result<u8> {
        // With --again, what was measured before does not count.
        let since = if self.again { submitted } else { 0.0 };
        let asked = |folder: &PathBuf| -> anyhow::Result<_> {
            let trained = Trained::open(folder)?;
            Ok((TrialFolder::new(folder), trained.record().clone(), self.question.settings(trained.spec())))
        };
        let trials = folders.iter().map(asked).collect::<anyhow::Result<Vec<_>>>()?;
        let is_measured = |(folder, record, settings): &(TrialFolder, TrialRecord, EvaluateSettings)| {
            is_evaluated(folder, record, settings, None, since)
        };
        let watch = EvaluationWatch::of(scheduler, start);
        let mut quiet = 0;
        // While Slurm moves a task from one state to the next, it may briefly be in neither.
        while quiet < 3 {
            std::thread::sleep(Duration::from_secs(1));
            let active = cluster::active(experiment, &trials[0].1.experiment)?;
            let mut is_coming = false;
            for trial in &trials {
                let task = trial.0.id().and_then(|id| active.get(id));
                is_coming |= watch.is_coming(&trial.0, task, || is_measured(trial))?;
            }
            quiet = if is_coming { 0 } else { quiet + 1 };
            if STOP.load(Ordering::Relaxed) {
                complain("stopped waiting; the submitted evaluations continue");
                return Ok(INTERRUPTED);
            }
        }
        let missing = trials.iter().filter(|trial| !is_measured(trial)).count();
        if missing > 0 {
            complain(&format!("{} not evaluated; see the output of the tasks", counted(missing, "trial")));
        }
        let is_complete = evaluation::evaluate_settings(self.settings(), self.again);
        report::print(self.trial.given())?;
        Ok(if missing > 0 || !is_complete { FAILED } else { DONE })
    }

    /// Evaluates several trials, each in its own process, and prints the report.
    fn many(&self, folders: &[PathBuf]) -> anyhow::Result<u8> {
        let options = Options { jobs: self.jobs, threads: self.threads, ..Options::default() };
        let (jobs, threads) = launch::share(&options, folders.len());
        let mut arguments = self.question.options();
        arguments.extend(["--json", "--stop-with-parent", "--threads"].map(OsString::from));
        arguments.push(threads.to_string().into());
        if self.again {
            arguments.push("--again".into());
        }
        let trials: Vec<TrialFolder> = folders.iter().map(TrialFolder::new).collect();
        let names: Vec<String> = trials.iter().map(|trial| trial.id().unwrap_or_default().to_owned()).collect();
        let mut progress = TrialsBar::new(names, self.json);
        let evaluations = Evaluations { folders: trials, jobs, options: arguments };
        let summary = evaluations.run(&STOP, &mut |number, event| progress.show(number, &event))?;
        progress.clear();
        // Scores of settings and the report are about the weights that trials keep.
        let is_of_kept = self.question.weights.weights() == Weights::Kept;
        let is_complete =
            !is_of_kept || summary.interrupted > 0 || evaluation::evaluate_settings(self.settings(), self.again);
        if self.json {
            let EvaluationsSummary { evaluated, failed, interrupted } = summary;
            say_event(
                json!({ "event": "summary", "evaluated": evaluated, "failed": failed, "interrupted": interrupted }),
            );
        } else {
            report::print(self.trial.given())?;
            if !is_of_kept {
                say(
                    "the table has the weights that trials keep; results of others are in last/evaluation.json of each trial",
                );
            }
        }
        Ok(match summary {
            EvaluationsSummary { interrupted: 1.., .. } => INTERRUPTED,
            EvaluationsSummary { failed: 1.., .. } => FAILED,
            EvaluationsSummary { .. } if !is_complete => FAILED,
            EvaluationsSummary { .. } => DONE,
        })
    }
}

fn read(folder: &Path) -> anyhow::Result<ReportedTrial> {
    let report = collect(folder)?;
    let trial = report.experiments.into_iter().flat_map(|experiment| experiment.trials).next();
    trial.with_context(|| format!("{} has no trial", folder.display()))
}

/// The results that the settings ask for.
fn shown(trial: &ReportedTrial, settings: &EvaluateSettings) -> Vec<Evaluated> {
    let split = split_of(&trial.record, settings);
    let results = trial.evaluation.iter().flat_map(|all| &all.results);
    results.filter(|one| one.recipe.is_asked(settings, split)).cloned().collect()
}

/// A line for each reason why something was not measured, from the metrics and their reasons.
fn by_reason<'a>(refused: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<String> {
    let mut reasons: Vec<(&str, Vec<&str>)> = Vec::new();
    for (metric, reason) in refused {
        match reasons.iter_mut().find(|(other, _)| *other == reason) {
            Some((_, metrics)) => metrics.push(metric),
            None => reasons.push((reason, vec![metric])),
        }
    }
    let line = |(reason, metrics): (&str, Vec<&str>)| match &*metrics {
        [metric] => format!("{metric}: {reason}"),
        _ => format!("not measured ({}): {reason}", metrics.join(", ")),
    };
    reasons.into_iter().map(line).collect()
}

/// A line for each value.
fn table(results: &[Evaluated]) -> Table {
    let (mut names, mut values, mut settings) = (Vec::new(), Vec::new(), Vec::new());
    for result in results {
        for (_, name) in columns_of(&result.recipe.metric, result.recipe.split) {
            let Some(value) = result.values.get(&name).filter(|value| !value.is_null()) else { continue };
            values.push(value_of(value));
            names.push(name);
            settings.push(result.recipe.settings_text());
        }
    }
    Table::new([
        Column::text("metric", names),
        Column::text("value", values).right(),
        Column::text("settings", settings).optional(),
    ])
}

fn value_of(value: &Value) -> String {
    match value {
        Value::Number(number) if number.is_f64() => significant(number.as_f64().unwrap_or(f64::NAN), 6),
        Value::Array(values) => {
            values.iter().map(|value| significant(value.as_f64().unwrap_or(f64::NAN), 3)).collect::<Vec<_>>().join(" ")
        }
        other => value_text(Some(other)),
    }
}

/// The progress of one trial: a bar on a terminal, else a line for each metric.
struct MetricBar {
    is_shown: bool,
    bar: Option<ProgressBar>,
}

impl MetricBar {
    fn new(is_shown: bool) -> MetricBar {
        let draws = is_shown && terminal::can_draw(&std::io::stderr());
        let bar = draws.then(|| {
            let bar = ProgressBar::new(1000);
            let style = ProgressStyle::with_template("{msg} {wide_bar} {percent} %, {eta} left");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar
        });
        MetricBar { is_shown, bar }
    }

    fn show(&mut self, event: &Event) {
        match (event, &self.bar) {
            (Event::Evaluating { metric, share, .. }, Some(bar)) => {
                let message = share.map_or_else(|| format!("{metric}: computing"), |_| metric.clone());
                if bar.message() != message {
                    bar.set_message(message);
                    bar.reset();
                }
                bar.set_position((1000.0 * share.unwrap_or(0.0)) as u64);
            }
            // What cannot be measured is listed with the results.
            (Event::Evaluated { metric, values, seconds, refused: None, .. }, None) if self.is_shown => {
                complain(&evaluated(metric, values, *seconds, None));
            }
            _ => {}
        }
    }

    fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// The progress of several trials: a bar on a terminal, else a line for each metric; events as JSON.
struct TrialsBar {
    names: Vec<String>,
    is_json: bool,
    bar: Option<ProgressBar>,
}

impl TrialsBar {
    fn new(names: Vec<String>, is_json: bool) -> TrialsBar {
        let draws = !is_json && terminal::can_draw(&std::io::stderr());
        let bar = draws.then(|| {
            let bar = ProgressBar::new(names.len() as u64);
            let style =
                ProgressStyle::with_template("{wide_bar} {pos}/{len} trials, {elapsed} so far, {eta} left {msg}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar.enable_steady_tick(Duration::from_millis(500));
            bar
        });
        TrialsBar { names, is_json, bar }
    }

    fn show(&mut self, number: usize, event: &TrialEvent<'_>) {
        let name = self.names.get(number).map_or("", String::as_str);
        if self.is_json {
            let mut value = match event {
                TrialEvent::Event(event) => serde_json::to_value(event).unwrap_or_default(),
                TrialEvent::Evaluated => json!({ "event": "ended" }),
                TrialEvent::Interrupted => json!({ "event": "interrupted" }),
                TrialEvent::Failed(error) => json!({ "event": "failed", "error": error }),
            };
            value["trial"] = name.into();
            return say_event(value);
        }
        let line = match event {
            TrialEvent::Event(Event::Evaluating { metric, share, .. }) => {
                if let Some(bar) = &self.bar {
                    let share = share.map_or_else(|| "computing".to_owned(), |share| format!("{:.0} %", 100.0 * share));
                    bar.set_message(format!("{name} {metric} {share}"));
                }
                return;
            }
            TrialEvent::Event(Event::Evaluated { metric, values, seconds, refused, .. }) => {
                evaluated(metric, values, *seconds, refused.as_deref())
            }
            TrialEvent::Event(Event::Warning { text }) => format!("warning: {text}"),
            TrialEvent::Event(_) => return,
            TrialEvent::Evaluated => "evaluated".to_owned(),
            TrialEvent::Interrupted => "stopped".to_owned(),
            TrialEvent::Failed(error) => format!("failed: {error}"),
        };
        match &self.bar {
            Some(bar) => {
                bar.println(format!("{name}: {line}"));
                if !matches!(event, TrialEvent::Event(_)) {
                    bar.inc(1);
                }
            }
            None => say_line(&format!("{name}: {line}")),
        }
    }

    fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_that_are_refused_for_the_same_reason_are_on_one_line() {
        let refused = [("mig", "no factors"), ("labels", "no labels"), ("dci", "no factors")];
        assert_eq!(by_reason(refused.into_iter()), ["not measured (mig, dci): no factors", "labels: no labels"]);
    }
}
