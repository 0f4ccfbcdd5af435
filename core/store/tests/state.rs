//! The state store against a plain map, on a disk that crashes, fails and lies.

// A test that panics is a test that fails; numbers here are small.
#![allow(clippy::unwrap_used, clippy::panic, clippy::cast_possible_truncation)]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::ops::ControlFlow;
use std::process::{Command, Stdio};

use bubi_store::{
    Batch, CrashKind, Cure, Disk, Keyspace, MemoryDisk, Operation, RealDisk, Snapshot, StateOptions, StateStore,
    StoreError,
};
use proptest::prelude::*;

type Model = BTreeMap<(u8, Vec<u8>), Vec<u8>>;

const INLINE: StateOptions =
    StateOptions { flush_bytes: 4000, flush_commits: 5, queue: 2, snapshots: 8, background: false };

/// Commit `height` as everybody can compute it: 30 changes of 200 keys in both key spaces, a quarter of them deletions.
fn changes(height: u64) -> Vec<(Keyspace, Vec<u8>, Option<Vec<u8>>)> {
    let mut random = height.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut draw = || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random
    };
    (0..30)
        .map(|_| {
            let space = if draw() % 3 == 0 { Keyspace::Derived } else { Keyspace::Cells };
            let key = format!("key {:03}", draw() % 200).into_bytes();
            let value =
                (draw() % 4 != 0).then(|| format!("{height}:{}", "v".repeat((draw() % 60) as usize)).into_bytes());
            (space, key, value)
        })
        .collect()
}

fn batch(height: u64) -> Batch {
    let mut batch = Batch::new();
    for (space, key, value) in changes(height) {
        match value {
            Some(value) => batch.put(space, &key, &value).unwrap(),
            None => batch.delete(space, &key).unwrap(),
        }
    }
    batch
}

fn apply(model: &mut Model, height: u64) {
    for (space, key, value) in changes(height) {
        match value {
            Some(value) => model.insert((space as u8, key), value),
            None => model.remove(&(space as u8, key)),
        };
    }
}

fn model(height: u64) -> Model {
    let mut model = Model::new();
    (1..=height).for_each(|height| apply(&mut model, height));
    model
}

fn contents<D: Disk>(snapshot: &Snapshot<D>) -> Result<Model, StoreError> {
    let mut seen = Model::new();
    for space in [Keyspace::Cells, Keyspace::Derived] {
        let mut last: Option<Vec<u8>> = None;
        snapshot.scan(space, b"", None, |key, value| {
            assert!(last.as_deref().is_none_or(|last| last < key), "order");
            last = Some(key.to_vec());
            seen.insert((space as u8, key.to_vec()), value.to_vec());
            ControlFlow::Continue(())
        })?;
    }
    Ok(seen)
}

fn agree<D: Disk>(store: &StateStore<D>) {
    let snapshot = store.snapshot().unwrap();
    let expected = model(snapshot.height());
    assert_eq!(contents(&snapshot).unwrap(), expected);
    assert!(snapshot.height() == 0 || snapshot.meta() == snapshot.height().to_be_bytes());
}

fn commit<D: Disk>(store: &mut StateStore<D>, height: u64) -> Result<(), StoreError> {
    store.commit(height, &height.to_be_bytes(), batch(height))
}

#[test]
fn equals_a_map_at_every_height() {
    let mut store = StateStore::open(MemoryDisk::new(1), INLINE).unwrap();
    let mut expected = Model::new();
    for height in 1..=120 {
        commit(&mut store, height).unwrap();
        apply(&mut expected, height);
        let snapshot = store.snapshot().unwrap();
        assert_eq!(contents(&snapshot).unwrap(), expected, "height {height}");
        for number in 0..200 {
            let key = format!("key {number:03}").into_bytes();
            let wanted = expected.get(&(0, key.clone()));
            assert_eq!(store.get(Keyspace::Cells, &key).unwrap().as_ref(), wanted);
        }
    }
    assert!(store.statistics().runs <= 8 && store.statistics().run_entries > 0, "{:?}", store.statistics());
    assert!(matches!(commit(&mut store, 120), Err(StoreError::Argument(_))));
}

#[test]
fn pages_and_prefixes() {
    let mut store = StateStore::open(MemoryDisk::new(1), INLINE).unwrap();
    (1..=40).for_each(|height| commit(&mut store, height).unwrap());
    let expected = model(40);
    let snapshot = store.snapshot().unwrap();
    let (mut listed, mut after) = (Vec::new(), None);
    loop {
        let page = snapshot.page(Keyspace::Cells, b"key 1", after.as_deref(), 7).unwrap();
        let Some((last, _)) = page.last() else { break };
        after = Some(last.clone());
        listed.extend(page);
    }
    let wanted: Vec<_> = expected
        .into_iter()
        .filter(|((space, key), _)| *space == 0 && key.starts_with(b"key 1"))
        .map(|((_, key), value)| (key, value))
        .collect();
    assert!(wanted.len() > 30);
    assert_eq!(listed, wanted);
}

#[test]
fn snapshots_stay_and_are_bounded() {
    for background in [false, true] {
        let options = StateOptions { background, ..INLINE };
        let mut store = StateStore::open(MemoryDisk::new(1), options).unwrap();
        let mut held = Vec::new();
        for height in 1..=300 {
            commit(&mut store, height).unwrap();
            if height % 40 == 1 {
                store.wait().unwrap();
                held.push((height, store.snapshot().unwrap()));
            }
        }
        store.flush().unwrap();
        for (height, snapshot) in &held {
            assert_eq!(snapshot.height(), *height);
            assert_eq!(contents(snapshot).unwrap(), model(*height));
        }
        assert_eq!(held.len(), 8);
        assert!(matches!(store.snapshot(), Err(StoreError::TooManySnapshots { limit: 8 })));
        held.clear();
        agree(&store);
    }
}

#[test]
fn background_threads_give_the_same_and_flush_makes_durable() {
    let disk = MemoryDisk::new(4);
    let options = StateOptions { background: true, ..INLINE };
    let mut store = StateStore::open(disk.clone(), options).unwrap();
    (1..=200).for_each(|height| commit(&mut store, height).unwrap());
    store.flush().unwrap();
    assert_eq!((store.height(), store.statistics().durable_height), (200, 200));
    agree(&store);
    disk.crash(CrashKind::LoseUnsynced);
    drop(store);
    let store = StateStore::open(disk, options).unwrap();
    assert_eq!(store.height(), 200);
    agree(&store);
}

#[test]
fn full_disk_is_survived() {
    let mut refused = 0;
    for space in (0..12_000).step_by(97) {
        let disk = MemoryDisk::new(space);
        let mut store = StateStore::open(disk.clone(), INLINE).unwrap();
        disk.set_space(Some(space));
        let mut height = 1;
        while height < 60 {
            match commit(&mut store, height) {
                Ok(()) => height += 1,
                Err(StoreError::NoSpace { .. }) => {
                    refused += 1;
                    agree(&store);
                    disk.set_space(None);
                }
                Err(other) => panic!("{other}"),
            }
        }
        agree(&store);
        store.flush().unwrap();
        disk.crash(CrashKind::LoseUnsynced);
        let store = StateStore::open(disk, INLINE).unwrap();
        assert_eq!(store.height(), 59);
        agree(&store);
    }
    assert!(refused > 50);
}

#[test]
fn failed_calls_poison_and_what_was_durable_comes_back() {
    for operation in [Operation::Sync, Operation::Write, Operation::Read] {
        for nth in 1..60 {
            let disk = MemoryDisk::new(nth);
            let mut store = StateStore::open(disk.clone(), INLINE).unwrap();
            disk.fail(operation, nth);
            let failure = (1..400).find_map(|height| commit(&mut store, height).err());
            let Some(failure) = failure else { panic!("call {nth} of {operation:?} never failed") };
            assert!(matches!(failure, StoreError::Fatal { .. }), "{failure}");
            let next = store.height() + 1;
            assert!(matches!(commit(&mut store, next.max(1000)), Err(StoreError::Poisoned { .. })));
            let durable = store.statistics().durable_height;
            drop(store);
            disk.heal();
            disk.crash(CrashKind::LoseUnsynced);
            let store = StateStore::open(disk, INLINE).unwrap();
            assert!(store.height() >= durable);
            agree(&store);
        }
    }
}

/// A byte flipped or a file cut: refused with the file's name, or the same content; never another content.
#[test]
fn damage_is_found_and_rebuilt() {
    let disk = MemoryDisk::new(6);
    let mut store = StateStore::open(disk.clone(), INLINE).unwrap();
    (1..=37).for_each(|height| commit(&mut store, height).unwrap());
    store.flush().unwrap();
    drop(store);
    let mut found = 0;
    for file in disk.files() {
        let length = disk.content(&file).unwrap().len() as u64;
        for offset in (0..length).step_by(7) {
            for cut in [false, true] {
                let copy = disk.copy(offset);
                if cut {
                    copy.cut(&file, offset);
                } else {
                    assert!(copy.flip(&file, offset, 0x10));
                }
                let outcome = StateStore::open(copy.clone(), INLINE)
                    .and_then(|store| store.snapshot().and_then(|snapshot| contents(&snapshot)));
                match outcome {
                    Ok(seen) => assert_eq!(seen, model(37)),
                    Err(StoreError::Damaged { file: named, cure, .. }) => {
                        assert_eq!((&named, cure), (&file, Cure::RebuildFromLog));
                        found += 1;
                    }
                    Err(other) => panic!("{file} at {offset}: {other}"),
                }
                if offset % 300 == 0 {
                    let mut store = StateStore::reset(copy, INLINE).unwrap();
                    assert_eq!(store.height(), 0);
                    (1..=6).for_each(|height| commit(&mut store, height).unwrap());
                    agree(&store);
                }
            }
        }
    }
    assert!(found > 800, "{found}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// After any crash the store stands at one committed height, not below the durable one, with exactly its content.
    #[test]
    fn crashes_leave_a_committed_height(
        seed in any::<u64>(),
        rounds in proptest::collection::vec((1u64..25, 0usize..4, any::<bool>()), 1..8),
    ) {
        let disk = MemoryDisk::new(seed);
        let mut store = StateStore::open(disk.clone(), INLINE).unwrap();
        for (commits, kind, flush) in rounds {
            let from = store.height();
            (from + 1..=from + commits).for_each(|height| commit(&mut store, height).unwrap());
            if flush {
                store.flush().unwrap();
            }
            let durable = store.statistics().durable_height;
            let kinds = [CrashKind::Process, CrashKind::LoseUnsynced, CrashKind::Torn, CrashKind::Reordered];
            disk.crash(kinds[kind]);
            drop(store);
            store = StateStore::open(disk.clone(), INLINE).unwrap();
            prop_assert!(store.height() >= durable && store.height() <= from + commits);
            agree(&store);
        }
    }
}

/// Runs in a child process that is killed: commits for ever and reports what was made durable.
#[test]
fn child_that_commits_until_killed() {
    let Ok(directory) = std::env::var("BUBI_STORE_TEST_CHILD") else {
        return;
    };
    let options = StateOptions { background: true, flush_bytes: 20_000, flush_commits: 9, ..INLINE };
    let mut store = StateStore::open(RealDisk::new(directory).unwrap(), options).unwrap();
    for height in store.height() + 1.. {
        commit(&mut store, height).unwrap();
        if height % 50 == 0 {
            store.flush().unwrap();
            println!("durable {height}");
        }
    }
}

#[test]
fn kill_minus_nine_leaves_a_committed_height() {
    let directory = std::env::temp_dir().join(format!("bubi-store-kill-{}", std::process::id()));
    let mut reached = 0;
    for round in 0u32..12 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["child_that_commits_until_killed", "--exact", "--nocapture"])
            .env("BUBI_STORE_TEST_CHILD", &directory)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut durable = reached;
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        for line in lines.filter(|line| line.starts_with("durable ")).take(3 + round as usize) {
            durable = line.trim_start_matches("durable ").parse().unwrap();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let store = StateStore::open(RealDisk::new(&directory).unwrap(), INLINE).unwrap();
        assert!(store.height() >= durable && durable > reached, "{} {durable}", store.height());
        agree(&store);
        reached = store.height();
    }
    std::fs::remove_dir_all(&directory).unwrap();
}
