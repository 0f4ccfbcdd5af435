/** Hash suites, domain tags and list trees (spec/encoding.md, sections 2 and 4). */
import { sha256 as sha256Of } from "@noble/hashes/sha2.js";
import { concat, equal, utf8 } from "./bytes.js";
import { sm3 as sm3Of } from "./sm3.js";

/** `standard`: SHA-256; `national`: SM3. Fixed by the genesis. */
export type HashSuite = "standard" | "national";

export const sha256 = (data: Uint8Array): Uint8Array => sha256Of(data);
export const sm3 = sm3Of;

/** H of the concatenation. */
export function hashOf(suite: HashSuite, ...parts: readonly Uint8Array[]): Uint8Array {
  const data = concat(...parts);
  return suite === "standard" ? sha256(data) : sm3(data);
}

export const DOMAINS = {
  genesis: utf8("bubi:genesis...."),
  transaction: utf8("bubi:transaction"),
  batch: utf8("bubi:batch......"),
  proposal: utf8("bubi:proposal..."),
  outcome: utf8("bubi:outcome...."),
  vote: utf8("bubi:vote......."),
  commitVote: utf8("bubi:commit-vote"),
  keyAddress: utf8("bubi:address-key"),
  derivedAddress: utf8("bubi:address-new"),
  asset: utf8("bubi:asset......"),
  namespace: utf8("bubi:namespace.."),
  hold: utf8("bubi:hold......."),
  validators: utf8("bubi:validators."),
  parameters: utf8("bubi:parameters."),
  saltedDigest: utf8("bubi:salted....."),
  content: utf8("bubi:content...."),
  governance: utf8("bubi:governance."),
  evidence: utf8("bubi:evidence..."),
} as const;

export const LEAF_TAGS = {
  transaction: 1,
  batch: 2,
  receipt: 3,
  cell: 4,
  id: 5,
  account: 6,
  event: 7,
} as const;

/** H(00 ‖ tag ‖ data). */
export const leafHash = (suite: HashSuite, tag: number, data: Uint8Array): Uint8Array =>
  hashOf(suite, Uint8Array.of(0, tag), data);

/** H(01 ‖ left ‖ right). */
export const nodeHash = (suite: HashSuite, left: Uint8Array, right: Uint8Array): Uint8Array =>
  hashOf(suite, Uint8Array.of(1), left, right);

function parents(suite: HashSuite, level: readonly Uint8Array[]): Uint8Array[] {
  const above: Uint8Array[] = [];
  for (let at = 0; at < level.length; at += 2) {
    const [left, right] = [level[at] as Uint8Array, level[at + 1]];
    above.push(right ? nodeHash(suite, left, right) : left); // an odd one is lifted unchanged
  }
  return above;
}

/** Root over leaf hashes in order; the hash of nothing for an empty list (RFC 9162). */
export function listRoot(suite: HashSuite, leaves: readonly Uint8Array[]): Uint8Array {
  let level = leaves;
  while (level.length > 1) level = parents(suite, level);
  return level[0] ?? hashOf(suite);
}

/** Siblings of the leaf at `index`, lowest first. */
export function listPath(
  suite: HashSuite,
  leaves: readonly Uint8Array[],
  index: number,
): Uint8Array[] {
  const siblings: Uint8Array[] = [];
  let [level, at] = [leaves, index];
  while (level.length > 1) {
    const beside = level[at ^ 1];
    if (beside) siblings.push(beside);
    level = parents(suite, level);
    at >>= 1;
  }
  return siblings;
}

/** Whether the path proves `leaf` to be number `index` of `size` leaves below a root. */
export function verifyPath(
  suite: HashSuite,
  leaf: Uint8Array,
  index: bigint,
  size: bigint,
  siblings: readonly Uint8Array[],
  root: Uint8Array,
): boolean {
  if (index < 0n || index >= size) return false;
  let [node, last, current] = [index, size - 1n, leaf];
  for (const sibling of siblings) {
    if (last === 0n) return false;
    if (node & 1n || node === last) {
      current = nodeHash(suite, sibling, current);
      while (!(node & 1n) && node !== 0n) [node, last] = [node >> 1n, last >> 1n];
    } else {
      current = nodeHash(suite, current, sibling);
    }
    [node, last] = [node >> 1n, last >> 1n];
  }
  return last === 0n && equal(current, root);
}
