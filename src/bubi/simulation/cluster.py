"""A cluster in one process: one seed decides everything that happens to it.

A run has two phases. In the first one faults strike as the plan says, for a minute of virtual
time at least and until enough heights are decided. In the second the network is whole, correct
members are up, and they must decide and level within a bounded time, with the faulty ones still at
work. `run` gives the result; same arguments, same trace hash.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from bubi import core, messages
from bubi.consensus import ENGINES, guard
from bubi.consensus.engine import Engine, ProposalMessage, VoteMessage
from bubi.consensus.guard import VoteRequest
from bubi.consensus.quorum import live_faults, quorum, safe_faults
from bubi.ledger import vote_bytes
from bubi.mempool import Mempool
from bubi.replica import events
from bubi.replica.replica import Replica
from bubi.replica.settings import ReplicaSettings
from bubi.simulation import faults, forgetful
from bubi.simulation.byzantine import Behaviour
from bubi.simulation.checkers import Checkers, Violation
from bubi.simulation.governing import Governing
from bubi.simulation.host import EPOCH_MS, Host, Place
from bubi.simulation.ledger import Key
from bubi.simulation.nemesis import Nemesis
from bubi.simulation.network import Network
from bubi.simulation.parallel import switching_engine
from bubi.simulation.scheduler import MILLISECOND, SECOND, Scheduler
from bubi.simulation.signing import IdealSignatures, RealSignatures
from bubi.simulation.trace import Injected, Say, Trace
from bubi.simulation.workload import PREFIX, SUPPLY_PER_CLIENT, Workload

FAULTS_MIN = 60 * SECOND
FAULTS_MAX = 600 * SECOND
"""A cluster that has not decided enough by then has violated liveness or the harness its aims."""
HEIGHTS_MIN = 30
LIVE_HEIGHTS = 5
TIMEOUT_MS = 1_000
TIMEOUT_MAX_MS = 8_000
LIVE_TIMEOUTS = 60
"""Base timeouts in which a healed cluster must have decided `LIVE_HEIGHTS` and be level."""
EVENTS_MAX = 3_000_000
"""Events of one run; more means that something goes round in circles."""
TABLES_EVERY = 15 * SECOND
RECONNECT = 100 * MILLISECOND
BAN = 5 * SECOND
SILENCE = "does not deliver"
"""In the reason of a ban: the peer did not answer."""
VOTED = 2
"""The policy by which evidence opens a vote."""
PARAMETERS: dict[str, Any] = {
    "max_lifetime": "100000",
    "clock_tolerance": "5000",
    "id_bucket": "10000",
    "block_transactions": 2_000,
    "block_bytes": 4_194_304,
    "due_per_block": 1_000,
    "quota_window": "10000",
    "quota_operations": "0",
    "algorithms": [0, 1, 2, 3],
    "timeout": str(TIMEOUT_MS),
    "timeout_max": str(TIMEOUT_MAX_MS),
    "vote_algorithms": [0, 1, 2, 3],
    "retired_algorithms": [],
    "proposal_lifetime": "600000",
    "ready_lifetime": "60000",
    "evidence_max_age": "1000000",
    "organisation_operations": "0",
}


@dataclass(frozen=True, slots=True)
class Result:
    """What a run ended with."""

    seed: int
    nodes: int
    violations: tuple[Violation, ...]
    simulated_us: int
    heights: int
    messages: int
    injected: dict[str, int]
    marks: dict[str, int]
    trace_hash: str
    chosen: tuple[str, ...] = ()
    faulty: dict[int, tuple[str, ...]] = field(default_factory=dict)
    acknowledged: int = 0


def drawn(
    seed: int,
    nodes: int,
    classes: tuple[str, ...],
    ratio: tuple[int, int] = (0, 1),
    *,
    sparse: bool = False,
) -> faults.Plan:
    """The plan of a seed for a cluster of this size; see `faults.draw`."""
    return faults.draw(seed, nodes, classes, _faulty_max(nodes, ratio), ratio, sparse=sparse)


def why_impossible(name: str, nodes: int, ratio: tuple[int, int] = (0, 1)) -> str:
    """Why no seed of this size meets a class of faults; empty if one can."""
    return faults.why_impossible(name, nodes, _faulty_max(nodes, ratio))


def _faulty_max(nodes: int, ratio: tuple[int, int]) -> int:
    """How many may break the protocol."""
    needed = quorum(nodes, *ratio)
    return min(safe_faults(nodes, needed), live_faults(nodes, needed))


class Cluster:
    """The nodes of one run and what connects them."""

    def __init__(
        self,
        seed: int,
        nodes: int,
        *,
        engine: str = "pbft",
        classes: tuple[str, ...] = faults.CLASSES,
        ratio: tuple[int, int] = (0, 1),
        say: Say | None = None,
        engine_factory: Callable[[Any], Any] | None = None,
        plan: faults.Plan | None = None,
    ) -> None:
        self.plan = plan or drawn(seed, nodes, classes, ratio)
        self.faulty_max = _faulty_max(nodes, ratio)
        self.engine_name = engine
        self._engine_factory = engine_factory
        self.ideal = not self.plan.real_signatures
        self.scheduler = Scheduler()
        self.trace = Trace(say)
        self.injected: Counter[str] = Injected(self.trace, lambda: self.scheduler.now)
        self.marks: Counter[str] = Counter()
        keys = [self._key("validator", index) for index in range(nodes)]
        clients = [self._key("client", index) for index in range(self.plan.clients)]
        self.voters = [self._key("governance", index).secret for index in range(nodes)]
        """Keys of the governance accounts, one organisation per validator."""
        self.genesis = self._make_genesis(keys, [key.secret for key in clients])
        self.chain_id = core.chain_id(self.genesis)
        kind = IdealSignatures if self.ideal else RealSignatures
        self.signatures = kind(self.chain_id, 0)
        self.checkers = Checkers(self.signatures, self.marks)
        self.network = Network(
            self.scheduler,
            self.random("network"),
            self.plan.strength,
            self.plan.latency_us,
            self.injected,
            self._deliver,
        )
        self.places = [self._place(index, index, keys[index]) for index in range(nodes)]
        self._add_twins(keys)
        self.workload = Workload(self, [key.secret for key in clients], self.random("workload"))
        self.checkers.asset = self.workload.asset
        self.checkers.supply = SUPPLY_PER_CLIENT * self.plan.clients
        self.governing = Governing(self, self.random("governing"), self._engines())
        self.nemesis = Nemesis(self, self.random("nemesis"))
        self.owners = {key.public: index for index, key in enumerate(keys)}
        """Place of each vote key that ever was, twins left out."""
        correct = frozenset(place.index for place in self.places if not place.faulty)
        damaged = frozenset(
            place.index
            for place in self.places
            if "bit_flip" in self.plan.faulty.get(place.member, ())
        )
        self.checkers.watch(self.owners, correct, damaged)

    def _engines(self) -> tuple[str, ...]:
        """Engines that a change may name."""
        ours = [name for name in ENGINES if name != "solo"]
        return tuple(sorted({*ours, self.engine_name} if self._engine_factory is None else ours))

    def random(self, purpose: str) -> Random:
        """A generator of its own for each purpose, so that one's draws do not move another's."""
        return Random(f"{purpose} {self.plan.seed} {self.plan.nodes}")  # noqa: S311 - no secret

    def _key(self, purpose: str, index: int) -> Key:
        secret = self.random(f"{purpose} {index}").randbytes(32)
        return Key(core.SigningKey.from_bytes(core.Algorithm.ED25519, secret), self.ideal)

    def _make_genesis(self, keys: list[Key], clients: list[core.SigningKey]) -> bytes:
        owners = sorted(
            (core.key_address(0, key.public_key), key.public_key)
            for key in [*clients, *self.voters]
        )
        numerator, denominator = self.plan.quorum_ratio
        document = {
            "nonce": self.random("nonce").randbytes(32).hex(),
            "name": "simulation",
            "kind": "development",
            "suite": "standard",
            "time": str(EPOCH_MS - 1),
            "protocol_version": 1,
            "parameters": {
                **PARAMETERS,
                "turn_blocks": self.plan.turn_blocks,
                "evidence_policy": self.plan.evidence_policy,
            },
            "accounts": [
                {
                    "address": core.address_to_text(PREFIX, address),
                    "signers": [{"key": {"ed25519": key[1:].hex()}, "weight": 1, "limits": None}],
                    "thresholds": {"default": 1, "operations": {}},
                }
                for address, key in owners
            ],
            "predecessor": None,
            # Ascending by name: the tenth stands before the second.
            "organisations": sorted(
                (
                    {
                        "name": f"organisation-{index + 1}",
                        "governance": core.address_to_text(
                            PREFIX, core.key_address(0, voter.public_key)
                        ),
                        "certificate": "",
                    }
                    for index, voter in enumerate(self.voters)
                ),
                key=lambda one: one["name"],
            ),
            "validators": {
                "v1": {
                    "epoch": "0",
                    "engine": self.engine_name,
                    "validators": [
                        {
                            "name": f"node-{index + 1}",
                            "organisation": f"organisation-{index + 1}",
                            "key": {"ed25519": key.public[1:].hex()},
                            "weight": self.plan.weights[index] if self.plan.weights else 1,
                        }
                        for index, key in enumerate(keys)
                    ],
                    "quorum_numerator": numerator,
                    "quorum_denominator": denominator,
                }
            },
        }
        return core.genesis_from_json(core.encode_json({"v1": document}))

    def _place(self, number: int, member: int, key: Key) -> Place:
        disk = core.SimulatedDisk(self.random(f"disk {number}").getrandbits(64))
        place = Place(number, member, key, disk)
        acts = self.plan.faulty.get(member)
        if acts is not None:
            place.faulty = True
            if set(acts) - {"bit_flip"}:
                random = self.random(f"behaviour {number}")
                place.behaviour = Behaviour(self, place, acts, random)
        return place

    def _add_twins(self, keys: list[Key]) -> None:
        """A second machine with the same key, its own disk and guard, and its own connections."""
        for member, acts in self.plan.faulty.items():
            if "twin_key" in acts:
                twin = self._place(len(self.places), member, keys[member])
                twin.name = f"node-{member + 1}-twin"
                twin.twin = True
                self.places.append(twin)

    # --- what hosts use ----------------------------------------------------------------------

    def make_replica(
        self,
        place: Place,
        restored: guard.GuardState,
        pool: Mempool[core.Admission],
    ) -> Replica:
        """The production replica of a node."""
        made = self._engine_of(place)
        first = self.scheduler.now // MILLISECOND + 1
        settings = ReplicaSettings(place.name, place.organisation, first_number=first)
        return Replica(made, self.signatures, settings, restored, pool, place.peer)

    def _engine_of(self, place: Place) -> Engine[Any]:
        """What decides in a node; the engine of a faulty one may forget what it signed."""
        made = switching_engine(self.engine_name, self.signatures, self._engine_factory)
        if forgetful.ACT not in self.plan.faulty.get(place.member, ()):
            return made
        random = self.random(f"forgetful {place.index} {place.incarnations}")
        return forgetful.Forgetful(made, self, place, random)

    def sign_status(self, place: Place, status: messages.Status) -> messages.Status:
        """A status with the signature of its node's vote key."""
        return self.signatures.sign_status(place.key, status)

    def sign_vote(self, place: Place, number: int, request: VoteRequest) -> VoteMessage:
        """What a liar says as the member of this number, under its own key."""
        return VoteMessage(number, request, place.key.sign(vote_bytes(self.chain_id, request)))

    def tell(self, place: Place, event: Any) -> None:
        """Says an input or action in words."""
        from bubi.simulation.words import describe  # noqa: PLC0415 - only replay needs it

        text = describe(self, event)
        if text and self.trace.say is not None:
            self.trace.say(self.scheduler.now, place.index, f"{place.name}: {text}")

    def committed(self, host: Host, tip: events.Tip) -> None:
        """A node made a block durable."""
        if host.place.faulty:
            return
        self.checkers.committed(host.place, host, tip, host.configuration)

    def follow(self, host: Host) -> None:
        """A node opened its ledger or made a block durable: what the next height is decided under.

        Counted when it is the first correct one in an epoch.
        """
        if host.place.faulty:
            return
        epoch = host.configuration.epoch
        if epoch > self.marks["epochs"]:
            self.marks["epochs"] = epoch
            self.injected["epoch_change"] += 1
        for key in self.checkers.follow(host.configuration) - self.checkers.asked:
            if self.places[self.owners[key]].faulty:
                self.injected["exclusion"] += 1
                self.marks[f"excluded_by_policy_{self.plan.evidence_policy}"] += 1

    def penalised(self, host: Host, action: events.PenalisePeer) -> None:
        """A node counts against a peer, or bans it for a while."""
        target = host.peers.get(action.peer)
        if target is None:
            return
        accused = self.places[target]
        if not host.place.faulty and not accused.faulty:
            self.marks["correct_peer_penalised"] += 1
            # Silence looks the same whether a peer or the network is to blame; a lie does not.
            if action.ban and SILENCE not in action.reason:
                self.checkers.fail(
                    "no_ban_of_correct", f"{host.place.name} bans {accused.name}: {action.reason}"
                )
        if action.ban:
            self.marks["peer_banned"] += 1
            self.disconnect(host.place, accused)
            self.scheduler.after(BAN, self._reconnect, (host.place, accused))

    # --- connections -------------------------------------------------------------------------

    def linked(self, a: Place, b: Place) -> bool:
        """Whether two nodes ever connect."""
        if self.plan.links is None or max(a.index, b.index) >= self.plan.nodes:
            return a is not b
        return (min(a.index, b.index), max(a.index, b.index)) in self.plan.links

    def connect(self, a: Place, b: Place) -> None:
        """Opens the connection of two nodes that are up."""
        first, second = a.host, b.host
        if first is None or second is None or b.peer in first.peers or a.peer in second.peers:
            return
        first.peer_up(b)
        second.peer_up(a)

    def disconnect(self, a: Place, b: Place) -> None:
        """Ends the connection of two nodes."""
        for one, other in ((a, b), (b, a)):
            if one.host is not None:
                one.host.peer_down(other)

    def _reconnect(self, pair: tuple[Place, Place]) -> None:
        self.connect(*pair)

    def _deliver(self, source: int, target: int, envelope: tuple[events.Received, int]) -> None:
        place = self.places[target]
        if place.behaviour is not None:
            place.behaviour.heard(envelope[0].message)
        message = envelope[0].message
        if isinstance(message, messages.Consensus) and not place.faulty:
            proposal = message.message
            if isinstance(proposal, ProposalMessage):
                self.checkers.heard(place, proposal)
        if place.host is not None:
            place.host.receive(*envelope)

    # --- crashes -----------------------------------------------------------------------------

    def start_node(self, place: Place) -> None:
        """Opens a node's ledger and lets it run."""
        if place.host is not None or place.halted:
            return
        place.incarnations += 1
        try:
            host = Host(self, place)
        except core.Damaged as error:
            # Loud and clean: it stays down. Only a flipped bit may lead here.
            place.halted = True
            self.marks["refused_damaged_log"] += 1
            if not place.faulty:
                self.checkers.fail("recovers", f"{place.name}: {error}")
            return
        except (core.StorageFull, core.StorageFatal) as error:
            full = isinstance(error, core.StorageFull)
            self.nemesis.met(place, "disk_full" if full else "sync_error")
            self.marks["start_failed"] += 1
            place.disk.crash("lost")
            self.scheduler.after(SECOND, self._start_again, place)
            return
        except core.CoreError as error:
            self.marks["start_failed"] += 1
            if not place.faulty:
                self.checkers.fail("recovers", f"{place.name}: {error}")
            self.scheduler.after(SECOND, self._start_again, place)
            return
        # Whoever still holds a connection of the incarnation before loses it now.
        self._lose(place)
        place.host = host
        host.start()
        for other in self.places:
            if other is not place and other.host is not None and self.linked(place, other):
                delay = int(RECONNECT * self.nemesis.random.random())
                self.scheduler.after(delay, self._reconnect, (place, other))

    def _start_again(self, place: Place) -> None:
        self.start_node(place)

    def stop_node(self, place: Place, mode: str, down_us: int) -> None:
        """Crashes a node; what its disk keeps depends on the mode. It starts again by itself."""
        host = place.host
        if host is None:
            return
        host.dead = True
        place.host = None
        place.disk.crash(mode)
        delay = int(RECONNECT * self.nemesis.random.random())
        self.scheduler.after(delay, self._lose, place)
        self.scheduler.after(max(down_us, 2 * RECONNECT), self._start_again, place)

    def _lose(self, place: Place) -> None:
        if place.host is None:
            for other in self.places:
                if other.host is not None:
                    other.host.peer_down(place)

    def crash_within(self, host: Host, mode: str, cost: int) -> None:
        """Crashes a node while a write of this cost is under way."""
        at = int(cost * self.nemesis.random.random())
        self.scheduler.after(at, self._crash_now, (host, mode))

    def _crash_now(self, crash: tuple[Host, str]) -> None:
        host, mode = crash
        if not host.dead:
            self.nemesis.crash_in_write(host.place, mode)

    def exit_process(self, host: Host) -> None:
        """A node ended itself after an error of its disk."""
        self.marks["exit_after_disk_error"] += 1
        self.stop_node(host.place, "lost", SECOND)

    # --- the run -----------------------------------------------------------------------------

    def run(self) -> Result:
        """Both phases and the last checks."""
        self._start()
        self._first_phase()
        if not self._broken():
            self._second_phase()
        if not self._broken():
            self._last_checks()
        return self._result()

    def run_divided(self, sides: tuple[frozenset[int], frozenset[int]], divided_us: int) -> Result:
        """Two sides (numbers of places) that hear nothing of each other, then one network again.

        Nobody has to decide anything: this is for more faulty members than may be silent. A fork
        ends the run.
        """
        for a in sides[0]:
            for b in sides[1]:
                self.network.cut(a, b)
                self.network.cut(b, a)
        self._start()
        self._run_until(divided_us, lambda: False)
        self.nemesis.heal()
        self._run_until(2 * divided_us, lambda: False)
        return self._result()

    def _start(self) -> None:
        for place in self.places:
            self.start_node(place)
            if place.behaviour is not None:
                place.behaviour.start()
        self.workload.start()
        if "epoch_change" in self.plan.chosen or self.plan.evidence_policy == VOTED:
            self.governing.start()
        self.nemesis.start()
        self.scheduler.after(TABLES_EVERY, self._watch_tables)

    def _result(self) -> Result:
        return Result(
            self.plan.seed,
            self.plan.nodes,
            tuple(self.checkers.violations),
            self.scheduler.now,
            self.checkers.height,
            self.network.delivered,
            {name: count for name, count in sorted(self.injected.items()) if count},
            {name: count for name, count in sorted(self.marks.items()) if count},
            self.trace.digest(),
            self.plan.chosen,
            self.plan.faulty,
            len(self.workload.acknowledged),
        )

    def _broken(self) -> bool:
        return bool(self.checkers.violations)

    def _run_until(self, until: int, stop: Callable[[], bool]) -> bool:
        left = EVENTS_MAX - self.scheduler.ran
        if not self.scheduler.run(until, lambda: self._broken() or stop(), left):
            self.checkers.fail("bounded_work", f"more than {EVENTS_MAX} events")
            return False
        return True

    def _first_phase(self) -> None:
        self._run_until(FAULTS_MIN, lambda: False)
        if self._broken() or self._met_aims():
            self.nemesis.end()
            return
        # Faults go on at most as long again.
        self._run_until(2 * FAULTS_MIN, self._met_aims)
        if not self._met_injections():
            self.nemesis.force_missing()
            self._run_until(self.scheduler.now + FAULTS_MIN, self._met_aims)
        self.nemesis.end()
        if self._met_injections():
            # A cluster in which too few members were up at once needs calm to reach its heights.
            self._run_until(FAULTS_MAX, self._met_aims)
        if not self._met_aims() and not self._broken():
            self.checkers.fail(
                "minima",
                f"{self.checkers.height} heights, injected {dict(self.injected)}",
            )

    def _met_aims(self) -> bool:
        return self.checkers.height >= HEIGHTS_MIN and self._met_injections()

    def _met_injections(self) -> bool:
        chosen = self.plan.chosen
        # What organisations and evidence bring about needs luck: one such class is enough.
        ordinary = sum(1 for name in chosen if name not in faults.APART)
        wanted = min(faults.CHOSEN_MIN, len(chosen), max(1, ordinary))
        return sum(1 for name in chosen if self.injected[name]) >= wanted

    def correct(self) -> Iterable[Place]:
        """The members that follow the protocol."""
        return (place for place in self.places if not place.faulty)

    def _second_phase(self) -> None:
        self.workload.stop()
        self.nemesis.heal()
        start = self.scheduler.now
        begin = self.checkers.height
        limit = start + LIVE_TIMEOUTS * TIMEOUT_MS * MILLISECOND

        def level() -> bool:
            heights = {0 if p.host is None else p.host.ledger.height for p in self.correct()}
            return len(heights) == 1 and min(heights) >= begin + LIVE_HEIGHTS

        for place in self.correct():
            self.scheduler.after(2 * SECOND, self._transfer, place)
        self._run_until(limit, level)
        if not level() and not self._broken():
            heights = [
                "down" if place.host is None else str(place.host.ledger.height)
                for place in self.places
            ]
            self.checkers.fail("liveness", f"from {begin} to {' '.join(heights)}")
        self.marks["live_phase_ms"] += (self.scheduler.now - start) // MILLISECOND
        # Every transfer must come to its end: final, rejected or expired.
        self._run_until(self.scheduler.now + 150 * SECOND, self._is_told)
        if self.workload.pending and not self._broken():
            self.checkers.fail("outcome_for_all", f"{len(self.workload.pending)} without outcome")
        if self._evidence_wanted() and not self._broken():
            self.checkers.fail("evidence_recorded", f"{self._evidence_wanted()} in no block")
        self._run_until(self.scheduler.now + 10 * SECOND, self._level_now)

    def _is_told(self) -> bool:
        """Whether every transfer has its end and every piece of evidence its block."""
        return not self.workload.pending and not self._evidence_wanted()

    def _evidence_wanted(self) -> int:
        hosts = [place.host for place in self.correct() if place.host is not None]
        return sum(host.declaring.evidence_wanted for host in hosts)

    def _level_now(self) -> bool:
        heights = {0 if p.host is None else p.host.ledger.height for p in self.correct()}
        return len(heights) == 1

    def _transfer(self, place: Place) -> None:
        self.workload.transfer(place)

    def _watch_tables(self, _: None) -> None:
        self.scheduler.after(TABLES_EVERY, self._watch_tables)
        for place in self.places:
            if place.host is not None and place.behaviour is None:
                self.checkers.tables(place, place.host)

    def _last_checks(self) -> None:
        """What was judged with each block once more, on all of them and on every ledger."""
        ledgers = [
            (place, place.host.ledger) for place in self.correct() if place.host is not None
        ]
        if not ledgers:
            return
        ledger = max((one for _, one in ledgers), key=lambda one: one.height)
        found: Counter[bytes] = Counter()
        where: dict[bytes, tuple[str, int]] = {}
        for height in range(1, ledger.height + 1):
            for digest, code in ledger.receipts(height):
                found[digest] += 1
                where[digest] = (code, height)
        for digest, told in self.workload.acknowledged.items():
            if found[digest] != 1 or where[digest] != (told.code, told.height):
                self.checkers.fail(
                    "acknowledged_exactly_once",
                    f"{digest.hex()} told {told}, found {found[digest]} times",
                )
        for digest in self.checkers.expired:
            if found[digest]:
                self.checkers.fail("expired_never_final", digest.hex())
        self.checkers.recorded(ledger, self.plan.evidence_policy)
        for place, one in ledgers:
            self.checkers.conserved(place, one)


def run(seed: int, nodes: int, **options: Any) -> Result:
    """Runs one seed."""
    return Cluster(seed, nodes, **options).run()
