//! The learning rate over time.

use crate::language::{self as spec, Schedule as Kind};

/// A learning-rate schedule, in epochs.
#[derive(Clone, Debug)]
pub struct Schedule {
    kind: Kind,
    rate: f64,
    epochs: f64,
    warmup_epochs: f64,
    milestones: Vec<u64>,
    gamma: f64,
}

impl Schedule {
    /// The schedule of a resolved `[train]` table.
    pub fn new(train: &spec::Train) -> Schedule {
        Schedule {
            kind: train.schedule,
            rate: train.learning_rate,
            epochs: train.epochs as f64,
            warmup_epochs: train.warmup_epochs,
            milestones: train.milestones.clone().unwrap_or_default(),
            gamma: train.gamma.unwrap_or(0.1),
        }
    }

    /// The rate of step `step` (from 0) of training, with that many steps an epoch.
    ///
    /// Warm-up rises linearly and reaches the schedule's own rate with its last step.
    pub fn rate(&self, step: u64, steps_per_epoch: u64) -> f64 {
        let done = step as f64 / steps_per_epoch as f64;
        let scheduled = match self.kind {
            Kind::Constant => self.rate,
            Kind::Step => {
                let passed = self.milestones.iter().filter(|epoch| done >= **epoch as f64).count();
                self.rate * self.gamma.powf(passed as f64)
            }
            Kind::Cosine => {
                // The fall begins where the warm-up ends, so that the rate is reached.
                let (fallen, fall) = (done - self.warmup_epochs, self.epochs - self.warmup_epochs);
                let share = if fall > 0.0 { (fallen / fall).clamp(0.0, 1.0) } else { 0.0 };
                self.rate * 0.5 * (1.0 + (std::f64::consts::PI * share).cos())
            }
        };
        let risen = (step + 1) as f64 / (self.warmup_epochs * steps_per_epoch as f64);
        scheduled * risen.min(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(toml: &str) -> Schedule {
        Schedule::new(&toml::from_str(toml).unwrap())
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
