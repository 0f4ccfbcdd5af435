//! What clients read: cells, accounts, assets, records as JSON, each with an optional proof.

use crate::{
    chain::{broken, Chain, Inner},
    error::{ChainError, Result},
};
use bubi_codec::{
    decode,
    identity::{Address, AssetId, NamespaceId},
    state::{
        key, AccountHeader, AssetDefinition, Claim, DataEntry, Hold, Holding, Item, Membership, Namespace, OwnerKind,
        RecordHead, RecordVersion,
    },
    text::to_json_value,
    Wire,
};
use bubi_crypto::{from_hex, to_hex, Hash};
use bubi_ledger::{
    lapsed, spendable, standing,
    tree::{OwnerKey, View},
    QuotaUse, Standing,
};
use bubi_store::Disk;
use serde_json::{json, Value};

/// Owner key of an account, asset or namespace.
pub(crate) fn owner(kind: OwnerKind, id: &[u8; 32]) -> OwnerKey {
    OwnerKey::new(kind as u8, *id)
}

fn hash_from_hex(what: &'static str, text: &str) -> Result<Hash> {
    let bytes = from_hex(text).and_then(|bytes| bytes.try_into().ok());
    bytes
        .map(Hash)
        .ok_or_else(|| ChainError::refused("id_invalid", format!("{what}: expected 64 lower-case hex digits")))
}

/// What is used of the quotas of an account until the window ends; nothing if it has none.
fn quota_json(standing: &Standing) -> Value {
    let quota = |one: QuotaUse| json!({ "used": one.used.to_string(), "limit": one.limit.to_string() });
    if standing.own.is_none() && standing.shared.is_none() {
        return Value::Null;
    }
    json!({
        "until": standing.until.to_string(),
        "account": standing.own.map(quota),
        "organisation": standing.shared.map(quota),
    })
}

/// Adds what of a holding has lapsed at `time` and what of its balance can still be spent: its cell changes only when the
/// ledger retires a lot, which may be long after.
pub(crate) fn mark_holding(object: &mut Value, bytes: &[u8], time: u64) -> Result<()> {
    let Holding::V1(holding) = decode(bytes)?;
    object["lapsed"] = json!(lapsed(&holding.lots, time).to_string());
    object["spendable"] = json!(spendable(&holding, time).to_string());
    Ok(())
}

/// The same of a hold: whether it has expired, which of its lots have lapsed, what its beneficiary can still capture.
pub(crate) fn mark_hold(object: &mut Value, bytes: &[u8], time: u64) -> Result<()> {
    let Hold::V1 { amount, expires, lots, .. } = decode(bytes)?;
    let lapsed = lapsed(&lots, time);
    let expired = expires <= time;
    object["expired"] = json!(expired);
    object["lapsed"] = json!(lapsed.to_string());
    object["spendable"] = json!(if expired { 0 } else { amount.saturating_sub(lapsed) }.to_string());
    Ok(())
}

impl<D: Disk> Chain<D> {
    /// Reads an address of this network.
    ///
    /// # Errors
    /// `malformed`.
    pub fn address(&self, text: &str) -> Result<Address> {
        Address::from_text(self.prefix(), text)
            .map_err(|error| ChainError::refused("address_invalid", error.to_string()))
    }

    /// One cell at a height inside the proof window (none: the newest).
    ///
    /// # Errors
    /// `height_pruned` naming the heights that can be read, `malformed` for a wrong owner.
    pub fn cell_json(&self, owner: &[u8], key: &[u8], height: Option<u64>, proof: bool) -> Result<Value> {
        let owner = OwnerKey::from_bytes(owner).ok_or_else(|| {
            ChainError::refused("malformed", "an owner is 33 bytes: kind 0 to 3, then 32 bytes of identifier")
        })?;
        let inner = self.read();
        let height = height.unwrap_or(inner.tip.height);
        let view = inner.window.view(&inner.state, height).map_err(|error| ChainError::Broken(error.to_string()))?;
        let view = view.ok_or_else(|| {
            let (from, to) = (inner.window.oldest(), inner.window.newest());
            ChainError::refused(
                "height_pruned",
                format!("cells can be read at heights {from} to {to}; labelled snapshots: none"),
            )
        })?;
        let mut object = json!({ "height": height.to_string(), "value": view.get(&owner, key).map(to_hex) });
        if proof {
            object["proof"] = self.cell_proof(&view, height, &owner, key)?;
        }
        Ok(object)
    }

    /// Proof of one cell: the path in the account tree and the finality of the height whose root it leads to.
    fn cell_proof(&self, view: &View<'_>, height: u64, owner: &OwnerKey, key: &[u8]) -> Result<Value> {
        let path = view.prove(owner, key).map_err(|error| ChainError::Broken(error.to_string()))?;
        let path = path.to_bytes().map_err(|error| ChainError::Broken(error.to_string()))?;
        Ok(json!({ "cell": to_hex(&path), "finality": self.finality_hex(height)? }))
    }

    /// One typed cell of the newest state as JSON; none if it is not there.
    fn typed<T: Wire>(&self, inner: &Inner, owner: &OwnerKey, key: &[u8], proof: bool) -> Result<Option<Value>> {
        let view = inner.view()?;
        let Some(bytes) = view.get(owner, key) else { return Ok(None) };
        let mut object = json!({ "height": inner.tip.height.to_string(), "value": self.value_json::<T>(bytes)? });
        if proof {
            object["proof"] = self.cell_proof(&view, inner.tip.height, owner, key)?;
        }
        Ok(Some(object))
    }

    pub(crate) fn value_json<T: Wire>(&self, bytes: &[u8]) -> Result<Value> {
        let value: T = decode(bytes)?;
        Ok(to_json_value(self.prefix(), &value)?)
    }

    /// An account with everything in it, and the proof that nothing is left out.
    ///
    /// # Errors
    /// `address_invalid`; `too_large` for an account with more cells than one answer may hold.
    pub fn account_json(&self, address: &str, proof: bool) -> Result<Option<Value>> {
        let account = self.address(address)?;
        let owner = owner(OwnerKind::Account, account.bytes());
        let inner = self.read();
        let view = inner.view()?;
        let Some(header) = view.get(&owner, key::HEADER) else { return Ok(None) };
        let membership = view.get(&owner, key::MEMBERSHIP).map(|bytes| self.value_json::<Membership>(bytes));
        let standing = standing(&view, &self.context(&inner, inner.tip.time)?, &account).map_err(broken)?;
        let mut object = json!({
            "height": inner.tip.height.to_string(),
            "address": address,
            "header": self.value_json::<AccountHeader>(header)?,
            "membership": membership.transpose()?,
            "organisation": standing.organisation,
            "quota": quota_json(&standing),
        });
        if proof {
            let evidence = view.prove_account(&owner).ok_or_else(|| {
                ChainError::refused(
                    "too_large",
                    "this account has too many cells for one proof; prove its cells one by one",
                )
            })?;
            let evidence = evidence.to_bytes().map_err(|error| ChainError::Broken(error.to_string()))?;
            object["proof"] = json!({ "account": to_hex(&evidence), "finality": self.finality_hex(inner.tip.height)? });
        }
        Ok(Some(object))
    }

    /// What an account holds of a fungible or dated asset, and what of it has lapsed at the time of the newest block or at
    /// `now` (ms), whichever is later.
    ///
    /// # Errors
    /// `address_invalid` or asset.
    pub fn balance_json(&self, address: &str, asset: &str, now: u64, proof: bool) -> Result<Option<Value>> {
        let account = self.address(address)?;
        let key = key::holding(&AssetId(hash_from_hex("asset", asset)?));
        let owner = owner(OwnerKind::Account, account.bytes());
        let inner = self.read();
        let Some(mut object) = self.typed::<Holding>(&inner, &owner, &key, proof)? else { return Ok(None) };
        if let Some(bytes) = inner.view()?.get(&owner, &key) {
            mark_holding(&mut object, bytes, inner.tip.time.max(now))?;
        }
        Ok(Some(object))
    }

    /// A data entry of an account.
    ///
    /// # Errors
    /// `address_invalid`.
    pub fn data_json(&self, address: &str, name: &str, proof: bool) -> Result<Option<Value>> {
        let account = self.address(address)?;
        let owner = owner(OwnerKind::Account, account.bytes());
        self.typed::<DataEntry>(&self.read(), &owner, &key::data(name), proof)
    }

    /// Definition and supply of an asset.
    ///
    /// # Errors
    /// `id_invalid`.
    pub fn asset_json(&self, asset: &str, proof: bool) -> Result<Option<Value>> {
        let id = hash_from_hex("asset", asset)?;
        self.typed::<AssetDefinition>(&self.read(), &owner(OwnerKind::Asset, &id.0), key::HEADER, proof)
    }

    /// An item of a unique asset.
    ///
    /// # Errors
    /// `id_invalid`.
    pub fn item_json(&self, asset: &str, item: &str, proof: bool) -> Result<Option<Value>> {
        let id = hash_from_hex("asset", asset)?;
        self.typed::<Item>(&self.read(), &owner(OwnerKind::Asset, &id.0), &key::item(item), proof)
    }

    /// A namespace.
    ///
    /// # Errors
    /// `id_invalid`.
    pub fn namespace_json(&self, namespace: &str, proof: bool) -> Result<Option<Value>> {
        let id = self.namespace_id(namespace)?;
        self.typed::<Namespace>(&self.read(), &owner(OwnerKind::Namespace, id.bytes()), key::HEADER, proof)
    }

    /// A namespace by identifier (64 hex digits) or by name.
    pub(crate) fn namespace_id(&self, text: &str) -> Result<NamespaceId> {
        match from_hex(text).and_then(|bytes| bytes.try_into().ok()) {
            Some(bytes) => Ok(NamespaceId(Hash(bytes))),
            None if text.is_empty() => Err(ChainError::refused("id_invalid", "namespace: it must not be empty")),
            None => Ok(NamespaceId::derived(self.suite(), text)),
        }
    }

    /// A version of a record (none: the newest).
    ///
    /// # Errors
    /// `id_invalid`.
    pub fn record_json(
        &self,
        namespace: &str,
        record: &str,
        version: Option<u32>,
        proof: bool,
    ) -> Result<Option<Value>> {
        let owner = owner(OwnerKind::Namespace, self.namespace_id(namespace)?.bytes());
        let inner = self.read();
        let Some(head) = inner.view()?.get(&owner, &key::record_head(record)).map(decode::<RecordHead>).transpose()?
        else {
            return Ok(None);
        };
        let RecordHead::V1 { version: newest, author } = head;
        let version = version.unwrap_or(newest);
        let cell = key::record_version(record, version);
        let Some(mut object) = self.typed::<RecordVersion>(&inner, &owner, &cell, proof)? else { return Ok(None) };
        object["key"] = json!(record);
        object["version"] = json!(version);
        object["newest"] = json!(newest);
        object["author"] = json!(author.to_text(self.prefix()));
        Ok(Some(object))
    }

    /// Parameters in force.
    ///
    /// # Errors
    /// The state is broken.
    pub fn parameters_json(&self) -> Result<Value> {
        Ok(to_json_value(self.prefix(), &self.read().settings.parameters)?)
    }

    /// A cell value as JSON by what its key says, for lists.
    pub(crate) fn list_value(&self, kind: &str, bytes: &[u8]) -> Result<Value> {
        match kind {
            "accounts" => self.value_json::<AccountHeader>(bytes),
            "balances" | "holders" => self.value_json::<Holding>(bytes),
            "data" => self.value_json::<DataEntry>(bytes),
            "claims" => self.value_json::<Claim>(bytes),
            "holds" => self.value_json::<Hold>(bytes),
            "assets" => self.value_json::<AssetDefinition>(bytes),
            "items_of" => self.value_json::<Item>(bytes),
            "namespaces" => self.value_json::<Namespace>(bytes),
            "records" => self.value_json::<RecordHead>(bytes),
            "versions" => self.value_json::<RecordVersion>(bytes),
            _ => Ok(Value::String(to_hex(bytes))),
        }
    }
}
