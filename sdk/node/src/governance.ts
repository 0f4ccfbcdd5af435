/** What organisations vote on, evidence against validators, and the cells of both. */
import {
  address,
  atMost,
  bool,
  byteLength,
  bytes,
  checkAscending,
  checkText,
  hash,
  Kind,
  list,
  names,
  option,
  struct,
  text,
  u8,
  u32,
  u64,
  union,
  unit,
  type Value,
  versioned,
  Writer,
} from "./codec.js";
import { utf8 } from "./bytes.js";
import { malformed } from "./errors.js";
import { publicKeyCodec } from "./keys.js";
import * as limits from "./limits.js";

const named = struct({ name: text });
const node = struct({ node: hash });

export const validatorCodec = struct({
  name: text,
  organisation: text,
  key: publicKeyCodec,
  weight: u32,
});

/** Every change, in the order of its number on the wire. */
export const changeCodec = union({
  set_parameter: struct({ name: text, value: u64 }),
  add_validator: validatorCodec,
  remove_validator: named,
  change_validator: struct({ name: text, weight: option(u32), key: option(publicKeyCodec) }),
  set_organisation: struct({ name: text, governance: option(address), certificate: bytes }),
  remove_organisation: named,
  set_engine: named,
  set_quorum: struct({ numerator: u32, denominator: u32 }),
  set_algorithms: struct({ accounts: list(u8), votes: list(u8), old_until: u64 }),
  set_protocol_version: struct({ version: u32 }),
  allow_node: node,
  deny_node: node,
  clear_node: node,
  revoke_certificate: struct({ fingerprint: hash }),
});
export type Change = Value<typeof changeCodec>;

export const commitStatementCodec = versioned(
  struct({ epoch: u64, engine: text, height: u64, round: u64, digest: hash, outcome: hash }),
);
export const commitStatementKind = new Kind("CommitStatement", commitStatementCodec, 512);

const voteStatementCodec = versioned(
  struct({ epoch: u64, engine: text, height: u64, round: u64, phase: u8, digest: hash }),
);
type VoteStatement = Value<typeof voteStatementCodec>;
export const voteStatementKind = new Kind("VoteStatement", voteStatementCodec, 512, checkPhase);

function checkPhase(found: VoteStatement): void {
  if (found.v1.phase > 3) throw malformed("phase: a vote before the commit has 0 to 3");
}

/** One of the two halves of evidence. */
export const statementCodec = union({ vote: voteStatementCodec, commit: commitStatementCodec });
export type Statement = Value<typeof statementCodec>;

export function checkStatement(found: Statement): void {
  if ("vote" in found) checkPhase(found.vote);
  const { engine } = "vote" in found ? found.vote.v1 : found.commit.v1;
  checkText("engine", engine, limits.NAME_BYTES_MAX);
}

const checkName = (what: string, name: string): void =>
  checkText(what, name, limits.NAME_BYTES_MAX);

function checkWeight(weight: number | null | undefined): void {
  if (weight === 0) throw malformed("weight: it must be at least 1; remove the validator instead");
}

export function checkOrganisation(name: string, certificate: string): void {
  checkName("organisation", name);
  atMost(limits.AUTHORITY_BYTES_MAX, "bytes of a certificate", certificate.length / 2);
}

export function checkAlgorithms(what: string, numbers: readonly number[]): void {
  if (numbers.length === 0 || Math.max(...numbers) > 3) {
    throw malformed(`${what}: name at least one of 0, 1, 2, 3`);
  }
  checkAscending(what, numbers.map((one) => Uint8Array.of(one)));
}

function checkChange(change: Change): void {
  if ("add_validator" in change) {
    const found = change.add_validator;
    checkName("validator name", found.name);
    checkName("organisation", found.organisation);
    checkWeight(found.weight);
  } else if ("change_validator" in change) {
    const found = change.change_validator;
    checkWeight(found.weight);
    if (found.weight == null && found.key == null) {
      throw malformed("change_validator: give a weight, a key or both");
    }
    checkName("validator name", found.name);
  } else if ("set_organisation" in change) {
    checkOrganisation(change.set_organisation.name, change.set_organisation.certificate);
  } else if ("set_algorithms" in change) {
    checkAlgorithms("accounts", change.set_algorithms.accounts);
    checkAlgorithms("votes", change.set_algorithms.votes);
  } else {
    const fields = Object.values(change)[0] as { name?: string };
    if (fields.name !== undefined) checkName("name", fields.name);
  }
}

/** Checks everything that a proposal alone decides. */
export function checkProposal(
  changes: Change[],
  acknowledged: string[],
  memo: string,
  prefix: string,
): void {
  atMost(limits.CHANGES_MAX, "changes", changes.length);
  if (changes.length === 0) throw malformed("changes: a proposal needs at least one");
  changes.forEach(checkChange);
  atMost(limits.VALIDATORS_MAX, "acknowledged", acknowledged.length);
  checkAscending("acknowledged", acknowledged.map(utf8));
  for (const name of acknowledged) checkName("acknowledged", name);
  atMost(limits.MEMO_BYTES_MAX, "memo", byteLength(memo));
  if (memo !== "") checkText("memo", memo, limits.MEMO_BYTES_MAX);
  const encoded = new Writer(prefix);
  list(changeCodec).write(encoded, changes);
  list(text).write(encoded, acknowledged);
  atMost(limits.PROPOSAL_BYTES_MAX, "bytes of a proposal", encoded.length);
}

export const proposalStatusCodec = names(
  "open",
  "approved",
  "active",
  "rejected",
  "withdrawn",
  "expired",
  "lapsed",
);

const CELL = limits.CELL_VALUE_BYTES_MAX;
export const changeProposalKind = new Kind(
  "ChangeProposal",
  versioned(
    struct({
      proposer: option(text),
      evidence: option(hash),
      changes: list(changeCodec),
      opened: u64,
      expires: u64,
      not_before: option(u64),
      acknowledged: list(text),
      memo: text,
      votes: list(struct({ organisation: text, approve: bool })),
      status: proposalStatusCodec,
      changed: u64,
    }),
  ),
  CELL,
);
export const organisationKind = new Kind(
  "Organisation",
  versioned(struct({ governance: option(address), certificate: bytes })),
  CELL,
);
const member = struct({ name: text, account: address, weight: u32, ready: bool });
const pending = struct({
  proposal: hash,
  approved: u64,
  until: u64,
  activation: option(u64),
  quorum: u64,
  members: list(member),
});
export const governanceKind = new Kind(
  "Governance",
  versioned(
    struct({
      open: list(hash),
      pending: option(pending),
      exclusions: list(struct({ evidence: hash, member: publicKeyCodec })),
    }),
  ),
  CELL,
);
export const voterKind = new Kind("Voter", versioned(struct({ organisation: text })), CELL);
export const protocolVersionKind = new Kind(
  "ProtocolVersion",
  versioned(struct({ version: u32 })),
  CELL,
);
export const nodeListingKind = new Kind("NodeListing", names("allowed", "denied"), CELL);

/** What evidence led to. */
export const evidenceActionCodec = union({
  ignored: unit,
  alarmed: unit,
  proposed: hash,
  scheduled: hash,
  queued: unit,
  kept: unit,
  gone: unit,
});
export const evidenceRecordKind = new Kind(
  "EvidenceRecord",
  versioned(
    struct({
      member: publicKeyCodec,
      validator: text,
      epoch: u64,
      engine: text,
      height: u64,
      round: u64,
      phase: u8,
      digest_one: hash,
      digest_two: hash,
      reporter: address,
      recorded: u64,
      action: evidenceActionCodec,
    }),
  ),
  CELL,
);
