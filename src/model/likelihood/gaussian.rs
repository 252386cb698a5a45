//! Independent normal distributions, one per value.

use super::location_scale::{self, LocationScale, each_value, floored, locations};
use super::{Likelihood, OwnParameter, Support};
use crate::data::ImageShape;
use crate::onnx::{ExportError, Graph};
use crate::random::Stream;
use crate::settings::{Choices, Interval, Key, Keys, Kind, NumberOr, Type, Word};
use crate::tensor::backend::{RowGradients, RowInputs, RowKernel, RowOperation, kernel_numbers};
use crate::tensor::kernels::{exp, sum_of, vectorized, with_scratch};
use dfdx::shapes::{Axis, Const, HasShape, Rank1};
use dfdx::tensor::{Tape, Tensor, WithEmptyTape};
use dfdx::tensor_ops::{BroadcastTo, Device, ReshapeTo, SumTo, TryAdd, TryDiv, TryMul, TrySub};
use std::f64::consts::TAU;

/// One mean per value, and a variance. Its own numbers are log-variances: one for the model, or one for each value. If the variance
/// is not a constant, the log-variance is at least -12, and below it its gradient is 0: on pixels that are always the same, a
/// density without a floor has no upper bound.
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
    /// The decoder gives the log-variance of each value.
    Decoder,
    /// The variance with which an image has the greatest density: the mean squared error of its values.
    OptimalPerImage,
}

/// The least log-variance: the standard deviation is at least e^-6, as in sigma-VAE (Rybkin et al. 2021).
const FLOOR: f32 = -12.0;

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
    .also("learn learnable trainable global shared single");
static PER_PIXEL: Kind<VarianceKind> =
    Kind::new("per_pixel", "One trained variance per value of an image; the initial values are 1.", |_| {
        VarianceKind::PerPixel
    })
    .also("pixel pixelwise");
static DECODER: Kind<VarianceKind> =
    Kind::new("decoder", "The decoder gives the logarithm of the variance of each value.", |_| VarianceKind::Decoder)
        .also("network predicted output heteroscedastic");
static OPTIMAL_PER_IMAGE: Kind<VarianceKind> = Kind::new(
    "optimal_per_image",
    "The variance that fits best, computed for each image: the mean squared error of its values.",
    |_| VarianceKind::OptimalPerImage,
)
.also("optimal sigma_vae analytic analytical per_image");
static VARIANCES: Choices<VarianceKind> = Choices(&[&LEARNED, &PER_PIXEL, &DECODER, &OPTIMAL_PER_IMAGE]);

impl VarianceKind {
    /// The least log-variance.
    fn floor(self) -> f32 {
        if let VarianceKind::Fixed(_) = self { f32::MIN } else { FLOOR }
    }

    fn is_of_decoder(self) -> bool {
        self == VarianceKind::Decoder
    }
}

/// With the variance from the decoder.
impl LocationScale for Gaussian {
    #[inline(always)]
    fn floor(self) -> f32 {
        self.variance.floor()
    }

    /// exp(-log_var), and ln(2 pi) + log_var.
    #[inline(always)]
    fn terms(self, log_var: f32) -> [f32; 3] {
        [exp(-log_var), log_var + (2.0 * std::f32::consts::PI).ln(), 0.0]
    }

    #[inline(always)]
    fn nats(self, x: f32, mean: f32, [precision, constant, _]: [f32; 3]) -> f32 {
        0.5 * ((x - mean) * (x - mean) * precision + constant)
    }

    #[inline(always)]
    fn slopes(self, x: f32, mean: f32, [precision, _, _]: [f32; 3]) -> [f32; 2] {
        let slope = (mean - x) * precision;
        [slope, 0.5 * (1.0 - (mean - x) * slope)]
    }
}

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
            "a number above 0, \"learned\", \"per_pixel\", \"decoder\" or \"optimal_per_image\"",
        );
        let variance = match keys.number_or(VARIANCE, KIND, &VARIANCES, 1.0) {
            NumberOr::Number(variance) => VarianceKind::Fixed(variance as f32),
            NumberOr::Word(kind) => kind,
        };
        Gaussian { variance }
    }

    fn outputs(&self, channels: usize) -> usize {
        if self.variance.is_of_decoder() { channels.saturating_mul(2) } else { channels }
    }

    fn is_distribution(&self) -> bool {
        self.variance != VarianceKind::OptimalPerImage
    }

    fn parameter(&self, image: ImageShape) -> Option<OwnParameter> {
        let (length, initial, is_trained) = match self.variance {
            VarianceKind::Fixed(variance) => (1, variance.ln(), false),
            VarianceKind::Learned => (1, 0.0, true),
            VarianceKind::PerPixel => (image.values(), 0.0, true),
            VarianceKind::Decoder | VarianceKind::OptimalPerImage => return None,
        };
        Some(OwnParameter { name: "log_var", length, initial, is_trained })
    }

    fn expected(&self, outputs: Vec<f32>, _: &[f32]) -> Vec<f32> {
        locations(outputs, self.variance.is_of_decoder())
    }

    /// With an optimal variance, the mean: the density of an image has no noise of its own.
    fn draw(&self, outputs: Vec<f32>, own: &[f32], stream: &mut Stream) -> Vec<f32> {
        if self.variance == VarianceKind::OptimalPerImage {
            return outputs;
        }
        let is_of_decoder = self.variance.is_of_decoder();
        let mut values = vec![0.0; if is_of_decoder { outputs.len() / 2 } else { outputs.len() }];
        stream.fill_normal(&mut values);
        let each = each_value(&outputs, own, is_of_decoder, self.variance.floor());
        for (value, [mean, log_var]) in values.iter_mut().zip(each) {
            *value = mean + (0.5 * log_var).exp() * *value;
        }
        values
    }

    fn onnx(&self, image: ImageShape, graph: &mut Graph<'_>) -> Result<(), ExportError> {
        if self.variance == VarianceKind::OptimalPerImage {
            graph.output("mean", image.values());
            return Ok(());
        }
        location_scale::onnx(graph, image, self.parameter(image), ["mean", "log_var"], self.variance.floor())
    }

    #[cfg(test)]
    fn exact(&self, outputs: &[f64], own: &[f64], x: &[f64]) -> f64 {
        let floor = f64::from(self.variance.floor());
        let term = |[mean, log_var]: [f64; 2], x: f64| {
            let variance = log_var.max(floor).exp();
            -((1.0 / (TAU * variance).sqrt()).ln() - (x - mean).powi(2) / (2.0 * variance))
        };
        let squares: f64 = outputs.iter().zip(x).map(|(mean, x)| (x - mean).powi(2)).sum();
        let optimal = [(squares / x.len() as f64).ln()];
        let own = if self.variance == VarianceKind::OptimalPerImage { &optimal } else { own };
        super::exact_sum(outputs, own, x, self.variance.is_of_decoder(), term)
    }
}

/// Calls `work` with exp(-log_var) of each value.
fn with_precision<T>(values: usize, log_var: &[f32], floor: f32, work: impl FnOnce(&[f32]) -> T) -> T {
    with_scratch(values, |precision| {
        if let &[log_var] = log_var {
            precision.fill(exp(-floored(log_var, floor)));
        } else {
            for (precision, &log_var) in precision.iter_mut().zip(log_var) {
                *precision = exp(-floored(log_var, floor));
            }
        }
        work(precision)
    })
}

/// The mean squared error of a row, which is its variance, and the sum of the squared errors.
fn optimal(mean: &[f32], x: &[f32]) -> [f64; 2] {
    let squares = sum_of(mean, x, x, |mean, x, _| (x - mean) * (x - mean));
    // NaN stays NaN.
    let (variance, least) = (squares / x.len() as f64, f64::from(FLOOR).exp());
    [if variance < least { least } else { variance }, squares]
}

impl RowOperation for Gaussian {
    /// The sum over the values of 0.5 (ln(2 pi) + log_var + (x - mean)^2 exp(-log_var)).
    fn forward(&self, inputs: RowInputs<'_>, results: &mut [f32]) {
        let (values, own, floor) = (inputs.values(), inputs.own, self.variance.floor());
        match self.variance {
            VarianceKind::Decoder => return location_scale::forward(*self, true, inputs, results),
            VarianceKind::OptimalPerImage => {
                for ((mean, x), nats) in inputs.each().zip(results) {
                    let [variance, squares] = vectorized(
                        #[inline(always)]
                        || optimal(mean, x),
                    );
                    *nats = (0.5 * (values as f64 * (TAU * variance).ln() + squares / variance)) as f32;
                }
                return;
            }
            VarianceKind::Fixed(_) | VarianceKind::Learned | VarianceKind::PerPixel => {}
        }
        let average_log_var =
            own.iter().map(|&log_var| f64::from(floored(log_var, floor))).sum::<f64>() / own.len() as f64;
        let constant = values as f64 * (TAU.ln() + average_log_var);
        with_precision(values, own, floor, |precision| {
            for ((mean, x), nats) in inputs.each().zip(results) {
                let squares = sum_of(mean, x, precision, |mean, x, precision| (x - mean) * (x - mean) * precision);
                *nats = (0.5 * (constant + squares)) as f32;
            }
        });
    }

    /// `dmean += dnats (mean - x) exp(-log_var)`, `dlog_var += dnats 0.5 (1 - (x - mean)^2 exp(-log_var))`. The derivative by an
    /// optimal variance is 0.
    fn backward(&self, inputs: RowInputs<'_>, dresults: &[f32], gradients: RowGradients<'_>) {
        let (values, floor) = (inputs.values(), self.variance.floor());
        match self.variance {
            VarianceKind::Decoder => return location_scale::backward(*self, true, inputs, dresults, gradients),
            VarianceKind::OptimalPerImage => {
                let rows = inputs.each().zip(gradients.outputs.chunks_exact_mut(values.max(1))).zip(dresults);
                for (((mean, x), dmean), &dnats) in rows {
                    vectorized(
                        #[inline(always)]
                        || {
                            let factor = (f64::from(dnats) / optimal(mean, x)[0]) as f32;
                            for ((dmean, &mean), &x) in dmean.iter_mut().zip(mean).zip(x) {
                                *dmean += factor * (mean - x);
                            }
                        },
                    );
                }
                return;
            }
            VarianceKind::Fixed(_) | VarianceKind::Learned | VarianceKind::PerPixel => {}
        }
        with_precision(values, inputs.own, floor, |precision| {
            let rows = inputs.each().zip(gradients.outputs.chunks_exact_mut(values.max(1))).zip(dresults);
            for (((mean, x), dmean), &dnats) in rows {
                for (((dmean, &mean), &x), &precision) in dmean.iter_mut().zip(mean).zip(x).zip(precision) {
                    *dmean += dnats * (mean - x) * precision;
                }
            }
            let Some(dlog_var) = gradients.own else { return };
            let rows = inputs.each().zip(dresults);
            if let ([dlog_var], [log_var]) = (&mut *dlog_var, inputs.own) {
                let by_row = rows.map(|((mean, x), &dnats)| {
                    let squares = sum_of(mean, x, precision, |mean, x, precision| (x - mean) * (x - mean) * precision);
                    f64::from(dnats) * 0.5 * (values as f64 - squares)
                });
                *dlog_var += if *log_var < floor { 0.0 } else { by_row.sum::<f64>() as f32 };
            } else {
                for ((mean, x), &dnats) in rows {
                    let of_values = dlog_var.iter_mut().zip(inputs.own).zip(mean).zip(x).zip(precision);
                    for ((((dlog_var, &log_var), &mean), &x), &precision) in of_values {
                        let slope = dnats * 0.5 * (1.0 - (x - mean) * (x - mean) * precision);
                        *dlog_var += if log_var < floor { 0.0 } else { slope };
                    }
                }
            }
        });
    }

    fn portable<D: Device<f32>, T: Tape<f32, D>>(
        &self,
        outputs: Tensor<(usize, usize), f32, D, T>,
        own: Option<Tensor<(usize,), f32, D, T>>,
        x: Tensor<(usize, usize), f32, D>,
    ) -> Result<Tensor<(usize,), f32, D, T>, D::Err> {
        if self.variance == VarianceKind::OptimalPerImage {
            let (_, values) = *outputs.shape();
            let squares = outputs.try_sub(x)?.try_square()?.try_sum::<(usize,), Axis<1>>()?;
            let variance = squares.with_empty_tape().try_div(values as f32)?.try_clamp(FLOOR.exp(), f32::MAX)?;
            let fit = squares.try_div(variance.with_empty_tape())?;
            let constant = variance.try_mul(2.0 * std::f32::consts::PI)?.try_ln()?.try_mul(values as f32)?;
            return fit.try_add(constant)?.try_mul(0.5);
        }
        let shape = *outputs.shape();
        let [mean, log_var] = match own {
            None => location_scale::portable(outputs, None, FLOOR)?,
            // A single variance is broadcast to all values; otherwise there is one for each value.
            Some(own) => {
                let values = (shape.1,);
                let own = own.try_clamp(self.variance.floor(), f32::MAX)?;
                let log_var = if own.shape().0 == 1 {
                    let one: Tensor<Rank1<1>, f32, D, T> = own.try_reshape_like(&(Const::<1>,))?;
                    one.try_sum::<(), _>()?.try_broadcast_like::<_, Axis<0>>(&values)?
                } else {
                    own
                };
                [outputs, log_var.try_broadcast_like::<_, Axis<0>>(&shape)?]
            }
        };
        let precision = log_var.with_empty_tape().try_negate()?.try_exp()?;
        let terms = mean.try_sub(x)?.try_square()?.try_mul(precision)?.try_add(log_var)?;
        terms.try_add((2.0 * std::f32::consts::PI).ln())?.try_mul(0.5)?.try_sum::<(usize,), Axis<1>>()
    }

    fn kernel(&self) -> Option<RowKernel> {
        if self.variance == VarianceKind::OptimalPerImage {
            let numbers = kernel_numbers([FLOOR.exp()]);
            let (forward, backward) = ("gaussian_optimal", Some("gaussian_optimal_backward"));
            return Some(RowKernel::Whole { forward, backward, numbers, is_of_block: true });
        }
        let names = ["gaussian", "gaussian_backward", "gaussian_own"];
        Some(RowKernel::LocationScale { names, numbers: kernel_numbers([self.variance.floor()]) })
    }
}
