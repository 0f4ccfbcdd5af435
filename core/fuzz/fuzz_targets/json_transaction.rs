//! The JSON form of transactions: what is accepted has one value, which goes through bytes and JSON unchanged.
#![no_main]

use bubi_codec::{
    decode, encode,
    text::{from_json, to_json},
    transaction::TransactionBody,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    let Ok(value) = from_json::<TransactionBody>("bubidev", text) else { return };
    let Ok(bytes) = encode(&value) else { return };
    assert_eq!(decode::<TransactionBody>(&bytes).as_ref(), Ok(&value));
    let written = to_json("bubidev", &value).expect("a value has a JSON form");
    assert_eq!(from_json::<TransactionBody>("bubidev", &written).expect("its JSON form is read"), value);
});
