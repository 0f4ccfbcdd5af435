"""Lies in the words of Byzantine Raft: claims, elections and append votes that are not so.

Each keeps the right encoding, so that it is refused for what it says or not at all.
"""

from collections.abc import Sequence
from dataclasses import replace
from random import Random

from bubi.consensus.engine import (
    Configuration,
    ConsensusMessage,
    EngineMessage,
    ProposalMessage,
)
from bubi.consensus.parts import Votes, change_vote, signed_bytes
from bubi.consensus.raft_bytes import (
    REQUEST_VOTE,
    Appended,
    Ballot,
    Claim,
    Election,
    High,
    Proof,
    decode_claim,
    decode_proof,
    encode_claim,
    encode_proof,
)
from bubi.encoding import EncodingError
from bubi.simulation.lies import Words
from bubi.simulation.lying_leaders import Asked, Liar, Place, answers, spoilt_votes, told
from bubi.simulation.lying_leaders import Proof as LeadersProof


def claim_body(
    random: Random, body: bytes, height: int, round_: int, heard: Sequence[ConsensusMessage]
) -> bytes | None:
    """Another claim in a request for `round_`: none, an invented or an impossible one."""
    try:
        claim = decode_claim(body)
    except EncodingError:
        claim = None
    digests = [one.signed.request.digest for one in heard if one.height == height]
    digest = random.choice(digests) if digests else random.randbytes(32)
    term = claim.term if claim is not None else max(0, round_ - 1)
    match random.randrange(4):
        case 0:
            lie = None
        case 1:
            lie = Claim(term, digest)
        case 2:
            lie = Claim(max(0, round_ - 1 - random.randrange(2)), digest)
        case _:
            lie = Claim(round_ + random.randrange(3), digest)
    return encode_claim(lie)


def proof(random: Random, message: ProposalMessage, configuration: Configuration) -> bytes | None:
    """Other append votes than the leader has; None for any other message."""
    shown = _decoded(message, configuration)
    if not isinstance(shown, Appended):
        return None
    return encode_proof(Appended(spoilt_votes(random, shown.votes)))


def elected(liar: Liar, message: ProposalMessage) -> list[ProposalMessage]:
    """AppendEntries after an election with other certificates; nothing for any other message."""
    shown = _decoded(message, liar.configuration)
    if not isinstance(shown, Election):
        return []
    return told(
        liar, message, _as_proof(shown), _ask, lambda proof: encode_proof(_as_election(proof))
    )


def elected_by_its_answers(liar: Liar, message: ProposalMessage) -> ProposalMessage | None:
    """The same AppendEntries, proven by the append votes that followed it.

    None for any other message, and as long as no quorum has answered.
    """
    shown = _decoded(message, liar.configuration)
    votes = answers(liar, message)
    if not isinstance(shown, Election) or votes is None:
        return None
    term = message.signed.request.round
    return replace(message, justification=encode_proof(replace(shown, high=High(term, votes))))


def passed_on(liar: Liar, asked: EngineMessage) -> ProposalMessage | None:
    """An entry of an earlier leader for the next one, with append votes that were never given."""
    request = asked.signed.request
    entries = [
        one
        for one in liar.heard
        if isinstance(one, ProposalMessage)
        and one.proposal
        and one.height == asked.height
        and one.signed.request.round < request.round
    ]
    if not entries:
        return None
    entry = liar.random.choice(entries)
    return replace(entry, justification=encode_proof(Appended(_made_up(liar.random, entry, liar))))


def _made_up(random: Random, entry: ProposalMessage, liar: Liar) -> Votes:
    """Those append votes that were heard, as many more as a quorum needs, the leader's first."""
    votes = {one.index: random.randbytes(64) for one in liar.configuration.members}
    for one in liar.heard:
        if one.signed.request == entry.signed.request:
            votes[one.signed.validator] = one.signed.signature
    votes[entry.signed.validator] = entry.signed.signature
    if random.randrange(3) == 0:
        votes = {entry.signed.validator: entry.signed.signature}
    return tuple(sorted(votes.items()))


def _decoded(message: ProposalMessage, configuration: Configuration) -> Proof | None:
    try:
        return decode_proof(message.justification, configuration, message.height)
    except EncodingError:
        return None


def _as_proof(election: Election) -> LeadersProof:
    asked = tuple(
        Asked(one.member, one.signature, None if one.claim is None else one.claim.place)
        for one in election.ballots
    )
    high = election.high
    return LeadersProof(asked, None if high is None else (high.term, high.votes), election.parent)


def _as_election(proof: LeadersProof) -> Election:
    ballots = tuple(
        Ballot(one.member, one.signature, None if one.claim is None else Claim(*one.claim))
        for one in proof.asked
    )
    return Election(ballots, None if proof.shown is None else High(*proof.shown), proof.parent)


def _ask(liar: Liar, height: int, term: int, claim: Place | None) -> Asked:
    body = encode_claim(None if claim is None else Claim(*claim))
    digest = liar.hash(signed_bytes(REQUEST_VOTE, body))
    vote = liar.sign(change_vote(liar.configuration, height, term, digest))
    return Asked(liar.number, vote.signature, claim)


def quorum_made_up(
    random: Random, message: ProposalMessage, configuration: Configuration
) -> ProposalMessage:
    """Append votes of a quorum for an entry that nobody has answered yet."""
    own = message.signed
    votes = {one.index: random.randbytes(64) for one in configuration.members}
    votes[own.validator] = own.signature
    if random.randrange(2):
        votes = {own.validator: own.signature}
    return replace(
        message,
        proposal=b"",
        payload=(),
        justification=encode_proof(Appended(tuple(sorted(votes.items())))),
    )


RAFT = Words(
    REQUEST_VOTE,
    claim_body,
    proof,
    premature=quorum_made_up,
    leads=elected,
    beside=passed_on,
    late=elected_by_its_answers,
)
