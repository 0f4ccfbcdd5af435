"""False evidence: what a liar may put on the ledger against members that follow the protocol."""

from collections.abc import Sequence
from dataclasses import replace
from random import Random
from typing import Any

from bubi.consensus.engine import ConsensusMessage, VoteMessage
from bubi.consensus.guard import Phase
from bubi.ledger import LedgerView, statement_json, vote_bytes
from bubi.simulation.ledger import Key


def false_evidence(
    random: Random,
    heard: Sequence[ConsensusMessage],
    view: LedgerView,
    chain_id: bytes,
    key: Key,
) -> dict[str, Any] | None:
    """An operation that accuses a member of what it did not do; None if nothing was heard of one.

    Statements are real ones where that helps; what the member never signed bears a signature of
    `key`, or noise.
    """
    begun = int(view.validators["epoch"])
    votes = [one.signed for one in heard if one.signed.request.epoch <= begun]
    if not votes:
        return None
    one = random.choice(votes)
    members = view.configuration_of(one.request.epoch).members
    if one.validator >= len(members) or members[one.validator].key == key.public:
        return None
    two = _contradiction(random, one, votes)
    if two.request != one.request and two.signature == one.signature:
        mine = key.sign(vote_bytes(chain_id, two.request))
        two = replace(two, signature=mine if random.randrange(2) else random.randbytes(64))
    return {
        "report_evidence": {
            "member": {"ed25519": members[one.validator].key[1:].hex()},
            "statement_one": statement_json(one.request),
            "signature_one": one.signature.hex(),
            "statement_two": statement_json(two.request),
            "signature_two": two.signature.hex(),
        }
    }


def _contradiction(random: Random, vote: VoteMessage, heard: Sequence[VoteMessage]) -> VoteMessage:
    """What is said to contradict a vote: the same, another real one, or one that never was."""
    request = vote.request
    others = [one for one in heard if one.validator == vote.validator and one != vote]
    match random.randrange(5):
        case 0:
            return vote
        case 1 if others:
            # Another place, but really signed.
            return random.choice(others)
        case 2 if request.phase is Phase.COMMIT:
            return replace(vote, request=replace(request, outcome=random.randbytes(32)))
        case 3:
            return replace(vote, request=replace(request, epoch=request.epoch + 1))
        case _:
            return replace(vote, request=replace(request, digest=random.randbytes(32)))
