//! `vaex devices`: the processor and the GPUs that trials can run on.

use super::command::Command;
use super::shared::exit::DONE;
use super::shared::format::bytes;
use super::shared::print::say;
use crate::machine::{free_memory, processor};
use crate::tensor::backend::{CardInfo, cards};
use crate::text::counted;
use clap::Args;
use serde_json::json;

/// List the processor and the GPUs that trials can run on.
#[derive(Debug, Args)]
pub(super) struct DevicesArgs {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Command for DevicesArgs {
    fn run(&self) -> anyhow::Result<u8> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let (processor, free, cards) = (processor(), free_memory(), cards());
        if self.json {
            let of = |card: &CardInfo| {
                let (major, minor) = card.capability;
                json!({ "name": card.name, "capability": format!("{major}.{minor}"), "memory": card.memory })
            };
            let cuda = match &cards {
                Ok((cards, driver)) => json!({ "driver": driver, "gpus": cards.iter().map(of).collect::<Vec<_>>() }),
                Err(reason) => json!({ "driver": null, "gpus": [], "reason": reason }),
            };
            let cpu = json!({ "name": processor, "cores": cores, "free_memory": free });
            say(&json!({ "cpu": cpu, "cuda": cuda }).to_string());
            return Ok(DONE);
        }
        let free = free.map(|free| format!(", {} of memory free", bytes(free))).unwrap_or_default();
        let name = processor.unwrap_or_else(|| "a processor".to_owned());
        say(&format!("cpu   {name}, {}{free}", counted(cores, "core")));
        match cards {
            Ok((cards, driver)) => {
                for (number, card) in cards.iter().enumerate() {
                    let ((major, minor), memory) = (card.capability, bytes(card.memory as f64));
                    let driver = format!("driver for CUDA {}.{}", driver / 1000, driver % 1000 / 10);
                    let name = &card.name;
                    say(&format!(
                        "cuda  {number}: {name}, {memory} of memory, compute capability {major}.{minor}, {driver}"
                    ));
                }
            }
            Err(reason) => say(&format!("cuda  none: {reason}")),
        }
        Ok(DONE)
    }
}
