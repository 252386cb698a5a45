//! Layers in the lists of a spec: the keys of each kind, and where a layer fits.

use super::Layer;
use crate::data::ImageShape;
use crate::settings::{Choices, Key, Keys, Kind, Type, Words};
use crate::tensor::backend::Activation;
use crate::tensor::dims::{Padding, Window};
use crate::tensor::kernels::{IDENTITY, LAYER_ACTIVATIONS};
use std::fmt::Debug;
use toml::Value;

/// A kind of layer in the lists `model.encoder` and `model.decoder`.
pub(crate) struct ListedKind {
    /// The key that chooses it, whose value is the size of the layer.
    pub(crate) key: Key,
    /// Reads a layer; activations that are not written are this one.
    pub(crate) read: fn(&mut Keys<'_>, Activation) -> Box<dyn WrittenLayer>,
}

/// A layer as a list has it: its input is the output of the layer before it.
pub(crate) trait WrittenLayer: Debug + Send + Sync {
    /// The layer behind a layer whose output has this shape. `outputs` is the shape that a layer of the size `"output"` gives.
    ///
    /// # Errors
    /// It does not fit.
    fn place(&self, inputs: ImageShape, outputs: ImageShape) -> Result<Layer, Misfit>;

    /// Whether its size is `"output"`.
    fn is_output(&self) -> bool {
        false
    }
}

/// Why a layer does not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Misfit {
    /// What is wrong.
    pub(crate) message: String,
    /// What to do.
    pub(crate) help: &'static str,
}

impl Misfit {
    pub(super) fn new(message: String, help: &'static str) -> Misfit {
        Misfit { message, help }
    }
}

/// The size of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Size {
    /// Units or channels.
    Count(usize),
    /// A feature map: height, width and channels.
    Map(ImageShape),
    /// That of the images, by the likelihood.
    Output,
}

static OUTPUT: Choices<()> =
    Choices(&[&Kind::new("output", "The size of the images, by the likelihood: the last layer of a decoder.", |_| ())]);

/// Units or channels, or `"output"`.
pub(super) const COUNT_OR_OUTPUT: Type =
    Type::OneOf(&[Type::COUNT, Type::Word(&OUTPUT)], "a whole number, 1 or more, or `output`");
/// Units, a feature map, or `"output"`.
pub(super) const MAP_OR_OUTPUT: Type = Type::OneOf(
    &[Type::COUNT, Type::List(&Type::COUNT, 1), Type::Word(&OUTPUT)],
    "a whole number, 1 or more, a list of height, width and channels, or `output`",
);

/// Reads the size of a layer.
pub(super) fn size(keys: &mut Keys<'_>, key: Key, kind: Type) -> Size {
    let number = |value: &Value| usize::try_from(value.as_integer().unwrap_or(1)).unwrap_or(usize::MAX);
    match keys.value(key, kind, None) {
        Some(Value::String(_)) => Size::Output,
        Some(Value::Array(sides)) => {
            let sides: Vec<usize> = sides.iter().map(number).collect();
            keys.require(
                sides.len() == 3,
                &[],
                || format!("`{}` must have three sizes, found {}", key.name, sides.len()),
                "write height, width and channels, as in { dense = [4, 4, 64] }",
            );
            match sides[..] {
                [height, width, channels] => Size::Map(ImageShape { height, width, channels }),
                _ => Size::Count(1),
            }
        }
        Some(value) => Size::Count(number(&value)),
        None => Size::Count(1),
    }
}

const ACTIVATION: Key = Key::new(
    "activation",
    "The function of each output of the layer; by default `model.activation`, and none for the last layer of a decoder.",
)
.also("nonlinearity act")
.example("\"relu\"");

/// Reads the activation of a layer of this size.
pub(super) fn activation(keys: &mut Keys<'_>, size: Size, by_default: Activation) -> Activation {
    let written = keys.value(ACTIVATION, Type::Word(&LAYER_ACTIVATIONS), None);
    let chosen = written.and_then(|word| LAYER_ACTIVATIONS.find(word.as_str()?));
    let by_default = if size == Size::Output { Activation::Identity } else { by_default };
    chosen.map_or(by_default, |kind| (kind.read)(keys))
}

/// Reads the activation of a layer that has none by default.
pub(super) fn own_activation(keys: &mut Keys<'_>) -> Activation {
    const OWN: Key = Key { doc: "The function of each output of the layer.", ..ACTIVATION };
    keys.choice(OWN, &LAYER_ACTIVATIONS, &IDENTITY)
}

/// The largest side of a window.
pub(super) const LARGEST_KERNEL: u64 = 7;

const KERNEL: Key = Key::new("kernel", "Height and width of the window.")
    .also("kernel_size filter_size k")
    .example("4")
    .hint("windows are square, so write one number from 1 to 7; for more pixels at once, use several convolutions");
const STRIDE: Key = Key::new(
    "stride",
    "The number of pixels between windows: 2 halves the sides, or doubles them if the layer is transposed.",
)
.also("strides s")
.example("2")
.hint(
    "strides are the same in both directions; to divide or multiply the sides by 4, use two layers with `stride = 2`",
);
const PADDING: Key = Key::new(
    "padding",
    "Rows and columns of zeros around the larger feature map: TensorFlow's \"same\" or \"valid\" (none), or PyTorch's number.",
)
.also("pad p border")
.example("1")
.hint("padding is the same on all sides, and not negative: write \"same\", \"valid\" (none) or one number");

#[derive(Clone, Copy)]
enum PaddingWord {
    Same,
    Valid,
}

static PADDINGS: Choices<PaddingWord> = Choices(&[
    &Kind::new("same", "The sides are divided by the stride, rounded up (multiplied, if transposed)", |_| {
        PaddingWord::Same
    }),
    &Kind::new("valid", "No padding", |_| PaddingWord::Valid),
]);

/// Reads the window of a convolution.
pub(super) fn window(keys: &mut Keys<'_>) -> Window {
    const KIND: Type = Type::OneOf(
        &[Type::Word(&PADDINGS), Type::Whole { least: 0, most: LARGEST_KERNEL - 1 }],
        "`same`, `valid` or a whole number, 0 to 6",
    );
    let kernel = keys.whole(KERNEL, 1, LARGEST_KERNEL, 3) as usize;
    let stride = keys.whole(STRIDE, 1, 2, 1) as usize;
    let same = Value::String(PADDINGS.names()[0].to_owned());
    let padding = match keys.value(PADDING, KIND, Some(same)) {
        Some(Value::String(word)) => match PADDINGS.find(&word).map(|kind| (kind.read)(keys)) {
            Some(PaddingWord::Valid) => Padding::Rows(0),
            Some(PaddingWord::Same) | None => Padding::Same,
        },
        Some(Value::Integer(rows)) => Padding::Rows(usize::try_from(rows).unwrap_or(0)),
        _ => Padding::Same,
    };
    if let Padding::Rows(rows) = padding {
        let help = "a window over padding alone gives only the bias: use less padding or a larger kernel";
        let message = || format!("`padding` is {rows}, but `kernel` is {kernel}: it must be less");
        keys.require(rows < kernel, &[], message, help);
    }
    Window { kernel, stride, padding }
}
