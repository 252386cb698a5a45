// The page: it shows one of its experiments, and is redrawn when its width or its colours change.

const warnings = data.warnings.length === 0 ? null
    : element("div", { class: "warning" }, element("strong", {}, plural(data.warnings.length, "warning")),
    element("ul", {}, data.warnings.map((warning) => element("li", {}, warning))));
const experiments = data.experiments.map((experiment) => new Experiment(experiment));
let open = null;

function show(experiment) {
    open?.hide();
    open = experiment;
    for (const button of document.querySelectorAll("nav.experiments button")) {
        const isOpen = button.dataset.index === String(experiments.indexOf(experiment));
        if (isOpen) button.setAttribute("aria-current", "page");
        else button.removeAttribute("aria-current");
    }
    experiment.show();
}

if (experiments.length > 1) {
    main.append(element("nav", { class: "experiments", "aria-label": "experiments" }, experiments.map((experiment, index) =>
        element("button", { type: "button", "data-index": index, onclick: () => show(experiment) },
            `${experiment.name} (${experiment.trials.length})`))));
    showTogether();
}
main.append(element("footer", {},
    `Written by vaex ${data.version} on ${data.created.replace("T", " ").replace("Z", " UTC")}. Charts by Apache ECharts.`));
if (experiments.length > 0) show(experiments[0]);
else main.prepend(element("h1", {}, data.title), element("p", {}, "There are no trials."), ...(warnings ? [warnings] : []));

const redraw = () => open?.update();
darkness.addEventListener("change", redraw);
let width = main.clientWidth;
new ResizeObserver(() => {
    if (main.clientWidth === width) return;
    width = main.clientWidth;
    redraw();
}).observe(main);
const onPaper = (isOn) => () => {
    document.documentElement.classList.toggle("paper", isOn);
    redraw();
};
addEventListener("beforeprint", onPaper(true));
addEventListener("afterprint", onPaper(false));
