//! The inputs of a training.

use super::worker::bits_offset;
use super::{Initial, TrainSettings};
use crate::data::{self, Dataset, PixelMap};
use crate::metrics::Split;
use crate::model::architecture::{Architecture, PosteriorKind};
use crate::objective;
use crate::random::{Purpose, Stream, shuffled};

/// The inputs of a training.
#[derive(Clone, Copy, Debug)]
pub struct Training<'a> {
    /// The seed of all random numbers.
    pub seed: u64,
    /// The mapping of values.
    pub data: &'a data::DataSettings,
    /// The images.
    pub dataset: &'a Dataset,
    /// The network.
    pub architecture: &'a Architecture,
    /// The loss.
    pub objective: &'a objective::ObjectiveSettings,
    /// The optimizer, the learning rate and the number of epochs.
    pub train: &'a TrainSettings,
    /// The weights that training starts with; `None` for drawn ones.
    pub initial: Option<&'a Initial>,
}

impl Training<'_> {
    /// The number of steps per epoch; the last step may have fewer images.
    pub fn steps_per_epoch(&self) -> u64 {
        (self.dataset.train.len() as u64).div_ceil(self.train.batch_size)
    }

    /// Whether its epochs have a number of bits per value.
    pub fn has_bits_per_dim(&self) -> bool {
        let pixels = PixelMap::new(self.data, self.dataset.stored, self.seed);
        let has_kl = self.architecture.posterior != PosteriorKind::None;
        has_kl && bits_offset(self.architecture.likelihood, &pixels, self.dataset.is_grey).is_some()
    }
}

/// The values of some training images, (Images, Values): the first ones in an order of their own, again from the start if there are
/// fewer.
pub(super) fn first_images(dataset: &Dataset, pixels: &PixelMap, seed: u64, count: usize) -> Vec<f32> {
    let order = shuffled(Stream::new(seed, Purpose::Prior, 0, 1), dataset.train.len() as u32);
    let chosen: Vec<u32> = order.into_iter().cycle().take(count).collect();
    let mut values = vec![0.0; chosen.len() * dataset.train.shape().values()];
    pixels.fill(&dataset.train, &chosen, Split::Train, 0, &mut values);
    values
}
