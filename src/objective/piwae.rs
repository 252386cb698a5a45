//! The partially importance-weighted autoencoder (Rainforth et al. 2018): decoder and encoder have bounds of their own.

use super::importance::{PIWAE, IMPORTANCE_TERMS, Importance};
use super::{Choose, Term};
use crate::settings::{Keys, Word};

/// Its settings.
pub type Piwae = Importance<PIWAE>;

impl Choose for Piwae {
    const WORD: Word = Word {
        name: "piwae",
        doc: "The importance-weighted bound of all samples for the decoder, and the mean of the bounds of groups for the encoder (PIWAE, Rainforth et al. 2018).",
        also: "",
    };

    const TERMS: &'static [&'static Term] = &IMPORTANCE_TERMS;

    fn read(keys: &mut Keys<'_>) -> Piwae {
        Importance::read_as(Self::WORD.name, keys, [8, 8])
    }
}
