//! Durations and sizes for human readers.

use indicatif::DecimalBytes;
use std::time::Duration;

/// A number of bytes: `56.21 MB`.
pub(crate) fn bytes(count: f64) -> String {
    DecimalBytes(count as u64).to_string()
}

/// A duration such as `3m 20s`, rounded down to seconds below an hour, minutes below a day, else hours; `-` if unknown.
///
/// `HumanDuration` prints only one unit, so that `3m 20s` becomes `3 minutes`: too coarse to compare successive ETAs.
pub(crate) fn brief(seconds: Option<f64>) -> String {
    let known = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds.round()).ok());
    let Some(seconds) = known.map(|duration| duration.as_secs()) else { return "-".to_owned() };
    let unit = match seconds {
        0..3600 => 1,
        3600..86_400 => 60,
        _ => 3600,
    };
    humantime::format_duration(Duration::from_secs(seconds - seconds % unit)).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_duration_has_no_seconds() {
        let durations = [0.4, 59.6, 200.0, 7199.0, 7200.0, 90_061.0, f64::INFINITY, -1.0];
        let texts = durations.map(|seconds| brief(Some(seconds)));
        assert_eq!(texts, ["0s", "1m", "3m 20s", "1h 59m", "2h", "1day 1h", "-", "-"]);
        assert_eq!(brief(None), "-");
    }

    #[test]
    fn bytes_have_their_unit() {
        assert_eq!([bytes(56_211_000.0), bytes(7.5e9)], ["56.21 MB", "7.50 GB"]);
    }
}
