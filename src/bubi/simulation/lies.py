"""Lies in the words of PBFT: view changes and new views that claim what is not so.

Each keeps the right encoding, so that it is refused for what it says or not at all.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from random import Random

from bubi.consensus.engine import (
    Certificate,
    Configuration,
    ConsensusMessage,
    EngineMessage,
    ProposalMessage,
    VoteMessage,
    parent_round,
)
from bubi.consensus.guard import Phase, VoteRequest
from bubi.consensus.parts import (
    EpochStart,
    Fresh,
    Prepared,
    Votes,
    change_vote,
    signed_bytes,
)
from bubi.consensus.pbft_bytes import (
    VIEW_CHANGE,
    NewView,
    SignedChange,
    decode_change,
    decode_justification,
    encode_change,
    encode_justification,
)
from bubi.encoding import EncodingError


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What a liar has to make a round of: what it heard, the block below, its key and a hash.

    `height` is the one in work; `parent` certifies the one below.
    """

    configuration: Configuration
    height: int
    parent: Certificate | None
    heard: Sequence[ConsensusMessage]
    sign: Callable[[VoteRequest], VoteMessage]
    hash: Callable[[bytes], bytes]


@dataclass(frozen=True, slots=True)
class Round:
    """A round that a liar begins: its justification, and the block that this makes it propose.

    Without `prepared` it may propose what it likes.
    """

    round: int
    justification: bytes
    prepared: Prepared | None


@dataclass(frozen=True, slots=True)
class Words:
    """How an engine's members lie.

    `kind` names its requests for a round; `body` makes another body for one, `justification`
    another justification for a proposal. `promise` makes another message that supports a leader,
    and the bytes whose hash it signs, where the protocol has such messages. `premature` makes what
    a leader may only say once a quorum has answered its proposal, where there is such a thing.
    `reasoned` justifies a round that the liar leads by words of its own that are not so; `usurped`
    a round that somebody else leads.
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
    reasoned: Callable[[Random, ProposalMessage, Knowledge], Round | None] | None = None
    usurped: Callable[[Random, Knowledge], Round | None] | None = None


def change_body(
    random: Random, body: bytes, height: int, round_: int, heard: Sequence[ConsensusMessage]
) -> bytes | None:
    """Another body for a view change to `round_`."""
    try:
        prepared = decode_change(body)
    except EncodingError:
        prepared = None
    choice = random.randrange(8)
    if choice == 0:
        return encode_change(None)
    if choice >= 6:
        return _gathered_change(random, height, heard, mixed=choice == 7)
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


def _gathered_change(
    random: Random, height: int, heard: Sequence[ConsensusMessage], *, mixed: bool
) -> bytes | None:
    """A certificate as it was heard, whatever round it is of; `mixed`: with votes of others."""
    known = gathered(height, heard)
    if not known:
        return None
    most = max(len(one.votes) for one in known)
    chosen = random.choice([one for one in known if len(one.votes) == most])
    if mixed:
        others: dict[int, bytes] = {}
        for one in known:
            others.update(one.votes)
        chosen = replace(chosen, votes=tuple(sorted({**others, **dict(chosen.votes)}.items())))
    return encode_change(chosen)


def gathered(height: int, heard: Sequence[ConsensusMessage]) -> list[Prepared]:
    """Each proposal of a height and round that was heard, with the first votes that were."""
    votes: dict[VoteRequest, dict[int, bytes]] = {}
    proposals: dict[VoteRequest, ProposalMessage] = {}
    for one in heard:
        signed = one.signed
        if signed.height != height or signed.request.phase is not Phase.FIRST:
            continue
        votes.setdefault(signed.request, {})[signed.validator] = signed.signature
        if isinstance(one, ProposalMessage) and one.proposal:
            proposals[signed.request] = one
    return [
        Prepared(
            request.round,
            request.digest,
            one.proposal,
            one.payload,
            tuple(sorted(votes[request].items())),
        )
        for request, one in proposals.items()
    ]


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
    match random.randrange(5):
        case 0:
            changes = changes[:1]
        case 1:
            changes = (changes[0], *changes[:-1])
        case 4:
            changes = changes[:-1]
        case 2:
            changes = tuple(replace(one, body=encode_change(None)) for one in changes)
        case _:
            pass
    return encode_justification(NewView(changes, justification.parent))


def reasoned_view(random: Random, message: ProposalMessage, known: Knowledge) -> Round | None:
    """The new view of a proposal with another view change of the liar's own in it.

    The rest of it is true, so that it holds or not for what this one says. It proposes what
    follows from it.
    """
    configuration, request = known.configuration, message.signed.request
    own = configuration.own
    try:
        view = decode_justification(message.justification, configuration, request.height)
    except EncodingError:
        return None
    if not isinstance(view, NewView) or own is None:
        return None
    changes = {change.member: change for change in view.changes}
    told = changes[own].body if own in changes else b""
    body = change_body(random, told, request.height, request.round, known.heard)
    if body is None:
        return None
    if own not in changes:
        del changes[max(changes)]
    digest = known.hash(signed_bytes(VIEW_CHANGE, body))
    signed = known.sign(change_vote(configuration, request.height, request.round, digest))
    changes[own] = SignedChange(own, signed.signature, body)
    return _round_of(request.round, list(changes.values()), view.parent)


def usurped_round(random: Random, known: Knowledge) -> Round | None:
    """A round that others asked for, or the first of the height: as its leader would begin it."""
    configuration = known.configuration
    asked: dict[int, dict[int, SignedChange]] = {}
    for one in known.heard:
        if isinstance(one, EngineMessage) and one.height == known.height:
            signed = one.signed
            change = SignedChange(signed.validator, signed.signature, one.body)
            asked.setdefault(signed.request.round, {})[signed.validator] = change
    complete = {
        round_: changes
        for round_, changes in asked.items()
        if sum(configuration.members[member].weight for member in changes)
        >= configuration.quorum
    }
    begins = parent_round(configuration, known.parent)
    parent = known.parent if begins is not None else None
    if complete and random.random() < 0.8:
        round_ = random.choice(sorted(complete)[-2:])
        return _round_of(round_, list(complete[round_].values()), parent)
    if parent is None or begins is None:
        return Round(0, encode_justification(EpochStart()), None)
    first = begins + int(configuration.turn_ends(known.height))
    return Round(first, encode_justification(Fresh(parent)), None)


def _round_of(
    round_: int, changes: Sequence[SignedChange], parent: Certificate | None
) -> Round | None:
    """A new view of these view changes, and what it must propose."""
    best: Prepared | None = None
    for change in changes:
        try:
            prepared = decode_change(change.body)
        except EncodingError:
            continue
        if prepared is not None and (best is None or prepared.round > best.round):
            best = prepared
    view = NewView(tuple(sorted(changes, key=lambda one: one.member)), parent)
    try:
        return Round(round_, encode_justification(view), best)
    except EncodingError:
        return None


PBFT = Words(
    VIEW_CHANGE, change_body, new_view, reasoned=reasoned_view, usurped=usurped_round
)
