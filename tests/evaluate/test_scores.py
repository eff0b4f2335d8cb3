import gc
import weakref

import pytest
import torch

from fast_style.evaluate import evaluate
from fast_style.losses import PerceptualLoss
from fast_style.networks import VGG


@pytest.fixture(scope="module")
def style():
    return torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def loss(style):
    torch.manual_seed(0)
    return PerceptualLoss(VGG("vgg19", None, width=4), style, ["relu1_2"], ["relu1_1"], 1.0, 5.0, 1.0)


def photo(number):
    return torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(number))


def test_scores_are_means_over_photos(loss, style):
    singly = [evaluate("a", lambda image: 1 - image, [photo(n)], loss, style)[0] for n in range(3)]
    together, pictures = evaluate("a", lambda image: 1 - image, [photo(n) for n in range(3)], loss, style, keep=2)
    for measure in ("ssim", "feature_distance", "palette_distance"):
        mean = sum(getattr(each, measure) for each in singly) / 3
        assert getattr(together, measure) == pytest.approx(mean)
    total = sum(each.losses["total_loss"] for each in singly) / 3
    assert together.losses["total_loss"] == pytest.approx(total)
    assert len(pictures) == 2
    for number, picture in enumerate(pictures):
        torch.testing.assert_close(picture, 1 - photo(number))


def test_no_more_photos_and_pictures_are_held_than_asked_for(loss, style):
    """Of twenty photos there is one at a time, and of the pictures those that are kept and one more."""
    photos, pictures, most = weakref.WeakSet(), weakref.WeakSet(), [0, 0]

    def count():
        gc.collect()
        most[:] = max(most[0], len(photos)), max(most[1], len(pictures))

    def one_by_one():
        for number in range(20):
            image = photo(number)
            photos.add(image)
            yield image
            del image
            count()

    def stylize(image):
        picture = 1 - image
        pictures.add(picture)
        return picture

    _, kept = evaluate("a", stylize, one_by_one(), loss, style, keep=3)
    assert len(kept) == 3
    assert most[0] <= 1
    assert most[1] <= 4


@pytest.mark.parametrize(
    ("photos", "layers", "message"),
    [([], ["relu1_1"], "there are no photos"), ([torch.rand(1, 3, 32, 32)], [], "neither content nor style layers")],
)
def test_misuse(style, photos, layers, message):
    loss = PerceptualLoss(VGG("vgg19", None, width=4), style, [], layers, 0.0, float(bool(layers)), 1.0)
    with pytest.raises(ValueError, match=message):
        evaluate("a", lambda image: image, photos, loss, style)
