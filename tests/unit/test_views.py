"""Rounds go on from height to height; only those that ended without a decision count as left."""

import pytest

from bubi.consensus.engine import Configuration
from bubi.consensus.guard import Phase, VoteRequest

CONFIGURATION = Configuration(0, "pbft", (), 1, None, turn_blocks=4)


def commit(height: int, round_: int, epoch: int = 0) -> VoteRequest:
    return VoteRequest(epoch, "pbft", height, round_, Phase.COMMIT, bytes(32), bytes(32))


@pytest.mark.parametrize(
    ("before", "decided", "left"),
    [
        (None, commit(1, 0), 0),
        (None, commit(1, 2), 2),
        (commit(6, 9), commit(7, 9), 0),
        (commit(6, 9), commit(7, 12), 3),
        (commit(8, 9), commit(9, 10), 0),
        (commit(8, 9), commit(9, 12), 2),
        (commit(8, 9), commit(9, 1, epoch=1), 1),
        (commit(8, 9), commit(9, 0, epoch=1), 0),
    ],
)
def test_views_left(before: VoteRequest | None, decided: VoteRequest, left: int) -> None:
    """A turn ends after heights 4 and 8; an epoch begins at round 0."""
    assert CONFIGURATION.views_left(before, decided) == left
