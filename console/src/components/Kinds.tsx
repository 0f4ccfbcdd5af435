/** What a transaction does, in a few words. */
import type { ReactNode } from "react";
import { useText } from "../lib/text";
import type { Transaction } from "../lib/types";

/** Names of the operations of a row, each once. */
export function kindsOf(row: Transaction): string[] {
  return [...new Set(row.first.map((one) => one.kind))];
}

export function useKinds(): (row: Transaction) => ReactNode {
  const { name, t } = useText();
  return (row) => {
    const found = kindsOf(row);
    const shown = found.slice(0, 2).map((kind) => name("operation", kind));
    if (found.length > 2) shown.push(`+${found.length - 2}`);
    if (shown.length > 0) return shown.join(t("comma"));
    return row.operations > 0 ? t("operations.n", { n: row.operations }) : t("due");
  };
}
