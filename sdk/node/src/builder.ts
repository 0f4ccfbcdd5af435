/** Builds transactions: one call per operation, lists sorted, options filled in. */
import { toHex, utf8 } from "./bytes.js";
import type { Network } from "./network.js";
import type { OperationBody, OperationFields, OperationName } from "./operations.js";
import { type Precondition, type ReplayKey, Transaction } from "./transaction.js";

/** Fields of an operation; those that may be null may be left out. */
export type Given<T> = T extends object
  ? { [K in keyof T as null extends T[K] ? never : K]: T[K] } & {
      [K in keyof T as null extends T[K] ? K : never]?: T[K];
    }
  : T;

type UnitOperation = "close_account";

export class TransactionBuilder {
  private readonly operations: { source: string | null; body: OperationBody }[] = [];
  private readonly preconditions: Precondition[] = [];
  private replay: ReplayKey | null = null;
  private validUntil: bigint | null = null;
  private memoHex = "";

  /** `source` is the account that acts and whose signers sign. */
  constructor(
    readonly network: Network,
    readonly source: string,
  ) {}

  /** Adds an operation by its name. */
  add<N extends Exclude<OperationName, UnitOperation>>(
    name: N,
    fields: Given<OperationFields<N>>,
    source: string | null = null,
  ): this {
    this.operations.push({ source, body: { [name]: fields } as unknown as OperationBody });
    return this;
  }

  /** Closes an account for ever. */
  closeAccount(source: string | null = null): this {
    this.operations.push({ source, body: "close_account" });
    return this;
  }

  require(precondition: Precondition): this {
    this.preconditions.push(precondition);
    return this;
  }

  /** Text of at most 256 bytes that everybody can read. */
  memo(text: string): this {
    this.memoHex = toHex(utf8(text));
    return this;
  }

  /** Block time (ms since 1970) after which it must not happen. */
  until(milliseconds: bigint): this {
    this.validUntil = milliseconds;
    return this;
  }

  sequence(lane: number, number: bigint): this {
    this.replay = { sequence: { lane, number: number.toString() } };
    return this;
  }

  /** A transaction that is valid for five minutes unless `until` says otherwise. */
  build(): Transaction {
    const id = globalThis.crypto.getRandomValues(new Uint8Array(16));
    const until = this.validUntil ?? BigInt(Date.now()) + 300_000n;
    return new Transaction(this.network, {
      v1: {
        source: this.source,
        replay: this.replay ?? { id: toHex(id) },
        valid_until: until.toString(),
        preconditions: this.preconditions,
        memo: this.memoHex,
        operations: this.operations,
      },
    });
  }
}
