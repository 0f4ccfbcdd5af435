"""Rules of Byzantine Paxos one by one; the names are those of spec/consensus/paxos.md."""

from collections.abc import Callable, Iterable
from dataclasses import replace

import pytest

from bubi.consensus.engine import (
    Certificate,
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
)
from bubi.consensus.guard import Phase, VoteRequest
from bubi.consensus.height import LAG_MS, RESEND_MS, ROUND_MAX, STRIKES_MAX
from bubi.consensus.height_state import Mode
from bubi.consensus.parts import EpochStart, Fresh, Prepared, signed_bytes
from bubi.consensus.paxos_bytes import (
    NEXT,
    PHASE_1A,
    PHASE_1B,
    Claim,
    Evidence,
    Phase1,
    Promise,
    Proof,
    Shown,
    decode_proof,
    decode_shown,
    encode_claim,
    encode_proof,
    encode_shown,
    promise_vote,
)
from bubi.consensus.votes import certificate_fault
from bubi.encoding import EncodingError

from . import bench
from .bench import DIGEST, OTHER, OUTCOME, PARENT, SIGNATURES, A, B, Body, Voices
from .cluster import sha

VOICES = Voices("paxos")
SETTINGS = VOICES.settings
vote, first, commit = VOICES.vote, VOICES.first, VOICES.commit
certificate, prepared = VOICES.certificate, VOICES.prepared
AT_START = EpochStart()


class Bench(bench.Bench):
    name = "paxos"


def opens(member: int, ballot: int, body: bytes = NEXT) -> EngineMessage:
    """A 1a."""
    return VOICES.asking(member, ballot, PHASE_1A, body)


def promise(
    member: int, ballot: int, value: Prepared | Claim | None = None, height: int = 1
) -> ProposalMessage:
    """A 1b; a bare claim comes without what proves it."""
    claim = Claim(value.round, value.digest) if isinstance(value, Prepared) else value
    digest = SIGNATURES.hash(signed_bytes(PHASE_1B, encode_claim(claim)))
    signed = vote(member, promise_vote(SETTINGS, height, ballot, digest))
    if claim is None:
        return ProposalMessage(signed, b"", (), encode_shown(None))
    if isinstance(value, Prepared):
        shown = encode_shown(Shown(claim, value.votes))
        return ProposalMessage(signed, value.proposal, value.payload, shown)
    return ProposalMessage(signed, b"", (), encode_shown(Shown(claim, ())))


def statement(ballot: int, digest: bytes = DIGEST, height: int = 1) -> VoteMessage:
    """The leader's signature under its 1c."""
    leader = SETTINGS.leader(ballot)
    request = replace(first(leader, ballot, digest, height).request, phase=Phase.PROPOSAL)
    return vote(leader, request)


def value_of(
    ballot: int = 0, what: Body = A, proof: Proof | bytes = AT_START, height: int = 1
) -> ProposalMessage:
    """A 1c."""
    shown = proof if isinstance(proof, bytes) else encode_proof(proof)
    return ProposalMessage(statement(ballot, what[2], height), what[0], what[1], shown)


def safe(
    ballot: int,
    promises: Iterable[ProposalMessage],
    what: Body = A,
    evidence: Prepared | Evidence | None = None,
    parent: Certificate | None = None,
    height: int = 1,
) -> ProposalMessage:
    """A 1c after phase 1."""
    told = []
    for one in promises:
        shown = decode_shown(one.justification)
        claim = shown.claim if shown is not None else None
        told.append(Promise(one.signed.validator, one.signed.signature, claim))
    proven = (
        Evidence(evidence.round, evidence.votes) if isinstance(evidence, Prepared) else evidence
    )
    return value_of(ballot, what, Phase1(tuple(told), proven, parent), height)


VALID = Validated(1, DIGEST, valid=True)
EXECUTED = Executed(1, DIGEST, OUTCOME)
PROGRESS = TimerElapsed(TimerId(1, 0, "progress"))
VALUE = prepared()


def accepted(own: int = 1) -> Bench:
    return Bench(own).feed(value_of(), VALID)


def leading() -> Bench:
    return Bench(0).feed(PayloadReady(1, 0, DIGEST, A[0], A[1]), VALID)


def voted(own: int = 1) -> Bench:
    others = [member for member in (0, 1, 2) if member != own][:2]
    return accepted(own).feed(*(first(member) for member in others), EXECUTED)


# --- the good case -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("height", "shown", "own_ballots", "start"),
    [(2, 0, (), 0), (2, 3, (1,), 3), (2, 3, (4, 5), 5), (5, 3, (), 4), (5, 3, (6,), 7)],
)
def test_b1_start_ballot(
    height: int, shown: int, own_ballots: tuple[int, ...], start: int
) -> None:
    own = tuple(commit_vote(SETTINGS, height - 1, one, PARENT, OUTCOME) for one in own_ballots)
    member = Bench(height=height, parent=certificate(height - 1, shown), parent_votes=own)
    assert member.place == (Mode.NORMAL, start)


def test_b2_the_leader_needs_no_phase_1_after_its_own_ballot() -> None:
    member = Bench(0, height=2, parent=certificate(1, 4))
    assert member.of(RequestPayload) == [RequestPayload(2, 4, 4)]
    member.feed(PayloadReady(2, 4, DIGEST, A[0], A[1]))
    assert member.of(Validate) == [Validate(2, 4, DIGEST, A[0], A[1], 4)]
    member.feed(Validated(2, DIGEST, valid=True))
    opening, own = member.of(Send)
    assert opening == Send(None, value_of(4, A, Fresh(certificate(1, 4)), height=2))
    assert own == Send(None, first(0, 4, height=2))


def test_b2_a_leader_without_a_certificate_of_its_ballot_waits() -> None:
    own = (commit_vote(SETTINGS, 1, 4, PARENT, OUTCOME),)
    member = Bench(0, height=2, parent=certificate(1, 0), parent_votes=own)
    assert member.of(RequestPayload) == []


def test_b3_b4_an_acceptor_gives_its_2av_to_all() -> None:
    member = Bench().feed(value_of())
    assert member.of(Validate) == [Validate(1, 0, DIGEST, A[0], A[1], 0)]
    member.feed(VALID)
    assert [type(effect) for effect in member.effects][:3] == [Persist, SignVote, Execute]
    assert member.of(Send) == [Send(None, first(1))]


def test_b4_the_leader_signs_its_1c_and_its_own_2av() -> None:
    member = Bench(0).feed(PayloadReady(1, 0, DIGEST, A[0], A[1]))
    assert member.said() == []
    member.feed(VALID)
    phases = [effect.request.phase for effect in member.of(SignVote)]
    assert phases == [Phase.PROPOSAL, Phase.FIRST]
    assert member.of(Send) == [Send(None, value_of()), Send(None, first(0))]


FREE = [promise(member, 1) for member in (0, 2, 3)]
CLAIMED = [promise(0, 1, VALUE), promise(2, 1), promise(3, 1)]

REFUSED: dict[str, ProposalMessage] = {
    "not the leader": replace(value_of(), signed=vote(2, statement(0).request)),
    "a first vote under it": replace(value_of(), signed=first(0)),
    "another payload": replace(value_of(), payload=B[1]),
    "another value": replace(value_of(), proposal=b"B"),
    "no proof": value_of(proof=b""),
    "trailing bytes": value_of(proof=b"\0\0"),
    "epoch start in a later ballot": value_of(4),
    "a parent where there is none": value_of(proof=Fresh(certificate(0))),
    "phase 1 of nobody": safe(1, []),
    "phase 1 of too few": safe(1, FREE[:2]),
    "one 1b twice": safe(1, [FREE[1], *FREE[1:]]),
    "1b not ascending": safe(1, [FREE[2], *FREE[:2]]),
    "1b of another ballot": safe(1, [promise(0, 2), promise(2, 2), promise(3, 2)]),
    "one 1b of another ballot": safe(1, [promise(0, 1), promise(2, 1), promise(3, 5)]),
    "1b of another height": safe(1, [promise(0, 1), promise(2, 1), promise(3, 1, None, 2)]),
    "a claim and no evidence": safe(1, CLAIMED),
    "another value than the claimed one": safe(1, CLAIMED, B, VALUE),
    "a newer claim than the evidence": safe(
        5, [promise(0, 5, prepared(1, B)), promise(2, 5), promise(3, 5)], A, VALUE
    ),
    "a conflicting claim in the ballot of the evidence": safe(
        1, [promise(0, 1, Claim(0, OTHER)), promise(2, 1), promise(3, 1)], A, VALUE
    ),
    "2av of too few": safe(1, CLAIMED, A, prepared(who=(0, 2))),
    "one 2av many times": safe(1, CLAIMED, A, prepared(who=(0, 0, 0))),
    "2av of another ballot": safe(5, CLAIMED, A, Evidence(1, VALUE.votes)),
    "2av for another value": safe(1, CLAIMED, A, Evidence(0, prepared(0, B).votes)),
    "2av of its own ballot": safe(1, FREE, A, prepared(1, who=(1, 2, 3))),
    "huge ballot": value_of(2**63),
}


@pytest.mark.parametrize("why", REFUSED)
def test_b3_b14_what_an_acceptor_does_not_accept(why: str) -> None:
    member = Bench(3 if REFUSED[why].signed.validator != 3 else 2).feed(REFUSED[why])
    assert member.of(Validate) == member.of(Penalise) == []
    assert member.place == (Mode.NORMAL, 0)


@pytest.mark.parametrize(
    ("ballot", "shown", "holds"),
    [
        (4, certificate(1, 4), True),
        (2, certificate(1, 2), False),
        (5, certificate(1, 4), False),
        (8, certificate(1, 8), True),
        (8, certificate(1, 8, who=(0, 1)), False),
        (8, certificate(1, 8, who=(0, 1, 1)), False),
        (8, replace(certificate(1, 8), votes=certificate(1, 7).votes), False),
        (8, certificate(1, 8, digest=OTHER), False),
    ],
)
def test_b3_the_same_leader_goes_on(ballot: int, shown: Certificate, holds: bool) -> None:
    member = Bench(3, height=2, parent=certificate(1, 4))
    member.feed(value_of(ballot, A, Fresh(shown), height=2))
    assert bool(member.of(Validate)) is holds
    assert member.state.round == (ballot if holds else 4)


def test_b3_after_a_rotation() -> None:
    member = Bench(0, height=5, parent=certificate(4, 2))
    member.feed(value_of(2, A, Fresh(certificate(4, 2)), height=5))
    assert member.of(Validate) == []
    member.feed(value_of(3, A, Fresh(certificate(4, 2)), height=5))
    assert member.of(Validate) == [Validate(5, 3, DIGEST, A[0], A[1], 2)]


def test_b5_an_invalid_value_ends_the_ballot() -> None:
    member = Bench().feed(value_of(), Validated(1, DIGEST, valid=False, reason="budget"))
    assert member.place == (Mode.CHANGING, 1)
    assert (Phase.CHANGE, 1) in member.said()


def test_b5_untimely_is_silence_until_a_quorum_gave_its_2av() -> None:
    member = Bench().feed(value_of(), Validated(1, DIGEST, valid=False, untimely=True))
    assert member.said() == []
    member.feed(first(0), first(2), first(3))
    assert member.of(Validate) == [Validate(1, 0, DIGEST, A[0], A[1], None)]
    member.feed(VALID, EXECUTED)
    assert member.said() == [(Phase.FIRST, 0), (Phase.COMMIT, 0)]


@pytest.mark.parametrize("order", ["votes first", "execution first", "votes before the value"])
def test_b6_2b_after_2av_of_a_quorum_and_execution(order: str) -> None:
    events: dict[str, list[Input | ConsensusMessage]] = {
        "votes first": [value_of(), VALID, first(0), first(2), EXECUTED],
        "execution first": [value_of(), VALID, EXECUTED, first(0), first(2)],
        "votes before the value": [first(0), first(2), value_of(), VALID, EXECUTED],
    }
    *before, last = events[order]
    member = Bench().feed(*before)
    assert (Phase.COMMIT, 0) not in member.said()
    member.feed(last)
    kinds = [type(effect) for effect in member.effects]
    assert kinds[:2] == [Persist, SignVote]
    assert member.of(Send) == [Send(None, commit(1))]
    assert member.state.voted == prepared(who=(0, 1, 2))


@pytest.mark.parametrize(
    "others",
    [
        [first(0), first(0), first(0)],
        [first(0), first(2, digest=OTHER), first(3, digest=OTHER)],
        [first(0), first(2, round_=1), first(3, round_=1)],
        [first(0), first(2, height=2), first(3, height=2)],
        [first(0), commit(2), statement(0)],
    ],
)
def test_b6_what_is_no_quorum_of_2av(others: list[VoteMessage]) -> None:
    member = accepted().feed(EXECUTED, *others)
    assert (Phase.COMMIT, 0) not in member.said()
    assert member.state.voted is None


def test_b6_one_2av_less_is_no_quorum_whatever_comes_last() -> None:
    member = accepted().feed(first(0), EXECUTED, WorkWaiting(1))
    assert (member.said(), member.state.voted) == ([], None)


def test_b6_what_cannot_be_executed_is_not_voted_for() -> None:
    member = accepted().feed(first(0), first(2), Executed(1, DIGEST, None, "invariant"))
    assert member.place == (Mode.CHANGING, 1)
    assert member.state.voted is None


def test_b7_decision() -> None:
    member = voted().feed(commit(0))
    assert member.of(Decide) == []
    member.feed(commit(3))
    [decide] = member.of(Decide)
    assert [voter for voter, _ in decide.certificate.votes] == [0, 1, 3]
    assert certificate_fault(SIGNATURES, SETTINGS, decide.certificate) is None


def test_b7_2av_alone_decide_nothing_nor_do_ballots_add_up() -> None:
    member = voted().feed(first(3))
    assert member.of(Decide) == []
    member.feed(commit(0), commit(3, round_=1), commit(2, round_=1))
    assert member.of(Decide) == []


def test_b7_another_outcome_of_a_quorum_stops_the_member() -> None:
    wrong = sha(b"another outcome")
    member = accepted().feed(EXECUTED, *(commit(one, outcome=wrong) for one in (0, 2, 3)))
    assert len(member.of(Diverged)) == 1
    assert member.place[0] is Mode.STOPPED


def test_b7_an_unknown_block_is_fetched() -> None:
    member = Bench().feed(*(commit(one) for one in (0, 2, 3)))
    assert member.of(RequestSync) == [RequestSync(1, 1)]


# --- a new ballot --------------------------------------------------------------------------------


def test_b8_progress_lag_and_overtaking() -> None:
    assert Bench().feed(WorkWaiting(1)).timers() == {"progress": 2_000, "lag": LAG_MS}
    assert Bench().feed(WorkWaiting(1), PROGRESS).place == (Mode.CHANGING, 1)
    late = Bench().feed(WorkWaiting(1))
    for _ in range(STRIKES_MAX):
        assert late.place == (Mode.NORMAL, 0)
        late.feed(TimerElapsed(TimerId(1, 0, "lag")))
    assert late.place == (Mode.CHANGING, 1)
    assert Bench().feed(Suspect(1, 0, "overtaking")).place == (Mode.CHANGING, 1)


def test_b8_who_votes_otherwise_is_shown_the_leaders_signature() -> None:
    member = accepted().feed(first(2, digest=OTHER))
    assert member.of(Send) == [Send(2, statement(0))]
    member.feed(first(2, digest=OTHER))
    assert member.of(Send) == []
    other = Bench(2).feed(value_of(what=B), Validated(1, OTHER, valid=True), statement(0))
    assert other.of(ReportEvidence) == [ReportEvidence(statement(0, OTHER), statement(0))]
    assert other.place == (Mode.CHANGING, 1)


def test_b8_early_2av_are_confronted_once_the_value_is_here() -> None:
    member = Bench().feed(first(2, digest=OTHER), value_of())
    assert member.of(Send) == [Send(2, statement(0))]


def test_b8_two_1c_of_the_leader_end_the_ballot() -> None:
    member = accepted().feed(value_of(what=B))
    assert member.of(ReportEvidence) == [ReportEvidence(statement(0), statement(0, OTHER))]
    assert member.of(Validate) == []
    assert member.place == (Mode.CHANGING, 1)


@pytest.mark.parametrize(
    ("one", "two"),
    [
        (first(2), first(2, digest=OTHER)),
        (commit(3), commit(3, outcome=sha(b"x"))),
        (promise(2, 5), promise(2, 5, VALUE)),
        (statement(6), statement(6, OTHER)),
    ],
)
def test_b8_evidence_is_reported_once(one: ConsensusMessage, two: ConsensusMessage) -> None:
    member = Bench().feed(one, one)
    assert member.of(ReportEvidence) == []
    member.feed(two, two, one)
    assert member.of(ReportEvidence) == [ReportEvidence(one.signed, two.signed)]


def test_b9_a_1a_says_its_ballot_and_nothing_else() -> None:
    member = voted(2).feed(PROGRESS)
    assert member.of(Send) == [Send(None, opens(2, 1))]
    member.feed(value_of(), first(3), commit(0))
    assert member.said() == []


@pytest.mark.parametrize("content", [b"", b"\0\0", b"\1"])
def test_b9_another_body_is_the_senders_fault(content: bytes) -> None:
    member = Bench().feed(opens(2, 1, content))
    assert [effect.member for effect in member.of(Penalise)] == [2]
    assert member.state.changes == {}


@pytest.mark.parametrize(
    ("ballots", "joined"), [((5,), None), ((5, 7), 5), ((3, 7, 9), 7), ((2_880, 9_000), 2_880)]
)
def test_b10_a_member_follows_what_a_weak_quorum_asks_for(
    ballots: tuple[int, ...], joined: int | None
) -> None:
    member = Bench()
    for other, ballot in zip((0, 2, 3), ballots, strict=False):
        member.feed(opens(other, ballot))
    assert member.place == ((Mode.NORMAL, 0) if joined is None else (Mode.CHANGING, joined))


def test_b10_the_time_of_phase_1_starts_with_a_quorum() -> None:
    member = Bench(2).feed(Suspect(1, 0, "x"))
    assert member.timers() == {"resend": RESEND_MS}
    member.feed(opens(3, 1))
    assert member.timers() == {}
    member.feed(opens(0, 6))
    assert member.timers() == {"change": 4_000}


def test_b11_a_1b_goes_to_the_leader_once_both_said_1a() -> None:
    member = Bench(2).feed(opens(1, 1))
    assert member.said() == []
    member.feed(Suspect(1, 0, "x"))
    assert member.of(Send) == [Send(None, opens(2, 1)), Send(1, promise(2, 1))]
    other = Bench(2).feed(Suspect(1, 0, "x"), opens(3, 1))
    assert (Phase.GRANT, 1) not in other.said()
    other.feed(opens(1, 1))
    assert other.of(Send) == [Send(1, promise(2, 1))]
    # Once, and not for a leader that went on.
    other.feed(opens(1, 1))
    assert other.said() == []
    assert Bench(2).feed(opens(1, 5), Suspect(1, 0, "x")).said() == [(Phase.CHANGE, 1)]


def test_b11_a_1b_tells_the_last_2b_with_its_proof() -> None:
    member = voted(2).feed(PROGRESS, opens(1, 1))
    told = promise(2, 1, prepared(who=(0, 1, 2)))
    assert member.of(Send) == [Send(None, opens(2, 1)), Send(1, told)]


def test_b11_a_leader_alone_opens_nothing() -> None:
    member = accepted(2).feed(opens(1, 1), opens(1, 5), opens(1, 2**40 + 1))
    assert (member.effects, member.place) == ([], (Mode.NORMAL, 0))


def in_phase_1(own: int = 1, ballot: int = 1) -> Bench:
    member = Bench(own)
    return member.feed(*(opens(other, ballot) for other in range(4) if other != own))


def test_b13_with_no_2b_given_the_leader_asks_for_a_payload() -> None:
    member = in_phase_1()
    assert member.place == (Mode.CHANGING, 1)
    member.feed(promise(3, 1))
    assert member.of(RequestPayload) == []
    member.feed(promise(2, 1))
    assert member.of(RequestPayload) == [RequestPayload(1, 1, 0, urgent=True)]
    member.feed(PayloadReady(1, 1, DIGEST, A[0], A[1]), VALID)
    opening, own = member.of(Send)
    assert opening.message == safe(1, [promise(1, 1), promise(2, 1), promise(3, 1)])
    assert own.message == first(1, 1)
    acceptor = Bench(0).feed(opening.message)
    assert acceptor.of(Validate) == [Validate(1, 1, DIGEST, A[0], A[1], 0)]
    assert acceptor.place == (Mode.NORMAL, 1)


def test_b13_the_value_of_the_highest_2b_by_who_never_saw_it() -> None:
    older, newer = prepared(0, A), prepared(1, B, (1, 2, 3))
    member = in_phase_1(3, 3).feed(promise(1, 3, older), promise(2, 3, newer))
    assert member.of(Validate) == [Validate(1, 3, OTHER, B[0], B[1], None)]
    member.feed(Validated(1, OTHER, valid=True))
    promises = [promise(1, 3, older), promise(2, 3, newer), promise(3, 3)]
    assert member.of(Send)[0].message == safe(3, promises, B, newer)
    assert len(Bench(0).feed(member.of(Send)[0].message).of(Validate)) == 1


def test_b13_what_was_executed_before_is_not_executed_again() -> None:
    member = voted(1).feed(*(opens(other, 1) for other in (2, 3)))
    member.feed(promise(2, 1), promise(3, 1, VALUE))
    assert member.of(Validate) == member.of(Execute) == []
    assert member.said() == [(Phase.PROPOSAL, 1), (Phase.FIRST, 1)]


TAMPERED = {
    "no proof of the claim": promise(2, 1, Claim(0, DIGEST)),
    "2av of too few": promise(2, 1, prepared(who=(0, 2))),
    "one 2av three times": promise(2, 1, prepared(who=(0, 0, 0))),
    "a claim of this ballot": promise(2, 1, prepared(1)),
    "another value": replace(promise(2, 1, VALUE), proposal=B[0]),
    "another payload": replace(promise(2, 1, VALUE), payload=B[1]),
    "2av of another ballot": promise(2, 1, replace(VALUE, votes=prepared(1).votes)),
    "a claim that is not the signed one": replace(
        promise(2, 1), justification=promise(2, 1, VALUE).justification
    ),
    "the claim left out": replace(promise(2, 1, VALUE), justification=encode_shown(None)),
    "not decodable": replace(promise(2, 1), justification=b"\0\2"),
    "of another ballot": promise(2, 5),
    "of another height": promise(2, 1, None, 2),
}


@pytest.mark.parametrize("why", TAMPERED)
def test_b12_a_1b_that_is_as_if_not_sent(why: str) -> None:
    member = in_phase_1().feed(TAMPERED[why], promise(3, 1))
    assert set(member.state.promises) == {1, 3}
    assert member.of(RequestPayload) == member.of(Validate) == []
    # A proven one of the same member counts still.
    member.feed(promise(2, 1, VALUE))
    assert member.of(Validate) == [Validate(1, 1, DIGEST, A[0], A[1], None)]


def test_b12_one_member_has_one_1b() -> None:
    member = in_phase_1().feed(promise(2, 1), promise(2, 1, VALUE), promise(2, 1))
    assert set(member.state.promises) == {1, 2}
    assert member.of(Validate) == member.of(RequestPayload) == []


def test_b12_1b_are_kept_for_one_ballot_only() -> None:
    member = in_phase_1().feed(promise(2, 1))
    assert set(member.state.promises) == {1, 2}
    member.feed(*(opens(other, 5) for other in (0, 2, 3)))
    assert member.place == (Mode.CHANGING, 5)
    assert set(member.state.promises) == {1}


def test_b12_who_does_not_lead_the_ballot_takes_no_1b() -> None:
    member = in_phase_1(2).feed(promise(0, 1), promise(3, 1))
    assert member.state.promises == {}


# --- KnowsSafeAt ---------------------------------------------------------------------------------


def test_b14_no_2b_in_a_quorum_makes_every_value_safe() -> None:
    for what in (A, B):
        assert len(Bench(3).feed(safe(1, FREE, what)).of(Validate)) == 1


def test_b14_both_conditions() -> None:
    older, newer = prepared(0, A), prepared(1, B, (1, 2, 3))
    promises = [promise(0, 5, older), promise(2, 5, newer), promise(3, 5)]
    # (i) holds and (ii) holds for the newer one only.
    assert Bench(0).feed(safe(5, promises, A, older)).of(Validate) == []
    assert len(Bench(0).feed(safe(5, promises, B, newer)).of(Validate)) == 1
    # c may be above every mbal: 2av of a quorum are as good.
    below = [promise(0, 5, older), promise(1, 5), promise(3, 5)]
    assert len(Bench(0).feed(safe(5, below, B, newer)).of(Validate)) == 1
    # Without (ii) a liar's claim would make its value safe.
    liar = [promise(0, 5, Claim(4, DIGEST)), promise(2, 5), promise(3, 5)]
    made_up = Evidence(4, tuple((one, b"x" * 64) for one in (0, 2, 3)))
    assert Bench(0).feed(safe(5, liar, A, made_up)).of(Validate) == []


def test_b14_forged_1b() -> None:
    forged = replace(FREE[1], signed=replace(FREE[1].signed, signature=b"x" * 64))
    assert Bench(3).feed(safe(1, [FREE[0], forged, FREE[2]])).of(Validate) == []
    refusal = vote(2, replace(FREE[1].signed.request, phase=Phase.CHANGE))
    wrong_phase = replace(FREE[1], signed=refusal)
    assert Bench(3).feed(safe(1, [FREE[0], wrong_phase, FREE[2]])).of(Validate) == []


@pytest.mark.parametrize(
    ("parent", "holds"),
    [
        (certificate(1, 4), True),
        (certificate(1, 6, who=(0, 1, 3)), True),
        (None, False),
        (certificate(1, 6, who=(0, 1)), False),
        (certificate(1, 4, digest=OTHER), False),
        (replace(certificate(1, 6), votes=certificate(1, 4).votes), False),
    ],
)
def test_b14_the_parent_of_a_new_ballot(parent: Certificate | None, holds: bool) -> None:
    promises = [promise(one, 7, None, 2) for one in (0, 1, 2)]
    member = Bench(0, height=2, parent=certificate(1, 4))
    member.feed(safe(7, promises, A, None, parent, 2))
    shown = parent.request.round if parent is not None else 0
    assert member.of(Validate) == ([Validate(2, 7, DIGEST, A[0], A[1], shown)] if holds else [])


# --- loss and restart ----------------------------------------------------------------------------


def test_b15_everything_of_the_ballot_is_said_again() -> None:
    member = leading().feed(first(2), first(3), EXECUTED)
    member.feed(TimerElapsed(TimerId(1, 0, "resend")))
    assert [one.message for one in member.of(Send)] == [value_of(), first(0), commit(0)]
    other = voted(2).feed(PROGRESS, opens(1, 1)).feed(TimerElapsed(TimerId(1, 1, "resend")))
    assert other.said() == [(Phase.CHANGE, 1), (Phase.GRANT, 1)]


def test_b16_restart_of_an_acceptor_after_each_statement() -> None:
    member = accepted()
    records, sent = member.of(Persist), member.of(Send)
    again = member.again(records, sent)
    assert again.of(Send) == [Send(None, first(1))]
    assert again.of(Validate) == [Validate(1, 0, DIGEST, A[0], A[1], None)]
    member.feed(first(0), first(2), EXECUTED)
    records += member.of(Persist)
    sent += member.of(Send)
    again = member.again(records, sent)
    assert again.said() == [(Phase.FIRST, 0), (Phase.COMMIT, 0)]
    again.feed(VALID, EXECUTED, commit(0), commit(2))
    assert len(again.of(Decide)) == 1
    # Phase 1 of the ballot that member 2 leads.
    again = member.again(records, sent).feed(opens(0, 2), opens(3, 2))
    sent = again.of(Send)
    assert member.again(records, sent).of(Send) == [Send(None, opens(1, 2))]
    again.feed(opens(2, 2))
    sent += again.of(Send)
    promising = member.again(records, sent)
    assert promising.place == (Mode.CHANGING, 2)
    told = promise(1, 2, prepared(who=(0, 1, 2)))
    assert promising.of(Send) == [Send(None, opens(1, 2)), Send(2, told)]
    # Without its record the 1b cannot be said again: the ballot is left.
    assert member.again([], sent).place == (Mode.CHANGING, 3)


def test_b16_restart_of_a_leader() -> None:
    member = leading()
    records, sent = member.of(Persist), member.of(Send)
    again = member.again(records, sent)
    assert [one.message for one in again.of(Send)] == [value_of(), first(0)]
    # The 1c was signed, the own 2av was not.
    half = member.again(records, [Send(None, statement(0))])
    assert half.said() == []
    half.feed(VALID)
    assert [one.message for one in half.of(Send)] == [value_of(), first(0)]


def test_b17_an_observer_follows_and_signs_nothing() -> None:
    member = Bench(None).feed(WorkWaiting(1), value_of(), VALID, EXECUTED)
    member.feed(first(0), first(1), first(2), first(3, digest=OTHER))
    assert member.effects == []
    member.feed(opens(0, 4), opens(1, 4), opens(2, 4), Suspect(1, 0, "x"))
    assert member.effects == []
    member.feed(*(commit(one) for one in (0, 1, 2)))
    assert len(member.of(Decide)) == 1


def test_b17_a_refused_signature_is_silence() -> None:
    member = Bench().feed(value_of())
    state, effects = member.engine.step(member.state, VALID)
    [request] = [effect.request for effect in effects if isinstance(effect, SignVote)]
    assert member.engine.step(state, VoteRefused(request, "silent"))[1] == ()


STRANGE: list[Callable[[VoteRequest], VoteRequest]] = [
    lambda request: replace(request, epoch=1),
    lambda request: replace(request, engine="pbft"),
    lambda request: replace(request, height=2),
]


@pytest.mark.parametrize("strange", STRANGE)
def test_statements_of_another_kind_change_nothing(
    strange: Callable[[VoteRequest], VoteRequest],
) -> None:
    member = accepted()
    before = member.state
    for message in (first(2), commit(2), value_of(), opens(2, 1), promise(2, 1)):
        signed = vote(message.signed.validator, strange(message.signed.request))
        member.feed(
            signed if isinstance(message, VoteMessage) else replace(message, signed=signed)
        )
        assert (member.state, member.effects) == (before, [])


def test_a_step_leaves_the_state_it_was_given() -> None:
    member = leading()
    before, copy = member.state, repr(member.state)
    member.feed(first(2), first(3), EXECUTED, Suspect(1, 0, "x"), opens(2, 4), opens(3, 4))
    assert repr(before) == copy


def test_progress_tells_of_phase_1() -> None:
    member = accepted().feed(PROGRESS)
    progress = member.engine.progress(member.state)
    assert (progress.round, progress.leader) == (1, 1)
    assert progress.phase == "phase 1 of a new ballot"


@pytest.mark.parametrize(
    "proof",
    [
        AT_START,
        Fresh(certificate(0)),
        Phase1(
            (Promise(0, b"s" * 64, None), Promise(2, b"t" * 64, Claim(3, DIGEST))),
            Evidence(3, VALUE.votes),
            certificate(0),
        ),
    ],
)
def test_damaged_proofs_raise_one_error(proof: Proof) -> None:
    data = encode_proof(proof)
    assert decode_proof(data, SETTINGS, 1) == proof
    for at in range(len(data)):
        for damaged in (data[:at], bytes([*data[:at], data[at] ^ 0x55, *data[at + 1 :]])):
            try:
                other = decode_proof(damaged, SETTINGS, 1)
            except EncodingError:
                continue
            assert encode_proof(other) == damaged


def test_damaged_1b_raise_one_error() -> None:
    data = promise(2, 1, VALUE).justification
    for at in range(len(data)):
        for damaged in (data[:at], bytes([*data[:at], data[at] ^ 0x55, *data[at + 1 :]])):
            try:
                other = decode_shown(damaged)
            except EncodingError:
                continue
            assert encode_shown(other) == damaged


# --- the pitfalls of spec/consensus/paxos.md, section 7, that no rule above names ----------------


def test_a_1b_has_constant_size() -> None:
    """However many values a faulty leader had this member relay."""
    sizes = set()
    member = voted(2)
    for ballot in (1, 5, 9):
        leader = SETTINGS.leader(ballot)
        others = [one for one in (0, 1, 3) if one != leader]
        member.feed(*(opens(one, ballot) for one in (leader, *others)))
        [told] = [
            sent.message
            for sent in member.of(Send)
            if sent.message.signed.request.phase is Phase.GRANT
        ]
        sizes.add(len(told.justification) + len(told.proposal) + 32 * len(told.payload))
        # Its leader has it give a 2av for something new, which gets no quorum.
        new = bench.body(b"%d" % ballot)
        free = [promise(one, ballot) for one in (0, 1, 3)]
        member.feed(safe(ballot, free, (b"%d" % ballot, new[1], new[2])))
        member.feed(Validated(1, new[2], valid=True))
        assert (Phase.FIRST, ballot) in member.said()
    assert len(sizes) == 1


def test_max_bal_rises_with_an_accepted_1c_too() -> None:
    member = accepted(3).feed(safe(1, FREE, B))
    assert member.place == (Mode.NORMAL, 1)
    member.feed(value_of(), first(1), first(2), first(0))
    assert member.said() == []
    assert member.state.voted is None


def test_a_value_that_only_few_voted_for_may_be_passed_over() -> None:
    """A quorum without it is enough: then no q 2b exist or ever will."""
    member = voted(2)
    member.feed(safe(1, [promise(one, 1) for one in (0, 1, 3)], B))
    member.feed(Validated(1, OTHER, valid=True), Executed(1, OTHER, OUTCOME))
    member.feed(first(0, 1, OTHER), first(1, 1, OTHER))
    assert member.said() == [(Phase.COMMIT, 1)]
    assert member.state.voted == prepared(1, B, (0, 1, 2))


def test_nothing_at_or_below_a_decided_height_is_replaced() -> None:
    member = voted().feed(commit(0), commit(3))
    assert member.place[0] is Mode.DECIDED
    before = member.state
    member.feed(value_of(what=B), safe(1, FREE, B), *(opens(one, 1) for one in (0, 2, 3)))
    assert (member.state, member.effects) == (before, [])
    member.feed(Start(2, member.settings, certificate(1)))
    member.feed(value_of(what=B, height=2), value_of(4, B, height=2))
    assert member.of(Validate) == []


def test_a_ballot_jump_needs_1b_of_a_quorum_for_it() -> None:
    member = accepted(3)
    member.feed(safe(2**60 + 1, FREE), value_of(2**60))
    assert member.place == (Mode.NORMAL, 0)
    ballot = 2**40 + 1
    member.feed(safe(ballot, [promise(one, ballot) for one in (0, 1, 2)]))
    assert member.place == (Mode.NORMAL, ballot)


def test_the_newest_1a_of_each_member_is_kept() -> None:
    member = Bench().feed(opens(2, 3), opens(2, 2), opens(2, 9), opens(2, ROUND_MAX + 1))
    assert {one: kept.round for one, kept in member.state.changes.items()} == {2: 9}


def test_what_is_said_was_recorded_before() -> None:
    for member in (accepted(), voted(), leading()):
        kinds = [type(effect) for effect in member.effects]
        assert kinds.index(Persist) < kinds.index(SignVote) < kinds.index(Send)
