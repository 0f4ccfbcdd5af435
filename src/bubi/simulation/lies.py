"""Lies in the words of PBFT: view changes and new views that claim what is not so.

Each keeps the right encoding, so that it is refused for what it says or not at all.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from random import Random

from bubi.consensus.engine import (
    Configuration,
    ConsensusMessage,
    EngineMessage,
    ProposalMessage,
    VoteMessage,
)
from bubi.consensus.parts import Prepared, Votes
from bubi.consensus.pbft_bytes import (
    VIEW_CHANGE,
    NewView,
    decode_change,
    decode_justification,
    encode_change,
    encode_justification,
)
from bubi.encoding import EncodingError
from bubi.simulation.lying_leaders import Liar


@dataclass(frozen=True, slots=True)
class Words:
    """How an engine's members lie.

    `kind` names its requests for a round; `body` makes another body for one, `justification`
    another justification for a proposal. `promise` makes another message that supports a leader,
    and the bytes whose hash it signs, where the protocol has such messages. `premature` makes what
    a leader may only say once a quorum has answered its proposal, where there is such a thing.
    `leads` makes what a peer is told instead of a proposal for a later round, `beside` what is
    said beside a request for one; `late` proves a proposal by the votes that it brought about.
    """

    kind: str
    body: Callable[[Random, bytes, int, int, Sequence[ConsensusMessage]], bytes | None]
    justification: Callable[[Random, ProposalMessage, Configuration], bytes | None]
    promise: (
        Callable[
            [Random, ProposalMessage, Sequence[ConsensusMessage]],
            tuple[bytes, ProposalMessage] | None,
        ]
        | None
    ) = None
    premature: Callable[[Random, ProposalMessage, Configuration], ProposalMessage] | None = None
    leads: Callable[[Liar, ProposalMessage], Sequence[ProposalMessage]] | None = None
    beside: Callable[[Liar, EngineMessage], ProposalMessage | None] | None = None
    late: Callable[[Liar, ProposalMessage], ProposalMessage | None] | None = None


def change_body(
    random: Random, body: bytes, height: int, round_: int, heard: Sequence[ConsensusMessage]
) -> bytes | None:
    """Another body for a view change to `round_`."""
    try:
        prepared = decode_change(body)
    except EncodingError:
        prepared = None
    choice = random.randrange(6)
    if choice == 0:
        return encode_change(None)
    if prepared is None:
        prepared = _invented(random, height, round_, heard)
        if prepared is None:
            return None
    votes = prepared.votes
    match choice:
        case 1:
            lie = replace(prepared, votes=votes[:-1])
        case 2:
            lie = replace(prepared, votes=repeated(votes))
        case 3:
            lie = replace(prepared, round=round_ + random.randrange(3))
        case 4:
            lie = replace(prepared, votes=borrowed(votes))
        case _:
            lie = _invented(random, height, round_, heard) or prepared
    try:
        return encode_change(lie)
    except EncodingError:
        return None


def repeated(votes: Votes) -> Votes:
    """One signer counted several times."""
    return tuple(sorted((votes[0], *votes[:-1]))) if votes else votes


def borrowed(votes: Votes) -> Votes:
    """One signature under the names of all."""
    return tuple((member, votes[0][1]) for member, _ in votes)


def _invented(
    random: Random, height: int, round_: int, heard: Sequence[ConsensusMessage]
) -> Prepared | None:
    """A certificate of the first votes that were heard for some proposal, however few they are."""
    proposals = [one for one in heard if isinstance(one, ProposalMessage) and one.height == height]
    if not proposals:
        return None
    chosen = random.choice(proposals)
    request = chosen.signed.request
    votes: dict[int, bytes] = {chosen.signed.validator: chosen.signed.signature}
    for one in heard:
        if isinstance(one, VoteMessage) and one.request == request:
            votes[one.validator] = one.signature
    found = tuple(sorted(votes.items()))
    # As many names as a quorum needs, the missing ones made up.
    padded = dict(found)
    for member in range(len(found), 3 * len(found) + 3):
        padded.setdefault(member, random.randbytes(64))
    some = found if random.random() < 0.5 else tuple(sorted(padded.items()))
    return Prepared(
        request.round if random.random() < 0.7 else max(0, round_ - 1),
        request.digest,
        chosen.proposal,
        chosen.payload,
        some,
    )


def new_view(
    random: Random, message: ProposalMessage, configuration: Configuration
) -> bytes | None:
    """Another justification for a proposal in a new view, None if it is none."""
    request = message.signed.request
    try:
        justification = decode_justification(message.justification, configuration, request.height)
    except EncodingError:
        return None
    if not isinstance(justification, NewView):
        return None
    changes = justification.changes
    match random.randrange(4):
        case 0:
            changes = changes[:1]
        case 1:
            changes = (changes[0], *changes[:-1])
        case 2:
            changes = tuple(replace(one, body=encode_change(None)) for one in changes)
        case _:
            pass
    return encode_justification(NewView(changes, justification.parent))


PBFT = Words(VIEW_CHANGE, change_body, new_view)
