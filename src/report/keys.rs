//! The columns of trials.parquet for the keys of a spec: every key that a trial can have, with a fixed type.

use crate::language::description;
use crate::settings::{Role, Type};

/// The type of the values of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ColumnType {
    Bool,
    Integer,
    Float,
    String,
    Integers,
    Floats,
    Strings,
}

impl ColumnType {
    /// The column type for a key's type. A number or a word is text; a count or a fraction is a number.
    fn of(kind: Type) -> ColumnType {
        match kind {
            Type::Bool => ColumnType::Bool,
            Type::Whole { .. } => ColumnType::Integer,
            Type::Number(_) => ColumnType::Float,
            Type::List(inner, _) | Type::Pair(inner) => match ColumnType::of(*inner) {
                ColumnType::Integer => ColumnType::Integers,
                ColumnType::Float => ColumnType::Floats,
                _ => ColumnType::Strings,
            },
            Type::OneOf(kinds, _) if kind.words().is_empty() && kinds.iter().all(|kind| kind.takes_numbers().1) => {
                ColumnType::Float
            }
            Type::Text
            | Type::Name
            | Type::Path
            | Type::Percentage
            | Type::Word(_)
            | Type::OneOf(..)
            | Type::Table
            | Type::Tables
            // Layers as JSON.
            | Type::Parts(_) => ColumnType::String,
        }
    }
}

/// Every key, dotted, with its type.
pub(super) fn key_columns() -> impl Iterator<Item = (&'static str, ColumnType)> {
    let keys = description().keys.iter().filter(|key| key.role() != Role::Document);
    keys.map(|key| (key.dotted.as_str(), ColumnType::of(key.kind())))
}

#[cfg(test)]
mod tests {
    use super::ColumnType::{self, Bool, Float, Floats, Integer, Integers, String, Strings};
    use super::key_columns;

    #[test]
    fn columns_have_the_types_of_their_keys() {
        let of = |key: &str| key_columns().find(|(name, _)| *name == key).map(|(_, kind)| kind);
        let expected: [(&str, ColumnType); 10] = [
            ("name", String),
            ("tags", Strings),
            ("seed", Integer),
            ("data.images", String),
            ("data.flip", Bool),
            ("data.validation", Float),
            ("data.range", Floats),
            ("model.hidden", Integers),
            ("model.variance", String),
            ("train.epsilon", Float),
        ];
        for (key, kind) in expected {
            assert_eq!(of(key), Some(kind), "{key}");
        }
        assert!(of("extends").is_none() && of("sweep.grid").is_none());
    }
}
