//! Canonical bytes of Bubi: what every node, SDK and proof must agree on.
//!
//! One value has one byte string (BCS, <https://github.com/diem/bcs>), and the decoder refuses every second form. Every top-level
//! type is an enum whose variant is its version. This crate knows shapes and limits; it does not know state or rules.
//! Start with [`transaction::TransactionBody`]; `spec/encoding.md` is the normative text.

pub mod block;
mod codes;
mod decode;
pub mod domain;
pub mod governance;
pub mod identity;
pub mod limits;
pub mod operation;
pub mod proof;
pub mod state;
pub mod text;
pub mod transaction;

pub use codes::ResultCode;
pub use decode::{decode, encode, DecodeError, Wire};
