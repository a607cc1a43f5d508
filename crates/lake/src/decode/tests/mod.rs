//! Tests of the decoder, each rule by itself and then against slow models.

mod fixtures;
mod inference;
mod keys;
mod model;
mod nesting;
mod records;
mod render;
mod scalars;
mod texts;

use affluent_core::schema::Schema;

use super::{Decoder, KeySpec};

/// Decodes records of one schema and shows each as its cells, `_rescued` last.
fn rows(schema: &str, records: &[&str]) -> Vec<Vec<String>> {
    let schema = Schema::parse(schema).unwrap();
    let mut decoder = Decoder::new(&schema, KeySpec::default(), None);
    for record in records {
        decoder.append(None, record.as_bytes()).unwrap();
    }
    render::rows(&mut decoder)
}

/// The cell and what is rescued when a value is read into a column `v` of a type.
fn cell(ty: &str, value: &str) -> (String, String) {
    let rows = rows(&format!("v {ty}"), &[&format!("{{\"v\":{value}}}")]);
    (rows[0][0].clone(), rows[0][1].clone())
}

/// Checks that a value is wholly in its column, as `shown`.
fn fits(ty: &str, value: &str, shown: &str) {
    assert_eq!(cell(ty, value), (shown.to_owned(), "null".to_owned()), "{value} as {ty}");
}

/// Checks that a value is kept as it was written, and its column has `shown`.
fn rescued(ty: &str, value: &str, shown: &str) {
    assert_eq!(cell(ty, value), (shown.to_owned(), format!("{{\"v\":{value}}}")), "{value} as {ty}");
}
