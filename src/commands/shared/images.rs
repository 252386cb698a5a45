//! The images that a command gives to a trained model.

use super::prepared;
use crate::train::Encoded;
use crate::trained::Trained;
use anyhow::bail;
use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Default, Args)]
pub(crate) struct ImagesArgs {
    /// Images, as in `data.images`: a file, a folder, or an array in a file; default: the validation images of the trial.
    #[arg(long, value_name = "PATH")]
    pub(crate) data: Option<PathBuf>,
    /// The file of their labels.
    #[arg(long, value_name = "PATH", requires = "data")]
    pub(crate) labels: Option<PathBuf>,
}

impl ImagesArgs {
    /// The model with its input images.
    pub(crate) fn apply_to(&self, trained: Trained) -> anyhow::Result<Trained> {
        let mut files = prepared::checked_files();
        Ok(match &self.data {
            Some(images) => trained.with_files(&mut files, images, self.labels.as_deref())?,
            None => trained.with_its_images(&mut files)?,
        })
    }
}

/// The images with these numbers, and their posteriors.
pub(crate) fn encoded(trained: &Trained, images: &[usize]) -> anyhow::Result<Encoded> {
    let count = trained.images().len();
    if let Some(image) = images.iter().find(|image| **image >= count) {
        bail!("there is no image {image}: there are {count} images, counted from 0");
    }
    let indices: Vec<u32> = images.iter().map(|image| *image as u32).collect();
    Ok(trained.encode(&indices)?)
}
