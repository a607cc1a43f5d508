//! Feeds without declared columns: real JSON is found again in the lake, and columns grow.

use std::fs;
use std::time::Duration;

use affluent_core::feeds::{Feed, Kind};
use affluent_testkit::{Message, Row, TestLake, require_kafka, require_readers, unique, wait_until};
use serde_json::Value;

use crate::common::{PATIENCE, consumer, fixtures, land, same};

#[test]
fn every_value_of_real_json_is_found_again() {
    let Some(kafka) = require_kafka() else { return };
    let Some(folder) = fixtures("AFFLUENT_JSON_FIXTURES", "json") else { return };
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|kind| kind == "jsonl"));
    assert!(!files.is_empty(), "there is no .jsonl file");
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let topic = kafka.topic("real_json", 1);
        let producer = kafka.producer();
        for line in text.lines() {
            producer.send(&topic.name, 0, Message { value: Some(line.as_bytes()), ..Message::default() });
        }
        producer.flush();
        let lake = TestLake::new();
        land(&kafka, &lake, &topic.name, &unique("real_json"));
        lake.assert_nothing_staged();
        let feed = Feed::name_for_topic(&topic.name);
        let rows = lake.rows(Kind::Stream, &feed);
        assert_eq!(rows.len(), text.lines().count(), "{}", file.display());
        let mut scalars = 0;
        for (line, row) in text.lines().zip(&rows) {
            scalars += assert_found(line, row);
        }
        let rescued = rows.iter().filter(|row| row.rescued().is_some()).count();
        let columns = lake.table(Kind::Stream, &feed).schema().unwrap().fields.len();
        let name = file.file_name().unwrap().display();
        println!(
            "{name}: {} rows, {columns} columns, {scalars} scalars, {rescued} rows with rescued fields",
            rows.len()
        );
        if let Some(readers) = require_readers() {
            let facts = readers.assert_agree(&lake, Kind::Stream, &feed);
            assert_eq!(facts["rows(*)"], rows.len());
        }
    }
}

/// Every scalar of a message is in its row, in the column of its path or in `_rescued`; how many.
fn assert_found(line: &str, row: &Row) -> usize {
    let message: Value = serde_json::from_str(line).unwrap();
    let rescued: Value = row.rescued().map_or(Value::Null, |text| serde_json::from_str(text).unwrap());
    let mut scalars = 0;
    for (name, value) in message.as_object().unwrap() {
        let in_column = found(value, row.get(name), &mut scalars);
        let in_rescued = rescued.get(name).is_some_and(|rescued| same(value, rescued));
        assert!(in_column || in_rescued, "{name} of offset {} is lost: {value}", row.offset);
    }
    scalars
}

/// Is every scalar of `value` in the column's value? Nulls and empty things say nothing.
fn found(value: &Value, landed: &Value, scalars: &mut usize) -> bool {
    match (value, landed) {
        (Value::Null, Value::Null) => true,
        (Value::Object(members), _) => members
            .iter()
            .all(|(name, value)| found(value, landed.get(name).unwrap_or(&Value::Null), scalars)),
        (Value::Array(items), Value::Array(landed)) => {
            items.len() == landed.len()
                && items.iter().zip(landed).all(|(item, landed)| found(item, landed, scalars))
        }
        (Value::Array(items), Value::Null) => items.is_empty(),
        (value, landed) => {
            *scalars += 1;
            same(value, landed)
        }
    }
}

#[test]
fn new_fields_become_columns_and_older_files_stay_readable() {
    let Some(kafka) = require_kafka() else { return };
    let topic = kafka.topic("growth", 2);
    let producer = kafka.producer();
    let lake = TestLake::new();
    let feed = Feed::name_for_topic(&topic.name);
    let rounds = [
        r#"{"id":#,"name":"a"}"#,
        r#"{"id":#,"name":"b","place":{"city":"Rome"},"tags":["x"]}"#,
        r#"{"id":#,"name":"c","place":{"city":"Rome","zip":7},"tags":["x"],"Id":"other case","rate":0.5}"#,
    ];
    let mut consumer = consumer(&kafka, &lake, &topic.name, &unique("growth"))
        .args(["--max-latency", "200ms"])
        .start(lake.logs(), "growing");
    let mut sent: Vec<String> = Vec::new();
    for round in rounds {
        // Twice: the records that bring a field find no column yet, those after the commit do.
        for _ in 0..2 {
            for _ in 0..10 {
                let value = round.replace('#', &sent.len().to_string());
                let partition = (sent.len() % 2) as i32;
                producer.send(
                    &topic.name,
                    partition,
                    Message { value: Some(value.as_bytes()), ..Message::default() },
                );
                sent.push(value);
            }
            producer.flush();
            wait_until("the round", PATIENCE, || {
                let next =
                    |partition| lake.next_offset(Kind::Stream, &feed, &topic.name, partition).unwrap_or(0);
                assert!(consumer.is_running(), "the consumer has ended:\n{}", consumer.log());
                next(0) + next(1) == sent.len() as i64
            });
        }
    }
    consumer.terminate();
    consumer.wait(Duration::from_secs(30)).assert_code(0);

    let rows = lake.rows(Kind::Stream, &feed);
    assert_eq!(rows.len(), sent.len());
    for row in &rows {
        let id = row.get("id").as_u64().unwrap();
        assert_found(&sent[id as usize], row);
        // The last ten of each round have columns for everything but the name in another case.
        if id % 20 >= 10 && id < 40 {
            assert_eq!(row.rescued(), None, "{row:?}");
        }
    }
    let last = rows.iter().max_by_key(|row| row.get("id").as_u64()).unwrap();
    assert_eq!(last.get("place")["zip"], 7);
    assert_eq!(last.get("rate"), 0.5);
    assert_eq!(last.rescued(), Some(r#"{"Id":"other case"}"#));
    let schema = lake.table(Kind::Stream, &feed).schema().unwrap();
    let names: Vec<&str> = schema.fields.iter().map(|field| field.name.as_str()).collect();
    assert_eq!(names, ["id", "name", "place", "tags", "rate"]);
    let first: Vec<String> = lake
        .files(Kind::Stream, &feed)
        .into_iter()
        .map(|file| (file.contains("-00000000000000000000-"), file))
        .filter_map(|(first, file)| first.then_some(file))
        .collect();
    assert_eq!(first.len(), 2, "each partition has a first file");
    for file in first {
        let columns = lake.columns_of(Kind::Stream, &feed, &file);
        assert!(!columns.contains(&"place".to_owned()), "{file} has {columns:?}");
    }
    if let Some(readers) = require_readers() {
        let facts = readers.assert_agree(&lake, Kind::Stream, &feed);
        assert_eq!(facts["values(rate)"], 10);
    }
}
