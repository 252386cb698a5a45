//! Reads images from random bytes. The first byte selects the name of the file, because text tables and some binary files are
//! recognized by it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use vaex::data::{Cache, Files};
use vaex::language::Spec;

/// Is never removed, because a fuzzer does not end by itself.
static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| tempfile::tempdir_in("/dev/shm").unwrap().keep());

const NAMES: [&str; 4] = ["images", "images.csv", "data_batch_1.bin", "metadata.csv"];

fuzz_target!(|bytes: &[u8]| {
    let Some((first, content)) = bytes.split_first() else { return };
    let path = FOLDER.join(NAMES[usize::from(*first) % NAMES.len()]);
    std::fs::write(&path, content).unwrap();
    let written = BTreeMap::from([("data.images".to_owned(), path.to_str().unwrap().into())]);
    let (spec, _) = Spec::read(&written);
    let cache = FOLDER.join("cache");
    let _ = Files::new(Cache::in_folder(&cache), |_| {}).loaded(&spec.data, Path::new(""));
    let _ = std::fs::remove_dir_all(&cache);
});
