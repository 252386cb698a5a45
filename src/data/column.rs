//! Labels and factors: named columns with a whole number for each image.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The largest value of a column of whole numbers that are used as they are. Larger ones, such as dates, are numbered by rank.
const MOST: i64 = 1 << 20;

/// A label or a factor of each image: a number below [`Column::size`], which may have a name.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// The name of the column.
    pub name: String,
    /// The number of values: all values are below it.
    pub size: u32,
    names: Option<Arc<Vec<String>>>,
    values: ColumnValues,
}

#[derive(Clone, Debug, PartialEq)]
enum ColumnValues {
    /// The value of each image.
    Listed(Arc<Vec<u32>>),
    /// Image i has the value (i / stride) modulo the size.
    Grid { stride: u64 },
}

/// A column as a file has it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct RawColumn {
    pub(super) name: String,
    pub(super) values: RawValues,
    /// The names of the numbers 0, 1, ...
    pub(super) names: Option<Vec<String>>,
}

/// Values as a file has them.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum RawValues {
    Whole(Vec<i64>),
    Floats(Vec<f64>),
    Texts(Vec<String>),
}

impl RawValues {
    pub(super) fn len(&self) -> usize {
        match self {
            RawValues::Whole(values) => values.len(),
            RawValues::Floats(values) => values.len(),
            RawValues::Texts(values) => values.len(),
        }
    }

    /// Appends the values of another file; `false` if they have another type.
    pub(super) fn append(&mut self, other: RawValues) -> bool {
        match (self, other) {
            (RawValues::Whole(own), RawValues::Whole(other)) => own.extend(other),
            (RawValues::Floats(own), RawValues::Floats(other)) => own.extend(other),
            (RawValues::Texts(own), RawValues::Texts(other)) => own.extend(other),
            _ => return false,
        }
        true
    }
}

impl RawColumn {
    pub(super) fn new(name: impl Into<String>, values: RawValues) -> RawColumn {
        RawColumn { name: name.into(), values, names: None }
    }

    /// The column. Whole numbers from 0 are used as they are. Other numbers and texts are numbered by their rank among the
    /// different values.
    pub(super) fn numbered(self) -> Column {
        let RawColumn { name, values, names } = self;
        match values {
            RawValues::Whole(values) if values.iter().all(|value| (0..=MOST).contains(value)) => {
                let size = values.iter().max().map_or(0, |largest| *largest as u32 + 1);
                let size = size.max(names.as_ref().map_or(0, |names| names.len() as u32));
                let values: Vec<u32> = values.into_iter().map(|value| value as u32).collect();
                // A list with too few names would be misleading.
                let names = names.filter(|names| names.len() == size as usize);
                Column::listed(name, size, names, values)
            }
            RawValues::Whole(values) => ranked(name, &values, |value: &i64| *value, i64::to_string),
            RawValues::Floats(values) => {
                ranked(name, &values, |value| Ordered(*value), |Ordered(value)| value.to_string())
            }
            RawValues::Texts(values) => ranked(name, &values, String::clone, String::clone),
        }
    }
}

/// A float with a total order.
#[derive(Clone, Copy, PartialEq)]
struct Ordered(f64);

impl Eq for Ordered {}

impl PartialOrd for Ordered {
    fn partial_cmp(&self, other: &Ordered) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Ordered {
    fn cmp(&self, other: &Ordered) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

/// A column of the ranks of values.
fn ranked<V, K: Ord + Clone>(name: String, values: &[V], key: impl Fn(&V) -> K, text: impl Fn(&K) -> String) -> Column {
    let different: Vec<K> = values.iter().map(&key).collect::<BTreeSet<K>>().into_iter().collect();
    let rank = |value: &V| different.binary_search(&key(value)).unwrap_or_default() as u32;
    let names = different.iter().map(text).collect();
    Column::listed(name, different.len() as u32, Some(names), values.iter().map(rank).collect::<Vec<u32>>())
}

impl Column {
    /// A column with a value for each image.
    pub(super) fn listed(
        name: impl Into<String>,
        size: u32,
        names: Option<Vec<String>>,
        values: impl Into<Arc<Vec<u32>>>,
    ) -> Column {
        let (name, names) = (name.into(), names.map(Arc::new));
        Column { name, size, names, values: ColumnValues::Listed(values.into()) }
    }

    /// A column of a grid, in which image i has the value (i / stride) modulo the size.
    pub(super) fn grid(name: &str, size: u32, stride: u64, names: Option<Vec<String>>) -> Column {
        Column { name: name.to_owned(), size, names: names.map(Arc::new), values: ColumnValues::Grid { stride } }
    }

    /// The value of an image.
    pub(super) fn value(&self, image: usize) -> u32 {
        match &self.values {
            ColumnValues::Listed(values) => values.get(image).copied().unwrap_or_default(),
            ColumnValues::Grid { stride } => (image as u64 / stride % u64::from(self.size.max(1))) as u32,
        }
    }

    /// The column of `count` images with the numbers that `other` gives to the same names; names that it lacks come last.
    pub(super) fn numbered_as(&self, other: &Column, count: usize) -> Column {
        if self.names() == other.names() {
            return self.clone();
        }
        // Numbers without names are their own names.
        let names_of = |column: &Column| (0..column.size).map(|value| column.name_of(value).into_owned()).collect();
        let (own, mut names): (Vec<String>, Vec<String>) = (names_of(self), names_of(other));
        let mut known: BTreeMap<String, u32> = names.iter().cloned().zip(0..).collect();
        let number = |name: &String| {
            *known.entry(name.clone()).or_insert_with(|| {
                names.push(name.clone());
                names.len() as u32 - 1
            })
        };
        let numbers: Vec<u32> = own.iter().map(number).collect();
        let value = |image| numbers.get(self.value(image) as usize).copied().unwrap_or_default();
        let values: Vec<u32> = (0..count).map(value).collect();
        Column::listed(&*self.name, names.len() as u32, Some(names), values)
    }

    /// The names of all values; `None` if they have no names.
    pub fn names(&self) -> Option<&[String]> {
        self.names.as_deref().map(Vec::as_slice)
    }

    /// The name of a value, or else its number.
    pub fn name_of(&self, value: u32) -> Cow<'_, str> {
        match self.names().and_then(|names| names.get(value as usize)) {
            Some(name) => Cow::Borrowed(name),
            None => Cow::Owned(value.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(column: &Column, count: usize) -> Vec<u32> {
        (0..count).map(|image| column.value(image)).collect()
    }

    #[test]
    fn whole_numbers_from_0_stay_what_they_are() {
        let column = RawColumn::new("label", RawValues::Whole(vec![7, 0, 7, 3])).numbered();
        assert_eq!((column.size, values(&column, 4), column.name_of(7)), (8, vec![7, 0, 7, 3], "7".into()));
        let names = Some(vec!["cat".to_owned(), "dog".to_owned(), "ox".to_owned()]);
        let column = RawColumn { names, ..RawColumn::new("label", RawValues::Whole(vec![1, 0])) }.numbered();
        assert_eq!((column.size, column.name_of(1), column.name_of(2)), (3, "dog".into(), "ox".into()));
    }

    #[test]
    fn other_values_are_numbered_by_rank() {
        let of = |values| RawColumn::new("x", values).numbered();
        let column = of(RawValues::Whole(vec![-5, 2_000_000, -5]));
        assert_eq!((column.size, values(&column, 3), column.name_of(1)), (2, vec![0, 1, 0], "2000000".into()));
        let column = of(RawValues::Floats(vec![0.5, 0.1, 1.25, 0.1]));
        assert_eq!((column.size, values(&column, 4), column.name_of(0)), (3, vec![1, 0, 2, 0], "0.1".into()));
        let column = of(RawValues::Texts(["ox", "cat", "ox"].map(str::to_owned).to_vec()));
        assert_eq!((column.size, values(&column, 3), column.name_of(0)), (2, vec![1, 0, 1], "cat".into()));
    }

    #[test]
    fn names_have_the_numbers_of_another_column() {
        let of = |texts: &[&str]| {
            let texts = texts.iter().map(|text| (*text).to_owned()).collect();
            RawColumn::new("label", RawValues::Texts(texts)).numbered()
        };
        let (all, some) = (of(&["cat", "dog", "ox"]), of(&["ox", "bee", "dog"]));
        let column = some.numbered_as(&all, 3);
        assert_eq!((column.size, values(&column, 3)), (4, vec![2, 3, 1]));
        assert_eq!(column.names().unwrap(), ["cat", "dog", "ox", "bee"]);
    }

    #[test]
    fn a_grid_has_the_last_factor_fastest() {
        let (slow, fast) = (Column::grid("slow", 2, 3, None), Column::grid("fast", 3, 1, None));
        assert_eq!(values(&slow, 7), [0, 0, 0, 1, 1, 1, 0]);
        assert_eq!(values(&fast, 7), [0, 1, 2, 0, 1, 2, 0]);
    }
}
