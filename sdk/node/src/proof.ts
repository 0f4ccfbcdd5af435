/** Proofs that leave the node, and their check with nothing but a trust file (spec/proofs.md). */
import {
  certificateCodec,
  checkCertificate,
  type BlockOutcome,
  type Certificate,
  type Proposal,
  type Receipt,
  outcomeCodec,
  outcomeKind,
  proposalCodec,
  proposalKind,
  receiptCodec,
  receiptKind,
} from "./block.js";
import { concat, equal, fromHex, toHex } from "./bytes.js";
import { RESULT_CODES } from "./codes.js";
import { atMost, bytes, hash, Kind, list, struct, u64, union, type Value, versioned } from "./codec.js";
import { checkLightBlock, COMET_ENGINE, type LightBlock, lightBlockCodec, verifyLight } from "./comet.js";
import { EncodingError, ProofInvalid } from "./errors.js";
import { eventCodec, eventKind, type LedgerEvent } from "./events.js";
import { commitStatementKind } from "./governance.js";
import { DOMAINS, LEAF_TAGS, leafHash, listRoot, verifyPath } from "./hashes.js";
import { verifySignature } from "./keys.js";
import * as limits from "./limits.js";
import type { Network, Trust } from "./network.js";
import { checkValidatorSet, quorumOf, type ValidatorSet, validatorSetCodec, validatorSetKind } from "./state.js";
import { type TransactionBody, transactionBodyKind } from "./transaction.js";
import { accountCells, accountProofKind, cellProofKind, cellValue } from "./tree.js";

const handoverCodec = struct({
  proposal: proposalCodec,
  outcome: outcomeCodec,
  certificate: certificateCodec,
  next: validatorSetCodec,
});
const cometHandoverCodec = struct({
  proposal: proposalCodec,
  outcome: outcomeCodec,
  light: lightBlockCodec,
  next: validatorSetCodec,
});
const finalityCodec = union({
  native: struct({
    proposal: proposalCodec,
    outcome: outcomeCodec,
    certificate: certificateCodec,
    handovers: list(handoverCodec),
  }),
  comet: struct({
    proposal: proposalCodec,
    outcome: outcomeCodec,
    light: lightBlockCodec,
    handovers: list(cometHandoverCodec),
  }),
});
export type FinalityProof = Value<typeof finalityCodec>;
export const finalityProofKind = new Kind(
  "FinalityProof",
  finalityCodec,
  16 * 1_048_576,
  checkFinality,
);

type Native = Value<typeof handoverCodec>;
type Comet = Value<typeof cometHandoverCodec>;
/** A block with what decided it. */
type Decided = Omit<Native, "next"> | Omit<Comet, "next">;

/** What proofs of all engines share. */
function decidedBy(
  found: FinalityProof,
): Decided & { readonly handovers: readonly (Native | Comet)[] } {
  return "native" in found ? found.native : found.comet;
}

function checkFinality(found: FinalityProof): void {
  const whole = decidedBy(found);
  atMost(limits.HANDOVERS_MAX, "hand-overs", whole.handovers.length);
  checkDecided(whole);
  for (const handover of whole.handovers) {
    checkDecided(handover);
    checkValidatorSet(handover.next);
  }
}

function checkDecided(found: Decided): void {
  if ("light" in found) checkLightBlock(found.light);
  else checkCertificate(found.certificate);
}

const receiptProofCodec = versioned(
  struct({
    body: bytes,
    receipt: receiptCodec,
    events: list(eventCodec),
    path: struct({ index: u64, size: u64, siblings: list(hash) }),
    finality: finalityCodec,
  }),
);
export type ReceiptProof = Value<typeof receiptProofCodec>;
export const receiptProofKind = new Kind("ReceiptProof", receiptProofCodec, 32 * 1_048_576, (proof) => {
  atMost(limits.TRANSACTION_BYTES_MAX, "body", proof.v1.body.length / 2);
  atMost(limits.LIST_SIBLINGS_MAX, "siblings", proof.v1.path.siblings.length);
  checkFinality(proof.v1.finality);
});

/** A block that a quorum decided. */
export interface ProvenBlock {
  readonly height: string;
  readonly time: string;
  readonly digest: string;
  readonly stateRoot: string;
  readonly signers: readonly string[];
  readonly weight: bigint;
  readonly quorum: bigint;
}

/** This body ended with this code and these events, in this block. */
export interface ProvenReceipt {
  readonly block: ProvenBlock;
  readonly receipt: Receipt["v1"];
  readonly code: string;
  /** Null for what fell due by itself. */
  readonly body: TransactionBody | null;
  readonly events: readonly LedgerEvent[];
}

function countVotes(set: ValidatorSet, network: Network, certificate: Certificate): string[] {
  const statement = commitStatementKind.encode(certificate.v1.statement, network.prefix);
  const message = concat(DOMAINS.commitVote, network.chain, statement);
  return certificate.v1.votes.map((vote) => {
    const member = set.v1.validators[vote.validator];
    if (!member) throw new ProofInvalid("a vote comes from outside the validator set");
    if (!verifySignature(member.key, message, fromHex(vote.signature))) {
      throw new ProofInvalid(`the vote of ${member.name} is not valid`);
    }
    return member.name;
  });
}

/** Checks that a quorum of the set signed this proposal with this outcome. */
export function verifyCertificate(
  network: Network,
  set: ValidatorSet,
  proposal: Proposal,
  outcome: BlockOutcome,
  certificate: Certificate,
): ProvenBlock {
  const { prefix } = network;
  const digest = toHex(network.digest(DOMAINS.proposal, proposalKind.encode(proposal, prefix)));
  const outcomeHash = toHex(network.digest(DOMAINS.outcome, outcomeKind.encode(outcome, prefix)));
  const { statement } = certificate.v1;
  const found = [
    statement.v1.epoch,
    statement.v1.engine,
    statement.v1.height,
    statement.v1.digest,
    statement.v1.outcome,
  ];
  const expected = [set.v1.epoch, set.v1.engine, proposal.v1.height, digest, outcomeHash];
  const others = found.some((value, at) => value !== expected[at]);
  if (others || set.v1.engine === COMET_ENGINE) {
    throw new ProofInvalid("the certificate speaks of another block, outcome or epoch");
  }
  if (proposal.v1.validators !== setHash(network, set)) {
    throw new ProofInvalid("the block names another validator set");
  }
  const signers = countVotes(set, network, certificate);
  const weight = certificate.v1.votes.reduce(
    (sum, vote) => sum + BigInt(set.v1.validators[vote.validator]?.weight ?? 0),
    0n,
  );
  const quorum = quorumOf(set);
  if (weight < quorum) throw new ProofInvalid(`votes of weight ${weight}, the quorum is ${quorum}`);
  const { height, time } = proposal.v1;
  return { height, time, digest, stateRoot: outcome.v1.state_root, signers, weight, quorum };
}

function verifyLightBlock(
  network: Network,
  set: ValidatorSet,
  proposal: Proposal,
  outcome: BlockOutcome,
  light: LightBlock,
): ProvenBlock {
  const { prefix } = network;
  const digest = network.digest(DOMAINS.proposal, proposalKind.encode(proposal, prefix));
  const computed = network.digest(DOMAINS.outcome, outcomeKind.encode(outcome, prefix));
  if (proposal.v1.validators !== setHash(network, set)) {
    throw new ProofInvalid("the block names another validator set");
  }
  const { signers, weight } = verifyLight(network.chainId, set, digest, computed, light);
  const { height, time } = proposal.v1;
  const quorum = quorumOf(set);
  const stateRoot = outcome.v1.state_root;
  return { height, time, digest: toHex(digest), stateRoot, signers, weight, quorum };
}

function verifyDecided(network: Network, set: ValidatorSet, found: Decided): ProvenBlock {
  const { proposal, outcome } = found;
  return "light" in found
    ? verifyLightBlock(network, set, proposal, outcome, found.light)
    : verifyCertificate(network, set, proposal, outcome, found.certificate);
}

const setHash = (network: Network, set: ValidatorSet): string =>
  toHex(network.digest(DOMAINS.validators, validatorSetKind.encode(set, network.prefix)));

/** Turns every refusal of an encoding into `ProofInvalid`. */
function refusing<T>(action: () => T): T {
  try {
    return action();
  } catch (error) {
    if (error instanceof EncodingError) throw new ProofInvalid(`not a proof: ${error.detail}`);
    throw error;
  }
}

/** Checks that a block of the trusted chain is final. */
export function verifyFinality(trust: Trust, proof: Uint8Array | FinalityProof): ProvenBlock {
  return refusing(() => {
    const found =
      proof instanceof Uint8Array ? finalityProofKind.decode(proof, trust.network.prefix) : proof;
    return followHandovers(trust, decidedBy(found));
  });
}

function followHandovers(trust: Trust, found: ReturnType<typeof decidedBy>): ProvenBlock {
  const { network } = trust;
  let [current, height] = [trust.validatorSet, 0n];
  for (const { proposal } of [...found.handovers, found]) {
    if (proposal.v1.chain !== network.chainId) {
      throw new ProofInvalid("the proof belongs to another chain");
    }
  }
  for (const handover of found.handovers) {
    const { proposal, outcome, next } = handover;
    verifyDecided(network, current, handover);
    if (outcome.v1.validators !== setHash(network, next)) {
      throw new ProofInvalid("a hand-over gives another set than its block names");
    }
    const follows = BigInt(next.v1.epoch) === BigInt(current.v1.epoch) + 1n;
    if (!follows || BigInt(proposal.v1.height) <= height) {
      throw new ProofInvalid("hand-overs do not follow one another");
    }
    [current, height] = [next, BigInt(proposal.v1.height)];
  }
  if (BigInt(found.proposal.v1.height) <= height) {
    throw new ProofInvalid("the block is older than the hand-over before it");
  }
  return verifyDecided(network, current, found);
}

/** Checks a receipt proof. Needs no network; throws `ProofInvalid` unless every link holds. */
export function verifyReceipt(trust: Trust, proof: Uint8Array): ProvenReceipt {
  return refusing(() => {
    const { prefix, suite } = trust.network;
    const found = receiptProofKind.decode(proof, prefix).v1;
    const block = verifyFinality(trust, found.finality);
    const body = bodyOf(trust.network, found);
    const leaves = found.events.map((event) =>
      leafHash(suite, LEAF_TAGS.event, eventKind.encode(event, prefix)),
    );
    if (toHex(listRoot(suite, leaves)) !== found.receipt.v1.events_root) {
      throw new ProofInvalid("the events are not those of the receipt");
    }
    const leaf = leafHash(suite, LEAF_TAGS.receipt, receiptKind.encode(found.receipt, prefix));
    const siblings = found.path.siblings.map(fromHex);
    const root = fromHex(decidedBy(found.finality).outcome.v1.receipt_root);
    const { index, size } = found.path;
    if (!verifyPath(suite, leaf, BigInt(index), BigInt(size), siblings, root)) {
      throw new ProofInvalid("the receipt does not stand in this block");
    }
    const code = RESULT_CODES[found.receipt.v1.code];
    if (code === undefined) throw new ProofInvalid("the result code is unknown");
    return { block, receipt: found.receipt.v1, code, body, events: found.events };
  });
}

function bodyOf(network: Network, proof: ReceiptProof["v1"]): TransactionBody | null {
  const named = fromHex(proof.receipt.v1.transaction);
  if (named.every((byte) => byte === 0)) {
    if (proof.body !== "") throw new ProofInvalid("what fell due by itself has no transaction");
    return null;
  }
  const body = fromHex(proof.body);
  if (!equal(network.digest(DOMAINS.transaction, body), named)) {
    throw new ProofInvalid("the transaction is not that of the receipt");
  }
  return transactionBodyKind.decode(body, network.prefix);
}

/** Checks one cell's value after a final block; null if the cell is absent. */
export function verifyCell(
  trust: Trust,
  finality: Uint8Array,
  proof: Uint8Array,
): { block: ProvenBlock; owner: string; key: string; value: Uint8Array | null } {
  return refusing(() => {
    const { prefix, suite } = trust.network;
    const block = verifyFinality(trust, finality);
    const found = cellProofKind.decode(proof, prefix);
    const value = cellValue(suite, fromHex(block.stateRoot), found);
    return { block, owner: found.v1.owner, key: found.v1.key, value };
  });
}

/** Checks all cells of an owner after a final block; an empty map if it has none. */
export function verifyAccount(
  trust: Trust,
  finality: Uint8Array,
  proof: Uint8Array,
): { block: ProvenBlock; owner: string; cells: Map<string, Uint8Array> } {
  return refusing(() => {
    const { prefix, suite } = trust.network;
    const block = verifyFinality(trust, finality);
    const found = accountProofKind.decode(proof, prefix);
    const cells = accountCells(suite, fromHex(block.stateRoot), found);
    return { block, owner: found.v1.owner, cells };
  });
}
