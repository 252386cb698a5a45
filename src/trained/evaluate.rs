//! The evaluation stage: measures what is asked for and not there yet, and writes each metric as soon as it is done.

use super::{Trained, TrainedError};
use crate::data::{self, Files};
use crate::evaluation::{
    self, Evaluate, EvaluateError, EvaluateSettings, Kept, Measured, Scope, Subject, Watch, columns_of,
};
use crate::folder::{self, FileError, TrialFolder};
use crate::metrics::{Board, Metric, Split, Value};
use crate::record::evaluation::{Evaluated, Evaluation, Recipe, Unfinished};
use crate::record::tables;
use crate::record::tensorboard::EventWriter;
use crate::record::trial::TrialRecord;
use crate::scores::points::Codes;
use crate::scores::posterior::kl_by_axis;
use crate::scores::udr::{ModelCodes, UdrSettings};
use crate::tensor::backend::Host;
use crate::train::{Chosen, Execute, Worker};
use crate::trial::Event;
use polars::prelude::Column;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How often the numbers of an unfinished metric are kept.
const KEEP_EVERY: Duration = Duration::from_secs(10);
/// How often the progress is told.
const TELL_EVERY: Duration = Duration::from_millis(200);
/// The file of the record's list with the weights.
const MODEL: &str = "model.safetensors";

/// How an evaluation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EvaluationEnd {
    /// All metrics were measured or refused.
    Complete,
    /// It was asked to stop.
    Stopped,
}

/// The metrics that are asked for, with what determines their values.
fn requested(
    record: &TrialRecord,
    settings: &EvaluateSettings,
    weights: &str,
) -> impl Iterator<Item = (&'static dyn Evaluate, Recipe)> {
    let split = split_of(record, settings);
    settings.chosen().filter(|measure| measure.scope() != Scope::Setting).map(move |measure| {
        let recipe = Recipe {
            metric: measure.word().name.to_owned(),
            split: (measure.scope() == Scope::Split).then_some(split),
            recipe: measure.recipe(),
            settings: measure.settings(settings),
            weights: weights.to_owned(),
        };
        (measure, recipe)
    })
}

/// The split that is measured: by default the test images or, if there are none, the validation images.
pub fn split_of(record: &TrialRecord, settings: &EvaluateSettings) -> Split {
    let has_test = record.test_images.is_some_and(|images| images > 0);
    settings.split.unwrap_or(if has_test { Split::Test } else { Split::Validation })
}

/// The hash of the weights of a trial that is done: that of its record.
///
/// # Errors
/// The record of an old version does not have it, and the file cannot be read.
fn weights_of(folder: &TrialFolder, record: &TrialRecord) -> Result<String, FileError> {
    if let Some(hash) = record.files.get(MODEL) {
        return Ok(hash.clone());
    }
    let path = folder.model();
    Ok(File::open(&path).and_then(folder::checksum).map_err(FileError::at("read", &path))?.0)
}

/// Whether everything that is asked for was measured or refused, and is not damaged.
pub fn is_evaluated(folder: &TrialFolder, record: &TrialRecord, settings: &EvaluateSettings) -> bool {
    let Ok(weights) = weights_of(folder, record) else { return false };
    let Ok(Some(evaluation)) = Evaluation::read(folder) else { return false };
    requested(record, settings, &weights).all(|(_, recipe)| evaluation.find(&recipe).is_some())
}

impl Trained {
    /// Measures what `settings` ask for and what is not in evaluation.json with the same recipe, settings and weights, on the
    /// trial's own images; with `again`, also what is there. Each metric is written when it is done.
    ///
    /// # Errors
    /// The images cannot be read or have changed, the computation failed, or a file cannot be written.
    pub fn evaluate(
        &mut self,
        files: &mut Files,
        settings: &EvaluateSettings,
        again: bool,
        stop: &AtomicBool,
        emit: &mut dyn FnMut(Event),
    ) -> Result<EvaluationEnd, TrainedError> {
        let folder = TrialFolder::new(&self.folder);
        let weights = weights_of(&folder, &self.record)?;
        let mut evaluation = Evaluation::read(&folder).unwrap_or_else(|error| {
            emit(Event::Warning { text: format!("{error}; everything is measured again") });
            None
        });
        let mut evaluation = evaluation.take().unwrap_or_default();
        evaluation.trial.clone_from(&self.record.trial);
        let due: Vec<_> = requested(&self.record, settings, &weights)
            .filter(|(_, recipe)| again || evaluation.find(recipe).is_none())
            .collect();
        if due.is_empty() {
            return Ok(EvaluationEnd::Complete);
        }
        folder.create_evaluations()?;
        self.load_own_images(files)?;
        let split = split_of(&self.record, settings);
        let subject = Subject::new(
            &self.worker,
            &self.pool,
            (settings.clone(), split),
            self.is_variational(),
            self.micro_batch(),
        )?;
        let mut results = Vec::new();
        for (measure, recipe) in due {
            let refusal = lacks_images(&subject, measure.scope(), recipe.split).or_else(|| measure.refusal(&subject));
            let start = Instant::now();
            let (outcome, before) = match refusal {
                Some(why) => (Err(EvaluateError::Undefined(why)), 0.0),
                None => {
                    let earlier = Unfinished::read(&folder, &recipe);
                    let before = earlier.as_ref().map_or(0.0, |earlier| earlier.seconds);
                    let mut follower = Follower {
                        folder: &folder,
                        recipe: &recipe,
                        name: measure.word().name,
                        earlier,
                        before,
                        start,
                        kept: start,
                        told: None,
                        stop,
                        fault: None,
                        emit,
                    };
                    let outcome = measure.measure(&subject, &mut follower);
                    if let Some(fault) = follower.fault {
                        return Err(fault.into());
                    }
                    (outcome, before)
                }
            };
            let (measured, refused) = match outcome {
                Ok(measured) => (measured, None),
                Err(EvaluateError::Undefined(why)) => (Measured::default(), Some(why)),
                Err(EvaluateError::Stopped) => return Ok(EvaluationEnd::Stopped),
                Err(EvaluateError::Device(error)) => return Err(error.into()),
            };
            let seconds = before + start.elapsed().as_secs_f64();
            write_table(&folder, &recipe, &measured)?;
            let result = evaluated(recipe, measured, refused, seconds);
            evaluation.set(result.clone());
            evaluation.write(&folder)?;
            results.push(result.clone());
            let Evaluated { recipe: Recipe { metric, split, .. }, values, seconds, refused, .. } = result;
            emit(Event::Evaluated { metric, split, values, seconds, refused });
            if stop.load(Ordering::Relaxed) {
                return Ok(EvaluationEnd::Stopped);
            }
        }
        if let Err(error) = log(&folder, &results) {
            emit(Event::Warning { text: format!("{error}; TensorBoard does not show the evaluation") });
        }
        // Numbers of a metric that is done now, or of one that is no longer asked for.
        let _ = std::fs::remove_file(folder.unfinished_evaluation());
        Ok(EvaluationEnd::Complete)
    }

    /// Uses the images of the trial, of all splits, not mirrored.
    fn load_own_images(&mut self, files: &mut Files) -> Result<(), TrainedError> {
        // The trial was trained on these files, so the checks of how their values are stored are not repeated.
        let data = data::DataSettings { stored: Some(self.worker.dataset.stored), ..self.spec.data.clone() };
        let dataset = files.dataset(&data, Path::new("")).map_err(TrainedError::Own)?;
        if !dataset.has_hash(&self.record.data_hash) {
            return Err(TrainedError::Changed { folder: self.folder.clone() });
        }
        self.worker.dataset = dataset;
        self.worker.pixels.flip = false;
        Ok(())
    }
}

/// A trial of a setting, with what the scores of the setting need.
struct OfSetting {
    folder: TrialFolder,
    recipe: Recipe,
    codes: Codes,
    kl: Vec<f64>,
}

/// Measures the scores that belong to a setting: those that compare its trials, which are done and differ in the seed only. The
/// results are written to each of them. Returns whether anything was measured.
///
/// # Errors
/// A trial cannot be read, its images cannot be read or have changed, or a file cannot be written.
pub fn evaluate_setting(
    folders: &[PathBuf],
    files: &mut Files,
    settings: &EvaluateSettings,
    again: bool,
) -> Result<bool, TrainedError> {
    let Some(measure) = settings.chosen().find(|measure| measure.scope() == Scope::Setting) else { return Ok(false) };
    let start = Instant::now();
    let mut own_settings = measure.settings(settings);
    let mut trials = Vec::new();
    for path in folders {
        let trained = Trained::open(path)?;
        if !trained.is_variational() {
            return Ok(false);
        }
        own_settings["split"] = serde_json::json!(split_of(&trained.record, settings));
        trials.push((trained.record.trial.clone(), weights_of(&TrialFolder::new(path), &trained.record)?));
    }
    own_settings["trials"] = serde_json::json!(trials);
    let recipe = |weights: &str| Recipe {
        metric: measure.word().name.to_owned(),
        split: None,
        recipe: measure.recipe(),
        settings: own_settings.clone(),
        weights: weights.to_owned(),
    };
    let is_known = |(path, (_, weights)): (&PathBuf, &(String, String))| {
        Evaluation::read(&TrialFolder::new(path))
            .is_ok_and(|known| known.is_some_and(|known| known.find(&recipe(weights)).is_some()))
    };
    if !again && folders.iter().zip(&trials).all(is_known) {
        return Ok(false);
    }
    let points = UdrSettings::default().points;
    let mut models = Vec::new();
    for (path, (_, weights)) in folders.iter().zip(&trials) {
        let mut trained = Trained::open(path)?;
        trained.load_own_images(files)?;
        let split = split_of(&trained.record, settings);
        let latent = trained.architecture.latent;
        let count = trained.worker.images_of(split).len().min(points) as u32;
        let indices: Vec<u32> = (0..count).collect();
        let parts = indices.chunks(trained.micro_batch()).collect();
        let task = |worker: &Worker<Host>, indices: &[u32]| worker.posteriors(Chosen { split, indices });
        let (mut mean, mut log_variance) = (Vec::new(), Vec::new());
        for part in Host::execute(&trained.pool, &trained.worker, parts, task)? {
            mean.extend(part.mean);
            log_variance.extend(part.log_variance);
        }
        let codes = |values| Codes { latent, values };
        let codes = (codes(mean), codes(log_variance));
        let Ok(kl) = kl_by_axis(&codes.0, &codes.1) else { return Ok(false) };
        models.push(OfSetting { folder: TrialFolder::new(path), recipe: recipe(weights), codes: codes.0, kl });
    }
    let all: Vec<ModelCodes<'_>> =
        models.iter().map(|model| ModelCodes { codes: &model.codes, kl: &model.kl }).collect();
    let outcome = evaluation::of_models(&all, settings.seed);
    let seconds = start.elapsed().as_secs_f64() / folders.len() as f64;
    for (number, model) in models.iter().enumerate() {
        let (measured, refused) = match &outcome {
            Ok(scores) => {
                let value = scores.scores.get(number).copied().map(Value::Number);
                let details = serde_json::json!({ "kept_axes": scores.kept_axes.get(number) });
                (Measured { values: vec![value], details, ..Measured::default() }, None)
            }
            Err(error) => (Measured::default(), Some(error.to_string())),
        };
        let mut known = Evaluation::read(&model.folder)?.unwrap_or_default();
        known.trial.clone_from(&trials[number].0);
        known.set(evaluated(model.recipe.clone(), measured, refused, seconds));
        known.write(&model.folder)?;
    }
    Ok(true)
}

/// Why there is nothing to measure a metric on; `None` if there is.
fn lacks_images(subject: &Subject<'_>, scope: Scope, split: Option<Split>) -> Option<String> {
    match (scope, split) {
        (Scope::Split, Some(split)) if subject.worker.images_of(split).is_empty() => {
            let others = Split::ALL.into_iter().filter(|other| !subject.worker.images_of(*other).is_empty());
            let others: Vec<String> = others.map(|other| format!("`{}`", other.name())).collect();
            Some(format!("the trial has no {} images; its splits are {}", split.in_words(), others.join(" and ")))
        }
        _ => None,
    }
}

/// The result of a metric.
fn evaluated(recipe: Recipe, measured: Measured, refused: Option<String>, seconds: f64) -> Evaluated {
    let column = |((_, name), value): ((&Metric, String), Option<Value>)| {
        (name, value.map_or(serde_json::Value::Null, |value| serde_json::json!(value)))
    };
    let values = measured.values.into_iter().chain(std::iter::repeat(None));
    let values: BTreeMap<String, serde_json::Value> = match refused {
        Some(_) => BTreeMap::new(),
        None => columns_of(&recipe.metric, recipe.split).zip(values).map(column).collect(),
    };
    Evaluated {
        recipe,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        seconds,
        values,
        details: measured.details,
        refused,
    }
}

/// Writes the numbers that TensorBoard shows to an event file of their own.
fn log(folder: &TrialFolder, results: &[Evaluated]) -> Result<(), FileError> {
    let shown = results.iter().flat_map(|result| {
        let columns =
            columns_of(&result.recipe.metric, result.recipe.split).filter(|(metric, _)| metric.board == Board::Result);
        columns.filter_map(|(metric, name)| {
            let value = result.values.get(&name)?.as_f64()?;
            Some((name, value, &*metric.doc))
        })
    });
    let shown: Vec<(String, f64, &str)> = shown.collect();
    if shown.is_empty() {
        return Ok(());
    }
    let step = tables::read_metrics(&folder.metrics())?.last().map_or(0, |row| row.step);
    EventWriter::create(folder.path(), step)?.evaluation(step, shown)
}

/// Writes the values of each image, if there are any.
fn write_table(folder: &TrialFolder, recipe: &Recipe, measured: &Measured) -> Result<(), FileError> {
    let Some((_, first)) = measured.of_images.first() else { return Ok(()) };
    let split = recipe.split.map_or("all", Split::name);
    let path = folder.evaluation_table(&format!("{split}_{}", recipe.metric));
    let images = Column::new("image".into(), (0..first.len() as i64).collect::<Vec<i64>>());
    let columns = measured.of_images.iter().filter(|(_, values)| !values.is_empty());
    let columns = columns.map(|(name, values)| tables::numbers(name, values.iter().map(|value| Some(*value))));
    tables::write_columns(&path, std::iter::once(images).chain(columns).collect())
}

/// Follows a metric: keeps its numbers, tells the progress, and stops it.
struct Follower<'a, 'o> {
    folder: &'a TrialFolder,
    recipe: &'a Recipe,
    name: &'static str,
    earlier: Option<Unfinished>,
    /// Seconds of earlier processes.
    before: f64,
    start: Instant,
    kept: Instant,
    told: Option<Instant>,
    stop: &'a AtomicBool,
    /// The error of keeping the numbers.
    fault: Option<FileError>,
    emit: &'a mut (dyn FnMut(Event) + 'o),
}

impl Watch for Follower<'_, '_> {
    fn progress(&mut self, share: f64) -> bool {
        if self.told.is_none_or(|told| told.elapsed() > TELL_EVERY) {
            self.told = Some(Instant::now());
            (self.emit)(Event::Evaluating { metric: self.name.to_owned(), split: self.recipe.split, share });
        }
        self.fault.is_none() && !self.stop.load(Ordering::Relaxed)
    }

    fn kept(&mut self) -> Kept {
        self.earlier.take().map_or(Kept::default(), |earlier| Kept { width: earlier.width, values: earlier.values() })
    }

    fn keep(&mut self, kept: &Kept) {
        if self.kept.elapsed() > KEEP_EVERY || self.stop.load(Ordering::Relaxed) {
            self.kept = Instant::now();
            let seconds = self.before + self.start.elapsed().as_secs_f64();
            let unfinished = Unfinished::new(self.recipe, seconds, kept.width, &kept.values);
            self.fault = unfinished.write(self.folder).err();
        }
    }
}
