#!/usr/bin/env python3
"""Reads one stream or table of the lake with every reader we promise to suit, and says whether they agree.

usage: check_lake.py LAKE_ROOT STREAM [--json] [--unique]
       check_lake.py LAKE_ROOT --table NAME [--json]

Run it with the python that `scripts/readers` prints. Each reader computes everything in its own engine; nothing is
shared but the list of files. Exit 0: all agree; 1: they differ, or one cannot read it; 2: wrong usage.

Readers that look at the files alone see a removed file until it is deleted, so let the grace period pass first.
"""

import argparse
import glob
import json
import sys
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path

PARTITION_KEYS = ("year", "month", "day", "version")
OFFSET_KEY = ("kafka_partition", "kafka_offset")


def partition_name(values):
    """`year=2025/month=1`: readers disagree on the type of a partition column (month 01 or 1), not on its value."""
    plain = [(k, str(int(v)) if str(v).isdigit() else str(v)) for k, v in values]
    return "rows[" + "/".join(f"{k}={v}" for k, v in plain) + "]"


class Facts(dict):
    """What one reader says: metric name -> exact value (int, or a decimal's text)."""

    def add(self, name, column, value):
        # Decimals are compared as numbers: 1.50 and 1.5 are the same sum.
        if value is not None and not isinstance(value, int):
            value = f"{value.normalize():f}"
        self[f"{name}({column})"] = value

    def partitions(self, keys, rows):
        for *values, count in rows:
            self[partition_name(zip(keys, values))] = int(count)


def duckdb_facts(files, pattern):
    import duckdb

    db = duckdb.connect()
    db.execute("SET TimeZone = 'UTC'")
    # A name quoted for SQL; the glob is ours.
    source = f"read_parquet('{pattern.replace(chr(39), chr(39) * 2)}', hive_partitioning = true, union_by_name = true)"
    columns = db.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()
    facts = Facts()
    wanted = [("rows", "*", "count(*)")]
    for name, kind, *_ in columns:
        column = '"' + name.replace('"', '""') + '"'
        if name in PARTITION_KEYS:
            continue
        wanted.append(("values", name, f"count({column})"))
        if kind.startswith("DECIMAL") or kind in ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT"):
            wanted.append(("sum", name, f"sum({column})"))
        elif kind.startswith("TIMESTAMP"):
            wanted.append(("min", name, f"epoch_us(min({column}))"))
            wanted.append(("max", name, f"epoch_us(max({column}))"))
        elif kind == "VARCHAR":
            wanted.append(("bytes", name, f"sum(strlen({column}))"))
    row = db.execute(f"SELECT {', '.join(w[2] for w in wanted)} FROM {source}").fetchone()
    for (metric, name, _), value in zip(wanted, row):
        facts.add(metric, name, value)
    names = [c[0] for c in columns]
    if all(k in names for k in OFFSET_KEY):
        query = f"SELECT count(*) FROM (SELECT DISTINCT {', '.join(OFFSET_KEY)} FROM {source})"
        facts.add("distinct", "offsets", db.execute(query).fetchone()[0])
    keys = [k for k in PARTITION_KEYS if k in names]
    listed = ", ".join(keys)
    facts.partitions(keys, db.execute(f"SELECT {listed}, count(*) FROM {source} GROUP BY {listed}").fetchall())
    return facts


def polars_facts(frame):
    import polars as pl

    facts = Facts()
    wanted = {"rows(*)": pl.len()}
    schema = frame.collect_schema()
    for name, kind in schema.items():
        if name in PARTITION_KEYS:
            continue
        column = pl.col(name)
        wanted[f"values({name})"] = column.count()
        if kind.is_integer():
            # A wider type than the column's: a sum must not wrap around.
            wanted[f"sum({name})"] = column.cast(pl.Int128).sum()
        elif kind.is_decimal():
            wanted[f"sum({name})"] = column.sum()
        elif isinstance(kind, pl.Datetime):
            wanted[f"min({name})"] = column.min().dt.epoch("us")
            wanted[f"max({name})"] = column.max().dt.epoch("us")
        elif kind == pl.String:
            wanted[f"bytes({name})"] = column.str.len_bytes().cast(pl.Int64).sum()
    if all(k in schema for k in OFFSET_KEY):
        wanted["distinct(offsets)"] = pl.struct(OFFSET_KEY).n_unique()
    row = frame.select(**wanted).collect().row(0, named=True)
    for label, value in row.items():
        metric, _, rest = label.partition("(")
        # Polars sums no value to 0, the others to null.
        empty = metric in ("sum", "bytes") and row[f"values({rest[:-1]})"] == 0
        facts.add(metric, rest[:-1], None if empty else value)
    keys = [k for k in PARTITION_KEYS if k in schema]
    facts.partitions(keys, frame.group_by(keys).agg(pl.len()).collect().rows())
    return facts


def polars_glob_facts(files, pattern):
    import polars as pl

    schemas = {tuple(pl.read_parquet_schema(f).items()) for f in files}
    if len(schemas) == 1:
        return polars_facts(pl.scan_parquet(pattern, hive_partitioning=True))
    # A stream that grew columns: Polars takes the first file's schema unless told to join the files by name.
    frames = [pl.scan_parquet(f, hive_partitioning=True) for f in files]
    # "relaxed": a struct that gained a member is another type to Polars.
    return polars_facts(pl.concat(frames, how="diagonal_relaxed"))


def arrow_facts(dataset):
    import pyarrow as pa
    import pyarrow.compute as pc

    facts = Facts()
    facts.add("rows", "*", dataset.count_rows())
    for field in dataset.schema:
        if field.name in PARTITION_KEYS:
            continue
        # A column at a time: memory stays at one column, whatever the width.
        column = dataset.to_table(columns=[field.name]).column(0)
        values = len(column) - column.null_count
        facts.add("values", field.name, values)
        if pa.types.is_integer(field.type) or pa.types.is_decimal(field.type):
            scale = field.type.scale if pa.types.is_decimal(field.type) else 0
            total = pc.sum(column.cast(pa.decimal128(38, scale))).as_py()
            facts.add("sum", field.name, int(total) if total is not None and scale == 0 else total)
        elif pa.types.is_timestamp(field.type):
            bounds = pc.min_max(column.cast(pa.timestamp("us", field.type.tz)).cast(pa.int64()))
            facts.add("min", field.name, bounds["min"].as_py())
            facts.add("max", field.name, bounds["max"].as_py())
        elif pa.types.is_string(field.type) or pa.types.is_large_string(field.type) or pa.types.is_string_view(field.type):
            facts.add("bytes", field.name, pc.sum(pc.binary_length(column.cast(pa.large_string()))).as_py())
    names = dataset.schema.names
    if all(k in names for k in OFFSET_KEY):
        pairs = dataset.to_table(columns=list(OFFSET_KEY))
        facts.add("distinct", "offsets", pairs.group_by(list(OFFSET_KEY)).aggregate([]).num_rows)
    keys = [k for k in PARTITION_KEYS if k in names]
    grouped = dataset.to_table(columns=keys).group_by(keys).aggregate([([], "count_all")])
    rows = [tuple(r[k] for k in keys) + (r["count_all"],) for r in grouped.to_pylist()]
    facts.partitions(keys, rows)
    return facts


def arrow_glob_facts(files, pattern):
    import pyarrow as pa
    import pyarrow.dataset as ds
    import pyarrow.parquet as pq

    # The first file's schema would stand for all: give the union, for a stream that grew columns.
    hive = ds.dataset(files, format="parquet", partitioning="hive").schema
    schema = pa.unify_schemas([pq.read_schema(f) for f in files] + [hive], promote_options="permissive")
    return arrow_facts(ds.dataset(files, format="parquet", partitioning="hive", schema=schema))


def deltalake_facts(folder):
    from deltalake import DeltaTable

    return arrow_facts(DeltaTable(str(folder)).to_pyarrow_dataset())


def polars_delta_facts(folder):
    import polars as pl

    return polars_facts(pl.scan_delta(str(folder)))


def read_all(folder, levels):
    pattern = str(folder.absolute() / "/".join(levels) / "*.parquet")
    files = sorted(glob.glob(pattern))
    if not files:
        raise SystemExit(f"check_lake: no Parquet file matches {pattern}")
    readers = {
        "duckdb": lambda: duckdb_facts(files, pattern),
        "polars": lambda: polars_glob_facts(files, pattern),
        "pyarrow": lambda: arrow_glob_facts(files, pattern),
        "deltalake": lambda: deltalake_facts(folder),
        "polars-delta": lambda: polars_delta_facts(folder),
    }
    facts, errors = {}, {}
    for name, read in readers.items():
        try:
            facts[name] = read()
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # Whatever a reader raises is a finding about our files, a Rust panic too.
            errors[name] = f"{type(error).__name__}: {error}"
    return len(files), facts, errors


def differences(facts):
    """metric -> {reader: value} where the readers do not all say the same."""
    found = {}
    for metric in sorted({m for f in facts.values() for m in f}):
        values = {name: f.get(metric, "absent") for name, f in facts.items()}
        if len(Counter(map(str, values.values()))) > 1:
            found[metric] = values
    return found


def readable(metric, value):
    if metric.startswith(("min(", "max(")) and isinstance(value, int):
        return (datetime(1970, 1, 1) + timedelta(microseconds=value)).isoformat() + "Z"
    return value


def print_table(rows, header):
    cells = [header] + [[("" if c is None else str(c)) for c in row] for row in rows]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    for row in cells:
        print("  ".join(c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths))))


def main():
    parser = argparse.ArgumentParser(description="check that all readers see the same in the lake")
    parser.add_argument("lake_root", type=Path)
    parser.add_argument("stream", nargs="?")
    parser.add_argument("--table", metavar="NAME")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--unique", action="store_true", help="fail unless each (partition, offset) is there once")
    args = parser.parse_args()
    if (args.stream is None) == (args.table is None):
        parser.error("name one stream, or one table with --table")
    if args.table:
        files, facts, errors = read_all(args.lake_root / "tables" / args.table, ["version=*"])
    else:
        files, facts, errors = read_all(args.lake_root / "streams" / args.stream, ["year=*", "month=*", "day=*"])

    differ = differences(facts)
    some = next(iter(facts.values()), {})
    repeated = some["rows(*)"] - some["distinct(offsets)"] if "distinct(offsets)" in some else 0
    good = not differ and not errors and not (args.unique and repeated)
    if args.json:
        report = {"agree": not differ and not errors, "files": files, "repeated_offsets": repeated}
        report |= {"readers": facts, "differences": differ, "errors": errors}
        print(json.dumps(report, default=str))
        return 0 if good else 1

    if differ:
        print_table([[m, *(readable(m, x) for x in v.values())] for m, v in differ.items()], ["differs", *facts])
    elif facts:
        shown = {m: v for m, v in some.items() if not m.startswith("rows[")}
        partitions = len(some) - len(shown)
        rows = {"files": files, "partitions": partitions, **shown}
        print_table([[m, readable(m, v)] for m, v in rows.items()], ["metric", "value"])
    for name, error in errors.items():
        print(f"{name} failed: {error}")
    if repeated:
        print(f"{repeated} rows repeat a (kafka_partition, kafka_offset)")
    print(f"{len(facts)} of {len(facts) + len(errors)} readers " + ("agree" if good else "read it: NOT in agreement"))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
