//! max(x, 0.2 x): negative values are multiplied by 0.2, the default of TensorFlow, which discriminators use.

use super::leaky_relu::Slope;
use crate::settings::Word;

pub(super) struct LeakyRelu02;

impl Slope for LeakyRelu02 {
    const WORD: Word = Word { name: "leaky_relu_02", doc: "max(x, 0.2 x)", also: "leaky_relu_0.2" };
    const SLOPE: f32 = 0.2;
}
