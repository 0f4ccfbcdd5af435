"""What is remembered of consensus messages is bounded, and nobody can shut out another."""

from bubi.consensus.engine import ConsensusMessage, EngineMessage, ProposalMessage, VoteMessage
from bubi.consensus.guard import Phase, VoteRequest
from bubi.replica.relay import (
    FULL,
    KNOWN,
    NEW,
    PER_AUTHOR_BYTES_MAX,
    PER_AUTHOR_EARLY_BYTES_MAX,
    VARIANTS_MAX,
    Seen,
    Verdict,
    size_of,
)

MIB = 1024 * 1024


def signed(number: int, author: int = 0, height: int = 1) -> VoteMessage:
    request = VoteRequest(0, "pbft", height, number, Phase.FIRST, bytes(32))
    return VoteMessage(author, request, bytes([author]) + number.to_bytes(63, "little"))


def long_one(number: int, size: int, author: int = 0, height: int = 1) -> EngineMessage:
    return EngineMessage(signed(number, author, height), "view_change", bytes(size))


def take(seen: Seen, message: ConsensusMessage, *, early: bool = False) -> Verdict:
    verdict = seen.look(message, message.height, early=early, direct=True)
    if verdict == NEW:
        seen.take(message, message.height)
    return verdict


def test_long_messages_of_one_member_use_bounded_memory() -> None:
    seen = Seen()
    sent = [long_one(number, MIB) for number in range(100)]
    taken = [message for message in sent if take(seen, message) == NEW]
    assert sum(map(size_of, taken)) == PER_AUTHOR_BYTES_MAX
    assert take(seen, long_one(0, MIB, author=1)) == NEW
    assert take(seen, signed(200)) == NEW
    seen.clear(1)
    assert take(seen, sent[-1]) == NEW


def test_early_long_messages_are_bounded_though_the_height_in_work_is_cleared() -> None:
    seen = Seen()
    taken = 0
    for number in range(100):
        message = long_one(number, MIB, height=2)
        taken += MIB if take(seen, message, early=True) == NEW else 0
        seen.clear(1)
    assert 0 < taken <= PER_AUTHOR_EARLY_BYTES_MAX


def test_others_cannot_shut_out_what_the_author_itself_sends() -> None:
    seen = Seen()
    vote = signed(1)
    for number in range(VARIANTS_MAX):
        changed = ProposalMessage(vote, b"proposal", (), bytes([number]))
        assert seen.look(changed, 1, early=False, direct=False) == NEW
        seen.take(changed, 1)
    true = ProposalMessage(vote, b"proposal", (), b"justification")
    assert seen.look(true, 1, early=False, direct=False) == FULL
    assert take(seen, true) == NEW
    assert take(seen, true) == KNOWN
