//! The `[data]` table: the images, their changes, the splits, and the mapping of their values.

use super::binarize::{BINARIZE, Binarize, NONE};
use super::picture::{Changes, Color, Crop};
use super::source::{FASHION_MINI, FILES, IMAGES, SOURCES, Source};
use super::split::{Held, METHODS, SplitMethod};
use super::values::BYTES;
use crate::settings::{Choices, Interval, Key, Keys, Kind, Role, Type};
use std::sync::Arc;
use toml::Value;

/// The `[data]` table.
#[derive(Clone, Debug)]
pub struct DataSettings {
    /// The source of the images.
    pub source: Arc<dyn Source>,
    /// What is done with every image before it is stored.
    pub changes: Changes,
    /// The number of images of the pool to use; `None` for all.
    pub limit: Option<u64>,
    /// Which images of the pool are held out.
    pub split: SplitMethod,
    /// The seed of `split`.
    pub split_seed: u64,
    /// The images of the pool to hold out for validation; `None` for the source's own validation images, or else the default.
    pub validation: Option<Held>,
    /// The images of the pool to hold out as test images; `None` for the source's own test images, or else none.
    pub test: Option<Held>,
    /// The values of black and white in the files, if the spec sets them: then images that seem to use other values are
    /// accepted. [`Images::interval`](super::Images::interval) has the default.
    pub stored: Option<[f64; 2]>,
    /// How grey pixels become zeros and ones.
    pub binarize: Binarize,
    /// The numbers to which the two values of `stored` are mapped.
    pub range: [f64; 2],
    /// Whether noise makes whole values continuous.
    pub dequantize: bool,
    /// Whether training images are mirrored at random.
    pub flip: bool,
}

const SOURCE: Key =
    Key::new("source", "The source of the images; by default `files` if `images` is set, otherwise `fashion-mini`.")
        .also("dataset dataset_name")
        .example("\"mnist\"")
        .role(Role::Data);
const TRANSPOSE: Key = Key::new("transpose", "Swaps height and width of every image: EMNIST files need it.")
    .also("swap_axes rotate")
    .example("true")
    .role(Role::Data);
const CROP: Key = Key::new(
    "crop",
    "The central part of every image to use: `\"center\"` for the largest part with the proportions of `size`, or its size in \
     pixels, as in `148` or `[178, 148]` (height, width). It comes before `size`.",
)
.also("center_crop crop_size")
.example("\"center\"")
.role(Role::Data);
const COLOR: Key = Key::new("color", "The channels of the images.")
    .also("grayscale greyscale colour mode")
    .example("\"gray\"")
    .role(Role::Data);
const SIZE: Key = Key::new(
    "size",
    "The size to which every image is resized, as in `64` or `[64, 48]` (height, width): bilinear with antialiasing, as in \
     Pillow. Rows of numbers without a shape, as in CSV files, have this size.",
)
.also("image_size resize resolution img_size")
.example("64")
.role(Role::Data);
const LIMIT: Key = Key::new("limit", "The number of images to use, from the start of the pool.")
    .also("subset subset_size n_images num_images max_images")
    .example("1000")
    .hint("use 1 or more, or remove `limit` to use all images")
    .role(Role::Data);
const SPLIT: Key = Key::new(
    "split",
    "Which images of the pool are held out. The default of generated sources is `random`, of all others `tail`.",
)
.also("split_method")
.example("\"random\"")
.role(Role::Data);
const SPLIT_SEED: Key = Key::new("split_seed", "The seed of the split; it does not depend on `seed`.")
    .also("split_random_state")
    .example("1")
    .role(Role::Data);
const VALIDATION: Key = Key::new(
    "validation",
    "The validation split, cut from the end of the pool: a number of images, or a fraction below 1. By default the source's own \
     validation images, or else 0.1. With 0 there is no validation.",
)
.also("val_split valid_split validation_split val_size val_fraction holdout")
.example("0.1")
.role(Role::Data);
const TEST: Key = Key::new(
    "test",
    "The test split, the last images of the pool; the validation split is before it. A number of images, or a fraction below 1. By \
     default the source's own test images, or else none.",
)
.also("test_split test_size test_fraction")
.example("0.1")
.role(Role::Data);
const STORED_KEY: Key = Key::new(
    "stored",
    "The values of black and white in the files: `[0, 1]` for binary images. A value outside this range is an error. The \
     default for floats and bits is `[0.0, 1.0]`.",
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

const DEQUANTIZE: Key = Key::new(
    "dequantize",
    "Adds uniform noise from 0 to 1 to whole values, drawn again in each epoch (once for held-out images), so that a density of \
     continuous values is a lower bound of the probability of the whole ones. White + 1 is mapped to the end of `range`.",
)
.also("dequantization uniform_noise")
.example("true");
const FLIP: Key = Key::new("flip", "Mirrors each training image horizontally with probability 1/2 in each epoch.")
    .also("horizontal_flip random_flip augment")
    .example("true");

static KEEP: Kind<Color> = Kind::new("keep", "Those of the file.", |_| Color::Keep).also("none auto");
static GRAY: Kind<Color> =
    Kind::new("gray", "One channel, the luminance.", |_| Color::Gray).also("grey grayscale greyscale l");
static RGB: Kind<Color> =
    Kind::new("rgb", "Three channels, also for grey images.", |_| Color::Rgb).also("color colour");
static COLORS: Choices<Color> = Choices(&[&KEEP, &GRAY, &RGB]);

static CENTER: Kind<Crop> =
    Kind::new("center", "The largest central part with the proportions of `size`.", |_| Crop::Center)
        .also("central middle");
static CROPS: Choices<Crop> = Choices(&[&CENTER]);

/// The name of `data.stored` with its table.
pub const STORED_DOTTED: &str = "data.stored";

/// Whether bytes can have the two values.
pub(super) fn is_of_bytes(stored: [f64; 2]) -> bool {
    stored.iter().all(|end| (0.0..=255.0).contains(end) && end.fract() == 0.0)
}

/// The validation split of a source without own validation images.
pub(super) const HELD_OUT: Held = Held::Fraction(0.1);

/// The largest height and width of `size` and `crop`.
const LARGEST_SIDE: u64 = 4096;

/// A number of pixels.
static SIDE: Type = Type::Whole { least: 1, most: LARGEST_SIDE };

impl DataSettings {
    /// Reads the table.
    pub fn read(keys: &mut Keys<'_>) -> DataSettings {
        let source = if keys.is_written(IMAGES) { &FILES } else { &FASHION_MINI };
        let source = keys.choice(SOURCE, &SOURCES, source);
        let changes = changes(keys);
        let limit = keys.optional_whole(LIMIT, 1, Type::MOST);
        let split = keys.choice(SPLIT, &METHODS, source.split());
        let split_seed = keys.whole(SPLIT_SEED, 0, Type::MOST, 0);
        let (validation, test) = (held(keys, VALIDATION), held(keys, TEST));
        let is_stored_given = keys.is_written(STORED_KEY);
        let stored = keys.pair(STORED_KEY, &Type::Number(Interval::ALL), BYTES);
        let stored = is_stored_given.then_some(stored);
        let binarize = keys.choice(BINARIZE_KEY, &BINARIZE, &NONE);
        let range = keys.pair(RANGE, &Type::Number(Interval::ALL), [0.0, 1.0]);
        let (dequantize, flip) = (keys.boolean(DEQUANTIZE), keys.boolean(FLIP));
        let settings = DataSettings {
            source,
            changes,
            limit,
            split,
            split_seed,
            validation,
            test,
            stored,
            binarize,
            range,
            dequantize,
            flip,
        };
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
        keys.require(
            !self.dequantize || self.binarize == Binarize::None,
            &["data.dequantize", "data.binarize"],
            || {
                "`data.dequantize` and `data.binarize` are both set: one makes values continuous, the other binary"
                    .to_owned()
            },
            "remove one of them",
        );
        self.source.check(self, keys);
    }

    /// Whether all values are mapped to numbers in [0, 1].
    pub fn is_unit(&self) -> bool {
        self.range[0] >= 0.0 && self.range[1] <= 1.0
    }
}

/// Whether two sources are the same.
impl PartialEq for DataSettings {
    fn eq(&self, other: &DataSettings) -> bool {
        // The debug text of a source has all its settings.
        format!("{self:?}") == format!("{other:?}")
    }
}

impl Default for DataSettings {
    /// The settings of a spec without a `[data]` table.
    fn default() -> DataSettings {
        Keys::read(&Default::default(), DataSettings::read).0
    }
}

/// The changes of every image.
fn changes(keys: &mut Keys<'_>) -> Changes {
    const SIZE_TYPE: Type = Type::OneOf(
        &[Type::Whole { least: 1, most: LARGEST_SIDE }, Type::Pair(&SIDE)],
        "a number of pixels, or a list of height and width",
    );
    const CROP_TYPE: Type = Type::OneOf(
        &[Type::Word(&CROPS), Type::Whole { least: 1, most: LARGEST_SIDE }, Type::Pair(&SIDE)],
        "\"center\", a number of pixels, or a list of height and width",
    );
    let transpose = keys.boolean(TRANSPOSE);
    let crop = match keys.value(CROP, CROP_TYPE, None) {
        None => Crop::None,
        Some(Value::String(_)) => Crop::Center,
        Some(value) => sides(&value).map_or(Crop::None, Crop::Size),
    };
    let color = keys.choice(COLOR, &COLORS, &KEEP);
    let size = keys.value(SIZE, SIZE_TYPE, None).and_then(|value| sides(&value));
    Changes { transpose, crop, color, size }
}

/// Height and width.
fn sides(value: &Value) -> Option<[usize; 2]> {
    let side = |value: &Value| usize::try_from(value.as_integer()?).ok();
    match value.as_array().map(Vec::as_slice) {
        None => side(value).map(|side| [side; 2]),
        Some([height, width]) => Some([side(height)?, side(width)?]),
        Some(_) => None,
    }
}

/// A part of the pool that is held out.
fn held(keys: &mut Keys<'_>, key: Key) -> Option<Held> {
    const SHARE: Type = Type::OneOf(
        &[Type::WHOLE, Type::Number(Interval::FRACTION)],
        "a number of images, or a fraction above 0 and below 1",
    );
    match keys.value(key, SHARE, None)? {
        Value::Integer(images) => Some(Held::Images(images.unsigned_abs())),
        Value::Float(fraction) => Some(Held::Fraction(fraction)),
        _ => None,
    }
}
