"""Why this node is, or is not, able to do its work, in words for the operator.

A warning is no such reason: the node works, and will not for long unless somebody acts.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reason:
    """One thing that is wrong. `code` is stable, `text` says what and what helps.

    `blocking`: transactions are refused meanwhile. Else they wait in the pool.
    """

    code: str
    text: str
    blocking: bool = True


class Health:
    """Reasons why the node, or the network as it sees it, does not work; empty means ready."""

    def __init__(self) -> None:
        self._reasons: dict[str, Reason] = {
            "starting": Reason("starting", "the node has not opened its ledger yet")
        }
        self._warnings: dict[str, Reason] = {}

    @property
    def reasons(self) -> list[Reason]:
        """What is wrong now."""
        return list(self._reasons.values())

    @property
    def ready(self) -> bool:
        """Whether nothing is wrong."""
        return not self._reasons

    def raise_reason(self, code: str, text: str, *, blocking: bool = True) -> None:
        """States that something is wrong."""
        self._reasons[code] = Reason(code, text, blocking)

    def clear(self, code: str) -> None:
        """States that it is over."""
        self._reasons.pop(code, None)

    @property
    def warnings(self) -> list[Reason]:
        """What will be wrong unless somebody acts."""
        return list(self._warnings.values())

    def warn(self, code: str, text: str) -> None:
        """States that something will be wrong."""
        self._warnings[code] = Reason(code, text, blocking=False)

    def clear_warning(self, code: str) -> None:
        """States that it will not."""
        self._warnings.pop(code, None)

    def blocking(self) -> Reason | None:
        """The reason to refuse a transaction now, if any."""
        return next((reason for reason in self._reasons.values() if reason.blocking), None)
