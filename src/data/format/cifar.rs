//! The binary versions of CIFAR-10 and CIFAR-100: records of one or two labels and 3,072 values, the red ones first.

use super::{Block, Format, FormatError, Place, PlaceParts, Reader, Start, Wish};
use crate::data::column::{RawColumn, RawValues};
use crate::data::values::{Element, Values};
use crate::folder::FileError;
use std::path::{Path, PathBuf};

/// The number of values of an image.
const VALUES: usize = 3 * 32 * 32;

/// The file that names the classes of each label, in the folder of the data.
const NAMES: [[&str; 2]; 2] = [["batches.meta.txt", ""], ["coarse_label_names.txt", "fine_label_names.txt"]];

/// The names of the labels of CIFAR-10 and CIFAR-100.
const LABELS: [&[&str]; 2] = [&["label"], &["coarse_label", "label"]];

/// The largest label of each column.
const LARGEST: [&[u8]; 2] = [&[9], &[19, 99]];

/// The files of the training images and of the test images.
const TRAINING: [&str; 6] =
    ["data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin", "train.bin"];
const TEST: [&str; 2] = ["test_batch.bin", "test.bin"];

/// CIFAR's binary files, and folders of them.
#[derive(Debug)]
pub(super) struct Cifar;

impl Format for Cifar {
    fn name(&self) -> &'static str {
        "CIFAR"
    }

    fn recognizes(&self, start: &Start<'_>) -> bool {
        if start.is_folder {
            return !present(start.path, &TRAINING).is_empty();
        }
        start.path.extension().is_some_and(|ending| ending == "bin")
            && version_of(start.path).is_ok_and(|version| version.is_some())
    }

    fn files(&self, place: &Place) -> Result<Vec<PathBuf>, FormatError> {
        let mut files = data_files(place);
        let folder = if place.path.is_dir() { place.path.clone() } else { place.path.with_file_name("") };
        files.extend(NAMES.iter().flatten().map(|name| folder.join(name)).filter(|file| file.is_file()));
        Ok(files)
    }

    fn parts(&self, place: &Place) -> Result<PlaceParts, FormatError> {
        let is_whole = place.path.is_dir() && place.key.is_none();
        let has_test = is_whole && !present(&place.path, &TEST).is_empty();
        let test = has_test.then(|| place.with_key("test"));
        let training = if is_whole { place.with_key("train") } else { place.clone() };
        Ok(PlaceParts { training, validation: None, test })
    }

    fn images(&self, place: &Place, _: &Wish) -> Result<Box<dyn Reader>, FormatError> {
        let files = data_files(place);
        let Some(first) = files.first() else {
            return Err(FormatError::new(&place.path, "has no CIFAR files of this part"));
        };
        let version = version_of(first)?.ok_or_else(|| not_cifar(first))?;
        let labels = vec![Vec::new(); LABELS[version].len()];
        Ok(Box::new(Images { files, version, read: 0, labels }))
    }

    fn labels(&self, place: &Place) -> Result<Vec<RawColumn>, FormatError> {
        Err(FormatError::new(&place.path, "has images with labels; it is not a file of labels"))
    }
}

/// Files of these names in a folder.
fn present(folder: &Path, names: &[&str]) -> Vec<PathBuf> {
    names.iter().map(|name| folder.join(name)).filter(|file| file.is_file()).collect()
}

/// The files of images.
fn data_files(place: &Place) -> Vec<PathBuf> {
    match place.key.as_deref() {
        _ if !place.path.is_dir() => vec![place.path.clone()],
        Some("test") => present(&place.path, &TEST),
        _ => present(&place.path, &TRAINING),
    }
}

/// 0 for CIFAR-10, 1 for CIFAR-100; `None` if the file has another format. Records of both have their own sizes and labels.
fn version_of(path: &Path) -> Result<Option<usize>, FileError> {
    use std::io::{Read, Seek, SeekFrom};
    let mut file = std::fs::File::open(path).map_err(FileError::at("read", path))?;
    let bytes = file.metadata().map_err(FileError::at("read", path))?.len();
    let mut fits = |version: usize| -> std::io::Result<bool> {
        let record = (LABELS[version].len() + VALUES) as u64;
        if bytes == 0 || bytes % record != 0 {
            return Ok(false);
        }
        // Records from the whole file: the labels of some would be too large if the format were another one.
        let records = bytes / record;
        let mut labels = [0; 2];
        let labels = &mut labels[..LABELS[version].len()];
        for place in (0..records).step_by((records / 100).max(1) as usize) {
            file.seek(SeekFrom::Start(place * record))?;
            file.read_exact(labels)?;
            if labels.iter().zip(LARGEST[version]).any(|(label, largest)| label > largest) {
                return Ok(false);
            }
        }
        Ok(true)
    };
    for version in 0..2 {
        if fits(version).map_err(FileError::at("read", path))? {
            return Ok(Some(version));
        }
    }
    Ok(None)
}

fn not_cifar(path: &Path) -> FormatError {
    FormatError::new(path, "does not have the size or the labels of CIFAR records; download it again")
}

/// The images of some files.
struct Images {
    files: Vec<PathBuf>,
    version: usize,
    /// The number of files that were read.
    read: usize,
    labels: Vec<Vec<i64>>,
}

impl Reader for Images {
    fn count(&self) -> Option<usize> {
        let record = (self.labels.len() + VALUES) as u64;
        self.files.iter().map(|file| Some((std::fs::metadata(file).ok()?.len() / record) as usize)).sum()
    }

    fn next(&mut self, _: usize) -> Result<Option<Block>, FormatError> {
        let Some(path) = self.files.get(self.read) else { return Ok(None) };
        self.read += 1;
        if version_of(path)? != Some(self.version) {
            return Err(not_cifar(path));
        }
        let bytes = std::fs::read(path).map_err(FileError::at("read", path))?;
        let labels = self.labels.len();
        let mut values = Vec::with_capacity(bytes.len());
        for (number, record) in bytes.chunks_exact(labels + VALUES).enumerate() {
            let (own, image) = record.split_at(labels);
            for ((column, label), largest) in self.labels.iter_mut().zip(own).zip(LARGEST[self.version]) {
                if label > largest {
                    let what = format!(
                        "has the label {label} in record {number}, but the largest is {largest}; download it again"
                    );
                    return Err(FormatError::new(path, what));
                }
                column.push(i64::from(*label));
            }
            // From planes to pixels.
            values
                .extend((0..VALUES / 3).flat_map(|pixel| [0, 1, 2].map(|channel| image[channel * VALUES / 3 + pixel])));
        }
        Ok(Some(Block::Array { axes: vec![32, 32, 3], values: Values::U8(values), element: Element::Byte }))
    }

    fn finish(self: Box<Self>) -> Result<(Vec<RawColumn>, Vec<String>), FormatError> {
        let folder = self.files.first().map(|file| file.with_file_name("")).unwrap_or_default();
        let names = |column: usize| {
            let file = NAMES[self.version][column];
            let text = std::fs::read_to_string(folder.join(file)).ok().filter(|_| !file.is_empty())?;
            let names: Vec<String> =
                text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect();
            (names.len() == usize::from(LARGEST[self.version][column]) + 1).then_some(names)
        };
        let column = |(index, values): (usize, Vec<i64>)| RawColumn {
            names: names(index),
            ..RawColumn::new(LABELS[self.version][index], RawValues::Whole(values))
        };
        Ok((self.labels.into_iter().enumerate().map(column).collect(), Vec::new()))
    }
}
