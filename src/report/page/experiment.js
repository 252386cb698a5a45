// The page of an experiment: its trials, the selected trials, and its sections.

/** Number of trials whose latent axes or pictures are shown at first. */
const TRIALS = 24;

/** The page of an experiment. All of its parts show the trials that match the filter. */
class Experiment {
    constructor(experiment) {
        Object.assign(this, experiment);
        this.unplanned = Array.isArray(this.unplanned) ? this.unplanned : [];
        const byId = new Map(this.trials.map((trial) => [trial.trial, trial]));
        // From here on, settings have trials instead of their ids, and trials are sorted, best first.
        this.settings = this.settings.map((setting, index) => (
            { ...setting, index, trials: setting.trials.map((id) => byId.get(id)).filter(Boolean) }));
        this.trials = this.settings.flatMap((setting) => setting.trials);
        // What all trials have in common is in the page once.
        for (const trial of [...this.trials, ...this.unplanned]) trial.spec = { ...this.spec, ...trial.spec };
        this.settings.forEach((setting) => setting.trials.forEach((trial) => (trial.setting = setting)));
        this.isFoldable = this.settings.length < this.trials.length;
        this.seedsDiffer = new Set(this.trials.map((trial) => text(trial.spec.seed))).size > 1;
        this.folded = this.isFoldable;
        this.sort = null;
        this.filter = "";
        this.status = "";
        this.colourKey = this.varied[0] ?? null;
        // The keys of a search, of which all settings together may have only one value.
        const searched = new Set((this.search?.settings ?? []).flatMap((one) => Object.keys(one.keys)));
        this.searched = this.varied.filter((key) => searched.has(key));
        this.tokens = new Map(this.trials.map((trial) => [trial, tokensOf(this, trial)]));
        this.allTokens = new Set([...this.tokens.values()].flatMap((tokens) => [...tokens]));
    }

    keyName(key) {
        return this.short[key] ?? key;
    }

    /** The recorded value of a metric: of the epoch whose weights are kept, or of the whole trial. */
    recorded(trial, name) {
        return KEY_METRICS.includes(name) ? trial.kept?.[this.split]?.[name] : trial[name];
    }

    /** The value of a metric of a trial that is done; null if absent. */
    metric(trial, name) {
        const value = trial.status === "done" ? this.recorded(trial, name) : null;
        return isNumber(value) ? value : null;
    }

    settingName(setting) {
        return this.varied.map((key) => `${this.keyName(key)}=${text(setting.values[key])}`).join(", ") || this.name;
    }

    /** The keys of the values in compact names, in order. */
    compactNames() {
        return this.varied.map((key) => this.keyName(key)).join(" · ");
    }

    /** The values of a setting, without the names of the keys if there are several. */
    compactName(setting) {
        return this.varied.length < 2 ? this.settingName(setting) : this.varied.map((key) => text(setting.values[key])).join(" · ");
    }

    trialName(trial) {
        return trial.label || trial.trial;
    }

    /** The selected trials that are done and have these metrics, in the order of the table. */
    done(...metrics) {
        return this.chosen.filter((trial) => trial.status === "done" && metrics.every((name) => this.metric(trial, name) !== null));
    }

    statuses(trials) {
        return [...grouped(trials, (trial) => trial.status)].map(([status, some]) => `${some.length} ${status}`).join(", ");
    }

    show() {
        this.charts = [];
        this.updates = [];
        // Of all trials, also of those that the page leaves out.
        const counts = Object.entries(this.counts);
        const total = counts.reduce((sum, [, count]) => sum + count, 0);
        const contents = element("nav", { class: "contents", "aria-label": "contents" });
        this.place = element("div", {}, element("h1", {}, this.name),
            element("p", {}, `${plural(total, "trial")}: ${counts.map(([status, count]) => `${count} ${status}`).join(", ") || "none"}. `,
                this.unplanned_count > 0 ? `${plural(this.unplanned_count, "other trial")} in this folder ${this.unplanned_count === 1 ? "is" : "are"} not in the current plan. ` : "",
                element("span", { class: "soft" },
                `Metrics are of the ${this.split} split after ${this.of_epochs}; nats are per image. Means and charts include only trials that are done; learning curves include all trials.`)),
            this.notes.length > 0 ? element("ul", { class: "soft" }, this.notes.map((note) => element("li", {}, note))) : null,
                warnings, contents);
        main.insertBefore(this.place, main.querySelector("footer"));
        if (this.trials.length === 0) return showUnplanned(this, this.place);
        showSetup(this);
        showFailures(this);
        showTable(this);
        showExpected(this);
        if (this.trials.some((trial) => trial.status === "done")) {
            addColourChoice(this);
            showSearch(this);
            showRate(this);
            showKeys(this);
            showCurves(this);
            showAxes(this);
            showLikelihood(this);
            showAgainst(this);
            showFactors(this);
            showParallel(this);
        } else {
            this.place.append(element("p", {}, "No trial is done, so there are no charts yet."));
        }
        showPictures(this);
        for (const heading of this.place.querySelectorAll("h2")) contents.append(element("a", { href: `#${heading.id}` },
            heading.textContent));
        fillTable(this);
        this.update();
    }

    hide() {
        clearTimeout(this.waiting);
        this.charts.forEach((chart) => chart.dispose());
        this.place.remove();
    }

    section(title, explanation) {
        const id = title.toLowerCase().replaceAll(" ", "-");
        const section = element("section", { "aria-labelledby": id }, element("h2", { id }, title));
        if (explanation) section.append(element("p", { class: "soft" }, explanation));
        this.place.append(section);
        return section;
    }

    chart(parent, draw, size) {
        const chart = new Chart(parent, draw, size);
        this.charts.push(chart);
        this.updates.push(() => chart.update());
        return chart;
    }

    update() {
        this.updates.forEach((update) => update());
    }

    /** Updates the table, and some milliseconds later what depends on its filter and order: with many trials, charts take longer than
     * a reader should wait for the table. */
    fill(delay = 50) {
        fillTable(this);
        clearTimeout(this.waiting);
        this.waiting = setTimeout(() => this.update(), delay);
    }

    /** The first selected trials for which `has` is true, and a button that shows all of them. */
    more(section, has) {
        let all = false;
        const button = element("button", { type: "button", onclick: () => {
            all = !all;
            this.update();
        } });
        section.append(element("div", { class: "controls" }, button));
        const chosen = () => this.chosen.filter(has);
        this.updates.push(() => {
            button.hidden = chosen().length <= TRIALS;
            button.textContent = all ? `show only the first ${TRIALS}` : `show all ${chosen().length} trials`;
        });
        return { shown: () => (all ? chosen() : chosen().slice(0, TRIALS)) };
    }
}
