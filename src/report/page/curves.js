// Learning curves: one line per setting, with a band over its seeds.

/** Number of settings whose learning curves are shown at first. */
const CURVES = 12;

function showCurves(page) {
    const splits = ["train", "validation"].filter((split) => page.trials.some(({ curves }) => curves?.[split]?.epoch.length > 0));
    if (splits.length === 0) return;
    const section = page.section("Learning curves", [page.isFoldable
        ? "Each line is the mean over the seeds of a setting; the band goes from the lowest to the highest seed." : "",
        page.epoch_step > 1 ? `The chart has every ${page.epoch_step}th epoch and the last one; curves.parquet has all epochs.` : ""]
        .filter(Boolean).join(" "));
    let [metric, split] = [CURVE_METRICS.includes(page.sorted_by) ? page.sorted_by : CURVE_METRICS[0], splits.includes(page.split)
        ? page.split : splits[0]];
    section.append(element("div", { class: "controls" },
        select("metric", CURVE_METRICS.map((name) => [name, TITLES[name]]), metric,
            (chosen) => { metric = chosen; chart.update(); }),
        splits.length > 1 ? select("split", splits.map((name) => [name, name]), split,
            (chosen) => { split = chosen; chart.update(); }) : null));
    const legend = element("div");
    const signOf = ({ index, trials }, palette) => {
        // If a setting is a value of one key, it has the same colour and symbol as in the other charts.
        if (page.varied.length === 1 && page.settings.length <= VALUES) return { ...coloursOf(page, palette).of(trials[0]), dash: "solid" };
        const { colours } = palette;
        return {
            colour: colours[index % colours.length], symbol: SYMBOLS[(index + Math.floor(index / colours.length)) % SYMBOLS.length],
            dash: DASHES[Math.floor(index / colours.length) % DASHES.length],
        };
    };
    // The settings of the selected trials that have a curve, and those that are shown.
    let [settings, shown] = [[], new Set()];
    page.updates.push(() => {
        const trials = new Set(page.chosen);
        const have = (setting) => setting.trials.filter((trial) => trials.has(trial) && splits.some((split) => band([trial], split, metric).length > 0));
        const before = settings.map(({ setting }) => setting.index).join();
        settings = [...new Set(page.chosen.map((trial) => trial.setting))].map((setting) => ({ setting,
            trials: have(setting) })).filter(({ trials }) => trials.length > 0);
        if (settings.map(({ setting }) => setting.index).join() !== before) shown = new Set(settings.slice(0,
            CURVES).map(({ setting }) => setting));
        const isOpen = legend.querySelector("details")?.open;
        const items = settings.map(({ setting }) => {
            const { colour, symbol, dash } = signOf(setting, theme());
            return element("li", {}, element("button",
                { type: "button", "aria-pressed": String(shown.has(setting)), title: page.settingName(setting),
                onclick: (event) => {
                if (!shown.delete(setting)) shown.add(setting);
                event.currentTarget.setAttribute("aria-pressed", String(shown.has(setting)));
                chart.update();
            } }, sign(colour, symbol, dash), page.compactName(setting)));
        });
        const list = (some) => element("ul", { class: "legend", "aria-label": "settings whose curves are shown" }, some);
        legend.replaceChildren(...(settings.length < 2 || page.varied.length < 2 ? []
            : [element("p", { class: "soft note" }, `Settings: ${page.compactNames()}`)]),
            ...(settings.length < 2 ? [] : [list(items.slice(0, CURVES))]),
            ...(settings.length > CURVES ? [element("details", { open: isOpen ? "" : null },
                element("summary", {}, `${plural(settings.length - CURVES, "more setting")}`), list(items.slice(CURVES)))]
                : []));
    });
    section.append(legend);
    const chart = page.chart(section, (colours, width, whole) => {
        const drawn = settings.filter(({ setting }) => shown.has(setting))
            .map(({ setting, trials }) => ({ name: page.settingName(setting), band: band(trials, split, metric),
                several: trials.length > 1, ...signOf(setting, colours) }))
            .filter(({ band }) => band.length > 0);
        if (drawn.length === 0) return { empty: "No selected setting has a learning curve for this split." };
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
                    here.sort((one, other) => (BETTER[metric] === "higher" ? -1 : 1) * (one.point[1] - other.point[1]));
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

/** Epoch, mean, lowest and highest value of a metric over trials. */
function band(trials, split, metric) {
    const points = trials.flatMap(({ curves }) => (curves?.[split]?.epoch ?? []).map((epoch, index) => [epoch,
        curves[split][metric]?.[index]]));
    const byEpoch = grouped(points.filter(([, value]) => isNumber(value)), ([epoch]) => epoch);
    return [...byEpoch].sort(([one], [other]) => one - other).map(([epoch, some]) => {
        const values = some.map(([, value]) => value);
        return [epoch, mean(values), least(values), most(values)];
    });
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
