//! `vaex embed`: writes the posteriors of images as a table.

use super::command::Command;
use super::shared::images::ImagesArgs;
use super::shared::output::{Format, Output};
use super::shared::trial::TrialChoice;
use crate::record::tables::{write_columns, write_csv};
use crate::text::counted;
use crate::train::Measured;
use crate::trained::Trained;
use clap::Args;
use polars::prelude::Column;

/// Write a table with the posterior, KL and reconstruction of each image.
#[derive(Debug, Args)]
pub(super) struct EmbedArgs {
    #[command(flatten)]
    trial: TrialChoice,
    #[command(flatten)]
    images: ImagesArgs,
    #[command(flatten)]
    output: Output,
}

impl Command for EmbedArgs {
    fn run(&self) -> anyhow::Result<u8> {
        let format = self.output.format(&[Format::Parquet, Format::Csv])?;
        let trained = self.images.apply_to(Trained::open(&self.trial.folder()?)?, usize::MAX)?;
        let path = self.output.path("embeddings.parquet", &self.images)?;
        let count = trained.images().len();
        let indices: Vec<u32> = (0..count as u32).collect();
        let Measured { posterior, recon_nats, kl_nats } = trained.measure(&indices)?;
        let latent = trained.architecture().latent;
        let column = |name: &str, values: Vec<f32>| Column::new(name.into(), values);
        let axis =
            |values: &[f32], axis: usize| values.iter().skip(axis).step_by(latent).copied().collect::<Vec<f32>>();
        let mut columns =
            vec![Column::new("image".into(), indices.iter().map(|index| i64::from(*index)).collect::<Vec<_>>())];
        if let Some(labels) = trained.images().labels() {
            columns.push(Column::new("label".into(), labels.iter().map(|label| i64::from(*label)).collect::<Vec<_>>()));
        }
        columns.extend((0..latent).map(|index| column(&format!("mean_{index}"), axis(&posterior.mean, index))));
        if trained.has_prior() {
            let name = |index: usize| format!("deviation_{index}");
            columns.extend((0..latent).map(|index| column(&name(index), axis(&posterior.deviation, index))));
            columns.push(column("kl_nats", kl_nats));
        }
        columns.push(column("recon_nats", recon_nats));
        match format {
            Format::Csv => write_csv(&path, &columns)?,
            _ => write_columns(&path, columns)?,
        }
        Ok(self.output.print_written(&trained, &[path], &format!("posteriors of {}", counted(count, "image"))))
    }
}
