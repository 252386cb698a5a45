//! Information about the machine and this process: names, memory, signals. On Linux it is read from files in /proc and
//! /sys; a value that the system does not provide is `None`.

use std::io;
use std::path::{Path, PathBuf};

/// The status file of this process.
const STATUS: &str = "/proc/self/status";

/// The rest of the first line of a file that starts with `start`.
fn line_after(file: &str, start: &str) -> Option<String> {
    let text = std::fs::read_to_string(file).ok()?;
    text.lines().find_map(|line| line.strip_prefix(start)).map(str::to_owned)
}

/// The host name, reduced to letters, digits and hyphens; file names contain it to distinguish machines. `vaex` if the
/// system does not provide it.
pub fn host_name() -> String {
    let name = line_after("/proc/sys/kernel/hostname", "");
    let name: String =
        name.iter().flat_map(|name| name.chars()).filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
    if name.is_empty() { "vaex".to_owned() } else { name }
}

/// The name of the processor.
pub fn processor() -> Option<String> {
    let name = line_after("/proc/cpuinfo", "model name")?;
    Some(name.trim_start_matches([' ', '\t', ':']).trim().to_owned())
}

/// The version of NVIDIA's kernel module.
pub fn nvidia_driver() -> Option<String> {
    version_in(&line_after("/proc/driver/nvidia/version", "NVRM version:")?)
}

/// The first word of a line that is a version.
fn version_in(line: &str) -> Option<String> {
    let is_version =
        |word: &&str| word.contains('.') && word.split('.').all(|part| !part.is_empty() && part.parse::<u32>().is_ok());
    line.split_whitespace().find(is_version).map(str::to_owned)
}

/// The executable of this process. It stays the same file even if another build replaces the file at its path.
///
/// # Errors
/// The system does not provide the path.
pub fn program() -> io::Result<PathBuf> {
    let own = Path::new("/proc/self/exe");
    if own.exists() { Ok(own.to_path_buf()) } else { std::env::current_exe() }
}

/// The signals that this process ignores: bit n - 1 stands for signal n.
pub fn ignored_signals() -> Option<u64> {
    u64::from_str_radix(line_after(STATUS, "SigIgn:")?.trim(), 16).ok()
}

/// The peak resident memory of this process so far, in MiB.
pub fn peak_rss_mb() -> Option<f64> {
    let line = line_after(STATUS, "VmHWM:")?;
    let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib / 1024.0)
}

/// Bytes of memory that this process can still use: the minimum of the machine's free memory and of what the limits of its
/// control groups leave (a container or a scheduler sets them). `None` if the system does not provide it.
pub fn free_memory() -> Option<f64> {
    free_memory_below(Path::new("/"))
}

/// Like [`free_memory`], but reads the system's files below `root`.
fn free_memory_below(root: &Path) -> Option<f64> {
    let read = |path: PathBuf| std::fs::read_to_string(path).ok();
    let machine = || {
        let info = read(root.join("proc/meminfo"))?;
        let line = info.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
        Some(1024.0 * line.trim().strip_suffix("kB")?.trim().parse::<f64>().ok()?)
    };
    // Without control groups, or without their statistics, there is no limit to consider.
    let lines =
        |text: Option<String>| text.into_iter().flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>());
    let groups = lines(read(root.join("proc/self/cgroup"))).flat_map(|line| memory_groups(&line));
    let limits = groups.filter_map(|MemoryGroup { folder, limit, usage, reclaimable }| {
        // "No limit" is written as `max`, or as a number as large as the address space.
        let number = |name: &str| read(root.join(&folder).join(name))?.trim().parse::<f64>().ok();
        let (limit, used) = (number(limit)?, number(usage)?);
        // The kernel frees the page cache when memory is short.
        let reclaimable_bytes = |line: String| {
            let (name, bytes) = line.split_once(' ')?;
            reclaimable.contains(&name).then(|| bytes.trim().parse::<f64>().ok()).flatten()
        };
        let cached: f64 = lines(read(root.join(&folder).join("memory.stat"))).filter_map(reclaimable_bytes).sum();
        Some((limit - used + cached).max(0.0))
    });
    machine().into_iter().chain(limits).min_by(f64::total_cmp)
}

/// A control group that limits memory.
struct MemoryGroup {
    /// Its folder below /.
    folder: PathBuf,
    /// The name of the file with its limit.
    limit: &'static str,
    /// The name of the file with its memory use, including the groups below it.
    usage: &'static str,
    /// The names in its memory.stat of memory that the kernel can reclaim, including the groups below it.
    reclaimable: &'static [&'static str],
}

/// The memory control groups of a line of /proc/self/cgroup: the group that it names, and those above it.
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
    // In a container, the folder of the group itself may be mounted as the root.
    let groups = group.ancestors().map(|group| Path::new(top).join(group));
    groups.map(|folder| MemoryGroup { folder, limit, usage, reclaimable }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The free memory of a system with these files.
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
    fn the_version_of_the_driver_is_found() {
        for line in [
            " NVIDIA UNIX x86_64 Kernel Module  580.159.04  Tue Sep 30 2025",
            " NVIDIA UNIX Open Kernel Module for x86_64  580.159.04  Release Build  (root@host)",
        ] {
            assert_eq!(version_in(line).as_deref(), Some("580.159.04"));
        }
        assert_eq!(version_in(" unknown."), None);
    }

    #[test]
    fn free_memory_is_the_minimum_over_all_limits() {
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
        // In a container, where the group is the root.
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

    #[cfg(target_os = "linux")]
    #[test]
    fn linux_provides_all_values() {
        assert!(peak_rss_mb().unwrap() > 1.0);
        assert!(ignored_signals().is_some() && program().unwrap().exists() && !host_name().is_empty());
    }
}
