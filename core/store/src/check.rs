//! Reads everything in a data folder and says what is damaged and what is to be done; changes nothing.

use crate::disk::Disk;
use crate::error::{Cure, DamageKind, Result, StoreError};
use crate::guard::{read_slots, Slot, GUARD_FILE};
use crate::log::segment::{self, HEADER};
use crate::log::{check_heights, segment_numbers};
use crate::state::{orphans, verify_run, Manifest};
use crate::transactions;
use crate::witness::witnesses;

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// File concerned, relative to the data folder.
    pub file: String,
    /// First byte concerned.
    pub offset: u64,
    /// What is wrong.
    pub kind: DamageKind,
    /// What repairs it.
    pub action: Cure,
}

/// Reads every file of a data folder that belongs to `chain_id`. Lock the folder first.
///
/// # Errors
/// [`StoreError::WrongChain`], [`StoreError::Version`] and disk errors; damage is a finding, not an error.
pub fn check<D: Disk>(disk: &D, chain_id: &[u8; 32]) -> Result<Vec<Damage>> {
    let mut findings = Vec::new();
    let heights = check_log(disk, chain_id, &mut findings)?;
    check_witnesses(disk, heights.map_or(0, |(_, last)| last), &mut findings)?;
    let stored = check_state(disk, &mut findings)?;
    check_transactions(disk, heights, stored, &mut findings)?;
    check_guard(disk, heights.is_some(), &mut findings)?;
    Ok(findings)
}

/// The other files follow the log, so one that is ahead of it proves that acknowledged blocks are missing.
fn check_witnesses<D: Disk>(disk: &D, log_height: u64, findings: &mut Vec<Damage>) -> Result<()> {
    let ahead = witnesses(disk)?.into_iter().filter(|witness| witness.height > log_height);
    let ahead: Vec<Damage> = ahead
        .map(|witness| Damage { file: witness.file, offset: 0, kind: DamageKind::AheadOfLog, action: Cure::FromPeers })
        .collect();
    if !ahead.is_empty() {
        for torn in findings.iter_mut().filter(|damage| damage.kind == DamageKind::TornTail) {
            // It held what the others have seen.
            (torn.kind, torn.action) = (DamageKind::Content, Cure::FromPeers);
        }
    }
    findings.extend(ahead);
    Ok(())
}

fn check_transactions<D: Disk>(
    disk: &D,
    heights: Option<(u64, u64)>,
    stored: u64,
    findings: &mut Vec<Damage>,
) -> Result<()> {
    let (first, last) = heights.unwrap_or((1, 0));
    for problem in transactions::verify(disk, first)? {
        note(Err::<(), _>(problem), findings)?;
    }
    // An orderly stop writes state and index up to the log's end; after a crash both lie behind and nothing can be said.
    if stored == last && transactions::covered(disk, first)? < last {
        findings.push(Damage {
            file: transactions::DIRECTORY.to_owned(),
            offset: 0,
            kind: DamageKind::Missing,
            action: Cure::OnOpen,
        });
    }
    Ok(())
}

/// Turns damage into a finding; other errors end the check.
fn note<T>(outcome: Result<T>, findings: &mut Vec<Damage>) -> Result<Option<T>> {
    match outcome {
        Ok(value) => Ok(Some(value)),
        Err(StoreError::Damaged { file, offset, kind, cure }) => {
            findings.push(Damage { file, offset, kind, action: cure });
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Reads the log in full; gives the heights of its first and last readable blocks.
fn check_log<D: Disk>(disk: &D, chain_id: &[u8; 32], findings: &mut Vec<Damage>) -> Result<Option<(u64, u64)>> {
    let Some(numbers) = note(segment_numbers(disk), findings)? else {
        return Ok(None);
    };
    let mut segments = Vec::new();
    for (place, &number) in numbers.iter().enumerate() {
        let newest = place + 1 == numbers.len();
        let bytes = segment::read_all(disk, number)?;
        let outcome = segment::scan(&bytes, chain_id, number, |_, _| ());
        if newest && bytes.len() <= HEADER && matches!(outcome, Err(StoreError::Damaged { .. })) {
            let file = segment::path(number);
            findings.push(Damage { file, offset: 0, kind: DamageKind::TornTail, action: Cure::OnOpen });
            continue;
        }
        let Some(scan) = note(outcome, findings)? else {
            continue;
        };
        if let Some((offset, durable_follows)) = scan.bad {
            let (kind, action) = if newest && !durable_follows {
                (DamageKind::TornTail, Cure::OnOpen)
            } else {
                (DamageKind::Content, Cure::FromPeers)
            };
            findings.push(Damage { file: segment::path(number), offset, kind, action });
        } else if !newest {
            let indexed = note(segment::read_index(disk, chain_id, number), findings)?;
            if indexed.is_some_and(|indexed| indexed.as_ref() != Some(&scan.segment)) {
                let file = segment::index_path(number);
                findings.push(Damage { file, offset: 0, kind: DamageKind::Index, action: Cure::OnOpen });
            }
        }
        segments.push(scan.segment);
    }
    if findings.is_empty() {
        note(check_heights(&segments), findings)?;
    }
    let first = segments.iter().find(|segment| !segment.blocks.is_empty()).map(|segment| segment.first_block);
    let last = segments.iter().rev().find_map(segment::Segment::last_block);
    Ok(first.zip(last))
}

/// Checks the state store; gives its height.
fn check_state<D: Disk>(disk: &D, findings: &mut Vec<Damage>) -> Result<u64> {
    let Some(manifest) = note(Manifest::read(disk), findings)? else {
        return Ok(0);
    };
    let manifest = manifest.unwrap_or_default();
    for id in &manifest.runs {
        note(verify_run(disk, *id), findings)?;
    }
    for file in orphans(disk, &manifest)? {
        findings.push(Damage { file, offset: 0, kind: DamageKind::Orphan, action: Cure::OnOpen });
    }
    Ok(manifest.height)
}

fn check_guard<D: Disk>(disk: &D, has_blocks: bool, findings: &mut Vec<Damage>) -> Result<()> {
    let Some(slots) = read_slots(disk)? else {
        if has_blocks {
            findings.push(Damage {
                file: GUARD_FILE.to_owned(),
                offset: 0,
                kind: DamageKind::Missing,
                action: Cure::CompareCopies,
            });
        }
        return Ok(());
    };
    for (number, slot) in slots.slots.iter().enumerate() {
        if matches!(slot, Slot::Damaged) {
            let offset = crate::bytes::length64(number).saturating_mul(4096);
            let file = GUARD_FILE.to_owned();
            findings.push(Damage { file, offset, kind: DamageKind::Content, action: Cure::CompareCopies });
        }
    }
    Ok(())
}
