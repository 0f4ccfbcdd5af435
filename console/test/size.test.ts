/** What the first view loads stays small, and charts come after it. */
import { existsSync, readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";

const DIST = new URL("../dist/", import.meta.url);
const LIMIT_BYTES = 500_000;

interface Chunk {
  file: string;
  css?: string[];
  imports?: string[];
}

const built = existsSync(DIST);
const manifest: Record<string, Chunk> = built
  ? JSON.parse(readFileSync(new URL(".vite/manifest.json", DIST), "utf8"))
  : {};

/** Files that a chunk needs before it runs. */
function needed(name: string, seen = new Set<string>()): Set<string> {
  const chunk = manifest[name];
  if (!chunk || seen.has(chunk.file)) return seen;
  seen.add(chunk.file);
  for (const style of chunk.css ?? []) seen.add(style);
  for (const one of chunk.imports ?? []) needed(one, seen);
  return seen;
}

describe("the built console", () => {
  it("is built (npm run build)", () => {
    expect(built).toBe(true);
  });

  it("loads at most 500 kB, compressed, for the first view", () => {
    const files = needed("src/pages/Overview.tsx", needed("index.html"));
    const bytes = [...files].reduce(
      (sum, file) => sum + gzipSync(readFileSync(new URL(file, DIST))).length,
      0,
    );
    expect(files.size).toBeGreaterThan(3);
    expect(bytes).toBeLessThan(LIMIT_BYTES);
  });

  it("loads charts and keys only when they are needed", () => {
    const first = needed("src/pages/Overview.tsx", needed("index.html"));
    const chart = manifest["src/components/DrawnChart.tsx"]?.file ?? "";
    expect(chart).not.toBe("");
    expect(first.has(chart)).toBe(false);
    const keys = manifest["../sdk/node/src/index.ts"]?.file ?? "";
    expect(keys).not.toBe("");
    expect(first.has(keys)).toBe(false);
  });

  it("has no inline script and no style that the policy would block", () => {
    const page = readFileSync(new URL("index.html", DIST), "utf8");
    expect(page).toContain('content="{{nonce}}"');
    expect(page).not.toMatch(/<script(?![^>]*\bsrc=)[^>]*>/);
    expect(page).not.toMatch(/<style|\sstyle=|\son\w+=/);
  });
});
