//! Standard normals from pairs of 32-bit numbers, in double precision and without the functions of the C library: the same bits
//! on every processor.

use crate::simd::vectorized;
use std::f64::consts::TAU;

/// Pairs that are computed together.
pub(super) const NORMAL_PAIRS: usize = 16;

/// Box-Muller: two normals for each pair of words, at most [`NORMAL_PAIRS`]; the last is dropped if `values` is odd.
pub(super) fn fill_with_normals(words: &[[u32; 2]], values: &mut [f32]) {
    // Separate arrays, so that the loops are vectorized.
    let (mut radii, mut angles) = ([0; NORMAL_PAIRS], [0; NORMAL_PAIRS]);
    for (([radius, angle], radius_of), angle_of) in words.iter().zip(&mut radii).zip(&mut angles) {
        (*radius_of, *angle_of) = (*radius, *angle);
    }
    let (mut cosines, mut sines) = ([0.0; NORMAL_PAIRS], [0.0; NORMAL_PAIRS]);
    vectorized(
        #[inline(always)]
        || {
            for pair in 0..NORMAL_PAIRS {
                let radius = (-2.0 * ln_of_unit(radii[pair])).sqrt();
                let [cosine, sine] = cos_sin_of_turn(angles[pair]);
                cosines[pair] = (radius * cosine) as f32;
                sines[pair] = (radius * sine) as f32;
            }
        },
    );
    for (pair, (cosine, sine)) in values.chunks_mut(2).zip(cosines.into_iter().zip(sines)) {
        pair.iter_mut().zip([cosine, sine]).for_each(|(value, normal)| *value = normal);
    }
}

/// ln((word + 1/2) / 2^32): half a step is added, because the logarithm of zero is infinite. The relative error is a few times 1e-16.
///
/// The argument is 2^power times a factor from sqrt(1/2) to sqrt(2), whose logarithm is 2 artanh(s) = 2 (s + s^3/3 + ...) with
/// |s| up to 0.172; the first omitted term is below 2e-18 of the sum.
#[inline(always)]
fn ln_of_unit(word: u32) -> f64 {
    /// The bits of sqrt(1/2): the difference of the exponents is the power.
    const ROOT: u64 = 0x3fe6_a09e_667f_3bcd;
    /// ln 2 in two parts, of which the first has 20 zero bits at its end: products with powers are exact.
    const LN_2: [f64; 2] = [6.931_471_803_691_238e-1, 1.908_214_929_270_587_7e-10];
    let offset = (f64::from(word) + 0.5).to_bits().wrapping_sub(ROOT);
    // One more, because the power of 1/2 is -1 and a shift of unsigned numbers is the faster one.
    let power = f64::from((offset.wrapping_add(1 << 52) >> 52) as i32 - 33);
    let factor = f64::from_bits((offset & ((1 << 52) - 1)).wrapping_add(ROOT));
    let s = (factor - 1.0) / (factor + 1.0);
    let square = s * s;
    let mut tail = 1.0 / 23.0;
    for odd in [21.0, 19.0, 17.0, 15.0, 13.0, 11.0, 9.0, 7.0, 5.0, 3.0] {
        tail = tail * square + 1.0 / odd;
    }
    power * LN_2[0] + (power * LN_2[1] + 2.0 * (s + s * square * tail))
}

/// Cosine and sine of word / 2^32 turns, with errors of about 1e-16: Taylor series about the nearest quarter turn.
#[inline(always)]
fn cos_sin_of_turn(word: u32) -> [f64; 2] {
    const QUARTER: u32 = 1 << 30;
    let quarters = word.wrapping_add(QUARTER / 2) / QUARTER;
    // From -1/8 to 1/8 of a turn.
    let rest = word.wrapping_sub(quarters.wrapping_mul(QUARTER)) as i32;
    let x = f64::from(rest) * (TAU / 4_294_967_296.0);
    let square = x * x;
    let series = |factorials: [f64; 8]| factorials.iter().fold(0.0, |sum, factorial| sum * square + 1.0 / factorial);
    let sine = x + x * square * series(ODD);
    let cosine = 1.0 + square * series(EVEN);
    let (along, across) = if quarters.is_multiple_of(2) { (cosine, sine) } else { (sine, cosine) };
    let signed = |value: f64, is_negative: bool| if is_negative { -value } else { value };
    [signed(along, quarters.wrapping_add(1) & 2 != 0), signed(across, quarters & 2 != 0)]
}

/// 17!, 15!, ..., 3!, with the signs of the series.
const ODD: [f64; 8] =
    [355_687_428_096_000.0, -1_307_674_368_000.0, 6_227_020_800.0, -39_916_800.0, 362_880.0, -5040.0, 120.0, -6.0];
/// 16!, 14!, ..., 2!, with the signs of the series.
const EVEN: [f64; 8] =
    [20_922_789_888_000.0, -87_178_291_200.0, 479_001_600.0, -3_628_800.0, 40_320.0, -720.0, 24.0, -2.0];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, Stream};
    use crate::simd::tests::on_every_arch;

    /// Words at the ends of the range, around quarters of it, and random ones.
    fn words() -> impl Iterator<Item = u32> {
        let corners =
            (0..=8u32).flat_map(|eighth| (0..5).map(move |step| (eighth << 29).wrapping_add(step).wrapping_sub(2)));
        let mut stream = Stream::new(3, Purpose::Samples, 0, 0);
        corners.chain((0..1_000_000).map(move |_| stream.next_u32()))
    }

    #[test]
    fn logarithms_are_those_of_double_precision() {
        for word in words() {
            // Near 1 the argument is no f64, but its difference from 1 is.
            let exact = if word >> 31 == 1 {
                (-(f64::from(!word) + 0.5) / 4_294_967_296.0).ln_1p()
            } else {
                ((f64::from(word) + 0.5) / 4_294_967_296.0).ln()
            };
            let error = (ln_of_unit(word) - exact).abs() / exact.abs();
            assert!(error < 5e-16, "{word}: {} against {exact}", ln_of_unit(word));
        }
    }

    #[test]
    fn cosines_and_sines_are_those_of_double_precision() {
        for word in words() {
            let (sine, cosine) = (TAU * (f64::from(word) / 4_294_967_296.0)).sin_cos();
            let [own_cosine, own_sine] = cos_sin_of_turn(word);
            // The angle of the expected numbers is itself rounded, to 4e-16 of a radian.
            let error = (own_cosine - cosine).abs().max((own_sine - sine).abs());
            assert!(error < 1.2e-15, "{word}: {own_cosine} {own_sine} against {cosine} {sine}");
        }
        assert_eq!(
            [0, 1 << 30, 2 << 30, 3 << 30].map(cos_sin_of_turn),
            [[1.0, 0.0], [-0.0, 1.0], [-1.0, -0.0], [0.0, -1.0]]
        );
    }

    #[test]
    fn every_processor_gives_the_same_bits() {
        let mut first = None;
        on_every_arch(|| {
            let mut values = vec![0.0; 100_003];
            Stream::new(1, Purpose::Samples, 0, 0).fill_normal(&mut values);
            let bits: Vec<u32> = values.iter().map(|value| value.to_bits()).collect();
            assert_eq!(*first.get_or_insert_with(|| bits.clone()), bits);
        });
    }
}
