"""Applying a block that others decided: verified, executed and committed in one go.

One call in the writer's thread does it all. Blocks of a light load take a millisecond or two; to
hand them from thread to thread would take a busy machine longer than the work, and a node that is
behind must be several times faster than the others.
"""

from collections.abc import Mapping, Sequence

from bubi import core
from bubi.ledger import decode_certificate
from bubi.messages import BlockParts
from bubi.replica.events import BatchHandle


class Applying:
    """One block on its way into the ledger. Nothing in `parts` is trusted.

    `known` are executions of proposals of this height by their digest, `verified` batches that
    were verified here before: what the block holds of them is not verified again. `run` may be
    called again after a full disk; it goes on where it stopped.
    """

    def __init__(
        self,
        chain: core.Chain,
        parts: BlockParts,
        known: Mapping[bytes, core.Execution],
        verified: Sequence[BatchHandle] = (),
    ) -> None:
        self._chain = chain
        self._parts = parts
        self._known = known
        self._verified = {
            batch.header: batch for batch in verified if isinstance(batch, core.Batch)
        }
        self._found: core.Execution | None = None
        self._logged = False
        self.batches: list[core.Batch] = []
        self.expected = b""
        """Outcome that the certificate names."""

    @property
    def execution(self) -> core.Execution:
        """What executing it gave, once `run` has returned."""
        assert self._found is not None
        return self._found

    @property
    def diverges(self) -> bool:
        """Whether its certificate names another outcome; then it was not committed."""
        return self.execution.outcome_hash != self.expected

    def run(self) -> None:
        """All steps.

        Raises:
            CoreError: the block is not valid, or cannot be stored.
        """
        if self._found is None:
            self._found = self._judge()
        if self.diverges:
            return
        if not self._logged:
            self._chain.append_bodies(self._parts.height, self.batches)
            self._logged = True
        self._chain.commit(self._found, self._parts.certificate)

    def _judge(self) -> core.Execution:
        """Checks and executes it; the certificate first, which costs a liar most."""
        chain, parts = self._chain, self._parts
        if len(parts.headers) != len(parts.bodies):
            code, text = "batch_invalid", "batch headers and bodies differ in number"
            raise core.CoreError(code, text)
        chain.check_certificate(parts.certificate)
        request = decode_certificate(parts.certificate).request
        if request.height != parts.height:
            code, text = "certificate_invalid", "it is for another height"
            raise core.CoreError(code, text)
        self.expected = request.outcome
        self.batches = [
            self._verified.get(header) or chain.decode_batch(header, body)
            for header, body in zip(parts.headers, parts.bodies, strict=True)
        ]
        chain.check_proposal(parts.proposal, request.digest, self.batches, None)
        known = self._known.get(request.digest)
        return known or chain.execute(parts.proposal, self.batches)
