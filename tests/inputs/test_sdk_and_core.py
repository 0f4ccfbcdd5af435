"""The Python SDK and the core on damaged transactions: one verdict, one JSON form, one hash."""

import copy
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from bubi_sdk import HashSuite, InvalidInput, Network
from bubi_sdk.codec import parse_json
from bubi_sdk.transaction import Envelope, TransactionBody
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bubi import core

PREFIX = "bubidev"
CHAIN = bytes(range(32))
NETWORK = Network(CHAIN, PREFIX, HashSuite.STANDARD)
VECTORS = Path(__file__).resolve().parents[2] / "spec" / "vectors"
REFUSED = "refused: "


def load(name: str) -> Any:
    return json.loads((VECTORS / name).read_text(encoding="utf-8"))


def uleb(number: int) -> bytes:
    return core.uleb128(number)


_VALID = load("codec.json")["valid"]
_ENTRY = bytes.fromhex(load("transaction.json")["transactions"][0]["signed"])[-97 - 1 :]
BODIES = [bytes.fromhex(one["bytes"]) for one in _VALID if one["type"] == "TransactionBody"]
BODY_FORMS = [one["json"] for one in _VALID if one["type"] == "TransactionBody"]
SIGNED = [
    *(bytes.fromhex(one["signed"]) for one in load("transaction.json")["transactions"]),
    # One signature under every body, so that every operation is among the inputs.
    *(b"\0" + uleb(len(body)) + body + b"\1" + _ENTRY[1:] for body in BODIES if len(body) < 4_096),
]


def core_bytes(data: bytes) -> Any:
    try:
        return json.loads(core.transaction_to_json(PREFIX, 0, CHAIN, data))
    except core.CoreError as error:
        return REFUSED + core.error_code(error)


def sdk_bytes(data: bytes) -> Any:
    try:
        envelope = Envelope.decode(NETWORK, data)
        form = envelope.to_json()
        assert isinstance(form, dict)
        return {**form, "hash": envelope.hash.hex()}
    except InvalidInput as error:
        return REFUSED + error.code


def core_json(text: bytes) -> str:
    try:
        return core.body_from_json(PREFIX, text).hex()
    except core.CoreError as error:
        return REFUSED + core.error_code(error)


def sdk_json(text: bytes) -> str:
    try:
        return TransactionBody.from_json(parse_json(text), PREFIX).encode().hex()
    except InvalidInput as error:
        return REFUSED + error.code


def accepted(answer: Any) -> bool:
    return not (isinstance(answer, str) and answer.startswith(REFUSED))


PLACES = st.integers(0, 2**16)
MARKED = st.sampled_from([0, 1, 2, 3, 4, 0x10, 0x17, 0x18, 0x20, 0x40, 0x7F, 0x80, 0x81, 0xFF])
PIECES = st.binary(min_size=1, max_size=8) | st.sampled_from(
    [b"\xff" * 8, b"\xff" * 16, b"\x80\x00", b"\x80\x80\x80\x80\x08", bytes(16), b"\xed\xa0\x80"]
)
DAMAGE = st.one_of(
    st.tuples(st.just("flip"), PLACES, st.integers(0, 7)),
    st.tuples(st.just("set"), PLACES, MARKED),
    st.tuples(st.just("write"), PLACES, PIECES),
    st.tuples(st.just("insert"), PLACES, PIECES),
    st.tuples(st.just("cut"), PLACES, st.integers(1, 40)),
    st.tuples(st.just("copy"), PLACES, PLACES),
)


def damaged(data: bytes, damage: list[tuple[str, int, Any]]) -> bytes:
    out = bytearray(data)
    for kind, place, value in damage:
        if not out:
            break
        at = place % len(out)
        if kind == "flip":
            out[at] ^= 1 << value
        elif kind == "set":
            out[at] = value
        elif kind == "write":
            out[at : at + len(value)] = value
        elif kind == "insert":
            out[at:at] = value
        elif kind == "cut":
            del out[at : at + value]
        else:
            other = value % len(out)
            out[at : at + 33] = out[other : other + 33]
    return bytes(out)


@st.composite
def damaged_transactions(draw: st.DrawFn) -> bytes:
    """A transaction damaged inside its body (with the right length around it) or anywhere."""
    damage = draw(st.lists(DAMAGE, min_size=1, max_size=3))
    if draw(st.booleans()):
        body = damaged(draw(st.sampled_from(BODIES)), damage)
        return b"\0" + uleb(len(body)) + body + b"\1" + _ENTRY[1:]
    return damaged(draw(st.sampled_from(SIGNED)), damage)


ODD_VALUES = st.sampled_from(
    [
        None, True, False, 0, 1, -1, 2**32, 2**64, 1.0, 1e400, "", "0", "00", "01", "-0", "-1",
        "+1", "1.0", "1e3", " 1", "1 ", "１", "0x1", str(2**32), str(2**64 - 1), str(2**64),
        str(10**38 - 1), str(10**38), str(2**128 - 1), str(2**128), "NaN", [], {}, [[]], [None],
        {"v1": {}}, "a" * 64, "A" * 64, "g" * 64, "0" * 62, "é", "e\u0301", "\u202e", "\x00",
        "\n", "none", "everyone", {"none": None}, {"everyone": {}}, {"fungible": None},
        "close_account", {"close_account": None}, {"close_account": {}}, {"derived": []},
        {"1": 5, "01": 6}, {"0": 1, "24": 1}, {"00": 1}, {"+1": 1}, {"1": "1"}, {"1": 1.0},
    ]
)  # fmt: skip


def paths(value: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [here]
    if isinstance(value, dict):
        for name, inner in value.items():
            found += paths(inner, (*here, name))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            found += paths(inner, (*here, index))
    return found


def at(value: Any, path: tuple[Any, ...]) -> Any:
    for step in path:
        value = value[step]
    return value


@st.composite
def damaged_forms(draw: st.DrawFn) -> bytes:
    """The JSON form of a body with one place changed, or with the text damaged."""
    form = {"": copy.deepcopy(draw(st.sampled_from(BODY_FORMS)))}
    path = ("", *draw(st.sampled_from(paths(form[""]))))
    holder, name = at(form, path[:-1]), path[-1]
    change = draw(
        st.sampled_from(["odd", "odd", "drop", "list", "extra", "twice", "wrap", "text"])
    )
    value = holder[name]
    if change == "odd":
        holder[name] = draw(ODD_VALUES)
    elif change == "drop" and len(path) > 1:
        del holder[name]
    elif change == "list" and isinstance(value, dict):
        holder[name] = list(value.values())
    elif change == "extra" and isinstance(value, dict):
        value["extra"] = draw(ODD_VALUES)
    elif change == "wrap":
        holder[name] = draw(st.sampled_from([[value], {"v1": value}, {"some": value}]))
    text = json.dumps(form[""], ensure_ascii=draw(st.booleans()))
    if change == "twice" and isinstance(value, dict) and value:
        # The first member of the object once more, with the same value.
        inner = json.dumps(value)
        member = json.dumps(dict([next(iter(value.items()))]))[1:-1]
        text = json.dumps(form[""]).replace(inner, "{" + member + ", " + inner[1:], 1)
    encoded = text.encode("utf-8", "surrogatepass")
    if change == "text":
        return damaged(encoded, draw(st.lists(DAMAGE, min_size=1, max_size=2)))
    return encoded


QUIET = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]


def compare_bytes(examples: int) -> Counter[bool]:
    counts: Counter[bool] = Counter()

    @settings(max_examples=examples, deadline=None, suppress_health_check=QUIET, database=None)
    @given(damaged_transactions())
    def compare(data: bytes) -> None:
        theirs, ours = core_bytes(data), sdk_bytes(data)
        assert theirs == ours, data.hex()
        counts[accepted(theirs)] += 1

    compare()
    return counts


def compare_json(examples: int) -> Counter[bool]:
    counts: Counter[bool] = Counter()

    @settings(max_examples=examples, deadline=None, suppress_health_check=QUIET, database=None)
    @given(damaged_forms())
    def compare(text: bytes) -> None:
        theirs, ours = core_json(text), sdk_json(text)
        assert theirs == ours, text
        counts[accepted(theirs)] += 1

    compare()
    return counts


def test_every_undamaged_transaction_is_accepted_alike() -> None:
    for data in SIGNED:
        answer = core_bytes(data)
        assert accepted(answer), answer
        assert answer == sdk_bytes(data)
    for form in BODY_FORMS:
        text = json.dumps(form).encode()
        assert accepted(core_json(text))
        assert core_json(text) == sdk_json(text)


def test_damaged_bytes_have_one_verdict() -> None:
    counts = compare_bytes(2_500)
    assert min(counts[True], counts[False]) > 100, counts


def test_damaged_forms_have_one_verdict() -> None:
    counts = compare_json(2_500)
    assert min(counts[True], counts[False]) > 100, counts


@pytest.mark.long
@pytest.mark.timeout(3_600)
def test_damaged_bytes_have_one_verdict_long() -> None:
    assert compare_bytes(50_000)[True] > 1_000


@pytest.mark.long
@pytest.mark.timeout(3_600)
def test_damaged_forms_have_one_verdict_long() -> None:
    assert compare_json(50_000)[True] > 1_000


@pytest.mark.parametrize("case", load("proof.json")["receipts"], ids=lambda case: case["name"])
def test_the_core_judges_the_proofs_of_the_vectors(case: Any) -> None:
    trust, proof = json.dumps(case["trust"]).encode(), bytes.fromhex(case["proof"])
    if not case["valid"]:
        with pytest.raises(core.CoreError) as caught:
            core.verify_receipt_proof(trust, proof)
        assert core.error_code(caught.value) == "proof_invalid"
        return
    proven = json.loads(core.verify_receipt_proof(trust, proof))
    assert (proven["height"], proven["transaction"]) == (case["height"], case["transaction"])


@pytest.mark.parametrize("case", load("transaction.json")["transactions"])
def test_the_core_reads_and_writes_the_json_of_the_vectors(case: Any) -> None:
    suite = ["standard", "national"].index(case["suite"])
    chain, signed = bytes.fromhex(case["chain_id"]), bytes.fromhex(case["signed"])
    text = json.dumps(case["signed_json"]).encode()
    assert core.transaction_from_json(case["prefix"], text) == signed
    written = json.loads(core.transaction_to_json(case["prefix"], suite, chain, signed))
    assert written == {**case["signed_json"], "hash": case["hash"]}
