//! `spec/vectors/proof.json`: every receipt proof, good and hostile, against this crate.

#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // a broken vector must stop the test

use bubi_chain::proof::{verify_receipt, Trust};
use bubi_codec::{decode, identity::ChainId};
use bubi_crypto::{from_hex, to_hex, Hash, HashSuite};
use serde_json::Value;

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("{name} in {value}"))
}

fn trust(value: &Value) -> Trust {
    let chain = from_hex(text(value, "chain_id")).expect("hex");
    Trust {
        chain: ChainId(Hash(chain.try_into().expect("32 bytes"))),
        suite: if text(value, "suite") == "standard" { HashSuite::Standard } else { HashSuite::National },
        validators: decode(&from_hex(text(value, "validator_set")).expect("hex")).expect("set"),
    }
}

#[test]
fn receipt_proofs_are_judged_as_the_vectors_say() {
    let path = format!("{}/../../spec/vectors/proof.json", env!("CARGO_MANIFEST_DIR"));
    let file: Value = serde_json::from_slice(&std::fs::read(path).expect("vectors")).expect("JSON");
    let cases = file["receipts"].as_array().expect("list");
    let good = cases.iter().filter(|case| case["valid"] == true).count();
    assert!(good >= 7 && cases.len() - good >= 30);
    for case in cases {
        let proven = verify_receipt(&trust(&case["trust"]), &from_hex(text(case, "proof")).expect("hex"));
        if case["valid"] == true {
            let proven = proven.unwrap_or_else(|error| panic!("{}: {error}", text(case, "name")));
            assert_eq!(proven.height.to_string(), text(case, "height"));
            assert_eq!(to_hex(&proven.transaction.0), text(case, "transaction"));
        } else {
            let error = proven.expect_err(text(case, "name"));
            assert_eq!(error.code(), "proof_invalid", "{}: {error}", text(case, "name"));
        }
    }
}
