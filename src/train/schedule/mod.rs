//! Learning-rate schedules: each has a file here and a line in [`SCHEDULES`].

mod constant;
mod cosine;
mod listed;
mod step;

pub(super) use constant::KIND as CONSTANT;

use super::TrainSettings;
use crate::settings::{Choices, Problem};
use std::fmt::Debug;
use std::sync::Arc;

/// The schedules that a spec can choose.
pub static SCHEDULES: Choices<Arc<dyn Course>> = Choices(&[&constant::KIND, &step::KIND, &cosine::KIND, &listed::KIND]);

/// A schedule without the warm-up.
pub trait Course: Debug + Send + Sync {
    /// The learning rate, from `learning_rate`.
    fn rate(&self, times: Times, learning_rate: f64) -> f64;

    /// Whether rates depend on the number of epochs.
    fn depends_on_end(&self) -> bool {
        false
    }

    /// Warnings for a training with this number of epochs.
    fn warnings(&self, _epochs: u64) -> Vec<Problem> {
        Vec::new()
    }
}

/// The position of training, in epochs with fractions.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// The number of epochs done.
    pub done: f64,
    /// The total number of epochs.
    pub epochs: f64,
    /// The number of epochs of warm-up.
    pub warmup_epochs: f64,
}

/// A learning-rate schedule with warm-up.
#[derive(Clone, Debug)]
pub struct Schedule {
    course: Arc<dyn Course>,
    rate: f64,
    epochs: f64,
    warmup_epochs: f64,
}

impl Schedule {
    /// The schedule of a `[train]` table.
    pub fn new(train: &TrainSettings) -> Schedule {
        Schedule {
            course: train.schedule.clone(),
            rate: train.learning_rate,
            epochs: train.epochs as f64,
            warmup_epochs: train.warmup_epochs,
        }
    }

    /// The learning rate of step `step` (from 0) of training.
    ///
    /// In the warm-up, the rate rises linearly and reaches the rate of the schedule in the last step of the warm-up.
    pub fn rate(&self, step: u64, steps_per_epoch: u64) -> f64 {
        let done = step as f64 / steps_per_epoch as f64;
        let times = Times { done, epochs: self.epochs, warmup_epochs: self.warmup_epochs };
        let scheduled = self.course.rate(times, self.rate);
        let risen = (step + 1) as f64 / (self.warmup_epochs * steps_per_epoch as f64);
        scheduled * risen.min(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(toml: &str) -> Schedule {
        Schedule::new(&TrainSettings::from_toml(toml))
    }

    #[test]
    fn constant_with_warm_up_rises_to_its_rate_and_stays() {
        let schedule = schedule("learning_rate = 0.4\nwarmup_epochs = 2");
        let rates: Vec<f64> = (0..5).map(|step| schedule.rate(step, 2)).collect();
        assert_eq!(rates, [0.1, 0.2, 0.30000000000000004, 0.4, 0.4]);
    }

    #[test]
    fn step_multiplies_after_each_milestone() {
        let schedule = schedule("learning_rate = 1.0\nschedule = \"step\"\nmilestones = [1, 3]\ngamma = 0.5");
        let rates: Vec<f64> = (0..8).map(|step| schedule.rate(step, 2)).collect();
        assert_eq!(rates, [1.0, 1.0, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25]);
    }

    #[test]
    fn listed_rates_apply_from_their_epochs_on() {
        let schedule =
            schedule("learning_rate = 1e-3\nschedule = \"listed\"\nrate_epochs = [1, 3]\nrates = [5e-4, 1e-4]");
        let rates: Vec<f64> = (0..8).map(|step| schedule.rate(step, 2)).collect();
        assert_eq!(rates, [1e-3, 1e-3, 5e-4, 5e-4, 5e-4, 5e-4, 1e-4, 1e-4]);
    }

    #[test]
    fn cosine_falls_from_where_the_warm_up_ends() {
        let schedule = schedule("learning_rate = 1.0\nschedule = \"cosine\"\nepochs = 3\nwarmup_epochs = 1");
        let rates: Vec<f64> = (0..6).map(|step| schedule.rate(step, 2)).collect();
        let half = 0.5f64.sqrt() / 2.0;
        for (rate, expected) in rates.iter().zip([0.5, 1.0, 1.0, 0.5 + half, 0.5, 0.5 - half]) {
            assert!((rate - expected).abs() < 1e-12, "{rates:?}");
        }
    }

    #[test]
    fn cosine_ends_at_nothing() {
        let schedule = schedule("learning_rate = 1.0\nschedule = \"cosine\"\nepochs = 4");
        assert_eq!(schedule.rate(0, 10), 1.0);
        assert!((schedule.rate(20, 10) - 0.5).abs() < 1e-12);
        assert!(schedule.rate(40, 10).abs() < 1e-12);
    }
}
