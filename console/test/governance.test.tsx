/** Proposals: what stands in their diff. */
import { renderToStaticMarkup } from "react-dom/server";
import { MemoryRouter } from "react-router";
import { afterEach, expect, it, vi } from "vitest";
import { TextProvider } from "../src/lib/text";
import type { Difference } from "../src/lib/types";
import { Differences } from "../src/pages/Governance";

const LAST = "18446744073709551615";

function shown(diff: readonly Difference[]): string {
  vi.stubGlobal("localStorage", { getItem: () => "en", setItem: () => undefined });
  return renderToStaticMarkup(
    <TextProvider>
      <MemoryRouter>
        <Differences diff={diff} />
      </MemoryRouter>
    </TextProvider>,
  );
}

afterEach(() => vi.unstubAllGlobals());

it("tells until when keys of former algorithms are good, before and after", () => {
  const html = shown([
    {
      change: "set_algorithms",
      fields: { accounts: [0], votes: [0], old_until: "86400000" },
      before: { accounts: [0, 3], votes: [0], retired: [{ algorithm: 2, until: LAST }] },
    },
  ]);
  expect(html).toContain("1970-01-02");
  expect(html).toMatch(new RegExp(`P-256[^0-9]*${LAST}`));
  expect(html).toContain("Keys of former algorithms until");
});

it("tells two authorities apart", () => {
  const certificate = (digit: string) => ({
    governance: null,
    certificate_bytes: 400,
    certificate_sha256: digit.repeat(64),
  });
  const html = shown([
    {
      change: "set_organisation",
      fields: { name: "o1", ...certificate("b") },
      before: certificate("a"),
    },
  ]);
  expect(html).toContain("aaaa");
  expect(html).toContain("bbbb");
});
