//! What is JSON: RFC 8259 itself, and `serde_json` as a witness on mutated texts.

use affluent_core::schema::Schema;
use proptest::prelude::*;
use serde::de::IgnoredAny;

use super::render;
use crate::decode::{Decoder, KeySpec, Reject, validate};

#[test]
fn texts_that_are_json() {
    for text in [
        "0",
        "-0",
        "-0.0e-0",
        "1E+9",
        "1e999999",
        "123456789012345678901234567890.5",
        "\"\"",
        "\"\\ud800\"",
        "\"\\uDEAD\\u0000\"",
        "\"\u{7f}\u{2028}\"",
        "[]",
        "[ ]",
        "{}",
        "{ }",
        " \t\r\n[1 , 2]\n",
        "{\"a\":1,\"a\":2}",
        "[[],{},\"\",0,true,false,null]",
        "\"\u{feff}\"",
        "{\"\":{\"\":[]}}",
    ] {
        assert_eq!(validate(text.as_bytes()), Ok(()), "{text}");
    }
}

#[test]
fn texts_that_are_not() {
    for text in [
        "",
        " ",
        "tru",
        "truee",
        "True",
        "nul",
        "NaN",
        "Infinity",
        "-",
        "+1",
        "01",
        "-01",
        "1.",
        ".5",
        "1.e5",
        "1e",
        "1e+",
        "0x1",
        "1_000",
        "--1",
        "1 2",
        "\"",
        "\"\\\"",
        "\"\\x41\"",
        "\"\\u12\"",
        "\"\\u12g4\"",
        "\"\\U0041\"",
        "'a'",
        "\"\n\"",
        "\"\t\"",
        "\"\0\"",
        "[",
        "]",
        "[1",
        "[1,",
        "[1,]",
        "[,1]",
        "[1 2]",
        "[1}",
        "{",
        "}",
        "{\"a\"",
        "{\"a\":",
        "{\"a\":1",
        "{\"a\":1,",
        "{\"a\":1,}",
        "{,}",
        "{\"a\" 1}",
        "{a:1}",
        "{1:1}",
        "{\"a\":1]",
        "{\"a\":1 \"b\":2}",
        "{\"a\",\"b\"}",
        "[1]//",
        "/**/1",
        "1\u{a0}",
        "\u{feff}1",
        "1\0",
        "\0",
        "[\u{b}]",
        "{\"a\":1}}",
        "\"a\"b",
    ] {
        assert!(matches!(validate(text.as_bytes()), Err(Reject::Syntax { .. })), "{text:?}");
    }
}

#[test]
fn texts_that_are_not_utf8() {
    for bytes in [
        &b"\"\xff\""[..],
        b"\"abcdefghijklmnopqrstuvwxyz\xc3\"",
        b"\"\xed\xa0\x80\"",
        b"\"\xc0\x80\"",
        b"\"\xf4\x90\x80\x80\"",
        b"{\"\xe9\":1}",
    ] {
        let valid = std::str::from_utf8(bytes).unwrap_err().valid_up_to();
        assert_eq!(validate(bytes), Err(Reject::InvalidUtf8 { at: valid }), "{bytes:?}");
    }
    assert!(matches!(validate(b"[\xc3\xa9]"), Err(Reject::Syntax { at: 1, .. })));
}

/// `serde_json` takes the same texts as long as it builds no values of them. Of values it asks more
/// than the grammar does.
#[test]
fn where_serde_json_asks_for_more() {
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    for text in ["\"\\ud800\"", "1e999", &deep] {
        assert!(serde_json::from_str::<serde_json::Value>(text).is_err());
        assert!(serde_json::from_str::<IgnoredAny>(text).is_ok());
        assert_eq!(validate(text.as_bytes()), Ok(()));
    }
}

/// Whether `serde_json` takes it, without building a value.
fn witness(text: &[u8]) -> bool {
    std::str::from_utf8(text).is_ok_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok())
}

const SEEDS: [&str; 4] = [
    r#"{"i":-12,"d":1.5e3,"m":12.34,"s":"a\u00e9\"\\ 😊 long enough for a block","t":"2025-11-24T08:16:07.123Z","b":true}"#,
    r#" { "o" : { "x" : "y" , "l" : [ 1 , 2.0 , null ] } , "m" : -0.5 , "s" : null , "unknown" : [ { } , false ] } "#,
    r#"{"p":{"k":1,"ключ":2},"y":"AQID","h":"12:30:01","a":"2024-02-29","i":10000000000,"s":"plain","s":"again"}"#,
    r#"{"i":0,"s":"","o":{},"p":{},"d":0.1,"b":false,"t":1763972167123}"#,
];
const SCHEMA: &str = "i int, d double, m decimal(9,2), s string, t timestamp, b boolean, o struct<x string, l \
                      array<int>>, p map<string, int>, y bytes, h time, a date";

/// A change of one place: what is removed, and what is put there.
fn change() -> impl Strategy<Value = (prop::sample::Index, usize, Vec<u8>)> {
    let pieces: &[&[u8]] = &[
        b"",
        b"\"",
        b"\\",
        b"{",
        b"}",
        b"[",
        b"]",
        b",",
        b":",
        b" ",
        b"0",
        b"-",
        b".",
        b"e",
        b"1",
        b"null",
        b"\\u12",
        b"\xc3",
        b"\xff",
        b"\x00",
        b"\n",
        b"\\ud83d",
        b"/",
        b"true",
        b"\xf0\x9f\x98\x8a",
    ];
    let piece = prop_oneof![
        4 => prop::sample::select(pieces).prop_map(<[u8]>::to_vec),
        1 => any::<u8>().prop_map(|byte| vec![byte]),
    ];
    (any::<prop::sample::Index>(), 0usize..3, piece)
}

fn mutated() -> impl Strategy<Value = Vec<u8>> {
    (prop::sample::select(&SEEDS[..]), prop::collection::vec(change(), 0..4)).prop_map(|(seed, changes)| {
        let mut text = seed.as_bytes().to_vec();
        for (place, length, piece) in changes {
            let start = place.index(text.len() + 1);
            let end = (start + length).min(text.len());
            text.splice(start..end, piece);
        }
        text
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn mutated_texts_are_judged_as_serde_json_judges_them(text in mutated()) {
        prop_assert_eq!(validate(&text).is_ok(), witness(&text), "{}", String::from_utf8_lossy(&text));
    }

    /// A decoder takes what is an object, and is as before after what is none.
    #[test]
    fn decoders_take_the_same_texts_and_recover(texts in prop::collection::vec(mutated(), 1..6)) {
        let schema = Schema::parse(SCHEMA).unwrap();
        let mut mixed = Decoder::new(&schema, KeySpec::default(), None).with_growth(true);
        let mut valid = Decoder::new(&schema, KeySpec::default(), None);
        for text in &texts {
            let object = text.trim_ascii_start().first() == Some(&b'{');
            let taken = mixed.append(None, text);
            prop_assert_eq!(taken.is_ok(), object && witness(text), "{}", String::from_utf8_lossy(text));
            if taken.is_ok() {
                prop_assert_eq!(valid.append(None, text), taken);
            }
        }
        prop_assert_eq!(mixed.bytes(), valid.bytes());
        prop_assert_eq!(render::rows(&mut mixed), render::rows(&mut valid));
    }
}
