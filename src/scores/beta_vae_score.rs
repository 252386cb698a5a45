//! The BetaVAE score: which factor is shared by pairs of images, told from differences of their codes (Higgins et al.
//! 2017), as computed by disentanglement_lib.
//!
//! A point belongs to a random factor. It has 64 pairs of images; the images of a pair have the same value of the
//! factor, a random one for each pair. The point's features are, for each axis, the mean absolute difference of the
//! codes of a pair. The score is the accuracy of a logistic regression that tells the factor from the features. Codes
//! are not scaled.
//!
//! Differences from disentanglement_lib: factors that have a single value are not drawn; the regression is solved to
//! convergence, where scikit-learn stops after 100 steps.

use super::draws::{BETA_EVAL, BETA_TRAIN};
use super::inputs::{Least, ScoreError, accuracy, check_setting, checked_images};
use super::logistic;
use super::points::{Codes, Factor};
use super::value_lists::{ValueLists, draw_image};
use crate::random::{Purpose, Stream};
use rayon::prelude::*;

/// How the BetaVAE score is computed; the default is disentanglement_lib's.
#[derive(Clone, Debug, PartialEq)]
pub struct BetaVaeSettings {
    /// The number of points that the regression is trained on (`num_train`); 10,000.
    pub train_points: usize,
    /// The number of points that it is evaluated on (`num_eval`); 5,000.
    pub eval_points: usize,
    /// The number of pairs of a point (`batch_size`); 64.
    pub pairs: usize,
    /// The inverse of the strength of the regression's penalty, scikit-learn's `C`; 1.
    pub c: f64,
}

impl Default for BetaVaeSettings {
    fn default() -> BetaVaeSettings {
        BetaVaeSettings { train_points: 10_000, eval_points: 5_000, pairs: 64, c: 1.0 }
    }
}

/// The BetaVAE score; accuracies are between 0 and 1, higher is better.
#[derive(Clone, Debug, PartialEq)]
pub struct BetaVaeScore {
    /// The accuracy on the training points.
    pub train_accuracy: f64,
    /// The accuracy on the evaluation points: the score.
    pub eval_accuracy: f64,
    /// The factors that vary; without codes the accuracy would be one out of their number.
    pub factors: Vec<usize>,
}

/// The BetaVAE score of the codes of images with known factors.
///
/// `None` if fewer than two factors have several values: the only factor would be guessed without codes.
///
/// # Errors
/// If a code is not finite, the lists do not fit, or a setting is out of its range.
pub fn beta_vae_score(
    codes: &Codes,
    factors: &[Factor],
    settings: &BetaVaeSettings,
    seed: u64,
) -> Result<Option<BetaVaeScore>, ScoreError> {
    checked_images(codes, factors)?;
    check_setting("train_points", settings.train_points, Least::One)?;
    check_setting("eval_points", settings.eval_points, Least::One)?;
    check_setting("pairs", settings.pairs, Least::One)?;
    let lists = ValueLists::new(factors);
    if lists.varying() < 2 {
        return Ok(None);
    }
    let points = |draw, count| {
        let point = |number| point(codes, &lists, settings.pairs, Stream::new(seed, Purpose::Evaluation, draw, number));
        let points: Vec<(u32, Vec<f64>)> = (0..count as u64).into_par_iter().map(point).collect();
        let (labels, features): (Vec<u32>, Vec<Vec<f64>>) = points.into_iter().unzip();
        (labels, features.concat())
    };
    let (train_labels, train) = points(BETA_TRAIN, settings.train_points);
    let (eval_labels, eval) = points(BETA_EVAL, settings.eval_points);
    let model = logistic::fit(&train, codes.latent, &train_labels, lists.varying(), settings.c)?;
    let rows = |points: &[f64], labels: Vec<u32>| {
        let predict = |(row, label)| (model.predict_row(&points[row * codes.latent..][..codes.latent]), label);
        accuracy(labels.into_iter().enumerate().map(predict))
    };
    Ok(Some(BetaVaeScore {
        train_accuracy: rows(&train, train_labels),
        eval_accuracy: rows(&eval, eval_labels),
        factors: (0..lists.varying()).map(|varying| lists.factor(varying)).collect(),
    }))
}

/// A factor, and the mean absolute differences of codes of pairs that share its value.
fn point(codes: &Codes, lists: &ValueLists, pairs: usize, mut stream: Stream) -> (u32, Vec<f64>) {
    let factor = stream.below(lists.varying() as u64) as usize;
    let mut features = vec![0.0; codes.latent];
    for _ in 0..pairs {
        let images = lists.draw_value(factor, &mut stream);
        let [first, second] = [(); 2].map(|()| codes.row(draw_image(images, &mut stream)));
        for ((feature, &first), &second) in features.iter_mut().zip(first).zip(second) {
            *feature += (f64::from(first) - f64::from(second)).abs();
        }
    }
    features.iter_mut().for_each(|feature| *feature /= pairs as f64);
    (factor as u32, features)
}

#[cfg(test)]
mod tests {
    use super::super::constructed as made;
    use super::super::constructed::assert_close;
    use super::*;
    use serde_json::Value;

    fn small() -> BetaVaeSettings {
        BetaVaeSettings { train_points: 600, eval_points: 400, ..BetaVaeSettings::default() }
    }

    fn score(codes: &Codes, factors: &[Factor]) -> BetaVaeScore {
        beta_vae_score(codes, factors, &small(), 1).unwrap().unwrap()
    }

    #[test]
    fn the_score_is_that_of_the_definition_with_scikit_learn() {
        let fixture: Value = serde_json::from_str(include_str!("../../tests/fixtures/scores/beta_vae.json")).unwrap();
        let factors = made::factors(&fixture["sizes"], &fixture["factors"]);
        let pairs = fixture["pairs"].as_u64().unwrap() as usize;
        let settings = BetaVaeSettings { train_points: 300, eval_points: 200, pairs, c: 1.0 };
        let seed = fixture["seed"].as_u64().unwrap();
        let score = beta_vae_score(&made::codes(&fixture["codes"]), &factors, &settings, seed).unwrap().unwrap();
        let accuracies = ["train_accuracy", "eval_accuracy"].map(|name| fixture[name].as_f64().unwrap());
        assert_close(&[score.train_accuracy, score.eval_accuracy], &accuracies, 1e-12);
        assert_eq!(score.factors, [0, 1, 3]);
    }

    #[test]
    fn copied_factors_score_best_and_noise_and_rotated_ones_do_not() {
        let factors = made::grid(&[4, 5, 6]);
        let copied = made::copied(&factors);
        assert_eq!(score(&made::joined(&made::constant(120, 1), &copied), &factors).eval_accuracy, 1.0);
        // Two factors share their axes and cannot be told from each other; the third can.
        let rotated = score(&made::rotated(&copied), &factors);
        assert!((0.55..0.8).contains(&rotated.eval_accuracy), "{rotated:?}");
        let factors = made::grid(&[40, 50, 2]);
        let noise = score(&made::noise(4000, 3, 1), &factors);
        assert!(noise.eval_accuracy < 0.45, "{noise:?}");
    }

    #[test]
    fn scores_that_are_not_defined_are_absent() {
        let factors = made::grid(&[4, 1, 5]);
        let codes = made::copied(&factors);
        assert!(beta_vae_score(&codes, &factors[..2], &small(), 1).unwrap().is_none());
        assert!(beta_vae_score(&codes, &[], &small(), 1).unwrap().is_none());
        for guess in [score(&Codes { latent: 0, values: vec![] }, &factors), score(&made::constant(20, 2), &factors)] {
            assert!((0.4..0.6).contains(&guess.eval_accuracy), "{guess:?}");
        }
        let (few, few_factors) = made::part(&codes, &factors, 3..7);
        assert!(score(&few, &few_factors).eval_accuracy <= 1.0);
        assert!(beta_vae_score(&codes, &factors, &BetaVaeSettings { pairs: 0, ..small() }, 1).is_err());
        let broken = Codes { latent: 1, values: vec![f32::INFINITY; 20] };
        assert!(beta_vae_score(&broken, &factors, &small(), 1).is_err());
    }

    #[test]
    fn the_result_does_not_depend_on_the_number_of_threads() {
        let factors = made::grid(&[10, 12, 2]);
        let codes = made::plus(&made::copied(&factors), 3.0, &made::noise(240, 3, 1));
        let [one, two] = [1, 2].map(|threads| made::on_threads(threads, || score(&codes, &factors)));
        assert_eq!(one, two);
    }
}
