//! Printing the table of a report and writing its files, for `vaex report` and for the end of `vaex run`.

use super::print::{complain, say};
use super::terminal;
use crate::folder::{FileError, TrialFolder};
use crate::report::{self, Format, Place, Report};
use rayon::prelude::*;
use std::path::{Path, PathBuf};

/// Prints the table of a folder and writes its parquet files.
pub(crate) fn print(folder: &Path) -> anyhow::Result<Report> {
    let report = report::collect(folder)?;
    say(&report.table(terminal::width()));
    write(&report, Place::Own(folder), &[Format::Parquet])?;
    Ok(report)
}

/// Writes the report files, but none into a trial folder. Returns the written files, and whether any could not be written.
///
/// # Errors
/// The folder cannot be read.
pub(crate) fn write(report: &Report, place: Place<'_>, formats: &[Format]) -> Result<(Vec<PathBuf>, bool), FileError> {
    let (mut written, mut missed) = (Vec::new(), false);
    let formats = if TrialFolder::new(place.folder()).has_record()? { &[] } else { formats };
    for result in formats.par_iter().map(|format| report.write(place, *format)).collect::<Vec<_>>() {
        match result {
            Ok(files) if files.is_empty() => complain("warning: there are no figures: no trial is done"),
            Ok(files) => written.extend(files),
            Err(error) => {
                complain(&format!("warning: {error}"));
                missed = true;
            }
        }
    }
    Ok((written, missed))
}
