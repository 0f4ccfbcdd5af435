//! Names and limits of cells, and the errors of writing them.

use serde::{Deserialize, Serialize};

/// Longest cell key in bytes; the shortest has one byte.
pub const MAX_KEY_BYTES: usize = 128;

/// Longest cell value in bytes.
pub const MAX_VALUE_BYTES: usize = 64 * 1024;

/// Length of an [`OwnerKey`] in bytes.
pub const OWNER_KEY_BYTES: usize = 33;

/// Name of an owner of cells: one byte of kind (0 system, 1 account, 2 asset, 3 namespace, 4 record, …)
/// and 32 bytes of identity. One owner is one leaf of the upper trie.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OwnerKey([u8; OWNER_KEY_BYTES]);

impl OwnerKey {
    /// Kind of the ledger's own cells.
    pub const SYSTEM: u8 = 0;
    /// Kind of accounts.
    pub const ACCOUNT: u8 = 1;
    /// Kind of assets.
    pub const ASSET: u8 = 2;
    /// Kind of record namespaces.
    pub const NAMESPACE: u8 = 3;
    /// Kind of records.
    pub const RECORD: u8 = 4;

    /// The owner of `kind` with identity `id`.
    pub fn new(kind: u8, id: [u8; 32]) -> Self {
        let mut bytes = [0; OWNER_KEY_BYTES];
        bytes[0] = kind;
        bytes[1..].copy_from_slice(&id);
        Self(bytes)
    }

    /// Reads an owner key from its 33 bytes; `None` for any other length.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// The 33 bytes: kind, then identity.
    pub fn as_bytes(&self) -> &[u8; OWNER_KEY_BYTES] {
        &self.0
    }

    /// The kind byte.
    pub fn kind(&self) -> u8 {
        self.0[0]
    }

    /// The 32 bytes of identity.
    pub fn id(&self) -> [u8; 32] {
        let mut id = [0; 32];
        id.copy_from_slice(&self.0[1..]);
        id
    }
}

impl std::fmt::Debug for OwnerKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}:", self.kind())?;
        self.0[1..].iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl Serialize for OwnerKey {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (self.kind(), self.id()).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for OwnerKey {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (kind, id) = Deserialize::deserialize(deserializer)?;
        Ok(Self::new(kind, id))
    }
}

/// Why a cell cannot be written or a state cannot be built or changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    /// The cell key is empty or longer than [`MAX_KEY_BYTES`].
    #[error("a cell key has 1 to {MAX_KEY_BYTES} bytes, this one has {0}")]
    KeyLength(usize),
    /// The value is longer than [`MAX_VALUE_BYTES`].
    #[error("a cell value has at most {MAX_VALUE_BYTES} bytes, this one has {0}")]
    ValueLength(usize),
    /// The same cell, or the same owner in two groups, was given twice while building a state.
    #[error("owner {0:?} has a cell twice, unsorted cells or two groups of cells")]
    NotGrouped(OwnerKey),
    /// The overlay was finished on a state with another root.
    #[error("the overlay stands on another state")]
    WrongParent,
    /// The overlay uses another hash suite than the state.
    #[error("the overlay was made with another hash suite")]
    WrongSuite,
}

/// Checks the length of a cell key.
pub(crate) fn check_key(key: &[u8]) -> Result<(), TreeError> {
    if key.is_empty() || key.len() > MAX_KEY_BYTES {
        return Err(TreeError::KeyLength(key.len()));
    }
    Ok(())
}

/// Checks the lengths of a cell's key and value.
pub(crate) fn check_cell(key: &[u8], value: &[u8]) -> Result<(), TreeError> {
    check_key(key)?;
    if value.len() > MAX_VALUE_BYTES {
        return Err(TreeError::ValueLength(value.len()));
    }
    Ok(())
}
