/** Nodes, hosts, consensus, connections, clients of the interface. */
import { useQuery } from "@tanstack/react-query";
import { Select } from "antd";
import { useSearchParams } from "react-router";
import { Chart, type Line } from "../components/Chart";
import { CsvLink, worded as choices, DataTable, List } from "../components/DataTable";
import { Answered, Card, Nothing, PageHead, Pill, Stat, type Tone } from "../components/parts";
import { address, get, getAll, type PlainListRoute } from "../lib/api";
import { bytesText, grouped, percent, span } from "../lib/format";
import { type Key, type Texts, useText } from "../lib/text";
import type { Client, Host, Node, Peer } from "../lib/types";

const SPANS = { "15m": 900, "1h": 3_600, "6h": 21_600, "1d": 86_400, "15d": 1_296_000 } as const;
type SpanName = keyof typeof SPANS;
const REFRESH_MS = 5_000;
const PEER_STATES = ["connected", "dialling", "waiting", "heard_of", "refused", "banned"];

function useAll<R extends PlainListRoute>(route: R) {
  // All of them: banners and matrices leave nobody out.
  return useQuery({
    queryKey: ["monitoring", "all", route],
    queryFn: ({ signal }) => getAll(route, {}, signal),
    refetchInterval: REFRESH_MS,
  });
}

function useSpan() {
  const [search, setSearch] = useSearchParams();
  const asked = search.get("span") as SpanName | null;
  const chosen: SpanName = asked && asked in SPANS ? asked : "1h";
  const choose = (next: SpanName): void => {
    const changed = new URLSearchParams(search);
    changed.set("span", next);
    setSearch(changed);
  };
  return { chosen, choose };
}

function SpanSelect() {
  const { t } = useText();
  const { chosen, choose } = useSpan();
  return (
    <Select
      aria-label={t("monitoring.span")}
      value={chosen}
      onChange={choose}
      options={(Object.keys(SPANS) as SpanName[]).map((one) => ({
        value: one,
        label: t(`span.${one}`),
      }))}
    />
  );
}

/** Groups of texts for codes: the door has some of its own beside those of the ledger. */
const CODES: readonly string[] = ["code", "problem"];

/** A label in words, from the first group that knows it. */
function worded(name: Texts["name"], groups: readonly string[], label: string): string {
  return groups.map((group) => name(group, label)).find((words) => words !== label) ?? label;
}

/** A chart of one kept series: a line per node, or per label. */
function SeriesCard(props: {
  series: string;
  title: Key;
  format?: (value: number) => string;
  node?: string;
  /** Groups of the texts for what the series tells apart. */
  labels?: readonly string[];
}) {
  const { t, name } = useText();
  const { chosen } = useSpan();
  const step = Math.ceil(SPANS[chosen] / 240);
  const labelled = (label: string | null): string | null =>
    label && props.labels ? worded(name, props.labels, label) : label;
  const query = useQuery({
    queryKey: ["monitoring", "series", props.series, props.node, chosen],
    queryFn: ({ signal }) =>
      get(
        address(
          "/api/v1/monitoring/series",
          {},
          {
            name: props.series,
            node: props.node,
            from: Date.now() - 1000 * SPANS[chosen],
            step: SPANS[chosen] <= 3_600 ? 0 : step,
          },
        ),
        signal,
      ),
    refetchInterval: 10_000,
  });
  return (
    <Card className="w6" title={t(props.title)}>
      <Answered query={query}>
        {(found) => {
          const lines = found.items.map(
            (one): Line => ({
              name: [one.node, labelled(one.label)].filter(Boolean).join(" · "),
              points: (one.points ?? []).map(([begin, , mean]) => [Number(begin), mean] as const),
            }),
          );
          if (lines.every((line) => line.points.length === 0)) {
            return <Nothing title={t("chart.empty")} text={t("chart.empty.text")} />;
          }
          return <Chart title={t(props.title)} lines={lines} format={props.format} />;
        }}
      </Answered>
    </Card>
  );
}

function nodeTone(one: Node): { tone: Tone; label: Key } {
  if (!one.reachable) return { tone: "bad", label: "node.down" };
  if (one.ready === false) return { tone: "warn", label: "node.not_ready" };
  return { tone: "good", label: "node.up" };
}

export function Nodes() {
  const { t, name } = useText();
  const query = useAll("/api/v1/monitoring/nodes");
  return (
    <>
      <PageHead
        name={t("nav.nodes")}
        title={t("nav.nodes")}
        text={t("nodes.text")}
        actions={<SpanSelect />}
      />
      <div className="stack">
        <Answered query={query}>
          {(found) => {
            const down = found.items.filter((one) => nodeTone(one).tone === "bad");
            return (
              <>
                {down.length > 0 && (
                  <div className="banner" role="alert">
                    {t("nodes.down", {
                      names: down.map((one) => one.name).join(t("comma")),
                    })}
                  </div>
                )}
                <Card flush>
                  <List
                    name="monitoring"
                    caption={t("nav.nodes")}
                    route="/api/v1/monitoring/nodes"
                    refresh={REFRESH_MS}
                    filters={[
                      { name: "organisation", label: "organisation" },
                      {
                        name: "role",
                        label: "node.role",
                        choices: choices(name)("node_role", ["validator", "observer"]),
                      },
                      {
                        name: "state",
                        label: "state",
                        choices: choices(name)("node", ["up", "not_ready", "down"]),
                      },
                    ]}
                    rowKey={(one) => one.name}
                    columns={[
                      {
                        title: t("node"),
                        cell: (one) => (
                          <>
                            <b>{one.name}</b> <span className="muted">{one.organisation}</span>
                          </>
                        ),
                      },
                      {
                        title: t("state"),
                        cell: (one) => {
                          const { tone, label } = nodeTone(one);
                          return <Pill tone={tone}>{t(label)}</Pill>;
                        },
                      },
                      {
                        title: t("node.role"),
                        cell: (one) => name("node_role", one.role),
                      },
                      {
                        title: t("height"),
                        right: true,
                        cell: (one) => grouped(one.height),
                      },
                      {
                        title: t("node.pool"),
                        right: true,
                        cell: (one) => grouped(one.pool),
                      },
                      {
                        title: t("node.peers"),
                        right: true,
                        cell: (one) => grouped(one.peers),
                      },
                      {
                        title: t("node.certificate"),
                        right: true,
                        cell: (one) => {
                          const days = one.certificate_days;
                          return days === null ? "–" : t("days.n", { n: Math.floor(days) });
                        },
                      },
                      {
                        title: t("node.silent"),
                        right: true,
                        cell: (one) => span(one.silent_seconds),
                      },
                      {
                        title: t("node.reasons"),
                        cell: (one) =>
                          one.reasons
                            .map((reason) => name("reason", reason.code))
                            .join(t("comma")) || "–",
                      },
                    ]}
                  />
                </Card>
              </>
            );
          }}
        </Answered>
        <div className="grid">
          <SeriesCard series="height" title="series.height" />
          <SeriesCard
            series="transactions_per_second"
            title="series.transactions"
            labels={["outcome"]}
          />
          <SeriesCard series="time_to_final_p95_seconds" title="series.final" format={span} />
          <SeriesCard series="pool_transactions" title="series.pool" />
          <SeriesCard series="outcomes_per_second" title="series.outcomes" labels={CODES} />
          <SeriesCard series="refused_per_second" title="series.refused" labels={CODES} />
          <SeriesCard series="verified_per_second" title="series.verified" />
          <SeriesCard
            series="verification_backlog_bytes"
            title="series.backlog"
            format={bytesText}
          />
        </div>
      </div>
    </>
  );
}

export function Hosts() {
  const { t } = useText();
  return (
    <>
      <PageHead
        name={t("nav.hosts")}
        title={t("nav.hosts")}
        text={t("hosts.text")}
        actions={<SpanSelect />}
      />
      <div className="stack">
        <Card flush>
          <List
            name="monitoring"
            caption={t("nav.hosts")}
            route="/api/v1/monitoring/hosts"
            refresh={REFRESH_MS}
            filters={[{ name: "node", label: "node" }]}
            rowKey={(one) => one.name}
            empty={<Nothing title={t("hosts.empty")} text={t("hosts.empty.text")} />}
            columns={hostColumns(t)}
          />
        </Card>
        <div className="grid">
          <SeriesCard series="cpu_ratio" title="series.cpu" format={percent} />
          <SeriesCard
            labels={["host_part"]}
            series="memory_bytes"
            title="series.memory"
            format={bytesText}
          />
          <SeriesCard
            labels={["host_part"]}
            series="disk_bytes"
            title="series.disk"
            format={bytesText}
          />
          <SeriesCard
            labels={["host_part"]}
            series="fsync_p99_seconds"
            title="series.fsync"
            format={span}
          />
          <SeriesCard series="clock_offset_seconds" title="series.clock" format={span} />
          <SeriesCard series="open_files" title="series.files" />
        </div>
      </div>
    </>
  );
}

function hostColumns(t: ReturnType<typeof useText>["t"]) {
  return [
    { title: t("node"), cell: (one: Host) => <b>{one.name}</b> },
    {
      title: t("host.cpu"),
      right: true,
      cell: (one: Host) => percent(one.figures?.cpu_ratio),
    },
    {
      title: t("host.memory"),
      right: true,
      cell: ({ figures }: Host) =>
        `${bytesText(figures?.memory_available)} / ${bytesText(figures?.memory_total)}`,
    },
    {
      title: t("host.disk"),
      right: true,
      cell: ({ figures }: Host) =>
        `${bytesText(figures?.disk_free)} / ${bytesText(figures?.disk_total)}`,
    },
    {
      title: t("host.fill"),
      right: true,
      cell: ({ figures }: Host) => {
        const seconds = figures?.disk_fill_seconds;
        return seconds === undefined || seconds > 3e8 ? t("host.never") : span(seconds);
      },
    },
    {
      title: t("host.fsync"),
      right: true,
      cell: (one: Host) => span(one.figures?.fsync_seconds),
    },
    {
      title: t("host.files"),
      right: true,
      cell: ({ figures }: Host) =>
        `${grouped(figures?.open_files)} / ${grouped(figures?.open_files_limit)}`,
    },
    {
      title: t("state"),
      cell: (one: Host) =>
        one.available ? (
          <Pill tone="good">{t("node.up")}</Pill>
        ) : (
          <Pill tone="bad">{t("node.down")}</Pill>
        ),
    },
  ];
}

export function Consensus() {
  const { t, name } = useText();
  const query = useAll("/api/v1/monitoring/consensus");
  const [search, setSearch] = useSearchParams();
  return (
    <>
      <PageHead
        name={t("nav.consensus")}
        title={t("nav.consensus")}
        text={t("consensus.text")}
        actions={
          <>
            <CsvLink url="/api/v1/monitoring/consensus?format=csv" />
            <SpanSelect />
          </>
        }
      />
      <Answered query={query}>
        {(found) => {
          const names = found.items.map((one) => one.name);
          const asked = search.get("node") ?? "";
          const item =
            found.items.find((one) => one.name === asked) ??
            found.items.find((one) => one.reachable) ??
            found.items[0];
          if (!item) return <Nothing title={t("monitoring.empty")} />;
          const { view } = item;
          return (
            <div className="stack">
              {view?.halted && (
                <div className="banner" role="alert">
                  {t("overview.halted")}{" "}
                  {view.reasons.map((reason) => name("reason", reason.code)).join(t("comma"))}
                </div>
              )}
              <div className="row">
                <span className="muted">{t("consensus.seen_by")}</span>
                <Select
                  aria-label={t("consensus.seen_by")}
                  value={item.name ?? ""}
                  options={names.map((one) => ({ value: one, label: one }))}
                  onChange={(one: string) => {
                    const next = new URLSearchParams(search);
                    next.set("node", one);
                    setSearch(next);
                  }}
                />
              </div>
              <div className="grid">
                <Stat
                  className="w3"
                  label={t("consensus.height")}
                  value={grouped(view?.height)}
                  note={t("consensus.decided", { height: grouped(view?.decided) })}
                />
                <Stat className="w3" label={t("consensus.view")} value={grouped(view?.view)} />
                <Stat className="w3" label={t("consensus.leader")} value={view?.leader ?? "–"} />
                <Stat
                  className="w3"
                  label={t("consensus.phase")}
                  value={name("phase", view?.phase)}
                  note={view?.work_waiting ? t("consensus.work") : t("consensus.idle")}
                />
              </div>
              <Card
                flush
                title={t("consensus.votes")}
                extra={t("quorum.needs", { quorum: view?.quorum ?? "–" })}
              >
                <DataTable
                  caption={t("consensus.votes")}
                  rows={view?.validators ?? []}
                  rowKey={(one) => one.name}
                  columns={[
                    {
                      title: t("validator"),
                      cell: (one) => (
                        <>
                          <b>{one.name}</b> <span className="muted">{one.organisation}</span>
                        </>
                      ),
                    },
                    {
                      title: t("state"),
                      cell: (one) =>
                        one.missing ? (
                          <Pill tone="bad">{t("validator.missing")}</Pill>
                        ) : (
                          <Pill tone="good">{t("validator.present")}</Pill>
                        ),
                    },
                    { title: t("weight"), right: true, cell: (one) => one.weight },
                    {
                      title: t("height"),
                      right: true,
                      cell: (one) => grouped(one.height),
                    },
                    {
                      title: t("consensus.view"),
                      right: true,
                      cell: (one) => grouped(one.vote?.view ?? one.view),
                    },
                    {
                      title: t("consensus.vote"),
                      cell: (one) => name("phase", one.vote?.phase ?? null),
                    },
                    {
                      title: t("consensus.seen"),
                      right: true,
                      cell: (one) => (one.own ? t("consensus.self") : span(one.seconds_ago)),
                    },
                  ]}
                />
              </Card>
              <div className="grid">
                <SeriesCard
                  series="block_interval_p50_seconds"
                  title="series.interval"
                  format={span}
                />
                <SeriesCard
                  series="phase_p95_seconds"
                  title="series.phases"
                  labels={["phase"]}
                  format={span}
                  node={item.name ?? undefined}
                />
                <SeriesCard series="view" title="series.view" />
                <SeriesCard series="quorum_margin" title="series.margin" />
              </div>
            </div>
          );
        }}
      </Answered>
    </>
  );
}

/** Why a connection ended or was refused, in words. */
function PeerReason({ of }: { of: Peer }) {
  const { t, name } = useText();
  const { reason: code } = of;
  if (!code) return <>–</>;
  const own = code.replace(/^peer_/, "");
  const known = name("peer_reason", own);
  const words = known === own ? t("peer_reason.other", { reason: own }) : known;
  return <>{own === code ? words : t("peer_reason.peer", { reason: words })}</>;
}

function heat(ms: number | null): string {
  if (ms === null) return "";
  return ms < 50 ? "heat0" : ms < 200 ? "heat1" : "heat2";
}

export function Peers() {
  const { t, name } = useText();
  const query = useAll("/api/v1/monitoring/peers");
  return (
    <>
      <PageHead
        name={t("nav.peers")}
        title={t("nav.peers")}
        text={t("peers.text")}
        actions={<SpanSelect />}
      />
      <Answered query={query}>
        {(found) => {
          const from = [...new Set(found.items.map((one) => one.from))].sort();
          const to = [...new Set(found.items.map((one) => one.to))].sort();
          const at = new Map(found.items.map((one) => [`${one.from} ${one.to}`, one]));
          if (from.length === 0) {
            return (
              <Card>
                <Nothing title={t("peers.empty")} />
              </Card>
            );
          }
          return (
            <div className="stack">
              <Card flush title={t("peers.rtt")}>
                {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must take the focus */}
                <section className="table-wrap" tabIndex={0} aria-label={t("peers.rtt")}>
                  <table className="data matrix">
                    <thead>
                      <tr>
                        <th scope="col">{t("peers.from_to")}</th>
                        {to.map((one) => (
                          <th key={one} scope="col" style={{ textAlign: "center" }}>
                            {one}
                          </th>
                        ))}
                      </tr>
                    </thead>
                    <tbody>
                      {from.map((one) => (
                        <tr key={one}>
                          <th scope="row">{one}</th>
                          {to.map((other) => {
                            const entry = at.get(`${one} ${other}`);
                            const rtt = entry?.rtt_ms ?? null;
                            const lost = entry && entry.state !== "connected";
                            return (
                              <td key={other} className={`cell ${lost ? "heat2" : heat(rtt)}`}>
                                {one === other
                                  ? "·"
                                  : lost
                                    ? t("peers.lost")
                                    : rtt === null
                                      ? "–"
                                      : `${rtt.toFixed(1)} ms`}
                              </td>
                            );
                          })}
                        </tr>
                      ))}
                    </tbody>
                  </table>
                </section>
              </Card>
              <Card flush title={t("peers.connections")}>
                <List
                  name="monitoring"
                  caption={t("peers.connections")}
                  route="/api/v1/monitoring/peers"
                  refresh={REFRESH_MS}
                  filters={[
                    { name: "node", label: "peers.from" },
                    { name: "peer", label: "peers.to" },
                    {
                      name: "state",
                      label: "state",
                      choices: choices(name)("peer_state", PEER_STATES),
                    },
                  ]}
                  rowKey={(one) => `${one.from} ${one.to}`}
                  columns={[
                    { title: t("peers.from"), cell: (one) => one.from },
                    { title: t("peers.to"), cell: (one) => one.to },
                    {
                      title: t("state"),
                      cell: (one) => (
                        <Pill tone={one.state === "connected" ? "good" : "bad"}>
                          {name("peer_state", one.state)}
                        </Pill>
                      ),
                    },
                    {
                      title: t("peers.in"),
                      right: true,
                      cell: (one) => bytesText(one.bytes_in),
                    },
                    {
                      title: t("peers.out"),
                      right: true,
                      cell: (one) => bytesText(one.bytes_out),
                    },
                    {
                      title: t("peers.queued"),
                      right: true,
                      cell: (one) => bytesText(one.queued_bytes),
                    },
                    {
                      title: t("node.certificate"),
                      right: true,
                      cell: (one) => {
                        const days = one.certificate_days;
                        return days === null ? "–" : t("days.n", { n: Math.floor(days) });
                      },
                    },
                    { title: t("peers.reason"), cell: (one) => <PeerReason of={one} /> },
                  ]}
                />
              </Card>
              <div className="grid">
                <SeriesCard series="rtt_seconds" title="series.rtt" format={span} node={from[0]} />
                <SeriesCard
                  series="bytes_in_per_second"
                  title="series.bytes_in"
                  format={bytesText}
                  node={from[0]}
                />
                <SeriesCard
                  series="bytes_out_per_second"
                  title="series.bytes_out"
                  format={bytesText}
                  node={from[0]}
                />
                <SeriesCard
                  series="peer_queue_bytes"
                  title="series.queue"
                  format={bytesText}
                  node={from[0]}
                />
              </div>
            </div>
          );
        }}
      </Answered>
    </>
  );
}

/** What was refused at the door and what was rejected in a block, by code. */
function Refusals({ of }: { of: Client }) {
  const { t, name } = useText();
  const inWords = (code: string): string => worded(name, CODES, code);
  const kinds = [
    ["refused", "client.refused"],
    ["rejected", "client.rejected"],
  ] as const;
  const found = kinds.flatMap(([kind, label]) =>
    Object.entries(of[kind]).map(([code, count]) => ({ kind, label, code, count })),
  );
  if (found.length === 0) return <>–</>;
  return (
    <span className="row">
      {found.map((one) => (
        <Pill key={`${one.kind} ${one.code}`} tone="warn">
          {t(one.label)} {inWords(one.code)}: {grouped(one.count)}
        </Pill>
      ))}
    </span>
  );
}

export function Clients() {
  const { t } = useText();
  return (
    <>
      <PageHead
        name={t("nav.clients")}
        title={t("nav.clients")}
        text={t("clients.text")}
        actions={<SpanSelect />}
      />
      <div className="stack">
        <Card flush>
          <List
            name="monitoring"
            caption={t("nav.clients")}
            route="/api/v1/monitoring/clients"
            refresh={REFRESH_MS}
            filters={[
              { name: "node", label: "node" },
              { name: "client", label: "client" },
            ]}
            rowKey={(one) => `${one.node} ${one.client}`}
            empty={<Nothing title={t("clients.empty")} />}
            columns={[
              { title: t("node"), cell: (one) => one.node },
              { title: t("client"), cell: (one) => <b>{one.client}</b> },
              {
                title: t("client.requests"),
                right: true,
                cell: (one) =>
                  grouped(
                    Object.values(one.requests).reduce((sum: number, n) => sum + Number(n), 0),
                  ),
              },
              {
                title: t("client.statuses"),
                cell: (one) => (
                  <span className="row">
                    {Object.entries(one.requests).map(([status, count]) => (
                      <Pill
                        key={status}
                        tone={
                          status.startsWith("5") ? "bad" : status.startsWith("4") ? "warn" : ""
                        }
                      >
                        {status}: {grouped(count)}
                      </Pill>
                    ))}
                  </span>
                ),
              },
              {
                title: t("client.latency"),
                right: true,
                cell: (one) => span(one.p95_seconds),
              },
              {
                title: t("client.admitted"),
                right: true,
                cell: (one) => grouped(one.admitted),
              },
              {
                title: t("client.final"),
                right: true,
                cell: (one) => grouped(one.final),
              },
              {
                title: t("client.bad"),
                cell: (one) => <Refusals of={one} />,
              },
            ]}
          />
        </Card>
        <div className="grid">
          <SeriesCard series="requests_per_second" title="series.requests" />
          <SeriesCard series="request_p95_seconds" title="series.latency" format={span} />
          <SeriesCard series="client_final_per_second" title="series.client_final" />
          <SeriesCard series="client_refused_per_second" title="series.client_refused" />
          <SeriesCard series="client_rejected_per_second" title="series.client_rejected" />
          <SeriesCard
            series="client_request_p95_seconds"
            title="series.client_latency"
            format={span}
          />
        </div>
      </div>
    </>
  );
}
