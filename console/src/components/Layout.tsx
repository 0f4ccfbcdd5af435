/** The frame around every page: navigation, search, language, colours, user. */
import {
  AlertOutlined,
  ApartmentOutlined,
  AppstoreOutlined,
  AuditOutlined,
  BankOutlined,
  BlockOutlined,
  BulbOutlined,
  CloudServerOutlined,
  ClusterOutlined,
  CodeOutlined,
  DashboardOutlined,
  DesktopOutlined,
  ExperimentOutlined,
  FileProtectOutlined,
  FileTextOutlined,
  FlagOutlined,
  FundProjectionScreenOutlined,
  LogoutOutlined,
  MenuOutlined,
  NodeIndexOutlined,
  SearchOutlined,
  SwapOutlined,
  TeamOutlined,
  UserOutlined,
  WalletOutlined,
} from "@ant-design/icons";
import { Button, Input } from "antd";
import { type ReactNode, Suspense, useEffect, useRef, useState } from "react";
import { Link, NavLink, Outlet, useLocation, useNavigate } from "react-router";
import { useLive } from "../lib/live";
import { useSession } from "../lib/session";
import { type Key, useText } from "../lib/text";
import { useTheme } from "../lib/theme";
import type { Role } from "../lib/types";
import { Bones } from "./parts";

interface Entry {
  to: string;
  label: Key;
  icon: ReactNode;
  role?: Role;
}

const GROUPS: readonly { label: Key; entries: readonly Entry[] }[] = [
  {
    label: "nav.explorer",
    entries: [
      { to: "/", label: "nav.overview", icon: <DashboardOutlined /> },
      { to: "/blocks", label: "nav.blocks", icon: <BlockOutlined /> },
      { to: "/transactions", label: "nav.transactions", icon: <SwapOutlined /> },
      { to: "/accounts", label: "nav.accounts", icon: <WalletOutlined /> },
      { to: "/assets", label: "nav.assets", icon: <BankOutlined /> },
      { to: "/records", label: "nav.records", icon: <FileTextOutlined /> },
    ],
  },
  {
    label: "nav.network",
    entries: [
      { to: "/validators", label: "nav.validators", icon: <ApartmentOutlined /> },
      { to: "/organisations", label: "nav.organisations", icon: <ClusterOutlined /> },
      { to: "/proposals", label: "nav.proposals", icon: <FlagOutlined /> },
      { to: "/evidence", label: "nav.evidence", icon: <FileProtectOutlined /> },
    ],
  },
  {
    label: "nav.operations",
    entries: [
      { to: "/monitoring/nodes", label: "nav.nodes", icon: <CloudServerOutlined /> },
      { to: "/monitoring/hosts", label: "nav.hosts", icon: <DesktopOutlined /> },
      { to: "/monitoring/consensus", label: "nav.consensus", icon: <NodeIndexOutlined /> },
      { to: "/monitoring/peers", label: "nav.peers", icon: <AppstoreOutlined /> },
      { to: "/monitoring/clients", label: "nav.clients", icon: <TeamOutlined /> },
      { to: "/monitoring/logs", label: "nav.logs", icon: <CodeOutlined /> },
      { to: "/alarms", label: "nav.alarms", icon: <AlertOutlined /> },
    ],
  },
  {
    label: "nav.tools",
    entries: [
      { to: "/sandbox", label: "nav.sandbox", icon: <ExperimentOutlined /> },
      { to: "/verify", label: "nav.verify", icon: <FileProtectOutlined /> },
      { to: "/screen", label: "nav.screen", icon: <FundProjectionScreenOutlined /> },
    ],
  },
  {
    label: "nav.administration",
    entries: [
      { to: "/users", label: "nav.users", icon: <UserOutlined />, role: "administrator" },
      { to: "/audit", label: "nav.audit", icon: <AuditOutlined />, role: "auditor" },
    ],
  },
];

function Side({ open, onChoose }: { open: boolean; onChoose: () => void }) {
  const { t } = useText();
  const { network, may } = useSession();
  return (
    <div className={open ? "side open" : "side"}>
      <Link className="brand" to="/" onClick={onChoose}>
        <img src="/icon.svg" alt="" />
        <span>
          Bubi
          <small>{network?.name ?? " "}</small>
        </span>
      </Link>
      <nav className="nav" aria-label={t("nav.main")}>
        {GROUPS.map((group) => {
          const entries = group.entries.filter((entry) => !entry.role || may(entry.role));
          if (entries.length === 0) return null;
          return (
            <div key={group.label}>
              <h2>{t(group.label)}</h2>
              {entries.map((entry) => (
                <NavLink key={entry.to} to={entry.to} end={entry.to === "/"} onClick={onChoose}>
                  {entry.icon}
                  {t(entry.label)}
                </NavLink>
              ))}
            </div>
          );
        })}
      </nav>
    </div>
  );
}

function SearchBox() {
  const { t } = useText();
  const navigate = useNavigate();
  const box = useRef<HTMLElement>(null);
  useEffect(() => {
    const focus = (event: KeyboardEvent): void => {
      const target = event.target as HTMLElement | null;
      if (event.key !== "/" || target?.closest("input, textarea, select")) return;
      event.preventDefault();
      box.current?.querySelector("input")?.focus();
    };
    document.addEventListener("keydown", focus);
    return () => document.removeEventListener("keydown", focus);
  }, []);
  return (
    <search className="search" ref={box}>
      <Input
        prefix={<SearchOutlined />}
        placeholder={t("search.hint")}
        aria-label={t("search")}
        allowClear
        onPressEnter={(event) => {
          const text = event.currentTarget.value.trim();
          navigate(`/search?q=${encodeURIComponent(text)}`);
        }}
      />
    </search>
  );
}

function LiveDot() {
  const { t } = useText();
  const { connection } = useLive();
  const tone = connection === "open" ? "good" : connection === "lost" ? "bad" : "warn";
  return (
    <span className="pill" role="status">
      <span className={`dot ${tone}`} />
      {t(`live.${connection}`)}
    </span>
  );
}

function User() {
  const { t, name } = useText();
  const { session, leave } = useSession();
  const location = useLocation();
  if (!session.name) {
    const to = encodeURIComponent(location.pathname + location.search);
    return <Link to={`/login?to=${to}`}>{t("login")}</Link>;
  }
  return (
    <span className="row nowrap">
      <span>
        <Link to="/password" title={t("password")}>
          {session.name}
        </Link>{" "}
        <span className="muted">{name("role", session.role)}</span>
      </span>
      <Button
        type="text"
        icon={<LogoutOutlined />}
        aria-label={t("logout")}
        onClick={() => leave()}
      />
    </span>
  );
}

export function Switches() {
  const { t, language, setLanguage } = useText();
  const { mode, setMode } = useTheme();
  return (
    <>
      <Button
        type="text"
        lang={language === "zh" ? "en" : "zh-CN"}
        onClick={() => setLanguage(language === "zh" ? "en" : "zh")}
      >
        {language === "zh" ? "English" : "中文"}
      </Button>
      <Button
        type="text"
        icon={<BulbOutlined />}
        aria-label={t("theme.switch")}
        aria-pressed={mode === "dark"}
        onClick={() => setMode(mode === "dark" ? "light" : "dark")}
      />
    </>
  );
}

export function Layout() {
  const { t } = useText();
  const [open, setOpen] = useState(false);
  const location = useLocation();
  const main = useRef<HTMLElement>(null);
  const first = useRef(true);
  // A new page is read from its beginning.
  useEffect(() => {
    if (first.current) {
      first.current = false;
      return;
    }
    scrollTo(0, 0);
    main.current?.focus({ preventScroll: true });
  }, [location.pathname]);
  return (
    <div className="frame">
      <a className="skip" href="#main">
        {t("skip")}
      </a>
      <Side open={open} onChoose={() => setOpen(false)} />
      <div>
        <header className="top">
          <Button
            className="menu-button"
            type="text"
            icon={<MenuOutlined />}
            aria-label={t("nav.main")}
            aria-expanded={open}
            onClick={() => setOpen(!open)}
          />
          <SearchBox />
          <div className="right">
            <LiveDot />
            <Switches />
            <User />
          </div>
        </header>
        <main className="content" id="main" ref={main} tabIndex={-1}>
          <Suspense fallback={<Bones lines={8} />}>
            <Outlet />
          </Suspense>
        </main>
      </div>
    </div>
  );
}
