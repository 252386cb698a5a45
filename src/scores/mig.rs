//! The mutual information gap (MIG) of binned codes.

use super::chosen_points::{Points, choose};
use super::gap::gaps;
use super::information::{Information, check_bins, information};
use super::moments::mean_of_some;
use super::points::{Codes, Factor};
use crate::random::{Purpose, Stream};

/// Draw of [`Purpose::Evaluation`]: which images the MIG uses.
const POINTS_OF_MIG: u64 = 0;

/// The recipe of the MIG. The default is that of disentanglement_lib (`unsupervised_study_v1`).
#[derive(Clone, Debug, PartialEq)]
pub struct MigSettings {
    /// Points that are drawn without replacement; all images if there are not more. disentanglement_lib draws uniform
    /// factor values, with replacement. Default 10,000.
    pub points: usize,
    /// Equal-width bins of each latent axis. Default 20.
    pub bins: usize,
}

impl Default for MigSettings {
    fn default() -> MigSettings {
        MigSettings { points: 10_000, bins: 20 }
    }
}

/// The mutual information gap and what it is computed from.
#[derive(Clone, Debug, PartialEq)]
pub struct Mig {
    /// The mean of the gaps, from 0 to 1; `None` if there is no gap.
    pub score: Option<f64>,
    /// For each factor, the gap between the two most informative axes as a share of the entropy of the factor. `None`
    /// if the factor is constant or if there is only one axis.
    pub gaps: Vec<Option<f64>>,
    /// The mutual information of axes and factors, and the entropies of the factors, in nats.
    pub information: Information,
}

/// The mutual information gap of codes: how much more the best axis says about a factor than the second best.
///
/// The definition is section 4 of Chen et al. 2018, "Isolating Sources of Disentanglement in VAEs"; the estimate from
/// binned posterior means is `compute_mig` of disentanglement_lib (`discrete_mig`). Constant factors are left out of
/// the mean; disentanglement_lib gives NaN. Binning alone has a floor of mutual information: about 19 (size - 1) /
/// 20,000 nats with the default settings.
///
/// # Errors
/// If there is no latent axis, no image, no point or no bin, if a code is not finite, or if a factor does not fit the
/// images.
pub fn mig(codes: &Codes, factors: &[Factor], settings: &MigSettings, seed: u64) -> Result<Mig, String> {
    check_bins(settings.bins)?;
    let stream = Stream::new(seed, Purpose::Evaluation, POINTS_OF_MIG, 0);
    Ok(mig_of_points(&choose(codes, factors, settings.points, stream)?, settings.bins))
}

/// The mutual information gap of points, all of which are used; see [`mig`].
pub fn mig_of_points(points: &Points, bins: usize) -> Mig {
    let information = information(points, bins);
    let gaps = relative_gaps(&information.matrix, &information.entropies);
    Mig { score: mean_of_some(&gaps), gaps, information }
}

/// The gaps of a matrix of mutual information (a row per axis, a column per factor) as shares of the entropies of the
/// factors; `None` for a factor without entropy or if there are fewer than two axes.
pub fn relative_gaps(matrix: &[Vec<f64>], entropies: &[f64]) -> Vec<Option<f64>> {
    let vary: Vec<bool> = entropies.iter().map(|&entropy| entropy > 0.0).collect();
    let relative = |(gap, entropy): (Option<f64>, &f64)| gap.map(|gap| gap / entropy);
    gaps(matrix, &vary).into_iter().zip(entropies).map(relative).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scores::test_codes::*;

    #[test]
    fn the_published_vector() {
        let found = mig_of_points(&wave_points(0..400), 20);
        assert_near(&[found.score.unwrap()], &[0.878804864], 1e-8);
    }

    #[test]
    fn gaps_are_those_of_an_independent_computation() {
        let fixture = fixture(include_str!("../../tests/fixtures/scores/made_up.json"));
        let (codes, factors) = made_up(&fixture);
        let found = mig(&codes, &factors, &MigSettings::default(), 3).unwrap();
        assert_near(
            &found.gaps.iter().map(|gap| gap.unwrap()).collect::<Vec<_>>(),
            &numbers(&fixture["mig_gaps"]),
            1e-10,
        );
        assert_near(&[found.score.unwrap()], &[fixture["mig"].as_f64().unwrap()], 1e-10);
    }

    #[test]
    fn copied_factors_score_1_and_their_rotation_does_not() {
        let factors = grid(&[3, 4, 5, 6], 5);
        let copied = mig(&copied(&factors, 2), &factors, &MigSettings::default(), 1).unwrap();
        assert!(copied.score.unwrap() > 0.999, "{copied:?}");
        let rotated = mig(&rotated(&factors), &factors, &MigSettings::default(), 1).unwrap();
        assert!(rotated.score.unwrap() < 0.5, "{rotated:?}");
    }

    #[test]
    fn noise_scores_about_0() {
        let factors = grid(&[3, 4, 5, 6], 20);
        let found = mig(&noise(factors[0].values.len(), 4), &factors, &MigSettings::default(), 1).unwrap();
        assert!(found.score.unwrap() < 0.01, "{found:?}");
    }

    #[test]
    fn undefined_gaps_are_none() {
        let factors = grid(&[3, 4, 1], 10);
        let found = mig(&copied(&factors, 0), &factors, &MigSettings::default(), 1).unwrap();
        assert_near(&[found.score.unwrap(), found.gaps[0].unwrap(), found.gaps[1].unwrap()], &[1.0; 3], 1e-9);
        assert_eq!((found.gaps[2], found.information.entropies[2]), (None, 0.0));
        let one_axis = mig(&copied(&factors[..1], 0), &factors, &MigSettings::default(), 1).unwrap();
        assert_eq!((one_axis.score, one_axis.gaps), (None, vec![None; 3]));
        assert_eq!(mig(&copied(&factors, 0), &factors[2..], &MigSettings::default(), 1).unwrap().score, None);
        assert_eq!(mig(&copied(&factors, 0), &[], &MigSettings::default(), 1).unwrap().score, None);
        let dead = codes(&[vec![1.0; 120], vec![2.0; 120]]);
        let found = mig(&dead, &factors, &MigSettings::default(), 1).unwrap();
        assert_eq!((found.score, found.information.matrix), (Some(0.0), vec![vec![0.0; 3]; 2]));
    }

    #[test]
    fn bad_input_is_an_error() {
        let factors = grid(&[3, 4], 10);
        let good = copied(&factors, 0);
        let mut broken = good.clone();
        broken.values[3] = f32::NAN;
        assert!(mig(&broken, &factors, &MigSettings::default(), 1).is_err());
        assert!(mig(&good, &factors, &MigSettings { bins: 0, ..MigSettings::default() }, 1).is_err());
        assert!(mig(&good, &factors, &MigSettings { points: 0, ..MigSettings::default() }, 1).is_err());
        assert!(mig(&Codes { latent: 0, values: vec![] }, &factors, &MigSettings::default(), 1).is_err());
    }

    #[test]
    fn seeds_choose_points_and_threads_change_nothing() {
        let factors = grid(&[3, 4, 5, 6], 20);
        let codes = noise(factors[0].values.len(), 4);
        let settings = MigSettings { points: 1000, ..MigSettings::default() };
        assert_ne!(mig(&codes, &factors, &settings, 1), mig(&codes, &factors, &settings, 2));
        assert_same_on_threads(|| mig(&codes, &factors, &settings, 1));
    }
}
