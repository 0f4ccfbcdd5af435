"""Every order of events for four acceptors under Byzantine Paxos, by the engine's own step.

Members 0 to 2 are correct and run the production engine, without driver and guard; member 3 may
say whatever it can sign, at any time, to anybody. There are two values and a few ballots. What was
said once may be heard any time later or never. Nothing here knows a rule of the protocol: messages
are offered, the engine takes them or not.

What makes that finite and small, without leaving out an order that matters:

- Host and disk answer at once: signatures, validation and execution change nothing but time.
- Votes and 1b are offered in sets, and forgotten where they changed nothing: until they are a
  quorum they have no effect, and a member that heard fewer is one that did not hear them yet.
- A member may leave its ballot for the next one whenever it likes, as by its timer. Whatever
  else makes it leave has the same effect.
- 2b are not delivered: they change no state but that of who decides. Whether two values are
  chosen is seen from who gave one.
- Two states are the same if they differ by the names of values, or of members of equal role.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import combinations, permutations
from typing import Any, NamedTuple

from bubi.consensus.engine import (
    Configuration,
    EngineMessage,
    Execute,
    Executed,
    Input,
    Member,
    Message,
    PayloadReady,
    ProposalMessage,
    RequestPayload,
    Send,
    SignVote,
    Start,
    Suspect,
    TimerElapsed,
    TimerId,
    Validate,
    Validated,
    VoteMessage,
    VoteSigned,
    first_vote,
)
from bubi.consensus.guard import Phase
from bubi.consensus.height_state import Mode, copied
from bubi.consensus.parts import EpochStart, change_vote, signed_bytes
from bubi.consensus.paxos import PaxosEngine
from bubi.consensus.paxos_bytes import (
    NEXT,
    PHASE_1A,
    PHASE_1B,
    Claim,
    Evidence,
    Phase1,
    Promise,
    Shown,
    decode_shown,
    encode_claim,
    encode_proof,
    encode_shown,
    promise_vote,
)
from bubi.consensus.paxos_state import PaxosState
from bubi.consensus.votes import NO_VOTES
from bubi.simulation.twins import Table

CORRECT = (0, 1, 2)
LIAR = 3
QUORUM = 3
VALUES = "XY"
PAYLOAD: tuple[bytes, ...] = ()

Place = tuple[int, str]
"""A ballot and a value."""
Said = tuple[str, int, Any]
"""What kind of statement, in which ballot, and what it says."""


class Local(NamedTuple):
    """A correct member: what matters of its state, and all it ever said."""

    round: int
    mode: str
    accepted: str
    voted: Place | None
    promising: bool
    said: frozenset[Said]

    def swapped(self) -> "Local":
        """The same with the values exchanged."""
        return self._replace(
            accepted=_swap(self.accepted),
            voted=_swap(self.voted),
            said=frozenset(_swap(one) for one in self.said),
        )


def _swap(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(_swap(part) for part in value)
    return {"X": "Y", "Y": "X"}.get(value, value) if isinstance(value, str) else value


@dataclass
class Node:
    """A correct member as the engine has it, and the messages that it sent by kind and ballot."""

    state: PaxosState
    sent: dict[tuple[str, int], Any]


@dataclass
class Found:
    """What an exploration came to."""

    states: int = 0
    transitions: int = 0
    complete: bool = True
    violations: list[str] = field(default_factory=list)
    chosen: set[frozenset[Place]] = field(default_factory=set)
    """The sets of (ballot, value) that were chosen together, up to the names of values."""


class Explorer:
    """Explores from the start of height 1. `leaders` lead ballots 0, 1 …; no other ballots are."""

    def __init__(self, leaders: tuple[int, ...], make: Callable[[Any], Any] = PaxosEngine) -> None:
        self.leaders = leaders
        self.ballots = range(len(leaders))
        self.table = Table()
        self.engine = make(self.table)
        self.values = {name: (name.encode(), self.table.hash(name.encode())) for name in VALUES}
        self.names = {digest: name for name, (_, digest) in self.values.items()}
        members = tuple(Member(one, f"n{one}", "", bytes([one]), 1) for one in range(4))
        self.settings = [
            Configuration(0, "paxos", members, QUORUM, own, leaders=leaders) for own in range(4)
        ]
        self.nodes: dict[tuple[int, Local], Node] = {}
        self.numbers: dict[Local, int] = {}
        self.swaps: list[int] = []
        self.memory: dict[Any, list[Local]] = {}
        self.taken: dict[Any, bytes] = {}
        self.violations: list[str] = []
        self.orders = self._equal_roles()

    # --- the search ----------------------------------------------------------------------------

    def run(self, states_max: int = 10**9, *, decided: bool = False) -> Found:
        """Breadth first, up to a number of states.

        `decided`: only what follows on a value that was chosen in ballot 0 before anybody left it.
        """
        found = Found(violations=self.violations)
        seen: set[tuple[int, ...]] = set()
        level: list[tuple[Local, ...]] = []

        def reach(state: tuple[Local, ...]) -> None:
            key = self._canonical(state)
            if key not in seen:
                seen.add(key)
                level.append(state)
                self._judge(state, found)

        for state in self._decided() if decided else self._starts():
            reach(state)
        while level:
            present, level = level, []
            for state in present:
                if self.violations or found.states >= states_max:
                    found.complete = False
                    return found
                found.states += 1
                for after in self._successors(state):
                    found.transitions += 1
                    reach(after)
        return found

    def _decided(self) -> list[tuple[Local, ...]]:
        """What ballot 0 alone can come to, where something was chosen in it."""
        ballots, self.ballots = self.ballots, range(1)
        level = list(self._starts())
        seen = set(level)
        for state in level:
            following = [after for after in self._successors(state) if after not in seen]
            seen.update(following)
            level += following
        self.ballots = ballots
        # What was remembered of moves in ballot 0 alone leaves out those to others.
        self.memory.clear()
        found = Found()
        chosen = []
        for state in level:
            found.chosen.clear()
            self._judge(state, found)
            if found.chosen:
                chosen.append(state)
        return chosen

    def _starts(self) -> Iterator[tuple[Local, ...]]:
        """Height 1 begins; a correct leader of ballot 0 has either value to propose."""
        for value in VALUES:
            begun = [
                self._feed(member, None, [Start(1, self.settings[member])], value)
                for member in CORRECT
            ]
            yield tuple(begun)

    def _judge(self, state: tuple[Local, ...], found: Found) -> None:
        """Chosen is what a quorum gave a 2b for; the liar gives one for everything."""
        given: dict[Place, int] = {}
        for local in state:
            for kind, ballot, what in local.said:
                if kind == "2b":
                    given[ballot, what] = given.get((ballot, what), 0) + 1
        chosen = frozenset(place for place, count in given.items() if count + 1 >= QUORUM)
        if chosen:
            found.chosen.add(chosen)
        if len({value for _, value in chosen}) > 1:
            self.violations.append(f"agreement: {sorted(chosen)}: {state}")

    def _equal_roles(self) -> list[tuple[int, ...]]:
        """Orders of the correct members in which leaders keep their place."""
        return [
            order
            for order in permutations(CORRECT)
            if all(order[one] == one for one in CORRECT if one in self.leaders)
        ]

    def _number(self, local: Local) -> int:
        number = self.numbers.get(local)
        if number is None:
            number = self.numbers[local] = len(self.numbers)
            self.swaps.append(-1)
        return number

    def _canonical(self, state: tuple[Local, ...]) -> tuple[int, ...]:
        numbers = [self._number(local) for local in state]
        swapped = []
        for local, number in zip(state, numbers, strict=True):
            if self.swaps[number] < 0:
                other = self._number(local.swapped())
                self.swaps[number], self.swaps[other] = other, number
            swapped.append(self.swaps[number])
        return min(
            (parts[order[0]], parts[order[1]], parts[order[2]])
            for parts in (numbers, swapped)
            for order in self.orders
        )

    def _successors(self, state: tuple[Local, ...]) -> Iterator[tuple[Local, ...]]:
        heard = _Heard(state, self.ballots)
        for member in CORRECT:
            local = state[member]
            reached = {after for after in self._moves(member, local, heard) if after != local}
            for after in reached:
                yield (*state[:member], after, *state[member + 1 :])

    # --- what may happen to one member ---------------------------------------------------------

    def _moves(self, member: int, local: Local, heard: "_Heard") -> Iterator[Local]:
        yield from self._known(self._leave, member, local)
        ballot = local.round
        if local.mode == "changing":
            leader = self.leaders[ballot]
            if leader == member:
                promises, given = heard.promises[ballot], heard.given.below(ballot, VALUES)
                yield from self._known(self._lead, member, local, promises, given)
            elif leader == LIAR or ("1a", ballot, "") in heard.said[leader]:
                yield from self._known(self._promise, member, local)
        for value in VALUES:
            given = heard.given.below(len(self.ballots), value)
            yield from self._known(self._vote, member, local, value, given)
            for other in self.ballots:
                yield from self._values(member, local, other, value, heard)

    def _values(
        self, member: int, local: Local, ballot: int, value: str, heard: "_Heard"
    ) -> Iterable[Local]:
        """1c of a ballot, from a correct leader or from the liar."""
        leader = self.leaders[ballot]
        if leader == member:
            return ()
        if leader == LIAR:
            promises, given = heard.promises[ballot], heard.given.below(ballot, value)
            return self._known(self._believe, member, local, ballot, value, promises, given)
        if ("1c", ballot, value) not in heard.said[leader]:
            return ()
        message = self.nodes[leader, heard.state[leader]].sent["1c", ballot]
        return self._known(self._follow, member, local, ballot, value, message=message)

    def _known(
        self, move: Any, member: int, local: Local, *rest: Any, **message: Any
    ) -> list[Local]:
        """The results of a move, from memory if it was made before."""
        key = (move.__name__, member, local, rest)
        results = self.memory.get(key)
        if results is None:
            results = self.memory[key] = list(move(member, local, *rest, **message))
        return results

    def _leave(self, member: int, local: Local) -> Iterator[Local]:
        """Its timer runs out, or it has another reason to go to the next ballot."""
        if local.round + 1 not in self.ballots:
            return
        if local.mode == "normal":
            yield self._feed(member, local, [Suspect(1, local.round, "")])
            return
        state = copied(self.nodes[member, local].state)
        state.armed = frozenset({"change"})
        timer = TimerElapsed(TimerId(1, local.round, "change"))
        yield self._feed(member, local, [timer], state=state)

    def _promise(self, member: int, local: Local) -> Iterator[Local]:
        """The 1a of the leader of the ballot to which it goes."""
        leader = self.leaders[local.round]
        digest = self.table.hash(signed_bytes(PHASE_1A, NEXT))
        request = change_vote(self.settings[member], 1, local.round, digest)
        message = EngineMessage(self._signed(leader, request), PHASE_1A, NEXT)
        yield self._feed(member, local, [Message(leader, message)])

    def _lead(
        self, member: int, local: Local, promises: "Promises", given: "Given"
    ) -> Iterator[Local]:
        """1b of others, one or two of them, and either value if the choice is free."""
        ballot = local.round
        offered = [
            Message(other, self._promise_message(other, ballot, claim, given))
            for other, claim in promises
            if other != member
        ]
        lies = [
            Message(LIAR, self._promise_message(LIAR, ballot, claim, given))
            for claim in self._claims(ballot)
        ]
        sets: list[tuple[Message, ...]] = [(one,) for one in (*offered, *lies)]
        sets += [(one, two) for one, two in combinations(offered, 2)]
        sets += [(one, two) for one in offered for two in lies]
        for chosen in sets:
            for value in VALUES:
                yield self._feed(member, local, list(chosen), value)

    def _vote(self, member: int, local: Local, value: str, given: "Given") -> Iterator[Local]:
        """2av for a value by everybody else who gave one, of whatever ballot."""
        events: list[Input] = []
        for ballot in self.ballots:
            request = first_vote(self.settings[member], 1, ballot, self.values[value][1])
            voters = given.get((ballot, value))
            events += [
                Message(other, self._signed(other, request)) for other in voters if other != member
            ]
        yield self._feed(member, local, events)

    def _follow(
        self, member: int, local: Local, ballot: int, value: str, message: ProposalMessage
    ) -> Iterator[Local]:
        """The 1c of a correct leader."""
        yield self._feed(member, local, [Message(self.leaders[ballot], message)])

    def _believe(
        self,
        member: int,
        local: Local,
        ballot: int,
        value: str,
        promises: "Promises",
        given: "Given",
    ) -> Iterator[Local]:
        """A 1c of the liar, with each proof that it can make up of what was said.

        Where the ballot is over for a member, or another one with the same 2b behind it has judged
        these proofs, one is offered: the one that was taken.
        """
        proposal, digest = self.values[value]
        request = first_vote(self.settings[member], 1, ballot, digest)
        signed = self._signed(LIAR, replace(request, phase=Phase.PROPOSAL))
        place = (ballot, value, promises, given)
        taken = self.taken.get((*place, local.voted))
        over = ballot < local.round or (ballot == local.round and bool(local.accepted))
        proofs: Iterable[bytes] = self._proofs(ballot, value, promises, given)
        if over or taken is not None:
            proofs = (taken or encode_proof(EpochStart()),)
        for proof in proofs:
            message = ProposalMessage(signed, proposal, PAYLOAD, proof)
            after = self._feed(member, local, [Message(LIAR, message)])
            yield after
            if ("2av", ballot, value) in after.said - local.said:
                # Another proof for the same value does the same.
                self.taken[*place, local.voted] = proof
                return
        if not over:
            self.taken.setdefault((*place, local.voted), b"")

    def _proofs(
        self, ballot: int, value: str, promises: "Promises", given: "Given"
    ) -> Iterator[bytes]:
        yield encode_proof(EpochStart())
        evidences: list[Evidence | None] = [None]
        for lower in range(ballot):
            shown = self._shown(lower, value, given)
            evidences.append(Evidence(lower, shown.votes))
        true = {other: self._told(other, ballot, claim) for other, claim in promises}
        lies = [self._told(LIAR, ballot, claim) for claim in self._claims(ballot)]
        sets = [tuple(true.values())]
        for size in (2, 1, 0):
            for some in combinations(true.values(), size):
                sets += [(*some, lie) for lie in lies]
        sets += [(lie, lie, lie) for lie in lies]
        # Signatures of others that it does not have.
        forged = [Promise(other, b"forged", None) for other in CORRECT]
        sets += [(*forged[:2], lie) for lie in lies] + [tuple(forged)]
        # Those of other ballots, as if they were of this one.
        for other in self.ballots:
            if other != ballot:
                sets += [
                    (*some, self._told(LIAR, ballot, None))
                    for some in combinations(self._of_other(other), 2)
                ]
        for chosen in sets:
            for evidence in evidences:
                yield encode_proof(Phase1(chosen, evidence, None))

    def _of_other(self, ballot: int) -> list[Promise]:
        """1b of another ballot by who gave no 2b, whether they were said or not."""
        return [self._told(other, ballot, None) for other in CORRECT]

    # --- messages ------------------------------------------------------------------------------

    def _signed(self, member: int, request: Any) -> VoteMessage:
        return VoteMessage(member, request, self.table.sign(member, request))

    def _claims(self, ballot: int) -> list[Place | None]:
        """What the liar may claim in a 1b: no 2b, or one in a lower ballot."""
        return [None, *((lower, value) for lower in range(ballot) for value in VALUES)]

    def _claim(self, place: Place | None) -> Claim | None:
        return None if place is None else Claim(place[0], self.values[place[1]][1])

    def _told(self, member: int, ballot: int, place: Place | None) -> Promise:
        claim = self._claim(place)
        digest = self.table.hash(signed_bytes(PHASE_1B, encode_claim(claim)))
        request = promise_vote(self.settings[0], 1, ballot, digest)
        return Promise(member, self.table.sign(member, request), claim)

    def _shown(self, ballot: int, value: str, given: "Given") -> Shown:
        """The 2av for a value, the liar's among them, be they a quorum or not."""
        digest = self.values[value][1]
        request = first_vote(self.settings[0], 1, ballot, digest)
        voters = sorted(given.get((ballot, value)))
        votes = tuple((one, self.table.sign(one, request)) for one in voters)
        return Shown(Claim(ballot, digest), votes)

    def _promise_message(
        self, member: int, ballot: int, place: Place | None, given: "Given"
    ) -> ProposalMessage:
        told = self._told(member, ballot, place)
        digest = self.table.hash(signed_bytes(PHASE_1B, encode_claim(told.claim)))
        request = promise_vote(self.settings[0], 1, ballot, digest)
        signed = VoteMessage(member, request, told.signature)
        if place is None:
            return ProposalMessage(signed, b"", (), encode_shown(None))
        shown = self._shown(*place, given)
        return ProposalMessage(signed, self.values[place[1]][0], PAYLOAD, encode_shown(shown))

    # --- the engine ----------------------------------------------------------------------------

    def _feed(
        self,
        member: int,
        before: Local | None,
        events: list[Any],
        value: str = "X",
        state: PaxosState | None = None,
    ) -> Local:
        """What becomes of a member; signatures, payload, validation and execution come at once."""
        sent: dict[tuple[str, int], Any] = {}
        said: set[Said] = set()
        if before is None:
            state = self.engine.initial()
        else:
            node = self.nodes[member, before]
            state = node.state if state is None else state
            sent.update(node.sent)
            said |= before.said
        inputs: list[Input] = list(events)
        while inputs:
            state, effects = self.engine.step(state, inputs.pop(0))
            for effect in effects:
                match effect:
                    case SignVote():
                        signature = self.table.sign(member, effect.request)
                        inputs.append(VoteSigned(effect.request, signature))
                    case Validate():
                        inputs.append(Validated(1, effect.digest, valid=True))
                    case Execute():
                        outcome = self.table.hash(b"outcome " + effect.digest)
                        inputs.append(Executed(1, effect.digest, outcome))
                    case RequestPayload():
                        proposal, digest = self.values[value]
                        inputs.append(PayloadReady(1, effect.round, digest, proposal, PAYLOAD))
                    case Send() if effect.message.signed.validator == member:
                        self._record(member, effect.message, said, sent)
                    case _:
                        pass
        return self._settled(member, state, said, sent)

    def _record(
        self, member: int, message: Any, said: set[Said], sent: dict[tuple[str, int], Any]
    ) -> None:
        request = message.signed.request
        what: Any = self.names.get(request.digest, "")
        if request.phase is Phase.GRANT:
            shown = decode_shown(message.justification)
            claim = shown.claim if shown is not None else None
            what = None if claim is None else (claim.ballot, self.names[claim.digest])
        kind = {0: "1a", 1: "1b", 2: "1c", 3: "2av", 4: "2b"}[int(request.phase)]
        if any(one[:2] == (kind, request.round) and one[2] != what for one in said):
            self.violations.append(f"two statements of member {member}: {kind} {request.round}")
        if isinstance(message, VoteMessage) and request.phase is Phase.PROPOSAL:
            # Shown to who voted otherwise: no new statement.
            return
        said.add((kind, request.round, what))
        sent[kind, request.round] = message

    def _settled(
        self,
        member: int,
        state: PaxosState,
        said: set[Said],
        sent: dict[tuple[str, int], Any],
    ) -> Local:
        """Forgets what had no effect yet: it is heard again, or never."""
        state = copied(state)
        state.votes = NO_VOTES
        state.changes = {one: kept for one, kept in state.changes.items() if one == member}
        state.promises = {one: kept for one, kept in state.promises.items() if one == member}
        state.own = ()
        state.armed = frozenset()
        voted = state.voted
        local = Local(
            state.round,
            "changing" if state.mode is Mode.CHANGING else "normal",
            self.names.get(state.accepted, ""),
            (voted.round, self.names[voted.digest]) if voted is not None else None,
            state.promising,
            frozenset(said),
        )
        self.nodes.setdefault((member, local), Node(state, sent))
        return local


Promises = tuple[tuple[int, Place | None], ...]
"""1b that correct members said for one ballot."""


class Given:
    """Who gave a 2av for what: the liar always did."""

    def __init__(self, places: dict[Place, frozenset[int]]) -> None:
        self._places = places
        self._key = frozenset(places.items())
        self._hash = hash(self._key)

    def below(self, ballot: int, values: str) -> "Given":
        """What concerns some values in lower ballots."""
        return Given(
            {
                place: who
                for place, who in self._places.items()
                if place[0] < ballot and place[1] in values
            }
        )

    def get(self, place: Place) -> frozenset[int]:
        """Who gave one for a value in a ballot."""
        return self._places.get(place, frozenset({LIAR}))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Given) and self._key == other._key

    def __hash__(self) -> int:
        return self._hash


class _Heard:
    """What was said so far by the correct members of a state."""

    def __init__(self, state: tuple[Local, ...], ballots: range) -> None:
        self.state = state
        self.said = [local.said for local in state]
        places: dict[Place, frozenset[int]] = {}
        promises: dict[int, list[tuple[int, Place | None]]] = {ballot: [] for ballot in ballots}
        for member, local in enumerate(state):
            for kind, ballot, what in local.said:
                if kind == "2av":
                    place = (ballot, what)
                    places[place] = places.get(place, frozenset({LIAR})) | {member}
                elif kind == "1b":
                    promises[ballot].append((member, what))
        self.given = Given(places)
        self.promises: dict[int, Promises] = {
            ballot: tuple(told) for ballot, told in promises.items()
        }
