//! A buffer for a first, dry decode of a request.
//!
//! The protocol library reserves room for as many array elements as a frame claims, so eight bytes
//! could ask for gigabytes. Decoding through this buffer first finds such frames: no length it hands
//! out is larger than what is left of the frame, so a claim that the frame cannot back fails here,
//! at a cost bounded by the frame's own size. A frame that passes is safe to decode for real.

use bytes::{Buf, Bytes, TryGetError};
use kafka_protocol::protocol::buf::ByteBuf;
use std::ops::Range;

/// Bytes that never give out a length larger than what remains.
pub(crate) struct Probe {
    inner: Bytes,
    varint: u64,
    shift: u32,
}

impl Probe {
    pub(crate) fn new(inner: Bytes) -> Self {
        Self { inner, varint: 0, shift: 0 }
    }

    fn reset(&mut self) {
        self.varint = 0;
        self.shift = 0;
    }
}

impl Buf for Probe {
    fn remaining(&self) -> usize {
        self.inner.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.inner.chunk()
    }

    fn advance(&mut self, count: usize) {
        self.reset();
        self.inner.advance(count);
    }

    /// Booleans and variable-length integers come through here. The latter are all lengths, counts
    /// and tags, so one that exceeds the rest of the frame is refused.
    fn try_get_u8(&mut self) -> Result<u8, TryGetError> {
        let byte = self.inner.try_get_u8()?;
        self.varint |= u64::from(byte & 0x7f) << self.shift;
        if self.varint > self.inner.remaining() as u64 + 1 {
            let requested = usize::try_from(self.varint).unwrap_or(usize::MAX);
            return Err(TryGetError { requested, available: self.inner.remaining() });
        }
        if byte < 0x80 {
            self.reset();
        } else {
            self.shift = (self.shift + 7).min(56);
        }
        Ok(byte)
    }

    /// Plain numbers and array lengths alike: capped, which no plain number's meaning depends on
    /// in a dry decode and which makes an array that cannot fit run out of bytes.
    fn try_get_i32(&mut self) -> Result<i32, TryGetError> {
        self.reset();
        let value = self.inner.try_get_i32()?;
        let left = i32::try_from(self.inner.remaining()).unwrap_or(i32::MAX);
        Ok(value.min(left.saturating_add(1)))
    }
}

impl ByteBuf for Probe {
    fn peek_bytes(&mut self, range: Range<usize>) -> Bytes {
        self.inner.slice(range)
    }

    fn get_bytes(&mut self, size: usize) -> Bytes {
        self.reset();
        self.inner.split_to(size)
    }
}
