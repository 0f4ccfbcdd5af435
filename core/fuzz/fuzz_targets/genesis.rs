//! Genesis files, as bytes and through their JSON form.
#![no_main]

use bubi_codec::{
    block::Genesis,
    decode, encode,
    text::{from_json, to_json},
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(value) = decode::<Genesis>(bytes) {
        assert_eq!(encode(&value).as_deref(), Ok(bytes));
        let text = to_json("bubidev", &value).expect("what was accepted has a JSON form");
        assert_eq!(from_json::<Genesis>("bubidev", &text).expect("its JSON form is read"), value);
    }
});
