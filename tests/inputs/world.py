"""A node with accounts, assets, holds and records that the bad inputs run into."""

import base64
import json
import secrets
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from bubi_sdk import HashSuite, Network

from bubi import core
from bubi.node.files import key_json
from bubi.node.init import initialise
from tests.ports import free_port

from ..integration.nodes import Account, RunningNode

QUOTA = 3_000
ORGANISATION_QUOTA = 6_000
"""More than all cases need that act for accounts without an organisation."""
PARAMETERS = {
    # The longest window, so that a quota fills at a known transaction.
    "quota_window": str(604_800_000),
    "quota_operations": str(QUOTA),
    "organisation_operations": str(ORGANISATION_QUOTA),
    # One due cell per block, so that a hold can be met after its time and before it is retired.
    "due_per_block": 1,
    "algorithms": [0, 1, 3],
    # Evidence of the first block is too old from the third on.
    "evidence_max_age": "1",
}
NAMES = ("council", "owner", "alice", "bob", "carol", "dave", "limited", "multi", "busy", "closed")
DAY = 86_400_000


def now() -> int:
    return int(time.time() * 1000)


def account(algorithm: core.Algorithm = core.Algorithm.ED25519) -> Account:
    key = core.SigningKey.generate(algorithm, secrets.token_bytes(32))
    return Account(key, core.address_to_text("bubidev", core.key_address(0, key.public_key)))


@dataclass
class World:
    """The node and what is on it."""

    node: RunningNode
    accounts: dict[str, Account]
    second: Account
    """Key of a signer that may only move 5 FREE, and second signer of `multi`."""
    network: Network
    holds: list[str] = field(default_factory=list)

    @property
    def client(self) -> httpx.Client:
        return self.node.client

    def who(self, name: str) -> Account:
        return self.accounts[name]

    def address(self, name: str) -> str:
        return self.accounts[name].address

    def asset(self, code: str) -> str:
        return self.network.asset_id(self.address("owner"), code).hex()

    def namespace(self, name: str) -> str:
        return self.network.namespace_id(name).hex()

    def body(self, *operations: Any, by: str = "owner", **other: Any) -> dict[str, Any]:
        return self.node.body(list(operations), source=self.accounts[by], **other)

    def signed(self, *operations: Any, by: str = "owner", **other: Any) -> dict[str, Any]:
        return self.node.sign(self.body(*operations, by=by, **other), self.accounts[by])

    def signed_unread(self, operation: Any) -> dict[str, Any]:
        """A transaction whose operation is exchanged after signing; it is refused before."""
        signed = self.signed(set_data())
        signed["v1"]["body"]["v1"]["operations"][0]["body"] = operation
        return signed

    def submit(self, signed: dict[str, Any]) -> httpx.Response:
        return self.node.submit(signed)

    def done(self, *operations: Any, by: str = "owner", **other: Any) -> dict[str, Any]:
        answer = self.submit(self.signed(*operations, by=by, **other))
        assert answer.json().get("status") == "final", answer.text
        outcome: dict[str, Any] = answer.json()
        return outcome

    def bulk(self, *signed: dict[str, Any]) -> list[str]:
        """Sends them in one batch; the name of the code of each admitted one."""
        content = core.bulk_body([self.node.encoded(one) for one in signed])
        kind = {"content-type": "application/vnd.bubi.transactions"}
        answer = self.client.post(
            "/v1/transactions/bulk?wait=final&timeout=60", content=content, headers=kind
        ).json()
        assert answer["admitted"] == len(signed), answer
        names = core.code_names()
        return [names[one] for one in memoryview(base64.b64decode(answer["codes"])).cast("H")]


def set_data(name: str = "x", value: str | None = "00", version: str | None = None) -> Any:
    return {"set_data": {"name": name, "value": value, "expected_version": version}}


def signer(one: Account, weight: int = 1, limits: Any = None) -> dict[str, Any]:
    return {"key": key_json(one.key.public_key), "weight": weight, "limits": limits}


def signers(*given: dict[str, Any], default: int = 1) -> Any:
    ordered = sorted(given, key=lambda one: sorted(one["key"].items()))
    return {
        "set_signers": {"signers": ordered, "thresholds": {"default": default, "operations": {}}}
    }


def new_account(key: dict[str, str]) -> Any:
    return {"create_account": {"target": {"key": key}, "signers": [], "thresholds": None}}


def new_asset(code: str, kind: str = "fungible", **other: Any) -> Any:
    features = {name: name in other for name in ("freeze", "whitelist", "clawback")}
    return {
        "create_asset": {
            "code": code,
            "name": other.get("name", code),
            "kind": kind,
            "decimals": other.get("decimals", 0),
            "cap": other.get("cap"),
            "features": features,
        }
    }


def issue(asset: str, to: str, amount: str, expires: str | None = None) -> Any:
    return {"issue": {"asset": asset, "to": to, "amount": amount, "expires": expires}}


def issue_item(asset: str, to: str) -> Any:
    return {"issue_item": {"asset": asset, "item": "one", "to": to, "digest": None}}


def authorise(asset: str, holder: str) -> Any:
    return {"authorise_holder": {"asset": asset, "holder": holder, "authorised": True}}


def transfer(asset: str, to: str, amount: str = "1") -> Any:
    return {"transfer": {"asset": asset, "to": to, "amount": amount}}


def reserve(asset: str, to: str, amount: str, expires: int) -> Any:
    return {
        "reserve": {"asset": asset, "beneficiary": to, "amount": amount, "expires": str(expires)}
    }


def capture(holder: str, hold: str, amount: str = "1") -> Any:
    return {"capture": {"holder": holder, "hold": hold, "amount": amount}}


def record(namespace: str, key: str, **other: Any) -> Any:
    return {
        "put_record": {
            "namespace": namespace,
            "key": key,
            "digest": {"algorithm": "sha256", "bytes": "ab" * 32},
            "content": other.get("content", "none"),
            "parents": other.get("parents", []),
            "expected_version": other.get("version"),
        }
    }


def make(directory: Path) -> World:
    """Starts the node and puts the state there that the cases need."""
    accounts = {name: account() for name in NAMES}
    accounts["kay"] = account(core.Algorithm.SECP256K1)
    accounts["mei"] = account(core.Algorithm.SM2)
    made = initialise(
        directory,
        accounts=[one.key.public_key for one in accounts.values()],
        governance=accounts["council"].key.public_key,
        parameters=PARAMETERS,
        api_port=free_port(),
    )
    running = RunningNode(made, accounts["owner"])
    running.start()
    network = Network(bytes.fromhex(made.chain_id), "bubidev", HashSuite.STANDARD)
    world = World(running, accounts, account(), network)
    _assets(world)
    _authority(world)
    _records(world)
    return world


def _assets(world: World) -> None:
    at, asset = world.address, world.asset
    world.done(
        new_asset("FREE", cap="1000000"),
        new_asset("FROZEN", freeze=True),
        new_asset("HELD", freeze=True),
        new_asset("LISTED", whitelist=True),
        new_asset("ITEMS", "unique"),
        new_asset("DATED", "dated"),
        new_asset("HUGE"),
        issue(asset("FREE"), at("alice"), "1000"),
        issue(asset("FREE"), at("limited"), "1000"),
        issue(asset("HUGE"), at("alice"), str(10**38 - 1)),
        issue(asset("FROZEN"), at("alice"), "10"),
        {"freeze_asset": {"asset": asset("FROZEN"), "frozen": True}},
        issue(asset("HELD"), at("carol"), "10"),
        issue(asset("HELD"), at("alice"), "10"),
        {"freeze_holder": {"asset": asset("HELD"), "holder": at("carol"), "frozen": True}},
        authorise(asset("LISTED"), at("alice")),
        issue(asset("LISTED"), at("alice"), "10"),
        issue_item(asset("ITEMS"), at("alice")),
    )
    world.done("close_account", by="closed")
    world.done(reserve(asset("FREE"), at("bob"), "5", now() + DAY), by="alice")
    listed = world.client.get(f"/v1/accounts/{at('alice')}/holds").json()["items"]
    world.holds = [one["hold"] for one in listed]


def _authority(world: World) -> None:
    limit = {
        "operations": [],
        "assets": [],
        "namespaces": [],
        "amount": {"asset": world.asset("FREE"), "amount": "5", "period": "3600000"},
        "expires": None,
    }
    for name, limits, default in (("limited", limit, 1), ("multi", None, 2)):
        own = signer(world.who(name))
        world.done(signers(own, signer(world.second, limits=limits), default=default), by=name)


def _records(world: World) -> None:
    listed = {"listed": [world.address("alice")]}
    world.done(
        {"create_namespace": {"name": "documents", "writers": "everyone", "shared": False}},
        {"create_namespace": {"name": "closed", "writers": listed, "shared": True}},
        record(world.namespace("documents"), "first"),
    )


def stop(world: World) -> int:
    world.client.close()
    return world.node.stop() if world.node.process else 0


def text(value: Any) -> bytes:
    return json.dumps(value).encode()
