/** Fetching a proof, checking it in this page, saving it. */
import { DownloadOutlined, SafetyCertificateOutlined } from "@ant-design/icons";
import { Button } from "antd";
import type { Trust } from "bubi-sdk";
import { useState } from "react";
import { type Address, address, get } from "../lib/api";
import { amountText, dateTime } from "../lib/format";
import {
  foreign,
  provenReceipt,
  provenSubject,
  type ReadState,
  type Shown,
  type Subject,
} from "../lib/proofs";
import { row } from "../lib/rows";
import { save } from "../lib/save";
import { useSession } from "../lib/session";
import { useText } from "../lib/text";
import type { Row } from "../lib/types";
import {
  AccountId,
  AssetId,
  BlockLink,
  Card,
  Facts,
  Id,
  Pill,
  Reason,
  TransactionId,
} from "./parts";
import { Amount } from "./Words";

type Sdk = typeof import("bubi-sdk");
type ProofRoute =
  | "/api/v1/transactions/{hash}/proof"
  | "/api/v1/accounts/{address}/proof"
  | "/api/v1/assets/{asset}/proof";

export type ProofState =
  | { step: "idle" }
  | { step: "busy" }
  | { step: "good"; shown: Shown }
  | { step: "bad"; error: unknown };

/** What a check shows, in one form for every kind of proof. `supply` is what the page shows of an asset. */
export function ProofResult({ state, supply }: { state: ProofState; supply?: string }) {
  const { t } = useText();
  if (state.step === "idle") return null;
  if (state.step === "busy") return <p role="status">{t("proof.busy")}</p>;
  if (state.step === "bad") {
    return (
      <div role="alert">
        <Pill tone="bad">{t("proof.bad")}</Pill> <Reason error={state.error} />
      </div>
    );
  }
  return (
    <div role="status">
      <Pill tone="good">{t("proof.good")}</Pill>
      <Proven shown={state.shown} supply={supply} />
    </div>
  );
}

function Proven({ shown, supply }: { shown: Shown; supply?: string }) {
  const { t } = useText();
  const { block, receipt, state } = shown;
  const note = useNote(shown);
  return (
    <>
      <p style={{ margin: "8px 0" }}>{note}</p>
      <Facts
        items={[
          receipt
            ? [t("transaction"), <TransactionId key="transaction" value={receipt.transaction} />]
            : null,
          state ? [t("proof.about"), <Owner key="owner" state={state} />] : null,
          state?.asset
            ? [t("proof.supply"), <Supply key="supply" asset={state.asset} shown={supply} />]
            : null,
          state && state.holdings.length > 0
            ? [t("proof.holdings"), <Holdings key="holdings" holdings={state.holdings} />]
            : null,
          [t("block"), <BlockLink key="block" height={block.height} />],
          [t("time"), dateTime(block.time)],
          [t("proof.signers"), block.signers.join(t("comma"))],
          [
            t("weight"),
            t("proof.weight", { weight: `${block.weight}`, quorum: `${block.quorum}` }),
          ],
        ]}
      />
      {state && <Cells cells={state.cells} />}
    </>
  );
}

/** What is proven, as a sentence. */
function useNote({ receipt, state }: Shown): string {
  const { t, name } = useText();
  if (receipt) return t("proof.receipt", { code: name("code", receipt.code) });
  if (!state?.cells.length) return t("proof.absent");
  return state.whole ? t("proof.account", { n: state.cells.length }) : t("proof.cell");
}

function Owner({ state: { kind, id } }: { state: ReadState }) {
  const { t } = useText();
  if (kind === "system") return t("proof.about.system");
  return (
    <>
      {t(`proof.about.${kind}`)} {kind === "account" && <AccountId value={id} />}
      {kind === "asset" && <AssetId value={id} />}
      {kind === "namespace" && <Id value={id} to={`/records?namespace=${id}`} />}
    </>
  );
}

/** The proven supply, and whether the page shows the same. */
function Supply(props: { asset: NonNullable<ReadState["asset"]>; shown?: string }) {
  const { t } = useText();
  const { supply, decimals, code } = props.asset;
  return (
    <>
      <b className="number">{amountText(supply, decimals)}</b> {code}
      {props.shown !== undefined && (
        <p>
          <Pill tone={props.shown === supply ? "good" : "warn"}>
            {props.shown === supply
              ? t("proof.supply.same")
              : t("proof.supply.differs", { shown: amountText(props.shown, decimals) })}
          </Pill>
        </p>
      )}
    </>
  );
}

/** Entries that a page shows of a long proof. */
const ENTRIES = 20;

function More({ of }: { of: number }) {
  const { t } = useText();
  return of > ENTRIES ? <p className="muted">{t("proof.more", { n: of - ENTRIES })}</p> : null;
}

function Holdings({ holdings }: { holdings: ReadState["holdings"] }) {
  return (
    <>
      <ul>
        {holdings.slice(0, ENTRIES).map((one) => (
          <li key={one.asset}>
            <Amount asset={one.asset} amount={one.balance} />
          </li>
        ))}
      </ul>
      <More of={holdings.length} />
    </>
  );
}

function Cells({ cells }: { cells: ReadState["cells"] }) {
  const { t } = useText();
  if (cells.length === 0) return null;
  return (
    <details>
      <summary>{t("proof.value")}</summary>
      {cells.slice(0, ENTRIES).map((one) => (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must take the focus
        <pre key={one.key} className="code wrap" tabIndex={0}>
          {JSON.stringify(one.value, null, 1)}
        </pre>
      ))}
      <More of={cells.length} />
    </details>
  );
}

function useChecked(check: (sdk: Sdk, trust: Trust, answer: Row) => Shown) {
  const { network } = useSession();
  const [state, setState] = useState<ProofState>({ step: "idle" });
  const run = async (fetchProof: () => Promise<Row>): Promise<void> => {
    setState({ step: "busy" });
    try {
      const [sdk, answer] = await Promise.all([import("bubi-sdk"), fetchProof()]);
      // Never what comes with the proof: who made up the one can make up the other.
      const known = network ?? (await get(address("/api/v1/network", {})));
      const trust = sdk.Trust.from(row(known.trust) as never);
      setState({ step: "good", shown: check(sdk, trust, answer) });
    } catch (error) {
      setState({ step: "bad", error });
    }
  };
  return { state, run };
}

/** Fetches a proof to check it here or to save it, and shows what the check found. */
function ProofCard(props: {
  about: string;
  file: string;
  url: Address<ProofRoute>;
  check: (sdk: Sdk, trust: Trust, answer: Row) => Shown;
  supply?: string;
}) {
  const { t } = useText();
  const { state, run } = useChecked(props.check);
  const fetchProof = () => get(props.url);
  return (
    <Card title={t("proof")}>
      <p className="muted" style={{ marginBottom: 12 }}>
        {props.about}
      </p>
      <div className="row" style={{ marginBottom: 12 }}>
        <Button
          type="primary"
          icon={<SafetyCertificateOutlined />}
          onClick={() => run(fetchProof)}
        >
          {t("proof.check")}
        </Button>
        <Button
          icon={<DownloadOutlined />}
          onClick={async () => save(props.file, JSON.stringify(await fetchProof()))}
        >
          {t("proof.save")}
        </Button>
      </div>
      <ProofResult state={state} supply={props.supply} />
    </Card>
  );
}

/** Proof that a transaction ended as shown. */
export function ReceiptProofPanel({ hash, code }: { hash: string; code: string }) {
  const { t } = useText();
  const check = (sdk: Sdk, trust: Trust, answer: Row): Shown => {
    const shown = provenReceipt(sdk, trust, answer);
    if (shown.receipt?.transaction !== hash || shown.receipt.code !== code) throw foreign(sdk);
    return shown;
  };
  return (
    <ProofCard
      key={hash}
      about={t("proof.text")}
      file={`${hash}.proof.json`}
      url={address("/api/v1/transactions/{hash}/proof", { hash })}
      check={check}
    />
  );
}

/** Proof of a whole account, or of the definition of an asset with its supply, as the state stands. */
export function StateProofPanel(props: { subject: Subject; supply?: string }) {
  const { t } = useText();
  const { subject } = props;
  const [id, url] =
    "asset" in subject
      ? [subject.asset, address("/api/v1/assets/{asset}/proof", subject)]
      : [
          subject.account,
          address("/api/v1/accounts/{address}/proof", { address: subject.account }),
        ];
  return (
    <ProofCard
      key={url}
      about={t("proof.state.text")}
      file={`${id}.proof.json`}
      url={url}
      check={(sdk, trust, answer) => provenSubject(sdk, trust, answer, subject)}
      supply={props.supply}
    />
  );
}
