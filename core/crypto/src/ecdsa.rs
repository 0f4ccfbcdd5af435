//! ECDSA with SHA-256 on secp256k1 and P-256: fixed 64-byte signatures, low S only.
//!
//! (r, n − s) is valid whenever (r, s) is; only the one with s ≤ (n − 1) / 2 is accepted, so that
//! nobody but the key's holder can make a second signature of the same message.

use k256::ecdsa::signature::hazmat::{PrehashSigner, PrehashVerifier};
use k256::elliptic_curve::ops::{Invert, Reduce};
use k256::elliptic_curve::scalar::IsHigh;
use k256::elliptic_curve::sec1::ToSec1Point;
use k256::elliptic_curve::PrimeField;
use sha2::{Digest, Sha256};

use crate::key::{Signature, SignatureError};
use crate::weierstrass::{self, combination_has_x, Affine};

/// Decodes a public key of secp256k1 from its compressed form.
pub(crate) fn secp256k1_key(bytes: &[u8; 33]) -> Result<k256::ecdsa::VerifyingKey, SignatureError> {
    // SEC 1 knows other 33-byte forms (tag 5, "compact"); one key must have one encoding.
    if !matches!(bytes, [0x02 | 0x03, ..]) {
        return Err(SignatureError::MalformedKey);
    }
    k256::ecdsa::VerifyingKey::from_sec1_bytes(bytes).map_err(|_| SignatureError::MalformedKey)
}

/// Verifies a low-S signature on secp256k1.
pub(crate) fn verify_secp256k1(
    public_key: &[u8; 33],
    message: &[u8],
    signature: &Signature,
) -> Result<(), SignatureError> {
    let signature = k256::ecdsa::Signature::from_slice(&signature.0).map_err(|_| SignatureError::MalformedSignature)?;
    if signature.s().is_high().into() {
        return Err(SignatureError::HighS);
    }
    secp256k1_key(public_key)?
        .verify_prehash(&Sha256::digest(message), &signature)
        .map_err(|_| SignatureError::Mismatch)
}

/// Signs on secp256k1 with an RFC 6979 nonce, low S.
pub(crate) fn sign_secp256k1(key: &k256::ecdsa::SigningKey, message: &[u8]) -> Result<Signature, SignatureError> {
    let signature: k256::ecdsa::Signature =
        key.sign_prehash(&Sha256::digest(message)).map_err(|_| SignatureError::SecretOutOfRange)?;
    Ok(Signature(signature.normalize_s().to_bytes().into()))
}

/// Compressed form of a public key of secp256k1.
pub(crate) fn compress_secp256k1(key: &k256::ecdsa::VerifyingKey) -> [u8; 33] {
    key.as_affine().to_compressed_point().into()
}

/// Decodes a public key of P-256 from its compressed form.
pub(crate) fn p256_key(bytes: &[u8; 33]) -> Result<Affine<weierstrass::P256>, SignatureError> {
    Affine::decompress(bytes).ok_or(SignatureError::MalformedKey)
}

/// Verifies a low-S signature on P-256 (FIPS 186-5 section 6.4.2).
// The names of the standard.
#[allow(clippy::many_single_char_names)]
pub(crate) fn verify_p256(public_key: &[u8; 33], message: &[u8], signature: &Signature) -> Result<(), SignatureError> {
    let (r_bytes, s_bytes) = signature.0.split_at(32);
    let malformed = |_| SignatureError::MalformedSignature;
    let r = p256::NonZeroScalar::try_from(r_bytes).map_err(malformed)?;
    let s = p256::NonZeroScalar::try_from(s_bytes).map_err(malformed)?;
    if s.is_high().into() {
        return Err(SignatureError::HighS);
    }
    let key = p256_key(public_key)?;
    let digest = <p256::Scalar as Reduce<p256::FieldBytes>>::reduce(&Sha256::digest(message));
    let inverse = s.invert_vartime();
    let u = digest * *inverse;
    let v = *r * *inverse;
    let x = r.to_repr().into();
    if combination_has_x(&u.to_repr().into(), &v.to_repr().into(), &key, &x) {
        Ok(())
    } else {
        Err(SignatureError::Mismatch)
    }
}

/// Signs on P-256 with an RFC 6979 nonce, low S.
pub(crate) fn sign_p256(key: &p256::ecdsa::SigningKey, message: &[u8]) -> Result<Signature, SignatureError> {
    let signature: p256::ecdsa::Signature =
        key.sign_prehash(&Sha256::digest(message)).map_err(|_| SignatureError::SecretOutOfRange)?;
    Ok(Signature(signature.normalize_s().to_bytes().into()))
}

/// Compressed form of a public key of P-256.
pub(crate) fn compress_p256(key: &p256::ecdsa::VerifyingKey) -> [u8; 33] {
    key.as_affine().to_compressed_point().into()
}
