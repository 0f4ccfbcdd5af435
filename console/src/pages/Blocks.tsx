/** Blocks: list and one block. */
import { useQuery } from "@tanstack/react-query";
import { Button } from "antd";
import { Link, useNavigate, useParams } from "react-router";
import { List, TIMES } from "../components/DataTable";
import { useKinds } from "../components/Kinds";
import {
  AccountId,
  Answered,
  BlockLink,
  Card,
  Code,
  Facts,
  Id,
  Nothing,
  PageHead,
  Pill,
  Time,
  TransactionId,
} from "../components/parts";
import { useTransactionFilters } from "../components/TransactionFilters";
import { address, get } from "../lib/api";
import { bytesText, grouped, short } from "../lib/format";
import { useText } from "../lib/text";
import type { BlockDetail, Transaction } from "../lib/types";

export function Blocks() {
  const { t } = useText();
  return (
    <>
      <PageHead name={t("nav.blocks")} title={t("nav.blocks")} text={t("blocks.text")} />
      <Card flush>
        <List
          name="blocks"
          caption={t("nav.blocks")}
          route="/api/v1/blocks"
          filters={TIMES}
          rowKey={(one) => one.height}
          empty={<Nothing title={t("blocks.empty")} />}
          columns={[
            { title: t("height"), cell: (one) => <BlockLink height={one.height} /> },
            { title: t("time"), cell: (one) => <Time ms={one.time} exact /> },
            {
              title: t("transactions.count"),
              right: true,
              cell: (one) => grouped(one.receipts),
            },
            { title: t("epoch"), right: true, cell: (one) => grouped(one.epoch) },
            { title: t("round"), right: true, cell: (one) => grouped(one.round) },
            { title: t("digest"), cell: (one) => <Id value={one.digest} /> },
          ]}
        />
      </Card>
    </>
  );
}

export function useTransactionColumns() {
  const { t } = useText();
  const kinds = useKinds();
  return [
    {
      title: t("transaction"),
      cell: (one: Transaction) => <TransactionId value={one.hash} />,
    },
    { title: t("what"), cell: kinds },
    { title: t("source"), cell: (one: Transaction) => <AccountId value={one.source} /> },
    { title: t("result"), cell: (one: Transaction) => <Code code={one.code} /> },
    {
      title: t("block"),
      right: true,
      cell: (one: Transaction) => <BlockLink height={one.height} />,
    },
    { title: t("time"), right: true, cell: (one: Transaction) => <Time ms={one.time} /> },
  ];
}

export function BlockPage() {
  const { t } = useText();
  const { height = "" } = useParams();
  const navigate = useNavigate();
  const query = useQuery({
    queryKey: ["block", height],
    queryFn: ({ signal }) => get(address("/api/v1/blocks/{block}", { block: height }), signal),
  });
  const columns = useTransactionColumns();
  const filters = useTransactionFilters(["account", "kind", "code"]);
  // The address may name the block by its digest.
  const own = query.data?.height ?? (/^\d+$/.test(height) ? height : null);
  const neighbour = (step: number) => () => navigate(`/blocks/${Number(own) + step}`);
  return (
    <>
      <PageHead
        name={`${t("block")} ${own ?? short(height)}`}
        title={`${t("block")} ${own ? grouped(own) : short(height)}`}
        actions={
          <>
            <Button disabled={own === null || Number(own) <= 1} onClick={neighbour(-1)}>
              {t("block.before")}
            </Button>
            <Button disabled={own === null} onClick={neighbour(1)}>
              {t("block.next")}
            </Button>
          </>
        }
      />
      <Answered query={query}>
        {(found) => (
          <div className="stack">
            <Card>
              <BlockFacts block={found} />
            </Card>
            <Card flush title={t("nav.transactions")}>
              <List
                name="block-transactions"
                caption={t("nav.transactions")}
                route="/api/v1/blocks/{block}/transactions"
                places={{ block: height }}
                filters={filters}
                rowKey={(one) => one.hash}
                empty={<Nothing title={t("block.empty")} text={t("block.empty.text")} />}
                columns={columns}
              />
            </Card>
          </div>
        )}
      </Answered>
    </>
  );
}

function BlockFacts({ block }: { block: BlockDetail }) {
  const { t } = useText();
  return (
    <Facts
      items={[
        [t("time"), <Time key="time" ms={block.time} exact />],
        [t("digest"), <Id key="digest" value={block.digest} whole />],
        [
          t("block.parent"),
          <Link key="parent" to={`/blocks/${Number(block.height) - 1}`} className="mono">
            {block.parent}
          </Link>,
        ],
        [t("transactions.count"), grouped(block.receipts)],
        [t("state_root"), <Id key="state" value={block.state_root} whole />],
        [t("receipt_root"), <Id key="receipt" value={block.receipt_root} whole />],
        [t("epoch"), grouped(block.epoch)],
        [t("round"), grouped(block.round)],
        [t("size"), bytesText(block.bytes)],
        block.voters.length > 0
          ? [
              t("block.signers"),
              <span key="signers" className="row">
                {block.voters.map((name) => (
                  <Pill key={name} tone="good">
                    {name}
                  </Pill>
                ))}
              </span>,
            ]
          : null,
      ]}
    />
  );
}
