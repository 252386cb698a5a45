// Axes and scales: round bounds, ticks, and values outside of an axis.

/** Up to this number, each value of a key has its own colour and symbol; if there are more, numbers have a colour scale. */
const VALUES = 8;
/** If the largest value is at least this multiple of the smallest, powers of ten are enough ticks for a logarithmic axis. */
const DECADES = 100;
/** A description of the values that `near` leaves out. */
const FAR = "more than 4 interquartile ranges from the quartiles";

/** The ticks of an axis for sorted numbers: all numbers, or five of them if powers of ten are too few for a logarithmic axis; undefined if
 * ECharts chooses the ticks. */
function marked(values, isLog) {
    if (values.length <= VALUES) return values;
    const last = values.length - 1;
    return isLog && values[last] < DECADES * values[0] ? [0, 1, 2, 3, 4].map((index) => values[Math.round(index / 4 * last)]) : undefined;
}

const pen = document.createElement("canvas").getContext("2d");
pen.font = "11px system-ui, sans-serif";
/** Width of the widest label, in pixels. */
const widest = (labels) => most(labels.map((label) => pen.measureText(label).width));

/** The smallest number not below `rough` that is 1, 2 or 5 times a power of ten. */
function niceStep(rough) {
    const unit = 10 ** Math.floor(Math.log10(rough));
    return [1, 2, 5, 10].map((factor) => factor * unit).find((step) => step >= rough * 0.999);
}

/** Sorts numbers. `shown` leaves out the numbers that are far from all others (see `FAR`), if these are few; `clips` says
 * whether there are any. `scale` is the scale of the axis or of the colours. */
function near(values, whole = false, scale = (value) => value) {
    const sorted = values.filter(isNumber).sort((one, other) => one - other);
    const at = (share) => scale(sorted[Math.round(share * (sorted.length - 1))]);
    const [low, high] = [at(0.25), at(0.75)];
    const fence = 4 * (high - low);
    const inside = sorted.filter((value) => scale(value) >= low - fence && scale(value) <= high + fence);
    const span = (all) => scale(all[all.length - 1]) - scale(all[0]);
    const clips = inside.length >= 0.85 * sorted.length && span(inside) > 0 && span(sorted) > 4 * span(inside);
    const shown = clips && !whole ? inside : sorted;
    return { shown, clips, low: shown[0], high: shown[shown.length - 1] };
}

/** Round bounds of an axis. Values far from all others are outside of it, unless `whole`. */
function bounds(values, whole = false) {
    const { shown, clips, low: first, high: last } = near(values, whole);
    if (shown.length === 0) return { min: 0, max: 1, interval: 0.5 };
    const margin = last > first ? 0.02 * (last - first) : Math.abs(first) * 0.05 || 0.5;
    const interval = niceStep((last - first + 2 * margin) / 7);
    // If no value is negative, the axis does not start below zero.
    const min = first >= 0 ? Math.max(0, Math.floor((first - margin) / interval)) : Math.floor((first - margin) / interval);
    const round = (value) => Number(value.toPrecision(12));
    return { min: round(min * interval), max: round(Math.ceil((last + margin) / interval) * interval), interval, clips };
}

/** The position of a value between the ends of a scale, clamped to 0 and 1. */
const shareOf = (value, low, high) => Math.min(Math.max((value - low) / (high - low), 0), 1);

/** An axis of numbers, from `bounds`. */
function numberAxis(name, { min, max, interval }) {
    const decimals = Math.max(0, -Math.floor(Math.log10(interval) + 1e-9));
    const isPlain = decimals < 5 && Math.max(Math.abs(min), Math.abs(max)) < 1e6;
    return { type: "value", name, min, max, interval,
        axisLabel: { formatter: (value) => (isPlain ? value.toFixed(decimals) : short(value)) } };
}
