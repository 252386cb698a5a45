//! The latent codes of the manifold picture.

/// The codes for a `side` x `side` picture of a two-dimensional latent space, row by row.
///
/// The inverse cumulative distribution function of the prior N(0, I) at a linear grid over the open unit square,
/// (i + 1/2) / side, as in figure 4 of Kingma and Welling (arXiv 1312.6114). The first latent axis increases to the right,
/// the second one upwards, as in a scatter plot of posterior means. For a learned prior, `axes` are the mean and the standard deviation
/// of each axis: the quantiles are those of the normal distributions with them. Codes are (side * side, 2).
pub fn manifold_codes(side: usize, axes: Option<&[[f32; 2]]>) -> Vec<f32> {
    let ticks: Vec<f32> =
        (0..side).map(|index| standard_normal_quantile((index as f64 + 0.5) / side as f64) as f32).collect();
    let mut codes: Vec<f32> =
        ticks.iter().rev().flat_map(|&second| ticks.iter().flat_map(move |&first| [first, second])).collect();
    for (place, code) in codes.iter_mut().enumerate() {
        if let Some([mean, deviation]) = axes.and_then(|axes| axes.get(place % 2)) {
            *code = mean + deviation * *code;
        }
    }
    codes
}

/// Inverse of the cumulative distribution function of N(0, 1); infinite at 0 and 1, NaN outside.
///
/// M. J. Wichura, Algorithm AS 241: The Percentage Points of the Normal Distribution, Applied Statistics 37 (1988),
/// 477-484; its routine PPND16, accurate to about 16 digits.
fn standard_normal_quantile(probability: f64) -> f64 {
    let offset = probability - 0.5;
    if offset.abs() <= 0.425 {
        return offset * ratio(&CENTRAL, 0.180625 - offset * offset);
    }
    let tail = if offset < 0.0 { probability } else { 1.0 - probability };
    if tail == 0.0 {
        return f64::INFINITY.copysign(offset);
    }
    let depth = (-tail.ln()).sqrt();
    let magnitude = if depth <= 5.0 { ratio(&MIDDLE, depth - 1.6) } else { ratio(&TAIL, depth - 5.0) };
    magnitude.copysign(offset)
}

fn ratio([numerator, denominator]: &[[f64; 8]; 2], x: f64) -> f64 {
    let polynomial = |powers: &[f64; 8]| powers.iter().rev().fold(0.0, |sum, coefficient| sum * x + coefficient);
    polynomial(numerator) / polynomial(denominator)
}

/// Coefficients of numerator and denominator for |p - 1/2| <= 0.425, in ascending powers.
const CENTRAL: [[f64; 8]; 2] = [
    [
        3.3871328727963665,
        133.14166789178438,
        1971.5909503065513,
        13731.69376550946,
        45921.95393154987,
        67265.7709270087,
        33430.57558358813,
        2509.0809287301227,
    ],
    [
        1.0,
        42.31333070160091,
        687.1870074920579,
        5394.196021424751,
        21213.794301586597,
        39307.89580009271,
        28729.085735721943,
        5226.495278852854,
    ],
];

/// Coefficients for min(p, 1 - p) down to exp(-25), in ascending powers.
const MIDDLE: [[f64; 8]; 2] = [
    [
        1.4234371107496835,
        4.630337846156546,
        5.769497221460691,
        3.6478483247632045,
        1.2704582524523684,
        0.2417807251774506,
        0.022723844989269184,
        0.0007745450142783414,
    ],
    [
        1.0,
        2.053191626637759,
        1.6763848301838038,
        0.6897673349851,
        0.14810397642748008,
        0.015198666563616457,
        0.0005475938084995345,
        1.0507500716444169e-9,
    ],
];

/// Coefficients for smaller min(p, 1 - p), in ascending powers.
const TAIL: [[f64; 8]; 2] = [
    [
        6.657904643501103,
        5.463784911164114,
        1.7848265399172913,
        0.29656057182850487,
        0.026532189526576124,
        0.0012426609473880784,
        2.7115555687434876e-5,
        2.0103343992922881e-7,
    ],
    [
        1.0,
        0.599832206555888,
        0.1369298809227358,
        0.014875361290850615,
        0.0007868691311456133,
        1.8463183175100548e-5,
        1.421511758316446e-7,
        2.0442631033899397e-15,
    ],
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_the_published_ones() {
        // The check values of AS 241, and two more to 18 digits by mpmath.
        let known = [
            (0.25, -0.674_489_750_196_081_7),
            (0.001, -3.090_232_306_167_813_5),
            (1e-20, -9.262_340_089_798_408),
            (0.975, 1.959_963_984_540_054),
            (1e-300, -37.047_096_299_361_2),
        ];
        for (probability, quantile) in known {
            let found = standard_normal_quantile(probability);
            assert!((found / quantile - 1.0f64).abs() < 1e-14, "{probability}: {found} is not {quantile}");
        }
        assert_eq!(standard_normal_quantile(0.5), 0.0);
        assert_eq!(standard_normal_quantile(0.0), f64::NEG_INFINITY);
        assert_eq!(standard_normal_quantile(1.0), f64::INFINITY);
        assert!(standard_normal_quantile(-0.1).is_nan() && standard_normal_quantile(1.5).is_nan());
    }

    #[test]
    fn quantiles_are_symmetric_and_grow() {
        let quantiles: Vec<f64> = (1..1024).map(|index| standard_normal_quantile(index as f64 / 1024.0)).collect();
        assert!(quantiles.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(quantiles.iter().zip(quantiles.iter().rev()).all(|(low, high)| *low == -high));
    }

    #[test]
    fn the_manifold_grows_to_the_right_and_upwards() {
        let (low, high) = (-0.674_489_75, 0.674_489_75);
        assert_eq!(manifold_codes(2, None), [low, high, high, high, low, low, high, low]);
        assert_eq!(manifold_codes(1, None), [0.0, 0.0]);
        assert_eq!(manifold_codes(1, Some(&[[2.0, 0.5], [-1.0, 3.0]])), [2.0, -1.0]);
        assert!(manifold_codes(0, None).is_empty());
    }
}
