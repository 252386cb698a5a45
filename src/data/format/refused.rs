//! Files that vaex does not read: what they are, and what to do.

use super::{FormatError, Start};

/// The error for a file whose format is not known.
pub(super) fn error(start: &Start<'_>) -> FormatError {
    FormatError::new(start.path, what(start))
}

/// What a file is, as far as its first bytes tell, and what to do.
fn what(start: &Start<'_>) -> String {
    let ending = start.path.extension().map(|ending| ending.to_string_lossy().to_lowercase()).unwrap_or_default();
    let text = |known: &str| known.to_owned();
    match start.unzipped {
        _ if start.is_folder => text("is a folder without pictures"),
        [b'M', b'A', b'T', b'L', b'A', b'B', ..] => text(
            "is a MATLAB file, which vaex does not read; save the array as npy, for example with scipy.io.loadmat and numpy.save",
        ),
        // Protocol 2 to 5 of pickle, and the magic of old PyTorch files.
        [0x80, 2..=5, ..] => text(
            "is a Python pickle, which vaex does not read, because loading one can run any program; save the array as npy with \
             numpy.save (for CIFAR, download the binary version)",
        ),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => text("is compressed with Zstandard; decompress it with: unzstd FILE"),
        [0xfd, b'7', b'z', b'X', b'Z', ..] => text("is compressed with xz; decompress it with: unxz FILE"),
        [b'B', b'Z', b'h', ..] => text("is compressed with bzip2; decompress it with: bunzip2 FILE"),
        [b'7', b'z', 0xbc, 0xaf, ..] => text("is a 7z archive; unpack it with: 7z x FILE"),
        [b'R', b'a', b'r', b'!', ..] => text("is a RAR archive; unpack it"),
        [0x93, b'N', b'U', b'M', b'P', b'Y', ..] => text("is a gzipped npy file; decompress it with: gunzip FILE"),
        [0x1f, 0x8b, ..] => text("was gzipped twice; decompress it once with: gunzip FILE"),
        [b'v', b'e', b'r', b's', b'i', b'o', b'n', b' ', b'h', ..] => {
            text("is a Git LFS pointer, not the file itself; fetch it with: git lfs pull")
        }
        bytes if is_web_page(bytes) => text("is a web page; download the file itself"),
        [b'G', b'I', b'F', b'8', ..] => text("is a GIF picture; convert it to PNG"),
        [b'I', b'I', b'*', 0, ..] | [b'M', b'M', 0, b'*', ..] => text("is a TIFF picture; convert it to PNG"),
        [_, _, _, _, b'f', b't', b'y', b'p', ..] => {
            text("is an AVIF or HEIC picture, or a video; convert pictures to PNG")
        }
        [0, 0, 0, 0x0c, b'j', b'P', ..] => text("is a JPEG 2000 picture; convert it to PNG"),
        [0x51..=0x56, 0x4c, 0x3d, 0x1e, ..] => {
            text("is a smallNORB matrix, which vaex does not read; save the array as npy with numpy.save")
        }
        _ if ["pt", "pth", "pkl", "pickle"].contains(&&*ending) => {
            text("is a Python pickle, which vaex does not read; save the array as npy with numpy.save")
        }
        bytes => {
            let bytes: Vec<String> = bytes.iter().take(4).map(|byte| format!("{byte:02X}")).collect();
            format!(
                "has no format that vaex reads: it begins with the bytes {}; see `vaex data --help`",
                bytes.join(" ")
            )
        }
    }
}

fn is_web_page(bytes: &[u8]) -> bool {
    let start = String::from_utf8_lossy(bytes).trim_start().to_lowercase();
    start.starts_with("<!doctype") || start.starts_with("<html") || start.starts_with("<?xml")
}
