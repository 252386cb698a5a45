//! The `vaex` program.

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    vaex::commands::Cli::parse().run()
}
