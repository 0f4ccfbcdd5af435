"""Whether members support only what the proposals that reached them justify.

A member that accepts a proposal of a later round was shown why its leader may make it; one that
gives a commit vote in Raft was shown the append votes of a quorum. These books keep what reached
whom, and judge it apart from the engines' own checks (`new_rounds`).
"""

from collections.abc import Callable, Sequence

from bubi.consensus.engine import Configuration, ProposalMessage, Signatures
from bubi.consensus.guard import Phase, VoteRequest
from bubi.encoding import EncodingError
from bubi.simulation.new_rounds import new_round_fault, quorum_fault

HEIGHTS_KEPT = 64
"""Heights of which proposals are remembered."""
JUDGED_MAX = 1_000
SHOWING = frozenset({"raft"})
"""Engines whose leaders show the votes of a quorum before anybody gives a commit vote."""

VOTE_CHECKERS = {
    Phase.FIRST: "accepted_proposals_hold",
    Phase.COMMIT: "commit_votes_hold",
}
"""The name under which a vote that is not justified is a violation."""

Judge = Callable[[Signatures, Configuration, ProposalMessage], str | None]


class Justified:
    """What reached each node that follows the protocol, by its number."""

    def __init__(self, signatures: Signatures) -> None:
        self._signatures = signatures
        self._heard: dict[int, dict[tuple[int, int, bytes], list[ProposalMessage]]] = {}
        self._judged: dict[tuple[int, Judge], tuple[ProposalMessage, str | None]] = {}

    def heard(self, node: int, message: ProposalMessage) -> None:
        """A proposal, or what else a leader says in that form, arrives at a node or leaves it."""
        request = message.signed.request
        if request.phase is Phase.GRANT:
            return
        known = self._heard.setdefault(request.height, {})
        same = known.setdefault((node, request.round, request.digest), [])
        if all(one is not message for one in same):
            same.append(message)
        if len(self._heard) > HEIGHTS_KEPT:
            del self._heard[min(self._heard)]

    def proposed(self, configuration: Configuration, message: ProposalMessage) -> str | None:
        """What is wrong with what a node itself says as a leader."""
        return self._fault(new_round_fault, configuration, message)

    def voted(self, node: int, configuration: Configuration, request: VoteRequest) -> str | None:
        """Why a node should not have given a vote, after all that reached it."""
        same = [
            one for one in self._known(node, request) if one.signed.request.epoch == request.epoch
        ]
        if request.phase is Phase.FIRST:
            faults = [
                self._fault(new_round_fault, configuration, one)
                for one in same
                if one.proposal and not _shows(one, request)
            ]
            return faults[0] if faults and None not in faults else None
        if request.phase is Phase.COMMIT and request.engine in SHOWING:
            faults = [self._fault(quorum_fault, configuration, one) for one in same]
            if None not in faults:
                return next(iter(faults), None) or "no votes of a quorum were shown to it"
        return None

    def _known(self, node: int, request: VoteRequest) -> Sequence[ProposalMessage]:
        return self._heard.get(request.height, {}).get((node, request.round, request.digest), ())

    def _fault(
        self, judge: Judge, configuration: Configuration, message: ProposalMessage
    ) -> str | None:
        """Members share objects, and each is judged once."""
        known = self._judged.get((id(message), judge))
        if known is not None and known[0] is message:
            return known[1]
        try:
            fault = judge(self._signatures, configuration, message)
        except EncodingError as error:
            fault = str(error)
        if len(self._judged) >= JUDGED_MAX:
            self._judged.clear()
        # The entry holds the object, so that its id belongs to no other one meanwhile.
        self._judged[id(message), judge] = (message, fault)
        return fault


def _shows(message: ProposalMessage, request: VoteRequest) -> bool:
    """Whether it shows votes of a quorum instead of proposing: raft's variant 3."""
    return request.engine in SHOWING and message.justification[:1] == b"\3"
