//! The VampPrior (Tomczak and Welling 2018): the mean of the posteriors of learned images, the pseudo-inputs.

use super::{COMPONENTS, LivePrior, Prior, Start};
use crate::model::Vae;
use crate::model::code::{Bounds, Code};
use crate::model::parameters::{Initial, Module, Visit, Visitor};
use crate::random::{Purpose, Stream};
use crate::settings::{Choices, Key, Keys, Kind, Word};
use crate::tensor::backend::{Array, Backend, Combine, DeviceError, Parameter};
use crate::tensor::dims::{Components, Dim, Own};
use crate::tensor::kernels::Buffer;
use dfdx::tensor::Tape;

/// The prior. Pseudo-inputs are clipped to the interval of the data, without a gradient beyond it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Vamp {
    components: usize,
    from: Beginning,
    /// The interval of the data.
    range: [f32; 2],
}

/// What the pseudo-inputs are at the start.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Beginning {
    Noise,
    Data,
}

const PSEUDO_INPUTS: Key = Key::new("pseudo_inputs", "What the pseudo-inputs are at the start of training.")
    .also("pseudoinputs pseudo_inputs_init use_training_data_init pseudoinputs_mean")
    .example("\"data\"");

static NOISE: Kind<Beginning> = Kind::new(
    "noise",
    "Each value is drawn from N(0.05, 0.01^2), as fractions of `data.range`: as the authors do for MNIST.",
    |_| Beginning::Noise,
)
.also("random normal");
static DATA: Kind<Beginning> = Kind::new(
    "data",
    "Training images, with noise of the standard deviation 0.01, as a fraction of `data.range`.",
    |_| Beginning::Data,
)
.also("training_data images");
static BEGINNINGS: Choices<Beginning> = Choices(&[&NOISE, &DATA]);

/// The mean and the standard deviation of noise, as fractions of the interval of the data.
const MEAN: f32 = 0.05;
const DEVIATION: f32 = 0.01;

impl Prior for Vamp {
    type Live<V: Dim, L: Dim, B: Backend> = LiveVamp<V, B>;

    const WORD: Word = Word {
        name: "vamp",
        doc: "The mean of the posteriors of `components` learned images (VampPrior, Tomczak and Welling 2018); the KL is that of \
              the sampled code.",
        also: "vampprior vamp_prior",
    };

    fn read(keys: &mut Keys<'_>) -> Vamp {
        let components = keys.whole(COMPONENTS, 1, super::MOST, 500) as usize;
        Vamp { components, from: keys.choice(PSEUDO_INPUTS, &BEGINNINGS, &NOISE), range: [0.0, 1.0] }
    }

    fn on(self, range: [f32; 2]) -> Vamp {
        Vamp { range, ..self }
    }

    fn components(&self) -> usize {
        self.components
    }

    fn encodes(&self) -> bool {
        true
    }

    fn parameters(&self, values: usize, _: usize) -> u128 {
        self.components as u128 * values as u128
    }

    fn build<V: Dim, L: Dim, B: Backend>(
        &self,
        device: &B::Device,
        values: V,
        _: L,
    ) -> Result<LiveVamp<V, B>, DeviceError> {
        let pseudo_inputs = Parameter::zeros(device, (Components(self.components), values))?;
        Ok(LiveVamp { settings: *self, pseudo_inputs })
    }
}

/// The prior with its pseudo-inputs.
pub(in crate::model) struct LiveVamp<V: Dim, B: Backend> {
    settings: Vamp,
    /// Images before they are clipped, (Components, Values).
    pseudo_inputs: Parameter<(Components, V), B>,
}

impl<V: Dim, B: Backend> Module<B> for LiveVamp<V, B> {
    fn visit(&mut self, path: &str, visitor: &mut Visitor<'_, B>) {
        let name = format!("{path}.pseudo_inputs");
        visitor(Visit { name, initial: Initial::Zero, parameter: &mut self.pseudo_inputs });
    }
}

impl<V: Dim, L: Dim, B: Backend> LivePrior<V, L, B> for LiveVamp<V, B> {
    fn initialize(&mut self, start: Start<'_>) {
        let (count, values) = self.pseudo_inputs.shape();
        let [low, high] = self.settings.range;
        let mut noise = vec![0.0; count.0 * values.size()];
        Stream::new(start.seed, Purpose::Prior, 0, 0).fill_normal(&mut noise);
        let places = match self.settings.from {
            Beginning::Noise => vec![low + (high - low) * MEAN; noise.len()],
            Beginning::Data => (start.images)(count.0),
        };
        let values = places.iter().zip(noise).map(|(place, noise)| place + (high - low) * DEVIATION * noise);
        self.pseudo_inputs.set(values.collect());
    }

    fn components<H: Dim, O: Dim, T: Tape<f32, B::Recorder>>(
        &self,
        model: &Vae<V, H, L, O, B>,
        device: &B::Device,
        tape: T,
    ) -> Result<Option<Array<(Own,), B, T>>, DeviceError>
    where
        B: Combine,
    {
        let images = B::pointwise(&Bounds(self.settings.range), B::recorded(&self.pseudo_inputs, tape)?, None)?;
        let Code::Gaussian { mean, log_variance, .. } = model.encode(images)? else {
            return Err(DeviceError::new("a VampPrior needs a distribution as posterior"));
        };
        let (count, latent) = mean.shape();
        let all = (Own(count.0 * latent.size()),);
        let (log_variance, tape) = log_variance.relabel(all)?.split_tape();
        let logits = Array::new(device, Buffer::filled(count.0, 0.0), (Own(count.0),))?;
        B::join(vec![mean.relabel(all)?, log_variance, logits], tape).map(Some)
    }

    fn pictures(&self) -> Vec<f32> {
        let [low, high] = self.settings.range;
        self.pseudo_inputs.values().iter().map(|value| value.clamp(low, high)).collect()
    }
}
