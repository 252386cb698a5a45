// Rate and distortion: KL and reconstruction of each trial.

function showRate(page) {
    const has = (trial) => page.metric(trial, "kl_nats") !== null && trial.spec["model.posterior"] !== "none";
    if (!page.trials.some(has)) return;
    const without = page.trials.filter((trial) => trial.status === "done" && trial.spec["model.posterior"] === "none").length;
    const section = page.section("Rate and distortion",
        "Each point is a trial: its KL is the rate, its reconstruction is the distortion. "
        + "The ELBO is constant along a dashed line; it is better towards the lower left."
        + (without > 0 ? ` ${plural(without, "trial")} without a KL (posterior none) ${without === 1 ? "is" : "are"} not shown.` : ""));
    colourLegend(page, section);
    page.chart(section, (colours, width, whole) => {
        const points = page.done("kl_nats", "recon_nats").filter(has);
        if (points.length === 0) return { empty: "No selected trial is done." };
        const place = (trial) => [page.metric(trial, "kl_nats"), page.metric(trial, "recon_nats")];
        const x = bounds([...points.map((trial) => place(trial)[0]), ...(points.length < 8 ? [0] : [])], whole);
        const y = bounds(points.map((trial) => place(trial)[1]), whole);
        const isInside = ([kl, recon]) => kl >= x.min && kl <= x.max && recon >= y.min && recon <= y.max;
        const { of } = coloursOf(page, colours);
        const isNarrow = width < NARROW;
        const lines = diagonals(x, y);
        const crosses = meansOf(page, points).map(({ setting, kl, recon }) => ({ colour: of(setting.trials[0]).colour,
            bars: [[[kl.interval[0], recon.mean], [kl.interval[1], recon.mean]], [[kl.mean, recon.interval[0]],
            [kl.mean, recon.interval[1]]]] }));
        const best = points.reduce((one, other) => (page.metric(other, "elbo_nats") > page.metric(one, "elbo_nats") ? other
            : one));
        return {
            note: crosses.length > 0 ? "A cross is the mean of a setting, with its 95 % intervals over other seeds as far as they are inside of the axes." : null,
            clips: x.clips || y.clips, outside: points.filter((trial) => !isInside(place(trial))).length,
            label: `Scatter of ${plural(points.length, "trial")}, reconstruction against KL in nats per image: KL from ${short(least(points.map((one) => place(one)[0])))} to `
                + `${short(most(points.map((one) => place(one)[0])))}. The trial with the highest ELBO, ${short(page.metric(best, "elbo_nats"))}, is ${page.trialName(best)}.`,
            option: {
                grid: { left: 66, right: isNarrow ? 44 : 84, top: 22, bottom: 46 },
                tooltip: { formatter: ({ dataIndex }) => tooltip(page.trialName(points[dataIndex]),
                    ...KEY_METRICS.filter((name) => UNITS[name] === "nats" || UNITS[name] === "")
                    .map((name) => `${TITLES[name]}: ${significant(page.metric(points[dataIndex], name))}`)) },
                xAxis: numberAxis(TITLES.kl_nats, x),
                yAxis: numberAxis(TITLES.recon_nats, y),
                series: [
                    ...lines.map(({ from, to }) => ({ type: "line", silent: true, symbol: "none", data: [from, to],
                        tooltip: { show: false }, z: 1,
                        lineStyle: { color: colours.soft, type: "dashed", width: 1, opacity: 0.55 } })),
                    // If a line leaves the plot on the right, its label is next to the plot, else above the end of the line.
                    { type: "scatter", silent: true, symbolSize: 0.1, clip: false, z: 2, tooltip: { show: false },
                        data: lines.map(({ sum, to, isRight }, index) => ({ value: to, label: {
                        show: true, formatter: `${index === 0 && isRight && !isNarrow ? "ELBO " : ""}${short(-sum)}`,
                            color: colours.soft, fontSize: 11, align: "left", position: isRight ? [5, -5] : [2, -15] } })) },
                    ...crosses.flatMap(({ colour, bars }) => bars.map((data) => ({ type: "line", silent: true, symbol: "none", data,
                        tooltip: { show: false }, z: 3, lineStyle: { color: colour, width: 1.5 } }))),
                    { type: "scatter", z: 3, symbolSize: 12, data: points.map((trial) => {
                        const { colour, symbol } = of(trial);
                        return { value: place(trial), symbol: `path://${symbol}`,
                            itemStyle: { color: colour, opacity: crosses.length > 0 ? 0.55 : 0.9 } };
                    }) },
                ],
            },
        };
    }, "wide");
}

/** Largest number of settings whose means are drawn. */
const MEANS = 40;

/** The mean KL and reconstruction of each setting that has an interval, and all of whose trials are selected; none if there are too
 * many. */
function meansOf(page, points) {
    const selected = new Set(points);
    const settings = page.settings.filter(({ trials, metrics }) => metrics.kl_nats?.interval && metrics.recon_nats?.interval
        && trials.every((trial) => trial.status !== "done" || selected.has(trial)));
    return settings.length > MEANS ? [] : settings.map((setting) => ({ setting, kl: setting.metrics.kl_nats,
        recon: setting.metrics.recon_nats }));
}

/** Lines of equal ELBO in a rectangle, where `sum` is reconstruction + KL; the largest sum first. */
function diagonals({ min: left, max: right }, { min: bottom, max: top }) {
    const [low, high] = [left + bottom, right + top];
    const step = niceStep((high - low) / 9);
    const found = [];
    for (let sum = Math.ceil(low / step) * step; sum <= high; sum += step) {
        const from = sum - left <= top ? [left, sum - left] : [sum - top, top];
        const to = sum - right >= bottom ? [right, sum - right] : [sum - bottom, bottom];
        // Short lines in the corners are left out.
        if (to[0] - from[0] > 0.08 * (right - left)) found.push({ sum: Number(sum.toPrecision(12)), from, to,
            isRight: to[0] === right });
    }
    return found.reverse();
}
