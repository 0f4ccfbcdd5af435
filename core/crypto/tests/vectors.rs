//! Published vectors: Wycheproof, the twelve Ed25519 cases, and every Ed25519 signature that can be
//! made of small-order points.

// Helpers of a test may fail loudly, as the tests themselves do.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use bubi_crypto::{
    verify_batch, verify_transaction, verify_vote, KnownKeys, PublicKey, Signature, SignatureAlgorithm, SignatureError,
    SignedItem,
};
use curve25519_dalek::constants::EIGHT_TORSION;
use serde_json::Value;

struct Case {
    key: PublicKey,
    message: Vec<u8>,
    signature: Vec<u8>,
    /// What the file says.
    valid: bool,
    label: String,
}

impl Case {
    fn transaction(&self) -> Result<(), SignatureError> {
        verify_transaction(&self.key, &self.message, &Signature::from_slice(&self.signature)?)
    }

    fn vote(&self) -> Result<(), SignatureError> {
        verify_vote(&self.key, &self.message, &Signature::from_slice(&self.signature)?)
    }
}

fn load(name: &str) -> Value {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/vectors");
    serde_json::from_slice(&std::fs::read(folder.join(name)).unwrap()).unwrap()
}

fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap()).unwrap()
}

fn wycheproof(name: &str, algorithm: SignatureAlgorithm) -> Vec<Case> {
    let file = load(name);
    let mut cases = Vec::new();
    for group in file["testGroups"].as_array().unwrap() {
        let public = &group["publicKey"];
        let key = if algorithm == SignatureAlgorithm::Ed25519 {
            bytes(&public["pk"])
        } else {
            compress(&bytes(&public["uncompressed"]))
        };
        for test in group["tests"].as_array().unwrap() {
            cases.push(Case {
                key: PublicKey::from_bytes(algorithm, &key).unwrap(),
                message: bytes(&test["msg"]),
                signature: bytes(&test["sig"]),
                valid: test["result"] == "valid",
                label: format!("{name} {}: {}", test["tcId"], test["comment"]),
            });
        }
    }
    assert_eq!(cases.len() as u64, file["numberOfTests"].as_u64().unwrap());
    cases
}

fn compress(uncompressed: &[u8]) -> Vec<u8> {
    let mut key = vec![2 + (uncompressed[64] & 1)];
    key.extend_from_slice(&uncompressed[1..33]);
    key
}

fn speccheck() -> Vec<Case> {
    load("ed25519_speccheck_cases.json")
        .as_array()
        .unwrap()
        .iter()
        .enumerate()
        .map(|(number, case)| Case {
            key: PublicKey::from_bytes(SignatureAlgorithm::Ed25519, &bytes(&case["pub_key"])).unwrap(),
            message: bytes(&case["message"]),
            signature: bytes(&case["signature"]),
            valid: !(6..=8).contains(&number),
            label: format!("speccheck {number}"),
        })
        .collect()
}

/// All fourteen encodings of the eight small-order points: eight canonical, six not.
fn small_order_encodings() -> Vec<[u8; 32]> {
    let mut encodings: Vec<[u8; 32]> = EIGHT_TORSION.iter().map(|point| point.compress().0).collect();
    let field_prime = |offset: u8, sign: u8| {
        let mut encoding = [0xff; 32];
        encoding[0] = 0xed + offset;
        encoding[31] = 0x7f | sign;
        encoding
    };
    let mut minus_zero = [0u8; 32];
    (minus_zero[0], minus_zero[31]) = (1, 0x80);
    let mut minus_one = [0xff; 32];
    minus_one[0] = 0xec;
    encodings.extend([
        field_prime(0, 0),
        field_prime(0, 0x80),
        field_prime(1, 0),
        field_prime(1, 0x80),
        minus_zero,
        minus_one,
    ]);
    encodings
}

/// Every pair of small-order A and R with S = 0: valid under ZIP-215 for every message.
fn small_order_cases() -> Vec<Case> {
    let encodings = small_order_encodings();
    let mut cases = Vec::new();
    for key in &encodings {
        for nonce in &encodings {
            let mut signature = nonce.to_vec();
            signature.extend([0; 32]);
            cases.push(Case {
                key: PublicKey::Ed25519(*key),
                message: b"Zcash".to_vec(),
                signature,
                valid: true,
                label: format!("small order {} {}", hex::encode(key), hex::encode(nonce)),
            });
        }
    }
    cases
}

const WYCHEPROOF_ED25519: &str = "wycheproof_ed25519_test.json";

/// Number 151 has an R with x = 0 and the sign bit set. RFC 8032 refuses that encoding and so does
/// the strict rule; ZIP-215 accepts every encoding that decodes, this one by name.
const DECODES_ONLY_UNDER_ZIP_215: &str = "wycheproof_ed25519_test.json 151:";

#[test]
fn wycheproof_ed25519_except_one_encoding_for_transactions() {
    let mut exceptions = 0;
    for case in wycheproof(WYCHEPROOF_ED25519, SignatureAlgorithm::Ed25519) {
        let exception = case.label.starts_with(DECODES_ONLY_UNDER_ZIP_215);
        exceptions += usize::from(exception);
        assert_eq!(case.transaction().is_ok(), case.valid || exception, "{}", case.label);
        assert_eq!(case.vote().is_ok(), case.valid, "{} as a vote", case.label);
        assert_eq!(case.key.check_registration(), Ok(()), "{}", case.label);
    }
    assert_eq!(exceptions, 1);
}

#[test]
fn the_twelve_cases_follow_zip_215_for_transactions() {
    for case in speccheck() {
        assert_eq!(case.transaction().is_ok(), case.valid, "{}", case.label);
    }
}

#[test]
fn the_twelve_cases_follow_the_strict_rule_for_votes() {
    use SignatureError::{MalformedSignature, Mismatch, NonCanonicalKey, SmallOrderKey, SmallOrderNonce};
    let verdicts: Vec<_> = speccheck().iter().map(Case::vote).collect();
    assert_eq!(
        verdicts,
        [
            Err(SmallOrderKey),
            Err(SmallOrderKey),
            Err(SmallOrderNonce),
            Ok(()),
            Err(Mismatch),
            Err(Mismatch),
            Err(MalformedSignature),
            Err(MalformedSignature),
            Err(Mismatch),
            Err(Mismatch),
            Err(NonCanonicalKey),
            Err(NonCanonicalKey),
        ]
    );
}

#[test]
fn small_order_signatures_are_transactions_but_never_votes_or_keys() {
    let cases = small_order_cases();
    assert_eq!(cases.len(), 196);
    for case in &cases {
        assert_eq!(case.transaction(), Ok(()), "{}", case.label);
        assert!(case.vote().is_err(), "{}", case.label);
        assert!(case.key.check_registration().is_err(), "{}", case.label);
    }
}

/// Half of each group order, rounded down: the largest s that is accepted.
const HALF_SECP256K1: &str = "7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0";
const HALF_P256: &str = "7fffffff800000007fffffffffffffffde737d56d38bcf4279dce5617e3192a8";

/// Valid signatures with a high s are refused with that reason; everything else as published.
fn check_ecdsa(name: &str, algorithm: SignatureAlgorithm, half_order: &str) -> usize {
    let half_order = hex::decode(half_order).unwrap();
    let mut refused_high = 0;
    for case in wycheproof(name, algorithm) {
        let high = case.signature.get(32..64).is_some_and(|s| s > half_order.as_slice());
        if case.valid && high {
            refused_high += 1;
            assert_eq!(case.transaction(), Err(SignatureError::HighS), "{}", case.label);
        } else {
            assert_eq!(case.transaction().is_ok(), case.valid, "{}", case.label);
        }
        assert_eq!(case.transaction(), case.vote(), "{} as a vote", case.label);
    }
    refused_high
}

#[test]
fn wycheproof_secp256k1_except_high_s() {
    let refused =
        check_ecdsa("wycheproof_ecdsa_secp256k1_sha256_p1363_test.json", SignatureAlgorithm::Secp256k1, HALF_SECP256K1);
    assert_eq!(refused, 72);
}

#[test]
fn wycheproof_p256_except_high_s() {
    let refused = check_ecdsa("wycheproof_ecdsa_secp256r1_sha256_p1363_test.json", SignatureAlgorithm::P256, HALF_P256);
    assert_eq!(refused, 70);
}

#[test]
fn a_batch_of_all_vectors_agrees_with_each_alone() {
    let mut cases = wycheproof(WYCHEPROOF_ED25519, SignatureAlgorithm::Ed25519);
    cases.extend(speccheck());
    cases.extend(small_order_cases());
    cases.extend(wycheproof("wycheproof_ecdsa_secp256r1_sha256_p1363_test.json", SignatureAlgorithm::P256));
    let parsed: Vec<(Case, Signature)> = cases
        .into_iter()
        .filter_map(|case| Some((Signature::from_slice(&case.signature).ok()?, case)))
        .map(|(signature, case)| (case, signature))
        .collect();
    let items: Vec<SignedItem<'_>> = parsed
        .iter()
        .map(|(case, signature)| SignedItem { public_key: &case.key, message: &case.message, signature })
        .collect();
    for ((case, _), verdict) in parsed.iter().zip(verify_batch(&items, &KnownKeys::new(0))) {
        assert_eq!(verdict, case.transaction().is_ok(), "{}", case.label);
    }
}
