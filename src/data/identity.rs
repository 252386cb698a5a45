//! The hash of a dataset: of the hashes of its training images in order, then of its validation images.
//!
//! Each image is hashed separately, with its shape and the type of its values, so hashes of parts that were read before can
//! be reused. Labels, paths and file formats are not part of the hash.

use super::{ImageShape, Images, ValuesRef};
use crate::folder::hexadecimal;
use sha2::{Digest, Sha256};

/// The number of bytes of the hash of an image.
const IMAGE_BYTES: usize = 16;

/// The hash of the images of both splits: 32 hex digits.
pub(super) fn of(train: &Images, validation: &Images) -> String {
    let mut all = Sha256::new();
    all.update(b"vaex images 1");
    for images in [train, validation] {
        all.update((images.len() as u64).to_le_bytes());
        (0..images.len()).for_each(|index| all.update(image(images, index)));
    }
    shortened(all)
}

/// The hash of an image: of its height, width and number of channels, the type of its values, and the values.
fn image(images: &Images, index: usize) -> [u8; IMAGE_BYTES] {
    let mut one = Sha256::new();
    for size in images.shape().sizes() {
        one.update((size as u64).to_le_bytes());
    }
    match images.image(index) {
        ValuesRef::U8(bytes) => {
            one.update(b"u8");
            one.update(bytes);
        }
        ValuesRef::F32(floats) => {
            one.update(b"f32");
            one.update(floats.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>());
        }
    }
    let hash: [u8; 32] = one.finalize().into();
    std::array::from_fn(|byte| hash[byte])
}

/// The hashes that version 0.1.0, which read grey bytes only, saved for the same images: without labels, and with labels.
pub(super) fn earlier(splits: &[&Images]) -> Vec<String> {
    let hash = |with_labels: bool| {
        let mut all = Sha256::new();
        all.update(b"vaex data 1");
        for images in splits {
            let (ImageShape { height, width, channels: 1 }, Some(bytes)) = (images.shape(), images.values().bytes())
            else {
                return None;
            };
            for size in [images.len(), height, width] {
                all.update((size as u64).to_le_bytes());
            }
            all.update(bytes);
            let labels = images.labels().filter(|_| with_labels);
            all.update([u8::from(labels.is_some())]);
            all.update(labels.unwrap_or_default());
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
