// The setup of the trials, and their errors.

/** The titles of the groups of the setup. */
const GROUPS = { data: "Data", model: "Model", objective: "Objective", train: "Training", machine: "Machine" };

/** Shows data, model, objective and training: one value if all trials of the plan have the same. */
function showSetup(page) {
    if (!page.setup?.length) return;
    const section = page.section("What was trained", "One value if it is the same in all trials of the plan.");
    const said = ({ values, count }) => {
        if (count === 0) return "not recorded";
        const [first, last] = [values.slice(0, -1), values[values.length - 1]];
        const listed = count > values.length ? `${first.map(text).join(", ")}, …, ${text(last)} (${count} values)` : values.map(text).join(", ");
        return count > 1 ? element("em", {}, `varies: ${listed}`) : listed;
    };
    section.append(element("details", { class: "setups", open: main.clientWidth < NARROW ? null : "" },
        element("summary", {}, "Data, model, objective and training"),
        element("div", {}, [...grouped(page.setup, ({ group }) => group)].map(([group, rows]) => element("section", {},
            element("h3", {}, GROUPS[group] ?? group),
            element("dl", {}, rows.flatMap((row) => [element("dt", {}, row.name), element("dd", {}, said(row))])))))));
}

function showFailures(page) {
    const failed = page.trials.filter((trial) => trial.error);
    if (failed.length === 0) return;
    const section = page.section("What failed");
    for (const [error, trials] of grouped(failed, (trial) => trial.error)) {
        const list = element("ul", {}, trials.map((trial) => element("li", {}, `${trial.status}: `,
            folderLink(page, trial, breakable(page.trialName(trial))))));
        section.append(element("pre", { tabindex: "0" }, error),
            trials.length > 6 ? element("details", {}, element("summary", {}, plural(trials.length, "trial")), list) : list);
    }
}
