// Opens TensorBoard's pages in a headless Chromium, checks what they show, and takes screenshots.
//
//     node tests/tensorboard_pages.mjs CHROMIUM PYTHON RUNS SETTINGS SHOTS
//
// PYTHON must have tensorboard. RUNS is a runs folder with SETTINGS hparams groups. Screenshots are written to SHOTS. Needs
// playwright-core, found through NODE_PATH. Exit status 1 with one line per page that does not show what it should.
import { createRequire } from "node:module";
import { spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";

// Only `require` uses NODE_PATH.
const { chromium } = createRequire(import.meta.url)("playwright-core");
const [program, python, runs, settings, shots] = process.argv.slice(2);
const patience = { timeout: 60_000 };
// The metrics of a split, in TensorBoard's order.
const results = ["active_units", "elbo_nats", "kl_nats", "loss", "recon_nats"];

const port = await new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
        const { port } = server.address();
        server.close(() => resolve(port));
    });
});
mkdirSync(shots, { recursive: true });
const board = spawn(python, ["-m", "tensorboard.main", "--logdir", runs, "--host", "127.0.0.1", "--port", port,
    "--load_fast=false", "--reload_interval", "2"], { stdio: "ignore" });
const browser = await chromium.launch({
    executablePath: program,
    // The projector needs WebGL; without a GPU, software renders it.
    args: ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"],
});
const problems = [];

/** Opens a page of TensorBoard, waits for its content, and takes a screenshot. */
async function look(name, check) {
    const page = await browser.newPage({ viewport: { width: 1500, height: 950 } });
    try {
        await page.goto(`http://127.0.0.1:${port}/#${name}`, patience);
        await check(page);
    } catch (error) {
        problems.push(`${name}: ${String(error).split("\n")[0]}`);
    }
    await page.waitForTimeout(1500);
    await page.screenshot({ path: join(shots, `tensorboard_${name}.png`) });
    await page.close();
}

/** The frame of a page that has a text; waits for it. */
async function frameWith(page, text) {
    for (const end = Date.now() + patience.timeout; Date.now() < end; await page.waitForTimeout(200)) {
        for (const frame of page.frames()) {
            // A frame that is replaced while it is asked has no answer.
            const count = await frame.getByText(text).count().catch(() => 0);
            if (count > 0) return frame;
        }
    }
    throw new Error(`no frame has the text \`${text}\``);
}

/** Checks that a list of names starts with the expected ones. */
function begins(what, names, expected) {
    const found = names.map((name) => name.trim()).slice(0, expected.length);
    if (found.join() !== expected.join()) throw new Error(`${what}: ${found.join(", ")}, expected ${expected.join(", ")}`);
}

async function answers() {
    for (let attempt = 0; attempt < 150; attempt++) {
        try {
            const found = await (await fetch(`http://127.0.0.1:${port}/data/runs`)).json();
            if (found.length > 0) return;
        } catch {}
        await new Promise((resolve) => setTimeout(resolve, 400));
    }
    throw new Error("TensorBoard does not answer or finds no run");
}

try {
    await answers();
    await look("hparams", async (page) => {
        const groups = page.getByText(/-[0-9a-f]{6}$/);
        await groups.first().waitFor(patience);
        const found = new Set(await groups.allTextContents());
        if (found.size !== Number(settings)) throw new Error(`${found.size} groups, expected ${settings}`);
        const columns = (await page.locator(".table-header").allTextContents()).filter((name) => name.includes("/"));
        begins("metrics", columns, results.map((name) => `1_validation/${name}`));
    });
    await look("images", (page) => page.locator("img").nth(2).waitFor(patience));
    await look("custom_scalars", (page) => page.getByText("Reconstruction and KL").first().waitFor(patience));
    await look("timeseries", async (page) => {
        await page.getByText("reconstructions").first().waitFor(patience);
        begins("groups", await page.locator(".card-group .group-title").allTextContents(), ["1_validation", "2_train"]);
        // Only visible cards are rendered.
        const inView = results.slice(0, 4).map((name) => `1_validation/${name}`);
        for (const title of inView) await page.getByTitle(title).first().waitFor(patience);
        const cards = await page.locator(".card-group card-view").evaluateAll((cards) =>
            cards.map((card) => card.querySelector("[title]")?.getAttribute("title") ?? "nothing"));
        begins("cards", cards, inView);
    });
    await look("projector", async (page) => {
        // The plugin is in a frame inside a frame; which of them exists when depends on what loads first.
        const plugin = await frameWith(page, "Total variance described");
        await page.waitForTimeout(4000);
        // If it cannot project the points, the variance is NaN.
        if ((await plugin.getByText("NaN").count()) > 0) throw new Error("the points cannot be projected");
    });
} finally {
    await browser.close();
    board.kill();
}
for (const problem of problems) console.error(problem);
if (problems.length === 0) console.log(`TensorBoard's pages are correct; screenshots in ${shots}`);
process.exit(problems.length === 0 ? 0 : 1);
