//! Transactions as the topics of the streams hold them: raw, and as ksqlDB derives the other three.

use super::json;
use super::transaction::Transaction;
use super::{Plan, Record};

macro_rules! literal {
    ($out:expr, $text:expr) => {
        $out.extend_from_slice($text.as_bytes())
    };
}

/// `transaction_stream`: what an application writes.
pub(crate) fn raw(plan: &Plan, index: u64, record: &mut Record) {
    let tx = Transaction::new(plan, index);
    user_id(record.key(), tx.user.number);
    let out = &mut record.value;
    literal!(out, "{\"transaction_id\":\"TX-");
    json::hex(out, tx.id);
    literal!(out, "\",\"timestamp\":\"");
    json::instant(out, tx.at);
    literal!(out, "\",\"user_id\":\"");
    user_id(out, tx.user.number);
    literal!(out, "\",\"user_name\":\"");
    user_name(out, &tx);
    literal!(out, "\",\"user_email\":\"");
    user_email(out, tx.user.number);
    literal!(out, "\",\"product_id\":\"");
    product_id(out, tx.product.number);
    literal!(out, "\",\"product_name\":\"");
    product_name(out, tx.product.style, tx.product.thing);
    literal!(out, "\",\"product_category\":\"");
    literal!(out, tx.product.category);
    literal!(out, "\",\"quantity\":");
    small(out, tx.quantity);
    literal!(out, ",\"amount\":");
    json::decimal(out, tx.amount, 2);
    literal!(out, ",\"tax_amount\":");
    json::decimal(out, tx.tax, 2);
    literal!(out, ",\"currency\":\"");
    literal!(out, tx.place.currency.code());
    literal!(out, "\",\"transaction_type\":\"");
    literal!(out, tx.kind);
    literal!(out, "\",\"status\":\"");
    literal!(out, tx.status);
    literal!(out, "\",\"payment_method\":\"");
    literal!(out, tx.payment_method);
    literal!(out, "\",\"location\":{\"city\":\"");
    literal!(out, tx.place.city);
    literal!(out, "\",\"country\":\"");
    literal!(out, tx.place.country);
    literal!(out, "\"},\"customer_rating\":");
    small(out, tx.rating);
    literal!(out, ",\"discount_code\":");
    discount(out, tx.discount_code);
    literal!(out, "}");
}

/// `transaction_flattened`: key columns live in the key, names are upper case.
pub(crate) fn flattened(plan: &Plan, index: u64, record: &mut Record) {
    flat(&Transaction::new(plan, index), record);
}

/// `transaction_stream_blacklisted`: the same, of blacklisted cities only.
pub(crate) fn blacklisted(plan: &Plan, index: u64, record: &mut Record) {
    flat(&Transaction::blacklisted(plan, index), record);
}

fn flat(tx: &Transaction, record: &mut Record) {
    user_id(record.key(), tx.user.number);
    let out = &mut record.value;
    literal!(out, "{\"TRANSACTION_ID\":\"TX-");
    json::hex(out, tx.id);
    literal!(out, "\",\"TIMESTAMP\":\"");
    json::instant(out, tx.at);
    literal!(out, "\",\"USER_NAME\":\"");
    user_name(out, tx);
    literal!(out, "\",\"USER_EMAIL\":\"");
    user_email(out, tx.user.number);
    literal!(out, "\",\"PRODUCT_ID\":\"");
    product_id(out, tx.product.number);
    literal!(out, "\",\"PRODUCT_NAME\":\"");
    product_name(out, tx.product.style, tx.product.thing);
    literal!(out, "\",\"PRODUCT_CATEGORY\":\"");
    literal!(out, tx.product.category);
    literal!(out, "\",\"QUANTITY\":");
    small(out, tx.quantity);
    literal!(out, ",\"AMOUNT\":");
    json::decimal(out, tx.amount, 2);
    literal!(out, ",\"TAX_AMOUNT\":");
    json::decimal(out, tx.tax, 2);
    literal!(out, ",\"CURRENCY\":\"");
    literal!(out, tx.place.currency.code());
    literal!(out, "\",");
    ending(out, tx);
    literal!(out, ",\"CUSTOMER_RATING\":");
    small(out, tx.rating);
    literal!(out, ",\"DISCOUNT_CODE\":");
    discount(out, tx.discount_code);
    literal!(out, "}");
}

/// `transaction_stream_anonymized`: users masked, the amount in EUR beside the original one.
pub(crate) fn anonymized(plan: &Plan, index: u64, record: &mut Record) {
    let tx = Transaction::new(plan, index);
    let key = record.key();
    literal!(key, "TX-");
    json::hex(key, tx.id);
    let out = &mut record.value;
    literal!(out, "{\"TIMESTAMP\":\"");
    json::instant(out, tx.at);
    literal!(out, "\",\"USER_ID\":\"");
    mask(out, 0, |out| user_id(out, tx.user.number));
    literal!(out, "\",\"USER_NAME\":\"");
    mask(out, 1, |out| user_name(out, &tx));
    literal!(out, "\",\"PRODUCT_ID\":\"");
    product_id(out, tx.product.number);
    literal!(out, "\",\"PRODUCT_CATEGORY\":\"");
    literal!(out, tx.product.category);
    literal!(out, "\",\"QUANTITY\":");
    small(out, tx.quantity);
    literal!(out, ",\"AMOUNT\":");
    json::decimal(out, tx.amount, 2);
    literal!(out, ",\"CURRENCY\":\"");
    literal!(out, tx.place.currency.code());
    literal!(out, "\",\"AMOUNT_EUR\":");
    json::decimal(out, tx.place.currency.to_eur(tx.amount), 2);
    literal!(out, ",");
    ending(out, &tx);
    literal!(out, "}");
}

/// Type, status, payment method, city and country.
fn ending(out: &mut Vec<u8>, tx: &Transaction) {
    literal!(out, "\"TRANSACTION_TYPE\":\"");
    literal!(out, tx.kind);
    literal!(out, "\",\"STATUS\":\"");
    literal!(out, tx.status);
    literal!(out, "\",\"PAYMENT_METHOD\":\"");
    literal!(out, tx.payment_method);
    literal!(out, "\",\"CITY\":\"");
    literal!(out, tx.place.city);
    literal!(out, "\",\"COUNTRY\":\"");
    literal!(out, tx.place.country);
    literal!(out, "\"");
}

pub(crate) fn user_id(out: &mut Vec<u8>, number: u64) {
    literal!(out, "USER-");
    json::integer(out, number);
}

pub(crate) fn user_email(out: &mut Vec<u8>, number: u64) {
    literal!(out, "user-");
    json::integer(out, number);
    literal!(out, "@example.com");
}

fn user_name(out: &mut Vec<u8>, tx: &Transaction) {
    literal!(out, tx.user.first_name);
    out.push(b' ');
    literal!(out, tx.user.last_name);
}

pub(crate) fn product_id(out: &mut Vec<u8>, number: u64) {
    literal!(out, "PROD-");
    json::integer(out, number);
}

pub(crate) fn product_name(out: &mut Vec<u8>, style: &str, thing: &str) {
    literal!(out, style);
    out.push(b' ');
    literal!(out, thing);
}

fn small(out: &mut Vec<u8>, number: Option<u8>) {
    match number {
        Some(number) => json::integer(out, number),
        None => literal!(out, "null"),
    }
}

fn discount(out: &mut Vec<u8>, code: Option<&str>) {
    match code {
        Some(code) => json::string(out, code),
        None => literal!(out, "null"),
    }
}

/// ksqlDB's MASK: X, x and n for letters and digits, - for the rest; `keep` characters stay.
fn mask(out: &mut Vec<u8>, keep: usize, write: impl FnOnce(&mut Vec<u8>)) {
    let mut plain = Vec::new();
    write(&mut plain);
    for (position, c) in String::from_utf8_lossy(&plain).chars().enumerate() {
        if position < keep {
            out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            continue;
        }
        out.push(match c {
            c if c.is_uppercase() => b'X',
            c if c.is_lowercase() => b'x',
            c if c.is_numeric() => b'n',
            _ => b'-',
        });
    }
}
