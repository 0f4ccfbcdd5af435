"""The trace of a run: every input and every action, as numbers in a hash and as words.

An entry is (virtual time, node, kind, fingerprint). Fingerprints are checksums of bytes and
numbers, never `hash()`, whose value changes from process to process.
"""

import hashlib
from array import array
from collections import Counter
from collections.abc import Callable
from typing import Any
from zlib import crc32

from bubi import messages
from bubi.consensus import engine
from bubi.consensus.guard import VoteRequest
from bubi.replica import events

ENTRIES = 4 * 4_096
STRIKE, SUBMITTED = 1, 2
"""Kinds of entries of the harness: a fault that struck, what a client submitted."""

Say = Callable[[int, int, str], None]
"""Takes (virtual time in µs, node, text)."""


class Trace:
    """Collects entries; with `say` it also tells them in words."""

    __slots__ = ("_buffer", "_hash", "entries", "say")

    def __init__(self, say: Say | None = None) -> None:
        self._hash = hashlib.blake2b(digest_size=16)
        self._buffer = array("Q")
        self.entries = 0
        self.say = say

    def add(self, time: int, node: int, kind: int, print_: int) -> None:
        """Adds an entry of non-negative numbers."""
        self._buffer.extend((time, node, kind, print_))
        if len(self._buffer) >= ENTRIES:
            self._flush()

    def digest(self) -> str:
        """Hash of everything so far, in hex."""
        self._flush()
        return self._hash.hexdigest()

    def _flush(self) -> None:
        self.entries += len(self._buffer) // 4
        self._hash.update(self._buffer.tobytes())
        self._buffer = array("Q")


class Injected(Counter[str]):
    """Faults that struck, by class. Each strike enters the trace."""

    def __init__(self, trace: Trace, now: Callable[[], int]) -> None:
        super().__init__()
        self._trace = trace
        self._now = now

    def __setitem__(self, name: str, count: int) -> None:
        super().__setitem__(name, count)
        self._trace.add(self._now(), 0, STRIKE, crc32(name.encode(), count & 0xFFFFFFFF))


# --- fingerprints --------------------------------------------------------------------------------


def _request(request: VoteRequest) -> int:
    return crc32(
        b"%d %d %d %d" % (request.epoch, request.height, request.round, request.phase),
        crc32(request.digest, crc32(request.outcome)),
    )


def _vote(vote: engine.VoteMessage) -> int:
    return crc32(vote.signature, _request(vote.request) + vote.validator & 0xFFFFFFFF)


def _consensus(message: engine.ConsensusMessage) -> int:
    print_ = _vote(message.signed)
    if isinstance(message, engine.ProposalMessage):
        return crc32(message.proposal, crc32(message.justification, print_))
    if isinstance(message, engine.EngineMessage):
        return crc32(message.body, crc32(message.kind.encode(), print_))
    return print_


def _parts(parts: messages.BlockParts) -> int:
    return crc32(parts.proposal, crc32(parts.certificate, parts.height & 0xFFFFFFFF))


def _many(values: tuple[bytes, ...]) -> int:
    return crc32(b"".join(values))


def _blocks(message: messages.Blocks) -> int:
    print_ = message.number & 0xFFFFFFFF
    for parts in message.blocks:
        print_ = crc32(print_.to_bytes(4, "little"), _parts(parts))
    return print_


def _text(text: str) -> int:
    return crc32(text.encode())


def _status(status: messages.Status) -> int:
    return crc32(
        repr(
            (status.sequence, status.height, status.round, status.time, len(status.links))
        ).encode(),
        crc32(status.node, crc32(status.state_root)),
    )


_MESSAGES: dict[type, Callable[[Any], int]] = {
    messages.Consensus: lambda m: _consensus(m.message),
    messages.BatchBody: lambda m: crc32(m.digest),
    messages.BatchHave: lambda m: _many(m.digests),
    messages.BatchWant: lambda m: _many(m.digests),
    messages.BlockWanted: lambda m: m.time & 0xFFFFFFFF,
    messages.Transactions: lambda m: crc32(m.body),
    messages.Status: _status,
    messages.BlocksRequest: lambda m: crc32(b"%d %d %d" % (m.number, m.first, m.last)),
    messages.Blocks: _blocks,
}


def message_print(message: messages.PeerMessage) -> int:
    """Fingerprint of a message between nodes."""
    return _MESSAGES[type(message)](message)


def sent_print(peers: tuple[bytes, ...], message: int) -> int:
    """Fingerprint of a message, given by its own, that goes to these peers."""
    return crc32(b"".join(peers), message)


def _timer(timer: engine.TimerId) -> int:
    return crc32(b"%d %d " % (timer.height, timer.round) + timer.kind.encode())


def _tip(tip: events.Tip) -> int:
    return crc32(tip.digest, crc32(tip.state_root, tip.height & 0xFFFFFFFF))


def _outcome(event: Any) -> int:
    return crc32(event.digest, crc32(event.outcome or b"", event.height & 0xFFFFFFFF))


_EVENTS: dict[type, Callable[[Any], int]] = {
    # Inputs.
    events.Opened: lambda e: crc32(_many(tuple(r[1] for r in e.records)).to_bytes(4), _tip(e.tip)),
    events.PeerUp: lambda e: crc32(e.peer),
    events.PeerDown: lambda e: crc32(e.peer),
    events.Received: lambda e: crc32(e.peer, message_print(e.message)),
    events.PoolChanged: lambda _: 0,
    events.BlockNeeded: lambda e: e.time & 0xFFFFFFFF,
    events.Sealed: lambda e: crc32(e.batch.digest),
    events.BatchChecked: lambda e: crc32(e.digest, e.batch is not None),
    events.Proposed: lambda e: crc32(e.digest, e.round & 0xFFFFFFFF),
    events.ProposalChecked: lambda e: crc32(e.digest, e.valid * 2 + e.untimely),
    events.ProposalExecuted: _outcome,
    events.Signed: lambda e: crc32(e.signature, _request(e.request)),
    events.StatusSigned: lambda e: _status(e.status),
    events.LogSynced: lambda e: e.number & 0xFFFFFFFF,
    events.Committed: lambda e: _tip(e.tip),
    events.ApplyFailed: lambda e: crc32(e.reason.encode(), e.height & 0xFFFFFFFF),
    events.BlocksRead: lambda e: crc32(e.peer, len(e.blocks)),
    events.Elapsed: lambda e: _timer(e.timer),
    # Actions.
    events.SendTo: lambda a: sent_print(a.peers, message_print(a.message)),
    events.SetTimer: lambda a: _timer(a.timer) ^ a.delay_ms & 0xFFFFFFFF,
    events.CancelTimer: lambda a: _timer(a.timer),
    events.SealBatch: lambda a: crc32(b"%d %d" % (a.number, len(a.entries))),
    events.CheckBatch: lambda a: crc32(a.digest),
    events.MakeProposal: lambda a: crc32(
        b"%d %d %d" % (a.height, a.round, a.parent_round), len(a.batches)
    ),
    events.CheckProposal: lambda a: crc32(a.digest, a.height & 0xFFFFFFFF),
    events.ExecuteProposal: lambda a: crc32(a.digest, a.height & 0xFFFFFFFF),
    events.Append: lambda a: crc32(a.data, a.kind),
    events.SyncLog: lambda a: a.number & 0xFFFFFFFF,
    events.MirrorGuard: lambda a: crc32(a.record),
    events.Sign: lambda a: _request(a.request),
    events.SignStatus: lambda a: a.status.sequence & 0xFFFFFFFF,
    events.Commit: lambda a: _request(a.certificate.request),
    events.ApplyBlock: lambda a: _parts(a.parts),
    events.ReadBlocks: lambda a: crc32(b"%d %d %d" % (a.number, a.first, a.last)),
    events.Forwarded: lambda a: crc32(a.body),
    events.PenalisePeer: lambda a: crc32(a.peer, _text(a.reason)),
    engine.ReportEvidence: lambda a: _vote(a.first) ^ _vote(a.second),
    events.Alarm: lambda a: _text(a.code),
    events.Halt: lambda a: _text(a.code),
    events.Decided: lambda a: crc32(b"%d %d" % (a.height, a.synced), len(a.own)),
    events.Dropped: lambda a: len(a.entries),
    events.SendTransactions: lambda a: crc32(a.peer, len(a.entries)),
}

KINDS: dict[type, int] = {kind: number for number, kind in enumerate(_EVENTS, start=16)}
"""Number of each kind of input and action in the trace. Lower ones belong to the harness."""


def event_print(event: Any) -> int:
    """Fingerprint of an input or an action."""
    return _EVENTS[type(event)](event)
