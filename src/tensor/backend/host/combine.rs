//! What objectives need of the fast backend: terms with weights, and codes of whole batches.

use super::{Host, HostTensor, Slot, add, put, slot, take_or_zeros};
use crate::tensor::backend::{
    Array, CodeGradients, CodeInputs, CodeOperation, CodeTerm, Codes, Combine, DeviceError, Grads, Parameter, RowWeight,
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
        let arrays = CodeArrays::of(codes);
        let own_values = own.map_or_else(Default::default, |own| own.handle.values.clone());
        let own = own.map(|own| own.handle.sum.clone());
        let mut results = Buffer::new(batch.size());
        term.forward(arrays.inputs(), &own_values, &mut results);
        let results = codes.mean.tensor.next(results, (batch,))?;
        let (term, slot) = (*term, results.slot.clone());
        tape.add_backward_op(move |gradients| {
            let dresults = take_or_zeros(gradients, &slot, batch.size())?;
            let mut down = match &own {
                Some(own) => take_or_zeros(gradients, own, own_values.len())?,
                None => Buffer::default(),
            };
            let [mut dmean, mut dlog_variance, mut dz] = arrays.take_gradients(gradients)?;
            let into = CodeGradients { mean: &mut dmean, log_variance: &mut dlog_variance, z: &mut dz };
            term.backward(arrays.inputs(), &own_values, &dresults, into, &mut down);
            if let Some(own) = &own {
                put(gradients, own, down)?;
            }
            arrays.put_gradients(gradients, [dmean, dlog_variance, dz])
        });
        Ok(Array { tensor: results, tape })
    }

    fn repeat_rows<N: Dim, L: Dim, T: Tape<f32, Cpu>>(
        rows: Array<(N, L), Self, T>,
        times: usize,
    ) -> Result<Array<(N, L), Self, T>, DeviceError> {
        let Array { tensor: rows, mut tape } = rows;
        let (count, length) = (rows.shape.0.size(), rows.shape.1.size());
        let more = N::from_size(count * times).ok_or_else(|| DeviceError::from_device("rows of a constant number"))?;
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

    fn code_gradients<C: CodeOperation, N: Dim, L: Dim>(
        operation: &C,
        codes: &Codes<N, L, Self>,
    ) -> Result<(Codes<N, L, Self>, Array<(Terms,), Self>), DeviceError> {
        let inputs = CodeArrays::of(codes);
        let zeros = |length: usize| Buffer::filled(length, 0.0);
        let [mut mean, mut log_variance, mut z] =
            [inputs.mean.len(), inputs.log_variance.as_ref().map_or(0, |values| values.len()), inputs.z.len()]
                .map(zeros);
        let into = CodeGradients { mean: &mut mean, log_variance: &mut log_variance, z: &mut z };
        let terms = operation.gradients(inputs.inputs(), into);
        let terms: Vec<f32> = terms.into_iter().map(|term| term as f32).collect();
        let count = (Terms(terms.len()),);
        let terms = Array { tensor: codes.mean.tensor.next(terms.into(), count)?, tape: NoneTape };
        let like = |values| Ok(Array { tensor: codes.mean.tensor.next(values, codes.mean.shape())?, tape: NoneTape });
        let log_variance = codes.log_variance.as_ref().map(|_| like(log_variance)).transpose()?;
        Ok((Codes { mean: like(mean)?, log_variance, z: like(z)? }, terms))
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
        let first = arrays.first().ok_or_else(|| DeviceError::from_device("there are no rows"))?;
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

    fn leaf<S: Shape>(values: &Array<S, Self>) -> Result<Parameter<S, Self>, DeviceError> {
        let mut leaf = Parameter::zeros(values.tensor.slot.device(), values.shape())?;
        leaf.set(values.to_vec());
        Ok(leaf)
    }
}

/// The arrays of codes, and the slots of their gradients.
struct CodeArrays {
    latent: usize,
    mean: Arc<Buffer>,
    log_variance: Option<Arc<Buffer>>,
    z: Arc<Buffer>,
    /// Of the means, the log-variances and the samples.
    slots: [Option<Slot>; 3],
}

impl CodeArrays {
    fn of<N: Dim, L: Dim>(codes: &Codes<N, L, Host>) -> CodeArrays {
        let log_variance = codes.log_variance.as_ref().map(|log_variance| &log_variance.tensor);
        let (mean, z) = (&codes.mean.tensor, &codes.z.tensor);
        CodeArrays {
            latent: mean.shape.1.size(),
            mean: mean.values.clone(),
            log_variance: log_variance.map(|log_variance| log_variance.values.clone()),
            z: z.values.clone(),
            slots: [Some(mean.slot.clone()), log_variance.map(|one| one.slot.clone()), Some(z.slot.clone())],
        }
    }

    fn inputs(&self) -> CodeInputs<'_> {
        let log_variance = self.log_variance.as_ref().map_or(&[][..], |values| values);
        CodeInputs { latent: self.latent, mean: &self.mean, log_variance, z: &self.z }
    }

    /// The gradients so far. A plain autoencoder has one array as mean and as sample: its gradient is that of the sample.
    fn take_gradients(&self, gradients: &mut Grads<Host>) -> Result<[Buffer; 3], CpuError> {
        let mut take = |slot: &Option<Slot>, length| match slot {
            Some(slot) => take_or_zeros(gradients, slot, length),
            None => Ok(Buffer::default()),
        };
        let [mean, log_variance, z] = &self.slots;
        Ok([take(mean, self.mean.len())?, take(log_variance, self.mean.len())?, take(z, self.z.len())?])
    }

    fn put_gradients(&self, gradients: &mut Grads<Host>, found: [Buffer; 3]) -> Result<(), CpuError> {
        for (slot, gradient) in self.slots.iter().zip(found) {
            if let Some(slot) = slot {
                add(gradients, slot, gradient)?;
            }
        }
        Ok(())
    }
}
