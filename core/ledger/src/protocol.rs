//! What execution does differently from one protocol version to the next.
//!
//! Code asks a flag, never a height or a version. A flag that a released version names is frozen: to mend a rule, add a
//! version with another flag, so that every later program replays every earlier block.

/// Switches of one protocol version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flags {
    /// Highest operation number that may be executed; a transaction with a higher one fails with `not_permitted`.
    pub last_operation: u8,
}

/// Newest version that this program executes.
pub const NEWEST: u32 = 1;

/// The flags of a protocol version; none if this program does not know it.
pub fn flags(version: u32) -> Option<Flags> {
    match version {
        1 => Some(Flags { last_operation: 30 }),
        // So that a test can go from one version to the next.
        #[cfg(test)]
        2 => Some(Flags { last_operation: 27 }),
        _ => None,
    }
}
