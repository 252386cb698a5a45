//! Independent logistic distributions in the bins of whole levels, one per value.

use super::location_scale::{self, each_value, portable};
use super::logistic::{Bins, FLOOR};
use super::scale::Scale;
use super::{Grid, Likelihood, OwnParameter, Support};
use crate::data::ImageShape;
use crate::onnx::{ExportError, Graph};
use crate::random::Stream;
use crate::settings::{Keys, Word};
use crate::tensor::backend::{RowGradients, RowInputs, RowKernel, RowOperation, kernel_numbers};
use crate::tensor::kernels::vectorized;
use dfdx::shapes::Axis;
use dfdx::tensor::{Tape, Tensor};
use dfdx::tensor_ops::{Device, SumTo};

/// One location per value, and a scale, in units of half of the interval of the data: `logistic.rs` has the formulas.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DiscretizedLogistic {
    /// The scale.
    pub scale: Scale,
    /// The levels of the data.
    grid: Grid,
}

impl DiscretizedLogistic {
    fn bins(self) -> Bins {
        Bins::new(self.grid, self.scale.floor(FLOOR))
    }
}

impl Likelihood for DiscretizedLogistic {
    const WORD: Word = Word {
        name: "discretized_logistic",
        doc: "One location per value, and `scale`: the probability of each level of whole values, as in PixelCNN++.",
        also: "discretised_logistic logistic dlogistic discrete_logistic",
    };
    const TITLE: &'static str = "discretized logistic";
    const SUPPORT: Support = Support::Levels;

    fn read(keys: &mut Keys<'_>) -> DiscretizedLogistic {
        DiscretizedLogistic { scale: Scale::read(keys, Scale::Global), grid: Grid::default() }
    }

    fn on(self, _: usize, grid: Grid) -> DiscretizedLogistic {
        DiscretizedLogistic { grid, ..self }
    }

    fn outputs(&self, channels: usize) -> usize {
        if self.scale.is_of_decoder() { channels.saturating_mul(2) } else { channels }
    }

    fn parameter(&self, image: ImageShape) -> Option<OwnParameter> {
        self.scale.parameter("log_scale", image)
    }

    /// The mean of the distribution that is cut to the interval of the data.
    fn expected(&self, outputs: Vec<f32>, own: &[f32]) -> Vec<f32> {
        let bins = self.bins();
        let each = each_value(&outputs, own, self.scale.is_of_decoder(), f32::MIN);
        let mean = |[location, log_scale]: [f32; 2]| {
            self.grid.at_share(bins.exact_mean_share(f64::from(location), f64::from(log_scale)) as f32)
        };
        each.map(mean).collect()
    }

    fn expected_fast(&self, mut outputs: Vec<f32>, own: &[f32]) -> Vec<f32> {
        let (bins, grid) = (self.bins(), self.grid);
        if self.scale.is_of_decoder() {
            let mut means = vec![0.0; outputs.len() / 2];
            vectorized(
                #[inline(always)]
                || {
                    for (mean, pair) in means.iter_mut().zip(outputs.chunks_exact(2)) {
                        *mean = grid.at_share(bins.mean_share(pair[0], pair[1]));
                    }
                },
            );
            return means;
        }
        if let &[log_scale] = own {
            return super::each_output(
                outputs,
                #[inline(always)]
                |location| grid.at_share(bins.mean_share(location, log_scale)),
            );
        }
        for image in outputs.chunks_mut(own.len().max(1)) {
            vectorized(
                #[inline(always)]
                || {
                    for (value, log_scale) in image.iter_mut().zip(own) {
                        *value = grid.at_share(bins.mean_share(*value, *log_scale));
                    }
                },
            );
        }
        outputs
    }

    fn output_of_mean(&self, mean: f32) -> f32 {
        let log_scale = self.parameter(ImageShape::grey(1, 1)).map_or(0.0, |own| own.initial);
        self.bins().location_of_mean(self.grid.share_of(mean), log_scale)
    }

    fn draw(&self, outputs: Vec<f32>, own: &[f32], stream: &mut Stream) -> Vec<f32> {
        let bins = self.bins();
        let each = each_value(&outputs, own, self.scale.is_of_decoder(), f32::MIN);
        let draw = |[location, log_scale]: [f32; 2]| {
            self.grid.at_share(0.5 * (bins.draw(location, log_scale, stream) + 1.0))
        };
        each.map(draw).collect()
    }

    fn onnx(&self, image: ImageShape, graph: &mut Graph<'_>) -> Result<(), ExportError> {
        let own = self.parameter(image);
        location_scale::onnx(graph, image, own, ["location", "log_scale"], self.scale.floor(FLOOR))?;
        let per_channel = own.is_some_and(|own| own.length > 1 && own.length < image.values());
        if per_channel {
            graph.tile("log_scale", image.pixels());
        } else {
            graph.go_back_to("log_scale".to_owned());
        }
        let log_scale = graph.last();
        let share = self.bins().onnx_mean_share(graph, "location", &log_scale);
        let [low, length] = self.grid.start_and_length().map(|number| graph.number(number));
        let scaled = graph.apply("Mul", &[&share, &length]);
        graph.apply("Add", &[&scaled, &low]);
        graph.output("mean", image.values());
        Ok(())
    }

    #[cfg(test)]
    fn exact(&self, outputs: &[f64], own: &[f64], x: &[f64]) -> f64 {
        let bins = self.bins();
        let term = |[location, log_scale]: [f64; 2], x: f64| bins.exact(x, location, log_scale);
        super::exact_sum(outputs, own, x, self.scale.is_of_decoder(), term)
    }
}

impl RowOperation for DiscretizedLogistic {
    fn forward(&self, inputs: RowInputs<'_>, results: &mut [f32]) {
        location_scale::forward(self.bins(), self.scale.is_of_decoder(), inputs, results);
    }

    fn backward(&self, inputs: RowInputs<'_>, dresults: &[f32], gradients: RowGradients<'_>) {
        location_scale::backward(self.bins(), self.scale.is_of_decoder(), inputs, dresults, gradients);
    }

    fn portable<D: Device<f32>, T: Tape<f32, D>>(
        &self,
        outputs: Tensor<(usize, usize), f32, D, T>,
        own: Option<Tensor<(usize,), f32, D, T>>,
        x: Tensor<(usize, usize), f32, D>,
    ) -> Result<Tensor<(usize,), f32, D, T>, D::Err> {
        let bins = self.bins();
        let [location, log_scale] = portable(outputs, own, self.scale.floor(FLOOR))?;
        bins.portable(bins.portable_places(x)?, location, log_scale)?.try_sum::<(usize,), Axis<1>>()
    }

    fn kernel(&self) -> Option<RowKernel> {
        let names = ["discretized_logistic", "discretized_logistic_backward", "discretized_logistic_own"];
        let [factor, constant, last] = self.bins().kernel_numbers();
        Some(RowKernel::LocationScale { names, numbers: kernel_numbers([self.scale.floor(FLOOR), factor, constant, last]) })
    }
}
