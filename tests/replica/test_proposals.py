"""Proposals: batches are found before the host checks; late answers of an earlier check."""

from typing import Any

from bubi.consensus.engine import Execute, Executed, Validate, Validated
from bubi.dissemination import BLOCK_BATCHES_MAX
from bubi.messages import BatchBody, BatchWant
from bubi.replica.events import CheckProposal, ExecuteProposal, ProposalChecked, SendTo
from bubi.replica.proposals import PROPOSALS_MAX, Proposals
from tests.replica.cluster import Batch, key_of, node_of
from tests.replica.test_dissemination import PEERS, TIME, Bench

DIGEST = b"p" * 32


class Table(Bench):
    def __init__(self) -> None:
        super().__init__()
        self.p = Proposals(self.out, self.d)

    def validate(self, *payload: bytes, round_: int = 0, parent: int | None = 0) -> Any:
        effect = Validate(1, round_, DIGEST, b"proposal", payload, parent)
        return self.p.validate(effect, (node_of(1),))


def test_a_proposal_whose_batches_are_here_is_checked_at_once() -> None:
    table = Table()
    one = table.arrives(1, 1)
    table.taken()
    assert table.validate(one.digest) is None
    assert table.taken() == [CheckProposal(1, DIGEST, b"proposal", (one.digest,), (one,), 0)]
    assert table.validate() is None
    assert [type(action) for action in table.taken()] == [CheckProposal]


def test_a_missing_batch_is_asked_for_and_the_check_follows() -> None:
    table = Table()
    one = table.arrives(1, 1)
    late = Batch(key_of(2), 9, (9,), TIME + 9, 10)
    table.taken()
    assert table.validate(one.digest, late.digest) is None
    table.taken()
    table.d.fetch_elapsed(PEERS)
    asks = [a for a in table.taken() if isinstance(a, SendTo)]
    assert asks == [SendTo((node_of(1),), BatchWant((late.digest,)))]
    executed = table.p.execute(Execute(1, 0, DIGEST, b"proposal"))
    assert isinstance(executed, Executed) and executed.outcome is None
    table.d.received_body(node_of(1), BatchBody(late.digest, late.header, late.body))
    table.p.batch_came()
    assert not any(isinstance(a, CheckProposal) for a in table.taken())
    assert table.d.checked(late.digest, late, "", PEERS)
    table.p.batch_came()
    (check,) = [a for a in table.taken() if isinstance(a, CheckProposal)]
    assert check.batches == (one, late)
    table.p.batch_came()
    assert table.taken() == []
    assert table.p.execute(Execute(1, 0, DIGEST, b"proposal")) is None
    assert table.taken() == [ExecuteProposal(1, DIGEST, b"proposal", (one, late))]


def test_what_cannot_be_valid_is_refused_without_the_host() -> None:
    table = Table()
    one = table.arrives(1, 1)
    table.d.decided(TIME + 1, (one.digest,))
    table.taken()
    for payload in (
        (one.digest,),
        (b"x" * 32, b"x" * 32),
        tuple(n.to_bytes(32, "big") for n in range(BLOCK_BATCHES_MAX + 1)),
    ):
        answer = table.validate(*payload)
        assert isinstance(answer, Validated) and not answer.valid and not answer.untimely
    assert table.taken() == []


def test_a_late_refusal_by_the_clock_does_not_stand_for_the_re_proposal() -> None:
    table = Table()
    one = table.arrives(1, 1)
    table.validate(one.digest)
    table.validate(one.digest, round_=1, parent=None)
    untimely = ProposalChecked(1, DIGEST, False, untimely=True)
    assert table.p.checked(untimely) is None
    fine = table.p.checked(ProposalChecked(1, DIGEST, True))
    assert isinstance(fine, Validated) and fine.valid
    table.validate(one.digest)
    last = table.p.checked(untimely)
    assert isinstance(last, Validated) and last.untimely


def test_h10_a_leader_chose_what_it_did_not_have_to_carry_on() -> None:
    table = Table()
    one = table.arrives(1, 1)
    table.validate(one.digest, round_=3)
    assert table.p.is_chosen(DIGEST, 3)
    # A later round carries it on: its leader had no choice.
    table.validate(one.digest, round_=4, parent=None)
    assert table.p.is_chosen(DIGEST, 3) and not table.p.is_chosen(DIGEST, 4)
    table.p.clear()
    table.validate(one.digest, round_=4, parent=None)
    assert not any(table.p.is_chosen(DIGEST, round_) for round_ in range(5))
    assert not table.p.is_chosen(b"?" * 32, 4)


def test_proposals_of_one_height_are_bounded() -> None:
    table = Table()
    for round_ in range(3 * PROPOSALS_MAX):
        effect = Validate(1, round_, bytes([round_]) * 32, b"p", (), 0)
        table.p.validate(effect, ())
    assert len(table.p._proposals) == PROPOSALS_MAX
    table.p.clear()
    assert len(table.p._proposals) == 0
