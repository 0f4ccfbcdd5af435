/** Try the ledger: a key of your own, a faucet, build → simulate → sign → submit, live events. */
import { ExperimentOutlined, KeyOutlined, SendOutlined } from "@ant-design/icons";
import { useQuery } from "@tanstack/react-query";
import { Button, Input, Select } from "antd";
import type { OperationBody, SecretKey as Secret } from "bubi-sdk";
import { type ReactNode, useEffect, useId, useMemo, useState } from "react";
import { Link } from "react-router";
import {
  AccountId,
  BlockLink,
  Bones,
  Card,
  Code,
  CopyButton,
  Nothing,
  PageHead,
  Pill,
  Reason,
  TransactionId,
  Trouble,
} from "../components/parts";
import { Amount, Sentence } from "../components/Words";
import { change, get, RequestError, address as urlOf } from "../lib/api";
import { useLive } from "../lib/live";
import { row, rows, text } from "../lib/rows";
import {
  type Comment,
  circumstances,
  FIELDS,
  type Found,
  NOTHING_FOUND,
  operations,
  program,
  TRIES,
  type Try,
  type Values,
} from "../lib/sandbox";
import { useSession } from "../lib/session";
import { useText } from "../lib/text";
import type { Holding, NetworkInfo, Row } from "../lib/types";

type Sdk = typeof import("bubi-sdk");
const STORED = "bubi.sandbox.key";
/** How often the page looks at what the transaction depends on. */
const FOUND_AGAIN_MS = 2_000;

/** The key lives in this tab only: a development network's toy, never a wallet. */
function storedKey(sdk: Sdk): Secret | null {
  const found = sessionStorage.getItem(STORED);
  return found ? new sdk.SecretKey("ed25519", sdk.fromHex(found)) : null;
}

interface Event {
  id: number;
  content: ReactNode;
}

export function Sandbox() {
  const { t } = useText();
  const { network } = useSession();
  const [sdk, setSdk] = useState<Sdk | null>(null);
  useEffect(() => {
    import("bubi-sdk").then(setSdk);
  }, []);
  const head = (
    <PageHead name={t("nav.sandbox")} title={t("nav.sandbox")} text={t("sandbox.text")} />
  );
  if (!network || !sdk) {
    return (
      <>
        {head}
        <Bones lines={8} />
      </>
    );
  }
  if (!network.development || !network.sandbox) {
    return (
      <>
        {head}
        <Card>
          <Nothing title={t("sandbox.none")} text={t("sandbox.none.text")} />
        </Card>
      </>
    );
  }
  return (
    <>
      {head}
      <Bench sdk={sdk} network={network} />
    </>
  );
}

function Bench({ sdk, network }: { sdk: Sdk; network: NetworkInfo }) {
  const { t } = useText();
  const { listen } = useLive();
  const [key, setKey] = useState<Secret | null>(() => storedKey(sdk));
  const [feed, setFeed] = useState<Event[]>([]);
  const [holdings, setHoldings] = useState<Holding[]>([]);
  const [code, setCode] = useState("");
  const known = useMemo(
    () => new sdk.Network(network.chain_id, network.prefix, network.suite, network.name),
    [sdk, network],
  );
  const address = key ? known.addressOf(key.publicKey) : null;
  const tell = (content: ReactNode): void =>
    setFeed((before) => [{ id: (before[0]?.id ?? 0) + 1, content }, ...before].slice(0, 40));
  useEffect(
    () =>
      listen((name, data) => {
        const height = text(row(data), "height");
        if (name !== "block" || !height) return;
        setFeed((before) =>
          [
            {
              id: (before[0]?.id ?? 0) + 1,
              content: (
                <>
                  {t("block")} <BlockLink height={height} />
                </>
              ),
            },
            ...before,
          ].slice(0, 40),
        );
      }),
    [listen, t],
  );
  const look = async (): Promise<void> => {
    if (!address) return;
    const found = await get(urlOf("/api/v1/accounts/{address}/holdings", { address })).catch(
      () => null,
    );
    setHoldings(found?.items ?? []);
  };
  const newest = feed[0]?.id;
  useEffect(() => {
    void look();
  }, [address, newest]);
  return (
    <div className="columns">
      <div className="stack">
        <KeyCard
          sdk={sdk}
          secret={key}
          address={address}
          holdings={holdings}
          onKey={setKey}
          tell={tell}
          look={look}
        />
        {key && address && (
          <BuildCard
            sdk={sdk}
            network={known}
            secret={key}
            address={address}
            holdings={holdings}
            tell={tell}
            look={look}
            onCode={setCode}
          />
        )}
      </div>
      <Card title={t("sandbox.code")} extra={<CopyButton text={code} />}>
        {code ? (
          // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must take the focus
          <pre className="code" tabIndex={0}>
            {code}
          </pre>
        ) : (
          <Nothing title={t("sandbox.code.empty")} />
        )}
      </Card>
      <Card title={t("sandbox.events")} extra={<Pill>{feed.length}</Pill>}>
        {feed.length === 0 ? (
          <Nothing title={t("sandbox.events.empty")} />
        ) : (
          <ul className="feed" aria-live="polite">
            {feed.map((one) => (
              <li key={one.id} className="fresh">
                {one.content}
              </li>
            ))}
          </ul>
        )}
      </Card>
    </div>
  );
}

function KeyCard(props: {
  sdk: Sdk;
  address: string | null;
  secret: Secret | null;
  holdings: Holding[];
  onKey: (key: Secret) => void;
  tell: (content: ReactNode) => void;
  look: () => Promise<void>;
}) {
  const { t } = useText();
  const { sdk, address } = props;
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const make = (): void => {
    const made = sdk.SecretKey.generate();
    sessionStorage.setItem(STORED, sdk.toHex(made.secretBytes()));
    props.onKey(made);
  };
  const fund = async (): Promise<void> => {
    setBusy(true);
    setError(null);
    try {
      const answer = await change<Row>("POST", "/api/v1/sandbox/faucet", {
        key: props.secret?.publicKey,
      });
      const id = text(answer, "transaction");
      props.tell(
        <>
          {t("sandbox.funded")} <TransactionId value={id} />
        </>,
      );
      await props.look();
    } catch (found) {
      setError(found);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Card title={t("sandbox.key")}>
      <div className="form">
        <p className="muted">{t("sandbox.key.text")}</p>
        {address ? (
          <>
            <div>
              {t("sandbox.address")} <AccountId value={address} />
            </div>
            <ul aria-label={t("account.holdings")}>
              {props.holdings.map((one) => (
                <li key={one.asset.id}>
                  <Amount asset={one.asset.id} amount={one.balance} />
                </li>
              ))}
            </ul>
            <div className="row">
              <Button
                type={props.holdings.length ? "default" : "primary"}
                loading={busy}
                onClick={fund}
              >
                {t("sandbox.fund")}
              </Button>
              <Button icon={<KeyOutlined />} onClick={make}>
                {t("sandbox.other_key")}
              </Button>
            </div>
          </>
        ) : (
          <Button type="primary" icon={<KeyOutlined />} onClick={make}>
            {t("sandbox.make_key")}
          </Button>
        )}
        {error !== null && <Trouble error={error} />}
      </div>
    </Card>
  );
}

interface Step {
  simulated: Row | null;
  hash: string | null;
  outcome: Row | null;
  error: unknown;
}
const NOTHING: Step = { simulated: null, hash: null, outcome: null, error: null };

function BuildCard(props: {
  sdk: Sdk;
  network: InstanceType<Sdk["Network"]>;
  secret: Secret;
  address: string;
  holdings: Holding[];
  tell: (content: ReactNode) => void;
  look: () => Promise<void>;
  onCode: (code: string) => void;
}) {
  const { t, name } = useText();
  const { sdk, network, address, onCode } = props;
  const [kind, setKind] = useState<Try>("transfer");
  const [values, setValues] = useState<Values>({});
  const [step, setStep] = useState<Step>(NOTHING);
  const [busy, setBusy] = useState("");
  const first = props.holdings[0] ? props.holdings[0].asset.id : "";
  const value = (field: string, start: string): string => {
    if (values[field] !== undefined) return values[field];
    if (field === "asset") return first;
    return field === "to" && kind === "issue" ? address : start;
  };
  const filled = Object.fromEntries(
    FIELDS[kind].map(([field, start]) => [field, value(field, start)]),
  );
  const namespace = network.namespaceId(filled.namespace_name || "sandbox");
  const drafted = (found: Found): OperationBody[] =>
    operations(sdk, kind, filled, found.namespaceExists, namespace);
  const ask = () => circumstances(kind, filled, namespace, address);
  const found = useQuery({
    queryKey: ["sandbox", kind, namespace, filled.key, filled.asset, address],
    queryFn: ask,
    placeholderData: (before) => before,
    refetchInterval: FOUND_AGAIN_MS,
  }).data;
  const build = async () => {
    const builder = new sdk.TransactionBuilder(network, address);
    for (const one of drafted(await ask())) {
      const [operation, fields] = Object.entries(one)[0] as [never, never];
      builder.add(operation, fields);
    }
    return builder.build();
  };
  const run = async (what: string, action: () => Promise<Partial<Step>>): Promise<void> => {
    setBusy(what);
    try {
      const done = await action();
      setStep((before) => ({ ...before, error: null, ...done }));
    } catch (error) {
      setStep((before) => ({ ...before, error }));
    } finally {
      setBusy("");
    }
  };
  const simulate = () =>
    run("simulate", async () => {
      const { body } = await build();
      const simulated = await change<Row>("POST", "/api/v1/sandbox/simulate", body);
      return { simulated, hash: null, outcome: null };
    });
  const submit = () =>
    run("submit", async () => {
      const envelope = await (await build()).sign(props.secret);
      const outcome = await change<Row>("POST", "/api/v1/sandbox/transactions", envelope.encoded);
      props.tell(
        <>
          {t("sandbox.sent")} <TransactionId value={envelope.hash} />{" "}
          <Code code={text(outcome, "code", "status")} />
        </>,
      );
      await props.look();
      return { hash: envelope.hash, outcome };
    });
  const body = safely(() => drafted({ ...NOTHING_FOUND, namespaceExists: true })[0]);
  const comment = (one: Comment): string => t(`sandbox.comment.${one}`);
  const page = { origin: location.origin, address, comment };
  const code = found ? program(safely(() => drafted(found)) ?? [], found, page) : "";
  useEffect(() => onCode(code), [code, onCode]);
  const id = useId();
  return (
    <Card title={t("sandbox.build")}>
      <div className="form">
        <label htmlFor={id}>
          {t("sandbox.operation")}
          <Select
            id={id}
            aria-label={t("sandbox.operation")}
            value={kind}
            options={TRIES.map((one) => ({ value: one, label: name("operation", one) }))}
            onChange={(one: Try) => {
              setKind(one);
              setValues({});
              setStep(NOTHING);
            }}
          />
        </label>
        {FIELDS[kind].map(([field, start]) => (
          <label key={field}>
            {name("field", field)}
            <Input
              value={value(field, start)}
              onChange={(event) => {
                setValues({ ...values, [field]: event.target.value });
                // What stands below is about other values.
                setStep(NOTHING);
              }}
            />
          </label>
        ))}
        <div className="row">
          <Button icon={<ExperimentOutlined />} loading={busy === "simulate"} onClick={simulate}>
            {t("sandbox.simulate")}
          </Button>
          <Button
            type="primary"
            icon={<SendOutlined />}
            loading={busy === "submit"}
            onClick={submit}
          >
            {t("sandbox.submit")}
          </Button>
        </div>
        <StepResult step={step} body={body} address={address} />
      </div>
    </Card>
  );
}

function safely<T>(action: () => T): T | null {
  try {
    return action();
  } catch {
    // The form is not complete yet: there is nothing to show.
    return null;
  }
}

function StepResult({
  step,
  body,
  address,
}: {
  step: Step;
  body: OperationBody | null | undefined;
  address: string;
}) {
  const { t, name } = useText();
  const simulated = row(step.simulated);
  const refused = text(simulated, "refused");
  return (
    <div aria-live="polite" className="stack">
      {step.error !== null &&
        (step.error instanceof RequestError ? (
          <Trouble error={step.error} />
        ) : (
          <div role="alert">
            <Pill tone="bad">{t("sandbox.invalid")}</Pill> <Reason error={step.error} />
          </div>
        ))}
      {step.simulated && (
        <div>
          <Pill tone="info">{t("sandbox.simulated")}</Pill>{" "}
          {refused ? (
            <Pill tone="bad">{name("problem", refused)}</Pill>
          ) : (
            <Code code={text(simulated, "code")} />
          )}
          <p className="muted">{t("sandbox.would", { n: rows(simulated.events).length })}</p>
        </div>
      )}
      {step.hash && (
        <div>
          <Code code={text(step.outcome, "code", "status")} />{" "}
          <Link to={`/transactions/${step.hash}`}>{t("sandbox.open")}</Link>
          {body && (
            <p>
              <Sentence group="does" body={body} source={address} />
            </p>
          )}
        </div>
      )}
    </div>
  );
}
