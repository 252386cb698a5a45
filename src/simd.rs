//! Vector instructions, chosen at run time: AVX-512, AVX2 with FMA, NEON, or none.

use pulp::{Arch, Simd, WithSimd};
use std::sync::LazyLock;

/// The largest vector length; every vector length divides it. Kernels without code for a remainder require multiples of
/// it.
pub(crate) const WIDEST: usize = 16;

/// The best instructions of this CPU.
static BEST: LazyLock<Arch> = LazyLock::new(Arch::new);

/// Runs `work` with the best instructions of this CPU. Loops are vectorized if everything that they call is inlined.
#[inline]
pub(crate) fn dispatch<W: WithSimd>(work: W) -> W::Output {
    #[cfg(test)]
    if let Some(arch) = tests::CHOSEN.get() {
        return arch.dispatch(work);
    }
    BEST.dispatch(work)
}

/// Runs plain loops with the best vector instructions of this CPU; mark the closure `#[inline(always)]`.
#[inline]
pub(crate) fn vectorized<R>(work: impl FnOnce() -> R) -> R {
    dispatch(work)
}

/// The vector that begins at `values[at]`.
#[inline(always)]
pub(crate) fn load<S: Simd>(_: S, values: &[f32], at: usize) -> S::f32s {
    S::as_simd_f32s(&values[at..at + S::F32_LANES]).0[0]
}

/// Writes a vector to `values[at]` and the following elements.
#[inline(always)]
pub(crate) fn store<S: Simd>(_: S, values: &mut [f32], at: usize, vector: S::f32s) {
    S::as_mut_simd_f32s(&mut values[at..at + S::F32_LANES]).0[0] = vector;
}

/// max(0, value); NaN stays NaN.
#[inline(always)]
pub(crate) fn relu<S: Simd>(simd: S, value: S::f32s) -> S::f32s {
    let zero = simd.splat_f32s(0.0);
    simd.select_f32s(simd.less_than_f32s(value, zero), zero, value)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::cell::Cell;

    thread_local! {
        /// The instructions that the kernels of this thread use instead of the best.
        pub(crate) static CHOSEN: Cell<Option<Arch>> = const { Cell::new(None) };
    }

    /// Calls `work` once for each instruction set that the CPU has.
    pub(crate) fn on_every_arch(mut work: impl FnMut()) {
        let mut every = vec![Arch::Scalar];
        #[cfg(target_arch = "x86_64")]
        {
            every.extend(pulp::x86::V3::try_new().map(Arch::V3));
            every.extend(pulp::x86::V4::try_new().map(Arch::V4));
        }
        #[cfg(target_arch = "aarch64")]
        every.push(Arch::new());
        for arch in every {
            CHOSEN.set(Some(arch));
            work();
            CHOSEN.set(None);
        }
    }

    #[test]
    fn loads_and_stores_are_where_they_should_be() {
        struct Move<'a>(&'a [f32], &'a mut [f32]);
        impl WithSimd for Move<'_> {
            type Output = usize;
            #[inline(always)]
            fn with_simd<S: Simd>(self, simd: S) -> usize {
                store(simd, self.1, 3, relu(simd, load(simd, self.0, 1)));
                S::F32_LANES
            }
        }
        on_every_arch(|| {
            let from: Vec<f32> = (0..20).map(|value| if value == 1 { f32::NAN } else { value as f32 - 9.5 }).collect();
            let mut to = vec![7.0; 20];
            let lanes = dispatch(Move(&from, &mut to));
            assert!(to[3].is_nan());
            assert_eq!(to[..3], [7.0; 3]);
            for lane in 1..lanes {
                assert_eq!(to[3 + lane], from[1 + lane].max(0.0));
            }
            assert!(to[3 + lanes..].iter().all(|value| *value == 7.0));
        });
    }
}
