//! The `[data]` table: which images there are, how they are split, and what a network sees of them.

use super::binarize::{BINARIZE, Binarize, NONE};
use super::source::{FASHION_MINI, SOURCES, Source};
use crate::settings::{Interval, Key, Keys, Role, Type};
use std::sync::Arc;
use toml::Value;

/// The `[data]` table.
#[derive(Clone, Debug)]
pub struct DataSettings {
    /// Where images come from.
    pub source: Arc<dyn Source>,
    /// Only that many training images, the first ones.
    pub limit: Option<u64>,
    /// What is held out of the training images, where the source has no images of its own for validation.
    pub validation: Validation,
    /// The values that stand for black and white in the files.
    pub stored: [f64; 2],
    /// Whether someone wrote these values: images that look as if they had others are accepted then.
    pub is_stored_given: bool,
    /// How grey pixels become zeros and ones.
    pub binarize: Binarize,
    /// The values that the ends of `stored` become.
    pub range: [f64; 2],
}

/// Which share of the images is held out for validation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Validation {
    /// That many of the last images.
    Images(u64),
    /// That fraction of the images, the last ones; above 0 and below 1.
    Fraction(f64),
}

const SOURCE: Key =
    Key::new("source", "Where the images come from.").also("dataset dataset_name").example("\"idx\"").role(Role::Data);
const LIMIT: Key = Key::new("limit", "Use only that many images of the training file, the first ones.")
    .also("subset subset_size n_images num_images max_images")
    .example("1000")
    .hint("give at least 1, or remove it")
    .role(Role::Data);
const VALIDATION: Key = Key::new(
    "validation",
    "Images held out from the end of the training file: a count, or a fraction below 1. Not used with `test_images`.",
)
.also("val_split valid_split validation_split test_split val_size test_size val_fraction holdout")
.example("0.1")
.role(Role::Data);
const STORED_KEY: Key = Key::new(
    "stored",
    "The values that stand for black and white in the files, within 0 to 255: `[0, 1]` where pixels are bits. Others are \
     an error.",
)
.hint("the files hold bytes: [0, 255] where 255 is white, [0, 1] where 1 is")
.example("[0, 1]");
const BINARIZE_KEY: Key = Key::new(
    "binarize",
    "Grey pixels as they are; those in the upper half of `stored` are ones; drawn once; or drawn anew in each epoch.",
)
.also("binary binarise binarised binarization")
.example("\"dynamic\"");
const RANGE: Key = Key::new("range", "The values that the ends of `stored` become.")
    .also("pixel_range value_range normalize normalise normalization rescale")
    .example("[-1.0, 1.0]");

/// The values that stand for black and white where a spec does not say: all that a byte can have.
pub(super) const STORED: [f64; 2] = [0.0, 255.0];

/// The share that is held out where a spec does not say.
const HELD_OUT: f64 = 0.1;

impl DataSettings {
    /// Reads the table.
    pub fn read(keys: &mut Keys<'_>) -> DataSettings {
        let source = keys.choice(SOURCE, &SOURCES, &FASHION_MINI);
        let limit = keys.optional_whole(LIMIT, 1, Type::MOST);
        let validation = validation(keys, source.has_test_images());
        let is_stored_given = keys.is_written(STORED_KEY);
        let stored = keys.pair(STORED_KEY, &Type::Number(Interval::ALL), STORED);
        let binarize = keys.choice(BINARIZE_KEY, &BINARIZE, &NONE);
        let range = keys.pair(RANGE, &Type::Number(Interval::ALL), [0.0, 1.0]);
        let settings = DataSettings { source, limit, validation, stored, is_stored_given, binarize, range };
        settings.check(keys);
        settings
    }

    fn check(&self, keys: &mut Keys<'_>) {
        let [low, high] = self.range;
        let message = || format!("`data.range` must rise from a number to a larger one, found [{low:?}, {high:?}]");
        keys.require((low as f32) < (high as f32), &["data.range"], message, "");
        let [black, white] = self.stored;
        let message = || {
            format!(
                "`data.stored` must rise from a whole number to a larger one, both within 0 to 255, found [{black}, {white}]"
            )
        };
        let fits = self.stored.iter().all(|end| (0.0..=255.0).contains(end) && end.fract() == 0.0);
        keys.require(fits && black < white, &["data.stored"], message, STORED_KEY.hint);
    }

    /// Whether black and white become numbers in [0, 1].
    pub fn is_unit(&self) -> bool {
        self.range[0] >= 0.0 && self.range[1] <= 1.0
    }
}

impl PartialEq for DataSettings {
    fn eq(&self, other: &DataSettings) -> bool {
        // The type's own equality would take the source out of its place.
        let rest = |settings: &DataSettings| {
            let DataSettings { source: _, limit, validation, stored, is_stored_given, binarize, range } = settings;
            (*limit, *validation, *stored, *is_stored_given, *binarize, *range)
        };
        *self.source == *other.source && rest(self) == rest(other)
    }
}

impl Default for DataSettings {
    /// A spec without a `[data]` table.
    fn default() -> DataSettings {
        Keys::read(&Default::default(), DataSettings::read).0
    }
}

fn validation(keys: &mut Keys<'_>, has_test_images: bool) -> Validation {
    const SHARE: Type = Type::OneOf(
        &[Type::COUNT, Type::Number(Interval::FRACTION)],
        "a count of images, or a fraction above 0 and below 1",
    );
    let written = keys.is_written(VALIDATION);
    let value = keys.value(VALIDATION, SHARE, Some(Value::Float(HELD_OUT)));
    keys.warn(
        !(written && has_test_images),
        &["data.validation"],
        || "`data.validation` is not used: `data.test_images` is the validation split".to_owned(),
        "remove one of them",
    );
    match value {
        Some(Value::Integer(images)) => Validation::Images(images.unsigned_abs()),
        Some(Value::Float(fraction)) => Validation::Fraction(fraction),
        _ => Validation::Fraction(HELD_OUT),
    }
}
