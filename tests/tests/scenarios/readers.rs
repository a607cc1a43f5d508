//! DuckDB, Polars, pyarrow and deltalake see in the lake what was sent: rows, values and sums.

use affluent_core::feeds::Kind;
use affluent_testkit::{Message, TestLake, require_kafka, require_readers, unique};
use serde_json::{Value, json};

use crate::common::{land, land_with};
use crate::transactions::{FEED, Transactions};

#[test]
fn other_readers_agree_on_a_stream() {
    let (Some(kafka), Some(readers)) = (require_kafka(), require_readers()) else { return };
    let topic = kafka.topic("readers", 3);
    let lake = TestLake::new();
    lake.source(FEED, &topic.name);
    let producer = kafka.producer();
    let mut sent = Transactions::new(&topic.name, 3);
    // Several commits, so that days have several files.
    for _ in 0..3 {
        sent.send(&producer, 3_000);
        producer.flush();
        land(&kafka, &lake, &topic.name, &unique("readers"));
    }
    sent.assert_landed(&lake);
    let facts = readers.assert_agree(&lake, Kind::Stream, FEED);
    assert_eq!(facts["rows(*)"], sent.total());
    assert_eq!(facts["distinct(offsets)"], sent.total());
    assert_eq!(facts["values(_rescued)"], sent.total());
    assert_eq!(facts["values(discount_code)"], 0);
    assert_eq!(facts["values(customer_rating)"], sent.total() / 5 * 4);
    assert_eq!(facts["sum(amount)"], decimal(sent.cents()));
    let days = facts.as_object().unwrap().keys().filter(|metric| metric.starts_with("rows[")).count();
    assert_eq!(days, 3);
}

/// Hundredths as the check prints a decimal: without the zeros at its end.
fn decimal(cents: i128) -> Value {
    let text = format!("{}.{:02}", cents / 100, cents % 100);
    text.trim_end_matches('0').trim_end_matches('.').into()
}

#[test]
fn other_readers_agree_on_the_versions_of_a_table() {
    let (Some(kafka), Some(readers)) = (require_kafka(), require_readers()) else { return };
    let topic = kafka.topic("readers", 2);
    let lake = TestLake::new();
    lake.source("payment_method_totals", &topic.name);
    let producer = kafka.producer();
    let send = |partition: i32, key: &str, value: Option<&str>| {
        let (key, value) = (Some(key.as_bytes()), value.map(str::as_bytes));
        producer.send(&topic.name, partition, Message { key, value, ..Message::default() });
    };
    let land = || {
        producer.flush();
        land_with(&kafka, &lake, &topic.name, &unique("readers"), &[]);
    };
    send(0, "paypal", Some(r#"{"TOTAL_AMOUNT":10.25,"TRANSACTION_COUNT":2,"AVG_AMOUNT":5.125}"#));
    send(1, "cash", Some(r#"{"TOTAL_AMOUNT":1.00,"TRANSACTION_COUNT":1,"AVG_AMOUNT":1.0}"#));
    land();
    send(0, "paypal", Some(r#"{"TOTAL_AMOUNT":20.50,"TRANSACTION_COUNT":3,"AVG_AMOUNT":6.83}"#));
    land();
    send(1, "cash", None);
    land();
    let facts = readers.assert_agree(&lake, Kind::Table, "payment_method_totals");
    // Two rows, two rows, one row.
    assert_eq!(facts["rows(*)"], 5);
    assert_eq!(facts["sum(total_amount)"], json!("53.25"));
    for (version, rows) in [("v1", 2), ("v2", 2), ("v3", 1)] {
        assert_eq!(facts[format!("rows[version={version}]")], rows, "{version}");
    }
}
