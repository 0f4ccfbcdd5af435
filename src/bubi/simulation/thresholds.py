"""What a quorum survives, shown by running it: f_safe equivocators, and one more.

The sharpest attack on agreement needs no lie in any message. Every equivocator runs twice with one
key; the network is divided so that each side has one of the two and a part of the correct members.
Each side sees an honest network. Two certificates arise as soon as both sides reach the quorum,
and that takes more than f_safe = 2q − T − 1.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, islice
from random import Random
from typing import Any

from bubi.consensus.quorum import live_faults, quorum, safe_faults
from bubi.simulation import faults, twins
from bubi.simulation.cluster import Cluster
from bubi.simulation.scheduler import SECOND

ROUNDS = 8
DIVIDED = 10 * SECOND
FORK = "agreement"


@dataclass(frozen=True, slots=True)
class Attack:
    """Members that equivocate, and the two sides of correct ones; all by index."""

    equivocators: tuple[int, ...]
    left: tuple[int, ...]
    right: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Threshold:
    """Members by weight, and the ratio of their quorum."""

    weights: tuple[int, ...]
    ratio: tuple[int, int] = (0, 1)

    @property
    def total(self) -> int:
        """Sum of the weights."""
        return sum(self.weights)

    @property
    def quorum(self) -> int:
        """Weight of a certificate."""
        return quorum(self.total, *self.ratio)

    @property
    def safe(self) -> int:
        """f_safe: the weight of equivocators with which agreement holds."""
        return safe_faults(self.total, self.quorum)

    @property
    def live(self) -> int:
        """f_live: the weight that may be silent."""
        return live_faults(self.total, self.quorum)

    def weight(self, members: Sequence[int]) -> int:
        """Weight of some members."""
        return sum(self.weights[member] for member in members)

    def strength(self, attack: Attack) -> int:
        """Weight that the weaker side of an attack reaches; with q there are two certificates."""
        behind = self.weight(attack.equivocators)
        return behind + min(self.weight(attack.left), self.weight(attack.right))

    def attacks(self) -> Iterator[Attack]:
        """For every set of equivocators the division that serves them best.

        Where all weigh the same one set of each size stands for all of that size.
        """
        members = range(len(self.weights))
        equal = len(set(self.weights)) == 1
        for count in range(len(self.weights) + 1):
            sets = combinations(members, count)
            for equivocators in islice(sets, 1) if equal else sets:
                rest = [member for member in members if member not in equivocators]
                left = _half(rest, self.weights)
                right = tuple(member for member in rest if member not in left)
                yield Attack(equivocators, left, right)

    def strongest(self, weight_max: int) -> Attack:
        """The attack that comes closest to a fork, by equivocators of at most this weight.

        Among equals it is that of the heaviest: then the stronger side has a quorum and decides.
        """
        possible = (one for one in self.attacks() if self.weight(one.equivocators) <= weight_max)
        return max(possible, key=lambda one: (self.strength(one), self.weight(one.equivocators)))

    def least_fork(self) -> Attack | None:
        """The attack of the lightest equivocators that can make two correct members disagree.

        They weigh f_safe + 1 if all weights are equal; else the correct members may not divide so
        evenly, and it takes more. None if it takes so many that no two correct ones are left.
        """
        forks = (
            one
            for one in self.attacks()
            if one.left and one.right and self.strength(one) >= self.quorum
        )
        return min(
            forks,
            key=lambda one: (self.weight(one.equivocators), len(one.equivocators)),
            default=None,
        )


def _half(members: Sequence[int], weights: Sequence[int]) -> tuple[int, ...]:
    """Some of the members whose weight is closest to half of theirs."""
    reached: dict[int, tuple[int, ...]] = {0: ()}
    for member in members:
        for weight, chosen in list(reached.items()):
            reached.setdefault(weight + weights[member], (*chosen, member))
    total = sum(weights[member] for member in members)
    return reached[min(reached, key=lambda weight: (abs(2 * weight - total), weight))]


@dataclass(frozen=True, slots=True)
class Row:
    """A ratio with its promise and what two attacks on whole nodes showed.

    `held`: nothing was violated with equivocators of weight f_safe, and `heights` were decided.
    `fork`: weight of the lightest equivocators that could fork it, None if none can; `forked`:
    they did.
    """

    threshold: Threshold
    held: bool
    heights: int
    fork: int | None
    forked: bool

    @property
    def good(self) -> bool:
        """Whether the promise is the whole truth."""
        return self.held and self.heights > 0 and self.forked == (self.fork is not None)


@dataclass(frozen=True, slots=True)
class Trial:
    """What an attack ended with: `violations` by checker, `heights` that somebody decided."""

    attack: Attack
    violations: tuple[str, ...]
    heights: int

    @property
    def forked(self) -> bool:
        """Whether two correct members decided different blocks."""
        return FORK in self.violations


def try_twins(threshold: Threshold, attack: Attack, engine: str = "pbft") -> Trial:
    """Plays an attack with engine, driver and guard over a double of the ledger."""
    order = (*attack.equivocators, *attack.left, *attack.right)
    weights = tuple(threshold.weights[member] for member in order)
    count, first_right = len(attack.equivocators), len(order) - len(attack.right)
    groups = tuple(int(place >= first_right) for place in range(len(order))) + (1,) * count
    rounds = tuple((number % max(count, 1), groups) for number in range(ROUNDS))
    scenario = twins.Scenario(len(order), count, rounds, weights, threshold.ratio)
    outcome = twins.Run(scenario, engine).run(DIVIDED)
    found = tuple(text.partition(":")[0] for text in outcome.violations)
    return Trial(attack, found, outcome.heights)


def try_cluster(
    threshold: Threshold, attack: Attack, engine: str = "pbft", seed: int = 1, **options: Any
) -> Trial:
    """Plays an attack with whole nodes over the real ledger, then makes the network whole."""
    acts: tuple[str, ...] = ("twin_key",)
    doubled = dict.fromkeys(attack.equivocators, acts)
    cluster = _cluster(threshold, doubled, engine, seed, **options)
    nodes = len(threshold.weights)
    left = frozenset((*attack.equivocators, *attack.left))
    right = frozenset((*attack.right, *range(nodes, len(cluster.places))))
    result = cluster.run_divided((left, right), DIVIDED)
    return Trial(attack, tuple(one.checker for one in result.violations), result.heights)


def show(threshold: Threshold, engine: str = "pbft", seed: int = 1) -> Row:
    """Attacks whole nodes with as many equivocators as they survive, and with more."""
    within = try_cluster(threshold, threshold.strongest(threshold.safe), engine, seed)
    attack = threshold.least_fork()
    beyond = None if attack is None else try_cluster(threshold, attack, engine, seed)
    return Row(
        threshold,
        not within.violations,
        within.heights,
        None if attack is None else threshold.weight(attack.equivocators),
        beyond is not None and beyond.forked,
    )


def try_liars(
    threshold: Threshold, liars: Sequence[int], engine: str = "pbft", seed: int = 1
) -> tuple[Trial, int]:
    """Whole nodes of which some tell every lie of `byzantine.py`; with the number of lies."""
    acts = tuple(act for act in faults.BYZANTINE if act != "twin_key")
    cluster = _cluster(threshold, dict.fromkeys(liars, acts), engine, seed)
    result = cluster.run_divided((frozenset(), frozenset()), DIVIDED)
    found = tuple(one.checker for one in result.violations)
    return Trial(Attack(tuple(liars), (), ()), found, result.heights), result.injected[
        "equivocate"
    ]


def random_scenario(threshold: Threshold, twins_count: int, seed: int) -> twins.Scenario:
    """The first members have two instances, and rounds divide the network as the seed says."""
    random = Random(f"threshold {seed}")  # noqa: S311 - no secret
    members = len(threshold.weights)
    rounds = []
    for _ in range(ROUNDS):
        leader = random.randrange(twins_count) if twins_count else random.randrange(members)
        # Two sides only: three would leave all of them below a high quorum.
        groups = tuple(random.randrange(2) for _ in range(members))
        others = tuple(1 - group for group in groups[:twins_count])
        rounds.append((leader, groups + others))
    return twins.Scenario(members, twins_count, tuple(rounds), threshold.weights, threshold.ratio)


def _cluster(
    threshold: Threshold,
    faulty: dict[int, tuple[str, ...]],
    engine: str,
    seed: int,
    **options: Any,
) -> Cluster:
    plan = faults.Plan(
        seed,
        len(threshold.weights),
        chosen=(),
        strength={},
        faulty=faulty,
        encoded=False,
        real_signatures=False,
        links=None,
        turn_blocks=128,
        quorum_ratio=threshold.ratio,
        latency_us=1_000,
        disk_us=1_000,
        clients=2,
        transactions_per_second=1.0,
        weights=threshold.weights,
    )
    return Cluster(
        seed, len(threshold.weights), engine=engine, ratio=threshold.ratio, plan=plan, **options
    )
