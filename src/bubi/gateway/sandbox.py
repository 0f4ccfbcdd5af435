"""The sandbox of a development network: a faucet, and a way to simulate and submit.

It exists only where the configuration names the faucet's keystore, which `bubi up` writes, and
only on a network whose genesis says that it is for development.
"""

import asyncio
from typing import Any

from bubi_sdk import Client, KeystoreSigner, Network, TransactionBuilder
from bubi_sdk.codec import Json
from bubi_sdk.errors import BubiError
from bubi_sdk.keys import PublicKey
from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from bubi.gateway import shapes
from bubi.gateway.access import reader
from bubi.gateway.answers import RESPONSES, StrictRoute, address_of
from bubi.gateway.config import Config, ConfigError
from bubi.gateway.node import document
from bubi.gateway.problems import ProblemError
from bubi.gateway.service import gateway_of

router = APIRouter(
    prefix="/sandbox",
    dependencies=[Depends(reader)],
    tags=["sandbox"],
    route_class=StrictRoute,
    responses=RESPONSES,
)

CODE = "SANDBOX"
TRANSACTION = "application/vnd.bubi.transaction"
JSON = "application/json"
BYTES_MAX = 4 * 1_048_576


class FaucetRequest(BaseModel):
    """Who wants something: an account that exists, or the key whose account is to be opened."""

    model_config = ConfigDict(strict=True, extra="forbid")
    address: str | None = Field(default=None, max_length=128)
    key: dict[str, str] | None = Field(default=None, max_length=1)


class Sandbox:
    """The faucet: an account that issues an asset of its own to whoever asks."""

    def __init__(self, config: Config) -> None:
        assert config.sandbox.keystore is not None
        assert config.sandbox.password is not None
        try:
            password = config.sandbox.password.read_text(encoding="utf-8").strip()
            self._signer = KeystoreSigner.open(config.sandbox.keystore, password)
        except (OSError, BubiError) as error:
            msg = f"sandbox.keystore {config.sandbox.keystore} cannot be opened ({error})"
            raise ConfigError(msg) from error
        self._url = config.node.url
        self._amount = config.sandbox.amount
        self._one = asyncio.Lock()

    async def give(self, address: str | None, key: PublicKey | None) -> shapes.Given:
        """Opens the account if it is missing and gives it the asset; the outcome."""
        async with self._one:
            try:
                return await run_in_threadpool(self._give, address, key)
            except BubiError as error:
                raise ProblemError("node_failed", f"{error.code}: {error}") from error

    def _give(self, address: str | None, key: PublicKey | None) -> shapes.Given:
        with Client(self._url) as first:
            network = first.network()
        if network.prefix != "bubidev":
            raise ProblemError("route_unknown", "this is no development network")
        with Client(self._url, network) as client:
            asset = self._asset(client, network)
            target = network.text(network.address(key)) if key is not None else str(address)
            builder = TransactionBuilder(network, self._signer.public_key)
            if not _exists(client, target):
                if key is None:
                    raise ProblemError("not_found", "there is no such account: send its key")
                builder.create_account(key)
            builder.issue(asset, target, self._amount)
            outcome = client.submit_and_wait(builder.build().sign(self._signer))
        return {
            "address": target,
            "asset": asset.hex(),
            "code": CODE,
            "amount": str(self._amount),
            "transaction": outcome.transaction.hex(),
            "result": outcome.code,
            "height": None if outcome.height is None else str(outcome.height),
        }

    def _asset(self, client: Client, network: Network) -> bytes:
        """The faucet's asset, defined at the first request."""
        asset = network.asset_id(self._signer.public_key, CODE)
        if not _known(lambda: client.asset(asset)):
            builder = TransactionBuilder(network, self._signer.public_key)
            built = builder.create_asset(CODE, "Sandbox").build()
            client.submit_and_wait(built.sign(self._signer)).raise_for_status()
        return asset


def _exists(client: Client, address: str) -> bool:
    return _known(lambda: client.account(address))


def _known(ask: Any) -> bool:
    try:
        ask()
    except BubiError as error:
        if error.code == "not_found":
            return False
        raise
    return True


@router.post("/faucet")
async def faucet(request: Request, wanted: FaucetRequest) -> shapes.Given:
    """Gives an account some of the sandbox's asset, and opens it if its key is sent."""
    if (wanted.address is None) == (wanted.key is None):
        raise ProblemError("parameter_invalid", "send either an address or a key")
    gateway = gateway_of(request)
    gateway.admit(gateway.faucet, request)
    sandbox = gateway.sandbox
    assert sandbox is not None
    if wanted.address is not None:
        await address_of(request, wanted.address)
        return await sandbox.give(wanted.address, None)
    try:
        value: Json = dict(wanted.key or {})
        key = PublicKey.CODEC.from_json(value, "")
    except BubiError as error:
        raise ProblemError("parameter_invalid", f"the key is not valid: {error}") from error
    return await sandbox.give(None, key)


@router.post("/transactions")
async def submit(request: Request) -> dict[str, Any]:
    """Passes a signed transaction to the node and waits for its outcome."""
    return await _passed(request, "/v1/transactions", {"wait": "final", "timeout": "20"})


@router.post("/simulate")
async def simulate(request: Request) -> dict[str, Any]:
    """What a transaction would do now; nothing is submitted."""
    return await _passed(request, "/v1/transactions/simulate", {})


async def _passed(request: Request, path: str, parameters: dict[str, str]) -> dict[str, Any]:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in {TRANSACTION, JSON}:
        raise ProblemError("unsupported_media_type", f"send {TRANSACTION} or {JSON}")
    content = bytearray()
    async for part in request.stream():
        content += part
        if len(content) > BYTES_MAX:
            raise ProblemError("too_large", f"a transaction has at most {BYTES_MAX} bytes")
    answer = await gateway_of(request).node.send(
        "POST", path, parameters, content=bytes(content), content_type=kind
    )
    return document(answer)
