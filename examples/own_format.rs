//! vaex with one more file format, PGM-like text files of many small images (`.cells`):
//!
//!     cargo run --release --example own_format -- data FILE.cells
//!     cargo run --release --example own_format -- run SPEC.toml
//!
//! A file has a line "height width", and then one line per image: its label, and its values from 0 to 255. This program has all
//! commands of vaex, and specs can name such files in `data.images`.

use std::path::Path;
use std::process::ExitCode;
use vaex::{FileImages, ImageFormat, add_format, start};

/// Text files of cells.
#[derive(Debug)]
struct Cells;

impl ImageFormat for Cells {
    fn name(&self) -> &'static str {
        "cells"
    }

    fn recognizes(&self, path: &Path, _: &[u8]) -> bool {
        path.extension().is_some_and(|ending| ending == "cells")
    }

    fn read(&self, path: &Path) -> Result<FileImages, String> {
        let text = std::fs::read_to_string(path).map_err(|error| format!("cannot be read: {error}"))?;
        let mut lines = text.lines();
        let sizes: Result<Vec<usize>, _> = lines.next().unwrap_or_default().split(' ').map(str::parse).collect();
        let Ok([height, width]) = sizes.as_deref() else {
            return Err("does not begin with a height and a width; write both on its first line".to_owned());
        };
        let (height, width) = (*height, *width);
        let (mut values, mut labels) = (Vec::new(), Vec::new());
        for (number, line) in lines.enumerate() {
            let mut fields = line.split_whitespace();
            let wrong =
                || format!("has no label and {} values on line {}; correct the line", height * width, number + 2);
            labels.push(fields.next().and_then(|label| label.parse().ok()).ok_or_else(wrong)?);
            let image: Vec<u8> = fields.map(str::parse).collect::<Result<_, _>>().map_err(|_| wrong())?;
            if image.len() != height * width {
                return Err(wrong());
            }
            values.extend(image);
        }
        Ok(FileImages { shape: [height, width, 1], values, labels: vec![("label".to_owned(), labels)] })
    }
}

fn main() -> ExitCode {
    add_format(Cells);
    start()
}
