// The table of trials that are not in the current plan.

/** Shows trials that are not in the current plan, as recorded. They are in no chart, and never the best. */
function showUnplanned(page, parent) {
    if (page.unplanned.length === 0) return;
    // The keys in which they differ from one another or from trials of the plan.
    const all = [...page.trials, ...page.unplanned];
    const differs = (key) => new Set(all.map(({ spec }) => text(spec[key]))).size > 1;
    const others = [...new Set(all.flatMap(({ spec }) => Object.keys(spec)))].filter((key) => key !== "name" && differs(key)).sort();
    const keys = [...new Set([...page.varied, ...others])];
    const hasErrors = page.unplanned.some((trial) => trial.error);
    const head = (shown, title, kind = null) => element("th", { scope: "col", title, class: kind }, shown);
    const heads = [...keys.map((key) => head(page.keyName(key), key)), head("status", "the status of the trial", "text"),
        ...TABLE_METRICS.map(({ head: shown, title, rule }) => head(shown, `${title}: ${rule}`)),
        ...(hasErrors ? [head("error", "the error of the trial", "text")] : []), head("folder", "the trial folder", "text")];
    const rows = page.unplanned.map((trial) => element("tr", {}, keys.map((key) => element("td", {}, text(trial.spec[key]))),
        element("td", { class: trial.status === "failed" || trial.status === "diverged" ? "text bad" : "text" }, trial.status),
        TABLE_METRICS.map(({ name, spread }) => element("td", {}, significant(page.recorded(trial, name), spread ? 4 : 3))),
        hasErrors ? element("td", { class: "text error", title: trial.error }, (trial.error ?? "").split("\n")[0]) : null,
        element("td", { class: "text" }, folderLink(page, trial, trial.trial))));
    parent.append(element("details", { class: "unplanned", open: page.trials.length === 0 ? "" : null },
        element("summary", {}, `Not in the current plan (${page.unplanned_count})`),
        element("p", { class: "soft" }, "Trials in this folder that are not in plan.json, for example from an earlier version of the spec. Their metrics are those of the last recorded epoch. They are in no chart and no mean, and never the best."
            + (page.unplanned.length < page.unplanned_count ? ` The table has the first ${page.unplanned.length}; trials.parquet has all.` : "")),
        element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "table of trials that are not in the current plan" },
            element("table", {}, element("thead", {}, element("tr", {}, heads)), element("tbody", {}, rows)))));
}
