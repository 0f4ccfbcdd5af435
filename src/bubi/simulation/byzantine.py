"""Members that break the protocol. They stand beside the production code, not in it.

A faulty member runs a replica of its own, so that it knows what a correct one would do, and
changes what leaves it. It holds its own key only: it can sign anything, but for nobody else.
"""

from collections import deque
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING

from bubi import core, messages
from bubi.consensus.engine import (
    Certificate,
    ConsensusMessage,
    EngineMessage,
    ProposalMessage,
    VoteMessage,
    commit_vote,
)
from bubi.consensus.guard import Phase, VoteRequest
from bubi.ledger import encode_certificate
from bubi.simulation import nonsense
from bubi.simulation.accusing import false_evidence
from bubi.simulation.governing import transaction
from bubi.simulation.lies import PBFT, Round, Words
from bubi.simulation.lies_paxos import PAXOS
from bubi.simulation.lies_raft import RAFT
from bubi.simulation.lying_leaders import Liar
from bubi.simulation.scheduler import MILLISECOND, SECOND

if TYPE_CHECKING:
    from bubi.simulation.cluster import Cluster
    from bubi.simulation.host import Host, Place

REMEMBERED = 400
BATCHES_REMEMBERED = 50
TICK = 400 * MILLISECOND
SOON = 60 * MILLISECOND
"""Within this time a proposal has arrived almost everywhere."""
LIE_ODDS = 3
"""How much likelier a lie in a view change is than each other act."""
ACTIVE = ("replay", "garbage", "lie_view_change", "equivocate", "fake_sync", "accuse", "usurp")
DIETS = ("nothing", "nothing", "oldest", "but_one")
"""What a leader that starves the others puts into its blocks: nothing, the oldest batch only, or
all but those of one author."""
STARVING_DELAY = 150 * MILLISECOND
"""It proposes as late as it may without being slow (H5)."""
STARVED_MAX = 15 * SECOND
"""How long it may pass over one batch that every correct member holds."""
STARVED_STEP = SECOND // 2
"""Of the time between two proposals so much counts: in a longer one the network stood still."""
WORDS = {"pbft": PBFT, "raft": RAFT, "paxos": PAXOS}
"""How members lie, by engine; to another engine they speak as to PBFT, and are not understood."""


class Behaviour:
    """The acts of one faulty member."""

    def __init__(
        self,
        cluster: "Cluster",
        place: "Place",
        acts: tuple[str, ...],
        random: Random,
        tick_us: int = TICK,
    ) -> None:
        self._cluster = cluster
        self._tick_us = tick_us
        self._place = place
        self._acts = frozenset(acts)
        self._member = place.member
        self._random = random
        self._heard: deque[ConsensusMessage] = deque(maxlen=REMEMBERED)
        self._batches: deque[messages.BatchBody] = deque(maxlen=BATCHES_REMEMBERED)
        self._active = [act for act in ACTIVE if act in self._acts]
        if "lie_view_change" in self._acts:
            self._active += ["lie_view_change"] * (LIE_ODDS - 1)
        self._waiting: tuple[Host, tuple[bytes, ...], ProposalMessage] | None = None
        """Who has not heard of the own proposal yet, though others have."""
        self._persistent = random.random() < 0.5
        self._claimed = 0
        self._diet = random.choice(DIETS) if "starve" in self._acts else ""
        self._victim = b""
        self._round = -1
        self._proposed_at = 0
        self._starved: dict[bytes, int] = {}
        """For how long (µs) each batch was passed over in this round."""
        self._weighed: tuple[tuple[int, int], bool] | None = None
        """The newest round in which it had a commit vote to give, and whether it holds it back."""
        self.resting = False
        """True after the end of the phase of faults, if the plan lets it keep quiet."""

    @property
    def _number(self) -> int:
        """Its number in the set that it knows; once it is out, the last that it had."""
        host = self._place.host
        own = None if host is None else host.configuration.own
        self._member = self._member if own is None else own
        return self._member

    @property
    def _words(self) -> Words:
        host = self._place.host
        engine = self._cluster.engine_name if host is None else host.configuration.engine
        return WORDS.get(engine, PBFT)

    def start(self) -> None:
        """Plans what it does unasked."""
        if self._active:
            self._cluster.scheduler.after(self._tick_us, self._tick)

    def heard(self, message: messages.PeerMessage) -> None:
        """It remembers whatever reaches it."""
        if isinstance(message, messages.Consensus):
            self._heard.append(message.message)
            if self._waiting is not None and type(message.message) is VoteMessage:
                self._answered()
        elif isinstance(message, messages.BatchBody):
            self._batches.append(message)

    # --- what it proposes --------------------------------------------------------------------

    @property
    def delay(self) -> int:
        """How long (µs) it waits before it proposes."""
        return STARVING_DELAY if self._diet and not self.resting else 0

    def choose(self, round_: int, batches: tuple[core.Batch, ...]) -> tuple[core.Batch, ...]:
        """What it puts into a block of the batches that a correct leader would name."""
        if not self._diet or self.resting:
            return batches
        kept: tuple[core.Batch, ...] = ()
        if self._diet == "oldest":
            kept = batches[:1]
        elif self._diet == "but_one":
            others = [one.author for one in batches if one.author != self._place.key.public]
            self._victim = self._victim or (others[0] if others else b"")
            kept = tuple(one for one in batches if one.author != self._victim)
        if len(kept) < len(batches):
            self._count("starve")
        left = {one.digest for one in batches} - {one.digest for one in kept}
        self._watch_starved(round_, left)
        return kept

    def _watch_starved(self, round_: int, left: set[bytes]) -> None:
        """Nobody may starve others for long: what it leaves out while they all hold it."""
        if round_ != self._round:
            self._round = round_
            self._starved = {}
        cluster = self._cluster
        now = cluster.scheduler.now
        passed, self._proposed_at = min(now - self._proposed_at, STARVED_STEP), now
        correct = [one.host.replica for one in cluster.correct() if one.host is not None]
        self._starved = {
            digest: self._starved.get(digest, 0)
            + passed * all(replica.find_batch(digest) is not None for replica in correct)
            for digest in sorted(left)
        }
        longest = max(self._starved.values(), default=0)
        if longest > STARVED_MAX:
            cluster.checkers.starved(self._place, longest // MILLISECOND)

    # --- what leaves it ----------------------------------------------------------------------

    def send(self, host: "Host", peers: tuple[bytes, ...], message: messages.PeerMessage) -> None:
        """Sends what its replica wants to send, or something else, or nothing."""
        match message:
            case messages.Consensus():
                self._heard.append(message.message)
                if message.message.signed.validator == self._number and self._own(
                    host, peers, message.message
                ):
                    return
            case messages.BatchBody() if self._acts_now("withhold_batch"):
                # One peer hears of it, so that a proposal that names it is not refused by all.
                self._count("withhold_batch")
                peers = peers[:1] if self._random.random() < 0.5 else ()
            case messages.Blocks() if self._acts_now("fake_sync"):
                self._count("fake_sync")
                if message.blocks:
                    message = nonsense.spoilt(message, self._random)
                else:
                    message = self._forged(host, message)
            case messages.Status() if "fake_sync" in self._acts and (
                message.node == self._place.peer
            ):
                message = self._cluster.sign_status(self._place, self._claim(message))
            case _:
                pass
        host.transmit(peers, message)

    def _claim(self, status: messages.Status) -> messages.Status:
        """Its status, now and then with a height that it does not have.

        Half of the liars never fall below what they claimed: who does is found out at once.
        """
        height = status.height
        if self._random.random() < 0.3:
            self._count("fake_sync")
            height = self._random.choice((0, height + 2, height + 3, height + 10_000))
        if self._persistent:
            height = self._claimed = max(self._claimed, height)
        return replace(status, height=height)

    def _own(self, host: "Host", peers: tuple[bytes, ...], message: ConsensusMessage) -> bool:
        """Acts on a message of its own; True if nothing is left to be sent."""
        if message.signed.request.phase is Phase.COMMIT and self._acts_now("usurp"):
            # The next height is about to begin: its leader is not yet heard.
            delay = int(SOON * self._random.random())
            self._cluster.scheduler.after(delay, self._usurp_late, host)
        match message:
            case ProposalMessage():
                return self._own_proposal(host, peers, message)
            case EngineMessage() if self._acts_now("lie_view_change"):
                self._say_beside(host, peers, message)
                lie = self._lie(message)
                if lie is not None:
                    self._count("lie_view_change")
                    half = self._random.randrange(len(peers) + 1)
                    host.transmit(peers[:half], messages.Consensus(lie))
                    host.transmit(peers[half:], messages.Consensus(message))
                    return True
            case VoteMessage() if self._holds_back(message.request):
                self._count("lie_view_change")
                return True
            case VoteMessage() if self._acts_now("equivocate"):
                other = self._other_vote(message.request)
                self._count("equivocate")
                half = self._random.randrange(len(peers) + 1)
                host.transmit(peers[half:], messages.Consensus(message))
                # Some get both, and can prove it.
                host.transmit(peers[: half + 1], messages.Consensus(self._signed(other)))
                return True
            case _:
                pass
        return False

    def _own_proposal(
        self, host: "Host", peers: tuple[bytes, ...], message: ProposalMessage
    ) -> bool:
        """Acts on a proposal of its own; True if nothing is left to be sent."""
        if message.signed.request.phase is Phase.GRANT:
            lies = self._acts_now("lie_view_change")
            return lies and self._lying_support(host, peers, message)
        if "mute_leader" in self._acts:
            self._count("mute_leader")
            return True
        if self._leads_by_lies(host, peers, message):
            return True
        self._say_too_early(host, peers, message)
        if self._acts_now("withhold_proposal"):
            self._count("withhold_proposal")
            some = tuple(peer for peer in peers if self._random.random() < 0.3)
            host.transmit(some, messages.Consensus(message))
            return True
        if self._acts_now("lie_view_change") and self._lying_view(host, peers, message):
            return True
        return self._acts_now("equivocate") and self._equivocate(host, peers, message)

    def _acts_now(self, act: str) -> bool:
        return act in self._acts and self._random.random() < 0.5

    def _count(self, act: str) -> None:
        self._cluster.injected[act] += 1

    def _signed(self, request: VoteRequest) -> VoteMessage:
        return self._cluster.sign_vote(self._place, self._number, request)

    def _equivocate(
        self, host: "Host", peers: tuple[bytes, ...], message: ProposalMessage
    ) -> bool:
        """Two proposals for one round."""
        other = self._with_other_proposal(host, message)
        if other is None:
            return False
        self._heard.append(other)
        self._count("equivocate")
        half = self._random.randint(0, len(peers))
        host.transmit(peers[:half], messages.Consensus(message))
        host.transmit(peers[half:], messages.Consensus(other))
        return True

    def _with_other_proposal(
        self, host: "Host", message: ProposalMessage
    ) -> ProposalMessage | None:
        """The same with an empty proposal whose other block time makes another digest."""
        try:
            _, time, _, parent_round = host.ledger.proposal_fields(message.proposal)
            proposal, digest = host.ledger.propose(time + 1, parent_round, [])
        except core.CoreError:
            return None
        request = replace(message.signed.request, digest=digest)
        return replace(message, signed=self._signed(request), proposal=proposal, payload=())

    def _other_vote(self, request: VoteRequest) -> VoteRequest:
        """The same slot with another statement: one that is about, or one of nothing."""
        digests = [
            one.signed.request.digest
            for one in self._heard
            if one.height == request.height and one.signed.request.digest != request.digest
        ]
        digest = self._random.choice(digests) if digests else self._random.randbytes(32)
        if request.phase is Phase.COMMIT and self._random.random() < 0.5:
            return replace(request, outcome=self._random.randbytes(32))
        return replace(request, digest=digest)

    def _lie(self, message: EngineMessage) -> EngineMessage | None:
        """A view change that hides or forges what it had prepared."""
        request = message.signed.request
        random = self._random
        body = self._words.body(
            random, message.body, request.height, request.round, tuple(self._heard)
        )
        if body is None or random.random() < 0.2:
            older = [
                one.body
                for one in self._heard
                if isinstance(one, EngineMessage) and one.kind == message.kind
            ]
            body = random.choice([*older, b"", message.body[:-1], message.body + b"\x00"])
        if body == message.body:
            return None
        return self._engine_message(request, message.kind, body)

    def _lying_view(
        self, host: "Host", peers: tuple[bytes, ...], message: ProposalMessage
    ) -> bool:
        """A new view that proposes what its view changes do not allow."""
        if self._random.random() < 0.5 and self._reasoned_view(host, peers, message):
            return True
        justification = self._words.justification(self._random, message, host.configuration)
        if justification is None:
            return False
        lie = self._with_other_proposal(host, message) if message.proposal else message
        if lie is None:
            return False
        lie = replace(lie, justification=justification)
        self._count("lie_view_change")
        half = self._random.randint(0, len(peers) - 1)
        host.transmit(peers[:half], messages.Consensus(message))
        host.transmit(peers[half:], messages.Consensus(lie))
        return True

    def _reasoned_view(
        self, host: "Host", peers: tuple[bytes, ...], message: ProposalMessage
    ) -> bool:
        """The true new view to some; to the others later one with a lie of its own in it.

        Until then it has heard who voted for the first one.
        """
        make = self._words.reasoned
        if make is None or make(self._liar(host), message) is None:
            return False
        self._count("lie_view_change")
        self._waiting = None
        some = tuple(peer for peer in peers if self._random.random() < 0.6)
        host.transmit(some, messages.Consensus(message))
        rest = tuple(peer for peer in peers if peer not in some)
        if rest and self._words.late is not None and self._random.random() < 0.5:
            self._waiting = host, rest, message
            return True
        delay = int(SOON * self._random.random()) if some else 0
        self._cluster.scheduler.after(delay, self._reason_late, (host, rest, message))
        return True

    def _reason_late(self, said: tuple["Host", tuple[bytes, ...], ProposalMessage]) -> None:
        host, peers, message = said
        make = self._words.reasoned
        if host.dead or make is None or message.height != host.ledger.height + 1:
            return
        begun = make(self._liar(host), message)
        lie = None if begun is None else self._begun(host, message, begun)
        if lie is not None:
            host.transmit(peers, messages.Consensus(lie))

    def _begun(
        self, host: "Host", message: ProposalMessage, begun: Round
    ) -> ProposalMessage | None:
        """The proposal of a round that it begins; `message` gives the form of one."""
        request = replace(message.signed.request, round=begun.round)
        prepared = begun.prepared
        if prepared is not None:
            signed = self._signed(replace(request, digest=prepared.digest))
            return ProposalMessage(
                signed, prepared.proposal, prepared.payload, begun.justification
            )
        shaped = replace(message, signed=replace(message.signed, request=request))
        other = self._with_other_proposal(host, shaped) if message.proposal else None
        return None if other is None else replace(other, justification=begun.justification)

    def _usurp_late(self, host: "Host") -> None:
        if host.dead or not host.peers or self.resting:
            return
        made = self._usurp(host)
        if made is not None:
            self._count("usurp")
            some = tuple(peer for peer in host.peers if self._random.random() < 0.7)
            host.transmit(some, messages.Consensus(made))

    def _usurp(self, host: "Host") -> ProposalMessage | None:
        """A proposal in a round that another member leads, as that one would justify it."""
        shapes = [
            one
            for one in self._heard
            if isinstance(one, ProposalMessage)
            and one.proposal
            and one.signed.request.phase is not Phase.GRANT
        ]
        if not shapes:
            return None
        height = host.ledger.height + 1
        make = self._words.usurped
        if make is not None:
            shape = shapes[-1]
            begun = make(self._liar(host), height, host.ledger.tip().certificate)
            request = replace(shape.signed.request, height=height)
            shape = replace(shape, signed=replace(shape.signed, request=request))
            return None if begun is None else self._begun(host, shape, begun)
        # Who knows no better says again what the leader said, in its own name.
        current = [one for one in shapes if one.height == height]
        return self._with_other_proposal(host, current[-1]) if current else None

    def _liar(self, host: "Host") -> Liar:
        return Liar(
            self._random,
            self._number,
            host.configuration,
            self._heard,
            self._signed,
            self._cluster.signatures.hash,
            lambda message: self._with_other_proposal(host, message),
        )

    def _leads_by_lies(
        self, host: "Host", peers: tuple[bytes, ...], message: ProposalMessage
    ) -> bool:
        """Lies to each peer in another way, or lets some wait until the others have answered.

        False if it needs no lie to lead this round, or tells none: then nothing was sent.
        """
        make = self._words.leads
        if make is None or "lie_view_change" not in self._acts or self._random.random() < 0.1:
            return False
        liar = self._liar(host)
        lies = {peer: make(liar, message) for peer in peers}
        if not any(lies.values()):
            return False
        self._waiting = None
        kept = tuple(self._random.sample(peers, len(peers) // 3))
        if kept and self._words.late is not None and self._random.random() < 0.4:
            # The others get the truth, so that they answer.
            self._waiting = host, kept, message
            lies = {peer: () for peer in peers if peer not in kept}
        for peer, told in lies.items():
            for one in told or (message,):
                self._count("lie_view_change")
                host.transmit((peer,), messages.Consensus(one))
        return True

    def _answered(self) -> None:
        """Tells those who had to wait, once what the others answered proves the proposal."""
        if self._waiting is None or self._words.late is None:
            return
        host, peers, message = self._waiting
        if host.dead or host.configuration.own is None:
            self._waiting = None
            return
        proven = self._words.late(self._liar(host), message)
        if proven is not None:
            self._waiting = None
            self._count("lie_view_change")
            host.transmit(peers, messages.Consensus(proven))

    def _holds_back(self, request: VoteRequest) -> bool:
        """Whether it gives no commit vote in a round: others are bound by what is not decided."""
        if (
            self._words.leads is None
            or request.phase is not Phase.COMMIT
            or "lie_view_change" not in self._acts
        ):
            return False
        place = request.height, request.round
        if self._weighed is None or self._weighed[0] != place:
            self._weighed = place, self._random.random() < 0.5
        return self._weighed[1]

    def _say_beside(self, host: "Host", peers: tuple[bytes, ...], message: EngineMessage) -> None:
        """Says something beside its request for a round that is not so."""
        make = self._words.beside
        made = make(self._liar(host), message) if make is not None else None
        if made is not None:
            self._count("lie_view_change")
            host.transmit(peers, messages.Consensus(made))

    def _say_too_early(
        self, host: "Host", peers: tuple[bytes, ...], message: ProposalMessage
    ) -> None:
        """Claims the answers of a quorum soon after a proposal leaves."""
        make = self._words.premature
        if make is None or not message.proposal or not self._acts_now("lie_view_change"):
            return
        lie = make(self._random, message, host.configuration)
        self._count("lie_view_change")
        some = tuple(peer for peer in peers if self._random.random() < 0.7)
        delay = int(SOON * self._random.random())
        self._cluster.scheduler.after(delay, self._say_late, (host, some, lie))

    def _say_late(self, said: tuple["Host", tuple[bytes, ...], ProposalMessage]) -> None:
        host, peers, message = said
        if not host.dead:
            host.transmit(peers, messages.Consensus(message))

    def _lying_support(
        self, host: "Host", peers: tuple[bytes, ...], message: ProposalMessage
    ) -> bool:
        """Supports a leader with what is not so."""
        make = self._words.promise
        made = make(self._random, message, tuple(self._heard)) if make is not None else None
        if made is None:
            return False
        signed, lie = made
        digest = self._cluster.signatures.hash(signed)
        lie = replace(lie, signed=self._signed(replace(lie.signed.request, digest=digest)))
        self._count("lie_view_change")
        host.transmit(peers, messages.Consensus(lie))
        if self._random.random() < 0.3:
            # Both: which one counts is up to the leader.
            host.transmit(peers, messages.Consensus(message))
        return True

    def _engine_message(self, request: VoteRequest, kind: str, body: bytes) -> EngineMessage:
        digest = self._cluster.signatures.hash(kind.encode() + b"\0" + body)
        return EngineMessage(self._signed(replace(request, digest=digest)), kind, body)

    def _forged(self, host: "Host", message: messages.Blocks) -> messages.Blocks:
        """A block that nobody decided, for who asks for more than there is.

        It fits on the newest block; the certificate has this member's own signature, under the
        names of others too.
        """
        ledger, configuration = host.ledger, host.configuration
        tip = ledger.tip()
        if tip.certificate is None:
            return message
        round_ = tip.certificate.request.round
        proposal, digest = ledger.propose(ledger.time + 1, round_, [])
        outcome = ledger.execute(proposal, digest, [])
        request = commit_vote(configuration, ledger.height + 1, round_, digest, outcome)
        own = self._signed(request)
        names = range(len(configuration.members))
        if self._random.random() < 0.3:
            names = range(self._number, self._number + 1)
        certificate = Certificate(request, tuple((member, own.signature) for member in names))
        parts = messages.BlockParts(
            ledger.height + 1, proposal, encode_certificate(certificate), (), ()
        )
        return replace(message, blocks=(parts,))

    # --- what it does unasked ----------------------------------------------------------------

    def _tick(self, _: None) -> None:
        delay = int(self._tick_us * (0.5 + self._random.random()))
        self._cluster.scheduler.after(delay, self._tick)
        host = self._place.host
        if host is None or host.dead or not host.peers or self.resting:
            return
        act = self._random.choice(self._active)
        if act == "accuse":
            self._accuse(host)
            return
        made = self._make(act, host)
        if made is None:
            return
        self._count(act)
        peers = tuple(host.peers)
        chosen = peers if self._random.random() < 0.3 else (self._random.choice(peers),)
        host.transmit(chosen, made)

    def _accuse(self, host: "Host") -> None:
        """Reports what nobody did."""
        chain, key = self._cluster.chain_id, self._place.key
        made = false_evidence(self._random, self._heard, host.ledger.view, chain, key)
        if made is None:
            return
        identifier = self._random.randbytes(16)
        said = transaction(chain, key.secret, made, host.time, identifier)
        if host.submit(core.bulk_body([said])) is not None:
            self._count("accuse")

    def _make(self, act: str, host: "Host") -> messages.PeerMessage | None:
        random = self._random
        recent = random.choice(self._heard) if self._heard else None
        match act:
            case "replay" | "garbage":
                again = act == "replay"
                return self._said_before(recent) if again else self._garbage(recent, host)
            case "lie_view_change" if recent is not None:
                return self._unasked_change(recent.signed.request, host)
            case "equivocate" if recent is not None:
                request = replace(recent.signed.request, height=host.ledger.height + 1)
                return messages.Consensus(self._signed(self._other_vote(request)))
            case "fake_sync":
                return messages.Blocks(random.randrange(1 << 20), ())
            case "usurp" if (made := self._usurp(host)) is not None:
                return messages.Consensus(made)
        return None

    def _said_before(self, recent: ConsensusMessage | None) -> messages.PeerMessage | None:
        """A message of consensus again, or a batch that a block may hold by now."""
        if self._batches and self._random.random() < 0.3:
            return self._random.choice(self._batches)
        return None if recent is None else messages.Consensus(recent)

    def _garbage(
        self, recent: ConsensusMessage | None, host: "Host"
    ) -> messages.PeerMessage | None:
        made = nonsense.garbage(recent, host.ledger.height, self._signed, self._random)
        if made is None:
            # The decoder refused it, as at the transport.
            self._count("garbage")
        return made

    def _unasked_change(self, request: VoteRequest, host: "Host") -> messages.PeerMessage:
        """Asks for a later round without a reason, with what it can make up."""
        random = self._random
        height = host.ledger.height + 1
        round_ = request.round + random.choice((1, 1, 1, 2, 63, 64, 10**6))
        body = self._words.body(random, b"\x00", height, round_, tuple(self._heard)) or b"\x00"
        asked = replace(request, height=height, round=round_, phase=Phase.CHANGE, outcome=b"")
        return messages.Consensus(self._engine_message(asked, self._words.kind, body))
