#!/usr/bin/env python3
"""How fast consumer-datalake is, beside the floor and the sum of its parts, all in one run.

Rounds of: count (poll and count bytes), parts (decode and encode without Kafka), consume (the real thing).
Prints the median of each, and their ratios. The targets: at most 2.0 CPU-seconds per million messages,
under 256 MiB, at least 0.4 of count's messages per second, at most 1.4 times the CPU of count plus parts.
"""

import argparse, json, os, shutil, statistics, subprocess, sys, tempfile, time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FLAT = {
    "name": "bench_flat", "kind": "stream", "source": "bench_flat", "mode": "append", "partitioning": "date",
    "retention": {"days": 365}, "event_time": "timestamp", "key": {"columns": [], "format": "none"},
    "schema": [{"name": n, "type": t} for n, t in [
        ("transaction_id", "string"), ("user_id", "string"), ("amount", "decimal(15,2)"), ("currency", "string"),
        ("payment_method", "string"), ("product_id", "string"), ("quantity", "int"),
        ("transaction_type", "string"), ("status", "string"), ("country", "string"), ("timestamp", "timestamp")]],
}


def run(command):
    """Runs a command; its wall seconds, CPU seconds and peak MiB, from the kernel's own accounting."""
    start = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    output = process.stdout.read().decode()
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        sys.exit(f"failed: {' '.join(command)}")
    wall = time.monotonic() - start
    return {"wall": wall, "cpu": usage.ru_utime + usage.ru_stime, "mib": usage.ru_maxrss / 1024, "out": output}


def median(runs, key):
    return statistics.median(run[key] for run in runs)


def bench(name, topic, feed, template, args, bins, work):
    servers = ["--bootstrap-servers", args.bootstrap_servers]
    produce = [bins["producer"], "--topic", topic, "--seed", "1", "--time-step", "60ms"]
    subprocess.run(produce + template + ["--messages", str(args.messages)] + servers, check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    sample = os.path.join(work, f"{name}.jsonl")
    # A line at a time: the peak memory of a child counts this process's at its start.
    dry = subprocess.Popen(produce + template + ["--messages", "200000", "--dry-run"], stdout=subprocess.PIPE)
    with open(sample, "wb") as out:
        for line in dry.stdout:
            out.write(line.split(b"\t", 1)[1])
    if dry.wait() != 0:
        sys.exit("the producer's --dry-run failed")
    feed_file = os.path.join(work, f"{name}.json")
    with open(feed_file, "w") as out:
        json.dump(feed, out)
    count, parts, consume = [], [], []
    for turn in range(args.rounds):
        count.append(run([bins["count"], "--topic", topic] + servers))
        lake = os.path.join(work, f"parts-{name}-{turn}")
        parts.append(run([bins["parts"], feed_file, sample, str(args.messages), lake]))
        shutil.rmtree(lake)
        lake = os.path.join(work, f"lake-{name}-{turn}")
        subprocess.run([bins["init-datalake"], "--lake-root", lake], check=True, stdout=subprocess.DEVNULL)
        shutil.copy(feed_file, os.path.join(lake, "feeds/active", f"{feed['name']}.json"))
        done = run([bins["consumer-datalake"], "--topics", topic, "--lake-root", lake, "--until-end", "--group",
                    f"bench-{name}-{os.getpid()}-{turn}", "--output", "json"] + servers)
        landed = json.loads(done["out"].splitlines()[-1])
        if landed["rows"] != args.messages:
            sys.exit(f"landed {landed['rows']} of {args.messages}")
        consume.append(done | {"files": landed["files"], "bytes": landed["bytes"]})
        shutil.rmtree(lake)
    million = args.messages / 1e6
    figures = {
        "messages": args.messages,
        "messages_per_s": round(args.messages / median(consume, "wall")),
        "cpu_s_per_million": round(median(consume, "cpu") / million, 3),
        "peak_mib": round(median(consume, "mib"), 1),
        "ratio_to_counting": round(median(count, "wall") / median(consume, "wall"), 3),
        "ratio_to_parts": round(median(consume, "cpu") / (median(count, "cpu") + median(parts, "cpu")), 3),
        "counting_messages_per_s": round(args.messages / median(count, "wall")),
        "counting_cpu_s_per_million": round(median(count, "cpu") / million, 3),
        "parts_cpu_s_per_million": round(median(parts, "cpu") / million, 3),
    }
    print(f"\n{name}: {args.messages:,} messages, {args.rounds} rounds, medians")
    for what, runs in [("count", count), ("parts", parts), ("consume", consume)]:
        print(f"  {what:8} {args.messages / median(runs, 'wall'):12,.0f} messages/s "
              f"{median(runs, 'cpu') / million:8.3f} CPU-s per million {median(runs, 'mib'):8.1f} MiB peak")
    print(f"  consume / count in messages/s {figures['ratio_to_counting']}, "
          f"consume / (count + parts) in CPU {figures['ratio_to_parts']}, "
          f"{consume[0]['files']} files of {consume[0]['bytes'] / 1e6:.0f} MB in all")
    return figures


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=5_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--bins", required=True, help="folder of the release binaries")
    parser.add_argument("--bootstrap-servers", default=os.environ.get("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:9092"))
    parser.add_argument("--only", choices=["flat", "full"])
    parser.add_argument("--json", action="store_true", help="a last line of JSON")
    args = parser.parse_args()
    bins = {name: os.path.join(args.bins, name) for name in ["producer", "init-datalake", "consumer-datalake"]}
    bins |= {name: os.path.join(args.bins, "examples", name) for name in ["count", "parts"]}
    work = tempfile.mkdtemp(prefix="affluent-bench-", dir=os.environ.get("AFFLUENT_BENCH_DIR"))
    figures = {}
    try:
        if args.only != "full":
            topic = f"bench_flat_{os.getpid()}"
            feed = FLAT | {"name": topic, "source": topic}
            figures = bench("flat", topic, feed, ["--template", "@flat"], args, bins, work)
        if args.only != "flat":
            lake = os.path.join(work, "feeds")
            subprocess.run([bins["init-datalake"], "--lake-root", lake], check=True, stdout=subprocess.DEVNULL)
            with open(os.path.join(lake, "feeds/active/transaction_stream.json")) as file:
                feed = json.load(file)
            topic = f"bench_full_{os.getpid()}"
            feed |= {"name": topic, "source": topic}
            figures["full"] = bench("full", topic, feed, ["--template", "@transaction_stream"], args, bins, work)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    if args.json:
        print(json.dumps(figures))


if __name__ == "__main__":
    main()
