"""Makes the data folder of a node.

Keys, certificate, genesis, trust file, configuration. Overwrites nothing.
"""

import datetime
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bubi import core
from bubi.ledger import ALGORITHMS
from bubi.node import config
from bubi.node.certificates import issue, make_authority, to_der
from bubi.node.files import FileError, key_json, write_file, write_key
from bubi.node.tolerance import check as check_tolerance
from bubi.node.trust import PREFIXES, write_trust

VOTE_ALGORITHM = {"standard": "ed25519", "national": "sm2"}
PARAMETERS: dict[str, Any] = {
    "max_lifetime": "600000",
    "clock_tolerance": "5000",
    "id_bucket": "10000",
    "block_transactions": 20_000,
    "block_bytes": 33_554_432,
    "due_per_block": 1_000,
    "quota_window": "10000",
    "quota_operations": "0",
    "algorithms": [0, 1, 2, 3],
    "turn_blocks": 128,
    "timeout": "2000",
    "timeout_max": "30000",
    "vote_algorithms": [0, 1, 2, 3],
    "retired_algorithms": [],
    "proposal_lifetime": "604800000",
    "ready_lifetime": "3600000",
    "evidence_policy": 1,
    "evidence_max_age": "1000000",
    "organisation_operations": "0",
}
"""Parameters of a genesis unless others are asked for, in the JSON form of `ParametersV1`."""


@dataclass(frozen=True, slots=True)
class Initialised:
    """What was made."""

    directory: Path
    config: Path
    trust_file: Path
    chain_id: str
    genesis_hash: str
    prefix: str
    suite: str
    url: str


def initialise(  # noqa: PLR0913 - each argument is one answer of the person who sets up a node
    directory: Path,
    *,
    name: str = "node-1",
    organisation: str = "development",
    network: str = "development",
    kind: str = "development",
    suite: str = "standard",
    accounts: Sequence[bytes] = (),
    governance: bytes | None = None,
    parameters: dict[str, Any] | None = None,
    api_port: int = 8080,
    time_ms: int | None = None,
) -> Initialised:
    """Makes a network of one validator in a new or empty folder.

    `accounts` are public keys (tagged bytes) whose own accounts exist from the start; that of
    `governance` votes for the organisation.

    Raises:
        FileError: the folder holds something, or cannot be written.
        ConfigError, CoreError: a name or parameter is out of range.
    """
    check_kind(kind, suite)
    claim(directory)
    algorithm, secret, key = new_vote_key(suite)
    numbers = {**PARAMETERS, **(parameters or {})}
    time = time_ms if time_ms is not None else now_ms()
    authority = make_authority(directory / "authority", organisation)
    validator = Validator(name, organisation, key.public_key)
    genesis = make_genesis(
        network=network,
        kind=kind,
        suite=suite,
        time=time,
        parameters=numbers,
        accounts=accounts,
        engine="solo",
        validators=[validator],
        organisations=[
            Organisation(organisation, governance, to_der(authority.certificate)),
        ],
    )
    check_tolerance(core.decode_json(core.genesis_to_json(genesis))["v1"])
    settings = node_settings(name, organisation, api_port)
    config.parse(settings, directory)
    write_key(directory / "validator.key", algorithm, secret)
    issue(directory, authority, name)
    return write_node(directory, genesis, settings)


@dataclass(frozen=True, slots=True)
class Validator:
    """A validator of a genesis; `key` is its vote key (tagged bytes)."""

    name: str
    organisation: str
    key: bytes
    weight: int = 1


@dataclass(frozen=True, slots=True)
class Organisation:
    """An organisation of a genesis.

    `governance` is the key (tagged bytes) whose own account votes for it, None if it has no voice;
    `certificate` is that of its authority (DER). `account` is the address of an account that votes
    for it in the state that the genesis continues.
    """

    name: str
    governance: bytes | None
    certificate: bytes
    account: str | None = None


def check_kind(kind: str, suite: str) -> None:
    """Refuses an unknown kind of network or hash suite.

    Raises:
        ConfigError: it is unknown.
    """
    if kind not in PREFIXES or suite not in VOTE_ALGORITHM:
        msg = "kind must be development, test or main; suite must be standard or national"
        raise config.ConfigError(msg)


def write_node(
    directory: Path, genesis: bytes, settings: dict[str, dict[str, Any]]
) -> Initialised:
    """Writes genesis, trust file and configuration into the folder of a node.

    Raises:
        FileError: one exists, or cannot be written.
        ConfigError: a setting is wrong.
    """
    config.parse(settings, directory)
    write_file(directory / "genesis.bin", genesis)
    write_file(directory / "genesis.json", core.genesis_to_json(genesis) + b"\n")
    trust = write_trust(directory / "trust.json", genesis)
    write_file(directory / "config.toml", _toml(settings).encode())
    return Initialised(
        directory,
        directory / "config.toml",
        directory / "trust.json",
        trust["chain_id"],
        trust["genesis_hash"],
        trust["prefix"],
        trust["suite"],
        f"http://127.0.0.1:{settings['api']['port']}",
    )


def claim(directory: Path) -> None:
    """Makes a new folder for secrets, or takes an empty one.

    Raises:
        FileError: it holds something, or cannot be used.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        occupied = next(directory.iterdir(), None)
    except OSError as error:
        msg = f"{directory} cannot be used: {error}"
        raise FileError(msg) from error
    if occupied is not None:
        msg = f"{directory} is not empty ({occupied.name}): choose a new folder"
        raise FileError(msg)


def new_vote_key(suite: str) -> tuple[str, bytes, core.SigningKey]:
    """A new vote key: algorithm, secret, key."""
    algorithm = VOTE_ALGORITHM[suite]
    while True:
        secret = secrets.token_bytes(32)
        try:
            return algorithm, secret, core.SigningKey.from_bytes(ALGORITHMS[algorithm], secret)
        except core.CoreError:
            # A scalar beyond the order of the curve: one chance in 2^32 or less.
            continue


def now_ms() -> int:
    """This machine's clock (ms since 1970)."""
    return int(datetime.datetime.now(datetime.UTC).timestamp() * 1000)


def make_genesis(  # noqa: PLR0913 - the whole agreement of the members
    *,
    network: str,
    kind: str,
    suite: str,
    parameters: dict[str, Any],
    accounts: Sequence[bytes],
    engine: str,
    validators: Sequence[Validator],
    organisations: Sequence[Organisation],
    quorum: tuple[int, int] = (0, 1),
    time: int | None = None,
    protocol_version: int = 1,
    predecessor: Mapping[str, str] | None = None,
    members: Mapping[bytes, str] | None = None,
) -> bytes:
    """An encoded genesis with a new nonce.

    `members` names, for keys among `accounts`, the organisation to which their accounts belong.

    `predecessor` is the end of the chain that it continues, None for a network of its own.

    Raises:
        CoreError: the core refuses it.
    """
    number = core.Suite[suite.upper()]
    voters = {one.governance for one in organisations if one.governance is not None}
    owners = sorted((core.key_address(number, key), key) for key in voters | set(accounts))

    def account(key: bytes) -> str:
        return core.address_to_text(PREFIXES[kind], core.key_address(number, key))

    document = {
        "nonce": secrets.token_hex(32),
        "name": network,
        "kind": kind,
        "suite": suite,
        "time": str(time if time is not None else now_ms()),
        "protocol_version": protocol_version,
        "parameters": {**PARAMETERS, **parameters},
        "validators": {
            "v1": {
                "epoch": "0",
                "engine": engine,
                "validators": [
                    {
                        "name": validator.name,
                        "organisation": validator.organisation,
                        "key": key_json(validator.key),
                        "weight": validator.weight,
                    }
                    for validator in validators
                ],
                "quorum_numerator": quorum[0],
                "quorum_denominator": quorum[1],
            }
        },
        "organisations": [
            {
                "name": one.name,
                "governance": one.account
                or (None if one.governance is None else account(one.governance)),
                "certificate": one.certificate.hex(),
            }
            for one in sorted(organisations, key=lambda one: one.name.encode())
        ],
        "accounts": [
            {
                "address": core.address_to_text(PREFIXES[kind], address),
                "signers": [{"key": key_json(key), "weight": 1, "limits": None}],
                "thresholds": {"default": 1, "operations": {}},
                "organisation": (members or {}).get(key),
            }
            for address, key in owners
        ],
        "predecessor": predecessor,
    }
    return core.genesis_from_json(core.encode_json({"v1": document}))


def node_settings(
    name: str, organisation: str, port: int, *, validator: bool = True
) -> dict[str, dict[str, Any]]:
    """Settings of a node without a network."""
    node: dict[str, Any] = {
        "name": name,
        "organisation": organisation,
        "data": "ledger",
        "genesis": "genesis.bin",
    }
    if validator:
        node["validator_key"] = "validator.key"
    return {"node": node, "api": {"host": "127.0.0.1", "port": port}}


def _toml(settings: dict[str, dict[str, Any]]) -> str:
    lines = ["# Configuration of a Bubi node. Every key: docs/operating.md"]
    for section, values in settings.items():
        lines += ["", f"[{section}]"]
        for key, value in values.items():
            lines.append(f"{key} = {_toml_value(value)}")
    return "\n".join(lines) + "\n"


def _toml_value(value: str | int | list[str]) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value)
    # Strings and lists of TOML look like those of JSON, escapes of control characters included.
    return core.encode_json(value).decode()
