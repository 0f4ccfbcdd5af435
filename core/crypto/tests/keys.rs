//! Keys and signing: published examples, ranges, wire form, secrecy.

// Helpers of a test may fail loudly, as the tests themselves do.
#![allow(clippy::unwrap_used)]

use bubi_crypto::{
    verify_transaction, verify_vote, PublicKey, SecretKey, Signature, SignatureAlgorithm, SignatureError,
};
use proptest::prelude::*;

const ALGORITHMS: [SignatureAlgorithm; 4] =
    [SignatureAlgorithm::Ed25519, SignatureAlgorithm::Secp256k1, SignatureAlgorithm::P256, SignatureAlgorithm::Sm2];

fn array(text: &str) -> [u8; 32] {
    hex::decode(text).unwrap().try_into().unwrap()
}

/// RFC 8032 section 7.1, test 1.
#[test]
fn ed25519_signs_the_rfc_example() {
    let secret = array("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60");
    let key = SecretKey::from_bytes(SignatureAlgorithm::Ed25519, &secret).unwrap();
    assert_eq!(
        hex::encode(key.public_key().as_bytes()),
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
    );
    assert_eq!(
        hex::encode(key.sign(b"").unwrap().0),
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155\
         5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
    );
}

/// RFC 6979 appendix A.2.5, message "sample" with SHA-256. The RFC's s is high: f7cb…cda8; ours is
/// n − s.
#[test]
fn p256_signs_the_rfc_example_with_low_s() {
    let secret = array("c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721");
    let key = SecretKey::from_bytes(SignatureAlgorithm::P256, &secret).unwrap();
    let signature = key.sign(b"sample").unwrap();
    assert_eq!(
        hex::encode(signature.0),
        "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716\
         0834e36ad29a83bf2bc9385e491d6099c8fdf9d1ed67aa7ea5f51f93782857a9"
    );
    let mut high = signature;
    high.0[32..].copy_from_slice(&array("f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8"));
    assert_eq!(verify_transaction(&key.public_key(), b"sample", &high), Err(SignatureError::HighS));
}

#[test]
fn secrets_outside_the_group_are_refused() {
    let one_below = |order: &str| {
        let mut bytes = array(order);
        bytes[31] -= 1;
        bytes
    };
    for (algorithm, order, largest_is_good) in [
        (SignatureAlgorithm::Secp256k1, "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141", true),
        (SignatureAlgorithm::P256, "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551", true),
        // 1 + d has no inverse for d = n − 1.
        (SignatureAlgorithm::Sm2, "fffffffeffffffffffffffffffffffff7203df6b21c6052b53bbf40939d54123", false),
    ] {
        for secret in [[0; 32], array(order), [0xff; 32]] {
            let error = SecretKey::from_bytes(algorithm, &secret).err();
            assert_eq!(error, Some(SignatureError::SecretOutOfRange), "{algorithm:?}");
        }
        let largest = SecretKey::from_bytes(algorithm, &one_below(order));
        assert_eq!(largest.is_ok(), largest_is_good, "{algorithm:?}");
    }
}

#[test]
fn keys_that_do_not_decode_are_not_registered() {
    for algorithm in ALGORITHMS {
        let key = SecretKey::generate(algorithm, &[1; 32]).unwrap().public_key();
        assert_eq!(key.check_registration(), Ok(()), "{algorithm:?}");
        let mut bytes = key.as_bytes().to_vec();
        if algorithm != SignatureAlgorithm::Ed25519 {
            for tag in [0, 1, 4, 5, 6, 7, 0xff] {
                bytes[0] = tag;
                let key = PublicKey::from_bytes(algorithm, &bytes).unwrap();
                assert_eq!(key.check_registration(), Err(SignatureError::MalformedKey));
                assert!(verify_transaction(&key, b"", &Signature([1; 64])).is_err());
            }
            bytes[0] = 2;
            bytes[1..].fill(0xff);
            let key = PublicKey::from_bytes(algorithm, &bytes).unwrap();
            assert_eq!(key.check_registration(), Err(SignatureError::MalformedKey));
        }
        bytes.push(0);
        assert_eq!(PublicKey::from_bytes(algorithm, &bytes), Err(SignatureError::KeyLength));
    }
    let not_on_curve = PublicKey::Ed25519(array("0200000000000000000000000000000000000000000000000000000000000000"));
    assert_eq!(not_on_curve.check_registration(), Err(SignatureError::MalformedKey));
}

#[test]
fn wire_forms_are_fixed() {
    for (number, algorithm) in (0u8..).zip(ALGORITHMS) {
        let secret = SecretKey::generate(algorithm, &[9; 32]).unwrap();
        let key = secret.public_key();
        let bytes = bcs::to_bytes(&key).unwrap();
        assert_eq!(bytes[0], number);
        assert_eq!(&bytes[1..], key.as_bytes());
        assert_eq!(bytes.len(), 1 + algorithm.public_key_length());
        assert_eq!(bcs::from_bytes::<PublicKey>(&bytes).unwrap(), key);
        assert!(bcs::from_bytes::<PublicKey>(&bytes[..bytes.len() - 1]).is_err());
        assert_eq!(SignatureAlgorithm::try_from(number), Ok(algorithm));
        let signature = secret.sign(b"m").unwrap();
        let bytes = bcs::to_bytes(&signature).unwrap();
        assert_eq!(bytes, signature.0);
        assert_eq!(bcs::from_bytes::<Signature>(&bytes).unwrap(), signature);
    }
    assert!(SignatureAlgorithm::try_from(4).is_err());
    assert!(Signature::from_slice(&[0; 63]).is_err());
}

#[test]
fn secrets_are_never_printed() {
    for algorithm in ALGORITHMS {
        let secret = SecretKey::generate(algorithm, &[3; 32]).unwrap();
        assert_eq!(format!("{secret:?}"), format!("SecretKey({algorithm:?}, secret)"));
    }
}

proptest! {
    #[test]
    fn a_signature_is_valid_for_its_message_and_key_alone(
        number in 0usize..4,
        entropy in any::<[u8; 32]>(),
        message in prop::collection::vec(any::<u8>(), 1..300),
        at in any::<prop::sample::Index>(),
        bit in 0u8..8,
    ) {
        let algorithm = ALGORITHMS[number];
        let secret = SecretKey::generate(algorithm, &entropy).unwrap();
        let key = secret.public_key();
        let signature = secret.sign(&message).unwrap();
        prop_assert_eq!(secret.sign(&message).unwrap(), signature);
        prop_assert_eq!(verify_transaction(&key, &message, &signature), Ok(()));
        prop_assert_eq!(verify_vote(&key, &message, &signature), Ok(()));

        let restored = SecretKey::from_bytes(algorithm, &secret.to_bytes()).unwrap();
        prop_assert_eq!(restored.public_key(), key);

        let mut changed = message.clone();
        changed[at.index(message.len())] ^= 1 << bit;
        prop_assert!(verify_transaction(&key, &changed, &signature).is_err());
        prop_assert!(verify_vote(&key, &changed, &signature).is_err());

        let mut changed = signature;
        changed.0[at.index(64)] ^= 1 << bit;
        prop_assert!(verify_transaction(&key, &message, &changed).is_err());
        prop_assert!(verify_vote(&key, &message, &changed).is_err());

        let mut entropy = entropy;
        entropy[0] ^= 1;
        let stranger = SecretKey::generate(algorithm, &entropy).unwrap().public_key();
        prop_assert!(verify_transaction(&stranger, &message, &signature).is_err());
    }
}
