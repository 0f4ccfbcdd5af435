//! bubi-ledger
