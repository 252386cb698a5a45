//! A learning rate that changes at milestones.

use super::{Course, Times};
use crate::settings::{Interval, Key, Keys, Kind, Problem, Type};
use crate::text::counted;
use std::sync::Arc;

pub(super) static KIND: Kind<Arc<dyn Course>> =
    Kind::new("step", "The learning rate is multiplied by `gamma` after each epoch of `milestones`.", read)
        .also("multistep multi_step multisteplr steplr piecewise");

const MILESTONES: Key = Key::new("milestones", "The epochs after which the learning rate is multiplied by `gamma`.")
    .also("lr_milestones lr_steps")
    .example("[5, 8]")
    .hint(LIST_THEM);
const GAMMA: Key = Key::new("gamma", "The factor of the learning rate at each milestone.")
    .also("lr_gamma lr_decay decay_rate decay_factor")
    .example("0.5");

const LIST_THEM: &str =
    "list the epochs after which the learning rate is multiplied by `gamma`, for example milestones = [5, 8]";

#[derive(Debug)]
struct StepCourse {
    milestones: Vec<u64>,
    gamma: f64,
}

fn read(keys: &mut Keys<'_>) -> Arc<dyn Course> {
    let milestones = keys.optional_wholes(MILESTONES, Type::List(&Type::WHOLE, 1));
    let message = || "`train.schedule = \"step\"` needs `train.milestones`".to_owned();
    keys.require(milestones.is_some(), &["train.milestones", "train.schedule"], message, LIST_THEM);
    let milestones = milestones.unwrap_or_default();
    let rise = milestones.windows(2).all(|pair| pair[0] < pair[1]);
    let message = || "`train.milestones` must be in increasing order".to_owned();
    keys.require(rise, &["train.milestones"], message, "write each epoch once, the smallest first");
    Arc::new(StepCourse { milestones, gamma: keys.number(GAMMA, Interval::POSITIVE, 0.1) })
}

impl Course for StepCourse {
    fn rate(&self, Times { done, .. }: Times, learning_rate: f64) -> f64 {
        let passed = self.milestones.iter().filter(|epoch| done >= **epoch as f64).count();
        learning_rate * self.gamma.powf(passed as f64)
    }

    fn warnings(&self, epochs: u64) -> Vec<Problem> {
        let keys = ["train.milestones"];
        let late = self.milestones.iter().any(|milestone| *milestone >= epochs).then(|| {
            let message = format!("a milestone is not before the end of the training ({})", counted(epochs, "epoch"));
            Problem::new(&keys, message, "the learning rate does not change at this milestone")
        });
        let at_once = self.milestones.contains(&0).then(|| {
            let help =
                "the learning rate is multiplied by `gamma` from the first step; change `train.learning_rate` instead";
            Problem::new(&keys, "a milestone of 0 is before the first epoch", help)
        });
        late.into_iter().chain(at_once).collect()
    }
}
