//! What objectives need of a backend in addition to the operations of models: terms with weights, and codes of whole batches.

use super::{Array, Backend, CodeOperation, CodeTerm, Codes, DeviceError, Grads, Parameter};
use crate::tensor::dims::{Batch, Dim, Terms};
use dfdx::shapes::Shape;
use dfdx::tensor::Tape;
use std::ops::Range;

/// The weights of a term of images.
pub enum RowWeight<N: Dim, B: Backend> {
    /// The same for all images.
    Same(f32),
    /// One for each image, `(N)`.
    Each(Array<(N,), B>),
}

/// Terms that couple the images of a batch, and the gradients of their weighted sum.
pub struct BatchTerms<N: Dim, L: Dim, P: Dim, B: Backend> {
    /// The terms.
    pub terms: Array<(Terms,), B>,
    /// With respect to the codes.
    pub codes: Codes<N, L, B>,
    /// With respect to the shared numbers.
    pub own: Option<Array<(P,), B>>,
}

impl<N: Dim, B: Backend> Clone for RowWeight<N, B> {
    fn clone(&self) -> Self {
        match self {
            RowWeight::Same(weight) => RowWeight::Same(*weight),
            RowWeight::Each(weights) => RowWeight::Each(weights.clone()),
        }
    }
}

/// Operations that combine terms of images to the value to differentiate.
pub trait Combine: Backend {
    /// A term of each row that depends on its code and on shared numbers, if there are any: `(N)`. All codes may be on the tape.
    fn code_term<C: CodeTerm, N: Dim, L: Dim, P: Dim, T: Tape<f32, Self::Recorder>>(
        term: &C,
        codes: &Codes<N, L, Self>,
        own: Option<&Parameter<(P,), Self>>,
        tape: T,
    ) -> Result<Array<(N,), Self, T>, DeviceError>;

    /// Each row `times` times, one after another: `(N, L)` to `(times N, L)`.
    fn repeat_rows<N: Dim, L: Dim, T: Tape<f32, Self::Recorder>>(
        rows: Array<(N, L), Self, T>,
        times: usize,
    ) -> Result<Array<(N, L), Self, T>, DeviceError>;

    /// The terms that couple the images of a batch, with the gradients of their weighted sum. `own` are the numbers that all images
    /// share, if there are any.
    fn code_gradients<C: CodeOperation, N: Dim, L: Dim, P: Dim>(
        operation: &C,
        codes: &Codes<N, L, Self>,
        own: Option<&Parameter<(P,), Self>>,
    ) -> Result<BatchTerms<N, L, P, Self>, DeviceError>;

    /// The sum of all terms times their weights, the value to differentiate: of rows `(N)`, and of any arrays with constant
    /// gradients of the same shape.
    fn total<N: Dim, L: Dim, T: Tape<f32, Self::Recorder>>(
        rows: Vec<(Array<(N,), Self>, RowWeight<N, Self>)>,
        codes: Vec<(Array<(N, L), Self>, Array<(N, L), Self>)>,
        tape: T,
    ) -> Result<Array<(), Self, T>, DeviceError>;

    /// The gradient with respect to an array, after a backward pass; zeros if the total does not depend on it.
    fn gradient_of<S: Shape>(
        gradients: &mut Grads<Self>,
        array: &Array<S, Self>,
    ) -> Result<Array<S, Self>, DeviceError>;

    /// Each row times its factor: `(N, L)` with `(N)`. Not recorded.
    fn scale_rows<N: Dim, L: Dim>(
        rows: &Array<(N, L), Self>,
        factors: &Array<(N,), Self>,
    ) -> Result<Array<(N, L), Self>, DeviceError>;

    /// Arrays below each other: rows `(N, L)` of several to `(sum of N, L)`; at least one array. Not recorded.
    fn stack_rows<N: Dim, L: Dim>(arrays: &[Array<(N, L), Self>]) -> Result<Array<(Batch, L), Self>, DeviceError>;

    /// Some rows of an array. Not recorded.
    fn take_rows<N: Dim, L: Dim>(
        array: &Array<(N, L), Self>,
        rows: Range<usize>,
    ) -> Result<Array<(Batch, L), Self>, DeviceError>;

    /// A parameter as an array, recorded: its gradient goes on to the parameter.
    fn recorded<S: Shape, T: Tape<f32, Self::Recorder>>(
        parameter: &Parameter<S, Self>,
        tape: T,
    ) -> Result<Array<S, Self, T>, DeviceError>;

    /// Numbers after each other, recorded; at least one array.
    fn join<P: Dim, T: Tape<f32, Self::Recorder>>(
        parts: Vec<Array<(P,), Self>>,
        tape: T,
    ) -> Result<Array<(P,), Self, T>, DeviceError>;

    /// Values as a parameter, so that their gradient can be read.
    fn leaf<S: Shape>(values: &Array<S, Self>) -> Result<Parameter<S, Self>, DeviceError>;
}
