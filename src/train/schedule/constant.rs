//! A constant learning rate.

use super::{Course, Times};
use crate::settings::{Keys, Kind};
use std::sync::Arc;

pub(in crate::train) static KIND: Kind<Arc<dyn Course>> =
    Kind::new("constant", "The learning rate is constant.", read).also("none fixed off");

fn read(_: &mut Keys<'_>) -> Arc<dyn Course> {
    Arc::new(Constant)
}

#[derive(Debug)]
struct Constant;

impl Course for Constant {
    fn rate(&self, _: Times, learning_rate: f64) -> f64 {
        learning_rate
    }
}
