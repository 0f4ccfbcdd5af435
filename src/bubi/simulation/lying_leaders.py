"""How a leader lies about why it may propose in a later round.

Raft and Paxos justify such a round in the same way: members of a quorum asked for it, each with a
claim of the newest block that it may have given a commit vote for, and votes of a quorum of an
earlier round stand behind what is proposed. Each lie spoils one of these and keeps the rest, so
that none hides behind another.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from random import Random

from bubi.consensus.engine import (
    Certificate,
    Configuration,
    ConsensusMessage,
    ProposalMessage,
    VoteMessage,
)
from bubi.consensus.guard import Phase, VoteRequest
from bubi.consensus.parts import Votes

TOLD_MAX = 3
"""Lies told to one peer at a time; a node takes few messages with one signature."""

Place = tuple[int, bytes]
"""Round and digest of a block."""


@dataclass(frozen=True, slots=True)
class Liar:
    """What a liar has to lie with: its number and key, the set, what it heard.

    `other` makes the same proposal with another block, None where that cannot be made.
    """

    random: Random
    number: int
    configuration: Configuration
    heard: Sequence[ConsensusMessage]
    sign: Callable[[VoteRequest], VoteMessage]
    hash: Callable[[bytes], bytes]
    other: Callable[[ProposalMessage], ProposalMessage | None]


@dataclass(frozen=True, slots=True)
class Asked:
    """A member that asked for the round, and what it claims."""

    member: int
    signature: bytes
    claim: Place | None


@dataclass(frozen=True, slots=True)
class Proof:
    """Why a leader may propose: who asked, and the votes of the round that it shows."""

    asked: tuple[Asked, ...]
    shown: tuple[int, Votes] | None
    parent: Certificate | None


@dataclass(frozen=True, slots=True)
class Lie:
    """Another proof, and whether another block is proposed with it."""

    proof: Proof
    other: bool = False


Ask = Callable[[Liar, int, int, Place | None], Asked]
"""The own request for a round of a height, with a claim."""


def lies(liar: Liar, message: ProposalMessage, proof: Proof, ask: Ask) -> list[Lie]:
    """What one peer is told one after another: about one block, since only the first counts."""
    chosen = liar.random.sample(LIES, len(LIES))
    other = liar.random.randrange(3) == 0
    found: list[Lie] = []
    for make in chosen:
        lie = make(liar, message, proof, ask)
        if lie is None or lie == Lie(proof):
            continue
        if other and proof.shown is None:
            # Nothing binds the leader to a block.
            lie = replace(lie, other=True)
        if lie.other == other:
            found.append(lie)
    return found[:TOLD_MAX]


def told(
    liar: Liar,
    message: ProposalMessage,
    proof: Proof,
    ask: Ask,
    encode: Callable[[Proof], bytes],
) -> list[ProposalMessage]:
    """The messages that tell these lies; `encode` makes a justification of a proof."""
    found = lies(liar, message, proof, ask)
    base = liar.other(message) if any(one.other for one in found) else message
    if base is None:
        return []
    return [replace(base, justification=encode(one.proof)) for one in found]


# --- who asked -----------------------------------------------------------------------------------


def _minority(liar: Liar, _: ProposalMessage, proof: Proof, __: Ask) -> Lie | None:
    """Some of those who asked."""
    count = liar.random.randrange(len(proof.asked))
    some = sorted(liar.random.sample(range(len(proof.asked)), count))
    return Lie(replace(proof, asked=tuple(proof.asked[at] for at in some)))


def _repeated(liar: Liar, _: ProposalMessage, proof: Proof, __: Ask) -> Lie | None:
    """One of them as often as a quorum has members."""
    count = len(proof.asked)
    if liar.random.randrange(2):
        return Lie(replace(proof, asked=(liar.random.choice(proof.asked),) * count))
    one, gone = (liar.random.randrange(count) for _ in range(2))
    rest = [asked for at, asked in enumerate(proof.asked) if at != gone]
    some = sorted([*rest, proof.asked[one]], key=lambda asked: asked.member)
    return Lie(replace(proof, asked=tuple(some)))


def _forged(liar: Liar, _: ProposalMessage, proof: Proof, __: Ask) -> Lie | None:
    """Some who never asked: their signature is another's, or noise."""
    random = liar.random
    noise = random.randbytes(64), random.choice(proof.asked).signature
    at = random.randrange(len(proof.asked))
    if proof.asked[at].member == liar.number:
        return None
    forged = replace(proof.asked[at], signature=random.choice(noise), claim=None)
    return Lie(replace(proof, asked=(*proof.asked[:at], forged, *proof.asked[at + 1 :])))


def _stranger(liar: Liar, _: ProposalMessage, proof: Proof, __: Ask) -> Lie | None:
    """A member that there is not."""
    number = len(liar.configuration.members) + liar.random.randrange(3)
    made = replace(proof.asked[-1], member=number)
    return Lie(replace(proof, asked=(*proof.asked[:-1], made)))


# --- what they claim -----------------------------------------------------------------------------


def _withdrawn(_: Liar, __: ProposalMessage, proof: Proof, ___: Ask) -> Lie | None:
    """They claimed nothing, so that anything may be proposed."""
    if all(one.claim is None for one in proof.asked):
        return None
    silent = tuple(replace(one, claim=None) for one in proof.asked)
    return Lie(replace(proof, asked=silent, shown=None), other=True)


def _ignored(_: Liar, __: ProposalMessage, proof: Proof, ___: Ask) -> Lie | None:
    """They claim something, and something else is proposed."""
    if all(one.claim is None for one in proof.asked):
        return None
    return Lie(replace(proof, shown=None), other=True)


def _unproven(liar: Liar, message: ProposalMessage, proof: Proof, ask: Ask) -> Lie | None:
    """The own claim goes beyond what is shown: to a later round, or to another block of it."""
    round_ = message.signed.request.round
    lowest = proof.shown[0] if proof.shown is not None else 0
    if lowest >= round_:
        return None
    at = lowest if liar.random.randrange(2) else liar.random.randrange(lowest, round_)
    claim = at, liar.random.choice([*_digests(liar, message), liar.random.randbytes(32)])
    own = ask(liar, message.height, round_, claim)
    others = [one for one in proof.asked if one.member != liar.number]
    some = sorted([own, *others[: len(proof.asked) - 1]], key=lambda asked: asked.member)
    return Lie(replace(proof, asked=tuple(some)))


def _digests(liar: Liar, message: ProposalMessage) -> list[bytes]:
    """Other blocks of the height that one heard of."""
    own = message.signed.request.digest
    heard = (one.signed.request for one in liar.heard if one.height == message.height)
    votes = {one.digest for one in heard if one.phase in {Phase.FIRST, Phase.PROPOSAL}}
    return sorted(votes - {own})


# --- what is shown -------------------------------------------------------------------------------


def _no_quorum(liar: Liar, message: ProposalMessage, proof: Proof, __: Ask) -> Lie | None:
    """Votes of too few, of one many times, or with signatures of nobody."""
    round_ = message.signed.request.round
    if proof.shown is None:
        if round_ == 0:
            return None
        at = liar.random.randrange(round_)
        made = tuple((one.member, one.signature) for one in proof.asked)
        return Lie(replace(proof, shown=(at, spoilt_votes(liar.random, made))))
    at, votes = proof.shown
    return Lie(replace(proof, shown=(at, spoilt_votes(liar.random, votes))))


def _for_another(_: Liar, __: ProposalMessage, proof: Proof, ___: Ask) -> Lie | None:
    """The votes of a quorum, under another block."""
    return None if proof.shown is None else Lie(proof, other=True)


def _of_another_round(liar: Liar, message: ProposalMessage, proof: Proof, _: Ask) -> Lie | None:
    """The votes of a quorum, said to be of this round or of the one before."""
    if proof.shown is None:
        return None
    round_ = message.signed.request.round
    return Lie(replace(proof, shown=(liar.random.choice((round_ - 1, round_)), proof.shown[1])))


def spoilt_votes(random: Random, votes: Votes) -> Votes:
    """Votes that look like those of a quorum and are not."""
    if not votes:
        return votes
    at = random.randrange(len(votes))
    match random.randrange(4):
        case 0:
            return votes[:at] + votes[at + 1 :]
        case 1:
            return tuple(sorted((*votes[:at], *votes[at + 1 :], votes[at - 1])))
        case 2:
            return tuple((member, votes[at][1]) for member, _ in votes)
        case _:
            forged = votes[at][0], random.randbytes(64)
            return (*votes[:at], forged, *votes[at + 1 :])


def answers(liar: Liar, message: ProposalMessage) -> Votes | None:
    """First votes of a quorum for what the liar itself proposed, None until there are so many."""
    request = replace(message.signed.request, phase=Phase.FIRST)
    votes = {liar.number: liar.sign(request).signature}
    for one in liar.heard:
        if one.signed.request == request:
            votes[one.signed.validator] = one.signed.signature
    members = liar.configuration.members
    weight = sum(members[member].weight for member in votes if member < len(members))
    return tuple(sorted(votes.items())) if weight >= liar.configuration.quorum else None


Make = Callable[[Liar, ProposalMessage, Proof, Ask], Lie | None]
LIES: tuple[Make, ...] = (
    _minority,
    _repeated,
    _forged,
    _stranger,
    _withdrawn,
    _ignored,
    _unproven,
    _no_quorum,
    _for_another,
    _of_another_round,
)
