"""The compiled core. Only `bubi.core` imports it.

Opaque objects (`Admission`, `Batch`, `Execution`) keep transactions in Rust: no Python object exists per transaction.
Every call that works on many transactions or on files releases the interpreter lock. Encoded values are canonical
bytes (spec/encoding.md); `*_json` results are UTF-8 JSON in the forms of spec/encoding.md section 7.
"""

from collections.abc import Callable
from typing import Any, TypeAlias, final

_Bytes: TypeAlias = bytes

class CoreError(Exception):
    """A refusal. `args` = (code, detail); `code` is stable."""

class StorageFull(CoreError):
    """No space: nothing was lost, writing may be tried again later."""

class StorageFatal(CoreError):
    """A write or sync failed: the process must exit; the log refuses all further writes."""

class Damaged(CoreError):
    """A file is damaged and cannot be repaired from what is here; detail names file and offset."""

def version() -> str: ...
def limits() -> dict[str, int]: ...
def result_codes() -> list[tuple[int, str]]: ...
def operation_names() -> list[str]: ...
def newest_protocol_version() -> int:
    """Newest protocol version that this program executes; a network that votes for a newer one leaves it behind."""

def hash(suite: int, data: bytes) -> bytes: ...
def chain_id(genesis: bytes) -> bytes: ...
def genesis_from_json(text: bytes) -> bytes: ...
def genesis_to_json(genesis: bytes) -> bytes: ...
def validator_set_from_json(text: bytes) -> bytes:
    """Encodes the JSON of a `ValidatorSet` canonically."""

def validator_set_to_json(validator_set: bytes) -> bytes: ...
def key_address(suite: int, public_key: bytes) -> bytes: ...
def address_to_text(prefix: str, address: bytes) -> str: ...
def address_from_text(prefix: str, text: str) -> bytes: ...
def transaction_from_json(prefix: str, text: bytes) -> bytes:
    """Encodes the JSON of a `SignedTransaction` (`{"v1": {"body": {"v1": …}, "signatures": […]}}`) canonically."""

def transaction_to_json(prefix: str, suite: int, chain: bytes, signed: bytes) -> bytes:
    """Signed transaction as JSON, with its hash."""

def body_from_json(prefix: str, text: bytes) -> bytes: ...
def transaction_hash(suite: int, chain: bytes, body: bytes) -> bytes: ...
def seal(suite: str, key: bytes, nonce: bytes, aad: bytes, plaintext: bytes) -> bytes: ...
def open(suite: str, key: bytes, nonce: bytes, aad: bytes, ciphertext: bytes) -> bytes: ...
def verify_rate(algorithm: int, count: int, batch: int, bad: int, rounds: int) -> list[float]:
    """Seconds per round to verify `count` distinct signatures, `bad` of which are wrong (each verdict is checked)."""

@final
class SigningKey:
    """A vote or transaction key. The secret stays in Rust and is wiped when the object goes."""

    @staticmethod
    def generate(algorithm: int, entropy: bytes) -> SigningKey: ...
    @staticmethod
    def from_bytes(algorithm: int, secret: bytes) -> SigningKey: ...
    @property
    def public_key(self) -> bytes:
        """Tagged bytes: algorithm, key."""
    def sign(self, message: bytes) -> bytes: ...

def verify_vote(public_key: bytes, message: bytes, signature: bytes) -> bool: ...
def vote_message(
    chain: bytes, epoch: int, engine: str, height: int, round: int, phase: int, digest: bytes
) -> bytes:
    """Bytes that a vote before the commit signs; `phase` as in `consensus.guard.Phase`, 0 to 3."""

def commit_message(
    chain: bytes, epoch: int, engine: str, height: int, round: int, digest: bytes, outcome: bytes
) -> bytes: ...
def certificate(
    epoch: int,
    engine: str,
    height: int,
    round: int,
    digest: bytes,
    outcome: bytes,
    votes: list[tuple[int, bytes]],
) -> bytes: ...
def certificate_fields(
    certificate: bytes,
) -> tuple[int, str, int, int, bytes, bytes, list[tuple[int, bytes]]]:
    """(epoch, engine, height, round, digest, outcome, [(validator, signature)]) of an encoded certificate; nothing is
    verified. Raises CoreError if it is not canonical."""

def comet_certificate(height: int, block: bytes, digest: bytes, outcome: bytes) -> bytes:
    """Encoded certificate of a ledger block that CometBFT decided in its block of this height and hash."""

def comet_certificate_fields(certificate: bytes) -> tuple[int, bytes]:
    """(height, hash) of CometBFT's block. Raises CoreError("certificate_invalid") for one of another engine."""

def comet_app_hash(chain: bytes, digest: bytes, outcome: bytes) -> bytes:
    """What CometBFT carries as the hash of the application after the block with this digest and outcome hash."""

def comet_chain_name(chain: bytes) -> str:
    """Name of the chain of CometBFT that decides for this chain."""

def light_block_from_json(text: bytes) -> bytes:
    """Encodes the JSON of a `LightBlock` canonically."""

def status_message(chain: bytes, status: bytes) -> bytes:
    """Bytes that a validator signs for a status: domain `bubi:node-status`, chain id, the encoded status."""

def proposal_binds(
    suite: int, chain: bytes, digest: bytes, proposal: bytes, payload: list[bytes]
) -> bool:
    """Whether a digest stands for these bytes: for the encoded proposal, and, by its payload root, for these digests of
    batches in this order."""

def ideal_sign(public_key: bytes, message: bytes) -> bytes:
    """Signature of the ideal rule of simulations: SHA-256("bubi:ideal" ‖ tagged key ‖ message), twice. No chain accepts
    it but one of `Chain.open_simulated(…, ideal=True)`."""

def verify_certificate(suite: int, chain: bytes, validator_set: bytes, certificate: bytes) -> None:
    """Raises CoreError("certificate_invalid") unless a quorum of distinct members signed the statement."""

def verify_receipt_proof(trust: bytes, proof: bytes) -> bytes:
    """Checks an encoded ReceiptProof against a JSON trust file; JSON of what it proves. Raises CoreError("proof_invalid")."""

@final
class Admission:
    """Transactions that passed the door together, in the order received."""

    def __len__(self) -> int: ...
    @property
    def bytes(self) -> int:
        """Bytes of the admitted transactions."""
    @property
    def hashes(self) -> _Bytes:
        """32 bytes per transaction received (zero bytes where it could not be decoded)."""
    @property
    def verdicts(self) -> list[str]:
        """One per transaction received: "" admitted, else the refusal code (spec/api.md)."""
    @property
    def received(self) -> int: ...
    @property
    def refused(self) -> int:
        """How many were refused; 0 means `verdicts` need not be read."""
    @property
    def earliest_expiry(self) -> int:
        """Smallest valid_until (ms) of the admitted ones; 0 if none."""
    @property
    def expiries(self) -> _Bytes:
        """valid_until (ms) as one u64 (little-endian) per transaction received; 0 where it was refused."""
    @property
    def operations(self) -> _Bytes:
        """Number of operations as one u8 per transaction received; 0 where it was refused."""
    @property
    def sources(self) -> _Bytes:
        """Fingerprint of the source account as one u64 (little-endian) per transaction received; 0 where it was refused."""
    @property
    def body(self) -> _Bytes:
        """The admitted transactions as a bulk body, as long as no batch holds them."""
    def without(self, places: set[int]) -> Admission:
        """The same without the admitted transactions at these places (of those received), refused as `pool_full`. This one is empty afterwards."""

@final
class Batch:
    """An ordered group of verified transactions with its author's signature."""

    def __len__(self) -> int: ...
    @property
    def digest(self) -> _Bytes: ...
    @property
    def header(self) -> _Bytes:
        """Encoded SignedBatch."""
    @property
    def body(self) -> _Bytes:
        """Its transactions as a bulk body."""
    @property
    def author(self) -> _Bytes:
        """Vote key (tagged bytes) of the validator that made it."""
    @property
    def bytes(self) -> int: ...
    @property
    def latest_expiry(self) -> int:
        """Largest valid_until (ms) of its transactions: above it all of them are void."""

@final
class Execution:
    """Result of executing a proposal: an overlay, not yet part of the ledger."""

    @property
    def digest(self) -> bytes: ...
    @property
    def outcome(self) -> bytes: ...
    @property
    def outcome_hash(self) -> bytes: ...
    @property
    def height(self) -> int: ...
    @property
    def counts(self) -> tuple[int, int, int]:
        """(final, rejected, skipped)."""
    @property
    def alarms(self) -> list[str]:
        """Transactions that ended with `internal`, each with what happened."""
    def codes(self, batch: int) -> bytes:
        """One u16 (little-endian) per transaction of that batch: the result code, 65535 if skipped."""

@final
class Lease:
    """A view of one height for listing; dropped explicitly or after its time."""

    @property
    def height(self) -> int: ...
    def page(
        self, kind: str, scope: str, after: bytes, limit: int, now: int = 0
    ) -> tuple[bytes, bytes]:
        """One page as a JSON list and the position to continue after (empty: no more). What has lapsed is judged at the
        time of the newest block or at `now` (ms), whichever is later.

        kind/scope: "accounts"/"", "balances"/address, "data"/address, "claims"/address, "holds"/address, "items"/address,
        "assets"/"" or issuer address, "holders"/asset id, "namespaces"/"", "records"/namespace id,
        "versions"/"namespace id/key", "cells"/owner key in hex.
        """

@final
class SimulatedDisk:
    """A disk in memory with faults, for simulations. Whatever it loses follows from its seed and its calls."""

    def __new__(cls, seed: int) -> SimulatedDisk: ...
    def crash(self, mode: str) -> None:
        """The machine stops: open chains on this disk are dead (drop them, then open again). `mode` says what survives of
        writes that were not synced: "process" all (only the process died), "lost" none, "torn" a prefix with the last write
        torn, "reordered" any subset."""
    def flip(self, kind: str, choice: int) -> bool:
        """Flips one bit, chosen by `choice`, of a file of a kind ("log", "state", "index", "guard"); False if there is none."""
    def fail_next_sync(self) -> None:
        """The next sync of a file or folder fails and forgets what was written."""
    def die_in_next_sync(self) -> None:
        """The machine dies in the next sync of a file: every operation fails until `crash`, which says how much of what was
        written survives."""
    def set_full(self, full: bool) -> None:
        """Whether writes that need more space are refused."""
    @property
    def counts(self) -> dict[str, int]:
        """writes, reads, syncs, crashes, lost_writes, errors, no_space, flips so far."""

@final
class Chain:
    """The ledger of one node: state, tree, log, stores. Thread-safe; one writer."""

    @staticmethod
    def open(
        directory: str,
        genesis: bytes,
        *,
        proof_window: int = 64,
        segment_bytes: int = 67108864,
        leases: int = 64,
        known_keys: int = 16777216,
    ) -> Chain:
        """Opens or creates the data folder, recovers, replays the log. Raises Damaged, StorageFatal, CoreError."""
    @staticmethod
    def open_simulated(
        disk: SimulatedDisk,
        genesis: bytes,
        *,
        ideal: bool,
        proof_window: int = 64,
        segment_bytes: int = 1048576,
        leases: int = 4,
    ) -> Chain:
        """The same on a simulated disk, working in the calling thread alone. With `ideal`, votes and batches are signed
        and checked by the ideal rule (`ideal_sign`); transactions may be signed by either rule."""
    def close(self) -> None: ...
    def write_end(self, directory: str, name: str) -> None:
        """Writes the end of this chain for a new era: proof of the newest block, and every cell. Raises CoreError
        `era_refused`."""
    @property
    def chain_id(self) -> bytes: ...
    @property
    def suite(self) -> int: ...
    @property
    def prefix(self) -> str: ...
    @property
    def genesis(self) -> bytes: ...
    @property
    def height(self) -> int: ...
    @property
    def time(self) -> int: ...
    @property
    def digest(self) -> bytes:
        """Digest of the newest decided proposal (the chain id at height 0)."""
    @property
    def state_root(self) -> bytes: ...
    @property
    def validator_set(self) -> bytes:
        """Encoded ValidatorSet in force for the next height."""
    @property
    def epoch(self) -> tuple[int, int]:
        """Number and first height of the epoch of the next height."""
    @property
    def statistics(self) -> dict[str, int]:
        """fsyncs, cells, owners, live_ids, log_bytes, store_height, replayed_blocks, due …"""
    @property
    def signatures_verified(self) -> int:
        """Signatures of transactions verified since the start."""
    def learn_keys(self, position: int, /) -> int | None:
        """Decodes the keys of some accounts, which takes milliseconds: their signatures then cost a third less. Begins at
        position 0 and returns the next one; None once all were looked at, or as many as `known_keys` are held."""
    def admit(self, body: bytes, now: int) -> Admission:
        """Decodes, checks and verifies a bulk body (BCS list of signed transactions). Raises CoreError if the list itself
        is not canonical; a bad transaction only gets its own verdict."""
    def admit_json(self, text: bytes, now: int) -> Admission:
        """The same for one transaction as JSON."""
    def simulate(self, signed: bytes, now: int) -> bytes:
        """JSON of the receipt, its events and operations' codes if the transaction were next; signatures may be missing."""
    def batch(self, admissions: list[Admission], number: int, key: SigningKey) -> Batch: ...
    def decode_batch(self, header: bytes, body: bytes) -> Batch:
        """A batch from another node: checks and verifies everything. Raises CoreError("batch_invalid")."""
    def decode_batches(self, batches: list[tuple[bytes, bytes]]) -> list[Batch | CoreError]:
        """The same for pairs of header and body that wait together: verified as one list, with a verdict for each."""
    def propose(self, time: int, parent_round: int, batches: list[Batch]) -> bytes:
        """The proposal of these batches on top of the newest block; `parent_round` is the round of the certificate of that
        block (0 at height 1). Raises CoreError("proposal_invalid") as `check_proposal`."""
    def proposal_digest(self, proposal: bytes) -> bytes: ...
    @staticmethod
    def proposal_fields(proposal: bytes) -> tuple[int, int, bytes, int]:
        """(height, time, parent, parent_round); nothing is checked but the encoding."""
    def check_proposal(
        self, proposal: bytes, digest: bytes, batches: list[Batch], parent_round: int | None
    ) -> None:
        """Everything that makes a proposal valid on top of the newest block, but the clock: digest, payload root, parent,
        time after the parent's, settings, block budget, no batch ordered before or named twice, no author above its share,
        and, unless None, the round of the parent's certificate. Raises CoreError("proposal_invalid")."""
    def leaders(self, count: int) -> tuple[int, list[int]]:
        """The round from which the leader schedule of the next height counts, and the validators that lead it and the
        following rounds (spec/consensus/schedule.md)."""
    def ordered_batches(self) -> list[tuple[int, bytes]]:
        """(height, digest) of the batches that decided blocks ordered within max_lifetime, oldest first: a proposal must
        not name them again."""
    def check_certificate(self, certificate: bytes) -> None:
        """Raises CoreError("certificate_invalid") unless a quorum of the validator set of its height signed the statement;
        above the newest block that is the set in force for the next height."""
    def append(self, kind: int, height: int, data: bytes) -> None:
        """Buffers a log record: 2 proposal, 3 guard record, 4 prepared certificate."""
    def append_bodies(self, height: int, batches: list[Batch]) -> None:
        """Buffers bodies for the log; one that was appended for this height before is not appended again."""
    def pending_bodies(self) -> list[Batch]:
        """Batches whose bodies the log holds above the newest block: of proposals that were not decided yet."""
    def sync(self) -> None:
        """One group fdatasync. Raises StorageFull or StorageFatal."""
    def execute(self, proposal: bytes, batches: list[Batch]) -> Execution:
        """Executes on top of the newest block. Raises CoreError("proposal_invalid") if the proposal does not fit it."""
    def commit(self, execution: Execution, certificate: bytes) -> None:
        """Appends the block record, syncs, merges the overlay. After it returns the block is durable and visible."""
    def guard_read(self) -> bytes:
        """Newest record of the second place of the guard; empty if none."""
    def guard_write(self, record: bytes) -> None:
        """Replaces the record in the second place; a later sync makes it durable (every 16 blocks)."""
    def guard_settle(self, record: bytes) -> None:
        """As `guard_write`, durable on return."""
    def log_records(self, kind: int, from_height: int) -> list[tuple[int, bytes]]:
        """Records of one kind from a height on (guard records after a restart)."""
    def status_json(self, transaction: bytes, proof: bool) -> bytes | None:
        """Stored outcome of a transaction, None without a receipt. One JSON object: {"id", "status": "final" or "rejected",
        "code": NAME, "height": "N", "time": "ms", "index": N (place of its receipt in the block), "operations": [{"code": NAME}],
        "valid_until": "ms", "events": […], "body": {"v1": …}} and, if asked, "proof": hex."""
    def block_json(self, height: int, transactions: bool) -> bytes | None:
        """One JSON object: {"height": "N", "time": "ms", "digest", "parent", "state_root", "receipt_root", "payload_root",
        "protocol_version", "batches": N, "receipts": N, "final": N, "rejected": N, "votes": N} and, if asked, "transactions":
        [{"id", "index": N (place of its receipt in the block), "height": "N", "code": NAME, "operation": N or null,
        "events": […]}], the due receipt included (id of zeros)."""
    def block_bytes(self, height: int) -> bytes | None:
        """Encoded BlockRecord."""
    def block_bodies(self, height: int) -> list[bytes]:
        """Bulk bodies of the block's batches."""
    def block_parts(self, height: int) -> tuple[bytes, bytes, list[bytes], list[bytes]] | None:
        """What another node needs to check and execute a block: (proposal, certificate, [SignedBatch], [bulk body])."""
    def export(self, after: int, limit: int, bytes_max: int) -> bytes:
        """Whole blocks above a height, ascending: at most `limit`, and behind the first no more than `bytes_max` together
        (spec/api.md, section "Export")."""
    def tip_certificate(self) -> bytes | None:
        """Encoded certificate of the newest block; None at height 0."""
    def tip_batches(self) -> list[bytes]:
        """Digests of the batches of the newest block."""
    @property
    def app_hash(self) -> bytes:
        """What CometBFT carries as the hash of the application after the newest block."""
    @property
    def provable(self) -> int:
        """Newest height with a finality proof: where CometBFT decides, the newest one with a light block."""
    def add_light_block(self, height: int, light: bytes) -> None:
        """Stores the encoded light block of the next height without one; durable on return. Raises CoreError("proof_invalid")."""
    def finality_json(self, height: int) -> bytes | None:
        """FinalityProof (hex) with its proposal, outcome and certificate as JSON."""
    # Objects of the state: {"height": "N", "value": {"v1": …}} and, if asked, "proof": {"cell": hex, "finality": hex};
    # None if there is none. Malformed addresses and ids raise CoreError("malformed").
    def cell_json(self, owner: bytes, key: bytes, height: int | None, proof: bool) -> bytes:
        """{"height", "value": hex or null, "proof": hex}. Raises CoreError("height_pruned")."""
    def account_json(self, address: str, proof: bool) -> bytes | None: ...
    def balance_json(self, address: str, asset: str, now: int, proof: bool) -> bytes | None:
        """{"height", "value", "lapsed", "spendable"}: what has lapsed as for `Lease.page`."""
    def data_json(self, address: str, name: str, proof: bool) -> bytes | None: ...
    def asset_json(self, asset: str, proof: bool) -> bytes | None: ...
    def item_json(self, asset: str, item: str, proof: bool) -> bytes | None: ...
    def namespace_json(self, namespace: str, proof: bool) -> bytes | None: ...
    def record_json(
        self, namespace: str, key: str, version: int | None, proof: bool
    ) -> bytes | None: ...
    def parameters_json(self) -> bytes: ...
    def organisations_json(self) -> bytes:
        """List of {"name", "governance": address or null, "certificate": hex}, ascending by name."""
    def governance_json(self) -> bytes:
        """{"height", "epoch", "epoch_height" (its first height), "protocol_version", "open": [proposal ids], "pending": a
        `PendingChange` or null, "exclusions", "allowed", "denied": [node ids], "revoked": [fingerprints]}."""
    def proposal_json(self, proposal: bytes) -> bytes | None:
        """A `ChangeProposal` ({"v1": {…}})."""
    def evidence_json(self, evidence: bytes) -> bytes | None:
        """An `EvidenceRecord` ({"v1": {…}})."""
    def list_proposals(self, after: bytes, limit: int) -> bytes:
        """{"height", "items": [{"id", "value": `ChangeProposal`}], "next": id or null}, in the order of ids; `after` is an id
        or empty."""
    def list_evidence(self, after: bytes, limit: int) -> bytes:
        """The same of evidence, by its keys; values are `EvidenceRecord`s."""
    def validator_set_of_epoch(self, epoch: int) -> bytes | None:
        """Encoded ValidatorSet of an epoch, None if it has not begun."""
    def account_events_json(self, address: str, height: int) -> bytes:
        """Events of one block that concern an account: [{"height", "index", "transaction", "event"}]."""
    def lease(self) -> Lease: ...
    def snapshot_root(self) -> bytes:
        """State root recomputed from every cell (an invariant check, slow)."""

@final
class BlockRows:
    """Exported blocks as rows of tables (core/chain/src/rows.rs). Where a row names an account or an asset, it gets the number
    that the caller gives for that place in `addresses` or `assets`, which stand in the order of their first mention."""

    def __new__(cls, prefix: str, suite: int, chain: bytes, export: bytes) -> BlockRows: ...
    @property
    def last(self) -> int:
        """Height of the last block; 0 if there is none."""
    @property
    def addresses(self) -> list[str]: ...
    @property
    def assets(self) -> list[_Bytes]: ...
    def count(self, table: str) -> int: ...
    def tuples(
        self, table: str, accounts: list[int], assets: list[int]
    ) -> list[tuple[Any, ...]]: ...
    def copy(self, table: str, accounts: list[int], assets: list[int]) -> _Bytes:
        """The rows in the text format of PostgreSQL's COPY."""

def read_end(directory: str, name: str, prefix: str) -> bytes:
    """Reads the end of a chain and checks that proof and cells fit; its facts as JSON: predecessor, height, time, suite,
    protocol_version, parameters, organisations with their governance accounts, cells, proof. Raises CoreError."""

def continues(directory: str, name: str, genesis: bytes) -> bytes:
    """Checks that a genesis continues the end of a chain; the state root that it begins with. Raises CoreError."""

def inherited_rows(
    directory: str, name: str, genesis: bytes, cells: int, give: Callable[[BlockRows], None]
) -> bytes:
    """Gives the state that the genesis of a new era begins with, in groups of about so many cells: rows of a block 0, and
    `denied` and `revoked` (ids in hex). Returns the end of the chain before as JSON: chain, certificate, state_root, height,
    time. Raises CoreError, and what `give` raises."""

def sign_off(chain: bytes, organisation: str) -> bytes:
    """What an organisation signs that agrees to the genesis of a new era."""

def genesis_accounts(genesis: bytes) -> list[tuple[str, str, str]]:
    """(address, signers as JSON, thresholds as JSON) of the accounts that a genesis opens."""

def check(directory: str, genesis: bytes) -> list[tuple[str, int, str, str]]:
    """Reads every file of a stopped node: (file, offset, kind, action) per damage found."""

def bench_ledger(
    directory: str,
    accounts: int,
    block_size: int,
    blocks: int,
    rounds: int,
    suite: int,
    progress: Callable[[str, float], None],
) -> dict[str, Any]:
    """The workload of `bubi bench ledger` in an empty directory: seconds per block ("prechecked", of which "execute"),
    seconds per round of signed blocks ("signed"), "fsyncs" in "blocks", "start" in seconds, "cells"."""

def ledger_model_run(
    genesis: bytes,
    blocks: list[tuple[int, list[list[tuple[bytes, list[bytes]]]]]],
    parent_rounds: list[int] = ...,
) -> list[tuple[bytes, list[bytes], list[list[bytes]], list[str]]]:
    """Executes blocks of (time, batches of (body, keys that signed)) without a disk, for the comparison with the model:
    outcome, receipts, events and skip reasons of each block. `parent_rounds` are those of the headers, 0 where it ends."""
