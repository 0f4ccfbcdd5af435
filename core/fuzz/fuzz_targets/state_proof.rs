//! Proofs of a cell and of a whole account.
#![no_main]

use bubi_ledger::tree::{AccountProof, CellProof};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(proof) = CellProof::from_bytes(bytes) {
        assert_eq!(proof.to_bytes().as_deref(), Ok(bytes));
    }
    if let Ok(proof) = AccountProof::from_bytes(bytes) {
        assert_eq!(proof.to_bytes().as_deref(), Ok(bytes));
    }
});
