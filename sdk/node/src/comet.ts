/**
 * Light blocks of CometBFT, verified (spec/consensus/cometbft.md).
 *
 * CometBFT hashes and signs protobuf. Its few messages are written here from the parts that a proof carries, field by
 * field, because what is hashed must have one form.
 */
import { compare, concat, fromHex, toHex, utf8 } from "./bytes.js";
import {
  atMost,
  byteLength,
  bytes,
  hash,
  Kind,
  list,
  signature,
  struct,
  text,
  u32,
  u64,
  type Value,
  versioned,
} from "./codec.js";
import { malformed, ProofInvalid } from "./errors.js";
import { sha256 } from "./hashes.js";
import { verifySignature } from "./keys.js";
import * as limits from "./limits.js";
import { quorumOf, type ValidatorSet } from "./state.js";

export const COMET_ENGINE = "cometbft";
const CHAIN_BYTES_MAX = 50;
const ADDRESS_BYTES = 20;
const APPLICATION = utf8("bubi:comet-app..");
const PRECOMMIT = 2n;
const SIGNED_MAX = 2n ** 63n - 1n;

const timeCodec = struct({ seconds: u64, nanoseconds: u32 });
type Time = Value<typeof timeCodec>;

const headerCodec = struct({
  block_version: u64,
  app_version: u64,
  chain: text,
  height: u64,
  time: timeCodec,
  last_block: struct({ hash, parts: u32, parts_hash: hash }),
  last_commit: hash,
  data: hash,
  validators: hash,
  next_validators: hash,
  consensus: hash,
  app: hash,
  last_results: hash,
  evidence: hash,
  proposer: bytes,
});
type Header = Value<typeof headerCodec>;

const voteCodec = struct({ validator: u32, time: timeCodec, signature });
type Vote = Value<typeof voteCodec>;
const commitCodec = struct({ round: u32, parts: u32, parts_hash: hash, votes: list(voteCodec) });
type Commit = Value<typeof commitCodec>;

export const lightBlockCodec = versioned(struct({ header: headerCodec, commit: commitCodec }));
/** A header of CometBFT with the commit that decided it. */
export type LightBlock = Value<typeof lightBlockCodec>;
export const lightBlockKind = new Kind("LightBlock", lightBlockCodec, 262_144, checkLightBlock);

/** Refuses a light block that can never be valid. */
export function checkLightBlock(found: LightBlock): void {
  const { header, commit } = found.v1;
  atMost(CHAIN_BYTES_MAX, "chain of CometBFT", byteLength(header.chain));
  if (header.chain === "" || header.proposer.length !== 2 * ADDRESS_BYTES) {
    throw malformed("chain and proposer: no header of CometBFT");
  }
  atMost(limits.VALIDATORS_MAX, "votes", commit.votes.length);
  commit.votes.forEach((vote, at) => {
    const before = commit.votes[at - 1];
    if (before && before.validator >= vote.validator) {
      throw malformed("votes: they must ascend by validator and must not repeat");
    }
  });
  for (const time of [header.time, ...commit.votes.map((vote) => vote.time)]) {
    if (time.nanoseconds > 999_999_999 || BigInt(time.seconds) > SIGNED_MAX) {
      throw malformed("time: it is none that CometBFT writes");
    }
  }
  if (BigInt(header.height) > SIGNED_MAX || commit.round >= 2 ** 31) {
    throw malformed("height: it is none that CometBFT writes");
  }
}

/** Name of the chain of CometBFT that decides for a chain. */
export const chainName = (chainId: string): string => `bubi-${chainId.slice(0, 40)}`;

/** What CometBFT carries as the hash of the application after a block. */
export const appHash = (chain: Uint8Array, digest: Uint8Array, outcome: Uint8Array): Uint8Array =>
  sha256(concat(APPLICATION, chain, digest, outcome));

function varint(value: bigint): Uint8Array {
  const found: number[] = [];
  let rest = value;
  for (; rest > 0x7fn; rest >>= 7n) found.push(Number(rest & 0x7fn) | 0x80);
  return Uint8Array.of(...found, Number(rest));
}

const NOTHING = new Uint8Array();
const key = (field: number, wire: number): Uint8Array => Uint8Array.of((field << 3) | wire);

const numberField = (field: number, value: bigint): Uint8Array =>
  value === 0n ? NOTHING : concat(key(field, 0), varint(value));

function fixedField(field: number, value: bigint): Uint8Array {
  if (value === 0n) return NOTHING;
  const data = new Uint8Array(8);
  new DataView(data.buffer).setBigUint64(0, value, true);
  return concat(key(field, 1), data);
}

/** A message in a field, written also when it is empty. */
const inside = (field: number, data: Uint8Array): Uint8Array =>
  concat(key(field, 2), varint(BigInt(data.length)), data);

const bytesField = (field: number, data: Uint8Array): Uint8Array =>
  data.length === 0 ? NOTHING : inside(field, data);

const timestamp = (time: Time): Uint8Array =>
  concat(numberField(1, BigInt(time.seconds)), numberField(2, BigInt(time.nanoseconds)));

const blockId = (block: Uint8Array, parts: number, partsHash: string): Uint8Array =>
  concat(
    bytesField(1, block),
    inside(2, concat(numberField(1, BigInt(parts)), bytesField(2, fromHex(partsHash)))),
  );

function root(leaves: readonly Uint8Array[]): Uint8Array {
  return fold(leaves.map((leaf) => sha256(concat(Uint8Array.of(0), leaf))));
}

function fold(hashes: readonly Uint8Array[]): Uint8Array {
  const [first] = hashes;
  if (first && hashes.length === 1) return first;
  let half = 1;
  while (half * 2 < hashes.length) half *= 2;
  return sha256(concat(Uint8Array.of(1), fold(hashes.slice(0, half)), fold(hashes.slice(half))));
}

/** Hash of a header by the rules of CometBFT. */
function headerHash(header: Header): Uint8Array {
  const last = header.last_block;
  return root([
    concat(
      numberField(1, BigInt(header.block_version)),
      numberField(2, BigInt(header.app_version)),
    ),
    bytesField(1, utf8(header.chain)),
    numberField(1, BigInt(header.height)),
    timestamp(header.time),
    blockId(fromHex(last.hash), last.parts, last.parts_hash),
    ...[
      header.last_commit,
      header.data,
      header.validators,
      header.next_validators,
      header.consensus,
      header.app,
      header.last_results,
      header.evidence,
      header.proposer,
    ].map((one) => bytesField(1, fromHex(one))),
  ]);
}

/** Hash of the validators by the rules of CometBFT: the heaviest first, then by address. */
function validatorsHash(members: ValidatorSet): Uint8Array {
  const leaves = members.v1.validators.map((one) => {
    if (!("ed25519" in one.key)) throw new ProofInvalid("CometBFT votes with Ed25519 keys only");
    const raw = fromHex(one.key.ed25519);
    const leaf = concat(inside(1, bytesField(1, raw)), numberField(2, BigInt(one.weight)));
    return { weight: one.weight, address: sha256(raw).slice(0, ADDRESS_BYTES), leaf };
  });
  leaves.sort((one, two) => two.weight - one.weight || compare(one.address, two.address));
  return root(leaves.map((one) => one.leaf));
}

/** Bytes that a validator of CometBFT signs to decide a block. */
function signBytes(header: Header, block: Uint8Array, commit: Commit, vote: Vote): Uint8Array {
  const message = concat(
    numberField(1, PRECOMMIT),
    fixedField(2, BigInt(header.height)),
    fixedField(3, BigInt(commit.round)),
    inside(4, blockId(block, commit.parts, commit.parts_hash)),
    inside(5, timestamp(vote.time)),
    bytesField(6, utf8(header.chain)),
  );
  return concat(varint(BigInt(message.length)), message);
}

/**
 * Checks that a light block binds the block with this digest and outcome hash. Gives the signers and their weight; throws
 * `ProofInvalid` unless every link holds.
 */
export function verifyLight(
  chainId: string,
  members: ValidatorSet,
  digest: Uint8Array,
  outcome: Uint8Array,
  light: LightBlock,
): { signers: string[]; weight: bigint } {
  const { header, commit } = light.v1;
  if (members.v1.engine !== COMET_ENGINE) {
    throw new ProofInvalid("another engine than CometBFT decides here");
  }
  if (header.chain !== chainName(chainId)) throw new ProofInvalid("the header is of another chain");
  if (header.app !== toHex(appHash(fromHex(chainId), digest, outcome))) {
    throw new ProofInvalid("the header does not bind this block and its outcome");
  }
  if (header.validators !== toHex(validatorsHash(members))) {
    throw new ProofInvalid("the header is of other validators");
  }
  const block = headerHash(header);
  const signers = commit.votes.map((vote) => {
    const member = members.v1.validators[vote.validator];
    if (!member) throw new ProofInvalid("a vote comes from outside the validator set");
    const message = signBytes(header, block, commit, vote);
    if (!verifySignature(member.key, message, fromHex(vote.signature))) {
      throw new ProofInvalid(`the vote of ${member.name} is not valid`);
    }
    return member;
  });
  const weight = signers.reduce((sum, member) => sum + BigInt(member.weight), 0n);
  const quorum = quorumOf(members);
  if (weight < quorum) throw new ProofInvalid(`votes of weight ${weight}, the quorum is ${quorum}`);
  return { signers: signers.map((member) => member.name), weight };
}
