//! Authenticated encryption for keystores and record ciphertext: AES-256-GCM and SM4-GCM.
//!
//! A nonce must never be used twice with one key; the caller supplies it (from a counter, or fresh
//! random bytes with fewer than 2^32 messages per key).

use core::fmt;

use aes_gcm::aead::consts::U12;
use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, AesGcm};
use zeroize::Zeroizing;

use crate::hash::UnknownCode;

/// SM4-GCM as in RFC 8998: GCM is defined for every cipher with 128-bit blocks.
type Sm4Gcm = AesGcm<sm4::Sm4, U12>;

/// Length of a nonce in bytes.
pub const NONCE_LENGTH: usize = 12;
/// Length of the authentication tag at the end of a sealed message, in bytes.
pub const TAG_LENGTH: usize = 16;

/// The cipher of a sealed message. The discriminant is the byte on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum CipherSuite {
    /// AES-256-GCM (NIST SP 800-38D), 32-byte key.
    Aes256Gcm = 0,
    /// SM4-GCM (GB/T 32907-2016, RFC 8998), 16-byte key.
    Sm4Gcm = 1,
}

impl CipherSuite {
    /// Length of a key in bytes.
    pub const fn key_length(self) -> usize {
        match self {
            Self::Aes256Gcm => 32,
            Self::Sm4Gcm => 16,
        }
    }
}

impl TryFrom<u8> for CipherSuite {
    type Error = UnknownCode;

    fn try_from(value: u8) -> Result<Self, UnknownCode> {
        match value {
            0 => Ok(Self::Aes256Gcm),
            1 => Ok(Self::Sm4Gcm),
            _ => Err(UnknownCode { kind: "cipher suite", value }),
        }
    }
}

/// Why a message could not be sealed or opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AeadError {
    /// The key has not the length of its suite.
    #[error("a key of this cipher suite has {expected} bytes, not {actual}")]
    KeyLength {
        /// The suite's key length in bytes.
        expected: usize,
        /// The length given.
        actual: usize,
    },
    /// The plaintext or the associated data exceeds what GCM allows (64 GiB).
    #[error("the message is too long for GCM")]
    TooLong,
    /// Wrong key, nonce or associated data, or an altered message; which one cannot be known.
    #[error("the sealed message does not authenticate")]
    NotAuthentic,
}

/// A symmetric key, wiped from memory when dropped and never printed.
pub struct CipherKey {
    suite: CipherSuite,
    bytes: Zeroizing<Vec<u8>>,
}

impl CipherKey {
    /// Takes the key bytes of `suite`; fails if their number is wrong.
    pub fn new(suite: CipherSuite, bytes: &[u8]) -> Result<Self, AeadError> {
        let expected = suite.key_length();
        if bytes.len() != expected {
            return Err(AeadError::KeyLength { expected, actual: bytes.len() });
        }
        Ok(Self { suite, bytes: Zeroizing::new(bytes.to_vec()) })
    }

    /// The cipher this key is for.
    pub const fn suite(&self) -> CipherSuite {
        self.suite
    }
}

impl fmt::Debug for CipherKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "CipherKey({:?}, secret)", self.suite)
    }
}

/// Encrypts `plaintext` and authenticates it together with `aad`; returns ciphertext ‖ tag.
pub fn seal(key: &CipherKey, nonce: &[u8; NONCE_LENGTH], aad: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, AeadError> {
    let payload = Payload { msg: plaintext, aad };
    match key.suite {
        CipherSuite::Aes256Gcm => cipher::<Aes256Gcm>(key)?.encrypt(nonce.into(), payload),
        CipherSuite::Sm4Gcm => cipher::<Sm4Gcm>(key)?.encrypt(nonce.into(), payload),
    }
    .map_err(|_| AeadError::TooLong)
}

/// Checks and decrypts what [`seal`] returned; no plaintext is released unless the tag is right.
pub fn open(key: &CipherKey, nonce: &[u8; NONCE_LENGTH], aad: &[u8], sealed: &[u8]) -> Result<Vec<u8>, AeadError> {
    let payload = Payload { msg: sealed, aad };
    match key.suite {
        CipherSuite::Aes256Gcm => cipher::<Aes256Gcm>(key)?.decrypt(nonce.into(), payload),
        CipherSuite::Sm4Gcm => cipher::<Sm4Gcm>(key)?.decrypt(nonce.into(), payload),
    }
    .map_err(|_| AeadError::NotAuthentic)
}

fn cipher<C: KeyInit>(key: &CipherKey) -> Result<C, AeadError> {
    C::new_from_slice(&key.bytes)
        .map_err(|_| AeadError::KeyLength { expected: key.suite.key_length(), actual: key.bytes.len() })
}
