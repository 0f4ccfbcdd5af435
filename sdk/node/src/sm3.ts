/** SM3 (GB/T 32905-2016). */
import { concat } from "./bytes.js";

const START = [
  0x7380166f, 0x4914b2b9, 0x172442d7, 0xda8a0600, 0xa96f30bc, 0x163138aa, 0xe38dee4d, 0xb0fb0e4e,
];

const rotate = (word: number, bits: number): number =>
  (word << (bits & 31)) | (word >>> ((32 - bits) & 31));

const CONSTANTS = Array.from({ length: 64 }, (_, round) =>
  rotate(round < 16 ? 0x79cc4519 : 0x7a879d8a, round),
);

function expand(block: DataView, words: Int32Array): void {
  const word = (at: number): number => words[at] ?? 0;
  for (let at = 0; at < 16; at += 1) words[at] = block.getInt32(4 * at);
  for (let at = 16; at < 68; at += 1) {
    const mixed = word(at - 16) ^ word(at - 9) ^ rotate(word(at - 3), 15);
    const permuted = mixed ^ rotate(mixed, 15) ^ rotate(mixed, 23);
    words[at] = permuted ^ rotate(word(at - 13), 7) ^ word(at - 6);
  }
}

function compress(state: Int32Array, words: Int32Array): void {
  let [a, b, c, d, e, f, g, h] = [...state] as [
    number, number, number, number, number, number, number, number,
  ];
  for (let at = 0; at < 64; at += 1) {
    const word = words[at] ?? 0;
    const ss1 = rotate((rotate(a, 12) + e + (CONSTANTS[at] ?? 0)) | 0, 7);
    const choice = at < 16 ? a ^ b ^ c : (a & b) | (a & c) | (b & c);
    const parity = at < 16 ? e ^ f ^ g : (e & f) | (~e & g);
    const tt1 = (choice + d + (ss1 ^ rotate(a, 12)) + (word ^ (words[at + 4] ?? 0))) | 0;
    const tt2 = (parity + h + ss1 + word) | 0;
    [d, c, b, a] = [c, rotate(b, 9), a, tt1];
    [h, g, f, e] = [g, rotate(f, 19), e, tt2 ^ rotate(tt2, 9) ^ rotate(tt2, 17)];
  }
  [a, b, c, d, e, f, g, h].forEach((value, at) => {
    state[at] = (state[at] ?? 0) ^ value;
  });
}

/** The 32-byte digest of `data`. */
export function sm3(data: Uint8Array): Uint8Array {
  const padded = new Uint8Array(Math.ceil((data.length + 9) / 64) * 64);
  padded.set(data);
  padded[data.length] = 0x80;
  const view = new DataView(padded.buffer);
  view.setBigUint64(padded.length - 8, 8n * BigInt(data.length));
  const state = Int32Array.from(START);
  const words = new Int32Array(68);
  for (let at = 0; at < padded.length; at += 64) {
    expand(new DataView(padded.buffer, at, 64), words);
    compress(state, words);
  }
  const digest = new DataView(new ArrayBuffer(32));
  state.forEach((word, at) => digest.setInt32(4 * at, word));
  return new Uint8Array(digest.buffer);
}

/** HMAC-SM3 with a key of at most 64 bytes. */
export function hmacSm3(key: Uint8Array, data: Uint8Array): Uint8Array {
  const padded = new Uint8Array(64);
  padded.set(key);
  const inner = sm3(concat(padded.map((byte) => byte ^ 0x36), data));
  return sm3(concat(padded.map((byte) => byte ^ 0x5c), inner));
}
