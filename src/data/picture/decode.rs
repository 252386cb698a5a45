//! Decodes PNG, JPEG, WebP, BMP and PNM pictures.

use super::Picture;
use crate::data::ImageShape;
use crate::data::values::{Element, Values};
use image::{ColorType, DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits};
use std::io::Cursor;

/// The largest number of pixels of a picture.
const PIXEL_LIMIT: u64 = 1 << 27;

/// Why a picture cannot be decoded.
#[derive(Debug, thiserror::Error)]
pub(in crate::data) enum PictureError {
    /// It is not a picture of a known format.
    #[error("is not a PNG, JPEG, WebP, BMP or PNM picture{0}")]
    Unknown(&'static str),
    /// It is damaged, or uses something that vaex does not read.
    #[error("cannot be decoded ({}); replace it or remove it", .0.to_string().trim())]
    Damaged(image::ImageError),
    /// It has no pixels.
    #[error("has no pixels")]
    Empty,
    /// It has too many pixels.
    #[error("has {0} x {1} pixels, more than the maximum of 2^27")]
    TooLarge(u32, u32),
}

/// Whether a file that starts so is a picture that vaex reads.
pub(in crate::data) fn is_picture_start(start: &[u8]) -> bool {
    format_of(start).is_some()
}

/// The formats of pictures that vaex reads, by the first bytes of their files.
fn format_of(start: &[u8]) -> Option<ImageFormat> {
    match start {
        [0x89, b'P', b'N', b'G', ..] => Some(ImageFormat::Png),
        [0xff, 0xd8, 0xff, ..] => Some(ImageFormat::Jpeg),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some(ImageFormat::WebP),
        [b'B', b'M', ..] => Some(ImageFormat::Bmp),
        [b'P', b'1'..=b'7', b' ' | b'\n' | b'\r' | b'\t', ..] => Some(ImageFormat::Pnm),
        _ => None,
    }
}

/// Decodes a picture: grey or RGB, without its alpha channel. Pictures with 16 bits per channel become floats from 0 to 1, all
/// others bytes.
///
/// # Errors
/// The bytes are not a picture of a known format, or it is damaged or too large.
pub(in crate::data) fn decode(bytes: &[u8]) -> Result<Picture, PictureError> {
    let format = format_of(bytes).ok_or_else(|| PictureError::Unknown(hint(bytes)))?;
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut limits = Limits::default();
    limits.max_alloc = Some(16 * PIXEL_LIMIT);
    reader.limits(limits);
    let decoder = reader.into_decoder().map_err(PictureError::Damaged)?;
    let (width, height) = decoder.dimensions();
    if width == 0 || height == 0 {
        return Err(PictureError::Empty);
    }
    if u64::from(width) * u64::from(height) > PIXEL_LIMIT {
        return Err(PictureError::TooLarge(width, height));
    }
    let color = decoder.color_type();
    let is_gray = format == ImageFormat::Bmp && has_gray_palette(bytes);
    let image = DynamicImage::from_decoder(decoder).map_err(PictureError::Damaged)?;
    let shape = |channels| ImageShape { height: height as usize, width: width as usize, channels };
    let bytes = |channels, bytes: Vec<u8>| Picture {
        shape: shape(channels),
        values: Values::U8(bytes),
        element: Element::Byte,
    };
    let floats = |channels, words: Vec<u16>| Picture {
        shape: shape(channels),
        values: Values::F32(words.into_iter().map(|word| f32::from(word) / 65_535.0).collect()),
        element: Element::Float,
    };
    // Conversions between these types only drop the alpha channel.
    Ok(match color {
        _ if is_gray => bytes(1, image.into_rgb8().into_raw().into_iter().step_by(3).collect()),
        ColorType::L8 => bytes(1, image.into_luma8().into_raw()),
        ColorType::La8 => bytes(1, first_of(&image.into_luma_alpha8().into_raw(), 2)),
        ColorType::L16 => floats(1, image.into_luma16().into_raw()),
        ColorType::La16 => floats(1, first_of(&image.into_luma_alpha16().into_raw(), 2)),
        ColorType::Rgb16 => floats(3, image.into_rgb16().into_raw()),
        ColorType::Rgba16 => floats(3, rgb_of(&image.into_rgba16().into_raw())),
        ColorType::Rgba8 => bytes(3, rgb_of(&image.into_rgba8().into_raw())),
        _ => bytes(3, image.into_rgb8().into_raw()),
    })
}

/// The first of each `count` values.
fn first_of<V: Copy>(values: &[V], count: usize) -> Vec<V> {
    values.iter().step_by(count).copied().collect()
}

/// The first three of each four values.
fn rgb_of<V: Copy>(values: &[V]) -> Vec<V> {
    values.as_chunks::<4>().0.iter().flat_map(|[r, g, b, _]| [*r, *g, *b]).collect()
}

/// Whether a BMP picture has a palette of greys: Pillow reads it with one channel.
fn has_gray_palette(file: &[u8]) -> bool {
    let number = |at: usize, bytes: usize| {
        let part = file.get(at..at + bytes)?;
        Some(part.iter().rev().fold(0usize, |number, byte| number << 8 | usize::from(*byte)))
    };
    let palette = || {
        let (header, bits) = (number(14, 4)?, number(28, 2)?);
        let used = number(46, 4)?;
        let count = if used == 0 { 1 << bits.min(8) } else { used.min(256) };
        let start = 14 + header;
        (header >= 40 && bits <= 8).then(|| file.get(start..start + 4 * count))?
    };
    palette().is_some_and(|palette| palette.as_chunks::<4>().0.iter().all(|[b, g, r, _]| b == g && g == r))
}

/// What a file that is not a picture may be.
fn hint(bytes: &[u8]) -> &'static str {
    match bytes {
        [] => ": it is empty",
        [b'G', b'I', b'F', b'8', ..] => ", but a GIF picture; convert it to PNG",
        [b'I', b'I', b'*', 0, ..] | [b'M', b'M', 0, b'*', ..] => ", but a TIFF picture; convert it to PNG",
        [_, _, _, _, b'f', b't', b'y', b'p', ..] => ", but an AVIF, HEIC or video file; convert pictures to PNG",
        [b'v', b'e', b'r', b's', b'i', b'o', b'n', b' ', b'h', ..] => {
            ", but a Git LFS pointer; fetch the file itself with: git lfs pull"
        }
        bytes if bytes.trim_ascii_start().starts_with(b"<") => ", but a web page",
        _ => "",
    }
}
