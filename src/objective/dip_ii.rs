//! DIP-VAE II (Kumar et al. 2018, equation 7): the covariance of the codes is drawn to the identity.

use super::covariance::{DIP_TERMS, Dip};
use super::{Choose, Term};
use crate::settings::{Keys, Word};

/// Its settings.
pub type DipIi = Dip<true>;

impl Choose for DipIi {
    const WORD: Word = Word {
        name: "dip_ii",
        doc: "Reconstruction, KL, and the distance of the covariance of the codes from the identity (DIP-VAE II, Kumar et al. 2018).",
        also: "dipvae_ii dip_vae_ii dipvae2 dip_2 dip dip_vae dipvae",
    };

    const TERMS: &'static [&'static Term] = &DIP_TERMS;

    const DEPENDS_ON_SIZES: bool = true;

    fn read(keys: &mut Keys<'_>) -> DipIi {
        Dip::read_as(Self::WORD.name, keys, [10.0, 10.0])
    }
}
