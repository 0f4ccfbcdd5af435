/** Light and dark, with one set of colours for Ant Design and our own style sheet. */
import { theme as antd, ConfigProvider } from "antd";
import enUS from "antd/locale/en_US";
import zhCN from "antd/locale/zh_CN";
import { createContext, type ReactNode, use, useEffect, useMemo, useState } from "react";
import { useText } from "./text";

export type Mode = "light" | "dark";
const STORED = "bubi.theme";

const FONT =
  '-apple-system, BlinkMacSystemFont, "Segoe UI", "PingFang SC", "Hiragino Sans GB", ' +
  '"Microsoft YaHei", "Noto Sans SC", "Noto Sans CJK SC", "Source Han Sans SC", ' +
  '"WenQuanYi Micro Hei", "Helvetica Neue", Arial, sans-serif';
const MONOSPACE =
  'ui-monospace, "SF Mono", "Cascadia Mono", Menlo, Consolas, "DejaVu Sans Mono", ' +
  '"Noto Sans Mono CJK SC", monospace';

/** Colours by mode; every text colour has a contrast of at least 4.5 on its ground. */
export const PALETTE = {
  light: {
    canvas: "#f4f6f8",
    surface: "#ffffff",
    border: "#dfe4ea",
    text: "#17212e",
    muted: "#566372",
    primary: "#1d4f91",
    good: "#17693f",
    warn: "#8a5206",
    bad: "#b3261e",
  },
  dark: {
    canvas: "#0e141b",
    surface: "#161e27",
    border: "#2a3541",
    text: "#e4eaf1",
    muted: "#9aa8b7",
    primary: "#7fb0f0",
    good: "#63c795",
    warn: "#e5b567",
    bad: "#f2938c",
  },
} as const;

const Context = createContext<{ mode: Mode; setMode: (mode: Mode) => void } | null>(null);

function firstMode(): Mode {
  const stored = localStorage.getItem(STORED);
  if (stored === "light" || stored === "dark") return stored;
  return matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
}

const nonce = document.querySelector<HTMLMetaElement>('meta[name="csp-nonce"]')?.content ?? "";

export function ThemeProvider({ children }: { children: ReactNode }) {
  const { language } = useText();
  const [mode, choose] = useState<Mode>(firstMode);
  const colours = PALETTE[mode];
  useEffect(() => {
    document.documentElement.dataset.theme = mode;
  }, [mode]);
  const value = useMemo(
    () => ({
      mode,
      setMode: (chosen: Mode) => {
        localStorage.setItem(STORED, chosen);
        choose(chosen);
      },
    }),
    [mode],
  );
  const token = {
    colorPrimary: colours.primary,
    colorLink: colours.primary,
    colorSuccess: colours.good,
    colorWarning: colours.warn,
    colorError: colours.bad,
    colorText: colours.text,
    colorTextDescription: colours.muted,
    colorTextPlaceholder: colours.muted,
    colorBgLayout: colours.canvas,
    colorBgContainer: colours.surface,
    colorBorderSecondary: colours.border,
    colorTextLightSolid: mode === "dark" ? "#0e141b" : "#ffffff",
    fontFamily: FONT,
    fontFamilyCode: MONOSPACE,
    fontSize: 14,
    borderRadius: 6,
    wireframe: false,
  };
  const algorithm = mode === "dark" ? antd.darkAlgorithm : antd.defaultAlgorithm;
  return (
    <Context value={value}>
      <ConfigProvider
        csp={{ nonce }}
        // Always one: with none the tree is another, and a change of the language would empty every page.
        locale={language === "zh" ? zhCN : enUS}
        theme={{ algorithm, token }}
        wave={{ disabled: true }}
        button={{ autoInsertSpace: false }}
      >
        {children}
      </ConfigProvider>
    </Context>
  );
}

export function useTheme() {
  const found = use(Context);
  if (!found) throw new Error("useTheme outside of ThemeProvider");
  return found;
}
