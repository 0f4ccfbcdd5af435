"""Arithmetic of quorums over weights. Integers only.

With N members of weight 1, quorum q in every phase: two quorums share a correct member while at
most 2q − N − 1 are faulty (`safe_faults`), and the network makes progress while at most N − q are
silent (`live_faults`).
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

TOTAL_WEIGHT_MAX = 2**32
"""Largest total weight of a validator set."""
NO_FAULT_TOLERANCE = "no_fault_tolerance"
"""What is acknowledged by who wants a set in which every single vote is needed."""


@dataclass(frozen=True, slots=True)
class QuorumRow:
    """One row of the table that shows the price of a ratio."""

    numerator: int
    denominator: int
    quorum: int
    safe: int
    live: int


def quorum(total: int, numerator: int = 0, denominator: int = 1) -> int:
    """Weight that a certificate needs: max(⌊2T/3⌋ + 1, ⌈T·num/den⌉).

    Raises:
        ValueError: the total or the ratio is out of range.
    """
    if not 1 <= total <= TOTAL_WEIGHT_MAX:
        msg = f"the total weight must lie between 1 and 2^32, not {total}"
        raise ValueError(msg)
    if denominator < 1 or not 0 <= numerator <= denominator:
        msg = f"the quorum ratio {numerator}/{denominator} must lie between 0 and 1"
        raise ValueError(msg)
    asked = -(-total * numerator // denominator)
    return max(2 * total // 3 + 1, asked)


def safe_faults(total: int, needed: int) -> int:
    """Largest faulty weight with which two certificates cannot contradict each other."""
    return 2 * needed - total - 1


def live_faults(total: int, needed: int) -> int:
    """Largest silent weight with which the network still decides."""
    return total - needed


def catch_up_weight(total: int, needed: int) -> int:
    """Weight seen in a later round that justifies moving there.

    It says nothing about a correct member being among them: that claim always needs a certificate.
    """
    return total - needed + 1


def table(total: int, ratios: Iterable[tuple[int, int]]) -> list[QuorumRow]:
    """Rows for the given ratios (numerator, denominator)."""
    rows = []
    for numerator, denominator in ratios:
        needed = quorum(total, numerator, denominator)
        rows.append(
            QuorumRow(
                numerator,
                denominator,
                needed,
                safe_faults(total, needed),
                live_faults(total, needed),
            )
        )
    return rows


def heavy(weights: Iterable[tuple[str, int]], needed: int) -> list[tuple[str, int]]:
    """Organisations that alone outweigh the faults which are tolerated, as (name, weight).

    `weights` are (organisation, weight) of each validator. Where no fault at all is tolerated
    every organisation would be named, which helps nobody: then none is.
    """
    shares: dict[str, int] = {}
    for organisation, weight in weights:
        shares[organisation] = shares.get(organisation, 0) + weight
    total = sum(shares.values())
    tolerated = min(safe_faults(total, needed), live_faults(total, needed))
    if tolerated < 1:
        return []
    return sorted((name, weight) for name, weight in shares.items() if weight > tolerated)


def to_acknowledge(weights: Iterable[tuple[str, int]], needed: int) -> list[str]:
    """Names without whose acknowledgement a set of members is refused, ascending.

    `weights` are (member, weight). A member heavier than T − q stops the network when it is down:
    it has to be named. Where that is true of everyone, one name stands for all. The same rule
    judges proposals (spec/ledger.md 10, judge 4).
    """
    members = list(weights)
    spare = live_faults(sum(weight for _, weight in members), needed)
    names = sorted(name for name, weight in members if weight > spare)
    return [NO_FAULT_TOLERANCE] if len(names) == len(members) else names


def unacknowledged(
    weights: Iterable[tuple[str, int]], needed: int, acknowledged: Collection[str]
) -> list[str]:
    """What of `to_acknowledge` is missing from the names that were given."""
    return [name for name in to_acknowledge(weights, needed) if name not in acknowledged]


def least_members(numerator: int = 0, denominator: int = 1) -> int | None:
    """How many members of weight 1 it takes so that one may be down; None if no number does."""
    if numerator == denominator:
        return None
    # Below a ratio of 1 this ends: one may be down as soon as T·(1 − ratio) ≥ 1 and T ≥ 4.
    total = max(4, -(-denominator // (denominator - numerator)))
    return next(
        count for count in range(4, total + 1) if quorum(count, numerator, denominator) < count
    )
