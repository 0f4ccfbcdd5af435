//! What must always hold (`spec/ledger.md` 8): checked for the cells that a transaction touched, in production; and for a
//! whole state, in tests and on demand.

use crate::{
    cells::{account_key, CellValue, Defect, Scratch},
    live_ids::LiveIds,
    tree::{OwnerKey, State},
};
use bubi_codec::{
    decode,
    governance::{
        ChangeProposal, ChangeProposalV1, EpochRecord, EvidenceRecord, Governance, GovernanceV1, NodeListing,
        Organisation, ProposalStatus, ProtocolVersion, Voter,
    },
    identity::{Address, AssetId, HoldId, ProposalId},
    limits::LOTS_MAX,
    operation::AssetKind,
    state::{
        key, AssetDefinition, AssetV1, Hold, Holding, HoldingV1, IdBucket, Item, Lot, MembershipV1, Use, ValidatorSet,
    },
    Wire,
};
use bubi_crypto::Hash;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// A quantity before and after a transaction, summed over the cells touched.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Shift {
    before: u128,
    after: u128,
}

impl Shift {
    fn add(&mut self, before: u128, after: u128) -> Result<(), Defect> {
        let overflow = Defect("a sum of amounts overflows");
        self.before = self.before.checked_add(before).ok_or(overflow)?;
        self.after = self.after.checked_add(after).ok_or(overflow)?;
        Ok(())
    }

    /// Whether both quantities changed by the same.
    fn matches(self, other: Self) -> bool {
        let (one, two) = (self.after.checked_add(other.before), self.before.checked_add(other.after));
        one.is_some() && one == two
    }
}

/// What a transaction did to one asset.
#[derive(Default)]
struct AssetShift {
    held: Shift,
    supply: Shift,
    has_lots: bool,
    lacks_lots: bool,
}

/// What a transaction did to the reserved part of one holding.
#[derive(Default)]
struct ReservedShift {
    reserved: Shift,
    holds: Shift,
    reserved_lots: Shift,
    hold_lots: Shift,
}

/// A transaction touches a handful of assets: a list is the fastest map.
fn entry<K: PartialEq, V: Default>(list: &mut Vec<(K, V)>, key: K) -> &mut V {
    let position = list.iter().position(|entry| entry.0 == key).unwrap_or_else(|| {
        list.push((key, V::default()));
        list.len() - 1
    });
    &mut list[position].1
}

/// Checks the invariants over the cells that the running transaction has written.
pub(crate) fn check_touched(cells: &mut Scratch<'_>) -> Result<(), Defect> {
    let mut assets: Vec<(Hash, AssetShift)> = Vec::new();
    let mut reserves: Vec<((OwnerKey, Hash), ReservedShift)> = Vec::new();
    for before in cells.touched() {
        let (owner, key) = cells.name(before.cell);
        let owner = *cells.owner_key(owner);
        let after = cells.content(before.cell);
        match (owner.kind(), key.first()) {
            (OwnerKey::ACCOUNT, Some(&key::HOLDING_PREFIX)) => {
                let asset = hash_at(key, 1)?;
                let old = before.content.get::<HoldingV1>()?.unwrap_or_default();
                let new = after.get::<HoldingV1>()?.unwrap_or_default();
                let shift = entry(&mut assets, asset);
                shift.held.add(old.balance, new.balance)?;
                shift.held.add(old.reserved, new.reserved)?;
                if new.lots.is_empty() {
                    shift.lacks_lots |= new.balance > 0;
                } else {
                    shift.has_lots = true;
                    check_lots(&new)?;
                }
                if old.reserved != new.reserved || old.reserved_lots != new.reserved_lots {
                    let shift = entry(&mut reserves, (owner, asset));
                    shift.reserved.add(old.reserved, new.reserved)?;
                    shift.reserved_lots.add(old.reserved_lots.into(), new.reserved_lots.into())?;
                }
            }
            (OwnerKey::ACCOUNT, Some(&key::HOLD_PREFIX)) => {
                for (content, is_new) in [(&before.content, false), (after, true)] {
                    let Some(hold) = content.get::<Arc<Hold>>()? else { continue };
                    let Hold::V1 { asset, amount, lots, .. } = hold.as_ref();
                    let shift = entry(&mut reserves, (owner, asset.0));
                    let count = lots.len() as u128;
                    let (amounts, counts) =
                        if is_new { ((0, *amount), (0, count)) } else { ((*amount, 0), (count, 0)) };
                    shift.holds.add(amounts.0, amounts.1)?;
                    shift.hold_lots.add(counts.0, counts.1)?;
                }
            }
            (OwnerKey::ASSET, Some(&0)) => {
                let supply = |asset: Option<Arc<AssetV1>>| asset.map_or(0, |asset| asset.supply);
                let (old, new) = (supply(before.content.get()?), supply(after.get()?));
                entry(&mut assets, Hash(owner.id())).supply.add(old, new)?;
            }
            (OwnerKey::ASSET, Some(&key::ITEM_PREFIX)) => {
                let count = |item: Option<Item>| u128::from(item.is_some());
                let (old, new) = (count(before.content.get()?), count(after.get()?));
                entry(&mut assets, Hash(owner.id())).held.add(old, new)?;
            }
            _ => {}
        }
    }
    if reserves
        .iter()
        .any(|(_, shift)| !shift.reserved.matches(shift.holds) || !shift.reserved_lots.matches(shift.hold_lots))
    {
        return Err(Defect("what is reserved is not the sum of the holds"));
    }
    assets.iter().try_for_each(|(asset, shift)| check_asset(cells, asset, shift))
}

fn check_asset(cells: &mut Scratch<'_>, asset: &Hash, shift: &AssetShift) -> Result<(), Defect> {
    if !shift.held.matches(shift.supply) {
        return Err(Defect("supply is not conserved"));
    }
    if shift.has_lots || shift.lacks_lots {
        let owner = cells.asset(&AssetId(*asset));
        let cell = cells.cell(owner, key::HEADER);
        let kind = cells.read::<Arc<AssetV1>>(cell)?.map(|asset| asset.kind);
        let wrong = match kind {
            Some(AssetKind::Dated) => shift.lacks_lots,
            Some(AssetKind::Fungible) => shift.has_lots,
            Some(AssetKind::Unique) | None => true,
        };
        if wrong {
            return Err(Defect("a holding whose lots do not fit its kind of asset"));
        }
    }
    Ok(())
}

fn check_lots(holding: &HoldingV1) -> Result<(), Defect> {
    let ascending = holding.lots.windows(2).all(|pair| matches!(pair, [one, other] if one.expires < other.expires));
    let full = holding.lots.len() + usize::from(holding.reserved_lots) > LOTS_MAX;
    if !ascending || full || crate::lots::sum(&holding.lots) != holding.balance {
        return Err(Defect("a balance is not the sum of its lots"));
    }
    Ok(())
}

fn hash_at(key: &[u8], start: usize) -> Result<Hash, Defect> {
    let bytes = key.get(start..start + 32).and_then(|bytes| bytes.try_into().ok());
    bytes.map(Hash).ok_or(Defect("a cell key is too short"))
}

/// Whether a cell holds a value of this type.
fn readable<T: Wire>(value: &[u8]) -> Option<()> {
    decode::<T>(value).ok().map(drop)
}

/// What [`check_all`] gathers from the cells.
#[derive(Default)]
struct Census {
    definitions: BTreeMap<Hash, AssetV1>,
    held: BTreeMap<Hash, u128>,
    holdings: BTreeMap<(OwnerKey, Hash), HoldingV1>,
    holds: BTreeMap<(OwnerKey, Hash), (u128, usize)>,
    items: BTreeSet<(OwnerKey, Vec<u8>)>,
    markers: BTreeSet<(OwnerKey, Vec<u8>)>,
    due: BTreeSet<Vec<u8>>,
    due_expected: BTreeSet<Vec<u8>>,
    buckets: Vec<(u64, IdBucket)>,
    governance: GovernanceV1,
    proposals: BTreeMap<ProposalId, ChangeProposalV1>,
    voters: BTreeMap<Address, String>,
    voters_expected: BTreeMap<Address, String>,
    validators: Option<ValidatorSet>,
    newest_epoch: Option<(u64, ValidatorSet)>,
}

/// Checks every invariant over a whole state: roots, supplies, lots, holds, items, due cells, live ids. Slow.
///
/// # Errors
/// The first invariant that is broken.
pub fn check_all(state: &State, ids: &LiveIds) -> Result<(), Defect> {
    if state.recompute_root() != state.root() {
        return Err(Defect("the root of the tree is not that of its cells"));
    }
    let mut census = Census::default();
    for (owner, key, value) in state.all_cells() {
        census.count(owner, key, value).ok_or(Defect("a cell cannot be read"))?;
    }
    census.buckets.sort_unstable_by_key(|bucket| bucket.0);
    if census.buckets != ids.recomputed_cells() || !ids.cells().eq(ids.recomputed_cells()) {
        return Err(Defect("the buckets of live ids are not those of their lists"));
    }
    census.check()
}

impl Census {
    fn count(&mut self, owner: &OwnerKey, key: &[u8], value: &[u8]) -> Option<()> {
        match (owner.kind(), *key.first()?) {
            (OwnerKey::SYSTEM, key::DUE_PREFIX) => drop(self.due.insert(key.to_vec())),
            (OwnerKey::SYSTEM, prefix) if prefix >= key::ORGANISATION_PREFIX || key == key::VALIDATORS => {
                self.count_governance(prefix, key, value)?;
            }
            (OwnerKey::SYSTEM, key::ID_BUCKET_PREFIX) => {
                self.buckets.push((u64::from_be_bytes(key.get(1..)?.try_into().ok()?), decode(value).ok()?));
            }
            (OwnerKey::ACCOUNT, key::HOLDING_PREFIX) => {
                let Holding::V1(holding) = decode(value).ok()?;
                let asset = hash_at(key, 1).ok()?;
                *self.held.entry(asset).or_default() += holding.balance + holding.reserved;
                for Lot { expires, .. } in &holding.lots {
                    self.due_expected.insert(key::due_lot(*expires, &Address(Hash(owner.id())), &AssetId(asset)));
                }
                self.holdings.insert((*owner, asset), holding);
            }
            (OwnerKey::ACCOUNT, key::HOLD_PREFIX) => {
                let Hold::V1 { asset, amount, expires, lots, .. } = decode(value).ok()?;
                let (sum, count) = self.holds.entry((*owner, asset.0)).or_default();
                (*sum, *count) = (*sum + amount, *count + lots.len());
                let hold = HoldId(hash_at(key, 1).ok()?);
                self.due_expected.insert(key::due_hold(expires, &Address(Hash(owner.id())), &hold));
                if !lots.is_empty() && crate::lots::sum(&lots) != amount {
                    return None;
                }
            }
            (OwnerKey::ACCOUNT, key::ITEM_HELD_PREFIX) => drop(self.markers.insert((*owner, key.to_vec()))),
            (OwnerKey::ASSET, 0) => {
                let AssetDefinition::V1(asset) = decode(value).ok()?;
                self.definitions.insert(Hash(owner.id()), asset);
            }
            (OwnerKey::ASSET, key::ITEM_PREFIX) => {
                let Item::V1 { holder, .. } = decode(value).ok()?;
                *self.held.entry(Hash(owner.id())).or_default() += 1;
                let name = [&[key::ITEM_HELD_PREFIX], owner.id().as_slice(), key.get(1..)?].concat();
                self.items.insert((account_key(&holder), name));
            }
            (OwnerKey::ACCOUNT, _) if key == key::MEMBERSHIP => {
                Arc::<MembershipV1>::decode(value).filter(|one| **one != MembershipV1::default()).map(drop)?;
            }
            (OwnerKey::ACCOUNT, 0) => drop(Arc::<bubi_codec::state::AccountHeader>::decode(value)?),
            _ => {}
        }
        Some(())
    }

    fn count_governance(&mut self, prefix: u8, key: &[u8], value: &[u8]) -> Option<()> {
        let rest = key.get(1..)?;
        let text = || String::from_utf8(rest.to_vec()).ok();
        match prefix {
            key::ORGANISATION_PREFIX => {
                let Organisation::V1 { governance, .. } = decode(value).ok()?;
                let name = text()?;
                self.voters_expected.extend(governance.map(|account| (account, name)));
            }
            key::PROPOSAL_PREFIX => {
                let ChangeProposal::V1(proposal) = decode(value).ok()?;
                self.proposals.insert(ProposalId(Hash(rest.try_into().ok()?)), proposal);
            }
            key::EPOCH_PREFIX => {
                let EpochRecord::V1 { validators, .. } = decode(value).ok()?;
                let number = u64::from_be_bytes(rest.try_into().ok()?);
                if self.newest_epoch.as_ref().is_none_or(|newest| newest.0 < number) {
                    self.newest_epoch = Some((number, validators));
                }
            }
            key::VOTER_PREFIX => {
                let Voter::V1 { organisation } = decode(value).ok()?;
                self.voters.insert(Address(Hash(rest.try_into().ok()?)), organisation);
            }
            key::EVIDENCE_PREFIX => readable::<EvidenceRecord>(value)?,
            key::ORGANISATION_USE_PREFIX => readable::<Use>(value)?,
            key::NODE_PREFIX => readable::<NodeListing>(value)?,
            _ if key == key::GOVERNANCE => {
                let Governance::V1(governance) = decode(value).ok()?;
                self.governance = governance;
            }
            _ if key == key::VALIDATORS => self.validators = Some(decode(value).ok()?),
            _ if key == key::PROTOCOL_VERSION => readable::<ProtocolVersion>(value)?,
            _ => {}
        }
        Some(())
    }

    fn check_governance(&self) -> Result<(), Defect> {
        let with = |status| self.proposals.iter().filter(move |(_, one)| one.status == status).map(|(id, _)| *id);
        let open: BTreeSet<ProposalId> = self.governance.open.iter().copied().collect();
        if open.len() != self.governance.open.len() || !open.into_iter().eq(with(ProposalStatus::Open)) {
            return Err(Defect("the open proposals are not those that are listed"));
        }
        let pending = self.governance.pending.as_ref();
        if !pending.map(|change| change.proposal).into_iter().eq(with(ProposalStatus::Approved)) {
            return Err(Defect("the pending change is not the approved proposal"));
        }
        if self.voters != self.voters_expected {
            return Err(Defect("voters and governance accounts differ"));
        }
        let newest = self.newest_epoch.as_ref().map(|(number, set)| (*number, set));
        let ValidatorSet::V1 { epoch, .. } =
            self.validators.as_ref().ok_or(Defect("the state has no validator set"))?;
        if newest != self.validators.as_ref().map(|set| (*epoch, set)) {
            return Err(Defect("the validator set is not that of the newest epoch"));
        }
        Ok(())
    }

    /// Due cells of proposals.
    fn due_proposals(&self) -> impl Iterator<Item = Vec<u8>> + '_ {
        let open = self.proposals.iter().filter(|(_, one)| one.status == ProposalStatus::Open);
        let waiting = self.governance.pending.iter().filter(|change| change.activation.is_none());
        open.map(|(id, one)| key::due_proposal(one.expires, id))
            .chain(waiting.map(|change| key::due_proposal(change.until, &change.proposal)))
    }

    fn check(&self) -> Result<(), Defect> {
        self.check_governance()?;
        if self.due != self.due_expected.iter().cloned().chain(self.due_proposals()).collect() {
            return Err(Defect("due cells and lots and holds differ"));
        }
        if self.items != self.markers {
            return Err(Defect("items and the markers of their holders differ"));
        }
        for (asset, definition) in &self.definitions {
            if self.held.get(asset).copied().unwrap_or(0) != definition.supply {
                return Err(Defect("a supply is not the sum of the holdings"));
            }
        }
        for ((owner, asset), holding) in &self.holdings {
            let kind = self.definitions.get(asset).map(|asset| asset.kind).ok_or(Defect("a holding of no asset"))?;
            if *holding == HoldingV1::default() || (kind != AssetKind::Dated && !holding.lots.is_empty()) {
                return Err(Defect("a holding that must not exist"));
            }
            if kind == AssetKind::Dated {
                check_lots(holding)?;
            }
            let (sum, count) = self.holds.get(&(*owner, *asset)).copied().unwrap_or_default();
            if (holding.reserved, usize::from(holding.reserved_lots)) != (sum, count) {
                return Err(Defect("what is reserved is not the sum of the holds"));
            }
        }
        if self.holds.keys().any(|key| !self.holdings.contains_key(key)) {
            return Err(Defect("a hold without a holding"));
        }
        Ok(())
    }
}
