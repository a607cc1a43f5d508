//! Whatever bytes arrive as a frame, decoding them ends in a request or an error.
//!
//! Run with `cargo +nightly fuzz run frame` in `crates/embedded`.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    affluent_embedded::check_frame(bytes);
});
