/** Keys and signatures of the four algorithms (spec/encoding.md, section 3). */
import { ed25519 } from "@noble/curves/ed25519.js";
import { p256 } from "@noble/curves/nist.js";
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { sha512 } from "@noble/hashes/sha2.js";
import { addressText } from "./address.js";
import { concat, equal, fromBigEndian, fromHex, fromLittleEndian, toHex } from "./bytes.js";
import { type Codec, fixed, union } from "./codec.js";
import { InvalidInput } from "./errors.js";
import { DOMAINS, type HashSuite, hashOf } from "./hashes.js";
import { SM2_SECRET_LIMIT, Sm2Point, sm2PublicKey, sm2Sign, sm2Verify } from "./sm2.js";

export const ALGORITHMS = ["ed25519", "secp256k1", "p256", "sm2"] as const;
export type Algorithm = (typeof ALGORITHMS)[number];

/** A public key in its JSON form: `{ed25519: hex}`. */
export type PublicKey =
  | { ed25519: string }
  | { secp256k1: string }
  | { p256: string }
  | { sm2: string };

export const publicKeyCodec: Codec<PublicKey> = union({
  ed25519: fixed(32),
  secp256k1: fixed(33),
  p256: fixed(33),
  sm2: fixed(33),
}) as Codec<PublicKey>;

const ED25519_PRIME = 2n ** 255n - 19n;
const ED25519_ORDER = 2n ** 252n + 27742317777372353535851937790883648493n;
const ORDER_8 = 0x7a03ac9277fdc74ec6cc392cfa53202a0f67100d760b3cba4fd84d3d706a17c7n;
const SMALL_ORDER = new Set([0n, 1n, ED25519_PRIME - 1n, ORDER_8, ED25519_PRIME - ORDER_8]);
const ORDERS: Readonly<Record<Exclude<Algorithm, "ed25519">, bigint>> = {
  secp256k1: secp256k1.Point.Fn.ORDER,
  p256: p256.Point.Fn.ORDER,
  sm2: SM2_SECRET_LIMIT,
};

/** Algorithm and raw bytes of a key in its JSON form. */
export function keyParts(key: PublicKey): { algorithm: Algorithm; raw: Uint8Array } {
  const [algorithm, text] = Object.entries(key)[0] as [Algorithm, string];
  return { algorithm, raw: fromHex(text) };
}

export function keyOf(algorithm: Algorithm, raw: Uint8Array): PublicKey {
  return { [algorithm]: toHex(raw) } as PublicKey;
}

/** Number of the algorithm and key: how keys sort, and what a key's address is the hash of. */
export function taggedKey(key: PublicKey): Uint8Array {
  const { algorithm, raw } = keyParts(key);
  return concat(Uint8Array.of(ALGORITHMS.indexOf(algorithm)), raw);
}

/** The account that a key owns from the start; needs no network. */
export const keyAddress = (key: PublicKey, suite: HashSuite, prefix: string): string =>
  addressText(hashOf(suite, DOMAINS.keyAddress, taggedKey(key)), prefix);

function strictEncoding(data: Uint8Array): boolean {
  const y = fromLittleEndian(data) & ((1n << 255n) - 1n);
  return y < ED25519_PRIME && !SMALL_ORDER.has(y);
}

/** Throws `InvalidInput` unless the key may be registered: a point, canonical, not of small order. */
export function checkKey(key: PublicKey): void {
  const { algorithm, raw } = keyParts(key);
  if (raw.length !== (algorithm === "ed25519" ? 32 : 33) || !isPoint(algorithm, raw)) {
    throw new InvalidInput("key_invalid", `not a key of ${algorithm}`);
  }
}

function isPoint(algorithm: Algorithm, raw: Uint8Array): boolean {
  try {
    if (algorithm === "ed25519") {
      ed25519.Point.fromBytes(raw);
      return strictEncoding(raw);
    }
    const Point = { secp256k1: secp256k1.Point, p256: p256.Point, sm2: Sm2Point }[algorithm];
    Point.fromBytes(raw).assertValidity();
    return raw[0] === 2 || raw[0] === 3;
  } catch {
    return false;
  }
}

/** The strict rule: canonical encodings, no small-order points, cofactorless. */
function verifyEd25519(key: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  const commitment = signature.slice(0, 32);
  const response = fromLittleEndian(signature.slice(32));
  if (!strictEncoding(key) || !strictEncoding(commitment) || response >= ED25519_ORDER) return false;
  try {
    const point = ed25519.Point.fromBytes(key);
    const challenge = fromLittleEndian(sha512(concat(commitment, key, message))) % ED25519_ORDER;
    const base = ed25519.Point.BASE.multiplyUnsafe(response);
    return equal(base.subtract(point.multiplyUnsafe(challenge)).toBytes(), commitment);
  } catch {
    return false;
  }
}

function verifyEcdsa(
  curve: typeof p256,
  key: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array,
): boolean {
  try {
    return curve.verify(signature, message, key, { lowS: true });
  } catch {
    return false;
  }
}

/**
 * Whether an honest signer with this key made the signature: the strict rule of votes and proofs.
 * Nodes judge Ed25519 signatures of transactions by ZIP-215, which accepts all of these.
 */
export function verifySignature(
  key: PublicKey,
  message: Uint8Array,
  signature: Uint8Array,
): boolean {
  const { algorithm, raw } = keyParts(key);
  if (signature.length !== 64 || !isPoint(algorithm, raw)) return false;
  if (algorithm === "ed25519") return verifyEd25519(raw, message, signature);
  if (algorithm === "sm2") return sm2Verify(raw, message, signature);
  return verifyEcdsa(algorithm === "p256" ? p256 : secp256k1, raw, message, signature);
}

/** Anything that signs: a key in memory, a hardware key, a service. */
export interface Signer {
  readonly publicKey: PublicKey;
  sign(message: Uint8Array): Uint8Array | Promise<Uint8Array>;
}

/** A secret key in memory. */
export class SecretKey implements Signer {
  readonly publicKey: PublicKey;
  readonly #secret: Uint8Array;

  constructor(
    readonly algorithm: Algorithm,
    secret: Uint8Array,
  ) {
    if (secret.length !== 32) throw new InvalidInput("key_invalid", "a secret key has 32 bytes");
    this.#secret = Uint8Array.from(secret);
    const number = fromBigEndian(secret);
    if (algorithm !== "ed25519" && (number === 0n || number >= ORDERS[algorithm])) {
      throw new InvalidInput("key_invalid", "the secret key is out of range");
    }
    this.publicKey = keyOf(algorithm, this.#publicBytes(number));
  }

  #publicBytes(number: bigint): Uint8Array {
    if (this.algorithm === "ed25519") return ed25519.getPublicKey(this.#secret);
    if (this.algorithm === "sm2") return sm2PublicKey(number);
    return (this.algorithm === "p256" ? p256 : secp256k1).getPublicKey(this.#secret, true);
  }

  /** A new key from the platform's randomness. */
  static generate(algorithm: Algorithm = "ed25519"): SecretKey {
    for (;;) {
      const secret = globalThis.crypto.getRandomValues(new Uint8Array(32));
      const number = fromBigEndian(secret);
      if (algorithm === "ed25519" || (number > 0n && number < ORDERS[algorithm])) {
        return new SecretKey(algorithm, secret);
      }
    }
  }

  /** The 32 secret bytes: the seed of Ed25519, else the big-endian number. */
  secretBytes(): Uint8Array {
    return Uint8Array.from(this.#secret);
  }

  /** 64 bytes; the same key and message always give the same signature. */
  sign(message: Uint8Array): Uint8Array {
    if (this.algorithm === "ed25519") return ed25519.sign(message, this.#secret);
    if (this.algorithm === "sm2") return sm2Sign(fromBigEndian(this.#secret), message);
    const curve = this.algorithm === "p256" ? p256 : secp256k1;
    return curve.sign(message, this.#secret, { lowS: true });
  }

  toJSON(): never {
    throw new InvalidInput("key_invalid", "a secret key is never written to JSON");
  }
}


