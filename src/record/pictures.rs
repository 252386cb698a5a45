//! The pictures of a trial.

/// A picture of a trial: tiles in rows and columns.
#[derive(Clone, Copy, Debug)]
pub struct Picture {
    /// The name of its file and its tag in TensorBoard.
    pub name: &'static str,
    /// What it shows.
    pub doc: &'static str,
    /// Whether a smaller copy has evenly spread tiles, not the first ones.
    pub spread: bool,
    /// The number of consecutive rows that belong together.
    pub rows_per_tile: usize,
}

/// Reconstructions, 2 rows per row of images.
pub const RECONSTRUCTIONS: Picture = Picture {
    name: "reconstructions",
    doc: "Validation images, each above its reconstruction.",
    spread: false,
    rows_per_tile: 2,
};
/// Samples of the prior.
pub const SAMPLES: Picture = Picture {
    name: "samples",
    doc: "Images decoded from codes sampled from the prior; trials with the same seed have the same codes.",
    spread: false,
    rows_per_tile: 1,
};
/// A grid of codes, for two latent axes.
pub const MANIFOLD: Picture = Picture {
    name: "manifold",
    doc: "Images decoded from a grid over the prior; the first latent axis increases to the right, the second one upwards.",
    spread: true,
    rows_per_tile: 1,
};

/// The images that a VampPrior has learned.
pub const PSEUDO_INPUTS: Picture = Picture {
    name: "pseudo_inputs",
    doc: "The first learned images of a VampPrior, whose posteriors are the components of the prior.",
    spread: false,
    rows_per_tile: 1,
};

/// All pictures, in the order in which they are shown.
pub const PICTURES: [Picture; 4] = [RECONSTRUCTIONS, SAMPLES, MANIFOLD, PSEUDO_INPUTS];
