"""What consensus needs to know of the ledger, read from the core; the same in node and simulator.

Bytes that are signed, certificates in the ledger's encoding, and the tip, configuration and limits
of the next height.
"""

import json
from collections.abc import Mapping
from typing import Any

from bubi import core
from bubi.consensus import guard
from bubi.consensus.engine import Certificate, Configuration, Member, VoteMessage
from bubi.consensus.guard import Phase, VoteRequest
from bubi.consensus.quorum import quorum
from bubi.messages import Status, status_statement
from bubi.replica.events import Limits, Tip

ALGORITHMS = {
    "ed25519": core.Algorithm.ED25519,
    "secp256k1": core.Algorithm.SECP256K1,
    "p256": core.Algorithm.P256,
    "sm2": core.Algorithm.SM2,
}
"""Signature algorithms by their names in JSON."""
_EVIDENCE_DOMAIN = b"bubi:evidence..."
SHARE_VALIDATORS_MIN = 4
BARRIER_BLOCKS = 100
"""So many blocks before a change comes into force they are made though nothing waits."""
"""From so many validators on, one author may fill half a block at most (protocol.md 4)."""


def guard_records(chain: core.Chain) -> tuple[list[bytes], bytes]:
    """Records of the guard in the log, as `guard.restore` wants them, and its second place.

    Raises:
        CoreError: the log is damaged.
    """
    start = max(0, chain.height - guard.HEIGHTS_BELOW)
    records = chain.log_records(core.RecordKind.GUARD, start)
    return [data for _, data in records], chain.guard_read()


def restored_guard(chain: core.Chain) -> guard.GuardState:
    """The signer guard from its two places, of which the second is made whole again.

    Where they disagree it stays silent.

    Raises:
        CoreError: the log is damaged, or the second place cannot be written.
    """
    restored = guard.restore(*guard_records(chain), chain.height)
    record = guard.settled(restored)
    if record is not None:
        chain.guard_settle(record)
    return restored


class CoreSignatures:
    """Checks of votes by the core (the strict rule), hashes in the suite of the chain."""

    def __init__(self, chain_id: bytes, suite: int) -> None:
        self._chain_id = chain_id
        self._suite = suite

    def verify(self, configuration: Configuration, vote: VoteMessage) -> bool:
        """Whether the vote is signed by the member that it names."""
        if not 0 <= vote.validator < len(configuration.members):
            return False
        key = configuration.members[vote.validator].key
        return is_signed(key, vote_bytes(self._chain_id, vote.request), vote.signature)

    def hash(self, data: bytes) -> bytes:
        """Hash in the suite of the chain."""
        return core.hash(self._suite, data)

    def binds(self, digest: bytes, proposal: bytes, payload: tuple[bytes, ...]) -> bool:
        """Whether these are the bytes that a digest stands for."""
        return core.proposal_binds(self._suite, self._chain_id, digest, proposal, list(payload))

    def verify_status(self, configuration: Configuration, status: Status) -> bool:
        """Whether a status is signed by the member that it names."""
        index = status.validator
        if index is None or not 0 <= index < len(configuration.members):
            return False
        message = status_bytes(self._chain_id, status)
        return is_signed(configuration.members[index].key, message, status.signature)


def is_signed(key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether a key of the set in force gave a signature that any peer may have sent."""
    try:
        return core.verify_vote(key, message, signature)
    except core.CoreError:
        # One of a wrong form, for instance of another length.
        return False


def status_bytes(chain_id: bytes, status: Status) -> bytes:
    """What a validator signs for its status: all of it but the signature."""
    return core.status_message(chain_id, status_statement(status))


def vote_bytes(chain_id: bytes, request: VoteRequest) -> bytes:
    """What a validator signs for a request."""
    place = (chain_id, request.epoch, request.engine, request.height, request.round)
    if request.phase is Phase.COMMIT:
        return core.commit_message(*place, request.digest, request.outcome)
    return core.vote_message(*place, int(request.phase), request.digest)


def encode_certificate(certificate: Certificate) -> bytes:
    """A commit certificate in the ledger's encoding."""
    request = certificate.request
    return core.certificate(
        request.epoch,
        request.engine,
        request.height,
        request.round,
        request.digest,
        request.outcome,
        list(certificate.votes),
    )


def decode_certificate(data: bytes) -> Certificate:
    """A commit certificate from the ledger's encoding; its signatures are not checked.

    Raises:
        CoreError: it is malformed.
    """
    epoch, engine, height, round_, digest, outcome, votes = core.certificate_fields(data)
    request = VoteRequest(epoch, engine, height, round_, Phase.COMMIT, digest, outcome)
    return Certificate(request, tuple(votes))


def signed_transaction(chain_id: bytes, body: bytes, key: core.SigningKey) -> bytes:
    """An encoded body with the one signature of a key, as an encoded signed transaction."""
    signature = key.sign(core.signing_bytes(chain_id, body))
    length = core.uleb128(len(body))
    return b"".join([b"\x00", length, body, b"\x01", key.public_key, signature])


def evidence_id(chain_id: bytes, suite: int, key: bytes, request: VoteRequest) -> bytes:
    """Id of the evidence against a member (tagged key) about the place of a statement."""
    engine = request.engine.encode()
    place = b"".join(
        [
            request.epoch.to_bytes(8, "little"),
            core.uleb128(len(engine)),
            engine,
            request.height.to_bytes(8, "little"),
            request.round.to_bytes(8, "little"),
            bytes([int(request.phase)]),
        ]
    )
    return core.hash(suite, _EVIDENCE_DOMAIN + chain_id + key + place)


def statement_json(request: VoteRequest) -> dict[str, Any]:
    """A statement of a validator in the JSON form of evidence."""
    fields: dict[str, Any] = {
        "epoch": str(request.epoch),
        "engine": request.engine,
        "height": str(request.height),
        "round": str(request.round),
        "digest": request.digest.hex(),
    }
    if request.phase is Phase.COMMIT:
        return {"commit": {"v1": {**fields, "outcome": request.outcome.hex()}}}
    return {"vote": {"v1": {**fields, "phase": int(request.phase)}}}


def key_bytes(key: Mapping[str, str]) -> bytes:
    """Tagged bytes of a public key given as JSON."""
    ((name, digits),) = key.items()
    return bytes([ALGORITHMS[name]]) + bytes.fromhex(digits)


def set_quorum(validators: Mapping[str, Any]) -> int:
    """Quorum of a validator set given as JSON."""
    total = sum(int(validator["weight"]) for validator in validators["validators"])
    return quorum(total, validators["quorum_numerator"], validators["quorum_denominator"])


def barrier(height: int, activation: str | None) -> int:
    """Up to which height blocks are made though nothing waits, on top of `height`; 0: none.

    That is the last one before a change comes into force, once it is near. A change that was
    voted for a height far ahead waits for the blocks that transactions need.
    """
    last = 0 if activation is None else int(activation) - 1
    return last if last - height <= BARRIER_BLOCKS else 0


class LedgerView:
    """Tip, configuration and limits of the next height; parsed again only when they changed."""

    def __init__(self, chain: core.Chain, own_key: bytes | None) -> None:
        self._chain = chain
        self._own_key = own_key
        self._set: tuple[bytes, Mapping[str, Any], tuple[Member, ...]] = (b"", {}, ())
        self._parameters: tuple[bytes, Mapping[str, Any]] = (b"", {})

    @property
    def parameters(self) -> Mapping[str, Any]:
        """Parameters in force."""
        text = self._chain.parameters_json()
        if text != self._parameters[0]:
            self._parameters = (text, core.decode_json(text)["v1"])
        return self._parameters[1]

    @property
    def clock_tolerance_ms(self) -> int:
        """How far a block's time may be from this node's clock."""
        return int(self.parameters["clock_tolerance"])

    def tip(self) -> Tip:
        """The newest block."""
        chain = self._chain
        certificate = chain.tip_certificate()
        pending = self.governance["pending"]
        activation = None if pending is None else pending["activation"]
        return Tip(
            chain.height,
            chain.time,
            chain.digest,
            chain.state_root,
            None if certificate is None else decode_certificate(certificate),
            tuple(chain.tip_batches()),
            barrier(chain.height, activation),
        )

    @property
    def governance(self) -> Mapping[str, Any]:
        """What governance is about: the change under way, lists, epoch, protocol version."""
        return core.decode_json(self._chain.governance_json())

    @property
    def organisations(self) -> list[Mapping[str, Any]]:
        """The organisations, ascending by name."""
        found: list[Mapping[str, Any]] = json.loads(self._chain.organisations_json())
        return found

    @property
    def validators(self) -> Mapping[str, Any]:
        """The validator set in force."""
        return self._validators()[0]

    def configuration_of(self, epoch: int) -> Configuration:
        """Members, engine and quorum of an epoch that has begun, without leaders and times."""
        encoded = self._chain.validator_set_of_epoch(epoch)
        assert encoded is not None
        fields, members = _parsed(encoded)
        own = next((member.index for member in members if member.key == self._own_key), None)
        return Configuration(epoch, fields["engine"], members, set_quorum(fields), own)

    def configuration(self) -> Configuration:
        """Under what the next height is decided."""
        fields, members = self._validators()
        parameters = self.parameters
        own = next((member.index for member in members if member.key == self._own_key), None)
        # As many as there are members: from there on they follow one another.
        first_round, leaders = self._chain.leaders(len(members))
        return Configuration(
            int(fields["epoch"]),
            fields["engine"],
            members,
            set_quorum(fields),
            own,
            int(parameters["timeout"]),
            int(parameters["timeout_max"]),
            first_round,
            tuple(leaders),
            int(parameters["turn_blocks"]),
            self._chain.epoch[1],
        )

    def limits(self) -> Limits:
        """Limits of the next block."""
        parameters = self.parameters
        transactions = int(parameters["block_transactions"])
        size = int(parameters["block_bytes"])
        shares = 2 if len(self._validators()[1]) >= SHARE_VALIDATORS_MIN else 1
        return Limits(
            transactions,
            size,
            transactions // shares,
            size // shares,
            int(parameters["max_lifetime"]),
        )

    def _validators(self) -> tuple[Mapping[str, Any], tuple[Member, ...]]:
        """The validator set in force, as JSON and as members."""
        encoded = self._chain.validator_set
        if encoded != self._set[0]:
            self._set = (encoded, *_parsed(encoded))
        return self._set[1:]


def _parsed(encoded: bytes) -> tuple[Mapping[str, Any], tuple[Member, ...]]:
    """A validator set as JSON and as members."""
    fields = core.decode_json(core.validator_set_to_json(encoded))["v1"]
    members = tuple(
        Member(
            index,
            validator["name"],
            validator["organisation"],
            key_bytes(validator["key"]),
            int(validator["weight"]),
        )
        for index, validator in enumerate(fields["validators"])
    )
    return fields, members
