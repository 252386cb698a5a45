//! Learning rates listed by epoch.

use super::{Course, Times};
use crate::settings::{Interval, Key, Keys, Kind, Problem, Type};
use crate::text::counted;
use std::sync::Arc;

pub(super) static KIND: Kind<Arc<dyn Course>> = Kind::new(
    "listed",
    "`learning_rate` at first, and the rates of `rates` from the epochs of `rate_epochs` on.",
    read,
)
.also("list table by_epoch");

const RATE_EPOCHS: Key = Key::new("rate_epochs", "The number of epochs after which each of `rates` applies.")
    .example("[30, 50]")
    .hint(LIST_THEM);
const RATES: Key =
    Key::new("rates", "The learning rates after `rate_epochs`, one for each.").example("[5e-4, 2e-4]").hint(LIST_THEM);

const LIST_THEM: &str =
    "list epochs and rates of the same number, for example rate_epochs = [30, 50] and rates = [5e-4, 2e-4]";

/// A number of epochs: before it, `learning_rate` applies.
const FROM_1: Type = Type::Whole { least: 1, most: Type::MOST };

#[derive(Debug)]
struct Listed {
    /// Epochs, and the rates from them on.
    rates: Vec<(u64, f64)>,
}

fn read(keys: &mut Keys<'_>) -> Arc<dyn Course> {
    let epochs = keys.optional_wholes(RATE_EPOCHS, Type::List(&FROM_1, 1)).unwrap_or_default();
    let rates = keys.numbers(RATES, Type::List(&Type::Number(Interval::POSITIVE), 1));
    let names = ["train.rates", "train.rate_epochs", "train.schedule"];
    let message = || {
        let (rates, epochs) = (counted(rates.len(), "rate"), counted(epochs.len(), "epoch"));
        format!(
            "`train.schedule = \"listed\"` needs `rates` and `rate_epochs` of the same number, but has {rates} and {epochs}"
        )
    };
    keys.require(!rates.is_empty() && rates.len() == epochs.len(), &names, message, LIST_THEM);
    let rise = epochs.windows(2).all(|pair| pair[0] < pair[1]);
    let message = || "`train.rate_epochs` must be in increasing order".to_owned();
    keys.require(rise, &["train.rate_epochs"], message, "write each epoch once, the smallest first");
    Arc::new(Listed { rates: epochs.into_iter().zip(rates).collect() })
}

impl Course for Listed {
    fn rate(&self, times: Times, first: f64) -> f64 {
        let passed = self.rates.iter().rev().find(|(epochs, _)| times.done >= *epochs as f64);
        passed.map_or(first, |(_, rate)| *rate)
    }

    fn warnings(&self, epochs: u64) -> Vec<Problem> {
        let late = self.rates.iter().any(|(from, _)| *from >= epochs);
        let message = format!("a rate begins after the end of the training ({})", counted(epochs, "epoch"));
        let problem = Problem::new(&["train.rate_epochs"], message, "this rate is not used");
        late.then_some(problem).into_iter().collect()
    }
}
