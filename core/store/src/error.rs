//! What can go wrong, in the terms of the person who has to act on it.

use std::io;

/// Result of every fallible operation of this crate.
pub type Result<T> = std::result::Result<T, StoreError>;

/// What is wrong with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DamageKind {
    /// The first bytes are not those of this kind of file, or their checksum fails.
    Header,
    /// A checksum fails or a length is impossible, and durable data follows.
    Content,
    /// The end of the file is incomplete: a write that was never acknowledged.
    TornTail,
    /// A file that must exist is not there.
    Missing,
    /// A sidecar or a table of contents does not match its file.
    Index,
    /// A file that nothing refers to, left by an interrupted operation.
    Orphan,
    /// The file is ahead of the log that it follows.
    AheadOfLog,
}

impl DamageKind {
    /// Short name used in messages and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Header => "damaged header",
            Self::Content => "damaged content",
            Self::TornTail => "torn tail",
            Self::Missing => "missing file",
            Self::Index => "damaged index",
            Self::Orphan => "orphaned file",
            Self::AheadOfLog => "ahead of the log",
        }
    }
}

/// What repairs a damage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cure {
    /// Opening the store repairs it; nothing acknowledged is lost.
    OnOpen,
    /// The file is derived: remove it and let the node rebuild it from the block log.
    RebuildFromLog,
    /// Only other nodes hold the missing data: restore the folder from peers.
    FromPeers,
    /// Others hold the same file: copy it again.
    CopyAgain,
    /// The other copy (the signer's record in the log) must be compared by the guard before voting resumes.
    CompareCopies,
}

impl Cure {
    /// The sentence shown to the operator.
    pub const fn text(self) -> &'static str {
        match self {
            Self::OnOpen => "repaired when the node starts",
            Self::RebuildFromLog => {
                "derived data: remove this file and start the node, which rebuilds it from the block log"
            }
            Self::FromPeers => {
                "cannot be repaired from this folder: restore the folder log from another node or a backup"
            }
            Self::CopyAgain => "cannot be repaired: copy this file again from the public folder of the network",
            Self::CompareCopies => "the signer's record is held in two places: compare them before voting resumes",
        }
    }
}

/// Every error of this crate. Cloneable, so that a poisoned store can repeat it.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum StoreError {
    /// The disk is full. Nothing is lost: free space and call again.
    #[error("{file}: no space left on the disk; free some space, writing resumes by itself")]
    NoSpace {
        /// File that could not grow.
        file: String,
    },
    /// The disk failed (EIO, failed fsync). What is on it is unknown: the process must stop and recover from the file.
    #[error("{file}: {operation} failed: {cause}; stop the node, check the disk, start again to recover")]
    Fatal {
        /// File concerned.
        file: String,
        /// What was attempted.
        operation: &'static str,
        /// The operating system's words.
        cause: String,
    },
    /// An earlier fatal error closed this store to every further write.
    #[error("{file}: closed to writing after an earlier failure of the disk ({cause}); stop the node and start again")]
    Poisoned {
        /// File concerned.
        file: String,
        /// The first failure.
        cause: String,
    },
    /// A file holds something else than what was written to it.
    #[error("{file} at byte {offset}: {}; {}", kind.name(), cure.text())]
    Damaged {
        /// File concerned, relative to the data folder.
        file: String,
        /// Byte offset at which reading failed.
        offset: u64,
        /// What is wrong.
        kind: DamageKind,
        /// What repairs it.
        cure: Cure,
    },
    /// The log ends before a height that another file of the folder has seen.
    #[error("{file} ends at block {last}, but {witness} has seen block {known}: acknowledged blocks are missing; nothing was changed; restore the folder log from another node or a backup")]
    LogBehind {
        /// Newest segment of the log.
        file: String,
        /// Newest block that it holds, 0 for none.
        last: u64,
        /// The file that knows better.
        witness: String,
        /// The height that it has seen.
        known: u64,
    },
    /// The folder belongs to another chain.
    #[error(
        "{file} belongs to another chain than the genesis file; use the data folder and the genesis file of one chain"
    )]
    WrongChain {
        /// File whose chain id differs.
        file: String,
    },
    /// The file was written by a later version of the software.
    #[error("{file} has format version {found}, this program knows {known}; use the newer program")]
    Version {
        /// File concerned.
        file: String,
        /// Version found in it.
        found: u16,
        /// Newest version this program reads.
        known: u16,
    },
    /// Another process has the folder open.
    #[error("the data folder {directory} is in use by another process; stop it first, or choose another folder")]
    Locked {
        /// The folder.
        directory: String,
    },
    /// No record or file at the place asked for.
    #[error("{what} not found")]
    NotFound {
        /// What was asked for.
        what: String,
    },
    /// Too many snapshots are held; drop one or try later.
    #[error("{limit} snapshots are already held; drop one or try later")]
    TooManySnapshots {
        /// Configured limit.
        limit: usize,
    },
    /// The caller broke the contract of a function.
    #[error("refused: {0}")]
    Argument(String),
}

impl StoreError {
    /// Sorts an error of the operating system into "wait for space" and "stop".
    pub(crate) fn from_io(file: &str, operation: &'static str, error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::NoSpace { file: file.to_owned() },
            _ => Self::Fatal { file: file.to_owned(), operation, cause: error.to_string() },
        }
    }

    /// A failed fsync is fatal whatever its code: the kernel may have dropped the pages.
    pub(crate) fn from_sync(file: &str, error: &io::Error) -> Self {
        Self::Fatal { file: file.to_owned(), operation: "fsync", cause: error.to_string() }
    }

    pub(crate) fn damaged(file: &str, offset: u64, kind: DamageKind, cure: Cure) -> Self {
        Self::Damaged { file: file.to_owned(), offset, kind, cure }
    }

    /// The same failure as a later caller sees it.
    pub(crate) fn repeated(&self) -> Self {
        match self {
            Self::Fatal { file, cause, .. } => Self::Poisoned { file: file.clone(), cause: cause.clone() },
            other => other.clone(),
        }
    }
}
