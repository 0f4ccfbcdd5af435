"""Where records come from: parents that were stated, and the versions of one key."""

import pytest

from bubi.gateway import records
from bubi.gateway.index.reader import Reader
from bubi.gateway.index.writer import Writer

from ..model import values as v
from ..model.test_governance import Chain as Council
from .conftest import Databases
from .test_governance import decided


def digest(number: int) -> v.Digest:
    return v.Digest(v.DigestAlgorithm.SHA256, bytes([number]) * 32)


@pytest.fixture
def space() -> bytes:
    return Council().ledger.namespace_id("deeds")


@pytest.fixture
def index(database: Databases, space: bytes) -> Reader:
    """A v1, B made from A v1, A v2 and v3; C, which has to do with none of them."""
    model = Council()
    author = model.voices[0]
    first = v.RecordReference(space, "A", 1)
    for one in (
        v.CreateNamespace("deeds"),
        v.PutRecord(space, "A", digest(1)),
        v.PutRecord(space, "B", digest(2), parents=(first,)),
        v.PutRecord(space, "A", digest(3)),
        v.PutRecord(space, "A", digest(4)),
        v.PutRecord(space, "C", digest(5)),
    ):
        assert model.send(author, one) == v.Code.FINAL
    chain = decided(model)
    engine = database.engine()
    writer = Writer(engine, chain.origin)
    writer.write(writer.decode(chain.chain.export(0, 100, 1 << 30)))
    ledger = chain.chain
    return Reader(engine, ledger.prefix, ledger.suite, ledger.chain_id.hex())


@pytest.mark.parametrize(("key", "version"), [("A", 1), ("A", 2), ("A", 3), ("B", 1)])
def test_versions_of_a_key_hang_together(
    index: Reader, space: bytes, key: str, version: int
) -> None:
    """Wherever the question begins, it leads to the same graph."""
    found = records.graph(index, space.hex(), key, version)
    assert found is not None
    name = f"{space.hex()}/".__add__
    assert {one["id"] for one in found["nodes"]} == {name(x) for x in ("A/1", "A/2", "A/3", "B/1")}
    edges = [(one["from"], one["to"]) for one in found["edges"]]
    assert sorted(edges) == sorted(
        (name(parent), name(child))
        for parent, child in (("A/1", "A/2"), ("A/2", "A/3"), ("A/1", "B/1"))
    )
    assert found["start"] == name(f"{key}/{version}")
    assert found["complete"]


def test_a_record_alone_has_no_edges(index: Reader, space: bytes) -> None:
    found = records.graph(index, space.hex(), "C", None)
    assert found is not None
    assert (len(found["nodes"]), found["edges"]) == (1, [])


def test_a_digest_leads_to_its_version_and_a_key_to_the_newest(
    index: Reader, space: bytes
) -> None:
    record = {"kind": "record", "id": f"{space.hex()}/A"}
    assert index.search(digest(3).value.hex()) == [{**record, "title": "A v2", "version": 2}]
    assert index.search("A") == [{**record, "title": "A"}]
