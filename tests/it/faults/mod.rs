//! Fault injection: kills, full disks, damaged files and other faults. After each fault, the same command must end with the
//! bits of an undisturbed run.
//!
//! The long forms: `cargo test --release -- --ignored --test-threads 1 long_form`. Each prints the number of its faults.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "prints the number of faults and the skipped tests")]

mod damage;
mod disk;
mod kills;
mod odd;

use crate::harness::Workspace;
use crate::runs::same_bits;
use std::path::Path;
use walkdir::WalkDir;

/// All trials of an experiment equal the undisturbed ones, and `runs` has no temporary files.
#[track_caller]
fn as_undisturbed(workspace: &Workspace, name: &str) {
    let trials = workspace.trials(&format!("undisturbed/{name}"));
    assert_eq!(trials.len(), workspace.trials(&format!("runs/{name}")).len());
    for (id, undisturbed) in trials {
        same_bits(&workspace.trial(&format!("runs/{name}"), &id), &undisturbed);
    }
    nothing_left_over(&workspace.path("runs"));
}

#[track_caller]
fn nothing_left_over(folder: &Path) {
    let temporary = |name: &str| name.starts_with(".vaex-") || name.ends_with(".tmp");
    let entries = WalkDir::new(folder).into_iter().map(|entry| entry.unwrap());
    let left: Vec<_> = entries.filter(|entry| temporary(&entry.file_name().to_string_lossy())).collect();
    assert!(left.is_empty(), "{left:?}");
}

/// The report works, or there is nothing to report yet.
#[track_caller]
fn can_be_reported(workspace: &Workspace) {
    let outcome = workspace.vaex(&["report"]);
    let nothing = ["has no trials", "is not a folder"].iter().any(|text| outcome.stderr.contains(text));
    assert!(outcome.status == Some(0) || outcome.status == Some(2) && nothing, "{}", outcome.stderr);
}

/// Pseudorandom numbers, the same in each run.
struct Dice(u64);

impl Dice {
    /// A number below `limit`.
    fn below(&mut self, limit: u64) -> u64 {
        // Knuth's MMIX generator; the upper bits are good.
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}
