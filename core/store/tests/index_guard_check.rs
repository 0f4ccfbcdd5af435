//! Transaction index, guard file and the check of a whole data folder.

// A test that panics is a test that fails; numbers here are small; file names are our own.
#![allow(clippy::unwrap_used, clippy::panic, clippy::cast_possible_truncation)]
#![allow(clippy::case_sensitive_file_extension_comparisons)]

use bubi_store::{
    check, newest_witness, BlockLog, Candidate, CrashKind, Cure, Damage, DamageKind, Disk, GuardFile, IndexOptions,
    LogOptions, Mark, MemoryDisk, Operation, RealDisk, RecordKind, StateOptions, StateStore, StoreError,
    TransactionIndex, GUARD_FILE, GUARD_LIMIT,
};

const CHAIN: [u8; 32] = [7; 32];
const SMALL: IndexOptions = IndexOptions { memory_entries: 50, background: false };

fn hash(height: u64, index: u32) -> [u8; 32] {
    let mut hash = [0; 32];
    let mut random = height.wrapping_mul(1_000_003).wrapping_add(u64::from(index)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    for byte in &mut hash {
        random ^= random << 13 | 1;
        random ^= random >> 7;
        *byte = (random >> 32) as u8;
    }
    // Some prefixes collide: 8 bytes equal, the rest not.
    if index == 3 {
        hash[..8].copy_from_slice(&[9; 8]);
    }
    hash
}

fn hashes(height: u64) -> Vec<[u8; 32]> {
    (0..=(height % 13) as u32).map(|index| hash(height, index)).collect()
}

fn fill<D: Disk>(index: &TransactionIndex<D>, to: u64) {
    for height in index.last_height() + 1..=to {
        index.insert(height, &hashes(height)).unwrap();
    }
}

fn complete<D: Disk>(index: &TransactionIndex<D>, to: u64) -> Result<(), StoreError> {
    for height in 1..=to {
        for (number, hash) in hashes(height).iter().enumerate() {
            let place = Candidate { height, index: number as u32 };
            let found = index.candidates(hash)?;
            assert!(found.contains(&place), "{place:?}");
            assert!(found.len() == 1 || number == 3);
        }
    }
    assert!(index.candidates(&[0xEE; 32])?.is_empty());
    Ok(())
}

#[test]
fn index_finds_everything_through_merges_and_crashes() {
    for background in [false, true] {
        let disk = MemoryDisk::new(1);
        let options = IndexOptions { background, ..SMALL };
        let mut index = TransactionIndex::open(disk.clone(), 1, options).unwrap();
        for (round, kind) in
            [CrashKind::LoseUnsynced, CrashKind::Torn, CrashKind::Reordered, CrashKind::Process].iter().enumerate()
        {
            let to = 200 * (round as u64 + 1);
            fill(&index, to);
            complete(&index, to).unwrap();
            if round % 2 == 0 {
                index.flush().unwrap();
            }
            drop(index);
            disk.crash(*kind);
            index = TransactionIndex::open(disk.clone(), 1, options).unwrap();
            assert!(index.last_height() > to - 100, "only the memory is replayed");
            fill(&index, to);
            complete(&index, to).unwrap();
        }
        assert!(matches!(index.insert(1, &[]), Err(StoreError::Argument(_))));
        index.flush().unwrap();
        assert!(disk.files().len() < 20, "{:?}", disk.files());
    }
}

#[test]
fn index_damage_is_found_and_rebuilt() {
    let disk = MemoryDisk::new(1);
    let index = TransactionIndex::open(disk.clone(), 1, SMALL).unwrap();
    fill(&index, 150);
    index.flush().unwrap();
    drop(index);
    let mut found = 0;
    for file in disk.files() {
        let length = disk.content(&file).unwrap().len() as u64;
        for offset in (0..length).step_by(211) {
            for cut in [false, true] {
                let copy = disk.copy(offset);
                if cut {
                    copy.cut(&file, offset);
                } else {
                    assert!(copy.flip(&file, offset, 4));
                }
                let index = TransactionIndex::open(copy.clone(), 1, SMALL).unwrap();
                found += u32::from(index.last_height() < 150);
                fill(&index, 150);
                match complete(&index, 150) {
                    Ok(()) => {}
                    Err(StoreError::Damaged { file: named, cure, .. }) => {
                        assert_eq!((&named, cure), (&file, Cure::RebuildFromLog));
                        assert!(check(&copy, &CHAIN).unwrap().iter().any(|damage| damage.file == file));
                        found += 1;
                    }
                    Err(other) => panic!("{other}"),
                }
            }
        }
    }
    assert!(found > 40, "{found}");
}

#[test]
fn index_survives_a_full_disk_and_reports_a_broken_one() {
    let disk = MemoryDisk::new(1);
    let index = TransactionIndex::open(disk.clone(), 1, SMALL).unwrap();
    disk.set_space(Some(9_000));
    let refused = (1..2000).find_map(|height| index.insert(height, &hashes(height)).err());
    assert!(matches!(refused, Some(StoreError::NoSpace { .. })), "{refused:?}");
    let reached = index.last_height();
    complete(&index, reached).unwrap();
    disk.set_space(None);
    fill(&index, reached + 100);
    complete(&index, reached + 100).unwrap();
    disk.fail(Operation::Sync, 1);
    assert!(matches!(index.flush(), Ok(()) | Err(StoreError::Fatal { .. })));
}

#[test]
fn guard_keeps_the_newest_acknowledged_record() {
    for kind in [CrashKind::Process, CrashKind::LoseUnsynced, CrashKind::Torn, CrashKind::Reordered] {
        for seed in 0..60 {
            let disk = MemoryDisk::new(seed);
            let mut guard = GuardFile::open(&disk).unwrap();
            assert_eq!(guard.read(), None);
            for number in 0..seed % 7 {
                guard.write(format!("record {number}").as_bytes()).unwrap();
            }
            let acknowledged = guard.read().map(<[u8]>::to_vec);
            disk.fail(Operation::Sync, 1);
            assert!(matches!(guard.write(b"interrupted"), Err(StoreError::Fatal { .. })));
            assert!(matches!(guard.write(b"later"), Err(StoreError::Poisoned { .. })));
            disk.crash(kind);
            let guard = GuardFile::open(&disk).unwrap();
            let found = guard.read().map(<[u8]>::to_vec);
            assert!(found == acknowledged || found.as_deref() == Some(b"interrupted"), "{found:?}");
            assert!(guard.verify().unwrap());
        }
    }
    let disk = MemoryDisk::new(1);
    let mut guard = GuardFile::open(&disk).unwrap();
    assert!(matches!(guard.write(&vec![0; GUARD_LIMIT + 1]), Err(StoreError::Argument(_))));
}

#[test]
fn guard_damage_falls_back_and_says_so() {
    let disk = MemoryDisk::new(1);
    let mut guard = GuardFile::open(&disk).unwrap();
    guard.write(b"older").unwrap();
    guard.write(b"newer").unwrap();
    drop(guard);
    for offset in 0..8192 {
        let copy = disk.copy(1);
        copy.flip(GUARD_FILE, offset, 1);
        let guard = GuardFile::open(&copy).unwrap();
        assert!(guard.one_slot_lost());
        assert_eq!(guard.read(), Some(if offset < 4096 { &b"older"[..] } else { b"newer" }));
        assert_eq!(check(&copy, &CHAIN).unwrap().len(), 1);
    }
    disk.flip(GUARD_FILE, 20, 1);
    disk.flip(GUARD_FILE, 4120, 1);
    let Err(StoreError::Damaged { file, .. }) = GuardFile::open(&disk) else { panic!("both slots are lost") };
    assert_eq!(file, GUARD_FILE);
}

/// Every kind of file in one folder.
fn fill_folder<D: Disk>(disk: &D) {
    let options = LogOptions { segment_limit: 300, salt: Some(3) };
    let mut log = BlockLog::open(disk.clone(), CHAIN, options).unwrap();
    let index = TransactionIndex::open(disk.clone(), 1, SMALL).unwrap();
    let state_options = StateOptions { background: false, ..StateOptions::default() };
    let mut state = StateStore::open(disk.clone(), state_options).unwrap();
    for height in 1..=12 {
        log.append(RecordKind::Block, height, &[&[height as u8; 60]]).unwrap();
        log.sync().unwrap();
        index.insert(height, &hashes(height)).unwrap();
        let mut batch = bubi_store::Batch::new();
        batch.put(bubi_store::Keyspace::Cells, &[height as u8], b"value").unwrap();
        state.commit(height, b"", batch).unwrap();
    }
    state.flush().unwrap();
    index.flush().unwrap();
    let mut guard = GuardFile::open(disk).unwrap();
    guard.write(b"one").unwrap();
    guard.write(b"two").unwrap();
}

fn folder() -> MemoryDisk {
    let disk = MemoryDisk::new(1);
    fill_folder(&disk);
    disk
}

#[test]
fn a_real_folder_is_sound_and_opens_again() {
    let directory = std::env::temp_dir().join(format!("bubi-store-folder-{}", std::process::id()));
    let disk = RealDisk::new(&directory).unwrap();
    fill_folder(&disk);
    assert_eq!(check(&disk, &CHAIN).unwrap(), []);
    assert_eq!(GuardFile::open(&disk).unwrap().read(), Some(&b"two"[..]));
    let index = TransactionIndex::open(disk.clone(), 1, SMALL).unwrap();
    assert_eq!(index.last_height(), 12);
    complete(&index, 12).unwrap();
    std::fs::remove_dir_all(&directory).unwrap();
}

#[test]
fn check_names_every_damage_and_its_cure() {
    let disk = folder();
    assert_eq!(check(&disk, &CHAIN).unwrap(), []);
    assert!(matches!(check(&disk, &[1; 32]), Err(StoreError::WrongChain { .. })));
    for file in disk.files() {
        let length = disk.content(&file).unwrap().len() as u64;
        for offset in (0..length).step_by(7) {
            let copy = disk.copy(offset);
            copy.flip(&file, offset, 0x20);
            let findings = check(&copy, &CHAIN).unwrap();
            let named: Vec<&Damage> = findings.iter().filter(|damage| damage.file == file).collect();
            assert!(!named.is_empty(), "{file} at {offset}: {findings:?}");
            let expected: &[Cure] = match file.split_once('/').map_or(file.as_str(), |(folder, _)| folder) {
                "log" if file.ends_with(".idx") => &[Cure::OnOpen],
                "log" => &[Cure::FromPeers, Cure::OnOpen],
                "state" | "txindex" => &[Cure::RebuildFromLog],
                _ => &[Cure::CompareCopies],
            };
            assert!(named.iter().all(|damage| expected.contains(&damage.action)), "{file} at {offset}: {named:?}");
        }
    }
}

#[test]
fn check_notices_missing_files_and_a_log_behind_the_state() {
    let disk = folder();
    for file in disk.files() {
        let copy = disk.copy(1);
        copy.remove(&file).unwrap();
        let findings = check(&copy, &CHAIN).unwrap();
        // Without a manifest the state store is empty and rebuilt; its runs are orphans.
        assert!(!findings.is_empty(), "{file}");
    }
    let logs: Vec<String> = disk.files().into_iter().filter(|name| name.ends_with(".log")).collect();
    let newest = logs.last().unwrap();
    disk.cut(newest, 70);
    assert!(check(&disk, &CHAIN).unwrap().iter().any(|damage| damage.kind == DamageKind::AheadOfLog));
}

/// Opens the log as a node does.
fn open_witnessed(disk: &MemoryDisk) -> Result<BlockLog<MemoryDisk>, StoreError> {
    let witness = newest_witness(disk)?;
    BlockLog::open_witnessed(disk.clone(), CHAIN, LogOptions::default(), witness.as_ref())
}

#[test]
fn a_log_that_lost_what_others_have_seen_is_refused_and_left_alone() {
    let disk = folder();
    let mark = Mark { height: 12, digest: [9; 32] };
    GuardFile::open(&disk).unwrap().write_marked(mark, None).unwrap();
    let guard = GuardFile::open(&disk).unwrap();
    assert_eq!((guard.mark(), guard.read()), (mark, Some(&b"two"[..])));
    assert_eq!(open_witnessed(&disk).unwrap().last_height(), Some(12));
    let logs: Vec<String> = disk.files().into_iter().filter(|name| name.ends_with(".log")).collect();
    let newest = logs.last().unwrap();
    let length = disk.content(newest).unwrap().len() as u64;
    // Without the folders of the state and of the index the guard's mark alone has to notice.
    for file in disk.files() {
        if file.starts_with("state/") || file.starts_with("txindex/") {
            disk.remove(&file).unwrap();
        }
    }
    for offset in 0..length {
        for cut in [false, true] {
            let copy = disk.copy(offset);
            if cut {
                copy.cut(newest, offset);
            } else {
                copy.flip(newest, offset, 0x10);
            }
            let before = copy.content(newest);
            let Err(error) = open_witnessed(&copy) else {
                panic!("byte {offset}, cut {cut}: the damage was not noticed");
            };
            assert!(
                matches!(
                    error,
                    StoreError::LogBehind { known: 12, .. }
                        | StoreError::Damaged { .. }
                        | StoreError::WrongChain { .. }
                        | StoreError::Version { .. }
                ),
                "{error}"
            );
            assert!(error.to_string().contains(newest.as_str()), "{error}");
            assert_eq!(copy.content(newest), before, "nothing is cut");
        }
    }
    for file in logs.iter().rev() {
        disk.remove(file).unwrap();
        assert!(open_witnessed(&disk).is_err(), "without {file}");
    }
}
