"""Real node processes, a ledger to load them with, and the journal of what was acknowledged."""

import http.client
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from bubi import core
from bubi.node.files import key_json
from bubi.node.init import Initialised, initialise
from tests.ports import free_port

START_SECONDS = 240
SUPPLY = 10**12
ASSET_CODE = "LOAD"
ROUND_SECONDS = 240
LOOK_UPS = 4


@dataclass(frozen=True)
class Account:
    """A key with its own account."""

    key: core.SigningKey
    address: str

    @classmethod
    def of(cls, secret: bytes) -> "Account":
        """The account of a secret."""
        key = core.SigningKey.from_bytes(core.Algorithm.ED25519, secret)
        return cls(key, core.address_to_text("bubidev", core.key_address(0, key.public_key)))


@dataclass
class Signer:
    """Makes signed transactions; seeded, so that a run can be repeated."""

    chain_id: bytes
    accounts: list[Account]
    asset: str
    random: random.Random

    def transaction(self, source: Account, operations: Sequence[dict[str, Any]]) -> bytes:
        """An encoded transaction of one account."""
        body = {
            "v1": {
                "source": source.address,
                "replay": {"id": self.random.randbytes(16).hex()},
                "valid_until": str(time.time_ns() // 1_000_000 + 300_000),
                "preconditions": [],
                "memo": "",
                "operations": [{"source": None, "body": one} for one in operations],
            }
        }
        encoded = core.body_from_json("bubidev", json.dumps(body).encode())
        signature = source.key.sign(core.signing_bytes(self.chain_id, encoded)).hex()
        entry = {"key": key_json(source.key.public_key), "signature": signature}
        signed = {"v1": {"body": body, "signatures": [entry]}}
        return core.transaction_from_json("bubidev", json.dumps(signed).encode())

    def transfer(self) -> bytes:
        """A transfer between two accounts."""
        source, target = self.random.sample(self.accounts, 2)
        amount = str(self.random.randrange(1, 1_000))
        return self.transaction(
            source, [{"transfer": {"asset": self.asset, "to": target.address, "amount": amount}}]
        )

    def hash(self, transaction: bytes) -> str:
        """Hash of an encoded transaction with one signature of 64 bytes."""
        document = core.decode_json(
            core.transaction_to_json("bubidev", 0, self.chain_id, transaction)
        )
        return str(document["hash"])


class Node:
    """A node with its folder; it can be started and killed again and again."""

    def __init__(self, made: Initialised, secrets: list[bytes]) -> None:
        self.made = made
        self.secrets = secrets
        self.accounts = [Account.of(secret) for secret in secrets]
        self.process: subprocess.Popen[bytes] | None = None
        self.client = httpx.Client(base_url=made.url, timeout=90)
        self.log = made.directory / "log.txt"

    @classmethod
    def make(
        cls, directory: Path, seed: int = 1, accounts: int = 16, settings: str = ""
    ) -> "Node":
        """A new network of one validator, whose accounts exist from the start."""
        source = random.Random(seed)
        secrets = [source.randbytes(32) for _ in range(accounts)]
        keys = [Account.of(secret).key.public_key for secret in secrets]
        made = initialise(directory, accounts=keys, api_port=free_port())
        with made.config.open("a", encoding="utf-8") as config:
            config.write(f"\n{settings}\n")
        return cls(made, secrets)

    @property
    def data(self) -> Path:
        """The folder of the ledger."""
        return self.made.directory / "ledger"

    @property
    def chain_id(self) -> bytes:
        """The chain id."""
        return bytes.fromhex(self.made.chain_id)

    def spawn(self, prefix: Sequence[str] = (), **environment: str) -> None:
        """Starts the process without waiting."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*prefix, sys.executable, "-m", "bubi", "node", "run", str(self.made.config)],
                stdout=log,
                stderr=log,
                env={**os.environ, **environment},
                start_new_session=True,
            )

    def wait_ready(self, seconds: float = START_SECONDS) -> float:
        """Waits until the node takes transactions; gives the seconds that it took."""
        began = time.monotonic()
        while True:
            assert self.process is not None
            assert self.process.poll() is None, self.log.read_text(encoding="utf-8")[-4_000:]
            took = time.monotonic() - began
            assert took < seconds, self.log.read_text(encoding="utf-8")[-4_000:]
            try:
                if self.client.get("/health").status_code == 200:
                    return took
            except httpx.TransportError:
                time.sleep(0.02)

    def start(self) -> float:
        """Starts the process and waits until it takes transactions."""
        self.spawn()
        return self.wait_ready()

    def kill(self) -> None:
        """Ends the process without warning."""
        self.stop(signal.SIGKILL)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Sends a signal and waits for the end."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(how)
        status = self.process.wait(120)
        self.process = None
        return status

    def close(self) -> None:
        """Ends what still runs."""
        self.client.close()
        if self.process is not None:
            self.stop(signal.SIGKILL)

    def submit(self, transaction: bytes, timeout: int = 60) -> httpx.Response:
        """Submits one transaction and waits for its outcome."""
        return self.client.post(
            f"/v1/transactions?wait=final&timeout={timeout}",
            content=transaction,
            headers={"content-type": "application/vnd.bubi.transaction"},
        )

    def bulk(self, transactions: list[bytes], timeout: int = 60) -> httpx.Response:
        """Submits many transactions and waits for their outcome."""
        return self.client.post(
            f"/v1/transactions/bulk?wait=final&timeout={timeout}",
            content=core.bulk_body(transactions),
            headers={"content-type": "application/vnd.bubi.transactions"},
        )

    def prepare_asset(self, seed: int = 2) -> Signer:
        """Issues an asset to every account; the node must run."""
        signer = Signer(self.chain_id, self.accounts, "", random.Random(seed))
        issuer = self.accounts[0]
        create = {
            "create_asset": {
                "code": ASSET_CODE,
                "name": "load",
                "kind": "fungible",
                "decimals": 0,
                "cap": None,
                "features": {"freeze": False, "whitelist": False, "clawback": False},
            }
        }
        answer = self.submit(signer.transaction(issuer, [create])).json()
        assert answer["status"] == "final", answer
        found = self.client.get(f"/v1/assets?issuer={issuer.address}").json()
        signer.asset = found["items"][0]["asset"]
        for account in self.accounts:
            issue = {"asset": signer.asset, "to": account.address, "amount": str(SUPPLY)}
            operation = {"issue": {**issue, "expires": None}}
            answer = self.submit(signer.transaction(issuer, [operation])).json()
            assert answer["status"] == "final", answer
        return signer


def open_chain(data: Path, genesis: Path) -> core.Chain:
    """A data folder opened in this process."""
    return core.Chain.open(str(data), genesis.read_bytes(), segment_bytes=1 << 20)


def replayed_root(data: Path, genesis: Path, copy: Path) -> tuple[int, bytes]:
    """Height and root of a replay from the genesis: of a copy without anything but the log."""
    shutil.copytree(data, copy)
    for name in ("state", "txindex"):
        shutil.rmtree(copy / name)
    chain = open_chain(copy, genesis)
    try:
        assert chain.statistics["replayed_blocks"] == chain.height
        assert chain.snapshot_root() == chain.state_root
        return chain.height, chain.state_root
    finally:
        chain.close()
        shutil.rmtree(copy)


def receipts(chain: core.Chain) -> dict[str, tuple[int, str]]:
    """Height and code of every transaction by walking the blocks; none may stand twice."""
    found: dict[str, tuple[int, str]] = {}
    for height in range(1, chain.height + 1):
        block = chain.block_json(height, True)
        assert block is not None
        for entry in core.decode_json(block)["transactions"]:
            assert entry["id"] not in found, f"{entry['id']} has two receipts"
            found[entry["id"]] = (height, entry["code"])
    return found


def check_supply(chain: core.Chain, asset: str, accounts: int) -> None:
    """The holders hold exactly what was issued."""
    document = chain.asset_json(asset, False)
    assert document is not None
    supply = int(core.decode_json(document)["value"]["v1"]["supply"])
    assert supply == accounts * SUPPLY
    lease, after, held = chain.lease(), b"", 0
    while True:
        page, after = lease.page("holders", asset, after, 500)
        for entry in core.decode_json(page):  # type: ignore[attr-defined]
            held += int(entry["holding"]["v1"]["balance"])
        if not after:
            break
    assert held == supply


@dataclass
class Journal:
    """What the load process wrote: everything sent, everything acknowledged."""

    path: Path
    offset: int = 0
    sent: set[str] = field(default_factory=set)
    acknowledged: dict[str, int] = field(default_factory=dict)

    def read(self) -> dict[str, int]:
        """Reads on; gives what was acknowledged since the last call, with its height."""
        fresh: dict[str, int] = {}
        with self.path.open("rb") as file:
            file.seek(self.offset)
            data = file.read()
        whole = data[: data.rfind(b"\n") + 1]
        self.offset += len(whole)
        for line in whole.decode("ascii").splitlines():
            kind, digest, *height = line.split()
            if kind == "S":
                self.sent.add(digest)
                continue
            assert digest in self.sent, "acknowledged before it was sent"
            known = self.acknowledged.setdefault(digest, int(height[0]))
            assert known == int(height[0]), f"{digest} acknowledged at two heights"
            fresh[digest] = known
        return fresh


def load_process(
    nodes: Sequence[Node], signer: Signer, journal: Path, seed: int, rate: int
) -> subprocess.Popen[bytes]:
    """Starts the process that loads nodes, one after the other, until it is terminated."""
    document = {
        "urls": [node.made.url for node in nodes],
        "chain_id": nodes[0].made.chain_id,
        "secrets": [secret.hex() for secret in nodes[0].secrets],
        "asset": signer.asset,
        "journal": str(journal),
        "seed": seed,
        "rate": rate,
    }
    journal.touch()
    return subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("load.py")), json.dumps(document)]
    )


def await_acknowledged(journal: Journal, wanted: int) -> dict[str, int]:
    """Reads the journal until so many were acknowledged."""
    ends = time.monotonic() + ROUND_SECONDS
    fresh: dict[str, int] = {}
    while len(fresh) < wanted:
        assert time.monotonic() < ends, f"only {len(fresh)} acknowledged in {ROUND_SECONDS} s"
        time.sleep(0.02)
        fresh.update(journal.read())
    return fresh


def look_up(node: Node, entries: dict[str, int]) -> None:
    """Each acknowledged transaction is final at the height that was acknowledged."""
    parts = [list(entries.items())[part::LOOK_UPS] for part in range(LOOK_UPS)]
    with ThreadPoolExecutor(LOOK_UPS) as threads:
        # A plain client: it costs a fraction of what the node needs to answer.
        list(threads.map(partial(look_up_part, node.made.url.removeprefix("http://")), parts))


def look_up_part(place: str, entries: list[tuple[str, int]]) -> None:
    connection = http.client.HTTPConnection(place, timeout=120)
    try:
        for digest, height in entries:
            connection.request("GET", f"/v1/transactions/{digest}")
            answer = connection.getresponse()
            document = json.loads(answer.read())
            found = (answer.status, document.get("status"), document.get("height"))
            expected = (200, "final", str(height))
            assert found == expected, f"{digest}: {found}, acknowledged at {height}"
    finally:
        connection.close()


def check_copy(node: Node, journal: Journal, asset: str, folder: Path) -> None:
    """As `check_ledger`, on a copy: opening repairs, and that is the killed node's own task."""
    copy = folder / "copy"
    shutil.copytree(node.data, copy)
    check_ledger(node, journal, asset, folder, copy)
    shutil.rmtree(copy)


def check_ledger(
    node: Node, journal: Journal, asset: str, folder: Path, data: Path | None = None
) -> None:
    """The whole ledger against the journal and against a replay from the genesis."""
    genesis, data = node.made.directory / "genesis.bin", data or node.data
    chain = open_chain(data, genesis)
    try:
        found = receipts(chain)
        for digest, height in journal.acknowledged.items():
            assert found.get(digest) == (height, "final"), f"{digest} was acknowledged"
        for digest in journal.sent - journal.acknowledged.keys():
            assert found.get(digest, (0, "final"))[1] == "final", "final or absent, never half"
        setup = len(node.accounts) + 1
        assert len(found.keys() - journal.sent) == setup, "nothing that nobody sent"
        check_supply(chain, asset, len(node.accounts))
        assert chain.snapshot_root() == chain.state_root
        end = (chain.height, chain.state_root)
    finally:
        chain.close()
    assert replayed_root(data, genesis, folder / "replay") == end


def data_files(data: Path) -> Iterator[Path]:
    """Files of a data folder without its lock."""
    for path in sorted(data.rglob("*")):
        if path.is_file() and path.name != "lock":
            yield path
