#!/usr/bin/env python3
"""Compares a Kafka topic with the stream it was landed in, record by record and field by field.

usage: check_landed.py BOOTSTRAP_SERVERS TOPIC LAKE_ROOT [STREAM]

Reads the whole topic with confluent-kafka and the stream with deltalake, so none of our code judges itself. Each record
of the topic must be in the lake exactly once: as a row with the same values, or as a dead letter with the same bytes
(a tombstone in neither). Run it with the python that `scripts/readers` prints, once producers and consumers rest.
Everything is held in memory: meant for some 100,000s of records. Exit 0: equal; 1: not.
"""

import argparse
import base64
import json
import sys
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
OWN_COLUMNS = {"_rescued", "kafka_partition", "kafka_offset", "kafka_timestamp", "year", "month", "day"}
ABSENT = object()


def read_topic(servers, topic):
    """(partition, offset) -> (value bytes or None, timestamp in ms), up to the ends at the start; and the first offsets."""
    from confluent_kafka import Consumer, KafkaException, TopicPartition

    consumer = Consumer({"bootstrap.servers": servers, "group.id": "check-landed", "enable.auto.commit": False})
    try:
        found = consumer.list_topics(topic, timeout=20).topics[topic]
        if found.error:
            raise KafkaException(found.error)
        bounds = {p: consumer.get_watermark_offsets(TopicPartition(topic, p), timeout=20) for p in found.partitions}
        open_ends = {p: high for p, (low, high) in bounds.items() if low < high}
        consumer.assign([TopicPartition(topic, p, bounds[p][0]) for p in open_ends])
        records = {}
        while open_ends:
            messages = consumer.consume(10_000, timeout=10)
            if not messages:
                raise SystemExit(f"check_landed: no answer from {servers} for 10 s, partitions {sorted(open_ends)} unread")
            for message in messages:
                if message.error():
                    raise KafkaException(message.error())
                partition, offset = message.partition(), message.offset()
                end = open_ends.get(partition)
                if end is None or offset >= end:
                    continue
                records[partition, offset] = (message.value(), message.timestamp()[1])
                if offset == end - 1:
                    del open_ends[partition]
        return records, {p: low for p, (low, high) in bounds.items()}
    finally:
        consumer.close()


def read_rows(folder):
    """All rows as (partition, offset, row)."""
    from deltalake import DeltaTable

    for batch in DeltaTable(str(folder)).to_pyarrow_dataset().to_batches():
        for row in batch.to_pylist():
            yield row["kafka_partition"], row["kafka_offset"], row


def read_dead_letters(folder):
    letters = {}
    for path in sorted(folder.glob("*.jsonl")):
        for line in path.read_text().splitlines():
            letter = json.loads(line)
            # A crash may write one twice, which is allowed: the offset names it.
            letters[letter["partition"], letter["offset"]] = letter
    return letters


def same(expected, actual):
    """Is the JSON value the column's value? Numbers by value, times by instant, absent as null."""
    if actual is None:
        return expected is None
    if isinstance(actual, bool) or isinstance(expected, bool):
        return expected is actual
    if isinstance(actual, datetime):
        actual = actual if actual.tzinfo else actual.replace(tzinfo=timezone.utc)
        if isinstance(expected, str):
            expected = datetime.fromisoformat(expected)
            expected = expected if expected.tzinfo else expected.replace(tzinfo=timezone.utc)
            return expected == actual
        return isinstance(expected, int) and EPOCH + timedelta(milliseconds=expected) == actual
    if isinstance(actual, float):
        return isinstance(expected, (int, Decimal)) and float(expected) == actual
    if isinstance(actual, (int, Decimal)):
        return isinstance(expected, (int, Decimal)) and expected == actual
    if isinstance(actual, list) and isinstance(expected, dict):
        actual = dict(actual)  # A map comes as a list of pairs.
    if isinstance(actual, dict):
        if not isinstance(expected, dict):
            return False
        fields = {k: v for k, v in actual.items() if v is not None}
        members = {k: v for k, v in expected.items() if v is not None}
        names = {n.lower(): n for n in fields}
        return len(members) == len(fields) and all(
            same(v, fields.get(k, fields.get(names.get(k.lower())))) for k, v in members.items()
        )
    if isinstance(actual, list):
        return isinstance(expected, list) and len(expected) == len(actual) and all(map(same, expected, actual))
    return expected == actual


def differing_fields(value, row):
    """Names of the fields that are neither in their column nor in `_rescued` as they were produced."""
    rescued = json.loads(row["_rescued"], parse_float=Decimal) if row.get("_rescued") else {}
    columns = {name.lower(): name for name in row if name not in OWN_COLUMNS}
    wrong = []
    for name, expected in value.items():
        column = name if name in columns.values() else columns.get(name.lower())
        if column is not None and same(expected, row[column]):
            continue
        # Of a nested value the whole top-level field is rescued. A null that has no column holds nothing to lose.
        if rescued.get(name, ABSENT) != expected and not (column is None and expected is None):
            wrong.append(name)
    produced = {n.lower() for n in value}
    wrong += [c for n, c in columns.items() if n not in produced and row[c] is not None]
    return wrong


def compare(records, rows, letters, first_offsets):
    problems = []
    seen = set()
    for partition, offset, row in rows:
        place = f"partition {partition} offset {offset}"
        if (partition, offset) in seen:
            problems.append(f"{place}: in the lake more than once")
            continue
        seen.add((partition, offset))
        if (partition, offset) not in records:
            if offset >= first_offsets.get(partition, 0):
                problems.append(f"{place}: in the lake, not in the topic")
            continue
        value, timestamp = records[partition, offset]
        if (partition, offset) in letters:
            problems.append(f"{place}: a row and a dead letter")
        try:
            document = json.loads(value, parse_float=Decimal)
        except (TypeError, ValueError) as error:
            problems.append(f"{place}: landed as a row, but it is no JSON ({error})")
            continue
        wrong = differing_fields(document, row)
        if row["kafka_timestamp"] != EPOCH + timedelta(milliseconds=timestamp):
            wrong.append("kafka_timestamp")
        if wrong:
            problems.append(f"{place}: differs in {', '.join(sorted(wrong))}")
    for place, (value, _) in records.items():
        if place in seen:
            continue
        letter = letters.get(place)
        text = f"partition {place[0]} offset {place[1]}"
        if value is not None and letter is None:
            problems.append(f"{text}: neither a row nor a dead letter")
        elif value is not None and base64.b64decode(letter["value"] or "") != value:
            problems.append(f"{text}: the dead letter has other bytes")
        elif value is None and letter is not None:
            problems.append(f"{text}: a tombstone is no dead letter")
    return len(seen), problems


def main():
    parser = argparse.ArgumentParser(description="compare a Kafka topic with the stream it was landed in")
    parser.add_argument("servers")
    parser.add_argument("topic")
    parser.add_argument("lake_root", type=Path)
    parser.add_argument("stream", nargs="?")
    parser.add_argument("--rows", type=int, metavar="N", help="fail unless so many rows landed")
    args = parser.parse_args()
    records, first_offsets = read_topic(args.servers, args.topic)
    letters = read_dead_letters(args.lake_root / "dead_letters" / args.topic)
    rows = read_rows(args.lake_root / "streams" / (args.stream or args.topic))
    count, problems = compare(records, rows, letters, first_offsets)
    if args.rows is not None and count != args.rows:
        problems.append(f"{args.rows} rows expected, {count} landed")
    for problem in problems[:20]:
        print(problem)
    tombstones = sum(value is None for value, _ in records.values())
    print(f"{len(records)} records in the topic: {count} rows, {len(letters)} dead letters, {tombstones} tombstones; "
          + (f"{len(problems)} problems" if problems else "each one landed exactly once, every field equal"))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
