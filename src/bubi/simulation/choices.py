"""Which blocks may already be decided, from the votes that members sent: KnowsSafeAt from outside.

Three rules hold for each engine of this package, whatever its messages are. A correct member
supports a block in a round only if nothing else can be decided in any round below: a quorum has
left those rounds, and too few gave their commit votes for another block. It gives its commit vote
only for what a quorum supports. Whoever asks for a later round tells the newest block for which it
gave one. Who breaks a rule is seen at once, long before two blocks are decided at one height.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from bubi.consensus import paxos_bytes, pbft_bytes, raft_bytes
from bubi.consensus.engine import (
    Configuration,
    ConsensusMessage,
    EngineMessage,
    ProposalMessage,
)
from bubi.consensus.guard import Phase, VoteRequest
from bubi.consensus.quorum import safe_faults
from bubi.encoding import EncodingError

ENGINES = frozenset({"pbft", "raft", "paxos"})
"""Engines whose votes mean what this module says; those of others have rules of their own."""
HEIGHTS_KEPT = 128
"""Heights below the newest one that are remembered."""


@dataclass(slots=True)
class _Height:
    """Of correct members: `left` is the lowest round in which one may still vote.

    `supports` have signed first votes and `commits` have sent commit votes, by (round, digest);
    `locks` is the newest such place of each member; `owed` is what one claims and has not shown.
    """

    left: dict[int, int] = field(default_factory=dict)
    supports: dict[tuple[int, bytes], set[int]] = field(default_factory=dict)
    commits: dict[tuple[int, bytes], set[int]] = field(default_factory=dict)
    locks: dict[int, tuple[int, bytes]] = field(default_factory=dict)
    owed: dict[int, tuple[int, bytes]] = field(default_factory=dict)


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
        if request.phase is Phase.FIRST:
            known = self._at(request.epoch, request.height)
            known.supports.setdefault((request.round, request.digest), set()).add(member)
        if request.phase is Phase.COMMIT:
            # H1: the next height begins where this one may have been decided.
            turns = configuration.turn_ends(request.height + 1)
            self._leave(request.epoch, request.height + 1, member, request.round + turns)

    def sent(
        self,
        configuration: Configuration,
        member: int,
        message: ConsensusMessage,
        leader: int | None,
    ) -> str | None:
        """A correct member sends what it signed; why it must not, if it must not.

        `leader` is that of the message's round, None if that is not known.
        """
        request = message.signed.request
        if request.engine not in ENGINES:
            return None
        known = self._at(request.epoch, request.height)
        if known.owed.pop(member, None) is not None:
            return "it claimed a block and did not show it to the next leader"
        if request.phase is Phase.COMMIT:
            place = request.round, request.digest
            known.commits.setdefault(place, set()).add(member)
            known.locks[member] = max(known.locks.get(member, place), place)
            return self._unsupported(configuration, known, place)
        if request.phase in {Phase.FIRST, Phase.PROPOSAL}:
            return self._fault(configuration, request)
        claimed = _claimed(message)
        if claimed is not None and leader not in {None, member}:
            known.owed[member] = claimed
        return _untold(message, request.round, known.locks.get(member))

    def passed_on(
        self, configuration: Configuration, member: int, message: ProposalMessage
    ) -> None:
        """A correct member sends a block with what proves it, whoever proposed that."""
        request = message.signed.request
        known = self._at(request.epoch, request.height)
        if known.owed.get(member) != (request.round, request.digest) or not message.proposal:
            return
        try:
            proof = raft_bytes.decode_proof(message.justification, configuration, request.height)
        except EncodingError:
            # It relays what a liar made.
            return
        if isinstance(proof, raft_bytes.Appended):
            del known.owed[member]

    def _faulty(self, configuration: Configuration) -> set[int] | None:
        """Members that break the protocol; None if the quorum does not bear so many."""
        members = range(len(configuration.members))
        faulty = {one for one in members if not self._is_correct(configuration, one)}
        total = _weight(configuration, members)
        bears = _weight(configuration, faulty) <= safe_faults(total, configuration.quorum)
        return faulty if bears else None

    def _unsupported(
        self, configuration: Configuration, known: _Height, place: tuple[int, bytes]
    ) -> str | None:
        faulty = self._faulty(configuration)
        if faulty is None:
            return None
        able = faulty | known.supports.get(place, set())
        if _weight(configuration, able) < configuration.quorum:
            return f"it commits what only {sorted(able)} can have supported"
        return None

    def _fault(self, configuration: Configuration, request: VoteRequest) -> str | None:
        faulty = self._faulty(configuration)
        if faulty is None:
            return None
        members = range(len(configuration.members))
        needed = configuration.quorum
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


def _untold(message: ConsensusMessage, round_: int, lock: tuple[int, bytes] | None) -> str | None:
    """Whether a request for a round hides or changes what its author gave a commit vote for."""
    if lock is None or lock[0] >= round_:
        return None
    match message:
        case EngineMessage(kind=pbft_bytes.VIEW_CHANGE):
            prepared = pbft_bytes.decode_change(message.body)
            told = None if prepared is None else (prepared.round, prepared.digest)
        case EngineMessage(kind=raft_bytes.REQUEST_VOTE):
            claim = raft_bytes.decode_claim(message.body)
            told = None if claim is None else claim.place
        case ProposalMessage():
            shown = paxos_bytes.decode_shown(message.justification)
            told = None if shown is None else shown.claim.place
        case _:
            # A 1a of Paxos says nothing but its ballot.
            return None
    if told is None or told < lock:
        return f"it asks for round {round_} and does not tell of its commit vote in {lock[0]}"
    return None


def _claimed(message: ConsensusMessage) -> tuple[int, bytes] | None:
    """The block that a request for votes of Raft claims: its proof goes to the next leader."""
    match message:
        case EngineMessage(kind=raft_bytes.REQUEST_VOTE):
            claim = raft_bytes.decode_claim(message.body)
            return None if claim is None else claim.place
        case _:
            return None


def _staying(known: _Height, members: Iterable[int], round_: int) -> set[int]:
    """Members that may still vote in a round."""
    return {one for one in members if known.left.get(one, 0) <= round_}


def _weight(configuration: Configuration, members: Iterable[int]) -> int:
    return sum(configuration.members[one].weight for one in members)
