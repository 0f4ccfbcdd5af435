//! Hash suites and Merkle trees against published examples, other implementations and a naive model.

use bubi_crypto::{merkle_path, merkle_root, merkle_verify, Hash, HashSuite, LeafTag};
use proptest::prelude::*;

const SUITES: [HashSuite; 2] = [HashSuite::Standard, HashSuite::National];

fn leaves(suite: HashSuite, count: usize) -> Vec<Hash> {
    (0..count).map(|number| suite.leaf_hash(LeafTag::Transaction, &number.to_le_bytes())).collect()
}

/// RFC 9162 section 2.1.1, word for word.
fn naive_root(suite: HashSuite, leaves: &[Hash]) -> Hash {
    match leaves {
        [] => suite.hash(&[]),
        [leaf] => *leaf,
        _ => {
            let mut split = 1;
            while split * 2 < leaves.len() {
                split *= 2;
            }
            let left = naive_root(suite, &leaves[..split]);
            let right = naive_root(suite, &leaves[split..]);
            suite.hash(&[&[1], &left.0, &right.0])
        }
    }
}

#[test]
fn standard_suite_is_sha_256() {
    assert_eq!(
        HashSuite::Standard.hash(&[b"a", b"", b"bc"]).to_string(),
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    );
}

/// The two examples of GB/T 32905-2016 appendix A.
#[test]
fn national_suite_is_sm3() {
    assert_eq!(
        HashSuite::National.hash(&[b"abc"]).to_string(),
        "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"
    );
    assert_eq!(
        HashSuite::National.hash(&[b"abcd".repeat(16).as_slice()]).to_string(),
        "debe9ff92275b8a138604889c18e5a4d6fdb70e5387e5765293dcba39c0c5732"
    );
}

/// Computed with another implementation of both hash functions and the recursion.
#[test]
fn tagged_trees_have_the_recorded_roots() {
    let root = |suite: HashSuite| {
        let leaves: Vec<Hash> = (0u8..7).map(|number| suite.leaf_hash(LeafTag::Transaction, &[number])).collect();
        merkle_root(suite, &leaves).to_string()
    };
    assert_eq!(
        HashSuite::Standard.leaf_hash(LeafTag::Receipt, b"abc").to_string(),
        "757f0dea9aa0c1f8dd5ab5ac9b30e7a7212bb11b7028c0211ebd5125caa277fd"
    );
    assert_eq!(root(HashSuite::Standard), "e5b7941473afac29f1724d8af073379841e8604bd52214066db697ff1bba09ed");
    assert_eq!(root(HashSuite::National), "8f82d41a0a2d311e8ab261455527f2014ed409de71584370c3d5197fbdedf01d");
}

#[test]
fn hashes_serialise_as_raw_bytes() {
    let hash = HashSuite::Standard.hash(&[b"x"]);
    let bytes = bcs::to_bytes(&hash).unwrap();
    assert_eq!(bytes, hash.0);
    assert_eq!(bcs::from_bytes::<Hash>(&bytes).unwrap(), hash);
    assert_eq!(bcs::to_bytes(&HashSuite::National).unwrap(), [1]);
    assert_eq!(HashSuite::try_from(1), Ok(HashSuite::National));
    assert!(HashSuite::try_from(2).is_err());
}

#[test]
fn roots_equal_the_naive_recursion() {
    for suite in SUITES {
        let all = leaves(suite, 5000);
        for count in (0..=130).chain([1023, 1024, 1025, 2047, 2048, 2049, 3000, 5000]) {
            let leaves = &all[..count];
            assert_eq!(merkle_root(suite, leaves), naive_root(suite, leaves), "{count} leaves");
        }
    }
}

#[test]
fn every_path_verifies_and_no_other_claim_does() {
    let suite = HashSuite::Standard;
    let all = leaves(suite, 40);
    for count in 1..=40usize {
        let leaves = &all[..count];
        let root = merkle_root(suite, leaves);
        for index in 0..count {
            let path = merkle_path(suite, leaves, index).unwrap();
            for claimed in 0..count + 2 {
                assert_eq!(
                    merkle_verify(suite, &leaves[index], claimed as u64, count as u64, &path, &root),
                    claimed == index,
                    "leaf {index} of {count} claimed as {claimed}"
                );
            }
            let mut long = path.clone();
            long.push(Hash::ZERO);
            let short = path.get(1..).unwrap_or_default();
            let (index, count) = (index as u64, count as u64);
            let leaf = &leaves[usize::try_from(index).unwrap()];
            assert!(!merkle_verify(suite, leaf, index, count, &long, &root));
            assert!(path.is_empty() || !merkle_verify(suite, leaf, index, count, short, &root));
            assert!(!merkle_verify(HashSuite::National, &Hash::ZERO, index, count, &path, &root));
        }
        assert_eq!(merkle_path(suite, leaves, count), None);
    }
}

proptest! {
    #[test]
    fn a_changed_path_is_refused(
        count in 2usize..3000,
        pick in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
        byte in 0usize..32,
        bit in 0u8..8,
    ) {
        let suite = HashSuite::Standard;
        let leaves = leaves(suite, count);
        let index = pick.index(count);
        let root = merkle_root(suite, &leaves);
        let mut path = merkle_path(suite, &leaves, index).unwrap();
        let leaf = &leaves[index];
        let (position, size) = (index as u64, count as u64);
        prop_assert!(merkle_verify(suite, leaf, position, size, &path, &root));
        let changed = at.index(path.len());
        path[changed].0[byte] ^= 1 << bit;
        prop_assert!(!merkle_verify(suite, leaf, position, size, &path, &root));
    }
}
