//! Where CometBFT decides: its bytes made again from a light block, and the light blocks of the log.
//!
//! CometBFT hashes and signs protobuf. These few messages are written here field by field, because what is hashed must have one
//! form and encoders of protobuf promise none. Sections are those of `spec/consensus/cometbft.md`.

use crate::{
    chain::{broken, Chain},
    error::{ChainError, Result},
    proof::{invalid, need},
};
use bubi_codec::{
    block::{digest, Certificate, Outcome, Proposal},
    comet::{Commit, Header, LightBlock, Time, Vote, ADDRESS_BYTES, ENGINE},
    decode, domain, encode,
    identity::ChainId,
    state::{Validator, ValidatorSet},
};
use bubi_crypto::{merkle_root, to_hex, verify_vote, Hash, HashSuite, SignatureAlgorithm};
use bubi_store::{Disk, LogReader, RecordKind};
use std::{cmp::Reverse, sync::atomic::Ordering};

const SHA256: HashSuite = HashSuite::Standard;
/// The kind of vote that decides, in a signed vote of CometBFT.
const PRECOMMIT: u64 = 2;
/// Digits of the chain id in the name of the chain of CometBFT, which is short.
const NAME_DIGITS: usize = 40;
/// Bytes of a logged light block before its encoding: the height of the ledger.
const HEIGHT_BYTES: usize = 8;

/// What CometBFT carries as the hash of the application after the block with this digest and outcome (section 5).
pub fn app_hash(chain: &ChainId, digest: &Hash, outcome: &Hash) -> Hash {
    SHA256.hash(&[domain::COMET_APPLICATION, chain.bytes(), &digest.0, &outcome.0])
}

/// Name of the chain of CometBFT that decides for a chain.
pub fn chain_name(chain: &ChainId) -> String {
    let digits = to_hex(chain.bytes());
    format!("bubi-{}", digits.get(..NAME_DIGITS).unwrap_or(&digits))
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value > 0x7f {
        out.push(u8::try_from(value & 0x7f).unwrap_or(0) | 0x80);
        value >>= 7;
    }
    out.push(u8::try_from(value).unwrap_or(0));
}

/// A message of protobuf in the form that CometBFT writes: ascending fields, none that is zero or empty.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn tag(&mut self, field: u64, kind: u64) {
        varint(&mut self.0, field << 3 | kind);
    }

    fn number(mut self, field: u64, value: u64) -> Self {
        if value != 0 {
            self.tag(field, 0);
            varint(&mut self.0, value);
        }
        self
    }

    fn fixed(mut self, field: u64, value: u64) -> Self {
        if value != 0 {
            self.tag(field, 1);
            self.0.extend_from_slice(&value.to_le_bytes());
        }
        self
    }

    fn bytes(self, field: u64, value: &[u8]) -> Self {
        if value.is_empty() {
            self
        } else {
            self.raw(field, value)
        }
    }

    /// A message inside, which is written also when it is empty.
    fn inside(self, field: u64, value: &Self) -> Self {
        self.raw(field, &value.0)
    }

    fn raw(mut self, field: u64, value: &[u8]) -> Self {
        self.tag(field, 2);
        varint(&mut self.0, u64::try_from(value.len()).unwrap_or(u64::MAX));
        self.0.extend_from_slice(value);
        self
    }
}

/// A point in time (section 6.1).
fn time(time: Time) -> Message {
    Message::default().number(1, time.seconds).number(2, u64::from(time.nanoseconds))
}

fn block_id(hash: &Hash, parts: u32, parts_hash: &Hash) -> Message {
    let parts = Message::default().number(1, u64::from(parts)).bytes(2, &parts_hash.0);
    Message::default().bytes(1, &hash.0).inside(2, &parts)
}

fn root(leaves: impl IntoIterator<Item = Message>) -> Hash {
    let leaves: Vec<Hash> = leaves.into_iter().map(|leaf| SHA256.hash(&[&[0], &leaf.0])).collect();
    merkle_root(SHA256, &leaves)
}

/// Hash of a header by the rules of CometBFT (section 6.2).
pub fn header_hash(header: &Header) -> Hash {
    let value = |bytes: &[u8]| Message::default().bytes(1, bytes);
    let last = &header.last_block;
    root([
        Message::default().number(1, header.block_version).number(2, header.app_version),
        value(header.chain.as_bytes()),
        Message::default().number(1, header.height),
        time(header.time),
        block_id(&last.hash, last.parts, &last.parts_hash),
        value(&header.last_commit.0),
        value(&header.data.0),
        value(&header.validators.0),
        value(&header.next_validators.0),
        value(&header.consensus.0),
        value(&header.app.0),
        value(&header.last_results.0),
        value(&header.evidence.0),
        value(&header.proposer),
    ])
}

/// Hash of the validators by the rules of CometBFT: the heaviest first, then by address (section 6.3).
///
/// # Errors
/// `proof_invalid` for a key that is not Ed25519.
pub fn validators_hash(set: &ValidatorSet) -> Result<Hash> {
    let ValidatorSet::V1 { validators, .. } = set;
    let mut leaves = validators.iter().map(leaf).collect::<Result<Vec<_>>>()?;
    leaves.sort_by_key(|(weight, address, _)| (Reverse(*weight), *address));
    Ok(root(leaves.into_iter().map(|(_, _, leaf)| leaf)))
}

fn leaf(validator: &Validator) -> Result<(u32, [u8; ADDRESS_BYTES], Message)> {
    let key = &validator.key;
    need(key.algorithm() == SignatureAlgorithm::Ed25519, "CometBFT votes with Ed25519 keys only")?;
    let hash = SHA256.hash(&[key.as_bytes()]);
    let address = hash.0.first_chunk().copied().unwrap_or_default();
    let wrapped = Message::default().bytes(1, key.as_bytes());
    Ok((validator.weight, address, Message::default().inside(1, &wrapped).number(2, u64::from(validator.weight))))
}

/// Bytes that a validator of CometBFT signs to decide a block (section 6.4).
fn sign_bytes(header: &Header, hash: &Hash, commit: &Commit, vote: &Vote) -> Vec<u8> {
    let message = Message::default()
        .number(1, PRECOMMIT)
        .fixed(2, header.height)
        .fixed(3, u64::from(commit.round))
        .inside(4, &block_id(hash, commit.parts, &commit.parts_hash))
        .inside(5, &time(vote.time))
        .bytes(6, header.chain.as_bytes());
    let mut bytes = Vec::with_capacity(message.0.len() + 2);
    varint(&mut bytes, u64::try_from(message.0.len()).unwrap_or(u64::MAX));
    bytes.extend_from_slice(&message.0);
    bytes
}

/// Checks that a light block binds the block with this digest and outcome: its application hash, and votes of the quorum of the
/// set under its header. Returns the signers and their weight.
///
/// # Errors
/// `proof_invalid` with the reason.
pub fn verify_light(
    chain: &ChainId,
    set: &ValidatorSet,
    (digest, outcome): (&Hash, &Hash),
    light: &LightBlock,
) -> Result<(Vec<String>, u64)> {
    let ValidatorSet::V1 { engine, validators, .. } = set;
    let LightBlock::V1 { header, commit } = light;
    need(engine == ENGINE, "another engine than CometBFT decides here")?;
    need(header.chain == chain_name(chain), "the header is of another chain")?;
    need(header.app == app_hash(chain, digest, outcome), "the header does not bind this block and its outcome")?;
    need(header.validators == validators_hash(set)?, "the header is of other validators")?;
    let hash = header_hash(header);
    let mut signers = Vec::new();
    let mut weight = 0u64;
    for vote in &commit.votes {
        let member = usize::try_from(vote.validator).ok().and_then(|index| validators.get(index));
        let member = member.ok_or_else(|| invalid("a vote is by nobody in the validator set"))?;
        verify_vote(&member.key, &sign_bytes(header, &hash, commit, vote), &vote.signature)
            .map_err(|error| invalid(format!("the vote of {} is not valid: {error}", member.name)))?;
        weight = weight.saturating_add(u64::from(member.weight));
        signers.push(member.name.clone());
    }
    need(weight >= set.quorum(), "the votes do not reach the quorum")?;
    Ok((signers, weight))
}

/// Whether CometBFT decides under this set.
pub(crate) fn decides(set: &ValidatorSet) -> bool {
    let ValidatorSet::V1 { engine, .. } = set;
    engine == ENGINE
}

fn split(payload: &[u8]) -> Result<(u64, &[u8])> {
    let (height, rest) = payload.split_first_chunk::<HEIGHT_BYTES>().ok_or_else(|| broken("a light block is cut"))?;
    Ok((u64::from_le_bytes(*height), rest))
}

/// Newest height whose light block the log holds.
pub(crate) fn newest_light<D: Disk>(log: &LogReader<D>) -> Result<u64> {
    let Some(record) = log.newest_of(RecordKind::LightBlock)? else { return Ok(0) };
    Ok(split(&record.payload)?.0)
}

impl<D: Disk> Chain<D> {
    /// What CometBFT carries as the hash of the application after the newest block.
    pub fn app_hash(&self) -> Hash {
        let tip = self.tip();
        app_hash(self.chain_id(), &tip.digest, &tip.outcome)
    }

    /// Newest height that can be proven: where CometBFT decides, the newest one with a light block, else the newest one.
    ///
    /// # Errors
    /// The state is damaged.
    pub fn provable(&self) -> Result<u64> {
        if decides(&self.validators()?) {
            Ok(self.lights.load(Ordering::Acquire))
        } else {
            Ok(self.tip().height)
        }
    }

    /// Stores the light block of a height; heights come in order. Durable on return.
    ///
    /// # Errors
    /// `proof_invalid` if it does not prove that height, or those of the disk.
    pub fn add_light_block(&self, height: u64, light: &LightBlock) -> Result<()> {
        need(self.lights.load(Ordering::Acquire).checked_add(1) == Some(height), "another height is due")?;
        let record = self.record(height)?.ok_or_else(|| invalid("the block is not decided yet"))?;
        let bubi_codec::block::BlockRecord::V1 { proposal, outcome, .. } = record.as_ref();
        let covered = self.covered(proposal, outcome)?;
        let set = self.read().settings.validators_at(height)?.clone();
        verify_light(self.chain_id(), &set, (&covered.0, &covered.1), light)?;
        let bytes = encode(light)?;
        let mut writer = self.writer();
        // The place in the log is behind the newest block, whose height orders its segments.
        let place = self.tip().height.saturating_add(1);
        writer.log.append(RecordKind::LightBlock, place, &[&height.to_le_bytes(), &bytes])?;
        writer.log.sync()?;
        self.lights.store(height, Ordering::Release);
        Ok(())
    }

    fn covered(&self, proposal: &Proposal, outcome: &Outcome) -> Result<(Hash, Hash)> {
        let (suite, chain) = (self.suite(), self.chain_id());
        Ok((digest(suite, domain::PROPOSAL, chain, proposal)?, digest(suite, domain::OUTCOME, chain, outcome)?))
    }

    /// The light block of a height that CometBFT decided.
    ///
    /// # Errors
    /// `not_provable_yet` until it is there; damage of the log.
    pub fn light_block(&self, height: u64) -> Result<LightBlock> {
        if height <= self.lights.load(Ordering::Acquire) {
            for head in self.heads_from(height.saturating_add(1))? {
                let head = head?;
                if head.kind == RecordKind::LightBlock && split(&head.prefix)?.0 == height {
                    let payload = self.reader.read(head.position)?.payload;
                    return Ok(decode(split(&payload)?.1)?);
                }
            }
            return Err(broken(format!("block {height}: its light block is not in the log")));
        }
        let detail =
            format!("CometBFT has not decided the block behind that of height {height}: ask again in a moment");
        Err(ChainError::refused("not_provable_yet", detail))
    }

    /// Refuses a certificate of CometBFT where another engine decides.
    pub(crate) fn check_comet(&self, certificate: &Certificate) -> Result<()> {
        let fits =
            matches!(certificate, Certificate::Comet { height, .. } if *height > 0) && decides(&self.validators()?);
        if fits {
            Ok(())
        } else {
            Err(ChainError::refused("certificate_invalid", "another engine than CometBFT decides here"))
        }
    }
}
