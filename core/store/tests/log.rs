//! The block log on a disk that crashes, fails and lies.

// A test that panics is a test that fails; numbers here are small; file names are our own.
#![allow(clippy::unwrap_used, clippy::panic, clippy::cast_possible_truncation)]
#![allow(clippy::case_sensitive_file_extension_comparisons)]

use bubi_store::{
    BlockLog, CrashKind, Cure, DamageKind, Disk, LogOptions, MemoryDisk, Operation, RealDisk, Record, RecordKind,
    StoreError,
};
use proptest::prelude::*;

const CHAIN: [u8; 32] = [7; 32];
const SMALL: LogOptions = LogOptions { segment_limit: 300, salt: Some(11) };

fn payload(height: u64, length: usize) -> Vec<u8> {
    (0..length).map(|step| u8::try_from((height as usize * 31 + step) % 251).unwrap()).collect()
}

/// Appends and syncs blocks `from..=to`, each with a batch before it.
fn fill<D: Disk>(log: &mut BlockLog<D>, from: u64, to: u64) {
    for height in from..=to {
        log.append(RecordKind::BatchBody, height, &[&payload(height, 40)]).unwrap();
        log.append(RecordKind::Block, height, &[b"block ", &payload(height, 20)]).unwrap();
        log.sync().unwrap();
    }
}

fn all<D: Disk>(log: &BlockLog<D>) -> Vec<Record> {
    log.reader().all().map(Result::unwrap).collect()
}

#[test]
fn reads_back_across_segments_and_counts_syncs() {
    let disk = MemoryDisk::new(1);
    let mut log = BlockLog::open(disk.clone(), CHAIN, SMALL).unwrap();
    let before = log.fsyncs();
    let position = log.append(RecordKind::Proposal, 1, &[b"pro", b"posal"]).unwrap();
    assert!(log.reader().read(position).is_err(), "not readable before it is durable");
    log.append(RecordKind::Block, 1, &[b"one"]).unwrap();
    log.sync().unwrap();
    log.sync().unwrap();
    assert_eq!(log.fsyncs() - before, 3, "two to begin a segment, one for the group, none for nothing");
    assert_eq!(log.reader().read(position).unwrap().payload, b"proposal");
    fill(&mut log, 2, 30);
    assert!(disk.files().iter().filter(|name| name.ends_with(".idx")).count() > 5);
    for _ in 0..2 {
        let reader = log.reader();
        assert_eq!((reader.first_height(), reader.last_height()), (Some(1), Some(30)));
        let heights: Vec<u64> = reader.blocks(5).map(|record| record.unwrap().height).collect();
        assert_eq!(heights, (5..=30).collect::<Vec<u64>>());
        assert_eq!(reader.block(17).unwrap().payload, [b"block ".to_vec(), payload(17, 20)].concat());
        assert!(matches!(reader.block(31), Err(StoreError::NotFound { .. })));
        assert_eq!(all(&log).len(), 60);
        assert_eq!(log.unfinished().count(), 0);
        assert_eq!(reader.newest_of(RecordKind::Proposal).unwrap().unwrap().payload, b"proposal");
        assert!(reader.newest_of(RecordKind::Prepared).unwrap().is_none());
        drop(log);
        log = BlockLog::open(disk.clone(), CHAIN, SMALL).unwrap();
    }
    assert!(matches!(log.append(RecordKind::Block, 33, &[b"gap"]), Err(StoreError::Argument(_))));
    log.append(RecordKind::GuardRecord, 31, &[b"guard"]).unwrap();
    log.sync().unwrap();
    assert_eq!(log.unfinished().map(|record| record.unwrap().payload).collect::<Vec<_>>(), [b"guard"]);
}

#[test]
fn refuses_another_chain_and_a_missing_segment() {
    let disk = MemoryDisk::new(1);
    fill(&mut BlockLog::open(disk.clone(), CHAIN, SMALL).unwrap(), 1, 20);
    assert!(matches!(BlockLog::open(disk.clone(), [8; 32], SMALL), Err(StoreError::WrongChain { .. })));
    let logs: Vec<String> = disk.files().into_iter().filter(|name| name.ends_with(".log")).collect();
    for (number, file) in logs.iter().enumerate() {
        let copy = disk.copy(1);
        copy.remove(file).unwrap();
        let outcome = BlockLog::open(copy, CHAIN, SMALL);
        if number + 1 < logs.len() {
            let Err(StoreError::Damaged { file: named, kind, .. }) = outcome else {
                panic!("{file} was missed by nobody")
            };
            assert_eq!((&named, kind), (file, DamageKind::Missing));
        }
    }
}

#[test]
fn full_disk_undoes_the_group_and_a_later_try_succeeds() {
    for space in 0..900 {
        let disk = MemoryDisk::new(space);
        let mut log = BlockLog::open(disk.clone(), CHAIN, SMALL).unwrap();
        disk.set_space(Some(space));
        let mut height = 1;
        let failure = loop {
            let outcome = log
                .append(RecordKind::BatchBody, height, &[&payload(height, 30)])
                .and_then(|_| log.append(RecordKind::Block, height, &[b"x"]))
                .and_then(|_| log.sync());
            match outcome {
                Ok(()) => height += 1,
                Err(error) => break error,
            }
        };
        assert!(matches!(failure, StoreError::NoSpace { .. }), "{failure}");
        assert_eq!(log.reader().last_height().unwrap_or(0), height - 1);
        assert_eq!(all(&log).len() as u64, 2 * (height - 1), "reads go on");
        disk.set_space(None);
        // What was appended waited in memory; a segment that could not be begun took nothing.
        log.sync().unwrap();
        height = log.last_height().unwrap_or(0) + 1;
        fill(&mut log, height, height + 3);
        disk.crash(CrashKind::LoseUnsynced);
        let log = BlockLog::open(disk, CHAIN, SMALL).unwrap();
        assert_eq!(all(&log).len() as u64, 2 * (height + 3));
    }
}

#[test]
fn failed_sync_or_write_poisons() {
    for operation in [Operation::Sync, Operation::Write] {
        for nth in 1..30 {
            let disk = MemoryDisk::new(nth);
            let mut log = BlockLog::open(disk.clone(), CHAIN, SMALL).unwrap();
            disk.fail(operation, nth);
            let mut acknowledged = 0;
            let failure = loop {
                let height = acknowledged + 1;
                let step = log.append(RecordKind::Block, height, &[&payload(height, 50)]).and_then(|_| log.sync());
                match step {
                    Ok(()) => acknowledged += 1,
                    Err(error) => break error,
                }
            };
            assert!(matches!(failure, StoreError::Fatal { .. }), "{failure}");
            assert!(matches!(
                log.append(RecordKind::Block, acknowledged + 1, &[b"x"]),
                Err(StoreError::Poisoned { .. })
            ));
            assert!(matches!(log.sync(), Err(StoreError::Poisoned { .. })));
            assert_eq!(log.reader().blocks(1).flatten().count() as u64, acknowledged);
            disk.crash(CrashKind::LoseUnsynced);
            let log = BlockLog::open(disk.clone(), CHAIN, SMALL).unwrap();
            assert!(log.reader().last_height().unwrap_or(0) >= acknowledged);
            assert_eq!(disk.counts().errors, 1);
        }
    }
}

#[test]
fn io_error_at_every_call_of_opening_is_typed() {
    let disk = MemoryDisk::new(5);
    fill(&mut BlockLog::open(disk.clone(), CHAIN, SMALL).unwrap(), 1, 12);
    let mut failed = 0;
    for operation in [Operation::Read, Operation::Sync, Operation::Write] {
        for nth in 1..60 {
            let copy = disk.copy(nth);
            copy.fail(operation, nth);
            match BlockLog::open(copy.clone(), CHAIN, SMALL) {
                Ok(log) => assert_eq!(log.reader().last_height(), Some(12)),
                Err(StoreError::Fatal { .. }) => failed += 1,
                Err(other) => panic!("{other}"),
            }
            copy.heal();
            assert_eq!(BlockLog::open(copy, CHAIN, SMALL).unwrap().reader().last_height(), Some(12));
        }
    }
    assert!(failed > 5);
}

/// Every byte flipped: repaired, or a typed error that names the file, or visible as a shorter log; never other content.
#[test]
fn flipped_byte_never_gives_wrong_data() {
    let disk = MemoryDisk::new(3);
    let mut log = BlockLog::open(disk.clone(), CHAIN, SMALL).unwrap();
    fill(&mut log, 1, 9);
    let expected = all(&log);
    drop(log);
    let (mut refused, mut repaired, mut shortened) = (0, 0, 0);
    let newest_log = disk.files().into_iter().rfind(|name| name.ends_with(".log")).unwrap();
    for file in disk.files() {
        for offset in 0..disk.content(&file).unwrap().len() as u64 {
            let copy = disk.copy(offset);
            copy.flip(&file, offset, 1 << (offset % 8));
            let log = match BlockLog::open(copy.clone(), CHAIN, SMALL) {
                Ok(log) => log,
                Err(StoreError::Damaged { file: named, cure, .. }) => {
                    assert_eq!((&named, cure), (&file, Cure::FromPeers));
                    refused += 1;
                    continue;
                }
                Err(other) => panic!("{file} at {offset}: {other}"),
            };
            let read: Vec<_> = log.reader().all().collect();
            if read.last().is_some_and(Result::is_err) {
                // A closed segment is not read at opening; its records are checked when they are read.
                let Some(Err(StoreError::Damaged { file: named, .. })) = read.last() else { panic!("{file}") };
                assert_eq!(named, &file);
                refused += 1;
                continue;
            }
            let read: Vec<Record> = read.into_iter().map(Result::unwrap).collect();
            assert!(expected.starts_with(&read), "{file} at {offset} gave other content");
            if read.len() < expected.len() {
                // Only the newest group can pass for a torn write.
                assert_eq!(file, newest_log);
                assert!(log.recovery().cut_bytes > 0 && read.len() + 2 >= expected.len());
                shortened += 1;
            } else {
                assert!(log.recovery().indexes_rebuilt > 0, "{file} at {offset} went unnoticed");
                repaired += 1;
            }
        }
    }
    assert!(refused > 500 && repaired > 100 && shortened > 50, "{refused} {repaired} {shortened}");
}

#[test]
fn truncation_at_every_byte_is_cut_or_refused() {
    let disk = MemoryDisk::new(3);
    let mut log = BlockLog::open(disk.clone(), CHAIN, SMALL).unwrap();
    fill(&mut log, 1, 9);
    let expected = all(&log);
    drop(log);
    for file in disk.files() {
        for length in 0..disk.content(&file).unwrap().len() as u64 {
            let copy = disk.copy(length);
            copy.cut(&file, length);
            match BlockLog::open(copy, CHAIN, SMALL) {
                Ok(log) => {
                    let read = all(&log);
                    assert!(expected.starts_with(&read));
                }
                Err(StoreError::Damaged { file: named, .. }) => assert_eq!(named, file),
                Err(other) => panic!("{file} at {length}: {other}"),
            }
        }
    }
}

/// Bytes inside a payload that look like the log's own records must not stop a node from cutting a torn tail.
#[test]
fn embedded_records_do_not_pass_for_durable_ones() {
    let disk = MemoryDisk::new(9);
    let mut log = BlockLog::open(disk.clone(), CHAIN, LogOptions::default()).unwrap();
    fill(&mut log, 1, 3);
    let name = "log/00000000000000000001.log";
    let image = disk.content(name).unwrap();
    log.append(RecordKind::BatchBody, 4, &[&image, &image]).unwrap();
    log.append(RecordKind::Block, 4, &[b"torn"]).unwrap();
    let before = image.len() as u64;
    log.sync().unwrap();
    drop(log);
    disk.flip(name, before + 20, 1);
    let log = BlockLog::open(disk, CHAIN, LogOptions::default()).unwrap();
    assert_eq!(log.reader().last_height(), Some(3));
    assert!(log.recovery().cut_bytes > before);
}

#[derive(Clone, Debug)]
enum Step {
    Append(usize),
    Block,
    Sync,
    Crash(CrashKind),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0usize..200).prop_map(Step::Append),
        4 => Just(Step::Block),
        4 => Just(Step::Sync),
        1 => prop_oneof![
            Just(CrashKind::Process), Just(CrashKind::LoseUnsynced), Just(CrashKind::Torn), Just(CrashKind::Reordered)
        ].prop_map(Step::Crash),
    ];
    proptest::collection::vec(step, 1..120)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever happens: all that was synced is there, what is there was appended in that order, opening twice equals once.
    #[test]
    fn synced_records_survive_crashes(seed in any::<u64>(), steps in steps()) {
        let disk = MemoryDisk::new(seed);
        let mut log = BlockLog::open(disk.clone(), CHAIN, SMALL).unwrap();
        let mut appended: Vec<(RecordKind, u64, Vec<u8>)> = Vec::new();
        let mut synced = 0;
        let mut height = 0;
        let contents = |log: &BlockLog<MemoryDisk>| -> Vec<(RecordKind, u64, Vec<u8>)> {
            all(log).into_iter().map(|record| (record.kind, record.height, record.payload)).collect()
        };
        for step in steps {
            match step {
                Step::Append(length) => {
                    log.append(RecordKind::Proposal, height + 1, &[&payload(height, length)]).unwrap();
                    appended.push((RecordKind::Proposal, height + 1, payload(height, length)));
                }
                Step::Block => {
                    height += 1;
                    log.append(RecordKind::Block, height, &[&payload(height, 9)]).unwrap();
                    appended.push((RecordKind::Block, height, payload(height, 9)));
                }
                Step::Sync => {
                    log.sync().unwrap();
                    synced = appended.len();
                }
                Step::Crash(kind) => {
                    disk.crash(kind);
                    drop(log);
                    let first = BlockLog::open(disk.clone(), CHAIN, SMALL).unwrap();
                    let survived = contents(&first);
                    prop_assert!(survived.len() >= synced && appended.starts_with(&survived));
                    drop(first);
                    log = BlockLog::open(disk.clone(), CHAIN, SMALL).unwrap();
                    prop_assert_eq!(log.recovery().cut_bytes, 0);
                    prop_assert_eq!(&contents(&log), &survived);
                    appended = survived;
                    synced = appended.len();
                    height = log.last_height().unwrap_or(0);
                }
            }
        }
    }
}

#[test]
fn real_disk_and_its_lock() {
    let directory = std::env::temp_dir().join(format!("bubi-store-log-{}", std::process::id()));
    let disk = RealDisk::new(&directory).unwrap();
    let lock = disk.lock().unwrap();
    assert!(matches!(RealDisk::new(&directory).unwrap().lock(), Err(StoreError::Locked { .. })));
    assert!(disk.free_space().unwrap() > 0);
    fill(&mut BlockLog::open(disk.clone(), CHAIN, SMALL).unwrap(), 1, 20);
    let log = BlockLog::open(disk.clone(), CHAIN, SMALL).unwrap();
    assert_eq!((log.reader().last_height(), all(&log).len()), (Some(20), 40));
    drop(bubi_store::GuardFile::open(&disk).unwrap());
    assert_eq!(bubi_store::check(&disk, &CHAIN).unwrap(), []);
    drop(lock);
    drop(disk.lock().unwrap());
    std::fs::remove_dir_all(&directory).unwrap();
}
