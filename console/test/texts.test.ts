/** Both dictionaries say the same, each in its language. */
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import en from "../src/text/en.json";
import zh from "../src/text/zh.json";

const english = en as Record<string, string>;
const chinese = zh as Record<string, string>;

/** Texts that are the same in both languages: names, units, formats. */
const SAME = new Set([
  "algorithm.ed25519",
  "algorithm.p256",
  "algorithm.secp256k1",
  "algorithm.sm2",
  "csv",
  "digest.sha256",
  "digest.sm3",
]);

/** Texts in which an English word does not mean what the glossary explains. */
const OTHERWISE: Record<string, readonly string[]> = {
  // Of a login, not of the ledger.
  account: ["login.provider"],
  // A hold expires at its time; what the glossary means is a transaction without a receipt.
  expired: [
    "code.hold_expired",
    "event.hold_expired",
    "happened.hold_expired",
    "hold_state.expired",
    "meaning.hold_expired",
    "transaction.due.text",
  ],
  // The verb.
  hold: [
    "account.holdings.empty",
    "account.items.empty",
    "asset.holders.empty",
    "csv.cut",
    "does.authorise_holder",
    "happened.holder_authorised",
    "meaning.account_not_empty",
    "meaning.precondition_failed",
    "proof.cell",
  ],
  // What convinces people, not what a program checks.
  proof: ["evidence.text"],
  // By votes.
  rejected: ["proposal_state.rejected"],
};

/** Words of docs/glossary.md in both languages, without what stands in brackets. */
function glossary(): { word: string; chinese: string }[] {
  const page = readFileSync(new URL("../../docs/glossary.md", import.meta.url), "utf8");
  const found = page
    .split("\n")
    .map((line) => line.split("|").map((cell) => cell.replace(/[（(].*/, "").trim()))
    .filter((cells) => cells.length > 4 && /^[a-z][a-z -]+$/.test(cells[1] ?? ""))
    .map((cells) => ({ word: cells[1] ?? "", chinese: cells[2] ?? "" }));
  expect(found.length).toBeGreaterThan(50);
  return found;
}

function sources(folder: URL): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => /\.tsx?$/.test(name) && !name.startsWith("generated"))
    .map((name) => readFileSync(new URL(name, folder), "utf8"));
}

const places = (text: string): string[] =>
  [...text.matchAll(/\{(\w+)\}/g)].map((one) => one[0]).sort();

describe("the dictionaries", () => {
  it("have the same keys", () => {
    expect(Object.keys(chinese).sort()).toEqual(Object.keys(english).sort());
  });

  it("have the same places in every text", () => {
    for (const [key, text] of Object.entries(english)) {
      expect(places(chinese[key] ?? ""), key).toEqual(places(text));
    }
  });

  it("are Chinese in Chinese", () => {
    const wrong = Object.entries(chinese).filter(
      ([key, text]) => !SAME.has(key) && !/[\p{Script=Han}、]/u.test(text),
    );
    expect(wrong).toEqual([]);
  });

  it("are not Chinese in English", () => {
    expect(Object.entries(english).filter(([, text]) => /\p{Script=Han}/u.test(text))).toEqual([]);
  });

  it("know every text that the code asks for", () => {
    const asked = new Set<string>();
    for (const source of sources(new URL("../src/", import.meta.url))) {
      for (const [, key] of source.matchAll(/\b(?:t|rich)\(\s*"([^"]+)"/g)) asked.add(key ?? "");
    }
    expect(asked.size).toBeGreaterThan(100);
    expect([...asked].filter((key) => !(key in english))).toEqual([]);
  });

  it("leave no sentence in the pages", () => {
    const found = sources(new URL("../src/", import.meta.url)).flatMap((source) =>
      [...source.matchAll(/>\s*([A-Z][a-z]+(?: [a-z]+)+[^<>{}()=;]*)\s*</g)].map((one) => one[1]),
    );
    expect(found).toEqual([]);
  });

  it("have a text for every refusal of the library", () => {
    const folders = ["../../sdk/node/src/", "../src/"].map((one) => new URL(one, import.meta.url));
    const made = /(?:new (?:InvalidInput|EncodingError|sdk\.BubiError)|\bsuper)\(\s*"(\w+)"/g;
    const codes = folders
      .flatMap(sources)
      .flatMap((source) => [...source.matchAll(made)].map((one) => one[1]));
    expect(codes).toContain("proof_foreign");
    expect(codes.length).toBeGreaterThan(8);
    expect(codes.filter((one) => !(`problem.${one}` in english))).toEqual([]);
  });

  it("leave no words in labels, titles and placeholders", () => {
    const attribute =
      /\b(?:aria-label|aria-description|title|placeholder|alt|label)=(?:\{\s*)?(["'`])(.*?)\1/gs;
    const found = sources(new URL("../src/", import.meta.url)).flatMap((source) =>
      [...source.matchAll(attribute)].map((one) => one[2] ?? ""),
    );
    // Some of these members take the key of a text.
    const words = found
      .filter((one) => !(one in english))
      .map((one) => one.replaceAll(/\$\{[^}]*\}/g, ""));
    expect(found.length).toBeGreaterThan(0);
    expect(words.filter((one) => /\p{L}{2}/u.test(one))).toEqual([]);
  });

  it("show no error in the words of a program", () => {
    // An error is shown by its code: `Trouble` and `Reason` do that for all pages.
    const pages = ["pages/", "components/"].map(
      (one) => new URL(`../src/${one}`, import.meta.url),
    );
    const found = pages
      .flatMap(sources)
      .flatMap((source) => source.match(/\.message\b|String\(error\)|>\s*\{\w+\.error\}/g) ?? []);
    expect(found).toEqual([]);
  });

  it("call things by the words of the glossary", () => {
    const wrong: string[] = [];
    const used = new Set<string>();
    for (const { word, chinese: term } of glossary()) {
      const named = new RegExp(`\\b${word}(?:s|es)?\\b`, "i");
      for (const [key, text] of Object.entries(english)) {
        if (!named.test(text.replace(/\{\w+\}/g, ""))) continue;
        used.add(word);
        if (OTHERWISE[word]?.includes(key)) continue;
        if (!chinese[key]?.includes(term)) wrong.push(`${key}: ${word} is ${term}`);
      }
    }
    expect(wrong).toEqual([]);
    for (const word of ["organisation", "threshold", "hold", "record", "quorum", "final"]) {
      expect(used).toContain(word);
    }
  });

  it("name no exception that is none", () => {
    const terms = new Map(glossary().map((one) => [one.word, one.chinese]));
    for (const [word, keys] of Object.entries(OTHERWISE)) {
      const term = terms.get(word) ?? "";
      expect(term, word).not.toBe("");
      for (const key of keys) expect(chinese[key], `${word} in ${key}`).not.toContain(term);
    }
  });
});
