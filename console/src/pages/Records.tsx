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
import { RecordGraph } from "../components/RecordGraph";
import { address, get, getAll } from "../lib/api";
import { bytesText, readable } from "../lib/format";
import { recordPath } from "../lib/links";
import { useText } from "../lib/text";
import type { RecordDetail, Reference } from "../lib/types";

/** Where a version stands for ever. */
const pathOf = (one: Reference): string => recordPath(one.namespace, one.key, one.version);

const VersionLink = ({ one }: { one: Reference }) => <Link to={pathOf(one)}>{one.version}</Link>;

export function Records() {
  const { t, name } = useText();
  const spaces = useQuery({
    queryKey: ["namespaces"],
    queryFn: ({ signal }) => getAll("/api/v1/namespaces", {}, signal),
  });
  const choices = (spaces.data?.items ?? []).map((one) => [one.namespace, one.name] as const);
  return (
    <>
      <PageHead name={t("nav.records")} title={t("nav.records")} text={t("records.text")} />
      <Card flush>
        <List
          name="records"
          caption={t("nav.records")}
          route="/api/v1/records"
          filters={[
            { name: "namespace", label: "filter.namespace", choices },
            { name: "key", label: "filter.key" },
            { name: "digest", label: "filter.digest" },
            { name: "writer", label: "record.writer" },
          ]}
          rowKey={(one, at) => `${one.namespace} ${one.key} ${one.version} ${at}`}
          empty={<Nothing title={t("records.empty")} text={t("records.empty.text")} />}
          columns={[
            {
              title: t("record.key"),
              cell: (one) => <Link to={pathOf(one)}>{one.key}</Link>,
            },
            {
              title: t("namespace"),
              cell: (one) => one.namespace_name ?? <Id value={one.namespace} />,
            },
            { title: t("version"), right: true, cell: (one) => one.version },
            { title: t("digest"), cell: (one) => <Id value={one.digest} /> },
            { title: t("content"), cell: (one) => name("content", one.content_kind) },
            {
              title: t("record.writer"),
              cell: (one) => <AccountId value={one.writer} />,
            },
            { title: t("time"), right: true, cell: (one) => <Time ms={one.time} /> },
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
  const version = search.get("version") || null;
  const places = { namespace, key };
  const one = useQuery({
    queryKey: ["record", namespace, key, version],
    queryFn: ({ signal }) =>
      get(address("/api/v1/records/{namespace}/{key}", places, { version }), signal),
  });
  const graph = useQuery({
    queryKey: ["record-graph", namespace, key, version],
    queryFn: ({ signal }) =>
      get(address("/api/v1/records/{namespace}/{key}/graph", places, { version }), signal),
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
function Version({ found, newest }: { found: RecordDetail; newest: boolean }) {
  const { t, name } = useText();
  const { content: plain, content_kind: kind, version } = found;
  return (
    <>
      <Card
        title={newest ? t("record.newest") : t("record.version", { version })}
        extra={newest ? null : <Link to={{ search: "" }}>{t("record.newest")}</Link>}
      >
        <Facts
          items={[
            [t("version"), <VersionLink key="version" one={found} />],
            [t("record.writer"), <AccountId key="writer" value={found.writer} />],
            [t("time"), <Time key="time" ms={found.time} exact />],
            [t("digest"), <Id key="digest" value={found.digest} whole />],
            [t("algorithm"), name("digest", found.algorithm)],
            [t("content"), name("content", kind)],
            [t("size"), bytesText(found.content_size)],
            [t("block"), <BlockLink key="height" height={found.height} />],
          ]}
        />
        {plain && <pre className="code wrap">{readable(plain) ?? plain}</pre>}
        {kind === "cipher" && <Pill tone="info">{t("record.private")}</Pill>}
      </Card>
      <Card title={t("record.compare")}>
        <DocumentCheck digest={found.digest} algorithm={found.algorithm} />
      </Card>
    </>
  );
}

function Versions(props: { namespace: string; record: string }) {
  const { t } = useText();
  return (
    <List
      name="record-versions"
      caption={t("record.versions")}
      route="/api/v1/records/{namespace}/{key}/versions"
      places={{ namespace: props.namespace, key: props.record }}
      filters={[{ name: "writer", label: "record.writer" }]}
      rowKey={(one) => String(one.version)}
      columns={[
        { title: t("version"), cell: (one) => <VersionLink one={one} /> },
        { title: t("digest"), cell: (one) => <Id value={one.digest} /> },
        { title: t("record.writer"), cell: (one) => <AccountId value={one.writer} /> },
        {
          title: t("block"),
          right: true,
          cell: (one) => <BlockLink height={one.height} />,
        },
        { title: t("time"), right: true, cell: (one) => <Time ms={one.time} exact /> },
      ]}
    />
  );
}
