//! Hash suites and the 32-byte digest they produce.

use core::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use sm3::Sm3;

/// A 32-byte digest. Its serialised form is the 32 raw bytes, without a length.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Hash(#[serde(with = "crate::bytes::tuple")] pub [u8; 32]);

impl Hash {
    /// Thirty-two zero bytes: "no digest" in places where the format demands one.
    pub const ZERO: Self = Self([0; 32]);

    /// The raw bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl AsRef<[u8]> for Hash {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl From<[u8; 32]> for Hash {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        crate::bytes::write_hex(formatter, &self.0)
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Hash({self})")
    }
}

/// The hash function of a chain, fixed by its genesis. The discriminant is the byte on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum HashSuite {
    /// SHA-256 (FIPS 180-4).
    Standard = 0,
    /// SM3 (GB/T 32905-2016).
    National = 1,
}

/// A byte that names no known suite or algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown {kind} {value}")]
pub struct UnknownCode {
    /// What the byte was meant to name.
    pub kind: &'static str,
    /// The byte.
    pub value: u8,
}

impl TryFrom<u8> for HashSuite {
    type Error = UnknownCode;

    fn try_from(value: u8) -> Result<Self, UnknownCode> {
        match value {
            0 => Ok(Self::Standard),
            1 => Ok(Self::National),
            _ => Err(UnknownCode { kind: "hash suite", value }),
        }
    }
}

impl HashSuite {
    /// Digest of the concatenation of `parts`, without building it.
    pub fn hash(self, parts: &[&[u8]]) -> Hash {
        match self {
            Self::Standard => digest_parts::<Sha256>(parts),
            Self::National => digest_parts::<Sm3>(parts),
        }
    }
}

fn digest_parts<D>(parts: &[&[u8]]) -> Hash
where
    D: Digest,
    [u8; 32]: From<sha2::digest::Output<D>>,
{
    let mut digest = D::new();
    for part in parts {
        digest.update(part);
    }
    Hash(digest.finalize().into())
}
