/** Logging in: name and password, or a link that is good once. */
import { Button, Input } from "antd";
import { type FormEvent, useState } from "react";
import { useNavigate, useSearchParams } from "react-router";
import { Card, PageHead, Trouble } from "../components/parts";
import { change, setCsrf } from "../lib/api";
import { takeLinkToken } from "../lib/link";
import { useSession } from "../lib/session";
import { useText } from "../lib/text";
import type { Session } from "../lib/types";

/** Only paths of this origin. */
export function safePath(path: string | null): string {
  return path && /^\/(?![/\\])/.test(path) ? path : "/";
}

export function Login() {
  const { t } = useText();
  const { refresh } = useSession();
  const navigate = useNavigate();
  const [search] = useSearchParams();
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
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
        {error !== null && <Trouble error={error} />}
      </Card>
      <p className="muted" style={{ marginTop: 12 }}>
        {t("login.help")}
      </p>
    </div>
  );
}
