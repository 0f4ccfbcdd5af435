//! Identifiers: chain, address, asset, namespace, hold. Each is a hash, so that its length never depends on what a user typed.

use crate::{decode::at_most, domain, limits, text, transaction::ReplayKey, DecodeError};
use bubi_crypto::{Hash, HashSuite, PublicKey};
use serde::{de::Error, Deserialize, Deserializer, Serialize, Serializer};

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
/// An account. Fixed at creation; key rotation keeps it. Shown as Bech32m (see `spec/encoding.md`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Address(pub Hash);

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
identifier! {
    /// A proposal of changes, derived from the transaction or the evidence that opened it.
    ProposalId
}

/// Version byte in front of the hash in the text of an address.
const ADDRESS_VERSION: u8 = 0;

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.serialize_str(&self.to_text(text::prefix()))
        } else {
            self.0.serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            Self::from_text(text::prefix(), &String::deserialize(deserializer)?).map_err(D::Error::custom)
        } else {
            Hash::deserialize(deserializer).map(Self)
        }
    }
}

impl Address {
    /// The 32 bytes.
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0 .0
    }

    /// Bech32m text with the prefix of a network (BIP-350).
    pub fn to_text(&self, prefix: &str) -> String {
        let mut data = [ADDRESS_VERSION; 33];
        data[1..].copy_from_slice(self.bytes());
        // Prefixes are constants of `NetworkKind`, and 33 bytes are short enough, so neither step can fail.
        bech32::Hrp::parse(prefix)
            .ok()
            .and_then(|prefix| bech32::encode::<bech32::Bech32m>(prefix, &data).ok())
            .unwrap_or_default()
    }

    /// Reads the text of an address of the network that uses `prefix`.
    ///
    /// # Errors
    /// `malformed`: another network, a typing mistake, upper case, or not an address.
    pub fn from_text(prefix: &str, text: &str) -> Result<Self, DecodeError> {
        let wrong = |reason: &str| DecodeError::invalid("address", reason);
        if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err(wrong("write it in lower case"));
        }
        let checked = bech32::primitives::decode::CheckedHrpstring::new::<bech32::Bech32m>(text)
            .map_err(|_| wrong("the check symbols do not fit; it was mistyped or cut"))?;
        if checked.hrp().as_str() != prefix {
            return Err(wrong(&format!("it belongs to another network; here addresses begin with {prefix}1")));
        }
        let bytes: Vec<u8> = checked.byte_iter().collect();
        match bytes.split_first() {
            Some((&ADDRESS_VERSION, hash)) => {
                let hash: [u8; 32] = hash.try_into().map_err(|_| wrong("it must hold 32 bytes"))?;
                let address = Self(Hash(hash));
                if address.to_text(prefix) == text {
                    Ok(address)
                } else {
                    Err(wrong("its padding bits are not zero"))
                }
            }
            _ => Err(wrong("its version is unknown")),
        }
    }

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

impl ProposalId {
    /// The proposal that operation `index` of a transaction opens.
    pub fn derived(suite: HashSuite, chain: &ChainId, source: &Address, replay: &ReplayKey, index: u32) -> Self {
        Self(from_transaction(suite, domain::GOVERNANCE, chain, source, replay, index))
    }

    /// The proposal that evidence with this key opens.
    pub fn of_evidence(suite: HashSuite, chain: &ChainId, evidence: &Hash) -> Self {
        Self(suite.hash(&[domain::GOVERNANCE, chain.bytes(), &evidence.0]))
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
    let allowed = |c: char| {
        c.is_ascii_lowercase() || c.is_ascii_digit() || c == '.' || c == '-' || (upper && c.is_ascii_uppercase())
    };
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
