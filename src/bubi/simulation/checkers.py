"""What must hold in every run, judged from outside the nodes.

Each checker has a name that stands in a violation. They keep books of their own and trust nothing
that a node says of itself.
"""

import traceback
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bubi.consensus import guard
from bubi.consensus.engine import (
    Configuration,
    ConsensusMessage,
    EngineMessage,
    ProposalMessage,
    ReportEvidence,
    Signatures,
    VoteMessage,
)
from bubi.consensus.guard import Phase, VoteRequest
from bubi.consensus.pbft_bytes import NewView, decode_change, decode_justification
from bubi.replica.events import Tip
from bubi.simulation.ledger import PREPARED_RECORD, PROPOSAL_RECORD

if TYPE_CHECKING:
    from bubi.simulation.host import Host, Place
    from bubi.simulation.ledger import Ledger

TABLE_ENTRIES_PER_PEER = 6_000
"""Most entries that all tables of a replica may hold per connected peer; the bounds of its own
tables (replica.Settings) add up to less."""
TABLE_DEPTH = 6
PRODUCTION = (
    "bubi.replica",
    "bubi.consensus",
    "bubi.dissemination",
    "bubi.sync",
    "bubi.mempool",
)
"""Modules whose objects are looked into."""

RECORD_OF_PHASE = {
    Phase.PROPOSAL: PROPOSAL_RECORD,
    Phase.FIRST: PROPOSAL_RECORD,
    Phase.COMMIT: PREPARED_RECORD,
}
"""Kind of record that must be durable before a vote of a phase leaves: the accepted proposal, the
prepared certificate."""

Slot = tuple[int, int, str, int, int, Phase]
"""Who may sign only one thing: (author, epoch, engine, height, round, phase)."""


@dataclass(frozen=True, slots=True)
class Violation:
    """A checker that failed."""

    checker: str
    height: int
    detail: str


@dataclass(frozen=True, slots=True)
class Decision:
    """What the first correct node decided at a height."""

    digest: bytes
    outcome: bytes
    state_root: bytes
    parent: bytes
    time: int


class Checkers:
    """The books of one run."""

    def __init__(self, signatures: Signatures, marks: Counter[str]) -> None:
        self._signatures = signatures
        self._marks = marks
        self.violations: list[Violation] = []
        self.decisions: dict[int, Decision] = {}
        self._certified: set[tuple[int, bytes]] = set()
        self._sent: dict[Slot, VoteRequest] = {}
        self._durable: dict[int, set[VoteRequest]] = {}
        self._recorded: dict[int, set[tuple[int, int]]] = {}
        self._heights: dict[int, int] = {}
        self._proposed: dict[int, dict[bytes, int]] = {}
        self._first_votes: dict[int, set[bytes]] = {}
        self._changed: set[tuple[int, int]] = set()

    @property
    def height(self) -> int:
        """The highest height that a correct node decided."""
        return max(self.decisions, default=0)

    def fail(self, checker: str, detail: str, height: int | None = None) -> None:
        """Records a violation."""
        at = self.height if height is None else height
        self.violations.append(Violation(checker, at, detail))

    def raised(self, place: "Place", error: Exception) -> None:
        """Production code raised where no input may make it raise."""
        if place.behaviour is None:
            where = "".join(traceback.format_exception(error)[-4:])
            self.fail("no_exception", f"{place.name}: {where}")

    # --- votes -------------------------------------------------------------------------------

    def signed(self, place: "Place", request: VoteRequest) -> None:
        """A key was used. What was signed may still be thrown away; see `sent`."""
        if request.phase is Phase.CHANGE:
            self._changed.add((place.index, request.height))

    def durable(
        self,
        place: "Place",
        records: Iterable[bytes],
        kinds: Iterable[tuple[int, int]] = (),
    ) -> None:
        """Records of the guard became durable, and others by (kind, height)."""
        self._recorded.setdefault(place.index, set()).update(kinds)
        known = self._durable.setdefault(place.index, set())
        for record in records:
            known.add(guard.decode(record).request)

    def sent(self, place: "Place", message: ConsensusMessage, signed: VoteMessage) -> None:
        """A node sends or relays a message of an engine."""
        if place.faulty or signed.validator != place.index:
            return
        request = signed.request
        first = self._sent.get(_slot(place.index, request))
        if first is request:
            return
        if first is None:
            self._sent[_slot(place.index, request)] = request
            if request not in self._durable.get(place.index, ()):
                self.fail("persisted_before_sent", f"{place.name}: {request}", request.height)
            wanted = RECORD_OF_PHASE.get(request.phase)
            if wanted is not None and (wanted, request.height) not in self._recorded.get(
                place.index, ()
            ):
                self.fail("recorded_before_sent", f"{place.name}: {request}", request.height)
            self._mark_sent(message, request)
            if isinstance(message, ProposalMessage) and self._configuration is not None:
                fault = new_view_fault(self._signatures, self._configuration, message)
                if fault is not None:
                    self.fail("new_views_hold", f"{place.name}: {fault}", request.height)
        elif first != request:
            self.fail("no_double_signing", f"{place.name}: {first} and {request}", request.height)

    def _mark_sent(self, message: ConsensusMessage, request: VoteRequest) -> None:
        match message:
            case ProposalMessage() if request.phase is not Phase.GRANT:
                known = self._proposed.setdefault(request.height, {})
                if request.digest in known:
                    self._marks["view_change_with_prepared_block"] += 1
                elif known:
                    self._marks["new_view_with_nothing_prepared"] += 1
                known.setdefault(request.digest, request.round)
                self._first_votes.setdefault(request.height, set()).add(request.digest)
            case EngineMessage():
                self._marks[f"sent_{message.kind}"] += 1
            case _:
                if request.phase is Phase.FIRST:
                    self._first_votes.setdefault(request.height, set()).add(request.digest)

    def guard_silent(self, place: "Place", reason: str) -> None:
        """A guard found its records in disagreement."""
        self._marks["guard_silent"] += 1
        if not place.faulty:
            self.fail("guard_speaks", f"{place.name}: {reason}")

    def evidence(self, place: "Place", report: ReportEvidence) -> None:
        """A node reports two contradicting statements of one member."""
        self._marks["evidence_reported"] += 1
        author = report.first.validator
        if place.behaviour is None and author in self._correct:
            self.fail("no_evidence_against_correct", f"node-{author + 1}: {report}")

    _correct: frozenset[int] = frozenset()
    _configuration: Configuration | None = None

    def watch(self, correct: frozenset[int]) -> None:
        """Says which members follow the protocol."""
        self._correct = correct

    # --- blocks ------------------------------------------------------------------------------

    def opened(self, place: "Place", ledger: "Ledger", restored: guard.GuardState) -> None:
        """A node opened its ledger: it may not be behind what it had made durable."""
        before = self._heights.get(place.index, 0)
        if ledger.height < before and not place.faulty:
            self.fail("commit_index_monotone", f"{place.name}: {before} → {ledger.height}")
        self._heights[place.index] = max(before, ledger.height)
        if ledger.height and not place.faulty:
            # It may have died after the block was durable and before it could say so.
            self._found(place, ledger, ledger.tip(), ledger.decided_under())
        known = self._durable.get(place.index)
        if known is None or place.faulty:
            return
        remembered = {entry.request for entry in restored.entries}
        lost = [one for one in known if one.height > ledger.height and one not in remembered]
        if lost:
            self.fail("votes_survive_restart", f"{place.name}: {lost[0]}", lost[0].height)

    def committed(self, place: "Place", host: "Host", tip: Tip, configuration: Any) -> None:
        """A correct node made a block durable; `configuration` decided it."""
        height = tip.height
        self._configuration = configuration
        before = self._heights.get(place.index, 0)
        if height != before + 1:
            self.fail("commit_index_monotone", f"{place.name}: {before} → {height}", height)
        self._heights[place.index] = height
        self._found(place, host.ledger, tip, configuration)
        if (place.index, height) in self._changed and host.applying:
            self._marks["sync_during_view_change"] += 1
        durable = self._durable.get(place.index)
        if durable is not None and len(durable) > 512:
            self._durable[place.index] = {one for one in durable if one.height >= height}
            recorded = self._recorded.get(place.index, set())
            self._recorded[place.index] = {one for one in recorded if one[1] >= height}

    def _found(
        self, place: "Place", ledger: "Ledger", tip: Tip, configuration: Configuration
    ) -> None:
        """The newest block of a correct node: that of all others, with a valid certificate."""
        height = tip.height
        certificate = tip.certificate
        assert certificate is not None
        outcome = certificate.request.outcome
        decision = self.decisions.get(height)
        if decision is None:
            self._first_decision(place, ledger, tip)
        elif decision.digest != tip.digest:
            self.fail("agreement", f"{place.name} decided another block", height)
        elif (decision.outcome, decision.state_root) != (outcome, tip.state_root):
            self.fail("equal_outcomes", f"{place.name} has another outcome", height)
        if (height, certificate.request.digest) not in self._certified:
            self._certified.add((height, certificate.request.digest))
            self._check_certificate(place, tip, configuration)

    def _first_decision(self, place: "Place", ledger: "Ledger", tip: Tip) -> None:
        height = tip.height
        parts = ledger.read_blocks(height, height, 1 << 30)
        at, time, parent, _ = ledger.proposal_fields(parts[0].proposal)
        below = self.decisions.get(height - 1)
        expected = ledger.chain_id if below is None else below.digest
        if at != height or parent != expected:
            self.fail("hash_chain", f"{place.name}: the parent of {height} is wrong", height)
        if below is not None and time <= below.time:
            self.fail("block_time_ascends", f"{place.name}: {below.time} → {time}", height)
        assert tip.certificate is not None
        self.decisions[height] = Decision(
            tip.digest, tip.certificate.request.outcome, tip.state_root, parent, time
        )
        voted = self._first_votes.pop(height, set()) - {tip.digest}
        if voted:
            self._marks["undecided_suffix_dropped"] += 1
        self._proposed.pop(height, None)

    def _check_certificate(self, place: "Place", tip: Tip, configuration: Configuration) -> None:
        certificate = tip.certificate
        assert certificate is not None
        request = certificate.request
        members = [index for index, _ in certificate.votes]
        weight = _weight(configuration, members)
        statement = (request.epoch, request.engine, request.height, request.phase, request.digest)
        wanted = (configuration.epoch, configuration.engine, tip.height, Phase.COMMIT, tip.digest)
        valid = (
            len(set(members)) == len(members)
            and weight >= configuration.quorum
            and statement == wanted
            and all(
                self._signatures.verify(configuration, VoteMessage(index, request, signature))
                for index, signature in certificate.votes
            )
        )
        if not valid:
            self.fail("certificates_valid", f"{place.name}: {members} of {request}", tip.height)

    def halted(self, place: "Place", text: str) -> None:
        """A node stopped for good."""
        self._marks["halted"] += 1
        if place.behaviour is None:
            self.fail("no_halt", f"{place.name}: {text}")

    # --- memory ------------------------------------------------------------------------------

    def tables(self, place: "Place", host: "Host") -> None:
        """Counts what a replica holds."""
        found = entries(host.replica, TABLE_DEPTH)
        self._marks["table_entries_max"] = max(self._marks["table_entries_max"], found)
        bound = TABLE_ENTRIES_PER_PEER * (len(host.peers) + 1)
        if found > bound:
            self.fail("bounded_memory", f"{place.name} holds {found} entries, more than {bound}")


def _slot(author: int, request: VoteRequest) -> Slot:
    return (
        author,
        request.epoch,
        request.engine,
        request.height,
        request.round,
        request.phase,
    )


def _weight(configuration: Configuration, members: Iterable[int]) -> int:
    """Weight of these members, each counted once."""
    known = configuration.members
    return sum(known[index].weight for index in set(members) if 0 <= index < len(known))


def new_view_fault(
    signatures: Signatures, configuration: Configuration, message: ProposalMessage
) -> str | None:
    """What is wrong with the view changes by which a correct leader justifies a new view."""
    request = message.signed.request
    place = (request.epoch, request.engine)
    if configuration.engine != "pbft" or place != (configuration.epoch, configuration.engine):
        return None
    height, round_ = message.height, message.signed.request.round
    view = decode_justification(message.justification, configuration, height)
    if not isinstance(view, NewView):
        return None
    members = {change.member for change in view.changes}
    weight = _weight(configuration, members)
    if len(members) != len(view.changes) or weight < configuration.quorum:
        return f"view changes of {[change.member for change in view.changes]}"
    highest: tuple[int, bytes] | None = None
    for change in view.changes:
        prepared = decode_change(change.body)
        if prepared is None:
            continue
        signers = {member for member, _ in prepared.votes}
        request = prepared.certificate(configuration, height).request
        if (
            len(signers) != len(prepared.votes)
            or _weight(configuration, signers) < configuration.quorum
            or prepared.round >= round_
            or not all(
                signatures.verify(configuration, VoteMessage(member, request, signature))
                for member, signature in prepared.votes
            )
        ):
            return f"member {change.member} shows a certificate that does not hold"
        highest = max(highest or (-1, b""), (prepared.round, prepared.digest))
    if highest is not None and highest[1] != message.signed.request.digest:
        return "it proposes something else than what was prepared last"
    return None


def entries(root: Any, depth: int) -> int:
    """How many elements all containers under an object hold, each container once."""
    seen: set[int] = set()
    total = 0
    level = [root]
    for _ in range(depth):
        following: list[Any] = []
        for one in level:
            if id(one) in seen or isinstance(one, (bytes, str, int, float, type)):
                continue
            seen.add(id(one))
            if isinstance(one, dict):
                total += len(one)
                following.extend(one.values())
            elif isinstance(one, (list, tuple, set, frozenset)) or hasattr(one, "popleft"):
                total += len(one)
                following.extend(one)
            elif type(one).__module__.startswith(PRODUCTION):
                following.extend(_fields(one))
        level = following
    return total


def _fields(one: Any) -> list[Any]:
    names = getattr(type(one), "__slots__", None)
    if names is None:
        return list(vars(one).values()) if hasattr(one, "__dict__") else []
    found = [getattr(one, name, None) for name in names if isinstance(name, str)]
    return found + list(getattr(one, "__dict__", {}).values())
