// What report.html shows: tables, charts and pictures of the data that the page carries. Texts of specs and errors come from
// files of others: they become text, never markup.
"use strict";
(() => {
const data = JSON.parse(document.getElementById("data").textContent);
const main = document.getElementById("report");

// Okabe and Ito's colours, which the colour-blind tell apart, and a symbol for each all the same.
const COLOURS = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#8f7a00", "#7f7f7f"];
const SYMBOLS = ["circle", "rect", "triangle", "diamond", "pin", "arrow", "roundRect", "emptyCircle"];
const FIGURES = [
    ["loss", "loss", "loss, in the objective's own convention", -1],
    ["elbo_nats", "ELBO", "ELBO (nats per image)", 1],
    ["recon_nats", "reconstruction", "reconstruction (nats per image)", 0],
    ["kl_nats", "KL", "KL (nats per image)", 0],
    ["active_units", "active", "active latent axes", 0],
    ["images_per_second", "images/s", "training images per second", 0],
    ["seconds", "seconds", "seconds", 0],
];
const UNITS = Object.fromEntries(FIGURES.map(([name, , unit]) => [name, unit]));
const METRICS = ["elbo_nats", "loss", "recon_nats", "kl_nats"];
/** KL below which a latent axis counts as collapsed, nats per image. */
const COLLAPSED = 0.01;
/** Settings whose learning curves are shown at first. */
const CURVES = 12;
/** Rows of the table and pictures that are drawn at most. */
const ROWS = 2000;

const charts = [];

/** An element with attributes and children; texts are texts. */
function element(name, attributes = {}, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) {
        if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
        else if (value !== false && value !== null) made.setAttribute(key, value);
    }
    made.append(...children.flat().filter((child) => child !== null));
    return made;
}

const escaped = (text) => String(text).replace(/[&<>"]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[c]);
const isNumber = (value) => typeof value === "number" && Number.isFinite(value);

/** Four significant digits, as short as they can be. */
function short(value) {
    if (!isNumber(value)) return value === null || value === undefined ? "–" : text(value);
    if (Number.isInteger(value) && Math.abs(value) < 1e6) return String(value);
    const size = Math.abs(value);
    if (size >= 1e5 || (size > 0 && size < 1e-3)) return value.toExponential(3).replace(/\.?0+e/, "e");
    return String(Number(value.toPrecision(4)));
}

/** A spec's value as one writes it. */
function text(value) {
    if (value === null || value === undefined) return "–";
    if (isNumber(value) && value !== 0 && (Math.abs(value) < 1e-4 || Math.abs(value) >= 1e15)) return value.toExponential().replace("e+", "e");
    return typeof value === "string" ? value : JSON.stringify(value);
}

/** Colours of charts, as the page has them now. */
function theme() {
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(name).trim();
    return { text: colour("--text"), soft: colour("--soft"), line: colour("--line"), ground: colour("--ground") };
}

/** A chart that is drawn anew where the colours change. `describe` says in words what it shows. */
function chart(parent, options, describe, wide = false) {
    const place = element("div", { class: wide ? "chart wide" : "chart", role: "img", "aria-label": describe });
    parent.append(place);
    const one = { place, options, drawn: null };
    charts.push(one);
    return one;
}

function draw(one) {
    one.drawn ??= echarts.init(one.place, null, { renderer: "svg" });
    const { text: ink, soft, line, ground } = theme();
    const axis = {
        axisLabel: { color: soft, hideOverlap: true }, nameTextStyle: { color: ink }, axisLine: { lineStyle: { color: soft } },
        splitLine: { lineStyle: { color: line } }, nameLocation: "middle",
    };
    const options = one.options({ ink, soft, line });
    const axes = (given, gap) => [given ?? []].flat().map((one) => ({ ...axis, nameGap: gap, ...one }));
    one.drawn.setOption({
        animation: false,
        color: COLOURS,
        textStyle: { color: ink, fontFamily: "system-ui, sans-serif" },
        tooltip: { confine: true, backgroundColor: ground, textStyle: { color: ink } },
        grid: { left: 62, right: 20, top: 44, bottom: 52 },
        aria: { enabled: true, label: { description: one.place.getAttribute("aria-label") } },
        ...options,
        title: { textStyle: { color: ink, fontSize: 14, fontWeight: 600 }, left: 0, ...options.title },
        legend: options.legend && { textStyle: { color: ink }, type: "scroll", bottom: 0, pageTextStyle: { color: ink }, pageIconColor: ink, ...options.legend },
        xAxis: options.xAxis && axes(options.xAxis, 28),
        yAxis: options.yAxis && axes(options.yAxis, 46),
    }, true);
    one.place.setAttribute("role", "img");
}

const redraw = () => charts.forEach(draw);

const figureOf = (trial, split, name) =>
    name === "images_per_second" || name === "seconds" ? trial[name] : trial.final[split]?.[name] ?? null;

/** A row of buttons of which one is pressed. */
function choice(label, options, chosen, change) {
    const buttons = options.map(([value, shown]) => element("button", {
        type: "button", "aria-pressed": String(value === chosen),
        onclick: (event) => {
            buttons.forEach((button) => button.setAttribute("aria-pressed", String(button === event.currentTarget)));
            change(value);
        },
    }, shown));
    return element("span", { role: "group", "aria-label": label, class: "controls" }, buttons);
}

function select(label, options, chosen, change) {
    const made = options.map(([value, shown]) => element("option", { value, selected: value === chosen ? "" : false }, shown));
    return element("label", {}, label, element("select", { onchange: (event) => change(event.target.value) }, made));
}

/** The parts of an experiment's page that a filter narrows. */
class Experiment {
    constructor(experiment) {
        Object.assign(this, experiment);
        this.byId = new Map(this.trials.map((trial) => [trial.trial, trial]));
        this.done = this.trials.filter((trial) => trial.status === "done" && trial.final[this.split]);
        this.shown = new Set(this.trials);
        this.folded = this.settings.length < this.trials.length;
        this.sort = null;
        this.filter = "";
        this.status = "";
    }

    name_of(key) {
        return this.short[key] ?? key;
    }

    /** Values of the varied keys in a line. */
    named(values) {
        return this.varied.map((key) => `${this.name_of(key)}=${text(values[key])}`).join(", ") || this.name;
    }

    show() {
        const counts = {};
        for (const trial of this.trials) counts[trial.status] = (counts[trial.status] ?? 0) + 1;
        const summary = Object.entries(counts).map(([status, count]) => `${count} ${status}`).join(", ");
        main.append(element("h1", {}, this.name), element("p", { class: "soft" },
            `${this.trials.length} trial${this.trials.length === 1 ? "" : "s"}: ${summary} · figures are the ${this.split} split's, of the last epoch`));
        if (this.notes.length > 0) main.append(element("ul", {}, this.notes.map((note) => element("li", {}, note))));
        this.table();
        this.failures();
        if (this.done.length > 0) {
            this.rate();
            this.sweeps();
            this.curves();
            this.axes();
            this.parallel();
        } else {
            main.append(element("p", {}, "No trial is done yet, so there are no charts."));
        }
        this.pictures();
    }

    section(title, explanation) {
        const section = element("section", {}, element("h2", {}, title));
        if (explanation) section.append(element("p", { class: "soft" }, explanation));
        main.append(section);
        return section;
    }

    failures() {
        const failed = this.trials.filter((trial) => trial.error);
        if (failed.length === 0) return;
        const section = this.section("What failed");
        const byError = new Map();
        for (const trial of failed) byError.set(trial.error, [...(byError.get(trial.error) ?? []), trial]);
        for (const [error, trials] of byError) {
            section.append(element("pre", {}, error), element("ul", {}, trials.map((trial) =>
                element("li", {}, `${trial.status}: ${trial.label || trial.trial} (${trial.trial})`))));
        }
    }

    /** The table's rows: settings with their seeds folded, or trials. */
    rows() {
        const figures = (of) => Object.fromEntries(FIGURES.map(([name]) => [name, of(name)]));
        if (this.folded) {
            return this.settings.map((setting) => {
                const trials = setting.trials.map((id) => this.byId.get(id)).filter(Boolean);
                const statuses = {};
                trials.forEach((trial) => (statuses[trial.status] = (statuses[trial.status] ?? 0) + 1));
                return {
                    values: setting.values, trials, status: Object.entries(statuses).map(([status, count]) => `${count} ${status}`).join(", "),
                    figures: figures((name) => setting.figures[name] && { mean: setting.figures[name].mean, deviation: setting.figures[name].std }),
                };
            });
        }
        const order = this.settings.flatMap((setting) => setting.trials).map((id) => this.byId.get(id)).filter(Boolean);
        return order.map((trial) => ({
            values: Object.fromEntries([...this.varied, "seed"].map((key) => [key, trial.spec[key]])), trials: [trial], status: trial.status,
            figures: figures((name) => ({ mean: trial.status === "done" ? figureOf(trial, this.split, name) : null, deviation: null })),
        }));
    }

    /** Whether a row has all words of the filter, and the status. */
    matches(row) {
        const words = this.filter.toLowerCase().split(/\s+/).filter(Boolean);
        const line = [...row.trials.map((trial) => `${trial.label} ${trial.trial} ${trial.status}`),
            ...Object.entries(row.values).map(([key, value]) => `${this.name_of(key)}=${text(value)}`)].join(" ").toLowerCase();
        return words.every((word) => line.includes(word)) && (!this.status || row.trials.some((trial) => trial.status === this.status));
    }

    table() {
        const section = this.section("Trials");
        const statuses = [...new Set(this.trials.map((trial) => trial.status))];
        const controls = element("div", { class: "controls" },
            element("label", {}, "filter", element("input", {
                type: "search", placeholder: this.varied.length > 0 ? `${this.name_of(this.varied[0])}=…` : "id, status", oninput: (event) => {
                    this.filter = event.target.value;
                    this.fill();
                },
            })));
        if (statuses.length > 1) {
            controls.append(select("status", [["", "all"], ...statuses.map((status) => [status, status])], "", (status) => {
                this.status = status;
                this.fill();
            }));
        }
        if (this.settings.length < this.trials.length) {
            controls.append(choice("rows", [[true, "seeds folded"], [false, "every trial"]], this.folded, (folded) => {
                this.folded = folded;
                this.sort = null;
                this.fill();
            }));
        }
        this.head = element("thead");
        this.body = element("tbody");
        this.count = element("p", { class: "soft", "aria-live": "polite" });
        section.append(controls, element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "table of trials" },
            element("table", {}, this.head, this.body)), this.count);
        this.fill();
    }

    /** Draws the table, and the pictures that go with its rows. */
    fill() {
        const keys = this.folded ? this.varied : [...this.varied, "seed"];
        const columns = [
            ...keys.map((key) => ({ id: key, head: key === "seed" ? "seed" : this.name_of(key), title: key, of: (row) => row.values[key], key: true })),
            { id: "status", head: this.folded ? "seeds" : "status", title: "status", of: (row) => row.status, text: true },
            ...FIGURES.map(([name, head, title]) => ({ id: name, head, title, of: (row) => row.figures[name]?.mean ?? null, figure: name })),
            { id: "folder", head: "files", title: "folder", of: (row) => row.trials[0]?.folder, text: true, link: true },
        ];
        const header = columns.map((column) => {
            const sorted = this.sort?.id === column.id ? (this.sort.up ? "ascending" : "descending") : "none";
            const button = element("button", { type: "button", title: column.title, "data-column": column.id, onclick: () => {
                this.sort = { id: column.id, up: this.sort?.id === column.id ? !this.sort.up : column.figure !== "elbo_nats" };
                this.fill();
                this.head.querySelector(`[data-column="${CSS.escape(column.id)}"]`).focus();
            } }, column.head);
            return element("th", { scope: "col", "aria-sort": sorted, class: column.text ? "text" : false }, column.link ? column.head : button);
        });
        this.head.replaceChildren(element("tr", {}, header));
        const all = this.rows();
        const rows = all.filter((row) => this.matches(row));
        if (this.sort) {
            const column = columns.find((one) => one.id === this.sort.id) ?? columns[0];
            const order = (one, other) => {
                const [a, b] = [column.of(one), column.of(other)];
                // What has no figure comes last in any order.
                const missing = (a === null || a === undefined) - (b === null || b === undefined);
                if (missing !== 0 || a === null || a === undefined) return missing;
                const sign = this.sort.up ? 1 : -1;
                return sign * (isNumber(a) && isNumber(b) ? a - b : text(a).localeCompare(text(b), undefined, { numeric: true }));
            };
            rows.sort(order);
        }
        const best = this.best(rows);
        this.body.replaceChildren(...rows.slice(0, ROWS).map((row) => this.row(row, columns, best)));
        this.count.textContent = `${rows.length} of ${all.length} rows` + (best.size > 0 ? "; the best figures are in bold" : "");
        this.shown = new Set(rows.flatMap((row) => row.trials));
        this.fillPictures?.();
    }

    /** The best figure of each column in which figures may be compared. */
    best(rows) {
        const best = new Map();
        for (const [name, , , sense] of FIGURES) {
            const comparable = name === this.sorted_by || (name === "elbo_nats" && !this.notes.some((note) => note.includes("likelihoods are not")));
            const values = rows.map((row) => row.figures[name]?.mean).filter(isNumber);
            if (sense !== 0 && comparable && values.length > 1) best.set(name, sense > 0 ? Math.max(...values) : Math.min(...values));
        }
        return best;
    }

    row(row, columns, best) {
        const cells = columns.map((column) => {
            const value = column.of(row);
            if (column.link) {
                const shown = (trial) => (this.folded ? `seed ${text(trial.spec.seed)}` : trial.trial);
                const links = row.trials.map((trial) => element("a", { href: `${trial.folder.split("/").map(encodeURIComponent).join("/")}/`, title: trial.label }, shown(trial)));
                return element("td", { class: "text" }, links.flatMap((link, index) => (index > 0 ? [" ", link] : [link])));
            }
            if (column.key) return element("td", {}, text(value));
            if (!column.figure) return element("td", { class: "text" }, text(value));
            const deviation = row.figures[column.figure]?.deviation;
            return element("td", { class: isNumber(value) && value === best.get(column.figure) ? "best" : false }, short(value),
                isNumber(deviation) ? element("span", { class: "deviation" }, ` ± ${short(Number(deviation.toPrecision(2)))}`) : null);
        });
        const failed = row.trials.some((trial) => trial.status === "failed" || trial.status === "diverged");
        return element("tr", { class: failed ? "failed" : false }, cells);
    }

    /** Trials in groups of one value of the first varied key, each with its colour and symbol. */
    groups() {
        const groups = new Map();
        const key = this.varied[0];
        // In the order of the settings, as in the learning curves.
        const order = this.settings.flatMap((setting) => setting.trials).map((id) => this.byId.get(id));
        for (const trial of order.filter((trial) => this.done.includes(trial))) {
            const name = key ? `${this.name_of(key)}=${text(trial.spec[key])}` : "trials";
            groups.set(name, [...(groups.get(name) ?? []), trial]);
        }
        return [...groups];
    }

    rate() {
        const points = this.done.filter((trial) => isNumber(trial.final[this.split].kl_nats) && isNumber(trial.final[this.split].recon_nats));
        if (points.length === 0 || points.every((trial) => trial.spec["model.posterior"] === "none")) return;
        const section = this.section("Rate and distortion",
            "The KL is the rate, the reconstruction the distortion. On a dashed line the ELBO is the same; further down and to the left is better.");
        const of = (trial, name) => trial.final[this.split][name];
        const rates = points.map((trial) => of(trial, "kl_nats"));
        const sums = points.map((trial) => of(trial, "kl_nats") + of(trial, "recon_nats"));
        const [low, high] = [Math.min(...rates), Math.max(...rates)];
        const pad = Math.max((high - low) * 0.15, 0.5);
        const [left, right] = [Math.max(0, low - pad), high + pad];
        const elbos = diagonals(Math.min(...sums), Math.max(...sums));
        chart(section, ({ soft }) => ({
            tooltip: { formatter: ({ data }) => data.trial && [data.trial.label || data.trial.trial,
                ...["elbo_nats", "recon_nats", "kl_nats"].map((name) => `${UNITS[name]}: ${short(of(data.trial, name))}`)].map(escaped).join("<br>") },
            legend: this.varied.length > 0 ? { data: this.groups().map(([name]) => name) } : undefined,
            grid: { left: 70, right: 60, top: 20, bottom: 78 },
            xAxis: { type: "value", name: UNITS.kl_nats, min: left, max: right, axisLabel: { color: soft, formatter: short, showMaxLabel: false } },
            yAxis: { type: "value", name: UNITS.recon_nats, scale: true, nameGap: 50, axisLabel: { color: soft, formatter: short } },
            series: [
                ...this.groups().map(([name, trials], index) => ({
                    name, type: "scatter", symbol: SYMBOLS[index % SYMBOLS.length], symbolSize: 11, itemStyle: { color: COLOURS[index % COLOURS.length] },
                    data: trials.filter((trial) => points.includes(trial)).map((trial) => ({ value: [of(trial, "kl_nats"), of(trial, "recon_nats")], trial })),
                })),
                ...elbos.map((elbo) => ({
                    type: "line", silent: true, symbol: "none", clip: true, tooltip: { show: false }, lineStyle: { color: soft, type: "dashed", width: 1, opacity: 0.6 },
                    data: [[left, elbo - left], [right, elbo - right]], endLabel: { show: true, formatter: `−${short(elbo)}`, color: soft, fontSize: 11 },
                })),
            ],
        }), `Scatter of ${points.length} trials: reconstruction against KL, nats per image. KL from ${short(low)} to ${short(high)}.`, true);
    }

    sweeps() {
        const keys = this.varied.filter((key) => new Set(this.done.map((trial) => text(trial.spec[key]))).size > 1);
        if (keys.length === 0) return;
        const section = this.section("What each key does", "A point is a trial; the line goes through the means over all trials of a value.");
        const place = element("div", { class: "charts" });
        let metric = this.sorted_by;
        const make = () => keys.map((key) => chart(place, ({ soft }) => {
            const values = this.done.map((trial) => trial.spec[key]);
            const numeric = values.every(isNumber);
            const points = this.done.map((trial) => ({ value: [numeric ? trial.spec[key] : text(trial.spec[key]), figureOf(trial, this.split, metric)], trial })).filter((point) => isNumber(point.value[1]));
            const means = new Map();
            for (const { value: [x, y] } of points) means.set(x, [...(means.get(x) ?? []), y]);
            let line = [...means].map(([x, all]) => [x, all.reduce((sum, y) => sum + y, 0) / all.length]);
            if (numeric) line = line.sort((one, other) => one[0] - other[0]);
            const logarithmic = numeric && this.log.includes(key);
            return {
                title: { text: this.name_of(key) },
                tooltip: { formatter: ({ data }) => data.trial ? `${escaped(data.trial.label || data.trial.trial)}<br>${escaped(UNITS[metric])}: ${short(data.value[1])}` : `mean ${short(data[1])}` },
                xAxis: numeric
                    ? { type: logarithmic ? "log" : "value", name: key, scale: true, axisLabel: { color: soft, formatter: short, hideOverlap: true } }
                    : { type: "category", name: key, data: [...new Set(points.map((point) => point.value[0]))] },
                yAxis: { type: "value", name: UNITS[metric], scale: true, axisLabel: { color: soft, formatter: short } },
                grid: { left: 66, right: 24, top: 48, bottom: 50 },
                series: [
                    { type: "line", data: line, symbol: "none", lineStyle: { width: 2 } },
                    { type: "scatter", data: points, symbolSize: 8, itemStyle: { color: COLOURS[5], opacity: 0.75 } },
                ],
            };
        }, `The chosen figure of each trial by ${key}.`));
        section.append(element("div", { class: "controls" }, select("figure", FIGURES.slice(0, 5).map(([name, , unit]) => [name, unit]), metric, (chosen) => {
            metric = chosen;
            made.forEach(draw);
        })), place);
        const made = make();
    }

    /** Mean, least and largest of a figure by epoch, over the trials of a setting. */
    band(trials, split, metric) {
        const byEpoch = new Map();
        for (const trial of trials) {
            const curve = trial.curves[split];
            curve?.epoch.forEach((epoch, index) => isNumber(curve[metric][index]) && byEpoch.set(epoch, [...(byEpoch.get(epoch) ?? []), curve[metric][index]]));
        }
        const all = [...byEpoch].sort((one, other) => one[0] - other[0]);
        return all.map(([epoch, values]) => [epoch, values.reduce((sum, value) => sum + value, 0) / values.length, Math.min(...values), Math.max(...values)]);
    }

    curves() {
        const settings = this.settings.map((setting) => ({ name: this.named(setting.values), trials: setting.trials.map((id) => this.byId.get(id)).filter((trial) => trial && Object.keys(trial.curves).length > 0) }))
            .filter((setting) => setting.trials.length > 0);
        if (settings.length === 0) return;
        const section = this.section("Learning curves", "The mean over the seeds of a setting; the band is from the lowest to the highest seed."
            + (settings.length > CURVES ? ` The ${CURVES} best settings are shown; the legend adds others.` : ""));
        let [metric, split] = [METRICS[0], this.split];
        const splits = ["train", "validation"].filter((split) => settings.some(({ trials }) => trials.some((trial) => trial.curves[split])));
        const controls = element("div", { class: "controls" },
            select("figure", METRICS.map((name) => [name, UNITS[name]]), metric, (chosen) => { metric = chosen; draw(made); }),
            select("split", splits.map((split) => [split, split]), split, (chosen) => { split = chosen; draw(made); }));
        section.append(controls);
        const made = chart(section, ({ soft }) => {
            const series = settings.flatMap(({ name, trials }, index) => {
                const band = this.band(trials, split, metric);
                const colour = COLOURS[index % COLOURS.length];
                const line = {
                    name, type: "line", data: band.map(([epoch, mean]) => [epoch, mean]), symbol: SYMBOLS[index % SYMBOLS.length], symbolSize: 6,
                    showAllSymbol: false, showSymbol: band.length <= 30, lineStyle: { width: 2, color: colour, type: ["solid", "dashed", "dotted"][Math.floor(index / COLOURS.length) % 3] },
                    itemStyle: { color: colour },
                };
                if (trials.length < 2) return [line];
                const edge = { name, type: "line", stack: `band ${index}`, stackStrategy: "all", symbol: "none", silent: true, tooltip: { show: false }, lineStyle: { opacity: 0 }, itemStyle: { color: colour } };
                return [line, { ...edge, data: band.map(([epoch, , low]) => [epoch, low]) },
                    { ...edge, data: band.map(([epoch, , low, high]) => [epoch, high - low]), areaStyle: { color: colour, opacity: 0.18 } }];
            });
            return {
                tooltip: { trigger: "item", formatter: ({ seriesName, data }) => `${escaped(seriesName)}<br>epoch ${data[0]}: ${short(data[1])}` },
                legend: settings.length > 1 ? { data: settings.map(({ name }) => name), selected: Object.fromEntries(settings.map(({ name }, index) => [name, index < CURVES])) } : undefined,
                grid: { left: 70, right: 24, top: 20, bottom: 84 },
                xAxis: { type: "value", name: "epoch", minInterval: 1, min: "dataMin", max: "dataMax" },
                yAxis: { type: "value", name: UNITS[metric], scale: true, nameGap: 50, axisLabel: { color: soft, formatter: short } },
                series,
            };
        }, `Learning curves of ${settings.length} settings.`, true);
    }

    axes() {
        const trials = this.done.map((trial) => [trial, trial.final[this.split].kl_axis_nats ?? []]).filter(([, kl]) => kl.length > 0 && kl.every(isNumber));
        if (trials.length === 0) return;
        const collapsed = trials.reduce((sum, [, kl]) => sum + kl.filter((nats) => nats < COLLAPSED).length, 0);
        const widest = Math.max(...trials.map(([, kl]) => kl.length));
        const section = this.section("KL of each latent axis",
            `The axes of each trial, the one with the largest KL first. An axis with less than ${COLLAPSED} nats per image has collapsed: it is marked ×.`);
        const rows = trials.slice(0, 200).map(([trial, kl]) => [trial, [...kl].sort((one, other) => other - one)]).reverse();
        const most = Math.max(...rows.map(([, kl]) => kl[0]), COLLAPSED);
        // Light on the dark half of the scale.
        const cells = rows.flatMap(([, kl], row) => kl.map((nats, axis) => ({ value: [axis, row, nats], label: { color: nats > most * 0.45 ? "#fff" : "#000" } })));
        const one = chart(section, ({ soft, ink }) => ({
            tooltip: { formatter: ({ value }) => `${escaped(rows[value[1]][0].label || rows[value[1]][0].trial)}<br>axis in order of KL: ${value[0] + 1}<br>${short(value[2])} nats per image` },
            grid: { left: 10, right: 90, top: 10, bottom: 50, containLabel: true },
            xAxis: { type: "category", name: "latent axes, by KL", data: Array.from({ length: widest }, (_, axis) => String(axis + 1)), splitLine: { show: false } },
            yAxis: { type: "category", data: rows.map(([trial]) => trial.label || trial.trial), axisLabel: { color: soft, width: innerWidth < 600 ? 90 : 400, overflow: "truncate", interval: 0, fontSize: 11 }, splitLine: { show: false } },
            visualMap: { min: 0, max: most, calculable: false, orient: "vertical", right: 0, top: "middle", text: ["nats", ""], textStyle: { color: ink }, itemHeight: 120,
                inRange: { color: ["#fde9c8", "#f0a860", "#c8553d", "#5b2a86", "#1d1147"] }, formatter: short },
            series: [{ type: "heatmap", data: cells, label: { show: true, formatter: ({ value }) => (value[2] < COLLAPSED ? "×" : widest <= 12 ? short(Number(value[2].toPrecision(3))) : ""), fontSize: 11 }, itemStyle: { borderColor: "transparent", borderWidth: 1 } }],
        }), `Heat map of the KL of up to ${widest} latent axes of ${rows.length} trials; ${collapsed} axes have collapsed.`, true);
        one.place.style.height = `${Math.max(12, 6 + rows.length * 1.4)}rem`;
    }

    parallel() {
        if (this.varied.length < 3) return;
        const section = this.section("All keys together", "A line is a trial. Drag along an axis to pick those that pass there.");
        const metric = this.sorted_by;
        const columns = [...this.varied.map((key) => [this.name_of(key), (trial) => trial.spec[key], this.log.includes(key)]),
            [UNITS[metric], (trial) => figureOf(trial, this.split, metric), false]];
        const figures = this.done.map((trial) => figureOf(trial, this.split, metric)).filter(isNumber);
        chart(section, ({ ink, soft }) => ({
            tooltip: { formatter: ({ data, name }) => escaped(data.name ?? name) },
            parallel: { left: 50, right: 90, top: 50, bottom: 60 },
            visualMap: { type: "continuous", dimension: columns.length - 1, min: Math.min(...figures), max: Math.max(...figures), right: 0, bottom: 0, orient: "horizontal", show: false, inRange: { color: ["#5b2a86", "#0072b2", "#e69f00"] } },
            parallelAxis: columns.map(([name, of, logarithmic], dim) => {
                const numeric = this.done.every((trial) => isNumber(of(trial)) || of(trial) === null);
                return { dim, name, nameTextStyle: { color: ink }, axisLabel: { color: soft, formatter: numeric ? short : undefined }, axisLine: { lineStyle: { color: soft } }, scale: true,
                    ...(numeric ? { type: logarithmic ? "log" : "value" } : { type: "category", data: [...new Set(this.done.map((trial) => text(of(trial))))] }) };
            }),
            series: [{ type: "parallel", lineStyle: { width: 2, opacity: 0.7 },
                data: this.done.map((trial) => ({ name: trial.label || trial.trial, value: columns.map(([, of]) => (isNumber(of(trial)) ? of(trial) : of(trial) === null ? "-" : text(of(trial)))) })) }],
        }), `Parallel coordinates of ${this.done.length} trials over ${this.varied.length} keys.`, true);
    }

    pictures() {
        const kinds = ["reconstructions", "samples", "manifold"].filter((kind) => this.trials.some((trial) => trial.pictures[kind]));
        if (kinds.length === 0) return;
        const section = this.section("Pictures");
        const explanations = {
            reconstructions: "Validation images, each above its reconstruction.", samples: "Images of codes that are drawn from the prior, the same codes in trials of one seed.",
            manifold: "Images of codes all over the prior, the first latent axis to the right, the second one upwards.",
        };
        let kind = kinds[0];
        const explanation = element("p", { class: "soft" });
        const place = element("div", { class: "pictures" });
        this.fillPictures = () => {
            explanation.textContent = `${explanations[kind]} The table's filter chooses the trials.`;
            const order = this.settings.flatMap((setting) => setting.trials).map((id) => this.byId.get(id)).filter((trial) => trial && this.shown.has(trial) && trial.pictures[kind]);
            place.replaceChildren(...order.slice(0, ROWS).map((trial) => element("figure", {},
                element("img", { src: trial.pictures[kind], alt: `${kind} of ${trial.label || trial.trial}` }),
                element("figcaption", {}, trial.label || trial.trial, trial.status === "done" ? "" : ` (${trial.status})`))));
        };
        section.append(choice("kind of picture", kinds.map((kind) => [kind, kind]), kind, (chosen) => {
            kind = chosen;
            this.fillPictures();
        }), explanation, place);
        this.fillPictures();
    }
}

/** Round values of minus the ELBO, between which there are some trials. */
function diagonals(low, high) {
    const span = Math.max(high - low, 1);
    const rough = span / 4;
    const unit = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((factor) => factor * unit).find((step) => step >= rough);
    const found = [];
    for (let at = Math.floor(low / step) * step; at <= high + step; at += step) found.push(Number(at.toPrecision(12)));
    return found;
}

if (data.warnings.length > 0) {
    main.append(element("div", { class: "warning" }, element("strong", {}, "What could not be read"), element("ul", {}, data.warnings.map((warning) => element("li", {}, warning)))));
}
const experiments = data.experiments.map((experiment) => new Experiment(experiment));
if (experiments.length === 0) main.append(element("h1", {}, data.title), element("p", {}, "There are no trials."));
experiments.forEach((experiment) => experiment.show());
main.append(element("p", { class: "soft" }, `Written by vaex ${data.version} on ${data.created.replace("T", " ").replace("Z", " UTC")}. Charts by Apache ECharts.`));
redraw();
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
addEventListener("resize", () => charts.forEach(({ drawn }) => drawn?.resize()));
})();
