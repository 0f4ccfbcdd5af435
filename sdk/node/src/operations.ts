/** Operations: what a transaction asks for (rules: spec/ledger.md). */
import { addressBytes } from "./address.js";
import { compare, fromHex, utf8 } from "./bytes.js";
import {
  address,
  atMost,
  bool,
  bytes,
  checkAscending,
  checkName,
  checkText,
  hash,
  list,
  names,
  option,
  signature,
  struct,
  text,
  thresholdMap,
  u8,
  u32,
  u64,
  u128,
  union,
  unit,
  type Value,
  variantOf,
} from "./codec.js";
import { malformed } from "./errors.js";
import { changeCodec, checkProposal, checkStatement, statementCodec } from "./governance.js";
import { publicKeyCodec, taggedKey } from "./keys.js";
import * as limits from "./limits.js";

export const amountLimitCodec = struct({ asset: hash, amount: u128, period: u64 });
export const signerLimitsCodec = struct({
  operations: list(u8),
  assets: list(hash),
  namespaces: list(hash),
  amount: option(amountLimitCodec),
  expires: option(u64),
});
export const signerCodec = struct({
  key: publicKeyCodec,
  weight: u32,
  limits: option(signerLimitsCodec),
});
export const thresholdsCodec = struct({ default: u32, operations: thresholdMap });
export const writersCodec = union({ everyone: unit, listed: list(address) });
export const assetKindCodec = names("fungible", "unique", "dated");
export const featuresCodec = struct({ freeze: bool, whitelist: bool, clawback: bool });
export const digestCodec = struct({
  algorithm: names("sha256", "sm3", "salted_sha256", "salted_sm3"),
  bytes: hash,
});
export const contentCodec = union({
  none: unit,
  plain: bytes,
  cipher: struct({ suite: names("aes256_gcm", "sm4_gcm"), bytes }),
});
export const referenceCodec = struct({ namespace: hash, key: text, version: u32 });

export type AccountSigner = Value<typeof signerCodec>;
export type Thresholds = Value<typeof thresholdsCodec>;
export type RecordReference = Value<typeof referenceCodec>;
export type Digest = Value<typeof digestCodec>;
export type Content = Value<typeof contentCodec>;
export type Writers = Value<typeof writersCodec>;

/** Every operation, in the order of its number on the wire. */
export const operationBodies = {
  create_account: struct({
    target: union({ key: publicKeyCodec, derived: unit }),
    signers: list(signerCodec),
    thresholds: option(thresholdsCodec),
  }),
  set_signers: struct({ signers: list(signerCodec), thresholds: thresholdsCodec }),
  set_data: struct({ name: text, value: option(bytes), expected_version: option(u64) }),
  close_account: unit,
  set_claim: struct({ subject: address, kind: text, digest: hash, expires: option(u64) }),
  revoke_claim: struct({ issuer: address, subject: address, kind: text }),
  create_asset: struct({
    code: text,
    name: text,
    kind: assetKindCodec,
    decimals: u8,
    cap: option(u128),
    features: featuresCodec,
  }),
  issue: struct({ asset: hash, to: address, amount: u128, expires: option(u64) }),
  transfer: struct({ asset: hash, to: address, amount: u128 }),
  burn: struct({ asset: hash, amount: u128 }),
  clawback: struct({ asset: hash, from: address, to: option(address), amount: u128 }),
  freeze_asset: struct({ asset: hash, frozen: bool }),
  freeze_holder: struct({ asset: hash, holder: address, frozen: bool }),
  authorise_holder: struct({ asset: hash, holder: address, authorised: bool }),
  issue_item: struct({ asset: hash, item: text, to: address, digest: option(hash) }),
  transfer_item: struct({ asset: hash, item: text, to: address }),
  burn_item: struct({ asset: hash, item: text }),
  clawback_item: struct({ asset: hash, item: text, to: option(address) }),
  reserve: struct({ asset: hash, beneficiary: address, amount: u128, expires: u64 }),
  capture: struct({ holder: address, hold: hash, amount: u128 }),
  release: struct({ holder: address, hold: hash }),
  create_namespace: struct({ name: text, writers: writersCodec, shared: bool }),
  set_namespace: struct({ namespace: hash, owner: address, writers: writersCodec, shared: bool }),
  put_record: struct({
    namespace: hash,
    key: text,
    digest: digestCodec,
    content: contentCodec,
    parents: list(referenceCodec),
    expected_version: option(u32),
  }),
  propose: struct({
    changes: list(changeCodec),
    expires: u64,
    not_before: option(u64),
    acknowledged: list(text),
    memo: text,
  }),
  vote: struct({ proposal: hash, approve: bool }),
  withdraw_proposal: struct({ proposal: hash }),
  ready: struct({ proposal: hash }),
  report_evidence: struct({
    member: publicKeyCodec,
    statement_one: statementCodec,
    signature_one: signature,
    statement_two: statementCodec,
    signature_two: signature,
  }),
  ask_membership: struct({ organisation: option(text) }),
  set_member: struct({ account: address, member: bool }),
};

export const OPERATION_NAMES = Object.keys(operationBodies) as OperationName[];
export type OperationName = keyof typeof operationBodies;
/** The fields of one operation. */
export type OperationFields<N extends OperationName> = Value<(typeof operationBodies)[N]>;
export const operationBodyCodec = union(operationBodies);
export type OperationBody = Value<typeof operationBodyCodec>;
export const operationCodec = struct({ source: option(address), body: operationBodyCodec });
export type Operation = Value<typeof operationCodec>;

function checkAmount(what: string, value: string): void {
  if (BigInt(value) < 1n || BigInt(value) > limits.AMOUNT_MAX) {
    throw malformed(`${what}: it must lie between 1 and 10^38 - 1`);
  }
}

function checkLimits(found: Value<typeof signerLimitsCodec>): void {
  for (const items of [found.operations, found.assets, found.namespaces]) {
    atMost(limits.SIGNER_LIMIT_ENTRIES_MAX, "limits of a signer", items.length);
  }
  checkAscending("operations of a signer", found.operations.map((one) => Uint8Array.of(one)));
  checkAscending("assets of a signer", found.assets.map(fromHex));
  checkAscending("namespaces of a signer", found.namespaces.map(fromHex));
  if (found.operations.some((number) => number >= OPERATION_NAMES.length)) {
    throw malformed("operations of a signer: there is no such operation number");
  }
  if (!found.amount) return;
  if (BigInt(found.amount.period) === 0n) throw malformed("period: it must be at least 1 ms");
  checkAmount("amount limit", found.amount.amount);
}

/** The shape of signers and thresholds; whether they lock an account out is a ledger rule. */
export function checkAuthority(signers: readonly AccountSigner[], thresholds: Thresholds): void {
  atMost(limits.SIGNERS_MAX, "signers", signers.length);
  checkAscending("signers", signers.map((signer) => taggedKey(signer.key)));
  for (const signer of signers) {
    if (signer.weight === 0) throw malformed("signer weight: it must be at least 1");
    if (signer.limits) checkLimits(signer.limits);
  }
  const needed = Object.values(thresholds.operations);
  if (thresholds.default === 0 || needed.includes(0)) {
    throw malformed("threshold: it must be at least 1, or anybody could act");
  }
  const numbers = Object.keys(thresholds.operations).map(Number);
  if (numbers.some((number) => number >= OPERATION_NAMES.length)) {
    throw malformed("threshold: there is no such operation number");
  }
}

function checkWriters(writers: Writers, prefix: string): void {
  if (typeof writers === "string") return;
  atMost(limits.WRITERS_MAX, "writers", writers.listed.length);
  checkAscending("writers", writers.listed.map((one) => addressBytes(one, prefix)));
}

function checkOther(what: string, one: string, other: string | null | undefined): void {
  if (one === other) throw malformed(`${what}: it must be another account`);
}

const checkItem = (item: string): void => checkText("item", item, limits.ITEM_BYTES_MAX);

function compareReferences(one: RecordReference, other: RecordReference): number {
  return (
    compare(fromHex(one.namespace), fromHex(other.namespace)) ||
    compare(utf8(one.key), utf8(other.key)) ||
    one.version - other.version
  );
}

function contentLength(content: Content): number {
  if (content === "none") return 0;
  return ("plain" in content ? content.plain : content.cipher.bytes).length / 2;
}

function checkRecord(found: OperationFields<"put_record">): void {
  checkText("record key", found.key, limits.RECORD_KEY_BYTES_MAX);
  const length = contentLength(found.content);
  atMost(limits.RECORD_CONTENT_BYTES_MAX, "record content", length);
  if (typeof found.content === "object" && "cipher" in found.content && length < 28) {
    throw malformed("ciphertext: it is shorter than nonce and tag");
  }
  atMost(limits.RECORD_PARENTS_MAX, "parents", found.parents.length);
  found.parents.forEach((parent, at) => {
    const before = found.parents[at - 1];
    if (before && compareReferences(before, parent) >= 0) {
      throw malformed("parents: entries must ascend and must not repeat");
    }
  });
  for (const parent of found.parents) {
    checkText("parent key", parent.key, limits.RECORD_KEY_BYTES_MAX);
    if (parent.version === 0) throw malformed("parent version: versions start at 1");
  }
}

type Check<N extends OperationName> = (
  fields: OperationFields<N>,
  source: string,
  prefix: string,
) => void;

const checks: { [N in OperationName]?: Check<N> } = {
  create_account(found) {
    if (found.signers.length > 0 && found.thresholds) {
      checkAuthority(found.signers, found.thresholds);
    } else if (found.signers.length === 0 && found.target === "derived") {
      throw malformed("signers: a derived account needs at least one");
    } else if (found.signers.length > 0 || found.thresholds) {
      throw malformed("thresholds: give them exactly when signers are given");
    }
  },
  set_signers: (found) => checkAuthority(found.signers, found.thresholds),
  set_data(found) {
    checkText("data name", found.name, limits.DATA_NAME_BYTES_MAX);
    atMost(limits.DATA_VALUE_BYTES_MAX, "data value", (found.value ?? "").length / 2);
  },
  set_claim: (found) => checkName("claim kind", found.kind, limits.CLAIM_TYPE_BYTES_MAX),
  revoke_claim: (found) => checkName("claim kind", found.kind, limits.CLAIM_TYPE_BYTES_MAX),
  create_asset(found) {
    checkName("asset code", found.code, limits.ASSET_CODE_BYTES_MAX, true);
    checkText("asset name", found.name, limits.ASSET_NAME_BYTES_MAX);
    atMost(limits.ASSET_DECIMALS_MAX, "decimals", found.decimals);
    if (found.kind === "unique" && found.decimals > 0) {
      throw malformed("decimals: items of a unique asset have none");
    }
    if (found.cap) checkAmount("cap", found.cap);
  },
  issue: (found) => checkAmount("amount", found.amount),
  transfer(found, source) {
    checkOther("to", source, found.to);
    checkAmount("amount", found.amount);
  },
  burn: (found) => checkAmount("amount", found.amount),
  clawback(found) {
    checkAmount("amount", found.amount);
    checkOther("to", found.from, found.to);
  },
  issue_item: (found) => checkItem(found.item),
  transfer_item(found, source) {
    checkOther("to", source, found.to);
    checkItem(found.item);
  },
  burn_item: (found) => checkItem(found.item),
  clawback_item: (found) => checkItem(found.item),
  reserve(found, source) {
    checkOther("beneficiary", source, found.beneficiary);
    checkAmount("amount", found.amount);
  },
  capture: (found) => checkAmount("amount", found.amount),
  create_namespace(found, _source, prefix) {
    checkName("namespace", found.name, limits.NAMESPACE_BYTES_MAX);
    checkWriters(found.writers, prefix);
  },
  set_namespace: (found, _source, prefix) => checkWriters(found.writers, prefix),
  put_record: checkRecord,
  propose: (found, _source, prefix) =>
    checkProposal(found.changes, found.acknowledged, found.memo, prefix),
  report_evidence(found) {
    checkStatement(found.statement_one);
    checkStatement(found.statement_two);
  },
  ask_membership(found) {
    if (found.organisation !== null) {
      checkText("organisation", found.organisation, limits.NAME_BYTES_MAX);
    }
  },
};

/** Throws for an operation that can never be valid. */
export function checkOperation(operation: Operation, source: string): void {
  const name = variantOf(operation.body) as OperationName;
  const check = checks[name] as Check<OperationName> | undefined;
  if (!check || typeof operation.body === "string") return;
  const acting = operation.source ?? source;
  const prefix = acting.slice(0, acting.lastIndexOf("1"));
  const fields = (operation.body as Record<string, unknown>)[name];
  check(fields as OperationFields<OperationName>, acting, prefix);
}

