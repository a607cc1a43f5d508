//! Every topic's messages: the same for the same seed, valid, and of the feed's columns.

use std::collections::{BTreeMap, BTreeSet};

use affluent_core::feeds::{Feed, KeyFormat, builtin};
use affluent_core::schema::Type;
use chrono::DateTime;
use proptest::prelude::*;
use serde_json::{Map, Value};

use super::*;

fn plan(seed: u64) -> Plan {
    let mut plan = Plan::new(seed, 500, 50, 0.0);
    plan.start_micros = 1_767_225_600_000_000;
    plan
}

fn known(topic: &str) -> Source {
    Source::Known(Known::of_topic(topic).unwrap())
}

fn message(source: &mut Source, plan: &Plan, index: u64) -> (Option<Vec<u8>>, Option<Vec<u8>>) {
    let mut record = Record::default();
    assert!(source.write(plan, index, &mut record).unwrap());
    (record.key_bytes().map(<[u8]>::to_vec), record.value_bytes().map(<[u8]>::to_vec))
}

fn object(bytes: &[u8]) -> Map<String, Value> {
    match serde_json::from_slice(bytes) {
        Ok(Value::Object(fields)) => fields,
        other => panic!("{other:?}: {}", String::from_utf8_lossy(bytes)),
    }
}

/// Columns of key and value together, in lower case.
fn columns(feed: &Feed, key: &[u8], value: &[u8]) -> BTreeMap<String, Value> {
    let mut columns: BTreeMap<String, Value> =
        object(value).into_iter().map(|(name, value)| (name.to_lowercase(), value)).collect();
    match feed.key.format {
        KeyFormat::Json => {
            columns.extend(object(key).into_iter().map(|(name, value)| (name.to_lowercase(), value)));
        }
        KeyFormat::Kafka => {
            let text = String::from_utf8(key.to_vec()).unwrap();
            let inside = columns.insert(feed.key.columns[0].clone(), Value::String(text.clone()));
            assert!(inside.is_none_or(|inside| inside == Value::String(text)), "key and value differ");
        }
        KeyFormat::None => {}
    }
    columns
}

fn fits(value: &Value, ty: &Type) -> bool {
    match (ty, value) {
        (_, Value::Null) | (Type::String, Value::String(_)) => true,
        (Type::Int, Value::Number(number)) => number.as_i64().is_some_and(|n| i32::try_from(n).is_ok()),
        (Type::Bigint, Value::Number(number)) => number.is_i64(),
        (Type::Double, Value::Number(_)) => true,
        (Type::Decimal(..), Value::Number(number)) => {
            let cents = number.as_f64().unwrap() * 1e6;
            (cents - cents.round()).abs() < 1e-3
        }
        (Type::Timestamp, Value::String(text)) => DateTime::parse_from_rfc3339(text).is_ok(),
        (Type::Struct(fields), Value::Object(object)) => {
            object.len() == fields.len() && fields.iter().all(|field| fits(&object[&field.name], &field.ty))
        }
        _ => false,
    }
}

#[test]
fn messages_have_the_columns_of_their_feed() {
    for feed in builtin(DateTime::UNIX_EPOCH) {
        let mut source = known(&feed.name);
        let schema = feed.schema.as_ref().unwrap();
        for index in 0..2_000 {
            let (key, value) = message(&mut source, &plan(3), index);
            let found = columns(&feed, &key.unwrap(), &value.unwrap());
            let wanted: BTreeSet<&str> = schema.fields.iter().map(|field| field.name.as_str()).collect();
            assert_eq!(found.keys().map(String::as_str).collect::<BTreeSet<_>>(), wanted, "{}", feed.name);
            for field in &schema.fields {
                assert!(fits(&found[&field.name], &field.ty), "{} {}: {found:?}", feed.name, field.name);
            }
        }
    }
}

#[test]
fn derived_topics_are_written_as_ksqldb_writes_them() {
    let text = |topic: &str| {
        let (key, value) = message(&mut known(topic), &plan(1), 0);
        (String::from_utf8(key.unwrap()).unwrap(), String::from_utf8(value.unwrap()).unwrap())
    };
    let (key, value) = text("USER_TRANSACTION_SUMMARY");
    assert!(key.starts_with("{\"USER_ID\":\"USER-") && key.contains("\",\"TRANSACTION_TYPE\":\""), "{key}");
    assert!(value.starts_with("{\"USER_NAME\":") && !value.contains("USER_ID"), "{value}");
    let (key, value) = text("transaction_flattened");
    assert!(key.starts_with("USER-") && !value.contains("USER_ID") && value.contains("\"CITY\":"), "{value}");
    let (key, value) = text("transaction_stream_anonymized");
    assert!(key.starts_with("TX-") && value.contains("\"USER_ID\":\"XXXX-n"), "{value}");
}

#[test]
fn transactions_hold_together() {
    let mut users: BTreeMap<String, (Value, Value)> = BTreeMap::new();
    let mut ids = BTreeSet::new();
    let mut nulls = BTreeSet::new();
    let mut source = known("transaction_stream");
    for index in 0..20_000 {
        let (key, value) = message(&mut source, &plan(9), index);
        let tx = object(&value.unwrap());
        let user = tx["user_id"].as_str().unwrap().to_owned();
        assert_eq!(key.unwrap(), user.as_bytes());
        assert!(ids.insert(tx["transaction_id"].as_str().unwrap().to_owned()));
        let person = (tx["user_name"].clone(), tx["user_email"].clone());
        assert_eq!(users.entry(user).or_insert_with(|| person.clone()), &person);
        let (amount, tax) = (tx["amount"].as_f64().unwrap(), tx["tax_amount"].as_f64().unwrap());
        assert!((1.0..100_000.0).contains(&amount) && (0.0..=amount * 0.23).contains(&tax), "{amount} {tax}");
        nulls.extend(tx.iter().filter(|(_, value)| value.is_null()).map(|(name, _)| name.clone()));
    }
    assert_eq!(users.len(), 500);
    assert_eq!(nulls.into_iter().collect::<Vec<_>>(), ["customer_rating", "discount_code", "quantity"]);
}

#[test]
fn blacklisted_transactions_were_made_where_the_pipeline_says() {
    let mut cities = BTreeSet::new();
    for index in 0..1_000 {
        let (_, value) = message(&mut known("transaction_stream_blacklisted"), &plan(2), index);
        cities.insert(object(&value.unwrap())["CITY"].as_str().unwrap().to_owned());
    }
    assert_eq!(cities.into_iter().collect::<Vec<_>>(), ["Berlin", "Glasgow", "Shenzhen"]);
}

#[test]
fn table_rows_of_a_key_only_grow() {
    let mut counts: BTreeMap<Vec<u8>, i64> = BTreeMap::new();
    for index in 0..20_000 {
        let (key, value) = message(&mut known("user_transaction_summary"), &plan(4), index);
        let row = object(&value.unwrap());
        let count = row["TRANSACTION_COUNT"].as_i64().unwrap();
        let amount = |name: &str| row[name].as_f64().unwrap();
        assert!(amount("MIN_AMOUNT") <= amount("AVG_AMOUNT") && amount("AVG_AMOUNT") <= amount("MAX_AMOUNT"));
        assert!((amount("AVG_AMOUNT") * count as f64 - amount("TOTAL_AMOUNT")).abs() < 0.01);
        let before = counts.insert(key.unwrap(), count);
        assert!(before.is_none_or(|before| before <= count));
    }
    assert!(counts.values().any(|&count| count > 5));
}

#[test]
fn a_skewed_key_is_frequent() {
    let skewed = Plan::new(5, 1_000, 10, 1.2);
    let mut source = known("transaction_stream");
    let first = (0..10_000).filter(|&index| message(&mut source, &skewed, index).0.unwrap() == b"USER-0");
    assert!(first.count() > 1_500);
}

#[test]
fn tombstones_leave_the_other_messages_alone() {
    let mut with = plan(6);
    with.tombstones = 0.25;
    let mut source = known("product_purchase_counts");
    let mut gone = 0;
    for index in 0..4_000 {
        let (plain, tombed) = (message(&mut source, &plan(6), index), message(&mut source, &with, index));
        assert_eq!(plain.0, tombed.0);
        match tombed.1 {
            None => gone += 1,
            value => assert_eq!(value, plain.1),
        }
    }
    assert!((900..1_100).contains(&gone), "{gone}");
}

fn all_sources(plan: &Plan) -> Vec<Source> {
    let templates = Template::built_in_names().map(|name| {
        Source::Template(Template::parse(name, Template::built_in(name).unwrap(), None, plan).unwrap())
    });
    known_topics().map(known).chain(templates).collect()
}

proptest! {
    #[test]
    fn messages_depend_on_seed_and_index_alone(seed: u64, indexes in prop::collection::vec(any::<u32>(), 1..20)) {
        let plan = plan(seed);
        // One thread makes them in order, another backwards, with other messages in between.
        for (mut one, mut other) in all_sources(&plan).into_iter().zip(all_sources(&plan)) {
            let indexes: Vec<u64> = indexes.iter().map(|&index| u64::from(index)).collect();
            let forth: Vec<_> = indexes.iter().map(|&index| message(&mut one, &plan, index)).collect();
            let mut back: Vec<_> = indexes.iter().rev().map(|&index| message(&mut other, &plan, index)).collect();
            back.reverse();
            prop_assert_eq!(forth, back);
        }
    }

    #[test]
    fn padding_gives_the_wanted_size(seed: u64, index: u32, bytes in 600usize..3_000) {
        let mut plan = plan(seed);
        for mut source in all_sources(&plan) {
            plan.bytes = bytes;
            let value = message(&mut source, &plan, u64::from(index)).1.unwrap();
            prop_assert_eq!(value.len(), bytes);
            object(&value);
        }
    }
}

#[test]
fn other_seeds_give_other_messages() {
    for (mut one, mut other) in all_sources(&plan(1)).into_iter().zip(all_sources(&plan(2))) {
        let mut differ = |index| message(&mut one, &plan(1), index) != message(&mut other, &plan(2), index);
        assert!((0..100).filter(|&index| differ(index)).count() > 50);
    }
}

#[test]
fn the_bench_message_has_its_size() {
    let plan = plan(7);
    let template = Template::parse("flat", Template::built_in("flat").unwrap(), None, &plan).unwrap();
    let mut source = Source::Template(template);
    let total: usize = (0..10_000).map(|index| message(&mut source, &plan, index).1.unwrap().len()).sum();
    assert!((274.0..276.0).contains(&(total as f64 / 10_000.0)), "{total}");
    assert_eq!(object(&message(&mut source, &plan, 0).1.unwrap()).len(), 11);
}
