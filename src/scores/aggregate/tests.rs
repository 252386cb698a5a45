//! Tests of the aggregate posterior.

use super::*;
use crate::scores::testing::{assert_close, normals, numbers, on_threads, rows};
use serde_json::Value;

fn terms(means: &Codes, log_variances: &Codes, samples: usize) -> AggregateTerms {
    on_threads(|| aggregate_terms(means, log_variances, &AggregateSettings { samples, seed: 3 }).unwrap())
}

/// Log-variances that are the same for all images.
fn constant(like: &Codes, log_variance: f32) -> Codes {
    Codes { latent: like.latent, values: vec![log_variance; like.values.len()] }
}

/// Fails unless the parts add up to the sampled KL, and that is the exact KL within five standard errors.
#[track_caller]
fn check_identity(found: &AggregateTerms) {
    let parts = [found.mutual_information, found.total_correlation, found.dimension_wise_kl];
    assert_close(parts.iter().map(|part| part.mean).sum(), found.sampled_kl.mean, 1e-12);
    let sum: f64 = found.dimension_wise_kl_by_axis.iter().map(|one| one.mean).sum();
    assert_close(sum, found.dimension_wise_kl.mean, 1e-12);
    let difference = (found.sampled_kl.mean - found.kl).abs();
    assert!(difference <= 5.0 * found.sampled_kl.standard_error + 1e-6, "{found:?}");
    assert!(found.mutual_information.mean <= (found.images as f64).ln() + 1e-5);
}

#[test]
fn the_mixture_of_the_published_vectors_agrees() {
    // vectors.md: batch mixture 1/B of B = 4 images and D = 2 axes.
    let place = |at: usize| ((at / 2) as f32, (at % 2) as f32);
    let codes = |of: fn((f32, f32)) -> f32| Codes { latent: 2, values: (0..8).map(place).map(of).collect() };
    let means = codes(|(b, d)| (1.0 + b + 2.0 * d).sin());
    let log_variances = codes(|(b, d)| -1.0 + 0.3 * (b - d).cos());
    let z = [
        [1.222_215_6, -0.132_593_92],
        [0.479_373_78, -0.556_909_13],
        [0.570_714_06, -1.054_624_6],
        [-1.195_494_3, -0.276_893_62],
    ];
    let samples: Vec<Sample> =
        (0..4).map(|at| Sample::new(z[at].to_vec(), means.row(at), log_variances.row(at))).collect();
    let found = densities(&samples, &means, &log_variances);
    let mean = |of: &dyn Fn(usize) -> f64| (0..4).map(of).sum::<f64>() / 4.0;
    let joint = mean(&|at| found[at].joint);
    let axes = mean(&|at| sum(&found[at].axes));
    let posterior = mean(&|at| sum(&samples[at].log_posterior));
    let prior = mean(&|at| sum(&samples[at].log_prior));
    for (found, expected) in [
        (posterior, -1.188_627_654),
        (prior, -2.462_272_481),
        (joint, -1.956_012),
        (axes, -2.017_491),
        (posterior - joint, 0.767_384),
        (joint - axes, 0.061_480),
        (axes - prior, 0.444_781),
    ] {
        assert_close(found, expected, 1.5e-6);
    }
}

#[test]
fn densities_agree_with_scipy() {
    let case: Value = serde_json::from_str(include_str!("../../../tests/fixtures/scores/aggregate.json")).unwrap();
    let (means, log_variances, codes) = (rows(&case["means"]), rows(&case["log_variances"]), rows(&case["codes"]));
    let sample = |at| Sample::new(codes.row(at).to_vec(), means.row(0), log_variances.row(0));
    let samples: Vec<Sample> = (0..codes.len()).map(sample).collect();
    let found = densities(&samples, &means, &log_variances);
    for (found, expected) in found.iter().zip(numbers(&case["log_joint"])) {
        assert_close(found.joint, expected, 3e-6);
    }
    for (found, expected) in
        found.iter().flat_map(|found| &found.axes).zip(case["log_axes"].as_array().unwrap().iter().flat_map(numbers))
    {
        assert_close(*found, expected, 3e-6);
    }
}

#[test]
fn a_collapsed_posterior_has_no_terms() {
    let zeros = Codes { latent: 3, values: vec![0.0; 3000] };
    let found = terms(&zeros, &zeros, 100);
    check_identity(&found);
    assert_eq!(found.kl, 0.0);
    for part in [found.mutual_information, found.total_correlation, found.dimension_wise_kl] {
        assert!(part.mean.abs() < 1e-5, "{found:?}");
    }
    // One image: its posterior is the aggregate posterior, whatever it is.
    let one = normals(1, 1, 3);
    let found = terms(&one, &constant(&one, -3.0), 500);
    check_identity(&found);
    assert!(found.mutual_information.mean.abs() < 1e-5 && found.total_correlation.mean.abs() < 1e-5);
}

#[test]
fn separate_posteriors_have_all_information() {
    let means = Codes { latent: 1, values: (0..1500).map(|at| at as f32).collect() };
    let found = terms(&means, &constant(&means, -10.0), 200);
    check_identity(&found);
    assert_close(found.mutual_information.mean, f64::ln(1500.0), 1e-5);
    assert_close(found.mutual_information_by_axis[0].mean, f64::ln(1500.0), 1e-5);
    assert!(found.total_correlation.mean.abs() < 1e-6);
}

#[test]
fn normal_means_give_the_terms_of_a_normal() {
    // z is normal with variance 1 and correlation 0.6, of which the noise of the posterior has a variance of 0.25.
    let mut means = normals(2, 30_000, 3);
    for row in means.values.chunks_mut(3) {
        let (a, b) = (row[0] * 0.75f32.sqrt(), row[1]);
        // The third axis is dead.
        (row[0], row[1], row[2]) = (a, 0.8 * a + (0.75f32 - 0.48).sqrt() * b, 0.0);
    }
    let mut log_variances = constant(&means, 0.25f32.ln());
    log_variances.values.iter_mut().skip(2).step_by(3).for_each(|value| *value = 0.0);
    let found = terms(&means, &log_variances, 3000);
    check_identity(&found);
    let total_correlation = -0.5 * f64::ln(1.0 - 0.36);
    // The entropy of z minus that of the noise.
    let information = 2.0 * 0.5 * f64::ln(4.0) - total_correlation;
    for (found, expected) in [
        (found.total_correlation, total_correlation),
        (found.mutual_information, information),
        (found.dimension_wise_kl, 0.0),
        (found.mutual_information_by_axis[0], 0.5 * f64::ln(4.0)),
        (found.mutual_information_by_axis[2], 0.0),
        (found.dimension_wise_kl_by_axis[2], 0.0),
    ] {
        // Another 0.01 for the random means.
        assert!((found.mean - expected).abs() < 5.0 * found.standard_error + 0.01, "{found:?} {expected}");
    }
}

#[test]
fn independent_axes_have_no_total_correlation_and_copies_have_some() {
    let means = normals(5, 5000, 2);
    let found = terms(&means, &constant(&means, -3.0), 1000);
    check_identity(&found);
    assert!(found.total_correlation.mean.abs() < 5.0 * found.total_correlation.standard_error + 0.05, "{found:?}");
    let copied = Codes { latent: 2, values: means.values.chunks(2).flat_map(|row| [row[0]; 2]).collect() };
    assert!(terms(&copied, &constant(&copied, -3.0), 1000).total_correlation.mean > 0.5);
}

#[test]
fn extreme_posteriors_stay_finite() {
    let means = Codes { latent: 2, values: (0..40).map(|at| at as f32 * 1e3).collect() };
    for log_variance in [-160.0, -30.0, 30.0, 160.0] {
        check_identity(&terms(&means, &constant(&means, log_variance), 50));
    }
}

#[test]
fn wrong_inputs_are_errors() {
    let set = normals(1, 10, 2);
    let terms = |means: &Codes, log_variances: &Codes, samples| {
        aggregate_terms(means, log_variances, &AggregateSettings { samples, seed: 0 })
    };
    assert!(terms(&set, &set, 1).is_err() && terms(&set, &set, 2).is_ok());
    assert!(terms(&set, &normals(1, 9, 2), 10).is_err());
    let none = Codes { latent: 0, values: vec![] };
    assert!(terms(&none, &none, 10).is_err());
    let mut broken = set.clone();
    broken.values[0] = f32::NEG_INFINITY;
    assert!(terms(&broken, &set, 10).is_err());
}
