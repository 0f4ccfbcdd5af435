import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { RouterProvider } from "react-router/dom";
import { RequestError } from "./lib/api";
import { LiveProvider } from "./lib/live";
import { SessionProvider } from "./lib/session";
import { TextProvider } from "./lib/text";
import { ThemeProvider } from "./lib/theme";
import { router } from "./routes";
import "./styles.css";

const queries = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 2_000,
      refetchOnWindowFocus: false,
      // A refusal stays a refusal; a broken connection may heal.
      retry: (count, error) =>
        count < 2 && (!(error instanceof RequestError) || error.problem.status === 0),
    },
  },
});

const root = document.getElementById("root");
if (root) {
  createRoot(root).render(
    <StrictMode>
      <QueryClientProvider client={queries}>
        <TextProvider>
          <ThemeProvider>
            <SessionProvider>
              <LiveProvider>
                <RouterProvider router={router} />
              </LiveProvider>
            </SessionProvider>
          </ThemeProvider>
        </TextProvider>
      </QueryClientProvider>
    </StrictMode>,
  );
}
