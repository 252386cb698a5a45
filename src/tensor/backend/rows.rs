//! Operations on rows, which are open to new kinds: from each row of outputs and its row of values to one number, such as a
//! likelihood.

use dfdx::tensor::{Tape, Tensor};
use dfdx::tensor_ops::Device;

/// What an operation on rows computes with on the host; all row-major.
#[derive(Clone, Copy, Debug)]
pub struct RowInputs<'a> {
    /// The number of rows.
    pub rows: usize,
    /// (Rows, Outputs)
    pub outputs: &'a [f32],
    /// (Rows, Values)
    pub x: &'a [f32],
    /// The operation's own numbers, the same for all rows; empty if it has none.
    pub own: &'a [f32],
}

impl<'a> RowInputs<'a> {
    /// Each row of outputs with its row of values.
    pub fn each(self) -> impl Iterator<Item = (&'a [f32], &'a [f32])> {
        let length = |values: &[f32]| (values.len() / self.rows.max(1)).max(1);
        self.outputs.chunks_exact(length(self.outputs)).zip(self.x.chunks_exact(length(self.x)))
    }

    /// The number of values in a row.
    pub fn values(self) -> usize {
        self.x.len() / self.rows.max(1)
    }
}

/// The gradients that an operation on rows adds to.
#[derive(Debug)]
pub struct RowGradients<'a> {
    /// (Rows, Outputs)
    pub outputs: &'a mut [f32],
    /// With the length of the own numbers; `None` if they are not trained.
    pub own: Option<&'a mut [f32]>,
}

/// Up to nine numbers of a kernel.
pub type KernelNumbers = [f32; 9];

/// Numbers of a kernel.
pub fn kernel_numbers<const N: usize>(numbers: [f32; N]) -> KernelNumbers {
    const { assert!(N <= 9) };
    let mut all = [0.0; 9];
    all[..N].copy_from_slice(&numbers);
    all
}

/// The kernels of an operation on rows on a card.
#[derive(Clone, Copy, Debug)]
pub enum RowKernel {
    /// A logit for each value, and no own numbers. The names are those of the results and of the gradients.
    Logits([&'static str; 2]),
    /// A location for each value, and the logarithm of a scale: an output beside each location, or own numbers.
    LocationScale {
        /// Those of the results, of the gradients with respect to outputs, and of those with respect to own numbers.
        names: [&'static str; 3],
        /// The least logarithm of a scale, and numbers of the kind.
        numbers: KernelNumbers,
    },
    /// Any outputs, and no own numbers.
    Whole {
        /// The name of the results.
        forward: &'static str,
        /// The name of the gradients; `None` if there are none.
        backward: Option<&'static str>,
        /// Numbers of the kind.
        numbers: KernelNumbers,
        /// Whether a block of threads computes a row, or one thread.
        is_of_block: bool,
    },
}

/// An operation on rows: from outputs (Rows, Outputs) and values (Rows, Values) to one number per row. It is computed twice:
/// by a kernel on the host, and with dfdx's operations on any device.
pub trait RowOperation: Copy + Send + Sync + 'static {
    /// Writes the result of each row to `results` (Rows).
    fn forward(&self, inputs: RowInputs<'_>, results: &mut [f32]);

    /// Adds the gradients, from the gradients with respect to the results (Rows).
    fn backward(&self, inputs: RowInputs<'_>, dresults: &[f32], gradients: RowGradients<'_>);

    /// The same as [`RowOperation::forward`] with dfdx's operations, on tensors of the same shapes.
    ///
    /// # Errors
    /// The device failed.
    fn portable<D: Device<f32>, T: Tape<f32, D>>(
        &self,
        outputs: Tensor<(usize, usize), f32, D, T>,
        own: Option<Tensor<(usize,), f32, D, T>>,
        x: Tensor<(usize, usize), f32, D>,
    ) -> Result<Tensor<(usize,), f32, D, T>, D::Err>;

    /// The same on a card; `None` if it is computed on the host.
    fn kernel(&self) -> Option<RowKernel> {
        None
    }
}
