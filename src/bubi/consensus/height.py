"""What every engine with peers does alike in a height.

It finds the first round, has proposals checked and executed, counts votes, decides by commit
votes, suspects a slow leader, keeps who asks for which round, and says again what may be lost. How
a proposal is accepted, what is voted on it and how a later round begins is each engine's own: the
methods without a body. The rules H1 to H10 are those of spec/consensus/README.md (H10: see
`bubi.dissemination`); behind them stand the numbers that the pages of the engines give them:
P (PBFT), R (Raft), B (Paxos).
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, Generic, TypeVar

from bubi.consensus.engine import (
    CancelTimer,
    Certificate,
    ConsensusMessage,
    Decide,
    Diverged,
    Effect,
    EngineMessage,
    Execute,
    Executed,
    Input,
    Message,
    PayloadReady,
    Penalise,
    Persist,
    Persisted,
    Progress,
    ProposalMessage,
    ReportEvidence,
    RequestPayload,
    RequestSync,
    Send,
    SetTimer,
    Signatures,
    SignVote,
    Start,
    Suspect,
    TimerElapsed,
    TimerId,
    Validate,
    Validated,
    VoteMessage,
    VoteRefused,
    VoteSigned,
    WorkWaiting,
    commit_vote,
    first_vote,
    parent_round,
)
from bubi.consensus.guard import Phase, VoteRequest
from bubi.consensus.height_state import Change, Check, HeightState, Known, Mode, copied
from bubi.consensus.parts import (
    BATCHES_MAX,
    PREPARED_RECORD,
    PROPOSAL_BYTES_MAX,
    PROPOSAL_RECORD,
    Accepted,
    Prepared,
    change_vote,
    decode_accepted,
    decode_prepared,
    encode_accepted,
    encode_prepared,
    signed_bytes,
)
from bubi.consensus.quorum import catch_up_weight
from bubi.consensus.votes import certificate_fault, is_statement_of, weight_of
from bubi.encoding import EncodingError

PROGRESS, CHANGE, LAG, RESEND = "progress", "change", "lag", "resend"
LAG_MS = 250
STRIKES_MAX = 10
"""Strikes with which a slow leader is replaced."""
RESEND_MS = 500
RESEND_MS_MAX = 4_000
ROUNDS_KEPT = 64
"""Votes are kept of rounds up to this far below and above the own one."""
ROUND_MAX = 2**62
"""No correct member ever comes near; asked for by a liar it must not overflow anything."""
PROPOSALS_MAX = 8
"""Proposals kept of one height, beside those that something depends on."""
DOUBLINGS_MAX = 20

S = TypeVar("S", bound=HeightState[Any])


class HeightRules(ABC, Generic[S]):
    """The rules, applied to one input on a state of its own."""

    __slots__ = ("effects", "signatures", "state")

    request_kind: str
    """Name of the message that asks for a round."""
    proposal_phase: Phase = Phase.FIRST
    """Phase of the signature under a proposal: the leader's first vote, or one of its own."""

    def __init__(self, signatures: Signatures, state: S) -> None:
        self.signatures = signatures
        self.state = state
        self.effects: list[Effect] = []

    def take(self, event: Input) -> None:  # noqa: C901 - one line per input
        """Applies one input."""
        match event:
            case Message():
                self._message(event.message)
            case VoteSigned():
                self._signed(event)
            case PayloadReady():
                self._payload_ready(event)
            case Validated():
                self._validated(event)
            case Executed():
                self._executed(event)
            case TimerElapsed():
                self._elapsed(event.timer)
            case WorkWaiting():
                self.state.work = True
                self._watch()
            case Suspect():
                # H6 (P10, R9, B8): the leader passes over batches (H10).
                if self.state.mode is Mode.NORMAL and event.round == self.state.round:
                    self._change(self.state.round + 1)
            case VoteRefused() | Persisted() | Start():
                # H9 (P20, R16, B17): without its signature a member follows in silence.
                pass

    # --- what each engine does its own way -------------------------------------------------------

    @abstractmethod
    def _proposal(self, message: ProposalMessage) -> None:
        """A proposal, or what else a leader says in that form."""

    @abstractmethod
    def _vote(self, vote: VoteMessage) -> None:
        """A first or commit vote, or what a leader signed under its proposal."""

    @abstractmethod
    def _prepare(self) -> None:
        """Gives the commit vote if everything for it is here."""

    @abstractmethod
    def _prepared(self) -> Prepared | None:
        """The newest proposal for which this node may have given a commit vote."""

    @abstractmethod
    def _restore(self, prepared: Prepared) -> None:
        """Takes up a prepared proposal from a record."""

    @abstractmethod
    def _resume_round(self, votes: list[VoteRequest]) -> None:
        """Goes on in the round for whose accepted proposal these were signed."""

    @abstractmethod
    def _has_first_quorum(self) -> bool:
        """Whether a quorum of first votes of the own round stands behind what was accepted."""

    @abstractmethod
    def _say_first(self, vote: VoteMessage) -> None:
        """Sends the own first vote for the accepted proposal."""

    @abstractmethod
    def _fresh(self) -> bytes:
        """Justification of the own proposal in the start round."""

    @abstractmethod
    def _request_body(self, round_: int) -> bytes:
        """Body of the own request for a round."""

    @abstractmethod
    def _read_request(self, body: bytes, round_: int) -> Any:
        """What a request for a round carries.

        Raises:
            EncodingError: it does not hold.
        """

    @abstractmethod
    def _asked(self) -> None:
        """The own request for a round was sent: what else is to be said with it."""

    @abstractmethod
    def _lead(self) -> None:
        """Begins the round that this member leads, if the quorum that asks for it allows it."""

    # --- a height begins -------------------------------------------------------------------------

    def start(self, event: Start, before: HeightState[Any]) -> None:
        """H1 (P1, R1, B1): the first round of a height.

        H8 (P18, R15, B16): what was done before a restart is taken up.
        """
        state = self.state
        configuration = state.configuration
        state.height = event.height
        begins = parent_round(configuration, event.parent)
        if begins is None:
            state.start = 0
        else:
            state.parent = event.parent
            own = [
                vote.round
                for vote in event.parent_votes
                if vote.phase is Phase.COMMIT
                and is_statement_of(configuration, vote, event.height - 1)
            ]
            state.start = max([begins, *own]) + self._rotation()
        state.round = state.start
        state.mode = Mode.NORMAL
        if before.round == state.round and before.configuration.epoch == configuration.epoch:
            state.strikes = before.strikes
        made = self._recover(event.recovered)
        votes = [
            vote
            for vote in event.votes
            if is_statement_of(configuration, vote, event.height) and vote.round >= state.start
        ]
        if votes and configuration.own is not None:
            self._resume([vote for vote in votes if vote.round == votes[-1].round])
            state.justification = made.get((state.round, state.accepted), b"")
        elif self._leads() and begins is not None and begins + self._rotation() != state.round:
            # H2: it cannot show a certificate of this round; a timer will find another leader.
            pass
        elif self._leads():
            self.effects.append(RequestPayload(state.height, state.round, begins or 0))

    def _rotation(self) -> int:
        return int(self.state.configuration.turn_ends(self.state.height))

    def _recover(self, records: Iterable[tuple[int, bytes]]) -> dict[tuple[int, bytes], bytes]:
        """H8: proposals accepted and prepared before a restart.

        Gives the justifications of the own ones by round and digest.
        """
        made = {}
        for kind, data in records:
            try:
                if kind == PROPOSAL_RECORD:
                    accepted = decode_accepted(data)
                    self._know(accepted.digest, accepted.proposal, accepted.payload)
                    made[accepted.round, accepted.digest] = accepted.justification
                elif kind == PREPARED_RECORD:
                    prepared = decode_prepared(data)
                    self._know(prepared.digest, prepared.proposal, prepared.payload)
                    self._restore(prepared)
            except EncodingError:
                # The log vouches for its records: one in another form is another engine's.
                continue
        return made

    def _resume(self, votes: list[VoteRequest]) -> None:
        """H8: goes on in the newest round that this node signed for."""
        state = self.state
        newest = votes[-1]
        state.round = newest.round
        if newest.phase is Phase.CHANGE:
            state.mode = Mode.CHANGING
            body = self._request_body(newest.round)
            if newest.digest == self.signatures.hash(signed_bytes(self.request_kind, body)):
                self.effects.append(SignVote(newest))
            else:
                self._change(state.round + 1)
            return
        state.accepted = newest.digest if newest.digest in state.proposals else b""
        if not state.accepted:
            return
        state.voting = True
        state.shown = None
        self._resume_round(votes)
        # The guard answers with the same bytes, which are sent again.
        self.effects += [SignVote(vote) for vote in votes if vote.phase is not Phase.CHANGE]
        self._watch()
        self._consider()

    # --- proposals -------------------------------------------------------------------------------

    def _payload_ready(self, event: PayloadReady) -> None:
        """H2 (P2, R2, B2): the leader has what it asked for."""
        state = self.state
        if (
            state.mode is not Mode.NORMAL
            or event.round != state.round
            or state.accepted
            or not self._leads()
        ):
            return
        state.justification = state.justification or self._fresh()
        state.accepted = event.digest
        state.shown = self._parent_round()
        self._know(event.digest, event.proposal, event.payload)
        self._watch()
        self._consider()

    def _parent_round(self) -> int:
        """The round that a new proposal records of its parent."""
        parent = self.state.parent
        return parent.request.round if parent is not None else 0

    def _is_leaders(self, message: ProposalMessage) -> bool:
        """Whether a proposal's bytes are those that the leader of its round signed.

        No blame if not: the signature covers the digest only, anybody can put it elsewhere.
        """
        vote = message.signed
        request = vote.request
        return (
            request.phase is self.proposal_phase
            and request.round <= ROUND_MAX
            and self.state.configuration.leader(request.round) == vote.validator
            and len(message.proposal) <= PROPOSAL_BYTES_MAX
            and len(message.payload) <= BATCHES_MAX
            and self.signatures.binds(request.digest, message.proposal, message.payload)
        )

    def _first_heard(
        self, member: int, round_: int, phase: Phase = Phase.FIRST
    ) -> VoteMessage | None:
        """The vote of a member in a round and phase that counts here: the one heard first."""
        tally = self.state.votes.tallies.get((round_, phase))
        return tally.votes.get(member) if tally is not None else None

    def _is_open(self, vote: VoteMessage) -> bool:
        """Whether a leader's proposal may still be accepted in its round."""
        state = self.state
        round_ = vote.request.round
        first = self._first_heard(vote.validator, round_, self.proposal_phase)
        if first is not None and first.request.digest != vote.request.digest:
            return False
        return round_ > state.round or (round_ == state.round and not self._works())

    def _accept(self, message: ProposalMessage, shown: int | None, *, begins: bool) -> None:
        """Accepts a proposal whose justification holds; `begins`: its round is the start round."""
        state = self.state
        vote = message.signed
        round_ = vote.request.round
        if round_ > state.round or state.mode is Mode.CHANGING:
            if begins:
                state.start = round_
            self._enter(round_, Mode.NORMAL)
            self._count(vote)
        elif state.ticks == 0:
            # H5: in time.
            state.strikes = max(0, state.strikes - 1)
        self._disarm(LAG)
        state.accepted = vote.request.digest
        state.shown = shown
        self._know(state.accepted, message.proposal, message.payload)
        self._watch()

    def _is_parent(self, certificate: Certificate) -> bool:
        """Whether a shown certificate decided this node's parent block."""
        parent = self.state.parent
        if parent is None:
            return False
        mine, shown = parent.request, certificate.request
        if (mine.digest, mine.outcome) != (shown.digest, shown.outcome):
            return False
        # The same statement needs no second proof.
        return mine == shown or (
            certificate_fault(self.signatures, self.state.configuration, certificate) is None
        )

    def _needed(self) -> set[bytes]:
        """Digests of proposals that must not be forgotten."""
        prepared = self._prepared()
        return {self.state.accepted, prepared.digest if prepared is not None else b""}

    def _know(self, digest: bytes, proposal: bytes, payload: tuple[bytes, ...]) -> None:
        """H9: remembers a proposal; the oldest ones that nothing depends on are forgotten."""
        state = self.state
        if digest in state.proposals:
            return
        needed = self._needed()
        spare = [other for other in state.proposals if other not in needed]
        dropped = set(spare[: max(0, len(spare) + 1 - PROPOSALS_MAX)])
        state.proposals = {
            other: known for other, known in state.proposals.items() if other not in dropped
        }
        state.proposals[digest] = Known(proposal, payload)

    def _update(self, digest: bytes, known: Known) -> None:
        self.state.proposals = {**self.state.proposals, digest: known}

    # --- validation, execution, votes ------------------------------------------------------------

    def _consider(self) -> None:
        """H3 (P4, R4, B4): supports the accepted proposal, if need be after a check."""
        state = self.state
        known = state.proposals[state.accepted]
        if known.check is Check.VALID:
            self._support()
        elif known.check is not Check.CHECKING:
            self._check(state.accepted, state.shown)

    def _check(self, digest: bytes, shown: int | None) -> None:
        state = self.state
        known = replace(state.proposals[digest], check=Check.CHECKING, strict=shown is not None)
        self._update(digest, known)
        self.effects.append(
            Validate(state.height, state.round, digest, known.proposal, known.payload, shown)
        )

    def _validated(self, event: Validated) -> None:
        """H3: the answer about a proposal."""
        state = self.state
        known = state.proposals.get(event.digest)
        if known is None or known.check is not Check.CHECKING:
            return
        if event.valid:
            self._update(event.digest, replace(known, check=Check.VALID))
            if state.mode is Mode.NORMAL and event.digest == state.accepted:
                self._support()
            elif self._decided_vote(event.digest) is not None:
                self._execute(event.digest)
            return
        check = Check.UNTIMELY if event.untimely else Check.INVALID
        self._update(event.digest, replace(known, check=check))
        if known.strict and self._is_vouched(event.digest):
            # A quorum checked it in its time; nothing but its content counts now.
            self._check(event.digest, None)
        elif check is Check.INVALID:
            self._invalid(event.digest)

    def _is_vouched(self, digest: bytes) -> bool:
        """Whether a quorum of first or commit votes stands behind a proposal."""
        state = self.state
        current = state.mode is Mode.NORMAL and digest == state.accepted
        return (
            current and (state.shown is None or self._has_first_quorum())
        ) or self._decided_vote(digest) is not None

    def _invalid(self, digest: bytes) -> None:
        """H3 (P5, R5, B5): a proposal that cannot be supported ends its round here."""
        state = self.state
        request = self._decided_vote(digest)
        if request is not None:
            self._request_sync()
        elif state.mode is Mode.NORMAL and digest == state.accepted:
            self._change(state.round + 1)

    def _support(self) -> None:
        """H3: records the accepted proposal, votes for it, executes it while voting."""
        state = self.state
        digest = state.accepted
        known = state.proposals[digest]
        if state.configuration.own is not None and not state.voting:
            state.voting = True
            accepted = Accepted(
                state.round, digest, known.proposal, known.payload, state.justification
            )
            self.effects.append(Persist(PROPOSAL_RECORD, state.height, encode_accepted(accepted)))
            self._sign_first(first_vote(state.configuration, state.height, state.round, digest))
        self._execute(digest)
        self._prepare()

    def _sign_first(self, request: VoteRequest) -> None:
        """Asks for the signature of the own first vote."""
        self.effects.append(SignVote(request))

    def _execute(self, digest: bytes) -> None:
        state = self.state
        known = state.proposals[digest]
        if known.executing:
            return
        self._update(digest, replace(known, executing=True))
        self.effects.append(Execute(state.height, state.round, digest, known.proposal))

    def _executed(self, event: Executed) -> None:
        state = self.state
        known = state.proposals.get(event.digest)
        if known is None or not known.executing or known.outcome is not None:
            return
        if event.outcome is None:
            self._update(event.digest, replace(known, check=Check.INVALID))
            self._invalid(event.digest)
            return
        self._update(event.digest, replace(known, outcome=event.outcome))
        request = self._decided_vote(event.digest)
        if request is not None:
            self._decide(request)
        else:
            self._prepare()

    def _commit(self, prepared: Prepared, *, new: bool) -> None:
        """Gives the commit vote for what was accepted; `new`: its certificate is not recorded."""
        state = self.state
        outcome = state.proposals[state.accepted].outcome
        assert outcome is not None
        state.committing = True
        if new:
            self.effects.append(Persist(PREPARED_RECORD, state.height, encode_prepared(prepared)))
        vote = commit_vote(state.configuration, state.height, state.round, state.accepted, outcome)
        self.effects.append(SignVote(vote))

    def _signed(self, event: VoteSigned) -> None:
        state = self.state
        request = event.request
        own = state.configuration.own
        if own is not None and is_statement_of(state.configuration, request, state.height):
            self._made(VoteMessage(own, request, event.signature))

    def _made(self, vote: VoteMessage) -> None:
        """The own vote was signed."""
        state = self.state
        request = vote.request
        if request.phase is Phase.CHANGE:
            self._change_signed(vote)
            return
        weight = self._count(vote)
        current = (
            state.mode is Mode.NORMAL
            and request.round == state.round
            and request.digest == state.accepted
        )
        if request.phase is Phase.FIRST and current:
            self._say_first(vote)
            self._prepare()
        elif request.phase is Phase.COMMIT:
            if current:
                self._say(vote)
            if weight >= state.configuration.quorum:
                self._decide(request)

    # --- decision --------------------------------------------------------------------------------

    def _decided_vote(self, digest: bytes) -> VoteRequest | None:
        """The statement about a digest behind which a quorum of commit votes stands."""
        state = self.state
        for (round_, phase), tally in state.votes.tallies.items():
            if phase is not Phase.COMMIT:
                continue
            for (voted, outcome), weight in tally.weights.items():
                if voted == digest and weight >= state.configuration.quorum:
                    return commit_vote(state.configuration, state.height, round_, digest, outcome)
        return None

    def _decide(self, request: VoteRequest) -> None:
        """H4 (P7, R8, B7): a quorum of commit votes stands behind a statement."""
        state = self.state
        known = state.proposals.get(request.digest)
        if known is None or (known.check is Check.INVALID and not known.strict):
            self._request_sync()
            return
        if known.outcome is None:
            if known.check is Check.VALID:
                self._execute(request.digest)
            elif known.check is not Check.CHECKING:
                self._check(request.digest, None)
            self._arm(RESEND, RESEND_MS)
            return
        certificate = state.votes.certificate(state.configuration, request)
        for kind in sorted(state.armed):
            self._disarm(kind)
        if known.outcome == request.outcome:
            state.mode = Mode.DECIDED
            self.effects.append(Decide(certificate))
        else:
            state.mode = Mode.STOPPED
            self.effects.append(Diverged(certificate, known.outcome))

    def _request_sync(self) -> None:
        state = self.state
        if state.syncing:
            return
        state.syncing = True
        self.effects.append(RequestSync(state.height, state.height))
        self._arm(RESEND, RESEND_MS)

    # --- messages --------------------------------------------------------------------------------

    def _message(self, message: ConsensusMessage) -> None:
        state = self.state
        vote = message.signed
        configuration = state.configuration
        if (
            not is_statement_of(configuration, vote.request, state.height)
            or not 0 <= vote.validator < len(configuration.members)
            or vote.validator == configuration.own
        ):
            return
        if type(message) is VoteMessage:
            phase = vote.request.phase
            if phase is Phase.FIRST or phase is Phase.COMMIT or phase is self.proposal_phase:
                self._vote(message)
        elif isinstance(message, ProposalMessage):
            self._proposal(message)
        elif isinstance(message, EngineMessage):
            self._change_heard(message)

    def _count(self, vote: VoteMessage) -> int:
        """H9 (P19, R16, B17): counts a vote; weight behind its statement, 0 if nothing changed."""
        state = self.state
        round_ = vote.request.round
        if not state.round - ROUNDS_KEPT <= round_ <= state.round + ROUNDS_KEPT:
            return 0
        member = vote.validator
        state.votes, weight, earlier = state.votes.add(
            vote, state.configuration.members[member].weight
        )
        if earlier is not None:
            self.effects.append(ReportEvidence(earlier, vote))
            # H6 (P10, R9, B8): a leader that signs two proposals is not waited for.
            if (
                vote.request.phase in {Phase.FIRST, self.proposal_phase}
                and state.mode is Mode.NORMAL
                and round_ == state.round
                and member == state.configuration.leader(round_)
            ):
                self._change(round_ + 1)
        return weight

    def _say(self, message: ConsensusMessage, to: int | None = None) -> None:
        """Sends a message of this round, and again until the height is decided (H8)."""
        state = self.state
        send = Send(to, message)
        if send not in state.own:
            state.own = (*state.own, send)
        self.effects.append(send)
        self._arm(RESEND, state.resend_ms or RESEND_MS)

    def _works(self) -> bool:
        """Whether something is accepted in a round that this member works in."""
        return self.state.mode is Mode.NORMAL and bool(self.state.accepted)

    def _leads(self) -> bool:
        configuration = self.state.configuration
        return (
            configuration.own is not None
            and configuration.leader(self.state.round) == configuration.own
        )

    # --- timers ----------------------------------------------------------------------------------

    def _arm(self, kind: str, delay_ms: int) -> None:
        state = self.state
        if kind not in state.armed:
            state.armed |= {kind}
            self.effects.append(SetTimer(TimerId(state.height, state.round, kind), delay_ms))

    def _disarm(self, kind: str) -> None:
        state = self.state
        if kind in state.armed:
            state.armed -= {kind}
            self.effects.append(CancelTimer(TimerId(state.height, state.round, kind)))

    def _timeout(self) -> int:
        """Base time, doubled per round beyond the first of this height, up to the cap."""
        state = self.state
        configuration = state.configuration
        doublings = min(state.round - state.start, DOUBLINGS_MAX)
        return min(configuration.timeout_ms << doublings, configuration.timeout_ms_max)

    def _watch(self) -> None:
        """H5 (P8, R9, B8): arms the timers of a round in which something is to be decided."""
        state = self.state
        if state.mode is not Mode.NORMAL or state.configuration.own is None:
            return
        if state.work or state.accepted or state.round > state.start:
            self._arm(PROGRESS, self._timeout())
        if state.work and not state.accepted and not self._leads():
            self._arm(LAG, LAG_MS)

    def _elapsed(self, timer: TimerId) -> None:
        state = self.state
        if timer.round != state.round or timer.kind not in state.armed:
            return
        state.armed -= {timer.kind}
        if timer.kind in {PROGRESS, CHANGE}:
            # H5 (P8, R9, B8), H7 (P14, R11, B10).
            self._change(state.round + 1)
        elif timer.kind == LAG:
            self._lagged()
        else:
            self._resend()

    def _lagged(self) -> None:
        """H5 (P9, R9, B8): the leader let a tick pass without a proposal."""
        state = self.state
        if state.accepted or state.mode is not Mode.NORMAL:
            return
        state.ticks += 1
        state.strikes += 1
        if state.strikes >= STRIKES_MAX:
            self._change(state.round + 1)
        else:
            self._arm(LAG, LAG_MS)

    def _resend(self) -> None:
        """H8 (P17, R14, B15): the same bytes again; they may have been lost."""
        state = self.state
        self.effects += state.own
        if state.syncing or self._is_waiting_for_a_decided_block():
            self.effects.append(RequestSync(state.height, state.height))
        state.resend_ms = min(2 * (state.resend_ms or RESEND_MS), RESEND_MS_MAX)
        self._arm(RESEND, state.resend_ms)

    def _is_waiting_for_a_decided_block(self) -> bool:
        state = self.state
        return any(
            weight >= state.configuration.quorum
            for (_, phase), tally in state.votes.tallies.items()
            if phase is Phase.COMMIT
            for weight in tally.weights.values()
        )

    # --- asking for a round ----------------------------------------------------------------------

    def _enter(self, round_: int, mode: Mode) -> None:
        """Leaves a round for another, or begins to work in the one that was asked for."""
        state = self.state
        for kind in sorted(state.armed):
            self._disarm(kind)
        if round_ != state.round:
            state.votes = state.votes.within(round_ - ROUNDS_KEPT, round_ + ROUNDS_KEPT)
        state.round = round_
        state.mode = mode
        state.accepted = b""
        state.justification = b""
        state.voting = state.committing = False
        state.own = ()
        state.resend_ms = 0
        state.ticks = state.strikes = 0

    def _change(self, round_: int) -> None:
        """H7 (P11, R10, B9): works in no lower round any more and asks for this one."""
        state = self.state
        if state.configuration.own is None or round_ > ROUND_MAX:
            return
        self._enter(round_, Mode.CHANGING)
        body = self._request_body(round_)
        digest = self.signatures.hash(signed_bytes(self.request_kind, body))
        self.effects.append(
            SignVote(change_vote(state.configuration, state.height, round_, digest))
        )
        self._weigh_changes()

    def _change_signed(self, vote: VoteMessage) -> None:
        state = self.state
        round_ = vote.request.round
        if state.mode is not Mode.CHANGING or round_ != state.round:
            return
        body = self._request_body(round_)
        change = Change(vote, body, self._read_request(body, round_))
        state.changes = {**state.changes, vote.validator: change}
        self._say(EngineMessage(vote, self.request_kind, body))
        self._asked()
        self._weigh_changes()

    def _change_heard(self, message: EngineMessage) -> None:
        """H7 (P12, R11, B10): takes a member's newest request if what it carries holds."""
        state = self.state
        vote = message.signed
        request = vote.request
        if (
            message.kind != self.request_kind
            or request.phase is not Phase.CHANGE
            or request.round > ROUND_MAX
            or state.configuration.own is None
        ):
            return
        stored = state.changes.get(vote.validator)
        if stored is not None and stored.round >= request.round:
            self._compare(stored, vote)
            return
        if request.round < self._lowest_change():
            return
        if request.digest != self.signatures.hash(signed_bytes(message.kind, message.body)):
            return
        try:
            carried = self._read_request(message.body, request.round)
        except EncodingError as error:
            reason = f"sent a {self.request_kind} that does not hold: {error}"
            self.effects.append(Penalise(vote.validator, reason))
            return
        state.changes = {**state.changes, vote.validator: Change(vote, message.body, carried)}
        self._weigh_changes()

    def _lowest_change(self) -> int:
        """The lowest round for which a request of another member still matters.

        That is the own round where this node changes to it, or where the height began without
        anything accepted: others may have come up to it by asking for it.
        """
        state = self.state
        begun = state.round == state.start and not state.accepted and not state.justification
        return state.round + (0 if state.mode is Mode.CHANGING or begun else 1)

    def _compare(self, stored: Change[Any], vote: VoteMessage) -> None:
        if stored.round != vote.request.round or stored.reported:
            return
        if stored.vote.request != vote.request:
            self.effects.append(ReportEvidence(stored.vote, vote))
            changes = self.state.changes
            self.state.changes = {**changes, vote.validator: replace(stored, reported=True)}

    def _weigh_changes(self) -> None:
        """H7: what the requests heard so far allow."""
        state = self.state
        configuration = state.configuration
        joined = self._joinable()
        if joined is not None:
            self._change(joined)
            return
        if state.mode is not Mode.CHANGING:
            return
        asking = self._weight_of_changes(lambda change: change.round >= state.round)
        if asking >= configuration.quorum:
            self._arm(CHANGE, self._timeout())
        here = self._weight_of_changes(lambda change: change.round == state.round)
        if here >= configuration.quorum and self._leads():
            self._lead()

    def _weight_of_changes(self, counts: Callable[[Change[Any]], bool]) -> int:
        state = self.state
        return weight_of(
            state.configuration,
            (member for member, change in state.changes.items() if counts(change)),
        )

    def _joinable(self) -> int | None:
        """H7 (P13, R11, B10): the highest round that weight N − q + 1 asks for or has passed."""
        state = self.state
        configuration = state.configuration
        needed = catch_up_weight(configuration.total, configuration.quorum)
        lowest = self._lowest_change()
        if state.mode is Mode.CHANGING:
            lowest += 1
        weight = 0
        above = [
            (change.round, configuration.members[member].weight)
            for member, change in state.changes.items()
            if change.round >= lowest
        ]
        for round_, share in sorted(above, reverse=True):
            weight += share
            if weight >= needed:
                return round_
        return None

    def _lowest_asking(
        self, counts: Callable[[Change[Any]], bool]
    ) -> list[tuple[int, Change[Any]]] | None:
        """The lowest members that ask for the own round and make a quorum, None if none do."""
        state = self.state
        configuration = state.configuration
        chosen: list[tuple[int, Change[Any]]] = []
        weight = 0
        for member, change in sorted(state.changes.items()):
            if change.round == state.round and weight < configuration.quorum and counts(change):
                chosen.append((member, change))
                weight += configuration.members[member].weight
        return chosen if weight >= configuration.quorum else None

    def _begin_as_leader(self, justification: bytes, prepared: Prepared | None) -> None:
        """Proposes in a round that was asked for: what was prepared before, or something new."""
        state = self.state
        self._enter(state.round, Mode.NORMAL)
        state.justification = justification
        if prepared is not None:
            state.accepted = prepared.digest
            state.shown = None
            self._know(prepared.digest, prepared.proposal, prepared.payload)
            self._watch()
            self._consider()
            return
        self._watch()
        shown = self._parent_round()
        self.effects.append(RequestPayload(state.height, state.round, shown, urgent=True))


class HeightEngine(ABC, Generic[S]):
    """An engine made of such rules."""

    name: str
    changing: str
    """What a person is told while a round is asked for."""

    def __init__(self, signatures: Signatures) -> None:
        self._signatures = signatures

    @abstractmethod
    def initial(self) -> S:
        """The state before the first height."""

    @abstractmethod
    def _rules(self, state: S) -> HeightRules[S]:
        """The rules over a state that may be altered."""

    def step(self, state: S, event: Input) -> tuple[S, tuple[Effect, ...]]:
        """Advances by one input; one that does not fit is stale and changes nothing."""
        if isinstance(event, Start):
            after = self.initial()
            after.configuration = event.configuration
            rules = self._rules(after)
            rules.start(event, state)
        elif state.mode is Mode.NORMAL or state.mode is Mode.CHANGING:
            rules = self._rules(copied(state))
            rules.take(event)
        else:
            return state, ()
        return rules.state, tuple(rules.effects)

    def progress(self, state: S) -> Progress:
        """Where the height in work stands."""
        seen: dict[int, tuple[int, Phase, bytes]] = {}
        for (round_, phase), tally in state.votes.tallies.items():
            for member, vote in tally.votes.items():
                seen[member] = max(
                    seen.get(member, (-1, phase, b"")), (round_, phase, vote.request.outcome)
                )
        for member, change in state.changes.items():
            asked = (change.round, Phase.CHANGE, b"")
            seen[member] = max(seen.get(member, asked), asked)
        leader = state.configuration.leader(state.round) if state.configuration.members else None
        return Progress(
            state.height,
            state.round,
            leader,
            self._phase(state),
            tuple(
                (member, phase.name.lower(), round_, outcome)
                for member, (round_, phase, outcome) in sorted(seen.items())
            ),
        )

    def _phase(self, state: S) -> str:
        if state.mode is Mode.CHANGING:
            return self.changing
        if state.mode is not Mode.NORMAL:
            return str(state.mode.value)
        known = state.proposals.get(state.accepted)
        if known is None:
            return "waiting for a proposal" if state.work else "waiting for work"
        if known.check is not Check.VALID:
            return str(known.check.value)
        if state.committing:
            return "waiting for commit votes"
        return "waiting for first votes" if known.outcome is not None else "execution"
