//! What a trial will take, before it runs: operations, memory, time.

use super::TrialError;
use crate::model::architecture::Network;
use crate::plan::Trial;
use crate::tensor::backend::{Backend, Host};
use crate::train::{EpochEnd, Progress, Trainer, micro_batch};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Bytes of a process that trains next to nothing.
const PROCESS: f64 = 55e6;

/// How many times the activations of a micro-batch a thread holds: forward, backward, and the kernels' rearranged copies.
/// Found by measuring processes; see the test.
const ACTIVATIONS: f64 = 10.0;

/// Floating-point operations of a trial's training, by the definition of its layers: forward, and twice as much back.
pub fn operations(trial: &Trial) -> f64 {
    let dataset = trial.dataset();
    let passes = 3.0 * dataset.train.len() as f64 + dataset.validation.len() as f64;
    2.0 * trial.architecture().multiplications() as f64 * passes * trial.spec().train.epochs as f64
}

/// Bytes of memory that a trial's process will take at most, about.
pub fn memory(trial: &Trial, threads: usize) -> f64 {
    let (architecture, train) = (trial.architecture(), &trial.spec().train);
    let weights = 4.0 * architecture.parameters() as f64;
    let moments = train.optimizer.moments().len() as f64;
    // Weights, gradient and moments; while a checkpoint is written, two copies of all but the gradient.
    let kept = weights * (2.0 + moments + 2.0 * (1.0 + moments));
    let convolutional = matches!(architecture.network, Network::Conv { .. });
    let images = micro_batch::<Host>(architecture, train.batch_size as usize) as f64;
    let worked_on = 4.0 * images * architecture.activations() as f64 * ACTIVATIONS;
    // Convolutions sum their weights' gradients lane by lane.
    let of_thread = worked_on + if convolutional { weights } else { 0.0 };
    let pixels = (trial.dataset().train.len() + trial.dataset().validation.len()) * architecture.pixels();
    PROCESS + pixels as f64 + kept + threads.min(Host::LANES) as f64 * of_thread
}

/// Bytes of memory that are free to this process, where the system tells: of the machine, or of the least that the limits of
/// its control groups leave, as a container or a scheduler sets them.
pub fn free_memory() -> Option<f64> {
    free_memory_below(Path::new("/"))
}

/// As [`free_memory`], with the files of the system below another folder.
fn free_memory_below(root: &Path) -> Option<f64> {
    let read = |path: PathBuf| std::fs::read_to_string(path).ok();
    let machine = || {
        let info = read(root.join("proc/meminfo"))?;
        let line = info.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
        Some(1024.0 * line.trim().strip_suffix("kB")?.trim().parse::<f64>().ok()?)
    };
    let groups = read(root.join("proc/self/cgroup")).unwrap_or_default();
    let limits =
        groups.lines().flat_map(memory_groups).filter_map(|MemoryGroup { folder, limit, usage, reclaimable }| {
            // A limit that is none is `max`, or a number as large as the address space.
            let number = |name: &str| read(root.join(&folder).join(name))?.trim().parse::<f64>().ok();
            let (limit, used) = (number(limit)?, number(usage)?);
            // What files take in the cache is given back when memory is short.
            let statistics = read(root.join(&folder).join("memory.stat")).unwrap_or_default();
            let given_back = |line: &str| {
                let (name, bytes) = line.split_once(' ')?;
                reclaimable.contains(&name).then(|| bytes.trim().parse::<f64>().ok()).flatten()
            };
            let cached: f64 = statistics.lines().filter_map(given_back).sum();
            Some((limit - used + cached).max(0.0))
        });
    machine().into_iter().chain(limits).min_by(f64::total_cmp)
}

/// A control group of memory.
struct MemoryGroup {
    /// Its folder below /.
    folder: PathBuf,
    /// Its file with the limit.
    limit: &'static str,
    /// Its file with what is used, by groups below it too.
    usage: &'static str,
    /// What its memory.stat has of that which the system takes back, likewise.
    reclaimable: &'static [&'static str],
}

/// The control groups of memory that a line of /proc/self/cgroup names: its own and those above it.
fn memory_groups(line: &str) -> Vec<MemoryGroup> {
    let mut fields = line.splitn(3, ':');
    let (Some(_), Some(controllers), Some(group)) = (fields.next(), fields.next(), fields.next()) else {
        return Vec::new();
    };
    let (top, limit, usage, reclaimable): (_, _, _, &[&str]) = match controllers {
        "" => ("sys/fs/cgroup", "memory.max", "memory.current", &["active_file", "inactive_file", "slab_reclaimable"]),
        of if of.split(',').any(|one| one == "memory") => (
            "sys/fs/cgroup/memory",
            "memory.limit_in_bytes",
            "memory.usage_in_bytes",
            &["total_active_file", "total_inactive_file"],
        ),
        _ => return Vec::new(),
    };
    let group = Path::new(group.trim_start_matches('/'));
    // In a container the group's own folder may be mounted as the top one.
    let groups = group.ancestors().map(|group| Path::new(top).join(group));
    groups.map(|folder| MemoryGroup { folder, limit, usage, reclaimable }).collect()
}

/// How long a trial will take on the processor, from training with it for a moment.
///
/// # Errors
/// Training cannot begin.
pub fn duration(trial: &Trial, threads: usize, moment: Duration) -> Result<Duration, TrialError> {
    let mut trainer = Trainer::<Host>::new(Default::default(), trial.training(), threads)?;
    let (stop, start) = (AtomicBool::new(false), Instant::now());
    let mut images_per_second = 0.0;
    let mut progress = |progress: Progress| {
        images_per_second = progress.images_per_second;
        stop.store(start.elapsed() > moment, Ordering::Relaxed);
    };
    while !stop.load(Ordering::Relaxed) && trainer.epoch() < trial.spec().train.epochs {
        if let EpochEnd::Diverged(_) = trainer.train_epoch(&stop, &mut progress)? {
            break;
        }
    }
    let validation = trainer.validate()?;
    let epoch = trial.dataset().train.len() as f64 / images_per_second + validation.seconds;
    Ok(Duration::try_from_secs_f64(epoch * trial.spec().train.epochs as f64).unwrap_or(Duration::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A system with these files: its free memory.
    fn free(files: &[(&str, &str)]) -> Option<f64> {
        let root = tempfile::tempdir().unwrap();
        for (name, content) in files {
            let path = root.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
        free_memory_below(root.path())
    }

    #[test]
    fn the_least_that_any_limit_leaves_is_free() {
        let machine = ("proc/meminfo", "MemTotal: 4000 kB\nMemAvailable:    2000 kB\n");
        assert_eq!(free(&[machine]), Some(2_048_000.0));
        let own = ("proc/self/cgroup", "0::/job/step\n");
        let step = [("sys/fs/cgroup/job/step/memory.max", "max\n"), ("sys/fs/cgroup/job/step/memory.current", "900\n")];
        assert_eq!(free(&[machine, own, step[0], step[1]]), Some(2_048_000.0));
        let job = [("sys/fs/cgroup/job/memory.max", "5000\n"), ("sys/fs/cgroup/job/memory.current", "1000\n")];
        assert_eq!(free(&[machine, own, step[0], step[1], job[0], job[1]]), Some(4000.0));
        let cached = "anon 600\ninactive_file 300\nactive_file 100\nslab_reclaimable 50\n";
        let cached = ("sys/fs/cgroup/job/memory.stat", cached);
        assert_eq!(free(&[machine, own, job[0], job[1], cached]), Some(4450.0));
        // In a container, whose group is the top one.
        let top = [("sys/fs/cgroup/memory.max", "7000\n"), ("sys/fs/cgroup/memory.current", "8000\n")];
        assert_eq!(free(&[machine, ("proc/self/cgroup", "0::/\n"), top[0], top[1]]), Some(0.0));
        // Version 1.
        let first = [
            ("proc/self/cgroup", "5:cpu,cpuacct:/a\n4:memory:/docker/x\n"),
            ("sys/fs/cgroup/memory/docker/x/memory.limit_in_bytes", "6000\n"),
            ("sys/fs/cgroup/memory/docker/x/memory.usage_in_bytes", "1000\n"),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
            ("sys/fs/cgroup/memory/memory.usage_in_bytes", "1000\n"),
        ];
        assert_eq!(free(&[&first[..], &[machine]].concat()), Some(5000.0));
        let cached = "inactive_file 7\ntotal_inactive_file 200\ntotal_active_file 100\n";
        let cached = ("sys/fs/cgroup/memory/docker/x/memory.stat", cached);
        assert_eq!(free(&[&first[..], &[machine, cached]].concat()), Some(5300.0));
        assert_eq!(free(&[]), None);
    }
}
