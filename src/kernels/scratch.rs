//! Buffers that are used again, so that the training loop neither allocates nor clears memory.

use std::cell::RefCell;
use std::mem::take;
use std::ops::{Deref, DerefMut};

thread_local! {
    /// The buffers of this thread that nobody is using now.
    static IDLE: RefCell<Vec<Vec<f32>>> = const { RefCell::new(Vec::new()) };
}

/// Buffers that a thread keeps: some more than the arrays of a deep model's pass.
const MOST: usize = 256;

/// Room for some numbers. Dropped, it is kept for the next user on the thread that drops it.
#[derive(Debug, Default)]
pub struct Buffer {
    /// At least `length` numbers; the rest is left as it is, as clearing it would cost time.
    values: Vec<f32>,
    length: usize,
}

impl Buffer {
    /// `length` numbers, which hold whatever their last user left: write before reading.
    pub fn new(length: usize) -> Buffer {
        let idle = IDLE.with_borrow_mut(|idle| {
            // The smallest that is large enough and not far too large; the last returned of these is the warmest.
            let fits = |buffer: &Vec<f32>| buffer.len() >= length && buffer.len() / 2 <= length;
            let place = (0..idle.len()).rev().filter(|&place| fits(&idle[place]));
            place.min_by_key(|&place| idle[place].len()).map(|place| idle.remove(place))
        });
        Buffer { values: idle.unwrap_or_else(|| vec![0.0; length]), length }
    }

    /// `length` times the same number.
    pub fn filled(length: usize, value: f32) -> Buffer {
        let mut buffer = Buffer::new(length);
        buffer.fill(value);
        buffer
    }

    /// A copy of some values.
    pub fn copy_of(values: &[f32]) -> Buffer {
        let mut buffer = Buffer::new(values.len());
        buffer.copy_from_slice(values);
        buffer
    }

    /// The memory itself, which then is not used again.
    pub fn into_vec(mut self) -> Vec<f32> {
        let mut values = take(&mut self.values);
        values.truncate(self.length);
        values
    }
}

impl From<Vec<f32>> for Buffer {
    fn from(values: Vec<f32>) -> Buffer {
        Buffer { length: values.len(), values }
    }
}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.values[..self.length]
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.values[..self.length]
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let buffer = take(&mut self.values);
        if !buffer.is_empty() {
            // Where the thread itself is ending, the buffer ends with it.
            let _ = IDLE.try_with(|idle| {
                let mut idle = idle.borrow_mut();
                if idle.len() == MOST {
                    idle.remove(0);
                }
                idle.push(buffer);
            });
        }
    }
}

/// Calls `work` with `length` numbers of scratch space. They hold whatever the last user left: write before reading.
/// Calls may be nested; each level has a buffer of its own.
pub(super) fn with_scratch<T>(length: usize, work: impl FnOnce(&mut [f32]) -> T) -> T {
    work(&mut Buffer::new(length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_buffers_are_distinct_and_of_the_length_asked_for() {
        with_scratch(3, |outer| {
            outer.fill(1.0);
            with_scratch(5, |inner| {
                assert_eq!(inner.len(), 5);
                inner.fill(2.0);
            });
            assert_eq!(outer, [1.0; 3]);
        });
        with_scratch(2, |again| assert_eq!(again.len(), 2));
    }

    #[test]
    fn a_dropped_buffer_serves_again_where_it_is_not_far_too_large() {
        let place = |buffer: &Buffer| buffer.as_ptr();
        let large = Buffer::new(1000);
        let first = place(&large);
        drop(large);
        let small = Buffer::new(10);
        assert_ne!(place(&small), first);
        assert_eq!(place(&Buffer::new(900)), first);
        assert_eq!(Buffer::new(1001).len(), 1001);
    }
}
