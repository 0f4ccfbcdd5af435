//! Valid encodings, damaged: decoding never panics, and whatever it accepts is the one encoding of its value.

#![allow(clippy::expect_used, clippy::panic)] // a broken vector must stop the test

#[macro_use]
mod common;

use bubi_codec::{
    decode, encode,
    text::{from_json, to_json},
    Wire,
};
use common::*;
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use std::{cell::Cell, fmt::Debug};

const CASES: u32 = 20_000;
const JSON_CASES: u32 = 10_000;

/// One structural damage; places are shares of the length, so that they fit every input.
#[derive(Debug, Clone)]
enum Damage {
    /// Flips one bit.
    Flip(prop::sample::Index, u8),
    /// Sets a byte that often is a length, tag, option or border.
    Set(prop::sample::Index, u8),
    /// Cuts a piece out.
    Cut(prop::sample::Index, usize),
    /// Puts bytes in.
    Insert(prop::sample::Index, Vec<u8>),
    /// Copies a piece of this or another valid encoding to another place.
    Splice(prop::sample::Index, prop::sample::Index, prop::sample::Index, usize),
    /// Writes a small number in two bytes instead of one.
    OverLong(prop::sample::Index),
    /// Raises or lowers a byte by one.
    Step(prop::sample::Index, bool),
}

fn damage() -> impl Strategy<Value = Damage> {
    let place = any::<prop::sample::Index>;
    let marked = prop::sample::select(vec![0, 1, 2, 3, 0x10, 0x20, 0x40, 0x7f, 0x80, 0x81, 0xff]);
    prop_oneof![
        3 => (place(), 0..8_u8).prop_map(|(at, bit)| Damage::Flip(at, bit)),
        3 => (place(), marked).prop_map(|(at, byte)| Damage::Set(at, byte)),
        1 => (place(), 1..40_usize).prop_map(|(at, length)| Damage::Cut(at, length)),
        1 => (place(), prop::collection::vec(any::<u8>(), 1..20)).prop_map(|(at, bytes)| Damage::Insert(at, bytes)),
        2 => (place(), place(), place(), 1..64_usize).prop_map(|(of, from, at, length)| Damage::Splice(of, from, at, length)),
        1 => place().prop_map(Damage::OverLong),
        2 => (place(), any::<bool>()).prop_map(|(at, up)| Damage::Step(at, up)),
    ]
}

fn apply(bytes: &mut Vec<u8>, damage: &Damage, pool: &[Vec<u8>]) {
    if bytes.is_empty() {
        return;
    }
    let length = bytes.len();
    let with = |bytes: &mut Vec<u8>, at: usize, change: &dyn Fn(u8) -> u8| {
        if let Some(byte) = bytes.get_mut(at) {
            *byte = change(*byte);
        }
    };
    match damage {
        Damage::Flip(at, bit) => with(bytes, at.index(length), &|byte| byte ^ (1 << bit)),
        Damage::Set(at, value) => with(bytes, at.index(length), &|_| *value),
        Damage::Step(at, true) => with(bytes, at.index(length), &|byte| byte.wrapping_add(1)),
        Damage::Step(at, false) => with(bytes, at.index(length), &|byte| byte.wrapping_sub(1)),
        Damage::Cut(at, count) => {
            let start = at.index(length);
            bytes.drain(start..length.min(start + count));
        }
        Damage::Insert(at, more) => {
            let start = at.index(length);
            bytes.splice(start..start, more.iter().copied());
        }
        Damage::Splice(of, from, at, count) => {
            let source = of.get(pool);
            let piece: Vec<u8> = source.iter().copied().skip(from.index(source.len())).take(*count).collect();
            let start = at.index(length);
            bytes.splice(start..length.min(start + piece.len()), piece);
        }
        Damage::OverLong(at) => {
            let start = at.index(length);
            with(bytes, start, &|byte| byte | 0x80);
            bytes.insert(start + 1, 0);
        }
    }
}

/// Whether the bytes were accepted; if so, they are what the value encodes to.
fn judge<T: Wire + PartialEq + Debug>(bytes: &[u8]) -> bool {
    let Ok(value) = decode::<T>(bytes) else { return false };
    assert_eq!(encode(&value).expect("what was accepted encodes"), bytes);
    let written = to_json(PREFIX, &value).expect("what was accepted has a JSON form");
    assert_eq!(from_json::<T>(PREFIX, &written).expect("its JSON form is read"), value);
    true
}

/// Whether a text was accepted; if so, its value goes through bytes and canonical JSON unchanged.
fn judge_json<T: Wire + PartialEq + Debug>(text: &[u8]) -> bool {
    let Ok(value) = from_json::<T>(PREFIX, text) else { return false };
    let Ok(bytes) = encode(&value) else { return false };
    assert!(judge::<T>(&bytes));
    assert_eq!(decode::<T>(&bytes).expect("what was encoded decodes"), value);
    true
}

fn run(cases: u32, names: &[String], pool: &[Vec<u8>], judge: impl Fn(&str, &[u8]) -> bool) -> (u32, u32) {
    let (accepted, refused) = (Cell::new(0), Cell::new(0));
    let input = (any::<prop::sample::Index>(), prop::collection::vec(damage(), 1..4));
    // Failures shrink; nothing is written beside the sources.
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
        .run(&input, |(which, damages)| {
            let number = which.index(pool.len());
            let (name, mut bytes) = (names.get(number).expect("name"), pool.get(number).expect("bytes").clone());
            for damage in &damages {
                apply(&mut bytes, damage, pool);
            }
            let count = if judge(name, &bytes) { &accepted } else { &refused };
            count.set(count.get() + 1);
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{error}"));
    (accepted.get(), refused.get())
}

#[test]
fn damaged_encodings_are_refused_or_canonical() {
    let file = vectors("codec.json");
    let cases = list(&file, "valid");
    let names: Vec<String> = cases.iter().map(|case| text(case, "type").to_owned()).collect();
    let pool: Vec<Vec<u8>> = cases.iter().map(|case| bytes(case, "bytes")).collect();
    let judged = |name: &str, bytes: &[u8]| dispatch!(judge, name, bytes);
    assert!(names.iter().zip(&pool).all(|(name, bytes)| judged(name, bytes)));
    let (accepted, refused) = run(CASES, &names, &pool, judged);
    // Both answers occur often, or the damage is too small or too large to test anything.
    assert!(accepted > CASES / 20 && refused > CASES / 4, "{accepted} accepted, {refused} refused");
}

#[test]
fn damaged_texts_are_refused_or_canonical() {
    let file = vectors("codec.json");
    let cases = list(&file, "valid");
    let names: Vec<String> = cases.iter().map(|case| text(case, "type").to_owned()).collect();
    let pool: Vec<Vec<u8>> = cases.iter().map(|case| case["json"].to_string().into_bytes()).collect();
    let judged = |name: &str, text: &[u8]| dispatch!(judge_json, name, text);
    assert!(names.iter().zip(&pool).all(|(name, text)| judged(name, text)));
    let (accepted, refused) = run(JSON_CASES, &names, &pool, judged);
    assert!(accepted > JSON_CASES / 100 && refused > JSON_CASES / 4, "{accepted} accepted, {refused} refused");
}
