//! The block pipeline of one node: propose, execute, commit. One writer; readers see the newest committed block.

use crate::{
    admission::{Admission, Entered, Gate, Verified},
    error::{ChainError, Result},
    index, inline,
    lease::Lease,
    proposal::{Ordered, OrderedBatches},
    recovery::{self, Mode},
    rule::Rule,
};
use bubi_codec::{
    block::{
        digest, signed, BatchHeader, BlockRecord, Certificate, CommitStatement, Event, Genesis, Outcome, Proposal,
        Receipt, SignedBatch,
    },
    decode, domain,
    identity::{Address, ChainId},
    limits,
    proof::Handover,
    state::{key, OwnerKind, Parameters, ValidatorSet},
};
use bubi_crypto::{merkle_root, Hash, HashSuite, KnownKeys, PublicKey, SecretKey, Signature, SignatureError};
use bubi_ledger::{
    execute,
    tree::{OwnerKey, ProofWindow, State, View},
    Alarm, BlockError, Context, Door, ExecutedBlock, LiveIds, Network, SkipReason, Skipped, VerifiedTransaction,
};
use bubi_store::{
    BlockLog, Disk, GuardFile, Keyspace, LogReader, Mark, RecordKind, StateStore, StoreError, TransactionIndex,
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, VecDeque};
use std::sync::{
    atomic::{AtomicU64, Ordering},
    Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard,
};
use std::time::Instant;

/// Blocks after which the second place of the guard is made durable at the latest. The signer's rules take it for an old copy
/// only when it lies further behind (`SECOND_PLACE_LAG` in `consensus/guard.py`).
const GUARD_SYNC_BLOCKS: u64 = 16;

/// The newest committed block, as the state store remembers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tip {
    /// Height; 0 is the genesis.
    pub height: u64,
    /// Block time (ms); that of the genesis at height 0.
    pub time: u64,
    /// Digest of its proposal; the chain id at height 0.
    pub digest: Hash,
    /// Hash of its outcome.
    pub outcome: Hash,
    /// State root after it.
    pub state_root: Hash,
}

/// What readers share.
pub(crate) struct Inner {
    pub(crate) state: State,
    pub(crate) window: ProofWindow,
    pub(crate) live: LiveIds,
    pub(crate) tip: Tip,
    /// Stored keys of the blocks' lists of live ids, oldest first.
    pub(crate) id_lists: VecDeque<Vec<u8>>,
    pub(crate) ordered: OrderedBatches,
    pub(crate) settings: Settings,
}

/// What the state says of the rules in force for the next block.
pub(crate) struct Settings {
    pub(crate) parameters: Parameters,
    pub(crate) protocol_version: u32,
    /// Every epoch so far, by its number; the last one is in force.
    pub(crate) epochs: Vec<Epoch>,
}

/// An epoch.
pub(crate) struct Epoch {
    /// Its first height.
    pub(crate) height: u64,
    /// Time (ms) of the block before.
    pub(crate) time: u64,
    pub(crate) validators: ValidatorSet,
}

impl Settings {
    /// The validators in force.
    pub(crate) fn validators(&self) -> Result<&ValidatorSet> {
        self.epochs.last().map(|epoch| &epoch.validators).ok_or_else(|| broken("the state has no epoch"))
    }

    /// The validators that decide a height.
    pub(crate) fn validators_at(&self, height: u64) -> Result<&ValidatorSet> {
        let begun = self.epochs.partition_point(|epoch| epoch.height <= height);
        let epoch = begun.checked_sub(1).and_then(|place| self.epochs.get(place));
        epoch.map(|epoch| &epoch.validators).ok_or_else(|| broken("a height before the first epoch"))
    }

    /// Whether batches of an author may be ordered on top of a block of `time` (ms): a validator in force, or one of an epoch
    /// whose end lies no longer back than a transaction lives.
    pub(crate) fn may_author(&self, author: &PublicKey, time: u64) -> bool {
        let oldest = time.saturating_sub(self.parameters.v1().max_lifetime);
        let names = |epoch: &Epoch| {
            let ValidatorSet::V1 { validators, .. } = &epoch.validators;
            validators.iter().any(|validator| validator.key == *author)
        };
        // From the newest on: each epoch ended when the one after it, looked at before, began.
        let mut ended = u64::MAX;
        for epoch in self.epochs.iter().rev() {
            if ended < oldest {
                return false;
            }
            if names(epoch) {
                return true;
            }
            ended = epoch.time;
        }
        false
    }
}

impl Inner {
    /// The newest state.
    pub(crate) fn view(&self) -> Result<View<'_>> {
        View::new(&self.state, &[]).map_err(|error| ChainError::Broken(error.to_string()))
    }
}

/// What only the writer touches.
pub(crate) struct Writer<D: Disk> {
    pub(crate) log: BlockLog<D>,
    pub(crate) guard: GuardFile<D>,
    /// Height of the newest mark in the second place of the guard that is durable for sure.
    pub(crate) marked: u64,
    /// Newest guard record of the log that the second place does not hold yet.
    pub(crate) voted: Option<Vec<u8>>,
    /// Batches whose bodies the log holds for a height.
    pub(crate) bodies: (u64, BTreeSet<Hash>),
}

/// What the stores behind the log get of a block.
pub(crate) struct Following {
    tip: Tip,
    /// None once the state store has taken it.
    batch: Option<bubi_store::Batch>,
    transactions: Vec<[u8; 32]>,
}

/// What a chain is, for ever.
pub(crate) struct Identity {
    pub(crate) genesis: Genesis,
    pub(crate) genesis_bytes: Vec<u8>,
    pub(crate) chain: ChainId,
    pub(crate) suite: HashSuite,
    pub(crate) rule: Rule,
    /// What execution must know of it.
    pub(crate) network: Network,
}

/// Time since the start of the process that went into one kind of work.
#[derive(Debug, Default)]
pub(crate) struct Stopwatch(AtomicU64);

impl Stopwatch {
    fn add(&self, started: Instant) {
        let nanoseconds = u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.0.fetch_add(nanoseconds, Ordering::Relaxed);
    }

    fn microseconds(&self) -> u64 {
        self.0.load(Ordering::Relaxed) / 1_000
    }
}

/// Where the time of executing blocks went; shown, and decides nothing.
#[derive(Debug, Default)]
pub(crate) struct Spent {
    /// Operations of transactions with their look-ups, receipts and events.
    execute: Stopwatch,
    /// The state root with the changed cells.
    root: Stopwatch,
}

/// The ledger of one node.
pub struct Chain<D: Disk> {
    pub(crate) identity: Identity,
    pub(crate) inner: RwLock<Inner>,
    pub(crate) writer: Mutex<Writer<D>>,
    pub(crate) store: Mutex<StateStore<D>>,
    /// Blocks that the stores behind the log have not taken, oldest first: more than none only while the disk is full.
    pub(crate) behind: Mutex<VecDeque<Following>>,
    pub(crate) reader: LogReader<D>,
    pub(crate) transactions: TransactionIndex<D>,
    pub(crate) records: Mutex<crate::history::Cache>,
    /// The end of every epoch so far, oldest first. Whoever holds it takes no lock on the state.
    pub(crate) handovers: Mutex<Vec<Arc<Handover>>>,
    /// Threads of the door; none in a simulation, where every call works in the thread that makes it.
    pub(crate) door: Option<rayon::ThreadPool>,
    /// Keys of signers, decoded.
    pub(crate) known_keys: KnownKeys,
    pub(crate) replayed: u64,
    /// Newest height whose light block the log holds, where CometBFT decides.
    pub(crate) lights: AtomicU64,
    /// Signatures of transactions verified since the start.
    pub(crate) verified: AtomicU64,
    pub(crate) spent: Spent,
    pub(crate) _lock: D::Lock,
}

/// Settings of a chain.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Earlier heights whose cells can be read and proven.
    pub proof_window: usize,
    /// Bytes at which a log segment is closed.
    pub segment_bytes: u64,
    /// Leases that may be held at once.
    pub leases: usize,
    /// Decoded keys of signers that are remembered, about 220 bytes each.
    pub known_keys: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { proof_window: 64, segment_bytes: 64 << 20, leases: 64, known_keys: 1 << 24 }
    }
}

/// An ordered group of verified transactions, signed by its author.
#[derive(Debug)]
pub struct Batch {
    /// Header and signature.
    pub header: SignedBatch,
    /// Digest of the header.
    pub digest: Hash,
    /// The transactions.
    pub verified: Verified,
}

/// The result of executing a proposal: not yet part of the ledger.
pub struct Execution {
    proposal: Proposal,
    batches: Vec<Arc<Batch>>,
    block: ExecutedBlock,
    /// Digest of the proposal.
    pub digest: Hash,
    /// Hash of the outcome.
    pub outcome_hash: Hash,
}

/// What the state store gets for a block, made while the log is written.
pub(crate) struct StoreChanges {
    tip: Tip,
    batch: bubi_store::Batch,
    /// Stored key of the block's list of live ids.
    id_list: Vec<u8>,
    ordered: Option<Ordered>,
    /// Made by a block that ends an epoch.
    handover: Option<Handover>,
}

/// About the bytes of an encoded receipt, its list of events begun.
const RECEIPT_BYTES: usize = 80;
/// About the bytes of an encoded event: three identifiers and an amount.
const EVENT_BYTES: usize = 114;
/// About the bytes of a changed cell of an account as the state store keeps it.
const CELL_BYTES: usize = 112;

/// A [`BlockRecord`] that borrows its parts: the same bytes without copying thousands of receipts.
#[derive(Serialize)]
pub(crate) enum RecordParts<'a> {
    V1 {
        proposal: &'a Proposal,
        batches: Vec<&'a SignedBatch>,
        outcome: &'a Outcome,
        certificate: &'a Certificate,
        receipts: &'a [Receipt],
        events: &'a [Vec<Event>],
    },
}

impl Execution {
    fn record<'a>(&'a self, certificate: &'a Certificate) -> RecordParts<'a> {
        RecordParts::V1 {
            proposal: &self.proposal,
            batches: self.batches.iter().map(|batch| &batch.header).collect(),
            outcome: &self.block.outcome,
            certificate,
            receipts: &self.block.receipts,
            events: &self.block.events,
        }
    }

    /// Height of the proposal.
    pub fn height(&self) -> u64 {
        let Proposal::V1(proposal) = &self.proposal;
        proposal.height
    }

    /// Its outcome.
    pub fn outcome(&self) -> &Outcome {
        &self.block.outcome
    }

    /// The receipts.
    pub fn receipts(&self) -> &[Receipt] {
        &self.block.receipts
    }

    /// Transactions without a receipt.
    pub fn skipped(&self) -> &[Skipped] {
        &self.block.skipped
    }

    /// Defects caught while executing (code `internal`): an operator must look.
    pub fn alarms(&self) -> &[Alarm] {
        &self.block.alarms
    }

    /// For each batch one entry per transaction: number of its result code, or none if it was skipped.
    pub fn codes(&self) -> Vec<Vec<Option<u16>>> {
        let mut codes: Vec<Vec<Option<u16>>> =
            self.batches.iter().map(|batch| vec![None; batch.verified.transactions.len()]).collect();
        for Receipt::V1 { batch, index, code, .. } in &self.block.receipts {
            let of = usize::try_from(*batch).ok().and_then(|place| codes.get_mut(place));
            if let Some(entry) = of.and_then(|codes| codes.get_mut(*index as usize)) {
                *entry = Some(*code);
            }
        }
        codes
    }
}

/// Transactions of receipts in their order, as the transaction index wants them.
pub(crate) fn receipt_hashes(receipts: &[Receipt]) -> Vec<[u8; 32]> {
    receipts.iter().map(|Receipt::V1 { transaction, .. }| transaction.0).collect()
}

pub(crate) fn broken(error: impl std::fmt::Display) -> ChainError {
    ChainError::Broken(error.to_string())
}

/// Why a block cannot be executed.
fn unexecuted(error: BlockError) -> ChainError {
    match error {
        BlockError::UnknownVersion(_) => ChainError::refused("protocol_version_unknown", error.to_string()),
        other => broken(other),
    }
}

fn calm<T>(result: std::result::Result<T, PoisonError<T>>) -> T {
    // A panic while a lock was held is caught at the boundary and reported there; the data behind it is only replaced whole.
    result.unwrap_or_else(PoisonError::into_inner)
}

/// The end of an epoch, if an execution is its last block: its outcome names another set than its proposal.
fn handover(inner: &Inner, execution: &Execution, certificate: &Certificate) -> Result<Option<Handover>> {
    let (Proposal::V1(proposal), Outcome::V1 { validators, .. }) = (&execution.proposal, execution.outcome());
    if *validators == proposal.validators {
        return Ok(None);
    }
    let overlays = [&execution.block.overlay];
    let view = View::new(&inner.state, &overlays).map_err(broken)?;
    let system = OwnerKey::new(OwnerKind::System as u8, [0; 32]);
    let next = view.get(&system, key::VALIDATORS).ok_or_else(|| broken("a block without a next validator set"))?;
    Ok(Some(Handover {
        proposal: execution.proposal.clone(),
        outcome: execution.outcome().clone(),
        certificate: certificate.clone(),
        next: decode(next)?,
    }))
}

impl<D: Disk> Chain<D> {
    /// Opens or creates a data folder: recovers the log, loads the state, replays what the state store has not seen.
    ///
    /// # Errors
    /// Damage that cannot be repaired from this folder, a folder of another chain or in use, disk errors.
    pub fn open(disk: D, genesis: &[u8], options: Options) -> Result<Self> {
        recovery::open(disk, genesis, options, Mode { rule: Rule::Real, is_simulated: false })
    }

    /// As [`Chain::open`], for simulations: no threads, nothing random, and with `ideal` the signatures of
    /// [`crate::ideal_signature`] instead of real ones.
    ///
    /// # Errors
    /// As [`Chain::open`].
    pub fn open_simulated(disk: D, genesis: &[u8], options: Options, ideal: bool) -> Result<Self> {
        let rule = if ideal { Rule::Ideal } else { Rule::Real };
        recovery::open(disk, genesis, options, Mode { rule, is_simulated: true })
    }

    pub(crate) fn read(&self) -> RwLockReadGuard<'_, Inner> {
        calm(self.inner.read())
    }

    /// Runs work that uses many cores: in threads of its own, for a block that is being decided must not queue behind
    /// signatures of the next one.
    fn wide<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        if let Some(threads) = &self.door {
            return threads.install(work);
        }
        inline::claim();
        work()
    }

    pub(crate) fn writer(&self) -> MutexGuard<'_, Writer<D>> {
        calm(self.writer.lock())
    }

    pub(crate) fn store(&self) -> MutexGuard<'_, StateStore<D>> {
        calm(self.store.lock())
    }

    /// The chain id.
    pub fn chain_id(&self) -> &ChainId {
        &self.identity.chain
    }

    /// The hash suite.
    pub fn suite(&self) -> HashSuite {
        self.identity.suite
    }

    /// Prefix of this network's addresses.
    pub fn prefix(&self) -> &'static str {
        self.identity.genesis.v1().kind.prefix()
    }

    /// The encoded genesis.
    pub fn genesis(&self) -> &[u8] {
        &self.identity.genesis_bytes
    }

    /// The newest committed block.
    pub fn tip(&self) -> Tip {
        self.read().tip
    }

    /// The validator set in force for the next block.
    ///
    /// # Errors
    /// The state is damaged.
    pub fn validators(&self) -> Result<ValidatorSet> {
        self.read().settings.validators().cloned()
    }

    /// Number and first height of the epoch of the next block.
    ///
    /// # Errors
    /// The state is damaged.
    pub fn epoch(&self) -> Result<(u64, u64)> {
        let inner = self.read();
        let ValidatorSet::V1 { epoch, .. } = inner.settings.validators()?;
        Ok((*epoch, inner.settings.epochs.last().map_or(1, |epoch| epoch.height)))
    }

    /// Text of an address given as 32 bytes.
    pub(crate) fn text(&self, bytes: &[u8]) -> Result<String> {
        let bytes: [u8; 32] = bytes.try_into().map_err(|_| broken("an address has 32 bytes"))?;
        Ok(Address(Hash(bytes)).to_text(self.prefix()))
    }

    pub(crate) fn gate(&self) -> Gate<'_> {
        Gate { suite: self.identity.suite, chain: &self.identity.chain, rule: self.identity.rule }
    }

    /// Admits a bulk body. `now` (ms) is this node's clock: the next block cannot be earlier than it or the parent.
    ///
    /// # Errors
    /// The list itself is not canonical.
    pub fn admit(&self, bulk: &[u8], now: u64) -> Result<Admission> {
        // The state is held only for the check in the middle, so that a commit never waits for signatures.
        self.wide(|| {
            let mut entered = self.gate().enter(bulk)?;
            {
                let inner = self.read();
                let view = inner.view()?;
                let context = self.context(&inner, now)?;
                entered.check(|expected| {
                    let mut door = Door::new(&view, inner.live.view(&[]), &context);
                    door.expect(expected.iter().copied());
                    move |transaction: &VerifiedTransaction| {
                        Ok(door.authorise(transaction).map_err(broken)?.map_err(SkipReason::name))
                    }
                })?;
            }
            Ok(self.verify(entered))
        })
    }

    /// Signatures of transactions verified since the start.
    pub fn signatures_verified(&self) -> u64 {
        self.verified.load(Ordering::Relaxed)
    }

    /// Reads transactions that this node verified before.
    ///
    /// # Errors
    /// They do not decode.
    pub fn reread(&self, bulk: &[u8]) -> Result<Verified> {
        self.gate().reread(bulk)
    }

    /// Verifies the signatures of what entered, and counts them.
    fn verify(&self, entered: Entered) -> Admission {
        let count = u64::try_from(entered.signatures()).unwrap_or(u64::MAX);
        self.verified.fetch_add(count, Ordering::Relaxed);
        entered.verify(&self.known_keys)
    }

    /// Context of the next block, at `time` or as soon after the parent as it may be.
    pub(crate) fn context(&self, inner: &Inner, time: u64) -> Result<Context> {
        let height = inner.tip.height.saturating_add(1);
        let time = time.max(inner.tip.time.saturating_add(1));
        Context::new(&inner.view()?, &self.identity.network, height, time).map_err(unexecuted)
    }

    /// Makes a batch of admitted transactions, signed by this validator.
    ///
    /// # Errors
    /// `batch_invalid` if there are none or too many; a key that cannot sign.
    pub fn batch(&self, verified: Verified, number: u64, key: &SecretKey) -> Result<Batch> {
        let (count, bytes) = (verified.entries.len(), verified.bytes());
        if count == 0 || count > limits::BATCH_TRANSACTIONS_MAX || bytes > limits::BATCH_BYTES_MAX {
            return Err(ChainError::refused(
                "batch_invalid",
                "a batch holds 1 to 20,000 transactions and at most 16 MiB",
            ));
        }
        let header = BatchHeader::V1 {
            author: key.public_key(),
            number,
            count: u32::try_from(count).map_err(broken)?,
            bytes: u32::try_from(bytes).map_err(broken)?,
            root: self.batch_root(&verified),
        };
        let message = signed(domain::BATCH, &self.identity.chain, &header)?;
        let signature = self.identity.rule.sign(key, &message).map_err(broken)?;
        let digest = self.identity.suite.hash(&[&message]);
        Ok(Batch { header: SignedBatch { header, signature }, digest, verified })
    }

    pub(crate) fn batch_root(&self, verified: &Verified) -> Hash {
        let leaves: Vec<Hash> = verified.entries.iter().map(|entry| entry.leaf).collect();
        merkle_root(self.identity.suite, &leaves)
    }

    /// Decodes a bulk body and verifies its signatures, without a look at the state.
    pub(crate) fn verify_bulk(&self, bulk: &[u8]) -> Result<Admission> {
        self.wide(|| self.gate().enter(bulk).map(|entered| self.verify(entered)))
    }

    /// Whether batches of this validator count now.
    pub(crate) fn may_author(&self, author: &PublicKey) -> bool {
        let inner = self.read();
        inner.settings.may_author(author, inner.tip.time)
    }

    /// Checks the signature of a vote or a batch.
    pub(crate) fn check_vote(
        &self,
        key: &PublicKey,
        message: &[u8],
        signature: &Signature,
    ) -> std::result::Result<(), SignatureError> {
        self.identity.rule.verify_vote(key, message, signature)
    }

    /// Executes a proposal on top of the newest block. Nothing changes yet.
    ///
    /// # Errors
    /// `proposal_invalid` if it does not stand there.
    pub fn execute(&self, proposal: &Proposal, batches: &[Arc<Batch>]) -> Result<Execution> {
        let inner = self.read();
        self.check_fields(&inner, proposal, batches)?;
        self.execute_on(&inner, proposal, batches)
    }

    pub(crate) fn execute_on(&self, inner: &Inner, proposal: &Proposal, batches: &[Arc<Batch>]) -> Result<Execution> {
        let (suite, chain) = (self.identity.suite, &self.identity.chain);
        let Proposal::V1(fields) = proposal;
        let context = Context { parent_round: fields.parent_round, ..self.context(inner, fields.time)? };
        let view = inner.view()?;
        let transactions: Vec<&[VerifiedTransaction]> =
            batches.iter().map(|batch| batch.verified.transactions.as_slice()).collect();
        let started = Instant::now();
        let executed = execute(&view, inner.live.view(&[]), &context, &transactions).map_err(broken)?;
        self.spent.execute.add(started);
        let started = Instant::now();
        let block = executed.finish(&view);
        self.spent.root.add(started);
        Ok(Execution {
            digest: digest(suite, domain::PROPOSAL, chain, proposal)?,
            outcome_hash: digest(suite, domain::OUTCOME, chain, &block.outcome)?,
            proposal: proposal.clone(),
            batches: batches.to_vec(),
            block,
        })
    }

    /// Buffers another record for the log.
    ///
    /// # Errors
    /// Those of the log.
    pub fn append(&self, kind: RecordKind, height: u64, data: &[u8]) -> Result<()> {
        let mut writer = self.writer();
        writer.log.append(kind, height, &[data])?;
        if kind == RecordKind::GuardRecord {
            writer.voted = Some(data.to_vec());
        }
        Ok(())
    }

    /// One group fdatasync over everything buffered.
    ///
    /// # Errors
    /// No space (try again later), or a failed disk (stop).
    pub fn sync(&self) -> Result<()> {
        Ok(self.writer().log.sync()?)
    }

    /// Makes a block durable with its certificate, marks it in the second place of the guard, then makes it visible. When there is
    /// no space the execution comes back, so that the caller can try again.
    ///
    /// # Errors
    /// The certificate does not cover the execution, or the log failed.
    pub fn commit(&self, execution: Execution, certificate: Certificate) -> (Result<()>, Option<Execution>) {
        match self.log_block(&execution, &certificate) {
            Ok(changes) => (self.merge(execution, certificate, changes), None),
            Err(error) => (Err(error), Some(execution)),
        }
    }

    /// Appends and syncs the block record, then the mark; meanwhile another core makes what the stores behind the log will get.
    fn log_block(&self, execution: &Execution, certificate: &Certificate) -> Result<StoreChanges> {
        self.follow()?;
        self.check_cover(execution, certificate)?;
        let (logged, changes) =
            rayon::join(|| self.write_block(execution, certificate), || self.store_changes(execution, certificate));
        logged?;
        changes
    }

    fn write_block(&self, execution: &Execution, certificate: &Certificate) -> Result<()> {
        let height = execution.height();
        // Room for receipts and events of the usual size: growing a record of megabytes step by step touches twice its memory.
        let events: usize = execution.block.events.iter().map(Vec::len).sum();
        let room = 4096 + execution.block.receipts.len() * RECEIPT_BYTES + events * EVENT_BYTES;
        let mut record = Vec::with_capacity(room);
        bcs::serialize_into(&mut record, &execution.record(certificate)).map_err(broken)?;
        let mut writer = self.writer();
        // After a full disk the record waits in the log, or is durable and only the mark is missing.
        if writer.log.last_height() != Some(height) {
            writer.log.append(RecordKind::Block, height, &[&record])?;
        }
        writer.log.sync()?;
        // Before anybody hears of the block: from now on a log without it is a damaged one.
        let voted = writer.voted.clone();
        writer.guard.note(Mark { height, digest: execution.digest.0 }, voted.as_deref())?;
        writer.voted = None;
        if height >= writer.marked.saturating_add(GUARD_SYNC_BLOCKS) {
            writer.guard.sync()?;
            writer.marked = height;
        }
        Ok(())
    }

    fn check_cover(&self, execution: &Execution, certificate: &Certificate) -> Result<()> {
        let (digest, outcome) = certificate.covers();
        let other_height = matches!(certificate,
            Certificate::V1 { statement: CommitStatement::V1 { height, .. }, .. } if *height != execution.height());
        let fits = !other_height && *digest == execution.digest && *outcome == execution.outcome_hash;
        if !fits || execution.block.overlay.parent_root() != self.read().tip.state_root {
            return Err(ChainError::refused(
                "certificate_invalid",
                "it does not cover this execution on the newest block",
            ));
        }
        self.check_certificate(certificate)
    }

    /// Makes a logged execution visible and hands it to the stores behind the log.
    pub(crate) fn merge(&self, execution: Execution, certificate: Certificate, changes: StoreChanges) -> Result<()> {
        let StoreChanges { tip, batch, id_list, ordered, handover } = changes;
        let Execution { proposal, batches, block, .. } = execution;
        let ExecutedBlock { overlay, outcome, receipts, events, ids, .. } = block;
        let transactions = receipt_hashes(&receipts);
        let headers = batches.iter().map(|batch| batch.header.clone()).collect();
        let record = BlockRecord::V1 { proposal, batches: headers, outcome, certificate, receipts, events };
        // Before the tip shows the block, so that whoever sees it finds it.
        calm(self.records.lock()).put(tip.height, Arc::new(record));
        let ends_epoch = handover.is_some();
        calm(self.handovers.lock()).extend(handover.map(Arc::new));
        {
            let mut inner = calm(self.inner.write());
            let Inner { state, live, window, .. } = &mut *inner;
            let (undo, ()) = rayon::join(|| state.merge(overlay), || live.merge(ids));
            window.push(undo.map_err(broken)?);
            inner.tip = tip;
            if ends_epoch {
                inner.settings = recovery::settings(&self.identity, &inner.state)?;
            }
            while inner.id_lists.front().is_some_and(|key| index::passed(key, tip.time)) {
                inner.id_lists.pop_front();
            }
            inner.id_lists.push_back(id_list);
            inner.ordered.forget(tip.time);
            if let Some(ordered) = ordered {
                inner.ordered.push(ordered);
            }
        }
        if let Some(threads) = &self.door {
            // Thousands of bodies are freed where nobody waits for it.
            threads.spawn(move || drop(batches));
        }
        calm(self.behind.lock()).push_back(Following { tip, batch: Some(batch), transactions });
        match self.follow() {
            // The block is durable in the log; the next one waits for space.
            Err(ChainError::Store(StoreError::NoSpace { .. })) => Ok(()),
            other => other,
        }
    }

    /// Hands to the stores behind the log what they have not taken yet.
    fn follow(&self) -> Result<()> {
        let mut behind = calm(self.behind.lock());
        while let Some(next) = behind.front_mut() {
            let mut store = self.store();
            store.ready()?;
            if let Some(batch) = next.batch.take() {
                store.submit(next.tip.height, &bcs::to_bytes(&next.tip).map_err(broken)?, batch)?;
            }
            drop(store);
            // While the state is built again from the log, the index may be ahead of it.
            if next.tip.height > self.transactions.last_height() {
                self.transactions.insert(next.tip.height, &next.transactions)?;
            }
            behind.pop_front();
        }
        Ok(())
    }

    /// What the state store gets for a block: cells, derived keys and the live ids that it added.
    pub(crate) fn store_changes(&self, execution: &Execution, certificate: &Certificate) -> Result<StoreChanges> {
        let Proposal::V1(proposal) = &execution.proposal;
        let tip = Tip {
            height: proposal.height,
            time: proposal.time,
            digest: execution.digest,
            outcome: execution.outcome_hash,
            state_root: execution.block.overlay.root(),
        };
        let inner = self.read();
        let changed = execution.block.overlay.changed_count();
        let ids = execution.block.ids.encode().map_err(broken)?;
        let mut batch = bubi_store::Batch::with_capacity(changed + 64, (changed + 64) * CELL_BYTES + ids.len());
        if tip.height == 1 {
            // The store begins with the first block: the cells of the genesis go with it.
            index::add_state(&mut batch, &inner.state)?;
        }
        index::add_changes(&mut batch, &inner.view()?, &execution.block.overlay)?;
        // An id lives until its whole bucket has passed, which is up to a bucket later than its `valid_until`.
        let parameters = inner.settings.parameters.v1();
        let passed = tip.time.saturating_add(parameters.max_lifetime).saturating_add(parameters.id_bucket);
        let id_list =
            [&[index::LIVE_IDS], passed.to_be_bytes().as_slice(), tip.height.to_be_bytes().as_slice()].concat();
        batch.put(Keyspace::Derived, &id_list, &ids)?;
        for key in inner.id_lists.iter().take_while(|key| index::passed(key, tip.time)) {
            batch.delete(Keyspace::Derived, key)?;
        }
        for key in inner.ordered.passed(tip.time) {
            batch.delete(Keyspace::Derived, key)?;
        }
        let digests = execution.batches.iter().map(|batch| batch.digest).collect();
        let ordered = Ordered::new(tip.height, tip.time, parameters.max_lifetime, digests);
        if let Some(ordered) = &ordered {
            batch.put(Keyspace::Derived, &ordered.key, &ordered.value())?;
        }
        let handover = handover(&inner, execution, certificate)?;
        if let Some(handover) = &handover {
            let ValidatorSet::V1 { epoch, .. } = &handover.next;
            let key = [&[index::HANDOVERS], epoch.to_be_bytes().as_slice()].concat();
            batch.put(Keyspace::Derived, &key, &bcs::to_bytes(handover).map_err(broken)?)?;
        }
        Ok(StoreChanges { tip, batch, id_list, ordered, handover })
    }

    /// A lease on the newest height for listing.
    ///
    /// # Errors
    /// `too_many_leases`.
    pub fn lease(self: &Arc<Self>) -> Result<Lease<D>> {
        let store = self.store();
        store.wait()?;
        match store.snapshot() {
            Ok(snapshot) => Ok(Lease::new(Arc::clone(self), snapshot)),
            Err(bubi_store::StoreError::TooManySnapshots { .. }) => Err(ChainError::refused(
                "too_many_leases",
                "too many lists are open; finish one or wait for its lease to end",
            )),
            Err(error) => Err(error.into()),
        }
    }

    /// Newest record of the second place of the guard.
    pub fn guard_read(&self) -> Vec<u8> {
        self.writer().guard.read().unwrap_or_default().to_vec()
    }

    /// Writes the second place of the guard. The log holds the record durably already, so this copy may wait for a later sync:
    /// that of a block at most [`GUARD_SYNC_BLOCKS`] later, or [`Chain::flush`].
    ///
    /// # Errors
    /// Those of the disk.
    pub fn guard_write(&self, record: &[u8]) -> Result<()> {
        let mut writer = self.writer();
        if writer.guard.read() == Some(record) {
            // The commit of a block wrote it with the block's mark.
            return Ok(());
        }
        let mark = writer.guard.mark();
        Ok(writer.guard.note(mark, Some(record))?)
    }

    /// Makes the second place hold this record of the log durably, as a start must before anything is signed.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn guard_settle(&self, record: &[u8]) -> Result<()> {
        self.guard_write(record)?;
        Ok(self.writer().guard.sync()?)
    }

    /// Waits until everything behind the log is durable; for a clean stop.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn flush(&self) -> Result<()> {
        self.writer().guard.sync()?;
        self.follow()?;
        self.store().flush()?;
        self.transactions.flush()?;
        Ok(())
    }

    /// Records of one kind from a height on: what this node voted before it stopped.
    ///
    /// # Errors
    /// Damage of the log.
    pub fn log_records(&self, kind: RecordKind, from: u64) -> Result<Vec<(u64, Vec<u8>)>> {
        let start = from.checked_sub(1).and_then(|parent| self.reader.block_position(parent));
        let records = match start {
            Some(position) => self.reader.records(position),
            None => self.reader.all(),
        };
        let mut found = Vec::new();
        for record in records {
            let record = record?;
            if record.kind == kind && record.height >= from {
                found.push((record.height, record.payload));
            }
        }
        Ok(found)
    }

    /// State root computed again from every cell: an invariant check that reads everything.
    pub fn recomputed_root(&self) -> Hash {
        self.read().state.recompute_root()
    }

    /// Figures for monitoring.
    pub fn statistics(&self) -> Vec<(&'static str, u64)> {
        let (fsyncs, guard_fsyncs) = {
            let writer = self.writer();
            (writer.log.fsyncs(), writer.guard.syncs())
        };
        let store_height = self.store().height();
        let inner = self.read();
        vec![
            ("height", inner.tip.height),
            ("cells", inner.state.cell_count()),
            ("owners", inner.state.owner_count()),
            ("live_ids", inner.live.len()),
            ("oldest_provable_height", inner.window.oldest()),
            ("fsyncs", fsyncs),
            ("guard_fsyncs", guard_fsyncs),
            ("signatures_verified", self.signatures_verified()),
            ("known_keys", self.known_keys() as u64),
            ("execute_microseconds", self.spent.execute.microseconds()),
            ("root_microseconds", self.spent.root.microseconds()),
            ("store_height", store_height),
            ("replayed_blocks", self.replayed),
        ]
    }
}
