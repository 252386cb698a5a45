//! The images that a trained model is used on.

use crate::train::Encoded;
use crate::trained::Trained;
use anyhow::bail;
use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Default, Args)]
pub(crate) struct ImagesArgs {
    /// An IDX file of images; without it, the trial's own validation images.
    #[arg(long, value_name = "FILE")]
    pub(crate) data: Option<PathBuf>,
    /// The IDX file of their labels.
    #[arg(long, value_name = "FILE", requires = "data")]
    pub(crate) labels: Option<PathBuf>,
}

impl ImagesArgs {
    /// The model with the images that it is to be used on; of a file no more than `most` are read, the first ones.
    pub(crate) fn put_into(&self, trained: Trained, most: usize) -> anyhow::Result<Trained> {
        Ok(match &self.data {
            Some(images) => trained.with_files(images, self.labels.as_deref(), most)?,
            None => trained.with_its_images()?,
        })
    }
}

/// Images of the model's, and their posteriors.
pub(crate) fn encoded(trained: &Trained, images: &[usize]) -> anyhow::Result<Encoded> {
    let there = trained.images().len();
    if let Some(image) = images.iter().find(|image| **image >= there) {
        bail!("there is no image {image}: there are {there}, counted from 0");
    }
    let indices: Vec<u32> = images.iter().map(|image| *image as u32).collect();
    Ok(trained.encode(&indices)?)
}
