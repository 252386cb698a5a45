//! TensorBoard's event log: the spec of a trial, the metrics of each epoch, and how the trial ended.

use super::{TrainingEvent, Writer};
use crate::metrics::{Metric, Value};
use crate::record::tensorboard::{self, EventWriter};
use crate::train::{Execute, measure};
use crate::trial::session::Session;
use crate::trial::{Event, TrialError};
use std::fmt::Write as _;

/// The dotted key that differs between the trials of a setting.
const SEED: &str = "seed";

/// The spec, the hyperparameters, and the metrics of each epoch as scalars.
pub(super) struct Scalars;

impl<B: Execute> Writer<B> for Scalars {
    fn on(&self, event: &TrainingEvent<'_>, session: &mut Session<'_, '_, B>) -> Result<(), TrialError> {
        match event {
            TrainingEvent::Started => {
                if session.log_is_new {
                    let (spec, rows) = (session.trial.toml(), &session.past.rows);
                    session.log.add(|log| log.text("spec", &tensorboard::code_block(&spec)));
                    session.log.add(EventWriter::layout);
                    session.log.add(|log| rows.iter().try_for_each(|row| log.metrics(row)));
                }
                announce(session);
            }
            TrainingEvent::Epoch { train, validation, .. } => {
                session.log.add(|log| log.metrics(train));
                session.log.add(|log| validation.iter().try_for_each(|row| log.metrics(row)));
            }
            TrainingEvent::Diverged { rows } => {
                session.log.add(|log| rows.iter().try_for_each(|row| log.metrics(row)));
            }
            TrainingEvent::Recovered | TrainingEvent::Save | TrainingEvent::BestRestored | TrainingEvent::Finished => {}
        }
        Ok(())
    }
}

/// How the trial ended. It flushes the log, and reports the first error of the log.
pub(super) struct EndOfLog;

impl<B: Execute> Writer<B> for EndOfLog {
    fn on(&self, event: &TrainingEvent<'_>, session: &mut Session<'_, '_, B>) -> Result<(), TrialError> {
        match event {
            TrainingEvent::Finished => {
                let text = summary(session);
                session.log.add(|log| log.text("summary", &text));
                session.log.add(|log| log.hparams_end(true));
            }
            TrainingEvent::Diverged { .. } => session.log.add(|log| log.hparams_end(false)),
            // More events follow soon.
            TrainingEvent::Started => return Ok(()),
            TrainingEvent::Recovered
            | TrainingEvent::Save
            | TrainingEvent::Epoch { .. }
            | TrainingEvent::BestRestored => {}
        }
        match event {
            TrainingEvent::Epoch { .. } => session.log.flush_now_and_then(),
            _ => session.log.flush(),
        }
        if let Some(fault) = session.log.take_fault() {
            let text = format!("{fault}; training continues without TensorBoard");
            session.record.note = Some(text.clone());
            (session.run.emit)(Event::Warning { text });
        }
        Ok(())
    }
}

/// Writes the HParams of the session: the keys that vary, or all keys of `model`, `objective` and `train` if none varies.
/// The seed is left out: trials that differ only in the seed are a group.
fn announce<B: Execute>(session: &mut Session<'_, '_, B>) {
    let record = &session.record;
    let varied = || record.varied.iter().filter(|key| *key != SEED);
    let mut values = record.spec.clone();
    let tables = ["model.", "objective.", "train."];
    let relevant = |key: &String| match varied().next() {
        None => tables.iter().any(|table| key.starts_with(table)),
        Some(_) => varied().any(|one| one == key),
    };
    values.retain(|key, _| relevant(key));
    let keys: Vec<String> = varied().cloned().collect();
    let setting: String = session.trial.setting_hash().chars().take(6).collect();
    let group = format!("{}/{}-{setting}", session.trial.name(), session.trial.label(&keys));
    session.log.add(|log| log.hparams_start(&group, &values));
}

/// The result of the trial, as Markdown.
fn summary<B: Execute>(session: &Session<'_, '_, B>) -> String {
    let columns: Vec<_> = measure::all().filter_map(|metric| Some((metric, metric.column?.head))).collect();
    let heads: String = columns.iter().map(|(_, head)| format!(" {head} |")).collect();
    let mut text = format!(
        "{} of {}: {} parameters, {} steps, {:.1} s on {}; metrics after epoch {}\n\n| split |{heads}\n| --- |{}\n",
        session.trial.id(),
        session.trial.name(),
        session.record.parameters,
        session.trainer.steps(),
        session.clock.seconds(),
        session.record.host,
        session.kept_epoch(),
        " --- |".repeat(columns.len()),
    );
    let epoch = session.kept_epoch();
    for row in session.past.rows.iter().filter(|row| row.epoch == epoch) {
        let cell = |(metric, _): &(&Metric, _)| match row.value(&metric.name) {
            Some(Value::Number(number)) => format!(" {number:.5} |"),
            Some(Value::Count(count)) => format!(" {count} |"),
            Some(Value::Text(text)) => format!(" {text} |"),
            Some(Value::List(_)) | None => " - |".to_owned(),
        };
        let _ = writeln!(text, "| {} |{}", row.split.name(), columns.iter().map(cell).collect::<String>());
    }
    text
}
