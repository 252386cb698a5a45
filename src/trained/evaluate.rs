//! The evaluation stage: measures what is asked for and not there yet, and writes each metric as soon as it is done.

use super::{Trained, TrainedError};
use crate::data::Files;
use crate::evaluation::{Evaluate, EvaluateError, EvaluateSettings, Kept, Measured, Scope, Subject, Watch, columns_of};
use crate::folder::{self, FileError, TrialFolder};
use crate::metrics::{Board, Metric, Row, Split, Value};
use crate::record::evaluation::{Evaluated, Evaluation, Recipe, Unfinished};
use crate::record::tensorboard::EventWriter;
use crate::record::trial::{TrialRecord, now};
use crate::record::{Grid, tables};
use crate::train::Chosen;
use crate::trial::Event;
use polars::prelude::Column;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How often the numbers of an unfinished metric are kept.
const KEEP_EVERY: Duration = Duration::from_secs(10);
/// How often the progress is told.
const TELL_EVERY: Duration = Duration::from_millis(200);
/// Axes of the picture of their effects, at most.
const TRAVERSED: usize = 12;
/// Steps and range of an axis in that picture.
const TRAVERSAL: (usize, f32) = (11, 3.0);

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
    (weights, data): (&str, &str),
) -> impl Iterator<Item = (&'static dyn Evaluate, Recipe)> {
    let split = split_of(record, settings);
    settings.chosen().filter(|measure| measure.scope() != Scope::Setting).map(move |measure| {
        let recipe = Recipe {
            metric: measure.word().name.to_owned(),
            split: (measure.scope() == Scope::Split).then_some(split),
            recipe: measure.recipe(),
            settings: measure.settings(settings),
            weights: weights.to_owned(),
            data: data.to_owned(),
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
pub(super) fn weights_of(folder: &TrialFolder, record: &TrialRecord) -> Result<String, FileError> {
    if let Some(hash) = record.files.get(TrialFolder::MODEL) {
        return Ok(hash.clone());
    }
    hash_of(&folder.model())
}

fn hash_of(path: &Path) -> Result<String, FileError> {
    Ok(File::open(path).and_then(folder::checksum).map_err(FileError::at("read", path))?.0)
}

/// Whether everything that is asked for was measured or refused, and is not damaged: on data with this hash, if one is given, and
/// since a time, in seconds since 1970.
pub fn is_evaluated(
    folder: &TrialFolder,
    record: &TrialRecord,
    settings: &EvaluateSettings,
    data: Option<&str>,
    since: f64,
) -> bool {
    let Ok(weights) = weights_of(folder, record) else { return false };
    let Ok(Some(evaluation)) = Evaluation::read(folder) else { return false };
    requested(record, settings, (&weights, "")).all(|(_, recipe)| {
        evaluation.results.iter().any(|result| {
            let recipe = Recipe { data: data.unwrap_or(&result.recipe.data).to_owned(), ..recipe.clone() };
            result.recipe == recipe && result.ended >= since
        })
    })
}

/// The results of a trial.
struct Results<'a> {
    folder: &'a TrialFolder,
    all: Evaluation,
    /// Those of this process.
    new: Vec<Evaluated>,
    /// The epoch of the weights; `None` for the last one.
    epoch: Option<u64>,
}

impl Results<'_> {
    /// Adds a result, and writes it.
    fn add(&mut self, result: Evaluated) -> Result<(), FileError> {
        self.all.set(result.clone());
        self.new.push(result);
        self.all.write(self.folder)
    }

    /// Writes the new numbers that TensorBoard shows to an event file of their own.
    fn log(&self) -> Result<(), FileError> {
        let shown = self.new.iter().flat_map(|result| {
            let columns = columns_of(&result.recipe.metric, result.recipe.split);
            columns.filter(|(metric, _)| metric.board == Board::Result).filter_map(|(metric, name)| {
                let value = result.values.get(&name)?.as_f64()?;
                Some((name, value, &*metric.doc))
            })
        });
        let shown: Vec<(String, f64, &str)> = shown.collect();
        if shown.is_empty() {
            return Ok(());
        }
        let rows = tables::read_metrics(&self.folder.metrics())?;
        let is_of_epoch = |row: &&Row| self.epoch.is_none_or(|epoch| row.epoch == epoch);
        let step = rows.iter().rfind(is_of_epoch).map_or(0, |row| row.step);
        EventWriter::create(self.folder.path(), step)?.evaluation(step, shown)
    }
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
        let (trial, folder) = (TrialFolder::new(&self.folder), self.evaluation_folder());
        let weights = match self.is_kept {
            true => weights_of(&trial, &self.record)?,
            false => hash_of(&trial.last_model())?,
        };
        let mut evaluation = Evaluation::read(&folder).unwrap_or_else(|error| {
            emit(Event::Warning { text: format!("{error}; everything is measured again") });
            None
        });
        let mut evaluation = evaluation.take().unwrap_or_default();
        evaluation.trial.clone_from(&self.record.trial);
        if let Err(error) = self.load_own_images(files) {
            // What was measured is shown without the images.
            if again || !self.is_kept || !is_evaluated(&folder, &self.record, settings, None, 0.0) {
                return Err(error);
            }
            emit(Event::Warning { text: format!("{error}; the metrics are those that were measured before") });
            return Ok(EvaluationEnd::Complete);
        }
        let due: Vec<_> = requested(&self.record, settings, (&weights, self.worker.dataset.hash_with_labels()))
            .filter(|(_, recipe)| again || evaluation.find(recipe).is_none())
            .collect();
        let mut results = Results { folder: &folder, all: evaluation, new: Vec::new(), epoch: self.epoch };
        if due.is_empty() {
            self.draw_traversals(&mut results, settings, emit);
            return Ok(EvaluationEnd::Complete);
        }
        folder.create_evaluations()?;
        let end = self.measure_due(settings, due, &mut results, stop, emit);
        // Also what was measured before a stop or an error. TensorBoard shows the weights that are kept.
        if self.is_kept
            && let Err(error) = results.log()
        {
            emit(Event::Warning { text: format!("{error}; TensorBoard does not show the evaluation") });
        }
        self.draw_traversals(&mut results, settings, emit);
        if let Ok(EvaluationEnd::Complete) = end {
            // Numbers of a metric that is done now, or of one that is no longer asked for.
            let _ = std::fs::remove_file(folder.unfinished_evaluation());
        }
        end
    }

    /// The folder that has the results of the evaluation: that of the trial, if its kept weights are used.
    pub fn evaluation_folder(&self) -> TrialFolder {
        let trial = TrialFolder::new(&self.folder);
        if self.is_kept { trial } else { trial.of_last_weights() }
    }

    /// Measures metrics, and writes each when it is done.
    fn measure_due(
        &self,
        settings: &EvaluateSettings,
        due: Vec<(&'static dyn Evaluate, Recipe)>,
        results: &mut Results<'_>,
        stop: &AtomicBool,
        emit: &mut dyn FnMut(Event),
    ) -> Result<EvaluationEnd, TrainedError> {
        let folder = results.folder;
        let split = split_of(&self.record, settings);
        let subject = Subject::new(
            &self.worker,
            &self.pool,
            (settings.clone(), split),
            self.is_variational(),
            self.micro_batch(),
        )?;
        for (measure, recipe) in due {
            let refusal = lacks_images(&subject, measure.scope(), recipe.split).or_else(|| measure.refusal(&subject));
            let start = Instant::now();
            if refusal.is_none()
                && let Some(text) = results.all.replaced(&recipe)
            {
                emit(Event::Warning { text });
            }
            let (outcome, before) = match refusal {
                Some(why) => (Err(EvaluateError::Undefined(why)), 0.0),
                None => {
                    let earlier = Unfinished::read(folder, &recipe);
                    let before = earlier.as_ref().map_or(0.0, |earlier| earlier.seconds);
                    let mut follower = Follower {
                        folder,
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
            write_table(folder, &recipe, &measured)?;
            let result = evaluated(recipe, measured, refused, seconds);
            results.add(result.clone())?;
            let remark = measure.remark(&result.details);
            let Evaluated { recipe: Recipe { metric, split, .. }, values, seconds, refused, .. } = result;
            emit(Event::Evaluated { metric, split, values, seconds, refused });
            if let Some(text) = remark {
                emit(Event::Warning { text });
            }
            if stop.load(Ordering::Relaxed) {
                return Ok(EvaluationEnd::Stopped);
            }
        }
        Ok(EvaluationEnd::Complete)
    }

    /// Draws the effects of the latent axes for the report, beside the factors that the axes encode, if scores of factors are new or
    /// the picture is missing. An error is only a warning: the scores are written.
    fn draw_traversals(&self, results: &mut Results<'_>, settings: &EvaluateSettings, emit: &mut dyn FnMut(Event)) {
        let has_factors = |result: &Evaluated| result.details.get("matrix").is_some();
        let is_drawn = || !results.all.traversals.is_empty() && Grid::read(&results.folder.traversals()).is_ok();
        if !results.all.results.iter().any(has_factors) || !results.new.iter().any(has_factors) && is_drawn() {
            return;
        }
        let split = split_of(&self.record, settings);
        let drawn = self.traversals(results.folder, split).and_then(|axes| {
            results.all.traversals = axes;
            Ok(results.all.write(results.folder)?)
        });
        if let Err(error) = drawn {
            emit(Event::Warning { text: format!("{error}; the report does not show the effect of the axes") });
        }
    }

    /// Draws the effects of the latent axes around the code of the first image, the axis with the largest KL first. Returns the
    /// axes.
    fn traversals(&self, folder: &TrialFolder, split: Split) -> Result<Vec<usize>, TrainedError> {
        let mut axes: Vec<usize> = self.axes_by_kl()?.into_iter().map(|(axis, _)| axis).collect();
        axes.truncate(TRAVERSED);
        if self.worker.images_of(split).is_empty() {
            return Ok(Vec::new());
        }
        let start = self.worker.posteriors(Chosen { split, indices: &[0] })?.mean;
        let values = self.decode(&self.traversal(Some(start), &axes, TRAVERSAL)?)?;
        let image = self.architecture.image;
        let tiles = values.chunks(image.values());
        Grid::tiles(image, TRAVERSAL.0, tiles, self.range()).write(&folder.traversals())?;
        Ok(axes)
    }

    /// Uses the images of the trial, of all splits, not mirrored.
    pub(super) fn load_own_images(&mut self, files: &mut Files) -> Result<(), TrainedError> {
        self.worker.dataset = self.own_dataset(files)?;
        self.worker.pixels.flip = false;
        Ok(())
    }
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
pub(super) fn evaluated(recipe: Recipe, measured: Measured, refused: Option<String>, seconds: f64) -> Evaluated {
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
        ended: now(),
        values,
        details: measured.details,
        refused,
    }
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
    fn progress(&mut self, share: Option<f64>) -> bool {
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
