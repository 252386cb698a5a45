//! The hash of a dataset: of the hashes of its training images in order, then of its validation images.
//!
//! Each image is hashed separately, with its shape and the type of its values, so hashes of parts that were read before can
//! be reused. Labels, paths and file formats are not part of the hash.

use super::{ImageShape, Images};
use crate::folder::hexadecimal;
use sha2::{Digest, Sha256};

/// The hash of the images of both splits: 32 hex digits.
pub(super) fn of(train: &Images, validation: &Images) -> String {
    let mut all = Sha256::new();
    all.update(b"vaex images 1");
    for images in [train, validation] {
        all.update((images.len() as u64).to_le_bytes());
        (0..images.len()).for_each(|index| all.update(images.hash(index)));
    }
    shortened(all)
}

/// The hash of the images of all splits, with their labels: 32 hex digits.
pub(super) fn with_labels(splits: [&Images; 3]) -> String {
    let mut all = Sha256::new();
    all.update(b"vaex images and labels 1");
    for images in splits {
        all.update((images.len() as u64).to_le_bytes());
        (0..images.len()).for_each(|index| all.update(images.hash(index)));
        for column in images.columns() {
            all.update((column.name.len() as u64).to_le_bytes());
            all.update(&column.name);
            all.update(column.size.to_le_bytes());
            images.values_of(column).into_iter().for_each(|value| all.update(value.to_le_bytes()));
        }
    }
    shortened(all)
}

/// The hashes that version 0.1.0, which read grey bytes only, saved for the same images: without labels, and with labels.
pub(super) fn earlier(splits: &[&Images]) -> Vec<String> {
    let hash = |with_labels: bool| {
        let mut all = Sha256::new();
        all.update(b"vaex data 1");
        for images in splits {
            let ImageShape { height, width, channels: 1 } = images.shape() else { return None };
            for size in [images.len(), height, width] {
                all.update((size as u64).to_le_bytes());
            }
            let mut scratch = Vec::new();
            for index in 0..images.len() {
                all.update(images.image(index, &mut scratch).bytes()?);
            }
            let labels = images.columns().first().filter(|_| with_labels);
            all.update([u8::from(labels.is_some())]);
            let labels = labels.map(|column| images.values_of(column)).unwrap_or_default();
            all.update(labels.into_iter().map(|label| label as u8).collect::<Vec<u8>>());
        }
        Some(shortened(all))
    };
    [hash(false), hash(true)].into_iter().flatten().collect()
}

fn shortened(hash: Sha256) -> String {
    let mut text = hexadecimal(hash);
    text.truncate(32);
    text
}
