// A chart: its element, its options for ECharts, and the values outside of its axes.

/** A chart. `draw(theme, width, whole)` returns the `option` of ECharts and a `label` that describes the chart in words, or
 * `empty`, a sentence why there is no chart. If values are outside of the axes, it also returns `clips`, their number `outside`,
 * and `beyond`, a sentence on how they are drawn. `note` is a sentence below the chart. */
class Chart {
    constructor(parent, draw, size = "") {
        this.draw = draw;
        this.whole = false;
        this.plot = element("div", { class: "plot", role: "img" });
        this.note = element("p", { class: "note" });
        this.saving = element("button", { type: "button", class: "save", title: "save this chart as a vector file",
            onclick: () => this.save() }, "save as SVG");
        parent.append(element("div", { class: `chart ${size}` }, this.plot, this.note, this.saving));
        this.drawn = null;
    }

    update() {
        const colours = theme();
        const result = this.draw(colours, this.plot.clientWidth || this.plot.parentNode.clientWidth, this.whole);
        this.plot.hidden = Boolean(result.empty);
        this.saving.hidden = Boolean(result.empty);
        this.note.replaceChildren(...[result.empty ?? result.note].filter(Boolean));
        if (result.empty) return;
        if (result.clips) this.sayOutside(result);
        if (result.height) this.plot.style.height = `${result.height}px`;
        this.drawn ??= echarts.init(this.plot, null, { renderer: "svg" });
        this.drawn.resize();
        this.drawn.setOption(this.completed(result, colours), true);
        this.plot.setAttribute("role", "img");
        this.plot.setAttribute("aria-label", result.label);
    }

    sayOutside({ outside, beyond = "" }) {
        const said = outside > 0 ? ` ${plural(outside, "value")} ${outside === 1 ? "is" : "are"} outside of the axes: ${FAR}.${beyond} ` : " ";
        this.note.append(said, element("button", { type: "button", onclick: () => {
            this.whole = !this.whole;
            this.update();
            this.note.querySelector("button")?.focus();
        } }, this.whole ? "hide values that are far from the others" : "show all"));
    }

    completed({ option, label }, { ink, soft, line, ground, colours }) {
        const axis = {
            nameLocation: "middle", nameTextStyle: { color: ink, fontSize: 12 }, splitLine: { lineStyle: { color: line } },
            axisLine: { show: true, lineStyle: { color: soft } }, axisTick: { lineStyle: { color: soft } },
        };
        const axisLabel = { color: soft, hideOverlap: true, fontSize: 11 };
        const axes = (given, nameGap) => given && {
            ...axis, nameGap, ...given, axisLabel: { ...axisLabel, ...(given.type !== "category" && { formatter: short }),
                ...given.axisLabel },
        };
        return {
            animation: false,
            color: colours,
            textStyle: { color: ink, fontFamily: "system-ui, sans-serif" },
            grid: { left: 66, right: 22, top: 16, bottom: 46 },
            ...option,
            tooltip: { confine: true, backgroundColor: ground, borderColor: soft, textStyle: { color: ink, fontSize: 12 },
                extraCssText: "box-shadow: none", ...option.tooltip },
            aria: { enabled: true, label: { description: label } },
            xAxis: axes(option.xAxis, 28),
            yAxis: axes(option.yAxis, 50),
        };
    }

    /** Saves the chart as it is shown, named after its section. */
    save() {
        const drawing = this.plot.querySelector("svg").cloneNode(true);
        drawing.setAttribute("xmlns", "http://www.w3.org/2000/svg");
        const url = URL.createObjectURL(new Blob([new XMLSerializer().serializeToString(drawing)], { type: "image/svg+xml" }));
        const name = this.plot.closest("section")?.getAttribute("aria-labelledby") ?? "chart";
        element("a", { href: url, download: `${name}.svg` }).click();
        setTimeout(() => URL.revokeObjectURL(url), 1000);
    }

    dispose() {
        this.drawn?.dispose();
    }
}
