//! Notes what the binary is built from: the commit, where there is one, and the versions of all dependencies.

use sha2::{Digest, Sha256};
use std::process::Command;

fn main() {
    let commit = git(&["rev-parse", "--short=12", "HEAD"]).unwrap_or_default();
    println!("cargo::rustc-env=VAEX_GIT_COMMIT={commit}");
    // Of the files that the binary is made of; what else lies in the repository does not matter.
    let made_of = ["src", "build.rs", "Cargo.toml", "Cargo.lock"];
    let changes = git(&[&["status", "--porcelain", "--"][..], &made_of[..]].concat());
    let dirty = changes.map(|changes| (!changes.is_empty()).to_string()).unwrap_or_default();
    println!("cargo::rustc-env=VAEX_GIT_DIRTY={dirty}");
    let version = std::env::var("CARGO_PKG_VERSION").unwrap_or_default();
    let modified = if dirty == "true" { ", modified" } else { "" };
    let of = if commit.is_empty() { String::new() } else { format!(" ({commit}{modified})") };
    println!("cargo::rustc-env=VAEX_VERSION={version}{of}");
    made_of.iter().for_each(|path| println!("cargo::rerun-if-changed={path}"));
    let lock: String = Sha256::digest(std::fs::read("Cargo.lock").unwrap_or_default())
        .iter()
        .take(16)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    println!("cargo::rustc-env=VAEX_LOCK_HASH={lock}");
    // Grows with every commit and checkout.
    if let Some(log) = git(&["rev-parse", "--git-path", "logs/HEAD"]) {
        println!("cargo::rerun-if-changed={log}");
    }
}

/// What git says; nothing where there is no git, or no repository.
fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}
