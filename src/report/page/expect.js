// The table of what the experiment is expected to give.

/** Shows the expectations of the plan with their results. */
function showExpected(page) {
    if (!page.expectations?.length) return;
    const section = page.section("What was expected", "The mean over the seeds of a setting, compared with the `[[expect]]` tables of the spec.");
    const setting = (keys) => Object.entries(keys).map(([key, value]) => `${page.keyName(key)}=${text(value)}`).join(", ") || "-";
    const hasSource = page.expectations.some(({ source }) => source);
    const head = (shown, kind = null) => element("th", { scope: "col", class: kind }, shown);
    const heads = [head("metric", "text"), head("where", "text"), head("expected"), head("within"), head("result"), head("status", "text"),
        ...(hasSource ? [head("source", "text")] : [])];
    const rows = page.expectations.map((one) => element("tr", {},
        element("td", { class: "text" }, one.epoch ? `${one.metric}, epoch ${one.epoch}` : one.metric),
        element("td", { class: "text" }, setting(one.where)),
        [one.value, one.within, one.result].map((value) => element("td", {}, significant(value, 6))),
        element("td", { class: one.status === "not met" ? "text bad" : "text" }, one.why ? `${one.status} (${one.why})` : one.status),
        hasSource ? element("td", { class: "text" }, one.source ?? "") : null));
    section.append(element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "table of expectations" },
        element("table", { class: "expected" }, element("thead", {}, element("tr", {}, heads)), element("tbody", {}, rows))));
}
