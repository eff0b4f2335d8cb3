"""How soon the page has a first picture, and what it bears.

    python benchmarks/page.py --photo PHOTO [--seconds 300] [--clients 20] [--model starry_night_slim] [--output FILE]

First: the server is started, a photo of 12 megapixels (PHOTO, enlarged) is brought and stylized; seconds from the
moment the server answers to the quick picture and to the whole one, as the page asks for them.

Then, for so many seconds, as many clients as given bring a photo of 1600 px each and ask for quick and whole pictures,
again where they are told that too many do (status 429), while a quarter as many promise giant files, break off in the
middle, or stand still. Counted are the pictures, the refusals for lack of room, and everything else that an honest
client was answered, which fails the run; memory is the resident memory of the server and its processes, at the end of
each fifth of the time.
"""

import argparse
import http.client
import io
import json
import os
import platform
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

from PIL import Image

SERVE = [sys.executable, "-m", "fast_style", "serve", "--port", "0"]
GIANT, LARGE, SLOW = 10**12, 10**6, 10**5  # bytes that are promised
BUSY = 429


class Client:
    """Someone who uses the page.

    Args:
        port: of the server.
    """

    def __init__(self, port: int) -> None:
        self.port = port

    def ask(
        self, method: str, path: str, body: bytes | None = None, kind: str = "application/json"
    ) -> tuple[int, bytes]:
        """Ask once; returns status and answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=300)
        try:
            connection.request(method, f"/api/{path}", body, {"content-type": kind, "accept": "*/*"})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def picture(self, image: str, style: str, preview: bool) -> tuple[int, bytes]:
        """Ask for a picture."""
        return self.ask("POST", "stylize", json.dumps({"image": image, "style": style, "preview": preview}).encode())

    def promise(self, size: int) -> None:
        """Begin to bring a file that does not come."""
        head = f"PUT /api/images HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nContent-Length: {size}\r\n\r\n"
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 5) as connection:
            connection.sendall(head.encode() + bytes(5000))
            if size == SLOW:
                time.sleep(5)


class Load:
    """Many clients for a while.

    Args:
        port: of the server.
        photo: a JPEG file.
        style: id of a style.
        seconds: how long.
    """

    def __init__(self, port: int, photo: bytes, style: str, seconds: float) -> None:
        self.client, self.photo, self.style = Client(port), photo, style
        self.end = time.monotonic() + seconds
        self.counts: Counter[str] = Counter()
        self.waits: dict[bool, list[float]] = {True: [], False: []}
        self.wrong: list[str] = []

    def until_granted(self, *asked: Any) -> bytes | None:
        """Ask again and again while there is no room; None once the time is over or something is wrong."""
        while time.monotonic() < self.end:
            try:
                status, answer = self.client.ask(*asked)
            except OSError as error:
                status, answer = 0, str(error).encode()
            if status < 300 and status:
                return answer
            if status != BUSY:
                self.wrong.append(f"{asked[0]} {asked[1]}: {status} {answer[:200].decode(errors='replace')}")
                return None
            self.counts["refused for lack of room"] += 1
            time.sleep(0.2)
        return None

    def honest(self) -> None:
        """Bring a photo, ask for quick pictures and a whole one, again."""
        while time.monotonic() < self.end:
            answer = self.until_granted("PUT", "images?name=a.jpg", self.photo, "image/jpeg")
            if answer is None:
                continue
            image = json.loads(answer)["id"]
            for preview in (True, True, False):
                began = time.monotonic()
                body = json.dumps({"image": image, "style": self.style, "preview": preview}).encode()
                made = self.until_granted("POST", "stylize", body)
                if made is not None:
                    self.counts["quick pictures" if preview else "whole pictures"] += 1
                    self.waits[preview].append(time.monotonic() - began)
                    if made[:2] != b"\xff\xd8":
                        self.wrong.append("a picture is no JPEG")

    def dishonest(self) -> None:
        """Promise what does not come."""
        number = 0
        while time.monotonic() < self.end:
            self.client.promise((GIANT, LARGE, SLOW)[number % 3])
            self.counts["files that did not come"] += 1
            number += 1
            time.sleep(0.5)


def first_picture(client: Client, photo: bytes, style: str) -> dict[str, float]:
    """Seconds from the first answer to a quick and to a whole picture of a large photo."""
    began = time.perf_counter()
    status, answer = client.ask("PUT", "images?name=a.jpg", photo, "image/jpeg")
    if status != 201:
        sys.exit(f"the photo was refused: {answer.decode()}")
    image, seconds = json.loads(answer)["id"], {}
    for what, preview in (("quick", True), ("whole", False)):
        status, answer = client.picture(image, style, preview)
        if status != 200:
            sys.exit(f"the picture was refused: {answer.decode()}")
        seconds[what] = round(time.perf_counter() - began, 2)
    return seconds


def resident(pid: int) -> int:
    """Add up the resident memory of a process and its children, in MB."""
    total = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError, ValueError):
            fields = stat.read_text().rpartition(")")[2].split()
            if int(stat.parent.name) == pid or int(fields[1]) == pid:
                total += int(fields[21]) * os.sysconf("SC_PAGESIZE")
    return round(total / 1e6)


def jpeg(photo: Path, pixels: float) -> bytes:
    """Write a photo again with so many pixels."""
    with Image.open(photo) as image:
        factor = (pixels / (image.width * image.height)) ** 0.5
        size = round(image.width * factor), round(image.height * factor)
        stream = io.BytesIO()
        image.convert("RGB").resize(size, Image.Resampling.BICUBIC).save(stream, "JPEG", quality=90)
        return stream.getvalue()


def load(port: int, pid: int, options: argparse.Namespace) -> tuple[Load, list[int]]:
    """Let all clients work at once; returns what they saw, and the memory at the end of each fifth of the time."""
    work = Load(port, jpeg(options.photo, 1600 * 1067), options.model, options.seconds)
    threads = [threading.Thread(target=work.honest) for _ in range(options.clients)]
    threads += [threading.Thread(target=work.dishonest) for _ in range(max(1, options.clients // 4))]
    for thread in threads:
        thread.start()
    memory = []
    for _ in range(5):
        time.sleep(options.seconds / 5)
        memory.append(resident(pid))
    for thread in threads:
        thread.join()
    return work, memory


def main() -> None:
    """Measure, print, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photo", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--clients", type=int, default=20)
    parser.add_argument("--model", default="starry_night_slim", help="a network that ships")
    parser.add_argument("--output", type=Path, help="JSON file of the result")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        command = [*SERVE, "--folder", folder]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
            try:
                assert server.stdout is not None
                port = int(server.stdout.readline().split()[1].rstrip("/").rpartition(":")[2])
                client = Client(port)
                seconds = first_picture(client, jpeg(options.photo, 12e6), options.model)
                work, memory = load(port, server.pid, options)
                alive = server.poll() is None and client.ask("GET", "styles")[0] == 200
            finally:
                server.terminate()
    result = {
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "model": options.model,
        "seconds to the first picture of 12 megapixels": seconds,
        "seconds": options.seconds,
        "clients": options.clients,
        **dict(sorted(work.counts.items())),
        "median wait for a quick picture": round(statistics.median(work.waits[True] or [0]), 2),
        "median wait for a whole picture": round(statistics.median(work.waits[False] or [0]), 2),
        "memory in MB at each fifth": memory,
        "wrong": len(work.wrong),
        "served to the end": alive,
    }
    print(json.dumps(result, indent=2))
    for each in work.wrong[:10]:
        print(each, file=sys.stderr)
    if options.output:
        options.output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    sys.exit(bool(work.wrong or not alive))


if __name__ == "__main__":
    main()
