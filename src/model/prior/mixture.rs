//! A mixture of normal distributions with learned means, variances and weights.

use super::{COMPONENTS, LivePrior, Prior, Start};
use crate::model::Vae;
use crate::model::parameters::{Initial, Module, Visit, Visitor};
use crate::random::{Purpose, Stream};
use crate::settings::{Keys, Word};
use crate::tensor::backend::{Array, Backend, Combine, DeviceError, Parameter};
use crate::tensor::dims::{Components, Dim, Own};
use dfdx::tensor::Tape;

/// The mixture. At the start, the means are drawn from N(0, 0.5^2), so that the components differ; the variances are 1, and the
/// weights are equal.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mixture {
    components: usize,
}

/// The standard deviation of the initial means.
const SPREAD: f32 = 0.5;

impl Prior for Mixture {
    type Live<V: Dim, L: Dim, B: Backend> = LiveMixture<L, B>;

    const WORD: Word = Word {
        name: "mixture",
        doc: "A mixture of `components` normal distributions with learned means, variances and weights; the KL is that of the \
              sampled code.",
        also: "mog gmm gaussian_mixture mixture_of_gaussians",
    };

    fn read(keys: &mut Keys<'_>) -> Mixture {
        Mixture { components: keys.whole(COMPONENTS, 1, super::MOST, 10) as usize }
    }

    fn components(&self) -> usize {
        self.components
    }

    fn parameters(&self, _: usize, latent: usize) -> u128 {
        self.components as u128 * (2 * latent as u128 + 1)
    }

    fn build<V: Dim, L: Dim, B: Backend>(
        &self,
        device: &B::Device,
        _: V,
        latent: L,
    ) -> Result<LiveMixture<L, B>, DeviceError> {
        let count = Components(self.components);
        let of_axes = || Parameter::zeros(device, (count, latent));
        Ok(LiveMixture { mean: of_axes()?, log_variance: of_axes()?, logits: Parameter::zeros(device, (count,))? })
    }
}

/// The mixture with its parameters.
pub(in crate::model) struct LiveMixture<L: Dim, B: Backend> {
    /// Means, (Components, Latent).
    mean: Parameter<(Components, L), B>,
    /// Log-variances, (Components, Latent).
    log_variance: Parameter<(Components, L), B>,
    /// The logarithms of the weights, up to a constant, (Components).
    logits: Parameter<(Components,), B>,
}

impl<L: Dim, B: Backend> Module<B> for LiveMixture<L, B> {
    fn visit(&mut self, path: &str, visitor: &mut Visitor<'_, B>) {
        visitor(Visit { name: format!("{path}.mean"), initial: Initial::Zero, parameter: &mut self.mean });
        visitor(Visit { name: format!("{path}.log_var"), initial: Initial::Zero, parameter: &mut self.log_variance });
        visitor(Visit { name: format!("{path}.logits"), initial: Initial::Zero, parameter: &mut self.logits });
    }
}

impl<V: Dim, L: Dim, B: Backend> LivePrior<V, L, B> for LiveMixture<L, B> {
    fn initialize(&mut self, start: Start<'_>) {
        let (count, latent) = self.mean.shape();
        let mut means = vec![0.0; count.0 * latent.size()];
        Stream::new(start.seed, Purpose::Prior, 0, 0).fill_normal(&mut means);
        means.iter_mut().for_each(|mean| *mean *= SPREAD);
        self.mean.set(means);
    }

    fn components<H: Dim, O: Dim, T: Tape<f32, B::Recorder>>(
        &self,
        _: &Vae<V, H, L, O, B>,
        _: &B::Device,
        tape: T,
    ) -> Result<Option<Array<(Own,), B, T>>, DeviceError>
    where
        B: Combine,
    {
        let (count, latent) = self.mean.shape();
        let all = (Own(count.0 * latent.size()),);
        let (mean, tape) = B::recorded(&self.mean, tape)?.relabel(all)?.split_tape();
        let (log_variance, tape) = B::recorded(&self.log_variance, tape)?.relabel(all)?.split_tape();
        let (logits, tape) = B::recorded(&self.logits, tape)?.relabel((Own(count.0),))?.split_tape();
        B::join(vec![mean, log_variance, logits], tape).map(Some)
    }
}
