/** The page for a wall: large figures, live, without anything to click. */
import { FullscreenOutlined } from "@ant-design/icons";
import { Button } from "antd";
import { useEffect, useState } from "react";
import { Link } from "react-router";
import { Chart } from "../components/Chart";
import { DataTable } from "../components/DataTable";
import { useKinds } from "../components/Kinds";
import { Switches } from "../components/Layout";
import { Answered, Card, Code, Id, Nothing } from "../components/parts";
import { QuorumBar } from "../components/Quorum";
import { clock, dateTime, grouped } from "../lib/format";
import { useSession } from "../lib/session";
import { useText } from "../lib/text";
import { MINUTE_MS, points, useNewest, useOverview } from "./Overview";

function Clock() {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1_000);
    return () => clearInterval(timer);
  }, []);
  return <time>{dateTime(now)}</time>;
}

export function Screen() {
  const { t } = useText();
  const { network } = useSession();
  const query = useOverview();
  const newest = useNewest("/api/v1/transactions", 9);
  const kinds = useKinds();
  useEffect(() => {
    document.title = `${t("nav.screen")} · Bubi`;
  }, [t]);
  return (
    <main className="wall">
      <header>
        <h1>{t("screen.title", { name: network?.name ?? "Bubi" })}</h1>
        <Clock />
        <span className="row">
          <Switches />
          <Button
            type="text"
            icon={<FullscreenOutlined />}
            aria-label={t("screen.full")}
            onClick={() => document.documentElement.requestFullscreen()}
          />
          <Link to="/">{t("nav.overview")}</Link>
        </span>
      </header>
      <Answered query={query}>
        {(found) => {
          const margin = found.quorum.missing_allowed - found.quorum.missing;
          const figures: readonly (readonly [string, string, string?])[] = [
            [t("height"), grouped(found.height)],
            [t("overview.transactions"), grouped(found.transactions)],
            [
              t("overview.rate"),
              grouped(Math.round(Number(found.rate_per_second) * 10) / 10),
              t("unit.per_second"),
            ],
            [t("overview.finality"), grouped(found.finality_ms), "ms"],
            [t("nav.accounts"), grouped(found.accounts)],
            [t("overview.margin"), String(margin)],
          ];
          return (
            <>
              <div className="figures">
                {figures.map(([label, value, unit]) => (
                  <div key={label}>
                    <div className="label">{label}</div>
                    <div className="value">
                      {value} {unit && <small className="label">{unit}</small>}
                    </div>
                  </div>
                ))}
              </div>
              <div className="panels">
                <div className="stack">
                  <Card title={t("overview.hour")}>
                    {found.charts.hour.length === 0 ? (
                      <Nothing title={t("chart.empty")} />
                    ) : (
                      <Chart
                        dark
                        tall
                        whole
                        title={t("overview.hour")}
                        lines={[
                          {
                            name: t("nav.transactions"),
                            points: points(found.charts.hour, "final", MINUTE_MS, 60),
                          },
                        ]}
                      />
                    )}
                  </Card>
                  <Card title={t("nav.validators")}>
                    <QuorumBar validators={found.validators} quorum={found.quorum} />
                  </Card>
                </div>
                <Card flush title={t("overview.newest")}>
                  <Answered query={newest}>
                    {(page) =>
                      page.items.length === 0 ? (
                        <Nothing title={t("transactions.empty")} />
                      ) : (
                        <DataTable
                          caption={t("overview.newest")}
                          rows={page.items}
                          rowKey={(one, at) => one.hash ?? String(at)}
                          columns={[
                            {
                              title: t("time"),
                              cell: (one) => <span className="number">{clock(one.time)}</span>,
                            },
                            { title: t("what"), cell: kinds },
                            { title: t("transaction"), cell: (one) => <Id value={one.hash} /> },
                            { title: t("result"), cell: (one) => <Code code={one.code} /> },
                          ]}
                        />
                      )
                    }
                  </Answered>
                </Card>
              </div>
            </>
          );
        }}
      </Answered>
    </main>
  );
}
