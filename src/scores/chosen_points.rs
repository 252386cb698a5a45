//! The points that a score is computed from: some of the images, with one list per latent axis and per factor.

use super::points::{Codes, Factor};
use crate::random::{Stream, shuffled};

/// The codes and factors of some images: lists of the same length.
#[derive(Clone, Debug, PartialEq)]
pub struct Points {
    /// For each latent axis, the number of each point.
    pub(super) axes: Vec<Vec<f32>>,
    /// The factors, each with the value of each point.
    pub(super) factors: Vec<Factor>,
}

/// Points to fit a classifier, and other points to test it, with the same axes and factors.
#[derive(Clone, Debug, PartialEq)]
pub struct SplitPoints {
    /// The points for the fit.
    pub(super) train: Points,
    /// The points for the test.
    pub(super) test: Points,
}

impl Points {
    /// The points of `images`, in this order. Images without a code or without a value of each factor are skipped.
    pub fn of(codes: &Codes, factors: &[Factor], images: &[u32]) -> Points {
        let complete = factors.iter().map(|factor| factor.values.len()).fold(codes.len(), usize::min);
        let images = || images.iter().map(|&image| image as usize).filter(|&image| image < complete);
        let number = |axis: usize| images().map(move |image| codes.values[image * codes.latent + axis]).collect();
        let values = |factor: &Factor| images().map(|image| factor.values[image]).collect();
        Points {
            axes: (0..codes.latent).map(number).collect(),
            factors: factors
                .iter()
                .map(|factor| Factor { name: factor.name.clone(), size: factor.size, values: values(factor) })
                .collect(),
        }
    }

    /// The number of points.
    pub fn len(&self) -> usize {
        self.axes.first().map_or(0, Vec::len)
    }

    /// Whether there are no points.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Checks the weight C of the loss of a classifier.
///
/// # Errors
/// If it is not a positive number.
pub fn check_c(c: f64) -> Result<(), String> {
    match c > 0.0 && c.is_finite() {
        true => Ok(()),
        false => Err(format!("fit a classifier with C = {c}: it must be a positive number")),
    }
}

/// Whether a list has at most one distinct value.
pub fn is_constant<T: PartialEq>(values: &[T]) -> bool {
    values.windows(2).all(|pair| pair[0] == pair[1])
}

/// Checks that there are codes, that all of them are finite, and that each factor has a value below its size for each
/// image.
///
/// # Errors
/// Says what is wrong and of which image.
pub fn check(codes: &Codes, factors: &[Factor]) -> Result<(), String> {
    if codes.latent == 0 {
        return Err("use codes without a latent axis".to_owned());
    }
    if !codes.values.len().is_multiple_of(codes.latent) {
        return Err(format!("divide {} numbers into codes of {} axes", codes.values.len(), codes.latent));
    }
    if codes.is_empty() {
        return Err("use the codes of 0 images".to_owned());
    }
    if u32::try_from(codes.len()).is_err() {
        return Err(format!("use the codes of {} images: the limit is {}", codes.len(), u32::MAX));
    }
    if let Some(at) = codes.values.iter().position(|value| !value.is_finite()) {
        let (image, axis) = (at / codes.latent, at % codes.latent);
        return Err(format!("use the code of image {image}: axis {axis} is {}", codes.values[at]));
    }
    for factor in factors {
        if factor.values.len() != codes.len() {
            let (values, images) = (factor.values.len(), codes.len());
            return Err(format!("use factor `{}`: it has {values} values for {images} images", factor.name));
        }
        if let Some(image) = factor.values.iter().position(|&value| usize::from(value) >= factor.size) {
            let value = factor.values[image];
            return Err(format!(
                "use factor `{}`: image {image} has value {value}, its size is {}",
                factor.name, factor.size
            ));
        }
    }
    Ok(())
}

/// The first `count` images of a shuffle without replacement; all images, in their order, if there are at most `count`.
///
/// # Errors
/// As [`check`], or if `count` is 0.
pub fn choose(codes: &Codes, factors: &[Factor], count: usize, stream: Stream) -> Result<Points, String> {
    check(codes, factors)?;
    if count == 0 {
        return Err("compute a score from 0 points".to_owned());
    }
    Ok(Points::of(codes, factors, &first_of_shuffle(codes.len() as u32, count, stream)))
}

/// The numbers 0..`total` if there are at most `count`; otherwise the first `count` of them after a shuffle.
pub fn first_of_shuffle(total: u32, count: usize, stream: Stream) -> Vec<u32> {
    if total as usize <= count {
        return (0..total).collect();
    }
    let mut order = shuffled(stream, total);
    order.truncate(count);
    order
}

/// The first `train` images of a shuffle without replacement, and the next `test` images. If there are fewer images,
/// all of them are used and the two sizes keep their ratio (rounded, at least one image each).
///
/// disentanglement_lib draws both sets with replacement, so that some of its test points are training points.
///
/// # Errors
/// As [`check`], or if a size is 0, or if there is only one image.
pub fn choose_split(
    codes: &Codes,
    factors: &[Factor],
    [train, test]: [usize; 2],
    stream: Stream,
) -> Result<SplitPoints, String> {
    check(codes, factors)?;
    if train == 0 || test == 0 {
        return Err(format!("compute a score from {train} training points and {test} test points"));
    }
    let images = codes.len();
    if images < 2 {
        return Err("split 1 image into training and test points".to_owned());
    }
    let wanted = train.saturating_add(test);
    let (train, test) = if images < wanted {
        let share = (images as f64 * (train as f64 / wanted as f64)).round() as usize;
        let train = share.clamp(1, images - 1);
        (train, images - train)
    } else {
        (train, test)
    };
    let order = shuffled(stream, images as u32);
    Ok(SplitPoints {
        train: Points::of(codes, factors, &order[..train]),
        test: Points::of(codes, factors, &order[train..train + test]),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Purpose;
    use crate::scores::test_codes::{codes, factor};
    use std::collections::BTreeSet;

    fn stream() -> Stream {
        Stream::new(1, Purpose::Evaluation, 99, 0)
    }

    fn images(points: &Points) -> Vec<u32> {
        points.axes[0].iter().map(|&value| value as u32).collect()
    }

    /// Codes of two axes: the number of the image and its negative; the factor is the number modulo 5.
    fn numbered(count: usize) -> (Codes, Vec<Factor>) {
        let numbers: Vec<f32> = (0..count).map(|image| image as f32).collect();
        let negative = numbers.iter().map(|value| -value).collect();
        (codes(&[numbers, negative]), vec![factor("rest", 5, |image| image % 5, count)])
    }

    #[test]
    fn points_keep_codes_and_factors_together() {
        let (codes, factors) = numbered(100);
        let points = choose(&codes, &factors, 30, stream()).unwrap();
        assert_eq!((points.len(), points.axes.len()), (30, 2));
        for (point, image) in images(&points).into_iter().enumerate() {
            assert_eq!(points.axes[1][point], -(image as f32));
            assert_eq!(u32::from(points.factors[0].values[point]), image % 5);
        }
        assert_eq!(images(&points).into_iter().collect::<BTreeSet<_>>().len(), 30);
        assert_ne!(images(&points), (0..30).collect::<Vec<_>>());
        assert_eq!(images(&choose(&codes, &factors, 100, stream()).unwrap()), (0..100).collect::<Vec<_>>());
        assert_eq!(images(&choose(&codes, &[], 1000, stream()).unwrap()).len(), 100);
        assert!(choose(&codes, &factors, 0, stream()).is_err());
    }

    #[test]
    fn training_and_test_points_are_different_images() {
        let (codes, factors) = numbered(100);
        for (sizes, expected) in [([30, 20], [30, 20]), ([60, 40], [60, 40]), ([10_000, 5_000], [67, 33])] {
            let split = choose_split(&codes, &factors, sizes, stream()).unwrap();
            assert_eq!([split.train.len(), split.test.len()], expected);
            let all: BTreeSet<u32> = images(&split.train).into_iter().chain(images(&split.test)).collect();
            assert_eq!(all.len(), expected[0] + expected[1]);
        }
        let (codes, factors) = numbered(2);
        let split = choose_split(&codes, &factors, [10_000, 1], stream()).unwrap();
        assert_eq!([split.train.len(), split.test.len()], [1, 1]);
        let (codes, factors) = numbered(1);
        assert!(choose_split(&codes, &factors, [2, 1], stream()).is_err());
        let (codes, factors) = numbered(4);
        assert!(choose_split(&codes, &factors, [0, 1], stream()).is_err());
    }

    #[test]
    fn bad_input_is_an_error() {
        let (good, factors) = numbered(4);
        assert_eq!(check(&good, &factors), Ok(()));
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut codes = good.clone();
            codes.values[5] = bad;
            assert!(check(&codes, &factors).unwrap_err().contains("image 2: axis 1"));
        }
        assert!(check(&Codes { latent: 0, values: vec![] }, &factors).is_err());
        assert!(check(&Codes { latent: 2, values: vec![] }, &[]).is_err());
        assert!(check(&Codes { latent: 2, values: vec![1.0; 3] }, &[]).is_err());
        let mut short = factors.clone();
        short[0].values.pop();
        assert!(check(&good, &short).unwrap_err().contains("3 values for 4 images"));
        let mut large = factors;
        large[0].values[1] = 5;
        assert!(check(&good, &large).unwrap_err().contains("image 1 has value 5"));
    }
}
