//! Prints verifications per second of each algorithm through `verify_batch`, with distinct keys and
//! messages: all good, all good with keys that are known already, one signature in a hundred bad.
//!
//! `cargo run --release -p bubi-crypto --example verify_rate [COUNT]` (default 20,000; the slow
//! algorithms take a tenth of it). Each figure is the median of five runs, with the extremes.

// A measuring tool: it prints, and rates are fractions.
#![allow(clippy::print_stdout, clippy::float_arithmetic)]
#![allow(clippy::cast_precision_loss)]

use std::time::Instant;

use bubi_crypto::{
    verify_batch, KnownKeys, PublicKey, SecretKey, Signature, SignatureAlgorithm, SignatureError, SignedItem,
};

const RUNS: usize = 5;
const MESSAGE_LENGTH: usize = 200;

type Signed = (PublicKey, Vec<u8>, Signature);

fn main() -> Result<(), SignatureError> {
    let count = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(20_000usize);
    println!("threads: {}", rayon::current_num_threads());
    for (algorithm, share) in [
        (SignatureAlgorithm::Ed25519, 1),
        (SignatureAlgorithm::Secp256k1, 10),
        (SignatureAlgorithm::P256, 10),
        (SignatureAlgorithm::Sm2, 10),
    ] {
        let mut set = signed_set(algorithm, (count / share).max(1))?;
        let none = KnownKeys::new(0);
        let good = measure(&set, 0, &none);
        let known = KnownKeys::new(2 * set.len());
        for (key, _, _) in &set {
            known.learn(key);
        }
        let repeated = measure(&set, 0, &known);
        let bad = set.iter_mut().step_by(100).map(spoil).count();
        let mixed = measure(&set, bad, &none);
        println!("{algorithm:?}: {} signatures; good {good}; keys known {repeated}; 1 % bad {mixed}", set.len());
    }
    Ok(())
}

fn signed_set(algorithm: SignatureAlgorithm, count: usize) -> Result<Vec<Signed>, SignatureError> {
    (0..count)
        .map(|number| {
            let mut entropy = [0u8; 32];
            let mut message = vec![0x5a; MESSAGE_LENGTH];
            for (index, byte) in number.to_le_bytes().into_iter().enumerate() {
                if let (Some(left), Some(right)) = (entropy.get_mut(index), message.get_mut(index)) {
                    *left = byte;
                    *right = byte;
                }
            }
            let key = SecretKey::generate(algorithm, &entropy)?;
            let signature = key.sign(&message)?;
            Ok((key.public_key(), message, signature))
        })
        .collect()
}

/// Alters the message, so that the whole verification is done before the signature is refused.
fn spoil(item: &mut Signed) {
    item.1.push(0);
}

/// Verifications per second: "median (lowest-highest)".
fn measure(set: &[Signed], bad: usize, known: &KnownKeys) -> String {
    let items: Vec<SignedItem<'_>> =
        set.iter().map(|(public_key, message, signature)| SignedItem { public_key, message, signature }).collect();
    let mut rates: Vec<f64> = (0..RUNS)
        .map(|_| {
            let start = Instant::now();
            let verdicts = verify_batch(&items, known);
            let seconds = start.elapsed().as_secs_f64();
            let refused = verdicts.iter().filter(|good| !**good).count();
            assert_eq!(refused, bad, "a verdict is wrong");
            items.len() as f64 / seconds
        })
        .collect();
    rates.sort_by(f64::total_cmp);
    match rates.as_slice() {
        [low, _, median, _, high] => format!("{median:.0}/s ({low:.0}-{high:.0})"),
        _ => String::new(),
    }
}
