"""Lies in the words of Byzantine Paxos: 1b and proofs of 1c that are not so.

Each keeps the right encoding, so that it is refused for what it says or not at all.
"""

from collections.abc import Sequence
from dataclasses import replace
from random import Random

from bubi.consensus.engine import Configuration, ConsensusMessage, ProposalMessage
from bubi.consensus.guard import Phase
from bubi.consensus.parts import Votes, signed_bytes
from bubi.consensus.paxos_bytes import (
    NEXT,
    PHASE_1A,
    PHASE_1B,
    Claim,
    Evidence,
    Phase1,
    Shown,
    decode_proof,
    decode_shown,
    encode_claim,
    encode_proof,
    encode_shown,
)
from bubi.encoding import EncodingError
from bubi.simulation.lies import Words, borrowed, repeated


def next_body(
    random: Random, _: bytes, __: int, ___: int, ____: Sequence[ConsensusMessage]
) -> bytes | None:
    """A 1a can lie about nothing but its ballot; now and then it has a body that none may have."""
    return NEXT if random.random() < 0.8 else random.choice((b"", b"\1", b"\0\0"))


def proof(random: Random, message: ProposalMessage, configuration: Configuration) -> bytes | None:
    """Another proof for a 1c after phase 1; None for any other message."""
    if message.signed.request.phase is not Phase.PROPOSAL:
        return None
    try:
        shown = decode_proof(message.justification, configuration, message.height)
    except EncodingError:
        return None
    if not isinstance(shown, Phase1):
        return None
    return encode_proof(_phase_1(random, shown))


def _phase_1(random: Random, shown: Phase1) -> Phase1:
    """Fewer 1b, one often, claims left out or invented, or 2av that are none of a quorum."""
    promises, evidence = shown.promises, shown.evidence
    match random.randrange(6):
        case 0:
            return replace(shown, promises=promises[:1])
        case 1:
            return replace(shown, promises=(promises[0], *promises[:-1]))
        case 2:
            silent = tuple(replace(one, claim=None) for one in promises)
            return replace(shown, promises=silent)
        case 3:
            silent = tuple(replace(one, claim=None) for one in promises)
            return replace(shown, promises=silent, evidence=None)
        case 4:
            # The right signatures of the others: what they show is left out.
            return replace(shown, evidence=None)
        case _:
            votes = (
                evidence.votes
                if evidence is not None
                else tuple((one.member, one.signature) for one in promises)
            )
            ballot = evidence.ballot if evidence is not None else 0
            return replace(shown, evidence=Evidence(ballot, _spoilt(random, votes)))


def _spoilt(random: Random, votes: Votes) -> Votes:
    return random.choice((votes, votes[:-1], repeated(votes), borrowed(votes)))


def promise(
    random: Random, message: ProposalMessage, heard: Sequence[ConsensusMessage]
) -> tuple[bytes, ProposalMessage] | None:
    """Another 1b and the digest to sign for it: no 2b given, an older one, or an invented one.

    None if the message is no 1b.
    """
    if message.signed.request.phase is not Phase.GRANT:
        return None
    try:
        shown = decode_shown(message.justification)
    except EncodingError:
        return None
    lie: Shown | None = None
    value: tuple[bytes, tuple[bytes, ...]] = (b"", ())
    values = [
        one
        for one in heard
        if isinstance(one, ProposalMessage)
        and one.height == message.height
        and one.signed.request.phase is Phase.PROPOSAL
    ]
    if values and random.random() < 0.6:
        chosen = random.choice(values)
        request = chosen.signed.request
        value = chosen.proposal, chosen.payload
        votes = {
            one.signed.validator: one.signed.signature
            for one in heard
            if one.signed.request == replace(request, phase=Phase.FIRST)
        }
        lie = Shown(Claim(request.round, request.digest), tuple(sorted(votes.items())))
    elif shown is not None and random.random() < 0.5:
        value = message.proposal, message.payload
        lie = replace(shown, votes=_spoilt(random, shown.votes))
    claim = lie.claim if lie is not None else None
    signed = signed_bytes(PHASE_1B, encode_claim(claim))
    return signed, ProposalMessage(message.signed, *value, encode_shown(lie))


PAXOS = Words(PHASE_1A, next_body, proof, promise)
