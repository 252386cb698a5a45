//! Convolutions of a card: in single precision by kernels that read both factors where they lie; otherwise by the library, from the
//! numbers under all windows.

use super::driver::{Precision, Product};
use super::gradient::Gradient;
use super::layer::{activate, sum_columns};
use super::queue::{Card, Memory, Word};
use crate::tensor::backend::{Activation, DeviceError};
use crate::tensor::kernels::ConvShape;
use std::rc::Rc;

/// The most bytes for the numbers under the windows of some images.
pub const WINDOWS: usize = 256 << 20;

/// The blocks that share the gradient of a weight. It does not depend on the card, so that sums have the same order on all.
const BLOCKS: usize = 264;

/// The inner places of a slice in `kernels/convolution.cuh`.
const DEPTH: usize = 8;

/// What is done with the result of a convolution.
#[derive(Clone, Copy)]
pub(super) enum End<'a> {
    /// It becomes an array of outputs: with a bias and an activation. The values before it are kept where the gradient needs them.
    Outputs { bias: &'a Memory, activation: Activation, before: Option<&'a Memory> },
    /// It becomes a gradient, or is added to one.
    Gradient { adds: bool },
}

impl End<'_> {
    fn adds(self) -> bool {
        matches!(self, End::Gradient { adds: true })
    }
}

/// Kernels whose blocks compute tiles of a width.
struct Kernels {
    convolve: &'static str,
    spread: &'static str,
    gather: &'static str,
    rows: usize,
    width: usize,
}

/// The kernels for results with some columns.
fn kernels(columns: usize) -> Kernels {
    match columns {
        0..=4 => Kernels { convolve: "convolve_4", spread: "spread_4", gather: "gather_4", rows: 256, width: 4 },
        5..=32 => Kernels { convolve: "convolve_32", spread: "spread_32", gather: "gather_32", rows: 128, width: 32 },
        _ => Kernels { convolve: "convolve_64", spread: "spread_64", gather: "gather_64", rows: 128, width: 64 },
    }
}

/// The convolution of the larger side (images, height, width, channels): (images, small height, small width, small channels).
pub(super) fn convolve(
    card: &Card,
    shape: ConvShape,
    (large, weight): (&Memory, &Memory),
    y: &Memory,
    end: End<'_>,
) -> Result<(), DeviceError> {
    let (rows, columns) = (shape.batch * shape.small_pixels(), shape.outputs);
    if is_implicit(card, shape)? {
        let kernels = kernels(columns);
        let blocks = rows.div_ceil(kernels.rows) * columns.div_ceil(kernels.width);
        return start(card, (kernels.convolve, blocks), shape, (large, y, weight), end);
    }
    for images in groups(shape) {
        let under = windows(card, shape, large, images)?;
        let c = offset(y, images.first * shape.small_image());
        let (rows, inner) = (images.count * shape.small_pixels(), shape.window());
        let (a, b, adds) = ((under.address(), false), (weight.address(), false), end.adds());
        card.product(Product { rows, columns, inner, a, b, c, adds })?;
    }
    finish(card, y, [rows, columns], end)
}

/// The adjoint of the convolution: from the smaller side to the larger one.
pub(super) fn spread(
    card: &Card,
    shape: ConvShape,
    (small, weight): (&Memory, &Memory),
    y: &Memory,
    end: End<'_>,
) -> Result<(), DeviceError> {
    if is_implicit(card, shape)? {
        let (kernels, stride) = (kernels(shape.inputs), shape.window.stride);
        let rows = shape.batch * shape.height.div_ceil(stride) * shape.width.div_ceil(stride);
        let blocks = stride * stride * rows.div_ceil(kernels.rows) * shape.inputs.div_ceil(kernels.width);
        return start(card, (kernels.spread, blocks), shape, (small, y, weight), end);
    }
    for images in groups(shape) {
        let (rows, columns, inner) = (images.count * shape.small_pixels(), shape.window(), shape.outputs);
        let under = card.floats(rows * columns)?;
        let own = offset(small, images.first * shape.small_image());
        let (a, b, c) = ((own, false), (weight.address(), true), under.address());
        card.product(Product { rows, columns, inner, a, b, c, adds: false })?;
        fold(card, shape, &under, (y, end.adds()), images)?;
    }
    finish(card, y, [shape.batch * shape.height * shape.width, shape.inputs], end)
}

/// Adds the gradient of the weight, from both sides.
pub(super) fn gather(
    card: &Card,
    shape: ConvShape,
    (large, small): (&Memory, &Memory),
    into: &Gradient,
) -> Result<(), DeviceError> {
    let (rows, columns, inner) = (shape.window(), shape.outputs, shape.batch * shape.small_pixels());
    if is_implicit(card, shape)? {
        let kernels = kernels(columns);
        let tiles = rows.div_ceil(kernels.rows) * columns.div_ceil(kernels.width);
        let chunks = (BLOCKS / tiles).clamp(1, inner.div_ceil(8 * DEPTH).max(1));
        let size = inner.div_ceil(chunks).next_multiple_of(DEPTH).max(DEPTH);
        let chunks = inner.div_ceil(size).max(1);
        let parts = card.floats(chunks * rows * columns)?;
        let words = [
            &[Word::At(large), Word::At(&parts)][..],
            &sizes(shape, shape.batch),
            &[Word::At(small), Word::Count(0), Word::Count(size), Word::Count(columns)],
        ];
        card.blocks(kernels.gather, chunks * tiles, &words.concat())?;
        return sum_columns(card, &parts, [chunks, rows * columns], into);
    }
    let (dweight, mut adds) = into.take_or_new(card, rows * columns)?;
    for images in groups(shape) {
        let under = windows(card, shape, large, images)?;
        let own = offset(small, images.first * shape.small_image());
        let (a, b, c) = ((under.address(), true), (own, false), dweight.address());
        let inner = images.count * shape.small_pixels();
        card.product(Product { rows, columns, inner, a, b, c, adds })?;
        adds = true;
    }
    into.put(card, dweight);
    Ok(())
}

/// Whether kernels compute it; the library does with another precision.
fn is_implicit(card: &Card, shape: ConvShape) -> Result<bool, DeviceError> {
    card.count(shape.batch * shape.large_image().max(shape.small_image()))?;
    Ok(card.precision() == Precision::F32)
}

fn start(
    card: &Card,
    (name, blocks): (&'static str, usize),
    shape: ConvShape,
    (x, y, weight): (&Memory, &Memory, &Memory),
    end: End<'_>,
) -> Result<(), DeviceError> {
    let (bias, before, activation) = match end {
        End::Outputs { bias, activation, before } => (Some(bias), before, activation),
        End::Gradient { .. } => (None, None, Activation::Identity),
    };
    let at = |memory: Option<&Memory>| memory.map_or(0, Memory::address);
    let packed = shape.outputs as u64 | (activation as u64) << 32 | u64::from(end.adds()) << 40;
    let own = [weight.address(), at(bias), at(before), packed].map(Word::Address);
    card.blocks(name, blocks, &[&[Word::At(x), Word::At(y)][..], &sizes(shape, shape.batch), &own].concat())
}

/// The end of a convolution by products of the library.
fn finish(card: &Card, y: &Memory, sizes: [usize; 2], end: End<'_>) -> Result<(), DeviceError> {
    match end {
        End::Outputs { bias, activation, before } => activate(card, y, (bias, before), sizes, activation),
        End::Gradient { .. } => Ok(()),
    }
}

/// Some of the images of a convolution.
#[derive(Clone, Copy, Debug)]
struct Images {
    first: usize,
    count: usize,
}

/// The images of a convolution in groups whose windows fit in memory.
fn groups(shape: ConvShape) -> impl Iterator<Item = Images> {
    let bytes = shape.small_pixels() * shape.window() * size_of::<f32>();
    let size = (WINDOWS / bytes.max(1)).max(1);
    (0..shape.batch).step_by(size).map(move |first| Images { first, count: size.min(shape.batch - first) })
}

/// The words that say the sizes of a convolution.
fn sizes(shape: ConvShape, images: usize) -> [Word<'static>; 10] {
    let ([height, width], [small_height, small_width]) = (shape.large_sides(), shape.small_sides());
    let window = shape.window;
    [
        images,
        height,
        width,
        shape.inputs,
        small_height,
        small_width,
        window.kernel,
        window.stride,
        shape.pad_top(),
        shape.pad_left(),
    ]
    .map(Word::Count)
}

/// An address within floats.
fn offset(memory: &Memory, floats: usize) -> u64 {
    memory.address() + (floats * size_of::<f32>()) as u64
}

/// The numbers under each window of some images of the larger side: (images, small height, small width, kernel, kernel, channels).
fn windows(card: &Card, shape: ConvShape, large: &Memory, images: Images) -> Result<Rc<Memory>, DeviceError> {
    let count = images.count * shape.small_pixels() * shape.window();
    let columns = card.floats(count)?;
    let large = offset(large, images.first * shape.large_image());
    let words = [Word::Address(large), Word::At(&columns)];
    card.each("windows", count, &[&words[..], &sizes(shape, images.count)].concat())?;
    Ok(columns)
}

/// The adjoint of [`windows`].
fn fold(
    card: &Card,
    shape: ConvShape,
    columns: &Memory,
    (large, adds): (&Memory, bool),
    images: Images,
) -> Result<(), DeviceError> {
    let large = offset(large, images.first * shape.large_image());
    let words = [Word::At(columns), Word::Address(large)];
    let words = [&words[..], &sizes(shape, images.count), &[Word::Count(usize::from(adds))]].concat();
    card.each("fold", images.count * shape.large_image(), &words)
}
