//! Batches of other validators: checked alone, or all that wait at once.
//!
//! A multi-scalar multiplication costs less per signature the more signatures it has, so the transactions of batches that wait
//! together are verified as one list. Each batch gets the verdict that it would get alone.

use crate::{
    admission::{join_bulk, split_bulk, Verified},
    chain::{Batch, Chain},
    error::{ChainError, Result},
};
use bubi_codec::{
    block::{signed, BatchHeader, SignedBatch},
    decode, domain,
};
use bubi_store::Disk;
use std::ops::Range;

/// Transactions verified in one go. More save nothing, and what is wrong in one batch makes all the others wait.
const TOGETHER_MAX: usize = 4096;

/// A batch before its transactions are looked at: its header was signed by a validator.
struct Announced {
    header: SignedBatch,
    message: Vec<u8>,
}

/// A batch with a good header whose body is a list.
struct Listed<'a> {
    /// Which of the batches asked for.
    place: usize,
    announced: Announced,
    body: &'a [u8],
    ranges: Vec<Range<usize>>,
}

impl Listed<'_> {
    fn transactions(&self) -> impl Iterator<Item = &[u8]> + Clone {
        self.ranges.iter().map(|range| self.body.get(range.clone()).unwrap_or_default())
    }
}

fn wrong(detail: &str) -> ChainError {
    ChainError::refused("batch_invalid", detail)
}

impl<D: Disk> Chain<D> {
    /// Checks a batch from another node: its author, its signature, its root and every transaction in it.
    ///
    /// # Errors
    /// `batch_invalid` with the reason.
    pub fn decode_batch(&self, header: &[u8], bulk: &[u8]) -> Result<Batch> {
        let announced = self.announced(header)?;
        let admission = self.verify_bulk(bulk)?;
        let good = admission.verdicts.iter().all(Option::is_none);
        self.conclude(announced, good.then_some(admission.verified))
    }

    /// The same for batches (header and bulk body) that wait together: one verdict for each, in order.
    pub fn decode_batches(&self, batches: &[(&[u8], &[u8])]) -> Vec<Result<Batch>> {
        if let [(header, bulk)] = batches {
            return vec![self.decode_batch(header, bulk)];
        }
        let mut verdicts: Vec<(usize, Result<Batch>)> = Vec::with_capacity(batches.len());
        let mut group: Vec<Listed<'_>> = Vec::new();
        let mut transactions = 0;
        for (place, (header, body)) in batches.iter().enumerate() {
            match self.listed(place, header, body) {
                Err(error) => verdicts.push((place, Err(error))),
                Ok(listed) => {
                    if transactions + listed.ranges.len() > TOGETHER_MAX {
                        self.decode_group(std::mem::take(&mut group), &mut verdicts);
                        transactions = 0;
                    }
                    transactions += listed.ranges.len();
                    group.push(listed);
                }
            }
        }
        self.decode_group(group, &mut verdicts);
        verdicts.sort_unstable_by_key(|(place, _)| *place);
        verdicts.into_iter().map(|(_, verdict)| verdict).collect()
    }

    fn listed<'a>(&self, place: usize, header: &[u8], body: &'a [u8]) -> Result<Listed<'a>> {
        let announced = self.announced(header)?;
        let ranges = split_bulk(body)?;
        Ok(Listed { place, announced, body, ranges })
    }

    /// Verifies the transactions of all these batches as one list, and cuts it again.
    fn decode_group(&self, group: Vec<Listed<'_>>, verdicts: &mut Vec<(usize, Result<Batch>)>) {
        let count = group.iter().map(|one| one.ranges.len()).sum();
        let bulk = join_bulk(count, group.iter().flat_map(Listed::transactions));
        let admission = match self.verify_bulk(&bulk) {
            Ok(admission) => admission,
            Err(error) => {
                let refused = error.to_string();
                verdicts.extend(group.into_iter().map(|one| (one.place, Err(wrong(&refused)))));
                return;
            }
        };
        let mut refusals = admission.verdicts.into_iter();
        let mut transactions = admission.verified.transactions.into_iter();
        let mut entries = admission.verified.entries.into_iter();
        for Listed { place, announced, ranges, .. } in group {
            let good = refusals.by_ref().take(ranges.len()).filter(Option::is_none).count();
            let verified = Verified {
                transactions: transactions.by_ref().take(good).collect(),
                entries: entries.by_ref().take(good).collect(),
            };
            let whole = good == ranges.len();
            verdicts.push((place, self.conclude(announced, whole.then_some(verified))));
        }
    }

    /// Whether a validator signed the header.
    fn announced(&self, header: &[u8]) -> Result<Announced> {
        let header: SignedBatch = decode(header)?;
        let BatchHeader::V1 { author, .. } = &header.header;
        if !self.may_author(author) {
            return Err(wrong("its author is not a validator"));
        }
        let message = signed(domain::BATCH, self.chain_id(), &header.header)?;
        self.check_vote(author, &message, &header.signature)
            .map_err(|_| wrong("its author's signature is not valid"))?;
        Ok(Announced { header, message })
    }

    /// Whether these transactions, none if one of them is not valid, are those of the header.
    fn conclude(&self, Announced { header, message }: Announced, verified: Option<Verified>) -> Result<Batch> {
        let verified = verified.ok_or_else(|| wrong("it holds a transaction that is not valid"))?;
        let BatchHeader::V1 { count, bytes, root, .. } = &header.header;
        let fits = verified.entries.len() == *count as usize
            && verified.bytes() == *bytes as usize
            && self.batch_root(&verified) == *root;
        if !fits {
            return Err(wrong("its transactions are not those of its header"));
        }
        let digest = self.suite().hash(&[&message]);
        Ok(Batch { header, digest, verified })
    }
}
