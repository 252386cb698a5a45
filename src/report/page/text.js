// How the page writes numbers and texts.

const isNumber = (value) => typeof value === "number" && Number.isFinite(value);
const isMissing = (value) => value === null || value === undefined;
const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

// Not `Math.min(...values)`: a large report has more values than a function can have arguments.
const least = (values) => values.reduce((one, other) => (other < one ? other : one), Infinity);
const most = (values) => values.reduce((one, other) => (other > one ? other : one), -Infinity);

const plural = (count, what, several = `${what}s`) => `${count} ${count === 1 ? what : several}`;

const grouped = (all, keyOf) => {
    const groups = new Map();
    for (const one of all) groups.set(keyOf(one), [...(groups.get(keyOf(one)) ?? []), one]);
    return groups;
};

/** Rounds to significant digits; digits before the decimal point are always kept. */
function significant(value, digits = 4) {
    if (!isNumber(value)) return "–";
    const size = Math.abs(value);
    if (size === 0 || (Number.isInteger(value) && size < 1e6)) return String(value);
    if (size < 1e-4 || size >= 1e7) return value.toExponential(digits - 1).replace("e+", "e");
    return value.toFixed(Math.max(0, digits - 1 - Math.floor(Math.log10(size))));
}

/** A number without trailing zeros, for axes. */
const short = (value) => significant(value).replace(/(\.\d*?)0+(?=e|$)/, "$1").replace(/\.(?=e|$)/, "");

/** A spec's value as vaex writes it. */
function text(value) {
    if (isMissing(value)) return "-";
    if (isNumber(value) && value !== 0 && (Math.abs(value) < 1e-4 || Math.abs(value) >= 1e16)) {
        return value.toExponential().replace("e+", "e");
    }
    return typeof value === "string" ? value : JSON.stringify(value);
}

/** A mean and its deviation, rounded to two significant digits of the deviation. */
function withDeviation(value, deviation) {
    if (!isNumber(deviation) || deviation < 1e-6) return [significant(value, 5), isNumber(deviation) ? "0" : null];
    const decimals = Math.max(0, 1 - Math.floor(Math.log10(deviation)));
    return [value.toFixed(decimals), deviation.toFixed(decimals)];
}

/** Compares values: numbers by size, then texts in alphabetical order. */
function byValue(one, other) {
    if (isNumber(one) && isNumber(other)) return one - other;
    return isNumber(other) - isNumber(one) || text(one).localeCompare(text(other), undefined, { numeric: true });
}

const escaped = (text) =>
    String(text).replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
const tooltip = (...lines) => lines.map(escaped).join("<br>");
