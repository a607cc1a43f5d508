//! Messages as they come in real life: landed, rescued or dead letters, and never in the way of the next.

use affluent_core::clock::Clock;
use affluent_core::feeds::Kind;
use affluent_testkit::{Kafka, Message, Row, TestLake, require_kafka, unique};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use crate::common::{land, land_with};
use crate::transactions::{FEED, day_folder};

/// What must become of a message.
enum Fate {
    /// A row of these columns in the folder of its event's day.
    Event(Value),
    /// A row of these columns in the folder of its Kafka timestamp's day.
    Arrival(Value),
    /// A dead letter whose reason begins so.
    Dead(&'static str),
    /// Nothing: a tombstone.
    Passed,
}

use Fate::{Arrival, Dead, Event, Passed};

struct Case {
    key: &'static [u8],
    value: Option<Vec<u8>>,
    fate: Fate,
}

fn case(value: impl Into<Vec<u8>>, fate: Fate) -> Case {
    Case { key: b"k", value: Some(value.into()), fate }
}

/// The day of the events, and that of their arrival.
fn days() -> (DateTime<Utc>, DateTime<Utc>) {
    let now = Clock::System.now();
    (now - TimeDelta::days(10), now - TimeDelta::days(5))
}

/// What has no row.
fn rejected() -> Vec<Case> {
    vec![
        case(
            r#"{"transaction_id":"a","amount":1"#,
            Dead("not json: expected a comma or the closing bracket at byte 32"),
        ),
        case(r#"{"user_name":"cut in the mid"#, Dead("not json: string without its closing quote")),
        case(r#"{"user_name":"cut"#.as_bytes()[..14].to_vec(), Dead("not json")),
        case(b"{\"user_name\":\"\xff\xfe\"}".to_vec(), Dead("not utf-8 at byte 14")),
        case(b"\xef\xbb\xbf{}".to_vec(), Dead("not json")),
        case(
            r#"{"user_name":"a"} {"user_name":"b"}"#,
            Dead("not json: text after the end of the value at byte 18"),
        ),
        case(r#"{"amount":NaN}"#, Dead("not json")),
        case(r#"{"amount":01}"#, Dead("not json: number with a leading zero")),
        case("{'user_name':'a'}", Dead("not json: expected a name in quotes")),
        case("{\"user_name\":\"tab\there\"}", Dead("not json: control character")),
        case(r#"[{"user_name":"a"}]"#, Dead("json, but not an object")),
        case(r#""text""#, Dead("json, but not an object")),
        case("12", Dead("json, but not an object")),
        case("null", Dead("null where a record is needed")),
        case("", Dead("empty message where a record is needed")),
        case("  \n", Dead("empty message where a record is needed")),
        case("plain words", Dead("not json")),
        case(vec![0, 1, 2, 3, 0xff], Dead("not json")),
    ]
}

/// What is a row, with something of it rescued.
fn rescued() -> Vec<Case> {
    let rescue = |text: &str| Arrival(json!({"user_id": "k", "_rescued": text}));
    let whole = |text: &str| case(text, rescue(text));
    let mut deep = r#"{"deep":"#.to_owned() + &"[".repeat(10_000) + &"]".repeat(10_000);
    deep.push('}');
    vec![
        whole(
            r#"{"transaction_id":7,"quantity":"three","amount":"12.3","location":"Paris","timestamp":true}"#,
        ),
        whole(r#"{"user_name":["a","b"]}"#),
        // Beyond 32 bits, beyond 64, beyond the digits of the column, finer than it, not whole.
        whole(r#"{"quantity":2147483648}"#),
        whole(r#"{"quantity":9223372036854775808,"customer_rating":-9223372036854775809}"#),
        whole(r#"{"amount":10000000000000.00,"tax_amount":1e30}"#),
        whole(r#"{"amount":12.345}"#),
        whole(r#"{"quantity":1.5}"#),
        whole(r#"{"timestamp":"soon"}"#),
        whole(r#"{"timestamp":"2025-02-30T10:00:00Z"}"#),
        whole(r#"{"timestamp":"10000-01-01T00:00:00Z"}"#),
        whole(r#"{"timestamp":"0000-12-31T23:59:59Z"}"#),
        whole(r#"{"user_name":"\ud800 alone"}"#),
        case(deep.clone(), rescue(&deep)),
        case(
            r#"{ "extra" : { "a" : [1, 2.50, "x"] } , "transaction_id":"u", "none":null, "other":9007199254740993.0 }"#,
            Arrival(json!({"user_id": "k", "transaction_id": "u",
                "_rescued": r#"{"extra" : { "a" : [1, 2.50, "x"] },"other":9007199254740993.0}"#})),
        ),
        case(
            r#"{"location":{"city":"Rome","zip":"00118","country":"Italy"}}"#,
            Arrival(json!({"user_id": "k", "location": {"city": "Rome", "country": "Italy"},
                "_rescued": r#"{"location":{"city":"Rome","zip":"00118","country":"Italy"}}"#})),
        ),
        case(
            r#"{"user_name":"first","user_name":"second","USER_NAME":"third"}"#,
            Arrival(json!({"user_id": "k", "user_name": "first",
                "_rescued": r#"{"user_name":"second","USER_NAME":"third"}"#})),
        ),
        Case {
            key: b"\xff\x00",
            ..case(r#"{"status":"x"}"#, Arrival(json!({"status": "x", "_rescued": r#"{"_key":"/wA="}"#})))
        },
    ]
}

/// What is a row and nothing else.
fn landed(event: DateTime<Utc>) -> Vec<Case> {
    let day = event.format("%Y-%m-%d");
    let long = "é".repeat(500_000);
    vec![
        case(
            format!(
                r#"{{"transaction_id":"a","timestamp":"{day}T10:00:00Z","amount":12.30,"quantity":-2147483648}}"#
            ),
            Event(json!({"user_id": "k", "transaction_id": "a", "timestamp": format!("{day}T10:00:00Z"),
                "amount": "12.30", "quantity": -2147483648_i64})),
        ),
        // The zone takes it to the day before.
        case(
            format!(
                r#"{{"timestamp":"{}T00:30:00.123456+02:00"}}"#,
                (event + TimeDelta::days(1)).format("%Y-%m-%d")
            ),
            Event(json!({"user_id": "k", "timestamp": format!("{day}T22:30:00.123456Z")})),
        ),
        case(
            r#"{"timestamp":"9999-12-31T23:59:59Z"}"#,
            Arrival(json!({"user_id": "k", "timestamp": "9999-12-31T23:59:59Z"})),
        ),
        case(
            r#"{"timestamp":"0001-01-01T00:00:00Z"}"#,
            Arrival(json!({"user_id": "k", "timestamp": "0001-01-01T00:00:00Z"})),
        ),
        case(r#"{"user_id":null,"amount":null,"location":null,"timestamp":null}"#, Arrival(json!({}))),
        case("{}", Arrival(json!({"user_id": "k"}))),
        case(
            r#"{"USER_NAME":"a\u0000b \"\ud83d\ude00\" \u00e9","User_Id":"own"}"#,
            Arrival(json!({"user_id": "own", "user_name": "a\0b \"😀\" é"})),
        ),
        case(
            r#"{"location":{"city":null,"country":"Peru"},"amount":9999999999999.99,"tax_amount":-0.1e1}"#,
            Arrival(json!({"user_id": "k", "location": {"country": "Peru"}, "amount": "9999999999999.99",
                "tax_amount": "-1.00"})),
        ),
        case(format!(r#"{{"user_name":"{long}"}}"#), Arrival(json!({"user_id": "k", "user_name": long}))),
        Case { key: b"k", value: None, fate: Passed },
    ]
}

#[test]
fn messy_messages_are_landed_rescued_or_dead_letters() {
    let Some(kafka) = require_kafka() else { return };
    let (event, arrival) = days();
    // Mixed, so that each kind is followed by each other.
    let mut kinds = [landed(event).into_iter(), rescued().into_iter(), rejected().into_iter()];
    let mut cases = Vec::new();
    while kinds.iter().any(|kind| kind.len() > 0) {
        cases.extend(kinds.iter_mut().filter_map(Iterator::next));
    }
    let topic = kafka.topic("messy", 1);
    let producer = kafka.producer();
    for case in &cases {
        let timestamp_ms = Some(arrival.timestamp_millis());
        let value = case.value.as_deref();
        producer.send(&topic.name, 0, Message { key: Some(case.key), value, timestamp_ms, headers: &[] });
    }
    producer.flush();

    let lake = TestLake::new();
    lake.source(FEED, &topic.name);
    let group = unique("messy");
    land(&kafka, &lake, &topic.name, &group);
    lake.assert_nothing_staged();
    assert_eq!(lake.next_offset(Kind::Stream, FEED, &topic.name, 0), Some(cases.len() as i64));
    assert_rows(&lake, &cases, event, arrival);
    assert_letters(&kafka, &lake, &topic.name, &cases, arrival);

    // They are done with: nothing comes again.
    let ended = land(&kafka, &lake, &topic.name, &group);
    let summary: Value = serde_json::from_str(ended.stdout.lines().last().unwrap()).unwrap();
    assert_eq!((&summary["records"], &summary["dead_letters"]), (&json!(0), &json!(0)), "{summary}");
    assert_letters(&kafka, &lake, &topic.name, &cases, arrival);
}

fn assert_rows(lake: &TestLake, cases: &[Case], event: DateTime<Utc>, arrival: DateTime<Utc>) {
    let mut rows: Vec<Row> = lake.rows(Kind::Stream, FEED);
    rows.reverse();
    for (offset, case) in cases.iter().enumerate() {
        let text = String::from_utf8_lossy(case.value.as_deref().unwrap_or_default());
        let text: String = text.chars().take(200).collect();
        let (values, day) = match &case.fate {
            Event(values) => (values, event),
            Arrival(values) => (values, arrival),
            Dead(_) | Passed => continue,
        };
        let mut row = rows.pop().unwrap_or_else(|| panic!("no row of {text}"));
        assert_eq!((row.partition, row.offset), (0, offset as i64), "the next row is another's than {text}");
        let timestamp = row.values.remove("kafka_timestamp").unwrap();
        let timestamp = DateTime::parse_from_rfc3339(timestamp.as_str().unwrap()).unwrap();
        assert_eq!(timestamp.timestamp_millis(), arrival.timestamp_millis(), "{text}");
        // Not `assert_eq`: some are a megabyte long.
        assert!(Value::Object(row.values.clone()) == *values, "{text}\nbecame {}", cut(&row));
        assert_eq!(row.folder, day_folder(day.date_naive()), "{text}");
    }
    assert!(rows.is_empty(), "rows of none of the messages: {rows:?}");
}

fn cut(row: &Row) -> String {
    format!("{:?}", row.values).chars().take(500).collect()
}

fn assert_letters(kafka: &Kafka, lake: &TestLake, topic: &str, cases: &[Case], arrival: DateTime<Utc>) {
    let mut sent = kafka.read_all(&format!("{topic}.dlq")).into_iter();
    let mut kept = lake.dead_letters(topic).into_iter();
    for (offset, case) in cases.iter().enumerate() {
        let (Dead(reason), Some(value)) = (&case.fate, &case.value) else { continue };
        let text = String::from_utf8_lossy(value);
        let letter = sent.next().unwrap_or_else(|| panic!("no dead letter of {text}"));
        assert_eq!(letter.value.as_deref().unwrap_or_default(), value, "{text}");
        assert_eq!(letter.key.as_deref(), Some(case.key), "{text}");
        assert_eq!(letter.header("affluent.topic").as_deref(), Some(topic));
        assert_eq!(letter.header("affluent.partition").as_deref(), Some("0"));
        assert_eq!(letter.header("affluent.offset"), Some(offset.to_string()), "{text}");
        let told = letter.header("affluent.reason").unwrap();
        assert!(told.starts_with(reason), "{text}: {told}");
        let line = kept.next().unwrap_or_else(|| panic!("no line of {text}"));
        let expected = json!({
            "topic": topic,
            "partition": 0,
            "offset": offset,
            "timestamp_ms": arrival.timestamp_millis(),
            "reason": told,
            "key": BASE64_STANDARD.encode(case.key),
            "value": BASE64_STANDARD.encode(value),
        });
        assert_eq!(line, expected);
    }
    assert_eq!(sent.next(), None, "one dead letter too many");
    assert_eq!(kept.next(), None, "one line too many");
}

#[test]
fn a_record_beyond_the_limit_is_a_dead_letter_and_the_topic_goes_on() {
    let Some(kafka) = require_kafka() else { return };
    let topic = kafka.topic("large", 1);
    let producer = kafka.producer();
    let large = format!(r#"{{"user_name":"{}"}}"#, "x".repeat(70_000));
    for value in [r#"{"user_name":"a"}"#, &large, r#"{"user_name":"b"}"#] {
        producer.send(&topic.name, 0, Message { value: Some(value.as_bytes()), ..Message::default() });
    }
    producer.flush();
    let lake = TestLake::new();
    lake.source(FEED, &topic.name);
    land_with(&kafka, &lake, &topic.name, &unique("large"), &["--max-record", "64KiB"]);
    let rows = lake.rows(Kind::Stream, FEED);
    let names: Vec<&Value> = rows.iter().map(|row| row.get("user_name")).collect();
    assert_eq!(names, [&json!("a"), &json!("b")]);
    let letters = kafka.read_all(&format!("{}.dlq", topic.name));
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].value.as_deref(), Some(large.as_bytes()));
    assert!(letters[0].header("affluent.reason").unwrap().contains("--max-record"));
    assert_eq!(lake.dead_letters(&topic.name).len(), 1);
    assert_eq!(lake.next_offset(Kind::Stream, FEED, &topic.name, 0), Some(3));
}
