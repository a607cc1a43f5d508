#!/usr/bin/env python3
"""How much CPU the producer takes for a message, beside Kafka's own ProducerPerformance in the same run.

Both send the flat message's size with lz4, acks=all and idempotence; the Java one with batch.size 131072.
The target: at least 1.5 times its messages per CPU-second.
"""

import argparse, json, os, statistics, sys

from bench_consume import run


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=2_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--libs", required=True, help="folder of Kafka's tools")
    parser.add_argument("--producer", required=True)
    parser.add_argument("--bootstrap-servers", default=os.environ.get("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:9092"))
    parser.add_argument("--json", action="store_true", help="a last line of JSON")
    args = parser.parse_args()
    topic = f"bench_produce_{os.getpid()}"
    ours = [args.producer, "--template", "@flat", "--seed", "1", "--bootstrap-servers", args.bootstrap_servers]
    # The topic, and the size of a message.
    first = json.loads(run(ours + ["--topic", topic, "--messages", "1000", "--output", "json"])["out"].splitlines()[-1])
    size = len(run(ours + ["--topic", topic, "--messages", "1", "--dry-run"])["out"].split("\t", 1)[1].strip())
    if first["sent"] != 1000:
        sys.exit(f"sent {first['sent']} of 1000")
    peer = ["java", "-Xmx512m", "-cp", f"{args.libs}/*", "org.apache.kafka.tools.ProducerPerformance",
            "--topic", topic, "--num-records", str(args.messages), "--record-size", str(size), "--throughput", "-1",
            "--producer-props", f"bootstrap.servers={args.bootstrap_servers}", "acks=all", "compression.type=lz4",
            "batch.size=131072", "enable.idempotence=true"]
    mine, theirs = [], []
    for _ in range(args.rounds):
        mine.append(run(ours + ["--topic", topic, "--messages", str(args.messages)]))
        theirs.append(run(peer))
    million = args.messages / 1e6
    cpu = {name: statistics.median(r["cpu"] for r in runs) / million for name, runs in [("ours", mine), ("peer", theirs)]}
    rate = {name: args.messages / statistics.median(r["wall"] for r in runs) for name, runs in [("ours", mine), ("peer", theirs)]}
    print(f"{args.messages:,} messages of {size} bytes, {args.rounds} rounds in turn, medians")
    print(f"  producer             {rate['ours']:10,.0f} messages/s {cpu['ours']:7.3f} CPU-s per million")
    print(f"  ProducerPerformance  {rate['peer']:10,.0f} messages/s {cpu['peer']:7.3f} CPU-s per million")
    print(f"  messages per CPU-second, ours / theirs: {cpu['peer'] / cpu['ours']:.2f}")
    if args.json:
        print(json.dumps({
            "messages_per_s": round(rate["ours"]), "cpu_s_per_million": round(cpu["ours"], 3),
            "peer_messages_per_s": round(rate["peer"]), "peer_cpu_s_per_million": round(cpu["peer"], 3),
            "ratio_to_peer": round(cpu["peer"] / cpu["ours"], 3),
        }))


if __name__ == "__main__":
    main()
