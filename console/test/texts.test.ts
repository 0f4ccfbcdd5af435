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
});
