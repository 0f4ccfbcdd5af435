//! Execution of a block: the frame around transactions and operations (`spec/ledger.md` 2).

use crate::{
    accounts, amounts, assets,
    authority::{self, Actor, Keys},
    cells::{account_key, AccountState, Cell, Defect, Owner, Scratch},
    due,
    governance::{self, Draft, Reports},
    holds,
    id_lists::IdState,
    invariants, items,
    live_ids::{IdDelta, IdScratch, IdsView},
    lots, membership,
    protocol::{self, Flags},
    quotas::Quotas,
    receipts::{self, Ended},
    records, schedule,
    tree::{Overlay, OwnerView, OwnerWrites, View},
};
use bubi_codec::{
    block::{self, Event, Genesis, NetworkKind, Outcome, Receipt},
    decode, domain,
    governance::{EpochRecord, ProtocolVersion},
    identity::{Address, ChainId},
    operation::{Operation, OperationBody},
    state::{key, HoldingV1, IdEntry, Parameters, ParametersV1, ValidatorSet, SEQUENCE_LIFETIME},
    transaction::{transaction_hash, BodyV1, Precondition, ReplayKey, SignedTransaction, TransactionBody},
    DecodeError, ResultCode,
};
use bubi_crypto::{Hash, HashSuite, PublicKey, Signature};
use rayon::prelude::*;
use std::{
    ops::Range,
    panic::{catch_unwind, AssertUnwindSafe},
    sync::Arc,
};

/// A transaction whose signatures were checked, decoded once.
#[derive(Debug, Clone)]
pub struct VerifiedTransaction {
    /// Its hash.
    pub hash: Hash,
    /// Its body.
    pub body: BodyV1,
    /// The keys whose signatures over it were checked, ascending.
    pub signers: Vec<PublicKey>,
    /// Where its signed bytes stand in the bytes of its batch.
    pub bytes: Range<usize>,
}

impl VerifiedTransaction {
    /// Decodes the body of a signed transaction. The caller vouches that all its signatures were checked.
    ///
    /// # Errors
    /// The body is not canonical or breaks a limit.
    pub fn new(
        suite: HashSuite,
        chain: &ChainId,
        signed: &SignedTransaction,
        bytes: Range<usize>,
    ) -> Result<Self, DecodeError> {
        let TransactionBody::V1(body) = signed.body()?;
        let hash = transaction_hash(suite, chain, signed.body_bytes());
        let signers = signed.signatures().iter().map(|entry| entry.key).collect();
        Ok(Self { hash, body, signers, bytes })
    }
}

/// Checks the signature of a vote: key, signed bytes, signature.
pub type VoteRule = fn(&PublicKey, &[u8], &Signature) -> bool;

/// The strict rule, which every chain but a simulated one uses.
pub fn strict_vote_rule(key: &PublicKey, message: &[u8], signature: &Signature) -> bool {
    bubi_crypto::verify_vote(key, message, signature).is_ok()
}

/// What is the same for every block of a chain.
#[derive(Debug, Clone, Copy)]
pub struct Network {
    /// The chain.
    pub chain: ChainId,
    /// Main, test or development.
    pub kind: NetworkKind,
    /// Protocol version of the genesis.
    pub genesis_version: u32,
    /// Which signatures of votes are good.
    pub vote_rule: VoteRule,
}

impl Network {
    /// The network of a genesis, with the strict rule for votes.
    pub fn new(genesis: &Genesis, chain: ChainId) -> Self {
        let genesis = genesis.v1();
        let (kind, genesis_version) = (genesis.kind, genesis.protocol_version);
        Self { chain, kind, genesis_version, vote_rule: strict_vote_rule }
    }
}

/// What execution knows beside state, live ids and transactions.
#[derive(Debug, Clone)]
pub struct Context {
    /// Hash suite of the chain.
    pub suite: HashSuite,
    /// The chain.
    pub chain: ChainId,
    /// Main, test or development.
    pub kind: NetworkKind,
    /// Which signatures of votes are good.
    pub vote_rule: VoteRule,
    /// Height of the block.
    pub height: u64,
    /// Block time (ms since 1970).
    pub time: u64,
    /// Round of the parent as the header records it; 0 in [`Context::new`].
    pub parent_round: u64,
    /// Validators in force.
    pub validators: Arc<ValidatorSet>,
    /// First height of the epoch in force.
    pub epoch_start: u64,
    /// Protocol version in force.
    pub protocol_version: u32,
    /// One bit for the number of each algorithm whose signatures of accounts count no more.
    pub retired: u8,
    /// Parameters in force.
    pub parameters: ParametersV1,
    /// Flags of the protocol version in force.
    pub flags: Flags,
    /// Hash of the parameters in force.
    pub parameters_hash: Hash,
    /// Hash of the validator set in force.
    pub validators_hash: Hash,
}

/// Why a block cannot be executed at all. None of these is the fault of a transaction.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BlockError {
    /// The state holds what the rules never wrote.
    #[error(transparent)]
    Defect(#[from] Defect),
    /// This program is too old for the block.
    #[error("protocol version {0} is unknown to this program, which knows versions up to {newest}", newest = protocol::NEWEST)]
    UnknownVersion(u32),
    /// A value has no encoding.
    #[error(transparent)]
    Encoding(#[from] DecodeError),
}

impl Context {
    /// The context of a block on top of `view`, which must hold the cells of a genesis.
    ///
    /// # Errors
    /// The state has no readable parameters or validators, or the protocol version is unknown.
    pub fn new(view: &View<'_>, network: &Network, height: u64, time: u64) -> Result<Self, BlockError> {
        let system = crate::cells::system_key();
        let cell = |key: &[u8]| view.get(&system, key).ok_or(Defect("the state has no parameters or validators"));
        let Parameters::V1(parameters) = decode(cell(key::PARAMETERS)?)?;
        let validators: ValidatorSet = decode(cell(key::VALIDATORS)?)?;
        let ValidatorSet::V1 { epoch, .. } = &validators;
        let EpochRecord::V1 { height: epoch_start, .. } = decode(cell(&key::epoch(*epoch))?)?;
        let protocol_version = match view.get(&system, key::PROTOCOL_VERSION).map(decode).transpose()? {
            Some(ProtocolVersion::V1 { version }) => version,
            None => network.genesis_version,
        };
        let (suite, chain) = (view.suite(), network.chain);
        let retired = parameters.retired_algorithms.iter().filter(|retired| retired.until <= time);
        Ok(Self {
            suite,
            chain,
            kind: network.kind,
            vote_rule: network.vote_rule,
            height,
            time,
            parent_round: 0,
            parameters_hash: block::digest(suite, domain::PARAMETERS, &chain, &Parameters::V1(parameters.clone()))?,
            validators_hash: block::digest(suite, domain::VALIDATORS, &chain, &validators)?,
            validators: Arc::new(validators),
            epoch_start,
            protocol_version,
            retired: retired.fold(0, |bits, retired| bits | 1_u8.checked_shl(retired.algorithm.into()).unwrap_or(0)),
            parameters,
            flags: protocol::flags(protocol_version).ok_or(BlockError::UnknownVersion(protocol_version))?,
        })
    }

    /// Whether signatures of accounts by the algorithm of a key count no more.
    pub(crate) fn is_retired(&self, key: &PublicKey) -> bool {
        self.retired & (1 << (key.algorithm() as u8)) != 0
    }

    /// Validators in force.
    pub(crate) fn members(&self) -> u32 {
        let ValidatorSet::V1 { validators, .. } = self.validators.as_ref();
        u32::try_from(validators.len()).unwrap_or(u32::MAX)
    }
}

/// Why a transaction in a batch left nothing behind. The door of a node refuses for the same reasons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SkipReason {
    /// Its `valid_until` is over.
    Expired,
    /// Its `valid_until` is too far away.
    LifetimeTooLong,
    /// Its source does not exist or is closed.
    SourceMissing,
    /// An operation lacks authority.
    ThresholdNotMet,
    /// It has its receipt already.
    Duplicate,
    /// Another number is the next of its lane.
    SequenceMismatch,
}

impl SkipReason {
    /// Stable name, as reports and the API spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::LifetimeTooLong => "lifetime_too_long",
            Self::SourceMissing => "source_missing",
            Self::ThresholdNotMet => "threshold_not_met",
            Self::Duplicate => "duplicate",
            Self::SequenceMismatch => "sequence_mismatch",
        }
    }
}

/// A transaction without a receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Skipped {
    /// Its hash.
    pub transaction: Hash,
    /// Position of its batch in the block.
    pub batch: u32,
    /// Its position in the batch.
    pub index: u32,
    /// Why.
    pub reason: SkipReason,
}

/// A transaction that ended with `internal`: a defect of this program or of its machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alarm {
    /// The transaction.
    pub transaction: Hash,
    /// What went wrong.
    pub what: String,
}

/// What executing a block gives. Nothing is changed until it is merged.
pub struct BlockResult<'a> {
    /// Cells written, by owner.
    writes: Vec<OwnerWrites<'a>>,
    /// Receipts in order; the last may be that of what fell due.
    pub receipts: Vec<Receipt>,
    /// Events of each receipt.
    pub events: Vec<Vec<Event>>,
    /// Transactions without a receipt.
    pub skipped: Vec<Skipped>,
    /// What happens to the live ids.
    pub ids: IdDelta,
    /// Defects inside transactions; not empty: raise an alarm.
    pub alarms: Vec<Alarm>,
    /// Root over the receipts.
    pub receipt_root: Hash,
    /// Hash of the validator set of the next block.
    pub validators: Hash,
    /// Hash of the parameters of the next block.
    pub parameters: Hash,
}

/// A block with its state root.
pub struct ExecutedBlock {
    /// The new state on top of the one the block was executed on.
    pub overlay: Overlay,
    /// The outcome that commit votes sign.
    pub outcome: Outcome,
    /// As in [`BlockResult`].
    pub receipts: Vec<Receipt>,
    /// As in [`BlockResult`].
    pub events: Vec<Vec<Event>>,
    /// As in [`BlockResult`].
    pub skipped: Vec<Skipped>,
    /// As in [`BlockResult`].
    pub ids: IdDelta,
    /// As in [`BlockResult`].
    pub alarms: Vec<Alarm>,
}

impl BlockResult<'_> {
    /// Computes the state root on the view that the block was executed on.
    pub fn finish(self, view: &View<'_>) -> ExecutedBlock {
        let overlay = view.finish_owners(self.writes);
        let outcome = Outcome::V1 {
            receipt_root: self.receipt_root,
            state_root: overlay.root(),
            validators: self.validators,
            parameters: self.parameters,
        };
        let Self { receipts, events, skipped, ids, alarms, .. } = self;
        ExecutedBlock { overlay, outcome, receipts, events, skipped, ids, alarms }
    }
}

/// Executes a block on top of `view`, which is not changed.
///
/// # Errors
/// [`BlockError::Defect`] if the state itself is damaged; the node then withholds its vote and stops.
pub fn execute<'a>(
    view: &View<'a>,
    ids: IdsView<'_>,
    context: &Context,
    batches: &[&[VerifiedTransaction]],
) -> Result<BlockResult<'a>, BlockError> {
    let transactions: usize = batches.iter().map(|batch| batch.len()).sum();
    let mut block = Block::new(view, ids, context, transactions);
    block.look_up(batches);
    let passed = block.ids.passed();
    for bucket in &passed {
        let cell = block.cells.cell(block.system, &key::id_bucket(*bucket));
        block.cells.remove(cell);
    }
    schedule::record(&mut block.cells, context)?;
    let mut own_events = due::retire(&mut block.cells, context)?;
    let mut next = None;
    let mut skipped = Vec::new();
    let (receipts, events, receipt_root) = receipts::sealing(context.suite, |ended| {
        for (batch, transactions) in (0_u32..).zip(batches) {
            for (index, transaction) in (0_u32..).zip(*transactions) {
                match block.transaction(transaction, Keys::Signed(&transaction.signers))? {
                    Ok((code, operation, events)) => {
                        ended(Ended { transaction: transaction.hash, batch, index, code, operation, events });
                    }
                    Err(reason) => skipped.push(Skipped { transaction: transaction.hash, batch, index, reason }),
                }
            }
        }
        next = block.pass_barrier(&mut own_events)?;
        if !own_events.is_empty() {
            let batch = u32::try_from(batches.len()).unwrap_or(u32::MAX);
            let code = ResultCode::Final;
            ended(Ended { transaction: Hash::ZERO, batch, index: 0, code, operation: None, events: own_events });
        }
        Ok::<(), BlockError>(())
    })?;
    let (writes, ids, alarms) = block.finish()?;
    let (validators, parameters) =
        next.map_or((context.validators_hash, context.parameters_hash), |next| (next.validators, next.parameters));
    Ok(BlockResult { writes, receipts, events, skipped, ids, alarms, receipt_root, validators, parameters })
}

/// What a transaction would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Simulation {
    /// It would leave nothing behind.
    Skipped(SkipReason),
    /// It would get this receipt.
    Receipt {
        /// Its code.
        code: ResultCode,
        /// The operation that would fail.
        operation: Option<u8>,
        /// Its events.
        events: Vec<Event>,
    },
}

/// Executes one transaction in a block of its own and forgets everything. With `assume_signatures` every key counts as
/// having signed, for transactions that are not signed yet.
///
/// # Errors
/// As [`execute`].
pub fn simulate(
    view: &View<'_>,
    ids: IdsView<'_>,
    context: &Context,
    transaction: &VerifiedTransaction,
    assume_signatures: bool,
) -> Result<Simulation, BlockError> {
    let keys = if assume_signatures { Keys::Assumed } else { Keys::Signed(&transaction.signers) };
    Ok(match Block::new(view, ids, context, 1).transaction(transaction, keys)? {
        Ok((code, operation, events)) => Simulation::Receipt { code, operation, events },
        Err(reason) => Simulation::Skipped(reason),
    })
}

/// The door of a node: refuses what a block on top of the same state would skip. One door serves many transactions and
/// keeps what it has read; make a new one for every new state.
pub struct Door<'a>(Block<'a, 'a>);

impl<'a> Door<'a> {
    /// A door in front of a state; `context` is that of the next block.
    pub fn new(view: &View<'a>, ids: IdsView<'a>, context: &'a Context) -> Self {
        Self(Block::new(view, ids, context, 1))
    }

    /// Looks up the sources of transactions that will be shown next; many at a time take less time.
    pub fn expect<'t>(&mut self, transactions: impl Iterator<Item = &'t VerifiedTransaction>) {
        let view = self.0.cells.view().clone();
        let named = transactions.map(|transaction| account_key(&transaction.body.source));
        let named: Vec<_> = named.map(|key| (key, view.path(&key))).collect();
        for some in named.chunks(LOOKED_UP) {
            self.0.cells.adopt(view.owners_at(some));
        }
    }

    /// Whether a transaction may enter, else why not.
    ///
    /// # Errors
    /// The state is damaged.
    pub fn authorise(&mut self, transaction: &VerifiedTransaction) -> Result<Result<(), SkipReason>, BlockError> {
        Ok(self.0.admit(transaction, Keys::Signed(&transaction.signers))?.map(drop))
    }
}

/// How a transaction ended: code, failed operation, events.
type End = (ResultCode, Option<u8>, Vec<Event>);

/// A transaction that gets a receipt.
struct Admitted {
    /// Its source first.
    actors: Vec<Actor>,
    id: IdState,
    lane: Option<(Cell, u64)>,
}

/// Transactions whose accounts are looked up together.
const LOOKED_UP: usize = 32;

/// The accounts that transactions name, as they stand in a view.
fn look_up<'a, 't>(view: &View<'a>, transactions: impl Iterator<Item = &'t VerifiedTransaction>) -> Vec<OwnerView<'a>> {
    let mut named = Vec::with_capacity(2 * LOOKED_UP);
    for transaction in transactions {
        let body = &transaction.body;
        let operations = body.operations.iter();
        let beside =
            operations.flat_map(|operation| [operation.source.as_ref(), authority::named_account(&operation.body)]);
        for address in std::iter::once(Some(&body.source)).chain(beside).flatten() {
            let key = account_key(address);
            named.push((key, view.path(&key)));
        }
    }
    view.owners_at(&named)
}

/// A block under execution.
struct Block<'a, 'c> {
    context: &'c Context,
    cells: Scratch<'a>,
    ids: IdScratch<'c>,
    system: Owner,
    alarms: Vec<Alarm>,
    /// Reports of evidence whose signatures were checked.
    reports: Reports,
    quotas: Quotas,
}

impl<'a, 'c> Block<'a, 'c> {
    /// `transactions`: about how many it has.
    fn new(view: &View<'a>, ids: IdsView<'c>, context: &'c Context, transactions: usize) -> Self {
        let mut cells = Scratch::new(view.clone(), transactions);
        let system = cells.system();
        let ids = IdScratch::new(ids, context.parameters.id_bucket, context.time, transactions);
        Self { context, cells, ids, system, alarms: Vec::new(), reports: Reports::new(), quotas: Quotas::default() }
    }

    /// Looks up the accounts that transactions name, by all cores and many at a time: one after the other they would be waited
    /// for one by one.
    fn look_up(&mut self, batches: &[&[VerifiedTransaction]]) {
        for batch in batches {
            let view = self.cells.view().clone();
            let found: Vec<Vec<OwnerView<'a>>> =
                batch.par_chunks(LOOKED_UP).map(|chunk| look_up(&view, chunk.iter())).collect();
            self.cells.adopt(found.into_iter().flatten());
        }
    }

    /// What governance does at the end of a block; its events go to `events`.
    fn pass_barrier(&mut self, events: &mut Vec<Event>) -> Result<Option<governance::NextHashes>, Defect> {
        // Identifiers are derived only by operations, none of which runs here.
        let replay = ReplayKey::Id([0; 16]);
        let (cells, context, reports) = (&mut self.cells, self.context, &mut self.reports);
        let mut run = Run { cells, context, replay: &replay, index: 0, events: Vec::new(), reports };
        let next = governance::pass(&mut run)?;
        events.append(&mut run.events);
        Ok(next)
    }

    fn finish(mut self) -> Result<(Vec<OwnerWrites<'a>>, IdDelta, Vec<Alarm>), Defect> {
        let delta = self.ids.finish(self.context.suite);
        for (bucket, value) in delta.cells(self.context.suite) {
            let cell = self.cells.cell(self.system, &key::id_bucket(bucket));
            self.cells.write(cell, value);
        }
        Ok((self.cells.into_writes()?, delta, self.alarms))
    }

    /// The reasons to skip, in order.
    fn admit(
        &mut self,
        transaction: &VerifiedTransaction,
        keys: Keys<'_>,
    ) -> Result<Result<Admitted, SkipReason>, Defect> {
        let (body, time) = (&transaction.body, self.context.time);
        if body.valid_until < time {
            return Ok(Err(SkipReason::Expired));
        }
        let lifetime = match body.replay {
            ReplayKey::Id(_) => self.context.parameters.max_lifetime,
            ReplayKey::Sequence { .. } => SEQUENCE_LIFETIME,
        };
        if body.valid_until - time > lifetime {
            return Ok(Err(SkipReason::LifetimeTooLong));
        }
        let account = self.cells.account(&body.source);
        if self.cells.account_state(account)? != AccountState::Open {
            return Ok(Err(SkipReason::SourceMissing));
        }
        let source = Actor::of(&mut self.cells, &body.source, account)?;
        let Some(actors) = authority::actors(&mut self.cells, self.context, body, source, keys)? else {
            return Ok(Err(SkipReason::ThresholdNotMet));
        };
        let mut admitted = Admitted { actors, id: IdState::Fresh, lane: None };
        match body.replay {
            ReplayKey::Id(id) => {
                admitted.id = self.ids.state(&body.source, &id, &transaction.hash);
                if admitted.id == IdState::Used {
                    return Ok(Err(SkipReason::Duplicate));
                }
            }
            ReplayKey::Sequence { lane, number } => {
                let cell = self.cells.cell(account, &key::lane(lane));
                let next = self.cells.read::<u64>(cell)?.copied().unwrap_or(0);
                if number != next {
                    return Ok(Err(SkipReason::SequenceMismatch));
                }
                // The number 2^64 − 1 has no successor: the lane ends there, and nothing can follow it.
                let Some(following) = next.checked_add(1) else { return Ok(Err(SkipReason::SequenceMismatch)) };
                admitted.lane = Some((cell, following));
            }
        }
        Ok(Ok(admitted))
    }

    /// Executes a transaction, or says why it is skipped.
    fn transaction(
        &mut self,
        transaction: &VerifiedTransaction,
        keys: Keys<'_>,
    ) -> Result<Result<End, SkipReason>, Defect> {
        let admitted = match self.admit(transaction, keys)? {
            Ok(admitted) => admitted,
            Err(reason) => return Ok(Err(reason)),
        };
        self.use_replay_key(transaction, &admitted);
        if admitted.id == IdState::Conflict {
            return Ok(Ok((ResultCode::IdConflict, None, Vec::new())));
        }
        let source = admitted.actors.first().ok_or(Defect("a transaction without a source"))?;
        if let Err(code) = self.quotas.charge(&mut self.cells, self.context, &transaction.body, source)? {
            return Ok(Ok((code, None, Vec::new())));
        }
        self.cells.begin();
        let mut run = Run {
            cells: &mut self.cells,
            context: self.context,
            replay: &transaction.body.replay,
            index: 0,
            events: Vec::new(),
            reports: &mut self.reports,
        };
        // The overlay of a transaction that panicked is dropped below, so nobody sees what it left half done.
        let ended = catch_unwind(AssertUnwindSafe(|| run.transaction(&transaction.body, &admitted.actors, keys)));
        let failed = match ended {
            Ok(Ok(())) => return Ok(Ok((ResultCode::Final, None, run.events))),
            Ok(Err(Failure::Code(code, operation))) => (code, operation),
            Ok(Err(Failure::Defect(defect))) => self.alarm(transaction, defect.0.to_owned()),
            Err(panic) => self.alarm(transaction, panic_text(panic.as_ref())),
        };
        self.cells.rollback();
        Ok(Ok((failed.0, failed.1, Vec::new())))
    }

    fn alarm(&mut self, transaction: &VerifiedTransaction, what: String) -> (ResultCode, Option<u8>) {
        self.alarms.push(Alarm { transaction: transaction.hash, what });
        (ResultCode::Internal, None)
    }

    fn use_replay_key(&mut self, transaction: &VerifiedTransaction, admitted: &Admitted) {
        let (source, valid_until) = (transaction.body.source, transaction.body.valid_until);
        match (transaction.body.replay, admitted.lane) {
            (ReplayKey::Id(id), _) => self.ids.add(IdEntry { source, id, transaction: transaction.hash, valid_until }),
            (ReplayKey::Sequence { .. }, Some((cell, following))) => self.cells.write(cell, following),
            (ReplayKey::Sequence { .. }, None) => {}
        }
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "panic".to_owned())
}

/// Why the operations of a transaction are undone.
enum Failure {
    Code(ResultCode, Option<u8>),
    Defect(Defect),
}

impl From<Defect> for Failure {
    fn from(defect: Defect) -> Self {
        Self::Defect(defect)
    }
}

/// How an operation ends.
pub(crate) type Done = Result<(), ResultCode>;

/// The operations of one transaction under execution.
pub(crate) struct Run<'r, 'a> {
    pub(crate) cells: &'r mut Scratch<'a>,
    pub(crate) context: &'r Context,
    /// Replay key of the transaction, for identifiers derived from it.
    pub(crate) replay: &'r ReplayKey,
    /// Index of the running operation.
    pub(crate) index: u32,
    pub(crate) events: Vec<Event>,
    /// Reports of evidence whose signatures this block has checked.
    pub(crate) reports: &'r mut Reports,
}

impl Run<'_, '_> {
    fn transaction(&mut self, body: &BodyV1, actors: &[Actor], keys: Keys<'_>) -> Result<(), Failure> {
        for precondition in &body.preconditions {
            if !self.holds(precondition)? {
                return Err(Failure::Code(ResultCode::PreconditionFailed, None));
            }
        }
        for (index, operation) in (0_u32..).zip(&body.operations) {
            self.index = index;
            let address = operation.source.unwrap_or(body.source);
            let actor = actors.iter().find(|actor| actor.address == address);
            let actor = actor.ok_or(Defect("an operation without an acting account"))?;
            match self.operation(actor, operation, keys) {
                Ok(()) => {}
                Err(ResultCode::Internal) => return Err(Defect("an operation met a cell that it cannot read").into()),
                Err(code) => return Err(Failure::Code(code, u8::try_from(index).ok())),
            }
        }
        Ok(invariants::check_touched(self.cells)?)
    }

    /// Whether a precondition holds.
    fn holds(&mut self, precondition: &Precondition) -> Result<bool, Defect> {
        let time = self.context.time;
        Ok(match precondition {
            Precondition::Balance { account, asset, at_least } => {
                let account = self.cells.account(account);
                let cell = self.cells.cell(account, &key::holding(asset));
                self.cells.read::<HoldingV1>(cell)?.map_or(0, |holding| lots::spendable(holding, time)) >= *at_least
            }
            Precondition::DataVersion { account, name, version } => {
                let account = self.cells.account(account);
                accounts::data_version(self.cells, account, name)? == *version
            }
            Precondition::RecordVersion { namespace, key, version } => {
                let namespace = self.cells.namespace(namespace);
                records::record_version(self.cells, namespace, key)? == *version
            }
            Precondition::Height { from, to } => (*from..=*to).contains(&self.context.height),
            Precondition::Time { from, to } => (*from..=*to).contains(&time),
        })
    }

    /// The open account check.
    pub(crate) fn open_account(&mut self, address: &Address) -> Result<Owner, ResultCode> {
        let account = self.cells.account(address);
        self.check_open(account)?;
        Ok(account)
    }

    fn check_open(&mut self, account: Owner) -> Done {
        match self.cells.account_state(account)? {
            AccountState::Open => Ok(()),
            AccountState::Missing => Err(ResultCode::AccountMissing),
            AccountState::Closed => Err(ResultCode::AccountClosed),
        }
    }

    /// One operation: the one place where the rules are chosen.
    fn operation(&mut self, actor: &Actor, operation: &Operation, keys: Keys<'_>) -> Done {
        use OperationBody as Op;
        if operation.body.number() > self.context.flags.last_operation {
            return Err(ResultCode::NotPermitted);
        }
        self.check_open(actor.account)?;
        authority::charge_amount_limits(self, actor, keys, &operation.body)?;
        #[cfg(test)]
        crate::fault::strike(self, actor);
        match &operation.body {
            Op::CreateAccount { target, signers, thresholds } => {
                accounts::create(self, actor, target, signers, thresholds.as_ref(), keys)
            }
            Op::SetSigners { signers, thresholds } => accounts::set_signers(self, actor, signers, thresholds),
            Op::SetData { name, value, expected_version } => {
                accounts::set_data(self, actor, name, value.as_deref(), *expected_version)
            }
            Op::CloseAccount => accounts::close(self, actor),
            Op::SetClaim { subject, kind, digest, expires } => {
                accounts::set_claim(self, actor, subject, kind, digest, *expires)
            }
            Op::RevokeClaim { issuer, subject, kind } => accounts::revoke_claim(self, actor, issuer, subject, kind),
            Op::CreateAsset { code, name, kind, decimals, cap, features } => {
                assets::create(self, actor, assets::definition(actor, code, name, *kind, *decimals, *cap, *features))
            }
            Op::Issue { asset, to, amount, expires } => amounts::issue(self, actor, asset, to, *amount, *expires),
            Op::Transfer { asset, to, amount } => amounts::transfer(self, actor, asset, to, *amount),
            Op::Burn { asset, amount } => amounts::burn(self, actor, asset, *amount),
            Op::Clawback { asset, from, to, amount } => {
                amounts::clawback(self, actor, asset, from, to.as_ref(), *amount)
            }
            Op::FreezeAsset { asset, frozen } => assets::freeze(self, actor, asset, *frozen),
            Op::FreezeHolder { asset, holder, frozen } => assets::freeze_holder(self, actor, asset, holder, *frozen),
            Op::AuthoriseHolder { asset, holder, authorised } => {
                assets::authorise(self, actor, asset, holder, *authorised)
            }
            Op::IssueItem { asset, item, to, digest } => items::issue(self, actor, asset, item, to, *digest),
            Op::TransferItem { asset, item, to } => items::transfer(self, actor, asset, item, to),
            Op::BurnItem { asset, item } => items::burn(self, actor, asset, item),
            Op::ClawbackItem { asset, item, to } => items::clawback(self, actor, asset, item, to.as_ref()),
            Op::Reserve { asset, beneficiary, amount, expires } => {
                holds::reserve(self, actor, asset, beneficiary, *amount, *expires)
            }
            Op::Capture { holder, hold, amount } => holds::capture(self, actor, holder, hold, *amount),
            Op::Release { holder, hold } => holds::release(self, actor, holder, hold),
            Op::CreateNamespace { name, writers, shared } => {
                records::create_namespace(self, actor, name, writers, *shared)
            }
            Op::SetNamespace { namespace, owner, writers, shared } => {
                records::set_namespace(self, actor, namespace, owner, writers, *shared)
            }
            Op::PutRecord { namespace, key, digest, content, parents, expected_version } => records::put(
                self,
                actor,
                namespace,
                key,
                &records::Version { digest, content, parents },
                *expected_version,
            ),
            Op::Propose { changes, expires, not_before, acknowledged, memo } => {
                let (expires, not_before) = (*expires, *not_before);
                governance::propose(self, actor, &Draft { changes, expires, not_before, acknowledged, memo })
            }
            Op::Vote { proposal, approve } => governance::vote(self, actor, proposal, *approve),
            Op::WithdrawProposal { proposal } => governance::withdraw(self, actor, proposal),
            Op::Ready { proposal } => governance::ready(self, actor, proposal),
            Op::ReportEvidence(evidence) => governance::report(self, actor, evidence),
            Op::AskMembership { organisation } => membership::ask(self, actor, organisation.as_deref()),
            Op::SetMember { account, member } => membership::set(self, actor, account, *member),
        }
    }
}
