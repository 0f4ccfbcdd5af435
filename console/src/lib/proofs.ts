/** What a proof shows, and whether it shows what a page is about. Nothing here asks anybody. */
import type { ProvenBlock, Trust } from "bubi-sdk";
import { row, text } from "./rows";
import type { Row } from "./types";

type Sdk = typeof import("bubi-sdk");

export const OWNERS = ["system", "account", "asset", "namespace"] as const;
export type OwnerKind = (typeof OWNERS)[number];

/** Whose cells a page shows. */
export type Subject = { account: string } | { asset: string };

/** Cells of one owner after a block that a quorum decided. */
export interface ProvenState {
  block: ProvenBlock;
  /** In hex. */
  owner: string;
  /** Of the only cell that was asked for, in hex; null: these are all cells of the owner. */
  key: string | null;
  /** By their keys in hex; empty: it is proven that there are none. */
  cells: ReadonlyMap<string, Uint8Array>;
}

/** A proven state in the words of its types. */
export interface ReadState {
  /** Whether these are all cells of the owner. */
  whole: boolean;
  kind: OwnerKind;
  /** Address, or id in hex; empty for the network itself. */
  id: string;
  asset: { code: string; name: string; decimals: number; supply: string } | null;
  holdings: { asset: string; balance: string }[];
  cells: { key: string; value: unknown }[];
}

/** What a proof that holds shows. */
export interface Shown {
  block: ProvenBlock;
  receipt?: { transaction: string; code: string };
  state?: ReadState;
}

const HEADER = "00";
const HOLDING = "01";

/** The proof inside of an answer of the node or of this gateway. */
export function proofParts(answer: Row): Row {
  for (const name of ["account", "asset", "record"]) {
    const inner = row(answer[name]);
    if (inner.proof) return row(inner.proof);
  }
  return { ...row(answer.proof), ...answer };
}

/** Checks a proof of state; throws `ProofInvalid` unless it holds. */
export function provenState(sdk: Sdk, trust: Trust, parts: Row): ProvenState {
  const finality = sdk.fromHex(text(parts, "finality") ?? "");
  const account = text(parts, "account");
  if (account && /^[0-9a-f]+$/.test(account)) {
    return { key: null, ...sdk.verifyAccount(trust, finality, sdk.fromHex(account)) };
  }
  const cell = sdk.fromHex(text(parts, "cell") ?? "");
  const { block, owner, key, value } = sdk.verifyCell(trust, finality, cell);
  return { block, owner, key, cells: new Map(value ? [[key, value]] : []) };
}

/** A proof that holds and shows something else. */
export const foreign = (sdk: Sdk): Error =>
  new sdk.BubiError("proof_foreign", "it holds, but shows nothing about what stands here");

/** Refuses a proof that holds and yet speaks of another account or asset. */
export function refuseForeign(
  sdk: Sdk,
  prefix: string,
  subject: Subject,
  shown: ProvenState,
): void {
  const [owner, key] =
    "asset" in subject
      ? [sdk.ownerKey("asset", sdk.fromHex(subject.asset)), HEADER]
      : [sdk.accountOwner(subject.account, prefix), null];
  if (shown.owner !== sdk.toHex(owner) || shown.key !== key) throw foreign(sdk);
}

/** Types of cells by owner and the first byte of the key; what is not here is shown as bytes. */
function kindOf(sdk: Sdk, owner: OwnerKind, key: string) {
  const kinds = {
    system: { "00": sdk.parametersKind, "02": sdk.validatorSetKind, "04": sdk.scheduleKind },
    account: {
      [HEADER]: sdk.accountHeaderKind,
      [HOLDING]: sdk.holdingKind,
      "04": sdk.dataEntryKind,
      "05": sdk.claimKind,
      "07": sdk.holdKind,
      "08": sdk.useKind,
      "09": sdk.useKind,
      "0a": sdk.membershipKind,
    },
    asset: { [HEADER]: sdk.assetDefinitionKind, "01": sdk.itemKind },
    namespace: {
      [HEADER]: sdk.namespaceKind,
      "01": sdk.recordHeadKind,
      "02": sdk.recordVersionKind,
    },
  };
  const found: Record<string, { decode: (bytes: Uint8Array, prefix: string) => unknown }> =
    kinds[owner];
  return found[key.slice(0, 2)];
}

function idOf(sdk: Sdk, prefix: string, kind: OwnerKind, owner: string): string {
  const id = owner.slice(2);
  if (kind === "system") return "";
  return kind === "account" ? sdk.addressText(sdk.fromHex(id), prefix) : id;
}

/** Decodes what a proof shows. */
export function readState(sdk: Sdk, prefix: string, shown: ProvenState): ReadState {
  const kind = OWNERS[Number.parseInt(shown.owner.slice(0, 2), 16)];
  if (!kind) throw new sdk.ProofInvalid("its owner is of no known kind");
  const definition = kind === "asset" ? shown.cells.get(HEADER) : undefined;
  const held = [...shown.cells].filter(([key]) => kind === "account" && key.startsWith(HOLDING));
  return {
    whole: shown.key === null,
    kind,
    id: idOf(sdk, prefix, kind, shown.owner),
    asset: definition ? sdk.assetDefinitionKind.decode(definition, prefix).v1 : null,
    holdings: held.map(([key, value]) => ({
      asset: key.slice(2),
      balance: sdk.holdingKind.decode(value, prefix).v1.balance,
    })),
    cells: [...shown.cells].map(([key, value]) => ({
      key,
      value: kindOf(sdk, kind, key)?.decode(value, prefix) ?? sdk.toHex(value),
    })),
  };
}

/** Checks a receipt proof. */
export function provenReceipt(sdk: Sdk, trust: Trust, answer: Row): Shown {
  const proof = text(answer, "proof") ?? text(row(answer.proof), "receipt") ?? "";
  const { block, receipt, code } = sdk.verifyReceipt(trust, sdk.fromHex(proof));
  return { block, receipt: { transaction: receipt.transaction, code } };
}

/** Checks a proof of any kind: a file of this console, an answer of a node, or a receipt proof in hex. */
export function provenAny(sdk: Sdk, trust: Trust, given: string): Shown {
  const answer = given.startsWith("{") ? (JSON.parse(given) as Row) : { proof: given };
  const parts = proofParts(answer);
  if (!text(parts, "finality")) return provenReceipt(sdk, trust, parts);
  const state = provenState(sdk, trust, parts);
  return { block: state.block, state: readState(sdk, trust.network.prefix, state) };
}

/** Checks a proof of all cells of an account, or of the definition of an asset, and of no other. */
export function provenSubject(sdk: Sdk, trust: Trust, answer: Row, subject: Subject): Shown {
  const { prefix } = trust.network;
  const state = provenState(sdk, trust, proofParts(answer));
  refuseForeign(sdk, prefix, subject, state);
  return { block: state.block, state: readState(sdk, prefix, state) };
}
