import { fileURLToPath } from "node:url";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

export default defineConfig({
  plugins: [react()],
  resolve: {
    alias: [
      { find: "bubi-sdk", replacement: here("../sdk/node/src/index.ts") },
      // The SDK is compiled from source; its libraries are those of the console.
      { find: /^@noble\/(.*)$/, replacement: here("./node_modules/@noble/$1") },
    ],
  },
  build: {
    target: "es2022",
    manifest: true,
    // Not `assets`: that is the address of a page.
    assetsDir: "files",
    // A policy without `data:` scripts and styles stays simple when nothing is inlined.
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 900,
    rollupOptions: {
      output: {
        manualChunks: (id: string) => {
          if (/node_modules\/(react|react-dom|scheduler|react-router)\//.test(id)) return "react";
          return undefined;
        },
      },
    },
  },
  server: { proxy: { "/api": process.env.BUBI_GATEWAY ?? "http://127.0.0.1:8700" } },
  test: { include: ["test/**/*.test.{ts,tsx}"], environment: "node", testTimeout: 60_000 },
} as Parameters<typeof defineConfig>[0]);
