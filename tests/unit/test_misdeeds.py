"""Misdeeds of peers: when they are too many, and what may become a label of a metric."""

from bubi.node.misdeeds import MISDEEDS_MAX, PEERS_MAX, WINDOW_SECONDS, Misdeeds, kind_of

PEER, OTHER = b"\1" * 32, b"\2" * 32


def test_a_burst_is_too_many_and_starts_again_afterwards() -> None:
    misdeeds = Misdeeds()
    verdicts = [misdeeds.count(PEER, "invalid batch", 100.0) for _ in range(MISDEEDS_MAX)]
    assert verdicts == [False] * (MISDEEDS_MAX - 1) + [True]
    assert not misdeeds.count(PEER, "invalid batch", 100.0)
    assert misdeeds.of(PEER) == (MISDEEDS_MAX + 1, "invalid batch")
    assert misdeeds.of(OTHER) == (0, "")


def test_one_a_second_is_never_too_many() -> None:
    misdeeds = Misdeeds()
    assert WINDOW_SECONDS < MISDEEDS_MAX
    assert not any(misdeeds.count(PEER, "too many batches", float(now)) for now in range(1_000))


def test_the_table_is_bounded() -> None:
    misdeeds = Misdeeds()
    for number in range(PEERS_MAX + 1):
        misdeeds.count(number.to_bytes(32, "little"), "invalid batch", 0.0)
    assert misdeeds.of(bytes(32)) == (0, "")
    assert misdeeds.of((1).to_bytes(32, "little")) == (1, "invalid batch")


def test_what_a_peer_chooses_does_not_make_new_kinds() -> None:
    assert kind_of("invalid batch: invalid value: integer `53`") == "invalid batch"
    assert kind_of("its height fell from 7 to 3") == kind_of("its height fell from 8 to 1")
    assert kind_of("a wrong block 12: certificate_invalid") == "a wrong block"
    assert kind_of("flood of statuses") == "flood of statuses"
