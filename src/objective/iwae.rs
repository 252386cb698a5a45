//! The importance-weighted autoencoder (Burda et al. 2016): the bound of all samples.

use super::importance::{IWAE, IMPORTANCE_TERMS, Importance};
use super::{Choose, Term};
use crate::settings::{Keys, Word};

/// Its settings.
pub type Iwae = Importance<IWAE>;

impl Choose for Iwae {
    const WORD: Word = Word {
        name: "iwae",
        doc: "The importance-weighted bound of `samples` samples (IWAE, Burda et al. 2016).",
        also: "importance_weighted",
    };

    const TERMS: &'static [&'static Term] = &IMPORTANCE_TERMS;

    fn read(keys: &mut Keys<'_>) -> Iwae {
        Importance::read_as(Self::WORD.name, keys, [5, 1])
    }
}
