/** A ledger of one validator whose key we have: proofs of any state. */
import * as sdk from "bubi-sdk";

const KEY = new sdk.SecretKey("ed25519", new Uint8Array(32).fill(7));
export const PREFIX = "bubidev";
const ZERO = "00".repeat(32);
const SET: sdk.ValidatorSet = {
  v1: {
    epoch: "0",
    engine: "solo",
    validators: [{ name: "v0", organisation: "o0", key: KEY.publicKey, weight: 1 }],
    quorum_numerator: 2,
    quorum_denominator: 3,
  },
};
export const TRUST = new sdk.Trust(
  new sdk.Network("11".repeat(32), PREFIX, "standard", "test"),
  "development",
  SET,
);
const { network } = TRUST;

const digest = (domain: Uint8Array, bytes: Uint8Array) => sdk.toHex(network.digest(domain, bytes));

/** Proof that a block with this state root is final. */
async function finality(height: string, stateRoot: string): Promise<string> {
  const validators = digest(sdk.DOMAINS.validators, sdk.validatorSetKind.encode(SET, PREFIX));
  const proposal: sdk.Proposal = {
    v1: {
      chain: network.chainId,
      height,
      time: "1800000000000",
      parent: ZERO,
      parent_outcome: ZERO,
      parent_round: "0",
      payload_root: ZERO,
      validators,
      parameters: ZERO,
      protocol_version: 1,
    },
  };
  const outcome: sdk.BlockOutcome = {
    v1: { receipt_root: ZERO, state_root: stateRoot, validators, parameters: ZERO },
  };
  const statement = {
    v1: {
      epoch: "0",
      engine: "solo",
      height,
      round: "0",
      digest: digest(sdk.DOMAINS.proposal, sdk.proposalKind.encode(proposal, PREFIX)),
      outcome: digest(sdk.DOMAINS.outcome, sdk.outcomeKind.encode(outcome, PREFIX)),
    },
  };
  const signed = sdk.commitStatementKind.encode(statement, PREFIX);
  const message = sdk.concat(sdk.DOMAINS.commitVote, network.chain, signed);
  const votes = [{ validator: 0, signature: sdk.toHex(KEY.sign(message)) }];
  const native = { proposal, outcome, certificate: { v1: { statement, votes } }, handovers: [] };
  return sdk.toHex(sdk.finalityProofKind.encode({ native }, PREFIX));
}

type Cell = readonly [key: Uint8Array, value: Uint8Array];

const rootOf = (owner: Uint8Array, cells: readonly Cell[]): string =>
  sdk.toHex(
    sdk.stateRoot(
      "standard",
      cells.map((cell) => [owner, ...cell] as const),
    ),
  );

/** What a node answers about an asset, with a proof of its definition at a height. */
export async function assetAnswer(asset: string, supply: string, height: string) {
  const owner = sdk.ownerKey("asset", sdk.fromHex(asset));
  const value = sdk.assetDefinitionKind.encode(
    {
      v1: {
        issuer: address(1),
        code: "POINT",
        name: "Loyalty points",
        kind: "fungible",
        decimals: 2,
        cap: null,
        features: { freeze: true, whitelist: false, clawback: false },
        frozen: false,
        supply,
      },
    },
    PREFIX,
  );
  const key = sdk.cellKeys.header();
  const present = { value: sdk.toHex(value), lower: [], upper: [] };
  const cell = sdk.cellProofKind.encode(
    { v1: { owner: sdk.toHex(owner), key: sdk.toHex(key), evidence: { present } } },
    PREFIX,
  );
  const proof = {
    cell: sdk.toHex(cell),
    finality: await finality(height, rootOf(owner, [[key, value]])),
  };
  return { asset: { height, proof }, trust: {} };
}

/** What a node answers about an account that holds something of an asset, with a proof of all of it. */
export async function accountAnswer(account: string, asset: string, balance: string) {
  const owner = sdk.accountOwner(account, PREFIX);
  const holding = sdk.holdingKind.encode(
    {
      v1: {
        balance,
        reserved: "0",
        frozen: false,
        authorised: false,
        lots: [],
        reserved_lots: 0,
      },
    },
    PREFIX,
  );
  const cells: Cell[] = [[sdk.cellKeys.holding(sdk.fromHex(asset)), holding]];
  const complete = {
    cells: cells.map((cell) => cell.map(sdk.toHex) as [string, string]),
    upper: [],
  };
  const evidence = sdk.accountProofKind.encode(
    { v1: { owner: sdk.toHex(owner), evidence: { complete } } },
    PREFIX,
  );
  const proof = {
    account: sdk.toHex(evidence),
    finality: await finality("9", rootOf(owner, cells)),
  };
  return { account: { height: "9", address: account, proof }, trust: {} };
}

/** An address that nobody has. */
export const address = (number: number): string =>
  sdk.addressText(new Uint8Array(32).fill(number), PREFIX);
