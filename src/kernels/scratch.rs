//! Buffers that outlive a kernel's call, so that the training loop does not allocate.

use std::cell::RefCell;

thread_local! {
    /// The buffers of this thread that no kernel is using now.
    static IDLE: RefCell<Vec<Vec<f32>>> = const { RefCell::new(Vec::new()) };
}

/// Calls `work` with `length` numbers of scratch space. They hold whatever the last user left: write before reading.
/// Calls may be nested; each level has a buffer of its own.
pub(super) fn with_scratch<T>(length: usize, work: impl FnOnce(&mut [f32]) -> T) -> T {
    let mut buffer = IDLE.with_borrow_mut(Vec::pop).unwrap_or_default();
    if buffer.len() < length {
        buffer.resize(length, 0.0);
    }
    let result = work(&mut buffer[..length]);
    IDLE.with_borrow_mut(|idle| idle.push(buffer));
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
}
