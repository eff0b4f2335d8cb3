"""Stylize pictures on a Ray cluster of this machine while its workers are killed; report what is lost or done twice.

    python tools/kill_workers.py [--seconds 300] [--every 20] [--pictures 2000] [--side 256] [--workers 2] [--json FILE]

Pictures go from a bucket to a bucket of an object store on this machine (moto), which keeps every version of what is
written, so that a picture that is written twice is seen. Every so many seconds a worker is killed without warning. The
command is started anew, into another folder of the bucket, until the time is up; the last one is left to end by itself.

The exit code is 1 unless as many pictures come out as go in, none is written twice, none fails and every command ends
well. Needs the extra `ray`, `moto[server]` and `s3fs`, and Linux for processes.
"""

import argparse
import io
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
BUCKET = "photos"
MANIFEST = "fast_style_job.json"
TITLE = b"ray::Worker"  # as Ray calls the processes of workers
KEYS = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_DEFAULT_REGION": "us-east-1", "no_proxy": "*"}


def main() -> None:
    """Stylize and kill until the time is up, and report."""
    from moto.server import ThreadedMotoServer

    options = parse()
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    try:
        result = soak(options, "http://{}:{}".format(*server.get_host_and_port()))
    finally:
        server.stop()
    print(", ".join(f"{name.replace('_', ' ')} {value}" for name, value in result.items()))
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    equal = result["pictures_out"] == result["pictures_in"] > 0
    sys.exit(0 if equal and not (result["written_twice"] or result["failures"] or result["bad_ends"]) else 1)


def parse() -> argparse.Namespace:
    """Read the arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=300, help="for which workers are killed")
    parser.add_argument("--every", type=float, default=20, help="seconds from one kill to the next")
    parser.add_argument("--pictures", type=int, default=2000, help="of each command")
    parser.add_argument("--side", type=int, default=256, help="pixels of a side")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--model", default="starry_night_slim")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    if min(options.seconds, options.every, options.pictures, options.side, options.workers) <= 0:
        parser.error("all numbers must be above 0")
    return options


def soak(options: argparse.Namespace, address: str) -> dict[str, Any]:
    """Run commands until the time is up; return the counts."""
    import boto3

    os.environ.update(KEYS, AWS_ENDPOINT_URL=address)
    client = boto3.client("s3")
    client.create_bucket(Bucket=BUCKET)
    client.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    put_photos(client, options)
    counts: Counter[str] = Counter(commands=0, kills=0, failures=0, bad_ends=0)
    draws = random.Random(options.seed)  # noqa: S311 - not for secrets
    end = time.monotonic() + options.seconds
    while time.monotonic() < end:
        output = f"out{counts['commands']}"
        counts["commands"] += 1
        run(options, output, end, draws, counts)
        counts["failures"] += failed_in(client, output)
    versions = versions_of(client)
    return {
        "pictures_in": options.pictures * counts["commands"],
        "pictures_out": len(versions),
        "written_twice": sum(count > 1 for count in versions.values()),
        **counts,
    }


def put_photos(client: Any, options: argparse.Namespace) -> None:
    """Put photos into the bucket, under names of their own; some of them are alike."""
    noise = np.random.default_rng(options.seed)
    files = []
    for _ in range(min(16, options.pictures)):
        coarse = Image.fromarray(noise.integers(0, 256, (9, 12, 3), np.uint8))
        file = io.BytesIO()
        coarse.resize((options.side, options.side), Image.Resampling.BICUBIC).save(file, "JPEG")
        files.append(file.getvalue())
    for number in range(options.pictures):
        client.put_object(Bucket=BUCKET, Key=f"in/{number:06}.jpg", Body=files[number % len(files)])


def run(options: argparse.Namespace, output: str, end: float, draws: random.Random, counts: Counter[str]) -> None:
    """Stylize all photos into a folder of the bucket, and kill workers meanwhile until `end`; count what happens."""
    words = ["--model", options.model, "--input", f"s3://{BUCKET}/in", "--output", f"s3://{BUCKET}/{output}"]
    words += ["--engine", "ray", "--workers", str(options.workers), "--device", "cpu"]
    command = [sys.executable, "-m", "fast_style", "stylize", *words]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    ) as process:
        try:
            while True:
                left = end - time.monotonic()
                try:
                    told, _ = process.communicate(timeout=options.every if left > options.every else None)
                    break
                except subprocess.TimeoutExpired:
                    kill_one(process.pid, draws, counts)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    if process.returncode != 0:
        counts["bad_ends"] += 1
        print(f"the command ended with {process.returncode}: {told[-600:]}", file=sys.stderr)


def kill_one(root: int, draws: random.Random, counts: Counter[str]) -> None:
    """Kill a worker among the processes that a command has started, if there is one."""
    if workers := workers_of(root):
        os.kill(draws.choice(workers), signal.SIGKILL)
        counts["kills"] += 1


def workers_of(root: int) -> list[int]:
    """List the processes of workers among those that descend from a process."""
    parents, workers = {}, []
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
                if (folder / "cmdline").read_bytes().startswith(TITLE):
                    workers.append(int(folder.name))
            except OSError:  # it has ended
                continue
    family = {root}
    while more := {pid for pid, parent in parents.items() if parent in family} - family:
        family |= more
    return [pid for pid in workers if pid in family]


def failed_in(client: Any, output: str) -> int:
    """Read in the manifest of a command how many pictures failed."""
    try:
        about = json.load(client.get_object(Bucket=BUCKET, Key=f"{output}/{MANIFEST}")["Body"])
    except client.exceptions.NoSuchKey:
        return 0  # of which no picture comes out
    return int(about.get("failed", 0))


def versions_of(client: Any) -> Counter[str]:
    """Count how often each picture was written."""
    versions: Counter[str] = Counter()
    for page in client.get_paginator("list_object_versions").paginate(Bucket=BUCKET, Prefix="out"):
        versions.update(each["Key"] for each in page.get("Versions", ()) if each["Key"].endswith(".jpg"))
    return versions


if __name__ == "__main__":
    main()
