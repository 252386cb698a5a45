//! `vaex report`: prints the table of results and writes the report files.

use super::command::Command;
use super::shared::exit::{DONE, FAILED, WRONG};
use super::shared::print::say;
use super::shared::report::write;
use super::shared::terminal;
use crate::folder::TrialFolder;
use crate::report::{Format, Place, collect_all};
use anyhow::bail;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// Print a table of results, and write report.html and parquet tables.
#[derive(Debug, Args)]
pub(super) struct ReportArgs {
    /// Trial folders, experiment folders, or folders that hold experiment folders. Several need --output.
    #[arg(default_value = "runs", value_name = "FOLDER")]
    folders: Vec<PathBuf>,
    /// Files to write to the folder of one or several experiments: report.html (charts and pictures on one page), trials and
    /// curves as parquet or CSV, report.md, and for papers report.tex and a folder of figures as SVG [default: html,parquet].
    #[arg(long, value_enum, value_delimiter = ',', value_name = "FORMAT,...")]
    format: Vec<ReportFormat>,
    /// Folder to write all files to, instead of the folders of the experiments.
    #[arg(long, short, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Report only trials with this value of a key, or with `trial=ID`; can be repeated. Files are written with --output only.
    #[arg(long, value_name = "KEY=VALUE")]
    only: Vec<String>,
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
    Latex,
    Svg,
}

impl Command for ReportArgs {
    fn run(&self) -> anyhow::Result<u8> {
        let format = |format: &ReportFormat| match format {
            ReportFormat::Html => Format::Html,
            ReportFormat::Parquet => Format::Parquet,
            ReportFormat::Csv => Format::Csv,
            ReportFormat::Markdown => Format::Markdown,
            ReportFormat::Latex => Format::Latex,
            ReportFormat::Svg => Format::Svg,
        };
        let requested: Vec<Format> = self.format.iter().map(format).collect();
        let place = match (&self.output, &*self.folders) {
            (Some(output), _) => Place::Elsewhere(output),
            (None, [folder]) => Place::Own(folder),
            _ => bail!("a report of several folders needs --output DIR: the folder to write it to"),
        };
        if !self.only.is_empty() && !requested.is_empty() && self.output.is_none() {
            bail!(
                "--only and --format need --output DIR: the files in the folder of an experiment have all of its trials"
            );
        }
        let mut report = collect_all(&self.folders)?;
        let is_requested = !requested.is_empty() || self.output.is_some();
        if is_requested && TrialFolder::new(place.folder()).has_record()? {
            let needed = if self.output.is_some() { "--output needs another" } else { "--format needs an experiment" };
            bail!("{} is a trial folder; {needed} folder", place.folder().display());
        }
        if let Some(output) = &self.output
            && let Some(experiment) = report.experiment_of(output)
        {
            let name = &experiment.name;
            bail!(
                "{} is the folder of the experiment `{name}`, whose files have all of its trials; choose another folder for --output",
                output.display()
            );
        }
        report.select(&self.only).map_err(anyhow::Error::msg)?;
        say(&if self.json { report.json().to_string() } else { report.table(terminal::width()) });
        let formats = if requested.is_empty() { &[Format::Html, Format::Parquet] } else { &*requested };
        let formats = if self.only.is_empty() || self.output.is_some() { formats } else { &[] };
        let (written, missed) = write(&report, place, formats)?;
        if !self.json {
            written.iter().for_each(|file| say(&format!("wrote {}", file.display())));
        }
        // A read-only folder can still be reported on. Only files that were requested with --format or --output must be written.
        Ok(match missed && is_requested {
            true => WRONG,
            false if report.has_unmet() => FAILED,
            false => DONE,
        })
    }
}
