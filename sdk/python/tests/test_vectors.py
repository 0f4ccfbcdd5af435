"""The vectors of spec/vectors: what every SDK and the core must reproduce."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import samples
import vectors
from bubi_sdk import (
    Address,
    Algorithm,
    CipherContent,
    CipherSuite,
    Digest,
    DigestAlgorithm,
    EncodingError,
    HashSuite,
    InvalidInput,
    Network,
    ProofInvalid,
    PublicKey,
    SecretKey,
    Transaction,
    Trust,
    content,
    decrypt_content,
    encrypt_content,
    hashes,
    merkle,
    verify_receipt,
)
from bubi_sdk.codec import parse_json
from bubi_sdk.events import EVENT, Event
from bubi_sdk.operations import OPERATIONS
from bubi_sdk.transaction import Envelope


def load(name: str) -> Any:
    return json.loads((vectors.FOLDER / name).read_text(encoding="utf-8"))


CODEC, ADDRESS, TRANSACTION = load("codec.json"), load("address.json"), load("transaction.json")


def named(cases: list[Any], key: str = "name") -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", cases, ids=[str(case[key]) for case in cases])


def test_the_files_are_what_the_code_makes() -> None:
    tool = Path(vectors.__file__)
    done = subprocess.run([sys.executable, str(tool), "--check"], check=False, capture_output=True)
    assert done.returncode == 0, done.stderr


def test_every_operation_and_event_has_a_vector() -> None:
    used = {type(one) for one in samples.OPERATIONS.values()}
    assert used == set(OPERATIONS)
    assert {type(one) for one in samples.EVENTS} == set(Event.__args__)
    numbers = [EVENT.encode(one)[0] for one in samples.EVENTS]
    assert sorted(set(numbers)) == list(range(len(Event.__args__)))
    assert numbers == sorted(numbers)


@named(CODEC["valid"])
def test_bytes_and_json_lead_to_the_same_value(case: Any) -> None:
    kind, data = samples.TYPES[case["type"]], bytes.fromhex(case["bytes"])
    value = kind.decode(data)
    assert value == kind.from_json(case["json"], CODEC["prefix"])
    assert kind.encode(value) == data
    assert kind.to_json(value, CODEC["prefix"]) == case["json"]
    if "digest" in case:
        for suite in HashSuite:
            chain = bytes.fromhex(CODEC["chain_id"])
            digest = suite.hash(case["domain"].encode(), chain, data)
            assert digest.hex() == case["digest"][suite.value]


@named(CODEC["invalid"])
def test_second_forms_are_refused(case: Any) -> None:
    data = bytes(case["zero_bytes"]) if "zero_bytes" in case else bytes.fromhex(case["bytes"])
    with pytest.raises(EncodingError) as caught:
        samples.TYPES[case["type"]].decode(data)
    assert caught.value.code == case["code"]


@named(CODEC["invalid_json"])
def test_second_forms_of_json_are_refused(case: Any) -> None:
    with pytest.raises(EncodingError) as caught:
        samples.TYPES[case["type"]].from_json(parse_json(case["text"]), CODEC["prefix"])
    assert caught.value.code == case["code"]


@named(ADDRESS["keys"], "algorithm")
def test_keys_and_their_addresses(case: Any) -> None:
    algorithm = Algorithm(case["algorithm"])
    key = SecretKey(algorithm, bytes.fromhex(case["secret"])).public_key
    assert (key.raw.hex(), key.tagged.hex()) == (case["public_key"], case["tagged"])
    key.check()
    for name, expected in case["addresses"].items():
        own = Address.of_key(HashSuite(name), key.tagged)
        assert own.raw.hex() == expected["bytes"]
        for prefix, text in expected["texts"].items():
            assert own.text(prefix) == text
            assert Address.parse(text, prefix) == own


@named(ADDRESS["invalid"], "reason")
def test_invalid_addresses(case: Any) -> None:
    with pytest.raises(InvalidInput):
        Address.parse(case["text"], case["prefix"])


@named(ADDRESS["invalid_keys"], "reason")
def test_keys_that_may_not_be_registered(case: Any) -> None:
    key = PublicKey.of(Algorithm(case["algorithm"]), bytes.fromhex(case["public_key"]))
    with pytest.raises(InvalidInput):
        key.check()


@pytest.mark.parametrize("case", TRANSACTION["transactions"])
def test_hashes_and_signatures(case: Any) -> None:
    network = Network(bytes.fromhex(case["chain_id"]), case["prefix"], HashSuite(case["suite"]))
    made = Transaction(network, bytes.fromhex(case["body"]))
    assert made.to_json() == case["body_json"]
    assert made.signing_bytes.hex() == case["signing_bytes"]
    assert made.hash.hex() == case["hash"]
    keys = [
        SecretKey(Algorithm(one["algorithm"]), bytes.fromhex(one["secret"]))
        for one in case["secrets"]
    ]
    envelope = made.sign(*keys)
    assert envelope.encoded.hex() == case["signed"]
    assert envelope.to_json() == case["signed_json"]
    text = json.dumps(case["signed_json"])
    assert Envelope.from_json(network, text).encoded == envelope.encoded
    assert Envelope.decode(network, envelope.encoded).hash == made.hash


@named(TRANSACTION["invalid_signatures"])
def test_signatures_that_are_not(case: Any) -> None:
    key = PublicKey.of(Algorithm(case["algorithm"]), bytes.fromhex(case["public_key"]))
    message, signature = bytes.fromhex(case["message"]), bytes.fromhex(case["signature"])
    assert not key.verify(message, signature)


@pytest.mark.parametrize("case", load("merkle.json")["trees"])
def test_lists(case: Any) -> None:
    suite = HashSuite(case["suite"])
    leaves = [
        merkle.leaf_hash(suite, merkle.LeafTag(case["tag"]), bytes.fromhex(one))
        for one in case["data"]
    ]
    root = merkle.root(suite, leaves)
    assert ([one.hex() for one in leaves], root.hex()) == (case["leaves"], case["root"])
    size = len(leaves)
    for index, expected in enumerate(case["paths"]):
        path = [bytes.fromhex(one) for one in expected]
        assert list(merkle.path(suite, leaves, index)) == path
        assert merkle.verify(suite, leaves[index], index, size, path, root)
        assert not merkle.verify(suite, leaves[index], index, size, [*path, root], root)
        assert not merkle.verify(suite, leaves[index], index, size, path[:-1], root) or not path
        assert not merkle.verify(suite, leaves[index], size, size, path, root)
        for other in range(size):
            if other != index and leaves[other] != leaves[index]:
                assert not merkle.verify(suite, leaves[index], other, size, path, root)


@named(load("proof.json")["receipts"])
def test_proofs(case: Any) -> None:
    trust = Trust.parse(json.dumps(case["trust"]))
    data = bytes.fromhex(case["proof"])
    if not case["valid"]:
        with pytest.raises(ProofInvalid):
            verify_receipt(trust, data)
        return
    proven = verify_receipt(trust, data)
    assert str(proven.block.height) == case["height"]
    assert proven.receipt.transaction.hex() == case["transaction"]
    assert len(proven.records_of(bytes.fromhex(case["document"]))) == 1
    assert not proven.records_of(b"another document")


def test_digests_of_documents() -> None:
    salt = bytes(range(32))
    plain = Digest.of(b"x")
    assert plain.bytes == hashes.sha256(b"x")
    salted = Digest.of(b"x", DigestAlgorithm.SALTED_SM3, salt)
    assert salted.bytes == hashes.sm3(b"bubi:salted....." + salt + hashes.sm3(b"x"))
    with pytest.raises(InvalidInput):
        Digest.of(b"x", DigestAlgorithm.SALTED_SHA256)


@named(load("content.json")["contents"], "key")
def test_encrypted_contents(case: Any) -> None:
    network = Network(bytes.fromhex(case["chain_id"]), "bubidev")
    suite, secret = CipherSuite(case["suite"]), bytes.fromhex(case["content_key"])
    namespace, key = case["namespace"], case["key"]
    associated = content.associated_data(network, namespace, key)
    assert associated.hex() == case["associated"]
    stored = CipherContent(suite, bytes.fromhex(case["content"]))
    plain = bytes.fromhex(case["plain"])
    assert decrypt_content(network, namespace, key, stored, secret) == plain
    core = pytest.importorskip("bubi.core")
    nonce, sealed = stored.bytes[:12], stored.bytes[12:]
    assert core.seal(suite.value, secret, nonce, associated, plain) == sealed
    assert core.open(suite.value, secret, nonce, associated, sealed) == plain
    # What is encrypted now opens in the core too.
    made = encrypt_content(network, namespace, key, plain, secret, suite)
    assert made.bytes[:12] != nonce
    assert core.open(suite.value, secret, made.bytes[:12], associated, made.bytes[12:]) == plain
