//! Codes, factors and fixtures for the tests of the classifier-based scores.

use super::points::{Codes, Factor};
use crate::random::{Purpose, Stream};
use serde_json::Value;

/// All combinations of the values of factors with these sizes.
pub(super) fn grid(sizes: &[usize]) -> Vec<Factor> {
    let images: usize = sizes.iter().product();
    let mut repeats = images;
    let of_size = |(number, &size): (usize, &usize)| {
        repeats /= size;
        let values = (0..images).map(|image| (image / repeats % size) as u16).collect();
        Factor { name: format!("factor {number}"), size, values }
    };
    sizes.iter().enumerate().map(of_size).collect()
}

/// One axis for each factor, which is its value.
pub(super) fn copied(factors: &[Factor]) -> Codes {
    let images = factors[0].values.len();
    let values = (0..images).flat_map(|image| factors.iter().map(move |factor| f32::from(factor.values[image])));
    Codes { latent: factors.len(), values: values.collect() }
}

/// Independent standard normals.
pub(super) fn noise(images: usize, axes: usize, seed: u64) -> Codes {
    let mut values = vec![0.0; images * axes];
    Stream::new(seed, Purpose::Evaluation, 199, 0).fill_normal(&mut values);
    Codes { latent: axes, values }
}

/// Axes that do not vary.
pub(super) fn constant(images: usize, axes: usize) -> Codes {
    Codes { latent: axes, values: vec![0.1; images * axes] }
}

/// The axes of both.
pub(super) fn joined(a: &Codes, b: &Codes) -> Codes {
    let rows = (0..a.len()).flat_map(|image| [a.row(image), b.row(image)]);
    Codes { latent: a.latent + b.latent, values: rows.flatten().copied().collect() }
}

/// The sum, with the second multiplied.
pub(super) fn plus(a: &Codes, factor: f32, b: &Codes) -> Codes {
    let values = a.values.iter().zip(&b.values).map(|(a, b)| a + factor * b).collect();
    Codes { latent: a.latent, values }
}

/// Each axis scaled to variance 1, then each two neighbouring axes turned by 45 degrees.
pub(super) fn rotated(codes: &Codes) -> Codes {
    let images = codes.len() as f32;
    let mut values = codes.values.clone();
    for axis in 0..codes.latent {
        let mean = (0..codes.len()).map(|image| codes.row(image)[axis]).sum::<f32>() / images;
        let variance = (0..codes.len()).map(|image| (codes.row(image)[axis] - mean).powi(2)).sum::<f32>() / images;
        values.iter_mut().skip(axis).step_by(codes.latent).for_each(|value| *value = (*value - mean) / variance.sqrt());
    }
    for row in values.chunks_exact_mut(codes.latent) {
        for pair in row.chunks_exact_mut(2) {
            let [a, b] = [pair[0], pair[1]];
            pair.copy_from_slice(&[(a + b) / 2.0f32.sqrt(), (a - b) / 2.0f32.sqrt()]);
        }
    }
    Codes { latent: codes.latent, values }
}

/// What a computation gives on this number of threads.
pub(super) fn on_threads<R: Send>(threads: usize, compute: impl FnOnce() -> R + Send) -> R {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(compute)
}

/// Checks that numbers agree within a tolerance.
pub(super) fn assert_close(values: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(values.len(), expected.len());
    for (place, (value, expected)) in values.iter().zip(expected).enumerate() {
        assert!((value - expected).abs() <= tolerance, "at {place}: {value}, expected {expected}");
    }
}

/// The codes of a fixture.
pub(super) fn codes(value: &Value) -> Codes {
    let values = numbers(&value["values"]).into_iter().map(|value| value as f32).collect();
    Codes { latent: value["latent"].as_u64().unwrap() as usize, values }
}

/// The numbers of a fixture.
pub(super) fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect()
}

/// The labels of a fixture.
pub(super) fn labels(value: &Value) -> Vec<u32> {
    numbers(value).into_iter().map(|label| label as u32).collect()
}

/// A factor of a fixture.
pub(super) fn factor(size: usize, value: &Value) -> Factor {
    let values = numbers(value).into_iter().map(|value| value as u16).collect();
    Factor { name: "made".into(), size, values }
}

/// The factors of a fixture and their sizes.
pub(super) fn factors(sizes: &Value, values: &Value) -> Vec<Factor> {
    let values = values.as_array().unwrap();
    numbers(sizes).into_iter().zip(values).map(|(size, values)| factor(size as usize, values)).collect()
}

/// The codes and factors of the test vectors (`vectors.md`): 400 images with 3 axes, and factors with 4 and 2 values.
pub(super) fn vectors() -> (Codes, Vec<Factor>) {
    let mut values = Vec::new();
    let mut factors = [(4, vec![]), (2, vec![])];
    for i in 0..400 {
        let x = vector(f64::from(i));
        factors[0].1.push(((0.999 * x[0] + 1.0) / 2.0 * 4.0).floor() as u16);
        factors[1].1.push(u16::from(x[1] + 0.3 * x[2] > 0.2));
        values.extend(x.map(|value| value as f32));
    }
    let factors = factors.map(|(size, values)| Factor { name: "vector".into(), size, values });
    (Codes { latent: 3, values }, factors.to_vec())
}

/// The numbers of an image of the test vectors, in double precision.
pub(super) fn vector(i: f64) -> [f64; 3] {
    [(1.3 * i).sin(), (2.1 * i + 0.4).cos(), ((0.7 * i * i) % (6283.0 / 1000.0)).sin()]
}

/// A part of the images.
pub(super) fn part(codes: &Codes, factors: &[Factor], images: std::ops::Range<usize>) -> (Codes, Vec<Factor>) {
    let images: Vec<usize> = images.collect();
    (super::draws::codes_of(codes, &images), super::draws::factors_of(factors, &images))
}
