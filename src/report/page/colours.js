// Colours, symbols and legends: for the page, for scales, and for trials by a key.

// Based on the palette of Okabe and Ito, which colour-blind readers can distinguish, with enough contrast to the background.
const LIGHT = {
    colours: ["#0072b2", "#cc5500", "#008a63", "#c98500", "#b45f92", "#43a2dd", "#6f6200", "#6b6b6b"],
    ramp: ["#dbe9f4", "#9cc4e0", "#4f93c4", "#1f629d", "#0c2f5a"],
};
const DARK = {
    colours: ["#4aa3df", "#ee7d3b", "#22b88c", "#e8ad1c", "#d98fb9", "#a5d8f8", "#e6dc55", "#a8a8a8"],
    ramp: ["#1c2c3d", "#1f4f78", "#2f80b8", "#79b9e2", "#dcf0fd"],
};
// A symbol for each colour, drawn in a box of 10 by 10 in charts and in legends.
const SYMBOLS = [
    "M5 0A5 5 0 1 1 5 10A5 5 0 1 1 5 0Z", "M.5.5H9.5V9.5H.5Z", "M5 0L10 9.5H0Z", "M5 0L10 5L5 10L0 5Z",
    "M0 .5H10L5 10Z", "M3.4 0H6.6V3.4H10V6.6H6.6V10H3.4V6.6H0V3.4H3.4Z",
    "M2 0L5 3L8 0L10 2L7 5L10 8L8 10L5 7L2 10L0 8L3 5L0 2Z", "M0 0H10L6.5 5L10 10H0L3.5 5Z",
];
const DASHES = ["solid", "dashed", "dotted"];
/** Start of the colour scale for points and lines: its first colours are too close to the background. */
const FAINTEST = 0.35;

const darkness = matchMedia("(prefers-color-scheme: dark)");

/** The current colours of the page. */
function theme() {
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(name).trim();
    const paper = document.documentElement.classList.contains("paper");
    return {
        ink: colour("--text"), soft: colour("--soft"), line: colour("--faint"), ground: colour("--ground"),
        ...(darkness.matches && !paper ? DARK : LIGHT),
    };
}

/** The colour at a place of a scale, from 0 to 1. */
function rampColour(ramp, share) {
    const at = Math.min(Math.max(share, 0), 1) * (ramp.length - 1);
    const index = Math.min(Math.floor(at), ramp.length - 2);
    const parts = (colour) => [1, 3, 5].map((start) => parseInt(colour.slice(start, start + 2), 16));
    const [low, high] = [parts(ramp[index]), parts(ramp[index + 1])];
    return `rgb(${low.map((part, i) => Math.round(part + (high[i] - part) * (at - index))).join(",")})`;
}

/** A text colour that is readable on a colour. */
function inkOn(colour, { ink }) {
    if (colour === null) return { color: ink };
    const [red, green, blue] = colour.match(/\d+/g).map(Number);
    return { color: 0.3 * red + 0.59 * green + 0.11 * blue > 135 ? "#111" : "#fff" };
}

/** A mark of a legend: a symbol, on a line if `dash` is given. */
function sign(colour, symbol, dash = null) {
    const svg = (name, attributes) => {
        const made = document.createElementNS("http://www.w3.org/2000/svg", name);
        Object.entries(attributes).forEach(([key, value]) => made.setAttribute(key, value));
        return made;
    };
    const width = dash ? 26 : 12;
    const drawn = svg("svg", { width, height: 12, viewBox: `0 0 ${width} 12`, "aria-hidden": "true" });
    const dashes = { dashed: "5 3", dotted: "2 2" }[dash];
    if (dash) drawn.append(svg("path",
        { d: `M0 6H${width}`, stroke: colour, "stroke-width": 2, ...(dashes && { "stroke-dasharray": dashes }) }));
    drawn.append(svg("path", { d: symbol, fill: colour, transform: `translate(${width / 2 - 5} 1)` }));
    return drawn;
}

/** The legend of a colour scale. `values` outside of the scale have the colours of its ends, which is marked with ≤ or ≥. */
function scaleLegend(name, [low, high], values, written, unit = "", from = 0) {
    const stops = [0, 0.25, 0.5, 0.75, 1].map((share) => rampColour(theme().ramp, from + (1 - from) * share));
    const end = (sign, value) => element("span", { class: "end" }, `${sign}${written(value)}`);
    return element("li", { class: "scale" }, element("span", {}, `${name}:`), end(least(values) < low ? "≤ " : "", low),
        element("span", { class: "ramp", style: `background: linear-gradient(to right, ${stops.join(",")})` }),
        end(most(values) > high ? "≥ " : "", high), unit);
}

/** A colour and a symbol for each trial by the value of a key, `of(trial)`, and the items of the legend. */
function coloursOf(page, { colours, ramp }, key = page.colourKey) {
    const plain = { colour: colours[0], symbol: SYMBOLS[0] };
    if (key === null) return { of: () => plain, legend: [] };
    const values = [...new Map(page.trials.map((trial) => [text(trial.spec[key]), trial.spec[key]])).values()].sort(byValue);
    if (values.length > VALUES && values.every(isNumber)) {
        const scale = page.log.includes(key) ? Math.log : (value) => value;
        const { low, high } = near(values, false, scale);
        const share = (value) => FAINTEST + (1 - FAINTEST) * shareOf(scale(value), scale(low), scale(high));
        return {
            of: (trial) => ({ colour: rampColour(ramp, share(trial.spec[key])), symbol: SYMBOLS[0] }),
            legend: [scaleLegend(page.keyName(key), [low, high], values, text, scale === Math.log ? "(logarithmic)" : "", FAINTEST)],
        };
    }
    const signs = new Map(values.map((value, index) => [text(value), {
        colour: colours[index % colours.length], symbol: SYMBOLS[(index + Math.floor(index / colours.length)) % SYMBOLS.length],
    }]));
    return {
        of: (trial) => signs.get(text(trial.spec[key])),
        legend: [...signs].map(([value, { colour, symbol }]) => element("li", {}, sign(colour, symbol),
            `${page.keyName(key)}=${value}`)),
    };
}

function addColourChoice(page) {
    if (page.varied.length < 2) return;
    page.colourChoice = () => select("colours by", page.varied.map((key) => [key, page.keyName(key)]), page.colourKey,
        (key) => {
        page.colourKey = key;
        page.place.querySelectorAll("select[data-colours]").forEach((other) => (other.value = key));
        page.update();
    });
}

/** The legend of the trials' colours, and a selection of the key for the colours, next to other controls. */
function colourLegend(page, section, controls = element("div", { class: "controls" })) {
    const legend = element("ul", { class: "legend" });
    if (page.colourChoice) {
        const colours = page.colourChoice();
        colours.querySelector("select").dataset.colours = "";
        controls.append(colours);
    }
    if (controls.hasChildNodes()) section.append(controls);
    section.append(legend);
    page.updates.push(() => legend.replaceChildren(...coloursOf(page, theme()).legend));
}
