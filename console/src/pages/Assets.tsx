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
import { address, get } from "../lib/api";
import { amountText } from "../lib/format";
import { useText } from "../lib/text";
import type { Asset } from "../lib/types";
import { useTransactionColumns } from "./Blocks";

const KINDS = ["fungible", "unique", "dated"] as const;

export function Assets() {
  const { t, name } = useText();
  return (
    <>
      <PageHead name={t("nav.assets")} title={t("nav.assets")} text={t("assets.text")} />
      <Card flush>
        <List
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
          rowKey={(one) => one.id}
          empty={<Nothing title={t("assets.empty")} text={t("assets.empty.text")} />}
          columns={[
            {
              title: t("asset.code"),
              cell: (one) => <Link to={`/assets/${one.id}`}>{one.code}</Link>,
            },
            { title: t("name"), cell: (one) => one.name },
            { title: t("asset.kind"), cell: (one) => name("asset_kind", one.kind) },
            {
              title: t("asset.supply"),
              right: true,
              cell: (one) => amountText(one.supply, one.decimals),
            },
            { title: t("asset.issuer"), cell: (one) => <AccountId value={one.issuer} /> },
            { title: t("asset.id"), cell: (one) => <Id value={one.id} /> },
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
    queryFn: ({ signal }) => get(address("/api/v1/assets/{asset}", { asset }), signal),
  });
  const tab = search.get("tab") ?? "holders";
  return (
    <Answered query={query} lines={8}>
      {(found) => (
        <>
          <PageHead
            name={found.code}
            title={`${found.name} (${found.code})`}
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
                      children: <Holders asset={asset} unique={found.kind === "unique"} />,
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
              <StateProofPanel subject={{ asset }} supply={found.supply} />
            </div>
          </div>
        </>
      )}
    </Answered>
  );
}

function Definition({ found }: { found: Asset }) {
  const { t, name } = useText();
  const { cap, decimals } = found;
  const features = Object.entries(found.features).filter(([, on]) => on);
  return (
    <>
      <Stat
        label={t("asset.supply")}
        value={amountText(found.supply, decimals)}
        unit={found.code}
        note={cap ? t("asset.capped", { cap: amountText(cap, decimals) }) : t("asset.uncapped")}
      />
      <Card title={t("asset.definition")}>
        <Facts
          items={[
            [t("asset.kind"), name("asset_kind", found.kind)],
            [t("asset.issuer"), <AccountId key="issuer" value={found.issuer} />],
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
            [t("asset.created"), <BlockLink key="height" height={found.created} />],
          ]}
        />
      </Card>
    </>
  );
}

function Holders({ asset, unique }: { asset: string; unique: boolean }) {
  const { t } = useText();
  return (
    <List
      name="holders"
      caption={t("asset.holders")}
      route="/api/v1/assets/{asset}/holders"
      places={{ asset }}
      filters={[
        { name: "account", label: "filter.account" },
        { name: "height", label: "filter.height" },
      ]}
      rowKey={(one, at) => `${one.address} ${one.item} ${at}`}
      empty={<Nothing title={t("asset.holders.empty")} />}
      columns={[
        {
          title: t("account"),
          cell: (one) => <AccountId value={one.address} />,
        },
        unique
          ? { title: t("item"), cell: (one) => one.item }
          : {
              title: t("balance"),
              right: true,
              cell: (one) => <Amount asset={asset} amount={one.balance ?? "0"} />,
            },
        {
          title: t("reserved"),
          right: true,
          cell: (one) => (one.reserved ? <Amount asset={asset} amount={one.reserved} /> : "–"),
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
    <List
      name="transactions"
      caption={t("asset.history")}
      route="/api/v1/transactions"
      fixed={{ asset }}
      filters={filters}
      rowKey={(one) => one.hash}
      columns={columns}
      empty={<Nothing title={t("transactions.empty")} />}
    />
  );
}

function Supply({ asset }: { asset: string }) {
  const { t } = useText();
  return (
    <List
      name="supply"
      caption={t("asset.supply")}
      route="/api/v1/assets/{asset}/history"
      places={{ asset }}
      filters={TIMES}
      rowKey={(one) => one.height}
      empty={<Nothing />}
      columns={[
        { title: t("block"), cell: (one) => <BlockLink height={one.height} /> },
        { title: t("time"), cell: (one) => <Time ms={one.time} exact /> },
        {
          title: t("asset.supply"),
          right: true,
          cell: (one) => <Amount asset={asset} amount={one.supply} />,
        },
      ]}
    />
  );
}
