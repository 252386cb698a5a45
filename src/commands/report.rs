//! `vaex report`: prints the table of results and writes the report files.

use super::command::Command;
use super::shared::exit::{DONE, FAILED, WRONG};
use super::shared::print::say;
use super::shared::report::write;
use super::shared::terminal;
use crate::folder::TrialFolder;
use crate::report::{Format, collect};
use anyhow::bail;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// Print a table of results, and write report.html and parquet tables.
#[derive(Debug, Args)]
pub(super) struct ReportArgs {
    /// Trial folder, experiment folder, or folder that holds experiment folders.
    #[arg(default_value = "runs")]
    folder: PathBuf,
    /// Files to write to the folder of one or several experiments: report.html (charts and pictures on one page), trials and
    /// curves as parquet or CSV, report.md [default: html,parquet].
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
        let requested: Vec<Format> = self.format.iter().map(format).collect();
        let report = collect(&self.folder)?;
        if !requested.is_empty() && TrialFolder::new(&self.folder).has_record()? {
            bail!("{} is a trial folder; --format needs an experiment folder", self.folder.display());
        }
        say(&if self.json { report.json().to_string() } else { report.table(terminal::width()) });
        let formats = if requested.is_empty() { &[Format::Html, Format::Parquet] } else { &*requested };
        let (written, missed) = write(&report, &self.folder, formats)?;
        if !self.json {
            written.iter().for_each(|file| say(&format!("wrote {}", file.display())));
        }
        // A read-only folder can still be reported on. Only files that were requested with --format must be written.
        Ok(match missed && !requested.is_empty() {
            true => WRONG,
            false if report.has_unmet() => FAILED,
            false => DONE,
        })
    }
}
