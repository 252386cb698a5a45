//! What objectives need of a card: terms with weights, and codes of whole batches. Terms of codes are computed on the host.

use super::gradient::{Gradient, copied};
use super::queue::{Memory, Word};
use super::{CardHandle, CardTensor, OnCard, on_tape, recorded};
use crate::tensor::backend::{
    Array, BatchTerms, CodeGradients, CodeInputs, CodeOperation, CodeTerm, Codes, Combine, DeviceError, Grads,
    KernelNumbers, Parameter, RowWeight,
};
use crate::tensor::dims::{Batch, Dim, Terms};
use dfdx::shapes::Shape;
use dfdx::tensor::{Cpu, NoneTape, Tape};
use std::ops::Range;
use std::rc::Rc;

impl Combine for OnCard {
    fn code_term<C: CodeTerm, N: Dim, L: Dim, P: Dim, T: Tape<f32, Cpu>>(
        term: &C,
        codes: &Codes<N, L, Self>,
        own: Option<&Parameter<(P,), Self>>,
        mut tape: T,
    ) -> Result<Array<(N,), Self, T>, DeviceError> {
        let (batch, _) = codes.mean.shape();
        let card = codes.mean.tensor.card().clone();
        if let Some((names, numbers)) = term.kernel() {
            return code_term((names, numbers), codes, tape);
        }
        let arrays = CodeArrays::of(codes, own)?;
        let mut results = vec![0.0; batch.size()];
        term.forward(arrays.inputs(), &mut results);
        let results = CardTensor::new(card.uploaded(&results)?, (batch,));
        let (term, of_results) = (*term, results.gradient.clone());
        tape.add_backward_op(move |_| {
            on_tape(&card, || {
                let dresults = of_results.take_or_zeros(&card, batch.size())?;
                let dresults = card.download(&dresults, batch.size())?;
                let mut found = arrays.zeros();
                term.backward(arrays.inputs(), &dresults, gradients(&mut found));
                for (gradient, found) in arrays.gradients.iter().zip(found) {
                    if let Some(gradient) = gradient {
                        gradient.add(&card, card.uploaded(&found)?, found.len())?;
                    }
                }
                Ok(())
            })
        });
        Ok(recorded(results, tape))
    }

    fn repeat_rows<N: Dim, L: Dim, T: Tape<f32, Cpu>>(
        rows: Array<(N, L), Self, T>,
        times: usize,
    ) -> Result<Array<(N, L), Self, T>, DeviceError> {
        let Array { tensor: rows, mut tape } = rows;
        let card = rows.card().clone();
        let (count, length) = (rows.shape.0.size(), rows.shape.1.size());
        let more = N::from_size(count * times).ok_or_else(|| DeviceError::new("rows of a constant number"))?;
        let all = count * times * length;
        let repeated = card.floats(all)?;
        let sizes = [all, length, times].map(Word::Count);
        card.each("repeat_rows", all, &[&[Word::At(&rows.memory), Word::At(&repeated)][..], &sizes].concat())?;
        let repeated = CardTensor::new(repeated, (more, rows.shape.1));
        let of_repeated = repeated.gradient.clone();
        tape.add_backward_op(move |_| {
            on_tape(&card, || {
                let copies = of_repeated.take_or_zeros(&card, all)?;
                let sums = rows.gradient.take_or_zeros(&card, count * length)?;
                let sizes = [count * length, length, times].map(Word::Count);
                let words = [&[Word::At(&copies), Word::At(&sums)][..], &sizes].concat();
                card.each("repeat_rows_backward", count * length, &words)?;
                rows.gradient.put(&card, sums);
                Ok(())
            })
        });
        Ok(recorded(repeated, tape))
    }

    fn code_gradients<C: CodeOperation, N: Dim, L: Dim, P: Dim>(
        operation: &C,
        codes: &Codes<N, L, Self>,
        own: Option<&Parameter<(P,), Self>>,
    ) -> Result<BatchTerms<N, L, P, Self>, DeviceError> {
        let card = codes.mean.tensor.card();
        let inputs = CodeArrays::of(codes, own)?;
        let mut found = inputs.zeros();
        let terms: Vec<f32> =
            operation.gradients(inputs.inputs(), gradients(&mut found)).into_iter().map(|term| term as f32).collect();
        let terms = recorded(CardTensor::new(card.uploaded(&terms)?, (Terms(terms.len()),)), NoneTape);
        let [mean, log_variance, z, of_own] = found;
        let of_codes = |values: Vec<f32>| {
            Ok::<_, DeviceError>(recorded(CardTensor::new(card.uploaded(&values)?, codes.mean.shape()), NoneTape))
        };
        let log_variance = codes.log_variance.as_ref().map(|_| of_codes(log_variance)).transpose()?;
        let own = own.map(|own| Ok::<_, DeviceError>(CardTensor::new(card.uploaded(&of_own)?, own.shape())));
        let own = own.transpose()?.map(|own| recorded(own, NoneTape));
        Ok(BatchTerms { terms, codes: Codes { mean: of_codes(mean)?, log_variance, z: of_codes(z)? }, own })
    }

    /// With a tape, only the gradients are computed.
    fn total<N: Dim, L: Dim, T: Tape<f32, Cpu>>(
        rows: Vec<(Array<(N,), Self>, RowWeight<N, Self>)>,
        codes: Vec<(Array<(N, L), Self>, Array<(N, L), Self>)>,
        mut tape: T,
    ) -> Result<Array<(), Self, T>, DeviceError> {
        let cards = rows.iter().map(|(row, _)| row.tensor.card().clone());
        let card = cards.chain(codes.iter().map(|(code, _)| code.tensor.card().clone())).next();
        let card = card.ok_or_else(|| DeviceError::new("a total of nothing"))?;
        let total = CardTensor::new(card.filled(1, if T::OWNS_TAPE { f32::NAN } else { 0.0 })?, ());
        if !T::OWNS_TAPE {
            let add = |values: &Memory, weights: Word<'_>, weight: f32, count: usize| {
                let words = [Word::At(values), weights, Word::Address(card.number(weight)?)];
                card.blocks("add_total", 1, &[&words[..], &[Word::At(&total.memory), Word::Count(count)]].concat())
            };
            for (row, weight) in &rows {
                match weight {
                    RowWeight::Same(weight) => add(&row.tensor.memory, Word::Count(0), *weight, row.tensor.len())?,
                    RowWeight::Each(weights) => {
                        add(&row.tensor.memory, Word::At(&weights.tensor.memory), 1.0, row.tensor.len())?;
                    }
                }
            }
            for (code, gradient) in &codes {
                add(&code.tensor.memory, Word::At(&gradient.tensor.memory), 1.0, code.tensor.len())?;
            }
        }
        tape.add_backward_op(move |_| {
            on_tape(&card, || {
                for (row, weight) in rows {
                    let (row, length) = (&row.tensor, row.tensor.len());
                    match weight {
                        RowWeight::Same(weight) => {
                            let (into, adds) = row.gradient.take_or_new(&card, length)?;
                            let weight = card.number(weight)?;
                            let more = [Word::Address(weight), Word::Count(usize::from(adds))];
                            let words = [&[Word::At(&into), Word::Count(length)][..], &more].concat();
                            card.each("fill_or_add", length, &words)?;
                            row.gradient.put(&card, into);
                        }
                        RowWeight::Each(weights) => {
                            row.gradient.add(&card, copied(&card, &weights.tensor.memory, length)?, length)?;
                        }
                    }
                }
                for (code, gradient) in codes {
                    let length = code.tensor.len();
                    let gradient = copied(&card, &gradient.tensor.memory, length)?;
                    code.tensor.gradient.add(&card, gradient, length)?;
                }
                Ok(())
            })
        });
        Ok(recorded(total, tape))
    }

    fn gradient_of<S: Shape>(_: &mut Grads<OnCard>, array: &Array<S, Self>) -> Result<Array<S, Self>, DeviceError> {
        let CardTensor { gradient, shape, .. } = &array.tensor;
        let found = gradient.take_or_zeros(array.tensor.card(), shape.num_elements())?;
        Ok(recorded(CardTensor::new(found, *shape), NoneTape))
    }

    fn scale_rows<N: Dim, L: Dim>(
        rows: &Array<(N, L), Self>,
        factors: &Array<(N,), Self>,
    ) -> Result<Array<(N, L), Self>, DeviceError> {
        let (card, count) = (rows.tensor.card(), rows.tensor.len());
        let scaled = card.floats(count)?;
        let arrays = [&rows.tensor.memory, &factors.tensor.memory, &scaled].map(|one| Word::At(one));
        let sizes = [count, rows.shape().1.size().max(1)].map(Word::Count);
        card.each("scale_rows", count, &[&arrays[..], &sizes].concat())?;
        Ok(recorded(CardTensor::new(scaled, rows.shape()), NoneTape))
    }

    fn stack_rows<N: Dim, L: Dim>(arrays: &[Array<(N, L), Self>]) -> Result<Array<(Batch, L), Self>, DeviceError> {
        let first = arrays.first().ok_or_else(|| DeviceError::new("there are no rows"))?;
        let card = first.tensor.card();
        let stacked = card.floats(arrays.iter().map(|array| array.tensor.len()).sum())?;
        let mut next = 0;
        for array in arrays {
            card.copy((&array.tensor.memory, 0), (&stacked, next), array.tensor.len())?;
            next += array.tensor.len();
        }
        let rows = arrays.iter().map(|array| array.shape().0.size()).sum();
        Ok(recorded(CardTensor::new(stacked, (Batch(rows), first.shape().1)), NoneTape))
    }

    fn take_rows<N: Dim, L: Dim>(
        array: &Array<(N, L), Self>,
        rows: Range<usize>,
    ) -> Result<Array<(Batch, L), Self>, DeviceError> {
        let (latent, card) = (array.shape().1, array.tensor.card());
        let count = rows.len() * latent.size();
        let taken = card.floats(count)?;
        card.copy((&array.tensor.memory, rows.start * latent.size()), (&taken, 0), count)?;
        Ok(recorded(CardTensor::new(taken, (Batch(rows.len()), latent)), NoneTape))
    }

    fn recorded<S: Shape, T: Tape<f32, Cpu>>(
        parameter: &Parameter<S, Self>,
        mut tape: T,
    ) -> Result<Array<S, Self, T>, DeviceError> {
        let CardHandle { values, gradient, length } = parameter.handle.clone();
        let card = values.card().clone();
        // The optimizer changes the parameter itself.
        let tensor = CardTensor::new(copied(&card, &values, length)?, parameter.shape());
        let from = tensor.gradient.clone();
        tape.add_backward_op(move |_| {
            on_tape(&card, || gradient.add(&card, from.take_or_zeros(&card, length)?, length))
        });
        Ok(recorded(tensor, tape))
    }

    fn join<P: Dim, T: Tape<f32, Cpu>>(
        parts: Vec<Array<(P,), Self>>,
        mut tape: T,
    ) -> Result<Array<(P,), Self, T>, DeviceError> {
        let first = parts.first().ok_or_else(|| DeviceError::new("there are no numbers"))?;
        let card = first.tensor.card().clone();
        let length = parts.iter().map(|part| part.tensor.len()).sum();
        let count = P::from_size(length).ok_or_else(|| DeviceError::new("numbers of a constant count"))?;
        let joined = card.floats(length)?;
        let mut next = 0;
        for part in &parts {
            card.copy((&part.tensor.memory, 0), (&joined, next), part.tensor.len())?;
            next += part.tensor.len();
        }
        let joined = CardTensor::new(joined, (count,));
        let to = joined.gradient.clone();
        let own: Vec<(Gradient, usize)> =
            parts.iter().map(|part| (part.tensor.gradient.clone(), part.tensor.len())).collect();
        tape.add_backward_op(move |_| {
            on_tape(&card, || {
                let gradient = to.take_or_zeros(&card, length)?;
                let mut start = 0;
                for (own, length) in own {
                    let part = card.floats(length)?;
                    card.copy((&gradient, start), (&part, 0), length)?;
                    own.add(&card, part, length)?;
                    start += length;
                }
                Ok(())
            })
        });
        Ok(recorded(joined, tape))
    }

    fn leaf<S: Shape>(values: &Array<S, Self>) -> Result<Parameter<S, Self>, DeviceError> {
        let CardTensor { memory, shape, .. } = &values.tensor;
        let (card, length) = (memory.card(), values.tensor.len());
        let values = copied(card, memory, length)?;
        Ok(Parameter { handle: CardHandle { values, gradient: Gradient::default(), length }, shape: *shape })
    }
}

/// A term of codes that has kernels.
fn code_term<N: Dim, L: Dim, T: Tape<f32, Cpu>>(
    ([forward, backward], numbers): ([&'static str; 2], KernelNumbers),
    codes: &Codes<N, L, OnCard>,
    mut tape: T,
) -> Result<Array<(N,), OnCard, T>, DeviceError> {
    let card = codes.mean.tensor.card().clone();
    let ((batch, latent), length) = (codes.mean.shape(), codes.mean.tensor.len());
    let arrays = [Some(&codes.mean), codes.log_variance.as_ref(), Some(&codes.z)];
    let arrays = arrays.map(|array| array.map(|array| array.tensor.clone()));
    let results = CardTensor::new(card.floats(batch.size())?, (batch,));
    let sizes = [batch.size(), latent.size()].map(Word::Count);
    let address = |memory: Option<&Rc<Memory>>| Word::Address(memory.map_or(0, |memory| memory.address()));
    let at = arrays.each_ref().map(|array| address(array.as_ref().map(|array| &array.memory)));
    card.each(forward, batch.size(), &[&at[..], &[Word::At(&results.memory)], &sizes].concat())?;
    let of_results = results.gradient.clone();
    tape.add_backward_op(move |_| {
        on_tape(&card, || {
            let dresults = of_results.take_or_zeros(&card, batch.size())?;
            let gradient = |array: &CardTensor<(N, L)>| array.gradient.take_or_zeros(&card, length);
            let mut into = Vec::new();
            for array in &arrays {
                into.push(array.as_ref().map(gradient).transpose()?);
            }
            let gradients: Vec<Word<'_>> = into.iter().map(|memory| address(memory.as_ref())).collect();
            let numbers = [Word::Address(card.few_numbers(&numbers)?)];
            let words = [&at[..], &[Word::At(&dresults)], &sizes, &gradients, &numbers].concat();
            card.each(backward, length, &words)?;
            for (array, memory) in arrays.iter().zip(into) {
                if let Some((array, memory)) = array.as_ref().zip(memory) {
                    array.gradient.put(&card, memory);
                }
            }
            Ok(())
        })
    });
    Ok(recorded(results, tape))
}

/// The arrays of codes and the numbers that they share, on the host, and their gradients on the card.
struct CodeArrays {
    latent: usize,
    mean: Vec<f32>,
    log_variance: Vec<f32>,
    z: Vec<f32>,
    own: Vec<f32>,
    /// With respect to the means, the log-variances, the samples and the shared numbers.
    gradients: [Option<Gradient>; 4],
}

impl CodeArrays {
    fn of<N: Dim, L: Dim, P: Dim>(
        codes: &Codes<N, L, OnCard>,
        own: Option<&Parameter<(P,), OnCard>>,
    ) -> Result<CodeArrays, DeviceError> {
        let values = |tensor: &CardTensor<(N, L)>| tensor.card().download(&tensor.memory, tensor.len());
        let log_variance = codes.log_variance.as_ref().map(|log_variance| &log_variance.tensor);
        let of_own =
            |own: &Parameter<(P,), OnCard>| own.handle.values.card().download(&own.handle.values, own.handle.length);
        let gradients = [
            Some(codes.mean.tensor.gradient.clone()),
            log_variance.map(|one| one.gradient.clone()),
            Some(codes.z.tensor.gradient.clone()),
            own.map(|own| own.handle.gradient.clone()),
        ];
        Ok(CodeArrays {
            latent: codes.mean.shape().1.size(),
            mean: values(&codes.mean.tensor)?,
            log_variance: log_variance.map(values).transpose()?.unwrap_or_default(),
            z: values(&codes.z.tensor)?,
            own: own.map(of_own).transpose()?.unwrap_or_default(),
            gradients,
        })
    }

    fn inputs(&self) -> CodeInputs<'_> {
        let CodeArrays { latent, mean, log_variance, z, own, .. } = self;
        CodeInputs { latent: *latent, mean, log_variance, z, own }
    }

    /// Zeros for each gradient.
    fn zeros(&self) -> [Vec<f32>; 4] {
        [&self.mean, &self.log_variance, &self.z, &self.own].map(|values| vec![0.0; values.len()])
    }
}

fn gradients([mean, log_variance, z, own]: &mut [Vec<f32>; 4]) -> CodeGradients<'_> {
    CodeGradients { mean, log_variance, z, own }
}
