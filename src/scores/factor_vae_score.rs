//! The FactorVAE score: which axis varies least while a factor is fixed (Kim & Mnih 2018), as computed by
//! disentanglement_lib.
//!
//! A vote fixes a random factor to a random value, draws a batch of images that have it, and is for the axis with the
//! smallest ratio of the variance in the batch to that over all images. Each axis is assigned the factor that it gets
//! most votes for; the score is the share of further votes in which the axis has been assigned the fixed factor.
//!
//! Axes with a small standard deviation are pruned. The threshold is 0.05 in disentanglement_lib's study and 0 in its
//! code and in disent: scores differ. Differences from disentanglement_lib: axes that do not vary at all are pruned
//! even with the threshold 0, since their ratio is 0/0, which numpy takes for the smallest one; and factors that have a
//! single value are not drawn. A value that only one image has makes all variances 0: the vote goes to the first axis.

use super::draws::{FACTOR_EVAL, FACTOR_TRAIN, FACTOR_VARIANCE, draw_images};
use super::inputs::{Least, ScoreError, check_setting, checked_images};
use super::points::{Codes, Factor};
use super::value_lists::{ValueLists, draw_image};
use crate::random::{Purpose, Stream};
use rayon::prelude::*;

/// How the FactorVAE score is computed; the default is that of disentanglement_lib's study (`unsupervised_study_v1`).
#[derive(Clone, Debug, PartialEq)]
pub struct FactorVaeSettings {
    /// The number of votes that axes are assigned by (`num_train`); 10,000.
    pub train_votes: usize,
    /// The number of votes that are scored (`num_eval`); 5,000.
    pub eval_votes: usize,
    /// The number of images of a vote (`batch_size`); 64.
    pub batch: usize,
    /// The number of images that the variances of the axes are estimated from (`num_variance_estimate`); 10,000.
    pub variance_points: usize,
    /// Axes with a smaller standard deviation are pruned (`prune_dims.threshold`); 0.05.
    pub threshold: f64,
}

impl Default for FactorVaeSettings {
    fn default() -> FactorVaeSettings {
        let (train_votes, eval_votes) = (10_000, 5_000);
        FactorVaeSettings { train_votes, eval_votes, batch: 64, variance_points: 10_000, threshold: 0.05 }
    }
}

/// The FactorVAE score; accuracies are between 0 and 1, higher is better.
#[derive(Clone, Debug, PartialEq)]
pub struct FactorVaeScore {
    /// The accuracy on the votes that axes were assigned by.
    pub train_accuracy: f64,
    /// The accuracy on the other votes: the score. 0 if all axes are pruned.
    pub eval_accuracy: f64,
    /// The axes that are kept.
    pub active_axes: Vec<usize>,
    /// The factors that vary.
    pub factors: Vec<usize>,
    /// The training votes of each factor that varies (row) for each kept axis (column), row after row.
    pub votes: Vec<u64>,
}

/// The FactorVAE score of the codes of images with known factors.
///
/// `None` if fewer than two factors have several values: the only factor would be guessed without codes.
///
/// # Errors
/// If a code is not finite, the lists do not fit, or a setting is out of its range.
pub fn factor_vae_score(
    codes: &Codes,
    factors: &[Factor],
    settings: &FactorVaeSettings,
    seed: u64,
) -> Result<Option<FactorVaeScore>, ScoreError> {
    let images = checked_images(codes, factors)?;
    check_setting("train_votes", settings.train_votes, Least::One)?;
    check_setting("eval_votes", settings.eval_votes, Least::One)?;
    check_setting("batch", settings.batch, Least::Two)?;
    check_setting("variance_points", settings.variance_points, Least::Two)?;
    if !(settings.threshold.is_finite() && settings.threshold >= 0.0) {
        return Err(ScoreError::Setting { name: "threshold", range: "finite and not negative" });
    }
    let lists = ValueLists::new(factors);
    if lists.varying() < 2 {
        return Ok(None);
    }
    let drawn = draw_images(seed, FACTOR_VARIANCE, settings.variance_points, images);
    let mut variances = vec![0.0; codes.latent];
    let all_axes: Vec<usize> = (0..codes.latent).collect();
    batch_variances(codes, &drawn, &all_axes, &mut variances);
    let active_axes: Vec<usize> = all_axes
        .into_iter()
        .filter(|&axis| variances[axis] > 0.0 && variances[axis].sqrt() >= settings.threshold)
        .collect();
    let mut score = FactorVaeScore {
        train_accuracy: 0.0,
        eval_accuracy: 0.0,
        factors: (0..lists.varying()).map(|varying| lists.factor(varying)).collect(),
        votes: vec![0; lists.varying() * active_axes.len()],
        active_axes,
    };
    if score.active_axes.is_empty() {
        return Ok(Some(score));
    }
    let scales: Vec<f64> = score.active_axes.iter().map(|&axis| variances[axis]).collect();
    let axes = scales.len();
    let votes = |draw, count| {
        let vote = |number| vote(codes, &lists, &score.active_axes, &scales, settings.batch, (seed, draw, number));
        let votes: Vec<usize> = (0..count as u64).into_par_iter().map(vote).collect();
        let mut counts = vec![0u64; lists.varying() * axes];
        votes.into_iter().for_each(|vote| counts[vote] += 1);
        counts
    };
    let train = votes(FACTOR_TRAIN, settings.train_votes);
    let eval = votes(FACTOR_EVAL, settings.eval_votes);
    let assigned: Vec<usize> = (0..axes).map(|axis| most_votes(&train, axis, axes)).collect();
    let right = |votes: &[u64]| {
        let right: u64 = assigned.iter().enumerate().map(|(axis, factor)| votes[factor * axes + axis]).sum();
        right as f64 / votes.iter().sum::<u64>() as f64
    };
    score.train_accuracy = right(&train);
    score.eval_accuracy = right(&eval);
    score.votes = train;
    Ok(Some(score))
}

/// The factor with most votes for an axis, the first of equal ones.
fn most_votes(votes: &[u64], axis: usize, axes: usize) -> usize {
    let of_axis = votes.iter().skip(axis).step_by(axes).enumerate();
    of_axis.fold((0, 0), |best, (factor, &count)| if count > best.1 { (factor, count) } else { best }).0
}

/// A vote, as its place in the table of factors and axes. `address` is the seed, the draw and the number of the vote.
fn vote(
    codes: &Codes,
    lists: &ValueLists,
    axes: &[usize],
    scales: &[f64],
    batch: usize,
    address: (u64, u64, u64),
) -> usize {
    let (seed, draw, number) = address;
    let mut stream = Stream::new(seed, Purpose::Evaluation, draw, number);
    let factor = stream.below(lists.varying() as u64) as usize;
    let with_value = lists.draw_value(factor, &mut stream);
    let images: Vec<usize> = (0..batch).map(|_| draw_image(with_value, &mut stream)).collect();
    let mut variances = vec![0.0; axes.len()];
    batch_variances(codes, &images, axes, &mut variances);
    let mut best = (0, f64::INFINITY);
    for (axis, (variance, scale)) in variances.iter().zip(scales).enumerate() {
        if variance / scale < best.1 {
            best = (axis, variance / scale);
        }
    }
    factor * axes.len() + best.0
}

/// The variances of some axes over at least two images, with n - 1 in the denominator.
fn batch_variances(codes: &Codes, images: &[usize], axes: &[usize], variances: &mut [f64]) {
    let mut means = vec![0.0; axes.len()];
    for &image in images {
        let code = codes.row(image);
        means.iter_mut().zip(axes).for_each(|(mean, &axis)| *mean += f64::from(code[axis]));
    }
    means.iter_mut().for_each(|mean| *mean /= images.len() as f64);
    for &image in images {
        let code = codes.row(image);
        for ((variance, mean), &axis) in variances.iter_mut().zip(&means).zip(axes) {
            let difference = f64::from(code[axis]) - mean;
            *variance += difference * difference;
        }
    }
    variances.iter_mut().for_each(|variance| *variance /= images.len() as f64 - 1.0);
}

#[cfg(test)]
mod tests {
    use super::super::constructed as made;
    use super::super::constructed::assert_close;
    use super::*;
    use serde_json::Value;

    fn small() -> FactorVaeSettings {
        FactorVaeSettings { train_votes: 600, eval_votes: 400, variance_points: 1000, ..FactorVaeSettings::default() }
    }

    fn score(codes: &Codes, factors: &[Factor]) -> FactorVaeScore {
        factor_vae_score(codes, factors, &small(), 1).unwrap().unwrap()
    }

    #[test]
    fn the_score_is_that_of_the_definition() {
        let fixture: Value = serde_json::from_str(include_str!("../../tests/fixtures/scores/factor_vae.json")).unwrap();
        let factors = made::factors(&fixture["sizes"], &fixture["factors"]);
        let batch = fixture["batch"].as_u64().unwrap() as usize;
        let settings =
            FactorVaeSettings { train_votes: 300, eval_votes: 200, batch, variance_points: 500, threshold: 0.05 };
        let seed = fixture["seed"].as_u64().unwrap();
        let score = factor_vae_score(&made::codes(&fixture["codes"]), &factors, &settings, seed).unwrap().unwrap();
        let votes: Vec<f64> = score.votes.iter().map(|&votes| votes as f64).collect();
        assert_eq!(votes, made::numbers(&fixture["votes"]));
        assert_eq!(
            made::labels(&fixture["kept"]),
            score.active_axes.iter().map(|&axis| axis as u32).collect::<Vec<_>>()
        );
        assert_eq!(score.factors, [0, 1, 3]);
        let accuracies = ["train_accuracy", "eval_accuracy"].map(|name| fixture[name].as_f64().unwrap());
        assert_close(&[score.train_accuracy, score.eval_accuracy], &accuracies, 1e-12);
    }

    #[test]
    fn copied_factors_score_best_and_noise_does_not() {
        let factors = made::grid(&[4, 5, 6]);
        let copied = made::copied(&factors);
        let with_dead = score(&made::joined(&made::constant(120, 1), &copied), &factors);
        assert_eq!((with_dead.eval_accuracy, with_dead.active_axes), (1.0, vec![1, 2, 3]));
        let noise = score(&made::noise(120, 3, 1), &factors);
        assert!(noise.eval_accuracy < 0.6, "{noise:?}");
        let factors = made::grid(&[40, 50]);
        let rotated = score(&made::rotated(&made::copied(&factors)), &factors);
        assert!(rotated.eval_accuracy < 0.65, "{rotated:?}");
    }

    #[test]
    fn the_threshold_prunes_axes() {
        let factors = made::grid(&[4, 5]);
        let mut codes = made::copied(&factors);
        codes.values.iter_mut().step_by(2).for_each(|value| *value *= 0.02);
        assert_eq!(score(&codes, &factors).active_axes, [1]);
        let settings = FactorVaeSettings { threshold: 0.0, ..small() };
        let all = factor_vae_score(&codes, &factors, &settings, 1).unwrap().unwrap();
        assert_eq!((all.active_axes, all.eval_accuracy), (vec![0, 1], 1.0));
        let constant = Codes { latent: 2, values: vec![0.0; 40] };
        let none = factor_vae_score(&constant, &factors, &settings, 1).unwrap().unwrap();
        assert_eq!((none.active_axes.len(), none.eval_accuracy), (0, 0.0));
        let no_axes = score(&Codes { latent: 0, values: vec![] }, &factors);
        assert_eq!((no_axes.active_axes.len(), no_axes.eval_accuracy), (0, 0.0));
    }

    #[test]
    fn scores_that_are_not_defined_are_absent() {
        let factors = made::grid(&[4, 1, 5]);
        let codes = made::copied(&factors);
        assert!(factor_vae_score(&codes, &factors[..2], &small(), 1).unwrap().is_none());
        assert!(factor_vae_score(&codes, &[], &small(), 1).unwrap().is_none());
        let (few, few_factors) = made::part(&codes, &factors, 3..7);
        assert!(score(&few, &few_factors).eval_accuracy <= 1.0);
        let settings = |batch, threshold| FactorVaeSettings { batch, threshold, ..small() };
        assert!(factor_vae_score(&codes, &factors, &settings(1, 0.0), 1).is_err());
        assert!(factor_vae_score(&codes, &factors, &settings(2, f64::NAN), 1).is_err());
        let broken = Codes { latent: 1, values: vec![f32::INFINITY; 20] };
        assert!(factor_vae_score(&broken, &factors, &small(), 1).is_err());
    }

    #[test]
    fn the_result_does_not_depend_on_the_number_of_threads() {
        let factors = made::grid(&[10, 12, 2]);
        let codes = made::plus(&made::copied(&factors), 3.0, &made::noise(240, 3, 1));
        let [one, two] = [1, 2].map(|threads| made::on_threads(threads, || score(&codes, &factors)));
        assert_eq!(one, two);
    }
}
