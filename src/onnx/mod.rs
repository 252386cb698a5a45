//! Builds ONNX graphs, for onnxruntime and other programs that read ONNX files. The size of the batch axis is dynamic.

mod messages;

use crate::data::ImageShape;
use crate::tensor::kernels::{Activation, OnnxFormula, OnnxStep};
use messages::{
    Attribute, Dimension, Entry, FLOAT, INT, INT64, INTS, Model, Node, OperatorSet, Shape, Size, Tensor, TensorType,
    Type, Value,
};
use prost::Message;
use std::ops::Range;

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

/// A graph under construction, layer by layer.
pub struct Graph<'a> {
    weights: &'a Weights<'a>,
    nodes: Vec<Node>,
    constants: Vec<Tensor>,
    input: Value,
    outputs: Vec<Value>,
    /// The name of the value that is the input of the next layer.
    last: String,
    /// The shape of that value, if it is a feature map (batch, channels, height, width); `None` for rows (batch, values).
    map: Option<ImageShape>,
}

impl<'a> Graph<'a> {
    /// A graph with an input of rows: (batch, values).
    pub fn new(weights: &'a Weights<'a>, input: &str, values: usize) -> Graph<'a> {
        let (nodes, constants, outputs) = (Vec::new(), Vec::new(), Vec::new());
        let (last, input) = (input.to_owned(), value(input, &[None, Some(values)]));
        Graph { weights, nodes, constants, input, outputs, last, map: None }
    }

    /// The values of a weight.
    ///
    /// # Errors
    /// The weight is missing or has another shape.
    pub fn weight(&self, name: &str, expected: &[usize]) -> Result<Vec<f32>, ExportError> {
        let found = (self.weights)(name).filter(|(sizes, _)| sizes == expected);
        found
            .map(|(_, values)| values)
            .ok_or_else(|| ExportError::Weight { name: name.to_owned(), expected: expected.to_vec() })
    }

    /// Adds an array to the graph. Returns its name.
    pub fn constant(&mut self, name: &str, sizes: &[usize], values: &[f32]) -> String {
        self.constants.push(Tensor {
            dims: sizes.iter().map(|size| *size as i64).collect(),
            data_type: FLOAT,
            name: name.to_owned(),
            raw_data: values.iter().flat_map(|value| value.to_le_bytes()).collect(),
        });
        name.to_owned()
    }

    /// The name of the last value.
    pub fn last(&self) -> String {
        self.last.clone()
    }

    /// Continues from an earlier value, which must be rows.
    pub fn go_back_to(&mut self, last: String) {
        (self.last, self.map) = (last, None);
    }

    /// Adds a node; its output becomes the last value.
    pub fn node(&mut self, operator: &str, input: Vec<String>, output: &str, attributes: &[Number]) {
        let attribute = attributes.iter().map(Number::attribute).collect();
        let (op_type, output) = (operator.to_owned(), vec![output.to_owned()]);
        self.last.clone_from(&output[0]);
        self.nodes.push(Node { input, output, op_type, attribute });
    }

    /// Adds a node without attributes; its output becomes the last value. Returns the name of the output.
    pub fn apply(&mut self, operator: &str, input: &[&str]) -> String {
        self.with(operator, input, &[])
    }

    /// As [`Graph::apply`], with attributes.
    pub fn with(&mut self, operator: &str, input: &[&str], attributes: &[Number]) -> String {
        let output = format!("{}_{}", operator.to_lowercase(), self.nodes.len());
        self.node(operator, input.iter().map(|name| (*name).to_owned()).collect(), &output, attributes);
        output
    }

    /// Adds a number to the graph. Returns its name.
    pub fn number(&mut self, value: f32) -> String {
        let name = format!("number_{}", self.constants.len());
        self.constant(&name, &[], &[value])
    }

    /// Adds an array of whole numbers to the graph. Returns its name.
    pub fn whole_numbers(&mut self, values: &[i64]) -> String {
        let name = format!("whole_{}", self.constants.len());
        self.constants.push(Tensor {
            dims: vec![values.len() as i64],
            data_type: INT64,
            name: name.clone(),
            raw_data: values.iter().flat_map(|value| value.to_le_bytes()).collect(),
        });
        name
    }

    /// Every `step`-th element of a range of an axis; the result becomes the last value. Returns its name.
    pub fn slice(&mut self, from: &str, axis: i64, range: Range<i64>, step: i64) -> String {
        let [start, end, axis, step] = [range.start, range.end, axis, step].map(|one| self.whole_numbers(&[one]));
        self.apply("Slice", &[from, &start, &end, &axis, &step])
    }

    /// Changes the sizes; one of them may be -1. The result becomes the last value. Returns its name.
    pub fn reshape(&mut self, from: &str, sizes: &[i64]) -> String {
        let sizes = self.whole_numbers(sizes);
        self.apply("Reshape", &[from, &sizes])
    }

    /// Repeats an array with one axis; the result becomes the last value. Returns its name.
    pub fn tile(&mut self, from: &str, times: usize) -> String {
        let times = self.whole_numbers(&[times as i64]);
        self.apply("Tile", &[from, &times])
    }

    /// Adds a node whose first input is the last value; its output becomes the last value.
    pub fn then(&mut self, operator: &str, further: Vec<String>, attributes: &[Number]) {
        let input = std::iter::once(self.last.clone()).chain(further).collect();
        let output = format!("{}_{}", operator.to_lowercase(), self.nodes.len());
        self.node(operator, input, &output, attributes);
    }

    /// Applies an activation function to the last value.
    pub fn activate(&mut self, activation: Activation) {
        let Some(OnnxFormula { steps, times_argument }) = activation.onnx() else { return };
        let argument = self.last();
        for step in steps {
            match *step {
                OnnxStep::Operator(operator, attributes) => {
                    let attributes: Vec<Number> =
                        attributes.iter().map(|(name, value)| Number::Float(name, *value)).collect();
                    self.then(operator, Vec::new(), &attributes);
                }
                OnnxStep::WithNumber(operator, number) => self.with_number(operator, number),
            }
        }
        if times_argument {
            self.then("Mul", vec![argument], &[]);
        }
    }

    /// Adds a node whose inputs are the last value and a number.
    pub fn with_number(&mut self, operator: &str, number: f32) {
        let number = self.constant(&format!("number_{}", self.nodes.len()), &[], &[number]);
        self.then(operator, vec![number], &[]);
    }

    /// Makes the last value a feature map (batch, channels, height, width). Rows are in the order height, width, channel.
    pub fn as_map(&mut self, shape: ImageShape) {
        if self.map.is_none() {
            let ImageShape { height, width, channels } = shape;
            if channels == 1 {
                // The order of the values is the same.
                self.reshape_map([1, height, width]);
            } else {
                self.reshape_map([height, width, channels]);
                self.then("Transpose", Vec::new(), &[Number::Integers("perm", &[0, 3, 1, 2])]);
            }
        }
        self.map = Some(shape);
    }

    /// Notes the shape of the last value, a feature map that a convolution gave.
    pub fn is_map(&mut self, shape: ImageShape) {
        self.map = Some(shape);
    }

    /// Makes the last value rows in the order height, width, channel.
    pub fn as_rows(&mut self) {
        let Some(ImageShape { channels, .. }) = self.map.take() else { return };
        if channels > 1 {
            self.then("Transpose", Vec::new(), &[Number::Integers("perm", &[0, 2, 3, 1])]);
        }
        self.then("Flatten", Vec::new(), &[Number::Integer("axis", 1)]);
    }

    /// Reshapes the last value to (batch, ...).
    fn reshape_map(&mut self, sizes: [usize; 3]) {
        let sizes: Vec<i64> = std::iter::once(-1).chain(sizes.map(|size| size as i64)).collect();
        let last = self.last();
        self.reshape(&last, &sizes);
    }

    /// Makes the last value rows and gives it this name, as an output of the graph: (batch, values).
    pub fn output(&mut self, name: &str, values: usize) {
        self.as_rows();
        let last = self.last();
        self.node("Identity", vec![last], name, &[]);
        self.outputs.push(value(name, &[None, Some(values)]));
    }

    /// Adds an output that is the same for each input: (values).
    pub fn constant_output(&mut self, name: &str, constant: &str, values: &[f32]) {
        let constant = self.constant(constant, &[values.len()], values);
        self.node("Identity", vec![constant], name, &[]);
        self.outputs.push(value(name, &[Some(values.len())]));
    }

    /// The file of the graph, with metadata.
    pub fn finish(self, name: &str, notes: impl IntoIterator<Item = (String, String)>) -> Vec<u8> {
        let graph = messages::Graph {
            node: self.nodes,
            name: name.to_owned(),
            initializer: self.constants,
            input: vec![self.input],
            output: self.outputs,
        };
        let model = Model {
            ir_version: IR_VERSION,
            producer_name: "vaex".to_owned(),
            producer_version: env!("CARGO_PKG_VERSION").to_owned(),
            graph: Some(graph),
            opset_import: vec![OperatorSet { domain: String::new(), version: OPSET }],
            metadata_props: notes.into_iter().map(|(key, value)| Entry { key, value }).collect(),
        };
        model.encode_to_vec()
    }
}

/// A named attribute of a node.
#[derive(Clone, Copy, Debug)]
pub enum Number<'a> {
    /// A whole number.
    Integer(&'a str, i64),
    /// Whole numbers.
    Integers(&'a str, &'a [i64]),
    /// A number.
    Float(&'a str, f32),
}

impl Number<'_> {
    fn attribute(&self) -> Attribute {
        let empty = Attribute { name: String::new(), f: None, i: None, ints: Vec::new(), r#type: INT };
        match *self {
            Number::Integer(name, value) => Attribute { name: name.to_owned(), i: Some(value), ..empty },
            Number::Integers(name, values) => {
                Attribute { name: name.to_owned(), ints: values.to_vec(), r#type: INTS, ..empty }
            }
            Number::Float(name, value) => Attribute { name: name.to_owned(), f: Some(value), r#type: FLOAT, ..empty },
        }
    }
}

/// A value of the graph; an axis without a size is the batch axis.
fn value(name: &str, sizes: &[Option<usize>]) -> Value {
    let size = |size: &Option<usize>| size.map_or(Size::Name("batch".to_owned()), |size| Size::Value(size as i64));
    let dim = sizes.iter().map(|one| Dimension { size: Some(size(one)) }).collect();
    let tensor = TensorType { elem_type: FLOAT, shape: Some(Shape { dim }) };
    Value { name: name.to_owned(), r#type: Some(Type { tensor_type: Some(tensor) }) }
}

/// The metadata of an exported network, for tests.
#[cfg(test)]
pub(crate) fn notes_of(file: &[u8]) -> std::collections::BTreeMap<String, String> {
    let model = Model::decode(file).unwrap();
    model.metadata_props.into_iter().map(|entry| (entry.key, entry.value)).collect()
}
