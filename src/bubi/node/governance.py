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
from dataclasses import dataclass
from typing import Any, Protocol

from bubi import core
from bubi.consensus.engine import ReportEvidence
from bubi.ledger import (
    LedgerView,
    evidence_id,
    key_bytes,
    signed_transaction,
    statement_json,
)
from bubi.network.certificates import Authority
from bubi.network.peers import NodeLists
from bubi.node.door import Door, DoorError, Ticket
from bubi.node.ports import Clock
from bubi.node.shares import Origin

log = logging.getLogger("bubi.governance")

LIFETIME_MS = 60_000
"""How long one attempt to say something may wait for its block."""
RETRY_SECONDS = 1.0
ORIGIN = Origin("this node")
ENDED = frozenset(
    {
        "final",
        "ready_known",
        "change_missing",
        "not_validator",
        "evidence_known",
        "evidence_old",
        "evidence_foreign",
        "evidence_invalid",
        "evidence_divergence",
        "evidence_signature",
    }
)
"""Result codes after which saying it again would change nothing."""


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


@dataclass(slots=True)
class _Wanted:
    """Something to say on the ledger; `ticket` is the attempt that waits for its block."""

    operation: dict[str, Any]
    ticket: Ticket | None = None


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
        alarm: Callable[[str, str], None],
    ) -> None:
        self._chain = chain
        self._ledger = ledger
        self._key = key
        self._door = door
        self._clock = clock
        self._engines = engines
        self._alarm = alarm
        self._admission: Admission | None = None
        self._admitted: tuple[bytes, Any, frozenset[str]] = (b"", None, frozenset())
        self._observer: bool | None = None
        self._unsupported: str | None = None
        self._wanted: dict[bytes, _Wanted] = {}
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
            self._unsupported = None
            self._wanted = {
                name: one for name, one in self._wanted.items() if "ready" not in one.operation
            }
            return
        missing = self._missing(bytes.fromhex(pending["proposal"]))
        if missing:
            self._tell_unsupported(pending, missing)
        elif self._is_awaited(pending):
            self._want(
                b"ready" + bytes.fromhex(pending["proposal"]),
                {"ready": {"proposal": pending["proposal"]}},
            )

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

    def _is_awaited(self, pending: Mapping[str, Any]) -> bool:
        """Whether this node belongs to the next set and has not said that it is ready."""
        if self._key is None or pending["activation"] is not None:
            return False
        own = self._own_account
        return any(one["account"] == own and not one["ready"] for one in pending["members"])

    @property
    def _own_account(self) -> str:
        assert self._key is not None
        chain = self._chain
        return core.address_to_text(
            chain.prefix, core.key_address(chain.suite, self._key.public_key)
        )

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

    def _tell_unsupported(self, pending: Mapping[str, Any], missing: list[str]) -> None:
        if self._unsupported == pending["proposal"]:
            return
        self._unsupported = pending["proposal"]
        self._alarm(
            "change_unsupported",
            f"the approved change {pending['proposal'][:16]} needs {' and '.join(missing)}, which "
            "this version does not have: install a newer one before it is in force",
        )

    # --- evidence ------------------------------------------------------------------------

    def report(self, evidence: ReportEvidence) -> None:
        """Puts two contradicting statements of a validator on the ledger."""
        one, two = evidence.first.request, evidence.second.request
        if one.digest == two.digest:
            self._alarm(
                "divergence",
                f"validator {evidence.first.validator} signed two outcomes of one proposal of "
                f"height {one.height}",
            )
            return
        encoded = self._chain.validator_set_of_epoch(one.epoch)
        if self._key is None or encoded is None:
            return
        members = core.decode_json(core.validator_set_to_json(encoded))["v1"]["validators"]
        member = members[evidence.first.validator]["key"]
        chain = self._chain
        identity = evidence_id(chain.chain_id, chain.suite, key_bytes(member), one)
        if self._chain.evidence_json(identity) is not None:
            return
        self._want(
            b"evidence" + identity,
            {
                "report_evidence": {
                    "member": member,
                    "statement_one": statement_json(one),
                    "signature_one": evidence.first.signature.hex(),
                    "statement_two": statement_json(two),
                    "signature_two": evidence.second.signature.hex(),
                }
            },
        )

    # --- saying it -----------------------------------------------------------------------

    def _want(self, name: bytes, operation: dict[str, Any]) -> None:
        if name not in self._wanted:
            self._wanted[name] = _Wanted(operation)
            self._wake.set()

    async def run(self) -> None:
        """Says what is to be said until a block holds it, for ever."""
        while True:
            for name, one in list(self._wanted.items()):
                if await self._advance(one):
                    self._wanted.pop(name, None)
            delay = RETRY_SECONDS if self._wanted else None
            self._wake.clear()
            try:
                await asyncio.wait_for(self._wake.wait(), delay)
            except TimeoutError:
                continue

    async def _advance(self, wanted: _Wanted) -> bool:
        """Begins an attempt, or looks at the one under way; whether nothing is left to do."""
        if wanted.ticket is None:
            await self._begin(wanted)
            return False
        decision = wanted.ticket.decision
        if not decision.done():
            return False
        wanted.ticket = None
        if decision.cancelled() or decision.exception() is not None:
            return False
        number = memoryview(decision.result().codes).cast("H")[0]
        code = core.code_names().get(number, "")
        if number != core.SKIPPED and code not in ENDED:
            log.warning("a transaction of this node ended as %s; it tries again", code)
        return code in ENDED

    async def _begin(self, wanted: _Wanted) -> None:
        """Submits it; if the door cannot take it now, the next look tries again."""
        key, chain = self._key, self._chain
        assert key is not None
        lifetime = min(LIFETIME_MS, int(self._ledger.parameters["max_lifetime"]) // 2)
        document = {
            "v1": {
                "source": self._own_account,
                "replay": {"id": secrets.token_hex(16)},
                "valid_until": str(max(self._clock.now_ms(), chain.time) + lifetime),
                "preconditions": [],
                "memo": "",
                "operations": [{"source": None, "body": wanted.operation}],
            }
        }
        body = core.body_from_json(chain.prefix, core.encode_json(document))
        transaction = signed_transaction(chain.chain_id, body, key)
        try:
            admission, wanted.ticket = await self._door.bulk(core.bulk_body([transaction]), ORIGIN)
        except DoorError as error:
            log.info("a transaction of this node has to wait: %s", error.detail)
            return
        if wanted.ticket is None:
            log.info("a transaction of this node has to wait: %s", admission.verdicts[0])
