"""Photos through a Lightning trainer: nothing seen twice, nothing left out, whoever interrupts."""

import logging
import re
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import lightning
import pytest
import torch

from fast_style.data import HeldOutScenes, ImageSource, PhotoDataModule, PhotoDataset, ProceduralImages, StyleCrops
from fast_style.data.procedural import SHOWN_SCENES
from fast_style.training import Trainer

pytestmark = [
    pytest.mark.filterwarnings("ignore:The '.*' does not have many workers"),
    pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning"),
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning"),
]


class Recorder(lightning.LightningModule):
    """Learns nothing and remembers every batch."""

    def __init__(self, early: bool = False) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.early = early
        self.seen: list[torch.Tensor] = []
        self.numbers: list[int] = []
        self.validated: list[torch.Tensor] = []

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> torch.Tensor:
        assert set(batch) == {"image", "index"}
        self.seen += batch["image"]
        self.numbers += batch["index"].tolist()
        return self.weight * 1

    def validation_step(self, batch: dict[str, Any], batch_idx: int) -> None:
        assert set(batch) == {"image", "index"}
        self.validated += batch["image"]

    def configure_optimizers(self) -> torch.optim.Optimizer:
        if self.early:  # loads the data before the checkpoint is restored
            assert self.trainer.estimated_stepping_batches
        return torch.optim.SGD(self.parameters(), 0.1)


def data(root: Path | None, **changes: Any) -> PhotoDataModule:
    return PhotoDataModule(root, **{"size": 16, "heldout_size": 16, "batch_size": 2, "num_workers": 0} | changes)


def fit(
    folder: Path,
    steps: int,
    photos: PhotoDataModule,
    ckpt_path: Path | None = None,
    early: bool = False,
    recorder: Recorder | None = None,
    **changes: Any,
) -> tuple[Recorder, Path]:
    """Train and return the recorder and a checkpoint of the last step."""
    settings = {
        "max_steps": steps,
        "max_epochs": 10**6 if early else -1,
        "accumulate_grad_batches": 2,
        "val_check_interval": 2,
        "check_val_every_n_epoch": None,
        "num_sanity_val_steps": 0,
        "accelerator": "cpu",
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "default_root_dir": folder,
    }
    trainer = changes.pop("trainer", lightning.Trainer)(**settings | changes)
    recorder = recorder or Recorder(early)
    trainer.fit(recorder, photos, ckpt_path=ckpt_path, weights_only=True)
    checkpoint = folder / f"step={trainer.global_step}.ckpt"
    trainer.save_checkpoint(checkpoint, weights_only=False)
    return recorder, checkpoint


class Painter(Recorder):
    """Wants paintings, and remembers them."""

    wants = ("image", "painting")

    def __init__(self) -> None:
        super().__init__()
        self.paintings: list[torch.Tensor] = []

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> torch.Tensor:
        self.paintings += batch.pop("painting")
        return super().training_step(batch, batch_idx)


def expected(photos: PhotoDataModule, count: int) -> list[torch.Tensor]:
    return [photos.photos[index]["image"] for index in range(count)]


def assert_equal(found: list[torch.Tensor], wanted: list[torch.Tensor]) -> None:
    assert torch.equal(torch.stack(found), torch.stack(wanted))


def test_trains_on_samples_in_their_order(photo_folder, tmp_path):
    photos = data(photo_folder)
    recorder, _ = fit(tmp_path, 4, photos)
    assert recorder.seen[0].shape == (3, 16, 16)
    assert_equal(recorder.seen, expected(photos, 16))
    assert recorder.numbers == list(range(16))
    assert_equal(recorder.validated[:1], [photos.heldout_photos[0]["image"]])


@pytest.mark.parametrize(("workers", "early"), [(0, False), (2, False), (0, True), (2, True)])
def test_resumed_run_sees_what_an_uninterrupted_one_would(photo_folder, tmp_path, workers, early):
    first, checkpoint = fit(tmp_path, 2, data(photo_folder, num_workers=1), early=early)
    photos = data(photo_folder, num_workers=workers)
    second, _ = fit(tmp_path, 5, photos, checkpoint, early)
    assert len(first.seen) == 8
    assert_equal(first.seen + second.seen, expected(photos, 20))
    assert first.numbers + second.numbers == list(range(20))


@pytest.mark.parametrize("workers", [0, 2])
def test_each_sample_has_its_painting(photo_folder, style_folder, tmp_path, workers):
    first, second = Painter(), Painter()
    _, checkpoint = fit(tmp_path, 2, data(photo_folder, style_root=style_folder, num_workers=1), recorder=first)
    photos = data(photo_folder, style_root=style_folder, num_workers=workers, batch_size=4)
    fit(tmp_path, 4, photos, checkpoint, recorder=second, accumulate_grad_batches=1)
    crops = StyleCrops(style_folder, 16)
    assert first.numbers + second.numbers == list(range(16))
    assert_equal(first.paintings + second.paintings, [crops[index]["image"] for index in range(16)])
    assert_equal(first.seen + second.seen, expected(photos, 16))


def test_without_a_folder_paintings_are_those_that_ship(photo_folder, tmp_path):
    painter = Painter()
    fit(tmp_path, 1, data(photo_folder), recorder=painter)
    assert_equal(painter.paintings, [StyleCrops(None, 16)[index]["image"] for index in range(4)])


def test_unreadable_paintings_are_named(photo_folder, style_folder, tmp_path, caplog):
    (style_folder / "broken.png").write_bytes(b"no")
    photos = data(photo_folder, style_root=style_folder)
    fit(tmp_path, 2, photos, recorder=Painter())
    assert photos.skipped == {"broken.png"}
    assert "skipped broken.png" in caplog.text


def test_resumes_with_a_limited_number_of_batches(photo_folder, tmp_path):
    photos = data(photo_folder)
    first, checkpoint = fit(tmp_path, 3, photos, limit_train_batches=10)
    second, checkpoint = fit(tmp_path, 4, data(photo_folder), checkpoint, limit_train_batches=10)
    third, _ = fit(tmp_path, 5, data(photo_folder), checkpoint, limit_train_batches=10)
    assert_equal(first.seen + second.seen + third.seen, expected(photos, 20))


def test_resumes_after_the_samples_seen_with_another_batch_size(photo_folder, tmp_path):
    first, checkpoint = fit(tmp_path, 2, data(photo_folder))
    second, checkpoint = fit(tmp_path, 4, data(photo_folder, batch_size=3), checkpoint)
    photos = data(photo_folder)
    third, _ = fit(tmp_path, 6, photos, checkpoint, accumulate_grad_batches=1)
    assert [len(run.seen) for run in (first, second, third)] == [8, 12, 4]
    assert_equal(first.seen + second.seen + third.seen, expected(photos, 24))


@pytest.mark.parametrize("trainer", [lightning.Trainer, Trainer], ids=["counting steps", "counting batches"])
def test_resumes_where_gradients_are_accumulated_otherwise(photo_folder, tmp_path, trainer):
    photos = data(photo_folder)
    first, checkpoint = fit(tmp_path, 2, photos, trainer=trainer)
    second, _ = fit(tmp_path, 6, data(photo_folder), checkpoint, trainer=trainer, accumulate_grad_batches=1)
    assert first.numbers + second.numbers == list(range(len(first.numbers + second.numbers)))
    assert len(second.numbers) > 0


def test_further_epochs_go_on(photo_folder, tmp_path):
    photos = data(photo_folder)
    recorder, _ = fit(tmp_path, 4, photos, limit_train_batches=2)
    assert_equal(recorder.seen, expected(photos, 16))


def batches_trained_on(count: int) -> SimpleNamespace:
    progress = SimpleNamespace(total=SimpleNamespace(processed=count))
    return SimpleNamespace(epoch_loop=SimpleNamespace(batch_progress=progress))


def test_processes_share_the_samples(photo_folder):
    shares = []
    for rank in range(2):
        photos = data(photo_folder)
        photos.setup()
        photos.trainer = SimpleNamespace(
            fit_loop=batches_trained_on(6),
            global_rank=rank,
            world_size=2,
            strategy=SimpleNamespace(root_device=torch.device("cpu")),
        )
        shares.append([batch["image"] for batch in islice(photos.train_dataloader(), 2)])
    seen = [image for batches in zip(*shares, strict=True) for batch in batches for image in batch]
    assert_equal(seen, [photos.photos[index]["image"] for index in range(24, 32)])


@pytest.mark.parametrize("workers", [0, 2])
def test_without_photos_it_trains_on_scenes_and_resumes(tmp_path, workers):
    first, checkpoint = fit(tmp_path, 2, data(None, num_workers=1, seed=3))
    scenes = data(None, num_workers=workers, seed=3)
    second, _ = fit(tmp_path, 5, scenes, checkpoint)
    assert_equal(first.seen + second.seen, [ProceduralImages(16, 3)[index]["image"] for index in range(20)])
    assert_equal(first.validated[:8], [HeldOutScenes(8, 16, SHOWN_SCENES)[index]["image"] for index in range(8)])
    assert scenes.heldout_names == [f"scene {number}" for number in range(1, 9)]
    assert scenes.summary() is None


def test_a_large_folder_is_measured_in_part(photo_folder):
    few = data(None, heldout=photo_folder, heldout_most=2)
    few.setup()
    assert len(few.heldout_names) == 2


def test_scenes_can_be_measured_on_photos(photo_folder):
    scenes = data(None, heldout=photo_folder)
    scenes.setup()
    assert scenes.heldout_names == ImageSource(photo_folder).names
    assert isinstance(scenes.photos, ProceduralImages)


def test_sizes_too_small_for_scenes():
    for changes in ({"size": 15}, {"heldout_size": 15}, {"seed": -1}):
        with pytest.raises(ValueError, match="of procedural images must"):
            data(None, **changes).setup()


def test_held_out_photos_are_not_trained_on(photo_folder):
    photos = data(photo_folder)
    photos.setup()
    assert len(photos.heldout_names) == 1
    assert sorted(photos.heldout_names + photos.photos.source.names) == ImageSource(photo_folder).names


@pytest.mark.parametrize(
    ("photos", "count", "aside"), [(1, 8, 1), (2, 8, 1), (6, 8, 1), (9, 8, 2), (40, 8, 8), (9, 1, 1)]
)
def test_how_many_are_set_aside(photo_folder, tmp_path, photos, count, aside):
    for number in range(photos):
        (tmp_path / "many" / f"{number}").mkdir(parents=True)
        (tmp_path / "many" / f"{number}" / "photo.jpg").symlink_to(photo_folder / "photo_0.jpg")
    module = data(tmp_path / "many", heldout_count=count)
    module.setup()
    assert len(module.heldout_names) == aside
    assert len(module.photos.source) == max(1, photos - aside)


def test_set_aside_by_name_alone(photo_folder, tmp_path):
    first = data(photo_folder)
    first.setup()
    photo_folder.rename(tmp_path / "moved")
    moved = data(tmp_path / "moved", seed=5)
    moved.setup()
    assert moved.heldout_names == first.heldout_names


def test_held_out_folder(photo_folder, style_folder):
    photos = data(photo_folder, heldout=style_folder)
    photos.setup("fit")
    photos.setup("validate")
    assert photos.heldout_names == ["waves.png"]
    assert len(photos.photos.source) == 6


@pytest.mark.parametrize("workers", [0, 1])
def test_unreadable_photos_are_named_once(photo_folder, tmp_path, caplog, workers):
    (photo_folder / "photo_3.jpg").write_bytes(b"not an image")
    photos = data(photo_folder, num_workers=workers)
    with caplog.at_level(logging.WARNING, "fast_style.data.datamodule"):
        fit(tmp_path, 6, photos)
    assert caplog.messages == ["skipped photo_3.jpg: it cannot be read (1 skipped so far)"]
    assert photos.skipped == {"photo_3.jpg"}
    assert photos.summary() == "1 photo could not be read and was skipped, 0 were smaller than 16 px and enlarged"


@pytest.mark.parametrize("workers", [0, 1])
def test_small_photos_are_counted_and_the_first_are_named(photo_folder, tmp_path, caplog, workers):
    photos = data(photo_folder, size=65, heldout_size=65, num_workers=workers)  # larger than photo_4 alone, of 64 × 64
    photos.enlarged = {"photo_0.jpg"}
    for number in range(1, 4):
        (photo_folder / f"photo_{number}.jpg").write_bytes((photo_folder / "photo_4.jpg").read_bytes())
    (photo_folder / "nested" / "photo_5.png").write_bytes((photo_folder / "photo_4.jpg").read_bytes())
    with caplog.at_level(logging.WARNING, "fast_style.data.datamodule"):
        fit(tmp_path, 6, photos)
    sentence = r"enlarged photo .*photo_[1-5]\.(jpg|png): it is smaller than 65 px"
    counts = [*(f"{count} enlarged so far" for count in (2, 3, 4)), "5 enlarged so far, further ones are only counted"]
    assert len(caplog.messages) == 4
    for message, count in zip(caplog.messages, counts, strict=True):
        assert re.fullmatch(rf"{sentence} \({count}\)", message)
    assert photos.enlarged == set(ImageSource(photo_folder).names)
    assert photos.summary() == "0 photos could not be read and were skipped, 6 were smaller than 65 px and enlarged"


def test_small_held_out_photos_are_counted(photo_folder, style_folder, tmp_path, caplog):
    photos = data(photo_folder, heldout=style_folder, heldout_size=50)
    with caplog.at_level(logging.WARNING, "fast_style.data.datamodule"):
        fit(tmp_path, 1, photos)
    assert caplog.messages == ["enlarged photo waves.png: it is smaller than 50 px (1 enlarged so far)"]
    assert photos.summary() == "0 photos could not be read and were skipped, 1 was smaller than 50 px and enlarged"


def test_nothing_to_sum_up(photo_folder):
    photos = data(photo_folder)
    photos.setup()
    assert photos.summary() is None


def test_unreadable_photos_are_not_set_aside(photo_folder):
    before, after = data(photo_folder), data(photo_folder)
    before.setup()
    (photo_folder / before.heldout_names[0]).write_bytes(b"")
    after.setup()
    assert len(after.heldout_names) == 1
    assert after.heldout_names != before.heldout_names


def test_unreadable_held_out_photo_is_named(photo_folder, style_folder, caplog):
    (style_folder / "bad.png").write_bytes(b"")
    photos = data(photo_folder, heldout=style_folder)
    photos.setup()
    assert caplog.messages == ["skipped bad.png: it cannot be read (1 skipped so far)"]
    assert photos.heldout_names == ["waves.png"]


def test_no_readable_photo_is_told_before_the_training(photo_folder, style_folder):
    for path in photo_folder.rglob("*.*"):
        path.write_bytes(b"")
    with pytest.raises(RuntimeError, match=r"^none of the 6 photos can be read, the first is .*: check them$"):
        data(photo_folder).setup()
    with pytest.raises(RuntimeError, match="no photo to train on: 6 in a row cannot be read"):
        data(photo_folder, heldout=style_folder).setup()


def test_coco_is_downloaded_into_root(photo_folder, tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(
        "fast_style.data.datamodule.download_coco", lambda *arguments: calls.append(arguments) or photo_folder
    )
    photos = data(tmp_path / "coco", coco="val2017")
    photos.prepare_data()
    photos.setup()
    assert calls == [(str(tmp_path / "coco"), "val2017")] * 2
    assert isinstance(photos.photos, PhotoDataset)


def test_nothing_is_downloaded_unasked(photo_folder, monkeypatch):
    monkeypatch.setattr("fast_style.data.datamodule.download_coco", None)
    photos = data(photo_folder)
    photos.prepare_data()
    photos.setup()


def test_auto_workers(photo_folder):
    assert 1 <= data(photo_folder, num_workers="auto").num_workers <= 4


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"num_workers": -1}, "num_workers must be auto or a number from 0, got -1"),
        ({"num_workers": "many"}, "num_workers must be auto or a number from 0, got 'many'"),
        ({"batch_size": 0}, "batch_size must be at least 1, got 0"),
        ({"heldout_count": 0}, "heldout_count must be at least 1, got 0"),
        ({"heldout_most": 0}, "heldout_most must be at least 1, got 0"),
        ({"root": ["a", "b"], "coco": "val2017"}, "with coco=val2017, root must be the one folder"),
        ({"root": None, "coco": "val2017"}, "with coco=val2017, root must be the one folder"),
    ],
)
def test_numbers_out_of_range(photo_folder, changes, sentence):
    with pytest.raises(ValueError, match=sentence):
        data(changes.pop("root", photo_folder), **changes)


def test_missing_and_empty_folders_are_told_at_once(photo_folder, tmp_path):
    (tmp_path / "empty").mkdir()
    for name, sentence in (
        ("nowhere", "there is no folder or zip file of photos at .*nowhere"),
        ("empty", "empty holds"),
    ):
        with pytest.raises(FileNotFoundError, match=sentence):
            data(tmp_path / name)
        for coco in (None, "val2017"):
            with pytest.raises(FileNotFoundError, match=sentence):
                data(photo_folder, heldout=tmp_path / name, coco=coco)


def test_training_batches_need_a_trainer(photo_folder):
    photos = data(photo_folder)
    photos.setup()
    with pytest.raises(RuntimeError, match="only within a Trainer"):
        photos.train_dataloader()
