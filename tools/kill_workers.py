"""Stylize pictures on a Ray cluster of this machine while its workers are killed; report what is lost or done twice.

    python tools/kill_workers.py [--seconds 300] [--every 20] [--pictures 2000] [--side 256] [--workers 2] [--json FILE]

Pictures go from a bucket to a bucket of an object store on this machine (moto), which keeps every version of what is
written, so that a picture that is written twice is seen. Every so many seconds a worker is killed without warning. The
command is started anew, into another folder of the bucket, until the time is up, which counts from the first worker on,
or one ends badly; the last one is left to end by itself.

The exit code is 1 unless as many pictures come out as go in, none is written twice, none fails, every command ends well
and a worker was killed. Needs the extra `ray`, `moto[server]` and `s3fs`, and Linux for processes.
"""

import argparse
import io
import json
import logging
import math
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
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    server.start()
    try:
        result = soak(options, "http://{}:{}".format(*server.get_host_and_port()))
    finally:
        server.stop()
    print(", ".join(f"{name.replace('_', ' ')} {value}" for name, value in result.items()))
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    equal = result["pictures_out"] == result["pictures_in"] > 0
    wrong = result["written_twice"] or result["failures"] or result["bad_ends"]
    sys.exit(0 if equal and result["kills"] and not wrong else 1)


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
    killer = Killer(options, counts)
    while time.monotonic() < killer.end and not counts["bad_ends"]:
        output = f"out{counts['commands']}"
        counts["commands"] += 1
        run(options, output, killer, counts)
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


def run(options: argparse.Namespace, output: str, killer: "Killer", counts: Counter[str]) -> None:
    """Stylize all photos into a folder of the bucket, and let workers be killed meanwhile; count how it ends."""
    words = ["--model", options.model, "--input", f"s3://{BUCKET}/in", "--output", f"s3://{BUCKET}/{output}"]
    words += ["--engine", "ray", "--workers", str(options.workers), "--device", "cpu"]
    words += ["--backend", "torch"]  # with others workers would be killed while they prepare the network
    command = [sys.executable, "-m", "fast_style", "stylize", *words]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    ) as process:
        try:
            while True:
                try:
                    told, _ = process.communicate(timeout=1.0)
                    break
                except subprocess.TimeoutExpired:
                    killer.look(process.pid)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    if process.returncode != 0:
        counts["bad_ends"] += 1
        print(f"the command ended with {process.returncode}: {told[-600:]}", file=sys.stderr)


class Killer:
    """Kills a worker every so many seconds, from the first one on and until the time is up.

    Attributes:
        end: when the time is up.
    """

    def __init__(self, options: argparse.Namespace, counts: Counter[str]) -> None:
        self.options, self.counts = options, counts
        self.random = random.Random(options.seed)  # noqa: S311 - not for secrets
        self.end, self.due = math.inf, math.inf

    def look(self, root: int) -> None:
        """Kill a worker among the processes that a command has started, if it is time and there is one."""
        now, workers = time.monotonic(), workers_of(root)
        if workers and self.end == math.inf:
            self.end, self.due = now + self.options.seconds, now + self.options.every
        if workers and self.due <= now < self.end:
            os.kill(self.random.choice(workers), signal.SIGKILL)
            self.counts["kills"] += 1
            self.due = now + self.options.every


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
