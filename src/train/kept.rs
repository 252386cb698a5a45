//! Which epoch of a training is the best one, and when a training without improvement ends.

use super::measure::{CAPACITY_NATS, KL_WEIGHT, LOSS};
use crate::metrics::{Row, Split};

/// The metrics by which epochs are compared.
pub const COMPARED: [&str; 3] = [LOSS, KL_WEIGHT, CAPACITY_NATS];

/// The validation rows with the full KL weight and capacity. While a weight or a capacity rises, losses are those of other
/// objectives.
fn comparable(rows: &[Row]) -> impl Iterator<Item = (f64, &Row)> {
    let validation = || rows.iter().filter(|row| row.split == Split::Validation);
    let most = RISING.map(|name| validation().filter_map(|row| row.get(name)).fold(f64::NEG_INFINITY, f64::max));
    let is_full = move |row: &&Row| is_full(row, &most);
    validation().filter(is_full).filter_map(|row| Some((row.get(LOSS).filter(|loss| loss.is_finite())?, row)))
}

/// What may rise in training.
const RISING: [&str; 2] = [KL_WEIGHT, CAPACITY_NATS];
/// Values that differ by less are equal, relative to their size.
const SAME: f64 = 1e-9;

/// Whether a row has the full values, if these are the largest ones of [`RISING`].
fn is_full(row: &Row, most: &[f64; 2]) -> bool {
    RISING.iter().zip(most).all(|(name, most)| row.get(name).is_none_or(|value| value >= most * (1.0 - SAME)))
}

/// The first validation row with the lowest finite loss, among the epochs with the full KL weight and capacity; `None` if there is
/// none. After each epoch, it is either the row of that epoch or the same as before.
pub fn best_row(rows: &[Row]) -> Option<&Row> {
    comparable(rows).min_by(|(one, _), (other, _)| one.total_cmp(other)).map(|(_, row)| row)
}

/// The best epoch of a training that goes on: [`best_row`], without looking at all rows after each epoch.
#[derive(Clone, Debug)]
pub struct BestEpoch {
    /// The largest values of [`RISING`].
    most: [f64; 2],
    /// The best epoch and its loss.
    best: Option<(u64, f64)>,
    /// The number of epochs at the full values after it.
    since: u64,
}

impl BestEpoch {
    /// The best epoch of some rows.
    pub fn of(rows: &[Row]) -> BestEpoch {
        let validation = || rows.iter().filter(|row| row.split == Split::Validation);
        let most = RISING.map(|name| validation().filter_map(|row| row.get(name)).fold(f64::NEG_INFINITY, f64::max));
        let best = best_row(rows).and_then(|row| Some((row.epoch, row.get(LOSS)?)));
        let since = best.map_or(0, |(epoch, _)| comparable(rows).filter(|(_, row)| row.epoch > epoch).count());
        BestEpoch { most, best, since: since as u64 }
    }

    /// Takes the rows of another epoch into account, which are the last ones of `rows`.
    pub fn add(&mut self, rows: &[Row]) {
        let Some(epoch) = rows.last().map(|row| row.epoch) else { return };
        let last = rows.iter().rev().take_while(|row| row.epoch == epoch);
        let Some(row) = last.filter(|row| row.split == Split::Validation).last() else { return };
        for (name, most) in RISING.iter().zip(&mut self.most) {
            let Some(value) = row.get(name).filter(|value| *value > *most) else { continue };
            // No earlier epoch has the full value any more. After a tiny rise, or if earlier epochs have no value, some may.
            if !most.is_finite() || *most >= value * (1.0 - SAME) {
                *self = BestEpoch::of(rows);
                return;
            }
            (*most, self.best, self.since) = (value, None, 0);
        }
        let Some(loss) = row.get(LOSS).filter(|loss| loss.is_finite() && is_full(row, &self.most)) else { return };
        match self.best {
            Some((_, best)) if loss.total_cmp(&best).is_ge() => self.since += 1,
            _ => (self.best, self.since) = (Some((epoch, loss)), 0),
        }
    }

    /// The best epoch; `None` if there is none.
    pub fn epoch(&self) -> Option<u64> {
        self.best.map(|(epoch, _)| epoch)
    }

    /// Whether the loss has not improved in the last `patience` of the epochs with the full KL weight and capacity.
    pub fn is_exhausted(&self, patience: u64) -> bool {
        self.best.is_some() && self.since >= patience
    }
}

/// The validation row of the epoch that a trial would keep if it ended after `epoch`; `None` if it has not reached that epoch. Rows are in
/// the order of the epochs.
fn kept_at(rows: &[Row], keeps_best: bool, epoch: u64) -> Option<&Row> {
    let is_last = |row: &&Row| row.split == Split::Validation && row.epoch == epoch && row.is_finite();
    let last = rows.iter().find(is_last)?;
    let until = rows.partition_point(|row| row.epoch <= epoch);
    if keeps_best { best_row(rows.get(..until)?) } else { Some(last) }
}

/// The validation row of the epoch that a trial would keep if it ended at a rung of a search; `None` if it has not reached the rung.
/// The last rung is the end of training. A trial that `is_done` has reached all of them: `train.patience` may have ended it before a
/// rung, and not all trials have the same number of epochs.
pub fn kept_at_rung<'r>(
    rows: &'r [Row],
    keeps_best: bool,
    is_done: bool,
    rungs: &[u64],
    rung: usize,
) -> Option<&'r Row> {
    let (epoch, is_end) = (*rungs.get(rung)?, rung + 1 == rungs.len());
    let ended =
        || rows.iter().filter(|row| row.split == Split::Validation && row.is_finite()).map(|row| row.epoch).max();
    let epoch = match is_done {
        true if is_end => ended()?,
        true => ended()?.min(epoch),
        false if is_end => return None,
        false => epoch,
    };
    kept_at(rows, keeps_best, epoch)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::measure::example;

    /// Rows with these KL weights and validation losses.
    fn rows(epochs: &[(f64, f64)]) -> Vec<Row> {
        let row = |(index, (weight, loss)): (usize, &(f64, f64))| {
            Split::OF_EPOCHS.map(|split| {
                // A low training loss is no reason to keep an epoch.
                let loss = if split == Split::Validation { *loss } else { -9.0 };
                let given = [(LOSS, loss), (KL_WEIGHT, *weight), (CAPACITY_NATS, 5.0)];
                example(index as u64 + 1, split, &given)
            })
        };
        epochs.iter().enumerate().flat_map(row).collect()
    }

    fn best(epochs: &[(f64, f64)]) -> Option<u64> {
        best_row(&rows(epochs)).map(|row| row.epoch)
    }

    #[test]
    fn the_best_epoch_has_the_lowest_loss_at_the_full_weight() {
        assert_eq!(best(&[]), None);
        assert_eq!(best(&[(1.0, 3.0), (1.0, 2.0), (1.0, 2.0), (1.0, 4.0)]), Some(2));
        assert_eq!(best(&[(0.5, 1.0), (1.0, 3.0), (1.0, 2.5)]), Some(3));
        assert_eq!(best(&[(1.0, f64::NAN), (1.0, 3.0)]), Some(2));
        // Cyclical: the weight falls again.
        assert_eq!(best(&[(0.5, 1.0), (1.0, 3.0), (0.5, 1.0), (1.0, 2.0), (0.0, 0.1)]), Some(4));
    }

    #[test]
    fn the_best_row_changes_only_to_the_last_one() {
        let epochs = [(0.2, 5.0), (0.6, 1.0), (1.0, 9.0), (1.0, 8.0), (0.3, 2.0), (1.0, 8.5), (1.0, 7.0), (1.0, 7.0)];
        let found: Vec<Option<u64>> = (1..=epochs.len()).map(|count| best(&epochs[..count])).collect();
        assert_eq!(found, [1, 2, 3, 4, 4, 4, 7, 7].map(Some));
    }

    #[test]
    fn the_best_epoch_is_followed_without_looking_at_all_rows_again() {
        // Every course of four epochs with these weights and losses.
        let weights = [0.5, 1.0 - 1e-10, 1.0, f64::NAN];
        let losses = [1.0, 2.0, f64::NAN];
        let choices: Vec<(f64, f64)> = weights.iter().flat_map(|weight| losses.map(|loss| (*weight, loss))).collect();
        for course in 0..choices.len().pow(4) {
            let epochs: Vec<_> =
                (0..4).map(|place| choices[course / choices.len().pow(place) % choices.len()]).collect();
            let rows = rows(&epochs);
            let mut best = BestEpoch::of(&[]);
            for count in (2..=rows.len()).step_by(2) {
                best.add(&rows[..count]);
                assert_eq!(best.epoch(), best_row(&rows[..count]).map(|row| row.epoch), "{epochs:?}");
                // Looking at all rows gives the same.
                let all = BestEpoch::of(&rows[..count]);
                let ended = |best: &BestEpoch| [1, 2, 3].map(|patience| best.is_exhausted(patience));
                assert_eq!(ended(&best), ended(&all), "{epochs:?}");
            }
        }
    }

    #[test]
    fn a_trial_keeps_an_epoch_among_those_that_it_has_reached() {
        let epochs = rows(&[(1.0, 3.0), (1.0, 2.0), (1.0, 4.0), (1.0, 1.0)]);
        let kept =
            |keeps_best: bool| [1, 2, 3, 4, 5].map(|epoch| kept_at(&epochs, keeps_best, epoch).map(|row| row.epoch));
        assert_eq!(kept(false), [Some(1), Some(2), Some(3), Some(4), None]);
        assert_eq!(kept(true), [Some(1), Some(2), Some(2), Some(4), None]);
    }

    #[test]
    fn a_trial_that_is_done_has_reached_all_rungs() {
        let epochs = rows(&[(1.0, 3.0), (1.0, 2.0), (1.0, 4.0)]);
        let at = |is_done: bool, keeps_best: bool| {
            let rungs = [1, 3, 6, 9];
            [0, 1, 2, 3].map(|rung| kept_at_rung(&epochs, keeps_best, is_done, &rungs, rung).map(|row| row.epoch))
        };
        assert_eq!(at(false, false), [Some(1), Some(3), None, None]);
        assert_eq!(at(true, false), [Some(1), Some(3), Some(3), Some(3)]);
        assert_eq!(at(true, true), [Some(1), Some(2), Some(2), Some(2)]);
        // The end is not reached before a trial is done.
        assert_eq!(kept_at_rung(&epochs, false, false, &[1, 3], 1).map(|row| row.epoch), None);
    }

    #[test]
    fn patience_counts_epochs_at_the_full_weight_without_improvement() {
        let ends = |epochs: &[(f64, f64)], patience| BestEpoch::of(&rows(epochs)).is_exhausted(patience);
        let still = [(1.0, 2.0), (1.0, 2.0), (1.0, 2.5)];
        assert!(!ends(&[], 1) && !ends(&still[..1], 1));
        assert!(ends(&still[..2], 1) && !ends(&still[..2], 2) && ends(&still, 2));
        // The loss rises with the weight.
        assert!(!ends(&[(0.2, 1.0), (0.6, 2.0), (1.0, 3.0)], 1));
        assert!(!ends(&[(1.0, 1.0), (0.5, 0.5), (0.7, 0.6), (1.0, 0.9)], 1));
    }
}
