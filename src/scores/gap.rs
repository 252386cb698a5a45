//! The gap of each factor: the best latent axis against the second best.

/// For each factor, the largest minus the second largest value of its column.
///
/// `matrix` has a row per latent axis and a column per factor. A gap is `None` where `counts` is false (a constant
/// factor), and all are `None` if there are fewer than two axes: there is no second best axis then.
pub fn gaps(matrix: &[Vec<f64>], counts: &[bool]) -> Vec<Option<f64>> {
    counts
        .iter()
        .enumerate()
        .map(|(factor, &counts)| {
            let mut column: Vec<f64> = matrix.iter().filter_map(|row| row.get(factor).copied()).collect();
            column.sort_by(|a, b| b.total_cmp(a));
            match column[..] {
                [first, second, ..] if counts => Some(first - second),
                _ => None,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gap_is_between_the_two_largest() {
        let matrix = [vec![1.0, 0.0, 5.0], vec![4.0, 0.0, 5.0], vec![2.0, 0.0, 5.0]];
        assert_eq!(gaps(&matrix, &[true, false, true]), [Some(2.0), None, Some(0.0)]);
        assert_eq!(gaps(&matrix[..1], &[true; 3]), [None; 3]);
        assert_eq!(gaps(&[], &[true]), [None]);
        assert_eq!(gaps(&matrix, &[]), []);
    }
}
