//! The interventional robustness score (IRS).

use super::chosen_points::{Points, choose, is_constant};
use super::information::{check_bins, equal_width_bins};
use super::moments::mean;
use super::points::{Codes, Factor};
use crate::random::{Purpose, Stream};
use rayon::prelude::*;

/// Draw of [`Purpose::Evaluation`]: which images the IRS uses.
const POINTS_OF_IRS: u64 = 5;

/// The recipe of the IRS. The default is that of disentanglement_lib (`unsupervised_study_v1`).
#[derive(Clone, Debug, PartialEq)]
pub struct IrsSettings {
    /// Points that are drawn without replacement; all images if there are not more. Default 10,000.
    pub points: usize,
    /// Equal-width bins of the values of each factor, which merge values of a factor of more values; `None` for the
    /// values themselves, as in the paper. Default 20.
    pub factor_bins: Option<usize>,
    /// Which quantile of the deviations stands for the largest one, from 0 to 1. The paper has 1. Default 0.99.
    pub quantile: f64,
}

impl Default for IrsSettings {
    fn default() -> IrsSettings {
        IrsSettings { points: 10_000, factor_bins: Some(20), quantile: 0.99 }
    }
}

/// The interventional robustness score and what it is computed from.
#[derive(Clone, Debug, PartialEq)]
pub struct Irs {
    /// The mean of `axes`, weighted by `largest_deviations`; `None` if all axes or all factors are constant.
    pub score: Option<f64>,
    /// For each axis, the largest value of its row of `matrix` over the factors that vary; `None` if the axis is
    /// constant or if no factor varies.
    pub axes: Vec<Option<f64>>,
    /// For each axis, the factor of this value, the first of equal ones.
    pub parents: Vec<Option<usize>>,
    /// For each axis, the largest distance of a point to the mean; 0 of a constant axis.
    pub largest_deviations: Vec<f64>,
    /// How robust each axis (row) is as long as each factor (column) keeps its value: 1 if the factor determines it. 0
    /// for a constant axis.
    pub matrix: Vec<Vec<f64>>,
}

/// The interventional robustness score of codes: how little an axis changes with the other factors, while its best
/// factor keeps its value.
///
/// Suter et al. 2019, "Robustly Disentangled Causal Mechanisms", as in `compute_irs` of disentanglement_lib. For each
/// value of a factor: a high quantile of |z - mean of the points with that value|, by linear interpolation as numpy's
/// `quantile`; their mean over the values, divided by the largest |z - mean| of all points, is subtracted from 1.
/// Constant axes are left out (disentanglement_lib scores 0 if all are constant), and so are constant factors, which
/// disentanglement_lib lets be the best factor. Its `num_active_dims` is wrong and not computed.
///
/// Few points per value make the score too large: the deviation of a single point from its own mean is 0.
///
/// # Errors
/// If there is no latent axis, no image, no point or no bin, if the quantile is not from 0 to 1, if a code is not
/// finite, or if a factor does not fit the images.
pub fn irs(codes: &Codes, factors: &[Factor], settings: &IrsSettings, seed: u64) -> Result<Irs, String> {
    settings.factor_bins.map_or(Ok(()), check_bins)?;
    if !(0.0..=1.0).contains(&settings.quantile) {
        return Err(format!("compute the quantile {} of deviations: it must be from 0 to 1", settings.quantile));
    }
    let stream = Stream::new(seed, Purpose::Evaluation, POINTS_OF_IRS, 0);
    let points = choose(codes, factors, settings.points, stream)?;
    Ok(irs_of_points(&points, settings.factor_bins, settings.quantile))
}

/// The interventional robustness score of points, all of which are used; see [`irs`].
pub fn irs_of_points(points: &Points, factor_bins: Option<usize>, quantile: f64) -> Irs {
    let binned = |factor: &Factor| match factor_bins {
        Some(bins) => equal_width_bins(&factor.values, bins),
        None => factor.values.clone(),
    };
    let groups: Vec<Vec<Vec<usize>>> = points.factors.iter().map(|factor| groups(&binned(factor))).collect();
    let row = |axis: &Vec<f32>| -> (f64, Vec<f64>) {
        let largest = quantile_of_deviations(&mut wide(axis), 1.0);
        let robustness = |groups: &Vec<Vec<usize>>| {
            let deviation = |group: &Vec<usize>| {
                let mut values: Vec<f64> = group.iter().map(|&point| f64::from(axis[point])).collect();
                quantile_of_deviations(&mut values, quantile)
            };
            if largest > 0.0 { 1.0 - mean(&groups.iter().map(deviation).collect::<Vec<f64>>()) / largest } else { 0.0 }
        };
        (largest, groups.iter().map(robustness).collect())
    };
    let (largest_deviations, matrix): (Vec<f64>, Vec<Vec<f64>>) =
        points.axes.par_iter().map(row).collect::<Vec<_>>().into_iter().unzip();
    let vary: Vec<bool> = points.factors.iter().map(|factor| !is_constant(&factor.values)).collect();
    let best = |(row, &largest): (&Vec<f64>, &f64)| {
        let candidates = row.iter().copied().enumerate().filter(|&(factor, _)| vary[factor] && largest > 0.0);
        candidates.reduce(|best, next| if next.1 > best.1 { next } else { best })
    };
    let best: Vec<Option<(usize, f64)>> = matrix.iter().zip(&largest_deviations).map(best).collect();
    let weighted = best.iter().zip(&largest_deviations).filter_map(|(best, weight)| best.map(|best| (best.1, weight)));
    let (sum, weights) = weighted.fold((0.0, 0.0), |sums, (score, weight)| (sums.0 + score * weight, sums.1 + weight));
    Irs {
        score: if weights > 0.0 { Some(sum / weights) } else { None },
        axes: best.iter().map(|best| best.map(|best| best.1)).collect(),
        parents: best.iter().map(|best| best.map(|best| best.0)).collect(),
        largest_deviations,
        matrix,
    }
}

fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&value| f64::from(value)).collect()
}

/// For each value that occurs, in ascending order, the points that have it.
fn groups(values: &[u16]) -> Vec<Vec<usize>> {
    let mut points: Vec<usize> = (0..values.len()).collect();
    points.sort_by_key(|&point| values[point]);
    points.chunk_by(|&a, &b| values[a] == values[b]).map(<[usize]>::to_vec).collect()
}

/// A quantile of the distances of values to their mean, which replace the values; 0 of no values.
fn quantile_of_deviations(values: &mut [f64], quantile: f64) -> f64 {
    let center = mean(values);
    values.iter_mut().for_each(|value| *value = (*value - center).abs());
    values.sort_unstable_by(f64::total_cmp);
    let position = quantile * values.len().saturating_sub(1) as f64;
    let lower = position.floor();
    let at = |position: f64| values.get(position as usize).or(values.last()).copied().unwrap_or(0.0);
    let (low, high) = (at(lower), at(lower + 1.0));
    low + (high - low) * (position - lower)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scores::test_codes::*;

    fn defaults(codes: &Codes, factors: &[Factor]) -> Irs {
        irs(codes, factors, &IrsSettings::default(), 1).unwrap()
    }

    #[test]
    fn scores_are_those_of_an_independent_computation() {
        let fixture = fixture(include_str!("../../tests/fixtures/scores/made_up.json"));
        let (codes, factors) = made_up(&fixture);
        let found = defaults(&codes, &factors);
        assert_near(&found.matrix.concat(), &numbers(&fixture["irs_matrix"]), 1e-12);
        assert_near(&found.largest_deviations, &numbers(&fixture["irs_largest_deviations"]), 1e-12);
        assert_near(&[found.score.unwrap()], &[fixture["irs"].as_f64().unwrap()], 1e-12);
        let parents: Vec<u16> = found.parents.iter().flatten().map(|&parent| parent as u16).collect();
        assert_eq!(parents, whole(&fixture["irs_parents"]));
        let paper = IrsSettings { factor_bins: None, quantile: 1.0, ..IrsSettings::default() };
        let found = irs(&codes, &factors, &paper, 1).unwrap();
        assert_near(&[found.score.unwrap()], &[fixture["irs_of_paper"].as_f64().unwrap()], 1e-12);
    }

    #[test]
    fn quantiles_are_interpolated() {
        // Distances 2, 1, 0, 1, 2 to the mean.
        let found =
            [0.0, 0.25, 0.5, 0.9, 1.0].map(|quantile| quantile_of_deviations(&mut [1.0, 2.0, 3.0, 4.0, 5.0], quantile));
        assert_near(&found, &[0.0, 1.0, 1.0, 2.0, 2.0], 1e-15);
        assert_near(&[quantile_of_deviations(&mut [0.0, 2.0, 4.0], 0.25)], &[1.0], 1e-15);
        assert_eq!((quantile_of_deviations(&mut [], 0.5), quantile_of_deviations(&mut [3.0], 0.99)), (0.0, 0.0));
    }

    #[test]
    fn copied_factors_score_1_and_their_rotation_does_not() {
        let factors = grid(&[3, 4, 5, 6], 5);
        let found = defaults(&copied(&factors, 2), &factors);
        assert_near(&[found.score.unwrap()], &[1.0], 1e-12);
        assert_eq!(found.parents, [Some(0), Some(1), Some(2), Some(3), None, None]);
        let rotated = defaults(&rotated(&factors), &factors);
        assert!(rotated.score.unwrap() < 0.6, "{rotated:?}");
    }

    #[test]
    fn noise_scores_low() {
        let factors = grid(&[3, 4, 5], 100);
        let found = defaults(&noise(6000, 4), &factors);
        // The 0.99 quantile of |z| is 2.6, the largest of 6,000 about 3.7.
        assert!(found.score.unwrap() < 0.4, "{found:?}");
    }

    #[test]
    fn undefined_scores_are_none() {
        let factors = grid(&[3, 1], 10);
        let codes = copied(&factors, 0);
        let found = defaults(&codes, &factors);
        assert_eq!((found.axes, found.parents), (vec![Some(1.0), None], vec![Some(0), None]));
        assert_eq!(defaults(&codes, &factors[1..]).score, None);
        assert_eq!(defaults(&codes, &[]).score, None);
        let dead = test_codes_dead();
        let found = defaults(&dead, &factors);
        assert_eq!((found.score, found.axes, found.largest_deviations), (None, vec![None; 2], vec![0.0; 2]));
        assert_eq!(defaults(&Codes { latent: 1, values: vec![1.0] }, &[factor("one", 1, |_| 0, 1)]).score, None);
    }

    fn test_codes_dead() -> Codes {
        codes(&[vec![0.1; 30], vec![1e-30; 30]])
    }

    #[test]
    fn bad_input_is_an_error() {
        let factors = grid(&[3, 2], 10);
        let mut broken = copied(&factors, 0);
        let run = |codes: &Codes, settings| irs(codes, &factors, &settings, 1);
        assert!(run(&broken, IrsSettings { factor_bins: Some(0), ..Default::default() }).is_err());
        for quantile in [-0.1, 1.1, f64::NAN] {
            assert!(run(&broken, IrsSettings { quantile, ..Default::default() }).is_err());
        }
        broken.values[0] = f32::NAN;
        assert!(run(&broken, IrsSettings::default()).is_err());
    }

    #[test]
    fn threads_do_not_change_a_bit() {
        let factors = grid(&[3, 4, 5], 20);
        let codes = noise(1200, 4);
        let settings = IrsSettings { points: 700, ..IrsSettings::default() };
        assert_same_on_threads(|| irs(&codes, &factors, &settings, 1));
    }
}
