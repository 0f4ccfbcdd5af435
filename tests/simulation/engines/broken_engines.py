"""Engines that break one requirement each, made of a sound one."""

import time
from dataclasses import replace

from bubi.consensus import PbftEngine
from bubi.consensus.engine import Message, Send, SetTimer, Start, VoteMessage


class Changed:
    """PBFT behind a change of what goes in or comes out."""

    name = "broken.changed"

    def __init__(self, signatures):
        self._inner = PbftEngine(signatures)

    def initial(self):
        return self._inner.initial()

    def progress(self, state):
        return self._inner.progress(state)

    def step(self, state, event):
        return self._inner.step(state, event)


class TooFew(Changed):
    """Takes two of four for a quorum."""

    def step(self, state, event):
        if isinstance(event, Start):
            fewer = replace(event.configuration, quorum=event.configuration.quorum - 1)
            event = replace(event, configuration=fewer)
        return super().step(state, event)


class Talker(Changed):
    """Says everything many times."""

    def step(self, state, event):
        after, effects = super().step(state, event)
        return after, tuple(
            one for effect in effects for one in [effect] * (20 if type(effect) is Send else 1)
        )


class Moody(Changed):
    """Waits as long as the clock and the order of a set of texts say."""

    def step(self, state, event):
        after, effects = super().step(state, event)
        first = next(iter({"a", "b", "c", "d", "e", "f"}))
        return after, tuple(
            replace(one, delay_ms=one.delay_ms + ord(first) % 7 + time.time_ns() % 3)
            if isinstance(one, SetTimer)
            else one
            for one in effects
        )


class Altering(Changed):
    """Changes the state that it was given."""

    def step(self, state, event):
        after, effects = super().step(state, event)
        state.ticks += 1
        return after, effects


class Liar(Changed):
    """Passes its own vote on before anybody signed it."""

    def step(self, state, event):
        after, effects = super().step(state, event)
        forged = [
            Send(None, VoteMessage(after.configuration.own, one.request, b"forged"))
            for one in effects
            if type(one).__name__ == "SignVote"
        ]
        return after, (*effects, *forged)


class Hoarder(Changed):
    """Never forgets anything that it hears."""

    def initial(self):
        return (super().initial(), ())

    def progress(self, state):
        return self._inner.progress(state[0])

    def step(self, state, event):
        after, effects = self._inner.step(state[0], event)
        kept = (*state[1], event.message.body) if _has_body(event) else state[1]
        return (after, kept), effects


def _has_body(event):
    return isinstance(event, Message) and hasattr(event.message, "body")


class Undotted(Changed):
    """Has a name that one of our own could have one day."""

    name = "broken"
