//! Fashion-MNIST's first 2,000 training images, embedded in the binary: see `fashion-mini/README.md`.

use super::idx::{Array, Content, IdxError, read};
use std::path::Path;

/// Images (2,000, 28, 28) and labels (2,000), of both up to `most`, the first ones.
pub(super) fn load(most: usize) -> Result<(Array, Array), IdxError> {
    let images: &[u8] = include_bytes!("fashion-mini/images.gz");
    let labels: &[u8] = include_bytes!("fashion-mini/labels.gz");
    Ok((
        read(Path::new("fashion-mini/images.gz"), images, images.len() as u64, Content::Images, most)?,
        read(Path::new("fashion-mini/labels.gz"), labels, labels.len() as u64, Content::Labels, most)?,
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
        // Of the original files' bytes 16..1,568,016 and 8..2,008, inflated.
        assert_eq!(hash(&images.bytes), "31af13ab3663fb9e2c52efe48de909708974c9416b6e08dde8def907f00c4163");
        assert_eq!(hash(&labels.bytes), "efe2b571641c24fa8d0b6f043c130499b4dd29190ad76db9815b225740fab1b8");
        assert_eq!(labels.bytes[..10], [9, 0, 0, 3, 0, 2, 7, 2, 5, 5]);
    }
}
