//! Reused buffers, so that the training loop rarely allocates large arrays and clears only those that must start with
//! zeros.

use std::cell::RefCell;
use std::mem::take;
use std::ops::{Deref, DerefMut};
use std::sync::Mutex;

/// Arrays that are not in use.
static IDLE: Mutex<Vec<Vec<f32>>> = Mutex::new(Vec::new());

thread_local! {
    /// Scratch arrays of this thread that are not in use.
    static SCRATCH: RefCell<Vec<Vec<f32>>> = const { RefCell::new(Vec::new()) };
}

/// Takes the smallest array that is large enough and not much too large. Of equal arrays it takes the one returned
/// last, which is most likely in the cache. The length is at least `length`; the rest keeps its old values, because
/// clearing takes time.
///
/// The capacity must not be much too large, because [`Buffer::into_vec`] shortens an array permanently: this keeps at
/// least half of every array's memory in use, and no array becomes too short to be reused.
fn take_fitting(idle: &mut Vec<Vec<f32>>, length: usize) -> Option<Vec<f32>> {
    let fits = |array: &Vec<f32>| array.len() >= length && array.capacity() / 2 <= length;
    let places = (0..idle.len()).rev().filter(|&place| fits(&idle[place]));
    places.min_by_key(|&place| idle[place].len()).map(|place| idle.remove(place))
}

/// In tests, fills memory with NaN to detect reads of old values.
fn poison(values: &mut [f32]) {
    if cfg!(test) {
        values.fill(f32::NAN);
    }
}

/// A reusable array of numbers: on drop it is kept for the next user on any thread, unless it was created from a
/// vector.
#[derive(Debug, Default)]
pub struct Buffer {
    /// At least `length` numbers.
    values: Vec<f32>,
    length: usize,
    /// Whether it is kept on drop; memory from elsewhere would accumulate.
    kept: bool,
}

impl Buffer {
    /// `length` numbers with the values of the last user: write before reading.
    pub fn new(length: usize) -> Buffer {
        let idle = IDLE.lock().ok().and_then(|mut idle| take_fitting(&mut idle, length));
        let mut values = idle.unwrap_or_else(|| vec![0.0; length]);
        poison(&mut values);
        Buffer { values, length, kept: true }
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

    /// Converts the result of [`Buffer::into_vec`] back into a reusable buffer.
    pub fn again(values: Vec<f32>) -> Buffer {
        Buffer { length: values.len(), values, kept: true }
    }

    /// The numbers as a vector.
    pub fn into_vec(mut self) -> Vec<f32> {
        let mut values = take(&mut self.values);
        values.truncate(self.length);
        values
    }
}

impl From<Vec<f32>> for Buffer {
    fn from(values: Vec<f32>) -> Buffer {
        Buffer { length: values.len(), values, kept: false }
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
        let values = take(&mut self.values);
        if self.kept
            && !values.is_empty()
            && let Ok(mut idle) = IDLE.lock()
        {
            idle.push(values);
        }
    }
}

/// Calls `work` with `length` numbers of scratch space, with the values of the last user: write before reading. Calls
/// may be nested; each level has an array of its own.
pub(crate) fn with_scratch<T>(length: usize, work: impl FnOnce(&mut [f32]) -> T) -> T {
    let idle = SCRATCH.with_borrow_mut(|idle| take_fitting(idle, length));
    let mut values = idle.unwrap_or_else(|| vec![0.0; length]);
    poison(&mut values);
    let result = work(&mut values[..length]);
    SCRATCH.with_borrow_mut(|idle| idle.push(values));
    result
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
    fn an_array_serves_again_where_it_is_not_far_too_large() {
        let mut idle = vec![vec![0.0; 1000], vec![1.0; 90], vec![2.0; 100], vec![3.0; 100]];
        assert_eq!(take_fitting(&mut idle, 60), Some(vec![1.0; 90]));
        assert_eq!(take_fitting(&mut idle, 60), Some(vec![3.0; 100]));
        assert_eq!(take_fitting(&mut idle, 101), None);
        assert_eq!(take_fitting(&mut idle, 900).map(|array| array.len()), Some(1000));
        assert_eq!(idle, [vec![2.0; 100]]);
    }

    #[test]
    fn an_array_is_not_shortened_to_less_than_half_of_its_memory() {
        let mut array = Vec::with_capacity(1000);
        array.resize(600, 0.0);
        let mut idle = vec![array];
        assert_eq!(take_fitting(&mut idle, 499), None);
        assert_eq!(take_fitting(&mut idle, 500).map(|array| array.len()), Some(600));
    }

    #[test]
    fn what_is_not_written_yet_is_nan_in_tests() {
        for _ in 0..2 {
            with_scratch(9, |values| {
                assert!(values.iter().all(|value| value.is_nan()));
                values.fill(1.0);
            });
            let mut buffer = Buffer::new(11);
            assert!(buffer.iter().all(|value| value.is_nan()));
            buffer.fill(1.0);
        }
    }

    #[test]
    fn buffers_have_the_length_asked_for_and_give_their_values_away() {
        drop(Buffer::filled(10, 1.0));
        assert_eq!(Buffer::filled(7, 2.0).into_vec(), [2.0; 7]);
        assert_eq!(*Buffer::copy_of(&[1.0, 2.0]), [1.0, 2.0]);
        assert_eq!(Buffer::from(vec![3.0]).len(), 1);
    }
}
