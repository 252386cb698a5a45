//! The first 2,000 training images of Fashion-MNIST, embedded in the binary: see `fashion-mini/README.md`.

use super::idx_file::{self, Array, Content, IdxError};
use super::{Loaded, Source};
use crate::data::{DataError, ImageShape, Images};
use crate::settings::{Keys, Kind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(in crate::data) static KIND: Kind<Arc<dyn Source>> =
    Kind::new("fashion-mini", "2,000 images of Fashion-MNIST, embedded in the binary.", read)
        .also("fashion fashion_mnist fashionmnist fmnist");

/// The key that names the source.
const KEY: &str = "data.source";

fn read(_: &mut Keys<'_>) -> Arc<dyn Source> {
    Arc::new(FashionMini)
}

#[derive(Debug)]
struct FashionMini;

impl Source for FashionMini {
    fn training(&self, _: &Path, most: usize) -> Result<Loaded, DataError> {
        let (images, labels) = load(most).map_err(|problem| problem.of_key(KEY))?;
        let size = |axis: usize| images.sizes.get(axis).copied().unwrap_or(0);
        let (count, height, width) = (size(0), size(1), size(2));
        let images = Images::new(images.bytes, Some(labels.bytes), ImageShape::grey(height, width));
        Ok(Loaded { key: KEY, file: PathBuf::from("fashion-mini"), count, images })
    }

    fn test(&self, _: &Path) -> Result<Option<Loaded>, DataError> {
        Ok(None)
    }
}

/// The first images (2,000, 28, 28) and labels (2,000), at most `most` of each.
fn load(most: usize) -> Result<(Array, Array), IdxError> {
    let images: &[u8] = include_bytes!("fashion-mini/images.gz");
    let labels: &[u8] = include_bytes!("fashion-mini/labels.gz");
    Ok((
        idx_file::read(Path::new("fashion-mini/images.gz"), images, images.len() as u64, Content::Images, most)?,
        idx_file::read(Path::new("fashion-mini/labels.gz"), labels, labels.len() as u64, Content::Labels, most)?,
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
        let (images, labels) = load(usize::MAX).unwrap();
        assert_eq!((images.sizes, labels.sizes), (vec![2000, 28, 28], vec![2000]));
        // Hashes of bytes 16..1,568,016 and 8..2,008 of the decompressed original files.
        assert_eq!(hash(&images.bytes), "31af13ab3663fb9e2c52efe48de909708974c9416b6e08dde8def907f00c4163");
        assert_eq!(hash(&labels.bytes), "efe2b571641c24fa8d0b6f043c130499b4dd29190ad76db9815b225740fab1b8");
        assert_eq!(labels.bytes[..10], [9, 0, 0, 3, 0, 2, 7, 2, 5, 5]);
    }
}
