// One metric against another, as the reader chooses.

/** The first pairs of metrics that are shown if the trials have both. */
const PAIRS = [["mig", "dci_disentanglement"], ["test_nll_nats", "test_active_units"], ["validation_nll_nats", "validation_active_units"]];

function showAgainst(page) {
    const value = (trial, name) => trial.measured[name] ?? page.metric(trial, name);
    const has = (name) => page.trials.filter((trial) => trial.status === "done" && isNumber(value(trial, name))).length > 1;
    const measured = [...new Set(page.trials.flatMap((trial) => Object.keys(trial.measured)))].filter((name) => !name.endsWith("_se"));
    if (!measured.some(has)) return;
    const names = [...measured, ...KEY_METRICS].filter(has);
    if (names.length < 2) return;
    let [across, up] = PAIRS.find((pair) => pair.every((name) => names.includes(name))) ?? names;
    const section = page.section("Metric against metric", "Each point is a trial, with the metrics that are chosen here.");
    const shown = names.map((name) => [name, TITLES[name] ?? name]);
    const controls = element("div", { class: "controls" },
        select("to the right", shown, across, (name) => { across = name; page.update(); }),
        select("upwards", shown, up, (name) => { up = name; page.update(); }));
    colourLegend(page, section, controls);
    page.chart(section, (colours, _, whole) => {
        const points = page.done().filter((trial) => [across, up].every((name) => isNumber(value(trial, name))));
        if (points.length === 0) return { empty: "No selected trial has both metrics." };
        const place = (trial) => [value(trial, across), value(trial, up)];
        const [x, y] = [0, 1].map((axis) => bounds(points.map((trial) => place(trial)[axis]), whole));
        const isInside = ([one, other]) => one >= x.min && one <= x.max && other >= y.min && other <= y.max;
        const { of } = coloursOf(page, colours);
        const title = (name) => TITLES[name] ?? name;
        return {
            clips: x.clips || y.clips, outside: points.filter((trial) => !isInside(place(trial))).length,
            label: `Scatter of ${plural(points.length, "trial")}: ${title(up)} against ${title(across)}.`,
            option: {
                tooltip: { formatter: ({ dataIndex }) => tooltip(page.trialName(points[dataIndex]),
                    ...[across, up].map((name) => `${title(name)}: ${significant(value(points[dataIndex], name))}`)) },
                xAxis: numberAxis(title(across), x),
                yAxis: numberAxis(title(up), y),
                series: [{ type: "scatter", symbolSize: 12, data: points.map((trial) => {
                    const { colour, symbol } = of(trial);
                    return { value: place(trial), symbol: `path://${symbol}`, itemStyle: { color: colour, opacity: 0.9 } };
                }) }],
            },
        };
    }, "wide");
}
