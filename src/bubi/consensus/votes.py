"""Votes of members: counting, certificates, evidence. Shared by every engine with peers.

A keeper holds one statement per (member, round, phase), the first one that came. A second,
different one is evidence and is handed back once. Keepers are immutable; `add` costs a few small
copies, whatever the number of rounds.
"""

import itertools
from collections.abc import Iterable
from typing import NamedTuple

from bubi.consensus.engine import Certificate, Configuration, Signatures, VoteMessage
from bubi.consensus.guard import Phase, VoteRequest

Statement = tuple[bytes, bytes]
"""(digest, outcome): what members of one round and phase agree or differ on."""


class Tally(NamedTuple):
    """Votes of one round and phase by member, and the weight behind each statement."""

    votes: dict[int, VoteMessage]
    weights: dict[Statement, int]


class Added(NamedTuple):
    """What a vote changed.

    `weight` stands behind the vote's statement now, 0 if the vote changed nothing. `conflict` is
    the earlier statement of the same member that the vote contradicts, the first time only.
    """

    keeper: "VoteKeeper"
    weight: int
    conflict: VoteMessage | None = None


EMPTY = Tally({}, {})


class VoteKeeper(NamedTuple):
    """Votes of one height. `reported` names the (member, round, phase) whose conflict is known."""

    tallies: dict[tuple[int, Phase], Tally]
    reported: frozenset[tuple[int, int, Phase]] = frozenset()

    def add(self, vote: VoteMessage, weight: int) -> Added:
        """Counts a vote of a member with this weight."""
        request = vote.request
        member = vote.validator
        key = (request.round, request.phase)
        tally = self.tallies.get(key, EMPTY)
        earlier = tally.votes.get(member)
        if earlier is not None:
            return self._again(earlier, vote)
        statement = (request.digest, request.outcome)
        reached = tally.weights.get(statement, 0) + weight
        grown = Tally({**tally.votes, member: vote}, {**tally.weights, statement: reached})
        return Added(VoteKeeper({**self.tallies, key: grown}, self.reported), reached)

    def _again(self, earlier: VoteMessage, vote: VoteMessage) -> Added:
        mark = (vote.validator, vote.request.round, vote.request.phase)
        if earlier.request == vote.request or mark in self.reported:
            return Added(self, 0)
        return Added(VoteKeeper(self.tallies, self.reported | {mark}), 0, earlier)

    def weight(self, round_: int, phase: Phase, digest: bytes, outcome: bytes = b"") -> int:
        """Weight behind a statement."""
        return self.tallies.get((round_, phase), EMPTY).weights.get((digest, outcome), 0)

    def has(self, member: int, round_: int, phase: Phase) -> bool:
        """Whether a member has voted."""
        return member in self.tallies.get((round_, phase), EMPTY).votes

    def certificate(self, configuration: Configuration, request: VoteRequest) -> Certificate:
        """The lowest members whose weight makes a quorum for a request.

        Raises:
            ValueError: there is no quorum (a defect of the caller).
        """
        tally = self.tallies.get((request.round, request.phase), EMPTY)
        votes = []
        weight = 0
        for member in sorted(tally.votes):
            vote = tally.votes[member]
            if vote.request != request:
                continue
            votes.append((member, vote.signature))
            weight += configuration.members[member].weight
            if weight >= configuration.quorum:
                return Certificate(request, tuple(votes))
        msg = "no quorum stands behind this statement"
        raise ValueError(msg)

    def within(self, low: int, high: int) -> "VoteKeeper":
        """Without the votes of rounds outside `low` to `high`."""
        return VoteKeeper(
            {key: tally for key, tally in self.tallies.items() if low <= key[0] <= high},
            frozenset(mark for mark in self.reported if low <= mark[1] <= high),
        )


NO_VOTES = VoteKeeper({})


def weight_of(configuration: Configuration, members: Iterable[int]) -> int:
    """Sum of the weights of these distinct members."""
    return sum(configuration.members[member].weight for member in members)


def is_statement_of(configuration: Configuration, request: VoteRequest, height: int) -> bool:
    """Whether a request belongs to the epoch, engine and height in work."""
    return (
        request.height == height
        and request.epoch == configuration.epoch
        and request.engine == configuration.engine
    )


def certificate_fault(
    signatures: Signatures, configuration: Configuration, certificate: Certificate
) -> str | None:
    """Why a received certificate does not hold, None if it does.

    Its epoch and engine must be those of the configuration, its members in the set, ascending and
    therefore distinct, their weight a quorum, every signature right. Phase, height, round, digest
    and outcome are what the caller expects in it, and the caller's to compare.
    """
    request = certificate.request
    if (request.epoch, request.engine) != (configuration.epoch, configuration.engine):
        return "another epoch or engine"
    members = [member for member, _ in certificate.votes]
    if any(low >= high for low, high in itertools.pairwise(members)):
        return "members are not ascending"
    if not members or members[0] < 0 or members[-1] >= len(configuration.members):
        return "not a member"
    if weight_of(configuration, members) < configuration.quorum:
        return "not a quorum"
    for member, signature in certificate.votes:
        if not signatures.verify(configuration, VoteMessage(member, request, signature)):
            return "a signature is wrong"
    return None
