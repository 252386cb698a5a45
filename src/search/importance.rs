//! How much each key matters: PED-ANOVA (Watanabe, Bansal and Hutter 2023), from the densities of the best settings and of all.

use super::parzen::{Kernels, log_sum};
use super::space::{Axis, Domain, Setting, Space};

/// The share of the best settings.
const BEST: f64 = 0.1;
/// The least number of them.
const LEAST: usize = 2;
/// The number of places at which densities are compared.
const PLACES: usize = 50;

/// The importance of each axis, from settings and their values, of which lower ones are better: the Pearson divergence of the density of
/// the best tenth from that of all, as a share of the sum. All are 0 with too few settings.
pub fn importance(space: &Space, settings: &[(Setting, f64)]) -> Vec<f64> {
    let mut order: Vec<&(Setting, f64)> = settings.iter().filter(|(_, value)| !value.is_nan()).collect();
    order.sort_by(|(_, one), (_, other)| one.total_cmp(other));
    let best = ((BEST * order.len() as f64).ceil() as usize).max(LEAST);
    if order.len() < 2 * best {
        return vec![0.0; space.len()];
    }
    let observed = |some: &[&(Setting, f64)], axis: usize| -> Vec<f64> {
        some.iter().filter_map(|(setting, _)| setting.get(axis).copied().flatten()).collect()
    };
    let divergences: Vec<f64> = space
        .iter()
        .enumerate()
        .map(|(place, axis)| divergence(axis, &observed(&order[..best], place), &observed(&order, place)))
        .collect();
    let sum: f64 = divergences.iter().sum();
    divergences.into_iter().map(|one| if sum > 0.0 { one / sum } else { 0.0 }).collect()
}

/// The mean of (best / all - 1)^2 under the density of all.
fn divergence(axis: &Axis, best: &[f64], all: &[f64]) -> f64 {
    let places: Vec<f64> = match axis.domain {
        Domain::Choice(count) => (0..count).map(|choice| choice as f64).collect(),
        Domain::Real { .. } | Domain::Whole { .. } => {
            let mut places: Vec<f64> =
                (0..PLACES).map(|place| axis.domain.at((place as f64 + 0.5) / PLACES as f64)).collect();
            places.dedup();
            places
        }
    };
    let [best, all] = [best, all].map(|observed| {
        let kernels = Kernels::new(axis.domain, observed);
        let weights = vec![1.0 / (observed.len() + 1) as f64; observed.len() + 1];
        let densities = places.iter().map(|place| libm::exp(log_sum(&weights, &kernels.logs(*place))));
        let densities: Vec<f64> = densities.collect();
        let sum: f64 = densities.iter().sum();
        densities.into_iter().map(|density| density / sum).collect::<Vec<f64>>()
    });
    best.iter().zip(&all).filter(|(_, all)| **all > 0.0).map(|(best, all)| all * (best / all - 1.0).powi(2)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::spread;

    #[test]
    fn the_key_that_decides_is_the_most_important() {
        let axis = |name: &str, domain| Axis { name: name.to_owned(), domain };
        let space = [
            axis("decides", Domain::Real { ends: [1e-4, 1.0], log: true }),
            axis("does not", Domain::Whole { ends: [1, 64], log: true }),
            axis("hardly", Domain::Choice(3)),
        ];
        let settings: Vec<(Setting, f64)> = (0..200)
            .map(|number| {
                let setting = spread(&space, 3, number);
                let value = (setting[0].unwrap().log10() + 2.0).abs() + 0.05 * setting[2].unwrap();
                (setting, value)
            })
            .collect();
        let found = importance(&space, &settings);
        assert!((found.iter().sum::<f64>() - 1.0).abs() < 1e-12, "{found:?}");
        assert!(found[0] > 0.8 && found[1] < 0.1 && found[2] < 0.1, "{found:?}");
        assert_eq!(importance(&space, &settings[..3]), [0.0; 3]);
    }
}
