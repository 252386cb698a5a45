//! The area under a receiver operating characteristic (ROC) curve.

/// The probability that a positive point has a larger score than a negative one, ties counted half; `None` without
/// positive or without negative points, or if a score is NaN.
///
/// This is the area under the ROC curve as scikit-learn's `roc_auc_score` computes it (Mann-Whitney statistic).
pub fn area_under_curve(scores: &[f64], positive: &[bool]) -> Option<f64> {
    if scores.iter().any(|score| score.is_nan()) {
        return None;
    }
    let mut points: Vec<(f64, bool)> = scores.iter().copied().zip(positive.iter().copied()).collect();
    points.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    // Twice the pairs in the right order: an exact integer.
    let (mut negatives_below, mut doubled_pairs) = (0u64, 0u64);
    for ties in points.chunk_by(|a, b| a.0 == b.0) {
        let positives = ties.iter().filter(|point| point.1).count() as u64;
        let negatives = ties.len() as u64 - positives;
        doubled_pairs += positives * (2 * negatives_below + negatives);
        negatives_below += negatives;
    }
    let positives = points.len() as u64 - negatives_below;
    if positives == 0 || negatives_below == 0 {
        return None;
    }
    Some(doubled_pairs as f64 / (2.0 * positives as f64 * negatives_below as f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn areas_of_small_lists() {
        let area = |scores: &[f64], positive: &[u8]| {
            area_under_curve(scores, &positive.iter().map(|&positive| positive == 1).collect::<Vec<_>>())
        };
        assert_eq!(area(&[0.1, 0.4, 0.35, 0.8], &[0, 0, 1, 1]), Some(0.75));
        assert_eq!(area(&[1.0, 2.0, 3.0], &[0, 1, 1]), Some(1.0));
        assert_eq!(area(&[0.5; 4], &[0, 1, 1, 0]), Some(0.5));
        assert_eq!(area(&[0.0, -0.0, 1.0], &[1, 0, 0]), Some(0.25));
        assert_eq!(
            [area(&[1.0], &[1]), area(&[1.0], &[0]), area(&[], &[]), area(&[f64::NAN, 1.0], &[0, 1])],
            [None; 4]
        );
    }
}
