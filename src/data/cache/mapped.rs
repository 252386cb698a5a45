//! Prepared images in a cache file, which is mapped to memory: all processes share one copy.

use super::file::{CHUNK, Parts};
use crate::data::ImageShape;
use crate::data::column::Column;
use crate::data::store::{ImageHash, Store};
use crate::data::values::{Element, Extent, ValuesRef};
use crate::machine::free_memory;
use memmap2::{Advice, Mmap};
use rayon::prelude::*;
use std::fs::File;
use std::io;
use std::path::Path;

/// The largest share of the free memory that the values may take before images are read ahead.
const SHARE_OF_MEMORY: f64 = 0.5;

/// A cache file that is mapped to memory.
#[derive(Debug)]
pub(in crate::data) struct Mapped {
    map: Mmap,
    parts: Parts,
    /// Whether the values may not fit in memory.
    is_large: bool,
    /// Holds a shared lock, so that the file is not removed.
    _file: File,
}

impl Mapped {
    /// Opens a cache file. `None` if it is damaged, incomplete, or from another version.
    pub(super) fn open(path: &Path) -> io::Result<Option<Mapped>> {
        let file = File::open(path)?;
        // A file system without locks only loses the protection from `vaex clean --cache`.
        let _ = file.try_lock_shared();
        if file.metadata()?.len() == 0 {
            return Ok(None);
        }
        // SAFETY: The mapped bytes must not change and the file must not become shorter. A cache file is complete before it
        // gets its name, is never written to again, and is replaced by renaming. The folder belongs to the user, and others
        // cannot write to it (`check_folder`). `Parts::of` checks the length against the content.
        #[expect(unsafe_code, reason = "mapping a file is unsafe, because another process could change it")]
        let map = unsafe { Mmap::map(&file)? };
        let Some(parts) = Parts::of(&map) else { return Ok(None) };
        let is_large = free_memory().is_some_and(|free| map.len() as f64 > SHARE_OF_MEMORY * free);
        if is_large {
            // Images are read in random order: reading their neighbours too would only displace others.
            let _ = map.advise(Advice::Random);
        }
        Ok(Some(Mapped { map, parts, is_large, _file: file }))
    }

    /// Whether the values are those that were written: reads all of them.
    pub(super) fn is_intact(&self) -> bool {
        let chunks = self.map.get(self.parts.values()).unwrap_or_default().par_chunks(CHUNK);
        chunks.enumerate().all(|(number, chunk)| crc32fast::hash(chunk) == self.parts.checksum(&self.map, number))
    }

    /// What the user should know about the files that the images are from.
    pub(in crate::data) fn notes(&self) -> &[String] {
        &self.parts.meta.notes
    }

    /// The files or folders that the images are from.
    pub(super) fn sources(&self) -> &[String] {
        &self.parts.meta.sources
    }

    /// The place of an image in the file, and its number of bytes.
    fn place(&self, index: usize) -> (usize, usize) {
        let size = self.parts.meta.shape().values() * self.parts.element.bytes();
        (self.parts.values().start + index * size, size)
    }
}

impl Store for Mapped {
    fn len(&self) -> usize {
        self.parts.meta.count
    }

    fn shape(&self) -> ImageShape {
        self.parts.meta.shape()
    }

    fn element(&self) -> Element {
        self.parts.element
    }

    fn image<'a>(&'a self, index: usize, _: &'a mut Vec<u8>) -> ValuesRef<'a> {
        assert!(index < self.len(), "image {index} of {}", self.len());
        let (start, size) = self.place(index);
        let bytes = &self.map[start..start + size];
        match self.parts.element {
            Element::Bit | Element::Byte => ValuesRef::U8(bytes),
            Element::Float => ValuesRef::F32(bytemuck::cast_slice(bytes)),
        }
    }

    fn hash(&self, index: usize) -> ImageHash {
        self.parts.hash(&self.map, index)
    }

    fn extent(&self, index: usize) -> Extent {
        self.parts.extent(&self.map, index)
    }

    fn columns(&self) -> &[Column] {
        &self.parts.columns
    }

    fn read_ahead(&self, indices: &[u32]) {
        if !self.is_large {
            return;
        }
        for index in indices {
            let (start, size) = self.place(*index as usize);
            // Only advice: reading works without it.
            let _ = self.map.advise_range(Advice::WillNeed, start, size);
        }
    }
}
