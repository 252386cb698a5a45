//! Calls to readers of other libraries, which may panic at damaged files: here a panic is an error.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

thread_local! {
    /// Whether a panic of this thread will be caught.
    static IS_GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work`, whose values must not be used after a panic.
///
/// # Errors
/// It panicked: the message. Nothing is printed.
pub(crate) fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let others = take_hook();
        set_hook(Box::new(move |panic| {
            if !IS_GUARDED.get() {
                others(panic);
            }
        }));
    });
    let before = IS_GUARDED.replace(true);
    let result = catch_unwind(AssertUnwindSafe(work));
    IS_GUARDED.set(before);
    result.map_err(|panic| message(&*panic))
}

fn message(panic: &(dyn Any + Send)) -> String {
    match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => (*text).to_owned(),
        (None, Some(text)) => text.clone(),
        (None, None) => "for an unknown reason".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panics_are_errors() {
        assert_eq!(guarded(|| 3), Ok(3));
        assert_eq!(guarded(|| -> i32 { panic!("no {}", "reason") }), Err("no reason".to_owned()));
        let nothing: [i32; 0] = [];
        let index = std::hint::black_box(2);
        assert_eq!(guarded(|| nothing[index]), Err("index out of bounds: the len is 0 but the index is 2".to_owned()));
        assert!(!IS_GUARDED.get());
    }
}
