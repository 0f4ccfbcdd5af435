/** Every page and its address. Pages are chunks that load when they are opened. */
import { type ComponentType, lazy } from "react";
import { createBrowserRouter, useRouteError } from "react-router";
import { Layout } from "./components/Layout";
import { Nothing, Trouble } from "./components/parts";
import { readLink } from "./lib/link";
import { useText } from "./lib/text";

type Module = Record<string, ComponentType>;

function page(load: () => Promise<unknown>, name: string) {
  const Page = lazy(async () => ({ default: ((await load()) as Module)[name] as ComponentType }));
  return <Page />;
}

function Missing() {
  const { t } = useText();
  return <Nothing title={t("missing.title")} text={t("missing.text")} />;
}

function Broken() {
  const error = useRouteError();
  return <Trouble error={error} retry={() => location.reload()} />;
}

const overview = () => import("./pages/Overview");
const blocks = () => import("./pages/Blocks");
const transactions = () => import("./pages/Transactions");
const accounts = () => import("./pages/Accounts");
const assets = () => import("./pages/Assets");
const records = () => import("./pages/Records");
const organisations = () => import("./pages/Organisations");
const governance = () => import("./pages/Governance");
const search = () => import("./pages/Search");
const verify = () => import("./pages/Verify");
const monitoring = () => import("./pages/Monitoring");
const logs = () => import("./pages/Logs");
const alarms = () => import("./pages/Alarms");
const administration = () => import("./pages/Administration");
const login = () => import("./pages/Login");
const sandbox = () => import("./pages/Sandbox");
const screen = () => import("./pages/Screen");

// Before the router looks at the address.
readLink();

export const router = createBrowserRouter([
  {
    element: <Layout />,
    errorElement: <Broken />,
    children: [
      { path: "/", element: page(overview, "Overview") },
      { path: "/blocks", element: page(blocks, "Blocks") },
      { path: "/blocks/:height", element: page(blocks, "BlockPage") },
      { path: "/transactions", element: page(transactions, "Transactions") },
      { path: "/transactions/:hash", element: page(transactions, "TransactionPage") },
      { path: "/accounts", element: page(accounts, "Accounts") },
      { path: "/accounts/:address", element: page(accounts, "AccountPage") },
      { path: "/assets", element: page(assets, "Assets") },
      { path: "/assets/:asset", element: page(assets, "AssetPage") },
      { path: "/records", element: page(records, "Records") },
      { path: "/records/:namespace/:key", element: page(records, "RecordPage") },
      { path: "/organisations", element: page(organisations, "Organisations") },
      { path: "/organisations/:organisation", element: page(organisations, "OrganisationPage") },
      { path: "/validators", element: page(governance, "Validators") },
      { path: "/proposals", element: page(governance, "Proposals") },
      { path: "/proposals/:proposal", element: page(governance, "ProposalPage") },
      { path: "/evidence", element: page(governance, "Evidence") },
      { path: "/evidence/:evidence", element: page(governance, "EvidencePage") },
      { path: "/search", element: page(search, "Search") },
      { path: "/verify", element: page(verify, "Verify") },
      { path: "/monitoring/nodes", element: page(monitoring, "Nodes") },
      { path: "/monitoring/hosts", element: page(monitoring, "Hosts") },
      { path: "/monitoring/consensus", element: page(monitoring, "Consensus") },
      { path: "/monitoring/peers", element: page(monitoring, "Peers") },
      { path: "/monitoring/clients", element: page(monitoring, "Clients") },
      { path: "/monitoring/logs", element: page(logs, "Logs") },
      { path: "/alarms", element: page(alarms, "Alarms") },
      { path: "/users", element: page(administration, "Users") },
      { path: "/audit", element: page(administration, "Audit") },
      { path: "/sandbox", element: page(sandbox, "Sandbox") },
      { path: "/password", element: page(login, "Password") },
      { path: "/login", element: page(login, "Login") },
      { path: "*", element: <Missing /> },
    ],
  },
  { path: "/screen", element: page(screen, "Screen"), errorElement: <Broken /> },
]);
