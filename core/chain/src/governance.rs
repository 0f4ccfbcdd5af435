//! What clients and the node read of governance: organisations, lists, the pending change, proposals, evidence, epochs.

use crate::{
    chain::{broken, Chain, Inner},
    error::Result,
    query::owner,
};
use bubi_codec::{
    decode,
    governance::{ChangeProposal, EvidenceRecord, Governance, GovernanceV1, NodeListing, Organisation},
    identity::ProposalId,
    state::{key, OwnerKind, ValidatorSet},
    text::to_json_value,
    Wire,
};
use bubi_crypto::{to_hex, Hash};
use bubi_ledger::tree::OwnerKey;
use bubi_store::Disk;
use serde_json::{json, Value};
use std::ops::Bound;

/// The network as the owner of cells.
fn system() -> OwnerKey {
    owner(OwnerKind::System, &[0; 32])
}

impl Inner {
    /// A cell of the system; none if it is absent.
    pub(crate) fn system_cell<T: Wire>(&self, key: &[u8]) -> Result<Option<T>> {
        Ok(self.state.get(&system(), key).map(decode).transpose()?)
    }

    /// Cells of the system whose keys begin with a byte, behind a rest of such a key (none: from the first): rest and value.
    fn system_cells(&self, prefix: u8, after: Option<&[u8]>) -> Result<impl Iterator<Item = (Vec<u8>, Vec<u8>)>> {
        let from = [&[prefix], after.unwrap_or_default()].concat();
        let bound = if after.is_some() { Bound::Excluded(from.as_slice()) } else { Bound::Included(from.as_slice()) };
        let view = self.view()?;
        let mut found = Vec::new();
        for (key, value) in view.cells_from(&system(), bound) {
            match key.split_first() {
                Some((first, rest)) if *first == prefix => found.push((rest.to_vec(), value.to_vec())),
                _ => break,
            }
        }
        Ok(found.into_iter())
    }

    fn listed(&self, wanted: NodeListing) -> Result<Vec<String>> {
        let mut nodes = Vec::new();
        for (node, value) in self.system_cells(key::NODE_PREFIX, None)? {
            if decode::<NodeListing>(&value)? == wanted {
                nodes.push(to_hex(&node));
            }
        }
        Ok(nodes)
    }
}

impl<D: Disk> Chain<D> {
    /// Organisations in the order of their names: name, governance account, certificate.
    ///
    /// # Errors
    /// The state is damaged.
    pub fn organisations_json(&self) -> Result<Value> {
        let mut organisations = Vec::new();
        for (name, value) in self.read().system_cells(key::ORGANISATION_PREFIX, None)? {
            let Organisation::V1 { governance, certificate } = decode(&value)?;
            organisations.push(json!({
                "name": String::from_utf8(name).map_err(broken)?,
                "governance": governance.map(|account| account.to_text(self.prefix())),
                "certificate": to_hex(&certificate),
            }));
        }
        Ok(Value::Array(organisations))
    }

    /// Epoch, its first height, protocol version, open proposals, the pending change, exclusions that wait, lists of nodes
    /// and revoked certificates.
    ///
    /// # Errors
    /// The state is damaged.
    pub fn governance_json(&self) -> Result<Value> {
        let inner = self.read();
        let ValidatorSet::V1 { epoch, .. } = inner.settings.validators()?;
        let begun = inner.settings.epochs.last().map_or(1, |epoch| epoch.height);
        let governance = inner.system_cell(key::GOVERNANCE)?;
        let GovernanceV1 { open, pending, exclusions } =
            governance.map_or_else(GovernanceV1::default, |Governance::V1(governance)| governance);
        let revoked = inner.system_cells(key::REVOKED_PREFIX, None)?.map(|(fingerprint, _)| to_hex(&fingerprint));
        Ok(json!({
            "height": inner.tip.height.to_string(),
            "epoch": epoch.to_string(),
            "epoch_height": begun.to_string(),
            "protocol_version": inner.settings.protocol_version,
            "open": open.iter().map(|proposal| proposal.0.to_string()).collect::<Vec<_>>(),
            "pending": to_json_value(self.prefix(), &pending)?,
            "exclusions": to_json_value(self.prefix(), &exclusions)?,
            "allowed": inner.listed(NodeListing::Allowed)?,
            "denied": inner.listed(NodeListing::Denied)?,
            "revoked": revoked.collect::<Vec<_>>(),
        }))
    }

    /// One proposal; none if there is none.
    ///
    /// # Errors
    /// The state is damaged.
    pub fn proposal_json(&self, proposal: &ProposalId) -> Result<Option<Value>> {
        let found: Option<ChangeProposal> = self.read().system_cell(&key::proposal(proposal))?;
        Ok(found.map(|value| to_json_value(self.prefix(), &value)).transpose()?)
    }

    /// One record of evidence; none if there is none.
    ///
    /// # Errors
    /// The state is damaged.
    pub fn evidence_json(&self, evidence: &Hash) -> Result<Option<Value>> {
        let found: Option<EvidenceRecord> = self.read().system_cell(&key::evidence(evidence))?;
        Ok(found.map(|value| to_json_value(self.prefix(), &value)).transpose()?)
    }

    /// A page of proposals in the order of their ids, behind one (empty: from the first).
    ///
    /// # Errors
    /// The state is damaged.
    pub fn list_proposals(&self, after: &[u8], limit: usize) -> Result<Value> {
        self.list::<ChangeProposal>(key::PROPOSAL_PREFIX, after, limit)
    }

    /// A page of evidence in the order of its keys, behind one (empty: from the first).
    ///
    /// # Errors
    /// The state is damaged.
    pub fn list_evidence(&self, after: &[u8], limit: usize) -> Result<Value> {
        self.list::<EvidenceRecord>(key::EVIDENCE_PREFIX, after, limit)
    }

    fn list<T: Wire>(&self, prefix: u8, after: &[u8], limit: usize) -> Result<Value> {
        let inner = self.read();
        let mut cells = inner.system_cells(prefix, (!after.is_empty()).then_some(after))?;
        let mut items = Vec::new();
        let mut last = None;
        for (id, value) in cells.by_ref().take(limit) {
            items.push(json!({ "id": to_hex(&id), "value": self.value_json::<T>(&value)? }));
            last = Some(to_hex(&id));
        }
        let next = cells.next().and(last);
        Ok(json!({ "height": inner.tip.height.to_string(), "items": items, "next": next }))
    }

    /// The validator set of an epoch; none if it has not begun.
    pub fn validators_of_epoch(&self, epoch: u64) -> Option<ValidatorSet> {
        let place = usize::try_from(epoch).ok()?;
        self.read().settings.epochs.get(place).map(|epoch| epoch.validators.clone())
    }
}
