"""The two ports for signatures of votes: the real rule, and the ideal one with a table.

By the ideal rule a signature is a hash over key and message. Only the holder of a key is asked to
make one, so nobody can forge; checking costs one look into a table.
"""

from dataclasses import replace

from bubi import core
from bubi.consensus.engine import Configuration, VoteMessage
from bubi.ledger import vote_bytes
from bubi.messages import Status, status_statement
from bubi.simulation.ledger import Key

KNOWN_MAX = 60_000


class RealSignatures:
    """Votes are checked by the core, as a node does."""

    def __init__(self, chain_id: bytes, suite: int) -> None:
        self._chain_id = chain_id
        self._suite = suite

    def verify(self, configuration: Configuration, vote: VoteMessage) -> bool:
        """Whether the vote is signed by the member that it names."""
        if not 0 <= vote.validator < len(configuration.members):
            return False
        key = configuration.members[vote.validator].key
        return self.check(key, vote_bytes(self._chain_id, vote.request), vote.signature)

    def check(self, key: bytes, message: bytes, signature: bytes) -> bool:
        """Whether a key signed a message."""
        try:
            return core.verify_vote(key, message, signature)
        except core.CoreError:
            return False

    def sign_status(self, key: Key, status: Status) -> Status:
        """A status with its node's signature."""
        message = core.status_message(self._chain_id, status_statement(status))
        return replace(status, signature=key.sign(message))

    def verify_status(self, configuration: Configuration, status: Status) -> bool:
        """Whether a status is signed by the member that it names."""
        index = status.validator
        if index is None or not 0 <= index < len(configuration.members):
            return False
        message = core.status_message(self._chain_id, status_statement(status))
        return self.check(configuration.members[index].key, message, status.signature)

    def binds(self, digest: bytes, proposal: bytes, payload: tuple[bytes, ...]) -> bool:
        """Whether a digest stands for this proposal and payload."""
        return core.proposal_binds(self._suite, self._chain_id, digest, proposal, list(payload))

    def hash(self, data: bytes) -> bytes:
        """Hash in the suite of the chain."""
        return core.hash(self._suite, data)


class IdealSignatures(RealSignatures):
    """Votes are checked by the ideal rule; a verdict is kept for each vote object.

    Nodes of a simulation pass objects, so that one vote is the same object everywhere.
    """

    def __init__(self, chain_id: bytes, suite: int) -> None:
        super().__init__(chain_id, suite)
        self._known: dict[int, tuple[VoteMessage, int, bool]] = {}

    def verify(self, configuration: Configuration, vote: VoteMessage) -> bool:
        """Whether the vote is signed by the member that it names."""
        known = self._known.get(id(vote))
        if known is not None and known[0] is vote and known[1] == configuration.epoch:
            return known[2]
        verdict = super().verify(configuration, vote)
        if len(self._known) >= KNOWN_MAX:
            self._known.clear()
        # The entry holds the object, so that its id belongs to no other one meanwhile.
        self._known[id(vote)] = (vote, configuration.epoch, verdict)
        return verdict

    def check(self, key: bytes, message: bytes, signature: bytes) -> bool:
        """Whether a key signed a message."""
        return signature == core.ideal_sign(key, message)
