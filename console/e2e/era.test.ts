/** The console of a chain that continues another one, on a real gateway of a real new era. */
import { mkdirSync } from "node:fs";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { grouped } from "../src/lib/format";
import en from "../src/text/en.json";
import zh from "../src/text/zh.json";
import { barriers, given, type Language, launch, open, SHOTS, visitor } from "./browser";

const TEXTS = { en, zh };
let browser: Browser;
/** What the new chain says of the old one, and what it took over. */
let before: { chain: string; height: string; url: string; account: string; asset: string };

beforeAll(async () => {
  mkdirSync(SHOTS, { recursive: true });
  before = JSON.parse(given("BUBI_PREDECESSOR"));
  browser = await launch();
});

afterAll(async () => {
  await browser?.close();
});

describe.each(["en", "zh"] as const)("a new era in %s", (language: Language) => {
  const t = TEXTS[language];
  const theme = language === "zh" ? "dark" : "light";

  it("tells on the first page where the chain before ended", async () => {
    const { page, complaints } = await visitor(browser, { language, theme });
    await open(page, "/");
    const card = page
      .locator("section.card")
      .filter({ has: page.getByRole("heading", { name: t["era.title"] }) });
    await card.getByText(t["era.text"]).waitFor();
    await card.locator(`.id[title="${before.chain}"]`).first().waitFor();
    const facts = card.locator("dl");
    const height = `${t["era.height"]}${grouped(before.height)}${t["era.time"]}`;
    await facts.filter({ hasText: height }).waitFor();
    await facts.filter({ hasText: /\d{4}-\d\d-\d\d \d\d:\d\d:\d\d/ }).waitFor();
    await card
      .getByRole("link", { name: before.url })
      .and(card.locator(`[href="${before.url}"]`))
      .waitFor();
    await page.screenshot({ path: `${SHOTS}/predecessor-${language}.png`, fullPage: true });
    expect(await barriers(page)).toEqual([]);
    expect(complaints).toEqual([]);
    await page.context().close();
  });

  it("shows what the old chain left, from before the first block on", async () => {
    const { page, complaints } = await visitor(browser, { language, theme });
    await open(page, `/accounts/${before.account}?height=0`);
    const holdings = page.getByRole("table", { name: t["account.holdings"] });
    await holdings.getByRole("link", { name: before.asset }).first().waitFor();
    await page.getByText(t["block.beginning"]).first().waitFor();
    expect(complaints).toEqual([]);
    await page.context().close();
  });
});
