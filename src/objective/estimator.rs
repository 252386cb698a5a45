//! How terms that couple a batch are estimated from it. The kinds of objectives have different ones, under one key.

use crate::settings::{Choices, Key, Keys, Kind};

/// An estimator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Estimator {
    /// Of `beta_tc`: all posteriors of the batch count 1 / (images * batch).
    Weighted,
    /// Of `beta_tc`: a stratified sample of all images.
    Stratified,
    /// Of `beta_tc`: the mixture of the posteriors of the batch.
    Mixture,
    /// Of the discrepancy: without the pairs of a code with itself.
    Unbiased,
    /// Of the discrepancy: with these pairs.
    Biased,
}

const ESTIMATOR: Key = Key::new("estimator", "How the term that couples a batch is estimated from the batch.")
    .also("tc_estimator mmd_estimator use_mss mss is_mss")
    .example("\"stratified\"");

pub(super) static WEIGHTED: Kind<Estimator> = Kind::new(
    "weighted",
    "Of `beta_tc`: minibatch-weighted sampling; each posterior counts 1 / (images * batch).",
    |_| Estimator::Weighted,
)
.also("mws minibatch_weighted");
pub(super) static STRATIFIED: Kind<Estimator> = Kind::new(
    "stratified",
    "Of `beta_tc`: minibatch stratified sampling; a batch of one image is weighted as by `weighted`.",
    |_| Estimator::Stratified,
)
.also("mss minibatch_stratified");
pub(super) static MIXTURE: Kind<Estimator> =
    Kind::new("mixture", "Of `beta_tc`: the mixture of the posteriors of the batch.", |_| Estimator::Mixture)
        .also("batch");
pub(super) static UNBIASED: Kind<Estimator> = Kind::new(
    "unbiased",
    "Of `info` and `wae`: without the pairs of a code with itself; may be negative. A batch of one image has no pairs and is \
     estimated as by `biased`.",
    |_| Estimator::Unbiased,
);
pub(super) static BIASED: Kind<Estimator> =
    Kind::new("biased", "Of `info` and `wae`: with the pairs of a code with itself; never negative.", |_| {
        Estimator::Biased
    });
static ESTIMATORS: Choices<Estimator> = Choices(&[&WEIGHTED, &STRATIFIED, &MIXTURE, &UNBIASED, &BIASED]);

/// Reads the key. An objective has some of the estimators; the first one is its default.
pub(super) fn read(keys: &mut Keys<'_>, own: &[&'static Kind<Estimator>]) -> Estimator {
    let default = own.first().copied().unwrap_or(&WEIGHTED);
    let estimator = keys.choice(ESTIMATOR, &ESTIMATORS, default);
    let words: Vec<String> = own.iter().map(|kind| format!("`{}`", kind.word.name)).collect();
    let is_own = own.iter().any(|kind| keys.is_word("objective.estimator", kind.word.name));
    let message = || format!("`objective.estimator` must be one of {} for this `objective.kind`", words.join(", "));
    keys.require(is_own, &["objective.estimator", "objective.kind"], message, "");
    estimator
}
