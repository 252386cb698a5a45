//! The model and the images that are evaluated. What several metrics need is computed once.

use super::{EvaluateError, EvaluateSettings};
use crate::data::{Binarize, Column, Images, PixelMap};
use crate::metrics::Split;
use crate::random::{Purpose, Stream};
use crate::scores::points::{Codes, Factor};
use crate::tensor::backend::{DeviceError, Host};
use crate::train::{Chosen, Execute, Posteriors, Worker};
use std::sync::OnceLock;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

/// The draws of the pixels of samples; the index is the sample.
const PIXELS: u64 = 301;
/// How often a long computation shows that the process is alive.
const SIGN_OF_LIFE: Duration = Duration::from_secs(1);
/// A column with more values than this is not a factor.
const FACTOR_VALUES: u32 = 10_000;

/// A trained model with its data, and what is asked of them.
pub struct Subject<'a> {
    pub(crate) worker: &'a Worker<Host>,
    pub(crate) pool: &'a rayon::ThreadPool,
    pub(crate) settings: EvaluateSettings,
    /// The images that metrics of a split are measured on.
    pub(crate) split: Split,
    /// Whether codes have a distribution: those of a plain autoencoder are points.
    pub(crate) is_variational: bool,
    /// Images in a micro-batch that fits the caches.
    pub(crate) micro_batch: usize,
    /// The numbers of a learned prior.
    pub(crate) prior: Option<Vec<f32>>,
    posteriors: [OnceLock<Posteriors>; 3],
    whole: OnceLock<Whole>,
}

/// The codes of all images of the data, of all splits, with their factors.
#[derive(Debug)]
pub(crate) struct Whole {
    /// Means.
    pub(crate) codes: Codes,
    /// Log-variances; empty for a plain autoencoder.
    pub(crate) log_variances: Codes,
    /// The factors that vary.
    pub(crate) factors: Vec<Factor>,
}

/// Follows the measuring of a metric, and can stop it.
pub trait Watch {
    /// Is told the share of the images that is done, from 0 to 1, or `None` while a score is computed from them. Returns whether to go on.
    fn progress(&mut self, share: Option<f64>) -> bool;

    /// What [`Watch::keep`] kept in an earlier process for the same metric, settings and weights.
    fn kept(&mut self) -> Kept;

    /// Keeps what is done so far, so that another process can go on from there.
    fn keep(&mut self, kept: &Kept);
}

/// Rows of numbers that are done.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Kept {
    /// Numbers of a row.
    pub width: usize,
    /// The rows, one after the other.
    pub values: Vec<f64>,
}

impl<'a> Subject<'a> {
    pub(crate) fn new(
        worker: &'a Worker<Host>,
        pool: &'a rayon::ThreadPool,
        (settings, split): (EvaluateSettings, Split),
        is_variational: bool,
        micro_batch: usize,
    ) -> Result<Subject<'a>, DeviceError> {
        let prior = worker.prior()?;
        let (posteriors, whole) = (std::array::from_fn(|_| OnceLock::new()), OnceLock::new());
        Ok(Subject { worker, pool, settings, split, is_variational, micro_batch, prior, posteriors, whole })
    }

    /// The images that metrics of a split are measured on.
    pub(crate) fn images(&self) -> &Images {
        self.worker.images_of(self.split)
    }

    /// Why a metric of posterior distributions does not exist; `None` if it does.
    pub(crate) fn lacks_posterior(&self) -> Option<String> {
        (!self.is_variational)
            .then(|| "the codes of a plain autoencoder (`model.posterior = \"none\"`) have no distribution".to_owned())
    }

    /// Runs a task for each item on the worker threads; the results are in the order of the items.
    pub(crate) fn execute<I: Send, R: Send>(
        &self,
        items: Vec<I>,
        task: impl Fn(&Worker<Host>, I) -> Result<R, DeviceError> + Sync,
    ) -> Result<Vec<R>, DeviceError> {
        Host::execute(self.pool, self.worker, items, task)
    }

    /// Computes something on the worker threads, and meanwhile shows that the process is alive.
    pub(crate) fn compute<R: Send>(&self, watch: &mut dyn Watch, work: impl FnOnce() -> R + Send) -> R {
        std::thread::scope(|scope| {
            let (sender, receiver) = channel();
            scope.spawn(move || sender.send(self.pool.install(work)));
            loop {
                match receiver.recv_timeout(SIGN_OF_LIFE) {
                    Ok(result) => return result,
                    Err(RecvTimeoutError::Timeout) => drop(watch.progress(None)),
                    // The work panicked; the scope panics too.
                    Err(RecvTimeoutError::Disconnected) => panic!("the computation of a metric panicked"),
                }
            }
        })
    }

    /// Computes something for each group of `size` images of the split, in parallel, in their order, and tells the progress.
    pub(crate) fn each<R: Send>(
        &self,
        size: usize,
        watch: &mut dyn Watch,
        task: impl Fn(&Worker<Host>, Chosen<'_>) -> Result<R, DeviceError> + Sync,
    ) -> Result<Vec<R>, EvaluateError> {
        self.each_of(self.split, size, watch, task)
    }

    fn each_of<R: Send>(
        &self,
        split: Split,
        size: usize,
        watch: &mut dyn Watch,
        task: impl Fn(&Worker<Host>, Chosen<'_>) -> Result<R, DeviceError> + Sync,
    ) -> Result<Vec<R>, EvaluateError> {
        let images = self.worker.images_of(split);
        let indices: Vec<u32> = (0..images.len() as u32).collect();
        let groups: Vec<&[u32]> = indices.chunks(size).collect();
        let mut results = Vec::with_capacity(groups.len());
        // Enough groups for all threads, but few enough to stop soon.
        for part in groups.chunks(8 * self.pool.current_num_threads()) {
            part.iter().for_each(|group| images.read_ahead(group));
            let task = |worker: &Worker<Host>, indices: &[u32]| task(worker, Chosen { split, indices });
            results.extend(self.execute(part.to_vec(), task)?);
            if !watch.progress(Some(results.len() as f64 / groups.len() as f64)) {
                return Err(EvaluateError::Stopped);
            }
        }
        Ok(results)
    }

    /// The posteriors of the images of the split, encoded once.
    pub(crate) fn posteriors(&self, watch: &mut dyn Watch) -> Result<&Posteriors, EvaluateError> {
        self.posteriors_of(self.split, watch)
    }

    /// The posteriors of the images of a split, encoded once.
    pub(crate) fn posteriors_of(&self, split: Split, watch: &mut dyn Watch) -> Result<&Posteriors, EvaluateError> {
        let [train, validation, test] = &self.posteriors;
        let place = match split {
            Split::Train => train,
            Split::Validation => validation,
            Split::Test => test,
        };
        if let Some(known) = place.get() {
            return Ok(known);
        }
        let parts = self.each_of(split, self.micro_batch, watch, |worker, chosen| worker.posteriors(chosen))?;
        let mut all = Posteriors::default();
        for part in parts {
            all.mean.extend(part.mean);
            all.log_variance.extend(part.log_variance);
        }
        Ok(place.get_or_init(|| all))
    }

    /// The columns of the data that are factors: those with two values or more, but not so many that they are numbers of images.
    fn factor_columns(&self) -> impl Iterator<Item = &Column> {
        let columns = self.worker.images_of(Split::Train).columns();
        columns.iter().filter(|column| (2..=FACTOR_VALUES).contains(&column.size))
    }

    /// The names of the factors.
    pub(crate) fn factor_names(&self) -> Vec<&str> {
        self.factor_columns().map(|column| column.name.as_str()).collect()
    }

    /// The values of a factor for the images of a split.
    fn values_of(&self, column: &Column, split: Split) -> Vec<u16> {
        let images = self.worker.images_of(split);
        let own = images.columns().iter().find(|own| own.name == column.name);
        let values = own.map_or(Vec::new(), |own| images.values_of(own));
        // The sizes of factors are limited.
        values.into_iter().map(|value| u16::try_from(value).unwrap_or(u16::MAX)).collect()
    }

    /// The labels of the images of a split.
    pub(crate) fn labels(&self, split: Split) -> Vec<Factor> {
        let factor = |column: &Column| {
            let values = self.values_of(column, split);
            Factor { name: column.name.clone(), size: column.size as usize, values }
        };
        self.factor_columns().map(factor).collect()
    }

    /// Codes from the prior, (count, Latent).
    pub(crate) fn prior_codes(&self, count: usize) -> Result<Codes, DeviceError> {
        let values = self.worker.prior_codes(count, self.settings.seed, 1.0)?;
        Ok(Codes { latent: self.worker.latent(), values })
    }

    /// The samples of codes, (Codes, Values), of which the first one has this number: their expected values or, for binarized images,
    /// pixels drawn with them.
    pub(crate) fn samples(&self, codes: &[f32], first: usize) -> Result<Vec<f32>, DeviceError> {
        let parts = codes.chunks(self.micro_batch * self.worker.latent()).collect();
        let mut samples = self.execute(parts, |worker, codes: &[f32]| worker.decode(codes))?.concat();
        let PixelMap { binarize, range: [black, white], .. } = self.worker.pixels;
        if binarize != Binarize::None {
            for (sample, number) in samples.chunks_mut(self.images().shape().values()).zip(first..) {
                let mut stream = Stream::new(self.settings.seed, Purpose::Evaluation, PIXELS, number as u64);
                for value in sample {
                    let share = (*value - black) / (white - black);
                    *value = if stream.uniform() < share { white } else { black };
                }
            }
        }
        Ok(samples)
    }

    /// The codes of the first images of a split, at most `most`, with their labels.
    pub(crate) fn labelled(
        &self,
        split: Split,
        most: usize,
        watch: &mut dyn Watch,
    ) -> Result<(Codes, Vec<Factor>), EvaluateError> {
        let latent = self.worker.latent();
        let mut values = self.posteriors_of(split, watch)?.mean.clone();
        values.truncate(most.saturating_mul(latent));
        let mut labels = self.labels(split);
        labels.iter_mut().for_each(|label| label.values.truncate(most));
        Ok((Codes { latent, values }, labels))
    }

    /// The codes of all images with their factors, encoded once.
    pub(crate) fn whole(&self, watch: &mut dyn Watch) -> Result<&Whole, EvaluateError> {
        if let Some(known) = self.whole.get() {
            return Ok(known);
        }
        let latent = self.worker.latent();
        let (mut mean, mut log_variance) = (Vec::new(), Vec::new());
        for split in Split::ALL {
            let posteriors = self.posteriors_of(split, watch)?;
            mean.extend_from_slice(&posteriors.mean);
            log_variance.extend_from_slice(&posteriors.log_variance);
        }
        let factor = |column: &Column| {
            let values = Split::ALL.into_iter().flat_map(|split| self.values_of(column, split)).collect();
            Factor { name: column.name.clone(), size: column.size as usize, values }
        };
        let factors = self.factor_columns().map(factor).collect();
        let codes = |values| Codes { latent, values };
        Ok(self.whole.get_or_init(|| Whole { codes: codes(mean), log_variances: codes(log_variance), factors }))
    }
}
