"""Engine `pbft`: Castro and Liskov's protocol with one height at a time.

The rules P1 to P20 that the comments name are those of spec/consensus/pbft.md, which also says why
they are safe and live. A round is their view. It ascends over the heights of an epoch: a height
starts in the round in which the one below was decided, so that a leader stays until it is rotated
or suspected.
"""

import itertools
from collections.abc import Callable, Iterable
from dataclasses import replace

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
from bubi.consensus.pbft_bytes import (
    BATCHES_MAX,
    PROPOSAL_BYTES_MAX,
    VIEW_CHANGE,
    Accepted,
    EpochStart,
    Fresh,
    NewView,
    Prepared,
    SignedChange,
    as_vote,
    change_vote,
    decode_accepted,
    decode_change,
    decode_justification,
    decode_prepared,
    encode_accepted,
    encode_change,
    encode_justification,
    encode_prepared,
    signed_bytes,
)
from bubi.consensus.pbft_state import Change, Check, Known, Mode, PbftState
from bubi.consensus.quorum import catch_up_weight
from bubi.consensus.votes import certificate_fault, is_statement_of, weight_of
from bubi.encoding import EncodingError

PROPOSAL_RECORD = 2
PREPARED_RECORD = 4

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
"""Proposals kept of one height, beside the accepted and the prepared one."""
VERIFIED_MAX = 64
DOUBLINGS_MAX = 20


class PbftEngine:
    """See the module."""

    name = "pbft"

    def __init__(self, signatures: Signatures) -> None:
        self._signatures = signatures

    def initial(self) -> PbftState:
        """The state before the first height."""
        return PbftState()

    def step(self, state: PbftState, event: Input) -> tuple[PbftState, tuple[Effect, ...]]:
        """Advances by one input; one that does not fit is stale and changes nothing."""
        if isinstance(event, Start):
            rules = _Rules(self._signatures, PbftState(configuration=event.configuration))
            rules.start(event, state)
        elif state.mode is Mode.NORMAL or state.mode is Mode.CHANGING:
            rules = _Rules(self._signatures, state.copied())
            rules.take(event)
        else:
            return state, ()
        return rules.state, tuple(rules.effects)

    def progress(self, state: PbftState) -> Progress:
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
            _phase(state),
            tuple(
                (member, phase.name.lower(), round_, outcome)
                for member, (round_, phase, outcome) in sorted(seen.items())
            ),
        )


def _phase(state: PbftState) -> str:
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


class _Rules:
    """The rules, applied to one input on a state of its own."""

    __slots__ = ("effects", "signatures", "state")

    def __init__(self, signatures: Signatures, state: PbftState) -> None:
        self.signatures = signatures
        self.state = state
        self.effects: list[Effect] = []

    def take(self, event: Input) -> None:  # noqa: C901 - one line per input
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
                # P10: overtaking.
                if self.state.mode is Mode.NORMAL and event.round == self.state.round:
                    self._change(self.state.round + 1)
            case VoteRefused() | Persisted() | Start():
                # P20: without its signature a member follows in silence.
                pass

    # --- a height begins -------------------------------------------------------------------------

    def start(self, event: Start, before: PbftState) -> None:
        """P1: the first round of a height; P18: what was done before a restart is taken up."""
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
            # P2: it cannot show a certificate of this round; a timer will find another leader.
            pass
        elif self._leads():
            shown = begins or 0
            self.effects.append(RequestPayload(state.height, state.round, shown))

    def _rotation(self) -> int:
        state = self.state
        turns = state.height > 1 and (state.height - 1) % state.configuration.turn_blocks == 0
        return 1 if turns else 0

    def _recover(self, records: Iterable[tuple[int, bytes]]) -> dict[tuple[int, bytes], bytes]:
        """P18: proposals accepted and prepared before a restart.

        Gives the justifications of the own ones by round and digest.
        """
        state = self.state
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
                    state.prepared = prepared
            except EncodingError:
                # The log vouches for its records: one in another form is another engine's.
                continue
        return made

    def _resume(self, votes: list[VoteRequest]) -> None:
        """P18: goes on in the newest round that this node signed for."""
        state = self.state
        newest = votes[-1]
        state.round = newest.round
        if newest.phase is Phase.CHANGE:
            state.mode = Mode.CHANGING
            body = encode_change(state.prepared)
            if newest.digest == self.signatures.hash(signed_bytes(VIEW_CHANGE, body)):
                self.effects.append(SignVote(newest))
            else:
                self._change(state.round + 1)
            return
        state.accepted = newest.digest if newest.digest in state.proposals else b""
        if not state.accepted:
            return
        state.voting = True
        state.shown = None
        prepared = state.prepared
        if prepared is not None and prepared.round == state.round:
            request = first_vote(state.configuration, state.height, state.round, prepared.digest)
            for member, signature in prepared.votes:
                self._count(VoteMessage(member, request, signature))
        # The guard answers with the same bytes, which are sent again.
        self.effects += [SignVote(vote) for vote in votes if vote.phase is not Phase.CHANGE]
        self._watch()
        self._consider()

    # --- proposals -------------------------------------------------------------------------------

    def _payload_ready(self, event: PayloadReady) -> None:
        """P2, P15: the leader has what it asked for."""
        state = self.state
        if (
            state.mode is not Mode.NORMAL
            or event.round != state.round
            or state.accepted
            or not self._leads()
        ):
            return
        if not state.justification:
            fresh = EpochStart() if state.parent is None else Fresh(state.parent)
            state.justification = encode_justification(fresh)
        state.accepted = event.digest
        state.shown = state.parent.request.round if state.parent is not None else 0
        self._know(event.digest, event.proposal, event.payload)
        self._watch()
        self._consider()

    def _proposal(self, message: ProposalMessage) -> None:
        """P3: whether to accept a proposal."""
        state = self.state
        vote = message.signed
        round_, digest = vote.request.round, vote.request.digest
        if vote.request.phase is not Phase.FIRST or round_ > ROUND_MAX:
            return
        if state.configuration.leader(round_) != vote.validator:
            # Anybody can wrap a member's first vote in a proposal: no blame.
            return
        if (
            len(message.proposal) > PROPOSAL_BYTES_MAX
            or len(message.payload) > BATCHES_MAX
            or not self.signatures.binds(digest, message.proposal, message.payload)
        ):
            # The signature covers the digest only: who passed the message on may be the liar.
            return
        self._count(vote)
        heard = state.votes.tallies.get((round_, Phase.FIRST))
        first = heard.votes.get(vote.validator) if heard is not None else None
        if first is not None and first.request.digest != digest:
            return
        if round_ < state.round or (
            round_ == state.round and state.mode is Mode.NORMAL and state.accepted
        ):
            return
        self._judge(message)

    def _judge(self, message: ProposalMessage) -> None:
        """P3, P16: accepts a proposal whose justification holds."""
        state = self.state
        vote = message.signed
        round_, digest = vote.request.round, vote.request.digest
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
        if round_ > state.round or state.mode is Mode.CHANGING:
            if not isinstance(justification, NewView):
                state.start = round_
            self._enter(round_, Mode.NORMAL)
            self._count(vote)
        elif state.ticks == 0:
            # P9: in time.
            state.strikes = max(0, state.strikes - 1)
        self._disarm(LAG)
        state.accepted = digest
        state.shown = shown
        self._know(digest, message.proposal, message.payload)
        self._watch()
        self._confront(state.votes.tallies[round_, Phase.FIRST].votes.values())
        self._consider()

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

    def _know(self, digest: bytes, proposal: bytes, payload: tuple[bytes, ...]) -> None:
        """P19: remembers a proposal; the oldest ones that nothing depends on are forgotten."""
        state = self.state
        if digest in state.proposals:
            return
        needed = {state.accepted, state.prepared.digest if state.prepared is not None else b""}
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
        """P4: supports the accepted proposal, if need be after a check."""
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
        """P4, P5: the answer about a proposal."""
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
            # P5: a quorum checked it in its time; nothing but its content counts now.
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
        """P5: a proposal that cannot be supported ends its round here."""
        state = self.state
        request = self._decided_vote(digest)
        if request is not None:
            self._request_sync()
        elif state.mode is Mode.NORMAL and digest == state.accepted:
            self._change(state.round + 1)

    def _support(self) -> None:
        """P4: records the accepted proposal, votes for it, executes it while voting."""
        state = self.state
        digest = state.accepted
        known = state.proposals[digest]
        if state.configuration.own is not None and not state.voting:
            state.voting = True
            accepted = Accepted(
                state.round, digest, known.proposal, known.payload, state.justification
            )
            self.effects.append(Persist(PROPOSAL_RECORD, state.height, encode_accepted(accepted)))
            request = first_vote(state.configuration, state.height, state.round, digest)
            self.effects.append(SignVote(request))
        self._execute(digest)
        self._prepare()

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

    def _has_first_quorum(self) -> bool:
        state = self.state
        weight = state.votes.weight(state.round, Phase.FIRST, state.accepted)
        return weight >= state.configuration.quorum

    def _prepare(self) -> None:
        """P6: prepared and executed: records the certificate and gives the commit vote."""
        state = self.state
        if state.mode is not Mode.NORMAL or not state.accepted or not self._has_first_quorum():
            return
        known = state.proposals[state.accepted]
        if known.check is Check.UNTIMELY:
            self._check(state.accepted, None)
        if known.outcome is None or state.committing or state.configuration.own is None:
            return
        state.committing = True
        request = first_vote(state.configuration, state.height, state.round, state.accepted)
        certificate = state.votes.certificate(state.configuration, request)
        prepared = Prepared(
            state.round, state.accepted, known.proposal, known.payload, certificate.votes
        )
        if prepared != state.prepared:
            state.prepared = prepared
            self.effects.append(Persist(PREPARED_RECORD, state.height, encode_prepared(prepared)))
        vote = commit_vote(
            state.configuration, state.height, state.round, state.accepted, known.outcome
        )
        self.effects.append(SignVote(vote))

    def _signed(self, event: VoteSigned) -> None:
        state = self.state
        request = event.request
        own = state.configuration.own
        if own is None or not is_statement_of(state.configuration, request, state.height):
            return
        vote = VoteMessage(own, request, event.signature)
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
            self._say(request.phase, self._supporting(vote))
            self._prepare()
        elif request.phase is Phase.COMMIT:
            if current:
                self._say(request.phase, vote)
            if weight >= state.configuration.quorum:
                self._decide(request)

    def _supporting(self, vote: VoteMessage) -> ConsensusMessage:
        """P4: the leader's first vote is its proposal."""
        state = self.state
        if not self._leads():
            return vote
        known = state.proposals[state.accepted]
        return ProposalMessage(vote, known.proposal, known.payload, state.justification)

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
        """P7: a quorum of commit votes stands behind a statement."""
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
            self._vote(message)
        elif isinstance(message, ProposalMessage):
            self._proposal(message)
        elif isinstance(message, EngineMessage):
            self._change_heard(message)

    def _vote(self, vote: VoteMessage) -> None:
        state = self.state
        request = vote.request
        phase = request.phase
        if phase is not Phase.FIRST and phase is not Phase.COMMIT:
            return
        weight = self._count(vote)
        if phase is Phase.COMMIT:
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
        heard = state.votes.tallies[state.round, Phase.FIRST].votes.get(leader)
        if heard is None or heard.request.digest != state.accepted:
            return
        for vote in votes:
            if vote.request.digest != state.accepted and vote.validator != leader:
                self.effects.append(Send(vote.validator, heard))

    def _count(self, vote: VoteMessage) -> int:
        """P19: counts a vote; weight behind its statement, 0 if it changed nothing."""
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
            # P10: a leader that signs two proposals is not waited for.
            if (
                vote.request.phase is Phase.FIRST
                and state.mode is Mode.NORMAL
                and round_ == state.round
                and member == state.configuration.leader(round_)
            ):
                self._change(round_ + 1)
        return weight

    def _say(self, phase: Phase, message: ConsensusMessage) -> None:
        """Sends a message of this round to all, and again until the height is decided (P17)."""
        state = self.state
        state.own = {**state.own, phase: message}
        self.effects.append(Send(None, message))
        self._arm(RESEND, state.resend_ms or RESEND_MS)

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
        """P8, P9: arms the timers of a round in which something is to be decided."""
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
            # P8, P14.
            self._change(state.round + 1)
        elif timer.kind == LAG:
            self._lagged()
        else:
            self._resend()

    def _lagged(self) -> None:
        """P9: the leader let a tick pass without a proposal."""
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
        """P17: the same bytes again; they may have been lost."""
        state = self.state
        self.effects += [Send(None, message) for _, message in sorted(state.own.items())]
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

    # --- view change -----------------------------------------------------------------------------

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
        state.own = {}
        state.resend_ms = 0
        state.ticks = state.strikes = 0

    def _change(self, round_: int) -> None:
        """P11: works in no lower round any more and asks for this one."""
        state = self.state
        if state.configuration.own is None or round_ > ROUND_MAX:
            return
        self._enter(round_, Mode.CHANGING)
        body = encode_change(state.prepared)
        digest = self.signatures.hash(signed_bytes(VIEW_CHANGE, body))
        self.effects.append(
            SignVote(change_vote(state.configuration, state.height, round_, digest))
        )
        self._weigh_changes()

    def _change_signed(self, vote: VoteMessage) -> None:
        state = self.state
        if state.mode is not Mode.CHANGING or vote.request.round != state.round:
            return
        body = encode_change(state.prepared)
        state.changes = {**state.changes, vote.validator: Change(vote, body, state.prepared)}
        self._say(Phase.CHANGE, EngineMessage(vote, VIEW_CHANGE, body))
        self._weigh_changes()

    def _change_heard(self, message: EngineMessage) -> None:
        """P12: takes a member's newest view change if what it carries holds."""
        state = self.state
        vote = message.signed
        request = vote.request
        if (
            message.kind != VIEW_CHANGE
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
            prepared = self._read_change(message.body, request.round)
        except EncodingError as error:
            reason = f"sent a view change that does not hold: {error}"
            self.effects.append(Penalise(vote.validator, reason))
            return
        change = Change(vote, message.body, prepared)
        state.changes = {**state.changes, vote.validator: change}
        self._weigh_changes()

    def _lowest_change(self) -> int:
        """The lowest round for which a view change of another member still matters.

        That is the own round where this node changes to it, or where the height began without
        anything accepted: others may have come up to it by view change (P13).
        """
        state = self.state
        begun = state.round == state.start and not state.accepted and not state.justification
        return state.round + (0 if state.mode is Mode.CHANGING or begun else 1)

    def _compare(self, stored: Change, vote: VoteMessage) -> None:
        if stored.round != vote.request.round or stored.reported:
            return
        if stored.vote.request != vote.request:
            self.effects.append(ReportEvidence(stored.vote, vote))
            changes = self.state.changes
            self.state.changes = {**changes, vote.validator: replace(stored, reported=True)}

    def _read_change(self, body: bytes, round_: int) -> Prepared | None:
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
        if prepared == state.prepared:
            return prepared
        key = self.signatures.hash(body)
        if key in state.verified:
            return prepared
        if not self.signatures.binds(prepared.digest, prepared.proposal, prepared.payload):
            msg = "the proposal is not that of the digest"
            raise EncodingError(msg)
        certificate = prepared.certificate(state.configuration, state.height)
        fault = certificate_fault(self.signatures, state.configuration, certificate)
        if fault is not None:
            raise EncodingError(fault)
        state.verified = (
            state.verified if len(state.verified) < VERIFIED_MAX else frozenset()
        ) | {key}
        return prepared

    def _weigh_changes(self) -> None:
        """P13, P14, P15: what the view changes heard so far allow."""
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
            self._new_view()

    def _weight_of_changes(self, counts: Callable[[Change], bool]) -> int:
        state = self.state
        return weight_of(
            state.configuration,
            (member for member, change in state.changes.items() if counts(change)),
        )

    def _joinable(self) -> int | None:
        """P13: the highest round that weight N − q + 1 asks for or has passed, if it matters."""
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

    def _new_view(self) -> None:
        """P15: the leader takes the lowest members that make a quorum, and what they prepared."""
        state = self.state
        configuration = state.configuration
        chosen: list[tuple[int, Change]] = []
        weight = 0
        for member, change in sorted(state.changes.items()):
            if change.round == state.round and weight < configuration.quorum:
                chosen.append((member, change))
                weight += configuration.members[member].weight
        changes = tuple(
            SignedChange(member, change.vote.signature, change.body) for member, change in chosen
        )
        best = _highest(change.prepared for _, change in chosen)
        self._enter(state.round, Mode.NORMAL)
        state.justification = encode_justification(NewView(changes, state.parent))
        if best is not None:
            state.accepted = best.digest
            state.shown = None
            self._know(best.digest, best.proposal, best.payload)
            self._watch()
            self._consider()
            return
        shown = state.parent.request.round if state.parent is not None else 0
        self._watch()
        self.effects.append(RequestPayload(state.height, state.round, shown, urgent=True))

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
            vote = as_vote(configuration, state.height, round_, digest, change)
            stored = state.changes.get(change.member)
            if (stored is None or stored.vote != vote) and not self.signatures.verify(
                configuration, vote
            ):
                return None
            try:
                prepared.append(self._read_change(change.body, round_))
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
