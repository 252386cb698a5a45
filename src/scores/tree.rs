//! Regression trees of limited depth, grown by exact search as by scikit-learn 1.9.1's `DecisionTreeRegressor`.
//!
//! A split of a node maximizes L^2/n_L + R^2/n_R, where L and R are the sums of the targets of its sides and n_L and
//! n_R the numbers of points: the same as the largest decrease of the squared error, and as Friedman's improvement
//! n_L n_R (mean_L - mean_R)^2 / n. scikit-learn 1.9 deprecated `friedman_mse` for that reason and maps it to
//! `squared_error`.
//!
//! As in scikit-learn: two neighbours in the order of an axis are split only if they differ by more than 1e-7 (in
//! single precision); the threshold is their middle in double precision; a node with variance at most 2.2e-16 is a
//! leaf; of equal splits of an axis the first is taken. Between axes with equal splits scikit-learn takes the first in
//! a random order; here one of them is drawn, each equally likely.
//!
//! The points are sorted once per axis. Each split keeps the order of the axes in its two parts, so that no node sorts.

use super::draws::BOOSTING_TIES;
use super::points::Codes;
use crate::random::{Purpose, Stream};
use crate::tensor::kernels::vectorized;

/// Neighbours that differ by no more than this are not split (`FEATURE_THRESHOLD` in scikit-learn).
const LEAST_DIFFERENCE: f32 = 1e-7;
/// Positions whose gains are computed together.
const BLOCK: usize = 64;
/// Independent maxima, so that they are found with vector instructions.
const LANES: usize = 8;

/// Points in the order of each axis. All trees of a data set share it.
#[derive(Clone, Debug)]
pub struct SortedPoints {
    points: usize,
    axes: usize,
    /// For each axis the points in ascending order, equal ones by number.
    order: Vec<u32>,
    /// For each axis the values in that order.
    values: Vec<f32>,
}

/// A part of a tree: a leaf if it has no children.
#[derive(Clone, Debug, PartialEq)]
struct Node {
    axis: u32,
    /// Codes up to it go left.
    threshold: f64,
    /// The left child, and the right one after it; 0 for a leaf.
    left: u32,
    value: f64,
}

/// A regression tree.
#[derive(Clone, Debug, PartialEq)]
pub struct Tree {
    nodes: Vec<Node>,
}

/// Memory of trees that are grown one after the other.
#[derive(Clone, Debug, Default)]
pub struct Workspace {
    now: (Vec<u32>, Vec<f32>),
    next: (Vec<u32>, Vec<f32>),
    /// The node that each point ended in.
    leaves: Vec<u32>,
}

/// A tree and what its splits contributed.
#[derive(Clone, Debug)]
pub struct Grown {
    /// The tree; the values of its leaves are 0 until they are set.
    pub tree: Tree,
    /// For each axis the decrease of the mean squared error by its splits; not normalized.
    pub importances: Vec<f64>,
}

/// Where a tie between axes is decided: the seed and the number of the tree.
#[derive(Clone, Debug)]
pub struct Ties {
    seed: u64,
    tree: u64,
    stream: Option<Stream>,
}

/// A node that may be split: its points are `start..end` in the order of each axis.
struct Open {
    node: usize,
    start: usize,
    end: usize,
    sum: f64,
    /// The squared error.
    error: f64,
}

/// The best split of a node on an axis.
#[derive(Clone, Copy)]
struct Split {
    gain: f64,
    axis: usize,
    /// The number of points on the left.
    left: usize,
}

impl SortedPoints {
    /// Sorts points, one row of finite numbers each.
    pub fn new(codes: &Codes) -> SortedPoints {
        let (points, axes) = (codes.len(), codes.latent);
        let mut order = Vec::with_capacity(points * axes);
        let mut values = Vec::with_capacity(points * axes);
        let mut column: Vec<(f32, u32)> = Vec::with_capacity(points);
        for axis in 0..axes {
            column.clear();
            column.extend((0..points).map(|point| (codes.row(point)[axis], point as u32)));
            column.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            // Negative zeros come before zeros, which does no harm: they are not split.
            order.extend(column.iter().map(|entry| entry.1));
            values.extend(column.iter().map(|entry| entry.0));
        }
        SortedPoints { points, axes, order, values }
    }

    /// The number of points; 0 without axes.
    pub fn points(&self) -> usize {
        self.points
    }

    /// The number of axes.
    pub fn axes(&self) -> usize {
        self.axes
    }
}

impl Tree {
    /// The number of nodes, leaves among them.
    pub fn nodes(&self) -> usize {
        self.nodes.len()
    }

    /// Whether a node is a leaf.
    pub fn is_leaf(&self, node: usize) -> bool {
        self.nodes[node].left == 0
    }

    /// Sets the value of a leaf.
    pub fn set_value(&mut self, leaf: usize, value: f64) {
        self.nodes[leaf].value = value;
    }

    /// The value of a node: what a leaf adds to the prediction of its points.
    pub fn value(&self, node: usize) -> f64 {
        self.nodes[node].value
    }

    /// The value of the leaf of a code.
    pub fn predict(&self, code: &[f32]) -> f64 {
        let mut node = &self.nodes[0];
        while node.left != 0 {
            let right = f64::from(code[node.axis as usize]) > node.threshold;
            node = &self.nodes[node.left as usize + usize::from(right)];
        }
        node.value
    }
}

impl Ties {
    /// The draws of a tree of a seed.
    pub fn new(seed: u64, tree: u64) -> Ties {
        Ties { seed, tree, stream: None }
    }

    fn below(&mut self, n: u64) -> u64 {
        let (seed, tree) = (self.seed, self.tree);
        self.stream.get_or_insert_with(|| Stream::new(seed, Purpose::Evaluation, BOOSTING_TIES, tree)).below(n)
    }
}

impl Workspace {
    /// The leaf of each point in the tree that was grown last.
    pub fn leaves(&self) -> &[u32] {
        &self.leaves
    }

    /// Grows a tree that predicts the targets, one finite number for each point.
    pub fn grow(&mut self, sorted: &SortedPoints, targets: &[f64], depth: usize, ties: &mut Ties) -> Grown {
        let points = sorted.points;
        self.leaves.clear();
        self.leaves.resize(targets.len(), 0);
        let mut tree = Tree { nodes: vec![Node::leaf()] };
        let mut importances = vec![0.0; sorted.axes];
        let everything = if sorted.axes == 0 { 0 } else { points };
        let (sum, error) = vectorized(
            #[inline(always)]
            || moments(sorted.order.get(..everything).unwrap_or(&[]), targets),
        );
        let mut open = vec![Open { node: 0, start: 0, end: everything, sum, error }];
        for level in 0..depth {
            let (order, values) = match level {
                0 => (&sorted.order, &sorted.values),
                _ => (&self.now.0, &self.now.1),
            };
            let last = level + 1 == depth;
            if !last {
                self.next.0.resize(points * sorted.axes, 0);
                self.next.1.resize(points * sorted.axes, 0.0);
            }
            let mut children = Vec::new();
            for node in open {
                let Some(split) = best_split(order, values, points, targets, &node, ties) else { continue };
                let from = split.axis * points + node.start;
                let (left, right) = order[from..][..node.end - node.start].split_at(split.left);
                let first = tree.nodes.len();
                tree.nodes[node.node] = Node {
                    axis: split.axis as u32,
                    threshold: middle(values[from + split.left - 1], values[from + split.left]),
                    left: first as u32,
                    value: 0.0,
                };
                tree.nodes.extend([Node::leaf(), Node::leaf()]);
                let mut decrease = node.error;
                let mut start = node.start;
                for (child, part) in [left, right].into_iter().enumerate() {
                    for &point in part {
                        self.leaves[point as usize] = (first + child) as u32;
                    }
                    let (sum, error) = moments(part, targets);
                    decrease -= error;
                    children.push(Open { node: first + child, start, end: start + part.len(), sum, error });
                    start += part.len();
                }
                importances[split.axis] += decrease / points as f64;
                if !last {
                    for axis in 0..sorted.axes {
                        let range = axis * points + node.start..axis * points + node.end;
                        let (to_order, to_values) = (&mut self.next.0[range.clone()], &mut self.next.1[range.clone()]);
                        let from = (&order[range.clone()], &values[range]);
                        partition(from, &self.leaves, first as u32, split.left, to_order, to_values);
                    }
                }
            }
            open = children;
            std::mem::swap(&mut self.now, &mut self.next);
        }
        Grown { tree, importances }
    }
}

impl Node {
    fn leaf() -> Node {
        Node { axis: 0, threshold: 0.0, left: 0, value: 0.0 }
    }
}

/// The sum and the squared error of the targets of some points.
#[inline(always)]
fn moments(points: &[u32], targets: &[f64]) -> (f64, f64) {
    let (mut sum, mut squares) = (0.0, 0.0);
    for &point in points {
        let target = targets[point as usize];
        sum += target;
        squares += target * target;
    }
    let count = points.len().max(1) as f64;
    (sum, squares - sum * sum / count)
}

/// The middle of two single-precision numbers, which is between them if they differ.
fn middle(lower: f32, upper: f32) -> f64 {
    f64::from(lower) / 2.0 + f64::from(upper) / 2.0
}

/// The best split of a node over all axes, if it can be split.
fn best_split(
    order: &[u32],
    values: &[f32],
    points: usize,
    targets: &[f64],
    node: &Open,
    ties: &mut Ties,
) -> Option<Split> {
    let count = node.end - node.start;
    if count < 2 || node.error <= f64::EPSILON * count as f64 {
        return None;
    }
    let mut best: Option<Split> = None;
    // How many axes have had the best gain so far.
    let mut equal = 1;
    for (axis, (order, values)) in order.chunks_exact(points).zip(values.chunks_exact(points)).enumerate() {
        let (order, values) = (&order[node.start..node.end], &values[node.start..node.end]);
        let found = vectorized(
            #[inline(always)]
            || search(order, values, targets, node.sum),
        );
        let Some((gain, left)) = found else { continue };
        let better = match best {
            Some(best) if gain == best.gain => {
                equal += 1;
                ties.below(equal) == 0
            }
            Some(best) if gain < best.gain => false,
            _ => {
                equal = 1;
                true
            }
        };
        if better {
            best = Some(Split { gain, axis, left });
        }
    }
    best
}

/// The best split of points in the order of an axis: its gain, and the number of points on the left. `None` if all
/// values are equal.
#[inline(always)]
fn search(order: &[u32], values: &[f32], targets: &[f64], sum: f64) -> Option<(f64, usize)> {
    let count = order.len();
    if values[count - 1] <= values[0] + LEAST_DIFFERENCE {
        return None;
    }
    let (mut best, mut best_left) = (f64::NEG_INFINITY, 0);
    let mut left_sums = [0.0; BLOCK];
    let mut gains = [0.0; BLOCK];
    let mut sum_left = 0.0;
    let mut start = 0;
    // Block by block: first the sums, one after the other; then the gains, many at once.
    while start + 1 < count {
        let length = BLOCK.min(count - 1 - start);
        for (left, &point) in left_sums.iter_mut().zip(&order[start..start + length]) {
            sum_left += targets[point as usize];
            *left = sum_left;
        }
        let pairs = values[start..start + length].iter().zip(&values[start + 1..start + length + 1]);
        for (i, ((gain, &left), (&value, &after))) in gains.iter_mut().zip(&left_sums).zip(pairs).enumerate() {
            let right = sum - left;
            let count_left = (start + i + 1) as f64;
            let count_right = count as f64 - count_left;
            let sums = left * left / count_left + right * right / count_right;
            *gain = if after > value + LEAST_DIFFERENCE { sums } else { f64::NEG_INFINITY };
        }
        gains[length..].fill(f64::NEG_INFINITY);
        let mut highest = [f64::NEG_INFINITY; LANES];
        for chunk in gains.chunks_exact(LANES) {
            for (highest, &gain) in highest.iter_mut().zip(chunk) {
                *highest = if gain > *highest { gain } else { *highest };
            }
        }
        let highest = highest.into_iter().fold(f64::NEG_INFINITY, f64::max);
        if highest > best {
            best = highest;
            best_left = start + 1 + gains.iter().position(|&gain| gain == highest).unwrap_or(0);
        }
        start += length;
    }
    (best_left > 0).then_some((best, best_left))
}

/// Copies points in the order of an axis: first those in the left child, whose number is known, then the others.
fn partition(
    from: (&[u32], &[f32]),
    leaves: &[u32],
    left_child: u32,
    count_left: usize,
    to_order: &mut [u32],
    to_values: &mut [f32],
) {
    let (mut left, mut right) = (0, count_left);
    for (&point, &value) in from.0.iter().zip(from.1) {
        let goes_left = leaves[point as usize] == left_child;
        let place = if goes_left { left } else { right };
        to_order[place] = point;
        to_values[place] = value;
        left += usize::from(goes_left);
        right += usize::from(!goes_left);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grow(latent: usize, values: &[f32], targets: &[f64], depth: usize) -> (Grown, Vec<u32>) {
        let codes = Codes { latent, values: values.to_vec() };
        let mut workspace = Workspace::default();
        let grown = workspace.grow(&SortedPoints::new(&codes), targets, depth, &mut Ties::new(1, 0));
        (grown, workspace.leaves().to_vec())
    }

    #[test]
    fn the_split_with_the_smallest_squared_error_is_taken() {
        let values = [0.0, 5.0, 1.0, 4.0, 2.0, 3.0, 3.0, 2.0, 4.0, 1.0];
        let (grown, leaves) = grow(2, &values, &[0.0, 0.0, 1.0, 1.0, 1.0], 1);
        // Both axes split equally well: at 1.5 and, in the other direction, at 3.5.
        let root = &grown.tree.nodes[0];
        match root.axis {
            0 => assert_eq!((root.threshold, leaves), (1.5, vec![1, 1, 2, 2, 2])),
            _ => assert_eq!((root.threshold, leaves), (3.5, vec![2, 2, 1, 1, 1])),
        }
        assert_eq!(grown.tree.nodes(), 3);
        // The variance of the targets is 0.24, and nothing is left of it.
        assert!((grown.importances.iter().sum::<f64>() - 0.24).abs() < 1e-15);
    }

    #[test]
    fn ties_between_axes_are_drawn_evenly() {
        let values: Vec<f32> = (0..12).flat_map(|i| [i as f32; 3]).collect();
        let targets: Vec<f64> = (0..12).map(|i| f64::from(i % 5)).collect();
        let codes = Codes { latent: 3, values };
        let sorted = SortedPoints::new(&codes);
        let mut counts = [0; 3];
        for tree in 0..600 {
            let grown = Workspace::default().grow(&sorted, &targets, 1, &mut Ties::new(4, tree));
            counts[grown.tree.nodes[0].axis as usize] += 1;
        }
        assert!(counts.iter().all(|count| (150..250).contains(count)), "{counts:?}");
    }

    #[test]
    fn equal_values_equal_targets_and_no_axes_give_leaves() {
        let (grown, _) = grow(1, &[0.0, 0.0, 5e-8], &[1.0, 2.0, 3.0], 3);
        assert_eq!(grown.tree.nodes(), 1);
        let (grown, _) = grow(1, &[0.0, 1.0, 2.0], &[0.5, 0.5, 0.5], 3);
        assert_eq!((grown.tree.nodes(), grown.tree.is_leaf(0)), (1, true));
        let (grown, leaves) = grow(0, &[], &[0.5, 1.0], 3);
        assert_eq!((grown.tree.nodes(), leaves), (1, vec![0, 0]));
        let (grown, _) = grow(2, &[], &[], 3);
        assert_eq!(grown.tree.nodes(), 1);
    }

    #[test]
    fn long_nodes_are_searched_to_their_ends() {
        for place in [1, 63, 64, 65, 128, 198, 199] {
            let values: Vec<f32> = (0..200).map(|i| i as f32).collect();
            let targets: Vec<f64> = (0..200).map(|i| f64::from(i >= place)).collect();
            let (mut grown, leaves) = grow(1, &values, &targets, 2);
            assert_eq!(grown.tree.nodes[0].threshold, f64::from(place) - 0.5);
            for leaf in 0..grown.tree.nodes() {
                grown.tree.set_value(leaf, leaf as f64);
            }
            for (value, leaf) in values.iter().zip(leaves) {
                assert_eq!(grown.tree.predict(&[*value]), f64::from(leaf));
            }
        }
    }
}
