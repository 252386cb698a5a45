//! The maximum mean discrepancy between the codes of a batch and draws from the prior (Gretton et al. 2012).

use super::estimator::{self, BIASED, Estimator, UNBIASED};
use super::{Draws, Term};
use crate::model::prior::{self, MixtureNumbers};
use crate::random::Stream;
use crate::settings::{Choices, Interval, Key, Keys, Kind};
use crate::tensor::backend::{CodeGradients, CodeInputs, CodeOperation, by_axis};
use crate::tensor::kernels::{exp, vectorized};
use dfdx::shapes::{Axis, HasShape};
use dfdx::tensor::{Tape, Tensor, WithEmptyTape};
use dfdx::tensor_ops::{BroadcastTo, Device, GatherTo, ReshapeTo, SumTo, TryAdd, TryMul, TrySub};

/// The discrepancy of a batch.
pub(super) static MMD: Term = Term {
    name: "mmd",
    title: "maximum mean discrepancy",
    unit: "",
    doc: "Maximum mean discrepancy between the codes of a batch and the prior, by the kernel and the estimator of the objective; \
          the unbiased estimate may be negative.",
};

/// The settings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Discrepancy {
    pub(super) weight: f64,
    kernel: Kernel,
    estimator: Estimator,
}

/// A kernel of the squared distance of two codes.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kernel {
    /// The sum of inverse multiquadratics of seven scales.
    ImqSum,
    Imq,
    Rbf,
}

const KERNEL: Key = Key::new(
    "kernel",
    "The kernel of the discrepancy, of the squared distance d2 of two codes. The weight is that of this kernel.",
)
.also("kernel_type kernel_choice mmd_kernel")
.example("\"rbf\"");
const MMD_WEIGHT: Key = Key::new("mmd_weight", "The weight of the maximum mean discrepancy.")
    .also("lambda mmd_lambda reg_weight lbd")
    .example("100.0");

static IMQ_SUM: Kind<Kernel> = Kind::new(
    "imq_sum",
    "Inverse multiquadratics: sum of s C / (s C + d2) over the scales s = 0.1, 0.2, 0.5, 1, 2, 5, 10, with C = 2 latent_dim.",
    |_| Kernel::ImqSum,
)
.also("imq_scales imq7 inverse_multiquadratics");
static IMQ: Kind<Kernel> =
    Kind::new("imq", "Inverse multiquadratic: C / (C + d2) with C = 2 latent_dim.", |_| Kernel::Imq).also("imq1");
static RBF: Kind<Kernel> =
    Kind::new("rbf", "Radial basis function: exp(-d2 / (2 latent_dim)).", |_| Kernel::Rbf).also("gaussian");
static KERNELS: Choices<Kernel> = Choices(&[&IMQ_SUM, &IMQ, &RBF]);

/// The scales of [`Kernel::ImqSum`].
const SCALES: [f32; 7] = [0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0];

impl Kernel {
    fn scales(self) -> &'static [f32] {
        match self {
            Kernel::ImqSum => &SCALES,
            Kernel::Imq | Kernel::Rbf => &[1.0],
        }
    }

    /// The value for codes at a squared distance, and its derivative.
    #[inline(always)]
    fn of(self, latent: usize, squared: f32) -> (f32, f32) {
        let size = 2.0 * latent as f32;
        match self {
            Kernel::Rbf => {
                let value = exp(-squared / size);
                (value, -value / size)
            }
            Kernel::ImqSum => {
                let (mut value, mut derivative) = (0.0, 0.0);
                for scale in SCALES {
                    let one = scale * size / (scale * size + squared);
                    value += one;
                    derivative -= one * one / (scale * size);
                }
                (value, derivative)
            }
            Kernel::Imq => {
                let value = size / (size + squared);
                (value, -value * value / size)
            }
        }
    }
}

impl Discrepancy {
    /// Reads its keys.
    pub(super) fn read(keys: &mut Keys<'_>, weight: f64) -> Discrepancy {
        Discrepancy {
            weight: keys.number(MMD_WEIGHT, Interval::NOT_NEGATIVE, weight),
            kernel: keys.choice(KERNEL, &KERNELS, &IMQ_SUM),
            estimator: estimator::read(keys, &[&UNBIASED, &BIASED]),
        }
    }

    /// The term of a batch of this size, with this weight in the loss.
    pub(super) fn term(self, weight: f64, (batch, latent): (usize, usize), draws: Draws) -> BatchDiscrepancy {
        let mut noise = vec![0.0; batch * latent];
        draws.stream(0).fill_normal(&mut noise);
        BatchDiscrepancy { settings: self, weight, noise, picks: draws.stream(1) }
    }
}

/// The discrepancy of the codes of a batch.
pub(super) struct BatchDiscrepancy {
    settings: Discrepancy,
    weight: f64,
    /// Standard normal numbers, (Images, Latent), from which codes of the prior are made.
    noise: Vec<f32>,
    /// What the components of a learned prior are drawn by.
    picks: Stream,
}

/// The weights of the pairs of codes, or of draws, and of a code with a draw.
struct Pairs {
    within: f64,
    across: f64,
    /// Whether a code is a pair with itself.
    has_self: bool,
}

impl BatchDiscrepancy {
    fn pairs(&self, batch: usize) -> Pairs {
        let count = batch as f64;
        let has_self = self.settings.estimator != Estimator::Unbiased || batch < 2;
        let within = if has_self { 1.0 / (count * count) } else { 1.0 / (count * (count - 1.0)) };
        Pairs { within, across: 2.0 / (count * count), has_self }
    }

    #[inline(always)]
    fn host(&self, codes: CodeInputs<'_>, gradients: CodeGradients<'_>) -> Vec<f64> {
        let (kernel, latent) = (self.settings.kernel, codes.latent.max(1));
        let batch = codes.z.len() / latent;
        let Pairs { within, across, has_self } = self.pairs(batch);
        let mut drawn = self.noise.clone();
        let own = Some(codes.own).filter(|own| !own.is_empty());
        let chosen = prior::draw(own, latent, &mut drawn, &mut self.picks.clone(), 1.0);
        // By axis, so that loops over the codes are over consecutive numbers.
        let (z, of_prior) = (by_axis(latent, codes.z), by_axis(latent, &drawn));
        let (mut squared, mut derivatives) = (vec![0.0; batch], vec![0.0; batch]);
        // The sum of the kernel of a code with the others; its derivatives by the squared distances are left behind.
        let mut row = |code: &[f32], others: &[f32], own: Option<usize>, derivatives: &mut [f32]| -> f64 {
            squared.fill(0.0);
            for (value, others) in code.iter().zip(others.chunks(batch)) {
                for (squared, other) in squared.iter_mut().zip(others) {
                    *squared += (value - other) * (value - other);
                }
            }
            for (squared, derivative) in squared.iter_mut().zip(derivatives.iter_mut()) {
                (*squared, *derivative) = kernel.of(latent, *squared);
            }
            if let Some(own) = own.filter(|_| !has_self) {
                (squared[own], derivatives[own]) = (0.0, 0.0);
            }
            squared.iter().map(|value| f64::from(*value)).sum()
        };
        let mut total = 0.0;
        // Adds the derivative of a code's part of the sum.
        let add = |gradient: &mut [f32], code: &[f32], others: &[f32], derivatives: &[f32], factor: f64| {
            let factor = (2.0 * factor * self.weight) as f32;
            for ((gradient, value), others) in gradient.iter_mut().zip(code).zip(others.chunks(batch)) {
                let pairs = derivatives.iter().zip(others);
                *gradient += factor * pairs.map(|(derivative, other)| derivative * (value - other)).sum::<f32>();
            }
        };
        // With respect to the draws of a learned prior, (Images, Latent).
        let mut dprior = vec![0.0; if chosen.is_empty() { 0 } else { drawn.len() }];
        for (i, code) in drawn.chunks(latent).enumerate() {
            total += within * row(code, &of_prior, Some(i), &mut derivatives);
            if let Some(gradient) = dprior.get_mut(i * latent..(i + 1) * latent) {
                add(gradient, code, &of_prior, &derivatives, 2.0 * within);
                row(code, &z, None, &mut derivatives);
                add(gradient, code, &z, &derivatives, -across);
            }
        }
        for (i, code) in codes.z.chunks(latent).enumerate() {
            let gradient = &mut gradients.z[i * latent..(i + 1) * latent];
            // Both orders of a pair have the same distance.
            for (others, own, weight, orders) in [(&z, Some(i), within, 2.0), (&of_prior, None, -across, 1.0)] {
                total += weight * row(code, others, own, &mut derivatives);
                add(gradient, code, others, &derivatives, orders * weight);
            }
        }
        // A draw is mean + exp(log_variance / 2) noise.
        let [_, log_variances, _] = prior::mixture_places(prior::mixture_components(codes.own.len(), latent), latent);
        for (place, gradient) in dprior.iter().enumerate() {
            let of_mean = chosen[place / latent] * latent + place % latent;
            gradients.own[of_mean] += gradient;
            gradients.own[log_variances.start + of_mean] += gradient * 0.5 * (drawn[place] - codes.own[of_mean]);
        }
        vec![total]
    }
}

impl CodeOperation for BatchDiscrepancy {
    const HAS_POSTERIORS: bool = false;

    fn weights(&self) -> Vec<f32> {
        vec![self.weight as f32]
    }

    fn gradients(&self, codes: CodeInputs<'_>, gradients: CodeGradients<'_>) -> Vec<f64> {
        vectorized(
            #[inline(always)]
            || self.host(codes, gradients),
        )
    }

    fn portable<D: Device<f32>, T: Tape<f32, D>>(
        &self,
        _: Tensor<(usize, usize), f32, D, T>,
        _: Option<Tensor<(usize, usize), f32, D, T>>,
        z: Tensor<(usize, usize), f32, D, T>,
        own: Option<Tensor<(usize,), f32, D, T>>,
    ) -> Result<Tensor<(usize,), f32, D, T>, D::Err> {
        let (batch, latent) = *z.shape();
        let (square, size) = ((batch, batch), 2.0 * latent as f32);
        let Pairs { within, across, has_self } = self.pairs(batch);
        let device = z.device().clone();
        let noise = device.try_tensor_from_vec(self.noise.clone(), (batch, latent))?;
        let prior = match own {
            Some(own) => self.portable_draws(own, noise)?,
            None => noise.retaped::<T>(),
        };
        let others = if has_self { 1.0 } else { 0.0 };
        let mask = (0..batch * batch).map(|place| if place % (batch + 1) == 0 { others } else { 1.0 }).collect();
        let mask = device.try_tensor_from_vec(mask, square)?;
        let kernels = |a: Tensor<(usize, usize), f32, D, T>, b: Tensor<(usize, usize), f32, D, T>| {
            let cube = (batch, batch, latent);
            // dfdx needs two different tensors.
            let a = a.try_mul(1.0)?.try_broadcast_like::<_, Axis<1>>(&cube)?;
            let squared = a.try_sub(b.try_broadcast_like::<_, Axis<0>>(&cube)?)?.try_square()?;
            let squared: Tensor<(usize, usize), f32, D, T> = squared.try_sum::<_, Axis<2>>()?;
            if self.settings.kernel == Kernel::Rbf {
                return squared.try_mul(-1.0 / size)?.try_exp();
            }
            let one = |scale: f32| -> Result<_, D::Err> {
                squared.with_empty_tape().try_add(scale * size)?.try_recip()?.try_mul(scale * size)
            };
            let mut sum = squared.with_empty_tape().try_mul(0.0)?;
            for scale in self.settings.kernel.scales() {
                sum = sum.try_add(one(*scale)?)?;
            }
            sum.try_add(squared.try_mul(0.0)?)
        };
        let total =
            |kernels: Tensor<(usize, usize), f32, D, T>| -> Result<Tensor<(), f32, D, T>, D::Err> { kernels.try_sum() };
        let own = kernels(z.with_empty_tape(), z.with_empty_tape())?.try_mul(mask.clone())?;
        let of_prior = kernels(prior.with_empty_tape(), prior.with_empty_tape())?.try_mul(mask)?;
        let between = kernels(z, prior)?;
        let within = total(own.try_add(of_prior)?)?.try_mul(within as f32)?;
        within.try_sub(total(between)?.try_mul(across as f32)?)?.try_reshape_like(&(1,))
    }
}

impl BatchDiscrepancy {
    /// Draws from a learned prior with these numbers, (Images, Latent).
    fn portable_draws<D: Device<f32>, T: Tape<f32, D>>(
        &self,
        own: Tensor<(usize,), f32, D, T>,
        noise: Tensor<(usize, usize), f32, D>,
    ) -> Result<Tensor<(usize, usize), f32, D, T>, D::Err> {
        let (batch, latent) = *noise.shape();
        let numbers = own.as_vec();
        let components = MixtureNumbers::of(&numbers, latent);
        let (chosen, size) = (components.pick(batch, &mut self.picks.clone()), components.mean.len());
        let places: Vec<usize> =
            (0..batch * latent).map(|place| chosen[place / latent] * latent + place % latent).collect();
        let of_log_variance = places.iter().map(|place| size + place).collect();
        let device = noise.device().clone();
        let [places, of_log_variance] =
            [places, of_log_variance].map(|places| device.try_tensor_from_vec(places, (batch * latent,)));
        let means = own.with_empty_tape().try_gather(places?)?.try_reshape_like(&(batch, latent))?;
        let log_variances = own.try_gather(of_log_variance?)?.try_reshape_like(&(batch, latent))?;
        log_variances.try_mul(0.5)?.try_exp()?.try_mul(noise)?.try_add(means)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Purpose;

    /// Computed by numpy in double precision, with draws of the prior that it chose.
    #[test]
    fn discrepancies_are_those_of_numpy() {
        let place = |index: usize| ((index / 2) as f64, (index % 2) as f64);
        let z = [
            1.222_215_6,
            -0.132_593_92,
            0.479_373_78,
            -0.556_909_14,
            0.570_714_06,
            -1.054_624_6,
            -1.195_494_3,
            -0.276_893_62,
        ];
        let prior: Vec<f32> = (0..8).map(place).map(|(b, d)| (2.0 * b + d + 0.5).cos() as f32).collect();
        let codes = CodeInputs { latent: 2, mean: &z, log_variance: &[], z: &z, own: &[] };
        for (kernel, expected) in [
            (Kernel::ImqSum, [-0.160172449, 1.126064976]),
            (Kernel::Imq, [-0.044329650, 0.122504142]),
            (Kernel::Rbf, [-0.065223499, 0.139356406]),
        ] {
            for (estimator, expected) in [Estimator::Unbiased, Estimator::Biased].into_iter().zip(expected) {
                let settings = Discrepancy { weight: 1.0, kernel, estimator };
                let picks = Stream::new(0, Purpose::BatchTerms, 0, 1);
                let term = BatchDiscrepancy { settings, weight: 1.0, noise: prior.clone(), picks };
                let (mut mean, mut dz) = ([0.0; 8], [0.0; 8]);
                let into = CodeGradients { mean: &mut mean, log_variance: &mut [], z: &mut dz, own: &mut [] };
                let found = term.gradients(codes, into);
                assert!((found[0] - expected).abs() < 2e-6, "{kernel:?} {estimator:?}: {} is not {expected}", found[0]);
            }
        }
    }
}
