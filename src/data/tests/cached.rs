//! Tests of the cache of prepared images: what is read from it, and what is prepared again.

use super::*;
use std::fs::File;
use std::os::unix::fs::PermissionsExt;
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

/// What a loader says of its work.
type Said = Arc<Mutex<Vec<String>>>;

/// A loader with this cache, and what it says.
fn watched(cache: Cache) -> (Files, Said) {
    let said = Said::default();
    let all = Arc::clone(&said);
    let files = Files::new(cache, move |event| {
        all.lock().unwrap().push(match event {
            Preparing::Images { done, count, .. } => format!("{done} of {count:?}"),
            Preparing::Waits { .. } => "waits".to_owned(),
            Preparing::Ended => "ended".to_owned(),
            Preparing::Note(note) => note,
        });
    });
    (files, said)
}

fn cache_of(folder: &Path) -> Cache {
    Cache::in_folder(&folder.join("cache"))
}

/// Loads with a new loader: all values of the pool, and whether it was prepared.
fn pool(data: &Data, folder: &Path, cache: Cache) -> (Vec<u8>, bool) {
    let data = Data { validation: Some(Held::Images(0)), ..data.clone() };
    let (mut files, said) = watched(cache);
    let dataset = files.dataset(&data.settings(), folder).unwrap();
    let was_prepared = !said.lock().unwrap().is_empty();
    (bytes(&dataset.train), was_prepared)
}

/// The only file of prepared images in the cache of a folder.
fn cache_file(folder: &Path) -> PathBuf {
    let [file] = &cache_of(folder).files().unwrap()[..] else { panic!("{:?}", cache_of(folder).files()) };
    file.path.clone()
}

/// A copy of a file with other content, in its place. The cached file itself is mapped, so it must not change.
fn replace(path: &Path, content: &[u8]) {
    std::fs::remove_file(path).unwrap();
    std::fs::write(path, content).unwrap();
}

/// A grey picture of 2 x 2 pixels, modified at this second.
fn picture(path: &Path, values: [u8; 4], second: u64) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, [b"P5 2 2 255\n", &values[..]].concat()).unwrap();
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(second);
    File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
}

#[test]
fn files_are_kept_for_other_datasets() {
    let folder = folder();
    let (mut files, said) = watched(cache_of(folder.path()));
    let limited =
        |limit| Data { labels: Some("train-labels".into()), validation: Some(Held::Images(1)), limit, ..idx("train") };
    // Fewer, more, all: the same as if each were read separately.
    for limit in [Some(4), Some(3), Some(8), None, Some(2)] {
        let alone = load(&limited(limit), folder.path()).unwrap();
        let kept = files.dataset(&limited(limit).settings(), folder.path()).unwrap();
        assert_eq!((bytes(&kept.train), labels(&kept.train)), (bytes(&alone.train), labels(&alone.train)));
        assert_eq!((bytes(&kept.validation), kept.hash), (bytes(&alone.validation), alone.hash));
    }
    std::fs::remove_file(folder.path().join("train")).unwrap();
    assert_eq!(files.dataset(&limited(Some(9)).settings(), folder.path()).unwrap().train.len(), 8);
    let error = files.dataset(&limited(Some(11)).settings(), folder.path()).unwrap_err();
    assert!(error.to_string().starts_with("`data.limit` is 11, but"), "{error}");
    assert_eq!(*said.lock().unwrap(), [""; 0], "the first of the other loaders prepared the images");
}

#[test]
fn images_are_prepared_once_for_all_loaders() {
    let folder = folder();
    let limited = |limit| Data { labels: Some("train-labels".into()), limit, ..idx("train.gz") };
    let (mut first, said) = watched(cache_of(folder.path()));
    let one = first.dataset(&limited(None).settings(), folder.path()).unwrap();
    assert!(said.lock().unwrap().ends_with(&["10 of Some(10)", "ended"].map(str::to_owned)), "{said:?}");
    // Another split of the same images, in another loader.
    for limit in [None, Some(5)] {
        let (mut other, said) = watched(cache_of(folder.path()).checking_values());
        let other = other.dataset(&limited(limit).settings(), folder.path()).unwrap();
        assert_eq!(*said.lock().unwrap(), [""; 0]);
        assert_eq!((other.train.bytes_in_memory(), other.train.element()), (0, Element::Byte));
        if limit.is_none() {
            assert_eq!((&other.hash, bytes(&other.train)), (&one.hash, bytes(&one.train)));
            assert_eq!(labels(&other.validation), Some(vec![9]));
        }
    }
    let [file] = &cache_of(folder.path()).files().unwrap()[..] else { panic!("one file") };
    assert_eq!(file.sources, [folder.path().join("train.gz").display().to_string()]);
    assert_eq!(file.bytes, std::fs::metadata(&file.path).unwrap().len());
}

#[test]
fn floats_and_labels_come_from_the_cache_unchanged() {
    let folder = tempfile::tempdir().unwrap();
    let floats = [0.0f32, 0.25, 1.0, f32::MIN_POSITIVE, 0.1, 0.5, 0.75, 1.0 / 3.0];
    let file = [&[0, 0, 0x0D, 3][..], &[0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 2], &floats.map(f32::to_be_bytes).concat()];
    std::fs::write(folder.path().join("floats"), file.concat()).unwrap();
    std::fs::write(folder.path().join("labels"), idx_file(&[2, 2], &[3, 1, 0, 200])).unwrap();
    let data = Data { labels: Some("labels".into()), validation: Some(Held::Images(1)), ..idx("floats") };
    for _ in 0..2 {
        let dataset = load(&data, folder.path()).unwrap();
        let mut scratch = Vec::new();
        assert_eq!(dataset.train.image(0, &mut scratch), ValuesRef::F32(&floats[..4]));
        assert_eq!(dataset.validation.image(0, &mut scratch), ValuesRef::F32(&floats[4..]));
        let columns = dataset.validation.columns();
        assert_eq!(
            columns.iter().map(|one| (&*one.name, one.size)).collect::<Vec<_>>(),
            [("label_0", 4), ("label_1", 201)]
        );
        assert_eq!(dataset.validation.values_of(&columns[1]), [200]);
    }
}

#[test]
fn a_damaged_cache_file_is_prepared_again() {
    let folder = folder();
    let data = Data { labels: Some("train-labels".into()), ..idx("train") };
    let intact = pool(&data, folder.path(), cache_of(folder.path())).0;
    assert_eq!(intact, (0..60).collect::<Vec<u8>>());
    let path = cache_file(folder.path());
    let whole = std::fs::read(&path).unwrap();
    let json = whole.len() - 4 - 40 - 90 - 160 - 10;
    // The magic, the place and the checksum of the trailer, the checksum of both; then the length of the JSON, the JSON, a hash,
    // an extent, a label, and the checksum of the values.
    let trailer = 4096 + 60;
    let places =
        [0, 17, 30, 33, 37, trailer, json, whole.len() - 200, whole.len() - 100, whole.len() - 20, whole.len() - 1];
    for place in places {
        let mut damaged = whole.clone();
        damaged[place] ^= 0x10;
        replace(&path, &damaged);
        assert_eq!(pool(&data, folder.path(), cache_of(folder.path())), (intact.clone(), true), "byte {place}");
        assert_eq!(std::fs::read(&path).unwrap(), whole, "byte {place}");
    }
    for length in [0, 1, 39, 4095, 4096, 4100, trailer, whole.len() - 1] {
        replace(&path, &whole[..length]);
        assert_eq!(pool(&data, folder.path(), cache_of(folder.path())), (intact.clone(), true), "{length} bytes");
    }
    replace(&path, &[&whole[..], b"\0"].concat());
    assert_eq!(pool(&data, folder.path(), cache_of(folder.path())), (intact.clone(), true), "one byte more");
    assert_eq!(pool(&data, folder.path(), cache_of(folder.path())), (intact, false));
}

#[test]
fn damaged_values_are_noticed_by_those_who_use_them() {
    let folder = folder();
    let intact = pool(&idx("train"), folder.path(), cache_of(folder.path())).0;
    let path = cache_file(folder.path());
    let whole = std::fs::read(&path).unwrap();
    for place in [4096, 4096 + 30, 4096 + 59] {
        let mut damaged = whole.clone();
        damaged[place] ^= 1;
        replace(&path, &damaged);
        // A plan needs the number of images and their hashes, which have a checksum of their own.
        let (found, was_prepared) = pool(&idx("train"), folder.path(), cache_of(folder.path()));
        assert!(!was_prepared && found != intact);
        let checking = cache_of(folder.path()).checking_values();
        assert_eq!(pool(&idx("train"), folder.path(), checking.clone()), (intact.clone(), true), "byte {place}");
        assert_eq!(pool(&idx("train"), folder.path(), checking), (intact.clone(), false));
    }
}

#[test]
fn a_changed_file_is_prepared_again() {
    let folder = folder();
    let write = |name: &str, bytes: &[u8], second: u64| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(second);
        File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
    };
    let data = Data { labels: Some("classes".into()), ..idx("other") };
    let load = || {
        let dataset = load(&Data { validation: Some(Held::Images(0)), ..data.clone() }, folder.path()).unwrap();
        (bytes(&dataset.train)[0], labels(&dataset.train).unwrap())
    };
    write("other", &idx_file(&[2, 1, 1], &[5, 6]), 1);
    write("classes", &idx_file(&[2], &[0, 1]), 1);
    assert_eq!(load(), (5, vec![0, 1]));
    write("other", &idx_file(&[2, 1, 1], &[7, 6]), 2);
    assert_eq!(load(), (7, vec![0, 1]));
    write("classes", &idx_file(&[2], &[1, 1]), 2);
    assert_eq!(load(), (7, vec![1, 1]));
    // The same time and size, but another file: an editor or rsync may restore the time.
    std::fs::rename(folder.path().join("other"), folder.path().join("before")).unwrap();
    write("other", &idx_file(&[2, 1, 1], &[9, 6]), 2);
    assert_eq!(load(), (9, vec![1, 1]));
}

#[test]
fn a_picture_more_or_less_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join("pictures").join(name);
    let data = Data { images: Some("pictures".into()), validation: Some(Held::Images(0)), ..Data::default() };
    let load = || {
        let settings = DataSettings { validation: Some(Held::Images(0)), ..of_files(&data) };
        let (mut files, said) = watched(cache_of(folder.path()));
        let dataset = files.dataset(&settings, folder.path()).unwrap();
        let was_prepared = !said.lock().unwrap().is_empty();
        (bytes(&dataset.train), labels(&dataset.train), was_prepared)
    };
    let (a, b, c) = ([1, 2, 3, 200], [5, 6, 7, 8], [9, 10, 11, 12]);
    picture(&file("one/a.pgm"), a, 1);
    picture(&file("two/b.pgm"), b, 1);
    assert_eq!(load(), ([a, b].concat(), Some(vec![0, 1]), true));
    assert_eq!(load(), ([a, b].concat(), Some(vec![0, 1]), false));
    picture(&file("two/c.pgm"), c, 1);
    assert_eq!(load(), ([a, b, c].concat(), Some(vec![0, 1, 1]), true));
    picture(&file("one/a.pgm"), c, 2);
    assert_eq!(load(), ([c, b, c].concat(), Some(vec![0, 1, 1]), true));
    // Another class, although the picture and its time are the same.
    std::fs::rename(file("two/c.pgm"), file("one/c.pgm")).unwrap();
    assert_eq!(load(), ([c, c, b].concat(), Some(vec![0, 0, 1]), true));
    std::fs::remove_file(file("two/b.pgm")).unwrap();
    // A single class is no label.
    assert_eq!(load(), ([c, c].concat(), None, true));
    // Each version was prepared once.
    let count = cache_of(folder.path()).files().unwrap().len();
    assert_eq!(count, 5);
    // Files that are not pictures do not matter.
    std::fs::write(file("notes.txt"), "x").unwrap();
    assert_eq!(load(), ([c, c].concat(), None, false));
}

/// The settings of files whose format is detected.
fn of_files(data: &Data) -> DataSettings {
    let path = toml::Value::String(data.images.as_ref().unwrap().to_str().unwrap().to_owned());
    let written = [("data.images".to_owned(), path)].into();
    Keys::read(&written, |keys| keys.table("data", "", "", DataSettings::read)).0
}

#[test]
fn of_several_loaders_one_prepares() {
    let folder = folder();
    // Enough images that preparing them takes a while.
    let values: Vec<u8> = (0..3_000_000u32).map(|value| (value * 7 % 251) as u8).collect();
    std::fs::write(folder.path().join("many"), idx_file(&[30_000, 10, 10], &values)).unwrap();
    let (begins, waits, ends) = (Barrier::new(4), AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let (mut files, said) = watched(cache_of(folder.path()));
                let data = Data { validation: Some(Held::Images(0)), ..idx("many") }.settings();
                begins.wait();
                let dataset = files.dataset(&data, folder.path()).unwrap();
                assert!(bytes(&dataset.train) == values);
                let said = said.lock().unwrap();
                waits.fetch_add(said.iter().filter(|one| *one == "waits").count(), Ordering::Relaxed);
                ends.fetch_add(said.iter().filter(|one| *one == "ended").count(), Ordering::Relaxed);
            });
        }
    });
    assert_eq!(ends.into_inner(), 1);
    assert!(waits.into_inner() <= 3);
    assert_eq!(cache_of(folder.path()).files().unwrap().len(), 1);
}

#[test]
fn a_folder_that_others_can_write_to_is_refused() {
    let folder = folder();
    let cache = folder.path().join("it's here");
    std::fs::create_dir(&cache).unwrap();
    let error = |mode: u32| {
        std::fs::set_permissions(&cache, std::fs::Permissions::from_mode(mode)).unwrap();
        let mut files = Files::new(Cache::in_folder(&cache), |_| {});
        files.dataset(&idx("train").settings(), folder.path()).map(|_| ()).map_err(|error| error.to_string())
    };
    let path = cache.display().to_string();
    for mode in [0o720, 0o702, 0o777, 0o1777] {
        let message = format!(
            "{path}: other users can write to it, so prepared images in it could be changed by others; run: chmod go-w {}",
            crate::text::shell_word(&path)
        );
        assert_eq!(error(mode), Err(message), "{mode:o}");
        assert_eq!(std::fs::read_dir(&cache).unwrap().count(), 0);
    }
    assert_eq!((error(0o755), error(0o700)), (Ok(()), Ok(())));
    // A folder that vaex creates is closed to others.
    assert_eq!(pool(&idx("train"), folder.path(), cache_of(folder.path())).0.len(), 60);
    assert_eq!(std::fs::metadata(folder.path().join("cache")).unwrap().permissions().mode() & 0o777, 0o700);
}

#[test]
fn a_cache_that_cannot_be_written_is_refused() {
    let folder = folder();
    std::fs::write(folder.path().join("file"), "").unwrap();
    let error = |cache: Cache| {
        let mut files = Files::new(cache, |_| {});
        let error = files.dataset(&idx("train").settings(), folder.path()).unwrap_err();
        (error.to_string(), error.key())
    };
    let path = folder.path().join("file/below");
    let message = format!(
        "cannot create the folder {0}: Not a directory (os error 20); prepared images are kept in {0}, which VAEX_CACHE can change",
        path.display()
    );
    assert_eq!(error(Cache::in_folder(&path)), (message, "data.source"));
}

#[test]
fn the_files_that_were_not_used_for_the_longest_time_are_removed_first() {
    let folder = folder();
    let cache = cache_of(folder.path());
    for name in ["train", "test", "train.gz"] {
        pool(&idx(name), folder.path(), cache.clone());
    }
    let files = cache.files().unwrap();
    let of = |name: &str| {
        let source = folder.path().join(name).display().to_string();
        files.iter().find(|file| file.sources == [&*source]).unwrap()
    };
    for (name, second) in [("train", 30), ("test", 10), ("train.gz", 20)] {
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(second);
        File::options().write(true).open(&of(name).path).unwrap().set_modified(time).unwrap();
    }
    let all: u64 = files.iter().map(|file| file.bytes).sum();
    let removed = |most| cache.clean(most).unwrap().into_iter().map(|file| file.path).collect::<Vec<_>>();
    assert_eq!(removed(all), [""; 0].map(PathBuf::from));
    assert_eq!(removed(all - 1), [of("test").path.clone()]);
    // Loading is a use, although nothing is written.
    assert!(!pool(&idx("train.gz"), folder.path(), cache.clone()).1);
    assert_eq!(removed(of("train.gz").bytes), [of("train").path.clone()]);
    // A file that is in use stays.
    let (mut user, _) = watched(cache.clone());
    let dataset = user.dataset(&idx("train.gz").settings(), folder.path()).unwrap();
    assert_eq!(removed(0), [""; 0].map(PathBuf::from));
    drop((user, dataset));
    assert_eq!(removed(0), [of("train.gz").path.clone()]);
    // Locks stay: another process may wait for one of them.
    let left = std::fs::read_dir(folder.path().join("cache")).unwrap().map(|entry| entry.unwrap().path());
    assert!(left.into_iter().all(|path| path.extension().is_some_and(|ending| ending == "lock")));
}
