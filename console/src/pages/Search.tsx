/** Search by anything, also by a document. */
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Link, useNavigate, useSearchParams } from "react-router";
import { DataTable } from "../components/DataTable";
import { DropZone, type Hashed } from "../components/Document";
import { Answered, Card, Facts, Id, Nothing, PageHead, Pill } from "../components/parts";
import { address, get } from "../lib/api";
import { bytesText } from "../lib/format";
import { recordPath } from "../lib/links";
import { useText } from "../lib/text";
import type { Hit } from "../lib/types";

/** Where a search result leads. */
export function pathOf(one: Pick<Hit, "kind" | "id" | "version">): string {
  const { kind, id } = one;
  if (kind === "record") {
    const [space = "", ...rest] = id.split("/");
    return recordPath(space, rest.join("/"), one.version);
  }
  if (kind === "namespace") return `/records?namespace=${id}`;
  if (kind === "account_transactions") return `/transactions?account=${id}`;
  if (kind === "asset_transactions") return `/transactions?asset=${id}`;
  const folder = {
    block: "blocks",
    transaction: "transactions",
    account: "accounts",
    asset: "assets",
    proposal: "proposals",
    evidence: "evidence",
    organisation: "organisations",
  };
  return `/${folder[kind]}/${encodeURIComponent(id)}`;
}

/** All that these words name, each hit once. */
async function searched(words: readonly string[], signal: AbortSignal): Promise<Hit[]> {
  const answers = await Promise.all(
    words.map((q) => get(address("/api/v1/search", {}, { q }), signal)),
  );
  const hits = answers.flatMap((one) => one.items).map((one) => [hitKey(one), one] as const);
  return [...new Map(hits).values()];
}

const hitKey = (one: Hit): string => [one.kind, one.id, one.version].join(" ");

/** Where a document is searched: records name it by either digest. */
const documentPath = (one: Hashed): string => `/search?q=${one.sha256}&or=${one.sm3}`;

export function Search() {
  const { t, name } = useText();
  const [search] = useSearchParams();
  const navigate = useNavigate();
  const wanted = search.get("q") ?? "";
  const [document, setDocument] = useState<Hashed | null>(null);
  const words = [wanted, search.get("or") ?? ""].filter((one) => one !== "");
  const query = useQuery({
    queryKey: ["search", ...words],
    queryFn: ({ signal }) => searched(words, signal),
    enabled: words.length > 0,
  });
  const found = (one: Hashed): void => {
    setDocument(one);
    navigate(documentPath(one));
  };
  const shown = document && [document.sha256, document.sm3].includes(wanted) ? document : null;
  return (
    <>
      <PageHead name={t("search")} title={t("search")} text={t("search.text")} />
      <div className="stack">
        {words.length > 0 && (
          <Card flush title={t("search.results", { q: shown?.name ?? wanted })}>
            <Answered query={query}>
              {(hits) =>
                hits.length === 0 ? (
                  <Nothing title={t("search.empty")} text={t("search.empty.text")} />
                ) : (
                  <DataTable
                    caption={t("search")}
                    rows={hits}
                    rowKey={hitKey}
                    columns={[
                      {
                        title: t("search.kind"),
                        cell: (one) => <Pill tone="info">{name("kind", one.kind)}</Pill>,
                      },
                      {
                        title: t("search.found"),
                        cell: (one) => <Link to={pathOf(one)}>{one.title}</Link>,
                      },
                      { title: t("search.id"), cell: (one) => <Id value={one.id} /> },
                    ]}
                  />
                )
              }
            </Answered>
          </Card>
        )}
        <Card title={t("search.document")}>
          <DropZone onHashed={found} text={t("search.drop")} />
          {shown && (
            <Facts
              items={[
                [t("document"), `${shown.name} (${bytesText(shown.size)})`],
                [
                  "SHA-256",
                  <Link key="sha" className="mono" to={`/search?q=${shown.sha256}`}>
                    {shown.sha256}
                  </Link>,
                ],
                [
                  "SM3",
                  <Link key="sm3" className="mono" to={`/search?q=${shown.sm3}`}>
                    {shown.sm3}
                  </Link>,
                ],
              ]}
            />
          )}
        </Card>
      </div>
    </>
  );
}
