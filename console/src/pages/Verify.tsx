/** Checks a saved proof in this page. */
import { Button, Input } from "antd";
import { useState } from "react";
import { ProofResult, proofParts } from "../components/Proof";
import { Card, PageHead } from "../components/parts";
import { address, get } from "../lib/api";
import { row, text } from "../lib/rows";
import { useSession } from "../lib/session";
import { useText } from "../lib/text";
import type { Row } from "../lib/types";

type State = Parameters<typeof ProofResult>[0]["state"];

export function Verify() {
  const { t, name } = useText();
  const { network } = useSession();
  const [proof, setProof] = useState("");
  const [trust, setTrust] = useState("");
  const [state, setState] = useState<State>({ step: "idle" });
  const read = (set: (text: string) => void) => async (file: File | undefined) =>
    file && set(await file.text());
  const check = async (): Promise<void> => {
    setState({ step: "busy" });
    try {
      const sdk = await import("bubi-sdk");
      const known = trust.trim()
        ? sdk.Trust.parse(trust)
        : sdk.Trust.from(
            row((network ?? (await get(address("/api/v1/network", {})))).trust) as never,
          );
      setState({ step: "good", shown: verified(sdk, known, proof.trim()) });
    } catch (error) {
      setState({ step: "bad", why: error instanceof Error ? error.message : String(error) });
    }
  };
  const verified = (
    sdk: typeof import("bubi-sdk"),
    known: InstanceType<typeof sdk.Trust>,
    given: string,
  ) => {
    const answer: Row = given.startsWith("{") ? (JSON.parse(given) as Row) : { proof: given };
    const parts = proofParts(answer);
    const shape = (
      block: {
        weight: bigint;
        quorum: bigint;
        height: string;
        time: string;
        signers: readonly string[];
      },
      note: string,
    ) => ({
      ...block,
      weight: `${block.weight}`,
      quorum: `${block.quorum}`,
      note,
    });
    const finality = text(parts, "finality");
    if (!finality) {
      const proven = sdk.verifyReceipt(known, sdk.fromHex(text(parts, "proof") ?? ""));
      return shape(
        proven.block,
        `${t("proof.receipt", { code: name("code", proven.code) })} ${proven.receipt.transaction}`,
      );
    }
    const account = text(parts, "account");
    if (account && /^[0-9a-f]+$/.test(account)) {
      const proven = sdk.verifyAccount(known, sdk.fromHex(finality), sdk.fromHex(account));
      return shape(proven.block, t("proof.account", { n: proven.cells.size }));
    }
    const proven = sdk.verifyCell(
      known,
      sdk.fromHex(finality),
      sdk.fromHex(text(parts, "cell") ?? ""),
    );
    return shape(proven.block, proven.value ? t("proof.cell") : t("proof.absent"));
  };
  return (
    <>
      <PageHead name={t("nav.verify")} title={t("nav.verify")} text={t("verify.text")} />
      <div className="grid">
        <Card className="w6" title={t("verify.proof")}>
          <div className="form">
            <label>
              {t("verify.proof.label")}
              <Input.TextArea
                rows={9}
                className="mono"
                value={proof}
                onChange={(event) => setProof(event.target.value)}
              />
            </label>
            <input
              type="file"
              aria-label={t("verify.proof.label")}
              onChange={(event) => read(setProof)(event.target.files?.[0])}
            />
          </div>
        </Card>
        <Card className="w6" title={t("verify.trust")}>
          <div className="form">
            <label>
              {t("verify.trust.label")}
              <Input.TextArea
                rows={9}
                className="mono"
                value={trust}
                onChange={(event) => setTrust(event.target.value)}
              />
            </label>
            <input
              type="file"
              aria-label={t("verify.trust.label")}
              onChange={(event) => read(setTrust)(event.target.files?.[0])}
            />
          </div>
        </Card>
        <Card className="w12" title={t("result")}>
          <div className="stack">
            <div>
              <Button type="primary" disabled={proof.trim() === ""} onClick={check}>
                {t("proof.check")}
              </Button>
            </div>
            <ProofResult state={state} />
          </div>
        </Card>
      </div>
    </>
  );
}
