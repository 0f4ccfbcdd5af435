"""Cursors of lists: positions in a leased view of one height, so that a list never shifts.

A cursor is opaque: a lease number, a position and a keyed checksum of both with the list they
belong to. Leases end after a time, or early when there are too many; their cursors then get
`cursor_expired`.
"""

import base64
import binascii
import hashlib
import hmac
import secrets
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass

from bubi import core
from bubi.node.api.problems import ProblemError

_NUMBER_BYTES = 8
_CHECKSUM_BYTES = 16


@dataclass(slots=True)
class _Held:
    lease: core.Lease
    ends: float


@dataclass(frozen=True, slots=True)
class ListName:
    """Which list is read: kind and scope as `Lease.page` takes them."""

    kind: str
    scope: str


@dataclass(frozen=True, slots=True)
class Page:
    """One page: the items as a JSON list, and where to go on."""

    height: int
    items: bytes
    cursor: str | None


class LeaseTable:
    """Leases by number, oldest first.

    Belongs to one thread at a time; the API calls it under a lock.
    """

    def __init__(self, chain: core.Chain, leases_max: int, seconds: int) -> None:
        self._chain = chain
        self._max = leases_max
        self._seconds = seconds
        self._held: OrderedDict[bytes, _Held] = OrderedDict()
        self._secret = secrets.token_bytes(32)
        self._lock = threading.Lock()

    def page(self, name: ListName, cursor: str | None, limit: int, now_ms: int) -> Page:
        """Reads a page; what has lapsed is judged at `now_ms` or at a later block's time.

        Raises:
            ProblemError: the cursor is wrong or its lease has ended.
        """
        with self._lock:
            self._drop_ended()
        if cursor is None:
            return self._read(name, None, self._lease(), b"", limit, now_ms)
        number, position = self._open_cursor(name, cursor)
        with self._lock:
            held = self._held.get(number)
        if held is None:
            raise ProblemError("cursor_expired")
        return self._read(name, number, held.lease, position, limit, now_ms)

    def _read(
        self,
        name: ListName,
        number: bytes | None,
        lease: core.Lease,
        position: bytes,
        limit: int,
        now_ms: int,
    ) -> Page:
        items, following = lease.page(name.kind, name.scope, position, limit, now_ms)
        if not following:
            return Page(lease.height, items, None)
        if number is None:
            number = secrets.token_bytes(_NUMBER_BYTES)
            with self._lock:
                self._make_room()
                self._held[number] = _Held(lease, time.monotonic() + self._seconds)
        return Page(lease.height, items, self._make_cursor(name, number, following))

    def _lease(self) -> core.Lease:
        with self._lock:
            self._make_room()
        try:
            return self._chain.lease()
        except core.CoreError as error:
            raise ProblemError("too_many_leases", core.error_detail(error)) from None

    def _make_room(self) -> None:
        while len(self._held) >= self._max:
            self._held.popitem(last=False)

    def _drop_ended(self) -> None:
        now = time.monotonic()
        while self._held:
            number, held = next(iter(self._held.items()))
            if held.ends > now:
                return
            del self._held[number]

    def _make_cursor(self, name: ListName, number: bytes, position: bytes) -> str:
        checksum = self._checksum(name, number + position)
        return base64.urlsafe_b64encode(checksum + number + position).decode().rstrip("=")

    def _open_cursor(self, name: ListName, cursor: str) -> tuple[bytes, bytes]:
        try:
            padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
            data = base64.b64decode(padded, altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raise ProblemError("cursor_invalid") from None
        checksum, payload = data[:_CHECKSUM_BYTES], data[_CHECKSUM_BYTES:]
        if not hmac.compare_digest(checksum, self._checksum(name, payload)):
            # Cursors of an earlier run of the node end here too.
            raise ProblemError("cursor_invalid")
        return payload[:_NUMBER_BYTES], payload[_NUMBER_BYTES:]

    def _checksum(self, name: ListName, payload: bytes) -> bytes:
        text = f"{name.kind}\0{name.scope}\0".encode()
        return hmac.digest(self._secret, text + payload, hashlib.sha256)[:_CHECKSUM_BYTES]
