/** Fetching a proof, checking it in this page, saving it. */
import { DownloadOutlined, SafetyCertificateOutlined } from "@ant-design/icons";
import { Button } from "antd";
import type { ProvenBlock } from "bubi-sdk";
import { type ReactNode, useState } from "react";
import { type Address, address, get } from "../lib/api";
import { dateTime } from "../lib/format";
import { row, text } from "../lib/rows";
import { save } from "../lib/save";
import { useSession } from "../lib/session";
import { useText } from "../lib/text";
import type { Row } from "../lib/types";
import { Card, Facts, Pill } from "./parts";

interface Shown {
  height: string;
  time: string;
  signers: readonly string[];
  weight: string;
  quorum: string;
  note: string;
}

type State =
  | { step: "idle" }
  | { step: "busy" }
  | { step: "good"; shown: Shown }
  | { step: "bad"; why: string };

/** What a check shows, in one form for every kind of proof. */
export function ProofResult({ state }: { state: State }) {
  const { t } = useText();
  if (state.step === "idle") return null;
  if (state.step === "busy") return <p role="status">{t("proof.busy")}</p>;
  if (state.step === "bad") {
    return (
      <div role="alert">
        <Pill tone="bad">{t("proof.bad")}</Pill> <span className="mono">{state.why}</span>
      </div>
    );
  }
  const { shown } = state;
  return (
    <div role="status">
      <Pill tone="good">{t("proof.good")}</Pill>
      <p style={{ margin: "8px 0" }}>{shown.note}</p>
      <Facts
        items={[
          [t("block"), shown.height],
          [t("time"), dateTime(shown.time)],
          [t("proof.signers"), shown.signers.join(t("comma"))],
          [t("weight"), t("proof.weight", { weight: shown.weight, quorum: shown.quorum })],
        ]}
      />
    </div>
  );
}

/** The proof inside of an answer of the node or of this gateway. */
export function proofParts(answer: Row): Row {
  for (const name of ["account", "asset", "record"]) {
    const inner = row(answer[name]);
    if (inner.proof) return row(inner.proof);
  }
  return { ...row(answer.proof), ...answer };
}

function shownBlock(block: ProvenBlock, note: string): Shown {
  return { ...block, weight: `${block.weight}`, quorum: `${block.quorum}`, note };
}

function useChecked(check: (answer: Row, trust: Row) => Promise<Shown>) {
  const { network } = useSession();
  const [state, setState] = useState<State>({ step: "idle" });
  const run = async (fetchProof: () => Promise<Row>): Promise<void> => {
    setState({ step: "busy" });
    try {
      const answer = await fetchProof();
      const trust = { ...row(network?.trust), ...row(answer.trust) };
      setState({ step: "good", shown: await check(answer, trust) });
    } catch (error) {
      setState({ step: "bad", why: error instanceof Error ? error.message : String(error) });
    }
  };
  return { state, run };
}

/** Fetches a proof to check it here or to save it, and shows what the check found. */
function ProofCard(props: {
  about: string;
  file: string;
  fetchProof: () => Promise<Row>;
  state: State;
  run: (fetchProof: () => Promise<Row>) => Promise<void>;
  children?: ReactNode;
}) {
  const { t } = useText();
  const { fetchProof } = props;
  return (
    <Card title={t("proof")}>
      <p className="muted" style={{ marginBottom: 12 }}>
        {props.about}
      </p>
      <div className="row" style={{ marginBottom: 12 }}>
        <Button
          type="primary"
          icon={<SafetyCertificateOutlined />}
          onClick={() => props.run(fetchProof)}
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
      <ProofResult state={props.state} />
      {props.children}
    </Card>
  );
}

/** Proof that a transaction ended as shown. */
export function ReceiptProofPanel({ hash, code }: { hash: string; code: string }) {
  const { t, name } = useText();
  const fetchProof = () => get(address("/api/v1/transactions/{hash}/proof", { hash }));
  const { state, run } = useChecked(async (answer, trust) => {
    const sdk = await import("bubi-sdk");
    const proof = sdk.fromHex(text(answer, "proof") ?? text(row(answer.proof), "receipt") ?? "");
    const proven = sdk.verifyReceipt(sdk.Trust.from(trust as never), proof);
    if (proven.receipt.transaction !== hash || proven.code !== code) {
      throw new sdk.ProofInvalid(t("proof.other"));
    }
    const note = t("proof.receipt", { code: name("code", proven.code) });
    return shownBlock(proven.block, note);
  });
  return (
    <ProofCard
      about={t("proof.text")}
      file={`${hash}.proof.json`}
      fetchProof={fetchProof}
      state={state}
      run={run}
    />
  );
}

type StateProofRoute = "/api/v1/accounts/{address}/proof" | "/api/v1/assets/{asset}/proof";

/** Proof of a cell or of a whole account, as the state stands. */
export function StateProofPanel(props: { url: Address<StateProofRoute>; file: string }) {
  const { t } = useText();
  const [cells, setCells] = useState<number | null>(null);
  const fetchProof = () => get(props.url);
  const { state, run } = useChecked(async (answer, trust) => {
    const sdk = await import("bubi-sdk");
    const found = proofParts(answer);
    const known = sdk.Trust.from(trust as never);
    const finality = sdk.fromHex(text(found, "finality") ?? "");
    const account = text(found, "account");
    if (account && /^[0-9a-f]+$/.test(account)) {
      const proven = sdk.verifyAccount(known, finality, sdk.fromHex(account));
      setCells(proven.cells.size);
      const note = t("proof.account", { n: proven.cells.size });
      return shownBlock(proven.block, note);
    }
    const proven = sdk.verifyCell(known, finality, sdk.fromHex(text(found, "cell") ?? ""));
    const note = proven.value ? t("proof.cell") : t("proof.absent");
    return shownBlock(proven.block, note);
  });
  return (
    <ProofCard
      about={t("proof.state.text")}
      file={props.file}
      fetchProof={fetchProof}
      state={state}
      run={run}
    >
      {cells !== null && <span className="visually-hidden">{cells}</span>}
    </ProofCard>
  );
}
