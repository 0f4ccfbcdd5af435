"""Engine `pbft`: Castro and Liskov's protocol with one height at a time.

The rules P1 to P20 that the comments name are those of spec/consensus/pbft.md, which also says why
they are safe and live. A round is their view. It ascends over the heights of an epoch: a height
starts in the round in which the one below was decided, so that a leader stays until it is rotated
or suspected. What is not particular to it (P1, P2, P4, P5, P7 to P9, P11 to P14, P17 to P20) is in
`height.py`.
"""

import itertools
from collections.abc import Iterable

from bubi.consensus.engine import ConsensusMessage, ProposalMessage, Send, VoteMessage, first_vote
from bubi.consensus.guard import Phase, VoteRequest
from bubi.consensus.height import HeightEngine, HeightRules
from bubi.consensus.height_state import Check
from bubi.consensus.parts import EpochStart, Fresh, Prepared, change_vote, signed_bytes
from bubi.consensus.pbft_bytes import (
    VIEW_CHANGE,
    NewView,
    SignedChange,
    decode_change,
    decode_justification,
    encode_change,
    encode_justification,
)
from bubi.consensus.pbft_state import PbftState
from bubi.consensus.votes import certificate_fault, weight_of
from bubi.encoding import EncodingError

VERIFIED_MAX = 64
"""Bodies of view changes known to hold."""


class PbftEngine(HeightEngine[PbftState]):
    """See the module."""

    name = "pbft"
    changing = "view change"

    def initial(self) -> PbftState:
        """The state before the first height."""
        return PbftState()

    def _rules(self, state: PbftState) -> "_Rules":
        return _Rules(self._signatures, state)


class _Rules(HeightRules[PbftState]):
    """What PBFT adds to the rules of a height."""

    __slots__ = ()

    request_kind = VIEW_CHANGE

    # --- proposals -------------------------------------------------------------------------------

    def _fresh(self) -> bytes:
        """P2: the certificate of the parent justifies the start round."""
        parent = self.state.parent
        return encode_justification(EpochStart() if parent is None else Fresh(parent))

    def _proposal(self, message: ProposalMessage) -> None:
        """P3: whether to accept a proposal."""
        if not self._is_leaders(message):
            return
        self._count(message.signed)
        if self._is_open(message.signed):
            self._judge(message)

    def _judge(self, message: ProposalMessage) -> None:
        """P3, P16: accepts a proposal whose justification holds."""
        state = self.state
        round_, digest = message.signed.request.round, message.signed.request.digest
        try:
            justification = decode_justification(
                message.justification, state.configuration, state.height
            )
        except EncodingError:
            return
        match justification:
            case EpochStart():
                holds = state.parent is None and round_ == 0
                shown: int | None = 0
            case Fresh():
                shown = justification.parent.request.round
                holds = round_ == shown + self._rotation() and self._is_parent(
                    justification.parent
                )
            case NewView():
                chosen = self._choice_of(justification, round_)
                holds = chosen is not None and chosen[0] in {b"", digest}
                shown = chosen[1] if chosen is not None else None
        if not holds:
            return
        self._accept(message, shown, begins=not isinstance(justification, NewView))
        self._confront(state.votes.tallies[round_, Phase.FIRST].votes.values())
        self._consider()

    def _say_first(self, vote: VoteMessage) -> None:
        """P4: the leader's first vote is its proposal."""
        state = self.state
        message: ConsensusMessage = vote
        if self._leads():
            known = state.proposals[state.accepted]
            message = ProposalMessage(vote, known.proposal, known.payload, state.justification)
        self._say(message)

    # --- votes -----------------------------------------------------------------------------------

    def _vote(self, vote: VoteMessage) -> None:
        """P6, P7, P10: counts a vote and does what it allows."""
        state = self.state
        request = vote.request
        weight = self._count(vote)
        if request.phase is Phase.COMMIT:
            if weight >= state.configuration.quorum:
                self._decide(request)
        elif weight and request.round == state.round:
            if request.digest != state.accepted:
                self._confront([vote])
            elif weight >= state.configuration.quorum:
                self._prepare()

    def _confront(self, votes: Iterable[VoteMessage]) -> None:
        """P10: shows members that vote for something else what the leader has signed here."""
        state = self.state
        if state.configuration.own is None or not state.accepted:
            return
        leader = state.configuration.leader(state.round)
        heard = self._first_heard(leader, state.round)
        if heard is None or heard.request.digest != state.accepted:
            return
        for vote in votes:
            if vote.request.digest != state.accepted and vote.validator != leader:
                self.effects.append(Send(vote.validator, heard))

    def _has_first_quorum(self) -> bool:
        state = self.state
        weight = state.votes.weight(state.round, Phase.FIRST, state.accepted)
        return weight >= state.configuration.quorum

    def _prepare(self) -> None:
        """P6: prepared and executed: records the certificate and gives the commit vote."""
        state = self.state
        if not self._works() or not self._has_first_quorum():
            return
        known = state.proposals[state.accepted]
        if known.check is Check.UNTIMELY:
            self._check(state.accepted, None)
        if known.outcome is None or state.committing or state.configuration.own is None:
            return
        request = first_vote(state.configuration, state.height, state.round, state.accepted)
        certificate = state.votes.certificate(state.configuration, request)
        prepared = Prepared(
            state.round, state.accepted, known.proposal, known.payload, certificate.votes
        )
        new = prepared != state.prepared
        state.prepared = prepared
        self._commit(prepared, new=new)

    def _prepared(self) -> Prepared | None:
        return self.state.prepared

    # --- restart ---------------------------------------------------------------------------------

    def _restore(self, prepared: Prepared) -> None:
        """P18: the newest record counts."""
        self.state.prepared = prepared

    def _resume_round(self, votes: list[VoteRequest]) -> None:
        """P18: the first votes of the record count again."""
        state = self.state
        prepared = state.prepared
        if prepared is not None and prepared.round == state.round:
            request = first_vote(state.configuration, state.height, state.round, prepared.digest)
            for member, signature in prepared.votes:
                self._count(VoteMessage(member, request, signature))

    # --- view change -----------------------------------------------------------------------------

    def _request_body(self, round_: int) -> bytes:
        """P11: what was prepared, with its proof."""
        return encode_change(self.state.prepared)

    def _read_request(self, body: bytes, round_: int) -> Prepared | None:
        """P12: what a view change for a round carries.

        Raises:
            EncodingError: it does not hold.
        """
        state = self.state
        prepared = decode_change(body)
        if prepared is None:
            return None
        if prepared.round >= round_:
            msg = "prepared in a later round"
            raise EncodingError(msg)
        key = self.signatures.hash(body)
        if prepared == state.prepared or key in state.verified:
            return prepared
        if not self.signatures.binds(prepared.digest, prepared.proposal, prepared.payload):
            msg = "the proposal is not that of the digest"
            raise EncodingError(msg)
        certificate = prepared.certificate(state.configuration, state.height)
        fault = certificate_fault(self.signatures, state.configuration, certificate)
        if fault is not None:
            raise EncodingError(fault)
        kept = state.verified if len(state.verified) < VERIFIED_MAX else frozenset()
        state.verified = kept | {key}
        return prepared

    def _asked(self) -> None:
        """P11: the view change says everything itself."""

    def _lead(self) -> None:
        """P15: the leader takes the lowest members that make a quorum, and what they prepared."""
        chosen = self._lowest_asking(lambda _: True) or []
        changes = tuple(
            SignedChange(member, change.vote.signature, change.body) for member, change in chosen
        )
        best = _highest(change.carried for _, change in chosen)
        self._begin_as_leader(encode_justification(NewView(changes, self.state.parent)), best)

    def _choice_of(self, view: NewView, round_: int) -> tuple[bytes, int | None] | None:
        """P16: what a new view must propose, computed from its view changes.

        (digest, None) for a prepared proposal; (empty, round of the parent) for a new one; None
        if the new view does not hold.
        """
        state = self.state
        configuration = state.configuration
        members = [change.member for change in view.changes]
        if (
            any(low >= high for low, high in itertools.pairwise(members))
            or not members
            or members[-1] >= len(configuration.members)
            or weight_of(configuration, members) < configuration.quorum
            or (view.parent is None) != (state.parent is None)
            or (view.parent is not None and not self._is_parent(view.parent))
        ):
            return None
        prepared = []
        for change in view.changes:
            digest = self.signatures.hash(signed_bytes(VIEW_CHANGE, change.body))
            vote = VoteMessage(
                change.member,
                change_vote(configuration, state.height, round_, digest),
                change.signature,
            )
            stored = state.changes.get(change.member)
            if (stored is None or stored.vote != vote) and not self.signatures.verify(
                configuration, vote
            ):
                return None
            try:
                prepared.append(self._read_request(change.body, round_))
            except EncodingError:
                return None
        best = _highest(prepared)
        if best is not None:
            return best.digest, None
        return b"", view.parent.request.round if view.parent is not None else 0


def _highest(prepared: Iterable[Prepared | None]) -> Prepared | None:
    """The one of the highest round (P15, P16). Two of one round hold the same digest."""
    some = [one for one in prepared if one is not None]
    return max(some, key=lambda one: (one.round, one.digest), default=None)
