/** Transactions: list and one transaction with its proof. */
import { useQuery } from "@tanstack/react-query";
import { useParams } from "react-router";
import { DataTable, List } from "../components/DataTable";
import { ReceiptProofPanel } from "../components/Proof";
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
} from "../components/parts";
import { useTransactionFilters } from "../components/TransactionFilters";
import { Sentence, unpacked } from "../components/Words";
import { address, get } from "../lib/api";
import { dateTime, readable } from "../lib/format";
import { useText } from "../lib/text";
import type { Row, TransactionDetail } from "../lib/types";
import { useTransactionColumns } from "./Blocks";

export function Transactions() {
  const { t } = useText();
  const columns = useTransactionColumns();
  const filters = useTransactionFilters(["account", "asset", "kind", "code", "times"]);
  return (
    <>
      <PageHead
        name={t("nav.transactions")}
        title={t("nav.transactions")}
        text={t("transactions.text")}
      />
      <Card flush>
        <List
          name="transactions"
          caption={t("nav.transactions")}
          route="/api/v1/transactions"
          rowKey={(one) => one.hash}
          columns={columns}
          empty={<Nothing title={t("transactions.empty")} text={t("transactions.empty.text")} />}
          filters={filters}
        />
      </Card>
    </>
  );
}

export function TransactionPage() {
  const { t } = useText();
  const { hash = "" } = useParams();
  const query = useQuery({
    queryKey: ["transaction", hash],
    queryFn: ({ signal }) => get(address("/api/v1/transactions/{hash}", { hash }), signal),
  });
  return (
    <>
      <PageHead
        name={`${t("transaction")} ${hash.slice(0, 8)}`}
        title={t("transaction")}
        text={<Id value={hash} whole />}
      />
      <Answered query={query} lines={8}>
        {(found) => (
          <div className="grid">
            <div className="w8 stack">
              <Result found={found} />
              <Operations found={found} />
              <Events events={found.events} />
            </div>
            <div className="w4 stack">
              <Where found={found} />
              <Signatures found={found} />
              <ReceiptProofPanel hash={hash} code={found.code} />
            </div>
          </div>
        )}
      </Answered>
    </>
  );
}

function Result({ found }: { found: TransactionDetail }) {
  const { t, name, rich } = useText();
  const final = found.code === "final";
  const failed = found.body.operations.findIndex((one) => one.code === found.code);
  return (
    <Card title={t("result")}>
      <div className="row" style={{ marginBottom: 8 }}>
        <Code code={found.code} />
        {!final && failed >= 0 && <span>{t("transaction.failed_at", { n: failed + 1 })}</span>}
      </div>
      <p className="sentence">
        {final
          ? rich("transaction.final", {
              height: <BlockLink height={found.height} />,
              time: <b>{dateTime(found.time)}</b>,
            })
          : rich("transaction.rejected", {
              height: <BlockLink height={found.height} />,
              reason: <b>{name("meaning", found.code)}</b>,
            })}
      </p>
    </Card>
  );
}

function Operations({ found }: { found: TransactionDetail }) {
  const { t, name } = useText();
  const { operations, source } = found.body;
  if (operations.length === 0) {
    return (
      <Card title={t("operations")}>
        <Nothing title={t("transaction.due")} text={t("transaction.due.text")} />
      </Card>
    );
  }
  return (
    <Card title={t("operations")} extra={t("operations.n", { n: operations.length })}>
      <ol className="steps">
        {operations.map((one, at) => (
          <li key={at}>
            <span className="place">{at + 1}</span>
            <div>
              <h3>{name("operation", unpacked(one.body).kind)}</h3>
              <Sentence group="does" body={one.body} source={one.source ?? source} />
              <details>
                <summary className="muted">{t("fields")}</summary>
                <pre className="code wrap">
                  {JSON.stringify(unpacked(one.body).fields, null, 2)}
                </pre>
              </details>
            </div>
            <Code code={one.code} />
          </li>
        ))}
      </ol>
    </Card>
  );
}

function Events({ events }: { events: readonly Row[] }) {
  const { t, name } = useText();
  return (
    <Card title={t("events")} extra={events.length > 0 ? events.length : undefined}>
      {events.length === 0 ? (
        <Nothing title={t("events.empty")} text={t("events.empty.text")} />
      ) : (
        <ol className="steps">
          {events.map((found, at) => {
            const event = found.event ?? found;
            return (
              <li key={at}>
                <span className="place">{at + 1}</span>
                <div>
                  <h3>{name("event", unpacked(event).kind)}</h3>
                  <Sentence group="happened" body={event} />
                </div>
                <span />
              </li>
            );
          })}
        </ol>
      )}
    </Card>
  );
}

function Where({ found }: { found: TransactionDetail }) {
  const { t } = useText();
  const { memo, preconditions: conditions } = found.body;
  return (
    <Card title={t("transaction.where")}>
      <Facts
        items={[
          [t("block"), <BlockLink key="height" height={found.height} />],
          [t("time"), <Time key="time" ms={found.time} exact />],
          [t("source"), <AccountId key="source" value={found.source} />],
          [t("valid_until"), dateTime(found.valid_until)],
          memo
            ? [
                t("memo"),
                readable(memo) ?? (
                  <span key="memo" className="mono">
                    {memo}
                  </span>
                ),
              ]
            : null,
          conditions.length > 0
            ? [
                t("conditions"),
                <pre key="conditions" className="code wrap">
                  {JSON.stringify(conditions, null, 1)}
                </pre>,
              ]
            : null,
        ]}
      />
    </Card>
  );
}

function Signatures({ found }: { found: TransactionDetail }) {
  const { t, name } = useText();
  const { signatures, thresholds: needed } = found;
  return (
    <Card title={t("signatures")} flush>
      {signatures.length === 0 ? (
        <Nothing title={t("signatures.empty")} />
      ) : (
        <DataTable
          caption={t("signatures")}
          rows={signatures}
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
              title: t("counted"),
              cell: (one) => (
                <Pill tone={one.counted ? "good" : ""}>{one.counted ? t("yes") : t("no")}</Pill>
              ),
            },
          ]}
        />
      )}
      {needed.length > 0 && (
        <div style={{ padding: "10px 18px 14px" }} className="muted">
          {needed.map((one, at) => (
            <div key={at}>
              {t("threshold.of", {
                operation: name("operation", one.operation),
                weight: one.threshold,
              })}{" "}
              ({t("threshold.reached", { weight: one.weight })})
            </div>
          ))}
        </div>
      )}
    </Card>
  );
}
