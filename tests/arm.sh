#!/usr/bin/env bash
# Runs the unit tests (including those of the NEON kernels) and the tests of gradients and optimizers on emulated 64-bit Arm.
# Needs gcc-aarch64-linux-gnu, g++-aarch64-linux-gnu and qemu-user (Debian packages), and Rust's standard library for Arm:
# `rustup target add aarch64-unknown-linux-gnu`.
set -euo pipefail
cd "$(dirname "$0")/.."

export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
export CC_aarch64_unknown_linux_gnu=aarch64-linux-gnu-gcc
export CXX_aarch64_unknown_linux_gnu=aarch64-linux-gnu-g++
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="env CXX=aarch64-linux-gnu-g++ qemu-aarch64 -L /usr/aarch64-linux-gnu"
tests() { cargo test --release --target aarch64-unknown-linux-gnu "$@"; }

tests --lib
tests --test it -- gradients:: optimizers::
