//! The vectors that every SDK must reproduce (`spec/vectors`), against this crate.

#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::unwrap_used)] // a broken vector must stop the test

use bubi_codec::{
    block::{
        BlockRecord, Certificate, CommitStatement, Event, Genesis, Outcome, Proposal, Receipt, SignedBatch, VoteStatement,
    },
    decode, encode,
    identity::{Address, AssetId, ChainId, HoldId, NamespaceId},
    proof::{FinalityProof, ReceiptProof},
    state::{
        AccountHeader, AssetDefinition, Claim, DataEntry, Hold, Holding, IdBucket, Item, Namespace, Parameters, RecordHead,
        RecordVersion, Use, ValidatorSet,
    },
    text::{from_json, to_json_value},
    transaction::{signing_bytes, transaction_hash, ReplayKey, SignedTransaction, TransactionBody},
    Wire,
};
use bubi_crypto::{from_hex, to_hex, Hash, HashSuite, PublicKey, SignatureAlgorithm};
use serde_json::Value;

const PREFIX: &str = "bubidev";

fn vectors(name: &str) -> Value {
    let path = format!("{}/../../spec/vectors/{name}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_slice(&std::fs::read(path).expect("vectors")).expect("JSON")
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("{name} in {value}"))
}

fn bytes(value: &Value, name: &str) -> Vec<u8> {
    from_hex(text(value, name)).expect("hex")
}

fn hash(value: &Value, name: &str) -> Hash {
    Hash(bytes(value, name).try_into().expect("32 bytes"))
}

fn suite(name: &str) -> HashSuite {
    if name == "standard" { HashSuite::Standard } else { HashSuite::National }
}

/// Bytes and JSON both lead to the same value and back.
fn check_valid<T: Wire + PartialEq + std::fmt::Debug>(case: &Value) {
    let name = text(case, "name");
    let encoded = bytes(case, "bytes");
    let value: T = decode(&encoded).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(encode(&value).expect(name), encoded, "{name}");
    assert_eq!(to_json_value(PREFIX, &value).expect(name), case["json"], "{name}");
    let read: T = from_json(PREFIX, case["json"].to_string().as_bytes()).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(read, value, "{name}");
}

fn check_invalid<T: Wire + PartialEq + std::fmt::Debug>(case: &Value) {
    let name = text(case, "name");
    let encoded = case["zero_bytes"].as_u64().map_or_else(
        || bytes(case, "bytes"),
        |length| vec![0; usize::try_from(length).expect("length")],
    );
    let error = decode::<T>(&encoded).expect_err(name);
    assert_eq!(error.code(), text(case, "code"), "{name}: {error}");
}

macro_rules! dispatch {
    ($check:ident, $case:expr; $($name:ident)*) => {
        match text($case, "type") {
            $(stringify!($name) => $check::<$name>($case),)*
            other => panic!("unknown type {other}"),
        }
    };
    ($check:ident, $case:expr) => {
        dispatch!($check, $case; TransactionBody SignedTransaction Event Proposal Outcome CommitStatement VoteStatement Certificate
            Receipt SignedBatch BlockRecord FinalityProof ReceiptProof Genesis AccountHeader Holding DataEntry Claim Hold Use
            AssetDefinition Item Namespace RecordHead RecordVersion IdBucket Parameters ValidatorSet)
    };
}

#[test]
fn values_have_the_bytes_and_json_of_the_vectors() {
    let file = vectors("codec.json");
    let cases = file["valid"].as_array().expect("list");
    assert!(cases.len() > 80);
    for case in cases {
        dispatch!(check_valid, case);
        if let Some(domain) = case["domain"].as_str() {
            for name in ["standard", "national"] {
                let digest = suite(name).hash(&[domain.as_bytes(), &bytes(&file, "chain_id"), &bytes(case, "bytes")]);
                assert_eq!(to_hex(&digest.0), text(&case["digest"], name));
            }
        }
    }
}

#[test]
fn second_forms_are_refused_with_the_code_of_the_vectors() {
    let file = vectors("codec.json");
    for case in file["invalid"].as_array().expect("list") {
        dispatch!(check_invalid, case);
    }
    for case in file["invalid_json"].as_array().expect("list") {
        let read = from_json::<TransactionBody>(PREFIX, text(case, "text").as_bytes());
        assert!(read.is_err(), "{}", text(case, "name"));
    }
}

#[test]
fn addresses_and_identifiers_are_those_of_the_vectors() {
    let file = vectors("address.json");
    for (number, case) in file["keys"].as_array().expect("list").iter().enumerate() {
        let algorithm = SignatureAlgorithm::try_from(u8::try_from(number).expect("number")).expect("algorithm");
        let key = PublicKey::from_bytes(algorithm, &bytes(case, "public_key")).expect("key");
        for name in ["standard", "national"] {
            let own = Address::of_key(suite(name), &key);
            assert_eq!(to_hex(own.bytes()), text(&case["addresses"][name], "bytes"));
            for (prefix, written) in case["addresses"][name]["texts"].as_object().expect("object") {
                assert_eq!(own.to_text(prefix), written.as_str().expect("text"));
                assert_eq!(Address::from_text(prefix, written.as_str().expect("text")), Ok(own));
            }
        }
    }
    for case in file["invalid"].as_array().expect("list") {
        let read = Address::from_text(text(case, "prefix"), text(case, "text"));
        assert!(read.is_err(), "{}", text(case, "reason"));
    }
    for case in file["invalid_keys"].as_array().expect("list") {
        let numbers = ["ed25519", "secp256k1", "p256", "sm2"];
        let number = numbers.iter().position(|name| *name == text(case, "algorithm")).expect("algorithm");
        let algorithm = SignatureAlgorithm::try_from(u8::try_from(number).expect("number")).expect("algorithm");
        let key = PublicKey::from_bytes(algorithm, &bytes(case, "public_key")).expect("length");
        assert!(key.check_registration().is_err(), "{}", text(case, "reason"));
    }
    for case in file["derived"].as_array().expect("list") {
        let suite = suite(text(case, "suite"));
        let chain = ChainId(hash(case, "chain_id"));
        let acting = Address(hash(case, "acting"));
        let replay: ReplayKey = from_json(PREFIX, case["replay"].to_string().as_bytes()).expect("replay");
        assert_eq!(to_hex(&replay.fixed_bytes()), text(case, "replay_bytes"));
        let index = u32::try_from(case["index"].as_u64().expect("index")).expect("index");
        assert_eq!(Address::derived(suite, &chain, &acting, &replay, index).0, hash(case, "address"));
        assert_eq!(HoldId::derived(suite, &chain, &acting, &replay, index).0, hash(case, "hold"));
        assert_eq!(AssetId::derived(suite, &acting, text(case, "asset_code")).0, hash(case, "asset"));
        assert_eq!(NamespaceId::derived(suite, text(case, "namespace_name")).0, hash(case, "namespace"));
    }
}

#[test]
fn transactions_have_the_hashes_and_signatures_of_the_vectors() {
    let file = vectors("transaction.json");
    for case in file["transactions"].as_array().expect("list") {
        let chain = ChainId(hash(case, "chain_id"));
        let body = bytes(case, "body");
        assert_eq!(signing_bytes(&chain, &body), bytes(case, "signing_bytes"));
        assert_eq!(transaction_hash(suite(text(case, "suite")), &chain, &body), hash(case, "hash"));
        let signed: SignedTransaction = decode(&bytes(case, "signed")).expect("signed");
        assert_eq!(signed.body_bytes(), body);
        for entry in signed.signatures() {
            bubi_crypto::verify_transaction(&entry.key, &bytes(case, "signing_bytes"), &entry.signature).expect("signature");
        }
        let numbers = ["ed25519", "secp256k1", "p256", "sm2"];
        for (secret, entry) in case["secrets"].as_array().expect("list").iter().zip(signed.signatures()) {
            let number = numbers.iter().position(|name| *name == text(secret, "algorithm")).expect("algorithm");
            let algorithm = SignatureAlgorithm::try_from(u8::try_from(number).expect("number")).expect("algorithm");
            let secret: [u8; 32] = bytes(secret, "secret").try_into().expect("32 bytes");
            let key = bubi_crypto::SecretKey::from_bytes(algorithm, &secret).expect("key");
            assert_eq!(key.public_key(), entry.key);
            assert_eq!(key.sign(&bytes(case, "signing_bytes")).expect("signs"), entry.signature);
        }
    }
    for case in file["invalid_signatures"].as_array().expect("list") {
        let numbers = ["ed25519", "secp256k1", "p256", "sm2"];
        let number = numbers.iter().position(|name| *name == text(case, "algorithm")).expect("algorithm");
        let algorithm = SignatureAlgorithm::try_from(u8::try_from(number).expect("number")).expect("algorithm");
        let key = PublicKey::from_bytes(algorithm, &bytes(case, "public_key")).expect("key");
        let signature = bubi_crypto::Signature::from_slice(&bytes(case, "signature")).expect("64 bytes");
        let (message, name) = (bytes(case, "message"), text(case, "name"));
        assert!(bubi_crypto::verify_transaction(&key, &message, &signature).is_err(), "{name}");
        assert!(bubi_crypto::verify_vote(&key, &message, &signature).is_err(), "{name}");
    }
}

#[test]
fn lists_have_the_roots_and_paths_of_the_vectors() {
    for case in vectors("merkle.json")["trees"].as_array().expect("list") {
        let suite = suite(text(case, "suite"));
        let leaves: Vec<Hash> = case["data"]
            .as_array()
            .expect("list")
            .iter()
            .map(|data| {
                let tag = u8::try_from(case["tag"].as_u64().expect("tag")).expect("tag");
                suite.hash(&[&[0, tag], &from_hex(data.as_str().expect("text")).expect("hex")])
            })
            .collect();
        assert_eq!(bubi_crypto::merkle_root(suite, &leaves), hash(case, "root"));
        for (index, path) in case["paths"].as_array().expect("list").iter().enumerate() {
            let made = bubi_crypto::merkle_path(suite, &leaves, index).expect("path");
            let made: Vec<Value> = made.iter().map(|one| Value::String(to_hex(&one.0))).collect();
            assert_eq!(&Value::Array(made), path);
        }
    }
}
