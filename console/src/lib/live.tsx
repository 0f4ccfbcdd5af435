/** The gateway's event stream: one connection for the whole page. */
import { useQueryClient } from "@tanstack/react-query";
import { createContext, type ReactNode, use, useEffect, useMemo, useRef, useState } from "react";

export type StreamName = "block" | "alarm" | "status";
type Listener = (name: StreamName, data: unknown) => void;
export type Connection = "connecting" | "open" | "lost";

interface Live {
  connection: Connection;
  listen: (listener: Listener) => () => void;
}

const Context = createContext<Live | null>(null);
const REFRESH_MS = 1_000;
/** What a new block changes. */
const OF_BLOCKS = [
  "overview",
  "blocks",
  "transactions",
  "newest",
  "proposals",
  "proposal",
  "evidence",
  "epochs",
  "validators",
  "organisations",
  "organisation",
  "members",
];
const OF_ALARMS = ["alarms", "overview"];

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

export function LiveProvider({ children }: { children: ReactNode }) {
  const queries = useQueryClient();
  const listeners = useRef(new Set<Listener>());
  const [connection, setConnection] = useState<Connection>("connecting");
  useEffect(() => {
    const source = new EventSource("/api/v1/stream");
    const due = new Set<string>();
    const timer = setInterval(() => {
      for (const name of due) queries.invalidateQueries({ queryKey: [name] });
      due.clear();
    }, REFRESH_MS);
    const hear =
      (name: StreamName, touched: readonly string[]) => (event: MessageEvent<string>) => {
        for (const one of touched) due.add(one);
        for (const listener of listeners.current) listener(name, parsed(event.data));
      };
    source.addEventListener("block", hear("block", OF_BLOCKS));
    source.addEventListener("alarm", hear("alarm", OF_ALARMS));
    source.addEventListener("status", hear("status", ["overview", "monitoring"]));
    source.onopen = () => setConnection("open");
    source.onerror = () => setConnection("lost");
    return () => {
      clearInterval(timer);
      source.close();
    };
  }, [queries]);
  const value = useMemo<Live>(
    () => ({
      connection,
      listen: (listener) => {
        listeners.current.add(listener);
        return () => listeners.current.delete(listener);
      },
    }),
    [connection],
  );
  return <Context value={value}>{children}</Context>;
}

export function useLive(): Live {
  const found = use(Context);
  if (!found) throw new Error("useLive outside of LiveProvider");
  return found;
}
