//! The header of a record batch (format 2), which is all that is read of one on the way in.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::wire::Code;

/// Bytes before a batch's records.
pub(crate) const HEADER_LEN: usize = 61;
/// Bytes of a batch that its length field does not count.
const LENGTH_OVERHEAD: usize = 12;
/// Where the bytes that the checksum covers begin.
const CRC_START: usize = 21;

const TIMESTAMP_TYPE: i16 = 0x08;
const TRANSACTIONAL: i16 = 0x10;
const CONTROL: i16 = 0x20;
const COMPRESSION: i16 = 0x07;

/// The fields of a batch header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BatchHeader {
    pub(crate) base_offset: i64,
    /// Size of the whole batch in bytes.
    pub(crate) size: usize,
    pub(crate) crc: u32,
    pub(crate) attributes: i16,
    pub(crate) last_offset_delta: i32,
    pub(crate) base_timestamp: i64,
    pub(crate) max_timestamp: i64,
    pub(crate) producer_id: i64,
    pub(crate) producer_epoch: i16,
    pub(crate) base_sequence: i32,
    pub(crate) records: i32,
}

impl BatchHeader {
    /// Reads a header from the start of `bytes`; `None` when it cannot be one.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let mut b = bytes.get(..HEADER_LEN)?;
        let base_offset = b.get_i64();
        let length = usize::try_from(b.get_i32()).ok()?;
        let _leader_epoch = b.get_i32();
        if b.get_i8() != 2 || length + LENGTH_OVERHEAD < HEADER_LEN {
            return None;
        }
        let header = Self {
            base_offset,
            size: length + LENGTH_OVERHEAD,
            crc: b.get_u32(),
            attributes: b.get_i16(),
            last_offset_delta: b.get_i32(),
            base_timestamp: b.get_i64(),
            max_timestamp: b.get_i64(),
            producer_id: b.get_i64(),
            producer_epoch: b.get_i16(),
            base_sequence: b.get_i32(),
            records: b.get_i32(),
        };
        (header.last_offset_delta >= 0 && header.base_offset >= 0).then_some(header)
    }

    /// The offset after the last record.
    pub(crate) fn next_offset(&self) -> i64 {
        self.base_offset + i64::from(self.last_offset_delta) + 1
    }

    pub(crate) fn last_offset(&self) -> i64 {
        self.next_offset() - 1
    }

    pub(crate) fn is_transactional(&self) -> bool {
        self.attributes & TRANSACTIONAL != 0
    }

    pub(crate) fn is_control(&self) -> bool {
        self.attributes & CONTROL != 0
    }

    /// True where the broker's time replaced the records' own.
    pub(crate) fn has_append_time(&self) -> bool {
        self.attributes & TIMESTAMP_TYPE != 0
    }

    pub(crate) fn has_producer(&self) -> bool {
        self.producer_id >= 0
    }

    pub(crate) fn compression(&self) -> i16 {
        self.attributes & COMPRESSION
    }

    /// The sequence number of the last record; numbers wrap to 0 after the largest.
    pub(crate) fn last_sequence(&self) -> i32 {
        if self.base_sequence < 0 {
            return self.base_sequence;
        }
        let last = i64::from(self.base_sequence) + i64::from(self.last_offset_delta);
        (last % (i64::from(i32::MAX) + 1)) as i32
    }
}

/// True when the batch at the start of `bytes` is whole and its checksum holds.
pub(crate) fn is_intact(header: &BatchHeader, bytes: &[u8]) -> bool {
    bytes.get(CRC_START..header.size).is_some_and(|covered| crc32c::crc32c(covered) == header.crc)
}

/// A batch from a client, checked but not yet stored.
#[derive(Debug, Clone)]
pub(crate) struct Incoming {
    pub(crate) header: BatchHeader,
    pub(crate) bytes: Bytes,
}

/// Splits a client's records into batches and checks each one.
pub(crate) fn split(mut records: Bytes, max_batch: usize) -> Result<Vec<Incoming>, Code> {
    let mut batches = Vec::with_capacity(1);
    while !records.is_empty() {
        if records.len() >= 17 && records[16] != 2 {
            return Err(Code::UnsupportedForMessageFormat);
        }
        let header = BatchHeader::parse(&records).ok_or(Code::CorruptMessage)?;
        if header.size > records.len() {
            return Err(Code::CorruptMessage);
        }
        if header.size > max_batch {
            return Err(Code::MessageTooLarge);
        }
        let bytes = records.split_to(header.size);
        if !is_intact(&header, &bytes) {
            return Err(Code::CorruptMessage);
        }
        if header.is_control() || header.records < 1 || header.last_offset_delta != header.records - 1 {
            return Err(Code::InvalidRecord);
        }
        if header.compression() > 4 || (header.is_transactional() && !header.has_producer()) {
            return Err(Code::InvalidRecord);
        }
        if header.has_producer() && (header.base_sequence < 0 || header.producer_epoch < 0) {
            return Err(Code::InvalidRecord);
        }
        batches.push(Incoming { header, bytes });
    }
    if batches.is_empty() || (batches.len() > 1 && batches.iter().any(|b| b.header.has_producer())) {
        return Err(Code::InvalidRecord);
    }
    Ok(batches)
}

impl Incoming {
    /// The batch as it is stored from `base_offset` on: its header with the offset set and, for
    /// topics that keep the broker's time, the timestamp; then its records, untouched.
    pub(crate) fn place(&self, base_offset: i64, append_time: Option<i64>) -> (BatchHeader, [Bytes; 2]) {
        let mut head = BytesMut::from(&self.bytes[..HEADER_LEN]);
        let records = self.bytes.slice(HEADER_LEN..);
        head[..8].copy_from_slice(&base_offset.to_be_bytes());
        head[12..16].copy_from_slice(&0i32.to_be_bytes());
        let mut header = BatchHeader { base_offset, ..self.header };
        if let Some(now) = append_time {
            header.attributes |= TIMESTAMP_TYPE;
            header.max_timestamp = now;
            head[21..23].copy_from_slice(&header.attributes.to_be_bytes());
            head[35..43].copy_from_slice(&now.to_be_bytes());
            header.crc = crc32c::crc32c_append(crc32c::crc32c(&head[CRC_START..]), &records);
            head[17..21].copy_from_slice(&header.crc.to_be_bytes());
        }
        (header, [head.freeze(), records])
    }
}

/// Builds a batch around encoded records, offset 0.
pub(crate) fn build(template: &BatchHeader, records: &[u8]) -> Incoming {
    let mut b = BytesMut::with_capacity(HEADER_LEN + records.len());
    b.put_i64(template.base_offset);
    b.put_i32((HEADER_LEN - LENGTH_OVERHEAD + records.len()) as i32);
    b.put_i32(0);
    b.put_i8(2);
    b.put_u32(0);
    b.put_i16(template.attributes);
    b.put_i32(template.last_offset_delta);
    b.put_i64(template.base_timestamp);
    b.put_i64(template.max_timestamp);
    b.put_i64(template.producer_id);
    b.put_i16(template.producer_epoch);
    b.put_i32(template.base_sequence);
    b.put_i32(template.records);
    b.put_slice(records);
    let crc = crc32c::crc32c(&b[CRC_START..]);
    b[17..21].copy_from_slice(&crc.to_be_bytes());
    let header = BatchHeader { size: b.len(), crc, ..*template };
    Incoming { header, bytes: b.freeze() }
}

/// The marker that ends a transaction on a partition.
pub(crate) fn end_marker(producer_id: i64, epoch: i16, commit: bool, now: i64) -> Incoming {
    // One record: no attributes, deltas 0, a key of 4 bytes (version, type), a value of 6 bytes
    // (version, coordinator epoch), no headers. Lengths are zigzag varints, all below 64.
    let mut record = BytesMut::new();
    record.put_u8(0);
    record.put_u8(0);
    record.put_u8(0);
    record.put_u8(4 << 1);
    record.put_i16(0);
    record.put_i16(i16::from(commit));
    record.put_u8(6 << 1);
    record.put_i16(0);
    record.put_i32(0);
    record.put_u8(0);
    let mut records = BytesMut::new();
    records.put_u8((record.len() as u8) << 1);
    records.put_slice(&record);
    let template = BatchHeader {
        base_offset: 0,
        size: 0,
        crc: 0,
        attributes: TRANSACTIONAL | CONTROL,
        last_offset_delta: 0,
        base_timestamp: now,
        max_timestamp: now,
        producer_id,
        producer_epoch: epoch,
        base_sequence: -1,
        records: 1,
    };
    build(&template, &records)
}

/// Whether a stored control batch commits (`Some(true)`) or aborts its transaction.
pub(crate) fn marker_commits(batch: &[u8]) -> Option<bool> {
    let record = batch.get(HEADER_LEN..)?;
    // Length, attributes, two deltas and key length are one byte each in every such record.
    match record.get(5..9)? {
        [_, _, 0, 0] => Some(false),
        [_, _, 0, 1] => Some(true),
        _ => None,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A batch of `count` records of a few bytes each, without a producer.
    pub(crate) fn plain(count: i32, timestamp: i64) -> Incoming {
        from_producer(count, timestamp, -1, -1, -1, false)
    }

    pub(crate) fn from_producer(
        count: i32,
        timestamp: i64,
        id: i64,
        epoch: i16,
        seq: i32,
        txn: bool,
    ) -> Incoming {
        let mut records = BytesMut::new();
        for delta in 0..count {
            let key = format!("{delta}");
            let mut one = BytesMut::new();
            one.put_slice(&[0, 0]);
            one.put_u8((delta as u8) << 1);
            one.put_u8((key.len() as u8) << 1);
            one.put_slice(key.as_bytes());
            one.put_u8(6 << 1);
            one.put_slice(b"value!");
            one.put_u8(0);
            records.put_u8((one.len() as u8) << 1);
            records.put_slice(&one);
        }
        let template = BatchHeader {
            base_offset: 0,
            size: 0,
            crc: 0,
            attributes: if txn { TRANSACTIONAL } else { 0 },
            last_offset_delta: count - 1,
            base_timestamp: timestamp,
            max_timestamp: timestamp,
            producer_id: id,
            producer_epoch: epoch,
            base_sequence: seq,
            records: count,
        };
        build(&template, &records)
    }

    #[test]
    fn a_placed_batch_keeps_its_checksum_and_takes_its_offset() {
        let batch = plain(3, 7);
        for append_time in [None, Some(99)] {
            let (header, parts) = batch.place(40, append_time);
            let whole = [&parts[0][..], &parts[1][..]].concat();
            let read = BatchHeader::parse(&whole).expect("header");
            assert_eq!(read, header);
            assert_eq!((read.base_offset, read.next_offset()), (40, 43));
            assert_eq!(read.max_timestamp, append_time.unwrap_or(7));
            assert!(is_intact(&read, &whole));
        }
    }

    #[test]
    fn markers_say_whether_they_commit() {
        for commit in [true, false] {
            let marker = end_marker(5, 1, commit, 0);
            assert!(is_intact(&marker.header, &marker.bytes));
            assert_eq!(marker_commits(&marker.bytes), Some(commit));
        }
    }

    #[test]
    fn damaged_control_and_oversized_batches_are_refused() {
        let good = plain(2, 1).bytes;
        let mut bad = good.to_vec();
        *bad.last_mut().expect("bytes") ^= 1;
        assert_eq!(split(Bytes::from(bad), 4096).err(), Some(Code::CorruptMessage));
        assert_eq!(split(good.slice(..good.len() - 1), 4096).err(), Some(Code::CorruptMessage));
        assert_eq!(split(good.clone(), 64).err(), Some(Code::MessageTooLarge));
        assert_eq!(split(end_marker(1, 0, true, 0).bytes, 4096).err(), Some(Code::InvalidRecord));
        assert_eq!(split(good, 4096).expect("one batch").len(), 1);
    }

    #[test]
    fn sequences_wrap() {
        let batch = from_producer(3, 0, 1, 0, i32::MAX - 1, false);
        assert_eq!(batch.header.last_sequence(), 0);
    }
}
