// The KL of each latent axis: one row per trial.

/** A latent axis whose KL is below this has collapsed, nats per image. */
const COLLAPSED = 0.01;

/** The KL of a trial's latent axes, the largest first. */
function axisKl(page, trial) {
    const kl = trial.status === "done" ? trial.kept[page.split]?.kl_axis_nats ?? [] : [];
    return kl.every(isNumber) && trial.spec["model.posterior"] !== "none" ? [...kl].sort((one, other) => other - one) : [];
}

function showAxes(page) {
    if (!page.trials.some((trial) => axisKl(page, trial).length > 0)) return;
    const section = page.section("KL of each latent axis",
        `Each row is a trial, with its axes sorted by KL. An axis whose KL is below ${COLLAPSED} nats per image has collapsed; it is hatched. `
        + `The column active of the table has another rule: ${RULES.active_units}. An axis can be both active and collapsed, or neither.`);
    const legend = element("ul", { class: "legend" });
    const rows = element("p", { class: "soft" });
    section.append(legend, rows);
    const more = page.more(section, (trial) => axisKl(page, trial).length > 0);
    page.chart(section, (colours, width) => {
        const trials = more.shown();
        if (trials.length === 0) return { empty: "No selected trial is done." };
        const isNarrow = width < NARROW;
        const kl = trials.map((trial) => axisKl(page, trial));
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
        // On a phone there is no space for the names of keys next to each row.
        const keys = [...page.varied, ...(page.seedsDiffer ? ["seed"] : [])];
        const names = trials.map((trial) => (isNarrow ? keys.map((key) => text(trial.spec[key])).join(" · ")
            : page.trialName(trial)) || trial.trial);
        rows.textContent = isNarrow && keys.length > 0 ? `Rows: ${keys.map((key) => page.keyName(key)).join(" · ")}.` : "";
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
                tooltip: { formatter: ({ value: [axis, row, nats] }) => tooltip(page.trialName(trials[row]),
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
                // ECharts needs a visualMap for a heat map; the cells already have colours.
                visualMap: { show: false, seriesIndex: [], min: 0, max: 1 },
            },
        };
    }, "wide");
}

/** Hatches the collapsed axes of each row, which are the last ones, and writes their number next to the row. */
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
            // Lines at 45 degrees, clipped to the rectangle.
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
