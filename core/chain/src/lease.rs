//! Lists: a lease on a snapshot of the state store, so that every page of a list shows the same height.

use crate::{
    chain::Chain,
    error::{ChainError, Result},
    index,
    query::{mark_hold, mark_holding, owner},
};
use bubi_codec::{
    identity::AssetId,
    state::{key, OwnerKind},
};
use bubi_crypto::{from_hex, to_hex, Hash};
use bubi_ledger::tree::OwnerKey;
use bubi_store::{Disk, Entry, Keyspace, Snapshot};
use serde_json::{json, Value};
use std::sync::Arc;

/// A view of one height for listing. Dropping it frees the snapshot.
pub struct Lease<D: Disk> {
    chain: Arc<Chain<D>>,
    snapshot: Snapshot<D>,
}

/// What to list and how to read an entry of it.
struct Listing {
    kind: &'static str,
    space: Keyspace,
    prefix: Vec<u8>,
}

impl<D: Disk> Lease<D> {
    pub(crate) fn new(chain: Arc<Chain<D>>, snapshot: Snapshot<D>) -> Self {
        Self { chain, snapshot }
    }

    /// Height that every page shows.
    pub fn height(&self) -> u64 {
        self.snapshot.height()
    }

    /// One page: entries, and the position to continue behind (empty: no more). What has lapsed is judged at the time of
    /// the newest block or at `now` (ms), whichever is later.
    ///
    /// # Errors
    /// `malformed` kind or scope; damage of the store.
    pub fn page(&self, kind: &str, scope: &str, after: &[u8], limit: usize, now: u64) -> Result<(Vec<Value>, Vec<u8>)> {
        let time = self.chain.tip().time.max(now);
        let listing = self.listing(kind, scope)?;
        let after = (!after.is_empty()).then(|| [listing.prefix.as_slice(), after].concat());
        let mut entries =
            self.snapshot.page(listing.space, &listing.prefix, after.as_deref(), limit.saturating_add(1))?;
        let more = entries.len() > limit;
        entries.truncate(limit);
        let last = entries.last().filter(|_| more).map(|(key, _)| tail(key, &listing.prefix).to_vec());
        let items = entries.iter().map(|entry| self.item(&listing, entry, time)).collect::<Result<Vec<Value>>>()?;
        Ok((items, last.unwrap_or_default()))
    }

    fn listing(&self, kind: &str, scope: &str) -> Result<Listing> {
        let account = || Ok::<_, ChainError>(owner(OwnerKind::Account, self.chain.address(scope)?.bytes()));
        let cells = |kind, owner: &OwnerKey, first: &[u8]| Listing {
            kind,
            space: Keyspace::Cells,
            prefix: [owner.as_bytes().as_slice(), first].concat(),
        };
        let derived = |kind, parts: &[&[u8]]| Listing { kind, space: Keyspace::Derived, prefix: parts.concat() };
        Ok(match kind {
            "accounts" => derived("accounts", &[&[index::ACCOUNTS]]),
            "balances" => cells("balances", &account()?, &[key::HOLDING_PREFIX]),
            "items" => cells("items", &account()?, &[key::ITEM_HELD_PREFIX]),
            "data" => cells("data", &account()?, &[key::DATA_PREFIX]),
            "claims" => cells("claims", &account()?, &[key::CLAIM_PREFIX]),
            "holds" => cells("holds", &account()?, &[key::HOLD_PREFIX]),
            "assets" if scope.is_empty() => derived("assets", &[&[index::ASSETS]]),
            "assets" => derived("assets", &[&[index::ISSUED], self.chain.address(scope)?.bytes()]),
            "holders" => derived("holders", &[&[index::HOLDERS], &identifier(scope)?.0]),
            "items_of" => cells("items_of", &owner(OwnerKind::Asset, &identifier(scope)?.0), &[key::ITEM_PREFIX]),
            "namespaces" => derived("namespaces", &[&[index::NAMESPACES]]),
            "records" => {
                let namespace = self.chain.namespace_id(scope)?;
                cells("records", &owner(OwnerKind::Namespace, namespace.bytes()), &[key::RECORD_HEAD_PREFIX])
            }
            "versions" => {
                let (namespace, record) = scope.split_once('/').ok_or_else(|| malformed("give namespace/key"))?;
                let namespace = self.chain.namespace_id(namespace)?;
                let first = [&[key::RECORD_VERSION_PREFIX], record.as_bytes(), &[0]].concat();
                cells("versions", &owner(OwnerKind::Namespace, namespace.bytes()), &first)
            }
            "cells" => {
                let owner = from_hex(scope).and_then(|bytes| OwnerKey::from_bytes(&bytes));
                cells("cells", &owner.ok_or_else(|| malformed("an owner is 33 bytes in hex"))?, &[])
            }
            _ => return Err(malformed("there is no such list")),
        })
    }

    fn item(&self, listing: &Listing, (stored, bytes): &Entry, time: u64) -> Result<Value> {
        let chain = &self.chain;
        let rest = tail(stored, &listing.prefix);
        let value = || chain.list_value(listing.kind, bytes);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(match listing.kind {
            "accounts" => {
                json!({ "address": chain.text(rest)?, "header": self.header(listing, OwnerKind::Account, rest)? })
            }
            "assets" => json!({ "asset": to_hex(rest), "definition": self.header(listing, OwnerKind::Asset, rest)? }),
            "namespaces" => {
                json!({ "namespace": to_hex(rest), "definition": self.header(listing, OwnerKind::Namespace, rest)? })
            }
            "holders" => {
                let asset = AssetId(Hash(*array(tail(&listing.prefix, &[index::HOLDERS]))?));
                let cell = self.stored(OwnerKind::Account, rest, &key::holding(&asset))?;
                let holding = cell.as_deref().map(|bytes| chain.list_value(listing.kind, bytes)).transpose()?;
                let mut item = json!({ "holder": chain.text(rest)?, "holding": holding });
                if let Some(bytes) = cell {
                    mark_holding(&mut item, &bytes, time)?;
                }
                item
            }
            "balances" => {
                let mut item = json!({ "asset": to_hex(rest), "holding": value()? });
                mark_holding(&mut item, bytes, time)?;
                item
            }
            "items" => {
                let (asset, item) = rest.split_at_checked(32).unwrap_or_default();
                json!({ "asset": to_hex(asset), "item": text(item) })
            }
            "items_of" => json!({ "item": text(rest), "state": value()? }),
            "data" => json!({ "name": text(rest), "entry": value()? }),
            "claims" => {
                let (issuer, kind) = rest.split_at_checked(32).unwrap_or_default();
                json!({ "issuer": chain.text(issuer)?, "kind": text(kind), "claim": value()? })
            }
            "holds" => {
                let mut item = json!({ "hold": to_hex(rest), "state": value()? });
                mark_hold(&mut item, bytes, time)?;
                item
            }
            "records" => json!({ "key": text(rest), "head": value()? }),
            "versions" => {
                let version = rest.try_into().map(u32::from_be_bytes).unwrap_or_default();
                json!({ "version": version, "record": value()? })
            }
            _ => json!({ "key": to_hex(rest), "value": value()? }),
        })
    }

    fn header(&self, listing: &Listing, kind: OwnerKind, id: &[u8]) -> Result<Value> {
        let bytes = self.stored(kind, id, key::HEADER)?;
        bytes.map_or(Ok(Value::Null), |bytes| self.chain.list_value(listing.kind, &bytes))
    }

    /// A cell that a derived key points to, at the height of the lease.
    fn stored(&self, kind: OwnerKind, id: &[u8], cell: &[u8]) -> Result<Option<Vec<u8>>> {
        let stored = index::cell_key(&owner(kind, array(id)?), cell);
        Ok(self.snapshot.get(Keyspace::Cells, &stored)?)
    }
}

fn tail<'a>(key: &'a [u8], prefix: &[u8]) -> &'a [u8] {
    key.strip_prefix(prefix).unwrap_or_default()
}

fn array(bytes: &[u8]) -> Result<&[u8; 32]> {
    bytes.try_into().map_err(|_| ChainError::Broken("a derived key has a wrong length".to_owned()))
}

fn identifier(text: &str) -> Result<Hash> {
    let bytes = from_hex(text).and_then(|bytes| bytes.try_into().ok());
    bytes.map(Hash).ok_or_else(|| ChainError::refused("id_invalid", "an identifier is 64 lower-case hex digits"))
}

fn malformed(detail: &str) -> ChainError {
    ChainError::refused("malformed", detail)
}
