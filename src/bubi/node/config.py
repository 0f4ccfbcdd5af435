"""Configuration of a node: strict TOML, read once at start.

An unknown key is an error that names the key and the nearest known one; every value is checked,
and the message says what would be right. Nothing is read from the environment. Paths are relative
to the folder of the file.
"""

import difflib
import ipaddress
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bubi.network.addresses import Address, IPNetwork

MEBIBYTE = 1_048_576
LIST_MAX = 256


class ConfigError(Exception):
    """The configuration cannot be used; the message names the key and the cure."""


@dataclass(frozen=True, slots=True)
class NodeSection:
    """Who this node is and where its files are.

    `acknowledged` are validators that the genesis cannot miss, or `no_fault_tolerance`: the owner
    of this node knows it (`bubi.node.tolerance`).
    """

    name: str
    organisation: str
    data: Path
    genesis: Path
    validator_key: Path | None
    acknowledged: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ApiSection:
    """Where the API listens and what it takes at most."""

    host: str
    port: int
    tls_certificate: Path | None
    tls_key: Path | None
    client_authority: Path | None
    bulk_bytes_max: int
    waiting_max: int
    streams_max: int
    lease_seconds: int
    linger_ms: int
    allow: tuple[IPNetwork, ...]
    deny: tuple[IPNetwork, ...]


@dataclass(frozen=True, slots=True)
class NetworkSection:
    """How this node meets others. Without `certificate` and `key` it meets none.

    `advertise` is what others are told to dial, `seeds` whom this node dials first. `trust` is a
    file with authorities that this node accepts beside those of the ledger. `source` is the own IP
    address that this node dials from. If organisations, nodes or certificates are allowed by name,
    this node talks to these only; denying wins.
    """

    host: str
    port: int
    advertise: Address | None
    seeds: tuple[Address, ...]
    certificate: Path | None
    key: Path | None
    trust: Path | None
    allow_organisations: tuple[str, ...]
    deny_organisations: tuple[str, ...]
    allow_nodes: tuple[bytes, ...]
    deny_nodes: tuple[bytes, ...]
    allow_certificates: tuple[bytes, ...]
    allow: tuple[IPNetwork, ...]
    deny: tuple[IPNetwork, ...]
    outbound_only: bool
    source: str | None
    proxy: Address | None
    peers_max: int


@dataclass(frozen=True, slots=True)
class CometSection:
    """How this node and its CometBFT process meet, where the genesis names that engine.

    `abci` is the socket that this node makes for it, `rpc` where CometBFT answers. Its calls are
    named in the file `record` if one is given.
    """

    abci: Path | None
    rpc: Address
    record: Path | None


@dataclass(frozen=True, slots=True)
class PoolSection:
    """Limits of the pool of waiting transactions.

    `share_max` is that of one address or peer, the others of one organisation (by certificates)
    and of one account.
    """

    transactions_max: int
    bytes_max: int
    share_max: int
    organisation_share_max: int
    account_share_max: int
    remembered_max: int


@dataclass(frozen=True, slots=True)
class BlockSection:
    """When blocks are made. `heartbeat_ms` 0: no empty blocks."""

    heartbeat_ms: int


@dataclass(frozen=True, slots=True)
class StoreSection:
    """Passed on to the store."""

    proof_window: int
    segment_bytes: int
    leases_max: int
    known_keys_max: int


@dataclass(frozen=True, slots=True)
class LogSection:
    """What is written to standard error."""

    level: str


@dataclass(frozen=True, slots=True)
class OperatorSection:
    """Where the operator of this node looks at its machine and log. Without `port` nowhere."""

    host: str
    port: int | None
    tls_certificate: Path | None
    tls_key: Path | None
    client_authority: Path | None


@dataclass(frozen=True, slots=True)
class Config:
    """Everything."""

    node: NodeSection
    api: ApiSection
    network: NetworkSection
    cometbft: CometSection
    pool: PoolSection
    block: BlockSection
    store: StoreSection
    log: LogSection
    operator: OperatorSection


Check = Callable[[str, Any], Any]
REQUIRED = object()


def _text(key: str, value: Any) -> str:
    if not isinstance(value, str) or not value.strip() or len(value.encode()) > 64:
        msg = f"{key} must be a text of 1 to 64 bytes"
        raise ConfigError(msg)
    return value


def _path(key: str, value: Any) -> Path:
    if not isinstance(value, str) or not value or "\0" in value:
        msg = f'{key} must be the path of a file, for example "genesis.bin"'
        raise ConfigError(msg)
    return Path(value)


def _host(key: str, value: Any) -> str:
    try:
        return str(ipaddress.ip_address(value if isinstance(value, str) else ""))
    except ValueError:
        msg = f'{key} must be an IP address such as "127.0.0.1", not {value!r}'
        raise ConfigError(msg) from None


def _source(key: str, value: Any) -> str:
    host = _host(key, value)
    found = ipaddress.ip_address(host)
    if found.is_unspecified or found.is_multicast:
        msg = f"{key} must be one address of this machine, not {value!r}"
        raise ConfigError(msg)
    return host


def address(key: str, value: Any) -> Address:
    """A host and a port written as one text.

    Raises:
        ConfigError: it is none.
    """
    try:
        return Address.parse(value if isinstance(value, str) else "")
    except ValueError:
        msg = f'{key} must be a host and a port such as "node.example.org:8901", not {value!r}'
        raise ConfigError(msg) from None


def _identifier(key: str, value: Any) -> bytes:
    if not isinstance(value, str) or not re.fullmatch("[0-9a-f]{64}", value):
        msg = f"{key} must hold ids of 64 lower-case hex digits, not {value!r}"
        raise ConfigError(msg)
    return bytes.fromhex(value)


def _ip_network(key: str, value: Any) -> IPNetwork:
    try:
        return ipaddress.ip_network(value if isinstance(value, str) else "")
    except ValueError as error:
        msg = f'{key} must hold networks such as "10.1.0.0/16" ({error})'
        raise ConfigError(msg) from None


def _list(check: Check) -> Check:
    def check_all(key: str, value: Any) -> tuple[Any, ...]:
        if not isinstance(value, list | tuple) or len(value) > LIST_MAX:
            msg = f"{key} must be a list of at most {LIST_MAX} values in square brackets"
            raise ConfigError(msg)
        return tuple(check(key, one) for one in value)

    return check_all


def _flag(key: str, value: Any) -> bool:
    if not isinstance(value, bool):
        msg = f"{key} must be true or false, not {value!r}"
        raise ConfigError(msg)
    return value


def _number(low: int, high: int) -> Check:
    def check(key: str, value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            msg = f"{key} must be a whole number from {low} to {high}, not {value!r}"
            raise ConfigError(msg)
        return value

    return check


def _choice(*choices: str) -> Check:
    def check(key: str, value: Any) -> str:
        if value not in choices:
            msg = f"{key} must be one of {', '.join(choices)}, not {value!r}"
            raise ConfigError(msg)
        return str(value)

    return check


TABLE: dict[str, dict[str, tuple[Any, Check]]] = {
    "node": {
        "name": (REQUIRED, _text),
        "organisation": (REQUIRED, _text),
        "data": (".", _path),
        "genesis": ("genesis.bin", _path),
        "validator_key": (None, _path),
        "acknowledged": ((), _list(_text)),
    },
    "api": {
        "host": ("127.0.0.1", _host),
        "port": (8080, _number(1, 65_535)),
        "tls_certificate": (None, _path),
        "tls_key": (None, _path),
        "client_authority": (None, _path),
        "bulk_bytes_max": (16 * MEBIBYTE, _number(MEBIBYTE, 16 * MEBIBYTE)),
        "waiting_max": (20_000, _number(1, 1_000_000)),
        "streams_max": (256, _number(1, 65_536)),
        "lease_seconds": (600, _number(1, 3_600)),
        "linger_ms": (2, _number(0, 100)),
        "allow": ((), _list(_ip_network)),
        "deny": ((), _list(_ip_network)),
    },
    "network": {
        "host": ("127.0.0.1", _host),
        "port": (8901, _number(1, 65_535)),
        "advertise": (None, address),
        "seeds": ((), _list(address)),
        "certificate": (None, _path),
        "key": (None, _path),
        "trust": (None, _path),
        "allow_organisations": ((), _list(_text)),
        "deny_organisations": ((), _list(_text)),
        "allow_nodes": ((), _list(_identifier)),
        "deny_nodes": ((), _list(_identifier)),
        "allow_certificates": ((), _list(_identifier)),
        "allow": ((), _list(_ip_network)),
        "deny": ((), _list(_ip_network)),
        "outbound_only": (False, _flag),
        "source": (None, _source),
        "proxy": (None, address),
        "peers_max": (64, _number(1, 1_024)),
    },
    "cometbft": {
        "abci": (None, _path),
        "rpc": ("127.0.0.1:26657", address),
        "record": (None, _path),
    },
    "pool": {
        "transactions_max": (200_000, _number(1, 10_000_000)),
        "bytes_max": (256 * MEBIBYTE, _number(MEBIBYTE, 64 * 1024 * MEBIBYTE)),
        "share_max": (100_000, _number(1, 10_000_000)),
        "organisation_share_max": (150_000, _number(1, 10_000_000)),
        "account_share_max": (50_000, _number(1, 10_000_000)),
        "remembered_max": (1_000_000, _number(1_000, 100_000_000)),
    },
    "block": {"heartbeat_ms": (0, _number(0, 3_600_000))},
    "store": {
        "proof_window": (64, _number(1, 100_000)),
        "segment_bytes": (64 * MEBIBYTE, _number(MEBIBYTE, 1024 * MEBIBYTE)),
        "leases_max": (64, _number(1, 10_000)),
        "known_keys_max": (16_777_216, _number(0, 1_000_000_000)),
    },
    "log": {"level": ("info", _choice("debug", "info", "warning", "error"))},
    "operator": {
        "host": ("127.0.0.1", _host),
        "port": (None, _number(1, 65_535)),
        "tls_certificate": (None, _path),
        "tls_key": (None, _path),
        "client_authority": (None, _path),
    },
}
"""Every key with its default (or REQUIRED) and its check."""


def load(path: Path) -> Config:
    """Reads and checks a configuration file.

    Raises:
        ConfigError: the file is missing, is not TOML, or holds something wrong.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{path}: cannot be read ({error}); make one with `bubi node init`"
        raise ConfigError(msg) from error
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        msg = f"{path}: not valid TOML: {error}"
        raise ConfigError(msg) from error
    try:
        return parse(document, path.parent)
    except ConfigError as error:
        msg = f"{path}: {error}"
        raise ConfigError(msg) from None


def parse(document: Mapping[str, Any], folder: Path) -> Config:
    """Checks a parsed document; paths become absolute, relative to `folder`.

    Raises:
        ConfigError: a key is unknown or missing, or a value is wrong.
    """
    _refuse_unknown(document, TABLE, "section")
    values: dict[str, dict[str, Any]] = {}
    for section, keys in TABLE.items():
        given = document.get(section, {})
        if not isinstance(given, dict):
            msg = f"{section} must be a section: write [{section}]"
            raise ConfigError(msg)
        _refuse_unknown(given, keys, f"key of [{section}]")
        values[section] = {
            key: _value(f"{section}.{key}", given, key, default, check, folder)
            for key, (default, check) in keys.items()
        }
    config = Config(
        NodeSection(**values["node"]),
        ApiSection(**values["api"]),
        NetworkSection(**values["network"]),
        CometSection(**values["cometbft"]),
        PoolSection(**values["pool"]),
        BlockSection(**values["block"]),
        StoreSection(**values["store"]),
        LogSection(**values["log"]),
        OperatorSection(**values["operator"]),
    )
    _check_exposure("api", config.api)
    _check_exposure("operator", config.operator)
    _check_network(config.network)
    _check_comet(config.cometbft)
    return config


def _value(
    name: str, given: Mapping[str, Any], key: str, default: Any, check: Check, folder: Path
) -> Any:
    if key not in given and default is REQUIRED:
        msg = f'{name} is missing: add it, for example {key} = "node-1"'
        raise ConfigError(msg)
    value = given.get(key, default)
    if value is None:
        return None
    checked = check(name, value)
    return (folder / checked).absolute() if isinstance(checked, Path) else checked


def _refuse_unknown(given: Mapping[str, Any], known: Mapping[str, Any], what: str) -> None:
    for key in given:
        if key not in known:
            nearest = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
            hint = f"did you mean {nearest[0]!r}?" if nearest else f"known: {', '.join(known)}"
            msg = f"unknown {what} {key!r}; {hint}"
            raise ConfigError(msg)


def _check_exposure(name: str, listener: ApiSection | OperatorSection) -> None:
    if (listener.tls_certificate is None) != (listener.tls_key is None):
        msg = f"{name}.tls_certificate and {name}.tls_key belong together: give both or neither"
        raise ConfigError(msg)
    if listener.client_authority is not None and listener.tls_certificate is None:
        msg = f"{name}.client_authority needs {name}.tls_certificate and {name}.tls_key"
        raise ConfigError(msg)
    if not ipaddress.ip_address(listener.host).is_loopback and listener.client_authority is None:
        msg = (
            f"{name}.host {listener.host} is not a loopback address: set {name}.tls_certificate, "
            f'{name}.tls_key and {name}.client_authority, or use host = "127.0.0.1"'
        )
        raise ConfigError(msg)


def _check_network(network: NetworkSection) -> None:
    if (network.certificate is None) != (network.key is None):
        msg = "network.certificate and network.key belong together: give both or neither"
        raise ConfigError(msg)
    if network.certificate is None and (network.seeds or network.advertise is not None):
        msg = "network.seeds and network.advertise need network.certificate and network.key"
        raise ConfigError(msg)
    if network.outbound_only and not network.seeds:
        msg = "network.outbound_only needs network.seeds: nobody else can begin a connection"
        raise ConfigError(msg)


def _check_comet(comet: CometSection) -> None:
    try:
        local = ipaddress.ip_address(comet.rpc.host).is_loopback
    except ValueError:
        local = False
    if not local:
        msg = (
            f"cometbft.rpc {comet.rpc} is not a loopback address: CometBFT runs on this machine, "
            'for example rpc = "127.0.0.1:26657"'
        )
        raise ConfigError(msg)
