/** What is used of a quota in its present window. */
import { useQuery } from "@tanstack/react-query";
import { type Address, address, get } from "../lib/api";
import { grouped } from "../lib/format";
import { useText } from "../lib/text";
import type { Used } from "../lib/types";
import { Answered, Card, Time } from "./parts";

const REFRESH_MS = 10_000;
type QuotaRoute =
  | "/api/v1/accounts/{address}/quota"
  | "/api/v1/organisations/{organisation}/quota";

/** Used against the limit, as a bar and in figures. */
function Share({ label, quota }: { label: string; quota: Used }) {
  const { t } = useText();
  const { used, limit } = quota;
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

function useQuota<R extends QuotaRoute>(url: Address<R>) {
  return useQuery({
    queryKey: ["quota", url],
    queryFn: ({ signal }) => get(url, signal),
    refetchInterval: REFRESH_MS,
  });
}

function Until({ ms }: { ms: string }) {
  const { t } = useText();
  return (
    <p className="muted">
      {t("quota.until")} <Time ms={ms} exact />
    </p>
  );
}

/** The quota that the accounts of an organisation share. */
export function OrganisationQuota({ organisation }: { organisation: string }) {
  const { t } = useText();
  const query = useQuota(address("/api/v1/organisations/{organisation}/quota", { organisation }));
  return (
    <Card title={t("quota")}>
      <Answered query={query} lines={2}>
        {(found) =>
          found.quota ? (
            <>
              <Share label={t("quota.shared")} quota={found.quota} />
              <Until ms={found.quota.until} />
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
export function AccountQuota({ account }: { account: string }) {
  const { t } = useText();
  const query = useQuota(address("/api/v1/accounts/{address}/quota", { address: account }));
  return (
    <Card title={t("quota")}>
      <Answered query={query} lines={2}>
        {(found) => {
          const { organisation, quota } = found;
          if (!quota) return <span className="muted">{t("quota.none")}</span>;
          return (
            <div className="stack">
              {quota.account ? <Share label={t("quota.own")} quota={quota.account} /> : null}
              {quota.organisation ? (
                <Share
                  label={organisation ? t("quota.of", { name: organisation }) : t("quota.without")}
                  quota={quota.organisation}
                />
              ) : null}
              <Until ms={quota.until} />
            </div>
          );
        }}
      </Answered>
    </Card>
  );
}
