//! The log as a whole: crash recovery at every byte, reading, retention, compaction, time.

use std::fs;
use std::path::Path;

use bytes::Bytes;
use proptest::prelude::*;

use super::Log;
use super::append::AppendOptions;
use super::batch::tests::{from_producer, plain};
use super::batch::{BatchHeader, end_marker};
use super::compaction::{Rules, compact};
use super::producers::Verdict;
use super::retention::Limits;
use super::segment::log_path;
use crate::topics::partition::Partition;
use crate::wire::Code;

fn options(segment_bytes: u64) -> AppendOptions {
    AppendOptions { now: 1_000, append_time: false, segment_bytes, segment_ms: i64::MAX / 2, sync: false }
}

fn read_all(log: &Log, from: i64, limit: i64) -> Vec<BatchHeader> {
    let mut headers = Vec::new();
    let mut offset = from;
    while let Some(plan) = log.plan(offset, limit, 100).expect("plan") {
        let batches = plan.run(100, true).expect("read");
        let mut bytes = Bytes::from(batches.chunks.concat());
        while let Some(header) = BatchHeader::parse(&bytes) {
            headers.push(header);
            let _ = bytes.split_to(header.size);
        }
        assert!(bytes.is_empty(), "only whole batches are read");
        if batches.next == offset {
            break;
        }
        offset = batches.next;
    }
    headers
}

#[test]
fn a_log_cut_at_any_byte_of_its_tail_keeps_every_whole_batch() {
    let dir = tempfile::tempdir().expect("dir");
    let dir = dir.path().join("t-0");
    let mut log = Log::open(dir.clone(), 0, 0).expect("open");
    let mut ends = vec![0];
    for i in 0..4 {
        let batch = from_producer(2, 5, 7, 0, i * 2, i == 3);
        log.append(&[batch], &options(1 << 20)).expect("append");
        ends.push(log.size());
    }
    drop(log);
    let path = log_path(&dir, 0);
    let whole = fs::read(&path).expect("read");
    for cut in 0..=whole.len() {
        fs::write(&path, &whole[..cut]).expect("write");
        let mut log = Log::open(dir.clone(), 0, 0).expect("reopen");
        let kept = ends.iter().filter(|end| **end <= cut as u64).count() - 1;
        assert_eq!(log.next_offset, kept as i64 * 2, "cut at {cut}");
        assert_eq!(log.size(), ends[kept]);
        assert_eq!(read_all(&log, 0, i64::MAX).len(), kept);
        assert_eq!(log.producers.first_open(), (kept == 4).then_some(6));
        // The producer goes on where the log ends, and what was cut off is not a duplicate.
        let next = from_producer(2, 5, 7, 0, kept as i32 * 2, false);
        assert_eq!(log.producers.judge(&next.header), Ok(Verdict::Append));
        log.append(&[next], &options(1 << 20)).expect("append after recovery");
        assert_eq!(read_all(&log, 0, i64::MAX).len(), kept + 1);
    }
}

#[test]
fn a_flipped_byte_in_the_last_segment_ends_the_log_there() {
    let dir = tempfile::tempdir().expect("dir");
    let dir = dir.path().join("t-0");
    let mut log = Log::open(dir.clone(), 0, 0).expect("open");
    for _ in 0..3 {
        log.append(&[plain(1, 5)], &options(1 << 20)).expect("append");
    }
    let one = (log.size() / 3) as usize;
    drop(log);
    let path = log_path(&dir, 0);
    let mut bytes = fs::read(&path).expect("read");
    bytes[one * 2 - 1] ^= 0xff;
    fs::write(&path, &bytes).expect("write");
    let log = Log::open(dir, 0, 0).expect("reopen");
    assert_eq!((log.next_offset, log.size()), (1, one as u64));
}

#[test]
fn restarts_with_and_without_checkpoint_and_index_agree() {
    let root = tempfile::tempdir().expect("dir");
    let dir = root.path().join("t-0");
    let mut log = Log::open(dir.clone(), 0, 0).expect("open");
    for i in 0..40 {
        log.append(&[from_producer(3, i64::from(i), 1, 0, i * 3, true)], &options(400)).expect("append");
        if i % 5 == 4 {
            log.append_marker(&end_marker(1, 0, i % 2 == 0, 0), &options(400)).expect("marker");
        }
    }
    assert!(log.segments.len() > 5);
    let facts = |log: &Log| {
        let metas: Vec<_> = log.segments.iter().map(|s| s.meta.clone()).collect();
        (log.next_offset, log.log_start, metas, log.aborted.clone(), log.producers.first_open())
    };
    let before = facts(&log);
    log.store_checkpoint().expect("checkpoint");
    let known =
        |log: &Log| log.producers.iter().map(|(id, p)| (*id, p.epoch, p.batches.clone())).collect::<Vec<_>>();
    let producers = known(&log);
    for remove in ["nothing", "checkpoint", "index", "producers"] {
        for entry in fs::read_dir(&dir).expect("list") {
            let path = entry.expect("entry").path();
            let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
            if name.ends_with(remove) {
                super::recovery::remove_if_there(&path).expect("remove");
            }
        }
        let log = Log::open(dir.clone(), 0, 0).expect("reopen");
        assert_eq!(facts(&log), before, "without {remove}");
        assert_eq!(known(&log), producers, "without {remove}");
    }
}

#[test]
fn repeats_are_recognised_after_a_restart() {
    let root = tempfile::tempdir().expect("dir");
    let dir = root.path().join("t-0");
    let mut log = Log::open(dir.clone(), 0, 0).expect("open");
    let batch = from_producer(2, 5, 7, 0, 0, false);
    assert_eq!(log.append(std::slice::from_ref(&batch), &options(1 << 20)).expect("append").base_offset, 0);
    drop(log);
    let mut log = Log::open(dir, 0, 0).expect("reopen");
    assert_eq!(log.append(&[batch], &options(1 << 20)).expect("again").base_offset, 0);
    assert_eq!(log.next_offset, 2);
    let gap = from_producer(1, 5, 7, 0, 9, false);
    assert_eq!(log.append(&[gap], &options(1 << 20)), Err(Code::OutOfOrderSequenceNumber));
}

fn filled(dir: Option<&Path>, batches: i32, segment_bytes: u64) -> Log {
    let mut log = match dir {
        Some(dir) => Log::open(dir.to_owned(), 0, 0).expect("open"),
        None => Log::in_memory(),
    };
    for i in 0..batches {
        log.append(&[plain(2, i64::from(i) * 10)], &options(segment_bytes)).expect("append");
    }
    log
}

#[test]
fn old_and_surplus_segments_go_and_the_start_moves() {
    let root = tempfile::tempdir().expect("dir");
    for dir in [None, Some(root.path().join("t-0"))] {
        let mut log = filled(dir.as_deref(), 30, 500);
        let half = log.size() / 2;
        let by_size = Limits { retention_ms: -1, retention_bytes: half as i64 };
        assert!(log.retain(by_size, 1_000).expect("retain"));
        assert!(log.size() >= half && log.log_start > 0);
        let by_time = Limits { retention_ms: 1, retention_bytes: -1 };
        assert!(log.retain(by_time, 1_000_000).expect("retain"));
        assert_eq!((log.log_start, log.size()), (60, 0));
        log.append(&[plain(1, 5)], &options(500)).expect("append");
        assert_eq!(read_all(&log, 60, i64::MAX).len(), 1);
        if let Some(dir) = dir {
            drop(log);
            assert_eq!(Log::open(dir, 0, 0).expect("reopen").log_start, 60);
        }
    }
}

#[test]
fn records_are_deleted_up_to_an_offset() {
    let mut log = filled(None, 10, 300);
    assert_eq!(log.delete_before(7, 0), Ok(7));
    assert_eq!(log.delete_before(5, 0), Ok(7));
    assert_eq!(log.delete_before(21, 0), Err(Code::OffsetOutOfRange));
    assert_eq!(log.delete_before(-1, 0), Ok(20));
    assert_eq!(log.size(), 0);
}

#[test]
fn times_find_the_first_record_of_theirs_or_later() {
    let root = tempfile::tempdir().expect("dir");
    let log = filled(Some(&root.path().join("t-0")), 30, 500);
    for (time, offset) in
        [(0, Some(0)), (1, Some(2)), (10, Some(2)), (285, Some(58)), (290, Some(58)), (291, None)]
    {
        let found = log.offset_for_time(time).expect("search");
        assert_eq!(found.map(|f| f.offset), offset, "time {time}");
    }
    assert_eq!(log.offset_of_max_time().map(|f| (f.offset, f.timestamp)), Some((59, 290)));
}

#[test]
fn compaction_keeps_the_last_record_of_each_key_and_every_offset_position() {
    let root = tempfile::tempdir().expect("dir");
    let rules = Rules { dirty_ratio: 0.1, delete_retention_ms: 0, lag_ms: 0 };
    for dir in [None, Some(root.path().join("t-0"))] {
        // Keys are "0" and "1" in each batch of two.
        let log = filled(dir.as_deref(), 30, 500);
        let (size, end) = (log.size(), log.next_offset);
        let closed_end = log.segments.back().expect("segment").meta.base;
        let partition = Partition::new(log);
        assert!(compact(&partition, rules, 1_000_000).expect("compact"));
        assert!(!compact(&partition, rules, 1_000_000).expect("nothing new"));
        let log = partition.log.into_inner();
        assert!(log.size() < size);
        assert_eq!((log.next_offset, log.log_start), (end, 0));
        let kept = read_all(&log, 0, closed_end);
        assert_eq!(kept.iter().map(|h| h.base_offset).collect::<Vec<_>>(), [closed_end - 2]);
        if let Some(dir) = dir {
            drop(log);
            let log = Log::open(dir, 0, 0).expect("reopen");
            assert_eq!((log.next_offset, read_all(&log, 0, closed_end).len()), (end, 1));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    /// From any offset and with any limit, reads yield exactly the batches in between, on disk and
    /// in memory.
    #[test]
    fn reads_yield_what_was_written(sizes in prop::collection::vec(1i32..6, 1..60), from in 0usize..60, limit in 0i64..200) {
        let root = tempfile::tempdir().expect("dir");
        let mut on_disk = Log::open(root.path().join("t-0"), 0, 0).expect("open");
        let mut in_memory = Log::in_memory();
        let mut bases = Vec::new();
        for size in &sizes {
            bases.push(on_disk.next_offset);
            on_disk.append(&[plain(*size, 1)], &options(700)).expect("append");
            in_memory.append(&[plain(*size, 1)], &options(700)).expect("append");
        }
        let from = bases[from % bases.len()];
        let expected: Vec<i64> = bases.into_iter().filter(|b| *b >= from && *b < limit).collect();
        for log in [&on_disk, &in_memory] {
            let read: Vec<i64> = read_all(log, from, limit).iter().map(|h| h.base_offset).collect();
            prop_assert_eq!(&read, &expected);
        }
    }
}
