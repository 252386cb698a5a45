//! A small classifier of labels, whose features compare samples with images: two hidden layers, and outputs for each column of labels.
//!
//! It is trained on one thread in a fixed order, so its weights do not depend on the number of threads.

use crate::optimizer::{ADAM, Optimizer};
use crate::random::{Purpose, Stream, shuffled};
use crate::scores::points::Factor;
use crate::settings::Keys;
use crate::tensor::kernels::{
    Accumulate, Activation, DenseShape, dense, dense_backward, dense_weight_gradient, exp, vectorized,
};
use std::collections::BTreeMap;
use std::ops::Range;

/// The number of features: units of the last hidden layer.
pub(super) const FEATURES: usize = 64;
/// Units of the hidden layers.
const UNITS: [usize; 2] = [256, FEATURES];
/// Images of a step.
const BATCH: usize = 128;
/// Steps of training.
pub(super) const STEPS: usize = 1_000;
/// The learning rate of Adam.
const RATE: f64 = 1e-3;
/// The draws of the order of the images, by epoch, and of the first weights, by layer.
const ORDER: u64 = 400;
const WEIGHTS: u64 = 401;

/// A layer: its part of the parameters, weights first.
struct Part {
    inputs: usize,
    outputs: usize,
    weight: Range<usize>,
    bias: Range<usize>,
}

impl Part {
    fn shape(&self, rows: usize) -> DenseShape {
        DenseShape { rows, inputs: self.inputs, outputs: self.outputs }
    }
}

/// The network with its weights.
pub(super) struct Classifier {
    layers: Vec<Part>,
    /// The outputs of each column of labels.
    heads: Vec<Range<usize>>,
    parameters: Vec<f32>,
}

/// The values of the layers for some images: their inputs, features of both hidden layers, logits.
type Values = [Vec<f32>; 4];

/// What a classifier finds in images.
pub(super) struct Read {
    /// (Images, [`FEATURES`])
    pub(super) features: Vec<f32>,
    /// (Images, Outputs)
    logits: Vec<f32>,
}

impl Classifier {
    /// Operations of training and of one forward pass for images with this number of values.
    pub(super) fn operations(values: usize) -> [f64; 2] {
        let once = 2.0 * (values * UNITS[0] + UNITS[0] * UNITS[1]) as f64;
        [3.0 * once * (BATCH * STEPS) as f64, once]
    }

    /// Trains it on labelled images, whose values `read` gives, (Images, Values).
    pub(super) fn train(values: usize, labels: &[Factor], seed: u64, read: impl Fn(&[u32]) -> Vec<f32>) -> Classifier {
        let mut network = Classifier::new(values, labels, seed);
        let count = labels.first().map_or(0, |factor| factor.values.len()) as u32;
        if count == 0 {
            return network;
        }
        let rule = Keys::read(&BTreeMap::new(), |keys| (ADAM.read)(keys)).0;
        let mut optimizer = Optimizer::new(rule, network.parameters.len());
        let mut gradient = vec![0.0; network.parameters.len()];
        let (mut order, mut epoch) = (Vec::new(), 0);
        for _ in 0..STEPS {
            if order.is_empty() {
                order = shuffled(Stream::new(seed, Purpose::Evaluation, ORDER, epoch), count);
                epoch += 1;
            }
            let batch: Vec<u32> = order.drain(order.len().saturating_sub(BATCH)..).collect();
            network.gradient(network.forward(read(&batch)), labels, &batch, &mut gradient);
            let step = optimizer.begin(RATE);
            optimizer.apply(step, 0, &mut network.parameters, &gradient);
        }
        network
    }

    /// The network before training: He's normal weights.
    fn new(values: usize, labels: &[Factor], seed: u64) -> Classifier {
        let mut heads = Vec::new();
        let outputs = labels.iter().fold(0, |sum, factor| {
            heads.push(sum..sum + factor.size);
            sum + factor.size
        });
        let (mut layers, mut parameters) = (Vec::new(), Vec::new());
        for (number, (inputs, outputs)) in
            [(values, UNITS[0]), (UNITS[0], UNITS[1]), (UNITS[1], outputs)].into_iter().enumerate()
        {
            let start = parameters.len();
            let weight = start..start + inputs * outputs;
            let mut drawn = vec![0.0; weight.len()];
            Stream::new(seed, Purpose::Evaluation, WEIGHTS, number as u64).fill_normal(&mut drawn);
            let deviation = (2.0 / inputs as f32).sqrt();
            parameters.extend(drawn.into_iter().map(|value| deviation * value));
            let bias = weight.end..weight.end + outputs;
            parameters.resize(bias.end, 0.0);
            layers.push(Part { inputs, outputs, weight, bias });
        }
        Classifier { layers, heads, parameters }
    }

    /// The values of all layers for images, (Images, Values).
    fn forward(&self, images: Vec<f32>) -> Values {
        let rows = images.len() / self.layers[0].inputs;
        let mut values = [images, Vec::new(), Vec::new(), Vec::new()];
        for (number, place) in self.layers.iter().enumerate() {
            let activation = if number + 1 < self.layers.len() { Activation::Relu } else { Activation::Identity };
            let mut outputs = vec![0.0; rows * place.outputs];
            let (weight, bias) = (&self.parameters[place.weight.clone()], &self.parameters[place.bias.clone()]);
            dense(place.shape(rows), activation, &values[number], weight, bias, &mut outputs);
            values[number + 1] = outputs;
        }
        values
    }

    /// The gradient of the mean over the images of the sum of the cross-entropies of the columns.
    fn gradient(&self, values: Values, labels: &[Factor], batch: &[u32], gradient: &mut [f32]) {
        let [images, first, second, mut logits] = values;
        let outputs = self.layers[2].outputs;
        for (row, image) in logits.chunks_mut(outputs.max(1)).zip(batch) {
            for (head, factor) in self.heads.iter().zip(labels) {
                let scores = &mut row[head.clone()];
                let most = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                vectorized(
                    #[inline(always)]
                    || scores.iter_mut().for_each(|score| *score = exp(*score - most)),
                );
                let sum: f32 = scores.iter().sum();
                let scale = 1.0 / (sum * batch.len() as f32);
                scores.iter_mut().for_each(|score| *score *= scale);
                scores[usize::from(factor.values[*image as usize])] -= 1.0 / batch.len() as f32;
            }
        }
        let inputs = [images, first, second];
        let mut dy = logits;
        gradient.fill(0.0);
        for (number, place) in self.layers.iter().enumerate().rev() {
            let shape = place.shape(batch.len());
            let (weights, biases) = gradient[place.weight.start..place.bias.end].split_at_mut(place.weight.len());
            let mut dx = vec![0.0; if number > 0 { inputs[number].len() } else { 0 }];
            let wanted = (number > 0).then_some((Accumulate::Set, &mut dx[..]));
            // The gradients of hidden layers pass their rectifier below.
            dense_backward(
                shape,
                Activation::Identity,
                &self.parameters[place.weight.clone()],
                &dy.clone(),
                &mut dy,
                wanted,
                biases,
            );
            dense_weight_gradient(shape, 0..place.inputs, &inputs[number], &dy, Accumulate::Set, weights);
            if number > 0 {
                dx.iter_mut().zip(&inputs[number]).filter(|(_, y)| **y <= 0.0).for_each(|(dx, _)| *dx = 0.0);
                dy = dx;
            }
        }
    }

    /// What it finds in images, (Images, Values).
    pub(super) fn read(&self, images: Vec<f32>) -> Read {
        let [.., features, logits] = self.forward(images);
        Read { features, logits }
    }

    /// How many labels of each column it predicts right, of the images with these numbers.
    pub(super) fn count_correct(&self, read: &Read, labels: &[Factor], indices: &[u32]) -> Vec<usize> {
        let rows = || read.logits.chunks(self.layers[2].outputs.max(1)).zip(indices);
        let is_correct = |head: &Range<usize>, factor: &Factor, row: &[f32], image: u32| {
            let scores = row[head.clone()].iter().enumerate();
            let best = scores.max_by(|(_, one), (_, other)| one.total_cmp(other)).map_or(0, |(value, _)| value);
            best == usize::from(factor.values[image as usize])
        };
        let count = |(head, factor): (&Range<usize>, &Factor)| {
            rows().filter(|(row, image)| is_correct(head, factor, row, **image)).count()
        };
        self.heads.iter().zip(labels).map(count).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels() -> Vec<Factor> {
        let factor = |name: &str, size, values| Factor { name: name.to_owned(), size, values };
        vec![factor("a", 2, vec![0, 1, 1, 0, 1]), factor("b", 3, vec![2, 1, 0, 0, 1])]
    }

    fn images(indices: &[u32]) -> Vec<f32> {
        let value = |image: u32, place: u32| ((image * 7 + place * 3) % 5) as f32 / 4.0;
        indices.iter().flat_map(|image| (0..6).map(move |place| value(*image, place))).collect()
    }

    /// The mean over the images of the sum of the cross-entropies.
    fn loss(network: &Classifier, batch: &[u32]) -> f64 {
        let [.., logits] = network.forward(images(batch));
        let of_row = |(row, image): (&[f32], &u32)| -> f64 {
            let of_head = |(head, factor): (&Range<usize>, &Factor)| {
                let scores: Vec<f64> = row[head.clone()].iter().map(|score| f64::from(*score)).collect();
                let sum: f64 = scores.iter().map(|score| score.exp()).sum();
                sum.ln() - scores[usize::from(factor.values[*image as usize])]
            };
            network.heads.iter().zip(&labels()).map(of_head).sum()
        };
        logits.chunks(5).zip(batch).map(of_row).sum::<f64>() / batch.len() as f64
    }

    #[test]
    fn gradients_are_those_of_differences() {
        let mut network = Classifier::new(6, &labels(), 3);
        let batch = [4, 0, 2];
        let mut gradient = vec![0.0; network.parameters.len()];
        network.gradient(network.forward(images(&batch)), &labels(), &batch, &mut gradient);
        let places = network.layers.iter().flat_map(|place| {
            [place.weight.start, place.weight.start + 9, place.weight.end - 1, place.bias.start, place.bias.end - 1]
        });
        let mut largest = 0.0f64;
        for place in places.collect::<Vec<_>>() {
            let (kept, step) = (network.parameters[place], 1e-2);
            let mut at = |value| {
                network.parameters[place] = value;
                loss(&network, &batch)
            };
            let slope = (at(kept + step) - at(kept - step)) / (2.0 * f64::from(step));
            at(kept);
            let own = f64::from(gradient[place]);
            assert!((own - slope).abs() < 2e-3 * slope.abs().max(0.05), "{place}: {own} against {slope}");
            largest = largest.max(slope.abs());
        }
        assert!(largest > 0.05, "{largest}");
    }

    #[test]
    fn it_learns_labels_that_depend_on_the_image() {
        let labels =
            vec![Factor { name: "quarter".to_owned(), size: 4, values: (0..400).map(|image| image % 4).collect() }];
        let read = |indices: &[u32]| -> Vec<f32> {
            let value = |image: u32, place: u32| if image % 4 == place { 1.0 } else { (image % 7) as f32 / 7.0 };
            indices.iter().flat_map(|image| (0..4).map(move |place| value(*image, place))).collect()
        };
        let network = Classifier::train(4, &labels, 0, read);
        let all: Vec<u32> = (0..400).collect();
        assert_eq!(network.count_correct(&network.read(read(&all)), &labels, &all), [400]);
        assert_eq!(network.read(read(&all[..3])).features.len(), 3 * FEATURES);
        // The same seed gives the same bits.
        assert_eq!(Classifier::train(4, &labels, 0, read).parameters, network.parameters);
    }
}
