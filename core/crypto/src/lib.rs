//! Hashes, Merkle trees, keys, signatures and authenticated encryption of the ledger.
//!
//! Pure functions: no I/O, no clock, no randomness of its own. Only this crate decides whether a
//! signature is valid; every other implementation is a signer or is held to the same vectors.

mod aead;
mod bytes;
mod ecdsa;
mod ed25519;
mod ed25519_batch;
mod hash;
mod key;
mod known_keys;
mod merkle;
mod sm2dsa;
mod verify;
mod weierstrass;

pub use aead::{open, seal, AeadError, CipherKey, CipherSuite, NONCE_LENGTH, TAG_LENGTH};
pub use bytes::{from_hex, to_hex};
pub use hash::{Hash, HashSuite, UnknownCode};
pub use key::{PublicKey, SecretKey, Signature, SignatureAlgorithm, SignatureError};
pub use known_keys::KnownKeys;
pub use merkle::{merkle_path, merkle_root, merkle_verify, LeafTag};
pub use verify::{verify_batch, verify_transaction, verify_vote, SignedItem};
