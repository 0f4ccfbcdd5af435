/** Numbers, amounts and times as people read them. */

/** Groups the digits of a whole number given as text or number. */
export function grouped(value: string | number | null | undefined): string {
  if (value === null || value === undefined || value === "") return "–";
  const text = String(value);
  if (!/^-?\d+(\.\d+)?$/.test(text)) return text;
  const [whole = "", part] = text.split(".");
  const digits = whole.replace(/\B(?=(\d{3})+(?!\d))/g, "\u202f");
  return part ? `${digits}.${part}` : digits;
}

/** An amount in the smallest unit with the decimals of its asset; never through a float. */
export function amountText(amount: string, decimals: number): string {
  if (!/^\d+$/.test(amount)) return amount;
  if (decimals === 0) return grouped(amount);
  const padded = amount.padStart(decimals + 1, "0");
  const part = padded.slice(-decimals).replace(/0+$/, "");
  const whole = grouped(padded.slice(0, -decimals));
  return part ? `${whole}.${part}` : whole;
}

/** Amount of an input such as `12.5` in the smallest unit; null if it is none. */
export function smallestUnit(text: string, decimals: number): string | null {
  const found = /^(\d+)(?:\.(\d+))?$/.exec(text.trim());
  if (!found || (found[2] ?? "").length > decimals) return null;
  return BigInt((found[1] ?? "") + (found[2] ?? "").padEnd(decimals, "0")).toString();
}

export function short(text: string, head = 8, tail = 6): string {
  return text.length <= head + tail + 1 ? text : `${text.slice(0, head)}…${text.slice(-tail)}`;
}

const two = (value: number): string => String(value).padStart(2, "0");

/** Local date and time, the same in both languages: 2026-01-31 18:05:09. */
export function dateTime(ms: string | number | null | undefined): string {
  if (ms === null || ms === undefined || ms === "") return "–";
  const date = new Date(Number(ms));
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

export function clock(ms: string | number): string {
  return dateTime(ms).slice(11);
}

export function bytesText(value: number | string | null | undefined): string {
  if (value === null || value === undefined) return "–";
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
  let [number, unit] = [Number(value), 0];
  while (number >= 1024 && unit < units.length - 1) {
    number /= 1024;
    unit += 1;
  }
  return `${number.toFixed(number >= 100 || unit === 0 ? 0 : 1)} ${units[unit]}`;
}

export function percent(ratio: number | null | undefined): string {
  return ratio === null || ratio === undefined ? "–" : `${(100 * ratio).toFixed(1)} %`;
}

/** Seconds as a span: 450 ms, 3.2 s, 4 min, 2.1 h, 9 d. */
export function span(seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return "–";
  const size = Math.abs(seconds);
  if (size < 1) return `${(1000 * seconds).toFixed(size < 0.01 ? 1 : 0)} ms`;
  if (size < 120) return `${seconds.toFixed(1)} s`;
  if (size < 7200) return `${(seconds / 60).toFixed(0)} min`;
  if (size < 172_800) return `${(seconds / 3600).toFixed(1)} h`;
  return `${(seconds / 86_400).toFixed(0)} d`;
}

/** Bytes in hex as text where they are readable UTF-8, else null. */
export function readable(hex: string): string | null {
  if (!/^(?:[0-9a-f]{2})+$/.test(hex)) return null;
  const data = Uint8Array.from(hex.match(/../g) ?? [], (one) => Number.parseInt(one, 16));
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(data);
    return /\p{Cc}/u.test(text.replace(/[\n\r\t]/g, "")) ? null : text;
  } catch {
    return null;
  }
}
