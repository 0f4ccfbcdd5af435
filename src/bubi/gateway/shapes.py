"""What the routes answer, member by member: the description of the interface is made from it.

The console's types are made from that description, so that a member that is renamed here no longer
fits there. Producers return these types; of what a node says of itself, they are those members
that the gateway passes on. Amounts, heights, times (ms) and other 64-bit numbers are decimal
strings. Open members (`dict[str, Any]`) have the JSON forms of spec/api.md.
"""

from collections.abc import Mapping
from typing import Any, Literal, NotRequired, Required

# The one of `typing` has what pydantic reads only from Python 3.12 on.
from typing_extensions import TypedDict

Key = dict[str, str]
"""A public key: its algorithm with its bytes in hex."""


class Reason(TypedDict):
    """Why something does not work: a stable code, and a sentence."""

    code: str
    text: str


class Words(TypedDict):
    """A result code with its meaning in both languages."""

    code: str
    en: str
    zh: str


# --- network -------------------------------------------------------------------------------------


class End(TypedDict):
    """The end of a chain that another one continues."""

    chain_id: str
    certificate: str
    state_root: str
    height: str
    time: str


class Predecessor(TypedDict):
    """The end of the chain before, and where that can be looked at.

    Height and time are null until the index has begun.
    """

    chain_id: str
    certificate: str
    state_root: str
    height: str | None
    time: str | None
    url: str | None


class Network(TypedDict):
    """What identifies a network, its limits, names of operations and codes, its trust file."""

    chain_id: str
    name: str
    kind: Literal["main", "test", "development"]
    prefix: str
    suite: Literal["standard", "national"]
    engine: str
    epoch: str
    version: str
    parameters: dict[str, Any]
    operations: list[str]
    codes: list[Words]
    development: bool
    sandbox: bool
    public: bool
    predecessor: Predecessor | None
    trust: dict[str, Any]


class ChartPoint(TypedDict):
    """What happened in a span of time that begins at `time`."""

    time: str
    blocks: int
    final: int
    rejected: int


class Charts(TypedDict):
    """An hour by minutes and 15 days by days; spans in which nothing happened are left out."""

    hour: list[ChartPoint]
    days: list[ChartPoint]


class Counts(TypedDict):
    """How much there is, as the index has it."""

    indexed_height: str
    time: str
    transactions: str
    accounts: str
    assets: str
    records: str
    rate_per_second: str
    charts: Charts


class IndexState(TypedDict):
    """Whether the index follows its node, and why not."""

    state: Literal["following", "waiting"]
    reason: str | None


class Voter(TypedDict):
    """A validator in short."""

    name: str
    organisation: str
    weight: int
    missing: bool


class Quorum(TypedDict):
    """Weights: what decides, of all, what is missing, and how much may be."""

    quorum: int
    total: int
    missing: int
    missing_allowed: int


class Overview(Counts):
    """Where the network stands."""

    height: str
    lag: str
    index: IndexState
    finality_ms: str | None
    halted: bool
    reasons: list[Reason]
    validators: list[Voter]
    quorum: Quorum


HitKind = Literal[
    "block",
    "transaction",
    "account",
    "account_transactions",
    "asset",
    "asset_transactions",
    "namespace",
    "record",
    "organisation",
    "proposal",
    "evidence",
]


class Hit(TypedDict):
    """Something that a text may mean. The id of a record is its namespace, a slash, its key.

    `version`: that of a record which has the digest; without it the newest is meant.
    `account_transactions` and `asset_transactions`: there is no such object, and transactions,
    rejected ones for example, name it.
    """

    kind: HitKind
    id: str
    title: str
    version: NotRequired[int]


class Found(TypedDict):
    """All that a text may mean."""

    items: list[Hit]


# --- blocks and transactions ---------------------------------------------------------------------


class Block(TypedDict):
    """A block. `receipts` are its transactions, `final` and `rejected` together."""

    height: str
    time: str
    digest: str
    parent: str
    state_root: str
    receipt_root: str
    payload_root: str
    protocol_version: int
    epoch: str | None
    round: str | None
    batches: int
    receipts: int
    final: int
    rejected: int
    votes: int
    bytes: str


class BlockDetail(Block):
    """A block with the validators whose votes made it final."""

    voters: list[str]


class AssetName(TypedDict):
    """An asset with what is needed to show an amount; code and decimals null: never defined."""

    id: str
    code: str | None
    decimals: int | None


class OperationShort(TypedDict):
    """What an operation is about, as a list shows it."""

    kind: str
    source: str
    other: str | None
    asset: AssetName | None
    amount: str | None
    name: str | None


class Transaction(TypedDict):
    """A transaction of a list, with its first operations."""

    hash: str
    height: str
    position: int
    time: str
    source: str
    code: str
    operations: int
    first: list[OperationShort]


class OperationWhole(TypedDict):
    """An operation: its kind with its fields, and its result code."""

    source: str | None
    body: Any
    code: str


class TransactionBody(TypedDict):
    """What was signed. A source null: that of the transaction."""

    source: str
    replay: Any
    valid_until: str
    preconditions: list[Any]
    memo: str
    operations: list[OperationWhole]


class Signature(TypedDict):
    """A signature, and whether it counted when the transaction was executed."""

    key: Key
    signature: str
    weight: int
    counted: bool


class Demand(TypedDict):
    """The weight that an operation needed from an account, and the weight that it had."""

    account: str
    operation: str
    threshold: int
    weight: int


class Authority(TypedDict):
    """Signatures against thresholds."""

    signatures: list[Signature]
    thresholds: list[Demand]


class TransactionWhole(Transaction, Authority):
    """A transaction with all that belongs to it; `hidden` names what is private."""

    status: Literal["final", "rejected"]
    batch: int
    valid_until: str
    body: TransactionBody
    events: list[dict[str, Any]]
    hidden: list[str]
    block: str
    bytes: int


class TransactionDetail(TransactionWhole):
    """A transaction with its result in words."""

    result: Words


class ReceiptProof(TypedDict):
    """A receipt proof in hex, the height of its block, the trust file to check it against."""

    proof: str
    height: str
    trust: dict[str, Any]


# --- accounts ------------------------------------------------------------------------------------


class Account(TypedDict):
    """An account: in which blocks it was opened and closed, and who opened it."""

    address: str
    created: str
    creator: str | None
    closed: str | None


class Signer(TypedDict):
    """Who may sign, with which weight, within which limits."""

    key: Key
    weight: int
    limits: dict[str, Any] | None


class Thresholds(TypedDict):
    """Weights that operations need, by their numbers; `default` for all others."""

    default: int
    operations: dict[str, int]


class AccountWhole(Account):
    """An account with its signers, as the index has them."""

    signers: list[Signer]
    thresholds: Thresholds | None
    transactions: str
    indexed_height: str


class Belonging(TypedDict):
    """The organisation of an account, whether it votes for it, which one it asks."""

    organisation: str | None
    votes: bool
    asks: str | None


class AccountDetail(AccountWhole, Belonging):
    """An account with its organisation."""


class Balance(TypedDict):
    """What is held, from block `since` on."""

    balance: str
    reserved: str
    frozen: bool
    authorised: bool
    since: str


class Holding(Balance):
    """What an account has of an asset."""

    asset: AssetName


class Span(TypedDict):
    """From block `since` to before block `until`; null: it still stands."""

    since: str
    until: str | None


class DataEntry(Span):
    """A data entry of an account; the value in hex."""

    name: str
    version: str
    value: str


class Claim(Span):
    """What an issuer says about an account."""

    issuer: str
    kind: str
    digest: str
    expires: str | None


class Hold(Span):
    """An amount that is reserved for somebody, and how that ended."""

    hold: str
    asset: AssetName
    beneficiary: str
    amount: str
    expires: str
    state: Literal["open", "released", "captured", "expired"]
    captured: str | None


class Item(Span):
    """A unique item of an account."""

    asset: AssetName
    item: str
    digest: str | None


class Membership(Span):
    """The organisation that took an account in, and the one that it asked."""

    organisation: str | None
    asks: str | None


class Used(TypedDict):
    """What is used of a limit."""

    used: str
    limit: str


class AccountUse(TypedDict):
    """What an account, and its organisation, used in the window that ends at `until`."""

    until: str
    account: Used | None
    organisation: Used | None


class AccountQuota(TypedDict):
    """Quotas of an account; null: it has none."""

    organisation: str | None
    quota: AccountUse | None
    height: str


class SharedUse(Used):
    """What is used in the window that ends at `until`."""

    until: str


class OrganisationQuota(TypedDict):
    """The quota that the accounts of an organisation share; null: there is none."""

    quota: SharedUse | None
    height: str


class AccountProof(TypedDict):
    """An account as the node has it, with its proof, and the trust file."""

    account: dict[str, Any]
    trust: dict[str, Any]


# --- assets --------------------------------------------------------------------------------------


class Asset(TypedDict):
    """An asset: definition and supply."""

    id: str
    code: str
    decimals: int
    name: str
    kind: Literal["fungible", "unique", "dated"]
    issuer: str
    cap: str | None
    features: dict[str, bool]
    frozen: bool
    supply: str
    created: str


class Holder(TypedDict, total=False):
    """Who holds an asset: an amount, or where items are unique, one of them."""

    address: Required[str]
    since: Required[str]
    balance: str
    reserved: str
    frozen: bool
    authorised: bool
    item: str
    digest: str | None


class Supply(TypedDict):
    """A supply from a block on; what was before the first block has no time."""

    height: str
    time: str | None
    supply: str


class AssetProof(TypedDict):
    """An asset as the node has it, with its proof, and the trust file."""

    asset: dict[str, Any]
    trust: dict[str, Any]


# --- records -------------------------------------------------------------------------------------


class Namespace(TypedDict):
    """Where records are written, and by whom."""

    namespace: str
    name: str
    owner: str
    shared: bool
    writers: str
    created: str


class Reference(TypedDict):
    """A version of a record."""

    namespace: str
    key: str
    version: int


class Record(Reference):
    """A version of a record without its content; `transaction` null: of the chain before."""

    namespace_name: str | None
    height: str
    time: str
    writer: str
    algorithm: str
    digest: str
    content_kind: str
    content_size: int
    cipher: str | None
    transaction: str | None


class RecordDetail(Record):
    """A version of a record with its content in hex, unless that is private, and its parents."""

    content: str | None
    hidden: list[str]
    parents: list[Reference]
    indexed_height: str


class GraphNode(Record):
    """A version of a record in a graph."""

    id: str


Edge = TypedDict("Edge", {"from": str, "to": str})
"""From a parent to its child, or from a version to the next one, by the ids of the nodes."""


class Graph(TypedDict):
    """What a record came from and what came from it.

    `start` is the version that was asked for; `complete`: nothing was left out.
    """

    nodes: list[GraphNode]
    edges: list[Edge]
    start: str
    complete: bool
    height: str


# --- consensus and governance --------------------------------------------------------------------


class Organisation(TypedDict):
    """An organisation: who votes for it, its validators, how many belong to it and ask for it."""

    name: str
    weight: int
    validators: list[str]
    members: str
    asking: str
    governance: str | None
    certificate_bytes: int
    certificate_sha256: str | None


class OrganisationDetail(Organisation):
    """An organisation as of a height."""

    indexed_height: str


class Member(Span):
    """An account of an organisation; `votes`: because it votes for it."""

    address: str
    votes: bool
    closed: str | None


class VoteSeen(TypedDict):
    """The newest statement of a validator at the height in work."""

    phase: str
    view: str
    outcome: str | None


class EpochValidator(TypedDict):
    """A validator of an epoch."""

    name: str
    organisation: str
    key: Key
    weight: int


class ValidatorSeen(TypedDict):
    """A validator as a node sees it."""

    name: str
    organisation: str
    weight: int
    own: bool
    connected: bool
    missing: bool
    last_seen: str | None
    seconds_ago: int | None
    height: str | None
    view: str | None
    vote: VoteSeen | None


class Validator(EpochValidator, total=False):
    """A validator in force; what the node sees of it is missing where it does not know it yet."""

    own: bool
    connected: bool
    missing: bool
    last_seen: str | None
    seconds_ago: int | None
    height: str | None
    view: str | None
    vote: VoteSeen | None


class Epoch(TypedDict):
    """An epoch: from which block on, who decides, what decides."""

    epoch: str
    height: str
    time: str
    proposal: str | None
    engine: str
    quorum: int
    total: int
    validators: list[EpochValidator]


class EpochOrganisation(TypedDict):
    """An organisation of an epoch."""

    name: str
    weight: int
    governance: str | None
    certificate_bytes: int
    certificate_sha256: str | None


class EpochDetail(Epoch):
    """An epoch with its organisations, parameters and lists."""

    protocol_version: int
    quorum_numerator: int
    quorum_denominator: int
    parameters: dict[str, Any]
    organisations: list[EpochOrganisation]
    listings: dict[str, str]
    revoked: list[str]
    indexed_height: str


class Proposal(TypedDict):
    """A proposal. `proposer` null: evidence opened it. `acknowledged`: risks that it accepts."""

    id: str
    state: Literal["open", "approved", "active", "rejected", "withdrawn", "expired", "lapsed"]
    proposer: str | None
    evidence: str | None
    changes: list[dict[str, Any]]
    memo: str
    acknowledged: list[str]
    opened: str
    transaction: str | None
    expires: str
    not_before: str | None
    changed: str
    approved: str | None
    activation_height: str | None
    approving: int


class Difference(TypedDict):
    """What a change sets, and what it replaces of what those before it in the proposal leave."""

    change: str
    fields: dict[str, Any]
    before: Any


class Vote(TypedDict):
    """A vote of an organisation; `approve` null: it has not voted yet."""

    organisation: str
    weight: int
    approve: bool | None
    height: str | None
    time: str | None
    transaction: str | None


class Readiness(TypedDict):
    """Whether a next validator is ready for a change."""

    name: str
    weight: int
    ready: bool
    height: str | None


class ProposalDetail(Proposal):
    """A proposal: what it changes, who voted when, whose readiness it has."""

    diff: list[Difference]
    votes: list[Vote]
    history: list[Vote]
    quorum: int
    total: int
    ready: list[Readiness]
    indexed_height: str


class Evidence(TypedDict):
    """What a validator signed twice, who reported it, what came of it."""

    id: str
    member: str
    key: Key
    kind: str
    epoch: str
    engine: str
    height: str
    round: str
    digest_one: str
    digest_two: str
    reporter: str
    recorded: str
    transaction: str | None
    action: str
    proposal: str | None


# --- monitoring ----------------------------------------------------------------------------------


class Node(TypedDict):
    """A node; null is what only watched ones tell."""

    name: str
    organisation: str
    watched: bool
    url: str | None
    operator: bool
    reachable: bool
    ready: bool | None
    error: str
    answered: str | None
    silent_seconds: int | None
    height: str | None
    reasons: list[Reason]
    role: Literal["validator", "observer"]
    pool: float | None
    peers: float | None
    certificate_days: float | None


class HostFigures(TypedDict):
    """A moment of a machine: bytes, seconds, shares from 0 to 1."""

    schema: int
    name: str
    organisation: str
    time: str
    cpu_ratio: float
    cores: int
    load1: float
    memory_total: str
    memory_available: str
    disk_total: str
    disk_free: str
    disk_fill_seconds: float
    fsync_seconds: float | None
    network_received: str
    network_sent: str
    process_cpu_seconds: float
    process_resident_bytes: str
    open_files: str
    open_files_limit: str
    started: str


class Host(TypedDict):
    """The machine of a node; figures null: it does not answer."""

    name: str
    available: bool
    figures: HostFigures | None


class Target(TypedDict):
    """The height that a node fetches blocks up to."""

    height: str


class Contradiction(TypedDict):
    """Two contradicting statements of a validator, as a node has them."""

    validator: str
    height: str
    view: str
    phase: str


class ConsensusView(TypedDict):
    """Where the height in work stands, as a node sees it."""

    schema: int
    halted: bool
    since: str | None
    height: str
    decided: str
    view: str
    leader: str | None
    phase: str
    work_waiting: bool
    quorum: int
    validators: list[ValidatorSeen]
    missing_batches: int
    catching_up: Target | None
    evidence: list[Contradiction]
    reasons: list[Reason]
    warnings: list[Reason]


class Consensus(TypedDict):
    """What a watched node sees; null: it does not answer."""

    name: str
    reachable: bool
    view: ConsensusView | None


Peer = TypedDict(
    "Peer",
    {
        "from": str,
        "to": str,
        "organisation": str,
        "state": str,
        "rtt_ms": float | None,
        "bytes_in": str,
        "bytes_out": str,
        "queued_bytes": str,
        "queues": dict[str, Any],
        "certificate_days": float | None,
        "reason": str | None,
    },
)
"""A connection, as the node at its one end sees it."""


class Client(TypedDict):
    """Who uses the interface of a node; counts since that started, by status or by code."""

    node: str
    client: str
    requests: dict[str, str]
    seconds: float | None
    p95_seconds: float | None
    admitted: str
    final: str
    skipped: str
    refused: dict[str, str]
    rejected: dict[str, str]


class LogLine(TypedDict):
    """A line of a node's log."""

    number: str
    time: str
    level: str
    part: str
    text: str


class Series(TypedDict):
    """A kept series; step (seconds) and points only where a name is asked for.

    A point is [begin, lowest, average, highest].
    """

    name: str
    node: str
    label: str
    unit: str
    step: NotRequired[int]
    points: NotRequired[list[tuple[str, float, float, float]]]


class AllSeries(TypedDict):
    """Series that fit, all of them, and the newest height that a node told."""

    items: list[Series]
    next: None
    height: str


# --- alarms --------------------------------------------------------------------------------------

Severity = Literal["info", "warning", "critical"]
Layer = Literal["host", "network", "consensus", "business", "gateway"]


class Acknowledged(TypedDict):
    """Who takes care of an alarm, since when, and why."""

    by: str
    time: str
    comment: str


class Title(TypedDict):
    """An alarm in words."""

    en: str
    zh: str


class Alarm(TypedDict):
    """An alarm: the rule `code`, and `key`, what it is about."""

    id: str
    state: Literal["active", "resolved"]
    code: str
    key: str
    detail: str
    severity: Severity
    layer: Layer
    title: Title
    value: float
    threshold: float
    unit: str
    fired: str
    resolved: str | None
    acknowledged: Acknowledged | None
    silenced: bool


class Delivery(TypedDict):
    """An attempt to tell a channel of an alarm; `error` begins with a code, empty: none."""

    channel: str
    event: str
    time: str
    delivered: bool
    error: str


class AlarmDetail(Alarm):
    """An alarm and who was told about it."""

    deliveries: list[Delivery]


class Rule(TypedDict):
    """When something is an alarm; `default`: as a new gateway has it."""

    code: str
    layer: Layer
    severity: Severity
    comparison: Literal["above", "below"]
    threshold: float
    unit: str
    seconds: int
    clear_seconds: int
    repeat_seconds: int
    enabled: bool
    default: bool


class Silence(TypedDict):
    """Of what nobody is told until when; code and key null: any."""

    id: str
    code: str | None
    key: str | None
    until: str
    by: str
    comment: str


class Newest(TypedDict):
    """How the newest message of a channel fared; `error` begins with a code, empty: none."""

    time: str
    event: str
    delivered: bool
    error: str


class Channel(TypedDict):
    """Where messages go; secrets among the settings are null."""

    id: str
    name: str
    kind: str
    severity: Severity
    language: str
    enabled: bool
    settings: dict[str, str | None]
    newest: Newest | None


class ChannelKind(TypedDict):
    """Settings that a kind of channel needs and may have."""

    required: list[str]
    optional: list[str]


class ChannelTest(TypedDict):
    """How a test message fared; `error` begins with a code, empty: none."""

    delivered: bool
    error: str


# --- users ---------------------------------------------------------------------------------------

RoleName = Literal["administrator", "operator", "auditor", "read_only"]


class SessionState(TypedDict):
    """Who is logged in (name null: nobody), and the token that changes must carry.

    `has_provider`: the identity provider let the user in; `provider`: there is one.
    """

    name: str | None
    role: RoleName | None
    csrf: str | None
    has_password: bool
    has_provider: bool
    provider: bool
    public: bool


class User(TypedDict):
    """A user; `subject` is who the identity provider says it is."""

    name: str
    role: RoleName
    has_password: bool
    subject: str | None
    disabled: bool
    made: str
    seen: str | None


class OneTimeLink(TypedDict):
    """The token of a login link, and until when it works."""

    token: str
    expires: str


class AuditLine(TypedDict):
    """Who changed what, from where."""

    id: str
    time: str
    name: str
    action: str
    target: str
    detail: Mapping[str, Any]
    address: str


# --- sandbox -------------------------------------------------------------------------------------


class Given(TypedDict):
    """What the faucet gave, and what came of its transaction; height null: not decided yet."""

    address: str
    asset: str
    code: str
    amount: str
    transaction: str
    result: str | None
    height: str | None
