//! Verification by purpose: transactions, votes, and batches of transaction signatures.

use rayon::prelude::*;

use crate::ed25519_batch::{verify_chunk, Entry, CHUNK};
use crate::key::{PublicKey, Signature, SignatureError};
use crate::known_keys::KnownKeys;
use crate::{ecdsa, ed25519, sm2dsa};

/// A smaller part is not worth a second core: each halving of a chunk this size makes its signatures dearer by a tenth (the
/// multi-scalar multiplication gains with size), while a part takes 4 ms at most.
const SMALLEST_CHUNK: usize = 256;

/// Verifies a transaction's signature: Ed25519 by ZIP-215, ECDSA with low S only, SM2 with the
/// fixed identity.
pub fn verify_transaction(public_key: &PublicKey, message: &[u8], signature: &Signature) -> Result<(), SignatureError> {
    match public_key {
        PublicKey::Ed25519(key) => ed25519::verify_zip215(key, message, signature),
        _ => verify_weierstrass(public_key, message, signature),
    }
}

/// Verifies the signature of a vote or certificate: Ed25519 by the strict rule (canonical A and R,
/// neither of small order, S < L, no cofactor), the other algorithms as for transactions.
pub fn verify_vote(public_key: &PublicKey, message: &[u8], signature: &Signature) -> Result<(), SignatureError> {
    match public_key {
        PublicKey::Ed25519(key) => ed25519::verify_strict(key, message, signature),
        _ => verify_weierstrass(public_key, message, signature),
    }
}

fn verify_weierstrass(public_key: &PublicKey, message: &[u8], signature: &Signature) -> Result<(), SignatureError> {
    match public_key {
        PublicKey::Ed25519(_) => Err(SignatureError::MalformedKey),
        PublicKey::Secp256k1(key) => ecdsa::verify_secp256k1(key, message, signature),
        PublicKey::P256(key) => ecdsa::verify_p256(key, message, signature),
        PublicKey::Sm2(key) => sm2dsa::verify(key, message, signature),
    }
}

/// One signature of a batch.
#[derive(Clone, Copy, Debug)]
pub struct SignedItem<'a> {
    /// Who is said to have signed.
    pub public_key: &'a PublicKey,
    /// The signed bytes.
    pub message: &'a [u8],
    /// The signature.
    pub signature: &'a Signature,
}

/// Verifies many transaction signatures on all cores of the current rayon pool.
///
/// Returns one verdict per item, in order, each equal to that of [`verify_transaction`]. The
/// verdicts depend on nothing but the items: no randomness, no number of threads, not on which keys are known.
pub fn verify_batch(items: &[SignedItem<'_>], known: &KnownKeys) -> Vec<bool> {
    let mut edwards = Vec::with_capacity(items.len());
    let mut others = Vec::new();
    for (position, item) in items.iter().enumerate() {
        match item.public_key {
            PublicKey::Ed25519(public_key) => {
                edwards.push((position, Entry { public_key, message: item.message, signature: item.signature }));
            }
            _ => others.push((position, item)),
        }
    }
    let (edwards, others) = rayon::join(|| verify_edwards(edwards, known), || verify_others(&others));
    let mut verdicts = vec![false; items.len()];
    for (position, good) in edwards.into_iter().chain(others) {
        if let Some(verdict) = verdicts.get_mut(position) {
            *verdict = good;
        }
    }
    verdicts
}

fn verify_edwards(entries: Vec<(usize, Entry<'_>)>, known: &KnownKeys) -> Vec<(usize, bool)> {
    let (positions, entries): (Vec<usize>, Vec<Entry<'_>>) = entries.into_iter().unzip();
    let verdicts: Vec<bool> = entries
        .par_chunks(chunk_size(entries.len(), rayon::current_num_threads()))
        .flat_map_iter(|chunk| verify_chunk(chunk, known))
        .collect();
    positions.into_iter().zip(verdicts).collect()
}

fn verify_others(items: &[(usize, &SignedItem<'_>)]) -> Vec<(usize, bool)> {
    items
        .par_iter()
        .map(|(position, item)| {
            let verdict = verify_transaction(item.public_key, item.message, item.signature);
            (*position, verdict.is_ok())
        })
        .collect()
}

/// Even chunks for all threads, none above [`CHUNK`], none below [`SMALLEST_CHUNK`] but a single one.
fn chunk_size(count: usize, threads: usize) -> usize {
    let threads = threads.max(1);
    let rounds = count.div_ceil(CHUNK * threads).max(1);
    count.div_ceil(rounds * threads).max(SMALLEST_CHUNK)
}
