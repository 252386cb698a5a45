//! `vaex report`: the table of what was trained, and the parquet files.

use super::{DONE, ReportArgs, say};
use std::path::Path;

pub(super) fn run(args: &ReportArgs) -> anyhow::Result<u8> {
    if args.json {
        let report = crate::report::collect(&args.folder)?;
        report.write(&args.folder)?;
        say(&report.json().to_string());
    } else {
        print(&args.folder)?;
    }
    Ok(DONE)
}

/// Writes the tables of a folder, and prints the one for the eye.
pub(super) fn print(folder: &Path) -> anyhow::Result<()> {
    let report = crate::report::collect(folder)?;
    report.write(folder)?;
    say(&report.table());
    Ok(())
}
