/** Addresses that stay what they are. */
import { describe, expect, it } from "vitest";
import { columns } from "../src/components/RecordGraph";
import { recordPath } from "../src/lib/links";
import { pathOf } from "../src/pages/Search";

describe("the address of a record", () => {
  it("names a version where one is meant, else the newest", () => {
    expect(recordPath("aa", "deed/1", "3")).toBe("/records/aa/deed%2F1?version=3");
    expect(recordPath("aa", "deed/1")).toBe("/records/aa/deed%2F1");
  });

  it("is that of the version that a digest found", () => {
    const hit = { kind: "record", id: "aa/deed/1" } as const;
    expect(pathOf({ ...hit, version: 2 })).toBe("/records/aa/deed%2F1?version=2");
    expect(pathOf(hit)).toBe("/records/aa/deed%2F1");
  });
});

describe("the graph of a record", () => {
  it("puts versions after those that they follow", () => {
    const [first, second, other] = ["a/A/1", "a/A/2", "a/B/1"];
    const edges = [
      { from: first, to: second },
      { from: second, to: other },
    ];
    const found = columns([second, other, first], edges);
    expect([first, second, other].map((one) => found.get(one))).toEqual([0, 1, 2]);
  });
});
