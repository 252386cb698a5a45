//! Gradients of parameters, from micro-batches, and their sum.

use crate::tensor::kernels::{self, Accumulate, Buffer, DenseShape};
use std::ops::Range;

/// The contribution of some images to the gradient of a parameter.
#[derive(Debug, Default)]
pub struct Part {
    /// A gradient, row-major; empty if the whole gradient is in `rows`.
    pub sum: Buffer,
    /// Gradients that are not computed yet: those of the weight of a dense layer.
    pub rows: Vec<Rows>,
}

/// The two factors of the weight gradient of a dense layer. Their product is computed once for a whole batch, so that
/// no thread writes an array of the size of the weight.
#[derive(Debug)]
pub struct Rows {
    /// Inputs, (Images, Inputs).
    pub x: Buffer,
    /// Gradients with respect to the values before the activation, (Images, Outputs).
    pub dy: Buffer,
    /// Output features of the layer.
    pub outputs: usize,
}

impl Rows {
    fn shape(&self) -> DenseShape {
        let rows = self.dy.len() / self.outputs;
        DenseShape { rows, inputs: self.x.len() / rows, outputs: self.outputs }
    }

    fn multiply(&self, features: Range<usize>, sum: Accumulate, gradient: &mut [f32]) {
        kernels::dense_weight_gradient(self.shape(), features, &self.x, &self.dy, sum, gradient);
    }
}

impl Part {
    /// Adds the contribution of more images.
    pub fn add(&mut self, other: Part) {
        self.add_sum(other.sum);
        self.rows.extend(other.rows);
        // Rows with more numbers than the gradient itself would waste memory: multiply them.
        let numbers: usize = self.rows.iter().map(|rows| rows.x.len() + rows.dy.len()).sum();
        let Some(shape) = self.rows.first().map(Rows::shape) else { return };
        if numbers > shape.inputs * shape.outputs {
            let mut sum = Buffer::new(shape.inputs * shape.outputs);
            for (place, rows) in self.rows.drain(..).enumerate() {
                rows.multiply(0..shape.inputs, if place == 0 { Accumulate::Set } else { Accumulate::Add }, &mut sum);
            }
            self.add_sum(sum);
        }
    }

    fn add_sum(&mut self, other: Buffer) {
        if self.sum.is_empty() {
            self.sum = other;
        } else if !other.is_empty() {
            Accumulate::Add.put(&other, &mut self.sum);
        }
    }
}

/// How many numbers of a gradient to compute in one call of [`put_sum`]: `about` this many, rounded up to whole rows of
/// a weight matrix.
pub(crate) fn whole_rows(parts: &[&Part], about: usize) -> usize {
    match parts.iter().flat_map(|part| &part.rows).map(|rows| rows.outputs).next() {
        Some(outputs) => about.div_ceil(outputs) * outputs,
        None => about,
    }
}

/// Writes the sum of the parts, in their order, for the numbers from `first` on. If parts have `Rows`, the range must
/// be whole rows of the weight.
#[track_caller]
pub fn put_sum(parts: &[&Part], first: usize, gradient: &mut [f32]) {
    let mut sum = Accumulate::Set;
    for part in parts {
        if !part.sum.is_empty() {
            sum.put(&part.sum[first..first + gradient.len()], gradient);
            sum = Accumulate::Add;
        }
        for rows in &part.rows {
            let (length, outputs) = (gradient.len(), rows.outputs);
            let whole = first.is_multiple_of(outputs) && length.is_multiple_of(outputs);
            assert!(whole, "{length} numbers from {first} on are not whole rows of {outputs}");
            let features = first / outputs..(first + length) / outputs;
            rows.multiply(features, sum, gradient);
            sum = Accumulate::Add;
        }
    }
    if sum == Accumulate::Set {
        gradient.fill(0.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// x is (0 1 2) and dy (0 1).
    fn rows() -> Part {
        let values = |length: usize| (0..length).map(|value| value as f32).collect::<Vec<_>>().into();
        Part { rows: vec![Rows { x: values(3), dy: values(2), outputs: 2 }], ..Part::default() }
    }

    fn ones() -> Part {
        Part { sum: vec![1.0; 6].into(), rows: Vec::new() }
    }

    fn total(parts: &[&Part]) -> Vec<f32> {
        let mut gradient = vec![f32::NAN; 6];
        let (head, tail) = gradient.split_at_mut(whole_rows(parts, 3));
        put_sum(parts, 0, head);
        put_sum(parts, head.len(), tail);
        gradient
    }

    #[test]
    fn parts_are_summed_whether_worked_out_or_not() {
        assert_eq!(total(&[&rows()]), [0.0, 0.0, 0.0, 1.0, 0.0, 2.0]);
        assert_eq!(total(&[&rows(), &ones(), &rows()]), [1.0, 1.0, 1.0, 3.0, 1.0, 5.0]);
        assert_eq!(total(&[]), [0.0; 6]);
    }

    #[test]
    fn many_rows_are_worked_out_on_the_way() {
        let mut part = rows();
        part.add(ones());
        assert_eq!((part.sum.len(), part.rows.len()), (6, 1));
        part.add(rows());
        assert_eq!(part.rows.len(), 0);
        assert_eq!(total(&[&part]), [1.0, 1.0, 1.0, 3.0, 1.0, 5.0]);
        part.add(ones());
        assert_eq!(total(&[&part]), [2.0, 2.0, 2.0, 4.0, 2.0, 6.0]);
    }

    #[test]
    #[should_panic(expected = "2 numbers from 1 on are not whole rows of 2")]
    fn a_sum_from_amid_a_row_is_refused() {
        put_sum(&[&rows()], 1, &mut [0.0; 2]);
    }

    #[test]
    #[should_panic(expected = "3 numbers from 2 on are not whole rows of 2")]
    fn a_sum_to_amid_a_row_is_refused() {
        put_sum(&[&rows()], 2, &mut [0.0; 3]);
    }

    #[test]
    #[should_panic(expected = "5 numbers do not fit a sum of 6")]
    fn sums_of_another_length_are_refused() {
        ones().add(Part { sum: vec![1.0; 5].into(), rows: Vec::new() });
    }
}
