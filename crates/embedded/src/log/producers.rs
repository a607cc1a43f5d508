//! What a partition remembers of its producers: the last batches of each, so that a repeated batch
//! is recognised and a gap refused, and which transactions are open.

use std::collections::{BTreeMap, HashMap, VecDeque};

use serde::{Deserialize, Serialize};

use super::batch::BatchHeader;
use crate::wire::Code;

/// Batches remembered per producer: as many as a client may have in flight.
const REMEMBERED: usize = 5;

/// A batch that was stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Seen {
    pub(crate) first_sequence: i32,
    pub(crate) last_sequence: i32,
    pub(crate) base_offset: i64,
    pub(crate) timestamp: i64,
}

/// One producer's state on one partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Producer {
    pub(crate) epoch: i16,
    pub(crate) batches: VecDeque<Seen>,
    /// First offset of the open transaction.
    pub(crate) txn_start: Option<i64>,
    /// When it last wrote, for expiry.
    pub(crate) last_used: i64,
}

/// A transaction that was aborted on this partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Aborted {
    pub(crate) producer_id: i64,
    pub(crate) first_offset: i64,
    /// Offset of the marker.
    pub(crate) last_offset: i64,
}

/// All producers of one partition.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Producers {
    map: HashMap<i64, Producer>,
    /// Open transactions: first offset to producer.
    open: BTreeMap<i64, i64>,
}

/// What to do with a batch.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Store it.
    Append,
    /// It is stored already: answer with where.
    Duplicate(Seen),
}

impl Producers {
    /// Judges a batch by producer, epoch and sequence. A producer unknown here (new, or forgotten
    /// with its records) may start at any sequence.
    pub(crate) fn judge(&self, batch: &BatchHeader) -> Result<Verdict, Code> {
        if !batch.has_producer() {
            return Ok(Verdict::Append);
        }
        let Some(known) = self.map.get(&batch.producer_id) else { return Ok(Verdict::Append) };
        if batch.producer_epoch < known.epoch {
            return Err(Code::InvalidProducerEpoch);
        }
        if batch.producer_epoch > known.epoch {
            return if batch.base_sequence == 0 {
                Ok(Verdict::Append)
            } else {
                Err(Code::OutOfOrderSequenceNumber)
            };
        }
        let same = |seen: &&Seen| {
            seen.first_sequence == batch.base_sequence && seen.last_sequence == batch.last_sequence()
        };
        if let Some(seen) = known.batches.iter().find(same) {
            return Ok(Verdict::Duplicate(*seen));
        }
        let Some(last) = known.batches.back() else { return Ok(Verdict::Append) };
        let expected = if last.last_sequence == i32::MAX { 0 } else { last.last_sequence + 1 };
        if batch.base_sequence == expected {
            Ok(Verdict::Append)
        } else {
            Err(Code::OutOfOrderSequenceNumber)
        }
    }

    /// Takes note of a stored batch of a client.
    pub(crate) fn stored(&mut self, batch: &BatchHeader, used: i64) {
        if !batch.has_producer() {
            return;
        }
        let producer = self.map.entry(batch.producer_id).or_insert_with(|| Producer {
            epoch: batch.producer_epoch,
            batches: VecDeque::new(),
            txn_start: None,
            last_used: used,
        });
        if producer.epoch != batch.producer_epoch {
            producer.epoch = batch.producer_epoch;
            producer.batches.clear();
        }
        producer.last_used = used;
        if producer.batches.len() == REMEMBERED {
            producer.batches.pop_front();
        }
        producer.batches.push_back(Seen {
            first_sequence: batch.base_sequence,
            last_sequence: batch.last_sequence(),
            base_offset: batch.base_offset,
            timestamp: batch.max_timestamp,
        });
        if batch.is_transactional() && producer.txn_start.is_none() {
            producer.txn_start = Some(batch.base_offset);
            self.open.insert(batch.base_offset, batch.producer_id);
        }
    }

    /// Takes note of a stored end marker; the aborted transaction, if it was one with records here.
    pub(crate) fn ended(&mut self, marker: &BatchHeader, commit: bool, used: i64) -> Option<Aborted> {
        let producer = self.map.entry(marker.producer_id).or_insert_with(|| Producer {
            epoch: marker.producer_epoch,
            batches: VecDeque::new(),
            txn_start: None,
            last_used: used,
        });
        if marker.producer_epoch > producer.epoch {
            producer.epoch = marker.producer_epoch;
            producer.batches.clear();
        }
        producer.last_used = used;
        let first_offset = producer.txn_start.take()?;
        self.open.remove(&first_offset);
        let aborted =
            Aborted { producer_id: marker.producer_id, first_offset, last_offset: marker.base_offset };
        (!commit).then_some(aborted)
    }

    /// First offset of the oldest open transaction.
    pub(crate) fn first_open(&self) -> Option<i64> {
        self.open.keys().next().copied()
    }

    /// True while this producer has an open transaction here.
    pub(crate) fn is_open(&self, producer_id: i64) -> bool {
        self.map.get(&producer_id).is_some_and(|p| p.txn_start.is_some())
    }

    /// Forgets producers idle since before `before`, and those of records deleted below `start`
    /// keep only their epoch and sequence.
    pub(crate) fn expire(&mut self, before: i64) {
        self.map.retain(|_, p| p.txn_start.is_some() || p.last_used >= before);
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&i64, &Producer)> {
        self.map.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::super::batch::tests::from_producer;
    use super::*;
    use proptest::prelude::*;

    fn batch(epoch: i16, seq: i32, count: i32, base_offset: i64) -> BatchHeader {
        BatchHeader { base_offset, ..from_producer(count, 0, 9, epoch, seq, false).header }
    }

    #[test]
    fn order_repeats_gaps_and_epochs() {
        let mut producers = Producers::default();
        for (i, base) in [(0, 0), (3, 3), (6, 6)] {
            let b = batch(0, i, 3, base);
            assert_eq!(producers.judge(&b), Ok(Verdict::Append));
            producers.stored(&b, 0);
        }
        let again = producers.judge(&batch(0, 3, 3, 0)).expect("known");
        assert!(matches!(again, Verdict::Duplicate(Seen { base_offset: 3, .. })));
        assert_eq!(producers.judge(&batch(0, 12, 1, 0)), Err(Code::OutOfOrderSequenceNumber));
        assert_eq!(producers.judge(&batch(1, 5, 1, 0)), Err(Code::OutOfOrderSequenceNumber));
        assert_eq!(producers.judge(&batch(1, 0, 1, 0)), Ok(Verdict::Append));
        producers.stored(&batch(1, 0, 1, 9), 0);
        assert_eq!(producers.judge(&batch(0, 9, 1, 0)), Err(Code::InvalidProducerEpoch));
    }

    #[test]
    fn a_batch_forgotten_long_ago_is_refused_not_stored_twice() {
        let mut producers = Producers::default();
        for i in 0..8 {
            producers.stored(&batch(0, i, 1, i64::from(i)), 0);
        }
        assert_eq!(producers.judge(&batch(0, 1, 1, 0)), Err(Code::OutOfOrderSequenceNumber));
    }

    proptest! {
        /// Whatever is sent again or dropped on the way, each batch is stored once and in order.
        #[test]
        fn a_lossy_channel_stores_each_batch_once(sends in prop::collection::vec((0usize..12, any::<bool>()), 1..200)) {
            let mut producers = Producers::default();
            let mut stored: Vec<i32> = Vec::new();
            for (which, _) in sends {
                let b = batch(0, which as i32 * 2, 2, stored.len() as i64 * 2);
                if producers.judge(&b) == Ok(Verdict::Append) && (which == stored.len()) {
                    producers.stored(&b, 0);
                    stored.push(which as i32);
                } else if !stored.is_empty() {
                    prop_assert_ne!(producers.judge(&b), Ok(Verdict::Append));
                }
            }
            let expected: Vec<i32> = (0..stored.len() as i32).collect();
            prop_assert_eq!(stored, expected);
        }
    }
}
