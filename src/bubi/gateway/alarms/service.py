"""Evaluates the rules, records what follows, and tells whoever must know."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from bubi.gateway import shapes
from bubi.gateway.alarms import texts
from bubi.gateway.alarms.channels import HEARTBEAT, Message, deliver
from bubi.gateway.alarms.machine import Event, Machine, Reading, Transition
from bubi.gateway.alarms.records import Alarm, Channel, Delivery, Records
from bubi.gateway.alarms.rules import SEVERITIES, Rule

log = logging.getLogger("bubi.gateway.alarms")

RETRY_SECONDS = (1.0, 5.0, 25.0)
"""Waits between attempts to deliver a message."""
HEARTBEAT_SECONDS = 60.0
AT_ONCE = 8

Tell = Callable[[Channel, Message], str]


class Alarms:
    """See the module. Belongs to the event loop's thread; messages are sent from others.

    `publish` is told about every transition, for consoles that are open.
    """

    def __init__(self, records: Records, clock: Callable[[], int], tell: Tell = deliver) -> None:
        self.records = records
        self._clock = clock
        self._tell = tell
        self._machine = Machine(records.rules())
        self._tasks: set[asyncio.Task[None]] = set()
        self._room = asyncio.Semaphore(AT_ONCE)
        self.publish: Callable[[dict[str, Any]], None] = lambda _document: None
        for alarm in records.active():
            acknowledged = alarm.acknowledged is not None
            place, value = alarm.place, alarm.value
            self._machine.restore(place, value, alarm.fired, acknowledged=acknowledged)

    async def run(self) -> None:
        """Tells what an earlier process could not, then sends the signs of life, for ever."""
        self._tell_untold()
        try:
            while True:
                for channel in self._channels():
                    if channel.kind == HEARTBEAT:
                        self._start(self._deliver(channel, None, "heartbeat", ()))
                await asyncio.sleep(HEARTBEAT_SECONDS)
        finally:
            for task in self._tasks:
                task.cancel()

    # --- evaluation ----------------------------------------------------------------------

    def observe(self, readings: Iterable[Reading]) -> list[Alarm]:
        """Takes what was read at this moment; alarms that changed."""
        own = [
            Reading("channel_failing", name, float(count))
            for name, count in self.records.failures().items()
        ]
        transitions = self._machine.observe([*readings, *own], self._clock())
        return [self._apply(one) for one in transitions]

    def _apply(self, transition: Transition) -> Alarm:
        alarm = self.records.apply(transition)
        log.warning(
            "%s %s of %s: value %g, threshold %g",
            transition.event, alarm.code, alarm.key, transition.value, alarm.threshold,
        )  # fmt: skip
        self.publish({"event": transition.event.value, "alarm": self.document(alarm)})
        self._spread(alarm, transition.event)
        return alarm

    def _spread(self, alarm: Alarm, event: Event) -> None:
        if self.silenced(alarm):
            return
        for channel in self._channels():
            if self._wants(channel, alarm):
                self._start(self._deliver(channel, alarm, event.value, RETRY_SECONDS))

    @staticmethod
    def _wants(channel: Channel, alarm: Alarm) -> bool:
        high = SEVERITIES.index(alarm.severity) >= SEVERITIES.index(channel.severity)
        # A channel that fails cannot tell that it fails.
        own = alarm.code == "channel_failing" and alarm.key == channel.name
        return high and not own and channel.kind != HEARTBEAT

    def _channels(self) -> list[Channel]:
        return [one for one in self.records.channels() if one.enabled]

    def _tell_untold(self) -> None:
        """Active alarms that no attempt has delivered: the process ended before it could."""
        for alarm in self.records.active():
            told = {
                one.channel for one in self.records.deliveries(1_000, alarm.id) if one.delivered
            }
            if alarm.acknowledged is not None or self.silenced(alarm):
                continue
            for channel in self._channels():
                if channel.id not in told and self._wants(channel, alarm):
                    work = self._deliver(channel, alarm, Event.FIRED.value, RETRY_SECONDS)
                    self._start(work)

    # --- messages ------------------------------------------------------------------------

    async def test(self, channel: Channel) -> str:
        """Sends a test message now; what went wrong, or nothing."""
        language = texts.LANGUAGES.index(channel.language)
        message = Message(f"[Bubi] {texts.TEST[language]}", channel.name, {"event": "test"})
        error = await self._sent(channel, message)
        self.records.note(Delivery(channel.id, None, "test", self._clock(), not error, error))
        return error

    async def _deliver(
        self, channel: Channel, alarm: Alarm | None, event: str, waits: Sequence[float]
    ) -> None:
        message = Message("", "", {}) if alarm is None else self._message(channel, alarm, event)
        for wait in (*waits, None):
            async with self._room:
                error = await self._sent(channel, message)
            self.records.note(
                Delivery(
                    channel.id, None if alarm is None else alarm.id, event, self._clock(),
                    not error, error,
                )
            )  # fmt: skip
            if not error:
                return
            log.warning("a message through %s did not arrive: %s", channel.name, error)
            if wait is not None:
                await asyncio.sleep(wait)

    async def _sent(self, channel: Channel, message: Message) -> str:
        """Sends in a thread; what went wrong, or nothing.

        A defect of what sends is a failure like others: else it would be tried never again, and
        nobody would hear of it.
        """
        try:
            return await asyncio.to_thread(self._tell, channel, message)
        except Exception as error:
            log.exception("a message through %s could not be sent", channel.name)
            return f"internal: {type(error).__name__}"

    def _message(self, channel: Channel, alarm: Alarm, event: str) -> Message:
        language = channel.language
        resolved = event == Event.RESOLVED.value
        head = texts.head(alarm, language, resolved=resolved)
        fields = {"event": event, "alarm": self.document(alarm)}
        return Message(head, texts.body(alarm, language), fields)

    def _start(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("a message could not be sent", exc_info=task.exception())

    # --- what people do ------------------------------------------------------------------

    def silenced(self, alarm: Alarm) -> bool:
        """Whether a silence keeps this alarm quiet now."""
        now = self._clock()
        return any(one.covers(alarm, now) for one in self.records.silences(now))

    def acknowledge(self, number: int, who: str, comment: str) -> Alarm:
        """Somebody takes care of an alarm.

        Raises:
            UnknownError: there is none.
        """
        alarm = self.records.acknowledge(number, who, comment, self._clock())
        self._machine.acknowledge(alarm.place)
        self.publish({"event": "acknowledged", "alarm": self.document(alarm)})
        return alarm

    def set_rules(self, changed: Iterable[Rule]) -> None:
        """Changes rules; in force with the next look."""
        for rule in changed:
            self.records.save_rule(rule)
        self._machine.set_rules(self.records.rules())

    def document(self, alarm: Alarm) -> shapes.Alarm:
        """An alarm as JSON."""
        acknowledged: shapes.Acknowledged | None = None
        if alarm.acknowledged is not None:
            acknowledged = {
                "by": alarm.acknowledged_by or "",
                "time": str(alarm.acknowledged),
                "comment": alarm.comment or "",
            }
        return {
            "id": str(alarm.id),
            "state": "active" if alarm.resolved is None else "resolved",
            "code": alarm.code,
            "key": alarm.key,
            "detail": alarm.detail,
            "severity": alarm.severity.value,
            "layer": alarm.layer.value,
            "title": {"en": texts.title(alarm, "en"), "zh": texts.title(alarm, "zh")},
            "value": alarm.value,
            "threshold": alarm.threshold,
            "unit": alarm.unit,
            "fired": str(alarm.fired),
            "resolved": None if alarm.resolved is None else str(alarm.resolved),
            "acknowledged": acknowledged,
            "silenced": alarm.resolved is None and self.silenced(alarm),
        }
