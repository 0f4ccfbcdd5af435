/** The vectors of spec/vectors: what every SDK and the core must reproduce. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import * as sdk from "../src/index.js";
import { listPath } from "../src/hashes.js";

// biome-ignore lint/suspicious/noExplicitAny: vectors are JSON of many shapes
type Any = any;
const { fromHex, toHex } = sdk;
const load = (name: string): Any =>
  JSON.parse(readFileSync(new URL(`../../../../spec/vectors/${name}.json`, import.meta.url), "utf8"));

const codec = load("codec");
const addresses = load("address");
const transactions = load("transaction");

const KINDS: Record<string, sdk.Kind<Any>> = {};
for (const value of Object.values(sdk)) {
  if (value instanceof sdk.Kind) KINDS[value.name] = value as sdk.Kind<Any>;
}
const kindOf = (name: string): sdk.Kind<Any> => {
  const kind = KINDS[name];
  assert.ok(kind, `no type ${name}`);
  return kind;
};
const refusedWith = (code: string) => (error: unknown) =>
  error instanceof sdk.EncodingError && error.code === code;

describe("codec.json", () => {
  for (const one of codec.valid) {
    it(`${one.type}: ${one.name}`, () => {
      const kind = kindOf(one.type);
      const data = fromHex(one.bytes);
      assert.deepEqual(kind.decode(data, codec.prefix), one.json);
      assert.equal(toHex(kind.encode(one.json, codec.prefix)), one.bytes);
      if (!one.digest) return;
      for (const suite of ["standard", "national"] as const) {
        const digest = sdk.hashOf(suite, sdk.utf8(one.domain), fromHex(codec.chain_id), data);
        assert.equal(toHex(digest), one.digest[suite]);
      }
    });
  }
  for (const one of codec.invalid) {
    it(`refuses ${one.type}: ${one.name}`, () => {
      const data = "zero_bytes" in one ? new Uint8Array(one.zero_bytes) : fromHex(one.bytes);
      assert.throws(() => kindOf(one.type).decode(data, codec.prefix), refusedWith(one.code));
    });
  }
  for (const one of codec.invalid_json) {
    it(`refuses JSON of ${one.type}: ${one.name}`, () => {
      assert.throws(
        () => kindOf(one.type).encode(sdk.parseJson(one.text), codec.prefix),
        refusedWith(one.code),
      );
    });
  }
  it("names the chain of a genesis", () => {
    const one = codec.valid.find((found: Any) => found.type === "Genesis");
    const named = ["standard", "national"].map((suite) =>
      toHex(sdk.hashOf(suite as sdk.HashSuite, sdk.DOMAINS.genesis, fromHex(one.bytes))),
    );
    const expected = codec.genesis_chain_id;
    assert.ok(named[0] === expected.standard || named[1] === expected.national);
  });
});

describe("address.json", () => {
  for (const one of addresses.keys) {
    it(`${one.algorithm}: key and addresses`, () => {
      const key = new sdk.SecretKey(one.algorithm, fromHex(one.secret)).publicKey;
      assert.equal(toHex(sdk.taggedKey(key)), one.tagged);
      sdk.checkKey(key);
      for (const [suite, expected] of Object.entries<Any>(one.addresses)) {
        for (const [prefix, text] of Object.entries<string>(expected.texts)) {
          assert.equal(sdk.keyAddress(key, suite as sdk.HashSuite, prefix), text);
          assert.equal(toHex(sdk.addressBytes(text, prefix)), expected.bytes);
        }
      }
    });
  }
  for (const one of addresses.derived) {
    it(`derived identifiers, ${one.suite}, ${JSON.stringify(one.replay)}`, () => {
      const network = new sdk.Network(one.chain_id, "bubidev", one.suite);
      const source = sdk.addressText(fromHex(one.acting), "bubidev");
      const builder = new sdk.TransactionBuilder(network, source).until(1n);
      for (let at = 0; at < 3; at += 1) builder.add("burn", { asset: one.asset, amount: "1" });
      const { body } = builder.build();
      const made = new sdk.Transaction(network, { v1: { ...body.v1, replay: one.replay } });
      assert.equal(toHex(sdk.replayBytes(one.replay)), one.replay_bytes);
      assert.equal(made.derivedAccount(one.index), sdk.addressText(fromHex(one.address), "bubidev"));
      assert.equal(made.holdId(one.index), one.hold);
      assert.equal(network.assetId(source, one.asset_code), one.asset);
      assert.equal(network.namespaceId(one.namespace_name), one.namespace);
    });
  }
  for (const one of addresses.invalid) {
    it(`refuses an address: ${one.reason}`, () => {
      assert.throws(() => sdk.addressBytes(one.text, one.prefix), sdk.InvalidInput);
    });
  }
  for (const one of addresses.invalid_keys) {
    it(`refuses a key of ${one.algorithm}: ${one.reason}`, () => {
      assert.throws(
        () => sdk.checkKey(sdk.keyOf(one.algorithm, fromHex(one.public_key))),
        sdk.InvalidInput,
      );
    });
  }
});

describe("transaction.json", () => {
  transactions.transactions.forEach((one: Any, at: number) => {
    it(`signs number ${at}, ${one.suite}`, async () => {
      const network = new sdk.Network(one.chain_id, one.prefix, one.suite);
      const made = new sdk.Transaction(network, fromHex(one.body));
      assert.deepEqual(made.body, one.body_json);
      assert.equal(toHex(new sdk.Transaction(network, one.body_json).bodyBytes), one.body);
      assert.equal(toHex(made.signingBytes), one.signing_bytes);
      assert.equal(made.hash, one.hash);
      const keys = one.secrets.map(
        (key: Any) => new sdk.SecretKey(key.algorithm, fromHex(key.secret)),
      );
      const envelope = await made.sign(...keys);
      assert.equal(toHex(envelope.encoded), one.signed);
      assert.deepEqual(envelope.toJson(), one.signed_json);
      const text = JSON.stringify(one.signed_json);
      assert.equal(toHex(sdk.Envelope.fromJson(network, text).encoded), one.signed);
      assert.equal(sdk.Envelope.decode(network, envelope.encoded).hash, one.hash);
    });
  });
  for (const one of transactions.invalid_signatures) {
    it(`refuses a signature of ${one.algorithm}: ${one.name}`, () => {
      const key = sdk.keyOf(one.algorithm, fromHex(one.public_key));
      assert.equal(
        sdk.verifySignature(key, fromHex(one.message), fromHex(one.signature)),
        false,
      );
    });
  }
});

describe("merkle.json", () => {
  load("merkle").trees.forEach((tree: Any, number: number) => {
    it(`list ${number}, ${tree.suite}, ${tree.data.length} leaves`, () => {
      const leaves = tree.data.map((one: string) =>
        sdk.leafHash(tree.suite, tree.tag, fromHex(one)),
      );
      assert.deepEqual(leaves.map(toHex), tree.leaves);
      const root = sdk.listRoot(tree.suite, leaves);
      assert.equal(toHex(root), tree.root);
      const size = BigInt(leaves.length);
      tree.paths.forEach((expected: string[], index: number) => {
        const path = expected.map(fromHex);
        const shows = (at: bigint, beside: Uint8Array[]): boolean =>
          sdk.verifyPath(tree.suite, leaves[index], at, size, beside, root);
        assert.deepEqual(listPath(tree.suite, leaves, index).map(toHex), expected);
        assert.ok(shows(BigInt(index), path));
        assert.ok(!shows(BigInt(index), [...path, root]));
        assert.ok(path.length === 0 || !shows(BigInt(index), path.slice(0, -1)));
        assert.ok(!shows(size, path));
      });
    });
  });
});

describe("state_tree.json", () => {
  const tree = load("state_tree");
  for (const set of tree.sets) {
    it(`roots of ${set.name}`, () => {
      const cells = set.cells.map((one: Any) => one.map(fromHex));
      for (const suite of ["standard", "national"] as const) {
        assert.equal(toHex(sdk.stateRoot(suite, cells)), set.roots[suite]);
      }
    });
  }
  tree.proofs.forEach((one: Any, at: number) => {
    it(`proof ${at}: ${one.kind}, ${one.suite}`, () => {
      const root = fromHex(one.root);
      if (one.kind === "cell") {
        const proof = sdk.cellProofKind.decode(fromHex(one.proof), "bubi");
        assert.deepEqual([proof.v1.owner, proof.v1.key], [one.owner, one.key]);
        const value = sdk.cellValue(one.suite, root, proof);
        assert.equal(value && toHex(value), one.value);
        return;
      }
      const proof = sdk.accountProofKind.decode(fromHex(one.proof), "bubi");
      const cells = sdk.accountCells(one.suite, root, proof);
      const found = [...cells].map(([key, value]) => [key, toHex(value)]);
      assert.equal(proof.v1.owner, one.owner);
      assert.deepEqual(found, one.cells ?? []);
    });
  });
  for (const one of tree.invalid) {
    it(`refuses ${one.kind}: ${one.what}`, () => {
      assert.throws(
        () => {
          const root = fromHex(one.root);
          const data = fromHex(one.proof);
          if (one.kind === "cell") {
            sdk.cellValue(one.suite, root, sdk.cellProofKind.decode(data, "bubi"));
          } else {
            sdk.accountCells(one.suite, root, sdk.accountProofKind.decode(data, "bubi"));
          }
        },
        (error) =>
          one.reason === "encoding"
            ? error instanceof sdk.EncodingError
            : error instanceof sdk.ProofInvalid || error instanceof sdk.EncodingError,
      );
    });
  }
});

describe("proof.json", () => {
  for (const one of load("proof").receipts) {
    it(one.name, () => {
      const trust = sdk.Trust.parse(JSON.stringify(one.trust));
      const check = (): sdk.ProvenReceipt => sdk.verifyReceipt(trust, fromHex(one.proof));
      if (!one.valid) {
        assert.throws(check, sdk.ProofInvalid);
        return;
      }
      const proven = check();
      assert.equal(proven.block.height, one.height);
      assert.equal(proven.receipt.transaction, one.transaction);
      const digest = sdk.documentDigest(fromHex(one.document)).bytes;
      assert.ok(JSON.stringify(proven.body).includes(digest));
    });
  }
});
