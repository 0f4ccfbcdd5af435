use super::world::{Seen, World};
use bubi_codec::{
    block::{Event, Receipt},
    identity::HoldId,
    operation::{AssetFeatures, AssetKind, OperationBody as Op},
    state::{Lot, ParametersV1},
    transaction::Precondition,
    ResultCode as Code,
};
use bubi_crypto::{Hash, HashSuite};

const FREEZE: AssetFeatures = AssetFeatures { freeze: true, whitelist: false, clawback: true };

fn list(pairs: &[(u64, u128)]) -> Vec<Lot> {
    pairs.iter().map(|(expires, amount)| Lot { expires: *expires, amount: *amount }).collect()
}

pub(crate) fn lots(suite: HashSuite) -> Seen {
    let mut world = World::with(suite, ParametersV1 { due_per_block: 2, ..ParametersV1::default() });
    let asset = world.create_asset(9, "D", AssetKind::Dated, None, FREEZE);
    let (one, two) = (world.address(1), world.address(2));
    let issue = |amount, expires| Op::Issue { asset, to: one, amount, expires };
    let start = world.time;
    world.fails(Code::ExpiryInvalid, 9, issue(1, None));
    world.fails(Code::ExpiryInvalid, 9, issue(1, Some(start)));
    // Lots join by expiry, the earliest goes first, and what moves keeps its expiry.
    let at = |seconds: u64| start + seconds * 1_000;
    for (amount, seconds) in [(5, 40), (5, 30), (5, 50), (2, 40)] {
        world.done(9, issue(amount, Some(at(seconds))));
    }
    assert_eq!(world.holding(1, &asset).lots, list(&[(at(30), 5), (at(40), 7), (at(50), 5)]));
    world.done(1, Op::Transfer { asset, to: two, amount: 8 });
    assert_eq!(world.holding(1, &asset).lots, list(&[(at(40), 4), (at(50), 5)]));
    assert_eq!(world.holding(2, &asset).lots, list(&[(at(30), 5), (at(40), 3)]));
    // Touch: what has lapsed cannot be spent, and its retirement is undone with the transaction.
    world.time = at(40);
    world.precondition(false, Precondition::Balance { account: two, asset, at_least: 1 });
    // Two lots were due before that transaction: at 30 seconds, and the first by address of two at 40.
    let supply = world.definition(&asset).supply;
    assert_eq!(supply, 17 - 5 - if one < two { 4 } else { 3 });
    assert_eq!(world.time, at(41));
    let finished = world.block(&[]);
    assert_eq!(world.definition(&asset).supply, 5);
    let Receipt::V1 { transaction, batch, index, code, .. } = &finished.receipts[0];
    assert_eq!((*transaction, *batch, *index, *code), (Hash::ZERO, 1, 0, 0));
    assert!(matches!(finished.events[0][..], [Event::Lapsed { .. }]));
    assert!(world.block(&[]).receipts.is_empty(), "nothing is due any more");
    world.fails(Code::BalanceInsufficient, 2, Op::Transfer { asset, to: one, amount: 1 });
    world.done(1, Op::Burn { asset, amount: 5 });
    // Touch inside a transaction, before the queue comes to it.
    let now = world.time;
    for (holder, seconds) in [(3, 5), (4, 5), (5, 5), (6, 5)] {
        let to = world.address(holder);
        world.done(9, Op::Issue { asset, to, amount: 5, expires: Some(now + seconds * 1_000) });
    }
    world.done(9, Op::Issue { asset, to: two, amount: 9, expires: Some(now + 60_000) });
    world.time = now + 6_000;
    let mut order: Vec<u8> = vec![3, 4, 5, 6];
    order.sort_by_key(|number| world.address(*number));
    let (last, receiver) = (order[3], world.address(order[2]));
    let body = world.body(2, vec![Op::Transfer { asset, to: receiver, amount: 1 }]);
    let late = world.body(last, vec![Op::Burn { asset, amount: 1 }]);
    let transactions = [world.signed(body, &[2]), world.signed(late, &[last])];
    let finished = world.block(&transactions);
    assert_eq!(finished.codes, [Code::Final, Code::BalanceInsufficient, Code::Final]);
    assert!(matches!(finished.events[0][..], [Event::Lapsed { amount: 5, .. }, Event::Transferred { amount: 1, .. }]));
    assert!(finished.events[1].is_empty());
    assert_eq!(finished.events[2].len(), 2, "the queue retired as many as the parameter allows");
    assert_eq!(world.definition(&asset).supply, 9 + 5);
    let finished = world.block(&[]);
    assert_eq!(finished.events[0].len(), 1);
    assert_eq!(world.definition(&asset).supply, 9);
    // A holding has room for 64 lots.
    let now = world.time;
    let issues: Vec<Op> = (0..64).map(|lot| issue(1, Some(now + 1_000_000 + lot))).collect();
    world.expect(Code::Final, 9, issues);
    world.fails(Code::LotsFull, 9, issue(1, Some(now + 2_000_000)));
    world.done(9, issue(1, Some(now + 1_000_000)));
    world.fails(Code::LotsFull, 2, Op::Transfer { asset, to: one, amount: 1 });
    // The first lot holds 2: a part of it would stand in two lists.
    world.fails(Code::LotsFull, 1, Op::Reserve { asset, beneficiary: two, amount: 1, expires: now + 900_000 });
    world.done(1, Op::Reserve { asset, beneficiary: two, amount: 2, expires: now + 900_000 });
    world.done(9, Op::Clawback { asset, from: one, to: None, amount: 63 });
    world.seen
}

#[test]
fn lots_lapse_and_are_spent_in_order() {
    lots(HashSuite::Standard);
}

pub(crate) fn holds(suite: HashSuite) -> Seen {
    let mut world = World::new(suite);
    let asset = world.create_asset(9, "A", AssetKind::Fungible, None, FREEZE);
    world.issue(9, asset, 1, 100, None);
    let (one, two) = (world.address(1), world.address(2));
    let start = world.time;
    let reserve = |amount, expires| Op::Reserve { asset, beneficiary: two, amount, expires };
    let capture = |hold, amount| Op::Capture { holder: one, hold, amount };
    let release = |hold| Op::Release { holder: one, hold };
    let nobody = world.address(99);
    world.fails(Code::AccountMissing, 1, Op::Reserve { asset, beneficiary: nobody, amount: 1, expires: start + 1 });
    world.fails(Code::ExpiryInvalid, 1, reserve(1, start));
    world.fails(Code::BalanceInsufficient, 1, reserve(101, start + 900_000));
    let events = world.done(1, reserve(60, start + 900_000));
    let hold = world.last_hold(1);
    let reserved = Event::Reserved { hold, asset, holder: one, beneficiary: two, amount: 60, expires: start + 900_000 };
    assert_eq!(events, [reserved]);
    assert_eq!((world.holding(1, &asset).balance, world.holding(1, &asset).reserved), (40, 60));
    world.fails(Code::BalanceInsufficient, 1, Op::Transfer { asset, to: two, amount: 41 });
    world.fails(Code::AccountNotEmpty, 1, Op::CloseAccount);
    world.fails(Code::HoldMissing, 2, capture(HoldId(Hash([1; 32])), 1));
    world.fails(Code::NotPermitted, 3, capture(hold, 1));
    world.fails(Code::NotPermitted, 1, release(hold));
    world.fails(Code::HoldExceeded, 2, capture(hold, 61));
    world.done(9, Op::FreezeHolder { asset, holder: one, frozen: true });
    world.fails(Code::HolderFrozen, 2, capture(hold, 1));
    world.fails(Code::HolderFrozen, 1, reserve(1, start + 900_000));
    world.done(9, Op::FreezeHolder { asset, holder: one, frozen: false });
    let events = world.done(2, capture(hold, 50));
    assert_eq!(
        events,
        [Event::Captured { hold, amount: 50 }, Event::Transferred { asset, from: one, to: two, amount: 50 }]
    );
    assert_eq!(
        (world.holding(1, &asset).balance, world.holding(1, &asset).reserved, world.balance(2, &asset)),
        (50, 0, 50)
    );
    world.fails(Code::HoldMissing, 2, release(hold));
    // Release works while frozen; expiry by the queue too.
    world.done(1, reserve(10, start + 900_000));
    let hold = world.last_hold(1);
    world.done(9, Op::FreezeAsset { asset, frozen: true });
    world.fails(Code::AssetFrozen, 2, capture(hold, 1));
    assert_eq!(world.done(2, release(hold)), [Event::Released { hold }]);
    world.done(9, Op::FreezeAsset { asset, frozen: false });
    let expires = world.time + 5_000;
    world.done(1, reserve(10, expires));
    let hold = world.last_hold(1);
    world.time = expires;
    let finished = world.block(&[]);
    assert_eq!(finished.events, [[Event::HoldExpired { hold, holder: one }]]);
    assert_eq!(world.holding(1, &asset).balance, 50);
    lapsing_lots(world)
}

/// Lots that lapse inside holds, and holds that the queue has not come to.
fn lapsing_lots(mut world: World) -> Seen {
    let asset = world.create_asset(9, "D", AssetKind::Dated, None, FREEZE);
    let (one, two) = (world.address(1), world.address(2));
    let start = world.time;
    let at = |seconds: u64| start + seconds * 1_000;
    for (amount, seconds) in [(10, 60), (10, 120), (10, 180)] {
        world.issue(9, asset, 1, amount, Some(at(seconds)));
    }
    let reserve = |amount, expires| Op::Reserve { asset, beneficiary: two, amount, expires };
    world.done(1, reserve(15, at(500)));
    let first = world.last_hold(1);
    world.done(1, reserve(10, at(100)));
    let second = world.last_hold(1);
    let holding = world.holding(1, &asset);
    assert_eq!((holding.balance, holding.reserved, holding.reserved_lots), (5, 25, 4));
    assert_eq!(holding.lots, list(&[(at(180), 5)]));
    // The first hold: 10 at 60 seconds and 5 at 120. At 70 the 10 have lapsed inside it.
    world.time = at(70);
    let capture = |hold, amount| Op::Capture { holder: one, hold, amount };
    world.fails(Code::HoldExceeded, 2, capture(first, 6));
    let lapsed = |amount, seconds| Event::Lapsed { asset, holder: one, amount, expires: at(seconds) };
    let events = world.done(2, capture(first, 2));
    let moved = Event::Transferred { asset, from: one, to: two, amount: 2 };
    assert_eq!(events, [lapsed(10, 60), Event::Captured { hold: first, amount: 2 }, moved]);
    assert_eq!(world.holding(2, &asset).lots, list(&[(at(120), 2)]));
    let holding = world.holding(1, &asset);
    assert_eq!((holding.balance, holding.reserved, holding.reserved_lots), (8, 10, 2));
    assert_eq!(holding.lots, list(&[(at(120), 3), (at(180), 5)]));
    assert_eq!(world.definition(&asset).supply, 20);
    // The second hold expires at 100 by the queue; in a block at 150 what lapsed meanwhile does not come back.
    world.time = at(150);
    let finished = world.block(&[]);
    let events = &finished.events[0];
    assert_eq!(events[0], Event::HoldExpired { hold: second, holder: one });
    assert_eq!(events[1], lapsed(5, 120));
    assert_eq!(events.len(), 4, "and the lots of both holdings lapse");
    let holding = world.holding(1, &asset);
    assert_eq!(holding.lots, list(&[(at(180), 10)]));
    assert_eq!(world.definition(&asset).supply, 10);
    // A release after a lot has lapsed.
    world.done(1, reserve(10, at(900)));
    let third = world.last_hold(1);
    world.time = at(180);
    assert_eq!(
        world.done(2, Op::Release { holder: one, hold: third }),
        [Event::Released { hold: third }, lapsed(10, 180)]
    );
    assert_eq!(world.definition(&asset).supply, 0);
    queue_behind(&mut world);
    world.seen
}

/// With a short queue an expired hold may still stand: it can be released, but not captured.
fn queue_behind(world: &mut World) {
    let mut short = World::with(world.suite, ParametersV1 { due_per_block: 1, ..ParametersV1::default() });
    let asset = short.create_asset(9, "A", AssetKind::Fungible, None, FREEZE);
    short.issue(9, asset, 1, 100, None);
    let (one, two) = (short.address(1), short.address(2));
    let expires = short.time + 10_000;
    let mut holds = Vec::new();
    for later in 0..3 {
        short.done(1, Op::Reserve { asset, beneficiary: two, amount: 10, expires: expires + later });
        holds.push(short.last_hold(1));
    }
    short.time = expires + 10;
    let body = short.body(2, vec![Op::Capture { holder: one, hold: holds[2], amount: 1 }]);
    let next = short.body(2, vec![Op::Release { holder: one, hold: holds[2] }]);
    let transactions = [short.signed(body, &[2]), short.signed(next, &[2])];
    let finished = short.block(&transactions);
    assert_eq!(finished.codes, [Code::HoldExpired, Code::Final, Code::Final]);
    assert_eq!(finished.events[2], [Event::HoldExpired { hold: holds[0], holder: one }]);
    short.block(&[]);
    assert_eq!(short.holding(1, &asset).balance, 100);
    world.seen.extend(short.seen);
}

#[test]
fn holds_are_captured_released_and_expire() {
    holds(HashSuite::Standard);
}
