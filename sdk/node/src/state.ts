/** Cells: the pieces of state and the keys under which they stand (core/codec/src/state.rs). */
import { addressBytes } from "./address.js";
import { concat, utf8 } from "./bytes.js";
import {
  address,
  atMost,
  bool,
  bytes,
  type Codec,
  checkAscending,
  checkText,
  fixed,
  hash,
  Kind,
  list,
  option,
  struct,
  text,
  u8,
  u32,
  u64,
  u128,
  union,
  type Value,
  versioned,
} from "./codec.js";
import { malformed } from "./errors.js";
import { checkAlgorithms, validatorCodec } from "./governance.js";
import * as limits from "./limits.js";
import {
  assetKindCodec,
  contentCodec,
  digestCodec,
  featuresCodec,
  referenceCodec,
  signerCodec,
  thresholdsCodec,
  writersCodec,
} from "./operations.js";

const cell = <T>(name: string, codec: Codec<T>): Kind<T> =>
  new Kind(name, codec, limits.CELL_VALUE_BYTES_MAX);

const lots = list(struct({ expires: u64, amount: u128 }));

export const accountHeaderKind = cell(
  "AccountHeader",
  union({
    v1: struct({ signers: list(signerCodec), thresholds: thresholdsCodec, created: u64 }),
    closed: struct({ height: u64 }),
  }),
);
export const holdingKind = cell(
  "Holding",
  versioned(
    struct({
      balance: u128,
      reserved: u128,
      frozen: bool,
      authorised: bool,
      lots,
      reserved_lots: u8,
    }),
  ),
);
export const dataEntryKind = cell("DataEntry", versioned(struct({ version: u64, value: bytes })));
export const claimKind = cell("Claim", versioned(struct({ digest: hash, expires: option(u64) })));
export const holdKind = cell(
  "Hold",
  versioned(struct({ asset: hash, beneficiary: address, amount: u128, expires: u64, lots })),
);
export const useKind = cell("Use", versioned(struct({ period: u64, used: u128 })));
export const membershipKind = cell(
  "Membership",
  versioned(struct({ organisation: option(text), asks: option(text) })),
);
export const assetDefinitionKind = cell(
  "AssetDefinition",
  versioned(
    struct({
      issuer: address,
      code: text,
      name: text,
      kind: assetKindCodec,
      decimals: u8,
      cap: option(u128),
      features: featuresCodec,
      frozen: bool,
      supply: u128,
    }),
  ),
);
export const itemKind = cell("Item", versioned(struct({ holder: address, digest: option(hash) })));
export const namespaceKind = cell(
  "Namespace",
  versioned(struct({ name: text, owner: address, writers: writersCodec, shared: bool })),
);
export const recordHeadKind = cell("RecordHead", versioned(struct({ author: address, version: u32 })));
export const recordVersionKind = cell(
  "RecordVersion",
  versioned(
    struct({
      writer: address,
      time: u64,
      digest: digestCodec,
      content: contentCodec,
      parents: list(referenceCodec),
    }),
  ),
);
export const idBucketKind = cell("IdBucket", versioned(struct({ count: u64, root: hash })));
export const idEntryKind = cell(
  "IdEntry",
  struct({ source: address, id: fixed(16), transaction: hash, valid_until: u64 }),
);

export const parametersCodec = struct({
  max_lifetime: u64,
  clock_tolerance: u64,
  id_bucket: u64,
  block_transactions: u32,
  block_bytes: u32,
  due_per_block: u32,
  quota_window: u64,
  quota_operations: u64,
  algorithms: list(u8),
  turn_blocks: u32,
  timeout: u64,
  timeout_max: u64,
  vote_algorithms: list(u8),
  retired_algorithms: list(struct({ algorithm: u8, until: u64 })),
  proposal_lifetime: u64,
  ready_lifetime: u64,
  evidence_policy: u32,
  evidence_max_age: u64,
  organisation_operations: u64,
});
export type Parameters = Value<typeof parametersCodec>;
export const parametersKind = cell("Parameters", versioned(parametersCodec));

/** Checks the parameters of a genesis against one another. */
export function checkParameters(found: Parameters): void {
  const number = (value: string): bigint => BigInt(value);
  const [lifetime, bucket] = [number(found.max_lifetime), number(found.id_bucket)];
  if (lifetime > 3_600_000n || lifetime < number(found.clock_tolerance) * 20n) {
    throw malformed("max_lifetime: at most one hour and at least 20 clock tolerances");
  }
  if (number(found.clock_tolerance) < 500n) throw malformed("clock_tolerance: it must be at least 500 ms");
  if (bucket === 0n || bucket > lifetime) throw malformed("id_bucket: between 1 ms and max_lifetime");
  checkSpan("quota_window", found.quota_window, 1n, 604_800_000n);
  const shared = number(found.organisation_operations);
  if (shared > 0n && shared < BigInt(limits.OPERATIONS_MAX)) {
    throw malformed("organisation_operations: it must be 0 (no quota) or at least 100");
  }
  checkSpan("block_transactions", found.block_transactions, 2n, 1_000_000n);
  checkSpan("block_bytes", found.block_bytes, 2n * BigInt(limits.TRANSACTION_BYTES_MAX), 268_435_456n);
  checkSpan("due_per_block", found.due_per_block, 1n, 100_000n);
  checkAlgorithms("algorithms", found.algorithms);
  checkAlgorithms("vote_algorithms", found.vote_algorithms);
  const retired = found.retired_algorithms.map((one) => one.algorithm);
  checkAscending("retired_algorithms", retired.map((one) => Uint8Array.of(one)));
  if (retired.some((one) => one > 3 || found.algorithms.includes(one))) {
    throw malformed("retired_algorithms: one that new keys may use is not retired");
  }
  const timeout = number(found.timeout);
  if (timeout < 200n || timeout > 60_000n) throw malformed("timeout: it must be 200 ms to 60 s");
  if (number(found.timeout_max) < timeout || number(found.timeout_max) > 600_000n) {
    throw malformed("timeout_max: it must be at least the timeout and at most 10 min");
  }
  checkSpan("proposal_lifetime", found.proposal_lifetime, 10_000n, 31_536_000_000n);
  checkSpan("ready_lifetime", found.ready_lifetime, 10_000n, 2_592_000_000n);
  checkSpan("evidence_max_age", found.evidence_max_age, 1n, 1_000_000_000n);
  if (found.evidence_policy > 3) throw malformed("evidence_policy: it must be 0 to 3");
}

function checkSpan(what: string, value: string | number, low: bigint, high: bigint): void {
  if (BigInt(value) < low || BigInt(value) > high) {
    throw malformed(`${what}: it must lie between ${low} and ${high}`);
  }
}

const strikes = list(struct({ validator: u32, level: u8, skip: u32 }));

export const scheduleKind = cell(
  "Schedule",
  versioned(
    struct({
      round: u64,
      leader: u32,
      changed: u64,
      strikes,
      decider: u32,
      former: struct({ round: u64, leader: u32, strikes }),
    }),
  ),
);

export const validatorSetCodec = versioned(
  struct({
    epoch: u64,
    engine: text,
    validators: list(validatorCodec),
    quorum_numerator: u32,
    quorum_denominator: u32,
  }),
);
export type ValidatorSet = Value<typeof validatorSetCodec>;
export const validatorSetKind = new Kind(
  "ValidatorSet",
  validatorSetCodec,
  limits.CELL_VALUE_BYTES_MAX,
  checkValidatorSet,
);

export const epochRecordKind = cell(
  "EpochRecord",
  versioned(struct({ height: u64, time: u64, validators: validatorSetCodec })),
);

/** Sum of all weights. */
export const totalWeight = (set: ValidatorSet): number =>
  set.v1.validators.reduce((sum, one) => sum + one.weight, 0);

/** Weight that a certificate needs: max(⌊2T/3⌋ + 1, ⌈T·num/den⌉). */
export function quorumOf(set: ValidatorSet): bigint {
  const total = BigInt(totalWeight(set));
  const [part, whole] = [BigInt(set.v1.quorum_numerator), BigInt(set.v1.quorum_denominator)];
  const safe = (total * 2n) / 3n + 1n;
  const wanted = (total * part + whole - 1n) / whole;
  return safe > wanted ? safe : wanted;
}

export function checkValidatorSet(set: ValidatorSet): void {
  const found = set.v1;
  checkText("engine", found.engine, limits.NAME_BYTES_MAX);
  atMost(limits.VALIDATORS_MAX, "validators", found.validators.length);
  if (found.validators.length === 0 || found.validators.some((one) => one.weight === 0)) {
    throw malformed("validators: give at least one, each with a weight of at least 1");
  }
  const keys = new Set(found.validators.map((one) => JSON.stringify(one.key)));
  if (keys.size !== found.validators.length) throw malformed("validators: a key of its own each");
  for (const one of found.validators) {
    checkText("validator name", one.name, limits.NAME_BYTES_MAX);
    checkText("organisation", one.organisation, limits.NAME_BYTES_MAX);
  }
  if (totalWeight(set) > 0xffffffff) throw malformed("weights: their sum is at most 2^32 - 1");
  if (found.quorum_denominator === 0 || found.quorum_numerator > found.quorum_denominator) {
    throw malformed("quorum ratio: it must lie between 0 and 1");
  }
}

/** Owner key of 33 bytes: whose cells they are. */
export function ownerKey(
  kind: "system" | "account" | "asset" | "namespace",
  identity: Uint8Array = new Uint8Array(32),
): Uint8Array {
  const number = ["system", "account", "asset", "namespace"].indexOf(kind);
  return concat(Uint8Array.of(number), identity);
}

export const accountOwner = (account: string, prefix: string): Uint8Array =>
  ownerKey("account", addressBytes(account, prefix));

/** Keys of cells below their owner. */
export const cellKeys = {
  header: (): Uint8Array => Uint8Array.of(0),
  quota: (): Uint8Array => Uint8Array.of(9),
  membership: (): Uint8Array => Uint8Array.of(10),
  organisationUse: (name: string | null): Uint8Array => concat(Uint8Array.of(14), utf8(name ?? "")),
  holding: (asset: Uint8Array): Uint8Array => concat(Uint8Array.of(1), asset),
  data: (name: string): Uint8Array => concat(Uint8Array.of(4), utf8(name)),
  item: (item: string): Uint8Array => concat(Uint8Array.of(1), utf8(item)),
  recordHead: (key: string): Uint8Array => concat(Uint8Array.of(1), utf8(key)),
  recordVersion(key: string, version: number): Uint8Array {
    const number = new DataView(new ArrayBuffer(4));
    number.setUint32(0, version);
    const tail = concat(Uint8Array.of(0), new Uint8Array(number.buffer));
    return concat(Uint8Array.of(2), utf8(key), tail);
  },
};
