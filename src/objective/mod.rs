//! The loss, in nats and in the unit that the spec chooses. Each objective has a file and a line in `objectives!`.

mod batch;
mod coupling;
mod covariance;
mod densities;
mod discriminator;
mod estimator;
mod evaluate;
mod free_bits;
mod importance;
mod kl;
mod mmd;
mod own;
mod sampled_kl;
mod settings;
mod term;

pub use batch::{BatchCodes, CodeParts, Coupled, Draws, RowTerms, RowValues, RowWeights};
pub use evaluate::{Form, FromBatch, KlForm, Learned, Measured, learn, measure, measure_code};
pub(crate) use evaluate::{PriorNumbers, encode};
pub use importance::BOUND_NATS;
pub use own::{OwnCost, OwnParameters, Owned};
pub use settings::ObjectiveSettings;
pub use term::Term;

use crate::model::architecture::PosteriorScale;
use crate::optimizer::Learn;
use crate::settings::{Choices, Keys, Kind, Problem, Word};
use crate::tensor::backend::{Combine, DeviceError};
use crate::tensor::dims::Dim;
use std::fmt::Debug;

/// A point of training, and the sizes that losses depend on.
#[derive(Clone, Copy, Debug)]
pub struct At {
    /// The number of steps before it.
    pub step: u64,
    /// The number of steps per epoch.
    pub steps_per_epoch: u64,
    /// The number of images of the split.
    pub images: usize,
    /// The number of values of an image.
    pub values: usize,
    /// The number of latent axes.
    pub latent: usize,
}

impl At {
    /// A point after every warm-up and ramp; its number of epochs is infinite.
    pub fn after_all(images: usize, values: usize, latent: usize) -> At {
        At { step: u64::MAX, steps_per_epoch: 0, images, values, latent }
    }

    /// The number of epochs so far, with fractions.
    pub fn epochs(&self) -> f64 {
        self.step as f64 / self.steps_per_epoch as f64
    }
}

/// The weights of the terms of an image in the mean loss.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Weights {
    /// The loss per nat of reconstruction.
    pub scale: f64,
    /// The weight of the KL relative to the reconstruction. 0 removes it, even if the KL is infinite.
    pub beta: f64,
}

/// The mean terms of images.
#[derive(Clone, Copy, Debug)]
pub struct MeanTerms<'a> {
    /// -log p(x|z), nats.
    pub recon_nats: f64,
    /// KL(q(z|x) || p(z)), nats.
    pub kl_nats: f64,
    /// The objective's own terms, in the order of [`Loss::terms`].
    pub own: &'a [f64],
}

impl MeanTerms<'_> {
    /// An own term, by its place in [`Loss::terms`]; NaN if it was not measured.
    fn own(&self, place: usize) -> f64 {
        self.own.get(place).copied().unwrap_or(f64::NAN)
    }
}

/// A term with its weight. A weight of 0 removes the term, even if it is infinite.
fn weighted(weight: f64, nats: f64) -> f64 {
    if weight == 0.0 { 0.0 } else { weight * nats }
}

/// What the metrics say about an objective at a point of training; `None` for what it does not have.
#[derive(Clone, Copy, Debug, Default)]
pub struct Scheduled {
    /// The weight of the KL term, in the unit of the loss.
    pub kl_weight: Option<f64>,
    /// The weight of the KL relative to the reconstruction.
    pub effective_beta: Option<f64>,
    /// The KL that the objective aims at, nats.
    pub capacity_nats: Option<f64>,
}

impl Scheduled {
    /// Of an objective in nats that has a KL with this weight.
    fn of_kl(weight: f64) -> Scheduled {
        Scheduled { kl_weight: Some(weight), effective_beta: Some(weight), capacity_nats: None }
    }
}

/// The loss of an objective, from mean terms.
pub trait Loss: Debug + Send + Sync {
    /// The weights of the terms of an image.
    fn weights(&self, at: At) -> Weights;

    /// The mean loss of images, from their mean terms.
    fn loss(&self, terms: MeanTerms<'_>, at: At) -> f64;

    /// Its own terms that the metrics report.
    fn terms(&self) -> &'static [&'static Term] {
        &[]
    }

    /// Whether codes are drawn to the prior without a KL, so that there is one even for a plain autoencoder.
    fn has_prior(&self) -> bool {
        false
    }

    /// The number of codes that are drawn for an image.
    fn samples(&self) -> usize {
        1
    }

    /// How codes are drawn, and which KL they need; `has_kl` if the KL has a weight.
    fn form(&self, has_kl: bool) -> Form {
        let kl = if has_kl { KlForm::Closed } else { KlForm::None };
        Form { samples: self.samples(), kl }
    }

    /// The sums over some images of its own terms that are of single images; empty if it has none.
    fn row_terms(&self, _rows: RowValues<'_>) -> Vec<f64> {
        Vec::new()
    }

    /// What the metrics say about it.
    fn scheduled(&self, at: At) -> Scheduled;

    /// Probable mistakes in its settings, for a training that ends at `end`.
    fn warnings(&self, _end: At) -> Vec<Problem> {
        Vec::new()
    }
}

/// An objective: the loss, and how a step computes its gradient. Terms of one image are computed in the micro-batch of the image.
/// Terms that couple the images of a batch are computed from the codes of all images, before the gradient; their gradients with
/// respect to the codes are constants in the micro-batches.
pub trait Objective: Loss + Clone + 'static {
    /// Parameters of its own, with their optimizer; `()` without.
    type Own<B: Learn + Combine>: OwnParameters<B>;

    /// Its own parameters at the start of training.
    ///
    /// # Errors
    /// The device failed. The same holds for all methods.
    fn own<B: Learn + Combine>(
        &self,
        device: &B::Device,
        latent: usize,
        seed: u64,
    ) -> Result<Self::Own<B>, DeviceError>;

    /// What its own parameters cost, with this number of latent axes.
    fn own_cost(&self, _latent: usize) -> OwnCost {
        OwnCost::default()
    }

    /// Whether a step needs the codes of the whole batch: for [`Objective::couple`] and [`Objective::train_own`].
    fn couples(&self) -> bool {
        false
    }

    /// Whether a step also needs the codes of a second batch: [`BatchCodes::second`].
    fn needs_second_batch(&self) -> bool {
        false
    }

    /// The terms that couple the images of a batch, and their gradients.
    fn couple<B: Learn + Combine>(
        &self,
        _device: &B::Device,
        _own: &Self::Own<B>,
        _codes: BatchCodes<'_, B>,
        _at: At,
        _draws: Draws,
    ) -> Result<Option<Coupled<B>>, DeviceError> {
        Ok(None)
    }

    /// Changes its own parameters after a step, from the codes of the batch.
    fn train_own<B: Learn + Combine>(
        &self,
        _own: &mut Self::Own<B>,
        _pool: &rayon::ThreadPool,
        _codes: BatchCodes<'_, B>,
        _draws: Draws,
    ) -> Result<(), DeviceError> {
        Ok(())
    }

    /// Whether images have weights of their own: [`Objective::row_weights`].
    fn has_row_weights(&self) -> bool {
        false
    }

    /// Whether [`RowWeights::prior`] differs from the weights of the KL.
    fn has_prior_weights(&self) -> bool {
        false
    }

    /// The weights of images; `weights` are those that all would have.
    fn row_weights<N: Dim, B: Combine>(
        &self,
        terms: RowTerms<'_, N, B>,
        weights: Weights,
    ) -> Result<RowWeights<N, B>, DeviceError> {
        Ok(RowWeights::of_terms(&terms, weights, self.samples()))
    }
}

/// A kind of objective in a spec.
trait Choose: Objective {
    /// Its name in a spec.
    const WORD: Word;

    /// All own terms that it can have.
    const TERMS: &'static [&'static Term] = &[];

    /// Whether its loss depends on the sizes of batch and code in a way that has nothing to do with the quality of a model: such
    /// losses are not comparable.
    const DEPENDS_ON_SIZES: bool = false;

    /// Reads its own keys.
    fn read(keys: &mut Keys<'_>) -> Self;

    /// How the second output of the encoder gives the standard deviation of the posterior when sampling.
    fn posterior_scale(&self) -> PosteriorScale {
        PosteriorScale::LogVar
    }
}

/// The list of objectives, each with its module; everything that depends on the list is generated here.
macro_rules! objectives {
    ($($name:ident in $file:ident,)+) => {
        $(mod $file;)+
        $(pub use $file::$name;)+

        /// An objective with its settings.
        #[derive(Clone, Debug, PartialEq)]
        pub enum ObjectiveKind {
            $(#[doc = concat!("That of `", stringify!($file), ".rs`.")] $name($name),)+
        }

        impl ObjectiveKind {
            /// Its name in a spec.
            pub fn name(&self) -> &'static str {
                match self { $(ObjectiveKind::$name(_) => <$name as Choose>::WORD.name,)+ }
            }

            /// How the second output of the encoder gives the standard deviation of the posterior when sampling.
            pub fn posterior_scale(&self) -> PosteriorScale {
                match self { $(ObjectiveKind::$name(one) => one.posterior_scale(),)+ }
            }
        }

        impl Loss for ObjectiveKind {
            fn weights(&self, at: At) -> Weights {
                match self { $(ObjectiveKind::$name(one) => one.weights(at),)+ }
            }

            fn loss(&self, terms: MeanTerms<'_>, at: At) -> f64 {
                match self { $(ObjectiveKind::$name(one) => one.loss(terms, at),)+ }
            }

            fn terms(&self) -> &'static [&'static Term] {
                match self { $(ObjectiveKind::$name(one) => one.terms(),)+ }
            }

            fn has_prior(&self) -> bool {
                match self { $(ObjectiveKind::$name(one) => one.has_prior(),)+ }
            }

            fn samples(&self) -> usize {
                match self { $(ObjectiveKind::$name(one) => one.samples(),)+ }
            }

            fn form(&self, has_kl: bool) -> Form {
                match self { $(ObjectiveKind::$name(one) => one.form(has_kl),)+ }
            }

            fn row_terms(&self, rows: RowValues<'_>) -> Vec<f64> {
                match self { $(ObjectiveKind::$name(one) => one.row_terms(rows),)+ }
            }

            fn scheduled(&self, at: At) -> Scheduled {
                match self { $(ObjectiveKind::$name(one) => one.scheduled(at),)+ }
            }

            fn warnings(&self, end: At) -> Vec<Problem> {
                match self { $(ObjectiveKind::$name(one) => one.warnings(end),)+ }
            }
        }

        /// The own parameters of an objective.
        pub enum OwnOfKind<B: Learn + Combine> {
            $(#[doc = concat!("That of `", stringify!($file), ".rs`.")] $name(<$name as Objective>::Own<B>),)+
        }

        impl<B: Learn + Combine> OwnParameters<B> for OwnOfKind<B> {
            fn each(
                &mut self,
                visit: &mut dyn FnMut(&mut dyn crate::model::parameters::Module<B>, &mut B::Learner),
            ) {
                match self { $(OwnOfKind::$name(own) => own.each(visit),)+ }
            }
        }

        impl Objective for ObjectiveKind {
            type Own<B: Learn + Combine> = OwnOfKind<B>;

            fn own<B: Learn + Combine>(
                &self,
                device: &B::Device,
                latent: usize,
                seed: u64,
            ) -> Result<OwnOfKind<B>, DeviceError> {
                match self {
                    $(ObjectiveKind::$name(one) => one.own::<B>(device, latent, seed).map(OwnOfKind::$name),)+
                }
            }

            fn own_cost(&self, latent: usize) -> OwnCost {
                match self { $(ObjectiveKind::$name(one) => one.own_cost(latent),)+ }
            }

            fn couples(&self) -> bool {
                match self { $(ObjectiveKind::$name(one) => one.couples(),)+ }
            }

            fn needs_second_batch(&self) -> bool {
                match self { $(ObjectiveKind::$name(one) => one.needs_second_batch(),)+ }
            }

            fn couple<B: Learn + Combine>(
                &self,
                device: &B::Device,
                own: &OwnOfKind<B>,
                codes: BatchCodes<'_, B>,
                at: At,
                draws: Draws,
            ) -> Result<Option<Coupled<B>>, DeviceError> {
                match (self, own) {
                    $((ObjectiveKind::$name(one), OwnOfKind::$name(own)) => one.couple(device, own, codes, at, draws),)+
                    _ => Err(foreign()),
                }
            }

            fn train_own<B: Learn + Combine>(
                &self,
                own: &mut OwnOfKind<B>,
                pool: &rayon::ThreadPool,
                codes: BatchCodes<'_, B>,
                draws: Draws,
            ) -> Result<(), DeviceError> {
                match (self, own) {
                    $((ObjectiveKind::$name(one), OwnOfKind::$name(own)) => one.train_own(own, pool, codes, draws),)+
                    _ => Err(foreign()),
                }
            }

            fn has_row_weights(&self) -> bool {
                match self { $(ObjectiveKind::$name(one) => one.has_row_weights(),)+ }
            }

            fn has_prior_weights(&self) -> bool {
                match self { $(ObjectiveKind::$name(one) => one.has_prior_weights(),)+ }
            }

            fn row_weights<N: Dim, B: Combine>(
                &self,
                terms: RowTerms<'_, N, B>,
                weights: Weights,
            ) -> Result<RowWeights<N, B>, DeviceError> {
                match self { $(ObjectiveKind::$name(one) => one.row_weights(terms, weights),)+ }
            }
        }

        /// Whether the loss of an objective, by its name in a spec, depends on the sizes of batch and code.
        pub fn depends_on_sizes(name: &str) -> bool {
            $((<$name as Choose>::WORD.name == name && <$name as Choose>::DEPENDS_ON_SIZES))||+
        }

        /// Whether losses of trials that differ in a dotted key have different units. `depends_on_sizes` says whether the loss of their
        /// objective depends on the sizes of batch and code.
        pub fn changes_unit_of_loss(key: &str, depends_on_sizes: bool) -> bool {
            key.starts_with("objective.")
                || ["model.likelihood", "model.posterior"].contains(&key)
                || depends_on_sizes && ["train.batch_size", "model.latent_dim"].contains(&key)
        }

        /// The own terms that an objective can have, by its name in a spec; empty for unknown names.
        pub fn terms_of(name: &str) -> &'static [&'static Term] {
            match name { $(_ if <$name as Choose>::WORD.name == name => <$name as Choose>::TERMS,)+ _ => &[] }
        }

        /// The own terms of all objectives; several objectives may have the same.
        const ALL_TERMS: &[&[&Term]] = &[$(<$name as Choose>::TERMS,)+];

        /// The objectives that a spec can choose; the first one is the default.
        static OBJECTIVES: Choices<ObjectiveKind> = Choices(&[
            $(&Kind {
                word: <$name as Choose>::WORD,
                read: |keys| ObjectiveKind::$name(<$name as Choose>::read(keys)),
            }),+
        ]);
    };
}

objectives! {
    Beta in beta,
    Capacity in capacity,
    BetaTc in beta_tc,
    Factor in factor,
    DipI in dip_i,
    DipIi in dip_ii,
    Info in info,
    Wae in wae,
    Iwae in iwae,
    Miwae in miwae,
    Ciwae in ciwae,
    Piwae in piwae,
}

/// The own terms of all objectives, each once.
pub fn all_terms() -> Vec<&'static Term> {
    let mut all: Vec<&'static Term> = Vec::new();
    for term in ALL_TERMS.iter().copied().flatten() {
        if !all.iter().any(|one| one.name == term.name) {
            all.push(term);
        }
    }
    all
}

fn foreign() -> DeviceError {
    DeviceError::new("the parameters are those of another objective")
}
