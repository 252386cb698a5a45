//! `vaex report`: the table of what was trained, and the files of the report.

use super::command::Command;
use super::shared::exit::{DONE, WRONG};
use super::shared::print::say;
use super::shared::report::{is_trial, write};
use super::shared::terminal;
use crate::report::{Format, collect};
use anyhow::bail;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// Sum up what was trained: a table here; a page with charts and pictures and parquet tables in the folder.
#[derive(Debug, Args)]
pub(super) struct ReportArgs {
    /// A trial's folder, an experiment's, or the one that holds experiments.
    #[arg(default_value = "runs")]
    folder: PathBuf,
    /// What to write into the folder of an experiment or of several: report.html (charts and pictures in one page), trials
    /// and curves as parquet or CSV, report.md [default: html,parquet].
    #[arg(long, value_enum, value_delimiter = ',', value_name = "FORMAT,...")]
    format: Vec<ReportFormat>,
    /// Print the table as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ReportFormat {
    Html,
    Parquet,
    Csv,
    Markdown,
}

impl Command for ReportArgs {
    fn run(&self) -> anyhow::Result<u8> {
        let format = |format: &ReportFormat| match format {
            ReportFormat::Html => Format::Html,
            ReportFormat::Parquet => Format::Parquet,
            ReportFormat::Csv => Format::Csv,
            ReportFormat::Markdown => Format::Markdown,
        };
        let asked: Vec<Format> = self.format.iter().map(format).collect();
        let report = collect(&self.folder)?;
        if !asked.is_empty() && is_trial(&self.folder) {
            bail!("{} is a single trial's folder: --format writes into an experiment's", self.folder.display());
        }
        say(&if self.json { report.json().to_string() } else { report.table(terminal::width()) });
        let formats = if asked.is_empty() { &[Format::Html, Format::Parquet] } else { &*asked };
        let (written, missed) = write(&report, &self.folder, formats);
        if !self.json {
            let pages = written.iter().filter(|file| !asked.is_empty() || file.extension() != Some("parquet".as_ref()));
            pages.for_each(|file| say(&format!("wrote {}", file.display())));
        }
        // A folder that is not one's own can be read all the same; what was asked for has to be there.
        Ok(if missed && !asked.is_empty() { WRONG } else { DONE })
    }
}
