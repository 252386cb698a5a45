//! The terms of images, and their gradients.
//!
//! Rows are images or, with several samples per image, the samples of the first image, then those of the second, and so on.

use super::sampled_kl::{GradientsOf, SampledKl};
use super::{CodeParts, Objective, RowTerms, RowWeights, Weights};
use crate::model::{Code, Vae};
use crate::tensor::backend::{Array, Backend, Codes, Combine, DeviceError, Grads, Parameter};
use crate::tensor::dims::{Dim, Own};
use dfdx::tensor::{NoneTape, OwnedTape, Tape};

/// How codes are drawn, and which KL they need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Form {
    /// The number of samples per image, at least 1.
    pub samples: usize,
    /// The KL.
    pub kl: KlForm,
}

impl Form {
    /// The same for a prior of which only the density is known, if `is_learned`: the KL is that of samples.
    #[must_use]
    pub fn for_prior(self, is_learned: bool) -> Form {
        match self.kl {
            KlForm::None | KlForm::Closed if is_learned => Form { kl: KlForm::Sampled { by_path: false }, ..self },
            _ => self,
        }
    }
}

/// A KL of posterior and prior.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KlForm {
    /// Not needed, and not computed: an infinite KL times 0 is NaN, and so is its gradient.
    None,
    /// In closed form, one per image.
    Closed,
    /// log q(z|x) - log p(z), one per sample.
    Sampled {
        /// Whether only the path through the samples has a gradient: not the density of the posterior by its own parameters.
        by_path: bool,
    },
}

/// The terms of some images.
pub struct Measured<N: Dim, L: Dim, O: Dim, B: Backend> {
    /// -log p(x|z), nats, `(Rows)`.
    pub recon_nats: Array<(N,), B>,
    /// The sampled KL, nats, `(Rows)`; `None` unless [`Form`] asks for it.
    pub kl_nats: Option<Array<(N,), B>>,
    /// The codes.
    pub codes: Codes<N, L, B>,
    /// The `scale` of a [`Code::Gaussian`]; not used for a plain autoencoder.
    pub deviation_scale: f32,
    /// The outputs of the decoder, (Rows, Outputs).
    pub outputs: Array<(N, O), B>,
}

/// The terms of images `(N, V)` with noise `(Rows, L)`, without gradients. `prior` are the numbers of a learned prior.
///
/// # Errors
/// The device failed.
pub fn measure<N: Dim, V: Dim, H: Dim, L: Dim, O: Dim, B: Combine>(
    model: &Vae<V, H, L, O, B>,
    x: &Array<(N, V), B>,
    noise: &Array<(N, L), B>,
    form: Form,
    prior: Option<&Parameter<(Own,), B>>,
) -> Result<Measured<N, L, O, B>, DeviceError> {
    measure_code(model, model.encode(x.clone())?, x, noise, form, prior)
}

/// As [`measure`], for images that are encoded.
///
/// # Errors
/// The device failed.
pub fn measure_code<N: Dim, V: Dim, H: Dim, L: Dim, O: Dim, B: Combine>(
    model: &Vae<V, H, L, O, B>,
    code: Code<N, L, B, NoneTape>,
    x: &Array<(N, V), B>,
    noise: &Array<(N, L), B>,
    form: Form,
    prior: Option<&Parameter<(Own,), B>>,
) -> Result<Measured<N, L, O, B>, DeviceError> {
    let Encoded { codes, scale, kl, tape, .. } = draw(code, noise, form, PriorNumbers::measured(prior))?;
    let (outputs, tape) = model.decode(codes.z.clone().put_tape(tape))?.split_tape();
    let (recon_nats, _) =
        model.likelihood().nats(outputs.clone().put_tape(tape), &repeated(x, form.samples)?)?.split_tape();
    let kl_nats = kl.filter(|_| matches!(form.kl, KlForm::Sampled { .. }));
    Ok(Measured { recon_nats, kl_nats, codes, deviation_scale: scale, outputs })
}

/// Each row of an array as often as there are samples.
fn repeated<N: Dim, L: Dim, B: Combine>(x: &Array<(N, L), B>, samples: usize) -> Result<Array<(N, L), B>, DeviceError> {
    if samples == 1 { Ok(x.clone()) } else { B::repeat_rows(x.clone(), samples) }
}

/// The codes of images.
pub(crate) struct Encoded<N: Dim, L: Dim, B: Backend, T> {
    /// The samples have a row for each sample, the posteriors one for each image.
    pub(crate) codes: Codes<N, L, B>,
    /// The scale of the deviation.
    scale: f32,
    /// The posterior of each sample.
    posteriors: Option<[Array<(N, L), B>; 2]>,
    /// The KL that the form asks for.
    kl: Option<Array<(N,), B>>,
    tape: T,
}

/// The numbers of a learned prior, and what its sampled KL has gradients for.
pub(crate) struct PriorNumbers<'a, B: Backend> {
    own: Option<&'a Parameter<(Own,), B>>,
    /// `None` if it has none.
    gradients: Option<GradientsOf>,
}

impl<'a, B: Combine> PriorNumbers<'a, B> {
    /// For measuring: without gradients.
    pub(crate) fn measured(own: Option<&'a Parameter<(Own,), B>>) -> PriorNumbers<'a, B> {
        PriorNumbers { own, gradients: None }
    }
}

/// Encodes images, with all operations recorded.
pub(crate) fn encode<N: Dim, V: Dim, H: Dim, L: Dim, O: Dim, B: Combine, T: Tape<f32, B::Recorder>>(
    model: &Vae<V, H, L, O, B>,
    x: &Array<(N, V), B>,
    noise: &Array<(N, L), B>,
    form: Form,
    prior: PriorNumbers<'_, B>,
    tape: T,
) -> Result<Encoded<N, L, B, T>, DeviceError> {
    draw(model.encode(x.clone().put_tape(tape))?, noise, form, prior)
}

/// Draws codes from posteriors, with all operations recorded.
fn draw<N: Dim, L: Dim, B: Combine, T: Tape<f32, B::Recorder>>(
    code: Code<N, L, B, T>,
    noise: &Array<(N, L), B>,
    form: Form,
    prior: PriorNumbers<'_, B>,
) -> Result<Encoded<N, L, B, T>, DeviceError> {
    match code {
        Code::Point(code) => {
            let (code, tape) = code.split_tape();
            let codes = Codes { mean: code.clone(), log_variance: None, z: code };
            Ok(Encoded { codes, scale: 1.0, posteriors: None, kl: None, tape })
        }
        Code::Gaussian { mean, log_variance, scale } => {
            let (log_variance, mut tape) = log_variance.split_tape();
            let mut kl = None;
            if form.kl == KlForm::Closed {
                let (nats, after) = B::kl(&mean, log_variance.clone().put_tape(tape))?.split_tape();
                (kl, tape) = (Some(nats), after);
            }
            // The posterior of each sample.
            let (mut mean_of, mut log_variance_of) = (mean.clone(), log_variance.clone());
            if form.samples > 1 {
                (mean_of, tape) = B::repeat_rows(mean_of.put_tape(tape), form.samples)?.split_tape();
                (log_variance_of, tape) = B::repeat_rows(log_variance_of.put_tape(tape), form.samples)?.split_tape();
            }
            let z = B::reparameterize(&mean_of, log_variance_of.clone().put_tape(tape), noise, scale)?;
            let (z, mut tape) = z.split_tape();
            let mut posteriors = None;
            if let KlForm::Sampled { by_path } = form.kl {
                let components = SampledKl::components_of(prior.own, mean.shape().1.size());
                let codes = Codes { mean: mean_of, log_variance: Some(log_variance_of), z: z.clone() };
                let sampled = |of| SampledKl { components, by_path, of };
                kl = Some(match prior.gradients {
                    // Not recorded: the gradient of an infinite KL times 0 is NaN.
                    None => sampled(GradientsOf::All).nats(&codes, prior.own, NoneTape)?,
                    Some(of) => {
                        let (nats, after) = sampled(of).nats(&codes, prior.own, tape)?.split_tape();
                        tape = after;
                        nats
                    }
                });
                posteriors = codes.log_variance.map(|log_variance| [codes.mean, log_variance]);
            }
            let codes = Codes { mean, log_variance: Some(log_variance), z };
            Ok(Encoded { codes, scale, posteriors, kl, tape })
        }
    }
}

/// What a micro-batch gets from the batch.
pub struct FromBatch<'a, N: Dim, L: Dim, B: Backend> {
    /// The weights of the terms, divided by the number of images of the batch.
    pub weights: Weights,
    /// The gradients of the terms that couple the batch, with respect to the codes of the micro-batch.
    pub coupled: Option<CodeParts<N, L, B>>,
    /// The numbers of a learned prior.
    pub prior: Option<&'a Parameter<(Own,), B>>,
}

/// The terms of a micro-batch of training images that the metrics need.
pub struct Learned<N: Dim, L: Dim, B: Backend> {
    /// -log p(x|z), nats, `(Rows)`.
    pub recon_nats: Array<(N,), B>,
    /// The sampled KL, nats, `(Rows)`; `None` unless [`Form`] asks for it.
    pub kl_nats: Option<Array<(N,), B>>,
    /// The codes.
    pub codes: Codes<N, L, B>,
}

/// Computes the terms of images `(N, V)` with noise `(Rows, L)` and gives the gradients of their part of the mean loss to `read`,
/// once or twice.
///
/// # Errors
/// The device failed.
pub fn learn<J: Objective, N: Dim, V: Dim, H: Dim, L: Dim, O: Dim, B: Combine>(
    objective: &J,
    model: &Vae<V, H, L, O, B>,
    x: &Array<(N, V), B>,
    noise: &Array<(N, L), B>,
    from_batch: FromBatch<'_, N, L, B>,
    read: &mut dyn FnMut(&mut Grads<B>) -> Result<(), DeviceError>,
) -> Result<Learned<N, L, B>, DeviceError> {
    let FromBatch { weights, coupled, prior } = from_batch;
    let (has_kl, has_own) = (weights.beta != 0.0, objective.has_prior_weights());
    let form = objective.form(has_kl).for_prior(prior.is_some());
    let (has_weights, is_kl_sampled) = (objective.has_row_weights(), matches!(form.kl, KlForm::Sampled { .. }));
    let gradients = has_kl.then_some(if has_own { GradientsOf::Codes } else { GradientsOf::All });
    let numbers = PriorNumbers { own: prior, gradients };
    let Encoded { codes, posteriors, kl, mut tape, .. } = encode(model, x, noise, form, numbers, OwnedTape::default())?;
    let x = repeated(x, form.samples)?;
    // The parameters of the prior have other weights than the codes.
    let mut minus_log_prior = None;
    if let Some((own, [mean, log_variance])) = prior.filter(|_| has_kl && has_own).zip(posteriors) {
        let samples = Codes { mean, log_variance: Some(log_variance), z: codes.z.clone() };
        let components = SampledKl::components_of(prior, samples.z.shape().1.size());
        let term = SampledKl { components, by_path: false, of: GradientsOf::Prior };
        let (nats, after) = term.nats(&samples, Some(own), tape)?.split_tape();
        (minus_log_prior, tape) = (Some(nats), after);
    }
    let z = codes.z.clone();
    // With weights for the path through the code, the decoder has a tape of its own, which ends at the code.
    let (of_encoder, of_decoder) = if has_weights { (Some(tape), OwnedTape::default()) } else { (None, tape) };
    let outputs = model.decode(z.put_tape(of_decoder))?;
    let (recon_nats, of_decoder) = model.likelihood().nats(outputs, &x)?.split_tape();
    let terms = RowTerms { recon_nats: &recon_nats, kl_nats: kl.as_ref(), is_kl_sampled };
    let RowWeights { recon, kl: of_kl, path, prior: of_prior } = objective.row_weights(terms, weights)?;
    let mut rows = Vec::new();
    let mut gradients = coupled.map_or(Vec::new(), |coupled| constants(&codes, coupled));
    let mut tape = of_decoder;
    if let Some(of_encoder) = of_encoder {
        let total = B::total::<N, L, _>(vec![(recon_nats.clone(), recon)], Vec::new(), tape)?;
        let mut found = B::backward(total)?;
        let through = B::gradient_of(&mut found, &codes.z)?;
        read(&mut found)?;
        let through = match path {
            Some(path) => B::scale_rows(&through, &path)?,
            None => through,
        };
        gradients.push((codes.z.clone(), through));
        tape = of_encoder;
    } else {
        rows.push((recon_nats.clone(), recon));
    }
    rows.extend(minus_log_prior.zip(of_prior));
    rows.extend(kl.clone().filter(|_| has_kl).map(|kl| (kl, of_kl)));
    let total = B::total(rows, gradients, tape)?;
    read(&mut B::backward(total)?)?;
    let kl_nats = kl.filter(|_| is_kl_sampled);
    Ok(Learned { recon_nats, kl_nats, codes })
}

/// Codes with their constant gradients.
fn constants<N: Dim, L: Dim, B: Combine>(
    codes: &Codes<N, L, B>,
    gradients: CodeParts<N, L, B>,
) -> Vec<(Array<(N, L), B>, Array<(N, L), B>)> {
    let CodeParts { mean, log_variance, z } = gradients;
    let mean = mean.map(|gradient| (codes.mean.clone(), gradient));
    let z = z.map(|gradient| (codes.z.clone(), gradient));
    mean.into_iter().chain(z).chain(codes.log_variance.clone().zip(log_variance)).collect()
}
