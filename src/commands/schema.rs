//! `vaex schema`: writes the schemas of all files that vaex reads and writes, and prints the reference of all keys.

use super::command::Command;
use super::shared::exit::DONE;
use super::shared::print::say;
use crate::folder::{create_folder, write_whole};
use crate::launch::Frozen;
use crate::record::evaluation::Evaluation;
use crate::record::trial::TrialRecord;
use crate::{language, report};
use clap::Args;
use std::path::PathBuf;

/// Write the JSON schemas of specs and output files to schemas/.
#[derive(Debug, Args)]
pub(super) struct SchemaArgs {
    /// Print the reference of all keys as Markdown instead.
    #[arg(long)]
    reference: bool,
}

impl Command for SchemaArgs {
    fn run(&self) -> anyhow::Result<u8> {
        if self.reference {
            say(language::reference().trim_end());
            return Ok(DONE);
        }
        for (file, text) in schemas() {
            let path = PathBuf::from(file);
            create_folder(path.parent().unwrap_or(&path))?;
            write_whole(&path, text.as_bytes())?;
            say(&format!("wrote {file}"));
        }
        Ok(DONE)
    }
}

/// The schemas of all files that vaex reads and writes: path relative to the working directory, and content.
pub fn schemas() -> Vec<(&'static str, String)> {
    let text = |schema: serde_json::Value| format!("{schema:#}\n");
    vec![
        ("schemas/experiment.schema.json", text(language::json_schema())),
        ("schemas/plan.schema.json", text(schemars::schema_for!(Frozen).to_value())),
        ("schemas/trial.schema.json", text(schemars::schema_for!(TrialRecord).to_value())),
        ("schemas/evaluation.schema.json", text(schemars::schema_for!(Evaluation).to_value())),
        ("schemas/tables.json", text(report::tables())),
    ]
}
