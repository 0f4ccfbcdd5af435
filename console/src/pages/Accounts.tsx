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
import { get, address as urlOf } from "../lib/api";
import { dateTime, readable } from "../lib/format";
import { useText } from "../lib/text";
import type { Account } from "../lib/types";
import { useTransactionColumns } from "./Blocks";

export function Accounts() {
  const { t } = useText();
  return (
    <>
      <PageHead name={t("nav.accounts")} title={t("nav.accounts")} text={t("accounts.text")} />
      <Card flush>
        <List
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
          rowKey={(one) => one.address}
          columns={[
            {
              title: t("account"),
              cell: (one) => <AccountId value={one.address} />,
            },
            {
              title: t("account.creator"),
              cell: (one) => <AccountId value={one.creator} />,
            },
            {
              title: t("account.opened"),
              right: true,
              cell: (one) => <BlockLink height={one.created} />,
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
  const query = useQuery({
    queryKey: ["account", address],
    queryFn: ({ signal }) => get(urlOf("/api/v1/accounts/{address}", { address }), signal),
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
              <AccountQuota account={address} />
              <StateProofPanel subject={{ account: address }} />
            </div>
          </div>
        )}
      </Answered>
    </>
  );
}

function Header({ found }: { found: Account }) {
  const { t, name } = useText();
  const { signers, thresholds } = found;
  return (
    <>
      <Card title={t("account.header")}>
        <Facts
          items={[
            [
              t("state"),
              found.closed ? (
                <Pill key="state">{t("account.closed")}</Pill>
              ) : (
                <Pill key="state" tone="good">
                  {t("account.open")}
                </Pill>
              ),
            ],
            [t("account.opened"), <BlockLink key="created" height={found.created} />],
            [t("organisation"), <Belongs key="organisation" found={found} />],
            found.asks
              ? [t("organisation.asked"), <OrganisationLink key="asks" name={found.asks} />]
              : null,
            [t("threshold.default"), thresholds?.default],
            ...Object.entries(thresholds?.operations ?? {}).map(
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
                  const [algorithm, key] = Object.entries(one.key)[0] ?? ["", ""];
                  return (
                    <>
                      <div className="muted">{name("algorithm", algorithm)}</div>
                      <Id value={key} />
                    </>
                  );
                },
              },
              { title: t("weight"), right: true, cell: (one) => one.weight },
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
function Belongs({ found }: { found: Account }) {
  const { t } = useText();
  const organisation = found.organisation;
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
    <List
      name="memberships"
      caption={t("account.memberships")}
      route="/api/v1/accounts/{address}/memberships"
      places={place(address)}
      filters={[{ name: "organisation", label: "organisation" }, ...spans.filters]}
      rowKey={(one, at) => `${one.since} ${at}`}
      empty={<Nothing title={t("account.memberships.empty")} />}
      columns={[
        {
          title: t("organisation"),
          cell: (one) => <OrganisationLink name={one.organisation} />,
        },
        {
          title: t("organisation.asked"),
          cell: (one) => <OrganisationLink name={one.asks} />,
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
    <List
      name="holdings"
      caption={t("account.holdings")}
      route="/api/v1/accounts/{address}/holdings"
      places={place(address)}
      filters={[
        { name: "asset", label: "filter.asset" },
        { name: "height", label: "filter.height" },
      ]}
      rowKey={(one) => one.asset.id}
      empty={<Nothing title={t("account.holdings.empty")} />}
      columns={[
        { title: t("asset"), cell: (one) => <AssetName asset={one.asset.id} /> },
        {
          title: t("balance"),
          right: true,
          cell: (one) => <Amount asset={one.asset.id} amount={one.balance} />,
        },
        {
          title: t("reserved"),
          right: true,
          cell: (one) => <Amount asset={one.asset.id} amount={one.reserved} />,
        },
        {
          title: t("state"),
          cell: (one) => <HoldingState frozen={Boolean(one.frozen)} />,
        },
      ]}
    />
  );
}

interface Span {
  since: string;
  until: string | null;
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
  const columns: Column<Span>[] = [
    { title: t("since"), right: true, cell: (one) => <BlockLink height={one.since} /> },
    { title: t("until"), right: true, cell: (one) => <BlockLink height={one.until} /> },
  ];
  return { filters, columns };
}

function Items({ address }: { address: string }) {
  const { t } = useText();
  const spans = useSpans();
  return (
    <List
      name="items"
      caption={t("account.items")}
      route="/api/v1/accounts/{address}/items"
      places={place(address)}
      filters={[
        { name: "asset", label: "filter.asset" },
        { name: "name", label: "item" },
        ...spans.filters,
      ]}
      rowKey={(one, at) => `${one.asset.id} ${one.item} ${at}`}
      empty={<Nothing title={t("account.items.empty")} />}
      columns={[
        { title: t("asset"), cell: (one) => <AssetName asset={one.asset.id} /> },
        { title: t("item"), cell: (one) => one.item },
        { title: t("digest"), cell: (one) => <Id value={one.digest} /> },
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
    <List
      name="account-transactions"
      caption={t("nav.transactions")}
      route="/api/v1/accounts/{address}/transactions"
      places={place(address)}
      filters={filters}
      rowKey={(one) => one.hash}
      columns={columns}
      empty={<Nothing title={t("transactions.empty")} />}
    />
  );
}

function Claims({ address }: { address: string }) {
  const { t } = useText();
  const spans = useSpans();
  return (
    <List
      name="claims"
      caption={t("account.claims")}
      route="/api/v1/accounts/{address}/claims"
      places={place(address)}
      filters={[
        { name: "issuer", label: "claim.issuer" },
        { name: "name", label: "claim.kind" },
        ...spans.filters,
      ]}
      rowKey={(one, at) => `${one.issuer} ${one.kind} ${at}`}
      empty={<Nothing title={t("account.claims.empty")} text={t("account.claims.text")} />}
      columns={[
        { title: t("claim.kind"), cell: (one) => one.kind },
        { title: t("claim.issuer"), cell: (one) => <AccountId value={one.issuer} /> },
        { title: t("digest"), cell: (one) => <Id value={one.digest} /> },
        { title: t("expires"), cell: (one) => dateTime(one.expires) },
        ...spans.columns,
      ]}
    />
  );
}

function DataEntries({ address }: { address: string }) {
  const { t } = useText();
  const spans = useSpans();
  return (
    <List
      name="data"
      caption={t("account.data")}
      route="/api/v1/accounts/{address}/data"
      places={place(address)}
      filters={[{ name: "name", label: "name" }, ...spans.filters]}
      rowKey={(one, at) => `${one.name} ${at}`}
      empty={<Nothing title={t("account.data.empty")} />}
      columns={[
        { title: t("name"), cell: (one) => one.name },
        {
          title: t("value"),
          cell: (one) => {
            return <span className="mono">{readable(one.value) ?? one.value}</span>;
          },
        },
        { title: t("version"), right: true, cell: (one) => one.version },
        ...spans.columns,
      ]}
    />
  );
}

function Holds({ address }: { address: string }) {
  const { t, name } = useText();
  const spans = useSpans();
  return (
    <List
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
      rowKey={(one) => one.hold}
      empty={<Nothing title={t("account.holds.empty")} text={t("account.holds.text")} />}
      columns={[
        { title: t("hold"), cell: (one) => <Id value={one.hold} /> },
        {
          title: t("amount"),
          right: true,
          cell: (one) => <Amount asset={one.asset.id} amount={one.amount} />,
        },
        { title: t("beneficiary"), cell: (one) => <AccountId value={one.beneficiary} /> },
        { title: t("expires"), cell: (one) => <Time ms={one.expires} exact /> },
        { title: t("state"), cell: (one) => name("hold_state", one.state) },
        ...spans.columns,
      ]}
    />
  );
}
