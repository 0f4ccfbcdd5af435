//! Little-endian fields of the crate's own file formats.

/// Reads fields from the front of a slice; every read is checked.
pub(crate) struct Fields<'a>(pub(crate) &'a [u8]);

impl<'a> Fields<'a> {
    pub(crate) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(count)?;
        self.0 = tail;
        Some(head)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_le_bytes)
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    /// A byte string with its length in front (u32).
    pub(crate) fn string(&mut self) -> Option<&'a [u8]> {
        let length = self.u32()?;
        self.take(usize::try_from(length).ok()?)
    }
}

/// Appends a byte string with its length in front; the caller keeps it below 4 GiB.
pub(crate) fn put_string(to: &mut Vec<u8>, bytes: &[u8]) {
    to.extend_from_slice(&length32(bytes.len()).to_le_bytes());
    to.extend_from_slice(bytes);
}

/// A length as u32; every length of these formats is bounded far below 4 GiB before it gets here.
pub(crate) fn length32(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// A length as u64: never fails on the supported targets.
pub(crate) fn length64(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

/// An offset as usize; saturates, so that a following bounds check fails instead of wrapping.
pub(crate) fn offset(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

/// Appends a CRC-32C of everything in the buffer.
pub(crate) fn seal(buffer: &mut Vec<u8>) {
    let sum = crc32c::crc32c(buffer);
    buffer.extend_from_slice(&sum.to_le_bytes());
}

/// The content in front of a CRC-32C, when the checksum holds.
pub(crate) fn unseal(bytes: &[u8]) -> Option<&[u8]> {
    let (content, sum) = bytes.split_at_checked(bytes.len().checked_sub(4)?)?;
    let sum = u32::from_le_bytes(sum.try_into().ok()?);
    (crc32c::crc32c(content) == sum).then_some(content)
}
