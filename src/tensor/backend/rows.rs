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
}
