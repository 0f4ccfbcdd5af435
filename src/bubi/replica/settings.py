"""What a replica is told when it is made, and the checks it borrows from its host."""

from dataclasses import dataclass
from typing import Protocol

from bubi.consensus.engine import Configuration, Signatures
from bubi.messages import Status


class Checks(Signatures, Protocol):
    """Checks of signatures and hashes: pure functions of their arguments."""

    def verify_status(self, configuration: Configuration, status: Status) -> bool:
        """Whether a status is signed by the member that it names (`status.validator`)."""
        ...


@dataclass(frozen=True, slots=True)
class ReplicaSettings:
    """Who this node is, and local limits.

    `first_number` is where its counters start (status sequence, batch numbers). It must be larger
    at each start of the process: the wall clock in milliseconds serves. `engines` are those that
    this version runs, None for any: at an epoch that names another one the replica stops.
    """

    name: str
    organisation: str
    first_number: int = 0
    batch_transactions_max: int = 20_000
    batch_bytes_max: int = 16_777_216
    status_ms: int = 5_000
    engines: frozenset[str] | None = None
