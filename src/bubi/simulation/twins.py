"""Twins: two instances of the unmodified node code share one identity.

That alone makes a leader equivocate, a member vote twice and a lock be forgotten, without a line
of code that was written to do so. A scenario is a list of (leader, partition), one per round:
messages of a round pass only within the groups of its partition
for as long as that holds. After the listed rounds the
network is whole and must decide.

Engine, driver and guard are the production code. The ledger below them is a double of a few
lines, so that thousands of scenarios fit in a minute; the cluster simulation has the real one.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import blake2b
from random import Random
from typing import Any

from bubi.consensus import driver, guard
from bubi.consensus import engine as engines
from bubi.consensus.engine import Certificate, Configuration, Member, VoteMessage
from bubi.consensus.guard import VoteRequest
from bubi.consensus.quorum import quorum
from bubi.simulation.choices import Choices
from bubi.simulation.justified import VOTE_CHECKERS, Justified
from bubi.simulation.parallel import each, load_factory, make_engine
from bubi.simulation.scheduler import MILLISECOND, SECOND, Scheduler

ROUNDS_MIN = 7
ROUNDS_MAX = 10
GROUPS_MAX = 3
LARGE_ONE_IN = 10
TIMEOUT_MS = 100
TIMEOUT_MAX_MS = 400
LATENCY = 2 * MILLISECOND
SYNC = MILLISECOND
HOLD = 700 * MILLISECOND
"""How long the partition of a round lasts from its first message on. It outlives the timers of the
round; what is sent again later passes, for a link of a protocol that sends until it is heard
cannot be cut for ever."""
TIME_MAX = 120 * SECOND
EVENTS_MAX = 400_000
HEALED_HEIGHTS = 2
"""Heights that everyone must decide once the network is whole."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """`members` nodes of which the first `twins` have two instances.

    `rounds` gives per round the leader and the group of each instance; instance i < members is
    member i, the others are the second instances of members 0, 1 …. Without `weights` every member
    has weight 1; `ratio` is that of the quorum.
    """

    members: int
    twins: int
    rounds: tuple[tuple[int, tuple[int, ...]], ...]
    weights: tuple[int, ...] = ()
    ratio: tuple[int, int] = (0, 1)

    @property
    def instances(self) -> int:
        """How many run."""
        return self.members + self.twins

    def member(self, instance: int) -> int:
        """The identity of an instance."""
        return instance if instance < self.members else instance - self.members


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a scenario ended with; `double_votes` are slots that twins signed twice."""

    violations: tuple[str, ...]
    double_votes: int
    messages: int
    heights: int


def draw(seed: int, number: int) -> Scenario:
    """The scenario of this number."""
    random = Random(f"twins {seed} {number}")  # noqa: S311 - no secret
    members, twins = (7, 2) if random.randrange(LARGE_ONE_IN) == 0 else (4, 1)
    rounds = []
    for _ in range(random.randint(ROUNDS_MIN, ROUNDS_MAX)):
        # Leaders are twins twice as often as others: only then do proposals conflict.
        leader = random.randrange(twins) if random.random() < 0.4 else random.randrange(members)
        groups = random.randint(1, GROUPS_MAX)
        rounds.append((leader, tuple(random.randrange(groups) for _ in range(members + twins))))
    return Scenario(members, twins, tuple(rounds))


class Table:
    """Ideal signatures: a table of what each key was asked to sign."""

    def __init__(self) -> None:
        self._signed: dict[tuple[int, VoteRequest], bytes] = {}

    def sign(self, member: int, request: VoteRequest) -> bytes:
        """The signature of a member, the same for the same request."""
        key = (member, request)
        made = self._signed.get(key)
        if made is None:
            made = self._signed[key] = len(self._signed).to_bytes(8, "little")
        return made

    def verify(self, _: Configuration, vote: VoteMessage) -> bool:
        """Whether the member signed this."""
        return self._signed.get((vote.validator, vote.request)) == vote.signature

    def hash(self, data: bytes) -> bytes:
        """A hash of 32 bytes."""
        return blake2b(data, digest_size=32).digest()

    def binds(self, digest: bytes, proposal: bytes, payload: tuple[bytes, ...]) -> bool:
        """Whether the digest is that of the proposal; payloads are empty here."""
        return not payload and digest == self.hash(proposal)


@dataclass(slots=True)
class Instance:
    """A running one; it is member `member`."""

    number: int
    member: int
    state: driver.DriverState[Any]
    height: int = 1
    digests: list[bytes] = field(default_factory=lambda: [b"\0" * 32])
    certificates: dict[int, Certificate] = field(default_factory=dict)
    timers: dict[engines.TimerId, int] = field(default_factory=dict)
    inputs: list[Any] = field(default_factory=list)
    busy: bool = False
    wanted: int = 0
    reached: int = 0
    """Latest round of which a message came: the network of that round is the present one."""
    down: bool = False
    """It crashed and did not come back yet."""


class Run:
    """One scenario."""

    def __init__(self, scenario: Scenario, engine_name: str, factory: Any = None) -> None:
        self.scenario = scenario
        self.table = Table()
        self.engine = make_engine(engine_name, self.table, factory)
        self.scheduler = Scheduler()
        self.violations: list[str] = []
        self.messages = 0
        self.slots: dict[tuple[Any, ...], set[VoteRequest]] = {}
        self.sent: set[tuple[int, VoteRequest]] = set()
        self.choices = Choices(lambda _configuration, member: member >= scenario.twins)
        self.justified = Justified(self.table)
        self.decided: dict[int, tuple[bytes, bytes]] = {}
        self.timer_number = 0
        self.began: dict[int, int] = {}
        self.listeners: list[Callable[[engines.Message], None]] = []
        weights = scenario.weights or (1,) * scenario.members
        members = tuple(
            Member(index, f"node-{index + 1}", f"organisation-{index + 1}", bytes([index]), weight)
            for index, weight in enumerate(weights)
        )
        leaders = tuple(leader for leader, _ in scenario.rounds) + tuple(
            (scenario.members - 1 - index) % scenario.members for index in range(64)
        )
        self.configurations = [
            Configuration(
                0,
                self.engine.name,
                members,
                quorum(sum(weights), *scenario.ratio),
                own,
                timeout_ms=TIMEOUT_MS,
                timeout_ms_max=TIMEOUT_MAX_MS,
                first_round=0,
                leaders=leaders,
                turn_blocks=1,
            )
            for own in range(scenario.members)
        ]
        self.instances = [
            Instance(
                number,
                scenario.member(number),
                driver.initial(self.engine, guard.GuardState()),
            )
            for number in range(scenario.instances)
        ]
        self.performs: dict[type, Callable[[Instance, Any], None]] = {
            driver.Append: _nothing,
            driver.MirrorGuard: _nothing,
            driver.Alarm: _nothing,
            engines.Penalise: _nothing,
            driver.Sync: self._sync,
            engines.Send: self._send,
            engines.SetTimer: self._set_timer,
            engines.CancelTimer: self._cancel_timer,
            engines.RequestPayload: self._propose,
            engines.Validate: self._validate,
            engines.Execute: self._execute,
            engines.SignVote: self._sign,
            engines.Decide: self._decide,
            engines.Diverged: self._diverged,
            engines.ReportEvidence: self._evidence,
            engines.RequestSync: self._request_sync,
        }

    # --- the run -----------------------------------------------------------------------------

    def run(self, until: int | None = None) -> Outcome:
        """Plays the scenario to its end.

        With `until` it ends at that virtual time, and nobody has to have decided anything: that
        is for more twins than may be silent.
        """
        for instance in self.instances:
            self._begin(instance)
        finished = self.scheduler.run(until or TIME_MAX, self._is_over, EVENTS_MAX)
        if not finished:
            self.violations.append(f"bounded_work: more than {EVENTS_MAX} events")
        elif until is None and not self.violations and not self._is_level():
            heights = [instance.height - 1 for instance in self.instances]
            self.violations.append(f"liveness: heights {heights}")
        double = sum(1 for requests in self.slots.values() if len(requests) > 1)
        return Outcome(tuple(self.violations), double, self.messages, max(self.decided, default=0))

    def _correct(self) -> list[Instance]:
        return [one for one in self.instances if one.member >= self.scenario.twins]

    def _is_level(self) -> bool:
        """Whether every correct instance decided enough heights in rounds of a whole network."""
        listed = len(self.scenario.rounds)
        for instance in self._correct():
            whole = [
                height
                for height, certificate in instance.certificates.items()
                if certificate.request.round >= listed
            ]
            if len(whole) < HEALED_HEIGHTS:
                return False
        return True

    def _is_over(self) -> bool:
        return bool(self.violations) or self._is_level()

    def _begin(self, instance: Instance) -> None:
        configuration = self.configurations[instance.member]
        self._feed(instance, driver.Begin(1, configuration))
        self._feed(instance, engines.WorkWaiting(1))

    def _feed(self, instance: Instance, event: Any) -> None:
        if instance.down:
            return
        instance.inputs.append(event)
        if instance.busy:
            return
        instance.busy = True
        try:
            while instance.inputs:
                following = instance.inputs.pop(0)
                instance.state, actions = driver.step(self.engine, instance.state, following)
                for action in actions:
                    if not instance.down:
                        self._perform(instance, action)
        except Exception as error:
            self.violations.append(f"no_exception: instance {instance.number}: {error!r}")
        instance.busy = False

    def _perform(self, instance: Instance, action: Any) -> None:
        self.performs[type(action)](instance, action)

    # --- network -----------------------------------------------------------------------------

    def _together(self, round_: int, a: int, b: int) -> bool:
        if round_ >= len(self.scenario.rounds):
            return True
        since = self.began.setdefault(round_, self.scheduler.now)
        if self.scheduler.now - since > HOLD:
            return True
        groups = self.scenario.rounds[round_][1]
        return groups[a] == groups[b]

    def _judge(self, instance: Instance, message: engines.ConsensusMessage) -> None:
        """What a correct member sends for the first time."""
        signed, configuration = message.signed, self.configurations[0]
        request = signed.request
        if isinstance(message, engines.ProposalMessage):
            self.choices.passed_on(configuration, instance.member, message)
            self.justified.heard(instance.number, message)
        if (instance.number, request) in self.sent or signed.validator != instance.member:
            return
        self.sent.add((instance.number, request))
        leader = configuration.leader(request.round)
        fault = self.choices.sent(configuration, instance.member, message, leader)
        self._blame("votes_are_safe", instance, request, fault)
        if isinstance(message, engines.ProposalMessage):
            fault = self.justified.proposed(configuration, message)
            self._blame("new_views_hold", instance, request, fault)
        elif request.phase in VOTE_CHECKERS:
            fault = self.justified.voted(instance.number, configuration, request)
            self._blame(VOTE_CHECKERS[request.phase], instance, request, fault)

    def _blame(
        self, checker: str, instance: Instance, request: VoteRequest, fault: str | None
    ) -> None:
        if fault is not None:
            self.violations.append(f"{checker}: member {instance.member}, {request}: {fault}")

    def _send(self, instance: Instance, action: engines.Send) -> None:
        message = action.message
        request = message.signed.request
        if instance.member >= self.scenario.twins:
            self._judge(instance, message)
        event = engines.Message(message.signed.validator, message)
        for other in self.instances:
            if (
                other.member != instance.member
                and action.to in {None, other.member}
                and self._together(request.round, instance.number, other.number)
            ):
                self.messages += 1
                self.scheduler.after(LATENCY, self._arrive, (other, event))

    def _arrive(self, sent: tuple[Instance, engines.Message]) -> None:
        instance, event = sent
        for listener in self.listeners:
            listener(event)
        request = event.message.signed.request
        instance.reached = max(instance.reached, request.round)
        ahead = request.height - instance.height
        if ahead > 0:
            # The replica would learn of the height from a status; here from the message.
            instance.wanted = max(instance.wanted, request.height - 1)
            self._try_sync(instance)
        if type(event.message) is engines.ProposalMessage:
            self.justified.heard(instance.number, event.message)
        if self.table.verify(self.configurations[0], event.message.signed):
            self._feed(instance, event)

    def _set_timer(self, instance: Instance, action: engines.SetTimer) -> None:
        self.timer_number += 1
        instance.timers[action.timer] = self.timer_number
        self.scheduler.after(
            action.delay_ms * MILLISECOND,
            self._elapsed,
            (instance, action.timer, self.timer_number),
        )

    def _cancel_timer(self, instance: Instance, action: engines.CancelTimer) -> None:
        instance.timers.pop(action.timer, None)

    def _elapsed(self, timer: tuple[Instance, engines.TimerId, int]) -> None:
        instance, identity, number = timer
        if instance.timers.get(identity) == number:
            del instance.timers[identity]
            self._feed(instance, engines.TimerElapsed(identity))

    # --- the ledger's double -----------------------------------------------------------------

    def _sync(self, instance: Instance, action: driver.Sync) -> None:
        self.scheduler.after(SYNC, self._synced, (instance, action.number))

    def _synced(self, sync: tuple[Instance, int]) -> None:
        self._feed(sync[0], driver.Synchronised(sync[1]))

    def _propose(self, instance: Instance, action: engines.RequestPayload) -> None:
        """Each instance proposes something of its own, so that twins contradict each other."""
        proposal = b"%d %d %d %d " % (
            action.height,
            action.parent_round,
            instance.number,
            action.round,
        )
        proposal += instance.digests[-1]
        digest = self.table.hash(proposal)
        self._feed(
            instance,
            engines.PayloadReady(action.height, action.round, digest, proposal, ()),
        )

    def _validate(self, instance: Instance, action: engines.Validate) -> None:
        head, parent = action.proposal[:-32], action.proposal[-32:]
        height, parent_round, _, _ = (int(part) for part in head.split())
        valid = (
            height == action.height
            and height == instance.height
            and parent == instance.digests[-1]
            and self.table.hash(action.proposal) == action.digest
            and action.parent_round in {None, parent_round}
        )
        self._feed(instance, engines.Validated(action.height, action.digest, valid))

    def _execute(self, instance: Instance, action: engines.Execute) -> None:
        outcome = self.table.hash(b"outcome " + action.digest)
        self._feed(instance, engines.Executed(action.height, action.digest, outcome))

    def _sign(self, instance: Instance, action: engines.SignVote) -> None:
        request = action.request
        slot = (instance.member, request.height, request.round, request.phase)
        known = self.slots.setdefault(slot, set())
        known.add(request)
        if len(known) > 1 and instance.member >= self.scenario.twins:
            self.violations.append(f"no_double_signing: member {instance.member}: {request}")
        if instance.member >= self.scenario.twins:
            self.choices.signed(self.configurations[0], instance.member, request)
        signature = self.table.sign(instance.member, request)
        self._feed(instance, engines.VoteSigned(request, signature))

    def _decide(self, instance: Instance, action: engines.Decide) -> None:
        certificate = action.certificate
        request = certificate.request
        members = {member for member, _ in certificate.votes}
        signed = all(
            self.table.verify(self.configurations[0], VoteMessage(member, request, signature))
            for member, signature in certificate.votes
        )
        configuration = self.configurations[0]
        weight = sum(configuration.members[member].weight for member in members)
        if weight < configuration.quorum or not signed:
            self.violations.append(f"certificates_valid: {request}")
        self._commit(instance, certificate)

    def _commit(self, instance: Instance, certificate: Certificate) -> None:
        request = certificate.request
        height = instance.height
        if request.height != height:
            self.violations.append(f"commit_index_monotone: {height}, {request}")
            return
        if instance.member >= self.scenario.twins:
            statement = (request.digest, request.outcome)
            if self.decided.setdefault(height, statement) != statement:
                self.violations.append(f"agreement: height {height}")
        instance.certificates[height] = certificate
        instance.digests.append(request.digest)
        instance.height = height + 1
        configuration = self.configurations[instance.member]
        self._feed(instance, driver.Committed(height, certificate, configuration))
        self._feed(instance, engines.WorkWaiting(height + 1))
        if instance.wanted >= instance.height:
            self._try_sync(instance)

    def _diverged(self, instance: Instance, _: engines.Diverged) -> None:
        self.violations.append(f"equal_outcomes: instance {instance.number}")

    def _evidence(self, _: Instance, action: engines.ReportEvidence) -> None:
        if action.first.validator >= self.scenario.twins:
            self.violations.append(f"no_evidence_against_correct: {action}")

    def _request_sync(self, instance: Instance, action: engines.RequestSync) -> None:
        instance.wanted = max(instance.wanted, action.last)
        self.scheduler.after(SYNC, self._sync_later, instance)

    def _sync_later(self, instance: Instance) -> None:
        self._try_sync(instance)

    def _try_sync(self, instance: Instance) -> None:
        """Takes the next decided block from an instance that the network reaches."""
        height = instance.height
        if height > instance.wanted or instance.busy or instance.down:
            return
        for other in self.instances:
            certificate = other.certificates.get(height)
            if (
                certificate is not None
                and not other.down
                and self._together(instance.reached, instance.number, other.number)
            ):
                self._commit(instance, certificate)
                return


def _nothing(_: Instance, __: Any) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Batch:
    """A range of scenarios for one process, plain ones or attacks on them."""

    seed: int
    first: int
    last: int
    engine: str
    factory: str | None = None
    hostile: bool = False


@dataclass(slots=True)
class Totals:
    """What many scenarios ended with."""

    scenarios: int = 0
    double_votes: int = 0
    messages: int = 0
    distinct: set[bytes] = field(default_factory=set)
    violations: list[dict[str, Any]] = field(default_factory=list)
    details: list[str] = field(default_factory=list)

    def fields(self) -> dict[str, Any]:
        """The object that `bubi sim twins --json` prints."""
        return {
            "scenarios": self.scenarios,
            "distinct": len(self.distinct),
            "double_votes": self.double_votes,
            "violations": self.violations,
            "messages": self.messages,
        }


Play = Callable[[int, Callable[[Any], Any] | None], tuple[Scenario, Outcome]]
"""Plays the scenario of a number with an engine of this package or from a factory of others."""


def run_batch(batch: Batch) -> Totals:
    """Plays the scenarios first to last, the latter excluded."""
    if batch.hostile:
        from bubi.simulation import hostile  # noqa: PLC0415 - it stands on this module

        return hostile.run_batch(batch)

    def play(number: int, factory: Callable[[Any], Any] | None) -> tuple[Scenario, Outcome]:
        scenario = draw(batch.seed, number)
        return scenario, Run(scenario, batch.engine, factory).run()

    return played(batch, play)


def played(batch: Batch, play: Play) -> Totals:
    """What playing a batch ended with."""
    totals = Totals()
    factory = None if batch.factory is None else load_factory(batch.factory)
    for number in range(batch.first, batch.last):
        scenario, outcome = play(number, factory)
        totals.scenarios += 1
        totals.messages += outcome.messages
        totals.double_votes += outcome.double_votes > 0
        totals.distinct.add(blake2b(repr(scenario).encode(), digest_size=16).digest())
        for text in outcome.violations:
            checker = text.partition(":")[0]
            totals.violations.append(
                {"scenario": number, "nodes": scenario.members, "checker": checker}
            )
            totals.details.append(f"scenario {number}: {text}")
    return totals


BATCH = 100


def run_all(
    engine: str,
    scenarios: int,
    seed: int,
    processes: int,
    factory: str | None = None,
    progress: Callable[[Totals], None] | None = None,
    *,
    hostile: bool = False,
) -> Totals:
    """Plays scenarios 0 to `scenarios` of a seed; `hostile`: with what `hostile.py` adds."""
    batches = [
        Batch(seed, first, min(first + BATCH, scenarios), engine, factory, hostile)
        for first in range(0, scenarios, BATCH)
    ]
    totals = Totals()
    for part in each(run_batch, batches, processes):
        totals.scenarios += part.scenarios
        totals.double_votes += part.double_votes
        totals.messages += part.messages
        totals.distinct |= part.distinct
        totals.violations += part.violations
        totals.details += part.details
        if progress is not None:
            progress(totals)
    totals.violations.sort(key=lambda one: int(one["scenario"]))
    return totals
