// Pictures of the trials.

/** What each picture shows, by name, in the order in which they are offered. */
const PICTURES = new Map(data.pictures);

function showPictures(page) {
    const kinds = [...PICTURES.keys()].filter((kind) => page.trials.some((trial) => trial.pictures?.[kind]));
    if (kinds.length === 0) return;
    const section = page.section("Pictures");
    let kind = kinds[0];
    const explanation = element("p", { class: "soft" });
    const place = element("div", { class: "pictures" });
    const change = (chosen) => {
        kind = chosen;
        page.update();
    };
    section.append(element("div", { class: "controls" },
        choice("kind of picture", kinds.map((name) => [name, name]), kind, change),
        choice("size", [["16rem", "small"], ["32rem", "large"]], "16rem", (size) => {
            place.style.setProperty("--size", size);
            place.style.setProperty("--phone", size === "16rem" ? "10rem" : "100%");
        })), explanation);
    const more = page.more(section, (trial) => trial.pictures?.[kind]);
    section.append(place);
    page.updates.push(() => {
        const trials = more.shown();
        const without = page.chosen.filter((trial) => !trial.pictures?.[kind]).length;
        explanation.textContent = PICTURES.get(kind) + (page.tiles
            ? ` To keep the page small, at most ${page.tiles} columns are shown; the trial folders have the whole pictures.` : "") + (without > 0
            ? ` ${plural(without, "trial")} of the table ${without === 1 ? "has" : "have"} no such picture.` : "");
        place.replaceChildren(...trials.map((trial) => element("figure", {},
            element("img", { src: trial.pictures[kind], alt: `${kind} of ${page.trialName(trial)}`, loading: "lazy",
                decoding: "async" }),
            element("figcaption", {}, breakable(page.trialName(trial)), trial.status === "done" ? "" : ` (${trial.status})`))));
    });
}
