// Figures in which all experiments are drawn over one another.

function together() {
    if (data.together.length === 0) return null;
    const figures = data.together.map(([name, svg]) => {
        const source = `data:image/svg+xml,${encodeURIComponent(svg)}`;
        const save = () => element("a", { href: source, download: `${name}.svg` }).click();
        return element("div", { class: "drawing" }, element("img", { src: source, alt: `${name} of all experiments` }),
            element("button", { type: "button", onclick: save }, "save as SVG"));
    });
    return element("details", { class: "together" }, element("summary", {}, "All experiments together"),
        element("div", {}, figures));
}
