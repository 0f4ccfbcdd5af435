"""Rules: when something is an alarm."""

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How bad it is."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


class Comparison(StrEnum):
    """On which side of the threshold it is bad; the threshold itself is bad."""

    ABOVE = "above"
    BELOW = "below"


class Layer(StrEnum):
    """What a rule is about."""

    HOST = "host"
    NETWORK = "network"
    CONSENSUS = "consensus"
    BUSINESS = "business"
    GATEWAY = "gateway"


SEVERITIES = (Severity.INFO, Severity.WARNING, Severity.CRITICAL)
"""Ascending."""
REPEAT = 3_600


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule about one kind of reading.

    `seconds`: so long without interruption it must be bad. `clear_seconds`: so long it must be
    good again before the alarm ends. `repeat_seconds`: channels are told again so often while
    nobody has acknowledged it; 0 never.
    """

    code: str
    layer: Layer
    severity: Severity
    comparison: Comparison
    threshold: float
    unit: str
    seconds: int = 0
    clear_seconds: int = 0
    repeat_seconds: int = REPEAT
    enabled: bool = True

    def bad(self, value: float) -> bool:
        """Whether a value is on the bad side."""
        if self.comparison is Comparison.ABOVE:
            return value >= self.threshold
        return value <= self.threshold


def _above(code: str, layer: Layer, severity: Severity, threshold: float, unit: str, **more: int
           ) -> Rule:  # fmt: skip
    return Rule(code, layer, severity, Comparison.ABOVE, threshold, unit, **more)  # type: ignore[arg-type]


def _below(code: str, layer: Layer, severity: Severity, threshold: float, unit: str, **more: int
           ) -> Rule:  # fmt: skip
    return Rule(code, layer, severity, Comparison.BELOW, threshold, unit, **more)  # type: ignore[arg-type]


_W, _C, _I = Severity.WARNING, Severity.CRITICAL, Severity.INFO

DEFAULTS = (
    _below("disk_low", Layer.HOST, _C, 0.10, "ratio", seconds=30, clear_seconds=30),
    _below("disk_filling", Layer.HOST, _W, 86_400, "seconds", seconds=600, clear_seconds=300),
    _above("fsync_slow", Layer.HOST, _W, 0.1, "seconds", seconds=300, clear_seconds=60),
    _below("memory_low", Layer.HOST, _W, 0.10, "ratio", seconds=120, clear_seconds=60),
    _above("cpu_high", Layer.HOST, _W, 0.9, "ratio", seconds=600, clear_seconds=60),
    _above("files_high", Layer.HOST, _W, 0.9, "ratio", seconds=300, clear_seconds=60),
    _above("clock_off", Layer.HOST, _W, 0.2, "seconds", seconds=300, clear_seconds=60),
    _above("clock_far", Layer.HOST, _C, 1.0, "seconds", seconds=30, clear_seconds=30),
    _above("restart_loop", Layer.HOST, _C, 3, "starts", clear_seconds=60),
    _above("validator_down", Layer.NETWORK, _C, 10, "seconds"),
    _above("node_unreachable", Layer.NETWORK, _C, 10, "seconds"),
    _below("certificate_30", Layer.NETWORK, _W, 30, "days", repeat_seconds=7 * 86_400),
    _below("certificate_7", Layer.NETWORK, _W, 7, "days", repeat_seconds=86_400),
    _below("certificate_1", Layer.NETWORK, _C, 1, "days"),
    _above("peer_misconduct", Layer.NETWORK, _W, 1, "count", clear_seconds=60),
    _above("strangers", Layer.NETWORK, _W, 50, "count", clear_seconds=60),
    _above("rtt_high", Layer.NETWORK, _W, 2, "times", seconds=120, clear_seconds=60),
    _below("quorum_lost", Layer.CONSENSUS, _C, -1, "votes", seconds=10),
    _above("halted", Layer.CONSENSUS, _C, 1, "", seconds=10),
    _above("view_changes", Layer.CONSENSUS, _W, 4, "count", clear_seconds=60),
    _above("evidence", Layer.CONSENSUS, _C, 1, "", clear_seconds=60),
    _above("divergence", Layer.CONSENSUS, _C, 1, "", clear_seconds=60),
    _above("diverged", Layer.CONSENSUS, _C, 1, "", clear_seconds=60),
    _above("behind", Layer.CONSENSUS, _W, 31, "blocks", seconds=60),
    _above("finality_slow", Layer.BUSINESS, _W, 3, "seconds", seconds=300, clear_seconds=60),
    _above("rejections", Layer.BUSINESS, _W, 0.05, "ratio", seconds=600, clear_seconds=60),
    _above("client_rejections", Layer.BUSINESS, _W, 0.05, "ratio", seconds=600, clear_seconds=60),
    _above("subscription_lag", Layer.BUSINESS, _W, 1_000, "blocks", seconds=300),
    _above("client_unknown", Layer.BUSINESS, _W, 1, "count", clear_seconds=60),
    _above("pool_old", Layer.BUSINESS, _W, 60, "seconds", clear_seconds=5),
    _above("api_errors", Layer.BUSINESS, _W, 0.01, "ratio", seconds=300, clear_seconds=60),
    _below("proposal_unvoted", Layer.BUSINESS, _W, 24, "hours", repeat_seconds=6 * REPEAT),
    _above("supply_near_cap", Layer.BUSINESS, _I, 0.95, "ratio", repeat_seconds=0),
    _above("issue_unusual", Layer.BUSINESS, _W, 0.5, "ratio"),
    _above("defect", Layer.BUSINESS, _C, 1, "count", clear_seconds=60),
    _above("node_alarm", Layer.BUSINESS, _W, 1, "count", clear_seconds=60),
    _above("index_behind", Layer.GATEWAY, _W, 1_000, "blocks", seconds=300),
    _above("monitoring_blind", Layer.GATEWAY, _C, 30, "seconds"),
    _above("channel_failing", Layer.GATEWAY, _W, 3, "failures"),
)
"""The rules of a new gateway, from the physical layer up."""
BY_CODE = {rule.code: rule for rule in DEFAULTS}
