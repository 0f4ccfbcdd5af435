/** Tables and lists: filters in the address, paging by cursor, export as CSV. */
import { DownloadOutlined } from "@ant-design/icons";
import { useQuery } from "@tanstack/react-query";
import { Button, Input, Select } from "antd";
import { type ReactNode, useId, useState } from "react";
import { useLocation, useNavigate, useSearchParams } from "react-router";
import {
  address,
  get,
  type Item,
  type ListRoute,
  type Places,
  type Query,
  send,
} from "../lib/api";
import { grouped } from "../lib/format";
import { save } from "../lib/save";
import { type Key, useText } from "../lib/text";
import type { Page } from "../lib/types";
import { Bones, Nothing, Trouble } from "./parts";

export interface Column<T> {
  title: ReactNode;
  cell: (row: T) => ReactNode;
  right?: boolean;
}

export function DataTable<T>(props: {
  caption: string;
  columns: readonly Column<T>[];
  rows: readonly T[];
  rowKey: (row: T, at: number) => string;
}) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must take the focus
    <section className="table-wrap" tabIndex={0} aria-label={props.caption}>
      <table className="data">
        <caption className="visually-hidden">{props.caption}</caption>
        <thead>
          <tr>
            {props.columns.map((column, at) => (
              <th key={at} scope="col" className={column.right ? "right" : undefined}>
                {column.title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {props.rows.map((row, at) => (
            <tr key={props.rowKey(row, at)}>
              {props.columns.map((column, place) => (
                <td key={place} className={column.right ? "right" : undefined}>
                  {column.cell(row)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

/** The whole list as a file for spreadsheets; it says where the gateway cut it. */
export function CsvLink({ url }: { url: string }) {
  const { t } = useText();
  const [said, setSaid] = useState("");
  const load = async (): Promise<void> => {
    setSaid("");
    try {
      const answer = await send(url);
      const named = answer.headers.get("content-disposition") ?? "";
      const name = /filename="([^"]+)"/.exec(named)?.[1] ?? "list.csv";
      save(name, await answer.text(), "text/csv;charset=utf-8");
      const rows = /-first-(\d+)\.csv$/.exec(name)?.[1];
      if (rows) setSaid(t("csv.cut", { n: grouped(rows) }));
    } catch {
      setSaid(t("csv.failed"));
    }
  };
  return (
    <span className="row">
      {said && <span role="status">{said}</span>}
      <a
        href={url}
        download
        className="nowrap"
        onClick={(event) => {
          event.preventDefault();
          void load();
        }}
      >
        <DownloadOutlined /> {t("csv")}
      </a>
    </span>
  );
}

export interface Filter {
  name: string;
  label: Key;
  /** Values to choose from with their texts; free text without. */
  choices?: readonly (readonly [string, string])[];
  hint?: string;
  /** What the gateway gets for what was typed. */
  send?: (typed: string) => string;
  /** What it chooses is a list of its own, with words of its own where that is empty. */
  listing?: boolean;
}

const DAY_MS = 86_400_000;

/** A day such as 2026-01-31, in local time, in ms: its begin, or its end with `days` 1. */
export const dayStart =
  (days = 0) =>
  (typed: string): string => {
    const found = /^(\d{4})-(\d{1,2})-(\d{1,2})$/.exec(typed);
    if (!found) return typed;
    const date = new Date(Number(found[1]), Number(found[2]) - 1, Number(found[3]));
    return String(date.getTime() + days * DAY_MS - (days ? 1 : 0));
  };

function FilterInput(props: { filter: Filter; value: string; onChange: (value: string) => void }) {
  const { t } = useText();
  const { filter, value } = props;
  const [typed, setTyped] = useState(value);
  const [seen, setSeen] = useState(value);
  if (seen !== value) {
    setSeen(value);
    setTyped(value);
  }
  const id = useId();
  if (filter.choices) {
    return (
      <label htmlFor={id}>
        {t(filter.label)}
        <Select
          id={id}
          aria-label={t(filter.label)}
          allowClear
          value={value || undefined}
          placeholder={filter.hint ?? t("any")}
          onChange={(chosen?: string) => props.onChange(chosen ?? "")}
          options={filter.choices.map(([one, label]) => ({ value: one, label }))}
          showSearch={{ optionFilterProp: "label" }}
          popupMatchSelectWidth={false}
        />
      </label>
    );
  }
  return (
    <label htmlFor={id}>
      {t(filter.label)}
      <Input
        id={id}
        allowClear
        value={typed}
        placeholder={filter.hint ?? t("any")}
        onChange={(event) => setTyped(event.target.value)}
        onPressEnter={() => props.onChange(typed.trim())}
        onBlur={() => typed.trim() !== value && props.onChange(typed.trim())}
      />
    </label>
  );
}

/** Filters of lists that are bounded by time. */
export const TIMES: readonly Filter[] = [
  { name: "from", label: "filter.from", hint: "2026-01-31", send: dayStart() },
  { name: "to", label: "filter.to", hint: "2026-02-28", send: dayStart(1) },
];

/** Choices whose texts are those of a group of codes. */
export const worded =
  (name: (group: string, code: string) => string) =>
  (group: string, codes: readonly string[]): readonly (readonly [string, string])[] =>
    codes.map((one) => [one, name(group, one)] as const);

/** A list of the gateway. `name` begins the query key, so that live events refresh it. */
export function List<R extends ListRoute>(props: {
  name: string;
  caption: string;
  route: R;
  places?: Places<R>;
  fixed?: Query;
  filters?: readonly Filter[];
  columns: readonly Column<Item<R>>[];
  rowKey: (row: Item<R>, at: number) => string;
  empty?: ReactNode;
  /** Prefix of this list's parameters where a page has several lists. */
  scope?: string;
  /** Milliseconds after which it is asked for again, where no event tells of changes. */
  refresh?: number;
}) {
  const { t } = useText();
  const [search, setSearch] = useSearchParams();
  const navigate = useNavigate();
  const location = useLocation();
  const scoped = (name: string): string => (props.scope ? `${props.scope}.${name}` : name);
  const chosen: Query = { ...props.fixed };
  for (const filter of props.filters ?? []) {
    const typed = search.get(scoped(filter.name));
    chosen[filter.name] = typed && filter.send ? filter.send(typed) : typed;
  }
  const cursor = search.get(scoped("cursor"));
  const places = props.places ?? ({} as Places<R>);
  const url = address(props.route, places, { ...chosen, cursor });
  // What is not shown may still be there.
  const narrowed =
    Boolean(cursor) ||
    (props.filters ?? []).some((one) => !one.listing && search.get(scoped(one.name)));
  const query = useQuery({
    queryKey: [props.name, url],
    queryFn: async ({ signal }) => (await get(url, signal)) as Page<Item<R>>,
    refetchInterval: props.refresh,
    placeholderData: (before, earlier) =>
      earlier && String(earlier.queryKey[1]).split("?")[0] === url.split("?")[0]
        ? before
        : undefined,
  });
  const choose = (name: string, value: string): void => {
    const next = new URLSearchParams(search);
    next.delete(scoped("cursor"));
    if (value) next.set(scoped(name), value);
    else next.delete(scoped(name));
    setSearch(next);
  };
  const go = (to: string | null): void => {
    const next = new URLSearchParams(search);
    if (to) next.set(scoped("cursor"), to);
    else next.delete(scoped("cursor"));
    navigate({ search: next.toString() }, { state: { paged: to !== null } });
  };
  const paged = (location.state as { paged?: boolean } | null)?.paged === true;
  const csv = address(props.route, places, { ...chosen, format: "csv" });
  const rows = query.data?.items;
  return (
    <>
      {props.filters && (
        <search className="filters" aria-label={t("filters")}>
          {props.filters.map((filter) => (
            <FilterInput
              key={filter.name}
              filter={filter}
              value={search.get(scoped(filter.name)) ?? ""}
              onChange={(value) => choose(filter.name, value)}
            />
          ))}
        </search>
      )}
      {rows === undefined ? (
        query.error ? (
          <Trouble error={query.error} retry={() => query.refetch()} />
        ) : (
          <Bones lines={8} />
        )
      ) : rows.length === 0 ? (
        narrowed ? (
          <Nothing title={t("empty.narrowed")} text={t("empty.narrowed.text")} />
        ) : (
          (props.empty ?? <Nothing />)
        )
      ) : (
        <DataTable
          caption={props.caption}
          columns={props.columns}
          rows={rows}
          rowKey={props.rowKey}
        />
      )}
      {rows !== undefined && (rows.length > 0 || cursor) && (
        <nav className="pager" aria-label={t("pages")}>
          {cursor && (
            <>
              <Button size="small" onClick={() => go(null)}>
                {t("page.first")}
              </Button>
              {paged && (
                <Button size="small" onClick={() => navigate(-1)}>
                  {t("page.before")}
                </Button>
              )}
            </>
          )}
          {query.data?.next && (
            <Button size="small" onClick={() => go(query.data?.next ?? null)}>
              {t("page.next")}
            </Button>
          )}
          <span className="grow">
            {query.data?.height && t("as_of", { height: grouped(query.data.height) })}
          </span>
          <CsvLink url={csv} />
        </nav>
      )}
    </>
  );
}
