/** What a client must know of a network, and the trust file that proofs are checked with. */
import { addressBytes, type NetworkKind, PREFIXES } from "./address.js";
import { fromHex, toHex, utf8 } from "./bytes.js";
import { malformedJson } from "./errors.js";
import { DOMAINS, type HashSuite, hashOf } from "./hashes.js";
import { type Json, parseJson } from "./json.js";
import { keyAddress, type PublicKey } from "./keys.js";
import { quorumOf, type ValidatorSet, validatorSetKind } from "./state.js";

/** Identity of a network: enough to build, sign and address, off-line. */
export class Network {
  readonly chain: Uint8Array;

  constructor(
    readonly chainId: string,
    readonly prefix: string,
    readonly suite: HashSuite = "standard",
    readonly name = "",
  ) {
    this.chain = fromHex(chainId);
    const known = (Object.values(PREFIXES) as string[]).includes(prefix);
    if (this.chain.length !== 32 || !known || !["standard", "national"].includes(suite)) {
      throw malformedJson("a network has a chain id of 32 bytes, a known prefix and a known suite");
    }
  }

  /** H(domain ‖ chain id ‖ parts). */
  digest(domain: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array {
    return hashOf(this.suite, domain, this.chain, ...parts);
  }

  /** The account that a key owns from the start. */
  addressOf(key: PublicKey): string {
    return keyAddress(key, this.suite, this.prefix);
  }

  /** The asset that `issuer` calls `code`. */
  assetId(issuer: string, code: string): string {
    const raw = addressBytes(issuer, this.prefix);
    return toHex(hashOf(this.suite, DOMAINS.asset, raw, utf8(code)));
  }

  /** The namespace with this name. */
  namespaceId(name: string): string {
    return toHex(hashOf(this.suite, DOMAINS.namespace, utf8(name)));
  }
}

/** All that is needed to check proofs. Get it from somebody you trust, not from the prover. */
export class Trust {
  constructor(
    readonly network: Network,
    readonly kind: NetworkKind,
    readonly validatorSet: ValidatorSet,
  ) {}

  /** Reads a trust file; one whose members contradict each other is refused. */
  static parse(text: string): Trust {
    return Trust.from(parseJson(text));
  }

  static from(value: Json): Trust {
    if (typeof value !== "object" || value === null || Array.isArray(value) || value.schema !== 1) {
      throw malformedJson("not a trust file of schema 1");
    }
    const field = (name: string): string => {
      const found = value[name];
      if (typeof found !== "string") throw malformedJson(`${name} is missing or not a string`);
      return found;
    };
    const kind = field("kind") as NetworkKind;
    const network = new Network(
      field("chain_id"),
      field("prefix"),
      field("suite") as HashSuite,
      field("name"),
    );
    if (PREFIXES[kind] !== network.prefix) throw malformedJson("kind and prefix do not fit");
    const set = validatorSetKind.decode(fromHex(field("validator_set")), network.prefix);
    const trust = new Trust(network, kind, set);
    trust.#refuseContradictions(value);
    return trust;
  }

  #refuseContradictions(value: { [name: string]: Json }): void {
    const shown: { [name: string]: Json } = {
      genesis_hash: this.network.chainId,
      validators: this.validatorSet.v1.validators as unknown as Json,
      quorum: Number(quorumOf(this.validatorSet)),
    };
    for (const [name, expected] of Object.entries(shown)) {
      if (name in value && canonical(value[name] ?? null) !== canonical(expected)) {
        throw malformedJson(`${name} of the trust file contradicts its other members`);
      }
    }
  }
}

/** JSON text with members in one order. */
function canonical(value: Json): string {
  return JSON.stringify(value, (_, inner: unknown) =>
    typeof inner === "object" && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([one], [other]) => (one < other ? -1 : 1)))
      : inner,
  );
}
