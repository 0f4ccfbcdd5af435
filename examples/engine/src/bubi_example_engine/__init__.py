"""`example.rounds`: an engine of the IBFT family, installed beside Bubi.

The leader of a round proposes, a quorum of first votes prepares, a quorum of commit votes decides.
Who waits too long asks all for the next round and says what it prepared. The next leader shows the
requests of a quorum and must repeat what was prepared in the highest round among them: a decided
proposal was prepared by a quorum, so one of them names it. `HeightRules` has what all engines do.
"""

from dataclasses import dataclass

from bubi.consensus import parts
from bubi.consensus.engine import Certificate, ProposalMessage, VoteMessage, first_vote
from bubi.consensus.guard import SIGNATURE_BYTES_MAX, Phase, VoteRequest
from bubi.consensus.height import HeightEngine, HeightRules
from bubi.consensus.height_state import Check, HeightState
from bubi.consensus.parts import Prepared, signed_bytes
from bubi.consensus.votes import certificate_fault, weight_of
from bubi.encoding import EncodingError, Reader, Writer

REQUEST = "round_request"
BODY_BYTES_MAX = 131_072
Request = tuple[int, bytes, bytes]


@dataclass
class RoundsState(HeightState[Prepared]):
    """`prepared` is the newest proposal for which this node may have given a commit vote."""

    prepared: Prepared | None = None


class RoundsEngine(HeightEngine[RoundsState]):
    """See the module."""

    name = "example.rounds"
    changing = "asking for a round"

    def initial(self) -> RoundsState:
        """The state before the first height."""
        return RoundsState()

    def _rules(self, state: RoundsState) -> "_Rules":
        return _Rules(self._signatures, state)


class _Rules(HeightRules[RoundsState]):
    __slots__ = ()
    request_kind = REQUEST

    def _fresh(self) -> bytes:
        return _encode(self.state.parent, ())

    def _proposal(self, message: ProposalMessage) -> None:
        """Accepts what the leader of a round proposes, if its justification holds."""
        if not self._is_leaders(message):
            return
        self._count(message.signed)
        if not self._is_open(message.signed):
            return
        state, request = self.state, message.signed.request
        try:
            parent, requests = _decode(message.justification, self)
            best = self._best(requests, request.round) if requests else None
        except EncodingError:
            return
        shown = 0 if parent is None else parent.request.round
        begins = 0 if parent is None else shown + self._rotation()
        if (
            (state.parent is not None if parent is None else not self._is_parent(parent))
            or (not requests and request.round != begins)
            or (best is not None and best.digest != request.digest)
        ):
            return
        self._accept(message, None if best else shown, begins=not requests)
        self._consider()

    def _best(self, requests: tuple[Request, ...], round_: int) -> Prepared | None:
        """What must be repeated, if the requests are those of a quorum."""
        state = self.state
        members = [member for member, _, _ in requests]
        if members != sorted(set(members)) or members[-1] >= len(state.configuration.members):
            raise EncodingError("not ascending members")
        if weight_of(state.configuration, members) < state.configuration.quorum:
            raise EncodingError("not a quorum")
        for member, signature, body in requests:
            digest = self.signatures.hash(signed_bytes(REQUEST, body))
            vote = parts.change_vote(state.configuration, state.height, round_, digest)
            signed = VoteMessage(member, vote, signature)
            if not self.signatures.verify(state.configuration, signed):
                raise EncodingError("a signature is wrong")
        return _highest([self._read_request(body, round_) for _, _, body in requests])

    def _say_first(self, vote: VoteMessage) -> None:
        known = self.state.proposals[self.state.accepted]
        justification = self.state.justification
        proposal = ProposalMessage(vote, known.proposal, known.payload, justification)
        self._say(proposal if self._leads() else vote)

    def _vote(self, vote: VoteMessage) -> None:
        request, weight = vote.request, self._count(vote)
        if weight < self.state.configuration.quorum:
            return
        if request.phase is Phase.COMMIT:
            self._decide(request)
        elif request.round == self.state.round and request.digest == self.state.accepted:
            self._prepare()

    def _has_first_quorum(self) -> bool:
        state = self.state
        weight = state.votes.weight(state.round, Phase.FIRST, state.accepted)
        return weight >= state.configuration.quorum

    def _prepare(self) -> None:
        """A quorum voted and the proposal is executed: records both, gives the commit vote."""
        state = self.state
        if not self._works() or not self._has_first_quorum():
            return
        known = state.proposals[state.accepted]
        if known.check is Check.UNTIMELY:
            self._check(state.accepted, None)
        if known.outcome is None or state.committing or state.configuration.own is None:
            return
        request = first_vote(state.configuration, state.height, state.round, state.accepted)
        votes = state.votes.certificate(state.configuration, request).votes
        prepared = Prepared(state.round, state.accepted, known.proposal, known.payload, votes)
        new = prepared != state.prepared
        state.prepared = prepared
        self._commit(prepared, new=new)

    def _prepared(self) -> Prepared | None:
        return self.state.prepared

    def _restore(self, prepared: Prepared) -> None:
        self.state.prepared = prepared

    def _resume_round(self, votes: list[VoteRequest]) -> None:
        state, prepared = self.state, self.state.prepared
        if prepared is not None and prepared.round == state.round:
            request = first_vote(state.configuration, state.height, state.round, prepared.digest)
            for member, signature in prepared.votes:
                self._count(VoteMessage(member, request, signature))

    def _request_body(self, round_: int) -> bytes:
        writer = Writer()
        writer.option(self.state.prepared, lambda value: parts.write_prepared(writer, value))
        return writer.done()

    def _read_request(self, body: bytes, round_: int) -> Prepared | None:
        """What a member prepared, with the votes that prove it."""
        reader = Reader(body)
        prepared = reader.option(lambda: parts.read_prepared(reader))
        reader.finish()
        if prepared is None or prepared == self.state.prepared:
            return prepared
        bound = self.signatures.binds(prepared.digest, prepared.proposal, prepared.payload)
        if prepared.round >= round_ or not bound:
            raise EncodingError("a later round, or not the proposal of the digest")
        certificate = prepared.certificate(self.state.configuration, self.state.height)
        fault = certificate_fault(self.signatures, self.state.configuration, certificate)
        if fault is not None:
            raise EncodingError(fault)
        return prepared

    def _asked(self) -> None:
        """The request says everything itself."""

    def _lead(self) -> None:
        chosen = self._lowest_asking(lambda _: True) or []
        requests = tuple((member, one.vote.signature, one.body) for member, one in chosen)
        best = _highest([one.carried for _, one in chosen])
        self._begin_as_leader(_encode(self.state.parent, requests), best)


def _highest(prepared: list[Prepared | None]) -> Prepared | None:
    some = [one for one in prepared if one is not None]
    return max(some, key=lambda one: (one.round, one.digest), default=None)


def _encode(parent: Certificate | None, requests: tuple[Request, ...]) -> bytes:
    writer = Writer()
    writer.option(parent, lambda value: parts.write_parent(writer, value))

    def one(request: Request) -> None:
        writer.u32(request[0])
        writer.bytes(request[1], SIGNATURE_BYTES_MAX)
        writer.bytes(request[2], BODY_BYTES_MAX)

    writer.list(requests, one, parts.VALIDATORS_MAX)
    return writer.done()


def _decode(data: bytes, rules: _Rules) -> tuple[Certificate | None, tuple[Request, ...]]:
    state, reader = rules.state, Reader(data)
    parent = reader.option(lambda: parts.read_parent(reader, state.configuration, state.height))
    requests = reader.list(
        lambda: (reader.u32(), reader.bytes(SIGNATURE_BYTES_MAX), reader.bytes(BODY_BYTES_MAX)),
        parts.VALIDATORS_MAX,
    )
    reader.finish()
    return parent, requests
