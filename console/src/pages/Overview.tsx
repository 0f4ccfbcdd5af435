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
import { address, get, type Item, type Places, type PlainListRoute } from "../lib/api";
import { grouped } from "../lib/format";
import { useSession } from "../lib/session";
import { useText } from "../lib/text";
import type { ChartPoint, Overview as OverviewData, Page } from "../lib/types";

export function useOverview() {
  return useQuery({
    queryKey: ["overview"],
    queryFn: ({ signal }) => get(address("/api/v1/overview", {}), signal),
    refetchInterval: 5_000,
  });
}

export function useNewest<R extends PlainListRoute>(route: R, count: number) {
  return useQuery({
    queryKey: ["newest", route, count],
    queryFn: ({ signal }) =>
      get(address(route, {} as Places<R>, { limit: count }), signal) as Promise<Page<Item<R>>>,
    refetchInterval: 10_000,
  });
}

export const MINUTE_MS = 60_000;
export const DAY_MS = 86_400_000;

/** Points of the last `count` spans; spans in which nothing happened are zero. */
export function points(
  list: readonly ChartPoint[],
  name: "final" | "rejected",
  span: number,
  count: number,
) {
  const known = new Map(list.map((one) => [Number(one.time), one[name]]));
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
  const margin = found.quorum.missing_allowed - found.quorum.missing;
  const finality = found.finality_ms;
  const lag = Number(found.lag);
  return (
    <div className="stack">
      {margin < 0 && (
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
          value={grouped(Math.round(Number(found.rate_per_second) * 10) / 10)}
          unit={t("unit.per_second")}
          note={t("overview.rate.note")}
        />
        <Stat
          className="w3"
          label={t("overview.finality")}
          value={grouped(finality)}
          unit={finality === null ? "" : "ms"}
          note={t("overview.finality.note")}
        />
        <Stat
          className="w3"
          label={t("overview.margin")}
          tone={margin < 0 ? "bad" : margin === 0 ? "warn" : ""}
          value={margin}
          note={t("overview.margin.note", {
            present: found.quorum.total - found.quorum.missing,
            total: found.quorum.total,
            quorum: found.quorum.quorum,
          })}
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
          value={lag > 0 ? grouped(lag) : t("overview.index.level")}
          unit={lag > 0 ? t("overview.index.behind") : ""}
          tone={lag > 10 ? "warn" : ""}
          note={t("as_of", { height: grouped(found.indexed_height) })}
        />
      </div>
      <div className="grid">
        <Card className="w6" title={t("overview.hour")}>
          <Activity list={found.charts.hour} title={t("overview.hour")} />
        </Card>
        <Card className="w6" title={t("overview.days")}>
          <Activity list={found.charts.days} title={t("overview.days")} bars />
        </Card>
        <Card
          className="w12"
          title={t("nav.validators")}
          extra={<Link to="/validators">{t("all")}</Link>}
        >
          <QuorumBar validators={found.validators} quorum={found.quorum} />
        </Card>
      </div>
    </div>
  );
}

function Activity(props: { list: readonly ChartPoint[]; title: string; bars?: boolean }) {
  const { t } = useText();
  if (props.list.length === 0) return <Nothing title={t("chart.empty")} />;
  const kind = props.bars ? ("bar" as const) : ("line" as const);
  const of = (name: "final" | "rejected") =>
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

function NewestBlocks() {
  const { t } = useText();
  const query = useNewest("/api/v1/blocks", 8);
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
                  cell: (row) => grouped(row.receipts),
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
  const query = useNewest("/api/v1/transactions", 8);
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
              rowKey={(row) => row.hash}
              columns={[
                {
                  title: t("transaction"),
                  cell: (row) => <TransactionId value={row.hash} />,
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
