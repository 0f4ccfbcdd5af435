"""Engine `raft`: Byzantine Raft, two-phase locking in Raft's words.

The rules R1 to R16 that the comments name are those of spec/consensus/raft.md, which also says why
they are safe and live and which flaws of the published protocol each one repairs. A round is a
term. Followers answer the leader alone; it shows the append votes of a quorum in its next
AppendEntries, and each member that sees them locks and gives its commit vote to all. A term
ends by requests for votes that only claim an entry; who leads the next term must prove what is
claimed. What every engine does alike is in `height.py`.
"""

import itertools

from bubi.consensus.engine import ProposalMessage, VoteMessage, first_vote
from bubi.consensus.guard import Phase, VoteRequest
from bubi.consensus.height import ROUND_MAX, HeightEngine, HeightRules
from bubi.consensus.height_state import Check, Mode
from bubi.consensus.parts import EpochStart, Fresh, Prepared, Votes, change_vote, signed_bytes
from bubi.consensus.raft_bytes import (
    REQUEST_VOTE,
    Appended,
    Ballot,
    Claim,
    Election,
    High,
    Proof,
    decode_claim,
    decode_proof,
    encode_claim,
    encode_proof,
)
from bubi.consensus.raft_state import Quorum, RaftState
from bubi.consensus.votes import certificate_fault, weight_of
from bubi.encoding import EncodingError


class RaftEngine(HeightEngine[RaftState]):
    """See the module."""

    name = "raft"
    changing = "election"

    def initial(self) -> RaftState:
        """The state before the first height."""
        return RaftState()

    def _rules(self, state: RaftState) -> "_Rules":
        return _Rules(self._signatures, state)


class _Rules(HeightRules[RaftState]):
    """What Raft adds to the rules of a height."""

    __slots__ = ()

    request_kind = REQUEST_VOTE

    # --- AppendEntries ---------------------------------------------------------------------------

    def _fresh(self) -> bytes:
        """R2: the leader of the parent's term needs no election."""
        parent = self.state.parent
        return encode_proof(EpochStart() if parent is None else Fresh(parent))

    def _proposal(self, message: ProposalMessage) -> None:
        """AppendEntries: an entry to append, or the append votes of a quorum."""
        state = self.state
        try:
            proof = decode_proof(message.justification, state.configuration, state.height)
        except EncodingError:
            return
        if isinstance(proof, Appended):
            self._certified(message, proof.votes)
        elif self._is_leaders(message):
            self._count(message.signed)
            if self._is_open(message.signed):
                self._append(message, proof)

    def _append(self, message: ProposalMessage, proof: Proof) -> None:
        """R3: appends an entry whose leader is proven."""
        state = self.state
        request = message.signed.request
        shown: int | None = self._parent_round()
        match proof:
            case EpochStart():
                holds = state.parent is None and request.round == 0
            case Fresh():
                shown = proof.parent.request.round
                holds = request.round == shown + self._rotation() and self._is_parent(proof.parent)
            case Election():
                holds = self._is_elected(proof, request)
                if proof.high is not None:
                    shown = None
                elif proof.parent is not None:
                    shown = proof.parent.request.round
            case Appended():
                return
        if holds:
            self._accept(message, shown, begins=not isinstance(proof, Election))
            self._consider()

    def _say_first(self, vote: VoteMessage) -> None:
        """R4: the leader's append vote is its AppendEntries; a follower answers the leader."""
        state = self.state
        if not self._leads():
            self._say(vote, state.configuration.leader(state.round))
            return
        known = state.proposals[state.accepted]
        self._say(ProposalMessage(vote, known.proposal, known.payload, state.justification))
        if state.quorum is not None:
            self._show_quorum(vote, state.quorum)

    # --- append votes ----------------------------------------------------------------------------

    def _vote(self, vote: VoteMessage) -> None:
        """R6, R8: counts a vote and does what it allows."""
        state = self.state
        weight = self._count(vote)
        if weight < state.configuration.quorum:
            return
        if vote.request.phase is Phase.COMMIT:
            self._decide(vote.request)
        else:
            self._prepare()

    def _gather(self) -> None:
        """R6: the leader shows the append votes of a quorum, its own among them."""
        state = self.state
        configuration = state.configuration
        own = configuration.own
        if own is None or not self._leads():
            return
        request = first_vote(configuration, state.height, state.round, state.accepted)
        mine = self._first_heard(own, state.round)
        if (
            mine is None
            or state.votes.weight(state.round, Phase.FIRST, state.accepted) < configuration.quorum
        ):
            return
        votes = {own: mine.signature}
        for member, vote in sorted(state.votes.tallies[state.round, Phase.FIRST].votes.items()):
            if weight_of(configuration, votes) >= configuration.quorum:
                break
            if vote.request == request:
                votes[member] = vote.signature
        state.quorum = Quorum(state.accepted, tuple(sorted(votes.items())))
        self._show_quorum(mine, state.quorum)

    def _show_quorum(self, mine: VoteMessage, quorum: Quorum) -> None:
        self._say(ProposalMessage(mine, b"", (), encode_proof(Appended(quorum.votes))))

    def _certified(self, message: ProposalMessage, votes: Votes) -> None:
        """R6, R12: append votes of a quorum, from the leader or passed on with the entry."""
        state = self.state
        vote = message.signed
        request = vote.request
        if (
            request.phase is not Phase.FIRST
            or request.round > ROUND_MAX
            or state.configuration.leader(request.round) != vote.validator
        ):
            return
        if message.proposal and not self._is_leaders(message):
            return
        self._count(vote)
        follows = (
            state.mode is Mode.NORMAL
            and request.round == state.round
            and state.quorum is None
            and state.accepted in {b"", request.digest}
        )
        newer = bool(message.proposal) and (state.high is None or request.round > state.high.round)
        if not (follows or newer) or not self._is_quorum(request, votes):
            return
        if newer:
            state.high = Prepared(
                request.round, request.digest, message.proposal, message.payload, votes
            )
        if follows:
            state.quorum = Quorum(request.digest, votes)
            self._prepare()
        else:
            self._weigh_changes()

    def _is_quorum(self, request: VoteRequest, votes: Votes) -> bool:
        """R6: whether these are append votes of a quorum for an entry, its leader's among them."""
        state = self.state
        lock = state.lock
        if lock is not None and (lock.round, lock.digest, lock.votes) == (
            request.round,
            request.digest,
            votes,
        ):
            return True
        configuration = state.configuration
        prepared = Prepared(request.round, request.digest, b"", (), votes)
        certificate = prepared.certificate(configuration, state.height)
        leader = configuration.leader(request.round)
        return any(member == leader for member, _ in votes) and (
            certificate_fault(self.signatures, configuration, certificate) is None
        )

    def _has_first_quorum(self) -> bool:
        quorum = self.state.quorum
        return quorum is not None and quorum.digest == self.state.accepted

    def _prepare(self) -> None:
        """R7: locks the entry and gives the commit vote, once executed."""
        state = self.state
        if not self._works():
            return
        if state.quorum is None:
            self._gather()
        quorum = state.quorum
        if quorum is None or quorum.digest != state.accepted:
            return
        known = state.proposals[state.accepted]
        if known.check is Check.UNTIMELY:
            self._check(state.accepted, None)
        if known.outcome is None or state.committing or state.configuration.own is None:
            return
        lock = Prepared(state.round, state.accepted, known.proposal, known.payload, quorum.votes)
        new = lock != state.lock
        self._restore(lock)
        self._commit(lock, new=new)

    # --- restart ---------------------------------------------------------------------------------

    def _prepared(self) -> Prepared | None:
        return self.state.lock

    def _needed(self) -> set[bytes]:
        high = self.state.high
        return super()._needed() | {high.digest if high is not None else b""}

    def _restore(self, prepared: Prepared) -> None:
        """R7, R15: the newest lock counts."""
        state = self.state
        state.lock = prepared
        if state.high is None or prepared.round >= state.high.round:
            state.high = prepared

    def _resume_round(self, votes: list[VoteRequest]) -> None:
        """R15: the append votes of the record count again."""
        state = self.state
        lock = state.lock
        if lock is not None and (lock.round, lock.digest) == (state.round, state.accepted):
            state.quorum = Quorum(lock.digest, lock.votes)

    # --- election --------------------------------------------------------------------------------

    def _enter(self, round_: int, mode: Mode) -> None:
        super()._enter(round_, mode)
        self.state.quorum = None

    def _request_body(self, round_: int) -> bytes:
        """R10: the claim of a request for votes."""
        lock = self.state.lock
        below = lock is not None and lock.round < round_
        return encode_claim(Claim(lock.round, lock.digest) if lock is not None and below else None)

    def _read_request(self, body: bytes, round_: int) -> Claim | None:
        """R11: what a request for votes claims; that alone proves nothing.

        Raises:
            EncodingError: it does not hold.
        """
        claim = decode_claim(body)
        if claim is not None and claim.term >= round_:
            msg = "it claims an entry of the term it asks for, or of a later one"
            raise EncodingError(msg)
        return claim

    def _asked(self) -> None:
        """R10: passes on what the next leader must prove, and what the last one has signed."""
        state = self.state
        configuration = state.configuration
        lock = state.lock
        leader = configuration.leader(state.round)
        if lock is not None and leader != configuration.own:
            author = configuration.leader(lock.round)
            request = first_vote(configuration, state.height, lock.round, lock.digest)
            vote = VoteMessage(author, request, dict(lock.votes)[author])
            proof = encode_proof(Appended(lock.votes))
            self._say(ProposalMessage(vote, lock.proposal, lock.payload, proof), leader)
        heard = self._last_leader_heard()
        if heard is not None:
            self._say(heard)

    def _last_leader_heard(self) -> VoteMessage | None:
        """What another member signed as leader of the newest term below."""
        state = self.state
        configuration = state.configuration
        votes = [
            tally.votes[configuration.leader(term)]
            for (term, phase), tally in state.votes.tallies.items()
            if phase is Phase.FIRST
            and term < state.round
            and configuration.leader(term) in tally.votes
            and configuration.leader(term) != configuration.own
        ]
        return max(votes, key=lambda vote: vote.request.round, default=None)

    def _lead(self) -> None:
        """R12: the leader shows a quorum that it can answer for, and appends the highest entry."""
        state = self.state
        high = state.high
        if high is not None and high.round >= state.round:
            # Others are in a later term already.
            return
        place = (high.round, high.digest) if high is not None else None
        chosen = self._lowest_asking(lambda change: _covers(place, change.carried))
        if chosen is None:
            return
        ballots = tuple(
            Ballot(member, change.vote.signature, change.carried) for member, change in chosen
        )
        shown = High(high.round, high.votes) if high is not None else None
        self._begin_as_leader(encode_proof(Election(ballots, shown, state.parent)), high)

    def _is_elected(self, election: Election, request: VoteRequest) -> bool:
        """R13: whether a quorum left all terms below and the entry is the highest it claims."""
        state = self.state
        configuration = state.configuration
        members = [ballot.member for ballot in election.ballots]
        high = election.high
        if (
            any(low >= high_ for low, high_ in itertools.pairwise(members))
            or not members
            or members[-1] >= len(configuration.members)
            or weight_of(configuration, members) < configuration.quorum
            or (election.parent is None) != (state.parent is None)
            or (election.parent is not None and not self._is_parent(election.parent))
            or (high is not None and high.term >= request.round)
        ):
            return False
        place = (high.term, request.digest) if high is not None else None
        if not all(_covers(place, ballot.claim) for ballot in election.ballots):
            return False
        if not all(self._is_ballot(ballot, request.round) for ballot in election.ballots):
            return False
        if high is None:
            return True
        appended = first_vote(configuration, state.height, high.term, request.digest)
        return self._is_quorum(appended, high.votes)

    def _is_ballot(self, ballot: Ballot, term: int) -> bool:
        """Whether a member asked for a term with this claim."""
        state = self.state
        configuration = state.configuration
        digest = self.signatures.hash(signed_bytes(REQUEST_VOTE, encode_claim(ballot.claim)))
        request = change_vote(configuration, state.height, term, digest)
        vote = VoteMessage(ballot.member, request, ballot.signature)
        stored = state.changes.get(ballot.member)
        return (stored is not None and stored.vote == vote) or self.signatures.verify(
            configuration, vote
        )


def _covers(high: tuple[int, bytes] | None, claim: Claim | None) -> bool:
    """R12, R13: whether an entry (term, digest) is at least as new as a claimed one."""
    if claim is None:
        return True
    return high is not None and (claim.term < high[0] or claim.place == high)
