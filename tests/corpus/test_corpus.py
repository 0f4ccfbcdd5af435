"""Every later core replays what was recorded with a release, to the same roots and receipts."""

import json
import shutil
from importlib.metadata import version
from pathlib import Path

import pytest

from bubi import core

from .files import FOLDER, apply, blocks_of, chains, expected_of, outcome_of, releases

BYTES_MAX = 300_000
"""Of what one release records."""


def named(path: Path) -> str:
    return path.relative_to(FOLDER).as_posix()


@pytest.fixture(params=chains(), ids=named)
def recorded(request: pytest.FixtureRequest) -> Path:
    assert isinstance(request.param, Path)
    return request.param


def test_this_release_has_recorded_chains_of_both_suites() -> None:
    assert version("bubi") in releases()
    found = [path for path in chains() if path.parent.name == version("bubi")]
    assert [path.name for path in found] == ["national", "standard"]
    size = sum(file.stat().st_size for path in found for file in path.iterdir())
    assert size < BYTES_MAX


def test_a_replay_comes_to_the_same_roots_and_receipts(recorded: Path, tmp_path: Path) -> None:
    genesis = (recorded / "genesis.bin").read_bytes()
    expected = expected_of(recorded)
    chain = core.Chain.open(str(tmp_path / "ledger"), genesis)
    blocks = list(blocks_of((recorded / "blocks.bin").read_bytes()))
    assert len(blocks) == len(expected) > 20
    for parts, known in zip(blocks, expected, strict=True):
        apply(chain, parts)
        assert outcome_of(chain, parts.height) == known
        assert chain.state_root.hex() == known["state_root"]
    chain.close()
    # Recovery from the log alone comes to the same.
    shutil.rmtree(tmp_path / "ledger" / "state")
    chain = core.Chain.open(str(tmp_path / "ledger"), genesis)
    assert chain.state_root.hex() == expected[-1]["state_root"]
    assert chain.snapshot_root() == chain.state_root
    chain.close()


def test_on_a_recorded_chain_everything_happened(recorded: Path, tmp_path: Path) -> None:
    done: set[str] = set()
    events: set[str] = set()
    chain = core.Chain.open(str(tmp_path / "ledger"), (recorded / "genesis.bin").read_bytes())
    for parts in blocks_of((recorded / "blocks.bin").read_bytes()):
        apply(chain, parts)
        text = chain.block_json(parts.height, True)
        assert text is not None
        for receipt in json.loads(text)["transactions"]:
            events |= {next(iter(one)) for one in receipt["events"]}
            status = chain.status_json(bytes.fromhex(receipt["id"]), False)
            if status is None or receipt["code"] != "final":
                continue
            kinds = [one["body"] for one in json.loads(status)["body"]["v1"]["operations"]]
            done |= {one if isinstance(one, str) else next(iter(one)) for one in kinds}
    assert done == set(core.operation_names())
    assert events >= {"lapsed", "hold_expired"}
    assert chain.epoch[0] > 0, "the validators never changed"
    chain.close()


def test_a_changed_byte_is_refused(recorded: Path, tmp_path: Path) -> None:
    genesis = (recorded / "genesis.bin").read_bytes()
    chain = core.Chain.open(str(tmp_path / "ledger"), genesis)
    first = next(blocks_of((recorded / "blocks.bin").read_bytes()))
    proposal = bytearray(first.proposal)
    proposal[-1] ^= 1
    changed = type(first)(
        first.height, bytes(proposal), first.certificate, first.headers, first.bodies
    )
    with pytest.raises(core.CoreError):
        apply(chain, changed)
    assert chain.height == 0
    chain.close()
