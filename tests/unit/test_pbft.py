"""Rules of PBFT one by one; the names are those of spec/consensus/pbft.md."""

from collections.abc import Callable, Iterable
from dataclasses import replace

import pytest

from bubi.consensus import engine_named
from bubi.consensus.engine import (
    CancelTimer,
    Certificate,
    Configuration,
    ConsensusMessage,
    Decide,
    Diverged,
    EngineMessage,
    Execute,
    Executed,
    Input,
    PayloadReady,
    Penalise,
    Persist,
    ProposalMessage,
    ReportEvidence,
    RequestPayload,
    RequestSync,
    Send,
    SetTimer,
    SignVote,
    Start,
    Suspect,
    TimerElapsed,
    TimerId,
    Validate,
    Validated,
    VoteMessage,
    VoteRefused,
    WorkWaiting,
    commit_vote,
    first_vote,
)
from bubi.consensus.guard import Phase, VoteRequest
from bubi.consensus.height import (
    LAG_MS,
    PROPOSALS_MAX,
    RESEND_MS,
    RESEND_MS_MAX,
    ROUND_MAX,
    ROUNDS_KEPT,
    STRIKES_MAX,
)
from bubi.consensus.height_state import Mode
from bubi.consensus.parts import EpochStart, Fresh, Prepared
from bubi.consensus.pbft_bytes import (
    VIEW_CHANGE,
    Justification,
    NewView,
    SignedChange,
    decode_change,
    decode_justification,
    encode_change,
    encode_justification,
)
from bubi.consensus.votes import NO_VOTES, certificate_fault
from bubi.encoding import EncodingError

from . import bench
from .bench import DIGEST, OTHER, OUTCOME, PARENT, SIGNATURES, A, B, Body, Voices, body
from .cluster import sha

VOICES = Voices("pbft")
SETTINGS = VOICES.settings
vote, first, commit = VOICES.vote, VOICES.first, VOICES.commit
certificate, prepared = VOICES.certificate, VOICES.prepared
AT_START = EpochStart()


def proposal(
    round_: int = 0,
    what: Body = A,
    justification: Justification | bytes = AT_START,
    height: int = 1,
    leader: int | None = None,
) -> ProposalMessage:
    leader = SETTINGS.leader(round_) if leader is None else leader
    shown = (
        justification if isinstance(justification, bytes) else encode_justification(justification)
    )
    return ProposalMessage(first(leader, round_, what[2], height), what[0], what[1], shown)


def change(member: int, round_: int, lock: Prepared | bytes | None = None) -> EngineMessage:
    content = lock if isinstance(lock, bytes) else encode_change(lock)
    return VOICES.asking(member, round_, VIEW_CHANGE, content)


def new_view(
    round_: int,
    changes: Iterable[EngineMessage],
    what: Body = A,
) -> ProposalMessage:
    signed = tuple(
        SignedChange(one.signed.validator, one.signed.signature, one.body) for one in changes
    )
    return proposal(round_, what, NewView(signed, None))


class Bench(bench.Bench):
    name = "pbft"


VALID = Validated(1, DIGEST, valid=True)
EXECUTED = Executed(1, DIGEST, OUTCOME)


def accepted(own: int = 1) -> Bench:
    return Bench(own).feed(proposal(), VALID)


# --- the good case -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("height", "shown", "own_rounds", "start"),
    [
        (2, 0, (), 0),
        (2, 3, (), 3),
        (2, 3, (1,), 3),
        (2, 3, (4, 5), 5),
        (5, 3, (), 4),
        (5, 3, (6,), 7),
        (4, 3, (), 3),
    ],
)
def test_p1_start_round(height: int, shown: int, own_rounds: tuple[int, ...], start: int) -> None:
    own = tuple(
        commit_vote(SETTINGS, height - 1, round_, PARENT, OUTCOME) for round_ in own_rounds
    )
    stray = first_vote(SETTINGS, height - 1, 40, PARENT)
    bench = Bench(height=height, parent=certificate(height - 1, shown), parent_votes=(*own, stray))
    assert bench.place == (Mode.NORMAL, start)


def test_p1_a_new_epoch_starts_at_round_0() -> None:
    other = certificate(4, 7)
    older = replace(other, request=replace(other.request, engine="solo"))
    bench = Bench(0, height=5, parent=older)
    assert bench.place == (Mode.NORMAL, 0)
    assert bench.of(RequestPayload) == [RequestPayload(5, 0, 0)]


def test_p2_the_leader_proposes_with_the_certificate_of_the_parent() -> None:
    bench = Bench(0, height=2, parent=certificate(1, 4))
    assert bench.of(RequestPayload) == [RequestPayload(2, 4, 4)]
    bench.feed(PayloadReady(2, 4, DIGEST, A[0], A[1]))
    assert bench.of(Validate) == [Validate(2, 4, DIGEST, A[0], A[1], 4)]
    bench.feed(Validated(2, DIGEST, valid=True))
    [sent] = bench.of(Send)
    assert isinstance(sent.message, ProposalMessage)
    assert sent.message.signed == first(0, 4, height=2)
    shown = decode_justification(sent.message.justification, SETTINGS, 2)
    assert shown == Fresh(certificate(1, 4))


def test_p2_without_a_certificate_of_its_round_the_leader_waits() -> None:
    own = (commit_vote(SETTINGS, 1, 4, PARENT, OUTCOME),)
    bench = Bench(0, height=2, parent=certificate(1, 0), parent_votes=own)
    assert bench.place == (Mode.NORMAL, 4)
    assert bench.of(RequestPayload) == []


def test_p3_p4_a_backup_validates_records_votes_and_executes() -> None:
    bench = Bench().feed(proposal())
    assert bench.of(Validate) == [Validate(1, 0, DIGEST, A[0], A[1], 0)]
    bench.feed(VALID)
    kinds = [type(effect) for effect in bench.effects]
    assert kinds == [Persist, SignVote, Execute, Send, SetTimer]
    assert bench.said() == [(Phase.FIRST, 0)]


REFUSED: dict[str, ProposalMessage] = {
    "not the leader": proposal(leader=2),
    "another payload": replace(proposal(), payload=B[1]),
    "another proposal": replace(proposal(), proposal=b"B"),
    "no justification": proposal(justification=b""),
    "trailing bytes": proposal(justification=b"\0\0"),
    "epoch start in a later round": proposal(4),
    "a parent where there is none": proposal(justification=Fresh(certificate(0))),
    "a new view of nobody": new_view(1, []),
    "a new view of too few": new_view(1, [change(2, 1), change(3, 1)]),
    "one member twice": new_view(1, [change(2, 1), change(2, 1), change(3, 1)]),
    "not ascending": new_view(1, [change(3, 1), change(2, 1), change(0, 1)]),
    "of another round": new_view(1, [change(0, 2), change(2, 2), change(3, 2)]),
    "huge round": proposal(2**63),
}


@pytest.mark.parametrize("why", REFUSED)
def test_p3_a_proposal_that_is_not_accepted(why: str) -> None:
    bench = Bench(3 if why != "one member twice" else 0).feed(REFUSED[why])
    assert bench.of(Validate) == bench.of(Penalise) == []
    assert bench.place == (Mode.NORMAL, 0)


@pytest.mark.parametrize(
    ("round_", "shown", "holds"),
    [
        (4, certificate(1, 4), True),
        (4, certificate(1, 4, who=(0, 1, 3)), True),
        (2, certificate(1, 2), False),
        (5, certificate(1, 4), False),
        (8, certificate(1, 8), True),
        (8, certificate(1, 8, who=(0, 1)), False),
        (8, replace(certificate(1, 8), votes=certificate(1, 7).votes), False),
        (8, certificate(1, 8, who=(1, 0, 2)), False),
        (8, certificate(1, 8, who=(0, 1, 1)), False),
    ],
)
def test_p3_fresh(round_: int, shown: Certificate, holds: bool) -> None:
    """The certificate of the parent justifies its own round, to everybody at or below it."""
    bench = Bench(3, height=2, parent=certificate(1, 4))
    bench.feed(proposal(round_, A, Fresh(shown), height=2))
    assert bool(bench.of(Validate)) is holds
    assert bench.state.round == (round_ if holds else 4)


def test_p3_fresh_after_a_rotation() -> None:
    bench = Bench(3, height=5, parent=certificate(4, 2))
    assert bench.place == (Mode.NORMAL, 3)
    bench.feed(proposal(2, A, Fresh(certificate(4, 2)), height=5))
    assert bench.of(Validate) == []
    bench = Bench(0, height=5, parent=certificate(4, 2))
    bench.feed(proposal(3, A, Fresh(certificate(4, 2)), height=5))
    assert bench.of(Validate) == [Validate(5, 3, DIGEST, A[0], A[1], 2)]


def test_p3_a_certificate_of_another_block_is_not_the_parents() -> None:
    request = commit_vote(SETTINGS, 1, 8, OTHER, OUTCOME)
    other = Certificate(
        request, tuple((member, vote(member, request).signature) for member in (0, 1, 2))
    )
    bench = Bench(3, height=2, parent=certificate(1, 4))
    bench.feed(proposal(8, A, Fresh(other), height=2))
    assert bench.of(Validate) == []


def test_p5_an_invalid_proposal_ends_the_round() -> None:
    bench = Bench().feed(proposal(), Validated(1, DIGEST, valid=False, reason="budget"))
    assert bench.place == (Mode.CHANGING, 1)
    assert bench.said() == [(Phase.CHANGE, 1)]


def test_p5_what_cannot_be_executed_ends_the_round_and_is_not_carried() -> None:
    bench = accepted().feed(first(2), first(3), Executed(1, DIGEST, None, "invariant"))
    assert bench.place == (Mode.CHANGING, 1)
    [sent] = bench.of(Send)
    assert decode_change(sent.message.body) is None


def test_p5_untimely_is_silence_until_a_quorum_vouches_for_it() -> None:
    bench = Bench().feed(proposal(), Validated(1, DIGEST, valid=False, untimely=True))
    assert bench.said() == []
    assert bench.place == (Mode.NORMAL, 0)
    bench.feed(first(2))
    assert bench.of(Validate) == []
    bench.feed(first(3))
    assert bench.of(Validate) == [Validate(1, 0, DIGEST, A[0], A[1], None)]
    bench.feed(VALID, EXECUTED)
    assert bench.said() == [(Phase.FIRST, 0), (Phase.COMMIT, 0)]


@pytest.mark.parametrize("last", [EXECUTED, first(2)])
def test_p6_prepared_and_executed_in_either_order(last: Input | VoteMessage) -> None:
    events = [first(2), EXECUTED]
    bench = accepted().feed(*[event for event in events if event != last])
    assert bench.said() == []
    bench.feed(last)
    kinds = [type(effect) for effect in bench.effects]
    assert kinds[:2] == [Persist, SignVote]
    assert bench.said() == [(Phase.COMMIT, 0)]


def test_p6_first_votes_for_something_else_prepare_nothing() -> None:
    bench = accepted().feed(EXECUTED, first(2, digest=OTHER), first(3, round_=1))
    assert bench.said() == []


def test_p7_decision() -> None:
    bench = accepted().feed(first(2), first(3), EXECUTED, commit(0))
    assert bench.of(Decide) == []
    bench.feed(commit(3))
    [decide] = bench.of(Decide)
    assert [member for member, _ in decide.certificate.votes] == [0, 1, 3]
    assert certificate_fault(SIGNATURES, SETTINGS, decide.certificate) is None
    # Nothing moves a decided height, a timer least of all.
    before = bench.state
    bench.feed(TimerElapsed(TimerId(1, 0, "progress")), change(2, 5), change(3, 5), commit(2))
    assert (bench.state, bench.effects) == (before, [])


def test_p7_another_outcome_of_a_quorum_stops_the_member() -> None:
    wrong = sha(b"another outcome")
    bench = accepted().feed(EXECUTED)
    bench.feed(*(commit(member, outcome=wrong) for member in (0, 2, 3)))
    [diverged] = bench.of(Diverged)
    assert (diverged.certificate.request.outcome, diverged.outcome) == (wrong, OUTCOME)
    assert bench.place[0] is Mode.STOPPED


def test_p7_outcomes_without_a_quorum_wait_and_are_shown() -> None:
    wrong = sha(b"another outcome")
    bench = accepted().feed(first(2), first(3), EXECUTED, commit(0), commit(2, outcome=wrong))
    assert bench.of(Decide) == []
    progress = bench.engine.progress(bench.state)
    assert progress.phase == "waiting for commit votes"
    assert (progress.height, progress.round, progress.leader) == (1, 0, 0)
    assert progress.seen == (
        (0, "commit", 0, OUTCOME),
        (1, "commit", 0, OUTCOME),
        (2, "commit", 0, wrong),
        (3, "first", 0, b""),
    )


def test_p7_an_unknown_block_is_fetched_once_and_again_with_the_resend_timer() -> None:
    bench = Bench().feed(*(commit(member) for member in (0, 2, 3)))
    assert bench.of(RequestSync) == [RequestSync(1, 1)]
    bench.feed(TimerElapsed(TimerId(1, 0, "resend")))
    assert bench.of(RequestSync) == [RequestSync(1, 1)]


def test_p7_a_known_block_is_executed_first() -> None:
    bench = Bench().feed(proposal(), *(commit(member) for member in (0, 2, 3)))
    assert bench.of(RequestSync) == bench.of(Decide) == []
    bench.feed(Validated(1, DIGEST, valid=False, untimely=True))
    assert bench.of(Validate) == [Validate(1, 0, DIGEST, A[0], A[1], None)]
    bench.feed(VALID)
    assert len(bench.of(Execute)) == 1
    bench.feed(EXECUTED)
    assert len(bench.of(Decide)) == 1


def test_p7_a_member_that_changes_the_round_still_decides() -> None:
    bench = accepted().feed(Suspect(1, 0, "overtaking"), EXECUTED)
    assert bench.place == (Mode.CHANGING, 1)
    bench.feed(*(commit(member) for member in (0, 2, 3)))
    assert len(bench.of(Decide)) == 1


def test_p7_rounds_are_not_added_up() -> None:
    bench = accepted().feed(EXECUTED, commit(0), commit(2), commit(3, round_=1))
    assert bench.of(Decide) == []
    bench.feed(commit(0, round_=1), commit(2, round_=1))
    [decide] = bench.of(Decide)
    assert decide.certificate.request.round == 1


# --- suspicion -----------------------------------------------------------------------------------


def test_p8_nobody_is_suspected_without_work() -> None:
    assert Bench().timers() == {}
    bench = Bench().feed(WorkWaiting(1))
    assert bench.timers() == {"progress": 2_000, "lag": LAG_MS}
    bench.feed(TimerElapsed(TimerId(1, 0, "progress")))
    assert bench.place == (Mode.CHANGING, 1)


def test_p8_an_accepted_proposal_is_work() -> None:
    assert Bench().feed(proposal()).timers() == {"progress": 2_000}


def test_p8_the_time_doubles_up_to_the_cap() -> None:
    times = []
    for round_ in range(1, 6):
        bench = Bench(3 if round_ % 4 != 3 else 2)
        bench.feed(new_view(round_, [change(member, round_) for member in (0, 1, 2)]))
        times.append(bench.timers()["progress"])
    assert times == [4_000, 8_000, 8_000, 8_000, 8_000]


def lag(bench: Bench, times: int) -> None:
    for _ in range(times):
        bench.feed(TimerElapsed(TimerId(1, 0, "lag")))


def test_p9_a_leader_that_is_always_late_is_replaced() -> None:
    bench = Bench().feed(WorkWaiting(1))
    lag(bench, STRIKES_MAX - 1)
    assert bench.place == (Mode.NORMAL, 0)
    assert bench.timers() == {"lag": LAG_MS}
    lag(bench, 1)
    assert bench.place == (Mode.CHANGING, 1)


def test_p9_strikes_survive_the_height_and_fade_when_it_is_in_time() -> None:
    bench = Bench().feed(WorkWaiting(1))
    lag(bench, 3)
    bench.feed(proposal(), TimerElapsed(TimerId(1, 0, "lag")))
    assert bench.state.strikes == 3
    settings = replace(SETTINGS, own=1)
    bench.feed(Start(2, settings, certificate(1)))
    bench.feed(proposal(0, A, Fresh(certificate(1)), height=2))
    assert bench.state.strikes == 2
    bench.feed(Start(3, settings, certificate(2, 1)))
    assert bench.state.strikes == 0


def test_p10_overtaking() -> None:
    assert Bench().feed(Suspect(1, 3, "stale")).place == (Mode.NORMAL, 0)
    assert Bench().feed(Suspect(1, 0, "overtaking")).place == (Mode.CHANGING, 1)


def test_p10_two_proposals_of_the_leader_end_its_round() -> None:
    bench = accepted().feed(proposal(what=B))
    assert bench.of(ReportEvidence) == [ReportEvidence(first(0), first(0, digest=OTHER))]
    assert bench.place == (Mode.CHANGING, 1)
    bench.feed(proposal(what=body(b"C")))
    assert bench.of(ReportEvidence) == []


def test_p10_a_voter_for_something_else_is_shown_the_leaders_vote() -> None:
    bench = accepted().feed(first(2, digest=OTHER))
    assert bench.of(Send) == [Send(2, first(0))]
    early = Bench().feed(first(3, digest=OTHER))
    assert early.of(Send) == []
    early.feed(proposal())
    assert early.of(Send) == [Send(3, first(0))]


@pytest.mark.parametrize(
    ("one", "two"),
    [
        (first(2), first(2, digest=OTHER)),
        (commit(3), commit(3, digest=OTHER)),
        (commit(3), commit(3, outcome=sha(b"x"))),
        (change(2, 1), change(2, 1, prepared())),
    ],
)
def test_p10_evidence_is_reported_once(one: ConsensusMessage, two: ConsensusMessage) -> None:
    bench = accepted().feed(one, one)
    assert bench.of(ReportEvidence) == []
    bench.feed(two, two, one)
    assert bench.of(ReportEvidence) == [ReportEvidence(one.signed, two.signed)]


# --- view change ---------------------------------------------------------------------------------


def test_p11_the_prepared_proposal_is_carried() -> None:
    bench = accepted().feed(first(2), first(3), EXECUTED)
    bench.feed(TimerElapsed(TimerId(1, 0, "progress")))
    [sent] = bench.of(Send)
    assert decode_change(sent.message.body) == prepared(who=(0, 1, 2))
    assert {effect.timer.kind for effect in bench.of(CancelTimer)} == {"resend"}
    # No vote in the round that was left, whatever comes.
    bench.feed(proposal(), first(2), first(3))
    assert bench.said() == []


BAD_CHANGES: dict[str, EngineMessage] = {
    "not canonical": change(2, 1, b"\0\0\0"),
    "too few": change(2, 1, prepared(who=(0, 2))),
    "twice": change(2, 1, prepared(who=(0, 2, 2))),
    "not a member": change(
        2, 1, replace(prepared(), votes=(*prepared().votes[:2], (9, first(3).signature)))
    ),
    "wrong signature": change(
        2, 1, replace(prepared(), votes=(*prepared().votes[:2], (3, first(2).signature)))
    ),
    "votes of another round": change(2, 2, replace(prepared(0), round=1)),
    "votes for another digest": change(2, 1, replace(prepared(), digest=OTHER, proposal=b"B")),
    "body of another digest": change(2, 1, replace(prepared(), proposal=b"B")),
    "payload of another digest": change(2, 1, replace(prepared(), payload=B[1])),
    "prepared in its own round": change(2, 1, prepared(1)),
    "prepared in a later round": change(2, 1, prepared(2)),
}


@pytest.mark.parametrize("why", BAD_CHANGES)
def test_p12_a_view_change_that_does_not_hold(why: str) -> None:
    bench = Bench(0).feed(BAD_CHANGES[why])
    assert [effect.member for effect in bench.of(Penalise)] == [2]
    assert bench.state.changes == {}
    view = [change(1, 1), BAD_CHANGES[why], change(3, 1)]
    assert Bench(0).feed(new_view(1, view)).of(Validate) == []


def test_p12_a_body_that_is_not_the_signed_one_is_dropped_without_blame() -> None:
    swapped = replace(change(2, 1, prepared()), body=encode_change(None))
    bench = Bench(0).feed(swapped)
    assert (bench.effects, bench.state.changes) == ([], {})


def test_p12_the_newest_of_each_member_is_kept() -> None:
    bench = Bench().feed(change(2, 3), change(2, 2), change(2, 9), change(2, ROUND_MAX + 1))
    assert {member: kept.round for member, kept in bench.state.changes.items()} == {2: 9}


@pytest.mark.parametrize(
    ("rounds", "joined"),
    [((5,), None), ((5, 7), 5), ((7, 5), 5), ((3, 7, 9), 7), ((2, 2), 2), ((2_880, 9_000), 2_880)],
)
def test_p13_joining(rounds: tuple[int, ...], joined: int | None) -> None:
    bench = Bench()
    sent = []
    for member, round_ in zip((0, 2, 3), rounds, strict=False):
        bench.feed(change(member, round_))
        sent += bench.said()
    assert bench.place == ((Mode.NORMAL, 0) if joined is None else (Mode.CHANGING, joined))
    assert sent[-1:] == ([] if joined is None else [(Phase.CHANGE, joined)])


def test_p13_an_own_round_that_others_reach_by_view_change() -> None:
    """Started at round 4 by an own commit vote; nobody can show a certificate of it."""
    own = (commit_vote(SETTINGS, 1, 4, PARENT, OUTCOME),)
    bench = Bench(0, height=2, parent=certificate(1, 0), parent_votes=own)
    for member in (1, 2):
        one = change(member, 4)
        request = replace(one.signed.request, height=2)
        bench.feed(replace(one, signed=vote(member, request)))
    assert bench.place == (Mode.NORMAL, 4)
    assert bench.state.justification
    assert bench.of(RequestPayload) == [RequestPayload(2, 4, 0, urgent=True)]


def test_p14_a_lone_member_does_not_run_away() -> None:
    bench = Bench().feed(Suspect(1, 0, "x"))
    assert bench.timers() == {"resend": RESEND_MS}
    bench.feed(change(3, 1))
    assert bench.timers() == {}
    bench.feed(change(2, 6))
    assert bench.timers() == {"change": 4_000}
    bench.feed(TimerElapsed(TimerId(1, 1, "change")))
    assert bench.place == (Mode.CHANGING, 2)


def test_p15_a_new_view_with_nothing_prepared_asks_for_a_payload() -> None:
    bench = Bench(1).feed(change(2, 1), change(3, 1))
    assert bench.place == (Mode.NORMAL, 1)
    assert bench.of(RequestPayload) == [RequestPayload(1, 1, 0, urgent=True)]
    bench.feed(PayloadReady(1, 1, DIGEST, A[0], A[1]))
    assert bench.of(Validate) == [Validate(1, 1, DIGEST, A[0], A[1], 0)]
    bench.feed(VALID)
    [sent] = bench.of(Send)
    shown = decode_justification(sent.message.justification, SETTINGS, 1)
    assert isinstance(shown, NewView)
    assert [one.member for one in shown.changes] == [1, 2, 3]
    assert Bench(0).feed(sent.message).of(Validate) == [Validate(1, 1, DIGEST, A[0], A[1], 0)]


def test_p15_the_highest_prepared_round_is_proposed_again_by_who_never_saw_it() -> None:
    bench = Bench(3).feed(change(1, 3, prepared(0, A)), change(2, 3, prepared(1, B)))
    assert bench.of(Validate) == [Validate(1, 3, OTHER, B[0], B[1], None)]
    bench.feed(Validated(1, OTHER, valid=True))
    assert bench.said() == [(Phase.FIRST, 3)]


def test_p15_what_was_executed_before_is_not_executed_again() -> None:
    bench = accepted().feed(EXECUTED)
    bench.feed(change(2, 1, prepared()), change(3, 1))
    assert bench.of(Validate) == bench.of(Execute) == []
    assert (Phase.FIRST, 1) in bench.said()
    bench.feed(first(2, 1), first(3, 1))
    assert bench.said() == [(Phase.COMMIT, 1)]


def test_p16_a_backup_recomputes_the_choice() -> None:
    view = [change(0, 1), change(2, 1, prepared()), change(3, 1)]
    assert Bench(0).feed(new_view(1, view, B)).of(Validate) == []
    good = Bench(0).feed(new_view(1, view, A))
    assert good.of(Validate) == [Validate(1, 1, DIGEST, A[0], A[1], None)]
    assert good.place == (Mode.NORMAL, 1)
    highest = [change(0, 3, prepared(0, A)), change(1, 3, prepared(1, B)), change(2, 3)]
    assert Bench(2).feed(new_view(3, highest, A)).of(Validate) == []
    assert len(Bench(2).feed(new_view(3, highest, B)).of(Validate)) == 1


def test_p16_forged_view_changes() -> None:
    forged = replace(change(2, 1), signed=replace(change(2, 1).signed, signature=b"x" * 64))
    view = [change(0, 1), forged, change(3, 1)]
    assert Bench(0).feed(new_view(1, view)).of(Validate) == []


# --- loss and restart ----------------------------------------------------------------------------


def test_p17_the_same_bytes_again_ever_more_rarely() -> None:
    bench = accepted().feed(first(2), first(3), EXECUTED)
    said, delays = [], []
    for _ in range(5):
        bench.feed(TimerElapsed(TimerId(1, 0, "resend")))
        said.append(bench.said())
        delays.append(bench.timers()["resend"])
    assert said == [[(Phase.FIRST, 0), (Phase.COMMIT, 0)]] * 5
    assert delays == [1_000, 2_000, RESEND_MS_MAX, RESEND_MS_MAX, RESEND_MS_MAX]


def test_p18_restart_after_each_vote() -> None:
    bench = accepted()
    records = bench.of(Persist)
    sent = bench.of(Send)
    again = bench.again(records, sent)
    assert again.said() == [(Phase.FIRST, 0)]
    assert again.of(Validate) == [Validate(1, 0, DIGEST, A[0], A[1], None)]
    bench.feed(first(2), first(3), EXECUTED)
    records += bench.of(Persist)
    sent += bench.of(Send)
    again = bench.again(records, sent)
    assert set(again.said()) == {(Phase.FIRST, 0), (Phase.COMMIT, 0)}
    again.feed(VALID, EXECUTED, commit(0), commit(2))
    assert len(again.of(Decide)) == 1
    again = bench.again(records, sent).feed(Suspect(1, 0, "x"))
    [sent] = again.of(Send)
    assert decode_change(sent.message.body) == prepared(who=(0, 1, 2))
    changing = bench.again(records, again.of(Send))
    assert changing.place == (Mode.CHANGING, 1)
    assert changing.of(Send) == [sent]


def test_p18_a_leader_sends_its_proposal_again_with_the_justification() -> None:
    bench = Bench(0).feed(PayloadReady(1, 0, DIGEST, A[0], A[1]), VALID)
    again = bench.again(bench.of(Persist), bench.of(Send))
    assert again.of(Send) == bench.of(Send)
    assert again.of(RequestPayload) == []


def test_p18_a_record_without_a_vote_binds_nobody() -> None:
    records = accepted().of(Persist)
    again = Bench(1, recovered=tuple((one.kind, one.data) for one in records))
    assert (again.place, again.state.accepted) == ((Mode.NORMAL, 0), b"")
    damaged = Bench(1, recovered=((2, b"\1"), (4, b""), (9, b"x")))
    assert damaged.state.proposals == {}


def test_p19_votes_of_far_rounds_and_old_proposals_are_not_kept() -> None:
    bench = Bench().feed(first(2, ROUNDS_KEPT), first(2, ROUNDS_KEPT + 1), first(2, 2**63))
    assert {round_ for round_, _ in bench.state.votes.tallies} == {ROUNDS_KEPT}
    for round_ in range(2, 62, 4):
        view = [change(member, round_) for member in (0, 2, 3)]
        bench.feed(new_view(round_, view, body(str(round_).encode())))
    assert bench.state.round == 58
    assert len(bench.state.proposals) <= PROPOSALS_MAX + 2


def test_p20_an_observer_follows_and_signs_nothing() -> None:
    bench = Bench(None).feed(WorkWaiting(1), proposal(), VALID, EXECUTED)
    assert {type(effect) for effect in bench.effects} == {Validate, Execute}
    bench.feed(change(0, 4), change(1, 4), change(2, 4), Suspect(1, 0, "x"))
    assert bench.effects == []
    bench.feed(*(commit(member) for member in (0, 1, 2)))
    assert len(bench.of(Decide)) == 1


def test_p20_a_refused_signature_is_silence() -> None:
    bench = Bench().feed(proposal())
    state, effects = bench.engine.step(bench.state, VALID)
    [request] = [effect.request for effect in effects if isinstance(effect, SignVote)]
    state, effects = bench.engine.step(state, VoteRefused(request, "silent"))
    assert effects == ()
    bench.state = state
    bench.feed(EXECUTED, *(commit(member) for member in (0, 2, 3)))
    assert len(bench.of(Decide)) == 1


STRANGE: list[Callable[[VoteRequest], VoteRequest]] = [
    lambda request: replace(request, epoch=1),
    lambda request: replace(request, engine="raft"),
    lambda request: replace(request, height=2),
    lambda request: replace(request, phase=Phase.GRANT),
]


@pytest.mark.parametrize("strange", STRANGE)
def test_statements_of_another_kind_change_nothing(
    strange: Callable[[VoteRequest], VoteRequest],
) -> None:
    bench = accepted()
    before = bench.state
    for message in (first(2), commit(2), proposal(), change(2, 1)):
        signed = vote(message.signed.validator, strange(message.signed.request))
        bench.feed(signed if isinstance(message, VoteMessage) else replace(message, signed=signed))
        assert (bench.state, bench.effects) == (before, [])


@pytest.mark.parametrize("member", [-1, 1, 4, 2**32 - 1])
def test_strangers_and_the_own_echo_are_not_counted(member: int) -> None:
    bench = accepted()
    before = bench.state
    bench.feed(VoteMessage(member, first(2).request, b""))
    assert (bench.state, bench.effects) == (before, [])


def test_a_step_leaves_the_state_it_was_given() -> None:
    bench = accepted()
    before, copy = bench.state, repr(bench.state)
    bench.feed(first(2), first(3), EXECUTED, Suspect(1, 0, "x"), change(2, 4), change(3, 4))
    assert repr(before) == copy


def test_weights_count_not_heads() -> None:
    heavy = replace(
        SETTINGS,
        members=tuple(
            replace(member, weight=weight)
            for member, weight in zip(SETTINGS.members, (5, 1, 1, 1), strict=True)
        ),
        quorum=6,
    )
    keeper, weight, _ = NO_VOTES.add(first(0), 5)
    assert weight == 5
    with pytest.raises(ValueError, match="no quorum"):
        keeper.certificate(heavy, first(0).request)
    keeper, weight, _ = keeper.add(first(3), 1)
    assert weight == 6
    votes = keeper.certificate(heavy, first(0).request).votes
    assert [member for member, _ in votes] == [0, 3]
    light = Certificate(first(1).request, tuple((m, first(m).signature) for m in (1, 2, 3)))
    assert certificate_fault(SIGNATURES, heavy, light) == "not a quorum"


@pytest.mark.parametrize(
    ("votes", "settings", "fault"),
    [
        ((0, 1, 2), SETTINGS, None),
        ((0, 1, 2), replace(SETTINGS, epoch=1), "another epoch or engine"),
        ((0, 1, 2), replace(SETTINGS, engine="raft"), "another epoch or engine"),
        ((0, 2, 1), SETTINGS, "members are not ascending"),
        ((0, 1, 1), SETTINGS, "members are not ascending"),
        ((), SETTINGS, "not a member"),
        ((0, 1), SETTINGS, "not a quorum"),
        ((0, 1, 2), replace(SETTINGS, members=SETTINGS.members[:2]), "not a member"),
    ],
)
def test_certificates(votes: tuple[int, ...], settings: Configuration, fault: str | None) -> None:
    request = first(0).request
    made = Certificate(request, tuple((member, first(member).signature) for member in votes))
    assert certificate_fault(SIGNATURES, settings, made) == fault


def test_names_of_engines() -> None:
    assert engine_named("pbft", SIGNATURES).name == "pbft"
    assert engine_named("solo", SIGNATURES).name == "solo"
    with pytest.raises(ValueError, match="there are: paxos, pbft, raft, solo"):
        engine_named("other", SIGNATURES)


def test_damaged_justifications_raise_one_error() -> None:
    view = NewView(
        tuple(
            SignedChange(member, b"s" * 64, encode_change(prepared() if member else None))
            for member in (0, 2, 3)
        ),
        certificate(0),
    )
    data = encode_justification(view)
    assert decode_justification(data, SETTINGS, 1) == view
    for at in range(len(data)):
        for damaged in (data[:at], bytes([*data[:at], data[at] ^ 0x55, *data[at + 1 :]])):
            try:
                other = decode_justification(damaged, SETTINGS, 1)
            except EncodingError:
                continue
            assert encode_justification(other) == damaged
