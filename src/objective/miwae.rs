//! The multiply importance-weighted autoencoder (Rainforth et al. 2018): the mean of the bounds of groups of samples.

use super::importance::{MIWAE, IMPORTANCE_TERMS, Importance};
use super::{Choose, Term};
use crate::settings::{Keys, Word};

/// Its settings.
pub type Miwae = Importance<MIWAE>;

impl Choose for Miwae {
    const WORD: Word = Word {
        name: "miwae",
        doc: "The mean of the importance-weighted bounds of `groups` groups of `samples` samples (MIWAE, Rainforth et al. 2018).",
        also: "",
    };

    const TERMS: &'static [&'static Term] = &IMPORTANCE_TERMS;

    fn read(keys: &mut Keys<'_>) -> Miwae {
        Importance::read_as(Self::WORD.name, keys, [8, 8])
    }
}
