// Measures in a headless Chromium how long a report takes to open, and how soon its page answers.
//
//     node benches/page.mjs CHROMIUM REPORT.html...
//
// Needs playwright-core, found through NODE_PATH. Prints milliseconds: of the script that answers, and until the next frame is drawn.
import { createRequire } from "node:module";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";

// Only `require` uses NODE_PATH.
const { chromium } = createRequire(import.meta.url)("playwright-core");
const [program, ...reports] = process.argv.slice(2);
if (reports.length === 0) {
    console.error("usage: node benches/page.mjs CHROMIUM REPORT.html...");
    process.exit(2);
}

/** What a reader does, and how: functions that run in the page. */
const ACTIONS = {
    "sort by a metric": () => document.querySelector("table.trials th[data-column=elbo_nats] button").click(),
    "filter": () => {
        const filter = document.querySelector("input[type=search]");
        filter.value = "seed=1";
        filter.dispatchEvent(new Event("input", { bubbles: true }));
    },
    "remove the filter": () => {
        const filter = document.querySelector("input[type=search]");
        filter.value = "";
        filter.dispatchEvent(new Event("input", { bubbles: true }));
    },
    "choose other colours": () => {
        const choice = document.querySelector("select[data-colours]");
        if (choice === null) return;
        choice.selectedIndex = (choice.selectedIndex + 1) % choice.options.length;
        choice.dispatchEvent(new Event("change", { bubbles: true }));
    },
};

const browser = await chromium.launch({ executablePath: program, args: ["--no-sandbox"] });
for (const report of reports) {
    const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
    await page.goto(pathToFileURL(resolve(report)).href);
    const [loaded, elements] = await page.evaluate(() =>
        [performance.getEntriesByType("navigation")[0].loadEventEnd, document.querySelectorAll("*").length]);
    console.log(`${report}: open after ${Math.round(loaded)} ms, ${elements} elements`);
    for (const [name, action] of Object.entries(ACTIONS)) {
        const [script, frame] = await page.evaluate(async (action) => {
            const drawn = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done, 0)));
            await drawn();
            const start = performance.now();
            (0, eval)(`(${action})()`);
            const script = performance.now() - start;
            await drawn();
            return [script, performance.now() - start];
        }, action.toString());
        console.log(`  ${name}: ${Math.round(script)} ms, drawn after ${Math.round(frame)} ms`);
        // Charts follow a moment later.
        await page.waitForTimeout(2000);
    }
    await page.close();
}
await browser.close();
