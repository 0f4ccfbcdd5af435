//! Refusals and failures of the chain, each with a stable code.

use bubi_codec::DecodeError;
use bubi_store::StoreError;

/// Why a call was refused or failed.
#[derive(Debug, thiserror::Error)]
pub enum ChainError {
    /// Bytes or JSON that are not a value.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// JSON that is not the form of a value.
    #[error("not the JSON form: {0}")]
    Json(#[from] serde_json::Error),
    /// The store failed; its kind decides whether the process may go on.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A request that the chain refuses.
    #[error("{detail}")]
    Refused {
        /// Stable code.
        code: &'static str,
        /// What is wrong, with the cure.
        detail: String,
    },
    /// Something that must never be: the node stops and keeps its files.
    #[error("invariant broken: {0}")]
    Broken(String),
}

impl ChainError {
    /// A refusal.
    pub fn refused(code: &'static str, detail: impl Into<String>) -> Self {
        Self::Refused { code, detail: detail.into() }
    }

    /// Stable code of the refusal.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Decode(error) => error.code(),
            Self::Json(_) => "malformed_json",
            Self::Store(_) => "storage",
            Self::Refused { code, .. } => code,
            Self::Broken(_) => "invariant_broken",
        }
    }
}

/// Result of a call.
pub type Result<T> = std::result::Result<T, ChainError>;
