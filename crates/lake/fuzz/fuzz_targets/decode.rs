//! Whatever bytes arrive as messages: the decoder takes exactly the objects among them, and what it
//! does not take leaves no trace.
//!
//! Run with `cargo +nightly fuzz run decode` in `crates/lake`. A line is a message.

#![no_main]

use affluent_core::schema::Schema;
use affluent_lake::decode::{Decoder, Inferred, KeyFormat, KeySpec, validate};
use libfuzzer_sys::fuzz_target;
use serde::de::IgnoredAny;

const SCHEMA: &str = "k string, i int, l bigint, d double, m decimal(9,2), s string, y bytes, t timestamp, h time, \
                      a date, b boolean, o struct<x string, l array<int>>, p map<string, double>";

fuzz_target!(|bytes: &[u8]| {
    let schema = Schema::parse(SCHEMA).expect("the schema is well formed");
    let key = KeySpec { columns: vec!["k".to_owned()], format: KeyFormat::Json };
    let mut mixed = Decoder::new(&schema, key.clone(), Some("t")).with_growth(true);
    let mut valid = Decoder::new(&schema, key, Some("t"));
    let mut inferred = Inferred::new();
    for message in bytes.split(|&byte| byte == b'\n') {
        // No value is built: of values, `serde_json` asks more than the grammar does.
        let text = std::str::from_utf8(message);
        let json = text.is_ok_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok());
        assert_eq!(validate(message).is_ok(), json);
        let object = message.trim_ascii_start().first() == Some(&b'{');
        // The message is its own key, too.
        let taken = mixed.append(Some(message), message);
        assert_eq!(taken.is_ok(), json && object);
        assert_eq!(inferred.observe(message).is_ok(), taken.is_ok());
        if taken.is_ok() {
            assert_eq!(valid.append(Some(message), message), taken);
        }
    }
    if let Some(grown) = inferred.merge_into(&schema) {
        assert_eq!(inferred.merge_into(&grown), None);
    }
    let (mixed, valid) = (mixed.finish(), valid.finish());
    assert_eq!(mixed.rows, valid.rows);
    for (mixed, valid) in mixed.columns.iter().zip(&valid.columns) {
        assert_eq!(mixed, valid);
        mixed.to_data().validate_full().expect("finished columns are sound");
    }
});
