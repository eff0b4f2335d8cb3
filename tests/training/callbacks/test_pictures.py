from types import SimpleNamespace

import pytest
import torch

from fast_style.images import resize_short_side
from fast_style.training import Task
from fast_style.training.callbacks import PictureLogger


class Doubling(Task):
    """Stylizes by doubling the values, beyond 1 too."""

    shown = {"": torch.rand(1, 3, 16, 16)}  # noqa: RUF012 - of the protocol

    def forward(self, photos):
        return 2 * photos


@pytest.fixture
def photos():
    return torch.rand(6, 3, 16, 16)


def show(logger, photos):
    for batch in photos.split(2):
        logger.on_validation_batch_end(None, None, {"photos": batch, "stylized": torch.zeros_like(batch)}, {}, 0)
    return logger


@pytest.mark.parametrize("shape", [(16, 28), (28, 16), (24, 40), (8, 9)])
def test_contact_sheet(photos, shape):
    style = torch.rand(1, 3, *shape)
    task = Doubling()
    task.shown = {"": style}
    sheet = show(PictureLogger(), photos).contact_sheet(task, rows=3)
    assert sheet.shape == (1, 3, 3 * (16 + 4) + 4, 3 * (16 + 4) + 4)

    cells = sheet[0, :, 4:, 4:].unfold(1, 16, 20).unfold(2, 16, 20)  # (3, rows, columns, 16, 16)
    middle = resize_short_side(style, 16)[0]
    top, left = (middle.shape[1] - 16) // 2, (middle.shape[2] - 16) // 2
    middle = middle[:, top : top + 16, left : left + 16]
    for row, photo in enumerate(photos[:3]):
        assert torch.equal(cells[:, row, 0], photo)
        assert torch.equal(cells[:, row, 1], middle)
        assert torch.equal(cells[:, row, 2], (2 * photo).clamp(0, 1))
    between = torch.ones(64, 64, dtype=torch.bool)
    for y in range(4, 64, 20):
        for x in range(4, 64, 20):
            between[y : y + 16, x : x + 16] = False
    assert (sheet[0][:, between] == 1).all()


def test_contact_sheet_has_as_many_rows_as_there_are_photos(photos):
    logger = show(PictureLogger(count=5), photos)
    assert logger.contact_sheet(Doubling()).shape[2] == 4 * 20 + 4
    assert logger.contact_sheet(Doubling(), rows=9).shape[2] == 5 * 20 + 4
    assert show(PictureLogger(), photos[:1]).contact_sheet(Doubling()).shape[2] == 24


def test_contact_sheet_of_a_run_that_has_measured_nothing(photos):
    """It goes on with an earlier one, and was stopped before."""
    task = Doubling()
    batches = [{"image": batch} for batch in photos.split(2)]
    task._trainer = SimpleNamespace(datamodule=SimpleNamespace(val_dataloader=lambda: iter(batches)))
    sheet = PictureLogger().contact_sheet(task, rows=3)
    assert torch.equal(sheet, show(PictureLogger(), photos).contact_sheet(Doubling(), rows=3))


class Several(Task):
    """Stylizes by the name of the style."""

    shown = {  # noqa: RUF012 - of the protocol
        "dark": torch.full((1, 3, 16, 20), 0.25),
        "light": torch.full((1, 3, 20, 16), 0.75),
    }

    def forward(self, photos, style):
        return photos * {"dark": 0.0, "light": 1.0}[style]


def test_contact_sheet_of_several_styles(photos):
    logger = PictureLogger()
    pictures = {"dark": torch.zeros_like(photos), "light": photos}
    logger.on_validation_batch_end(None, None, {"photos": photos, "stylized": pictures}, {}, 0)
    sheet = logger.contact_sheet(Several(), rows=2)
    cells = sheet[0, :, 4:, 4:].unfold(1, 16, 20).unfold(2, 16, 20)  # (3, rows, columns, 16, 16)
    assert cells.shape[1:3] == (3, 3)
    assert [cells[0, 0, column].mean().item() for column in range(3)] == [1.0, 0.25, 0.75]
    for row, photo in enumerate(photos[:2], start=1):
        assert torch.equal(cells[:, row, 0], photo)
        assert not cells[:, row, 1].any()
        assert torch.equal(cells[:, row, 2], photo)


def test_a_task_that_shows_nothing_has_no_sheet():
    logger = PictureLogger()
    logger.on_validation_batch_end(None, None, None, {}, 0)  # whose validation returns nothing
    logger.on_validation_epoch_end(None, None)
    assert logger.contact_sheet(Task()) is None


def test_a_task_without_styles_has_its_grids_on_the_sheet(photos):
    logger, there, back = PictureLogger(count=5), [photos, photos / 2, photos / 4], [photos / 3] * 3
    for _ in range(2):
        logger.on_validation_batch_end(None, None, {"grids": {"AtoB": there, "BtoA": back}}, {}, 0)
    sheet = logger.contact_sheet(Task(), rows=2)
    cells = sheet[0, :, 4:, 4:].unfold(1, 16, 20).unfold(2, 16, 20)  # (3, rows, columns, 16, 16)
    assert cells.shape[1:3] == (4, 3)
    for row in range(2):
        for column in range(3):
            assert torch.equal(cells[:, row, column], there[column][row])
            assert torch.equal(cells[:, 2 + row, column], back[column][row])


@pytest.mark.parametrize(("columns", "across"), [(1, 4), (2, 4), (3, 3)])
def test_grids_in_the_log_have_whole_rows(photos, monkeypatch, columns, across):
    logged = {}
    monkeypatch.setattr(
        "fast_style.training.callbacks.pictures.log_image", lambda _, tag, image: logged.update({tag: image})
    )
    logger = PictureLogger(count=4)
    logger.on_validation_batch_end(None, None, {"grids": {"AtoB": [photos] * columns}}, {}, 0)
    logger.on_validation_epoch_end(None, None)
    assert logged["heldout/AtoB"].shape == (3, 18 * 4 * columns // across + 2, 18 * across + 2)


def test_no_contact_sheet_of_a_task_without_a_style_before_a_validation(photos):
    logger, task = PictureLogger(), Doubling()
    task.shown = {}
    assert logger.contact_sheet(task) is None
    show(logger, photos).on_validation_epoch_start(None, None)
    assert logger.contact_sheet(task) is None
