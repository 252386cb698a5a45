//! The distance of the covariance of codes from the identity, and the objectives with it: DIP-VAE I and II (Kumar et al. 2018,
//! equations 6 and 7).

use super::coupling::Coupling;
use super::kl::{Kl, needs_distribution, needs_standard_prior};
use super::{At, Draws, Loss, MeanTerms, Scheduled, Term, Weights, weighted};
use crate::settings::{Interval, Key, Keys, Problem};
use crate::tensor::backend::{CodeGradients, CodeInputs, CodeOperation};
use dfdx::shapes::{Axes2, Axis, HasShape};
use dfdx::tensor::{Tape, Tensor, WithEmptyTape};
use dfdx::tensor_ops::{BroadcastTo, Device, MeanTo, PermuteTo, SumTo, TryAdd, TryMatMul, TryMul, TryStack, TrySub};

/// The settings: type II if `HAS_VARIANCES`, with the covariance of the codes, which is that of the means and the mean variance of
/// the posteriors; otherwise type I, with the covariance of the means.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dip<const HAS_VARIANCES: bool> {
    kl: Kl,
    /// The weights of the squares off the diagonal of the covariance, and of the squared distances of the diagonal from 1.
    weights: [f64; 2],
}

const COVARIANCE_WEIGHT: Key =
    Key::new("covariance_weight", "The weight of the squared covariances between different axes.")
        .also("lambda_od od_weight offdiagonal_weight")
        .example("5.0");
const VARIANCE_WEIGHT: Key =
    Key::new("variance_weight", "The weight of the squared distances of the variances from 1.")
        .also("lambda_d d_weight")
        .example("50.0");

static COVARIANCE_PENALTY: Term = Term {
    name: "covariance_penalty",
    title: "squared covariances of the axes",
    unit: "",
    doc: "Sum of the squared covariances between different axes of the code, of each batch.",
};
static VARIANCE_PENALTY: Term = Term {
    name: "variance_penalty",
    title: "squared distances of the variances from 1",
    unit: "",
    doc: "Sum over the axes of the code of the squared distance of the variance from 1, of each batch.",
};
pub(super) static DIP_TERMS: [&Term; 2] = [&COVARIANCE_PENALTY, &VARIANCE_PENALTY];

impl<const HAS_VARIANCES: bool> Dip<HAS_VARIANCES> {
    /// Reads the keys of the objective `name`; `default` are the weights.
    pub(super) fn read_as(name: &str, keys: &mut Keys<'_>, default: [f64; 2]) -> Self {
        needs_distribution(keys, name);
        let because = "it draws the covariance of the codes to the identity, that of the standard prior";
        let what = format!("`objective.kind = \"{name}\"`");
        needs_standard_prior(
            keys,
            &["objective.kind", "model.prior"],
            &what,
            because,
            "remove `model.prior`, or use another objective",
        );
        let kl = Kl::read(keys);
        let weight = |keys: &mut Keys<'_>, key, default| keys.number(key, Interval::NOT_NEGATIVE, default);
        let weights = [weight(keys, COVARIANCE_WEIGHT, default[0]), weight(keys, VARIANCE_WEIGHT, default[1])];
        Dip { kl, weights }
    }
}

impl<const HAS_VARIANCES: bool> Loss for Dip<HAS_VARIANCES> {
    fn weights(&self, at: At) -> Weights {
        Weights { scale: 1.0, beta: self.kl.at(at.epochs()) }
    }

    fn loss(&self, terms: MeanTerms<'_>, at: At) -> f64 {
        let own = self.weights.iter().enumerate().map(|(place, weight)| weight * terms.own(place));
        terms.recon_nats + weighted(self.kl.at(at.epochs()), terms.kl_nats) + own.sum::<f64>()
    }

    fn terms(&self) -> &'static [&'static Term] {
        &DIP_TERMS
    }

    fn scheduled(&self, at: At) -> Scheduled {
        Scheduled::of_kl(self.kl.at(at.epochs()))
    }

    fn warnings(&self, end: At) -> Vec<Problem> {
        self.kl.warnings(end.epochs())
    }
}

impl<const HAS_VARIANCES: bool> Coupling for Dip<HAS_VARIANCES> {
    type Operation = Covariance;

    fn operation(&self, _: usize, _: At, _: Draws) -> Option<Covariance> {
        Some(Covariance { weights: self.weights, has_variances: HAS_VARIANCES })
    }
}

/// The squares of the covariance of a batch off its diagonal, and the squared distances of its diagonal from 1.
pub(super) struct Covariance {
    weights: [f64; 2],
    /// Whether the mean variances of the posteriors are part of it: type II.
    has_variances: bool,
}

impl CodeOperation for Covariance {
    const HAS_SAMPLES: bool = false;

    fn weights(&self) -> Vec<f32> {
        self.weights.map(|weight| weight as f32).into()
    }

    fn gradients(&self, codes: CodeInputs<'_>, gradients: CodeGradients<'_>) -> Vec<f64> {
        let latent = codes.latent.max(1);
        let images = (codes.mean.len() / latent) as f64;
        let mut center = vec![0.0; latent];
        for row in codes.mean.chunks(latent) {
            center.iter_mut().zip(row).for_each(|(sum, mean)| *sum += f64::from(*mean) / images);
        }
        let centered: Vec<f64> =
            codes.mean.iter().enumerate().map(|(place, mean)| f64::from(*mean) - center[place % latent]).collect();
        let mut covariance = vec![0.0; latent * latent];
        for row in centered.chunks(latent) {
            for (own, of_own) in row.iter().zip(covariance.chunks_mut(latent)) {
                of_own.iter_mut().zip(row).for_each(|(sum, other)| *sum += own * other / images);
            }
        }
        if self.has_variances {
            for (place, log_variance) in codes.log_variance.iter().enumerate() {
                covariance[place % latent * (latent + 1)] += f64::from(*log_variance).exp() / images;
            }
        }
        // The squares, and the derivatives of their weighted sum with respect to the covariance.
        let mut squares = [0.0; 2];
        for (place, value) in covariance.iter_mut().enumerate() {
            let is_diagonal = place % (latent + 1) == 0;
            let off = if is_diagonal { *value - 1.0 } else { *value };
            squares[usize::from(is_diagonal)] += off * off;
            *value = 2.0 * self.weights[usize::from(is_diagonal)] * off;
        }
        let rows = gradients.mean.chunks_mut(latent).zip(centered.chunks(latent));
        for (dmean, row) in rows {
            for (dmean, of_axis) in dmean.iter_mut().zip(covariance.chunks(latent)) {
                let sum: f64 = of_axis.iter().zip(row).map(|(derivative, value)| derivative * value).sum();
                *dmean += (2.0 * sum / images) as f32;
            }
        }
        if self.has_variances {
            for (place, (gradient, log_variance)) in
                gradients.log_variance.iter_mut().zip(codes.log_variance).enumerate()
            {
                let derivative = covariance[place % latent * (latent + 1)];
                *gradient += (derivative * f64::from(*log_variance).exp() / images) as f32;
            }
        }
        squares.into()
    }

    fn portable<D: Device<f32>, T: Tape<f32, D>>(
        &self,
        mean: Tensor<(usize, usize), f32, D, T>,
        log_variance: Option<Tensor<(usize, usize), f32, D, T>>,
        _: Tensor<(usize, usize), f32, D, T>,
        _: Option<Tensor<(usize,), f32, D, T>>,
    ) -> Result<Tensor<(usize,), f32, D, T>, D::Err> {
        let (images, latent) = *mean.shape();
        let center: Tensor<(usize,), f32, D, T> = mean.with_empty_tape().try_mean::<_, Axis<0>>()?;
        let centered = mean.try_sub(center.try_broadcast_like::<_, Axis<0>>(&(images, latent))?)?;
        // dfdx needs two different tensors.
        let other = centered.with_empty_tape().try_mul(1.0)?;
        let transposed: Tensor<(usize, usize), f32, D, T> = other.try_permute::<_, Axes2<1, 0>>()?;
        let covariance = transposed.try_matmul(centered)?.try_mul(1.0 / images as f32)?;
        let identity: Vec<f32> =
            (0..latent * latent).map(|place| f32::from(u8::from(place % (latent + 1) == 0))).collect();
        let identity = covariance.device().clone().try_tensor_from_vec(identity, (latent, latent))?;
        let diagonal: Tensor<(usize,), f32, D, T> =
            covariance.with_empty_tape().try_mul(identity.clone())?.try_sum::<_, Axis<1>>()?;
        let diagonal = match log_variance.filter(|_| self.has_variances) {
            Some(log_variance) => {
                let variances: Tensor<(usize,), f32, D, T> = log_variance.try_exp()?.try_mean::<_, Axis<0>>()?;
                diagonal.try_add(variances)?
            }
            None => diagonal,
        };
        let others = covariance.try_mul(identity.try_negate()?.try_add(1.0)?)?;
        let others: Tensor<(), f32, D, T> = others.try_square()?.try_sum()?;
        let diagonal: Tensor<(), f32, D, T> = diagonal.try_sub(1.0)?.try_square()?.try_sum()?;
        Vec::from([others, diagonal]).try_stack()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed by numpy in double precision.
    #[test]
    fn penalties_are_those_of_numpy() {
        let place = |index: usize| ((index / 2) as f64, (index % 2) as f64);
        let mean: Vec<f32> = (0..8).map(place).map(|(b, d)| (1.0 + b + 2.0 * d).sin() as f32).collect();
        let log_variance: Vec<f32> = (0..8).map(place).map(|(b, d)| (-1.0 + 0.3 * (b - d).cos()) as f32).collect();
        let codes = CodeInputs { latent: 2, mean: &mean, log_variance: &log_variance, z: &mean, own: &[] };
        for (weights, has_variances, expected) in [([10.0, 100.0], false, 96.894380624), ([10.0; 2], true, 1.844956273)]
        {
            let [mut a, mut b, mut c] = [const { [0.0; 8] }; 3];
            let into = CodeGradients { mean: &mut a, log_variance: &mut b, z: &mut c, own: &mut [] };
            let found = Covariance { weights, has_variances }.gradients(codes, into);
            let sum = weights[0] * found[0] + weights[1] * found[1];
            assert!((sum - expected).abs() < 1e-5, "{sum} is not {expected}");
        }
    }
}
