"""Why the network decides, or does not, where CometBFT is the engine.

Asks the node's CometBFT process every second. CometBFT names its peers after the nodes
(`moniker`), which is what tells a missing validator here; it signs nothing of it.
"""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from bubi import core
from bubi.comet.rpc import RpcError
from bubi.consensus.engine import Configuration
from bubi.ledger import LedgerView
from bubi.node.comet import ENGINE_DOWN, CometHost
from bubi.node.explain import CATCHING_UP, NO_QUORUM
from bubi.node.health import Health
from bubi.node.ports import Clock

LOOK_SECONDS: Final = 1.0
DOWN_TEXT: Final = "CometBFT of this node does not run, or does not answer: start it again"


class CometExplainer:
    """See the module. Belongs to the event loop's thread."""

    def __init__(
        self,
        host: CometHost,
        chain: core.Chain,
        ledger: LedgerView,
        health: Health,
        clock: Clock,
    ) -> None:
        self._host = host
        self._chain = chain
        self._ledger = ledger
        self._health = health
        self._clock = clock
        self._peers: list[Mapping[str, Any]] = []
        self._status: Mapping[str, Any] = {}
        self._answers = False
        self._since: int | None = None

    async def run(self) -> None:
        """Looks every second, for ever."""
        while True:
            try:
                state = await self._host.rpc.state()
                self._peers, self._status = state["peers"], state["status"]["sync_info"]
                self._answers = True
            except (RpcError, KeyError, TypeError):
                self._answers, self._peers, self._status = False, [], {}
            self._look()
            await asyncio.sleep(LOOK_SECONDS)

    def _look(self) -> None:
        configuration, reasons = self._configuration(), {}
        absent = set(self.missing())
        present = sum(one.weight for one in configuration.members if one.name not in absent)
        if not self._host.server.connections or not self._answers:
            reasons[ENGINE_DOWN] = DOWN_TEXT
        elif present < configuration.quorum:
            reasons[NO_QUORUM] = (
                f"votes of weight {configuration.quorum} are needed and {present} are connected; "
                f"missing: {', '.join(sorted(absent))}"
            )
        elif self._status.get("catching_up"):
            height = self._status.get("latest_block_height", "?")
            reasons[CATCHING_UP] = f"CometBFT is at its height {height} and fetches the rest"
        for code in (ENGINE_DOWN, NO_QUORUM, CATCHING_UP):
            if code in reasons:
                self._health.raise_reason(code, reasons[code], blocking=False)
            else:
                self._health.clear(code)
        if self._health.ready:
            self._since = None
        elif self._since is None:
            self._since = self._clock.now_ms()

    def _configuration(self) -> Configuration:
        return self._ledger.configuration()

    def missing(self) -> list[str]:
        """Names of the validators to which this node's CometBFT has no connection."""
        names = {self._name(one) for one in self._peers}
        configuration = self._configuration()
        return [
            one.name
            for one in configuration.members
            if one.index != configuration.own and one.name not in names
        ]

    def consensus(self) -> dict[str, Any]:
        """The document of `/v1/consensus`."""
        configuration, absent = self._configuration(), set(self.missing())
        reasons = self._health.reasons
        return {
            "halted": self.halted(),
            "since": None if self._since is None else str(self._since),
            "height": str(self._chain.height + 1),
            "decided": str(self._chain.height),
            "view": str(self._host.application.height),
            "leader": None,
            "phase": "cometbft",
            "work_waiting": self._host.work_waiting,
            "quorum": configuration.quorum,
            "validators": [
                {
                    "name": one.name,
                    "organisation": one.organisation,
                    "weight": one.weight,
                    "own": one.index == configuration.own,
                    "connected": one.index != configuration.own and one.name not in absent,
                    "missing": one.name in absent,
                    "last_seen": None,
                    "seconds_ago": None,
                    "height": None,
                    "view": None,
                    "vote": None,
                }
                for one in configuration.members
            ],
            "missing_batches": 0,
            "catching_up": None,
            "evidence": [],
            "reasons": [{"code": one.code, "text": one.text} for one in reasons],
            "warnings": [{"code": one.code, "text": one.text} for one in self._health.warnings],
        }

    def halted(self) -> bool:
        """Whether this node, or the network as it sees it, decides nothing."""
        return bool({one.code for one in self._health.reasons} - {CATCHING_UP})

    @staticmethod
    def view() -> None:
        """No replica decides here."""

    @staticmethod
    def totals() -> dict[str, int]:
        """CometBFT has metrics of its own."""
        return {}

    def peers(self) -> list[dict[str, Any]]:
        """The items of `/v1/peers`: the peers of this node's CometBFT."""
        members = {one.name: one for one in self._configuration().members}
        found = []
        for one in self._peers:
            name = self._name(one)
            member = members.get(name)
            found.append(
                {
                    "id": str(one.get("node_info", {}).get("id", "")),
                    "name": name,
                    "organisation": "" if member is None else member.organisation,
                    "role": "observer" if member is None else "validator",
                    "state": "connected",
                    "rtt_ms": None,
                    "reason": "",
                }
            )
        return sorted(found, key=lambda one: (str(one["name"]), str(one["id"])))

    @staticmethod
    def _name(peer: Mapping[str, Any]) -> str:
        return str(peer.get("node_info", {}).get("moniker", ""))
