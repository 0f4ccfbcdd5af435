//! The account tree against a naive model: a sorted map of cells and a recursive root written from
//! `spec/state-tree.md`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

use std::collections::BTreeMap;
use std::ops::Bound;

use bubi_crypto::{Hash, HashSuite};
use bubi_ledger::tree::{
    AccountEvidence, AccountProof, CellEvidence, CellGap, CellProof, Changes, Chunk, Overlay, OwnerGap, OwnerKey,
    ProofError, ProofWindow, Scratch, State, StateBuilder, TreeError, View, EMPTY_ROOT,
};
use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;

type Model = BTreeMap<(OwnerKey, Vec<u8>), Vec<u8>>;

const SUITES: [HashSuite; 2] = [HashSuite::Standard, HashSuite::National];

fn uleb(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 128 {
        bytes.push(u8::try_from(number % 128 + 128).unwrap());
        number /= 128;
    }
    bytes.push(u8::try_from(number).unwrap());
    bytes
}

fn naive_trie(suite: HashSuite, leaves: &[([u8; 32], Hash)], depth: usize) -> Hash {
    match leaves.len() {
        0 => Hash([0; 32]),
        1 => leaves[0].1,
        _ => {
            let goes_right = |path: &[u8; 32]| (path[depth / 8] >> (7 - depth % 8)) & 1 == 1;
            let (right, left): (Vec<_>, Vec<_>) = leaves.iter().partition(|leaf| goes_right(&leaf.0));
            let left = naive_trie(suite, &left, depth + 1);
            let right = naive_trie(suite, &right, depth + 1);
            suite.hash(&[&[1], &left.0, &right.0])
        }
    }
}

fn naive_root(suite: HashSuite, model: &Model) -> Hash {
    let mut owners: BTreeMap<OwnerKey, Vec<([u8; 32], Hash)>> = BTreeMap::new();
    for ((owner, key), value) in model {
        let path = suite.hash(&[&[2], key]).0;
        let leaf = suite.hash(&[&[0, 4], &uleb(key.len()), key, &uleb(value.len()), value]);
        owners.entry(*owner).or_default().push((path, leaf));
    }
    let leaf = |(owner, cells): (&OwnerKey, &Vec<([u8; 32], Hash)>)| {
        let root = naive_trie(suite, cells, 0);
        (suite.hash(&[&[2], owner.as_bytes()]).0, suite.hash(&[&[0, 6], owner.as_bytes(), &root.0]))
    };
    let leaves: Vec<([u8; 32], Hash)> = owners.iter().map(leaf).collect();
    naive_trie(suite, &leaves, 0)
}

fn owner(number: u16) -> OwnerKey {
    let mut id = [0; 32];
    id[30..].copy_from_slice(&number.to_be_bytes());
    OwnerKey::new(number.to_le_bytes()[0] % 5, id)
}

fn key(number: u16) -> Vec<u8> {
    // Keys of different lengths, some a prefix of others.
    let mut key = number.to_be_bytes().to_vec();
    key.resize(1 + usize::from(number % 7) * 5, 0xaa);
    if key.len() == 1 {
        key[0] = u8::try_from(number % 251).unwrap();
    }
    key
}

fn model_cells(model: &Model) -> Vec<(OwnerKey, Vec<u8>, Vec<u8>)> {
    model.iter().map(|((owner, key), value)| (*owner, key.clone(), value.clone())).collect()
}

fn build(suite: HashSuite, model: &Model) -> State {
    State::from_cells(suite, model_cells(model)).unwrap()
}

#[derive(Clone, Debug)]
enum Step {
    Put(u16, u16, usize),
    Remove(u16, u16),
    /// Writes many cells of one owner.
    Fill(u16, u16, u16),
    /// Removes many cells of one owner.
    Clear(u16, u16, u16),
    /// Writes one cell of many owners.
    Spread(u16, u16),
    Begin,
    Commit,
    Rollback,
    Stack,
    Merge,
    Drop,
    Undo,
}

fn step() -> impl Strategy<Value = Step> {
    let owners = prop_oneof![4 => 0..4_u16, 2 => 0..300_u16];
    let keys = 0..60_u16;
    prop_oneof![
        8 => (owners.clone(), keys.clone(), prop_oneof![6 => 0..70_usize, 1 => 1000..3000_usize]).prop_map(|(o, k, l)| Step::Put(o, k, l)),
        5 => (owners.clone(), keys).prop_map(|(o, k)| Step::Remove(o, k)),
        2 => (0..4_u16, 0..60_u16, 1..60_u16).prop_map(|(o, s, n)| Step::Fill(o, s, n)),
        2 => (0..4_u16, 0..60_u16, 1..120_u16).prop_map(|(o, s, n)| Step::Clear(o, s, n)),
        1 => (0..300_u16, 1..200_u16).prop_map(|(s, n)| Step::Spread(s, n)),
        2 => Just(Step::Begin),
        1 => Just(Step::Commit),
        1 => Just(Step::Rollback),
        4 => Just(Step::Stack),
        3 => Just(Step::Merge),
        1 => Just(Step::Drop),
        1 => Just(Step::Undo),
    ]
}

/// A ledger under test beside its model.
struct Run {
    suite: HashSuite,
    state: State,
    window: ProofWindow,
    /// Model of each height in the state's own history.
    history: Vec<Model>,
    overlays: Vec<(Overlay, Model)>,
}

impl Run {
    fn new(suite: HashSuite) -> Self {
        let window = ProofWindow::new(4, 0);
        Self { suite, state: State::new(suite), window, history: vec![Model::new()], overlays: Vec::new() }
    }

    fn newest(&self) -> &Model {
        self.overlays.last().map_or_else(|| self.history.last().unwrap(), |(_, model)| model)
    }

    fn view(&self) -> View<'_> {
        let overlays: Vec<&Overlay> = self.overlays.iter().map(|(overlay, _)| overlay).collect();
        View::new(&self.state, &overlays).unwrap()
    }

    fn execute(&mut self, steps: &[Step]) -> TestCaseResult {
        let mut model = self.newest().clone();
        let mut saved = Vec::new();
        let mut scratch = Scratch::new(self.view());
        for step in steps {
            match step {
                Step::Put(o, k, length) => write(&mut scratch, &mut model, *o, *k, Some(*length)),
                Step::Remove(o, k) => write(&mut scratch, &mut model, *o, *k, None),
                Step::Fill(o, start, count) => {
                    (*start..start + count).for_each(|k| write(&mut scratch, &mut model, *o, k, Some(9)));
                }
                Step::Clear(o, start, count) => {
                    (*start..start + count).for_each(|k| write(&mut scratch, &mut model, *o, k, None));
                }
                Step::Spread(start, count) => {
                    (*start..start + count).for_each(|o| write(&mut scratch, &mut model, o, 7, Some(3)));
                }
                Step::Begin => {
                    saved.push(model.clone());
                    scratch.begin();
                }
                Step::Commit => {
                    saved.pop();
                    scratch.commit();
                }
                Step::Rollback => {
                    model = saved.pop().unwrap_or(model);
                    scratch.rollback();
                }
                _ => {}
            }
        }
        for number in 0..4 {
            let cells = scratch.cells_from(&owner(number), Bound::Unbounded);
            prop_assert!(cells.map(|(k, v)| (k.to_vec(), v.to_vec())).eq(of_owner(&model, number)));
        }
        for ((o, k), value) in &model {
            prop_assert_eq!(scratch.get(o, k), Some(value.as_slice()));
        }
        let overlay = scratch.finish();
        prop_assert_eq!(overlay.root(), naive_root(self.suite, &model));
        prop_assert_eq!(overlay.cell_count(), model.len() as u64);
        self.overlays.push((overlay, model));
        Ok(())
    }

    fn merge(&mut self) -> TestCaseResult {
        if !self.overlays.is_empty() {
            let (overlay, model) = self.overlays.remove(0);
            self.window.push(self.state.merge(overlay).unwrap());
            self.history.push(model);
        }
        self.check_state()
    }

    fn undo(&mut self) -> TestCaseResult {
        if self.overlays.is_empty() {
            if let Some(undo) = self.window.pop() {
                self.state.merge(undo).unwrap();
                self.history.pop();
            }
        }
        self.check_state()
    }

    fn check_state(&self) -> TestCaseResult {
        let model = self.history.last().unwrap();
        prop_assert_eq!(self.state.root(), naive_root(self.suite, model));
        prop_assert_eq!(self.state.recompute_root(), self.state.root());
        prop_assert_eq!(self.state.cell_count(), model.len() as u64);
        let mut cells: Vec<_> = self.state.all_cells().map(|(o, k, v)| (*o, k.to_vec(), v.to_vec())).collect();
        cells.sort();
        prop_assert_eq!(cells, model_cells(model));
        Ok(())
    }

    fn check_all(&self) -> TestCaseResult {
        check_view(self.suite, &self.view(), self.newest())?;
        let newest = self.window.newest();
        for height in self.window.oldest()..=newest {
            let view = self.window.view(&self.state, height).unwrap().unwrap();
            check_view(self.suite, &view, &self.history[usize::try_from(height).unwrap()])?;
        }
        prop_assert!(newest - self.window.oldest() <= 4);
        if let Some(older) = self.window.oldest().checked_sub(1) {
            prop_assert!(self.window.view(&self.state, older).unwrap().is_none());
        }
        prop_assert!(self.window.view(&self.state, newest + 1).unwrap().is_none());
        Ok(())
    }
}

fn of_owner(model: &Model, number: u16) -> Vec<(Vec<u8>, Vec<u8>)> {
    let of = model.iter().filter(|((o, _), _)| *o == owner(number));
    of.map(|((_, k), v)| (k.clone(), v.clone())).collect()
}

fn write(scratch: &mut Scratch<'_>, model: &mut Model, o: u16, k: u16, length: Option<usize>) {
    let (owner, key) = (owner(o), key(k));
    if let Some(length) = length {
        let value = vec![k.to_le_bytes()[0]; length];
        scratch.put(&owner, &key, &value).unwrap();
        model.insert((owner, key), value);
    } else {
        scratch.remove(&owner, &key).unwrap();
        model.remove(&(owner, key));
    }
}

/// Every cell provable, absence provable, complete accounts provable, everything through the encoded form.
fn check_view(suite: HashSuite, view: &View<'_>, model: &Model) -> TestCaseResult {
    let root = view.root();
    prop_assert_eq!(root, naive_root(suite, model));
    for ((owner, key), value) in model {
        prop_assert_eq!(view.get(owner, key), Some(value.as_slice()));
    }
    for ((owner, key), value) in model.iter().step_by(1 + model.len() / 40) {
        let proof = CellProof::from_bytes(&view.prove(owner, key).unwrap().to_bytes().unwrap()).unwrap();
        prop_assert_eq!(proof.verify(suite, &root), Ok(Some(value.as_slice())));
    }
    for o in [0, 1, 2, 3, 17, 299, 4000] {
        for k in (0..64).step_by(3) {
            let (owner, key) = (owner(o), key(k));
            let expected = model.get(&(owner, key.clone())).map(Vec::as_slice);
            let proof = view.prove(&owner, &key).unwrap();
            prop_assert_eq!(proof.verify(suite, &root), Ok(expected));
        }
        let proof = view.prove_account(&owner(o)).unwrap();
        let proof = AccountProof::from_bytes(&proof.to_bytes().unwrap()).unwrap();
        let cells = proof.verify(suite, &root).unwrap();
        prop_assert!(cells.iter().map(|(k, v)| (k.to_vec(), v.to_vec())).eq(of_owner(model, o)));
    }
    Ok(())
}

fn run(suite: HashSuite, blocks: &[(Vec<Step>, Step)]) -> TestCaseResult {
    let mut run = Run::new(suite);
    for (steps, then) in blocks {
        run.execute(steps)?;
        match then {
            Step::Merge => run.merge()?,
            Step::Drop => {
                run.overlays.pop();
            }
            Step::Undo => {
                run.merge()?;
                run.undo()?;
            }
            _ => {}
        }
    }
    run.check_all()?;
    while !run.overlays.is_empty() {
        run.merge()?;
    }
    run.check_all()?;
    while run.window.oldest() < run.window.newest() {
        run.undo()?;
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn execution_equals_the_model(
        blocks in prop::collection::vec((prop::collection::vec(step(), 1..25), step()), 1..10),
        national in any::<bool>(),
    ) {
        run(SUITES[usize::from(national)], &blocks)?;
    }

    #[test]
    fn root_depends_on_the_cells_only(cells in prop::collection::btree_map((0..60_u16, 0..40_u16), 0..50_usize, 0..200), seed in any::<u64>()) {
        let model: Model = cells.iter().map(|((o, k), l)| ((owner(*o), key(*k)), vec![1; *l])).collect();
        let state = build(HashSuite::Standard, &model);
        prop_assert_eq!(state.root(), naive_root(HashSuite::Standard, &model));
        // The same cells one by one in another order, each after a detour.
        let mut other = State::new(HashSuite::Standard);
        let mut order = model_cells(&model);
        order.sort_by_key(|(o, k, _)| HashSuite::Standard.hash(&[&seed.to_be_bytes(), o.as_bytes(), k]));
        for (o, k, v) in order {
            let mut changes = Changes::new();
            changes.put(&o, &k, b"detour").unwrap();
            changes.put(&o, b"gone", b"soon").unwrap();
            let first = Overlay::finish(&other, &[], changes).unwrap();
            let mut changes = Changes::new();
            changes.put(&o, &k, &v).unwrap();
            changes.remove(&o, b"gone").unwrap();
            let second = Overlay::finish(&other, &[&first], changes).unwrap();
            other.merge(first).unwrap();
            other.merge(second).unwrap();
        }
        prop_assert_eq!(other.root(), state.root());
    }

    #[test]
    fn mutated_proofs_are_refused_or_true(position in any::<prop::sample::Index>(), flip in 1..=255_u8, o in 0..20_u16, k in 0..12_u16, national in any::<bool>()) {
        let suite = SUITES[usize::from(national)];
        let model = sample();
        let state = build(suite, &model);
        let view = View::new(&state, &[]).unwrap();
        let mut bytes = view.prove(&owner(o), &key(k)).unwrap().to_bytes().unwrap();
        let position = position.index(bytes.len());
        bytes[position] ^= flip;
        if let Ok(proof) = CellProof::from_bytes(&bytes) {
            if let Ok(value) = proof.verify(suite, &state.root()) {
                let (owner, key) = proof.cell();
                // Only the question of an absence proof can change into another true one.
                prop_assert_eq!(value, None);
                prop_assert!(!model.contains_key(&(*owner, key.to_vec())));
            }
        }
        let mut bytes = view.prove_account(&owner(o)).unwrap().to_bytes().unwrap();
        let position = position % bytes.len();
        bytes[position] ^= flip;
        if let Ok(proof) = AccountProof::from_bytes(&bytes) {
            if let Ok(cells) = proof.verify(suite, &state.root()) {
                prop_assert!(cells.is_empty());
                prop_assert!(!model.keys().any(|(owner, _)| owner == proof.owner()));
            }
        }
    }

    #[test]
    fn hostile_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(proof) = CellProof::from_bytes(&bytes) {
            prop_assert!(proof.verify(HashSuite::Standard, &Hash([1; 32])).is_err());
        }
        if let Ok(proof) = AccountProof::from_bytes(&bytes) {
            prop_assert!(proof.verify(HashSuite::Standard, &Hash([1; 32])).is_err());
        }
    }
}

/// Sixteen owners: some with one cell, some with several, one large.
fn sample() -> Model {
    let mut model = Model::new();
    for o in 0..16 {
        let count = if o == 5 { 40 } else { 1 + o % 4 };
        for k in 0..count {
            model.insert((owner(o), key(3 * k)), vec![2; usize::from(k) + 1]);
        }
    }
    model
}

#[test]
fn zero_cell_owners_disappear() {
    for suite in SUITES {
        let model = sample();
        let mut state = build(suite, &model);
        let mut changes = Changes::new();
        for (owner, key) in model.keys() {
            changes.remove(owner, key).unwrap();
        }
        let undo = state.merge(Overlay::finish(&state, &[], changes).unwrap()).unwrap();
        assert_eq!((state.root(), state.owner_count(), state.cell_count()), (EMPTY_ROOT, 0, 0));
        state.merge(undo).unwrap();
        assert_eq!((state.root(), state.owner_count()), (naive_root(suite, &model), 16));
    }
}

#[test]
fn many_owners_and_one_large_owner_in_parallel() {
    let suite = HashSuite::Standard;
    let mut model = Model::new();
    for o in 0..6000 {
        model.insert((owner(o), key(0)), vec![1; 10]);
        model.insert((owner(9), o.to_be_bytes().to_vec()), vec![2; 3]);
    }
    let mut state = State::new(suite);
    let mut changes = Changes::new();
    for ((o, k), v) in &model {
        changes.put(o, k, v).unwrap();
    }
    let first = Overlay::finish(&state, &[], changes).unwrap();
    assert_eq!(first.root(), naive_root(suite, &model));
    let mut changes = Changes::new();
    for o in 0..3000 {
        changes.put(&owner(2 * o), &key(0), b"changed").unwrap();
        model.insert((owner(2 * o), key(0)), b"changed".to_vec());
        changes.remove(&owner(9), &(2 * o).to_be_bytes()).unwrap();
        model.remove(&(owner(9), (2 * o).to_be_bytes().to_vec()));
    }
    let second = Overlay::finish(&state, &[&first], changes).unwrap();
    assert_eq!(second.root(), naive_root(suite, &model));
    let (before, after) = (first.root(), second.root());
    let undo_first = state.merge(first).unwrap();
    assert_eq!(state.root(), before);
    // A deeper base than the overlay knew.
    state.reserve(40_000);
    assert_eq!(state.root(), before);
    let undo_second = state.merge(second).unwrap();
    assert_eq!((state.root(), state.recompute_root()), (after, after));
    assert_eq!(build(suite, &model).root(), after);
    state.merge(undo_second).unwrap();
    assert_eq!((state.root(), state.recompute_root()), (before, before));
    state.merge(undo_first).unwrap();
    assert_eq!(state.root(), EMPTY_ROOT);
}

#[test]
fn large_owner_ranges() {
    let mut model = Model::new();
    for number in 0..500_u16 {
        model.insert((owner(3), number.to_be_bytes().to_vec()), vec![]);
    }
    let state = build(HashSuite::Standard, &model);
    let from = |bound| state.cells_from(&owner(3), bound).map(|(key, _)| key.to_vec()).next().unwrap();
    assert_eq!(from(Bound::Included(&[1, 4])), [1, 4]);
    assert_eq!(from(Bound::Excluded(&[1, 4])), [1, 5]);
    assert_eq!(state.cells(&owner(3)).count(), 500);
    assert_eq!(state.get(&owner(3), &[0, 0]), Some(&[][..]));
    assert_eq!(state.get(&owner(3), &[9, 9]), None);
}

#[test]
fn wrong_writes_builds_and_merges_are_refused() {
    let mut changes = Changes::new();
    assert_eq!(changes.put(&owner(1), b"", b"x"), Err(TreeError::KeyLength(0)));
    assert_eq!(changes.put(&owner(1), &[1; 129], b"x"), Err(TreeError::KeyLength(129)));
    assert_eq!(changes.put(&owner(1), b"k", &vec![0; 65_537]), Err(TreeError::ValueLength(65_537)));
    changes.put(&owner(1), &[1; 128], &vec![0; 65_536]).unwrap();
    let twice = [(owner(1), vec![1], vec![]), (owner(1), vec![1], vec![])];
    assert_eq!(State::from_cells(HashSuite::Standard, twice).err(), Some(TreeError::NotGrouped(owner(1))));
    let groups = [(owner(1), [1], [1]), (owner(2), [1], [1]), (owner(1), [2], [1])];
    assert_eq!(State::from_grouped(HashSuite::Standard, groups).err(), Some(TreeError::NotGrouped(owner(1))));
    let mut state = State::new(HashSuite::Standard);
    let overlay = Overlay::finish(&state, &[], changes).unwrap();
    state.merge(overlay.clone()).unwrap();
    assert_eq!(state.merge(overlay.clone()).err(), Some(TreeError::WrongParent));
    assert_eq!(View::new(&state, &[&overlay]).err(), Some(TreeError::WrongParent));
    let mut other = State::new(HashSuite::National);
    assert_eq!(other.merge(overlay).err(), Some(TreeError::WrongSuite));
}

#[test]
fn chunks_may_come_in_any_order() {
    let model = sample();
    let builder = StateBuilder::new(HashSuite::Standard);
    let mut chunks: BTreeMap<OwnerKey, Chunk> = BTreeMap::new();
    for ((owner, key), value) in &model {
        chunks.entry(*owner).or_default().push(owner, key, value).unwrap();
    }
    chunks.into_values().rev().for_each(|chunk| builder.add(chunk));
    assert_eq!(builder.build().unwrap().root(), naive_root(HashSuite::Standard, &model));
}

#[test]
fn every_second_form_of_a_proof_is_refused() {
    let suite = HashSuite::Standard;
    let state = build(suite, &sample());
    let (root, view) = (state.root(), View::new(&state, &[]).unwrap());
    let CellProof::V1 { owner: target, key: name, evidence } = view.prove(&owner(5), &key(3)).unwrap();
    let CellEvidence::Present { value, lower, upper } = evidence else { panic!("present") };
    let check = |lower: Vec<Hash>, upper: Vec<Hash>| {
        let evidence = CellEvidence::Present { value: value.clone(), lower, upper };
        CellProof::V1 { owner: target, key: name.clone(), evidence }.verify(suite, &root).err()
    };
    assert_eq!(check(lower.clone(), upper.clone()), None);
    let mut longer = lower.clone();
    longer.push(EMPTY_ROOT);
    assert_eq!(check(longer, upper.clone()), Some(ProofError::Depth));
    assert_eq!(check(vec![root; 257], upper.clone()), Some(ProofError::TooManySiblings));
    assert_eq!(check(lower.iter().rev().copied().collect(), upper.clone()), Some(ProofError::Root));
    assert_eq!(check(lower[1..].to_vec(), upper.clone()), Some(ProofError::Root));
    // A cell that exists is not absent because of itself, nor because of a leaf elsewhere.
    let absent = |gap, lower: Vec<Hash>| {
        let evidence = CellEvidence::CellAbsent { gap, lower, upper: upper.clone() };
        CellProof::V1 { owner: target, key: name.clone(), evidence }.verify(suite, &root).err()
    };
    let itself = CellGap::Other { key: name.clone(), value: value.clone() };
    assert_eq!(absent(itself, lower.clone()), Some(ProofError::OtherLeaf));
    let elsewhere = CellGap::Other { key: serde_bytes::ByteBuf::from(key(6)), value: value.clone() };
    assert_eq!(absent(elsewhere, lower.clone()), Some(ProofError::OtherLeaf));
    assert_eq!(absent(CellGap::Empty, lower.clone()), Some(ProofError::Root));
    assert_eq!(absent(CellGap::Empty, vec![]), Some(ProofError::CellCount));
    let gap = OwnerGap::Other { owner: target, cells_root: root };
    let proof = CellProof::V1 { owner: target, key: name.clone(), evidence: CellEvidence::OwnerAbsent { gap, upper } };
    assert_eq!(proof.verify(suite, &root).err(), Some(ProofError::OtherLeaf));
    second_forms_of_accounts(suite, &view);
}

fn second_forms_of_accounts(suite: HashSuite, view: &View<'_>) {
    let AccountProof::V1 { owner: target, evidence } = view.prove_account(&owner(5)).unwrap();
    let AccountEvidence::Complete { cells, upper } = evidence else { panic!("complete") };
    let check = |cells: Vec<_>| {
        let evidence = AccountEvidence::Complete { cells, upper: upper.clone() };
        AccountProof::V1 { owner: target, evidence }.verify(suite, &view.root()).err()
    };
    assert_eq!(check(cells.clone()), None);
    assert_eq!(check(vec![]), Some(ProofError::CellCount));
    assert_eq!(check(cells[1..].to_vec()), Some(ProofError::Root));
    assert_eq!(check(cells.iter().rev().cloned().collect()), Some(ProofError::CellOrder));
    let mut doubled = cells.clone();
    doubled.insert(0, cells[0].clone());
    assert_eq!(check(doubled), Some(ProofError::CellOrder));
    let mut bytes = view.prove_account(&owner(5)).unwrap().to_bytes().unwrap();
    bytes.push(0);
    assert_eq!(AccountProof::from_bytes(&bytes), Err(ProofError::Encoding));
}
