#!/usr/bin/env python3
"""Prints the partitions of a stream or table of the lake: files, rows and bytes in each.

usage: lake_tree.py LAKE_ROOT streams/NAME|tables/NAME
"""

import sys
from pathlib import Path


def main():
    import pyarrow.parquet as pq

    if len(sys.argv) != 3:
        sys.exit(__doc__)
    folder = Path(sys.argv[1]) / sys.argv[2]
    totals = {}
    for path in sorted(folder.glob("*=*/**/*.parquet")):
        files, rows, size = totals.get(path.parent, (0, 0, 0))
        totals[path.parent] = (files + 1, rows + pq.read_metadata(path).num_rows, size + path.stat().st_size)
    print(folder)
    for partition, (files, rows, size) in totals.items():
        print(f"  {partition.relative_to(folder)}  {files} files  {rows:>9,} rows  {size:>12,} bytes")
    sums = [sum(column) for column in zip(*totals.values())] or [0, 0, 0]
    print(f"  total: {len(totals)} partitions  {sums[0]} files  {sums[1]:,} rows  {sums[2]:,} bytes")


if __name__ == "__main__":
    main()
