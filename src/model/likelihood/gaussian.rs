//! Independent normal distributions, one per value.

use super::{Likelihood, OwnParameter, Support};
use crate::data::ImageShape;
use crate::onnx::{ExportError, Graph};
use crate::random::Stream;
use crate::settings::{Choices, Interval, Key, Keys, Kind, NumberOr, Type, Word};
use crate::tensor::backend::{RowGradients, RowInputs, RowOperation};
use crate::tensor::kernels::{exp, sum_of, with_scratch};
use dfdx::shapes::{Axis, Const, HasShape, Rank1};
use dfdx::tensor::{Tape, Tensor, WithEmptyTape};
use dfdx::tensor_ops::{BroadcastTo, Device, ReshapeTo, SumTo, TryAdd, TryMul, TrySub};
use std::f64::consts::TAU;

/// One mean per value, and a variance. Its own numbers are log-variances: one for the model, or one for each value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gaussian {
    /// The variance, in squared units of the data.
    pub variance: VarianceKind,
}

/// The kind of variance of a Gaussian likelihood.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum VarianceKind {
    /// A constant.
    Fixed(f32),
    /// One trained variance for the whole model; its initial value is 1.
    Learned,
    /// One trained variance per value of an image; the initial values are 1.
    PerPixel,
}

const VARIANCE: Key = Key::new(
    "variance",
    "The variance of the Gaussian likelihood, in squared units of the data: a constant or a word.",
)
.also("sigma var decoder_variance decoder_var output_variance observation_noise")
.example("\"learned\"");

static LEARNED: Kind<VarianceKind> =
    Kind::new("learned", "One trained variance for the whole model; its initial value is 1.", |_| {
        VarianceKind::Learned
    })
    .also("learn learnable trainable");
static PER_PIXEL: Kind<VarianceKind> =
    Kind::new("per_pixel", "One trained variance per value of an image; the initial values are 1.", |_| {
        VarianceKind::PerPixel
    })
    .also("pixel pixelwise");
static VARIANCES: Choices<VarianceKind> = Choices(&[&LEARNED, &PER_PIXEL]);

impl Likelihood for Gaussian {
    const WORD: Word = Word {
        name: "gaussian",
        doc: "One mean per value, and `variance`. The loss includes the normalization constant.",
        also: "mse l2 normal",
    };
    const TITLE: &'static str = "Gaussian";
    const SUPPORT: Support = Support::Line;

    fn read(keys: &mut Keys<'_>) -> Gaussian {
        const KIND: Type = Type::OneOf(
            &[Type::Number(Interval::POSITIVE), Type::Word(&VARIANCES)],
            "a number above 0, \"learned\" or \"per_pixel\"",
        );
        let variance = match keys.number_or(VARIANCE, KIND, &VARIANCES, 1.0) {
            NumberOr::Number(variance) => VarianceKind::Fixed(variance as f32),
            NumberOr::Word(kind) => kind,
        };
        Gaussian { variance }
    }

    fn parameter(&self, image: ImageShape) -> Option<OwnParameter> {
        let (length, initial, is_trained) = match self.variance {
            VarianceKind::Fixed(variance) => (1, variance.ln(), false),
            VarianceKind::Learned => (1, 0.0, true),
            VarianceKind::PerPixel => (image.values(), 0.0, true),
        };
        Some(OwnParameter { name: "log_var", length, initial, is_trained })
    }

    fn expected(&self, outputs: Vec<f32>) -> Vec<f32> {
        outputs
    }

    fn draw(&self, mut outputs: Vec<f32>, own: &[f32], stream: &mut Stream) -> Vec<f32> {
        let mut noise = vec![0.0; outputs.len()];
        stream.fill_normal(&mut noise);
        // An image has as many values as there are own numbers, unless there is a single one.
        let own = own.iter().cycle();
        for ((value, noise), log_var) in outputs.iter_mut().zip(noise).zip(own) {
            *value += (0.5 * log_var).exp() * noise;
        }
        outputs
    }

    fn onnx(&self, image: ImageShape, graph: &mut Graph<'_>) -> Result<(), ExportError> {
        graph.output("mean", image.values());
        let Some(own) = self.parameter(image) else { return Ok(()) };
        let name = format!("likelihood.{}", own.name);
        let values =
            if own.is_trained { graph.weight(&name, &[own.length])? } else { vec![own.initial; own.length] };
        graph.constant_output("log_var", &name, &values);
        Ok(())
    }

    #[cfg(test)]
    fn exact(&self, outputs: &[f64], own: &[f64], x: &[f64]) -> f64 {
        let term = |((mean, x), log_var): ((&f64, &f64), &f64)| {
            let variance = log_var.exp();
            -((1.0 / (TAU * variance).sqrt()).ln() - (x - mean).powi(2) / (2.0 * variance))
        };
        outputs.iter().zip(x).zip(own.iter().cycle()).map(term).sum()
    }
}

/// Calls `work` with exp(-log_var) of each value.
fn with_precision<T>(values: usize, log_var: &[f32], work: impl FnOnce(&[f32]) -> T) -> T {
    with_scratch(values, |precision| {
        if let &[log_var] = log_var {
            precision.fill(exp(-log_var));
        } else {
            for (precision, &log_var) in precision.iter_mut().zip(log_var) {
                *precision = exp(-log_var);
            }
        }
        work(precision)
    })
}

impl RowOperation for Gaussian {
    /// The sum over the values of 0.5 (ln(2 pi) + log_var + (x - mean)^2 exp(-log_var)).
    fn forward(&self, inputs: RowInputs<'_>, results: &mut [f32]) {
        let (values, own) = (inputs.values(), inputs.own);
        let average_log_var = own.iter().map(|&log_var| f64::from(log_var)).sum::<f64>() / own.len() as f64;
        let constant = values as f64 * (TAU.ln() + average_log_var);
        with_precision(values, own, |precision| {
            for ((mean, x), nats) in inputs.each().zip(results) {
                let squares = sum_of(mean, x, precision, |mean, x, precision| (x - mean) * (x - mean) * precision);
                *nats = (0.5 * (constant + squares)) as f32;
            }
        });
    }

    /// `dmean += dnats (mean - x) exp(-log_var)`, `dlog_var += dnats 0.5 (1 - (x - mean)^2 exp(-log_var))`.
    fn backward(&self, inputs: RowInputs<'_>, dresults: &[f32], gradients: RowGradients<'_>) {
        let values = inputs.values();
        with_precision(values, inputs.own, |precision| {
            let rows = inputs.each().zip(gradients.outputs.chunks_exact_mut(values.max(1))).zip(dresults);
            for (((mean, x), dmean), &dnats) in rows {
                for (((dmean, &mean), &x), &precision) in dmean.iter_mut().zip(mean).zip(x).zip(precision) {
                    *dmean += dnats * (mean - x) * precision;
                }
            }
            let Some(dlog_var) = gradients.own else { return };
            let rows = inputs.each().zip(dresults);
            if let [dlog_var] = dlog_var {
                let by_row = rows.map(|((mean, x), &dnats)| {
                    let squares = sum_of(mean, x, precision, |mean, x, precision| (x - mean) * (x - mean) * precision);
                    f64::from(dnats) * 0.5 * (values as f64 - squares)
                });
                *dlog_var += by_row.sum::<f64>() as f32;
            } else {
                for ((mean, x), &dnats) in rows {
                    for (((dlog_var, &mean), &x), &precision) in dlog_var.iter_mut().zip(mean).zip(x).zip(precision) {
                        *dlog_var += dnats * 0.5 * (1.0 - (x - mean) * (x - mean) * precision);
                    }
                }
            }
        });
    }

    fn portable<D: Device<f32>, T: Tape<f32, D>>(
        &self,
        mean: Tensor<(usize, usize), f32, D, T>,
        own: Option<Tensor<(usize,), f32, D, T>>,
        x: Tensor<(usize, usize), f32, D>,
    ) -> Result<Tensor<(usize,), f32, D, T>, D::Err> {
        let shape = *mean.shape();
        let squares = mean.try_sub(x)?.try_square()?;
        // Every likelihood with own numbers gets them.
        let Some(own) = own else { return squares.try_sum::<(usize,), Axis<1>>() };
        // A single variance is broadcast to all values; otherwise there is one for each value.
        let values = (shape.1,);
        let log_var = if own.shape().0 == 1 {
            let one: Tensor<Rank1<1>, f32, D, T> = own.try_reshape_like(&(Const::<1>,))?;
            one.try_sum::<(), _>()?.try_broadcast_like::<_, Axis<0>>(&values)?
        } else {
            own
        };
        let log_var = log_var.try_broadcast_like::<_, Axis<0>>(&shape)?;
        let precision = log_var.with_empty_tape().try_negate()?.try_exp()?;
        let terms = squares.try_mul(precision)?.try_add(log_var)?.try_add((2.0 * std::f32::consts::PI).ln())?;
        terms.try_mul(0.5)?.try_sum::<(usize,), Axis<1>>()
    }
}
