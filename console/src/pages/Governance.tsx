/** Validators, proposals with their votes, evidence. */
import { useQuery } from "@tanstack/react-query";
import { Link, useParams } from "react-router";
import { DataTable, List, worded } from "../components/DataTable";
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
  TransactionId,
} from "../components/parts";
import { QuorumBar } from "../components/Quorum";
import { OrganisationLink } from "../components/Words";
import { address, get } from "../lib/api";
import { grouped } from "../lib/format";
import { rows, text } from "../lib/rows";
import { useSession } from "../lib/session";
import { useText } from "../lib/text";
import type { Difference, Proposal, Row, Vote } from "../lib/types";
import { useOverview } from "./Overview";

/** For which statements a validator can contradict itself. */
const EVIDENCE_KINDS = ["change", "grant", "proposal", "first", "commit"];

export function Validators() {
  const { t, name } = useText();
  const { network } = useSession();
  const overview = useOverview();
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
            {(found) => <QuorumBar validators={found.validators} quorum={found.quorum} />}
          </Answered>
        </Card>
        <Card flush title={t("validators.now")}>
          <List
            name="validators"
            caption={t("nav.validators")}
            route="/api/v1/validators"
            refresh={10_000}
            filters={[
              { name: "organisation", label: "organisation" },
              {
                name: "state",
                label: "state",
                choices: worded(name)("validator", ["present", "missing"]),
              },
            ]}
            rowKey={(one) => one.name}
            columns={[
              { title: t("name"), cell: (one) => one.name },
              {
                title: t("organisation"),
                cell: (one) => <OrganisationLink name={one.organisation} />,
              },
              { title: t("weight"), right: true, cell: (one) => one.weight },
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
                  const [algorithm, key] = Object.entries(one.key)[0] ?? ["", ""];
                  return (
                    <>
                      <span className="muted">{algorithm && name("algorithm", algorithm)}</span>{" "}
                      <Id value={key} />
                    </>
                  );
                },
              },
            ]}
          />
        </Card>
        <Card flush title={t("epochs")}>
          <List
            name="epochs"
            caption={t("epochs")}
            route="/api/v1/epochs"
            scope="epochs"
            filters={[{ name: "engine", label: "engine" }]}
            rowKey={(one) => one.epoch}
            empty={<Nothing title={t("epochs")} />}
            columns={[
              { title: t("epoch"), cell: (one) => one.epoch },
              {
                title: t("epochs.from"),
                cell: (one) => <BlockLink height={one.height} />,
              },
              { title: t("time"), cell: (one) => <Time ms={one.time} exact /> },
              { title: t("engine"), cell: (one) => one.engine },
              {
                title: t("quorum"),
                right: true,
                cell: (one) => `${one.quorum} / ${one.total}`,
              },
              {
                title: t("nav.validators"),
                cell: (one) => one.validators.map((member) => member.name).join(t("comma")),
              },
              {
                title: t("proposal"),
                cell: (one) => <Id value={one.proposal} to={`/proposals/${one.proposal}`} />,
              },
            ]}
          />
        </Card>
      </div>
    </>
  );
}

/** Signature algorithms by their number in the ledger. */
const ALGORITHMS = ["ed25519", "secp256k1", "p256", "sm2"];
/** The last time that a date can hold, in ms. */
const LAST_TIME = 8.64e15;
const PROPOSAL_STATES = [
  "open",
  "approved",
  "active",
  "rejected",
  "withdrawn",
  "expired",
  "lapsed",
] as const;

function stateTone(state: Proposal["state"]): Tone {
  if (state === "active" || state === "approved") return "good";
  if (state === "open") return "info";
  return state === "rejected" || state === "lapsed" ? "bad" : "";
}

/** Who opened a proposal: an organisation, or evidence. */
function Proposer({ of }: { of: Proposal }) {
  const { t } = useText();
  const { evidence } = of;
  if (evidence === null) return <OrganisationLink name={of.proposer} />;
  return <Link to={`/evidence/${evidence}`}>{t("nav.evidence")}</Link>;
}

export function Proposals() {
  const { t, name } = useText();
  return (
    <>
      <PageHead name={t("nav.proposals")} title={t("nav.proposals")} text={t("proposals.text")} />
      <Card flush>
        <List
          name="proposals"
          caption={t("nav.proposals")}
          route="/api/v1/proposals"
          filters={[
            {
              name: "state",
              label: "state",
              choices: PROPOSAL_STATES.map((one) => [one, name("proposal_state", one)] as const),
            },
            { name: "organisation", label: "organisation" },
          ]}
          rowKey={(one) => one.id}
          empty={<Nothing title={t("proposals.empty")} text={t("proposals.empty.text")} />}
          columns={[
            {
              title: t("proposal"),
              cell: (one) => <Id value={one.id} to={`/proposals/${one.id}`} />,
            },
            {
              title: t("proposal.changes"),
              cell: (one) =>
                one.changes
                  .map((change) => name("change", Object.keys(change)[0]))
                  .join(t("comma")),
            },
            {
              title: t("state"),
              cell: (one) => (
                <Pill tone={stateTone(one.state)}>{name("proposal_state", one.state)}</Pill>
              ),
            },
            { title: t("proposal.proposer"), cell: (one) => <Proposer of={one} /> },
            { title: t("block"), cell: (one) => <BlockLink height={one.opened} /> },
            { title: t("expires"), cell: (one) => <Time ms={one.expires} exact /> },
          ]}
        />
      </Card>
    </>
  );
}

/** A value of the settings for people: names of fields in their language, one below the other. */
function Setting({ value }: { value: unknown }) {
  const { t, name } = useText();
  if (value === null || value === undefined || value === false) {
    return <span className="muted">{t("diff.nothing")}</span>;
  }
  if (value === true) return <>{t("diff.there")}</>;
  if (Array.isArray(value)) return <span className="mono">{value.join(" / ")}</span>;
  if (typeof value !== "object")
    return <span className="mono">{name("listing", String(value))}</span>;
  return (
    <Facts
      items={Object.entries(value)
        .filter(([field, one]) => field !== "name" && one !== null)
        .map(([field, one]) => [
          name("setting", field),
          <Field key={field} field={field} value={one} />,
        ])}
    />
  );
}

/** A time of the ledger; of one that no calendar has, the number. */
function Until({ ms }: { ms: string }) {
  return Math.abs(Number(ms)) <= LAST_TIME ? <Time ms={ms} exact /> : <span>{ms}</span>;
}

function Field({ field, value }: { field: string; value: unknown }) {
  const { t, name } = useText();
  if (field === "old_until") return <Until ms={String(value)} />;
  if (field === "retired") {
    const retired = rows(value);
    if (retired.length === 0) return <span className="muted">{t("diff.nothing")}</span>;
    return (
      <>
        {retired.map((one) => (
          <div key={text(one, "algorithm")}>
            {name("algorithm", ALGORITHMS[Number(one.algorithm)])}{" "}
            <Until ms={text(one, "until") ?? ""} />
          </div>
        ))}
      </>
    );
  }
  if (Array.isArray(value)) {
    return <>{value.map((one) => name("algorithm", ALGORITHMS[Number(one)])).join(" ")}</>;
  }
  if (typeof value === "object" && value !== null) {
    const [algorithm, key] = Object.entries(value)[0] ?? ["", ""];
    return (
      <>
        {name("algorithm", algorithm)} <Id value={String(key)} />
      </>
    );
  }
  const plain = String(value);
  return plain.length > 24 ? <Id value={plain} /> : plain;
}

/** What a change is about: the name of a parameter, validator or organisation, or a node. */
function subject(fields: Row): string | null {
  return text(fields, "name", "node", "fingerprint");
}

/** What a change sets, without what it is about. */
function after(kind: string, fields: Row): unknown {
  switch (kind) {
    case "set_parameter":
      return fields.value;
    case "set_engine":
      return fields.name;
    case "set_quorum":
      return [fields.numerator, fields.denominator];
    case "set_protocol_version":
      return fields.version;
    case "allow_node":
      return "allowed";
    case "deny_node":
      return "denied";
    case "revoke_certificate":
      return true;
    case "clear_node":
    case "remove_validator":
    case "remove_organisation":
      return null;
    default:
      return fields;
  }
}

export function Differences({ diff }: { diff: readonly Difference[] }) {
  const { t, name } = useText();
  return (
    <DataTable
      caption={t("proposal.changes")}
      rows={diff}
      rowKey={(_one, at) => String(at)}
      columns={[
        {
          title: t("change"),
          cell: (one) => {
            const about = subject(one.fields);
            return (
              <>
                <strong>{name("change", one.change)}</strong>
                {one.change === "set_parameter" && <div>{name("parameter", about)}</div>}
                {about && (
                  <div className="mono">{about.length > 24 ? <Id value={about} /> : about}</div>
                )}
              </>
            );
          },
        },
        { title: t("diff.before"), cell: (one) => <Setting value={one.before} /> },
        {
          title: t("diff.after"),
          cell: (one) => <Setting value={after(one.change, one.fields)} />,
        },
      ]}
    />
  );
}

function VoteOf({ of }: { of: Vote }) {
  const { t } = useText();
  if (of.approve === null) return <Pill>{t("vote.none")}</Pill>;
  return (
    <Pill tone={of.approve ? "good" : "bad"}>{of.approve ? t("vote.yes") : t("vote.no")}</Pill>
  );
}

function Votes({
  caption,
  votes,
  when,
}: {
  caption: string;
  votes: readonly Vote[];
  when?: boolean;
}) {
  const { t } = useText();
  return (
    <DataTable
      caption={caption}
      rows={votes}
      rowKey={(one, at) => `${one.organisation} ${at}`}
      columns={[
        {
          title: t("organisation"),
          cell: (one) => <OrganisationLink name={one.organisation} />,
        },
        { title: t("weight"), right: true, cell: (one) => one.weight },
        { title: t("proposal.vote"), cell: (one) => <VoteOf of={one} /> },
        ...(when
          ? [
              { title: t("time"), cell: (one: Vote) => <Time ms={one.time} exact /> },
              {
                title: t("transaction"),
                cell: (one: Vote) => <TransactionId value={one.transaction} />,
              },
            ]
          : []),
      ]}
    />
  );
}

export function ProposalPage() {
  const { t, name } = useText();
  const { proposal = "" } = useParams();
  const query = useQuery({
    queryKey: ["proposal", proposal],
    queryFn: ({ signal }) => get(address("/api/v1/proposals/{proposal}", { proposal }), signal),
  });
  return (
    <>
      <PageHead name={t("proposal")} title={t("proposal")} text={<Id value={proposal} whole />} />
      <Answered query={query}>
        {(found) => (
          <div className="grid">
            <div className="w8 stack">
              <Card flush title={t("proposal.changes")}>
                <Differences diff={found.diff} />
              </Card>
              <Card flush title={t("proposal.history")}>
                {found.history.length === 0 ? (
                  <Nothing title={t("proposal.votes.empty")} />
                ) : (
                  <Votes caption={t("proposal.history")} votes={found.history} when />
                )}
              </Card>
            </div>
            <div className="w4 stack">
              <Card title={t("state")}>
                <Facts
                  items={[
                    [
                      t("state"),
                      <Pill key="s" tone={stateTone(found.state)}>
                        {name("proposal_state", found.state)}
                      </Pill>,
                    ],
                    [
                      t("proposal.approving"),
                      t("proposal.weights", {
                        approving: found.approving,
                        quorum: found.quorum,
                        total: found.total,
                      }),
                    ],
                    [t("proposal.proposer"), <Proposer key="p" of={found} />],
                    [t("block"), <BlockLink key="b" height={found.opened} />],
                    found.transaction
                      ? [t("transaction"), <TransactionId key="t" value={found.transaction} />]
                      : null,
                    [t("expires"), <Time key="e" ms={found.expires} exact />],
                    found.activation_height
                      ? [t("proposal.activation"), grouped(found.activation_height)]
                      : null,
                    found.not_before
                      ? [t("proposal.not_before"), grouped(found.not_before)]
                      : null,
                    found.acknowledged.length > 0
                      ? [t("proposal.acknowledged"), found.acknowledged.join(t("comma"))]
                      : null,
                    found.memo ? [t("memo"), found.memo] : null,
                  ]}
                />
              </Card>
              <Card flush title={t("proposal.votes")}>
                <Votes caption={t("proposal.votes")} votes={found.votes} />
              </Card>
              {found.ready.length > 0 && (
                <Card title={t("proposal.ready")}>
                  <Facts
                    items={found.ready.map((one) => [
                      one.name,
                      <Pill key="r" tone={one.ready ? "good" : ""}>
                        {one.ready ? t("proposal.ready.yes") : t("proposal.ready.no")}
                      </Pill>,
                    ])}
                  />
                </Card>
              )}
            </div>
          </div>
        )}
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
        <List
          name="evidence"
          caption={t("nav.evidence")}
          route="/api/v1/evidence"
          filters={[
            { name: "validator", label: "validator" },
            {
              name: "kind",
              label: "evidence.kind",
              choices: worded(name)("evidence_kind", EVIDENCE_KINDS),
            },
          ]}
          rowKey={(one) => one.id}
          empty={<Nothing title={t("evidence.empty")} text={t("evidence.empty.text")} />}
          columns={[
            {
              title: t("nav.evidence"),
              cell: (one) => <Id value={one.id} to={`/evidence/${one.id}`} />,
            },
            { title: t("evidence.member"), cell: (one) => one.member },
            {
              title: t("evidence.kind"),
              cell: (one) => name("evidence_kind", one.kind),
            },
            {
              title: t("evidence.about"),
              cell: (one) => <BlockLink height={one.height} />,
            },
            {
              title: t("evidence.reporter"),
              cell: (one) => <AccountId value={one.reporter} />,
            },
            {
              title: t("evidence.action"),
              cell: (one) => name("evidence_action", one.action),
            },
          ]}
        />
      </Card>
    </>
  );
}

export function EvidencePage() {
  const { t, name } = useText();
  const { evidence = "" } = useParams();
  const query = useQuery({
    queryKey: ["evidence", evidence],
    queryFn: ({ signal }) => get(address("/api/v1/evidence/{evidence}", { evidence }), signal),
  });
  return (
    <>
      <PageHead
        name={t("nav.evidence")}
        title={t("nav.evidence")}
        text={<Id value={evidence} whole />}
      />
      <Answered query={query}>
        {(found) => (
          <Card>
            <Facts
              items={[
                [t("evidence.member"), found.member],
                [t("evidence.kind"), name("evidence_kind", found.kind)],
                [t("evidence.about"), <BlockLink key="h" height={found.height} />],
                [t("epoch"), found.epoch],
                [t("engine"), found.engine],
                [t("evidence.round"), found.round],
                [t("evidence.one"), <Id key="1" value={found.digest_one} whole />],
                [t("evidence.two"), <Id key="2" value={found.digest_two} whole />],
                [t("evidence.reporter"), <AccountId key="r" value={found.reporter} />],
                [t("transaction"), <TransactionId key="t" value={found.transaction} />],
                [t("evidence.action"), name("evidence_action", found.action)],
                found.proposal
                  ? [
                      t("proposal"),
                      <Id key="p" value={found.proposal} to={`/proposals/${found.proposal}`} />,
                    ]
                  : null,
              ]}
            />
          </Card>
        )}
      </Answered>
      <p style={{ marginTop: 16 }}>
        <Link to="/evidence">{t("evidence.all")}</Link>
      </p>
    </>
  );
}
