/**
 * Canonical bytes (BCS) of values in their JSON form (spec/encoding.md, sections 1 and 7).
 *
 * A value in memory is its JSON form: hashes are hex, addresses Bech32m, wide integers decimal
 * strings. One description of a type reads and writes its bytes, checks its JSON and gives its
 * TypeScript type.
 */
import { addressBytes, addressText } from "./address.js";
import { compare, fromHex, fromLittleEndian, littleEndian, toHex, utf8 } from "./bytes.js";
import { malformed, malformedJson, notCanonical, tooLarge } from "./errors.js";
import { DEPTH_MAX, SEQUENCE_LENGTH_MAX } from "./limits.js";

export function atMost(limit: number, what: string, actual: number): void {
  if (actual > limit) {
    throw tooLarge(`${what} has ${actual} bytes or entries, the limit is ${limit}`);
  }
}

/** Collects canonical bytes. `prefix` is that of the network's addresses. */
export class Writer {
  private parts: Uint8Array[] = [];
  length = 0;

  constructor(readonly prefix: string) {}

  put(part: Uint8Array): void {
    this.parts.push(part);
    this.length += part.length;
  }

  uleb(value: number): void {
    this.put(uleb(value));
  }

  done(): Uint8Array {
    const joined = new Uint8Array(this.length);
    let at = 0;
    for (const part of this.parts) {
      joined.set(part, at);
      at += part.length;
    }
    return joined;
  }
}

/** Reads canonical bytes; every second form is refused. */
export class Reader {
  private position = 0;
  private depth = 0;

  constructor(
    private readonly data: Uint8Array,
    readonly prefix: string,
  ) {}

  take(length: number): Uint8Array {
    const end = this.position + length;
    if (end > this.data.length) throw notCanonical(`cut short at byte ${this.data.length}`);
    const taken = this.data.subarray(this.position, end);
    this.position = end;
    return taken;
  }

  byte(): number {
    return this.take(1)[0] ?? 0;
  }

  uleb(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.byte();
      value += (byte & 0x7f) * 2 ** shift;
      if (byte >= 0x80) continue;
      if (shift > 0 && byte === 0) throw notCanonical("a number is not in its shortest form");
      if (value > 0xffffffff) break;
      return value;
    }
    throw notCanonical("a number has more than 32 bits");
  }

  count(): number {
    const value = this.uleb();
    if (value > SEQUENCE_LENGTH_MAX) throw notCanonical("a length exceeds 2^31 - 1");
    return value;
  }

  nested<T>(read: () => T): T {
    this.depth += 1;
    if (this.depth > DEPTH_MAX) throw notCanonical(`nested deeper than ${DEPTH_MAX}`);
    const value = read();
    this.depth -= 1;
    return value;
  }

  end(): void {
    if (this.position !== this.data.length) {
      throw notCanonical(`${this.data.length - this.position} bytes too many`);
    }
  }
}

export function uleb(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  while (rest >= 0x80) {
    bytes.push((rest % 0x80) | 0x80);
    rest = Math.floor(rest / 0x80);
  }
  bytes.push(rest);
  return Uint8Array.from(bytes);
}

/** How one type is written and read. `write` checks what it is given. */
export interface Codec<T> {
  write(out: Writer, value: T): void;
  read(reader: Reader): T;
  /** Whether an object may leave the member out; it counts as null then. */
  readonly optional?: boolean;
  /** A variant without fields: its JSON form is its name. */
  readonly unit?: boolean;
}

/** The type of a codec's values. */
export type Value<C> = C extends Codec<infer T> ? T : never;

function narrow(length: number): Codec<number> {
  const limit = 2 ** (8 * length);
  return {
    write(out, value) {
      if (typeof value !== "number" || !Number.isInteger(value) || value < 0 || value >= limit) {
        throw malformedJson(`expected a number of ${8 * length} bits without sign`);
      }
      out.put(littleEndian(BigInt(value), length));
    },
    read: (reader) => Number(fromLittleEndian(reader.take(length))),
  };
}

const DECIMAL = /^(?:0|[1-9][0-9]{0,38})$/;

function wide(length: number): Codec<string> {
  const limit = 1n << BigInt(8 * length);
  return {
    write(out, value) {
      if (typeof value !== "string" || !DECIMAL.test(value) || BigInt(value) >= limit) {
        throw malformedJson(`expected a decimal string of ${8 * length} bits without sign`);
      }
      out.put(littleEndian(BigInt(value), length));
    },
    read: (reader) => fromLittleEndian(reader.take(length)).toString(),
  };
}

export const u8 = narrow(1);
export const u16 = narrow(2);
export const u32 = narrow(4);
export const u64 = wide(8);
export const u128 = wide(16);

export const bool: Codec<boolean> = {
  write(out, value) {
    if (typeof value !== "boolean") throw malformedJson("expected true or false");
    out.put(Uint8Array.of(value ? 1 : 0));
  },
  read(reader) {
    const byte = reader.byte();
    if (byte > 1) throw notCanonical(`${byte} is neither false (0) nor true (1)`);
    return byte === 1;
  },
};

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export const text: Codec<string> = {
  write(out, value) {
    if (typeof value !== "string") throw malformedJson("expected text");
    if (/\p{Surrogate}/u.test(value)) throw malformed("half a surrogate pair is not UTF-8");
    const data = utf8(value);
    out.uleb(data.length);
    out.put(data);
  },
  read(reader) {
    const data = reader.take(reader.count());
    try {
      return decoder.decode(data);
    } catch {
      throw notCanonical("text that is not UTF-8");
    }
  },
};

export const bytes: Codec<string> = {
  write(out, value) {
    const data = fromHex(value);
    out.uleb(data.length);
    out.put(data);
  },
  read: (reader) => toHex(reader.take(reader.count())),
};

/** A byte string of fixed length, without its length. */
export function fixed(length: number): Codec<string> {
  return {
    write(out, value) {
      const data = fromHex(value);
      if (data.length !== length) throw malformedJson(`expected ${length} bytes in hex`);
      out.put(data);
    },
    read: (reader) => toHex(reader.take(length)),
  };
}

export const hash = fixed(32);
export const signature = fixed(64);

export const address: Codec<string> = {
  write(out, value) {
    if (typeof value !== "string") throw malformedJson("expected an address");
    try {
      out.put(addressBytes(value, out.prefix));
    } catch (error) {
      throw malformedJson(error instanceof Error ? error.message : "not an address");
    }
  },
  read: (reader) => addressText(reader.take(32), reader.prefix),
};

export function option<T>(inner: Codec<T>): Codec<T | null> & { readonly optional: true } {
  return {
    optional: true,
    write(out, value) {
      out.put(Uint8Array.of(value === null ? 0 : 1));
      if (value !== null) inner.write(out, value);
    },
    read(reader) {
      const byte = reader.byte();
      if (byte > 1) throw notCanonical(`${byte} is neither none (0) nor some (1)`);
      return byte === 1 ? inner.read(reader) : null;
    },
  };
}

export function list<T>(inner: Codec<T>): Codec<T[]> {
  return {
    write(out, value) {
      if (!Array.isArray(value)) throw malformedJson("expected a list");
      out.uleb(value.length);
      for (const item of value) inner.write(out, item);
    },
    read(reader) {
      const count = reader.count();
      const items: T[] = [];
      for (let at = 0; at < count; at += 1) items.push(inner.read(reader));
      return items;
    },
  };
}

/** Two values; a list of two in JSON. */
export function pair<A, B>(first: Codec<A>, second: Codec<B>): Codec<[A, B]> {
  return {
    write(out, value) {
      if (!Array.isArray(value) || value.length !== 2) throw malformedJson("expected two values");
      first.write(out, value[0]);
      second.write(out, value[1]);
    },
    read: (reader) => [first.read(reader), second.read(reader)],
  };
}

/** A map from u8 to u32, ascending; an object with decimal keys in JSON. */
export const thresholdMap: Codec<{ [operation: string]: number }> = {
  write(out, value) {
    const names = Object.keys(record(value, "a map"));
    const keys = names.map((name) => {
      if (!/^(?:0|[1-9][0-9]{0,9})$/.test(name)) throw malformedJson("expected decimal keys");
      return Number(name);
    });
    out.uleb(keys.length);
    for (const key of keys.sort((one, other) => one - other)) {
      u8.write(out, key);
      u32.write(out, value[String(key)] as number);
    }
  },
  read(reader) {
    const found: { [operation: string]: number } = {};
    let last = -1;
    for (let left = reader.count(); left > 0; left -= 1) {
      const key = u8.read(reader);
      if (key <= last) throw notCanonical("the keys of a map do not ascend");
      last = key;
      found[String(key)] = u32.read(reader);
    }
    return found;
  },
};

/** An enumeration without fields: its number; its name in JSON. */
export function names<const N extends string>(...members: readonly N[]): Codec<N> {
  return {
    write(out, value) {
      const number = members.indexOf(value);
      if (number < 0) throw malformedJson(`expected one of ${members.join(", ")}`);
      out.uleb(number);
    },
    read(reader) {
      const member = members[reader.uleb()];
      if (member === undefined) throw notCanonical("there is no such variant");
      return member;
    },
  };
}

function record(value: unknown, what: string): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw malformedJson(`expected an object for ${what}`);
  }
  return value as Record<string, unknown>;
}

// biome-ignore lint/suspicious/noExplicitAny: a description holds codecs of any type
type AnyCodec = Codec<any>;
type Fields = Record<string, AnyCodec>;
type Struct<F extends Fields> = { [K in keyof F]: Value<F[K]> };

/** Named fields in order. */
export function struct<F extends Fields>(fields: F): Codec<Struct<F>> {
  const entries = Object.entries(fields);
  return {
    write(out, value) {
      const given = record(value, entries.map(([name]) => name).join(", "));
      for (const name of Object.keys(given)) {
        if (!Object.hasOwn(fields, name)) throw malformedJson(`there is no member ${name}`);
      }
      for (const [name, codec] of entries) {
        const present = Object.hasOwn(given, name) && given[name] !== undefined;
        if (!present && !codec.optional) throw malformedJson(`the member ${name} is missing`);
        codec.write(out, present ? given[name] : null);
      }
    },
    read: (reader) =>
      reader.nested(() => {
        const found: Record<string, unknown> = {};
        for (const [name, codec] of entries) found[name] = codec.read(reader);
        return found as Struct<F>;
      }),
  };
}

/** A variant without fields. */
export const unit: Codec<null> & { readonly unit: true } = {
  unit: true,
  write() {},
  read: () => null,
};

type Union<F extends Fields> = {
  [K in keyof F & string]: F[K] extends { readonly unit: true } ? K : { [P in K]: Value<F[K]> };
}[keyof F & string];

/** An enumeration with fields: number of the variant, then its value. */
export function union<F extends Fields>(variants: F): Codec<Union<F>> {
  const entries = Object.entries(variants);
  return {
    write(out, value) {
      const name = variantOf(value);
      const number = entries.findIndex(([one]) => one === name);
      const codec = entries[number]?.[1];
      const plain = typeof value === "string";
      if (!codec || plain !== Boolean(codec.unit)) throw malformedJson("there is no such variant");
      out.uleb(number);
      codec.write(out, plain ? null : (value as Record<string, unknown>)[name]);
    },
    read(reader) {
      const entry = entries[reader.uleb()];
      if (!entry) throw notCanonical("there is no such variant");
      const value = entry[1].read(reader);
      return (entry[1].unit ? entry[0] : { [entry[0]]: value }) as Union<F>;
    },
  };
}

/** Name of the variant that an enumeration's value is. */
export function variantOf(value: unknown): string {
  if (typeof value === "string") return value;
  const members = Object.keys(record(value, "a variant"));
  if (members.length !== 1) throw malformedJson("expected an object with one member");
  return members[0] ?? "";
}

/** A type with one version. */
export const versioned = <T>(inner: Codec<T>): Codec<{ v1: T }> =>
  union({ v1: inner }) as Codec<{ v1: T }>;

/** A type with canonical bytes of its own. */
export class Kind<T> implements Codec<T> {
  constructor(
    readonly name: string,
    private readonly codec: Codec<T>,
    private readonly bytesMax: number,
    private readonly check: (value: T) => void = () => {},
  ) {}

  write(out: Writer, value: T): void {
    this.codec.write(out, value);
  }

  read(reader: Reader): T {
    return this.codec.read(reader);
  }

  /** Bytes of a value in its JSON form; refuses what can never be valid. */
  encode(value: T, prefix: string): Uint8Array {
    const out = new Writer(prefix);
    this.codec.write(out, value);
    this.check(value);
    atMost(this.bytesMax, this.name, out.length);
    return out.done();
  }

  /** Value of canonical bytes; refuses every second form. */
  decode(data: Uint8Array, prefix: string): T {
    atMost(this.bytesMax, this.name, data.length);
    const reader = new Reader(data, prefix);
    const value = this.codec.read(reader);
    reader.end();
    this.check(value);
    return value;
  }
}

const LOWER = /^[a-z0-9.-]+$/;
const MIXED = /^[A-Za-z0-9.-]+$/;

export const byteLength = (value: string): number => utf8(value).length;

/** Letters, digits, dots and hyphens. */
export function checkName(what: string, value: string, limit: number, upper = false): void {
  atMost(limit, what, byteLength(value));
  if (!(upper ? MIXED : LOWER).test(value)) {
    throw malformed(`${what}: use letters, digits, dots and hyphens; it must not be empty`);
  }
}

/** Free text: not empty, within its limit, without control characters. */
export function checkText(what: string, value: string, limit: number): void {
  atMost(limit, what, byteLength(value));
  if (value === "" || /\p{Cc}/u.test(value)) {
    throw malformed(`${what}: it must not be empty and must not hold control characters`);
  }
}

/** Each entry greater than the one before, as byte strings. */
export function checkAscending(what: string, items: readonly Uint8Array[]): void {
  for (let at = 1; at < items.length; at += 1) {
    if (compare(items[at - 1] as Uint8Array, items[at] as Uint8Array) >= 0) {
      throw malformed(`${what}: entries must ascend and must not repeat`);
    }
  }
}
