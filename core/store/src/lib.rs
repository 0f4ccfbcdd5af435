//! The only part of Bubi that touches files.
//!
//! It knows bytes, heights and checksums; it knows neither transactions nor ledger rules.
//!
//! - [`Disk`]: where files live; [`RealDisk`] for a node, [`MemoryDisk`] with injected faults for tests and simulation.
//! - [`BlockLog`]: append-only log of blocks and of what consensus promised; the commit point of every height.
//! - [`StateStore`]: cells in key order behind the log, with snapshots; rebuilt from the log when lost.
//! - [`TransactionIndex`]: transaction hash to position in the log, for status by hash for ever.
//! - [`GuardFile`]: second place of the signer's record.
//! - [`write_inheritance`]: all cells in one file, for a chain that continues this one.
//! - [`check`]: reads everything and says what is damaged and what is to be done.

mod bytes;
mod check;
mod disk;
mod error;
mod guard;
mod inheritance;
mod log;
mod memory;
mod real;
mod run;
mod state;
mod transactions;
mod witness;

pub use check::{check, Damage};
pub use disk::{Disk, DiskFile, OpenMode};
pub use error::{Cure, DamageKind, Result, StoreError};
pub use guard::{GuardFile, Mark, GUARD_FILE, GUARD_LIMIT};
pub use inheritance::{read_inheritance, write_inheritance};
pub use log::{
    BlockLog, Head, Heads, LogOptions, LogReader, Position, Record, RecordKind, Records, Recovery, PAYLOAD_LIMIT,
};
pub use memory::{Counts, CrashKind, MemoryDisk, Operation};
pub use real::RealDisk;
pub use run::Keyspace;
pub use state::{Batch, Entry, Snapshot, StateOptions, StateStore, Statistics};
pub use transactions::{Candidate, IndexOptions, TransactionIndex};
pub use witness::{newest_witness, Witness};
