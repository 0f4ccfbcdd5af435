/** Reading rows whose members may be missing. */
import type { Row } from "./types";

export function text(row: Row | null | undefined, ...names: string[]): string | null {
  for (const name of names) {
    const found = row?.[name];
    if (typeof found === "string" && found !== "") return found;
    if (typeof found === "number" || typeof found === "bigint") return String(found);
  }
  return null;
}

export function number(row: Row | null | undefined, ...names: string[]): number | null {
  const found = text(row, ...names);
  return found === null || Number.isNaN(Number(found)) ? null : Number(found);
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

/** Id of the asset that a row names, alone or with its code. */
export function assetOf(one: Row): string {
  return text(row(one.asset), "id") ?? text(one, "asset") ?? "";
}

/** The texts of a list. */
export function words(value: unknown): string[] {
  return Array.isArray(value) ? value.map(String) : [];
}
