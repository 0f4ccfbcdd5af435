/** Blocks: batches, proposal, outcome, receipts, certificates (core/codec/src/block.rs). */
import { addressBytes } from "./address.js";
import { utf8 } from "./bytes.js";
import {
  address,
  atMost,
  bytes,
  checkAscending,
  checkText,
  hash,
  Kind,
  list,
  names,
  option,
  signature,
  struct,
  text,
  u8,
  u16,
  u32,
  u64,
  type Value,
  versioned,
} from "./codec.js";
import { malformed } from "./errors.js";
import { eventCodec } from "./events.js";
import { publicKeyCodec } from "./keys.js";
import * as limits from "./limits.js";
import { checkAuthority, signerCodec, thresholdsCodec } from "./operations.js";
import { PREFIXES } from "./address.js";
import { checkParameters, checkValidatorSet, parametersCodec, validatorSetCodec } from "./state.js";

export const proposalCodec = versioned(
  struct({
    chain: hash,
    height: u64,
    time: u64,
    parent: hash,
    parent_outcome: hash,
    parent_round: u64,
    payload_root: hash,
    validators: hash,
    parameters: hash,
    protocol_version: u32,
  }),
);
export type Proposal = Value<typeof proposalCodec>;
export const proposalKind = new Kind("Proposal", proposalCodec, 1_024);

export const outcomeCodec = versioned(
  struct({ receipt_root: hash, state_root: hash, validators: hash, parameters: hash }),
);
export type BlockOutcome = Value<typeof outcomeCodec>;
export const outcomeKind = new Kind("Outcome", outcomeCodec, 256);

export const commitStatementCodec = versioned(
  struct({ epoch: u64, engine: text, height: u64, round: u64, digest: hash, outcome: hash }),
);
export const commitStatementKind = new Kind("CommitStatement", commitStatementCodec, 512);

const voteStatementCodec = versioned(
  struct({ epoch: u64, engine: text, height: u64, round: u64, phase: u8, digest: hash }),
);
export const voteStatementKind = new Kind("VoteStatement", voteStatementCodec, 512, (found) => {
  if (found.v1.phase > 3) throw malformed("phase: a vote before the commit has 0 to 3");
});

export const certificateCodec = versioned(
  struct({
    statement: commitStatementCodec,
    votes: list(struct({ validator: u32, signature })),
  }),
);
export type Certificate = Value<typeof certificateCodec>;
export const certificateKind = new Kind("Certificate", certificateCodec, 65_536, checkCertificate);

export function checkCertificate(found: Certificate): void {
  atMost(limits.VALIDATORS_MAX, "votes", found.v1.votes.length);
  found.v1.votes.forEach((vote, at) => {
    const before = found.v1.votes[at - 1];
    if (before && before.validator >= vote.validator) {
      throw malformed("votes: they must ascend by validator and must not repeat");
    }
  });
}

export const receiptCodec = versioned(
  struct({
    transaction: hash,
    batch: u32,
    index: u32,
    code: u16,
    operation: option(u8),
    events_root: hash,
  }),
);
export type Receipt = Value<typeof receiptCodec>;
export const receiptKind = new Kind("Receipt", receiptCodec, 256);

const batchHeaderCodec = versioned(
  struct({ author: publicKeyCodec, number: u64, count: u32, bytes: u32, root: hash }),
);
export const batchHeaderKind = new Kind("BatchHeader", batchHeaderCodec, 512);
const signedBatchCodec = struct({ header: batchHeaderCodec, signature });
export const signedBatchKind = new Kind("SignedBatch", signedBatchCodec, 512, (found) => {
  atMost(limits.BATCH_TRANSACTIONS_MAX, "transactions of a batch", found.header.v1.count);
  atMost(limits.BATCH_BYTES_MAX, "bytes of a batch", found.header.v1.bytes);
  if (found.header.v1.count === 0) throw malformed("count: a batch holds at least one");
});

export const blockRecordKind = new Kind(
  "BlockRecord",
  versioned(
    struct({
      proposal: proposalCodec,
      batches: list(signedBatchCodec),
      outcome: outcomeCodec,
      certificate: certificateCodec,
      receipts: list(receiptCodec),
      events: list(list(eventCodec)),
    }),
  ),
  1 << 30,
);

const genesisCodec = versioned(
  struct({
    nonce: hash,
    name: text,
    kind: names("main", "test", "development"),
    suite: names("standard", "national"),
    time: u64,
    protocol_version: u32,
    parameters: parametersCodec,
    validators: validatorSetCodec,
    accounts: list(
      struct({ address, signers: list(signerCodec), thresholds: thresholdsCodec }),
    ),
    authorities: list(struct({ organisation: text, certificate: bytes })),
    predecessor: option(struct({ chain: hash, certificate: hash, state_root: hash })),
  }),
);
export type Genesis = Value<typeof genesisCodec>;
export const genesisKind = new Kind("Genesis", genesisCodec, 64 * 1_048_576, checkGenesis);

function checkGenesis(genesis: Genesis): void {
  const found = genesis.v1;
  checkText("network name", found.name, limits.NAME_BYTES_MAX);
  checkValidatorSet(found.validators);
  atMost(limits.GENESIS_ACCOUNTS_MAX, "accounts", found.accounts.length);
  const first = found.accounts[0]?.address;
  const prefix = first ? first.slice(0, first.lastIndexOf("1")) : PREFIXES[found.kind];
  checkAscending("accounts", found.accounts.map((one) => addressBytes(one.address, prefix)));
  for (const account of found.accounts) checkAuthority(account.signers, account.thresholds);
  atMost(limits.AUTHORITIES_MAX, "authorities", found.authorities.length);
  checkAscending("authorities", found.authorities.map((one) => utf8(one.organisation)));
  for (const authority of found.authorities) {
    checkText("organisation", authority.organisation, limits.NAME_BYTES_MAX);
    atMost(limits.AUTHORITY_BYTES_MAX, "a certificate", authority.certificate.length / 2);
    if (authority.certificate === "") throw malformed("certificate: an authority needs it");
  }
  checkParameters(found.parameters);
  const least = found.kind === "development" ? 4 : 100;
  if (found.parameters.turn_blocks < least) {
    throw malformed(`turn_blocks: a leader keeps its turn for at least ${least} blocks`);
  }
}
