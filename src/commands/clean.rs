//! `vaex clean`: removes prepared images from the cache.

use super::command::Command;
use super::shared::exit::DONE;
use super::shared::format::bytes;
use super::shared::print::say;
use crate::data::{Cache, CachedFile};
use crate::text::counted;
use anyhow::bail;
use clap::Args;

/// Remove files that vaex can make again.
#[derive(Debug, Args)]
pub(super) struct CleanArgs {
    /// Remove the prepared images that no process uses; they are prepared again when they are needed.
    #[arg(long)]
    cache: bool,
}

impl Command for CleanArgs {
    fn run(&self) -> anyhow::Result<u8> {
        if !self.cache {
            bail!("nothing to remove: use --cache to remove prepared images");
        }
        let cache = Cache::of_environment();
        let removed = cache.clean(0)?;
        for CachedFile { path, bytes: size, sources, .. } in &removed {
            let of = if sources.is_empty() { "damaged".to_owned() } else { sources.join(", ") };
            say(&format!("removed {}: {}, {of}", path.display(), bytes(*size as f64)));
        }
        let kept = cache.files()?;
        let sum = |files: &[CachedFile]| bytes(files.iter().map(|file| file.bytes as f64).sum());
        let kept = match kept.is_empty() {
            true => String::new(),
            false => format!("; {} of {} in use", counted(kept.len(), "file"), sum(&kept)),
        };
        say(&format!("removed {} of {}{kept}", counted(removed.len(), "file"), sum(&removed)));
        Ok(DONE)
    }
}
