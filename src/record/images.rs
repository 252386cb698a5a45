//! Pictures that are grids of tiles, grey or in color, as PNG or GIF files.

use crate::data::ImageShape;
use crate::folder::{self, FileError};
use std::io;
use std::path::Path;

/// Grey of the lines between tiles and of missing tiles.
const SEPARATOR: u8 = 128;

/// A picture, 8 bits per value: grey, or with red, green and blue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grid {
    /// Its height, width and channels.
    pub shape: ImageShape,
    /// The values in the order height, width, channels; 0 is black.
    pub values: Vec<u8>,
}

impl Grid {
    /// Places tiles in rows of `columns` (fewer if there are fewer tiles), with a line of one pixel between them.
    ///
    /// `range` has the values that are black and white; values outside are clamped, NaN is black. A tile that does not have
    /// the shape `tile`, such as an empty one, is left grey.
    pub fn tiles<'a>(
        tile: ImageShape,
        columns: usize,
        tiles: impl IntoIterator<Item = &'a [f32]>,
        range: [f32; 2],
    ) -> Grid {
        Grid::with_gap(1, tile, columns, tiles, range)
    }

    /// As [`Grid::tiles`], without lines between the tiles.
    pub fn sprite<'a>(
        tile: ImageShape,
        columns: usize,
        tiles: impl IntoIterator<Item = &'a [f32]>,
        range: [f32; 2],
    ) -> Grid {
        Grid::with_gap(0, tile, columns, tiles, range)
    }

    fn with_gap<'a>(
        gap: usize,
        shape: ImageShape,
        columns: usize,
        tiles: impl IntoIterator<Item = &'a [f32]>,
        range: [f32; 2],
    ) -> Grid {
        let tiles: Vec<&[f32]> = tiles.into_iter().collect();
        let columns = columns.min(tiles.len()).max(1);
        let rows = tiles.len().div_ceil(columns);
        let extent = |tiles: usize, side: usize| (tiles * (side + gap)).saturating_sub(gap);
        let whole = ImageShape { height: extent(rows, shape.height), width: extent(columns, shape.width), ..shape };
        let mut grid = Grid { shape: whole, values: vec![SEPARATOR; whole.values()] };
        for (index, tile) in tiles.into_iter().enumerate() {
            if tile.len() == shape.values() && !tile.is_empty() {
                let corner = [index / columns * (shape.height + gap), index % columns * (shape.width + gap)];
                grid.draw(corner, shape, tile, range);
            }
        }
        grid
    }

    /// Rows of inputs, each above the row of its reconstructions, with `columns` pairs per row.
    ///
    /// `tile` and `range` are as in [`Grid::tiles`]; tiles without a partner are left out.
    pub fn pairs(
        tile: ImageShape,
        columns: usize,
        inputs: &[&[f32]],
        reconstructions: &[&[f32]],
        range: [f32; 2],
    ) -> Grid {
        let pairs = inputs.len().min(reconstructions.len());
        let columns = columns.min(pairs).max(1);
        let tiles = interleave_rows(&inputs[..pairs], &reconstructions[..pairs], columns);
        Grid::tiles(tile, columns, tiles, range)
    }

    /// The picture as the bytes of a PNG file.
    ///
    /// # Errors
    /// The picture is empty, or its shape does not match its values, or does not have 1 or 3 channels.
    pub fn png(&self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let mut encoder = self.encoder(&mut bytes)?;
        // Several times faster than the default; training waits for it.
        encoder.set_compression(png::Compression::Fast);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&self.values)?;
        writer.finish()?;
        Ok(bytes)
    }

    fn encoder<'a>(&self, bytes: &'a mut Vec<u8>) -> io::Result<png::Encoder<'a, &'a mut Vec<u8>>> {
        let side = |pixels: usize| u32::try_from(pixels).map_err(io::Error::other);
        let mut encoder = png::Encoder::new(bytes, side(self.shape.width)?, side(self.shape.height)?);
        encoder.set_color(match self.shape.channels {
            1 => png::ColorType::Grayscale,
            3 => png::ColorType::Rgb,
            channels => return Err(io::Error::other(format!("a picture has 1 or 3 channels, not {channels}"))),
        });
        encoder.set_depth(png::BitDepth::Eight);
        Ok(encoder)
    }

    /// Writes pictures of equal size as an animated PNG: ten per second, repeated forever.
    ///
    /// # Errors
    /// The file cannot be written, there is no picture, or a picture is empty or has another size.
    pub fn write_animation(frames: &[Grid], path: &Path) -> Result<(), FileError> {
        let bytes = || -> io::Result<Vec<u8>> {
            let mut bytes = Vec::new();
            let first = frames.first().ok_or_else(|| io::Error::other("there is no picture"))?;
            let mut encoder = first.encoder(&mut bytes)?;
            encoder.set_animated(u32::try_from(frames.len()).map_err(io::Error::other)?, 0)?;
            encoder.set_frame_delay(1, 10)?;
            let mut writer = encoder.write_header()?;
            frames.iter().try_for_each(|frame| writer.write_image_data(&frame.values))?;
            writer.finish()?;
            Ok(bytes)
        };
        folder::write_unsynced(path, &bytes().map_err(FileError::at("write", path))?)
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
            let (width, height) = (side(first.shape.width)?, side(first.shape.height)?);
            let greys: Vec<u8> = (0..=u8::MAX).flat_map(|grey| [grey; 3]).collect();
            let mut encoder = gif::Encoder::new(&mut bytes, width, height, &greys).map_err(io::Error::other)?;
            encoder.set_repeat(gif::Repeat::Infinite).map_err(io::Error::other)?;
            for frame in frames {
                if frame.shape != first.shape {
                    return Err(io::Error::other("the pictures have different sizes"));
                }
                let frame = match frame.shape.channels {
                    1 => {
                        let buffer = std::borrow::Cow::Borrowed(&*frame.values);
                        gif::Frame { width, height, buffer, delay: 10, ..gif::Frame::default() }
                    }
                    // A palette of its own: the format has at most 256 colors.
                    _ => gif::Frame { delay: 10, ..gif::Frame::from_rgb_speed(width, height, &frame.values, 10) },
                };
                encoder.write_frame(&frame).map_err(io::Error::other)?;
            }
            drop(encoder);
            Ok(bytes)
        };
        folder::write_unsynced(path, &bytes().map_err(FileError::at("write", path))?)
    }

    /// Writes the picture as a PNG file, atomically.
    ///
    /// # Errors
    /// The file cannot be written, or [`Grid::png`] fails.
    pub fn write(&self, path: &Path) -> Result<(), FileError> {
        folder::write_unsynced(path, &self.png().map_err(FileError::at("write", path))?)
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
            let channels = match reader.output_color_type() {
                (png::ColorType::Grayscale, png::BitDepth::Eight) => 1,
                (png::ColorType::Rgb, png::BitDepth::Eight) => 3,
                _ => return Err(io::Error::other("it is not a picture with 8 bits per grey value or color")),
            };
            let shape = ImageShape { height, width, channels };
            let mut values = vec![0; shape.values()];
            reader.next_frame(&mut values)?;
            Ok(Grid { shape, values })
        };
        decode().map_err(FileError::at("read", path))
    }

    /// The picture reduced to at most `rows` and `columns` of tiles: the first ones, or evenly spread ones if `spread`.
    pub fn thinned(&self, rows: usize, columns: usize, spread: bool) -> Grid {
        let ImageShape { height, width, channels } = self.shape;
        let row = |y: usize| &self.values[y * width * channels..][..width * channels];
        let is_grey = |values: &[u8]| values.iter().all(|value| *value == SEPARATOR);
        let is_line = |x: usize| (0..height).all(|y| is_grey(&row(y)[x * channels..][..channels]));
        let is_row = |y: usize| is_grey(row(y));
        // Tiles can contain grey lines, but these do not divide the whole side into equal parts.
        let cuts = |side: usize, tile: usize, is_cut: &dyn Fn(usize) -> bool| {
            (side + 1).is_multiple_of(tile + 1) && (tile..side).step_by(tile + 1).all(is_cut)
        };
        let tile_width = (1..width).find(|tile| cuts(width, *tile, &is_line)).unwrap_or(width);
        let tile_height = (1..height).find(|tile| cuts(height, *tile, &is_row)).unwrap_or(height);
        let kept = |side: usize, tile: usize, most: usize| -> Vec<usize> {
            let there = (side + 1) / (tile + 1);
            let kept = there.min(most);
            let index = |tile: usize| if spread && kept > 1 { tile * (there - 1) / (kept - 1) } else { tile };
            (0..kept).map(|one| index(one) * (tile + 1)).collect()
        };
        let lines = kept(height, tile_height, rows);
        let starts = kept(width, tile_width, columns);
        let mut values = Vec::new();
        for (index, line) in lines.iter().enumerate() {
            // With the line below it, except for the last row.
            let gap = usize::from(index + 1 < lines.len());
            for y in *line..*line + tile_height + gap {
                for (index, start) in starts.iter().enumerate() {
                    let gap = usize::from(index + 1 < starts.len());
                    values.extend_from_slice(&row(y)[start * channels..][..(tile_width + gap) * channels]);
                }
            }
        }
        let extent = |count: usize, side: usize| (count * (side + 1)).saturating_sub(1);
        let (height, width) = (extent(lines.len(), tile_height), extent(starts.len(), tile_width));
        Grid { shape: ImageShape { height, width, channels }, values }
    }

    /// Draws a tile with its upper left pixel at `corner` = [row, column].
    fn draw(&mut self, corner: [usize; 2], shape: ImageShape, tile: &[f32], range: [f32; 2]) {
        let length = shape.width * shape.channels;
        for (row, values) in tile.chunks_exact(length).enumerate() {
            let start = ((corner[0] + row) * self.shape.width + corner[1]) * shape.channels;
            for (value, &number) in self.values[start..start + length].iter_mut().zip(values) {
                *value = byte(number, range);
            }
        }
    }
}

/// A value as a byte: 0 for black, 255 for white.
fn byte(value: f32, [black, white]: [f32; 2]) -> u8 {
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The values of a PNG file, its width and height, and its kind of color.
    fn decoded(bytes: &[u8]) -> (Vec<u8>, u32, u32, png::ColorType) {
        let mut reader = png::Decoder::new(io::Cursor::new(bytes)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        assert_eq!(info.bit_depth, png::BitDepth::Eight);
        (pixels, info.width, info.height, info.color_type)
    }

    #[test]
    fn tiles_lie_in_rows_with_a_line_between() {
        let tiles = [[-1.0, 0.0, 0.5, 1.0], [2.0, 1.0, f32::NAN, -3.0], [1.0, 1.0, 1.0, 1.0]];
        let grid = Grid::tiles(ImageShape::grey(2, 2), 2, tiles.iter().map(|tile| &tile[..]), [-1.0, 1.0]);
        let s = SEPARATOR;
        #[rustfmt::skip]
        let expected = vec![
              0, 128, s, 255, 255,
            191, 255, s,   0,   0,
              s,   s, s,   s,   s,
            255, 255, s,   s,   s,
            255, 255, s,   s,   s,
        ];
        assert_eq!(grid, Grid { shape: ImageShape::grey(5, 5), values: expected });
    }

    #[test]
    fn a_reconstruction_lies_beneath_its_input() {
        let values: Vec<[f32; 1]> = (1..=6).map(|value| [value as f32]).collect();
        let tiles: Vec<&[f32]> = values.iter().map(|tile| &tile[..]).collect();
        let (inputs, reconstructions) = tiles.split_at(3);
        let rows = interleave_rows(inputs, reconstructions, 2);
        let first = |tile: &&[f32]| tile.first().copied().unwrap_or(0.0);
        assert_eq!(rows.iter().map(first).collect::<Vec<_>>(), [1.0, 2.0, 4.0, 5.0, 3.0, 0.0, 6.0, 0.0]);
        let grid = Grid::pairs(ImageShape::grey(1, 1), 2, inputs, reconstructions, [0.0, 255.0]);
        let s = SEPARATOR;
        assert_eq!(grid.values, [1, s, 2, s, s, s, 4, s, 5, s, s, s, 3, s, s, s, s, s, 6, s, s]);
    }

    #[test]
    fn a_png_decodes_to_the_same_pixels() {
        let ramp: Vec<f32> = (0..12).map(|index| index as f32 / 11.0).collect();
        let grid = Grid::tiles(ImageShape::grey(3, 4), 3, [&ramp[..]; 5], [0.0, 1.0]);
        assert_eq!(decoded(&grid.png().unwrap()), (grid.values.clone(), 14, 7, png::ColorType::Grayscale));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("grid.png");
        grid.write(&path).unwrap();
        assert_eq!(std::fs::read(path).unwrap(), grid.png().unwrap());
    }

    #[test]
    fn colors_stay_together() {
        let tile = ImageShape { height: 1, width: 2, channels: 3 };
        let tiles = [[0.0, 0.5, 1.0, 0.25, 0.0, 0.0], [1.0, 1.0, 0.0, 0.0, 0.0, 1.0]];
        let grid = Grid::tiles(tile, 2, tiles.iter().map(|tile| &tile[..]), [0.0, 1.0]);
        let s = SEPARATOR;
        let expected = vec![0, 128, 255, 64, 0, 0, s, s, s, 255, 255, 0, 0, 0, 255];
        assert_eq!(grid, Grid { shape: ImageShape { height: 1, width: 5, channels: 3 }, values: expected });
        assert_eq!(decoded(&grid.png().unwrap()), (grid.values.clone(), 5, 1, png::ColorType::Rgb));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("grid.png");
        grid.write(&path).unwrap();
        assert_eq!(Grid::read(&path).unwrap(), grid);
        assert_eq!(grid.thinned(1, 1, false), Grid::tiles(tile, 1, [&tiles[0][..]], [0.0, 1.0]));
        let frames = [&grid, &grid].map(Clone::clone);
        Grid::write_gif(&frames, &folder.path().join("moving.gif")).unwrap();
        let file = std::fs::File::open(folder.path().join("moving.gif")).unwrap();
        let mut options = gif::DecodeOptions::new();
        options.set_color_output(gif::ColorOutput::RGBA);
        let mut decoder = options.read_info(file).unwrap();
        let frame = decoder.read_next_frame().unwrap().unwrap();
        let colors: Vec<u8> = frame.buffer.chunks(4).flat_map(|pixel| pixel[..3].to_vec()).collect();
        assert_eq!(colors, grid.values);
    }

    #[test]
    fn a_picture_is_read_and_thinned() {
        let values: Vec<[f32; 2]> = (0..9).map(|value| [value as f32, value as f32 + 10.0]).collect();
        let grid = Grid::tiles(ImageShape::grey(1, 2), 3, values.iter().map(|tile| &tile[..]), [0.0, 255.0]);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("grid.png");
        grid.write(&path).unwrap();
        assert_eq!(Grid::read(&path).unwrap(), grid);
        let part = |tiles: &[usize]| {
            Grid::tiles(ImageShape::grey(1, 2), 2, tiles.iter().map(|tile| &values[*tile][..]), [0.0, 255.0])
        };
        assert_eq!(grid.thinned(2, 2, false), part(&[0, 1, 3, 4]));
        assert_eq!(grid.thinned(2, 2, true), part(&[0, 2, 6, 8]));
        assert_eq!(grid.thinned(usize::MAX, 9, true), grid);
        // Lines within tiles that have the grey of the separators are not separators.
        let framed: Vec<f32> = (0..20).map(|pixel| if pixel % 5 == 3 { 128.0 / 255.0 } else { 0.0 }).collect();
        let grid = Grid::tiles(ImageShape::grey(4, 5), 3, [&framed[..]; 3], [0.0, 1.0]);
        assert_eq!(grid.thinned(1, 2, false), Grid::tiles(ImageShape::grey(4, 5), 2, [&framed[..]; 2], [0.0, 1.0]));
        std::fs::write(&path, "no picture").unwrap();
        assert!(Grid::read(&path).is_err());
    }

    #[test]
    fn an_empty_grid_is_an_error_not_a_panic() {
        let grid = Grid::tiles(ImageShape::grey(28, 28), 10, [], [0.0, 1.0]);
        assert!(grid.png().is_err());
        let folder = tempfile::tempdir().unwrap();
        assert!(grid.write(&folder.path().join("grid.png")).is_err());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
