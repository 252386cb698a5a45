//! AdamW (Loshchilov and Hutter 2019): Adam with decoupled weight decay.

use super::Rule;
use super::adam::Adam;
use crate::settings::{Interval, Key, Keys, Kind};
use std::sync::Arc;

pub(super) static KIND: Kind<Arc<dyn Rule>> =
    Kind::new("adamw", "AdamW (Loshchilov and Hutter 2019): Adam with decoupled `weight_decay`.", read);

const WEIGHT_DECAY: Key =
    Key::new("weight_decay", "The decoupled weight decay.").also("wd l2 l2_reg l2_penalty").example("0.001");

fn read(keys: &mut Keys<'_>) -> Arc<dyn Rule> {
    let mut adam = Adam::read(keys, KIND.word.name);
    adam.weight_decay = keys.number(WEIGHT_DECAY, Interval::NOT_NEGATIVE, 0.01) as f32;
    Arc::new(adam)
}
