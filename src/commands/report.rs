//! `vaex report`: the table of what was trained, and the files of the report.

use super::{DONE, ReportArgs, ReportFormat, WRONG, complain, say, terminal};
use crate::folder::TrialFolder;
use crate::report::{Format, Report};
use anyhow::bail;
use std::path::{Path, PathBuf};

pub(super) fn run(args: &ReportArgs) -> anyhow::Result<u8> {
    let format = |format: &ReportFormat| match format {
        ReportFormat::Html => Format::Html,
        ReportFormat::Parquet => Format::Parquet,
        ReportFormat::Csv => Format::Csv,
        ReportFormat::Markdown => Format::Markdown,
    };
    let asked: Vec<Format> = args.format.iter().map(format).collect();
    let report = crate::report::collect(&args.folder)?;
    if !asked.is_empty() && is_trial(&args.folder) {
        bail!("{} is a single trial's folder: --format writes into an experiment's", args.folder.display());
    }
    say(&if args.json { report.json().to_string() } else { report.table(terminal::width()) });
    let formats = if asked.is_empty() { &[Format::Html, Format::Parquet] } else { &*asked };
    let (written, missed) = write(&report, &args.folder, formats);
    if !args.json {
        let pages = written.iter().filter(|file| !asked.is_empty() || file.extension() != Some("parquet".as_ref()));
        pages.for_each(|file| say(&format!("wrote {}", file.display())));
    }
    // A folder that is not one's own can be read all the same; what was asked for has to be there.
    Ok(if missed && !asked.is_empty() { WRONG } else { DONE })
}

/// Prints the table of a folder, and writes the parquet files.
pub(super) fn print(folder: &Path) -> anyhow::Result<Report> {
    let report = crate::report::collect(folder)?;
    say(&report.table(terminal::width()));
    write(&report, folder, &[Format::Parquet]);
    Ok(report)
}

/// Writes the files, but not into the folder of a single trial; those that were, and whether one could not be.
fn write(report: &Report, folder: &Path, formats: &[Format]) -> (Vec<PathBuf>, bool) {
    let (mut written, mut missed) = (Vec::new(), false);
    let formats = if is_trial(folder) { &[] } else { formats };
    for format in formats {
        match report.write(folder, *format) {
            Ok(files) => written.extend(files),
            Err(error) => {
                complain(&format!("warning: {error}"));
                missed = true;
            }
        }
    }
    (written, missed)
}

fn is_trial(folder: &Path) -> bool {
    TrialFolder::new(folder).has_record()
}
