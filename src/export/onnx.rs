//! Encoder and decoder as ONNX graphs, for onnxruntime and other ONNX readers. The size of the batch axis is dynamic.

use super::messages::{
    Attribute, Dimension, Entry, FLOAT, Graph, INT, INT64, INTS, Model, Node, OperatorSet, Shape, Size, Tensor,
    TensorType, Type, Value,
};
use crate::model::architecture::{
    Architecture, ConvSpec, ConvStride, LikelihoodKind, Network, PosteriorKind, PosteriorScale, VarianceKind,
};
use crate::tensor::kernels::{Activation, OnnxNode};
use prost::Message;

/// ONNX's operator set of 2021, which all current runtimes support.
const OPSET: i64 = 15;
const IR_VERSION: i64 = 8;

/// Why a network cannot be exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// A weight is missing or does not have the shape that the architecture requires.
    #[error("the weights have no array `{name}` of the shape {expected:?}")]
    Weight {
        /// Its name.
        name: String,
        /// The required shape.
        expected: Vec<usize>,
    },
}

/// Returns the shape and the row-major values of the array with a name.
pub type Weights<'a> = dyn Fn(&str) -> Option<(Vec<usize>, Vec<f32>)> + 'a;

/// The encoder: maps `pixels` (batch, pixels), in the range of the data, to `mean` (batch, latent) and, with a Gaussian
/// posterior, `log_var` (batch, latent). The model's metadata give the formula of the standard deviation.
///
/// `weights` returns the array with a name; `notes` are added to the model's metadata.
///
/// # Errors
/// A weight is missing or does not have the shape that the architecture requires.
pub fn encoder(
    architecture: &Architecture,
    weights: &Weights,
    notes: &[(&str, String)],
) -> Result<Vec<u8>, ExportError> {
    let mut graph = Builder { weights, nodes: Vec::new(), constants: Vec::new(), last: "pixels".to_owned() };
    let pixels = architecture.pixels();
    let (mut size, hidden, activation) = match &architecture.network {
        Network::Conv { convs, hidden } => (graph.convolutions(architecture, convs)?, hidden, Activation::Relu),
        Network::Mlp { hidden, activation } => (pixels, hidden, *activation),
    };
    for (index, units) in hidden.iter().enumerate() {
        graph.dense(&format!("encoder.dense.{index}"), size, *units)?;
        graph.activate(activation);
        size = *units;
    }
    let features = graph.last.clone();
    let mut outputs = vec!["mean"];
    graph.dense_to("posterior.mean", size, architecture.latent, "mean")?;
    if architecture.posterior != PosteriorKind::None {
        graph.last = features;
        graph.dense_to("posterior.log_var", size, architecture.latent, "log_var")?;
        outputs.push("log_var");
    }
    let outputs = outputs.into_iter().map(|name| (name, vec![None, Some(architecture.latent)]));
    Ok(graph.finish("encoder", ("pixels", pixels), outputs.collect(), architecture, notes))
}

/// The decoder: maps `z` (batch, latent) to `logits` and `probabilities` (batch, pixels) for a Bernoulli likelihood, or
/// to `mean` (batch, pixels) and `log_var` (1 or pixels) for a Gaussian likelihood.
///
/// # Errors
/// As for [`encoder`].
pub fn decoder(
    architecture: &Architecture,
    weights: &Weights,
    notes: &[(&str, String)],
) -> Result<Vec<u8>, ExportError> {
    let mut graph = Builder { weights, nodes: Vec::new(), constants: Vec::new(), last: "z".to_owned() };
    let pixels = architecture.pixels();
    let output = if architecture.likelihood == LikelihoodKind::Bernoulli { "logits" } else { "mean" };
    match &architecture.network {
        Network::Conv { convs, .. } => graph.transposed(architecture, convs, output)?,
        Network::Mlp { hidden, activation } => {
            let mut size = architecture.latent;
            for (index, units) in hidden.iter().rev().enumerate() {
                graph.dense(&format!("decoder.dense.{index}"), size, *units)?;
                graph.activate(*activation);
                size = *units;
            }
            graph.dense_to("decoder.output", size, pixels, output)?;
        }
    }
    let mut outputs = vec![(output, vec![None, Some(pixels)])];
    match architecture.likelihood {
        LikelihoodKind::Bernoulli => {
            graph.node("Sigmoid", vec!["logits".to_owned()], "probabilities", Vec::new());
            outputs.push(("probabilities", vec![None, Some(pixels)]));
        }
        LikelihoodKind::Gaussian(variance) => {
            let values = match variance {
                VarianceKind::Fixed(variance) => vec![variance.ln()],
                VarianceKind::Learned => graph.weight("likelihood.log_var", &[1])?,
                VarianceKind::PerPixel => graph.weight("likelihood.log_var", &[pixels])?,
            };
            outputs.push(("log_var", vec![Some(values.len())]));
            let name = graph.constant("likelihood.log_var", &[values.len()], &values);
            graph.node("Identity", vec![name], "log_var", Vec::new());
        }
    }
    Ok(graph.finish("decoder", ("z", architecture.latent), outputs, architecture, notes))
}

/// Builds a graph layer by layer.
struct Builder<'a> {
    weights: &'a Weights<'a>,
    nodes: Vec<Node>,
    constants: Vec<Tensor>,
    /// The name of the value that is the input of the next layer.
    last: String,
}

impl Builder<'_> {
    fn weight(&self, name: &str, expected: &[usize]) -> Result<Vec<f32>, ExportError> {
        let found = (self.weights)(name).filter(|(sizes, _)| sizes == expected);
        found
            .map(|(_, values)| values)
            .ok_or_else(|| ExportError::Weight { name: name.to_owned(), expected: expected.to_vec() })
    }

    fn constant(&mut self, name: &str, sizes: &[usize], values: &[f32]) -> String {
        self.constants.push(Tensor {
            dims: sizes.iter().map(|size| *size as i64).collect(),
            data_type: FLOAT,
            name: name.to_owned(),
            raw_data: values.iter().flat_map(|value| value.to_le_bytes()).collect(),
        });
        name.to_owned()
    }

    fn node(&mut self, operator: &str, input: Vec<String>, output: &str, attribute: Vec<Attribute>) {
        let (op_type, output) = (operator.to_owned(), vec![output.to_owned()]);
        self.last.clone_from(&output[0]);
        self.nodes.push(Node { input, output, op_type, attribute });
    }

    /// Adds a node whose first input is the last value, and whose output becomes the last value.
    fn then(&mut self, operator: &str, further: Vec<String>, attribute: Vec<Attribute>) {
        let input = std::iter::once(self.last.clone()).chain(further).collect();
        let output = format!("{}_{}", operator.to_lowercase(), self.nodes.len());
        self.node(operator, input, &output, attribute);
    }

    fn activate(&mut self, activation: Activation) {
        if let Some(OnnxNode { operator, attributes }) = activation.onnx() {
            let attributes = attributes.iter().map(|(name, value)| number(name, *value)).collect();
            self.then(operator, Vec::new(), attributes);
        }
    }

    fn dense(&mut self, name: &str, from: usize, to: usize) -> Result<(), ExportError> {
        let output = format!("{name}.output");
        self.dense_to(name, from, to, &output)
    }

    /// A dense layer. Weights are (in, out), as `Gemm` expects.
    fn dense_to(&mut self, name: &str, from: usize, to: usize, output: &str) -> Result<(), ExportError> {
        let (weight, bias) = (format!("{name}.weight"), format!("{name}.bias"));
        let (weights, biases) = (self.weight(&weight, &[from, to])?, self.weight(&bias, &[to])?);
        let input = vec![
            self.last.clone(),
            self.constant(&weight, &[from, to], &weights),
            self.constant(&bias, &[to], &biases),
        ];
        self.node("Gemm", input, output, Vec::new());
        Ok(())
    }

    /// A 3x3 convolution or transposed convolution; its weights (3, 3, A, B) become (B, A, 3, 3).
    fn convolution(
        &mut self,
        operator: &str,
        name: &str,
        [a, b]: [usize; 2],
        outputs: usize,
        stride: i64,
        pads: [i64; 4],
    ) -> Result<(), ExportError> {
        let (weight, bias) = (format!("{name}.weight"), format!("{name}.bias"));
        let (weights, biases) = (self.weight(&weight, &[3, 3, a, b])?, self.weight(&bias, &[outputs])?);
        let at = |index: usize| {
            let (tap, rest) = (index % 9, index / 9);
            weights[(tap * a + rest % a) * b + rest / a]
        };
        let turned: Vec<f32> = (0..weights.len()).map(at).collect();
        let further = vec![self.constant(&weight, &[b, a, 3, 3], &turned), self.constant(&bias, &[outputs], &biases)];
        let attributes =
            vec![integers("kernel_shape", &[3, 3]), integers("strides", &[stride, stride]), integers("pads", &pads)];
        self.then(operator, further, attributes);
        Ok(())
    }

    /// Reshapes to (batch, channels, height, width).
    fn reshape(&mut self, sizes: [usize; 3]) {
        let sizes: Vec<i64> = std::iter::once(-1).chain(sizes.map(|size| size as i64)).collect();
        let name = format!("shape_{}", self.nodes.len());
        self.constants.push(Tensor {
            dims: vec![4],
            data_type: INT64,
            name: name.clone(),
            raw_data: sizes.iter().flat_map(|size| size.to_le_bytes()).collect(),
        });
        self.then("Reshape", vec![name], Vec::new());
    }

    /// The encoder's convolutions, then flattens to rows in the order height, width, channel; returns the length of a
    /// row.
    fn convolutions(&mut self, architecture: &Architecture, convs: &[ConvSpec]) -> Result<usize, ExportError> {
        let (mut sides, mut channels) = ([architecture.height, architecture.width], 1);
        self.reshape([1, sides[0], sides[1]]);
        for (index, conv) in convs.iter().enumerate() {
            // TensorFlow's SAME padding: at stride 2, an even side has no padding before its first pixel.
            let before = sides.map(|side| i64::from(conv.stride == ConvStride::One || side % 2 == 1));
            let stride = if conv.stride == ConvStride::Two { 2 } else { 1 };
            let pads = [before[0], before[1], 1, 1];
            let name = format!("encoder.conv.{index}");
            self.convolution("Conv", &name, [channels, conv.channels], conv.channels, stride, pads)?;
            self.activate(Activation::Relu);
            sides = sides.map(|side| side.div_ceil(stride as usize));
            channels = conv.channels;
        }
        self.then("Transpose", Vec::new(), vec![integers("perm", &[0, 2, 3, 1])]);
        self.then("Flatten", Vec::new(), vec![integer("axis", 1)]);
        Ok(sides[0] * sides[1] * channels)
    }

    /// The convolutional decoder: one transposed convolution for each encoder convolution with stride 2, in reverse
    /// order.
    fn transposed(&mut self, architecture: &Architecture, convs: &[ConvSpec], output: &str) -> Result<(), ExportError> {
        let mut sides = [architecture.height, architecture.width];
        let mut halved = Vec::new();
        for (index, conv) in convs.iter().enumerate().filter(|(_, conv)| conv.stride == ConvStride::Two) {
            // Its outputs are the inputs of that convolution; for the first convolution, whose input is the image, its
            // outputs.
            let inputs = if index == 0 { conv.channels } else { convs[index - 1].channels };
            halved.push((sides, inputs));
            sides = sides.map(|side| side.div_ceil(2));
        }
        let mut channels = convs.last().map_or(1, |conv| conv.channels);
        self.dense("decoder.dense", architecture.latent, sides[0] * sides[1] * channels)?;
        self.activate(Activation::Relu);
        self.reshape_rows([sides[0], sides[1], channels]);
        for (index, (sides, outputs)) in halved.into_iter().rev().enumerate() {
            let name = format!("decoder.conv_transpose.{index}");
            // The full output has 2 n + 1 rows: the last is cut off for an even side, the first and the last for an odd
            // side.
            let before = sides.map(|side| (side % 2) as i64);
            let pads = [before[0], before[1], 1, 1];
            self.convolution("ConvTranspose", &name, [outputs, channels], outputs, 2, pads)?;
            self.activate(Activation::Relu);
            channels = outputs;
        }
        self.convolution("Conv", "decoder.output", [channels, 1], 1, 1, [1; 4])?;
        let last = self.last.clone();
        self.node("Flatten", vec![last], output, vec![integer("axis", 1)]);
        Ok(())
    }

    /// Reshapes rows in the order height, width, channel to (batch, channels, height, width).
    fn reshape_rows(&mut self, sizes: [usize; 3]) {
        self.reshape(sizes);
        self.then("Transpose", Vec::new(), vec![integers("perm", &[0, 3, 1, 2])]);
    }

    fn finish(
        self,
        name: &str,
        input: (&str, usize),
        outputs: Vec<(&str, Vec<Option<usize>>)>,
        architecture: &Architecture,
        notes: &[(&str, String)],
    ) -> Vec<u8> {
        let (scale, deviation) = match architecture.posterior {
            PosteriorKind::Gaussian(PosteriorScale::LogVar) => ("log_var", "exp(log_var / 2)"),
            PosteriorKind::Gaussian(PosteriorScale::LogStd) => ("log_std", "exp(log_var)"),
            PosteriorKind::None => ("none", "none: codes are points"),
        };
        let likelihood = match architecture.likelihood {
            LikelihoodKind::Bernoulli => "bernoulli",
            LikelihoodKind::Gaussian(_) => "gaussian",
        };
        let own = [
            ("version", env!("CARGO_PKG_VERSION").to_owned()),
            ("likelihood", likelihood.to_owned()),
            ("posterior_scale", scale.to_owned()),
            ("deviation", deviation.to_owned()),
            ("height", architecture.height.to_string()),
            ("width", architecture.width.to_string()),
        ];
        let entries =
            own.iter().chain(notes).map(|(key, value)| Entry { key: (*key).to_owned(), value: value.clone() });
        let graph = Graph {
            node: self.nodes,
            name: name.to_owned(),
            initializer: self.constants,
            input: vec![value(input.0, vec![None, Some(input.1)])],
            output: outputs.into_iter().map(|(name, sizes)| value(name, sizes)).collect(),
        };
        let model = Model {
            ir_version: IR_VERSION,
            producer_name: "vaex".to_owned(),
            producer_version: env!("CARGO_PKG_VERSION").to_owned(),
            graph: Some(graph),
            opset_import: vec![OperatorSet { domain: String::new(), version: OPSET }],
            metadata_props: entries.collect(),
        };
        model.encode_to_vec()
    }
}

/// A value of the graph; an axis without a size is the batch axis.
fn value(name: &str, sizes: Vec<Option<usize>>) -> Value {
    let size = |size: Option<usize>| size.map_or(Size::Name("batch".to_owned()), |size| Size::Value(size as i64));
    let dim = sizes.into_iter().map(|one| Dimension { size: Some(size(one)) }).collect();
    let tensor = TensorType { elem_type: FLOAT, shape: Some(Shape { dim }) };
    Value { name: name.to_owned(), r#type: Some(Type { tensor_type: Some(tensor) }) }
}

fn integer(name: &str, value: i64) -> Attribute {
    Attribute { name: name.to_owned(), f: None, i: Some(value), ints: Vec::new(), r#type: INT }
}

fn integers(name: &str, values: &[i64]) -> Attribute {
    Attribute { name: name.to_owned(), f: None, i: None, ints: values.to_vec(), r#type: INTS }
}

fn number(name: &str, value: f32) -> Attribute {
    Attribute { name: name.to_owned(), f: Some(value), i: None, ints: Vec::new(), r#type: FLOAT }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Initializer;

    /// A non-square image, an odd side, and channels that differ, so that swapped axes are detected.
    fn architecture() -> Architecture {
        let conv = |channels, stride| ConvSpec { channels, stride };
        let convs = vec![conv(2, ConvStride::Two), conv(3, ConvStride::One)];
        Architecture {
            height: 5,
            width: 4,
            latent: 7,
            network: Network::Conv { convs, hidden: vec![6] },
            likelihood: LikelihoodKind::Gaussian(VarianceKind::PerPixel),
            posterior: PosteriorKind::Gaussian(PosteriorScale::LogStd),
            initializer: Initializer::Glorot,
        }
    }

    const SHAPES: [(&str, &[usize]); 17] = [
        ("encoder.conv.0.weight", &[3, 3, 1, 2]),
        ("encoder.conv.0.bias", &[2]),
        ("encoder.conv.1.weight", &[3, 3, 2, 3]),
        ("encoder.conv.1.bias", &[3]),
        ("encoder.dense.0.weight", &[18, 6]),
        ("encoder.dense.0.bias", &[6]),
        ("posterior.mean.weight", &[6, 7]),
        ("posterior.mean.bias", &[7]),
        ("posterior.log_var.weight", &[6, 7]),
        ("posterior.log_var.bias", &[7]),
        ("decoder.dense.weight", &[7, 18]),
        ("decoder.dense.bias", &[18]),
        ("decoder.conv_transpose.0.weight", &[3, 3, 2, 3]),
        ("decoder.conv_transpose.0.bias", &[2]),
        ("decoder.output.weight", &[3, 3, 2, 1]),
        ("decoder.output.bias", &[1]),
        ("likelihood.log_var", &[20]),
    ];

    /// The arrays that the export of both networks rejects if `changed` modifies one array.
    fn refused(changed: &dyn Fn(&str, Vec<usize>) -> Option<Vec<usize>>) -> Vec<(String, Vec<usize>)> {
        let weights = |name: &str| {
            let (_, sizes) = SHAPES.iter().find(|(known, _)| *known == name)?;
            let sizes = changed(name, sizes.to_vec())?;
            let count = sizes.iter().product();
            Some((sizes, vec![0.5; count]))
        };
        let networks = [encoder(&architecture(), &weights, &[]), decoder(&architecture(), &weights, &[])];
        let errors = networks.into_iter().filter_map(Result::err);
        errors.map(|ExportError::Weight { name, expected }| (name, expected)).collect()
    }

    #[test]
    fn a_weight_that_is_missing_or_of_another_shape_is_named() {
        assert_eq!(refused(&|_, sizes| Some(sizes)), []);
        for (name, sizes) in SHAPES {
            let expected = [(name.to_owned(), sizes.to_vec())];
            assert_eq!(refused(&|other, sizes| (other != name).then_some(sizes)), expected);
            // The same number of elements in another shape.
            let turned = |other: &str, mut sizes: Vec<usize>| {
                if other == name {
                    sizes.reverse();
                    sizes.push(1);
                }
                Some(sizes)
            };
            assert_eq!(refused(&turned), expected);
        }
    }

    #[test]
    fn a_network_says_what_its_numbers_mean() {
        let weights = |name: &str| {
            let (_, sizes) = SHAPES.iter().find(|(known, _)| *known == name)?;
            Some((sizes.to_vec(), vec![0.5; sizes.iter().product()]))
        };
        let bytes = encoder(&architecture(), &weights, &[("range", "0 1".to_owned())]).unwrap();
        let model = Model::decode(bytes.as_slice()).unwrap();
        let note = |key: &str| model.metadata_props.iter().find(|entry| entry.key == key).unwrap().value.clone();
        assert_eq!([note("height"), note("width"), note("range")], ["5", "4", "0 1"]);
        assert_eq!([note("likelihood"), note("posterior_scale")], ["gaussian", "log_std"]);
        assert_eq!(note("deviation"), "exp(log_var)");
        assert_eq!(note("version"), env!("CARGO_PKG_VERSION"));
    }
}
