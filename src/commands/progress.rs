//! What a run shows while it goes on: bars on a terminal, lines elsewhere, events as JSON where asked for.
//!
//! A line begins with the time, UTC. An event of JSON is an object on a line: `event` says what happened, `time` when
//! (RFC 3339, UTC), `trial` in which trial, and `keys` has its values of the keys that vary. The last one is `summary`.

use super::{say, terminal};
use crate::data::counted;
use crate::launch::cluster::Task;
use crate::launch::{Changes, Notice};
use crate::metrics::{Split, named};
use crate::plan::{Plan, Trial};
use crate::record::trial::{Status, TrialRecord};
use crate::report::{self, significant};
use crate::trial::Event;
use indicatif::{HumanDuration, MultiProgress, ProgressBar, ProgressStyle};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

/// The display of one plan's run.
pub(super) struct Progress<'p> {
    plan: &'p Plan,
    mode: Mode,
    work: Work,
    statuses: BTreeMap<String, Status>,
    ended: usize,
}

/// A bar for each running trial, and below them one for the sweep.
struct Bars {
    all: MultiProgress,
    total: ProgressBar,
    trials: BTreeMap<String, ProgressBar>,
}

/// How much of the sweep's work is left, in images to train on.
struct Work {
    start: Instant,
    /// Trained on since the start.
    done: u64,
    left: BTreeMap<String, u64>,
    /// Of each running trial, when this run began to train it, and what was left of it then.
    begun: BTreeMap<String, (Instant, u64)>,
}

impl Work {
    /// All of a plan's.
    fn of(plan: &Plan) -> Work {
        let images = |trial: &Trial| trial.dataset().train.len() as u64 * trial.spec().train.epochs;
        let left = plan.selected().map(|trial| (trial.id().to_owned(), images(trial))).collect();
        Work { start: Instant::now(), done: 0, left, begun: BTreeMap::new() }
    }

    /// A trial has so many steps left; what it did before this run does not count as done by it.
    fn set(&mut self, trial: &Trial, step: u64, counts: bool) {
        let left = trial.steps().saturating_sub(step) * trial.spec().train.batch_size;
        let before = self.left.insert(trial.id().to_owned(), left);
        if counts {
            self.done += before.unwrap_or(left).saturating_sub(left);
        }
    }

    /// Takes in what happened.
    fn note(&mut self, notice: &Notice<'_>) {
        let (trial, event) = match notice {
            Notice::Kept(trial) | Notice::KeptFailed(trial, _) => return self.set(trial, trial.steps(), false),
            Notice::Event(trial, event) => (trial, event),
            Notice::Changed(_) | Notice::Damaged(_) | Notice::Warning(_) | Notice::Submitted(..) => return,
        };
        match event {
            Event::Started { steps_done, .. } => {
                self.set(trial, *steps_done, false);
                let left = self.left.get(trial.id()).copied().unwrap_or_default();
                self.begun.insert(trial.id().to_owned(), (Instant::now(), left));
            }
            Event::Progress { step, .. } | Event::Epoch { step, .. } => self.set(trial, *step, true),
            // Of a trial that failed nothing is left to do either.
            Event::Ended { .. } => self.set(trial, trial.steps(), false),
            Event::Waiting { .. } | Event::Warning { .. } => {}
        }
    }

    /// What is left at the pace so far.
    fn time_left(&self) -> Option<Duration> {
        let left: u64 = self.left.values().sum();
        // All have not ended before the last of those that are running.
        let longest = self.begun.keys().filter_map(|id| self.time_left_by_id(id)).max();
        at_pace(self.start, self.done, left).max(longest)
    }

    /// What is left of a running trial at its pace so far.
    fn time_left_of(&self, trial: &Trial) -> Option<Duration> {
        self.time_left_by_id(trial.id())
    }

    fn time_left_by_id(&self, id: &str) -> Option<Duration> {
        let (start, before) = self.begun.get(id)?;
        let left = *self.left.get(id)?;
        at_pace(*start, before.saturating_sub(left), left)
    }
}

/// How long `left` will take when `done` took the time since `start`.
fn at_pace(start: Instant, done: u64, left: u64) -> Option<Duration> {
    Duration::try_from_secs_f64(start.elapsed().as_secs_f64() * (left as f64 / done as f64)).ok()
}

/// A duration in one or two units, `3m 20s`; `-` if it is not known.
pub(super) fn brief(seconds: Option<f64>) -> String {
    let Some(seconds) = seconds else { return "-".to_owned() };
    let seconds = seconds.round() as u64;
    let [minutes, hours, days] = [60, 3600, 86_400].map(|unit| seconds / unit);
    match (minutes, hours, days) {
        (0, ..) => format!("{seconds}s"),
        (_, 0, _) => format!("{minutes}m {}s", seconds % 60),
        (.., 0) => format!("{hours}h {}m", minutes % 60),
        _ => format!("{days}d {}h", hours % 24),
    }
}

enum Mode {
    Json,
    Lines,
    Bars(Bars),
}

impl<'p> Progress<'p> {
    pub(super) fn new(plan: &'p Plan, json: bool) -> Progress<'p> {
        if json || !terminal::can_draw(&std::io::stderr()) {
            return Progress::lines(plan, json);
        }
        let all = MultiProgress::new();
        let total = all.add(ProgressBar::new(plan.selected().count() as u64));
        total.set_style(style("{prefix} {wide_bar} {pos}/{len} trials, {elapsed} so far{msg}"));
        total.set_prefix(plan.name().to_owned());
        total.enable_steady_tick(Duration::from_millis(500));
        Progress { mode: Mode::Bars(Bars { all, total, trials: BTreeMap::new() }), ..Progress::lines(plan, json) }
    }

    /// Without bars.
    pub(super) fn lines(plan: &'p Plan, json: bool) -> Progress<'p> {
        let mode = if json { Mode::Json } else { Mode::Lines };
        let statuses = plan.selected().map(|trial| (trial.id().to_owned(), Status::Planned)).collect();
        Progress { plan, mode, work: Work::of(plan), statuses, ended: 0 }
    }

    /// Shows what happened.
    pub(super) fn show(&mut self, notice: &Notice<'_>) {
        self.work.note(notice);
        if let Some((trial, status)) = status(notice) {
            self.statuses.insert(trial.id().to_owned(), status);
        }
        match &mut self.mode {
            Mode::Json => say_event(json(self.plan, notice, &self.work)),
            Mode::Lines => {
                if let Some(line) = line(self.plan, notice, &mut self.ended, &self.work) {
                    say_line(&line);
                }
            }
            Mode::Bars(bars) => bars.show(self.plan, notice, &self.work),
        }
    }

    /// As JSON, says how all trials ended, and which is the best one in the experiment's folder.
    pub(super) fn summarize(&self, experiment: &Path, disk_is_full: bool) {
        if let Mode::Json = self.mode {
            let statuses = self.statuses.values().map(|status| status.name());
            let mut summary = summary(self.plan, statuses, experiment);
            if disk_is_full {
                summary["stopped"] =
                    "the disk is full or read-only: make room, then give the same command again".into();
            }
            say_event(summary);
        }
    }

    /// Clears the bars.
    pub(super) fn finish(self) {
        if let Mode::Bars(Bars { all, total, .. }) = self.mode {
            total.finish_and_clear();
            // What cannot be cleared stays on the screen.
            let _ = all.clear();
        }
    }
}

/// The time, UTC, as RFC 3339 writes it.
fn now(has_milliseconds: bool) -> String {
    let now = SystemTime::now();
    match has_milliseconds {
        true => humantime::format_rfc3339_millis(now).to_string(),
        false => humantime::format_rfc3339_seconds(now).to_string(),
    }
}

/// Prints a line of progress, with the time before it.
pub(super) fn say_line(line: &str) {
    say(&format!("{} {line}", now(false)));
}

/// Prints an event, with the time in it.
pub(super) fn say_event(mut event: Value) {
    event["time"] = now(true).into();
    say(&event.to_string());
}

/// The last event of a plan's run: how many trials have each of these states, and the best one.
pub(super) fn summary<'a>(plan: &Plan, states: impl Iterator<Item = &'a str>, experiment: &Path) -> Value {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    states.for_each(|state| *counts.entry(state).or_default() += 1);
    let report = report::collect(experiment).ok();
    let best = report.as_ref().and_then(report::Report::best).map(|trial| {
        let rows = Split::ALL.into_iter().filter_map(|split| trial.last(split));
        let keys = plan.varied().iter().map(|key| (key.clone(), json!(trial.record.spec.get(key))));
        json!({
            "trial": trial.record.trial,
            "folder": trial.folder.to_string_lossy(),
            "keys": keys.collect::<Map<_, _>>(),
            "metrics": named(rows),
        })
    });
    json!({ "event": "summary", "name": plan.name(), "counts": counts, "best": best })
}

/// The status that a trial has from now on.
fn status<'a>(notice: &Notice<'a>) -> Option<(&'a Trial, Status)> {
    match notice {
        Notice::Kept(trial) => Some((trial, Status::Done)),
        Notice::KeptFailed(trial, record) => Some((trial, record.status)),
        Notice::Event(trial, Event::Started { .. }) => Some((trial, Status::Running)),
        Notice::Event(trial, Event::Ended { status, .. }) => Some((trial, *status)),
        Notice::Event(..) | Notice::Changed(_) | Notice::Damaged(_) | Notice::Warning(_) | Notice::Submitted(..) => {
            None
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// The trial's id and what sets it apart.
pub(super) fn label(plan: &Plan, trial: &Trial) -> String {
    let values = plan.varied().iter().zip(trial.texts(plan.varied())).map(|(key, value)| {
        let name = key.rsplit('.').next().unwrap_or(key);
        format!(" {name}={value}")
    });
    format!("{}{}", trial.id(), values.collect::<String>())
}

fn json(plan: &Plan, notice: &Notice<'_>, work: &Work) -> Value {
    let (trial, mut value) = match notice {
        Notice::Changed(Changes { added, kept, dropped, .. }) => {
            return json!({ "event": "changed", "added": added, "kept": kept, "dropped": dropped });
        }
        Notice::Damaged(fault) => return json!({ "event": "damaged", "error": fault }),
        Notice::Warning(text) => return json!({ "event": "warning", "text": text }),
        Notice::Kept(trial) => (trial, json!({ "event": "kept", "status": Status::Done })),
        Notice::Submitted(trial, task) => {
            (trial, json!({ "event": "submitted", "task": task.name, "running": task.running }))
        }
        Notice::KeptFailed(trial, record) => {
            (trial, json!({ "event": "kept", "status": record.status, "error": record.error }))
        }
        Notice::Event(trial, event) => (trial, serde_json::to_value(event).unwrap_or_default()),
    };
    value["trial"] = trial.id().into();
    let values = trial.values();
    value["keys"] = plan.varied().iter().map(|key| (key.clone(), json!(values.get(key)))).collect::<Map<_, _>>().into();
    if let Notice::Event(_, Event::Epoch { .. }) = notice {
        value["eta_seconds"] = json!(work.time_left_of(trial).map(|left| left.as_secs_f64()));
        value["eta_seconds_all"] = json!(work.time_left().map(|left| left.as_secs_f64()));
    }
    value
}

/// What changed since the last run, in a line.
fn changed(plan: &Plan, Changes { added, kept, dropped, version }: &Changes) -> String {
    let mut line = format!("{}: since the last run {} added, {kept} kept", plan.name(), counted(*added, "trial"));
    if !dropped.is_empty() {
        let (are, folders) = if dropped.len() == 1 { ("is", "its folder is") } else { ("are", "their folders are") };
        let count = counted(dropped.len(), "trial");
        let why = match version {
            Some(version) => format!("of vaex {version} {are} not among those of this version"),
            None => format!("{are} no longer in the spec"),
        };
        let _ = write!(line, "; {count} {why}, and {folders} kept: {}", dropped.join(" "));
    }
    line
}

/// What is said of a trial that the scheduler has.
fn submitted(task: &Task) -> String {
    format!("{} in the scheduler as {}", if task.running { "runs" } else { "waits" }, task.name)
}

/// What is said of a trial that is not tried again.
fn failed_before(record: &TrialRecord) -> String {
    format!("{} before: {}", record.status.name(), record.error.as_deref().unwrap_or_default())
}

/// From where training begins, and what is to be known about that.
fn started(epochs_done: u64, steps_done: u64, note: Option<&str>) -> String {
    let from = match (epochs_done, steps_done) {
        (_, 0) => "started".to_owned(),
        (0, steps) => format!("resuming after step {steps}"),
        (epochs, _) => format!("resuming after epoch {epochs}"),
    };
    note.map_or(from.clone(), |note| format!("{from}, {note}"))
}

fn number(value: Option<f64>) -> String {
    value.map_or("not finite".to_owned(), |value| significant(value, 5))
}

fn line(plan: &Plan, notice: &Notice<'_>, ended: &mut usize, work: &Work) -> Option<String> {
    let (trial, event) = match notice {
        Notice::Changed(changes) => return Some(changed(plan, changes)),
        Notice::Damaged(fault) => return Some((*fault).to_owned()),
        Notice::Warning(text) => return Some(format!("warning: {text}")),
        Notice::Kept(trial) => {
            *ended += 1;
            return Some(format!("{}: finished before", label(plan, trial)));
        }
        Notice::Submitted(trial, task) => return Some(format!("{}: {}", label(plan, trial), submitted(task))),
        Notice::KeptFailed(trial, record) => {
            *ended += 1;
            return Some(format!("{}: {}", label(plan, trial), failed_before(record)));
        }
        Notice::Event(trial, event) => (trial, event),
    };
    let text = match event {
        Event::Progress { .. } => return None,
        Event::Waiting { holder } => format!("waiting for {holder}"),
        Event::Warning { text } => format!("warning: {text}"),
        Event::Started { epochs_done, steps_done, note, .. } => started(*epochs_done, *steps_done, note.as_deref()),
        Event::Epoch { epoch, loss, validation_loss, images_per_second, .. } => format!(
            "epoch {epoch}/{}, loss {}, validation {}, {images_per_second:.0} images/s, ETA {} (all trials: {})",
            trial.spec().train.epochs,
            number(*loss),
            number(*validation_loss),
            brief(work.time_left_of(trial).map(|left| left.as_secs_f64())),
            brief(work.time_left().map(|left| left.as_secs_f64())),
        ),
        Event::Ended { status, error } => {
            // One that was stopped has not come to its end.
            *ended += usize::from(*status != Status::Interrupted);
            let of = format!("{} ({ended} of {} trials)", status.name(), plan.selected().count());
            error.as_ref().map_or(of.clone(), |error| format!("{of}: {error}"))
        }
    };
    Some(format!("{}: {text}", label(plan, trial)))
}

impl Bars {
    fn show(&mut self, plan: &Plan, notice: &Notice<'_>, work: &Work) {
        // A line above the bars; where the terminal is gone there is nobody to tell.
        let print = |line: String| drop(self.all.println(line));
        match notice {
            Notice::Changed(changes) => print(changed(plan, changes)),
            Notice::Damaged(fault) => print((*fault).to_owned()),
            Notice::Warning(text) => print(format!("warning: {text}")),
            Notice::Kept(_) => self.total.inc(1),
            Notice::Submitted(trial, task) => print(format!("{}: {}", label(plan, trial), submitted(task))),
            Notice::KeptFailed(trial, record) => {
                print(format!("{}: {}", label(plan, trial), failed_before(record)));
                self.total.inc(1);
            }
            Notice::Event(trial, event) => self.event(plan, trial, event),
        }
        let left = work.time_left().filter(|left| !left.is_zero());
        let message = left.map(|left| format!(", {} left", HumanDuration(left))).unwrap_or_default();
        self.total.set_message(message);
    }

    fn event(&mut self, plan: &Plan, trial: &Trial, event: &Event) {
        match event {
            Event::Waiting { holder } => {
                // As above.
                let _ = self.all.println(format!("{}: waiting for {holder}", label(plan, trial)));
            }
            Event::Warning { text } => {
                // As above.
                let _ = self.all.println(format!("{}: warning: {text}", label(plan, trial)));
            }
            Event::Started { epochs_done, steps_done, steps, note, .. } => {
                if note.is_some() {
                    let started = started(*epochs_done, *steps_done, note.as_deref());
                    // As above.
                    let _ = self.all.println(format!("{}: {started}", label(plan, trial)));
                }
                let bar = self.all.insert_before(&self.total, ProgressBar::new(*steps));
                bar.set_style(style("  {prefix} {wide_bar} {msg}"));
                bar.set_prefix(label(plan, trial));
                bar.set_position(*steps_done);
                self.trials.insert(trial.id().to_owned(), bar);
            }
            Event::Progress { epoch, step, loss, images_per_second }
            | Event::Epoch { epoch, step, loss, images_per_second, .. } => {
                if let Some(bar) = self.trials.get(trial.id()) {
                    bar.set_position(*step);
                    let epochs = trial.spec().train.epochs;
                    let loss = number(*loss);
                    bar.set_message(format!("epoch {epoch}/{epochs} loss {loss} {images_per_second:.0} img/s"));
                }
            }
            Event::Ended { status, error } => {
                if let Some(bar) = self.trials.remove(trial.id()) {
                    bar.finish_and_clear();
                }
                if let Some(error) = error {
                    // As above.
                    let _ = self.all.println(format!("{}: {}: {error}", label(plan, trial), status.name()));
                }
                self.total.inc(u64::from(*status != Status::Interrupted));
            }
        }
    }
}
