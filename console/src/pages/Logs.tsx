/** The end of a node's log, with filters, followed live. */
import { useQuery } from "@tanstack/react-query";
import { Button, Input, Select, Switch } from "antd";
import { useId } from "react";
import { useSearchParams } from "react-router";
import { CsvLink } from "../components/DataTable";
import { Answered, Card, Nothing, PageHead, Pill, type Tone } from "../components/parts";
import { address, get, getAll } from "../lib/api";
import { dateTime } from "../lib/format";
import { useText } from "../lib/text";

const LINES = 300;
const LEVELS = ["debug", "info", "warning", "error", "critical"] as const;
const TONES: Record<string, Tone> = {
  warning: "warn",
  error: "bad",
  critical: "bad",
  info: "info",
};

export function Logs() {
  const { t, name } = useText();
  const ids = { node: useId(), level: useId(), part: useId(), contains: useId(), live: useId() };
  const [search, setSearch] = useSearchParams();
  const nodes = useQuery({
    queryKey: ["monitoring", "nodes-of-logs"],
    queryFn: ({ signal }) => getAll("/api/v1/monitoring/nodes", {}, signal),
  });
  const known = (nodes.data?.items ?? []).filter((one) => one.operator).map((one) => one.name);
  const node = search.get("node") ?? known[0] ?? "";
  const level = search.get("level") ?? "info";
  const paused = search.get("live") === "off";
  const set = (key: string, value: string): void => {
    const next = new URLSearchParams(search);
    if (value) next.set(key, value);
    else next.delete(key);
    next.delete("cursor");
    setSearch(next, { replace: true });
  };
  const cursor = search.get("cursor");
  const filters = {
    node,
    level,
    part: search.get("part"),
    contains: search.get("contains"),
  };
  const url = address("/api/v1/monitoring/logs", {}, { ...filters, cursor, limit: LINES });
  const csv = address("/api/v1/monitoring/logs", {}, { ...filters, format: "csv" });
  const go = (to: string): void => {
    const next = new URLSearchParams(search);
    if (to) next.set("cursor", to);
    else next.delete("cursor");
    setSearch(next);
  };
  const query = useQuery({
    queryKey: ["monitoring", url],
    queryFn: ({ signal }) => get(url, signal),
    enabled: node !== "",
    // What is older does not change.
    refetchInterval: paused || cursor ? false : 3_000,
  });
  return (
    <>
      <PageHead
        name={t("nav.logs")}
        title={t("nav.logs")}
        text={t("logs.text")}
        actions={node && <CsvLink url={csv} />}
      />
      <Card flush>
        <search className="filters" aria-label={t("filters")}>
          <label htmlFor={ids.node}>
            {t("node")}
            <Select
              id={ids.node}
              value={node || undefined}
              placeholder={t("node")}
              options={known.map((one) => ({ value: one, label: one }))}
              onChange={(one: string) => set("node", one)}
            />
          </label>
          <label htmlFor={ids.level}>
            {t("logs.level")}
            <Select
              id={ids.level}
              value={level}
              options={LEVELS.map((one) => ({ value: one, label: name("level", one) }))}
              onChange={(one: string) => set("level", one)}
            />
          </label>
          <label htmlFor={ids.part}>
            {t("logs.part")}
            <Input
              id={ids.part}
              allowClear
              defaultValue={search.get("part") ?? ""}
              onBlur={(event) => set("part", event.target.value)}
              onPressEnter={(event) => set("part", event.currentTarget.value)}
            />
          </label>
          <label htmlFor={ids.contains}>
            {t("logs.contains")}
            <Input
              id={ids.contains}
              allowClear
              defaultValue={search.get("contains") ?? ""}
              onBlur={(event) => set("contains", event.target.value)}
              onPressEnter={(event) => set("contains", event.currentTarget.value)}
            />
          </label>
          <label htmlFor={ids.live} style={{ minWidth: 70 }}>
            {t("logs.live")}
            <span>
              <Switch
                id={ids.live}
                checked={!paused}
                onChange={(on) => set("live", on ? "" : "off")}
              />
            </span>
          </label>
        </search>
        {node === "" && nodes.error ? (
          <Answered query={nodes}>{() => null}</Answered>
        ) : node === "" ? (
          <Nothing title={t("logs.none")} text={t("logs.none.text")} />
        ) : (
          <Answered query={query} lines={10}>
            {(found) =>
              found.items.length === 0 ? (
                <Nothing title={t("logs.empty")} />
              ) : (
                // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must take the focus
                <section className="log" tabIndex={0} aria-label={t("nav.logs")}>
                  <table>
                    <tbody>
                      {found.items.map((one) => {
                        const found = one.level.toLowerCase();
                        return (
                          <tr key={one.number}>
                            <td className="muted">{dateTime(one.time)}</td>
                            <td>
                              <Pill tone={TONES[found] ?? ""}>{name("level", found)}</Pill>
                            </td>
                            <td className="muted">{one.part}</td>
                            <td className="text">{one.text}</td>
                          </tr>
                        );
                      })}
                    </tbody>
                  </table>
                </section>
              )
            }
          </Answered>
        )}
        {(cursor || query.data?.next) && (
          <nav className="pager" aria-label={t("pages")}>
            {cursor && (
              <Button size="small" onClick={() => go("")}>
                {t("page.first")}
              </Button>
            )}
            {query.data?.next && (
              <Button size="small" onClick={() => go(query.data?.next ?? "")}>
                {t("page.next")}
              </Button>
            )}
          </nav>
        )}
      </Card>
    </>
  );
}
