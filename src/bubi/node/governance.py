"""What a node does by itself when the ledger's governance moves.

After each block it looks at the change under way, the organisations and the lists. It lets go of
nodes that are not admitted any more, says `ready` if its vote is needed for the next set and it
can do what that set asks, reports contradicting statements, and alarms before a change comes into
force that this version cannot follow. Belongs to the event loop's thread.
"""

import asyncio
import logging
import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from bubi import core
from bubi.consensus.engine import ReportEvidence
from bubi.declarations import Declarations
from bubi.ledger import LedgerView
from bubi.network.certificates import Authority
from bubi.network.peers import NodeLists
from bubi.node.door import Door, DoorError, Ticket
from bubi.node.health import Health
from bubi.node.ports import Clock
from bubi.node.shares import Origin

log = logging.getLogger("bubi.governance")

RETRY_SECONDS = 1.0
CHANGE_UNSUPPORTED = "change_unsupported"
ORIGIN = Origin("this node")


class Admission(Protocol):
    """The network, as far as the ledger rules it."""

    def follow(
        self, authorities: Sequence[Authority], revoked: Sequence[bytes], lists: NodeLists
    ) -> None:
        """Takes what the ledger says of nodes now."""
        ...

    def set_observer(self, observer: bool) -> None:
        """Whether this node votes."""
        ...


def authorities_of(organisations: Sequence[Mapping[str, Any]]) -> tuple[Authority, ...]:
    """Authorities of the organisations that have one."""
    return tuple(
        Authority(one["name"], bytes.fromhex(one["certificate"]))
        for one in organisations
        if one["certificate"]
    )


class Governance:
    """See the module.

    `engines` are those that this version runs, `alarm` takes a code and a sentence.
    """

    def __init__(
        self,
        chain: core.Chain,
        ledger: LedgerView,
        key: core.SigningKey | None,
        door: Door,
        clock: Clock,
        engines: frozenset[str],
        health: Health,
        alarm: Callable[[str, str], None],
    ) -> None:
        self._chain = chain
        self._ledger = ledger
        self._declarations = Declarations(chain, ledger, key)
        self._door = door
        self._clock = clock
        self._engines = engines
        self._health = health
        self._alarm = alarm
        self._admission: Admission | None = None
        self._admitted: tuple[bytes, Any, frozenset[str]] = (b"", None, frozenset())
        self._observer: bool | None = None
        self._unsupported: str | None = None
        self._tickets: dict[bytes, Ticket] = {}
        self._wake = asyncio.Event()

    def connect(self, admission: Admission) -> None:
        """Gives it the network; before the first look."""
        self._admission = admission

    # --- looking -------------------------------------------------------------------------

    def look(self) -> None:
        """Follows the state after the newest block."""
        governance = self._ledger.governance
        configuration = self._ledger.configuration()
        self._admit(governance, frozenset(one.organisation for one in configuration.members))
        self._play(observer=configuration.own is None)
        pending = governance["pending"]
        if pending is None:
            self._supported()
            self._declarations.nothing_pending()
            return
        missing = self._missing(bytes.fromhex(pending["proposal"]))
        if missing:
            self._tell_unsupported(pending, missing)
        else:
            self._supported()
            self._declarations.ready(pending)
            self._wake.set()

    def _admit(self, governance: Mapping[str, Any], voters: frozenset[str]) -> None:
        """Tells the network whom the ledger admits, if that changed; `voters` have validators."""
        if self._admission is None:
            return
        organisations = self._chain.organisations_json()
        lists = (governance["allowed"], governance["denied"], governance["revoked"])
        if (organisations, lists, voters) == self._admitted:
            return
        self._admitted = (organisations, lists, voters)
        allowed, denied, revoked = ([bytes.fromhex(one) for one in each] for each in lists)
        self._admission.follow(
            authorities_of(self._ledger.organisations),
            revoked,
            NodeLists(frozenset(allowed), frozenset(denied), voters),
        )

    def _play(self, *, observer: bool) -> None:
        """Takes the role that the set in force gives this node."""
        if observer == self._observer:
            return
        if self._observer is not None:
            log.warning("this node %s", "has no vote any more" if observer else "has a vote now")
        self._observer = observer
        self._door.forwards = observer
        if self._admission is not None:
            self._admission.set_observer(observer)

    def _missing(self, proposal: bytes) -> list[str]:
        """What this version would need for a change and does not have."""
        text = self._chain.proposal_json(proposal)
        if text is None:
            return []
        missing = []
        for change in core.decode_json(text)["v1"]["changes"]:
            if "set_engine" in change and change["set_engine"]["name"] not in self._engines:
                missing.append(f"engine {change['set_engine']['name']}")
            if "set_protocol_version" in change:
                version = int(change["set_protocol_version"]["version"])
                if version > core.newest_protocol_version():
                    missing.append(f"protocol version {version}")
        return missing

    def _supported(self) -> None:
        """No change is under way that this version cannot follow."""
        self._unsupported = None
        self._health.clear_warning(CHANGE_UNSUPPORTED)

    def _tell_unsupported(self, pending: Mapping[str, Any], missing: list[str]) -> None:
        if self._unsupported == pending["proposal"]:
            return
        self._unsupported = pending["proposal"]
        text = (
            f"the approved change {pending['proposal'][:16]} needs {' and '.join(missing)}, which "
            "this version does not have: install a newer one before it is in force"
        )
        self._health.warn(CHANGE_UNSUPPORTED, text)
        self._alarm(CHANGE_UNSUPPORTED, text)

    # --- evidence ------------------------------------------------------------------------

    def report(self, evidence: ReportEvidence) -> None:
        """Puts two contradicting statements of a validator on the ledger; no divergence."""
        self._declarations.report(evidence)
        self._wake.set()

    # --- saying it -----------------------------------------------------------------------

    async def run(self) -> None:
        """Says what is to be said until a block holds it, for ever."""
        while True:
            wanted = list(self._declarations.wanted)
            self._tickets = {name: self._tickets[name] for name in wanted if name in self._tickets}
            for name in wanted:
                await self._advance(name)
            delay = RETRY_SECONDS if self._declarations.wanted else None
            self._wake.clear()
            try:
                await asyncio.wait_for(self._wake.wait(), delay)
            except TimeoutError:
                continue

    async def _advance(self, name: bytes) -> None:
        """Begins an attempt, or looks at the one under way."""
        ticket = self._tickets.get(name)
        if ticket is None:
            await self._begin(name)
            return
        decision = ticket.decision
        if not decision.done():
            return
        del self._tickets[name]
        if decision.cancelled() or decision.exception() is not None:
            return
        number = memoryview(decision.result().codes).cast("H")[0]
        code = core.code_names().get(number, "")
        if not self._declarations.ended(name, code) and number != core.SKIPPED:
            log.warning("a transaction of this node ended as %s; it tries again", code)

    async def _begin(self, name: bytes) -> None:
        """Submits it; if the door cannot take it now, the next look tries again."""
        identifier = secrets.token_bytes(16)
        transaction = self._declarations.transaction(name, self._clock.now_ms(), identifier)
        try:
            admission, ticket = await self._door.bulk(core.bulk_body([transaction]), ORIGIN)
        except DoorError as error:
            log.info("a transaction of this node has to wait: %s", error.detail)
            return
        if ticket is None:
            log.info("a transaction of this node has to wait: %s", admission.verdicts[0])
            return
        self._tickets[name] = ticket
