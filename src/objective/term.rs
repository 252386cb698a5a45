//! The named terms of objectives, which the metrics report beside reconstruction, KL and ELBO.

/// A term of an objective.
#[derive(Debug, PartialEq, Eq)]
pub struct Term {
    /// Its name as a metric; it includes the unit if it has one.
    pub name: &'static str,
    /// Its title in charts, with its unit.
    pub title: &'static str,
    /// Its unit; empty if it has none.
    pub unit: &'static str,
    /// Its meaning, in one or two sentences.
    pub doc: &'static str,
}
