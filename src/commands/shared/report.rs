//! The table of a report and its files, as `vaex report` shows and writes them and `vaex run` does at its end.

use super::print::{complain, say};
use super::terminal;
use crate::record::trial::RECORD_FILE;
use crate::report::{self, Format, Report};
use std::path::{Path, PathBuf};

/// Prints the table of a folder, and writes the parquet files.
pub(crate) fn print(folder: &Path) -> anyhow::Result<Report> {
    let report = report::collect(folder)?;
    say(&report.table(terminal::width()));
    write(&report, folder, &[Format::Parquet]);
    Ok(report)
}

/// Writes the files, but not into the folder of a single trial; those that were, and whether one could not be.
pub(crate) fn write(report: &Report, folder: &Path, formats: &[Format]) -> (Vec<PathBuf>, bool) {
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

/// Whether a folder is a single trial's.
pub(crate) fn is_trial(folder: &Path) -> bool {
    folder.join(RECORD_FILE).exists()
}
