/** What the sandbox builds, and the code that does the same. */
import type { OperationBody } from "bubi-sdk";

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

/** The program that does what the form does. */
export function program(found: readonly OperationBody[], gateway: string): string {
  const lines = found.map((one) => {
    const [name, fields] = Object.entries(one)[0] ?? ["", {}];
    const text = JSON.stringify(fields, null, 2)
      .replace(/"(\w+)":/g, "$1:")
      .replace(/\n/g, "\n");
    return `builder.add("${name}", ${text});`;
  });
  return `import { Network, SecretKey, TransactionBuilder, toHex } from "bubi-sdk";

const found = await (await fetch("${gateway}/api/v1/network")).json();
const network = new Network(found.chain_id, found.prefix, found.suite);
const key = SecretKey.generate();
const source = network.addressOf(key.publicKey);

const builder = new TransactionBuilder(network, source);
${lines.join("\n")}

const envelope = await builder.build().sign(key);
const answer = await fetch("${gateway}/api/v1/sandbox/transactions", {
  method: "POST",
  headers: { "content-type": "application/vnd.bubi.transaction" },
  body: envelope.encoded,
});
console.log(envelope.hash, await answer.json());
`;
}
