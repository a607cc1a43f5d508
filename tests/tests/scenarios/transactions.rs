//! Transactions whose every field follows from their partition and number, so that what was landed
//! can be compared without keeping what was sent.

use affluent_core::feeds::Kind;
use affluent_testkit::{Message, Producer, TestLake};
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use serde_json::{Map, Value, json};

/// The feed of these messages.
pub(crate) const FEED: &str = "transaction_stream";

/// Some more than the days that a consumer writes at the same time.
const DAYS: i64 = 3;

/// The first instant of the messages: within the window of believed times, whenever the test runs.
fn start() -> DateTime<Utc> {
    let midnight = affluent_core::clock::Clock::System.now().date_naive() - TimeDelta::days(30);
    midnight.and_hms_opt(0, 0, 0).unwrap().and_utc()
}

/// Sends and checks the messages of one run.
pub(crate) struct Transactions {
    start: DateTime<Utc>,
    topic: String,
    /// How many were sent to each partition.
    pub(crate) sent: Vec<i64>,
}

impl Transactions {
    pub(crate) fn new(topic: &str, partitions: usize) -> Self {
        Self { start: start(), topic: topic.to_owned(), sent: vec![0; partitions] }
    }

    pub(crate) fn total(&self) -> i64 {
        self.sent.iter().sum()
    }

    /// The sum of all amounts, in hundredths.
    pub(crate) fn cents(&self) -> i128 {
        let all = self.sent.iter().flat_map(|&count| 0..count);
        all.map(|number| i128::from(number % 5_000 * 100 + number % 100)).sum()
    }

    /// Sends `count` more, spread over the partitions.
    pub(crate) fn send(&mut self, producer: &Producer, count: i64) {
        let partitions = self.sent.len() as i64;
        for at in self.total()..self.total() + count {
            let partition = (at % partitions) as i32;
            let (key, value) = self.message(partition, self.sent[partition as usize]);
            let message =
                Message { key: Some(key.as_bytes()), value: Some(value.as_bytes()), ..Message::default() };
            producer.send(&self.topic, partition, message);
            self.sent[partition as usize] += 1;
        }
    }

    fn time(&self, partition: i32, number: i64) -> DateTime<Utc> {
        let millis = (number * 7_919_003 + i64::from(partition) * 104_729) % (DAYS * 86_400_000);
        self.start + TimeDelta::milliseconds(millis)
    }

    fn message(&self, partition: i32, number: i64) -> (String, String) {
        let user = format!("user-{}", number % 997);
        let time = self.time(partition, number).format("%Y-%m-%dT%H:%M:%S%.3fZ");
        let rating = if number % 5 == 0 { "null".to_owned() } else { (number % 5).to_string() };
        let text = format!(
            r#"{{"transaction_id":"tx_{partition}_{number:028}","timestamp":"{time}","user_id":"{user}","user_name":"Zoë {number}","product_id":"p{}","amount":{}.{:02},"tax_amount":{:.2},"currency":"EUR","transaction_type":"purchase","status":"approved","location":{{"city":"Liège \"{partition}\"","country":"Belgium"}},"payment_method":"paypal","quantity":{},"customer_rating":{rating},"surprise":[{number}]}}"#,
            number % 71,
            number % 5_000,
            number % 100,
            0.25 * (number % 8) as f64,
            number % 9 + 1,
        );
        (user, text)
    }

    /// The row that a message must have become, and the folder that it must be in.
    fn landed(&self, partition: i32, number: i64) -> (String, Map<String, Value>) {
        let time = self.time(partition, number);
        let folder = time.date_naive();
        let mut row = json!({
            "transaction_id": format!("tx_{partition}_{number:028}"),
            "timestamp": time.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true),
            "user_id": format!("user-{}", number % 997),
            "user_name": format!("Zoë {number}"),
            "product_id": format!("p{}", number % 71),
            "amount": format!("{}.{:02}", number % 5_000, number % 100),
            "tax_amount": format!("{:.2}", 0.25 * (number % 8) as f64),
            "currency": "EUR",
            "transaction_type": "purchase",
            "status": "approved",
            "location": {"city": format!("Liège \"{partition}\""), "country": "Belgium"},
            "payment_method": "paypal",
            "quantity": number % 9 + 1,
            "_rescued": format!("{{\"surprise\":[{number}]}}"),
        });
        if number % 5 != 0 {
            row["customer_rating"] = json!(number % 5);
        }
        match row {
            Value::Object(row) => (day_folder(folder), row),
            _ => unreachable!("it was written as an object"),
        }
    }

    /// Asserts that every message is landed once and wholly, by the log and by the folders.
    #[track_caller]
    pub(crate) fn assert_landed(&self, lake: &TestLake) {
        let mut seen: Vec<Vec<bool>> = self.sent.iter().map(|&count| vec![false; count as usize]).collect();
        lake.each_row(Kind::Stream, FEED, &mut |mut row| {
            let (partition, offset) = (row.partition, row.offset);
            let place = seen[partition as usize].get_mut(offset as usize);
            let place = place.unwrap_or_else(|| panic!("{partition}/{offset} was never sent"));
            assert!(
                !*place,
                "partition {partition}, offset {offset} is landed twice, again in {}",
                row.folder
            );
            *place = true;
            assert!(row.values.remove("kafka_timestamp").is_some());
            let (folder, expected) = self.landed(partition, offset);
            assert_eq!(row.values, expected, "partition {partition}, offset {offset}");
            assert_eq!(row.folder, folder, "partition {partition}, offset {offset}");
        });
        for (partition, seen) in seen.iter().enumerate() {
            let missing: Vec<usize> = (0..seen.len()).filter(|&at| !seen[at]).collect();
            let (first, last) = (missing.first(), missing.last());
            assert!(
                missing.is_empty(),
                "partition {partition} lacks {} ({first:?} to {last:?})",
                missing.len()
            );
            let next = lake.next_offset(Kind::Stream, FEED, &self.topic, partition as i32);
            assert_eq!(next.unwrap_or(0), seen.len() as i64, "next offset of partition {partition}");
        }
    }
}

pub(crate) fn day_folder(day: NaiveDate) -> String {
    day.format("year=%Y/month=%m/day=%d").to_string()
}
