//! Changelog rows of the four tables, as ksqlDB writes them: each message is the newest state of a key.
//!
//! Later messages of a key have larger counts, as those of an aggregate do: the count grows with
//! the message's index, and the totals with the count.

use super::people::{self, Currency, Product, User};
use super::random::Random;
use super::streams::{product_id, product_name, user_email, user_id};
use super::transaction::KINDS;
use super::{Plan, Record, json};

macro_rules! literal {
    ($out:expr, $text:expr) => {
        $out.extend_from_slice($text.as_bytes())
    };
}

/// Count, total, smallest and largest amount of a key after message `index`, in cents.
struct Totals {
    count: i64,
    total: i64,
    min: i64,
    max: i64,
}

impl Totals {
    /// `keys` is how many keys share the messages, `mean` the usual amount.
    fn new(index: u64, keys: u64, mean: i64) -> Self {
        let count = (1 + index / keys.max(1)) as i64;
        // One amount is smallest and largest at once; then they part, up to half the mean.
        let spread = mean * (count - 1) / (2 * count);
        Self { count, total: count * mean, min: mean - spread, max: mean + spread }
    }

    fn average(&self) -> f64 {
        self.total as f64 / 100.0 / self.count as f64
    }
}

/// `user_transaction_summary`.
pub(crate) fn user_summary(plan: &Plan, index: u64, record: &mut Record) {
    let (user, totals) = user_and_kind(plan, index, record);
    let out = &mut record.value;
    user_columns(out, &user);
    literal!(out, ",\"TOTAL_AMOUNT\":");
    json::decimal(out, totals.total, 2);
    literal!(out, ",\"TRANSACTION_COUNT\":");
    json::integer(out, totals.count);
    literal!(out, ",\"AVG_AMOUNT\":");
    json::double(out, totals.average());
    literal!(out, ",\"MIN_AMOUNT\":");
    json::decimal(out, totals.min, 2);
    literal!(out, ",\"MAX_AMOUNT\":");
    json::decimal(out, totals.max, 2);
    literal!(out, ",\"LAST_TRANSACTION_DATE\":\"");
    json::instant(out, plan.event_time(index));
    literal!(out, "\"}");
}

/// `user_transaction_summary_eur`.
pub(crate) fn user_summary_eur(plan: &Plan, index: u64, record: &mut Record) {
    let (user, totals) = user_and_kind(plan, index, record);
    let currency: Currency = user.home.currency;
    let total = currency.to_eur(totals.total);
    let out = &mut record.value;
    user_columns(out, &user);
    literal!(out, ",\"TOTAL_AMOUNT_EUR\":");
    json::decimal(out, total, 2);
    literal!(out, ",\"TRANSACTION_COUNT\":");
    json::integer(out, totals.count);
    literal!(out, ",\"AVG_AMOUNT_EUR\":");
    json::double(out, total as f64 / 100.0 / totals.count as f64);
    literal!(out, ",\"EXCHANGE_RATE\":");
    json::decimal(out, currency.rate() * 10_000, 6);
    literal!(out, "}");
}

/// Writes the JSON key of two columns.
fn user_and_kind(plan: &Plan, index: u64, record: &mut Record) -> (User, Totals) {
    let mut random = Random::new(plan.seed, index);
    let user = User::new(plan.users.pick(&mut random));
    let kind = random.weighted(&KINDS);
    let key = record.key();
    literal!(key, "{\"USER_ID\":\"");
    user_id(key, user.number);
    literal!(key, "\",\"TRANSACTION_TYPE\":\"");
    literal!(key, kind);
    literal!(key, "\"}");
    let keys = plan.user_count * KINDS.len() as u64;
    let mean = 1_000 + Random::new(1, user.number).below(40_000) as i64;
    (user, Totals::new(index, keys, mean))
}

fn user_columns(out: &mut Vec<u8>, user: &User) {
    literal!(out, "{\"USER_NAME\":\"");
    literal!(out, user.first_name);
    out.push(b' ');
    literal!(out, user.last_name);
    literal!(out, "\",\"USER_EMAIL\":\"");
    user_email(out, user.number);
    literal!(out, "\",\"USER_COUNTRY\":\"");
    literal!(out, user.home.country);
    literal!(out, "\",\"USER_CITY\":\"");
    literal!(out, user.home.city);
    literal!(out, "\"");
}

/// `payment_method_totals`.
pub(crate) fn payment_methods(plan: &Plan, index: u64, record: &mut Record) {
    let number = Random::new(plan.seed, index).below(6);
    literal!(record.key(), people::payment_method(number));
    let totals = Totals::new(index, 6, 5_000 + number as i64 * 731);
    let out = &mut record.value;
    literal!(out, "{\"TOTAL_AMOUNT\":");
    json::decimal(out, totals.total, 2);
    literal!(out, ",\"TRANSACTION_COUNT\":");
    json::integer(out, totals.count);
    literal!(out, ",\"AVG_AMOUNT\":");
    json::double(out, totals.average());
    literal!(out, "}");
}

/// `product_purchase_counts`.
pub(crate) fn products(plan: &Plan, index: u64, record: &mut Record) {
    let product = Product::new(plan.products.pick(&mut Random::new(plan.seed, index)));
    product_id(record.key(), product.number);
    let totals = Totals::new(index, plan.product_count, product.price);
    let out = &mut record.value;
    literal!(out, "{\"PRODUCT_NAME\":\"");
    product_name(out, product.style, product.thing);
    literal!(out, "\",\"PRODUCT_CATEGORY\":\"");
    literal!(out, product.category);
    literal!(out, "\",\"PURCHASE_COUNT\":");
    json::integer(out, totals.count);
    literal!(out, ",\"TOTAL_REVENUE\":");
    json::decimal(out, totals.total, 2);
    literal!(out, ",\"AVG_PRICE\":");
    json::double(out, totals.average());
    literal!(out, ",\"UNIQUE_BUYERS\":");
    json::integer(out, totals.count.min(plan.user_count as i64));
    literal!(out, "}");
}
