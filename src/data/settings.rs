//! The `[data]` table: the images, the split into training and validation images, and the mapping of their values.

use super::binarize::{BINARIZE, Binarize, NONE};
use super::source::{FASHION_MINI, SOURCES, Source};
use crate::settings::{Interval, Key, Keys, Role, Type};
use std::sync::Arc;
use toml::Value;

/// The `[data]` table.
#[derive(Clone, Debug)]
pub struct DataSettings {
    /// The source of the images.
    pub source: Arc<dyn Source>,
    /// The number of training images to use, from the start of the file; `None` for all.
    pub limit: Option<u64>,
    /// The training images to hold out for validation, if the source has no separate validation images.
    pub validation: Validation,
    /// The values of black and white in the files, if the spec sets them: then images that seem to use other values are
    /// accepted. [`Images::interval`](super::Images::interval) has the default.
    pub stored: Option<[f64; 2]>,
    /// How grey pixels become zeros and ones.
    pub binarize: Binarize,
    /// The numbers to which the two values of `stored` are mapped.
    pub range: [f64; 2],
}

/// The validation split.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Validation {
    /// The number of images, taken from the end.
    Images(u64),
    /// The fraction of the images, taken from the end; above 0 and below 1.
    Fraction(f64),
}

const SOURCE: Key =
    Key::new("source", "The source of the images.").also("dataset dataset_name").example("\"idx\"").role(Role::Data);
const LIMIT: Key = Key::new("limit", "The number of training images to use, from the start of the training file.")
    .also("subset subset_size n_images num_images max_images")
    .example("1000")
    .hint("use 1 or more, or remove `limit` to use all images")
    .role(Role::Data);
const VALIDATION: Key = Key::new(
    "validation",
    "The validation split, taken from the end of the training file: a number of images, or a fraction below 1. Not used with \
     `test_images`.",
)
.also("val_split valid_split validation_split test_split val_size test_size val_fraction holdout")
.example("0.1")
.role(Role::Data);
const STORED_KEY: Key = Key::new(
    "stored",
    "The values of black and white in the files: `[0, 1]` for binary images. A value outside this range is an error. The \
     default for files of floats is `[0.0, 1.0]`.",
)
.hint("for bytes, use [0, 255] if white is 255, [0, 1] if white is 1")
.example("[0, 1]");
const BINARIZE_KEY: Key = Key::new("binarize", "Binarization of grey values, for each channel of a pixel separately.")
    .also("binary binarise binarised binarization")
    .example("\"dynamic\"");
const RANGE: Key =
    Key::new("range", "The values of black and white as input of the network; the same for each channel of a color.")
        .also("pixel_range value_range normalize normalise normalization rescale")
        .example("[-1.0, 1.0]");

/// The name of `data.stored` with its table.
pub const STORED_DOTTED: &str = "data.stored";

/// The interval of bytes without `data.stored`: all their values.
pub const BYTES: [f64; 2] = [0.0, 255.0];

/// The interval of floats without `data.stored`.
pub(super) const UNIT: [f64; 2] = [0.0, 1.0];

/// Whether bytes can have the two values.
pub(super) fn is_of_bytes(stored: [f64; 2]) -> bool {
    stored.iter().all(|end| (0.0..=255.0).contains(end) && end.fract() == 0.0)
}

/// The default of `data.validation`.
const HELD_OUT: f64 = 0.1;

impl DataSettings {
    /// Reads the table.
    pub fn read(keys: &mut Keys<'_>) -> DataSettings {
        let source = keys.choice(SOURCE, &SOURCES, &FASHION_MINI);
        let limit = keys.optional_whole(LIMIT, 1, Type::MOST);
        let validation = validation(keys, source.has_test_images());
        let is_stored_given = keys.is_written(STORED_KEY);
        let stored = keys.pair(STORED_KEY, &Type::Number(Interval::ALL), BYTES);
        let stored = is_stored_given.then_some(stored);
        let binarize = keys.choice(BINARIZE_KEY, &BINARIZE, &NONE);
        let range = keys.pair(RANGE, &Type::Number(Interval::ALL), [0.0, 1.0]);
        let settings = DataSettings { source, limit, validation, stored, binarize, range };
        settings.check(keys);
        settings
    }

    fn check(&self, keys: &mut Keys<'_>) {
        let [low, high] = self.range;
        let message = || format!("`data.range` must be two numbers, the smaller one first, found [{low:?}, {high:?}]");
        keys.require((low as f32) < (high as f32), &["data.range"], message, "");
        let [black, white] = self.stored.unwrap_or(BYTES);
        let message = || format!("`data.stored` must be two numbers, the smaller one first, found [{black}, {white}]");
        keys.require(black < white, &["data.stored"], message, STORED_KEY.hint);
    }

    /// Whether all values are mapped to numbers in [0, 1].
    pub fn is_unit(&self) -> bool {
        self.range[0] >= 0.0 && self.range[1] <= 1.0
    }
}

impl PartialEq for DataSettings {
    fn eq(&self, other: &DataSettings) -> bool {
        // A derived implementation would move the source out of its `Arc`.
        let rest = |settings: &DataSettings| {
            let DataSettings { source: _, limit, validation, stored, binarize, range } = settings;
            (*limit, *validation, *stored, *binarize, *range)
        };
        *self.source == *other.source && rest(self) == rest(other)
    }
}

impl Default for DataSettings {
    /// The settings of a spec without a `[data]` table.
    fn default() -> DataSettings {
        Keys::read(&Default::default(), DataSettings::read).0
    }
}

fn validation(keys: &mut Keys<'_>, has_test_images: bool) -> Validation {
    const SHARE: Type = Type::OneOf(
        &[Type::COUNT, Type::Number(Interval::FRACTION)],
        "a number of images, or a fraction above 0 and below 1",
    );
    let value = keys.value(VALIDATION, SHARE, Some(Value::Float(HELD_OUT)));
    // The saved spec of a trial contains every key, also with its default.
    let is_set = keys.is_written(VALIDATION) && value != Some(Value::Float(HELD_OUT));
    keys.warn(
        !(is_set && has_test_images),
        &["data.validation"],
        || "`data.validation` is not used, because `data.test_images` is the validation split".to_owned(),
        "remove one of them",
    );
    match value {
        Some(Value::Integer(images)) => Validation::Images(images.unsigned_abs()),
        Some(Value::Float(fraction)) => Validation::Fraction(fraction),
        _ => Validation::Fraction(HELD_OUT),
    }
}
