/** Why something was refused: a stable code, which has a text in both languages, and an English detail. */
import { RequestError } from "./api";

export interface Refusal {
  code: string;
  detail: string | null;
}

/** Reads any error: of a request, of the library (its errors have a code and a detail), of reading JSON. */
export function refusalOf(error: unknown): Refusal {
  if (error instanceof RequestError) {
    return { code: error.problem.code, detail: error.problem.detail ?? null };
  }
  if (error instanceof SyntaxError) return { code: "malformed_json", detail: error.message };
  if (!(error instanceof Error)) return { code: "internal", detail: null };
  const { code, detail } = error as Error & { code?: unknown; detail?: unknown };
  return typeof code === "string" && typeof detail === "string"
    ? { code, detail }
    : { code: "internal", detail: error.message };
}
