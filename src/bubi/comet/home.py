"""The folder of a CometBFT process that decides for a node. Pure: contents, not files."""

import base64
import datetime
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from bubi import core
from bubi.ledger import key_bytes, set_quorum

ABCI_SOCKET: Final = "abci.sock"
BLOCK_OVERHEAD_BYTES: Final = 1_048_576
"""What CometBFT puts around the batches of a block: header, commit, evidence."""
BLOCK_BYTES_MAX: Final = 100 * 1_048_576
"""Largest block of CometBFT."""
_PUBLIC_TYPE: Final = "tendermint/PubKeyEd25519"
_PRIVATE_TYPE: Final = "tendermint/PrivKeyEd25519"


@dataclass(frozen=True, slots=True)
class HomeSettings:
    """Where a CometBFT process listens, and whom it dials."""

    abci: Path
    rpc_port: int
    p2p_host: str
    p2p_port: int
    advertise: str
    peers: Sequence[str]


def reason_against(genesis: Mapping[str, Any]) -> str | None:
    """Why CometBFT cannot decide for a genesis (JSON, without its version); None if it can."""
    fields = genesis["validators"]["v1"]
    weights = [int(one["weight"]) for one in fields["validators"]]
    if genesis["suite"] != "standard":
        return "CometBFT needs the hash suite standard"
    if any(set(one["key"]) != {"ed25519"} for one in fields["validators"]):
        return "CometBFT votes with Ed25519 keys only"
    if set_quorum(fields) != sum(weights) * 2 // 3 + 1:
        return "CometBFT decides with more than 2/3 of the votes: ask for no other quorum"
    if int(genesis["parameters"]["block_bytes"]) > BLOCK_BYTES_MAX - BLOCK_OVERHEAD_BYTES:
        return "a block of CometBFT has at most 100 MiB: make block_bytes smaller"
    return None


def node_id(secret: bytes) -> str:
    """By what other CometBFT processes know the one with this secret of its node key."""
    return hashlib.sha256(_public(secret)).hexdigest()[:40]


def _public(secret: bytes) -> bytes:
    key = Ed25519PrivateKey.from_private_bytes(secret).public_key()
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _typed(kind: str, data: bytes) -> dict[str, str]:
    return {"type": kind, "value": _base64(data)}


def _json(document: object) -> bytes:
    return json.dumps(document, indent=2).encode() + b"\n"


def node_key(secret: bytes) -> bytes:
    """The file `node_key.json`."""
    return _json({"priv_key": _typed(_PRIVATE_TYPE, secret + _public(secret))})


def validator_key(secret: bytes) -> bytes:
    """The file `priv_validator_key.json`: CometBFT votes with the vote key of the validator."""
    public = _public(secret)
    return _json(
        {
            "address": hashlib.sha256(public).digest()[:20].hex().upper(),
            "pub_key": _typed(_PUBLIC_TYPE, public),
            "priv_key": _typed(_PRIVATE_TYPE, secret + public),
        }
    )


def validator_state() -> bytes:
    """The file `priv_validator_state.json` of a key that has not voted."""
    return _json({"height": "0", "round": 0, "step": 0})


def genesis_document(genesis: bytes) -> bytes:
    """The file `genesis.json`; the same bytes for every member."""
    fields = core.decode_json(core.genesis_to_json(genesis))["v1"]
    start = datetime.datetime.fromtimestamp(int(fields["time"]) / 1_000, datetime.UTC)
    block_bytes = int(fields["parameters"]["block_bytes"]) + BLOCK_OVERHEAD_BYTES
    validators = []
    for one in fields["validators"]["v1"]["validators"]:
        public = key_bytes(one["key"])[1:]
        validators.append(
            {
                "address": hashlib.sha256(public).digest()[:20].hex().upper(),
                "pub_key": _typed(_PUBLIC_TYPE, public),
                "power": str(one["weight"]),
                "name": one["name"],
            }
        )
    return _json(
        {
            "genesis_time": start.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "chain_id": core.comet_chain_name(core.chain_id(genesis)),
            "initial_height": "1",
            "consensus_params": {
                "block": {"max_bytes": str(block_bytes), "max_gas": "-1"},
                "evidence": {
                    "max_age_num_blocks": "100000",
                    "max_age_duration": "172800000000000",
                    "max_bytes": "1048576",
                },
                "validator": {"pub_key_types": ["ed25519"]},
                "version": {"app": "0"},
                "abci": {"vote_extensions_enable_height": "0"},
            },
            "validators": validators,
            "app_hash": "",
        }
    )


def config_document(name: str, settings: HomeSettings) -> bytes:
    """The file `config.toml`: only what differs from CometBFT's own defaults."""
    batch = core.limits()["BATCH_BYTES_MAX"] + BLOCK_OVERHEAD_BYTES

    def text(value: str) -> str:
        return json.dumps(value)

    # A request carries a batch in base64.
    body = batch * 4 // 3 + BLOCK_OVERHEAD_BYTES
    lines = [
        "# CometBFT for a Bubi node. Every key: the documentation of CometBFT v0.38.",
        f"proxy_app = {text(f'unix://{settings.abci}')}",
        f"moniker = {text(name)}",
        'abci = "socket"',
        "",
        "[rpc]",
        f"laddr = {text(f'tcp://127.0.0.1:{settings.rpc_port}')}",
        f"max_body_bytes = {body}",
        "",
        "[p2p]",
        f"laddr = {text(f'tcp://{settings.p2p_host}:{settings.p2p_port}')}",
        f"external_address = {text(settings.advertise)}",
        f"persistent_peers = {text(','.join(settings.peers))}",
        "# Members may stand behind one address, or on one machine.",
        "addr_book_strict = false",
        "allow_duplicate_ip = true",
        "",
        "[mempool]",
        f"max_tx_bytes = {batch}",
        "",
        "[consensus]",
        "# Nothing to do, no block; what waits is decided at once.",
        "create_empty_blocks = false",
        'timeout_commit = "200ms"',
        "",
        "[tx_index]",
        "# The ledger has its own.",
        'indexer = "null"',
    ]
    return "\n".join(lines).encode() + b"\n"
