//! Columns that the Kafka key fills.

use affluent_core::schema::Schema;

use super::render;
use crate::decode::{Decoder, KeyFormat, KeySpec};

/// Decodes one value with its key, and shows the cells.
fn row(schema: &str, columns: &[&str], format: KeyFormat, key: Option<&[u8]>, value: &str) -> Vec<String> {
    let columns = columns.iter().map(|&name| name.to_owned()).collect();
    let schema = Schema::parse(schema).unwrap();
    let mut decoder = Decoder::new(&schema, KeySpec { columns, format }, None);
    decoder.append(key, value.as_bytes()).unwrap();
    render::rows(&mut decoder).remove(0)
}

fn kafka(ty: &str, key: &[u8]) -> Vec<String> {
    row(&format!("k {ty}, v int"), &["K"], KeyFormat::Kafka, Some(key), r#"{"v":1}"#)
}

fn json(key: &str) -> Vec<String> {
    row("a int, b string, v int", &["a", "b"], KeyFormat::Json, Some(key.as_bytes()), r#"{"v":1}"#)
}

#[test]
fn keys_of_kafka_serializers() {
    assert_eq!(kafka("string", "clé".as_bytes()), ["clé", "1", "null"]);
    assert_eq!(kafka("string", b""), ["", "1", "null"]);
    assert_eq!(kafka("int", &(-7i32).to_be_bytes()), ["-7", "1", "null"]);
    assert_eq!(kafka("bigint", &7i64.to_be_bytes()), ["7", "1", "null"]);
    assert_eq!(kafka("double", &1.5f64.to_be_bytes()), ["1.5", "1", "null"]);
}

#[test]
fn keys_that_do_not_fit_are_rescued() {
    assert_eq!(kafka("string", b"\xff\x00"), ["null", "1", r#"{"_key":"/wA="}"#]);
    assert_eq!(kafka("int", b"12345"), ["null", "1", r#"{"_key":"12345"}"#]);
    assert_eq!(kafka("bigint", b"a\"\n"), ["null", "1", r#"{"_key":"a\"\n"}"#]);
    assert_eq!(kafka("boolean", b"true"), ["null", "1", r#"{"_key":"true"}"#]);
    let both = row("k int", &["k"], KeyFormat::Kafka, Some(b"x"), r#"{"u":5}"#);
    assert_eq!(both, ["null", r#"{"u":5,"_key":"x"}"#]);
}

#[test]
fn the_value_has_precedence() {
    let schema = "k string, v int";
    let value = r#"{"k":"mine","v":1}"#;
    assert_eq!(row(schema, &["k"], KeyFormat::Kafka, Some(b"other"), value), ["mine", "1", "null"]);
    let null = row(schema, &["k"], KeyFormat::Kafka, Some(b"other"), r#"{"k":null}"#);
    assert_eq!(null, ["null", "null", "null"]);
    assert_eq!(row(schema, &["k"], KeyFormat::Json, Some(b"not json"), value), ["mine", "1", "null"]);
}

#[test]
fn keys_that_are_absent_or_ignored() {
    let value = r#"{"v":1}"#;
    assert_eq!(row("k string, v int", &["k"], KeyFormat::Kafka, None, value), ["null", "1", "null"]);
    assert_eq!(row("k string, v int", &["k"], KeyFormat::None, Some(b"x"), value), ["null", "1", "null"]);
    assert_eq!(row("k string, v int", &[], KeyFormat::Kafka, Some(b"x"), value), ["null", "1", "null"]);
}

#[test]
fn keys_as_json_objects() {
    assert_eq!(json(r#"{"a":1,"b":"x"}"#), ["1", "x", "1", "null"]);
    assert_eq!(json(r#" {"B":"x","A":1} "#), ["1", "x", "1", "null"]);
    assert_eq!(json(r#"{"b":null,"z":null}"#), ["null", "null", "1", "null"]);
    assert_eq!(json("null"), ["null", "null", "1", "null"]);
}

#[test]
fn what_a_json_key_has_beyond_its_columns_is_rescued() {
    for (key, a, b) in [
        (r#"{"a":"x","b":"y"}"#, "null", "y"),
        (r#"{"a":1,"b":"x","c":2}"#, "1", "x"),
        (r#"{"a":1,"v":2}"#, "1", "null"),
        (r#"{"a":1,"a":2}"#, "1", "null"),
        ("5", "null", "null"),
        ("{\"a\":1", "null", "null"),
        ("", "null", "null"),
    ] {
        let rescued = format!("{{\"_key\":{}}}", serde_json::to_string(key).unwrap());
        assert_eq!(json(key), [a, b, "1", &rescued], "{key}");
    }
}

#[test]
fn a_single_json_column_may_be_bare() {
    let bare =
        |ty: &str, key: &str| row(&format!("k {ty}"), &["k"], KeyFormat::Json, Some(key.as_bytes()), "{}");
    assert_eq!(bare("string", "\"x\""), ["x", "null"]);
    assert_eq!(bare("bigint", " 5 "), ["5", "null"]);
    assert_eq!(bare("decimal(5,2)", "1.25"), ["125", "null"]);
    assert_eq!(bare("array<int>", "[1,2]"), ["[1,2]", "null"]);
    assert_eq!(bare("bigint", "null"), ["null", "null"]);
    assert_eq!(bare("bigint", r#"{"k":5}"#), ["5", "null"]);
    assert_eq!(bare("bigint", "\"5\""), ["null", r#"{"_key":"\"5\""}"#]);
    assert_eq!(bare("bigint", "5 6"), ["null", r#"{"_key":"5 6"}"#]);
}

#[test]
fn a_record_that_breaks_off_takes_nothing_from_its_key() {
    let schema = Schema::parse("k string, v int").unwrap();
    let key = KeySpec { columns: vec!["k".to_owned()], format: KeyFormat::Kafka };
    let mut decoder = Decoder::new(&schema, key, None);
    decoder.append(Some(b"x"), br#"{"v":1"#).unwrap_err();
    decoder.append(Some(b"y"), br#"{"v":2}"#).unwrap();
    assert_eq!(render::rows(&mut decoder), [["y", "2", "null"]]);
}
