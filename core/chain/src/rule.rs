//! Which signatures a chain accepts: the real ones, or in simulations those of an ideal scheme that costs nothing.

use bubi_crypto::{
    verify_batch, verify_vote, HashSuite, KnownKeys, PublicKey, SecretKey, Signature, SignatureError, SignedItem,
};
use bubi_ledger::{strict_vote_rule, VoteRule};

/// The rule of a chain. Only [`crate::Chain::open_simulated`] makes one with the ideal rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    /// Votes and batches by the strict rule, transactions by theirs.
    Real,
    /// Votes and batches by [`ideal_signature`]; transactions by it or by their own.
    Ideal,
}

/// The ideal signature of a key over a message: anybody can compute it, so that nothing but a simulation may accept it, whose
/// members forge only where it wants them to.
pub fn ideal_signature(key: &PublicKey, message: &[u8]) -> Signature {
    let digest = HashSuite::Standard.hash(&[b"bubi:ideal", &key.tagged_bytes(), message]);
    let mut bytes = [0; 64];
    let (left, right) = bytes.split_at_mut(32);
    left.copy_from_slice(&digest.0);
    right.copy_from_slice(&digest.0);
    Signature(bytes)
}

impl Rule {
    /// How execution checks the votes in evidence.
    pub(crate) fn votes(self) -> VoteRule {
        match self {
            Self::Real => strict_vote_rule,
            Self::Ideal => |key, message, signature| *signature == ideal_signature(key, message),
        }
    }

    /// Signs a batch.
    pub(crate) fn sign(self, key: &SecretKey, message: &[u8]) -> Result<Signature, SignatureError> {
        match self {
            Self::Real => key.sign(message),
            Self::Ideal => Ok(ideal_signature(&key.public_key(), message)),
        }
    }

    /// Checks the signature of a vote or a batch.
    pub(crate) fn verify_vote(
        self,
        key: &PublicKey,
        message: &[u8],
        signature: &Signature,
    ) -> Result<(), SignatureError> {
        match self {
            Self::Real => verify_vote(key, message, signature),
            Self::Ideal if *signature == ideal_signature(key, message) => Ok(()),
            Self::Ideal => Err(SignatureError::Mismatch),
        }
    }

    /// Checks signatures of transactions; one verdict per item.
    pub(crate) fn verify_batch(self, items: &[SignedItem<'_>], known: &KnownKeys) -> Vec<bool> {
        if self == Self::Real {
            return verify_batch(items, known);
        }
        let mut verdicts: Vec<bool> =
            items.iter().map(|item| *item.signature == ideal_signature(item.public_key, item.message)).collect();
        let others = || verdicts.iter().enumerate().filter(|(_, good)| !**good).map(|(place, _)| place);
        let others: Vec<usize> = others().collect();
        let real: Vec<SignedItem<'_>> = others.iter().filter_map(|place| items.get(*place).copied()).collect();
        if real.is_empty() {
            return verdicts;
        }
        for (place, good) in others.into_iter().zip(verify_batch(&real, known)) {
            if let Some(verdict) = verdicts.get_mut(place) {
                *verdict = good;
            }
        }
        verdicts
    }
}
