//! The vectors that every SDK must reproduce (`spec/vectors`), against this crate: every entry of codec, address,
//! transaction and merkle. `state_tree.json` is held by `core/ledger`, `proof.json` by `core/chain`.

#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::unwrap_used)] // a broken vector must stop the test

#[macro_use]
mod common;

use bubi_codec::{
    block::digest,
    decode, domain, encode,
    identity::{Address, AssetId, ChainId, HoldId, NamespaceId, ProposalId},
    text::{from_json, to_json_value},
    transaction::{signing_bytes, transaction_hash, ReplayKey},
    Wire,
};
use bubi_crypto::{from_hex, to_hex, Hash, PublicKey, SecretKey, Signature, SignatureAlgorithm};
use common::*;
use serde_json::Value;

fn algorithm(value: &Value) -> SignatureAlgorithm {
    let names = ["ed25519", "secp256k1", "p256", "sm2"];
    let number = names.iter().position(|name| *name == text(value, "algorithm")).expect("algorithm");
    SignatureAlgorithm::try_from(u8::try_from(number).expect("number")).expect("algorithm")
}

fn public_key(value: &Value) -> PublicKey {
    PublicKey::from_bytes(algorithm(value), &bytes(value, "public_key")).expect("key")
}

fn secret_key(value: &Value) -> SecretKey {
    let secret: [u8; 32] = bytes(value, "secret").try_into().expect("32 bytes");
    SecretKey::from_bytes(algorithm(value), &secret).expect("key")
}

/// Bytes and JSON both lead to the same value and back.
fn check_valid<T: Wire + PartialEq + std::fmt::Debug>(case: &Value) {
    let name = text(case, "name");
    let encoded = bytes(case, "bytes");
    let value: T = decode(&encoded).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(encode(&value).expect(name), encoded, "{name}");
    assert_eq!(to_json_value(PREFIX, &value).expect(name), case["json"], "{name}");
    let read: T =
        from_json(PREFIX, case["json"].to_string().as_bytes()).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(read, value, "{name}");
}

fn check_invalid<T: Wire + PartialEq + std::fmt::Debug>(case: &Value) {
    let name = text(case, "name");
    let encoded = case["zero_bytes"]
        .as_u64()
        .map_or_else(|| bytes(case, "bytes"), |length| vec![0; usize::try_from(length).expect("length")]);
    let error = decode::<T>(&encoded).expect_err(name);
    assert_eq!(error.code(), text(case, "code"), "{name}: {error}");
}

fn check_invalid_json<T: Wire>(case: &Value) {
    assert!(from_json::<T>(PREFIX, text(case, "text").as_bytes()).is_err(), "{}", text(case, "name"));
}

#[test]
fn values_have_the_bytes_and_json_of_the_vectors() {
    let file = vectors("codec.json");
    let cases = file["valid"].as_array().expect("list");
    assert!(cases.len() > 80);
    for case in cases {
        dispatch!(check_valid, text(case, "type"), case);
        if let Some(domain) = case["domain"].as_str() {
            for name in ["standard", "national"] {
                let digest = suite(name).hash(&[domain.as_bytes(), &bytes(&file, "chain_id"), &bytes(case, "bytes")]);
                assert_eq!(to_hex(&digest.0), text(&case["digest"], name));
            }
        }
    }
}

#[test]
fn identifiers_of_chain_and_batch_are_those_of_the_vectors() {
    let file = vectors("codec.json");
    for case in list(&file, "valid") {
        if text(case, "type") == "Genesis" {
            let encoded = bytes(case, "bytes");
            let genesis: Genesis = decode(&encoded).expect("genesis");
            let name = if genesis.v1().suite == suite("standard") { "standard" } else { "national" };
            let expected = suite(name).hash(&[domain::GENESIS, &encoded]);
            assert_eq!(genesis.chain_id(&encoded).0, expected);
            // The file gives the hash in both suites; the chain id is the one of the genesis' own.
            for name in ["standard", "national"] {
                let digest = suite(name).hash(&[domain::GENESIS, &encoded]);
                assert_eq!(to_hex(&digest.0), text(&file["genesis_chain_id"], name));
            }
        }
    }
    let header: BatchHeader = bcs::from_bytes(&bytes(&file["batch_digest"], "header")).expect("header");
    for name in ["standard", "national"] {
        let made = digest(suite(name), domain::BATCH, &ChainId(hash(&file, "chain_id")), &header).expect("digest");
        assert_eq!(to_hex(&made.0), text(&file["batch_digest"], name));
    }
}

#[test]
fn second_forms_are_refused_with_the_code_of_the_vectors() {
    let file = vectors("codec.json");
    for case in list(&file, "invalid") {
        dispatch!(check_invalid, text(case, "type"), case);
    }
    for case in list(&file, "invalid_json") {
        // Whatever `from_json` refuses is `malformed_json`, at the API and in the SDKs.
        assert_eq!(text(case, "code"), "malformed_json");
        dispatch!(check_invalid_json, text(case, "type"), case);
    }
}

#[test]
fn keys_have_the_addresses_of_the_vectors() {
    let file = vectors("address.json");
    for case in list(&file, "keys") {
        let key = public_key(case);
        assert_eq!(secret_key(case).public_key(), key);
        assert_eq!(to_hex(&bcs::to_bytes(&key).expect("key")), text(case, "tagged"));
        assert!(key.check_registration().is_ok());
        for name in ["standard", "national"] {
            let own = Address::of_key(suite(name), &key);
            assert_eq!(to_hex(own.bytes()), text(&case["addresses"][name], "bytes"));
            for (prefix, written) in case["addresses"][name]["texts"].as_object().expect("object") {
                assert_eq!(own.to_text(prefix), written.as_str().expect("text"));
                assert_eq!(Address::from_text(prefix, written.as_str().expect("text")), Ok(own));
            }
        }
    }
    for case in list(&file, "invalid") {
        let read = Address::from_text(text(case, "prefix"), text(case, "text"));
        assert_eq!(read.expect_err(text(case, "reason")).code(), "malformed");
    }
    for case in list(&file, "invalid_keys") {
        assert!(public_key(case).check_registration().is_err(), "{}", text(case, "reason"));
    }
}

#[test]
fn derived_identifiers_are_those_of_the_vectors() {
    for case in list(&vectors("address.json"), "derived") {
        let suite = suite(text(case, "suite"));
        let chain = ChainId(hash(case, "chain_id"));
        let acting = Address(hash(case, "acting"));
        let replay: ReplayKey = from_json(PREFIX, case["replay"].to_string().as_bytes()).expect("replay");
        assert_eq!(to_hex(&replay.fixed_bytes()), text(case, "replay_bytes"));
        let index = u32::try_from(case["index"].as_u64().expect("index")).expect("index");
        assert_eq!(Address::derived(suite, &chain, &acting, &replay, index).0, hash(case, "address"));
        assert_eq!(HoldId::derived(suite, &chain, &acting, &replay, index).0, hash(case, "hold"));
        assert_eq!(ProposalId::derived(suite, &chain, &acting, &replay, index).0, hash(case, "proposal"));
        assert_eq!(AssetId::derived(suite, &acting, text(case, "asset_code")).0, hash(case, "asset"));
        assert_eq!(NamespaceId::derived(suite, text(case, "namespace_name")).0, hash(case, "namespace"));
    }
}

#[test]
fn transactions_have_the_hashes_and_signatures_of_the_vectors() {
    for case in list(&vectors("transaction.json"), "transactions") {
        let chain = ChainId(hash(case, "chain_id"));
        let (body, message) = (bytes(case, "body"), bytes(case, "signing_bytes"));
        check_valid::<TransactionBody>(&serde_json::json!({
            "name": text(case, "hash"), "bytes": text(case, "body"), "json": case["body_json"],
        }));
        assert_eq!(signing_bytes(&chain, &body), message);
        assert_eq!(transaction_hash(suite(text(case, "suite")), &chain, &body), hash(case, "hash"));
        let signed: SignedTransaction = decode(&bytes(case, "signed")).expect("signed");
        assert_eq!(encode(&signed).expect("signed"), bytes(case, "signed"));
        assert_eq!(signed.body_bytes(), body);
        assert_eq!(case["signed_json"]["v1"]["body"], case["body_json"]);
        let entries = to_json_value(PREFIX, &signed.signatures()).expect("signatures");
        assert_eq!(entries, case["signed_json"]["v1"]["signatures"]);
        for entry in signed.signatures() {
            bubi_crypto::verify_transaction(&entry.key, &message, &entry.signature).expect("signature");
        }
        let mut made: Vec<_> = list(case, "secrets").iter().map(secret_key).collect();
        made.sort_by_key(SecretKey::public_key);
        assert_eq!(made.len(), signed.signatures().len());
        for (key, entry) in made.iter().zip(signed.signatures()) {
            assert_eq!(key.public_key(), entry.key);
            assert_eq!(key.sign(&message).expect("signs"), entry.signature);
        }
    }
}

#[test]
fn signatures_that_are_none_are_refused() {
    for case in list(&vectors("transaction.json"), "invalid_signatures") {
        let (key, name) = (public_key(case), text(case, "name"));
        let signature = Signature::from_slice(&bytes(case, "signature")).expect("64 bytes");
        let message = bytes(case, "message");
        assert!(bubi_crypto::verify_transaction(&key, &message, &signature).is_err(), "{name}");
        assert!(bubi_crypto::verify_vote(&key, &message, &signature).is_err(), "{name}");
    }
}

#[test]
fn lists_have_the_roots_and_paths_of_the_vectors() {
    for case in list(&vectors("merkle.json"), "trees") {
        let suite = suite(text(case, "suite"));
        let tag = u8::try_from(case["tag"].as_u64().expect("tag")).expect("tag");
        let data = list(case, "data").iter().map(|data| from_hex(data.as_str().expect("text")).expect("hex"));
        let leaves: Vec<Hash> = data.map(|data| suite.hash(&[&[0, tag], &data])).collect();
        let written: Vec<String> = leaves.iter().map(|leaf| to_hex(&leaf.0)).collect();
        assert_eq!(Value::from(written), case["leaves"]);
        let root = bubi_crypto::merkle_root(suite, &leaves);
        assert_eq!(root, hash(case, "root"));
        assert_eq!(list(case, "paths").len(), leaves.len());
        for (index, path) in list(case, "paths").iter().enumerate() {
            let made = bubi_crypto::merkle_path(suite, &leaves, index).expect("path");
            let written: Vec<String> = made.iter().map(|one| to_hex(&one.0)).collect();
            assert_eq!(&Value::from(written), path);
            let (place, size) = (index as u64, leaves.len() as u64);
            let proves =
                |place, path: &[Hash]| bubi_crypto::merkle_verify(suite, &leaves[index], place, size, path, &root);
            assert!(proves(place, &made));
            assert!(!proves(size, &made));
            assert!(!proves(place, &[made.clone(), vec![root]].concat()));
            assert!(made.is_empty() || !proves(place, &made[1..]));
            for (other, leaf) in leaves.iter().enumerate() {
                assert!(*leaf == leaves[index] || !proves(other as u64, &made));
            }
        }
    }
}
