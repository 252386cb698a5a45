//! The standard normal distribution.

use super::{LivePrior, Prior, Start};
use crate::model::Vae;
use crate::model::parameters::{Module, Visitor};
use crate::settings::{Keys, Word};
use crate::tensor::backend::{Array, Backend, Combine, DeviceError};
use crate::tensor::dims::{Dim, Own};
use dfdx::tensor::Tape;

/// Its name in a spec.
pub(crate) const WORD: Word = Word {
    name: "standard",
    doc: "The standard normal distribution; the KL is in closed form.",
    also: "normal gaussian standard_normal",
};

/// N(0, I), without parameters: its KL has a closed form.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Standard;

impl Prior for Standard {
    type Live<V: Dim, L: Dim, B: Backend> = Standard;

    const WORD: Word = WORD;

    fn read(_: &mut Keys<'_>) -> Standard {
        Standard
    }

    fn components(&self) -> usize {
        0
    }

    fn parameters(&self, _: usize, _: usize) -> u128 {
        0
    }

    fn build<V: Dim, L: Dim, B: Backend>(&self, _: &B::Device, _: V, _: L) -> Result<Standard, DeviceError> {
        Ok(Standard)
    }
}

impl<B: Backend> Module<B> for Standard {
    fn visit(&mut self, _: &str, _: &mut Visitor<'_, B>) {}
}

impl<V: Dim, L: Dim, B: Backend> LivePrior<V, L, B> for Standard {
    fn initialize(&mut self, _: Start<'_>) {}

    fn components<H: Dim, O: Dim, T: Tape<f32, B::Recorder>>(
        &self,
        _: &Vae<V, H, L, O, B>,
        _: &B::Device,
        _: T,
    ) -> Result<Option<Array<(Own,), B, T>>, DeviceError>
    where
        B: Combine,
    {
        Ok(None)
    }
}
