//! What an experiment is expected to give, compared with what it gave.

use super::comparison::Comparison;
use super::numbers::{Summary, significant};
use super::table::{Column, Table};
use super::{Experiment, ReportedTrial, frames};
use crate::language::of_evaluation;
use crate::launch::FrozenExpectation;
use crate::metrics::Split;
use crate::plan::value_text;
use crate::record::trial::Status;
use crate::text::{counted, short};
use serde_json::{Value, json};

/// Whether an expectation is met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The mean is within the tolerance.
    Met,
    /// It is not, or a trial ended without a value.
    NotMet,
    /// A trial is not finished.
    NotYet,
}

impl Verdict {
    const ALL: [Verdict; 3] = [Verdict::Met, Verdict::NotMet, Verdict::NotYet];

    /// The words for people.
    pub(super) fn name(self) -> &'static str {
        match self {
            Verdict::Met => "met",
            Verdict::NotMet => "not met",
            Verdict::NotYet => "not yet",
        }
    }
}

/// An expectation, compared with its trials.
pub(super) struct Compared<'a> {
    pub(super) expectation: &'a FrozenExpectation,
    /// The trials that have a value, and their values.
    values: Vec<(&'a str, f64)>,
    /// The mean over the trials; `None` until all of them have a value.
    pub(super) result: Option<f64>,
    pub(super) verdict: Verdict,
    /// Why there is no result.
    pub(super) why: Option<String>,
}

/// What one trial says about an expectation.
enum Answer {
    Value(f64),
    /// It has ended and has no value: why.
    Without(String),
    /// It is not finished.
    Unfinished,
    /// It is done, and its evaluation has not measured the metric.
    Unmeasured,
}

/// The expectations of an experiment's plan, in the order of the spec.
pub(super) fn compared(experiment: &Experiment) -> Vec<Compared<'_>> {
    experiment.expectations.iter().map(|one| compare(one, &experiment.trials)).collect()
}

fn compare<'a>(expectation: &'a FrozenExpectation, all: &[ReportedTrial]) -> Compared<'a> {
    let answer = |id: &String| {
        let trial = all.iter().find(|trial| trial.record.trial == *id);
        trial.map_or(Answer::Unfinished, |trial| answer(expectation, trial))
    };
    let (mut values, mut without, mut unfinished, mut unmeasured) = (Vec::new(), Vec::new(), 0, 0);
    for id in &expectation.trials {
        match answer(id) {
            Answer::Value(value) => values.push((id.as_str(), value)),
            Answer::Without(why) => without.push(why),
            Answer::Unfinished => unfinished += 1,
            Answer::Unmeasured => unmeasured += 1,
        }
    }
    let of = expectation.trials.len();
    let (result, verdict, why) = match (unfinished + unmeasured, without.first()) {
        (0, None) => {
            let numbers: Vec<f64> = values.iter().map(|(_, value)| *value).collect();
            let mean = Summary::of(&numbers).map(|summary| summary.mean);
            let is_met = mean.is_some_and(|mean| is_within(expectation, mean));
            (mean, if is_met { Verdict::Met } else { Verdict::NotMet }, None)
        }
        (0, Some(why)) if without.len() == of => (None, Verdict::NotMet, Some(why.clone())),
        (0, Some(why)) => (None, Verdict::NotMet, Some(format!("{} of {of}: {why}", counted(without.len(), "trial")))),
        _ => {
            let (have, what) =
                if unfinished > 0 { (of - unfinished, "finished") } else { (of - unmeasured, "evaluated") };
            (None, Verdict::NotYet, Some(format!("{have} of {} {what}", counted(of, "trial"))))
        }
    };
    Compared { expectation, values, result, verdict, why }
}

/// Whether a mean is within the tolerance. A difference of exactly the tolerance is, although decimal numbers are rounded to
/// binary ones.
fn is_within(expectation: &FrozenExpectation, mean: f64) -> bool {
    let FrozenExpectation { value, within, .. } = expectation;
    (mean - value).abs() <= within + 4.0 * f64::EPSILON * value.abs().max(mean.abs())
}

fn answer(expectation: &FrozenExpectation, trial: &ReportedTrial) -> Answer {
    match trial.record.status {
        Status::Planned | Status::Running | Status::Interrupted | Status::Paused => return Answer::Unfinished,
        // The next run resumes it.
        Status::Failed if trial.record.from_outside => return Answer::Unfinished,
        status @ (Status::Failed | Status::Diverged | Status::Pruned) => {
            return Answer::Without(status.name().to_owned());
        }
        Status::Done => {}
    }
    let (value, evaluated) = match expectation.epoch {
        Some(epoch) => (of_epoch(&expectation.metric, epoch, trial), None),
        None => (frames::number(&expectation.metric, trial), of_evaluation(&expectation.metric)),
    };
    let Some(value) = value.filter(|value| value.is_finite()) else {
        let Some((entry, split)) = evaluated else { return Answer::Without("no value".to_owned()) };
        // What the evaluation could not measure; `None` if it has not tried yet.
        let results = trial.evaluation.iter().flat_map(|evaluation| &evaluation.results);
        let mut own = results.filter(|one| one.recipe.metric == entry.measure.word().name && one.recipe.split == split);
        return match own.next() {
            Some(result) => Answer::Without(result.refused.clone().unwrap_or_else(|| "no value".to_owned())),
            None => Answer::Unmeasured,
        };
    };
    Answer::Value(value)
}

/// The value of a metric with its split, such as `validation_loss`, after an epoch.
fn of_epoch(name: &str, epoch: u64, trial: &ReportedTrial) -> Option<f64> {
    let split_and_metric = |split: Split| Some((split, name.strip_prefix(split.name())?.strip_prefix('_')?));
    let (split, metric) = Split::OF_EPOCHS.into_iter().find_map(split_and_metric)?;
    trial.epochs.find(epoch, split)?.get(metric)
}

impl Compared<'_> {
    /// The metric, with its epoch.
    pub(super) fn metric(&self) -> String {
        match self.expectation.epoch {
            Some(epoch) => format!("{}, epoch {epoch}", self.expectation.metric),
            None => self.expectation.metric.clone(),
        }
    }

    /// The setting, as the spec names it.
    fn setting(&self, comparison: &Comparison) -> String {
        let value = |(key, value): (&String, &Value)| {
            let varied = comparison.varied.iter().find(|varied| *varied == key);
            format!("{}={}", varied.map_or(key.as_str(), |key| comparison.short(key)), value_text(Some(value)))
        };
        let values: Vec<String> = self.expectation.keys.iter().map(value).collect();
        if values.is_empty() { "-".to_owned() } else { values.join(", ") }
    }

    /// The result, with one digit more than the tolerance shows.
    fn result(&self) -> String {
        let Some(result) = self.result else { return "-".to_owned() };
        let within = self.expectation.within;
        match within > 0.0 {
            true => {
                // The digits down to a hundredth of the tolerance.
                let decimals = (2.0 - within.log10().floor()).clamp(0.0, 12.0) as usize;
                format!("{result:.decimals$}")
            }
            false => short(result),
        }
    }

    /// Whether it is met, and why there is no result.
    fn said(&self) -> String {
        match &self.why {
            Some(why) => format!("{} ({why})", self.verdict.name()),
            None => self.verdict.name().to_owned(),
        }
    }

    /// The JSON form.
    pub(super) fn json(&self) -> Value {
        let mut value = json!(self.expectation);
        value["values"] = self.values.iter().map(|(trial, value)| ((*trial).to_owned(), json!(value))).collect();
        value["result"] = json!(self.result);
        value["status"] = json!(self.verdict.name());
        value["why"] = json!(self.why);
        value
    }
}

/// A line with the number of expectations that are met, and a table of them; `None` without expectations.
pub(super) fn table(experiment: &Experiment, comparison: &Comparison) -> Option<(String, Table)> {
    let all = compared(experiment);
    if all.is_empty() {
        return None;
    }
    let count = |verdict: Verdict| (verdict, all.iter().filter(|one| one.verdict == verdict).count());
    let counts = Verdict::ALL.map(count).into_iter().filter(|(_, count)| *count > 0);
    let counts: Vec<String> = counts.map(|(verdict, count)| format!("{count} {}", verdict.name())).collect();
    let cells = |cell: &dyn Fn(&Compared) -> String| all.iter().map(cell).collect::<Vec<String>>();
    // A percentage of a value has more digits than matter.
    let tolerance = |within: f64| short(significant(within, 6).parse().unwrap_or(within));
    let source = |one: &Compared| one.expectation.source.clone().unwrap_or_else(|| "-".to_owned());
    let has_source = all.iter().any(|one| one.expectation.source.is_some());
    let columns = [
        Column::text("metric", cells(&|one| one.metric())),
        Column::text("where", cells(&|one| one.setting(comparison))),
        Column::numbers("expected", cells(&|one| short(one.expectation.value))),
        Column::numbers("within", cells(&|one| tolerance(one.expectation.within))),
        Column::numbers("result", cells(&|one| one.result())),
        Column::text("status", cells(&|one| one.said())),
    ];
    let source = has_source.then(|| Column::text("source", cells(&source)).optional());
    Some((format!("expected: {}", counts.join(", ")), Table::new(columns.into_iter().chain(source))))
}

/// The rows of a Markdown table of the expectations; empty without expectations.
pub(super) fn markdown(experiment: &Experiment, comparison: &Comparison) -> String {
    let row = |one: &Compared| {
        let within = short(one.expectation.within);
        let cells =
            [one.metric(), one.setting(comparison), short(one.expectation.value), within, one.result(), one.said()];
        format!("| {} |\n", cells.map(|cell| cell.replace('|', "\\|").replace('\n', " ")).join(" | "))
    };
    let rows: String = compared(experiment).iter().map(row).collect();
    match rows.is_empty() {
        true => rows,
        false => format!("| metric | where | expected | within | result | status |\n|{}\n{rows}\n", " --- |".repeat(6)),
    }
}
