//! Operations on the values at the same place of one or two arrays. They are open to new kinds: each has its formula and its
//! gradient on the host, and the same with dfdx's operations.

use super::Activation;
use crate::tensor::kernels::Accumulate;
use dfdx::shapes::Shape;
use dfdx::tensor::{Tape, Tensor};
use dfdx::tensor_ops::Device;
use std::fmt::Debug;

/// The arrays of an operation: `b` is empty if it is an operation on one array.
#[derive(Clone, Copy, Debug)]
pub struct Operands<'a> {
    /// The values of the first array.
    pub a: &'a [f32],
    /// The values of the second array.
    pub b: &'a [f32],
}

/// The kernels of an operation on a card.
#[derive(Clone, Copy, Debug)]
pub struct PointwiseKernel {
    /// The name of the kernel that computes the results.
    pub forward: &'static str,
    /// The name of the kernel that adds the gradients.
    pub backward: &'static str,
    /// Their words after the arrays and their length.
    pub words: [u64; 2],
}

/// An operation on the values at the same place of one or two arrays.
pub trait Pointwise: Copy + Debug + Send + Sync + 'static {
    /// Computes the results.
    fn forward(&self, operands: Operands<'_>, results: &mut [f32]);

    /// Adds the gradients with respect to the operands to `da` and `db`, from those with respect to the results. `db` is empty if
    /// it is an operation on one array.
    fn backward(&self, operands: Operands<'_>, dresults: &[f32], da: &mut [f32], db: &mut [f32]);

    /// The same, with dfdx's own operations.
    ///
    /// # Errors
    /// The device failed.
    fn portable<S: Shape, D: Device<f32>, T: Tape<f32, D>>(
        &self,
        a: Tensor<S, f32, D, T>,
        b: Option<Tensor<S, f32, D>>,
    ) -> Result<Tensor<S, f32, D, T>, D::Err>;

    /// The same on a card; `None` if it is computed on the host.
    fn kernel(&self) -> Option<PointwiseKernel> {
        None
    }
}

/// An activation function of each value.
impl Pointwise for Activation {
    fn forward(&self, operands: Operands<'_>, results: &mut [f32]) {
        results.copy_from_slice(operands.a);
        self.apply(results);
    }

    fn backward(&self, operands: Operands<'_>, dresults: &[f32], da: &mut [f32], _: &mut [f32]) {
        let mut turned = dresults.to_vec();
        if self.needs_argument() {
            self.turn(operands.a, &mut turned);
        } else {
            let mut values = operands.a.to_vec();
            self.apply(&mut values);
            self.turn(&values, &mut turned);
        }
        Accumulate::Add.put(&turned, da);
    }

    fn portable<S: Shape, D: Device<f32>, T: Tape<f32, D>>(
        &self,
        a: Tensor<S, f32, D, T>,
        _: Option<Tensor<S, f32, D>>,
    ) -> Result<Tensor<S, f32, D, T>, D::Err> {
        Activation::portable(*self, a)
    }

    fn kernel(&self) -> Option<PointwiseKernel> {
        let words = [*self as u64, u64::from(self.needs_argument())];
        Some(PointwiseKernel { forward: "activation", backward: "activation_backward", words })
    }
}
