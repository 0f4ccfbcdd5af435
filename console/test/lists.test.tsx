/** Lists: what is shown where nothing is left, and whole lists. */
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { renderToStaticMarkup } from "react-dom/server";
import { MemoryRouter } from "react-router";
import { afterEach, describe, expect, it, vi } from "vitest";
import { List } from "../src/components/DataTable";
import { getAll } from "../src/lib/api";
import { TextProvider } from "../src/lib/text";
import en from "../src/text/en.json";
import zh from "../src/text/zh.json";

const ROUTE = "/api/v1/alarms";
const NOTHING = "Nothing is wrong";

/** A list that has no rows, at an address with this query. */
function shown(search: string, asked: string, language = "en"): string {
  vi.stubGlobal("localStorage", { getItem: () => language, setItem: () => undefined });
  const queries = new QueryClient();
  queries.setQueryData(["alarms", `${ROUTE}${asked}`], { items: [], next: null, height: "1" });
  return renderToStaticMarkup(
    <TextProvider>
      <QueryClientProvider client={queries}>
        <MemoryRouter initialEntries={[`/alarms${search}`]}>
          <List
            name="alarms"
            caption="alarms"
            route={ROUTE}
            scope="active"
            filters={[
              { name: "key", label: "filter.asset" },
              { name: "kind", label: "filter.kind", listing: true },
            ]}
            columns={[]}
            rowKey={(one) => one.id}
            empty={<b>{NOTHING}</b>}
          />
        </MemoryRouter>
      </QueryClientProvider>
    </TextProvider>,
  );
}

afterEach(() => vi.unstubAllGlobals());

describe("a list without rows", () => {
  it("says what that means only where nothing hides any", () => {
    // A parameter of another list on the page hides nothing of this one.
    for (const search of ["", "?history.key=a", "?active.key="]) {
      expect(shown(search, "")).toContain(NOTHING);
    }
  });

  it("has words of its own for what a filter makes another list", () => {
    expect(shown("?active.kind=a", "?kind=a")).toContain(NOTHING);
  });

  it("says that filters or the page hide rows, in both languages", () => {
    for (const [search, asked] of [
      ["?active.key=a", "?key=a"],
      ["?active.cursor=W10", "?cursor=W10"],
    ] as const) {
      for (const [language, texts] of Object.entries({ en, zh })) {
        const found = shown(search, asked, language);
        expect(found).not.toContain(NOTHING);
        expect(found).toContain(texts["empty.narrowed"]);
      }
    }
  });
});

describe("a whole list", () => {
  it("follows the cursor to the end", async () => {
    const asked: string[] = [];
    const pages: Record<string, unknown> = {
      "": { items: [1, 2], next: "b", height: "7" },
      b: { items: [3], next: "c", height: "7" },
      c: { items: [4], next: null, height: "8" },
    };
    vi.stubGlobal("fetch", (url: string) => {
      asked.push(url);
      const cursor = new URLSearchParams(url.split("?")[1]).get("cursor") ?? "";
      return Promise.resolve(new Response(JSON.stringify(pages[cursor])));
    });
    const found = await getAll("/api/v1/monitoring/peers", { node: "n1" });
    expect(found).toEqual({ items: [1, 2, 3, 4], next: null, height: "8" });
    expect(asked).toEqual([
      "/api/v1/monitoring/peers?limit=1000&node=n1",
      "/api/v1/monitoring/peers?limit=1000&node=n1&cursor=b",
      "/api/v1/monitoring/peers?limit=1000&node=n1&cursor=c",
    ]);
  });
});
