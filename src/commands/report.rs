//! `vaex report`: the table of what was trained, and the parquet files.

use super::{DONE, ReportArgs, say};
use std::path::Path;

pub(super) fn run(args: &ReportArgs) -> anyhow::Result<u8> {
    if args.json {
        let report = crate::report::collect(&args.folder)?;
        say(&report.json().to_string());
        report.write(&args.folder)?;
    } else {
        print(&args.folder)?;
    }
    Ok(DONE)
}

/// Prints the table of a folder, and writes the parquet files.
pub(super) fn print(folder: &Path) -> anyhow::Result<()> {
    let report = crate::report::collect(folder)?;
    say(&report.table());
    report.write(folder)?;
    Ok(())
}
