//! Exported blocks as rows of tables: what an index writes, without a Python object per field.
//!
//! Accounts and assets stand in rows as positions in [`Rows::addresses`] and [`Rows::assets`], in the order in which the
//! blocks name them first; the index has numbers of its own for them.

use crate::{
    admission::split_bulk,
    chain::broken,
    error::{ChainError, Result},
    export::{read_export, Exported},
    history::parties,
};
use bubi_codec::{
    block::{BlockRecord, Certificate, CommitStatement, Event, Genesis, Outcome, Proposal, Receipt},
    decode,
    identity::{Address, AssetId, ChainId, NamespaceId},
    operation::{AccountTarget, Content, Digest, OperationBody, RecordReference, Signer, Thresholds, Writers},
    state::{key, AccountHeader},
    text::to_json,
    transaction::{transaction_hash, BodyV1, SignedTransaction, TransactionBody},
};
use bubi_crypto::{Hash, HashSuite};
use bubi_ledger::{genesis_state, tree::OwnerKey};
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};

mod inherited;
pub use inherited::inherited;

/// One field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cell {
    /// Nothing.
    Null,
    /// A number that fits SQL.
    Number(i64),
    /// A text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// An account, by its position.
    Account(usize),
    /// An asset, by its position.
    Asset(usize),
    /// A change of an amount.
    Amount(i128),
}

/// One row.
pub type Row = Vec<Cell>;

/// Rows of some blocks.
#[derive(Default)]
pub struct Rows {
    /// Accounts named, in the order of their first mention.
    pub addresses: Vec<Address>,
    /// Assets named, in the order of their first mention.
    pub assets: Vec<AssetId>,
    /// Rows by the name of their table.
    pub tables: BTreeMap<&'static str, Vec<Row>>,
    /// Height of the last block; 0 if there is none.
    pub last: u64,
    known_addresses: HashMap<[u8; 32], usize>,
    known_assets: HashMap<[u8; 32], usize>,
}

/// What all blocks of a network share.
#[derive(Clone, Copy)]
pub struct Setting<'c> {
    /// Prefix of addresses.
    pub prefix: &'static str,
    /// Hash suite.
    pub suite: HashSuite,
    /// The chain.
    pub chain: &'c ChainId,
}

/// Net changes of one block: (asset, account) to balance and reserved part, in the order of first touch.
#[derive(Default)]
struct Movements {
    places: HashMap<(usize, usize), usize>,
    changes: Vec<(usize, usize, i128, i128)>,
    supplies: BTreeMap<usize, i128>,
}

/// Where something happened.
#[derive(Clone, Copy)]
struct Place {
    height: i64,
    position: i64,
}

/// Rows of exported blocks.
///
/// # Errors
/// The bytes are no export.
pub fn rows(setting: Setting<'_>, export: &[u8]) -> Result<Rows> {
    let mut rows = Rows::default();
    for block in read_export(export)? {
        rows.block(setting, &block)?;
    }
    Ok(rows)
}

impl Rows {
    fn push(&mut self, table: &'static str, row: Row) {
        self.tables.entry(table).or_default().push(row);
    }

    fn account(&mut self, address: &Address) -> usize {
        *self.known_addresses.entry(*address.bytes()).or_insert_with(|| {
            self.addresses.push(*address);
            self.addresses.len() - 1
        })
    }

    fn asset(&mut self, asset: &AssetId) -> usize {
        *self.known_assets.entry(*asset.bytes()).or_insert_with(|| {
            self.assets.push(*asset);
            self.assets.len() - 1
        })
    }

    fn block(&mut self, setting: Setting<'_>, block: &Exported<'_>) -> Result<()> {
        let BlockRecord::V1 { proposal: Proposal::V1(proposal), receipts, events, .. } = &block.record;
        self.last = proposal.height;
        let (height, time) = (signed(proposal.height)?, signed(proposal.time)?);
        self.header(block)?;
        let transactions = block.bodies.iter().map(|body| transactions(body)).collect::<Result<Vec<_>>>()?;
        let mut movements = Movements::default();
        for (position, (receipt, events)) in receipts.iter().zip(events).enumerate() {
            let place = Place { height, position: counted(position)? };
            self.receipt(setting, place, time, receipt, events, &transactions, &mut movements)?;
        }
        for (asset, account, balance, reserved) in movements.changes {
            let cells = [Cell::Asset(asset), Cell::Account(account), Cell::Amount(balance), Cell::Amount(reserved)];
            self.push("movements", [&[Cell::Number(height)], cells.as_slice()].concat());
        }
        for (asset, change) in movements.supplies {
            self.push("supply_changes", vec![Cell::Number(height), Cell::Asset(asset), Cell::Amount(change)]);
        }
        Ok(())
    }

    fn header(&mut self, block: &Exported<'_>) -> Result<()> {
        let BlockRecord::V1 { proposal: Proposal::V1(fields), batches, outcome, certificate, receipts, .. } =
            &block.record;
        // Who signed a block of CometBFT stands in the light block after it, not in the record.
        let (epoch, round, voters) = match certificate {
            Certificate::V1 { statement: CommitStatement::V1 { epoch, round, .. }, votes } => {
                let voters: Vec<u32> = votes.iter().map(|vote| vote.validator).collect();
                (Cell::Number(signed(*epoch)?), Cell::Number(signed(*round)?), voters)
            }
            Certificate::Comet { .. } => (Cell::Null, Cell::Null, Vec::new()),
        };
        let (digest, _) = certificate.covers();
        let Outcome::V1 { state_root, receipt_root, .. } = outcome;
        let finals = receipts.iter().filter(|Receipt::V1 { code, .. }| *code == 0).count();
        let row = vec![
            Cell::Number(signed(fields.height)?),
            Cell::Number(signed(fields.time)?),
            hash(digest),
            hash(&fields.parent),
            hash(state_root),
            hash(receipt_root),
            hash(&fields.payload_root),
            Cell::Number(i64::from(fields.protocol_version)),
            epoch,
            round,
            Cell::Number(counted(batches.len())?),
            Cell::Number(counted(receipts.len())?),
            Cell::Number(counted(finals)?),
            Cell::Text(serde_json::to_string(&voters)?),
            Cell::Number(counted(block.bytes)?),
        ];
        self.push("blocks", row);
        Ok(())
    }

    #[allow(clippy::too_many_arguments)] // What one receipt hangs together with.
    fn receipt(
        &mut self,
        setting: Setting<'_>,
        place: Place,
        time: i64,
        receipt: &Receipt,
        events: &[Event],
        transactions: &[Vec<&[u8]>],
        movements: &mut Movements,
    ) -> Result<()> {
        let Receipt::V1 { transaction, batch, index, code, operation, .. } = receipt;
        let mut named = Vec::new();
        let mut assets = Vec::new();
        let bytes = if *transaction == Hash::ZERO {
            None
        } else {
            let bytes = transactions.get(*batch as usize).and_then(|all| all.get(*index as usize));
            Some(*bytes.ok_or_else(|| wrong("a receipt names a transaction that is not in its block"))?)
        };
        let mut row = vec![
            Cell::Number(place.height),
            Cell::Number(place.position),
            hash(transaction),
            Cell::Number(i64::from(*batch)),
            Cell::Number(i64::from(*index)),
            Cell::Number(i64::from(*code)),
            operation.map_or(Cell::Null, |number| Cell::Number(i64::from(number))),
        ];
        if let Some(bytes) = bytes {
            let signed_transaction: SignedTransaction = decode(bytes)?;
            let encoded = signed_transaction.body_bytes();
            if transaction_hash(setting.suite, setting.chain, encoded) != *transaction {
                return Err(wrong("a receipt names another transaction than the one at its place"));
            }
            let TransactionBody::V1(body) = decode(encoded)?;
            let source = self.account(&body.source);
            named.push(source);
            row.extend([
                Cell::Account(source),
                Cell::Number(signed(body.valid_until)?),
                Cell::Number(counted(body.operations.len())?),
                Cell::Bytes(bytes.to_vec()),
            ]);
            self.operations(place, &body, &mut named, &mut assets)?;
            if *code == 0 {
                self.effects(setting, place, time, &body, events)?;
            }
        } else {
            row.extend([Cell::Null, Cell::Null, Cell::Number(0), Cell::Null]);
            self.push("due", vec![Cell::Number(place.height)]);
        }
        self.push("transactions", row);
        for (number, event) in events.iter().enumerate() {
            named.extend(parties(event).iter().map(|address| self.account(address)));
            self.event(setting, place, counted(number)?, event)?;
            self.amounts(place, event, &mut assets, movements)?;
        }
        self.links(place, named, assets);
        Ok(())
    }

    /// Which transactions name which accounts and assets, once each.
    fn links(&mut self, place: Place, mut accounts: Vec<usize>, mut assets: Vec<usize>) {
        let at = |cell| vec![cell, Cell::Number(place.height), Cell::Number(place.position)];
        accounts.sort_unstable();
        accounts.dedup();
        assets.sort_unstable();
        assets.dedup();
        for account in accounts {
            self.push("account_transactions", at(Cell::Account(account)));
        }
        for asset in assets {
            self.push("asset_transactions", at(Cell::Asset(asset)));
        }
    }

    fn event(&mut self, setting: Setting<'_>, place: Place, number: i64, event: &Event) -> Result<()> {
        let text = text(setting, event)?;
        let kind = text.split('"').nth(1).unwrap_or_default().to_owned();
        let row = vec![
            Cell::Number(place.height),
            Cell::Number(place.position),
            Cell::Number(number),
            Cell::Text(kind),
            Cell::Text(text),
        ];
        self.push("events", row);
        Ok(())
    }

    fn operations(
        &mut self,
        place: Place,
        body: &BodyV1,
        named: &mut Vec<usize>,
        assets: &mut Vec<usize>,
    ) -> Result<()> {
        for (number, operation) in body.operations.iter().enumerate() {
            let source = self.account(operation.source.as_ref().unwrap_or(&body.source));
            named.push(source);
            let summary = summary(&operation.body);
            let other = summary.other.map(|address| self.account(&address));
            let asset = summary.asset.map(|asset| self.asset(&asset));
            named.extend(other);
            assets.extend(asset);
            let row = vec![
                Cell::Number(place.height),
                Cell::Number(place.position),
                Cell::Number(counted(number)?),
                Cell::Number(i64::from(operation.body.number())),
                Cell::Account(source),
                other.map_or(Cell::Null, Cell::Account),
                asset.map_or(Cell::Null, Cell::Asset),
                summary.amount.map_or(Cell::Null, |amount| Cell::Text(amount.to_string())),
                summary.name.map_or(Cell::Null, |name| Cell::Text(name.to_owned())),
            ];
            self.push("operations", row);
        }
        Ok(())
    }

    /// What amounts, items, holds and flags an event changes.
    fn amounts(
        &mut self,
        place: Place,
        event: &Event,
        assets: &mut Vec<usize>,
        movements: &mut Movements,
    ) -> Result<()> {
        match event {
            Event::Issued { asset, to, amount, .. } => {
                let (asset, to, amount) = (self.asset(asset), self.account(to), change(*amount)?);
                movements.give(asset, to, amount, 0)?;
                movements.supply(asset, amount)?;
            }
            Event::Transferred { asset, from, to, amount } => {
                let (asset, from, to) = (self.asset(asset), self.account(from), self.account(to));
                let amount = change(*amount)?;
                movements.give(asset, from, -amount, 0)?;
                movements.give(asset, to, amount, 0)?;
                assets.push(asset);
            }
            Event::Burned { asset, from: holder, amount } | Event::Lapsed { asset, holder, amount, .. } => {
                let (asset, holder, amount) = (self.asset(asset), self.account(holder), change(*amount)?);
                movements.give(asset, holder, -amount, 0)?;
                movements.supply(asset, -amount)?;
                assets.push(asset);
            }
            Event::Reserved { hold, asset, holder, beneficiary, amount, expires } => {
                let (asset, holder) = (self.asset(asset), self.account(holder));
                let value = change(*amount)?;
                movements.give(asset, holder, -value, value)?;
                let row = vec![
                    hash(&hold.0),
                    Cell::Number(place.height),
                    Cell::Number(place.position),
                    Cell::Asset(asset),
                    Cell::Account(holder),
                    Cell::Account(self.account(beneficiary)),
                    Cell::Text(amount.to_string()),
                    Cell::Number(signed(*expires)?),
                ];
                self.push("holds_opened", row);
                assets.push(asset);
            }
            Event::Captured { hold, amount } => self.close(place, &hold.0, "captured", amount.to_string()),
            Event::Released { hold } => self.close(place, &hold.0, "released", "0".to_owned()),
            Event::HoldExpired { hold, .. } => self.close(place, &hold.0, "expired", "0".to_owned()),
            _ => self.others(place, event, assets, movements)?,
        }
        Ok(())
    }

    fn close(&mut self, place: Place, hold: &Hash, how: &str, captured: String) {
        let row = vec![
            hash(hold),
            Cell::Number(place.height),
            Cell::Number(place.position),
            Cell::Text(how.to_owned()),
            Cell::Text(captured),
        ];
        self.push("holds_closed", row);
    }

    fn others(
        &mut self,
        place: Place,
        event: &Event,
        assets: &mut Vec<usize>,
        movements: &mut Movements,
    ) -> Result<()> {
        let height = Cell::Number(place.height);
        match event {
            Event::ItemIssued { asset, item, to } => {
                let (asset, to) = (self.asset(asset), self.account(to));
                self.push("item_moves", vec![height, Cell::Asset(asset), text_cell(item), Cell::Account(to)]);
                movements.supply(asset, 1)?;
            }
            Event::ItemTransferred { asset, item, to, .. } => {
                let (asset, to) = (self.asset(asset), self.account(to));
                self.push("item_moves", vec![height, Cell::Asset(asset), text_cell(item), Cell::Account(to)]);
                assets.push(asset);
            }
            Event::ItemBurned { asset, item, .. } => {
                let asset = self.asset(asset);
                self.push("item_moves", vec![height, Cell::Asset(asset), text_cell(item), Cell::Null]);
                movements.supply(asset, -1)?;
                assets.push(asset);
            }
            Event::AssetCreated { asset, .. } => assets.push(self.asset(asset)),
            Event::AssetFrozen { asset, frozen } => {
                let asset = self.asset(asset);
                self.push("assets_frozen", vec![height, Cell::Asset(asset), Cell::Number(i64::from(*frozen))]);
                assets.push(asset);
            }
            Event::HolderFrozen { asset, holder, frozen: set } => self.flag(place, asset, holder, 0, *set),
            Event::HolderAuthorised { asset, holder, authorised: set } => self.flag(place, asset, holder, 1, *set),
            Event::MembershipChanged { account, organisation, asks } => {
                self.membership(place, account, organisation.as_deref(), asks.as_deref());
            }
            _ => {}
        }
        Ok(())
    }

    fn flag(&mut self, place: Place, asset: &AssetId, holder: &Address, which: i64, set: bool) {
        let row = vec![
            Cell::Number(place.height),
            Cell::Asset(self.asset(asset)),
            Cell::Account(self.account(holder)),
            Cell::Number(which),
            Cell::Number(i64::from(set)),
        ];
        self.push("flags", row);
    }

    /// Which organisation took an account in, and which one it asks; without both it belongs to none.
    fn membership(&mut self, place: Place, account: &Address, organisation: Option<&str>, asks: Option<&str>) {
        let name = |one: Option<&str>| one.map_or(Cell::Null, text_cell);
        let cells = [Cell::Account(self.account(account)), name(organisation), name(asks)];
        self.push("memberships_set", [&[Cell::Number(place.height)], cells.as_slice()].concat());
    }

    /// What operations of a final transaction made, with the identifiers that its events name.
    fn effects(
        &mut self,
        setting: Setting<'_>,
        place: Place,
        time: i64,
        body: &BodyV1,
        events: &[Event],
    ) -> Result<()> {
        let mut made = events.iter();
        for (number, operation) in body.operations.iter().enumerate() {
            let source = operation.source.as_ref().unwrap_or(&body.source);
            let at = [Cell::Number(place.height), Cell::Number(place.position), Cell::Number(counted(number)?)];
            match &operation.body {
                OperationBody::CreateAccount { target, signers, thresholds } => {
                    let found = made.find_map(|event| match event {
                        Event::AccountCreated { account, .. } => Some(*account),
                        _ => None,
                    });
                    let account = found.ok_or_else(|| unmade("create_account"))?;
                    let header = header(setting, target, signers, thresholds.as_ref())?;
                    let cells = vec![Cell::Account(self.account(&account)), Cell::Account(self.account(source))];
                    self.push("accounts_created", [&at, cells.as_slice(), &header].concat());
                }
                OperationBody::SetSigners { signers, thresholds } => {
                    let header = [text_cell(&text(setting, signers)?), text_cell(&text(setting, thresholds)?)];
                    let account = [Cell::Account(self.account(source))];
                    self.push("signers_changed", [&at, account.as_slice(), &header].concat());
                }
                OperationBody::CloseAccount => {
                    let account = self.account(source);
                    self.push("accounts_closed", [&at, [Cell::Account(account)].as_slice()].concat());
                }
                OperationBody::CreateAsset { code, name, kind, decimals, cap, features } => {
                    let id = AssetId::derived(setting.suite, source, code);
                    let cells = vec![
                        Cell::Asset(self.asset(&id)),
                        Cell::Account(self.account(source)),
                        text_cell(code),
                        text_cell(name),
                        text_cell(text(setting, kind)?.trim_matches('"')),
                        Cell::Number(i64::from(*decimals)),
                        cap.map_or(Cell::Null, |cap| Cell::Text(cap.to_string())),
                        text_cell(&text(setting, features)?),
                    ];
                    self.push("assets_created", [&at, cells.as_slice()].concat());
                }
                OperationBody::IssueItem { asset, item, digest: Some(digest), .. } => {
                    let cells = vec![Cell::Asset(self.asset(asset)), text_cell(item), hash(digest)];
                    self.push("item_digests", [&at, cells.as_slice()].concat());
                }
                OperationBody::SetData { name, value, .. } => {
                    let found = made.find_map(|event| match event {
                        Event::DataSet { version, .. } => Some(*version),
                        _ => None,
                    });
                    let version = found.ok_or_else(|| unmade("set_data"))?;
                    let cells = vec![
                        Cell::Account(self.account(source)),
                        text_cell(name),
                        Cell::Number(signed(version)?),
                        value.as_ref().map_or(Cell::Null, |value| Cell::Bytes(value.clone())),
                    ];
                    self.push("data_set", [&at, cells.as_slice()].concat());
                }
                OperationBody::SetClaim { subject, kind, digest, expires } => {
                    let expires = expires.map_or(Cell::Null, |time| Cell::Text(time.to_string()));
                    self.claim(&at, (source, subject, kind), hash(digest), expires);
                }
                OperationBody::RevokeClaim { issuer, subject, kind } => {
                    self.claim(&at, (issuer, subject, kind), Cell::Null, Cell::Null);
                }
                OperationBody::CreateNamespace { .. } | OperationBody::SetNamespace { .. } => {
                    self.namespace(setting, &at, source, &operation.body)?;
                }
                OperationBody::PutRecord { .. } => {
                    let found = made.find_map(|event| match event {
                        Event::RecordPut { version, .. } => Some(*version),
                        _ => None,
                    });
                    let version = found.ok_or_else(|| unmade("put_record"))?;
                    self.record(setting, &at, source, time, version, &operation.body)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn namespace(
        &mut self,
        setting: Setting<'_>,
        at: &[Cell],
        source: &Address,
        operation: &OperationBody,
    ) -> Result<()> {
        let (id, name, owner, writers, shared) = match operation {
            OperationBody::CreateNamespace { name, writers, shared } => {
                (NamespaceId::derived(setting.suite, name), text_cell(name), source, writers, shared)
            }
            OperationBody::SetNamespace { namespace, owner, writers, shared } => {
                (*namespace, Cell::Null, owner, writers, shared)
            }
            _ => return Ok(()),
        };
        let row = self.namespace_row(setting, at, (&id, name), owner, writers, *shared)?;
        self.push("namespaces_set", row);
        Ok(())
    }

    fn namespace_row(
        &mut self,
        setting: Setting<'_>,
        at: &[Cell],
        (id, name): (&NamespaceId, Cell),
        owner: &Address,
        writers: &Writers,
        shared: bool,
    ) -> Result<Row> {
        let cells = vec![
            hash(&id.0),
            name,
            Cell::Account(self.account(owner)),
            text_cell(&text(setting, writers)?),
            Cell::Number(i64::from(shared)),
        ];
        Ok([at, cells.as_slice()].concat())
    }

    /// A claim that was stated, or without a digest one that was withdrawn.
    fn claim(&mut self, at: &[Cell], (issuer, subject, kind): (&Address, &Address, &str), digest: Cell, expires: Cell) {
        let (subject, issuer) = (Cell::Account(self.account(subject)), Cell::Account(self.account(issuer)));
        let cells = [subject, issuer, text_cell(kind), digest, expires];
        self.push("claims_set", [at, cells.as_slice()].concat());
    }

    fn record(
        &mut self,
        setting: Setting<'_>,
        at: &[Cell],
        writer: &Address,
        time: i64,
        version: u32,
        operation: &OperationBody,
    ) -> Result<()> {
        let OperationBody::PutRecord { namespace, key, digest, content, parents, .. } = operation else {
            return Ok(());
        };
        let place = (namespace, key.as_str(), version);
        self.version(setting, at, place, (writer, time), (digest, content), parents)
    }

    /// One version of a record: where it stands, who wrote it and when, what it says, what it came from.
    fn version(
        &mut self,
        setting: Setting<'_>,
        at: &[Cell],
        (namespace, key, version): (&NamespaceId, &str, u32),
        (writer, time): (&Address, i64),
        (digest, content): (&Digest, &Content),
        parents: &[RecordReference],
    ) -> Result<()> {
        let (kind, size, plain, cipher) = match content {
            Content::None => ("none", 0, Cell::Null, Cell::Null),
            Content::Plain(bytes) => ("plain", bytes.len(), Cell::Bytes(bytes.clone()), Cell::Null),
            Content::Cipher { suite, bytes } => {
                ("cipher", bytes.len(), Cell::Null, text_cell(text(setting, suite)?.trim_matches('"')))
            }
        };
        let number = Cell::Number(i64::from(version));
        let cells = vec![
            hash(&namespace.0),
            text_cell(key),
            number.clone(),
            Cell::Account(self.account(writer)),
            Cell::Number(time),
            text_cell(text(setting, &digest.algorithm)?.trim_matches('"')),
            hash(&digest.bytes),
            text_cell(kind),
            Cell::Number(counted(size)?),
            plain,
            cipher,
        ];
        self.push("records", [at, cells.as_slice()].concat());
        for parent in parents {
            let row = vec![
                hash(&namespace.0),
                text_cell(key),
                number.clone(),
                hash(&parent.namespace.0),
                text_cell(&parent.key),
                Cell::Number(i64::from(parent.version)),
            ];
            self.push("record_parents", row);
        }
        Ok(())
    }
}

impl Movements {
    fn give(&mut self, asset: usize, account: usize, balance: i128, reserved: i128) -> Result<()> {
        let place = *self.places.entry((asset, account)).or_insert_with(|| {
            self.changes.push((asset, account, 0, 0));
            self.changes.len() - 1
        });
        let found = self.changes.get_mut(place).ok_or_else(too_large)?;
        found.2 = found.2.checked_add(balance).ok_or_else(too_large)?;
        found.3 = found.3.checked_add(reserved).ok_or_else(too_large)?;
        Ok(())
    }

    fn supply(&mut self, asset: usize, change: i128) -> Result<()> {
        let supply = self.supplies.entry(asset).or_default();
        *supply = supply.checked_add(change).ok_or_else(too_large)?;
        Ok(())
    }
}

/// An account of a genesis: address, signers, thresholds.
pub type GenesisAccount = (Address, Vec<Signer>, Thresholds);

/// The accounts that a genesis opens, ascending by address: those it lists, and those of its validators' keys.
///
/// # Errors
/// A value of the genesis has no encoding.
pub fn genesis_accounts(genesis: &Genesis) -> Result<Vec<GenesisAccount>> {
    if genesis.v1().predecessor.is_some() {
        // Its accounts are those of a state that is not here.
        return Err(ChainError::refused("era_unsupported", "the genesis continues another chain"));
    }
    let state = genesis_state(genesis).map_err(broken)?;
    let mut accounts = Vec::new();
    for (owner, key, value) in state.all_cells() {
        if owner.kind() == OwnerKey::ACCOUNT && key == key::HEADER {
            if let AccountHeader::V1 { signers, thresholds, .. } = decode(value)? {
                accounts.push((Address(Hash(owner.id())), signers, thresholds));
            }
        }
    }
    accounts.sort_unstable_by_key(|account| account.0);
    Ok(accounts)
}

/// What a list of operations shows of one.
#[derive(Default)]
struct Summary<'o> {
    other: Option<Address>,
    asset: Option<AssetId>,
    amount: Option<u128>,
    name: Option<&'o str>,
}

fn summary(operation: &OperationBody) -> Summary<'_> {
    let none = Summary::default();
    match operation {
        OperationBody::SetData { name, .. } | OperationBody::CreateNamespace { name, .. } => {
            Summary { name: Some(name), ..none }
        }
        OperationBody::SetClaim { subject, kind, .. } => Summary { other: Some(*subject), name: Some(kind), ..none },
        OperationBody::RevokeClaim { issuer, kind, .. } => Summary { other: Some(*issuer), name: Some(kind), ..none },
        OperationBody::CreateAsset { code, .. } => Summary { name: Some(code), ..none },
        OperationBody::Issue { asset, to, amount, .. } | OperationBody::Transfer { asset, to, amount } => {
            Summary { other: Some(*to), asset: Some(*asset), amount: Some(*amount), ..none }
        }
        OperationBody::Burn { asset, amount } => Summary { asset: Some(*asset), amount: Some(*amount), ..none },
        OperationBody::Clawback { asset, from, amount, .. } => {
            Summary { other: Some(*from), asset: Some(*asset), amount: Some(*amount), ..none }
        }
        OperationBody::FreezeAsset { asset, .. } => Summary { asset: Some(*asset), ..none },
        OperationBody::FreezeHolder { asset, holder, .. } | OperationBody::AuthoriseHolder { asset, holder, .. } => {
            Summary { other: Some(*holder), asset: Some(*asset), ..none }
        }
        OperationBody::IssueItem { asset, item, to, .. } | OperationBody::TransferItem { asset, item, to } => {
            Summary { other: Some(*to), asset: Some(*asset), name: Some(item), ..none }
        }
        OperationBody::BurnItem { asset, item } => Summary { asset: Some(*asset), name: Some(item), ..none },
        OperationBody::ClawbackItem { asset, item, to } => {
            Summary { other: *to, asset: Some(*asset), name: Some(item), ..none }
        }
        OperationBody::Reserve { asset, beneficiary, amount, .. } => {
            Summary { other: Some(*beneficiary), asset: Some(*asset), amount: Some(*amount), ..none }
        }
        OperationBody::Capture { holder, amount, .. } => {
            Summary { other: Some(*holder), amount: Some(*amount), ..none }
        }
        OperationBody::Release { holder, .. } => Summary { other: Some(*holder), ..none },
        OperationBody::SetNamespace { owner, .. } => Summary { other: Some(*owner), ..none },
        OperationBody::PutRecord { key, .. } => Summary { name: Some(key), ..none },
        OperationBody::AskMembership { organisation } => Summary { name: organisation.as_deref(), ..none },
        OperationBody::SetMember { account, .. } => Summary { other: Some(*account), ..none },
        _ => none,
    }
}

/// Signers and thresholds of a new account as JSON. A key's own account may leave them out.
fn header(
    setting: Setting<'_>,
    target: &AccountTarget,
    signers: &[Signer],
    thresholds: Option<&Thresholds>,
) -> Result<[Cell; 2]> {
    let standard = Thresholds { default: 1, operations: BTreeMap::new() };
    let thresholds = text(setting, thresholds.unwrap_or(&standard))?;
    let signers = match target {
        AccountTarget::Key(key) if signers.is_empty() => {
            text(setting, &[Signer { key: *key, weight: 1, limits: None }])?
        }
        _ => text(setting, signers)?,
    };
    Ok([Cell::Text(signers), Cell::Text(thresholds)])
}

fn transactions(bulk: &[u8]) -> Result<Vec<&[u8]>> {
    Ok(split_bulk(bulk)?.into_iter().map(|range| bulk.get(range).unwrap_or_default()).collect())
}

fn text<T: Serialize + ?Sized>(setting: Setting<'_>, value: &T) -> Result<String> {
    String::from_utf8(to_json(setting.prefix, &value)?).map_err(|error| wrong(&error.to_string()))
}

fn text_cell(value: &str) -> Cell {
    Cell::Text(value.to_owned())
}

fn hash(value: &Hash) -> Cell {
    Cell::Bytes(value.0.to_vec())
}

fn wrong(detail: &str) -> ChainError {
    ChainError::refused("not_canonical", detail)
}

fn unmade(operation: &str) -> ChainError {
    wrong(&format!("the events of a transaction do not tell what its {operation} made"))
}

fn too_large() -> ChainError {
    wrong("amounts of a block exceed what an amount can be")
}

fn change(amount: u128) -> Result<i128> {
    i128::try_from(amount).map_err(|_| too_large())
}

fn signed(number: u64) -> Result<i64> {
    i64::try_from(number).map_err(|_| wrong("a number beyond 2^63"))
}

fn counted(number: usize) -> Result<i64> {
    i64::try_from(number).map_err(|_| wrong("a number beyond 2^63"))
}
