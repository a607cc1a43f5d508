//! The eight feeds that exist from the start.

use chrono::{DateTime, Utc};

use super::{Feed, Key, KeyFormat, Kind, Retention};
use crate::schema::Schema;

struct Row {
    name: &'static str,
    kind: Kind,
    keep: u32,
    key: &'static [&'static str],
    mysql_table: Option<&'static str>,
    description: &'static str,
    columns: &'static str,
}

const ROWS: [Row; 8] = [
    Row {
        name: "transaction_stream",
        kind: Kind::Stream,
        keep: 365,
        key: &["user_id"],
        mysql_table: None,
        description: "raw transactions, as produced",
        columns: "transaction_id string, timestamp timestamp, user_id string, user_name string, \
                  user_email string, product_id string, product_name string, product_category string, \
                  quantity int, amount decimal(15,2), tax_amount decimal(15,2), currency string, \
                  transaction_type string, status string, payment_method string, \
                  location struct<city string, country string>, customer_rating int, discount_code string",
    },
    Row {
        name: "transaction_flattened",
        kind: Kind::Stream,
        keep: 365,
        key: &["user_id"],
        mysql_table: None,
        description: "transactions with the location flattened to city and country",
        columns: FLATTENED,
    },
    Row {
        name: "transaction_stream_anonymized",
        kind: Kind::Stream,
        keep: 730,
        key: &["transaction_id"],
        mysql_table: None,
        description: "transactions with user fields masked and the amount converted to EUR",
        columns: "transaction_id string, timestamp timestamp, user_id string, user_name string, \
                  product_id string, product_category string, quantity int, amount decimal(15,2), \
                  currency string, amount_eur decimal(15,2), transaction_type string, status string, \
                  payment_method string, city string, country string",
    },
    Row {
        name: "transaction_stream_blacklisted",
        kind: Kind::Stream,
        keep: 365,
        key: &["user_id"],
        mysql_table: None,
        description: "transactions made in blacklisted cities",
        columns: FLATTENED,
    },
    Row {
        name: "user_transaction_summary",
        kind: Kind::Table,
        keep: 7,
        key: &["user_id", "transaction_type"],
        mysql_table: Some("fact_user_transaction_summary"),
        description: "totals per user and transaction type",
        columns: "user_id string, user_name string, user_email string, user_country string, \
                  user_city string, transaction_type string, total_amount decimal(15,2), \
                  transaction_count bigint, avg_amount double, min_amount decimal(15,2), \
                  max_amount decimal(15,2), last_transaction_date timestamp",
    },
    Row {
        name: "user_transaction_summary_eur",
        kind: Kind::Table,
        keep: 7,
        key: &["user_id", "transaction_type"],
        mysql_table: Some("fact_user_transaction_summary_eur"),
        description: "totals per user and transaction type, in EUR",
        columns: "user_id string, user_name string, user_email string, user_country string, \
                  user_city string, transaction_type string, total_amount_eur decimal(15,2), \
                  transaction_count bigint, avg_amount_eur double, exchange_rate decimal(10,6)",
    },
    Row {
        name: "payment_method_totals",
        kind: Kind::Table,
        keep: 7,
        key: &["payment_method"],
        mysql_table: Some("fact_payment_method_totals"),
        description: "totals per payment method",
        columns: "payment_method string, total_amount decimal(15,2), transaction_count bigint, \
                  avg_amount double",
    },
    Row {
        name: "product_purchase_counts",
        kind: Kind::Table,
        keep: 7,
        key: &["product_id"],
        mysql_table: Some("fact_product_purchase_counts"),
        description: "purchases per product",
        columns: "product_id string, product_name string, product_category string, \
                  purchase_count bigint, total_revenue decimal(15,2), avg_price double, \
                  unique_buyers bigint",
    },
];

const FLATTENED: &str = "transaction_id string, timestamp timestamp, user_id string, user_name string, \
    user_email string, product_id string, product_name string, product_category string, quantity int, \
    amount decimal(15,2), tax_amount decimal(15,2), currency string, transaction_type string, \
    status string, payment_method string, city string, country string, customer_rating int, \
    discount_code string";

/// The feeds that `init-datalake` makes.
pub fn builtin(now: DateTime<Utc>) -> Vec<Feed> {
    ROWS.iter().map(|row| feed(row, now)).collect()
}

fn feed(row: &Row, now: DateTime<Utc>) -> Feed {
    let mut feed = Feed::new(row.name, row.kind, row.name, row.description, now);
    let schema = Schema::parse(row.columns);
    feed.schema = Some(schema.unwrap_or_else(|error| unreachable!("a built-in schema: {error}")));
    feed.key = Key {
        columns: row.key.iter().map(|&column| column.to_owned()).collect(),
        format: if row.key.len() > 1 { KeyFormat::Json } else { KeyFormat::Kafka },
    };
    match row.kind {
        Kind::Stream => {
            feed.event_time = Some("timestamp".to_owned());
            feed.retention = Retention::Days(row.keep);
        }
        Kind::Table => feed.retention = Retention::Versions(row.keep),
    }
    feed.mysql_table = row.mysql_table.map(str::to_owned);
    feed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_eight_are_valid_and_survive_json() {
        let feeds = builtin(DateTime::UNIX_EPOCH);
        assert_eq!(feeds.len(), 8);
        for feed in feeds {
            feed.validate().unwrap();
            let text = serde_json::to_string_pretty(&feed).unwrap();
            assert_eq!(serde_json::from_str::<Feed>(&text).unwrap(), feed);
        }
    }
}
