//! The combination of ELBO and importance-weighted bound (CIWAE, Rainforth et al. 2018).

use super::importance::{CIWAE, IMPORTANCE_TERMS, Importance};
use super::{Choose, Term};
use crate::settings::{Keys, Word};

/// Its settings.
pub type Ciwae = Importance<CIWAE>;

impl Choose for Ciwae {
    const WORD: Word = Word {
        name: "ciwae",
        doc: "A share of the ELBO, and the importance-weighted bound (CIWAE, Rainforth et al. 2018).",
        also: "",
    };

    const TERMS: &'static [&'static Term] = &IMPORTANCE_TERMS;

    fn read(keys: &mut Keys<'_>) -> Ciwae {
        Importance::read_as(Self::WORD.name, keys, [64, 1])
    }
}
