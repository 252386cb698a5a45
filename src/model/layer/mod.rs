//! Layers. Each kind has a file with its description, from which layers are built, counted and exported, and a line in
//! `layers!`.

use super::parameters::{Fans, Initial, Module, Visit, Visitor};
use crate::data::ImageShape;
use crate::onnx::{ExportError, Graph};
use crate::tensor::backend::{Activation, Array, Backend, DeviceError, Parameter};
use crate::tensor::dims::{Dim, Features};
use dfdx::shapes::Shape;
use dfdx::tensor::Tape;
use serde_json::{Value, json};

/// A kind of layer: what a layer of this kind with certain sizes needs and gives. Arithmetic on sizes saturates, because sizes
/// from a spec can exceed 64 bits.
trait Describe {
    /// The layer with its weights.
    type Live<B: Backend>: Forward<B>;

    /// The shape of its output; the units of a dense layer are the channels of a single pixel.
    fn outputs(&self) -> ImageShape;

    /// What it costs.
    fn cost(&self) -> Cost;

    /// Its description for ids of trials, where `is_output` means that its size follows from the images and the likelihood.
    fn canonical(&self, is_output: bool) -> Value;

    /// The function of its outputs, if each is a function of a sum with a bias.
    fn activation(&self) -> Option<Activation> {
        None
    }

    /// The layer with all weights 0. `on_data` means that its input is data: the gradient with respect to it is not computed.
    fn build<B: Backend>(&self, device: &B::Device, on_data: bool) -> Result<Self::Live<B>, DeviceError>;

    /// Adds it to an ONNX graph; the names of its weights begin with `path`.
    fn onnx(&self, path: &str, graph: &mut Graph<'_>) -> Result<(), ExportError>;
}

/// A layer with weights, between arrays of features.
trait Forward<B: Backend>: Module<B> {
    /// `(N, Features)` to `(N, Features)`.
    fn forward<N: Dim, T: Tape<f32, B::Recorder>>(
        &self,
        x: Array<(N, Features), B, T>,
    ) -> Result<Array<(N, Features), B, T>, DeviceError>;
}

/// The cost of a layer for one image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// The number of weights and biases.
    pub parameters: u128,
    /// The number of multiplications in a forward pass.
    pub multiplications: u128,
    /// The number of values of the output.
    pub outputs: u128,
    /// The numbers under all windows of a convolution, which a GPU lays out; 0 for other layers.
    pub windows: u128,
    /// Whether threads sum its weight gradient separately, each in an array of its own.
    pub has_own_gradients: bool,
}

/// The list of layers, each with its module; everything that depends on the list is generated here.
macro_rules! layers {
    ($($name:ident($description:ident) in $file:ident,)+) => {
        $(mod $file;)+
        $(pub use $file::{$description, $name};)+

        /// A layer with its sizes, without weights.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Layer {
            $(#[doc = concat!("That of `", stringify!($file), ".rs`.")] $name($description),)+
        }

        impl Layer {
            /// The shape of its output; the units of a dense layer are the channels of a single pixel.
            pub fn outputs(&self) -> ImageShape {
                match self { $(Layer::$name(layer) => layer.outputs(),)+ }
            }

            /// What it costs.
            pub fn cost(&self) -> Cost {
                match self { $(Layer::$name(layer) => layer.cost(),)+ }
            }

            /// The function of its outputs, if each is a function of a sum with a bias.
            pub fn activation(&self) -> Option<Activation> {
                match self { $(Layer::$name(layer) => layer.activation(),)+ }
            }

            /// The name of its kind, as in lists.
            pub fn kind(&self) -> &'static str {
                match self { $(Layer::$name(_) => $file::KIND.key.name,)+ }
            }

            fn canonical(&self, is_output: bool) -> Value {
                match self { $(Layer::$name(layer) => layer.canonical(is_output),)+ }
            }

            fn build<B: Backend>(&self, device: &B::Device, on_data: bool) -> Result<Live<B>, DeviceError> {
                match self { $(Layer::$name(layer) => layer.build(device, on_data).map(Live::$name),)+ }
            }

            fn onnx(&self, path: &str, graph: &mut Graph<'_>) -> Result<(), ExportError> {
                match self { $(Layer::$name(layer) => layer.onnx(path, graph),)+ }
            }
        }

        /// The kinds of layers in the lists of a spec.
        pub(crate) static KINDS: &[&ListedKind] = &[$(&$file::KIND),+];

        /// A layer with its weights.
        enum Live<B: Backend> {
            $($name(<$description as Describe>::Live<B>),)+
        }

        impl<B: Backend> Forward<B> for Live<B> {
            fn forward<N: Dim, T: Tape<f32, B::Recorder>>(
                &self,
                x: Array<(N, Features), B, T>,
            ) -> Result<Array<(N, Features), B, T>, DeviceError> {
                match self { $(Live::$name(layer) => layer.forward(x),)+ }
            }
        }

        impl<B: Backend> Module<B> for Live<B> {
            fn visit(&mut self, path: &str, visitor: &mut Visitor<'_, B>) {
                match self { $(Live::$name(layer) => layer.visit(path, visitor),)+ }
            }
        }
    };
}

layers! {
    Dense(DenseLayer) in dense,
    Conv(ConvLayer) in conv,
    ConvTranspose(ConvTransposeLayer) in conv_transpose,
    GatedDense(GatedDenseLayer) in gated_dense,
    Residual(ResidualLayer) in residual,
    GroupNorm(GroupNormLayer) in group_norm,
}

mod listed;

pub use dense::DenseOutputs;
pub(crate) use listed::{ListedKind, Misfit, WrittenLayer};

/// A layer of a network, with its name in the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// Its name: `conv.0`. The names of its weights begin with it.
    pub name: String,
    /// The layer.
    pub layer: Layer,
}

impl Named {
    /// The name of the decoder's last layer, whose size follows from the images and the likelihood.
    pub const OUTPUT: &'static str = "output";

    /// A layer with a name.
    pub fn new(name: impl Into<String>, layer: Layer) -> Named {
        Named { name: name.into(), layer }
    }

    /// Its description for ids of trials: independent of the keys that it comes from.
    pub fn canonical(&self) -> Value {
        self.layer.canonical(self.name == Named::OUTPUT)
    }

    /// Its description, with its name and the shape of its output.
    pub fn described(&self) -> Value {
        let mut described = self.canonical();
        described["name"] = json!(self.name);
        described["kind"] = json!(self.layer.kind());
        described["outputs"] = json!(self.layer.outputs().sizes());
        described
    }
}

/// Adds layers to an ONNX graph; the names of their weights begin with `path`.
///
/// # Errors
/// A weight is missing or has another shape.
pub fn onnx(layers: &[Named], path: &str, graph: &mut Graph<'_>) -> Result<(), ExportError> {
    layers.iter().try_for_each(|Named { name, layer }| layer.onnx(&format!("{path}.{name}"), graph))
}

/// Layers one after another, from `I` to `O`. Their number and the sizes between them come from the spec.
pub struct Stack<I: Dim, O: Dim, B: Backend> {
    layers: Vec<(String, Live<B>)>,
    inputs: I,
    outputs: O,
}

impl<I: Dim, O: Dim, B: Backend> Stack<I, O, B> {
    /// Layers with all weights 0; `None` if the size of `O` is not that of the last layer, or of `inputs` without layers.
    /// `on_data` means that the input is data: the gradient with respect to it is not computed.
    ///
    /// # Errors
    /// The device is out of memory. The same holds for all layers and models.
    pub fn new(device: &B::Device, layers: &[Named], inputs: I, on_data: bool) -> Result<Option<Self>, DeviceError> {
        let size = layers.last().map_or(inputs.size(), |last| last.layer.outputs().values());
        let Some(outputs) = O::from_size(size) else { return Ok(None) };
        let built = layers
            .iter()
            .enumerate()
            .map(|(index, Named { name, layer })| Ok((name.clone(), layer.build(device, on_data && index == 0)?)));
        Ok(Some(Stack { layers: built.collect::<Result<_, DeviceError>>()?, inputs, outputs }))
    }

    /// The size of the output.
    pub fn outputs(&self) -> O {
        self.outputs
    }

    /// `(N, I)` to `(N, O)`.
    ///
    /// # Errors
    /// The device failed. The same holds for all layers and models.
    pub fn forward<N: Dim, T: Tape<f32, B::Recorder>>(
        &self,
        x: Array<(N, I), B, T>,
    ) -> Result<Array<(N, O), B, T>, DeviceError> {
        let batch = x.shape().0;
        let x = x.relabel((batch, Features(self.inputs.size())))?;
        let x = self.layers.iter().try_fold(x, |x, (_, layer)| layer.forward(x))?;
        x.relabel((batch, self.outputs))
    }
}

impl<I: Dim, O: Dim, B: Backend> Module<B> for Stack<I, O, B> {
    fn visit(&mut self, path: &str, visitor: &mut Visitor<'_, B>) {
        self.layers.iter_mut().for_each(|(name, layer)| layer.visit(&format!("{path}.{name}"), visitor));
    }
}

fn visit_weight_and_bias<K: Shape, O: Shape, B: Backend>(
    path: &str,
    weight: &mut Parameter<K, B>,
    bias: &mut Parameter<O, B>,
    fans: Fans,
    visitor: &mut Visitor<'_, B>,
) {
    visitor(Visit { name: format!("{path}.weight"), initial: Initial::Drawn(fans), parameter: weight });
    let initial = Initial::Drawn(Fans { is_bias: true, ..fans });
    visitor(Visit { name: format!("{path}.bias"), initial, parameter: bias });
}
