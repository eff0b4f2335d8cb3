"""Use the project for half an hour as the world does, with kills and damaged files; report what it must not do.

    python tools/soak.py [--minutes 30] [--seed 0] [--only trainings,pictures,films,page] [--json FILE]

In turns: tiny trainings that are killed at some moment and continued; pictures and films of every format, whole and
damaged, in folders that are stylized; a page with uploads that are right, damaged, broken off and giant. Everything is
drawn by the seed.

Counted are crashes (a signal that was not sent from here), unexpected exit codes, tracebacks, temporary files that stay
after a command which was not killed, processes that stay, and memory of the page in its second half beyond that of its
first. The exit code is 1 if any of these is not zero. Needs the extras `web` and `video`, and Linux for memory and
processes.
"""

import argparse
import http.client
import io
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import av
import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
FORMATS = ("png", "jpg", "webp", "gif", "tiff", "bmp", "avif")
FILMS = {"mp4": "libx264", "mkv": "libx264", "webm": "libvpx-vp9", "gif": "gif"}
LEAK = 150_000_000  # bytes that the page may have more in its second half
LONGEST = 300.0  # seconds of a command
TINY = "style=waves style.size=32 init=scratch data=procedural data.size=32 data.batch_size=2 data.num_workers=0 "
TINY += "data.heldout_count=1 data.heldout_size=32 loss=gram loss_network=vgg19_slim model=slim budget=none "
TINY += "model.network.width=4 model.network.blocks=1 trainer=cpu trainer.log_every_n_steps=5 model.compile=false "
TINY += "trainer.val_check_interval=10 callbacks.checkpoint.every_n_train_steps=2 overwrite=true"


class Soak:
    """What is used, and what went wrong.

    Args:
        random: where all draws come from.
        folder: an empty folder.
    """

    def __init__(self, draws: random.Random, folder: Path) -> None:
        self.random = draws
        self.folder = folder
        self.done: Counter[str] = Counter()
        self.faults: list[str] = []

    def run(self, *words: str, codes: tuple[int, ...] = (0,), kill_after: float | None = None) -> int:
        """Run a command of the project; what it must not do is noted."""
        command = [sys.executable, "-m", "fast_style", *words]
        with subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
        ) as process:
            try:
                output, _ = process.communicate(timeout=kill_after or LONGEST)
            except subprocess.TimeoutExpired:
                if kill_after is None:
                    self.fault(f"still at work after {LONGEST:g} s", words)
                os.killpg(process.pid, signal.SIGKILL)
                output, _ = process.communicate()
                self.done["kills"] += 1
                code = -signal.SIGKILL
            else:
                code = process.returncode
                if code not in codes:
                    self.fault(f"exit code {code}: {output[-300:]}", words)
                if left := self.left_behind(process.pid):
                    self.fault(f"left processes {left}", words)
        if "Traceback (most recent call last)" in output:
            self.fault(f"a traceback: {output[-600:]}", words)
        return code

    def fault(self, what: str, words: tuple[str, ...]) -> None:
        """Note a fault, and tell it at once."""
        self.faults.append(f"{' '.join(words)[:300]}: {what}")
        print(f"FAULT {self.faults[-1]}", file=sys.stderr, flush=True)

    def left_behind(self, group: int) -> list[int]:
        """List the processes of a group that outlive it by two seconds."""
        for _ in range(20):
            found = [pid for pid in _processes() if _group(pid) == group]
            if not found:
                return []
            time.sleep(0.1)
        return found

    def no_remains(self, folder: Path, words: tuple[str, ...]) -> None:
        """Note temporary files that a command has left."""
        if remains := [path.name for path in folder.rglob("*.tmp")]:
            self.fault(f"left {remains[:3]}", words)

    def damaged(self, data: bytes) -> bytes:
        """Damage a file: bytes that change, go, come twice or are missing at the end; or none of its own at all."""
        draw = self.random
        kind = draw.choice(("none", "bits", "bits", "cut", "gone", "twice", "noise"))
        if kind == "none" or len(data) < 8:
            return data
        at, length = draw.randrange(len(data)), draw.randrange(1, 200)
        if kind == "bits":
            changed = bytearray(data)
            for _ in range(draw.randrange(1, 20)):
                changed[draw.randrange(len(data))] = draw.randrange(256)
            return bytes(changed)
        pieces = {"cut": data[:at], "gone": data[:at] + data[at + length :]}
        pieces |= {"twice": data[: at + length] + data[at:], "noise": draw.randbytes(length)}
        return pieces[kind]


def trainings(soak: Soak) -> None:
    """Train, kill at some moment, continue until it is done, apply what was learned."""
    number = soak.done["trainings"]
    run, output = soak.folder / f"run{number}", soak.folder / f"net{number}.safetensors"
    steps = soak.random.randrange(10, 60)
    settings = [*TINY.split(), f"seed={soak.random.randrange(1000)}", f"trainer.max_steps={steps}"]
    settings[0] = "style=" + soak.random.choice(("mosaic", "cubist", "gilded"))
    settings += [f"hydra.run.dir={run}", f"output={output}"]
    code = soak.run("train", *settings, kill_after=soak.random.uniform(4, 25))
    while code == -signal.SIGKILL:
        more = ["ckpt_path=last"] if list((run / "checkpoints").glob("*.ckpt")) else []
        chance = soak.random.uniform(6, 30) if soak.random.random() < 0.4 else None
        code = soak.run("train", *settings, *more, kill_after=chance)
    photo = soak.folder / "photo.png"
    photo.write_bytes(picture(soak, "png"))
    soak.run(
        "stylize", "--model", str(output), "--input", str(photo), "--output", str(soak.folder / "p.png"), "--overwrite"
    )
    soak.done["trainings"] += 1


def pictures(soak: Soak) -> None:
    """Stylize a folder of pictures, some of them damaged."""
    with soak_folder(soak, "pictures") as folder:
        for number in range(20):
            suffix = soak.random.choice(FORMATS)
            (folder / f"{number}.{suffix}").write_bytes(soak.damaged(picture(soak, suffix)))
        words = ("stylize", "--model", "mosaic_video", "--input", str(folder), "--output", str(folder / "out"))
        soak.run(*words, codes=(0, 1))
        soak.no_remains(folder, words)
    soak.done["pictures"] += 20


def films(soak: Soak) -> None:
    """Stylize films, some of them damaged."""
    with soak_folder(soak, "films") as folder:
        suffix = soak.random.choice(tuple(FILMS))
        path = folder / f"clip.{suffix}"
        path.write_bytes(soak.damaged(film(soak, suffix)))
        words = ("stylize", "--model", "mosaic_video", "--input", str(path), "--output", str(folder / "out.mp4"))
        soak.run(*words, codes=(0, 1, 2))
        soak.no_remains(folder, words)
    soak.done["films"] += 1


class Page:
    """The page, served while the rest goes on.

    Args:
        soak: what notes the faults.
    """

    def __init__(self, soak: Soak) -> None:
        self.soak = soak
        self.memory: list[int] = []
        command = [sys.executable, "-m", "fast_style", "serve", "--port", "0", "--folder", str(soak.folder / "page")]
        self.log = (soak.folder / "page.log").open("w")
        self.process = subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=self.log, text=True, start_new_session=True
        )
        line = next(iter(self.process.stdout or ()))
        self.port = int(re.findall(r":(\d+)/", line)[0])

    def ask(
        self, method: str, path: str, body: bytes = b"", kind: str = "application/octet-stream"
    ) -> tuple[int, bytes]:
        """Ask the page for something."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=LONGEST)
        try:
            connection.request(method, path, body, {"content-type": kind})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def traffic(self, soak: Soak) -> None:
        """Bring pictures, right ones and others, and have them stylized; others may only be refused."""
        for _ in range(10):
            suffix = soak.random.choice(FORMATS)
            whole = picture(soak, suffix)
            sent = soak.damaged(whole)
            status, answer = self.ask("PUT", f"/api/images?name=a.{suffix}", sent)
            self.expect(status, (200, 201, 413, 415, 422, 429), "an upload", answer)
            if status < 300:
                wish = {
                    "image": json.loads(answer)["id"],
                    "style": soak.random.choice(("mosaic_video", "no such style")),
                }
                wish["strength"] = soak.random.choice((0.0, 0.5, 1.0, 7.0, "much", None))
                status, answer = self.ask("POST", "/api/stylize", json.dumps(wish).encode(), "application/json")
                self.expect(status, (200, 404, 422, 429), "a picture", answer)
                if status == 200 and sent == whole:
                    Image.open(io.BytesIO(answer)).load()
        self.break_off(soak)
        status, answer = self.ask("GET", "/api/styles")
        self.expect(status, (200,), "the list of styles", answer)
        self.memory.append(_resident(self.process.pid))
        soak.done["requests"] += 22

    def break_off(self, soak: Soak) -> None:
        """Send half of a request, and one that claims to be giant."""
        for length, sent in ((1000, 300), (10**12, 10)):
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=LONGEST)
            connection.putrequest("PUT", "/api/images?name=a.png")
            connection.putheader("content-length", str(length))
            connection.endheaders()
            connection.send(soak.random.randbytes(sent))
            connection.close()

    def expect(self, status: int, wanted: tuple[int, ...], what: str, answer: bytes) -> None:
        """Note an answer that is not one of those wanted."""
        if status not in wanted:
            self.soak.fault(f"{what} was answered with {status} {answer[:200]!r}", ("serve",))

    def end(self) -> None:
        """End the page as Ctrl-C does, and note what it leaves behind."""
        if self.process.poll() is not None:
            self.soak.fault(f"the page ended by itself with {self.process.returncode}", ("serve",))
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.soak.fault("still at work 30 s after Ctrl-C", ("serve",))
            os.killpg(self.process.pid, signal.SIGKILL)
        if left := self.soak.left_behind(self.process.pid):
            self.soak.fault(f"left processes {left}", ("serve",))
        self.log.close()
        told = (self.soak.folder / "page.log").read_text()
        if "Traceback" in told:
            self.soak.fault(f"a traceback: {told[-600:]}", ("serve",))
        half = len(self.memory) // 2
        if half > 2 and max(self.memory[half:]) > max(self.memory[:half]) + LEAK:
            self.soak.fault(
                f"memory grew from {max(self.memory[:half])} to {max(self.memory[half:])} bytes", ("serve",)
            )


@contextmanager
def soak_folder(soak: Soak, name: str) -> Iterator[Path]:
    """A folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix=name, dir=soak.folder) as folder:
        yield Path(folder)


def picture(soak: Soak, suffix: str) -> bytes:
    """Draw a picture of some size and mode, as a file."""
    draw = soak.random
    size = draw.choice(((1, 1), (3, 200), (64, 48), (97, 130), (256, 256)))
    noise = np.random.default_rng(draw.randrange(2**32)).integers(0, 256, (*size[::-1], 4), np.uint8)
    modes = {
        "png": ("RGB", "RGBA", "L", "P", "1"),
        "webp": ("RGB", "RGBA"),
        "tiff": ("RGB", "L", "CMYK"),
        "gif": ("P",),
    }
    image = Image.fromarray(noise).convert(draw.choice(modes.get(suffix, ("RGB",))))
    file = io.BytesIO()
    image.save(file, {"jpg": "JPEG"}.get(suffix, suffix.upper()))
    return file.getvalue()


def film(soak: Soak, suffix: str) -> bytes:
    """Draw a film of some frames, as a file."""
    path = soak.folder / f"drawn.{suffix}"
    width, height, frames = soak.random.choice((32, 66)), soak.random.choice((32, 50)), soak.random.randrange(1, 12)
    draws = np.random.default_rng(soak.random.randrange(2**32))
    with av.open(str(path), "w") as out:
        stream = out.add_stream(FILMS[suffix], rate=10)
        stream.width, stream.height = width, height
        stream.pix_fmt = "rgb8" if suffix == "gif" else "yuv420p"
        for _ in range(frames):
            frame = av.VideoFrame.from_ndarray(draws.integers(0, 256, (height, width, 3), np.uint8))
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    data = path.read_bytes()
    path.unlink()
    return data


def _processes() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdecimal()]


def _group(pid: int) -> int:
    """Name the group of a process that is alive, else 0."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return 0 if fields[0] == "Z" else int(fields[2])


def _resident(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def main() -> None:
    """Use it all in turns until the time is up, and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="trainings,pictures,films,page", metavar="A,B")
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    end = time.monotonic() + 60 * options.minutes
    with tempfile.TemporaryDirectory() as name:
        soak = Soak(random.Random(options.seed), Path(name))  # noqa: S311 - not for secrets
        kinds: Mapping[str, Callable[[Soak], None]] = {"trainings": trainings, "pictures": pictures, "films": films}
        turns = [kinds[kind] for kind in options.only.split(",") if kind in kinds]
        page = Page(soak) if "page" in options.only else None
        turns += [page.traffic] * 3 if page else []
        while time.monotonic() < end:
            soak.random.choice(turns)(soak)
        if page:
            page.end()
    print(", ".join(f"{count} {what}" for what, count in soak.done.items()))
    print(f"{len(soak.faults)} faults in {options.minutes:g} minutes, seed {options.seed}")
    if options.json:
        result = {"minutes": options.minutes, "seed": options.seed, "done": soak.done, "faults": soak.faults}
        options.json.write_text(json.dumps(result, indent=2) + "\n")
    sys.exit(1 if soak.faults else 0)


if __name__ == "__main__":
    main()
