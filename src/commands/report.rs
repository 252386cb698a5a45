//! `vaex report`: the table of what was trained, and the files of the report.

use super::{DONE, ReportArgs, ReportFormat, complain, say};
use crate::log::record::RECORD_FILE;
use crate::report::{Format, Report};
use std::path::{Path, PathBuf};

pub(super) fn run(args: &ReportArgs) -> anyhow::Result<u8> {
    let format = |format: &ReportFormat| match format {
        ReportFormat::Html => Format::Html,
        ReportFormat::Parquet => Format::Parquet,
        ReportFormat::Csv => Format::Csv,
        ReportFormat::Markdown => Format::Markdown,
    };
    let formats: Vec<Format> = args.format.iter().map(format).collect();
    let report = crate::report::collect(&args.folder)?;
    if args.json {
        say(&report.json().to_string());
        write(&report, &args.folder, &formats);
    } else {
        say(&report.table());
        let pages = write(&report, &args.folder, &formats)
            .into_iter()
            .filter(|file| file.extension() != Some("parquet".as_ref()));
        pages.for_each(|file| say(&format!("wrote {}", file.display())));
    }
    Ok(DONE)
}

/// Prints the table of a folder, and writes the parquet files.
pub(super) fn print(folder: &Path) -> anyhow::Result<Report> {
    let report = crate::report::collect(folder)?;
    say(&report.table());
    write(&report, folder, &[Format::Parquet]);
    Ok(report)
}

/// Writes the files, but not into the folder of a single trial. A folder that is not one's own can be read all the
/// same.
fn write(report: &Report, folder: &Path, formats: &[Format]) -> Vec<PathBuf> {
    if folder.join(RECORD_FILE).exists() {
        return Vec::new();
    }
    let mut written = Vec::new();
    for format in formats {
        match report.write(folder, *format) {
            Ok(files) => written.extend(files),
            Err(error) => complain(&format!("warning: {error}")),
        }
    }
    written
}
