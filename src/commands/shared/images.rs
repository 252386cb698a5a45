//! The images that a command gives to a trained model.

use crate::train::Encoded;
use crate::trained::Trained;
use anyhow::bail;
use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Default, Args)]
pub(crate) struct ImagesArgs {
    /// IDX file of images; default: the validation images of the trial.
    #[arg(long, value_name = "FILE")]
    pub(crate) data: Option<PathBuf>,
    /// IDX file of their labels.
    #[arg(long, value_name = "FILE", requires = "data")]
    pub(crate) labels: Option<PathBuf>,
}

impl ImagesArgs {
    /// The model with its input images. At most `most` images of a file are read, from its start.
    pub(crate) fn put_into(&self, trained: Trained, most: usize) -> anyhow::Result<Trained> {
        Ok(match &self.data {
            Some(images) => trained.with_files(images, self.labels.as_deref(), most)?,
            None => trained.with_its_images()?,
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
