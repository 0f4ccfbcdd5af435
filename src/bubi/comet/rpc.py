"""What the node asks its CometBFT process over HTTP: to take a batch, and for light blocks.

Nothing that it answers is believed: the core verifies a light block before it is stored.
"""

import base64
import datetime
import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from bubi import core

if TYPE_CHECKING:
    pass

TIMEOUT_SECONDS: Final = 30.0
FLAG_COMMIT: Final = 2
KNOWN: Final = "already exists in cache"
_TIME: Final = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z")


class RpcError(Exception):
    """CometBFT does not answer, or refuses."""


class Refused(RpcError):  # noqa: N818 - it is an answer
    """The application refused a transaction; `code` says why."""

    def __init__(self, code: int, log: str) -> None:
        super().__init__(log)
        self.code = code


class Rpc:
    """A client of one CometBFT process."""

    def __init__(self, url: str) -> None:
        # Loopback: a proxy of the environment has no business here.
        # Only nodes with this engine need it, and it takes a tenth of a node's start.
        import httpx  # noqa: PLC0415

        self._failures = (httpx.HTTPError, ValueError)
        self._client = httpx.AsyncClient(base_url=url, timeout=TIMEOUT_SECONDS, trust_env=False)

    async def close(self) -> None:
        """Ends connections."""
        await self._client.aclose()

    async def submit(self, transaction: bytes) -> None:
        """Gives a transaction to the mempool; one that it has is taken as well.

        Raises:
            Refused: the application does not want it.
            RpcError: try again.
        """
        encoded = base64.b64encode(transaction).decode("ascii")
        try:
            result = await self._call("broadcast_tx_sync", {"tx": encoded})
        except RpcError as error:
            if KNOWN in str(error):
                return
            raise
        if int(result["code"]):
            raise Refused(int(result["code"]), str(result.get("log", "")))

    async def light_block(self, height: int, addresses: Sequence[bytes]) -> bytes:
        """Encoded light block of a height of CometBFT; `addresses` are those of the validators.

        Raises:
            RpcError: there is none yet.
        """
        result = await self._call("commit", {"height": str(height)})
        try:
            document = light_block_json(result["signed_header"], addresses)
            return core.light_block_from_json(core.encode_json(document))
        except (KeyError, TypeError, ValueError, core.CoreError) as error:
            msg = f"CometBFT's header {height} cannot be used: {error!r}"
            raise RpcError(msg) from error

    async def state(self) -> dict[str, Any]:
        """Height, peers and round of consensus.

        Raises:
            RpcError: CometBFT does not answer.
        """
        status = await self._call("status", {})
        network = await self._call("net_info", {})
        return {"status": status, "peers": network["peers"]}

    async def _call(self, method: str, parameters: Mapping[str, str]) -> dict[str, Any]:
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": dict(parameters)}
        try:
            answer = await self._client.post("/", json=body)
            document = answer.json()
        except self._failures as error:
            msg = f"CometBFT does not answer ({error!r})"
            raise RpcError(msg) from error
        if not isinstance(document, dict) or not isinstance(document.get("result"), dict):
            raise RpcError(str(document.get("error") if isinstance(document, dict) else document))
        result: dict[str, Any] = document["result"]
        return result


def address(key: bytes) -> bytes:
    """CometBFT's address of a tagged Ed25519 key."""
    return hashlib.sha256(key[1:]).digest()[:20]


def light_block_json(signed: Mapping[str, Any], addresses: Sequence[bytes]) -> dict[str, Any]:
    """A signed header of CometBFT in the JSON form of `LightBlock`.

    Raises:
        KeyError, TypeError, ValueError: something is missing or malformed.
    """
    header, commit = signed["header"], signed["commit"]
    block = commit["block_id"]
    return {
        "v1": {
            "header": {
                "block_version": str(header["version"]["block"]),
                "app_version": str(header["version"].get("app", "0")),
                "chain": header["chain_id"],
                "height": header["height"],
                "time": _time(header["time"]),
                "last_block": {
                    "hash": header["last_block_id"]["hash"].lower(),
                    "parts": header["last_block_id"]["parts"]["total"],
                    "parts_hash": header["last_block_id"]["parts"]["hash"].lower(),
                },
                "last_commit": header["last_commit_hash"].lower(),
                "data": header["data_hash"].lower(),
                "validators": header["validators_hash"].lower(),
                "next_validators": header["next_validators_hash"].lower(),
                "consensus": header["consensus_hash"].lower(),
                "app": header["app_hash"].lower(),
                "last_results": header["last_results_hash"].lower(),
                "evidence": header["evidence_hash"].lower(),
                "proposer": header["proposer_address"].lower(),
            },
            "commit": {
                "round": commit["round"],
                "parts": block["parts"]["total"],
                "parts_hash": block["parts"]["hash"].lower(),
                "votes": _votes(commit["signatures"], addresses),
            },
        }
    }


def _votes(
    signatures: Sequence[Mapping[str, Any]], addresses: Sequence[bytes]
) -> list[dict[str, Any]]:
    """Votes for the block, by the index of the validator in the set of the ledger."""
    places = {one: place for place, one in enumerate(addresses)}
    votes = [
        {
            "validator": places[bytes.fromhex(one["validator_address"])],
            "time": _time(one["timestamp"]),
            "signature": base64.b64decode(one["signature"]).hex(),
        }
        for one in signatures
        if one["block_id_flag"] == FLAG_COMMIT
    ]
    return sorted(votes, key=lambda vote: int(vote["validator"]))


def _time(text: str) -> dict[str, Any]:
    found = _TIME.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no time of CometBFT")
    whole = datetime.datetime.fromisoformat(found[1]).replace(tzinfo=datetime.UTC)
    nanoseconds = int((found[2] or "0").ljust(9, "0"))
    return {"seconds": str(int(whole.timestamp())), "nanoseconds": nanoseconds}
