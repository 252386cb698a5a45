//! The axes of tensors as types: two axes of equal size are still different types.
//!
//! A tensor of shape `(Batch, Latent)` cannot be multiplied with a matrix of shape `(Hidden, Values)`, and a function
//! that expects `(Batch, Values)` accepts no other shape, whatever the sizes. The sizes come from the spec at run time.
//! Code that is generic over [`Dim`] also accepts [`Const`], whose size is known at compile time.

pub use dfdx::shapes::{Const, Dim};
use std::marker::PhantomData;

macro_rules! axes {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name(pub usize);

        impl Dim for $name {
            fn size(&self) -> usize {
                self.0
            }
            fn from_size(size: usize) -> Option<Self> {
                Some($name(size))
            }
        }
    )*};
}

axes! {
    /// Images that are computed together.
    Batch,
    /// Values of one image: height times width times channels.
    Values,
    /// Numbers that the decoder gives for one image; their meaning is that of the likelihood.
    Outputs,
    /// Rows of an image or of a feature map.
    Height,
    /// Columns of an image or of a feature map.
    Width,
    /// Values at each pixel of an image or of a feature map.
    Channels,
    /// Values between two layers: height times width times channels of a feature map, or the units of a dense layer.
    Features,
    /// Units of a dense hidden layer.
    Hidden,
    /// Axes of the code.
    Latent,
    /// Trained numbers of a likelihood, for example one variance for the model, or one for each value of an image.
    Own,
    /// Outputs of a discriminator.
    Logits,
    /// Terms of an objective that couple the images of a batch.
    Terms,
}

/// The side of a feature map after a convolution with stride 2: half of `D`, rounded up.
///
/// A transposed convolution turns `Half<D>` back into `D`: the decoder ends with the side that the encoder began with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Half<D> {
    size: usize,
    whole: PhantomData<D>,
}

impl<D: Dim> Half<D> {
    /// Half of that side.
    pub fn of(whole: D) -> Half<D> {
        Half { size: whole.size().div_ceil(2), whole: PhantomData }
    }
}

impl<D: Dim> Dim for Half<D> {
    fn size(&self) -> usize {
        self.size
    }
    fn from_size(size: usize) -> Option<Self> {
        Some(Half { size, whole: PhantomData })
    }
}

/// The stride of a convolution, and the side of its result.
pub trait Stride: 'static + Copy + Default + Send + Sync + std::fmt::Debug {
    /// The stride.
    const STRIDE: usize;
    /// The side of the result for an input with side `D`.
    type Side<D: Dim>: Dim;
    /// The side of the result for an input with this side.
    fn side<D: Dim>(side: D) -> Self::Side<D>;
}

/// Stride 1: sides do not change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Same;

impl Stride for Same {
    const STRIDE: usize = 1;
    type Side<D: Dim> = D;
    fn side<D: Dim>(side: D) -> D {
        side
    }
}

/// Stride 2: sides are halved, rounded up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Halving;

impl Stride for Halving {
    const STRIDE: usize = 2;
    type Side<D: Dim> = Half<D>;
    fn side<D: Dim>(side: D) -> Half<D> {
        Half::of(side)
    }
}
