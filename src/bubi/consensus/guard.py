"""Signer guard: the last check before a validator's key is used.

It remembers what was signed and never signs two different things for one (epoch, engine, height,
round, phase), nor anything below the newest. Asked again for the same, it gives the same bytes. It
is pure: the driver asks, the node signs and keeps the records in two places. If these disagree at
a restart, the guard stays silent for good: a validator that may have forgotten a vote must not
vote. Start with `decide`.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import IntEnum

HASH_BYTES = 32
NAME_BYTES_MAX = 64
SIGNATURE_BYTES_MAX = 255
ENTRIES_MAX = 64
"""Records kept of the newest height, and of the height below it: the newest of each.

They answer repeated requests and tell an engine what it has signed before a restart.
"""

SECOND_PLACE_LAG = 32
"""Decided heights by which the second place may lie behind the log after the power failed.

It is written after each sync of the log and made durable every 16 blocks (`GUARD_SYNC_BLOCKS` in
core/chain); twice that for blocks that a full disk held up. Further behind, it is an old copy."""
HEIGHTS_BELOW = SECOND_PLACE_LAG
"""Heights below the newest decided one whose records a restart reads too."""
RECOVERY_HEIGHTS = 10
"""Heights beyond the newest known one in which a recovered guard stays silent."""
RECOVERY_ROUNDS = 1_000
"""The same for rounds, where no other validator can decide a height meanwhile."""

_VERSION = b"\x00"
_CHECKSUM_BYTES = 4


class Phase(IntEnum):
    """What a signature is for, in the order in which one round signs."""

    CHANGE = 0
    """Asks for this round: view change, candidacy, new ballot."""
    GRANT = 1
    """Supports the leader of this round."""
    PROPOSAL = 2
    """Proposes a block."""
    FIRST = 3
    """First-phase vote: at most one digest per round."""
    COMMIT = 4
    """Commit vote, after execution."""


@dataclass(frozen=True, slots=True)
class VoteRequest:
    """What a validator is asked to sign. `outcome` is empty except in phase COMMIT."""

    epoch: int
    engine: str
    height: int
    round: int
    phase: Phase
    digest: bytes
    outcome: bytes = b""


@dataclass(frozen=True, slots=True)
class GuardRecord:
    """A request and the signature that was given for it."""

    request: VoteRequest
    signature: bytes


@dataclass(frozen=True, slots=True)
class GuardState:
    """Records of the newest height and of the one below, ascending.

    `silent` holds the reason why nothing is signed any more.
    """

    entries: tuple[GuardRecord, ...] = ()
    silent: str | None = None

    @property
    def newest(self) -> GuardRecord | None:
        """The highest record."""
        return self.entries[-1] if self.entries else None


@dataclass(frozen=True, slots=True)
class Sign:
    """The request may be signed; the signature must come back through `remember`."""

    request: VoteRequest


@dataclass(frozen=True, slots=True)
class Repeat:
    """The request was signed before: these are the bytes."""

    record: GuardRecord


@dataclass(frozen=True, slots=True)
class Refuse:
    """The request must not be signed."""

    request: VoteRequest
    reason: str


def decide(state: GuardState, request: VoteRequest) -> Sign | Repeat | Refuse:
    """Says whether a request may be signed."""
    if state.silent is not None:
        return Refuse(request, state.silent)
    newest = state.newest
    reason = _conflict(newest.request, request) if newest is not None else None
    if reason is None:
        return Sign(request)
    for record in state.entries:
        if record.request == request:
            return Repeat(record)
    return Refuse(request, reason)


def _conflict(last: VoteRequest, request: VoteRequest) -> str | None:
    if request.epoch < last.epoch or request.height < last.height:
        return "a later epoch or height was signed"
    if request.epoch == last.epoch and request.engine != last.engine:
        return "another engine was signed for in this epoch"
    if request.height == last.height and _place(request) <= _place(last):
        return "this or a later round and phase of the height was signed"
    return None


def remember(state: GuardState, record: GuardRecord) -> GuardState:
    """The state after a signature was made.

    Raises:
        ValueError: the request was never allowed (a defect of the caller).
    """
    verdict = decide(state, record.request)
    if isinstance(verdict, Repeat) and verdict.record == record:
        return state
    if not isinstance(verdict, Sign):
        msg = "a signature was made that the guard had not allowed"
        raise ValueError(msg)
    height = record.request.height
    below = [entry for entry in state.entries if entry.request.height == height - 1]
    same = [entry for entry in state.entries if entry.request.height == height]
    kept = (*below[-ENTRIES_MAX:], *same[1 - ENTRIES_MAX :], record)
    return replace(state, entries=kept)


def signed_at(state: GuardState, height: int) -> tuple[VoteRequest, ...]:
    """What is remembered to have been signed for a height, ascending."""
    return tuple(entry.request for entry in state.entries if entry.request.height == height)


def is_later(record: GuardRecord, other: GuardRecord | None) -> bool:
    """Whether a record was made after another one of the same guard."""
    return other is None or _order(record.request) > _order(other.request)


def restore(log: Sequence[bytes], second: bytes, decided: int) -> GuardState:
    """The state after a restart.

    `log` holds the records of the block log from HEIGHTS_BELOW below `decided` on, oldest first;
    `decided` is the newest decided height. `second` is the one record of the second place. It is
    written after a sync of the log and may lag behind it, but not without bound. It must not be
    ahead of the log and must not hold anything else than the log does. What was recorded before a
    floor (`floor_above`) no longer counts, and one in the second place counts though the log lacks
    it.
    """
    try:
        records = [decode(data) for data in _from_floor(log)]
        mirror = decode(second) if second else None
    except ValueError as error:
        return GuardState(silent=f"a guard record is damaged: {error}")
    state = GuardState()
    for record in records:
        try:
            state = remember(state, record)
        except ValueError:
            return GuardState(silent="the guard records of the log contradict each other")
    if mirror is not None and is_floor(mirror):
        newest = state.newest
        if newest is None or _order(newest.request) <= _order(mirror.request):
            return remember(state, mirror)
    silent = _disagreement(records, mirror, decided)
    if silent is not None:
        return GuardState(silent=silent)
    if mirror is not None and not records:
        return remember(state, mirror)
    return state


def settled(state: GuardState) -> bytes | None:
    """What the second place must hold durably before a restored guard signs.

    So it lags behind the log by what one run of the node has signed, however often power failed
    before. None: a silent guard changes nothing, and a new one has nothing to write.
    """
    if state.silent is not None or state.newest is None:
        return None
    return encode(state.newest)


def _disagreement(
    records: list[GuardRecord], mirror: GuardRecord | None, decided: int
) -> str | None:
    if not records:
        # Without records in the log from `decided` on, the second place must not know of anything
        # later.
        ahead = mirror is not None and mirror.request.height > decided
        return "the log lacks a vote that the second place holds" if ahead else None
    # The second place was made durable with all that was signed up to some block since then, so
    # that no crash explains its absence.
    settled = [record for record in records if record.request.height <= decided - SECOND_PLACE_LAG]
    if settled and (mirror is None or _order(mirror.request) < _order(settled[-1].request)):
        return "the second place lacks a vote that the log holds: was it lost, or an old copy?"
    if mirror is None:
        return None
    if _order(mirror.request) > _order(records[-1].request):
        return "the log lacks a vote that the second place holds: was it restored from a copy?"
    if _order(mirror.request) >= _order(records[0].request) and mirror not in records:
        return "the two places of the guard hold different votes for one phase"
    return None


def floor_above(log: Sequence[bytes], second: bytes, vote: VoteRequest) -> GuardRecord:
    """A record that lets nothing be signed up to where a validator may have signed.

    For a guard whose records are lost or contradict each other; an operator answers for it. `vote`
    says where the newest decided height, as far as it is known, would be voted on next; `log` and
    `second` are as for `restore`. A lone validator goes on with its own next height, in a round
    beyond all that it may have used; others leave out some heights, which are decided without it.
    """
    known = [record.request for record in map(_readable, (*log, second)) if record is not None]
    if vote.engine == "solo":
        rounds = [one.round for one in known if one.height >= vote.height]
        round_ = max(rounds, default=0) + RECOVERY_ROUNDS
        floor = replace(vote, round=round_, phase=Phase.COMMIT)
    else:
        # The ledger may be older than the records, and another engine may decide by now.
        newest = max([vote, *known], key=lambda one: one.epoch)
        height = max([vote.height, *(one.height for one in known)]) + RECOVERY_HEIGHTS
        floor = replace(newest, height=height, round=0, phase=Phase.CHANGE)
    return GuardRecord(replace(floor, digest=bytes(HASH_BYTES), outcome=b""), b"")


def is_floor(record: GuardRecord) -> bool:
    """Whether a record is a floor: nothing was signed for it."""
    return not record.signature


def is_recovering(state: GuardState) -> bool:
    """Whether nothing was signed since a floor was set: then a refusal is no defect."""
    return state.silent is None and state.newest is not None and is_floor(state.newest)


def _from_floor(log: Sequence[bytes]) -> Sequence[bytes]:
    for place in reversed(range(len(log))):
        record = _readable(log[place])
        if record is not None and is_floor(record):
            return log[place:]
    return log


def _readable(data: bytes) -> GuardRecord | None:
    try:
        return decode(data)
    except ValueError:
        return None


def _place(request: VoteRequest) -> tuple[int, int]:
    return (request.round, int(request.phase))


def _order(request: VoteRequest) -> tuple[int, int, int, int]:
    return (request.epoch, request.height, request.round, int(request.phase))


def encode(record: GuardRecord) -> bytes:
    """A record as bytes with a checksum.

    Raises:
        ValueError: a field is out of range.
    """
    request = record.request
    engine = request.engine.encode()
    if not 1 <= len(engine) <= NAME_BYTES_MAX or len(request.digest) != HASH_BYTES:
        msg = "the engine's name or the digest has a wrong length"
        raise ValueError(msg)
    if len(request.outcome) not in {0, HASH_BYTES} or len(record.signature) > SIGNATURE_BYTES_MAX:
        msg = "the outcome hash or the signature has a wrong length"
        raise ValueError(msg)
    try:
        numbers = [
            part.to_bytes(8, "little") for part in (request.epoch, request.height, request.round)
        ]
    except OverflowError as error:
        msg = "a number does not fit 64 bits"
        raise ValueError(msg) from error
    payload = b"".join(
        [
            _VERSION,
            *numbers,
            bytes([int(request.phase)]),
            *(
                bytes([len(part)]) + part
                for part in (engine, request.digest, request.outcome, record.signature)
            ),
        ]
    )
    return payload + zlib.crc32(payload).to_bytes(_CHECKSUM_BYTES, "little")


def decode(data: bytes) -> GuardRecord:
    """A record from its bytes.

    Raises:
        ValueError: the bytes are damaged.
    """
    payload, checksum = data[:-_CHECKSUM_BYTES], data[-_CHECKSUM_BYTES:]
    if len(data) <= _CHECKSUM_BYTES or zlib.crc32(payload).to_bytes(4, "little") != checksum:
        msg = "the checksum does not match"
        raise ValueError(msg)
    if payload[:1] != _VERSION or len(payload) < 30:
        msg = "unknown version or truncated"
        raise ValueError(msg)
    epoch, height, round_ = (int.from_bytes(payload[at : at + 8], "little") for at in (1, 9, 17))
    phase = Phase(payload[25])
    parts = []
    position = 26
    for _ in range(4):
        length = payload[position] if position < len(payload) else 0
        parts.append(payload[position + 1 : position + 1 + length])
        position += 1 + length
    if position != len(payload):
        msg = "trailing or missing bytes"
        raise ValueError(msg)
    engine, digest, outcome, signature = parts
    record = GuardRecord(
        VoteRequest(epoch, engine.decode(), height, round_, phase, digest, outcome), signature
    )
    if encode(record) != data:
        msg = "not the canonical form"
        raise ValueError(msg)
    return record
