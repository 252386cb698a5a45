// A search: the history of the best value, the importance of its keys, slices, and a map of two keys.


function showSearch(page) {
    const search = page.search;
    if (!search || search.settings.length < 2) return;
    const section = page.section("Search", `${search.line}. Each point is a setting: the mean of its seeds. Values of different numbers of `
        + "epochs are not comparable, so all charts show one number of epochs. Settings that were stopped early are faint.");
    const sign = search.better === "higher" ? -1 : 1;
    let rung = 0;
    // The most important keys first.
    const share = (key) => search.importance.find(([name]) => name === key)?.[1] ?? 0;
    let [across, up] = [...page.searched].sort((one, other) => share(other) - share(one));
    // Those of which a trial is selected.
    const values = () => {
        const chosen = new Set(page.chosen.map(({ trial }) => trial));
        return search.settings.filter((one) => isNumber(one.values[rung]) && one.trials.some((id) => chosen.has(id)));
    };
    const title = () => `${TITLES[search.name] ?? search.name} after epoch ${search.rungs[rung].epoch}`;
    const controls = element("div", { class: "controls" });
    if (search.rungs.length > 1) {
        controls.append(select("after epoch", search.rungs.map(({ epoch, reached }, index) => [String(index), `${epoch} (${plural(reached, "setting")})`]),
            "0", (chosen) => { rung = Number(chosen); charts.forEach((chart) => chart.update()); }));
    }
    if (controls.hasChildNodes()) section.append(controls);
    const opacity = (setting) => (setting.stopped === null ? 0.9 : 0.3);
    const name = (setting) => `setting ${setting.number}: ${Object.entries(setting.keys).map(([key, value]) => `${page.keyName(key)}=${text(value)}`).join(", ")}`;
    const said = (setting) => tooltip(name(setting), `${title()}: ${significant(setting.values[rung])}`,
        setting.stopped === null ? "" : `stopped after epoch ${setting.stopped}`);
    const point = (setting, colours, value, colour = colours.colours[0]) => ({ value, itemStyle: { color: colour, opacity: opacity(setting) } });
    const charts = [];
    charts.push(page.chart(section, (colours, width, whole) => {
        const shown = values();
        if (shown.length === 0) return { empty: "No selected setting has reached this epoch." };
        const y = bounds(shown.map((one) => one.values[rung]), whole);
        let best = null;
        const steps = shown.map((one) => {
            if (best === null || sign * one.values[rung] < sign * best) best = one.values[rung];
            return [one.number, best];
        });
        return {
            clips: y.clips, outside: shown.filter((one) => one.values[rung] > y.max || one.values[rung] < y.min).length,
            label: `${title()} of ${plural(shown.length, "setting")} in the order of their proposals; the best is ${short(best)}.`,
            option: {
                tooltip: { formatter: ({ dataIndex, seriesType }) => (seriesType === "scatter" ? said(shown[dataIndex])
                    : tooltip(`best of the settings 0 to ${steps[dataIndex][0]}`, significant(steps[dataIndex][1]))) },
                xAxis: { type: "value", name: "setting, in the order of the proposals", min: 0, max: Math.max(search.settings.length - 1, 1) },
                yAxis: numberAxis(title(), y),
                series: [
                    { type: "line", step: "end", data: steps, symbol: "none", lineStyle: { width: 2, color: colours.soft } },
                    { type: "scatter", symbolSize: 9, data: shown.map((one) => point(one, colours, [one.number, one.values[rung]])) },
                ],
            },
        };
    }, "wide"));
    if (search.importance.length > 0) {
        section.append(element("h3", {}, "Importance of the keys"), element("p", { class: "soft" },
            `How much the density of the best tenth of the settings differs from that of all, by key (PED-ANOVA, Watanabe et al. 2023): all settings after epoch ${search.rungs[0].epoch}. `
            + "The shares sum to 1; with few settings they are uncertain."));
        page.chart(section, (colours) => {
            if (values().length === 0) return { empty: "No selected setting has reached this epoch." };
            const rows = [...search.importance].sort((one, other) => one[1] - other[1]);
            return {
                height: 60 + 26 * rows.length,
                label: `Importance of ${plural(rows.length, "key")}: ${[...rows].reverse().map(([key, share]) => `${key} ${share.toFixed(2)}`).join(", ")}.`,
                option: {
                    tooltip: { formatter: ({ name: key, value }) => tooltip(key, value.toFixed(3)) },
                    grid: { left: 20, right: 30, top: 10, bottom: 40, containLabel: true },
                    xAxis: { type: "value", name: "importance", min: 0, max: 1 },
                    yAxis: { type: "category", data: rows.map(([key]) => key) },
                    series: [{ type: "bar", data: rows.map(([, share]) => share), itemStyle: { color: colours.colours[0] }, barMaxWidth: 16 }],
                },
            };
        }, "wide");
    }
    section.append(element("h3", {}, "Slices"));
    const place = element("div", { class: "charts" });
    section.append(place);
    for (const key of page.searched) {
        charts.push(page.chart(place, (colours, width, whole) => {
            const shown = values().filter((one) => !isMissing(one.keys[key]));
            if (shown.length === 0) return { empty: `${page.keyName(key)}: no selected setting that has reached this epoch has a value.` };
            const { axis, place: at, isInside, clips } = keyAxis(page, key, shown.map((one) => ({ spec: one.keys })), width, whole);
            const y = bounds(shown.map((one) => one.values[rung]), whole);
            return {
                clips: y.clips || clips,
                outside: shown.filter((one) => one.values[rung] > y.max || one.values[rung] < y.min || !isInside(one.keys[key])).length,
                label: `${title()} by ${key}, ${plural(shown.length, "setting")}.`,
                option: {
                    tooltip: { formatter: ({ dataIndex }) => said(shown[dataIndex]) },
                    xAxis: axis, yAxis: numberAxis(title(), y),
                    series: [{ type: "scatter", symbolSize: 9,
                        data: shown.map((one) => point(one, colours, [at(one.keys[key]), one.values[rung]])) }],
                },
            };
        }));
    }
    if (page.searched.length < 2) return;
    section.append(element("h3", {}, "Map of two keys"));
    const legend = element("ul", { class: "legend" });
    const names = page.searched.map((key) => [key, page.keyName(key)]);
    const redraw = () => map.update();
    section.append(element("div", { class: "controls" }, select("to the right", names, across, (key) => { across = key; redraw(); }),
        select("upwards", names, up, (key) => { up = key; redraw(); })), legend);
    const map = page.chart(section, (colours, width, whole) => {
        const shown = values().filter((one) => !isMissing(one.keys[across]) && !isMissing(one.keys[up]));
        if (shown.length === 0) return { empty: "No selected setting that has reached this epoch has both keys." };
        const all = shown.map((one) => one.values[rung]);
        const { min, max } = bounds(all, whole);
        legend.replaceChildren(scaleLegend(title(), [min, max], all, short, "", FAINTEST));
        const trials = shown.map((one) => ({ spec: one.keys }));
        const x = keyAxis(page, across, trials, width, whole);
        const y = keyAxis(page, up, trials, width, whole);
        return {
            label: `${title()} by ${across} and ${up}, ${plural(shown.length, "setting")}, as colours.`,
            option: {
                tooltip: { formatter: ({ dataIndex }) => said(shown[dataIndex]) },
                xAxis: x.axis, yAxis: y.axis.type === "category" ? { ...y.axis, axisLabel: {} } : y.axis,
                series: [{ type: "scatter", symbolSize: 14, data: shown.map((one) => ({
                    value: [x.place(one.keys[across]), y.place(one.keys[up])],
                    itemStyle: { color: rampColour(colours.ramp, FAINTEST + (1 - FAINTEST) * shareOf(one.values[rung], min, max)),
                        borderColor: colours.soft, borderWidth: 0.5 },
                })) }],
            },
        };
    }, "wide");
    charts.push(map);
}
