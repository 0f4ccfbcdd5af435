"""Writes the vectors that every SDK and the core must reproduce; `--check` only compares.

Run from anywhere: `python sdk/python/tools/vectors.py [--check]`.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import governance_samples
import samples
from bubi_sdk import address as module
from bubi_sdk import content, hashes, merkle
from bubi_sdk import operations as ops
from bubi_sdk import transaction as tx
from bubi_sdk.address import PREFIXES, Address, _encode
from bubi_sdk.block import CertificateVote
from bubi_sdk.cipher import KEY_LENGTHS, NONCE_LENGTH, seal
from bubi_sdk.codec import Json, Shape, codec_of, uleb
from bubi_sdk.hashes import HashSuite
from bubi_sdk.keys import _ED25519_ORDER, _ORDERS, Algorithm, SecretKey
from bubi_sdk.merkle import LeafTag
from bubi_sdk.network import Network
from bubi_sdk.proof import CometFinalityProof, FinalityProof, ReceiptProof
from samples import PREFIX, TIME, CometWorld, World, filled

FOLDER = Path(__file__).resolve().parents[3] / "spec" / "vectors"
DIGESTED = {
    "TransactionBody": hashes.TRANSACTION,
    "Proposal": hashes.PROPOSAL,
    "Outcome": hashes.OUTCOME,
    "ValidatorSet": hashes.VALIDATORS,
    "Parameters": hashes.PARAMETERS,
}


def _suites(*parts: bytes) -> dict[str, Json]:
    return {suite.value: suite.hash(*parts).hex() for suite in HashSuite}


def address_vectors() -> dict[str, Json]:
    """Keys, addresses and identifiers."""
    keys: list[Json] = []
    for algorithm in Algorithm:
        key = samples.secret(algorithm)
        addresses: dict[str, Json] = {}
        for suite in HashSuite:
            own = Address.of_key(suite, key.public_key.tagged)
            texts: dict[str, Json] = {one: own.text(one) for one in PREFIXES.values()}
            addresses[suite.value] = {"bytes": own.raw.hex(), "texts": texts}
        keys.append(
            {
                "algorithm": algorithm.value,
                "secret": key.secret_bytes.hex(),
                "public_key": key.public_key.raw.hex(),
                "tagged": key.public_key.tagged.hex(),
                "addresses": addresses,
            }
        )
    return {
        "schema": 1,
        "keys": keys,
        "derived": _derived(),
        "invalid": _invalid_addresses(),
        "invalid_keys": _invalid_keys(),
    }


def _derived() -> list[Json]:
    listed: list[Json] = []
    replays: tuple[tx.ReplayKey, ...] = (tx.Id(filled("id", 16)), tx.Sequence(7, 2**40 + 1))
    for suite in HashSuite:
        network = Network(samples.CHAIN, PREFIX, suite)
        for replay in replays:
            body = samples.body(*[samples.TRANSFER] * 3, replay=replay)
            made = tx.Transaction(network, body)
            listed.append(
                {
                    "suite": suite.value,
                    "chain_id": samples.CHAIN.hex(),
                    "acting": samples.ALICE.raw.hex(),
                    "replay": tx.TransactionBody.to_json(body, PREFIX)["v1"]["replay"],  # type: ignore[index,call-overload]
                    "replay_bytes": replay.fixed_bytes().hex(),
                    "index": 2,
                    "address": made.derived_account(2).raw.hex(),
                    "hold": made.hold_id(2).hex(),
                    "proposal": made.proposal_id(2).hex(),
                    "asset_code": "POINT.A-1",
                    "asset": network.asset_id(samples.ALICE, "POINT.A-1").hex(),
                    "namespace_name": "notary",
                    "namespace": network.namespace_id("notary").hex(),
                }
            )
    return listed


def _invalid_addresses() -> list[Json]:
    good = samples.ALICE.text(PREFIX)
    swapped = good[:-1] + ("q" if good[-1] != "q" else "p")
    cases = {
        "empty": "",
        "upper case": good.upper(),
        "mixed case": good[:20].upper() + good[20:],
        "one symbol changed": swapped,
        "two symbols exchanged": good[:10] + good[11] + good[10] + good[12:],
        "cut": good[:-1],
        "longer": good + "q",
        "another prefix": samples.ALICE.text("bubi"),
        "unknown prefix": _encode("other", b"\x00" + samples.ALICE.raw),
        "unknown version": _encode(PREFIX, b"\x01" + samples.ALICE.raw),
        "31 bytes": _encode(PREFIX, b"\x00" + samples.ALICE.raw[:31]),
        "33 bytes": _encode(PREFIX, b"\x00" + samples.ALICE.raw + b"\x00"),
        "no data": _encode(PREFIX, b""),
        "no separator": good.replace("1", "", 1),
        "a symbol outside the alphabet": good[:-3] + "b" + good[-2:],
        "space in front": " " + good,
        "line end behind": good + "\n",
        "full-width digit": good.replace("1", "１", 1),
        "Bech32, not Bech32m": _bech32(b"\x00" + samples.ALICE.raw),
        "padding bits not zero": _padded(b"\x00" + samples.ALICE.raw),
    }
    return [{"prefix": PREFIX, "text": text, "reason": name} for name, text in cases.items()]


def _symbols(data: bytes, padding: int, constant: int) -> str:
    number = int.from_bytes(data, "big") << 1 | padding
    values = [number >> 5 * at & 31 for at in range(52, -1, -1)]
    check = module._checksum(PREFIX, values + [0] * 6) ^ module._BECH32M ^ constant
    values += [check >> 5 * at & 31 for at in range(5, -1, -1)]
    return f"{PREFIX}1" + "".join(module._SYMBOLS[one] for one in values)


def _bech32(data: bytes) -> str:
    return _symbols(data, 0, 1)


def _padded(data: bytes) -> str:
    return _symbols(data, 1, module._BECH32M)


def _invalid_keys() -> list[Json]:
    prime = 2**255 - 19

    def ed(y: int, sign: int = 0) -> str:
        return (y | sign << 255).to_bytes(32, "little").hex()

    p256 = samples.secret(Algorithm.P256).public_key.raw
    cases = [
        ("ed25519", "identity", ed(1)),
        ("ed25519", "identity with a sign", ed(1, 1)),
        ("ed25519", "order 2", ed(prime - 1)),
        ("ed25519", "order 4", ed(0)),
        ("ed25519", "order 4, other sign", ed(0, 1)),
        ("ed25519", "order 8", "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"),
        (
            "ed25519",
            "order 8, negative",
            "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        ),
        ("ed25519", "not canonical: identity plus p", ed(prime + 1)),
        ("ed25519", "not canonical: 3 plus p", ed(prime + 3)),
        ("ed25519", "not a point", ed(2)),
        ("p256", "x not on the curve", "02" + (5).to_bytes(32, "big").hex().replace("05", "07")),
        ("p256", "hybrid form", "06" + p256[1:].hex()),
        ("p256", "x beyond the prime", "02" + "ff" * 32),
        ("secp256k1", "x not on the curve", "02" + (5).to_bytes(32, "big").hex()),
        ("secp256k1", "infinity", "00" * 33),
        ("sm2", "x beyond the prime", "02" + "ff" * 32),
        ("sm2", "hybrid form", "07" + samples.secret(Algorithm.SM2).public_key.raw[1:].hex()),
    ]
    return [
        {"algorithm": algorithm, "reason": reason, "public_key": key}
        for algorithm, reason, key in cases
    ]


def codec_vectors() -> dict[str, Json]:
    """Canonical bytes and JSON of every type; bytes and JSON that must be refused."""
    valid: list[Json] = []
    for label, (name, value) in samples.TOP_LEVEL.items():
        encoded = samples.TYPES[name].encode(value)
        entry: dict[str, Json] = {
            "type": name,
            "name": label,
            "json": samples.TYPES[name].to_json(value, PREFIX),
            "bytes": encoded.hex(),
        }
        if name in DIGESTED:
            entry["domain"] = DIGESTED[name].decode()
            entry["digest"] = _suites(DIGESTED[name], samples.CHAIN, encoded)
        valid.append(entry)
    genesis = samples.GENESIS.encode()
    header = samples.BATCH.header.encode()
    return {
        "schema": 1,
        "prefix": PREFIX,
        "chain_id": samples.CHAIN.hex(),
        "valid": valid,
        "genesis_chain_id": _suites(hashes.GENESIS, genesis),
        "batch_digest": {"header": header.hex(), **_suites(hashes.BATCH, samples.CHAIN, header)},
        "invalid": _invalid_bytes(),
        "invalid_json": _invalid_json(),
    }


def _unchecked(value: Shape) -> bytes:
    """Bytes of a value that breaks its own rules."""
    out = bytearray()
    codec_of(cast(Any, type(value))).write(out, value)
    return bytes(out)


def _invalid_bytes() -> list[Json]:
    good = samples.body(samples.TRANSFER).encode()
    head = good[: 1 + 32]  # version, source
    signed = samples.SIGNED.encode()
    rest = good[1 + 32 + 17 + 8 :]  # preconditions, memo, operations
    after_memo = good[1 + 32 + 17 + 8 + 2 :]
    thresholds = _unchecked(samples.body(samples.OPERATIONS["set_signers"]))
    map_at = thresholds.index(bytes([3, 0, 3, 0, 0, 0, 8]))
    swapped = (
        thresholds[: map_at + 1]
        + thresholds[map_at + 6 : map_at + 11]
        + thresholds[map_at + 1 : map_at + 6]
        + thresholds[map_at + 11 :]
    )
    repeated = (
        thresholds[: map_at + 6] + thresholds[map_at + 1 : map_at + 6] + thresholds[map_at + 11 :]
    )
    data = _unchecked(samples.body(ops.SetData("name", b"", None)))
    name_at = data.index(b"\x04name")
    frozen = _unchecked(samples.body(ops.FreezeAsset(samples.ASSET, True)))
    replay = head + bytes([2]) + good[34:]

    cases: list[tuple[str, str, bytes, str]] = [
        ("TransactionBody", "empty", b"", "not_canonical"),
        ("TransactionBody", "one byte missing", good[:-1], "not_canonical"),
        ("TransactionBody", "one byte too many", good + b"\x00", "not_canonical"),
        ("TransactionBody", "unknown version", b"\x01" + good[1:], "not_canonical"),
        (
            "TransactionBody",
            "version as an over-long number",
            b"\x80\x00" + good[1:],
            "not_canonical",
        ),
        ("TransactionBody", "unknown replay mode", replay, "not_canonical"),
        (
            "TransactionBody",
            "over-long length of a list",
            good[:58] + b"\x80\x00" + rest[1:],
            "not_canonical",
        ),
        (
            "TransactionBody",
            "length beyond 32 bits",
            good[:58] + b"\xff\xff\xff\xff\x7f" + rest[1:],
            "not_canonical",
        ),
        (
            "TransactionBody",
            "length beyond 2^31 - 1",
            good[:58] + b"\xff\xff\xff\xff\x0f" + rest[1:],
            "not_canonical",
        ),
        (
            "TransactionBody",
            "length beyond the input",
            good[:59] + b"\xff\xff\xff\xff\x07" + after_memo,
            "not_canonical",
        ),
        (
            "TransactionBody",
            "unknown operation",
            good[:61] + bytes([24]) + good[62:],
            "not_canonical",
        ),
        ("TransactionBody", "option byte 2", good[:60] + b"\x02" + good[61:], "not_canonical"),
        ("TransactionBody", "bool byte 2", frozen[:-1] + b"\x02", "not_canonical"),
        (
            "TransactionBody",
            "text that is not UTF-8",
            data[: name_at + 1] + b"\xffame" + data[name_at + 5 :],
            "not_canonical",
        ),
        (
            "TransactionBody",
            "text with a surrogate",
            data[:name_at] + b"\x03\xed\xa0\x80" + data[name_at + 5 :],
            "not_canonical",
        ),
        (
            "TransactionBody",
            "text with an over-long character",
            data[:name_at] + b"\x02\xc0\xaf" + data[name_at + 5 :],
            "not_canonical",
        ),
        ("TransactionBody", "map not sorted", swapped, "not_canonical"),
        ("TransactionBody", "map with a key twice", repeated, "not_canonical"),
        ("TransactionBody", "beyond the largest transaction", bytes(1_048_577), "too_large"),
        (
            "TransactionBody",
            "memo too long",
            _unchecked(samples.body(samples.TRANSFER, memo=bytes(257))),
            "too_large",
        ),
        (
            "TransactionBody",
            "101 operations",
            _unchecked(samples.body(*[samples.TRANSFER] * 101)),
            "too_large",
        ),
        (
            "TransactionBody",
            "17 preconditions",
            _unchecked(
                samples.body(samples.TRANSFER, preconditions=samples.PRECONDITIONS[:1] * 17)
            ),
            "too_large",
        ),
        ("TransactionBody", "no operations", _unchecked(samples.body()), "malformed"),
        (
            "SignedTransaction",
            "no signatures",
            _unchecked(tx.SignedTransaction(good, ())),
            "malformed",
        ),
        (
            "SignedTransaction",
            "signatures not sorted",
            _unchecked(tx.SignedTransaction(good, samples.SIGNED.signatures[::-1])),
            "malformed",
        ),
        (
            "SignedTransaction",
            "a key twice",
            _unchecked(tx.SignedTransaction(good, samples.SIGNED.signatures[:1] * 2)),
            "malformed",
        ),
        (
            "SignedTransaction",
            "33 signatures",
            _unchecked(tx.SignedTransaction(good, samples.SIGNED.signatures[:1] * 33)),
            "too_large",
        ),
        (
            "SignedTransaction",
            "unknown algorithm",
            signed.replace(samples.KEYS[3].tagged, b"\x04" + samples.KEYS[3].raw),
            "not_canonical",
        ),
        (
            "Receipt",
            "option byte 2",
            bytes(1 + 32 + 4 + 4 + 2) + b"\x02" + bytes(33),
            "not_canonical",
        ),
        ("Event", "unknown event", bytes([24]) + bytes(64), "not_canonical"),
        (
            "Event",
            "over-long number of the variant",
            b"\x81\x00" + samples.ALICE.raw,
            "not_canonical",
        ),
        (
            "Event",
            "beyond its limit",
            b"\x03" + samples.ALICE.raw + uleb(1_000) + b"a" * 1_000 + bytes(8),
            "too_large",
        ),
        ("AccountHeader", "unknown variant", b"\x02" + bytes(8), "not_canonical"),
    ]
    operations: list[tuple[str, ops.OperationBody, str]] = [
        ("transfer of nothing", ops.Transfer(samples.ASSET, samples.BOB, 0), "malformed"),
        ("transfer of 10^38", ops.Transfer(samples.ASSET, samples.BOB, 10**38), "malformed"),
        ("transfer to oneself", ops.Transfer(samples.ASSET, samples.ALICE, 1), "malformed"),
        ("reserve for oneself", ops.Reserve(samples.ASSET, samples.ALICE, 1, TIME), "malformed"),
        ("data name empty", ops.SetData("", b"", None), "malformed"),
        ("data name with a line end", ops.SetData("a\n", b"", None), "malformed"),
        (
            "data name with a control character of Latin-1",
            ops.SetData("a\x85", b"", None),
            "malformed",
        ),
        ("data name of 65 bytes", ops.SetData("a" * 65, b"", None), "too_large"),
        (
            "data name of 22 characters and 66 bytes",
            ops.SetData("名" * 22, b"", None),
            "too_large",
        ),
        ("data value of 4097 bytes", ops.SetData("a", bytes(4_097), None), "too_large"),
        (
            "claim kind in upper case",
            ops.RevokeClaim(samples.ALICE, samples.BOB, "KYC"),
            "malformed",
        ),
        (
            "asset code with an underline",
            ops.CreateAsset("A_B", "x", ops.AssetKind.FUNGIBLE, 0, None, ops.AssetFeatures()),
            "malformed",
        ),
        (
            "19 decimals",
            ops.CreateAsset("A", "x", ops.AssetKind.FUNGIBLE, 19, None, ops.AssetFeatures()),
            "too_large",
        ),
        (
            "decimals of a unique asset",
            ops.CreateAsset("A", "x", ops.AssetKind.UNIQUE, 1, None, ops.AssetFeatures()),
            "malformed",
        ),
        (
            "cap of 0",
            ops.CreateAsset("A", "x", ops.AssetKind.FUNGIBLE, 0, 0, ops.AssetFeatures()),
            "malformed",
        ),
        ("derived account without signers", ops.CreateAccount(ops.DerivedTarget()), "malformed"),
        (
            "signers without thresholds",
            ops.CreateAccount(ops.DerivedTarget(), samples.SIGNERS),
            "malformed",
        ),
        (
            "thresholds without signers",
            ops.CreateAccount(ops.KeyTarget(samples.KEYS[0]), (), ops.Thresholds()),
            "malformed",
        ),
        (
            "signers not sorted",
            ops.SetSigners(samples.SIGNERS[::-1], ops.Thresholds()),
            "malformed",
        ),
        (
            "signer of weight 0",
            ops.SetSigners((ops.AccountSigner(samples.KEYS[0], 0),), ops.Thresholds()),
            "malformed",
        ),
        ("threshold 0", ops.SetSigners(samples.SIGNERS, ops.Thresholds(0)), "malformed"),
        (
            "threshold of operation 31",
            ops.SetSigners(samples.SIGNERS, ops.Thresholds(1, {31: 1})),
            "malformed",
        ),
        (
            "writers not sorted",
            ops.CreateNamespace("a", ops.Listed(samples.WRITERS.accounts[::-1]), False),
            "malformed",
        ),
        (
            "65 writers",
            ops.CreateNamespace("a", ops.Listed((samples.BOB,) * 65), False),
            "too_large",
        ),
        (
            "record content of 16385 bytes",
            ops.PutRecord(samples.NAMESPACE, "a", samples.SHA, ops.PlainContent(bytes(16_385))),
            "too_large",
        ),
        (
            "ciphertext of 27 bytes",
            ops.PutRecord(
                samples.NAMESPACE,
                "a",
                samples.SHA,
                ops.CipherContent(ops.CipherSuite.SM4_GCM, bytes(27)),
            ),
            "malformed",
        ),
        (
            "parents not sorted",
            ops.PutRecord(
                samples.NAMESPACE, "a", samples.SHA, ops.NoContent(), samples.PARENTS[::-1]
            ),
            "malformed",
        ),
        (
            "parent of version 0",
            ops.PutRecord(
                samples.NAMESPACE,
                "a",
                samples.SHA,
                ops.NoContent(),
                (ops.RecordReference(samples.NAMESPACE, "a", 0),),
            ),
            "malformed",
        ),
        *governance_samples.INVALID,
    ]
    cases += [
        ("TransactionBody", name, _unchecked(samples.body(operation)), code)
        for name, operation, code in operations
    ]
    return [
        {"type": kind, "name": name, "bytes": bytes_.hex(), "code": code}
        if len(bytes_) < 100_000
        else {"type": kind, "name": name, "zero_bytes": len(bytes_), "code": code}
        for kind, name, bytes_, code in cases
    ]


def _invalid_json() -> list[Json]:
    text = json.dumps(samples.body(samples.TRANSFER).to_json(PREFIX))
    cases = {
        "not JSON": text[:-1],
        "trailing text": text + " x",
        "unknown member": text.replace('"memo"', '"colour": 1, "memo"'),
        "repeated member": text.replace('"memo": ""', '"memo": "", "memo": ""'),
        "missing member": text.replace('"memo": "", ', ""),
        "unknown variant": text.replace('"transfer"', '"teleport"'),
        "two variants": text.replace('"transfer": {', '"close_account": null, "transfer": {'),
        "number instead of a decimal string": text.replace('"100"', "100"),
        "leading zero": text.replace('"100"', '"0100"'),
        "sign": text.replace('"100"', '"+100"'),
        "minus": text.replace('"100"', '"-100"'),
        "fraction": text.replace('"100"', '"100.0"'),
        "exponent": text.replace('"100"', '"1e2"'),
        "space in a number": text.replace('"100"', '" 100"'),
        "empty number": text.replace('"100"', '""'),
        "other digits": text.replace('"100"', '"１００"'),
        "2^128": text.replace('"100"', f'"{2**128}"'),
        "2^64": text.replace(f'"{TIME}"', f'"{2**64}"'),
        "upper-case hex": text.replace(samples.ASSET.hex(), samples.ASSET.hex().upper()),
        "31 bytes": text.replace(samples.ASSET.hex(), samples.ASSET.hex()[2:]),
        "odd hex": text.replace('"memo": ""', '"memo": "a"'),
        "0x in front": text.replace('"memo": ""', '"memo": "0x00"'),
        "address of another network": text.replace(
            samples.BOB.text(PREFIX), samples.BOB.text("bubi")
        ),
        "list instead of an object": "[" + text + "]",
        "null": "null",
        "unknown version": text.replace('"v1"', '"v2"', 1),
    }
    return [
        {"type": "TransactionBody", "name": name, "text": value, "code": "malformed_json"}
        for name, value in cases.items()
    ]


def transaction_vectors() -> dict[str, Json]:
    """Signing bytes, hashes and signatures."""
    cases: list[Json] = []
    for suite in HashSuite:
        network = Network(samples.CHAIN, PREFIX, suite)
        groups = [[algorithm] for algorithm in Algorithm] + [list(Algorithm)]
        for group in groups:
            keys = [samples.secret(algorithm) for algorithm in group]
            made = tx.Transaction(network, samples.body(samples.TRANSFER, memo=b"vector"))
            envelope = made.with_signatures(
                tx.SignatureEntry(key.public_key, key.sign(made.signing_bytes)) for key in keys
            )
            cases.append(
                {
                    "suite": suite.value,
                    "chain_id": samples.CHAIN.hex(),
                    "prefix": PREFIX,
                    "body_json": made.to_json(),
                    "body": made.body_bytes.hex(),
                    "signing_bytes": made.signing_bytes.hex(),
                    "hash": made.hash.hex(),
                    "secrets": [
                        {"algorithm": key.algorithm.value, "secret": key.secret_bytes.hex()}
                        for key in keys
                    ],
                    "signed_json": envelope.to_json(),
                    "signed": envelope.encoded.hex(),
                }
            )
    return {"schema": 1, "transactions": cases, "invalid_signatures": _invalid_signatures()}


def _invalid_signatures() -> list[Json]:
    message = b"a message"
    listed: list[Json] = []

    def add(key: SecretKey, name: str, signature: bytes, text: bytes = message) -> None:
        public = key.public_key
        listed.append(
            {
                "algorithm": key.algorithm.value,
                "name": name,
                "public_key": public.raw.hex(),
                "message": text.hex(),
                "signature": signature.hex(),
            }
        )

    for algorithm in Algorithm:
        key = samples.secret(algorithm)
        good = key.sign(message)
        add(key, "another message", good, b"another message")
        add(key, "one bit flipped", good[:-1] + bytes([good[-1] ^ 1]))
        add(key, "all zero", bytes(64))
        add(key, "all ones", b"\xff" * 64)
        add(key, "halves exchanged", good[32:] + good[:32])
        if algorithm is Algorithm.ED25519:
            high = int.from_bytes(good[32:], "little") + _ED25519_ORDER
            add(key, "S plus the order", good[:32] + high.to_bytes(32, "little"))
        elif algorithm is not Algorithm.SM2:
            high = _ORDERS[algorithm] - int.from_bytes(good[32:], "big")
            add(key, "high S", good[:32] + high.to_bytes(32, "big"))
    return listed


def merkle_vectors() -> dict[str, Json]:
    """Lists of RFC 9162 with every path."""
    trees: list[Json] = []
    for suite in HashSuite:
        for tag in (LeafTag.TRANSACTION, LeafTag.RECEIPT):
            for size in (0, 1, 2, 3, 4, 5, 7, 8, 9, 13):
                data = [filled(f"leaf {at}", at % 5) for at in range(size)]
                leaves = [merkle.leaf_hash(suite, tag, one) for one in data]
                trees.append(
                    {
                        "suite": suite.value,
                        "tag": int(tag),
                        "data": [one.hex() for one in data],
                        "leaves": [one.hex() for one in leaves],
                        "root": merkle.root(suite, leaves).hex(),
                        "paths": [
                            [one.hex() for one in merkle.path(suite, leaves, at)]
                            for at in range(size)
                        ],
                    }
                )
    return {"schema": 1, "trees": trees}


def proof_vectors() -> dict[str, Json]:
    """Receipt proofs with their trust files."""
    cases: list[Json] = []
    worlds = [World(suite) for suite in HashSuite]
    worlds += [World(HashSuite.STANDARD, algorithm) for algorithm in list(Algorithm)[1:]]
    comet_world = CometWorld(HashSuite.STANDARD)
    for world in [*worlds, comet_world, CometWorld(HashSuite.NATIONAL)]:
        good = world.receipt_proof()
        cases.append(
            {
                "name": f"{world.suite.value}, {world.engine}, votes of {world.algorithm.value}",
                "trust": world.trust.to_json(),
                "proof": good.encode().hex(),
                "valid": True,
                "height": str(good.finality.proposal.height),
                "transaction": good.receipt.transaction.hex(),
                "document": b"a document".hex(),
            }
        )
    for world, hostile in ((worlds[0], _hostile), (comet_world, _hostile_light)):
        cases += [
            {
                "name": f"{world.engine}: {name}",
                "trust": world.trust.to_json(),
                "proof": proof.encode().hex(),
                "valid": False,
            }
            for name, proof in hostile(world).items()
        ]
    return {"schema": 1, "receipts": cases}


def content_vectors() -> dict[str, Json]:
    """Encrypted contents of records, with fixed nonces."""
    cases: list[Json] = []
    network = Network(samples.CHAIN, samples.PREFIX)
    for suite, length in KEY_LENGTHS.items():
        for key, plain in (
            ("file", b""),
            ("a/b 文件", "内容 content".encode()),
            ("k", bytes(200)),
        ):
            secret = filled(f"content key {key}")[:length]
            nonce = filled(f"nonce {key}")[:NONCE_LENGTH]
            associated = content.associated_data(network, samples.NAMESPACE, key)
            sealed = nonce + seal(suite, secret, nonce, associated, plain)
            cases.append(
                {
                    "suite": suite.value,
                    "chain_id": network.chain_id.hex(),
                    "namespace": samples.NAMESPACE.hex(),
                    "key": key,
                    "content_key": secret.hex(),
                    "associated": associated.hex(),
                    "plain": plain.hex(),
                    "content": sealed.hex(),
                }
            )
    return {"schema": 1, "contents": cases}


def _hostile(world: World) -> dict[str, ReceiptProof]:
    good = world.receipt_proof()
    final, receipt, path = good.finality, good.receipt, good.path
    assert isinstance(final, FinalityProof)
    votes = final.certificate.votes
    signature = votes[0].signature
    high = int.from_bytes(signature[32:], "little") + _ED25519_ORDER
    twin = replace(votes[0], signature=signature[:32] + high.to_bytes(32, "little"))

    def with_final(**changes: Any) -> ReceiptProof:
        return replace(good, finality=replace(final, **changes))

    def with_votes(*changed: CertificateVote) -> ReceiptProof:
        return with_final(certificate=replace(final.certificate, votes=changed))

    stranger = World(HashSuite.STANDARD, Algorithm.P256)
    strange = stranger.receipt_proof().finality
    assert isinstance(strange, FinalityProof)
    return {
        "votes below the quorum": world.receipt_proof(voters=(0, 1)),
        "vote of another member": with_votes(*votes[:2], replace(votes[2], validator=2)),
        "vote from outside the set": with_votes(*votes[:2], replace(votes[2], validator=4)),
        "vote with S plus the order": with_votes(twin, *votes[1:]),
        "index moved": replace(good, path=replace(path, index=3)),
        "size changed": replace(good, path=replace(path, size=3)),
        "path cut": replace(good, path=replace(path, siblings=path.siblings[:-1])),
        "another code": replace(good, receipt=replace(receipt, code=1)),
        "no events": replace(good, events=()),
        "another transaction": replace(good, body=samples.body(samples.TRANSFER).encode()),
        "another state root": with_final(outcome=replace(final.outcome, state_root=bytes(32))),
        "hand-over missing": with_final(handovers=final.handovers[1:]),
        "hand-overs exchanged": with_final(handovers=final.handovers[::-1]),
        "set that no block names": with_final(
            handovers=(
                replace(final.handovers[0], next=stranger.set_of(1)),
                *strange.handovers[1:],
            )
        ),
        "validators of another network": stranger.receipt_proof(),
    }


def _hostile_light(world: World) -> dict[str, ReceiptProof]:
    """Every link between a light block and a receipt, broken once."""
    good = world.receipt_proof()
    final = good.finality
    assert isinstance(final, CometFinalityProof)
    light = final.light
    votes = light.commit.votes

    def with_final(**changes: Any) -> ReceiptProof:
        return replace(good, finality=replace(final, **changes))

    def with_header(**changes: Any) -> ReceiptProof:
        return with_final(light=replace(light, header=replace(light.header, **changes)))

    def with_commit(**changes: Any) -> ReceiptProof:
        return with_final(light=replace(light, commit=replace(light.commit, **changes)))

    native = World(world.suite).receipt_proof()
    late = replace(votes[0], time=replace(votes[0].time, seconds=votes[0].time.seconds + 1))
    return {
        "votes below the quorum": world.receipt_proof(voters=(0, 1)),
        "vote of another member": with_commit(votes=(*votes[:2], replace(votes[2], validator=2))),
        "vote from outside the set": with_commit(
            votes=(*votes[:2], replace(votes[2], validator=4))
        ),
        "time of a vote": with_commit(votes=(late, *votes[1:])),
        "another round": with_commit(round=1),
        "another set of parts": with_commit(parts=2),
        "another height": with_header(height=light.header.height + 1),
        "another application hash": with_header(app=bytes(32)),
        "another chain": with_header(chain="bubi-" + "00" * 20),
        "another validators hash": with_header(validators=bytes(32)),
        "another header with old votes": with_header(last_results=bytes(32)),
        "another state root": with_final(outcome=replace(final.outcome, state_root=bytes(32))),
        "hand-over missing": with_final(handovers=final.handovers[1:]),
        "light block of the hand-over": with_final(light=final.handovers[1].light),
        "certificate of a native engine": replace(good, finality=native.finality),
    }


FILES = {
    "address.json": address_vectors,
    "codec.json": codec_vectors,
    "transaction.json": transaction_vectors,
    "merkle.json": merkle_vectors,
    "proof.json": proof_vectors,
    "content.json": content_vectors,
}


def main(arguments: list[str]) -> int:
    """Writes or compares; exit status 1 if a file differs."""
    differing = []
    for name, make in FILES.items():
        text = json.dumps(make(), indent=1, ensure_ascii=False) + "\n"
        path = FOLDER / name
        if arguments == ["--check"]:
            if not path.exists() or path.read_text(encoding="utf-8") != text:
                differing.append(name)
        else:
            FOLDER.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
    if differing:
        sys.stderr.write(f"differ from what the code makes: {', '.join(differing)}\n")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
