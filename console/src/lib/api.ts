/** Requests to the gateway that served this page, and to nothing else. */
import type { paths } from "../generated/api";
import type { Page, Problem } from "./types";

/** The routes that the gateway describes, with their `{places}`. */
export type Route = keyof paths & string;
export type Query = Record<string, string | number | boolean | null | undefined>;

/** What a route answers. */
export type Answer<R extends Route> = paths[R] extends {
  get: { responses: { 200: { content: { "application/json": infer A } } } };
}
  ? A
  : never;

/** Routes that answer lists, and the rows of these. */
export type ListRoute = {
  [R in Route]: [Answer<R>] extends [never] ? never : Answer<R> extends Page<unknown> ? R : never;
}[Route];
export type PlainListRoute = Exclude<ListRoute, `${string}{${string}`>;
export type Item<R extends ListRoute> = Answer<R> extends Page<infer T> ? T : never;

type PlacesOf<R extends string> = R extends `${string}{${infer Name}}${infer Rest}`
  ? Name | PlacesOf<Rest>
  : never;
export type Places<R extends Route> = Record<PlacesOf<R>, string>;

declare const leads: unique symbol;
/** An address of a route: it decides what `get` answers. */
export type Address<R extends Route> = string & { readonly [leads]: R };

/** A refusal of the gateway (problem+json), or a broken connection (`unreachable`). */
export class RequestError extends Error {
  constructor(readonly problem: Problem) {
    super(problem.detail ?? problem.title ?? problem.code);
  }
}

let csrf = "";
/** Takes the token of the session, which every change must carry. */
export function setCsrf(token: string | null): void {
  csrf = token ?? "";
}

/** Address of a route, with `{places}` and query filled. */
export function address<R extends Route>(
  route: R,
  places: Places<R>,
  query: Query = {},
): Address<R> {
  const given: Record<string, string> = places;
  const path = route.replace(/\{(\w+)\}/g, (_, place: string) =>
    encodeURIComponent(given[place] ?? ""),
  );
  const pairs = Object.entries(query).filter(([, value]) => value != null && value !== "");
  const text = new URLSearchParams(pairs.map(([name, value]) => [name, String(value)])).toString();
  return (text ? `${path}?${text}` : path) as Address<R>;
}

async function refusal(answer: Response): Promise<RequestError> {
  const found = (await answer.json().catch(() => null)) as Partial<Problem> | null;
  const code = found?.code ?? `http_${answer.status}`;
  return new RequestError({ ...found, code, status: answer.status });
}

/** Sends a request; throws `RequestError` unless it succeeds. */
export async function send(url: string, init: RequestInit = {}): Promise<Response> {
  let answer: Response;
  try {
    answer = await fetch(url, { credentials: "same-origin", ...init });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new RequestError({ code: "unreachable", status: 0 });
  }
  if (!answer.ok) throw await refusal(answer);
  return answer;
}

export async function get<R extends Route>(
  url: Address<R>,
  signal?: AbortSignal,
): Promise<Answer<R>> {
  const answer = await send(url, { signal, headers: { accept: "application/json" } });
  return (await answer.json()) as Answer<R>;
}

/** Rows that the gateway gives at most at a time. */
const PAGE_ROWS = 1_000;

/** A whole list, page by page. */
export async function getAll<R extends PlainListRoute>(
  route: R,
  query: Query = {},
  signal?: AbortSignal,
): Promise<Answer<R>> {
  const items: Item<R>[] = [];
  let cursor: string | null | undefined = null;
  for (;;) {
    const url = address(route, {} as Places<R>, { limit: PAGE_ROWS, ...query, cursor });
    const page = (await get(url, signal)) as Page<Item<R>>;
    items.push(...page.items);
    cursor = page.next;
    if (!cursor) return { ...page, items } as Answer<R>;
  }
}

/** Sends a change with the session's token. */
export async function change<T>(
  method: "POST" | "PUT" | "PATCH" | "DELETE",
  url: string,
  body?: unknown,
): Promise<T | null> {
  const bytes = body instanceof Uint8Array;
  const answer = await send(url, {
    method,
    headers: {
      "content-type": bytes ? "application/vnd.bubi.transaction" : "application/json",
      "bubi-csrf": csrf,
    },
    body: body === undefined ? undefined : bytes ? (body as BodyInit) : JSON.stringify(body),
  });
  const text = await answer.text();
  return text ? (JSON.parse(text) as T) : null;
}
