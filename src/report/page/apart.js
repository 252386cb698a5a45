// The table of the trials that the present plan has not.

/** Trials that the present plan has not: as they were recorded, in no chart, and never the best. */
function showApart(page, parent) {
    if (page.apart.length === 0) return;
    // The keys that tell them from one another, and from the plan's.
    const all = [...page.trials, ...page.apart];
    const differs = (key) => new Set(all.map(({ spec }) => text(spec[key]))).size > 1;
    const others = [...new Set(all.flatMap(({ spec }) => Object.keys(spec)))].filter((key) => key !== "name" && differs(key)).sort();
    const keys = [...new Set([...page.varied, ...others])];
    const figure = (trial, name) => (name === "images_per_second" || name === "seconds" ? trial[name] : trial.final?.[page.split]?.[name]);
    const hasErrors = page.apart.some((trial) => trial.error);
    const head = (shown, title, kind = null) => element("th", { scope: "col", title, class: kind }, shown);
    const heads = [...keys.map((key) => head(page.keyName(key), key)), head("status", "how the trial stands", "text"),
        ...FIGURES.map(({ head: shown, title, rule }) => head(shown, `${title}: ${rule}`)),
        ...(hasErrors ? [head("error", "what went wrong", "text")] : []), head("folder", "the trial's folder", "text")];
    const rows = page.apart.map((trial) => element("tr", {}, keys.map((key) => element("td", {}, text(trial.spec[key]))),
        element("td", { class: trial.status === "failed" || trial.status === "diverged" ? "text bad" : "text" }, trial.status),
        FIGURES.map(({ name, spread }) => element("td", {}, significant(figure(trial, name), spread ? 4 : 3))),
        hasErrors ? element("td", { class: "text error", title: trial.error }, (trial.error ?? "").split("\n")[0]) : null,
        element("td", { class: "text" }, folderLink(page, trial, trial.trial))));
    parent.append(element("details", { class: "apart", open: page.trials.length === 0 ? "" : null },
        element("summary", {}, `Not in the present plan (${page.apart.length})`),
        element("p", { class: "soft" }, "Trials of this folder that plan.json does not list, as of an earlier version of the spec. Their metrics are those of their last recorded epoch; they are in no chart and no mean, and never the best."),
        element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "table of trials that are not in the present plan" },
            element("table", {}, element("thead", {}, element("tr", {}, heads)), element("tbody", {}, rows)))));
}
