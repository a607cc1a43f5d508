//! Kafka messages in JSON to Arrow columns, in one pass and led by the schema.
//!
//! A [`Decoder`] owns one builder for each column and fills them straight from the bytes of a
//! message: no tree, no tape. It takes exactly the JSON of RFC 8259. What has no column, or does
//! not fit the type of its column, is kept as raw JSON in the column `_rescued`, so a record that
//! is JSON at all never loses anything. [`Inferred`] finds the schema of a feed that declares none.

mod arrow_types;
mod batch;
mod column;
mod cursor;
mod event_time;
mod infer;
mod key;
mod list;
mod members;
mod names;
mod numbers;
mod reject;
mod rescued;
mod scan;
mod shape;
mod strings;
mod times;
mod value;

#[cfg(test)]
mod tests;

pub use affluent_core::feeds::{Key as KeySpec, KeyFormat};
pub use arrow_types::arrow_type;
pub use batch::{DecodedBatch, Decoder, RESCUED};
pub use infer::Inferred;
pub use reject::{Reject, validate};
