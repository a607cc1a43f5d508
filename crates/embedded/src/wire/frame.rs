//! Length-prefixed frames: reading one within bounds, writing one as a list of chunks.

use std::io::{self, IoSlice};

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::protocol::{Encodable, HeaderVersion};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::{Header, WireError};

/// Room made at first for a frame, and the least that a read asks for.
const READ_CHUNK: usize = 64 * 1024;

/// A buffer grown past this by one big frame is given back once it is empty.
const KEEP_CAPACITY: usize = 1024 * 1024;

/// An answer ready to be written: chunks that follow each other on the wire.
#[derive(Debug, Default)]
pub(crate) struct Frame {
    pub(crate) chunks: Vec<Bytes>,
}

impl Frame {
    /// Encodes a response with its header and length.
    pub(crate) fn encode<R: Encodable + HeaderVersion>(
        header: &Header,
        response: &R,
    ) -> Result<Self, WireError> {
        Self::encode_as(header, header.version, response)
    }

    /// Encodes a response in a version other than the request's (ApiVersions only).
    pub(crate) fn encode_as<R: Encodable + HeaderVersion>(
        header: &Header,
        version: i16,
        response: &R,
    ) -> Result<Self, WireError> {
        let failed = |error: &dyn std::fmt::Display| WireError::Encode(format!("{:?}: {error}", header.key));
        let size = response.compute_size(version).map_err(|e| failed(&e))?;
        let mut buffer = BytesMut::with_capacity(size + 16);
        buffer.put_i32(0);
        buffer.put_i32(header.correlation_id);
        if R::header_version(version) >= 1 {
            buffer.put_u8(0);
        }
        response.encode(&mut buffer, version).map_err(|e| failed(&e))?;
        let length = u32::try_from(buffer.len() - 4).map_err(|e| failed(&e))?;
        buffer[..4].copy_from_slice(&length.to_be_bytes());
        Ok(Self { chunks: vec![buffer.freeze()] })
    }

    /// Writes the whole frame with as few system calls as the socket allows.
    pub(crate) async fn write<W: AsyncWrite + Unpin>(mut self, out: &mut W) -> io::Result<u64> {
        let total = self.chunks.iter().map(|c| c.len() as u64).sum();
        if let [only] = self.chunks.as_slice() {
            out.write_all(only).await?;
            return Ok(total);
        }
        let mut first = 0;
        while first < self.chunks.len() {
            let slices: Vec<IoSlice<'_>> =
                self.chunks[first..].iter().take(256).map(|c| IoSlice::new(c)).collect();
            let mut written = out.write_vectored(&slices).await?;
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            while first < self.chunks.len() && written >= self.chunks[first].len() {
                written -= self.chunks[first].len();
                first += 1;
            }
            if written > 0 {
                let _ = self.chunks[first].split_to(written);
            }
        }
        Ok(total)
    }
}

/// Reads the next frame's body. `None` at a clean end of the stream; an error for a length that is
/// negative or beyond `max`. Room grows with what has arrived, never with what is claimed.
pub(crate) async fn read_frame<R: AsyncRead + Unpin>(
    input: &mut R,
    buffer: &mut BytesMut,
    max: usize,
) -> io::Result<Option<Bytes>> {
    if !fill(input, buffer, 4).await? {
        return Ok(None);
    }
    let claimed = i32::from_be_bytes([buffer[0], buffer[1], buffer[2], buffer[3]]);
    let length = usize::try_from(claimed).ok().filter(|n| *n <= max);
    let Some(length) = length else {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("frame of {claimed} bytes refused")));
    };
    if !fill(input, buffer, 4 + length).await? {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let mut frame = buffer.split_to(4 + length).freeze();
    let _ = frame.split_to(4);
    if buffer.is_empty() && buffer.capacity() > KEEP_CAPACITY {
        *buffer = BytesMut::new();
    }
    Ok(Some(frame))
}

/// Reads until `wanted` bytes are buffered; false when the stream ended before the first of them.
async fn fill<R: AsyncRead + Unpin>(input: &mut R, buffer: &mut BytesMut, wanted: usize) -> io::Result<bool> {
    while buffer.len() < wanted {
        let missing = wanted - buffer.len();
        buffer.reserve(missing.min(buffer.len().max(READ_CHUNK)).max(1024));
        if input.read_buf(buffer).await? == 0 {
            return if buffer.is_empty() { Ok(false) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
        }
    }
    Ok(true)
}
