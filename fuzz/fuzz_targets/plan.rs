//! From the bytes of a spec to its plan: no bytes may panic, hang or take much memory, and what a plan resolves to is a
//! spec of the same trial. Bytes after a NUL, which no spec has, are the file `base.toml` for it to extend.

#![no_main]

use libfuzzer_sys::fuzz_target;
use std::alloc::{GlobalAlloc, Layout, System};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicIsize, Ordering::Relaxed};
use std::time::{Duration, Instant};
use vaex::plan::{Plan, PlanError};
use vaex::spec::{Document, ReadError};

/// Counts what is allocated.
struct Counting;

static TAKEN: AtomicIsize = AtomicIsize::new(0);
static MOST: AtomicIsize = AtomicIsize::new(0);

// SAFETY: the system's allocator does all of it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let size = layout.size() as isize;
        MOST.fetch_max(TAKEN.fetch_add(size, Relaxed) + size, Relaxed);
        // SAFETY: as the caller says.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        TAKEN.fetch_sub(layout.size() as isize, Relaxed);
        // SAFETY: as the caller says.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Bytes that reading a spec may take, and each trial beside them.
const BYTES: isize = 64 << 20;
const BYTES_OF_TRIAL: isize = 20_000;

/// Seconds that reading a spec may take.
const TIME: Duration = Duration::from_secs(10);

/// Sweeps with more trials are not resolved: they take their time, and reach nothing new.
const TRIALS: u128 = 64;

/// The folder of the specs, in memory where there is such a disk. It stays behind, as a fuzzer does not end by itself.
static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    let shared = Path::new("/dev/shm");
    let folder = if shared.is_dir() { tempfile::tempdir_in(shared) } else { tempfile::tempdir() };
    folder.expect("a folder for the specs").keep()
});

/// Runs `work` within the limits of time and memory.
fn limited<T>(trials: impl Fn(&T) -> usize, work: impl FnOnce() -> T) -> T {
    let (before, start) = (TAKEN.load(Relaxed), Instant::now());
    MOST.store(before, Relaxed);
    let result = work();
    let taken = MOST.load(Relaxed) - before;
    assert!(taken < BYTES + trials(&result) as isize * BYTES_OF_TRIAL, "takes {taken} bytes");
    assert!(start.elapsed() < TIME, "takes {:?}", start.elapsed());
    result
}

fuzz_target!(|bytes: &[u8]| {
    let mut parts = bytes.splitn(2, |byte| *byte == 0);
    let [spec, base] = ["spec.toml", "base.toml"].map(|name| {
        let (path, part) = (FOLDER.join(name), parts.next());
        match part {
            Some(part) => std::fs::write(&path, part).expect("a file is written"),
            None => drop(std::fs::remove_file(&path)),
        }
        path
    });
    let document = limited(|_| 0, || Document::read(&spec, &[]));
    if let Ok(document) = &document {
        let sweep = document.sweep();
        if sweep.count().is_some_and(|count| (TRIALS..=u128::from(sweep.limit)).contains(&count)) {
            return;
        }
    }
    let trials = |plan: &Result<Plan, PlanError>| plan.as_ref().map_or(0, |plan| plan.trials().len());
    match limited(trials, || Plan::read(&spec, &[])) {
        Ok(plan) => {
            check(&plan);
            let trial = &plan.trials()[plan.trials().len() / 2];
            std::fs::write(&base, trial.toml()).expect("a file is written");
            let resolved = Plan::read(&base, &[]).unwrap_or_else(|error| panic!("{error}"));
            let [again] = resolved.trials() else { panic!("{} trials", resolved.trials().len()) };
            assert_eq!((again.id(), again.toml()), (trial.id(), trial.toml()));
        }
        Err(PlanError::Spec(diagnostics)) => {
            assert!(diagnostics.render(false).starts_with("error: "));
            assert!(diagnostics.json().as_array().is_some_and(|items| !items.is_empty()));
        }
        Err(error) => panic!("{error}"),
    }
    assert!(!matches!(document, Err(ReadError::File(_))));
});

/// What is shown of a plan can be.
fn check(plan: &Plan) {
    assert_eq!(plan.warnings().render(true).is_empty(), plan.warnings().is_empty());
    let trial = &plan.trials()[0];
    let origin = plan.origins(trial);
    trial.values().keys().for_each(|key| drop(origin(key)));
    assert!(!trial.label(plan.varied()).is_empty());
    assert!(trial.steps() > 0);
}
