"""Rules of Byzantine Raft one by one; the names are those of spec/consensus/raft.md."""

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
from bubi.consensus.parts import EpochStart, Fresh, Prepared
from bubi.consensus.raft_bytes import (
    CLAIM_BYTES_MAX,
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
from bubi.consensus.raft_state import Quorum
from bubi.consensus.votes import certificate_fault
from bubi.encoding import EncodingError

from . import bench
from .bench import DIGEST, OTHER, OUTCOME, PARENT, SIGNATURES, A, B, Body, Voices
from .cluster import sha

VOICES = Voices("raft")
SETTINGS = VOICES.settings
vote, first, commit = VOICES.vote, VOICES.first, VOICES.commit
certificate, prepared = VOICES.certificate, VOICES.prepared
AT_START = EpochStart()
NOTHING = encode_claim(None)


class Bench(bench.Bench):
    name = "raft"


def entries(
    term: int = 0,
    what: Body = A,
    proof: Proof | bytes = AT_START,
    height: int = 1,
    leader: int | None = None,
) -> ProposalMessage:
    """AppendEntries with an entry."""
    leader = SETTINGS.leader(term) if leader is None else leader
    shown = proof if isinstance(proof, bytes) else encode_proof(proof)
    return ProposalMessage(first(leader, term, what[2], height), what[0], what[1], shown)


def votes_of(term: int = 0, digest: bytes = DIGEST, who: Iterable[int] = (0, 2, 3)) -> Appended:
    return Appended(tuple((member, first(member, term, digest).signature) for member in who))


def heartbeat(
    term: int = 0, digest: bytes = DIGEST, who: Iterable[int] = (0, 2, 3)
) -> ProposalMessage:
    """AppendEntries without an entry: the append votes of a quorum."""
    shown = encode_proof(votes_of(term, digest, who))
    return ProposalMessage(first(SETTINGS.leader(term), term, digest), b"", (), shown)


def passed_on(lock: Prepared) -> ProposalMessage:
    """An entry with its append votes, as a member shows it to the next leader."""
    leader = first(SETTINGS.leader(lock.round), lock.round, lock.digest)
    return ProposalMessage(leader, lock.proposal, lock.payload, encode_proof(Appended(lock.votes)))


def asks(member: int, term: int, claim: Claim | Prepared | bytes | None = None) -> EngineMessage:
    if isinstance(claim, Prepared):
        claim = Claim(claim.round, claim.digest)
    content = claim if isinstance(claim, bytes) else encode_claim(claim)
    return VOICES.asking(member, term, REQUEST_VOTE, content)


def elected(
    term: int,
    requests: Iterable[EngineMessage],
    what: Body = A,
    high: Prepared | High | None = None,
) -> ProposalMessage:
    ballots = tuple(
        Ballot(one.signed.validator, one.signed.signature, decode_claim(one.body))
        for one in requests
    )
    shown = High(high.round, high.votes) if isinstance(high, Prepared) else high
    return entries(term, what, Election(ballots, shown, None))


VALID = Validated(1, DIGEST, valid=True)
EXECUTED = Executed(1, DIGEST, OUTCOME)
PROGRESS = TimerElapsed(TimerId(1, 0, "progress"))


def appended(own: int = 1) -> Bench:
    return Bench(own).feed(entries(), VALID)


def leading() -> Bench:
    return Bench(0).feed(PayloadReady(1, 0, DIGEST, A[0], A[1]), VALID)


def locked(own: int = 1) -> Bench:
    return appended(own).feed(heartbeat(who=(0, 1, 2)), EXECUTED)


# --- the good case -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("height", "shown", "own_terms", "start"),
    [(2, 0, (), 0), (2, 3, (1,), 3), (2, 3, (4, 5), 5), (5, 3, (), 4), (5, 3, (6,), 7)],
)
def test_r1_start_term(height: int, shown: int, own_terms: tuple[int, ...], start: int) -> None:
    own = tuple(commit_vote(SETTINGS, height - 1, term, PARENT, OUTCOME) for term in own_terms)
    member = Bench(height=height, parent=certificate(height - 1, shown), parent_votes=own)
    assert member.place == (Mode.NORMAL, start)


def test_r2_the_leader_goes_on_from_the_certificate_of_the_parent() -> None:
    member = Bench(0, height=2, parent=certificate(1, 4))
    assert member.of(RequestPayload) == [RequestPayload(2, 4, 4)]
    member.feed(PayloadReady(2, 4, DIGEST, A[0], A[1]))
    assert member.of(Validate) == [Validate(2, 4, DIGEST, A[0], A[1], 4)]
    member.feed(Validated(2, DIGEST, valid=True))
    [sent] = member.of(Send)
    assert sent == Send(None, entries(4, A, Fresh(certificate(1, 4)), height=2))


def test_r2_a_leader_without_a_certificate_of_its_term_waits() -> None:
    own = (commit_vote(SETTINGS, 1, 4, PARENT, OUTCOME),)
    member = Bench(0, height=2, parent=certificate(1, 0), parent_votes=own)
    assert member.of(RequestPayload) == []


def test_r3_r4_a_follower_answers_the_leader_alone() -> None:
    member = Bench().feed(entries())
    assert member.of(Validate) == [Validate(1, 0, DIGEST, A[0], A[1], 0)]
    member.feed(VALID)
    assert [type(effect) for effect in member.effects][:3] == [Persist, SignVote, Execute]
    assert member.of(Send) == [Send(0, first(1))]


QUORUM_ASKS = [asks(0, 1), asks(2, 1), asks(3, 1)]
LOCK = prepared()
CLAIMED = [asks(0, 1, LOCK), asks(2, 1), asks(3, 1)]

REFUSED: dict[str, ProposalMessage] = {
    "not the leader": entries(leader=2),
    "another payload": replace(entries(), payload=B[1]),
    "another entry": replace(entries(), proposal=b"B"),
    "no proof": entries(proof=b""),
    "trailing bytes": entries(proof=b"\0\0"),
    "epoch start in a later term": entries(4),
    "a parent where there is none": entries(proof=Fresh(certificate(0))),
    "elected by nobody": elected(1, []),
    "elected by too few": elected(1, QUORUM_ASKS[:2]),
    "one voter twice": elected(1, [QUORUM_ASKS[1], *QUORUM_ASKS[1:]]),
    "voters not ascending": elected(1, [QUORUM_ASKS[2], *QUORUM_ASKS[:2]]),
    "elected for another term": elected(1, [asks(member, 2) for member in (0, 2, 3)]),
    "claim without its votes": elected(1, CLAIMED),
    "another entry than the claimed one": elected(1, CLAIMED, B, LOCK),
    "an older entry than the claimed one": elected(
        5, [asks(0, 5, prepared(1, B)), asks(2, 5), asks(3, 5)], A, LOCK
    ),
    "a conflicting claim of the same term": elected(
        1, [asks(0, 1, Claim(0, OTHER)), asks(2, 1), asks(3, 1)], A, LOCK
    ),
    "too few append votes": elected(1, CLAIMED, A, prepared(who=(0, 2))),
    "append votes without the leader's": elected(1, CLAIMED, A, prepared(who=(1, 2, 3))),
    "one append vote many times": elected(1, CLAIMED, A, prepared(who=(0, 0, 0))),
    "append votes of another term": elected(5, CLAIMED, A, High(1, LOCK.votes)),
    "append votes of its own term": elected(1, QUORUM_ASKS, A, prepared(1, who=(1, 2, 3))),
    "huge term": entries(2**63),
}


@pytest.mark.parametrize("why", REFUSED)
def test_r3_r13_what_a_follower_does_not_append(why: str) -> None:
    member = Bench(3 if REFUSED[why].signed.validator != 3 else 2).feed(REFUSED[why])
    assert member.of(Validate) == member.of(Penalise) == []
    assert member.place == (Mode.NORMAL, 0)


@pytest.mark.parametrize(
    ("term", "shown", "holds"),
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
def test_r3_the_same_leader_goes_on(term: int, shown: Certificate, holds: bool) -> None:
    member = Bench(3, height=2, parent=certificate(1, 4))
    member.feed(entries(term, A, Fresh(shown), height=2))
    assert bool(member.of(Validate)) is holds
    assert member.state.round == (term if holds else 4)


def test_r3_after_a_rotation() -> None:
    member = Bench(0, height=5, parent=certificate(4, 2))
    member.feed(entries(2, A, Fresh(certificate(4, 2)), height=5))
    assert member.of(Validate) == []
    member.feed(entries(3, A, Fresh(certificate(4, 2)), height=5))
    assert member.of(Validate) == [Validate(5, 3, DIGEST, A[0], A[1], 2)]


def test_r5_an_invalid_entry_ends_the_term() -> None:
    member = Bench().feed(entries(), Validated(1, DIGEST, valid=False, reason="budget"))
    assert member.place == (Mode.CHANGING, 1)
    assert (Phase.CHANGE, 1) in member.said()


def test_r5_untimely_is_silence_until_a_quorum_has_appended_it() -> None:
    member = Bench().feed(entries(), Validated(1, DIGEST, valid=False, untimely=True))
    assert member.said() == []
    member.feed(heartbeat())
    assert member.of(Validate) == [Validate(1, 0, DIGEST, A[0], A[1], None)]
    member.feed(VALID, EXECUTED)
    assert member.said() == [(Phase.FIRST, 0), (Phase.COMMIT, 0)]


def test_r6_the_leader_shows_the_votes_of_a_quorum_its_own_among_them() -> None:
    member = leading().feed(first(3))
    assert member.effects == []
    member.feed(first(2))
    assert member.of(Send) == [Send(None, heartbeat())]
    # It does not wait for its own execution, and says it once.
    member.feed(first(1))
    assert member.effects == []
    member.feed(EXECUTED)
    assert member.said() == [(Phase.COMMIT, 0)]


def test_r6_too_few_votes_are_not_shown_whatever_happens() -> None:
    member = leading().feed(first(3), EXECUTED, WorkWaiting(1))
    assert (member.of(Send), member.state.quorum) == ([], None)


def test_r6_a_quorum_for_another_entry_does_not_stand_in_the_way() -> None:
    """After a restart the leader's vote for the own entry is not in memory."""
    before = appended()
    member = before.again(before.of(Persist), before.of(Send)).feed(heartbeat(0, OTHER))
    assert (member.state.quorum, member.state.lock) == (None, None)


def test_r6_a_follower_gathers_nothing() -> None:
    member = appended().feed(first(2), first(3), first(0), EXECUTED)
    assert member.said() == []
    assert member.state.quorum is None


BAD_VOTES = {
    "too few": (0, 2),
    "without the leader's": (1, 2, 3),
    "one member twice": (0, 2, 2),
    "many variants of one member": (0, 0, 0),
    "not ascending": (2, 0, 3),
}


@pytest.mark.parametrize("why", BAD_VOTES)
def test_r6_votes_that_are_no_quorum(why: str) -> None:
    member = appended().feed(EXECUTED, heartbeat(who=BAD_VOTES[why]))
    assert (member.effects, member.state.quorum) == ([], None)


@pytest.mark.parametrize(
    "shown",
    [
        replace(heartbeat(), signed=first(2)),
        replace(heartbeat(), signed=first(0, digest=OTHER)),
        replace(heartbeat(), justification=encode_proof(votes_of(1))),
        replace(heartbeat(), justification=encode_proof(votes_of(0, OTHER))),
        replace(heartbeat(), proposal=b"B"),
        heartbeat(4, who=(0, 2, 3)),
        replace(heartbeat(), signed=vote(0, replace(first(0).request, phase=Phase.PROPOSAL))),
        replace(
            heartbeat(),
            justification=encode_proof(
                Appended(tuple((member, commit(member).signature) for member in (0, 2, 3)))
            ),
        ),
    ],
)
def test_r6_what_shows_no_quorum_for_the_own_entry(shown: ProposalMessage) -> None:
    member = appended().feed(EXECUTED)
    member.feed(shown)
    assert (Phase.COMMIT, 0) not in member.said()
    assert member.state.quorum is None


@pytest.mark.parametrize("order", ["quorum first", "execution first", "quorum before the entry"])
def test_r7_lock_and_commit_vote(order: str) -> None:
    events: dict[str, list[Input | ConsensusMessage]] = {
        "quorum first": [entries(), VALID, heartbeat(), EXECUTED],
        "execution first": [entries(), VALID, EXECUTED, heartbeat()],
        "quorum before the entry": [heartbeat(), entries(), VALID, EXECUTED],
    }
    *before, last = events[order]
    member = Bench().feed(*before)
    assert (Phase.COMMIT, 0) not in member.said()
    member.feed(last)
    kinds = [type(effect) for effect in member.effects]
    assert kinds[:2] == [Persist, SignVote]
    assert member.of(Send) == [Send(None, commit(1))]
    assert member.state.lock == prepared()


def test_r7_what_cannot_be_executed_is_not_locked() -> None:
    member = appended().feed(heartbeat(), Executed(1, DIGEST, None, "invariant"))
    assert member.place == (Mode.CHANGING, 1)
    assert member.state.lock is None
    [asked] = [sent.message for sent in member.of(Send) if isinstance(sent.message, EngineMessage)]
    assert asked.body == NOTHING


def test_r8_decision() -> None:
    member = locked().feed(commit(0))
    assert member.of(Decide) == []
    member.feed(commit(3))
    [decide] = member.of(Decide)
    assert [voter for voter, _ in decide.certificate.votes] == [0, 1, 3]
    assert certificate_fault(SIGNATURES, SETTINGS, decide.certificate) is None


def test_r8_another_outcome_of_a_quorum_stops_the_member() -> None:
    wrong = sha(b"another outcome")
    member = appended().feed(EXECUTED, *(commit(one, outcome=wrong) for one in (0, 2, 3)))
    assert len(member.of(Diverged)) == 1
    assert member.place[0] is Mode.STOPPED


def test_r8_an_unknown_block_is_fetched() -> None:
    member = Bench().feed(*(commit(one) for one in (0, 2, 3)))
    assert member.of(RequestSync) == [RequestSync(1, 1)]


def test_r8_terms_are_not_added_up() -> None:
    member = appended().feed(EXECUTED, commit(0), commit(2), commit(3, round_=1))
    assert member.of(Decide) == []


# --- suspicion and election ----------------------------------------------------------------------


def test_r9_progress_lag_and_overtaking() -> None:
    assert Bench().feed(WorkWaiting(1)).timers() == {"progress": 2_000, "lag": LAG_MS}
    assert Bench().feed(WorkWaiting(1), PROGRESS).place == (Mode.CHANGING, 1)
    late = Bench().feed(WorkWaiting(1))
    for _ in range(STRIKES_MAX):
        assert late.place == (Mode.NORMAL, 0)
        late.feed(TimerElapsed(TimerId(1, 0, "lag")))
    assert late.place == (Mode.CHANGING, 1)
    assert Bench().feed(Suspect(1, 0, "overtaking")).place == (Mode.CHANGING, 1)


def test_r10_a_request_claims_the_lock_and_the_entry_goes_to_the_next_leader() -> None:
    member = locked(2).feed(PROGRESS)
    lock = prepared(who=(0, 1, 2))
    assert member.of(Send) == [
        Send(None, asks(2, 1, lock)),
        Send(1, passed_on(lock)),
        Send(None, first(0)),
    ]
    assert len(member.of(Send)[0].message.body) <= CLAIM_BYTES_MAX
    # All of it is said again, and nothing more is signed in the term that was left.
    member.feed(TimerElapsed(TimerId(1, 1, "resend")))
    assert len(member.of(Send)) == 3
    member.feed(entries(), heartbeat(), first(3))
    assert member.said() == []


def test_r10_evidence_against_an_equivocating_leader_comes_with_the_election() -> None:
    member = appended().feed(PROGRESS, first(0, digest=OTHER))
    assert member.of(ReportEvidence) == [ReportEvidence(first(0), first(0, digest=OTHER))]


@pytest.mark.parametrize(
    ("one", "two"),
    [
        (first(0), first(0, digest=OTHER)),
        (commit(3), commit(3, outcome=sha(b"x"))),
        (asks(2, 1), asks(2, 1, LOCK)),
    ],
)
def test_r10_evidence_is_reported_once(one: ConsensusMessage, two: ConsensusMessage) -> None:
    member = Bench().feed(one, one)
    assert member.of(ReportEvidence) == []
    member.feed(two, two, one)
    assert member.of(ReportEvidence) == [ReportEvidence(one.signed, two.signed)]


@pytest.mark.parametrize(
    "content", [b"\0\0\0", b"\1\0", encode_claim(Claim(1, DIGEST)), encode_claim(Claim(7, DIGEST))]
)
def test_r11_a_request_that_does_not_hold(content: bytes) -> None:
    member = Bench().feed(asks(2, 1, content))
    assert [effect.member for effect in member.of(Penalise)] == [2]
    assert member.state.changes == {}


def test_r11_a_body_that_is_not_the_signed_one_is_dropped_without_blame() -> None:
    member = Bench().feed(replace(asks(2, 1), body=encode_claim(Claim(0, DIGEST))))
    assert (member.effects, member.state.changes) == ([], {})


@pytest.mark.parametrize(
    ("terms", "joined"), [((5,), None), ((5, 7), 5), ((3, 7, 9), 7), ((2_880, 9_000), 2_880)]
)
def test_r11_a_lazy_voter_joins_what_a_weak_quorum_asks_for(
    terms: tuple[int, ...], joined: int | None
) -> None:
    member = Bench()
    for other, term in zip((0, 2, 3), terms, strict=False):
        member.feed(asks(other, term))
    assert member.place == ((Mode.NORMAL, 0) if joined is None else (Mode.CHANGING, joined))


def test_r11_a_lone_member_does_not_run_away() -> None:
    member = Bench(2).feed(Suspect(1, 0, "x"))
    assert member.timers() == {"resend": RESEND_MS}
    member.feed(asks(3, 1))
    assert member.timers() == {}
    member.feed(asks(0, 6))
    assert member.timers() == {"change": 4_000}


def test_r12_with_nothing_claimed_the_leader_asks_for_a_payload() -> None:
    member = Bench(1).feed(asks(2, 1), asks(3, 1))
    assert member.place == (Mode.NORMAL, 1)
    assert member.of(RequestPayload) == [RequestPayload(1, 1, 0, urgent=True)]
    member.feed(PayloadReady(1, 1, DIGEST, A[0], A[1]), VALID)
    [sent] = member.of(Send)
    assert sent.message == elected(1, [asks(1, 1), asks(2, 1), asks(3, 1)])
    follower = Bench(0).feed(sent.message)
    assert follower.of(Validate) == [Validate(1, 1, DIGEST, A[0], A[1], 0)]
    assert follower.place == (Mode.NORMAL, 1)


def test_r12_the_highest_entry_is_appended_again_by_who_never_saw_it() -> None:
    older, newer = prepared(0, A), prepared(1, B, (1, 2, 3))
    member = Bench(3).feed(passed_on(older), passed_on(newer), passed_on(older))
    member.feed(asks(1, 3, older), asks(2, 3, newer))
    assert member.of(Validate) == [Validate(1, 3, OTHER, B[0], B[1], None)]
    member.feed(Validated(1, OTHER, valid=True))
    [sent] = member.of(Send)
    requests = [asks(1, 3, older), asks(2, 3, newer), asks(3, 3)]
    assert sent.message == elected(3, requests, B, newer)
    assert len(Bench(0).feed(sent.message).of(Validate)) == 1


def test_r12_a_claim_counts_once_its_entry_is_here() -> None:
    """Freshness is proven, not declared; who cannot be answered for is left out."""
    member = Bench(1).feed(asks(2, 1, LOCK), asks(3, 1))
    assert member.place == (Mode.CHANGING, 1)
    assert member.of(RequestPayload) == []
    proven = Bench(1).feed(asks(2, 1, LOCK), asks(3, 1), passed_on(LOCK))
    assert proven.of(Validate) == [Validate(1, 1, DIGEST, A[0], A[1], None)]
    without = member.feed(asks(0, 1))
    assert without.of(RequestPayload) == [RequestPayload(1, 1, 0, urgent=True)]


@pytest.mark.parametrize(
    "shown",
    [
        passed_on(prepared(who=(0, 2))),
        passed_on(prepared(who=(1, 2, 3))),
        replace(passed_on(LOCK), payload=B[1]),
        replace(passed_on(LOCK), signed=first(3)),
        passed_on(replace(LOCK, votes=prepared(1, A).votes)),
    ],
)
def test_r12_what_is_passed_on_is_checked(shown: ProposalMessage) -> None:
    member = Bench(1).feed(asks(2, 1, LOCK), asks(3, 1), shown)
    assert (member.state.high, member.of(Validate)) == (None, [])


def test_r12_what_was_executed_before_is_not_executed_again() -> None:
    member = locked(1).feed(asks(2, 1, LOCK), asks(3, 1))
    assert member.of(Validate) == member.of(Execute) == []
    assert (Phase.FIRST, 1) in member.said()


def test_r13_forged_ballots() -> None:
    forged = replace(asks(2, 1), signed=replace(asks(2, 1).signed, signature=b"x" * 64))
    assert Bench(0).feed(elected(1, [asks(0, 1), forged, asks(3, 1)])).of(Validate) == []


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
def test_r13_the_parent_of_a_new_term(parent: Certificate | None, holds: bool) -> None:
    requests = [VOICES.asking(one, 7, REQUEST_VOTE, NOTHING, height=2) for one in (0, 1, 2)]
    ballots = tuple(Ballot(one.signed.validator, one.signed.signature, None) for one in requests)
    member = Bench(0, height=2, parent=certificate(1, 4))
    member.feed(entries(7, A, Election(ballots, None, parent), height=2))
    shown = parent.request.round if parent is not None else 0
    assert member.of(Validate) == ([Validate(2, 7, DIGEST, A[0], A[1], shown)] if holds else [])


# --- loss and restart ----------------------------------------------------------------------------


def test_r14_the_leader_says_entry_quorum_and_commit_vote_again() -> None:
    member = leading().feed(first(2), first(3), EXECUTED)
    member.feed(TimerElapsed(TimerId(1, 0, "resend")))
    assert member.of(Send) == [
        Send(None, entries()),
        Send(None, heartbeat()),
        Send(None, commit(0)),
    ]


def test_r15_restart_of_a_follower_after_each_vote() -> None:
    member = appended()
    records, sent = member.of(Persist), member.of(Send)
    again = member.again(records, sent)
    assert again.of(Send) == [Send(0, first(1))]
    assert again.of(Validate) == [Validate(1, 0, DIGEST, A[0], A[1], None)]
    member.feed(heartbeat(), EXECUTED)
    records += member.of(Persist)
    sent += member.of(Send)
    again = member.again(records, sent)
    assert again.said() == [(Phase.FIRST, 0), (Phase.COMMIT, 0)]
    again.feed(VALID, EXECUTED, commit(0), commit(2))
    assert len(again.of(Decide)) == 1
    again = member.again(records, sent).feed(Suspect(1, 0, "x"))
    claim = asks(1, 1, LOCK)
    assert again.of(Send)[0] == Send(None, claim)
    asking = member.again(records, again.of(Send))
    assert asking.place == (Mode.CHANGING, 1)
    assert asking.of(Send)[0] == Send(None, claim)


def test_r15_restart_of_a_leader_with_the_quorum() -> None:
    member = leading()
    records, sent = member.of(Persist), member.of(Send)
    assert member.again(records, sent).of(Send) == [Send(None, entries())]
    member.feed(first(2), first(3), EXECUTED)
    records += member.of(Persist)
    sent += member.of(Send)
    again = member.again(records, sent)
    assert [one.message for one in again.of(Send)] == [entries(), heartbeat(), commit(0)]


def test_r16_an_observer_follows_and_signs_nothing() -> None:
    member = Bench(None).feed(WorkWaiting(1), entries(), VALID, EXECUTED, heartbeat())
    assert {type(effect) for effect in member.effects} == {Validate, Execute}
    member.feed(asks(0, 4), asks(1, 4), asks(2, 4), Suspect(1, 0, "x"))
    assert member.effects == []
    member.feed(*(commit(one) for one in (0, 1, 2)))
    assert len(member.of(Decide)) == 1


def test_r16_a_refused_signature_is_silence() -> None:
    member = Bench().feed(entries())
    state, effects = member.engine.step(member.state, VALID)
    [request] = [effect.request for effect in effects if isinstance(effect, SignVote)]
    assert member.engine.step(state, VoteRefused(request, "silent"))[1] == ()


STRANGE: list[Callable[[VoteRequest], VoteRequest]] = [
    lambda request: replace(request, epoch=1),
    lambda request: replace(request, engine="pbft"),
    lambda request: replace(request, height=2),
    lambda request: replace(request, phase=Phase.GRANT),
]


@pytest.mark.parametrize("strange", STRANGE)
def test_statements_of_another_kind_change_nothing(
    strange: Callable[[VoteRequest], VoteRequest],
) -> None:
    member = appended()
    before = member.state
    for message in (first(2), commit(2), entries(), heartbeat(), asks(2, 1)):
        signed = vote(message.signed.validator, strange(message.signed.request))
        member.feed(
            signed if isinstance(message, VoteMessage) else replace(message, signed=signed)
        )
        assert (member.state, member.effects) == (before, [])


def test_a_step_leaves_the_state_it_was_given() -> None:
    member = leading()
    before, copy = member.state, repr(member.state)
    member.feed(first(2), first(3), EXECUTED, Suspect(1, 0, "x"), asks(2, 4), asks(3, 4))
    assert repr(before) == copy


def test_progress_tells_of_the_election() -> None:
    member = appended().feed(PROGRESS)
    progress = member.engine.progress(member.state)
    assert (progress.phase, progress.round, progress.leader) == ("election", 1, 1)


@pytest.mark.parametrize(
    "proof",
    [
        AT_START,
        Fresh(certificate(0)),
        votes_of(),
        Election(
            (Ballot(0, b"s" * 64, None), Ballot(2, b"t" * 64, Claim(3, DIGEST))),
            High(3, LOCK.votes),
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


# --- the flaws of the published protocol ---------------------------------------------------------
# By number as in spec/consensus/raft.md, section 7; the two attacks that were carried out on it
# run over the whole network in test_raft_attacks.py.


def test_flaw_1_no_second_entry_of_a_term_is_acknowledged() -> None:
    member = appended().feed(entries(what=B))
    assert member.of(Validate) == []
    assert (Phase.FIRST, 0) not in member.said()
    assert member.place == (Mode.CHANGING, 1)
    # Nor does a quorum for it move who has appended another one.
    other = appended().feed(heartbeat(0, OTHER))
    assert other.state.quorum is None


def test_flaw_2_a_claimed_log_wins_nothing() -> None:
    huge = Claim(ROUND_MAX - 1, sha(b"huge"))
    member = Bench(1).feed(asks(2, 1, LOCK), asks(3, 1), asks(0, ROUND_MAX, huge))
    assert member.place == (Mode.CHANGING, 1)
    assert member.of(RequestPayload) == member.of(Validate) == []
    # A leader that claims it itself convinces nobody without the append votes.
    requests = [asks(1, 5, Claim(4, DIGEST)), asks(2, 5), asks(3, 5)]
    made_up = High(4, tuple((one, b"x" * 64) for one in (0, 2, 3)))
    assert Bench(0).feed(elected(5, requests, A, made_up)).of(Validate) == []


def test_flaw_3_nothing_at_or_below_a_decided_height_is_replaced() -> None:
    member = locked().feed(commit(0), commit(3))
    assert member.place[0] is Mode.DECIDED
    before = member.state
    requests = [asks(one, 1) for one in (0, 2, 3)]
    member.feed(entries(what=B), elected(1, requests, B), heartbeat(0, OTHER), *requests)
    assert (member.state, member.effects) == (before, [])
    # At the next height an entry without the certificate of the parent "matches" nothing.
    member.feed(Start(2, member.settings, certificate(1)))
    member.feed(entries(what=B, height=2), entries(4, B, height=2))
    assert member.of(Validate) == []


def test_flaw_4_append_votes_alone_decide_nothing() -> None:
    member = locked().feed(heartbeat(), first(0), first(2), first(3))
    assert member.of(Decide) == []


def test_flaw_5_what_is_no_vote_elects_nobody() -> None:
    """Another phase, another body or the same member again: a refusal counts as little."""
    refusal = vote(2, replace(asks(2, 1).signed.request, phase=Phase.GRANT))
    ballots = [asks(0, 1), replace(asks(2, 1), signed=refusal), asks(3, 1)]
    assert Bench(0).feed(elected(1, ballots)).of(Validate) == []
    member = leading()
    for outcome in (b"a", b"b", b"c"):
        member.feed(first(2, digest=sha(outcome)))
    member.feed(first(2), first(2))
    assert member.state.quorum is None
    variants = [commit(2, outcome=sha(bytes([one]))) for one in range(5)]
    assert locked().feed(commit(2), *variants).of(Decide) == []


def test_flaw_6_vote_lock_and_term_are_recorded_before_they_are_said() -> None:
    for member in (appended(), locked()):
        kinds = [type(effect) for effect in member.effects]
        assert kinds.index(Persist) < kinds.index(SignVote) < kinds.index(Send)
    # The term is in the guard's record of the request, which the driver writes first.
    kinds = [type(effect) for effect in locked().feed(PROGRESS).effects]
    assert kinds.index(SignVote) < kinds.index(Send)


def test_flaw_7_one_member_or_a_stranger_removes_no_leader() -> None:
    member = appended().feed(asks(2, 1), asks(2, 2), asks(2, 3))
    assert member.place == (Mode.NORMAL, 0)
    assert len(member.state.changes) == 1
    stranger = asks(2, 9)
    for number in (-1, 1, 4, 2**32 - 1):
        signed = replace(stranger.signed, validator=number)
        member.feed(replace(stranger, signed=signed))
        assert (member.effects, member.place) == ([], (Mode.NORMAL, 0))


def test_flaw_8_no_distance_of_terms_stalls_the_election() -> None:
    member = Bench().feed(asks(2, 2**40), asks(3, 2**50))
    assert member.place == (Mode.CHANGING, 2**40)
    follower = Bench(0)
    term = 2**40 + 1
    follower.feed(elected(term, [asks(one, term) for one in (1, 2, 3)]))
    assert follower.place == (Mode.NORMAL, term)


def test_hidden_lock() -> None:
    """One member alone saw the quorum: an election without it may append something else."""
    member = locked(2)
    requests = [asks(one, 1) for one in (0, 1, 3)]
    member.feed(elected(1, requests, B), Validated(1, OTHER, valid=True))
    assert member.of(Send) == [Send(1, first(2, 1, OTHER))]
    member.feed(Executed(1, OTHER, OUTCOME), heartbeat(1, OTHER, (0, 1, 2)))
    assert member.said() == [(Phase.COMMIT, 1)]
    assert member.state.lock == prepared(1, B, (0, 1, 2))
    # Its lock does not hold the others up when it is asked, either: it proves it.
    leader = Bench(1).feed(asks(0, 1), asks(3, 1), asks(2, 1, LOCK))
    assert leader.place == (Mode.NORMAL, 1)


def test_a_leader_with_a_stale_quorum() -> None:
    older, newer = prepared(0, A), prepared(1, B, (1, 2, 3))
    requests = [asks(0, 5, older), asks(2, 5, newer), asks(3, 5)]
    assert Bench(0).feed(elected(5, requests, A, older)).of(Validate) == []
    assert len(Bench(0).feed(elected(5, requests, B, newer)).of(Validate)) == 1
    # A newer one than any claim is as good.
    claims = [asks(0, 5, older), asks(1, 5), asks(3, 5)]
    assert len(Bench(0).feed(elected(5, claims, B, newer)).of(Validate)) == 1


def test_a_term_jump_needs_a_quorum_of_that_term() -> None:
    member = appended()
    requests = [asks(one, 9) for one in (0, 2, 3)]
    member.feed(elected(2**60 + 1, requests), entries(2**60))
    assert member.place == (Mode.NORMAL, 0)
    assert member.of(Validate) == []


def test_the_newest_of_each_member_is_kept() -> None:
    member = Bench().feed(asks(2, 3), asks(2, 2), asks(2, 9), asks(2, ROUND_MAX + 1))
    assert {one: kept.round for one, kept in member.state.changes.items()} == {2: 9}


def test_the_last_entry_is_decided_without_a_child() -> None:
    """The explicit commit vote: no empty block is needed after the last transaction."""
    member = locked().feed(commit(0), commit(2))
    [decide] = member.of(Decide)
    assert decide.certificate.request == commit(0).request


def test_a_quorum_is_kept_for_one_term_only() -> None:
    member = appended().feed(heartbeat())
    assert member.state.quorum == Quorum(DIGEST, votes_of().votes)
    member.feed(PROGRESS)
    assert member.state.quorum is None
