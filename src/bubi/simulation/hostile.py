"""Scenarios of twins in which more goes wrong: crashes, slow keys, and twins that lie.

A scenario of `twins.py` gives leaders and partitions. Here correct members crash between any two
of their steps and come back with what their disk kept, keys answer late and out of turn, and what
the twins say passes through `byzantine.py`. Every checker of the cluster that judges votes judges
here too. The ledger is the double of the twins, so that a view change costs little: hundreds of
hostile rounds pass in a second.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from bubi import core, messages
from bubi.consensus import driver, guard
from bubi.consensus import engine as engines
from bubi.consensus.engine import Certificate, Configuration, ProposalMessage, VoteMessage
from bubi.consensus.guard import VoteRequest
from bubi.simulation import twins
from bubi.simulation.byzantine import Behaviour
from bubi.simulation.checkers import Checkers
from bubi.simulation.ledger import GUARD_RECORD, PREPARED_RECORD, PROPOSAL_RECORD
from bubi.simulation.scheduler import MILLISECOND

if TYPE_CHECKING:
    from bubi.simulation.cluster import Cluster
    from bubi.simulation.host import Host, Place

ACTS = (
    "equivocate",
    "withhold_proposal",
    "usurp",
    "lie_view_change",
    "lie_view_change",
    "replay",
)
"""What the twins may do; lies about rounds twice, for there are more of them."""
ACTS_MAX = 3
MUTE_ONE_IN = 5
CRASHES_MAX = 4
STEPS_MAX = 24
"""A crash strikes within so many actions of its victim after a round began."""
DOWN_MAX = 300 * MILLISECOND
SLOW_KEYS_ONE_IN = 4
SLOW_KEY_MAX = 40 * MILLISECOND
ALL_ONE_IN = 6
"""One crash in so many is one of the power: it takes every correct member down."""
TICK = 60 * MILLISECOND


@dataclass(frozen=True, slots=True)
class Crash:
    """An instance dies at its step `steps` after it began to work in `round`.

    `keeps` says what of its log is left: "all" (the process was killed), "durable", or "some" of
    what was not durable. With `everyone` all correct instances die with it.
    """

    instance: int
    round: int
    steps: int
    keeps: str
    down_us: int
    everyone: bool


@dataclass(frozen=True, slots=True)
class Attack:
    """A scenario of twins and what happens on top of it; `acts` are those of the twins."""

    scenario: twins.Scenario
    name: str
    crashes: tuple[Crash, ...]
    acts: tuple[str, ...]
    slow_keys: bool


def draw(seed: int, number: int) -> Attack:
    """The attack of this number, over the scenario of the same number."""
    scenario = twins.draw(seed, number)
    name = f"attack {seed} {number}"
    random = Random(name)  # noqa: S311 - no secret
    # One in three only crashes, one only lies, one does both.
    kind = random.randrange(3)
    acts: tuple[str, ...] = ()
    if kind != 0:
        # Who never leads tells fewer lies; who does not listen to the others tells none.
        mute = random.randrange(MUTE_ONE_IN) == 0
        acts = tuple(dict.fromkeys(random.choice(ACTS) for _ in range(ACTS_MAX)))
        acts += ("mute_leader",) * mute
    crashes: tuple[Crash, ...] = ()
    if kind != 1:
        crashes = tuple(_crash(random, scenario) for _ in range(random.randint(1, CRASHES_MAX)))
    return Attack(scenario, name, crashes, acts, random.randrange(SLOW_KEYS_ONE_IN) == 0)


def _crash(random: Random, scenario: twins.Scenario) -> Crash:
    return Crash(
        random.randrange(scenario.twins, scenario.members),
        random.randrange(len(scenario.rounds)),
        random.randrange(STEPS_MAX),
        random.choice(("all", "durable", "some")),
        random.randint(MILLISECOND, DOWN_MAX),
        random.randrange(ALL_ONE_IN) == 0,
    )


@dataclass(slots=True)
class _Machine:
    """The disk of an instance, and what is known of its life.

    The first `durable` records of the log survive the machine. `mirror` is the second place of
    the guard, `mirrored` what stood there before. `round` is the latest that it signed for, and
    `steps` counts its actions since the next crash is due.
    """

    log: list[tuple[int, int, bytes]] = field(default_factory=list)
    durable: int = 0
    mirror: bytes = b""
    mirrored: bytes = b""
    round: int = 0
    steps: int = 0
    life: int = 0

    def settle(self, restored: guard.GuardState) -> None:
        """What a start makes of the second place, durably."""
        self.mirror = guard.settled(restored) or self.mirror
        self.mirrored = self.mirror


class _Books(Checkers):
    """The checkers of the cluster; what they find is a violation of the scenario."""

    def __init__(self, signatures: twins.Table, violations: list[str]) -> None:
        super().__init__(cast("engines.Signatures", signatures), Counter())
        self._texts = violations

    def fail(self, checker: str, detail: str, height: int | None = None) -> None:
        """Records a violation."""
        super().fail(checker, detail, height)
        self._texts.append(f"{checker}: {detail}")


class Run(twins.Run):
    """One attack."""

    def __init__(self, attack: Attack, engine_name: str, factory: Any = None) -> None:
        super().__init__(attack.scenario, engine_name, factory)
        self.attack = attack
        self.engine_name = self.engine.name
        self.chain_id = b""
        self.random = Random(f"{attack.name} run")  # noqa: S311 - no secret
        self.injected: Counter[str] = Counter()
        self.machines = [_Machine() for _ in self.instances]
        self.crashes = sorted(attack.crashes, key=lambda one: (one.round, one.steps))
        self.checkers = _Books(self.table, self.violations)
        self.seats = [_Seat(self, instance) for instance in self.instances]
        members = range(attack.scenario.members)
        self.checkers.watch(
            {bytes([member]): member for member in members},
            frozenset(members[attack.scenario.twins :]),
        )
        self.checkers.follow(self.configurations[0])
        self.performs.update(
            {
                driver.Append: self._append,
                driver.MirrorGuard: self._mirror,
                driver.Alarm: self._alarm,
                engines.Penalise: self._penalise,
            }
        )

    # --- what a liar needs of the place where it lies --------------------------------------------

    @property
    def signatures(self) -> twins.Table:
        """The signatures of the run."""
        return self.table

    def sign_vote(self, _: "Place", number: int, request: VoteRequest) -> VoteMessage:
        """A statement of the member with this number."""
        return VoteMessage(number, request, self.table.sign(number, request))

    # --- the run ---------------------------------------------------------------------------------

    def _begin(self, instance: twins.Instance) -> None:
        seat = self.seats[instance.number]
        if seat.behaviour is not None:
            seat.behaviour.start()
        super()._begin(instance)

    def _perform(self, instance: twins.Instance, action: Any) -> None:
        if self._is_struck(instance, action):
            self._crash(instance)
        else:
            super()._perform(instance, action)

    def _is_struck(self, instance: twins.Instance, action: Any) -> bool:
        """Whether the next crash is that of this instance, and due before this action."""
        machine = self.machines[instance.number]
        if type(action) is engines.SignVote:
            machine.round = max(machine.round, action.request.round)
        following = next((one for one in self.crashes if one.instance == instance.number), None)
        if following is None or machine.round < following.round:
            return False
        machine.steps += 1
        return machine.steps > following.steps

    def _crash(self, instance: twins.Instance) -> None:
        crash = next(one for one in self.crashes if one.instance == instance.number)
        self.crashes.remove(crash)
        victims = [instance]
        if crash.everyone:
            victims += [one for one in self._correct() if one is not instance and not one.down]
        for victim in victims:
            self._stop(victim, crash.keeps)
            self.scheduler.after(crash.down_us, self._restart, victim)
        self.injected["crash"] += len(victims)

    def _stop(self, instance: twins.Instance, keeps: str) -> None:
        machine = self.machines[instance.number]
        machine.life += 1
        machine.steps = 0
        instance.down = True
        instance.inputs.clear()
        instance.timers.clear()
        if keeps == "all":
            return
        left = machine.durable
        if keeps == "some":
            left = self.random.randint(left, len(machine.log))
        del machine.log[left:]
        machine.mirror = self.random.choice((machine.mirrored, machine.mirror))

    def _restart(self, instance: twins.Instance) -> None:
        machine, seat = self.machines[instance.number], self.seats[instance.number]
        decided = instance.height - 1
        known = [
            data
            for kind, height, data in machine.log
            if kind == GUARD_RECORD and height >= decided - guard.HEIGHTS_BELOW
        ]
        restored = guard.restore(known, machine.mirror, decided)
        if restored.silent is not None:
            self.checkers.guard_silent(cast("Place", seat), restored.silent)
        self.checkers.restored(cast("Place", seat), decided, restored)
        # Opening the log makes durable what is there.
        self._keep(instance, len(machine.log))
        machine.settle(restored)
        instance.down = False
        instance.wanted = 0
        instance.state = driver.initial(self.engine, restored)
        found = tuple(
            (kind, data)
            for wanted in (PROPOSAL_RECORD, PREPARED_RECORD)
            for kind, height, data in machine.log
            if kind == wanted and height == instance.height
        )
        parent = instance.certificates.get(decided)
        configuration = self.configurations[instance.member]
        self._feed(instance, driver.Begin(instance.height, configuration, parent, found))
        self._feed(instance, engines.WorkWaiting(instance.height))

    # --- disk and keys ---------------------------------------------------------------------------

    def _append(self, instance: twins.Instance, action: driver.Append) -> None:
        self.machines[instance.number].log.append((action.kind, action.height, action.data))

    def _mirror(self, instance: twins.Instance, action: driver.MirrorGuard) -> None:
        machine = self.machines[instance.number]
        machine.mirrored, machine.mirror = machine.mirror, action.record

    def _sync(self, instance: twins.Instance, action: driver.Sync) -> None:
        machine = self.machines[instance.number]
        asked = (instance, action.number, machine.life, len(machine.log))
        self.scheduler.after(twins.SYNC, self._durable_at, asked)

    def _durable_at(self, sync: tuple[twins.Instance, int, int, int]) -> None:
        instance, number, life, length = sync
        if self.machines[instance.number].life == life:
            self._keep(instance, length)
            self._feed(instance, driver.Synchronised(number))

    def _keep(self, instance: twins.Instance, length: int) -> None:
        """So many records survive the machine from now on."""
        machine = self.machines[instance.number]
        new = machine.log[machine.durable : length]
        machine.durable = max(machine.durable, length)
        self.checkers.durable(
            cast("Place", self.seats[instance.number]),
            [data for kind, _, data in new if kind == GUARD_RECORD],
            [(kind, height) for kind, height, _ in new if kind != GUARD_RECORD],
        )

    def _commit(self, instance: twins.Instance, certificate: Certificate) -> None:
        # The record of a block lies behind all that was appended before it.
        self._keep(instance, len(self.machines[instance.number].log))
        super()._commit(instance, certificate)

    def _sign(self, instance: twins.Instance, action: engines.SignVote) -> None:
        life = self.machines[instance.number].life
        if not self.attack.slow_keys:
            self._signed((instance, action, life))
            return
        delay = int(SLOW_KEY_MAX * self.random.random() ** 2)
        self.scheduler.after(delay, self._signed, (instance, action, life))

    def _signed(self, signed: tuple[twins.Instance, engines.SignVote, int]) -> None:
        instance, action, life = signed
        request = action.request
        if self.machines[instance.number].life != life:
            return
        # Who dies before it knows its signature may sign something else: nobody has seen it.
        slot = (instance.member, request.height, request.round, request.phase)
        self.slots.setdefault(slot, set()).add(request)
        self.checkers.signed(cast("Place", self.seats[instance.number]), request)
        signature = self.table.sign(instance.member, request)
        self._feed(instance, engines.VoteSigned(request, signature))

    # --- network ---------------------------------------------------------------------------------

    def _send(self, instance: twins.Instance, action: engines.Send) -> None:
        seat = self.seats[instance.number]
        message = action.message
        if not seat.faulty:
            self.checkers.sent(cast("Place", seat), message, message.signed)
        peers = tuple(
            self.seats[other.number].peer
            for other in self.instances
            if other.member != instance.member and action.to in {None, other.member}
        )
        if seat.behaviour is None:
            seat.transmit(peers, messages.Consensus(message))
        else:
            seat.behaviour.send(cast("Host", seat), peers, messages.Consensus(message))

    def carry(
        self, source: twins.Instance, number: int, message: engines.ConsensusMessage
    ) -> None:
        """Takes a message to an instance, if the network of its round does."""
        if self._together(message.signed.request.round, source.number, number):
            self.messages += 1
            event = engines.Message(message.signed.validator, message)
            self.scheduler.after(twins.LATENCY, self._arrive, (self.instances[number], event))

    def _arrive(self, sent: tuple[twins.Instance, engines.Message]) -> None:
        instance, event = sent
        seat, message = self.seats[instance.number], event.message
        if instance.down or not 0 <= message.signed.validator < self.scenario.members:
            return
        if seat.behaviour is not None:
            seat.behaviour.heard(messages.Consensus(message))
        elif isinstance(message, ProposalMessage):
            self.checkers.heard(cast("Place", seat), message)
        super()._arrive(sent)

    # --- what the driver tells -------------------------------------------------------------------

    def _alarm(self, instance: twins.Instance, action: driver.Alarm) -> None:
        if action.code == "guard_refused":
            self.checkers.refused(cast("Place", self.seats[instance.number]), action.text)

    def _penalise(self, instance: twins.Instance, action: engines.Penalise) -> None:
        lowest = self.scenario.twins
        if instance.member >= lowest and action.member >= lowest:
            text = f"{instance.number} blames {action.member}: {action.reason}"
            self.violations.append(f"no_ban_of_correct: {text}")


class _Seat:
    """An instance as checkers and liars see it: a place with its host and ledger in one."""

    def __init__(self, run: Run, instance: twins.Instance) -> None:
        self._run = run
        self._instance = instance
        self.index = instance.number
        self.member = instance.member
        self.name = f"instance {instance.number}"
        self.peer = bytes([instance.number])
        self.key = SimpleNamespace(public=bytes([instance.member]))
        self.faulty = instance.member < run.scenario.twins
        self.peers = {
            bytes([other.number]): other.number
            for other in run.instances
            if other.member != instance.member
        }
        self.ledger = self
        self.behaviour: Behaviour | None = None
        if self.faulty and run.attack.acts:
            random = Random(f"{run.attack.name} {self.name}")  # noqa: S311 - no secret
            self.behaviour = Behaviour(
                cast("Cluster", run), cast("Place", self), run.attack.acts, random, TICK
            )

    @property
    def host(self) -> "_Seat | None":
        """Itself while it runs."""
        return None if self._instance.down else self

    @property
    def dead(self) -> bool:
        """Whether it is down."""
        return self._instance.down

    @property
    def configuration(self) -> Configuration:
        """What it decides under."""
        return self._run.configurations[self.member]

    @property
    def height(self) -> int:
        """The height that it decided last."""
        return self._instance.height - 1

    def tip(self) -> SimpleNamespace:
        """The block that it decided last."""
        return SimpleNamespace(certificate=self._instance.certificates.get(self.height))

    def transmit(self, peers: tuple[bytes, ...], message: messages.PeerMessage) -> None:
        """Puts a message on the links to these instances."""
        assert isinstance(message, messages.Consensus)
        for peer in peers:
            self._run.carry(self._instance, self.peers[peer], message.message)

    def proposal_fields(self, proposal: bytes) -> tuple[int, int, bytes, int]:
        """Height, what makes it differ from others, parent and round of the parent.

        Raises:
            CoreError: it is none.
        """
        if not proposal:
            msg = "no proposal"
            raise core.CoreError(msg)
        height, parent_round, number, _ = (int(part) for part in proposal[:-32].split())
        return height, number, proposal[-32:], parent_round

    def propose(self, number: int, parent_round: int, _: list[Any]) -> tuple[bytes, bytes]:
        """A proposal on top of what it decided last, and its digest."""
        instance = self._instance
        proposal = b"%d %d %d 0 " % (instance.height, parent_round, number)
        proposal += instance.digests[-1]
        return proposal, self._run.table.hash(proposal)


def run_batch(batch: twins.Batch) -> twins.Totals:
    """Plays the attacks first to last, the latter excluded."""

    def play(
        number: int, factory: Callable[[Any], Any] | None
    ) -> tuple[twins.Scenario, twins.Outcome]:
        attack = draw(batch.seed, number)
        return attack.scenario, Run(attack, batch.engine, factory).run()

    return twins.played(batch, play)
