//! A learning rate that decreases to 0 along half a cosine.

use super::{Course, Times};
use crate::settings::{Keys, Kind};
use std::sync::Arc;

pub(super) static KIND: Kind<Arc<dyn Course>> = Kind::new(
    "cosine",
    "The learning rate decreases along half a cosine, from the end of the warm-up to 0 at the end of the last epoch.",
    read,
);

fn read(_: &mut Keys<'_>) -> Arc<dyn Course> {
    Arc::new(Cosine)
}

#[derive(Debug)]
struct Cosine;

impl Course for Cosine {
    fn rate(&self, Times { done, epochs, warmup_epochs }: Times, learning_rate: f64) -> f64 {
        // The decrease starts after the warm-up, so the full rate is reached.
        let (fallen, fall) = (done - warmup_epochs, epochs - warmup_epochs);
        let share = if fall > 0.0 { (fallen / fall).clamp(0.0, 1.0) } else { 0.0 };
        learning_rate * (0.5 * (1.0 + (std::f64::consts::PI * share).cos()))
    }

    fn depends_on_end(&self) -> bool {
        true
    }
}
