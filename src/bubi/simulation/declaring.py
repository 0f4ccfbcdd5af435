"""What a simulated node says on the ledger by itself, with the declarations of the shipped node.

A declaration is submitted to the own pool, as through the door of a node, and again when an
attempt expired or ended in a way that may change, until a block holds it or makes it needless.
"""

from random import Random
from typing import TYPE_CHECKING

from bubi import core
from bubi.consensus.engine import ReportEvidence
from bubi.declarations import Declarations, is_divergence
from bubi.ledger import LedgerView
from bubi.simulation.scheduler import SECOND

if TYPE_CHECKING:
    from bubi.simulation.host import Host

RETRY = SECOND


class Declaring:
    """Belongs to one incarnation of a node; what it had to say is forgotten in a crash."""

    def __init__(self, host: "Host", view: LedgerView, random: Random) -> None:
        self._host = host
        self._random = random
        self._declarations = Declarations(host.ledger.chain, view, host.place.key.secret)
        self._attempts: dict[bytes, tuple[bytes, int]] = {}
        """Transaction of the attempt under way and the end of its life, by declaration."""
        self._waits = False

    @property
    def evidence_wanted(self) -> int:
        """How many pieces of evidence no block holds yet."""
        return self._declarations.evidence_wanted

    def evidence(self, report: ReportEvidence) -> None:
        """The replica found two contradicting statements."""
        if is_divergence(report):
            self._host.cluster.marks["divergence_reported"] += 1
            return
        self._declarations.report(report)
        self._begin()

    def committed(self) -> None:
        """Follows the state after the newest block."""
        pending = self._host.ledger.governance["pending"]
        if pending is None:
            self._declarations.nothing_pending()
        else:
            self._declarations.ready(pending)
        ledger = self._host.ledger
        for name, (digest, valid_until) in list(self._attempts.items()):
            outcome = ledger.outcome(digest)
            if outcome is not None:
                self._declarations.ended(name, outcome[0])
            if outcome is not None or ledger.time > valid_until:
                del self._attempts[name]
        self._begin()

    def _begin(self) -> None:
        """Begins an attempt for everything that has none; a full pool is asked again later."""
        host = self._host
        refused = False
        for name in self._declarations.wanted:
            if name in self._attempts:
                continue
            identifier = self._random.randbytes(16)
            signed = self._declarations.transaction(name, host.time, identifier)
            admission = host.submit(core.bulk_body([signed]))
            if admission is None:
                refused = True
            else:
                now = max(host.time, host.ledger.time)
                valid_until = now + self._declarations.lifetime_ms
                self._attempts[name] = (admission.hashes[:32], valid_until)
        if refused and not self._waits:
            self._waits = True
            host.cluster.scheduler.after(RETRY, self._again, None)

    def _again(self, _: None) -> None:
        self._waits = False
        if not self._host.dead:
            self._begin()
