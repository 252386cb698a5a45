// Axes and scales: round bounds, marks, and what is left outside.

/** Values of a key that have a colour and a symbol each; of more, numbers have a scale of colours. */
const VALUES = 8;
/** Largest value by smallest from which on the powers of ten mark a logarithmic axis well enough. */
const DECADES = 100;
/** What `near` leaves out, in words. */
const FAR = "more than 4 interquartile ranges from the quartiles";

/** Which of an axis' sorted numbers are marked: all, or five where powers of ten mark a logarithmic axis too rarely; undefined: the axis chooses. */
function marked(values, isLog) {
    if (values.length <= VALUES) return values;
    const last = values.length - 1;
    return isLog && values[last] < DECADES * values[0] ? [0, 1, 2, 3, 4].map((index) => values[Math.round(index / 4 * last)]) : undefined;
}

const pen = document.createElement("canvas").getContext("2d");
pen.font = "11px system-ui, sans-serif";
/** Width of the widest of some labels of an axis, in pixels. */
const widest = (labels) => most(labels.map((label) => pen.measureText(label).width));

/** The smallest of 1, 2 and 5 times a power of ten that is not below `rough`. */
function niceStep(rough) {
    const unit = 10 ** Math.floor(Math.log10(rough));
    return [1, 2, 5, 10].map((factor) => factor * unit).find((step) => step >= rough * 0.999);
}

/** Numbers by size, `shown` without those that are far from all others, where these are few: see `FAR`; `clips` says whether
 * there are any. `scale` is the axis' or the colours'. */
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

/** Round bounds of an axis. Values far from all others are left outside of it, unless `whole`. */
function bounds(values, whole = false) {
    const { shown, clips, low: first, high: last } = near(values, whole);
    if (shown.length === 0) return { min: 0, max: 1, interval: 0.5 };
    const margin = last > first ? 0.02 * (last - first) : Math.abs(first) * 0.05 || 0.5;
    const interval = niceStep((last - first + 2 * margin) / 7);
    // What is never negative has no axis below zero.
    const min = first >= 0 ? Math.max(0, Math.floor((first - margin) / interval)) : Math.floor((first - margin) / interval);
    const round = (value) => Number(value.toPrecision(12));
    return { min: round(min * interval), max: round(Math.ceil((last + margin) / interval) * interval), interval, clips };
}

/** Where a value lies between the ends of a scale, from 0 to 1; beyond them, at the end. */
const shareOf = (value, low, high) => Math.min(Math.max((value - low) / (high - low), 0), 1);

/** An axis of numbers, from `bounds`. */
function numberAxis(name, { min, max, interval }) {
    const decimals = Math.max(0, -Math.floor(Math.log10(interval) + 1e-9));
    const isPlain = decimals < 5 && Math.max(Math.abs(min), Math.abs(max)) < 1e6;
    return { type: "value", name, min, max, interval,
        axisLabel: { formatter: (value) => (isPlain ? value.toFixed(decimals) : short(value)) } };
}
