/** Alarms: active ones, history, rules, channels, silences. */
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Button, Input, InputNumber, Modal, Select, Switch, Tabs } from "antd";
import { useState } from "react";
import { useSearchParams } from "react-router";
import { type Filter, List, TIMES, worded } from "../components/DataTable";
import { Card, Nothing, PageHead, Pill, Time, type Tone, Trouble } from "../components/parts";
import { change, getAll, type PlainListRoute } from "../lib/api";
import { dateTime, grouped } from "../lib/format";
import { useSession } from "../lib/session";
import { useText } from "../lib/text";
import type { Alarm, Channel, ChannelTest, Rule } from "../lib/types";

const REFRESH_MS = 5_000;
const SEVERITIES: Record<string, Tone> = { info: "info", warning: "warn", critical: "bad" };

function Severity({ value }: { value: string | null }) {
  const { name } = useText();
  return <Pill tone={SEVERITIES[value ?? ""] ?? ""}>{name("severity", value)}</Pill>;
}

export function useTitle(): (one: Alarm) => string {
  const { language } = useText();
  return (one) => one.title[language];
}

const LAYERS = ["host", "network", "consensus", "business", "gateway"];

/** The rules to choose from. */
function useRuleChoices() {
  const { name } = useText();
  const rules = useAlarms("/api/v1/alarms/rules");
  return worded(name)(
    "rule",
    (rules.data?.items ?? []).map((one) => one.code),
  );
}

/** Filters of alarms, active or not. */
function useAlarmFilters(): Filter[] {
  const { name } = useText();
  const rules = useRuleChoices();
  const choices = worded(name);
  return [
    { name: "severity", label: "severity", choices: choices("severity", Object.keys(SEVERITIES)) },
    { name: "layer", label: "rule.layer", choices: choices("layer", LAYERS) },
    { name: "code", label: "rule", choices: rules },
    { name: "key", label: "silence.key" },
    ...TIMES,
  ];
}

export function Alarms() {
  const { t } = useText();
  const { may } = useSession();
  const [search, setSearch] = useSearchParams();
  const tab = search.get("tab") ?? "active";
  const items = [
    { key: "active", label: t("alarms.active"), children: <Active /> },
    { key: "history", label: t("alarms.history"), children: <History /> },
    { key: "rules", label: t("alarms.rules"), children: <Rules /> },
    { key: "silences", label: t("alarms.silences"), children: <Silences /> },
    ...(may("operator")
      ? [{ key: "channels", label: t("alarms.channels"), children: <Channels /> }]
      : []),
  ];
  return (
    <>
      <PageHead name={t("nav.alarms")} title={t("nav.alarms")} text={t("alarms.text")} />
      <Card flush>
        <Tabs
          activeKey={tab}
          onChange={(key) => setSearch(key === "active" ? {} : { tab: key })}
          items={items}
          tabBarStyle={{ padding: "0 18px", marginBottom: 0 }}
          destroyOnHidden
        />
      </Card>
    </>
  );
}

function useAlarms<R extends PlainListRoute>(route: R) {
  return useQuery({
    queryKey: ["alarms", route],
    queryFn: ({ signal }) => getAll(route, {}, signal),
    refetchInterval: REFRESH_MS,
  });
}

/** Runs a change, shows its refusal, reads the lists again. */
function useChange() {
  const queries = useQueryClient();
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const run = async <T,>(...given: Parameters<typeof change>): Promise<T | null> => {
    setBusy(true);
    setError(null);
    try {
      return (await change<T>(...given)) ?? ({} as T);
    } catch (found) {
      setError(found);
      return null;
    } finally {
      setBusy(false);
      await queries.invalidateQueries({ queryKey: ["alarms"] });
    }
  };
  return { run, error, busy };
}

function Active() {
  const { t, name } = useText();
  const { may } = useSession();
  const title = useTitle();
  const filters = useAlarmFilters();
  const { run, error } = useChange();
  const [taking, setTaking] = useState<Alarm | null>(null);
  const [comment, setComment] = useState("");
  return (
    <>
      {error !== null && <Trouble error={error} />}
      <List
        name="alarms"
        caption={t("alarms.active")}
        route="/api/v1/alarms"
        refresh={REFRESH_MS}
        filters={filters}
        empty={<Nothing title={t("alarms.empty")} text={t("alarms.empty.text")} />}
        rowKey={(one) => one.id}
        columns={[
          {
            title: t("severity"),
            cell: (one) => <Severity value={one.severity} />,
          },
          { title: t("alarm"), cell: (one) => <b>{title(one)}</b> },
          {
            title: t("alarm.value"),
            cell: (one) => {
              const unit = one.unit;
              const value = grouped(Math.round(Number(one.value) * 1000) / 1000);
              return unit ? `${value} ${name("rule_unit", unit)}` : value;
            },
          },
          { title: t("alarm.since"), cell: (one) => <Time ms={one.fired} /> },
          {
            title: t("state"),
            cell: (one) =>
              one.acknowledged ? (
                <Pill tone="info">{t("alarm.taken", { name: one.acknowledged.by })}</Pill>
              ) : one.silenced ? (
                <Pill>{t("alarm.silenced")}</Pill>
              ) : (
                <Pill tone="bad">{t("alarm.open")}</Pill>
              ),
          },
          {
            title: t("actions"),
            cell: (one) =>
              may("operator") && (
                <span className="row">
                  {!one.acknowledged && (
                    <Button size="small" onClick={() => setTaking(one)}>
                      {t("alarm.acknowledge")}
                    </Button>
                  )}
                  <Button
                    size="small"
                    onClick={() =>
                      run("POST", "/api/v1/alarms/silences", {
                        code: one.code,
                        key: one.key,
                        minutes: 60,
                      })
                    }
                  >
                    {t("alarm.silence")}
                  </Button>
                </span>
              ),
          },
        ]}
      />
      <Modal
        open={taking !== null}
        title={t("alarm.acknowledge")}
        okText={t("alarm.acknowledge")}
        cancelText={t("cancel")}
        onCancel={() => setTaking(null)}
        onOk={async () => {
          await run("POST", `/api/v1/alarms/${taking?.id}/acknowledge`, { comment });
          setComment("");
          setTaking(null);
        }}
      >
        <div className="form">
          <p>{taking && title(taking)}</p>
          <label>
            {t("alarm.comment")}
            <Input.TextArea
              rows={3}
              value={comment}
              onChange={(event) => setComment(event.target.value)}
            />
          </label>
        </div>
      </Modal>
    </>
  );
}

function History() {
  const { t } = useText();
  const title = useTitle();
  const filters = useAlarmFilters();
  return (
    <List
      name="alarms"
      caption={t("alarms.history")}
      route="/api/v1/alarms"
      fixed={{ state: "history" }}
      filters={filters}
      rowKey={(one) => one.id}
      empty={<Nothing title={t("alarms.history.empty")} />}
      columns={[
        { title: t("severity"), cell: (one) => <Severity value={one.severity} /> },
        { title: t("alarm"), cell: title },
        { title: t("alarm.fired"), cell: (one) => dateTime(one.fired) },
        { title: t("alarm.resolved"), cell: (one) => dateTime(one.resolved) },
        {
          title: t("alarm.taken.by"),
          cell: (one) => one.acknowledged?.by ?? "–",
        },
        {
          title: t("alarm.comment"),
          cell: (one) => one.acknowledged?.comment || "–",
        },
      ]}
    />
  );
}

function Rules() {
  const { t, name } = useText();
  const { may } = useSession();
  const { run, error, busy } = useChange();
  const [editing, setEditing] = useState<Rule | null>(null);
  const put = (one: Rule) => {
    const { code, severity, threshold, seconds, clear_seconds, repeat_seconds, enabled } = one;
    const items = [{ code, severity, threshold, seconds, clear_seconds, repeat_seconds, enabled }];
    return run("PUT", "/api/v1/alarms/rules", { items });
  };
  const numbers = ["threshold", "seconds", "clear_seconds", "repeat_seconds"] as const;
  return (
    <>
      {error !== null && <Trouble error={error} />}
      <List
        name="alarms"
        caption={t("alarms.rules")}
        route="/api/v1/alarms/rules"
        filters={[
          {
            name: "severity",
            label: "severity",
            choices: worded(name)("severity", Object.keys(SEVERITIES)),
          },
          { name: "layer", label: "rule.layer", choices: worded(name)("layer", LAYERS) },
          {
            name: "state",
            label: "state",
            choices: [
              ["on", t("on")],
              ["off", t("off")],
              ["changed", t("rule.changed")],
            ],
          },
        ]}
        rowKey={(one) => one.code}
        columns={[
          {
            title: t("rule"),
            cell: (one) => (
              <>
                {name("rule", one.code)}
                {one.default === false && (
                  <>
                    {" "}
                    <Pill tone="info">{t("rule.changed")}</Pill>
                  </>
                )}
              </>
            ),
          },
          { title: t("rule.layer"), cell: (one) => name("layer", one.layer) },
          { title: t("severity"), cell: (one) => <Severity value={one.severity} /> },
          {
            title: t("rule.threshold"),
            right: true,
            cell: (one) => `${one.comparison === "above" ? "≥" : "≤"} ${one.threshold}`,
          },
          { title: t("unit"), cell: (one) => name("rule_unit", one.unit) },
          {
            title: t("rule.seconds"),
            right: true,
            cell: (one) => `${one.seconds} s`,
          },
          {
            title: t("rule.enabled"),
            cell: (one) => (
              <Switch
                size="small"
                aria-label={`${t("rule.enabled")} ${name("rule", one.code)}`}
                checked={one.enabled}
                disabled={!may("operator") || busy}
                onChange={(on) => put({ ...one, enabled: on })}
              />
            ),
          },
          {
            title: t("actions"),
            cell: (one) =>
              may("operator") && (
                <Button size="small" onClick={() => setEditing(one)}>
                  {t("change")}
                </Button>
              ),
          },
        ]}
      />
      <Modal
        open={editing !== null}
        title={name("rule", editing?.code)}
        okText={t("save")}
        cancelText={t("cancel")}
        confirmLoading={busy}
        onCancel={() => setEditing(null)}
        onOk={async () => editing && (await put(editing)) && setEditing(null)}
      >
        {editing && (
          <div className="form">
            <label>
              {t("severity")}
              <Select
                aria-label={t("severity")}
                value={editing.severity}
                options={Object.keys(SEVERITIES).map((one) => ({
                  value: one,
                  label: name("severity", one),
                }))}
                onChange={(severity: Rule["severity"]) => setEditing({ ...editing, severity })}
              />
            </label>
            {numbers.map((one) => (
              <label key={one}>
                {t(`rule.${one}`)}
                <InputNumber
                  aria-label={t(`rule.${one}`)}
                  style={{ width: "100%" }}
                  precision={one === "threshold" ? undefined : 0}
                  min={one === "threshold" ? undefined : 0}
                  value={editing[one]}
                  onChange={(value) => setEditing({ ...editing, [one]: value ?? 0 })}
                />
              </label>
            ))}
          </div>
        )}
      </Modal>
    </>
  );
}

function Silences() {
  const { t, name } = useText();
  const rules = useRuleChoices();
  const { may } = useSession();
  const { run, error } = useChange();
  return (
    <>
      {error !== null && <Trouble error={error} />}
      <List
        name="alarms"
        caption={t("alarms.silences")}
        route="/api/v1/alarms/silences"
        refresh={REFRESH_MS}
        filters={[
          { name: "code", label: "rule", choices: rules },
          { name: "key", label: "silence.key" },
          { name: "name", label: "silence.by" },
        ]}
        empty={<Nothing title={t("silences.empty")} text={t("silences.text")} />}
        rowKey={(one) => one.id}
        columns={[
          {
            title: t("rule"),
            cell: (one) => (one.code ? name("rule", one.code) : t("any")),
          },
          { title: t("silence.key"), cell: (one) => one.key ?? t("any") },
          { title: t("silence.until"), cell: (one) => dateTime(one.until) },
          { title: t("silence.by"), cell: (one) => one.by },
          { title: t("alarm.comment"), cell: (one) => one.comment ?? "–" },
          {
            title: t("actions"),
            cell: (one) =>
              may("operator") && (
                <Button
                  size="small"
                  onClick={() => run("DELETE", `/api/v1/alarms/silences/${one.id}`)}
                >
                  {t("silence.end")}
                </Button>
              ),
          },
        ]}
      />
    </>
  );
}

interface Draft {
  id: string | null;
  name: string;
  kind: string;
  severity: string;
  language: string;
  enabled: boolean;
  settings: Record<string, string>;
}

/** Why a message did not arrive: a code, and after a colon perhaps a detail. */
function Failure({ said }: { said: string }) {
  const { t, name, language } = useText();
  const [, code = "", detail = ""] = /^(\w+)(?:: (.*))?$/s.exec(said) ?? [];
  return (
    <span>
      {t("channel.failed")}
      {" · "}
      {name("channel_failure", code)} {language === "en" && detail}{" "}
      <span className="mono">{code}</span>
    </span>
  );
}

function Channels() {
  const { t, name, language } = useText();
  const { may } = useSession();
  const query = useAlarms("/api/v1/alarms/channels");
  const { run, error, busy } = useChange();
  const [draft, setDraft] = useState<Draft | null>(null);
  /** How the newest test ended: with a failure, or with none. */
  const [told, setTold] = useState<{ failure: string } | null>(null);
  const kinds = query.data?.kinds ?? {};
  const fields = kinds[draft?.kind ?? ""];
  const wanted = [...(fields?.required ?? []), ...(fields?.optional ?? [])];
  const test = async (one: Channel): Promise<void> => {
    const found = await run<ChannelTest>("POST", `/api/v1/alarms/channels/${one.id}/test`);
    if (found) setTold({ failure: found.error });
  };
  const store = async (): Promise<void> => {
    if (!draft) return;
    const { id, ...body } = draft;
    const filled = Object.fromEntries(
      Object.entries(body.settings).filter(([, value]) => value !== ""),
    );
    const target = id ? `/api/v1/alarms/channels/${id}` : "/api/v1/alarms/channels";
    if (await run(id ? "PUT" : "POST", target, { ...body, settings: filled })) setDraft(null);
  };
  return (
    <>
      {error !== null && <Trouble error={error} />}
      {told && (
        <div
          className={told.failure ? "banner" : "banner good"}
          role="status"
          style={{ margin: "14px 18px 0" }}
        >
          {told.failure ? <Failure said={told.failure} /> : t("channel.delivered")}
        </div>
      )}
      <div style={{ padding: "14px 18px" }}>
        {may("administrator") && (
          <Button
            type="primary"
            onClick={() =>
              setDraft({
                id: null,
                name: "",
                kind: "webhook",
                severity: "warning",
                language,
                enabled: true,
                settings: {},
              })
            }
          >
            {t("channel.add")}
          </Button>
        )}
      </div>
      <List
        name="alarms"
        caption={t("alarms.channels")}
        route="/api/v1/alarms/channels"
        refresh={REFRESH_MS}
        filters={[
          {
            name: "kind",
            label: "channel.kind",
            choices: worded(name)("channel_kind", Object.keys(kinds)),
          },
          {
            name: "state",
            label: "state",
            choices: [
              ["on", t("on")],
              ["off", t("off")],
              ["failing", t("channel.failed")],
            ],
          },
        ]}
        empty={<Nothing title={t("channels.empty")} text={t("channels.empty.text")} />}
        rowKey={(one) => one.id}
        columns={[
          { title: t("name"), cell: (one) => <b>{one.name}</b> },
          {
            title: t("channel.kind"),
            cell: (one) => name("channel_kind", one.kind),
          },
          {
            title: t("channel.severity"),
            cell: (one) => <Severity value={one.severity} />,
          },
          {
            title: t("channel.newest"),
            cell: (one) =>
              one.newest ? (
                <>
                  <Pill tone={one.newest.delivered ? "good" : "bad"}>
                    {one.newest.delivered ? t("channel.delivered") : t("channel.failed")}
                  </Pill>{" "}
                  {dateTime(one.newest.time)}
                </>
              ) : (
                "–"
              ),
          },
          {
            title: t("state"),
            cell: (one) => (
              <Pill tone={one.enabled ? "good" : ""}>{one.enabled ? t("on") : t("off")}</Pill>
            ),
          },
          {
            title: t("actions"),
            cell: (one) => (
              <span className="row">
                <Button size="small" loading={busy} onClick={() => test(one)}>
                  {t("channel.test")}
                </Button>
                {may("administrator") && (
                  <>
                    <Button
                      size="small"
                      onClick={() =>
                        setDraft({
                          id: one.id,
                          name: one.name,
                          kind: one.kind,
                          severity: one.severity,
                          language: one.language,
                          enabled: one.enabled,
                          settings: Object.fromEntries(
                            Object.entries(one.settings).map(([key, value]) => [key, value ?? ""]),
                          ),
                        })
                      }
                    >
                      {t("change")}
                    </Button>
                    <Button
                      size="small"
                      danger
                      onClick={() => run("DELETE", `/api/v1/alarms/channels/${one.id}`)}
                    >
                      {t("remove")}
                    </Button>
                  </>
                )}
              </span>
            ),
          },
        ]}
      />
      <Modal
        open={draft !== null}
        title={t("channel")}
        okText={t("save")}
        cancelText={t("cancel")}
        confirmLoading={busy}
        onCancel={() => setDraft(null)}
        onOk={store}
      >
        {draft && (
          <div className="form">
            <label>
              {t("name")}
              <Input
                value={draft.name}
                onChange={(event) => setDraft({ ...draft, name: event.target.value })}
              />
            </label>
            <label>
              {t("channel.kind")}
              <Select
                aria-label={t("channel.kind")}
                value={draft.kind}
                options={Object.keys(kinds).map((one) => ({
                  value: one,
                  label: name("channel_kind", one),
                }))}
                onChange={(kind: string) => setDraft({ ...draft, kind, settings: {} })}
              />
            </label>
            <label>
              {t("channel.severity")}
              <Select
                aria-label={t("channel.severity")}
                value={draft.severity}
                options={Object.keys(SEVERITIES).map((one) => ({
                  value: one,
                  label: name("severity", one),
                }))}
                onChange={(severity: string) => setDraft({ ...draft, severity })}
              />
            </label>
            <label>
              {t("channel.language")}
              <Select
                aria-label={t("channel.language")}
                value={draft.language}
                options={[
                  { value: "zh", label: "中文" },
                  { value: "en", label: "English" },
                ]}
                onChange={(chosen: string) => setDraft({ ...draft, language: chosen })}
              />
            </label>
            {wanted.map((one) => (
              <label key={one}>
                {name("channel_field", one)}
                <Input
                  type={one === "password" || one === "secret" ? "password" : "text"}
                  autoComplete="off"
                  placeholder={draft.id && draft.settings[one] === "" ? t("channel.kept") : ""}
                  value={draft.settings[one] ?? ""}
                  onChange={(event) =>
                    setDraft({
                      ...draft,
                      settings: { ...draft.settings, [one]: event.target.value },
                    })
                  }
                />
              </label>
            ))}
            <label>
              {t("rule.enabled")}
              <span>
                <Switch
                  checked={draft.enabled}
                  onChange={(enabled) => setDraft({ ...draft, enabled })}
                />
              </span>
            </label>
          </div>
        )}
      </Modal>
    </>
  );
}
