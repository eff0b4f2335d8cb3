import copy
import json
from functools import partial
from types import SimpleNamespace

import pytest
import torch
from distillation import task as module
from distillation.styles import load_styles
from distillation.task import Distillation
from safetensors import safe_open
from torch.nn import functional as F

from fast_style.checkpoint import save_network
from fast_style.data import load_style, shipped_styles
from fast_style.functional import gram_matrix
from fast_style.losses import PerceptualLoss, content_loss, gram_loss
from fast_style.networks import VGG, TransformerNetwork
from fast_style.training import warmup_constant

LAYERS = {"wide": ["relu1_2", "relu3_1"], "deep": ["conv2_1"]}


def build(width=3, **changes):
    arguments = {
        "network": VGG("vgg19", None, width=width),
        "teachers": {"wide": VGG("vgg19", None, width=6), "deep": VGG("vgg16", None, width=8)},
        "layers": LAYERS,
        "optimizer": partial(torch.optim.Adam, lr=1e-2),
        "scheduler": partial(warmup_constant, warmup_steps=0),
    }
    return Distillation(**(arguments | changes))


@pytest.fixture
def task():
    task = build()
    for head in task.heads.values():
        head.data = torch.randn_like(head)
    return task


def predicted(task, images):
    features = task.network(images, task.used)
    return {layer: torch.einsum("ij,njhw->nihw", head, features[layer]) for layer, head in task.heads.items()}


def distances(features):
    """Content and style losses between the first image and the second, by layer."""
    return {
        layer: torch.stack([content_loss(first, second), gram_loss(first, gram_matrix(second))])
        for layer, (first, second) in ((layer, feature.split(1)) for layer, feature in features.items())
    }


def two_images():
    return torch.stack([torch.rand(3, 32, 40), torch.rand(3, 1, 1) * torch.rand(3, 32, 1).expand(-1, -1, 40)])


def test_taps_measure_in_the_metric_of_the_predicted_features(task, monkeypatch):
    written = {}

    def keep(path, network, convs, taps, metadata):
        written.update(convs=convs, taps=taps)

    monkeypatch.setattr(module, "save_loss_network", keep)
    task.save("slim.safetensors", {})
    assert written["convs"] == ["conv1_1", "conv1_2", "conv2_1", "conv2_2", "conv3_1"]
    images = two_images()
    features = task.network(images, task.used)
    tapped = {layer: torch.einsum("ij,njhw->nihw", written["taps"][layer], x) for layer, x in features.items()}
    expected = distances(predicted(task, images))
    for layer, found in distances(tapped).items():
        torch.testing.assert_close(found, expected[layer], rtol=1e-4, atol=0)


def test_the_exported_network_equals_them_in_half_precision(task, tmp_path):
    task.save(tmp_path / "slim.safetensors", {"steps": 0})
    exported = VGG("vgg19", tmp_path / "slim.safetensors")
    assert list(exported.convs)[-1] == "conv3_1"
    images = two_images()
    expected = distances(predicted(task, images))
    for layer, found in distances(exported(images, task.used)).items():
        torch.testing.assert_close(found, expected[layer], rtol=1e-2, atol=0)


def test_a_perfect_student_has_no_loss():
    """A student equal to its teacher, whose head undoes the scale alone."""
    task = build(width=6, teachers={"wide": VGG("vgg19", None, width=6)}, layers={"wide": ["relu2_1"]})
    task.network.load_state_dict(task.teachers["wide"].state_dict())
    images = torch.rand(2, 3, 32, 32)
    task._start(images)
    task.heads["relu2_1"].data = task.scales[0] * torch.eye(12)
    losses = task._losses(images)
    assert losses.keys() == {"feature_loss/relu2_1", "gram_loss/relu2_1"}
    assert max(losses.values()) < 1e-9


def targets(task, images):
    """The teachers' features, scaled."""
    taught = {}
    for name, teacher in task.teachers.items():
        taught |= teacher(images, LAYERS[name])
    return {layer: taught[layer] * scale for layer, scale in zip(task.used, task.scales, strict=True)}


def test_the_losses_are_those_of_the_formula(task):
    images = torch.rand(3, 3, 36, 44)
    task._start(images)
    losses = task._losses(images)
    students, taught = predicted(task, images), targets(task, images)
    for layer in task.used:
        step = {"1": 4, "2": 2, "3": 1}[layer[4]]
        target, student = (x[layer][:, :, 2:-2:step, 2:-2:step] for x in (taught, students))
        torch.testing.assert_close(target.square().mean(), torch.tensor(1.0))
        centred = target - target.mean((0, 2, 3), keepdim=True)
        error = (student - target).square().sum() / centred.square().sum()
        torch.testing.assert_close(losses[f"feature_loss/{layer}"], error)
        grams = [
            torch.linalg.norm(gram_matrix(s) - gram_matrix(t)) ** 2 / torch.linalg.norm(gram_matrix(t)) ** 2
            for s, t in zip(student.split(1), target.split(1), strict=True)
        ]
        torch.testing.assert_close(losses[f"gram_loss/{layer}"], torch.stack(grams).mean())


def test_the_heads_start_at_the_least_squares_solution(task):
    images = torch.rand(3, 3, 36, 44)
    task._start(images)
    learned, taught = task.network(images, ["relu3_1"])["relu3_1"], targets(task, images)["relu3_1"]
    student, target = (x[:, :, 2:-2, 2:-2].transpose(0, 1).flatten(1) for x in (learned, taught))
    best = torch.linalg.lstsq(student.T, target.T).solution.T
    least = (best @ student - target).square().mean()
    found = (task.heads["relu3_1"] @ student - target).square().mean()
    assert least <= found < 1.02 * least


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def test_variation_is_a_function_of_the_seed(task):
    images = torch.rand(8, 3, 20, 26)
    before = images.clone()
    varied = task._vary(images, 5, seeded())
    assert torch.equal(images, before)
    assert torch.equal(varied, task._vary(images, 5, seeded()))
    assert torch.equal(varied[:5], images[:5])
    assert (varied[5:] - images[5:]).abs().amax((1, 2, 3)).min() > 0.05
    assert -0.1 <= varied[5:].min() <= varied[5:].max() <= 1.1
    assert not torch.equal(task._vary(images, 5, seeded(1))[5:], varied[5:])


def test_recolouring_mixes_the_channels_of_a_pixel_alike_everywhere():
    image = torch.rand(1, 3, 4, 4)
    image[..., 1, 1] = image[..., 2, 3]
    changed = module._recolour(image, seeded())
    assert torch.equal(changed[..., 1, 1], changed[..., 2, 3])
    assert (changed - image).abs().mean() > 0.02


@pytest.fixture
def steps(monkeypatch):
    """Set the step of a task outside a trainer."""
    monkeypatch.setattr(Distillation, "log", lambda *_: None)
    return lambda step: monkeypatch.setattr(Distillation, "global_step", step)


def exploring(**changes):
    explorer_loss = {"content_layers": ["relu1_2"], "style_layers": ["relu1_2", "relu3_1"]}
    explorer_loss |= {"content_weight": 1.0, "style_weight": 5.0, "tv_weight": 0.0}
    styles = {"first": torch.rand(1, 3, 32, 32), "second": torch.zeros(1, 3, 32, 32)}
    explorer = TransformerNetwork(2, 0)
    return build(**({"explorer": explorer, "styles": styles, "explorer_loss": explorer_loss, "turn": 2} | changes))


def test_the_explorer_learns_against_the_student_which_stays(steps):
    task = exploring(turn=30)
    photos = torch.rand(2, 3, 32, 32)
    task._start(photos)
    trained = [parameter.detach().clone() for parameter in task._trained()]
    style = module._recolour(task.styles[0], seeded()).clamp(0, 1)
    objective = PerceptualLoss(module._InTeachersMetric(task), style, **task.explorer_loss)
    values = []
    for step in range(20):
        steps(step)
        stylized = task._explore(task.explorer, photos, seeded())[:1]
        values.append(objective.summary(objective(stylized, photos[:1]))["total_loss"].item())
    assert values[-1] < 0.9 * values[0]
    assert not stylized.requires_grad
    for parameter, before in zip(task._trained(), trained, strict=True):
        assert torch.equal(parameter, before)
        assert parameter.grad is None
        assert parameter.requires_grad


def test_the_explorer_sees_what_the_heads_predict(task):
    images = two_images()
    expected = distances(predicted(task, images))
    for layer, found in distances(module._InTeachersMetric(task)(images, task.used)).items():
        torch.testing.assert_close(found, expected[layer], rtol=1e-4, atol=0)


def test_the_explorer_starts_from_scratch_every_fourth_turn(steps):
    task = exploring()
    photos = torch.rand(1, 3, 32, 32)
    task._start(photos)
    fresh = task.explorer(photos).detach()
    untouched = []
    for step in range(17):
        steps(step)
        untouched.append(torch.equal(task._explore(task.explorer, photos, seeded()), fresh))
    assert untouched == [step % 8 == 0 for step in range(17)]


def test_a_batch_holds_new_pictures_old_ones_styles_and_photos(steps, monkeypatch):
    monkeypatch.setattr(module, "MEMORY", 5)
    monkeypatch.setattr(module, "_recolour", lambda images, _: images)
    task = exploring(styles={"grey": torch.full((1, 3, 20, 50), 0.5)})
    photos = torch.rand(12, 3, 32, 36)
    task._start(photos)
    made = []
    for step in range(3):
        steps(step)
        before = copy.deepcopy(task.explorer)(photos[:4]).detach()
        remembered = list(task.memory)
        batch = task._explore(task.explorer, photos, seeded(step))
        made += list(before.half())
        torch.testing.assert_close(batch[:4], before)
        for old in batch[4:7]:
            assert any(torch.equal(old.half(), picture) for picture in [*remembered, *before.half()])
        assert torch.equal(batch[7:9], torch.full((2, 3, 32, 36), 0.5))
        assert torch.equal(batch[9:], photos[9:])
        assert len(task.memory) == min(5, 4 * (step + 1))
        assert all(any(torch.equal(kept, picture) for picture in made) for kept in task.memory)


def test_only_what_is_used_of_the_student_and_the_heads_are_trained(task):
    (group,) = task.configure_optimizers()["optimizer"].param_groups
    convs = ("conv1_1", "conv1_2", "conv2_1", "conv2_2", "conv3_1")
    expected = {id(parameter) for name in convs for parameter in task.network.convs[name].parameters()}
    assert {id(parameter) for parameter in group["params"]} == expected | {id(head) for head in task.heads.values()}


def test_taps_of_an_earlier_distillation_are_left_behind(task, tmp_path):
    task.save(tmp_path / "slim.safetensors", {})
    student = build(network=VGG("vgg19", tmp_path / "slim.safetensors")).network
    images = torch.rand(1, 3, 32, 32)
    plain = F.relu(student.convs["conv1_1"]((images - student.mean) / student.std))
    torch.testing.assert_close(student(images, ["relu1_2"])["relu1_2"], F.relu(student.convs["conv1_2"](plain)))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"layers": {"wide": ["relu1_1"]}}, "teachers are wide, deep, layers are given for wide: name each in both"),
        ({"layers": {"wide": [], "deep": []}}, "each layer must be learned of one teacher, got no layer"),
        ({"layers": {"wide": ["relu1_1"], "deep": ["relu1_1"]}}, "of one teacher, got relu1_1, relu1_1"),
        ({"layers": {"wide": ["relu9_1"], "deep": ["relu1_1"]}}, "unknown layer 'relu9_1'"),
    ],
)
def test_bad_arguments(changes, message):
    with pytest.raises(ValueError, match=message):
        build(**changes)


@pytest.mark.parametrize("missing", ["styles", "explorer_loss"])
def test_an_explorer_without_what_it_needs(missing):
    with pytest.raises(ValueError, match="the explorer needs styles and explorer_loss"):
        exploring(**{missing: None})


def test_an_explorer_of_layers_that_are_not_learned(steps):
    task = exploring()
    task.explorer_loss["style_layers"] = ["relu2_2"]
    with pytest.raises(ValueError, match=r"explorer_loss asks for relu2_2, must be of the layers learned: .*relu3_1"):
        task._explore(task.explorer, torch.rand(1, 3, 32, 32), seeded())


def test_an_explorer_refuses_several_processes(monkeypatch):
    """It is trained inside the training step, where the processes would not meet."""
    monkeypatch.setattr(Distillation, "trainer", SimpleNamespace(world_size=2, optimizers=[]))
    build().on_fit_start()
    with pytest.raises(ValueError, match=r"runs in one process, got 2: give trainer\.devices=1"):
        exploring().on_fit_start()


def test_images_that_are_too_small(task):
    with pytest.raises(ValueError, match=r"relu3_1 of these images is 4×8, must be over 4 a side: enlarge data\.size"):
        task._losses(torch.rand(1, 3, 16, 32))


def test_training_lowers_the_loss(task):
    photos, others = torch.rand(2, 4, 3, 1, 1) * torch.rand(2, 4, 3, 32, 32)
    task._start(photos)
    optimizer = task.configure_optimizers()["optimizer"]

    def total(images):
        return torch.stack([*task._losses(images).values()]).sum()

    before = total(others)
    for _ in range(40):
        optimizer.zero_grad()
        total(photos).backward()
        optimizer.step()
    assert total(others) < 0.7 * before


def test_styles_by_name(style_folder):
    images = load_styles(["waves", "mosaic"], style_folder, 24)
    assert list(images) == ["waves", "mosaic"]
    for name, image in images.items():
        assert torch.equal(image, load_style(name, dir=style_folder, size=24))
    assert list(load_styles(size=16)) == shipped_styles()
    with pytest.raises(FileNotFoundError, match="no image for style 'wave'"):
        load_styles(["waves", "wave"], style_folder)


def test_a_run_exports_a_loss_network(tiny_distillation, distil, tmp_path, capsys):
    assert distil(tiny_distillation) == 0
    assert "next:" not in capsys.readouterr().out
    with safe_open(tmp_path / "out.safetensors", "pt") as file:
        metadata = {key: json.loads(text) for key, text in file.metadata().items()}
    assert metadata["steps"] == 3
    assert metadata["heldout_before"].keys() == metadata["heldout_after"].keys() >= {"heldout/gram_loss/relu3_1"}
    network = VGG("vgg19", tmp_path / "out.safetensors")
    assert list(network.convs)[-1] == "conv3_1"
    assert network.taps.keys() == {"relu1_2", "relu2_1", "relu3_1"}
    assert network(torch.rand(1, 3, 16, 16), ["relu3_1"])["relu3_1"].shape == (1, 8, 4, 4)


def test_resuming_is_exact(tiny_distillation, distil, tmp_path):
    assert distil(tiny_distillation | {"hydra.run.dir": str(tmp_path / "whole")}) == 0
    assert distil(tiny_distillation) == 0
    folder = tmp_path / "run" / "checkpoints"
    (folder / "step-3.ckpt").unlink()
    assert distil(tiny_distillation, "ckpt_path=last") == 0
    resumed, whole = (
        torch.load(tmp_path / run / "checkpoints" / "step-3.ckpt", weights_only=True) for run in ("run", "whole")
    )
    assert resumed["state_dict"].keys() == whole["state_dict"].keys()
    assert {key.partition(".")[0] for key in whole["state_dict"]} == {"network", "heads", "scales", "explorer"}
    assert all(torch.equal(resumed["state_dict"][key], value) for key, value in whole["state_dict"].items())
    for optimizer in (lambda x: x["optimizer_states"][0], lambda x: x["explorer_optimizer"]):
        for key, state in optimizer(whole)["state"].items():
            assert torch.equal(optimizer(resumed)["state"][key]["exp_avg_sq"], state["exp_avg_sq"])
    assert len(resumed["memory"]) == len(whole["memory"]) > 0
    assert all(map(torch.equal, resumed["memory"], whole["memory"]))


def test_resuming_with_another_student_is_refused(tiny_distillation, distil, capsys):
    assert distil(tiny_distillation) == 0
    assert distil(tiny_distillation, "ckpt_path=last", "model.network.width=3", "trainer.max_steps=4") == 2
    assert "the checkpoint is not of a distillation of this network" in capsys.readouterr().err


def test_a_loss_network_does_not_start_from_a_network(tiny_distillation, distil, tmp_path, capsys):
    save_network(tmp_path / "start.safetensors", TransformerNetwork(4, 1), {})
    assert distil(tiny_distillation | {"init": str(tmp_path / "start.safetensors")}) == 2
    assert "does not go with distillation: give init=scratch" in capsys.readouterr().err


def test_paths_are_taken_as_they_stand(tiny_distillation, distil, capsys):
    assert distil(tiny_distillation | {"model.teachers.narrow.weights": "narrow (1).safetensors"}) == 2
    assert "there are no weights of the narrow VGG-19 at narrow (1).safetensors" in capsys.readouterr().err
