"""The acting commands against a real network."""

import json

import pytest
from network import command


@pytest.fixture
def bubi(development):
    folder, _ = development

    def call(*arguments, **more):
        return command(*arguments, "--data", folder, **more)

    return call


def operation(name, value):
    return json.dumps({"set_data": {"name": name, "value": value.hex(), "expected_version": None}})


def test_a_transaction_from_build_to_proof(bubi, tmp_path, development):
    _, fields = development
    file = tmp_path / "tx.json"
    built = bubi(
        "tx",
        "build",
        "--source",
        "alice",
        "--operation",
        operation("a", b"1"),
        "--out",
        file,
        "--json",
    )
    assert built.status == 0, built.err
    unsigned = bubi("tx", "simulate", file, "--json")
    assert (unsigned.status, unsigned.json["code"]) == (0, "final"), unsigned.err
    assert (unsigned.json["id"], unsigned.json["signatures_assumed"]) == (built.json["id"], True)
    assert "as if everybody had" in bubi("tx", "simulate", file).out
    body = tmp_path / "body.json"
    encoded = built.json["collection"]["body"]
    body.write_text(json.dumps(bubi("tx", "decode", encoded, "--json").json["transaction"]))
    assert bubi("tx", "simulate", body, "--json").json == unsigned.json
    signed = bubi("tx", "sign", file, "--as", "alice", "--json").json
    assert signed["id"] == built.json["id"]
    assert bytes.fromhex(signed["bytes"])
    simulated = bubi("tx", "simulate", file, "--json")
    assert (simulated.status, simulated.json["code"]) == (0, "final")
    assert simulated.json["signatures_assumed"] is False
    submitted = bubi("tx", "submit", file, "--json").json
    assert (submitted["id"], submitted["status"]) == (signed["id"], "final")
    assert submitted["operations"] == [{"code": "final"}]
    assert bubi("tx", "submit", file, "--json").json == submitted, "one outcome, however often"
    assert bubi("tx", "show", signed["id"], "--json").json == submitted
    decoded = bubi("tx", "decode", signed["bytes"], "--json").json
    assert decoded["id"] == signed["id"]
    shown = bubi("account", "show", "alice", "--json").json
    assert "a" in [entry["name"] for entry in shown["data"]]
    assert shown["address"] == fields["accounts"][3]["address"]


def test_a_rejected_transaction_is_a_finding(bubi, tmp_path):
    file = tmp_path / "tx.json"
    wrong = json.dumps({"set_data": {"name": "x", "value": None, "expected_version": None}})
    bubi("tx", "build", "--source", "bob", "--operation", wrong, "--out", file)
    bubi("tx", "sign", file, "--as", "bob")
    simulated = bubi("tx", "simulate", file, "--json")
    assert (simulated.status, simulated.json["code"]) == (1, "data_missing")
    rejected = bubi("tx", "submit", file, "--json")
    assert rejected.status == 1
    assert (rejected.json["status"], rejected.json["code"]) == ("rejected", "data_missing")


def test_another_account_cannot_sign_for_alice(bubi, tmp_path):
    file = tmp_path / "tx.json"
    bubi("tx", "build", "--source", "alice", "--operation", operation("b", b"2"), "--out", file,
         "--valid-for", "2")  # fmt: skip
    bubi("tx", "sign", file, "--as", "bob")
    said = bubi("tx", "submit", file, "--no-wait", "--json")
    assert said.json.get("status") != "final"


def test_a_new_account_acts(bubi, tmp_path):
    made = bubi("account", "create", "carol", "--json")
    assert made.status == 0, made.err
    assert made.json["status"] == "final"
    listed = {one["name"]: one for one in bubi("account", "list", "--json").json["accounts"]}
    assert listed["carol"]["exists"] is True
    again = bubi("account", "create", "carol", "--json")
    assert (again.status, again.json["error"]["code"]) == (2, "account_exists")
    file = tmp_path / "tx.json"
    bubi("tx", "build", "--source", "carol", "--operation", operation("c", b"3"), "--out", file)
    bubi("tx", "sign", file, "--as", "carol")
    assert bubi("tx", "submit", file).status == 0


def test_what_is_missing_is_a_finding_with_the_nodes_code(bubi):
    for arguments in (
        ("asset", "show", "00" * 32),
        ("asset", "holders", "issuer:nothing"),
        ("record", "show", "nowhere", "nothing"),
        ("tx", "show", "00" * 32),
    ):
        said = bubi(*arguments, "--json")
        assert said.status == 1, said.err
        assert said.json["error"]["code"] in ("not_found", "outcome_unknown")


def test_keystores_are_made_imported_and_shown(tmp_path):
    file = tmp_path / "key.json"
    made = command("key", "create", file, "--password-stdin", "--json", stdin="secret word\n")
    assert made.status == 0, made.err
    assert made.json["public_key"].startswith("ed25519:")
    assert command("key", "show", file, "--json").json == made.json
    assert command("key", "create", file, "--password-stdin", stdin="x\n").status == 2
    assert command("key", "create", tmp_path / "b.json").status == 2, "no terminal, no password"
