//! Made-up codes and factors, and comparisons, for the tests of the scores.

use super::chosen_points::{Points, SplitPoints};
use super::points::{Codes, Factor};
use crate::random::{Purpose, Stream};
use serde_json::Value;
use std::fmt::Debug;
use std::ops::Range;

/// Codes from one list per axis.
pub(crate) fn codes(axes: &[Vec<f32>]) -> Codes {
    let images = axes.first().map_or(0, Vec::len);
    let values = (0..images).flat_map(|image| axes.iter().map(move |axis| axis[image])).collect();
    Codes { latent: axes.len(), values }
}

/// A factor of `count` images.
pub(crate) fn factor(name: &str, size: usize, value: impl Fn(usize) -> usize, count: usize) -> Factor {
    Factor { name: name.to_owned(), size, values: (0..count).map(|image| value(image) as u16).collect() }
}

/// Factors of these sizes: every combination of values, `repeats` times.
pub(crate) fn grid(sizes: &[usize], repeats: usize) -> Vec<Factor> {
    let count = sizes.iter().product::<usize>() * repeats;
    let of_size = |(at, &size): (usize, &usize)| {
        let inner: usize = sizes[at + 1..].iter().product();
        factor(&format!("factor {at}"), size, |image| image / inner % size, count)
    };
    sizes.iter().enumerate().map(of_size).collect()
}

/// Codes that are the factors, one axis each, and then `dead` constant axes.
pub(crate) fn copied(factors: &[Factor], dead: usize) -> Codes {
    let images = factors[0].values.len();
    let axis = |factor: &Factor| factor.values.iter().map(|&value| f32::from(value)).collect();
    let dead = std::iter::repeat_n(vec![0.7; images], dead);
    codes(&factors.iter().map(axis).chain(dead).collect::<Vec<_>>())
}

/// Codes that are the factors, each from -1 to 1, with pairs of axes rotated by 45 degrees.
pub(crate) fn rotated(factors: &[Factor]) -> Codes {
    let mut codes = copied(factors, 0);
    for code in codes.values.chunks_mut(factors.len()) {
        for (value, factor) in code.iter_mut().zip(factors) {
            *value = 2.0 * *value / (factor.size - 1) as f32 - 1.0;
        }
        for pair in code.chunks_exact_mut(2) {
            (pair[0], pair[1]) = (pair[0] + pair[1], pair[0] - pair[1]);
        }
    }
    codes
}

/// Codes that are standard normal noise.
pub(crate) fn noise(images: usize, latent: usize) -> Codes {
    let mut values = vec![0.0; images * latent];
    Stream::new(1, Purpose::Samples, 0, 0).fill_normal(&mut values);
    Codes { latent, values }
}

/// The points of the published vectors: three waves and two factors of them. 6.283 is meant, not a full circle.
pub(crate) fn wave_points(images: Range<usize>) -> Points {
    let waves = images.map(|image| {
        let i = image as f64;
        [(1.3 * i).sin(), (2.1 * i + 0.4).cos(), ((0.7 * i * i) % (6283.0 / 1000.0)).sin()]
    });
    let waves: Vec<[f64; 3]> = waves.collect();
    let first = |at: usize| ((0.999 * waves[at][0] + 1.0) / 2.0 * 4.0) as usize;
    let second = |at: usize| usize::from(waves[at][1] + 0.3 * waves[at][2] > 0.2);
    Points {
        axes: (0..3).map(|axis| waves.iter().map(|wave| wave[axis] as f32).collect()).collect(),
        factors: vec![factor("f1", 4, first, waves.len()), factor("f2", 2, second, waves.len())],
    }
}

/// The content of a fixture.
pub(crate) fn fixture(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// A list of numbers, or of lists of numbers, in their order.
pub(crate) fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(values) => values.iter().flat_map(numbers).collect(),
        value => vec![value.as_f64().unwrap()],
    }
}

/// A list of whole numbers.
pub(crate) fn whole(value: &Value) -> Vec<u16> {
    numbers(value).into_iter().map(|value| value as u16).collect()
}

/// Numbers that a fixture holds in units of 1/1024, so that they are exact in single precision.
pub(crate) fn exact(value: &Value) -> Vec<f32> {
    numbers(value).into_iter().map(|value| value as f32 / 1024.0).collect()
}

/// The codes and factors of a fixture.
pub(crate) fn made_up(fixture: &Value) -> (Codes, Vec<Factor>) {
    let axes: Vec<Vec<f32>> = fixture["axes"].as_array().unwrap().iter().map(exact).collect();
    (codes(&axes), factors_of(fixture))
}

/// The factors of a fixture.
pub(crate) fn factors_of(fixture: &Value) -> Vec<Factor> {
    let factor = |values: &Value| {
        let values = whole(values);
        let size = usize::from(*values.iter().max().unwrap()) + 1;
        Factor { name: "factor".to_owned(), size, values }
    };
    fixture["factors"].as_array().unwrap().iter().map(factor).collect()
}

/// The first points, and the others, as training and test points.
pub(crate) fn split_at(points: &Points, at: usize) -> SplitPoints {
    let part = |range: Range<usize>| Points {
        axes: points.axes.iter().map(|axis| axis[range.clone()].to_vec()).collect(),
        factors: points
            .factors
            .iter()
            .map(|factor| Factor { values: factor.values[range.clone()].to_vec(), ..factor.clone() })
            .collect(),
    };
    SplitPoints { train: part(0..at), test: part(at..points.len()) }
}

/// Panics unless the numbers agree up to `tolerance`, absolute and relative.
#[track_caller]
pub(crate) fn assert_near(found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{found:?} is not {expected:?}");
    for (value, wanted) in found.iter().zip(expected) {
        let error = (value - wanted).abs();
        assert!(error <= tolerance * wanted.abs().max(1.0), "{value} is not {wanted}, in {found:?} and {expected:?}");
    }
}

/// Panics unless `work` gives the same bits on one thread and on two. The text of a number has all its digits.
#[track_caller]
pub(crate) fn assert_same_on_threads<T: Debug + Send>(work: impl Fn() -> T + Sync) {
    let on = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        format!("{:?}", pool.install(&work))
    };
    assert_eq!(on(1), on(2));
}
