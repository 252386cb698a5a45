//! The first 2,000 training images of Fashion-MNIST, embedded in the binary: see `fashion-mini/README.md`.

use super::{Context, Loaded, Part, Presence, Source};
use crate::data::column::Column;
use crate::data::format::FormatError;
use crate::data::format::idx_file::{self, Array, Content, IdxError};
use crate::data::picture::Picture;
use crate::data::store::Memory;
use crate::data::values::{Element, Values, ValuesRef};
use crate::data::{DataError, ImageShape, Images};
use crate::settings::{Keys, Kind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(in crate::data) static KIND: Kind<Arc<dyn Source>> =
    Kind::new("fashion-mini", "2,000 images of Fashion-MNIST, embedded in the binary.", read)
        .also("fashion fashion_mini");

/// The key that names the source.
const KEY: &str = "data.source";

fn read(_: &mut Keys<'_>) -> Arc<dyn Source> {
    Arc::new(FashionMini)
}

#[derive(Debug)]
struct FashionMini;

/// The names of the labels.
pub(in crate::data) const CLASSES: [&str; 10] =
    ["t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"];

impl Source for FashionMini {
    fn presence(&self, _: &Path) -> Option<Presence> {
        Some(Presence::BuiltIn)
    }

    fn load(&self, context: &mut Context<'_>) -> Result<Loaded, DataError> {
        let error = |error: FormatError| DataError::of_format(KEY, error);
        let (images, labels) = load().map_err(|problem| error(problem.into()))?;
        let (size, shape) = (28 * 28, ImageShape::grey(28, 28));
        let change = |bytes: &[u8]| {
            let picture = Picture { shape, values: Values::U8(bytes.to_vec()), element: Element::Byte };
            context.changes.apply(picture)
        };
        let mut changed = Vec::new();
        let mut shape = shape;
        for bytes in images.bytes.chunks_exact(size) {
            let picture =
                change(bytes).map_err(|what| error(FormatError::Content(format!("an image {what}").into())))?;
            shape = picture.shape;
            if let ValuesRef::U8(bytes) = picture.values.all() {
                changed.extend(bytes);
            }
        }
        let labels: Vec<u32> = labels.bytes.into_iter().map(u32::from).collect();
        let names = CLASSES.map(str::to_owned).to_vec();
        let column = Column::listed("label", CLASSES.len() as u32, Some(names), labels);
        let store = Memory::new(Values::U8(changed), shape, vec![column]);
        let pool = Part {
            key: KEY,
            name: PathBuf::from("fashion-mini"),
            format: "embedded images",
            notes: Vec::new(),
            images: Images::of(Arc::new(store)),
        };
        Ok(Loaded { pool, validation: None, test: None })
    }
}

/// The images (2,000, 28, 28) and labels (2,000).
fn load() -> Result<(Array, Array), IdxError> {
    let images: &[u8] = include_bytes!("fashion-mini/images.gz");
    let labels: &[u8] = include_bytes!("fashion-mini/labels.gz");
    Ok((
        idx_file::read(Path::new("fashion-mini/images.gz"), images, images.len() as u64, Content::Images, usize::MAX)?,
        idx_file::read(Path::new("fashion-mini/labels.gz"), labels, labels.len() as u64, Content::Labels, usize::MAX)?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::{Digest, Sha256};

    fn hash(bytes: &[u8]) -> String {
        Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn the_embedded_images_are_those_of_fashion_mnist() {
        let (images, labels) = load().unwrap();
        assert_eq!((images.sizes, labels.sizes), (vec![2000, 28, 28], vec![2000]));
        // Hashes of bytes 16..1,568,016 and 8..2,008 of the decompressed original files.
        assert_eq!(hash(&images.bytes), "31af13ab3663fb9e2c52efe48de909708974c9416b6e08dde8def907f00c4163");
        assert_eq!(hash(&labels.bytes), "efe2b571641c24fa8d0b6f043c130499b4dd29190ad76db9815b225740fab1b8");
        assert_eq!(labels.bytes[..10], [9, 0, 0, 3, 0, 2, 7, 2, 5, 5]);
    }
}
