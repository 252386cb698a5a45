//! What the keys of a spec are: name, type, range, default and meaning, each stated once, beside the code that uses it.
//!
//! A table of a spec is read by one function over [`Keys`], which names each key and gets its value; so the type that it
//! returns has no missing values and no second defaults. The same function, run to describe its keys, gives the list of
//! all keys with all their kinds ([`Description`]), from which the checks of types, the JSON schema, the reference, `vaex
//! new`, the suggestions and the columns of the tables follow.
//!
//! Settings as serde's tagged enums were tried first. `flatten`, which keys in the table of their chooser need, cannot deny
//! unknown keys, loses the place and the key of a wrong value, gives editors a `oneOf` in place of properties, and knows
//! neither which kinds take a key nor what else it is called; the list of keys would have been needed all the same.

mod description;
mod keys;
mod types;

pub use description::{Condition, Declared, Description, KeyInfo, TableInfo, other_name, plain, written};
pub use keys::{Found, Keys, NumberOr, Problem, ResolvedKey};
pub(crate) use types::LIST_OF_VALUES;
pub use types::{Fault, Interval, Type, nearest};

/// A key of a spec's table.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Its name, without the table's.
    pub name: &'static str,
    /// What it means, in a sentence.
    pub doc: &'static str,
    /// What other programs and papers call it, separated by blanks.
    pub also: &'static str,
    /// A value that it may have, as TOML, for the schema.
    pub example: &'static str,
    /// What to do about a value out of its range; empty where the range says enough.
    pub hint: &'static str,
    /// What it has a part in.
    pub role: Role,
}

/// What a key has a part in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The result of a trial.
    Training,
    /// The network: it enters the id of a trial as its list of layers.
    Network,
    /// Which images there are: their hash stands for it in ids and comparisons.
    Data,
    /// Where a file is. The path is relative to the file that has the key.
    File,
    /// What is kept and how trials are labelled: no result depends on it, so no sweep varies it.
    Output,
    /// The experiment as a whole: no sweep varies it.
    Experiment,
    /// The file and its sweep: no trial has it.
    Document,
}

impl Role {
    /// Whether the result of a trial depends on the key, if only through the images.
    pub fn determines(self) -> bool {
        matches!(self, Role::Training | Role::Network | Role::Data)
    }

    /// Whether a sweep can vary the key.
    pub fn can_vary(self) -> bool {
        self.determines() || self == Role::File
    }
}

impl Key {
    /// A key that has a part in the result of a trial.
    pub const fn new(name: &'static str, doc: &'static str) -> Key {
        Key { name, doc, also: "", example: "", hint: "", role: Role::Training }
    }

    /// With its other names.
    #[must_use]
    pub const fn also(self, also: &'static str) -> Key {
        Key { also, ..self }
    }

    /// With an example.
    #[must_use]
    pub const fn example(self, example: &'static str) -> Key {
        Key { example, ..self }
    }

    /// With advice for a value out of range.
    #[must_use]
    pub const fn hint(self, hint: &'static str) -> Key {
        Key { hint, ..self }
    }

    /// With another role.
    #[must_use]
    pub const fn role(self, role: Role) -> Key {
        Key { role, ..self }
    }
}

/// A word that a key takes.
#[derive(Clone, Copy, Debug)]
pub struct Word {
    /// The word.
    pub name: &'static str,
    /// What it means.
    pub doc: &'static str,
    /// What else it is called, separated by blanks.
    pub also: &'static str,
}

/// One of the kinds that a key chooses from: its word, and how its own keys are read.
pub struct Kind<T: 'static> {
    /// The word that chooses it.
    pub word: Word,
    /// Reads the keys that only this kind has.
    pub read: fn(&mut Keys<'_>) -> T,
}

impl<T> Kind<T> {
    /// A kind without other names.
    pub const fn new(name: &'static str, doc: &'static str, read: fn(&mut Keys<'_>) -> T) -> Kind<T> {
        Kind { word: Word { name, doc, also: "" }, read }
    }

    /// With its other names.
    #[must_use]
    pub const fn also(self, also: &'static str) -> Kind<T> {
        Kind { word: Word { also, ..self.word }, read: self.read }
    }
}

/// The kinds that a key chooses from, in the order in which they are listed.
pub struct Choices<T: 'static>(pub &'static [&'static Kind<T>]);

impl<T> Choices<T> {
    /// The kind of that name.
    pub fn find(&self, name: &str) -> Option<&'static Kind<T>> {
        self.0.iter().copied().find(|kind| kind.word.name == name)
    }
}

/// Words that a key takes.
pub trait Words: Sync {
    /// The words, in their order.
    fn words(&self) -> Vec<&'static Word>;

    /// Their names.
    fn names(&self) -> Vec<&'static str> {
        self.words().into_iter().map(|word| word.name).collect()
    }
}

impl<T> Words for Choices<T> {
    fn words(&self) -> Vec<&'static Word> {
        self.0.iter().map(|kind| &kind.word).collect()
    }
}
