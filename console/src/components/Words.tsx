/** Operations and events as sentences. */
import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { Link } from "react-router";
import { address, get } from "../lib/api";
import { amountText, dateTime, short } from "../lib/format";
import { recordPath } from "../lib/links";
import { type Key, useText } from "../lib/text";
import type { Asset } from "../lib/types";
import en from "../text/en.json";
import { AccountId, Id, Pill } from "./parts";

/** Definition of an asset, fetched once. */
export function useAsset(asset: string | null | undefined): Asset | undefined {
  return useQuery({
    queryKey: ["asset", asset],
    queryFn: () => get(address("/api/v1/assets/{asset}", { asset: asset ?? "" })),
    enabled: Boolean(asset),
    staleTime: 300_000,
    retry: false,
  }).data;
}

/** An amount with the decimals and the code of its asset. */
export function Amount(props: { asset: string | null | undefined; amount: string }) {
  const found = useAsset(props.asset);
  return (
    <span className="number nowrap" title={props.amount}>
      {amountText(String(props.amount), found?.decimals ?? 0)}{" "}
      {props.asset && (
        <Link to={`/assets/${props.asset}`}>{found?.code ?? short(props.asset, 6, 4)}</Link>
      )}
    </span>
  );
}

/** Whether the issuer has frozen a holding. */
export function HoldingState({ frozen }: { frozen: boolean }) {
  const { t } = useText();
  return <Pill tone={frozen ? "warn" : "good"}>{t(frozen ? "frozen" : "free")}</Pill>;
}

export function AssetName({ asset }: { asset: string }) {
  const found = useAsset(asset);
  return <Link to={`/assets/${asset}`}>{found?.code ?? short(asset)}</Link>;
}

export function OrganisationLink({ name }: { name: string | null | undefined }) {
  if (!name) return <>–</>;
  return <Link to={`/organisations/${encodeURIComponent(name)}`}>{name}</Link>;
}

function RecordLink(props: { namespace: string; record: string; version: unknown }) {
  const version = props.version === undefined ? null : String(props.version);
  return <Link to={recordPath(props.namespace, props.record, version)}>{props.record}</Link>;
}

const ACCOUNTS = new Set([
  "source",
  "account",
  "creator",
  "issuer",
  "subject",
  "from",
  "to",
  "holder",
  "beneficiary",
  "owner",
  "writer",
]); // prettier-ignore

function fieldNode(name: string, value: unknown, fields: Record<string, unknown>): ReactNode {
  const text = typeof value === "string" ? value : (JSON.stringify(value) ?? "");
  if (value === null || value === undefined) return "–";
  if (name === "amount") return <Amount asset={fields.asset as string} amount={text} />;
  if (ACCOUNTS.has(name)) return <AccountId value={text} />;
  if (name === "asset") return <AssetName asset={text} />;
  if (name === "organisation" || name === "asks") return <OrganisationLink name={text} />;
  if (name === "expires") return <span className="number">{dateTime(text)}</span>;
  if (name === "key" && fields.namespace) {
    return (
      <RecordLink namespace={String(fields.namespace)} record={text} version={fields.version} />
    );
  }
  if (/^[0-9a-f]{64}$/.test(text)) return <Id value={text} />;
  return <b>{text}</b>;
}

function nodes(fields: Record<string, unknown>): Record<string, ReactNode> {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [name, fieldNode(name, value, fields)]),
  );
}

/** Name and fields of `{transfer: {…}}` or `"close_account"`. */
export function unpacked(body: unknown): { kind: string; fields: Record<string, unknown> } {
  if (typeof body === "string") return { kind: body, fields: {} };
  if (typeof body === "object" && body !== null) {
    const [entry] = Object.entries(body as Record<string, unknown>);
    if (entry) {
      const fields = typeof entry[1] === "object" && entry[1] !== null ? entry[1] : {};
      return { kind: entry[0], fields: fields as Record<string, unknown> };
    }
  }
  return { kind: "", fields: {} };
}

/** Which sentence fits: some fields choose between two. */
function variant(group: string, kind: string, fields: Record<string, unknown>): Key | null {
  const choices = [
    fields.frozen === false || fields.authorised === false ? `${group}.${kind}.off` : "",
    kind === "set_data" && fields.value == null ? `${group}.${kind}.off` : "",
    kind === "data_set" && fields.version === "0" ? `${group}.${kind}.off` : "",
    kind === "ask_membership" && fields.organisation == null ? `${group}.${kind}.off` : "",
    fields.member === false ? `${group}.${kind}.off` : "",
    kind === "membership_changed" ? `${group}.${kind}${belonging(fields)}` : "",
    kind.startsWith("clawback") && fields.to == null ? `${group}.${kind}.off` : "",
    `${group}.${kind}`,
  ];
  return (choices.find((one) => one in en) as Key | undefined) ?? null;
}

/** What a change of membership says: where the account belongs, which organisation it asks. */
function belonging(fields: Record<string, unknown>): string {
  if (fields.organisation == null) return fields.asks == null ? ".off" : ".asks";
  return fields.asks == null ? ".belongs" : "";
}

/** One operation or event in words. */
export function Sentence(props: { group: "does" | "happened"; body: unknown; source?: string }) {
  const { rich, name } = useText();
  const { kind, fields } = unpacked(props.body);
  const key = variant(props.group, kind, fields);
  if (!key) return <span>{name("operation", kind)}</span>;
  const given: Record<string, unknown> = { source: props.source, ...fields };
  const values = nodes(given);
  if (kind === "create_account") {
    const { target } = fields as { target?: unknown };
    const own = typeof target === "object" && target !== null ? JSON.stringify(target) : "";
    values.target = <span className="mono">{short(own.replace(/[{}"]/g, ""), 18, 6) || "–"}</span>;
  }
  return <span className="sentence">{rich(key, values)}</span>;
}
