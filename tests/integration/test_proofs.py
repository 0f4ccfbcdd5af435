"""What a live node answers with `?proof=1`, checked off-line together with its proof."""

import copy
import json
import time
from typing import Any

import pytest
from bubi_sdk import Network, ProofInvalid, Trust, verify_answer
from bubi_sdk.address import Address
from bubi_sdk.flows import path_of
from bubi_sdk.state import OwnerKind, data_key, owner_key

from .nodes import RunningNode

RECORDS = (
    "plain",
    ":colon",
    "::",
    "a/b",
    "a/versions",
    "versions",
    ".",
    "..",
    "%2F",
    "?#&",
    " ",
    "文件",
)
NAME = "entry/one"


@pytest.fixture(scope="module")
def trust(node: RunningNode) -> Trust:
    return Trust.load(node.made.trust_file)


@pytest.fixture(scope="module")
def answers(node: RunningNode, trust: Trust) -> dict[str, dict[str, Any]]:
    """One answer per kind of object that has a proof."""
    owner, network = node.owner.address, trust.network
    fields = {"decimals": 0, "cap": None, "name": "An asset"}
    features = {"freeze": True, "whitelist": False, "clawback": False}
    assets = [
        {"code": code, "kind": kind, "features": features, **fields}
        for code, kind in (("F", "fungible"), ("D", "dated"), ("U", "unique"))
    ]
    fungible, dated, unique = (network.asset_id(owner, code).hex() for code in "FDU")
    namespace = network.namespace_id("proofs").hex()
    expires = str(int(time.time() * 1000) + 10_000_000)
    amount: dict[str, Any] = {"to": owner, "amount": "100"}
    digest = {"algorithm": "sha256", "bytes": "ab" * 32}
    plain = {"content": "none", "parents": [], "expected_version": None, "digest": digest}
    operations: list[Any] = [
        {"set_data": {"name": NAME, "value": "0a", "expected_version": None}},
        *({"create_asset": asset} for asset in assets),
        {"issue": {"asset": fungible, "expires": None, **amount}},
        {"issue": {"asset": dated, "expires": expires, **amount}},
        {"issue_item": {"asset": unique, "item": "i/1", "to": owner, "digest": None}},
        {"create_namespace": {"name": "proofs", "writers": "everyone", "shared": True}},
        *({"put_record": {"namespace": namespace, "key": key, **plain}} for key in RECORDS),
    ]
    done = node.submit(node.sign(node.body(operations))).json()
    assert done["status"] == "final", done
    owner_cells = owner_key(OwnerKind.ACCOUNT, Address.parse(owner, network.prefix).raw).hex()
    paths = {
        "account": path_of("accounts", owner),
        "fungible balance": path_of("accounts", owner, "balances", fungible),
        "dated balance": path_of("accounts", owner, "balances", dated),
        "data": path_of("accounts", owner, "data", NAME),
        "asset": path_of("assets", unique),
        "item": path_of("assets", unique, "items", "i/1"),
        "namespace": path_of("namespaces", namespace),
        "cell": path_of("cells", owner_cells, data_key(NAME)),
        "no cell": path_of("cells", owner_cells, data_key("missing")),
        "transaction": path_of("transactions", done["id"]),
        "block": path_of("blocks", done["height"], "finality"),
        **{f"record {key}": path_of("namespaces", namespace, "records", key) for key in RECORDS},
    }
    found = {}
    for kind, path in paths.items():
        query = "" if kind == "block" else "?proof=1"
        found[kind] = node.client.get(path + query).json()
        assert found[kind].get("proof"), (kind, found[kind])
    return found


def test_every_answer_is_what_its_proof_proves(
    answers: dict[str, dict[str, Any]], trust: Trust
) -> None:
    for kind, answer in answers.items():
        proven = verify_answer(trust, answer)
        of_kind = {
            "account": ("organisation", "quota"),
            "balance": ("lapsed", "spendable"),
            "record": ("author", "newest"),
        }
        *_, general = kind.split() if kind.endswith("balance") else [kind.partition(" ")[0]]
        assert proven.not_proven == of_kind.get(general, ()), kind
        if general == "record":
            assert answer["key"] == kind.removeprefix("record ")


def changed(value: Any) -> list[Any]:
    """Every way to change one leaf of a JSON value."""
    if isinstance(value, dict):
        parts = [(key, one) for key, old in value.items() for one in changed(old)]
        return [{**value, key: one} for key, one in parts]
    if isinstance(value, list):
        parts = [(at, one) for at, old in enumerate(value) for one in changed(old)]
        return [[*value[:at], one, *value[at + 1 :]] for at, one in parts]
    if isinstance(value, bool):
        return [not value, int(value)]
    if isinstance(value, int):
        return [value + 1, str(value)]
    return [None if value is not None else "0", "another"]


def test_every_change_beside_the_proof_is_refused(
    answers: dict[str, dict[str, Any]], trust: Trust
) -> None:
    for answer in answers.values():
        shown = copy.deepcopy(answer)
        proof = shown.pop("proof")
        unproven = ("newest", "author", "organisation", "quota", "lapsed", "spendable")
        beside = {name: shown.pop(name) for name in unproven if name in shown}
        forgeries = changed(shown)
        assert forgeries
        for forged in forgeries:
            with pytest.raises(ProofInvalid):
                verify_answer(trust, {**forged, **beside, "proof": proof})


def test_the_versions_of_a_record_with_an_odd_key(node: RunningNode, trust: Trust) -> None:
    namespace = Network.namespace_id(trust.network, "proofs").hex()
    for key in RECORDS:
        path = path_of("namespaces", namespace, "records", key, "versions")
        listed = node.client.get(path).json()
        assert [one["version"] for one in listed["items"]] == [1], (key, listed)


def test_node_and_sdk_write_the_same_trust_file(node: RunningNode, trust: Trust) -> None:
    assert json.loads(node.made.trust_file.read_bytes()) == trust.to_json()
    assert node.client.get("/v1/trust").json() == trust.to_json()
    assert trust.to_json()["genesis_hash"] == node.made.chain_id
