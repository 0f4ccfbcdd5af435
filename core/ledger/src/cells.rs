//! The cells that one block works on: read through a view, decoded once, changed in memory, encoded at the end.
//!
//! A transaction stands between [`Scratch::begin`] and the next one; until then [`Scratch::rollback`] takes its writes
//! back in time linear in the cells it wrote.

use crate::table::{hash, Positions};
use crate::tree::{CellChange, OwnerKey, OwnerView, OwnerWrites, View};
use bubi_codec::{
    governance::{
        ChangeProposal, ChangeProposalV1, EpochRecord, EvidenceRecord, Governance, GovernanceV1, NodeListing,
        Organisation, ProtocolVersion, Voter,
    },
    identity::{Address, AssetId, NamespaceId},
    state::{
        key, AccountHeader, AssetDefinition, AssetV1, Claim, DataEntry, Hold, Holding, HoldingV1, IdBucket, Item,
        Membership, MembershipV1, Namespace, Parameters, ParametersV1, RecordHead, RecordVersion, Schedule, ScheduleV1,
        Use, ValidatorSet,
    },
    ResultCode, Wire,
};
use rayon::prelude::*;
use serde::Serialize;
use std::{
    collections::BTreeSet,
    ops::{Bound, Range},
    sync::{Arc, OnceLock},
};

/// A cell whose bytes are not what the rules wrote, or a rule broken from within: never the fault of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("defect: {0}")]
pub struct Defect(pub &'static str);

impl From<Defect> for ResultCode {
    fn from(_: Defect) -> Self {
        Self::Internal
    }
}

/// A decoded cell. What is large or shared stands behind a counted pointer, so that copies are cheap.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    Header(Arc<AccountHeader>),
    Holding(HoldingV1),
    Asset(Arc<AssetV1>),
    Item(Item),
    Data(Arc<DataEntry>),
    Claim(Claim),
    Hold(Arc<Hold>),
    Use(Use),
    Membership(Arc<MembershipV1>),
    Namespace(Arc<Namespace>),
    Head(RecordHead),
    Version(Arc<RecordVersion>),
    Bucket(IdBucket),
    Schedule(Arc<ScheduleV1>),
    Parameters(Arc<ParametersV1>),
    Validators(Arc<ValidatorSet>),
    Governance(Arc<GovernanceV1>),
    Proposal(Arc<ChangeProposalV1>),
    Organisation(Arc<Organisation>),
    Voter(Voter),
    Epoch(Arc<EpochRecord>),
    Evidence(Arc<EvidenceRecord>),
    Protocol(ProtocolVersion),
    Listing(NodeListing),
    Lane(u64),
    Empty,
}

/// What a cell decodes to.
pub(crate) trait CellValue: Sized {
    /// Reads the bytes of a cell.
    fn decode(bytes: &[u8]) -> Option<Self>;
    /// The value as the cache keeps it.
    fn into_value(self) -> Value;
    /// Its part of a cached value, if that is of this kind.
    fn of(value: &Value) -> Option<&Self>;
}

macro_rules! cell_values {
    ($($kind:ty, $variant:ident, $decode:expr;)*) => {$(
        impl CellValue for $kind {
            fn decode(bytes: &[u8]) -> Option<Self> {
                let decode: fn(&[u8]) -> Option<Self> = $decode;
                decode(bytes)
            }
            fn into_value(self) -> Value {
                Value::$variant(self)
            }
            fn of(value: &Value) -> Option<&Self> {
                match value {
                    Value::$variant(inner) => Some(inner),
                    _ => None,
                }
            }
        }
    )*};
}

fn decode<T: Wire>(bytes: &[u8]) -> Option<T> {
    bubi_codec::decode(bytes).ok()
}

cell_values! {
    Arc<AccountHeader>, Header, |bytes| decode(bytes).map(Arc::new);
    HoldingV1, Holding, |bytes| decode(bytes).map(|Holding::V1(holding)| holding);
    Arc<AssetV1>, Asset, |bytes| decode(bytes).map(|AssetDefinition::V1(asset)| Arc::new(asset));
    Item, Item, |bytes| decode(bytes);
    Arc<DataEntry>, Data, |bytes| decode(bytes).map(Arc::new);
    Claim, Claim, |bytes| decode(bytes);
    Arc<Hold>, Hold, |bytes| decode(bytes).map(Arc::new);
    Use, Use, |bytes| decode(bytes);
    Arc<MembershipV1>, Membership, |bytes| decode(bytes).map(|Membership::V1(membership)| Arc::new(membership));
    Arc<Namespace>, Namespace, |bytes| decode(bytes).map(Arc::new);
    RecordHead, Head, |bytes| decode(bytes);
    Arc<RecordVersion>, Version, |bytes| decode(bytes).map(Arc::new);
    IdBucket, Bucket, |bytes| decode(bytes);
    Arc<ScheduleV1>, Schedule, |bytes| decode(bytes).map(|Schedule::V1(schedule)| Arc::new(schedule));
    Arc<ParametersV1>, Parameters, |bytes| decode(bytes).map(|Parameters::V1(parameters)| Arc::new(parameters));
    Arc<ValidatorSet>, Validators, |bytes| decode(bytes).map(Arc::new);
    Arc<GovernanceV1>, Governance, |bytes| decode(bytes).map(|Governance::V1(governance)| Arc::new(governance));
    Arc<ChangeProposalV1>, Proposal, |bytes| decode(bytes).map(|ChangeProposal::V1(proposal)| Arc::new(proposal));
    Arc<Organisation>, Organisation, |bytes| decode(bytes).map(Arc::new);
    Voter, Voter, |bytes| decode(bytes);
    Arc<EpochRecord>, Epoch, |bytes| decode(bytes).map(Arc::new);
    Arc<EvidenceRecord>, Evidence, |bytes| decode(bytes).map(Arc::new);
    ProtocolVersion, Protocol, |bytes| decode(bytes);
    NodeListing, Listing, |bytes| decode(bytes);
    u64, Lane, |bytes| bytes.try_into().ok().map(Self::from_le_bytes);
}

impl Value {
    /// Appends the bytes of the cell.
    fn encode(&self, to: &mut Vec<u8>) -> Result<(), Defect> {
        let done = match self {
            Self::Header(value) => bcs::serialize_into(to, value.as_ref()),
            Self::Holding(value) => bcs::serialize_into(to, &HoldingRef::V1(value)),
            Self::Asset(value) => bcs::serialize_into(to, &AssetRef::V1(value)),
            Self::Item(value) => bcs::serialize_into(to, value),
            Self::Data(value) => bcs::serialize_into(to, value.as_ref()),
            Self::Claim(value) => bcs::serialize_into(to, value),
            Self::Hold(value) => bcs::serialize_into(to, value.as_ref()),
            Self::Use(value) => bcs::serialize_into(to, value),
            Self::Membership(value) => bcs::serialize_into(to, &MembershipRef::V1(value)),
            Self::Namespace(value) => bcs::serialize_into(to, value.as_ref()),
            Self::Head(value) => bcs::serialize_into(to, value),
            Self::Version(value) => bcs::serialize_into(to, value.as_ref()),
            Self::Bucket(value) => bcs::serialize_into(to, value),
            Self::Schedule(value) => bcs::serialize_into(to, &ScheduleRef::V1(value)),
            Self::Parameters(value) => bcs::serialize_into(to, &ParametersRef::V1(value)),
            Self::Validators(value) => bcs::serialize_into(to, value.as_ref()),
            Self::Governance(value) => bcs::serialize_into(to, &GovernanceRef::V1(value)),
            Self::Proposal(value) => bcs::serialize_into(to, &ProposalRef::V1(value)),
            Self::Organisation(value) => bcs::serialize_into(to, value.as_ref()),
            Self::Voter(value) => bcs::serialize_into(to, value),
            Self::Epoch(value) => bcs::serialize_into(to, value.as_ref()),
            Self::Evidence(value) => bcs::serialize_into(to, value.as_ref()),
            Self::Protocol(value) => bcs::serialize_into(to, value),
            Self::Listing(value) => bcs::serialize_into(to, value),
            Self::Lane(value) => bcs::serialize_into(to, value),
            Self::Empty => Ok(()),
        };
        done.map_err(|_| Defect("a cell cannot be encoded"))
    }
}

/// [`bubi_codec::state::Holding`], borrowed.
#[derive(Serialize)]
enum HoldingRef<'v> {
    V1(&'v HoldingV1),
}

/// [`Membership`], borrowed.
#[derive(Serialize)]
enum MembershipRef<'v> {
    V1(&'v MembershipV1),
}

/// [`AssetDefinition`], borrowed.
#[derive(Serialize)]
enum AssetRef<'v> {
    V1(&'v AssetV1),
}

/// [`Schedule`], borrowed.
#[derive(Serialize)]
enum ScheduleRef<'v> {
    V1(&'v ScheduleV1),
}

/// [`Parameters`], borrowed.
#[derive(Serialize)]
enum ParametersRef<'v> {
    V1(&'v ParametersV1),
}

/// [`Governance`], borrowed.
#[derive(Serialize)]
enum GovernanceRef<'v> {
    V1(&'v GovernanceV1),
}

/// [`ChangeProposal`], borrowed.
#[derive(Serialize)]
enum ProposalRef<'v> {
    V1(&'v ChangeProposalV1),
}

/// What stands in a cell.
#[derive(Debug, Clone)]
pub(crate) enum Content<'a> {
    /// Bytes of the base that nobody has decoded yet.
    Stored(&'a [u8]),
    Decoded(Value),
    Absent,
}

impl Content<'_> {
    /// The decoded value, if it is of this kind.
    pub(crate) fn get<T: CellValue + Clone>(&self) -> Result<Option<T>, Defect> {
        match self {
            Self::Absent => Ok(None),
            Self::Stored(bytes) => T::decode(bytes).map(Some).ok_or(UNREADABLE),
            Self::Decoded(value) => T::of(value).cloned().map(Some).ok_or(UNREADABLE),
        }
    }
}

const UNREADABLE: Defect = Defect("a cell holds something else than its key says");

/// Whether an address is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AccountState {
    Missing,
    Open,
    Closed,
}

/// An owner that the block has looked at. Valid for the scratch that gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Owner(u32);

/// A cell that the block has looked at. Valid for the scratch that gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cell(u32);

struct OwnerSlot<'a> {
    base: OwnerView<'a>,
    /// Its cell looked at last; the others hang on that one.
    last: Option<Cell>,
    /// How many hang there.
    cells: usize,
}

/// Cells of an owner that are found one by one; of an owner with more, all are in the index. Most owners of a block have two or three.
const FEW_CELLS: usize = 8;

struct Slot<'a> {
    owner: Owner,
    /// Where its key stands in [`Scratch::keys`]: a block looks at too many cells to allocate for each.
    key: Range<u32>,
    /// The cell of the same owner looked at before.
    previous: Option<Cell>,
    content: Content<'a>,
    written: bool,
    /// Number of the transaction that wrote it last: only its first write goes to the journal.
    stamp: u32,
}

/// A cell as it stood before the running transaction first wrote it.
pub(crate) struct Before<'a> {
    pub(crate) cell: Cell,
    pub(crate) content: Content<'a>,
    written: bool,
}

/// The working set of one block.
pub(crate) struct Scratch<'a> {
    view: View<'a>,
    owners: Vec<OwnerSlot<'a>>,
    owner_index: Positions<Owner>,
    cells: Vec<Slot<'a>>,
    /// The cells of owners with many.
    cell_index: Positions<Cell>,
    /// Keys of all cells, one after the other.
    keys: Vec<u8>,
    journal: Vec<Before<'a>>,
    stamp: u32,
}

/// Key of an account as an owner of cells.
pub(crate) fn account_key(address: &Address) -> OwnerKey {
    OwnerKey::new(OwnerKey::ACCOUNT, *address.bytes())
}

/// Key of the network itself as an owner of cells.
pub(crate) fn system_key() -> OwnerKey {
    OwnerKey::new(OwnerKey::SYSTEM, [0; 32])
}

impl<'a> Scratch<'a> {
    /// A working set for about so many transactions: most touch two owners and four cells.
    pub(crate) fn new(view: View<'a>, transactions: usize) -> Self {
        let (owners, cells) = (2 * transactions, 4 * transactions);
        Self {
            view,
            owners: Vec::with_capacity(owners),
            owner_index: Positions::with_capacity(owners),
            cells: Vec::with_capacity(cells),
            cell_index: Positions::default(),
            keys: Vec::with_capacity(cells * 20),
            journal: Vec::new(),
            stamp: 0,
        }
    }

    pub(crate) fn view(&self) -> &View<'a> {
        &self.view
    }

    pub(crate) fn owner(&mut self, key: &OwnerKey) -> Owner {
        let hash = hash(&[key.as_bytes()]);
        match self.find(hash, key) {
            Some(owner) => owner,
            None => self.insert(hash, self.view.owner(key)),
        }
    }

    fn find(&self, hash: u64, key: &OwnerKey) -> Option<Owner> {
        self.owner_index.find(hash, |owner| self.owners[owner.0 as usize].base.key == *key).copied()
    }

    fn insert(&mut self, hash: u64, base: OwnerView<'a>) -> Owner {
        let owner = Owner(position(self.owners.len()));
        self.owners.push(OwnerSlot { base, last: None, cells: 0 });
        let owners = &self.owners;
        self.owner_index.insert(hash, owner, |owner| self::hash(&[owners[owner.0 as usize].base.key.as_bytes()]));
        owner
    }

    /// Takes in owners that were looked up in the view of this working set, so that nothing waits for them later.
    pub(crate) fn adopt(&mut self, owners: impl IntoIterator<Item = OwnerView<'a>>) {
        for base in owners {
            let hash = hash(&[base.key.as_bytes()]);
            if self.find(hash, &base.key).is_none() {
                self.insert(hash, base);
            }
        }
    }

    pub(crate) fn account(&mut self, address: &Address) -> Owner {
        self.owner(&account_key(address))
    }

    pub(crate) fn asset(&mut self, asset: &AssetId) -> Owner {
        self.owner(&OwnerKey::new(OwnerKey::ASSET, *asset.bytes()))
    }

    pub(crate) fn namespace(&mut self, namespace: &NamespaceId) -> Owner {
        self.owner(&OwnerKey::new(OwnerKey::NAMESPACE, *namespace.bytes()))
    }

    pub(crate) fn system(&mut self) -> Owner {
        self.owner(&system_key())
    }

    pub(crate) fn owner_key(&self, owner: Owner) -> &OwnerKey {
        &self.owners[owner.0 as usize].base.key
    }

    pub(crate) fn cell(&mut self, owner: Owner, key: &[u8]) -> Cell {
        if let Some(cell) = self.find_cell(owner, key) {
            return cell;
        }
        let cell = Cell(position(self.cells.len()));
        let slot = &mut self.owners[owner.0 as usize];
        let content = slot.base.get(key).map_or(Content::Absent, Content::Stored);
        let previous = slot.last.replace(cell);
        slot.cells += 1;
        let count = slot.cells;
        let start = position(self.keys.len());
        self.keys.extend_from_slice(key);
        let range = start..position(self.keys.len());
        self.cells.push(Slot { owner, key: range, previous, content, written: false, stamp: 0 });
        if count == FEW_CELLS + 1 {
            let mut some = Some(cell);
            while let Some(cell) = some {
                self.index(cell);
                some = self.cells[cell.0 as usize].previous;
            }
        } else if count > FEW_CELLS {
            self.index(cell);
        }
        cell
    }

    fn find_cell(&self, owner: Owner, key: &[u8]) -> Option<Cell> {
        let slot = &self.owners[owner.0 as usize];
        if slot.cells > FEW_CELLS {
            let is = |cell: &Cell| {
                let slot = &self.cells[cell.0 as usize];
                slot.owner == owner && key_of(&self.keys, slot) == key
            };
            return self.cell_index.find(cell_hash(owner, key), is).copied();
        }
        let mut some = slot.last;
        while let Some(cell) = some {
            let slot = &self.cells[cell.0 as usize];
            if key_of(&self.keys, slot) == key {
                return some;
            }
            some = slot.previous;
        }
        None
    }

    fn index(&mut self, cell: Cell) {
        let (cells, keys) = (&self.cells, &self.keys);
        let hash = |cell: &Cell| {
            let slot = &cells[cell.0 as usize];
            cell_hash(slot.owner, key_of(keys, slot))
        };
        self.cell_index.insert(hash(&cell), cell, hash);
    }

    /// Owner and key of a cell.
    pub(crate) fn name(&self, cell: Cell) -> (Owner, &[u8]) {
        let slot = &self.cells[cell.0 as usize];
        (slot.owner, key_of(&self.keys, slot))
    }

    pub(crate) fn content(&self, cell: Cell) -> &Content<'a> {
        &self.cells[cell.0 as usize].content
    }

    pub(crate) fn exists(&self, cell: Cell) -> bool {
        !matches!(self.content(cell), Content::Absent)
    }

    /// The value of a cell, decoded at the first reading.
    pub(crate) fn read<T: CellValue>(&mut self, cell: Cell) -> Result<Option<&T>, Defect> {
        let content = &mut self.cells[cell.0 as usize].content;
        if let Content::Stored(bytes) = content {
            *content = Content::Decoded(T::decode(bytes).ok_or(UNREADABLE)?.into_value());
        }
        match content {
            Content::Absent => Ok(None),
            Content::Decoded(value) => T::of(value).map(Some).ok_or(UNREADABLE),
            Content::Stored(_) => Err(UNREADABLE),
        }
    }

    /// Whether an account exists; a header is not decoded for that, its variant tells.
    pub(crate) fn account_state(&mut self, account: Owner) -> Result<AccountState, Defect> {
        let cell = self.cell(account, key::HEADER);
        match self.content(cell) {
            Content::Absent => Ok(AccountState::Missing),
            Content::Stored([0, ..]) => Ok(AccountState::Open),
            Content::Stored([1, ..]) => Ok(AccountState::Closed),
            Content::Decoded(Value::Header(header)) => Ok(match header.as_ref() {
                AccountHeader::V1 { .. } => AccountState::Open,
                AccountHeader::Closed { .. } => AccountState::Closed,
            }),
            _ => Err(UNREADABLE),
        }
    }

    pub(crate) fn write<T: CellValue>(&mut self, cell: Cell, value: T) {
        self.set(cell, Content::Decoded(value.into_value()));
    }

    /// Writes a cell without a value of its own (a marker).
    pub(crate) fn mark(&mut self, cell: Cell) {
        self.set(cell, Content::Decoded(Value::Empty));
    }

    pub(crate) fn remove(&mut self, cell: Cell) {
        self.set(cell, Content::Absent);
    }

    fn set(&mut self, cell: Cell, content: Content<'a>) {
        let slot = &mut self.cells[cell.0 as usize];
        let before = std::mem::replace(&mut slot.content, content);
        if slot.stamp != self.stamp {
            slot.stamp = self.stamp;
            self.journal.push(Before { cell, content: before, written: slot.written });
        }
        slot.written = true;
    }

    /// The cells of an owner that the block has looked at.
    fn slots(&self, owner: Owner) -> impl Iterator<Item = &Slot<'a>> {
        slots(&self.cells, self.owners[owner.0 as usize].last)
    }

    /// Keys of an owner's cells that begin with `prefix`, ascending.
    pub(crate) fn keys(&self, owner: Owner, prefix: &[u8]) -> Vec<Box<[u8]>> {
        let base = &self.owners[owner.0 as usize].base;
        let stored = base.range(Bound::Included(prefix)).map(|cell| cell.0);
        let mut keys: BTreeSet<&[u8]> = stored.take_while(|key| key.starts_with(prefix)).collect();
        for slot in self.slots(owner) {
            let key = key_of(&self.keys, slot);
            if key.starts_with(prefix) {
                if matches!(slot.content, Content::Absent) {
                    keys.remove(key);
                } else {
                    keys.insert(key);
                }
            }
        }
        keys.into_iter().map(Into::into).collect()
    }

    /// What happens from here on can be taken back by [`Scratch::rollback`].
    pub(crate) fn begin(&mut self) {
        self.journal.clear();
        self.stamp += 1;
    }

    /// Takes back everything since [`Scratch::begin`].
    pub(crate) fn rollback(&mut self) {
        while let Some(before) = self.journal.pop() {
            let slot = &mut self.cells[before.cell.0 as usize];
            slot.content = before.content;
            slot.written = before.written;
            slot.stamp = 0;
        }
    }

    /// The cells written since [`Scratch::begin`], each once, as they stood before.
    pub(crate) fn touched(&self) -> &[Before<'a>] {
        &self.journal
    }

    /// The write set of the block, in the order of the owners' paths.
    pub(crate) fn into_writes(self) -> Result<Vec<OwnerWrites<'a>>, Defect> {
        let Self { owners, cells, keys, .. } = self;
        let order = written(&owners, &cells);
        let failed = OnceLock::new();
        let writes = order.into_par_iter().with_min_len(256).map_init(Vec::new, |buffer, (_, place)| {
            let owner = &owners[place as usize];
            let slots = slots(&cells, owner.last).filter(|slot| slot.written);
            let changes = slots.map(|slot| change(slot, &keys, buffer)).collect::<Result<Vec<_>, _>>();
            let mut cells = changes.unwrap_or_else(|defect| {
                // Whichever owner is first, the block is not executed.
                let _ = failed.set(defect);
                Vec::new()
            });
            cells.sort_unstable_by(|one, other| one.key.cmp(&other.key));
            OwnerWrites { view: owner.base.clone(), cells }
        });
        // Of known length: they are written where they stay.
        let writes = writes.collect();
        failed.into_inner().map_or(Ok(writes), Err)
    }
}

/// Places of the owners with written cells, in the order of their paths.
fn written(owners: &[OwnerSlot<'_>], cells: &[Slot<'_>]) -> Vec<(u64, u32)> {
    let places = owners.par_iter().with_min_len(1024).zip(0..u32::MAX);
    let written = places.filter(|(owner, _)| slots(cells, owner.last).any(|slot| slot.written));
    let mut order: Vec<(u64, u32)> = written.map(|(owner, place)| (owner.base.path.head(), place)).collect();
    let path = |place: u32| owners[place as usize].base.path;
    order.par_sort_unstable_by(|one, other| one.0.cmp(&other.0).then_with(|| path(one.1).cmp(&path(other.1))));
    order
}

fn cell_hash(owner: Owner, key: &[u8]) -> u64 {
    hash(&[&owner.0.to_le_bytes(), key])
}

/// A cell and the ones of its owner looked at before it.
fn slots<'s, 'a>(cells: &'s [Slot<'a>], last: Option<Cell>) -> impl Iterator<Item = &'s Slot<'a>> {
    let slot = move |cell: Option<Cell>| cell.map(|cell| &cells[cell.0 as usize]);
    std::iter::successors(slot(last), move |current| slot(current.previous))
}

/// What a block writes to a cell; `buffer` is for its bytes.
fn change(slot: &Slot<'_>, keys: &[u8], buffer: &mut Vec<u8>) -> Result<CellChange, Defect> {
    let value = match &slot.content {
        Content::Decoded(value) => {
            buffer.clear();
            value.encode(buffer)?;
            Some(buffer.as_slice().into())
        }
        Content::Absent => None,
        Content::Stored(bytes) => Some((*bytes).into()),
    };
    Ok(CellChange { key: key_of(keys, slot).into(), value })
}

fn key_of<'k>(keys: &'k [u8], slot: &Slot<'_>) -> &'k [u8] {
    &keys[slot.key.start as usize..slot.key.end as usize]
}

fn position(length: usize) -> u32 {
    // A block touches far fewer than 2^32 cells: its bytes are bounded by a parameter of 32 bits.
    u32::try_from(length).unwrap_or(u32::MAX)
}
