//! The terms of images, and their gradients.

use super::{Objective, RowTerms, RowWeights, Weights};
use crate::model::{Code, Vae};
use crate::tensor::backend::{Array, Backend, Codes, Combine, DeviceError, Grads, Parameter, RowWeight};
use crate::tensor::dims::{Dim, Own};
use dfdx::tensor::{NoneTape, OwnedTape, Tape};

/// The terms of some images.
pub struct Terms<N: Dim, L: Dim, O: Dim, B: Backend> {
    /// -log p(x|z) of each image, nats, `(N)`.
    pub recon_nats: Array<(N,), B>,
    /// The codes.
    pub codes: Codes<N, L, B>,
    /// The `scale` of a [`Code::Gaussian`]; not used for a plain autoencoder.
    pub deviation_scale: f32,
    /// The outputs of the decoder.
    pub outputs: Array<(N, O), B>,
}

/// The terms of images `(N, V)` with noise `(N, L)`, without gradients.
///
/// # Errors
/// The device failed.
pub fn measure<N: Dim, V: Dim, H: Dim, L: Dim, O: Dim, B: Combine>(
    model: &Vae<V, H, L, O, B>,
    x: &Array<(N, V), B>,
    noise: &Array<(N, L), B>,
) -> Result<Terms<N, L, O, B>, DeviceError> {
    let (codes, deviation_scale, _, tape) = encode(model, x, noise, false, NoneTape)?;
    let (outputs, tape) = model.decode(codes.z.clone().put_tape(tape))?.split_tape();
    let (recon_nats, _) = model.likelihood().nats(outputs.clone().put_tape(tape), x)?.split_tape();
    Ok(Terms { recon_nats, codes, deviation_scale, outputs })
}

/// Codes, the scale of the deviation, the KL of each image if it is needed, and the tape.
type Encoded<N, L, B, T> = (Codes<N, L, B>, f32, Option<Array<(N,), B>>, T);

/// Encodes images, with all operations recorded.
pub(crate) fn encode<N: Dim, V: Dim, H: Dim, L: Dim, O: Dim, B: Combine, T: Tape<f32, B::Device>>(
    model: &Vae<V, H, L, O, B>,
    x: &Array<(N, V), B>,
    noise: &Array<(N, L), B>,
    needs_kl: bool,
    tape: T,
) -> Result<Encoded<N, L, B, T>, DeviceError> {
    match model.encode(x.clone().put_tape(tape))? {
        Code::Point(code) => {
            let (code, tape) = code.split_tape();
            Ok((Codes { mean: code.clone(), log_variance: None, z: code }, 1.0, None, tape))
        }
        Code::Gaussian { mean, log_variance, scale } => {
            let (log_variance, mut tape) = log_variance.split_tape();
            let mut kl = None;
            // If it is not needed, it is not computed: an infinite KL times 0 is NaN, and so is its gradient.
            if needs_kl {
                let (nats, after) = B::kl(&mean, log_variance.clone().put_tape(tape))?.split_tape();
                (kl, tape) = (Some(nats), after);
            }
            let z = B::reparameterize(&mean, log_variance.clone().put_tape(tape), noise, scale)?;
            let (z, tape) = z.split_tape();
            Ok((Codes { mean, log_variance: Some(log_variance), z }, scale, kl, tape))
        }
    }
}

/// What a micro-batch gets from the batch.
pub struct FromBatch<'a, N: Dim, L: Dim, B: Backend> {
    /// The weights of the terms, divided by the number of images of the batch.
    pub weights: Weights,
    /// The gradients of the terms that couple the batch, with respect to the codes of the micro-batch.
    pub coupled: Option<Codes<N, L, B>>,
    /// The shared values.
    pub shared: Option<&'a Parameter<(Own,), B>>,
}

/// The terms of a micro-batch of training images that the metrics need.
pub struct Learned<N: Dim, L: Dim, B: Backend> {
    /// -log p(x|z) of each image, nats, `(N)`.
    pub recon_nats: Array<(N,), B>,
    /// The codes.
    pub codes: Codes<N, L, B>,
}

/// Computes the terms of images `(N, V)` with noise `(N, L)` and gives the gradients of their part of the mean loss to `read`,
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
    let FromBatch { weights, coupled, shared } = from_batch;
    let Weights { scale, beta, term: of_term } = weights;
    let (codes, _, kl, mut tape) = encode(model, x, noise, beta != 0.0, OwnedTape::default())?;
    let mut term = None;
    if let Some(shared) = shared {
        (term, tape) = objective.term(&codes, shared, tape)?;
    }
    let (has_weights, z) = (objective.has_row_weights(), codes.z.clone());
    // With weights for the path through the code, the decoder has a tape of its own, which ends at the code.
    let (of_encoder, of_decoder) = if has_weights { (Some(tape), OwnedTape::default()) } else { (None, tape) };
    let outputs = model.decode(z.put_tape(of_decoder))?;
    let (recon_nats, of_decoder) = model.likelihood().nats(outputs, x)?.split_tape();
    let terms = RowTerms { recon_nats: &recon_nats, kl_nats: kl.as_ref() };
    let RowWeights { recon, kl: of_kl, path } = objective.row_weights(terms, weights)?;
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
    rows.extend(kl.map(|kl| (kl, of_kl)));
    rows.extend(term.map(|term| (term, RowWeight::Same((scale * of_term) as f32))));
    let total = B::total(rows, gradients, tape)?;
    read(&mut B::backward(total)?)?;
    Ok(Learned { recon_nats, codes })
}

/// Codes with their constant gradients.
fn constants<N: Dim, L: Dim, B: Combine>(
    codes: &Codes<N, L, B>,
    gradients: Codes<N, L, B>,
) -> Vec<(Array<(N, L), B>, Array<(N, L), B>)> {
    let log_variance = codes.log_variance.clone().zip(gradients.log_variance);
    let ends = [(codes.mean.clone(), gradients.mean), (codes.z.clone(), gradients.z)];
    ends.into_iter().chain(log_variance).collect()
}
