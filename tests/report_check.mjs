// Opens reports in a headless Chromium and checks them: no errors and no network requests; tables can be sorted, filtered
// and folded, by mouse and by keyboard; rules are stated; links work. It also checks copies of the pages with changed data:
// with an extreme value, and with trials that are not in the plan.
//
//     node tests/report_check.mjs CHROMIUM SHOTS REPORT.html...
//
// Screenshots (light, dark, phone width) are written to SHOTS, named after the folders of the reports. Needs
// playwright-core, found through NODE_PATH. Exit status 1 with one line per error.
import { createRequire } from "node:module";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

// Only `require` uses NODE_PATH.
const { chromium } = createRequire(import.meta.url)("playwright-core");
const [program, shots, ...reports] = process.argv.slice(2);
if (reports.length === 0) {
    console.error("usage: node report_check.mjs CHROMIUM SHOTS REPORT.html...");
    process.exit(2);
}
mkdirSync(shots, { recursive: true });
const browser = await chromium.launch({ executablePath: program, args: ["--no-sandbox"] });
const problems = [];
const elsewhere = mkdtempSync(join(tmpdir(), "vaex-report-"));

/** Copies a report to another folder, as if it were mailed; `change` may change its data. Returns the new path. */
function copied(report, name, change = () => {}) {
    const [, before, data, after] = readFileSync(report, "utf8").match(/^(.*id="data">)(.*?)(<\/script>.*)$/s);
    const changed = JSON.parse(data);
    change(changed);
    const folder = join(elsewhere, name);
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, "report.html"), before + JSON.stringify(changed).replaceAll("<", "\\u003c") + after);
    return join(folder, "report.html");
}

/** Opens a page. Returns the page, and the function `wrong`, which records an error. */
async function open(path, options) {
    const page = await browser.newPage(options);
    page.setDefaultTimeout(20_000);
    const url = pathToFileURL(resolve(path)).href;
    const wrong = (what) => problems.push(`${path}: ${what}`);
    page.on("console", (message) => ["error", "warning"].includes(message.type()) && wrong(`console: ${message.text()}`));
    page.on("pageerror", (error) => wrong(`error: ${error.message}`));
    page.on("request", (request) => request.url() !== url && !request.url().startsWith("data:") && wrong(`requests ${request.url()}`));
    await page.goto(url);
    return { page, wrong };
}

/** The number at the start of each text, or null. */
const numbers = (texts) => texts.map((text) => (Number.isNaN(parseFloat(text)) ? null : parseFloat(text)));

async function sorting({ page, wrong }) {
    const table = page.locator("table.trials");
    const heads = await table.locator("th").allInnerTexts();
    const at = heads.findIndex((head) => head.startsWith("elbo_nats"));
    const isSorted = async (direction, sign, how) => {
        const said = await table.locator("th").nth(at).getAttribute("aria-sort");
        if (said !== direction) wrong(`${how}: the column elbo_nats is ${said}, expected ${direction}`);
        const found = numbers(await page.locator(`.trials tbody tr > td:nth-child(${at + 1})`).allInnerTexts());
        const last = found.findLastIndex((number) => number !== null);
        if (found.slice(0, last + 1).includes(null)) wrong(`${how}: rows without a value are not the last ones`);
        if (found.slice(1, last + 1).some((number, index) => sign * (number - found[index]) < 0)) wrong(`${how}: the rows are not ${direction}: ${found}`);
    };
    const button = table.locator("th button").nth(at);
    await button.click();
    await isSorted("descending", -1, "a click");
    await button.click();
    await isSorted("ascending", 1, "a second click");
    // From the filter on, the Tab key must reach the header.
    await page.locator("input[type=search]").focus();
    const isThere = () => button.evaluate((one) => one === document.activeElement);
    for (let step = 0; step < 60 && !(await isThere()); step++) await page.keyboard.press("Tab");
    if (!(await isThere())) return wrong("the Tab key does not reach the header");
    const outline = await button.evaluate((one) => getComputedStyle(one).outlineStyle);
    if (outline === "none") wrong("the focus is not visible");
    await page.keyboard.press("Enter");
    await isSorted("descending", -1, "Enter");
    if (!(await isThere())) wrong("the header loses the focus when it sorts");
}

async function filtering({ page, wrong }, { varied, short, settings }) {
    const rows = page.locator(".trials tbody tr");
    const count = await rows.count();
    const filter = page.locator("input[type=search]");
    // The id at the end of a trial folder matches one row.
    const id = (await page.locator(".trials tbody a").first().getAttribute("href")).slice(-11, -1);
    await filter.fill(id);
    if ((await rows.count()) !== 1) wrong(`the filter ${id} leaves ${await rows.count()} rows`);
    const example = await filter.getAttribute("placeholder");
    await filter.fill(example);
    const left = await rows.count();
    if (left === 0) wrong(`the filter ${example} leaves nothing`);
    if (example.includes("=")) {
        const values = await page.locator(".trials tbody tr > td:first-child").allInnerTexts();
        if (values.some((value) => value !== example.split("=")[1])) wrong(`the filter ${example} leaves ${values}`);
    }
    const lacking = varied.find((key) => settings.some(({ values }) => values[key] === null));
    if (lacking) {
        await filter.fill(`${short[lacking]}=-`);
        if ((await rows.count()) === 0) wrong(`the filter of trials without ${lacking} leaves nothing`);
    }
    await filter.fill("nothing has this");
    if ((await rows.count()) !== 0) wrong("a filter that nothing matches leaves rows");
    // The charts are updated a moment later.
    await page.waitForFunction(() => document.querySelectorAll(".plot:not([hidden]) svg").length === 0 && document.querySelectorAll("figure").length === 0)
        .catch(() => wrong("charts or pictures are not filtered"));
    await filter.fill("");
    if ((await rows.count()) !== count) wrong("an empty filter does not restore all rows");
    await page.waitForTimeout(300);
    const status = page.getByRole("combobox", { name: "status", exact: true });
    if ((await status.count()) > 0) {
        for (const value of await status.locator("option").evaluateAll((options) => options.map((option) => option.value).filter(Boolean))) {
            await status.selectOption(value);
            const texts = await page.locator(".trials tbody tr").allInnerTexts();
            if (texts.length === 0 || texts.some((text) => !text.includes(value))) wrong(`the status ${value} leaves rows with another status, or no rows`);
        }
        await status.selectOption("");
        await page.waitForTimeout(300);
    }
}

/** Filtered rows of settings must show the metrics of the filtered trials only. */
async function filteringSeeds({ page, wrong }) {
    const unfold = page.getByRole("button", { name: "one row per trial" });
    if ((await unfold.count()) === 0) return;
    const filter = page.locator("input[type=search]");
    await filter.fill("seed=0");
    const rows = () => page.locator(".trials tbody tr").evaluateAll((all) => all.map((row) => [...row.children].map((cell) => cell.innerText)));
    const folded = await rows();
    const links = await page.locator(".trials tbody a").count();
    await unfold.click();
    const single = await rows();
    await page.getByRole("button", { name: "one row per setting" }).click();
    await filter.fill("");
    await page.waitForTimeout(300);
    if (single.length === 0) return;
    const metrics = (all) => JSON.stringify(all.map((row) => row.slice(-8, -1)).sort());
    if (links !== single.length) wrong(`filtered, folded rows have ${links} folders for ${single.length} trials`);
    if (folded.some((row) => row.some((cell) => cell.includes("±")))) wrong("folded rows of one seed have standard deviations");
    if (metrics(folded) !== metrics(single)) wrong(`filtered, folded rows have different metrics from their trials: ${metrics(folded)}, ${metrics(single)}`);
}

/** The best value of a column is bold if values may be compared. */
async function bold({ page, wrong }, { comparable, sorted_by }) {
    for (const [name, best] of [["loss", Math.min], ["elbo_nats", Math.max]]) {
        const at = await page.locator(`.trials th[data-column=${name}]`).evaluate((head) => head.cellIndex + 1);
        const cells = page.locator(`.trials tbody tr > td:nth-child(${at})`);
        const values = numbers(await cells.allInnerTexts()).filter((number) => number !== null);
        const marked = numbers(await page.locator(`.trials tbody tr > td:nth-child(${at}).best`).allInnerTexts());
        const hasBest = comparable && values.length > 1 && (name !== "loss" || sorted_by === "loss");
        if (hasBest !== marked.length > 0) wrong(`column ${name}: ${marked.length} values are bold`);
        if (marked.some((value) => value !== best(...values))) wrong(`column ${name}: ${marked} is bold, expected ${best(...values)}`);
    }
}

async function folding({ page, wrong }) {
    const rows = page.locator(".trials tbody tr");
    const unfold = page.getByRole("button", { name: "one row per trial" });
    if ((await unfold.count()) === 0) return;
    const count = await rows.count();
    await unfold.click();
    if ((await rows.count()) <= count) wrong("unfolding the seeds adds no rows");
    if ((await unfold.getAttribute("aria-pressed")) !== "true") wrong("the button of one row per trial is not pressed");
    await page.getByRole("button", { name: "one row per setting" }).click();
    if ((await rows.count()) !== count) wrong("folding the seeds does not restore the rows");
    await page.waitForTimeout(300);
}

async function chartsAndPictures({ page, wrong }) {
    for (const plot of await page.locator(".plot:not([hidden])").all()) {
        const label = await plot.getAttribute("aria-label");
        if (!label || (await plot.getAttribute("role")) !== "img") wrong("a chart has no text alternative");
        if ((await plot.locator("svg path").count()) === 0) wrong(`a chart is empty: ${label}`);
        if (label && /NaN|undefined|null/.test(label + (await plot.textContent()))) wrong(`a chart shows a missing number: ${label}`);
    }
    for (const kind of ["reconstructions", "samples", "manifold"]) {
        const button = page.getByRole("button", { name: kind, exact: true });
        if ((await button.count()) === 0) continue;
        await button.click();
        const broken = await page.locator("figure img").evaluateAll((images) => Promise.all(images.map((image) => image.decode().then(() => false, () => true))));
        if (broken.length === 0 || broken.includes(true)) wrong(`the pictures of ${kind} are not visible`);
    }
    // The buttons of the legend hide curves, also by keyboard.
    const curve = page.locator(".legend button[aria-pressed=true]");
    if ((await curve.count()) > 0) {
        const before = await curve.count();
        await curve.first().press("Enter");
        if ((await curve.count()) !== before - 1) wrong("the legend of the learning curves hides no curve");
    }
}

/** Each chart can be saved as it is shown. */
async function saving({ page, wrong }) {
    const chart = page.locator(".chart:has(svg)").first();
    if ((await page.locator(".plot:not([hidden])").count()) === 0) return;
    await chart.hover();
    const [download] = await Promise.all([page.waitForEvent("download"), chart.getByRole("button", { name: "save as SVG" }).click()]);
    const saved = readFileSync(await download.path(), "utf8");
    const error = await page.evaluate((text) => new DOMParser().parseFromString(text, "image/svg+xml").querySelector("parsererror")?.textContent, saved);
    if (error || !saved.includes("<svg") || !/\.svg$/.test(download.suggestedFilename())) wrong(`a saved chart is not SVG: ${error ?? saved.slice(0, 80)}`);
}

/** The page states when a latent axis is active or collapsed, and what each column means, where they are used. */
async function rules({ page, wrong }) {
    const active = "posterior mean has a variance above 0.01";
    const title = await page.locator(".trials th[data-column=active_units] button").getAttribute("title");
    if (!title.includes(active)) wrong(`the column active does not say when an axis is active: ${title}`);
    const columns = page.locator("details.columns");
    await columns.locator("summary").click();
    const said = await columns.innerText();
    for (const head of await page.locator(".trials th[data-column]").evaluateAll((all) => all.filter((one) => one.querySelector("button").title.includes(": ")).map((one) => one.innerText.trim()))) {
        if (!said.includes(head)) wrong(`the text below the table does not explain the column ${head}`);
    }
    if (!said.includes(active)) wrong("the text below the table does not say when an axis is active");
    await columns.locator("summary").click();
    const section = (id) => page.locator(`section[aria-labelledby=${id}]`);
    const axes = section("kl-of-each-latent-axis");
    if ((await axes.count()) > 0) {
        const caption = await axes.locator("p").first().innerText();
        if (!caption.includes("below 0.01 nats per image has collapsed")) wrong("the chart of the axes does not say when an axis has collapsed");
        if (!caption.includes(active)) wrong("the chart of the axes does not state the rule of active axes");
    }
    const byKey = section("metrics-by-key");
    if ((await byKey.count()) > 0) {
        const metric = byKey.locator("label", { hasText: "metric" }).locator("select");
        const before = await metric.inputValue();
        await metric.selectOption("active_units");
        if (!(await byKey.innerText()).includes(active)) wrong("active axes by key: the page does not say when an axis is active");
        await metric.selectOption(before);
    }
}

/** A value of a spec as the page writes it. */
const written = (value) => (value === null ? "-" : typeof value === "number" && value !== 0 && Math.abs(value) < 1e-4
    ? value.toExponential().replace("e+", "e") : typeof value === "string" ? value : JSON.stringify(value));

/** The box of the setup shows for each key its value, or that it varies. */
async function setup({ page, wrong }, { trials, name }) {
    const box = page.locator("details.setups");
    const rows = await box.locator("section").evaluateAll((all) => all.flatMap((group) => [...group.querySelectorAll("dt")].map((term) =>
        [`${group.querySelector("h3").textContent}/${term.textContent}`, term.nextElementSibling.textContent])));
    const said = new Map(rows);
    const groups = { data: "Data", model: "Model", objective: "Objective", train: "Training" };
    for (const key of new Set(trials.flatMap(({ spec }) => Object.keys(spec)))) {
        const [table, ...rest] = key.split(".");
        if (!(table in groups) || rest.length === 0 || key === "train.checkpoint_steps") continue;
        const values = new Set(trials.map(({ spec }) => written(spec[key] ?? null)));
        if (values.size === 1 && values.has("-")) continue;
        const shown = said.get(`${groups[table]}/${rest.join(".")}`) ?? "nothing";
        if (values.size === 1 && ![...values].some((value) => value === shown || value.endsWith(`/${shown}`))) wrong(`${name}: the box shows ${key} as ${shown}, expected ${[...values]}`);
        if (values.size > 1 && !shown.startsWith("varies: ")) wrong(`${name}: ${key} varies, but the box shows ${shown}`);
        if (values.size > 6 && !shown.endsWith(`(${values.size} values)`)) wrong(`${name}: ${key} has ${values.size} values, but the box shows ${shown}`);
        if (values.size > 1 && values.size <= 6 && shown.slice(8).split(", ").length < values.size) wrong(`${name}: the box shows ${key}, which has ${values.size} values, as ${shown}`);
    }
    for (const [row, form] of [["Data/training images", /^(varies: )?\d+/], ["Data/validation images", /^(varies: )?\d+/],
        ["Data/height × width", /^\d+ × \d+ pixels$/], ["Model/parameters", /^(varies: )?\d+/], ["Objective/effective beta", /^(varies: )?[\d.e-]+/],
        ["Training/seed", /^(varies: )?\d+/], ["Machine/vaex", /^\d+\.\d+/]]) {
        if (!form.test(said.get(row) ?? "")) wrong(`${name}: the box shows ${row} as ${said.get(row)}`);
    }
}

/** Where the page was written, each link leads to a folder. Elsewhere there are no links, but buttons that copy the paths. */
async function links(report, { page, wrong }) {
    const trials = page.locator(".trials tbody a, section[aria-labelledby=what-failed] a");
    const urls = await trials.evaluateAll((all) => all.map((one) => one.href));
    if (urls.length === 0) wrong("the page has no links to the trial folders beside it");
    for (const url of urls) if (!existsSync(fileURLToPath(url))) wrong(`broken link: ${url}`);

    const mailed = await open(copied(report, "mailed"), { viewport: { width: 1280, height: 900 } });
    await mailed.page.evaluate(() => {
        window.copied = [];
        Object.defineProperty(navigator, "clipboard", { value: { writeText: async (text) => window.copied.push(text) } });
    });
    const left = await mailed.page.locator("a:not([href^='#'])").count();
    if (left > 0) wrong(`the mailed copy has ${left} broken links`);
    const buttons = mailed.page.locator(".trials tbody button.copy");
    const data = await mailed.page.evaluate(() => JSON.parse(document.getElementById("data").textContent));
    const [{ trials: all, folder, settings }] = data.experiments;
    if ((await buttons.count()) === 0) return wrong("the table of the mailed copy has no paths to copy");
    await buttons.first().click();
    const [copy] = await mailed.page.evaluate(() => window.copied);
    const first = all.find(({ trial }) => trial === settings[0].trials[0]);
    if (copy !== `${folder}/${basename(first.folder)}`) wrong(`the first button of the mailed copy copies ${copy}`);
    if (!(await mailed.page.locator(".trials tbody [role=status]").first().innerText()).includes("copied")) wrong("the mailed copy does not say that the path was copied");
    await mailed.page.close();
}

/** An extreme value does not squeeze the other lines of the parallel coordinates: it is clipped, and the page says so. */
/** The figures of several experiments together are pictures that can be saved. */
async function together({ page, wrong }, { together, experiments }) {
    if (together.length === 0) return wrong(`${experiments.length} experiments have no figures together`);
    await page.locator("details.together > summary").click();
    const images = await page.locator("details.together img").evaluateAll((all) => Promise.all(all.map(async (image) => {
        await image.decode().catch(() => null);
        return image.naturalWidth;
    })));
    if (images.length !== together.length || images.some((width) => width < 100)) wrong(`the figures together are ${images} pixels wide`);
    const [saved] = await Promise.all([page.waitForEvent("download"), page.locator("details.together button").first().click()]);
    if (saved.suggestedFilename() !== `${together[0][0]}.svg`) wrong(`a figure is saved as ${saved.suggestedFilename()}`);
    await page.screenshot({ path: join(shots, "together.png"), fullPage: true });
}

async function outlier(report, { experiments: [{ trials, varied, sorted_by, split }] }, { wrong }) {
    const done = trials.filter(({ status }) => status === "done");
    if (varied.length < 3 || done.length < 8) return;
    const { page } = await open(copied(report, "outlier", (data) => {
        const trial = data.experiments[0].trials.find(({ trial }) => trial === done[3].trial);
        for (const name of ["loss", "elbo_nats", "recon_nats", "kl_nats"]) trial.kept[split][name] *= 1e6;
    }), { viewport: { width: 1280, height: 900 } });
    const section = page.locator("section[aria-labelledby=parallel-coordinates]");
    const state = async () => ({ note: await section.locator(".note").innerText(), legend: await section.locator(".legend").innerText(),
        dashed: await section.locator("svg path[stroke-dasharray]").count() });
    const before = await state();
    if (!before.note.startsWith("1 value is outside of the axes: more than 4 interquartile ranges from the quartiles.")) wrong(`parallel coordinates with an outlier say ${before.note}`);
    if (!/[≤≥]/.test(before.legend)) wrong(`parallel coordinates with an outlier have the colours ${before.legend}`);
    if (before.dashed !== 1) wrong(`parallel coordinates with an outlier have ${before.dashed} dashed lines`);
    await section.getByRole("button", { name: "show all" }).click();
    const after = await state();
    if (after.note.includes("outside") || /[≤≥]/.test(after.legend) || after.dashed !== 0) wrong(`parallel coordinates that show all: ${JSON.stringify(after)}`);
    await page.close();
}

/** Trials that are not in the plan are listed only in a section of their own, which is closed. */
async function unplanned(report, { experiments: [{ trials, split }] }, { wrong }) {
    const done = trials.find(({ status }) => status === "done");
    const others = [
        { ...done, trial: "apart00001", spec: { ...done.spec, "train.epochs": 77 }, status: "interrupted",
            kept: { [split]: { ...done.kept[split], loss: -12345, elbo_nats: 98765 } }, pictures: undefined, curves: undefined },
        { ...done, trial: "apart00002", status: "diverged", error: "the loss is <b>NaN</b>\nat step 3", kept: { [split]: null }, pictures: undefined,
            curves: undefined },
    ];
    const viewport = { width: 1280, height: 900 };
    const { page } = await open(copied(report, "apart", (data) => Object.assign(data.experiments[0],
        { unplanned: others, unplanned_count: others.length })), { viewport });
    const section = page.locator("details.unplanned");
    if ((await section.locator("summary").innerText()) !== "Not in the current plan (2)") wrong("trials that are not in the plan have no section");
    if (await section.locator("table").isVisible()) wrong("the section of trials that are not in the plan is open");
    const unfold = page.getByRole("button", { name: "one row per trial" });
    if ((await unfold.count()) > 0) await unfold.click();
    if ((await page.locator(".trials tbody tr").count()) !== trials.length) wrong("trials that are not in the plan are in the table of those that are");
    if ((await page.locator(".best").allInnerTexts()).join().includes("98765")) wrong("a trial that is not in the plan is the best");
    await section.locator("summary").click();
    const rows = await section.locator("tbody tr").evaluateAll((all) => all.map((row) => row.innerText));
    if (rows.length !== 2 || !["77", "interrupted", "98765", "-12345", "apart00001"].every((part) => rows[0].includes(part))) wrong(`a trial that is not in the plan is shown as ${rows[0]}`);
    if (!["diverged", "the loss is <b>NaN</b>", "apart00002"].every((part) => rows[1].includes(part))) wrong(`a trial that is not in the plan is shown as ${rows[1]}`);
    if (await page.evaluate(() => document.documentElement.scrollWidth > innerWidth)) wrong("the table of trials that are not in the plan makes the page wider");
    await page.locator("details.unplanned").scrollIntoViewIfNeeded();
    const charts = await page.locator(".plot").evaluateAll((all) => all.map((plot) => `${plot.getAttribute("aria-label")} ${plot.textContent}`).join(" "));
    if (/apart0000|98765/.test(charts)) wrong("a chart has a trial that is not in the plan");
    await page.screenshot({ path: join(shots, `report_${basename(dirname(resolve(report)))}_apart.png`), fullPage: true });
    await page.close();

    // All trials may belong to another plan.
    const alone = await open(copied(report, "alone", (data) => Object.assign(data.experiments[0], { unplanned: others, trials: [], settings: [] })), { viewport });
    if ((await alone.page.locator("details.unplanned tbody tr").count()) !== 2) wrong("if no trial is in the plan, the others are not listed");
    await alone.page.close();
}

/** A search has its section, whose charts follow the number of epochs that is chosen. */
async function searching({ page, wrong }, { search }) {
    const section = page.locator("section[aria-labelledby=search]");
    if ((await section.count()) !== (search ? 1 : 0)) wrong(`${await section.count()} sections about a search`);
    if (!search || (await section.count()) === 0) return;
    const said = () => section.locator("[aria-label]").evaluateAll((all) => all.map((one) => one.getAttribute("aria-label")).join("\n"));
    const [first, last] = [search.rungs[0].epoch, search.rungs.at(-1).epoch];
    if (!(await said()).includes(`after epoch ${first} of `)) wrong(`the search does not show epoch ${first}`);
    await section.getByRole("combobox", { name: "after epoch" }).selectOption(String(search.rungs.length - 1));
    await page.waitForTimeout(300);
    if (!(await said()).includes(`after epoch ${last} of `)) wrong(`the search does not show epoch ${last} when it is chosen`);
    if (!(await said()).includes("Importance of")) wrong("the search does not show the importance of its keys");
    await section.getByRole("combobox", { name: "after epoch" }).selectOption("0");
}

for (const report of reports) {
    const name = basename(dirname(resolve(report)));
    const shot = async (page, suffix) => {
        // Pictures further down are loaded when they become visible.
        await page.locator("figure img").evaluateAll((images) => Promise.all(images.map((image) => {
            image.loading = "eager";
            return image.decode().catch(() => null);
        })));
        await page.screenshot({ path: join(shots, `report_${name}${suffix}.png`), fullPage: true });
    };
    const light = await open(report, { viewport: { width: 1280, height: 900 } });
    await shot(light.page, "");
    const experiments = light.page.locator("nav.experiments button");
    const data = await light.page.evaluate(() => JSON.parse(document.getElementById("data").textContent));
    for (let index = 0; index < Math.max(await experiments.count(), 1); index++) {
        if ((await experiments.count()) > 0) await experiments.nth(index).click();
        // A report may have no trial at all.
        if ((await light.page.locator("table.trials").count()) > 0) {
            await sorting(light);
            await filtering(light, data.experiments[index]);
            await folding(light);
            await filteringSeeds(light);
            await bold(light, data.experiments[index]);
            await rules(light);
            await setup(light, data.experiments[index]);
            await searching(light, data.experiments[index]);
        }
        await chartsAndPictures(light);
        await saving(light);
    }
    if ((await experiments.count()) > 1) {
        // The filter of an experiment belongs to it, and is shown again when the reader returns to it.
        const filter = light.page.locator("input[type=search]");
        const status = light.page.getByRole("combobox", { name: "status", exact: true });
        const inEffect = async () => [await filter.inputValue(), ...await status.evaluateAll((all) => all.map((one) => one.value))].join();
        await experiments.first().click();
        for (const one of await status.all()) await one.selectOption({ index: 1 });
        await filter.fill("nothing has this");
        const before = await inEffect();
        await experiments.nth(1).click();
        if ((await light.page.locator(".trials tbody tr").count()) === 0) light.wrong("a filter also affects another experiment");
        await experiments.first().click();
        if ((await inEffect()) !== before || (await light.page.locator(".trials tbody tr").count()) !== 0) light.wrong(`the filter is ${await inEffect()}, expected ${before}`);
        for (const one of await status.all()) await one.selectOption("");
        await filter.fill("");
        await light.page.waitForTimeout(300);
        await together(light, data);
    }
    if ((await light.page.locator("h1").count()) !== 1) light.wrong("the number of headings is not one");
    if ((await light.page.locator("table.trials").count()) > 0) {
        await links(report, light);
        await outlier(report, data, light);
        await unplanned(report, data, light);
    }
    await light.page.emulateMedia({ colorScheme: "dark" });
    await shot(light.page, "_dark");
    await light.page.close();
    const phone = await open(report, { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2 });
    const width = await phone.page.evaluate(() => document.documentElement.scrollWidth);
    if (width > 390) phone.wrong(`the page is ${width} pixels wide on a phone with 390 pixels`);
    await shot(phone.page, "_phone");
    await phone.page.close();
}
await browser.close();
rmSync(elsewhere, { recursive: true });
problems.forEach((problem) => console.error(problem));
if (problems.length === 0) console.log(`${reports.length} reports are correct; screenshots in ${shots}`);
process.exit(problems.length === 0 ? 0 : 1);
