//! The columns of a parquet file, and which of them have the images.

use crate::data::format::collection::is_label_name;
use crate::data::format::{FormatError, Place};
use parquet::basic::{ConvertedType, LogicalType, Type as Physical};
use parquet::schema::types::ColumnDescriptor;

/// A column without parts. A column of structs has several.
#[derive(Debug)]
pub(super) struct Leaf {
    pub(super) index: usize,
    /// The name of the column, and those of its parts.
    path: Vec<String>,
    /// The name of the column.
    pub(super) name: String,
    pub(super) kind: LeafKind,
    is_list: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LeafKind {
    Whole,
    Float,
    Bytes,
    Text,
    Other,
}

impl Leaf {
    pub(super) fn of(index: usize, column: &ColumnDescriptor) -> Leaf {
        let path = column.path().parts().to_vec();
        let is_text = column.converted_type() == ConvertedType::UTF8
            || matches!(column.logical_type_ref(), Some(LogicalType::String));
        let kind = match column.physical_type() {
            Physical::BOOLEAN | Physical::INT32 | Physical::INT64 => LeafKind::Whole,
            Physical::FLOAT | Physical::DOUBLE => LeafKind::Float,
            Physical::BYTE_ARRAY if is_text => LeafKind::Text,
            Physical::BYTE_ARRAY => LeafKind::Bytes,
            Physical::INT96 | Physical::FIXED_LEN_BYTE_ARRAY => LeafKind::Other,
        };
        let name = path.first().cloned().unwrap_or_default();
        Leaf { index, name, path, kind, is_list: column.max_rep_level() > 0 }
    }

    fn is_number(&self) -> bool {
        matches!(self.kind, LeafKind::Whole | LeafKind::Float)
    }

    /// Whether it can hold labels: a plain column of numbers or texts.
    pub(super) fn can_be_label(&self) -> bool {
        self.path.len() == 1 && !self.is_list && (self.is_number() || self.kind == LeafKind::Text)
    }
}

pub(super) fn names(leaves: &[Leaf]) -> String {
    let mut names: Vec<&str> = leaves.iter().map(|leaf| &*leaf.name).collect();
    names.dedup();
    const MOST: usize = 10;
    match names.len() > MOST {
        true => format!("{} and {} more", names[..MOST].join(", "), names.len() - MOST),
        false => names.join(", "),
    }
}

/// Where the images of a file are.
pub(super) enum Found {
    /// Encoded pictures.
    Encoded(usize),
    /// A list of numbers per image.
    Lists(usize),
    /// A column per pixel.
    Pixels(Vec<usize>),
}

/// Finds the images: the column that is named, the only one of pictures, the only one of lists, or else all columns of numbers
/// without those of labels.
pub(super) fn found(place: &Place, leaves: &[Leaf]) -> Result<Found, FormatError> {
    let error = |what: String| FormatError::new(&place.path, what);
    let is_wanted = |leaf: &&Leaf| place.key.as_ref().is_none_or(|key| leaf.name == *key);
    let wanted: Vec<&Leaf> = leaves.iter().filter(is_wanted).collect();
    let is_picture = |leaf: &&&Leaf| leaf.kind == LeafKind::Bytes && !leaf.is_list;
    let pictures: Vec<&&Leaf> = wanted.iter().filter(is_picture).collect();
    let lists: Vec<&&Leaf> = wanted.iter().filter(|leaf| leaf.is_list && leaf.is_number()).collect();
    let several = |found: &[&&Leaf]| {
        let list = found.iter().map(|leaf| &*leaf.name).collect::<Vec<_>>().join(", ");
        error(format!("has several columns of images ({list}); name one, as in `{place}:{}`", found[0].name))
    };
    match (&place.key, &*pictures, &*lists) {
        (_, [one], _) => Ok(Found::Encoded(one.index)),
        (_, [_, _, ..], _) => Err(several(&pictures)),
        (_, [], [one]) => Ok(Found::Lists(one.index)),
        (_, [], [_, _, ..]) => Err(several(&lists)),
        (Some(key), [], []) => {
            Err(error(format!("has no column of images `{key}`; its columns are {}", names(leaves))))
        }
        (None, [], []) => {
            let is_pixel = |leaf: &&Leaf| leaf.can_be_label() && leaf.is_number() && !is_label_name(&leaf.name);
            let pixels: Vec<usize> = leaves.iter().filter(is_pixel).map(|leaf| leaf.index).collect();
            match pixels.is_empty() {
                true => Err(error(format!("has no column of images; its columns are {}", names(leaves)))),
                false => Ok(Found::Pixels(pixels)),
            }
        }
    }
}
