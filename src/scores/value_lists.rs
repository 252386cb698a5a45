//! For each value of each factor the images that have it, and draws of images with a factor fixed.
//!
//! disentanglement_lib draws all factors independently and looks up the image. On a data set with one image for each
//! combination of values that is the same as drawing a value of the fixed factor, and one of the images with it: the
//! other factors of such an image are independent and uniform. On other data sets the other factors are as they come.

use super::points::Factor;
use crate::random::Stream;

/// The images of each value of the factors that vary.
#[derive(Clone, Debug)]
pub struct ValueLists {
    factors: Vec<FactorLists>,
}

/// The images of each value of a factor.
#[derive(Clone, Debug)]
struct FactorLists {
    /// The number of the factor.
    factor: usize,
    /// Where the images of each value begin in `images`, and at last their number. Values without images are left out.
    starts: Vec<usize>,
    /// The images, ordered by value, then by number.
    images: Vec<u32>,
}

impl ValueLists {
    /// The lists of the factors with at least two different values; constant factors are left out.
    ///
    /// Each factor's values must be below its size.
    pub fn new(factors: &[Factor]) -> ValueLists {
        let lists = factors.iter().enumerate().map(|(number, factor)| FactorLists::new(number, factor));
        ValueLists { factors: lists.filter(|lists| lists.starts.len() > 2).collect() }
    }

    /// The number of factors that vary.
    pub fn varying(&self) -> usize {
        self.factors.len()
    }

    /// The number of a varying factor in the list that the lists were made of.
    pub fn factor(&self, varying: usize) -> usize {
        self.factors[varying].factor
    }

    /// The images with a value of a factor that is drawn uniformly among the values that some image has. Never empty.
    pub fn draw_value(&self, varying: usize, stream: &mut Stream) -> &[u32] {
        let FactorLists { starts, images, .. } = &self.factors[varying];
        let value = stream.below(starts.len() as u64 - 1) as usize;
        &images[starts[value]..starts[value + 1]]
    }
}

impl FactorLists {
    fn new(number: usize, factor: &Factor) -> FactorLists {
        let mut counts = vec![0usize; factor.size];
        for &value in &factor.values {
            counts[usize::from(value)] += 1;
        }
        let mut starts = vec![0];
        let mut next = Vec::with_capacity(factor.size);
        let mut total = 0;
        for count in counts {
            next.push(total);
            total += count;
            if count > 0 {
                starts.push(total);
            }
        }
        let mut images = vec![0; factor.values.len()];
        for (image, &value) in factor.values.iter().enumerate() {
            let place = &mut next[usize::from(value)];
            images[*place] = image as u32;
            *place += 1;
        }
        FactorLists { factor: number, starts, images }
    }
}

/// One of some images, each equally likely.
pub(super) fn draw_image(images: &[u32], stream: &mut Stream) -> usize {
    images[stream.below(images.len() as u64) as usize] as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Purpose;
    use std::collections::BTreeMap;

    #[test]
    fn values_are_drawn_uniformly_among_those_present() {
        let factor = |size, values: &[u16]| Factor { name: "a".into(), size, values: values.to_vec() };
        let factors = [factor(3, &[1; 6]), factor(5, &[4, 0, 4, 4, 2, 4]), factor(1, &[0; 6])];
        let lists = ValueLists::new(&factors);
        assert_eq!((lists.varying(), lists.factor(0)), (1, 1));
        let mut stream = Stream::new(1, Purpose::Evaluation, 199, 0);
        let mut counts = BTreeMap::new();
        for _ in 0..3000 {
            *counts.entry(lists.draw_value(0, &mut stream).to_vec()).or_insert(0) += 1;
        }
        assert_eq!(counts.keys().cloned().collect::<Vec<_>>(), [vec![0, 2, 3, 5], vec![1], vec![4]]);
        assert!(counts.values().all(|count| (900..1100).contains(count)), "{counts:?}");
    }

    #[test]
    fn no_images_give_no_lists() {
        let factors = [Factor { name: "a".into(), size: 3, values: vec![] }];
        assert_eq!(ValueLists::new(&factors).varying(), 0);
    }
}
