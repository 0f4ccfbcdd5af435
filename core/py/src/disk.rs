//! The disk of a chain: a real folder, or one in memory that fails on request.

use crate::error::refused;
use bubi_store::{CrashKind, Disk, DiskFile, MemoryDisk, OpenMode, Operation, RealDisk};
use pyo3::{prelude::*, types::PyDict};
use std::io;

/// A disk of either kind.
#[derive(Clone)]
pub(crate) enum AnyDisk {
    /// A folder.
    Real(RealDisk),
    /// Memory.
    Simulated(MemoryDisk),
}

/// Something of either kind of disk.
pub(crate) enum Either<R, S> {
    Real(R),
    Simulated(S),
}

/// Does the same on either kind.
macro_rules! either {
    ($kind:ident, $value:expr, $inner:ident => $work:expr) => {
        match $value {
            $kind::Real($inner) => $work,
            $kind::Simulated($inner) => $work,
        }
    };
}

impl<R: DiskFile, S: DiskFile> DiskFile for Either<R, S> {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        either!(Either, self, file => file.read_at(offset, buffer))
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        either!(Either, self, file => file.write_at(offset, bytes))
    }

    fn len(&self) -> io::Result<u64> {
        either!(Either, self, file => file.len())
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        either!(Either, self, file => file.truncate(length))
    }

    fn sync_data(&self) -> io::Result<()> {
        either!(Either, self, file => file.sync_data())
    }
}

impl Disk for AnyDisk {
    type File = Either<<RealDisk as Disk>::File, <MemoryDisk as Disk>::File>;
    type Lock = Either<<RealDisk as Disk>::Lock, <MemoryDisk as Disk>::Lock>;

    fn open(&self, path: &str, mode: OpenMode) -> io::Result<Self::File> {
        match self {
            Self::Real(disk) => disk.open(path, mode).map(Either::Real),
            Self::Simulated(disk) => disk.open(path, mode).map(Either::Simulated),
        }
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        either!(Self, self, disk => disk.rename(from, to))
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        either!(Self, self, disk => disk.remove(path))
    }

    fn list(&self, directory: &str) -> io::Result<Vec<String>> {
        either!(Self, self, disk => disk.list(directory))
    }

    fn create_directory(&self, directory: &str) -> io::Result<()> {
        either!(Self, self, disk => disk.create_directory(directory))
    }

    fn sync_directory(&self, directory: &str) -> io::Result<()> {
        either!(Self, self, disk => disk.sync_directory(directory))
    }

    fn free_space(&self) -> io::Result<u64> {
        either!(Self, self, disk => disk.free_space())
    }

    fn try_lock(&self) -> io::Result<Option<Self::Lock>> {
        Ok(match self {
            Self::Real(disk) => disk.try_lock()?.map(Either::Real),
            Self::Simulated(disk) => disk.try_lock()?.map(Either::Simulated),
        })
    }

    fn name(&self) -> String {
        either!(Self, self, disk => disk.name())
    }
}

/// A disk in memory with faults, for simulations.
#[pyclass(frozen, module = "bubi._core")]
pub(crate) struct SimulatedDisk(pub(crate) MemoryDisk);

/// Folder or file of a kind of file.
fn place_of(kind: &str) -> PyResult<&'static str> {
    match kind {
        "log" => Ok("log/"),
        "state" => Ok("state/"),
        "index" => Ok("txindex/"),
        "guard" => Ok(bubi_store::GUARD_FILE),
        other => Err(refused("malformed", format!("{other} is no kind of file; use log, state, index or guard"))),
    }
}

#[pymethods]
impl SimulatedDisk {
    #[new]
    fn new(seed: u64) -> Self {
        Self(MemoryDisk::new(seed))
    }

    fn crash(&self, mode: &str) -> PyResult<()> {
        self.0.crash(match mode {
            "process" => CrashKind::Process,
            "lost" => CrashKind::LoseUnsynced,
            "torn" => CrashKind::Torn,
            "reordered" => CrashKind::Reordered,
            other => {
                let detail = format!("{other} is no way to crash; use process, lost, torn or reordered");
                return Err(refused("malformed", detail));
            }
        });
        Ok(())
    }

    fn flip(&self, kind: &str, choice: u64) -> PyResult<bool> {
        let place = place_of(kind)?;
        let files: Vec<(String, u64)> = self
            .0
            .files()
            .into_iter()
            .filter(|path| path.starts_with(place))
            .map(|path| {
                let length = self.0.content(&path).map_or(0, |content| content.len() as u64);
                (path, length)
            })
            .collect();
        let bits = files.iter().map(|(_, length)| length * 8).sum::<u64>();
        let mut left = choice.checked_rem(bits).unwrap_or(0);
        for (path, length) in files {
            if left < length * 8 {
                return Ok(self.0.flip(&path, left / 8, 1 << (left % 8)));
            }
            left -= length * 8;
        }
        Ok(false)
    }

    fn fail_next_sync(&self) {
        self.0.fail(Operation::Sync, 1);
    }

    fn die_in_next_sync(&self) {
        self.0.die_in_next_sync();
    }

    fn set_full(&self, full: bool) {
        self.0.set_space(full.then_some(0));
    }

    #[getter]
    fn counts<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let counts = self.0.counts();
        let table = PyDict::new(py);
        for (name, value) in [
            ("writes", counts.writes),
            ("reads", counts.reads),
            ("syncs", counts.syncs),
            ("crashes", counts.crashes),
            ("lost_writes", counts.lost_writes),
            ("errors", counts.errors),
            ("no_space", counts.no_space),
            ("flips", counts.flips),
        ] {
            table.set_item(name, value)?;
        }
        Ok(table)
    }
}
