//! Pictures that are grids of grey tiles, as PNG or GIF files, and the latent codes of the manifold picture.

use crate::folder::{self, FileError};
use std::io;
use std::path::Path;

/// Grey of the lines between tiles and of missing tiles.
const SEPARATOR: u8 = 128;

/// A greyscale picture, 8 bits per pixel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grid {
    /// Pixels in a row.
    pub width: usize,
    /// Rows of pixels.
    pub height: usize,
    /// `width * height` pixels, row by row from the top; 0 is black.
    pub pixels: Vec<u8>,
}

impl Grid {
    /// Places tiles in rows of `columns` (fewer if there are fewer tiles), with a line of one pixel between them.
    ///
    /// A tile has the shape (tile_height, tile_width), row-major. `range` has the values that are black and white; values
    /// outside are clamped, NaN is black. A tile with another length than `tile_height * tile_width`, such as an empty one,
    /// is left grey.
    pub fn tiles<'a>(
        tile_height: usize,
        tile_width: usize,
        columns: usize,
        tiles: impl IntoIterator<Item = &'a [f32]>,
        range: [f32; 2],
    ) -> Grid {
        Grid::with_gap(1, tile_height, tile_width, columns, tiles, range)
    }

    /// As [`Grid::tiles`], without lines between the tiles.
    pub fn sprite<'a>(
        tile_height: usize,
        tile_width: usize,
        columns: usize,
        tiles: impl IntoIterator<Item = &'a [f32]>,
        range: [f32; 2],
    ) -> Grid {
        Grid::with_gap(0, tile_height, tile_width, columns, tiles, range)
    }

    fn with_gap<'a>(
        gap: usize,
        tile_height: usize,
        tile_width: usize,
        columns: usize,
        tiles: impl IntoIterator<Item = &'a [f32]>,
        range: [f32; 2],
    ) -> Grid {
        let tiles: Vec<&[f32]> = tiles.into_iter().collect();
        let columns = columns.min(tiles.len()).max(1);
        let rows = tiles.len().div_ceil(columns);
        let extent = |tiles: usize, side: usize| (tiles * (side + gap)).saturating_sub(gap);
        let (width, height) = (extent(columns, tile_width), extent(rows, tile_height));
        let mut grid = Grid { width, height, pixels: vec![SEPARATOR; width * height] };
        for (index, tile) in tiles.into_iter().enumerate() {
            if tile.len() == tile_height * tile_width && !tile.is_empty() {
                let corner = [index / columns * (tile_height + gap), index % columns * (tile_width + gap)];
                grid.draw(corner, tile_width, tile, range);
            }
        }
        grid
    }

    /// Rows of inputs, each above the row of its reconstructions, with `columns` pairs per row.
    ///
    /// Shapes and `range` are as in [`Grid::tiles`]; tiles without a partner are left out.
    pub fn pairs(
        tile_height: usize,
        tile_width: usize,
        columns: usize,
        inputs: &[&[f32]],
        reconstructions: &[&[f32]],
        range: [f32; 2],
    ) -> Grid {
        let pairs = inputs.len().min(reconstructions.len());
        let columns = columns.min(pairs).max(1);
        let tiles = interleave_rows(&inputs[..pairs], &reconstructions[..pairs], columns);
        Grid::tiles(tile_height, tile_width, columns, tiles, range)
    }

    /// The picture as the bytes of a PNG file, 8-bit greyscale.
    ///
    /// # Errors
    /// The picture is empty, or its width and height do not match its pixels.
    pub fn png(&self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let side = |pixels: usize| u32::try_from(pixels).map_err(io::Error::other);
        let mut encoder = png::Encoder::new(&mut bytes, side(self.width)?, side(self.height)?);
        encoder.set_color(png::ColorType::Grayscale);
        encoder.set_depth(png::BitDepth::Eight);
        // Several times faster than the default; training waits for it.
        encoder.set_compression(png::Compression::Fast);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&self.pixels)?;
        writer.finish()?;
        Ok(bytes)
    }

    /// Writes pictures of equal size as an animated PNG: ten per second, repeated forever.
    ///
    /// # Errors
    /// The file cannot be written, there is no picture, or a picture is empty or has another size.
    pub fn write_animation(frames: &[Grid], path: &Path) -> Result<(), FileError> {
        let bytes = || -> io::Result<Vec<u8>> {
            let mut bytes = Vec::new();
            let side = |pixels: usize| u32::try_from(pixels).map_err(io::Error::other);
            let first = frames.first().ok_or_else(|| io::Error::other("there is no picture"))?;
            let mut encoder = png::Encoder::new(&mut bytes, side(first.width)?, side(first.height)?);
            encoder.set_color(png::ColorType::Grayscale);
            encoder.set_depth(png::BitDepth::Eight);
            encoder.set_animated(side(frames.len())?, 0)?;
            encoder.set_frame_delay(1, 10)?;
            let mut writer = encoder.write_header()?;
            frames.iter().try_for_each(|frame| writer.write_image_data(&frame.pixels))?;
            writer.finish()?;
            Ok(bytes)
        };
        folder::write_whole(path, &bytes().map_err(FileError::at("write", path))?)
    }

    /// Writes pictures of equal size as an animated GIF: ten per second, repeated forever.
    ///
    /// # Errors
    /// The file cannot be written, there is no picture, or a picture is empty, too large for the format, or has another size.
    pub fn write_gif(frames: &[Grid], path: &Path) -> Result<(), FileError> {
        let bytes = || -> io::Result<Vec<u8>> {
            let mut bytes = Vec::new();
            let side = |pixels: usize| {
                let side = u16::try_from(pixels).ok().filter(|side| *side > 0);
                side.ok_or_else(|| {
                    io::Error::other(format!("a side of a GIF must have 1 to 65,535 pixels, not {pixels}"))
                })
            };
            let first = frames.first().ok_or_else(|| io::Error::other("there is no picture"))?;
            let (width, height) = (side(first.width)?, side(first.height)?);
            let greys: Vec<u8> = (0..=u8::MAX).flat_map(|grey| [grey; 3]).collect();
            let mut encoder = gif::Encoder::new(&mut bytes, width, height, &greys).map_err(io::Error::other)?;
            encoder.set_repeat(gif::Repeat::Infinite).map_err(io::Error::other)?;
            for frame in frames {
                if (frame.width, frame.height) != (first.width, first.height) {
                    return Err(io::Error::other("the pictures have different sizes"));
                }
                let buffer = std::borrow::Cow::Borrowed(&*frame.pixels);
                let frame = gif::Frame { width, height, buffer, delay: 10, ..gif::Frame::default() };
                encoder.write_frame(&frame).map_err(io::Error::other)?;
            }
            drop(encoder);
            Ok(bytes)
        };
        folder::write_whole(path, &bytes().map_err(FileError::at("write", path))?)
    }

    /// Writes the picture as a PNG file, atomically.
    ///
    /// # Errors
    /// The file cannot be written, or [`Grid::png`] fails.
    pub fn write(&self, path: &Path) -> Result<(), FileError> {
        folder::write_whole(path, &self.png().map_err(FileError::at("write", path))?)
    }

    /// Reads a picture that [`Grid::write`] wrote.
    ///
    /// # Errors
    /// The file cannot be read, or has other content.
    pub fn read(path: &Path) -> Result<Grid, FileError> {
        let bytes = std::fs::read(path).map_err(FileError::at("read", path))?;
        let decode = || -> io::Result<Grid> {
            let mut reader = png::Decoder::new(io::Cursor::new(bytes)).read_info()?;
            let (width, height) = (reader.info().width as usize, reader.info().height as usize);
            if reader.output_color_type() != (png::ColorType::Grayscale, png::BitDepth::Eight) {
                return Err(io::Error::other("it is not a greyscale picture with 8 bits per pixel"));
            }
            let mut pixels = vec![0; width * height];
            reader.next_frame(&mut pixels)?;
            Ok(Grid { width, height, pixels })
        };
        decode().map_err(FileError::at("read", path))
    }

    /// The picture reduced to at most `rows` and `columns` of tiles: the first ones, or evenly spread ones if `spread`.
    pub fn thinned(&self, rows: usize, columns: usize, spread: bool) -> Grid {
        let is_line = |x: usize| (0..self.height).all(|y| self.pixels[y * self.width + x] == SEPARATOR);
        let is_row = |y: usize| self.pixels[y * self.width..][..self.width].iter().all(|pixel| *pixel == SEPARATOR);
        // Tiles can contain grey lines, but these do not divide the whole side into equal parts.
        let cuts = |side: usize, tile: usize, is_cut: &dyn Fn(usize) -> bool| {
            (side + 1).is_multiple_of(tile + 1) && (tile..side).step_by(tile + 1).all(is_cut)
        };
        let tile_width = (1..self.width).find(|tile| cuts(self.width, *tile, &is_line)).unwrap_or(self.width);
        let tile_height = (1..self.height).find(|tile| cuts(self.height, *tile, &is_row)).unwrap_or(self.height);
        let kept = |side: usize, tile: usize, most: usize| -> Vec<usize> {
            let there = (side + 1) / (tile + 1);
            let kept = there.min(most);
            let index = |tile: usize| if spread && kept > 1 { tile * (there - 1) / (kept - 1) } else { tile };
            (0..kept).map(|one| index(one) * (tile + 1)).collect()
        };
        let lines = kept(self.height, tile_height, rows);
        let starts = kept(self.width, tile_width, columns);
        let mut pixels = Vec::new();
        for (index, line) in lines.iter().enumerate() {
            // With the line below it, except for the last row.
            let gap = usize::from(index + 1 < lines.len());
            for y in *line..*line + tile_height + gap {
                for (index, start) in starts.iter().enumerate() {
                    let gap = usize::from(index + 1 < starts.len());
                    pixels.extend_from_slice(&self.pixels[y * self.width + start..][..tile_width + gap]);
                }
            }
        }
        let extent = |count: usize, side: usize| (count * (side + 1)).saturating_sub(1);
        Grid { width: extent(starts.len(), tile_width), height: extent(lines.len(), tile_height), pixels }
    }

    /// Draws a tile with its upper left pixel at `corner` = [row, column].
    fn draw(&mut self, corner: [usize; 2], tile_width: usize, tile: &[f32], range: [f32; 2]) {
        for (row, values) in tile.chunks_exact(tile_width).enumerate() {
            let start = (corner[0] + row) * self.width + corner[1];
            for (pixel, &value) in self.pixels[start..start + tile_width].iter_mut().zip(values) {
                *pixel = grey(value, range);
            }
        }
    }
}

fn grey(value: f32, [black, white]: [f32; 2]) -> u8 {
    // The cast turns NaN into 0.
    ((value - black) / (white - black) * 255.0).round().clamp(0.0, 255.0) as u8
}

/// Rows of `upper`, each followed by its row of `lower`; short rows are filled with empty tiles.
fn interleave_rows<'a>(upper: &[&'a [f32]], lower: &[&'a [f32]], columns: usize) -> Vec<&'a [f32]> {
    let filled = |row: &[&'a [f32]]| -> Vec<&'a [f32]> {
        row.iter().copied().chain(std::iter::repeat(&[][..])).take(columns).collect()
    };
    let rows = upper.chunks(columns).zip(lower.chunks(columns));
    rows.flat_map(|(upper, lower)| [filled(upper), filled(lower)]).flatten().collect()
}

/// The codes for a `side` x `side` picture of a two-dimensional latent space, row by row.
///
/// The inverse cumulative distribution function of the prior N(0, I) at a linear grid over the open unit square,
/// (i + 1/2) / side, as in figure 4 of Kingma and Welling (arXiv 1312.6114). The first latent axis increases to the right,
/// the second one upwards, as in a scatter plot of posterior means.
pub fn manifold_codes(side: usize) -> Vec<[f32; 2]> {
    let ticks: Vec<f32> =
        (0..side).map(|index| standard_normal_quantile((index as f64 + 0.5) / side as f64) as f32).collect();
    ticks.iter().rev().flat_map(|&second| ticks.iter().map(move |&first| [first, second])).collect()
}

/// Inverse of the cumulative distribution function of N(0, 1); infinite at 0 and 1, NaN outside.
///
/// M. J. Wichura, Algorithm AS 241: The Percentage Points of the Normal Distribution, Applied Statistics 37 (1988),
/// 477-484; its routine PPND16, accurate to about 16 digits.
fn standard_normal_quantile(probability: f64) -> f64 {
    let offset = probability - 0.5;
    if offset.abs() <= 0.425 {
        return offset * ratio(&CENTRAL, 0.180625 - offset * offset);
    }
    let tail = if offset < 0.0 { probability } else { 1.0 - probability };
    if tail == 0.0 {
        return f64::INFINITY.copysign(offset);
    }
    let depth = (-tail.ln()).sqrt();
    let magnitude = if depth <= 5.0 { ratio(&MIDDLE, depth - 1.6) } else { ratio(&TAIL, depth - 5.0) };
    magnitude.copysign(offset)
}

fn ratio([numerator, denominator]: &[[f64; 8]; 2], x: f64) -> f64 {
    let polynomial = |powers: &[f64; 8]| powers.iter().rev().fold(0.0, |sum, coefficient| sum * x + coefficient);
    polynomial(numerator) / polynomial(denominator)
}

/// Coefficients of numerator and denominator for |p - 1/2| <= 0.425, in ascending powers.
const CENTRAL: [[f64; 8]; 2] = [
    [
        3.3871328727963665,
        133.14166789178438,
        1971.5909503065513,
        13731.69376550946,
        45921.95393154987,
        67265.7709270087,
        33430.57558358813,
        2509.0809287301227,
    ],
    [
        1.0,
        42.31333070160091,
        687.1870074920579,
        5394.196021424751,
        21213.794301586597,
        39307.89580009271,
        28729.085735721943,
        5226.495278852854,
    ],
];

/// Coefficients for min(p, 1 - p) down to exp(-25), in ascending powers.
const MIDDLE: [[f64; 8]; 2] = [
    [
        1.4234371107496835,
        4.630337846156546,
        5.769497221460691,
        3.6478483247632045,
        1.2704582524523684,
        0.2417807251774506,
        0.022723844989269184,
        0.0007745450142783414,
    ],
    [
        1.0,
        2.053191626637759,
        1.6763848301838038,
        0.6897673349851,
        0.14810397642748008,
        0.015198666563616457,
        0.0005475938084995345,
        1.0507500716444169e-9,
    ],
];

/// Coefficients for smaller min(p, 1 - p), in ascending powers.
const TAIL: [[f64; 8]; 2] = [
    [
        6.657904643501103,
        5.463784911164114,
        1.7848265399172913,
        0.29656057182850487,
        0.026532189526576124,
        0.0012426609473880784,
        2.7115555687434876e-5,
        2.0103343992922881e-7,
    ],
    [
        1.0,
        0.599832206555888,
        0.1369298809227358,
        0.014875361290850615,
        0.0007868691311456133,
        1.8463183175100548e-5,
        1.421511758316446e-7,
        2.0442631033899397e-15,
    ],
];

#[cfg(test)]
mod tests {
    use super::*;

    /// The pixels of a PNG file, and its width and height.
    fn decoded(bytes: &[u8]) -> (Vec<u8>, u32, u32) {
        let mut reader = png::Decoder::new(io::Cursor::new(bytes)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        assert_eq!((info.color_type, info.bit_depth), (png::ColorType::Grayscale, png::BitDepth::Eight));
        (pixels, info.width, info.height)
    }

    #[test]
    fn tiles_lie_in_rows_with_a_line_between() {
        let tiles = [[-1.0, 0.0, 0.5, 1.0], [2.0, 1.0, f32::NAN, -3.0], [1.0, 1.0, 1.0, 1.0]];
        let grid = Grid::tiles(2, 2, 2, tiles.iter().map(|tile| &tile[..]), [-1.0, 1.0]);
        let s = SEPARATOR;
        #[rustfmt::skip]
        let expected = vec![
              0, 128, s, 255, 255,
            191, 255, s,   0,   0,
              s,   s, s,   s,   s,
            255, 255, s,   s,   s,
            255, 255, s,   s,   s,
        ];
        assert_eq!(grid, Grid { width: 5, height: 5, pixels: expected });
    }

    #[test]
    fn a_reconstruction_lies_beneath_its_input() {
        let values: Vec<[f32; 1]> = (1..=6).map(|value| [value as f32]).collect();
        let tiles: Vec<&[f32]> = values.iter().map(|tile| &tile[..]).collect();
        let (inputs, reconstructions) = tiles.split_at(3);
        let rows = interleave_rows(inputs, reconstructions, 2);
        let first = |tile: &&[f32]| tile.first().copied().unwrap_or(0.0);
        assert_eq!(rows.iter().map(first).collect::<Vec<_>>(), [1.0, 2.0, 4.0, 5.0, 3.0, 0.0, 6.0, 0.0]);
        let grid = Grid::pairs(1, 1, 2, inputs, reconstructions, [0.0, 255.0]);
        let s = SEPARATOR;
        assert_eq!(grid.pixels, [1, s, 2, s, s, s, 4, s, 5, s, s, s, 3, s, s, s, s, s, 6, s, s]);
    }

    #[test]
    fn a_png_decodes_to_the_same_pixels() {
        let ramp: Vec<f32> = (0..12).map(|index| index as f32 / 11.0).collect();
        let grid = Grid::tiles(3, 4, 3, [&ramp[..]; 5], [0.0, 1.0]);
        assert_eq!(decoded(&grid.png().unwrap()), (grid.pixels.clone(), 14, 7));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("grid.png");
        grid.write(&path).unwrap();
        assert_eq!(std::fs::read(path).unwrap(), grid.png().unwrap());
    }

    #[test]
    fn a_picture_is_read_and_thinned() {
        let values: Vec<[f32; 2]> = (0..9).map(|value| [value as f32, value as f32 + 10.0]).collect();
        let grid = Grid::tiles(1, 2, 3, values.iter().map(|tile| &tile[..]), [0.0, 255.0]);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("grid.png");
        grid.write(&path).unwrap();
        assert_eq!(Grid::read(&path).unwrap(), grid);
        let part = |tiles: &[usize]| Grid::tiles(1, 2, 2, tiles.iter().map(|tile| &values[*tile][..]), [0.0, 255.0]);
        assert_eq!(grid.thinned(2, 2, false), part(&[0, 1, 3, 4]));
        assert_eq!(grid.thinned(2, 2, true), part(&[0, 2, 6, 8]));
        assert_eq!(grid.thinned(usize::MAX, 9, true), grid);
        // Lines within tiles that have the grey of the separators are not separators.
        let framed: Vec<f32> = (0..20).map(|pixel| if pixel % 5 == 3 { 128.0 / 255.0 } else { 0.0 }).collect();
        let grid = Grid::tiles(4, 5, 3, [&framed[..]; 3], [0.0, 1.0]);
        assert_eq!(grid.thinned(1, 2, false), Grid::tiles(4, 5, 2, [&framed[..]; 2], [0.0, 1.0]));
        std::fs::write(&path, "no picture").unwrap();
        assert!(Grid::read(&path).is_err());
    }

    #[test]
    fn an_empty_grid_is_an_error_not_a_panic() {
        let grid = Grid::tiles(28, 28, 10, [], [0.0, 1.0]);
        assert!(grid.png().is_err());
        let folder = tempfile::tempdir().unwrap();
        assert!(grid.write(&folder.path().join("grid.png")).is_err());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn quantiles_are_the_published_ones() {
        // The check values of AS 241, and two more to 18 digits by mpmath.
        let known = [
            (0.25, -0.674_489_750_196_081_7),
            (0.001, -3.090_232_306_167_813_5),
            (1e-20, -9.262_340_089_798_408),
            (0.975, 1.959_963_984_540_054),
            (1e-300, -37.047_096_299_361_2),
        ];
        for (probability, quantile) in known {
            let found = standard_normal_quantile(probability);
            assert!((found / quantile - 1.0f64).abs() < 1e-14, "{probability}: {found} is not {quantile}");
        }
        assert_eq!(standard_normal_quantile(0.5), 0.0);
        assert_eq!(standard_normal_quantile(0.0), f64::NEG_INFINITY);
        assert_eq!(standard_normal_quantile(1.0), f64::INFINITY);
        assert!(standard_normal_quantile(-0.1).is_nan() && standard_normal_quantile(1.5).is_nan());
    }

    #[test]
    fn quantiles_are_symmetric_and_grow() {
        let quantiles: Vec<f64> = (1..1024).map(|index| standard_normal_quantile(index as f64 / 1024.0)).collect();
        assert!(quantiles.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(quantiles.iter().zip(quantiles.iter().rev()).all(|(low, high)| *low == -high));
    }

    #[test]
    fn the_manifold_grows_to_the_right_and_upwards() {
        let (low, high) = (-0.674_489_75, 0.674_489_75);
        assert_eq!(manifold_codes(2), [[low, high], [high, high], [low, low], [high, low]]);
        assert_eq!(manifold_codes(1), [[0.0, 0.0]]);
        assert!(manifold_codes(0).is_empty());
    }
}
