/** The program beside the form of the sandbox. */
import * as sdk from "bubi-sdk";
import { afterEach, describe, expect, it, vi } from "vitest";
import {
  circumstances,
  FIELDS,
  type Found,
  NOTHING_FOUND,
  operations,
  program,
  type Try,
  type Values,
} from "../src/lib/sandbox";
import { address, TRUST } from "./ledger";

const OWN = address(5);
const SPACE = TRUST.network.namespaceId("sandbox");
const ASSET = TRUST.network.assetId(OWN, "POINT");

function written(kind: Try, values: Values, found: Partial<Found> = {}): string {
  const all = { ...NOTHING_FOUND, ...found };
  const filled = { ...Object.fromEntries(FIELDS[kind]), ...values };
  const drafted = operations(sdk, kind, filled, all.namespaceExists, SPACE);
  const page = { origin: "http://gateway", address: OWN, comment: (one: string) => `: ${one}` };
  return program(drafted, all, page);
}

/** Names of the operations that a program adds. */
const adds = (text: string) => [...text.matchAll(/builder\.add\("(\w+)"/g)].map((one) => one[1]);

afterEach(() => vi.unstubAllGlobals());

describe("the program", () => {
  it("funds, builds, simulates, signs and submits, in this order", () => {
    const text = written("set_data", {});
    const steps = [
      "SecretKey.generate()",
      "/sandbox/faucet",
      "new TransactionBuilder",
      "/sandbox/simulate",
      "transaction.sign(key)",
      "/sandbox/transactions",
    ].map((one) => text.indexOf(one));
    expect(steps).toEqual([...steps].sort((one, other) => one - other));
    expect(steps[0]).toBeGreaterThan(0);
    const names = /import \{ (.*) \}/.exec(text)?.[1]?.split(", ") ?? [];
    for (const name of names) expect(text.split(name).length, name).toBeGreaterThan(2);
    for (const one of ["key", "fund", "build", "simulate", "sign", "submit"]) {
      expect(text).toContain(`// : ${one}\n`);
    }
  });

  it("opens the namespace only where there is none", () => {
    expect(adds(written("put_record", {}))).toEqual(["create_namespace", "put_record"]);
    expect(adds(written("put_record", {}, { namespaceExists: true }))).toEqual(["put_record"]);
  });

  it("continues nobody else's record", () => {
    expect(written("put_record", {})).toContain('key: "hello",');
    const other = written("put_record", {}, { namespaceExists: true, recordExists: true });
    expect(other).toContain('key: "hello-" + source.slice(-8),');
  });

  it("defines an asset of its own where the page's key issues it", () => {
    const own = { id: ASSET, code: "POINT", name: "Points", decimals: 2 };
    const values = { asset: ASSET, to: OWN };
    const issue = written("issue", values, { own });
    expect(adds(issue)).toEqual(["create_asset", "issue"]);
    expect(issue).toContain('asset: network.assetId(source, "POINT"),\n  to: source,');
    expect(adds(written("transfer", values, { own }))).toEqual([
      "create_asset",
      "issue",
      "transfer",
    ]);
    expect(issue).not.toContain(OWN);
    expect(adds(written("transfer", values))).toEqual(["transfer"]);
  });
});

describe("what the page found", () => {
  const found = (answers: Record<string, unknown>) => {
    vi.stubGlobal("fetch", (url: string) => {
      const [, answer] = Object.entries(answers).find(([path]) => url.startsWith(path)) ?? [];
      return Promise.resolve(
        answer
          ? new Response(JSON.stringify(answer))
          : new Response(JSON.stringify({ code: "not_found" }), { status: 404 }),
      );
    });
    return circumstances("put_record", { namespace_name: "sandbox", key: "hello" }, SPACE, OWN);
  };

  it("is asked of the ledger", async () => {
    const [none, one] = [{ items: [] }, { items: [{}] }];
    const record = `/api/v1/records?namespace=${SPACE}&key=hello`;
    const space = "/api/v1/namespaces?name=sandbox";
    expect(await found({ [space]: none, [record]: none })).toEqual(NOTHING_FOUND);
    expect(await found({ [space]: one, [record]: none })).toMatchObject({ namespaceExists: true });
    expect(await found({ [space]: one, [record]: one })).toMatchObject({ recordExists: true });
  });

  it("tells whose an asset is", async () => {
    const asked = (issuer: string) => {
      const definition = { id: ASSET, code: "POINT", name: "Points", decimals: 0, issuer };
      vi.stubGlobal("fetch", () => Promise.resolve(new Response(JSON.stringify(definition))));
      return circumstances("issue", { asset: ASSET }, SPACE, OWN);
    };
    expect((await asked(OWN)).own?.code).toBe("POINT");
    expect((await asked(address(6))).own).toBeNull();
  });
});
