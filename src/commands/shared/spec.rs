//! The arguments of commands that read a spec: what they set on top of the file, and which trials they select.

use super::numbers::up_to_a_million;
use crate::language::Override;
use crate::plan::Plan;
use crate::settings::Words;
use crate::train::DEVICES;
use clap::Args;
use clap::builder::PossibleValuesParser;
use std::path::Path;

#[derive(Debug, Args)]
pub(crate) struct SpecArgs {
    /// Set a key of the spec: --set objective.kl_weight=0.1. A key that is swept is not swept any more; paths are relative
    /// to the working directory.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
    /// What computes, whatever the spec says.
    #[arg(long, value_parser = PossibleValuesParser::new(DEVICES.names()))]
    device: Option<String>,
    /// Only trials with this value of a key, or `trial=ID`; may be given several times.
    #[arg(long, value_name = "KEY=VALUE")]
    only: Vec<String>,
    /// Only so many trials, the first ones.
    #[arg(long, value_name = "N", value_parser = up_to_a_million)]
    limit: Option<usize>,
}

impl SpecArgs {
    /// The plan of a spec file, with what is selected of it.
    pub(crate) fn plan(&self, path: &Path) -> anyhow::Result<Plan> {
        let mut plan = Plan::read(path, &self.overrides())?;
        plan.select(&self.only, self.limit).map_err(anyhow::Error::msg)?;
        Ok(plan)
    }

    /// What the command line sets on top of the file.
    fn overrides(&self) -> Vec<Override> {
        let device = self.device.clone().map(Override::Device);
        self.overrides.iter().cloned().map(Override::Set).chain(device).collect()
    }
}
