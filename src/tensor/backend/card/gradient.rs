//! The gradients of arrays on a card, while dfdx's tape runs backwards.

use super::queue::{Card, Memory, Word};
use crate::tensor::backend::DeviceError;
use std::cell::RefCell;
use std::rc::Rc;

/// The gradient with respect to an array. Clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Gradient(Rc<RefCell<Option<Found>>>);

/// A gradient, and the backward pass that computed it.
#[derive(Debug)]
struct Found {
    pass: u64,
    memory: Rc<Memory>,
}

impl Gradient {
    /// Takes the gradient of this pass; `None` if no operation has computed a part of it.
    pub(super) fn take(&self, card: &Card) -> Option<Rc<Memory>> {
        self.0.take().filter(|found| found.pass == card.pass()).map(|found| found.memory)
    }

    /// Takes the gradient of `length` floats; zeros if there is none yet.
    pub(super) fn take_or_zeros(&self, card: &Card, length: usize) -> Result<Rc<Memory>, DeviceError> {
        match self.take(card) {
            Some(memory) => Ok(memory),
            None => zeros(card, length),
        }
    }

    /// Takes memory for the gradient, and whether it has a part of it, to which more must be added.
    pub(super) fn take_or_new(&self, card: &Card, length: usize) -> Result<(Rc<Memory>, bool), DeviceError> {
        match self.take(card) {
            Some(memory) => Ok((memory, true)),
            None => Ok((card.floats(length)?, false)),
        }
    }

    /// Whether both are the gradient of one array.
    pub(super) fn is(&self, other: &Gradient) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }

    pub(super) fn put(&self, card: &Card, memory: Rc<Memory>) {
        *self.0.borrow_mut() = Some(Found { pass: card.pass(), memory });
    }

    /// Adds to the gradient. The memory becomes the gradient's own.
    pub(super) fn add(&self, card: &Card, more: Rc<Memory>, length: usize) -> Result<(), DeviceError> {
        match self.take(card) {
            None => self.put(card, more),
            Some(sum) => {
                add(card, &more, &sum, length)?;
                self.put(card, sum);
            }
        }
        Ok(())
    }
}

/// Zeros.
pub(super) fn zeros(card: &Card, length: usize) -> Result<Rc<Memory>, DeviceError> {
    card.filled(length, 0.0)
}

/// y += x
pub(super) fn add(card: &Card, x: &Memory, y: &Memory, length: usize) -> Result<(), DeviceError> {
    card.each("add", length, &[Word::At(x), Word::At(y), Word::Count(length)])
}

/// A copy.
pub(super) fn copied(card: &Card, memory: &Memory, length: usize) -> Result<Rc<Memory>, DeviceError> {
    let copy = card.floats(length)?;
    card.copy((memory, 0), (&copy, 0), length)?;
    Ok(copy)
}
