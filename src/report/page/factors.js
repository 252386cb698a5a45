// What each latent axis encodes: the matrices of scores, and the effect of each axis.

function showFactors(page) {
    const kinds = [...new Set(page.trials.flatMap((trial) => Object.keys(trial.matrices)))];
    if (kinds.length === 0) return;
    const section = page.section("Axes and factors",
        "Rows are latent axes, columns are factors. Darker cells have larger values, from 0 to the largest of the matrix. Below, each row of images "
        + "changes one axis from -3 to 3 around the code of the same image, beside the factors that have their largest value at this axis.");
    let kind = kinds.includes("mig") ? "mig" : kinds[0];
    section.append(element("div", { class: "controls" },
        select("matrix of", kinds.map((name) => [name, name]), kind, (name) => {
            kind = name;
            page.update();
        })));
    const more = page.more(section, (trial) => trial.matrices[kind]);
    const place = element("div", { class: "pictures factors" });
    section.append(place);
    page.updates.push(() => {
        const colours = theme();
        place.replaceChildren(...more.shown().map((trial) => element("figure", {}, matrixTable(trial.matrices[kind], colours),
            ...traversalRows(trial, trial.matrices[kind]), element("figcaption", {}, breakable(page.trialName(trial))))));
    });
}

function matrixTable({ factors, rows }, colours) {
    const largest = Math.max(1e-12, most(rows.flat().filter(isNumber)));
    const cell = (value) => {
        const colour = isNumber(value) ? rampColour(colours.ramp, value / largest) : null;
        return element("td", { style: `background: ${colour ?? "transparent"}; color: ${inkOn(colour, colours).color}` }, significant(value, 2));
    };
    return element("table", { class: "matrix" },
        element("thead", {}, element("tr", {}, element("th", {}, "axis"), factors.map((name) => element("th", {}, name)))),
        element("tbody", {}, rows.map((row, axis) => element("tr", {}, element("th", {}, String(axis)), row.map(cell)))));
}

/** The picture of the effects of the axes, with the factors that each encodes. */
function traversalRows(trial, { factors, rows }) {
    if (!trial.pictures?.traversals || !trial.traversed?.length) return [];
    const largest = factors.map((_, factor) => most(rows.map((row) => row[factor]).filter(isNumber)));
    const encoded = (axis) => factors.filter((_, factor) => largest[factor] > 0 && rows[axis]?.[factor] === largest[factor]);
    const names = trial.traversed.map((axis) => element("li", {}, `${axis}: ${encoded(axis).join(", ") || "–"}`));
    return [element("div", { class: "traversals" }, element("ol", {}, names),
        element("img", { src: trial.pictures.traversals, alt: "effect of each latent axis", loading: "lazy", decoding: "async" }))];
}
