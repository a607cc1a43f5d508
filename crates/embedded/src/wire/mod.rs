//! The Kafka wire: frames, supported versions, error codes, and decoding that survives any bytes.

pub(crate) mod decode;
pub(crate) mod errors;
pub(crate) mod fetch;
pub(crate) mod frame;
pub(crate) mod probe;
pub(crate) mod produce;
pub(crate) mod versions;

pub use decode::check_frame;
pub(crate) use decode::{Header, WireError, decode};
pub(crate) use errors::Code;
pub(crate) use frame::Frame;

#[cfg(test)]
mod tests;
