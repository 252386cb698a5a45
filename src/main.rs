//! The `vaex` program.

use std::process::ExitCode;

/// Training takes and gives back large buffers all the time; the system's allocator maps each of them anew.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    vaex::commands::start()
}
