//! What makes a proposal valid, who leads, and what a node that was not there needs of a block.

use crate::{
    chain::{broken, Batch, Chain, Inner},
    error::{ChainError, Result},
    history::split_body,
    index,
};
use bubi_codec::{
    block::{digest, BatchHeader, BlockRecord, Certificate, CommitStatement, Proposal, ProposalV1},
    domain, encode, limits,
    state::{ParametersV1, ValidatorSet},
};
use bubi_crypto::{merkle_root, Hash, LeafTag, PublicKey};
use bubi_ledger::schedule;
use bubi_store::{Disk, RecordKind};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

/// From so many validators on, one author may fill at most half of a block.
const SHARED_FROM: usize = 4;

/// The batches that decided blocks ordered within `max_lifetime`: a proposal must not name them again.
#[derive(Debug, Default)]
pub(crate) struct OrderedBatches {
    /// Those that are forgotten first stand first: not always the oldest, where a vote has shortened `max_lifetime`.
    blocks: VecDeque<Ordered>,
    digests: BTreeSet<Hash>,
}

/// The batches of one block.
#[derive(Debug, Clone)]
pub(crate) struct Ordered {
    /// Stored key: names the time until which they are remembered, and the height.
    pub(crate) key: Vec<u8>,
    pub(crate) height: u64,
    pub(crate) digests: Vec<Hash>,
}

impl Ordered {
    /// The batches of a block at `height` and `time`; none if it has none.
    pub(crate) fn new(height: u64, time: u64, max_lifetime: u64, digests: Vec<Hash>) -> Option<Self> {
        let until = time.saturating_add(max_lifetime);
        let key = [&[index::ORDERED], until.to_be_bytes().as_slice(), height.to_be_bytes().as_slice()].concat();
        (!digests.is_empty()).then_some(Self { key, height, digests })
    }

    /// From its stored form; none if that is none.
    pub(crate) fn stored(key: Vec<u8>, value: &[u8]) -> Option<Self> {
        let height = index::height_of(&key)?;
        let (digests, rest) = value.as_chunks::<32>();
        rest.is_empty().then(|| Self { key, height, digests: digests.iter().map(|bytes| Hash(*bytes)).collect() })
    }

    /// Its stored value.
    pub(crate) fn value(&self) -> Vec<u8> {
        self.digests.iter().flat_map(|digest| digest.0).collect()
    }
}

impl OrderedBatches {
    pub(crate) fn push(&mut self, block: Ordered) {
        self.digests.extend(&block.digests);
        let place = self.blocks.partition_point(|other| other.key <= block.key);
        self.blocks.insert(place, block);
    }

    /// Forgets what has passed at `time`.
    pub(crate) fn forget(&mut self, time: u64) {
        while self.blocks.front().is_some_and(|block| index::passed(&block.key, time)) {
            for digest in self.blocks.pop_front().map(|block| block.digests).unwrap_or_default() {
                self.digests.remove(&digest);
            }
        }
    }

    /// Stored keys of what has passed at `time`.
    pub(crate) fn passed(&self, time: u64) -> impl Iterator<Item = &Vec<u8>> {
        self.blocks.iter().map(|block| &block.key).take_while(move |key| index::passed(key, time))
    }
}

fn wrong(detail: impl Into<String>) -> ChainError {
    ChainError::refused("proposal_invalid", detail)
}

/// What is needed to check and execute a block elsewhere.
#[derive(Debug, Clone)]
pub struct BlockParts {
    /// Encoded proposal.
    pub proposal: Vec<u8>,
    /// Encoded certificate.
    pub certificate: Vec<u8>,
    /// Encoded signed headers of its batches, in order.
    pub headers: Vec<Vec<u8>>,
    /// Their transactions as bulk bodies, in the same order.
    pub bodies: Vec<Vec<u8>>,
}

impl Batch {
    /// The validator that made it.
    pub fn author(&self) -> &PublicKey {
        let BatchHeader::V1 { author, .. } = &self.header.header;
        author
    }

    /// Largest `valid_until` (ms) of its transactions: above it all of them are void.
    pub fn latest_expiry(&self) -> u64 {
        self.verified.transactions.iter().map(|transaction| transaction.body.valid_until).max().unwrap_or(0)
    }
}

impl<D: Disk> Chain<D> {
    /// The proposal of these batches on top of the newest block; `parent_round` is the round of that block's certificate.
    ///
    /// # Errors
    /// `proposal_invalid` if `time` is not after the parent's, or as [`Chain::check_proposal`].
    pub fn propose(&self, time: u64, parent_round: u64, batches: &[Arc<Batch>]) -> Result<Proposal> {
        let inner = self.read();
        let proposal = self.expected(&inner, time, parent_round, batches)?;
        self.check_fields(&inner, &proposal, batches)?;
        Ok(proposal)
    }

    /// The only valid proposal with this time, round of the parent and payload on top of the newest block.
    fn expected(&self, inner: &Inner, time: u64, parent_round: u64, batches: &[Arc<Batch>]) -> Result<Proposal> {
        let (suite, chain) = (self.suite(), self.chain_id());
        let leaves: Vec<Hash> = batches.iter().map(|batch| suite.leaf_hash(LeafTag::Batch, &batch.digest.0)).collect();
        Ok(Proposal::V1(ProposalV1 {
            chain: *chain,
            height: inner.tip.height.saturating_add(1),
            time,
            parent: inner.tip.digest,
            parent_outcome: inner.tip.outcome,
            parent_round,
            payload_root: merkle_root(suite, &leaves),
            validators: digest(suite, domain::VALIDATORS, chain, inner.settings.validators()?)?,
            parameters: digest(suite, domain::PARAMETERS, chain, &inner.settings.parameters)?,
            protocol_version: inner.settings.protocol_version,
        }))
    }

    /// Everything that makes a proposal valid on top of the newest block, but the clock. With `parent_round` none, the round
    /// of the parent that it records is not judged: a quorum has done that.
    ///
    /// # Errors
    /// `proposal_invalid` with the reason.
    pub fn check_proposal(
        &self,
        proposal: &Proposal,
        claimed: &Hash,
        batches: &[Arc<Batch>],
        parent_round: Option<u64>,
    ) -> Result<()> {
        let Proposal::V1(fields) = proposal;
        if digest(self.suite(), domain::PROPOSAL, self.chain_id(), proposal)? != *claimed {
            return Err(wrong("its digest is another one"));
        }
        if parent_round.is_some_and(|round| round != fields.parent_round) {
            return Err(wrong("it records another round of its parent than was shown"));
        }
        self.check_fields(&self.read(), proposal, batches)
    }

    pub(crate) fn check_fields(&self, inner: &Inner, proposal: &Proposal, batches: &[Arc<Batch>]) -> Result<()> {
        let Proposal::V1(fields) = proposal;
        if fields.time <= inner.tip.time {
            return Err(wrong("its time is not after its parent's"));
        }
        if fields.height == 1 && fields.parent_round != 0 {
            return Err(wrong("nothing decided the genesis: the round of its parent is 0"));
        }
        if *proposal != self.expected(inner, fields.time, fields.parent_round, batches)? {
            return Err(wrong("it does not stand on the newest block, or its payload or settings differ"));
        }
        let ValidatorSet::V1 { validators, .. } = inner.settings.validators()?;
        check_budget(inner.settings.parameters.v1(), validators.len(), batches)?;
        let mut named = BTreeSet::new();
        for batch in batches {
            if !named.insert(batch.digest) {
                return Err(wrong("it names a batch twice"));
            }
            if inner.ordered.digests.contains(&batch.digest) {
                return Err(wrong("it names a batch that was ordered before"));
            }
            if !inner.settings.may_author(batch.author(), inner.tip.time) {
                return Err(wrong("it names a batch whose author is not a validator"));
            }
        }
        Ok(())
    }

    /// The round from which the schedule of the next height counts, and who leads that round and the following ones.
    ///
    /// # Errors
    /// The state is damaged.
    pub fn leaders(&self, count: usize) -> Result<(u64, Vec<u32>)> {
        let inner = self.read();
        let found = schedule::read(&inner.view()?).map_err(broken)?;
        let ValidatorSet::V1 { validators, .. } = inner.settings.validators()?;
        let members = u32::try_from(validators.len()).map_err(broken)?;
        Ok((found.round, schedule::leaders(&found, members, count)))
    }

    /// Height and digest of the batches ordered within `max_lifetime`.
    pub fn ordered_batches(&self) -> Vec<(u64, Hash)> {
        let inner = self.read();
        let blocks = inner.ordered.blocks.iter();
        blocks.flat_map(|block| block.digests.iter().map(|digest| (block.height, *digest))).collect()
    }

    /// Checks that a quorum of the validator set of its height signed a certificate; above the newest block that is the set in
    /// force for the next one.
    ///
    /// # Errors
    /// `certificate_invalid` with the reason.
    pub fn check_certificate(&self, certificate: &Certificate) -> Result<()> {
        let Certificate::V1 { statement: CommitStatement::V1 { height, .. }, .. } = certificate else {
            return self.check_comet(certificate);
        };
        let set = self.read().settings.validators_at(*height)?.clone();
        match crate::proof::verify_votes(self.identity.rule, self.chain_id(), &set, certificate) {
            Ok(_) => Ok(()),
            Err(error) => Err(ChainError::refused("certificate_invalid", error.to_string())),
        }
    }

    /// Certificate of the newest block; none at height 0.
    ///
    /// # Errors
    /// Damage of the log.
    pub fn tip_certificate(&self) -> Result<Option<Certificate>> {
        let Some(record) = self.record(self.tip().height)? else { return Ok(None) };
        let BlockRecord::V1 { certificate, .. } = record.as_ref();
        Ok(Some(certificate.clone()))
    }

    /// Digests of the batches of the newest block, in order.
    ///
    /// # Errors
    /// Damage of the log.
    pub fn tip_batches(&self) -> Result<Vec<Hash>> {
        let Some(record) = self.record(self.tip().height)? else { return Ok(Vec::new()) };
        let BlockRecord::V1 { batches, .. } = record.as_ref();
        let digests = batches.iter().map(|batch| digest(self.suite(), domain::BATCH, self.chain_id(), &batch.header));
        Ok(digests.collect::<std::result::Result<_, _>>()?)
    }

    /// What another node needs of a block; none above the newest and for the genesis.
    ///
    /// # Errors
    /// Damage of the log.
    pub fn block_parts(&self, height: u64) -> Result<Option<BlockParts>> {
        let Some(record) = self.record(height)? else { return Ok(None) };
        let BlockRecord::V1 { proposal, batches, certificate, .. } = record.as_ref();
        Ok(Some(BlockParts {
            proposal: encode(proposal)?,
            certificate: encode(certificate)?,
            headers: batches.iter().map(encode).collect::<std::result::Result<_, _>>()?,
            bodies: self.bodies(height)?,
        }))
    }

    /// Batches whose bodies the log holds above the newest block, of proposals that were not decided. They are not verified
    /// again: the log is this node's own.
    ///
    /// # Errors
    /// Damage of the log.
    pub fn pending_bodies(&self) -> Result<Vec<Arc<Batch>>> {
        let tip = self.tip().height;
        let mut found = BTreeSet::new();
        let mut batches = Vec::new();
        for record in self.reader.after_last_block() {
            let record = record?;
            if record.kind != RecordKind::BatchBody || record.height <= tip {
                continue;
            }
            let (header, bulk) = split_body(&record.payload)?;
            let digest = digest(self.suite(), domain::BATCH, self.chain_id(), &header.header)?;
            if found.insert(digest) {
                batches.push(Arc::new(Batch { header, digest, verified: self.gate().reread(bulk)? }));
            }
        }
        Ok(batches)
    }

    /// Buffers the bodies of batches for the log; one that an earlier proposal of this height brought is there already.
    ///
    /// # Errors
    /// Those of the log.
    pub fn append_bodies(&self, height: u64, batches: &[Arc<Batch>]) -> Result<()> {
        let mut writer = self.writer();
        if writer.bodies.0 != height {
            writer.bodies = (height, BTreeSet::new());
        }
        for batch in batches {
            if writer.bodies.1.contains(&batch.digest) {
                continue;
            }
            let header = encode(&batch.header)?;
            let length = u32::try_from(header.len()).map_err(broken)?.to_le_bytes();
            writer.log.append(RecordKind::BatchBody, height, &[&length, &header, &batch.verified.bulk()])?;
            writer.bodies.1.insert(batch.digest);
        }
        Ok(())
    }

    /// Remembers which bodies the log holds for the height in work.
    ///
    /// # Errors
    /// Damage of the log.
    pub(crate) fn recall_bodies(&self) -> Result<()> {
        let height = self.tip().height.saturating_add(1);
        let mut found = BTreeSet::new();
        for head in self.heads_from(height)? {
            let head = head?;
            if head.kind == RecordKind::BatchBody && head.height == height {
                let (header, _) = split_body(&head.prefix)?;
                found.insert(digest(self.suite(), domain::BATCH, self.chain_id(), &header.header)?);
            }
        }
        self.writer().bodies = (height, found);
        Ok(())
    }
}

/// The budget of a block, and the share of each author in it.
fn check_budget(parameters: &ParametersV1, validators: usize, batches: &[Arc<Batch>]) -> Result<()> {
    let size = |batch: &Batch| (batch.verified.transactions.len(), batch.verified.bytes());
    let (most_transactions, most_bytes) = (parameters.block_transactions as usize, parameters.block_bytes as usize);
    let mut authors: BTreeMap<&PublicKey, (usize, usize)> = BTreeMap::new();
    let (mut transactions, mut bytes) = (0, 0);
    for batch in batches {
        let (count, length) = size(batch);
        let own = authors.entry(batch.author()).or_default();
        *own = (own.0 + count, own.1 + length);
        (transactions, bytes) = (transactions + count, bytes + length);
    }
    if batches.len() > limits::BLOCK_BATCHES_MAX || transactions > most_transactions || bytes > most_bytes {
        return Err(wrong("it is above the block budget"));
    }
    let above = |own: &(usize, usize)| own.0 > most_transactions / 2 || own.1 > most_bytes / 2;
    if validators >= SHARED_FROM && authors.values().any(above) {
        return Err(wrong("one author fills more than half of the block budget"));
    }
    Ok(())
}
