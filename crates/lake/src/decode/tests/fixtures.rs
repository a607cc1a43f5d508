//! Messages that nobody here wrote: after decoding, every scalar of every record is found again,
//! in its column or in what was rescued.

use std::path::PathBuf;

use affluent_core::schema::Schema;
use arrow::array::{Array, AsArray};
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use serde_json::{Map, Value};

use crate::decode::{Decoder, Inferred, KeySpec};

/// The lines of a file of `AFFLUENT_JSON_FIXTURES`; None if it is not there.
fn lines(file: &str) -> Option<Vec<String>> {
    #[allow(clippy::disallowed_methods, reason = "names a folder of test data, not a setting")]
    let folder = std::env::var_os("AFFLUENT_JSON_FIXTURES").map(PathBuf::from);
    let beside = || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/json"));
    let path = folder.unwrap_or_else(beside).join(file);
    match std::fs::read_to_string(&path) {
        Ok(text) => Some(text.lines().map(str::to_owned).collect()),
        Err(error) => {
            println!("skipped: {} is not there ({error})", path.display());
            None
        }
    }
}

/// A cell as JSON, without the members that are null.
fn json(array: &dyn Array, row: usize) -> Value {
    if array.is_null(row) {
        return Value::Null;
    }
    match array.data_type() {
        DataType::Boolean => array.as_boolean().value(row).into(),
        DataType::Int64 => array.as_primitive::<Int64Type>().value(row).into(),
        DataType::Float64 => array.as_primitive::<Float64Type>().value(row).into(),
        DataType::Utf8 => array.as_string::<i32>().value(row).into(),
        DataType::List(_) => {
            let items = array.as_list::<i32>().value(row);
            (0..items.len()).map(|item| json(&items, item)).collect()
        }
        DataType::Struct(fields) => {
            let columns = array.as_struct().columns();
            let members =
                fields.iter().zip(columns).map(|(field, column)| (field.name().clone(), json(column, row)));
            Value::Object(members.filter(|(_, value)| !value.is_null()).collect())
        }
        other => panic!("nothing is inferred as {other}"),
    }
}

/// The scalars of a value and where they are, as JSON pointers.
fn scalars(value: &Value, pointer: &str, found: &mut Vec<(String, Value)>) {
    match value {
        Value::Null => {}
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(at, item)| scalars(item, &format!("{pointer}/{at}"), found));
        }
        Value::Object(members) => {
            members.iter().for_each(|(name, member)| scalars(member, &format!("{pointer}/{name}"), found));
        }
        scalar => found.push((pointer.to_owned(), scalar.clone())),
    }
}

fn same(scalar: &Value, found: &Value) -> bool {
    scalar == found || found.is_f64() && scalar.as_f64() == found.as_f64()
}

/// How the scalars of a file were found again.
#[derive(Debug, PartialEq, Eq)]
struct Found {
    in_columns: usize,
    only_rescued: usize,
}

/// Infers a schema from the first `known` lines, reads all lines with it, and looks for every scalar.
fn check(file: &str, known: usize) -> Option<Found> {
    let lines = lines(file)?;
    let mut inferred = Inferred::new();
    lines.iter().take(known).for_each(|line| inferred.observe(line.as_bytes()).unwrap());
    let schema = inferred.merge_into(&Schema::default()).unwrap_or_default();
    let mut decoder = Decoder::new(&schema, KeySpec::default(), None);
    for line in &lines {
        decoder.append(None, line.as_bytes()).unwrap();
    }
    let batch = decoder.finish();
    let (rescued, columns) = batch.columns.split_last().unwrap();
    let mut found = Found { in_columns: 0, only_rescued: 0 };
    for (row, line) in lines.iter().enumerate() {
        let named =
            schema.fields.iter().zip(columns).map(|(field, array)| (field.name.clone(), json(array, row)));
        let columns = Value::Object(named.collect::<Map<_, _>>());
        let rescued: Value = match json(rescued, row) {
            Value::String(text) => serde_json::from_str(&text).unwrap(),
            _ => Value::Null,
        };
        let mut all = Vec::new();
        scalars(&serde_json::from_str(line).unwrap(), "", &mut all);
        for (pointer, scalar) in all {
            let held_by = |tree: &Value| tree.pointer(&pointer).is_some_and(|value| same(&scalar, value));
            match (held_by(&columns), held_by(&rescued)) {
                (true, _) => found.in_columns += 1,
                (false, true) => found.only_rescued += 1,
                (false, false) => panic!("{file} {row}: {pointer} is lost, {scalar}"),
            }
        }
    }
    println!("{file}, columns of {known} records: {found:?}");
    Some(found)
}

#[test]
fn tweets_lose_nothing() {
    let Some(all) = check("tweets.jsonl", 100) else { return };
    assert!(all.in_columns > 5000 && all.only_rescued == 0);
    let partial = check("tweets.jsonl", 1).unwrap();
    assert!(partial.only_rescued > 0);
    assert_eq!(partial.in_columns + partial.only_rescued, all.in_columns);
    let none = Found { in_columns: 0, only_rescued: all.in_columns };
    assert_eq!(check("tweets.jsonl", 0), Some(none));
}

#[test]
fn people_lose_nothing() {
    let Some(all) = check("random.jsonl", 1000) else { return };
    assert!(all.in_columns > 5000 && all.only_rescued == 0);
    assert_eq!(check("random.jsonl", 1), Some(all));
}
