//! Opening a data folder: the log decides; the state store is a shortcut that is checked and, if need be, built again.

use crate::{
    chain::{broken, receipt_hashes, Chain, Epoch, Identity, Inner, Options, Settings, Spent, Tip, Writer},
    comet,
    era::{End, INHERITANCE},
    error::{ChainError, Result},
    history::{split_body, Cache},
    index, inline,
    proposal::{Ordered, OrderedBatches},
    rule::Rule,
};
use bubi_codec::{
    block::{digest, BlockRecord, Genesis, Outcome, SignedBatch},
    decode, domain, encode,
    governance::{EpochRecord, ProtocolVersion},
    identity::ChainId,
    proof::Handover,
    state::{key, OwnerKind},
};
use bubi_crypto::{Hash, KnownKeys};
use bubi_ledger::{
    genesis_outcome, genesis_state,
    tree::{Chunk, OwnerKey, ProofWindow, State, StateBuilder},
    LiveIds, Network,
};
use bubi_store::{
    newest_witness, BlockLog, Cure, DamageKind, Disk, GuardFile, IndexOptions, Keyspace, LogOptions, LogReader,
    RecordKind, Snapshot, StateOptions, StateStore, StoreError, TransactionIndex, GUARD_FILE,
};
use rayon::prelude::*;
use std::{
    collections::VecDeque,
    ops::ControlFlow,
    sync::{atomic::AtomicU64, Arc, Mutex, RwLock},
};

/// Parts into which loading is cut, so that all cores work.
const LOAD_PARTS: usize = 64;
/// Cells handed to the tree at once while loading.
const LOAD_CHUNK: usize = 8_192;

/// How a chain is run.
#[derive(Clone, Copy)]
pub(crate) struct Mode {
    /// Which signatures are good.
    pub(crate) rule: Rule,
    /// No threads of its own and nothing random.
    pub(crate) is_simulated: bool,
}

pub(crate) fn open<D: Disk>(disk: D, genesis: &[u8], options: Options, mode: Mode) -> Result<Chain<D>> {
    if mode.is_simulated {
        inline::claim();
    }
    let identity = identity(genesis, mode.rule)?;
    let lock = disk.lock()?;
    let (chain_id, is_simulated) = (*identity.chain.bytes(), mode.is_simulated);
    let salt = is_simulated.then(|| chain_id.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes)));
    let log_options = LogOptions { segment_limit: options.segment_bytes, salt };
    let witness = newest_witness(&disk)?;
    let log = BlockLog::open_witnessed(disk.clone(), chain_id, log_options, witness.as_ref())?;
    let guard = GuardFile::open(&disk)?;
    check_mark(&guard, &log.reader())?;
    let background = !is_simulated;
    if background {
        // An error says that this process has these threads already, from another chain that it opened.
        let _ = named_threads("ledger").build_global();
    }
    let settings = StateOptions { snapshots: options.leases, background, ..StateOptions::default() };
    let (store, Loaded { inner, handovers }) = load(&disk, &identity, &log.reader(), settings, options.proof_window)?;
    let index_options = IndexOptions { background, ..IndexOptions::default() };
    let transactions = TransactionIndex::open(disk, log.reader().first_height().unwrap_or(1), index_options)?;
    let reader = log.reader();
    let mut chain = Chain {
        identity,
        inner: RwLock::new(inner),
        writer: Mutex::new(Writer { log, marked: guard.mark().height, guard, voted: None, bodies: Default::default() }),
        store: Mutex::new(store),
        behind: Mutex::default(),
        reader,
        transactions,
        records: Mutex::new(Cache::default()),
        handovers: Mutex::new(handovers),
        door: background.then(|| named_threads("verify").build()).transpose().map_err(broken)?,
        known_keys: KnownKeys::new(options.known_keys),
        replayed: 0,
        lights: AtomicU64::default(),
        verified: AtomicU64::default(),
        spent: Spent::default(),
        _lock: lock,
    };
    catch_up_index(&chain)?;
    chain.replayed = replay(&chain)?;
    chain.recall_bodies()?;
    if comet::decides(&chain.validators()?) {
        *chain.lights.get_mut() = comet::newest_light(&chain.reader)?;
    }
    Ok(chain)
}

/// Threads whose names show in the tools of the operating system what they work on.
fn named_threads(name: &'static str) -> rayon::ThreadPoolBuilder {
    rayon::ThreadPoolBuilder::new().thread_name(move |number| format!("{name}-{number}"))
}

fn identity(bytes: &[u8], rule: Rule) -> Result<Identity> {
    let genesis: Genesis = decode(bytes)?;
    let chain = genesis.chain_id(bytes);
    let suite = genesis.v1().suite;
    let network = Network { vote_rule: rule.votes(), ..Network::new(&genesis, chain) };
    Ok(Identity { genesis, genesis_bytes: bytes.to_vec(), chain, suite, rule, network })
}

/// The block that the guard's second place has marked must be the one in the log.
fn check_mark<D: Disk>(guard: &GuardFile<D>, log: &LogReader<D>) -> Result<()> {
    let mark = guard.mark();
    if mark.height == 0 || certified_digest(log, mark.height)?.0 == mark.digest {
        return Ok(());
    }
    let file = GUARD_FILE.to_owned();
    Err(StoreError::Damaged { file, offset: 0, kind: DamageKind::Content, cure: Cure::CompareCopies }.into())
}

/// Digest of the proposal that was decided at a height of the log.
fn certified_digest<D: Disk>(log: &LogReader<D>, height: u64) -> Result<Hash> {
    let BlockRecord::V1 { certificate, .. } = decode(&log.block(height)?.payload)?;
    Ok(*certificate.covers().0)
}

/// What a chain begins with.
struct Loaded {
    inner: Inner,
    handovers: Vec<Arc<Handover>>,
}

/// The state at the height of the state store, or the genesis if there is none or it cannot be used.
fn load<D: Disk>(
    disk: &D,
    identity: &Identity,
    log: &LogReader<D>,
    settings: StateOptions,
    window: usize,
) -> Result<(StateStore<D>, Loaded)> {
    match StateStore::open(disk.clone(), settings) {
        Ok(store) if store.height() > 0 => {
            let decided = certified_digest(log, store.height())?;
            let stored = load_stored(&store.snapshot()?, identity, window)?;
            if let Some(loaded) = stored.filter(|loaded| loaded.inner.tip.digest == decided) {
                return Ok((store, loaded));
            }
        }
        Ok(store) => return Ok((store, from_genesis(disk, identity, window)?)),
        Err(StoreError::Damaged { cure: Cure::RebuildFromLog, .. }) => {}
        Err(error) => return Err(error.into()),
    }
    Ok((StateStore::reset(disk.clone(), settings)?, from_genesis(disk, identity, window)?))
}

fn from_genesis<D: Disk>(disk: &D, identity: &Identity, window: usize) -> Result<Loaded> {
    let state = match &identity.genesis.v1().predecessor {
        None => genesis_state(&identity.genesis).map_err(broken)?,
        Some(_) => End::read(disk, INHERITANCE)?.continued_by(&identity.genesis)?,
    };
    let settings = settings(identity, &state)?;
    let (suite, chain) = (identity.suite, &identity.chain);
    let outcome = genesis_outcome(&identity.genesis, chain, &state).map_err(broken)?;
    let tip = Tip {
        height: 0,
        time: identity.genesis.v1().time,
        digest: chain.0,
        outcome: digest(suite, domain::OUTCOME, chain, &outcome)?,
        state_root: state.root(),
    };
    let inner = Inner {
        window: ProofWindow::new(window, 0),
        live: LiveIds::new(suite),
        state,
        tip,
        id_lists: VecDeque::new(),
        ordered: OrderedBatches::default(),
        settings,
    };
    Ok(Loaded { inner, handovers: Vec::new() })
}

/// The stored state, or none if it is not what it says it is.
fn load_stored<D: Disk>(snapshot: &Snapshot<D>, identity: &Identity, window: usize) -> Result<Option<Loaded>> {
    let Ok(tip) = bcs::from_bytes::<Tip>(snapshot.meta()) else { return Ok(None) };
    let state = match load_cells(snapshot, identity) {
        Ok(state) => state,
        Err(ChainError::Store(StoreError::Damaged { .. })) => return Ok(None),
        Err(error) => return Err(error),
    };
    if state.root() != tip.state_root || tip.height != snapshot.height() {
        return Ok(None);
    }
    let mut live = LiveIds::new(identity.suite);
    let mut id_lists = VecDeque::new();
    let Some(mut lists) = readable(snapshot.page(Keyspace::Derived, &[index::LIVE_IDS], None, usize::MAX))? else {
        return Ok(None);
    };
    // In the order of the blocks, which their times do not follow where a vote has shortened `max_lifetime`.
    lists.sort_by_key(|(key, _)| index::height_of(key));
    for (key, blob) in lists {
        if live.replay(&blob).is_err() {
            return Ok(None);
        }
        id_lists.push_back(key);
    }
    let mut ordered = OrderedBatches::default();
    let Some(lists) = readable(snapshot.page(Keyspace::Derived, &[index::ORDERED], None, usize::MAX))? else {
        return Ok(None);
    };
    for (key, value) in lists {
        let Some(block) = Ordered::stored(key, &value) else { return Ok(None) };
        ordered.push(block);
    }
    let settings = settings(identity, &state)?;
    let Some(handovers) = load_handovers(snapshot, &settings)? else { return Ok(None) };
    let window = ProofWindow::new(window, tip.height);
    let inner = Inner { state, window, live, tip, id_lists, ordered, settings };
    Ok(Some(Loaded { inner, handovers }))
}

/// The ends of all epochs but the last; none if the store does not hold exactly these.
fn load_handovers<D: Disk>(snapshot: &Snapshot<D>, settings: &Settings) -> Result<Option<Vec<Arc<Handover>>>> {
    let Some(stored) = readable(snapshot.page(Keyspace::Derived, &[index::HANDOVERS], None, usize::MAX))? else {
        return Ok(None);
    };
    let decoded = stored.iter().map(|(_, value)| bcs::from_bytes(value).map(Arc::new));
    let Ok(handovers) = decoded.collect::<std::result::Result<Vec<Arc<Handover>>, _>>() else { return Ok(None) };
    let follow = settings.epochs.iter().skip(1).map(|epoch| &epoch.validators);
    Ok(handovers.iter().map(|one| &one.next).eq(follow).then_some(handovers))
}

/// None for damage: the state is then built again from the log.
fn readable<T>(read: bubi_store::Result<T>) -> Result<Option<T>> {
    match read {
        Ok(value) => Ok(Some(value)),
        Err(StoreError::Damaged { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn load_cells<D: Disk>(snapshot: &Snapshot<D>, identity: &Identity) -> Result<State> {
    // Cuts fall between owners, so that each part holds whole owners.
    let mut cuts: Vec<Vec<u8>> = snapshot.split(Keyspace::Cells, LOAD_PARTS);
    for cut in &mut cuts {
        cut.truncate(33);
    }
    cuts.dedup();
    let starts = std::iter::once(Vec::new()).chain(cuts.iter().cloned());
    let ends = cuts.iter().cloned().map(Some).chain(std::iter::once(None));
    let parts: Vec<(Vec<u8>, Option<Vec<u8>>)> = starts.zip(ends).collect();
    let builder = StateBuilder::new(identity.suite);
    parts.par_iter().try_for_each(|(from, to)| load_part(snapshot, &builder, from, to.as_deref()))?;
    builder.build().map_err(broken)
}

fn load_part<D: Disk>(snapshot: &Snapshot<D>, builder: &StateBuilder, from: &[u8], to: Option<&[u8]>) -> Result<()> {
    let mut chunk = Chunk::default();
    let mut cells = 0usize;
    let mut last: Option<OwnerKey> = None;
    let mut failure = None;
    snapshot.scan(Keyspace::Cells, from, to, |stored, value| {
        let split = stored.split_at_checked(33).and_then(|(owner, key)| Some((OwnerKey::from_bytes(owner)?, key)));
        let Some((owner, key)) = split else {
            failure = Some(broken("a stored cell has no owner"));
            return ControlFlow::Break(());
        };
        if cells >= LOAD_CHUNK && last != Some(owner) {
            builder.add(std::mem::take(&mut chunk));
            cells = 0;
        }
        last = Some(owner);
        cells += 1;
        match chunk.push(&owner, key, value) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                failure = Some(broken(error));
                ControlFlow::Break(())
            }
        }
    })?;
    builder.add(chunk);
    failure.map_or(Ok(()), Err)
}

/// The rules that a state says are in force.
pub(crate) fn settings(identity: &Identity, state: &State) -> Result<Settings> {
    let system = OwnerKey::new(OwnerKind::System as u8, [0; 32]);
    let parameters = state.get(&system, key::PARAMETERS).ok_or_else(|| broken("the state has no parameters"))?;
    let protocol_version = match state.get(&system, key::PROTOCOL_VERSION).map(decode).transpose()? {
        Some(ProtocolVersion::V1 { version }) => version,
        None => identity.network.genesis_version,
    };
    let mut epochs = Vec::new();
    while let Some(bytes) = state.get(&system, &key::epoch(epochs.len() as u64)) {
        let EpochRecord::V1 { height, time, validators } = decode(bytes)?;
        epochs.push(Epoch { height, time, validators });
    }
    Ok(Settings { parameters: decode(parameters)?, protocol_version, epochs })
}

/// Gives the transaction index the blocks that it has not seen and that replay will not show it.
fn catch_up_index<D: Disk>(chain: &Chain<D>) -> Result<()> {
    let from = chain.transactions.last_height().saturating_add(1);
    for height in from..=chain.tip().height {
        let record: BlockRecord = decode(&chain.reader.block(height)?.payload)?;
        let BlockRecord::V1 { receipts, .. } = &record;
        chain.transactions.insert(height, &receipt_hashes(receipts))?;
    }
    Ok(())
}

/// Executes the blocks of the log that the state store has not seen; each must give the outcome that was certified.
fn replay<D: Disk>(chain: &Chain<D>) -> Result<u64> {
    let tip = chain.tip();
    let start = chain.reader.block_position(tip.height);
    let records = match start {
        Some(position) if tip.height > 0 => chain.reader.records(position),
        _ => chain.reader.all(),
    };
    let mut bodies: Vec<(SignedBatch, Vec<u8>)> = Vec::new();
    let mut replayed = 0;
    for record in records {
        let record = record?;
        match record.kind {
            RecordKind::BatchBody => {
                let (header, bulk) = split_body(&record.payload)?;
                bodies.push((header, bulk.to_vec()));
            }
            RecordKind::Block if record.height > tip.height => {
                replay_block(chain, &decode(&record.payload)?, &bodies)?;
                bodies.clear();
                replayed += 1;
            }
            RecordKind::Block => bodies.clear(),
            _ => {}
        }
    }
    Ok(replayed)
}

fn replay_block<D: Disk>(chain: &Chain<D>, record: &BlockRecord, bodies: &[(SignedBatch, Vec<u8>)]) -> Result<()> {
    let BlockRecord::V1 { proposal, batches, outcome, certificate, .. } = record;
    let batches = chain.reread_batches(batches, bodies)?;
    let execution = chain.execute(proposal, &batches)?;
    if execution.outcome() != outcome {
        let height = execution.height();
        return Err(broken(format!(
            "block {height} gives another outcome than was certified: {} instead of {}",
            hash_of(execution.outcome())?,
            hash_of(outcome)?
        )));
    }
    let changes = chain.store_changes(&execution, certificate)?;
    chain.merge(execution, certificate.clone(), changes)
}

fn hash_of(outcome: &Outcome) -> Result<Hash> {
    Ok(bubi_crypto::HashSuite::Standard.hash(&[&encode(outcome)?]))
}

/// The chain id of an encoded genesis.
///
/// # Errors
/// It does not decode.
pub fn chain_id_of(genesis: &[u8]) -> Result<ChainId> {
    Ok(identity(genesis, Rule::Real)?.chain)
}
