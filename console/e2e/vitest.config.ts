import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    root: import.meta.dirname,
    include: ["*.test.ts"],
    environment: "node",
    fileParallelism: false,
    // Machines that run these are slow and busy.
    testTimeout: 300_000,
    hookTimeout: 300_000,
  },
});
