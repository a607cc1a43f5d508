//! Fetch responses, encoded by hand so that records go to the socket as the chunks they were read
//! into.

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

use super::{Frame, Header};

/// What one partition answers.
#[derive(Debug, Default, Clone)]
pub(crate) struct PartitionAnswer {
    pub(crate) index: i32,
    pub(crate) error: i16,
    pub(crate) high_watermark: i64,
    pub(crate) last_stable_offset: i64,
    pub(crate) log_start_offset: i64,
    /// Producer id and first offset; `None` for a reader that takes uncommitted records.
    pub(crate) aborted: Option<Vec<(i64, i64)>>,
    pub(crate) records: Vec<Bytes>,
}

/// What one topic answers.
#[derive(Debug, Default, Clone)]
pub(crate) struct TopicAnswer {
    pub(crate) name: StrBytes,
    pub(crate) id: Uuid,
    pub(crate) partitions: Vec<PartitionAnswer>,
}

/// Builds the frame of a Fetch response of versions 4 to 17; never a fetch session.
pub(crate) fn encode(header: &Header, error: i16, topics: Vec<TopicAnswer>) -> Frame {
    let version = header.version;
    let mut writer =
        Writer { chunks: Vec::new(), buffer: BytesMut::with_capacity(512), flexible: version >= 12 };
    writer.buffer.put_i32(0);
    writer.buffer.put_i32(header.correlation_id);
    writer.tags();
    writer.buffer.put_i32(0);
    if version >= 7 {
        writer.buffer.put_i16(error);
        writer.buffer.put_i32(0);
    }
    writer.count(Some(topics.len()));
    for topic in topics {
        if version >= 13 {
            writer.buffer.put_slice(topic.id.as_bytes());
        } else {
            writer.string(&topic.name);
        }
        writer.count(Some(topic.partitions.len()));
        for partition in topic.partitions {
            writer.partition(version, partition);
        }
        writer.tags();
    }
    writer.tags();
    writer.finish()
}

struct Writer {
    chunks: Vec<Bytes>,
    buffer: BytesMut,
    flexible: bool,
}

impl Writer {
    fn partition(&mut self, version: i16, answer: PartitionAnswer) {
        self.buffer.put_i32(answer.index);
        self.buffer.put_i16(answer.error);
        self.buffer.put_i64(answer.high_watermark);
        self.buffer.put_i64(answer.last_stable_offset);
        if version >= 5 {
            self.buffer.put_i64(answer.log_start_offset);
        }
        self.count(answer.aborted.as_ref().map(Vec::len));
        for (producer_id, first_offset) in answer.aborted.unwrap_or_default() {
            self.buffer.put_i64(producer_id);
            self.buffer.put_i64(first_offset);
            self.tags();
        }
        if version >= 11 {
            self.buffer.put_i32(-1);
        }
        self.count(Some(answer.records.iter().map(Bytes::len).sum()));
        for chunk in answer.records {
            if !self.buffer.is_empty() {
                self.chunks.push(self.buffer.split().freeze());
            }
            self.chunks.push(chunk);
        }
        self.tags();
    }

    /// A length or count, in the form the version uses; `None` is the protocol's null.
    fn count(&mut self, count: Option<usize>) {
        if self.flexible {
            self.varint(count.map_or(0, |n| n + 1));
        } else {
            // Bounded by fetch_max_bytes and by the request's own counts.
            self.buffer.put_i32(count.map_or(-1, |n| i32::try_from(n).unwrap_or(i32::MAX)));
        }
    }

    fn varint(&mut self, mut value: usize) {
        while value >= 0x80 {
            self.buffer.put_u8((value & 0x7f) as u8 | 0x80);
            value >>= 7;
        }
        self.buffer.put_u8(value as u8);
    }

    fn string(&mut self, value: &StrBytes) {
        if self.flexible {
            self.varint(value.len() + 1);
        } else {
            self.buffer.put_i16(i16::try_from(value.len()).unwrap_or(i16::MAX));
        }
        self.buffer.put_slice(value.as_bytes());
    }

    fn tags(&mut self) {
        if self.flexible {
            self.buffer.put_u8(0);
        }
    }

    fn finish(mut self) -> Frame {
        self.chunks.push(self.buffer.freeze());
        let length: usize = self.chunks.iter().map(Bytes::len).sum::<usize>() - 4;
        let mut first = BytesMut::from(&self.chunks[0][..]);
        first[..4].copy_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
        self.chunks[0] = first.freeze();
        Frame { chunks: self.chunks }
    }
}
