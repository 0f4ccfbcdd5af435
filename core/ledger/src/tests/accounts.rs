use super::world::{public, signer, sorted, thresholds, Seen, World};
use crate::SkipReason;
use bubi_codec::{
    block::Event,
    identity::Address,
    operation::{
        AccountTarget, AmountLimit, AssetFeatures, AssetKind, Operation, OperationBody as Op, Signer, SignerLimits,
    },
    state::{key, AccountHeader, ParametersV1, Use},
    ResultCode as Code,
};
use bubi_crypto::{Hash, HashSuite, PublicKey};

fn own(number: u8) -> Op {
    Op::CreateAccount { target: AccountTarget::Key(public(number)), signers: vec![], thresholds: None }
}

fn derived(signers: Vec<Signer>, threshold: u32) -> Op {
    let thresholds = Some(thresholds(threshold));
    Op::CreateAccount { target: AccountTarget::Derived, signers: sorted(signers), thresholds }
}

pub(crate) fn accounts(suite: HashSuite) -> Seen {
    let mut world = World::with(suite, ParametersV1 { algorithms: vec![0, 2], ..ParametersV1::default() });
    let events = world.done(1, own(50));
    assert_eq!(events, [Event::AccountCreated { account: world.address(50), creator: world.address(1) }]);
    let created = AccountHeader::V1 { signers: vec![signer(50, 1)], thresholds: thresholds(1), created: 1 };
    assert_eq!(world.header(50), created);
    world.fails(Code::AccountExists, 1, own(50));
    // Only a key's owner says who acts for its account beside the key: else anybody could take it before it is opened.
    let taken = |number: u8, by: u8| Op::CreateAccount {
        target: AccountTarget::Key(public(number)),
        signers: vec![signer(by, 1)],
        thresholds: Some(thresholds(1)),
    };
    world.fails(Code::NotPermitted, 1, taken(52, 1));
    let body = world.body(1, vec![taken(52, 1)]);
    let transaction = world.signed(body, &[1, 52]);
    assert_eq!(world.block(&[transaction]).codes, [Code::Final]);
    let created =
        AccountHeader::V1 { signers: vec![signer(1, 1)], thresholds: thresholds(1), created: world.height - 1 };
    assert_eq!(world.header(52), created);
    let key = |key| Op::CreateAccount { target: AccountTarget::Key(key), signers: vec![], thresholds: None };
    world.fails(Code::AlgorithmDisabled, 1, key(PublicKey::Secp256k1([2; 33])));
    world.fails(Code::KeyInvalid, 1, key(PublicKey::P256([9; 33])));
    world.fails(Code::KeyInvalid, 1, key(PublicKey::Ed25519([0; 32])));
    world.fails(Code::LockOut, 1, derived(vec![signer(50, 1)], 2));
    let mut body = world.body(1, vec![derived(vec![signer(50, 1), signer(51, 1)], 2)]);
    body.memo = vec![1];
    let address = Address::derived(suite, &world.chain, &world.address(1), &body.replay, 0);
    let transaction = world.signed(body, &[1]);
    let finished = world.block(&[transaction]);
    assert_eq!(finished.events, [[Event::AccountCreated { account: address, creator: world.address(1) }]]);
    // Close: not with anything left, then for ever.
    let data = |value| Op::SetData { name: "d".into(), value, expected_version: None };
    world.done(50, data(Some(vec![1])));
    world.fails(Code::AccountNotEmpty, 50, Op::CloseAccount);
    world.done(50, data(None));
    let events = world.done(50, Op::CloseAccount);
    assert_eq!(events, [Event::AccountClosed { account: world.address(50) }]);
    assert!(matches!(world.header(50), AccountHeader::Closed { .. }));
    world.fails(Code::AccountClosed, 1, own(50));
    let body = world.body(50, vec![data(Some(vec![1]))]);
    world.skips(SkipReason::SourceMissing, body, &[50]);
    let claim = |subject| Op::SetClaim { subject, kind: "kyc".into(), digest: Hash([1; 32]), expires: None };
    let closed = world.address(50);
    world.fails(Code::AccountClosed, 1, claim(closed));
    let missing = world.address(60);
    world.fails(Code::AccountMissing, 1, claim(missing));
    // Closing holds for what comes later in the same transaction.
    world.done(1, own(51));
    let mut body = world.body(1, vec![Op::CloseAccount, data(Some(vec![1]))]);
    body.operations.iter_mut().for_each(|operation| operation.source = Some(world.address(51)));
    let transaction = world.signed(body, &[1, 51]);
    let finished = world.block(&[transaction]);
    assert_eq!(finished.codes, [Code::AccountClosed]);
    assert!(matches!(finished.receipts[0], bubi_codec::block::Receipt::V1 { operation: Some(1), .. }));
    assert!(matches!(world.header(51), AccountHeader::V1 { .. }), "the group is undone");
    world.seen
}

#[test]
fn accounts_open_and_close() {
    accounts(HashSuite::Standard);
}

pub(crate) fn signers(suite: HashSuite) -> Seen {
    let mut world = World::new(suite);
    let data = || Op::SetData { name: "d".into(), value: Some(vec![1]), expected_version: None };
    // Rotation keeps the address.
    let events = world.done(1, Op::SetSigners { signers: vec![signer(20, 1)], thresholds: thresholds(1) });
    assert_eq!(events, [Event::SignersChanged { account: world.address(1) }]);
    let body = world.body(1, vec![data()]);
    world.skips(SkipReason::ThresholdNotMet, body, &[1]);
    let body = world.body(1, vec![data()]);
    let transaction = world.signed(body, &[20]);
    assert_eq!(world.block(&[transaction]).codes, [Code::Final]);
    // Weights and thresholds per operation.
    let mut two = thresholds(1);
    two.operations.insert(3, 3);
    world.fails(Code::LockOut, 2, Op::SetSigners { signers: vec![signer(2, 2)], thresholds: two.clone() });
    world.fails(
        Code::KeyInvalid,
        2,
        Op::SetSigners {
            signers: vec![Signer { key: PublicKey::Ed25519([0; 32]), weight: 9, limits: None }],
            thresholds: two.clone(),
        },
    );
    world.done(2, Op::SetSigners { signers: sorted(vec![signer(2, 2), signer(20, 1)]), thresholds: two.clone() });
    let body = world.body(2, vec![data(), Op::CloseAccount]);
    world.skips(SkipReason::ThresholdNotMet, body, &[2]);
    // Limits: a limited signer counts only for what it may do, and not against lock-out.
    let limited = |limits| Signer { key: public(30), weight: 3, limits: Some(limits) };
    let only_data = SignerLimits { operations: vec![2], ..SignerLimits::default() };
    world.fails(
        Code::LockOut,
        3,
        Op::SetSigners { signers: vec![limited(only_data.clone())], thresholds: thresholds(1) },
    );
    let with =
        |limits| Op::SetSigners { signers: sorted(vec![signer(3, 3), limited(limits)]), thresholds: thresholds(3) };
    world.done(3, with(only_data));
    let body = world.body(3, vec![data(), Op::CloseAccount]);
    world.skips(SkipReason::ThresholdNotMet, body, &[30]);
    let body = world.body(3, vec![data()]);
    let transaction = world.signed(body, &[30]);
    assert_eq!(world.block(&[transaction]).codes, [Code::Final]);
    let expires = world.time + 2_000;
    world.done(3, with(SignerLimits { expires: Some(expires), ..SignerLimits::default() }));
    let body = world.body(3, vec![data()]);
    let transaction = world.signed(body, &[30, 40]);
    assert_eq!(world.block(&[transaction]).codes, [Code::Final], "keys of nobody are ignored");
    let body = world.body(3, vec![data()]);
    world.skips(SkipReason::ThresholdNotMet, body, &[30]);
    let other = SignerLimits {
        assets: vec![world.asset(9, "A")],
        namespaces: vec![world.namespace("n")],
        ..SignerLimits::default()
    };
    world.done(3, with(other));
    let namespace = world.namespace("m");
    let burn = Op::Burn { asset: world.asset(9, "B"), amount: 1 };
    let body = world.body(3, vec![burn]);
    world.skips(SkipReason::ThresholdNotMet, body, &[30]);
    let set = Op::SetNamespace {
        namespace,
        owner: world.address(3),
        writers: bubi_codec::operation::Writers::Everyone,
        shared: true,
    };
    let body = world.body(3, vec![set]);
    world.skips(SkipReason::ThresholdNotMet, body, &[30]);
    let body = world.body(3, vec![Op::Burn { asset: world.asset(9, "A"), amount: 1 }]);
    let transaction = world.signed(body, &[30]);
    assert_eq!(world.block(&[transaction]).codes, [Code::AssetMissing]);
    // An operation for an account that only comes into being needs the key of that account.
    let mut body = world.body(4, vec![own(70), data()]);
    body.operations[1].source = Some(world.address(70));
    world.skips(SkipReason::ThresholdNotMet, body.clone(), &[4]);
    let transaction = world.signed(body, &[4, 70]);
    assert_eq!(world.block(&[transaction]).codes, [Code::Final]);
    let body = world.body(4, vec![]);
    let mut body =
        bubi_codec::transaction::BodyV1 { operations: vec![Operation { source: None, body: data() }], ..body };
    body.operations[0].source = Some(world.address(71));
    let transaction = world.signed(body, &[4, 71]);
    assert_eq!(world.block(&[transaction]).codes, [Code::AccountMissing]);
    world.seen
}

#[test]
fn signers_and_thresholds() {
    signers(HashSuite::Standard);
}

pub(crate) fn amount_limits(suite: HashSuite) -> Seen {
    let mut world = World::new(suite);
    let asset = world.create_asset(9, "A", AssetKind::Fungible, None, AssetFeatures::default());
    world.issue(9, asset, 1, 1_000, None);
    let limits =
        SignerLimits { amount: Some(AmountLimit { asset, amount: 100, period: 100_000 }), ..SignerLimits::default() };
    let limited = Signer { key: public(30), weight: 1, limits: Some(limits) };
    world.done(1, Op::SetSigners { signers: sorted(vec![signer(1, 1), limited]), thresholds: thresholds(1) });
    let to = world.address(2);
    let send = |world: &mut World, amount, keys: &[u8]| {
        let body = world.body(1, vec![Op::Transfer { asset, to, amount }]);
        let transaction = world.signed(body, keys);
        world.block(&[transaction]).codes[0]
    };
    assert_eq!(send(&mut world, 101, &[30]), Code::SignerLimitExceeded);
    assert_eq!(send(&mut world, 60, &[30]), Code::Final);
    let use_key = key::signer_use(&public(30));
    let period = world.time / 100_000;
    assert_eq!(
        bubi_codec::decode::<Use>(world.account_cell(1, &use_key).unwrap()).unwrap(),
        Use::V1 { period, used: 60 }
    );
    assert_eq!(send(&mut world, 41, &[30]), Code::SignerLimitExceeded);
    assert_eq!(send(&mut world, 41, &[1, 30]), Code::Final, "the unlimited signer suffices");
    assert_eq!(send(&mut world, 40, &[30]), Code::Final, "one that did not count is not charged");
    assert_eq!(send(&mut world, 1, &[30]), Code::SignerLimitExceeded);
    // A failed transaction charges nothing; a new period starts at zero.
    world.time += 100_000;
    let body = world.body(1, vec![Op::Transfer { asset, to, amount: 99 }, Op::Burn { asset, amount: 2 }]);
    let transaction = world.signed(body, &[30]);
    assert_eq!(world.block(&[transaction]).codes, [Code::SignerLimitExceeded]);
    assert_eq!(send(&mut world, 100, &[30]), Code::Final);
    // Without the limit its use goes.
    world.done(1, Op::SetSigners { signers: vec![signer(1, 1)], thresholds: thresholds(1) });
    assert_eq!(world.account_cell(1, &use_key), None);
    world.seen
}

#[test]
fn amount_limits_per_period() {
    amount_limits(HashSuite::Standard);
}

pub(crate) fn data_and_claims(suite: HashSuite) -> Seen {
    let mut world = World::new(suite);
    let data = |value: Option<&[u8]>, expected_version| Op::SetData {
        name: "d".into(),
        value: value.map(Into::into),
        expected_version,
    };
    let set = |world: &World, version| vec![Event::DataSet { account: world.address(1), name: "d".into(), version }];
    world.fails(Code::DataMissing, 1, data(None, None));
    world.fails(Code::DataVersionMismatch, 1, data(Some(b"x"), Some(1)));
    assert_eq!(world.done(1, data(Some(b"x"), Some(0))), set(&world, 1));
    assert_eq!(world.done(1, data(Some(b"y"), None)), set(&world, 2));
    world.fails(Code::DataVersionMismatch, 1, data(None, Some(1)));
    assert_eq!(world.done(1, data(None, Some(2))), set(&world, 0));
    let (issuer, subject) = (world.address(1), world.address(2));
    let claim = |expires| Op::SetClaim { subject, kind: "kyc".into(), digest: Hash([1; 32]), expires };
    let revoke = |issuer| Op::RevokeClaim { issuer, subject, kind: "kyc".into() };
    let now = world.time;
    world.fails(Code::ExpiryInvalid, 1, claim(Some(now)));
    let now = world.time;
    assert_eq!(world.done(1, claim(Some(now + 1))), [Event::ClaimSet { issuer, subject, kind: "kyc".into() }]);
    world.fails(Code::AccountNotEmpty, 2, Op::CloseAccount);
    world.fails(Code::NotPermitted, 3, revoke(issuer));
    world.fails(Code::ClaimMissing, 2, revoke(subject));
    assert_eq!(world.done(2, revoke(issuer)), [Event::ClaimRevoked { issuer, subject, kind: "kyc".into() }]);
    world.fails(Code::ClaimMissing, 1, revoke(issuer));
    world.seen
}

#[test]
fn data_entries_and_claims() {
    data_and_claims(HashSuite::Standard);
}
