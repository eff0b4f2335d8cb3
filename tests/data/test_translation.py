"""Two sides through a Lightning trainer."""

import logging
import shutil
from typing import Any

import lightning
import numpy as np
import pytest
import torch
from PIL import Image

from fast_style.data import ImageSource, PairDataModule, PhotoDataModule, PhotoDataset, UnpairedDataModule
from fast_style.training import Trainer

pytestmark = [
    pytest.mark.filterwarnings("ignore:The '.*' does not have many workers"),
    pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning"),
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning"),
]


class Recorder(lightning.LightningModule):
    """Learns nothing and remembers every batch."""

    def __init__(self, wants) -> None:
        super().__init__()
        self.wants = (wants,)
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.seen: list[tuple[torch.Tensor, torch.Tensor]] = []
        self.numbers: list[int] = []
        self.validated = 0

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> torch.Tensor:
        assert set(batch) == {"real_a", "real_b", "index"}
        self.seen += zip(batch["real_a"], batch["real_b"], strict=True)
        self.numbers += batch["index"].tolist()
        return self.weight * 1

    def validation_step(self, batch: dict[str, Any], batch_idx: int) -> None:
        self.validated += len(batch["real_a"])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 0.1)


def fit(folder, steps, data, recorder, ckpt_path=None):
    settings = {"accelerator": "cpu", "logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    settings |= {"max_steps": steps, "val_check_interval": 2, "check_val_every_n_epoch": None}
    settings |= {"num_sanity_val_steps": 0, "default_root_dir": folder, "enable_model_summary": False}
    trainer = Trainer(max_epochs=-1, **settings)
    trainer.fit(recorder, data, ckpt_path=ckpt_path, weights_only=True)
    checkpoint = folder / f"step={trainer.global_step}.ckpt"
    trainer.save_checkpoint(checkpoint, weights_only=False)
    return checkpoint


def write(path, seed, size=(48, 40)):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1] // 8, size[0] // 8, 3), np.uint8)
    Image.fromarray(pixels).resize(size).save(path)


@pytest.fixture
def pairs(tmp_path):
    """Five pairs, of which B is the negative of A."""
    for number in range(5):
        write(tmp_path / "pairs" / "A" / f"{number}.png", number)
        (tmp_path / "pairs" / "B").mkdir(exist_ok=True)
        with Image.open(tmp_path / "pairs" / "A" / f"{number}.png") as image:
            image.point(lambda value: 255 - value).save(tmp_path / "pairs" / "B" / f"{number}.png")
    return tmp_path / "pairs"


@pytest.fixture
def sides(tmp_path):
    """Four images of A and six of B."""
    for side, count in (("A", 4), ("B", 6)):
        for number in range(count):
            write(tmp_path / "sides" / f"train{side}" / f"{number}.png", 10 * count + number)
    return tmp_path / "sides"


def small(kind, root=None, **changes):
    settings = {"size": 16, "heldout_size": 16, "batch_size": 2, "num_workers": 0}
    return kind(root, **settings | changes)


@pytest.mark.parametrize("enlarge", [None, 1.25])
def test_both_of_a_pair_are_cropped_and_mirrored_alike(pairs, tmp_path, enlarge):
    recorder = Recorder("pair")
    fit(tmp_path, 10, small(PairDataModule, pairs, enlarge=enlarge), recorder)
    assert recorder.numbers == list(range(20))
    assert recorder.validated > 0
    for real_a, real_b in recorder.seen:
        assert real_a.shape == (3, 16, 16)
        torch.testing.assert_close(real_b, 1 - real_a, atol=1e-5, rtol=0)
    assert not torch.equal(recorder.seen[0][0], recorder.seen[4][0])  # the same image, another crop


@pytest.mark.parametrize(("kind", "wants"), [(PairDataModule, "pair"), (UnpairedDataModule, "unpaired")])
@pytest.mark.parametrize("workers", [0, 2])
def test_resumed_run_sees_what_an_uninterrupted_one_would(pairs, sides, tmp_path, kind, wants, workers):
    root = pairs if kind is PairDataModule else sides
    whole, first, second = (Recorder(wants) for _ in range(3))
    fit(tmp_path, 5, small(kind, root), whole)
    checkpoint = fit(tmp_path, 2, small(kind, root, num_workers=1), first)
    fit(tmp_path, 5, small(kind, root, num_workers=workers), second, checkpoint)
    assert first.numbers + second.numbers == whole.numbers == list(range(10))
    for found, expected in zip(first.seen + second.seen, whole.seen, strict=True):
        assert all(map(torch.equal, found, expected))


def test_two_sides_have_orders_and_crops_of_their_own(sides, tmp_path):
    (sides / "testA").mkdir()
    shutil.copy(sides / "trainA" / "0.png", sides / "testA")
    shutil.copytree(sides / "testA", sides / "testB")
    data, recorder = small(UnpairedDataModule, sides, seed=7), Recorder("unpaired")
    fit(tmp_path, 6, data, recorder)
    a, b = (PhotoDataset(ImageSource(sides / f"train{side}"), 16, seed) for side, seed in (("A", 7), ("B", ~7)))
    for index, (real_a, real_b) in enumerate(recorder.seen):
        assert torch.equal(real_a, a[index]["image"])
        assert torch.equal(real_b, b[index]["image"])
    assert data.first_heldout == sides / "testA" / "0.png"
    recorder.input_side = "B"
    assert data.first_heldout == sides / "testB" / "0.png"


def test_both_sides_are_enlarged(sides):
    data = small(UnpairedDataModule, sides, enlarge=1.25)
    data.setup()
    a, b = (PhotoDataset(side.source, 16, seed, 1.25) for side, seed in ((data.crops.a, 0), (data.crops.b, ~0)))
    assert torch.equal(data.crops[3]["image"], torch.cat([a[3]["image"], b[3]["image"]]))


def test_direction_turns_the_sides(sides, pairs):
    for kind, root in ((UnpairedDataModule, sides), (PairDataModule, pairs)):
        there, back = (small(kind, root, direction=direction) for direction in ("AtoB", "BtoA"))
        for data in (there, back):
            data.setup()
        first, second = (data.heldout_photos[0]["image"] for data in (there, back))
        assert torch.equal(first[:3], second[3:])
        assert torch.equal(first[3:], second[:3])


def test_two_folders_of_any_name(sides):
    data = small(UnpairedDataModule, root_a=sides / "trainA", root_b=[str(sides / "trainB")])
    data.setup()
    assert (len(data.crops.a.source), len(data.crops.b.source)) == (3, 5)  # one of each is set aside
    assert len(data.heldout_photos) == 1


def test_the_side_of_fewer_begins_again(sides):
    data = small(UnpairedDataModule, root_a=sides / "trainA", root_b=sides / "trainB", heldout_count=3)
    data.setup()
    heldout = data.heldout_photos
    assert len(heldout) == max(len(heldout.a), len(heldout.b))
    assert torch.equal(heldout[len(heldout) - 1]["image"][:3], heldout.a[(len(heldout) - 1) % len(heldout.a)]["image"])


def test_those_that_come_again_are_told(sides):
    (sides / "testA").mkdir()
    (sides / "testB").mkdir()
    for number in range(3):
        write(sides / "testB" / f"{number}.png", number)
    write(sides / "testA" / "0.png", 9)
    data = small(UnpairedDataModule, sides)
    data.setup()
    told = torch.cat([batch["new"] for batch in data.val_dataloader()])
    assert told.tolist() == [[True, True], [False, True], [False, True]]


def test_a_split_to_measure_on(pairs):
    for side in "AB":
        (pairs / side / "train").mkdir()
        (pairs / side / "test").mkdir()
        for path in sorted((pairs / side).glob("*.png")):
            path.rename(pairs / side / ("test" if path.stem == "4" else "train") / path.name)
    data = small(PairDataModule, pairs)
    data.setup()
    assert (data.heldout_names, len(data.crops.source)) == (["4"], 4)
    assert data.first_heldout == pairs / "A" / "test" / "4.png"
    elsewhere = small(PairDataModule, pairs, heldout=pairs)
    elsewhere.setup()
    assert elsewhere.heldout_names == ["4"]


def test_what_is_measured_on_is_not_learned_from(pairs, tmp_path, caplog):
    for wanted in (pairs, str(pairs)):
        with pytest.raises(ValueError, match=r"pairs holds all pairs of data.root=.*pairs: leave it out"):
            small(PairDataModule, pairs, heldout=wanted)
    rows = [f"pairs/A/{number}.png,pairs/B/{number}.png" for number in (1, 3)]
    (tmp_path / "some.csv").write_text("\n".join(["a,b", *rows]))
    data = small(PairDataModule, pairs, heldout=tmp_path / "some.csv")
    data.setup()
    assert "data.root: 2 of 5 pairs are those of data.heldout and are not learned from" in caplog.messages
    assert (data.crops.source.names, len(data.heldout_photos)) == (["0", "2", "4"], 2)


def test_it_is_told_what_there_is(pairs, caplog):
    with caplog.at_level(logging.INFO, "fast_style.data"):
        small(PairDataModule, pairs).setup()
    assert caplog.messages == ["4 pairs to learn from, 1 to measure on, as A and B"]


def test_small_images_are_enlarged_and_counted(pairs, tmp_path):
    data = small(PairDataModule, pairs, size=41, heldout_size=8)
    fit(tmp_path, 3, data, Recorder("pair"))
    assert data.summary() == "0 photos could not be read and were skipped, 4 were smaller than 41 px and enlarged"


def test_grey_images_are_told_once(sides, caplog):
    Image.new("L", (40, 40)).save(sides / "trainB" / "0.png")
    (sides / "testA").mkdir()
    for number in range(2):
        Image.new("L", (40, 40)).save(sides / "testA" / f"{number}.png")
    small(UnpairedDataModule, sides).setup()
    told = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert told == ["B: 1 grey: read as RGB of 8 bits", "testA: 2 grey: read as RGB of 8 bits"]


def test_bad_sides(sides, pairs, tmp_path):
    a, b = sides / "trainA", sides / "trainB"
    (tmp_path / "one").mkdir()
    shutil.copy(a / "0.png", tmp_path / "one")
    (tmp_path / "empty").mkdir()
    for arguments, error, message in [
        ({}, ValueError, "two sides are needed: give data.root=FOLDER with trainA and trainB, or data.root_a"),
        ({"root_a": a}, ValueError, "two sides are needed"),
        ({"root": sides, "root_a": a}, ValueError, "has both sides: leave data.root_a and data.root_b out"),
        ({"root": tmp_path / "no"}, FileNotFoundError, "there is no folder .*/no"),
        ({"root": a}, FileNotFoundError, "there is no .*trainA/trainA: give a folder with trainA and trainB, or two"),
        ({"root": pairs}, ValueError, "holds A and B, pairs: give data=pairs model=pix2pix, or for two collections"),
        ({"root_a": a, "root_b": a}, ValueError, "trainA and .*trainA are the same folder: A and B must be two"),
        (
            {"root_a": [a], "root_b": [b, str(a)]},
            ValueError,
            "trainA and .*trainA are the same folder: A and B must be",
        ),
        ({"root_a": sides, "root_b": b}, ValueError, "trainB lies in .*sides, whose images are its own as well"),
        ({"root_a": a, "root_b": tmp_path / "one"}, ValueError, "one holds one image only: give several, or learn a"),
        ({"root_a": a, "root_b": tmp_path / "empty"}, FileNotFoundError, "empty holds no photo"),
        ({"root_a": a, "root_b": b, "direction": "AB"}, ValueError, "direction must be AtoB or BtoA, got 'AB'"),
    ]:
        with pytest.raises(error, match=message):
            small(UnpairedDataModule, **arguments)


def test_one_pair(pairs):
    for number in range(1, 5):
        for side in "AB":
            (pairs / side / f"{number}.png").unlink()
    with pytest.raises(ValueError, match="holds one pair only: give several, of which one is set aside"):
        small(PairDataModule, pairs)


def test_data_that_a_task_does_not_want(pairs, sides, photo_folder, tmp_path):
    for data, wants, message in [
        (
            small(PairDataModule, pairs),
            "unpaired",
            "Recorder learns from two folders without pairs: ",
        ),
        (small(UnpairedDataModule, sides), "pair", "Recorder learns from pairs of images: give data=pairs"),
        (small(PairDataModule, pairs), "image", "Recorder learns from photos: give data=photos"),
        (small(PhotoDataModule, photo_folder), "pair", "Recorder learns from pairs of images: give data=pairs"),
    ]:
        with pytest.raises(ValueError, match=message):
            fit(tmp_path, 1, data, Recorder(wants))
