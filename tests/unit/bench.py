"""One member of four under test, step by step; what it asks to be signed is signed at once."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from bubi.consensus import engine_named
from bubi.consensus.engine import (
    Certificate,
    ConsensusMessage,
    Effect,
    EngineMessage,
    Input,
    Message,
    Persist,
    ProposalMessage,
    Send,
    SetTimer,
    SignVote,
    Start,
    VoteMessage,
    VoteSigned,
    commit_vote,
    first_vote,
)
from bubi.consensus.guard import Phase, VoteRequest
from bubi.consensus.height_state import Mode
from bubi.consensus.parts import Prepared, change_vote, signed_bytes

from .cluster import IdealSignatures, configuration, digest_of, sha, sign

SIGNATURES = IdealSignatures()
OUTCOME = sha(b"outcome")
PARENT = sha(b"parent")

Body = tuple[bytes, tuple[bytes, ...], bytes]


def body(name: bytes) -> Body:
    """Proposal, payload and digest."""
    payload = (sha(b"batch", name),)
    return name, payload, digest_of(name, payload)


A, B = body(b"A"), body(b"B")
DIGEST, OTHER = A[2], B[2]


class Voices:
    """What the members of an engine's network can sign."""

    def __init__(self, engine: str) -> None:
        self.settings = configuration(4, 1, turn_blocks=4, engine=engine)

    def vote(self, member: int, request: VoteRequest) -> VoteMessage:
        return VoteMessage(member, request, sign(self.settings.members[member].key, request))

    def first(
        self, member: int, round_: int = 0, digest: bytes = DIGEST, height: int = 1
    ) -> VoteMessage:
        return self.vote(member, first_vote(self.settings, height, round_, digest))

    def commit(
        self,
        member: int,
        round_: int = 0,
        digest: bytes = DIGEST,
        outcome: bytes = OUTCOME,
        height: int = 1,
    ) -> VoteMessage:
        return self.vote(member, commit_vote(self.settings, height, round_, digest, outcome))

    def certificate(
        self, height: int, round_: int = 0, who: Iterable[int] = (0, 1, 2), digest: bytes = PARENT
    ) -> Certificate:
        """Of the parent of height + 1."""
        request = commit_vote(self.settings, height, round_, digest, OUTCOME)
        votes = tuple((member, self.vote(member, request).signature) for member in who)
        return Certificate(request, votes)

    def prepared(
        self, round_: int = 0, what: Body = A, who: Iterable[int] = (0, 2, 3)
    ) -> Prepared:
        votes = tuple((member, self.first(member, round_, what[2]).signature) for member in who)
        return Prepared(round_, what[2], what[0], what[1], votes)

    def asking(
        self, member: int, round_: int, kind: str, content: bytes, height: int = 1
    ) -> EngineMessage:
        digest = SIGNATURES.hash(signed_bytes(kind, content))
        signed = self.vote(member, change_vote(self.settings, height, round_, digest))
        return EngineMessage(signed, kind, content)


class Bench:
    """One member and the effects of the last input. Signatures come back at once."""

    name = ""

    def __init__(self, own: int | None = 1, **start: Any) -> None:
        self.engine = engine_named(self.name, SIGNATURES)
        self.state = self.engine.initial()
        self.own = own
        self.effects: list[Effect] = []
        self.settings = replace(Voices(self.name).settings, own=own)
        self.feed(Start(start.pop("height", 1), self.settings, **start))

    def feed(self, *events: Input | ConsensusMessage) -> "Bench":
        self.effects = []
        for event in events:
            is_input = not isinstance(event, ProposalMessage | VoteMessage | EngineMessage)
            queue: list[Input] = [
                event if is_input else Message(event.signed.validator, event)  # type: ignore[list-item, union-attr]
            ]
            while queue:
                self.state, effects = self.engine.step(self.state, queue.pop(0))
                self.effects += effects
                for effect in effects:
                    if isinstance(effect, SignVote):
                        key = self.settings.members[self.own or 0].key
                        queue.append(VoteSigned(effect.request, sign(key, effect.request)))
        return self

    def of(self, kind: type[Any]) -> list[Any]:
        return [effect for effect in self.effects if isinstance(effect, kind)]

    def said(self) -> list[tuple[Phase, int]]:
        """Phase and round of everything of its own that was sent, to all or to one."""
        return [
            (effect.message.signed.request.phase, effect.message.signed.request.round)
            for effect in self.of(Send)
            if effect.message.signed.validator == self.own
        ]

    def timers(self) -> dict[str, int]:
        return {effect.timer.kind: effect.delay_ms for effect in self.of(SetTimer)}

    @property
    def place(self) -> tuple[Mode, int]:
        return self.state.mode, self.state.round

    def again(self, records: list[Persist], sent: list[Send]) -> "Bench":
        """The member after a restart, with these records and what it had signed in `sent`."""
        votes = tuple(
            dict.fromkeys(
                effect.message.signed.request
                for effect in sent
                if effect.message.signed.validator == self.own
            )
        )
        recovered = tuple((one.kind, one.data) for one in records)
        return type(self)(self.own, votes=votes, recovered=recovered)
