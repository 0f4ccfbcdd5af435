/** Assets: list and one asset with its holders as of a height. */
import { useQuery } from "@tanstack/react-query";
import { Tabs } from "antd";
import { Link, useParams, useSearchParams } from "react-router";
import { List, TIMES } from "../components/DataTable";
import { StateProofPanel } from "../components/Proof";
import {
  AccountId,
  Answered,
  BlockLink,
  Card,
  Facts,
  Id,
  Nothing,
  PageHead,
  Pill,
  Stat,
  Time,
} from "../components/parts";
import { useTransactionFilters } from "../components/TransactionFilters";
import { Amount, HoldingState } from "../components/Words";
import { get } from "../lib/api";
import { amountText } from "../lib/format";
import { number, row, text } from "../lib/rows";
import { useText } from "../lib/text";
import type { Row, TransactionRow } from "../lib/types";
import { useTransactionColumns } from "./Blocks";

const KINDS = ["fungible", "unique", "dated"] as const;

export function Assets() {
  const { t, name } = useText();
  return (
    <>
      <PageHead name={t("nav.assets")} title={t("nav.assets")} text={t("assets.text")} />
      <Card flush>
        <List<Row>
          name="assets"
          caption={t("nav.assets")}
          route="/api/v1/assets"
          filters={[
            { name: "code", label: "asset.code" },
            { name: "issuer", label: "asset.issuer" },
            {
              name: "kind",
              label: "asset.kind",
              choices: KINDS.map((one) => [one, name("asset_kind", one)] as const),
            },
          ]}
          rowKey={(one, at) => text(one, "asset", "id") ?? String(at)}
          empty={<Nothing title={t("assets.empty")} text={t("assets.empty.text")} />}
          columns={[
            {
              title: t("asset.code"),
              cell: (one) => (
                <Link to={`/assets/${text(one, "asset", "id")}`}>{text(one, "code")}</Link>
              ),
            },
            { title: t("name"), cell: (one) => text(one, "name") },
            { title: t("asset.kind"), cell: (one) => name("asset_kind", text(one, "kind")) },
            {
              title: t("asset.supply"),
              right: true,
              cell: (one) => amountText(text(one, "supply") ?? "0", number(one, "decimals") ?? 0),
            },
            { title: t("asset.issuer"), cell: (one) => <AccountId value={text(one, "issuer")} /> },
            { title: t("asset.id"), cell: (one) => <Id value={text(one, "asset", "id")} /> },
          ]}
        />
      </Card>
    </>
  );
}

export function AssetPage() {
  const { t } = useText();
  const { asset = "" } = useParams();
  const [search, setSearch] = useSearchParams();
  const query = useQuery({
    queryKey: ["asset", asset],
    queryFn: ({ signal }) => get<Row>(`/api/v1/assets/${asset}`, signal),
  });
  const tab = search.get("tab") ?? "holders";
  return (
    <Answered query={query} lines={8}>
      {(found) => (
        <>
          <PageHead
            name={text(found, "code") ?? t("asset")}
            title={`${text(found, "name") ?? t("asset")} (${text(found, "code") ?? ""})`}
            text={<Id value={asset} whole />}
          />
          <div className="grid">
            <div className="w8">
              <Card flush>
                <Tabs
                  activeKey={tab}
                  onChange={(key) => setSearch(key === "holders" ? {} : { tab: key })}
                  tabBarStyle={{ padding: "0 18px", marginBottom: 0 }}
                  destroyOnHidden
                  items={[
                    {
                      key: "holders",
                      label: t("asset.holders"),
                      children: (
                        <Holders asset={asset} unique={text(found, "kind") === "unique"} />
                      ),
                    },
                    {
                      key: "history",
                      label: t("asset.history"),
                      children: <History asset={asset} />,
                    },
                    {
                      key: "supply",
                      label: t("asset.supplies"),
                      children: <Supply asset={asset} />,
                    },
                  ]}
                />
              </Card>
            </div>
            <div className="w4 stack">
              <Definition found={found} />
              <StateProofPanel subject={{ asset }} supply={text(found, "supply") ?? undefined} />
            </div>
          </div>
        </>
      )}
    </Answered>
  );
}

function Definition({ found }: { found: Row }) {
  const { t, name } = useText();
  const decimals = number(found, "decimals") ?? 0;
  const features = Object.entries(row(found.features)).filter(([, on]) => on);
  const cap = text(found, "cap");
  return (
    <>
      <Stat
        label={t("asset.supply")}
        value={amountText(text(found, "supply") ?? "0", decimals)}
        unit={text(found, "code")}
        note={cap ? t("asset.capped", { cap: amountText(cap, decimals) }) : t("asset.uncapped")}
      />
      <Card title={t("asset.definition")}>
        <Facts
          items={[
            [t("asset.kind"), name("asset_kind", text(found, "kind"))],
            [t("asset.issuer"), <AccountId key="issuer" value={text(found, "issuer")} />],
            [t("asset.decimals"), String(decimals)],
            [
              t("asset.features"),
              features.length === 0 ? (
                t("none")
              ) : (
                <span key="features" className="row">
                  {features.map(([feature]) => (
                    <Pill key={feature} tone="info">
                      {name("feature", feature)}
                    </Pill>
                  ))}
                </span>
              ),
            ],
            [
              t("state"),
              found.frozen ? (
                <Pill key="f" tone="warn">
                  {t("frozen")}
                </Pill>
              ) : (
                <Pill key="f" tone="good">
                  {t("free")}
                </Pill>
              ),
            ],
            text(found, "created", "height")
              ? [
                  t("asset.created"),
                  <BlockLink key="height" height={text(found, "created", "height")} />,
                ]
              : null,
          ]}
        />
      </Card>
    </>
  );
}

function Holders({ asset, unique }: { asset: string; unique: boolean }) {
  const { t } = useText();
  return (
    <List<Row>
      name="holders"
      caption={t("asset.holders")}
      route="/api/v1/assets/{id}/holders"
      places={{ id: asset }}
      filters={[
        { name: "account", label: "filter.account" },
        { name: "height", label: "filter.height" },
      ]}
      rowKey={(one, at) =>
        `${text(one, "account", "address", "holder")} ${text(one, "item")} ${at}`
      }
      empty={<Nothing title={t("asset.holders.empty")} />}
      columns={[
        {
          title: t("account"),
          cell: (one) => <AccountId value={text(one, "account", "address", "holder")} />,
        },
        unique
          ? { title: t("item"), cell: (one) => text(one, "item", "items") }
          : {
              title: t("balance"),
              right: true,
              cell: (one) => <Amount asset={asset} amount={text(one, "balance") ?? "0"} />,
            },
        {
          title: t("reserved"),
          right: true,
          cell: (one) =>
            text(one, "reserved") ? (
              <Amount asset={asset} amount={text(one, "reserved") ?? "0"} />
            ) : (
              "–"
            ),
        },
        {
          title: t("state"),
          cell: (one) => <HoldingState frozen={Boolean(one.frozen)} />,
        },
      ]}
    />
  );
}

function History({ asset }: { asset: string }) {
  const { t } = useText();
  const columns = useTransactionColumns();
  const filters = useTransactionFilters(["account", "kind", "code", "times"]);
  return (
    <List<TransactionRow>
      name="transactions"
      caption={t("asset.history")}
      route="/api/v1/transactions"
      fixed={{ asset }}
      filters={filters}
      rowKey={(one, at) => one.hash ?? one.id ?? String(at)}
      columns={columns}
      empty={<Nothing title={t("transactions.empty")} />}
    />
  );
}

function Supply({ asset }: { asset: string }) {
  const { t } = useText();
  return (
    <List<Row>
      name="supply"
      caption={t("asset.supply")}
      route="/api/v1/assets/{id}/history"
      places={{ id: asset }}
      filters={TIMES}
      rowKey={(one, at) => text(one, "height") ?? String(at)}
      empty={<Nothing />}
      columns={[
        { title: t("block"), cell: (one) => <BlockLink height={text(one, "height")} /> },
        { title: t("time"), cell: (one) => <Time ms={text(one, "time")} exact /> },
        {
          title: t("asset.supply"),
          right: true,
          cell: (one) => <Amount asset={asset} amount={text(one, "supply") ?? "0"} />,
        },
      ]}
    />
  );
}
