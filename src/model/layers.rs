//! Dense layers, convolutions and transposed convolutions, with their parameters.

use super::parameters::{Fans, Module, Visit, Visitor};
use crate::tensor::backend::{Activation, Array, Backend, DeviceError, Filter, Parameter};
use crate::tensor::dims::{Dim, Hidden, Stride};
use dfdx::shapes::{Const, Shape};
use dfdx::tensor::Tape;

fn visit_weight_and_bias<K: Shape, O: Shape, B: Backend>(
    path: &str,
    weight: &mut Parameter<K, B>,
    bias: &mut Parameter<O, B>,
    fans: Fans,
    visitor: &mut Visitor<'_, B>,
) {
    visitor(Visit { name: format!("{path}.weight"), fans: Some(fans), parameter: weight });
    visitor(Visit { name: format!("{path}.bias"), fans: None, parameter: bias });
}

/// y = activation(x W + b).
pub struct Dense<I: Dim, O: Dim, B: Backend> {
    weight: Parameter<(I, O), B>,
    bias: Parameter<(O,), B>,
    activation: Activation,
    input_gradient: bool,
}

impl<I: Dim, O: Dim, B: Backend> Dense<I, O, B> {
    /// A layer with all weights 0, from `inputs` to `outputs`.
    ///
    /// # Errors
    /// The device is out of memory. The same holds for all layers and models.
    pub fn new(device: &B::Device, inputs: I, outputs: O, activation: Activation) -> Result<Self, DeviceError> {
        let weight = Parameter::zeros(device, (inputs, outputs))?;
        Ok(Dense { weight, bias: Parameter::zeros(device, (outputs,))?, activation, input_gradient: true })
    }

    /// Marks a layer whose input is data: the gradient with respect to the input is not computed.
    #[must_use]
    pub fn on_data(self) -> Self {
        Dense { input_gradient: false, ..self }
    }

    /// `(N, I)` to `(N, O)`.
    ///
    /// # Errors
    /// The device failed. The same holds for all layers and models.
    pub fn forward<N: Dim, T: Tape<f32, B::Device>>(
        &self,
        x: Array<(N, I), B, T>,
    ) -> Result<Array<(N, O), B, T>, DeviceError> {
        B::dense(x, &self.weight, &self.bias, self.activation, self.input_gradient)
    }
}

impl<I: Dim, O: Dim, B: Backend> Module<B> for Dense<I, O, B> {
    fn visit(&mut self, path: &str, visitor: &mut Visitor<'_, B>) {
        let (inputs, outputs) = self.weight.shape();
        let fans = Fans { inputs: inputs.size(), outputs: outputs.size() };
        visit_weight_and_bias(path, &mut self.weight, &mut self.bias, fans, visitor);
    }
}

/// Any number of dense layers, from `I` to `O`. Their number and the sizes between them come from the spec.
pub struct DenseStack<I: Dim, O: Dim, B: Backend> {
    layers: Vec<Dense<Hidden, Hidden, B>>,
    inputs: I,
    outputs: O,
}

impl<I: Dim, O: Dim, B: Backend> DenseStack<I, O, B> {
    /// Layers with all weights 0 and the `hidden` sizes. The last size, or `inputs` if there are none, must be the size of `O`;
    /// otherwise `None`.
    pub fn new(
        device: &B::Device,
        inputs: I,
        hidden: &[usize],
        activation: Activation,
    ) -> Result<Option<Self>, DeviceError> {
        let sizes: Vec<usize> = std::iter::once(inputs.size()).chain(hidden.iter().copied()).collect();
        let Some(outputs) = sizes.last().and_then(|size| O::from_size(*size)) else { return Ok(None) };
        let layers = sizes.windows(2).map(|pair| Dense::new(device, Hidden(pair[0]), Hidden(pair[1]), activation));
        Ok(Some(DenseStack { layers: layers.collect::<Result<_, _>>()?, inputs, outputs }))
    }

    /// See [`Dense::on_data`].
    #[must_use]
    pub fn on_data(mut self) -> Self {
        if let Some(first) = self.layers.first_mut() {
            first.input_gradient = false;
        }
        self
    }

    /// The size of the output.
    pub fn outputs(&self) -> O {
        self.outputs
    }

    /// `(N, I)` to `(N, O)`.
    pub fn forward<N: Dim, T: Tape<f32, B::Device>>(
        &self,
        x: Array<(N, I), B, T>,
    ) -> Result<Array<(N, O), B, T>, DeviceError> {
        let batch = x.shape().0;
        let x = x.relabel((batch, Hidden(self.inputs.size())))?;
        let x = self.layers.iter().try_fold(x, |x, layer| layer.forward(x))?;
        x.relabel((batch, self.outputs))
    }
}

impl<I: Dim, O: Dim, B: Backend> Module<B> for DenseStack<I, O, B> {
    fn visit(&mut self, path: &str, visitor: &mut Visitor<'_, B>) {
        for (index, layer) in self.layers.iter_mut().enumerate() {
            layer.visit(&format!("{path}.{index}"), visitor);
        }
    }
}

/// A 3x3 convolution with TensorFlow's SAME padding.
pub struct Conv<I: Dim, O: Dim, S: Stride, B: Backend> {
    weight: Parameter<(Filter, Filter, I, O), B>,
    bias: Parameter<(O,), B>,
    stride: S,
    activation: Activation,
    input_gradient: bool,
}

impl<I: Dim, O: Dim, S: Stride, B: Backend> Conv<I, O, S, B> {
    /// A convolution with all weights 0, from `inputs` to `outputs` channels.
    pub fn new(device: &B::Device, inputs: I, outputs: O, activation: Activation) -> Result<Self, DeviceError> {
        let weight = Parameter::zeros(device, (Const, Const, inputs, outputs))?;
        let bias = Parameter::zeros(device, (outputs,))?;
        Ok(Conv { weight, bias, stride: S::default(), activation, input_gradient: true })
    }

    /// See [`Dense::on_data`].
    #[must_use]
    pub fn on_data(self) -> Self {
        Conv { input_gradient: false, ..self }
    }

    /// `(N, H, W, I)` to `(N, H', W', O)`.
    pub fn forward<N: Dim, H: Dim, W: Dim, T: Tape<f32, B::Device>>(
        &self,
        x: Array<(N, H, W, I), B, T>,
    ) -> Result<Array<(N, S::Side<H>, S::Side<W>, O), B, T>, DeviceError> {
        B::conv(x, &self.weight, &self.bias, self.stride, self.activation, self.input_gradient)
    }
}

impl<I: Dim, O: Dim, S: Stride, B: Backend> Module<B> for Conv<I, O, S, B> {
    fn visit(&mut self, path: &str, visitor: &mut Visitor<'_, B>) {
        let (_, _, inputs, outputs) = self.weight.shape();
        let fans = Fans { inputs: 9 * inputs.size(), outputs: 9 * outputs.size() };
        visit_weight_and_bias(path, &mut self.weight, &mut self.bias, fans, visitor);
    }
}

/// The transpose of a 3x3 convolution with stride `S`, with its own bias and activation.
pub struct ConvTranspose<I: Dim, O: Dim, S: Stride, B: Backend> {
    weight: Parameter<(Filter, Filter, O, I), B>,
    bias: Parameter<(O,), B>,
    stride: S,
    activation: Activation,
}

impl<I: Dim, O: Dim, S: Stride, B: Backend> ConvTranspose<I, O, S, B> {
    /// A transposed convolution with all weights 0, from `inputs` to `outputs` channels.
    pub fn new(device: &B::Device, inputs: I, outputs: O, activation: Activation) -> Result<Self, DeviceError> {
        let weight = Parameter::zeros(device, (Const, Const, outputs, inputs))?;
        Ok(ConvTranspose { weight, bias: Parameter::zeros(device, (outputs,))?, stride: S::default(), activation })
    }

    /// `(N, H', W', I)` to `(N, H, W, O)`, where `sides` are H and W.
    pub fn forward<N: Dim, H: Dim, W: Dim, T: Tape<f32, B::Device>>(
        &self,
        x: Array<(N, S::Side<H>, S::Side<W>, I), B, T>,
        sides: (H, W),
    ) -> Result<Array<(N, H, W, O), B, T>, DeviceError> {
        B::conv_transpose(x, &self.weight, &self.bias, sides, self.stride, self.activation)
    }
}

impl<I: Dim, O: Dim, S: Stride, B: Backend> Module<B> for ConvTranspose<I, O, S, B> {
    fn visit(&mut self, path: &str, visitor: &mut Visitor<'_, B>) {
        let (_, _, outputs, inputs) = self.weight.shape();
        // As for stride 1; with stride 2, only a quarter of these inputs reaches a unit.
        let fans = Fans { inputs: 9 * inputs.size(), outputs: 9 * outputs.size() };
        visit_weight_and_bias(path, &mut self.weight, &mut self.bias, fans, visitor);
    }
}
