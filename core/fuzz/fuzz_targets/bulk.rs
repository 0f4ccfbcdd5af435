//! Bulk bodies: lists of byte strings, and what the batches of the log are made of.
#![no_main]

use bubi_chain::{join_bulk, split_bulk};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(ranges) = split_bulk(bytes) {
        let parts = ranges.iter().map(|range| &bytes[range.clone()]);
        assert_eq!(join_bulk(ranges.len(), parts), bytes);
    }
});
