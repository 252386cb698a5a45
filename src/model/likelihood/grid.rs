//! The places of the values of images: whole levels, mapped to an interval of numbers.

/// Whole levels from black to white, mapped to an interval: level k of L is `low + k (high - low) / (L - 1)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Grid {
    /// The number of black, and that of white: `data.range`.
    range: [f32; 2],
    /// The greatest level, L - 1.
    last: f32,
}

impl Default for Grid {
    /// Bytes, mapped to [0, 1].
    fn default() -> Grid {
        Grid { range: [0.0, 1.0], last: 255.0 }
    }
}

impl Grid {
    /// The whole numbers of the interval `stored`, mapped to `range`.
    pub fn new(stored: [f64; 2], range: [f64; 2]) -> Grid {
        // The plan refuses an interval that is not increasing; the levels of floats are not used.
        Grid { range: range.map(|end| end as f32), last: ((stored[1] - stored[0]) as f32).max(1.0) }
    }

    /// The number of levels.
    pub fn levels(self) -> f64 {
        f64::from(self.last) + 1.0
    }

    /// The number of black, and that of white.
    pub(in crate::model) fn range(self) -> [f32; 2] {
        self.range
    }

    /// The greatest level.
    pub(super) fn last(self) -> f32 {
        self.last
    }

    /// The factor and the constant that map a value to its level.
    pub(super) fn to_level(self) -> [f32; 2] {
        let [low, high] = self.range.map(f64::from);
        let scale = f64::from(self.last) / (high - low);
        [scale as f32, (-low * scale) as f32]
    }

    /// The value at a share of the interval, which is 0 for black and 1 for white.
    #[inline(always)]
    pub(super) fn at_share(self, share: f32) -> f32 {
        let [low, high] = self.range;
        low + (high - low) * share
    }

    /// The share of the interval at which a value is.
    pub(super) fn share_of(self, value: f32) -> f32 {
        let [low, length] = self.start_and_length();
        (value - low) / length
    }

    /// The number of black, and the length of the interval.
    pub(super) fn start_and_length(self) -> [f32; 2] {
        let [low, high] = self.range;
        [low, high - low]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_mapped_there_and_back() {
        for (stored, range, levels) in
            [([0.0, 255.0], [0.0, 1.0], 256.0), ([0.0, 255.0], [-1.0, 1.0], 256.0), ([3.0, 18.0], [2.0, 10.0], 16.0)]
        {
            let grid = Grid::new(stored, range);
            assert_eq!(grid.levels(), levels);
            let [scale, offset] = grid.to_level();
            for level in 0..levels as u32 {
                let value = grid.at_share(level as f32 / grid.last());
                assert!((value * scale + offset - level as f32).abs() < 1e-4, "{level}");
                assert!((grid.share_of(value) * grid.last() - level as f32).abs() < 1e-4, "{level}");
            }
        }
        assert_eq!(Grid::new([0.0, 255.0], [0.0, 1.0]), Grid::default());
    }
}
