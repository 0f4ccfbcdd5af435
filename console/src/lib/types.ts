/** Answers of the gateway, as it describes them. 64-bit numbers, amounts and times are decimal
strings. */
import type { components } from "../generated/api";

type Schemas = components["schemas"];

export interface Page<T> {
  items: T[];
  next: string | null;
  height?: string;
}

export type Account = Schemas["AccountDetail"];
export type Alarm = Schemas["Alarm"];
export type Block = Schemas["Block"];
export type BlockDetail = Schemas["BlockDetail"];
export type ChartPoint = Schemas["ChartPoint"];
export type Asset = Schemas["Asset"];
export type AssetName = Schemas["AssetName"];
export type Channel = Schemas["Channel"];
export type ChannelTest = Schemas["ChannelTest"];
export type Client = Schemas["Client"];
export type Difference = Schemas["Difference"];
export type Graph = Schemas["Graph"];
export type Hit = Schemas["Hit"];
export type Holding = Schemas["Holding"];
export type Host = Schemas["Host"];
export type NetworkInfo = Schemas["Network"];
export type Node = Schemas["Node"];
export type OneTimeLink = Schemas["OneTimeLink"];
export type Organisation = Schemas["OrganisationDetail"];
export type Overview = Schemas["Overview"];
export type Peer = Schemas["Peer"];
export type Proposal = Schemas["Proposal"];
export type Quorum = Schemas["Quorum"];
export type RecordDetail = Schemas["RecordDetail"];
export type Reference = Schemas["Reference"];
export type Role = Schemas["User"]["role"];
export type Rule = Schemas["Rule"];
export type Session = Schemas["SessionState"];
export type Transaction = Schemas["Transaction"];
export type TransactionDetail = Schemas["TransactionDetail"];
export type Used = Schemas["Used"];
export type ValidatorSeen = Schemas["Voter"];
export type Vote = Schemas["Vote"];

/** A refusal; a broken connection has no words. */
export type Problem = Pick<Schemas["Problem"], "code" | "status"> & Partial<Schemas["Problem"]>;

/** A JSON object whose members the description leaves open. */
export type Row = Record<string, unknown>;
