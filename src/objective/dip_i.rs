//! DIP-VAE I (Kumar et al. 2018, equation 6): the covariance of the posterior means is drawn to the identity.

use super::covariance::{DIP_TERMS, Dip};
use super::{Choose, Term};
use crate::settings::{Keys, Word};

/// Its settings.
pub type DipI = Dip<false>;

impl Choose for DipI {
    const WORD: Word = Word {
        name: "dip_i",
        doc: "Reconstruction, KL, and the distance of the covariance of the posterior means from the identity (DIP-VAE I, Kumar et al. 2018).",
        also: "dipvae_i dip_vae_i dipvae1 dip_1",
    };

    const TERMS: &'static [&'static Term] = &DIP_TERMS;

    const DEPENDS_ON_SIZES: bool = true;

    fn read(keys: &mut Keys<'_>) -> DipI {
        Dip::read_as(Self::WORD.name, keys, [10.0, 100.0])
    }
}
