/** Validators, proposals with their votes, evidence. */
import { useQuery } from "@tanstack/react-query";
import { Link, useParams } from "react-router";
import { DataTable, List } from "../components/DataTable";
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
  type Tone,
} from "../components/parts";
import { QuorumBar } from "../components/Quorum";
import { address, get } from "../lib/api";
import { grouped } from "../lib/format";
import { row, rows, shown, text } from "../lib/rows";
import { useSession } from "../lib/session";
import { useText } from "../lib/text";
import type { Row } from "../lib/types";
import { useOverview } from "./Overview";

export function Validators() {
  const { t, name } = useText();
  const { network } = useSession();
  const overview = useOverview();
  const query = useQuery({
    queryKey: ["validators"],
    queryFn: ({ signal }) => get<Row>("/api/v1/validators", signal),
    refetchInterval: 10_000,
  });
  return (
    <>
      <PageHead
        name={t("nav.validators")}
        title={t("nav.validators")}
        text={t("validators.text")}
      />
      <div className="stack">
        <Card
          title={t("quorum")}
          extra={network && `${t("engine")} ${network.engine} · ${t("epoch")} ${network.epoch}`}
        >
          <Answered query={overview} lines={3}>
            {(found) => <QuorumBar validators={found.validators ?? []} quorum={found.quorum} />}
          </Answered>
        </Card>
        <Card flush>
          <Answered query={query}>
            {(found) => (
              <DataTable
                caption={t("nav.validators")}
                rows={rows(found.items ?? found.validators)}
                rowKey={(one, at) => text(one, "name") ?? String(at)}
                columns={[
                  { title: t("name"), cell: (one) => text(one, "name") },
                  { title: t("organisation"), cell: (one) => text(one, "organisation") },
                  { title: t("weight"), right: true, cell: (one) => text(one, "weight") },
                  {
                    title: t("state"),
                    cell: (one) =>
                      one.missing ? (
                        <Pill tone="bad">{t("validator.missing")}</Pill>
                      ) : (
                        <Pill tone="good">{t("validator.present")}</Pill>
                      ),
                  },
                  {
                    title: t("key"),
                    cell: (one) => {
                      const [algorithm, key] = Object.entries(row(one.key))[0] ?? ["", ""];
                      return (
                        <>
                          <span className="muted">
                            {algorithm && name("algorithm", algorithm)}
                          </span>{" "}
                          <Id value={String(key)} />
                        </>
                      );
                    },
                  },
                ]}
              />
            )}
          </Answered>
        </Card>
      </div>
    </>
  );
}

function stateTone(state: string | null): Tone {
  if (state === "active" || state === "approved") return "good";
  if (state === "open") return "info";
  return state === "rejected" || state === "failed" || state === "lapsed" ? "bad" : "";
}

export function Proposals() {
  const { t, name } = useText();
  return (
    <>
      <PageHead name={t("nav.proposals")} title={t("nav.proposals")} text={t("proposals.text")} />
      <Card flush>
        <List<Row>
          name="proposals"
          caption={t("nav.proposals")}
          route="/api/v1/proposals"
          csv={false}
          rowKey={(one, at) => text(one, "id", "proposal") ?? String(at)}
          empty={<Nothing title={t("proposals.empty")} text={t("proposals.empty.text")} />}
          columns={[
            {
              title: t("proposal"),
              cell: (one) => {
                const id = text(one, "id", "proposal");
                return <Id value={id} to={`/proposals/${id}`} />;
              },
            },
            {
              title: t("proposal.changes"),
              cell: (one) =>
                rows(one.changes)
                  .map((change) =>
                    name(
                      "change",
                      typeof change === "string" ? change : (Object.keys(change)[0] ?? ""),
                    ),
                  )
                  .join(t("comma")),
            },
            {
              title: t("state"),
              cell: (one) => (
                <Pill tone={stateTone(text(one, "state"))}>
                  {name("proposal_state", text(one, "state"))}
                </Pill>
              ),
            },
            {
              title: t("proposal.proposer"),
              cell: (one) => <AccountId value={text(one, "proposer", "source")} />,
            },
            { title: t("expires"), cell: (one) => <Time ms={text(one, "expires")} exact /> },
          ]}
        />
      </Card>
    </>
  );
}

export function ProposalPage() {
  const { t, name } = useText();
  const { proposal = "" } = useParams();
  const query = useQuery({
    queryKey: ["proposal", proposal],
    queryFn: ({ signal }) => get<Row>(address("/api/v1/proposals/{id}", { id: proposal }), signal),
  });
  return (
    <>
      <PageHead name={t("proposal")} title={t("proposal")} text={<Id value={proposal} whole />} />
      <Answered query={query}>
        {(answer) => {
          const found = { ...answer, ...row(answer.value), ...row(row(answer.value).v1) };
          const votes = rows(found.votes);
          return (
            <div className="grid">
              <Card className="w8" title={t("proposal.changes")}>
                <ol className="steps">
                  {rows(found.changes).map((change, at) => {
                    const kind =
                      typeof change === "string" ? change : (Object.keys(change)[0] ?? "");
                    return (
                      <li key={at}>
                        <span className="place">{at + 1}</span>
                        <div>
                          <h3>{name("change", kind)}</h3>
                          <pre className="code wrap">
                            {JSON.stringify(row(change)[kind] ?? {}, null, 1)}
                          </pre>
                        </div>
                        <span />
                      </li>
                    );
                  })}
                </ol>
              </Card>
              <div className="w4 stack">
                <Card title={t("state")}>
                  <Facts
                    items={[
                      [
                        t("state"),
                        <Pill key="s" tone={stateTone(text(found, "state"))}>
                          {name("proposal_state", text(found, "state"))}
                        </Pill>,
                      ],
                      [
                        t("proposal.proposer"),
                        <AccountId key="p" value={text(found, "proposer", "source")} />,
                      ],
                      [t("expires"), <Time key="e" ms={text(found, "expires")} exact />],
                      text(found, "activation_height")
                        ? [t("proposal.activation"), grouped(text(found, "activation_height"))]
                        : null,
                      text(found, "memo") ? [t("memo"), text(found, "memo")] : null,
                    ]}
                  />
                </Card>
                <Card flush title={t("proposal.votes")}>
                  {votes.length === 0 ? (
                    <Nothing title={t("proposal.votes.empty")} />
                  ) : (
                    <DataTable
                      caption={t("proposal.votes")}
                      rows={votes}
                      rowKey={(one, at) => text(one, "organisation", "voter") ?? String(at)}
                      columns={[
                        {
                          title: t("organisation"),
                          cell: (one) => text(one, "organisation", "voter"),
                        },
                        { title: t("weight"), right: true, cell: (one) => text(one, "weight") },
                        {
                          title: t("proposal.vote"),
                          cell: (one) => (
                            <Pill tone={one.approve ? "good" : "bad"}>
                              {one.approve ? t("vote.yes") : t("vote.no")}
                            </Pill>
                          ),
                        },
                      ]}
                    />
                  )}
                </Card>
              </div>
            </div>
          );
        }}
      </Answered>
      <p style={{ marginTop: 16 }}>
        <Link to="/proposals">{t("proposals.all")}</Link>
      </p>
    </>
  );
}

export function Evidence() {
  const { t, name } = useText();
  return (
    <>
      <PageHead name={t("nav.evidence")} title={t("nav.evidence")} text={t("evidence.text")} />
      <Card flush>
        <List<Row>
          name="evidence"
          caption={t("nav.evidence")}
          route="/api/v1/evidence"
          csv={false}
          rowKey={(one, at) => text(one, "id", "key") ?? String(at)}
          empty={<Nothing title={t("evidence.empty")} text={t("evidence.empty.text")} />}
          columns={[
            {
              title: t("evidence.member"),
              cell: (one) => text(one, "member", "validator") ?? shown(one.member),
            },
            {
              title: t("evidence.kind"),
              cell: (one) => name("evidence_kind", text(one, "kind") ?? "equivocation"),
            },
            { title: t("block"), cell: (one) => <BlockLink height={text(one, "height")} /> },
            {
              title: t("evidence.reporter"),
              cell: (one) => <AccountId value={text(one, "reporter")} />,
            },
            {
              title: t("evidence.action"),
              cell: (one) => name("evidence_action", text(one, "action")),
            },
          ]}
        />
      </Card>
    </>
  );
}
