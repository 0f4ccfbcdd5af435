/** The state tree's proofs (spec/state-tree.md). */
import { compare, concat, equal, fromHex, toHex } from "./bytes.js";
import { bytes, fixed, hash, Kind, list, pair, struct, uleb, union, unit, type Value, versioned } from "./codec.js";
import { ProofInvalid } from "./errors.js";
import { type HashSuite, hashOf, LEAF_TAGS, leafHash, nodeHash } from "./hashes.js";
import * as limits from "./limits.js";

const owner = fixed(33);
const ownerGap = union({ empty: unit, other: struct({ owner, cells_root: hash }) });
const cellGap = union({ empty: unit, other: struct({ key: bytes, value: bytes }) });
const siblings = list(hash);

const cellProofCodec = versioned(
  struct({
    owner,
    key: bytes,
    evidence: union({
      present: struct({ value: bytes, lower: siblings, upper: siblings }),
      cell_absent: struct({ gap: cellGap, lower: siblings, upper: siblings }),
      owner_absent: struct({ gap: ownerGap, upper: siblings }),
    }),
  }),
);
export type CellProof = Value<typeof cellProofCodec>;
export const cellProofKind = new Kind("CellProof", cellProofCodec, 8 * 1_048_576);

const accountProofCodec = versioned(
  struct({
    owner,
    evidence: union({
      complete: struct({ cells: list(pair(bytes, bytes)), upper: siblings }),
      absent: struct({ gap: ownerGap, upper: siblings }),
    }),
  }),
);
export type AccountProof = Value<typeof accountProofCodec>;
export const accountProofKind = new Kind("AccountProof", accountProofCodec, 8 * 1_048_576);

const EMPTY_ROOT = new Uint8Array(32);
const EMPTY_HEX = toHex(EMPTY_ROOT);

const way = (suite: HashSuite, key: Uint8Array): Uint8Array => hashOf(suite, Uint8Array.of(2), key);
const bit = (path: Uint8Array, level: number): number =>
  ((path[level >> 3] ?? 0) >> (7 - (level % 8))) & 1;

/** H(00 ‖ 04 ‖ length ‖ key ‖ length ‖ value). */
export const cellLeaf = (suite: HashSuite, key: Uint8Array, value: Uint8Array): Uint8Array =>
  leafHash(suite, LEAF_TAGS.cell, concat(uleb(key.length), key, uleb(value.length), value));

/** H(00 ‖ 06 ‖ owner key ‖ cells root). */
export const ownerLeaf = (suite: HashSuite, key: Uint8Array, cellsRoot: Uint8Array): Uint8Array =>
  leafHash(suite, LEAF_TAGS.account, concat(key, cellsRoot));

type Leaf = readonly [path: Uint8Array, leaf: Uint8Array];

function subtrie(suite: HashSuite, leaves: readonly Leaf[], level: number): Uint8Array {
  if (leaves.length === 0) return EMPTY_ROOT;
  if (leaves.length === 1) return (leaves[0] as Leaf)[1];
  const left = leaves.filter(([path]) => bit(path, level) === 0);
  const right = leaves.filter(([path]) => bit(path, level) === 1);
  return nodeHash(suite, subtrie(suite, left, level + 1), subtrie(suite, right, level + 1));
}

/** Root of an owner's cells: each leaf at its shortest distinguishing prefix. */
export function trieRoot(
  suite: HashSuite,
  cells: readonly (readonly [key: Uint8Array, value: Uint8Array])[],
): Uint8Array {
  const leaves = cells.map(([key, value]): Leaf => [way(suite, key), cellLeaf(suite, key, value)]);
  return subtrie(suite, leaves, 0);
}

/** Root of the whole state: a trie over owners of the roots of their cells. */
export function stateRoot(
  suite: HashSuite,
  cells: readonly (readonly [owner: Uint8Array, key: Uint8Array, value: Uint8Array])[],
): Uint8Array {
  const owners = new Map<string, [Uint8Array, Uint8Array][]>();
  for (const [whose, key, value] of cells) {
    const found = owners.get(toHex(whose)) ?? [];
    found.push([key, value]);
    owners.set(toHex(whose), found);
  }
  const leaves = [...owners].map(([name, own]): Leaf => {
    const key = fromHex(name);
    return [way(suite, key), ownerLeaf(suite, key, trieRoot(suite, own))];
  });
  return subtrie(suite, leaves, 0);
}

function fold(
  suite: HashSuite,
  path: Uint8Array,
  beside: readonly string[],
  start: Uint8Array,
): Uint8Array {
  if (beside.length > limits.TRIE_PATH_MAX) throw new ProofInvalid("a path has too many siblings");
  if (beside.at(-1) === EMPTY_HEX) {
    throw new ProofInvalid("a leaf stands deeper than its shortest prefix");
  }
  let node = start;
  for (let level = beside.length - 1; level >= 0; level -= 1) {
    const sibling = fromHex(beside[level] ?? "");
    node = bit(path, level) ? nodeHash(suite, sibling, node) : nodeHash(suite, node, sibling);
  }
  return node;
}

function checkOther(path: Uint8Array, other: Uint8Array, depth: number): void {
  let same = !equal(path, other);
  for (let level = 0; level < Math.min(depth, 256); level += 1) {
    same &&= bit(path, level) === bit(other, level);
  }
  if (!same) throw new ProofInvalid("the other leaf does not show absence");
}

function checkCell(key: Uint8Array, value: Uint8Array): void {
  const fits = key.length > 0 && key.length <= limits.CELL_KEY_BYTES_MAX;
  if (!fits || value.length > limits.CELL_VALUE_BYTES_MAX) {
    throw new ProofInvalid("a key or value has a forbidden length");
  }
}

function checkOwner(
  suite: HashSuite,
  key: Uint8Array,
  cellsRoot: Uint8Array,
  upper: readonly string[],
  root: Uint8Array,
): void {
  if (equal(cellsRoot, EMPTY_ROOT)) {
    throw new ProofInvalid("an owner without cells is not in the trie");
  }
  const folded = fold(suite, way(suite, key), upper, ownerLeaf(suite, key, cellsRoot));
  if (!equal(folded, root)) throw new ProofInvalid("the proof leads to another state root");
}

function checkNoOwner(
  suite: HashSuite,
  key: Uint8Array,
  gap: Value<typeof ownerGap>,
  upper: readonly string[],
  root: Uint8Array,
): void {
  const path = way(suite, key);
  let start: Uint8Array = EMPTY_ROOT;
  if (gap !== "empty") {
    const other = fromHex(gap.other.owner);
    checkOther(path, way(suite, other), upper.length);
    if (gap.other.cells_root === EMPTY_HEX) {
      throw new ProofInvalid("an owner without cells is not in the trie");
    }
    start = ownerLeaf(suite, other, fromHex(gap.other.cells_root));
  }
  if (!equal(fold(suite, path, upper, start), root)) {
    throw new ProofInvalid("the proof leads to another state root");
  }
}

function gapLeaf(
  suite: HashSuite,
  path: Uint8Array,
  gap: Value<typeof cellGap>,
  depth: number,
): Uint8Array {
  if (gap === "empty") return EMPTY_ROOT;
  const [key, value] = [fromHex(gap.other.key), fromHex(gap.other.value)];
  checkCell(key, value);
  checkOther(path, way(suite, key), depth);
  return cellLeaf(suite, key, value);
}

/** The value that a cell proof shows below a state root; null if the cell is absent. */
export function cellValue(
  suite: HashSuite,
  root: Uint8Array,
  proof: CellProof,
): Uint8Array | null {
  const { evidence } = proof.v1;
  const [whose, key] = [fromHex(proof.v1.owner), fromHex(proof.v1.key)];
  checkCell(key, EMPTY_ROOT);
  if ("owner_absent" in evidence) {
    checkNoOwner(suite, whose, evidence.owner_absent.gap, evidence.owner_absent.upper, root);
    return null;
  }
  const path = way(suite, key);
  if ("present" in evidence) {
    const { value, lower, upper } = evidence.present;
    const data = fromHex(value);
    checkCell(key, data);
    checkOwner(suite, whose, fold(suite, path, lower, cellLeaf(suite, key, data)), upper, root);
    return data;
  }
  const { gap, lower, upper } = evidence.cell_absent;
  const start = gapLeaf(suite, path, gap, lower.length);
  checkOwner(suite, whose, fold(suite, path, lower, start), upper, root);
  return null;
}

/** All cells of an owner that an account proof shows below a state root, keys in hex. */
export function accountCells(
  suite: HashSuite,
  root: Uint8Array,
  proof: AccountProof,
): Map<string, Uint8Array> {
  const { evidence } = proof.v1;
  const whose = fromHex(proof.v1.owner);
  if ("absent" in evidence) {
    checkNoOwner(suite, whose, evidence.absent.gap, evidence.absent.upper, root);
    return new Map();
  }
  const cells = evidence.complete.cells.map(
    ([key, value]) => [fromHex(key), fromHex(value)] as const,
  );
  if (cells.length === 0 || cells.length > limits.PROOF_CELLS_MAX) {
    throw new ProofInvalid("a complete account has between 1 and 16,384 cells");
  }
  cells.forEach(([key, value], at) => {
    checkCell(key, value);
    const before = cells[at - 1];
    if (before && compare(before[0], key) >= 0) throw new ProofInvalid("cells must ascend by key");
  });
  checkOwner(suite, whose, trieRoot(suite, cells), evidence.complete.upper, root);
  return new Map(cells.map(([key, value]) => [toHex(key), value]));
}
