/** Answers of the gateway. 64-bit numbers, amounts and times are decimal strings. */
import type { PublicKey } from "bubi-sdk";

export interface Page<T> {
  items: T[];
  next: string | null;
  height?: string;
}

export interface NetworkInfo {
  chain_id: string;
  name: string;
  kind: "main" | "test" | "development";
  prefix: string;
  suite: "standard" | "national";
  engine: string;
  epoch: string;
  version: string;
  parameters?: Record<string, unknown>;
  /** Names of the operations, and codes of the results. */
  operations: string[];
  codes: { code: string }[];
  development: boolean;
  sandbox: boolean;
  public: boolean;
  /** The end of the chain that this one continues. */
  predecessor: {
    chain_id: string;
    certificate: string;
    state_root: string;
    height: string | null;
    time: string | null;
    url: string | null;
  } | null;
  trust: Record<string, unknown>;
}

export interface ValidatorSeen {
  name: string;
  organisation?: string;
  weight: number;
  key?: PublicKey;
  missing?: boolean;
  seen_ms?: number | null;
  vote?: unknown;
  [member: string]: unknown;
}

export interface Quorum {
  quorum: number;
  total: number;
  missing: number;
  missing_allowed: number;
}

export interface ChartPoint {
  time: string;
  blocks?: number;
  final?: number;
  rejected?: number;
  [member: string]: unknown;
}

export interface Overview {
  height: string;
  time: string;
  transactions?: string;
  rate_per_second?: number | string;
  finality_ms?: number | string | null;
  validators?: ValidatorSeen[];
  quorum?: Quorum;
  accounts?: string | number;
  assets?: string | number;
  records?: string | number;
  lag?: string | number;
  indexed_height?: string;
  charts?: { hour?: ChartPoint[]; days?: ChartPoint[] };
}

export interface Block {
  height: string;
  time: string;
  digest?: string;
  transactions?: string | number;
  [member: string]: unknown;
}

export interface OperationRow {
  body?: unknown;
  kind?: string;
  source?: string | null;
  code?: string;
  [member: string]: unknown;
}

export interface TransactionRow {
  hash?: string;
  id?: string;
  height: string;
  time: string;
  index?: number;
  source?: string | null;
  code: string;
  kinds?: string[];
  kind?: string;
  operations?: number | OperationRow[];
  [member: string]: unknown;
}

export interface SignatureRow {
  key: PublicKey;
  weight: number | null;
  counted: boolean;
}

export interface Problem {
  code: string;
  title?: string;
  detail?: string;
  status: number;
}

export interface Session {
  name: string | null;
  role: Role | null;
  csrf: string | null;
  has_password?: boolean;
  /** Whether an identity provider let the user in. */
  has_provider?: boolean;
  /** Whether there is one. */
  provider?: boolean;
  public: boolean;
}
export type Role = "administrator" | "operator" | "auditor" | "read_only";

export type Row = Record<string, unknown>;
