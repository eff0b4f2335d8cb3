"""Photos of a folder a second: `stylize.py`, whose stations overlap, against one photo after the other.

    python benchmarks/folder.py --photos FOLDER [--model NETWORK] [--count 48] [--rounds 3] [--output FILE.json]

Both read, stylize with the fastest backend there is and write JPEG, in one process each and by turns; start and
compilation are left out: of the sequential loop by starting the clock later, of `fast_style.inference.pipeline`
by calling it with a network that is ready.
"""

import argparse
import contextlib
import io
import json
import shutil
import statistics
import tempfile
from pathlib import Path

from measuring import alternating, machine

from fast_style import Stylizer, images
from fast_style.inference.jobs import plan
from fast_style.inference.pipeline import Settings, run

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    """Measure, print, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, required=True, help="folder of JPEG files")
    parser.add_argument("--model", type=Path, default=ROOT / "checkpoints/pretrained/starry_night_slim.safetensors")
    parser.add_argument("--count", type=int, default=48, help="photos that are taken of it")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--output", type=Path, help="JSON file of the result")
    options = parser.parse_args()
    stylizer = Stylizer.from_checkpoint(options.model)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for path in sorted(options.photos.glob("*.jpg"))[: options.count]:
            (folder / "photos").mkdir(exist_ok=True)
            shutil.copy(path, folder / "photos")
        photos = sorted((folder / "photos").iterdir())

        def one_after_the_other() -> None:
            for path in photos:
                picture = images.open_picture(path).still()
                (frame,) = picture.frames
                images.write(folder / "sequential" / path.name, stylizer.stylize(frame.to_float()))

        def overlapping() -> None:
            with contextlib.redirect_stderr(io.StringIO()):
                jobs = plan([str(folder / "photos")], folder / "overlapping", "style", True).jobs
                run(jobs, stylizer.stylize, Settings(images.Encoding(), overwrite=True))

        ways = {"one after the other": one_after_the_other, "overlapping": overlapping}
        seconds = alternating(ways, options.rounds, warm=1)
    result = {
        "photos": len(photos),
        "backend": str(stylizer.backend),
        **machine(),
        "photos_per_second": {key: round(len(photos) / statistics.median(each), 2) for key, each in seconds.items()},
        "ratio": round(statistics.median(a / b for a, b in zip(*seconds.values(), strict=True)), 2),
    }
    print(json.dumps(result, indent=2))
    if options.output:
        options.output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
