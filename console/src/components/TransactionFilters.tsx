/** Filters of lists of transactions. */
import { useSession } from "../lib/session";
import { useText } from "../lib/text";
import { type Filter, TIMES, worded } from "./DataTable";

export type TransactionFilter = "account" | "asset" | "kind" | "code" | "times";

/** These filters, in this order; the gateway says which operations and results there are. */
export function useTransactionFilters(wanted: readonly TransactionFilter[]): Filter[] {
  const { name } = useText();
  const { network } = useSession();
  const choices = worded(name);
  const codes = (network?.codes ?? []).map((one) => one.code);
  const all: Record<TransactionFilter, readonly Filter[]> = {
    account: [{ name: "account", label: "filter.account" }],
    asset: [{ name: "asset", label: "filter.asset" }],
    kind: [
      {
        name: "kind",
        label: "filter.kind",
        choices: choices("operation", network?.operations ?? []),
      },
    ],
    code: [{ name: "code", label: "filter.code", choices: choices("code", codes) }],
    times: TIMES,
  };
  return wanted.flatMap((one) => all[one]);
}
