//! SM2 signatures (GB/T 32918.2-2016) with SM3 and the fixed identity `1234567812345678`.
//!
//! The signature is r ‖ s, 32 big-endian bytes each. SM2 has no twin signature as ECDSA has:
//! t = r + s enters the verified point, so that replacing s by n − s, or r and s by any other
//! known function of them, gives another point. No low-S rule is needed.

use sm2::elliptic_curve::ops::Reduce;
use sm2::elliptic_curve::point::AffineCoordinates;
use sm2::elliptic_curve::sec1::ToSec1Point;
use sm2::elliptic_curve::{Curve, Group, PrimeField};
use sm2::{FieldBytes, NonZeroScalar, ProjectivePoint, PublicKey, Scalar, Sm2, U256};
use sm3::{Digest, Sm3};
use zeroize::Zeroizing;

use crate::key::{Signature, SignatureError};
use crate::weierstrass::{self, combination_has_x, Affine};

/// The identity that all signers of this ledger use.
const IDENTITY: &[u8; 16] = b"1234567812345678";

/// a ‖ b ‖ `x_G` ‖ `y_G` of the recommended curve, which every identity hash contains.
const CURVE_PARAMETERS: [u8; 128] = *b"\
\xff\xff\xff\xfe\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\
\xff\xff\xff\xff\x00\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xfc\
\x28\xe9\xfa\x9e\x9d\x9f\x5e\x34\x4d\x5a\x9e\x4b\xcf\x65\x09\xa7\
\xf3\x97\x89\xf5\x15\xab\x8f\x92\xdd\xbc\xbd\x41\x4d\x94\x0e\x93\
\x32\xc4\xae\x2c\x1f\x19\x81\x19\x5f\x99\x04\x46\x6a\x39\xc9\x94\
\x8f\xe3\x0b\xbf\xf2\x66\x0b\xe1\x71\x5a\x45\x89\x33\x4c\x74\xc7\
\xbc\x37\x36\xa2\xf4\xf6\x77\x9c\x59\xbd\xce\xe3\x6b\x69\x21\x53\
\xd0\xa9\x87\x7c\xc6\x2a\x47\x40\x02\xdf\x32\xe5\x21\x39\xf0\xa0";

/// Decodes a public key from its compressed form.
pub(crate) fn decode_key(bytes: &[u8; 33]) -> Result<Affine<weierstrass::Sm2>, SignatureError> {
    Affine::decompress(bytes).ok_or(SignatureError::MalformedKey)
}

/// Verifies a signature (GB/T 32918.2 section 7.1).
pub(crate) fn verify(public_key: &[u8; 33], message: &[u8], signature: &Signature) -> Result<(), SignatureError> {
    verify_with_identity(IDENTITY, public_key, message, signature)
}

// The names of the standard.
#[allow(clippy::many_single_char_names)]
fn verify_with_identity(
    identity: &[u8],
    public_key: &[u8; 33],
    message: &[u8],
    signature: &Signature,
) -> Result<(), SignatureError> {
    let (r_bytes, s_bytes) = signature.0.split_at(32);
    let r = nonzero_scalar(r_bytes).ok_or(SignatureError::MalformedSignature)?;
    let s = nonzero_scalar(s_bytes).ok_or(SignatureError::MalformedSignature)?;
    let t = *r + *s;
    if t.is_zero().into() {
        return Err(SignatureError::MalformedSignature);
    }
    let key = decode_key(public_key)?;
    let (x, y) = key.coordinates();
    let e = message_scalar(identity, &[x, y], message);
    // r = e + x modulo n, solved for the x that s·G + t·key must have.
    let expected = (*r - e).to_repr().into();
    if combination_has_x(&s.to_repr().into(), &t.to_repr().into(), &key, &expected) {
        Ok(())
    } else {
        Err(SignatureError::Mismatch)
    }
}

/// A secret key with what signing needs again and again.
pub(crate) struct SigningKey {
    secret: Zeroizing<NonZeroScalar>,
    /// (1 + d)⁻¹ modulo n, as secret as d itself.
    inverse: Zeroizing<Scalar>,
    public: PublicKey,
}

impl SigningKey {
    /// Takes d, which must lie in [1, n − 2]: d = n − 1 cannot sign.
    pub(crate) fn from_bytes(bytes: &[u8; 32]) -> Result<Self, SignatureError> {
        let secret = nonzero_scalar(bytes).ok_or(SignatureError::SecretOutOfRange)?;
        let secret = Zeroizing::new(secret);
        let successor = Zeroizing::new(**secret + Scalar::ONE);
        let inverse = successor.invert().into_option().ok_or(SignatureError::SecretOutOfRange)?;
        let public = PublicKey::from_secret_scalar(&secret);
        Ok(Self { secret, inverse: Zeroizing::new(inverse), public })
    }

    /// The two coordinates of the public key.
    fn coordinates(&self) -> [[u8; 32]; 2] {
        let mut coordinates = [[0; 32]; 2];
        let point = self.public.to_uncompressed_point();
        let bytes = point.get(1..).unwrap_or_default();
        for (coordinate, bytes) in coordinates.iter_mut().zip(bytes.chunks_exact(32)) {
            coordinate.copy_from_slice(bytes);
        }
        coordinates
    }

    /// The compressed public key.
    pub(crate) fn public_key(&self) -> [u8; 33] {
        self.public.to_compressed_point().into()
    }

    /// The number d, 32 big-endian bytes.
    pub(crate) fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.secret.to_repr().into())
    }

    /// Signs with a nonce by RFC 6979 over SM3, retried as section 6.1 asks.
    pub(crate) fn sign(&self, message: &[u8]) -> Result<Signature, SignatureError> {
        self.sign_with_identity(IDENTITY, message)
    }

    fn sign_with_identity(&self, identity: &[u8], message: &[u8]) -> Result<Signature, SignatureError> {
        let e = message_scalar(identity, &self.coordinates(), message);
        let secret = self.to_bytes();
        let order = Sm2::ORDER;
        let mut nonces = rfc6979::KGenerator::<Sm3, U256>::new(secret.as_ref(), &e.to_repr(), &[], &order);
        // One retry happens once in 2^255 signatures; a bound keeps the loop finite by inspection.
        for _ in 0..8 {
            let mut nonce = Zeroizing::new(FieldBytes::default());
            nonces.fill_next_k(&mut nonce);
            if let Some(signature) = nonzero_scalar(&nonce).and_then(|k| self.sign_with(e, k)) {
                return Ok(signature);
            }
        }
        Err(SignatureError::SecretOutOfRange)
    }

    /// The signature equations for one nonce; `None` where the standard asks for another one.
    fn sign_with(&self, e: Scalar, nonce: NonZeroScalar) -> Option<Signature> {
        let nonce = Zeroizing::new(nonce);
        let point = ProjectivePoint::mul_by_generator(&**nonce).to_affine();
        let r = e + reduce(&point.x());
        if bool::from(r.is_zero()) || bool::from((r + **nonce).is_zero()) {
            return None;
        }
        let s = *self.inverse * (**nonce - r * **self.secret);
        if s.is_zero().into() {
            return None;
        }
        let mut bytes = [0u8; 64];
        let (left, right) = bytes.split_at_mut(32);
        left.copy_from_slice(&r.to_repr());
        right.copy_from_slice(&s.to_repr());
        Some(Signature(bytes))
    }
}

/// e = SM3(Z ‖ message), Z = SM3(bit length of identity ‖ identity ‖ curve ‖ public key).
fn message_scalar(identity: &[u8], key: &[[u8; 32]; 2], message: &[u8]) -> Scalar {
    let bits = u16::try_from(identity.len() * 8).unwrap_or(u16::MAX);
    let z = Sm3::new()
        .chain_update(bits.to_be_bytes())
        .chain_update(identity)
        .chain_update(CURVE_PARAMETERS)
        .chain_update(key.as_flattened())
        .finalize();
    reduce(&Sm3::new().chain_update(z).chain_update(message).finalize())
}

fn nonzero_scalar(bytes: &[u8]) -> Option<NonZeroScalar> {
    NonZeroScalar::try_from(bytes).ok()
}

fn reduce(bytes: &FieldBytes) -> Scalar {
    <Scalar as Reduce<FieldBytes>>::reduce(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn array<const N: usize>(text: &str) -> [u8; N] {
        hex::decode(text).unwrap().try_into().unwrap()
    }

    /// GB/T 32918.5-2017 appendix A: the example on the recommended curve, every published step.
    #[test]
    fn the_standard_example_is_reproduced() {
        let key =
            SigningKey::from_bytes(&array("3945208f7b2144b13f36e38ac6d39f95889393692860b51a42fb81ef4df7c5b8")).unwrap();
        assert_eq!(
            hex::encode(key.public.to_uncompressed_point()),
            "0409f9df311e5421a150dd7d161e4bc5c672179fad1833fc076bb08ff356f35020\
             ccea490ce26775a52dc6ea718cc1aa600aed05fbf35e084a6632f6072da9ad13"
        );
        let e = message_scalar(IDENTITY, &key.coordinates(), b"message digest");
        assert_eq!(hex::encode(e.to_repr()), "f0b43e94ba45accaace692ed534382eb17e6ab5a19ce7b31f4486fdfc0d28640");
        let nonce: [u8; 32] = array("59276e27d506861a16680f3ad9c02dccef3cc1fa3cdbe4ce6d54b80deac1bc21");
        let signature = key.sign_with(e, nonzero_scalar(&nonce).unwrap()).unwrap();
        assert_eq!(
            hex::encode(signature.0),
            "f5a03b0648d2c4630eeac513e1bb81a15944da3827d5b74143ac7eaceee720b3\
             b1b6aa29df212fd8763182bc0d421ca1bb9038fd1f7f42d4840b69c485bbc1aa"
        );
        assert_eq!(verify(&key.public_key(), b"message digest", &signature), Ok(()));
    }

    #[test]
    fn another_identity_is_another_signature() {
        let key = SigningKey::from_bytes(&[7; 32]).unwrap();
        let signature = key.sign_with_identity(b"", b"message").unwrap();
        let public_key = key.public_key();
        assert_eq!(verify(&public_key, b"message", &signature), Err(SignatureError::Mismatch));
        assert_eq!(verify_with_identity(b"", &public_key, b"message", &signature), Ok(()));
    }

    /// Negating s or t, the moves that work for ECDSA, gives nothing valid.
    #[test]
    fn a_signature_has_no_simple_twin() {
        let key = SigningKey::from_bytes(&[9; 32]).unwrap();
        let signature = key.sign(b"message").unwrap();
        let r = nonzero_scalar(&signature.0[..32]).unwrap();
        let s = nonzero_scalar(&signature.0[32..]).unwrap();
        for (r, s) in [(*r, -*s), (-*r, -*s), (-*r, *s), (*r, -*s - *r - *r)] {
            let mut twin = [0; 64];
            twin[..32].copy_from_slice(&r.to_repr());
            twin[32..].copy_from_slice(&s.to_repr());
            let verdict = verify(&key.public_key(), b"message", &Signature(twin));
            assert_eq!(verdict, Err(SignatureError::Mismatch));
        }
    }

    #[test]
    fn numbers_out_of_range_are_refused() {
        let key = SigningKey::from_bytes(&[9; 32]).unwrap();
        let good = key.sign(b"message").unwrap();
        let order: [u8; 32] = array("fffffffeffffffffffffffffffffffff7203df6b21c6052b53bbf40939d54123");
        for half in [0, 32] {
            for bytes in [[0; 32], order, [0xff; 32]] {
                let mut bad = good;
                bad.0[half..half + 32].copy_from_slice(&bytes);
                assert_eq!(verify(&key.public_key(), b"message", &bad), Err(SignatureError::MalformedSignature));
            }
        }
        // r + s = n makes t zero.
        let r = nonzero_scalar(&good.0[..32]).unwrap();
        let mut bad = good;
        bad.0[32..].copy_from_slice(&(-*r).to_repr());
        assert_eq!(verify(&key.public_key(), b"message", &bad), Err(SignatureError::MalformedSignature));
    }
}
