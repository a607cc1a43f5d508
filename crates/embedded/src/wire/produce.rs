//! Produce requests, decoded by hand: the one request that may be large keeps its records as slices
//! of the frame, and nothing is reserved by a claimed count.

use bytes::{Buf, Bytes};
use kafka_protocol::protocol::StrBytes;

use super::WireError;

/// Records for one partition.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct PartitionRecords {
    pub(crate) index: i32,
    pub(crate) records: Bytes,
}

/// Records for one topic.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TopicRecords {
    pub(crate) name: StrBytes,
    pub(crate) partitions: Vec<PartitionRecords>,
}

/// A Produce request of versions 3 to 12.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Produce {
    pub(crate) transactional_id: Option<StrBytes>,
    pub(crate) acks: i16,
    pub(crate) topics: Vec<TopicRecords>,
}

impl Produce {
    pub(crate) fn decode(body: Bytes, version: i16) -> Result<Self, WireError> {
        let mut reader = Reader { body, flexible: version >= 9 };
        let transactional_id = reader.string()?;
        let acks = reader.i16()?;
        let _timeout = reader.i32()?;
        let mut topics = Vec::new();
        for _ in 0..reader.count()? {
            let name = reader.string()?.ok_or_else(|| WireError::malformed("topic without a name"))?;
            let mut partitions = Vec::new();
            for _ in 0..reader.count()? {
                let index = reader.i32()?;
                let records = reader.records()?;
                reader.tags()?;
                partitions.push(PartitionRecords { index, records });
            }
            reader.tags()?;
            topics.push(TopicRecords { name, partitions });
        }
        reader.tags()?;
        Ok(Self { transactional_id, acks, topics })
    }
}

struct Reader {
    body: Bytes,
    flexible: bool,
}

impl Reader {
    fn i16(&mut self) -> Result<i16, WireError> {
        self.body.try_get_i16().map_err(WireError::malformed)
    }

    fn i32(&mut self) -> Result<i32, WireError> {
        self.body.try_get_i32().map_err(WireError::malformed)
    }

    fn varint(&mut self) -> Result<usize, WireError> {
        let mut value = 0usize;
        for shift in [0, 7, 14, 21, 28] {
            let byte = self.body.try_get_u8().map_err(WireError::malformed)?;
            value |= usize::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(WireError::malformed("variable-length number of more than five bytes"))
    }

    fn count(&mut self) -> Result<usize, WireError> {
        if self.flexible {
            Ok(self.varint()?.saturating_sub(1))
        } else {
            Ok(usize::try_from(self.i32()?).unwrap_or(0))
        }
    }

    fn take(&mut self, length: usize) -> Result<Bytes, WireError> {
        if length > self.body.len() {
            return Err(WireError::malformed("a length reaches past the frame"));
        }
        Ok(self.body.split_to(length))
    }

    fn string(&mut self) -> Result<Option<StrBytes>, WireError> {
        let length =
            if self.flexible { self.varint()?.checked_sub(1) } else { usize::try_from(self.i16()?).ok() };
        let Some(length) = length else { return Ok(None) };
        StrBytes::from_utf8(self.take(length)?).map(Some).map_err(WireError::malformed)
    }

    fn records(&mut self) -> Result<Bytes, WireError> {
        let length =
            if self.flexible { self.varint()?.checked_sub(1) } else { usize::try_from(self.i32()?).ok() };
        self.take(length.unwrap_or(0))
    }

    fn tags(&mut self) -> Result<(), WireError> {
        if self.flexible {
            for _ in 0..self.varint()? {
                self.varint()?;
                let length = self.varint()?;
                self.take(length)?;
            }
        }
        Ok(())
    }
}
