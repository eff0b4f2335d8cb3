"""A painting, and a discriminator of its brushwork."""

import pytest
import torch

from fast_style.losses import ADVERSARIAL_LOSSES
from fast_style.training import AdversarialStyle
from fast_style.training.adversarial.brushwork import NEGATIVES


@pytest.fixture
def painting():
    return torch.rand(1, 3, 40, 48)


@pytest.fixture
def batch():
    return {"image": torch.rand(2, 3, 32, 32), "index": torch.arange(2)}


@pytest.fixture
def task(make, loss, painting):
    return make(AdversarialStyle, loss=loss(style=painting))


@pytest.fixture(autouse=True)
def _first_step(monkeypatch):
    monkeypatch.setattr(AdversarialStyle, "global_step", 0)


def test_the_balance_is_that_of_the_gradients_at_the_pictures(task, batch, logged):
    found = logged(task, batch)
    pictures = task.network(batch["image"]).detach().requires_grad_()
    losses = task.loss(pictures, batch["image"])
    style = sum(task.loss.weights[name] * value for name, value in losses.items() if name.startswith("style"))
    made = task.play("B", task.crops(batch, [0, 0]), pictures, batch)["adversarial_loss"]
    norms = [torch.autograd.grad(each, pictures, retain_graph=True)[0].norm() for each in (style, made)]
    weight = found["weighted/adversarial_loss"] / found["adversarial_loss"]
    assert weight * norms[1].item() == pytest.approx(0.25 * norms[0].item(), rel=1e-3)
    assert found["adversarial_weight"] == pytest.approx(weight, rel=1e-5)
    assert any(key == "adversarial_weight" and key.startswith(task.kept) for key in task.state_dict())


def test_a_weight_of_its_own(make, loss, painting, batch, logged):
    task = make(AdversarialStyle, loss=loss(style=painting), balance=None, adversarial_weight=3.0)
    found = logged(task, batch)
    assert found["weighted/adversarial_loss"] == pytest.approx(3 * found["adversarial_loss"])


def test_without_a_discriminator(make, loss, painting, batch, logged):
    task = make(AdversarialStyle, loss=loss(style=painting), adversarial_weight=0.0)
    raw = {"content_loss", "content_loss/relu2_1", "style_loss", "style_loss/relu1_1", "style_loss/relu2_1", "tv_loss"}
    assert set(logged(task, batch)) == {"total", "total_loss", *raw, *(f"weighted/{name}" for name in raw)}
    assert len(task.configure_optimizers()["optimizer"].param_groups) == 1


def test_crops_depend_on_the_sample_alone(task, painting, batch):
    crops = task.crops(batch, [0, 0])
    assert crops.shape == (2, 3, 32, 32)
    assert torch.equal(crops[1:], task.crops({"image": batch["image"][1:], "index": torch.tensor([1])}, [0]))
    windows = painting.unfold(2, 32, 1).unfold(3, 32, 1)[0].permute(1, 2, 0, 3, 4)
    for crop in crops:
        assert any((windows == each).flatten(2).all(-1).any() for each in (crop, crop.flip(-1)))


def test_a_small_painting_is_enlarged(make, loss):
    task = make(AdversarialStyle, loss=loss(style=torch.rand(1, 3, 20, 60)))
    assert task.crops({"image": torch.rand(1, 3, 32, 32)}, [0]).shape == (1, 3, 32, 32)


def test_negatives_have_no_colours_and_no_edges():
    images = torch.rand(2, 3, 16, 16)
    grey, blurred = (NEGATIVES[name]()(images) for name in ("grey", "blurred"))
    assert grey.shape == blurred.shape == images.shape
    assert (grey[:, 0] == grey[:, 1]).all()
    assert blurred.diff(dim=-1).abs().mean() < 0.3 * images.diff(dim=-1).abs().mean()
    flat = torch.full((1, 3, 12, 12), 0.3)
    torch.testing.assert_close(NEGATIVES["blurred"]()(flat), flat)


def test_paintings_of_a_folder(make, loss, painting, batch, logged):
    task = make(AdversarialStyle, loss=loss(style=painting), crops="paintings")
    assert task.wants == ("image", "painting")
    paintings = torch.rand(2, 3, 32, 32)
    found = logged(task, batch | {"painting": paintings})
    judge, pictures = task.adversaries["B"].discriminator, task.network(batch["image"])
    rejected = [pictures, *(NEGATIVES[name]()(paintings) for name in ("grey", "blurred"))]
    against = [ADVERSARIAL_LOSSES["lsgan"].discriminator(judge(paintings), judge(images)) for images in rejected]
    assert found["discriminator_loss"] == pytest.approx(torch.stack(against).mean().item(), rel=1e-4)


def test_a_batch_without_the_paintings_of_a_folder(make, loss, painting, batch, logged):
    task = make(AdversarialStyle, loss=loss(style=painting), crops="paintings")
    with pytest.raises(ValueError, match='crops of paintings are to be in the batch, as "painting"'):
        logged(task, batch)


def test_pictures_that_move_with_the_photo(make, loss, painting, logged):
    task = make(AdversarialStyle, loss=loss(style=painting), equivariance_weight=5.0)
    found = logged(task, {"image": torch.rand(2, 3, 64, 64), "index": torch.arange(2)})
    assert found["weighted/equivariance_loss"] == pytest.approx(5 * found["equivariance_loss"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"crops": "photo"}, "crops must be painting or paintings, got 'photo'"),
        ({"negatives": ["dark"]}, "negatives must be a list of grey, blurred, got 'dark'"),
        ({"discriminator_weight": -1.0}, r"discriminator_weight must not be negative, got -1\.0"),
        ({"balance": -1.0}, r"balance must not be negative, got -1\.0"),
        (
            {"adversarial_weight": 3.0},
            r"with balance=0.25 the adversarial weight is measured: leave adversarial_weight=3",
        ),
    ],
)
def test_bad_arguments(make, loss, painting, arguments, message):
    with pytest.raises(ValueError, match=message):
        make(AdversarialStyle, loss=loss(style=painting), **arguments)


def test_a_grey_painting_is_not_told_from_itself(make, loss):
    grey = torch.rand(1, 1, 40, 40).expand(-1, 3, -1, -1)
    with pytest.raises(ValueError, match=r"the painting is grey, and grey is to be rejected: give model.negatives"):
        make(AdversarialStyle, loss=loss(style=grey))
    make(AdversarialStyle, loss=loss(style=grey), negatives=["blurred"])
