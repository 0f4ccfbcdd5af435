//! Identifiers: chain, address, asset, namespace, hold. Each is a hash, so that its length never depends on what a user typed.

use crate::{decode::at_most, domain, limits, transaction::ReplayKey, DecodeError};
use bubi_crypto::{Hash, HashSuite, PublicKey};
use serde::{Deserialize, Serialize};

macro_rules! identifier {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        pub struct $name(pub Hash);

        impl $name {
            /// The 32 bytes.
            pub fn bytes(&self) -> &[u8; 32] {
                &self.0 .0
            }
        }
    };
}

identifier! {
    /// Hash of the genesis. It stands in everything signed.
    ChainId
}
identifier! {
    /// An account. Fixed at creation; key rotation keeps it. Shown as Bech32m (see `spec/encoding.md`).
    Address
}
identifier! {
    /// An asset, derived from its issuer and its code.
    AssetId
}
identifier! {
    /// A record namespace, derived from its name.
    NamespaceId
}
identifier! {
    /// A two-phase hold, derived from the transaction that made it.
    HoldId
}

impl Address {
    /// The account that a key owns from the start. Needs no network.
    pub fn of_key(suite: HashSuite, key: &PublicKey) -> Self {
        Self(suite.hash(&[domain::KEY_ADDRESS, &key.tagged_bytes()]))
    }

    /// A further account, from its creator, the replay key of the creating transaction and the operation's index.
    pub fn derived(suite: HashSuite, chain: &ChainId, creator: &Address, replay: &ReplayKey, index: u32) -> Self {
        Self(from_transaction(suite, domain::DERIVED_ADDRESS, chain, creator, replay, index))
    }
}

impl HoldId {
    /// The hold that operation `index` of a transaction makes.
    pub fn derived(suite: HashSuite, chain: &ChainId, source: &Address, replay: &ReplayKey, index: u32) -> Self {
        Self(from_transaction(suite, domain::HOLD, chain, source, replay, index))
    }
}

impl AssetId {
    /// The asset that `issuer` calls `code`.
    pub fn derived(suite: HashSuite, issuer: &Address, code: &str) -> Self {
        Self(suite.hash(&[domain::ASSET, issuer.bytes(), code.as_bytes()]))
    }
}

impl NamespaceId {
    /// The namespace with this name.
    pub fn derived(suite: HashSuite, name: &str) -> Self {
        Self(suite.hash(&[domain::NAMESPACE, name.as_bytes()]))
    }
}

fn from_transaction(
    suite: HashSuite,
    tag: &domain::Domain,
    chain: &ChainId,
    source: &Address,
    replay: &ReplayKey,
    index: u32,
) -> Hash {
    suite.hash(&[tag, chain.bytes(), source.bytes(), &replay.fixed_bytes(), &index.to_le_bytes()])
}

/// Checks a name made of lower-case letters, digits, dots and hyphens (`upper` also allows capitals), not empty.
pub(crate) fn check_name(what: &'static str, name: &str, limit: usize, upper: bool) -> Result<(), DecodeError> {
    at_most(limit, what, name.len())?;
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '.' || c == '-' || (upper && c.is_ascii_uppercase());
    if name.is_empty() || !name.chars().all(allowed) {
        return Err(DecodeError::invalid(what, "use letters, digits, dots and hyphens; it must not be empty"));
    }
    Ok(())
}

/// Checks free text: not empty, within its limit, without control characters.
pub(crate) fn check_text(what: &'static str, text: &str, limit: usize) -> Result<(), DecodeError> {
    at_most(limit, what, text.len())?;
    if text.is_empty() || text.chars().any(char::is_control) {
        return Err(DecodeError::invalid(what, "it must not be empty and must not hold control characters"));
    }
    Ok(())
}

/// Checks an amount that must move something.
pub(crate) fn check_amount(what: &'static str, amount: u128) -> Result<(), DecodeError> {
    if amount == 0 || amount > limits::AMOUNT_MAX {
        return Err(DecodeError::invalid(what, "it must lie between 1 and 10^38 - 1"));
    }
    Ok(())
}
