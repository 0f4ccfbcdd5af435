//! The state that a new era begins with, as rows of a block 0: what an index of its chain begins with.

use super::{change, counted, hash, signed, text, text_cell, wrong, Cell, Place, Rows, Setting};
use crate::error::Result;
use bubi_codec::{
    block::Genesis,
    decode,
    governance::NodeListing,
    identity::{Address, AssetId, NamespaceId},
    state::{
        key, AccountHeader, AssetDefinition, Claim, DataEntry, Hold, Holding, Item, Membership, Namespace, OwnerKind,
        RecordVersion,
    },
};
use bubi_crypto::{to_hex, Hash};
use bubi_ledger::tree::State;

/// Where everything stands that was there before the first block: height, position, number.
const BEGINNING: [Cell; 3] = [Cell::Number(0), Cell::Number(0), Cell::Number(0)];

/// Gives the rows of a state, in groups of about so many cells, in an order that depends on the state only.
///
/// # Errors
/// A cell is not what the rules write; what `give` returns.
pub fn inherited(
    genesis: &Genesis,
    state: &State,
    cells: usize,
    mut give: impl FnMut(Rows) -> Result<()>,
) -> Result<()> {
    let fields = genesis.v1();
    let chain = bubi_codec::identity::ChainId(Hash::ZERO);
    let setting = Setting { prefix: fields.kind.prefix(), suite: fields.suite, chain: &chain };
    let mut rows = Rows::default();
    for (count, (owner, key, value)) in (1_usize..).zip(state.all_cells()) {
        rows.inherit(setting, (owner.kind(), Hash(owner.id())), key, value)?;
        if count % cells.max(1) == 0 {
            give(std::mem::take(&mut rows))?;
        }
    }
    give(rows)
}

fn key_text(bytes: &[u8]) -> Result<&str> {
    std::str::from_utf8(bytes).map_err(|_| wrong("a name in the key of a cell is no text"))
}

fn key_hash(bytes: &[u8]) -> Result<(Hash, &[u8])> {
    let (id, rest) = bytes.split_first_chunk::<32>().ok_or_else(|| wrong("the key of a cell is too short"))?;
    Ok((Hash(*id), rest))
}

impl Rows {
    fn inherit(&mut self, setting: Setting<'_>, owner: (u8, Hash), key: &[u8], value: &[u8]) -> Result<()> {
        let (kind, id) = owner;
        let Some((first, rest)) = key.split_first() else { return Err(wrong("a cell has an empty key")) };
        if kind == OwnerKind::Account as u8 {
            self.inherit_account(setting, Address(id), *first, rest, value)
        } else if kind == OwnerKind::Asset as u8 {
            self.inherit_asset(setting, AssetId(id), *first, rest, value)
        } else if kind == OwnerKind::Namespace as u8 {
            self.inherit_namespace(setting, NamespaceId(id), *first, rest, value)
        } else {
            self.inherit_system(*first, rest, value)
        }
    }

    /// Lists that live on; all else of the network is in the genesis.
    fn inherit_system(&mut self, first: u8, rest: &[u8], value: &[u8]) -> Result<()> {
        match first {
            key::NODE_PREFIX if decode::<NodeListing>(value)? == NodeListing::Denied => {
                self.push("denied", vec![Cell::Text(to_hex(rest))]);
            }
            key::REVOKED_PREFIX => self.push("revoked", vec![Cell::Text(to_hex(rest))]),
            _ => {}
        }
        Ok(())
    }

    fn inherit_account(
        &mut self,
        setting: Setting<'_>,
        address: Address,
        first: u8,
        rest: &[u8],
        value: &[u8],
    ) -> Result<()> {
        let account = Cell::Account(self.account(&address));
        match first {
            _ if [first] == *key::MEMBERSHIP => {
                let Membership::V1(found) = decode(value)?;
                let place = Place { height: 0, position: 0 };
                self.membership(place, &address, found.organisation.as_deref(), found.asks.as_deref());
                Ok(())
            }
            0 => self.inherit_header(setting, account, &decode(value)?),
            key::HOLDING_PREFIX => self.inherit_holding(&address, AssetId(key_hash(rest)?.0), decode(value)?),
            key::DATA_PREFIX => {
                let DataEntry::V1 { version, value } = decode(value)?;
                let cells =
                    vec![account, text_cell(key_text(rest)?), Cell::Number(signed(version)?), Cell::Bytes(value)];
                self.push("data_set", [&BEGINNING, cells.as_slice()].concat());
                Ok(())
            }
            key::CLAIM_PREFIX => {
                let (issuer, kind) = key_hash(rest)?;
                let Claim::V1 { digest, expires } = decode(value)?;
                let cells = vec![
                    account,
                    Cell::Account(self.account(&Address(issuer))),
                    text_cell(key_text(kind)?),
                    hash(&digest),
                    expires.map_or(Cell::Null, |time| Cell::Text(time.to_string())),
                ];
                self.push("claims_set", [&BEGINNING, cells.as_slice()].concat());
                Ok(())
            }
            key::HOLD_PREFIX => {
                let Hold::V1 { asset, beneficiary, amount, expires, .. } = decode(value)?;
                let row = vec![
                    hash(&key_hash(rest)?.0),
                    Cell::Number(0),
                    Cell::Number(0),
                    Cell::Asset(self.asset(&asset)),
                    account,
                    Cell::Account(self.account(&beneficiary)),
                    Cell::Text(amount.to_string()),
                    Cell::Number(signed(expires)?),
                ];
                self.push("holds_opened", row);
                Ok(())
            }
            // Items stand with their assets; lanes and used limits are no business of an index.
            _ => Ok(()),
        }
    }

    fn inherit_header(&mut self, setting: Setting<'_>, account: Cell, header: &AccountHeader) -> Result<()> {
        let (signers, thresholds) = match header {
            AccountHeader::V1 { signers, thresholds, .. } => (text(setting, signers)?, text(setting, thresholds)?),
            AccountHeader::Closed { .. } => {
                self.push("accounts_closed", [&BEGINNING, [account.clone()].as_slice()].concat());
                ("[]".to_owned(), "null".to_owned())
            }
        };
        let cells = vec![account, Cell::Null, Cell::Text(signers), Cell::Text(thresholds)];
        self.push("accounts_created", [&BEGINNING, cells.as_slice()].concat());
        Ok(())
    }

    fn inherit_holding(&mut self, holder: &Address, id: AssetId, holding: Holding) -> Result<()> {
        let Holding::V1(holding) = holding;
        let (asset, account) = (self.asset(&id), self.account(holder));
        let amounts = [Cell::Amount(change(holding.balance)?), Cell::Amount(change(holding.reserved)?)];
        let of = [Cell::Number(0), Cell::Asset(asset), Cell::Account(account)];
        self.push("movements", [of.as_slice(), amounts.as_slice()].concat());
        for (which, set) in [holding.frozen, holding.authorised].into_iter().enumerate() {
            if set {
                let flag = [Cell::Number(counted(which)?), Cell::Number(1)];
                self.push("flags", [of.as_slice(), flag.as_slice()].concat());
            }
        }
        Ok(())
    }

    fn inherit_asset(&mut self, setting: Setting<'_>, id: AssetId, first: u8, rest: &[u8], value: &[u8]) -> Result<()> {
        let place = self.asset(&id);
        if first == key::ITEM_PREFIX {
            let Item::V1 { holder, digest } = decode(value)?;
            let (item, asset) = (text_cell(key_text(rest)?), Cell::Asset(place));
            let holder = Cell::Account(self.account(&holder));
            self.push("item_moves", vec![Cell::Number(0), asset.clone(), item.clone(), holder]);
            if let Some(digest) = digest {
                self.push("item_digests", [BEGINNING.as_slice(), &[asset, item, hash(&digest)]].concat());
            }
            return Ok(());
        }
        let AssetDefinition::V1(asset) = decode(value)?;
        let cells = vec![
            Cell::Asset(place),
            Cell::Account(self.account(&asset.issuer)),
            text_cell(&asset.code),
            text_cell(&asset.name),
            text_cell(text(setting, &asset.kind)?.trim_matches('"')),
            Cell::Number(i64::from(asset.decimals)),
            asset.cap.map_or(Cell::Null, |cap| Cell::Text(cap.to_string())),
            text_cell(&text(setting, &asset.features)?),
        ];
        self.push("assets_created", [&BEGINNING, cells.as_slice()].concat());
        if asset.frozen {
            self.push("assets_frozen", vec![Cell::Number(0), Cell::Asset(place), Cell::Number(1)]);
        }
        if asset.supply > 0 {
            let supply = Cell::Amount(change(asset.supply)?);
            self.push("supply_changes", vec![Cell::Number(0), Cell::Asset(place), supply]);
        }
        Ok(())
    }

    fn inherit_namespace(
        &mut self,
        setting: Setting<'_>,
        id: NamespaceId,
        first: u8,
        rest: &[u8],
        value: &[u8],
    ) -> Result<()> {
        match first {
            0 => {
                let Namespace::V1 { name, owner, writers, shared } = decode(value)?;
                let row = self.namespace_row(setting, &BEGINNING, (&id, text_cell(&name)), &owner, &writers, shared)?;
                self.push("namespaces_set", row);
            }
            key::RECORD_VERSION_PREFIX => {
                let (named, version) =
                    rest.split_last_chunk::<4>().ok_or_else(|| wrong("a record version has no number"))?;
                let record = key_text(named.strip_suffix(&[0]).unwrap_or(named))?;
                let RecordVersion::V1 { writer, time, digest, content, parents } = decode(value)?;
                let place = (&id, record, u32::from_be_bytes(*version));
                let written = (&writer, signed(time)?);
                self.version(setting, &BEGINNING, place, written, (&digest, &content), &parents)?;
            }
            // Heads say no more than the versions.
            _ => {}
        }
        Ok(())
    }
}
