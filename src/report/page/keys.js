// Metrics by key: one chart per key that varies.

/** Largest number of lines of a chart by key; if there are more, only points are shown. */
const LINES = 24;

function showKeys(page) {
    const keys = page.varied.filter((key) => new Set(page.trials.filter((trial) => trial.status === "done").map((trial) => text(trial.spec[key]))).size > 1);
    if (keys.length === 0) return;
    const section = page.section("Metrics by key", "Each point is a trial. "
        + (keys.length > 1 ? "Each line connects the means of settings that differ only in this key."
            : "The line connects the means of the settings."));
    let metric = page.sorted_by;
    const place = element("div", { class: "charts" });
    const rule = element("p", { class: "soft note" });
    const say = () => (rule.textContent = `${TITLES[metric]}: ${RULES[metric]}.`);
    say();
    const controls = element("div", { class: "controls" },
        select("metric", KEY_METRICS.map((name) => [name, TITLES[name]]), metric, (chosen) => {
        metric = chosen;
        say();
        charts.forEach((chart) => chart.update());
    }));
    if (page.varied.length > 1) colourLegend(page, section, controls);
    else section.append(controls);
    section.append(rule, place);
    const charts = keys.map((key) => page.chart(place,
        (colours, width, whole) => chartByKey(page, key, metric, colours, width, whole)));
}

/** The axis of a key: numbers or, if they have no common scale, one category per value. If there are many numbers, those far
 * from all others are outside of the axis, unless `whole`. */
function keyAxis(page, key, trials, width, whole) {
    const values = [...new Map(trials.map((trial) => [text(trial.spec[key]), trial.spec[key]])).values()].sort(byValue);
    const positive = values.filter((value) => isNumber(value) && value > 0);
    // Zero is not on a logarithmic axis: with values of very different sizes, the axis has categories.
    const hasNoScale = positive.length < values.length && positive.length > 1 && positive[positive.length - 1] >= 20 * positive[0];
    if (!values.every(isNumber) || (hasNoScale && values.length <= 12)) {
        return { axis: { type: "category", name: key, data: values.map(text),
            axisLabel: { interval: 0, hideOverlap: false, width: (width - 90) / values.length - 6, overflow: "break" } },
            place: text, isInside: () => true };
    }
    const isLog = page.log.includes(key) && positive.length === values.length;
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

function chartByKey(page, key, metric, colours, width, whole) {
    const trials = page.done(metric);
    if (trials.length === 0) return { empty: `${page.keyName(key)}: no selected trial has this metric.` };
    const { axis, place, isInside, clips } = keyAxis(page, key, trials, width, whole);
    const at = (trial) => [place(trial.spec[key]), page.metric(trial, metric)];
    const y = bounds(trials.map((trial) => page.metric(trial, metric)), whole);
    const hasColours = page.varied.length > 1;
    const { of } = hasColours ? coloursOf(page, colours) : coloursOf(page, colours, null);
    const others = page.varied.filter((other) => other !== key);
    const rest = (trial) => others.map((other) => `${page.keyName(other)}=${text(trial.spec[other])}`).join(", ");
    const means = (some) => [...grouped(some, (trial) => text(trial.spec[key])).values()]
        .sort((one, other) => byValue(one[0].spec[key], other[0].spec[key]))
        .map((same) => [place(same[0].spec[key]), mean(same.map((trial) => page.metric(trial, metric)))]);
    let lines = [...grouped(trials,
        rest)].map(([name, some]) => ({ name, some, data: means(some) })).filter(({ data }) => data.length > 1);
    const note = lines.length > LINES ? `The lines of means are hidden, because there are ${lines.length}, more than ${LINES}.` : null;
    if (lines.length > LINES) lines = [];
    const summary = means(trials);
    return {
        note, clips: y.clips || clips, outside: trials.filter((trial) => page.metric(trial, metric) > y.max || page.metric(trial,
            metric) < y.min || !isInside(trial.spec[key])).length,
        label: `${TITLES[metric]} by ${key}, ${plural(trials.length, "trial")}. Means: `
            + (summary.length > 10 ? `from ${short(least(summary.map((one) => one[1])))} to ${short(most(summary.map((one) => one[1])))}` : summary.map(([value, middle]) => `${short(middle)} at ${text(value)}`).join(", ")) + ".",
        option: {
            tooltip: { formatter: ({ data, dataIndex, seriesName, seriesType }) => (seriesType === "scatter"
                ? tooltip(page.trialName(trials[dataIndex]),
                    `${TITLES[metric]}: ${significant(page.metric(trials[dataIndex], metric))}`)
                : tooltip(seriesName, `${page.keyName(key)}=${text(data[0])}`, `mean: ${significant(data[1])}`)) },
            xAxis: axis,
            yAxis: numberAxis(TITLES[metric], y),
            series: [
                ...lines.map(({ name, some, data }) => ({
                    type: "line", name: name || "all trials", data, symbol: "none", z: 2,
                    lineStyle: { width: 1.8, opacity: 0.75, color: !hasColours ? colours.colours[0] : page.colourKey === key
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
