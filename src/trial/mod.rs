//! One trial in its folder: trains it, and keeps the folder's files up to date after every epoch.

pub mod estimate;
mod pictures;
mod seals;

pub use seals::fault;

use crate::data::{Dataset, Split};
use crate::files::{self, FileError, create_folder, host_name, remove_files, write_whole};
use crate::model::Architecture;
use crate::plan::{NUMERICS, Trial};
use crate::record::checkpoint::{self, CheckpointError, Past};
use crate::record::event_log::EventLog;
use crate::record::projector::{self, Points};
use crate::record::tables;
use crate::record::tensorboard::{self, EventWriter};
use crate::record::trial::{Status, TrialRecord, now};
use crate::tensor::backend::{DeviceError, Host};
use crate::train::{Device, Encoded, EpochEnd, Metrics, Position, Progress, Spread, TrainError, Trainer};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

/// The dotted key that tells trials of one setting apart.
const SEED: &str = "seed";

/// Names of the files in a trial's folder.
pub mod names {
    /// The resolved spec of the trial alone.
    pub const SPEC: &str = "spec.toml";
    /// One row an epoch and split.
    pub const METRICS: &str = "metrics.parquet";
    /// The weights, when training is done.
    pub const MODEL: &str = "model.safetensors";
    /// Everything that resuming needs.
    pub const CHECKPOINT: &str = "checkpoint.safetensors";
    /// The checkpoint before, should the last one be damaged.
    pub const PREVIOUS: &str = "checkpoint.previous.safetensors";
    /// The pictures' folder.
    pub const IMAGES: &str = "images";
}

/// What a running trial tells.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// Training begins, or goes on from a checkpoint.
    Started {
        /// Epochs that an earlier process finished.
        epochs_done: u64,
        /// Steps that earlier processes took.
        steps_done: u64,
        /// Epochs in all.
        epochs: u64,
        /// Steps in all.
        steps: u64,
        /// Something to know about how it began.
        note: Option<String>,
    },
    /// Some steps were taken.
    Progress {
        /// Epoch, from 1.
        epoch: u64,
        /// Steps taken.
        step: u64,
        /// Mean loss of the epoch so far.
        loss: Option<f64>,
        /// Training images by seconds in this epoch.
        images_per_second: f64,
    },
    /// An epoch ended.
    Epoch {
        /// Epoch, from 1.
        epoch: u64,
        /// Steps taken.
        step: u64,
        /// Training loss; nothing where it is not finite.
        loss: Option<f64>,
        /// Validation loss; nothing where it is not finite.
        validation_loss: Option<f64>,
        /// Of both splits, as [`named_metrics`] names them.
        metrics: BTreeMap<String, Option<f64>>,
        /// Training images by seconds.
        images_per_second: f64,
    },
    /// Another process is at work in the trial's folder, and is waited for.
    Waiting {
        /// Which.
        holder: String,
    },
    /// Something went wrong that costs no training.
    Warning {
        /// What.
        text: String,
    },
    /// The trial ended.
    Ended {
        /// How.
        status: Status,
        /// What went wrong.
        error: Option<String>,
    },
}

/// Why a trial failed.
#[derive(Debug, thiserror::Error)]
pub enum TrialError {
    /// Training failed.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// The device failed.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// A file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// Weights or state cannot be written.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// There is no such device.
    #[error("cannot use the CUDA device: {0}")]
    NoDevice(String),
}

impl TrialError {
    /// Whether the trial's disk takes nothing more.
    fn is_full_disk(&self) -> bool {
        match self {
            TrialError::File(error) | TrialError::Checkpoint(CheckpointError::File(error)) => {
                files::is_full(&error.source)
            }
            _ => false,
        }
    }
}

/// Where a trial runs, and with what.
pub struct Run<'a> {
    /// The trial's folder.
    pub folder: &'a Path,
    /// Worker threads.
    pub threads: usize,
    /// Set to make it stop after the present step.
    pub stop: &'a AtomicBool,
    /// Is told what happens.
    pub emit: &'a mut dyn FnMut(Event),
}

/// A fresh record of a trial that was not started.
pub fn planned(trial: &Trial, varied: &[String], threads: usize) -> TrialRecord {
    let commit = env!("VAEX_GIT_COMMIT");
    let Dataset { train, validation, .. } = trial.dataset();
    TrialRecord {
        checksum: String::new(),
        trial: trial.id().to_owned(),
        experiment: trial.name().to_owned(),
        status: Status::Planned,
        spec: trial.values(),
        varied: varied.to_vec(),
        parameters: trial.architecture().parameters() as u64,
        train_images: Some(train.len() as u64),
        validation_images: Some(validation.len() as u64),
        height: Some(train.height() as u64),
        width: Some(train.width() as u64),
        seconds: 0.0,
        images_per_second: None,
        peak_rss_mb: None,
        numerics: NUMERICS,
        spec_hash: trial.spec_hash(),
        data_hash: trial.dataset().hash.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        git_commit: (!commit.is_empty()).then(|| commit.to_owned()),
        git_dirty: env!("VAEX_GIT_DIRTY").parse().ok(),
        lock_hash: env!("VAEX_LOCK_HASH").to_owned(),
        processor: processor(),
        host: host_name(),
        threads: threads as u64,
        started: now(),
        ended: None,
        warnings: trial.warnings(),
        error: None,
        note: None,
        from_outside: false,
        files: BTreeMap::new(),
    }
}

/// Brings the spec and the record of a trial that is done up to date with what changed nothing of its training: its tags,
/// and where its files are now. Whether its spec.toml was damaged or missing.
///
/// # Errors
/// A file cannot be written.
pub fn update(folder: &Path, trial: &Trial, record: &mut TrialRecord) -> Result<bool, FileError> {
    let (values, is_sound) = (trial.values(), seals::is_sound(folder, record, names::SPEC));
    if record.spec == values && record.warnings == trial.warnings() && is_sound {
        return Ok(false);
    }
    let text = trial.toml();
    write_whole(&folder.join(names::SPEC), text.as_bytes())?;
    // Whoever is killed here leaves a spec that is not the record's; the next run comes to this place again.
    record.spec = values;
    record.warnings = trial.warnings();
    record.files.insert(names::SPEC.to_owned(), seals::checksum_of(text.as_bytes()));
    record.write(folder)?;
    Ok(!is_sound)
}

/// Takes a trial of which version 0.1.0 said that it was done for what it is, where its metrics are not finite.
pub fn correct(record: &mut TrialRecord, rows: &[Metrics]) {
    if record.status == Status::Done
        && let Some(row) = rows.iter().find(|row| !row.is_finite())
    {
        record.status = Status::Diverged;
        record.error = Some(not_finite(row));
    }
}

/// Writes what a trial's folder has before it starts: its spec and its record.
///
/// # Errors
/// The folder or a file cannot be written.
pub fn prepare(folder: &Path, trial: &Trial, record: &TrialRecord) -> Result<(), FileError> {
    create_folder(folder)?;
    write_whole(&folder.join(names::SPEC), trial.toml().as_bytes())?;
    record.write(folder)
}

/// Removes the temporary files that killed processes left in a trial's folder; only where nobody trains it.
///
/// # Errors
/// A folder cannot be read, or a file not be removed.
pub fn remove_leftovers(folder: &Path) -> Result<(), FileError> {
    files::remove_leftovers(folder)?;
    let inner = [names::IMAGES, projector::FOLDER].map(|name| folder.join(name));
    inner.iter().filter(|folder| folder.is_dir()).try_for_each(|folder| files::remove_leftovers(folder))
}

/// How a trial's process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// How the trial stands.
    pub status: Status,
    /// Whether it failed because its disk takes nothing more.
    pub disk_is_full: bool,
}

/// Trains a trial to its end, from its checkpoint where it has one, and records how it went.
///
/// # Errors
/// The record cannot be written. What else goes wrong is in the record.
pub fn run(trial: &Trial, earlier: TrialRecord, mut run: Run<'_>) -> Result<Ended, FileError> {
    let clock = Clock { begin: Instant::now(), earlier: earlier.seconds };
    // Who planned the trial may have been another machine, or an earlier vaex.
    let mut record = planned(trial, &earlier.varied, run.threads);
    record.status = Status::Running;
    // It was planned then, and begins now.
    record.started = if earlier.seconds > 0.0 { earlier.started } else { now() };
    record.seconds = earlier.seconds;
    record.images_per_second = earlier.images_per_second;
    record.write(run.folder)?;
    let outcome = match trial.spec().train.device {
        Device::Cpu => {
            Session::<Host>::start(Default::default(), trial, clock, &mut run).and_then(|s| s.train(&mut record))
        }
        Device::Cuda => on_cuda(trial, clock, &mut run, &mut record),
    };
    let disk_is_full = outcome.as_ref().is_err_and(TrialError::is_full_disk);
    let (status, error) = match outcome {
        Ok(Outcome::Done) => {
            record.files = seals::checksums(run.folder)?;
            (Status::Done, None)
        }
        Ok(Outcome::Interrupted) => (Status::Interrupted, None),
        Ok(Outcome::Diverged(message)) => (Status::Diverged, Some(message)),
        Err(error) => {
            // The trial itself was in order: a disk was full, a device was missing.
            record.from_outside = true;
            (Status::Failed, Some(error.to_string()))
        }
    };
    record.status = status;
    record.error = error.clone();
    record.seconds = clock.seconds();
    record.ended = Some(now());
    record.peak_rss_mb = peak_rss_mb();
    record.write(run.folder).map_err(|second| match &error {
        // A full disk has no room for the record of that either.
        Some(error) => {
            let text = format!("{}; before that: {error}", second.source);
            FileError { source: std::io::Error::new(second.source.kind(), text), ..second }
        }
        None => second,
    })?;
    (run.emit)(Event::Ended { status, error });
    Ok(Ended { status, disk_is_full })
}

#[cfg(feature = "cuda")]
fn on_cuda(trial: &Trial, clock: Clock, run: &mut Run<'_>, record: &mut TrialRecord) -> Result<Outcome, TrialError> {
    use crate::tensor::backend::Portable;
    use dfdx::tensor::Cuda;
    let device = Cuda::try_build(0, 0).map_err(|error| TrialError::NoDevice(format!("{error:?}")))?;
    Session::<Portable<Cuda>>::start(device, trial, clock, run)?.train(record)
}

#[cfg(not(feature = "cuda"))]
fn on_cuda(_: &Trial, _: Clock, _: &mut Run<'_>, _: &mut TrialRecord) -> Result<Outcome, TrialError> {
    let reason = "this vaex was built without it; build it with `cargo build --release --features cuda`";
    Err(TrialError::NoDevice(reason.to_owned()))
}

enum Outcome {
    Done,
    Diverged(String),
    Interrupted,
}

/// The trial's time, over all its processes.
#[derive(Clone, Copy)]
struct Clock {
    begin: Instant,
    /// Seconds of earlier processes.
    earlier: f64,
}

impl Clock {
    fn seconds(self) -> f64 {
        self.earlier + self.begin.elapsed().as_secs_f64()
    }
}

/// A trial in training.
struct Session<'s, 'r, B: Spread> {
    trial: &'s Trial,
    clock: Clock,
    run: &'s mut Run<'r>,
    trainer: Trainer<B>,
    past: Past,
    events: EventLog,
    /// Whether the event log has nothing but what this process writes.
    log_is_new: bool,
}

impl<'s, 'r, B: Spread> Session<'s, 'r, B> {
    fn start(device: B::Device, trial: &'s Trial, clock: Clock, run: &'s mut Run<'r>) -> Result<Self, TrialError> {
        [names::IMAGES, projector::FOLDER].iter().try_for_each(|name| create_folder(&run.folder.join(name)))?;
        remove_leftovers(run.folder)?;
        let mut trainer = Trainer::<B>::new(device.clone(), trial.training(), run.threads)?;
        // Where an epoch has ended, its two rows are in the table, and it has a checkpoint.
        let rows = tables::read_metrics(&run.folder.join(names::METRICS)).unwrap_or_default();
        let saved = rows.len() > 1 || run.folder.join(names::PREVIOUS).exists();
        let (mut past, mut faults) = (Past::default(), Vec::new());
        for name in [names::CHECKPOINT, names::PREVIOUS] {
            let path = run.folder.join(name);
            if !path.exists() {
                if saved && name == names::CHECKPOINT {
                    faults.push(format!("not from {}: it is missing", path.display()));
                }
                continue;
            }
            match checkpoint::resume(&path, &mut trainer, trial.id()) {
                Ok(earlier) => {
                    past = earlier;
                    break;
                }
                // Sound, perhaps, and out of reach at this moment.
                Err(CheckpointError::File(error)) => return Err(error.into()),
                Err(error) => {
                    faults.push(format!("not from {error}"));
                    // It must not take the place of a sound one.
                    std::fs::remove_file(&path).map_err(FileError::at("remove", &path))?;
                    // A checkpoint that breaks off may have changed some weights already.
                    trainer = Trainer::new(device.clone(), trial.training(), run.threads)?;
                }
            }
        }
        let Position { epoch: epochs_done, steps: steps_done, .. } = trainer.position();
        let mut damaged = past.log.iter().map(|(name, seal)| (run.folder.join(name), seal));
        if let Some((path, _)) = damaged.find(|(path, seal)| !seal.holds(path)) {
            let path = path.display();
            faults.push(format!("with an event log written anew, without earlier pictures, as {path} is damaged"));
            past.log.clear();
        }
        // Events of a training that is begun anew would be drawn over the new ones.
        let log_is_new = past.log.is_empty();
        if log_is_new {
            remove_files(run.folder, tensorboard::FILE_PREFIX)?;
        }
        let epochs = trial.spec().train.epochs;
        let note = (!faults.is_empty()).then(|| faults.join("; "));
        (run.emit)(Event::Started { epochs_done, steps_done, epochs, steps: trial.steps(), note });
        let mut events = EventLog::open(run.folder, if log_is_new { 0 } else { steps_done });
        if log_is_new {
            events.add(|log| log.text("spec", &tensorboard::code_block(&trial.toml())));
            events.add(EventWriter::layout);
            events.add(|log| past.rows.iter().try_for_each(|row| log.metrics(row)));
        }
        Ok(Session { trial, clock, run, trainer, past, events, log_is_new })
    }

    fn train(mut self, record: &mut TrialRecord) -> Result<Outcome, TrialError> {
        self.announce(record);
        self.note(record);
        // Version 0.1.0 went on after these.
        if let Some(what) = self.past.rows.iter().find(|row| !row.is_finite()).map(not_finite) {
            return self.diverged(Vec::new(), &what, record);
        }
        // The first step is told at once: whoever watches sees that it goes.
        let mut last: Option<Instant> = None;
        let ended_before = self.trainer.epoch() == self.trial.spec().train.epochs;
        while self.trainer.epoch() < self.trial.spec().train.epochs {
            let emit = &mut self.run.emit;
            let mut progress = |progress: Progress| {
                if last.is_none_or(|last| last.elapsed() > Duration::from_millis(100)) {
                    last = Some(Instant::now());
                    let Progress { epoch, step, loss, images_per_second } = progress;
                    emit(Event::Progress { epoch, step, loss: finite(loss), images_per_second });
                }
            };
            match self.trainer.train_epoch(self.run.stop, &mut progress)? {
                EpochEnd::Interrupted => {
                    self.save()?;
                    return Ok(Outcome::Interrupted);
                }
                EpochEnd::Pause => self.save()?,
                EpochEnd::Diverged(metrics) => {
                    let what = if metrics.loss.is_finite() { "gradient" } else { "loss" };
                    let (step, epoch) = (metrics.step + 1, metrics.epoch);
                    let what = format!("the training {what} is not finite at step {step} (epoch {epoch})");
                    return self.diverged(vec![metrics], &what, record);
                }
                EpochEnd::Finished(metrics) => {
                    let validation = self.trainer.validate()?;
                    // Weights that are not finite any more can come from a last step whose own loss was.
                    let fault = [&metrics, &validation].into_iter().find(|row| !row.is_finite()).map(not_finite);
                    if let Some(what) = fault {
                        return self.diverged(vec![metrics, validation], &what, record);
                    }
                    self.epoch(metrics, validation, record)?;
                }
            }
        }
        if ended_before {
            // Whatever of the last epoch's files was lost since its checkpoint is made again.
            self.metrics()?;
            self.pictures(self.log_is_new)?;
        }
        let model = self.run.folder.join(names::MODEL);
        let Architecture { height, width, .. } = *self.trial.architecture();
        checkpoint::write_model(&model, &mut self.trainer, &self.trial.toml(), [height, width])?;
        let text = self.summary(record);
        self.events.add(|log| log.text("summary", &text));
        self.events.add(|log| log.hparams_end(true));
        self.end_log(record);
        Ok(Outcome::Done)
    }

    /// HParams of the session: the keys that vary, or all of the model's and the objective's where none does. The seed
    /// is none of them: trials that differ by it alone are a group.
    fn announce(&mut self, record: &TrialRecord) {
        let varied = || record.varied.iter().filter(|key| *key != SEED);
        let mut values = record.spec.clone();
        let tables = ["model.", "objective.", "train."];
        let relevant = |key: &String| match varied().next() {
            None => tables.iter().any(|table| key.starts_with(table)),
            Some(_) => varied().any(|one| one == key),
        };
        values.retain(|key, _| relevant(key));
        let keys: Vec<String> = varied().cloned().collect();
        let setting: String = self.trial.setting_hash().chars().take(6).collect();
        let group = format!("{}/{}-{setting}", self.trial.name(), self.trial.label(&keys));
        self.events.add(|log| log.hparams_start(&group, &values));
    }

    /// What the trial came to, as Markdown.
    fn summary(&self, record: &TrialRecord) -> String {
        let mut text = format!(
            "{} of {}: {} parameters, {} steps, {:.1} s on {}\n\n| split | loss | ELBO (nats) | reconstruction (nats) | KL (nats) | active axes |\n| --- | --- | --- | --- | --- | --- |\n",
            self.trial.id(),
            self.trial.name(),
            record.parameters,
            self.trainer.optimizer().steps(),
            self.clock.seconds(),
            record.host,
        );
        let epoch = self.trainer.epoch();
        for row in self.past.rows.iter().filter(|row| row.epoch == epoch) {
            let Metrics { split, loss, elbo_nats, recon_nats, kl_nats, active_units, .. } = row;
            let _ = writeln!(
                text,
                "| {} | {loss:.6} | {elbo_nats:.3} | {recon_nats:.3} | {kl_nats:.3} | {active_units} |",
                split.name()
            );
        }
        text
    }

    /// Says what went wrong with the event log, once.
    fn check_log(&mut self, record: &mut TrialRecord) {
        if let Some(fault) = self.events.take_fault() {
            let text = format!("{fault}; training goes on without TensorBoard");
            record.note = Some(text.clone());
            (self.run.emit)(Event::Warning { text });
        }
    }

    fn end_log(&mut self, record: &mut TrialRecord) {
        self.events.add(EventWriter::flush);
        self.check_log(record);
    }

    fn epoch(&mut self, metrics: Metrics, validation: Metrics, record: &mut TrialRecord) -> Result<(), TrialError> {
        (self.run.emit)(Event::Epoch {
            epoch: metrics.epoch,
            step: metrics.step,
            loss: finite(metrics.loss),
            validation_loss: finite(validation.loss),
            metrics: named_metrics([&metrics, &validation]),
            images_per_second: metrics.images_per_second,
        });
        self.log(metrics);
        self.log(validation);
        self.metrics()?;
        self.pictures(true)?;
        self.check_log(record);
        // After all that whoever resumes must find, and before the record, which counts the time up to here.
        self.save()?;
        self.note(record);
        Ok(record.write(self.run.folder)?)
    }

    /// Writes a checkpoint; the last one becomes the one before.
    fn save(&mut self) -> Result<(), TrialError> {
        let [path, previous] = [names::CHECKPOINT, names::PREVIOUS].map(|name| self.run.folder.join(name));
        if path.exists() {
            // By a second name, so that at no time, and on no full disk, there is none.
            let _ = std::fs::remove_file(&previous);
            if std::fs::hard_link(&path, &previous).is_err() {
                std::fs::rename(&path, &previous).map_err(FileError::at("rename", &path))?;
            }
        }
        self.past.log.extend(self.events.seal());
        Ok(checkpoint::write_checkpoint(&path, &mut self.trainer, self.trial.id(), &self.past)?)
    }

    fn metrics(&self) -> Result<(), FileError> {
        tables::write_metrics(&self.run.folder.join(names::METRICS), &self.past.rows)
    }

    /// Brings the record's figures up to date, so that a killed trial's are those of its last epoch.
    fn note(&self, record: &mut TrialRecord) {
        let train = || self.past.rows.iter().filter(|row| row.split == Split::Train);
        let seconds: f64 = train().map(|row| row.seconds).sum();
        let images: f64 = train().map(|row| row.images_per_second * row.seconds).sum();
        record.images_per_second = finite(images / seconds);
        record.seconds = self.clock.seconds();
        record.peak_rss_mb = peak_rss_mb();
    }

    fn log(&mut self, metrics: Metrics) {
        self.events.add(|log| log.metrics(&metrics));
        self.past.rows.push(metrics);
    }

    /// Ends a training of which something is not finite: what that is, and the rows of its last epoch.
    fn diverged(&mut self, rows: Vec<Metrics>, what: &str, record: &mut TrialRecord) -> Result<Outcome, TrialError> {
        let message = format!("{what}; {}", self.trial.spec().diverged_advice());
        rows.into_iter().for_each(|row| self.log(row));
        self.note(record);
        self.metrics()?;
        self.events.add(|log| log.hparams_end(false));
        self.end_log(record);
        Ok(Outcome::Diverged(message))
    }

    /// Pictures and posteriors, after the epochs that the spec says and the last.
    fn pictures(&mut self, logged: bool) -> Result<(), TrialError> {
        let (epoch, spec) = (self.trainer.epoch(), self.trial.spec());
        let is_due = spec.log.pictures_every.map_or(epoch.is_power_of_two(), |every| epoch.is_multiple_of(every));
        let is_last = epoch == spec.train.epochs;
        if !is_due && !is_last {
            return Ok(());
        }
        let folder = self.run.folder.join(names::IMAGES);
        let step = self.trainer.optimizer().steps();
        for (tag, grid) in pictures::draw(&self.trainer, self.trial, &folder)? {
            let path = folder.join(format!("{tag}.png"));
            let png = grid.png().map_err(FileError::at("write", &path))?;
            write_whole(&path, &png)?;
            if logged {
                self.events.add(|log| log.image(tag, step, &grid, &png));
            }
        }
        self.posteriors(step, logged, is_last)
    }

    /// Posteriors of validation images: as histograms, and in the end as points for the projector.
    fn posteriors(&mut self, step: u64, logged: bool, is_last: bool) -> Result<(), TrialError> {
        let images = &self.trial.dataset().validation;
        let (height, width) = (images.height(), images.width());
        let points = projector::points(height, width);
        let Encoded { inputs, posterior } = self.trainer.encode(points.max(1))?;
        if logged {
            let mean = "Posterior means of validation images, all latent axes together.";
            self.events.add(|log| log.histogram("posterior/mean", step, &posterior.mean, mean));
            let deviation = "Posterior deviations of validation images, all latent axes together.";
            self.events.add(|log| log.histogram("posterior/deviation", step, &posterior.deviation, deviation));
        }
        if is_last && points > 0 {
            let [low, high] = self.trial.spec().data.range;
            let points = Points {
                codes: &posterior.mean,
                latent: self.trial.architecture().latent,
                labels: images.labels(),
                images: &inputs,
                sides: [height, width],
                range: [low as f32, high as f32],
            };
            let folder = self.run.folder;
            self.events.add(|_| points.write(folder));
        }
        Ok(())
    }
}

/// What is said of an epoch's row that is not finite.
fn not_finite(row: &Metrics) -> String {
    let split = match row.split {
        Split::Train => "training",
        Split::Validation => "validation",
    };
    format!("the {split} loss is not finite after epoch {}", row.epoch)
}

/// The loss and the nats of rows as `train_loss`, `validation_elbo_nats` and so on; `None` where one is not finite.
pub fn named_metrics<'a>(rows: impl IntoIterator<Item = &'a Metrics>) -> BTreeMap<String, Option<f64>> {
    let named = |row: &'a Metrics| {
        let Metrics { split, loss, elbo_nats, recon_nats, kl_nats, .. } = row;
        let metrics = [("loss", loss), ("elbo_nats", elbo_nats), ("recon_nats", recon_nats), ("kl_nats", kl_nats)];
        metrics.map(|(name, value)| (format!("{}_{name}", split.name()), finite(*value)))
    };
    rows.into_iter().flat_map(named).collect()
}

fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}

/// The processor's name.
fn processor() -> Option<String> {
    let processors = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = processors.lines().find_map(|line| line.strip_prefix("model name"))?;
    Some(line.trim_start_matches([' ', '\t', ':']).trim().to_owned())
}

/// Largest resident memory of this process, MiB, where the system tells.
fn peak_rss_mb() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib / 1024.0)
}
