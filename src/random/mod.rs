//! Random numbers by address: each combination of use, epoch and index has a stream of its own.
//!
//! A stream is ChaCha8 with the address as its key. The 256-bit key is four little-endian 64-bit numbers: the seed, the
//! number of the [`Purpose`], the epoch and the index. The nonce is 0 and the block counter starts at 0. Different
//! addresses have different keys, so no stream is part of another one. The numbers of a stream depend only on its
//! address: not on the thread, the batch or earlier draws. ChaCha has no key schedule: creating a stream and drawing
//! from it takes less than 100 nanoseconds.
//!
//! All of them are the same on every machine: integers, bytes, and normals, which use no function of the C library.

mod normal;

use normal::{NORMAL_PAIRS, fill_with_normals};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// What random numbers are used for. Results depend on these values: do not change existing ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// Initial weights; the index is the tensor.
    Weights = 1,
    /// Order of the training images in an epoch.
    Order = 2,
    /// Noise of the codes of training images; the index is the image.
    TrainNoise = 3,
    /// Noise of the codes of validation images, with [`HELD_OUT_SEED`]; the index is the image.
    ValidationNoise = 4,
    /// Pixels of training images, drawn once, with [`HELD_OUT_SEED`] and epoch 0; the index is the image.
    StaticBinarize = 5,
    /// Pixels of training images, drawn again in each epoch; the index is the image.
    DynamicBinarize = 6,
    /// Pixels of validation images, drawn once, with [`HELD_OUT_SEED`] and epoch 0; the index is the image.
    ValidationBinarize = 7,
    /// Codes of generated samples.
    Samples = 8,
    /// Values of `[sweep.random]`; the epoch is the sample, the index is a hash of the key.
    Sweep = 9,
    /// Order of the pool of images before it is split, with `data.split_seed`.
    Split = 10,
    /// Noise that makes whole values continuous; the index is the image.
    Dequantize = 11,
    /// Which training images are mirrored in an epoch; the index is the image.
    Flip = 12,
    /// Noise that makes whole values of held-out images continuous, with [`HELD_OUT_SEED`]; the epoch is 0 for validation and 1
    /// for test images, the index is the image.
    HeldOutDequantize = 13,
    /// Pixels of test images, drawn once, with [`HELD_OUT_SEED`] and epoch 0; the index is the image.
    TestBinarize = 14,
    /// Draws of a step for terms that couple its batch; the epoch is the step.
    BatchTerms = 15,
    /// Draws for terms that couple a batch of held-out images, with [`HELD_OUT_SEED`]; the epoch is the batch.
    HeldOutBatchTerms = 16,
    /// Weights of parameters of an objective; the index is the tensor.
    ObjectiveWeights = 17,
    /// Order of the training images in the second batches of an epoch.
    SecondOrder = 18,
    /// Initial parameters of a learned prior.
    Prior = 19,
    /// Draws of the metrics of the evaluation stage; the epoch says which draw, the index is of the draw.
    Evaluation = 20,
    /// Noise of the codes of importance sampling; the epoch is the block of samples, the index is the image.
    Importance = 21,
    /// Proposals of a search; the epoch is the number of the proposal, the index is a hash of the key.
    Search = 22,
}

/// The seed of everything that must be the same in all trials, whatever their own seed: the pixels and the noise of
/// validation images, and pixels that are drawn once.
pub const HELD_OUT_SEED: u64 = 0;

/// The random numbers of one address.
#[derive(Clone, Debug)]
pub struct Stream {
    generator: ChaCha8Rng,
}

impl Stream {
    /// The stream of an address, at its start. A purpose without epochs uses epoch 0.
    pub fn new(seed: u64, purpose: Purpose, epoch: u64, index: u64) -> Stream {
        let mut key = [0; 32];
        for (bytes, word) in key.chunks_exact_mut(8).zip([seed, purpose as u64, epoch, index]) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        Stream { generator: ChaCha8Rng::from_seed(key) }
    }

    /// The next 32 bits.
    pub fn next_u32(&mut self) -> u32 {
        self.generator.next_u32()
    }

    /// A multiple of 2^-24 in [0, 1), each equally likely; uses 32 bits.
    pub fn uniform(&mut self) -> f32 {
        (self.next_u32() >> 8) as f32 / 16_777_216.0
    }

    /// Fills with independent standard normals: mean 0, variance 1, none beyond 6.8.
    ///
    /// Box-Muller: each pair of values uses two 32-bit numbers. If the count is odd, the second value of the last pair
    /// is dropped.
    pub fn fill_normal(&mut self, values: &mut [f32]) {
        let mut words = [[0; 2]; NORMAL_PAIRS];
        for values in values.chunks_mut(2 * NORMAL_PAIRS) {
            let words = &mut words[..values.len().div_ceil(2)];
            words.as_flattened_mut().fill_with(|| self.generator.next_u32());
            fill_with_normals(words, values);
        }
    }

    /// Fills with random bytes. Uses whole 32-bit words in little-endian order; unused bytes of the last word are
    /// dropped.
    pub fn fill_bytes(&mut self, bytes: &mut [u8]) {
        self.generator.fill_bytes(bytes);
    }

    /// A number in 0..n, each equally likely; 0 if n is 0.
    pub fn below(&mut self, n: u64) -> u64 {
        // Lemire 2019: the high half of the product is the number; the low half shows which products to reject.
        loop {
            let product = u128::from(self.generator.next_u64()) * u128::from(n);
            let low = product as u64;
            if low >= n || low >= n.wrapping_neg() % n {
                return (product >> 64) as u64;
            }
        }
    }
}

/// The order of an epoch: the numbers 0..count (Images), shuffled (Fisher-Yates) with [`Purpose::Order`].
pub fn permutation(seed: u64, epoch: u64, count: u32) -> Vec<u32> {
    shuffled(Stream::new(seed, Purpose::Order, epoch, 0), count)
}

/// The numbers 0..count, shuffled (Fisher-Yates).
pub fn shuffled(mut stream: Stream, count: u32) -> Vec<u32> {
    let mut order: Vec<u32> = (0..count).collect();
    for last in (1..order.len()).rev() {
        order.swap(last, stream.below(last as u64 + 1) as usize);
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    // From another implementation, in Python.
    const GOLDEN_WORDS: [u32; 4] = [3_470_889_777, 1_395_225_866, 2_113_249_723, 1_374_061_255];
    const GOLDEN_NORMALS: [f32; 4] = [-0.295_793_1, 0.581_869_7, -0.506_577_2, 1.077_874_6];
    const GOLDEN_BELOW: [u64; 3] = [3, 324, 5_992_449_468_474_168_112];
    const GOLDEN_ORDER: [u32; 10] = [4, 3, 9, 5, 8, 7, 1, 6, 0, 2];

    fn words(mut stream: Stream) -> [u32; 4] {
        std::array::from_fn(|_| stream.next_u32())
    }

    #[test]
    fn an_all_zero_key_gives_the_published_chacha8_stream() {
        // There is no purpose 0, so the key is set directly; the words are those of other implementations.
        let stream = Stream { generator: ChaCha8Rng::from_seed([0; 32]) };
        assert_eq!(words(stream).map(u32::to_le_bytes).concat()[..8], [0x3e, 0x00, 0xef, 0x2f, 0x89, 0x5f, 0x40, 0xd6]);
    }

    #[test]
    fn golden_values_stay() {
        let stream = || Stream::new(7, Purpose::TrainNoise, 3, 59_999);
        assert_eq!(words(stream()), GOLDEN_WORDS);
        let mut bytes = [0; 6];
        stream().fill_bytes(&mut bytes);
        assert_eq!(bytes, GOLDEN_WORDS.map(u32::to_le_bytes).concat()[..6]);
        assert_eq!(stream().uniform(), (GOLDEN_WORDS[0] >> 8) as f32 / 16_777_216.0);
        let mut normals = [0.0; 4];
        stream().fill_normal(&mut normals);
        for (value, golden) in normals.into_iter().zip(GOLDEN_NORMALS) {
            assert!((value - golden).abs() < 1e-6, "{normals:?}");
        }
        assert_eq!([10, 1000, u64::MAX].map(|n| stream().below(n)), GOLDEN_BELOW);
        assert_eq!(permutation(7, 1, 10), GOLDEN_ORDER);
    }

    #[test]
    fn each_part_of_the_address_counts() {
        let addresses = [
            (1, Purpose::Weights, 1, 1),
            (2, Purpose::Weights, 1, 1),
            (1, Purpose::Order, 1, 1),
            (1, Purpose::Weights, 2, 1),
            (1, Purpose::Weights, 1, 2),
            ((1 << 32) + 1, Purpose::Weights, 1, 1),
            (1, Purpose::Weights, (1 << 32) + 1, 1),
            (1, Purpose::Weights, 1, (1 << 32) + 1),
        ];
        let streams = addresses.map(|(seed, purpose, epoch, index)| words(Stream::new(seed, purpose, epoch, index)));
        for (i, stream) in streams.iter().enumerate() {
            assert!(!streams[..i].contains(stream), "{:?} has the stream of another address", addresses[i]);
        }
    }

    #[test]
    fn streams_do_not_depend_on_the_order_they_are_made_in() {
        let draw = |index| words(Stream::new(1, Purpose::TrainNoise, 1, index));
        let forwards: Vec<_> = (0..100).map(draw).collect();
        let mut backwards: Vec<_> = (0..100).rev().map(draw).collect();
        backwards.reverse();
        assert_eq!(forwards, backwards);
        let on_threads: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..100).map(|index| scope.spawn(move || draw(index))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(forwards, on_threads);
    }

    #[test]
    fn a_shorter_fill_is_the_start_of_a_longer_one() {
        let stream = || Stream::new(1, Purpose::Samples, 0, 0);
        let (mut short, mut long) = ([0.0; 3], [0.0; 8]);
        stream().fill_normal(&mut short);
        stream().fill_normal(&mut long);
        assert_eq!(short, long[..3]);
    }

    #[test]
    fn normals_have_the_moments_of_a_normal() {
        // 1,000 streams of 201 numbers: an odd count, so that dropped values and the starts of streams are tested too.
        let count = 201_000;
        let mut values = vec![0.0; count];
        for (index, chunk) in values.chunks_mut(201).enumerate() {
            Stream::new(5, Purpose::ValidationNoise, 1, index as u64).fill_normal(chunk);
        }
        let moment = |power| values.iter().map(|&value| f64::from(value).powi(power)).sum::<f64>() / count as f64;
        // The tolerance is five standard errors; the variance of the k-th moment is (E[x^2k] - E[x^k]^2) / count.
        for (power, expected, variance) in [(1, 0.0, 1.0), (2, 1.0, 2.0), (3, 0.0, 15.0), (4, 3.0, 96.0)] {
            let error = 5.0 * (f64::sqrt(variance) / (count as f64).sqrt());
            assert!((moment(power) - expected).abs() < error, "moment {power} is {}", moment(power));
        }
        let lag = values.windows(2).map(|pair| f64::from(pair[0] * pair[1])).sum::<f64>() / count as f64;
        assert!(lag.abs() < 5.0 / (count as f64).sqrt(), "neighbours correlate: {lag}");
        // P(|x| > 2) is 0.0455.
        let tail = values.iter().filter(|value| value.abs() > 2.0).count() as f64 / count as f64;
        assert!((tail - 0.0455).abs() < 0.0025, "{tail}");
    }

    #[test]
    fn uniforms_fill_the_unit_interval() {
        let mut stream = Stream::new(5, Purpose::Weights, 0, 0);
        let values: Vec<f32> = (0..100_000).map(|_| stream.uniform()).collect();
        assert!(values.iter().all(|value| (0.0..1.0).contains(value)));
        let mean = values.iter().map(|&value| f64::from(value)).sum::<f64>() / 1e5;
        assert!((mean - 0.5).abs() < 5.0 * (1.0 / 12.0f64).sqrt() / 1e5f64.sqrt(), "{mean}");
        assert!(values.iter().any(|&value| value > 0.9999) && values.iter().any(|&value| value < 0.0001));
    }

    #[test]
    fn below_is_uniform_and_stays_below() {
        let mut stream = Stream::new(5, Purpose::Samples, 0, 0);
        let mut counts = [0.0; 7];
        for _ in 0..70_000 {
            counts[stream.below(7) as usize] += 1.0;
        }
        assert!(counts.iter().all(|count: &f64| (count - 10_000.0).abs() < 5.0 * 100.0), "{counts:?}");
        // With n = 3/4 of 2^64, half of the numbers would be multiples of 3 if no product were rejected.
        let multiples = (0..10_000).filter(|_| stream.below(3 << 62).is_multiple_of(3)).count() as f64;
        assert!((multiples - 3333.0).abs() < 5.0 * 47.2, "{multiples}");
        assert_eq!((stream.below(1), stream.below(0)), (0, 0));
    }

    #[test]
    fn a_permutation_is_one_and_differs_between_epochs() {
        let order = permutation(3, 1, 60_000);
        let mut sorted = order.clone();
        sorted.sort_unstable();
        assert!(sorted.into_iter().eq(0..60_000));
        assert_eq!(order, permutation(3, 1, 60_000));
        assert_ne!(order, permutation(3, 2, 60_000));
        assert_ne!(order, permutation(4, 1, 60_000));
        assert_eq!((permutation(3, 1, 0), permutation(3, 1, 1)), (vec![], vec![0]));
    }

    #[test]
    fn each_permutation_is_equally_likely() {
        let mut counts = std::collections::BTreeMap::new();
        for epoch in 0..24_000 {
            *counts.entry(permutation(3, epoch, 4)).or_insert(0.0) += 1.0;
        }
        assert_eq!(counts.len(), 24);
        assert!(counts.values().all(|count: &f64| (count - 1000.0).abs() < 5.0 * 31.0), "{counts:?}");
    }
}
