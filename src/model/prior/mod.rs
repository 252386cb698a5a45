//! Priors p(z) of codes. Each has a file and a line in `priors!`.
//!
//! All but the standard normal distribution are mixtures of normal distributions; their KL is that of sampled codes.

mod components;
mod mixture;
mod standard;
mod vamp;

pub use components::{MixtureNumbers, draw, mixture_components, mixture_places};
pub(crate) use standard::WORD as STANDARD_PRIOR;

use super::Vae;
use super::parameters::{Module, Visitor};
use crate::settings::{Choices, Key, Keys, Kind, Word};
use crate::tensor::backend::{Array, Backend, Combine, DeviceError};
use crate::tensor::dims::{Dim, Own};
use dfdx::tensor::Tape;

/// A prior with its settings, without parameters.
pub(super) trait Prior: Copy + std::fmt::Debug + PartialEq {
    /// The prior with its parameters.
    type Live<V: Dim, L: Dim, B: Backend>: LivePrior<V, L, B>;

    /// Its name in a spec.
    const WORD: Word;

    /// Reads its own keys.
    fn read(keys: &mut Keys<'_>) -> Self;

    /// The same prior, where the values of images are in this interval.
    #[must_use]
    fn on(self, _range: [f32; 2]) -> Self {
        self
    }

    /// The number of its components; 0 for the standard normal distribution.
    fn components(&self) -> usize;

    /// Whether its components are posteriors of images, so that each step encodes as many more images.
    fn encodes(&self) -> bool {
        false
    }

    /// The number of its trained values, with this number of values of an image and of latent axes.
    fn parameters(&self, values: usize, latent: usize) -> u128;

    /// The prior with all parameters 0.
    ///
    /// # Errors
    /// The device is out of memory.
    fn build<V: Dim, L: Dim, B: Backend>(
        &self,
        device: &B::Device,
        values: V,
        latent: L,
    ) -> Result<Self::Live<V, L, B>, DeviceError>;
}

/// What initial parameters are made from.
#[derive(Clone, Copy)]
pub struct Start<'a> {
    /// The seed of random numbers.
    pub seed: u64,
    /// The values of this number of training images, (Images, Values).
    pub images: &'a dyn Fn(usize) -> Vec<f32>,
}

/// A prior with its parameters.
pub(super) trait LivePrior<V: Dim, L: Dim, B: Backend>: Module<B> {
    /// Sets the parameters to their initial values.
    fn initialize(&mut self, start: Start<'_>);

    /// The numbers that determine the density, as [`MixtureNumbers`] has them, recorded; `None` for the standard normal distribution.
    fn components<H: Dim, O: Dim, T: Tape<f32, B::Recorder>>(
        &self,
        model: &Vae<V, H, L, O, B>,
        device: &B::Device,
        tape: T,
    ) -> Result<Option<Array<(Own,), B, T>>, DeviceError>
    where
        B: Combine;

    /// The images whose posteriors the components are, (Components, Values); empty if they are none.
    fn pictures(&self) -> Vec<f32> {
        Vec::new()
    }
}

/// The list of priors, each with its module; everything that depends on the list is generated here.
macro_rules! priors {
    ($($name:ident in $file:ident,)+) => {
        $(use $file::$name;)+

        /// A prior with its settings.
        #[derive(Clone, Copy, Debug, PartialEq)]
        pub enum PriorKind {
            $(#[doc = concat!("That of `", stringify!($file), ".rs`.")] $name($name),)+
        }

        impl PriorKind {
            /// Its name in a spec.
            pub fn name(&self) -> &'static str {
                match self { $(PriorKind::$name(_) => <$name as Prior>::WORD.name,)+ }
            }

            /// The same prior, where the values of images are in this interval.
            #[must_use]
            pub fn on(self, range: [f32; 2]) -> PriorKind {
                match self { $(PriorKind::$name(one) => PriorKind::$name(Prior::on(one, range)),)+ }
            }

            /// The number of its components; 0 for the standard normal distribution.
            pub fn components(&self) -> usize {
                match self { $(PriorKind::$name(one) => Prior::components(one),)+ }
            }

            /// Whether its components are posteriors of images, so that each step encodes as many more images.
            pub fn encodes(&self) -> bool {
                match self { $(PriorKind::$name(one) => Prior::encodes(one),)+ }
            }

            /// The number of its trained values, with this number of values of an image and of latent axes.
            pub fn parameters(&self, values: usize, latent: usize) -> u128 {
                match self { $(PriorKind::$name(one) => Prior::parameters(one, values, latent),)+ }
            }

            pub(super) fn build<V: Dim, L: Dim, B: Backend>(
                &self,
                device: &B::Device,
                values: V,
                latent: L,
            ) -> Result<PriorHead<V, L, B>, DeviceError> {
                match self { $(PriorKind::$name(one) => Prior::build::<V, L, B>(one, device, values, latent).map(PriorHead::$name),)+ }
            }
        }

        /// A prior with its parameters.
        pub(super) enum PriorHead<V: Dim, L: Dim, B: Backend> {
            $($name(<$name as Prior>::Live<V, L, B>),)+
        }

        impl<V: Dim, L: Dim, B: Backend> Module<B> for PriorHead<V, L, B> {
            fn visit(&mut self, path: &str, visitor: &mut Visitor<'_, B>) {
                match self { $(PriorHead::$name(one) => one.visit(path, visitor),)+ }
            }
        }

        impl<V: Dim, L: Dim, B: Backend> PriorHead<V, L, B> {
            /// Sets the parameters to their initial values.
            pub(super) fn initialize(&mut self, start: Start<'_>) {
                match self { $(PriorHead::$name(one) => LivePrior::<V, L, B>::initialize(one, start),)+ }
            }

            /// The numbers that determine the density.
            pub(super) fn components<H: Dim, O: Dim, T: Tape<f32, B::Recorder>>(
                &self,
                model: &Vae<V, H, L, O, B>,
                device: &B::Device,
                tape: T,
            ) -> Result<Option<Array<(Own,), B, T>>, DeviceError>
            where
                B: Combine,
            {
                match self { $(PriorHead::$name(one) => LivePrior::<V, L, B>::components(one, model, device, tape),)+ }
            }

            /// The images whose posteriors the components are, (Components, Values); empty if they are none.
            pub(super) fn pictures(&self) -> Vec<f32> {
                match self { $(PriorHead::$name(one) => LivePrior::<V, L, B>::pictures(one),)+ }
            }
        }

        /// The priors that a spec can choose; the first one is the default.
        pub(super) static PRIORS: Choices<PriorKind> = Choices(&[
            $(&Kind { word: <$name as Prior>::WORD, read: |keys| PriorKind::$name(<$name as Prior>::read(keys)) }),+
        ]);
    };
}

priors! {
    Standard in standard,
    Mixture in mixture,
    Vamp in vamp,
}

/// The key of all learned priors.
const COMPONENTS: Key = Key::new("components", "The number of components of the prior.")
    .also("n_components num_components number_components prior_components k_components")
    .example("100");
/// The largest number of components.
const MOST: u64 = 1 << 16;
