"""Lies in the words of Byzantine Paxos: 1b and proofs of 1c that are not so.

Each keeps the right encoding, so that it is refused for what it says or not at all.
"""

from collections.abc import Sequence
from dataclasses import replace
from random import Random

from bubi.consensus.engine import Configuration, ConsensusMessage, ProposalMessage
from bubi.consensus.guard import Phase
from bubi.consensus.parts import signed_bytes
from bubi.consensus.paxos_bytes import (
    NEXT,
    PHASE_1A,
    PHASE_1B,
    Claim,
    Evidence,
    Phase1,
    Promise,
    Shown,
    decode_proof,
    decode_shown,
    encode_claim,
    encode_proof,
    encode_shown,
    promise_vote,
)
from bubi.encoding import EncodingError
from bubi.simulation.lies import Words
from bubi.simulation.lying_leaders import Asked, Liar, Place, Proof, answers, spoilt_votes, told


def next_body(
    random: Random, _: bytes, __: int, ___: int, ____: Sequence[ConsensusMessage]
) -> bytes | None:
    """A 1a can lie about nothing but its ballot; now and then it has a body that none may have."""
    return NEXT if random.random() < 0.8 else random.choice((b"", b"\1", b"\0\0"))


def proof(_: Random, __: ProposalMessage, ___: Configuration) -> bytes | None:
    """Nothing: how a leader lies in a 1c is said by `safe`."""
    return None


def safe(liar: Liar, message: ProposalMessage) -> list[ProposalMessage]:
    """A 1c after phase 1 with other proofs; nothing for any other message."""
    shown = _decoded(message, liar.configuration)
    if shown is None:
        return []
    return told(
        liar, message, _as_proof(shown), _ask, lambda proof: encode_proof(_as_phase_1(proof))
    )


def safe_by_its_answers(liar: Liar, message: ProposalMessage) -> ProposalMessage | None:
    """The same 1c, with the 2av that followed it as evidence of its value.

    None for any other message, and as long as no quorum has answered.
    """
    shown = _decoded(message, liar.configuration)
    votes = answers(liar, message)
    if shown is None or votes is None:
        return None
    evidence = Evidence(message.signed.request.round, votes)
    return replace(message, justification=encode_proof(replace(shown, evidence=evidence)))


def _decoded(message: ProposalMessage, configuration: Configuration) -> Phase1 | None:
    if message.signed.request.phase is not Phase.PROPOSAL:
        return None
    try:
        shown = decode_proof(message.justification, configuration, message.height)
    except EncodingError:
        return None
    return shown if isinstance(shown, Phase1) else None


def _as_proof(shown: Phase1) -> Proof:
    asked = tuple(
        Asked(one.member, one.signature, None if one.claim is None else one.claim.place)
        for one in shown.promises
    )
    evidence = shown.evidence
    return Proof(
        asked, None if evidence is None else (evidence.ballot, evidence.votes), shown.parent
    )


def _as_phase_1(proof: Proof) -> Phase1:
    promises = tuple(
        Promise(one.member, one.signature, None if one.claim is None else Claim(*one.claim))
        for one in proof.asked
    )
    return Phase1(promises, None if proof.shown is None else Evidence(*proof.shown), proof.parent)


def _ask(liar: Liar, height: int, ballot: int, claim: Place | None) -> Asked:
    body = encode_claim(None if claim is None else Claim(*claim))
    digest = liar.hash(signed_bytes(PHASE_1B, body))
    vote = liar.sign(promise_vote(liar.configuration, height, ballot, digest))
    return Asked(liar.number, vote.signature, claim)


def promise(
    random: Random, message: ProposalMessage, heard: Sequence[ConsensusMessage]
) -> tuple[bytes, ProposalMessage] | None:
    """Another 1b and what to sign for it: no 2b given, an older one, an invented one.

    It may be for another ballot, and its value another one than it names. None if the message is
    no 1b.
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
        ballot = random.choice((request.round, request.round, message.signed.request.round))
        lie = Shown(Claim(ballot, request.digest), tuple(sorted(votes.items())))
    elif shown is not None and random.random() < 0.5:
        value = message.proposal, message.payload
        lie = replace(shown, votes=spoilt_votes(random, shown.votes))
    claim = lie.claim if lie is not None else None
    signed = signed_bytes(PHASE_1B, encode_claim(claim))
    own = message.signed
    if random.random() < 0.3:
        ballot = max(0, own.request.round + random.choice((-4, -1, 1, 4)))
        own = replace(own, request=replace(own.request, round=ballot))
    return signed, ProposalMessage(own, *value, encode_shown(lie))


PAXOS = Words(PHASE_1A, next_body, proof, promise, leads=safe, late=safe_by_its_answers)
