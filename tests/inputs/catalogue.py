"""The catalogue of bad inputs: name → input → the code that spec/api.md or spec/ledger.md promises.

Each row is one test. `SUBMISSIONS` and `BYTES` are refused at the door, `REJECTIONS` end in a
block, `REQUESTS` and `BODIES` are plain HTTP, `COMMANDS` name exit status and code, `CONFIGS` the
message. The input is a function of the `World` (a real node with accounts, assets and records).
"""

import copy
import json
import time
from collections.abc import Callable
from typing import Any

from bubi import core
from bubi.node.init import key_json

from . import governance
from .world import (
    DAY,
    ORGANISATION_QUOTA,
    QUOTA,
    World,
    account,
    capture,
    issue,
    new_account,
    new_asset,
    now,
    record,
    reserve,
    set_data,
    signer,
    signers,
    transfer,
)

Make = Callable[[World], Any]
ED25519_ORDER = 2**252 + 27742317777372353535851937790883648493
SECP256K1_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
SM2_ORDER = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFF7203DF6B21C6052B53BBF40939D54123
IDENTITY = "01" + "00" * 31
NOBODY = "bubidev1" + "q" * 58


# --- how inputs are made -------------------------------------------------------------------------


def body(**fields: Any) -> Make:
    """A transaction that is signed as it stands; only its body is wrong."""
    return lambda world: world.signed(set_data(), **fields)


def edited(edit: Callable[[dict[str, Any]], Any], by: str = "owner") -> Make:
    """A good transaction of the account, changed after it was signed."""

    def make(world: World) -> Any:
        signed = copy.deepcopy(world.signed(set_data(), by=by))
        edit(signed["v1"])
        return signed

    return make


def field(name: str, value: Any) -> Make:
    return edited(lambda one: one["body"]["v1"].update({name: value}))


def operation(value: Any) -> Make:
    """One operation in place of the good one; it is never signed, for it must not be read."""
    return edited(lambda one: one["body"]["v1"]["operations"][0].update(body=value))


def amount(value: Any) -> Make:
    return operation({"transfer": {"asset": "ab" * 32, "to": NOBODY, "amount": value}})


def amount_to_bob(value: str) -> Make:
    def make(world: World) -> Any:
        return edited(
            lambda one: one["body"]["v1"]["operations"][0].update(
                body=transfer("ab" * 32, world.address("bob"), value)
            )
        )(world)

    return make


def signature(edit: Callable[[bytes], bytes], by: str = "owner") -> Make:
    def change(one: dict[str, Any]) -> None:
        entry = one["signatures"][0]
        entry["signature"] = edit(bytes.fromhex(entry["signature"])).hex()

    return edited(change, by)


def plus_order(raw: bytes) -> bytes:
    return raw[:32] + (int.from_bytes(raw[32:], "little") + ED25519_ORDER).to_bytes(32, "little")


def other_s(order: int) -> Callable[[bytes], bytes]:
    def change(raw: bytes) -> bytes:
        return raw[:32] + (order - int.from_bytes(raw[32:], "big")).to_bytes(32, "big")

    return change


def signed_by(*makers: Callable[[], Any], by: str = "owner") -> Make:
    """Signed by other keys than the account's."""
    return lambda world: world.node.sign(world.body(set_data(), by=by), *[one() for one in makers])


def for_another_chain(world: World) -> Any:
    encoded = core.body_from_json("bubidev", json.dumps(world.body(set_data())).encode())
    key = world.who("owner").key
    entry = {
        "key": key_json(key.public_key),
        "signature": key.sign(core.signing_bytes(bytes(32), encoded)).hex(),
    }
    return {"v1": {"body": world.body(set_data()), "signatures": [entry]}}


def unsorted(world: World) -> Any:
    signed = world.node.sign(world.body(set_data()), world.who("alice"), world.who("bob"))
    signed["v1"]["signatures"].reverse()
    return signed


def key_of_another_algorithm(world: World) -> Any:
    signed = copy.deepcopy(world.signed(set_data(), by="kay"))
    entry = signed["v1"]["signatures"][0]
    entry["key"] = {"sm2": entry["key"]["secp256k1"]}
    return signed


def used_id(world: World) -> Any:
    replay = {"id": "ab" * 16}
    world.done(set_data(), replay=replay)
    return world.submit(world.signed(set_data(), replay=replay, memo="01")).json()


def sequence(lane: int, number: int, **other: Any) -> dict[str, Any]:
    return {"replay": {"sequence": {"lane": lane, "number": str(number)}}, **other}


def used_sequence(world: World) -> Any:
    world.done(set_data(), **sequence(5, 0))
    return world.signed(set_data(), memo="01", **sequence(5, 0))


# --- refused at the door -------------------------------------------------------------------------

SUBMISSIONS: list[tuple[str, Make, str]] = [
    ("signed for another chain", for_another_chain, "signature_invalid"),
    ("expired in 1970", body(valid_until="1"), "expired"),
    ("expired at 0", body(valid_until="0"), "expired"),
    ("expired a second ago", body(valid_until=str(now() - 1_000)), "expired"),
    ("lifetime of an hour", body(valid_until=str(now() + 3_700_000)), "lifetime_too_long"),
    ("lifetime to 2^64 - 1", body(valid_until=str(2**64 - 1)), "lifetime_too_long"),
    ("sequence of two years", body(**sequence(1, 0, valid_until=str(now() + 730 * DAY))), "lifetime_too_long"),
    ("sequence with a gap", body(**sequence(1, 2)), "sequence_mismatch"),
    ("sequence used", used_sequence, "sequence_mismatch"),
    ("sequence without successor", body(**sequence(1, 2**64 - 1)), "sequence_mismatch"),
    ("signature: one bit flipped", signature(lambda raw: bytes([raw[0] ^ 1]) + raw[1:]), "signature_invalid"),
    ("signature: Ed25519 S plus order", signature(plus_order), "signature_invalid"),
    ("signature: zero", signature(lambda raw: bytes(64)), "signature_invalid"),
    ("signature: all ones", signature(lambda raw: b"\xff" * 64), "signature_invalid"),
    ("signature: halves exchanged", signature(lambda raw: raw[32:] + raw[:32]), "signature_invalid"),
    ("signature: secp256k1 high S", signature(other_s(SECP256K1_ORDER), "kay"), "signature_invalid"),
    ("signature: secp256k1 zero", signature(lambda raw: bytes(64), "kay"), "signature_invalid"),
    ("signature: secp256k1 r of the order", signature(lambda raw: SECP256K1_ORDER.to_bytes(32, "big") + raw[32:], "kay"), "signature_invalid"),
    ("signature: SM2 other S", signature(other_s(SM2_ORDER), "mei"), "signature_invalid"),
    ("signature: SM2 zero", signature(lambda raw: bytes(64), "mei"), "signature_invalid"),
    ("signature: of another algorithm", key_of_another_algorithm, "threshold_not_met"),
    ("signature: body changed after signing", field("memo", "01"), "signature_invalid"),
    ("signature: 63 bytes", signature(lambda raw: raw[:63]), "malformed_json"),
    ("signature: 65 bytes", signature(lambda raw: raw + b"\0"), "malformed_json"),
    ("signatures: none", edited(lambda one: one.update(signatures=[])), "malformed"),
    ("signatures: the same signer twice", edited(lambda one: one["signatures"].append(one["signatures"][0])), "malformed"),
    ("signatures: not sorted", unsorted, "malformed"),
    ("signatures: 33", signed_by(*[account] * 33), "too_large"),
    ("signer unknown to the account", signed_by(account), "threshold_not_met"),
    ("threshold of 2 met by half", lambda world: world.signed(set_data(), by="multi"), "threshold_not_met"),
    ("operation of another account", lambda world: world.node.sign({"v1": {**world.body(set_data())["v1"], "operations": [{"source": world.address("alice"), "body": set_data()}]}}, world.who("owner")), "threshold_not_met"),
    ("source unknown", lambda world: world.node.sign(world.node.body([set_data()], source=(one := account())), one), "source_missing"),
    ("source closed", lambda world: world.signed(set_data(), by="closed"), "source_missing"),
    ("source: one symbol changed", field("source", NOBODY), "malformed_json"),
    ("source: upper case", edited(lambda one: one["body"]["v1"].update(source=one["body"]["v1"]["source"].upper())), "malformed_json"),
    ("source: mixed case", edited(lambda one: one["body"]["v1"].update(source=one["body"]["v1"]["source"][:-1] + one["body"]["v1"]["source"][-1].upper() + "A")), "malformed_json"),
    ("source: prefix of the main network", edited(lambda one: one["body"]["v1"].update(source="bubi1" + one["body"]["v1"]["source"][8:])), "malformed_json"),
    ("source: one symbol short", edited(lambda one: one["body"]["v1"].update(source=one["body"]["v1"]["source"][:-1])), "malformed_json"),
    ("source: line end behind", edited(lambda one: one["body"]["v1"].update(source=one["body"]["v1"]["source"] + "\n")), "malformed_json"),
    ("source: null", field("source", None), "malformed_json"),
    ("source: empty", field("source", ""), "malformed_json"),
    ("amount: 0", amount_to_bob("0"), "malformed"),
    ("amount: 10^38", amount_to_bob(str(10**38)), "malformed"),
    ("amount: 2^128 - 1", amount_to_bob(str(2**128 - 1)), "malformed"),
    ("amount: 2^128", amount_to_bob(str(2**128)), "malformed_json"),
    ("amount: negative", amount_to_bob("-1"), "malformed_json"),
    ("amount: plus sign", amount_to_bob("+1"), "malformed_json"),
    ("amount: leading zero", amount_to_bob("01"), "malformed_json"),
    ("amount: exponent", amount_to_bob("1e3"), "malformed_json"),
    ("amount: fraction", amount_to_bob("1.0"), "malformed_json"),
    ("amount: hex", amount_to_bob("0x1"), "malformed_json"),
    ("amount: space", amount_to_bob(" 1"), "malformed_json"),
    ("amount: thousands", amount_to_bob("1,000"), "malformed_json"),
    ("amount: full-width digit", amount_to_bob("１"), "malformed_json"),
    ("amount: empty", amount_to_bob(""), "malformed_json"),
    ("amount: NaN as text", amount_to_bob("NaN"), "malformed_json"),
    ("amount: number", amount(1), "malformed_json"),
    ("amount: float", amount(1.5), "malformed_json"),
    ("amount: true", amount(True), "malformed_json"),
    ("amount: null", amount(None), "malformed_json"),
    ("amount: list", amount(["1"]), "malformed_json"),
    ("valid_until: 2^64", field("valid_until", str(2**64)), "malformed_json"),
    ("valid_until: number", field("valid_until", 1), "malformed_json"),
    ("lane: 2^32", field("replay", {"sequence": {"lane": 2**32, "number": "0"}}), "malformed_json"),
    ("lane: negative", field("replay", {"sequence": {"lane": -1, "number": "0"}}), "malformed_json"),
    ("sequence: 2^64", field("replay", {"sequence": {"lane": 0, "number": str(2**64)}}), "malformed_json"),
    ("id: 15 bytes", field("replay", {"id": "00" * 15}), "malformed_json"),
    ("id: 17 bytes", field("replay", {"id": "00" * 17}), "malformed_json"),
    ("id: upper case", field("replay", {"id": "AB" * 16}), "malformed_json"),
    ("replay: both modes", field("replay", {"id": "00" * 16, "sequence": {"lane": 0, "number": "0"}}), "malformed_json"),
    ("replay: a list", field("replay", ["id", "00" * 16]), "malformed_json"),
    ("memo: odd hex", field("memo", "abc"), "malformed_json"),
    ("memo: 257 bytes", field("memo", "00" * 257), "too_large"),
    ("memo: text", field("memo", "hello"), "malformed_json"),
    ("operations: none", field("operations", []), "malformed"),
    ("operations: 101", edited(lambda one: one["body"]["v1"].update(operations=one["body"]["v1"]["operations"] * 101)), "too_large"),
    ("operations: null", field("operations", None), "malformed_json"),
    ("operation: unknown", operation({"steal": {}}), "malformed_json"),
    ("operation: number", operation(8), "malformed_json"),
    ("operation: two at once", operation({**set_data(), **new_asset("A")}), "malformed_json"),
    ("operation: list instead of an object", operation({"set_data": ["x", "00", None]}), "malformed_json"),
    ("operation: plain name as an object", operation({"close_account": None}), "malformed_json"),
    ("preconditions: 17", field("preconditions", [{"height": {"from": "0", "to": "9"}}] * 17), "too_large"),
    ("precondition: ends before it begins", field("preconditions", [{"height": {"from": "9", "to": "1"}}]), "malformed"),
    ("precondition: unknown", field("preconditions", [{"weather": "good"}]), "malformed_json"),
    ("member unknown: body", field("extra", 1), "malformed_json"),
    ("member unknown: envelope", edited(lambda one: one.update(extra=1)), "malformed_json"),
    ("member unknown: operation", edited(lambda one: one["body"]["v1"]["operations"][0].update(extra=1)), "malformed_json"),
    ("member missing: source", edited(lambda one: one["body"]["v1"].pop("source")), "malformed_json"),
    ("member missing: signatures", edited(lambda one: one.pop("signatures")), "malformed_json"),
    ("version 2", edited(lambda one: one["body"].update(v2=one["body"].pop("v1"))), "malformed_json"),
    ("key: unknown algorithm", edited(lambda one: one["signatures"][0].update(key={"rsa": "00"})), "malformed_json"),
    ("key: 31 bytes", edited(lambda one: one["signatures"][0].update(key={"ed25519": "00" * 31})), "malformed_json"),
    ("key: identity point", edited(lambda one: one["signatures"][0].update(key={"ed25519": IDENTITY})), "threshold_not_met"),
    ("data name: empty", operation(set_data("")), "malformed"),
    ("data name: NUL", operation(set_data("a\0b")), "malformed"),
    ("data name: CR LF", operation(set_data("a\r\nb")), "malformed"),
    ("data name: escape", operation(set_data("a\x1b[31mb")), "malformed"),
    ("data name: 65 bytes", operation(set_data("x" * 65)), "too_large"),
    ("data name: 22 characters of 66 bytes", operation(set_data("数" * 22)), "too_large"),
    ("data name: lone surrogate", operation(set_data("\ud800")), "malformed_json"),
    ("data value: 4097 bytes", operation(set_data("x", "00" * 4_097)), "too_large"),
    ("claim kind: upper case", operation({"set_claim": {"subject": NOBODY, "kind": "KYC", "digest": "00" * 32, "expires": None}}), "malformed_json"),
    ("asset: decimals 19", operation(new_asset("A", decimals=19)), "too_large"),
    ("asset: decimals 256", operation(new_asset("A", decimals=256)), "malformed_json"),
    ("asset: decimals -1", operation(new_asset("A", decimals=-1)), "malformed_json"),
    ("asset: decimals of a unique asset", operation(new_asset("A", "unique", decimals=2)), "malformed"),
    ("asset: cap 0", operation(new_asset("A", cap="0")), "malformed"),
    ("asset: cap 10^38", operation(new_asset("A", cap=str(10**38))), "malformed"),
    ("asset: code with an underline", operation(new_asset("A_B")), "malformed"),
    ("asset: code empty", operation(new_asset("")), "malformed"),
    ("asset: code of 33 bytes", operation(new_asset("A" * 33)), "too_large"),
    ("asset: name of 129 bytes", operation(new_asset("A", name="x" * 129)), "too_large"),
    ("asset: kind unknown", operation(new_asset("A", "gold")), "malformed_json"),
    ("asset id: 31 bytes", operation(transfer("ab" * 31, NOBODY)), "malformed_json"),
    ("signers: weight 0", lambda world: world.signed_unread(signers(signer(world.who("owner"), 0))), "malformed"),
    ("signers: weight 2^32", operation(signers(signer(account(), 2**32))), "malformed_json"),
    ("signers: threshold 0", operation(signers(signer(account()), default=0)), "malformed"),
    ("signers: 33", operation(signers(*[signer(account()) for _ in range(33)])), "too_large"),
    ("thresholds: of operation 99", operation({"set_signers": {"signers": [], "thresholds": {"default": 1, "operations": {"99": 1}}}}), "malformed"),
    ("thresholds: the same operation twice", operation({"set_signers": {"signers": [], "thresholds": {"default": 1, "operations": {"3": 1, "03": 1}}}}), "malformed_json"),
    ("record: content of 16385 bytes", operation(record("ab" * 32, "k", content={"plain": "00" * 16_385})), "too_large"),
    ("record: ciphertext of 27 bytes", operation(record("ab" * 32, "k", content={"cipher": {"suite": "aes256_gcm", "bytes": "00" * 27}})), "malformed"),
    ("record: key empty", operation(record("ab" * 32, "")), "malformed"),
    ("record: key of 97 bytes", operation(record("ab" * 32, "k" * 97)), "too_large"),
    ("record: key with NUL", operation(record("ab" * 32, "k\0")), "malformed"),
    ("record: parent of version 0", operation(record("ab" * 32, "k", parents=[{"namespace": "ab" * 32, "key": "k", "version": 0}])), "malformed"),
    ("record: expected version 2^32", operation(record("ab" * 32, "k", version=2**32)), "malformed_json"),
    ("transfer to oneself", lambda world: world.signed_unread(transfer("ab" * 32, world.address("owner"))), "malformed"),
    ("namespace: upper case", operation({"create_namespace": {"name": "A", "writers": "everyone", "shared": True}}), "malformed"),
    ("namespace: slash", operation({"create_namespace": {"name": "a/b", "writers": "everyone", "shared": True}}), "malformed"),
]  # fmt: skip


# --- refused as bytes ----------------------------------------------------------------------------

Edit = Callable[[bytes], bytes]


def at(position: int, value: bytes) -> Edit:
    return lambda data: data[:position] + value + data[position + len(value) :]


def long_memo(data: bytes) -> bytes:
    # The memo is empty; its length byte stands in front of the number of operations.
    return data.replace(b"\x00\x01\x00\x02\x01x", b"\x80\x00\x01\x00\x02\x01x", 1)


BYTES: list[tuple[str, Edit, str]] = [
    ("bytes: empty", lambda data: b"", "not_canonical"),
    ("bytes: junk", lambda data: b"\xff" * 40, "not_canonical"),
    ("bytes: zeros", lambda data: bytes(200), "not_canonical"),
    ("bytes: one missing", lambda data: data[:-1], "not_canonical"),
    ("bytes: one too many", lambda data: data + b"\0", "not_canonical"),
    ("bytes: half", lambda data: data[: len(data) // 2], "not_canonical"),
    ("bytes: twice", lambda data: data * 2, "not_canonical"),
    ("bytes: version 1 in two bytes", lambda data: b"\x80\x00" + data[1:], "not_canonical"),
    ("bytes: unknown version", at(0, b"\1"), "not_canonical"),
    ("bytes: unknown version of the body", at(2, b"\1"), "not_canonical"),
    ("bytes: length of the body over-long", lambda data: data[:1] + bytes([data[1] | 0x80, 0]) + data[2:], "not_canonical"),
    ("bytes: length of the body 2^31", at(1, b"\x80\x80\x80\x80\x08"), "not_canonical"),
    ("bytes: length of the body 2^64", at(1, b"\xff" * 9 + b"\1"), "not_canonical"),
    ("bytes: length of the body one more", lambda data: data[:1] + bytes([data[1] + 1]) + data[2:], "not_canonical"),
    ("bytes: unknown replay mode", at(35, b"\2"), "not_canonical"),
    ("bytes: 255 preconditions of nothing", at(60, b"\xff\1"), "not_canonical"),
    ("bytes: over-long length of the memo", long_memo, "not_canonical"),
    ("bytes: option byte 2", lambda data: data.replace(b"\x01\x00\x02\x01x", b"\x01\x02\x02\x01x", 1), "not_canonical"),
    ("bytes: unknown operation", lambda data: data.replace(b"\x01\x00\x02\x01x", b"\x01\x00\x18\x01x", 1), "not_canonical"),
    ("bytes: name not UTF-8", lambda data: data.replace(b"\x01\x00\x02\x01x", b"\x01\x00\x02\x01\xff", 1), "not_canonical"),
    ("bytes: name empty", lambda data: data.replace(b"\x01\x00\x02\x01x", b"\x01\x00\x02\x00x", 1), "not_canonical"),
    ("bytes: name a control character", lambda data: data.replace(b"\x01\x00\x02\x01x", b"\x01\x00\x02\x01\x07", 1), "malformed"),
    ("bytes: unknown algorithm", lambda data: data[:-97] + b"\4" + data[-96:], "not_canonical"),
    ("bytes: no signatures", lambda data: data[:-98] + b"\0", "malformed"),
    ("bytes: the signature twice", lambda data: data[:-98] + b"\2" + data[-97:] * 2, "malformed"),
    ("bytes: signature zero", lambda data: data[:-64] + bytes(64), "signature_invalid"),
    ("bytes: valid_until one more", lambda data: data[:54] + bytes([data[54] ^ 1]) + data[55:], "signature_invalid"),
    ("bytes: JSON", lambda data: b'{"v1": {}}', "not_canonical"),
    ("bytes: hex", lambda data: data.hex().encode(), "not_canonical"),
    ("bytes: 1 MiB and one", lambda data: bytes(1_048_577), "too_large"),
]  # fmt: skip


# --- rejected in a block: every code of spec/ledger.md -------------------------------------------

Attempt = Callable[[World], dict[str, Any]]


def by(name: str, *make: Callable[[World], Any], **fields: Any) -> Attempt:
    """Operations of an account, submitted and decided."""
    return lambda world: world.submit(
        world.signed(*(one(world) for one in make), by=name, **fields)
    ).json()


def asset_of(code: str, then: Callable[..., Any], *names: str, **other: Any) -> Make:
    """An operation on an asset; `names` are accounts whose addresses follow, or literals after =."""
    return lambda world: then(
        world.asset(code),
        *(one[1:] if one.startswith("=") else world.address(one) for one in names),
        **other,
    )


def clawback(asset: str, holder: str) -> Any:
    return {"clawback": {"asset": asset, "from": holder, "to": None, "amount": "1"}}


def item(asset: str, to: str, name: str = "one") -> Any:
    return {"transfer_item": {"asset": asset, "item": name, "to": to}}


def too_many_lots(world: World) -> dict[str, Any]:
    asset, to, start = world.asset("DATED"), world.address("alice"), now() + DAY
    lots = [issue(asset, to, "1", str(start + number)) for number in range(65)]
    return world.submit(world.signed(*lots)).json()


def expired_hold(world: World) -> dict[str, Any]:
    """Six holds fall due together; a block retires one of them, so that the last is still there."""
    asset, to = world.asset("FREE"), world.address("bob")
    # A machine so slow that they are due before their block gets more time.
    for milliseconds in (1_500, 6_000, 24_000, 96_000):
        ends = now() + milliseconds
        holds = [reserve(asset, to, "1", ends) for _ in range(6)]
        if world.submit(world.signed(*holds, by="alice")).json().get("status") == "final":
            break
    listed = world.client.get(f"/v1/accounts/{world.address('alice')}/holds").json()["items"]
    due = [one["hold"] for one in listed if one["state"]["v1"]["expires"] == str(ends)]
    time.sleep(max(0.0, (ends - now()) / 1000) + 0.05)
    return by("bob", lambda _: capture(world.address("alice"), max(due)))(world)


def same_id_in_one_block(world: World) -> dict[str, Any]:
    replay = {"id": "cd" * 16}
    first, second = (world.signed(set_data(), replay=replay, memo=memo) for memo in ("", "01"))
    codes = world.bulk(first, second)
    return {"status": "rejected", "code": codes[1], "operations": []}


def quota(world: World) -> dict[str, Any]:
    many = [world.signed(*[set_data()] * 100, by="busy") for _ in range(QUOTA // 100 + 1)]
    codes = world.bulk(*many)
    assert set(codes[:-1]) == {"final"}
    return {"status": "rejected", "code": codes[-1], "operations": []}


def organisation_quota(world: World) -> dict[str, Any]:
    """Accounts that belong to the council's organisation, for it opened them."""
    crowd = [account() for _ in range(3)]
    world.done(*[new_account(key_json(one.key.public_key)) for one in crowd], by="council")
    most = ORGANISATION_QUOTA // 100 + 1
    sources = [one for one in crowd for _ in range(QUOTA // 100)][:most]
    many = [
        world.node.sign(world.node.body([set_data()] * 100, source=one), one) for one in sources
    ]
    return {"status": "rejected", "code": world.bulk(*many)[-1], "operations": []}


def unknown_claim(world: World) -> Any:
    names = {"issuer": world.address("owner"), "subject": world.address("alice")}
    return {"revoke_claim": {**names, "kind": "kyc"}}


def old_claim(world: World) -> Any:
    claim = {"subject": world.address("alice"), "kind": "kyc", "digest": "00" * 32, "expires": "1"}
    return {"set_claim": claim}


def signed_with_limit(world: World) -> dict[str, Any]:
    made = world.body(transfer(world.asset("FREE"), world.address("bob"), "6"), by="limited")
    return world.submit(world.node.sign(made, world.second)).json()


def in_namespace(name: str, key: str, **other: Any) -> Make:
    return lambda world: record(world.namespace(name), key, **other)


def orphan(world: World) -> Any:
    parent = {"namespace": world.namespace("documents"), "key": "first", "version": 9}
    return record(world.namespace("documents"), "child", parents=[parent])


def precondition(**one: Any) -> Attempt:
    return by("owner", lambda _: set_data(), preconditions=[one])


P256_KEY = key_json(account(core.Algorithm.P256).key.public_key)

REJECTIONS: list[tuple[str, Attempt, str]] = [
    ("id used by another body", used_id, "id_conflict"),
    ("two bodies under one id in one block", same_id_in_one_block, "id_conflict"),
    ("height passed", precondition(height={"from": "0", "to": "0"}), "precondition_failed"),
    ("height not reached", precondition(height={"from": str(2**64 - 1), "to": str(2**64 - 1)}), "precondition_failed"),
    ("time passed", precondition(time={"from": "0", "to": "1"}), "precondition_failed"),
    ("more operations than the quota", quota, "quota_exceeded"),
    ("more operations than the organisation's quota", organisation_quota, "organisation_quota_exceeded"),
    ("member that did not ask", by("council", lambda world: {"set_member": {"account": world.address("alice"), "member": True}}), "membership_missing"),
    ("transfer to nobody", by("alice", lambda world: transfer(world.asset("FREE"), account().address)), "account_missing"),
    ("account that is there", by("owner", lambda world: new_account(key_json(world.who("alice").key.public_key))), "account_exists"),
    ("account that was closed", by("owner", lambda world: new_account(key_json(world.who("closed").key.public_key))), "account_closed"),
    ("transfer to a closed account", by("alice", asset_of("FREE", transfer, "closed")), "account_closed"),
    ("closing an account that holds", by("alice", lambda _: "close_account"), "account_not_empty"),
    ("nobody could sign any more", by("dave", lambda world: signers(signer(world.who("dave")), default=2)), "lock_out"),
    ("no signers at all", by("dave", lambda _: signers()), "lock_out"),
    ("new key of an algorithm switched off", by("owner", lambda _: new_account(P256_KEY)), "algorithm_disabled"),
    ("new key: identity point", by("owner", lambda _: new_account({"ed25519": IDENTITY})), "key_invalid"),
    ("new key: not on the curve", by("owner", lambda _: new_account({"secp256k1": "02" + "00" * 31 + "05"})), "key_invalid"),
    ("more than the signer may move", signed_with_limit, "signer_limit_exceeded"),
    ("issue by another than the issuer", by("alice", asset_of("FREE", issue, "bob", "=1")), "not_permitted"),
    ("data at another version", by("owner", lambda _: set_data("v", "00", "7")), "data_version_mismatch"),
    ("deleting data that is not there", by("owner", lambda _: set_data("none", None)), "data_missing"),
    ("claim that is not there", by("owner", unknown_claim), "claim_missing"),
    ("claim that expired", by("owner", old_claim), "expiry_invalid"),
    ("asset that is not there", by("alice", asset_of("NOTHING", transfer, "bob")), "asset_missing"),
    ("asset code taken", by("owner", lambda _: new_asset("FREE")), "asset_exists"),
    ("amount of a unique asset", by("alice", asset_of("ITEMS", transfer, "bob")), "asset_kind_mismatch"),
    ("item of a fungible asset", by("alice", asset_of("FREE", item, "bob")), "asset_kind_mismatch"),
    ("issue beyond the cap", by("owner", asset_of("FREE", issue, "alice", "=1000000")), "cap_exceeded"),
    ("issue beyond 10^38 - 1", by("owner", asset_of("HUGE", issue, "alice", "=1")), "cap_exceeded"),
    ("more than the balance", by("alice", asset_of("FREE", transfer, "bob", "=1000000")), "balance_insufficient"),
    ("2^64 of a small balance", by("alice", asset_of("FREE", transfer, "bob", f"={2**64}")), "balance_insufficient"),
    ("10^38 - 1 of a small balance", by("alice", asset_of("FREE", transfer, "bob", f"={10**38 - 1}")), "balance_insufficient"),
    ("from an empty account", by("bob", asset_of("LISTED", transfer, "alice")), "balance_insufficient"),
    ("frozen asset: transfer", by("alice", asset_of("FROZEN", transfer, "bob")), "asset_frozen"),
    ("frozen asset: issue", by("owner", asset_of("FROZEN", issue, "alice", "=1")), "asset_frozen"),
    ("frozen holder sends", by("carol", asset_of("HELD", transfer, "bob")), "holder_frozen"),
    ("frozen holder receives", by("alice", asset_of("HELD", transfer, "carol")), "holder_frozen"),
    ("not on the whitelist", by("alice", asset_of("LISTED", transfer, "dave")), "not_whitelisted"),
    ("freeze without the feature", by("owner", lambda world: {"freeze_asset": {"asset": world.asset("FREE"), "frozen": True}}), "feature_missing"),
    ("claw-back without the feature", by("owner", asset_of("FREE", clawback, "alice")), "feature_missing"),
    ("expiry of an asset without lots", by("owner", asset_of("FREE", issue, "alice", "=1", f"={now() + DAY}")), "expiry_invalid"),
    ("lot without expiry", by("owner", asset_of("DATED", issue, "alice", "=1")), "expiry_invalid"),
    ("65 lots", too_many_lots, "lots_full"),
    ("item that is there", by("owner", lambda world: {"issue_item": {"asset": world.asset("ITEMS"), "item": "one", "to": world.address("bob"), "digest": None}}), "item_exists"),
    ("item that is not there", by("alice", asset_of("ITEMS", item, "bob", "=two")), "item_missing"),
    ("item of somebody else", by("bob", asset_of("ITEMS", item, "dave")), "not_permitted"),
    ("hold that is not there", by("bob", lambda world: capture(world.address("alice"), "00" * 32)), "hold_missing"),
    ("hold that expired", expired_hold, "hold_expired"),
    ("more than the hold", by("bob", lambda world: capture(world.address("alice"), world.holds[0], "6")), "hold_exceeded"),
    ("hold for somebody else", by("dave", lambda world: capture(world.address("alice"), world.holds[0])), "not_permitted"),
    ("hold that ends in the past", by("alice", lambda world: reserve(world.asset("FREE"), world.address("bob"), "1", 1)), "expiry_invalid"),
    ("namespace that is not there", by("owner", in_namespace("nothing", "k")), "namespace_missing"),
    ("namespace taken", by("owner", lambda _: {"create_namespace": {"name": "documents", "writers": "everyone", "shared": True}}), "namespace_exists"),
    ("not a writer", by("bob", in_namespace("closed", "k")), "not_writer"),
    ("record of somebody else", by("bob", in_namespace("documents", "first")), "not_writer"),
    ("record at another version", by("owner", in_namespace("documents", "first", version=7)), "record_version_mismatch"),
    ("parent that is not there", by("owner", orphan), "parent_missing"),
]  # fmt: skip


# --- plain HTTP ----------------------------------------------------------------------------------

POST = "/v1/transactions"
JSON = "application/json"
TRANSACTION = "application/vnd.bubi.transaction"
BULK = "application/vnd.bubi.transactions"
GZIP = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xab\xae\x05\x00\x43\xbf\xa6\xa3\x02\x00\x00\x00"

# name, path, content type, content, code
BODIES: list[tuple[str, str, str, bytes, str]] = [
    ("body: empty", POST, JSON, b"", "malformed_json"),
    ("body: one brace", POST, JSON, b"{", "malformed_json"),
    ("body: null", POST, JSON, b"null", "malformed_json"),
    ("body: a list", POST, JSON, b"[]", "malformed_json"),
    ("body: a text", POST, JSON, b'"v1"', "malformed_json"),
    ("body: 100,000 lists deep", POST, JSON, b"[" * 100_000, "malformed_json"),
    ("body: 50,000 objects deep", POST, JSON, b'{"v1":' * 50_000, "malformed_json"),
    ("body: not UTF-8", POST, JSON, b'{"v1":"\xff"}', "malformed_json"),
    ("body: UTF-16", POST, JSON, '{"v1":{}}'.encode("utf-16"), "malformed_json"),
    ("body: byte order mark", POST, JSON, b'\xef\xbb\xbf{"v1":{}}', "malformed_json"),
    ("body: lone surrogate", POST, JSON, b'{"v1":"\\ud800"}', "malformed_json"),
    ("body: NUL", POST, JSON, b"\0", "malformed_json"),
    ("body: duplicate member", POST, JSON, b'{"v1":{},"v1":{}}', "malformed_json"),
    ("body: NaN", POST, JSON, b'{"v1":NaN}', "malformed_json"),
    ("body: Infinity", POST, JSON, b'{"v1":-Infinity}', "malformed_json"),
    ("body: number of 5,000 digits", POST, JSON, b'{"v1":' + b"9" * 5_000 + b"}", "malformed_json"),
    ("body: 1e999999", POST, JSON, b'{"v1":1e999999}', "malformed_json"),
    ("body: comment", POST, JSON, b'{"v1":{}} // x', "malformed_json"),
    ("body: trailing comma", POST, JSON, b'{"v1":{},}', "malformed_json"),
    ("body: gzip", POST, JSON, GZIP, "malformed_json"),
    ("body: 4 MiB and one", POST, JSON, b" " * (4 * 1_048_576 + 1), "too_large"),
    ("body: text/plain", POST, "text/plain", b"{}", "unsupported_media_type"),
    ("body: no content type", POST, "", b"{}", "unsupported_media_type"),
    ("body: form", POST, "application/x-www-form-urlencoded", b"a=b", "unsupported_media_type"),
    ("body: charset utf-16", POST, JSON + "; charset=utf-16", b"{}", "unsupported_media_type"),
    ("body: a bulk at the wrong door", POST, BULK, b"\0", "unsupported_media_type"),
    ("bulk: JSON", f"{POST}/bulk", JSON, b"[]", "unsupported_media_type"),
    ("bulk: empty", f"{POST}/bulk", BULK, b"", "not_canonical"),
    ("bulk: count over-long", f"{POST}/bulk", BULK, b"\x80\x00", "not_canonical"),
    ("bulk: count beyond the bytes", f"{POST}/bulk", BULK, b"\x05\x00", "not_canonical"),
    ("bulk: trailing byte", f"{POST}/bulk", BULK, b"\x00\x00", "not_canonical"),
    ("bulk: count 2^31", f"{POST}/bulk", BULK, b"\x80\x80\x80\x80\x08", "not_canonical"),
    ("bulk: 20,001 transactions", f"{POST}/bulk", BULK, b"\xa1\x9c\x01" + bytes(20_001), "too_large"),
    ("bulk: 16 MiB and one", f"{POST}/bulk", BULK, bytes(16 * 1_048_576 + 1), "too_large"),
    ("encode: a list", f"{POST}/encode", JSON, b"[]", "malformed_json"),
    ("decode: not hex", f"{POST}/decode", JSON, b'{"transaction":"zz"}', "parameter_invalid"),
    ("decode: a number", f"{POST}/decode", JSON, b'{"transaction":1}', "malformed_json"),
    ("decode: unknown member", f"{POST}/decode", JSON, b'{"tx":""}', "malformed_json"),
    ("decode: no bytes", f"{POST}/decode", JSON, b'{"transaction":""}', "not_canonical"),
    ("simulate: null", f"{POST}/simulate", JSON, b"null", "malformed_json"),
    ("simulate: junk", f"{POST}/simulate", TRANSACTION, b"\xff", "not_canonical"),
]  # fmt: skip

ZEROS = "0" * 64
# name, method, path (OWNER stands for an address), headers, code
REQUESTS: list[tuple[str, str, str, dict[str, str], str]] = [
    ("route unknown", "GET", "/v2/blocks", {}, "route_unknown"),
    ("route: traversal", "GET", "/v1/..%2f..%2fetc%2fpasswd", {}, "route_unknown"),
    ("route: NUL", "GET", "/v1/blocks%00", {}, "parameter_invalid"),
    ("method: PUT", "PUT", POST, {}, "method_not_allowed"),
    ("method: DELETE", "DELETE", "/v1/blocks/1", {}, "method_not_allowed"),
    ("method: TRACE", "TRACE", "/v1/network", {}, "method_not_allowed"),
    ("parameter unknown", "GET", "/v1/blocks?limt=1", {}, "unknown_parameter"),
    ("parameter in another case", "GET", "/v1/blocks?Limit=1", {}, "unknown_parameter"),
    ("parameter twice", "GET", "/v1/blocks?limit=1&limit=1", {}, "parameter_invalid"),
    ("limit 0", "GET", "/v1/accounts?limit=0", {}, "parameter_invalid"),
    ("limit 1001", "GET", "/v1/accounts?limit=1001", {}, "parameter_invalid"),
    ("limit -1", "GET", "/v1/accounts?limit=-1", {}, "parameter_invalid"),
    ("limit 1e1", "GET", "/v1/accounts?limit=1e1", {}, "parameter_invalid"),
    ("limit in Arabic digits", "GET", "/v1/accounts?limit=%D9%A1", {}, "parameter_invalid"),
    ("limit empty", "GET", "/v1/accounts?limit=", {}, "parameter_invalid"),
    ("limit of 10,000 digits", "GET", "/v1/accounts?limit=" + "1" * 10_000, {}, "parameter_invalid"),
    ("proof yes", "GET", f"/v1/assets/{ZEROS}?proof=yes", {}, "parameter_invalid"),
    ("wait forever", "GET", f"{POST}/{ZEROS}?wait=forever", {}, "parameter_invalid"),
    ("timeout 61", "GET", f"{POST}/{ZEROS}?wait=final&timeout=61", {}, "parameter_invalid"),
    ("timeout nan", "GET", f"{POST}/{ZEROS}?wait=final&timeout=nan", {}, "parameter_invalid"),
    ("cursor: junk", "GET", "/v1/accounts?cursor=zzzz", {}, "cursor_invalid"),
    ("cursor: empty", "GET", "/v1/accounts?cursor=", {}, "cursor_invalid"),
    ("cursor: not ASCII", "GET", "/v1/accounts?cursor=%C3%A9", {}, "cursor_invalid"),
    ("cursor: 1,025 characters", "GET", "/v1/accounts?cursor=" + "A" * 1_025, {}, "parameter_invalid"),
    ("hash: short", "GET", f"{POST}/abc", {}, "id_invalid"),
    ("hash: upper case", "GET", f"{POST}/{'A' * 64}", {}, "id_invalid"),
    ("hash: unknown", "GET", f"{POST}/{'a' * 64}", {}, "outcome_unknown"),
    ("height: text", "GET", "/v1/blocks/ten", {}, "parameter_invalid"),
    ("height: 2^64", "GET", f"/v1/blocks/{2**64}", {}, "parameter_invalid"),
    ("height: -1", "GET", "/v1/blocks/-1", {}, "parameter_invalid"),
    ("height: ahead", "GET", f"/v1/blocks/{2**64 - 1}", {}, "not_found"),
    ("height: 0", "GET", "/v1/blocks/0", {}, "not_found"),
    ("address: word", "GET", "/v1/accounts/me", {}, "address_invalid"),
    ("address: wrong checksum", "GET", f"/v1/accounts/{NOBODY}", {}, "address_invalid"),
    ("address: other prefix", "GET", "/v1/accounts/bubi1" + "q" * 58, {}, "address_invalid"),
    ("address: traversal", "GET", "/v1/accounts/..%2F..%2Fetc", {}, "address_invalid"),
    ("address: 200 characters", "GET", "/v1/accounts/" + "q" * 200, {}, "parameter_invalid"),
    ("asset: short", "GET", "/v1/assets/ab", {}, "parameter_invalid"),
    ("asset: unknown", "GET", f"/v1/assets/{'a' * 64}", {}, "not_found"),
    ("issuer: word", "GET", "/v1/assets?issuer=x", {}, "address_invalid"),
    ("item: unknown", "GET", f"/v1/assets/{'a' * 64}/items/x", {}, "not_found"),
    ("item: not UTF-8", "GET", f"/v1/assets/{'a' * 64}/items/%ff", {}, "parameter_invalid"),
    ("data: traversal", "GET", "/v1/accounts/OWNER/data/..%2F..%2Fetc%2Fpasswd", {}, "not_found"),
    ("data: NUL", "GET", "/v1/accounts/OWNER/data/a%00b", {}, "parameter_invalid"),
    ("data: CR LF", "GET", "/v1/accounts/OWNER/data/a%0D%0Ab", {}, "not_found"),
    ("data: surrogate", "GET", "/v1/accounts/OWNER/data/%ED%A0%80", {}, "parameter_invalid"),
    ("data: 257 characters", "GET", "/v1/accounts/OWNER/data/" + "x" * 257, {}, "parameter_invalid"),
    ("list: unknown", "GET", "/v1/accounts/OWNER/secrets", {}, "parameter_invalid"),
    ("record: version 0", "GET", f"/v1/namespaces/{ZEROS}/records/x?version=0", {}, "parameter_invalid"),
    ("record: version 2^32", "GET", f"/v1/namespaces/{ZEROS}/records/x?version={2**32}", {}, "parameter_invalid"),
    ("cell: owner not hex", "GET", "/v1/cells/zz/00", {}, "parameter_invalid"),
    ("cell: owner short", "GET", "/v1/cells/00/00", {}, "parameter_invalid"),
    ("cell: owner of no kind", "GET", f"/v1/cells/04{'00' * 32}/00", {}, "parameter_invalid"),
    ("cell: proof of the genesis", "GET", f"/v1/cells/{'00' * 33}/00?height=0&proof=1", {}, "parameter_invalid"),
    ("cell: height ahead", "GET", f"/v1/cells/{'00' * 33}/00?height=999999", {}, "not_provable_yet"),
    ("stream only", "GET", POST, {}, "not_acceptable"),
    ("stream: position", "GET", "/v1/blocks?after=x", {"accept": "text/event-stream"}, "parameter_invalid"),
    ("stream: last event id", "GET", "/v1/blocks", {"accept": "text/event-stream", "last-event-id": "1:2:3"}, "parameter_invalid"),
    ("events of a height ahead", "GET", "/v1/accounts/OWNER/events?height=999999", {}, "not_found"),
]  # fmt: skip


# --- the command ---------------------------------------------------------------------------------

# name, arguments ({…} are files and URLs that test_catalogue.py makes), exit status, code
COMMANDS: list[tuple[str, str, int, str]] = [
    ("cli: unknown command", "fly --json", 2, "usage"),
    ("cli: unknown command of a noun", "tx fly --json", 2, "usage"),
    ("cli: unknown option", "status --fly --json", 2, "usage"),
    ("cli: argument missing", "tx show --json", 2, "usage"),
    ("cli: argument too many", "tx show {zeros} {zeros} --url {url} --json", 2, "usage"),
    ("cli: option without value", "tx show {zeros} --json --url", 2, "usage"),
    ("cli: number that is none", "quorum many --json", 2, "usage"),
    ("cli: quorum of 0", "quorum 0 --json", 2, "usage"),
    ("cli: port 0", "node init {new} --port 0 --json", 2, "usage"),
    ("cli: port 65536", "node init {new} --port 65536 --json", 2, "usage"),
    ("cli: suite unknown", "node init {new} --suite rot13 --json", 2, "usage"),
    ("cli: folder not empty", "node init {folder} --json", 2, "config_invalid"),
    ("cli: public key malformed", "node init {new} --account ed25519:zz --json", 2, "usage"),
    ("cli: address without a scheme", "tx show {zeros} --url 127.0.0.1 --json", 2, "usage"),
    ("cli: unreachable node", "tx show {zeros} --url http://127.0.0.1:1 --json", 3, "connection_failed"),
    ("cli: nothing here", "status --data {new} --json", 3, "nothing_running"),
    ("cli: hash malformed", "tx show xyz --url {url} --json", 2, "malformed"),
    ("cli: hash unknown", "tx show {zeros} --url {url} --json", 1, "outcome_unknown"),
    ("cli: asset unknown", "asset show {zeros} --url {url} --json", 1, "not_found"),
    ("cli: file missing: submit", "tx submit {new} --url {url} --json", 2, "usage"),
    ("cli: file missing: sign", "tx sign {new} --as alice --json", 2, "usage"),
    ("cli: file missing: proof", "proof verify {new} --trust {trust} --json", 2, "usage"),
    ("cli: collection malformed", "tx sign {junk} --as alice --json", 2, "malformed_json"),
    ("cli: submit of junk", "tx submit {junk} --url {url} --json", 2, "not_canonical"),
    ("cli: submit of bytes that are none", "tx submit {binary} --url {url} --json", 2, "not_canonical"),
    ("cli: decode of odd hex", "tx decode abc --trust {trust} --json", 2, "usage"),
    ("cli: decode of no transaction", "tx decode abcd --trust {trust} --json", 2, "not_canonical"),
    ("cli: build without operations", "tx build --source {owner} --trust {trust} --json", 2, "usage"),
    ("cli: build with a broken operation", "tx build --source {owner} --trust {trust} --operation {brace} --json", 2, "malformed_json"),
    ("cli: build with a broken place", "tx build --source {owner} --trust {trust} --operation {brace} --sequence 1-2 --json", 2, "usage"),
    ("cli: build for nobody", "tx build --source nobody --trust {trust} --operation {brace} --json", 2, "account_unknown"),
    ("cli: signer unknown", "tx sign {collection} --as nobody --json", 2, "account_unknown"),
    ("cli: wrong password", "tx sign {collection} --as {keystore} --password-stdin --json", 1, "wrong_password"),
    ("cli: keystore damaged", "tx sign {collection} --as {junk} --password-stdin --json", 1, "keystore_damaged"),
    ("cli: keystore exists", "key create {keystore} --password-stdin --json", 2, "file_exists"),
    ("cli: import of no key", "key import {new} --from {junk} --password-stdin --json", 2, "key_invalid"),
    ("cli: trust file missing", "proof verify {junk} --trust {new} --json", 2, "usage"),
    ("cli: trust file damaged", "proof verify {junk} --trust {junk} --json", 2, "trust_invalid"),
    ("cli: trust file of another kind", "proof verify {junk} --trust {keystore} --json", 2, "trust_invalid"),
    ("cli: proof damaged", "proof verify {damaged} --trust {trust} --json", 1, "proof_invalid"),
    ("cli: proof of another ledger", "proof verify {proof} --trust {other} --json", 1, "proof_invalid"),
    ("cli: check of a missing configuration", "node check {new} --json", 2, "config_invalid"),
    ("cli: check of a broken configuration", "node check {badconfig} --json", 2, "config_invalid"),
]  # fmt: skip


# --- configuration -------------------------------------------------------------------------------

NODE = '[node]\nname = "n"\norganisation = "o"\n'
# name, text of config.toml, what the message says
CONFIGS: list[tuple[str, str, str]] = [
    ("config: unknown section", NODE + "[aip]\n", "did you mean 'api'"),
    ("config: unknown key", NODE + "[api]\nprot = 1\n", "did you mean 'port'"),
    ("config: unknown key, nothing near", NODE + "[api]\nqqqq = 1\n", "known: host, port"),
    ("config: key at the top", "name = 1\n" + NODE, "unknown section 'name'"),
    ("config: section as a number", NODE + "log = 3\n", "unknown key of [node] 'log'"),
    ("config: empty", "", "node.name is missing"),
    ("config: not TOML", "[node", "not valid TOML"),
    ("config: key twice", NODE + 'name = "m"\n', "not valid TOML"),
    ("config: name a number", '[node]\nname = 1\norganisation = "o"\n', "node.name must be a text"),
    ("config: name blank", '[node]\nname = " "\norganisation = "o"\n', "node.name must be a text"),
    ("config: organisation missing", '[node]\nname = "n"\n', "node.organisation is missing"),
    ("config: path with NUL", NODE + 'data = "a\\u0000b"\n', "node.data must be the path"),
    ("config: port 0", NODE + "[api]\nport = 0\n", "from 1 to 65535"),
    ("config: port 65536", NODE + "[api]\nport = 65536\n", "from 1 to 65535"),
    ("config: port as text", NODE + '[api]\nport = "8080"\n', "from 1 to 65535"),
    ("config: port true", NODE + "[api]\nport = true\n", "from 1 to 65535"),
    ("config: port a float", NODE + "[api]\nport = 8080.0\n", "from 1 to 65535"),
    ("config: host a name", NODE + '[api]\nhost = "localhost"\n', "must be an IP address"),
    ("config: every address without TLS", NODE + '[api]\nhost = "0.0.0.0"\n', "is not a loopback address"),
    ("config: IPv6 without TLS", NODE + '[api]\nhost = "::"\n', "is not a loopback address"),
    ("config: certificate without key", NODE + '[api]\ntls_certificate = "c"\n', "belong together"),
    ("config: authority without certificate", NODE + '[api]\nclient_authority = "c"\n', "needs api.tls_certificate"),
    ("config: pool of nothing", NODE + "[pool]\ntransactions_max = 0\n", "pool.transactions_max must be"),
    ("config: heartbeat negative", NODE + "[block]\nheartbeat_ms = -1\n", "block.heartbeat_ms must be"),
    ("config: level unknown", NODE + '[log]\nlevel = "loud"\n', "must be one of debug"),
]  # fmt: skip

SUBMISSIONS += [
    (f"governance: {name}", operation(bad), code) for name, bad, code in governance.MALFORMED
]
REJECTIONS += [
    (f"governance: {name}", attempt, code) for name, attempt, code in governance.REJECTIONS
]
