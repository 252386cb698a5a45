//! The keys of a spec: name, type, range, default and meaning, each defined once, next to the code that uses it.
//!
//! One function reads each table of a spec from [`Keys`]: it names each key and gets its value. The type that it returns
//! has no missing values and no second set of defaults. The same function, run to describe its keys, lists all keys of
//! all kinds ([`Description`]). The type checks, the JSON schema, the reference, `vaex new`, the suggestions and the
//! columns of the tables are generated from that list.
//!
//! Why not serde's tagged enums: they need `flatten`, because the keys of a kind are in the same table as the key that
//! chooses the kind. `flatten` cannot deny unknown keys, loses the location and the key of a wrong value, and gives editors
//! a `oneOf` instead of properties. It also knows neither which kinds have a key nor the key's other names, so the list of
//! keys would still be needed.

mod description;
mod keys;
mod types;

pub use description::{Condition, Declared, Description, KeyInfo, TableInfo, as_json, other_name, plain, written};
pub use keys::{Found, Keys, NumberOr, Problem, ResolvedKey};
pub use types::{Advice, Fault, Interval, Parts, Type, name_fault, nearest, percent};

/// A key of a spec's table.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Its name, without the name of its table.
    pub name: &'static str,
    /// What it means, in a sentence.
    pub doc: &'static str,
    /// Its names in other programs and papers, separated by spaces.
    pub also: &'static str,
    /// An example value as TOML, for the schema.
    pub example: &'static str,
    /// What to do about a value out of range; empty if the range is enough.
    pub hint: &'static str,
    /// What it affects.
    pub role: Role,
}

/// What a key affects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The result of a trial.
    Training,
    /// The network: in the trial id, it is represented by the list of layers.
    Network,
    /// Which images are used: in ids and comparisons, it is represented by the hash of the images.
    Data,
    /// The path of a file, relative to the file that contains the key.
    File,
    /// What is saved and how trials are labelled: no result depends on it, so a sweep cannot vary it.
    Output,
    /// The whole experiment: a sweep cannot vary it.
    Experiment,
    /// The spec file and its sweep: a trial does not have it.
    Document,
}

impl Role {
    /// Whether the result of a trial depends on the key, possibly only through the images.
    pub fn determines(self) -> bool {
        matches!(self, Role::Training | Role::Network | Role::Data)
    }

    /// Whether a sweep can vary the key.
    pub fn can_vary(self) -> bool {
        self.determines() || self == Role::File
    }
}

impl Key {
    /// A key that affects the result of a trial.
    pub const fn new(name: &'static str, doc: &'static str) -> Key {
        Key { name, doc, also: "", example: "", hint: "", role: Role::Training }
    }

    /// Sets its other names.
    #[must_use]
    pub const fn also(self, also: &'static str) -> Key {
        Key { also, ..self }
    }

    /// Sets the example.
    #[must_use]
    pub const fn example(self, example: &'static str) -> Key {
        Key { example, ..self }
    }

    /// Sets the hint for a value out of range.
    #[must_use]
    pub const fn hint(self, hint: &'static str) -> Key {
        Key { hint, ..self }
    }

    /// Sets the role.
    #[must_use]
    pub const fn role(self, role: Role) -> Key {
        Key { role, ..self }
    }
}

/// A word that is a valid value of a key.
#[derive(Clone, Copy, Debug)]
pub struct Word {
    /// The word.
    pub name: &'static str,
    /// What it means.
    pub doc: &'static str,
    /// Its other names, separated by spaces.
    pub also: &'static str,
}

/// One of the kinds that a key can choose: its word, and the function that reads its own keys.
pub struct Kind<T: 'static> {
    /// The word that chooses it.
    pub word: Word,
    /// Reads the keys that exist only for this kind.
    pub read: fn(&mut Keys<'_>) -> T,
}

impl<T> Kind<T> {
    /// A kind with no other names.
    pub const fn new(name: &'static str, doc: &'static str, read: fn(&mut Keys<'_>) -> T) -> Kind<T> {
        Kind { word: Word { name, doc, also: "" }, read }
    }

    /// Sets its other names.
    #[must_use]
    pub const fn also(self, also: &'static str) -> Kind<T> {
        Kind { word: Word { also, ..self.word }, read: self.read }
    }
}

/// The kinds that a key can choose, in the order in which they are listed.
pub struct Choices<T: 'static>(pub &'static [&'static Kind<T>]);

impl<T> Choices<T> {
    /// The kind with this name.
    pub fn find(&self, name: &str) -> Option<&'static Kind<T>> {
        self.0.iter().copied().find(|kind| kind.word.name == name)
    }
}

/// The words that are valid values of a key.
pub trait Words: Sync {
    /// The words, in order.
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
