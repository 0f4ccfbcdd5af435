/** Users, and what was changed by whom. */
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Button, Input, Modal, Select } from "antd";
import { useState } from "react";
import { List, TIMES, worded } from "../components/DataTable";
import { Card, CopyButton, Nothing, PageHead, Pill, Time, Trouble } from "../components/parts";
import { address, change, get } from "../lib/api";
import { dateTime } from "../lib/format";
import { linkOf } from "../lib/link";
import { shown } from "../lib/rows";
import { useText } from "../lib/text";
import type { OneTimeLink } from "../lib/types";

const ROLES = ["read_only", "auditor", "operator", "administrator"] as const;

export function Users() {
  const { t, name } = useText();
  const queries = useQueryClient();
  const [error, setError] = useState<unknown>(null);
  const [link, setLink] = useState<{ user: string; url: string; expires: string } | null>(null);
  const [draft, setDraft] = useState<{ name: string; role: string } | null>(null);
  const run = async <T,>(...given: Parameters<typeof change>): Promise<T | null> => {
    setError(null);
    try {
      return (await change<T>(...given)) ?? ({} as T);
    } catch (found) {
      setError(found);
      return null;
    } finally {
      await queries.invalidateQueries({ queryKey: ["users"] });
    }
  };
  const makeLink = async (user: string): Promise<void> => {
    const path = `/api/v1/users/${encodeURIComponent(user)}/link`;
    const made = await run<OneTimeLink>("POST", path);
    if (made) setLink({ user, url: linkOf(made.token), expires: made.expires });
  };
  return (
    <>
      <PageHead
        name={t("nav.users")}
        title={t("nav.users")}
        text={t("users.text")}
        actions={
          <Button type="primary" onClick={() => setDraft({ name: "", role: "read_only" })}>
            {t("user.add")}
          </Button>
        }
      />
      {error !== null && <Trouble error={error} />}
      {link && (
        <div className="banner good" role="status">
          <span>
            {t("user.link", { name: link.user, expires: dateTime(link.expires) })}{" "}
            <span className="mono">{link.url}</span> <CopyButton text={link.url} />
          </span>
        </div>
      )}
      <Card flush>
        <List
          name="users"
          caption={t("nav.users")}
          route="/api/v1/users"
          filters={[
            { name: "contains", label: "filter.contains" },
            { name: "role", label: "user.role", choices: worded(name)("role", ROLES) },
            {
              name: "state",
              label: "state",
              choices: worded(name)("user", ["active", "disabled"]),
            },
          ]}
          rowKey={(one) => one.name}
          columns={[
            { title: t("login.name"), cell: (one) => <b>{one.name}</b> },
            {
              title: t("user.role"),
              cell: (one) => (
                <Select
                  size="small"
                  aria-label={`${t("user.role")} ${one.name}`}
                  value={one.role}
                  options={ROLES.map((role) => ({ value: role, label: name("role", role) }))}
                  onChange={(role: string | null) =>
                    run("PUT", `/api/v1/users/${encodeURIComponent(one.name)}`, {
                      role,
                    })
                  }
                  popupMatchSelectWidth={false}
                />
              ),
            },
            {
              title: t("state"),
              cell: (one) =>
                one.disabled ? (
                  <Pill>{t("user.disabled")}</Pill>
                ) : (
                  <Pill tone="good">{t("user.active")}</Pill>
                ),
            },
            { title: t("user.seen"), cell: (one) => <Time ms={one.seen} /> },
            {
              title: t("actions"),
              cell: (one) => (
                <span className="row">
                  <Button size="small" onClick={() => makeLink(one.name)}>
                    {t("user.make_link")}
                  </Button>
                  <Button
                    size="small"
                    onClick={() =>
                      run("PUT", `/api/v1/users/${encodeURIComponent(one.name)}`, {
                        disabled: !one.disabled,
                      })
                    }
                  >
                    {one.disabled ? t("user.enable") : t("user.disable")}
                  </Button>
                  <Button
                    size="small"
                    danger
                    onClick={() => run("DELETE", `/api/v1/users/${encodeURIComponent(one.name)}`)}
                  >
                    {t("remove")}
                  </Button>
                </span>
              ),
            },
          ]}
        />
      </Card>
      <Modal
        open={draft !== null}
        title={t("user.add")}
        okText={t("save")}
        cancelText={t("cancel")}
        onCancel={() => setDraft(null)}
        onOk={async () => {
          if (!draft) return;
          if (await run("POST", "/api/v1/users", draft)) {
            setDraft(null);
            await makeLink(draft.name);
          }
        }}
      >
        {draft && (
          <div className="form">
            <label>
              {t("login.name")}
              <Input
                value={draft.name}
                onChange={(event) => setDraft({ ...draft, name: event.target.value })}
              />
            </label>
            <label>
              {t("user.role")}
              <Select
                aria-label={t("user.role")}
                value={draft.role}
                options={ROLES.map((role) => ({ value: role, label: name("role", role) }))}
                onChange={(role: string) => setDraft({ ...draft, role })}
              />
            </label>
            <p className="muted">{t("user.add.text")}</p>
          </div>
        )}
      </Modal>
    </>
  );
}

export function Audit() {
  const { t, name, codes } = useText();
  const newest = useQuery({
    queryKey: ["audit-intact"],
    queryFn: ({ signal }) => get(address("/api/v1/audit", {}, { limit: 1 }), signal),
  });
  return (
    <>
      <PageHead
        name={t("nav.audit")}
        title={t("nav.audit")}
        text={t("audit.text")}
        actions={
          newest.data?.intact !== undefined && (
            <Pill tone={newest.data.intact ? "good" : "bad"}>
              {newest.data.intact ? t("audit.intact") : t("audit.broken")}
            </Pill>
          )
        }
      />
      <Card flush>
        <List
          name="audit"
          caption={t("nav.audit")}
          route="/api/v1/audit"
          filters={[
            { name: "name", label: "login.name" },
            {
              name: "action",
              label: "audit.action",
              choices: worded(name)("audit_action", codes("audit_action")),
            },
            { name: "target", label: "audit.target" },
            ...TIMES,
          ]}
          rowKey={(one) => one.id}
          empty={<Nothing title={t("audit.empty")} />}
          columns={[
            { title: t("time"), cell: (one) => dateTime(one.time) },
            { title: t("login.name"), cell: (one) => one.name },
            { title: t("audit.action"), cell: (one) => name("audit_action", one.action) },
            { title: t("audit.target"), cell: (one) => one.target ?? "–" },
            {
              title: t("audit.detail"),
              cell: (one) => <span className="mono">{shown(one.detail)}</span>,
            },
            { title: t("audit.address"), cell: (one) => one.address },
          ]}
        />
      </Card>
    </>
  );
}
