// Opens reports in a headless Chromium, as a reader does: nothing may fail or be asked of a network, and tables must sort,
// filter and fold, by mouse and by keyboard.
//
//     node tests/report_check.mjs CHROMIUM SHOTS REPORT.html...
//
// Screenshots (light, dark, a phone's width) go to SHOTS, named by the reports' folders. Needs playwright-core, found
// through NODE_PATH. Exit status 1 with a line for each thing that is wrong.
import { createRequire } from "node:module";
import { mkdirSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

// NODE_PATH is for `require` alone.
const { chromium } = createRequire(import.meta.url)("playwright-core");
const [program, shots, ...reports] = process.argv.slice(2);
if (reports.length === 0) {
    console.error("usage: node report_check.mjs CHROMIUM SHOTS REPORT.html...");
    process.exit(2);
}
mkdirSync(shots, { recursive: true });
const browser = await chromium.launch({ executablePath: program, args: ["--no-sandbox"] });
const problems = [];

/** A page, and `wrong`, which notes what is. */
async function open(path, options) {
    const page = await browser.newPage(options);
    page.setDefaultTimeout(20_000);
    const url = pathToFileURL(resolve(path)).href;
    const wrong = (what) => problems.push(`${path}: ${what}`);
    page.on("console", (message) => ["error", "warning"].includes(message.type()) && wrong(`console: ${message.text()}`));
    page.on("pageerror", (error) => wrong(`error: ${error.message}`));
    page.on("request", (request) => request.url() !== url && !request.url().startsWith("data:") && wrong(`asks for ${request.url()}`));
    await page.goto(url);
    return { page, wrong };
}

/** The numbers that texts begin with, missing ones as null. */
const numbers = (texts) => texts.map((text) => (Number.isNaN(parseFloat(text)) ? null : parseFloat(text)));

async function sorting({ page, wrong }) {
    const table = page.locator("table");
    const heads = await table.locator("th").allInnerTexts();
    const at = heads.findIndex((head) => head.startsWith("elbo_nats"));
    const isSorted = async (direction, sign, how) => {
        const said = await table.locator("th").nth(at).getAttribute("aria-sort");
        if (said !== direction) wrong(`${how}: the column elbo_nats is ${said}, not ${direction}`);
        const found = numbers(await page.locator(`tbody tr > td:nth-child(${at + 1})`).allInnerTexts());
        const last = found.findLastIndex((number) => number !== null);
        if (found.slice(0, last + 1).includes(null)) wrong(`${how}: rows without a figure are not the last ones`);
        if (found.slice(1, last + 1).some((number, index) => sign * (number - found[index]) < 0)) wrong(`${how}: the rows are not ${direction}: ${found}`);
    };
    const button = table.locator("th button").nth(at);
    await button.click();
    await isSorted("descending", -1, "a click");
    await button.click();
    await isSorted("ascending", 1, "a second click");
    // From the filter on, the tabulator alone must lead to the header.
    await page.locator("input[type=search]").focus();
    const isThere = () => button.evaluate((one) => one === document.activeElement);
    for (let step = 0; step < 60 && !(await isThere()); step++) await page.keyboard.press("Tab");
    if (!(await isThere())) return wrong("the header cannot be reached by the tabulator");
    const outline = await button.evaluate((one) => getComputedStyle(one).outlineStyle);
    if (outline === "none") wrong("the focus is not to be seen");
    await page.keyboard.press("Enter");
    await isSorted("descending", -1, "Enter");
    if (!(await isThere())) wrong("the header loses the focus where it sorts");
}

async function filtering({ page, wrong }, { varied, short, settings }) {
    const rows = page.locator("tbody tr");
    const count = await rows.count();
    const filter = page.locator("input[type=search]");
    // A trial's id, the end of its folder, belongs to one row.
    const id = (await page.locator("tbody a").first().getAttribute("href")).slice(-11, -1);
    await filter.fill(id);
    if ((await rows.count()) !== 1) wrong(`the filter ${id} leaves ${await rows.count()} rows`);
    const example = await filter.getAttribute("placeholder");
    await filter.fill(example);
    const left = await rows.count();
    if (left === 0) wrong(`the filter ${example} leaves nothing`);
    if (example.includes("=")) {
        const values = await page.locator("tbody tr > td:first-child").allInnerTexts();
        if (values.some((value) => value !== example.split("=")[1])) wrong(`the filter ${example} leaves ${values}`);
    }
    const lacking = varied.find((key) => settings.some(({ values }) => values[key] === null));
    if (lacking) {
        await filter.fill(`${short[lacking]}=-`);
        if ((await rows.count()) === 0) wrong(`the filter of trials without ${lacking} leaves nothing`);
    }
    await filter.fill("nothing has this");
    if ((await rows.count()) !== 0) wrong("a filter that nothing matches leaves rows");
    // The charts follow a moment later.
    await page.waitForFunction(() => document.querySelectorAll(".plot:not([hidden]) svg").length === 0 && document.querySelectorAll("figure").length === 0)
        .catch(() => wrong("charts or pictures do not follow the filter"));
    await filter.fill("");
    if ((await rows.count()) !== count) wrong("an empty filter does not bring all rows back");
    await page.waitForTimeout(300);
    const status = page.getByRole("combobox", { name: "status", exact: true });
    if ((await status.count()) > 0) {
        for (const value of await status.locator("option").evaluateAll((options) => options.map((option) => option.value).filter(Boolean))) {
            await status.selectOption(value);
            const texts = await page.locator("tbody tr").allInnerTexts();
            if (texts.length === 0 || texts.some((text) => !text.includes(value))) wrong(`the status ${value} leaves other rows, or none`);
        }
        await status.selectOption("");
    }
}

/** What a filter leaves of folded rows are figures of the trials that it leaves. */
async function filteringSeeds({ page, wrong }) {
    const unfold = page.getByRole("button", { name: "every trial" });
    if ((await unfold.count()) === 0) return;
    const filter = page.locator("input[type=search]");
    await filter.fill("seed=0");
    const rows = () => page.locator("tbody tr").evaluateAll((all) => all.map((row) => [...row.children].map((cell) => cell.innerText)));
    const folded = await rows();
    const links = await page.locator("tbody a").count();
    await unfold.click();
    const single = await rows();
    await page.getByRole("button", { name: "seeds folded" }).click();
    await filter.fill("");
    await page.waitForTimeout(300);
    if (single.length === 0) return;
    const figures = (all) => JSON.stringify(all.map((row) => row.slice(-8, -1)).sort());
    if (links !== single.length) wrong(`filtered, folded rows have ${links} folders of ${single.length} trials`);
    if (folded.some((row) => row.some((cell) => cell.includes("±")))) wrong("folded rows of one seed have deviations");
    if (figures(folded) !== figures(single)) wrong(`filtered, folded rows have other figures than their trials: ${figures(folded)}, ${figures(single)}`);
}

/** A column's best figure is bold, where figures may be compared. */
async function bold({ page, wrong }, { comparable, sorted_by }) {
    for (const [name, best] of [["loss", Math.min], ["elbo_nats", Math.max]]) {
        const at = await page.locator(`th[data-column=${name}]`).evaluate((head) => head.cellIndex + 1);
        const cells = page.locator(`tbody tr > td:nth-child(${at})`);
        const figures = numbers(await cells.allInnerTexts()).filter((number) => number !== null);
        const marked = numbers(await page.locator(`tbody tr > td:nth-child(${at}).best`).allInnerTexts());
        const hasBest = comparable && figures.length > 1 && (name !== "loss" || sorted_by === "loss");
        if (hasBest !== marked.length > 0) wrong(`of the column ${name}, ${marked.length} figures are bold`);
        if (marked.some((figure) => figure !== best(...figures))) wrong(`of the column ${name}, ${marked} is bold, not ${best(...figures)}`);
    }
}

async function folding({ page, wrong }) {
    const rows = page.locator("tbody tr");
    const unfold = page.getByRole("button", { name: "every trial" });
    if ((await unfold.count()) === 0) return;
    const count = await rows.count();
    await unfold.click();
    if ((await rows.count()) <= count) wrong("unfolded seeds are no further rows");
    if ((await unfold.getAttribute("aria-pressed")) !== "true") wrong("the button of every trial is not pressed");
    await page.getByRole("button", { name: "seeds folded" }).click();
    if ((await rows.count()) !== count) wrong("folded seeds are not the rows that there were");
}

async function chartsAndPictures({ page, wrong }) {
    for (const plot of await page.locator(".plot:not([hidden])").all()) {
        const label = await plot.getAttribute("aria-label");
        if (!label || (await plot.getAttribute("role")) !== "img") wrong("a chart has no text in its place");
        if ((await plot.locator("svg path").count()) === 0) wrong(`a chart is empty: ${label}`);
        if (label && /NaN|undefined|null/.test(label + (await plot.textContent()))) wrong(`a chart shows no number: ${label}`);
    }
    for (const kind of ["reconstructions", "samples", "manifold"]) {
        const button = page.getByRole("button", { name: kind, exact: true });
        if ((await button.count()) === 0) continue;
        await button.click();
        const broken = await page.locator("figure img").evaluateAll((images) => Promise.all(images.map((image) => image.decode().then(() => false, () => true))));
        if (broken.length === 0 || broken.includes(true)) wrong(`the pictures of ${kind} cannot be seen`);
    }
    // By keyboard too, the legend's buttons take curves away.
    const curve = page.locator(".legend button[aria-pressed=true]");
    if ((await curve.count()) > 0) {
        const before = await curve.count();
        await curve.first().press("Enter");
        if ((await curve.count()) !== before - 1) wrong("the legend of the learning curves takes no curve away");
    }
}

for (const report of reports) {
    const name = basename(dirname(resolve(report)));
    const shot = async (page, suffix) => {
        // Pictures further down come when one gets there.
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
        if ((await light.page.locator("table").count()) > 0) {
            await sorting(light);
            await filtering(light, data.experiments[index]);
            await folding(light);
            await filteringSeeds(light);
            await bold(light, data.experiments[index]);
        }
        await chartsAndPictures(light);
    }
    if ((await experiments.count()) > 1) {
        // What filters an experiment stays with it, and is seen when one comes back to it.
        const filter = light.page.locator("input[type=search]");
        const status = light.page.getByRole("combobox", { name: "status", exact: true });
        const inEffect = async () => [await filter.inputValue(), ...await status.evaluateAll((all) => all.map((one) => one.value))].join();
        await experiments.first().click();
        for (const one of await status.all()) await one.selectOption({ index: 1 });
        await filter.fill("nothing has this");
        const before = await inEffect();
        await experiments.nth(1).click();
        if ((await light.page.locator("tbody tr").count()) === 0) light.wrong("a filter is in effect in another experiment too");
        await experiments.first().click();
        if ((await inEffect()) !== before || (await light.page.locator("tbody tr").count()) !== 0) light.wrong(`the filter that is seen is ${await inEffect()}, not ${before}`);
        for (const one of await status.all()) await one.selectOption("");
        await filter.fill("");
        await light.page.waitForTimeout(300);
    }
    if ((await light.page.locator("h1").count()) !== 1) light.wrong("it has not one heading");
    await light.page.emulateMedia({ colorScheme: "dark" });
    await shot(light.page, "_dark");
    await light.page.close();
    const phone = await open(report, { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2 });
    const width = await phone.page.evaluate(() => document.documentElement.scrollWidth);
    if (width > 390) phone.wrong(`it is ${width} pixels wide on a phone of 390`);
    await shot(phone.page, "_phone");
    await phone.page.close();
}
await browser.close();
problems.forEach((problem) => console.error(problem));
if (problems.length === 0) console.log(`${reports.length} reports work as they should; screenshots in ${shots}`);
process.exit(problems.length === 0 ? 0 : 1);
