//! Signed transactions as clients send them, and the body inside.
#![no_main]

use bubi_codec::{decode, encode, transaction::SignedTransaction};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(value) = decode::<SignedTransaction>(bytes) {
        assert_eq!(encode(&value).as_deref(), Ok(bytes));
        if let Ok(body) = value.body() {
            assert_eq!(encode(&body).as_deref(), Ok(value.body_bytes()));
        }
    }
});
