"""Attacks that succeed on the published Byzantine Raft, over a network of the repaired one.

The cluster fails on two decisions for one height, whoever makes them.
"""

import pytest

from bubi.consensus.engine import (
    ConsensusMessage,
    EngineMessage,
    ProposalMessage,
    ReportEvidence,
    VoteMessage,
    commit_vote,
    first_vote,
)
from bubi.consensus.guard import Phase, VoteRequest
from bubi.consensus.height_state import Mode
from bubi.consensus.parts import EpochStart, Fresh, change_vote, signed_bytes
from bubi.consensus.raft_bytes import (
    REQUEST_VOTE,
    Appended,
    Ballot,
    Claim,
    Election,
    High,
    encode_claim,
    encode_proof,
)

from .cluster import GENESIS, SIGNATURES, Cluster, digest_of, sha, sign

Entry = tuple[bytes, tuple[bytes, ...]]


class Liar:
    """Member 0 says only what a test has it say; it hears everything."""

    def __init__(self, count: int = 4) -> None:
        self.cluster = Cluster(count, engine="raft")
        self.cluster.byzantine.add(0)
        self.settings = self.cluster.configuration_of(0)
        self.heard: dict[VoteRequest, dict[int, bytes]] = {}
        self.cluster.filter = self._hear
        self.cluster.start()
        self.cluster.want(1)

    def _hear(self, from_: int, to: int, message: ConsensusMessage) -> ConsensusMessage | None:
        if from_ == 0:
            return None
        if to == 0 and isinstance(message, VoteMessage):
            self.heard.setdefault(message.request, {})[from_] = message.signature
        return message

    def made(self, request: VoteRequest) -> VoteMessage:
        return VoteMessage(0, request, sign(self.settings.members[0].key, request))

    def entry(self, name: int, height: int = 1, parent: bytes = GENESIS) -> Entry:
        proposal = f"{height}/0/0/{self.cluster.now}/{name}/".encode() + parent
        return proposal, (sha(b"batch", proposal),)

    def tell(self, who: tuple[int, ...], message: ConsensusMessage) -> None:
        for other in who:
            self.cluster.transmit(0, other, message)

    def append(self, who: tuple[int, ...], entry: Entry, proof: bytes, term: int = 0) -> bytes:
        digest = digest_of(*entry)
        signed = self.made(first_vote(self.settings, 1, term, digest))
        self.tell(who, ProposalMessage(signed, *entry, proof))
        return digest

    def show(self, who: tuple[int, ...], digest: bytes) -> None:
        """The append votes that it has for a digest, a quorum or not, and its commit vote."""
        request = first_vote(self.settings, 1, 0, digest)
        mine = self.made(request)
        votes = {**self.heard.get(request, {}), 0: mine.signature}
        proof = encode_proof(Appended(tuple(sorted(votes.items()))))
        self.tell(who, ProposalMessage(mine, b"", (), proof))
        outcome = sha(b"outcome", digest, b"")
        self.tell(who, self.made(commit_vote(self.settings, 1, 0, digest, outcome)))

    def run(self, milliseconds: int) -> None:
        self.cluster.run(lambda: False, milliseconds)


@pytest.mark.parametrize("shown_early", [False, True])
def test_attack_1_equivocation_within_a_term(shown_early: bool) -> None:
    """X to A and C, then Y to C and D: C acknowledges one of them only, and nothing forks."""
    liar = Liar()
    cluster = liar.cluster
    proof = encode_proof(EpochStart())
    x = liar.append((1, 2), liar.entry(1), proof)
    liar.run(50)
    if shown_early:
        liar.show((1,), x)
        liar.run(50)
    y = liar.append((2, 3), liar.entry(2), proof)
    liar.run(50)
    acknowledged = [
        (request.digest, sorted(votes))
        for request, votes in liar.heard.items()
        if request.phase is Phase.FIRST
    ]
    assert sorted(acknowledged) == sorted([(x, [1, 2]), (y, [3])])
    # It tries to commit X at A and Y at D.
    liar.show((1,), x)
    liar.show((3,), y)
    locked = cluster.nodes[1].state.engine.lock is not None
    assert locked is shown_early
    assert cluster.reach(1, who={1, 2, 3})
    assert cluster.nodes[3].state.engine.lock is None
    [digest] = {node.disk.blocks[0].certificate.request.digest for node in cluster.nodes[1:]}
    # Who is locked on X proves it: whoever leads next appends X again.
    assert (digest == x) is shown_early
    assert digest != y
    evidence = [action for _, action in cluster.reports if isinstance(action, ReportEvidence)]
    assert evidence
    assert {action.first.validator for action in evidence} == {0}


def test_attack_2_self_declared_freshness() -> None:
    """A huge claimed log wins no election and truncates nothing that was decided."""
    liar = Liar()
    cluster = liar.cluster
    cluster.filter = None
    assert cluster.reach(1)
    decided = cluster.nodes[1].disk.blocks[0].certificate
    cluster.filter = liar._hear
    cluster.want(2)
    liar.run(20)
    huge = Claim(2**61, sha(b"a long log"))
    body = encode_claim(huge)
    hashed = SIGNATURES.hash(signed_bytes(REQUEST_VOTE, body))
    everybody = (1, 2, 3)
    for height in (1, 2):
        for term in (1, 4, 2**61 + 4):
            asked = liar.made(change_vote(liar.settings, height, term, hashed))
            liar.tell(everybody, EngineMessage(asked, REQUEST_VOTE, body))
            ballots = tuple(Ballot(one, asked.signature, huge) for one in (0, 1, 2))
            for high in (None, High(2**61, decided.votes)):
                for parent in (None, decided):
                    entry = liar.entry(9, height)
                    signed = liar.made(first_vote(liar.settings, height, term, digest_of(*entry)))
                    proof = encode_proof(Election(ballots, high, parent))
                    liar.tell(everybody, ProposalMessage(signed, *entry, proof))
    # Nor does an entry at index 0, which "matches" everywhere, go over what is decided.
    liar.append(everybody, liar.entry(9), encode_proof(EpochStart()))
    liar.append(everybody, liar.entry(9), encode_proof(Fresh(decided)))
    liar.run(100)
    assert {node.state.engine.accepted for node in cluster.nodes[1:]} == {b""}
    assert cluster.reach(3, who={1, 2, 3})
    for node in cluster.nodes[1:]:
        assert node.disk.blocks[0].certificate.request == decided.request


def test_one_round_of_votes_would_fork_seven() -> None:
    """Flaw 4: member 1 alone sees the append votes for X, and the others may decide otherwise."""
    liar = Liar(7)
    cluster = liar.cluster
    x = liar.append((1, 2, 3, 4), liar.entry(1), encode_proof(EpochStart()))
    liar.run(50)
    liar.show((1,), x)
    liar.run(15)
    assert cluster.nodes[1].state.engine.lock.digest == x
    # By one round of votes it would have decided X here.
    assert cluster.nodes[1].height == 0
    cluster.cut = lambda from_, to: 1 in {from_, to}
    others = {2, 3, 4, 5, 6}
    assert cluster.reach(2, who=others)
    assert cluster.nodes[2].disk.blocks[0].certificate.request.digest != x
    cluster.cut = lambda from_, to: False
    assert cluster.reach(3, who=others | {1})


def test_hidden_lock_does_not_stop_the_network() -> None:
    """Only member 2 knows the quorum; members 1 and 3 go on with it, or without it."""
    for reachable in (True, False):
        liar = Liar()
        cluster = liar.cluster
        x = liar.append((1, 2, 3), liar.entry(1), encode_proof(EpochStart()))
        liar.run(50)
        liar.show((2,), x)
        liar.run(50)
        locks = [node.state.engine.lock is not None for node in cluster.nodes[1:]]
        assert locks == [False, True, False]
        if not reachable:
            # The liar votes instead, as a member that never saw anything.
            cluster.cut = lambda from_, to: 2 in {from_, to}
            cluster.filter = None
        assert cluster.reach(1, who={1, 3})
        digest = cluster.nodes[1].disk.blocks[0].certificate.request.digest
        assert (digest == x) is reachable
        cluster.cut = lambda from_, to: False
        assert cluster.reach(2, who={1, 2, 3})
        assert cluster.nodes[2].state.engine.mode is not Mode.STOPPED
