"""What an engine must pass before a network may be founded on it, requirement by requirement.

`bubi sim conformance ENGINE`. An engine is named by `MODULE:ENGINE`, or by the name under which it
is installed (`bubi.engines`). docs/tutorials/engine.md says what each requirement is for.
"""

import ast
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from multiprocessing import get_context
from random import Random
from typing import Any

from bubi.consensus import OURS, engine
from bubi.consensus.engine import EngineMessage, Message, ProposalMessage, VoteMessage
from bubi.consensus.guard import Phase, VoteRequest
from bubi.consensus.parts import signed_bytes
from bubi.simulation import faults, runner, twins
from bubi.simulation.contract import Watched, snapshot
from bubi.simulation.parallel import end_with_parent, load_factory
from bubi.simulation.scheduler import SECOND

IMPURE = frozenset(
    {"asyncio", "time", "random", "secrets", "socket", "os", "datetime", "threading", "pathlib"}
)
"""Modules that an engine must not import: time, chance and the world come as inputs."""
CONTRACT_SCENARIOS = 6
TRACED_SCENARIOS = 4
CALM_ROUNDS = 40
MEMBERS = 4
MESSAGES_PER_SQUARE = 10
"""Messages per decided height, in squares of the number of members, that are still bounded."""
STUCK_SECONDS = 30
STUCK_PER_SECOND = 50
"""Messages of a member that may arrive in a second while nothing is decided."""
FLOOD = 1_500
FLOOD_ROUNDS = 200
FLOOD_GROWTH = 65_536
"""Bytes by which a state may still grow while a second flood like the first one arrives."""
ANSWERS_PER_MESSAGE = 2 * MEMBERS
SHOWN_MAX = 5


@dataclass(frozen=True, slots=True)
class Extent:
    """How much is run: twins scenarios, and seeds for every size of network."""

    scenarios: int = 200
    seeds: tuple[int, ...] = tuple(range(10))
    nodes: tuple[int, ...] = (4,)
    jobs: int = 1


@dataclass(slots=True)
class Result:
    """One requirement: how many cases were looked at, and what was wrong."""

    requirement: str
    checked: int = 0
    violations: list[dict[str, Any]] = field(default_factory=list)
    details: list[str] = field(default_factory=list)

    @property
    def verdict(self) -> str:
        """`pass`, `fail`, or `not run` where an earlier requirement forbade it."""
        if self.violations:
            return "fail"
        return "pass" if self.checked else "not run"

    def broken(self, rule: str, detail: str, **where: Any) -> None:
        """Adds a violation."""
        self.violations.append({"requirement": self.requirement, "checker": rule, **where})
        if len(self.details) < SHOWN_MAX:
            self.details.append(f"{self.requirement}, {rule}: {detail}")

    def take(self, violations: Sequence[dict[str, Any]], details: Sequence[str]) -> None:
        """Adds what other parts of the simulator found."""
        self.violations += [{"requirement": self.requirement, **one} for one in violations]
        self.details += [f"{self.requirement}, {text}" for text in details[:SHOWN_MAX]]


@dataclass(frozen=True, slots=True)
class Report:
    """All requirements of an engine."""

    engine: str
    results: tuple[Result, ...]

    @property
    def conforms(self) -> bool:
        """Whether everything was run and nothing was wrong."""
        return all(one.verdict == "pass" for one in self.results)

    @property
    def details(self) -> list[str]:
        """Some of what was wrong, in words."""
        return [text for one in self.results for text in one.details]

    def fields(self) -> dict[str, Any]:
        """The object that `--json` prints."""
        return {
            "engine": self.engine,
            "conforms": self.conforms,
            "requirements": [
                {
                    "requirement": one.requirement,
                    "verdict": one.verdict,
                    "checked": one.checked,
                    "violations": len(one.violations),
                }
                for one in self.results
            ],
            "violations": [one for result in self.results for one in result.violations],
        }


Examination = Callable[[str, Extent, Result], None]


def examine(name: str, extent: Extent, progress: Callable[[Result], None] | None = None) -> Report:
    """Holds an engine against every requirement; later ones are left out if it has no interface.

    Raises:
        ValueError, ImportError, AttributeError: there is no such engine.
    """
    label = name
    results = []
    usable = True
    for requirement, examination in REQUIREMENTS.items():
        result = Result(requirement)
        if usable:
            examination(name, extent, result)
        if requirement == "interface":
            usable = result.verdict == "pass"
            label = (
                str(getattr(load_factory(name)(twins.Table()), "name", name)) if usable else name
            )
        results.append(result)
        if progress is not None:
            progress(result)
    return Report(label, tuple(results))


# --- requirements --------------------------------------------------------------------------------


def _interface(name: str, _: Extent, result: Result) -> None:
    """It can be made, has a name of its own, and does nothing before its first height."""
    result.checked = 1
    try:
        made = load_factory(name)(twins.Table())
        label = made.name
        first, second = made.initial(), made.initial()
        made.progress(first)
        state, effects = made.step(first, engine.TimerElapsed(engine.TimerId(1, 0, "none")))
    except Exception as error:
        result.broken("exception", repr(error))
        return
    if not isinstance(label, str) or (label not in OURS.names and "." not in label):
        result.broken("name", f"{label!r}: the name of an engine of others has a dot")
    if snapshot(first) != snapshot(second):
        result.broken("initial", "two first states differ")
    if effects or snapshot(state) != snapshot(second):
        result.broken("before_start", "a stale timer before the first height has an effect")


def _purity(name: str, _: Extent, result: Result) -> None:
    """Its modules import nothing that knows the time, chance or the world."""
    made = load_factory(name)(twins.Table())
    for module in _modules(type(made).__module__):
        file = getattr(sys.modules[module], "__file__", None)
        if file is None:
            continue
        with open(file, encoding="utf-8") as source:  # noqa: PTH123 - a path of the interpreter
            tree = ast.parse(source.read())
        result.checked += 1
        for imported in sorted(set(_imports(tree)) & IMPURE):
            result.broken("impure_import", f"{module} imports {imported}", module=module)


def _modules(first: str) -> list[str]:
    """A module, and those of its package that it imports, directly or not."""
    package = first.rpartition(".")[0]
    found, waiting = [first], [first]
    while waiting:
        module = sys.modules[waiting.pop()]
        used = {getattr(one, "__module__", None) for one in vars(module).values()}
        for other in sorted(one for one in used if isinstance(one, str)):
            inside = bool(package) and other.startswith(package + ".")
            if inside and other in sys.modules and other not in found:
                found.append(other)
                waiting.append(other)
    return found


def _imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (one.name.partition(".")[0] for one in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


def _determinism(name: str, _: Extent, result: Result) -> None:
    """Three interpreters, each with hashes of its own, make every step alike."""
    # Fresh interpreters draw the seed of their hashes: what depends on the order of a set differs.
    with ProcessPoolExecutor(2, get_context("spawn"), end_with_parent) as pool:
        others = list(pool.map(trace, [name, name]))
    own = trace(name)
    for number in range(TRACED_SCENARIOS):
        result.checked += 1
        if any(other[number] != own[number] for other in others):
            result.broken("trace", f"scenario {number} ran differently", scenario=number)


class _Traced:
    """An engine, and a hash over everything that it does."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self.name = inner.name
        self.hash = blake2b(digest_size=16)

    def initial(self) -> Any:
        return self._inner.initial()

    def progress(self, state: Any) -> Any:
        return self._inner.progress(state)

    def step(self, state: Any, event: Any) -> Any:
        after, effects = self._inner.step(state, event)
        self.hash.update(repr(snapshot((event, effects))).encode())
        return after, effects


def trace(name: str) -> list[str]:
    """A hash per scenario over every input and effect of every instance."""
    hashes = []
    for number in range(TRACED_SCENARIOS):
        made: list[_Traced] = []

        def factory(signatures: Any, made: list[_Traced] = made) -> _Traced:
            made.append(_Traced(load_factory(name)(signatures)))
            return made[-1]

        twins.Run(twins.draw(7, number), name, factory).run()
        hashes.append("".join(one.hash.hexdigest() for one in made))
    return hashes


def _driver_contract(name: str, _: Extent, result: Result) -> None:
    """Every step keeps the rules on which the driver relies, with twins and as an observer."""
    for number in range(CONTRACT_SCENARIOS):
        made, run = _watch(name, twins.draw(11, number))
        run.run()
        result.checked += made[0].steps
        for text in made[0].violations:
            result.broken(text.partition(":")[0], text, scenario=number)
    _observe(name, result)


def _watch(name: str, scenario: twins.Scenario) -> tuple[list[Watched], twins.Run]:
    made: list[Watched] = []

    def factory(signatures: Any) -> Watched:
        made.append(Watched(load_factory(name)(signatures), signatures))
        return made[-1]

    return made, twins.Run(scenario, name, factory)


def _observe(name: str, result: Result) -> None:
    """A node without a vote hears all that is said in a height, and signs nothing."""
    made, run = _watch(name, _calm())
    heard = _listen(run)
    run.run(SECOND)
    observer = Watched(load_factory(name)(run.table), run.table)
    configuration = replace(run.configurations[0], own=None)
    state, _ = observer.step(observer.initial(), engine.Start(1, configuration))
    for event in [one for one in heard if one.message.height == 1]:
        state, _ = observer.step(state, event)
    result.checked += observer.steps
    for text in [*made[0].violations, *observer.violations]:
        result.broken(text.partition(":")[0], text, scenario="observer")


def _listen(run: twins.Run) -> list[Message]:
    """Everything that arrives anywhere in a run, as it will have arrived when the run is over."""
    heard: list[Message] = []
    run.listeners.append(heard.append)
    return heard


def _calm() -> twins.Scenario:
    """Four members, a whole network, leaders in turn."""
    rounds = tuple((number % MEMBERS, (0,) * MEMBERS) for number in range(CALM_ROUNDS))
    return twins.Scenario(MEMBERS, 0, rounds)


class _Halves(twins.Run):
    """A network of which neither half can decide."""

    def _together(self, round_: int, a: int, b: int) -> bool:
        del round_
        return a * 2 // MEMBERS == b * 2 // MEMBERS


def _bounded_messages(name: str, _: Extent, result: Result) -> None:
    """Few messages per height, few while nothing is decided, and little memory for floods."""
    factory = load_factory(name)
    calm = twins.Run(_calm(), name, factory).run()
    limit = MESSAGES_PER_SQUARE * MEMBERS * MEMBERS
    result.checked += 1
    if not calm.heights:
        result.broken("calm", "a whole network decides nothing")
    elif calm.messages > limit * calm.heights:
        result.broken("calm", f"{calm.messages} messages for {calm.heights} heights")
    halves = _Halves(_calm(), name, factory)
    heard = _listen(halves)
    stuck = halves.run(STUCK_SECONDS * SECOND)
    result.checked += 1
    if stuck.messages > STUCK_SECONDS * STUCK_PER_SECOND * MEMBERS:
        result.broken(
            "stuck", f"{stuck.messages} messages in {STUCK_SECONDS} s without a decision"
        )
    kinds = {one.message.kind for one in heard if isinstance(one.message, EngineMessage)}
    _flood(name, sorted(kinds), result)


def _flood(name: str, kinds: Sequence[str], result: Result) -> None:
    """One liar signs whatever comes to its mind, in messages of every kind that the engine has."""
    run = twins.Run(_calm(), name, load_factory(name))
    made, configuration = run.engine, run.configurations[1]
    state, _ = made.step(made.initial(), engine.Start(1, configuration))
    sizes = []
    random = Random("flood")  # noqa: S311 - no secret
    for _ in range(2):
        answers = 0
        for _ in range(FLOOD):
            message = _garbage(run.table, configuration, kinds, random)
            state, effects = made.step(state, Message(message.signed.validator, message))
            answers += sum(isinstance(one, engine.Send) for one in effects)
            result.checked += 1
        sizes.append(_bytes(snapshot(state)))
        if answers > ANSWERS_PER_MESSAGE * FLOOD:
            result.broken("amplification", f"{answers} messages for {FLOOD} of one liar")
    if sizes[1] > sizes[0] + FLOOD_GROWTH:
        result.broken("memory", f"{sizes[0]} bytes after one flood, {sizes[1]} after another")


def _garbage(
    table: twins.Table, configuration: engine.Configuration, kinds: Sequence[str], random: Random
) -> engine.ConsensusMessage:
    """Something that one member signed and no correct one would say."""
    liar = len(configuration.members) - 1
    body = random.randbytes(512)
    kind = random.choice(kinds) if kinds else ""
    phase = random.choice(list(Phase))
    form = random.randrange(3)
    digest = random.choice(
        [random.randbytes(32), table.hash(body), table.hash(signed_bytes(kind, body))]
    )
    outcome = random.randbytes(32) if phase is Phase.COMMIT else b""
    place = configuration.epoch, configuration.engine, 1, random.randrange(FLOOD_ROUNDS)
    request = VoteRequest(*place, phase, digest, outcome)
    vote = VoteMessage(liar, request, table.sign(liar, request))
    if form == 0:
        return vote
    return ProposalMessage(vote, body, (), body) if form == 1 else EngineMessage(vote, kind, body)


def _bytes(value: Any) -> int:
    """About the bytes of a snapshot."""
    if isinstance(value, tuple):
        return 8 + sum(_bytes(one) for one in value)
    return len(value) + 8 if isinstance(value, bytes | str) else 8


def _twins(name: str, extent: Extent, result: Result) -> None:
    """Two instances of one member, divided networks: agreement, and decisions afterwards."""
    totals = twins.run_all(name, extent.scenarios, 1, extent.jobs, factory=name)
    result.checked = totals.scenarios
    result.take(totals.violations, totals.details)


def _seeds(name: str, extent: Extent, result: Result) -> None:
    """Whole nodes over the real ledger, with every fault and liar of the simulator."""
    label = str(load_factory(name)(twins.Table()).name)
    work = [
        runner.Job(seed, size, label, faults.CLASSES, name)
        for seed in extent.seeds
        for size in extent.nodes
    ]
    totals = runner.run_all(work, extent.jobs)
    result.checked = totals.runs
    result.take(totals.violations, totals.details)


REQUIREMENTS: dict[str, Examination] = {
    "interface": _interface,
    "purity": _purity,
    "determinism": _determinism,
    "driver_contract": _driver_contract,
    "bounded_messages": _bounded_messages,
    "twins": _twins,
    "seeds": _seeds,
}
"""Every requirement in the order in which it is examined."""
