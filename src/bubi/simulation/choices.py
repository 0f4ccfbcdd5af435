"""Which blocks may already be decided, from the votes that members sent: KnowsSafeAt from outside.

A correct member may support a block in a round only if nothing else can be decided in any round
below: a quorum has left those rounds, and too few gave their commit votes for another block. It
holds for each engine of this package, whatever messages carry it there. Whoever breaks
it is seen at the vote, long before two blocks are decided at one height.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from bubi.consensus.engine import Configuration
from bubi.consensus.guard import Phase, VoteRequest
from bubi.consensus.quorum import safe_faults

ENGINES = frozenset({"pbft", "raft", "paxos"})
"""Engines whose votes mean what this module says; those of others have rules of their own."""
HEIGHTS_KEPT = 128
"""Heights below the newest one that are remembered."""


@dataclass(slots=True)
class _Height:
    """`left`: the lowest round in which a correct member may still vote.

    `commits`: correct members whose commit votes left them, by (round, digest).
    """

    left: dict[int, int] = field(default_factory=dict)
    commits: dict[tuple[int, bytes], set[int]] = field(default_factory=dict)


class Choices:
    """The votes of all correct members, by their numbers in the set of their epoch.

    `is_correct` says whether a member of a configuration follows the protocol.
    """

    def __init__(self, is_correct: Callable[[Configuration, int], bool]) -> None:
        self._is_correct = is_correct
        self._heights: dict[tuple[int, int], _Height] = {}
        self.carried = 0
        """Votes that were given above a commit vote of a lower round."""

    def signed(self, configuration: Configuration, member: int, request: VoteRequest) -> None:
        """A correct member signed something: it works in no lower round any more."""
        self._leave(request.epoch, request.height, member, request.round)
        if request.phase is Phase.COMMIT:
            # H1: the next height begins where this one may have been decided.
            turns = request.height % configuration.turn_blocks == 0
            self._leave(request.epoch, request.height + 1, member, request.round + turns)

    def sent(self, configuration: Configuration, member: int, request: VoteRequest) -> str | None:
        """A vote of a correct member is on its way; why it must not be, if it must not."""
        if request.engine not in ENGINES:
            return None
        if request.phase is Phase.COMMIT:
            known = self._at(request.epoch, request.height)
            known.commits.setdefault((request.round, request.digest), set()).add(member)
        elif request.phase in {Phase.FIRST, Phase.PROPOSAL}:
            return self._fault(configuration, request)
        return None

    def _fault(self, configuration: Configuration, request: VoteRequest) -> str | None:
        members = range(len(configuration.members))
        faulty = {one for one in members if not self._is_correct(configuration, one)}
        needed = configuration.quorum
        total = _weight(configuration, members)
        if _weight(configuration, faulty) > safe_faults(total, needed):
            # More liars than the quorum bears: nothing is promised.
            return None
        known = self._at(request.epoch, request.height)
        if request.round > 0:
            able = faulty | _staying(known, members, request.round - 1)
            if _weight(configuration, able) >= needed:
                return f"no quorum has left the rounds below {request.round}"
        for (round_, digest), given in known.commits.items():
            if round_ >= request.round:
                continue
            self.carried += 1
            if digest == request.digest:
                continue
            able = faulty | given | _staying(known, members, round_)
            if _weight(configuration, able) >= needed:
                return f"{digest.hex()[:16]} may be decided in round {round_}"
        return None

    def _leave(self, epoch: int, height: int, member: int, round_: int) -> None:
        known = self._at(epoch, height)
        known.left[member] = max(round_, known.left.get(member, 0))

    def _at(self, epoch: int, height: int) -> _Height:
        place = epoch, height
        known = self._heights.get(place)
        if known is None:
            known = self._heights[place] = _Height()
            if len(self._heights) > HEIGHTS_KEPT:
                del self._heights[min(self._heights, key=lambda one: one[1])]
        return known


def _staying(known: _Height, members: Iterable[int], round_: int) -> set[int]:
    """Members that may still vote in a round."""
    return {one for one in members if known.left.get(one, 0) <= round_}


def _weight(configuration: Configuration, members: Iterable[int]) -> int:
    return sum(configuration.members[one].weight for one in members)
