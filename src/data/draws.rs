//! How the values of images are computed, for a device that computes them itself.

use super::{Binarize, PixelMap};
use crate::metrics::Split;
use crate::random::Purpose;

/// How a value is computed; the numbers are those of `tensor/backend/card/kernels/images.cuh`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mapping {
    /// By its place between black and white.
    Linear = 0,
    /// By the half that it is in.
    Threshold = 1,
    /// At random.
    Drawn = 2,
    /// With noise from 0 to 1.
    Spread = 3,
}

/// How the values of images of a split are computed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Draws {
    pub(crate) mapping: Mapping,
    /// The seed, the purpose and the epoch of the draws.
    pub(crate) address: Option<(u64, Purpose, u64)>,
    /// The seed of the draws that mirror images.
    pub(crate) flips: Option<u64>,
}

impl PixelMap {
    /// How the values of images of a split are computed.
    pub(crate) fn draws(&self, split: Split, epoch: u64) -> Draws {
        let address = self.address(split, epoch);
        let mapping = match (&address, self.binarize) {
            (None, Binarize::None) => Mapping::Linear,
            (None, _) => Mapping::Threshold,
            (Some(_), _) if self.dequantize => Mapping::Spread,
            (Some(_), _) => Mapping::Drawn,
        };
        Draws { mapping, address, flips: (self.flip && split == Split::Train).then_some(self.seed) }
    }
}
