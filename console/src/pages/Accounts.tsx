/** Accounts: list and one account. */
import { useQuery } from "@tanstack/react-query";
import { Tabs } from "antd";
import { useParams, useSearchParams } from "react-router";
import { type Column, DataTable, type Filter, List, worded } from "../components/DataTable";
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
  Time,
} from "../components/parts";
import { AccountQuota } from "../components/Quota";
import { useTransactionFilters } from "../components/TransactionFilters";
import { Amount, AssetName, HoldingState, OrganisationLink } from "../components/Words";
import { get } from "../lib/api";
import { dateTime, readable } from "../lib/format";
import { assetOf, row, rows, shown, text } from "../lib/rows";
import { useText } from "../lib/text";
import type { Row, TransactionRow } from "../lib/types";
import { useTransactionColumns } from "./Blocks";

export function Accounts() {
  const { t } = useText();
  return (
    <>
      <PageHead name={t("nav.accounts")} title={t("nav.accounts")} text={t("accounts.text")} />
      <Card flush>
        <List<Row>
          name="accounts"
          caption={t("nav.accounts")}
          route="/api/v1/accounts"
          filters={[
            { name: "creator", label: "account.creator" },
            {
              name: "state",
              label: "state",
              choices: [
                ["open", t("account.open")],
                ["closed", t("account.closed")],
              ],
            },
          ]}
          rowKey={(one, at) => text(one, "address") ?? String(at)}
          columns={[
            {
              title: t("account"),
              cell: (one) => <AccountId value={text(one, "address", "account")} />,
            },
            {
              title: t("account.creator"),
              cell: (one) => <AccountId value={text(one, "creator")} />,
            },
            {
              title: t("account.opened"),
              right: true,
              cell: (one) => <BlockLink height={text(one, "created", "height")} />,
            },
            {
              title: t("state"),
              cell: (one) =>
                one.closed ? (
                  <Pill>{t("account.closed")}</Pill>
                ) : (
                  <Pill tone="good">{t("account.open")}</Pill>
                ),
            },
          ]}
        />
      </Card>
    </>
  );
}

export function AccountPage() {
  const { t } = useText();
  const { address = "" } = useParams();
  const [search, setSearch] = useSearchParams();
  const route = `/api/v1/accounts/${encodeURIComponent(address)}`;
  const query = useQuery({
    queryKey: ["account", address],
    queryFn: ({ signal }) => get<Row>(route, signal),
  });
  const tab = search.get("tab") ?? "holdings";
  const tabs = [
    { key: "holdings", label: t("account.holdings"), children: <Holdings address={address} /> },
    { key: "items", label: t("account.items"), children: <Items address={address} /> },
    { key: "transactions", label: t("nav.transactions"), children: <History address={address} /> },
    { key: "claims", label: t("account.claims"), children: <Claims address={address} /> },
    { key: "data", label: t("account.data"), children: <DataEntries address={address} /> },
    { key: "holds", label: t("account.holds"), children: <Holds address={address} /> },
    {
      key: "memberships",
      label: t("account.memberships"),
      children: <Memberships address={address} />,
    },
  ];
  return (
    <>
      <PageHead
        name={`${t("account")} ${address.slice(0, 14)}`}
        title={t("account")}
        text={<Id value={address} whole />}
      />
      <Answered query={query}>
        {(found) => (
          <div className="grid">
            <div className="w8">
              <Card flush>
                <Tabs
                  activeKey={tab}
                  onChange={(key) => setSearch(key === "holdings" ? {} : { tab: key })}
                  items={tabs}
                  tabBarStyle={{ padding: "0 18px", marginBottom: 0 }}
                  destroyOnHidden
                />
              </Card>
            </div>
            <div className="w4 stack">
              <Header found={found} />
              <AccountQuota url={`${route}/quota`} />
              <StateProofPanel subject={{ account: address }} />
            </div>
          </div>
        )}
      </Answered>
    </>
  );
}

function Header({ found }: { found: Row }) {
  const { t, name } = useText();
  const outer = row(found.header);
  const header = { ...row(outer.v1 ?? outer), ...found };
  const closed = outer.closed ?? found.closed;
  const signers = rows(header.signers);
  const thresholds = row(header.thresholds);
  return (
    <>
      <Card title={t("account.header")}>
        <Facts
          items={[
            [
              t("state"),
              closed ? (
                <Pill key="state">{t("account.closed")}</Pill>
              ) : (
                <Pill key="state" tone="good">
                  {t("account.open")}
                </Pill>
              ),
            ],
            [
              t("account.opened"),
              <BlockLink key="created" height={text(header, "created", "height")} />,
            ],
            [t("organisation"), <Belongs key="organisation" found={found} />],
            text(found, "asks")
              ? [
                  t("organisation.asked"),
                  <OrganisationLink key="asks" name={text(found, "asks")} />,
                ]
              : null,
            [t("threshold.default"), text(thresholds, "default")],
            ...Object.entries(row(thresholds.operations)).map(
              ([number, weight]) => [name("operation_number", number), String(weight)] as const,
            ),
          ]}
        />
      </Card>
      <Card title={t("account.signers")} flush>
        {signers.length === 0 ? (
          <Nothing title={t("account.signers.empty")} />
        ) : (
          <DataTable
            caption={t("account.signers")}
            rows={signers}
            rowKey={(one) => JSON.stringify(one.key)}
            columns={[
              {
                title: t("key"),
                cell: (one) => {
                  const [algorithm, key] = Object.entries(row(one.key))[0] ?? ["", ""];
                  return (
                    <>
                      <div className="muted">{name("algorithm", algorithm)}</div>
                      <Id value={String(key)} />
                    </>
                  );
                },
              },
              { title: t("weight"), right: true, cell: (one) => text(one, "weight") },
              {
                title: t("account.limits"),
                cell: (one) =>
                  one.limits ? (
                    <details>
                      <summary>{t("yes")}</summary>
                      <pre className="code wrap">{JSON.stringify(one.limits, null, 1)}</pre>
                    </details>
                  ) : (
                    <span className="muted">{t("no")}</span>
                  ),
              },
            ]}
          />
        )}
      </Card>
    </>
  );
}

/** The organisation to which an account belongs, and why. */
function Belongs({ found }: { found: Row }) {
  const { t } = useText();
  const organisation = text(found, "organisation");
  if (!organisation) return <span className="muted">{t("organisation.none")}</span>;
  return (
    <span className="row">
      <OrganisationLink name={organisation} />
      {found.votes ? <Pill tone="good">{t("member.votes")}</Pill> : null}
    </span>
  );
}

function Memberships({ address }: { address: string }) {
  const { t } = useText();
  const spans = useSpans();
  return (
    <List<Row>
      name="memberships"
      caption={t("account.memberships")}
      route="/api/v1/accounts/{address}/memberships"
      places={place(address)}
      filters={[{ name: "organisation", label: "organisation" }, ...spans.filters]}
      rowKey={(one, at) => `${text(one, "since")} ${at}`}
      empty={<Nothing title={t("account.memberships.empty")} />}
      columns={[
        {
          title: t("organisation"),
          cell: (one) => <OrganisationLink name={text(one, "organisation")} />,
        },
        {
          title: t("organisation.asked"),
          cell: (one) => <OrganisationLink name={text(one, "asks")} />,
        },
        ...spans.columns,
      ]}
    />
  );
}

const place = (address: string) => ({ address });

function Holdings({ address }: { address: string }) {
  const { t } = useText();
  return (
    <List<Row>
      name="holdings"
      caption={t("account.holdings")}
      route="/api/v1/accounts/{address}/holdings"
      places={place(address)}
      filters={[
        { name: "asset", label: "filter.asset" },
        { name: "height", label: "filter.height" },
      ]}
      rowKey={(one, at) => assetOf(one) || String(at)}
      empty={<Nothing title={t("account.holdings.empty")} />}
      columns={[
        { title: t("asset"), cell: (one) => <AssetName asset={assetOf(one)} /> },
        {
          title: t("balance"),
          right: true,
          cell: (one) => <Amount asset={assetOf(one)} amount={text(one, "balance") ?? "0"} />,
        },
        {
          title: t("reserved"),
          right: true,
          cell: (one) => <Amount asset={assetOf(one)} amount={text(one, "reserved") ?? "0"} />,
        },
        {
          title: t("state"),
          cell: (one) => <HoldingState frozen={Boolean(one.frozen)} />,
        },
      ]}
    />
  );
}

/** Heights between which an entry stood, and the filters of lists that have such. */
function useSpans() {
  const { t } = useText();
  const filters: Filter[] = [
    { name: "height", label: "filter.height" },
    {
      name: "history",
      label: "filter.history",
      choices: [["1", t("filter.history.whole")]],
      hint: t("filter.history.now"),
    },
  ];
  const columns: Column<Row>[] = [
    { title: t("since"), right: true, cell: (one) => <BlockLink height={text(one, "since")} /> },
    { title: t("until"), right: true, cell: (one) => <BlockLink height={text(one, "until")} /> },
  ];
  return { filters, columns };
}

function Items({ address }: { address: string }) {
  const { t } = useText();
  const spans = useSpans();
  return (
    <List<Row>
      name="items"
      caption={t("account.items")}
      route="/api/v1/accounts/{address}/items"
      places={place(address)}
      filters={[
        { name: "asset", label: "filter.asset" },
        { name: "name", label: "item" },
        ...spans.filters,
      ]}
      rowKey={(one, at) => `${assetOf(one)} ${text(one, "item")} ${at}`}
      empty={<Nothing title={t("account.items.empty")} />}
      columns={[
        { title: t("asset"), cell: (one) => <AssetName asset={assetOf(one)} /> },
        { title: t("item"), cell: (one) => text(one, "item") },
        { title: t("digest"), cell: (one) => <Id value={text(one, "digest")} /> },
        ...spans.columns,
      ]}
    />
  );
}

function History({ address }: { address: string }) {
  const { t } = useText();
  const columns = useTransactionColumns();
  const filters = useTransactionFilters(["asset", "kind", "code", "times"]);
  return (
    <List<TransactionRow>
      name="account-transactions"
      caption={t("nav.transactions")}
      route="/api/v1/accounts/{address}/transactions"
      places={place(address)}
      filters={filters}
      rowKey={(one, at) => one.hash ?? one.id ?? String(at)}
      columns={columns}
      empty={<Nothing title={t("transactions.empty")} />}
    />
  );
}

function Claims({ address }: { address: string }) {
  const { t } = useText();
  const spans = useSpans();
  return (
    <List<Row>
      name="claims"
      caption={t("account.claims")}
      route="/api/v1/accounts/{address}/claims"
      places={place(address)}
      filters={[
        { name: "issuer", label: "claim.issuer" },
        { name: "name", label: "claim.kind" },
        ...spans.filters,
      ]}
      rowKey={(one, at) => `${text(one, "issuer")} ${text(one, "kind")} ${at}`}
      empty={<Nothing title={t("account.claims.empty")} text={t("account.claims.text")} />}
      columns={[
        { title: t("claim.kind"), cell: (one) => text(one, "kind") },
        { title: t("claim.issuer"), cell: (one) => <AccountId value={text(one, "issuer")} /> },
        { title: t("digest"), cell: (one) => <Id value={text(one, "digest")} /> },
        { title: t("expires"), cell: (one) => dateTime(text(one, "expires")) },
        ...spans.columns,
      ]}
    />
  );
}

function DataEntries({ address }: { address: string }) {
  const { t } = useText();
  const spans = useSpans();
  return (
    <List<Row>
      name="data"
      caption={t("account.data")}
      route="/api/v1/accounts/{address}/data"
      places={place(address)}
      filters={[{ name: "name", label: "name" }, ...spans.filters]}
      rowKey={(one, at) => `${text(one, "name")} ${at}`}
      empty={<Nothing title={t("account.data.empty")} />}
      columns={[
        { title: t("name"), cell: (one) => text(one, "name") },
        {
          title: t("value"),
          cell: (one) => {
            const value = text(one, "value") ?? "";
            return <span className="mono">{readable(value) ?? shown(value)}</span>;
          },
        },
        { title: t("version"), right: true, cell: (one) => text(one, "version") },
        ...spans.columns,
      ]}
    />
  );
}

function Holds({ address }: { address: string }) {
  const { t, name } = useText();
  const spans = useSpans();
  return (
    <List<Row>
      name="holds"
      caption={t("account.holds")}
      route="/api/v1/accounts/{address}/holds"
      places={place(address)}
      filters={[
        { name: "asset", label: "filter.asset" },
        {
          name: "state",
          label: "state",
          choices: worded(name)("hold_state", ["open", "captured", "released", "expired"]),
        },
        ...spans.filters,
      ]}
      rowKey={(one, at) => text(one, "hold") ?? String(at)}
      empty={<Nothing title={t("account.holds.empty")} text={t("account.holds.text")} />}
      columns={[
        { title: t("hold"), cell: (one) => <Id value={text(one, "hold")} /> },
        {
          title: t("amount"),
          right: true,
          cell: (one) => <Amount asset={assetOf(one)} amount={text(one, "amount") ?? "0"} />,
        },
        { title: t("beneficiary"), cell: (one) => <AccountId value={text(one, "beneficiary")} /> },
        { title: t("expires"), cell: (one) => <Time ms={text(one, "expires")} exact /> },
        { title: t("state"), cell: (one) => name("hold_state", text(one, "state")) },
        ...spans.columns,
      ]}
    />
  );
}
