//! Plans a spec within limits of memory and time, and checks what must hold for every plan: for mutated specs, and for
//! those of `fuzz`.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::{Duration, Instant};
use vaex::data::{Cache, Files};
use vaex::plan::{Plan, PlanError};

/// Counts the bytes that each thread allocates.
struct Counting;

thread_local! {
    static TAKEN: Cell<isize> = const { Cell::new(0) };
    static MOST: Cell<isize> = const { Cell::new(0) };
}

fn count(bytes: isize) {
    // At the end of a thread its counters no longer exist.
    let _ = TAKEN.try_with(|taken| {
        taken.set(taken.get() + bytes);
        let _ = MOST.try_with(|most| most.set(most.get().max(taken.get())));
    });
}

#[expect(unsafe_code, reason = "an allocator is unsafe to write; this one passes everything on")]
// SAFETY: all calls go to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: guaranteed by the caller.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: guaranteed by the caller.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Bytes that planning a spec of a few hundred bytes may take, in addition to the images.
pub(crate) const BYTES: isize = 64 << 20;
/// Bytes for each trial of a sweep.
const BYTES_OF_TRIAL: isize = 20_000;

/// A folder for specs, on a disk in memory if there is one: millions of files are written.
pub(crate) fn folder() -> tempfile::TempDir {
    let shared = Path::new("/dev/shm");
    if shared.is_dir() { tempfile::tempdir_in(shared) } else { tempfile::tempdir() }.unwrap()
}

/// Writes a spec, and `base.toml` for it to extend: the bytes after a NUL, which no spec contains.
pub(crate) fn write(folder: &Path, bytes: &[u8]) -> PathBuf {
    let mut parts = bytes.splitn(2, |byte| *byte == 0);
    let [spec, _] = ["spec.toml", "base.toml"].map(|name| {
        let path = folder.join(name);
        match parts.next() {
            Some(part) => std::fs::write(&path, part).unwrap(),
            None => drop(std::fs::remove_file(&path)),
        }
        path
    });
    spec
}

/// Runs `work` on a file, called `name` in messages, within limits of time and of `memory`, in bytes.
pub(crate) fn limited<T>(
    (path, name): (&Path, &str),
    time: Duration,
    memory: impl Fn(&T) -> isize,
    work: impl FnOnce() -> T,
) -> T {
    let (before, start) = (TAKEN.get(), spent());
    MOST.set(before);
    let result = work();
    let taken = MOST.get() - before;
    assert!(taken < memory(&result), "{name} takes {taken} bytes:\n{}", text(path));
    assert!(spent().saturating_sub(start) < time, "{name} takes too long:\n{}", text(path));
    result
}

/// The time that this thread has worked. It does not count the time that other programs have the processor.
fn spent() -> Duration {
    let of_linux = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanoseconds = of_linux.and_then(|text| text.split(' ').next()?.parse().ok());
    nanoseconds.map_or_else(|| START.elapsed(), Duration::from_nanos)
}

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

fn text(path: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned()
}

/// Plans a spec, called `name` in messages; returns the number of its trials.
pub(crate) fn plan(path: &Path, name: &str, time: Duration) -> Option<usize> {
    let trials = |plan: &Result<Plan, PlanError>| plan.as_ref().map_or(0, |plan| plan.trials().len());
    let memory = |plan: &_| BYTES + trials(plan) as isize * BYTES_OF_TRIAL;
    let cache = path.with_file_name("cache");
    let read = |path: &Path| Plan::with_files(path, &[], Files::new(Cache::in_folder(&cache), |_| {}));
    match limited((path, name), time, memory, || read(path)) {
        Ok(plan) => {
            can_be_shown(&plan);
            let trial = &plan.trials()[plan.trials().len() / 2];
            let again = path.with_file_name("again.toml");
            std::fs::write(&again, trial.toml()).unwrap();
            let resolved = read(&again).unwrap_or_else(|error| panic!("{name}: {error}\n{}", text(path)));
            let [resolved] = resolved.trials() else { panic!("{name} is not one trial:\n{}", text(path)) };
            assert_eq!((resolved.id(), resolved.toml()), (trial.id(), trial.toml()), "{name}:\n{}", text(path));
            Some(plan.trials().len())
        }
        Err(PlanError::Spec(diagnostics)) => {
            assert!(diagnostics.render(false).starts_with("error: "), "{name}");
            assert!(diagnostics.json().as_array().is_some_and(|items| !items.is_empty()), "{name}");
            None
        }
        Err(error) => panic!("{name}: {error}\n{}", text(path)),
    }
}

fn can_be_shown(plan: &Plan) {
    assert_eq!(plan.warnings().render(true).is_empty(), plan.warnings().is_empty());
    let trial = &plan.trials()[0];
    let origin = plan.origins(trial);
    trial.values().keys().for_each(|key| drop(origin(key)));
    assert!(!trial.label(plan.varied()).is_empty());
    assert!(trial.steps() > 0);
}
