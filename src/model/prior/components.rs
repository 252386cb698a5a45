//! The components of a prior that is a mixture, as numbers on the host, and draws from a prior.

use crate::random::Stream;
use std::ops::Range;

/// The numbers of a mixture of normal distributions with diagonal covariances.
#[derive(Clone, Copy, Debug)]
pub struct MixtureNumbers<'a> {
    /// The number of latent axes.
    pub latent: usize,
    /// Means, (Components, Latent).
    pub mean: &'a [f32],
    /// Log-variances, (Components, Latent).
    pub log_variance: &'a [f32],
    /// The logarithms of the weights, up to a constant, (Components).
    pub logits: &'a [f32],
}

/// The number of components of a mixture with so many numbers.
pub fn mixture_components(length: usize, latent: usize) -> usize {
    length / (2 * latent + 1)
}

/// Where the means, the log-variances and the logits of a mixture are in one array.
pub fn mixture_places(components: usize, latent: usize) -> [Range<usize>; 3] {
    let size = components * latent;
    [0..size, size..2 * size, 2 * size..2 * size + components]
}

impl<'a> MixtureNumbers<'a> {
    /// From one array: the means, then the log-variances, then the logits.
    pub fn of(own: &'a [f32], latent: usize) -> MixtureNumbers<'a> {
        let [mean, log_variance, logits] =
            mixture_places(mixture_components(own.len(), latent), latent).map(|places| &own[places]);
        MixtureNumbers { latent, mean, log_variance, logits }
    }

    /// The logarithms of the weights.
    pub fn log_weights(self) -> Vec<f64> {
        let most = self.logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let sum: f64 = self.logits.iter().map(|logit| f64::from(logit - most).exp()).sum();
        self.logits.iter().map(|logit| f64::from(logit - most) - sum.ln()).collect()
    }

    /// The mean and the standard deviation of each latent axis.
    pub fn axes(self) -> Vec<[f32; 2]> {
        let weights: Vec<f64> = self.log_weights().into_iter().map(f64::exp).collect();
        let of_axis = |axis: usize| {
            let values = |numbers: &'a [f32]| numbers.iter().skip(axis).step_by(self.latent).map(|one| f64::from(*one));
            let mean: f64 = values(self.mean).zip(&weights).map(|(mean, weight)| mean * weight).sum();
            let squares = values(self.mean).zip(values(self.log_variance)).map(|(mean, log)| mean * mean + log.exp());
            let second: f64 = squares.zip(&weights).map(|(square, weight)| square * weight).sum();
            [mean as f32, (second - mean * mean).max(0.0).sqrt() as f32]
        };
        (0..self.latent).map(of_axis).collect()
    }

    /// A component for each of some draws, by the weights.
    pub fn pick(self, count: usize, stream: &mut Stream) -> Vec<usize> {
        let weights: Vec<f64> = self.log_weights().into_iter().map(f64::exp).collect();
        let mut one = || {
            let mut left = f64::from(stream.uniform());
            let place = weights.iter().position(|weight| {
                left -= weight;
                left < 0.0
            });
            place.unwrap_or(weights.len().saturating_sub(1))
        };
        (0..count).map(|_| one()).collect()
    }
}

/// Draws codes from a prior: turns normal noise, (Codes, Latent), into codes. `own` are the numbers of [`MixtureNumbers`], `None` for the
/// standard normal distribution. `temperature` multiplies the standard deviation. Returns the component of each code, if there are
/// components.
pub fn draw(own: Option<&[f32]>, latent: usize, noise: &mut [f32], picks: &mut Stream, temperature: f32) -> Vec<usize> {
    let Some(own) = own else {
        noise.iter_mut().for_each(|code| *code *= temperature);
        return Vec::new();
    };
    let components = MixtureNumbers::of(own, latent);
    let chosen = components.pick(noise.len() / latent.max(1), picks);
    for (code, &component) in noise.chunks_mut(latent.max(1)).zip(&chosen) {
        let places = component * latent..(component + 1) * latent;
        let both = components.mean[places.clone()].iter().zip(&components.log_variance[places]);
        for (code, (mean, log_variance)) in code.iter_mut().zip(both) {
            *code = mean + temperature * (0.5 * log_variance).exp() * *code;
        }
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Purpose;

    fn stream() -> Stream {
        Stream::new(3, Purpose::Samples, 0, 0)
    }

    #[test]
    fn draws_are_those_of_the_mixture() {
        const COUNT: usize = 40_000;
        // Weights 1/4 and 3/4; means (1, -2) and (3, 0); standard deviations (0.5, 1) and (2, 0.1).
        let log_variances = [0.5f32, 1.0, 2.0, 0.1].map(|deviation| 2.0 * deviation.ln());
        let own = [&[1.0, -2.0, 3.0, 0.0][..], &log_variances, &[5.0, 5.0 + 3.0f32.ln()]].concat();
        let mut codes = vec![0.0; 2 * COUNT];
        stream().fill_normal(&mut codes);
        draw(Some(&own), 2, &mut codes, &mut Stream::new(3, Purpose::Samples, 0, 1), 1.0);
        for (axis, mean, second) in [(0, 2.5, 0.25 * 1.25 + 0.75 * 13.0), (1, -0.5, 0.25 * 5.0 + 0.75 * 0.01)] {
            let values: Vec<f64> = codes.iter().skip(axis).step_by(2).map(|code| f64::from(*code)).collect();
            let found = values.iter().sum::<f64>() / COUNT as f64;
            let squares = values.iter().map(|value| value * value).sum::<f64>() / COUNT as f64;
            assert!((found - mean).abs() < 0.05, "axis {axis}: {found}, not {mean}");
            assert!((squares / second - 1.0).abs() < 0.03, "axis {axis}: {squares}, not {second}");
        }
        for ([mean, deviation], [expected, second]) in MixtureNumbers::of(&own, 2)
            .axes()
            .iter()
            .zip([[2.5, 0.25 * 1.25 + 0.75 * 13.0], [-0.5, 0.25 * 5.0 + 0.75 * 0.01]])
        {
            assert!((f64::from(*mean) - expected).abs() < 1e-5);
            assert!((f64::from(*deviation).powi(2) - (second - expected * expected)).abs() < 1e-4);
        }
        // At temperature 0, only the means are left.
        stream().fill_normal(&mut codes);
        draw(Some(&own), 2, &mut codes, &mut stream(), 0.0);
        assert!(codes.chunks(2).all(|code| code == [1.0, -2.0] || code == [3.0, 0.0]));
    }

    #[test]
    fn the_standard_prior_is_the_noise_times_the_temperature() {
        let mut codes = [1.0, -2.0];
        draw(None, 2, &mut codes, &mut stream(), 0.5);
        assert_eq!(codes, [0.5, -1.0]);
    }
}
