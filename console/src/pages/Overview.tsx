/** Where the network stands, live. */
import { useQuery } from "@tanstack/react-query";
import { Link } from "react-router";
import { Chart } from "../components/Chart";
import { DataTable } from "../components/DataTable";
import { useKinds } from "../components/Kinds";
import {
  Answered,
  BlockLink,
  Card,
  Code,
  Facts,
  Id,
  Nothing,
  PageHead,
  Stat,
  Time,
  TransactionId,
} from "../components/parts";
import { QuorumBar } from "../components/Quorum";
import { get } from "../lib/api";
import { grouped } from "../lib/format";
import { number, text } from "../lib/rows";
import { useSession } from "../lib/session";
import { useText } from "../lib/text";
import type {
  Block,
  ChartPoint,
  Overview as OverviewData,
  Page,
  TransactionRow,
} from "../lib/types";

export function useOverview() {
  return useQuery({
    queryKey: ["overview"],
    queryFn: ({ signal }) => get<OverviewData>("/api/v1/overview", signal),
    refetchInterval: 5_000,
  });
}

export function useNewest<T>(route: string, count: number) {
  return useQuery({
    queryKey: ["newest", route, count],
    queryFn: ({ signal }) => get<Page<T>>(`${route}?limit=${count}`, signal),
    refetchInterval: 10_000,
  });
}

export const MINUTE_MS = 60_000;
export const DAY_MS = 86_400_000;

/** Points of the last `count` spans; spans in which nothing happened are zero. */
export function points(
  list: readonly ChartPoint[] | undefined,
  name: string,
  span: number,
  count: number,
) {
  const known = new Map((list ?? []).map((one) => [Number(one.time), number(one, name) ?? 0]));
  const newest = Math.max(Math.floor(Date.now() / span) * span, ...known.keys());
  return Array.from({ length: count }, (_, at) => {
    const start = newest - (count - 1 - at) * span;
    return [start, known.get(start) ?? 0] as const;
  });
}

export function Overview() {
  const { t } = useText();
  const query = useOverview();
  return (
    <>
      <PageHead name={t("nav.overview")} title={t("nav.overview")} text={t("overview.text")} />
      <Predecessor />
      <Answered query={query} lines={8}>
        {(found) => <Figures found={found} />}
      </Answered>
      <div className="grid" style={{ marginTop: 16 }}>
        <NewestBlocks />
        <NewestTransactions />
      </div>
    </>
  );
}

/** Where the chain before this one ended, if this one continues another. */
function Predecessor() {
  const { t } = useText();
  const before = useSession().network?.predecessor;
  if (!before) return null;
  return (
    <div style={{ marginBottom: 16 }}>
      <Card title={t("era.title")}>
        <p>{t("era.text")}</p>
        <Facts
          items={[
            [t("era.chain"), <Id key="chain" value={before.chain_id} />],
            [t("era.height"), before.height ? grouped(before.height) : null],
            [t("era.time"), <Time key="time" ms={before.time} exact />],
            before.url
              ? [
                  t("era.console"),
                  <a key="url" href={before.url}>
                    {before.url}
                  </a>,
                ]
              : null,
          ]}
        />
      </Card>
    </div>
  );
}

function Figures({ found }: { found: OverviewData }) {
  const { t } = useText();
  const margin = found.quorum ? found.quorum.missing_allowed - found.quorum.missing : null;
  const finality = number(found as never, "finality_ms");
  const rate = number(found as never, "rate_per_second");
  const lag = number(found as never, "lag");
  return (
    <div className="stack">
      {margin !== null && margin < 0 && (
        <div className="banner" role="alert">
          {t("overview.halted")}
        </div>
      )}
      <div className="grid">
        <Stat
          className="w3"
          label={t("height")}
          value={grouped(found.height)}
          note={<Time ms={found.time} />}
        />
        <Stat
          className="w3"
          label={t("overview.rate")}
          value={rate === null ? "–" : grouped(Math.round(rate * 10) / 10)}
          unit={t("unit.per_second")}
          note={t("overview.rate.note")}
        />
        <Stat
          className="w3"
          label={t("overview.finality")}
          value={finality === null ? "–" : grouped(Math.round(finality))}
          unit={finality === null ? "" : "ms"}
          note={t("overview.finality.note")}
        />
        <Stat
          className="w3"
          label={t("overview.margin")}
          tone={margin === null ? "" : margin < 0 ? "bad" : margin === 0 ? "warn" : ""}
          value={margin === null ? "–" : margin}
          note={
            found.quorum
              ? t("overview.margin.note", {
                  present: found.quorum.total - found.quorum.missing,
                  total: found.quorum.total,
                  quorum: found.quorum.quorum,
                })
              : null
          }
        />
        <Stat
          className="w3"
          label={t("overview.transactions")}
          value={grouped(found.transactions)}
        />
        <Stat className="w3" label={t("nav.accounts")} value={grouped(found.accounts)} />
        <Stat className="w3" label={t("nav.assets")} value={grouped(found.assets)} />
        <Stat
          className="w3"
          label={t("overview.index")}
          value={lag === null || lag <= 0 ? t("overview.index.level") : grouped(lag)}
          unit={lag !== null && lag > 0 ? t("overview.index.behind") : ""}
          tone={lag !== null && lag > 10 ? "warn" : ""}
          note={
            found.indexed_height ? t("as_of", { height: grouped(found.indexed_height) }) : null
          }
        />
      </div>
      <div className="grid">
        <Card className="w6" title={t("overview.hour")}>
          <Activity list={found.charts?.hour} title={t("overview.hour")} />
        </Card>
        <Card className="w6" title={t("overview.days")}>
          <Activity list={found.charts?.days} title={t("overview.days")} bars />
        </Card>
        <Card
          className="w12"
          title={t("nav.validators")}
          extra={<Link to="/validators">{t("all")}</Link>}
        >
          <QuorumBar validators={found.validators ?? []} quorum={found.quorum} />
        </Card>
      </div>
    </div>
  );
}

function Activity(props: { list: ChartPoint[] | undefined; title: string; bars?: boolean }) {
  const { t } = useText();
  if (!props.list || props.list.length === 0) return <Nothing title={t("chart.empty")} />;
  const kind = props.bars ? ("bar" as const) : ("line" as const);
  const of = (name: string) =>
    props.bars ? points(props.list, name, DAY_MS, 15) : points(props.list, name, MINUTE_MS, 60);
  return (
    <Chart
      whole
      title={props.title}
      lines={[
        { name: t("code.final"), points: of("final"), kind },
        { name: t("rejected"), points: of("rejected"), kind, bad: true },
      ]}
    />
  );
}

export function blockTransactions(block: Block): string | null {
  return text(block, "transactions", "receipts", "transaction_count", "count");
}

function NewestBlocks() {
  const { t } = useText();
  const query = useNewest<Block>("/api/v1/blocks", 8);
  return (
    <Card
      className="w5"
      flush
      title={t("overview.blocks")}
      extra={<Link to="/blocks">{t("all")}</Link>}
    >
      <Answered query={query} lines={8}>
        {(found) =>
          found.items.length === 0 ? (
            <Nothing title={t("blocks.empty")} />
          ) : (
            <DataTable
              caption={t("overview.blocks")}
              rows={found.items}
              rowKey={(row) => row.height}
              columns={[
                { title: t("height"), cell: (row) => <BlockLink height={row.height} /> },
                {
                  title: t("transactions.count"),
                  right: true,
                  cell: (row) => grouped(blockTransactions(row)),
                },
                { title: t("time"), right: true, cell: (row) => <Time ms={row.time} /> },
              ]}
            />
          )
        }
      </Answered>
    </Card>
  );
}

function NewestTransactions() {
  const { t } = useText();
  const kinds = useKinds();
  const query = useNewest<TransactionRow>("/api/v1/transactions", 8);
  return (
    <Card
      className="w7"
      flush
      title={t("overview.newest")}
      extra={<Link to="/transactions">{t("all")}</Link>}
    >
      <Answered query={query} lines={8}>
        {(found) =>
          found.items.length === 0 ? (
            <Nothing title={t("transactions.empty")} text={t("transactions.empty.text")} />
          ) : (
            <DataTable
              caption={t("overview.newest")}
              rows={found.items}
              rowKey={(row, at) => row.hash ?? row.id ?? String(at)}
              columns={[
                {
                  title: t("transaction"),
                  cell: (row) => <TransactionId value={row.hash ?? row.id} />,
                },
                { title: t("what"), cell: kinds },
                { title: t("result"), cell: (row) => <Code code={row.code} /> },
                { title: t("time"), right: true, cell: (row) => <Time ms={row.time} /> },
              ]}
            />
          )
        }
      </Answered>
    </Card>
  );
}
