//! What tests of this crate share: the vectors of `spec/vectors` and one dispatch over every top-level type.

#![allow(dead_code, unused_macros, unused_imports)] // each test binary uses its share
#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // a broken vector must stop the test

pub(crate) use bubi_codec::{
    block::{
        BatchHeader, BlockRecord, Certificate, CommitStatement, Event, Genesis, Outcome, Proposal, Receipt,
        SignedBatch, VoteStatement,
    },
    comet::LightBlock,
    governance::{
        ChangeProposal, EpochRecord, EvidenceRecord, Governance, NodeListing, Organisation, ProtocolVersion, Voter,
    },
    proof::{FinalityProof, ReceiptProof},
    state::{
        AccountHeader, AssetDefinition, Claim, DataEntry, Hold, Holding, IdBucket, Item, Membership, Namespace,
        Parameters, RecordHead, RecordVersion, Schedule, Use, ValidatorSet,
    },
    transaction::{SignedTransaction, TransactionBody},
};
use bubi_crypto::{from_hex, Hash, HashSuite};
use serde_json::Value;

pub(crate) const PREFIX: &str = "bubidev";

pub(crate) fn vectors(name: &str) -> Value {
    let path = format!("{}/../../spec/vectors/{name}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_slice(&std::fs::read(path).expect("vectors")).expect("JSON")
}

pub(crate) fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value[name].as_array().unwrap_or_else(|| panic!("{name} is no list"))
}

pub(crate) fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("{name} in {value}"))
}

pub(crate) fn bytes(value: &Value, name: &str) -> Vec<u8> {
    from_hex(text(value, name)).expect("hex")
}

pub(crate) fn hash(value: &Value, name: &str) -> Hash {
    Hash(bytes(value, name).try_into().expect("32 bytes"))
}

pub(crate) fn suite(name: &str) -> HashSuite {
    if name == "standard" {
        HashSuite::Standard
    } else {
        HashSuite::National
    }
}

/// Calls `$work::<T>($case)` with the type that `$kind` names.
macro_rules! dispatch {
    ($work:ident, $kind:expr, $argument:expr; $($name:ident)*) => {
        match $kind {
            $(stringify!($name) => $work::<$name>($argument),)*
            other => panic!("unknown type {other}"),
        }
    };
    ($work:ident, $kind:expr, $argument:expr) => {
        dispatch!($work, $kind, $argument; TransactionBody SignedTransaction Event Proposal Outcome CommitStatement VoteStatement
            Certificate Receipt SignedBatch BlockRecord FinalityProof LightBlock ReceiptProof Genesis AccountHeader Holding DataEntry Claim Hold
            Use Membership AssetDefinition Item Namespace RecordHead RecordVersion IdBucket Schedule Parameters ValidatorSet
            ChangeProposal EpochRecord EvidenceRecord Governance NodeListing Organisation ProtocolVersion Voter)
    };
}
