use super::world::{Seen, World};
use crate::{
    fault::{plant, Fault},
    simulate,
    tree::View,
    Door, Simulation, SkipReason, VerifiedTransaction,
};
use bubi_codec::{
    operation::{AssetFeatures, AssetKind, OperationBody as Op},
    state::{key, ParametersV1, Use},
    transaction::{BodyV1, Precondition, ReplayKey},
    ResultCode as Code,
};
use bubi_crypto::HashSuite;

fn data(name: &str) -> Op {
    Op::SetData { name: name.into(), value: Some(vec![1]), expected_version: None }
}

pub(crate) fn transactions(suite: HashSuite) -> Seen {
    let mut world = World::new(suite);
    // Times.
    let mut body = world.body(1, vec![data("a")]);
    body.valid_until = world.time - 1;
    world.skips(SkipReason::Expired, body, &[1]);
    let mut body = world.body(1, vec![data("a")]);
    body.valid_until = world.time + 600_001;
    world.skips(SkipReason::LifetimeTooLong, body, &[1]);
    let body = world.body(99, vec![data("a")]);
    world.skips(SkipReason::SourceMissing, body, &[99]);
    let body = world.body(1, vec![data("a")]);
    world.skips(SkipReason::ThresholdNotMet, body, &[2]);
    // One receipt per transaction, and a conflict for the second body under an id.
    let body = world.body(1, vec![data("a")]);
    let other = BodyV1 { operations: world.body(1, vec![data("b")]).operations, ..body.clone() };
    let (first, second) = (world.signed(body.clone(), &[1]), world.signed(other.clone(), &[1]));
    let finished = world.block(&[first.clone(), first, second.clone(), second]);
    assert_eq!(finished.codes, [Code::Final, Code::IdConflict]);
    assert_eq!(finished.skipped, [SkipReason::Duplicate; 2]);
    world.skips(SkipReason::Duplicate, body.clone(), &[1]);
    world.skips(SkipReason::Duplicate, other, &[1]);
    assert_eq!(world.account_cell(1, &key::data("b")), None);
    // A rejected transaction uses its id, too; another source may use the same.
    let rejected = world.body(1, vec![Op::CloseAccount]);
    let mut same_id = rejected.clone();
    (same_id.source, same_id.operations) = (world.address(2), vec![]);
    same_id.operations = world.body(2, vec![data("x")]).operations;
    let transactions = [world.signed(rejected.clone(), &[1]), world.signed(same_id, &[2])];
    assert_eq!(world.block(&transactions).codes, [Code::AccountNotEmpty, Code::Final]);
    world.skips(SkipReason::Duplicate, rejected, &[1]);
    // After its bucket has passed an id may be used again.
    world.time = body.valid_until + 10_000;
    let again = BodyV1 { valid_until: world.time, ..body };
    let transaction = world.signed(again, &[1]);
    assert_eq!(world.block(&[transaction]).codes, [Code::Final]);
    assert_eq!(world.ids.len(), 1);
    lanes(&mut world);
    preconditions(&mut world);
    quotas(&mut world);
    reused_hold(&mut world);
    world.seen
}

fn lanes(world: &mut World) {
    let sequence = |world: &mut World, lane, number, until| {
        let mut body = world.body(3, vec![data("s")]);
        body.replay = ReplayKey::Sequence { lane, number };
        body.valid_until = until;
        body
    };
    let year = 365 * 24 * 3_600_000;
    let late = world.time + year + 1;
    let body = sequence(world, 0, 0, late);
    world.skips(SkipReason::LifetimeTooLong, body, &[3]);
    let until = world.time + year;
    let body = sequence(world, 0, 1, until);
    world.skips(SkipReason::SequenceMismatch, body, &[3]);
    let bodies: Vec<BodyV1> =
        [(0, 0), (0, 1), (7, 0)].map(|(lane, number)| sequence(world, lane, number, until)).to_vec();
    let transactions: Vec<VerifiedTransaction> = bodies.into_iter().map(|body| world.signed(body, &[3])).collect();
    assert_eq!(world.block(&transactions).codes, [Code::Final; 3]);
    assert_eq!(world.account_cell(3, &key::lane(0)), Some(2_u64.to_le_bytes().as_slice()));
    // A rejected transaction uses its number.
    let mut body = sequence(world, 7, 1, until);
    body.operations = world.body(3, vec![Op::CloseAccount]).operations;
    let transaction = world.signed(body.clone(), &[3]);
    assert_eq!(world.block(&[transaction]).codes, [Code::AccountNotEmpty]);
    world.skips(SkipReason::SequenceMismatch, body, &[3]);
}

fn preconditions(world: &mut World) {
    let asset = world.create_asset(9, "A", AssetKind::Fungible, None, AssetFeatures::default());
    world.issue(9, asset, 1, 10, None);
    let (account, height, time) = (world.address(1), world.height, world.time);
    world.precondition(true, Precondition::Height { from: height, to: height });
    world.precondition(false, Precondition::Height { from: height, to: height });
    world.precondition(true, Precondition::Time { from: time + 2_000, to: time + 2_000 });
    world.precondition(false, Precondition::Time { from: 0, to: time + 2_999 });
    world.precondition(true, Precondition::Balance { account, asset, at_least: 10 });
    world.precondition(false, Precondition::Balance { account, asset, at_least: 11 });
    world.precondition(true, Precondition::DataVersion { account, name: "none".into(), version: 0 });
    world.precondition(false, Precondition::DataVersion { account, name: "none".into(), version: 1 });
}

fn quotas(world: &mut World) {
    let parameters = ParametersV1 { quota_operations: 3, quota_window: 10_000, ..ParametersV1::default() };
    let mut limited = World::with(world.suite, parameters);
    limited.time = 1_000_000;
    let two = || vec![data("a"), data("b")];
    limited.expect(Code::Final, 1, two());
    limited.expect(Code::QuotaExceeded, 1, two());
    limited.expect(Code::AccountNotEmpty, 1, vec![Op::CloseAccount]);
    limited.expect(Code::QuotaExceeded, 1, vec![data("a")]);
    limited.expect(Code::Final, 2, two());
    let used: Use = bubi_codec::decode(limited.account_cell(1, key::QUOTA).unwrap()).unwrap();
    assert_eq!(used, Use::V1 { period: 100, used: 3 }, "a rejected transaction is charged, one without quota is not");
    limited.time = 1_010_000;
    limited.expect(Code::Final, 1, two());
    world.seen.extend(limited.seen);
}

/// A hold outlives the id of its transaction; a second one under the same id must not overwrite it.
fn reused_hold(world: &mut World) {
    let asset = world.asset(9, "A");
    let beneficiary = world.address(2);
    let reserve = Op::Reserve { asset, beneficiary, amount: 1, expires: world.time + 100_000_000 };
    let mut body = world.body(1, vec![reserve]);
    let transaction = world.signed(body.clone(), &[1]);
    assert_eq!(world.block(&[transaction]).codes, [Code::Final]);
    world.time = body.valid_until + 10_000;
    body.valid_until = world.time;
    let transaction = world.signed(body, &[1]);
    assert_eq!(world.block(&[transaction]).codes, [Code::IdConflict]);
}

#[test]
fn transactions_and_replay_keys() {
    transactions(HashSuite::Standard);
}

pub(crate) fn defects(suite: HashSuite) -> Seen {
    let mut world = World::new(suite);
    let asset = world.create_asset(9, "A", AssetKind::Fungible, None, AssetFeatures::default());
    world.issue(9, asset, 1, 10, None);
    let to = world.address(2);
    for fault in [Fault::Panic, Fault::Mint] {
        let send = |world: &mut World| {
            let body = world.body(1, vec![Op::Transfer { asset, to, amount: 1 }]);
            world.signed(body, &[1])
        };
        let transactions = [send(&mut world), send(&mut world)];
        plant(fault);
        let before = world.balance(1, &asset);
        let finished = world.block(&transactions);
        assert_eq!(finished.codes, [Code::Internal, Code::Final], "only the first transaction was struck");
        assert_eq!(finished.alarms.len(), 1);
        assert!(finished.events[0].is_empty());
        assert_eq!(world.balance(1, &asset), before - 1);
    }
    world.seen
}

#[test]
fn a_defect_costs_one_transaction() {
    defects(HashSuite::Standard);
}

#[test]
fn simulations_change_nothing_and_need_no_signature() {
    let mut world = World::new(HashSuite::Standard);
    let body = world.body(1, vec![data("a")]);
    let unsigned = world.signed(body, &[]);
    let context = world.context();
    let view = View::new(&world.state, &[]).unwrap();
    let run = |assume| simulate(&view, world.ids.view(&[]), &context, &unsigned, assume).unwrap();
    assert_eq!(run(false), Simulation::Skipped(SkipReason::ThresholdNotMet));
    let Simulation::Receipt { code, events, .. } = run(true) else { panic!("skipped") };
    assert_eq!((code, events.len()), (Code::Final, 1));
    let mut door = Door::new(&view, world.ids.view(&[]), &context);
    assert_eq!(door.authorise(&unsigned).unwrap(), Err(SkipReason::ThresholdNotMet));
    let signed = VerifiedTransaction { signers: vec![super::world::public(1)], ..unsigned };
    assert_eq!(door.authorise(&signed).unwrap(), Ok(()));
}
