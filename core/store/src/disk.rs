//! The disk as a port: everything this crate does to files goes through it.

use std::io;

use crate::error::{Result, StoreError};

/// How a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// Must exist; reading only.
    Read,
    /// Must exist; reading and writing.
    Write,
    /// Created when missing, emptied when present.
    Create,
}

/// An open file. Offsets and lengths are bytes.
pub trait DiskFile: Send + Sync + 'static {
    /// Fills `buffer` from `offset`; returns fewer bytes only at the end of the file.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;
    /// Writes all bytes at `offset`, growing the file; on an error some of them may have been written.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;
    /// Current length.
    fn len(&self) -> io::Result<u64>;
    /// True when the file has no bytes.
    fn is_empty(&self) -> io::Result<bool> {
        self.len().map(|length| length == 0)
    }
    /// Cuts or extends the file.
    fn truncate(&self, length: u64) -> io::Result<()>;
    /// Makes all written bytes and the length durable (fdatasync).
    fn sync_data(&self) -> io::Result<()>;
}

/// A folder. Paths are relative to it, with `/` between parts; cloning shares the folder.
pub trait Disk: Clone + Send + Sync + 'static {
    /// Open file of this disk.
    type File: DiskFile;
    /// Held while the folder is in use; released on drop, also when the process dies.
    type Lock: Send + Sync + 'static;

    /// Opens a file.
    fn open(&self, path: &str, mode: OpenMode) -> io::Result<Self::File>;
    /// Renames a file, replacing the target.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Removes a file; open handles stay readable.
    fn remove(&self, path: &str) -> io::Result<()>;
    /// Names in a folder, sorted; empty when the folder does not exist.
    fn list(&self, directory: &str) -> io::Result<Vec<String>>;
    /// Creates a folder and its parents; nothing happens when it exists.
    fn create_directory(&self, directory: &str) -> io::Result<()>;
    /// Makes names (created, renamed, removed) in a folder durable.
    fn sync_directory(&self, directory: &str) -> io::Result<()>;
    /// Bytes that may still be written.
    fn free_space(&self) -> io::Result<u64>;
    /// Locks the folder against other processes; `None` when it is taken.
    fn try_lock(&self) -> io::Result<Option<Self::Lock>>;
    /// How people name this folder.
    fn name(&self) -> String;

    /// Locks the folder or says who has to be stopped.
    ///
    /// # Errors
    /// [`StoreError::Locked`] when another process holds it.
    fn lock(&self) -> Result<Self::Lock> {
        match self.try_lock() {
            Ok(Some(lock)) => Ok(lock),
            Ok(None) => Err(StoreError::Locked { directory: self.name() }),
            Err(error) => Err(StoreError::from_io(&self.name(), "lock", &error)),
        }
    }
}

/// Reads a whole file; `None` when it does not exist.
pub(crate) fn read_file<D: Disk>(disk: &D, path: &str) -> Result<Option<Vec<u8>>> {
    let file = match disk.open(path, OpenMode::Read) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(StoreError::from_io(path, "open", &error)),
    };
    let length = file.len().map_err(|error| StoreError::from_io(path, "stat", &error))?;
    read_range(&file, path, 0, crate::bytes::offset(length)).map(Some)
}

/// Reads up to `length` bytes; shorter only at the end of the file.
pub(crate) fn read_range<F: DiskFile>(file: &F, path: &str, offset: u64, length: usize) -> Result<Vec<u8>> {
    let mut buffer = vec![0; length];
    let count = file.read_at(offset, &mut buffer).map_err(|error| StoreError::from_io(path, "read", &error))?;
    buffer.truncate(count);
    Ok(buffer)
}

/// Writes a file so that after a crash either the old or the new content is there, whole.
pub(crate) fn replace_file<D: Disk>(disk: &D, directory: &str, path: &str, bytes: &[u8]) -> Result<()> {
    let temporary = format!("{path}.tmp");
    let outcome = write_temporary(disk, &temporary, bytes);
    if let Err(error) = outcome {
        // A leftover is harmless: it is an orphan and removed at the next start.
        let _ = disk.remove(&temporary);
        return Err(error);
    }
    publish(disk, directory, &temporary, path)
}

fn write_temporary<D: Disk>(disk: &D, path: &str, bytes: &[u8]) -> Result<()> {
    let file = disk.open(path, OpenMode::Create).map_err(|error| StoreError::from_io(path, "create", &error))?;
    file.write_at(0, bytes).map_err(|error| StoreError::from_io(path, "write", &error))?;
    file.sync_data().map_err(|error| StoreError::from_sync(path, &error))
}

/// Gives a synced temporary file its name, durably.
pub(crate) fn publish<D: Disk>(disk: &D, directory: &str, temporary: &str, path: &str) -> Result<()> {
    disk.rename(temporary, path).map_err(|error| StoreError::from_io(path, "rename", &error))?;
    disk.sync_directory(directory).map_err(|error| StoreError::from_sync(directory, &error))
}
