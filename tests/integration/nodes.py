"""A real node in a process of its own on loopback, and transactions for it."""

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from bubi import core
from bubi.node.files import key_json
from bubi.node.init import Initialised, initialise
from tests.ports import free_port

START_SECONDS = 240


@dataclass
class Account:
    """A key with its own account."""

    key: core.SigningKey
    address: str

    @classmethod
    def new(cls, suite: int = 0) -> "Account":
        key = core.SigningKey.generate(core.Algorithm.ED25519, secrets.token_bytes(32))
        return cls(key, core.address_to_text("bubidev", core.key_address(suite, key.public_key)))


@dataclass
class RunningNode:
    """The process, its folder and a client."""

    made: Initialised
    owner: Account
    process: subprocess.Popen[bytes] | None = None
    client: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        self.client = httpx.Client(base_url=self.made.url, timeout=90)

    def start(self, seconds: float = START_SECONDS, reasons: Set[str] = frozenset()) -> None:
        """Starts the process and waits until it is healthy, or unhealthy for these reasons."""
        code = (
            "import sys; from pathlib import Path; from bubi.node.process import run; "
            f"sys.exit(run(Path({str(self.made.config)!r})))"
        )
        log = (self.made.directory / "log.txt").open("ab")
        self.process = subprocess.Popen([sys.executable, "-c", code], stderr=log, stdout=log)
        log.close()
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            assert self.process.poll() is None, (self.made.directory / "log.txt").read_text()
            try:
                health = self.client.get("/health").json()
                if {one["code"] for one in health.get("reasons", ())} == reasons:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.05)
        pytest.fail("the node did not become ready")

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        assert self.process is not None
        os.kill(self.process.pid, how)
        status = self.process.wait(120)
        self.process = None
        return status

    @property
    def chain_id(self) -> bytes:
        return bytes.fromhex(self.made.chain_id)

    def body(
        self, operations: list[Any], *, source: Account | None = None, **other: Any
    ) -> dict[str, Any]:
        return {
            "v1": {
                "source": (source or self.owner).address,
                "replay": {"id": secrets.token_hex(16)},
                "valid_until": str(int(time.time() * 1000) + 300_000),
                "preconditions": [],
                "memo": "",
                "operations": [{"source": None, "body": operation} for operation in operations],
                **other,
            }
        }

    def sign(self, body: dict[str, Any], *signers: Account) -> dict[str, Any]:
        encoded = core.body_from_json("bubidev", json.dumps(body).encode())
        message = core.signing_bytes(self.chain_id, encoded)
        accounts = sorted(signers or [self.owner], key=lambda one: one.key.public_key)
        entries = [
            {"key": key_json(one.key.public_key), "signature": one.key.sign(message).hex()}
            for one in accounts
        ]
        return {"v1": {"body": body, "signatures": entries}}

    def encoded(self, signed: dict[str, Any]) -> bytes:
        return core.transaction_from_json("bubidev", json.dumps(signed).encode())

    def data(self, name: str, value: str = "00", **other: Any) -> dict[str, Any]:
        """A signed transaction that sets a data entry of the owner."""
        operation = {"set_data": {"name": name, "value": value, "expected_version": None}}
        return self.sign(self.body([operation], **other))

    def submit(self, signed: dict[str, Any], wait: bool = True) -> httpx.Response:
        query = "?wait=final&timeout=60" if wait else ""
        return self.client.post(f"/v1/transactions{query}", json=signed)


def make_node(directory: Path, suite: str = "standard") -> RunningNode:
    owner = Account.new(core.Suite[suite.upper()])
    made = initialise(
        directory, suite=suite, accounts=[owner.key.public_key], api_port=free_port()
    )
    return RunningNode(made, owner)
