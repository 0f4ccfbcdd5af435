/** Bars of quotas, on a real gateway of a ledger whose accounts used some of theirs. */
import { mkdirSync } from "node:fs";
import type { Browser, Locator, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { grouped } from "../src/lib/format";
import en from "../src/text/en.json";
import zh from "../src/text/zh.json";
import { barriers, given, type Language, launch, open, SHOTS, until, visitor } from "./browser";

const TEXTS = { en, zh };
let browser: Browser;

interface Use {
  used: number;
  limit: number;
}

/** Whose quotas, and what the node says of them. */
let known: { organisation: string; account: string; own: Use; shared: Use };

beforeAll(async () => {
  mkdirSync(SHOTS, { recursive: true });
  known = JSON.parse(given("BUBI_QUOTA"));
  browser = await launch();
});

afterAll(async () => {
  await browser?.close();
});

/** Waits until a bar beside these figures is as long as they say, and has the colour for it. */
async function filled(card: Locator, use: Use, figures: string): Promise<void> {
  const line = card.locator("div:has(> .row > .number):has(> .bar)").filter({ hasText: figures });
  const bar = line.locator(".bar");
  const share = Math.min(1, use.used / use.limit);
  await until(`a bar filled to ${share}`, () =>
    bar.evaluate((element, wanted) => {
      const [whole, part] = [element, element.firstElementChild].map(
        (one) => one?.getBoundingClientRect().width ?? 0,
      );
      return (whole ?? 0) > 0 && Math.abs((part ?? 0) / (whole ?? 1) - wanted) < 0.02;
    }, share),
  );
  const tone = share >= 1 ? "bad" : share >= 0.8 ? "warn" : "";
  expect(await bar.locator("span").getAttribute("class")).toBe(tone);
}

describe.each(["en", "zh"] as const)("quotas in %s", (language: Language) => {
  const t = TEXTS[language];
  const figures = (use: Use) =>
    t["quota.used"]
      .replace("{used}", grouped(String(use.used)))
      .replace("{limit}", grouped(String(use.limit)));
  const card = (page: Page) =>
    page.locator("section.card").filter({ has: page.getByRole("heading", { name: t.quota }) });

  it("are as full as the node says", async () => {
    const { page, complaints } = await visitor(browser, { language });
    await open(page, `/accounts/${known.account}`);
    await filled(card(page), known.own, figures(known.own));
    await filled(card(page), known.shared, figures(known.shared));
    await page.screenshot({ path: `${SHOTS}/quota-account-${language}.png`, fullPage: true });
    expect(await barriers(page)).toEqual([]);
    await open(page, `/organisations/${known.organisation}`);
    await filled(card(page), known.shared, figures(known.shared));
    await page.screenshot({ path: `${SHOTS}/quota-organisation-${language}.png`, fullPage: true });
    expect(await barriers(page)).toEqual([]);
    expect(complaints).toEqual([]);
    await page.context().close();
  });
});
