"""Which consensus messages are taken: bounds, and who they hold for."""

from bubi.consensus.engine import ProposalMessage, VoteMessage
from bubi.consensus.guard import Phase, VoteRequest
from bubi.replica.relay import FULL, KNOWN, NEW, PER_AUTHOR_EARLY_MAX, VARIANTS_MAX, Seen

REQUEST = VoteRequest(0, "raft", 5, 0, Phase.FIRST, b"d" * 32)
SIGNED = VoteMessage(1, REQUEST, b"s" * 64)


def variant(number: int) -> ProposalMessage:
    return ProposalMessage(SIGNED, b"", (), bytes([number]))


def test_variants_made_by_others_do_not_keep_out_the_author() -> None:
    seen = Seen()
    for number in range(VARIANTS_MAX):
        assert seen.look(variant(number), 5, early=False, direct=False) == NEW
        seen.take(variant(number), 5)
    later = variant(VARIANTS_MAX)
    assert seen.look(later, 5, early=False, direct=False) == FULL
    assert seen.look(later, 5, early=False, direct=True) == NEW
    seen.take(later, 5)
    assert seen.look(later, 5, early=False, direct=True) == KNOWN


def vote(number: int) -> VoteMessage:
    return VoteMessage(1, REQUEST, bytes([number]) * 64)


def test_an_author_is_bounded_as_well() -> None:
    seen = Seen()
    for number in range(PER_AUTHOR_EARLY_MAX):
        seen.take(vote(number), 5)
    assert seen.look(vote(200), 5, early=True, direct=True) == FULL
    assert seen.look(vote(200), 5, early=False, direct=True) == NEW


def test_an_author_may_not_change_what_it_signed_without_end() -> None:
    seen = Seen()
    for number in range(2 * VARIANTS_MAX):
        assert seen.look(variant(number), 5, early=False, direct=True) == NEW
        seen.take(variant(number), 5)
    assert seen.look(variant(200), 5, early=False, direct=True) == FULL
