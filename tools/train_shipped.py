"""Train the networks of checkpoints/pretrained on a GPU, in one command that can be killed and repeated.

    python tools/train_shipped.py --photos PHOTOS --heldout HELDOUT --paintings PAINTINGS [--many MANY --others OTHERS]
        [--steps N | --minutes M] [--lanes 1] [--only NAME] [SETTING=VALUE …]

Lanes of trainings, each by `python train.py experiment=NAME`: Johnson's network for The Starry Night, and from it for
The Scream and Composition VII; the slim network for the same three, and from these the networks for films; and, with a
folder of many paintings and one of others to measure on, the network for any style; the same in Johnson's network, and
from it one of ten paintings. `great_wave` and the galleries of small networks that ship were made on a CPU, and what a
network for any style predicts is strengthened afterwards by hand (`docs/reproduce.md`). A network whose file is in the
output folder is left alone, and a training that was killed or stopped goes on from its last checkpoint, so the same
command again finishes what is missing. Lanes run beside one another on a GPU, which one training does not fill
(`--lanes 3`).

`--steps` is for each network of one painting, the gallery takes three times as many; 40,000 steps of batch 4 are those
of Johnson et al. 2016. With `--minutes` a lane takes about that long, start and measurements of each training included;
one that starts from scratch gets twice the share of one that starts from another network.
"""

import argparse
import os
import shlex
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Training:
    """One network: what it is called, how it is trained, and from which of the others it starts."""

    name: str
    experiment: str
    style: str | None = None
    start: str | None = None
    settings: tuple[str, ...] = ()

    @property
    def takes_any(self) -> bool:
        """Whether it learns to take any style."""
        return self.style is None and self.start is None

    @property
    def share(self) -> int:
        """How long it takes beside others."""
        return 2 if self.start is None else 1


LANES = [
    [Training("any", "any")],
    [Training("any_johnson", "any_johnson"), Training("gallery", "gallery", start="any_johnson")],
    [
        Training("starry_night", "starry_night", "starry_night"),
        Training("the_scream", "the_scream", "the_scream", "starry_night"),
        Training("composition_vii", "composition_vii", "composition_vii", "starry_night"),
    ],
    [
        Training("starry_night_slim", "slim", "starry_night"),
        Training("the_scream_slim", "slim", "the_scream", "starry_night_slim"),
        Training("composition_vii_slim", "slim", "composition_vii", "starry_night_slim"),
        Training("starry_night_video", "video", "starry_night", "starry_night_slim"),
        Training("the_scream_video", "video", "the_scream", "the_scream_slim"),
        # Another painting than that it starts from.
        Training("mosaic_video", "video", "mosaic", "starry_night_slim", ("model.optimizer.lr=2e-3",)),
    ],
]


START = 40  # seconds that a training takes beside its steps on a GPU


def command(training: Training, options: argparse.Namespace, lane: list[Training]) -> list[str]:
    """Spell out the training command."""
    run = options.runs / training.name
    output = run / f"{training.name}.safetensors"
    parts = [sys.executable, "-u", str(ROOT / "train.py"), f"experiment={training.experiment}"]
    parts += [f"data.root={options.photos}", f"data.heldout={options.heldout}"]
    if training.takes_any:
        parts.append(f"style.dir={options.others}")
        # Relative where it can be: the file of a network tells what it was trained on.
        parts.append(f"data.style_root=[{options.many},{os.path.relpath(ROOT / 'fast_style/assets/styles')}]")
    elif not training.style or any(options.paintings.glob(f"{training.style}.*")):  # else it ships
        parts.append(f"style.dir={options.paintings}")
    parts += [f"output={output}", "overwrite=true", f"hydra.run.dir={run}"]
    if training.style:
        parts.append(f"style={training.style}")
    if (run / "checkpoints").is_dir() and any((run / "checkpoints").iterdir()):
        parts.append("ckpt_path=last")
    elif training.start:
        parts.append(f"init={options.output / training.start}.safetensors")
    if options.minutes:
        parts.append("trainer.max_steps=-1")
        seconds = (60 * options.minutes - START * len(lane)) * training.share / sum(each.share for each in lane)
        parts.append(f"trainer.max_time={max(1, round(seconds))}")
    else:
        parts.append(f"trainer.max_steps={options.steps * (1 if training.style else 3)}")
    return [*parts, *training.settings, *options.settings]


def run_lane(lane: list[Training], options: argparse.Namespace, failed: list[str]) -> None:
    """Run the trainings of a lane in turn; after one that failed those that start from it are left out."""
    finished = {each: (options.output / f"{each.name}.safetensors").exists() for each in lane}
    left = [each for each in lane if not finished[each] and (not options.only or each.name in options.only)]
    if options.many is None:
        left = [each for each in left if not each.takes_any]
    for training in lane:
        if finished[training]:
            print(f"{training.name}: it is in {options.output}", flush=True)
    for training in left:
        if training.start and not (options.output / f"{training.start}.safetensors").exists():
            print(f"{training.name}: left out, {training.start} is missing", flush=True)
            continue
        line = command(training, options, left)
        print(f"{training.name}: {shlex.join(line)}", flush=True)
        options.runs.mkdir(parents=True, exist_ok=True)
        log = options.runs / f"{training.name}.log"
        with log.open("ab") as file:
            code = subprocess.run(line, stdout=file, stderr=subprocess.STDOUT, check=False).returncode
        text = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        print(f"{training.name}: exit {code}", *text[-4:], sep="\n    ", flush=True)
        if code:
            failed.append(training.name)
            continue
        options.output.mkdir(parents=True, exist_ok=True)
        for suffix in (".safetensors", ".png"):
            (options.runs / training.name / f"{training.name}{suffix}").replace(
                options.output / f"{training.name}{suffix}"
            )


def main() -> None:
    """Run the command; exits with 1 if a training failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("photos", "heldout", "paintings"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--many", type=Path, help="paintings to learn any style from")
    parser.add_argument("--others", type=Path, help="paintings on which that is measured")
    parser.add_argument("--output", type=Path, default=ROOT / "checkpoints" / "pretrained")
    parser.add_argument("--runs", type=Path, default=ROOT / "runs" / "shipped")
    parser.add_argument("--steps", type=int, default=40_000)
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--lanes", type=int, default=1, help="how many run beside one another")
    names = [training.name for lane in LANES for training in lane]
    parser.add_argument("--only", action="append", default=[], choices=names, help="may be given several times")
    parser.add_argument("settings", nargs="*", metavar="SETTING=VALUE")
    options = parser.parse_args()
    if (options.many is None) != (options.others is None):
        parser.error("--many and --others go together")
    failed: list[str] = []
    pending = list(LANES)

    def work() -> None:
        while pending:
            run_lane(pending.pop(0), options, failed)

    workers = [threading.Thread(target=work) for _ in range(max(1, options.lanes))]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if failed:
        sys.exit(f"failed: {', '.join(failed)}; their logs are in {options.runs}, the same command goes on")


if __name__ == "__main__":
    main()
