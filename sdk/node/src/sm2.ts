/**
 * SM2 signatures (GB/T 32918.2-2016) with SM3. Nonces follow RFC 6979 over SM3, so that one key
 * and message give one signature. JavaScript integers do not run in constant time.
 */
import { weierstrass } from "@noble/curves/abstract/weierstrass.js";
import { bigEndian, concat, fromBigEndian, utf8 } from "./bytes.js";
import { hmacSm3, sm3 } from "./sm3.js";

const CURVE = {
  p: 0xfffffffeffffffffffffffffffffffffffffffff00000000ffffffffffffffffn,
  n: 0xfffffffeffffffffffffffffffffffff7203df6b21c6052b53bbf40939d54123n,
  h: 1n,
  a: 0xfffffffeffffffffffffffffffffffffffffffff00000000fffffffffffffffcn,
  b: 0x28e9fa9e9d9f5e344d5a9e4bcf6509a7f39789f515ab8f92ddbcbd414d940e93n,
  Gx: 0x32c4ae2c1f1981195f9904466a39c9948fe30bbff2660be1715a4589334c74c7n,
  Gy: 0xbc3736a2f4f6779c59bdcee36b692153d0a9877cc62a474002df32e52139f0a0n,
};
const IDENTITY = utf8("1234567812345678");
const N = CURVE.n;
/** Secrets lie below this: n − 1 cannot sign. */
export const SM2_SECRET_LIMIT = N - 1n;

export const Sm2Point = weierstrass(CURVE);

const modulo = (value: bigint): bigint => ((value % N) + N) % N;
const word = (value: bigint): Uint8Array => bigEndian(value, 32);

/** Compressed public key of a secret number in [1, n − 2]. */
export const sm2PublicKey = (secret: bigint): Uint8Array =>
  Sm2Point.BASE.multiply(secret).toBytes(true);

function messageNumber(key: Uint8Array, message: Uint8Array): bigint {
  const { x, y } = Sm2Point.fromBytes(key).toAffine();
  const numbers = [CURVE.a, CURVE.b, CURVE.Gx, CURVE.Gy, x, y].map(word);
  const bits = bigEndian(BigInt(8 * IDENTITY.length), 2);
  return fromBigEndian(sm3(concat(sm3(concat(bits, IDENTITY, ...numbers)), message)));
}

function* nonces(secret: bigint, digest: bigint): Generator<bigint, never> {
  const seed = concat(word(secret), word(modulo(digest)));
  let [key, value] = [new Uint8Array(32), new Uint8Array(32).fill(1)];
  const stir = (...data: Uint8Array[]): void => {
    key = hmacSm3(key, concat(value, ...data)) as typeof key;
    value = hmacSm3(key, value) as typeof value;
  };
  stir(Uint8Array.of(0), seed);
  stir(Uint8Array.of(1), seed);
  for (;;) {
    value = hmacSm3(key, value) as typeof value;
    const nonce = fromBigEndian(value);
    stir(Uint8Array.of(0));
    if (nonce > 0n && nonce < N) yield nonce;
  }
}

function inverse(value: bigint): bigint {
  let [low, high, one, two] = [modulo(value), N, 1n, 0n];
  while (low > 1n) {
    const quotient = high / low;
    [high, low] = [low, high % low];
    [two, one] = [one, two - quotient * one];
  }
  return modulo(one);
}

/** r ‖ s, 64 bytes. */
export function sm2Sign(secret: bigint, message: Uint8Array): Uint8Array {
  const digest = messageNumber(sm2PublicKey(secret), message);
  for (const nonce of nonces(secret, digest)) {
    const r = modulo(digest + Sm2Point.BASE.multiply(nonce).toAffine().x);
    const s = modulo(inverse(1n + secret) * (nonce - r * secret));
    if (r !== 0n && r + nonce !== N && s !== 0n) return concat(word(r), word(s));
  }
  throw new Error("the nonces never end");
}

/** Whether r ‖ s is a signature of `message` by the compressed key. */
export function sm2Verify(key: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  const [r, s] = [fromBigEndian(signature.slice(0, 32)), fromBigEndian(signature.slice(32))];
  const t = modulo(r + s);
  if (r <= 0n || r >= N || s <= 0n || s >= N || t === 0n) return false;
  try {
    const point = Sm2Point.fromBytes(key);
    const sum = Sm2Point.BASE.multiplyUnsafe(s).add(point.multiplyUnsafe(t));
    return !sum.is0() && modulo(messageNumber(key, message) + sum.toAffine().x) === r;
  } catch {
    return false;
  }
}
