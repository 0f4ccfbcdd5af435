/** Organisations and the accounts that belong to them. */
import { useQuery } from "@tanstack/react-query";
import { Link, useParams, useSearchParams } from "react-router";
import { List } from "../components/DataTable";
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
} from "../components/parts";
import { OrganisationQuota } from "../components/Quota";
import { OrganisationLink } from "../components/Words";
import { address, get } from "../lib/api";
import { grouped } from "../lib/format";
import { useText } from "../lib/text";
import type { Organisation } from "../lib/types";

const names = (value: readonly string[], comma: string): string => value.join(comma) || "–";

export function Organisations() {
  const { t } = useText();
  return (
    <>
      <PageHead
        name={t("nav.organisations")}
        title={t("nav.organisations")}
        text={t("organisations.text")}
      />
      <Card flush>
        <List
          name="organisations"
          caption={t("nav.organisations")}
          route="/api/v1/organisations"
          filters={[
            { name: "contains", label: "filter.contains" },
            { name: "height", label: "filter.height" },
          ]}
          rowKey={(one) => one.name}
          empty={<Nothing title={t("organisations.empty")} />}
          columns={[
            { title: t("name"), cell: (one) => <OrganisationLink name={one.name} /> },
            { title: t("nav.validators"), cell: (one) => names(one.validators, t("comma")) },
            { title: t("weight"), right: true, cell: (one) => one.weight },
            {
              title: t("setting.governance"),
              cell: (one) => <AccountId value={one.governance} />,
            },
            {
              title: t("organisation.members"),
              right: true,
              cell: (one) => grouped(one.members),
            },
            {
              title: t("organisation.asking"),
              right: true,
              cell: (one) => grouped(one.asking),
            },
          ]}
        />
      </Card>
    </>
  );
}

export function OrganisationPage() {
  const { t } = useText();
  const { organisation = "" } = useParams();
  const [search] = useSearchParams();
  const height = search.get("height");
  const places = { organisation };
  const url = address("/api/v1/organisations/{organisation}", places, { height });
  const query = useQuery({
    queryKey: ["organisation", url],
    queryFn: ({ signal }) => get(url, signal),
  });
  return (
    <>
      <PageHead name={organisation} title={organisation} text={t("organisation.text")} />
      <div className="grid">
        <div className="w8">
          <Members organisation={organisation} />
        </div>
        <div className="w4 stack">
          <Answered query={query}>{(found) => <Standing found={found} />}</Answered>
          <OrganisationQuota organisation={organisation} />
        </div>
      </div>
      <p style={{ marginTop: 16 }}>
        <Link to="/organisations">{t("organisations.all")}</Link>
      </p>
    </>
  );
}

function Standing({ found }: { found: Organisation }) {
  const { t } = useText();
  return (
    <Card title={t("organisation.standing")}>
      <Facts
        items={[
          [t("organisation.members"), grouped(found.members)],
          [t("organisation.asking"), grouped(found.asking)],
          [t("nav.validators"), names(found.validators, t("comma"))],
          [t("weight"), found.weight],
          [t("setting.governance"), <AccountId key="g" value={found.governance} />],
          [t("setting.certificate_sha256"), <Id key="c" value={found.certificate_sha256} />],
          [t("block.as_of"), grouped(found.indexed_height)],
        ]}
      />
    </Card>
  );
}

function Members({ organisation }: { organisation: string }) {
  const { t } = useText();
  const [search] = useSearchParams();
  const asks = search.get("state") === "asks";
  return (
    <Card flush title={asks ? t("organisation.asking") : t("organisation.members")}>
      <List
        name="members"
        caption={asks ? t("organisation.asking") : t("organisation.members")}
        route="/api/v1/organisations/{organisation}/members"
        places={{ organisation }}
        filters={[
          {
            name: "state",
            listing: true,
            label: "filter.members",
            choices: [["asks", t("organisation.asking")]],
            hint: t("organisation.members"),
          },
          { name: "account", label: "filter.account" },
          { name: "height", label: "filter.height" },
          {
            name: "history",
            label: "filter.history",
            choices: [["1", t("filter.history.whole")]],
            hint: t("filter.history.now"),
          },
        ]}
        rowKey={(one, at) => `${one.address} ${at}`}
        empty={
          asks ? (
            <Nothing title={t("organisation.asking.empty")} />
          ) : (
            <Nothing title={t("organisation.members.empty")} />
          )
        }
        columns={[
          { title: t("account"), cell: (one) => <AccountId value={one.address} /> },
          {
            title: t("organisation.how"),
            cell: (one) => (
              <span className="row">
                <Pill tone={one.votes ? "good" : ""}>
                  {t(asks ? "member.asks" : one.votes ? "member.votes" : "member.taken_in")}
                </Pill>
                {one.closed ? <Pill>{t("account.closed")}</Pill> : null}
              </span>
            ),
          },
          {
            title: t("since"),
            right: true,
            cell: (one) => <BlockLink height={one.since} />,
          },
          {
            title: t("until"),
            right: true,
            cell: (one) => <BlockLink height={one.until} />,
          },
        ]}
      />
    </Card>
  );
}
