// Parallel coordinates of all keys.

function showParallel(page) {
    if (page.varied.length < 3) return;
    const metric = page.sorted_by;
    const section = page.section("Parallel coordinates",
        "Each line is a trial. Drag along an axis to select the lines that cross it there; click the axis to show all lines. "
        + (page.search ? "Trials that were stopped early are faint, with the value that they had then. " : "")
        + `An axis with up to ${VALUES} values shows them at equal distances.`);
    const legend = element("ul", { class: "legend" });
    section.append(legend);
    page.chart(section, (colours, width, whole) => {
        const done = page.done(metric);
        if (done.length === 0) return { empty: "No selected trial has this metric." };
        // Trials that a search stopped early are faint, with the value that they had then.
        const stopped = page.chosen.filter((trial) => trial.status === "pruned" && isNumber(page.recorded(trial, metric)));
        const trials = [...stopped, ...done];
        const values = trials.map((trial) => page.recorded(trial, metric));
        const { min, max, interval, clips } = bounds(values.slice(stopped.length), whole);
        const share = (value) => shareOf(value, min, max);
        legend.replaceChildren(scaleLegend(TITLES[metric], [min, max], values.slice(stopped.length), short, "", FAINTEST));
        const isNarrow = width < NARROW;
        const axis = (dim, name, rest) => ({
            dim, name, nameLocation: isNarrow ? "start" : "end", nameGap: 14,
                nameTextStyle: { color: colours.ink, fontSize: 12, ...(isNarrow && { align: "right" }) },
            axisLine: { lineStyle: { color: colours.soft } }, ...rest,
            axisTick: { lineStyle: { color: colours.soft }, ...rest.axisTick },
            // A background for the labels, which are on top of the lines.
            axisLabel: { color: colours.ink, fontSize: 11, backgroundColor: colours.ground, padding: [1, 2],
                ...rest.axisLabel },
        });
        const valuesOf = (key) => [...new Map(trials.map((trial) => [text(trial.spec[key]), trial.spec[key]])).values()].sort(byValue);
        const hasScale = (values) => values.length > VALUES && values.every(isNumber);
        const isLogarithmic = (key) => page.log.includes(key) && hasScale(valuesOf(key));
        const names = [...page.varied.map((key) => `${page.keyName(key)}${isLogarithmic(key) ? " (log)" : ""}`),
            isNarrow ? metric : TITLES[metric]];
        const axes = page.varied.map((key, dim) => {
            const values = valuesOf(key);
            if (!hasScale(values)) return axis(dim, names[dim], { type: "category", data: values.map(text) });
            const isLog = page.log.includes(key);
            const { shown, low, high, clips } = near(values, whole, isLog ? Math.log : undefined);
            const ends = isLog ? { type: "log", min: low, max: high } : { ...bounds(shown, true), type: "value" };
            const marks = { customValues: marked(shown, isLog) };
            return axis(dim, names[dim],
                { ...ends, clips, axisTick: marks, axisLabel: { ...marks, formatter: short, hideOverlap: true } });
        });
        axes.push(axis(axes.length, names[axes.length],
            { type: "value", min, max, interval, clips, axisLabel: { formatter: short } }));
        const lines = trials.map((trial, index) => [...page.varied.map((key, dim) => (axes[dim].type === "category"
            ? text(trial.spec[key]) : trial.spec[key])), values[index]]);
        // A value outside of an axis is drawn at its end.
        const onAxis = (value, dim) => (axes[dim].type === "category" ? value : Math.min(Math.max(value, axes[dim].min), axes[dim].max));
        const isOutside = (line, index) => (index < stopped.length ? 0 : line.filter((value, dim) => onAxis(value, dim) !== value).length);
        return {
            clips: axes.some((one) => one.clips), outside: lines.reduce((sum, line, index) => sum + isOutside(line, index), 0),
            beyond: " Their lines are dashed and go to the end of the axis.",
            label: `Parallel coordinates of ${plural(trials.length, "trial")}: ${page.varied.join(", ")} and ${TITLES[metric]}. The table has the same numbers.`,
            height: isNarrow ? 100 * axes.length : 420,
            option: {
                tooltip: { formatter: ({ data, dataIndex }) => tooltip(data.name,
                    `${TITLES[metric]}: ${significant(values[dataIndex])}`) },
                parallel: { left: isNarrow ? Math.min(widest(names) * 1.1 + 26, width / 2) : 60, right: isNarrow ? 22 : 90,
                    top: isNarrow ? 16 : 40, bottom: isNarrow ? 36 : 26, layout: isNarrow ? "vertical" : "horizontal",
                    parallelAxisDefault: { areaSelectStyle: { color: colours.soft, borderColor: colours.soft,
                        opacity: 0.25 } } },
                parallelAxis: axes,
                series: [{ type: "parallel", inactiveOpacity: 0.06, activeOpacity: 0.9, data: trials.map((trial, index) => ({
                    name: page.trialName(trial), value: lines[index].map(onAxis),
                    lineStyle: { width: index < stopped.length ? 1 : 1.8,
                        opacity: index < stopped.length ? 0.2 : done.length > 60 ? 0.6 : 0.85,
                        type: isOutside(lines[index], index) > 0 ? "dashed" : "solid",
                        color: rampColour(colours.ramp, FAINTEST + (1 - FAINTEST) * share(values[index])) },
                })) }],
            },
        };
    }, "wide");
}
