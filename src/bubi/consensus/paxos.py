"""Engine `paxos`: Byzantine Paxos by the rules of Lamport's BPCon, one instance per height.

The rules B1 to B17 that the comments name are those of spec/consensus/paxos.md, which also says
why they are safe and live. A round is a ballot. In phase 1 its leader learns from the 1b of each
acceptor for which value that gave its last 2b; its 1c proves from these that its own value is safe
(KnowsSafeAt). Acceptors answer only the first 1c of a ballot, with a 2av to all, and the 2av of a
quorum with a 2b, which is the commit vote. What every engine does alike is in `height.py`.
"""

import itertools
from collections.abc import Iterable
from dataclasses import replace

from bubi.consensus.engine import (
    ProposalMessage,
    Send,
    SignVote,
    VoteMessage,
    first_vote,
)
from bubi.consensus.guard import Phase, VoteRequest
from bubi.consensus.height import HeightEngine, HeightRules
from bubi.consensus.height_state import Check, Mode
from bubi.consensus.parts import (
    BATCHES_MAX,
    PROPOSAL_BYTES_MAX,
    EpochStart,
    Fresh,
    Prepared,
    signed_bytes,
)
from bubi.consensus.paxos_bytes import (
    NEXT,
    PHASE_1A,
    PHASE_1B,
    Claim,
    Evidence,
    Phase1,
    Promise,
    Proof,
    Shown,
    check_next,
    decode_proof,
    decode_shown,
    encode_claim,
    encode_proof,
    encode_shown,
    promise_vote,
)
from bubi.consensus.paxos_state import PaxosState, Promised
from bubi.consensus.votes import certificate_fault, weight_of
from bubi.encoding import EncodingError


class PaxosEngine(HeightEngine[PaxosState]):
    """See the module."""

    name = "paxos"
    changing = "phase 1 of a new ballot"

    def initial(self) -> PaxosState:
        """The state before the first height."""
        return PaxosState()

    def _rules(self, state: PaxosState) -> "_Rules":
        return _Rules(self._signatures, state)


class _Rules(HeightRules[PaxosState]):
    """What Paxos adds to the rules of a height."""

    __slots__ = ()

    request_kind = PHASE_1A
    proposal_phase = Phase.PROPOSAL

    # --- 1c --------------------------------------------------------------------------------------

    def _fresh(self) -> bytes:
        """B2: 2b of a quorum at the parent are phase 1 of this height in their ballot."""
        parent = self.state.parent
        return encode_proof(EpochStart() if parent is None else Fresh(parent))

    def _proposal(self, message: ProposalMessage) -> None:
        """A 1c, or a 1b for the ballot that this member leads."""
        if message.signed.request.phase is Phase.GRANT:
            self._promise_heard(message)
        elif self._is_leaders(message):
            self._count(message.signed)
            # B4: the first 1c of a ballot counts, whatever else its leader signs.
            if self._is_open(message.signed):
                self._judge(message)

    def _judge(self, message: ProposalMessage) -> None:
        """B3: accepts a 1c whose value is known to be safe in its ballot."""
        state = self.state
        request = message.signed.request
        try:
            proof = decode_proof(message.justification, state.configuration, state.height)
        except EncodingError:
            return
        holds, shown = self._weigh_proof(proof, request)
        if not holds:
            return
        self._accept(message, shown, begins=not isinstance(proof, Phase1))
        tally = state.votes.tallies.get((request.round, Phase.FIRST))
        if tally is not None:
            self._confront(tally.votes.values())
        self._consider()

    def _weigh_proof(self, proof: Proof, request: VoteRequest) -> tuple[bool, int | None]:
        """B3: whether a proof holds, and the round of the parent that its proposal must record."""
        state = self.state
        match proof:
            case EpochStart():
                return state.parent is None and request.round == 0, 0
            case Fresh():
                shown = proof.parent.request.round
                begins = request.round == shown + self._rotation()
                return begins and self._is_parent(proof.parent), shown
            case Phase1():
                parent = proof.parent.request.round if proof.parent is not None else 0
                safe = self._knows_safe_at(proof, request)
                return safe, parent if proof.evidence is None else None

    def _sign_first(self, request: VoteRequest) -> None:
        """B4: the leader signs its 1c, then its own 2av."""
        if self._leads():
            self.state.opening = True
            request = replace(request, phase=Phase.PROPOSAL)
        self.effects.append(SignVote(request))

    def _made(self, vote: VoteMessage) -> None:
        state = self.state
        request = vote.request
        if request.phase is Phase.GRANT:
            self._promise_made(vote)
        elif request.phase is Phase.PROPOSAL:
            self._count(vote)
            if self._works() and (request.round, request.digest) == (state.round, state.accepted):
                state.opened = vote
                if state.opening:
                    state.opening = False
                    self.effects.append(SignVote(replace(request, phase=Phase.FIRST)))
        else:
            super()._made(vote)

    def _say_first(self, vote: VoteMessage) -> None:
        """B4: 1c and 2av leave together: one sync stands behind both signatures."""
        state = self.state
        if state.opened is not None:
            known = state.proposals[state.accepted]
            self._say(
                ProposalMessage(state.opened, known.proposal, known.payload, state.justification)
            )
        self._say(vote)

    # --- 2av, 2b ---------------------------------------------------------------------------------

    def _vote(self, vote: VoteMessage) -> None:
        """B6, B7, B8: counts a vote and does what it allows."""
        state = self.state
        request = vote.request
        weight = self._count(vote)
        if request.phase is Phase.COMMIT:
            if weight >= state.configuration.quorum:
                self._decide(request)
        elif request.phase is Phase.FIRST and weight and request.round == state.round:
            if request.digest != state.accepted:
                self._confront([vote])
            elif weight >= state.configuration.quorum:
                self._prepare()

    def _confront(self, votes: Iterable[VoteMessage]) -> None:
        """B8: shows who gave a 2av for another value what the leader has signed here."""
        state = self.state
        if not self._works() or state.configuration.own is None:
            return
        leader = state.configuration.leader(state.round)
        heard = self._first_heard(leader, state.round, Phase.PROPOSAL)
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
        """B6: 2av of a quorum, and executed: records them as maxVBal, maxVVal and gives the 2b."""
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
        voted = Prepared(state.round, state.accepted, known.proposal, known.payload, votes)
        new = voted != state.voted
        state.voted = voted
        self._commit(voted, new=new)

    def _prepared(self) -> Prepared | None:
        return self.state.voted

    # --- restart ---------------------------------------------------------------------------------

    def _restore(self, prepared: Prepared) -> None:
        """B16: the newest record counts."""
        self.state.voted = prepared

    def _resume(self, votes: list[VoteRequest]) -> None:
        """B16: where the 1b was the last that was signed, it is sent again."""
        state = self.state
        newest = votes[-1]
        if newest.phase is not Phase.GRANT:
            super()._resume(votes)
            return
        state.round = newest.round
        state.mode = Mode.CHANGING
        if newest.digest == self._promise_digest(self._claim()):
            state.promising = True
            self.effects += [SignVote(vote) for vote in votes]
        else:
            self._change(state.round + 1)

    def _resume_round(self, votes: list[VoteRequest]) -> None:
        """B16: the 2av of the record count again; a 1c without a 2av gets one once it is valid."""
        state = self.state
        state.voting = votes[-1].phase is not Phase.PROPOSAL
        voted = state.voted
        if voted is not None and voted.round == state.round:
            request = first_vote(state.configuration, state.height, state.round, voted.digest)
            for member, signature in voted.votes:
                self._count(VoteMessage(member, request, signature))

    # --- phase 1 ---------------------------------------------------------------------------------

    def _enter(self, round_: int, mode: Mode) -> None:
        super()._enter(round_, mode)
        state = self.state
        state.promising = state.opening = False
        state.promises = {}
        state.opened = None

    def _request_body(self, round_: int) -> bytes:
        """B9: a 1a says nothing but its ballot."""
        return NEXT

    def _read_request(self, body: bytes, round_: int) -> None:
        """B9: checks a 1a.

        Raises:
            EncodingError: it does not hold.
        """
        check_next(body)

    def _asked(self) -> None:
        self._promise()

    def _weigh_changes(self) -> None:
        super()._weigh_changes()
        self._promise()

    def _promise(self) -> None:
        """B11: answers the 1a of the leader of the ballot to which this member goes itself."""
        state = self.state
        configuration = state.configuration
        own = configuration.own
        if state.mode is not Mode.CHANGING or state.promising or own is None:
            return
        for member in (own, configuration.leader(state.round)):
            asked = state.changes.get(member)
            if asked is None or asked.round != state.round:
                return
        state.promising = True
        digest = self._promise_digest(self._claim())
        self.effects.append(
            SignVote(promise_vote(configuration, state.height, state.round, digest))
        )

    def _claim(self) -> Claim | None:
        """B11: mbal and mval, none if this member gave no 2b at this height."""
        voted = self.state.voted
        return Claim(voted.round, voted.digest) if voted is not None else None

    def _promise_digest(self, claim: Claim | None) -> bytes:
        return self.signatures.hash(signed_bytes(PHASE_1B, encode_claim(claim)))

    def _promise_made(self, vote: VoteMessage) -> None:
        """B11: the own 1b goes to the leader, with the value and the 2av that prove its claim."""
        state = self.state
        if state.mode is not Mode.CHANGING or vote.request.round != state.round:
            return
        if self._leads():
            self._take_promise(Promised(vote, state.voted))
            return
        voted = state.voted
        shown = encode_shown(
            Shown(Claim(voted.round, voted.digest), voted.votes) if voted is not None else None
        )
        proposal, payload = (voted.proposal, voted.payload) if voted is not None else (b"", ())
        leader = state.configuration.leader(state.round)
        self._say(ProposalMessage(vote, proposal, payload, shown), leader)

    def _promise_heard(self, message: ProposalMessage) -> None:
        """B12: the leader takes a 1b of its own ballot whose claim is proven."""
        state = self.state
        vote = message.signed
        request = vote.request
        self._count(vote)
        if (
            state.mode is not Mode.CHANGING
            or request.round != state.round
            or not self._leads()
            or vote.validator in state.promises
        ):
            return
        try:
            shown = decode_shown(message.justification)
        except EncodingError:
            return
        claim = shown.claim if shown is not None else None
        if request.digest != self._promise_digest(claim):
            return
        value = None
        if shown is not None:
            value = Prepared(
                shown.claim.ballot,
                shown.claim.digest,
                message.proposal,
                message.payload,
                shown.votes,
            )
            if not self._is_proven(value):
                return
        self._take_promise(Promised(vote, value))

    def _is_proven(self, value: Prepared) -> bool:
        """B12: whether a claimed value is there, with the 2av of a quorum of a lower ballot."""
        state = self.state
        if value == state.voted:
            return True
        certificate = value.certificate(state.configuration, state.height)
        return (
            value.round < state.round
            and len(value.proposal) <= PROPOSAL_BYTES_MAX
            and len(value.payload) <= BATCHES_MAX
            and self.signatures.binds(value.digest, value.proposal, value.payload)
            and certificate_fault(self.signatures, state.configuration, certificate) is None
        )

    def _take_promise(self, promised: Promised) -> None:
        state = self.state
        state.promises = {**state.promises, promised.vote.validator: promised}
        self._lead()

    def _lead(self) -> None:
        """B13: with 1b of a quorum the leader sends a 1c for the value of the highest of them."""
        state = self.state
        configuration = state.configuration
        chosen: list[tuple[int, Promised]] = []
        for one in sorted(state.promises.items()):
            if weight_of(configuration, (member for member, _ in chosen)) < configuration.quorum:
                chosen.append(one)
        if weight_of(configuration, (member for member, _ in chosen)) < configuration.quorum:
            return
        values = [one.value for _, one in chosen if one.value is not None]
        best = max(values, key=lambda value: value.round, default=None)
        promises = tuple(
            Promise(
                member,
                one.vote.signature,
                Claim(one.value.round, one.value.digest) if one.value is not None else None,
            )
            for member, one in chosen
        )
        evidence = Evidence(best.round, best.votes) if best is not None else None
        proof = Phase1(promises, evidence, state.parent)
        self._begin_as_leader(encode_proof(proof), best)

    def _knows_safe_at(self, proof: Phase1, request: VoteRequest) -> bool:
        """B14: KnowsSafeAt of the ballot and value of a 1c."""
        state = self.state
        configuration = state.configuration
        members = [promise.member for promise in proof.promises]
        evidence = proof.evidence
        if (
            any(low >= high for low, high in itertools.pairwise(members))
            or not members
            or members[-1] >= len(configuration.members)
            or weight_of(configuration, members) < configuration.quorum
            or (proof.parent is None) != (state.parent is None)
            or (proof.parent is not None and not self._is_parent(proof.parent))
            or (evidence is not None and evidence.ballot >= request.round)
        ):
            return False
        safe = (evidence.ballot, request.digest) if evidence is not None else None
        # (i) no 1b of the quorum is above the shown ballot, none of it is for another value.
        if not all(_allows(promise.claim, safe) for promise in proof.promises):
            return False
        if not all(self._is_promise(promise, request.round) for promise in proof.promises):
            return False
        if evidence is None:
            return True
        # (ii) a quorum gave its 2av for the value in that ballot.
        given = first_vote(configuration, state.height, evidence.ballot, request.digest)
        return self._is_quorum(given, evidence)

    def _is_promise(self, promise: Promise, ballot: int) -> bool:
        """Whether a member gave a 1b for this very ballot with this claim."""
        state = self.state
        digest = self._promise_digest(promise.claim)
        request = promise_vote(state.configuration, state.height, ballot, digest)
        vote = VoteMessage(promise.member, request, promise.signature)
        return self.signatures.verify(state.configuration, vote)

    def _is_quorum(self, request: VoteRequest, evidence: Evidence) -> bool:
        """Whether these are the 2av of a quorum for a value."""
        state = self.state
        voted = state.voted
        if voted is not None and (voted.round, voted.digest, voted.votes) == (
            request.round,
            request.digest,
            evidence.votes,
        ):
            return True
        shown = Prepared(request.round, request.digest, b"", (), evidence.votes)
        certificate = shown.certificate(state.configuration, state.height)
        return certificate_fault(self.signatures, state.configuration, certificate) is None


def _allows(claim: Claim | None, safe: tuple[int, bytes] | None) -> bool:
    """B14 (i): mbal < c, or mbal = c and mval = v, where `safe` is (c, v); none: no 2b at all."""
    if claim is None:
        return True
    return safe is not None and (claim.ballot < safe[0] or claim.place == safe)
