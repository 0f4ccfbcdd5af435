/** Digests of documents. */
import { concat, toHex } from "./bytes.js";
import { malformed } from "./errors.js";
import { DOMAINS, sha256, sm3 } from "./hashes.js";
import type { Digest } from "./operations.js";

/** Digest of a document. Salted algorithms need a secret salt of 32 bytes, kept by the owner. */
export function documentDigest(
  document: Uint8Array,
  algorithm: Digest["algorithm"] = "sha256",
  salt: Uint8Array = new Uint8Array(),
): Digest {
  const salted = algorithm.startsWith("salted_");
  const hash = algorithm.endsWith("sm3") ? sm3 : sha256;
  if (salted !== (salt.length === 32) || (!salted && salt.length > 0)) {
    throw malformed("salt: salted digests need 32 bytes, others none");
  }
  const plain = hash(document);
  const bytes = salted ? hash(concat(DOMAINS.saltedDigest, salt, plain)) : plain;
  return { algorithm, bytes: toHex(bytes) };
}
