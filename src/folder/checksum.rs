//! SHA-256 checksums.

use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::io::{self, BufRead, BufReader, Read};

/// The first `digits` hexadecimal digits of the SHA-256 of the concatenated parts.
pub fn digest(parts: &[&[u8]], digits: usize) -> String {
    let mut hash = Sha256::new();
    parts.iter().for_each(|part| hash.update(part));
    let mut hex = hexadecimal(hash);
    hex.truncate(digits);
    hex
}

/// The first 64 bits of the SHA-256 of some bytes.
pub fn digest_number(bytes: &[u8]) -> u64 {
    let hash: [u8; 32] = Sha256::digest(bytes).into();
    let [a, b, c, d, e, f, g, h, ..] = hash;
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

/// The SHA-256 of everything that a reader returns, in hexadecimal digits, and the number of bytes.
///
/// # Errors
/// A read fails.
pub fn checksum(reader: impl Read) -> io::Result<(String, u64)> {
    let (mut reader, mut hash, mut bytes) = (BufReader::with_capacity(1 << 16, reader), Sha256::new(), 0);
    loop {
        let part = reader.fill_buf()?;
        let length = part.len();
        if length == 0 {
            return Ok((hexadecimal(hash), bytes));
        }
        hash.update(part);
        bytes += length as u64;
        reader.consume(length);
    }
}

/// The hexadecimal digits of a checksum.
pub fn hexadecimal(hash: Sha256) -> String {
    hash.finalize().iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
