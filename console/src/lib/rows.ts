/** Reading JSON whose members the description leaves open. */
import type { Row } from "./types";

/** The first of these members that is a text or a number. */
export function text<T extends object>(
  row: T | null | undefined,
  ...names: (keyof T & string)[]
): string | null {
  for (const name of names) {
    const found = row?.[name];
    if (typeof found === "string" && found !== "") return found;
    if (typeof found === "number" || typeof found === "bigint") return String(found);
  }
  return null;
}

export function rows(value: unknown): Row[] {
  return Array.isArray(value) ? (value as Row[]) : [];
}

export function row(value: unknown): Row {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as Row)
    : {};
}

/** A value as text for people who know the format. */
export function shown(value: unknown): string {
  if (value === null || value === undefined) return "–";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
