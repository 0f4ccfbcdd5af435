/** Addresses: 32 bytes, shown as Bech32m with the prefix of the network (spec/encoding.md, 4). */
import { utf8 } from "./bytes.js";
import { InvalidInput } from "./errors.js";

export const PREFIXES = { main: "bubi", test: "bubitest", development: "bubidev" } as const;
export type NetworkKind = keyof typeof PREFIXES;

const SYMBOLS = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";
const GENERATORS = [0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3];
const BECH32M = 0x2bc830a3;
const DATA_SYMBOLS = 53; // 33 bytes of 8 bits in groups of 5

const invalid = (detail: string): InvalidInput => new InvalidInput("address_invalid", detail);

function checksum(prefix: string, values: readonly number[]): number {
  const letters = utf8(prefix);
  const expanded = [...letters].map((one) => one >> 5);
  expanded.push(0, ...[...letters].map((one) => one & 31), ...values);
  let state = 1;
  for (const value of expanded) {
    const top = state >>> 25;
    state = ((state & 0x1ffffff) << 5) ^ value;
    GENERATORS.forEach((generator, bit) => {
      if ((top >> bit) & 1) state ^= generator;
    });
  }
  return (state ^ BECH32M) >>> 0;
}

/** Regroups bits; the last group is filled with zeros. */
function regroup(values: Iterable<number>, from: number, to: number): number[] {
  const groups: number[] = [];
  let [held, bits] = [0, 0];
  for (const value of values) {
    held = (held << from) | value;
    bits += from;
    while (bits >= to) {
      bits -= to;
      groups.push((held >> bits) & ((1 << to) - 1));
    }
    held &= (1 << bits) - 1;
  }
  if (bits > 0 && to < from) groups.push((held << (to - bits)) & ((1 << to) - 1));
  return groups;
}

/** The address as people see it on the network that uses `prefix`. */
export function addressText(raw: Uint8Array, prefix: string): string {
  if (raw.length !== 32) throw invalid("an address has 32 bytes");
  const values = regroup([0, ...raw], 8, 5);
  const check = checksum(prefix, [...values, 0, 0, 0, 0, 0, 0]);
  for (let at = 5; at >= 0; at -= 1) values.push((check >> (5 * at)) & 31);
  return `${prefix}1${values.map((value) => SYMBOLS[value]).join("")}`;
}

/** The 32 bytes of an address of the network that uses `prefix`; throws `InvalidInput`. */
export function addressBytes(text: string, prefix: string): Uint8Array {
  if (/\p{Lu}/u.test(text)) throw invalid("write it in lower case");
  const separator = text.lastIndexOf("1");
  const found = text.slice(0, Math.max(separator, 0));
  const values = [...text.slice(separator + 1)].map((symbol) => SYMBOLS.indexOf(symbol));
  if (separator < 0 || values.includes(-1)) {
    throw invalid("it holds characters that no address has");
  }
  const ascii = /^[\x21-\x7e]*$/.test(found);
  if (text.length > 90 || values.length < 6 || !ascii || checksum(found, values) !== 0) {
    throw invalid("the check symbols do not fit; it was mistyped or cut");
  }
  if (found !== prefix) {
    throw invalid(`it belongs to another network; here addresses begin with ${prefix}1`);
  }
  if (values.length !== DATA_SYMBOLS + 6) throw invalid("it must hold 32 bytes");
  const data = values.slice(0, -6);
  if ((data[DATA_SYMBOLS - 1] ?? 0) & 1) throw invalid("its padding bits are not zero");
  const bytes = Uint8Array.from(regroup(data, 5, 8));
  if (bytes[0] !== 0) throw invalid("its version is unknown");
  return bytes.slice(1);
}
