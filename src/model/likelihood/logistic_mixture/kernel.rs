//! The kernels of mixtures: pixels side by side, in blocks, and for each block the components one after the other.

use super::super::location_scale::{self, LANES, Lanes, LocationScale, nats_of, terms_of};
use super::super::logistic::Bins;
use super::{Grid, Layout};
use crate::tensor::backend::RowInputs;
use crate::tensor::kernels::{exp, ln, tanh, vectorized, with_scratch};

/// Arrays of a block below each other.
#[derive(Clone, Copy)]
struct Tile<'a>(&'a [Lanes]);

/// The outputs of some pixels, turned: one array for each output of a pixel. Lanes beyond the last pixel are 0.
#[inline(always)]
fn turn(outputs: &[f32], into: &mut [Lanes]) {
    let each = into.len();
    if outputs.len() < LANES * each {
        into.fill([0.0; LANES]);
    }
    for (lane, outputs) in outputs.chunks_exact(each).take(LANES).enumerate() {
        for (into, output) in into.iter_mut().zip(outputs) {
            into[lane] = *output;
        }
    }
}

/// The values of each channel of some pixels, turned.
#[inline(always)]
fn turn_values<const C: usize>(values: &[f32]) -> [Lanes; C] {
    let mut turned = [[0.0; LANES]; C];
    for (lane, pixel) in values.chunks_exact(C).take(LANES).enumerate() {
        for (into, value) in turned.iter_mut().zip(pixel) {
            into[lane] = *value;
        }
    }
    turned
}

#[inline(always)]
fn each(function: impl Fn(usize) -> f32) -> Lanes {
    let mut lanes = [0.0; LANES];
    for (lane, value) in lanes.iter_mut().enumerate() {
        *value = function(lane);
    }
    lanes
}

/// The logarithm of the sum of the exponentials of some arrays.
#[inline(always)]
fn log_sum_exp(arrays: &[Lanes]) -> Lanes {
    let mut most = arrays[0];
    for array in arrays {
        most = each(
            #[inline(always)]
            |lane| if array[lane] > most[lane] { array[lane] } else { most[lane] },
        );
    }
    let mut sum = [0.0; LANES];
    for array in arrays {
        for lane in 0..LANES {
            sum[lane] += exp(array[lane] - most[lane]);
        }
    }
    each(
        #[inline(always)]
        |lane| most[lane] + ln(sum[lane]),
    )
}

impl Tile<'_> {
    /// The locations of a channel in a component, for these places of the earlier channels.
    #[inline(always)]
    fn location<const C: usize>(self, layout: Layout, channel: usize, component: usize, places: &[Lanes; C]) -> Lanes {
        let mut location = self.0[layout.location(channel) + component];
        for (earlier, place) in places.iter().enumerate().take(channel) {
            let coefficient = &self.0[layout.coefficient(channel, earlier) + component];
            for lane in 0..LANES {
                location[lane] += tanh(coefficient[lane]) * place[lane];
            }
        }
        location
    }
}

/// The places in [-1, 1] of values.
#[inline(always)]
fn places_of<const C: usize>(bins: Bins, x: &[Lanes; C]) -> [Lanes; C] {
    let mut places = [[0.0; LANES]; C];
    for (places, x) in places.iter_mut().zip(x) {
        for lane in 0..LANES {
            places[lane] = bins.place_of(x[lane]);
        }
    }
    places
}

/// For each component, the logarithm of its weight times the probability of the values, up to the constant of the weights.
#[inline(always)]
fn joint<const C: usize>(layout: Layout, bins: Bins, tile: Tile<'_>, x: &[Lanes; C], into: &mut [Lanes]) {
    let places = places_of(bins, x);
    for (component, joint) in into.iter_mut().enumerate() {
        *joint = tile.0[component];
        for (channel, x) in x.iter().enumerate() {
            let location = tile.location(layout, channel, component, &places);
            let nats = nats_of(bins, *x, location, terms_of(bins, tile.0[layout.log_scale(channel) + component]));
            for lane in 0..LANES {
                joint[lane] -= nats[lane];
            }
        }
    }
}

/// The blocks of a row: its outputs and its values, of [`LANES`] pixels or fewer.
#[inline(always)]
fn blocks<'a, const C: usize>(
    layout: Layout,
    outputs: &'a [f32],
    x: &'a [f32],
) -> impl Iterator<Item = (&'a [f32], &'a [f32])> {
    outputs.chunks(LANES * layout.outputs()).zip(x.chunks(LANES * C))
}

/// Calls `work` with `length` arrays of scratch space.
fn with_lanes<T>(length: usize, work: impl FnOnce(&mut [Lanes]) -> T) -> T {
    with_scratch(length * LANES, |scratch| work(scratch.as_chunks_mut().0))
}

/// The nats of each row.
pub(super) fn forward<const C: usize>(layout: Layout, bins: Bins, inputs: RowInputs<'_>, results: &mut [f32]) {
    let components = layout.components;
    with_lanes(layout.outputs() + components, |scratch| {
        let (tile, joints) = scratch.split_at_mut(layout.outputs());
        for ((outputs, x), result) in inputs.each().zip(results) {
            vectorized(
                #[inline(always)]
                || {
                    let mut sums = [0.0; LANES];
                    for (outputs, x) in blocks::<C>(layout, outputs, x) {
                        turn(outputs, tile);
                        let (pixels, x) = (x.len() / C, turn_values::<C>(x));
                        joint(layout, bins, Tile(tile), &x, joints);
                        let (all, joint) = (log_sum_exp(&tile[..components]), log_sum_exp(joints));
                        for lane in 0..pixels.min(LANES) {
                            sums[lane] += f64::from(all[lane] - joint[lane]);
                        }
                    }
                    *result = sums.iter().sum::<f64>() as f32;
                },
            );
        }
    });
}

/// Adds the gradient of the nats of each row.
pub(super) fn backward<const C: usize>(
    layout: Layout,
    bins: Bins,
    inputs: RowInputs<'_>,
    dresults: &[f32],
    gradient: &mut [f32],
) {
    let (components, length) = (layout.components, layout.outputs());
    let of_row = gradient.len() / inputs.rows.max(1);
    with_lanes(2 * length + components, |scratch| {
        let (tile, rest) = scratch.split_at_mut(length);
        let (joints, slopes) = rest.split_at_mut(components);
        let rows = inputs.each().zip(gradient.chunks_exact_mut(of_row.max(1))).zip(dresults);
        for (((outputs, x), doutputs), &dnats) in rows {
            vectorized(
                #[inline(always)]
                || {
                    let into = doutputs.chunks_mut(LANES * length);
                    for ((outputs, x), into) in blocks::<C>(layout, outputs, x).zip(into) {
                        turn(outputs, tile);
                        let x = turn_values::<C>(x);
                        slopes_of(layout, bins, Tile(tile), &x, joints, slopes);
                        for (lane, into) in into.chunks_exact_mut(length).enumerate() {
                            for (into, slopes) in into.iter_mut().zip(&*slopes) {
                                *into += dnats * slopes[lane];
                            }
                        }
                    }
                },
            );
        }
    });
}

/// The derivatives of the nats by the outputs.
#[inline(always)]
fn slopes_of<const C: usize>(
    layout: Layout,
    bins: Bins,
    tile: Tile<'_>,
    x: &[Lanes; C],
    joints: &mut [Lanes],
    slopes: &mut [Lanes],
) {
    let places = places_of(bins, x);
    // First the derivatives of the nats of each component.
    for (component, joint) in joints.iter_mut().enumerate() {
        *joint = tile.0[component];
        for (channel, x) in x.iter().enumerate() {
            let location = tile.location(layout, channel, component, &places);
            let log_scale = tile.0[layout.log_scale(channel) + component];
            let terms = terms_of(bins, log_scale);
            let nats = nats_of(bins, *x, location, terms);
            let [by_location, mut by_scale] = location_scale::slopes_of(bins, *x, location, terms);
            for lane in 0..LANES {
                joint[lane] -= nats[lane];
                by_scale[lane] = if log_scale[lane] < bins.floor() { 0.0 } else { by_scale[lane] };
            }
            slopes[layout.location(channel) + component] = by_location;
            slopes[layout.log_scale(channel) + component] = by_scale;
        }
    }
    let (all, joint) = (log_sum_exp(&tile.0[..layout.components]), log_sum_exp(joints));
    // Then their share of the derivative: the probability of the component, given the values.
    for (component, of_component) in joints.iter().enumerate() {
        let share = each(
            #[inline(always)]
            |lane| exp(of_component[lane] - joint[lane]),
        );
        let logit = tile.0[component];
        slopes[component] = each(
            #[inline(always)]
            |lane| exp(logit[lane] - all[lane]) - share[lane],
        );
        for channel in 0..C {
            let [of_location, of_scale] = [layout.location(channel), layout.log_scale(channel)].map(|at| at + component);
            let [by_location, by_scale] = [slopes[of_location], slopes[of_scale]].map(
                #[inline(always)]
                |slope| {
                    each(
                        #[inline(always)]
                        |lane| slope[lane] * share[lane],
                    )
                },
            );
            (slopes[of_location], slopes[of_scale]) = (by_location, by_scale);
            for (earlier, place) in places.iter().enumerate().take(channel) {
                let coefficient = layout.coefficient(channel, earlier) + component;
                let before = tile.0[coefficient];
                slopes[coefficient] = each(
                    #[inline(always)]
                    |lane| {
                        let bounded = tanh(before[lane]);
                        by_location[lane] * place[lane] * (1.0 - bounded * bounded)
                    },
                );
            }
        }
    }
}

/// The expected values of images, from outputs of the decoder.
pub(super) fn means<const C: usize>(layout: Layout, bins: Bins, grid: Grid, outputs: &[f32]) -> Vec<f32> {
    let length = layout.outputs();
    let mut values = vec![0.0; outputs.len() / length * C];
    with_lanes(length, |tile| {
        vectorized(
            #[inline(always)]
            || {
                for (outputs, values) in outputs.chunks(LANES * length).zip(values.chunks_mut(LANES * C)) {
                    turn(outputs, tile);
                    let tile = Tile(tile);
                    let all = log_sum_exp(&tile.0[..layout.components]);
                    let mut shares = [[0.0; LANES]; C];
                    for component in 0..layout.components {
                        let mut places = [[0.0; LANES]; C];
                        for channel in 0..C {
                            let location = tile.location(layout, channel, component, &places);
                            let log_scale = &tile.0[layout.log_scale(channel) + component];
                            for lane in 0..LANES {
                                let share = bins.mean_share(location[lane], log_scale[lane]);
                                let weight = exp(tile.0[component][lane] - all[lane]);
                                shares[channel][lane] += weight * share;
                                places[channel][lane] = 2.0 * share - 1.0;
                            }
                        }
                    }
                    for (lane, pixel) in values.chunks_exact_mut(C).enumerate() {
                        for (value, share) in pixel.iter_mut().zip(&shares) {
                            *value = grid.at_share(share[lane]);
                        }
                    }
                }
            },
        );
    });
    values
}
