//! `vaex report`: the table of what was trained, and the parquet files.

use super::{DONE, ReportArgs, complain, say};
use crate::log::record::RECORD_FILE;
use crate::report::Report;
use std::path::Path;

pub(super) fn run(args: &ReportArgs) -> anyhow::Result<u8> {
    if args.json {
        let report = crate::report::collect(&args.folder)?;
        say(&report.json().to_string());
        write(&report, &args.folder);
    } else {
        print(&args.folder)?;
    }
    Ok(DONE)
}

/// Prints the table of a folder, and writes the parquet files.
pub(super) fn print(folder: &Path) -> anyhow::Result<()> {
    let report = crate::report::collect(folder)?;
    say(&report.table());
    write(&report, folder);
    Ok(())
}

/// Writes the tables, but not into the folder of a single trial. A folder that is not one's own can be read all the
/// same.
fn write(report: &Report, folder: &Path) {
    if folder.join(RECORD_FILE).exists() {
        return;
    }
    if let Err(error) = report.write(folder) {
        complain(&format!("warning: {error}"));
    }
}
