/** Records: list, one record with its versions and where it comes from. */
import { useQuery } from "@tanstack/react-query";
import { Link, useParams, useSearchParams } from "react-router";
import { List } from "../components/DataTable";
import { DocumentCheck } from "../components/Document";
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
import { type Graph, RecordGraph } from "../components/RecordGraph";
import { address, get } from "../lib/api";
import { bytesText, readable } from "../lib/format";
import { recordPath } from "../lib/links";
import { row, text } from "../lib/rows";
import { useText } from "../lib/text";
import type { Page, Row } from "../lib/types";

const digestOf = (one: Row): string | null =>
  text(row(one.digest), "bytes") ?? text(one, "digest");
const algorithmOf = (one: Row): string | null =>
  text(row(one.digest), "algorithm") ?? text(one, "algorithm");

/** Where a version stands for ever. */
const pathOf = (one: Row): string =>
  recordPath(text(one, "namespace") ?? "", text(one, "key") ?? "", text(one, "version"));

const VersionLink = ({ one }: { one: Row }) => (
  <Link to={pathOf(one)}>{text(one, "version")}</Link>
);

export function Records() {
  const { t, name } = useText();
  const spaces = useQuery({
    queryKey: ["namespaces"],
    queryFn: ({ signal }) => get<Page<Row>>("/api/v1/namespaces?limit=200", signal),
  });
  const choices = (spaces.data?.items ?? []).map((one) => {
    const id = text(one, "namespace", "id") ?? "";
    return [id, text(one, "name") ?? id] as const;
  });
  return (
    <>
      <PageHead name={t("nav.records")} title={t("nav.records")} text={t("records.text")} />
      <Card flush>
        <List<Row>
          name="records"
          caption={t("nav.records")}
          route="/api/v1/records"
          filters={[
            { name: "namespace", label: "filter.namespace", choices },
            { name: "key", label: "filter.key" },
            { name: "digest", label: "filter.digest" },
            { name: "writer", label: "record.writer" },
          ]}
          rowKey={(one, at) =>
            `${text(one, "namespace")} ${text(one, "key")} ${text(one, "version")} ${at}`
          }
          empty={<Nothing title={t("records.empty")} text={t("records.empty.text")} />}
          columns={[
            {
              title: t("record.key"),
              cell: (one) => <Link to={pathOf(one)}>{text(one, "key")}</Link>,
            },
            {
              title: t("namespace"),
              cell: (one) =>
                text(one, "namespace_name") ??
                choices.find(([id]) => id === text(one, "namespace"))?.[1] ?? (
                  <Id value={text(one, "namespace")} />
                ),
            },
            { title: t("version"), right: true, cell: (one) => text(one, "version") },
            { title: t("digest"), cell: (one) => <Id value={digestOf(one)} /> },
            { title: t("content"), cell: (one) => name("content", text(one, "content_kind")) },
            {
              title: t("record.writer"),
              cell: (one) => <AccountId value={text(one, "writer")} />,
            },
            { title: t("time"), right: true, cell: (one) => <Time ms={text(one, "time")} /> },
          ]}
        />
      </Card>
    </>
  );
}

export function RecordPage() {
  const { t } = useText();
  const { namespace = "", key = "" } = useParams();
  const [search] = useSearchParams();
  const version = search.get("version");
  const places = { namespace, key };
  const one = useQuery({
    queryKey: ["record", namespace, key, version],
    queryFn: ({ signal }) =>
      get<Row>(address("/api/v1/records/{namespace}/{key}", places, { version }), signal),
  });
  const graph = useQuery({
    queryKey: ["record-graph", namespace, key, version],
    queryFn: ({ signal }) =>
      get<Graph>(address("/api/v1/records/{namespace}/{key}/graph", places, { version }), signal),
  });
  return (
    <>
      <PageHead name={key} title={key} text={t("record.text")} />
      <div className="grid">
        <div className="w8 stack">
          <Card title={t("record.graph")}>
            <Answered query={graph}>{(found) => <RecordGraph graph={found} />}</Answered>
          </Card>
          <Card flush title={t("record.versions")}>
            <Versions namespace={namespace} record={key} />
          </Card>
        </div>
        <div className="w4 stack">
          <Answered query={one}>
            {(found) => <Version found={found} newest={version === null} />}
          </Answered>
        </div>
      </div>
    </>
  );
}

/** One version; `newest` where the page follows the newest one. */
function Version({ found, newest }: { found: Row; newest: boolean }) {
  const { t, name } = useText();
  const own = text(found, "version") ?? "";
  const plain = text(found, "content");
  const kind = text(found, "content_kind");
  const size = text(found, "content_size");
  return (
    <>
      <Card
        title={newest ? t("record.newest") : t("record.version", { version: own })}
        extra={newest ? null : <Link to={{ search: "" }}>{t("record.newest")}</Link>}
      >
        <Facts
          items={[
            [t("version"), <VersionLink key="version" one={found} />],
            [t("record.writer"), <AccountId key="writer" value={text(found, "writer")} />],
            [t("time"), <Time key="time" ms={text(found, "time")} exact />],
            [t("digest"), <Id key="digest" value={digestOf(found)} whole />],
            [t("algorithm"), name("digest", algorithmOf(found))],
            [t("content"), name("content", kind)],
            size ? [t("size"), bytesText(size)] : null,
            text(found, "height")
              ? [t("block"), <BlockLink key="height" height={text(found, "height")} />]
              : null,
          ]}
        />
        {plain && <pre className="code wrap">{readable(plain) ?? plain}</pre>}
        {kind === "cipher" && <Pill tone="info">{t("record.private")}</Pill>}
      </Card>
      <Card title={t("record.compare")}>
        <DocumentCheck digest={digestOf(found) ?? ""} algorithm={algorithmOf(found) ?? "sha256"} />
      </Card>
    </>
  );
}

function Versions(props: { namespace: string; record: string }) {
  const { t } = useText();
  return (
    <List<Row>
      name="record-versions"
      caption={t("record.versions")}
      route="/api/v1/records/{namespace}/{key}/versions"
      places={{ namespace: props.namespace, key: props.record }}
      filters={[{ name: "writer", label: "record.writer" }]}
      rowKey={(one, at) => text(one, "version") ?? String(at)}
      columns={[
        { title: t("version"), cell: (one) => <VersionLink one={one} /> },
        { title: t("digest"), cell: (one) => <Id value={digestOf(one)} /> },
        { title: t("record.writer"), cell: (one) => <AccountId value={text(one, "writer")} /> },
        {
          title: t("block"),
          right: true,
          cell: (one) => <BlockLink height={text(one, "height")} />,
        },
        { title: t("time"), right: true, cell: (one) => <Time ms={text(one, "time")} exact /> },
      ]}
    />
  );
}
