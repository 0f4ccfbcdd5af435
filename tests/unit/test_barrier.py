"""Up to which height empty blocks are made because a change was voted."""

from bubi.ledger import BARRIER_BLOCKS, barrier


def test_blocks_are_made_up_to_a_change_that_is_near() -> None:
    assert barrier(10, None) == 0
    assert barrier(10, "12") == 11
    assert barrier(10, str(11 + BARRIER_BLOCKS)) == 10 + BARRIER_BLOCKS


def test_a_change_far_ahead_waits_for_transactions() -> None:
    # Else a network would make a million empty blocks as fast as it can.
    assert barrier(10, str(12 + BARRIER_BLOCKS)) == 0
    assert barrier(10, "1000010") == 0
