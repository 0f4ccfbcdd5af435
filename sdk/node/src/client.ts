/** A minimal client of the node's interface (spec/api.md) over `fetch`. */
import { fromHex } from "./bytes.js";
import { RequestRefused } from "./errors.js";
import type { HashSuite } from "./hashes.js";
import { Network, Trust } from "./network.js";
import type { Envelope } from "./transaction.js";

/** What became of a transaction. */
export interface Outcome {
  readonly id: string;
  readonly status: "pending" | "final" | "rejected" | "expired";
  readonly code: string | null;
  readonly height: string | null;
  readonly operations: readonly { readonly code: string }[];
}

/** Reads a problem answer; other answers pass. */
export async function refuseProblems(answer: Response): Promise<Response> {
  if (answer.ok) return answer;
  const problem = (await answer.json().catch(() => ({}))) as Record<string, unknown>;
  throw new RequestRefused(
    String(problem.code ?? `http_${answer.status}`),
    String(problem.detail ?? problem.title ?? answer.statusText),
    answer.status,
    problem.retryable === true,
    problem,
  );
}

export class Client {
  /** Takes the node's address, such as `http://127.0.0.1:8801`. */
  constructor(
    private readonly base: string,
    private readonly send: typeof fetch = globalThis.fetch.bind(globalThis),
  ) {}

  async #json<T>(path: string, init: RequestInit = {}): Promise<T> {
    const answer = await refuseProblems(await this.send(`${this.base}${path}`, init));
    return (await answer.json()) as T;
  }

  async trust(): Promise<Trust> {
    const answer = await refuseProblems(await this.send(`${this.base}/v1/trust`));
    return Trust.parse(await answer.text());
  }

  async network(): Promise<Network> {
    const trust = await this.#json<{
      chain_id: string;
      prefix: string;
      suite: HashSuite;
      name: string;
    }>("/v1/trust");
    return new Network(trust.chain_id, trust.prefix, trust.suite, trust.name);
  }

  /** Sends a signed transaction and waits up to `seconds` for its outcome. */
  submit(envelope: Envelope, seconds = 10): Promise<Outcome> {
    return this.#json(`/v1/transactions?wait=final&timeout=${seconds}`, {
      method: "POST",
      headers: { "content-type": "application/vnd.bubi.transaction" },
      body: envelope.encoded as BodyInit,
    });
  }

  outcome(hash: string): Promise<Outcome> {
    return this.#json(`/v1/transactions/${hash}`);
  }

  /** The receipt proof of a transaction. */
  async receiptProof(hash: string): Promise<Uint8Array> {
    const answer = await this.#json<{ proof: string }>(`/v1/transactions/${hash}?proof=1`);
    return fromHex(answer.proof);
  }

  account(address: string): Promise<Record<string, unknown>> {
    return this.#json(`/v1/accounts/${address}`);
  }
}
