//! The vectors of `spec/state-tree.md`: `REGENERATE_VECTORS=1 cargo test -p bubi-ledger --test tree_vectors`
//! writes them anew; without the switch the file must equal what this code produces, and every vector is
//! checked from its bytes.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

use std::fmt::Write;
use std::path::PathBuf;

use bubi_crypto::{Hash, HashSuite};
use bubi_ledger::tree::{
    AccountEvidence, AccountProof, CellEvidence, CellGap, CellProof, OwnerKey, ProofError, State, View, EMPTY_ROOT,
};
use serde_json::{json, Value};

type Cell = (OwnerKey, Vec<u8>, Vec<u8>);

const SUITES: [(&str, HashSuite); 2] = [("standard", HashSuite::Standard), ("national", HashSuite::National)];

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

fn unhex(text: &Value) -> Vec<u8> {
    let text = text.as_str().unwrap();
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

fn owner(kind: u8, id: u8) -> OwnerKey {
    OwnerKey::new(kind, [id; 32])
}

fn sets() -> Vec<(&'static str, Vec<Cell>)> {
    let account = |id: u8| {
        let mut holding = vec![1];
        holding.extend([7; 32]);
        [(owner(1, id), vec![0], vec![id; 50]), (owner(1, id), holding, vec![id; 20])]
    };
    let records = (0..40_u8).map(|number| (owner(3, 9), vec![2, number], vec![number; usize::from(number)]));
    vec![
        ("empty", vec![]),
        ("one cell", vec![(owner(0, 0), b"height".to_vec(), vec![1])]),
        ("empty value", vec![(owner(0, 0), b"k".to_vec(), vec![])]),
        ("two cells of one owner", account(1).to_vec()),
        ("two owners", vec![(owner(1, 1), vec![0], vec![1]), (owner(1, 2), vec![0], vec![1])]),
        ("twenty accounts", (1..=20).flat_map(account).collect()),
        (
            "long key and value",
            vec![(owner(2, 3), vec![5; 128], vec![6; 300]), (owner(2, 3), vec![5; 127], vec![6; 128])],
        ),
        ("accounts and a namespace of 40 records", (1..=5).flat_map(account).chain(records).collect()),
    ]
}

fn set(name: &str) -> Vec<Cell> {
    sets().into_iter().find(|set| set.0 == name).unwrap().1
}

fn valid(suite: HashSuite, label: &str, name: &str) -> Vec<Value> {
    let state = State::from_cells(suite, set(name)).unwrap();
    let view = View::new(&state, &[]).unwrap();
    let (mut vectors, root) = (Vec::new(), hex(&view.root().0));
    let questions = [
        (owner(1, 1), vec![0]),
        (owner(1, 1), vec![9]),
        (owner(1, 1), vec![10]),
        (owner(1, 77), vec![0]),
        (owner(1, 78), vec![0]),
        (owner(3, 9), vec![2, 17]),
        (owner(3, 9), vec![2, 99]),
    ];
    for (owner, key) in questions {
        let proof = view.prove(&owner, &key).unwrap();
        let value = proof.verify(suite, &view.root()).unwrap().map(hex);
        vectors.push(json!({
            "kind": "cell", "set": name, "suite": label, "root": root, "owner": hex(owner.as_bytes()),
            "key": hex(&key), "value": value, "proof": hex(&proof.to_bytes().unwrap()),
        }));
    }
    for owner in [owner(1, 1), owner(1, 77), owner(3, 9)] {
        let proof = view.prove_account(&owner).unwrap();
        let cells = proof.verify(suite, &view.root()).unwrap();
        let cells: Vec<Value> = cells.iter().map(|(key, value)| json!([hex(key), hex(value)])).collect();
        vectors.push(json!({
            "kind": "account", "set": name, "suite": label, "root": root, "owner": hex(owner.as_bytes()),
            "cells": cells, "proof": hex(&proof.to_bytes().unwrap()),
        }));
    }
    vectors
}

fn reason(error: ProofError) -> &'static str {
    match error {
        ProofError::Encoding => "encoding",
        ProofError::Length => "length",
        ProofError::TooManySiblings => "too_many_siblings",
        ProofError::CellCount => "cell_count",
        ProofError::CellOrder => "cell_order",
        ProofError::OtherLeaf => "other_leaf",
        ProofError::Depth => "depth",
        ProofError::Root => "root",
    }
}

fn check(kind: &str, proof: &[u8], suite: HashSuite, root: &Hash) -> Result<(), ProofError> {
    if kind == "cell" {
        CellProof::from_bytes(proof)?.verify(suite, root).map(|_| ())
    } else {
        AccountProof::from_bytes(proof)?.verify(suite, root).map(|_| ())
    }
}

/// Changed evidence for a cell that is present.
fn bad_cells(proof: &CellProof) -> Vec<(&'static str, Vec<u8>)> {
    let CellProof::V1 { owner, key, evidence } = proof.clone();
    let CellEvidence::Present { value, lower, upper } = evidence else { panic!("present") };
    let encode =
        |key: &serde_bytes::ByteBuf, evidence| CellProof::V1 { owner, key: key.clone(), evidence }.to_bytes().unwrap();
    let present =
        |lower: Vec<Hash>, upper: Vec<Hash>| encode(&key, CellEvidence::Present { value: value.clone(), lower, upper });
    let absent = |gap| encode(&key, CellEvidence::CellAbsent { gap, lower: lower.clone(), upper: upper.clone() });
    let extended = |siblings: &[Hash]| [siblings, &[EMPTY_ROOT]].concat();
    let mut trailing = present(lower.clone(), upper.clone());
    trailing.push(0);
    let mut version = present(lower.clone(), upper.clone());
    version[0] = 1;
    let other_value = CellEvidence::Present { value: vec![0; 50].into(), lower: lower.clone(), upper: upper.clone() };
    let elsewhere = CellGap::Other { key: vec![2, 250].into(), value: value.clone() };
    let same = CellGap::Other { key: key.clone(), value: value.clone() };
    let unnamed = CellEvidence::Present { value: value.clone(), lower: lower.clone(), upper: upper.clone() };
    vec![
        ("another value", encode(&key, other_value)),
        ("siblings from the bottom", present(lower.clone(), upper.iter().rev().copied().collect())),
        ("a level left out", present(lower.clone(), upper[1..].to_vec())),
        ("a leaf below its place in the lower trie", present(extended(&lower), upper.clone())),
        ("a leaf below its place in the upper trie", present(lower.clone(), extended(&upper))),
        ("257 siblings", present(lower.clone(), vec![Hash([1; 32]); 257])),
        ("absence shown by the cell itself", absent(same)),
        ("absence shown by nothing", absent(CellGap::Empty)),
        ("absence shown by a leaf elsewhere", absent(elsewhere)),
        ("an empty key", encode(&Vec::new().into(), unnamed)),
        ("a byte after the end", trailing),
        ("an unknown version", version),
    ]
}

fn bad_accounts(proof: &AccountProof) -> Vec<(&'static str, Vec<u8>)> {
    let AccountProof::V1 { owner, evidence } = proof.clone();
    let AccountEvidence::Complete { cells, upper } = evidence else { panic!("complete") };
    let encode = |cells: Vec<_>| {
        let evidence = AccountEvidence::Complete { cells, upper: upper.clone() };
        AccountProof::V1 { owner, evidence }.to_bytes().unwrap()
    };
    vec![
        ("a cell left out", encode(cells[..cells.len() - 1].to_vec())),
        ("no cells", encode(vec![])),
        ("a cell twice", encode([&cells[..1], &cells[..]].concat())),
        ("cells not in order", encode(cells.iter().rev().cloned().collect())),
    ]
}

fn invalid(suite: HashSuite, label: &str) -> Vec<Value> {
    let name = "accounts and a namespace of 40 records";
    let state = State::from_cells(suite, set(name)).unwrap();
    let view = View::new(&state, &[]).unwrap();
    let cells = bad_cells(&view.prove(&owner(1, 1), &[0]).unwrap());
    let accounts = bad_accounts(&view.prove_account(&owner(3, 9)).unwrap());
    let labelled = cells.into_iter().map(|bad| ("cell", bad)).chain(accounts.into_iter().map(|bad| ("account", bad)));
    let vector = |(kind, (what, proof)): (&str, (&str, Vec<u8>))| {
        let error = check(kind, &proof, suite, &view.root()).unwrap_err();
        json!({
            "kind": kind, "what": what, "reason": reason(error), "suite": label, "root": hex(&view.root().0),
            "proof": hex(&proof),
        })
    };
    labelled.map(vector).collect()
}

fn vectors() -> Value {
    let mut roots = Vec::new();
    for (name, cells) in sets() {
        let root = |suite| hex(&State::from_cells(suite, cells.clone()).unwrap().root().0);
        let listed: Vec<Value> =
            cells.iter().map(|(owner, key, value)| json!([hex(owner.as_bytes()), hex(key), hex(value)])).collect();
        roots.push(json!({
            "name": name, "cells": listed,
            "roots": {"standard": root(HashSuite::Standard), "national": root(HashSuite::National)},
        }));
    }
    let names = ["accounts and a namespace of 40 records", "twenty accounts"];
    let pairs = || SUITES.into_iter().flat_map(|suite| names.map(|name| (suite, name)));
    let proofs: Vec<Value> = pairs().flat_map(|((label, suite), name)| valid(suite, label, name)).collect();
    let refused: Vec<Value> = SUITES.into_iter().flat_map(|(label, suite)| invalid(suite, label)).collect();
    json!({"schema": 1, "sets": roots, "proofs": proofs, "invalid": refused})
}

fn file() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../spec/vectors/state_tree.json")
}

#[test]
fn vectors_are_current() {
    let text = format!("{}\n", serde_json::to_string_pretty(&vectors()).unwrap());
    if std::env::var_os("REGENERATE_VECTORS").is_some() {
        std::fs::write(file(), &text).unwrap();
    }
    assert_eq!(std::fs::read_to_string(file()).unwrap(), text);
}

#[test]
fn vectors_hold_from_their_bytes() {
    let vectors: Value = serde_json::from_str(&std::fs::read_to_string(file()).unwrap()).unwrap();
    let hash = |value: &Value| Hash(unhex(value).try_into().unwrap());
    let suite = |value: &Value| {
        if value == "national" {
            HashSuite::National
        } else {
            HashSuite::Standard
        }
    };
    for vector in vectors["proofs"].as_array().unwrap() {
        let (suite, root, bytes) = (suite(&vector["suite"]), hash(&vector["root"]), unhex(&vector["proof"]));
        if vector["kind"] == "cell" {
            let proof = CellProof::from_bytes(&bytes).unwrap();
            let value = proof.verify(suite, &root).unwrap().map(<[u8]>::to_vec);
            assert_eq!(value, vector["value"].as_str().map(|_| unhex(&vector["value"])));
            assert_eq!(proof.cell().1, unhex(&vector["key"]));
        } else {
            let proof = AccountProof::from_bytes(&bytes).unwrap();
            assert_eq!(proof.verify(suite, &root).unwrap().len(), vector["cells"].as_array().unwrap().len());
            assert_eq!(proof.owner().as_bytes().as_slice(), unhex(&vector["owner"]));
        }
    }
    for vector in vectors["invalid"].as_array().unwrap() {
        let kind = vector["kind"].as_str().unwrap();
        let result = check(kind, &unhex(&vector["proof"]), suite(&vector["suite"]), &hash(&vector["root"]));
        assert_eq!(result.map_err(reason), Err(vector["reason"].as_str().unwrap()), "{}", vector["what"]);
    }
}
