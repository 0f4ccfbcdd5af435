/** Small parts that every page uses. */
import { CheckOutlined, CopyOutlined, InboxOutlined, WarningOutlined } from "@ant-design/icons";
import { Button, Tooltip } from "antd";
import { type ReactNode, useEffect, useState } from "react";
import { Link } from "react-router";
import { dateTime, short } from "../lib/format";
import { refusalOf } from "../lib/refusals";
import { useText } from "../lib/text";

export function PageHead(props: {
  title: ReactNode;
  text?: ReactNode;
  actions?: ReactNode;
  name: string;
}) {
  useEffect(() => {
    document.title = `${props.name} · Bubi`;
  }, [props.name]);
  return (
    <div className="page-head">
      <div>
        <h1>{props.title}</h1>
        {props.text && <p>{props.text}</p>}
      </div>
      {props.actions && <div className="actions">{props.actions}</div>}
    </div>
  );
}

export function Card(props: {
  title?: ReactNode;
  extra?: ReactNode;
  flush?: boolean;
  className?: string;
  children: ReactNode;
}) {
  return (
    <section className={`card ${props.className ?? ""}`}>
      {props.title !== undefined && (
        <header>
          <h2>{props.title}</h2>
          {props.extra && <div className="extra">{props.extra}</div>}
        </header>
      )}
      <div className={props.flush ? "body flush" : "body"}>{props.children}</div>
    </section>
  );
}

export function Stat(props: {
  label: ReactNode;
  value: ReactNode;
  unit?: ReactNode;
  note?: ReactNode;
  tone?: Tone;
  className?: string;
}) {
  return (
    <div className={`card stat ${props.tone ?? ""} ${props.className ?? ""}`}>
      <div className="label">{props.label}</div>
      <div className="value">
        {props.value}
        {props.unit && <small> {props.unit}</small>}
      </div>
      {props.note && <div className="note">{props.note}</div>}
    </div>
  );
}

export type Tone = "good" | "warn" | "bad" | "info" | "";

export function Pill({ tone = "", children }: { tone?: Tone; children: ReactNode }) {
  return <span className={`pill ${tone}`}>{children}</span>;
}

/** Name and value, one below the other. Entries without a value are left out. */
export function Facts({ items }: { items: readonly (readonly [ReactNode, ReactNode] | null)[] }) {
  const shown = items.filter((item) => item !== null && item[1] !== undefined);
  return (
    <dl className="facts">
      {shown.map((item, at) => (
        <FactsEntry key={at} name={item?.[0]} value={item?.[1]} />
      ))}
    </dl>
  );
}

function FactsEntry({ name, value }: { name: ReactNode; value: ReactNode }) {
  return (
    <>
      <dt>{name}</dt>
      <dd>{value === null || value === "" ? "–" : value}</dd>
    </>
  );
}

export function CopyButton({ text }: { text: string }) {
  const { t } = useText();
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (!copied) return undefined;
    const timer = setTimeout(() => setCopied(false), 1_500);
    return () => clearTimeout(timer);
  }, [copied]);
  return (
    <button
      type="button"
      className="copy"
      aria-label={`${t("copy")} ${short(text)}`}
      onClick={() => navigator.clipboard.writeText(text).then(() => setCopied(true))}
    >
      {copied ? <CheckOutlined /> : <CopyOutlined />}
    </button>
  );
}

/** An identifier, shortened unless `whole`, with a link and a copy button. */
export function Id(props: { value: string | null | undefined; to?: string; whole?: boolean }) {
  const { value } = props;
  if (!value) return <>–</>;
  const text = props.whole ? value : short(value, value.includes("1q") ? 14 : 8, 6);
  return (
    <span className={props.whole ? "id mono whole" : "id mono"} title={value}>
      {props.to ? <Link to={props.to}>{text}</Link> : <span>{text}</span>}
      <CopyButton text={value} />
    </span>
  );
}

type Named = { value: string | null | undefined; whole?: boolean };
export const AccountId = ({ value, whole }: Named) => (
  <Id value={value} whole={whole} to={`/accounts/${value}`} />
);
export const TransactionId = ({ value, whole }: Named) => (
  <Id value={value} whole={whole} to={`/transactions/${value}`} />
);
export const AssetId = ({ value, whole }: Named) => (
  <Id value={value} whole={whole} to={`/assets/${value}`} />
);
/** A block by its height; 0 is what the chain began with. */
export function BlockLink({ height }: { height: string | null | undefined }) {
  const { t } = useText();
  if (!height) return <>–</>;
  if (height === "0") return <>{t("block.beginning")}</>;
  return (
    <Link className="number" to={`/blocks/${height}`}>
      {height}
    </Link>
  );
}

/** How long ago, with the exact time as a hint; it counts on. */
export function Time({ ms, exact }: { ms: string | number | null | undefined; exact?: boolean }) {
  const { t } = useText();
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    if (exact) return undefined;
    const timer = setInterval(() => setNow(Date.now()), 5_000);
    return () => clearInterval(timer);
  }, [exact]);
  if (ms === null || ms === undefined || ms === "") return <>–</>;
  const full = dateTime(ms);
  if (exact) return <time dateTime={new Date(Number(ms)).toISOString()}>{full}</time>;
  const seconds = Math.max(0, Math.round((now - Number(ms)) / 1000));
  const text =
    seconds < 60
      ? t("time.seconds", { n: seconds })
      : seconds < 3600
        ? t("time.minutes", { n: Math.floor(seconds / 60) })
        : seconds < 86_400
          ? t("time.hours", { n: Math.floor(seconds / 3600) })
          : full;
  return (
    <Tooltip title={full}>
      <time className="nowrap" dateTime={new Date(Number(ms)).toISOString()}>
        {text}
      </time>
    </Tooltip>
  );
}

/** A result code in words, with its tone. */
export function Code({ code }: { code: string | null | undefined }) {
  const { name } = useText();
  const tone: Tone =
    code === "final" ? "good" : !code || code === "pending" || code === "not_applied" ? "" : "bad";
  return <Pill tone={tone}>{name("code", code ?? "pending")}</Pill>;
}

export function Bones({ lines = 5 }: { lines?: number }) {
  const { t } = useText();
  return (
    <div className="bones" role="status" aria-label={t("loading")}>
      {Array.from({ length: lines }, (_, at) => (
        <i key={at} />
      ))}
    </div>
  );
}

export function Nothing({ title, text }: { title?: ReactNode; text?: ReactNode }) {
  const { t } = useText();
  return (
    <div className="state">
      <InboxOutlined />
      <strong>{title ?? t("empty.title")}</strong>
      {text && <span>{text}</span>}
    </div>
  );
}

/** A refusal in words: by its code in both languages; the detail is English. */
export function useRefusal(error: unknown): { code: string; words: string; detail: string } {
  const { t, name, language } = useText();
  const { code, detail } = refusalOf(error);
  const known = name("problem", code);
  return {
    code,
    words: known === code ? t("problem.other") : known,
    detail: language === "en" && detail ? `${detail} ` : "",
  };
}

/** Why something was refused, in a line. */
export function Reason({ error }: { error: unknown }) {
  const { code, words, detail } = useRefusal(error);
  return (
    <span>
      {words} <span className="muted">{detail}</span>
      <span className="mono">{code}</span>
    </span>
  );
}

/** Why something is not shown, and what to do about it. */
export function Trouble({ error, retry }: { error: unknown; retry?: () => void }) {
  const { t } = useText();
  const { code, words, detail } = useRefusal(error);
  const login = code === "login_required";
  return (
    <div className={login ? "state" : "state bad"} role="alert">
      <WarningOutlined />
      <strong>{words}</strong>
      <span>
        {detail}
        <span className="mono">{code}</span>
      </span>
      {login ? (
        <Link to={`/login?to=${encodeURIComponent(location.pathname + location.search)}`}>
          {t("login")}
        </Link>
      ) : (
        retry && (
          <Button size="small" onClick={retry}>
            {t("retry")}
          </Button>
        )
      )}
    </div>
  );
}

/** Loading, failed or there. */
export function Answered<T>(props: {
  query: { data: T | undefined; error: unknown; isPending: boolean; refetch: () => unknown };
  lines?: number;
  children: (data: T) => ReactNode;
}) {
  const { query } = props;
  if (query.data !== undefined) return <>{props.children(query.data)}</>;
  if (query.error) return <Trouble error={query.error} retry={() => query.refetch()} />;
  return <Bones lines={props.lines} />;
}
