//! Public keys, signatures and secret keys, one type for all algorithms.

use core::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::bytes::{tuple, write_hex};
use crate::hash::UnknownCode;
use crate::{ecdsa, ed25519, sm2dsa};

/// A signature algorithm. The discriminant is the byte on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum SignatureAlgorithm {
    /// Ed25519 (RFC 8032).
    Ed25519 = 0,
    /// ECDSA on secp256k1 with SHA-256, low S.
    Secp256k1 = 1,
    /// ECDSA on P-256 (FIPS 186-5) with SHA-256, low S.
    P256 = 2,
    /// SM2 (GB/T 32918.2-2016) with SM3 and the identity `1234567812345678`.
    Sm2 = 3,
}

impl TryFrom<u8> for SignatureAlgorithm {
    type Error = UnknownCode;

    fn try_from(value: u8) -> Result<Self, UnknownCode> {
        match value {
            0 => Ok(Self::Ed25519),
            1 => Ok(Self::Secp256k1),
            2 => Ok(Self::P256),
            3 => Ok(Self::Sm2),
            _ => Err(UnknownCode { kind: "signature algorithm", value }),
        }
    }
}

impl SignatureAlgorithm {
    /// Length of a public key in bytes: 32 for Ed25519, else 33 (compressed SEC 1).
    pub const fn public_key_length(self) -> usize {
        match self {
            Self::Ed25519 => 32,
            Self::Secp256k1 | Self::P256 | Self::Sm2 => 33,
        }
    }
}

/// Why a key or a signature was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// The key has not the length of its algorithm.
    #[error("the key has a wrong length")]
    KeyLength,
    /// The public key is not the encoding of a point of the curve.
    #[error("the public key is not a point of its curve")]
    MalformedKey,
    /// The public key is a second encoding of a point (strict rule).
    #[error("the public key is not canonically encoded")]
    NonCanonicalKey,
    /// The public key lies in the small subgroup (strict rule).
    #[error("the public key has a small order")]
    SmallOrderKey,
    /// The secret key is zero or not below the order of the group.
    #[error("the secret key is out of range")]
    SecretOutOfRange,
    /// The signature's numbers are out of range or its point does not decode.
    #[error("the signature is malformed")]
    MalformedSignature,
    /// The signature's point R lies in the small subgroup (strict rule).
    #[error("the signature's R has a small order")]
    SmallOrderNonce,
    /// An ECDSA signature whose S is above half the order; its twin with n − S is the valid form.
    #[error("the signature has a high S")]
    HighS,
    /// Well-formed, but not a signature of this message by this key.
    #[error("the signature does not match")]
    Mismatch,
}

/// A public key with its algorithm. Serialised as the algorithm's number and the raw bytes.
///
/// A value of this type has the right length and nothing more is known: it may not decode.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PublicKey {
    /// Encoded point of edwards25519.
    Ed25519(#[serde(with = "tuple")] [u8; 32]),
    /// Compressed SEC 1 point of secp256k1.
    Secp256k1(#[serde(with = "tuple")] [u8; 33]),
    /// Compressed SEC 1 point of P-256.
    P256(#[serde(with = "tuple")] [u8; 33]),
    /// Compressed SEC 1 point of the recommended SM2 curve.
    Sm2(#[serde(with = "tuple")] [u8; 33]),
}

impl PublicKey {
    /// Takes the raw bytes of a key; fails only on a wrong length.
    pub fn from_bytes(algorithm: SignatureAlgorithm, bytes: &[u8]) -> Result<Self, SignatureError> {
        fn array<const N: usize>(bytes: &[u8]) -> Result<[u8; N], SignatureError> {
            bytes.try_into().map_err(|_| SignatureError::KeyLength)
        }
        Ok(match algorithm {
            SignatureAlgorithm::Ed25519 => Self::Ed25519(array(bytes)?),
            SignatureAlgorithm::Secp256k1 => Self::Secp256k1(array(bytes)?),
            SignatureAlgorithm::P256 => Self::P256(array(bytes)?),
            SignatureAlgorithm::Sm2 => Self::Sm2(array(bytes)?),
        })
    }

    /// The algorithm of this key.
    pub const fn algorithm(&self) -> SignatureAlgorithm {
        match self {
            Self::Ed25519(_) => SignatureAlgorithm::Ed25519,
            Self::Secp256k1(_) => SignatureAlgorithm::Secp256k1,
            Self::P256(_) => SignatureAlgorithm::P256,
            Self::Sm2(_) => SignatureAlgorithm::Sm2,
        }
    }

    /// The raw bytes, without the algorithm.
    pub const fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Ed25519(bytes) => bytes,
            Self::Secp256k1(bytes) | Self::P256(bytes) | Self::Sm2(bytes) => bytes,
        }
    }

    /// The algorithm's number and the raw bytes: the same as its canonical encoding.
    pub fn tagged_bytes(&self) -> Vec<u8> {
        [&[self.algorithm() as u8], self.as_bytes()].concat()
    }

    /// Reads [`PublicKey::tagged_bytes`].
    pub fn from_tagged(bytes: &[u8]) -> Result<Self, SignatureError> {
        let (algorithm, raw) = bytes.split_first().ok_or(SignatureError::KeyLength)?;
        let algorithm = SignatureAlgorithm::try_from(*algorithm).map_err(|_| SignatureError::MalformedKey)?;
        Self::from_bytes(algorithm, raw)
    }

    /// Whether this key may be registered for an account or a validator: it must decode, be
    /// canonically encoded and not lie in a small subgroup.
    pub fn check_registration(&self) -> Result<(), SignatureError> {
        match self {
            Self::Ed25519(bytes) => ed25519::check_key(bytes),
            Self::Secp256k1(bytes) => ecdsa::secp256k1_key(bytes).map(drop),
            Self::P256(bytes) => ecdsa::p256_key(bytes).map(drop),
            Self::Sm2(bytes) => sm2dsa::decode_key(bytes).map(drop),
        }
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?}(", self.algorithm())?;
        write_hex(formatter, self.as_bytes())?;
        formatter.write_str(")")
    }
}

/// A signature: R ‖ S for Ed25519, r ‖ s (big-endian) for ECDSA and SM2. Serialised as 64 raw
/// bytes; its algorithm is that of the key beside it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Signature(#[serde(with = "tuple")] pub [u8; 64]);

impl Signature {
    /// Takes the raw bytes; fails only on a wrong length.
    pub fn from_slice(bytes: &[u8]) -> Result<Self, SignatureError> {
        bytes.try_into().map(Self).map_err(|_| SignatureError::MalformedSignature)
    }

    /// The raw bytes.
    pub const fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Signature(")?;
        write_hex(formatter, &self.0)?;
        formatter.write_str(")")
    }
}

/// A secret key. It is wiped from memory when dropped and never printed.
pub struct SecretKey(Inner);

enum Inner {
    Ed25519(ed25519_dalek::SigningKey),
    Secp256k1(k256::ecdsa::SigningKey),
    P256(p256::ecdsa::SigningKey),
    Sm2(sm2dsa::SigningKey),
}

impl SecretKey {
    /// Takes an existing secret: the RFC 8032 seed for Ed25519, else the big-endian number d.
    /// Fails if d is out of range.
    pub fn from_bytes(algorithm: SignatureAlgorithm, bytes: &[u8; 32]) -> Result<Self, SignatureError> {
        let out_of_range = |_| SignatureError::SecretOutOfRange;
        Ok(Self(match algorithm {
            SignatureAlgorithm::Ed25519 => Inner::Ed25519(ed25519_dalek::SigningKey::from_bytes(bytes)),
            SignatureAlgorithm::Secp256k1 => {
                Inner::Secp256k1(k256::ecdsa::SigningKey::from_slice(bytes).map_err(out_of_range)?)
            }
            SignatureAlgorithm::P256 => Inner::P256(p256::ecdsa::SigningKey::from_slice(bytes).map_err(out_of_range)?),
            SignatureAlgorithm::Sm2 => Inner::Sm2(sm2dsa::SigningKey::from_bytes(bytes)?),
        }))
    }

    /// Makes a new key from 32 bytes of entropy, which the caller takes from the operating system.
    /// The secret is a hash of them, retried with a counter until it is in range.
    pub fn generate(algorithm: SignatureAlgorithm, entropy: &[u8; 32]) -> Result<Self, SignatureError> {
        (0..=u8::MAX)
            .find_map(|attempt| {
                let mut digest = Sha256::new();
                digest.update(b"bubi/key-generation/1");
                digest.update([algorithm as u8, attempt]);
                digest.update(entropy);
                let secret: Zeroizing<[u8; 32]> = Zeroizing::new(digest.finalize().into());
                Self::from_bytes(algorithm, &secret).ok()
            })
            .ok_or(SignatureError::SecretOutOfRange)
    }

    /// The algorithm of this key.
    pub const fn algorithm(&self) -> SignatureAlgorithm {
        match self.0 {
            Inner::Ed25519(_) => SignatureAlgorithm::Ed25519,
            Inner::Secp256k1(_) => SignatureAlgorithm::Secp256k1,
            Inner::P256(_) => SignatureAlgorithm::P256,
            Inner::Sm2(_) => SignatureAlgorithm::Sm2,
        }
    }

    /// The public key of this secret.
    pub fn public_key(&self) -> PublicKey {
        match &self.0 {
            Inner::Ed25519(key) => PublicKey::Ed25519(key.verifying_key().to_bytes()),
            Inner::Secp256k1(key) => PublicKey::Secp256k1(ecdsa::compress_secp256k1(key.verifying_key())),
            Inner::P256(key) => PublicKey::P256(ecdsa::compress_p256(key.verifying_key())),
            Inner::Sm2(key) => PublicKey::Sm2(key.public_key()),
        }
    }

    /// The 32 secret bytes, as [`SecretKey::from_bytes`] takes them, for storing in a keystore.
    pub fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(match &self.0 {
            Inner::Ed25519(key) => key.to_bytes(),
            Inner::Secp256k1(key) => key.to_bytes().into(),
            Inner::P256(key) => key.to_bytes().into(),
            Inner::Sm2(key) => *key.to_bytes(),
        })
    }

    /// Signs `message`. The same key and message always give the same signature: RFC 8032, or
    /// nonces by RFC 6979 (with SHA-256 for ECDSA, with SM3 for SM2).
    pub fn sign(&self, message: &[u8]) -> Result<Signature, SignatureError> {
        match &self.0 {
            Inner::Ed25519(key) => Ok(ed25519::sign(key, message)),
            Inner::Secp256k1(key) => ecdsa::sign_secp256k1(key, message),
            Inner::P256(key) => ecdsa::sign_p256(key, message),
            Inner::Sm2(key) => key.sign(message),
        }
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SecretKey({:?}, secret)", self.algorithm())
    }
}
