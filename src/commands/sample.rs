//! `vaex sample`: samples images from the prior of a trained model.

use super::command::Command;
use super::shared::images::ImagesArgs;
use super::shared::numbers::{count, not_negative};
use super::shared::output::{Format, Output, destination, format, same_file};
use super::shared::picture::{check_picture_size, grid, require_prior, square, tiles};
use super::shared::trial::ModelChoice;
use crate::folder::{FileError, write_whole};
use crate::text::counted;
use anyhow::bail;
use clap::Args;
use npyz::WriterBuilder;
use std::io;
use std::path::{Path, PathBuf};

/// Sample images from the prior of a trained model.
#[derive(Debug, Args)]
pub(super) struct SampleArgs {
    #[command(flatten)]
    model: ModelChoice,
    /// Number of images.
    #[arg(short = 'n', long, default_value = "64", value_parser = count, allow_negative_numbers = true)]
    count: usize,
    /// Factor of the standard deviations of the prior that codes are sampled from: N(0, T^2) for the standard prior.
    #[arg(long, default_value = "1.0", value_name = "T", value_parser = not_negative, allow_negative_numbers = true)]
    temperature: f32,
    /// Seed of the codes.
    #[arg(long, default_value = "0")]
    seed: u64,
    /// Also write the expected values to a .npy file: shape (N, Height, Width), or (N, Height, Width, Channels) for images in color, in the range of the data.
    #[arg(long, value_name = "FILE.npy")]
    raw: Option<PathBuf>,
    #[command(flatten)]
    output: Output,
}

impl Command for SampleArgs {
    fn run(&self) -> anyhow::Result<u8> {
        self.output.format(&[Format::Png])?;
        self.raw.as_ref().map(|raw| format(raw, &[Format::Npy])).transpose()?;
        let trained = self.model.open()?;
        require_prior(&trained)?;
        check_picture_size(&trained, self.count)?;
        let none = ImagesArgs::default();
        let path = self.output.path("samples.png", &none)?;
        let raw = self.raw.as_ref().map(|raw| destination(raw, &none)).transpose()?;
        // The suffixes differ, but links can lead to the same file.
        if raw.as_ref().is_some_and(|raw| raw == &path || same_file(raw, &path)) {
            bail!(
                "{} would be written by both --output and --raw; choose another name for one of them",
                path.display()
            );
        }
        let codes = trained.prior_codes(self.count, self.seed, self.temperature)?;
        let values = trained.decode(&codes)?;
        grid(&trained, square(self.count), &tiles(&trained, &values)).write(&path)?;
        let mut files = vec![path];
        if let Some(raw) = raw {
            let image = trained.architecture().image;
            let sizes = [self.count, image.height, image.width, image.channels];
            write_npy(&raw, if image.channels == 1 { &sizes[..3] } else { &sizes }, &values)?;
            files.push(raw);
        }
        Ok(self.output.print_written(&trained, &files, &counted(self.count, "sample")))
    }
}

/// Writes a NumPy array of f32.
fn write_npy(path: &Path, sizes: &[usize], values: &[f32]) -> Result<(), FileError> {
    let bytes = || -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let sizes: Vec<u64> = sizes.iter().map(|size| *size as u64).collect();
        let mut writer = npyz::WriteOptions::new().default_dtype().shape(&sizes).writer(&mut bytes).begin_nd()?;
        writer.extend(values.iter().copied())?;
        writer.finish()?;
        Ok(bytes)
    };
    write_whole(path, &bytes().map_err(FileError::at("write", path))?)
}
