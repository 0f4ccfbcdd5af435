"""What is reported against a member, and when nothing is: on a ledger made up for it."""

from typing import Any

import pytest

from bubi import core
from bubi.consensus.engine import ReportEvidence, VoteMessage
from bubi.consensus.guard import Phase, VoteRequest
from bubi.declarations import SILENCE_BLOCKS, Declarations

KEYS = [core.SigningKey.generate(core.Algorithm.ED25519, bytes([n]) * 32) for n in (1, 2, 3)]


class Ledger:
    """The state that declarations look at; as chain and as view."""

    chain_id = bytes(32)
    suite = 0
    prefix = "bubidev"
    time = 1_000

    def __init__(self, policy: int = 1) -> None:
        self.height = 7
        self.policy = policy
        self.pending: dict[str, Any] | None = None
        self.records: dict[bytes, dict[str, Any]] = {}
        self.pages = 0
        members = [
            {"name": f"v{n}", "organisation": "o", "key": key_json(key), "weight": 1}
            for n, key in enumerate(KEYS)
        ]
        fields = {
            "epoch": "0", "engine": "pbft", "validators": members,
            "quorum_numerator": 0, "quorum_denominator": 1,
        }  # fmt: skip
        self.validators = core.validator_set_from_json(core.encode_json({"v1": fields}))

    @property
    def parameters(self) -> dict[str, Any]:
        return {"max_lifetime": "600000", "evidence_policy": self.policy}

    @property
    def governance(self) -> dict[str, Any]:
        return {"pending": self.pending}

    def validator_set_of_epoch(self, epoch: int) -> bytes | None:
        return self.validators if epoch == 0 else None

    def evidence_json(self, evidence: bytes) -> bytes | None:
        found = self.records.get(evidence)
        return None if found is None else core.encode_json({"v1": found})

    def list_evidence(self, after: bytes, limit: int) -> bytes:
        self.pages += 1
        ids = sorted(one for one in self.records if one > after)
        items = [{"id": one.hex(), "value": {"v1": self.records[one]}} for one in ids[:limit]]
        following = ids[limit - 1].hex() if len(ids) > limit else None
        return core.encode_json({"items": items, "next": following})

    def record(self, evidence: bytes, member: int, action: Any) -> None:
        """What a block writes when it takes a report up."""
        self.records[evidence] = {
            "member": key_json(KEYS[member]),
            "recorded": str(self.height),
            "action": action,
        }


def key_json(key: core.SigningKey) -> dict[str, str]:
    return {"ed25519": key.public_key[1:].hex()}


def pair(round_: int, member: int = 1) -> ReportEvidence:
    one, two = (
        VoteMessage(
            member, VoteRequest(0, "pbft", 5, round_, Phase.FIRST, bytes([n]) * 32), bytes(64)
        )
        for n in (1, 2)
    )
    return ReportEvidence(one, two)


def declarations(ledger: Ledger) -> Declarations:
    view: Any = ledger
    return Declarations(view, view, KEYS[0])


def settle(ledger: Ledger, node: Declarations, action: Any, code: str = "final") -> None:
    """A block takes up what the node says against member 1."""
    (name,) = node.wanted
    ledger.height += 1
    ledger.record(name.removeprefix(b"evidence"), 1, action)
    assert node.ended(name, code)
    assert node.evidence_wanted == 0


def test_one_pair_of_a_member_at_a_time() -> None:
    ledger = Ledger()
    node = declarations(ledger)
    for round_ in range(5):
        node.report(pair(round_))
    assert node.evidence_wanted == 1
    node.report(pair(0, member=2))
    assert node.evidence_wanted == 2
    # What came to nothing leaves the place to the next.
    for name in list(node.wanted):
        assert not node.ended(name, "evidence_full")
        assert node.ended(name, "evidence_old")
    node.report(pair(6))
    assert node.evidence_wanted == 1


@pytest.mark.parametrize("code", ["final", "evidence_known"])
@pytest.mark.parametrize(
    ("policy", "action"),
    [(0, "ignored"), (1, "alarmed"), (2, {"proposed": "aa" * 32}), (2, "kept"), (3, "kept"),
     (3, "gone")],
)  # fmt: skip
def test_where_more_would_change_nothing_the_next_is_a_hundred_blocks_later(
    policy: int, action: Any, code: str
) -> None:
    ledger = Ledger(policy)
    node = declarations(ledger)
    node.report(pair(0))
    settle(ledger, node, action, code)
    recorded = ledger.height
    for height in (recorded, recorded + 1, recorded + SILENCE_BLOCKS - 1):
        ledger.height = height
        node.report(pair(height))
        # A node that was started again knows it from the ledger.
        again = declarations(ledger)
        again.report(pair(height))
        assert (node.evidence_wanted, again.evidence_wanted) == (0, 0)
    node.report(pair(1, member=2))
    assert node.evidence_wanted == 1, "of somebody else it is told at once"
    ledger.height = recorded + SILENCE_BLOCKS
    node.report(pair(1_000))
    assert node.evidence_wanted == 2


def test_a_stricter_policy_hears_at_once() -> None:
    ledger = Ledger(1)
    node = declarations(ledger)
    node.report(pair(0))
    settle(ledger, node, "alarmed")
    node.report(pair(1))
    assert node.evidence_wanted == 0
    ledger.policy = 3
    node.report(pair(2))
    assert node.evidence_wanted == 1


@pytest.mark.parametrize("action", [{"scheduled": "aa" * 32}, "queued"])
def test_while_a_member_is_on_its_way_out_nothing_is_said(action: Any) -> None:
    ledger = Ledger(3)
    node = declarations(ledger)
    node.report(pair(0))
    ledger.pending = {"proposal": "aa" * 32}
    settle(ledger, node, action)
    ledger.height += 10 * SILENCE_BLOCKS
    node.report(pair(1))
    assert node.evidence_wanted == 0
    # Its removal lapsed: the next pair asks for it again.
    ledger.pending = None
    ledger.height -= 10 * SILENCE_BLOCKS
    node.report(pair(2))
    assert node.evidence_wanted == 1


def test_of_many_records_the_newest_counts_and_they_are_read_once() -> None:
    ledger = Ledger()
    for number in range(2_500):
        ledger.height = 10_000 - number
        ledger.record(number.to_bytes(32, "big"), number % 2, "alarmed")
    ledger.height = 10_000
    node = declarations(ledger)
    node.report(pair(0))
    node.report(pair(1))
    assert node.evidence_wanted == 0
    assert ledger.pages == 3
    ledger.height = 9_999 + SILENCE_BLOCKS
    node.report(pair(2))
    assert node.evidence_wanted == 1
