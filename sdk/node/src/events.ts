/** What happened to the ledger, in the order of the numbers on the wire. */
import { address, bool, hash, Kind, option, struct, text, u32, u64, u128, union, type Value } from "./codec.js";
import { evidenceActionCodec, proposalStatusCodec } from "./governance.js";

const claim = struct({ issuer: address, subject: address, kind: text });
const account = struct({ account: address });
const namespace = struct({ namespace: hash, owner: address });

export const eventCodec = union({
  account_created: struct({ account: address, creator: address }),
  signers_changed: account,
  account_closed: account,
  data_set: struct({ account: address, name: text, version: u64 }),
  claim_set: claim,
  claim_revoked: claim,
  asset_created: struct({ asset: hash, issuer: address }),
  asset_frozen: struct({ asset: hash, frozen: bool }),
  holder_frozen: struct({ asset: hash, holder: address, frozen: bool }),
  holder_authorised: struct({ asset: hash, holder: address, authorised: bool }),
  issued: struct({ asset: hash, to: address, amount: u128, expires: option(u64) }),
  transferred: struct({ asset: hash, from: address, to: address, amount: u128 }),
  burned: struct({ asset: hash, from: address, amount: u128 }),
  lapsed: struct({ asset: hash, holder: address, amount: u128, expires: u64 }),
  item_issued: struct({ asset: hash, item: text, to: address }),
  item_transferred: struct({ asset: hash, item: text, from: address, to: address }),
  item_burned: struct({ asset: hash, item: text, from: address }),
  reserved: struct({
    hold: hash,
    asset: hash,
    holder: address,
    beneficiary: address,
    amount: u128,
    expires: u64,
  }),
  captured: struct({ hold: hash, amount: u128 }),
  released: struct({ hold: hash }),
  hold_expired: struct({ hold: hash, holder: address }),
  namespace_created: namespace,
  namespace_changed: namespace,
  record_put: struct({ namespace: hash, key: text, version: u32, writer: address }),
  proposal_changed: struct({ proposal: hash, status: proposalStatusCodec }),
  voted: struct({ proposal: hash, organisation: text, approve: bool }),
  validator_ready: struct({ proposal: hash, validator: text }),
  activation_fixed: struct({ proposal: hash, height: u64 }),
  epoch_begins: struct({ epoch: u64, height: u64 }),
  evidence_recorded: struct({ evidence: hash, validator: text, action: evidenceActionCodec }),
  membership_changed: struct({ account: address, organisation: option(text), asks: option(text) }),
});
export type LedgerEvent = Value<typeof eventCodec>;
export const eventKind = new Kind("Event", eventCodec, 1_024);
