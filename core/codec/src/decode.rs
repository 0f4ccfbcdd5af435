//! Strict decoding: one byte string per value.

use crate::limits;
use serde::{de::DeserializeOwned, Serialize};

/// Why bytes or a value were refused. `code` is stable and part of the API.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Not the canonical encoding of the type: truncated, trailing, over-long, unsorted or not UTF-8.
    #[error("not a canonical encoding: {0}")]
    NotCanonical(String),
    /// More bytes than the limits table allows.
    #[error("{what} has {actual} bytes or entries, the limit is {limit}")]
    TooLarge {
        /// What was too large.
        what: &'static str,
        /// What was found.
        actual: usize,
        /// Entry of the limits table.
        limit: usize,
    },
    /// A field holds a value that can never be valid.
    #[error("{what}: {reason}")]
    Invalid {
        /// Name of the field.
        what: &'static str,
        /// What is wrong and what would be right.
        reason: String,
    },
}

impl DecodeError {
    /// Stable code of the refusal.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotCanonical(_) => "not_canonical",
            Self::TooLarge { .. } => "too_large",
            Self::Invalid { .. } => "malformed",
        }
    }

    pub(crate) fn invalid(what: &'static str, reason: impl Into<String>) -> Self {
        Self::Invalid { what, reason: reason.into() }
    }
}

/// A value with limits that bytes alone do not show.
pub trait Wire: Serialize + DeserializeOwned {
    /// Largest encoded size, in bytes.
    const BYTES_MAX: usize;

    /// Checks everything that is decided by the value alone.
    fn check(&self) -> Result<(), DecodeError>;
}

/// Decodes exactly one value and checks its limits.
///
/// # Errors
/// [`DecodeError`] for any byte string that [`encode`] does not produce.
pub fn decode<T: Wire>(bytes: &[u8]) -> Result<T, DecodeError> {
    at_most(T::BYTES_MAX, "encoded value", bytes.len())?;
    let value: T = bcs::from_bytes_with_limit(bytes, limits::DEPTH_MAX)
        .map_err(|error| DecodeError::NotCanonical(error.to_string()))?;
    value.check()?;
    Ok(value)
}

/// Encodes a value of a [`Wire`] type.
///
/// # Errors
/// The value breaks its own limits.
pub fn encode<T: Wire>(value: &T) -> Result<Vec<u8>, DecodeError> {
    value.check()?;
    let bytes = bcs::to_bytes(value).map_err(|error| DecodeError::NotCanonical(error.to_string()))?;
    at_most(T::BYTES_MAX, "encoded value", bytes.len())?;
    Ok(bytes)
}

pub(crate) fn at_most(limit: usize, what: &'static str, actual: usize) -> Result<(), DecodeError> {
    if actual > limit {
        return Err(DecodeError::TooLarge { what, actual, limit });
    }
    Ok(())
}
