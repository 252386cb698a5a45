// Opens reports in a headless Chromium, as a reader does: nothing may fail, and tables must sort, filter and fold.
//
//     node tests/report_check.mjs CHROMIUM SHOTS REPORT.html...
//
// Screenshots (light, dark, a phone's width) go to SHOTS. Needs playwright-core, found through NODE_PATH. Exit status 1 with a
// line for each thing that is wrong.
import { createRequire } from "node:module";
import { mkdirSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const { chromium } = createRequire(import.meta.url)("playwright-core");
const [program, shots, ...reports] = process.argv.slice(2);
mkdirSync(shots, { recursive: true });
const browser = await chromium.launch({ executablePath: program, args: ["--no-sandbox"] });
const problems = [];

async function open(path, options) {
    const page = await browser.newPage(options);
    const url = pathToFileURL(resolve(path)).href;
    const wrong = (what) => problems.push(`${path}: ${what}`);
    page.on("console", (message) => ["error", "warning"].includes(message.type()) && wrong(`console: ${message.text()}`));
    page.on("pageerror", (error) => wrong(`error: ${error.message}`));
    page.on("request", (request) => request.url() !== url && !request.url().startsWith("data:") && wrong(`asks for ${request.url()}`));
    await page.goto(url);
    return { page, wrong };
}

/** The texts of a column of the table, by its number. */
const column = (page, index) => page.locator(`tbody`).first().locator(`tr > td:nth-child(${index + 1})`).allInnerTexts();

/** The numbers at the beginning of some texts. */
const numbers = (texts) => texts.map(parseFloat).filter((number) => !Number.isNaN(number));

async function behaviour({ page, wrong }) {
    const table = page.locator("table").first();
    if ((await table.count()) === 0) return;
    const rows = page.locator("tbody").first().locator("tr");
    const count = await rows.count();
    const heads = await table.locator("th").allInnerTexts();
    const elbo = heads.findIndex((head) => head.startsWith("ELBO"));
    // By keyboard alone: focus a header, press Enter.
    const button = table.locator("th button").nth(elbo);
    const isSorted = async (direction, sign) => {
        if ((await table.locator("th").nth(elbo).getAttribute("aria-sort")) !== direction) wrong(`the ELBO's column is not ${direction}`);
        const found = numbers(await column(page, elbo));
        if (found.some((number, index) => index > 0 && sign * (number - found[index - 1]) < 0)) wrong(`the rows are not ${direction}: ${found}`);
    };
    await button.focus();
    await page.keyboard.press("Enter");
    await isSorted("descending", -1);
    await page.keyboard.press("Enter");
    await isSorted("ascending", 1);
    await button.click();
    await isSorted("descending", -1);
    // A word that one row alone has.
    const id = (await page.locator("tbody a").first().getAttribute("href")).slice(0, -1).slice(-10);
    await page.locator("input[type=search]").first().fill(id);
    if ((await rows.count()) !== 1) wrong(`of the filter ${id} come ${await rows.count()} rows`);
    await page.locator("input[type=search]").first().fill("nothing has this");
    if ((await rows.count()) !== 0) wrong("a filter that nothing matches leaves rows");
    await page.locator("input[type=search]").first().fill("");
    if ((await rows.count()) !== count) wrong("an empty filter does not bring all rows back");
    const unfold = page.getByRole("button", { name: "every trial" });
    if ((await unfold.count()) > 0) {
        await unfold.first().click();
        if ((await rows.count()) <= count) wrong("unfolded seeds are no further rows");
        await page.getByRole("button", { name: "seeds folded" }).first().click();
        if ((await rows.count()) !== count) wrong("folded seeds are not the rows that there were");
    }
    for (const kind of ["samples", "manifold"]) {
        const other = page.getByRole("button", { name: kind });
        if ((await other.count()) === 0) continue;
        await other.first().click();
        const broken = await page.locator("figure img").evaluateAll((images) => Promise.all(images.map((image) => image.decode().then(() => false, () => true))));
        if (broken.length === 0 || broken.includes(true)) wrong(`the pictures of ${kind} cannot be seen`);
    }
    for (const chart of await page.locator(".chart").all()) {
        if (!(await chart.getAttribute("aria-label"))) wrong("a chart has no text");
        if ((await chart.locator("svg path").count()) === 0) wrong(`a chart is empty: ${await chart.getAttribute("aria-label")}`);
    }
}

for (const report of reports) {
    const name = basename(dirname(resolve(report)));
    const light = await open(report, { viewport: { width: 1280, height: 900 } });
    await light.page.screenshot({ path: join(shots, `report_${name}.png`), fullPage: true });
    await behaviour(light);
    await light.page.close();
    const dark = await open(report, { viewport: { width: 1280, height: 900 }, colorScheme: "dark" });
    await dark.page.screenshot({ path: join(shots, `report_${name}_dark.png`), fullPage: true });
    await dark.page.close();
    const phone = await open(report, { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2 });
    const width = await phone.page.evaluate(() => document.documentElement.scrollWidth);
    if (width > 390) phone.wrong(`it is ${width} pixels wide on a phone of 390`);
    await phone.page.screenshot({ path: join(shots, `report_${name}_phone.png`), fullPage: true });
    await phone.page.close();
}
await browser.close();
for (const problem of problems) console.error(problem);
if (problems.length === 0) console.log(`${reports.length} reports work as they should; screenshots in ${shots}`);
process.exit(problems.length === 0 ? 0 : 1);
