/** Byte strings: hex, joining, comparing. */
import { malformedJson } from "./errors.js";

const HEX = /^(?:[0-9a-f]{2})*$/;
const encoder = new TextEncoder();

export function toHex(data: Uint8Array): string {
  let text = "";
  for (const byte of data) text += byte.toString(16).padStart(2, "0");
  return text;
}

/** Reads lower-case hex; anything else is refused. */
export function fromHex(text: string): Uint8Array {
  if (typeof text !== "string" || !HEX.test(text)) throw malformedJson("expected lower-case hex");
  const data = new Uint8Array(text.length / 2);
  for (let at = 0; at < data.length; at += 1) {
    data[at] = Number.parseInt(text.slice(2 * at, 2 * at + 2), 16);
  }
  return data;
}

export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

/** Negative, zero or positive, as byte strings sort (a prefix first). */
export function compare(one: Uint8Array, other: Uint8Array): number {
  const shared = Math.min(one.length, other.length);
  for (let at = 0; at < shared; at += 1) {
    const difference = (one[at] ?? 0) - (other[at] ?? 0);
    if (difference !== 0) return difference;
  }
  return one.length - other.length;
}

export const equal = (one: Uint8Array, other: Uint8Array): boolean => compare(one, other) === 0;

export const utf8 = (text: string): Uint8Array => encoder.encode(text);

/** An unsigned integer, little-endian, in `length` bytes. */
export function littleEndian(value: bigint, length: number): Uint8Array {
  const data = new Uint8Array(length);
  let rest = value;
  for (let at = 0; at < length; at += 1) {
    data[at] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  return data;
}

export function fromLittleEndian(data: Uint8Array): bigint {
  let value = 0n;
  for (let at = data.length - 1; at >= 0; at -= 1) value = (value << 8n) | BigInt(data[at] ?? 0);
  return value;
}

export const fromBigEndian = (data: Uint8Array): bigint =>
  data.length === 0 ? 0n : BigInt(`0x${toHex(data)}`);

export const bigEndian = (value: bigint, length: number): Uint8Array =>
  littleEndian(value, length).reverse();
