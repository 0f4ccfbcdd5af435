//! What was decided: blocks, receipts, events and their proofs, read from the log.

use crate::{
    chain::{broken, Batch, Chain},
    error::{ChainError, Result},
};
use bubi_codec::{
    block::{digest, BlockRecord, Certificate, Event, Outcome, Proposal, ProposalV1, Receipt, SignedBatch},
    comet::LightBlock,
    decode, domain, encode,
    identity::Address,
    proof::{CometHandover, FinalityProof, Handover, ListPath, ReceiptProof},
    text::to_json_value,
    transaction::{transaction_hash, SignedTransaction, TransactionBody},
    ResultCode, Wire,
};
use bubi_crypto::{merkle_path, to_hex, Hash, LeafTag};
use bubi_ledger::{simulate, Simulation, VerifiedTransaction};
use bubi_store::{Disk, Heads, Position, RecordKind};
use serde_json::{json, Value};
use std::{
    collections::VecDeque,
    sync::{Arc, PoisonError},
};

/// The blocks read or written last: status and proofs are mostly asked for soon after a block.
#[derive(Default)]
pub(crate) struct Cache {
    blocks: VecDeque<(u64, Arc<BlockRecord>)>,
}

/// Blocks kept decoded.
const CACHED_BLOCKS: usize = 16;

impl Cache {
    pub(crate) fn put(&mut self, height: u64, record: Arc<BlockRecord>) {
        self.blocks.retain(|(other, _)| *other != height);
        self.blocks.push_front((height, record));
        self.blocks.truncate(CACHED_BLOCKS);
    }

    fn get(&self, height: u64) -> Option<Arc<BlockRecord>> {
        self.blocks.iter().find(|(other, _)| *other == height).map(|(_, record)| Arc::clone(record))
    }
}

/// Accounts that an event names.
pub(crate) fn parties(event: &Event) -> Vec<Address> {
    match event {
        Event::AccountCreated { account, creator } => vec![*account, *creator],
        Event::SignersChanged { account }
        | Event::AccountClosed { account }
        | Event::DataSet { account, .. }
        | Event::MembershipChanged { account, .. } => vec![*account],
        Event::ClaimSet { issuer, subject, .. } | Event::ClaimRevoked { issuer, subject, .. } => {
            vec![*issuer, *subject]
        }
        Event::AssetCreated { issuer, .. } => vec![*issuer],
        Event::AssetFrozen { .. }
        | Event::Captured { .. }
        | Event::Released { .. }
        | Event::ProposalChanged { .. }
        | Event::Voted { .. }
        | Event::ValidatorReady { .. }
        | Event::ActivationFixed { .. }
        | Event::EpochBegins { .. }
        | Event::EvidenceRecorded { .. } => vec![],
        Event::HolderFrozen { holder, .. }
        | Event::HolderAuthorised { holder, .. }
        | Event::Lapsed { holder, .. }
        | Event::HoldExpired { holder, .. } => vec![*holder],
        Event::Issued { to, .. } | Event::ItemIssued { to, .. } => vec![*to],
        Event::Transferred { from, to, .. } | Event::ItemTransferred { from, to, .. } => vec![*from, *to],
        Event::Burned { from, .. } | Event::ItemBurned { from, .. } => vec![*from],
        Event::Reserved { holder, beneficiary, .. } => vec![*holder, *beneficiary],
        Event::NamespaceCreated { owner, .. } | Event::NamespaceChanged { owner, .. } => vec![*owner],
        Event::RecordPut { writer, .. } => vec![*writer],
    }
}

/// Bytes of a logged batch that hold its header for sure.
const HEAD_BYTES: usize = 4 + SignedBatch::BYTES_MAX;

/// Header of a logged batch, and what is there of its transactions.
pub(crate) fn split_body(payload: &[u8]) -> Result<(SignedBatch, &[u8])> {
    let wrong = || broken("a logged batch is cut");
    let (length, rest) = payload.split_first_chunk::<4>().ok_or_else(wrong)?;
    let (header, bulk) = rest.split_at_checked(u32::from_le_bytes(*length) as usize).ok_or_else(wrong)?;
    Ok((decode(header)?, bulk))
}

pub(crate) fn code_name(code: u16) -> &'static str {
    ResultCode::from_number(code).map_or("unknown", ResultCode::name)
}

impl<D: Disk> Chain<D> {
    /// The record of a block; none above the newest and for the genesis.
    ///
    /// # Errors
    /// Damage of the log.
    pub fn record(&self, height: u64) -> Result<Option<Arc<BlockRecord>>> {
        if height == 0 || height > self.tip().height {
            return Ok(None);
        }
        self.decided(height).map(Some)
    }

    /// The record of a height that is known to be decided. Takes no lock on the state: a caller may hold one already, and a
    /// second one behind a commit that waits would stop both for ever.
    fn decided(&self, height: u64) -> Result<Arc<BlockRecord>> {
        let cached = self.records.lock().unwrap_or_else(PoisonError::into_inner).get(height);
        if let Some(record) = cached {
            return Ok(record);
        }
        let record: Arc<BlockRecord> = Arc::new(decode(&self.reader.block(height)?.payload)?);
        self.records.lock().unwrap_or_else(PoisonError::into_inner).put(height, Arc::clone(&record));
        Ok(record)
    }

    /// Batch bodies of a block, in its order.
    ///
    /// # Errors
    /// Damage of the log.
    pub fn bodies(&self, height: u64) -> Result<Vec<Vec<u8>>> {
        let Some(record) = self.record(height)? else { return Ok(Vec::new()) };
        let BlockRecord::V1 { batches, .. } = record.as_ref();
        self.find_bodies(height, &batches.iter().collect::<Vec<_>>())
    }

    /// Bodies of these batches of a decided height. Bodies of proposals that were not decided may stand beside them, and a body
    /// may have come with an earlier proposal of the height than the decided one: the header alone decides.
    fn find_bodies(&self, height: u64, batches: &[&SignedBatch]) -> Result<Vec<Vec<u8>>> {
        let mut found: Vec<(SignedBatch, Position)> = Vec::new();
        for head in self.heads_from(height)? {
            let head = head?;
            match head.kind {
                RecordKind::Block if head.height >= height => break,
                RecordKind::BatchBody => found.push((split_body(&head.prefix)?.0, head.position)),
                _ => {}
            }
        }
        batches
            .iter()
            .map(|batch| {
                let place = found.iter().find(|(other, _)| other.header == batch.header);
                let (_, position) =
                    place.ok_or_else(|| broken(format!("block {height}: a batch body is not in the log")))?;
                let payload = self.reader.read(*position)?.payload;
                Ok(split_body(&payload)?.1.to_vec())
            })
            .collect()
    }

    /// Heads of the log's records behind the block before `height`.
    pub(crate) fn heads_from(&self, height: u64) -> Result<Heads<D>> {
        let parent = height.checked_sub(1).and_then(|parent| self.reader.block_position(parent));
        let mut heads = self.reader.heads(parent.unwrap_or_else(|| self.reader.start()), HEAD_BYTES);
        if parent.is_some() {
            heads.next().transpose()?;
        }
        Ok(heads)
    }

    /// Batches of a block, read again from the log: decoded, not verified again (the log is this node's own).
    pub(crate) fn reread_batches(
        &self,
        headers: &[SignedBatch],
        bodies: &[(SignedBatch, Vec<u8>)],
    ) -> Result<Vec<Arc<Batch>>> {
        headers
            .iter()
            .map(|header| {
                let body = bodies.iter().find(|(other, _)| other.header == header.header);
                let (_, bulk) = body.ok_or_else(|| broken("a batch body is not in the log"))?;
                let digest = digest(self.suite(), domain::BATCH, self.chain_id(), &header.header)?;
                Ok(Arc::new(Batch { header: header.clone(), digest, verified: self.gate().reread(bulk)? }))
            })
            .collect()
    }

    /// Finality proof of a height; none for the genesis and above the newest block.
    ///
    /// # Errors
    /// Damage of the log.
    pub fn finality(&self, height: u64) -> Result<Option<FinalityProof>> {
        self.record(height)?.map(|record| self.finality_of(&record)).transpose()
    }

    /// Finality of a height of the state in hex; null for the genesis, which nothing decided. Takes no lock on the state.
    ///
    /// # Errors
    /// Damage of the log.
    pub(crate) fn finality_hex(&self, height: u64) -> Result<Value> {
        if height == 0 {
            return Ok(Value::Null);
        }
        Ok(Value::String(to_hex(&encode(&self.finality_of(self.decided(height)?.as_ref())?)?)))
    }

    /// The proof of a block: its certificate or light block, and the ends of the epochs before its own. Takes no lock on the state.
    fn finality_of(&self, record: &BlockRecord) -> Result<FinalityProof> {
        let BlockRecord::V1 { proposal, outcome, certificate, .. } = record;
        let Proposal::V1(ProposalV1 { height, .. }) = proposal;
        let before: Vec<Arc<Handover>> = {
            let all = self.handovers.lock().unwrap_or_else(PoisonError::into_inner);
            let is_before = |one: &&Arc<Handover>| {
                let Proposal::V1(ProposalV1 { height: end, .. }) = &one.proposal;
                end < height
            };
            all.iter().take_while(is_before).cloned().collect()
        };
        let (proposal, outcome) = (proposal.clone(), outcome.clone());
        if matches!(certificate, Certificate::Comet { .. }) {
            let light = Box::new(self.light_block(*height)?);
            let handovers = before.iter().map(|one| self.comet_handover(one)).collect::<Result<_>>()?;
            return Ok(FinalityProof::Comet { proposal, outcome, light, handovers });
        }
        let handovers = before.iter().map(|one| one.as_ref().clone()).collect();
        Ok(FinalityProof::Native { proposal, outcome, certificate: certificate.clone(), handovers })
    }

    fn comet_handover(&self, one: &Handover) -> Result<CometHandover> {
        let Proposal::V1(ProposalV1 { height, .. }) = &one.proposal;
        Ok(CometHandover {
            proposal: one.proposal.clone(),
            outcome: one.outcome.clone(),
            light: self.light_block(*height)?,
            next: one.next.clone(),
        })
    }

    /// Where a transaction's receipt stands: height and position among the block's receipts.
    ///
    /// # Errors
    /// Damage of the log or the index.
    pub fn locate(&self, transaction: &Hash) -> Result<Option<(u64, usize)>> {
        if *transaction == Hash::ZERO {
            // What fell due by itself has receipts in many blocks and is no transaction.
            return Ok(None);
        }
        let is_it = |Receipt::V1 { transaction: found, .. }: &Receipt| found == transaction;
        // Read first: a block that reaches the index meanwhile is looked at twice rather than not at all.
        let indexed = self.transactions.last_height();
        for candidate in self.transactions.candidates(&transaction.0)? {
            let Some(record) = self.record(candidate.height)? else { continue };
            let BlockRecord::V1 { receipts, .. } = record.as_ref();
            let index = candidate.index as usize;
            if receipts.get(index).is_some_and(is_it) {
                return Ok(Some((candidate.height, index)));
            }
        }
        // Blocks that are visible before the index has them: for a moment after each commit, for longer on a full disk.
        for height in indexed.saturating_add(1)..=self.tip().height {
            let record = self.decided(height)?;
            let BlockRecord::V1 { receipts, .. } = record.as_ref();
            if let Some(index) = receipts.iter().position(is_it) {
                return Ok(Some((height, index)));
            }
        }
        Ok(None)
    }

    /// The encoded body of a transaction in a block.
    fn body(&self, record: &BlockRecord, height: u64, receipt: &Receipt) -> Result<Option<Vec<u8>>> {
        let Receipt::V1 { transaction, batch, index, .. } = receipt;
        if *transaction == Hash::ZERO {
            return Ok(None);
        }
        let BlockRecord::V1 { batches, .. } = record;
        let header =
            batches.get(*batch as usize).ok_or_else(|| broken("a receipt names a batch that is not in its block"))?;
        let bulk = self.find_bodies(height, &[header])?.pop().unwrap_or_default();
        let ranges = crate::admission::split_bulk(&bulk)?;
        let bytes = ranges.get(*index as usize).and_then(|range| bulk.get(range.clone()));
        let signed: SignedTransaction =
            decode(bytes.ok_or_else(|| broken("a receipt names a transaction that is not in its batch"))?)?;
        Ok(Some(signed.body_bytes().to_vec()))
    }

    /// Stored outcome of a transaction: receipt, height, events, body and, if asked, its proof. None: it has no receipt here.
    ///
    /// # Errors
    /// Damage of the log.
    pub fn status_json(&self, transaction: &Hash, proof: bool) -> Result<Option<Value>> {
        let Some((height, position)) = self.locate(transaction)? else { return Ok(None) };
        let Some(record) = self.record(height)? else { return Ok(None) };
        self.receipt_json(&record, height, position, proof).map(Some)
    }

    fn receipt_json(&self, record: &BlockRecord, height: u64, position: usize, proof: bool) -> Result<Value> {
        let BlockRecord::V1 { receipts, events, proposal: Proposal::V1(proposal), .. } = record;
        let receipt = receipts.get(position).ok_or_else(|| broken("no such receipt"))?;
        let events = events.get(position).map(Vec::as_slice).unwrap_or_default();
        let Receipt::V1 { transaction, code, operation, .. } = receipt;
        let body = self.body(record, height, receipt)?;
        let decoded = body.as_deref().map(decode::<TransactionBody>).transpose()?;
        let count = decoded.as_ref().map_or(0, |body| body.v1().operations.len());
        let mut object = json!({
            "id": transaction.to_string(),
            "status": if *code == 0 { "final" } else { "rejected" },
            "code": code_name(*code),
            "height": height.to_string(),
            "time": proposal.time.to_string(),
            "index": position,
            "operations": operation_codes(*code, *operation, count),
            "valid_until": decoded.as_ref().map(|body| body.v1().valid_until.to_string()),
            "events": to_json_value(self.prefix(), &events)?,
            "body": decoded.map(|body| to_json_value(self.prefix(), &body)).transpose()?,
        });
        if proof {
            let proof = self.receipt_proof(record, height, position, body.unwrap_or_default())?;
            object["proof"] = Value::String(to_hex(&encode(&proof)?));
        }
        Ok(object)
    }

    fn receipt_proof(&self, record: &BlockRecord, height: u64, position: usize, body: Vec<u8>) -> Result<ReceiptProof> {
        let BlockRecord::V1 { receipts, events, .. } = record;
        let leaves = receipts
            .iter()
            .map(|receipt| Ok(self.suite().leaf_hash(LeafTag::Receipt, &encode(receipt)?)))
            .collect::<Result<Vec<Hash>>>()?;
        let siblings = merkle_path(self.suite(), &leaves, position).ok_or_else(|| broken("no such receipt"))?;
        let finality = self.finality(height)?.ok_or_else(|| broken("no such block"))?;
        let receipt = receipts.get(position).cloned().ok_or_else(|| broken("no such receipt"))?;
        let (index, size) = (u64::try_from(position).map_err(broken)?, u64::try_from(leaves.len()).map_err(broken)?);
        let events = events.get(position).cloned().unwrap_or_default();
        Ok(ReceiptProof::V1 { body, receipt, events, path: ListPath { index, size, siblings }, finality })
    }

    /// A block as JSON: header fields and counts; with `transactions` one entry per receipt, without bodies.
    ///
    /// # Errors
    /// Damage of the log.
    pub fn block_json(&self, height: u64, transactions: bool) -> Result<Option<Value>> {
        let Some(record) = self.record(height)? else { return Ok(None) };
        let BlockRecord::V1 { proposal, batches, outcome, certificate, receipts, events } = record.as_ref();
        let votes = match certificate {
            Certificate::V1 { votes, .. } => votes.len(),
            Certificate::Comet { .. } if height <= self.provable()? => {
                let LightBlock::V1 { commit, .. } = self.light_block(height)?;
                commit.votes.len()
            }
            Certificate::Comet { .. } => 0,
        };
        let Proposal::V1(fields) = proposal;
        let Outcome::V1 { state_root, receipt_root, .. } = outcome;
        let finals = receipts.iter().filter(|Receipt::V1 { code, .. }| *code == 0).count();
        let mut object = json!({
            "height": height.to_string(),
            "time": fields.time.to_string(),
            "digest": certificate.covers().0.to_string(),
            "parent": fields.parent.to_string(),
            "state_root": state_root.to_string(),
            "receipt_root": receipt_root.to_string(),
            "payload_root": fields.payload_root.to_string(),
            "protocol_version": fields.protocol_version,
            "batches": batches.len(),
            "receipts": receipts.len(),
            "final": finals,
            "rejected": receipts.len() - finals,
            "votes": votes,
        });
        if transactions {
            let entries = receipts.iter().zip(events).enumerate().map(|(index, (receipt, events))| {
                let Receipt::V1 { transaction, code, operation, .. } = receipt;
                Ok(json!({
                    "id": transaction.to_string(),
                    "index": index,
                    "height": height.to_string(),
                    "code": code_name(*code),
                    "operation": operation,
                    "events": to_json_value(self.prefix(), events)?,
                }))
            });
            object["transactions"] = Value::Array(entries.collect::<Result<Vec<Value>>>()?);
        }
        Ok(Some(object))
    }

    /// Events of one block that concern an account.
    ///
    /// # Errors
    /// `malformed` address; damage of the log.
    pub fn account_events_json(&self, address: &str, height: u64) -> Result<Value> {
        let account = self.address(address)?;
        let Some(record) = self.record(height)? else { return Ok(json!([])) };
        let BlockRecord::V1 { receipts, events, proposal: Proposal::V1(proposal), .. } = record.as_ref();
        let mut found = Vec::new();
        for (index, (Receipt::V1 { transaction, .. }, events)) in receipts.iter().zip(events).enumerate() {
            for event in events.iter().filter(|event| parties(event).contains(&account)) {
                found.push(json!({
                    "height": height.to_string(),
                    "time": proposal.time.to_string(),
                    "index": index,
                    "transaction": transaction.to_string(),
                    "event": to_json_value(self.prefix(), event)?,
                }));
            }
        }
        Ok(Value::Array(found))
    }

    /// Finality of a height: the proof in hex, and its parts as JSON.
    ///
    /// # Errors
    /// Damage of the log.
    pub fn finality_json(&self, height: u64) -> Result<Option<Value>> {
        let Some(proof) = self.finality(height)? else { return Ok(None) };
        let mut object = to_json_value(self.prefix(), &proof)?;
        object["proof"] = Value::String(to_hex(&encode(&proof)?));
        object["height"] = Value::String(height.to_string());
        Ok(Some(object))
    }

    /// JSON of the receipt that a transaction would get if it were next. Signatures may be missing.
    ///
    /// # Errors
    /// Bytes that are not a signed transaction.
    pub fn simulate_json(&self, signed: &[u8], now: u64) -> Result<Value> {
        let signed: SignedTransaction = bcs::from_bytes(signed)
            .map_err(|error| ChainError::refused("not_canonical", format!("not a signed transaction: {error}")))?;
        let body: TransactionBody = decode(signed.body_bytes())?;
        let inner = self.read();
        let context = self.context(&inner, now)?;
        let signed_by = signed.signatures().iter().map(|entry| entry.key).collect();
        let hash = transaction_hash(self.suite(), self.chain_id(), signed.body_bytes());
        let assume = signed.signatures().is_empty();
        let fields = body.v1().clone();
        let count = fields.operations.len();
        let transaction = VerifiedTransaction { hash, body: fields, signers: signed_by, bytes: 0..0 };
        let simulated =
            simulate(&inner.view()?, inner.live.view(&[]), &context, &transaction, assume).map_err(broken)?;
        let mut object =
            json!({ "id": hash.to_string(), "height": context.height.to_string(), "signatures_assumed": assume });
        match simulated {
            Simulation::Skipped(reason) => object["refused"] = json!(reason.name()),
            Simulation::Receipt { code, operation, events } => {
                object["code"] = json!(code.name());
                object["operations"] = operation_codes(code as u16, operation, count);
                object["events"] = to_json_value(self.prefix(), &events)?;
            }
        }
        Ok(object)
    }
}

/// Code of each operation: the failing one has the transaction's, the others were not applied.
fn operation_codes(code: u16, failed: Option<u8>, count: usize) -> Value {
    let name = |index: usize| match failed {
        _ if code == 0 => "final",
        Some(failed) if usize::from(failed) == index => code_name(code),
        _ => "not_applied",
    };
    Value::Array((0..count).map(|index| json!({ "code": name(index) })).collect())
}
