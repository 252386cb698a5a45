// The table of trials or of settings: its controls, its order, its best values.

function showTable(page) {
    const section = page.section("Trials");
    const statuses = [...new Set(page.trials.map((trial) => trial.status))];
    const example = page.varied.length > 0 ? `${page.keyName(page.varied[0])}=${text(page.settings[0].values[page.varied[0]])}`
        : page.trials[0].trial;
    const controls = element("div", { class: "controls" }, element("label", {}, "filter",
        element("input", { type: "search", placeholder: example, value: page.filter, oninput: (event) => {
            page.filter = event.target.value;
            // The reader may go on typing.
            page.fill(200);
        } })));
    if (statuses.length > 1) {
        controls.append(select("status", [["", "all"], ...statuses.map((status) => [status, status])], page.status, (status) => {
            page.status = status;
            page.fill();
        }));
    }
    if (page.isFoldable) {
        controls.append(choice("rows", [[true, "one row per setting"], [false, "one row per trial"]], page.folded, (folded) => {
            page.folded = folded;
            page.sort = null;
            fillHead(page);
            page.fill();
        }));
    }
    page.head = element("thead");
    page.body = element("tbody");
    page.count = element("p", { class: "soft", "aria-live": "polite" });
    section.append(controls, element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "table of trials" },
        element("table", { class: "trials" }, page.head, page.body)), page.count,
        element("details", { class: "columns" }, element("summary", {}, "What the columns mean"),
            element("dl", {}, TABLE_METRICS.flatMap(({ head, rule }) => [element("dt", {}, head), element("dd", {}, rule)]))));
    showUnplanned(page, section);
    fillHead(page);
}

function fillHead(page) {
    const keys = [...page.varied, ...(!page.folded && page.seedsDiffer ? ["seed"] : [])];
    page.columns = [
        ...keys.map((key) => ({ id: key, head: page.keyName(key), title: key, of: (row) => row.values[key] })),
        { id: "status", head: page.folded ? "seeds" : "status", title: page.folded ? "number of trials by status" : "the status of the trial",
            of: (row) => page.statuses(row.trials), text: true },
        ...TABLE_METRICS.map((metric) => ({ id: metric.name, ...metric, isMetric: true,
            of: (row) => row.metrics[metric.name]?.mean ?? null })),
    ];
    const header = page.columns.map((column) => element("th",
        { scope: "col", "aria-sort": "none", class: column.text ? "text" : null, "data-column": column.id },
        element("button", { type: "button", title: column.rule ? `${column.title}: ${column.rule}` : column.title, onclick: () => {
            const isSorted = page.sort?.id === column.id;
            page.sort = { id: column.id, up: isSorted ? !page.sort.up : column.best !== most };
            page.fill();
        } }, column.head)));
    page.head.replaceChildren(element("tr", {}, header,
        element("th", { scope: "col", class: "text" }, page.folded ? "folders" : "folder")));
}

/** The rows of the table: settings with folded seeds, or trials. */
function tableRows(page) {
    const left = page.trials.filter((trial) => matches(page, trial));
    if (page.folded) {
        const settings = grouped(left, (trial) => trial.setting);
        return page.settings.filter((setting) => settings.has(setting)).map((setting) => {
            const trials = settings.get(setting);
            return trials.length === setting.trials.length ? setting : { values: setting.values, trials, metrics: summaries(page, trials) };
        });
    }
    return left.map((trial) => ({ values: trial.spec, trials: [trial], metrics: summaries(page, [trial]) }));
}

/** Mean and sample standard deviation of each metric over trials. */
function summaries(page, trials) {
    return Object.fromEntries(TABLE_METRICS.map(({ name }) => {
        const values = trials.map((trial) => page.metric(trial, name)).filter((value) => value !== null);
        if (values.length === 0) return [name, null];
        const middle = mean(values);
        const squares = values.reduce((sum, value) => sum + (value - middle) ** 2, 0);
        return [name, { mean: middle, std: values.length > 1 ? Math.sqrt(squares / (values.length - 1)) : null }];
    }));
}

function fillTable(page) {
    const rows = tableRows(page);
    const column = page.columns.find((one) => one.id === page.sort?.id);
    if (column) {
        const direction = page.sort.up ? 1 : -1;
        rows.sort((one, other) => {
            const [a, b] = [column.of(one), column.of(other)];
            // Missing values are last in both orders.
            return isMissing(a) - isMissing(b) || (isMissing(a) ? 0 : direction * byValue(a, b));
        });
    }
    for (const head of page.head.querySelectorAll("th[data-column]")) {
        const isSorted = head.dataset.column === page.sort?.id;
        head.setAttribute("aria-sort", isSorted ? (page.sort.up ? "ascending" : "descending") : "none");
    }
    const best = bestValues(page, rows);
    page.body.replaceChildren(...rows.map((row) => tableRow(page, row, best)));
    const all = page.folded ? page.settings.length : page.trials.length;
    page.count.textContent = `${rows.length} of ${plural(all, page.folded ? "setting" : "trial")}`
        + (page.folded ? "; mean ± sample standard deviation over the seeds that are done" : "")
        + (best.size > 0 ? "; the best value of a column is bold" : "")
        + (rows.length < all ? "; charts and pictures show the same trials" : "") + "."
        + (isAtHome ? "" : ` Click a ${page.folded ? "seed in the column folders" : "trial folder"} to copy the path of the folder.`);
    page.chosen = rows.flatMap((row) => row.trials);
}

/** The best value of each column whose values are comparable. */
function bestValues(page, rows) {
    const best = new Map();
    if (!page.comparable) return best;
    for (const { name, best: extreme } of TABLE_METRICS) {
        const values = rows.map((row) => row.metrics[name]?.mean).filter(isNumber);
        if (extreme && values.length > 1 && (UNITS[name] !== "" || page.sorted_by === name)) best.set(name, extreme(values));
    }
    return best;
}

function tableRow(page, row, best) {
    const cells = page.columns.map((column) => {
        const value = column.of(row);
        if (column.id === "status") {
            const isBad = row.trials.some((trial) => trial.status === "failed" || trial.status === "diverged");
            return element("td", { class: isBad ? "text bad" : "text" }, page.folded ? value : row.trials[0].status);
        }
        if (!column.isMetric) return element("td", {}, text(value));
        const deviation = column.spread ? row.metrics[column.id]?.std : null;
        const [shown, spread] = isNumber(deviation) ? withDeviation(value, deviation)
            : [significant(value, column.spread ? 4 : 3), null];
        return element("td", { class: isNumber(value) && value === best.get(column.id) ? "best" : null }, shown,
            spread === null ? null : element("span", { class: "deviation" }, ` ± ${spread}`));
    });
    const links = row.trials.map((trial) => folderLink(page, trial, page.folded ? text(trial.spec.seed) : trial.trial));
    return element("tr", {}, cells, element("td", { class: "text" }, links));
}
