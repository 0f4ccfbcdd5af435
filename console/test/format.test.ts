import { describe, expect, it } from "vitest";
import { dayStart } from "../src/components/DataTable";
import { columns } from "../src/components/RecordGraph";
import {
  amountText,
  bytesText,
  grouped,
  readable,
  short,
  smallestUnit,
  span,
} from "../src/lib/format";
import { safePath } from "../src/pages/Login";
import { pathOf } from "../src/pages/Search";

describe("numbers and amounts", () => {
  it("group digits", () => {
    expect(grouped("1234567")).toBe("1\u202f234\u202f567");
    expect(grouped(null)).toBe("–");
  });
  it("place the decimals of an asset without a float", () => {
    expect(amountText("99999999999999999999999999999999999999", 18)).toContain(
      ".999999999999999999",
    );
    expect(amountText("5", 2)).toBe("0.05");
    expect(amountText("500", 2)).toBe("5");
    expect(smallestUnit("12.5", 2)).toBe("1250");
    expect(smallestUnit("12.555", 2)).toBeNull();
    expect(smallestUnit("-1", 0)).toBeNull();
  });
  it("show bytes and spans", () => {
    expect(bytesText(1536)).toBe("1.5 KiB");
    expect(span(0.25)).toBe("250 ms");
    expect(span(7200)).toBe("2.0 h");
  });
});

describe("texts from the ledger", () => {
  it("are shown only where they are readable", () => {
    expect(readable("68656c6c6f")).toBe("hello");
    expect(readable("ff00")).toBeNull();
    expect(readable("07")).toBeNull();
  });
  it("are shortened in the middle", () => {
    expect(short("0123456789abcdef0123", 4, 4)).toBe("0123…0123");
  });
});

describe("addresses of pages", () => {
  it("lead to what was found", () => {
    expect(pathOf({ kind: "record", id: "ab/a/b" })).toBe("/records/ab/a%2Fb");
    expect(pathOf({ kind: "block", id: "7" })).toBe("/blocks/7");
  });
  it("stay on this origin after a login", () => {
    expect(safePath("/blocks?x=1")).toBe("/blocks?x=1");
    expect(safePath("//elsewhere")).toBe("/");
    expect(safePath("/\\elsewhere")).toBe("/");
    expect(safePath("https://elsewhere")).toBe("/");
  });
  it("take days for times", () => {
    const start = Number(dayStart()("2026-01-31"));
    expect(Number(dayStart(1)("2026-01-31"))).toBe(start + 86_399_999);
    expect(dayStart()("x")).toBe("x");
  });
});

describe("the graph of a record", () => {
  it("puts children behind all of their parents", () => {
    const found = columns(
      ["a", "b", "c"],
      [
        { from: "a", to: "b" },
        { from: "b", to: "c" },
        { from: "a", to: "c" },
      ],
    );
    expect([...found.values()]).toEqual([0, 1, 2]);
  });
});
