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
import { checkOrganisation, commitStatementCodec } from "./governance.js";
import { publicKeyCodec, taggedKey } from "./keys.js";
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
      struct({
        address,
        signers: list(signerCodec),
        thresholds: thresholdsCodec,
        organisation: option(text),
      }),
    ),
    organisations: list(struct({ name: text, governance: option(address), certificate: bytes })),
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
  checkOrganisations(genesis);
  checkMembers(genesis);
  checkParameters(found.parameters);
  const least = found.kind === "development" ? 4 : 100;
  if (found.parameters.turn_blocks < least) {
    throw malformed(`turn_blocks: a leader keeps its turn for at least ${least} blocks`);
  }
}

function checkOrganisations(genesis: Genesis): void {
  const { organisations, accounts, predecessor } = genesis.v1;
  atMost(limits.ORGANISATIONS_MAX, "organisations", organisations.length);
  checkAscending("organisations", organisations.map((one) => utf8(one.name)));
  for (const one of organisations) checkOrganisation(one.name, one.certificate);
  const named = new Set(organisations.map((one) => one.name));
  if (accounts.some((one) => one.organisation !== null && !named.has(one.organisation))) {
    throw malformed("organisation: an account belongs to one of the genesis or to none");
  }
  const voters = organisations.flatMap((one) => one.governance ?? []);
  const known = new Set(accounts.map((one) => one.address));
  if (new Set(voters).size !== voters.length) {
    throw malformed("governance: an account votes for one organisation only");
  }
  // A successor's may be accounts of the state that it continues, which is not here.
  if (!predecessor && voters.some((one) => !known.has(one))) {
    throw malformed("governance: the account must be one of the genesis");
  }
}

function checkMembers(genesis: Genesis): void {
  const { validators, epoch } = genesis.v1.validators.v1;
  if (epoch !== "0") throw malformed("epoch: a network begins with epoch 0");
  if (new Set(validators.map((one) => one.name)).size !== validators.length) {
    throw malformed("validator name: each validator needs a name of its own");
  }
  const numbers = validators.map((one) => taggedKey(one.key)[0] ?? 0);
  if (numbers.some((one) => !genesis.v1.parameters.vote_algorithms.includes(one))) {
    throw malformed("vote_algorithms: they must name those of all validators' keys");
  }
}
