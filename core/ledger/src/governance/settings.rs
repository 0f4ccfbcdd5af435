//! What changes are applied to, and what makes the result valid (`spec/ledger.md` 10, *apply* and *judge*).

use super::system_cell;
use crate::{
    cells::{AccountState, Defect},
    execution::{Context, Done, Run},
    genesis::validator_account,
};
use bubi_codec::{
    block::check_parameters,
    governance::{Change, NodeListing, Organisation, ProtocolVersion, Voter},
    identity::Address,
    limits,
    state::{key, AccountHeader, ParametersV1, RetiredAlgorithm, Validator, ValidatorSet},
    ResultCode,
};
use bubi_crypto::{Hash, PublicKey};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// Number of the operation with which an organisation votes.
const VOTE: u8 = 25;
/// Number of the operation with which a validator says that it is ready.
const READY: u8 = 27;
/// The engine of one validator alone.
const SOLO: &str = "solo";
/// Engines that can be voted for by every program. A third party's has a dot in its name.
const ENGINES: [&str; 4] = [SOLO, "pbft", "raft", "paxos"];
/// The engine that only a genesis can choose.
const EXTERNAL: &str = "cometbft";
/// What a proposal must acknowledge if nobody may be missing any more.
const NO_TOLERANCE: &str = "no_fault_tolerance";
/// Bytes of an epoch record beside its validators.
const EPOCH_BYTES: usize = 32;

/// An organisation: its governance account and its certificate.
type Member = (Option<Address>, Vec<u8>);

/// Copies of everything that a vote can change.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Settings {
    pub(super) parameters: ParametersV1,
    pub(super) epoch: u64,
    pub(super) engine: String,
    pub(super) validators: Vec<Validator>,
    pub(super) quorum: (u32, u32),
    pub(super) version: u32,
    organisations: BTreeMap<String, Member>,
    nodes: BTreeMap<Hash, NodeListing>,
    revoked: BTreeSet<Hash>,
    /// Organisations that changes have set.
    set: BTreeSet<String>,
}

fn rest(key: &[u8]) -> &[u8] {
    key.get(1..).unwrap_or_default()
}

fn hash(key: &[u8]) -> Result<Hash, Defect> {
    rest(key).try_into().map(Hash).map_err(|_| Defect("a cell of a list whose key cannot be read"))
}

impl Settings {
    /// As they stand now.
    pub(super) fn read(run: &mut Run<'_, '_>) -> Result<Self, Defect> {
        let ValidatorSet::V1 { epoch, engine, validators, quorum_numerator, quorum_denominator } =
            run.context.validators.as_ref();
        let mut settings = Self {
            parameters: run.context.parameters.clone(),
            epoch: *epoch,
            engine: engine.clone(),
            validators: validators.clone(),
            quorum: (*quorum_numerator, *quorum_denominator),
            version: run.context.protocol_version,
            organisations: BTreeMap::new(),
            nodes: BTreeMap::new(),
            revoked: BTreeSet::new(),
            set: BTreeSet::new(),
        };
        let system = run.cells.system();
        for key in run.cells.keys(system, &[key::ORGANISATION_PREFIX]) {
            let cell = run.cells.cell(system, &key);
            let found = run.cells.read::<Arc<Organisation>>(cell)?.cloned();
            let Organisation::V1 { governance, certificate } =
                found.as_deref().ok_or(Defect("an organisation that is none"))?;
            let name = std::str::from_utf8(rest(&key)).map_err(|_| Defect("an organisation whose name is no text"))?;
            settings.organisations.insert(name.to_owned(), (*governance, certificate.clone()));
        }
        for key in run.cells.keys(system, &[key::NODE_PREFIX]) {
            let cell = run.cells.cell(system, &key);
            let listing = run.cells.read::<NodeListing>(cell)?.copied().ok_or(Defect("a listing that is none"))?;
            settings.nodes.insert(hash(&key)?, listing);
        }
        for key in run.cells.keys(system, &[key::REVOKED_PREFIX]) {
            settings.revoked.insert(hash(&key)?);
        }
        Ok(settings)
    }

    /// The settings that changes lead to, if the result is valid.
    pub(super) fn changed(
        run: &mut Run<'_, '_>,
        changes: &[Change],
        acknowledged: &[String],
    ) -> Result<Self, ResultCode> {
        let mut settings = Self::read(run)?;
        settings.apply(changes)?;
        settings.judge(run, acknowledged)?;
        Ok(settings)
    }

    /// Applies changes one after the other.
    pub(super) fn apply(&mut self, changes: &[Change]) -> Done {
        changes.iter().try_for_each(|change| self.apply_one(change))
    }

    fn apply_one(&mut self, change: &Change) -> Done {
        let decides = matches!(
            change,
            Change::AddValidator(_)
                | Change::RemoveValidator { .. }
                | Change::ChangeValidator { .. }
                | Change::SetQuorum { .. }
        );
        if decides && self.engine == EXTERNAL {
            // The external engine has its own copy of who votes, which only a genesis writes.
            return Err(ResultCode::EngineUnknown);
        }
        match change {
            Change::SetParameter { name, value } => self.set_parameter(name, *value),
            Change::AddValidator(validator) => self.add_validator(validator),
            Change::RemoveValidator { name } => {
                let place = self.place(name)?;
                self.validators.remove(place);
                Ok(())
            }
            Change::ChangeValidator { name, weight, key } => self.change_validator(name, *weight, key.as_ref()),
            Change::SetOrganisation { name, governance, certificate } => {
                self.set_organisation(name, *governance, certificate)
            }
            Change::RemoveOrganisation { name } => self.remove_organisation(name),
            Change::SetEngine { name } => {
                if self.engine == EXTERNAL || !(ENGINES.contains(&name.as_str()) || name.contains('.')) {
                    return Err(ResultCode::EngineUnknown);
                }
                self.engine.clone_from(name);
                Ok(())
            }
            Change::SetQuorum { numerator, denominator } => {
                if *denominator == 0 || numerator > denominator {
                    return Err(ResultCode::QuorumInvalid);
                }
                self.quorum = (*numerator, *denominator);
                Ok(())
            }
            Change::SetAlgorithms { accounts, votes, old_until } => {
                self.set_algorithms(accounts, votes, *old_until);
                Ok(())
            }
            Change::SetProtocolVersion { version } => {
                if self.version.checked_add(1) != Some(*version) {
                    return Err(ResultCode::VersionInvalid);
                }
                self.version = *version;
                Ok(())
            }
            Change::AllowNode { node } => self.list(node, NodeListing::Allowed),
            Change::DenyNode { node } => self.list(node, NodeListing::Denied),
            Change::ClearNode { node } => self.nodes.remove(node).map(drop).ok_or(ResultCode::ListingInvalid),
            Change::RevokeCertificate { fingerprint } => {
                if self.revoked.len() >= limits::LISTED_MAX || !self.revoked.insert(*fingerprint) {
                    return Err(ResultCode::ListingInvalid);
                }
                Ok(())
            }
        }
    }

    fn set_parameter(&mut self, name: &str, value: u64) -> Done {
        let parameters = &mut self.parameters;
        let wide = match name {
            "max_lifetime" => &mut parameters.max_lifetime,
            "clock_tolerance" => &mut parameters.clock_tolerance,
            "quota_window" => &mut parameters.quota_window,
            "quota_operations" => &mut parameters.quota_operations,
            "timeout" => &mut parameters.timeout,
            "timeout_max" => &mut parameters.timeout_max,
            "proposal_lifetime" => &mut parameters.proposal_lifetime,
            "ready_lifetime" => &mut parameters.ready_lifetime,
            "evidence_max_age" => &mut parameters.evidence_max_age,
            "organisation_operations" => &mut parameters.organisation_operations,
            _ => return self.set_narrow_parameter(name, value),
        };
        *wide = value;
        Ok(())
    }

    fn set_narrow_parameter(&mut self, name: &str, value: u64) -> Done {
        let parameters = &mut self.parameters;
        let narrow = match name {
            "block_transactions" => &mut parameters.block_transactions,
            "block_bytes" => &mut parameters.block_bytes,
            "due_per_block" => &mut parameters.due_per_block,
            "turn_blocks" => &mut parameters.turn_blocks,
            "evidence_policy" => &mut parameters.evidence_policy,
            // The numbers of buckets follow from `id_bucket`: it is fixed for ever.
            _ => return Err(ResultCode::ParameterUnknown),
        };
        *narrow = u32::try_from(value).map_err(|_| ResultCode::ParameterInvalid)?;
        Ok(())
    }

    fn place(&self, name: &str) -> Result<usize, ResultCode> {
        self.validators.iter().position(|one| one.name == name).ok_or(ResultCode::ValidatorMissing)
    }

    fn check_vote_key(&self, key: &PublicKey) -> Done {
        if !self.parameters.vote_algorithms.contains(&(key.algorithm() as u8)) {
            return Err(ResultCode::AlgorithmDisabled);
        }
        key.check_registration().map_err(|_| ResultCode::KeyInvalid)
    }

    fn add_validator(&mut self, validator: &Validator) -> Done {
        if self.validators.iter().any(|one| one.name == validator.name || one.key == validator.key) {
            return Err(ResultCode::ValidatorExists);
        }
        if !self.organisations.contains_key(&validator.organisation) {
            return Err(ResultCode::OrganisationMissing);
        }
        self.check_vote_key(&validator.key)?;
        self.validators.push(validator.clone());
        Ok(())
    }

    fn change_validator(&mut self, name: &str, weight: Option<u32>, key: Option<&PublicKey>) -> Done {
        let place = self.place(name)?;
        if let Some(key) = key {
            if self.validators.iter().any(|one| one.name != name && one.key == *key) {
                return Err(ResultCode::ValidatorExists);
            }
            self.check_vote_key(key)?;
        }
        let validator = self.validators.get_mut(place).ok_or(ResultCode::ValidatorMissing)?;
        validator.key = key.copied().unwrap_or(validator.key);
        validator.weight = weight.unwrap_or(validator.weight);
        Ok(())
    }

    fn set_organisation(&mut self, name: &str, governance: Option<Address>, certificate: &[u8]) -> Done {
        let taken =
            |(other, member): (&String, &Member)| other != name && governance.is_some() && member.0 == governance;
        let is_full = !self.organisations.contains_key(name) && self.organisations.len() >= limits::ORGANISATIONS_MAX;
        if is_full || self.organisations.iter().any(taken) {
            return Err(ResultCode::OrganisationInUse);
        }
        let vouched = self.organisations.get(name).is_some_and(|member| !member.1.is_empty());
        if vouched && certificate.is_empty() && self.validators.iter().any(|one| one.organisation == name) {
            // Nobody would let its validators' nodes in any more.
            return Err(ResultCode::OrganisationInUse);
        }
        self.organisations.insert(name.to_owned(), (governance, certificate.to_vec()));
        self.set.insert(name.to_owned());
        Ok(())
    }

    fn remove_organisation(&mut self, name: &str) -> Done {
        if !self.organisations.contains_key(name) {
            return Err(ResultCode::OrganisationMissing);
        }
        if self.validators.iter().any(|one| one.organisation == name) {
            return Err(ResultCode::OrganisationInUse);
        }
        self.organisations.remove(name);
        self.set.remove(name);
        Ok(())
    }

    fn set_algorithms(&mut self, accounts: &[u8], votes: &[u8], until: u64) {
        let parameters = &mut self.parameters;
        let mut retired: BTreeMap<u8, u64> =
            parameters.retired_algorithms.iter().map(|one| (one.algorithm, one.until)).collect();
        for algorithm in &parameters.algorithms {
            retired.entry(*algorithm).or_insert(until);
        }
        retired.retain(|algorithm, _| !accounts.contains(algorithm));
        let retired = retired.into_iter().map(|(algorithm, until)| RetiredAlgorithm { algorithm, until });
        parameters.retired_algorithms = retired.collect();
        parameters.algorithms = accounts.to_vec();
        parameters.vote_algorithms = votes.to_vec();
    }

    fn list(&mut self, node: &Hash, listing: NodeListing) -> Done {
        if !self.nodes.contains_key(node) && self.nodes.len() >= limits::LISTED_MAX {
            return Err(ResultCode::ListingInvalid);
        }
        self.nodes.insert(*node, listing);
        Ok(())
    }

    /// The set of validators in the next epoch.
    pub(super) fn next_set(&self) -> ValidatorSet {
        ValidatorSet::V1 {
            epoch: self.epoch.saturating_add(1),
            engine: self.engine.clone(),
            validators: self.validators.clone(),
            quorum_numerator: self.quorum.0,
            quorum_denominator: self.quorum.1,
        }
    }

    /// Whether the settings are valid.
    fn judge(&self, run: &mut Run<'_, '_>, acknowledged: &[String]) -> Done {
        check_parameters(&self.parameters, run.context.kind).map_err(|_| ResultCode::ParameterInvalid)?;
        let next = self.next_set();
        self.judge_validators(&next)?;
        self.judge_members()?;
        self.judge_tolerance(&next, acknowledged)?;
        self.judge_accounts(run)?;
        self.judge_voters(run, &next)?;
        let size = bcs::serialized_size(&next).map_err(|_| ResultCode::Internal)?;
        if size + EPOCH_BYTES > limits::CELL_VALUE_BYTES_MAX {
            return Err(ResultCode::ValidatorsInvalid);
        }
        Ok(())
    }

    fn judge_validators(&self, next: &ValidatorSet) -> Done {
        let count = self.validators.len();
        let is_possible = (1..=limits::VALIDATORS_MAX).contains(&count) && u32::try_from(next.total()).is_ok();
        if !is_possible || (self.engine == SOLO) != (count == 1) {
            return Err(ResultCode::ValidatorsInvalid);
        }
        Ok(())
    }

    fn judge_members(&self) -> Done {
        for validator in &self.validators {
            if !self.organisations.contains_key(&validator.organisation) {
                return Err(ResultCode::OrganisationMissing);
            }
            if !self.parameters.vote_algorithms.contains(&(validator.key.algorithm() as u8)) {
                return Err(ResultCode::AlgorithmDisabled);
            }
        }
        Ok(())
    }

    /// On whom everything would depend, and whether the proposal says so.
    fn judge_tolerance(&self, next: &ValidatorSet, acknowledged: &[String]) -> Done {
        if self.engine == SOLO {
            return Ok(());
        }
        let spare = next.total().saturating_sub(next.quorum());
        let heavy: Vec<&Validator> = self.validators.iter().filter(|one| u64::from(one.weight) > spare).collect();
        let is_named = |name: &str| acknowledged.iter().any(|one| one == name);
        let is_known = if heavy.len() == self.validators.len() {
            is_named(NO_TOLERANCE)
        } else {
            heavy.iter().all(|one| is_named(&one.name))
        };
        if is_known {
            Ok(())
        } else {
            Err(ResultCode::NotAcknowledged)
        }
    }

    fn judge_accounts(&self, run: &mut Run<'_, '_>) -> Done {
        for name in &self.set {
            if let Some((Some(account), _)) = self.organisations.get(name) {
                run.open_account(account)?;
            }
        }
        for validator in &self.validators {
            let account = Address::of_key(run.context.suite, &validator.key);
            if run.open_account(&account) == Err(ResultCode::AccountClosed) {
                return Err(ResultCode::AccountClosed);
            }
        }
        Ok(())
    }

    fn judge_voters(&self, run: &mut Run<'_, '_>, next: &ValidatorSet) -> Done {
        let mut able: BTreeMap<&str, bool> = BTreeMap::new();
        for (name, (governance, _)) in &self.organisations {
            let Some(account) = governance else { continue };
            able.insert(name, self.can_act(run, account, VOTE)?.unwrap_or(false));
        }
        let votes = |one: &&Validator| able.get(one.organisation.as_str()).copied().unwrap_or(false);
        let weight: u64 = self.validators.iter().filter(votes).map(|one| u64::from(one.weight)).sum();
        if weight < next.quorum() || self.ready_weight(run)? < next.quorum() {
            return Err(ResultCode::GovernanceLost);
        }
        Ok(())
    }

    /// Weight of the next validators that could say that they are ready for another change. An account that is missing is opened
    /// for its key.
    fn ready_weight(&self, run: &mut Run<'_, '_>) -> Result<u64, Defect> {
        let mut weight = 0;
        for validator in &self.validators {
            let own = self.parameters.algorithms.contains(&(validator.key.algorithm() as u8));
            let account = Address::of_key(run.context.suite, &validator.key);
            if self.can_act(run, &account, READY)?.unwrap_or(own) {
                weight += u64::from(validator.weight);
            }
        }
        Ok(weight)
    }

    /// Whether the keys of an account reach its threshold for an operation, with the algorithms that are allowed; none if it was
    /// never opened.
    fn can_act(&self, run: &mut Run<'_, '_>, account: &Address, operation: u8) -> Result<Option<bool>, Defect> {
        let owner = run.cells.account(account);
        let cell = run.cells.cell(owner, key::HEADER);
        let header = run.cells.read::<Arc<AccountHeader>>(cell)?.cloned();
        let Some(header) = header.as_deref() else { return Ok(None) };
        let AccountHeader::V1 { signers, thresholds, .. } = header else { return Ok(Some(false)) };
        let counting = signers.iter().filter(|signer| {
            signer.limits.is_none() && self.parameters.algorithms.contains(&(signer.key.algorithm() as u8))
        });
        let weight: u64 = counting.map(|signer| u64::from(signer.weight)).sum();
        let needed = thresholds.operations.get(&operation).copied().unwrap_or(thresholds.default);
        Ok(Some(weight >= u64::from(needed)))
    }

    /// Opens the first accounts of the validators' keys that have none; returns them.
    pub(super) fn open_accounts(&self, run: &mut Run<'_, '_>) -> Result<Vec<Address>, Defect> {
        let mut opened = Vec::new();
        for validator in &self.validators {
            let (address, header) = validator_account(run.context.suite, &validator.key, run.context.height);
            let owner = run.cells.account(&address);
            if run.cells.account_state(owner)? == AccountState::Missing {
                let cell = run.cells.cell(owner, key::HEADER);
                run.cells.write(cell, Arc::new(header));
                opened.push(address);
            }
        }
        Ok(opened)
    }

    /// Writes what differs from `before`: organisations, voters, lists, protocol version.
    pub(super) fn write_changes(&self, run: &mut Run<'_, '_>, before: &Self) {
        if self.version != before.version {
            let cell = system_cell(run, key::PROTOCOL_VERSION);
            run.cells.write(cell, ProtocolVersion::V1 { version: self.version });
        }
        self.write_organisations(run, before);
        for node in before.nodes.keys().filter(|node| !self.nodes.contains_key(node)) {
            let cell = system_cell(run, &key::node(node));
            run.cells.remove(cell);
        }
        for (node, listing) in self.nodes.iter().filter(|(node, listing)| before.nodes.get(node) != Some(listing)) {
            let cell = system_cell(run, &key::node(node));
            run.cells.write(cell, *listing);
        }
        for fingerprint in self.revoked.difference(&before.revoked) {
            let cell = system_cell(run, &key::revoked(fingerprint));
            run.cells.mark(cell);
        }
    }

    fn write_organisations(&self, run: &mut Run<'_, '_>, before: &Self) {
        for (name, (governance, _)) in &before.organisations {
            if let Some(account) = governance {
                let cell = system_cell(run, &key::voter(account));
                run.cells.remove(cell);
            }
            if !self.organisations.contains_key(name) {
                let cell = system_cell(run, &key::organisation(name));
                run.cells.remove(cell);
            }
        }
        for (name, member) in &self.organisations {
            if let Some(account) = &member.0 {
                let cell = system_cell(run, &key::voter(account));
                run.cells.write(cell, Voter::V1 { organisation: name.clone() });
            }
            if before.organisations.get(name) != Some(member) {
                let (governance, certificate) = member.clone();
                let cell = system_cell(run, &key::organisation(name));
                run.cells.write(cell, Arc::new(Organisation::V1 { governance, certificate }));
            }
        }
    }

    /// Whether an organisation has a governance account.
    pub(super) fn has_voice(run: &mut Run<'_, '_>, organisation: &str) -> Result<bool, Defect> {
        let cell = system_cell(run, &key::organisation(organisation));
        let found = run.cells.read::<Arc<Organisation>>(cell)?;
        Ok(found.is_some_and(|found| matches!(found.as_ref(), Organisation::V1 { governance: Some(_), .. })))
    }
}

/// Weight of each organisation in the set in force.
pub(super) fn weights(context: &Context) -> BTreeMap<String, u64> {
    let ValidatorSet::V1 { validators, .. } = context.validators.as_ref();
    let mut weights = BTreeMap::new();
    for validator in validators {
        *weights.entry(validator.organisation.clone()).or_default() += u64::from(validator.weight);
    }
    weights
}
