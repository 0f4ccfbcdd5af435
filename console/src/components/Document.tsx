/** A document is hashed in this page; it never leaves the machine. */
import { FileSearchOutlined } from "@ant-design/icons";
import { Button } from "antd";
import { type DragEvent, type ReactNode, useRef, useState } from "react";
import { useText } from "../lib/text";
import { Pill } from "./parts";

export interface Hashed {
  name: string;
  size: number;
  sha256: string;
  sm3: string;
}

async function hashed(file: File): Promise<Hashed> {
  const [sdk, data] = await Promise.all([import("bubi-sdk"), file.arrayBuffer()]);
  const bytes = new Uint8Array(data);
  return {
    name: file.name,
    size: file.size,
    sha256: sdk.toHex(sdk.sha256(bytes)),
    sm3: sdk.toHex(sdk.sm3(bytes)),
  };
}

export function DropZone(props: { onHashed: (found: Hashed) => void; text: ReactNode }) {
  const { t } = useText();
  const [over, setOver] = useState(false);
  const [busy, setBusy] = useState(false);
  const input = useRef<HTMLInputElement>(null);
  const take = async (file: File | undefined): Promise<void> => {
    if (!file) return;
    setBusy(true);
    try {
      props.onHashed(await hashed(file));
    } finally {
      setBusy(false);
    }
  };
  const drop = (event: DragEvent): void => {
    event.preventDefault();
    setOver(false);
    void take(event.dataTransfer.files[0]);
  };
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: the button inside does the same
    <div
      className={over ? "drop over" : "drop"}
      onDragOver={(event) => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={drop}
    >
      <p style={{ marginBottom: 12 }}>{props.text}</p>
      <Button icon={<FileSearchOutlined />} loading={busy} onClick={() => input.current?.click()}>
        {t("document.choose")}
      </Button>
      <input
        ref={input}
        className="visually-hidden"
        type="file"
        tabIndex={-1}
        aria-label={t("document.choose")}
        onChange={(event) => take(event.target.files?.[0])}
      />
    </div>
  );
}

/** Whether a document is the one that a record names. */
export function DocumentCheck({ digest, algorithm }: { digest: string; algorithm: string }) {
  const { t } = useText();
  const [found, setFound] = useState<Hashed | null>(null);
  if (algorithm.startsWith("salted_")) return <p className="muted">{t("document.salted")}</p>;
  const fits = found && (algorithm === "sm3" ? found.sm3 : found.sha256) === digest;
  return (
    <div className="stack">
      <DropZone onHashed={setFound} text={t("document.drop")} />
      {found && (
        <div role="status">
          <Pill tone={fits ? "good" : "bad"}>
            {fits ? t("document.same") : t("document.other")}
          </Pill>{" "}
          {found.name}
        </div>
      )}
    </div>
  );
}
