"""By what a correct leader justifies a later round: judged apart from the engines' own checks.

Each engine has its own words for it (view changes of PBFT, an election of Raft, phase 1 of Paxos).
In all of them a quorum asked for the round, what it claims is proven, and the leader proposes the
newest block that any of them may have given a commit vote for.
"""

from collections.abc import Iterable, Sequence

from bubi.consensus import paxos_bytes, pbft_bytes, raft_bytes
from bubi.consensus.engine import (
    Configuration,
    EngineMessage,
    ProposalMessage,
    Signatures,
    VoteMessage,
    first_vote,
)
from bubi.consensus.guard import Phase
from bubi.consensus.parts import Prepared, Votes, change_vote, signed_bytes


def weight_of(configuration: Configuration, members: Iterable[int]) -> int:
    """Weight of these members, each counted once."""
    known = configuration.members
    return sum(known[index].weight for index in set(members) if 0 <= index < len(known))


def new_round_fault(
    signatures: Signatures, configuration: Configuration, message: ProposalMessage
) -> str | None:
    """What is wrong with the justification of a proposal, None if nothing or if it needs none."""
    request = message.signed.request
    if (request.epoch, request.engine) != (configuration.epoch, configuration.engine):
        return None
    judge = _JUDGES.get(configuration.engine)
    return judge(_Judge(signatures, configuration, message)) if judge is not None else None


def request_fault(
    signatures: Signatures, configuration: Configuration, message: EngineMessage
) -> str | None:
    """What is wrong with the certificate in a view change of PBFT, None if nothing or none is.

    Requests of the other engines claim; what proves the claim is shown apart from them.
    """
    if message.kind != pbft_bytes.VIEW_CHANGE:
        return None
    prepared = pbft_bytes.decode_change(message.body)
    if prepared is None or _Judge(signatures, configuration, message).is_prepared(prepared):
        return None
    return f"its certificate of round {prepared.round} does not hold"


def quorum_fault(
    signatures: Signatures, configuration: Configuration, message: ProposalMessage
) -> str | None:
    """What is wrong with the append votes that a leader of Raft shows; a word if it shows none."""
    proof = raft_bytes.decode_proof(message.justification, configuration, message.height)
    if not isinstance(proof, raft_bytes.Appended):
        return "it shows no votes"
    return _Judge(signatures, configuration, message).appended(proof.votes)


class _Judge:
    """A message and what its words are judged by."""

    def __init__(
        self,
        signatures: Signatures,
        configuration: Configuration,
        message: ProposalMessage | EngineMessage,
    ) -> None:
        self._signatures = signatures
        self._configuration = configuration
        self._message = message
        self._round = message.signed.request.round
        self._digest = message.signed.request.digest

    # --- the engines -------------------------------------------------------------------------

    def is_prepared(self, prepared: Prepared) -> bool:
        """PBFT: whether a certificate proves what was prepared in a round below."""
        place = prepared.round, prepared.digest
        return prepared.round < self._round and self._is_voted(place, prepared.votes)

    def pbft(self) -> str | None:
        """View changes carry prepared certificates of their own."""
        message = self._message
        assert isinstance(message, ProposalMessage)
        view = pbft_bytes.decode_justification(
            message.justification, self._configuration, message.height
        )
        if not isinstance(view, pbft_bytes.NewView):
            return None
        members = [change.member for change in view.changes]
        if not self._is_quorum(members):
            return f"view changes of {members}"
        highest: tuple[int, bytes] | None = None
        for change in view.changes:
            prepared = pbft_bytes.decode_change(change.body)
            if prepared is None:
                continue
            if not self.is_prepared(prepared):
                return f"member {change.member} shows a certificate that does not hold"
            highest = max(highest or (-1, b""), (prepared.round, prepared.digest))
        if highest is not None and highest[1] != self._digest:
            return "it proposes something else than what was prepared last"
        return None

    def raft(self) -> str | None:
        """Requests for votes claim; the leader proves the highest claim."""
        message = self._message
        assert isinstance(message, ProposalMessage)
        proof = raft_bytes.decode_proof(message.justification, self._configuration, message.height)
        if message.signed.request.phase is not Phase.FIRST or not isinstance(
            proof, raft_bytes.Election
        ):
            return None
        claims = []
        for ballot in proof.ballots:
            body = raft_bytes.encode_claim(ballot.claim)
            if not self._is_signed(
                ballot.member, Phase.CHANGE, raft_bytes.REQUEST_VOTE, body, ballot.signature
            ):
                return f"the request of member {ballot.member} is not signed by it"
            claims.append(None if ballot.claim is None else ballot.claim.place)
        high = proof.high
        return self._weigh(
            [ballot.member for ballot in proof.ballots],
            claims,
            None if high is None else (high.term, high.votes),
        )

    def paxos(self) -> str | None:
        """1b claim; the leader proves the highest of them (KnowsSafeAt)."""
        message = self._message
        assert isinstance(message, ProposalMessage)
        if message.signed.request.phase is not Phase.PROPOSAL:
            return None
        proof = paxos_bytes.decode_proof(
            message.justification, self._configuration, message.height
        )
        if not isinstance(proof, paxos_bytes.Phase1):
            return None
        claims = []
        for promise in proof.promises:
            body = paxos_bytes.encode_claim(promise.claim)
            if not self._is_signed(
                promise.member, Phase.GRANT, paxos_bytes.PHASE_1B, body, promise.signature
            ):
                return f"the 1b of member {promise.member} is not signed by it"
            claims.append(None if promise.claim is None else promise.claim.place)
        evidence = proof.evidence
        return self._weigh(
            [promise.member for promise in proof.promises],
            claims,
            None if evidence is None else (evidence.ballot, evidence.votes),
        )

    def appended(self, votes: Votes) -> str | None:
        """Raft: append votes of a quorum, the leader's among them."""
        leader = self._message.signed.validator
        if not self._is_voted((self._round, self._digest), votes):
            return f"{[member for member, _ in votes]} did not append it"
        return None if any(member == leader for member, _ in votes) else "its leader did not"

    # --- what they share ---------------------------------------------------------------------

    def _weigh(
        self,
        members: Sequence[int],
        claims: Sequence[tuple[int, bytes] | None],
        shown: tuple[int, Votes] | None,
    ) -> str | None:
        """A quorum that asked, and the proof that nothing newer than what is proposed is claimed.

        `shown` is the round in which a quorum voted for the proposal, with those votes.
        """
        if not self._is_quorum(members):
            return f"{list(members)} asked for the round"
        if shown is not None and (
            shown[0] >= self._round or not self._is_voted((shown[0], self._digest), shown[1])
        ):
            return f"the votes of round {shown[0]} do not hold"
        for member, claim in zip(members, claims, strict=True):
            if claim is None:
                continue
            if shown is None or claim[0] > shown[0]:
                return f"member {member} claims round {claim[0]}, which is not shown"
            if claim[0] == shown[0] and claim[1] != self._digest:
                return f"member {member} claims another block of round {claim[0]}"
        return None

    def _is_quorum(self, members: Sequence[int]) -> bool:
        return (
            len(set(members)) == len(members)
            and weight_of(self._configuration, members) >= self._configuration.quorum
        )

    def _is_voted(self, place: tuple[int, bytes], votes: Votes) -> bool:
        """Whether a quorum gave first votes for a digest in a round."""
        configuration, height = self._configuration, self._message.height
        request = first_vote(configuration, height, *place)
        return self._is_quorum([member for member, _ in votes]) and all(
            self._signatures.verify(configuration, VoteMessage(member, request, signature))
            for member, signature in votes
        )

    def _is_signed(
        self, member: int, phase: Phase, kind: str, body: bytes, signature: bytes
    ) -> bool:
        """Whether a member asked for this round in these words."""
        digest = self._signatures.hash(signed_bytes(kind, body))
        height = self._message.height
        asked = change_vote(self._configuration, height, self._round, digest)
        if phase is Phase.GRANT:
            asked = paxos_bytes.promise_vote(self._configuration, height, self._round, digest)
        return self._signatures.verify(self._configuration, VoteMessage(member, asked, signature))


_JUDGES = {"pbft": _Judge.pbft, "raft": _Judge.raft, "paxos": _Judge.paxos}
