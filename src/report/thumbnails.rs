//! The pictures of trials on the page, made small enough to fit.

use super::ReportedTrial;
use super::comparison::Comparison;
use super::fit::best_first;
use crate::folder::TrialFolder;
use crate::record::Grid;
use crate::record::pictures::{PICTURES, Picture};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Tiles per side of a picture, in the order in which they are tried: with more trials, pictures are smaller.
const TILES: [usize; 7] = [usize::MAX, 12, 10, 8, 6, 4, 2];

/// Adds pictures to the trials, the best trials of each experiment first, with as many tiles as fit in `bytes`. Returns how many
/// trials are left out.
pub(super) fn add_pictures(
    comparisons: &[Comparison],
    experiments: &mut [Value],
    bytes: usize,
    warnings: &mut Vec<String>,
) -> usize {
    let ranked = |comparison| best_first(comparison).enumerate();
    let mut trials: Vec<(usize, &ReportedTrial)> = comparisons.iter().flat_map(ranked).collect();
    trials.sort_by_key(|(rank, _)| *rank);
    let trials: Vec<&ReportedTrial> = trials.into_iter().map(|(_, trial)| trial).collect();
    let (mut all, mut left_out, mut shown, mut unreadable) = (BTreeMap::new(), 0, usize::MAX, Vec::new());
    for tiles in TILES {
        shown = tiles;
        // Each pass reads the same pictures.
        unreadable.clear();
        (all, left_out) = pictures(&trials, tiles, bytes, &mut unreadable);
        if left_out == 0 {
            break;
        }
    }
    warnings.extend(unreadable);
    for (comparison, value) in comparisons.iter().zip(experiments) {
        for (index, trial) in best_first(comparison).enumerate() {
            if let Some(urls) = all.remove(&*trial.folder) {
                value["trials"][index]["pictures"] = urls;
            }
        }
        value["tiles"] = json!(Some(shown).filter(|tiles| *tiles < usize::MAX));
    }
    left_out
}

/// The pictures of trials by folder, until `bytes` are used; and how many trials with pictures are left out.
/// Pictures that cannot be read are added to `unreadable`.
fn pictures<'a>(
    trials: &[&'a ReportedTrial],
    tiles: usize,
    bytes: usize,
    unreadable: &mut Vec<String>,
) -> (BTreeMap<&'a Path, Value>, usize) {
    let (mut all, mut size) = (BTreeMap::new(), 0);
    for (index, trial) in trials.iter().enumerate() {
        let urls = urls(&trial.folder, tiles, unreadable);
        size += json!({ "pictures": urls }).to_string().len();
        if size > bytes {
            let has_pictures =
                |trial: &&&ReportedTrial| PICTURES.iter().any(|one| picture(&trial.folder, one.name).exists());
            return (all, trials[index..].iter().filter(has_pictures).count());
        }
        all.insert(&*trial.folder, urls);
    }
    (all, 0)
}

fn picture(folder: &Path, name: &str) -> PathBuf {
    TrialFolder::new(folder).picture(name)
}

/// The pictures of a trial as data URLs, by name.
fn urls(folder: &Path, tiles: usize, unreadable: &mut Vec<String>) -> Value {
    let url = |shown: &Picture| {
        let Picture { name, spread, rows_per_tile, .. } = *shown;
        let grid = match Grid::read(&picture(folder, name)) {
            Ok(grid) => grid,
            // Not every trial has every picture.
            Err(error) if error.source.kind() == ErrorKind::NotFound => return None,
            Err(error) => {
                unreadable.push(error.to_string());
                return None;
            }
        };
        let rows = match rows_per_tile {
            1 => tiles,
            more => more * tiles.div_ceil(2 * more).min(usize::MAX / (2 * more)),
        };
        let png = grid.thinned(rows, tiles, spread).png().ok()?;
        Some((name, format!("data:image/png;base64,{}", STANDARD.encode(png))))
    };
    let traversals = || {
        // Not every trial has factors; a picture that is damaged is drawn again by the next evaluation.
        let grid = Grid::read(&TrialFolder::new(folder).traversals()).ok()?;
        let png = grid.thinned(usize::MAX, tiles, true).png().ok()?;
        Some(("traversals", format!("data:image/png;base64,{}", STANDARD.encode(png))))
    };
    PICTURES.iter().filter_map(url).chain(traversals()).collect()
}
