//! A new era: what of the old state lives on, and what begins anew.

use super::world::{governed, public, World};
use crate::{check_all, genesis_state, successor_state, tree::State, LiveIds};
use bubi_codec::{
    block::{Genesis, Predecessor},
    encode,
    governance::{Change, GovernanceV1, NodeListing},
    identity::Address,
    operation::{AssetFeatures, AssetKind, OperationBody as Op},
    state::{key, OwnerKind, ParametersV1},
    Wire,
};
use bubi_crypto::{Hash, HashSuite};

const SUITES: [HashSuite; 2] = [HashSuite::Standard, HashSuite::National];

/// An old network with some of everything, and one change in force.
fn before(suite: HashSuite) -> World {
    let mut world = World::governed(suite, ParametersV1::default(), &[1, 1, 1, 1]);
    let features = AssetFeatures { freeze: false, whitelist: false, clawback: false };
    let dated = world.create_asset(9, "D", AssetKind::Dated, None, features);
    let (start, one) = (world.time, world.address(1));
    world.issue(9, dated, 1, 7, Some(start + 50_000));
    let asset = world.create_asset(9, "F", AssetKind::Fungible, None, features);
    world.issue(9, asset, 1, 100, None);
    world.done(1, Op::Reserve { asset, amount: 40, beneficiary: world.address(2), expires: start + 60_000 });
    world.done(
        1,
        Op::CreateNamespace { name: "n".into(), writers: bubi_codec::operation::Writers::Everyone, shared: false },
    );
    let changes = vec![
        Change::AllowNode { node: Hash([1; 32]) },
        Change::DenyNode { node: Hash([2; 32]) },
        Change::RevokeCertificate { fingerprint: Hash([3; 32]) },
    ];
    let proposal = world.proposed(1, changes, &[]);
    world.votes(proposal, &[1, 2, 3], true);
    world.ready(proposal, &[1, 2, 3]);
    world.until_activation();
    // Still open when the quorum is lost.
    world.proposed(2, vec![Change::SetEngine { name: "raft".into() }], &[]);
    assert_eq!(world.holding(1, &asset).reserved, 40);
    assert_eq!(world.balance(2, &asset), 0);
    assert_eq!(one, world.address(1));
    world
}

/// A genesis of the first two organisations that goes on from a world.
fn after(world: &World) -> Genesis {
    let Genesis::V1(mut genesis) = governed(world.suite, ParametersV1::default(), &[1, 1]);
    genesis.accounts.retain(|account| account.address != world.address(1));
    genesis.nonce = Hash([8; 32]);
    genesis.time = world.time;
    genesis.predecessor =
        Some(Predecessor { chain: world.chain, certificate: Hash([4; 32]), state_root: world.state.root() });
    Genesis::V1(genesis)
}

/// The new network of that genesis.
fn begin(genesis: &Genesis, state: State) -> World {
    let Genesis::V1(mut alone) = genesis.clone();
    alone.predecessor = None;
    alone.organisations.clear();
    let mut world = World::of(&Genesis::V1(alone));
    let bytes = encode(genesis).unwrap();
    (world.state, world.chain) = (state, genesis.chain_id(&bytes));
    (world.network.chain, world.time) = (world.chain, genesis.v1().time + 1);
    world
}

fn system_keys(state: &State, first: u8) -> Vec<Vec<u8>> {
    let system = crate::cells::system_key();
    let of = |key: &&[u8]| key.first() == Some(&first);
    state.cells(&system).map(|(key, _)| key).filter(of).map(<[u8]>::to_vec).collect()
}

#[test]
fn everything_of_accounts_assets_and_records_lives_on() {
    for suite in SUITES {
        let old = before(suite);
        let genesis = after(&old);
        let state = successor_state(&genesis, &old.state).unwrap();
        check_all(&state, &LiveIds::new(suite)).unwrap();
        let mut carried = 0;
        for (owner, key, value) in old.state.all_cells() {
            if owner.kind() != OwnerKind::System as u8 {
                assert_eq!(state.get(owner, key), Some(value));
                carried += 1;
            }
        }
        assert!(carried > 15, "{carried}");
        // What falls due still does, but for the proposal.
        assert_eq!(system_keys(&old.state, key::DUE_PREFIX).len(), 3);
        assert_eq!(system_keys(&state, key::DUE_PREFIX).len(), 2);
        for gone in [key::ID_BUCKET_PREFIX, key::PROPOSAL_PREFIX, key::EVIDENCE_PREFIX] {
            assert!(system_keys(&state, gone).is_empty());
        }
        assert_eq!(system_keys(&state, key::EPOCH_PREFIX).len(), 1);
        let mut new = begin(&genesis, state);
        assert_eq!(new.epoch(), 0);
        assert_eq!(new.members(), ["v1", "v2"]);
        assert_eq!(new.system_cell::<NodeListing>(&key::node(&Hash([2; 32]))), Some(NodeListing::Denied));
        assert_eq!(new.system_cell::<NodeListing>(&key::node(&Hash([1; 32]))), None);
        assert_eq!(system_keys(&new.state, key::REVOKED_PREFIX).len(), 1);
        assert_eq!(new.governance(), GovernanceV1::default());
        // Blocks go on: money moves, the hold comes back and the lot lapses in their time.
        let asset = new.asset(9, "F");
        let to = new.address(2);
        new.done(1, Op::Transfer { asset, to, amount: 60 });
        assert_eq!(new.balance(2, &asset), 60);
        new.time += 70_000;
        new.block(&[]);
        assert_eq!((new.holding(1, &asset).reserved, new.balance(1, &asset)), (0, 40));
        assert_eq!(new.definition(&new.asset(9, "D")).supply, 0);
        // The two that remain govern.
        let proposal = new.proposed(1, vec![Change::SetEngine { name: "raft".into() }], &["no_fault_tolerance"]);
        new.votes(proposal, &[1, 2], true);
        new.ready(proposal, &[1, 2]);
        new.until_activation();
        assert_eq!(new.epoch(), 1);
    }
}

#[test]
fn what_cannot_go_on_is_refused() {
    let suite = HashSuite::Standard;
    let old = before(suite);
    let genesis = after(&old);
    assert!(genesis_state(&genesis).is_err(), "a successor without the state before");
    let Genesis::V1(mut alone) = genesis.clone();
    alone.predecessor = None;
    assert!(successor_state(&Genesis::V1(alone), &old.state).is_err(), "no successor");
    let Genesis::V1(mut foreign) = genesis;
    foreign.organisations[0].governance = Some(Address::of_key(suite, &public(250)));
    let foreign = Genesis::V1(foreign);
    foreign.check().unwrap();
    assert!(successor_state(&foreign, &old.state).is_err(), "nobody has that governance account");
}
