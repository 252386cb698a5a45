//! vaex as a library: what a Rust program needs to train, load and use models.

use crate::data::{ImageShape, Values};
use crate::evaluation;
use crate::language::Override;
use crate::launch::{self, LaunchError, Options, RunEvent};
use crate::metrics::{Split, named};
use crate::plan::{Plan, PlanError, value_text};
use crate::record::evaluation::Evaluation;
use crate::record::trial::Status;
use crate::report::{self, ReportError, ReportedTrial};
use crate::trained::{Trained, TrainedError};
use crate::trial::Event;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

/// Why an experiment cannot be planned or run, or a model cannot be used. The text says what is wrong, where, and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There are errors in the spec or in its data. All of them are reported together.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The experiment cannot be run.
    #[error(transparent)]
    Run(#[from] LaunchError),
    /// The trials cannot be read.
    #[error(transparent)]
    Report(#[from] ReportError),
    /// The model cannot be used.
    #[error(transparent)]
    Model(#[from] TrainedError),
    /// What is asked for does not exist.
    #[error("{0}")]
    Unknown(String),
}

/// An experiment: every trial of a spec, resolved and checked.
#[derive(Clone, Debug)]
pub struct Experiment {
    plan: Plan,
}

/// A trial of an [`Experiment`].
#[derive(Clone, Copy, Debug)]
pub struct Trial<'a> {
    trial: &'a crate::plan::Trial,
}

/// The result of a trial.
#[derive(Clone, Debug)]
pub struct TrialResult {
    /// Its id, by which `Trial::id` finds it.
    pub id: String,
    /// Its folder, for [`Model::open`].
    pub folder: PathBuf,
    /// How it ended.
    pub status: Status,
    /// The error that ended it.
    pub error: Option<String>,
    /// The metrics of the epoch whose weights it has, `train_loss`, `validation_elbo_nats`, ..., and those of `[evaluate]`,
    /// `test_nll_nats`, ...
    pub metrics: BTreeMap<String, f64>,
}

/// The progress of a run: an epoch of a trial has ended.
#[derive(Clone, Debug)]
pub struct Progress {
    /// The id of the trial.
    pub trial: String,
    /// The epoch, from 1.
    pub epoch: u64,
    /// The mean loss of the epoch; `None` if it is not finite.
    pub loss: Option<f64>,
    /// The validation loss; `None` if it is not finite, or without validation images.
    pub validation_loss: Option<f64>,
}

impl Experiment {
    /// Reads the spec of a file, and checks every trial. Each of `set` is `KEY=VALUE`, as in `vaex run --set`.
    ///
    /// # Errors
    /// [`Error::Plan`].
    pub fn read(spec: impl AsRef<Path>, set: &[&str]) -> Result<Experiment, Error> {
        let overrides: Vec<Override> = set.iter().map(|one| Override::Set((*one).to_owned())).collect();
        Ok(Experiment { plan: Plan::read(spec.as_ref(), &overrides)? })
    }

    /// As [`Experiment::read`], of a text. Paths in it are relative to the working directory.
    ///
    /// # Errors
    /// [`Error::Plan`].
    pub fn from_toml(name: &str, text: &str) -> Result<Experiment, Error> {
        Ok(Experiment { plan: Plan::of_text(&PathBuf::from(format!("{name}.toml")), text, &[])? })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.plan.name()
    }

    /// The warnings of the plan; empty if there are none.
    pub fn warnings(&self) -> String {
        self.plan.warnings().to_string()
    }

    /// Its trials, in the order of the sweep; for a search, those whose settings do not depend on results.
    pub fn trials(&self) -> impl Iterator<Item = Trial<'_>> {
        self.plan.trials().iter().map(|trial| Trial { trial })
    }

    /// Trains every trial that is not finished, in this process, one after another, and returns the results of all. The files are
    /// those of `vaex run`, in a folder of `runs` with the name of the experiment, so `vaex report` and all other commands work on
    /// them; what is finished is kept, and a trial that was interrupted is resumed from its checkpoint, to the same bits.
    ///
    /// A trial that fails or diverges does not stop the others: see [`TrialResult::status`]. Scores of settings (`udr`) are not
    /// measured; `vaex evaluate` does that.
    ///
    /// # Errors
    /// [`Error::Run`], [`Error::Report`].
    pub fn run(&self, runs: impl AsRef<Path>) -> Result<Vec<TrialResult>, Error> {
        self.run_observed(runs, None, &mut |_| ControlFlow::Continue(()))
    }

    /// As [`Experiment::run`], with this number of threads (default: one per core; the results do not depend on it). `observe` is
    /// told each epoch; if it breaks, the run stops after the current step, with a checkpoint.
    ///
    /// # Errors
    /// As [`Experiment::run`].
    pub fn run_observed(
        &self,
        runs: impl AsRef<Path>,
        threads: Option<usize>,
        observe: &mut dyn FnMut(&Progress) -> ControlFlow<()>,
    ) -> Result<Vec<TrialResult>, Error> {
        let options = Options { runs: runs.as_ref().to_path_buf(), jobs: Some(1), threads, ..Options::default() };
        let stop = AtomicBool::new(false);
        launch::prepare(&self.plan, &options, &BTreeMap::new())?.run_here(&stop, &mut |event| {
            let RunEvent::Event(trial, Event::Epoch { epoch, loss, validation_loss, .. }) = event else { return };
            let (loss, validation_loss) = (*loss, *validation_loss);
            if observe(&Progress { trial: trial.id().to_owned(), epoch: *epoch, loss, validation_loss }).is_break() {
                stop.store(true, Ordering::Relaxed);
            }
        });
        let report = report::collect(launch::folder(&self.plan, &options.runs).path())?;
        Ok(report.experiments.iter().flat_map(|experiment| &experiment.trials).map(TrialResult::of).collect())
    }
}

impl<'a> Trial<'a> {
    /// Its id: a hash of all that determines its results.
    pub fn id(&self) -> &'a str {
        self.trial.id()
    }

    /// The value of a key, such as `objective.kl_weight`, as text; `None` if the trial does not have it.
    pub fn value(&self, key: &str) -> Option<String> {
        self.trial.values().get(key).map(|value| value_text(Some(value)))
    }

    /// The number of trainable parameters.
    pub fn parameters(&self) -> u128 {
        self.trial.architecture().parameters()
    }
}

impl TrialResult {
    fn of(trial: &ReportedTrial) -> TrialResult {
        let rows = [Split::Train, Split::Validation].into_iter().filter_map(|split| trial.kept(split));
        let measured = trial.evaluation.iter().flat_map(|evaluation| &evaluation.results);
        let measured = measured.flat_map(|result| result.values.clone());
        let numbers = named(rows).into_iter().chain(measured).filter_map(|(name, value)| Some((name, value.as_f64()?)));
        TrialResult {
            id: trial.record.trial.clone(),
            folder: trial.folder.clone(),
            status: trial.record.status,
            error: trial.record.error.clone(),
            metrics: numbers.collect(),
        }
    }
}

/// The posteriors of some images.
#[derive(Clone, Debug, PartialEq)]
pub struct Codes {
    /// Means, (Images, Latent).
    pub mean: Vec<f32>,
    /// Standard deviations, (Images, Latent); empty for a plain autoencoder.
    pub deviation: Vec<f32>,
}

/// A trained model.
pub struct Model {
    trained: Trained,
}

impl Model {
    /// Loads the model of a trial that is done.
    ///
    /// # Errors
    /// [`Error::Model`].
    pub fn open(trial: impl AsRef<Path>) -> Result<Model, Error> {
        Ok(Model { trained: Trained::open(trial.as_ref())? })
    }

    /// Loads the best model of an experiment folder, in the order of `vaex report`.
    ///
    /// # Errors
    /// [`Error::Report`], [`Error::Model`]; [`Error::Unknown`] if no trial is the best one.
    pub fn best(experiment: impl AsRef<Path>) -> Result<Model, Error> {
        let folder = experiment.as_ref();
        let report = report::collect(folder)?;
        let best = report.best().ok_or_else(|| {
            let what = "has no best trial: none is done with validation metrics, or it has several experiments";
            Error::Unknown(format!("{} {what}", folder.display()))
        })?;
        Model::open(&best.folder)
    }

    /// The trial's folder.
    pub fn folder(&self) -> &Path {
        self.trained.folder()
    }

    /// Height, width and channels of an image.
    pub fn image_shape(&self) -> [usize; 3] {
        let ImageShape { height, width, channels } = self.trained.architecture().image;
        [height, width, channels]
    }

    /// The number of latent axes.
    pub fn latent_dim(&self) -> usize {
        self.trained.architecture().latent
    }

    /// Encodes images, (Images, Height, Width, Channels), row-major: bytes, or floats if the model was trained on floats, with
    /// the same meaning as in its training data.
    ///
    /// # Errors
    /// [`Error::Model`]: they have another shape, type or interval than the images that it was trained on.
    pub fn encode(&mut self, images: impl Into<Values>) -> Result<Codes, Error> {
        let count = self.trained.set_values(images.into())?;
        let indices: Vec<u32> = (0..count as u32).collect();
        let posterior = self.trained.encode(&indices)?.posterior;
        Ok(Codes { mean: posterior.mean, deviation: posterior.deviation })
    }

    /// Decodes codes, (Codes, Latent), to the expected values of images, (Codes, Height, Width, Channels), in the interval
    /// [`Model::range`].
    ///
    /// # Errors
    /// [`Error::Model`]; [`Error::Unknown`] if the last code is incomplete.
    pub fn decode(&self, codes: &[f32]) -> Result<Vec<f32>, Error> {
        let latent = self.latent_dim();
        if codes.len() % latent != 0 {
            let what = format!("{} numbers are no codes of {latent} axes: the last one is incomplete", codes.len());
            return Err(Error::Unknown(what));
        }
        Ok(self.trained.decode(codes)?)
    }

    /// The values of a decoded image that are black and white.
    pub fn range(&self) -> [f32; 2] {
        self.trained.range()
    }

    /// Draws codes from the prior, (count, Latent); a seed always gives the same ones.
    ///
    /// # Errors
    /// [`Error::Model`]; [`Error::Unknown`] for a plain autoencoder without a prior.
    pub fn prior_codes(&self, count: usize, seed: u64) -> Result<Vec<f32>, Error> {
        if !self.trained.has_prior() {
            return Err(Error::Unknown(format!("{} has no prior to draw codes from", self.folder().display())));
        }
        Ok(self.trained.prior_codes(count, seed, 1.0)?)
    }

    /// Measures metrics on the trial's own images, as `vaex evaluate` does, and writes them to its evaluation.json; what is there is
    /// not measured again. Without names, those of its `[evaluate]`, or everything that applies and is fast. Returns their values by
    /// the names of their columns, such as `test_nll_nats`; a metric that does not apply has none.
    ///
    /// # Errors
    /// [`Error::Model`]; [`Error::Unknown`] if there is no metric of a name.
    pub fn evaluate(&mut self, metrics: &[&str]) -> Result<BTreeMap<String, f64>, Error> {
        let mut settings = self.trained.spec().evaluate.clone().unwrap_or_default();
        if !metrics.is_empty() {
            let found = metrics.iter().map(|name| match evaluation::find(name) {
                Some(metric) => Ok(metric.word().name),
                None => Err(Error::Unknown(format!("there is no metric `{name}`"))),
            });
            settings.metrics = Some(found.collect::<Result<_, _>>()?);
        }
        let never = AtomicBool::new(false);
        self.trained.evaluate(&mut Default::default(), &settings, false, &never, &mut |_| {})?;
        let evaluation = Evaluation::read(&self.trained.evaluation_folder()).map_err(TrainedError::from)?;
        let asked = |name: &str| settings.chosen().any(|metric| metric.word().name == name);
        let results = evaluation.into_iter().flat_map(|evaluation| evaluation.results);
        let values = results.filter(|result| asked(&result.recipe.metric)).flat_map(|result| result.values);
        Ok(values.filter_map(|(name, value)| Some((name, value.as_f64()?))).collect())
    }
}

impl std::fmt::Debug for Model {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        to.debug_struct("Model").field("folder", &self.folder()).finish_non_exhaustive()
    }
}
