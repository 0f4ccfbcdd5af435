//! Batch verification gives every signature the verdict it gets alone.

// Helpers of a test may fail loudly, as the tests themselves do.
#![allow(clippy::unwrap_used)]

use bubi_crypto::{
    verify_batch, verify_transaction, KnownKeys, PublicKey, SecretKey, Signature, SignatureAlgorithm, SignedItem,
};
use curve25519_dalek::constants::EIGHT_TORSION;
use curve25519_dalek::edwards::CompressedEdwardsY;
use curve25519_dalek::Scalar;
use proptest::prelude::*;

#[derive(Clone, Debug)]
struct Signed {
    key: PublicKey,
    message: Vec<u8>,
    signature: Signature,
}

fn signed(algorithm: SignatureAlgorithm, number: u64) -> Signed {
    let mut entropy = [0; 32];
    entropy[..8].copy_from_slice(&number.to_le_bytes());
    let secret = SecretKey::generate(algorithm, &entropy).unwrap();
    let message = format!("message {number}").into_bytes();
    let signature = secret.sign(&message).unwrap();
    Signed { key: secret.public_key(), message, signature }
}

fn batch(set: &[Signed]) -> Vec<bool> {
    let items: Vec<SignedItem<'_>> = set
        .iter()
        .map(|item| SignedItem { public_key: &item.key, message: &item.message, signature: &item.signature })
        .collect();
    let verdicts = verify_batch(&items, &KnownKeys::new(0));
    // Which keys are known changes nothing: all of them, or some when only some have room.
    for capacity in [10_000, 1] {
        let known = KnownKeys::new(capacity);
        assert_eq!(verify_batch(&items, &known), verdicts);
        assert_eq!(verify_batch(&items, &known), verdicts);
    }
    verdicts
}

fn alone(set: &[Signed]) -> Vec<bool> {
    set.iter().map(|item| verify_transaction(&item.key, &item.message, &item.signature).is_ok()).collect()
}

/// Adds a scalar to S.
fn shift_response(signature: &mut Signature, by: Scalar) {
    let response: [u8; 32] = signature.0[32..].try_into().unwrap();
    let response = Scalar::from_canonical_bytes(response).unwrap() + by;
    signature.0[32..].copy_from_slice(response.as_bytes());
}

/// Adds a small-order point to R, which changes the challenge too: the signature becomes bad.
fn shift_nonce(signature: &mut Signature, torsion: usize) {
    let nonce: [u8; 32] = signature.0[..32].try_into().unwrap();
    let nonce = CompressedEdwardsY(nonce).decompress().unwrap() + EIGHT_TORSION[torsion];
    signature.0[..32].copy_from_slice(&nonce.compress().0);
}

#[test]
fn empty_and_tiny_batches() {
    assert!(batch(&[]).is_empty());
    for count in 1..6u64 {
        let mut set: Vec<Signed> = (0..count).map(|number| signed(SignatureAlgorithm::Ed25519, number)).collect();
        assert_eq!(batch(&set), vec![true; set.len()]);
        for bad in 0..set.len() {
            let good = set[bad].clone();
            set[bad].message.push(0);
            let expected: Vec<bool> = (0..set.len()).map(|index| index != bad).collect();
            assert_eq!(batch(&set), expected);
            set[bad] = good;
        }
    }
}

/// Errors that cancel in a plain sum must not cancel under the coefficients.
#[test]
fn errors_that_cancel_each_other_are_found() {
    let mut set: Vec<Signed> = (0..64).map(|number| signed(SignatureAlgorithm::Ed25519, number)).collect();
    for (left, right) in [(0, 1), (2, 63), (31, 32)] {
        shift_response(&mut set[left].signature, Scalar::from(5u8));
        shift_response(&mut set[right].signature, -Scalar::from(5u8));
    }
    let expected: Vec<bool> = (0..64).map(|index| ![0, 1, 2, 63, 31, 32].contains(&index)).collect();
    assert_eq!(batch(&set), expected);
}

#[test]
fn many_chunks_with_any_share_of_bad_signatures() {
    let good: Vec<Signed> = (0..5000).map(|number| signed(SignatureAlgorithm::Ed25519, number)).collect();
    for step in [usize::MAX, 4999, 100, 7, 2, 1] {
        let mut set = good.clone();
        for item in set.iter_mut().step_by(step) {
            item.message.push(0);
        }
        let expected: Vec<bool> = (0..set.len()).map(|index| index % step != 0).collect();
        assert_eq!(batch(&set), expected, "one bad in {step}");
    }
}

#[test]
fn the_number_of_threads_does_not_matter() {
    let mut set: Vec<Signed> = (0..300).map(|number| signed(SignatureAlgorithm::Ed25519, number)).collect();
    for number in [0, 17, 18, 150, 299] {
        shift_nonce(&mut set[number].signature, 1);
    }
    let expected = alone(&set);
    for threads in [1, 2, 3, 7] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        assert_eq!(pool.install(|| batch(&set)), expected, "{threads} threads");
    }
}

/// What to do to one signature.
#[derive(Clone, Debug)]
enum Damage {
    None,
    Message,
    Key(usize, u8),
    Signature(usize, u8),
    Torsion(usize),
    Response,
    SmallOrder(usize, usize),
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        12 => Just(Damage::None),
        1 => Just(Damage::Message),
        1 => (0usize..32, 0u8..8).prop_map(|(byte, bit)| Damage::Key(byte, bit)),
        1 => (0usize..64, 0u8..8).prop_map(|(byte, bit)| Damage::Signature(byte, bit)),
        1 => (1usize..8).prop_map(Damage::Torsion),
        1 => Just(Damage::Response),
        1 => (0usize..8, 0usize..8).prop_map(|(key, nonce)| Damage::SmallOrder(key, nonce)),
    ]
}

fn apply(item: &mut Signed, damage: &Damage) {
    let PublicKey::Ed25519(mut key) = item.key else {
        if !matches!(damage, Damage::None) {
            item.message.push(1);
        }
        return;
    };
    match *damage {
        Damage::None => {}
        Damage::Message => item.message.push(1),
        Damage::Key(byte, bit) => key[byte] ^= 1 << bit,
        Damage::Signature(byte, bit) => item.signature.0[byte] ^= 1 << bit,
        Damage::Torsion(index) => shift_nonce(&mut item.signature, index),
        Damage::Response => shift_response(&mut item.signature, Scalar::ONE),
        Damage::SmallOrder(left, right) => {
            key = EIGHT_TORSION[left].compress().0;
            item.signature = Signature([0; 64]);
            item.signature.0[..32].copy_from_slice(&EIGHT_TORSION[right].compress().0);
        }
    }
    item.key = PublicKey::Ed25519(key);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn batch_equals_single(plan in prop::collection::vec((0u64..500, 0u8..40, damage()), 0..150)) {
        let set: Vec<Signed> = plan
            .iter()
            .map(|(number, algorithm, damage)| {
                // Mostly Ed25519: the other algorithms are slow and have no batch equation.
                let algorithm = SignatureAlgorithm::try_from(*algorithm)
                    .unwrap_or(SignatureAlgorithm::Ed25519);
                let mut item = signed(algorithm, *number);
                apply(&mut item, damage);
                item
            })
            .collect();
        prop_assert_eq!(batch(&set), alone(&set));
    }
}
