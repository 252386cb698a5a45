//! A trained model, read from a trial folder, and the images that it is used on: the trial's validation images or others.

mod error;
mod evaluate;
mod setting;

pub use error::TrainedError;
pub use evaluate::{EvaluationEnd, is_evaluated, split_of};
pub use setting::DueScores;

use crate::data::{self, Dataset, Files, ImageShape, Images, PixelMap, Values};
use crate::evaluation::EvaluateSettings;
use crate::folder::{Stored, TrialFolder};
use crate::language::{Spec, description, determines};
use crate::metrics::{Row, Split};
use crate::model::architecture::PosteriorKind;
use crate::model::parameters::GradientMap;
use crate::model::{Architecture, Model};
use crate::record::checkpoint::{self, notes};
use crate::record::tables;
use crate::record::trial::{Status, TrialRecord, current_keys};
use crate::settings::{KeyInfo, Role};
use crate::tensor::backend::Host;
use crate::train::measure::{KL_AXIS_NATS, MEAN_VARIANCE_AXIS};
use crate::train::{Chosen, Encoded, Execute, Measured, Worker, best_row, micro_batch};
use crate::trial;
use std::path::{Path, PathBuf};

/// Images in a batch.
const BATCH: usize = 64;
/// Limit of the values of an image.
const VALUE_LIMIT: usize = 1 << 28;

/// Which weights of a trial are used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Weights {
    /// Those that it keeps: `train.keep`.
    #[default]
    Kept,
    /// Those after the last epoch.
    Last,
    /// Those after the best epoch.
    Best,
}

/// A trained model, and the images that it is used on.
pub struct Trained {
    folder: PathBuf,
    /// The epoch whose weights it has; `None` for the last one.
    epoch: Option<u64>,
    /// Whether they are those that the trial keeps.
    is_kept: bool,
    record: TrialRecord,
    spec: Spec,
    architecture: Architecture,
    stored: Stored,
    worker: Worker<Host>,
    pool: rayon::ThreadPool,
}

/// The file of weights of a trial that is done, and their epoch; `None` if it is the last one.
fn chosen_weights(
    files: &TrialFolder,
    record: &TrialRecord,
    weights: Weights,
) -> Result<(PathBuf, Option<u64>), TrainedError> {
    let folder = || files.path().to_path_buf();
    if weights == Weights::Kept {
        return Ok((files.model(), record.kept_epoch));
    }
    let rows = tables::read_metrics(&files.metrics())?;
    let last = rows.iter().map(|row| row.epoch).max().unwrap_or(0);
    let kept = (files.model(), record.kept_epoch.unwrap_or(last));
    let last = (if kept.1 == last { files.model() } else { files.last_model() }, last);
    let (path, epoch) = match weights {
        Weights::Kept => kept,
        Weights::Last => last,
        Weights::Best => {
            let best = best_row(&rows).map(|row| row.epoch).ok_or_else(|| TrainedError::NoBest { folder: folder() })?;
            let not_kept = || TrainedError::NotKept { folder: folder(), best, kept: kept.1 };
            [&kept, &last].into_iter().find(|(_, epoch)| *epoch == best).cloned().ok_or_else(not_kept)?
        }
    };
    Ok((path, Some(epoch)))
}

impl Trained {
    /// Reads the model of a trial that is done, without images, with the weights that it keeps.
    ///
    /// # Errors
    /// The folder is not the folder of a trial that is done, or the model is damaged or from an incompatible version of vaex.
    pub fn open(folder: &Path) -> Result<Trained, TrainedError> {
        Trained::with_weights(folder, Weights::Kept)
    }

    /// As [`Trained::open`], with these weights.
    ///
    /// # Errors
    /// As [`Trained::open`]; the trial does not have the weights.
    pub fn with_weights(folder: &Path, weights: Weights) -> Result<Trained, TrainedError> {
        let files = TrialFolder::new(folder);
        if !files.has_record()? {
            return Err(TrainedError::NoTrial { folder: folder.to_path_buf() });
        }
        let mut record = TrialRecord::read(&files)?;
        trial::correct(&mut record, || tables::read_metrics(&files.metrics()))?;
        if record.status != Status::Done {
            let why = match (record.error, record.status) {
                (Some(error), _) => format!(": {error}"),
                (None, Status::Planned) => "; train it with `vaex run`".to_owned(),
                (None, _) => "; to resume it, run the command that started it".to_owned(),
            };
            return Err(TrainedError::NotDone { folder: folder.to_path_buf(), status: record.status, why });
        }
        let (path, epoch) = chosen_weights(&files, &record, weights)?;
        let stored = Stored::read_own(&path).map_err(TrainedError::Weights)?;
        let version = stored.notes.get("version").cloned().unwrap_or_else(|| "of an unknown version".to_owned());
        let read = || -> Option<(Spec, Architecture, [f64; 2])> {
            let mut written = Spec::keys_of(stored.notes.get("spec")?).ok()?;
            current_keys(&mut written, record.numerics);
            // The data files may have been moved since the model was written, and an evaluation asked for or changed; the record has
            // the current keys.
            let is_current = |key: &&KeyInfo| key.role() == Role::File || key.table() == EvaluateSettings::TABLE;
            for key in description().keys.iter().filter(is_current) {
                written.remove(&key.dotted);
                let value = record.spec.get(&key.dotted).and_then(|value| toml::Value::try_from(value).ok());
                written.extend(value.map(|value| (key.dotted.clone(), value)));
            }
            let (spec, found) = Spec::read(&written);
            let size = |name| stored.number(name).map(|size| size as usize);
            // Versions that read grey bytes only did not write the channels and the interval.
            let channels = if stored.notes.contains_key(notes::CHANNELS) { size(notes::CHANNELS)? } else { 1 };
            let image = ImageShape { height: size(notes::HEIGHT)?, width: size(notes::WIDTH)?, channels };
            let interval = match stored.notes.get(notes::STORED) {
                None => spec.data.stored.unwrap_or(data::BYTES),
                Some(written) => {
                    let (low, high) = written.split_once(' ')?;
                    [low.parse().ok()?, high.parse().ok()?]
                }
            };
            let fits = (1..VALUE_LIMIT).contains(&image.values());
            (found.problems.is_empty() && fits).then(|| (spec.clone(), spec.architecture(image, interval), interval))
        };
        let Some((spec, architecture, interval)) = read() else { return Err(TrainedError::Version { path, version }) };
        let values = spec.values();
        let is_same = |(key, value): (&String, &serde_json::Value)| !determines(key) || values.get(key) == Some(value);
        if !record.spec.iter().all(is_same) {
            return Err(TrainedError::Foreign { path });
        }
        let mut model = Model::<Host>::new(&Default::default(), &architecture)?;
        checkpoint::load(&stored, &mut model).map_err(TrainedError::Weights)?;
        let worker = Worker {
            device: Default::default(),
            map: GradientMap::new(&mut model),
            model,
            dataset: Dataset::empty(architecture.image, interval),
            pixels: PixelMap::new(&spec.data, interval, spec.seed),
            seed: spec.seed,
            resident: (),
        };
        let pool = rayon::ThreadPoolBuilder::new().build()?;
        let is_kept = path == files.model();
        Ok(Trained { folder: folder.to_path_buf(), epoch, is_kept, record, spec, architecture, stored, worker, pool })
    }

    /// Uses this number of threads.
    ///
    /// # Errors
    /// They cannot be started.
    pub fn with_threads(self, threads: usize) -> Result<Trained, TrainedError> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
        Ok(Trained { pool, ..self })
    }

    /// Uses the validation images of the trial.
    ///
    /// # Errors
    /// They cannot be read, or have changed.
    pub fn with_its_images(self, files: &mut Files) -> Result<Trained, TrainedError> {
        let dataset = self.own_dataset(files)?;
        if dataset.validation.is_empty() {
            return Err(TrainedError::NoValidation { folder: self.folder });
        }
        self.with_images(dataset.validation)
    }

    /// The images of the trial, of all splits.
    fn own_dataset(&self, files: &mut Files) -> Result<Dataset, TrainedError> {
        // The trial was trained on these files, so the checks of how their values are stored are not repeated.
        let data = data::DataSettings { stored: Some(self.worker.dataset.stored), ..self.spec.data.clone() };
        let dataset = files.dataset(&data, Path::new("")).map_err(TrainedError::Own)?;
        match dataset.has_hash(&self.record.data_hash) {
            true => Ok(dataset),
            false => Err(TrainedError::Changed { folder: self.folder.clone() }),
        }
    }

    /// Uses images of a file or folder, changed as those that the model was trained on, and their labels if a file is given.
    /// Paths are relative to the working directory.
    ///
    /// # Errors
    /// They cannot be read, or their shape or their values differ from those that the model was trained on.
    pub fn with_files(self, files: &mut Files, images: &Path, labels: Option<&Path>) -> Result<Trained, TrainedError> {
        let trained = (self.worker.dataset.stored, self.architecture.image);
        let read = files.images_alike(trained, &self.spec.data, images, labels)?;
        self.with_images(read)
    }

    /// Uses other images.
    ///
    /// # Errors
    /// Their shape differs from that of the images that the model was trained on.
    pub fn with_images(mut self, images: Images) -> Result<Trained, TrainedError> {
        let (shape, trained) = (images.shape(), self.architecture.image);
        if shape != trained {
            return Err(TrainedError::Shape { shape, trained });
        }
        self.worker.dataset.validation = images;
        Ok(self)
    }

    /// Uses images from values (Images, Height, Width, Channels), and returns their number.
    ///
    /// # Errors
    /// They are not whole images, or have values that the model was not trained on.
    pub fn set_values(&mut self, values: Values) -> Result<u32, TrainedError> {
        let (shape, stored) = (self.architecture.image, self.worker.dataset.stored);
        let count = u32::try_from(values.len() / shape.values()).ok();
        let Some(count) = count.filter(|count| *count as usize * shape.values() == values.len() && *count > 0) else {
            return Err(TrainedError::Values { values: values.len(), shape });
        };
        if let Values::F32(floats) = &values {
            let wrong = |index: usize| TrainedError::Outside {
                image: index / shape.values(),
                value: floats[index].into(),
                stored,
            };
            // NaN is not outside of any interval.
            if let Some(index) = floats.iter().position(|value| !value.is_finite()) {
                return Err(wrong(index));
            }
            let most = floats.iter().copied().fold(0.0, f32::max);
            if self.spec.data.dequantize || stored == data::BYTES && most > 0.0 && most <= 1.0 {
                return Err(TrainedError::Floats { stored });
            }
        }
        let images = Images::new(values, shape);
        if let Some((image, value)) = images.outside(stored) {
            return Err(TrainedError::Outside { image, value, stored });
        }
        self.worker.dataset.validation = images;
        Ok(count)
    }

    /// The trial's folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The trial's record.
    pub fn record(&self) -> &TrialRecord {
        &self.record
    }

    /// The resolved spec.
    pub fn spec(&self) -> &Spec {
        &self.spec
    }

    /// The network.
    pub fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    /// The arrays of model.safetensors.
    pub fn stored(&self) -> &Stored {
        &self.stored
    }

    /// The values that are black and white in a picture.
    pub fn range(&self) -> [f32; 2] {
        self.worker.pixels.range
    }

    /// The images that it is used on.
    pub fn images(&self) -> &Images {
        &self.worker.dataset.validation
    }

    /// Whether there is a prior to sample codes from: most plain autoencoders have none.
    pub fn has_prior(&self) -> bool {
        self.spec.has_prior()
    }

    /// Whether codes have a distribution: those of a plain autoencoder are points.
    pub fn is_variational(&self) -> bool {
        self.architecture.posterior != PosteriorKind::None
    }

    /// The latent axes and their KL, the largest first. Without a KL for each axis, the axes are ordered by the variance of their
    /// posterior means.
    ///
    /// # Errors
    /// The trial's metrics cannot be read.
    pub fn axes_by_kl(&self) -> Result<Vec<(usize, Option<f64>)>, TrainedError> {
        let rows = tables::read_metrics(&TrialFolder::new(&self.folder).metrics())?;
        let is_of_epoch = |row: &&Row| self.epoch.is_none_or(|epoch| row.epoch == epoch);
        let row_of = |split| rows.iter().rfind(|row| row.split == split && is_of_epoch(row));
        let row = row_of(Split::Validation).or_else(|| row_of(Split::Train));
        let list = |name| row.map(|row| row.list(name).to_vec()).unwrap_or_default();
        let (kl, variances) = (list(KL_AXIS_NATS), list(MEAN_VARIANCE_AXIS));
        let size = |axis: usize| kl.get(axis).or(variances.get(axis)).copied().unwrap_or(0.0);
        let mut axes: Vec<_> = (0..self.architecture.latent).map(|axis| (axis, kl.get(axis).copied())).collect();
        axes.sort_by(|(one, _), (other, _)| size(*other).total_cmp(&size(*one)));
        Ok(axes)
    }

    /// Samples codes from the prior, (count, Latent); `temperature` multiplies their standard deviations.
    ///
    /// # Errors
    /// The computation failed.
    pub fn prior_codes(&self, count: usize, seed: u64, temperature: f32) -> Result<Vec<f32>, TrainedError> {
        Ok(self.worker.prior_codes(count, seed, temperature)?)
    }

    /// The mean and the standard deviation of each axis of a learned prior; `None` for the standard normal distribution.
    ///
    /// # Errors
    /// The computation failed.
    pub fn prior_axes(&self) -> Result<Option<Vec<[f32; 2]>>, TrainedError> {
        Ok(self.worker.prior_axes()?)
    }

    /// Codes along latent axes, from a code or, without one, from the mean of the prior: for each axis, `steps` values from -range to
    /// range; with a learned prior in its standard deviations around its mean. (Axes x Steps, Latent)
    ///
    /// # Errors
    /// The computation failed.
    pub fn traversal(
        &self,
        start: Option<Vec<f32>>,
        axes: &[usize],
        (steps, range): (usize, f32),
    ) -> Result<Vec<f32>, TrainedError> {
        let of_prior = self.prior_axes()?;
        let axis_of_prior = |axis: usize| of_prior.as_ref().map_or([0.0, 1.0], |axes| axes[axis]);
        let start = start.unwrap_or_else(|| (0..self.architecture.latent).map(|axis| axis_of_prior(axis)[0]).collect());
        let mut codes = Vec::with_capacity(axes.len() * steps * start.len());
        for axis in axes {
            let [mean, deviation] = axis_of_prior(*axis);
            for step in 0..steps {
                let value = range * (2.0 * step as f32 / (steps.max(2) - 1) as f32 - 1.0);
                codes.extend_from_slice(&start);
                let place = codes.len() - start.len() + axis;
                codes[place] = mean + deviation * value;
            }
        }
        Ok(codes)
    }

    /// Decodes codes, (Codes, Latent), to expected values, (Codes, Values).
    ///
    /// # Errors
    /// The computation failed.
    pub fn decode(&self, codes: &[f32]) -> Result<Vec<f32>, TrainedError> {
        let parts = codes.chunks(self.micro_batch() * self.architecture.latent).collect();
        Ok(Host::execute(&self.pool, &self.worker, parts, Worker::decode)?.concat())
    }

    /// Encodes images: the images and their posteriors.
    ///
    /// # Errors
    /// The computation failed.
    pub fn encode(&self, images: &[u32]) -> Result<Encoded, TrainedError> {
        let parts = images.chunks(self.micro_batch()).collect();
        Ok(Encoded::joined(Host::execute(&self.pool, &self.worker, parts, Worker::encode)?))
    }

    /// Encodes images and computes their nats, with the same noise as in validation: for a trial's own images, the means are
    /// the trial's metrics.
    ///
    /// # Errors
    /// The computation failed.
    pub fn measure(&self, images: &[u32]) -> Result<Measured, TrainedError> {
        let parts = images.chunks(self.micro_batch()).collect();
        let mut all = Measured::default();
        let prior = self.worker.prior()?;
        let measure = |worker: &Worker<Host>, images: &[u32]| {
            let chosen = Chosen { split: Split::Validation, indices: images };
            worker.measure_each(prior.as_deref(), chosen)
        };
        for part in Host::execute(&self.pool, &self.worker, parts, measure)? {
            let Measured { posterior, recon_nats, kl_nats } = part;
            all.posterior.extend(posterior);
            all.recon_nats.extend(recon_nats);
            all.kl_nats.extend(kl_nats);
        }
        Ok(all)
    }

    fn micro_batch(&self) -> usize {
        micro_batch::<Host>(&self.architecture, BATCH, 1)
    }
}
