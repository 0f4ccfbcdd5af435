"""Proposals of the height in work: their batches are found, then the host checks and executes.

A proposal that names a batch which is missing here waits for it, and the batch is asked for.
"""

from collections import OrderedDict
from dataclasses import dataclass

from bubi.consensus.engine import Execute, Executed, Validate, Validated
from bubi.dissemination import BLOCK_BATCHES_MAX, Dissemination
from bubi.replica.events import (
    Action,
    BatchHandle,
    CheckProposal,
    ExecuteProposal,
    Peer,
    ProposalChecked,
)

PROPOSALS_MAX = 8
"""Proposals of one height whose batches are kept; the oldest go first."""


@dataclass(slots=True, eq=False)
class _Proposal:
    """`asked` is set while batches are missing; `checks` are under way at the host.

    `chosen` is the round whose leader chose the content, None if it had to carry it on.
    """

    payload: tuple[bytes, ...]
    batches: tuple[BatchHandle, ...] | None
    asked: Validate | None = None
    checks: int = 0
    chosen: int | None = None


class Proposals:
    """See the module. `out` receives the actions."""

    def __init__(self, out: list[Action], batches: Dissemination) -> None:
        self._out = out
        self._batches = batches
        self._proposals: OrderedDict[bytes, _Proposal] = OrderedDict()

    def made(self, digest: bytes, payload: tuple[bytes, ...]) -> None:
        """This node made a proposal."""
        self._keep(digest, _Proposal(payload, self._find(payload)))

    def validate(self, effect: Validate, sources: tuple[Peer, ...]) -> Validated | None:
        """Has a proposal checked as soon as its batches are here; the answer if it is known now.

        `sources` are the peers to ask first for what is missing.
        """
        payload = effect.payload
        if len(payload) > BLOCK_BATCHES_MAX or len(dict.fromkeys(payload)) != len(payload):
            return _refusal(effect, "it names too many batches, or one twice")
        if any(self._batches.is_ordered(digest) for digest in payload):
            return _refusal(effect, "it names a batch that a block holds already")
        batches = self._find(payload)
        before = self._proposals.get(effect.digest)
        proposal = _Proposal(payload, batches, effect if batches is None else None)
        proposal.checks = before.checks if before is not None else 0
        if effect.parent_round is not None:
            proposal.chosen = effect.round
        elif before is not None:
            proposal.chosen = before.chosen
        self._keep(effect.digest, proposal)
        if batches is not None:
            self._check(proposal, effect, batches)
        else:
            missing = [digest for digest in payload if self._batches.find(digest) is None]
            self._batches.need(missing, sources)
        return None

    def batch_came(self) -> None:
        """Goes on with proposals whose last missing batch is here."""
        for proposal in self._proposals.values():
            asked = proposal.asked
            if asked is None:
                continue
            batches = self._find(proposal.payload)
            if batches is not None:
                proposal.batches, proposal.asked = batches, None
                self._check(proposal, asked, batches)

    def checked(self, event: ProposalChecked) -> Validated | None:
        """The answer of the host, None while a later check of the same proposal may be kinder.

        A re-proposal is checked without a clock: the refusal of the first attempt, which may come
        late, must not stand for it.
        """
        proposal = self._proposals.get(event.digest)
        if proposal is not None:
            proposal.checks -= 1
            if not event.valid and proposal.checks > 0:
                return None
        return Validated(event.height, event.digest, event.valid, event.untimely, event.reason)

    def execute(self, effect: Execute) -> Executed | None:
        """Has a validated proposal executed; the answer if that is impossible."""
        proposal = self._proposals.get(effect.digest)
        if proposal is None or proposal.batches is None:
            return Executed(effect.height, effect.digest, None, "its batches are unknown")
        self._out.append(
            ExecuteProposal(effect.height, effect.digest, effect.proposal, proposal.batches)
        )
        return None

    def is_chosen(self, digest: bytes, round_: int) -> bool:
        """H10: whether the leader of this round chose what is in a proposal.

        Not what it carried on from an earlier round, nor what was not accepted here in that round.
        """
        proposal = self._proposals.get(digest)
        return proposal is not None and proposal.chosen == round_

    def clear(self) -> None:
        """The height is decided."""
        self._proposals.clear()

    def _find(self, payload: tuple[bytes, ...]) -> tuple[BatchHandle, ...] | None:
        batches = []
        for digest in payload:
            batch = self._batches.find(digest)
            if batch is None:
                return None
            batches.append(batch)
        return tuple(batches)

    def _keep(self, digest: bytes, proposal: _Proposal) -> None:
        self._batches.pin(proposal.payload)
        self._proposals.pop(digest, None)
        self._proposals[digest] = proposal
        while len(self._proposals) > PROPOSALS_MAX:
            self._proposals.popitem(last=False)

    def _check(
        self, proposal: _Proposal, asked: Validate, batches: tuple[BatchHandle, ...]
    ) -> None:
        proposal.checks += 1
        self._out.append(
            CheckProposal(
                asked.height,
                asked.digest,
                asked.proposal,
                asked.payload,
                batches,
                asked.parent_round,
            )
        )


def _refusal(effect: Validate, reason: str) -> Validated:
    return Validated(effect.height, effect.digest, valid=False, reason=reason)
