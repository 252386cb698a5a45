//! Named arrays in safetensors files, with a checksum.

use super::{BLANK_SEAL, DAMAGED, FileError, SEAL_NAME, SealPlace, write_unsynced, write_whole};
use safetensors::tensor::{Dtype, Metadata, SafeTensors, View};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

/// A file of weights or state that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ArraysError {
    /// It cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// It is not a safetensors file, is damaged, or has other arrays than it should.
    #[error("{}: {reason}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

/// Named arrays to be written to a file. They are borrowed; while the file is written, they are copied one by one.
#[derive(Default)]
pub struct Arrays<'a> {
    entries: Vec<(String, Array<'a>)>,
}

struct Array<'a> {
    sizes: Vec<usize>,
    values: Values<'a>,
}

enum Values<'a> {
    Numbers(Cow<'a, [f32]>),
    Bytes(Vec<u8>),
}

impl View for &Array<'_> {
    fn dtype(&self) -> Dtype {
        match self.values {
            Values::Numbers(_) => Dtype::F32,
            Values::Bytes(_) => Dtype::U8,
        }
    }

    fn shape(&self) -> &[usize] {
        &self.sizes
    }

    fn data(&self) -> Cow<'_, [u8]> {
        match &self.values {
            Values::Numbers(values) => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
            Values::Bytes(bytes) => bytes.into(),
        }
    }

    fn data_len(&self) -> usize {
        match &self.values {
            Values::Numbers(values) => size_of_val(&**values),
            Values::Bytes(bytes) => bytes.len(),
        }
    }
}

impl<'a> Arrays<'a> {
    /// Adds an array, row-major.
    pub fn push(&mut self, name: impl Into<String>, sizes: Vec<usize>, values: impl Into<Cow<'a, [f32]>>) {
        self.entries.push((name.into(), Array { sizes, values: Values::Numbers(values.into()) }));
    }

    /// Adds an array of bytes.
    pub fn push_bytes(&mut self, name: &str, bytes: Vec<u8>) {
        self.entries.push((name.to_owned(), Array { sizes: vec![bytes.len()], values: Values::Bytes(bytes) }));
    }

    /// Writes the file atomically, with a checksum in its metadata.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, path: &Path, notes: BTreeMap<String, String>) -> Result<(), ArraysError> {
        Ok(write_whole(path, &self.bytes(path, notes)?)?)
    }

    /// As [`Arrays::write`], with [`write_unsynced`].
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write_unsynced(&self, path: &Path, notes: BTreeMap<String, String>) -> Result<(), ArraysError> {
        Ok(write_unsynced(path, &self.bytes(path, notes)?)?)
    }

    /// The content of the file, which is written to `path`.
    fn bytes(&self, path: &Path, mut notes: BTreeMap<String, String>) -> Result<Vec<u8>, ArraysError> {
        let wrong = |error: safetensors::SafeTensorError| ArraysError::Content {
            path: path.to_path_buf(),
            reason: error.to_string(),
        };
        notes.insert(SEAL_NAME.to_owned(), BLANK_SEAL.to_owned());
        let in_order = serde_json::json!(notes).to_string();
        let arrays = self.entries.iter().map(|(name, array)| (name.as_str(), array));
        let mut bytes = safetensors::serialize(arrays, Some(notes.into_iter().collect())).map_err(wrong)?;
        sort_notes(&mut bytes, in_order.as_bytes());
        SealPlace::First.seal(&mut bytes).map_err(FileError::at("write", path))?;
        Ok(bytes)
    }
}

/// Sorts the metadata. Safetensors writes it from a hash map, whose order changes from run to run, but equal content must have
/// equal bytes.
fn sort_notes(file: &mut [u8], in_order: &[u8]) {
    const START: &[u8] = b"{\"__metadata__\":";
    // The header follows the eight bytes of its length.
    if let Some(rest) = file.get_mut(8..).filter(|rest| rest.starts_with(START))
        && let Some(notes) = rest.get_mut(START.len()..START.len() + in_order.len())
        && notes.last() == Some(&b'}')
    {
        notes.copy_from_slice(in_order);
    }
}

/// A safetensors file in memory.
pub struct Stored {
    path: PathBuf,
    bytes: Vec<u8>,
    arrays: Metadata,
    /// The offset of the arrays in the file.
    start: usize,
    /// The metadata of the file.
    pub notes: HashMap<String, String>,
}

impl Stored {
    /// Reads a file that any program wrote.
    ///
    /// # Errors
    /// It cannot be read, or is not a safetensors file.
    pub fn read(path: &Path) -> Result<Stored, ArraysError> {
        let bytes = std::fs::read(path).map_err(FileError::at("read", path))?;
        let wrong = |error: safetensors::SafeTensorError| ArraysError::Content {
            path: path.to_path_buf(),
            reason: format!("it is not a safetensors file: {error}"),
        };
        let (header, arrays) = SafeTensors::read_metadata(&bytes).map_err(wrong)?;
        // The header follows the eight bytes of its length.
        let (start, notes) = (8 + header, arrays.metadata().iter().flatten());
        let notes = notes.map(|(name, text)| (name.clone(), text.clone())).collect();
        Ok(Stored { path: path.to_path_buf(), notes, bytes, arrays, start })
    }

    /// Reads a file that [`Arrays::write`] wrote, and verifies its checksum.
    ///
    /// # Errors
    /// It cannot be read, or its checksum differs.
    pub fn read_own(path: &Path) -> Result<Stored, ArraysError> {
        let stored = Stored::read(path)?;
        match SealPlace::First.holds(&stored.bytes) {
            true => Ok(stored),
            false => Err(stored.wrong(DAMAGED)),
        }
    }

    /// The error that something is wrong with this file.
    pub fn wrong(&self, reason: impl Into<String>) -> ArraysError {
        ArraysError::Content { path: self.path.clone(), reason: reason.into() }
    }

    /// Whether vaex wrote it: it has a checksum.
    pub fn is_own(&self) -> bool {
        self.notes.contains_key(SEAL_NAME)
    }

    /// The values of an array; `None` if absent.
    pub fn values(&self, name: &str) -> Option<Vec<f32>> {
        let words = self.array(name, Dtype::F32)?.as_chunks().0;
        Some(words.iter().map(|word| f32::from_le_bytes(*word)).collect())
    }

    /// The shape and the values of an array, row-major; `None` if absent.
    pub fn sized(&self, name: &str) -> Option<(Vec<usize>, Vec<f32>)> {
        Some((self.arrays.info(name)?.shape.clone(), self.values(name)?))
    }

    /// An array of bytes; `None` if absent.
    pub fn bytes(&self, name: &str) -> Option<&[u8]> {
        self.array(name, Dtype::U8)
    }

    /// The type of an array's numbers, such as `F32`; `None` if absent.
    pub fn type_of(&self, name: &str) -> Option<String> {
        Some(format!("{:?}", self.arrays.info(name)?.dtype))
    }

    /// The names of the arrays, in the order of the file.
    pub fn names(&self) -> Vec<String> {
        self.arrays.offset_keys()
    }

    fn array(&self, name: &str, dtype: Dtype) -> Option<&[u8]> {
        let array = self.arrays.info(name).filter(|array| array.dtype == dtype)?;
        let (begin, end) = array.data_offsets;
        self.bytes.get(self.start + begin..self.start + end)
    }

    /// A whole number in the metadata; `None` if absent.
    pub fn number(&self, note: &str) -> Option<u64> {
        self.notes.get(note)?.parse().ok()
    }
}

/// Describes the differences between the arrays of two files that vaex wrote; empty if all bits are equal.
///
/// # Errors
/// A file cannot be read, or is damaged.
pub fn differences(before: &Path, after: &Path) -> Result<Vec<String>, ArraysError> {
    let (before, after) = (Stored::read_own(before)?, Stored::read_own(after)?);
    let names: BTreeSet<String> = before.names().into_iter().chain(after.names()).collect();
    let mut differences = Vec::new();
    for name in &names {
        // An array that a file lacks counts as empty.
        let values = |stored: &Stored| match stored.arrays.info(name) {
            Some(_) => stored.values(name).ok_or_else(|| stored.wrong(format!("array {name} is not float32"))),
            None => Ok(Vec::new()),
        };
        let (one, other) = (values(&before)?, values(&after)?);
        if one.len() != other.len() {
            differences.push(format!("{name}: {} numbers before, {} now", one.len(), other.len()));
            continue;
        }
        let count = one.iter().zip(&other).filter(|(one, other)| one.to_bits() != other.to_bits()).count();
        if count > 0 {
            let most = one.iter().zip(&other).fold(0f32, |most, (one, other)| most.max((one - other).abs()));
            differences.push(format!("{name}: {count} of {} numbers differ, by at most {most:e}", one.len()));
        }
    }
    Ok(differences)
}
