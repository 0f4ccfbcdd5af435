//! Canonical bytes and JSON forms: one form each, every second form refused.

use bubi_codec::{
    decode, encode,
    identity::{Address, AssetId},
    operation::{Operation, OperationBody},
    text::{from_json, to_json},
    transaction::{BodyV1, Precondition, ReplayKey, TransactionBody},
    DecodeError,
};
use bubi_crypto::{Hash, HashSuite, PublicKey};

const PREFIX: &str = "bubidev";

fn transfer() -> TransactionBody {
    let address = |byte| Address::of_key(HashSuite::Standard, &PublicKey::Ed25519([byte; 32]));
    TransactionBody::V1(BodyV1 {
        source: address(1),
        replay: ReplayKey::Id([7; 16]),
        valid_until: 1_790_000_000_000,
        preconditions: vec![Precondition::Height { from: 1, to: 9 }],
        memo: vec![1, 2],
        operations: vec![Operation {
            source: None,
            body: OperationBody::Transfer { asset: AssetId(Hash([9; 32])), to: address(2), amount: 100 },
        }],
    })
}

#[test]
fn bytes_round_trip_and_second_forms_are_refused() {
    let bytes = encode(&transfer()).unwrap();
    assert_eq!(decode::<TransactionBody>(&bytes).unwrap(), transfer());
    for length in 0..bytes.len() {
        assert!(decode::<TransactionBody>(&bytes[..length]).is_err(), "accepted a cut at {length}");
    }
    let trailing = [bytes.as_slice(), &[0]].concat();
    assert_eq!(decode::<TransactionBody>(&trailing).unwrap_err().code(), "not_canonical");
    // The memo's length 2 written as two ULEB128 bytes.
    let position = bytes.windows(3).position(|window| window == [2, 1, 2]).unwrap();
    let over_long = [&bytes[..position], &[0x82, 0x00], &bytes[position + 1..]].concat();
    assert_eq!(decode::<TransactionBody>(&over_long).unwrap_err().code(), "not_canonical");
}

#[test]
fn every_flipped_bit_is_refused_or_read_as_another_value_with_the_same_bytes() {
    let bytes = encode(&transfer()).unwrap();
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        if let Ok(value) = decode::<TransactionBody>(&flipped) {
            assert_eq!(encode(&value).unwrap(), flipped);
        }
    }
}

#[test]
fn json_round_trips_and_refuses_second_forms() {
    let text = String::from_utf8(to_json(PREFIX, &transfer()).unwrap()).unwrap();
    assert_eq!(from_json::<TransactionBody>(PREFIX, text.as_bytes()).unwrap(), transfer());
    assert!(text.contains(r#""amount":"100""#), "{text}");
    assert!(text.contains(r#""id":"07070707070707070707070707070707""#), "{text}");
    for (from, to) in [
        (r#""amount":"100""#, r#""amount":100"#),
        (r#""amount":"100""#, r#""amount":"0100""#),
        (r#""amount":"100""#, r#""amount":"-1""#),
        (r#""amount":"100""#, r#""amount":"340282366920938463463374607431768211456""#),
        (r#""amount":"100""#, r#""amount":"100","amount":"100""#),
        (r#""amount":"100""#, r#""amount":"100","fee":"1""#),
        (r#""memo":"0102""#, r#""memo":"010""#),
        (r#""memo":"0102""#, r#""memo":"0A02""#),
        ("bubidev1", "bubi1"),
        ("bubidev1", "BUBIDEV1"),
    ] {
        let other = text.replacen(from, to, 1);
        assert_ne!(other, text, "{from} is not in {text}");
        assert!(from_json::<TransactionBody>(PREFIX, other.as_bytes()).is_err(), "accepted {other}");
    }
}

#[test]
fn limits_of_values_are_checked() {
    let with = |change: fn(&mut BodyV1)| {
        let TransactionBody::V1(mut body) = transfer();
        change(&mut body);
        encode(&TransactionBody::V1(body)).map_err(|error: DecodeError| error.code())
    };
    assert_eq!(with(|body| body.operations.clear()), Err("malformed"));
    assert_eq!(with(|body| body.operations = vec![body.operations[0].clone(); 101]), Err("too_large"));
    assert_eq!(with(|body| body.memo = vec![0; 257]), Err("too_large"));
    assert_eq!(with(|body| body.operations[0].source = Some(Address(Hash([0; 32])))).map(|_| ()), Ok(()));
    let to_self = |body: &mut BodyV1| {
        body.operations[0].body = OperationBody::Transfer { asset: AssetId(Hash([9; 32])), to: body.source, amount: 1 };
    };
    assert_eq!(with(to_self), Err("malformed"));
    let too_much = |body: &mut BodyV1| {
        body.operations[0].body = OperationBody::Burn { asset: AssetId(Hash([9; 32])), amount: 10_u128.pow(38) };
    };
    assert_eq!(with(too_much), Err("malformed"));
}

#[test]
fn json_has_one_form_up_to_absent_options() {
    use bubi_codec::operation::{AssetKind, Thresholds};
    let read = |text: &str| from_json::<Thresholds>("bubidev", text.as_bytes()).is_ok();
    assert!(read(r#"{"default": 1, "operations": {"3": 2}}"#));
    for second in [
        r#"[1, {"3": 2}]"#,
        r#"{"default": 1, "operations": {"3": 2, "3": 2}}"#,
        r#"{"default": 1, "operations": {"3": 2, "03": 2}}"#,
        r#"{"default": 1.0, "operations": {}}"#,
        r#"{"default": 1, "operations": []}"#,
        r#"{"default": 1}"#,
    ] {
        assert!(!read(second), "{second}");
    }
    assert!(from_json::<AssetKind>("bubidev", br#""dated""#).is_ok());
    assert!(from_json::<AssetKind>("bubidev", br#"{"dated": null}"#).is_err());
}
