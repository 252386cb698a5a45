//! The arguments of commands that read a spec: overrides of keys, and the selection of trials.

use super::numbers::up_to_a_million;
use super::prepared;
use crate::language::Override;
use crate::plan::Plan;
use crate::settings::Words;
use crate::train::DEVICES;
use clap::Args;
use clap::builder::PossibleValuesParser;
use std::path::Path;

#[derive(Debug, Args)]
pub(crate) struct SpecArgs {
    /// Set a key of the spec, such as --set objective.kl_weight=0.1. This replaces a sweep over the key. Paths are relative
    /// to the working directory.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
    /// Device to compute on; overrides the spec.
    #[arg(long, value_parser = PossibleValuesParser::new(DEVICES.names()))]
    device: Option<String>,
    /// Select trials with this value of a key, or with `trial=ID`; can be repeated.
    #[arg(long, value_name = "KEY=VALUE")]
    only: Vec<String>,
    /// Select only the first N trials.
    #[arg(long, value_name = "N", value_parser = up_to_a_million)]
    limit: Option<usize>,
}

impl SpecArgs {
    /// The plan of a spec file, with its selected trials.
    pub(crate) fn plan(&self, path: &Path) -> anyhow::Result<Plan> {
        let mut plan = Plan::with_files(path, &self.overrides(), prepared::files())?;
        plan.select(&self.only, self.limit).map_err(anyhow::Error::msg)?;
        Ok(plan)
    }

    /// Whether the command line selects trials.
    pub(crate) fn selects(&self) -> bool {
        !self.only.is_empty() || self.limit.is_some()
    }

    /// The keys that the command line overrides.
    fn overrides(&self) -> Vec<Override> {
        let device = self.device.clone().map(Override::Device);
        self.overrides.iter().cloned().map(Override::Set).chain(device).collect()
    }
}
