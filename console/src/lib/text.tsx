/** Texts in two languages; both dictionaries have the same keys, checked by types and a test. */
import {
  createContext,
  Fragment,
  type ReactNode,
  use,
  useCallback,
  useEffect,
  useMemo,
  useState,
} from "react";
import en from "../text/en.json";
import zh from "../text/zh.json";

export type Key = keyof typeof en;
export type Language = "en" | "zh";
const DICTIONARIES: Record<Language, Record<string, string>> = { en, zh };
const STORED = "bubi.language";

export interface Texts {
  language: Language;
  setLanguage: (language: Language) => void;
  /** A text with its `{places}` filled. */
  t: (key: Key, values?: Record<string, string | number>) => string;
  /** A text whose places hold elements. */
  rich: (key: Key, values: Record<string, ReactNode>) => ReactNode;
  /** The text of a name that comes from the ledger, or the name itself. */
  name: (group: string, name: string | null | undefined) => string;
  /** All codes of a group. */
  codes: (group: string) => string[];
}

const Context = createContext<Texts | null>(null);

function firstLanguage(): Language {
  const stored = localStorage.getItem(STORED);
  if (stored === "en" || stored === "zh") return stored;
  return navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en";
}

function plain(text: string, values: Record<string, string | number> = {}): string {
  return text.replace(/\{(\w+)\}/g, (whole, place: string) => String(values[place] ?? whole));
}

function filled(text: string, values: Record<string, ReactNode>): ReactNode {
  const parts = text.split(/\{(\w+)\}/g);
  return parts.map((part, at) => (
    <Fragment key={at}>{at % 2 === 1 ? (values[part] ?? `{${part}}`) : part}</Fragment>
  ));
}

export function TextProvider({ children }: { children: ReactNode }) {
  const [language, choose] = useState<Language>(firstLanguage);
  useEffect(() => {
    document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  }, [language]);
  const setLanguage = useCallback((chosen: Language) => {
    localStorage.setItem(STORED, chosen);
    choose(chosen);
  }, []);
  const value = useMemo<Texts>(() => {
    const texts = DICTIONARIES[language];
    return {
      language,
      setLanguage,
      t: (key, values) => plain(texts[key] ?? key, values),
      rich: (key, values) => filled(texts[key] ?? key, values),
      codes: (group) =>
        Object.keys(texts)
          .filter((key) => key.startsWith(`${group}.`))
          .map((key) => key.slice(group.length + 1)),
      name: (group, name) => (name ? (texts[`${group}.${name}`] ?? name) : "–"),
    };
  }, [language, setLanguage]);
  return <Context value={value}>{children}</Context>;
}

export function useText(): Texts {
  const texts = use(Context);
  if (!texts) throw new Error("useText outside of TextProvider");
  return texts;
}
