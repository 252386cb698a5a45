//! Likelihoods whose values have independent distributions with a location, which the decoder gives, and a scale, which the
//! decoder gives too or which is the same for all images.
//!
//! With the scale from the decoder, value v of an image has the outputs 2 v (the location) and 2 v + 1 (the logarithm of the
//! scale). Otherwise output v is the location, and the own numbers are the logarithms of the scales: one for all values, one for
//! each channel, or one for each value. The logarithm has a floor; below it, its gradient is 0.

use super::OwnParameter;
use crate::data::ImageShape;
use crate::onnx::{ExportError, Graph};
use crate::tensor::backend::{RowGradients, RowInputs};
use crate::tensor::kernels::{vectorized, with_scratch};
use dfdx::shapes::{Axes2, HasShape};
use dfdx::tensor::{Tape, Tensor, WithEmptyTape};
use dfdx::tensor_ops::{BroadcastTo, Device, ReshapeTo};

/// Values that are computed side by side.
pub(super) const LANES: usize = 16;

/// One number for each of some values.
pub(super) type Lanes = [f32; LANES];

/// The distribution of a value, given its location and the logarithm of its scale. Its methods are inlined into loops that the
/// compiler vectorizes.
pub(super) trait LocationScale: Copy {
    /// The least logarithm of the scale.
    fn floor(self) -> f32;

    /// What depends on the logarithm of the scale alone.
    fn terms(self, log_scale: f32) -> [f32; 3];

    /// -log p(x).
    fn nats(self, x: f32, location: f32, terms: [f32; 3]) -> f32;

    /// The derivatives of -log p(x) by the location and by the logarithm of the scale.
    fn slopes(self, x: f32, location: f32, terms: [f32; 3]) -> [f32; 2];
}

/// The greater one of a number and a floor; NaN stays NaN.
#[inline(always)]
pub(super) fn floored(value: f32, floor: f32) -> f32 {
    if value < floor { floor } else { value }
}

/// The numbers at some places of a slice, padded with 0.
#[inline(always)]
pub(super) fn load(values: &[f32], at: usize) -> Lanes {
    let rest = &values[at..];
    match rest.first_chunk::<LANES>() {
        Some(all) => *all,
        None => {
            let mut lanes = [0.0; LANES];
            lanes.iter_mut().zip(rest).for_each(|(lane, value)| *lane = *value);
            lanes
        }
    }
}

/// As [`load`], of pairs: the first numbers and the second numbers.
#[inline(always)]
fn load_pairs(pairs: &[f32], at: usize) -> [Lanes; 2] {
    let rest = &pairs[2 * at..];
    let (mut first, mut second) = ([0.0; LANES], [0.0; LANES]);
    match rest.first_chunk::<{ 2 * LANES }>() {
        Some(all) => {
            for lane in 0..LANES {
                (first[lane], second[lane]) = (all[2 * lane], all[2 * lane + 1]);
            }
        }
        None => {
            for ((first, second), pair) in first.iter_mut().zip(&mut second).zip(rest.chunks_exact(2)) {
                (*first, *second) = (pair[0], pair[1]);
            }
        }
    }
    [first, second]
}

/// The terms of some values: those of the logarithms of their scales.
#[inline(always)]
pub(super) fn terms_of<L: LocationScale>(of: L, log_scales: Lanes) -> [Lanes; 3] {
    let mut terms = [[0.0; LANES]; 3];
    for lane in 0..LANES {
        let [a, b, c] = of.terms(floored(log_scales[lane], of.floor()));
        (terms[0][lane], terms[1][lane], terms[2][lane]) = (a, b, c);
    }
    terms
}

/// Calls `work` with the terms of each value of an image, from own numbers: three arrays below each other.
fn with_terms<L: LocationScale, T>(of: L, values: usize, own: &[f32], work: impl FnOnce([&[f32]; 3]) -> T) -> T {
    with_scratch(3 * values, |all| {
        let (first, rest) = all.split_at_mut(values);
        let (second, third) = rest.split_at_mut(values);
        let length = own.len().min(values);
        vectorized(
            #[inline(always)]
            || {
                for at in (0..length).step_by(LANES) {
                    let [a, b, c] = terms_of(of, load(own, at));
                    let end = length.min(at + LANES);
                    first[at..end].copy_from_slice(&a[..end - at]);
                    second[at..end].copy_from_slice(&b[..end - at]);
                    third[at..end].copy_from_slice(&c[..end - at]);
                }
            },
        );
        for array in [&mut *first, &mut *second, &mut *third] {
            // Without own numbers there are no values.
            let mut filled = length.max(1);
            while filled < values {
                let more = filled.min(values - filled);
                array.copy_within(..more, filled);
                filled += more;
            }
        }
        work([first, second, third])
    })
}

/// The sum over the values of a row; `nats` gives those of [`LANES`] values from a place on.
#[inline(always)]
fn sum(values: usize, nats: impl Fn(usize) -> Lanes) -> f32 {
    let mut sums = [0.0; LANES];
    for at in (0..values).step_by(LANES) {
        let nats = nats(at);
        if values - at >= LANES {
            for lane in 0..LANES {
                sums[lane] += f64::from(nats[lane]);
            }
        } else {
            sums.iter_mut().zip(&nats[..values - at]).for_each(|(sum, nats)| *sum += f64::from(*nats));
        }
    }
    sums.iter().sum::<f64>() as f32
}

/// The nats of some values.
#[inline(always)]
pub(super) fn nats_of<L: LocationScale>(of: L, x: Lanes, location: Lanes, terms: [Lanes; 3]) -> Lanes {
    let mut nats = [0.0; LANES];
    for lane in 0..LANES {
        nats[lane] = of.nats(x[lane], location[lane], [terms[0][lane], terms[1][lane], terms[2][lane]]);
    }
    nats
}

/// The derivatives of the nats of some values by their locations, and by the logarithms of their scales.
#[inline(always)]
pub(super) fn slopes_of<L: LocationScale>(of: L, x: Lanes, location: Lanes, terms: [Lanes; 3]) -> [Lanes; 2] {
    let mut slopes = [[0.0; LANES]; 2];
    for lane in 0..LANES {
        let [a, b] = of.slopes(x[lane], location[lane], [terms[0][lane], terms[1][lane], terms[2][lane]]);
        (slopes[0][lane], slopes[1][lane]) = (a, b);
    }
    slopes
}

/// The nats of each row.
pub(super) fn forward<L: LocationScale>(of: L, is_of_decoder: bool, inputs: RowInputs<'_>, results: &mut [f32]) {
    let values = inputs.values();
    if is_of_decoder {
        for ((outputs, x), result) in inputs.each().zip(results) {
            vectorized(
                #[inline(always)]
                || {
                    *result = sum(
                        values,
                        #[inline(always)]
                        |at| {
                            let [location, log_scale] = load_pairs(outputs, at);
                            nats_of(of, load(x, at), location, terms_of(of, log_scale))
                        },
                    );
                },
            );
        }
        return;
    }
    with_terms(of, values, inputs.own, |terms| {
        for ((locations, x), result) in inputs.each().zip(results) {
            vectorized(
                #[inline(always)]
                || {
                    *result = sum(
                        values,
                        #[inline(always)]
                        |at| nats_of(of, load(x, at), load(locations, at), terms.map(|terms| load(terms, at))),
                    );
                },
            );
        }
    });
}

/// Adds the gradients of the nats of each row.
pub(super) fn backward<L: LocationScale>(
    of: L,
    is_of_decoder: bool,
    inputs: RowInputs<'_>,
    dresults: &[f32],
    gradients: RowGradients<'_>,
) {
    let values = inputs.values();
    let length = if is_of_decoder { 2 * values } else { values };
    let rows = inputs.each().zip(gradients.outputs.chunks_exact_mut(length.max(1))).zip(dresults);
    if is_of_decoder {
        for (((outputs, x), doutputs), &dnats) in rows {
            vectorized(
                #[inline(always)]
                || {
                    for at in (0..values).step_by(LANES) {
                        let [location, log_scale] = load_pairs(outputs, at);
                        let [by_location, by_scale] = slopes_of(of, load(x, at), location, terms_of(of, log_scale));
                        let into = doutputs[2 * at..].chunks_exact_mut(2).take(LANES);
                        for (lane, into) in into.enumerate() {
                            into[0] += dnats * by_location[lane];
                            into[1] += if log_scale[lane] < of.floor() { 0.0 } else { dnats * by_scale[lane] };
                        }
                    }
                },
            );
        }
        return;
    }
    with_terms(of, values, inputs.own, |terms| {
        with_scratch(values, |by_value| {
            by_value.fill(0.0);
            for (((locations, x), dlocations), &dnats) in rows {
                vectorized(
                    #[inline(always)]
                    || {
                        for at in (0..values).step_by(LANES) {
                            let terms = terms.map(|terms| load(terms, at));
                            let [by_location, by_scale] = slopes_of(of, load(x, at), load(locations, at), terms);
                            let into = dlocations[at..].iter_mut().zip(&mut by_value[at..]).take(LANES);
                            for (lane, (dlocation, dlog_scale)) in into.enumerate() {
                                *dlocation += dnats * by_location[lane];
                                *dlog_scale += dnats * by_scale[lane];
                            }
                        }
                    },
                );
            }
            let Some(down) = gradients.own else { return };
            let length = down.len().max(1);
            for (place, (down, &own)) in down.iter_mut().zip(inputs.own).enumerate() {
                let of_place = by_value.iter().skip(place).step_by(length).map(|one| f64::from(*one));
                *down += if own < of.floor() { 0.0 } else { of_place.sum::<f64>() as f32 };
            }
        });
    });
}

/// Some numbers of each of some rows.
pub(super) type Rows<D, T> = Tensor<(usize, usize), f32, D, T>;

/// The locations and the logarithms of the scales, each (Rows, Values), with dfdx's operations.
pub(super) fn portable<D: Device<f32>, T: Tape<f32, D>>(
    outputs: Rows<D, T>,
    own: Option<Tensor<(usize,), f32, D, T>>,
    floor: f32,
) -> Result<[Rows<D, T>; 2], D::Err> {
    let (rows, length) = *outputs.shape();
    if let Some(own) = own {
        let (count,) = *own.shape();
        let shape = (rows, length / count.max(1), count);
        let log_scale = own.try_broadcast_like::<_, Axes2<0, 1>>(&shape)?.try_reshape_like(&(rows, length))?;
        return Ok([outputs, log_scale.try_clamp(floor, f32::MAX)?]);
    }
    let values = length / 2;
    let pairs = outputs.try_reshape_like(&(rows, values, 2))?;
    let location = pairs.with_empty_tape().try_slice((.., .., 0..1))?.try_reshape_like(&(rows, values))?;
    let log_scale = pairs.try_slice((.., .., 1..2))?.try_reshape_like(&(rows, values))?;
    Ok([location, log_scale.try_clamp(floor, f32::MAX)?])
}

/// The location and the logarithm of the scale of each value.
pub(super) fn each_value<'a>(
    outputs: &'a [f32],
    own: &'a [f32],
    is_of_decoder: bool,
    floor: f32,
) -> impl Iterator<Item = [f32; 2]> + 'a {
    let step = if is_of_decoder { 2 } else { 1 };
    outputs.chunks_exact(step).enumerate().map(move |(place, outputs)| {
        // With one number for all values or for each channel, the numbers repeat; an image has as many values as numbers or more.
        let log_scale = if is_of_decoder { outputs[1] } else { own[place % own.len().max(1)] };
        [outputs[0], floored(log_scale, floor)]
    })
}

/// Every second number: the locations, if the decoder gives the scales too.
pub(super) fn locations(outputs: Vec<f32>, is_of_decoder: bool) -> Vec<f32> {
    if is_of_decoder { outputs.into_iter().step_by(2).collect() } else { outputs }
}

/// Adds the locations and the logarithms of the scales as outputs of an ONNX graph with these names.
pub(super) fn onnx(
    graph: &mut Graph<'_>,
    image: ImageShape,
    own: Option<OwnParameter>,
    [location, log_scale]: [&'static str; 2],
    floor: f32,
) -> Result<(), ExportError> {
    let values = image.values();
    let Some(own) = own else {
        graph.as_rows();
        let pairs = graph.last();
        graph.slice(&pairs, 1, 0..i64::MAX, 2);
        graph.output(location, values);
        graph.slice(&pairs, 1, 1..i64::MAX, 2);
        let least = graph.constant("log_scale.floor", &[], &[floor]);
        graph.then("Max", vec![least], &[]);
        graph.output(log_scale, values);
        return Ok(());
    };
    graph.output(location, values);
    let name = format!("likelihood.{}", own.name);
    let numbers = if own.is_trained { graph.weight(&name, &[own.length])? } else { vec![own.initial; own.length] };
    let numbers: Vec<f32> = numbers.into_iter().map(|one| floored(one, floor)).collect();
    graph.constant_output(log_scale, &name, &numbers);
    Ok(())
}
