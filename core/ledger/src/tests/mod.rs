//! Tests of the rules: a small world, tables of operations with their codes, and random blocks.

mod accounts;
mod assets;
mod dated;
mod era;
mod evidence;
mod frame;
mod governance;
mod membership;
mod random;
mod records;
mod schedule;
mod world;

use bubi_codec::ResultCode;
use std::collections::BTreeSet;
use world::Seen;

/// Every table; each also runs as a test of its own.
const TABLES: &[fn(bubi_crypto::HashSuite) -> Seen] = &[
    accounts::accounts,
    accounts::signers,
    accounts::amount_limits,
    accounts::data_and_claims,
    assets::definitions,
    assets::amounts,
    assets::features,
    assets::items,
    dated::lots,
    dated::holds,
    frame::transactions,
    frame::defects,
    governance::refusals,
    governance::life,
    governance::endings,
    governance::switches,
    membership::consent,
    membership::quotas,
    evidence::forgeries,
    evidence::policies,
    records::records,
];

#[test]
fn every_result_code_is_produced() {
    let seen: BTreeSet<ResultCode> = TABLES.iter().flat_map(|table| table(bubi_crypto::HashSuite::Standard)).collect();
    let missing: Vec<&ResultCode> = ResultCode::ALL.iter().filter(|code| !seen.contains(code)).collect();
    assert!(missing.is_empty(), "never produced: {missing:?}");
}

#[test]
fn the_national_suite_obeys_the_same_rules() {
    for table in TABLES {
        table(bubi_crypto::HashSuite::National);
    }
}
