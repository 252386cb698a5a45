//! Durations and sizes as people read them.

/// A number of bytes as people say it.
pub(crate) fn bytes(count: f64) -> String {
    if count < 1e9 { format!("{:.0} MB", count / 1e6) } else { format!("{:.1} GB", count / 1e9) }
}

/// A duration in one or two units, `3m 20s`; `-` if it is not known.
pub(crate) fn brief(seconds: Option<f64>) -> String {
    let Some(seconds) = seconds else { return "-".to_owned() };
    let seconds = seconds.round() as u64;
    let [minutes, hours, days] = [60, 3600, 86_400].map(|unit| seconds / unit);
    match (minutes, hours, days) {
        (0, ..) => format!("{seconds}s"),
        (_, 0, _) => format!("{minutes}m {}s", seconds % 60),
        (.., 0) => format!("{hours}h {}m", minutes % 60),
        _ => format!("{days}d {}h", hours % 24),
    }
}
