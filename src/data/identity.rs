//! The hash of a dataset: of the hashes of its training images in order, then of its validation images.
//!
//! Each image is hashed separately, with its shape and the type of its values, so hashes of parts that were read before can
//! be reused. Labels, paths and file formats are not part of the hash.

use super::Images;
use crate::folder::hexadecimal;
use sha2::{Digest, Sha256};

/// The number of bytes of the hash of an image.
const IMAGE_BYTES: usize = 16;
/// The number of channels of a grey image.
const CHANNELS: u64 = 1;

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
    for size in [images.height() as u64, images.width() as u64, CHANNELS] {
        one.update(size.to_le_bytes());
    }
    one.update(b"u8");
    one.update(images.image(index));
    let hash: [u8; 32] = one.finalize().into();
    std::array::from_fn(|byte| hash[byte])
}

/// The hashes that version 0.1.0 saved for the same images: without labels, and with labels.
pub(super) fn earlier(splits: &[&Images]) -> [String; 2] {
    [false, true].map(|with_labels| {
        let mut all = Sha256::new();
        all.update(b"vaex data 1");
        for images in splits {
            for size in [images.len(), images.height(), images.width()] {
                all.update((size as u64).to_le_bytes());
            }
            all.update(images.pixels());
            let labels = images.labels().filter(|_| with_labels);
            all.update([u8::from(labels.is_some())]);
            all.update(labels.unwrap_or_default());
        }
        shortened(all)
    })
}

fn shortened(hash: Sha256) -> String {
    let mut text = hexadecimal(hash);
    text.truncate(32);
    text
}
