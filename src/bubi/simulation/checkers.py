"""What must hold in every run, judged from outside the nodes.

Each checker has a name that stands in a violation. They keep books of their own and trust nothing
that a node says of itself.
"""

import traceback
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bubi.consensus import guard
from bubi.consensus.engine import (
    Certificate,
    Configuration,
    ConsensusMessage,
    EngineMessage,
    ProposalMessage,
    ReportEvidence,
    Signatures,
    VoteMessage,
)
from bubi.consensus.guard import Phase, VoteRequest
from bubi.dissemination import ENTRIES_PER_PEER_MAX
from bubi.ledger import key_bytes
from bubi.replica.events import Tip
from bubi.simulation.choices import Choices
from bubi.simulation.justified import HEIGHTS_KEPT, VOTE_CHECKERS, Justified
from bubi.simulation.ledger import PREPARED_RECORD, PROPOSAL_RECORD
from bubi.simulation.new_rounds import request_fault, weight_of

if TYPE_CHECKING:
    from bubi.simulation.host import Host, Place
    from bubi.simulation.ledger import Ledger

TABLE_ENTRIES_PER_PEER = 6_000
"""Most entries that all tables of a replica may hold per connected peer; the bounds of its own
tables (replica.Settings) add up to less."""
TABLE_DEPTH = 6
NO_TRANSACTION = bytes(32)
"""In receipts of what blocks do by themselves."""
GUARDED_MAX = 512
"""Statements of one guard that are kept, beyond which those of decided heights are forgotten."""
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

ACTIONS = {
    0: {"ignored"},
    1: {"alarmed"},
    2: {"proposed", "alarmed", "kept", "gone"},
    3: {"scheduled", "queued", "kept", "gone"},
}
"""What may follow evidence, by policy."""

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
        self._certified: set[tuple[int, Certificate]] = set()
        self._sent: dict[Slot, VoteRequest] = {}
        self._durable: dict[int, set[VoteRequest]] = {}
        self._guarded: dict[int, dict[Slot, VoteRequest]] = {}
        self._refused: dict[int, set[VoteRequest]] = {}
        self._damaged: frozenset[int] = frozenset()
        self._recorded: dict[int, set[tuple[int, int]]] = {}
        self._heights: dict[int, int] = {}
        self._proposed: dict[int, dict[bytes, int]] = {}
        self._first_votes: dict[int, set[bytes]] = {}
        self._changed: set[tuple[int, int]] = set()
        self._under: dict[int, tuple[Any, ...]] = {}
        self._sets: dict[int, Configuration] = {}
        self._owners: Mapping[bytes, int] = {}
        self._proposers: dict[int, dict[tuple[int, int, bytes], set[int]]] = {}
        self._justified = Justified(signatures)
        self._choices = Choices(self._is_correct)
        self._receipts: dict[bytes, tuple[str, int]] = {}
        self.expired: dict[bytes, int] = {}
        """Transactions whose clients were told that they expired, and at which height."""
        self.asset = b""
        self.supply = 0
        """Of that asset so much is issued once, and never anything else."""
        self.asked: set[bytes] = set()
        """Keys whose members a vote of the organisations asked to leave the set."""

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
        configuration = self._sets.get(request.epoch)
        member = self._number(place, request.epoch)
        if configuration is not None and member is not None and not place.faulty:
            self._choices.signed(configuration, member, request)

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
            request = guard.decode(record).request
            known.add(request)
            self._judge_guard(place, request)

    def _judge_guard(self, place: "Place", request: VoteRequest) -> None:
        """What one guard let pass: one statement per slot, and nothing that it had refused."""
        if place.index in self._damaged:
            # What was signed may have been wiped off its disk: that is what makes it faulty.
            return
        book = self._guarded.setdefault(place.index, {})
        first = book.setdefault(_slot(place.index, request), request)
        if first != request or request in self._refused.get(place.index, ()):
            self.fail("guard_holds", f"{place.name}: {first} and {request}", request.height)
        if len(book) > GUARDED_MAX:
            for slot in [one for one in book if book[one].height < request.height - 1]:
                del book[slot]

    def refused_again(self, place: "Place", request: VoteRequest) -> None:
        """A guard refused a second statement for a slot."""
        host = place.host
        if host is not None and host.restored.silent is None:
            self._marks["double_vote_refused"] += 1
        refused = self._refused.setdefault(place.index, set())
        refused.add(request)
        if len(refused) > GUARDED_MAX:
            self._refused[place.index] = {
                one for one in refused if one.height >= request.height - 1
            }

    def signed_again(self, place: "Place", request: VoteRequest) -> None:
        """A guard let a second statement for a slot pass."""
        self.fail("guard_holds", f"{place.name} signs once more: {request}", request.height)

    def sent(self, place: "Place", message: ConsensusMessage, signed: VoteMessage) -> None:
        """A node sends or relays a message of an engine."""
        request = signed.request
        if place.faulty:
            return
        if isinstance(message, ProposalMessage):
            self._passed_on(place, message, request)
        if self.author(request.epoch, signed.validator) != place.index:
            return
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
            self._judge(place, message, signed)
            self._judge_leader(place, signed)
            if isinstance(message, EngineMessage):
                self._judge_request(place, message)
        elif first != request:
            self.fail("no_double_signing", f"{place.name}: {first} and {request}", request.height)

    def _passed_on(self, place: "Place", message: ProposalMessage, request: VoteRequest) -> None:
        """A correct node sends a proposal or what proves one, be it of another member."""
        self._justified.heard(place.index, message)
        configuration = self._sets.get(request.epoch)
        member = self._number(place, request.epoch)
        if configuration is not None and member is not None:
            self._choices.passed_on(configuration, member, message)

    def _judge(self, place: "Place", message: ConsensusMessage, signed: VoteMessage) -> None:
        """What a correct member supports, and by what it justifies a later round."""
        request = signed.request
        configuration = self._sets[request.epoch]
        before = self._choices.carried
        leader = _leader(place, request)
        fault = self._choices.sent(configuration, signed.validator, message, leader)
        self._marks["vote_above_a_commit_vote"] += self._choices.carried - before
        if fault is not None:
            self.fail("votes_are_safe", f"{place.name}, {request}: {fault}", request.height)
        if isinstance(message, ProposalMessage):
            fault = self._justified.proposed(configuration, message)
            if fault is not None:
                self.fail("new_views_hold", f"{place.name}: {fault}", request.height)
        else:
            fault = self._justified.voted(place.index, configuration, request)
            checker = VOTE_CHECKERS.get(request.phase)
            if fault is not None and checker is not None:
                self.fail(checker, f"{place.name}: {fault}", request.height)

    def _judge_request(self, place: "Place", message: EngineMessage) -> None:
        """What it shows when it asks for a round holds."""
        configuration = self._sets[message.signed.request.epoch]
        fault = request_fault(self._signatures, configuration, message)
        if fault is not None:
            self.fail("requests_hold", f"{place.name}: {fault}", message.height)

    def _judge_leader(self, place: "Place", signed: VoteMessage) -> None:
        """What it votes for first was proposed by the leader of the round.

        Who leads follows from the blocks below, so that only the height in work can be judged.
        """
        request, host = signed.request, place.host
        if host is None or request.height != host.ledger.height + 1:
            return
        proposers = self._proposers.get(request.height, {}).get(
            (place.index, request.round, request.digest)
        )
        leader = host.configuration.leader(request.round)
        own = leader == signed.validator
        if request.phase is Phase.FIRST and proposers and not own and leader not in proposers:
            self.fail(
                "accepted_proposals_hold",
                f"{place.name} votes in round {request.round} for what {sorted(proposers)} "
                f"proposed; {leader} leads",
                request.height,
            )

    def heard(self, place: "Place", message: ProposalMessage) -> None:
        """A proposal arrives at a node that follows the protocol."""
        self._justified.heard(place.index, message)
        request = message.signed.request
        if message.proposal and request.phase in {Phase.FIRST, Phase.PROPOSAL}:
            said = self._proposers.setdefault(request.height, {})
            slot = place.index, request.round, request.digest
            said.setdefault(slot, set()).add(message.signed.validator)
            if len(self._proposers) > HEIGHTS_KEPT:
                del self._proposers[min(self._proposers)]

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

    def refused_own(self, place: "Place", height: int, reason: str) -> None:
        """A node's ledger refused what the node itself proposes on top of its newest block."""
        if not place.faulty:
            self.fail("own_proposals_hold", f"{place.name}: {reason}", height)

    def starved(self, place: "Place", milliseconds: int) -> None:
        """A liar passed over a batch in one round for so long."""
        detail = f"{place.name} passes over what all have for {milliseconds} ms"
        self.fail("no_starvation", detail)

    def repeats(self, place: "Place", height: int, times: int) -> None:
        """A node's ledger refused blocks of a height so many times."""
        if not place.faulty:
            self.fail("bounded_work", f"{place.name}: {times} wrong blocks", height)

    def guard_silent(self, place: "Place", reason: str) -> None:
        """A guard found its records in disagreement."""
        self._marks["guard_silent"] += 1
        if not place.faulty:
            self.fail("guard_speaks", f"{place.name}: {reason}")

    def refused(self, place: "Place", text: str) -> None:
        """A guard refused what its engine asked for: a correct engine never contradicts itself."""
        if not place.faulty:
            self.fail("guard_not_needed", f"{place.name}: {text}")

    def evidence(self, place: "Place", report: ReportEvidence) -> None:
        """A node reports two contradicting statements of one member."""
        self._marks["evidence_reported"] += 1
        author = self.author(report.first.request.epoch, report.first.validator)
        if place.behaviour is None and author in self._correct:
            self.fail("no_evidence_against_correct", f"node-{author + 1}: {report}")

    def recorded(self, ledger: "Ledger", policy: int) -> None:
        """The evidence that blocks recorded: against liars only, with what the policy asks."""
        for one in ledger.evidence():
            (kind,) = one["action"] if isinstance(one["action"], dict) else (one["action"],)
            self._marks[f"evidence_{kind}"] += 1
            if self._owners.get(key_bytes(one["member"])) in self._correct:
                self.fail("no_evidence_against_correct", f"on the ledger: {one}")
            if kind not in ACTIONS[policy]:
                self.fail("policy_followed", f"policy {policy}: {one}")

    # --- members -----------------------------------------------------------------------------

    _correct: frozenset[int] = frozenset()

    def watch(
        self,
        owners: Mapping[bytes, int],
        correct: frozenset[int],
        damaged: frozenset[int] = frozenset(),
    ) -> None:
        """Says whose place a key belongs to, and which places follow the protocol.

        `owners` may grow: members get other keys. The disks of those that are `damaged` lose what
        was durable.
        """
        self._damaged = damaged
        self._owners = owners
        self._correct = correct

    def author(self, epoch: int, member: int) -> int | None:
        """The place of a member of an epoch, None if there is none."""
        configuration = self._sets.get(epoch)
        if configuration is None or not 0 <= member < len(configuration.members):
            return None
        return self._owners.get(configuration.members[member].key)

    def _number(self, place: "Place", epoch: int) -> int | None:
        """The number of a place in the set of an epoch."""
        configuration = self._sets.get(epoch)
        members = () if configuration is None else configuration.members
        return next((one.index for one in members if one.key == place.key.public), None)

    def _is_correct(self, configuration: Configuration, member: int) -> bool:
        return self._owners.get(configuration.members[member].key) in self._correct

    def follow(self, configuration: Configuration) -> frozenset[bytes]:
        """A set came into force somewhere: the keys that left with the one before.

        A correct member leaves by a vote of the organisations only.
        """
        if configuration.epoch in self._sets:
            return frozenset()
        before = self._sets.get(configuration.epoch - 1)
        self._sets[configuration.epoch] = configuration
        if before is None:
            return frozenset()
        left = {one.key for one in before.members} - {one.key for one in configuration.members}
        for key in left - self.asked:
            place = self._owners.get(key)
            if place in self._correct:
                self.fail("no_exclusion_of_correct", f"node-{place + 1} left the set")
        return frozenset(left)

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
        self.restored(place, ledger.height, restored)

    def restored(self, place: "Place", decided: int, restored: guard.GuardState) -> None:
        """A node's guard remembers this after a restart."""
        known = self._durable.get(place.index)
        if known is None or place.faulty:
            return
        remembered = {entry.request for entry in restored.entries}
        lost = [one for one in known if one.height > decided and one not in remembered]
        if lost:
            self.fail("votes_survive_restart", f"{place.name}: {lost[0]}", lost[0].height)

    def committed(self, place: "Place", host: "Host", tip: Tip, configuration: Any) -> None:
        """A correct node made a block durable; `configuration` decided it."""
        height = tip.height
        before = self._heights.get(place.index, 0)
        if height != before + 1:
            self.fail("commit_index_monotone", f"{place.name}: {before} → {height}", height)
        self._heights[place.index] = height
        self._found(place, host.ledger, tip, configuration)
        self.peers(place, host)
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
        under = (
            configuration.epoch,
            configuration.engine,
            configuration.quorum,
            configuration.members,
        )
        if self._under.setdefault(height, under) != under:
            self.fail("equal_sets", f"{place.name} decided under another set", height)
        # Each node has one of its own, made here or given by somebody who may lie.
        if (height, certificate) not in self._certified:
            self._certified.add((height, certificate))
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
        self._count_receipts(ledger, height)
        self.conserved(place, ledger)
        voted = self._first_votes.pop(height, set()) - {tip.digest}
        if voted:
            self._marks["undecided_suffix_dropped"] += 1
        self._proposed.pop(height, None)

    def _count_receipts(self, ledger: "Ledger", height: int) -> None:
        """Each transaction is in one block at most, and in none that a client was told expired."""
        for transaction, code in ledger.receipts(height):
            if transaction == NO_TRANSACTION:
                continue
            before = self._receipts.setdefault(transaction, (code, height))
            if before != (code, height):
                self.fail(
                    "acknowledged_exactly_once",
                    f"{transaction.hex()} again after {before}",
                    height,
                )
            if transaction in self.expired:
                self.fail("expired_never_final", transaction.hex(), height)

    def acknowledged(self, transaction: bytes, code: str, height: int) -> None:
        """A correct node tells a client the outcome of its transaction."""
        found = self._receipts.get(transaction)
        if found != (code, height):
            self.fail(
                "acknowledged_exactly_once",
                f"{transaction.hex()} told {code} at {height}, found {found}",
                height,
            )

    def conserved(self, place: "Place", ledger: "Ledger") -> None:
        """No block makes or destroys what was issued, nor lets anybody owe."""
        if not self.supply:
            return
        balances = ledger.holders(self.asset)
        if sum(balances.values()) not in {0, self.supply} or min(balances.values(), default=0) < 0:
            self.fail("value_conserved", f"{place.name}: {balances}", ledger.height)

    def _check_certificate(self, place: "Place", tip: Tip, configuration: Configuration) -> None:
        certificate = tip.certificate
        assert certificate is not None
        request = certificate.request
        members = [index for index, _ in certificate.votes]
        weight = weight_of(configuration, members)
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

    def peers(self, place: "Place", host: "Host") -> None:
        """What each peer makes a replica keep."""
        for peer, found in host.replica.charged().items():
            if found > ENTRIES_PER_PEER_MAX:
                detail = f"{place.name} holds {found} entries because of {host.peers.get(peer)}"
                self.fail("bounded_memory", detail)

    def tables(self, place: "Place", host: "Host") -> None:
        """Counts what a replica holds."""
        found = entries(host.replica, TABLE_DEPTH)
        self._marks["table_entries_max"] = max(self._marks["table_entries_max"], found)
        bound = TABLE_ENTRIES_PER_PEER * (len(host.peers) + 1)
        if found > bound:
            self.fail("bounded_memory", f"{place.name} holds {found} entries, more than {bound}")


def _leader(place: "Place", request: VoteRequest) -> int | None:
    """Who leads the round of a request by what a node knows; None if it knows another height."""
    host = place.host
    if host is None or host.ledger.height + 1 != request.height:
        return None
    configuration = host.configuration
    return configuration.leader(request.round) if configuration.epoch == request.epoch else None


def _slot(author: int, request: VoteRequest) -> Slot:
    return (
        author,
        request.epoch,
        request.engine,
        request.height,
        request.round,
        request.phase,
    )


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
