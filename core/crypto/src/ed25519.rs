//! Ed25519 under two rules: ZIP-215 for transactions, strict for votes and certificates.
//!
//! ZIP-215 is the one rule under which single and batch verification agree on every input: any
//! encoding of A and R that decodes, S < L, and the cofactored equation `[8](S·B − k·A − R) = 0`.
//! The strict rule is the intersection of what common libraries accept.

use curve25519_dalek::edwards::CompressedEdwardsY;
use curve25519_dalek::traits::IsIdentity;
use curve25519_dalek::{EdwardsPoint, Scalar};
use ed25519_dalek::Signer;
use sha2::{Digest, Sha512};

use crate::key::{Signature, SignatureError};

/// The parts of a signature and its key, decoded under ZIP-215.
pub(crate) struct Decoded {
    /// −A.
    pub(crate) minus_key: EdwardsPoint,
    /// −R.
    pub(crate) minus_nonce: EdwardsPoint,
    /// S.
    pub(crate) response: Scalar,
    /// k = SHA-512(R ‖ A ‖ message) mod L.
    pub(crate) challenge: Scalar,
}

/// −A of a key, the form in which every equation uses it; nothing if its bytes are no point of the curve.
pub(crate) fn decode_key(public_key: &[u8; 32]) -> Option<EdwardsPoint> {
    decompress(public_key).map(|key| -key)
}

/// Decodes a signature by the key with this −A, and hashes the message.
pub(crate) fn decode(
    public_key: &[u8; 32],
    minus_key: EdwardsPoint,
    message: &[u8],
    signature: &Signature,
) -> Result<Decoded, SignatureError> {
    let (nonce, response) = split(signature)?;
    Ok(Decoded {
        minus_key,
        minus_nonce: -decompress(&nonce).ok_or(SignatureError::MalformedSignature)?,
        response,
        challenge: challenge(&nonce, public_key, message),
    })
}

impl Decoded {
    /// The ZIP-215 equation for this signature alone.
    pub(crate) fn check(&self) -> Result<(), SignatureError> {
        let point = EdwardsPoint::vartime_double_scalar_mul_basepoint(&self.challenge, &self.minus_key, &self.response);
        if (point + self.minus_nonce).mul_by_cofactor().is_identity() {
            Ok(())
        } else {
            Err(SignatureError::Mismatch)
        }
    }
}

/// Verifies by ZIP-215.
pub(crate) fn verify_zip215(
    public_key: &[u8; 32],
    message: &[u8],
    signature: &Signature,
) -> Result<(), SignatureError> {
    let minus_key = decode_key(public_key).ok_or(SignatureError::MalformedKey)?;
    decode(public_key, minus_key, message, signature)?.check()
}

/// Verifies by the strict rule: canonical A and R, neither of small order, S < L, and the equation
/// without cofactor, compared on encodings as RFC 8032 implementations do.
pub(crate) fn verify_strict(
    public_key: &[u8; 32],
    message: &[u8],
    signature: &Signature,
) -> Result<(), SignatureError> {
    let (nonce, response) = split(signature)?;
    let key = strict_key(public_key)?;
    let challenge = challenge(&nonce, public_key, message);
    let expected = EdwardsPoint::vartime_double_scalar_mul_basepoint(&challenge, &-key, &response);
    // Equal bytes also prove that R is canonical: compression writes no other form.
    if expected.compress().0 != nonce {
        return Err(SignatureError::Mismatch);
    }
    if expected.is_small_order() {
        return Err(SignatureError::SmallOrderNonce);
    }
    Ok(())
}

/// Checks a key that is to be registered.
pub(crate) fn check_key(public_key: &[u8; 32]) -> Result<(), SignatureError> {
    strict_key(public_key).map(drop)
}

/// Signs by RFC 8032.
pub(crate) fn sign(key: &ed25519_dalek::SigningKey, message: &[u8]) -> Signature {
    Signature(key.sign(message).to_bytes())
}

fn strict_key(public_key: &[u8; 32]) -> Result<EdwardsPoint, SignatureError> {
    let point = decompress(public_key).ok_or(SignatureError::MalformedKey)?;
    if point.compress().0 != *public_key {
        return Err(SignatureError::NonCanonicalKey);
    }
    if point.is_small_order() {
        return Err(SignatureError::SmallOrderKey);
    }
    Ok(point)
}

fn split(signature: &Signature) -> Result<([u8; 32], Scalar), SignatureError> {
    let (nonce, response) = signature.0.split_at(32);
    let malformed = |_| SignatureError::MalformedSignature;
    let nonce = <[u8; 32]>::try_from(nonce).map_err(malformed)?;
    let response = <[u8; 32]>::try_from(response).map_err(malformed)?;
    let response = Scalar::from_canonical_bytes(response).into_option().ok_or(SignatureError::MalformedSignature)?;
    Ok((nonce, response))
}

fn decompress(bytes: &[u8; 32]) -> Option<EdwardsPoint> {
    CompressedEdwardsY(*bytes).decompress()
}

fn challenge(nonce: &[u8; 32], public_key: &[u8; 32], message: &[u8]) -> Scalar {
    let digest = Sha512::new().chain_update(nonce).chain_update(public_key).chain_update(message).finalize();
    Scalar::from_bytes_mod_order_wide(&digest.into())
}
