//! Reads files of images with random changes: nothing may panic, hang or take much memory.

use crate::planning::{folder, limited};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use vaex::data::{Cache, Files};
use vaex::language::Spec;
use vaex::random::{Purpose, Stream};
use walkdir::WalkDir;

/// The time that reading a file may take.
const TIME: Duration = Duration::from_secs(60);

/// Bytes of memory that reading a small file may take in the thread that reads it: a picture may have 2^27 pixels.
const BYTES: isize = 1 << 30;

/// Larger files are left out: few of their bytes matter.
const LARGEST: u64 = 50_000;

/// The files of tests/formats, by name.
fn corpus() -> Vec<(PathBuf, Vec<u8>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/formats");
    let entries = ["files", "hostile"].into_iter().flat_map(|name| WalkDir::new(root.join(name)).sort_by_file_name());
    let files = entries.map(|entry| entry.unwrap()).filter(|entry| entry.file_type().is_file());
    let small = files.filter(|entry| entry.metadata().unwrap().len() <= LARGEST);
    small.map(|entry| (PathBuf::from(entry.file_name()), std::fs::read(entry.path()).unwrap())).collect()
}

/// The bytes of a file, changed in one to eight positions.
fn mutated(corpus: &[(PathBuf, Vec<u8>)], of: usize, dice: &mut Stream) -> Vec<u8> {
    let mut below = |limit: usize| dice.below(limit.max(1) as u64) as usize;
    let mut bytes = corpus[of].1.clone();
    for _ in 0..=below(8) {
        // Headers are at the start, or at the end.
        let place = match below(3) {
            0 => below(bytes.len().min(200) + 1),
            1 => bytes.len() - below(bytes.len().min(200) + 1),
            _ => below(bytes.len() + 1),
        };
        let until = (place + below(12)).min(bytes.len());
        match below(7) {
            0 | 1 if place < bytes.len() => bytes[place] ^= 1 << below(8),
            2 if place < bytes.len() => bytes[place] = [0, 1, 0x7f, 0x80, 0xff][below(5)],
            3 => bytes[place..until].fill([0, 0xff][below(2)]),
            4 => drop(bytes.drain(place..until)),
            5 => {
                let other = &corpus[below(corpus.len())].1;
                let start = below(other.len());
                let end = (start + below(64)).min(other.len());
                drop(bytes.splice(place..until, other[start..end].iter().copied()));
            }
            _ => bytes.truncate(place),
        }
    }
    bytes
}

/// Reads mutations from `first` on.
fn read_mutations(first: u64, last: impl Fn(u64) -> bool) {
    let (corpus, work) = (corpus(), folder());
    assert!(corpus.len() > 500, "{}", corpus.len());
    let (mut number, mut read) = (first, 0u64);
    while !last(number) {
        let mut dice = Stream::new(1, Purpose::Order, 0, number);
        let of = dice.below(corpus.len() as u64) as usize;
        let path = work.path().join(&corpus[of].0);
        std::fs::write(&path, mutated(&corpus, of, &mut dice)).unwrap();
        let cache = work.path().join("cache");
        let written = BTreeMap::from([("data.images".to_owned(), path.to_str().unwrap().into())]);
        let (spec, _) = Spec::read(&written);
        let load = || Files::new(Cache::in_folder(&cache), |_| {}).loaded(&spec.data, Path::new("")).is_ok();
        read += u64::from(limited((&path, &format!("mutation {number}")), TIME, |_| BYTES, load));
        std::fs::remove_file(&path).unwrap();
        number += 1;
        if number.is_multiple_of(500) {
            let _ = std::fs::remove_dir_all(&cache);
        }
        if (number - first).is_multiple_of(100_000) {
            println!("from {first}: {} mutations, {read} read", number - first);
        }
    }
    println!("{} mutations, {read} read", number - first);
}

#[test]
fn mutated_files_of_images_are_read_or_refused() {
    read_mutations(0, |number| number == 4000);
}

#[test]
#[ignore = "long form: an hour"]
fn long_form_of_mutated_files_of_images() {
    let start = Instant::now();
    let workers = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    std::thread::scope(|scope| {
        for worker in 0..workers {
            scope.spawn(move || {
                read_mutations(4000 + worker * (1 << 40), |_| start.elapsed() > Duration::from_secs(3600))
            });
        }
    });
}
