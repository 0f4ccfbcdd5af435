//! Block records of the log.
#![no_main]

use bubi_codec::{
    block::BlockRecord,
    decode, encode,
    text::{from_json, to_json},
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(value) = decode::<BlockRecord>(bytes) {
        assert_eq!(encode(&value).as_deref(), Ok(bytes));
        let text = to_json("bubidev", &value).expect("what was accepted has a JSON form");
        assert_eq!(from_json::<BlockRecord>("bubidev", &text).expect("its JSON form is read"), value);
    }
});
