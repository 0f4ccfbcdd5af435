/** Logging in: name and password, or a link that is good once. */
import { Button, Input } from "antd";
import { type FormEvent, useState } from "react";
import { useNavigate, useSearchParams } from "react-router";
import { Card, PageHead, Trouble } from "../components/parts";
import { address, change, setCsrf } from "../lib/api";
import { takeLinkToken } from "../lib/link";
import { useSession } from "../lib/session";
import { useText } from "../lib/text";
import type { Session } from "../lib/types";

/** Only paths of this origin. */
export function safePath(path: string | null): string {
  return path && /^\/(?![/\\])/.test(path) ? path : "/";
}

export function Login() {
  const { t, name: nameOf } = useText();
  const { refresh, session } = useSession();
  const navigate = useNavigate();
  const [search] = useSearchParams();
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const failed = error === null ? search.get("failed") : null;
  const [token] = useState(takeLinkToken);
  const enter = async (url: string, body: unknown): Promise<void> => {
    setBusy(true);
    setError(null);
    try {
      const session = await change<Session>("POST", url, body);
      setCsrf(session?.csrf ?? null);
      await refresh();
      navigate(safePath(search.get("to")), { replace: true });
    } catch (found) {
      setError(found);
    } finally {
      setBusy(false);
    }
  };
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    void enter("/api/v1/session", { name, password });
  };
  return (
    <div className="login">
      <PageHead name={t("login")} title={t("login")} text={t("login.text")} />
      <Card>
        {token ? (
          <div className="form">
            <p>{t("login.link")}</p>
            <Button
              type="primary"
              loading={busy}
              onClick={() => enter("/api/v1/session/link", { token })}
            >
              {t("login.enter")}
            </Button>
          </div>
        ) : (
          <form className="form" onSubmit={submit}>
            <label>
              {t("login.name")}
              <Input
                autoComplete="username"
                required
                value={name}
                onChange={(event) => setName(event.target.value)}
              />
            </label>
            <label>
              {t("login.password")}
              <Input.Password
                autoComplete="current-password"
                required
                value={password}
                onChange={(event) => setPassword(event.target.value)}
              />
            </label>
            <Button type="primary" htmlType="submit" loading={busy}>
              {t("login.enter")}
            </Button>
          </form>
        )}
        {session.provider && !token && (
          <Button
            block
            href={address("/api/v1/session/oidc", {}, { to: safePath(search.get("to")) })}
          >
            {t("login.provider")}
          </Button>
        )}
        {failed && (
          <p role="alert" className="warn">
            {nameOf("login_failed", failed)}
          </p>
        )}
        {error !== null && <Trouble error={error} />}
      </Card>
      <p className="muted" style={{ marginTop: 12 }}>
        {t("login.help")}
      </p>
    </div>
  );
}

/** Another password; all other sessions of the user end. */
export function Password() {
  const { t } = useText();
  const { session, refresh } = useSession();
  const [old, setOld] = useState("");
  const [wanted, setWanted] = useState("");
  const [again, setAgain] = useState("");
  const [error, setError] = useState<unknown>(null);
  const [done, setDone] = useState(false);
  const [busy, setBusy] = useState(false);
  const differs = again !== "" && again !== wanted;
  const submit = async (event: FormEvent): Promise<void> => {
    event.preventDefault();
    if (again !== wanted) return;
    setBusy(true);
    setError(null);
    setDone(false);
    try {
      const body = { old, new: wanted };
      const fresh = await change<Session>("POST", "/api/v1/session/password", body);
      setCsrf(fresh?.csrf ?? null);
      await refresh();
      setDone(true);
      for (const clear of [setOld, setWanted, setAgain]) clear("");
    } catch (found) {
      setError(found);
    } finally {
      setBusy(false);
    }
  };
  const field = (
    label: "password.old" | "password.new" | "password.again",
    value: string,
    set: (value: string) => void,
  ) => (
    <label>
      {t(label)}
      <Input.Password
        autoComplete={label === "password.old" ? "current-password" : "new-password"}
        required
        value={value}
        onChange={(event) => set(event.target.value)}
      />
    </label>
  );
  return (
    <div className="login">
      <PageHead name={t("password")} title={t("password")} text={t("password.text")} />
      <Card>
        {session.has_provider || !session.name ? (
          <p>{t(session.name ? "password.provider" : "password.nobody")}</p>
        ) : (
          <form className="form" onSubmit={submit}>
            <input type="hidden" autoComplete="username" value={session.name} readOnly />
            {session.has_password && field("password.old", old, setOld)}
            {field("password.new", wanted, setWanted)}
            {field("password.again", again, setAgain)}
            <Button type="primary" htmlType="submit" loading={busy} disabled={differs}>
              {t("password.change")}
            </Button>
          </form>
        )}
        {differs && <p role="alert">{t("password.differs")}</p>}
        {done && <p role="status">{t("password.done")}</p>}
        {error !== null && <Trouble error={error} />}
      </Card>
    </div>
  );
}
