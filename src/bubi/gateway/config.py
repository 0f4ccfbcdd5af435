"""Configuration of a gateway: strict TOML, read once at start.

An unknown key is an error that names the key and the nearest known one; every value is checked,
and the message says what would be right. Nothing is read from the environment. Paths are relative
to the folder of the file. A package that adds a section adds it to `TABLE` and `Config`.
"""

import difflib
import ipaddress
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit


class ConfigError(Exception):
    """The configuration cannot be used; the message names the key and the cure."""


Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class GatewaySection:
    """Where the gateway listens and where its files are."""

    host: str
    port: int
    data: Path
    console: Path | None
    tls_certificate: Path | None
    tls_key: Path | None
    streams_max: int


@dataclass(frozen=True, slots=True)
class NodeSection:
    """The organisation's own node; authority, certificate and key where its API wants TLS."""

    url: str
    authority: Path | None
    certificate: Path | None
    key: Path | None


@dataclass(frozen=True, slots=True)
class IndexSection:
    """The read model. Without `database` it is a SQLite file in the data folder."""

    database: str | None


@dataclass(frozen=True, slots=True)
class ExplorerSection:
    """Whether everybody may read what the explorer shows.

    `requests`: how many an address without a session may make at once, and per minute.
    `predecessor` is where the console of the chain before stands, if this chain continues one.
    """

    public: bool
    predecessor: str | None
    requests: int


@dataclass(frozen=True, slots=True)
class SandboxSection:
    """The faucet of a development network; absent everywhere else.

    `requests`: how often an address may ask it at once, and per minute.
    """

    keystore: Path | None
    password: Path | None
    amount: int
    requests: int


@dataclass(frozen=True, slots=True)
class MonitoringSection:
    """Nodes to watch beside the own one, and operator listeners, by the names of the nodes.

    `certificate` and `key` are shown to listeners that ask for one. `clients` may use the nodes'
    interfaces without an alarm; with none, all may.
    """

    nodes: tuple[tuple[str, str], ...]
    operators: tuple[tuple[str, str], ...]
    authority: Path | None
    certificate: Path | None
    key: Path | None
    clients: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AlarmsSection:
    """Networks, beside the public one, in which channels of alarms may reach something."""

    internal_networks: tuple[Network, ...]


@dataclass(frozen=True, slots=True)
class OidcSection:
    """An identity provider (OpenID Connect); without `issuer` there is none.

    `redirect` is the gateway's callback as browsers reach it. `roles` says which role each value
    of the role claim stands for.
    """

    issuer: str | None
    client_id: str | None
    client_secret: Path | None
    redirect: str | None
    scopes: tuple[str, ...]
    name_claim: str
    role_claim: str
    roles: tuple[tuple[str, str], ...]
    authority: Path | None


@dataclass(frozen=True, slots=True)
class LogSection:
    """What is written to standard error."""

    level: str


@dataclass(frozen=True, slots=True)
class Config:
    """Everything."""

    gateway: GatewaySection
    node: NodeSection
    index: IndexSection
    explorer: ExplorerSection
    sandbox: SandboxSection
    monitoring: MonitoringSection
    alarms: AlarmsSection
    oidc: OidcSection
    log: LogSection


Check = Callable[[str, Any], Any]
REQUIRED = object()
MEBIBYTE = 1_048_576


def path(key: str, value: Any) -> Path:
    """The path of a file or folder."""
    if not isinstance(value, str) or not value or "\0" in value:
        msg = f'{key} must be a path, for example "index.sqlite"'
        raise ConfigError(msg)
    return Path(value)


def host(key: str, value: Any) -> str:
    """An IP address."""
    try:
        return str(ipaddress.ip_address(value if isinstance(value, str) else ""))
    except ValueError:
        msg = f'{key} must be an IP address such as "127.0.0.1", not {value!r}'
        raise ConfigError(msg) from None


def url(*schemes: str) -> Check:
    """An address with one of these schemes."""

    def check(key: str, value: Any) -> str:
        parts = urlsplit(value) if isinstance(value, str) else None
        if parts is None or parts.scheme not in schemes:
            msg = f"{key} must begin with {' or '.join(f'{one}://' for one in schemes)}"
            raise ConfigError(msg)
        return str(value).rstrip("/")

    return check


def flag(key: str, value: Any) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        msg = f"{key} must be true or false, not {value!r}"
        raise ConfigError(msg)
    return value


def number(low: int, high: int) -> Check:
    """A whole number within bounds, both included."""

    def check(key: str, value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            msg = f"{key} must be a whole number from {low} to {high}, not {value!r}"
            raise ConfigError(msg)
        return value

    return check


def choice(*choices: str) -> Check:
    """One of some words."""

    def check(key: str, value: Any) -> str:
        if value not in choices:
            msg = f"{key} must be one of {', '.join(choices)}, not {value!r}"
            raise ConfigError(msg)
        return str(value)

    return check


def addresses(key: str, value: Any) -> tuple[tuple[str, str], ...]:
    """Names with the address of each, as "NAME=URL"."""
    found: dict[str, str] = {}
    for one in value if isinstance(value, list | tuple) else [None]:
        name, equals, address = one.partition("=") if isinstance(one, str) else ("", "", "")
        if not name or not equals or len(name) > 64 or name in found:
            msg = f'{key} must be a list such as ["node-1=http://127.0.0.1:8601"], each name once'
            raise ConfigError(msg)
        found[name] = url("http", "https")(key, address)
    return tuple(found.items())


def networks(key: str, value: Any) -> tuple[Network, ...]:
    """A list of networks in the notation of prefixes."""
    found = []
    for one in value if isinstance(value, list | tuple) else [None]:
        try:
            found.append(ipaddress.ip_network(one if isinstance(one, str) else ""))
        except ValueError:
            msg = f'{key} must be a list such as ["127.0.0.0/8", "10.1.0.0/16"], not {value!r}'
            raise ConfigError(msg) from None
    return tuple(found)


def text(key: str, value: Any) -> str:
    """A text of a line."""
    if not isinstance(value, str) or not value.strip() or len(value) > 256 or "\n" in value:
        msg = f"{key} must be a text, not {value!r}"
        raise ConfigError(msg)
    return value


def texts(key: str, value: Any) -> tuple[str, ...]:
    """A list of texts."""
    if not isinstance(value, list | tuple) or not value:
        msg = f'{key} must be a list such as ["openid", "profile"]'
        raise ConfigError(msg)
    return tuple(text(key, one) for one in value)


def some_texts(key: str, value: Any) -> tuple[str, ...]:
    """A list of texts, or of none."""
    if not isinstance(value, list | tuple):
        msg = f'{key} must be a list such as ["Shop/till", "10.1.0.0/16"], not {value!r}'
        raise ConfigError(msg)
    return tuple(text(key, one) for one in value)


def roles(key: str, value: Any) -> tuple[tuple[str, str], ...]:
    """Roles by values of a claim, as "VALUE=ROLE"."""
    found = []
    for one in value if isinstance(value, list | tuple) else [None]:
        given, equals, role = one.rpartition("=") if isinstance(one, str) else ("", "", "")
        if not given or not equals or role not in ROLES:
            msg = (
                f'{key} must be a list such as ["ledger-admins=administrator"]: {", ".join(ROLES)}'
            )
            raise ConfigError(msg)
        found.append((given, role))
    return tuple(found)


ROLES = ("administrator", "operator", "auditor", "read_only")
TABLE: dict[str, dict[str, tuple[Any, Check]]] = {
    "gateway": {
        "host": ("127.0.0.1", host),
        "port": (8700, number(1, 65_535)),
        "data": (".", path),
        "console": (None, path),
        "tls_certificate": (None, path),
        "tls_key": (None, path),
        "streams_max": (256, number(1, 65_536)),
    },
    "node": {
        "url": (REQUIRED, url("http", "https")),
        "authority": (None, path),
        "certificate": (None, path),
        "key": (None, path),
    },
    "index": {"database": (None, url("postgresql"))},
    "explorer": {
        "public": (False, flag),
        "predecessor": (None, url("http", "https")),
        "requests": (1_200, number(1, 1_000_000)),
    },
    "sandbox": {
        "keystore": (None, path),
        "password": (None, path),
        "amount": (1_000, number(1, 1_000_000_000)),
        "requests": (60, number(1, 1_000_000)),
    },
    "monitoring": {
        "nodes": ((), addresses),
        "operators": ((), addresses),
        "authority": (None, path),
        "certificate": (None, path),
        "key": (None, path),
        "clients": ((), some_texts),
    },
    "alarms": {"internal_networks": ((), networks)},
    "oidc": {
        "issuer": (None, url("http", "https")),
        "client_id": (None, text),
        "client_secret": (None, path),
        "redirect": (None, url("http", "https")),
        "scopes": (("openid", "profile"), texts),
        "name_claim": ("preferred_username", text),
        "role_claim": ("roles", text),
        "roles": ((), roles),
        "authority": (None, path),
    },
    "log": {"level": ("info", choice("debug", "info", "warning", "error"))},
}
"""Every key with its default (or REQUIRED) and its check."""


def load(file: Path) -> Config:
    """Reads and checks a configuration file.

    Raises:
        ConfigError: the file is missing, is not TOML, or holds something wrong.
    """
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{file}: cannot be read ({error})"
        raise ConfigError(msg) from error
    except tomllib.TOMLDecodeError as error:
        msg = f"{file}: not valid TOML: {error}"
        raise ConfigError(msg) from error
    try:
        return parse(document, file.parent)
    except ConfigError as error:
        msg = f"{file}: {error}"
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
        GatewaySection(**values["gateway"]),
        NodeSection(**values["node"]),
        IndexSection(**values["index"]),
        ExplorerSection(**values["explorer"]),
        SandboxSection(**values["sandbox"]),
        MonitoringSection(**values["monitoring"]),
        AlarmsSection(**values["alarms"]),
        OidcSection(**values["oidc"]),
        LogSection(**values["log"]),
    )
    _check_pairs(config)
    return config


def _value(
    name: str, given: Mapping[str, Any], key: str, default: Any, check: Check, folder: Path
) -> Any:
    if key not in given and default is REQUIRED:
        msg = f'{name} is missing: add it, for example {key} = "http://127.0.0.1:8801"'
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


def _check_pairs(config: Config) -> None:
    own, node, sandbox = config.gateway, config.node, config.sandbox
    if (own.tls_certificate is None) != (own.tls_key is None):
        msg = "gateway.tls_certificate and gateway.tls_key belong together: give both or neither"
        raise ConfigError(msg)
    if not ipaddress.ip_address(own.host).is_loopback and own.tls_certificate is None:
        msg = (
            f"gateway.host {own.host} is not a loopback address: set gateway.tls_certificate and "
            'gateway.tls_key, or use host = "127.0.0.1"'
        )
        raise ConfigError(msg)
    if (node.certificate is None) != (node.key is None):
        msg = "node.certificate and node.key belong together: give both or neither"
        raise ConfigError(msg)
    watched = config.monitoring
    if (watched.certificate is None) != (watched.key is None):
        msg = "monitoring.certificate and monitoring.key belong together: give both or neither"
        raise ConfigError(msg)
    _check_provider(config.oidc)
    if (sandbox.keystore is None) != (sandbox.password is None):
        msg = "sandbox.keystore and sandbox.password belong together: give both or neither"
        raise ConfigError(msg)


def _check_provider(oidc: OidcSection) -> None:
    if oidc.issuer is None:
        return
    for name in ("client_id", "redirect", "roles"):
        if not getattr(oidc, name):
            msg = f"oidc.{name} is missing: a login by {oidc.issuer} needs it"
            raise ConfigError(msg)
    if "openid" not in oidc.scopes:
        msg = 'oidc.scopes must hold "openid"'
        raise ConfigError(msg)
    parts = urlsplit(oidc.issuer)
    if parts.scheme != "https" and parts.hostname not in {"127.0.0.1", "::1", "localhost"}:
        msg = "oidc.issuer must begin with https:// unless it is on this machine"
        raise ConfigError(msg)
