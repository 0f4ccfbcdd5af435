/** What is used of a quota in its present window. */
import { useQuery } from "@tanstack/react-query";
import { get } from "../lib/api";
import { grouped } from "../lib/format";
import { row, text } from "../lib/rows";
import { useText } from "../lib/text";
import type { Row } from "../lib/types";
import { Answered, Card, Time } from "./parts";

const REFRESH_MS = 10_000;

/** Used against the limit, as a bar and in figures. */
function Used({ label, quota }: { label: string; quota: Row }) {
  const { t } = useText();
  const [used, limit] = [text(quota, "used") ?? "0", text(quota, "limit") ?? "0"];
  const share = Math.min(100, (100 * Number(used)) / Math.max(1, Number(limit)));
  return (
    <div>
      <div className="row" style={{ marginBottom: 8 }}>
        <span>{label}</span>
        <span className="number">
          {t("quota.used", { used: grouped(used), limit: grouped(limit) })}
        </span>
      </div>
      <div className="bar" aria-hidden="true">
        <span
          className={share >= 100 ? "bad" : share >= 80 ? "warn" : ""}
          style={{ width: `${share}%` }}
        />
      </div>
    </div>
  );
}

function useQuota(url: string) {
  return useQuery({
    queryKey: ["quota", url],
    queryFn: ({ signal }) => get<Row>(url, signal),
    refetchInterval: REFRESH_MS,
  });
}

function Until({ quota }: { quota: Row }) {
  const { t } = useText();
  return (
    <p className="muted">
      {t("quota.until")} <Time ms={text(quota, "until")} exact />
    </p>
  );
}

/** The quota that the accounts of an organisation share. */
export function OrganisationQuota({ url }: { url: string }) {
  const { t } = useText();
  const query = useQuota(url);
  return (
    <Card title={t("quota")}>
      <Answered query={query} lines={2}>
        {(found) =>
          found.quota ? (
            <>
              <Used label={t("quota.shared")} quota={row(found.quota)} />
              <Until quota={row(found.quota)} />
            </>
          ) : (
            <span className="muted">{t("quota.none")}</span>
          )
        }
      </Answered>
    </Card>
  );
}

/** The quota of an account, and the one that it shares. */
export function AccountQuota({ url }: { url: string }) {
  const { t } = useText();
  const query = useQuota(url);
  return (
    <Card title={t("quota")}>
      <Answered query={query} lines={2}>
        {(found) => {
          const quota = row(found.quota);
          if (!found.quota) return <span className="muted">{t("quota.none")}</span>;
          const shared = text(found, "organisation");
          return (
            <div className="stack">
              {quota.account ? <Used label={t("quota.own")} quota={row(quota.account)} /> : null}
              {quota.organisation ? (
                <Used
                  label={shared ? t("quota.of", { name: shared }) : t("quota.without")}
                  quota={row(quota.organisation)}
                />
              ) : null}
              <Until quota={quota} />
            </div>
          );
        }}
      </Answered>
    </Card>
  );
}
