"""Makes the data folder of a node.

Keys, certificate, genesis, trust file, configuration. Overwrites nothing.
"""

import datetime
import ipaddress
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from bubi import core
from bubi.node import config
from bubi.node.files import ALGORITHMS, SECRET_MODE, FileError, write_file, write_key
from bubi.node.trust import PREFIXES, write_trust

CERTIFICATE_DAYS = 365
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
    parameters: dict[str, Any] | None = None,
    api_port: int = 8080,
    now_ms: int | None = None,
) -> Initialised:
    """Makes a network of one validator in a new or empty folder.

    `accounts` are public keys (tagged bytes) whose own accounts exist from the start.

    Raises:
        FileError: the folder holds something, or cannot be written.
        ConfigError, CoreError: a name or parameter is out of range.
    """
    if kind not in PREFIXES or suite not in VOTE_ALGORITHM:
        msg = "kind must be development, test or main; suite must be standard or national"
        raise config.ConfigError(msg)
    _claim(directory)
    algorithm = VOTE_ALGORITHM[suite]
    secret, key = _new_key(algorithm)
    numbers = {**PARAMETERS, **(parameters or {})}
    time = now_ms if now_ms is not None else _now_ms()
    document = _genesis(network, kind, suite, time, numbers, accounts)
    document["v1"]["validators"] = {
        "v1": {
            "epoch": "0",
            "engine": "solo",
            "validators": [
                {
                    "name": name,
                    "organisation": organisation,
                    "key": key_json(key.public_key),
                    "weight": 1,
                }
            ],
            "quorum_numerator": 0,
            "quorum_denominator": 1,
        }
    }
    # The core judges the genesis, and the configuration is parsed, before any file is written.
    genesis = core.genesis_from_json(core.encode_json(document))
    settings = _settings(name, organisation, api_port)
    config.parse(settings, directory)
    write_file(directory / "genesis.bin", genesis)
    write_file(directory / "genesis.json", core.genesis_to_json(genesis) + b"\n")
    trust = write_trust(directory / "trust.json", genesis)
    write_key(directory / "validator.key", algorithm, secret)
    _write_certificate(directory, name, organisation)
    write_file(directory / "config.toml", _toml(settings).encode())
    return Initialised(
        directory,
        directory / "config.toml",
        directory / "trust.json",
        trust["chain_id"],
        trust["genesis_hash"],
        trust["prefix"],
        suite,
        f"http://127.0.0.1:{api_port}",
    )


def key_json(tagged: bytes) -> dict[str, str]:
    """A public key's tagged bytes in JSON form."""
    return {_algorithm_name(tagged[0]): tagged[1:].hex()}


def _algorithm_name(number: int) -> str:
    return next(name for name, algorithm in ALGORITHMS.items() if algorithm == number)


def _claim(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        occupied = next(directory.iterdir(), None)
    except OSError as error:
        msg = f"{directory} cannot be used: {error}"
        raise FileError(msg) from error
    if occupied is not None:
        msg = f"{directory} is not empty ({occupied.name}): choose a new folder"
        raise FileError(msg)


def _new_key(algorithm: str) -> tuple[bytes, core.SigningKey]:
    while True:
        secret = secrets.token_bytes(32)
        try:
            return secret, core.SigningKey.from_bytes(ALGORITHMS[algorithm], secret)
        except core.CoreError:
            # A scalar beyond the order of the curve: one chance in 2^32 or less.
            continue


def _now_ms() -> int:
    return int(datetime.datetime.now(datetime.UTC).timestamp() * 1000)


def _genesis(
    network: str,
    kind: str,
    suite: str,
    time: int,
    parameters: dict[str, Any],
    accounts: Sequence[bytes],
) -> dict[str, Any]:
    number = core.Suite[suite.upper()]
    owners = sorted((core.key_address(number, key), key) for key in accounts)
    return {
        "v1": {
            "nonce": secrets.token_hex(32),
            "name": network,
            "kind": kind,
            "suite": suite,
            "time": str(time),
            "protocol_version": 1,
            "parameters": parameters,
            "accounts": [
                {
                    "address": core.address_to_text(PREFIXES[kind], address),
                    "signers": [{"key": key_json(key), "weight": 1, "limits": None}],
                    "thresholds": {"default": 1, "operations": {}},
                }
                for address, key in owners
            ],
            "authorities": [],
            "predecessor": None,
        }
    }


def _settings(name: str, organisation: str, port: int) -> dict[str, dict[str, Any]]:
    return {
        "node": {
            "name": name,
            "organisation": organisation,
            "data": "ledger",
            "genesis": "genesis.bin",
            "validator_key": "validator.key",
        },
        "api": {"host": "127.0.0.1", "port": port},
    }


def _toml(settings: dict[str, dict[str, Any]]) -> str:
    lines = ["# Configuration of a Bubi node. Every key: docs/operating.md"]
    for section, values in settings.items():
        lines += ["", f"[{section}]"]
        for key, value in values.items():
            lines.append(f"{key} = {_toml_value(value)}")
    return "\n".join(lines) + "\n"


def _toml_value(value: str | int) -> str:
    if isinstance(value, int):
        return str(value)
    # A basic string of TOML escapes like JSON, which also covers control characters.
    return core.encode_json(value).decode()


def _write_certificate(directory: Path, name: str, organisation: str) -> None:
    """A key for TLS with a certificate of its own, for development.

    Real ones come from an authority.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation),
            x509.NameAttribute(NameOID.COMMON_NAME, name),
        ]
    )
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(days=CERTIFICATE_DAYS))
        .add_extension(
            x509.SubjectAlternativeName(
                [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
            ),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    write_file(
        directory / "key.pem",
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
        SECRET_MODE,
    )
    write_file(directory / "cert.pem", certificate.public_bytes(serialization.Encoding.PEM))
