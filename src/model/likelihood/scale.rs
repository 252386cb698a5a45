//! The scale of a likelihood whose values have a location and a scale each: the key `scale`, and the numbers that are its logarithm.

use super::OwnParameter;
use crate::data::ImageShape;
use crate::settings::{Choices, Interval, Key, Keys, Kind, Type};
use toml::Value;

/// Where the scale of a value comes from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scale {
    /// A constant.
    Fixed(f32),
    /// One trained scale for the whole model; its initial value is 1.
    Global,
    /// One trained scale per channel; the initial values are 1.
    PerChannel,
    /// One trained scale per value of an image; the initial values are 1.
    PerPixel,
    /// The decoder gives the logarithm of the scale of each value.
    Decoder,
}

const SCALE: Key = Key::new(
    "scale",
    "The scale of the distribution of a value: a number or a word. Its unit is that of the data for `laplace`, and half of \
     the length of `data.range` for `discretized_logistic`.",
)
.also("decoder_scale output_scale b log_scale logscale scales")
.example("\"decoder\"");

static GLOBAL: Kind<Scale> =
    Kind::new("global", "One trained scale for the whole model; its initial value is 1.", |_| Scale::Global)
        .also("learned learn learnable trainable shared single");
static PER_CHANNEL: Kind<Scale> =
    Kind::new("per_channel", "One trained scale per channel; the initial values are 1.", |_| Scale::PerChannel)
        .also("channel channelwise");
static PER_PIXEL: Kind<Scale> =
    Kind::new("per_pixel", "One trained scale per value of an image; the initial values are 1.", |_| Scale::PerPixel)
        .also("pixel pixelwise");
static DECODER: Kind<Scale> =
    Kind::new("decoder", "The decoder gives the logarithm of the scale of each value.", |_| Scale::Decoder)
        .also("network predicted output heteroscedastic");
static SCALES: Choices<Scale> = Choices(&[&GLOBAL, &PER_CHANNEL, &PER_PIXEL, &DECODER]);

impl Scale {
    /// Reads the key `scale`.
    pub(super) fn read(keys: &mut Keys<'_>, default: Scale) -> Scale {
        const KIND: Type = Type::OneOf(
            &[Type::Number(Interval::POSITIVE), Type::Word(&SCALES)],
            "a number above 0, \"global\", \"per_channel\", \"per_pixel\" or \"decoder\"",
        );
        match keys.value(SCALE, KIND, Some(default.written())) {
            Some(Value::Float(number)) => Scale::Fixed(number as f32),
            Some(Value::String(word)) => SCALES.find(&word).map_or(default, |kind| (kind.read)(keys)),
            _ => default,
        }
    }

    fn written(self) -> Value {
        let word = match self {
            Scale::Fixed(number) => return Value::Float(f64::from(number)),
            Scale::Global => GLOBAL.word,
            Scale::PerChannel => PER_CHANNEL.word,
            Scale::PerPixel => PER_PIXEL.word,
            Scale::Decoder => DECODER.word,
        };
        Value::String(word.name.to_owned())
    }

    /// Whether the decoder gives the scale.
    pub(super) fn is_of_decoder(self) -> bool {
        self == Scale::Decoder
    }

    /// The least logarithm of the scale: `floor`, unless the scale is a constant.
    pub(super) fn floor(self, floor: f32) -> f32 {
        if let Scale::Fixed(_) = self { f32::MIN } else { floor }
    }

    /// The numbers that are the logarithm of the scale, unless the decoder gives it.
    pub(super) fn parameter(self, name: &'static str, image: ImageShape) -> Option<OwnParameter> {
        let (length, initial, is_trained) = match self {
            Scale::Fixed(scale) => (1, scale.ln(), false),
            Scale::Global => (1, 0.0, true),
            Scale::PerChannel => (image.channels, 0.0, true),
            Scale::PerPixel => (image.values(), 0.0, true),
            Scale::Decoder => return None,
        };
        Some(OwnParameter { name, length, initial, is_trained })
    }
}
