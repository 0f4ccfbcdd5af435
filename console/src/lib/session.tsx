/** Who is logged in, and which network this is. */
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { createContext, type ReactNode, use, useEffect, useMemo } from "react";
import { address, change, get, RequestError, setCsrf } from "./api";
import type { NetworkInfo, Role, Session } from "./types";

const RANKS: Record<Role, number> = { read_only: 1, auditor: 2, operator: 3, administrator: 4 };
const NOBODY: Session = {
  name: null,
  role: null,
  csrf: null,
  has_password: false,
  has_provider: false,
  provider: false,
  public: true,
};

interface Found {
  session: Session;
  loaded: boolean;
  network: NetworkInfo | undefined;
  /** Whether the role, or one above it, is logged in. */
  may: (role: Role) => boolean;
  refresh: () => Promise<void>;
  leave: () => Promise<void>;
}

const Context = createContext<Found | null>(null);

async function readSession(): Promise<Session> {
  try {
    return await get(address("/api/v1/session", {}));
  } catch (error) {
    if (error instanceof RequestError && [401, 403].includes(error.problem.status)) return NOBODY;
    throw error;
  }
}

export function SessionProvider({ children }: { children: ReactNode }) {
  const queries = useQueryClient();
  const asked = useQuery({ queryKey: ["session"], queryFn: readSession, staleTime: 60_000 });
  const network = useQuery({
    queryKey: ["network"],
    queryFn: () => get(address("/api/v1/network", {})),
    staleTime: 60_000,
  });
  const session = asked.data ?? NOBODY;
  useEffect(() => setCsrf(session.csrf), [session.csrf]);
  const value = useMemo<Found>(
    () => ({
      session,
      loaded: !asked.isPending,
      network: network.data,
      may: (role) => session.role !== null && RANKS[session.role] >= RANKS[role],
      refresh: () => queries.invalidateQueries(),
      leave: async () => {
        await change("DELETE", "/api/v1/session");
        queries.clear();
        await queries.invalidateQueries();
      },
    }),
    [session, asked.isPending, network.data, queries],
  );
  return <Context value={value}>{children}</Context>;
}

export function useSession(): Found {
  const found = use(Context);
  if (!found) throw new Error("useSession outside of SessionProvider");
  return found;
}
