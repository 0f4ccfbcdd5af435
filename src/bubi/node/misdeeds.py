"""Misdeeds of peers: counted for people, and how many are too many. Pure."""

import re
from dataclasses import dataclass

from bubi.replica.events import Peer

PEERS_MAX = 1_024
"""Nodes whose misdeeds are counted."""
WINDOW_SECONDS = 60.0
MISDEEDS_MAX = 128
"""Misdeeds within a window after which the connection ends.

What a peer in distress may do is reported once a second at most, so that it stays below.
"""

_NUMBER = re.compile(r" ?\b[0-9]+\b")


@dataclass(slots=True)
class _Record:
    total: int = 0
    reason: str = ""
    recent: int = 0
    since: float = 0.0


class Misdeeds:
    """See the module."""

    def __init__(self) -> None:
        self._records: dict[Peer, _Record] = {}

    def count(self, peer: Peer, reason: str, now: float) -> bool:
        """Counts one at a time in seconds; whether there were too many of late."""
        record = self._records.pop(peer, None) or _Record()
        self._records[peer] = record
        if len(self._records) > PEERS_MAX:
            del self._records[next(iter(self._records))]
        if now - record.since > WINDOW_SECONDS:
            record.since, record.recent = now, 0
        record.total += 1
        record.recent += 1
        record.reason = reason
        if record.recent < MISDEEDS_MAX:
            return False
        record.recent = 0
        return True

    def of(self, peer: Peer) -> tuple[int, str]:
        """How many there were since the start, and the newest."""
        record = self._records.get(peer)
        return (0, "") if record is None else (record.total, record.reason)


def kind_of(reason: str) -> str:
    """A reason without what the peer may choose in it, so that there are only a few."""
    return _NUMBER.sub("", reason.partition(":")[0])
