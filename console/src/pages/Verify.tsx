/** Checks a saved proof in this page. */
import { Button, Input } from "antd";
import { useState } from "react";
import { ProofResult, type ProofState } from "../components/Proof";
import { Card, PageHead } from "../components/parts";
import { address, get } from "../lib/api";
import { provenAny } from "../lib/proofs";
import { row } from "../lib/rows";
import { useSession } from "../lib/session";
import { useText } from "../lib/text";

export function Verify() {
  const { t } = useText();
  const { network } = useSession();
  const [proof, setProof] = useState("");
  const [trust, setTrust] = useState("");
  const [state, setState] = useState<ProofState>({ step: "idle" });
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
      setState({ step: "good", shown: provenAny(sdk, known, proof.trim()) });
    } catch (error) {
      setState({ step: "bad", error });
    }
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
