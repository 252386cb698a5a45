//! What the system tells of the machine and of this process: names, memory, signals. Linux tells it in files below /proc and
//! /sys; where a system does not tell something, it is `None`.

use std::io;
use std::path::{Path, PathBuf};

/// The file of this process's status.
const STATUS: &str = "/proc/self/status";

/// The rest of the first line of a file that begins so.
fn line_after(file: &str, start: &str) -> Option<String> {
    let text = std::fs::read_to_string(file).ok()?;
    text.lines().find_map(|line| line.strip_prefix(start)).map(str::to_owned)
}

/// The machine's name, of letters, digits and hyphens, so that files of several machines can be told apart; `vaex` where the
/// system does not tell it.
pub fn host_name() -> String {
    let name = line_after("/proc/sys/kernel/hostname", "");
    let name: String =
        name.iter().flat_map(|name| name.chars()).filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
    if name.is_empty() { "vaex".to_owned() } else { name }
}

/// The processor's name.
pub fn processor() -> Option<String> {
    let name = line_after("/proc/cpuinfo", "model name")?;
    Some(name.trim_start_matches([' ', '\t', ':']).trim().to_owned())
}

/// The program of this process. The system knows it by its file: not what another build has put at its path meanwhile.
///
/// # Errors
/// The system does not tell where it is.
pub fn program() -> io::Result<PathBuf> {
    let own = Path::new("/proc/self/exe");
    if own.exists() { Ok(own.to_path_buf()) } else { std::env::current_exe() }
}

/// The signals that this process ignores: bit n - 1 is set for signal n.
pub fn ignored_signals() -> Option<u64> {
    u64::from_str_radix(line_after(STATUS, "SigIgn:")?.trim(), 16).ok()
}

/// Largest resident memory of this process so far, MiB.
pub fn peak_rss_mb() -> Option<f64> {
    let line = line_after(STATUS, "VmHWM:")?;
    let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib / 1024.0)
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
    // Without control groups, or without their statistics, there is nothing to take into account.
    let lines =
        |text: Option<String>| text.into_iter().flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>());
    let groups = lines(read(root.join("proc/self/cgroup"))).flat_map(|line| memory_groups(&line));
    let limits = groups.filter_map(|MemoryGroup { folder, limit, usage, reclaimable }| {
        // A limit that is none is `max`, or a number as large as the address space.
        let number = |name: &str| read(root.join(&folder).join(name))?.trim().parse::<f64>().ok();
        let (limit, used) = (number(limit)?, number(usage)?);
        // What files take in the cache is given back when memory is short.
        let given_back = |line: String| {
            let (name, bytes) = line.split_once(' ')?;
            reclaimable.contains(&name).then(|| bytes.trim().parse::<f64>().ok()).flatten()
        };
        let cached: f64 = lines(read(root.join(&folder).join("memory.stat"))).filter_map(given_back).sum();
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

    #[cfg(target_os = "linux")]
    #[test]
    fn linux_tells_all_of_it() {
        assert!(peak_rss_mb().unwrap() > 1.0);
        assert!(ignored_signals().is_some() && program().unwrap().exists() && !host_name().is_empty());
    }
}
