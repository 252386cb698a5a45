//! Sources whose images are computed, without any file.

use super::{Context, Loaded, Part, Presence, Source};
use crate::data::format::FormatError;
use crate::data::split::{RANDOM, SplitMethod};
use crate::data::store::{Computed, Definition};
use crate::data::{DataError, Images};
use crate::settings::Kind;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The key that names the source.
const KEY: &str = "data.source";

/// A source of computed images: its name and their definition.
pub(super) struct Generated(pub(super) &'static str, pub(super) &'static Definition);

/// The name alone: the definition belongs to it.
impl fmt::Debug for Generated {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "Generated({:?})", self.0)
    }
}

impl Source for Generated {
    fn load(&self, context: &mut Context<'_>) -> Result<Loaded, DataError> {
        let Generated(name, definition) = self;
        let store = Computed::new(definition, context.changes).map_err(|what| {
            DataError::of_format(KEY, FormatError::Content(format!("each image of `{name}` {what}").into()))
        })?;
        let pool = Part {
            key: KEY,
            name: PathBuf::from(name),
            format: "rendered by vaex",
            notes: Vec::new(),
            images: Images::of(Arc::new(store)),
        };
        Ok(Loaded { pool, validation: None, test: None })
    }

    fn presence(&self, _: &Path) -> Option<Presence> {
        Some(Presence::BuiltIn)
    }

    /// Images in the order of their factors: those at the end are not like those at the start.
    fn split(&self) -> &'static Kind<SplitMethod> {
        &RANDOM
    }
}

#[cfg(test)]
mod tests {
    use crate::data::{DataSettings, Dataset, Element, ImageShape};
    use crate::settings::Keys;
    use std::path::Path;

    fn dataset(table: &str) -> Result<Dataset, String> {
        let (data, _) = Keys::read(&toml::from_str(table).unwrap(), DataSettings::read);
        Dataset::load(&data, Path::new("")).map_err(|error| error.to_string())
    }

    #[test]
    fn a_split_is_drawn_at_random_and_keeps_the_factors() {
        let dataset = dataset("source = \"sprites\"\nlimit = 5000\ntest = 100").unwrap();
        let sizes = [&dataset.train, &dataset.validation, &dataset.test].map(|images| images.len());
        assert_eq!((sizes, dataset.is_grey, dataset.ordered_by), ([4400, 500, 100], false, None));
        let images = &dataset.validation;
        assert_eq!((images.shape(), images.element()), (ImageShape::grey(64, 64), Element::Bit));
        let factor = |name| images.values_of(images.columns().iter().find(|column| column.name == name).unwrap());
        let (scales, xs, ys) = (factor("scale"), factor("position_x"), factor("position_y"));
        for image in 0..500 {
            let mut scratch = Vec::new();
            let bits = images.image(image, &mut scratch).bytes().unwrap();
            // Every shape has the pixel at its centroid, and none that is farther than 13.6 at the largest scale.
            let (row, column) = (16 + ys[image] as usize, 16 + xs[image] as usize);
            assert_eq!(bits[row * 64 + column], 1);
            let reach = 13.6 * f64::from(5 + scales[image]) / 10.0;
            let is_near =
                |place: usize| ((place / 64) as f64 - row as f64).hypot((place % 64) as f64 - column as f64) <= reach;
            assert!((0..64 * 64).all(|place| bits[place] == 0 || is_near(place)));
        }
        assert_eq!(dataset.hash, "e370b8caccf394d9edca33f28b28191b");
    }

    #[test]
    fn colors_and_changes_apply() {
        let plain = dataset("source = \"rooms\"\nlimit = 300").unwrap();
        assert_eq!((plain.train.shape().sizes(), plain.is_grey, plain.stored), ([64, 64, 3], true, [0.0, 255.0]));
        assert_eq!(plain.hash, "113c58b73175d37933c16f35d88cb727");
        let same = dataset("source = \"rooms\"\nlimit = 300\nsize = 64\ncolor = \"rgb\"").unwrap();
        assert_eq!(same.hash, plain.hash);
        let small = dataset("source = \"rooms\"\nlimit = 300\nsize = 32\ncolor = \"gray\"").unwrap();
        assert_eq!(small.train.shape(), ImageShape::grey(32, 32));
        assert_ne!(small.hash, plain.hash);
        let bytes = dataset("source = \"sprites\"\nlimit = 300\nsize = [16, 32]").unwrap();
        assert_eq!((bytes.train.shape(), bytes.train.element()), (ImageShape::grey(16, 32), Element::Byte));
        assert!(bytes.is_grey);
    }

    #[test]
    fn an_impossible_change_and_a_narrow_interval_are_errors() {
        let message = dataset("source = \"sprites\"\ncrop = 65").unwrap_err();
        assert!(
            message.contains("each image of `sprites` is 64x64, smaller than the part to crop, 65x65"),
            "{message}"
        );
        let message = dataset("source = \"rooms\"\nlimit = 50\nstored = [0, 200]").unwrap_err();
        assert!(message.contains("200"), "{message}");
        assert!(dataset("source = \"sprites\"\nlimit = 737281").is_err());
    }
}
