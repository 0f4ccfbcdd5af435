//! ECDSA with SHA-256 on secp256k1 and P-256: fixed 64-byte signatures, low S only.
//!
//! (r, n − s) is valid whenever (r, s) is; only the one with s ≤ (n − 1) / 2 is accepted, so that
//! nobody but the key's holder can make a second signature of the same message.

use k256::ecdsa::signature::hazmat::{PrehashSigner, PrehashVerifier};
use k256::elliptic_curve::scalar::IsHigh;
use sha2::{Digest, Sha256};

use crate::key::{Signature, SignatureError};

/// The two curves have equal interfaces but no common type that is short to name.
macro_rules! ecdsa_curve {
    ($curve:ident, $key:ident, $verify:ident, $sign:ident, $compress:ident, $name:literal) => {
        #[doc = concat!("Decodes a public key of ", $name, " from its compressed form.")]
        pub(crate) fn $key(
            bytes: &[u8; 33],
        ) -> Result<$curve::ecdsa::VerifyingKey, SignatureError> {
            require_compressed_tag(bytes)?;
            $curve::ecdsa::VerifyingKey::from_sec1_bytes(bytes)
                .map_err(|_| SignatureError::MalformedKey)
        }

        #[doc = concat!("Verifies a low-S signature on ", $name, ".")]
        pub(crate) fn $verify(
            public_key: &[u8; 33],
            message: &[u8],
            signature: &Signature,
        ) -> Result<(), SignatureError> {
            let signature = $curve::ecdsa::Signature::from_slice(&signature.0)
                .map_err(|_| SignatureError::MalformedSignature)?;
            if signature.s().is_high().into() {
                return Err(SignatureError::HighS);
            }
            $key(public_key)?
                .verify_prehash(&Sha256::digest(message), &signature)
                .map_err(|_| SignatureError::Mismatch)
        }

        #[doc = concat!("Signs on ", $name, " with an RFC 6979 nonce, low S.")]
        pub(crate) fn $sign(
            key: &$curve::ecdsa::SigningKey,
            message: &[u8],
        ) -> Result<Signature, SignatureError> {
            let signature: $curve::ecdsa::Signature = key
                .sign_prehash(&Sha256::digest(message))
                .map_err(|_| SignatureError::SecretOutOfRange)?;
            Ok(Signature(signature.normalize_s().to_bytes().into()))
        }

        #[doc = concat!("Compressed form of a public key of ", $name, ".")]
        pub(crate) fn $compress(key: &$curve::ecdsa::VerifyingKey) -> [u8; 33] {
            use $curve::elliptic_curve::sec1::ToSec1Point;
            key.as_affine().to_compressed_point().into()
        }
    };
}

ecdsa_curve!(
    k256,
    secp256k1_key,
    verify_secp256k1,
    sign_secp256k1,
    compress_secp256k1,
    "secp256k1"
);
ecdsa_curve!(
    p256,
    p256_key,
    verify_p256,
    sign_p256,
    compress_p256,
    "P-256"
);

/// SEC 1 knows other 33-byte forms (tag 5, "compact"); one key must have one encoding.
pub(crate) fn require_compressed_tag(bytes: &[u8; 33]) -> Result<(), SignatureError> {
    match bytes {
        [0x02 | 0x03, ..] => Ok(()),
        _ => Err(SignatureError::MalformedKey),
    }
}
