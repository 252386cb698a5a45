//! The `vaex` program.

use std::process::ExitCode;

/// Training allocates and frees large buffers all the time, and the system allocator would map each of them again.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    vaex::commands::start()
}
