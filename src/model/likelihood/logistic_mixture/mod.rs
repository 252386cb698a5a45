//! Mixtures of logistic distributions in the bins of whole levels, one mixture per pixel (PixelCNN++, Salimans et al. 2017).
//!
//! The values of a pixel share the component. In a component, the location of a channel depends on the values of the channels
//! before it: with places x in [-1, 1], that of green is m_G + tanh(c_0) x_R, and that of blue m_B + tanh(c_1) x_R + tanh(c_2) x_G.
//! `logistic.rs` has the distribution of a value.

mod kernel;

use super::logistic::{Bins, FLOOR};
use super::{Grid, Likelihood, Support};
use crate::data::ImageShape;
use crate::onnx::{ExportError, Graph, Number};
use crate::random::Stream;
use crate::settings::{Key, Keys, Word};
use crate::tensor::backend::{RowGradients, RowInputs, RowKernel, RowOperation, kernel_numbers};
use dfdx::shapes::{Axis, HasShape};
use dfdx::tensor::{Tape, Tensor, WithEmptyTape};
use dfdx::tensor_ops::{BroadcastTo, Device, LogSumExpTo, ReshapeTo, SumTo, TryAdd, TryMul, TrySub};

/// For each pixel, the logits of the components, and for each component a location and the logarithm of a scale per channel, and
/// the coefficients between channels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LogisticMixture {
    /// The number of components.
    pub components: usize,
    /// The number of channels of the images, 1 or 3.
    channels: usize,
    /// The levels of the data.
    grid: Grid,
}

const COMPONENTS: Key =
    Key::new("mixture_components", "The number of components of the mixture of logistic distributions of a pixel.")
        .also("n_mixtures nr_mix nr_logistic_mix num_mixtures n_mix mixtures")
        .example("5");

/// The largest number of components.
const MOST: u64 = 100;

/// Where the outputs of a pixel are: first the logits of the components; then for each channel the locations and the logarithms of
/// the scales of the components; then for each pair of channels the coefficients of the components.
#[derive(Clone, Copy, Debug)]
struct Layout {
    components: usize,
    channels: usize,
}

impl Layout {
    /// The number of outputs of a pixel.
    fn outputs(self) -> usize {
        let pairs = self.channels.saturating_mul(self.channels.saturating_sub(1)) / 2;
        let each = self.channels.saturating_mul(2).saturating_add(pairs).saturating_add(1);
        self.components.saturating_mul(each)
    }

    /// The locations of a channel.
    fn location(self, channel: usize) -> usize {
        self.components * (1 + 2 * channel)
    }

    /// The logarithms of the scales of a channel.
    fn log_scale(self, channel: usize) -> usize {
        self.components * (2 + 2 * channel)
    }

    /// The coefficients with which a channel depends on an earlier one.
    fn coefficient(self, channel: usize, earlier: usize) -> usize {
        self.components * (1 + 2 * self.channels + channel * (channel - 1) / 2 + earlier)
    }
}

impl LogisticMixture {
    fn bins(self) -> Bins {
        Bins::new(self.grid, FLOOR)
    }

    fn layout(self) -> Layout {
        Layout { components: self.components, channels: self.channels }
    }

    /// The probability of each component of a pixel, in double precision.
    fn weights(self, outputs: &[f32]) -> Vec<f64> {
        let logits = &outputs[..self.components];
        let most = logits.iter().fold(f64::NEG_INFINITY, |most, logit| most.max(f64::from(*logit)));
        let powers: Vec<f64> = logits.iter().map(|logit| (f64::from(*logit) - most).exp()).collect();
        let sum: f64 = powers.iter().sum();
        powers.into_iter().map(|power| power / sum).collect()
    }

    /// The location of a channel in a component, for these places of the earlier channels.
    fn location(self, outputs: &[f32], channel: usize, component: usize, earlier: &[f64]) -> f64 {
        let layout = self.layout();
        let base = f64::from(outputs[layout.location(channel) + component]);
        let shifts = earlier.iter().enumerate().map(|(place, value)| {
            value * f64::from(outputs[layout.coefficient(channel, place) + component]).tanh()
        });
        base + shifts.sum::<f64>()
    }
}

impl Likelihood for LogisticMixture {
    const WORD: Word = Word {
        name: "logistic_mixture",
        doc: "A mixture of `mixture_components` discretized logistic distributions per pixel, as in PixelCNN++, for images in \
              grey or RGB.",
        also: "mol mixture_of_logistics dmol discretized_logistic_mixture discretized_mix_logistic logistic_mix",
    };
    const TITLE: &'static str = "logistic mixture";
    const SUPPORT: Support = Support::Levels;

    fn read(keys: &mut Keys<'_>) -> LogisticMixture {
        let components = keys.whole(COMPONENTS, 1, MOST, 10);
        LogisticMixture { components: components as usize, channels: 1, grid: Grid::default() }
    }

    fn on(self, channels: usize, grid: Grid) -> LogisticMixture {
        LogisticMixture { channels, grid, ..self }
    }

    fn refusal(&self, channels: usize) -> Option<[String; 2]> {
        let message = format!("a {} needs images with 1 or 3 channels, but the images have {channels}", Self::TITLE);
        let help = "set `model.likelihood = \"discretized_logistic\"`, whose channels are independent".to_owned();
        (channels != 1 && channels != 3).then_some([message, help])
    }

    fn outputs(&self, channels: usize) -> usize {
        Layout { channels, ..self.layout() }.outputs()
    }

    /// The mean of the mixture, where each distribution is cut to the interval of the data, and a channel depends on the means of
    /// the channels before it.
    fn expected(&self, outputs: Vec<f32>, _: &[f32]) -> Vec<f32> {
        let (bins, layout) = (self.bins(), self.layout());
        let mut values = Vec::with_capacity(outputs.len() / layout.outputs().max(1) * self.channels);
        for outputs in outputs.chunks_exact(layout.outputs().max(1)) {
            let mut shares = vec![0.0; self.channels];
            for (component, weight) in self.weights(outputs).into_iter().enumerate() {
                let mut earlier = Vec::with_capacity(self.channels);
                for (channel, share) in shares.iter_mut().enumerate() {
                    let location = self.location(outputs, channel, component, &earlier);
                    let log_scale = f64::from(outputs[layout.log_scale(channel) + component]);
                    let mean = bins.exact_mean_share(location, log_scale);
                    *share += weight * mean;
                    earlier.push(2.0 * mean - 1.0);
                }
            }
            values.extend(shares.into_iter().map(|share| self.grid.at_share(share as f32)));
        }
        values
    }

    fn expected_fast(&self, outputs: Vec<f32>, _: &[f32]) -> Vec<f32> {
        match self.channels {
            1 => kernel::means::<1>(self.layout(), self.bins(), self.grid, &outputs),
            3 => kernel::means::<3>(self.layout(), self.bins(), self.grid, &outputs),
            _ => self.expected(outputs, &[]),
        }
    }

    /// Each component has the location; with coefficients of 0 it does not depend on other channels.
    fn outputs_of_mean(&self, mean: &[f32]) -> Vec<f32> {
        let (layout, bins) = (Layout { channels: mean.len(), ..self.layout() }, self.bins());
        let mut outputs = vec![0.0; layout.outputs()];
        for (channel, mean) in mean.iter().enumerate() {
            let location = bins.location_of_mean(self.grid.share_of(*mean), 0.0);
            outputs[layout.location(channel)..][..self.components].fill(location);
        }
        outputs
    }

    fn draw(&self, outputs: Vec<f32>, _: &[f32], stream: &mut Stream) -> Vec<f32> {
        let (bins, layout) = (self.bins(), self.layout());
        let mut values = Vec::new();
        for outputs in outputs.chunks_exact(layout.outputs().max(1)) {
            let (mut left, mut component) = (f64::from(stream.uniform()), 0);
            for weight in self.weights(outputs).into_iter().take(self.components - 1) {
                left -= weight;
                if left < 0.0 {
                    break;
                }
                component += 1;
            }
            let mut places = Vec::with_capacity(self.channels);
            for channel in 0..self.channels {
                let location = self.location(outputs, channel, component, &places);
                let log_scale = outputs[layout.log_scale(channel) + component];
                places.push(f64::from(bins.draw(location as f32, log_scale, stream)));
            }
            values.extend(places.into_iter().map(|place| self.grid.at_share(0.5 * (place as f32 + 1.0))));
        }
        values
    }

    fn onnx(&self, image: ImageShape, graph: &mut Graph<'_>) -> Result<(), ExportError> {
        let (bins, layout) = (self.bins(), self.layout());
        let (pixels, components) = (image.pixels(), self.components);
        graph.output("mixture", pixels * layout.outputs());
        let outputs = graph.reshape("mixture", &[-1, pixels as i64, layout.outputs() as i64]);
        let part = |graph: &mut Graph<'_>, start: usize| {
            graph.slice(&outputs, 2, start as i64..(start + components) as i64, 1)
        };
        let logits = part(graph, 0);
        let weights = graph.with("Softmax", &[&logits], &[Number::Integer("axis", 2)]);
        let [one, two] = [1.0, 2.0].map(|number| graph.number(number));
        let [low, length] = self.grid.start_and_length().map(|number| graph.number(number));
        let (mut earlier, mut values): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
        for channel in 0..self.channels {
            let mut location = part(graph, layout.location(channel));
            for (place, before) in earlier.iter().enumerate() {
                let coefficient = part(graph, layout.coefficient(channel, place));
                let coefficient = graph.apply("Tanh", &[&coefficient]);
                let shift = graph.apply("Mul", &[&coefficient, before]);
                location = graph.apply("Add", &[&location, &shift]);
            }
            let log_scale = part(graph, layout.log_scale(channel));
            let share = bins.onnx_mean_share(graph, &location, &log_scale);
            let doubled = graph.apply("Mul", &[&share, &two]);
            earlier.push(graph.apply("Sub", &[&doubled, &one]));
            let weighted = graph.apply("Mul", &[&share, &weights]);
            let axis = graph.whole_numbers(&[2]);
            let share = graph.with("ReduceSum", &[&weighted, &axis], &[Number::Integer("keepdims", 1)]);
            let value = graph.apply("Mul", &[&share, &length]);
            values.push(graph.apply("Add", &[&value, &low]));
        }
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        let joined = graph.with("Concat", &values, &[Number::Integer("axis", 2)]);
        graph.reshape(&joined, &[-1, image.values() as i64]);
        graph.output("mean", image.values());
        Ok(())
    }

    #[cfg(test)]
    fn exact(&self, outputs: &[f64], _: &[f64], x: &[f64]) -> f64 {
        let (bins, layout) = (self.bins(), self.layout());
        let pixel = |(outputs, x): (&[f64], &[f64])| {
            let joint = (0..self.components).map(|component| {
                let mut joint = outputs[component];
                for channel in 0..self.channels {
                    let mut location = outputs[layout.location(channel) + component];
                    for (earlier, x) in x[..channel].iter().enumerate() {
                        let coefficient = outputs[layout.coefficient(channel, earlier) + component];
                        location += coefficient.tanh() * bins.exact_place(*x);
                    }
                    joint -= bins.exact(x[channel], location, outputs[layout.log_scale(channel) + component]);
                }
                joint
            });
            let sum = |terms: Vec<f64>| {
                let most = terms.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                most + terms.iter().map(|term| (term - most).exp()).sum::<f64>().ln()
            };
            sum(outputs[..self.components].to_vec()) - sum(joint.collect())
        };
        outputs.chunks_exact(layout.outputs()).zip(x.chunks_exact(self.channels)).map(pixel).sum()
    }
}

impl RowOperation for LogisticMixture {
    fn forward(&self, inputs: RowInputs<'_>, results: &mut [f32]) {
        match self.channels {
            1 => kernel::forward::<1>(self.layout(), self.bins(), inputs, results),
            _ => kernel::forward::<3>(self.layout(), self.bins(), inputs, results),
        }
    }

    fn backward(&self, inputs: RowInputs<'_>, dresults: &[f32], gradients: RowGradients<'_>) {
        match self.channels {
            1 => kernel::backward::<1>(self.layout(), self.bins(), inputs, dresults, gradients.outputs),
            _ => kernel::backward::<3>(self.layout(), self.bins(), inputs, dresults, gradients.outputs),
        }
    }

    fn portable<D: Device<f32>, T: Tape<f32, D>>(
        &self,
        outputs: Tensor<(usize, usize), f32, D, T>,
        _: Option<Tensor<(usize,), f32, D, T>>,
        x: Tensor<(usize, usize), f32, D>,
    ) -> Result<Tensor<(usize,), f32, D, T>, D::Err> {
        let (bins, layout, components) = (self.bins(), self.layout(), self.components);
        let (rows, length) = *outputs.shape();
        let pixels = length / layout.outputs();
        let outputs = outputs.try_reshape_like(&(rows, pixels, layout.outputs()))?;
        let places = bins.portable_places(x)?.try_reshape_like(&(rows, pixels, self.channels))?;
        let part = |start: usize| outputs.with_empty_tape().try_slice((.., .., start..start + components));
        let place = |channel: usize| {
            let place = places.clone().try_slice((.., .., channel..channel + 1))?.try_reshape_like(&(rows, pixels))?;
            place.try_broadcast_like::<_, Axis<2>>(&(rows, pixels, components))
        };
        let mut nats: Option<Tensor<(usize, usize, usize), f32, D, T>> = None;
        for channel in 0..self.channels {
            let mut location = part(layout.location(channel))?;
            for earlier in 0..channel {
                let shift = part(layout.coefficient(channel, earlier))?.try_tanh()?.try_mul(place(earlier)?)?;
                location = location.try_add(shift)?;
            }
            let log_scale = part(layout.log_scale(channel))?.try_clamp(FLOOR, f32::MAX)?;
            let of_channel = bins.portable(place(channel)?, location, log_scale)?;
            nats = Some(match nats {
                Some(nats) => nats.try_add(of_channel)?,
                None => of_channel,
            });
        }
        // The tape that led to the outputs goes on here. Each output is in one slice only: on the host, the gradient of a slice
        // replaces that of another slice of the same outputs (dfdx 0.13).
        let logits = outputs.try_slice((.., .., 0..components))?;
        let mut joint = logits.with_empty_tape();
        if let Some(nats) = nats {
            joint = joint.try_sub(nats)?;
        }
        let all = logits.try_logsumexp::<(usize, usize), Axis<2>>()?;
        let joint = joint.try_logsumexp::<(usize, usize), Axis<2>>()?;
        all.try_sub(joint)?.try_sum::<(usize,), Axis<1>>()
    }

    fn kernel(&self) -> Option<RowKernel> {
        let [factor, constant, last] = self.bins().kernel_numbers();
        let [components, channels] = [self.components, self.channels].map(|count| count as f32);
        let numbers = kernel_numbers([components, channels, factor, constant, last, FLOOR]);
        let (forward, backward) = ("logistic_mixture", Some("logistic_mixture_backward"));
        Some(RowKernel::Whole { forward, backward, numbers, is_of_block: true })
    }
}
