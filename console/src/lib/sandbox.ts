/** What the sandbox builds, and the code that does the same. */
import type { OperationBody } from "bubi-sdk";
import { address, get, RequestError } from "./api";
import type { Asset } from "./types";

export const TRIES = ["transfer", "create_asset", "issue", "put_record", "set_data"] as const;
export type Try = (typeof TRIES)[number];
export type Values = Record<string, string>;

/** Fields of the form of each operation with what they begin with. */
export const FIELDS: Record<Try, readonly (readonly [name: string, first: string])[]> = {
  transfer: [
    ["asset", ""],
    ["to", ""],
    ["amount", "10"],
  ],
  create_asset: [
    ["code", "POINT"],
    ["name", "Loyalty points"],
    ["decimals", "0"],
  ],
  issue: [
    ["asset", ""],
    ["to", ""],
    ["amount", "1000"],
  ],
  put_record: [
    ["namespace_name", "sandbox"],
    ["key", "hello"],
    ["text", "Hello, ledger"],
  ],
  set_data: [
    ["name", "greeting"],
    ["text", "hello"],
  ],
};

const BRACKETS = { freeze: true, whitelist: false, clawback: false };

type Sdk = typeof import("bubi-sdk");

/** The operations that the form describes, for `TransactionBuilder`. */
export function operations(
  sdk: Sdk,
  kind: Try,
  values: Values,
  namespaceExists: boolean,
  namespace: string,
): OperationBody[] {
  const value = (name: string): string => (values[name] ?? "").trim();
  const hex = (text: string): string => sdk.toHex(sdk.utf8(text));
  switch (kind) {
    case "transfer":
      return [{ transfer: { asset: value("asset"), to: value("to"), amount: value("amount") } }];
    case "create_asset":
      return [
        {
          create_asset: {
            code: value("code"),
            name: value("name"),
            kind: "fungible",
            decimals: Number(value("decimals")),
            cap: null,
            features: BRACKETS,
          },
        },
      ];
    case "issue":
      return [
        {
          issue: {
            asset: value("asset"),
            to: value("to"),
            amount: value("amount"),
            expires: null,
          },
        },
      ];
    case "set_data":
      return [
        { set_data: { name: value("name"), value: hex(value("text")), expected_version: null } },
      ];
    case "put_record": {
      const digest = sdk.documentDigest(sdk.utf8(value("text")));
      const record: OperationBody = {
        put_record: {
          namespace,
          key: value("key"),
          digest,
          content: { plain: hex(value("text")) },
          parents: [],
          expected_version: null,
        },
      };
      if (namespaceExists) return [record];
      const opened: OperationBody = {
        create_namespace: { name: value("namespace_name"), writers: "everyone", shared: false },
      };
      return [opened, record];
    }
  }
}

/** What the page found on the ledger that the transaction depends on. */
export interface Found {
  namespaceExists: boolean;
  /** Whether the namespace has a record with this key, which only its author continues. */
  recordExists: boolean;
  /** The asset's definition where the key of this page issues it, which another key cannot. */
  own: OwnAsset | null;
}

export type OwnAsset = Pick<Asset, "id" | "code" | "name" | "decimals">;

export const NOTHING_FOUND: Found = { namespaceExists: false, recordExists: false, own: null };

const ID = /^[0-9a-f]{64}$/;

/** Asks the ledger; `account` is that of the page's key. */
export async function circumstances(
  kind: Try,
  values: Values,
  namespace: string,
  account: string,
): Promise<Found> {
  const space = { name: values.namespace_name, limit: 1 };
  const record = { namespace, key: values.key, limit: 1 };
  const [spaces, written, asset] = await Promise.all([
    kind === "put_record" ? get(address("/api/v1/namespaces", {}, space)) : null,
    kind === "put_record" ? get(address("/api/v1/records", {}, record)) : null,
    ID.test(values.asset ?? "") ? assetIfKnown(values.asset ?? "") : null,
  ]);
  return {
    namespaceExists: Boolean(spaces?.items.length),
    recordExists: Boolean(written?.items.length),
    own: asset?.issuer === account ? asset : null,
  };
}

/** An asset of the ledger; null if there is none with this id. */
async function assetIfKnown(asset: string): Promise<Asset | null> {
  try {
    return await get(address("/api/v1/assets/{asset}", { asset }));
  } catch (error) {
    if (error instanceof RequestError && error.problem.code === "not_found") return null;
    throw error;
  }
}

/** Expressions that stand in a program for a value of the form. */
type Expressions = (field: string, value: unknown) => string | null;

/** A value as TypeScript. */
function literal(value: unknown, expressions: Expressions, field = ""): string {
  const expression = expressions(field, value);
  if (expression !== null) return expression;
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return JSON.stringify(value);
  }
  const members = Object.entries(value).map(
    ([name, inner]) => `${name}: ${literal(inner, expressions, name)}`,
  );
  return `{ ${members.join(", ")} }`;
}

function added(one: OperationBody, expressions: Expressions): string {
  const [name, fields] = Object.entries(one)[0] ?? ["", {}];
  const members = Object.entries(fields as object).map(
    ([field, value]) => `  ${field}: ${literal(value, expressions, field)},`,
  );
  return `builder.add("${name}", {\n${members.join("\n")}\n});`;
}

/** What the program's key must do first where the page's key did it before. */
function before(found: readonly OperationBody[], { own }: Found, address: string) {
  if (!own) return [];
  const { id, ...named } = own;
  const defined: OperationBody = {
    create_asset: {
      code: named.code,
      name: named.name,
      kind: "fungible",
      decimals: named.decimals,
      cap: null,
      features: BRACKETS,
    },
  };
  const issued = found.flatMap((one): OperationBody[] =>
    typeof one === "object" && "transfer" in one
      ? [{ issue: { asset: id, to: address, amount: one.transfer.amount, expires: null } }]
      : [],
  );
  return [defined, ...issued];
}

/** Lines of explanation in a program, in the language of the page. */
export type Comment = "key" | "fund" | "build" | "simulate" | "sign" | "submit";

/**
 * The program that does with a key of its own what the form does with the key of the page: fund, build, simulate, sign,
 * submit.
 */
export function program(
  drafted: readonly OperationBody[],
  found: Found,
  page: { origin: string; address: string; comment: (one: Comment) => string },
): string {
  const expressions: Expressions = (field, value) => {
    if (field === "to" && value === page.address) return "source";
    if (field === "asset" && value === found.own?.id) {
      return `network.assetId(source, ${JSON.stringify(found.own?.code)})`;
    }
    const another = field === "key" && found.recordExists;
    return another ? `${JSON.stringify(`${value}-`)} + source.slice(-8)` : null;
  };
  const lines = [...before(drafted, found, page.address), ...drafted].map((one) =>
    added(one, expressions),
  );
  const { comment } = page;
  return `import { Network, SecretKey, TransactionBuilder } from "bubi-sdk";

const gateway = "${page.origin}/api/v1";
async function post(path, type, body) {
  const headers = { "content-type": type };
  const answer = await fetch(gateway + path, { method: "POST", headers, body });
  if (!answer.ok) throw new Error(await answer.text());
  return answer.json();
}

// ${comment("key")}
const { chain_id, prefix, suite } = await (await fetch(gateway + "/network")).json();
const network = new Network(chain_id, prefix, suite);
const key = SecretKey.generate();
const source = network.addressOf(key.publicKey);

// ${comment("fund")}
await post("/sandbox/faucet", "application/json", JSON.stringify({ key: key.publicKey }));

// ${comment("build")}
const builder = new TransactionBuilder(network, source);
${lines.join("\n")}
const transaction = builder.build();

// ${comment("simulate")}
const body = JSON.stringify(transaction.body);
const simulated = await post("/sandbox/simulate", "application/json", body);
console.log("simulated", simulated.refused ?? simulated.code);

// ${comment("sign")}
const envelope = await transaction.sign(key);

// ${comment("submit")}
const kind = "application/vnd.bubi.transaction";
const outcome = await post("/sandbox/transactions", kind, envelope.encoded);
console.log(outcome.status, envelope.hash);
`;
}
