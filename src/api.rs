//! vaex as a library: what a Rust program needs to train, load and use models.

use crate::data::{ImageShape, Values};
use crate::evaluation::{self, Scope};
use crate::folder::TrialFolder;
use crate::language::Override;
use crate::launch::{self, LaunchError, Options, RunEvent, SearchEvent, lock};
use crate::metrics::{Split, named};
use crate::plan::{Plan, PlanError, value_text};
use crate::record::evaluation::Evaluation;
use crate::record::trial::{Status, TrialRecord};
use crate::report::{self, ReportError, ReportedTrial};
use crate::settings::name_fault;
use crate::trained::{Trained, TrainedError, split_of};
use crate::trial::Event;
use serde_json::Value;
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
    /// The run stopped before its end: the disk is full, or a search cannot go on. What was finished is kept.
    #[error("{0}")]
    Stopped(String),
    /// An argument is wrong, or what it names does not exist.
    #[error("{0}")]
    Argument(String),
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
#[non_exhaustive]
pub struct TrialResult {
    /// Its id.
    pub id: String,
    /// Its folder, for [`Model::open`].
    pub folder: PathBuf,
    /// How it ended.
    pub status: Status,
    /// The error that ended it; of a trial that is done, that of its evaluation.
    pub error: Option<String>,
    /// The metrics of the epoch whose weights it has, `train_loss`, `validation_elbo_nats`, ..., and those of `[evaluate]`,
    /// `test_nll_nats`, ...
    pub metrics: BTreeMap<String, f64>,
    spec: BTreeMap<String, Value>,
}

/// What happens in a run.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Progress {
    /// An epoch of a trial has ended.
    Epoch {
        /// The id of the trial.
        trial: String,
        /// The epoch, from 1.
        epoch: u64,
        /// The mean loss of the epoch; `None` if it is not finite.
        loss: Option<f64>,
        /// The validation loss; `None` if it is not finite, or without validation images.
        validation_loss: Option<f64>,
    },
    /// Something that the user should know: a file of an earlier run is damaged, a file system has no locks, ...
    Warning(String),
}

/// How an experiment is run.
#[derive(Clone, Copy, Debug, Default)]
pub struct RunOptions {
    /// The number of threads of a trial; by default one per core. The results do not depend on it.
    pub threads: Option<usize>,
    /// Trains trials again that failed or diverged in an earlier run.
    pub retry_failed: bool,
    /// Trains all trials again from the start, also finished ones.
    pub fresh: bool,
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

    /// As [`Experiment::read`], of a text. Paths in it are relative to the working directory. `name` is the name of the experiment,
    /// unless the text has one.
    ///
    /// # Errors
    /// [`Error::Plan`]; [`Error::Argument`] if the name cannot be that of a folder.
    pub fn from_toml(name: &str, text: &str) -> Result<Experiment, Error> {
        if let Some(expected) = name_fault(name) {
            return Err(Error::Argument(format!("the name must be {expected}, found {name:?}")));
        }
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

    /// Trains every trial that is not finished, in this process, one after another, and returns the results of all, in the order of
    /// their folders. The files are those of `vaex run`, in a folder of `runs` with the name of the experiment, so `vaex report` and
    /// all other commands work on them; what is finished is kept, and a trial that was interrupted is resumed from its checkpoint,
    /// to the same bits. Only one run at a time works in the folder of an experiment.
    ///
    /// A trial that fails or diverges does not stop the others: see [`TrialResult::status`]. Scores of settings (`udr`) are not
    /// measured; `vaex evaluate` does that.
    ///
    /// # Errors
    /// [`Error::Run`], [`Error::Report`]; [`Error::Stopped`] if the disk is full, or if a search cannot go on.
    pub fn run(&self, runs: impl AsRef<Path>) -> Result<Vec<TrialResult>, Error> {
        self.run_with(runs, RunOptions::default(), &mut |_| ControlFlow::Continue(()))
    }

    /// As [`Experiment::run`], with options. `observe` is told what happens; if it breaks, the run stops after the current step,
    /// with a checkpoint.
    ///
    /// # Errors
    /// As [`Experiment::run`].
    pub fn run_with(
        &self,
        runs: impl AsRef<Path>,
        RunOptions { threads, retry_failed, fresh }: RunOptions,
        observe: &mut dyn FnMut(&Progress) -> ControlFlow<()>,
    ) -> Result<Vec<TrialResult>, Error> {
        let runs = runs.as_ref().to_path_buf();
        let options = Options { runs, jobs: Some(1), threads, retry_failed, fresh, ..Options::default() };
        let stop = AtomicBool::new(false);
        let mut tell = |progress: Progress| {
            if observe(&progress).is_break() {
                stop.store(true, Ordering::Relaxed);
            }
        };
        let (mut errors, mut stopped) = (BTreeMap::new(), None);
        let summary =
            launch::prepare(&self.plan, &options, &BTreeMap::new())?.run_here(&stop, &mut |event| match event {
                RunEvent::Event(trial, Event::Epoch { epoch, loss, validation_loss, .. }) => {
                    let (trial, loss, validation_loss) = (trial.id().to_owned(), *loss, *validation_loss);
                    tell(Progress::Epoch { trial, epoch: *epoch, loss, validation_loss });
                }
                RunEvent::Event(trial, Event::Warning { text }) => {
                    tell(Progress::Warning(format!("{}: {text}", trial.id())))
                }
                RunEvent::Event(trial, Event::Ended { error: Some(error), .. }) => {
                    errors.insert(trial.id().to_owned(), error.clone());
                }
                RunEvent::Damaged(text) | RunEvent::Warning(text) => tell(Progress::Warning(text.to_owned())),
                RunEvent::Search(SearchEvent::Failed(reason)) => stopped = Some(reason.clone()),
                RunEvent::Search(SearchEvent::Blocked { trial, reason }) => {
                    stopped = Some(format!("{trial}: {reason}"))
                }
                _ => {}
            });
        if summary.disk_is_full {
            stopped = Some(errors.values().next().cloned().unwrap_or_else(|| "the disk is full".to_owned()));
        }
        if let Some(reason) = stopped {
            return Err(Error::Stopped(reason));
        }
        let report = report::collect(launch::folder(&self.plan, &options.runs).path())?;
        report.warnings.into_iter().for_each(|warning| tell(Progress::Warning(warning)));
        let trials = report.experiments.iter().flat_map(|experiment| &experiment.trials);
        Ok(trials.map(|trial| TrialResult::of(trial, errors.remove(&trial.record.trial))).collect())
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
    /// The value of a key, such as `objective.kl_weight`, as text; `None` if the trial does not have it.
    pub fn value(&self, key: &str) -> Option<String> {
        self.spec.get(key).map(|value| value_text(Some(value)))
    }

    fn of(trial: &ReportedTrial, error: Option<String>) -> TrialResult {
        let rows = [Split::Train, Split::Validation].into_iter().filter_map(|split| trial.kept(split));
        let measured = trial.evaluation.iter().flat_map(|evaluation| &evaluation.results);
        let measured = measured.flat_map(|result| result.values.clone());
        let numbers = named(rows).into_iter().chain(measured).filter_map(|(name, value)| Some((name, value.as_f64()?)));
        TrialResult {
            id: trial.record.trial.clone(),
            folder: trial.folder.clone(),
            status: trial.record.status,
            error: trial.record.error.clone().or(error),
            metrics: numbers.collect(),
            spec: trial.record.spec.clone(),
        }
    }
}

/// The posteriors of some images.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
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
    /// [`Error::Report`], [`Error::Model`]; [`Error::Argument`] if no trial is the best one.
    pub fn best(experiment: impl AsRef<Path>) -> Result<Model, Error> {
        let folder = experiment.as_ref();
        let report = report::collect(folder)?;
        let best = report.best().ok_or_else(|| {
            let what = "no trial of one experiment is done with validation metrics; train one with validation images, or give a trial folder";
            Error::Argument(format!("{} has no best trial: {what}", folder.display()))
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

    /// Encodes images, (Images, Height, Width, Channels), row-major: bytes, or floats in the interval of the training images.
    ///
    /// With `binarize = "static"` or `"dynamic"`, the pixels of an image are drawn, as in validation, and the draw depends on the place
    /// of the image in the call: the same image has other pixels in another place.
    ///
    /// # Errors
    /// [`Error::Model`]: they are not whole images, or have values that the model was not trained on.
    pub fn encode(&mut self, images: impl Into<Values>) -> Result<Codes, Error> {
        let values = images.into();
        if values.is_empty() {
            return Ok(Codes::default());
        }
        let count = self.trained.set_values(values)?;
        let indices: Vec<u32> = (0..count).collect();
        let posterior = self.trained.encode(&indices)?.posterior;
        Ok(Codes { mean: posterior.mean, deviation: posterior.deviation })
    }

    /// Decodes codes, (Codes, Latent), to the expected values of images, (Codes, Height, Width, Channels), in the interval
    /// [`Model::range`].
    ///
    /// # Errors
    /// [`Error::Model`]; [`Error::Argument`] if the last code is incomplete.
    pub fn decode(&self, codes: &[f32]) -> Result<Vec<f32>, Error> {
        let latent = self.latent_dim();
        if !codes.len().is_multiple_of(latent) {
            let what = format!("{} numbers are not whole codes of {latent} latent axes", codes.len());
            return Err(Error::Argument(what));
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
    /// [`Error::Model`]; [`Error::Argument`] for a plain autoencoder without a prior.
    pub fn prior_codes(&self, count: usize, seed: u64) -> Result<Vec<f32>, Error> {
        if !self.trained.has_prior() {
            return Err(Error::Argument(format!(
                "{} has no prior to draw codes from: it is a plain autoencoder",
                self.folder().display()
            )));
        }
        Ok(self.trained.prior_codes(count, seed, 1.0)?)
    }

    /// Measures metrics on the trial's own images, as `vaex evaluate` does, and writes them to its evaluation.json; what is there is
    /// not measured again. Without names, those of its `[evaluate]`, or everything that applies and is fast. Returns the numbers by
    /// the names of their columns, such as `test_nll_nats`; a metric that does not apply has none.
    ///
    /// # Errors
    /// [`Error::Model`]; [`Error::Run`] if another process, or another part of this one, uses the trial; [`Error::Argument`] if there is
    /// no metric of a name that measures one trial, or if the trial was trained again since the model was opened.
    pub fn evaluate(&mut self, metrics: &[&str]) -> Result<BTreeMap<String, f64>, Error> {
        let mut settings = self.trained.spec().evaluate.clone().unwrap_or_default();
        if !metrics.is_empty() {
            let found = metrics.iter().map(|name| match evaluation::find(name) {
                Some(metric) if metric.scope() == Scope::Setting => Err(Error::Argument(format!(
                    "`{name}` compares the trials of a setting: measure it with `vaex evaluate`"
                ))),
                Some(metric) => Ok(metric.word().name),
                None => Err(Error::Argument(format!("there is no metric `{name}`; docs/likelihood.md lists them"))),
            });
            settings.metrics = Some(found.collect::<Result<_, _>>()?);
        }
        let _lock = lock::take(self.folder(), lock::PATIENCE)?;
        let record = TrialRecord::read(&TrialFolder::new(self.folder())).map_err(TrainedError::from)?;
        if record.files != self.trained.record().files {
            let folder = self.folder().display();
            return Err(Error::Argument(format!(
                "{folder} was trained again since the model was opened: open it again"
            )));
        }
        let never = AtomicBool::new(false);
        self.trained.evaluate(&mut Default::default(), &settings, false, &never, &mut |_| {})?;
        let evaluation = Evaluation::read(&self.trained.evaluation_folder()).map_err(TrainedError::from)?;
        let split = split_of(&record, &settings);
        let results = evaluation.into_iter().flat_map(|evaluation| evaluation.results);
        let asked = results.filter(|result| result.recipe.is_asked(&settings, split));
        let values = asked.flat_map(|result| result.values);
        Ok(values.filter_map(|(name, value)| Some((name, value.as_f64()?))).collect())
    }
}

impl std::fmt::Debug for Model {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        to.debug_struct("Model").field("folder", &self.folder()).finish_non_exhaustive()
    }
}
