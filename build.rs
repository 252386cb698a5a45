//! Notes what the binary is built from: the commit, where there is one, and the versions of all dependencies. With CUDA, compiles the
//! kernels of a card.

use sha2::{Digest, Sha256};
use std::path::Path;
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
    if std::env::var_os("CARGO_FEATURE_CUDA").is_some() {
        compile_kernels();
    }
    // Grows with every commit and checkout.
    if let Some(log) = git(&["rev-parse", "--git-path", "logs/HEAD"]) {
        println!("cargo::rerun-if-changed={log}");
    }
}

/// Compiles the kernels for compute capabilities 8.0 and 9.0, and to PTX, which the driver compiles for cards of later ones.
fn compile_kernels() {
    println!("cargo::rerun-if-env-changed=CUDA_PATH");
    println!("cargo::rerun-if-env-changed=PATH");
    let nvcc =
        std::env::var_os("CUDA_PATH").map(|folder| Path::new(&folder).join("bin/nvcc")).filter(|nvcc| nvcc.exists());
    let nvcc = nvcc.unwrap_or_else(|| "nvcc".into());
    let out = Path::new(&std::env::var_os("OUT_DIR").unwrap_or_default()).join("kernels.fatbin");
    // Without fused multiplications, so that random numbers have the bits that they have on the CPU.
    let cards = ["arch=compute_80,code=[sm_80,compute_80]", "arch=compute_90,code=sm_90"];
    let options = ["-fatbin", "-gencode", cards[0], "-gencode", cards[1], "--compress-mode=size"];
    let language = ["-std=c++17", "--fmad=false", "-o"];
    let source = "src/tensor/backend/card/kernels/kernels.cu";
    let output = Command::new(&nvcc).args(options).args(language).arg(out).arg(source).output();
    let error = match output {
        Ok(output) if output.status.success() => return,
        Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
        Err(error) => {
            format!("{error}; the feature `cuda` needs nvcc of the CUDA toolkit 13, or run tests/cuda.sh build")
        }
    };
    println!("cargo::error={}: {}", nvcc.display(), error.replace('\n', " "));
}

/// What git says; nothing where there is no git, or no repository.
fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}
