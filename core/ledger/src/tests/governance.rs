//! Proposals from their opening to their end, and the barrier.

use super::world::{governed, public, signer, thresholds, validator, Finished, Seen, World};
use crate::{BlockError, Context, SkipReason};
use bubi_codec::{
    block::{digest, Event, Outcome},
    domain,
    governance::{
        Change, ChangeProposal, ChangeProposalV1, EpochRecord, Governance, GovernanceV1, NodeListing, Organisation,
        ProposalStatus as Status, ProtocolVersion,
    },
    identity::ProposalId,
    operation::OperationBody as Op,
    state::{key, Parameters, ParametersV1, RetiredAlgorithm, Schedule, Validator, ValidatorSet},
    ResultCode as Code,
};
use bubi_crypto::{Hash, HashSuite, PublicKey, SecretKey, SignatureAlgorithm};

const SUITES: [HashSuite; 2] = [HashSuite::Standard, HashSuite::National];

pub(crate) fn parameter(name: &str, value: u64) -> Change {
    Change::SetParameter { name: name.into(), value }
}

fn remove(number: u8) -> Change {
    Change::RemoveValidator { name: format!("v{number}") }
}

fn weight(number: u8, weight: u32) -> Change {
    Change::ChangeValidator { name: format!("v{number}"), weight: Some(weight), key: None }
}

fn engine(name: &str) -> Change {
    Change::SetEngine { name: name.into() }
}

fn named(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

impl World {
    pub(crate) fn governed(suite: HashSuite, parameters: ParametersV1, weights: &[u32]) -> Self {
        Self::of(&governed(suite, parameters, weights))
    }

    fn proposing(&self, changes: Vec<Change>, acknowledged: &[&str]) -> Op {
        let (acknowledged, memo) = (named(acknowledged), "why".to_owned());
        Op::Propose { changes, expires: self.time + 60_000, not_before: None, acknowledged, memo }
    }

    #[track_caller]
    pub(crate) fn proposed(&mut self, by: u8, changes: Vec<Change>, acknowledged: &[&str]) -> ProposalId {
        let operation = self.proposing(changes, acknowledged);
        self.done(by, operation);
        self.last_proposal(by)
    }

    #[track_caller]
    pub(crate) fn votes(&mut self, proposal: ProposalId, voters: &[u8], approve: bool) {
        for voter in voters {
            self.done(*voter, Op::Vote { proposal, approve });
        }
    }

    #[track_caller]
    pub(crate) fn ready(&mut self, proposal: ProposalId, validators: &[u8]) {
        for number in validators {
            self.done(200 + number, Op::Ready { proposal });
        }
    }

    pub(crate) fn proposal(&self, id: &ProposalId) -> ChangeProposalV1 {
        let ChangeProposal::V1(proposal) = self.system_cell(&key::proposal(id)).unwrap();
        proposal
    }

    pub(crate) fn status(&self, id: &ProposalId) -> Status {
        self.proposal(id).status
    }

    pub(crate) fn governance(&self) -> GovernanceV1 {
        self.system_cell(key::GOVERNANCE).map(|Governance::V1(governance)| governance).unwrap_or_default()
    }

    pub(crate) fn set(&self) -> ValidatorSet {
        self.system_cell(key::VALIDATORS).unwrap()
    }

    pub(crate) fn epoch(&self) -> u64 {
        let ValidatorSet::V1 { epoch, .. } = self.set();
        epoch
    }

    pub(crate) fn members(&self) -> Vec<String> {
        let ValidatorSet::V1 { validators, .. } = self.set();
        validators.into_iter().map(|one| one.name).collect()
    }

    /// Empty blocks until the pending change is in force; the last of them.
    pub(crate) fn until_activation(&mut self) -> Finished {
        let activation = self.governance().pending.unwrap().activation.unwrap();
        while self.height + 1 < activation {
            self.block(&[]);
        }
        self.block(&[])
    }

    /// Carries a change through: all four organisations and validators of the genesis agree.
    #[track_caller]
    pub(crate) fn changed(&mut self, changes: Vec<Change>, acknowledged: &[&str]) {
        let id = self.proposed(1, changes, acknowledged);
        self.votes(id, &[1, 2, 3], true);
        self.ready(id, &[1, 2, 3]);
        self.until_activation();
        assert_eq!(self.status(&id), Status::Active);
    }
}

fn small_order() -> PublicKey {
    let mut bytes = [0; 33];
    bytes[1] = 1;
    PublicKey::from_tagged(&bytes).unwrap()
}

/// What must be refused, and why.
fn refused_changes(world: &World) -> Vec<(Code, Vec<Change>, &'static [&'static str])> {
    let set = |name: &str, governance: Option<u8>| Change::SetOrganisation {
        name: name.into(),
        governance: governance.map(|number| world.address(number)),
        certificate: vec![1],
    };
    let unvouched = |name: &str| {
        let (name, governance) = (name.into(), Some(world.address(1)));
        Change::SetOrganisation { name, governance, certificate: Vec::new() }
    };
    let add = |number: u8, key: PublicKey| Change::AddValidator(Validator { key, ..validator(number, 1) });
    let node = Hash([9; 32]);
    let algorithms = |accounts: &[u8], votes: &[u8]| Change::SetAlgorithms {
        accounts: accounts.to_vec(),
        votes: votes.to_vec(),
        old_until: 0,
    };
    let rekeyed =
        |number: u8, key| Change::ChangeValidator { name: format!("v{number}"), weight: None, key: Some(key) };
    let quorum = |numerator, denominator| Change::SetQuorum { numerator, denominator };
    let organisation = |name: &str| Change::RemoveOrganisation { name: name.into() };
    let version = |version| Change::SetProtocolVersion { version };
    vec![
        (Code::ParameterUnknown, vec![parameter("no_such", 1)], &[]),
        (Code::ParameterUnknown, vec![parameter("id_bucket", 20_000)], &[]),
        (Code::ParameterUnknown, vec![parameter("algorithms", 1)], &[]),
        (Code::ParameterInvalid, vec![parameter("block_transactions", 1 << 32)], &[]),
        // One author may fill half of a block: of one transaction that is none, and nothing would ever be decided again.
        (Code::ParameterInvalid, vec![parameter("block_transactions", 1)], &[]),
        (Code::ParameterInvalid, vec![parameter("block_bytes", 2_097_151)], &[]),
        (Code::ParameterInvalid, vec![parameter("due_per_block", 0)], &[]),
        (Code::ParameterInvalid, vec![parameter("due_per_block", 100_001)], &[]),
        // Every proposal would be too old when it arrives.
        (Code::ParameterInvalid, vec![parameter("clock_tolerance", 499)], &[]),
        // Who voted once could not vote again for years.
        (Code::ParameterInvalid, vec![parameter("quota_operations", 1), parameter("quota_window", 604_800_001)], &[]),
        (Code::ParameterInvalid, vec![parameter("timeout", 199)], &[]),
        (Code::ParameterInvalid, vec![parameter("timeout_max", 1_999)], &[]),
        (Code::ParameterInvalid, vec![parameter("max_lifetime", 3_600_001)], &[]),
        (Code::ParameterInvalid, vec![parameter("turn_blocks", 3)], &[]),
        (Code::ParameterInvalid, vec![parameter("evidence_policy", 4)], &[]),
        (Code::ParameterInvalid, vec![parameter("ready_lifetime", 9_999)], &[]),
        (Code::ValidatorExists, vec![Change::AddValidator(Validator { key: public(9), ..validator(1, 1) })], &[]),
        (Code::ValidatorExists, vec![set("o5", None), add(5, public(201))], &[]),
        (Code::OrganisationMissing, vec![add(5, public(205))], &[]),
        (Code::KeyInvalid, vec![set("o5", None), add(5, small_order())], &[]),
        (Code::ValidatorMissing, vec![remove(9)], &[]),
        (Code::ValidatorMissing, vec![weight(9, 2)], &[]),
        (Code::ValidatorMissing, vec![remove(4), remove(4)], &["no_fault_tolerance"]),
        (Code::ValidatorExists, vec![rekeyed(1, public(202))], &[]),
        (Code::KeyInvalid, vec![rekeyed(1, small_order())], &[]),
        (Code::NotAcknowledged, vec![remove(4)], &[]),
        (Code::NotAcknowledged, vec![remove(4)], &["v1", "v2"]),
        (Code::NotAcknowledged, vec![weight(1, 3)], &["no_fault_tolerance", "v2"]),
        (Code::NotAcknowledged, vec![quorum(1, 1)], &["v1"]),
        (Code::ValidatorsInvalid, vec![remove(1), remove(2), remove(3), remove(4)], &["no_fault_tolerance"]),
        (Code::ValidatorsInvalid, vec![remove(1), remove(2), remove(3)], &["no_fault_tolerance"]),
        (Code::ValidatorsInvalid, vec![weight(1, u32::MAX)], &["v1"]),
        (Code::ValidatorsInvalid, vec![engine("solo")], &["no_fault_tolerance"]),
        (Code::EngineUnknown, vec![engine("cometbft")], &[]),
        (Code::EngineUnknown, vec![engine("nonsense")], &[]),
        (Code::QuorumInvalid, vec![quorum(5, 4)], &[]),
        (Code::QuorumInvalid, vec![quorum(0, 0)], &[]),
        (Code::AlgorithmDisabled, vec![algorithms(&[0], &[1, 3])], &[]),
        (Code::AlgorithmDisabled, vec![algorithms(&[0], &[1]), set("o5", None), add(5, public(205))], &[]),
        (Code::OrganisationInUse, vec![unvouched("o1")], &[]),
        (Code::VersionInvalid, vec![version(1)], &[]),
        (Code::VersionInvalid, vec![version(3)], &[]),
        (Code::VersionInvalid, vec![version(2), version(2)], &[]),
        (Code::OrganisationMissing, vec![organisation("o9")], &[]),
        (Code::OrganisationInUse, vec![organisation("o1")], &[]),
        (Code::OrganisationInUse, vec![set("o5", Some(1))], &[]),
        (Code::AccountMissing, vec![set("o5", Some(99))], &[]),
        (Code::AccountClosed, vec![set("o5", Some(8))], &[]),
        (Code::AccountClosed, vec![set("o5", None), add(5, public(8))], &[]),
        (Code::GovernanceLost, vec![set("o1", None), set("o2", None)], &[]),
        (Code::GovernanceLost, vec![algorithms(&[3], &[0])], &[]),
        (Code::ListingInvalid, vec![Change::ClearNode { node }], &[]),
        (Code::ListingInvalid, vec![Change::RevokeCertificate { fingerprint: node }; 2], &[]),
    ]
}

pub(crate) fn refusals(suite: HashSuite) -> Seen {
    let mut world = World::governed(suite, ParametersV1::default(), &[1, 1, 1, 1]);
    world.done(8, Op::CloseAccount);
    for (code, changes, acknowledged) in refused_changes(&world) {
        let operation = world.proposing(changes, acknowledged);
        world.fails(code, 1, operation);
    }
    // Who may propose, and for how long.
    let good = || vec![parameter("due_per_block", 5)];
    let operation = world.proposing(good(), &[]);
    world.fails(Code::NotVoter, 5, operation.clone());
    world.fails(Code::NotVoter, 201, operation);
    let lifetime = ParametersV1::default().proposal_lifetime;
    for (expires, not_before) in [(0, None), (lifetime + 1, None), (1, Some(world.height + 2_000_000))] {
        let expires = world.time + expires;
        let (acknowledged, memo) = (Vec::new(), String::new());
        world.fails(Code::ExpiryInvalid, 1, Op::Propose { changes: good(), expires, not_before, acknowledged, memo });
    }
    // What is acknowledged is accepted.
    world.proposed(1, vec![remove(4)], &["no_fault_tolerance"]);
    world.proposed(1, vec![weight(1, 3)], &["v1"]);
    world.proposed(
        1,
        vec![remove(1), remove(2), remove(3), engine("solo"), Change::RemoveOrganisation { name: "o1".into() }],
        &[],
    );
    world.proposed(1, vec![engine("org.example.engine")], &[]);
    let operation = world.proposing(good(), &[]);
    world.fails(Code::ProposalsFull, 1, operation);
    world.proposed(2, good(), &[]);
    assert_eq!(world.governance().open.len(), 5);
    // A voter cannot be closed; the same id does not open a second proposal.
    world.fails(Code::NotPermitted, 1, Op::CloseAccount);
    // Nor the account of a validator's key: every proposal that keeps the validator would be refused.
    world.fails(Code::NotPermitted, 201, Op::CloseAccount);
    world.seen
}

/// The whole life of a change, and what it leaves.
pub(crate) fn life(suite: HashSuite) -> Seen {
    let mut world = World::governed(suite, ParametersV1::default(), &[1, 1, 1, 1]);
    let (node, other, fingerprint) = (Hash([1; 32]), Hash([2; 32]), Hash([3; 32]));
    let organisation =
        Change::SetOrganisation { name: "o5".into(), governance: Some(world.address(5)), certificate: vec![5; 4_096] };
    let changes = vec![
        organisation,
        Change::AddValidator(validator(5, 2)),
        parameter("due_per_block", 7),
        engine("raft"),
        Change::SetQuorum { numerator: 1, denominator: 2 },
        Change::AllowNode { node },
        Change::DenyNode { node: other },
        Change::RevokeCertificate { fingerprint },
    ];
    let id = world.proposed(2, changes.clone(), &["v5"]);
    assert_eq!(world.proposal(&id).changes, changes);
    world.fails(Code::ProposalMissing, 1, Op::Vote { proposal: ProposalId(Hash::ZERO), approve: true });
    world.fails(Code::NotVoter, 5, Op::Vote { proposal: id, approve: true });
    world.fails(Code::ChangeMissing, 201, Op::Ready { proposal: id });
    // A vote may be changed.
    world.votes(id, &[1], false);
    world.votes(id, &[1, 2], true);
    assert_eq!(world.status(&id), Status::Open);
    let events = world.done(3, Op::Vote { proposal: id, approve: true });
    assert!(matches!(events[1], Event::ProposalChanged { status: Status::Approved, .. }), "{events:?}");
    let opened = world.address(205);
    assert!(matches!(events[2], Event::AccountCreated { account, .. } if account == opened), "{events:?}");
    assert_eq!((events.len(), world.epoch()), (3, 0));
    let pending = world.governance().pending.unwrap();
    assert_eq!((pending.members.len(), pending.quorum, pending.activation), (5, 5, None));
    // What is voted afterwards changes nothing but, by a quorum against it, that it comes into force.
    world.votes(id, &[4], true);
    world.votes(id, &[1, 3], false);
    assert_eq!(world.status(&id), Status::Approved);
    world.fails(Code::NotValidator, 1, Op::Ready { proposal: id });
    // Ready weight 5 of 6.
    world.ready(id, &[5, 1]);
    world.fails(Code::ReadyKnown, 201, Op::Ready { proposal: id });
    world.ready(id, &[2]);
    assert_eq!(world.governance().pending.unwrap().activation, None);
    world.ready(id, &[3]);
    let fixed_at = world.height - 1;
    let activation = world.governance().pending.unwrap().activation.unwrap();
    assert_eq!(activation, fixed_at + 2);
    let events = world.expect(Code::ChangeMissing, 204, vec![Op::Ready { proposal: id }]);
    let active = Event::ProposalChanged { proposal: id, status: Status::Active };
    assert_eq!(events, [active, Event::EpochBegins { epoch: 1, height: activation }]);
    let before = world.context();
    assert_eq!((world.epoch(), world.height), (1, activation), "the block that failed was the last of the epoch");
    assert_eq!(world.status(&id), Status::Active);
    assert_eq!(world.governance(), GovernanceV1::default());
    let ValidatorSet::V1 { engine, validators, quorum_numerator, quorum_denominator, .. } = world.set();
    assert_eq!((engine.as_str(), validators.len(), quorum_numerator, quorum_denominator), ("raft", 5, 1, 2));
    assert_eq!((before.epoch_start, before.parameters.due_per_block), (activation, 7));
    let EpochRecord::V1 { height, time, validators } = world.system_cell(&key::epoch(1)).unwrap();
    assert_eq!((height, time, validators), (activation, world.time - 1_000, world.set()));
    assert_eq!(world.system_cell::<NodeListing>(&key::node(&node)), Some(NodeListing::Allowed));
    assert_eq!(world.system_cell::<NodeListing>(&key::node(&other)), Some(NodeListing::Denied));
    let Organisation::V1 { governance, certificate } = world.system_cell(&key::organisation("o5")).unwrap();
    assert_eq!((governance, certificate.len()), (Some(world.address(5)), 4_096));
    // The new organisation votes: with weight 2 of 6, quorum 5.
    let id = world.proposed(5, vec![Change::ClearNode { node }, Change::ClearNode { node: other }], &["v5"]);
    world.votes(id, &[5, 1, 2], true);
    assert_eq!(world.status(&id), Status::Open);
    world.votes(id, &[3], true);
    world.ready(id, &[1, 2, 3, 5]);
    world.until_activation();
    assert_eq!(world.system_cell::<NodeListing>(&key::node(&node)), None);
    // A revoked certificate stays revoked.
    let operation = world.proposing(vec![Change::RevokeCertificate { fingerprint }], &["v5"]);
    world.fails(Code::ListingInvalid, 1, operation);
    world.seen
}

/// How else proposals and changes end.
pub(crate) fn endings(suite: HashSuite) -> Seen {
    let parameters = ParametersV1 { ready_lifetime: 10_000, ..ParametersV1::default() };
    let mut world = World::governed(suite, parameters, &[1, 1, 1, 1]);
    let change = |value| vec![parameter("due_per_block", value)];
    // Rejected: the quorum of 3 cannot be reached any more.
    let id = world.proposed(1, change(2), &[]);
    world.votes(id, &[1], true);
    world.votes(id, &[2, 3], false);
    assert_eq!(world.status(&id), Status::Rejected);
    world.fails(Code::ProposalClosed, 4, Op::Vote { proposal: id, approve: true });
    // Withdrawn.
    let id = world.proposed(1, change(2), &[]);
    world.fails(Code::NotVoter, 5, Op::WithdrawProposal { proposal: id });
    world.fails(Code::NotPermitted, 2, Op::WithdrawProposal { proposal: id });
    world.done(1, Op::WithdrawProposal { proposal: id });
    world.fails(Code::ProposalClosed, 1, Op::WithdrawProposal { proposal: id });
    assert_eq!(world.status(&id), Status::Withdrawn);
    // Expired by itself; at its last millisecond nobody may vote any more.
    let id = world.proposed(1, change(2), &[]);
    world.time = world.proposal(&id).expires - 1;
    world.votes(id, &[1], true);
    world.time = world.proposal(&id).expires;
    let finished = world.block(&[]);
    let ended = Event::ProposalChanged { proposal: id, status: Status::Expired };
    assert_eq!((finished.events, world.status(&id)), (vec![vec![ended]], Status::Expired));
    // One pending change at a time; the vote that would approve another waits.
    let (id, second) = (world.proposed(1, change(2), &[]), world.proposed(2, change(3), &[]));
    world.votes(id, &[1, 2, 3], true);
    world.votes(second, &[1, 2], true);
    world.fails(Code::ChangePending, 3, Op::Vote { proposal: second, approve: true });
    // It lapses if too few are ready.
    world.ready(id, &[1, 2]);
    world.time = world.governance().pending.unwrap().until;
    let body = world.body(203, vec![Op::Ready { proposal: id }]);
    let transaction = world.signed(body, &[203]);
    let finished = world.block(&[transaction]);
    assert_eq!((finished.codes[0], world.status(&id)), (Code::ChangeMissing, Status::Lapsed));
    world.votes(second, &[3], true);
    assert_eq!(world.status(&second), Status::Approved);
    world.ready(second, &[1, 2, 3]);
    world.until_activation();
    assert_eq!((world.context().parameters.due_per_block, world.epoch()), (3, 1));
    // What was valid when it was opened may have become invalid.
    let (one, two) =
        (world.proposed(1, vec![weight(1, 2)], &["v1"]), world.proposed(2, vec![remove(1)], &["no_fault_tolerance"]));
    world.votes(one, &[1, 2], true);
    world.votes(two, &[1, 2, 3], true);
    world.ready(two, &[2, 3, 4]);
    world.until_activation();
    assert_eq!(world.members(), ["v2", "v3", "v4"]);
    // The organisation of a removed validator weighs nothing, but may still withdraw.
    world.votes(one, &[3], true);
    assert_eq!(world.status(&one), Status::Open);
    world.fails(Code::ValidatorMissing, 4, Op::Vote { proposal: one, approve: true });
    world.done(1, Op::WithdrawProposal { proposal: one });
    // The height before which it must not be in force.
    let not_before = world.height + 30;
    let (acknowledged, memo) = (named(&["no_fault_tolerance"]), String::new());
    let expires = world.time + 60_000;
    world.done(2, Op::Propose { changes: change(9), expires, not_before: Some(not_before), acknowledged, memo });
    let id = world.last_proposal(2);
    world.votes(id, &[2, 3, 4], true);
    world.ready(id, &[2, 3, 4]);
    assert_eq!(world.governance().pending.unwrap().activation, Some(not_before));
    world.until_activation();
    assert_eq!((world.height, world.context().parameters.due_per_block), (not_before, 9));
    world.seen
}

#[test]
fn a_quorum_takes_back_what_was_approved() {
    let mut world = World::governed(HashSuite::Standard, ParametersV1::default(), &[1, 1, 1, 1]);
    let far = |world: &World| {
        let (changes, acknowledged, memo) = (vec![parameter("due_per_block", 9)], Vec::new(), String::new());
        Op::Propose {
            changes,
            expires: world.time + 60_000,
            not_before: Some(world.height + 1_000),
            acknowledged,
            memo,
        }
    };
    for ready in [&[][..], &[1, 2, 3]] {
        let operation = far(&world);
        world.done(1, operation);
        let id = world.last_proposal(1);
        world.votes(id, &[1, 2, 3], true);
        world.ready(id, ready);
        assert_eq!(world.governance().pending.unwrap().activation.is_some(), !ready.is_empty());
        world.votes(id, &[2, 4], false);
        world.votes(id, &[2], true);
        world.votes(id, &[3], false);
        assert_eq!(world.status(&id), Status::Approved);
        let events = world.done(1, Op::Vote { proposal: id, approve: false });
        assert!(matches!(events[..], [_, Event::ProposalChanged { status: Status::Withdrawn, .. }]), "{events:?}");
        assert_eq!((world.status(&id), world.governance()), (Status::Withdrawn, GovernanceV1::default()));
        world.fails(Code::ProposalClosed, 1, Op::Vote { proposal: id, approve: true });
    }
    // Nothing is left that would fall due, and another change takes its way.
    world.time += ParametersV1::default().ready_lifetime;
    world.block(&[]);
    let id = world.proposed(1, vec![parameter("due_per_block", 7)], &[]);
    world.votes(id, &[1, 2, 3], true);
    world.votes(id, &[1, 2], false);
    world.ready(id, &[1, 2, 3]);
    let activation = world.governance().pending.unwrap().activation.unwrap();
    while world.height + 1 < activation {
        world.block(&[]);
    }
    // This block is the last one before it.
    world.expect(Code::ProposalClosed, 3, vec![Op::Vote { proposal: id, approve: false }]);
    assert_eq!((world.context().parameters.due_per_block, world.height), (7, activation));
}

/// Organisations could vote after this change, with keys of another algorithm, but no validator could get ready any more.
#[test]
fn validators_must_be_able_to_get_ready_again() {
    let mut world = World::governed(HashSuite::Standard, ParametersV1::default(), &[1, 1, 1, 1]);
    let other = SecretKey::from_bytes(SignatureAlgorithm::P256, &[7; 32]).unwrap().public_key();
    let other = bubi_codec::operation::Signer { key: other, weight: 1, limits: None };
    let both = |number| Op::SetSigners { signers: vec![signer(number, 1), other.clone()], thresholds: thresholds(1) };
    for number in 1..=4 {
        world.done(number, both(number));
    }
    let change = Change::SetAlgorithms { accounts: vec![2], votes: vec![0], old_until: 5 };
    let operation = world.proposing(vec![change.clone()], &[]);
    world.fails(Code::GovernanceLost, 1, operation);
    // With accounts that the validators' owners have prepared it is fine: three of four suffice.
    for number in 201..=203 {
        world.done(number, both(number));
    }
    world.proposed(1, vec![change], &[]);
}

/// Algorithms, protocol version, schedule.
pub(crate) fn switches(suite: HashSuite) -> Seen {
    let mut world = World::governed(suite, ParametersV1::default(), &[1, 1, 1, 1]);
    // An account with a key of an algorithm that goes.
    let other = SecretKey::from_bytes(SignatureAlgorithm::P256, &[7; 32]).unwrap().public_key();
    let mixed = Op::SetSigners {
        signers: vec![signer(9, 1), bubi_codec::operation::Signer { key: other, weight: 1, limits: None }],
        thresholds: thresholds(1),
    };
    world.done(9, mixed.clone());
    let until = world.time + 100_000;
    let change = Change::SetAlgorithms { accounts: vec![0, 3], votes: vec![0], old_until: until };
    world.changed(vec![change], &[]);
    let retired = [1, 2].map(|algorithm| RetiredAlgorithm { algorithm, until }).to_vec();
    assert_eq!(world.context().parameters.retired_algorithms, retired);
    // New keys at once, old ones at that time.
    world.fails(Code::AlgorithmDisabled, 9, mixed);
    let data = Op::SetData { name: "a".into(), value: Some(vec![1]), expected_version: None };
    let signed_by_other = |world: &mut World| {
        let body = world.body(9, vec![data.clone()]);
        let mut transaction = world.signed(body, &[]);
        transaction.signers = vec![other];
        transaction
    };
    world.time = until - 1;
    let transaction = signed_by_other(&mut world);
    assert_eq!(world.block(&[transaction]).codes, [Code::Final]);
    world.time = until;
    let transaction = signed_by_other(&mut world);
    let finished = world.block(&[transaction]);
    assert_eq!((finished.codes.as_slice(), finished.skipped.as_slice()), (&[][..], &[SkipReason::ThresholdNotMet][..]));
    // An algorithm that comes back counts again; its date is gone.
    let change = Change::SetAlgorithms { accounts: vec![0, 2], votes: vec![0], old_until: 5 };
    world.changed(vec![change], &[]);
    let retired = vec![RetiredAlgorithm { algorithm: 1, until }, RetiredAlgorithm { algorithm: 3, until: 5 }];
    assert_eq!(world.context().parameters.retired_algorithms, retired);
    let transaction = signed_by_other(&mut world);
    assert_eq!(world.block(&[transaction]).codes, [Code::Final]);
    // The schedule of the epoch before does not live on.
    let view = crate::tree::View::new(&world.state, &[]).unwrap();
    let context = Context { parent_round: 3, ..world.context() };
    let done = crate::execute(&view, world.ids.view(&[]), &context, &[]).unwrap().finish(&view);
    world.ids.merge(done.ids);
    world.state.merge(done.overlay).unwrap();
    (world.height, world.time) = (world.height + 1, world.time + 1_000);
    assert!(world.system_cell::<Schedule>(key::SCHEDULE).is_some());
    world.changed(vec![engine("paxos")], &[]);
    assert_eq!(world.system_cell::<Schedule>(key::SCHEDULE), None);
    let view = crate::tree::View::new(&world.state, &[]).unwrap();
    let context = Context { parent_round: 3, ..world.context() };
    assert_eq!(context.epoch_start, context.height);
    let done = crate::execute(&view, world.ids.view(&[]), &context, &[]).unwrap().finish(&view);
    assert_eq!(done.overlay.root(), world.state.root(), "the first block of an epoch records nothing");
    // The next protocol version: its operations end before evidence, and the one after it is unknown here.
    world.changed(vec![Change::SetProtocolVersion { version: 2 }], &[]);
    assert_eq!(world.system_cell(key::PROTOCOL_VERSION), Some(ProtocolVersion::V1 { version: 2 }));
    assert_eq!((world.context().protocol_version, world.context().flags.last_operation), (2, 27));
    world.changed(vec![Change::SetProtocolVersion { version: 3 }], &[]);
    let view = crate::tree::View::new(&world.state, &[]).unwrap();
    let unknown = Context::new(&view, &world.network, world.height, world.time);
    assert_eq!(unknown.err(), Some(BlockError::UnknownVersion(3)));
    world.seen
}

#[test]
fn changes_that_must_be_refused() {
    for suite in SUITES {
        assert!(refused_changes(&World::governed(suite, ParametersV1::default(), &[1; 4])).len() >= 25);
        refusals(suite);
    }
}

#[test]
fn a_change_lives_from_proposal_to_activation() {
    for suite in SUITES {
        life(suite);
    }
}

#[test]
fn other_endings() {
    for suite in SUITES {
        endings(suite);
    }
}

#[test]
fn algorithms_versions_and_schedules_switch() {
    for suite in SUITES {
        switches(suite);
    }
}

#[test]
fn the_outcome_of_the_last_block_names_the_next_settings() {
    let mut world = World::governed(HashSuite::Standard, ParametersV1::default(), &[1, 1, 1, 1]);
    let id = world.proposed(1, vec![parameter("timeout", 3_000)], &[]);
    world.votes(id, &[1, 2, 3], true);
    let old = world.context();
    world.ready(id, &[1, 2, 3]);
    let last = world.until_activation();
    let Outcome::V1 { validators, parameters, .. } = last.outcome;
    assert_ne!((validators, parameters), (old.validators_hash, old.parameters_hash));
    let next = world.context();
    assert_eq!((validators, parameters), (next.validators_hash, next.parameters_hash));
    let changed = Parameters::V1(ParametersV1 { timeout: 3_000, ..ParametersV1::default() });
    assert_eq!(parameters, digest(HashSuite::Standard, domain::PARAMETERS, &world.chain, &changed).unwrap());
    assert_eq!(last.events.last().unwrap().len(), 2, "{:?}", last.events);
    let Outcome::V1 { validators, .. } = world.block(&[]).outcome;
    assert_eq!(validators, next.validators_hash, "the epoch goes on");
}
