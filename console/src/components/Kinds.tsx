/** What a transaction does, in a few words. */
import type { ReactNode } from "react";
import { rows, text } from "../lib/rows";
import { useText } from "../lib/text";
import type { TransactionRow } from "../lib/types";
import { unpacked } from "./Words";

/** Names of the operations of a row, each once. */
export function kindsOf(row: TransactionRow): string[] {
  if (Array.isArray(row.kinds)) return [...new Set(row.kinds)];
  if (row.kind) return [row.kind];
  const named = rows(row.first ?? row.operations).map(
    (one) => text(one, "kind") ?? unpacked(one.body).kind,
  );
  return [...new Set(named.filter((one) => one !== ""))];
}

export function useKinds(): (row: TransactionRow) => ReactNode {
  const { name, t } = useText();
  return (row) => {
    const found = kindsOf(row);
    const shown = found.slice(0, 2).map((kind) => name("operation", kind));
    if (found.length > 2) shown.push(`+${found.length - 2}`);
    if (shown.length > 0) return shown.join(t("comma"));
    const count = typeof row.operations === "number" ? row.operations : 0;
    return count > 0 ? t("operations.n", { n: count }) : t("due");
  };
}
