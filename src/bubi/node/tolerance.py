"""Whether a set of validators survives the loss of one, and who said that it need not.

A set of which one member may not be down is refused where it is made and where a node starts with
it, unless its owners acknowledge it by name. A network of one (engine solo) and one for
development are what they are and need no acknowledgement.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from bubi.consensus.quorum import (
    NO_FAULT_TOLERANCE,
    least_members,
    live_faults,
    quorum,
    unacknowledged,
)
from bubi.node.config import ConfigError

EXEMPT_KIND = "development"
EXEMPT_ENGINE = "solo"


class ToleranceError(ConfigError):
    """A set of validators has no fault left to tolerate, or a member that it cannot miss.

    `missing` are the names to acknowledge: validators, or `no_fault_tolerance`. `weights` are
    those of the validators by name; `least` is the number of validators of weight 1 with which one
    may be down under the same ratio, None if no number is enough.
    """

    def __init__(
        self, missing: Sequence[str], weights: Mapping[str, int], needed: int, least: int | None
    ) -> None:
        self.missing = tuple(missing)
        self.weights = dict(weights)
        self.needed = needed
        self.least = least
        super().__init__(f"{self.reason}; {self.cure}")

    @property
    def total(self) -> int:
        """Sum of the weights."""
        return sum(self.weights.values())

    @property
    def spare(self) -> int:
        """Weight that may be down."""
        return live_faults(self.total, self.needed)

    @property
    def nobody(self) -> bool:
        """Whether not a single one may be down, not even the lightest."""
        return NO_FAULT_TOLERANCE in self.missing

    @property
    def reason(self) -> str:
        """Why the set is refused."""
        if self.nobody:
            return (
                f"{self.needed} of {self.total} votes decide: no validator may be down, a single "
                "one stops the network"
            )
        named = ", ".join(f"{name} (weight {self.weights[name]})" for name in self.missing)
        return (
            f"{self.needed} of {self.total} votes decide, so that weight {self.spare} may be "
            f"down, and more than that has {named}: alone it stops the network"
        )

    @property
    def cure(self) -> str:
        """What changes that."""
        if not self.nobody:
            return "spread the weights or add validators"
        if self.least is None:
            return "lower the quorum ratio: unanimity survives no silence, however many vote"
        return f"take at least {self.least} validators of equal weight or a lower quorum ratio"


def check(
    genesis: Mapping[str, Any], acknowledged: Collection[str] = (), *, epoch: int = 0
) -> None:
    """Refuses the validators of a genesis (its fields as JSON) that cannot miss one of them.

    Later sets were acknowledged in the proposal that was voted: from epoch 1 on nothing is asked.

    Raises:
        ToleranceError: a name is missing from `acknowledged`.
        ValueError: the weights or the ratio are out of range.
    """
    fields = genesis["validators"]["v1"]
    if epoch > 0 or genesis["kind"] == EXEMPT_KIND or fields["engine"] == EXEMPT_ENGINE:
        return
    weights = {one["name"]: int(one["weight"]) for one in fields["validators"]}
    ratio = fields["quorum_numerator"], fields["quorum_denominator"]
    needed = quorum(sum(weights.values()), *ratio)
    missing = unacknowledged(weights.items(), needed, acknowledged)
    if missing:
        raise ToleranceError(missing, weights, needed, least_members(*ratio))


__all__ = ["NO_FAULT_TOLERANCE", "ToleranceError", "check"]
