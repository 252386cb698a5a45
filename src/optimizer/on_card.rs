//! Training on a card: the arrays of the optimizer stay there, and one kernel changes all weights.

use super::{Arrays, Change, Learner, Register, Rule, Scaling, UpdateStep};
use crate::model::parameters::Module;
use crate::tensor::backend::{Address, Backend, Card, CardPart, DeviceError, Memory, OnCard, Word};
use std::borrow::Cow;
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;

/// Blocks that share the sum of the squares.
const PARTS: usize = 256;

/// The most operations of a rule: its registers in `kernels/training.cuh`, without the gradient and two arrays.
const OPERATIONS: usize = 21;

/// The most norms that wait to be copied to the host.
const NORMS: usize = 1024;

/// The state of the training of a module on a card.
pub struct CardLearner {
    card: Card,
    ranges: Vec<Range<usize>>,
    rule: Arc<dyn Rule>,
    steps: u64,
    /// Steps before this training.
    before: u64,
    /// The arrays of the optimizer, each with the length of all parameters.
    moments: Vec<(&'static str, Rc<Memory>)>,
    /// The gradient of each parameter, until the update.
    gradient: Vec<Rc<Memory>>,
    /// Norms of gradients, in turn, as `f64`.
    norms: Rc<Memory>,
    next_norm: usize,
    /// The norm of the present gradient, among the norms.
    norm: usize,
    /// Parts of the sum of the squares, and the factors of the gradients.
    parts: Rc<Memory>,
    factors: Rc<Memory>,
}

impl CardLearner {
    /// The number of all parameters.
    fn length(&self) -> usize {
        self.ranges.last().map_or(0, |last| last.end)
    }

    /// Where each parameter has its weights and its gradient.
    fn segments(&self, weights: &[Address]) -> Result<Address, DeviceError> {
        let all = self.ranges.iter().zip(weights).zip(&self.gradient);
        let words = |((range, weights), gradient): ((&Range<usize>, &Address), &Rc<Memory>)| {
            [*weights, gradient.address(), range.start as u64, range.len() as u64]
        };
        self.card.whole_numbers(&all.flat_map(words).collect::<Vec<u64>>())
    }
}

impl Learner<OnCard> for CardLearner {
    /// The card's learner, and the place among its norms.
    type Norm = (Card, Rc<Memory>, usize);

    fn new(card: &Card, ranges: Vec<Range<usize>>, rule: Arc<dyn Rule>) -> Result<Self, DeviceError> {
        let length = ranges.last().map_or(0, |last| last.end);
        let filled = |(name, value): (&&'static str, f32)| Ok::<_, DeviceError>((*name, card.filled(length, value)?));
        let moments = rule.moments().iter().zip(rule.initial()).map(filled).collect::<Result<Vec<_>, _>>()?;
        Ok(CardLearner {
            moments,
            gradient: Vec::new(),
            norms: card.bytes(NORMS * size_of::<f64>())?,
            next_norm: 0,
            norm: 0,
            parts: card.bytes(PARTS * size_of::<f64>())?,
            factors: card.floats(ranges.len().max(1))?,
            card: card.clone(),
            ranges,
            rule,
            steps: 0,
            before: 0,
        })
    }

    fn gather(&mut self, _: &rayon::ThreadPool, lanes: Vec<Vec<CardPart>>) -> Result<(), DeviceError> {
        let mut sums: Vec<CardPart> = self.ranges.iter().map(|_| CardPart::default()).collect();
        for lane in lanes {
            for (sum, part) in sums.iter_mut().zip(lane) {
                OnCard::add_part(sum, part)?;
            }
        }
        let memory = |(sum, range): (CardPart, &Range<usize>)| {
            sum.into_memory().map_or_else(|| self.card.filled(range.len(), 0.0), Ok)
        };
        self.gradient = sums.into_iter().zip(&self.ranges).map(memory).collect::<Result<_, _>>()?;
        (self.norm, self.next_norm) = (self.next_norm, (self.next_norm + 1) % NORMS);
        Ok(())
    }

    /// It is computed with the update.
    fn norm(&self) -> Result<Self::Norm, DeviceError> {
        Ok((self.card.clone(), self.norms.clone(), self.norm))
    }

    fn norms(norms: Vec<Self::Norm>) -> Result<Vec<f64>, DeviceError> {
        let Some((card, memory, _)) = norms.first() else { return Ok(Vec::new()) };
        let bytes = card.download_bytes(memory, NORMS * size_of::<f64>())?;
        let all: Vec<f64> = bytes.as_chunks().0.iter().map(|bytes| f64::from_ne_bytes(*bytes)).collect();
        Ok(norms.iter().map(|(.., place)| all.get(*place).copied().unwrap_or(f64::NAN)).collect())
    }

    fn update(
        &mut self,
        _: &rayon::ThreadPool,
        module: &mut dyn Module<OnCard>,
        rate: f64,
        scaling: Scaling,
    ) -> Result<(), DeviceError> {
        self.steps += 1;
        let step = UpdateStep { rate: rate as f32, corrections: self.rule.corrections(self.before + self.steps) };
        let mut weights = Vec::new();
        module.visit("", &mut |visit| weights.push(visit.parameter.weights().address()));
        let (card, length) = (&self.card, self.length());
        let segments = self.segments(&weights)?;
        let (count, place) = (self.ranges.len(), card.indices(&[self.norm as u32])?);
        let words = [Word::Address(segments), Word::At(&self.parts), Word::Count(count), Word::Count(length)];
        card.blocks("squares", PARTS, &words)?;
        let limit = if let Scaling::ClipTo(limit) = scaling { limit as f32 } else { 0.0 };
        let words = [Word::At(&self.parts), Word::At(&self.norms), Word::Address(place), Word::Count(PARTS)];
        card.blocks("norm", 1, &[&words[..], &[Word::At(&self.factors), Word::Number(limit)]].concat())?;
        let each = scaling == Scaling::EachToOne;
        if each {
            card.blocks("norm_of_each", count, &[Word::Address(segments), Word::At(&self.factors)])?;
        }
        let mut program = Program::default();
        let change = self.rule.portable(step, &mut program, Register(0), [Register(1), Register(2)])?;
        let (operations, rule) = program.words(change)?;
        let (operations, rule) = (card.numbers(&operations)?, card.numbers(&rule)?);
        let array = |place: usize| self.moments.get(place).map_or(Word::Count(0), |(_, array)| Word::At(array));
        let words = [Word::Address(segments), Word::Address(operations), Word::Address(rule), array(0), array(1)];
        let sizes = [count, length, usize::from(each)].map(Word::Count);
        card.each("update", length, &[&words[..], &[Word::At(&self.factors)], &sizes].concat())?;
        card.flush()?;
        self.gradient.clear();
        Ok(())
    }

    fn steps(&self) -> u64 {
        self.steps
    }

    fn count_before(&mut self, updates: u64) {
        self.before = updates;
    }

    fn moments(&self) -> Vec<(&'static str, Cow<'_, [f32]>)> {
        let down = |array: &Memory| {
            let values = self.card.download(array, self.length());
            values.unwrap_or_else(|error| self.card.failed(error, self.length()))
        };
        self.moments.iter().map(|(name, array)| (*name, down(array).into())).collect()
    }

    fn sizes(&self) -> (Vec<&'static str>, usize) {
        (self.moments.iter().map(|(name, _)| *name).collect(), self.length())
    }

    fn restore(&mut self, steps: u64, find: &mut dyn FnMut(&str) -> Option<Vec<f32>>) -> bool {
        self.steps = steps;
        let length = self.length();
        self.moments.iter().all(|(name, array)| {
            let Some(saved) = find(name).filter(|saved| saved.len() == length) else { return false };
            self.card.upload(array, &saved).map_err(|error| self.card.fail(error)).is_ok()
        })
    }
}

/// The operations of a rule, which a kernel runs for each parameter.
#[derive(Default)]
struct Program(Vec<(u32, [Register; 2], f32)>);

impl Program {
    fn push(&mut self, kind: u32, operands: [Register; 2], number: f32) -> Result<Register, DeviceError> {
        self.0.push((kind, operands, number));
        Ok(Register(2 + self.0.len()))
    }

    /// The operations and what they change, as `kernels/training.cuh` reads them.
    fn words(&self, change: Change) -> Result<(Vec<u8>, Vec<u8>), DeviceError> {
        if self.0.len() > OPERATIONS {
            return Err(DeviceError::new("the rule of the optimizer has too many operations for a card"));
        }
        let operation = |(kind, [Register(a), Register(b)], number): &(u32, [Register; 2], f32)| {
            [*kind, *a as u32, *b as u32, number.to_bits()]
        };
        let bytes = |words: &[u32]| words.iter().flat_map(|word| word.to_ne_bytes()).collect::<Vec<u8>>();
        let operations: Vec<u32> = self.0.iter().flat_map(operation).collect();
        let Change { factor, direction: Register(direction), moments: [Register(first), Register(second)] } = change;
        let rule = [factor.to_bits(), direction as u32, first as u32, second as u32, self.0.len() as u32, 0];
        // A rule always has operations.
        Ok((bytes(&operations), bytes(&rule)))
    }
}

impl Arrays for Program {
    fn add(&mut self, a: Register, b: Register) -> Result<Register, DeviceError> {
        self.push(0, [a, b], 0.0)
    }

    fn multiply(&mut self, a: Register, b: Register) -> Result<Register, DeviceError> {
        self.push(1, [a, b], 0.0)
    }

    fn divide(&mut self, a: Register, b: Register) -> Result<Register, DeviceError> {
        self.push(2, [a, b], 0.0)
    }

    fn root(&mut self, a: Register) -> Result<Register, DeviceError> {
        self.push(3, [a, a], 0.0)
    }

    fn scale(&mut self, a: Register, factor: f32) -> Result<Register, DeviceError> {
        self.push(4, [a, a], factor)
    }

    fn add_number(&mut self, a: Register, number: f32) -> Result<Register, DeviceError> {
        self.push(5, [a, a], number)
    }
}
