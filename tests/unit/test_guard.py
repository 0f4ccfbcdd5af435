"""The signer guard: never two signatures for one phase, and silence when its places disagree."""

import hashlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from bubi.consensus import guard
from bubi.consensus.guard import GuardRecord, GuardState, Phase, Refuse, Repeat, Sign, VoteRequest

DIGESTS = [bytes([n]) * 32 for n in range(3)]


def request(
    height: int = 1,
    round_: int = 0,
    phase: Phase = Phase.FIRST,
    digest: bytes = DIGESTS[0],
    epoch: int = 0,
    engine: str = "solo",
) -> VoteRequest:
    outcome = digest if phase is Phase.COMMIT else b""
    return VoteRequest(epoch, engine, height, round_, phase, digest, outcome)


def sign(wanted: VoteRequest) -> GuardRecord:
    return GuardRecord(wanted, hashlib.sha512(repr(wanted).encode()).digest())


def signed(*requests: VoteRequest) -> GuardState:
    state = GuardState()
    for wanted in requests:
        state = guard.remember(state, sign(wanted))
    return state


requests = st.builds(
    VoteRequest,
    st.integers(0, 2),
    st.sampled_from(["solo", "pbft"]),
    st.integers(0, 4),
    st.integers(0, 3),
    st.sampled_from(Phase),
    st.sampled_from(DIGESTS),
    st.sampled_from([b"", *DIGESTS]),
)


class Signer(RuleBasedStateMachine):
    """Whatever is asked and restarted in between, no phase is signed twice."""

    def __init__(self) -> None:
        super().__init__()
        self.state = GuardState()
        self.given: dict[tuple[int, int, int, Phase], GuardRecord] = {}
        self.log: list[bytes] = []
        self.order: list[tuple[int, int, int, int]] = []

    @rule(wanted=requests)
    def ask(self, wanted: VoteRequest) -> None:
        verdict = guard.decide(self.state, wanted)
        key = (wanted.epoch, wanted.height, wanted.round, wanted.phase)
        if isinstance(verdict, Sign):
            assert key not in self.given
            record = sign(wanted)
            self.state = guard.remember(self.state, record)
            self.given[key] = record
            self.log.append(guard.encode(record))
            self.order.append((wanted.epoch, wanted.height, wanted.round, int(wanted.phase)))
            assert len(self.state.entries) <= 2 * guard.ENTRIES_MAX
        elif isinstance(verdict, Repeat):
            assert self.given[key] == verdict.record
            assert verdict.record.request == wanted
        elif key not in self.given:
            assert self.order

    @rule()
    def restart(self) -> None:
        decided = max(0, self.state.newest.request.height - 1) if self.state.newest else 0
        second = self.log[-1] if self.log else b""
        restored = guard.restore(self.log, second, decided)
        assert restored == self.state

    @invariant()
    def ascending(self) -> None:
        assert self.order == sorted(self.order)


TestSigner = Signer.TestCase
TestSigner.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def test_same_request_same_bytes_even_after_a_later_phase() -> None:
    first, commit = request(), request(phase=Phase.COMMIT)
    state = signed(first, commit)
    verdict = guard.decide(state, first)
    assert verdict == Repeat(sign(first))


@pytest.mark.parametrize(
    "wanted",
    [
        request(height=5, digest=DIGESTS[1]),
        request(height=5, phase=Phase.PROPOSAL),
        request(height=5, round_=0, phase=Phase.COMMIT, digest=DIGESTS[1], engine="pbft"),
        request(height=4, round_=9, phase=Phase.COMMIT),
        request(height=6, engine="pbft"),
    ],
)
def test_conflicting_or_lower_is_refused(wanted: VoteRequest) -> None:
    assert isinstance(guard.decide(signed(request(height=5)), wanted), Refuse)


def test_a_lower_epoch_is_refused_at_a_higher_height() -> None:
    state = signed(request(height=5, epoch=2))
    assert isinstance(guard.decide(state, request(height=6, epoch=1)), Refuse)
    assert isinstance(guard.decide(state, request(height=6, epoch=3, engine="pbft")), Sign)


def test_remember_refuses_what_was_not_allowed() -> None:
    state = signed(request(height=5))
    with pytest.raises(ValueError, match="had not allowed"):
        guard.remember(state, sign(request(height=5, digest=DIGESTS[1])))


@given(wanted=requests, signature=st.binary(min_size=0, max_size=64))
def test_records_round_trip(wanted: VoteRequest, signature: bytes) -> None:
    record = GuardRecord(wanted, signature)
    assert guard.decode(guard.encode(record)) == record


@given(wanted=requests, at=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_a_flipped_bit_is_found(wanted: VoteRequest, at: int, bit: int) -> None:
    data = bytearray(guard.encode(sign(wanted)))
    data[at % len(data)] ^= 1 << bit
    with pytest.raises(ValueError, match=r".+"):
        guard.decode(bytes(data))


@given(st.binary(max_size=200))
def test_decode_never_fails_otherwise(data: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        guard.decode(data)


def encoded(*requests: VoteRequest) -> list[bytes]:
    return [guard.encode(sign(wanted)) for wanted in requests]


HEIGHT_7 = (request(height=7), request(height=7, phase=Phase.COMMIT))
HEIGHT_8 = (request(height=8), request(height=8, phase=Phase.COMMIT))


def test_restore_tolerates_a_crash_between_the_two_places() -> None:
    log = encoded(*HEIGHT_7, *HEIGHT_8)
    for decided in (7, 8):
        state = guard.restore(log, encoded(HEIGHT_7[1])[0], decided)
        assert state.silent is None
        assert state.newest == sign(HEIGHT_8[1])


@pytest.mark.parametrize("second", [b"", *encoded(request(height=3), *HEIGHT_7, HEIGHT_8[0])])
def test_restore_with_a_second_place_that_lags(second: bytes) -> None:
    """The log is complete; heights may have come by sync, or the crash before the mirror."""
    state = guard.restore(encoded(*HEIGHT_7, *HEIGHT_8), second, 7)
    assert state.silent is None
    assert state.newest == sign(HEIGHT_8[1])
    assert guard.signed_at(state, 7) == HEIGHT_7


@pytest.mark.parametrize("second", [b"", *encoded(HEIGHT_7[0])])
def test_restore_tolerates_a_second_place_that_no_sync_covered_yet(second: bytes) -> None:
    decided = 7 + guard.SECOND_PLACE_LAG - 1
    assert guard.restore(encoded(*HEIGHT_7, *HEIGHT_8), second, decided).silent is None
    assert guard.restore(encoded(*HEIGHT_7, *HEIGHT_8), second, decided + 1).silent is not None


def test_votes_of_the_height_below_are_kept() -> None:
    many = [request(height=7, round_=round_) for round_ in range(200)]
    state = signed(request(height=6), *many, *HEIGHT_8)
    assert guard.signed_at(state, 8) == HEIGHT_8
    assert guard.signed_at(state, 7) == tuple(many[-guard.ENTRIES_MAX :])
    assert guard.signed_at(state, 6) == ()
    assert guard.decide(state, many[-1]) == Repeat(sign(many[-1]))
    assert isinstance(guard.decide(state, request(height=7, round_=300)), Refuse)
    assert len(state.entries) <= 2 * guard.ENTRIES_MAX


def test_restore_after_the_log_was_cut_up_to_a_decided_block() -> None:
    state = guard.restore([], encoded(HEIGHT_8[1])[0], 8)
    assert state.silent is None
    assert isinstance(guard.decide(state, request(height=8, digest=DIGESTS[1])), Refuse)


@pytest.mark.parametrize(
    ("log", "second", "decided"),
    [
        (encoded(*HEIGHT_7), encoded(HEIGHT_8[0])[0], 7),
        (encoded(*HEIGHT_7), encoded(request(height=7, digest=DIGESTS[1]))[0], 7),
        (encoded(HEIGHT_7[0], *HEIGHT_8), encoded(HEIGHT_7[1])[0], 8),
        (encoded(*HEIGHT_7, *HEIGHT_8), b"", 7 + guard.SECOND_PLACE_LAG),
        (encoded(*HEIGHT_7, *HEIGHT_8), encoded(HEIGHT_7[0])[0], 7 + guard.SECOND_PLACE_LAG),
        ([], encoded(HEIGHT_8[0])[0], 7),
        (encoded(*HEIGHT_7)[::-1], b"", 1),
        ([b"damaged"], b"", 0),
        (encoded(*HEIGHT_7), encoded(HEIGHT_7[1])[0][:-1], 7),
    ],
)
def test_disagreement_is_silence(log: list[bytes], second: bytes, decided: int) -> None:
    state = guard.restore(log, second, decided)
    assert state.silent
    assert isinstance(guard.decide(state, request(height=99)), Refuse)


def test_fresh() -> None:
    assert guard.restore([], b"", 0) == GuardState()


def vote(height: int, engine: str = "pbft", **other: Any) -> VoteRequest:
    return request(height=height, engine=engine, **{"round_": 0, "phase": Phase.CHANGE, **other})


DAMAGED = b"damaged"


@pytest.mark.parametrize("kept", ["both", "second"])
def test_a_floor_counts_though_the_log_is_read_from_behind_it(kept: str) -> None:
    old = [guard.encode(sign(vote(5))), DAMAGED, guard.encode(sign(vote(6)))]
    floor = guard.floor_above(old, DAMAGED, vote(9))
    assert floor.request.height == 9 + guard.RECOVERY_HEIGHTS
    encoded = guard.encode(floor)
    state = guard.restore([] if kept == "second" else [*old, encoded], encoded, 6)
    assert state.silent is None
    assert guard.is_recovering(state)
    for height in range(1, floor.request.height):
        refused = guard.decide(state, vote(height, round_=2**40, phase=Phase.COMMIT))
        assert isinstance(refused, Refuse)
    first = vote(floor.request.height, phase=Phase.PROPOSAL)
    assert guard.decide(state, first) == Sign(first)
    state = guard.remember(state, sign(first))
    assert not guard.is_recovering(state)


def test_a_floor_is_above_all_that_is_known() -> None:
    ahead = guard.encode(sign(vote(50)))
    assert guard.floor_above([], ahead, vote(9)).request.height == 50 + guard.RECOVERY_HEIGHTS


def test_a_lone_validator_goes_on_with_its_next_height_in_a_later_round() -> None:
    known = guard.encode(sign(vote(7, "solo", round_=3)))
    floor = guard.floor_above([], known, vote(7, "solo"))
    assert (floor.request.height, floor.request.round) == (7, 3 + guard.RECOVERY_ROUNDS)
    state = guard.restore([guard.encode(floor)], guard.encode(floor), 6)
    same = vote(7, "solo", round_=floor.request.round, phase=Phase.COMMIT)
    assert isinstance(guard.decide(state, same), Refuse)
    following = vote(7, "solo", round_=floor.request.round + 1)
    assert guard.decide(state, following) == Sign(following)


def test_what_follows_a_floor_is_judged_as_ever() -> None:
    floor = guard.encode(guard.floor_above([DAMAGED], b"", vote(9)))
    later = guard.encode(sign(vote(30)))
    lost = guard.restore([DAMAGED, floor, later], guard.encode(sign(vote(31))), 29)
    assert lost.silent is not None


def test_the_floor_is_that_of_the_newest_epoch_that_any_record_names() -> None:
    # The ledger here is older than the records: it knows neither the epoch nor its engine.
    later = guard.encode(sign(request(30, epoch=2, engine="raft", phase=Phase.COMMIT)))
    floor = guard.floor_above([later], DAMAGED, vote(9))
    height = 30 + guard.RECOVERY_HEIGHTS
    assert (floor.request.epoch, floor.request.engine) == (2, "raft")
    assert floor.request.height == height
    encoded = guard.encode(floor)
    state = guard.restore([later, encoded], encoded, 9)
    assert state.silent is None
    for early in (request(9), request(31, epoch=2, engine="raft"), request(35, epoch=3)):
        assert isinstance(guard.decide(state, early), Refuse)
    for due in (
        request(height, epoch=2, engine="raft", phase=Phase.FIRST),
        request(height + 1, epoch=3, engine="pbft"),
    ):
        assert isinstance(guard.decide(state, due), Sign)


def test_an_epoch_with_another_engine_goes_on_above_and_never_below() -> None:
    state = signed(request(5, round_=7, phase=Phase.COMMIT, engine="pbft"))
    beyond = request(6, epoch=1, engine="raft")
    assert isinstance(guard.decide(state, beyond), Sign)
    state = guard.remember(state, sign(beyond))
    # The last height of the epoch before was signed for; asked again it gives the same bytes.
    last = request(5, round_=7, phase=Phase.COMMIT, engine="pbft")
    assert guard.decide(state, last) == Repeat(sign(last))
    for refused in (
        request(6, engine="pbft"),
        request(7, engine="pbft"),
        request(6, round_=1, epoch=1, engine="pbft"),
    ):
        assert isinstance(guard.decide(state, refused), Refuse)
