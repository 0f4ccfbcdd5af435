/** Programs that a page shows, as their readers run them. */
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { build } from "vite";
import { PATIENCE_MS } from "./browser";

const execute = promisify(execFile);
const ROOT = `${import.meta.dirname}/..`;

/** Runs a program with Node.js on the library of this repository; what it prints. */
export async function ran(program: string): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "bubi-program-"));
  try {
    const source = join(folder, "program.mjs");
    writeFileSync(source, program);
    await build({
      root: ROOT,
      configFile: `${ROOT}/vite.config.ts`,
      logLevel: "error",
      publicDir: false,
      ssr: { noExternal: true },
      build: { ssr: source, outDir: join(folder, "built"), manifest: false },
    });
    const built = join(folder, "built", "program.js");
    const { stdout } = await execute(process.execPath, [built], { timeout: PATIENCE_MS });
    return stdout;
  } finally {
    rmSync(folder, { recursive: true });
  }
}
