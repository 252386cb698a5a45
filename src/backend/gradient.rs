//! Gradients of parameters as threads find them, and their sum.

use crate::kernels::{self, DenseShape, Sum};
use std::ops::Range;

/// What some images add to a parameter's gradient.
#[derive(Debug, Default)]
pub struct Part {
    /// A gradient, row-major; empty where all of it is in `rows`.
    pub sum: Vec<f32>,
    /// A gradient not yet worked out: that of a dense layer's weight.
    pub rows: Rows,
}

/// What the weight gradient of a dense layer is the product of. Kept apart, it is worked out once for a whole batch,
/// and no thread writes an array of the weight's size.
#[derive(Debug, Default)]
pub struct Rows {
    /// Inputs, (Images, Inputs).
    pub x: Vec<f32>,
    /// Gradients by the values before the activation, (Images, Outputs).
    pub dy: Vec<f32>,
    /// Outputs of the layer.
    pub outputs: usize,
}

impl Rows {
    fn shape(&self) -> DenseShape {
        let rows = self.dy.len() / self.outputs;
        DenseShape { rows, inputs: self.x.len() / rows, outputs: self.outputs }
    }

    fn multiply(&self, features: Range<usize>, sum: Sum, gradient: &mut [f32]) {
        kernels::dense_weight_gradient(self.shape(), features, &self.x, &self.dy, sum, gradient);
    }
}

impl Part {
    /// Adds what further images found.
    pub fn add(&mut self, other: Part) {
        if self.sum.is_empty() {
            self.sum = other.sum;
        } else {
            self.sum.iter_mut().zip(other.sum).for_each(|(sum, value)| *sum += value);
        }
        if self.rows.x.is_empty() {
            self.rows = other.rows;
        } else {
            self.rows.x.extend(other.rows.x);
            self.rows.dy.extend(other.rows.dy);
        }
        // More rows than the gradient has numbers are not worth their memory.
        if !self.rows.dy.is_empty() {
            let shape = self.rows.shape();
            let length = shape.inputs * shape.outputs;
            if self.rows.x.len() + self.rows.dy.len() > length {
                self.sum.resize(length, 0.0);
                self.rows.multiply(0..shape.inputs, Sum::Add, &mut self.sum);
                self.rows = Rows::default();
            }
        }
    }
}

/// Numbers of a parameter's gradient that [`put_sum`] is best given at once: whole rows of a weight matrix.
pub fn chunk(parts: &[&Part], about: usize) -> usize {
    match parts.iter().map(|part| part.rows.outputs).max() {
        Some(outputs) if outputs > 0 => about.div_ceil(outputs) * outputs,
        _ => about,
    }
}

/// Writes the sum of the parts, in their order, of the numbers from `first` on.
pub fn put_sum(parts: &[&Part], first: usize, gradient: &mut [f32]) {
    let mut sum = Sum::Begin;
    for part in parts {
        if !part.sum.is_empty() {
            let values = &part.sum[first..first + gradient.len()];
            match sum {
                Sum::Begin => gradient.copy_from_slice(values),
                Sum::Add => gradient.iter_mut().zip(values).for_each(|(sum, value)| *sum += value),
            }
            sum = Sum::Add;
        }
        let outputs = part.rows.outputs;
        if outputs > 0 {
            part.rows.multiply(first / outputs..(first + gradient.len()) / outputs, sum, gradient);
            sum = Sum::Add;
        }
    }
    if sum == Sum::Begin {
        gradient.fill(0.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(images: usize) -> Part {
        let values = |length: usize| (0..length).map(|value| value as f32).collect();
        Part { sum: Vec::new(), rows: Rows { x: values(images * 3), dy: values(images * 2), outputs: 2 } }
    }

    fn total(parts: &[&Part]) -> Vec<f32> {
        let mut gradient = vec![f32::NAN; 6];
        let (head, tail) = gradient.split_at_mut(chunk(parts, 3));
        put_sum(parts, 0, head);
        put_sum(parts, head.len(), tail);
        gradient
    }

    #[test]
    fn parts_are_summed_whether_worked_out_or_not() {
        // x is (0 1 2), dy (0 1).
        assert_eq!(total(&[&rows(1)]), [0.0, 0.0, 0.0, 1.0, 0.0, 2.0]);
        let sum = Part { sum: vec![10.0; 6], rows: Rows::default() };
        assert_eq!(total(&[&rows(1), &sum, &rows(1)]), [10.0, 10.0, 10.0, 12.0, 10.0, 14.0]);
        assert_eq!(total(&[]), [0.0; 6]);
    }

    #[test]
    fn many_rows_are_worked_out_on_the_way() {
        let mut part = rows(1);
        part.add(Part { sum: vec![1.0; 6], rows: Rows::default() });
        assert_eq!((part.sum.len(), part.rows.x.len()), (6, 3));
        part.add(rows(1));
        assert_eq!(part.rows.x.len(), 0);
        assert_eq!(total(&[&part]), [1.0, 1.0, 1.0, 3.0, 1.0, 5.0]);
        part.add(Part { sum: vec![1.0; 6], rows: Rows::default() });
        assert_eq!(total(&[&part]), [2.0, 2.0, 2.0, 4.0, 2.0, 6.0]);
    }
}
