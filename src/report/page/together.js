// Figures in which all experiments are drawn over one another.

function together() {
    if (data.together.length === 0) return null;
    const figures = data.together.map(([name, svg]) => {
        const source = `data:image/svg+xml,${encodeURIComponent(svg)}`;
        return element("figure", {}, element("img", { src: source, alt: `${name} of all experiments` }),
            element("figcaption", {}, element("a", { class: "save", href: source, download: `${name}.svg` }, "save as SVG")));
    });
    return element("details", { class: "together" }, element("summary", {}, "All experiments together"),
        element("div", {}, figures));
}
