/** A Chromium that watches for errors, and the pages that it visits. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { type Browser, chromium, type Page } from "playwright-core";

export const SHOTS = `${import.meta.dirname}/../screenshots`;
export const PATIENCE_MS = Number(process.env.BUBI_PATIENCE_MS ?? 120_000);
export type Language = "en" | "zh";

/** A setting that the caller of these tests gives. */
export function given(name: string): string {
  const found = process.env[name];
  if (!found) throw new Error(`set ${name}: these tests run on a real network`);
  return found;
}

export const gateway = (): string => given("BUBI_GATEWAY_URL").replace(/\/$/, "");

export function launch(): Promise<Browser> {
  return chromium.launch({
    executablePath: given("BUBI_CHROMIUM"),
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-dev-shm-usage",
      "--font-render-hinting=none",
    ],
  });
}

export interface Visitor {
  page: Page;
  /** What the browser complained of. */
  complaints: string[];
}

/** A fresh visitor without memory. */
export async function visitor(
  browser: Browser,
  options: { language?: Language; theme?: "light" | "dark"; width?: number } = {},
): Promise<Visitor> {
  const context = await browser.newContext({
    viewport: { width: options.width ?? 1440, height: 900 },
    locale: options.language === "zh" ? "zh-CN" : "en-GB",
    acceptDownloads: true,
  });
  context.setDefaultTimeout(PATIENCE_MS);
  await context.addInitScript(
    ([language, theme]) => {
      if (!localStorage.getItem("bubi.language")) localStorage.setItem("bubi.language", language);
      if (!localStorage.getItem("bubi.theme")) localStorage.setItem("bubi.theme", theme);
    },
    [options.language ?? "en", options.theme ?? "light"] as const,
  );
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on("pageerror", (error) => complaints.push(`error: ${error.message}`));
  page.on("console", (message) => {
    if (message.type() === "error") complaints.push(`console: ${message.text()}`);
  });
  page.on("request", (request) => {
    const url = request.url();
    if (!url.startsWith(gateway()) && !/^(data|blob):/.test(url)) {
      complaints.push(`asked elsewhere: ${url}`);
    }
  });
  return { page, complaints };
}

const AGAIN_MS = 200;

/** Asks again and again until there is an answer; what it was. Fails with what was waited for. */
export async function until<T>(
  what: string,
  ask: () => Promise<T | null | undefined | false>,
): Promise<T> {
  const end = performance.now() + PATIENCE_MS;
  for (;;) {
    const answer = await ask();
    if (answer !== null && answer !== undefined && answer !== false) return answer;
    if (performance.now() > end) throw new Error(`waited in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
  }
}

/** What the gateway answers, as soon as it has it: its index follows the node, and may be behind. */
export function answered<T>(path: string): Promise<T> {
  return until(path, async () => {
    const answer = await fetch(gateway() + path);
    if (answer.ok) return (await answer.json()) as T;
    if (answer.status === 404 || answer.status === 503) return null;
    throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
  });
}

/** The first entry of a list that fits, as soon as there is one. */
export function listed<T>(path: string, fits: (one: T) => boolean): Promise<T> {
  return until(`an entry of ${path}`, async () =>
    (await answered<{ items: T[] }>(path)).items.find(fits),
  );
}

/** Opens a page and waits until it stands. */
export async function open(page: Page, path: string): Promise<void> {
  await page.goto(gateway() + path, { waitUntil: "domcontentloaded" });
  await settled(page);
}

export async function settled(page: Page): Promise<void> {
  await page.locator("h1").first().waitFor({ timeout: PATIENCE_MS });
  await page.waitForFunction(() => document.querySelectorAll(".bones").length === 0, undefined, {
    timeout: PATIENCE_MS,
  });
}

/**
 * Goes to another page as a click does: the application stays, only the page is exchanged. A new page has a new headline;
 * where only the query changes it would be the same one, so that such a page is opened.
 */
export async function turn(page: Page, path: string): Promise<void> {
  const [here, there] = [new URL(page.url()), new URL(gateway() + path)];
  const elsewhere = here.origin !== there.origin || (await page.locator("h1").count()) === 0;
  if (elsewhere || there.pathname === here.pathname) {
    await open(page, path);
    return;
  }
  await page.evaluate((to) => {
    for (const old of document.querySelectorAll("h1")) old.setAttribute("data-old", "");
    history.pushState(null, "", to);
    dispatchEvent(new PopStateEvent("popstate", { state: null }));
  }, path);
  await page.locator("h1:not([data-old])").first().waitFor({ timeout: PATIENCE_MS });
  await settled(page);
}

/** Where the time of a run goes, by what was done. */
export class Stopwatch {
  private readonly spent = new Map<string, number>();

  async time<T>(what: string, work: Promise<T>): Promise<T> {
    const begin = performance.now();
    const done = await work;
    this.spent.set(what, (this.spent.get(what) ?? 0) + performance.now() - begin);
    return done;
  }

  toString(): string {
    return [...this.spent].map(([what, ms]) => `${what} ${(ms / 1000).toFixed(1)} s`).join(", ");
  }
}

/** The other of light and dark, as the button or, where there is none, the next visit gives it. */
export async function otherTheme(page: Page): Promise<void> {
  const before = await page.locator("html").getAttribute("data-theme");
  const after = before === "dark" ? "light" : "dark";
  const button = page.locator("header button[aria-pressed]");
  if ((await button.count()) > 0) await button.first().click();
  else {
    await page.evaluate((theme) => localStorage.setItem("bubi.theme", theme), after);
    await page.reload({ waitUntil: "domcontentloaded" });
    await settled(page);
  }
  await page.locator(`html[data-theme="${after}"]`).waitFor();
  await still(page);
}

/**
 * Waits until nothing loads and nothing moves: colours on their way from one to the other have no contrast of their own.
 * What moves for ever, such as the placeholder of a page that is held back, does not count; nor does what just came by the
 * event stream, for the next may follow before the first has settled.
 */
export async function still(page: Page): Promise<void> {
  await page.waitForFunction(
    () => {
      const moves = document.getAnimations().some((one) => {
        const timing = one.effect?.getComputedTiming();
        const ends = timing?.iterations !== Number.POSITIVE_INFINITY;
        const news = one instanceof CSSAnimation && one.animationName === "arrive";
        return ends && !news && one.playState === "running";
      });
      const loads = document.querySelector(".ant-spin-spinning, .ant-btn-loading") !== null;
      return !(moves || loads || document.fonts.status === "loading");
    },
    undefined,
    { timeout: PATIENCE_MS, polling: "raf" },
  );
}

const axeSource = readFileSync(
  createRequire(import.meta.url).resolve("axe-core/axe.min.js"),
  "utf8",
);

interface Finding {
  id: string;
  impact: string | null;
  nodes: { target: string[]; failureSummary: string }[];
}

/** Navigation and header, which are the same on every page. */
const FRAME = [[".side"], ["header.top"]];

/**
 * What keeps people from using the page: serious and critical findings of axe. `part` leaves out what was looked at
 * elsewhere: the `page` without its frame, or its `colours` only.
 */
export async function barriers(
  page: Page,
  part: "all" | "page" | "colours" = "all",
): Promise<string[]> {
  await still(page);
  if (!(await page.evaluate(() => "axe" in window))) await page.evaluate(axeSource);
  // What passes is not described, and what is on no page is not looked for.
  const options = {
    resultTypes: ["violations"],
    preload: false,
    iframes: false,
    ...(part === "colours" ? { runOnly: ["color-contrast"] } : {}),
  };
  const context = part === "page" ? { exclude: FRAME } : { include: [["html"]] };
  const found = (await page.evaluate(
    async ([where, how]) => {
      type Axe = { run: (where: object, how: object) => Promise<{ violations: unknown[] }> };
      const { axe } = window as unknown as { axe: Axe };
      return (await axe.run(where, how)).violations;
    },
    [context, options] as const,
  )) as Finding[];
  return found
    .filter((one) => one.impact === "serious" || one.impact === "critical")
    .map((one) => {
      const first = one.nodes[0];
      return `${one.id}: ${first?.target.join(" ")} ${first?.failureSummary.slice(0, 300)}`;
    });
}
