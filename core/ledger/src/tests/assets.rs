use super::world::{Seen, World};
use bubi_codec::{
    block::Event,
    identity::AssetId,
    limits::AMOUNT_MAX,
    operation::{AssetFeatures, AssetKind, OperationBody as Op},
    ResultCode as Code,
};
use bubi_crypto::{Hash, HashSuite};

const NONE: AssetFeatures = AssetFeatures { freeze: false, whitelist: false, clawback: false };
const ALL: AssetFeatures = AssetFeatures { freeze: true, whitelist: true, clawback: true };

pub(crate) fn definitions(suite: HashSuite) -> Seen {
    let mut world = World::new(suite);
    let create = || Op::CreateAsset {
        code: "A".into(),
        name: "x".into(),
        kind: AssetKind::Fungible,
        decimals: 2,
        cap: None,
        features: NONE,
    };
    let asset = world.asset(9, "A");
    assert_eq!(world.done(9, create()), [Event::AssetCreated { asset, issuer: world.address(9) }]);
    world.fails(Code::AssetExists, 9, create());
    world.done(8, create());
    assert_eq!(world.definition(&asset).supply, 0);
    let missing = AssetId(Hash([1; 32]));
    let unique = world.create_asset(9, "U", AssetKind::Unique, None, NONE);
    let to = world.address(2);
    let item = || "i".to_owned();
    let wrong_kind = [
        Op::Issue { asset: unique, to, amount: 1, expires: None },
        Op::Transfer { asset: unique, to, amount: 1 },
        Op::Burn { asset: unique, amount: 1 },
        Op::Clawback { asset: unique, from: to, to: None, amount: 1 },
        Op::Reserve { asset: unique, beneficiary: to, amount: 1, expires: u64::MAX },
        Op::IssueItem { asset, item: item(), to, digest: None },
        Op::TransferItem { asset, item: item(), to },
        Op::BurnItem { asset, item: item() },
        Op::ClawbackItem { asset, item: item(), to: None },
    ];
    for operation in wrong_kind {
        world.fails(Code::AssetKindMismatch, 9, operation);
    }
    let without_definition = [
        Op::Issue { asset: missing, to, amount: 1, expires: None },
        Op::Transfer { asset: missing, to, amount: 1 },
        Op::Burn { asset: missing, amount: 1 },
        Op::Clawback { asset: missing, from: to, to: None, amount: 1 },
        Op::FreezeAsset { asset: missing, frozen: true },
        Op::FreezeHolder { asset: missing, holder: to, frozen: true },
        Op::AuthoriseHolder { asset: missing, holder: to, authorised: true },
        Op::IssueItem { asset: missing, item: item(), to, digest: None },
        Op::TransferItem { asset: missing, item: item(), to },
        Op::BurnItem { asset: missing, item: item() },
        Op::ClawbackItem { asset: missing, item: item(), to: None },
        Op::Reserve { asset: missing, beneficiary: to, amount: 1, expires: u64::MAX },
    ];
    for operation in without_definition {
        world.fails(Code::AssetMissing, 9, operation);
    }
    let not_the_issuer = [
        Op::Issue { asset, to, amount: 1, expires: None },
        Op::Clawback { asset, from: to, to: None, amount: 1 },
        Op::FreezeAsset { asset, frozen: true },
        Op::FreezeHolder { asset, holder: to, frozen: true },
        Op::AuthoriseHolder { asset, holder: to, authorised: true },
        Op::IssueItem { asset: unique, item: item(), to, digest: None },
        Op::ClawbackItem { asset: unique, item: item(), to: None },
    ];
    for operation in not_the_issuer {
        world.fails(Code::NotPermitted, 1, operation);
    }
    let without_feature = [
        Op::Clawback { asset, from: to, to: None, amount: 1 },
        Op::FreezeAsset { asset, frozen: true },
        Op::FreezeHolder { asset, holder: to, frozen: true },
        Op::AuthoriseHolder { asset, holder: to, authorised: true },
        Op::ClawbackItem { asset: unique, item: item(), to: None },
    ];
    for operation in without_feature {
        world.fails(Code::FeatureMissing, 9, operation);
    }
    world.seen
}

#[test]
fn assets_are_defined_once() {
    definitions(HashSuite::Standard);
}

pub(crate) fn amounts(suite: HashSuite) -> Seen {
    let mut world = World::new(suite);
    let asset = world.create_asset(9, "A", AssetKind::Fungible, Some(100), NONE);
    let (one, two, nobody) = (world.address(1), world.address(2), world.address(99));
    let issue = |to, amount, expires| Op::Issue { asset, to, amount, expires };
    world.fails(Code::AccountMissing, 9, issue(nobody, 1, None));
    world.fails(Code::ExpiryInvalid, 9, issue(one, 1, Some(u64::MAX)));
    world.fails(Code::CapExceeded, 9, issue(one, 101, None));
    assert_eq!(world.done(9, issue(one, 100, None)), [Event::Issued { asset, to: one, amount: 100, expires: None }]);
    world.fails(Code::CapExceeded, 9, issue(one, 1, None));
    world.fails(Code::BalanceInsufficient, 1, Op::Transfer { asset, to: two, amount: 101 });
    world.fails(Code::BalanceInsufficient, 3, Op::Transfer { asset, to: two, amount: 1 });
    world.fails(Code::AccountMissing, 1, Op::Transfer { asset, to: nobody, amount: 1 });
    let events = world.done(1, Op::Transfer { asset, to: two, amount: 30 });
    assert_eq!(events, [Event::Transferred { asset, from: one, to: two, amount: 30 }]);
    assert_eq!((world.balance(1, &asset), world.balance(2, &asset)), (70, 30));
    world.fails(Code::AccountNotEmpty, 2, Op::CloseAccount);
    world.fails(Code::BalanceInsufficient, 2, Op::Burn { asset, amount: 31 });
    assert_eq!(world.done(2, Op::Burn { asset, amount: 30 }), [Event::Burned { asset, from: two, amount: 30 }]);
    assert_eq!(world.account_cell(2, &bubi_codec::state::key::holding(&asset)), None, "an empty holding has no cell");
    assert_eq!(world.definition(&asset).supply, 70);
    world.done(2, Op::CloseAccount);
    world.fails(Code::AccountClosed, 1, Op::Transfer { asset, to: two, amount: 1 });
    // The border of all amounts.
    let large = world.create_asset(9, "L", AssetKind::Fungible, None, NONE);
    world.issue(9, large, 1, AMOUNT_MAX - 1, None);
    world.fails(Code::CapExceeded, 9, Op::Issue { asset: large, to: one, amount: 2, expires: None });
    world.fails(Code::CapExceeded, 9, Op::Issue { asset: large, to: one, amount: AMOUNT_MAX, expires: None });
    world.issue(9, large, 1, 1, None);
    // A group is all or nothing, and names the operation that failed.
    let group = vec![
        Op::Transfer { asset, to: world.address(3), amount: 60 },
        Op::Transfer { asset, to: world.address(4), amount: 11 },
    ];
    let body = world.body(1, group);
    let transaction = world.signed(body, &[1]);
    let finished = world.block(&[transaction]);
    assert!(matches!(finished.receipts[0], bubi_codec::block::Receipt::V1 { code: 124, operation: Some(1), .. }));
    assert_eq!((world.balance(1, &asset), world.balance(3, &asset)), (70, 0));
    world.seen
}

#[test]
fn amounts_are_issued_moved_and_burned() {
    amounts(HashSuite::Standard);
}

pub(crate) fn features(suite: HashSuite) -> Seen {
    let mut world = World::new(suite);
    let asset = world.create_asset(9, "A", AssetKind::Fungible, None, ALL);
    let (one, two) = (world.address(1), world.address(2));
    let send = || Op::Transfer { asset, to: two, amount: 1 };
    let allow = |holder, authorised| Op::AuthoriseHolder { asset, holder, authorised };
    world.fails(Code::NotWhitelisted, 9, Op::Issue { asset, to: one, amount: 10, expires: None });
    assert_eq!(world.done(9, allow(one, true)), [Event::HolderAuthorised { asset, holder: one, authorised: true }]);
    world.issue(9, asset, 1, 10, None);
    world.fails(Code::NotWhitelisted, 1, send());
    let issuer = world.address(9);
    world.done(1, Op::Transfer { asset, to: issuer, amount: 1 });
    world.done(9, allow(two, true));
    world.done(1, send());
    let freeze = |holder, frozen| Op::FreezeHolder { asset, holder, frozen };
    assert_eq!(world.done(9, freeze(two, true)), [Event::HolderFrozen { asset, holder: two, frozen: true }]);
    world.fails(Code::HolderFrozen, 1, send());
    world.fails(Code::HolderFrozen, 2, Op::Burn { asset, amount: 1 });
    world.done(9, freeze(two, false));
    assert_eq!(world.done(9, Op::FreezeAsset { asset, frozen: true }), [Event::AssetFrozen { asset, frozen: true }]);
    world.fails(Code::AssetFrozen, 1, send());
    world.fails(Code::AssetFrozen, 9, Op::Issue { asset, to: one, amount: 1, expires: None });
    // Claw-back works on frozen assets and frozen holders.
    world.done(9, freeze(one, true));
    let claw = |to, amount| Op::Clawback { asset, from: one, to, amount };
    world.fails(Code::BalanceInsufficient, 9, claw(None, 100));
    let three = world.address(3);
    world.fails(Code::NotWhitelisted, 9, claw(Some(three), 1));
    assert_eq!(world.done(9, claw(Some(two), 3)), [Event::Transferred { asset, from: one, to: two, amount: 3 }]);
    assert_eq!(world.done(9, claw(None, 4)), [Event::Burned { asset, from: one, amount: 4 }]);
    assert_eq!((world.balance(1, &asset), world.balance(2, &asset), world.definition(&asset).supply), (1, 4, 6));
    world.done(9, Op::FreezeAsset { asset, frozen: false });
    world.fails(Code::HolderFrozen, 1, send());
    world.done(9, freeze(one, false));
    world.done(1, send());
    world.done(9, allow(one, false));
    assert_eq!(world.account_cell(1, &bubi_codec::state::key::holding(&asset)), None);
    let nobody = world.address(99);
    world.fails(Code::AccountMissing, 9, allow(nobody, true));
    world.fails(Code::AccountMissing, 9, freeze(nobody, true));
    world.fails(Code::AccountMissing, 9, Op::Clawback { asset, from: nobody, to: None, amount: 1 });
    world.seen
}

#[test]
fn freeze_whitelist_and_clawback() {
    features(HashSuite::Standard);
}

pub(crate) fn items(suite: HashSuite) -> Seen {
    let mut world = World::new(suite);
    let asset = world.create_asset(9, "U", AssetKind::Unique, Some(2), ALL);
    let (one, two) = (world.address(1), world.address(2));
    let issue = |item: &str, to| Op::IssueItem { asset, item: item.into(), to, digest: Some(Hash([3; 32])) };
    let send = |item: &str, to| Op::TransferItem { asset, item: item.into(), to };
    world.fails(Code::NotWhitelisted, 9, issue("a", one));
    for holder in [one, two] {
        world.done(9, Op::AuthoriseHolder { asset, holder, authorised: true });
    }
    assert_eq!(world.done(9, issue("a", one)), [Event::ItemIssued { asset, item: "a".into(), to: one }]);
    world.fails(Code::ItemExists, 9, issue("a", two));
    world.done(9, issue("b", one));
    world.fails(Code::CapExceeded, 9, issue("c", one));
    world.fails(Code::ItemMissing, 1, send("x", two));
    world.fails(Code::NotPermitted, 2, send("a", one));
    let three = world.address(3);
    world.fails(Code::NotWhitelisted, 1, send("a", three));
    assert_eq!(world.done(1, send("a", two)), [Event::ItemTransferred { asset, item: "a".into(), from: one, to: two }]);
    world.fails(Code::AccountNotEmpty, 2, Op::CloseAccount);
    world.done(9, Op::FreezeHolder { asset, holder: two, frozen: true });
    world.fails(Code::HolderFrozen, 2, send("a", one));
    world.fails(Code::HolderFrozen, 1, send("b", two));
    world.done(9, Op::FreezeAsset { asset, frozen: true });
    world.fails(Code::AssetFrozen, 1, Op::BurnItem { asset, item: "b".into() });
    world.fails(Code::AssetFrozen, 9, issue("c", one));
    let claw = |item: &str, to| Op::ClawbackItem { asset, item: item.into(), to };
    world.fails(Code::ItemMissing, 9, claw("x", None));
    world.fails(Code::NotPermitted, 9, claw("a", Some(two)));
    world.fails(Code::NotWhitelisted, 9, claw("a", Some(three)));
    assert_eq!(
        world.done(9, claw("a", Some(one))),
        [Event::ItemTransferred { asset, item: "a".into(), from: two, to: one }]
    );
    assert_eq!(world.done(9, claw("a", None)), [Event::ItemBurned { asset, item: "a".into(), from: one }]);
    world.done(9, Op::FreezeAsset { asset, frozen: false });
    world.fails(Code::ItemMissing, 1, Op::BurnItem { asset, item: "a".into() });
    world.fails(Code::NotPermitted, 2, Op::BurnItem { asset, item: "b".into() });
    assert_eq!(
        world.done(1, Op::BurnItem { asset, item: "b".into() }),
        [Event::ItemBurned { asset, item: "b".into(), from: one }]
    );
    assert_eq!(world.definition(&asset).supply, 0);
    world.seen
}

#[test]
fn items_have_one_holder() {
    items(HashSuite::Standard);
}
