//! `vaex embed`: writes the posteriors of images as a table.

use super::command::Command;
use super::shared::images::ImagesArgs;
use super::shared::output::{Format, Output};
use super::shared::trial::ModelChoice;
use crate::record::tables::{write_columns, write_csv};
use crate::text::counted;
use crate::train::Measured;
use clap::Args;
use polars::prelude::Column;

/// Write a table with the posterior, KL and reconstruction of each image.
#[derive(Debug, Args)]
pub(super) struct EmbedArgs {
    #[command(flatten)]
    model: ModelChoice,
    #[command(flatten)]
    images: ImagesArgs,
    #[command(flatten)]
    output: Output,
}

impl Command for EmbedArgs {
    fn run(&self) -> anyhow::Result<u8> {
        let format = self.output.format(&[Format::Parquet, Format::Csv])?;
        let trained = self.images.apply_to(self.model.open()?)?;
        let path = self.output.path("embeddings.parquet", &self.images)?;
        let count = trained.images().len();
        let indices: Vec<u32> = (0..count as u32).collect();
        let Measured { posterior, recon_nats, kl_nats } = trained.measure(&indices)?;
        let latent = trained.architecture().latent;
        let column = |name: &str, values: Vec<f32>| Column::new(name.into(), values);
        let axis =
            |values: &[f32], axis: usize| values.iter().skip(axis).step_by(latent).copied().collect::<Vec<f32>>();
        let numbers = |name: &str, values: Vec<i64>| Column::new(name.into(), values);
        let mut columns = vec![
            numbers("image", indices.iter().map(|index| i64::from(*index)).collect()),
            // Its number in the files of its split, so that it can be found there.
            numbers("source_image", (0..count).map(|index| trained.images().stored(index) as i64).collect()),
        ];
        for column in trained.images().columns() {
            let values = trained.images().values_of(column);
            let name = free_name(&column.name, &columns);
            columns.push(numbers(&name, values.iter().map(|value| i64::from(*value)).collect()));
            if column.names().is_some() {
                let names: Vec<String> = values.iter().map(|value| column.name_of(*value).into_owned()).collect();
                let name = free_name(&format!("{name}_name"), &columns);
                columns.push(Column::new(name.into(), names));
            }
        }
        columns.extend((0..latent).map(|index| column(&format!("mean_{index}"), axis(&posterior.mean, index))));
        if trained.is_variational() {
            let name = |index: usize| format!("deviation_{index}");
            columns.extend((0..latent).map(|index| column(&name(index), axis(&posterior.deviation, index))));
            columns.push(column("kl_nats", kl_nats));
        }
        columns.push(column("recon_nats", recon_nats));
        match format {
            Format::Csv => write_csv(&path, columns)?,
            _ => write_columns(&path, columns)?,
        }
        Ok(self.output.print_written(&trained, &[path], &format!("posteriors of {}", counted(count, "image"))))
    }
}

/// The name of a column of labels, which must differ from those of all others.
fn free_name(name: &str, columns: &[Column]) -> String {
    let starts = ["mean_", "deviation_", "recon_nats", "kl_nats"];
    let is_taken = |name: &str| {
        starts.iter().any(|start| name.starts_with(start))
            || columns.iter().any(|column| column.name().as_str() == name)
    };
    let mut free = name.to_owned();
    while is_taken(&free) {
        free = format!("label_{free}");
    }
    free
}
