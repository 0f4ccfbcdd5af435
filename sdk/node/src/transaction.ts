/** Transactions: a body that is hashed and signed, and signatures that stand outside. */
import { addressBytes, addressText } from "./address.js";
import { compare, concat, fromHex, littleEndian, toHex } from "./bytes.js";
import {
  address,
  atMost,
  bytes,
  checkAscending,
  checkText,
  fixed,
  hash,
  Kind,
  list,
  signature,
  struct,
  text,
  u32,
  u64,
  u128,
  uleb,
  union,
  type Value,
  versioned,
} from "./codec.js";
import { InvalidInput, malformed, malformedJson } from "./errors.js";
import { DOMAINS } from "./hashes.js";
import { type Json, parseJson } from "./json.js";
import { publicKeyCodec, type Signer, taggedKey, verifySignature } from "./keys.js";
import * as limits from "./limits.js";
import type { Network } from "./network.js";
import { checkOperation, operationCodec } from "./operations.js";

const window = struct({ from: u64, to: u64 });
export const preconditionCodec = union({
  balance: struct({ account: address, asset: hash, at_least: u128 }),
  data_version: struct({ account: address, name: text, version: u64 }),
  record_version: struct({ namespace: hash, key: text, version: u32 }),
  height: window,
  time: window,
});
export type Precondition = Value<typeof preconditionCodec>;

export const replayCodec = union({ id: fixed(16), sequence: struct({ lane: u32, number: u64 }) });
export type ReplayKey = Value<typeof replayCodec>;

const bodyCodec = versioned(
  struct({
    source: address,
    replay: replayCodec,
    valid_until: u64,
    preconditions: list(preconditionCodec),
    memo: bytes,
    operations: list(operationCodec),
  }),
);
export type TransactionBody = Value<typeof bodyCodec>;
export const transactionBodyKind = new Kind(
  "TransactionBody",
  bodyCodec,
  limits.TRANSACTION_BYTES_MAX,
  checkBody,
);

function checkPrecondition(found: Precondition): void {
  if ("balance" in found && BigInt(found.balance.at_least) > limits.AMOUNT_MAX) {
    throw malformed("at_least: it must be at most 10^38 - 1");
  }
  if ("data_version" in found) {
    checkText("data name", found.data_version.name, limits.DATA_NAME_BYTES_MAX);
  }
  if ("record_version" in found) {
    checkText("record key", found.record_version.key, limits.RECORD_KEY_BYTES_MAX);
  }
  const span = "height" in found ? found.height : "time" in found ? found.time : null;
  if (span && BigInt(span.from) > BigInt(span.to)) {
    throw malformed("window: it ends before it begins");
  }
}

function checkBody(body: TransactionBody): void {
  const found = body.v1;
  atMost(limits.MEMO_BYTES_MAX, "memo", found.memo.length / 2);
  atMost(limits.PRECONDITIONS_MAX, "preconditions", found.preconditions.length);
  atMost(limits.OPERATIONS_MAX, "operations", found.operations.length);
  if (found.operations.length === 0) throw malformed("operations: at least one is needed");
  found.preconditions.forEach(checkPrecondition);
  for (const operation of found.operations) checkOperation(operation, found.source);
}

const entryCodec = struct({ key: publicKeyCodec, signature });
export type SignatureEntry = Value<typeof entryCodec>;
const signedCodec = versioned(struct({ body: bytes, signatures: list(entryCodec) }));
export type SignedTransaction = Value<typeof signedCodec>;
export const signedTransactionKind = new Kind(
  "SignedTransaction",
  signedCodec,
  limits.TRANSACTION_BYTES_MAX,
  (found) => {
    atMost(limits.SIGNATURES_MAX, "signatures", found.v1.signatures.length);
    if (found.v1.signatures.length === 0) throw malformed("signatures: at least one is needed");
    checkAscending("signatures", found.v1.signatures.map((one) => taggedKey(one.key)));
  },
);

/** The replay key as 17 bytes, for identifiers derived from it. */
export function replayBytes(replay: ReplayKey): Uint8Array {
  if ("id" in replay) return concat(Uint8Array.of(0), fromHex(replay.id));
  const { lane, number } = replay.sequence;
  const lanes = littleEndian(BigInt(lane), 4);
  return concat(Uint8Array.of(1), lanes, littleEndian(BigInt(number), 8), new Uint8Array(4));
}

/** A body made for one network, ready to be signed. */
export class Transaction {
  readonly body: TransactionBody;
  readonly bodyBytes: Uint8Array;

  /** Takes a body, or its bytes, which are kept as they are. */
  constructor(
    readonly network: Network,
    body: TransactionBody | Uint8Array,
  ) {
    const given = body instanceof Uint8Array;
    this.bodyBytes = given ? body : transactionBodyKind.encode(body, network.prefix);
    this.body = transactionBodyKind.decode(this.bodyBytes, network.prefix);
  }

  /** What each signer signs: domain tag, chain id, body. */
  get signingBytes(): Uint8Array {
    return concat(DOMAINS.transaction, this.network.chain, this.bodyBytes);
  }

  /** The transaction's name for ever; signatures do not enter it. */
  get hash(): string {
    return toHex(this.network.digest(DOMAINS.transaction, this.bodyBytes));
  }

  /** Address of the account that operation `index` derives. */
  derivedAccount(index = 0): string {
    return addressText(this.#derived(DOMAINS.derivedAddress, index), this.network.prefix);
  }

  /** The hold that operation `index` makes. */
  holdId(index = 0): string {
    return toHex(this.#derived(DOMAINS.hold, index));
  }

  #derived(domain: Uint8Array, index: number): Uint8Array {
    const acting = this.body.v1.operations[index]?.source ?? this.body.v1.source;
    return this.network.digest(
      domain,
      addressBytes(acting, this.network.prefix),
      replayBytes(this.body.v1.replay),
      littleEndian(BigInt(index), 4),
    );
  }

  /** Signs with each signer; needs no network. */
  async sign(...signers: readonly Signer[]): Promise<Envelope> {
    const message = this.signingBytes;
    const entries: SignatureEntry[] = [];
    for (const signer of signers) {
      entries.push({ key: signer.publicKey, signature: toHex(await signer.sign(message)) });
    }
    return this.withSignatures(entries);
  }

  /** Joins signatures made elsewhere; each is checked. */
  withSignatures(entries: readonly SignatureEntry[]): Envelope {
    for (const entry of entries) {
      if (!verifySignature(entry.key, this.signingBytes, fromHex(entry.signature))) {
        throw new InvalidInput("signature_invalid", "a key did not sign this transaction");
      }
    }
    const signatures = [...entries].sort((one, other) =>
      compare(taggedKey(one.key), taggedKey(other.key)),
    );
    return new Envelope(this, { v1: { body: toHex(this.bodyBytes), signatures } });
  }
}

/** A signed transaction. Sending it any number of times has one outcome. */
export class Envelope {
  readonly encoded: Uint8Array;

  constructor(
    readonly transaction: Transaction,
    readonly signed: SignedTransaction,
  ) {
    this.encoded = signedTransactionKind.encode(signed, transaction.network.prefix);
  }

  get hash(): string {
    return this.transaction.hash;
  }

  static decode(network: Network, data: Uint8Array): Envelope {
    const signed = signedTransactionKind.decode(data, network.prefix);
    return new Envelope(new Transaction(network, fromHex(signed.v1.body)), signed);
  }

  /** Reads the API's JSON form, whose body is an object (or hex). */
  static fromJson(network: Network, text: string): Envelope {
    const value = parseJson(text) as { v1?: { body?: Json; signatures?: Json } } | null;
    const inner = value?.v1;
    if (!inner) throw malformedJson("a signed transaction is an object with v1");
    const hexBody =
      typeof inner.body === "object"
        ? toHex(transactionBodyKind.encode(inner.body as never, network.prefix))
        : inner.body;
    const signed = { ...value, v1: { ...inner, body: hexBody } } as SignedTransaction;
    return Envelope.decode(network, signedTransactionKind.encode(signed, network.prefix));
  }

  /** The API's JSON form, whose body is an object. */
  toJson(): Json {
    const { signatures } = this.signed.v1;
    return { v1: { body: this.transaction.body, signatures } } as unknown as Json;
  }
}

/** Many signed transactions as one request body (`application/vnd.bubi.transactions`). */
export function bulkBody(transactions: readonly Envelope[]): Uint8Array {
  const parts = transactions.flatMap((one) => [uleb(one.encoded.length), one.encoded]);
  return concat(uleb(transactions.length), ...parts);
}
