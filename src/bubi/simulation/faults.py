"""Classes of faults, and the plan that a seed draws from them.

Swarm testing: every seed leaves most classes out and sets those that it takes to strengths of its
own, so that rare combinations meet.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from random import Random

NETWORK = ("drop", "duplicate", "reorder", "delay")
PARTITIONS = ("partition", "one_way", "swizzle")
CRASHES = ("crash", "mid_persist", "lost_write", "torn_write", "reordered_write")
DISK = ("bit_flip", "sync_error", "disk_full")
CLOCK = ("clock_skew", "clock_jump")
SPEED = ("slow_node",)
BYZANTINE = (
    "equivocate",
    "withhold_proposal",
    "withhold_batch",
    "lie_view_change",
    "replay",
    "fake_sync",
    "garbage",
    "twin_key",
)
GOVERNANCE = ("epoch_change", "exclusion", "accuse")
LEADERS = ("leader_cut",)
LEADING = ("mute_leader", "usurp")
KEYS = ("slow_key",)
SIGNING = ("sign_again",)
STARVING = ("starve",)
APART = (*GOVERNANCE, *LEADERS, *LEADING, *KEYS, *SIGNING, *STARVING)
"""Classes with draws of their own, which change nothing of what a seed meant without them."""
CLASSES = (*NETWORK, *PARTITIONS, *CRASHES, *DISK, *CLOCK, *SPEED, *BYZANTINE, *APART)
GROUPS: dict[str, tuple[str, ...]] = {
    "all": CLASSES,
    "network": NETWORK,
    "partitions": (*PARTITIONS, *LEADERS),
    "crashes": CRASHES,
    "disk": DISK,
    "clock": CLOCK,
    "byzantine": (*BYZANTINE, *LEADING, *SIGNING, *STARVING),
    "governance": GOVERNANCE,
}
"""Names that `--faults` takes beside the classes themselves."""

FAULTY_ONLY = frozenset((*BYZANTINE, *LEADING, *SIGNING, *STARVING)) | {
    "bit_flip",
    "exclusion",
    "accuse",
}
"""Classes that only ever strike a member counted as faulty."""
NEEDS_PEERS = frozenset(NETWORK + PARTITIONS + BYZANTINE + APART) - frozenset(KEYS)
CHOSEN_MIN = 3
CHOSEN_MAX = 8
ENCODED_ONE_IN = 10
REAL_SIGNATURES_ONE_IN = 50
SPARSE_ONE_IN = 6
APART_ONE_IN = {
    "epoch_change": 3,
    "exclusion": 4,
    "accuse": 6,
    "leader_cut": 4,
    "mute_leader": 8,
    "usurp": 6,
    "slow_key": 6,
    "sign_again": 6,
    "starve": 6,
}
EXCLUSION_NODES_MIN = 5
"""A set of four that loses a member bears no fault any more, so that the ledger keeps it."""
ACTS = {
    "exclusion": ("equivocate", "twin_key"),
    "accuse": ("accuse",),
    "mute_leader": ("mute_leader",),
    "usurp": ("usurp",),
    "sign_again": ("sign_again",),
    "starve": ("starve",),
}
"""What a faulty member does in a run of these classes, beside what else was drawn for it."""
STARVING_TURN = 1_024
"""Blocks of a turn where a leader starves the others: nothing else may end its turn."""
POLICIES = (1, 1, 2, 3)
"""What follows evidence: one of these, or a vote or the exclusion where that is the class."""


class UnknownFaultError(ValueError):
    """There is no class or group of this name."""


def classes_named(names: Iterable[str]) -> tuple[str, ...]:
    """The classes behind names of classes and groups, in the order of `CLASSES`.

    Raises:
        UnknownFaultError: there is no such name.
    """
    wanted: set[str] = set()
    for name in names:
        found = GROUPS.get(name) or ((name,) if name in CLASSES else ())
        if not found:
            raise UnknownFaultError(name)
        wanted.update(found)
    return tuple(name for name in CLASSES if name in wanted)


def possible(classes: Iterable[str], nodes: int, faulty_max: int) -> tuple[str, ...]:
    """The classes that a cluster of this size can meet."""
    return tuple(
        name
        for name in classes
        if (nodes > 1 or name not in NEEDS_PEERS)
        and (faulty_max > 0 or name not in FAULTY_ONLY)
        and (nodes >= EXCLUSION_NODES_MIN or name != "exclusion")
    )


def why_impossible(name: str, nodes: int, faulty_max: int) -> str:
    """Why a cluster of this size cannot meet a class; empty if it can."""
    if possible((name,), nodes, faulty_max):
        return ""
    if name == "exclusion" and nodes < EXCLUSION_NODES_MIN:
        return f"it needs {EXCLUSION_NODES_MIN} nodes at least"
    if nodes == 1:
        return "it needs more than one node"
    return "the quorum bears no faulty member"


@dataclass(frozen=True, slots=True)
class Plan:
    """What a seed does to its cluster.

    `faulty` gives the acts of each faulty member; `strength` scales rates between 0 and 1.
    `links` are the pairs of nodes that are connected, None for all. Without `weights` every
    validator has weight 1.
    """

    seed: int
    nodes: int
    chosen: tuple[str, ...]
    strength: dict[str, float]
    faulty: dict[int, tuple[str, ...]]
    encoded: bool
    real_signatures: bool
    links: frozenset[tuple[int, int]] | None
    turn_blocks: int
    quorum_ratio: tuple[int, int]
    latency_us: int
    disk_us: int
    clients: int
    transactions_per_second: float
    observers: int = 0
    counted: frozenset[str] = field(default_factory=frozenset)
    """Classes of which at least one injection is demanded of this seed."""
    weights: tuple[int, ...] = ()
    evidence_policy: int = 1


def draw(
    seed: int,
    nodes: int,
    classes: tuple[str, ...],
    faulty_max: int,
    ratio: tuple[int, int],
    *,
    sparse: bool = False,
) -> Plan:
    """The plan of a seed. The order of the draws is part of what a seed means.

    `sparse` asks for few connections where the seed would not draw them.
    """
    random = Random(f"plan {seed} {nodes}")  # noqa: S311 - no secret
    able = tuple(one for one in possible(classes, nodes, faulty_max) if one not in APART)
    count = min(len(able), random.randint(CHOSEN_MIN, CHOSEN_MAX))
    chosen = tuple(sorted(random.sample(able, count), key=CLASSES.index))
    strength = {name: random.random() ** 2 for name in chosen}
    faulty = _faulty(random, nodes, chosen, faulty_max)
    # Faulty members relay nothing one may count on, so that sparse graphs are for clusters
    # whose correct members stay connected: a ring of them with chords.
    links = None
    if nodes >= 4 and (random.randrange(SPARSE_ONE_IN) == 0 or sparse):
        links = _sparse(random, nodes, set(faulty))
    apart = _apart(seed, nodes, classes, faulty_max, alone=len(able) <= CHOSEN_MIN)
    chosen = (*chosen, *apart)
    strength.update(apart)
    ring = set(faulty)
    policy = _add_acts(seed, nodes, faulty, tuple(apart))
    if set(faulty) != ring:
        # Who turned faulty belongs to the ring, which may lose another one by a vote.
        links = None
    return Plan(
        seed,
        nodes,
        chosen,
        strength,
        faulty,
        encoded=random.randrange(ENCODED_ONE_IN) == 0,
        real_signatures=random.randrange(REAL_SIGNATURES_ONE_IN) == 0,
        links=links,
        turn_blocks=_turn(random.choice((4, 8, 16, 128)), chosen),
        quorum_ratio=ratio,
        latency_us=random.choice((200, 1_000, 5_000, 25_000)),
        disk_us=random.choice((100, 1_000, 5_000, 20_000)),
        clients=random.randint(2, 6),
        transactions_per_second=random.choice((1.0, 2.0, 5.0)),
        counted=frozenset(chosen) - set(FAULTY_ONLY),
        evidence_policy=policy,
    )


def _apart(
    seed: int, nodes: int, classes: tuple[str, ...], faulty_max: int, *, alone: bool
) -> dict[str, float]:
    """Classes with a draw of their own, which changes nothing of what a seed meant before."""
    random = Random(f"governance {seed} {nodes}")  # noqa: S311 - no secret
    drawn: dict[str, float] = {}
    for name in possible([one for one in APART if one in classes], nodes, faulty_max):
        if alone or random.randrange(APART_ONE_IN[name]) == 0:
            drawn[name] = random.random()
    return drawn


def _turn(drawn: int, chosen: tuple[str, ...]) -> int:
    return drawn if set(STARVING).isdisjoint(chosen) else STARVING_TURN


def _add_acts(
    seed: int, nodes: int, faulty: dict[int, tuple[str, ...]], apart: tuple[str, ...]
) -> int:
    """Gives a faulty member what classes that were drawn apart need; the policy for evidence."""
    random = Random(f"evidence {seed} {nodes}")  # noqa: S311 - no secret
    policy = random.choice(POLICIES)
    if "exclusion" in apart:
        policy = random.choice(POLICIES[-2:])
    for name in apart:
        acts = ACTS.get(name, ())
        if acts:
            member = min(faulty) if faulty else _turns_faulty(random, nodes, name)
            given = faulty.get(member, ())
            faulty[member] = (*given, *(act for act in acts if act not in given))
    return policy


def _turns_faulty(random: Random, nodes: int, name: str) -> int:
    # Who leads first: without other faults nobody else ever leads in such a run.
    return 0 if name in STARVING else random.randrange(nodes)


def _faulty(
    random: Random, nodes: int, chosen: tuple[str, ...], faulty_max: int
) -> dict[int, tuple[str, ...]]:
    """Spreads the acts that need a faulty member over at most `faulty_max` of them."""
    acts = [name for name in chosen if name in FAULTY_ONLY]
    if not acts:
        return {}
    members = random.sample(range(nodes), random.randint(1, faulty_max))
    given: dict[int, list[str]] = {member: [] for member in sorted(members)}
    for act in acts:
        given[random.choice(members)].append(act)
    return {member: tuple(own) for member, own in given.items() if own}


def _sparse(random: Random, nodes: int, faulty: set[int]) -> frozenset[tuple[int, int]]:
    ring = [node for node in range(nodes) if node not in faulty]
    random.shuffle(ring)
    pairs = {tuple(sorted(pair)) for pair in zip(ring, [*ring[1:], ring[0]], strict=True)}
    for node in sorted(faulty):
        for other in random.sample(ring, min(2, len(ring))):
            pairs.add(tuple(sorted((node, other))))
    for _ in range(random.randint(0, nodes // 2)):
        pairs.add(tuple(sorted(random.sample(range(nodes), 2))))
    return frozenset((a, b) for a, b in pairs if a != b)
