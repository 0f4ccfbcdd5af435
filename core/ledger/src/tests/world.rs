//! A network in memory whose accounts are numbers: account `n` is that of key `n`.

use crate::{
    check_all, execute, genesis_state, simulate,
    tree::{OwnerKey, State, View},
    Context, Door, ExecutedBlock, LiveIds, Network, Simulation, SkipReason, VerifiedTransaction,
};
use bubi_codec::{
    block::{Event, Genesis, GenesisAccount, GenesisOrganisation, GenesisV1, NetworkKind, Outcome, Receipt},
    decode, encode,
    identity::{Address, AssetId, ChainId, HoldId, NamespaceId, ProposalId},
    operation::{AssetFeatures, AssetKind, Operation, OperationBody as Op, Signer, Thresholds},
    state::{key, AccountHeader, AssetDefinition, AssetV1, Holding, HoldingV1, ParametersV1, Validator, ValidatorSet},
    transaction::{transaction_hash, BodyV1, Precondition, ReplayKey, TransactionBody},
    ResultCode, Wire,
};
use bubi_crypto::{Hash, HashSuite, PublicKey, SecretKey, SignatureAlgorithm};
use std::collections::{BTreeMap, BTreeSet};

pub(crate) type Seen = BTreeSet<ResultCode>;

/// Accounts of the genesis: 1 to 9.
pub(crate) const GENESIS_ACCOUNTS: u8 = 9;

pub(crate) fn secret(number: u8) -> SecretKey {
    SecretKey::from_bytes(SignatureAlgorithm::Ed25519, &[number; 32]).unwrap()
}

pub(crate) fn public(number: u8) -> PublicKey {
    secret(number).public_key()
}

pub(crate) fn signer(number: u8, weight: u32) -> Signer {
    Signer { key: public(number), weight, limits: None }
}

pub(crate) fn sorted(mut signers: Vec<Signer>) -> Vec<Signer> {
    signers.sort_by_key(|signer| signer.key);
    signers
}

pub(crate) fn thresholds(default: u32) -> Thresholds {
    Thresholds { default, operations: BTreeMap::new() }
}

pub(crate) struct World {
    pub(crate) suite: HashSuite,
    pub(crate) chain: ChainId,
    pub(crate) network: Network,
    pub(crate) state: State,
    pub(crate) ids: LiveIds,
    pub(crate) height: u64,
    /// Time of the next block.
    pub(crate) time: u64,
    pub(crate) seen: Seen,
    next_id: u64,
}

pub(crate) fn address(suite: HashSuite, number: u8) -> Address {
    Address::of_key(suite, &public(number))
}

pub(crate) fn genesis(suite: HashSuite, parameters: ParametersV1) -> Genesis {
    let account = |number| GenesisAccount {
        address: address(suite, number),
        signers: vec![signer(number, 1)],
        thresholds: thresholds(1),
        organisation: None,
    };
    let mut accounts: Vec<GenesisAccount> = (1..=GENESIS_ACCOUNTS).map(account).collect();
    accounts.sort_by_key(|account| account.address);
    let validator = Validator { name: "v".into(), organisation: "o".into(), key: public(200), weight: 1 };
    Genesis::V1(GenesisV1 {
        nonce: Hash([7; 32]),
        name: "test".into(),
        kind: NetworkKind::Development,
        suite,
        time: 0,
        protocol_version: 1,
        parameters,
        validators: ValidatorSet::V1 {
            epoch: 0,
            engine: "solo".into(),
            validators: vec![validator],
            quorum_numerator: 2,
            quorum_denominator: 3,
        },
        accounts,
        organisations: Vec::new(),
        predecessor: None,
    })
}

/// A validator: name and organisation follow from its number, key `200 + number`.
pub(crate) fn validator(number: u8, weight: u32) -> Validator {
    Validator { name: format!("v{number}"), organisation: format!("o{number}"), key: public(200 + number), weight }
}

/// A genesis with validators of these weights, each of an organisation of its own whose governance account has its number.
pub(crate) fn governed(suite: HashSuite, parameters: ParametersV1, weights: &[u32]) -> Genesis {
    let Genesis::V1(mut genesis) = genesis(suite, parameters);
    let numbers = (1_u8..).zip(weights);
    genesis.validators = ValidatorSet::V1 {
        epoch: 0,
        engine: "pbft".into(),
        validators: numbers.clone().map(|(number, weight)| validator(number, *weight)).collect(),
        quorum_numerator: 2,
        quorum_denominator: 3,
    };
    let organisation = |number| GenesisOrganisation {
        name: format!("o{number}"),
        governance: Some(address(suite, number)),
        certificate: vec![number],
    };
    genesis.organisations = numbers.map(|(number, _)| organisation(number)).collect();
    Genesis::V1(genesis)
}

impl World {
    pub(crate) fn new(suite: HashSuite) -> Self {
        Self::with(suite, ParametersV1::default())
    }

    pub(crate) fn with(suite: HashSuite, parameters: ParametersV1) -> Self {
        Self::of(&genesis(suite, parameters))
    }

    pub(crate) fn of(genesis: &Genesis) -> Self {
        let suite = genesis.v1().suite;
        let chain = genesis.chain_id(&encode(genesis).unwrap());
        let state = genesis_state(genesis).unwrap();
        Self {
            suite,
            chain,
            network: Network::new(genesis, chain),
            state,
            ids: LiveIds::new(suite),
            height: 1,
            time: 1_000_000,
            seen: Seen::new(),
            next_id: 0,
        }
    }

    pub(crate) fn address(&self, number: u8) -> Address {
        address(self.suite, number)
    }

    pub(crate) fn asset(&self, issuer: u8, code: &str) -> AssetId {
        AssetId::derived(self.suite, &self.address(issuer), code)
    }

    pub(crate) fn namespace(&self, name: &str) -> NamespaceId {
        NamespaceId::derived(self.suite, name)
    }

    /// A body of account `source` with a fresh id and the longest lifetime.
    pub(crate) fn body(&mut self, source: u8, operations: Vec<Op>) -> BodyV1 {
        self.next_id += 1;
        let mut id = [0; 16];
        id[..8].copy_from_slice(&self.next_id.to_be_bytes());
        BodyV1 {
            source: self.address(source),
            replay: ReplayKey::Id(id),
            valid_until: self.time + 600_000,
            preconditions: Vec::new(),
            memo: Vec::new(),
            operations: operations.into_iter().map(|body| Operation { source: None, body }).collect(),
        }
    }

    pub(crate) fn signed(&self, body: BodyV1, keys: &[u8]) -> VerifiedTransaction {
        let body = TransactionBody::V1(body);
        let bytes = encode(&body).expect("the decoder would refuse this transaction");
        let hash = transaction_hash(self.suite, &self.chain, &bytes);
        let mut signers: Vec<PublicKey> = keys.iter().map(|number| public(*number)).collect();
        signers.sort();
        let TransactionBody::V1(body) = body;
        VerifiedTransaction { hash, body, signers, bytes: 0..bytes.len() }
    }

    pub(crate) fn context(&self) -> Context {
        let view = View::new(&self.state, &[]).unwrap();
        Context::new(&view, &self.network, self.height, self.time).unwrap()
    }

    /// Executes and merges a block of one batch, and checks every invariant of the new state.
    pub(crate) fn block(&mut self, transactions: &[VerifiedTransaction]) -> Finished {
        let context = self.context();
        let view = View::new(&self.state, &[]).unwrap();
        let result = execute(&view, self.ids.view(&[]), &context, &[transactions]).unwrap();
        let ExecutedBlock { overlay, outcome, receipts, events, skipped, ids, alarms } = result.finish(&view);
        self.state.merge(overlay).unwrap();
        self.ids.merge(ids);
        check_all(&self.state, &self.ids).unwrap();
        self.height += 1;
        self.time += 1_000;
        let codes: Vec<ResultCode> = receipts.iter().map(code_of).collect();
        self.seen.extend(&codes);
        let skipped = skipped.into_iter().map(|skipped| skipped.reason).collect();
        Finished {
            outcome,
            codes,
            receipts,
            events,
            skipped,
            alarms: alarms.into_iter().map(|alarm| alarm.what).collect(),
        }
    }

    /// A transaction of account `source`, signed by its key, in a block of its own; the code must be as expected. Events of
    /// what fell due come last.
    #[track_caller]
    pub(crate) fn expect(&mut self, code: ResultCode, source: u8, operations: Vec<Op>) -> Vec<Event> {
        let asked = format!("{operations:?}");
        let body = self.body(source, operations);
        let transaction = self.signed(body, &[source]);
        let finished = self.block(&[transaction]);
        assert!(finished.skipped.is_empty(), "skipped: {:?} of {asked}", finished.skipped);
        assert_eq!(finished.codes[0], code, "{asked}");
        finished.events.into_iter().flatten().collect()
    }

    #[track_caller]
    pub(crate) fn done(&mut self, source: u8, operation: Op) -> Vec<Event> {
        self.expect(ResultCode::Final, source, vec![operation])
    }

    #[track_caller]
    pub(crate) fn fails(&mut self, code: ResultCode, source: u8, operation: Op) {
        let before = self.business_cells();
        let events = self.expect(code, source, vec![operation]);
        assert!(events.is_empty());
        assert_eq!(before, self.business_cells(), "effects were left");
    }

    /// Everything but the id buckets.
    fn business_cells(&self) -> Vec<(OwnerKey, Vec<u8>, Vec<u8>)> {
        let bucket = |owner: &OwnerKey, key: &[u8]| owner.kind() == OwnerKey::SYSTEM && key[0] == key::ID_BUCKET_PREFIX;
        let cells = self.state.all_cells().filter(|(owner, key, _)| !bucket(owner, key));
        cells.map(|(owner, key, value)| (*owner, key.to_vec(), value.to_vec())).collect()
    }

    /// Why a transaction is skipped, by a block and by the door.
    #[track_caller]
    pub(crate) fn skips(&mut self, reason: SkipReason, body: BodyV1, keys: &[u8]) {
        let transaction = self.signed(body, keys);
        let context = self.context();
        let view = View::new(&self.state, &[]).unwrap();
        assert_eq!(Door::new(&view, self.ids.view(&[]), &context).authorise(&transaction).unwrap(), Err(reason));
        let simulated = simulate(&view, self.ids.view(&[]), &context, &transaction, false).unwrap();
        assert_eq!(simulated, Simulation::Skipped(reason));
        let before = self.state.root();
        let finished = self.block(&[transaction]);
        assert_eq!(finished.skipped, [reason]);
        assert!(finished.receipts.is_empty());
        assert_eq!(before, self.state.root(), "a skipped transaction leaves nothing");
    }

    pub(crate) fn account_cell(&self, number: u8, key: &[u8]) -> Option<&[u8]> {
        self.state.get(&OwnerKey::new(OwnerKey::ACCOUNT, *self.address(number).bytes()), key)
    }

    pub(crate) fn header(&self, number: u8) -> AccountHeader {
        decode(self.account_cell(number, key::HEADER).unwrap()).unwrap()
    }

    pub(crate) fn holding(&self, number: u8, asset: &AssetId) -> HoldingV1 {
        let cell = self.account_cell(number, &key::holding(asset));
        cell.map(|bytes| decode::<Holding>(bytes).unwrap()).map(|Holding::V1(holding)| holding).unwrap_or_default()
    }

    pub(crate) fn balance(&self, number: u8, asset: &AssetId) -> u128 {
        self.holding(number, asset).balance
    }

    pub(crate) fn definition(&self, asset: &AssetId) -> AssetV1 {
        let bytes = self.state.get(&OwnerKey::new(OwnerKey::ASSET, *asset.bytes()), key::HEADER).unwrap();
        let AssetDefinition::V1(asset) = decode(bytes).unwrap();
        asset
    }

    /// Defines an asset of an account with every feature that is switched on.
    pub(crate) fn create_asset(
        &mut self,
        issuer: u8,
        code: &str,
        kind: AssetKind,
        cap: Option<u128>,
        features: AssetFeatures,
    ) -> AssetId {
        self.done(issuer, Op::CreateAsset { code: code.into(), name: "x".into(), kind, decimals: 0, cap, features });
        self.asset(issuer, code)
    }

    pub(crate) fn issue(&mut self, issuer: u8, asset: AssetId, to: u8, amount: u128, expires: Option<u64>) {
        let to = self.address(to);
        self.done(issuer, Op::Issue { asset, to, amount, expires });
    }

    /// The proposal that the last body of this world would open with its first operation.
    pub(crate) fn last_proposal(&self, source: u8) -> ProposalId {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&self.next_id.to_be_bytes());
        ProposalId::derived(self.suite, &self.chain, &self.address(source), &ReplayKey::Id(id), 0)
    }

    /// A cell of the system.
    pub(crate) fn system_cell<T: Wire>(&self, key: &[u8]) -> Option<T> {
        let system = OwnerKey::new(OwnerKey::SYSTEM, [0; 32]);
        self.state.get(&system, key).map(|bytes| decode(bytes).unwrap())
    }

    /// The hold that the last body of this world would make with its first operation.
    pub(crate) fn last_hold(&self, source: u8) -> HoldId {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&self.next_id.to_be_bytes());
        HoldId::derived(self.suite, &self.chain, &self.address(source), &ReplayKey::Id(id), 0)
    }

    #[track_caller]
    pub(crate) fn precondition(&mut self, holds: bool, precondition: Precondition) {
        let mut body =
            self.body(1, vec![Op::SetData { name: "p".into(), value: Some(vec![1]), expected_version: None }]);
        let asked = format!("{precondition:?}");
        body.preconditions = vec![precondition];
        let transaction = self.signed(body, &[1]);
        let expected = if holds { ResultCode::Final } else { ResultCode::PreconditionFailed };
        let finished = self.block(&[transaction]);
        assert_eq!(finished.codes[0], expected, "{asked}");
        assert!(matches!(finished.receipts[0], Receipt::V1 { operation: None, .. }));
    }
}

pub(crate) fn code_of(receipt: &Receipt) -> ResultCode {
    let Receipt::V1 { code, .. } = receipt;
    ResultCode::from_number(*code).unwrap()
}

/// A merged block.
pub(crate) struct Finished {
    pub(crate) outcome: Outcome,
    pub(crate) codes: Vec<ResultCode>,
    pub(crate) receipts: Vec<Receipt>,
    pub(crate) events: Vec<Vec<Event>>,
    pub(crate) skipped: Vec<SkipReason>,
    pub(crate) alarms: Vec<String>,
}
