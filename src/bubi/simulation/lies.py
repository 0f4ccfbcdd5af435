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
from bubi.simulation.lying_leaders import Liar, answers


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
    reasoned: Callable[[Liar, ProposalMessage], Round | None] | None = None
    usurped: Callable[[Liar, int, Certificate | None], Round | None] | None = None
    leads: Callable[[Liar, ProposalMessage], Sequence[ProposalMessage]] | None = None
    beside: Callable[[Liar, EngineMessage], ProposalMessage | None] | None = None
    late: Callable[[Liar, ProposalMessage], ProposalMessage | None] | None = None


def change_body(
    random: Random, body: bytes, height: int, round_: int, heard: Sequence[ConsensusMessage]
) -> bytes | None:
    """Another body for a view change to `round_`: it hides a certificate, or shows a wrong one."""
    try:
        prepared = decode_change(body)
    except EncodingError:
        prepared = None
    if random.randrange(7) == 0:
        return encode_change(None)
    known = gathered(height, heard)
    if prepared is not None:
        known += [prepared] * 2
    if not known:
        return None
    lie = random.choice(_DEFECTS)(random, random.choice(known), round_, known)
    try:
        return encode_change(lie)
    except EncodingError:
        return None


Known = Sequence[Prepared]


def _as_heard(random: Random, _: Prepared, __: int, known: Known) -> Prepared:
    """As many votes as there are, whatever round they are of."""
    most = max(len(one.votes) for one in known)
    return random.choice([one for one in known if len(one.votes) == most])


def _short(random: Random, prepared: Prepared, _: int, __: Known) -> Prepared:
    return replace(prepared, votes=prepared.votes[: -random.randint(1, 2)] or prepared.votes)


def _repeated(random: Random, prepared: Prepared, _: int, __: Known) -> Prepared:
    """One signer counted until it is enough."""
    votes = prepared.votes
    if random.random() < 0.5:
        return replace(prepared, votes=repeated(votes))
    first = votes[:1] * (len(votes) + 1)
    return replace(prepared, votes=(*first, *votes))


def _of_another_round(random: Random, prepared: Prepared, round_: int, _: Known) -> Prepared:
    return replace(prepared, round=max(0, round_ + random.randint(-2, 2)))


def _borrowed(_: Random, prepared: Prepared, __: int, ___: Known) -> Prepared:
    return replace(prepared, votes=borrowed(prepared.votes))


def _padded(random: Random, prepared: Prepared, _: int, __: Known) -> Prepared:
    """As many names as a quorum needs, the missing signatures made up."""
    votes = dict(prepared.votes)
    for member in range(2 * len(votes) + 2):
        votes.setdefault(member, random.randbytes(8))
    return replace(prepared, votes=tuple(sorted(votes.items())))


def _mixed(_: Random, prepared: Prepared, __: int, known: Known) -> Prepared:
    """With votes that others gave for something else."""
    votes: dict[int, bytes] = {}
    for one in known:
        votes.update(one.votes)
    return replace(prepared, votes=tuple(sorted({**votes, **dict(prepared.votes)}.items())))


def _unbound(random: Random, prepared: Prepared, _: int, known: Known) -> Prepared:
    """With the block of another certificate."""
    other = random.choice(known)
    return replace(prepared, proposal=other.proposal, payload=other.payload)


_DEFECTS = (
    _as_heard,
    _short,
    _repeated,
    _of_another_round,
    _borrowed,
    _padded,
    _mixed,
    _unbound,
)


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


def reasoned_view(liar: Liar, message: ProposalMessage) -> Round | None:
    """The new view of a proposal with another view change of the liar's own in it.

    The rest of it is true, so that it holds or not for what this one says. It proposes what
    follows from it.
    """
    request = message.signed.request
    return _with_own_change(
        liar,
        message,
        lambda told: change_body(liar.random, told, request.height, request.round, liar.heard),
    )


def _with_own_change(
    liar: Liar, message: ProposalMessage, make: Callable[[bytes], bytes | None]
) -> Round | None:
    """A new view with the body that is made for the liar's view change, None if it is none."""
    configuration, request = liar.configuration, message.signed.request
    own = configuration.own
    try:
        view = decode_justification(message.justification, configuration, request.height)
    except EncodingError:
        return None
    if not isinstance(view, NewView) or own is None:
        return None
    changes = {change.member: change for change in view.changes}
    body = make(changes[own].body if own in changes else b"")
    if body is None:
        return None
    if own not in changes:
        del changes[max(changes)]
    digest = liar.hash(signed_bytes(VIEW_CHANGE, body))
    signed = liar.sign(change_vote(configuration, request.height, request.round, digest))
    changes[own] = SignedChange(own, signed.signature, body)
    return _round_of(request.round, list(changes.values()), view.parent)


def reasoned_by_its_answers(liar: Liar, message: ProposalMessage) -> ProposalMessage | None:
    """The new view again, once a quorum voted for it: the own view change shows these votes.

    No member had them when it asked for the round.
    """
    votes = answers(liar, message)
    if votes is None or not message.proposal:
        return None
    request = message.signed.request
    shown = Prepared(request.round, request.digest, message.proposal, message.payload, votes)
    begun = _with_own_change(liar, message, lambda _: encode_change(shown))
    return None if begun is None else replace(message, justification=begun.justification)


def usurped_round(liar: Liar, height: int, parent: Certificate | None) -> Round | None:
    """A round that others asked for, or the first of the height: as its leader would begin it."""
    configuration = liar.configuration
    members = configuration.members
    asked: dict[int, dict[int, SignedChange]] = {}
    for one in liar.heard:
        if isinstance(one, EngineMessage) and one.height == height:
            signed = one.signed
            if signed.validator >= len(members):
                # A member of another epoch, or a name that nobody bears.
                continue
            change = SignedChange(signed.validator, signed.signature, one.body)
            asked.setdefault(signed.request.round, {})[signed.validator] = change
    complete = {
        round_: changes
        for round_, changes in asked.items()
        if sum(members[member].weight for member in changes) >= configuration.quorum
    }
    begins = parent_round(configuration, parent)
    parent = parent if begins is not None else None
    if complete and liar.random.random() < 0.8:
        round_ = liar.random.choice(sorted(complete)[-2:])
        return _round_of(round_, list(complete[round_].values()), parent)
    if parent is None or begins is None:
        return Round(0, encode_justification(EpochStart()), None)
    first = begins + int(configuration.turn_ends(height))
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
    VIEW_CHANGE,
    change_body,
    new_view,
    reasoned=reasoned_view,
    usurped=usurped_round,
    late=reasoned_by_its_answers,
)
