// What report.html shows: tables, charts and pictures of the data that the page carries. Texts of specs and errors come
// from files of others: they become text, never markup.
"use strict";
(() => {
const data = JSON.parse(document.getElementById("data").textContent);
const main = document.getElementById("report");

// Not by `Math.min(...values)`: an argument each, which a large report has too many of.
const least = (values) => values.reduce((one, other) => (other < one ? other : one), Infinity);
const most = (values) => values.reduce((one, other) => (other > one ? other : one), -Infinity);

/** In the order of the table's columns; `best` says which figure is, where one is, `rule` how it is computed. */
const FIGURES = [
    { name: "loss", head: "loss", title: "loss, in the objective's unit", spread: true, best: least,
        rule: "the objective with the spec's weights and reduction, mean over the images" },
    { name: "elbo_nats", head: "elbo_nats", title: "ELBO (nats per image)", spread: true, best: most,
        rule: "minus recon_nats minus kl_nats, with a KL weight of 1 whatever the objective's is" },
    { name: "recon_nats", head: "recon_nats", title: "reconstruction (nats per image)", spread: true,
        rule: "-log p(x|z), summed over the pixels, mean over the images" },
    { name: "kl_nats", head: "kl_nats", title: "KL (nats per image)", spread: true,
        rule: "KL of the posterior from the prior, summed over the latent axes, mean over the images" },
    { name: "active_units", head: "active", title: "active latent axes",
        rule: "number of latent axes whose posterior mean has a variance above 0.01 over the images (Burda et al. 2016)" },
    { name: "images_per_second", head: "images/s", title: "training images per second",
        rule: "training images, repetitions included, by the seconds spent on training steps" },
    { name: "seconds", head: "seconds", title: "seconds", rule: "wall time of the trial, all its resumptions together" },
];
const TITLES = Object.fromEntries(FIGURES.map(({ name, title }) => [name, title]));
const RULES = Object.fromEntries(FIGURES.map(({ name, rule }) => [name, rule]));
const KEY_METRICS = ["elbo_nats", "loss", "recon_nats", "kl_nats", "active_units"];
const CURVE_METRICS = ["elbo_nats", "loss", "recon_nats", "kl_nats"];
const PICTURES = {
    reconstructions: "Validation images, each above its reconstruction.",
    samples: "Images of codes drawn from the prior; trials of one seed have the same codes.",
    manifold: "Images of codes all over the prior, the first latent axis to the right, the second one upwards.",
};
/** KL below which a latent axis counts as collapsed, nats per image. */
const COLLAPSED = 0.01;
/** Settings whose learning curves are shown at first. */
const CURVES = 12;
/** Trials whose latent axes or pictures are shown at first. */
const TRIALS = 24;
/** Values of a key that have a colour and a symbol each; of more, numbers have a scale of colours. */
const VALUES = 8;
/** Lines of a chart by key, at most: of more, only the points are shown. */
const LINES = 24;
/** Largest value by smallest from which on the powers of ten mark a logarithmic axis well enough. */
const DECADES = 100;
/** Where the scale of colours begins for points and lines: its first colours are too near to the ground. */
const FAINTEST = 0.35;
/** Width below which a page is a phone's. */
const NARROW = 600;

// After Okabe and Ito, so that the colour-blind tell them apart; light enough or dark enough for the ground.
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
/** What `near` leaves out, in words. */
const FAR = "more than 4 interquartile ranges from the quartiles";
/** What was trained on what, by the groups of its rows. */
const GROUPS = { data: "Data", model: "Model", objective: "Objective", train: "Training", machine: "Computed by" };

/** Whether the page is in the folder that it was written to, with the trials' folders beside it: a page that was mailed or
 * moved must not link to them. */
const isAtHome = (() => {
    if (location.protocol !== "file:") return false;
    try {
        const folder = decodeURIComponent(location.pathname).replace(/\/[^/]*$/, "") || "/";
        // FNV-1a, as vaex has it.
        const hash = new TextEncoder().encode(folder).reduce((hash, byte) => Math.imul(hash ^ byte, 0x01000193), 0x811c9dc5);
        return data.places.includes((hash >>> 0).toString(16).padStart(8, "0"));
    } catch {
        // The folder's name is no UTF-8.
        return false;
    }
})();

// ------------------------------------------------------------------------------------------------ numbers and texts

const isNumber = (value) => typeof value === "number" && Number.isFinite(value);
const isMissing = (value) => value === null || value === undefined;
const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
const plural = (count, what, several = `${what}s`) => `${count} ${count === 1 ? what : several}`;
const grouped = (all, keyOf) => {
    const groups = new Map();
    for (const one of all) groups.set(keyOf(one), [...(groups.get(keyOf(one)) ?? []), one]);
    return groups;
};

/** To so many significant digits; digits before the point are never rounded away. */
function significant(value, digits = 4) {
    if (!isNumber(value)) return "–";
    const size = Math.abs(value);
    if (size === 0 || (Number.isInteger(value) && size < 1e6)) return String(value);
    if (size < 1e-4 || size >= 1e7) return value.toExponential(digits - 1).replace("e+", "e");
    return value.toFixed(Math.max(0, digits - 1 - Math.floor(Math.log10(size))));
}

/** A number without zeros that say nothing, for axes. */
const short = (value) => significant(value).replace(/(\.\d*?)0+(?=e|$)/, "$1").replace(/\.(?=e|$)/, "");

/** A spec's value as vaex writes it. */
function text(value) {
    if (isMissing(value)) return "-";
    if (isNumber(value) && value !== 0 && (Math.abs(value) < 1e-4 || Math.abs(value) >= 1e16)) {
        return value.toExponential().replace("e+", "e");
    }
    return typeof value === "string" ? value : JSON.stringify(value);
}

/** A mean and its deviation, to the two leading digits of the deviation. */
function withDeviation(value, deviation) {
    if (!isNumber(deviation) || deviation < 1e-6) return [significant(value, 5), isNumber(deviation) ? "0" : null];
    const decimals = Math.max(0, 1 - Math.floor(Math.log10(deviation)));
    return [value.toFixed(decimals), deviation.toFixed(decimals)];
}

/** Which of an axis' sorted numbers are marked: all, or five where powers of ten mark a logarithmic axis too rarely; undefined: the axis chooses. */
function marked(values, isLog) {
    if (values.length <= VALUES) return values;
    const last = values.length - 1;
    return isLog && values[last] < DECADES * values[0] ? [0, 1, 2, 3, 4].map((index) => values[Math.round(index / 4 * last)]) : undefined;
}

/** Numbers by size, texts after them by their letters. */
function byValue(one, other) {
    if (isNumber(one) && isNumber(other)) return one - other;
    return isNumber(other) - isNumber(one) || text(one).localeCompare(text(other), undefined, { numeric: true });
}

const escaped = (text) =>
    String(text).replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
const tooltip = (...lines) => lines.map(escaped).join("<br>");

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

/** A colour of a scale, from 0 to 1. */
function rampColour(ramp, share) {
    const at = Math.min(Math.max(share, 0), 1) * (ramp.length - 1);
    const index = Math.min(Math.floor(at), ramp.length - 2);
    const parts = (colour) => [1, 3, 5].map((start) => parseInt(colour.slice(start, start + 2), 16));
    const [low, high] = [parts(ramp[index]), parts(ramp[index + 1])];
    return `rgb(${low.map((part, i) => Math.round(part + (high[i] - part) * (at - index))).join(",")})`;
}

// ------------------------------------------------------------------------------------------------ elements

/** An element with attributes and children; texts are texts. */
function element(name, attributes = {}, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) {
        if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
        else if (value !== false && !isMissing(value)) made.setAttribute(key, value);
    }
    made.append(...children.flat().filter((child) => child !== null));
    return made;
}

/** Buttons of which one is pressed. */
function choice(label, options, chosen, change) {
    const buttons = options.map(([value, shown]) => element("button", {
        type: "button", "aria-pressed": String(value === chosen),
        onclick: (event) => {
            buttons.forEach((button) => button.setAttribute("aria-pressed", String(button === event.currentTarget)));
            change(value);
        },
    }, shown));
    return element("span", { role: "group", "aria-label": label, class: "choice" }, buttons);
}

function select(label, options, chosen, change) {
    const made = options.map(([value, shown]) => element("option", { value, selected: value === chosen ? "" : null }, shown));
    return element("label", {}, label, element("select", { onchange: (event) => change(event.target.value) }, made));
}

/** A sign of a legend: a symbol, on a line if `dash` says which. */
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

/** A legend of a scale of colours. Of `values` beyond its ends it says that they have the ends' colours. */
function scaleLegend(name, [low, high], values, written, unit = "", from = 0) {
    const stops = [0, 0.25, 0.5, 0.75, 1].map((share) => rampColour(theme().ramp, from + (1 - from) * share));
    const end = (sign, value) => element("span", { class: "end" }, `${sign}${written(value)}`);
    return element("li", { class: "scale" }, element("span", {}, `${name}:`), end(least(values) < low ? "≤ " : "", low),
        element("span", { class: "ramp", style: `background: linear-gradient(to right, ${stops.join(",")})` }),
        end(most(values) > high ? "≥ " : "", high), unit);
}

/** Copies a text, also where a page may not use the clipboard by itself. */
async function copy(text) {
    try {
        await navigator.clipboard.writeText(text);
    } catch {
        const field = element("textarea", { readonly: "" }, text);
        document.body.append(field);
        field.select();
        document.execCommand("copy");
        field.remove();
    }
}

/** A label that may break after its commas. */
const breakable = (label) => label.split(",").flatMap((part, index) => (index > 0 ? [",", element("wbr"), part] : [part]));

// ------------------------------------------------------------------------------------------------ charts

const darkness = matchMedia("(prefers-color-scheme: dark)");

/** Colours as the page has them now. */
function theme() {
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(name).trim();
    const paper = document.documentElement.classList.contains("paper");
    return {
        ink: colour("--text"), soft: colour("--soft"), line: colour("--faint"), ground: colour("--ground"),
        ...(darkness.matches && !paper ? DARK : LIGHT),
    };
}

/** A place for a chart. `draw(theme, width)` returns `option`s of ECharts and a `label` that says in words what is to be
 * seen, or `empty`, a sentence why there is nothing; `clips` and `outside` where the axes leave values out, and `beyond`, what is
 * drawn of these; `note`, a sentence below the chart. */
class Chart {
    constructor(parent, draw, size = "") {
        this.draw = draw;
        this.whole = false;
        this.plot = element("div", { class: "plot", role: "img" });
        this.note = element("p", { class: "note" });
        parent.append(element("div", { class: `chart ${size}` }, this.plot, this.note));
        this.drawn = null;
    }

    update() {
        const colours = theme();
        const result = this.draw(colours, this.plot.clientWidth || this.plot.parentNode.clientWidth, this.whole);
        this.plot.hidden = Boolean(result.empty);
        this.note.replaceChildren(...[result.empty ?? result.note].filter(Boolean));
        if (result.empty) return;
        if (result.clips) this.sayOutside(result);
        if (result.height) this.plot.style.height = `${result.height}px`;
        this.drawn ??= echarts.init(this.plot, null, { renderer: "svg" });
        this.drawn.resize();
        this.drawn.setOption(this.completed(result, colours), true);
        this.plot.setAttribute("role", "img");
        this.plot.setAttribute("aria-label", result.label);
    }

    sayOutside({ outside, beyond = "" }) {
        const said = outside > 0 ? ` ${plural(outside, "value")} ${outside === 1 ? "is" : "are"} outside of the axes: ${FAR}.${beyond} ` : " ";
        this.note.append(said, element("button", { type: "button", onclick: () => {
            this.whole = !this.whole;
            this.update();
            this.note.querySelector("button")?.focus();
        } }, this.whole ? "leave out what is far from the others" : "show all"));
    }

    completed({ option, label }, { ink, soft, line, ground, colours }) {
        const axis = {
            nameLocation: "middle", nameTextStyle: { color: ink, fontSize: 12 }, splitLine: { lineStyle: { color: line } },
            axisLine: { show: true, lineStyle: { color: soft } }, axisTick: { lineStyle: { color: soft } },
        };
        const axisLabel = { color: soft, hideOverlap: true, fontSize: 11 };
        const axes = (given, nameGap) => given && {
            ...axis, nameGap, ...given, axisLabel: { ...axisLabel, ...(given.type !== "category" && { formatter: short }),
                ...given.axisLabel },
        };
        return {
            animation: false,
            color: colours,
            textStyle: { color: ink, fontFamily: "system-ui, sans-serif" },
            grid: { left: 66, right: 22, top: 16, bottom: 46 },
            ...option,
            tooltip: { confine: true, backgroundColor: ground, borderColor: soft, textStyle: { color: ink, fontSize: 12 },
                extraCssText: "box-shadow: none", ...option.tooltip },
            aria: { enabled: true, label: { description: label } },
            xAxis: axes(option.xAxis, 28),
            yAxis: axes(option.yAxis, 50),
        };
    }

    dispose() {
        this.drawn?.dispose();
    }
}

/** An axis of numbers, from `bounds`. */
function numberAxis(name, { min, max, interval }) {
    const decimals = Math.max(0, -Math.floor(Math.log10(interval) + 1e-9));
    const isPlain = decimals < 5 && Math.max(Math.abs(min), Math.abs(max)) < 1e6;
    return { type: "value", name, min, max, interval,
        axisLabel: { formatter: (value) => (isPlain ? value.toFixed(decimals) : short(value)) } };
}

// ------------------------------------------------------------------------------------------------ an experiment

/** The page of an experiment: what the filter leaves is what all of its parts show. */
class Experiment {
    constructor(experiment) {
        Object.assign(this, experiment);
        this.apart = Array.isArray(this.apart) ? this.apart : [];
        const byId = new Map(this.trials.map((trial) => [trial.trial, trial]));
        // From here on, trials are themselves where their ids were, and best first.
        this.settings = this.settings.map((setting, index) => (
            { ...setting, index, trials: setting.trials.map((id) => byId.get(id)).filter(Boolean) }));
        this.trials = this.settings.flatMap((setting) => setting.trials);
        this.settings.forEach((setting) => setting.trials.forEach((trial) => (trial.setting = setting)));
        this.isFoldable = this.settings.length < this.trials.length;
        this.seedsDiffer = new Set(this.trials.map((trial) => text(trial.spec.seed))).size > 1;
        this.folded = this.isFoldable;
        this.sort = null;
        this.filter = "";
        this.status = "";
        this.colourKey = this.varied[0] ?? null;
        this.tokens = new Map(this.trials.map((trial) => [trial, this.tokensOf(trial)]));
        this.allTokens = new Set([...this.tokens.values()].flatMap((tokens) => [...tokens]));
    }

    keyName(key) {
        return this.short[key] ?? key;
    }

    /** A figure of a trial that is done. */
    figure(trial, name) {
        if (trial.status !== "done") return null;
        const value = name === "images_per_second" || name === "seconds" ? trial[name] : trial.final[this.split]?.[name];
        return isNumber(value) ? value : null;
    }

    settingName(setting) {
        return this.varied.map((key) => `${this.keyName(key)}=${text(setting.values[key])}`).join(", ") || this.name;
    }

    /** What the values of compact names are, in order. */
    compactNames() {
        return this.varied.map((key) => this.keyName(key)).join(" · ");
    }

    /** A setting's values alone, where their names would take much room. */
    compactName(setting) {
        return this.varied.length < 2 ? this.settingName(setting) : this.varied.map((key) => text(setting.values[key])).join(" · ");
    }

    trialName(trial) {
        return trial.label || trial.trial;
    }

    /** Trials that the filter leaves, in the table's order; those that are done and have these figures. */
    done(...figures) {
        return this.chosen.filter((trial) => trial.status === "done" && figures.every((name) => this.figure(trial, name) !== null));
    }

    statuses(trials) {
        return [...grouped(trials, (trial) => trial.status)].map(([status, some]) => `${some.length} ${status}`).join(", ");
    }

    // -------------------------------------------------------------------------------------------- the page

    show() {
        this.charts = [];
        this.updates = [];
        const contents = element("nav", { class: "contents", "aria-label": "contents" });
        this.place = element("div", {}, element("h1", {}, this.name),
            element("p", {}, `${plural(this.trials.length, "trial")}: ${this.statuses(this.trials) || "none"}. `,
                this.apart.length > 0 ? `${plural(this.apart.length, "other trial")} of this folder ${this.apart.length === 1 ? "is" : "are"} not in the present plan. ` : "",
                element("span", { class: "soft" },
                `Figures are the ${this.split} split's after the last epoch; nats are per image. Means and charts include only the trials that are done; learning curves include the others too.`)),
            this.notes.length > 0 ? element("ul", { class: "soft" }, this.notes.map((note) => element("li", {}, note))) : null,
                warnings, contents);
        main.insertBefore(this.place, main.querySelector("footer"));
        if (this.trials.length === 0) return this.others(this.place);
        this.setups();
        this.failures();
        this.table();
        if (this.trials.some((trial) => trial.status === "done")) {
            this.colourControls();
            this.rate();
            this.keys();
            this.curves();
            this.axes();
            this.parallel();
        } else {
            this.place.append(element("p", {}, "No trial is done, so there are no charts yet."));
        }
        this.pictures();
        for (const heading of this.place.querySelectorAll("h2")) contents.append(element("a", { href: `#${heading.id}` },
            heading.textContent));
        this.fill();
    }

    hide() {
        clearTimeout(this.waiting);
        this.charts.forEach((chart) => chart.dispose());
        this.place.remove();
    }

    section(title, explanation) {
        const id = title.toLowerCase().replaceAll(" ", "-");
        const section = element("section", { "aria-labelledby": id }, element("h2", { id }, title));
        if (explanation) section.append(element("p", { class: "soft" }, explanation));
        this.place.append(section);
        return section;
    }

    chart(parent, draw, size) {
        const chart = new Chart(parent, draw, size);
        this.charts.push(chart);
        this.updates.push(() => chart.update());
        return chart;
    }

    update() {
        this.updates.forEach((update) => update());
    }

    /** What was trained on what: one value where all trials agree. */
    setups() {
        if (!this.setup?.length) return;
        const section = this.section("What was trained", "One value where all trials of the plan agree.");
        const said = ({ values, count }) => {
            if (count === 0) return "not recorded";
            const [first, last] = [values.slice(0, -1), values[values.length - 1]];
            const listed = count > values.length ? `${first.map(text).join(", ")}, …, ${text(last)} (${count} values)` : values.map(text).join(", ");
            return count > 1 ? element("em", {}, `varies: ${listed}`) : listed;
        };
        section.append(element("details", { class: "setups", open: main.clientWidth < NARROW ? null : "" },
            element("summary", {}, "Data, model, objective and training"),
            element("div", {}, [...grouped(this.setup, ({ group }) => group)].map(([group, rows]) => element("section", {},
                element("h3", {}, GROUPS[group] ?? group),
                element("dl", {}, rows.flatMap((row) => [element("dt", {}, row.name), element("dd", {}, said(row))])))))));
    }

    failures() {
        const failed = this.trials.filter((trial) => trial.error);
        if (failed.length === 0) return;
        const section = this.section("What failed");
        for (const [error, trials] of grouped(failed, (trial) => trial.error)) {
            const list = element("ul", {}, trials.map((trial) => element("li", {}, `${trial.status}: `,
                this.link(trial, breakable(this.trialName(trial))))));
            section.append(element("pre", { tabindex: "0" }, error),
                trials.length > 6 ? element("details", {}, element("summary", {}, plural(trials.length, "trial")), list) : list);
        }
    }

    // -------------------------------------------------------------------------------------------- the table

    /** A link to a trial's folder where that is beside the page, else a button that copies the folder's path, as vaex was
     * given it. */
    link(trial, shown) {
        if (isAtHome) {
            const href = `${trial.folder.split("/").map(encodeURIComponent).join("/")}/`;
            return element("a", { href, title: trial.folder, "aria-label": `folder of ${this.trialName(trial)}` }, shown);
        }
        const path = `${this.folder}/${trial.folder.split("/").pop()}`;
        const said = element("span", { class: "soft", role: "status" });
        const button = element("button", { type: "button", class: "copy", title: `copy ${path}`,
            "aria-label": `copy the path of the folder of ${this.trialName(trial)}`, onclick: async () => {
            await copy(path);
            said.textContent = " copied";
            setTimeout(() => (said.textContent = ""), 1500);
        } }, shown);
        return element("span", {}, button, said);
    }

    /** What a filter's words are compared with: `key=value` of all keys, and the trial's id and status. */
    tokensOf(trial) {
        const without = this.varied.filter((key) => !(key in trial.spec)).map((key) => [key, null]);
        const pairs = [...Object.entries(trial.spec), ...without].flatMap(([key, value]) =>
            [...new Set([key, this.keyName(key), key.split(".").pop()])].map((name) => `${name}=${text(value)}`));
        return new Set([...pairs, trial.trial, trial.status].map((token) => token.toLowerCase()));
    }

    /** Whether a trial has all words of the filter. A `key=value` that some trial has means just that value, else what
     * begins so: `latent_dim=2` leaves out 20. Other words may occur anywhere. */
    matches(trial) {
        if (this.status && trial.status !== this.status) return false;
        const tokens = this.tokens.get(trial);
        const line = `${this.trialName(trial)} ${trial.trial} ${trial.status}`.toLowerCase();
        return this.filter.toLowerCase().split(/[\s,]+/).filter(Boolean).every((word) => {
            if (!word.includes("=")) return line.includes(word);
            return this.allTokens.has(word) ? tokens.has(word) : [...tokens].some((token) => token.startsWith(word));
        });
    }

    table() {
        const section = this.section("Trials");
        const statuses = [...new Set(this.trials.map((trial) => trial.status))];
        const example = this.varied.length > 0 ? `${this.keyName(this.varied[0])}=${text(this.settings[0].values[this.varied[0]])}`
            : this.trials[0].trial;
        const controls = element("div", { class: "controls" }, element("label", {}, "filter",
            element("input", { type: "search", placeholder: example, value: this.filter, oninput: (event) => {
                this.filter = event.target.value;
                this.fillTable();
                clearTimeout(this.waiting);
                this.waiting = setTimeout(() => this.update(), 200);
            } })));
        if (statuses.length > 1) {
            controls.append(select("status", [["", "all"], ...statuses.map((status) => [status, status])], this.status, (status) => {
                this.status = status;
                this.fill();
            }));
        }
        if (this.isFoldable) {
            controls.append(choice("rows", [[true, "seeds folded"], [false, "every trial"]], this.folded, (folded) => {
                this.folded = folded;
                this.sort = null;
                this.fillHead();
                this.fill();
            }));
        }
        this.head = element("thead");
        this.body = element("tbody");
        this.count = element("p", { class: "soft", "aria-live": "polite" });
        section.append(controls, element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "table of trials" },
            element("table", { class: "trials" }, this.head, this.body)), this.count,
            element("details", { class: "columns" }, element("summary", {}, "What the columns mean"),
                element("dl", {}, FIGURES.flatMap(({ head, rule }) => [element("dt", {}, head), element("dd", {}, rule)]))));
        this.others(section);
        this.fillHead();
    }

    /** Trials that the present plan has not: as they were recorded, in no chart, and never the best. */
    others(parent) {
        if (this.apart.length === 0) return;
        // The keys that tell them from one another, and from the plan's.
        const all = [...this.trials, ...this.apart];
        const differs = (key) => new Set(all.map(({ spec }) => text(spec[key]))).size > 1;
        const others = [...new Set(all.flatMap(({ spec }) => Object.keys(spec)))].filter((key) => key !== "name" && differs(key)).sort();
        const keys = [...new Set([...this.varied, ...others])];
        const figure = (trial, name) => (name === "images_per_second" || name === "seconds" ? trial[name] : trial.final?.[this.split]?.[name]);
        const hasErrors = this.apart.some((trial) => trial.error);
        const head = (shown, title, kind = null) => element("th", { scope: "col", title, class: kind }, shown);
        const heads = [...keys.map((key) => head(this.keyName(key), key)), head("status", "how the trial stands", "text"),
            ...FIGURES.map(({ head: shown, title, rule }) => head(shown, `${title}: ${rule}`)),
            ...(hasErrors ? [head("error", "what went wrong", "text")] : []), head("folder", "the trial's folder", "text")];
        const rows = this.apart.map((trial) => element("tr", {}, keys.map((key) => element("td", {}, text(trial.spec[key]))),
            element("td", { class: trial.status === "failed" || trial.status === "diverged" ? "text bad" : "text" }, trial.status),
            FIGURES.map(({ name, spread }) => element("td", {}, significant(figure(trial, name), spread ? 4 : 3))),
            hasErrors ? element("td", { class: "text error", title: trial.error }, (trial.error ?? "").split("\n")[0]) : null,
            element("td", { class: "text" }, this.link(trial, trial.trial))));
        parent.append(element("details", { class: "apart", open: this.trials.length === 0 ? "" : null },
            element("summary", {}, `Not in the present plan (${this.apart.length})`),
            element("p", { class: "soft" }, "Trials of this folder that plan.json does not list, as of an earlier version of the spec. Their metrics are those of their last recorded epoch; they are in no chart and no mean, and never the best."),
            element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "table of trials that are not in the present plan" },
                element("table", {}, element("thead", {}, element("tr", {}, heads)), element("tbody", {}, rows)))));
    }

    fillHead() {
        const keys = [...this.varied, ...(!this.folded && this.seedsDiffer ? ["seed"] : [])];
        this.columns = [
            ...keys.map((key) => ({ id: key, head: this.keyName(key), title: key, of: (row) => row.values[key] })),
            { id: "status", head: this.folded ? "seeds" : "status", title: this.folded ? "how many trials there are" : "how the trial stands",
                of: (row) => this.statuses(row.trials), text: true },
            ...FIGURES.map((figure) => ({ id: figure.name, ...figure, figure: true,
                of: (row) => row.figures[figure.name]?.mean ?? null })),
        ];
        const header = this.columns.map((column) => element("th",
            { scope: "col", "aria-sort": "none", class: column.text ? "text" : null, "data-column": column.id },
            element("button", { type: "button", title: column.rule ? `${column.title}: ${column.rule}` : column.title, onclick: () => {
                const isSorted = this.sort?.id === column.id;
                this.sort = { id: column.id, up: isSorted ? !this.sort.up : column.best !== most };
                this.fill();
            } }, column.head)));
        this.head.replaceChildren(element("tr", {}, header,
            element("th", { scope: "col", class: "text" }, this.folded ? "folders" : "folder")));
    }

    /** Settings with their seeds folded, or trials. */
    rows() {
        const left = this.trials.filter((trial) => this.matches(trial));
        if (this.folded) {
            const settings = grouped(left, (trial) => trial.setting);
            return this.settings.filter((setting) => settings.has(setting)).map((setting) => {
                const trials = settings.get(setting);
                return trials.length === setting.trials.length ? setting : { values: setting.values, trials, figures: this.summaries(trials) };
            });
        }
        return left.map((trial) => ({ values: trial.spec, trials: [trial], figures: this.summaries([trial]) }));
    }

    /** Mean and sample standard deviation of each figure over some trials. */
    summaries(trials) {
        return Object.fromEntries(FIGURES.map(({ name }) => {
            const values = trials.map((trial) => this.figure(trial, name)).filter((value) => value !== null);
            if (values.length === 0) return [name, null];
            const middle = mean(values);
            const squares = values.reduce((sum, value) => sum + (value - middle) ** 2, 0);
            return [name, { mean: middle, std: values.length > 1 ? Math.sqrt(squares / (values.length - 1)) : null }];
        }));
    }

    /** Everything that the filter and the order of the table decide. */
    fill() {
        this.fillTable();
        this.update();
    }

    fillTable() {
        const rows = this.rows();
        const column = this.columns.find((one) => one.id === this.sort?.id);
        if (column) {
            const direction = this.sort.up ? 1 : -1;
            rows.sort((one, other) => {
                const [a, b] = [column.of(one), column.of(other)];
                // What has no figure comes last in any order.
                return isMissing(a) - isMissing(b) || (isMissing(a) ? 0 : direction * byValue(a, b));
            });
        }
        for (const head of this.head.querySelectorAll("th[data-column]")) {
            const isSorted = head.dataset.column === this.sort?.id;
            head.setAttribute("aria-sort", isSorted ? (this.sort.up ? "ascending" : "descending") : "none");
        }
        const best = this.best(rows);
        this.body.replaceChildren(...rows.map((row) => this.row(row, best)));
        const all = this.folded ? this.settings.length : this.trials.length;
        this.count.textContent = `${rows.length} of ${plural(all, this.folded ? "setting" : "trial")}`
            + (this.folded ? "; mean ± sample standard deviation over the seeds that are done" : "")
            + (best.size > 0 ? "; the best figure of a column is bold" : "")
            + (rows.length < all ? "; charts and pictures show the same trials" : "") + "."
            + (isAtHome ? "" : ` A click on a ${this.folded ? "seed in the column folders" : "trial's folder"} copies the folder's path.`);
        this.chosen = rows.flatMap((row) => row.trials);
    }

    /** The best figure of each column in which figures may be compared. */
    best(rows) {
        const best = new Map();
        if (!this.comparable) return best;
        for (const { name, best: extreme } of FIGURES) {
            const values = rows.map((row) => row.figures[name]?.mean).filter(isNumber);
            if (extreme && values.length > 1 && (name !== "loss" || this.sorted_by === "loss")) best.set(name, extreme(values));
        }
        return best;
    }

    row(row, best) {
        const cells = this.columns.map((column) => {
            const value = column.of(row);
            if (column.id === "status") {
                const isBad = row.trials.some((trial) => trial.status === "failed" || trial.status === "diverged");
                return element("td", { class: isBad ? "text bad" : "text" }, this.folded ? value : row.trials[0].status);
            }
            if (!column.figure) return element("td", {}, text(value));
            const deviation = column.spread ? row.figures[column.id]?.std : null;
            const [shown, spread] = isNumber(deviation) ? withDeviation(value, deviation)
                : [significant(value, column.spread ? 4 : 3), null];
            return element("td", { class: isNumber(value) && value === best.get(column.id) ? "best" : null }, shown,
                spread === null ? null : element("span", { class: "deviation" }, ` ± ${spread}`));
        });
        const links = row.trials.map((trial) => this.link(trial, this.folded ? text(trial.spec.seed) : trial.trial));
        return element("tr", {}, cells, element("td", { class: "text" }, links));
    }

    // -------------------------------------------------------------------------------------------- colours of trials

    /** A colour and a symbol for each trial by a key's value: `of(trial)`, and the items of a legend. */
    colours({ colours, ramp }, key = this.colourKey) {
        const plain = { colour: colours[0], symbol: SYMBOLS[0] };
        if (key === null) return { of: () => plain, legend: [] };
        const values = [...new Map(this.trials.map((trial) => [text(trial.spec[key]), trial.spec[key]])).values()].sort(byValue);
        if (values.length > VALUES && values.every(isNumber)) {
            const scale = this.log.includes(key) ? Math.log : (value) => value;
            const { low, high } = near(values, false, scale);
            const share = (value) => FAINTEST + (1 - FAINTEST) * shareOf(scale(value), scale(low), scale(high));
            return {
                of: (trial) => ({ colour: rampColour(ramp, share(trial.spec[key])), symbol: SYMBOLS[0] }),
                legend: [scaleLegend(this.keyName(key), [low, high], values, text, scale === Math.log ? "(logarithmic)" : "", FAINTEST)],
            };
        }
        const signs = new Map(values.map((value, index) => [text(value), {
            colour: colours[index % colours.length], symbol: SYMBOLS[(index + Math.floor(index / colours.length)) % SYMBOLS.length],
        }]));
        return {
            of: (trial) => signs.get(text(trial.spec[key])),
            legend: [...signs].map(([value, { colour, symbol }]) => element("li", {}, sign(colour, symbol),
                `${this.keyName(key)}=${value}`)),
        };
    }

    colourControls() {
        if (this.varied.length < 2) return;
        this.colourChoice = () => select("colours by", this.varied.map((key) => [key, this.keyName(key)]), this.colourKey,
            (key) => {
            this.colourKey = key;
            this.place.querySelectorAll("select[data-colours]").forEach((other) => (other.value = key));
            this.update();
        });
    }

    /** The legend of the colours that trials have, with a choice of the key that decides them, beside other controls. */
    colourLegend(section, controls = element("div", { class: "controls" })) {
        const legend = element("ul", { class: "legend" });
        if (this.colourChoice) {
            const colours = this.colourChoice();
            colours.querySelector("select").dataset.colours = "";
            controls.append(colours);
        }
        if (controls.hasChildNodes()) section.append(controls);
        section.append(legend);
        this.updates.push(() => legend.replaceChildren(...this.colours(theme()).legend));
    }

    // -------------------------------------------------------------------------------------------- rate and distortion

    rate() {
        const has = (trial) => this.figure(trial, "kl_nats") !== null && trial.spec["model.posterior"] !== "none";
        if (!this.trials.some(has)) return;
        const without = this.trials.filter((trial) => trial.status === "done" && trial.spec["model.posterior"] === "none").length;
        const section = this.section("Rate and distortion",
            "A point is a trial: its KL is the rate, its reconstruction the distortion. "
            + "The ELBO is the same all along a dashed line, and better further down and to the left."
            + (without > 0 ? ` ${plural(without, "trial")} without a KL (posterior none) ${without === 1 ? "is" : "are"} not shown.` : ""));
        this.colourLegend(section);
        this.chart(section, (colours, width, whole) => {
            const points = this.done("kl_nats", "recon_nats").filter(has);
            if (points.length === 0) return { empty: "No chosen trial is done." };
            const place = (trial) => [this.figure(trial, "kl_nats"), this.figure(trial, "recon_nats")];
            const x = bounds([...points.map((trial) => place(trial)[0]), ...(points.length < 8 ? [0] : [])], whole);
            const y = bounds(points.map((trial) => place(trial)[1]), whole);
            const isInside = ([kl, recon]) => kl >= x.min && kl <= x.max && recon >= y.min && recon <= y.max;
            const { of } = this.colours(colours);
            const isNarrow = width < NARROW;
            const lines = diagonals(x, y);
            const best = points.reduce((one, other) => (this.figure(other, "elbo_nats") > this.figure(one, "elbo_nats") ? other
                : one));
            return {
                clips: x.clips || y.clips, outside: points.filter((trial) => !isInside(place(trial))).length,
                label: `Scatter of ${plural(points.length, "trial")}, reconstruction against KL in nats per image: KL from ${short(least(points.map((one) => place(one)[0])))} to `
                    + `${short(most(points.map((one) => place(one)[0])))}. The highest ELBO, ${short(this.figure(best, "elbo_nats"))}, is that of ${this.trialName(best)}.`,
                option: {
                    grid: { left: 66, right: isNarrow ? 44 : 84, top: 22, bottom: 46 },
                    tooltip: { formatter: ({ dataIndex }) => tooltip(this.trialName(points[dataIndex]),
                        ...["elbo_nats", "recon_nats", "kl_nats", "loss"]
                        .map((name) => `${TITLES[name]}: ${significant(this.figure(points[dataIndex], name))}`)) },
                    xAxis: numberAxis(TITLES.kl_nats, x),
                    yAxis: numberAxis(TITLES.recon_nats, y),
                    series: [
                        ...lines.map(({ from, to }) => ({ type: "line", silent: true, symbol: "none", data: [from, to],
                            tooltip: { show: false }, z: 1,
                            lineStyle: { color: colours.soft, type: "dashed", width: 1, opacity: 0.55 } })),
                        // A label is beside the plot where its line leaves it to the right, else above the line's end.
                        { type: "scatter", silent: true, symbolSize: 0.1, clip: false, z: 2, tooltip: { show: false },
                            data: lines.map(({ sum, to, isRight }, index) => ({ value: to, label: {
                            show: true, formatter: `${index === 0 && isRight && !isNarrow ? "ELBO " : ""}${short(-sum)}`,
                                color: colours.soft, fontSize: 11, align: "left", position: isRight ? [5, -5] : [2, -15] } })) },
                        { type: "scatter", z: 3, symbolSize: 12, data: points.map((trial) => {
                            const { colour, symbol } = of(trial);
                            return { value: place(trial), symbol: `path://${symbol}`, itemStyle: { color: colour, opacity: 0.9 } };
                        }) },
                    ],
                },
            };
        }, "wide");
    }

    // -------------------------------------------------------------------------------------------- figures by key

    keys() {
        const keys = this.varied.filter((key) => new Set(this.trials.filter((trial) => trial.status === "done").map((trial) => text(trial.spec[key]))).size > 1);
        if (keys.length === 0) return;
        const section = this.section("Figures by key", "A point is a trial. "
            + (keys.length > 1 ? "A line joins the means of settings that differ in this key alone."
                : "The line joins the means of the settings."));
        let metric = this.sorted_by;
        const place = element("div", { class: "charts" });
        const rule = element("p", { class: "soft note" });
        const say = () => (rule.textContent = `${TITLES[metric]}: ${RULES[metric]}.`);
        say();
        const controls = element("div", { class: "controls" },
            select("figure", KEY_METRICS.map((name) => [name, TITLES[name]]), metric, (chosen) => {
            metric = chosen;
            say();
            charts.forEach((chart) => chart.update());
        }));
        if (this.varied.length > 1) this.colourLegend(section, controls);
        else section.append(controls);
        section.append(rule, place);
        const charts = keys.map((key) => this.chart(place,
            (colours, width, whole) => this.byKey(key, metric, colours, width, whole)));
    }

    /** The axis of a key: of its numbers, or, where they have no common scale, one place a value. Of many numbers, those far
     * from all others are left outside, unless `whole`. */
    keyAxis(key, trials, width, whole) {
        const values = [...new Map(trials.map((trial) => [text(trial.spec[key]), trial.spec[key]])).values()].sort(byValue);
        const positive = values.filter((value) => isNumber(value) && value > 0);
        // Zero has no place on a logarithmic axis: beside sizes of very different orders it is a category.
        const hasNoScale = positive.length < values.length && positive.length > 1 && positive[positive.length - 1] >= 20 * positive[0];
        if (!values.every(isNumber) || (hasNoScale && values.length <= 12)) {
            return { axis: { type: "category", name: key, data: values.map(text),
                axisLabel: { interval: 0, hideOverlap: false, width: (width - 90) / values.length - 6, overflow: "break" } },
                place: text, isInside: () => true };
        }
        const isLog = this.log.includes(key) && positive.length === values.length;
        const { shown, low, high, clips } = near(values, whole || values.length <= VALUES, isLog ? Math.log : undefined);
        const inside = { place: (value) => value, clips: clips && values.length > VALUES, isInside: (value) => value >= low && value <= high };
        const marks = marked(shown, isLog);
        const ticks = marks === undefined ? {}
            : { axisTick: { customValues: marks }, axisLabel: { customValues: marks, formatter: text } };
        if (!isLog) {
            const margin = 0.07 * (high - low) || 0.5;
            const range = values.length <= VALUES ? { min: low - margin, max: high + margin } : {};
            return { axis: { ...numberAxis(key, bounds(shown, true)), ...range, ...ticks }, ...inside };
        }
        const margin = (high / low) ** 0.06 || 1;
        return {
            axis: { type: "log", name: `${key} (logarithmic)`, min: low / margin, max: high * margin, 
                ...(marks !== undefined ? ticks
                    : { axisLabel: { formatter: (value) => short(value), showMinLabel: false, showMaxLabel: false } }) },
            ...inside,
        };
    }

    byKey(key, metric, colours, width, whole) {
        const trials = this.done(metric);
        if (trials.length === 0) return { empty: `${this.keyName(key)}: no chosen trial has this figure.` };
        const { axis, place, isInside, clips } = this.keyAxis(key, trials, width, whole);
        const at = (trial) => [place(trial.spec[key]), this.figure(trial, metric)];
        const y = bounds(trials.map((trial) => this.figure(trial, metric)), whole);
        const hasColours = this.varied.length > 1;
        const { of } = hasColours ? this.colours(colours) : this.colours(colours, null);
        const others = this.varied.filter((other) => other !== key);
        const rest = (trial) => others.map((other) => `${this.keyName(other)}=${text(trial.spec[other])}`).join(", ");
        const means = (some) => [...grouped(some, (trial) => text(trial.spec[key])).values()]
            .sort((one, other) => byValue(one[0].spec[key], other[0].spec[key]))
            .map((same) => [place(same[0].spec[key]), mean(same.map((trial) => this.figure(trial, metric)))]);
        let lines = [...grouped(trials,
            rest)].map(([name, some]) => ({ name, some, data: means(some) })).filter(({ data }) => data.length > 1);
        const note = lines.length > LINES ? `The lines of means are left out: there would be ${lines.length}, more than ${LINES}.` : null;
        if (lines.length > LINES) lines = [];
        const summary = means(trials);
        return {
            note, clips: y.clips || clips, outside: trials.filter((trial) => this.figure(trial, metric) > y.max || this.figure(trial,
                metric) < y.min || !isInside(trial.spec[key])).length,
            label: `${TITLES[metric]} by ${key}, ${plural(trials.length, "trial")}. Means: `
                + (summary.length > 10 ? `from ${short(least(summary.map((one) => one[1])))} to ${short(most(summary.map((one) => one[1])))}` : summary.map(([value, figure]) => `${short(figure)} at ${text(value)}`).join(", ")) + ".",
            option: {
                tooltip: { formatter: ({ data, dataIndex, seriesName, seriesType }) => (seriesType === "scatter"
                    ? tooltip(this.trialName(trials[dataIndex]),
                        `${TITLES[metric]}: ${significant(this.figure(trials[dataIndex], metric))}`)
                    : tooltip(seriesName, `${this.keyName(key)}=${text(data[0])}`, `mean: ${significant(data[1])}`)) },
                xAxis: axis,
                yAxis: numberAxis(TITLES[metric], y),
                series: [
                    ...lines.map(({ name, some, data }) => ({
                        type: "line", name: name || "all trials", data, symbol: "none", z: 2,
                        lineStyle: { width: 1.8, opacity: 0.75, color: !hasColours ? colours.colours[0] : this.colourKey === key
                            ? colours.soft : of(some[0]).colour },
                    })),
                    { type: "scatter", z: 3, symbolSize: 9, data: trials.map((trial) => {
                        const { colour, symbol } = of(trial);
                        return { value: at(trial), symbol: `path://${symbol}`, itemStyle: { color: colour, opacity: 0.85 } };
                    }) },
                ],
            },
        };
    }

    // -------------------------------------------------------------------------------------------- learning curves

    /** Epoch, mean, lowest and highest of a figure over some trials. */
    band(trials, split, metric) {
        const points = trials.flatMap(({ curves }) => (curves?.[split]?.epoch ?? []).map((epoch, index) => [epoch,
            curves[split][metric][index]]));
        const byEpoch = grouped(points.filter(([, value]) => isNumber(value)), ([epoch]) => epoch);
        return [...byEpoch].sort(([one], [other]) => one - other).map(([epoch, some]) => {
            const values = some.map(([, value]) => value);
            return [epoch, mean(values), least(values), most(values)];
        });
    }

    curves() {
        const splits = ["train", "validation"].filter((split) => this.trials.some(({ curves }) => curves?.[split]?.epoch.length > 0));
        if (splits.length === 0) return;
        const section = this.section("Learning curves", [this.isFoldable
            ? "The mean over the seeds of a setting; the band is from the lowest to the highest seed." : "",
            this.epoch_step > 1 ? `Every ${this.epoch_step}th epoch and the last one: curves.parquet has all of them.` : ""]
            .filter(Boolean).join(" "));
        let [metric, split] = [CURVE_METRICS.includes(this.sorted_by) ? this.sorted_by : "elbo_nats", splits.includes(this.split)
            ? this.split : splits[0]];
        section.append(element("div", { class: "controls" },
            select("figure", CURVE_METRICS.map((name) => [name, TITLES[name]]), metric,
                (chosen) => { metric = chosen; chart.update(); }),
            splits.length > 1 ? select("split", splits.map((name) => [name, name]), split,
                (chosen) => { split = chosen; chart.update(); }) : null));
        const legend = element("div");
        const signOf = ({ index, trials }, palette) => {
            // Where a setting is a value of one key, it looks as that does in the other charts.
            if (this.varied.length === 1 && this.settings.length <= VALUES) return { ...this.colours(palette).of(trials[0]), dash: "solid" };
            const { colours } = palette;
            return {
                colour: colours[index % colours.length], symbol: SYMBOLS[(index + Math.floor(index / colours.length)) % SYMBOLS.length],
                dash: DASHES[Math.floor(index / colours.length) % DASHES.length],
            };
        };
        // Settings of the chosen trials, and which of them have a curve.
        let [settings, shown] = [[], new Set()];
        this.updates.push(() => {
            const trials = new Set(this.chosen);
            const have = (setting) => setting.trials.filter((trial) => trials.has(trial) && splits.some((split) => this.band([trial], split, metric).length > 0));
            const before = settings.map(({ setting }) => setting.index).join();
            settings = [...new Set(this.chosen.map((trial) => trial.setting))].map((setting) => ({ setting,
                trials: have(setting) })).filter(({ trials }) => trials.length > 0);
            if (settings.map(({ setting }) => setting.index).join() !== before) shown = new Set(settings.slice(0,
                CURVES).map(({ setting }) => setting));
            const isOpen = legend.querySelector("details")?.open;
            const items = settings.map(({ setting }) => {
                const { colour, symbol, dash } = signOf(setting, theme());
                return element("li", {}, element("button",
                    { type: "button", "aria-pressed": String(shown.has(setting)), title: this.settingName(setting),
                    onclick: (event) => {
                    if (!shown.delete(setting)) shown.add(setting);
                    event.currentTarget.setAttribute("aria-pressed", String(shown.has(setting)));
                    chart.update();
                } }, sign(colour, symbol, dash), this.compactName(setting)));
            });
            const list = (some) => element("ul", { class: "legend", "aria-label": "settings whose curves are shown" }, some);
            legend.replaceChildren(...(settings.length < 2 || this.varied.length < 2 ? []
                : [element("p", { class: "soft note" }, `Settings: ${this.compactNames()}`)]),
                ...(settings.length < 2 ? [] : [list(items.slice(0, CURVES))]),
                ...(settings.length > CURVES ? [element("details", { open: isOpen ? "" : null },
                    element("summary", {}, `${plural(settings.length - CURVES, "setting")} more`), list(items.slice(CURVES)))]
                    : []));
        });
        section.append(legend);
        const chart = this.chart(section, (colours, width, whole) => {
            const drawn = settings.filter(({ setting }) => shown.has(setting))
                .map(({ setting, trials }) => ({ name: this.settingName(setting), band: this.band(trials, split, metric),
                    several: trials.length > 1, ...signOf(setting, colours) }))
                .filter(({ band }) => band.length > 0);
            if (drawn.length === 0) return { empty: "No chosen setting has a learning curve of this split." };
            const values = drawn.flatMap(({ band }) => band.flatMap(([, middle, low, high]) => (low < high ? [middle, low, high]
                : [middle])));
            const y = bounds(values, whole);
            const epochs = drawn.flatMap(({ band }) => band.map(([epoch]) => epoch));
            const [first, last] = [least(epochs), most(epochs)];
            const ends = drawn.map(({ name, band }) => `${name}: ${short(band[band.length - 1][1])}`);
            return {
                clips: y.clips, outside: values.filter((value) => value < y.min || value > y.max).length,
                label: `${TITLES[metric]} of the ${split} split by epoch, ${plural(drawn.length, "setting")}; after the last epoch ${ends.join("; ")}.`,
                option: {
                    grid: { left: 66, right: 26, top: 16, bottom: 46 },
                    tooltip: { trigger: "axis", axisPointer: { snap: true, lineStyle: { color: colours.soft } },
                        formatter: ([{ axisValue }]) => {
                        const here = drawn.map(({ name, band, several }) => ({ name, several,
                            point: band.find(([epoch]) => epoch === axisValue) })).filter(({ point }) => point);
                        here.sort((one, other) => (metric === "elbo_nats" ? -1 : 1) * (one.point[1] - other.point[1]));
                        return tooltip(`epoch ${axisValue}`, ...here.map(({ name, several, point: [, middle, low, high] }) =>
                            `${name}: ${significant(middle)}${several ? ` (${significant(low)} to ${significant(high)})` : ""}`));
                    } },
                    xAxis: { type: "value", name: "epoch", minInterval: 1, min: first === last ? first - 1 : first,
                        max: first === last ? last + 1 : last, splitLine: { show: false } },
                    yAxis: numberAxis(TITLES[metric], y),
                    series: drawn.flatMap(({ band, several, colour, symbol, dash }) => [
                        { type: "line", data: band.map(([epoch, middle]) => [epoch, middle]), symbol: `path://${symbol}`,
                            symbolSize: 7, showSymbol: band.length <= 25, z: 3,
                            lineStyle: { width: 2, color: colour, type: dash }, itemStyle: { color: colour } },
                        ...(several ? [bandSeries(band, colour)] : []),
                    ]),
                },
            };
        }, "wide");
    }

    // -------------------------------------------------------------------------------------------- latent axes

    /** The KL of a trial's latent axes, the largest first. */
    axisKl(trial) {
        const kl = trial.status === "done" ? trial.final[this.split]?.kl_axis_nats ?? [] : [];
        return kl.every(isNumber) && trial.spec["model.posterior"] !== "none" ? [...kl].sort((one, other) => other - one) : [];
    }

    axes() {
        if (!this.trials.some((trial) => this.axisKl(trial).length > 0)) return;
        const section = this.section("KL of each latent axis",
            `A row is a trial, its axes in the order of their KL. An axis whose KL is below ${COLLAPSED} nats per image has collapsed: it is hatched. `
            + `The table's column active has another rule: ${RULES.active_units}. An axis can be both active and collapsed, or neither.`);
        const legend = element("ul", { class: "legend" });
        const rows = element("p", { class: "soft" });
        section.append(legend, rows);
        const more = this.more(section, (trial) => this.axisKl(trial).length > 0);
        this.chart(section, (colours, width) => {
            const trials = more.shown();
            if (trials.length === 0) return { empty: "No chosen trial is done." };
            const isNarrow = width < NARROW;
            const kl = trials.map((trial) => this.axisKl(trial));
            const mostAxes = most(kl.map((one) => one.length));
            const alive = kl.flat().filter((nats) => nats >= COLLAPSED);
            const ends = near(alive, false, Math.log);
            const high = Math.max(ends.high ?? 0, 10 * COLLAPSED);
            const low = Math.max(COLLAPSED, Math.min(high / 10, ends.low ?? COLLAPSED));
            const share = (nats) => Math.log(nats / low) / Math.log(high / low);
            const dead = kl.map((one) => one.filter((nats) => nats < COLLAPSED).length);
            legend.replaceChildren(scaleLegend("KL", [low, high], alive, short, "nats per image (logarithmic)"),
                element("li", {}, element("span",
                    { class: "ramp", style: `width: 1.6rem; background: repeating-linear-gradient(45deg, ${colours.soft} 0 1px, transparent 1px 5px)` }), "collapsed"));
            // A phone has no room for the names of keys beside each row.
            const keys = [...this.varied, ...(this.seedsDiffer ? ["seed"] : [])];
            const names = trials.map((trial) => (isNarrow ? keys.map((key) => text(trial.spec[key])).join(" · ")
                : this.trialName(trial)) || trial.trial);
            rows.textContent = isNarrow && keys.length > 0 ? `Rows: ${keys.map((key) => this.keyName(key)).join(" · ")}.` : "";
            const room = Math.min(widest(names) + 16, isNarrow ? 110 : 380);
            const [left, right] = [room, dead.every((count) => count === 0) ? 16 : isNarrow ? 28 : 84];
            const cell = (width - left - right) / mostAxes;
            const hasNumbers = cell >= 38;
            return {
                height: 46 + 22 * trials.length,
                label: `Heat map of the KL of up to ${plural(mostAxes, "latent axis", "latent axes")} of ${plural(trials.length, "trial")}; `
                    + `${dead.reduce((sum, count) => sum + count, 0)} of ${kl.flat().length} axes have collapsed.`,
                option: {
                    grid: { left, right, top: 4, bottom: 42 },
                    tooltip: { formatter: ({ value: [axis, row, nats] }) => tooltip(this.trialName(trials[row]),
                        `axis ${axis + 1} of ${kl[row].length} by KL`, `${significant(nats)} nats per image`) },
                    xAxis: { type: "category", name: "latent axes, by KL",
                        data: Array.from({ length: mostAxes }, (_, axis) => String(axis + 1)), splitLine: { show: false },
                        axisTick: { show: false }, axisLine: { show: false } },
                    yAxis: { type: "category", inverse: true, data: names.map((_, row) => String(row)), splitLine: { show: false },
                        axisTick: { show: false }, axisLine: { show: false },
                        axisLabel: { interval: 0, hideOverlap: false, width: room - 12, overflow: "truncate",
                            formatter: (row) => names[row] } },
                    series: [
                        { type: "heatmap", itemStyle: { borderColor: colours.ground, borderWidth: cell > 5 ? 1 : 0 },
                            data: kl.flatMap((one, row) => one.map((nats,
                                axis) => ({ value: [axis, row, nats],
                                itemStyle: { color: nats < COLLAPSED ? colours.ground : rampColour(colours.ramp, share(nats)) },
                                label: { show: hasNumbers, fontSize: 11, formatter: significant(nats, 3),
                                    ...inkOn(nats < COLLAPSED ? null : rampColour(colours.ramp, share(nats)), colours) } }))) },
                        hatchSeries(kl, dead, colours, isNarrow ? "" : " collapsed"),
                    ],
                    // ECharts asks for one with a heat map; the cells have their colours already.
                    visualMap: { show: false, seriesIndex: [], min: 0, max: 1 },
                },
            };
        }, "wide");
    }

    /** The first of the chosen trials that have something, and a button for all of them. */
    more(section, has) {
        let all = false;
        const button = element("button", { type: "button", onclick: () => {
            all = !all;
            this.update();
        } });
        section.append(element("div", { class: "controls" }, button));
        const chosen = () => this.chosen.filter(has);
        this.updates.push(() => {
            button.hidden = chosen().length <= TRIALS;
            button.textContent = all ? `show the first ${TRIALS} only` : `show all ${chosen().length} trials`;
        });
        return { shown: () => (all ? chosen() : chosen().slice(0, TRIALS)) };
    }

    // -------------------------------------------------------------------------------------------- all keys together

    parallel() {
        if (this.varied.length < 3) return;
        const metric = this.sorted_by;
        const section = this.section("All keys together",
            "A line is a trial. Drag along an axis to pick the lines that pass there; a click on the axis brings all back. "
            + `An axis of up to ${VALUES} values has them at equal distances.`);
        const legend = element("ul", { class: "legend" });
        section.append(legend);
        this.chart(section, (colours, width, whole) => {
            const trials = this.done(metric);
            if (trials.length === 0) return { empty: "No chosen trial has this figure." };
            const figures = trials.map((trial) => this.figure(trial, metric));
            const { min, max, interval, clips } = bounds(figures, whole);
            const share = (value) => shareOf(value, min, max);
            legend.replaceChildren(scaleLegend(TITLES[metric], [min, max], figures, short, "", FAINTEST));
            const isNarrow = width < NARROW;
            const axis = (dim, name, rest) => ({
                dim, name, nameLocation: isNarrow ? "start" : "end", nameGap: 14,
                    nameTextStyle: { color: colours.ink, fontSize: 12, ...(isNarrow && { align: "right" }) },
                axisLine: { lineStyle: { color: colours.soft } }, ...rest,
                axisTick: { lineStyle: { color: colours.soft }, ...rest.axisTick },
                // A ground behind the labels, which lie upon the lines.
                axisLabel: { color: colours.ink, fontSize: 11, backgroundColor: colours.ground, padding: [1, 2],
                    ...rest.axisLabel },
            });
            const valuesOf = (key) => [...new Map(trials.map((trial) => [text(trial.spec[key]), trial.spec[key]])).values()].sort(byValue);
            const hasScale = (values) => values.length > VALUES && values.every(isNumber);
            const isLogarithmic = (key) => this.log.includes(key) && hasScale(valuesOf(key));
            const names = [...this.varied.map((key) => `${this.keyName(key)}${isLogarithmic(key) ? " (log)" : ""}`),
                isNarrow ? metric : TITLES[metric]];
            const axes = this.varied.map((key, dim) => {
                const values = valuesOf(key);
                if (!hasScale(values)) return axis(dim, names[dim], { type: "category", data: values.map(text) });
                const isLog = this.log.includes(key);
                const { shown, low, high, clips } = near(values, whole, isLog ? Math.log : undefined);
                const ends = isLog ? { type: "log", min: low, max: high } : { ...bounds(shown, true), type: "value" };
                const marks = { customValues: marked(shown, isLog) };
                return axis(dim, names[dim],
                    { ...ends, clips, axisTick: marks, axisLabel: { ...marks, formatter: short, hideOverlap: true } });
            });
            axes.push(axis(axes.length, names[axes.length],
                { type: "value", min, max, interval, clips, axisLabel: { formatter: short } }));
            const lines = trials.map((trial, index) => [...this.varied.map((key, dim) => (axes[dim].type === "category"
                ? text(trial.spec[key]) : trial.spec[key])), figures[index]]);
            // A line that would leave an axis is bent to its end.
            const onAxis = (value, dim) => (axes[dim].type === "category" ? value : Math.min(Math.max(value, axes[dim].min), axes[dim].max));
            const isOutside = (line) => line.filter((value, dim) => onAxis(value, dim) !== value).length;
            return {
                clips: axes.some((one) => one.clips), outside: lines.reduce((sum, line) => sum + isOutside(line), 0),
                beyond: " Their lines are dashed, and drawn to the end of the axis.",
                label: `Parallel coordinates of ${plural(trials.length, "trial")}: ${this.varied.join(", ")} and ${TITLES[metric]}. The table has the same numbers.`,
                height: isNarrow ? 100 * axes.length : 420,
                option: {
                    tooltip: { formatter: ({ data, dataIndex }) => tooltip(data.name,
                        `${TITLES[metric]}: ${significant(figures[dataIndex])}`) },
                    parallel: { left: isNarrow ? Math.min(widest(names) * 1.1 + 26, width / 2) : 60, right: isNarrow ? 22 : 90,
                        top: isNarrow ? 16 : 40, bottom: isNarrow ? 36 : 26, layout: isNarrow ? "vertical" : "horizontal",
                        parallelAxisDefault: { areaSelectStyle: { color: colours.soft, borderColor: colours.soft,
                            opacity: 0.25 } } },
                    parallelAxis: axes,
                    series: [{ type: "parallel", inactiveOpacity: 0.06, activeOpacity: 0.9, data: trials.map((trial, index) => ({
                        name: this.trialName(trial), value: lines[index].map(onAxis),
                        lineStyle: { width: 1.8, opacity: trials.length > 60 ? 0.6 : 0.85,
                            type: isOutside(lines[index]) > 0 ? "dashed" : "solid",
                            color: rampColour(colours.ramp, FAINTEST + (1 - FAINTEST) * share(figures[index])) },
                    })) }],
                },
            };
        }, "wide");
    }

    // -------------------------------------------------------------------------------------------- pictures

    pictures() {
        const kinds = Object.keys(PICTURES).filter((kind) => this.trials.some((trial) => trial.pictures?.[kind]));
        if (kinds.length === 0) return;
        const section = this.section("Pictures");
        let kind = kinds[0];
        const explanation = element("p", { class: "soft" });
        const place = element("div", { class: "pictures" });
        const change = (chosen) => {
            kind = chosen;
            this.update();
        };
        section.append(element("div", { class: "controls" },
            choice("kind of picture", kinds.map((name) => [name, name]), kind, change),
            choice("size", [["16rem", "small"], ["32rem", "large"]], "16rem", (size) => {
                place.style.setProperty("--size", size);
                place.style.setProperty("--phone", size === "16rem" ? "10rem" : "100%");
            })), explanation);
        const more = this.more(section, (trial) => trial.pictures?.[kind]);
        section.append(place);
        this.updates.push(() => {
            const trials = more.shown();
            const without = this.chosen.filter((trial) => !trial.pictures?.[kind]).length;
            explanation.textContent = PICTURES[kind] + (this.tiles
                ? ` To keep the page small, at most ${this.tiles} columns of each are shown; the trials' folders have all.` : "") + (without > 0
                ? ` ${plural(without, "trial")} of the table ${without === 1 ? "has" : "have"} none.` : "");
            place.replaceChildren(...trials.map((trial) => element("figure", {},
                element("img", { src: trial.pictures[kind], alt: `${kind} of ${this.trialName(trial)}`, loading: "lazy",
                    decoding: "async" }),
                element("figcaption", {}, breakable(this.trialName(trial)), trial.status === "done" ? "" : ` (${trial.status})`))));
        });
    }
}

/** Lines of equal ELBO, reconstruction + KL being `sum`, within a rectangle; the highest first. */
function diagonals({ min: left, max: right }, { min: bottom, max: top }) {
    const [low, high] = [left + bottom, right + top];
    const step = niceStep((high - low) / 9);
    const found = [];
    for (let sum = Math.ceil(low / step) * step; sum <= high; sum += step) {
        const from = sum - left <= top ? [left, sum - left] : [sum - top, top];
        const to = sum - right >= bottom ? [right, sum - right] : [sum - bottom, bottom];
        // Short ones in the corners say little.
        if (to[0] - from[0] > 0.08 * (right - left)) found.push({ sum: Number(sum.toPrecision(12)), from, to,
            isRight: to[0] === right });
    }
    return found.reverse();
}

/** The area from the lowest to the highest seed. */
function bandSeries(band, colour) {
    return {
        type: "custom", silent: true, clip: true, z: 1, tooltip: { show: false }, data: [[band[0][0], band[0][1]]],
        renderItem: (params, api) => ({
            type: "polygon", silent: true, style: { fill: colour, opacity: 0.16 },
            shape: { points: [...band.map(([epoch, , low]) => api.coord([epoch, low])),
                ...band.map(([epoch, , , high]) => api.coord([epoch, high])).reverse()] },
        }),
    };
}

/** The collapsed axes of each row, which are its last ones, hatched, and their number beside the row. */
function hatchSeries(kl, dead, { soft }, unit) {
    return {
        type: "custom", silent: true, z: 3, tooltip: { show: false }, data: kl.map((_, row) => [0, row]), clip: false,
        renderItem: (params, api) => {
            const row = api.value(1);
            if (dead[row] === 0) return null;
            const [width, height] = api.size([1, 1]);
            const centre = (axis) => api.coord([axis, row]);
            const x = centre(kl[row].length - dead[row])[0] - width / 2;
            const y = centre(0)[1] - height / 2;
            const area = { x: x + 0.5, y: y + 0.5, width: width * dead[row] - 1, height: height - 1 };
            // Lines of 45 degrees, each cut to the rectangle.
            const path = [];
            for (let at = 6; at < area.width + area.height; at += 6) {
                const down = Math.max(0, at - area.width);
                const over = Math.max(0, at - area.height);
                path.push(`M${area.x + at - down} ${area.y + down}L${area.x + over} ${area.y + at - over}`);
            }
            const { coordSys } = params;
            return { type: "group", silent: true, children: [
                { type: "rect", shape: area, style: { fill: "none", stroke: soft, lineWidth: 0.7, opacity: 0.7 } },
                { type: "path", shape: { pathData: path.join("") || `M${area.x} ${area.y}` },
                    style: { fill: "none", stroke: soft, lineWidth: 1, opacity: 0.6 } },
                { type: "text", style: { text: `${dead[row]}${unit}`, x: coordSys.x + coordSys.width + 6, y: y + height / 2,
                    fill: soft, fontSize: 11, textVerticalAlign: "middle" } },
            ] };
        },
    };
}

/** The colour of a text that is readable on another colour. */
function inkOn(colour, { ink }) {
    if (colour === null) return { color: ink };
    const [red, green, blue] = colour.match(/\d+/g).map(Number);
    return { color: 0.3 * red + 0.59 * green + 0.11 * blue > 135 ? "#111" : "#fff" };
}

// ------------------------------------------------------------------------------------------------ the page

const warnings = data.warnings.length === 0 ? null
    : element("div", { class: "warning" }, element("strong", {}, plural(data.warnings.length, "warning")),
    element("ul", {}, data.warnings.map((warning) => element("li", {}, warning))));
const experiments = data.experiments.map((experiment) => new Experiment(experiment));
let open = null;

function show(experiment) {
    open?.hide();
    open = experiment;
    for (const button of document.querySelectorAll("nav.experiments button")) {
        const isOpen = button.dataset.index === String(experiments.indexOf(experiment));
        if (isOpen) button.setAttribute("aria-current", "page");
        else button.removeAttribute("aria-current");
    }
    experiment.show();
}

if (experiments.length > 1) {
    main.append(element("nav", { class: "experiments", "aria-label": "experiments" }, experiments.map((experiment, index) =>
        element("button", { type: "button", "data-index": index, onclick: () => show(experiment) },
            `${experiment.name} (${experiment.trials.length})`))));
}
main.append(element("footer", {},
    `Written by vaex ${data.version} on ${data.created.replace("T", " ").replace("Z", " UTC")}. Charts by Apache ECharts.`));
if (experiments.length > 0) show(experiments[0]);
else main.prepend(element("h1", {}, data.title), element("p", {}, "There are no trials."), ...(warnings ? [warnings] : []));

const redraw = () => open?.update();
darkness.addEventListener("change", redraw);
let width = main.clientWidth;
new ResizeObserver(() => {
    if (main.clientWidth === width) return;
    width = main.clientWidth;
    redraw();
}).observe(main);
const onPaper = (isOn) => () => {
    document.documentElement.classList.toggle("paper", isOn);
    redraw();
};
addEventListener("beforeprint", onPaper(true));
addEventListener("afterprint", onPaper(false));
})();
