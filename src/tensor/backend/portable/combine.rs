//! What objectives need of the portable backend: terms with weights, and codes of whole batches.

use super::{Portable, PortableDevice, Rows, array};
use crate::tensor::backend::{
    Array, BatchTerms, CodeOperation, CodeTerm, Codes, Combine, DeviceError, Grads, Parameter, RowWeight,
};
use crate::tensor::dims::{Batch, Dim, Terms};
use dfdx::shapes::{Axis, HasShape, Shape};
use dfdx::tensor::{NoneTape, OwnedTape, PutTape, SplitTape, Tape, Tensor};
use dfdx::tensor_ops::{Backward, BroadcastTo, ReshapeTo, SumTo, TryAdd, TryConcatAlong, TryMul};
use std::ops::Range;

impl<D: PortableDevice> Combine for Portable<D> {
    fn code_term<C: CodeTerm, N: Dim, L: Dim, P: Dim, T: Tape<f32, D>>(
        term: &C,
        codes: &Codes<N, L, Self>,
        own: Option<&Parameter<(P,), Self>>,
        tape: T,
    ) -> Result<Array<(N,), Self, T>, DeviceError> {
        let (batch, _) = codes.mean.shape();
        let attempt = || -> Result<_, D::Err> {
            let FlatCodes { mean, log_variance, z } = flat_codes(codes)?;
            let own = match own {
                Some(own) => own.handle.clone().put_tape(tape).try_reshape_like(&(own.shape().0.size(),))?,
                None => mean.device().clone().try_zeros_like(&(1,))?.put_tape(tape),
            };
            // A plain autoencoder has one tensor as mean and as sample; dfdx needs two.
            let z = if log_variance.is_none() { z.retaped::<T>().try_mul(1.0)? } else { z.retaped() };
            let log_variance = log_variance.map(|log_variance| log_variance.retaped());
            term.portable(mean.retaped(), log_variance, z, own)?.try_reshape_like(&(batch,))
        };
        attempt().map_err(DeviceError::from_device).map(array)
    }

    fn repeat_rows<N: Dim, L: Dim, T: Tape<f32, D>>(
        rows: Array<(N, L), Self, T>,
        times: usize,
    ) -> Result<Array<(N, L), Self, T>, DeviceError> {
        let (count, length) = rows.shape();
        let more = N::from_size(count.size() * times).ok_or_else(|| DeviceError::new("rows of a constant number"))?;
        let flat = (count.size(), length.size());
        let attempt = || -> Result<_, D::Err> {
            let rows: Rows<D, T> = rows.tensor.put_tape(rows.tape).try_reshape_like(&flat)?;
            let copies = rows.try_broadcast_like::<_, Axis<1>>(&(flat.0, times, flat.1))?;
            copies.try_reshape_like(&(more, length))
        };
        attempt().map_err(DeviceError::from_device).map(array)
    }

    fn code_gradients<C: CodeOperation, N: Dim, L: Dim, P: Dim>(
        operation: &C,
        codes: &Codes<N, L, Self>,
        own: Option<&Parameter<(P,), Self>>,
    ) -> Result<BatchTerms<N, L, P, Self>, DeviceError> {
        let shape = codes.mean.shape();
        let attempt = || -> Result<_, D::Err> {
            let FlatCodes { mean, log_variance, z } = flat_codes(codes)?;
            // A plain autoencoder has one tensor as mean and as sample, each with its own gradient here.
            let z = if log_variance.is_none() { z.try_mul(1.0)? } else { z };
            let shared = own.map(|own| own.handle.clone().try_reshape_like(&(own.shape().0.size(),))).transpose()?;
            let with_tape = |array: &Rows<D, NoneTape>| array.retaped::<OwnedTape<f32, D>>();
            let terms = operation.portable(
                with_tape(&mean),
                log_variance.as_ref().map(with_tape),
                with_tape(&z),
                shared.as_ref().map(|shared| shared.retaped::<OwnedTape<f32, D>>()),
            )?;
            let (terms, tape) = terms.split_tape();
            let weights = operation.weights();
            let weights = terms.device().clone().try_tensor_from_vec(weights, *terms.shape())?;
            let total: Tensor<(), f32, D, _> = terms.clone().put_tape(tape).try_mul(weights)?.try_sum()?;
            let mut gradients = total.try_backward()?;
            let own = match own.zip(shared.as_ref()) {
                Some((own, shared)) => {
                    gradients.get_or_alloc_mut(shared)?;
                    Some(array(gradients.get(shared).try_reshape_like(&own.shape())?))
                }
                None => None,
            };
            let mut read = |array: &Rows<D, NoneTape>| -> Result<_, D::Err> {
                gradients.get_or_alloc_mut(array)?;
                gradients.get(array).try_reshape_like(&shape).map(self::array)
            };
            let log_variance = log_variance.as_ref().map(&mut read).transpose()?;
            let count = (Terms(terms.shape().0),);
            let terms = self::array(terms.try_reshape_like(&count)?);
            Ok(BatchTerms { terms, codes: Codes { mean: read(&mean)?, log_variance, z: read(&z)? }, own })
        };
        attempt().map_err(DeviceError::from_device)
    }

    fn total<N: Dim, L: Dim, T: Tape<f32, D>>(
        rows: Vec<(Array<(N,), Self>, RowWeight<N, Self>)>,
        codes: Vec<(Array<(N, L), Self>, Array<(N, L), Self>)>,
        tape: T,
    ) -> Result<Array<(), Self, T>, DeviceError> {
        let attempt = || -> Result<Option<Tensor<(), f32, D, T>>, D::Err> {
            // The first term has the tape of what came before.
            let mut tape = Some(tape);
            let mut sum: Option<Tensor<(), f32, D, T>> = None;
            let mut add = |term: Tensor<(), f32, D, T>| -> Result<(), D::Err> {
                sum = Some(match sum.take() {
                    None => term,
                    Some(sum) => sum.try_add(term)?,
                });
                Ok(())
            };
            for (row, weight) in rows {
                let row = row.tensor.put_tape(tape.take().unwrap_or_default());
                add(match weight {
                    RowWeight::Same(weight) => row.try_mul(weight)?.try_sum::<(), _>()?,
                    RowWeight::Each(weights) => row.try_mul(weights.tensor)?.try_sum::<(), _>()?,
                })?;
            }
            for (code, gradient) in codes {
                add(code
                    .tensor
                    .put_tape(tape.take().unwrap_or_default())
                    .try_mul(gradient.tensor)?
                    .try_sum::<(), _>()?)?;
            }
            Ok(sum)
        };
        let sum = attempt().map_err(DeviceError::from_device)?;
        Ok(array(sum.ok_or_else(|| DeviceError::new("there are no terms"))?))
    }

    fn gradient_of<S: Shape>(
        gradients: &mut Grads<Self>,
        array: &Array<S, Self>,
    ) -> Result<Array<S, Self>, DeviceError> {
        gradients.get_or_alloc_mut(&array.tensor).map_err(DeviceError::from_device)?;
        Ok(Array { tensor: gradients.get(&array.tensor), tape: NoneTape })
    }

    fn scale_rows<N: Dim, L: Dim>(
        rows: &Array<(N, L), Self>,
        factors: &Array<(N,), Self>,
    ) -> Result<Array<(N, L), Self>, DeviceError> {
        let attempt = || -> Result<_, D::Err> {
            let factors = factors.tensor.clone().try_broadcast_like::<_, Axis<1>>(&rows.shape())?;
            rows.tensor.clone().try_mul(factors)
        };
        attempt().map_err(DeviceError::from_device).map(array)
    }

    fn stack_rows<N: Dim, L: Dim>(arrays: &[Array<(N, L), Self>]) -> Result<Array<(Batch, L), Self>, DeviceError> {
        let first = arrays.first().ok_or_else(|| DeviceError::new("there are no rows"))?;
        let latent = first.shape().1;
        let flat = |array: &Array<(N, L), Self>| -> Result<Rows<D, NoneTape>, D::Err> {
            array.tensor.clone().try_reshape_like(&(array.shape().0.size(), latent.size()))
        };
        let attempt = || -> Result<_, D::Err> {
            let mut stacked = flat(first)?;
            for array in arrays.iter().skip(1) {
                stacked = (stacked, flat(array)?).try_concat_along(Axis::<0>)?;
            }
            let rows = stacked.shape().0;
            stacked.try_reshape_like(&(Batch(rows), latent))
        };
        attempt().map_err(DeviceError::from_device).map(array)
    }

    fn take_rows<N: Dim, L: Dim>(
        array: &Array<(N, L), Self>,
        rows: Range<usize>,
    ) -> Result<Array<(Batch, L), Self>, DeviceError> {
        let (batch, latent) = array.shape();
        let attempt = || -> Result<_, D::Err> {
            let flat: Rows<D, NoneTape> = array.tensor.clone().try_reshape_like(&(batch.size(), latent.size()))?;
            let count = rows.len();
            flat.try_slice((rows, ..))?.try_reshape_like(&(Batch(count), latent))
        };
        attempt().map_err(DeviceError::from_device).map(self::array)
    }

    fn recorded<S: Shape, T: Tape<f32, D>>(
        parameter: &Parameter<S, Self>,
        tape: T,
    ) -> Result<Array<S, Self, T>, DeviceError> {
        Ok(array(parameter.handle.clone().put_tape(tape)))
    }

    fn join<P: Dim, T: Tape<f32, D>>(
        parts: Vec<Array<(P,), Self>>,
        tape: T,
    ) -> Result<Array<(P,), Self, T>, DeviceError> {
        let mut parts = parts.into_iter().map(|part| {
            let count = part.shape().0.size();
            part.tensor.try_reshape_like(&(count,)).map_err(DeviceError::from_device)
        });
        let first = parts.next().ok_or_else(|| DeviceError::new("there are no numbers"))??;
        let mut joined: Tensor<(usize,), f32, D, T> = first.put_tape(tape);
        for part in parts {
            joined = (joined, part?).try_concat_along(Axis::<0>).map_err(DeviceError::from_device)?;
        }
        let count = joined.shape().0;
        let count = P::from_size(count).ok_or_else(|| DeviceError::new("numbers of a constant count"))?;
        joined.try_reshape_like(&(count,)).map_err(DeviceError::from_device).map(array)
    }

    fn leaf<S: Shape>(values: &Array<S, Self>) -> Result<Parameter<S, Self>, DeviceError> {
        Ok(Parameter { handle: values.tensor.clone(), shape: values.shape() })
    }
}

/// Codes as (Images, Latent).
struct FlatCodes<D: PortableDevice> {
    mean: Rows<D, NoneTape>,
    log_variance: Option<Rows<D, NoneTape>>,
    z: Rows<D, NoneTape>,
}

fn flat_codes<N: Dim, L: Dim, D: PortableDevice>(codes: &Codes<N, L, Portable<D>>) -> Result<FlatCodes<D>, D::Err> {
    let (batch, latent) = codes.mean.shape();
    let flat =
        |array: &Array<(N, L), Portable<D>>| array.tensor.clone().try_reshape_like(&(batch.size(), latent.size()));
    let log_variance = codes.log_variance.as_ref().map(flat).transpose()?;
    Ok(FlatCodes { mean: flat(&codes.mean)?, log_variance, z: flat(&codes.z)? })
}
