// The negative log-likelihood of each trial beside the bound, with their errors.

/** The distance of the trials of a setting on the axis of settings, at most. */
const SEED_STEP = 0.12;

function showLikelihood(page) {
    const has = (trial, split) => isNumber(trial.measured[`${split}_nll_nats`]);
    const split = ["test", "validation", "train"].find((one) => page.trials.some((trial) => has(trial, one)));
    if (!split) return;
    const names = { nll: `${split}_nll_nats`, bound: `${split}_elbo_nats` };
    const section = page.section("Likelihood",
        `Negative log-likelihood of the ${split} images by importance sampling (filled), and the negative ELBO (hollow), nats per image, with 95 % `
        + "intervals over the images. The difference is the gap of the bound.");
    colourLegend(page, section);
    page.chart(section, (colours, width, whole) => {
        const trials = page.done().filter((trial) => has(trial, split));
        if (trials.length === 0) return { empty: "No selected trial has a likelihood." };
        const settings = [...new Set(trials.map((trial) => trial.setting))];
        const step = SEED_STEP / Math.max(1, most(settings.map((one) => one.trials.length)) / 6);
        const x = (trial) => {
            const own = trials.filter((other) => other.setting === trial.setting);
            return settings.indexOf(trial.setting) + step * (own.indexOf(trial) - (own.length - 1) / 2);
        };
        const point = (trial, name, sign) => {
            const [value, error] = [trial.measured[name], trial.measured[`${name}_se`]];
            return isNumber(value) ? { trial, name, x: x(trial), value: sign * value, reach: isNumber(error) ? 1.96 * error : 0 } : null;
        };
        const all = trials.flatMap((trial) => [point(trial, names.nll, 1), point(trial, names.bound, -1)]).filter(Boolean);
        const y = bounds(all.flatMap(({ value, reach }) => [value - reach, value + reach]), whole);
        const { of } = coloursOf(page, colours);
        const isInside = ({ value }) => value >= y.min && value <= y.max;
        const best = trials.reduce((one, other) => (other.measured[names.nll] < one.measured[names.nll] ? other : one));
        return {
            clips: y.clips, outside: all.filter((one) => !isInside(one)).length,
            label: `Negative log-likelihood and negative ELBO of ${plural(trials.length, "trial")}, in nats per image. The lowest negative log-likelihood, `
                + `${short(best.measured[names.nll])}, has ${page.trialName(best)}.`,
            option: {
                tooltip: { formatter: ({ dataIndex }) => {
                    const { trial, name, reach } = all[dataIndex];
                    return tooltip(page.trialName(trial), `${name}: ${significant(trial.measured[name], 5)} ± ${significant(reach, 2)}`);
                } },
                xAxis: { type: "value", name: page.compactNames(), min: -0.5, max: settings.length - 0.5, interval: 1,
                    splitLine: { show: false }, axisTick: { show: false },
                    axisLabel: { customValues: settings.map((_, index) => index), formatter: (index) => page.compactName(settings[index]) } },
                yAxis: { ...numberAxis("nats per image", y), axisLine: { show: true, onZero: false, lineStyle: { color: colours.soft } } },
                series: [
                    { type: "custom", silent: true, tooltip: { show: false }, z: 2, clip: true,
                        data: all.map(({ x: at, value, reach }) => [at, value - reach, value + reach]),
                        renderItem: (_, api) => {
                            const [at, low] = api.coord([api.value(0), api.value(1)]);
                            const high = api.coord([api.value(0), api.value(2)])[1];
                            const path = `M${at} ${low}V${high}M${at - 4} ${low}H${at + 4}M${at - 4} ${high}H${at + 4}`;
                            return { type: "path", shape: { pathData: path },
                                style: { fill: "none", stroke: colours.soft, lineWidth: 1.2 } };
                        } },
                    { type: "scatter", z: 3, symbolSize: 10, data: all.map((one) => {
                        const { colour, symbol } = of(one.trial);
                        const isBound = one.name === names.bound;
                        return { value: [one.x, one.value], symbol: `path://${symbol}`, itemStyle: {
                            color: isBound ? colours.ground : colour, borderColor: colour, borderWidth: 1.6 } };
                    }) },
                ],
            },
        };
    }, "wide");
}
