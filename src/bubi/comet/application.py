"""The ledger as an application of CometBFT.

Blocks of CometBFT that hold nothing do not advance the ledger, so heights differ: the certificate
of each of our blocks names the block of CometBFT that decided it, and a restart begins behind it.
Section numbers in comments are those of spec/consensus/cometbft.md.
"""

import hashlib
import logging
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol, TypeVar

from bubi import core
from bubi.comet import abci, payload
from bubi.comet.abci import BlockRequest, Request
from bubi.comet.payload import BatchBytes, PayloadError, Wake
from bubi.comet.protobuf import bytes_field
from bubi.replica.events import Limits

log = logging.getLogger("bubi.comet")

CHECKED_BYTES_MAX: Final = 256 * 1_048_576
"""Bytes of verified batches that are remembered, so that none is verified twice."""
INVALID: Final = 1
ORDERED: Final = 2
EXPIRED: Final = 3
SNAPSHOT_CALLS: Final = {
    "list_snapshots": b"",
    "offer_snapshot": bytes([1 << 3, abci.SNAPSHOT_REJECTED]),
    "load_snapshot_chunk": b"",
    "apply_snapshot_chunk": bytes([1 << 3, abci.CHUNK_ABORTED]),
}
"""Answers that say that there are no snapshots here."""

Result = TypeVar("Result")


class ApplicationError(Exception):
    """CometBFT and this ledger do not fit together; the message says what to do."""


class DivergedError(ApplicationError):
    """CometBFT decided a block that is not valid here."""


class _UnfitError(Exception):
    """Why CometBFT shall not keep a transaction."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


class Work(Protocol):
    """Threads that call the core."""

    async def admit(self, work: Callable[[], Result]) -> Result:
        """Verifies batches."""
        ...

    async def execute(self, work: Callable[[], Result]) -> Result:
        """Proposes, checks and executes."""
        ...

    async def write(self, step: Callable[[], Result]) -> Result:
        """Changes the ledger; waits out a full disk."""
        ...


@dataclass(frozen=True, slots=True)
class Decided:
    """What CometBFT decided; without an execution if there was nothing to do."""

    height: int
    hash: bytes
    execution: core.Execution | None = None
    batches: tuple[core.Batch, ...] = ()


@dataclass(frozen=True, slots=True)
class Rules:
    """What the application asks of the ledger's view and of the clock."""

    now: Callable[[], int]
    limits: Callable[[], Limits]
    clock_tolerance: Callable[[], int]
    members: Callable[[], Sequence[tuple[bytes, int]]]
    """Vote keys (tagged) and weights of the validators in force."""


class Application:
    """See the module. Belongs to the event loop's thread."""

    def __init__(
        self,
        chain: core.Chain,
        work: Work,
        rules: Rules,
        committed: Callable[[Decided], None],
        record: Callable[[str, int], None],
    ) -> None:
        """`committed` hears of each durable block, `record` of each call and its height."""
        self._chain = chain
        self._work = work
        self._rules = rules
        self._committed = committed
        self._record = record
        self.height = comet_height(chain)
        self._decided: Decided | None = None
        self._executions: dict[bytes, tuple[core.Execution, tuple[core.Batch, ...]]] = {}
        self._checked: OrderedDict[bytes, core.Batch] = OrderedDict()
        self._checked_bytes = 0
        self._calls: dict[str, Callable[[Request], Awaitable[bytes]]] = {
            "info": self._info,
            "init_chain": self._init_chain,
            "query": self._query,
            "check_tx": self._check,
            "prepare_proposal": self._prepare,
            "process_proposal": self._process,
            "finalize_block": self._finalize,
            "commit": self._commit,
        }

    async def handle(self, request: Request) -> bytes:
        """Answers a call.

        Raises:
            ApplicationError, CoreError: CometBFT must not go on.
        """
        name = request.name
        if name in SNAPSHOT_CALLS:
            self._record(name, self.height)
            return SNAPSHOT_CALLS[name]
        if name == "verify_vote_extension":
            self._record(name, self.height)
            # Nobody extends votes here: an extension that is not empty is foreign.
            return bytes([1 << 3, abci.REJECT if request.fields.data(4) else abci.ACCEPT])
        if name == "extend_vote":
            self._record(name, self.height)
            return b""
        return await self._calls[name](request)

    def remember(self, transaction: bytes, batch: core.Batch) -> None:
        """A batch made here need not be verified again."""
        key = hashlib.sha256(transaction).digest()
        if key in self._checked:
            return
        self._checked[key] = batch
        self._checked_bytes += batch.bytes
        while self._checked_bytes > CHECKED_BYTES_MAX and len(self._checked) > 1:
            _, oldest = self._checked.popitem(last=False)
            self._checked_bytes -= oldest.bytes

    # --- handshake ---

    async def _info(self, _: Request) -> bytes:
        """Section 4.5: where the ledger stands."""
        self._record("info", self.height)
        app_hash = self._chain.app_hash if self.height else b""
        return abci.info(core.version(), self.height, app_hash)

    async def _init_chain(self, request: Request) -> bytes:
        """Section 1: the name of the chain and its validators are those of the ledger."""
        self._record("init_chain", 0)
        chain, fields = self._chain, request.fields
        name = core.comet_chain_name(chain.chain_id)
        if fields.text(2) != name:
            msg = (
                f"CometBFT starts the chain {fields.text(2)!r}, and this ledger needs {name!r}: "
                "use the genesis.json that `bubi network join` made"
            )
            raise ApplicationError(msg)
        own = sorted((key[1:], weight) for key, weight in self._rules.members())
        if sorted(abci.validators(fields)) != own:
            msg = "the validators of CometBFT's genesis.json are not those of the ledger's genesis"
            raise ApplicationError(msg)
        if chain.height:
            msg = (
                f"CometBFT starts at its genesis and the ledger is at height {chain.height}: "
                "give CometBFT its data folder back, or begin both anew"
            )
            raise ApplicationError(msg)
        self.height = 0
        return bytes_field(3, chain.app_hash)

    async def _query(self, request: Request) -> bytes:
        """Section 4.6: the tip, and nothing else."""
        path = request.fields.text(2)
        if path != "/tip":
            return abci.not_understood("the ledger is read over its own API; known here: /tip")
        chain = self._chain
        tip = {
            "height": str(chain.height),
            "digest": chain.digest.hex(),
            "state_root": chain.state_root.hex(),
        }
        return abci.found(core.encode_json(tip), self.height)

    # --- waiting transactions ---

    async def _check(self, request: Request) -> bytes:
        """Section 2: what may wait in the mempool."""
        transaction = request.fields.data(1)
        try:
            found = payload.decode(transaction)
            if isinstance(found, BatchBytes):
                self._check_batch(await self._batch(transaction, found))
            elif isinstance(found, Wake):
                self._check_wake(found)
            else:
                raise PayloadError("a proposal header comes from the proposer")
        except PayloadError as error:
            return abci.checked(INVALID, str(error))
        except core.CoreError as error:
            return abci.checked(INVALID, core.error_detail(error))
        except _UnfitError as error:
            return abci.checked(error.code, str(error))
        return abci.checked(0)

    def _check_batch(self, batch: core.Batch) -> None:
        limits = self._rules.limits()
        if len(batch) > limits.author_transactions or batch.bytes > limits.author_bytes:
            raise _UnfitError(INVALID, "it fills more of a block than one author may")
        if batch.latest_expiry < self._chain.time:
            raise _UnfitError(EXPIRED, "all of its transactions have expired")
        if any(batch.digest == digest for _, digest in self._chain.ordered_batches()):
            raise _UnfitError(ORDERED, "it is in a block")

    def _check_wake(self, wake: Wake) -> None:
        if self._chain.time > wake.time:
            raise _UnfitError(EXPIRED, "a later block is there")
        if wake.time > self._rules.now() + self._rules.clock_tolerance():
            raise _UnfitError(INVALID, "it is ahead of this node's clock")
        keys = {key for key, _ in self._rules.members()}
        if wake.key not in keys or not payload.is_wake_signed(self._chain.chain_id, wake):
            raise _UnfitError(INVALID, "no validator signed it")

    async def _batch(self, transaction: bytes, found: BatchBytes) -> core.Batch:
        known = self._checked.get(hashlib.sha256(transaction).digest())
        if known is not None:
            return known
        decode = partial(self._chain.decode_batch, found.header, found.body)
        batch = await self._work.admit(decode)
        self.remember(transaction, batch)
        return batch

    # --- blocks ---

    def _time(self, request: BlockRequest) -> int:
        """Section 3: the ledger's time follows the engine's and never stands."""
        return max(self._chain.time + 1, request.time)

    async def _prepare(self, request: Request) -> bytes:
        """Section 4.1: the block that this node proposes."""
        asked = abci.block_request(request)
        self._record("prepare_proposal", asked.height)
        time = self._time(asked)
        # After a pause the engine's time is that of the last votes. An empty block
        # brings it up to date, and transactions are not judged by an old clock.
        if time < self._rules.now() - self._rules.clock_tolerance():
            return b""
        chosen, awake = await self._choose(asked, time)
        if not chosen and not awake:
            return b""
        batches = [batch for _, batch in chosen]
        propose = partial(self._chain.propose, time, 0, batches)
        proposal = await self._work.execute(propose)
        header = payload.encode_proposal(proposal)
        return abci.prepared([header, *(transaction for transaction, _ in chosen)])

    async def _choose(
        self, asked: BlockRequest, time: int
    ) -> tuple[list[tuple[bytes, core.Batch]], bool]:
        """The batches of a block, in the order received; whether a block was asked for."""
        limits = self._rules.limits()
        ordered = {digest for _, digest in self._chain.ordered_batches()}
        room, left = asked.room - HEADER_ROOM, [limits.transactions, limits.bytes]
        authors: Counter[bytes] = Counter()
        sizes: Counter[bytes] = Counter()
        chosen: list[tuple[bytes, core.Batch]] = []
        awake = False
        for transaction in asked.transactions:
            batch = await self._valid(transaction)
            if batch is None or isinstance(batch, Wake):
                awake = awake or (batch is not None and batch.time < time)
                continue
            room_after = room - abci.sent_bytes(transaction)
            author = batch.author
            fits = (
                batch.digest not in ordered
                and batch.latest_expiry >= time
                and not self._waits_for_time(batch, time, limits.max_lifetime_ms)
                and room_after >= 0
                and len(batch) <= left[0]
                and batch.bytes <= left[1]
                and authors[author] + len(batch) <= limits.author_transactions
                and sizes[author] + batch.bytes <= limits.author_bytes
            )
            if not fits:
                continue
            ordered.add(batch.digest)
            authors[author] += len(batch)
            sizes[author] += batch.bytes
            left = [left[0] - len(batch), left[1] - batch.bytes]
            room = room_after
            chosen.append((transaction, batch))
        return chosen, awake

    def _waits_for_time(self, batch: core.Batch, time: int, lifetime: int) -> bool:
        """Whether it only looks as if a batch lived too long, for the engine's time is behind.

        One that lives longer by the own clock as well holds sequence transactions, which may.
        """
        own = self._rules.now() + self._rules.clock_tolerance()
        return time + lifetime < batch.latest_expiry <= own + lifetime

    async def _valid(self, transaction: bytes) -> core.Batch | Wake | None:
        """A batch or a wake that passed the check; None for anything else."""
        try:
            found = payload.decode(transaction)
            if isinstance(found, BatchBytes):
                return await self._batch(transaction, found)
            if isinstance(found, Wake):
                self._check_wake(found)
                return found
        except (PayloadError, core.CoreError, _UnfitError):
            return None
        return None

    async def _process(self, request: Request) -> bytes:
        """Section 4.2: whether another node's block can be executed."""
        asked = abci.block_request(request)
        self._record("process_proposal", asked.height)
        try:
            if asked.transactions:
                await self._execute(asked)
        except (PayloadError, core.CoreError) as error:
            text = core.error_detail(error) if isinstance(error, core.CoreError) else str(error)
            log.warning("the proposal of CometBFT's height %d is refused: %s", asked.height, text)
            return bytes([1 << 3, abci.REJECT])
        return bytes([1 << 3, abci.ACCEPT])

    async def _execute(self, asked: BlockRequest) -> tuple[core.Execution, tuple[core.Batch, ...]]:
        """Checks a block that holds something, and executes it once."""
        first, *rest = asked.transactions
        proposal = payload.decode(first)
        if not isinstance(proposal, bytes):
            raise PayloadError("the block does not begin with a proposal header")
        digest = self._chain.proposal_digest(proposal)
        if digest in self._executions:
            execution, known = self._executions[digest]
            if self._same(rest, known):
                self._check_time(proposal, asked)
                return execution, known
        batches = []
        for transaction in rest:
            found = payload.decode(transaction)
            if not isinstance(found, BatchBytes):
                raise PayloadError("behind the proposal header stands something else than batches")
            batches.append(await self._batch(transaction, found))
        self._check_time(proposal, asked)
        check = partial(self._chain.check_proposal, proposal, digest, batches, 0)
        await self._work.execute(check)
        execute = partial(self._chain.execute, proposal, batches)
        made = await self._work.execute(execute), tuple(batches)
        self._executions[digest] = made
        return made

    def _same(self, transactions: Sequence[bytes], batches: Sequence[core.Batch]) -> bool:
        """Whether these are the very batches that were executed under the same header."""
        keys = [hashlib.sha256(one).digest() for one in transactions]
        return [self._checked.get(key) for key in keys] == list(batches)

    def _check_time(self, proposal: bytes, asked: BlockRequest) -> None:
        if self._chain.proposal_fields(proposal)[1] != self._time(asked):
            raise PayloadError("its time does not follow from CometBFT's")

    async def _finalize(self, request: Request) -> bytes:
        """Section 4.3: executes what was decided."""
        asked = abci.block_request(request)
        self._record("finalize_block", asked.height)
        if asked.height != self.height + 1:
            msg = f"CometBFT decides height {asked.height}, and {self.height + 1} is due here"
            raise ApplicationError(msg)
        if not asked.transactions:
            self._decided = Decided(asked.height, asked.hash)
            return abci.finalized(0, self._chain.app_hash)
        try:
            execution, batches = await self._execute(asked)
        except (PayloadError, core.CoreError) as error:
            msg = f"CometBFT decided height {asked.height}, which is not valid here: {error}"
            raise DivergedError(msg) from error
        self._decided = Decided(asked.height, asked.hash, execution, batches)
        app_hash = core.comet_app_hash(
            self._chain.chain_id, execution.digest, execution.outcome_hash
        )
        return abci.finalized(len(asked.transactions), app_hash)

    async def _commit(self, _: Request) -> bytes:
        """Section 4.4: makes it durable before CometBFT goes on."""
        decided = self._decided
        if decided is None:
            raise ApplicationError("CometBFT commits what it did not decide")
        self._record("commit", decided.height)
        execution = decided.execution
        if execution is not None:
            chain = self._chain
            certificate = core.comet_certificate(
                decided.height, decided.hash, execution.digest, execution.outcome_hash
            )
            write = self._work.write
            height, batches = execution.height, list(decided.batches)
            await write(partial(chain.append_bodies, height, batches))
            await write(partial(chain.commit, execution, certificate))
        self._decided = None
        self._executions.clear()
        self.height = decided.height
        self._committed(decided)
        return b""


HEADER_ROOM: Final = 512
"""Bytes kept free in a block for the proposal header."""


def comet_height(chain: core.Chain) -> int:
    """Height of CometBFT's block that decided the newest block; 0 at the genesis."""
    certificate = chain.tip_certificate()
    return 0 if certificate is None else core.comet_certificate_fields(certificate)[0]
