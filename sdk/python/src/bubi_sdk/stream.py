"""Server-sent events that never lose their place: a reader without sockets."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass

from bubi_sdk.codec import Json, parse_json
from bubi_sdk.errors import MalformedJson, UnexpectedAnswer
from bubi_sdk.flows import Request, Response, refusal

_LINE_MAX = 16 * 1_048_576


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """One event of a stream. `id` is where to resume: give it as `after`."""

    id: str
    kind: str
    data: Json

    @property
    def height(self) -> int | None:
        """Height of the block, from the id `height:index`."""
        head = self.id.partition(":")[0]
        return int(head) if head.isascii() and head.isdigit() and len(head) <= 20 else None


class StreamReader:
    """Parses the event stream, remembers the last id, and says when and how to connect again."""

    def __init__(
        self,
        path: str,
        parameters: Mapping[str, str] | None = None,
        after: str | None = None,
        *,
        first_pause: float = 0.5,
        longest_pause: float = 30.0,
    ) -> None:
        self._path, self._parameters = path, dict(parameters or {})
        self.last_id = after
        self._first_pause, self._longest_pause = first_pause, longest_pause
        self._failures = 0
        self._start()

    def _start(self) -> None:
        self._buffer = b""
        self._kind, self._lines, self._id = "", list[str](), self.last_id

    def request(self) -> Request:
        """The request that begins or resumes the stream."""
        self._start()
        headers = {"accept": "text/event-stream", "cache-control": "no-store"}
        if self.last_id is not None:
            headers["last-event-id"] = self.last_id
        return Request("GET", self._path, self._parameters, headers)

    def opened(self, response: Response) -> bool:
        """Whether events follow; False: try again later. Raises if that makes no sense."""
        if response.status == 200:
            kind = response.headers.get("content-type", "")
            if not kind.startswith("text/event-stream"):
                raise UnexpectedAnswer(f"expected an event stream, got {kind or 'nothing'}")
            return True
        error = refusal(response)
        if not error.retryable:
            raise error
        if error.retry_after:
            self._first_pause = max(self._first_pause, error.retry_after)
        return False

    def feed(self, data: bytes) -> list[StreamEvent]:
        """Takes bytes as they come and returns the events that are complete."""
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        texts = (line.removesuffix(b"\r").decode("utf-8", "replace") for line in lines)
        events = [event for text in texts if (event := self._line(text)) is not None]
        if len(self._buffer) > _LINE_MAX:
            raise UnexpectedAnswer("a line of the event stream has no end")
        return events

    def _line(self, line: str) -> StreamEvent | None:
        if not line:
            return self._finish()
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "event":
            self._kind = value
        elif name == "data":
            self._lines.append(value)
        elif name == "id" and "\x00" not in value:
            self._id = value
        elif name == "retry" and value.isascii() and value.isdigit() and len(value) < 7:
            self._first_pause = min(int(value) / 1_000, self._longest_pause)
        return None

    def _finish(self) -> StreamEvent | None:
        lines, kind, self._lines, self._kind = self._lines, self._kind, [], ""
        # Only a complete event moves the place to resume; half of one is read again.
        self.last_id = self._id
        if not lines:
            return None
        self._failures = 0
        try:
            data = parse_json("\n".join(lines))
        except MalformedJson as error:
            raise UnexpectedAnswer("an event whose data is not JSON") from error
        return StreamEvent(self.last_id or "", kind or "message", data)

    def pause(self) -> float:
        """Seconds to wait before connecting again: longer after each failure."""
        longest = min(self._longest_pause, self._first_pause * 2.0 ** min(self._failures, 16))
        self._failures += 1
        # Chance only spreads reconnecting clients over time.
        return longest * (0.5 + random.random() / 2)  # noqa: S311
