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
import { get } from "../lib/api";
import { bytesText, grouped, short } from "../lib/format";
import { row, rows, text } from "../lib/rows";
import { useText } from "../lib/text";
import type { Block, TransactionRow } from "../lib/types";
import { blockTransactions } from "./Overview";

export function Blocks() {
  const { t } = useText();
  return (
    <>
      <PageHead name={t("nav.blocks")} title={t("nav.blocks")} text={t("blocks.text")} />
      <Card flush>
        <List<Block>
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
              cell: (one) => grouped(blockTransactions(one)),
            },
            { title: t("epoch"), right: true, cell: (one) => grouped(text(one, "epoch")) },
            { title: t("round"), right: true, cell: (one) => grouped(text(one, "round")) },
            { title: t("digest"), cell: (one) => <Id value={text(one, "digest", "id")} /> },
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
      cell: (one: TransactionRow) => <TransactionId value={one.hash ?? one.id} />,
    },
    { title: t("what"), cell: kinds },
    { title: t("source"), cell: (one: TransactionRow) => <AccountId value={one.source} /> },
    { title: t("result"), cell: (one: TransactionRow) => <Code code={one.code} /> },
    {
      title: t("block"),
      right: true,
      cell: (one: TransactionRow) => <BlockLink height={one.height} />,
    },
    { title: t("time"), right: true, cell: (one: TransactionRow) => <Time ms={one.time} /> },
  ];
}

export function BlockPage() {
  const { t } = useText();
  const { height = "" } = useParams();
  const navigate = useNavigate();
  const query = useQuery({
    queryKey: ["block", height],
    queryFn: ({ signal }) => get<Block>(`/api/v1/blocks/${encodeURIComponent(height)}`, signal),
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
              <List<TransactionRow>
                name="block-transactions"
                caption={t("nav.transactions")}
                route="/api/v1/blocks/{height}/transactions"
                places={{ height }}
                filters={filters}
                rowKey={(one, at) => one.hash ?? one.id ?? String(at)}
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

function BlockFacts({ block }: { block: Block }) {
  const { t } = useText();
  const proposal = row(row(block.proposal).v1 ?? block.proposal);
  const outcome = row(row(block.outcome).v1 ?? block.outcome);
  const all = { ...proposal, ...outcome, ...block };
  const signers = rows(all.signers ?? all.voters ?? row(all.certificate).votes);
  const size = text(all, "bytes");
  return (
    <Facts
      items={[
        [t("time"), <Time key="time" ms={text(all, "time")} exact />],
        [t("digest"), <Id key="digest" value={text(all, "digest")} whole />],
        [
          t("block.parent"),
          <Link key="parent" to={`/blocks/${Number(block.height) - 1}`} className="mono">
            {text(all, "parent") ?? "–"}
          </Link>,
        ],
        [t("transactions.count"), grouped(blockTransactions(block))],
        [t("state_root"), <Id key="state" value={text(all, "state_root")} whole />],
        [t("receipt_root"), <Id key="receipt" value={text(all, "receipt_root")} whole />],
        [t("epoch"), grouped(text(all, "epoch"))],
        [t("round"), grouped(text(all, "round"))],
        size ? [t("size"), bytesText(size)] : null,
        signers.length > 0
          ? [
              t("block.signers"),
              <span key="signers" className="row">
                {signers.map((one) => {
                  const name = typeof one === "string" ? one : text(one, "name", "validator");
                  return (
                    <Pill key={String(name)} tone="good">
                      {name}
                    </Pill>
                  );
                })}
              </span>,
            ]
          : null,
      ]}
    />
  );
}
