//! To which organisation accounts belong, and whose quota a transaction is charged to.

use super::{
    governance::parameter,
    world::{address, governed, public, Seen, World},
};
use crate::{standing, tree::View, QuotaUse, SkipReason, Standing};
use bubi_codec::{
    block::{Event, Genesis},
    encode,
    governance::Change,
    identity::Address,
    operation::{AccountTarget, Operation, OperationBody as Op},
    state::{key, Membership, MembershipV1, ParametersV1, Use},
    transaction::{BodyV1, ReplayKey},
    ResultCode as Code, Wire,
};
use bubi_crypto::HashSuite;

/// Operations of one organisation per window in these tests.
const QUOTA: u64 = 100;

fn ask(name: &str) -> Op {
    Op::AskMembership { organisation: Some(name.to_owned()) }
}

const LEAVE: Op = Op::AskMembership { organisation: None };

fn data(count: usize) -> Vec<Op> {
    vec![Op::SetData { name: "a".into(), value: Some(vec![1]), expected_version: None }; count]
}

fn open(number: u8) -> Op {
    Op::CreateAccount { target: AccountTarget::Key(public(number)), signers: Vec::new(), thresholds: None }
}

fn named(name: Option<&str>) -> Option<String> {
    name.map(str::to_owned)
}

impl World {
    fn member(&self, number: u8, member: bool) -> Op {
        Op::SetMember { account: self.address(number), member }
    }

    fn membership(&self, number: u8) -> (Option<String>, Option<String>) {
        let cell = self.account_cell(number, key::MEMBERSHIP);
        let found = cell.map(|bytes| bubi_codec::decode(bytes).unwrap());
        let MembershipV1 { organisation, asks } = found.map(|Membership::V1(found)| found).unwrap_or_default();
        (organisation, asks)
    }

    fn used(&self, organisation: Option<&str>) -> u128 {
        let found = self.system_cell::<Use>(&key::organisation_use(organisation));
        found.map_or(0, |Use::V1 { used, .. }| used)
    }

    /// The source takes an account in that asks for its organisation.
    fn take_in(&mut self, voter: u8, number: u8) {
        self.done(number, ask(&format!("o{voter}")));
        let operation = self.member(number, true);
        self.done(voter, operation);
    }

    /// A transaction in which only `acting` acts, at the expense of `source`.
    fn at_the_expense_of(&mut self, source: u8, acting: u8) -> BodyV1 {
        let mut body = self.body(source, data(1));
        let acting = self.address(acting);
        body.operations.iter_mut().for_each(|operation| operation.source = Some(acting));
        body
    }
}

fn changed(account: Address, organisation: Option<&str>, asks: Option<&str>) -> Event {
    Event::MembershipChanged { account, organisation: named(organisation), asks: named(asks) }
}

pub(crate) fn consent(suite: HashSuite) -> Seen {
    let mut world = World::governed(suite, ParametersV1::default(), &[1, 1, 1, 1]);
    let (six, seven) = (world.address(6), world.address(7));
    // Nobody is taken in who did not ask, and nobody takes himself in.
    let operation = world.member(6, true);
    world.fails(Code::MembershipMissing, 1, operation.clone());
    world.fails(Code::NotVoter, 6, operation.clone());
    world.fails(Code::OrganisationMissing, 6, ask("o9"));
    world.fails(Code::MembershipMissing, 6, LEAVE);
    assert_eq!(world.done(6, ask("o1")), [changed(six, None, Some("o1"))]);
    assert_eq!(world.membership(6), (None, named(Some("o1"))));
    world.fails(Code::MembershipMissing, 2, operation.clone());
    assert_eq!(world.done(1, operation.clone()), [changed(six, Some("o1"), None)]);
    world.fails(Code::MembershipMissing, 1, operation);
    // It asks another one and stays until that takes it in; a refusal leaves it where it is.
    world.done(6, ask("o2"));
    assert_eq!(world.membership(6), (named(Some("o1")), named(Some("o2"))));
    let operation = world.member(6, false);
    world.done(2, operation.clone());
    assert_eq!(world.membership(6), (named(Some("o1")), None));
    world.fails(Code::MembershipMissing, 2, operation);
    world.take_in(2, 6);
    assert_eq!(world.membership(6), (named(Some("o2")), None));
    // It belongs where its creator does, and leaves when it wants.
    let events = world.done(6, open(20));
    assert_eq!(events[1], changed(world.address(20), Some("o2"), None));
    world.done(20, LEAVE);
    assert_eq!(world.account_cell(20, key::MEMBERSHIP), None);
    world.done(1, open(21));
    assert_eq!(world.membership(21).0, named(Some("o1")), "a governance account belongs to its organisation");
    let operation = world.member(6, false);
    world.done(2, operation);
    assert_eq!(world.done(6, open(22)).len(), 1, "an account without organisation passes none on");
    // Both halves fit into one transaction.
    let asked = Operation { source: Some(seven), body: ask("o3") };
    let mut body = world.body(3, vec![world.member(7, true)]);
    body.operations.insert(0, asked);
    let transaction = world.signed(body, &[3, 7]);
    assert_eq!(world.block(&[transaction]).codes, [Code::Final]);
    assert_eq!(world.membership(7).0, named(Some("o3")));
    removed(&mut world);
    world.seen
}

/// What belonged to a removed organisation belongs to none; a governance account follows the votes.
fn removed(world: &mut World) {
    let eight = world.address(8);
    let set = Change::SetOrganisation { name: "o8".into(), governance: Some(eight), certificate: Vec::new() };
    world.changed(vec![set], &[]);
    world.done(8, open(23));
    assert_eq!(world.membership(23).0, named(Some("o8")));
    world.changed(vec![Change::RemoveOrganisation { name: "o8".into() }], &[]);
    let operation = world.member(23, false);
    world.fails(Code::NotVoter, 8, operation);
    for creator in [8, 23] {
        assert_eq!(world.done(creator, open(30 + creator)).len(), 1, "the organisation is gone");
    }
}

pub(crate) fn quotas(suite: HashSuite) -> Seen {
    let parameters = ParametersV1 { organisation_operations: QUOTA, quota_window: 100_000, ..ParametersV1::default() };
    let mut world = World::governed(suite, parameters, &[1, 1, 1, 1]);
    for number in [6, 7] {
        world.take_in(1, number);
    }
    assert_eq!(
        (world.used(None), world.used(Some("o1"))),
        (2, 0),
        "who asks is not a member yet; voices have their own"
    );
    world.time = 1_100_000;
    // All members of an organisation share one quota, whoever acts.
    world.expect(Code::Final, 6, data(60));
    world.expect(Code::OrganisationQuotaExceeded, 7, data(41));
    world.expect(Code::Final, 7, data(40));
    world.expect(Code::OrganisationQuotaExceeded, 6, data(1));
    assert_eq!(world.used(Some("o1")), 100);
    // Accounts without one share one as well, so that leaving is no way out.
    world.expect(Code::Final, 8, data(100));
    world.expect(Code::OrganisationQuotaExceeded, 9, data(1));
    // Nobody else can silence the voice of an organisation or a validator; each has the quota for itself.
    for voice in [1, 201] {
        world.expect(Code::Final, voice, data(100));
        world.expect(Code::QuotaExceeded, voice, data(1));
    }
    assert_eq!(world.used(Some("o1")), 100, "voices are not charged to it");
    // What fails is charged, what passes a quota is not.
    world.time = 1_200_000;
    world.expect(Code::AccountNotEmpty, 6, vec![Op::CloseAccount]);
    assert_eq!(world.used(Some("o1")), 1);
    both(suite, &mut world.seen);
    world.seen
}

/// Of two quotas the narrower one counts, and neither is charged if the other is full.
fn both(suite: HashSuite, seen: &mut Seen) {
    let parameters = ParametersV1 {
        quota_operations: 60,
        organisation_operations: QUOTA,
        quota_window: 100_000,
        ..ParametersV1::default()
    };
    let mut world = World::governed(suite, parameters, &[1, 1, 1, 1]);
    world.expect(Code::Final, 8, data(60));
    world.expect(Code::QuotaExceeded, 8, data(1));
    world.expect(Code::OrganisationQuotaExceeded, 9, data(41));
    world.expect(Code::Final, 9, data(40));
    let Use::V1 { used, .. } = bubi_codec::decode(world.account_cell(9, key::QUOTA).unwrap()).unwrap();
    assert_eq!((used, world.used(None)), (40, 100));
    let context = world.context();
    let standing = |number| {
        let view = View::new(&world.state, &[]).unwrap();
        let Standing { organisation, own, shared, until } = standing(&view, &context, &world.address(number)).unwrap();
        let pair = |one: QuotaUse| (one.used, one.limit);
        (organisation, own.map(pair), shared.map(pair), until)
    };
    assert_eq!(standing(9), (None, Some((40, 60)), Some((100, 100)), 1_100_000));
    assert_eq!(standing(1), (named(Some("o1")), Some((0, 60)), None, 1_100_000));
    world.expect(Code::Final, 1, data(60));
    world.expect(Code::QuotaExceeded, 1, data(1));
    seen.extend(world.seen);
}

#[test]
fn members_are_taken_in_with_consent_of_both() {
    consent(HashSuite::Standard);
}

#[test]
fn organisations_have_quotas() {
    quotas(HashSuite::Standard);
}

/// Without quotas a transfer reads and writes what it did before there were organisations.
#[test]
fn without_quotas_nothing_is_charged() {
    let mut world = World::governed(HashSuite::Standard, ParametersV1::default(), &[1, 1, 1, 1]);
    world.take_in(1, 6);
    world.expect(Code::Final, 6, data(3));
    assert_eq!(world.account_cell(6, key::QUOTA), None);
    assert_eq!(world.used(Some("o1")), 0);
}

#[test]
fn a_quota_comes_into_force_by_vote() {
    let mut world = World::governed(HashSuite::Standard, ParametersV1::default(), &[1, 1, 1, 1]);
    world.take_in(1, 6);
    let proposal = |value| Op::Propose {
        changes: vec![parameter("organisation_operations", value)],
        expires: 2_000_000,
        not_before: None,
        acknowledged: Vec::new(),
        memo: String::new(),
    };
    world.fails(Code::ParameterInvalid, 1, proposal(QUOTA - 1));
    world.changed(vec![parameter("organisation_operations", QUOTA), parameter("quota_window", 100_000)], &[]);
    world.time = 1_900_000;
    world.expect(Code::Final, 6, data(100));
    world.expect(Code::OrganisationQuotaExceeded, 6, data(1));
    // And goes by vote, though all quotas are used up.
    world.changed(vec![parameter("organisation_operations", 0)], &[]);
    world.expect(Code::Final, 6, data(1));
}

/// A validator that an approved change brings gets ready, though everybody else's quota is used up.
#[test]
fn a_coming_validator_has_a_voice() {
    let parameters = ParametersV1 { organisation_operations: QUOTA, quota_window: 100_000, ..ParametersV1::default() };
    let mut world = World::governed(HashSuite::Standard, parameters, &[1, 1, 1, 1]);
    world.time = 1_100_000;
    world.expect(Code::Final, 8, data(99));
    let rekeyed = Change::ChangeValidator { name: "v4".into(), weight: None, key: Some(public(240)) };
    let id = world.proposed(1, vec![rekeyed], &[]);
    world.votes(id, &[1, 2, 3], true);
    world.expect(Code::Final, 8, data(1));
    world.expect(Code::OrganisationQuotaExceeded, 9, data(1));
    world.done(240, Op::Ready { proposal: id });
}

/// Nobody uses up the quota, the ids or the lanes of an account that has not signed.
#[test]
fn a_source_that_does_not_act_must_agree() {
    let mut world = World::new(HashSuite::Standard);
    let body = world.at_the_expense_of(1, 2);
    world.skips(SkipReason::ThresholdNotMet, body.clone(), &[2]);
    let mut lane = world.at_the_expense_of(1, 2);
    lane.replay = ReplayKey::Sequence { lane: 0, number: 0 };
    world.skips(SkipReason::ThresholdNotMet, lane, &[2]);
    world.skips(SkipReason::ThresholdNotMet, body.clone(), &[1]);
    let transaction = world.signed(body, &[1, 2]);
    assert_eq!(world.block(&[transaction]).codes, [Code::Final]);
    // A signer with limits does not speak for the whole account.
    let mut limited = super::world::signer(30, 1);
    limited.limits = Some(bubi_codec::operation::SignerLimits::default());
    let signers = super::world::sorted(vec![super::world::signer(1, 1), limited]);
    world.done(1, Op::SetSigners { signers, thresholds: super::world::thresholds(1) });
    let body = world.at_the_expense_of(1, 2);
    world.skips(SkipReason::ThresholdNotMet, body, &[2, 30]);
}

#[test]
fn accounts_of_a_genesis_may_belong_to_one_of_its_organisations() {
    let suite = HashSuite::Standard;
    let Genesis::V1(mut fields) = governed(suite, ParametersV1::default(), &[1, 1, 1, 1]);
    for account in &mut fields.accounts {
        account.organisation = (account.address == address(suite, 6)).then(|| "o2".to_owned());
    }
    let mut world = World::of(&Genesis::V1(fields.clone()));
    assert_eq!(world.membership(6).0, named(Some("o2")));
    world.done(6, open(20));
    assert_eq!(world.membership(20).0, named(Some("o2")));
    fields.accounts[0].organisation = named(Some("o9"));
    let foreign = Genesis::V1(fields);
    assert!(foreign.check().is_err());
    assert!(encode(&foreign).is_err());
}
