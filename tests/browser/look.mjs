// Opens a page in Chromium and says what happened, as one JSON object: what was loaded, what the console said, what the page's
// policy refused, and what an expression gives in it.
//
//   node look.mjs CHROMIUM FILE [--width N] [--height N] [--dark] [--evaluate JS] [--screenshot PNG] [--pdf PDF]
//
// Speaks the DevTools protocol over the browser's pipe (descriptors 3 and 4): no port, and no package.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const [chromium, file, ...rest] = process.argv.slice(2);
const option = (name) => (rest.includes(name) ? rest[rest.indexOf(name) + 1] : undefined);
const profile = mkdtempSync(join(tmpdir(), "bunsui-browser-"));
const flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars", "--remote-debugging-pipe", `--user-data-dir=${profile}`];
const browser = spawn(chromium, [...flags, "about:blank"], { stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"] });
const seen = { requests: [], console: [], issues: [], dialogs: [] };

const waiting = new Map();
const listeners = new Map();
let number = 0;
let buffer = "";
browser.stdio[4].setEncoding("utf8");
browser.stdio[4].on("data", (text) => {
  buffer += text;
  const messages = buffer.split("\0");
  buffer = messages.pop();
  for (const message of messages) hear(JSON.parse(message));
});

function hear({ id, method, params, result, error }) {
  if (id) {
    const { good, bad } = waiting.get(id);
    waiting.delete(id);
    return error ? bad(new Error(error.message)) : good(result);
  }
  if (method === "Network.requestWillBeSent") seen.requests.push(params.request.url);
  if (method === "Runtime.consoleAPICalled") seen.console.push(params.args.map((one) => one.value ?? one.description).join(" "));
  if (method === "Runtime.exceptionThrown") seen.console.push(params.exceptionDetails.text);
  if (method === "Log.entryAdded") seen.console.push(params.entry.text);
  if (method === "Audits.issueAdded") seen.issues.push(params.issue.code);
  if (method === "Page.javascriptDialogOpening") seen.dialogs.push(params.message);
  listeners.get(method)?.(params);
}

function ask(method, params = {}, sessionId = undefined) {
  const id = ++number;
  browser.stdio[3].write(JSON.stringify({ id, method, params, sessionId }) + "\0");
  return new Promise((good, bad) => waiting.set(id, { good, bad }));
}

async function look() {
  const { targetId } = await ask("Target.createTarget", { url: "about:blank" });
  const { sessionId } = await ask("Target.attachToTarget", { targetId, flatten: true });
  const page = (method, params) => ask(method, params, sessionId);
  for (const domain of ["Page", "Runtime", "Log", "Network", "Audits"]) await page(`${domain}.enable`);
  const [width, height] = [Number(option("--width") ?? 1200), Number(option("--height") ?? 900)];
  await page("Emulation.setDeviceMetricsOverride", { width, height, deviceScaleFactor: 1, mobile: false });
  const value = rest.includes("--dark") ? "dark" : "light";
  await page("Emulation.setEmulatedMedia", { features: [{ name: "prefers-color-scheme", value }] });
  const loaded = new Promise((good) => listeners.set("Page.loadEventFired", good));
  const started = Date.now();
  await page("Page.navigate", { url: pathToFileURL(resolve(file)).href });
  await loaded;
  // What is to come after the load has come when an evaluation and a picture have been answered.
  const expression = option("--evaluate") ?? "document.title";
  const { result, exceptionDetails } = await page("Runtime.evaluate", { expression, returnByValue: true });
  seen.value = exceptionDetails ? `threw: ${exceptionDetails.exception?.description}` : result.value;
  const { data } = await page("Page.captureScreenshot", { format: "png" });
  seen.milliseconds = Date.now() - started;
  if (option("--screenshot")) writeFileSync(option("--screenshot"), Buffer.from(data, "base64"));
  if (option("--pdf")) {
    const { data } = await page("Page.printToPDF", { printBackground: true });
    writeFileSync(option("--pdf"), Buffer.from(data, "base64"));
  }
}

const gone = new Promise((good) => browser.on("exit", good));
browser.on("error", (error) => fail(error));
const limit = setTimeout(() => fail(new Error("the browser does not answer")), 60_000);

function fail(error) {
  browser.kill("SIGKILL");
  console.error(String(error));
  process.exit(1);
}

try {
  await look();
} catch (error) {
  fail(error);
}
clearTimeout(limit);
await ask("Browser.close").catch(() => {});
await gone;
rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
console.log(JSON.stringify(seen));
