//! Many Ed25519 signatures at once, with the verdict that [`crate::ed25519`] gives each alone.
//!
//! For signatures i with coefficients z the residual of a set is
//! `(Σ z·S)·B − Σ z·R − Σ (z·k)·A`; times the cofactor it is zero if all are good, and if one is
//! bad it is zero with probability 2⁻¹²⁸. One multi-scalar multiplication for a whole chunk costs
//! far less than one equation per signature. Residuals add up, so a failing chunk is searched with
//! one new multiplication per split: what the last part lacks is whole − sum of the others.
//!
//! The coefficients are hashes of the whole chunk, never random: the verdict is a function of the
//! input, and whoever makes the signatures cannot choose them to fit.

use core::iter;

use curve25519_dalek::constants::ED25519_BASEPOINT_POINT;
use curve25519_dalek::traits::{IsIdentity, VartimeMultiscalarMul};
use curve25519_dalek::{EdwardsPoint, Scalar};
use sha2::{Digest, Sha256};

use crate::ed25519::{decode, decode_key, Decoded};
use crate::key::Signature;
use crate::known_keys::KnownKeys;

/// Signatures per multi-scalar multiplication at most. Gains end here (Pippenger's buckets), and
/// the decoded points of a chunk (0.4 MB) still fit a second-level cache.
pub(crate) const CHUNK: usize = 1024;

/// A failing chunk is first cut into groups of this size, then each failing group into halves.
const GROUP: usize = 32;

/// Fewer signatures than this are checked one by one: a batch of two costs more than it saves.
const SMALLEST_BATCH: usize = 3;

/// What a signature is made of, borrowed.
pub(crate) struct Entry<'a> {
    pub(crate) public_key: &'a [u8; 32],
    pub(crate) message: &'a [u8],
    pub(crate) signature: &'a Signature,
}

/// One verdict per entry. Runs in the calling thread; at most [`CHUNK`] entries are sensible. A key that was not known and has
/// signed well is known from now on: who cannot sign takes nobody's place.
pub(crate) fn verify_chunk(entries: &[Entry<'_>], known: &KnownKeys) -> Vec<bool> {
    let mut is_new = vec![false; entries.len()];
    let decoded: Vec<Option<Decoded>> = entries
        .iter()
        .zip(&mut is_new)
        .map(|(entry, is_new)| {
            let found = known.find(entry.public_key);
            *is_new = found.is_none();
            let minus_key = found.or_else(|| decode_key(entry.public_key))?;
            decode(entry.public_key, minus_key, entry.message, entry.signature).ok()
        })
        .collect();
    let verdicts = judge_all(entries, &decoded);
    for (((entry, parts), is_new), good) in entries.iter().zip(&decoded).zip(is_new).zip(&verdicts) {
        if let (Some(parts), true, true) = (parts, is_new, good) {
            known.keep(entry.public_key, parts.minus_key);
        }
    }
    verdicts
}

fn judge_all(entries: &[Entry<'_>], decoded: &[Option<Decoded>]) -> Vec<bool> {
    if entries.len() < SMALLEST_BATCH {
        return decoded.iter().map(|item| item.as_ref().is_some_and(|parts| parts.check().is_ok())).collect();
    }
    let terms = weigh(entries, decoded);
    let mut verdicts = vec![false; entries.len()];
    let whole = residual(&terms);
    judge(&terms, whole, &mut |terms, good| {
        for term in terms {
            if let Some(verdict) = verdicts.get_mut(term.position) {
                *verdict = good;
            }
        }
    });
    verdicts
}

/// A signature multiplied by its coefficient z.
struct Term<'a> {
    /// Where its verdict belongs.
    position: usize,
    parts: &'a Decoded,
    /// z·S.
    response: Scalar,
    /// z·k, the factor of −A.
    key_factor: Scalar,
    /// z, the factor of −R.
    nonce_factor: Scalar,
}

/// Derives the coefficients of a chunk. They depend on every well-formed signature in it: keys, R
/// and S as encoded, and the messages through the challenges, which are all that the equation has.
fn weigh<'a>(entries: &[Entry<'_>], decoded: &'a [Option<Decoded>]) -> Vec<Term<'a>> {
    let mut transcript = Sha256::new_with_prefix(b"bubi/ed25519-batch/1");
    for (entry, parts) in entries.iter().zip(decoded) {
        if let Some(parts) = parts {
            transcript.update(entry.public_key);
            transcript.update(entry.signature.0);
            transcript.update(parts.challenge.as_bytes());
        }
    }
    let seed = transcript.finalize();
    let mut coefficients = (0u64..).flat_map(|counter| {
        let block: [u8; 32] = Sha256::new_with_prefix(seed).chain_update(counter.to_le_bytes()).finalize().into();
        let whole = [u128_at(&block, 0), u128_at(&block, 16)];
        // A zero would drop a signature from the equation.
        whole.map(|value| Scalar::from(value.max(1)))
    });
    decoded
        .iter()
        .enumerate()
        .filter_map(|(position, parts)| Some((position, parts.as_ref()?)))
        .zip(iter::from_fn(|| coefficients.next()))
        .map(|((position, parts), factor)| Term {
            position,
            parts,
            response: factor * parts.response,
            key_factor: factor * parts.challenge,
            nonce_factor: factor,
        })
        .collect()
}

fn u128_at(block: &[u8; 32], start: usize) -> u128 {
    block.iter().skip(start).take(16).rev().fold(0, |value, byte| (value << 8) | u128::from(*byte))
}

/// (Σ z·S)·B − Σ z·R − Σ (z·k)·A.
fn residual(terms: &[Term<'_>]) -> EdwardsPoint {
    let base_factor: Scalar = terms.iter().map(|term| term.response).sum();
    let factors = iter::once(&base_factor)
        .chain(terms.iter().map(|term| &term.key_factor))
        .chain(terms.iter().map(|term| &term.nonce_factor));
    let points = iter::once(&ED25519_BASEPOINT_POINT)
        .chain(terms.iter().map(|term| &term.parts.minus_key))
        .chain(terms.iter().map(|term| &term.parts.minus_nonce));
    EdwardsPoint::vartime_multiscalar_mul(factors, points)
}

/// Reports which of `terms` are good, given their residual.
fn judge(terms: &[Term<'_>], whole: EdwardsPoint, report: &mut impl FnMut(&[Term<'_>], bool)) {
    if whole.mul_by_cofactor().is_identity() {
        report(terms, true);
    } else if terms.len() <= 1 {
        report(terms, false);
    } else {
        let part = if terms.len() > GROUP { GROUP } else { terms.len().div_ceil(2) };
        let mut rest = whole;
        let mut parts = terms.chunks(part).peekable();
        while let Some(terms) = parts.next() {
            let own = if parts.peek().is_some() { residual(terms) } else { rest };
            rest -= own;
            judge(terms, own, report);
        }
    }
}
