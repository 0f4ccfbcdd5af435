/** Client library of the Bubi ledger for browsers and Node.js. */
export { addressBytes, addressText, type NetworkKind, PREFIXES } from "./address.js";
export * from "./block.js";
export { TransactionBuilder } from "./builder.js";
export { compare, concat, fromHex, toHex, utf8 } from "./bytes.js";
export { Client, type Outcome, refuseProblems } from "./client.js";
export { Kind, type Value, variantOf } from "./codec.js";
export * from "./comet.js";
export { RESULT_CODES } from "./codes.js";
export { documentDigest } from "./digest.js";
export {
  BubiError,
  EncodingError,
  InvalidInput,
  ProofInvalid,
  RequestRefused,
} from "./errors.js";
export { eventKind, type LedgerEvent } from "./events.js";
export * from "./governance.js";
export * from "./hashes.js";
export { type Json, parseJson } from "./json.js";
export * from "./keys.js";
export * as limits from "./limits.js";
export { Network, Trust } from "./network.js";
export {
  type AccountSigner,
  type Content,
  type Digest,
  OPERATION_NAMES,
  type Operation,
  type OperationBody,
  type OperationFields,
  type OperationName,
  type RecordReference,
  type Thresholds,
  type Writers,
} from "./operations.js";
export * from "./proof.js";
export * from "./state.js";
export * from "./transaction.js";
export * from "./tree.js";
