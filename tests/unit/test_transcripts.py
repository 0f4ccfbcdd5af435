"""Readable transcripts of each engine: what members say, in the cases that matter.

The files in `transcripts/` are meant to be read. `python -m tests.unit.test_transcripts`
writes them again; a difference must be explained in the commit.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from bubi.consensus.engine import ConsensusMessage, VoteMessage
from bubi.consensus.guard import Phase

from .cluster import Cluster, lie, transcript

FOLDER = Path(__file__).parent / "transcripts"


def normal_case(engine: str, count: int = 4) -> Cluster:
    cluster = Cluster(count, engine=engine)
    cluster.start()
    assert cluster.reach(2)
    return cluster


def leader_crash(engine: str) -> Cluster:
    cluster = Cluster(4, engine=engine)
    cluster.start()
    assert cluster.reach(1)
    cluster.nodes[0].crash()
    assert cluster.reach(3, who={1, 2, 3})
    cluster.nodes[0].begin()
    assert cluster.reach(4)
    return cluster


def without_commits(_from: int, _to: int, message: ConsensusMessage) -> ConsensusMessage | None:
    """Loses the commit votes of round 0."""
    request = message.signed.request
    lost = isinstance(message, VoteMessage) and request.phase is Phase.COMMIT
    return None if lost and request.round == 0 else message


def locked_block_is_carried(engine: str) -> Cluster:
    cluster = Cluster(4, engine=engine)
    cluster.filter = without_commits
    cluster.start()
    assert cluster.reach(1)
    assert {node.disk.blocks[0].certificate.request.round for node in cluster.nodes} == {1}
    return cluster


def equivocation(engine: str) -> Cluster:
    cluster = Cluster(4, engine=engine)
    cluster.filter = lie(cluster, 0)
    cluster.start()
    assert cluster.reach(1, who={1, 2, 3})
    return cluster


def restart_of_all(engine: str) -> Cluster:
    """Everybody goes down with the commit votes signed and not one delivered."""
    cluster = Cluster(4, engine=engine)
    cluster.filter = without_commits
    cluster.start()
    cluster.want(1)
    cluster.run(lambda: False, 100)
    for node in cluster.nodes:
        node.crash()
    cluster.filter = None
    for node in cluster.nodes:
        node.begin()
    assert cluster.reach(1)
    assert {node.disk.blocks[0].certificate.request.round for node in cluster.nodes} == {0}
    return cluster


def rotation(engine: str) -> Cluster:
    cluster = Cluster(4, engine=engine, turn_blocks=4)
    cluster.start()
    assert cluster.reach(6)
    rounds = [block.certificate.request.round for block in cluster.nodes[0].disk.blocks]
    assert rounds == [0, 0, 0, 0, 1, 1]
    return cluster


ENGINES = ["pbft", "raft", "paxos"]
CASES: dict[str, Callable[[str], Cluster]] = {
    "normal_case": normal_case,
    "normal_case_of_seven": lambda engine: normal_case(engine, 7),
    "leader_crash": leader_crash,
    "locked_block_is_carried": locked_block_is_carried,
    "equivocation": equivocation,
    "restart_of_all": restart_of_all,
    "rotation": rotation,
}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", CASES)
def test_transcript(name: str, engine: str) -> None:
    assert transcript(CASES[name](engine)) == (FOLDER / engine / f"{name}.txt").read_text()


@pytest.mark.parametrize("name", CASES)
def test_each_engine_has_messages_of_its_own(name: str) -> None:
    """A renamed protocol would have the same transcript but for its words."""
    shapes = {
        engine: [
            (line.split()[0], line.count(" n"))
            for line in (FOLDER / engine / f"{name}.txt").read_text().splitlines()
        ]
        for engine in ENGINES
    }
    assert len({tuple(shape) for shape in shapes.values()}) == len(ENGINES)


if __name__ == "__main__":
    for kind in ENGINES:
        for case, make in CASES.items():
            (FOLDER / kind / f"{case}.txt").write_text(transcript(make(kind)))
