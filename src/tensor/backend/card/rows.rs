//! Operations on rows: by a kernel, or on the host if there is none.

use super::queue::{Card, Memory, Word};
use super::{CardTensor, OnCard, on_tape, recorded};
use crate::tensor::backend::{Array, DeviceError, Parameter, RowGradients, RowInputs, RowKernel, RowOperation};
use crate::tensor::dims::Dim;
use dfdx::tensor::{Cpu, Tape};
use std::rc::Rc;

pub(super) fn rows<R: RowOperation, N: Dim, O: Dim, V: Dim, P: Dim, T: Tape<f32, Cpu>>(
    operation: &R,
    outputs: Array<(N, O), OnCard, T>,
    own: Option<(&Parameter<(P,), OnCard>, bool)>,
    x: &Array<(N, V), OnCard>,
) -> Result<Array<(N,), OnCard, T>, DeviceError> {
    let kernel = operation.kernel();
    let Array { tensor: outputs, mut tape } = outputs;
    let card = outputs.card().clone();
    let rows = outputs.shape.0.size();
    let owns = own.map_or(0, |(own, _)| own.handle.length);
    let own_values = own.map(|(own, _)| own.handle.values.clone());
    let trained = own.filter(|(_, is_trained)| *is_trained).map(|(own, _)| own.handle.gradient.clone());
    let arrays = Rows {
        rows,
        outputs: (outputs.memory.clone(), outputs.len()),
        x: (x.tensor.memory.clone(), x.tensor.len()),
        own: (own_values, owns),
    };
    let results = match kernel {
        Some(kernel) => arrays.forward(&card, kernel)?,
        None => arrays.forward_on_host(&card, operation)?,
    };
    let results = CardTensor::new(results, (outputs.shape.0,));
    let (operation, of_results) = (*operation, results.gradient.clone());
    tape.add_backward_op(move |_| {
        on_tape(&card, || {
            let dresults = of_results.take_or_zeros(&card, rows)?;
            let doutputs = outputs.gradient.take_or_zeros(&card, outputs.len())?;
            let down = trained.as_ref().map(|own| own.take_or_zeros(&card, owns)).transpose()?;
            let gradients = (doutputs, down);
            let (doutputs, down) = match kernel {
                Some(kernel) => arrays.backward(&card, kernel, &dresults, gradients)?,
                None => arrays.backward_on_host(&card, &operation, &dresults, gradients)?,
            };
            outputs.gradient.put(&card, doutputs);
            if let Some((own, down)) = trained.as_ref().zip(down) {
                own.put(&card, down);
            }
            Ok(())
        })
    });
    Ok(recorded(results, tape))
}

/// The gradients with respect to outputs and own numbers.
type Gradients = (Rc<Memory>, Option<Rc<Memory>>);

/// What an operation on rows computes with, each with its length.
struct Rows {
    rows: usize,
    outputs: (Rc<Memory>, usize),
    x: (Rc<Memory>, usize),
    own: (Option<Rc<Memory>>, usize),
}

impl Rows {
    fn values(&self) -> usize {
        self.x.1 / self.rows.max(1)
    }

    /// The words of the arrays, with the results or their gradients between them.
    fn words<'a>(&'a self, results: &'a Memory) -> [Word<'a>; 4] {
        let own = self.own.0.as_deref().map_or(Word::Count(0), Word::At);
        [Word::At(&self.outputs.0), Word::At(&self.x.0), Word::At(results), own]
    }

    /// The words of [`RowKernel::Whole`] after the arrays.
    fn words_of_whole(&self, card: &Card, numbers: &[f32]) -> Result<[Word<'static>; 4], DeviceError> {
        let sizes = [self.outputs.1 / self.rows.max(1), self.values()].map(Word::Count);
        Ok([sizes[0], sizes[1], Word::Address(card.few_numbers(numbers)?), Word::Count(self.rows)])
    }

    fn start(&self, card: &Card, name: &'static str, is_of_block: bool, words: &[Word<'_>]) -> Result<(), DeviceError> {
        if is_of_block { card.blocks(name, self.rows, words) } else { card.each(name, self.rows, words) }
    }

    fn forward(&self, card: &Card, kernel: RowKernel) -> Result<Rc<Memory>, DeviceError> {
        let results = card.floats(self.rows)?;
        let words = self.words(&results);
        let values = Word::Count(self.values());
        match kernel {
            RowKernel::Logits([name, _]) => {
                card.blocks(name, self.rows, &[&words[..3], &[values]].concat())?;
            }
            RowKernel::LocationScale { names: [name, ..], numbers } => {
                let more = [values, Word::Count(self.own.1), Word::Address(card.few_numbers(&numbers)?)];
                card.blocks(name, self.rows, &[&words[..], &more].concat())?;
            }
            RowKernel::Whole { forward, numbers, is_of_block, .. } => {
                let words = [&words[..3], &self.words_of_whole(card, &numbers)?].concat();
                self.start(card, forward, is_of_block, &words)?;
            }
        }
        Ok(results)
    }

    fn backward(
        &self,
        card: &Card,
        kernel: RowKernel,
        dresults: &Memory,
        (doutputs, down): Gradients,
    ) -> Result<Gradients, DeviceError> {
        let words = self.words(dresults);
        let (values, count) = (self.values(), self.x.1);
        match kernel {
            RowKernel::Logits([_, name]) => {
                let more = [Word::At(&doutputs), Word::Count(count), Word::Count(values)];
                card.each(name, count, &[&words[..3], &more].concat())?;
            }
            RowKernel::LocationScale { names: [_, name, of_own], numbers } => {
                let sizes = [values, self.own.1].map(Word::Count);
                let numbers = Word::Address(card.few_numbers(&numbers)?);
                let more = [numbers, Word::Count(count)];
                card.each(name, count, &[&words[..], &[Word::At(&doutputs)], &sizes, &more].concat())?;
                if let Some(down) = &down {
                    let sizes = [self.rows, values, self.own.1].map(Word::Count);
                    card.blocks(of_own, self.own.1, &[&words[..], &[Word::At(down)], &sizes, &[numbers]].concat())?;
                }
            }
            RowKernel::Whole { backward: Some(name), numbers, is_of_block, .. } => {
                let own = self.words_of_whole(card, &numbers)?;
                self.start(card, name, is_of_block, &[&words[..3], &[Word::At(&doutputs)], &own].concat())?;
            }
            RowKernel::Whole { backward: None, .. } => {}
        }
        Ok((doutputs, down))
    }

    /// Outputs, values and own numbers on the host.
    fn down(&self, card: &Card) -> Result<[Vec<f32>; 3], DeviceError> {
        let own = self.own.0.as_ref().map(|own| card.download(own, self.own.1)).transpose()?;
        let outputs = card.download(&self.outputs.0, self.outputs.1)?;
        Ok([outputs, card.download(&self.x.0, self.x.1)?, own.unwrap_or_default()])
    }

    fn forward_on_host(&self, card: &Card, operation: &impl RowOperation) -> Result<Rc<Memory>, DeviceError> {
        let [outputs, x, own] = self.down(card)?;
        let mut results = vec![0.0; self.rows];
        operation.forward(RowInputs { rows: self.rows, outputs: &outputs, x: &x, own: &own }, &mut results);
        card.uploaded(&results)
    }

    fn backward_on_host(
        &self,
        card: &Card,
        operation: &impl RowOperation,
        dresults: &Memory,
        (doutputs, down): Gradients,
    ) -> Result<Gradients, DeviceError> {
        let [outputs, x, own] = self.down(card)?;
        let dresults = card.download(dresults, self.rows)?;
        let mut of_outputs = card.download(&doutputs, outputs.len())?;
        let mut of_own = down.as_ref().map(|down| card.download(down, own.len())).transpose()?;
        let inputs = RowInputs { rows: self.rows, outputs: &outputs, x: &x, own: &own };
        operation.backward(inputs, &dresults, RowGradients { outputs: &mut of_outputs, own: of_own.as_deref_mut() });
        card.upload(&doutputs, &of_outputs)?;
        if let Some((down, of_own)) = down.as_ref().zip(of_own) {
            card.upload(down, &of_own)?;
        }
        Ok((doutputs, down))
    }
}
