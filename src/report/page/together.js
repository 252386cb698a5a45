// Figures in which all experiments are drawn over one another.

function showTogether() {
    if (data.together.length === 0) return;
    const figures = data.together.map(([name, svg]) => {
        const source = `data:image/svg+xml,${encodeURIComponent(svg)}`;
        const save = () => element("a", { href: source, download: `${name}.svg` }).click();
        return element("div", {}, element("img", { src: source, alt: `${name} of all experiments` }),
            element("button", { type: "button", onclick: save }, "save as SVG"));
    });
    main.append(element("details", { class: "together" }, element("summary", {}, "All experiments together"),
        element("div", {}, figures)));
}
