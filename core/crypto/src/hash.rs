//! Hash suites and the 32-byte digest they produce.

use core::fmt;

use serde::{Deserialize, Serialize};
use sha2::{block_api::compress256, Digest, Sha256};
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
            Self::Standard => short_sha256(parts).unwrap_or_else(|| digest_parts::<Sha256>(parts)),
            Self::National => digest_parts::<Sm3>(parts),
        }
    }
}

/// Blocks of the longest input that [`short_sha256`] takes.
const SHORT_BLOCKS: usize = 8;

/// First state of SHA-256 (FIPS 180-4, 5.3.3).
const SHA256_START: [u32; 8] =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

/// SHA-256 of an input of few blocks: padded here and compressed in one call. A ledger hashes millions of short inputs, for which
/// keeping a buffer between calls costs a quarter of the time. `None` if it is longer.
fn short_sha256(parts: &[&[u8]]) -> Option<Hash> {
    let mut blocks = [[0_u8; 64]; SHORT_BLOCKS];
    let bytes = blocks.as_flattened_mut();
    let mut length = 0;
    for part in parts {
        bytes.get_mut(length..length + part.len())?.copy_from_slice(part);
        length += part.len();
    }
    *bytes.get_mut(length)? = 0x80;
    // The padding ends with the length in bits, at the end of a block.
    let end = (length + 9).next_multiple_of(64);
    bytes.get_mut(end - 8..end)?.copy_from_slice(&(8 * length as u64).to_be_bytes());
    let mut state = SHA256_START;
    compress256(&mut state, blocks.get(..end / 64)?);
    let mut digest = [0; 32];
    for (bytes, word) in digest.as_chunks_mut::<4>().0.iter_mut().zip(state) {
        *bytes = word.to_be_bytes();
    }
    Some(Hash(digest))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_inputs_have_the_digest_of_the_general_code() {
        let bytes: Vec<u8> = (0..=250_u8).cycle().take(700).collect();
        for length in 0..bytes.len() {
            let whole = &bytes[..length];
            let expected = digest_parts::<Sha256>(&[whole]);
            let (one, other) = whole.split_at(length / 3);
            assert_eq!(HashSuite::Standard.hash(&[one, &[], other]), expected, "length {length}");
            assert_eq!(short_sha256(&[whole]).is_some(), length + 9 <= SHORT_BLOCKS * 64);
        }
    }
}
