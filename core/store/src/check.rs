//! Reads everything in a data folder and says what is damaged and what is to be done; changes nothing.

use crate::disk::Disk;
use crate::error::{Cure, DamageKind, Result, StoreError};
use crate::guard::{read_slots, Slot, GUARD_FILE};
use crate::log::segment::{self, HEADER};
use crate::log::{check_heights, segment_numbers};
use crate::state::{orphans, verify_run, Manifest};
use crate::transactions;

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
    check_state(disk, heights.map(|(_, last)| last), &mut findings)?;
    let first = heights.map_or(1, |(first, _)| first);
    for problem in transactions::verify(disk, first)? {
        note(Err::<(), _>(problem), &mut findings)?;
    }
    check_guard(disk, &mut findings)?;
    Ok(findings)
}

/// Turns damage into a finding; other errors end the check.
fn note<T>(outcome: Result<T>, findings: &mut Vec<Damage>) -> Result<Option<T>> {
    match outcome {
        Ok(value) => Ok(Some(value)),
        Err(StoreError::Damaged {
            file,
            offset,
            kind,
            cure,
        }) => {
            findings.push(Damage {
                file,
                offset,
                kind,
                action: cure,
            });
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Reads the log in full; gives the heights of its first and last readable blocks.
fn check_log<D: Disk>(
    disk: &D,
    chain_id: &[u8; 32],
    findings: &mut Vec<Damage>,
) -> Result<Option<(u64, u64)>> {
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
            findings.push(Damage {
                file,
                offset: 0,
                kind: DamageKind::TornTail,
                action: Cure::OnOpen,
            });
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
            findings.push(Damage {
                file: segment::path(number),
                offset,
                kind,
                action,
            });
        } else if !newest {
            let indexed = note(segment::read_index(disk, chain_id, number), findings)?;
            if indexed.is_some_and(|indexed| indexed.as_ref() != Some(&scan.segment)) {
                let file = segment::index_path(number);
                findings.push(Damage {
                    file,
                    offset: 0,
                    kind: DamageKind::Index,
                    action: Cure::OnOpen,
                });
            }
        }
        segments.push(scan.segment);
    }
    if findings.is_empty() {
        note(check_heights(&segments), findings)?;
    }
    let first = segments
        .iter()
        .find(|segment| !segment.blocks.is_empty())
        .map(|segment| segment.first_block);
    let last = segments.iter().rev().find_map(segment::Segment::last_block);
    Ok(first.zip(last))
}

fn check_state<D: Disk>(
    disk: &D,
    log_height: Option<u64>,
    findings: &mut Vec<Damage>,
) -> Result<()> {
    let Some(manifest) = note(Manifest::read(disk), findings)? else {
        return Ok(());
    };
    let manifest = manifest.unwrap_or_default();
    if manifest.height > log_height.unwrap_or(0) {
        let file = crate::state::MANIFEST.to_owned();
        // The store follows the log, so a log behind it has lost acknowledged blocks.
        findings.push(Damage {
            file,
            offset: 0,
            kind: DamageKind::AheadOfLog,
            action: Cure::FromPeers,
        });
    }
    for id in &manifest.runs {
        note(verify_run(disk, *id), findings)?;
    }
    for file in orphans(disk, &manifest)? {
        findings.push(Damage {
            file,
            offset: 0,
            kind: DamageKind::Orphan,
            action: Cure::OnOpen,
        });
    }
    Ok(())
}

fn check_guard<D: Disk>(disk: &D, findings: &mut Vec<Damage>) -> Result<()> {
    let Some(slots) = read_slots(disk)? else {
        return Ok(());
    };
    for (number, slot) in slots.slots.iter().enumerate() {
        if matches!(slot, Slot::Damaged) {
            let offset = crate::bytes::length64(number).saturating_mul(4096);
            let file = GUARD_FILE.to_owned();
            findings.push(Damage {
                file,
                offset,
                kind: DamageKind::Content,
                action: Cure::CompareCopies,
            });
        }
    }
    Ok(())
}
