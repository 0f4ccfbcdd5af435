/** Proofs: a page takes only what speaks of it, and shows what was proven. */
import { readFileSync } from "node:fs";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import * as sdk from "bubi-sdk";
import { renderToStaticMarkup } from "react-dom/server";
import { MemoryRouter } from "react-router";
import { afterEach, describe, expect, it, vi } from "vitest";
import { ProofResult, type ProofState } from "../src/components/Proof";
import { provenAny, provenSubject } from "../src/lib/proofs";
import { refusalOf } from "../src/lib/refusals";
import { TextProvider } from "../src/lib/text";
import en from "../src/text/en.json";
import zh from "../src/text/zh.json";
import { accountAnswer, address, assetAnswer, TRUST } from "./ledger";

const [ONE, OTHER] = ["aa".repeat(32), "bb".repeat(32)];

/** What a check comes to. */
function checked(action: () => Extract<ProofState, { step: "good" }>["shown"]): ProofState {
  try {
    return { step: "good", shown: action() };
  } catch (error) {
    return { step: "bad", error };
  }
}

/** The page's words for a check. */
function told(state: ProofState, language: "en" | "zh", supply?: string): string {
  vi.stubGlobal("localStorage", { getItem: () => language, setItem: () => undefined });
  return renderToStaticMarkup(
    <TextProvider>
      <QueryClientProvider client={new QueryClient()}>
        <MemoryRouter>
          <ProofResult state={state} supply={supply} />
        </MemoryRouter>
      </QueryClientProvider>
    </TextProvider>,
  );
}

const codeOf = (state: ProofState): string =>
  state.step === "bad" ? refusalOf(state.error).code : state.step;

afterEach(() => vi.unstubAllGlobals());

describe("the proof of an asset", () => {
  it("shows its supply, and whether the page shows the same", async () => {
    const answer = await assetAnswer(ONE, "123456", "41");
    const state = checked(() => provenSubject(sdk, TRUST, answer, { asset: ONE }));
    expect(codeOf(state)).toBe("good");
    for (const [language, t] of [
      ["en", en],
      ["zh", zh],
    ] as const) {
      const same = told(state, language, "123456");
      expect(same).toContain(t["proof.good"]);
      expect(same).toContain("1\u202f234.56</b> POINT");
      expect(same).toContain('href="/blocks/41"');
      expect(same).toContain(`href="/assets/${ONE}"`);
      expect(same).toContain(t["proof.supply.same"]);
      const differs = told(state, language, "123400");
      expect(differs).toContain(t["proof.supply.differs"].replace("{shown}", "1\u202f234"));
      expect(differs).not.toContain(t["proof.supply.same"]);
    }
  });

  it("is refused where it speaks of another asset or of an account", async () => {
    const others = [
      await assetAnswer(OTHER, "123456", "41"),
      await accountAnswer(address(2), ONE, "5"),
    ];
    for (const answer of others) {
      const state = checked(() => provenSubject(sdk, TRUST, answer, { asset: ONE }));
      expect(codeOf(state)).toBe("proof_foreign");
      expect(told(state, "en")).toContain(en["proof.bad"]);
      expect(told(state, "zh")).toContain(zh["problem.proof_foreign"]);
    }
  });
});

describe("the proof of an account", () => {
  it("shows what it holds", async () => {
    const answer = await accountAnswer(address(2), ONE, "5000");
    const state = checked(() => provenSubject(sdk, TRUST, answer, { account: address(2) }));
    const page = told(state, "en");
    expect(page).toContain("this account has exactly 1 entries");
    expect(page).toContain('title="5000"');
    expect(page).toContain(`href="/accounts/${address(2)}"`);
  });

  it("is refused where it speaks of another account, or of one cell", async () => {
    const others = [await accountAnswer(address(3), ONE, "5"), await assetAnswer(ONE, "1", "2")];
    for (const answer of others) {
      const state = checked(() => provenSubject(sdk, TRUST, answer, { account: address(2) }));
      expect(codeOf(state)).toBe("proof_foreign");
    }
  });
});

describe("a saved proof", () => {
  it("is shown with its owner and its value", async () => {
    const given = JSON.stringify(await assetAnswer(OTHER, "77", "5"));
    const page = told(
      checked(() => provenAny(sdk, TRUST, given)),
      "en",
    );
    expect(page).toContain(en["proof.about.asset"]);
    expect(page).toContain(`href="/assets/${OTHER}"`);
    expect(page).toContain("0.77</b> POINT");
    expect(page).toContain("&quot;supply&quot;: &quot;77&quot;");
  });

  it("is refused in the words of the language, the detail only in English", () => {
    const file = new URL("../../spec/vectors/proof.json", import.meta.url);
    const { receipts } = JSON.parse(readFileSync(file, "utf8"));
    const good = receipts.find((one: { valid: boolean }) => one.valid);
    const trust = sdk.Trust.from(good.trust);
    const whole = checked(() => provenAny(sdk, trust, good.proof));
    expect(told(whole, "en")).toContain(`href="/transactions/${good.transaction}"`);
    const damaged = receipts.filter((one: { valid: boolean }) => !one.valid);
    for (const one of [...damaged, { ...good, proof: "zz" }, { ...good, proof: "{" }]) {
      const state = checked(() => provenAny(sdk, sdk.Trust.from(one.trust), one.proof));
      const code = codeOf(state);
      expect(["proof_invalid", "malformed_json"]).toContain(code);
      const chinese = told(state, "zh");
      expect(chinese).toContain(zh["proof.bad"]);
      expect(chinese).toContain(zh[`problem.${code}` as keyof typeof zh]);
      expect(
        chinese.replaceAll(/<[^>]*>/g, "").replaceAll(new RegExp(`${code}|JSON`, "g"), ""),
      ).not.toMatch(/[a-z]{3}/i);
      expect(told(state, "en")).toContain(en[`problem.${code}` as keyof typeof en]);
    }
  });
});
