//! Where images are: in memory, in a cache file, or computed from their index.

mod computed;
mod memory;

pub(super) use computed::{Computed, Definition, Factor};
pub(super) use memory::Memory;

use super::ImageShape;
use super::column::Column;
use super::values::{Element, Extent, ValuesRef};
use sha2::{Digest, Sha256};
use std::fmt::Debug;

/// The number of bytes of the hash of an image.
pub(super) const HASH_BYTES: usize = 16;

/// The hash of an image.
pub(super) type ImageHash = [u8; HASH_BYTES];

/// Images of equal shape, read by index.
pub(super) trait Store: Debug + Send + Sync {
    /// The number of images.
    fn len(&self) -> usize;

    /// The shape of each image.
    fn shape(&self) -> ImageShape;

    /// The type of the values.
    fn element(&self) -> Element;

    /// The values of an image, (Height, Width, Channels), row-major. A store that computes images writes them to `scratch`.
    ///
    /// # Panics
    /// `index` is not below [`Store::len`].
    fn image<'a>(&'a self, index: usize, scratch: &'a mut Vec<u8>) -> ValuesRef<'a>;

    /// The hash of an image.
    fn hash(&self, index: usize) -> ImageHash;

    /// The extent of the values of an image.
    fn extent(&self, index: usize) -> Extent;

    /// The labels and factors.
    fn columns(&self) -> &[Column];

    /// Tells that images will be read soon, in this order.
    fn read_ahead(&self, _indices: &[u32]) {}

    /// The number of bytes of memory that it takes in each process.
    fn bytes_in_memory(&self) -> usize {
        0
    }
}

/// The hash of an image: of its height, width and number of channels, the type of its values, and the values.
pub(super) fn hash_of(shape: ImageShape, values: ValuesRef<'_>) -> ImageHash {
    let mut hash = Sha256::new();
    for size in shape.sizes() {
        hash.update((size as u64).to_le_bytes());
    }
    match values {
        ValuesRef::U8(bytes) => {
            hash.update(b"u8");
            hash.update(bytes);
        }
        ValuesRef::F32(floats) => {
            hash.update(b"f32");
            hash.update(floats.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>());
        }
    }
    shortened(hash)
}

/// The hash of a computed image: of the name and the version of its definition, and its index.
pub(super) fn hash_of_index(definition: &str, index: usize) -> ImageHash {
    shortened(Sha256::new().chain_update(definition).chain_update((index as u64).to_le_bytes()))
}

fn shortened(hash: Sha256) -> ImageHash {
    let whole: [u8; 32] = hash.finalize().into();
    std::array::from_fn(|byte| whole[byte])
}
