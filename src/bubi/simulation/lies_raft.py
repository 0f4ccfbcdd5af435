"""Lies in the words of Byzantine Raft: claims, elections and append votes that are not so.

Each keeps the right encoding, so that it is refused for what it says or not at all.
"""

from collections.abc import Sequence
from dataclasses import replace
from random import Random

from bubi.consensus.engine import Configuration, ConsensusMessage, ProposalMessage
from bubi.consensus.parts import Votes
from bubi.consensus.raft_bytes import (
    REQUEST_VOTE,
    Appended,
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
from bubi.simulation.lies import Words, borrowed, repeated


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
    """Another proof for AppendEntries after an election, or with append votes; None otherwise."""
    try:
        shown = decode_proof(message.justification, configuration, message.height)
    except EncodingError:
        return None
    lie: Proof
    match shown:
        case Appended(votes):
            lie = Appended(_spoilt(random, votes))
        case Election():
            lie = _election(random, shown)
        case _:
            return None
    return encode_proof(lie)


def _spoilt(random: Random, votes: Votes) -> Votes:
    return random.choice((votes[:-1], repeated(votes), borrowed(votes)))


def _election(random: Random, election: Election) -> Election:
    """Fewer voters, one voter often, claims left out, or an older quorum than was claimed."""
    ballots, high = election.ballots, election.high
    match random.randrange(6):
        case 5:
            # The right signatures and claims of the others: what they claim is not shown.
            return replace(election, high=None)
        case 0:
            return replace(election, ballots=ballots[:1])
        case 1:
            return replace(election, ballots=(ballots[0], *ballots[:-1]))
        case 2:
            return replace(election, ballots=tuple(replace(one, claim=None) for one in ballots))
        case 3:
            silent = tuple(replace(one, claim=None) for one in ballots)
            return replace(election, ballots=silent, high=None)
        case _:
            votes = (
                high.votes if high is not None else tuple((n, b"") for n in range(len(ballots)))
            )
            return replace(election, high=High(high.term if high else 0, _spoilt(random, votes)))


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


RAFT = Words(REQUEST_VOTE, claim_body, proof, premature=quorum_made_up)
