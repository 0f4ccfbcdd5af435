/** Filters of lists of transactions. */
import { OPERATION_NAMES, RESULT_CODES } from "bubi-sdk";
import { useText } from "../lib/text";
import { type Filter, TIMES, worded } from "./DataTable";

export type TransactionFilter = "account" | "asset" | "kind" | "code" | "times";

/** These filters, in this order. */
export function useTransactionFilters(wanted: readonly TransactionFilter[]): Filter[] {
  const { name } = useText();
  const choices = worded(name);
  const all: Record<TransactionFilter, readonly Filter[]> = {
    account: [{ name: "account", label: "filter.account" }],
    asset: [{ name: "asset", label: "filter.asset" }],
    kind: [{ name: "kind", label: "filter.kind", choices: choices("operation", OPERATION_NAMES) }],
    code: [
      {
        name: "code",
        label: "filter.code",
        choices: choices("code", Object.values(RESULT_CODES)),
      },
    ],
    times: TIMES,
  };
  return wanted.flatMap((one) => all[one]);
}
