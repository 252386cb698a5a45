//! What objectives need of the fast backend: terms with weights, and codes of whole batches.

use super::{Host, HostTensor, Slot, add, slot, take_or_zeros};
use crate::tensor::backend::{
    Array, BatchTerms, CodeGradients, CodeInputs, CodeOperation, CodeTerm, Codes, Combine, DeviceError, Grads,
    Parameter, RowWeight,
};
use crate::tensor::dims::{Batch, Dim, Terms};
use crate::tensor::kernels::Buffer;
use dfdx::shapes::Shape;
use dfdx::tensor::{Cpu, CpuError, NoneTape, Tape};
use std::ops::Range;
use std::sync::Arc;

impl Combine for Host {
    fn code_term<C: CodeTerm, N: Dim, L: Dim, P: Dim, T: Tape<f32, Cpu>>(
        term: &C,
        codes: &Codes<N, L, Self>,
        own: Option<&Parameter<(P,), Self>>,
        mut tape: T,
    ) -> Result<Array<(N,), Self, T>, DeviceError> {
        let (batch, _) = codes.mean.shape();
        let arrays = CodeArrays::of(codes, own);
        let mut results = Buffer::new(batch.size());
        term.forward(arrays.inputs(), &mut results);
        let results = codes.mean.tensor.next(results, (batch,))?;
        let (term, slot) = (*term, results.slot.clone());
        tape.add_backward_op(move |gradients| {
            let dresults = take_or_zeros(gradients, &slot, batch.size())?;
            let [mut mean, mut log_variance, mut z, mut own] = arrays.take_gradients(gradients)?;
            let into = CodeGradients { mean: &mut mean, log_variance: &mut log_variance, z: &mut z, own: &mut own };
            term.backward(arrays.inputs(), &dresults, into);
            arrays.put_gradients(gradients, [mean, log_variance, z, own])
        });
        Ok(Array { tensor: results, tape })
    }

    fn repeat_rows<N: Dim, L: Dim, T: Tape<f32, Cpu>>(
        rows: Array<(N, L), Self, T>,
        times: usize,
    ) -> Result<Array<(N, L), Self, T>, DeviceError> {
        let Array { tensor: rows, mut tape } = rows;
        let (count, length) = (rows.shape.0.size(), rows.shape.1.size());
        let more = N::from_size(count * times).ok_or_else(|| DeviceError::new("rows of a constant number"))?;
        let mut repeated = Buffer::new(count * times * length);
        for (row, copies) in rows.values.chunks(length).zip(repeated.chunks_mut(times * length)) {
            copies.chunks_mut(length).for_each(|copy| copy.copy_from_slice(row));
        }
        let repeated = rows.next(repeated, (more, rows.shape.1))?;
        let (from, to) = (rows.slot.clone(), repeated.slot.clone());
        tape.add_backward_op(move |gradients| {
            let copies = take_or_zeros(gradients, &to, count * times * length)?;
            let mut sums = Buffer::filled(count * length, 0.0);
            for (sum, copies) in sums.chunks_mut(length).zip(copies.chunks(times * length)) {
                for copy in copies.chunks(length) {
                    sum.iter_mut().zip(copy).for_each(|(sum, value)| *sum += value);
                }
            }
            add(gradients, &from, sums)
        });
        Ok(Array { tensor: repeated, tape })
    }

    fn code_gradients<C: CodeOperation, N: Dim, L: Dim, P: Dim>(
        operation: &C,
        codes: &Codes<N, L, Self>,
        own: Option<&Parameter<(P,), Self>>,
    ) -> Result<BatchTerms<N, L, P, Self>, DeviceError> {
        let inputs = CodeArrays::of(codes, own);
        let [mut mean, mut log_variance, mut z, mut of_own] =
            inputs.lengths().map(|length| Buffer::filled(length, 0.0));
        let into = CodeGradients { mean: &mut mean, log_variance: &mut log_variance, z: &mut z, own: &mut of_own };
        let terms = operation.gradients(inputs.inputs(), into);
        let terms: Vec<f32> = terms.into_iter().map(|term| term as f32).collect();
        let like = &codes.mean.tensor;
        let terms = Array { tensor: like.next(Buffer::copy_of(&terms), (Terms(terms.len()),))?, tape: NoneTape };
        let of_codes = |values| Ok(Array { tensor: like.next(values, codes.mean.shape())?, tape: NoneTape });
        let log_variance = codes.log_variance.as_ref().map(|_| of_codes(log_variance)).transpose()?;
        let own = own.map(|own| Ok(Array { tensor: like.next(of_own, own.shape())?, tape: NoneTape })).transpose()?;
        Ok(BatchTerms { terms, codes: Codes { mean: of_codes(mean)?, log_variance, z: of_codes(z)? }, own })
    }

    fn total<N: Dim, L: Dim, T: Tape<f32, Cpu>>(
        rows: Vec<(Array<(N,), Self>, RowWeight<N, Self>)>,
        codes: Vec<(Array<(N, L), Self>, Array<(N, L), Self>)>,
        mut tape: T,
    ) -> Result<Array<(), Self, T>, DeviceError> {
        let product = |(value, weight): (&f32, &f32)| f64::from(*value) * f64::from(*weight);
        let mut total = 0.0;
        for (row, weight) in &rows {
            let values = row.tensor.values.iter();
            total += match weight {
                RowWeight::Same(weight) => values.map(|value| f64::from(*value)).sum::<f64>() * f64::from(*weight),
                RowWeight::Each(weights) => values.zip(weights.tensor.values.iter()).map(product).sum(),
            };
        }
        for (code, gradient) in &codes {
            total += code.tensor.values.iter().zip(gradient.tensor.values.iter()).map(product).sum::<f64>();
        }
        let device = rows.iter().map(|(row, _)| row.tensor.slot.device().clone());
        let device = device.chain(codes.iter().map(|(code, _)| code.tensor.slot.device().clone())).next();
        let slot = slot(&device.unwrap_or_default())?;
        let tensor = HostTensor { values: Arc::new(Buffer::copy_of(&[total as f32])), slot, shape: () };
        tape.add_backward_op(move |gradients| {
            for (row, weight) in rows {
                let row = row.tensor;
                let weights = match weight {
                    RowWeight::Same(weight) => Buffer::filled(row.values.len(), weight),
                    RowWeight::Each(weights) => Buffer::copy_of(&weights.tensor.values),
                };
                add(gradients, &row.slot, weights)?;
            }
            for (code, gradient) in codes {
                add(gradients, &code.tensor.slot, Buffer::copy_of(&gradient.tensor.values))?;
            }
            Ok(())
        });
        Ok(Array { tensor, tape })
    }

    fn gradient_of<S: Shape>(
        gradients: &mut Grads<Host>,
        array: &Array<S, Self>,
    ) -> Result<Array<S, Self>, DeviceError> {
        let found = take_or_zeros(gradients, &array.tensor.slot, array.tensor.values.len());
        let tensor = array.tensor.next(found.map_err(DeviceError::from_device)?, array.tensor.shape)?;
        Ok(Array { tensor, tape: NoneTape })
    }

    fn scale_rows<N: Dim, L: Dim>(
        rows: &Array<(N, L), Self>,
        factors: &Array<(N,), Self>,
    ) -> Result<Array<(N, L), Self>, DeviceError> {
        let mut scaled = Buffer::copy_of(&rows.tensor.values);
        let latent = rows.shape().1.size().max(1);
        for (row, factor) in scaled.chunks_mut(latent).zip(factors.tensor.values.iter()) {
            row.iter_mut().for_each(|value| *value *= factor);
        }
        Ok(Array { tensor: rows.tensor.next(scaled, rows.shape())?, tape: NoneTape })
    }

    fn stack_rows<N: Dim, L: Dim>(arrays: &[Array<(N, L), Self>]) -> Result<Array<(Batch, L), Self>, DeviceError> {
        let first = arrays.first().ok_or_else(|| DeviceError::new("there are no rows"))?;
        let mut stacked = Buffer::new(arrays.iter().map(|array| array.tensor.values.len()).sum());
        let mut rest = &mut stacked[..];
        for array in arrays {
            let (own, after) = rest.split_at_mut(array.tensor.values.len());
            own.copy_from_slice(&array.tensor.values);
            rest = after;
        }
        let rows = arrays.iter().map(|array| array.shape().0.size()).sum();
        let shape = (Batch(rows), first.shape().1);
        Ok(Array { tensor: first.tensor.next(stacked, shape)?, tape: NoneTape })
    }

    fn take_rows<N: Dim, L: Dim>(
        array: &Array<(N, L), Self>,
        rows: Range<usize>,
    ) -> Result<Array<(Batch, L), Self>, DeviceError> {
        let latent = array.shape().1;
        let taken = Buffer::copy_of(&array.tensor.values[rows.start * latent.size()..rows.end * latent.size()]);
        Ok(Array { tensor: array.tensor.next(taken, (Batch(rows.len()), latent))?, tape: NoneTape })
    }

    fn recorded<S: Shape, T: Tape<f32, Cpu>>(
        parameter: &Parameter<S, Self>,
        mut tape: T,
    ) -> Result<Array<S, Self, T>, DeviceError> {
        let (values, sum) = (Buffer::copy_of(&parameter.handle.values), parameter.handle.sum.clone());
        let length = values.len();
        let tensor = HostTensor { values: Arc::new(values), slot: slot(sum.device())?, shape: parameter.shape() };
        let from = tensor.slot.clone();
        tape.add_backward_op(move |gradients| {
            let gradient = take_or_zeros(gradients, &from, length)?;
            add(gradients, &sum, gradient)
        });
        Ok(Array { tensor, tape })
    }

    fn join<P: Dim, T: Tape<f32, Cpu>>(
        parts: Vec<Array<(P,), Self>>,
        mut tape: T,
    ) -> Result<Array<(P,), Self, T>, DeviceError> {
        let first = parts.first().ok_or_else(|| DeviceError::new("there are no numbers"))?;
        let joined: Vec<f32> = parts.iter().flat_map(|part| part.tensor.values.iter().copied()).collect();
        let length = joined.len();
        let count = P::from_size(length).ok_or_else(|| DeviceError::new("numbers of a constant count"))?;
        let joined = first.tensor.next(Buffer::copy_of(&joined), (count,))?;
        let to = joined.slot.clone();
        let slots: Vec<_> = parts.iter().map(|part| (part.tensor.slot.clone(), part.tensor.values.len())).collect();
        tape.add_backward_op(move |gradients| {
            let gradient = take_or_zeros(gradients, &to, length)?;
            let mut start = 0;
            slots.iter().try_for_each(|(slot, length)| {
                let own = &gradient[start..start + length];
                start += length;
                add(gradients, slot, Buffer::copy_of(own))
            })
        });
        Ok(Array { tensor: joined, tape })
    }

    fn leaf<S: Shape>(values: &Array<S, Self>) -> Result<Parameter<S, Self>, DeviceError> {
        let mut leaf = Parameter::zeros(values.tensor.slot.device(), values.shape())?;
        leaf.set(values.to_vec());
        Ok(leaf)
    }
}

/// The arrays of codes and the numbers that they share, and the slots of their gradients.
struct CodeArrays {
    latent: usize,
    mean: Arc<Buffer>,
    log_variance: Option<Arc<Buffer>>,
    z: Arc<Buffer>,
    own: Arc<Vec<f32>>,
    /// Of the means, the log-variances, the samples and the shared numbers.
    slots: [Option<Slot>; 4],
}

impl CodeArrays {
    fn of<N: Dim, L: Dim, P: Dim>(codes: &Codes<N, L, Host>, own: Option<&Parameter<(P,), Host>>) -> CodeArrays {
        let log_variance = codes.log_variance.as_ref().map(|log_variance| &log_variance.tensor);
        let (mean, z) = (&codes.mean.tensor, &codes.z.tensor);
        let slots =
            [Some(&mean.slot), log_variance.map(|one| &one.slot), Some(&z.slot), own.map(|own| &own.handle.sum)];
        CodeArrays {
            latent: mean.shape.1.size(),
            mean: mean.values.clone(),
            log_variance: log_variance.map(|log_variance| log_variance.values.clone()),
            z: z.values.clone(),
            own: own.map_or_else(Default::default, |own| own.handle.values.clone()),
            slots: slots.map(Option::<&Slot>::cloned),
        }
    }

    fn inputs(&self) -> CodeInputs<'_> {
        let log_variance = self.log_variance.as_ref().map_or(&[][..], |values| values);
        CodeInputs { latent: self.latent, mean: &self.mean, log_variance, z: &self.z, own: &self.own }
    }

    /// Of the means, the log-variances, the samples and the shared numbers.
    fn lengths(&self) -> [usize; 4] {
        let log_variance = self.log_variance.as_ref().map_or(0, |values| values.len());
        [self.mean.len(), log_variance, self.z.len(), self.own.len()]
    }

    /// The gradients so far. A plain autoencoder has one array as mean and as sample: its gradient is that of the sample.
    fn take_gradients(&self, gradients: &mut Grads<Host>) -> Result<[Buffer; 4], CpuError> {
        let mut found = [(); 4].map(|()| Buffer::default());
        for (found, (slot, length)) in found.iter_mut().zip(self.slots.iter().zip(self.lengths())) {
            if let Some(slot) = slot {
                *found = take_or_zeros(gradients, slot, length)?;
            }
        }
        Ok(found)
    }

    fn put_gradients(&self, gradients: &mut Grads<Host>, found: [Buffer; 4]) -> Result<(), CpuError> {
        for (slot, gradient) in self.slots.iter().zip(found) {
            if let Some(slot) = slot {
                add(gradients, slot, gradient)?;
            }
        }
        Ok(())
    }
}
